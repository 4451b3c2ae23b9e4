-- to_us = 1795356450000000
-- lo = "2026-11-22T13:47:30Z"
-- hi = "2026-11-23T15:09:30Z"
-- service = "SVC1"
-- v0 = "POST"
-- v1 = "/login"
-- v2 = ""
-- v3 = "^(curl|python)/"
-- v4 = "_sure"
-- v5 = "☃"
-- v6 = "shop.example"
-- v7 = "m"
-- ahead_us = 1795356690000000
-- present_from = []string{"1795356150000000"}
-- present = []string{"0/0/203.0.113.9"}
-- not_clients = "^(?:(?:22[4-9]|23[0-9])\\.|100\\.(?:6[4-9]|7[0-9]|8[0-9]|9[0-9]|10[0-9]|11[0-9]|12[0-7])\\.|10\\.|146\\.75\\.(?:[0-9]|1[0-9]|2[0-9]|3[0-9]|4[0-9]|5[0-9]|6[0-9]|7[0-9]|8[0-9]|9[0-9]|10[0-9]|11[0-9]|12[0-7])\\.|151\\.101\\.|172\\.(?:1[6-9]|2[0-9]|3[0-1])\\.|192\\.0\\.2\\.(?:[8-9])$|192\\.0\\.2\\.200$|192\\.168\\.|199\\.27\\.(?:7[2-9])\\.|2002:|2a04:4e40:|::/64$|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]{1}:)"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`client_asn`, 0) AS f_client_asn,
    COALESCE(`host`, '') AS f_host,
    COALESCE(`method`, '') AS f_method,
    COALESCE(`path`, '') AS f_path,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`response_bytes`, 0) AS f_response_bytes,
    COALESCE(`user_agent`, '') AS f_user_agent,
    '' AS f_ja4,
    COALESCE(`first_hop`, FALSE) AS f_first_hop,
    COALESCE(`blocked`, FALSE) AS f_blocked,
    COALESCE(`claims_other_ip`, FALSE) AS f_claims_other_ip,
    COALESCE(`sender`, '') AS f_sender,
    COALESCE(`address_source`, '') AS f_address_source,
    COALESCE(`time_source`, '') AS f_time_source,
    COALESCE(`client_key`, '') AS f_client_key,
    COALESCE(`client_prefix`, '') AS f_client_prefix,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
    AND `service_id` = @service
),
aged AS (
  SELECT *, @to_us - 1 - us AS age
  FROM req
),
src AS (
  SELECT us, age, DIV(age, 60000000) AS minute, CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_path, f_status, f_ja4, f_blocked, f_claims_other_ip, f_client_key, f_client_prefix, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 900000000 THEN 1 ELSE 0 END
      + CASE WHEN age < 600000000 AND (f_method = @v0 AND STARTS_WITH(f_path, @v1) AND f_status IN (401, 403)) THEN 2 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 4 ELSE 0 END
      + CASE WHEN age < 320000000 THEN 8 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 16 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 32 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 64 ELSE 0 END
      + CASE WHEN age < 1200000000 THEN 128 ELSE 0 END
      + CASE WHEN age < 900000000 AND f_ja4 <> @v2 THEN 256 ELSE 0 END
      + CASE WHEN age < 900000000 AND (REGEXP_CONTAINS(f_user_agent, @v3) OR STRPOS(f_user_agent, @v4) > 0 OR ENDS_WITH(f_user_agent, @v5)) THEN 512 ELSE 0 END
      + CASE WHEN age < 900000000 AND (f_status = 0 OR NOT (f_first_hop)) THEN 1024 ELSE 0 END
      + CASE WHEN age < 61000000 AND (f_response_bytes >= 5.00005e+04 AND f_client_asn <> 64500 AND f_host <= @v6 AND f_host > @v7) THEN 2048 ELSE 0 END
    ELSE 0 END AS mask
  FROM aged
),
hits AS (
  SELECT r.id AS rule, CASE WHEN r.id < 0 THEN 0 ELSE trust END AS trust,
    CASE WHEN r.id < 0 THEN f_client_key ELSE CASE r.grp WHEN 1 THEN f_client_prefix WHEN 2 THEN CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS STRING) ELSE '' END WHEN 3 THEN f_ja4 ELSE f_client_key END END AS k, us,
    CASE WHEN r.id < 0 THEN 0 ELSE minute END AS minute,
    CASE WHEN r.id < 0 THEN '' ELSE f_path END AS path,
    CASE WHEN r.id < 0 THEN '' ELSE f_client_key END AS address,
    CASE WHEN r.id < 0 THEN '' ELSE f_ja4 END AS ja4,
    f_status, f_blocked,
    CASE WHEN r.id < 0 AND us < @to_us THEN 1 ELSE 0 END AS h_rows,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 ELSE 0 END AS h_trusted,
    CASE WHEN r.id < 0 AND us < @to_us AND f_client_key = '' THEN 1 ELSE 0 END AS h_no_address,
    CASE WHEN r.id < 0 AND us < @to_us AND hop_unsaid THEN 1 ELSE 0 END AS h_no_first_hop,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_client_key = '' THEN 1 ELSE 0 END AS h_trusted_no_address,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_claims_other_ip THEN 1 ELSE 0 END AS h_trusted_claims,
    CASE WHEN r.id < 0 AND us < @to_us AND shield THEN 1 ELSE 0 END AS h_shield,
    CASE WHEN r.id < 0 AND us < @to_us AND received THEN 1 ELSE 0 END AS h_received,
    CASE WHEN r.id < 0 AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us >= @to_us AND us > @ahead_us THEN 1 ELSE 0 END AS h_ahead,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND f_client_key <> '' AND trust IN (1, 3) THEN 1 ELSE 0 END AS h_forgeable,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 ELSE 0 END AS h_ok_requests,
    CASE WHEN r.id < 0 AND base AND us < @to_us THEN us ELSE 0 END AS h_newest_us,
    CASE WHEN r.id < 0 AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us < @to_us THEN us ELSE 0 END AS h_trusted_newest_us,
    CASE WHEN r.id < 0 AND base AND us < @to_us THEN us ELSE 253402300800000000 END AS h_oldest_us
  FROM src CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS bit, 0 AS grp),
      STRUCT(1 AS id, 1 AS bit, 0 AS grp),
      STRUCT(2 AS id, 2 AS bit, 0 AS grp),
      STRUCT(3 AS id, 3 AS bit, 0 AS grp),
      STRUCT(4 AS id, 4 AS bit, 0 AS grp),
      STRUCT(5 AS id, 5 AS bit, 0 AS grp),
      STRUCT(6 AS id, 6 AS bit, 1 AS grp),
      STRUCT(7 AS id, 7 AS bit, 2 AS grp),
      STRUCT(8 AS id, 8 AS bit, 3 AS grp),
      STRUCT(9 AS id, 9 AS bit, 0 AS grp),
      STRUCT(10 AS id, 10 AS bit, 0 AS grp),
      STRUCT(11 AS id, 11 AS bit, 0 AS grp),
      STRUCT(-1 AS id, 0 AS bit, 0 AS grp)
    ]) r
  WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND CASE r.grp WHEN 1 THEN f_client_prefix WHEN 2 THEN CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS STRING) ELSE '' END WHEN 3 THEN f_ja4 ELSE f_client_key END <> '')
),
watched AS (
  SELECT h.*, p.from_us AS from_us
  FROM hits h LEFT JOIN (SELECT id, CAST(@present_from[OFFSET(place)] AS INT64) AS from_us FROM UNNEST(@present) id WITH OFFSET place) p ON p.id = CAST(h.rule AS STRING) || '/' || CAST(h.trust AS STRING) || '/' || h.k
  WHERE h.rule < 0 OR NOT f_blocked OR p.id IS NOT NULL
),
parts AS (
  SELECT rule, trust, k, minute, path, address, ja4,
    COUNT(CASE WHEN rule >= 0 AND NOT f_blocked THEN 1 END) AS n, COUNT(CASE WHEN rule >= 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS n_ok, COUNT(CASE WHEN rule >= 0 AND NOT f_blocked AND f_status >= 400 THEN 1 END) AS n_errors,
    MIN(CASE WHEN rule >= 0 AND NOT f_blocked THEN us END) AS first_us, MAX(CASE WHEN rule >= 0 AND NOT f_blocked THEN us END) AS last_us,
    COUNT(CASE WHEN trust = 0 AND us >= from_us THEN 1 END) AS after_n, COUNT(CASE WHEN trust = 0 AND us >= from_us AND f_blocked THEN 1 END) AS after_refused, COUNT(CASE WHEN trust = 0 AND us >= from_us AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS after_ok, MAX(CASE WHEN trust = 0 AND us >= from_us THEN us ELSE 0 END) AS after_last_us,
    SUM(h_rows) AS h_rows, SUM(h_trusted) AS h_trusted, SUM(h_no_address) AS h_no_address, SUM(h_no_first_hop) AS h_no_first_hop, SUM(h_trusted_no_address) AS h_trusted_no_address, SUM(h_trusted_claims) AS h_trusted_claims, SUM(h_shield) AS h_shield, SUM(h_received) AS h_received, SUM(h_ahead) AS h_ahead, SUM(h_forgeable) AS h_forgeable, SUM(h_ok_requests) AS h_ok_requests, MAX(h_newest_us) AS h_newest_us, MAX(h_trusted_newest_us) AS h_trusted_newest_us, MIN(h_oldest_us) AS h_oldest_us
  FROM watched
  GROUP BY rule, trust, k, minute, path, address, ja4
),
minutes AS (
  SELECT *, SUM(n) OVER (PARTITION BY rule, trust, k, minute) AS per_minute
  FROM parts
),
per_key AS (
  SELECT rule, trust, k, SUM(n) AS requests, MAX(per_minute) AS peak, SUM(n_ok) AS ok, SUM(n_errors) AS errors,
    COUNT(DISTINCT CASE WHEN n > 0 THEN path END) AS distinct_paths,
    COUNT(DISTINCT CASE WHEN n > 0 THEN NULLIF(address, '') END) AS addresses,
    COUNT(DISTINCT CASE WHEN n_ok > 0 THEN NULLIF(address, '') END) AS ok_addresses,
    COUNT(DISTINCT CASE WHEN n > 0 THEN NULLIF(ja4, '') END) AS ja4s,
    SUM(CASE WHEN minute >= CASE rule WHEN 0 THEN 8 WHEN 1 THEN 5 WHEN 2 THEN 8 WHEN 3 THEN 3 WHEN 4 THEN 8 WHEN 5 THEN 8 WHEN 6 THEN 8 WHEN 7 THEN 10 WHEN 8 THEN 8 WHEN 9 THEN 8 WHEN 10 THEN 8 WHEN 11 THEN 1 ELSE 0 END THEN n ELSE 0 END) AS older_n,
    COALESCE(MIN(first_us), 0) AS first_us, COALESCE(MAX(last_us), 0) AS last_us,
    SUM(after_n) AS after_n, SUM(after_refused) AS after_refused, SUM(after_ok) AS after_ok, MAX(after_last_us) AS after_last_us,
    SUM(h_rows) AS h_rows, SUM(h_trusted) AS h_trusted, SUM(h_no_address) AS h_no_address, SUM(h_no_first_hop) AS h_no_first_hop, SUM(h_trusted_no_address) AS h_trusted_no_address, SUM(h_trusted_claims) AS h_trusted_claims, SUM(h_shield) AS h_shield, SUM(h_received) AS h_received, SUM(h_ahead) AS h_ahead, SUM(h_forgeable) AS h_forgeable, SUM(h_ok_requests) AS h_ok_requests, MAX(h_newest_us) AS h_newest_us, MAX(h_trusted_newest_us) AS h_trusted_newest_us, MIN(h_oldest_us) AS h_oldest_us
  FROM minutes
  GROUP BY rule, trust, k
),
tally AS (
  SELECT rule, trust, requests, COUNT(CASE WHEN requests > 0 THEN 1 END) AS members,
    ARRAY_AGG(CASE WHEN rule >= 0 AND (after_n > 0 OR requests > 0 AND CASE rule
    WHEN 0 THEN requests >= 10
    WHEN 1 THEN requests > 3
    WHEN 2 THEN (distinct_paths >= 8 AND errors > 2 AND COALESCE(errors / NULLIF(requests, 0), 0) > 5e-01)
    WHEN 3 THEN peak >= 4
    WHEN 4 THEN (TRUE AND requests >= 4)
    WHEN 5 THEN (TRUE OR ok >= 12)
    WHEN 6 THEN (addresses >= 4 AND ok_addresses >= 2 AND ja4s <> 1)
    WHEN 7 THEN (requests >= 5 AND (TRUE AND errors <> 0))
    WHEN 8 THEN (requests >= 2 AND NOT (ok IN (1, 2)))
    WHEN 9 THEN (requests >= 2 AND TRUE)
    WHEN 10 THEN requests <= 3
    WHEN 11 THEN (requests >= ok AND TRUE)
    ELSE FALSE END)
      THEN STRUCT(k AS k, peak AS peak, ok AS ok, errors AS errors, distinct_paths AS distinct_paths, addresses AS addresses, ok_addresses AS ok_addresses, ja4s AS ja4s, first_us AS first_us, last_us AS last_us, after_n AS after_n, after_refused AS after_refused, after_ok AS after_ok, after_last_us AS after_last_us) END IGNORE NULLS) AS riders,
    SUM(older_n) AS older_n,
    COUNT(CASE WHEN h_ok_requests > 0 AND k <> '' THEN 1 END) AS h_ok_addresses,
    SUM(CASE WHEN rule < 0 AND REGEXP_CONTAINS(k, @not_clients) THEN h_trusted ELSE 0 END) AS h_trusted_not_client,
    SUM(h_rows) AS h_rows, SUM(h_trusted) AS h_trusted, SUM(h_no_address) AS h_no_address, SUM(h_no_first_hop) AS h_no_first_hop, SUM(h_trusted_no_address) AS h_trusted_no_address, SUM(h_trusted_claims) AS h_trusted_claims, SUM(h_shield) AS h_shield, SUM(h_received) AS h_received, SUM(h_ahead) AS h_ahead, SUM(h_forgeable) AS h_forgeable, SUM(h_ok_requests) AS h_ok_requests, MAX(h_newest_us) AS h_newest_us, MAX(h_trusted_newest_us) AS h_trusted_newest_us, MIN(h_oldest_us) AS h_oldest_us
  FROM per_key
  GROUP BY rule, trust, requests
),
ranked AS (
  SELECT *, LN(CASE WHEN requests > 0 THEN requests ELSE 1 END) AS ln_requests,
    SUM(members) OVER (PARTITION BY rule, trust ORDER BY requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum,
    SUM(members) OVER (PARTITION BY rule, trust) AS population,
    SUM(requests * members) OVER (PARTITION BY rule, trust) AS total,
    MAX(requests) OVER (PARTITION BY rule, trust) AS busiest,
    MIN(requests) OVER (PARTITION BY rule, trust) AS least,
    SUM(older_n) OVER (PARTITION BY rule, trust) AS older
  FROM tally
),
halved AS (
  SELECT *, DIV(population - 1, 2) AS mid_lo, DIV(population, 2) AS mid_hi
  FROM ranked
),
centred AS (
  SELECT *, COALESCE((MAX(CASE WHEN cum - members <= mid_lo AND mid_lo < cum THEN ln_requests END) OVER (PARTITION BY rule, trust)
      + MAX(CASE WHEN cum - members <= mid_hi AND mid_hi < cum THEN ln_requests END) OVER (PARTITION BY rule, trust)) / 2, 0) AS med
  FROM halved
),
deviating AS (
  SELECT *, ABS(ln_requests - med) AS dev
  FROM centred
),
spread AS (
  SELECT *, SUM(members) OVER (PARTITION BY rule, trust ORDER BY dev, requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum_dev
  FROM deviating
),
scaled AS (
  SELECT *, 1.4826e0 * COALESCE((MAX(CASE WHEN cum_dev - members <= mid_lo AND mid_lo < cum_dev THEN dev END) OVER (PARTITION BY rule, trust)
      + MAX(CASE WHEN cum_dev - members <= mid_hi AND mid_hi < cum_dev THEN dev END) OVER (PARTITION BY rule, trust)) / 2, 0) AS scale
  FROM spread
),
scored AS (
  SELECT *, COALESCE(requests / NULLIF(total, 0), 0) AS share,
    (ln_requests - med) / CASE WHEN scale > 1e-1 THEN scale ELSE 1e-1 END AS score,
    CASE rule WHEN 4 THEN (ln_requests - 1.25e+00) / 1e-01 ELSE 0e0 END AS baseline_score,
    CASE rule WHEN 4 THEN total / 1.2e+03 ELSE 0e0 END AS baseline_ratio
  FROM scaled
),
unpacked AS (
  SELECT t.rule AS rule,
    t.trust AS trust,
    t.requests AS requests,
    t.share AS share,
    t.score AS score,
    t.baseline_score AS baseline_score,
    t.baseline_ratio AS baseline_ratio,
    t.population AS population,
    t.total AS volume,
    t.older AS older,
    t.busiest AS busiest,
    t.med AS median,
    t.scale AS scale,
    t.requests = t.least AND m.k = '' AS tells,
    t.h_rows AS h_rows,
    t.h_newest_us AS h_newest_us,
    t.h_trusted AS h_trusted,
    t.h_no_address AS h_no_address,
    t.h_no_first_hop AS h_no_first_hop,
    t.h_shield AS h_shield,
    t.h_received AS h_received,
    t.h_ahead AS h_ahead,
    t.h_ok_requests AS h_ok_requests,
    t.h_ok_addresses AS h_ok_addresses,
    t.h_trusted_newest_us AS h_trusted_newest_us,
    t.h_trusted_no_address AS h_trusted_no_address,
    t.h_forgeable AS h_forgeable,
    CASE WHEN t.h_oldest_us = 253402300800000000 THEN 0 ELSE t.h_oldest_us END AS h_oldest_us,
    t.h_trusted_not_client AS h_trusted_not_client,
    t.h_trusted_claims AS h_trusted_claims,
    m.k AS k,
    m.peak AS peak,
    m.ok AS ok,
    m.errors AS errors,
    m.distinct_paths AS distinct_paths,
    m.addresses AS addresses,
    m.ok_addresses AS ok_addresses,
    m.ja4s AS ja4s,
    m.first_us AS first_us,
    m.last_us AS last_us,
    m.after_n AS after_n,
    m.after_refused AS after_refused,
    m.after_ok AS after_ok,
    m.after_last_us AS after_last_us
  FROM scored t CROSS JOIN UNNEST(ARRAY_CONCAT(
    [STRUCT('' AS k, 0 AS peak, 0 AS ok, 0 AS errors, 0 AS distinct_paths, 0 AS addresses, 0 AS ok_addresses, 0 AS ja4s, 0 AS first_us, 0 AS last_us, 0 AS after_n, 0 AS after_refused, 0 AS after_ok, 0 AS after_last_us)], IFNULL(t.riders, []))) m
),
judged AS (
  SELECT *, CASE WHEN k <> '' AND requests > 0 AND CASE rule
    WHEN 0 THEN requests >= 10
    WHEN 1 THEN requests > 3
    WHEN 2 THEN (distinct_paths >= 8 AND errors > 2 AND COALESCE(errors / NULLIF(requests, 0), 0) > 5e-01)
    WHEN 3 THEN peak >= 4
    WHEN 4 THEN (score > 3e+00 AND requests >= 4)
    WHEN 5 THEN (share >= 2e-02 OR ok >= 12)
    WHEN 6 THEN (addresses >= 4 AND ok_addresses >= 2 AND ja4s <> 1)
    WHEN 7 THEN (requests >= 5 AND (share >= 1e-01 AND errors <> 0))
    WHEN 8 THEN (requests >= 2 AND NOT (ok IN (1, 2)))
    WHEN 9 THEN (requests >= 2 AND score >= -1.5e+00)
    WHEN 10 THEN requests <= 3
    WHEN 11 THEN (requests >= ok AND share > 1.2e-01)
    ELSE FALSE END
    THEN 1 ELSE 0 END AS met
  FROM unpacked
)
SELECT rule, trust, k, met, requests, peak, ok, errors, distinct_paths, addresses, ok_addresses, ja4s, share, score, baseline_score, baseline_ratio, first_us, last_us, population, volume, older, busiest, median, scale, after_n, after_refused, after_ok, after_last_us, h_rows, h_newest_us, h_trusted, h_no_address, h_no_first_hop, h_shield, h_received, h_ahead, h_ok_requests, h_ok_addresses, h_trusted_newest_us, h_trusted_no_address, h_forgeable, h_oldest_us, h_trusted_not_client, h_trusted_claims
FROM judged
WHERE met = 1 OR after_n > 0 OR tells
ORDER BY rule, trust, requests DESC, k
