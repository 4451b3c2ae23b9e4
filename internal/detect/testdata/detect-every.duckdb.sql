-- to_us = 1795356450000000
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
-- not_clients = "^(?:(?:22[4-9]|23[0-9])\\.|100\\.(?:6[4-9]|7[0-9]|8[0-9]|9[0-9]|10[0-9]|11[0-9]|12[0-7])\\.|10\\.|146\\.75\\.(?:[0-9]|1[0-9]|2[0-9]|3[0-9]|4[0-9]|5[0-9]|6[0-9]|7[0-9]|8[0-9]|9[0-9]|10[0-9]|11[0-9]|12[0-7])\\.|151\\.101\\.|172\\.(?:1[6-9]|2[0-9]|3[0-1])\\.|192\\.0\\.2\\.(?:[8-9])$|192\\.0\\.2\\.200$|192\\.168\\.|199\\.27\\.(?:7[2-9])\\.|2002:|2a04:4e40:|::/64$|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]{1}:)"
-- present = []detect.KeyParam{detect.KeyParam{Rule:0, Trust:0, Key:"203.0.113.9", FromUs:1795356150000000}}
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("client_asn", 0) AS f_client_asn,
    COALESCE("host", '') AS f_host,
    COALESCE("method", '') AS f_method,
    COALESCE("path", '') AS f_path,
    COALESCE("status", 0) AS f_status,
    COALESCE("response_bytes", 0) AS f_response_bytes,
    COALESCE("user_agent", '') AS f_user_agent,
    '' AS f_ja4,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("blocked", FALSE) AS f_blocked,
    COALESCE("claims_other_ip", FALSE) AS f_claims_other_ip,
    COALESCE("sender", '') AS f_sender,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("time_source", '') AS f_time_source,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("client_prefix", '') AS f_client_prefix,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:47:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-23 15:09:30.000000+00'
    AND "kind" = 'request'
    AND "service_id" = $service
),
aged AS (
  SELECT *, $to_us - 1 - us AS age
  FROM req
),
wide AS (
  SELECT us, age, (age) // 60000000 AS minute, CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_path, f_status, f_ja4, f_blocked, f_claims_other_ip, f_client_key, f_client_prefix, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 900000000 THEN CAST(117 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 600000000 AND (f_method = $v0 AND STARTS_WITH(f_path, $v1) AND f_status IN (401, 403)) THEN CAST(2 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 320000000 THEN CAST(8 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 1200000000 THEN CAST(128 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 900000000 AND f_ja4 <> $v2 THEN CAST(256 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 900000000 AND (regexp_matches(f_user_agent, $v3) OR STRPOS(f_user_agent, $v4) > 0 OR ENDS_WITH(f_user_agent, $v5)) THEN CAST(512 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 900000000 AND (f_status = 0 OR NOT (f_first_hop)) THEN CAST(1024 AS BIGINT) ELSE 0 END
      + CASE WHEN age < 61000000 AND (f_response_bytes >= 5.00005e+04 AND f_client_asn <> 64500 AND f_host <= $v6 AND f_host > $v7) THEN CAST(2048 AS BIGINT) ELSE 0 END
    ELSE 0 END AS mask
  FROM aged
),
src AS MATERIALIZED (
  SELECT * REPLACE (minute::SMALLINT AS minute, trust::TINYINT AS trust, LEAST(GREATEST(f_status, 0), 1000)::SMALLINT AS f_status)
  FROM wide
),
rules(id, grp, counter) AS (
  VALUES
      (0, 0, 0),
      (1, 0, 1),
      (2, 0, 0),
      (3, 0, 3),
      (4, 0, 0),
      (5, 0, 0),
      (6, 1, 6),
      (7, 2, 7),
      (8, 3, 8),
      (9, 0, 9),
      (10, 0, 10),
      (11, 0, 11)
),
by_address AS MATERIALIZED (
  SELECT trust, f_client_key AS k,
    COUNT(CASE WHEN mask & CAST(1 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n0,
    COUNT(CASE WHEN mask & CAST(2 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n1,
    COUNT(CASE WHEN mask & CAST(8 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n3,
    COUNT(CASE WHEN mask & CAST(512 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n9,
    COUNT(CASE WHEN mask & CAST(1024 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n10,
    COUNT(CASE WHEN mask & CAST(2048 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n11,
    COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 END) AS h_trusted,
    COUNT(CASE WHEN us < $to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS h_ok_requests
  FROM src
  GROUP BY ALL
),
by_prefix AS MATERIALIZED (
  SELECT trust, f_client_prefix AS k,
    COUNT(CASE WHEN mask & CAST(64 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n6
  FROM src
  WHERE mask & CAST(64 AS BIGINT) <> 0
  GROUP BY ALL
),
by_asn AS MATERIALIZED (
  SELECT trust, CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS VARCHAR) ELSE '' END AS k,
    COUNT(CASE WHEN mask & CAST(128 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n7
  FROM src
  WHERE mask & CAST(128 AS BIGINT) <> 0
  GROUP BY ALL
),
by_ja4 AS MATERIALIZED (
  SELECT trust, f_ja4 AS k,
    COUNT(CASE WHEN mask & CAST(256 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n8
  FROM src
  WHERE mask & CAST(256 AS BIGINT) <> 0
  GROUP BY ALL
),
counts AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT trust, k, UNNEST([0, 1, 3, 9, 10, 11]) AS counter, UNNEST([n0, n1, n3, n9, n10, n11]) AS requests FROM by_address WHERE k <> ''
    UNION ALL
    SELECT trust, k, UNNEST([6]) AS counter, UNNEST([n6]) AS requests FROM by_prefix WHERE k <> ''
    UNION ALL
    SELECT trust, k, UNNEST([7]) AS counter, UNNEST([n7]) AS requests FROM by_asn WHERE k <> ''
    UNION ALL
    SELECT trust, k, UNNEST([8]) AS counter, UNNEST([n8]) AS requests FROM by_ja4 WHERE k <> ''
  ) WHERE requests > 0
),
tally AS (
  SELECT r.id AS rule, trust, requests, members
  FROM (SELECT counter, trust, requests, COUNT(*) AS members FROM counts GROUP BY ALL) JOIN rules r USING (counter)
),
by_half AS (
  SELECT trust, minute, CASE WHEN f_client_key <> '' THEN mask & CAST(3647 AS BIGINT) ELSE 0 END + CASE WHEN f_client_prefix <> '' THEN mask & CAST(64 AS BIGINT) ELSE 0 END + CASE WHEN CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS VARCHAR) ELSE '' END <> '' THEN mask & CAST(128 AS BIGINT) ELSE 0 END + CASE WHEN f_ja4 <> '' THEN mask & CAST(256 AS BIGINT) ELSE 0 END AS bits, COUNT(*) AS n
  FROM src
  WHERE mask <> 0 AND NOT f_blocked
  GROUP BY ALL
),
halves AS (
  SELECT r.id AS rule, trust, SUM(n) AS older
  FROM by_half b CROSS JOIN rules r
  WHERE (b.bits >> r.id) & 1 = 1 AND minute >= CASE r.id WHEN 0 THEN 8 WHEN 1 THEN 5 WHEN 2 THEN 8 WHEN 3 THEN 3 WHEN 4 THEN 8 WHEN 5 THEN 8 WHEN 6 THEN 8 WHEN 7 THEN 10 WHEN 8 THEN 8 WHEN 9 THEN 8 WHEN 10 THEN 8 WHEN 11 THEN 1 ELSE 0 END
  GROUP BY ALL
),
ranked AS (
  SELECT *, LN(CASE WHEN requests > 0 THEN requests ELSE 1 END) AS ln_requests,
    SUM(members) OVER (PARTITION BY rule, trust ORDER BY requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum,
    SUM(members) OVER (PARTITION BY rule, trust) AS population,
    SUM(requests * members) OVER (PARTITION BY rule, trust) AS total,
    MAX(requests) OVER (PARTITION BY rule, trust) AS busiest,
    MIN(requests) OVER (PARTITION BY rule, trust) AS least
  FROM tally
),
halved AS (
  SELECT *, (population - 1) // 2 AS mid_lo, (population) // 2 AS mid_hi
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
near AS (
  SELECT r.grp AS grp, r.counter AS counter, rule, trust, requests, share, score, baseline_score, baseline_ratio, population
  FROM scored JOIN rules r ON r.id = rule
  WHERE CASE rule
    WHEN 0 THEN requests >= 10
    WHEN 1 THEN requests > 3
    WHEN 2 THEN (requests >= 8 AND requests > 2 AND TRUE)
    WHEN 3 THEN requests >= 4
    WHEN 4 THEN (score > 3e+00 AND requests >= 4)
    WHEN 5 THEN (share >= 2e-02 OR requests >= 12)
    WHEN 6 THEN (requests >= 4 AND requests >= 2 AND TRUE)
    WHEN 7 THEN (requests >= 5 AND (share >= 1e-01 AND TRUE))
    WHEN 8 THEN (requests >= 2 AND TRUE)
    WHEN 9 THEN (requests >= 2 AND score >= -1.5e+00)
    WHEN 10 THEN requests <= 3
    WHEN 11 THEN (TRUE AND share > 1.2e-01)
    ELSE FALSE END
),
possible AS MATERIALIZED (
  SELECT n.* EXCLUDE (counter), c.k
  FROM counts c JOIN near n USING (counter, trust, requests)
),
keys AS MATERIALIZED (
  SELECT ROW_NUMBER() OVER () AS kid, grp, trust, k, BIT_OR(CAST(1 AS BIGINT) << rule) AS bits
  FROM possible GROUP BY grp, trust, k
),
candidates AS MATERIALIZED (
  SELECT ROW_NUMBER() OVER () AS id, q.kid, p.*
  FROM possible p JOIN keys q USING (grp, trust, k)
),
wanted AS NOT MATERIALIZED (
  SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status
  FROM src s JOIN keys q ON q.k = f_client_key AND q.trust = s.trust
  WHERE q.grp = 0 AND s.mask & q.bits <> 0 AND NOT f_blocked
  UNION ALL
  SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status
  FROM src s JOIN keys q ON q.k = f_client_prefix AND q.trust = s.trust
  WHERE q.grp = 1 AND s.mask & q.bits <> 0 AND NOT f_blocked
  UNION ALL
  SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status
  FROM src s JOIN keys q ON q.k = CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS VARCHAR) ELSE '' END AND q.trust = s.trust
  WHERE q.grp = 2 AND s.mask & q.bits <> 0 AND NOT f_blocked
  UNION ALL
  SELECT q.kid AS kid, q.grp AS grp, s.mask & q.bits AS bits, us, minute, f_path, f_client_key, f_ja4, f_status
  FROM src s JOIN keys q ON q.k = f_ja4 AND q.trust = s.trust
  WHERE q.grp = 3 AND s.mask & q.bits <> 0 AND NOT f_blocked
),
parts AS (
  SELECT kid, minute, path, ja4, address, BIT_OR(bits) AS bits, BIT_OR(ok_bits) AS ok_bits, COUNT(*) AS n,
    COUNT(CASE WHEN ok_bits <> 0 THEN 1 END) AS ok, COUNT(CASE WHEN f_status >= 400 THEN 1 END) AS errors, MIN(us) AS first_us, MAX(us) AS last_us
  FROM (SELECT *, bits AS own_bits, CASE WHEN f_status >= 1 AND f_status < 400 THEN bits ELSE 0 END AS ok_bits, NULLIF(f_client_key, '') AS address,
    md5_number(f_path) AS path, CASE WHEN f_ja4 <> '' THEN md5_number(f_ja4) END AS ja4 FROM wanted)
  GROUP BY GROUPING SETS ((kid, minute, own_bits), (kid, path), (kid, ja4), (kid, address))
),
minutes AS (
  SELECT c.id AS id, minute, SUM(n) AS n, SUM(ok) AS ok, SUM(errors) AS errors, MIN(first_us) AS first_us, MAX(last_us) AS last_us,
    COUNT(path) AS distinct_paths, COUNT(ja4) AS ja4s, COUNT(address) AS addresses, COUNT(CASE WHEN address IS NOT NULL AND (ok_bits >> c.rule) & 1 = 1 THEN 1 END) AS ok_addresses
  FROM parts x JOIN candidates c USING (kid)
  WHERE (x.bits >> c.rule) & 1 = 1 GROUP BY c.id, minute
),
measured AS (
  SELECT c.*, t.* EXCLUDE (id)
  FROM candidates c JOIN (
    SELECT id, MAX(CASE WHEN minute IS NOT NULL THEN n END) AS peak, SUM(CASE WHEN minute IS NOT NULL THEN ok END) AS ok, SUM(CASE WHEN minute IS NOT NULL THEN errors END) AS errors, MIN(CASE WHEN minute IS NOT NULL THEN first_us END) AS first_us, MAX(CASE WHEN minute IS NOT NULL THEN last_us END) AS last_us,
      SUM(distinct_paths) AS distinct_paths, SUM(ja4s) AS ja4s, SUM(addresses) AS addresses, SUM(ok_addresses) AS ok_addresses
    FROM minutes GROUP BY id) t USING (id)
)
SELECT CAST(rule AS BIGINT) AS rule, CAST(trust AS BIGINT) AS trust, k, CAST(1 AS BIGINT) AS met, CAST(requests AS BIGINT) AS requests, CAST(peak AS BIGINT) AS peak, CAST(ok AS BIGINT) AS ok, CAST(errors AS BIGINT) AS errors, CAST(distinct_paths AS BIGINT) AS distinct_paths, CAST(addresses AS BIGINT) AS addresses, CAST(ok_addresses AS BIGINT) AS ok_addresses, CAST(ja4s AS BIGINT) AS ja4s, share, score, baseline_score, baseline_ratio, CAST(first_us AS BIGINT) AS first_us, CAST(last_us AS BIGINT) AS last_us, CAST(population AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims
FROM measured
WHERE CASE rule
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
UNION ALL
SELECT CAST(rule AS BIGINT) AS rule, CAST(trust AS BIGINT) AS trust, '' AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(MAX(population) AS BIGINT) AS population, CAST(MAX(total) AS BIGINT) AS volume, CAST(COALESCE(MAX(older), 0) AS BIGINT) AS older, CAST(MAX(busiest) AS BIGINT) AS busiest, MAX(med) AS median, MAX(scale) AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims
FROM scored LEFT JOIN halves USING (rule, trust) GROUP BY rule, trust
UNION ALL
SELECT CAST(-1 AS BIGINT) AS rule, CAST(0 AS BIGINT) AS trust, '' AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(0 AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(COUNT(CASE WHEN us < $to_us THEN 1 END) AS BIGINT) AS h_rows, CAST(COALESCE(MAX(CASE WHEN base AND us < $to_us THEN us END), 0) AS BIGINT) AS h_newest_us, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 END) AS BIGINT) AS h_trusted, CAST(COUNT(CASE WHEN us < $to_us AND f_client_key = '' THEN 1 END) AS BIGINT) AS h_no_address, CAST(COUNT(CASE WHEN us < $to_us AND hop_unsaid THEN 1 END) AS BIGINT) AS h_no_first_hop, CAST(COUNT(CASE WHEN us < $to_us AND shield THEN 1 END) AS BIGINT) AS h_shield, CAST(COUNT(CASE WHEN us < $to_us AND received THEN 1 END) AS BIGINT) AS h_received, CAST(COUNT(CASE WHEN base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us >= $to_us AND us > $ahead_us THEN 1 END) AS BIGINT) AS h_ahead, CAST(COUNT(CASE WHEN us < $to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS BIGINT) AS h_ok_requests, CAST((SELECT COUNT(CASE WHEN h_ok_requests > 0 AND k <> '' THEN 1 END) FROM by_address) AS BIGINT) AS h_ok_addresses, CAST(COALESCE(MAX(CASE WHEN base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us < $to_us THEN us END), 0) AS BIGINT) AS h_trusted_newest_us, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_client_key = '' THEN 1 END) AS BIGINT) AS h_trusted_no_address, CAST(COUNT(CASE WHEN us < $to_us AND base AND f_client_key <> '' AND trust IN (1, 3) THEN 1 END) AS BIGINT) AS h_forgeable, CAST(COALESCE(MIN(CASE WHEN base AND us < $to_us THEN us END), 0) AS BIGINT) AS h_oldest_us, CAST((SELECT COALESCE(SUM(h_trusted), 0) FROM by_address WHERE regexp_matches(k, $not_clients)) AS BIGINT) AS h_trusted_not_client, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_claims_other_ip THEN 1 END) AS BIGINT) AS h_trusted_claims
FROM src
UNION ALL
SELECT CAST(p.rule AS BIGINT) AS rule, CAST(0 AS BIGINT) AS trust, p.key AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(0 AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(COUNT(*) AS BIGINT) AS after_n, CAST(COUNT(CASE WHEN s.f_blocked THEN 1 END) AS BIGINT) AS after_refused, CAST(COUNT(CASE WHEN NOT s.f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS BIGINT) AS after_ok, CAST(MAX(us) AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims
FROM (SELECT 0 AS grp, f_client_key AS k, us, mask, f_blocked, f_status FROM src WHERE trust = 0 AND mask & CAST(3647 AS BIGINT) <> 0
UNION ALL
SELECT 1 AS grp, f_client_prefix AS k, us, mask, f_blocked, f_status FROM src WHERE trust = 0 AND mask & CAST(64 AS BIGINT) <> 0
UNION ALL
SELECT 2 AS grp, CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS VARCHAR) ELSE '' END AS k, us, mask, f_blocked, f_status FROM src WHERE trust = 0 AND mask & CAST(128 AS BIGINT) <> 0
UNION ALL
SELECT 3 AS grp, f_ja4 AS k, us, mask, f_blocked, f_status FROM src WHERE trust = 0 AND mask & CAST(256 AS BIGINT) <> 0) s
  JOIN (SELECT UNNEST(from_json($present, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true)) p ON p.key = s.k JOIN rules r ON r.id = p.rule AND r.grp = s.grp
WHERE (s.mask >> p.rule) & 1 = 1 AND us >= p.from_us
GROUP BY p.rule, p.key
ORDER BY rule, trust, requests DESC, k
