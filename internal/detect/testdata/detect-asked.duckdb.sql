-- to_us = 1795356450000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
-- about0 = "203.0.113.50"
-- about1 = "203.0.113.0/24"
-- present = []detect.KeyParam{detect.KeyParam{Rule:0, Trust:0, Key:"203.0.113.9", FromUs:1795356150000000}}
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("method", '') AS f_method,
    COALESCE("path", '') AS f_path,
    COALESCE("status", 0) AS f_status,
    COALESCE("cache", '') AS f_cache,
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
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:52:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:30.000000+00'
    AND "kind" = 'request'
),
aged AS (
  SELECT *, $to_us - 1 - us AS age
  FROM req
),
wide AS (
  SELECT us, age, (age) // 60000000 AS minute, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_path, f_status, f_ja4, f_blocked, f_claims_other_ip, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, $v0) OR STARTS_WITH(f_cache, $v1)) THEN 0
      WHEN (f_method = $v2 AND STARTS_WITH(f_path, $v3)) THEN 20
      ELSE 1 END AS w, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 900000000 THEN CAST(3 AS BIGINT) ELSE 0 END
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
      (1, 1, 1)
),
by_address AS MATERIALIZED (
  SELECT trust, f_client_key AS k,
    COUNT(CASE WHEN mask & CAST(1 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n0,
    CAST(SUM(CASE WHEN mask & CAST(1 AS BIGINT) <> 0 AND NOT f_blocked THEN w ELSE 0 END) AS BIGINT) AS w0,
    COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 END) AS h_trusted,
    COUNT(CASE WHEN us < $to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS h_ok_requests
  FROM src
  GROUP BY ALL
),
by_prefix AS MATERIALIZED (
  SELECT trust, f_client_prefix AS k,
    COUNT(CASE WHEN mask & CAST(2 AS BIGINT) <> 0 AND NOT f_blocked THEN 1 END) AS n1,
    CAST(SUM(CASE WHEN mask & CAST(2 AS BIGINT) <> 0 AND NOT f_blocked THEN w ELSE 0 END) AS BIGINT) AS w1
  FROM src
  WHERE mask & CAST(2 AS BIGINT) <> 0
  GROUP BY ALL
),
counts AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT trust, k, UNNEST([0]) AS counter, UNNEST([n0]) AS requests, UNNEST([w0]) AS weight FROM by_address WHERE k <> ''
    UNION ALL
    SELECT trust, k, UNNEST([1]) AS counter, UNNEST([n1]) AS requests, UNNEST([w1]) AS weight FROM by_prefix WHERE k <> ''
  ) WHERE requests > 0
),
tally AS (
  SELECT r.id AS rule, trust, requests, members
  FROM (SELECT counter, trust, requests, COUNT(*) AS members FROM counts GROUP BY ALL) JOIN rules r USING (counter)
),
by_half AS (
  SELECT trust, minute, CASE WHEN f_client_key <> '' THEN mask & CAST(1 AS BIGINT) ELSE 0 END + CASE WHEN f_client_prefix <> '' THEN mask & CAST(2 AS BIGINT) ELSE 0 END AS bits, COUNT(*) AS n
  FROM src
  WHERE mask <> 0 AND NOT f_blocked
  GROUP BY ALL
),
halves AS (
  SELECT r.id AS rule, trust, SUM(n) AS older
  FROM by_half b CROSS JOIN rules r
  WHERE (b.bits >> r.id) & 1 = 1 AND minute >= CASE r.id WHEN 0 THEN 8 WHEN 1 THEN 8 ELSE 0 END
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
    0e0 AS baseline_score,
    0e0 AS baseline_ratio
  FROM scaled
),
near AS (
  SELECT r.grp AS grp, r.counter AS counter, rule, trust, requests, share, score, baseline_score, baseline_ratio, population,
    CASE rule
    WHEN 0 THEN requests >= 150
    WHEN 1 THEN (requests >= 20 AND requests >= 450)
    ELSE FALSE END AS close
  FROM scored JOIN rules r ON r.id = rule
),
possible AS MATERIALIZED (
  SELECT n.* EXCLUDE (counter, close), c.k, c.weight
  FROM counts c JOIN near n USING (counter, trust, requests)
  WHERE close AND CASE rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (requests >= 20 AND weight >= 9000)
    ELSE FALSE END OR rule IN (0) AND k = $about0 OR rule IN (1) AND k = $about1
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
SELECT CAST(rule AS BIGINT) AS rule, CAST(trust AS BIGINT) AS trust, k, CAST(CASE WHEN CASE rule
  WHEN 0 THEN weight >= 3000
  WHEN 1 THEN (addresses >= 20 AND weight >= 9000)
  ELSE FALSE END THEN 1 ELSE 0 END AS BIGINT) AS met, CAST(requests AS BIGINT) AS requests, CAST(peak AS BIGINT) AS peak, CAST(ok AS BIGINT) AS ok, CAST(errors AS BIGINT) AS errors, CAST(distinct_paths AS BIGINT) AS distinct_paths, CAST(addresses AS BIGINT) AS addresses, CAST(ok_addresses AS BIGINT) AS ok_addresses, CAST(ja4s AS BIGINT) AS ja4s, share, score, baseline_score, baseline_ratio, CAST(first_us AS BIGINT) AS first_us, CAST(last_us AS BIGINT) AS last_us, CAST(population AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims, CAST(weight AS BIGINT) AS weight, CAST(0 AS BIGINT) AS after_weight
FROM measured
WHERE CASE rule
  WHEN 0 THEN weight >= 3000
  WHEN 1 THEN (addresses >= 20 AND weight >= 9000)
  ELSE FALSE END OR rule IN (0) AND k = $about0 OR rule IN (1) AND k = $about1
UNION ALL
SELECT CAST(rule AS BIGINT) AS rule, CAST(trust AS BIGINT) AS trust, '' AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(MAX(population) AS BIGINT) AS population, CAST(MAX(total) AS BIGINT) AS volume, CAST(COALESCE(MAX(older), 0) AS BIGINT) AS older, CAST(MAX(busiest) AS BIGINT) AS busiest, MAX(med) AS median, MAX(scale) AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims, CAST(0 AS BIGINT) AS weight, CAST(0 AS BIGINT) AS after_weight
FROM scored LEFT JOIN halves USING (rule, trust) GROUP BY rule, trust
UNION ALL
SELECT CAST(-1 AS BIGINT) AS rule, CAST(0 AS BIGINT) AS trust, '' AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(0 AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(0 AS BIGINT) AS after_n, CAST(0 AS BIGINT) AS after_refused, CAST(0 AS BIGINT) AS after_ok, CAST(0 AS BIGINT) AS after_last_us, CAST(COUNT(CASE WHEN us < $to_us THEN 1 END) AS BIGINT) AS h_rows, CAST(COALESCE(MAX(CASE WHEN base AND us < $to_us THEN us END), 0) AS BIGINT) AS h_newest_us, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') THEN 1 END) AS BIGINT) AS h_trusted, CAST(COUNT(CASE WHEN us < $to_us AND f_client_key = '' THEN 1 END) AS BIGINT) AS h_no_address, CAST(COUNT(CASE WHEN us < $to_us AND hop_unsaid THEN 1 END) AS BIGINT) AS h_no_first_hop, CAST(COUNT(CASE WHEN us < $to_us AND shield THEN 1 END) AS BIGINT) AS h_shield, CAST(COUNT(CASE WHEN us < $to_us AND received THEN 1 END) AS BIGINT) AS h_received, CAST(COUNT(CASE WHEN FALSE THEN 1 END) AS BIGINT) AS h_ahead, CAST(COUNT(CASE WHEN us < $to_us AND base AND trust = 0 AND NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS BIGINT) AS h_ok_requests, CAST((SELECT COUNT(CASE WHEN h_ok_requests > 0 AND k <> '' THEN 1 END) FROM by_address) AS BIGINT) AS h_ok_addresses, CAST(COALESCE(MAX(CASE WHEN base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND us < $to_us THEN us END), 0) AS BIGINT) AS h_trusted_newest_us, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_client_key = '' THEN 1 END) AS BIGINT) AS h_trusted_no_address, CAST(COUNT(CASE WHEN us < $to_us AND base AND f_client_key <> '' AND trust IN (1, 3) THEN 1 END) AS BIGINT) AS h_forgeable, CAST(COALESCE(MIN(CASE WHEN base AND us < $to_us THEN us END), 0) AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(COUNT(CASE WHEN us < $to_us AND base AND (trust = 0 OR trust = 1 AND f_client_key = '') AND f_claims_other_ip THEN 1 END) AS BIGINT) AS h_trusted_claims, CAST(0 AS BIGINT) AS weight, CAST(0 AS BIGINT) AS after_weight
FROM src
UNION ALL
SELECT CAST(p.rule AS BIGINT) AS rule, CAST(0 AS BIGINT) AS trust, p.key AS k, CAST(0 AS BIGINT) AS met, CAST(0 AS BIGINT) AS requests, CAST(0 AS BIGINT) AS peak, CAST(0 AS BIGINT) AS ok, CAST(0 AS BIGINT) AS errors, CAST(0 AS BIGINT) AS distinct_paths, CAST(0 AS BIGINT) AS addresses, CAST(0 AS BIGINT) AS ok_addresses, CAST(0 AS BIGINT) AS ja4s, 0e0 AS share, 0e0 AS score, 0e0 AS baseline_score, 0e0 AS baseline_ratio, CAST(0 AS BIGINT) AS first_us, CAST(0 AS BIGINT) AS last_us, CAST(0 AS BIGINT) AS population, CAST(0 AS BIGINT) AS volume, CAST(0 AS BIGINT) AS older, CAST(0 AS BIGINT) AS busiest, 0e0 AS median, 0e0 AS scale, CAST(COUNT(*) AS BIGINT) AS after_n, CAST(COUNT(CASE WHEN s.f_blocked THEN 1 END) AS BIGINT) AS after_refused, CAST(COUNT(CASE WHEN NOT s.f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS BIGINT) AS after_ok, CAST(MAX(us) AS BIGINT) AS after_last_us, CAST(0 AS BIGINT) AS h_rows, CAST(0 AS BIGINT) AS h_newest_us, CAST(0 AS BIGINT) AS h_trusted, CAST(0 AS BIGINT) AS h_no_address, CAST(0 AS BIGINT) AS h_no_first_hop, CAST(0 AS BIGINT) AS h_shield, CAST(0 AS BIGINT) AS h_received, CAST(0 AS BIGINT) AS h_ahead, CAST(0 AS BIGINT) AS h_ok_requests, CAST(0 AS BIGINT) AS h_ok_addresses, CAST(0 AS BIGINT) AS h_trusted_newest_us, CAST(0 AS BIGINT) AS h_trusted_no_address, CAST(0 AS BIGINT) AS h_forgeable, CAST(0 AS BIGINT) AS h_oldest_us, CAST(0 AS BIGINT) AS h_trusted_not_client, CAST(0 AS BIGINT) AS h_trusted_claims, CAST(0 AS BIGINT) AS weight, CAST(SUM(w) AS BIGINT) AS after_weight
FROM (SELECT 0 AS grp, f_client_key AS k, us, mask, f_blocked, f_status, w FROM src WHERE trust = 0 AND mask & CAST(1 AS BIGINT) <> 0
UNION ALL
SELECT 1 AS grp, f_client_prefix AS k, us, mask, f_blocked, f_status, w FROM src WHERE trust = 0 AND mask & CAST(2 AS BIGINT) <> 0) s
  JOIN (SELECT UNNEST(from_json($present, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true)) p ON p.key = s.k JOIN rules r ON r.id = p.rule AND r.grp = s.grp
WHERE (s.mask >> p.rule) & 1 = 1 AND us >= p.from_us
GROUP BY p.rule, p.key
ORDER BY rule, trust, requests DESC, k
