-- to_us = 1795356450000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
-- lo = "2026-11-22T13:52:30Z"
-- hi = "2026-11-22T14:07:30Z"
-- present_from = []string{"1795356150000000"}
-- present = []string{"0/0/203.0.113.9"}
-- about0 = "203.0.113.50"
-- about1 = "203.0.113.0/24"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`method`, '') AS f_method,
    COALESCE(`path`, '') AS f_path,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`cache`, '') AS f_cache,
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
),
aged AS (
  SELECT *, @to_us - 1 - us AS age
  FROM req
),
src AS (
  SELECT us, age, DIV(age, 60000000) AS minute, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_path, f_status, f_ja4, f_blocked, f_claims_other_ip, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, @v0) OR STARTS_WITH(f_cache, @v1)) THEN 0
      WHEN (f_method = @v2 AND STARTS_WITH(f_path, @v3)) THEN 20
      ELSE 1 END AS w, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 900000000 THEN 1 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 2 ELSE 0 END
    ELSE 0 END AS mask
  FROM aged
),
hits AS (
  SELECT r.id AS rule, CASE WHEN r.id < 0 THEN 0 ELSE trust END AS trust,
    CASE WHEN r.id < 0 THEN f_client_key ELSE CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END END AS k, us,
    CASE WHEN r.id < 0 THEN 0 ELSE minute END AS minute,
    CASE WHEN r.id < 0 THEN '' ELSE f_path END AS path,
    CASE WHEN r.id < 0 THEN '' ELSE f_client_key END AS address,
    CASE WHEN r.id < 0 THEN '' ELSE f_ja4 END AS ja4,
    f_status, f_blocked, w,
    CASE WHEN r.id < 0 AND us < @to_us THEN 1 ELSE 0 END AS h_rows,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 ELSE 0 END AS h_trusted,
    CASE WHEN r.id < 0 AND us < @to_us AND f_client_key = '' THEN 1 ELSE 0 END AS h_no_address,
    CASE WHEN r.id < 0 AND us < @to_us AND hop_unsaid THEN 1 ELSE 0 END AS h_no_first_hop,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_client_key = '' THEN 1 ELSE 0 END AS h_trusted_no_address,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_claims_other_ip THEN 1 ELSE 0 END AS h_trusted_claims,
    CASE WHEN r.id < 0 AND us < @to_us AND shield THEN 1 ELSE 0 END AS h_shield,
    CASE WHEN r.id < 0 AND us < @to_us AND received THEN 1 ELSE 0 END AS h_received,
    CASE WHEN r.id < 0 AND FALSE THEN 1 ELSE 0 END AS h_ahead,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND f_client_key <> '' AND trust IN (1, 3) THEN 1 ELSE 0 END AS h_forgeable,
    CASE WHEN r.id < 0 AND us < @to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 ELSE 0 END AS h_ok_requests,
    CASE WHEN r.id < 0 AND base AND us < @to_us THEN us ELSE 0 END AS h_newest_us,
    CASE WHEN r.id < 0 AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us < @to_us THEN us ELSE 0 END AS h_trusted_newest_us,
    CASE WHEN r.id < 0 AND base AND us < @to_us THEN us ELSE 253402300800000000 END AS h_oldest_us
  FROM src CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS bit, 0 AS grp),
      STRUCT(1 AS id, 1 AS bit, 1 AS grp),
      STRUCT(-1 AS id, 0 AS bit, 0 AS grp)
    ]) r
  WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END <> '')
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
    SUM(CASE WHEN rule >= 0 AND NOT f_blocked THEN w ELSE 0 END) AS weight, SUM(CASE WHEN trust = 0 AND us >= from_us THEN w ELSE 0 END) AS after_weight,
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
    SUM(CASE WHEN minute >= CASE rule WHEN 0 THEN 8 WHEN 1 THEN 8 ELSE 0 END THEN n ELSE 0 END) AS older_n,
    COALESCE(MIN(first_us), 0) AS first_us, COALESCE(MAX(last_us), 0) AS last_us,
    SUM(after_n) AS after_n, SUM(after_refused) AS after_refused, SUM(after_ok) AS after_ok, MAX(after_last_us) AS after_last_us,
    SUM(weight) AS weight, SUM(after_weight) AS after_weight,
    SUM(h_rows) AS h_rows, SUM(h_trusted) AS h_trusted, SUM(h_no_address) AS h_no_address, SUM(h_no_first_hop) AS h_no_first_hop, SUM(h_trusted_no_address) AS h_trusted_no_address, SUM(h_trusted_claims) AS h_trusted_claims, SUM(h_shield) AS h_shield, SUM(h_received) AS h_received, SUM(h_ahead) AS h_ahead, SUM(h_forgeable) AS h_forgeable, SUM(h_ok_requests) AS h_ok_requests, MAX(h_newest_us) AS h_newest_us, MAX(h_trusted_newest_us) AS h_trusted_newest_us, MIN(h_oldest_us) AS h_oldest_us
  FROM minutes
  GROUP BY rule, trust, k
),
tally AS (
  SELECT rule, trust, requests, COUNT(CASE WHEN requests > 0 THEN 1 END) AS members,
    ARRAY_AGG(CASE WHEN rule >= 0 AND (after_n > 0 OR requests > 0 AND CASE rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (addresses >= 20 AND weight >= 9000)
    ELSE FALSE END OR rule IN (0) AND k = @about0 OR rule IN (1) AND k = @about1)
      THEN STRUCT(k AS k, peak AS peak, ok AS ok, errors AS errors, distinct_paths AS distinct_paths, addresses AS addresses, ok_addresses AS ok_addresses, ja4s AS ja4s, first_us AS first_us, last_us AS last_us, after_n AS after_n, after_refused AS after_refused, after_ok AS after_ok, after_last_us AS after_last_us, weight AS weight, after_weight AS after_weight) END IGNORE NULLS) AS riders,
    SUM(older_n) AS older_n,
    COUNT(CASE WHEN h_ok_requests > 0 AND k <> '' THEN 1 END) AS h_ok_addresses,
    SUM(CASE WHEN rule < 0 AND FALSE THEN h_trusted ELSE 0 END) AS h_trusted_not_client,
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
    0e0 AS baseline_score,
    0e0 AS baseline_ratio
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
    m.after_last_us AS after_last_us,
    m.weight AS weight,
    m.after_weight AS after_weight
  FROM scored t CROSS JOIN UNNEST(ARRAY_CONCAT(
    [STRUCT('' AS k, 0 AS peak, 0 AS ok, 0 AS errors, 0 AS distinct_paths, 0 AS addresses, 0 AS ok_addresses, 0 AS ja4s, 0 AS first_us, 0 AS last_us, 0 AS after_n, 0 AS after_refused, 0 AS after_ok, 0 AS after_last_us, 0 AS weight, 0 AS after_weight)], IFNULL(t.riders, []))) m
),
judged AS (
  SELECT *, CASE WHEN k <> '' AND requests > 0 AND CASE rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (addresses >= 20 AND weight >= 9000)
    ELSE FALSE END
    THEN 1 ELSE 0 END AS met
  FROM unpacked
)
SELECT rule, trust, k, met, requests, peak, ok, errors, distinct_paths, addresses, ok_addresses, ja4s, share, score, baseline_score, baseline_ratio, first_us, last_us, population, volume, older, busiest, median, scale, after_n, after_refused, after_ok, after_last_us, h_rows, h_newest_us, h_trusted, h_no_address, h_no_first_hop, h_shield, h_received, h_ahead, h_ok_requests, h_ok_addresses, h_trusted_newest_us, h_trusted_no_address, h_forgeable, h_oldest_us, h_trusted_not_client, h_trusted_claims, weight, after_weight
FROM judged
WHERE met = 1 OR after_n > 0 OR tells OR rule IN (0) AND k = @about0 OR rule IN (1) AND k = @about1
ORDER BY rule, trust, requests DESC, k
