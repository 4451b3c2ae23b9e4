-- from_us = 1795355550000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("method", '') AS f_method,
    COALESCE("path", '') AS f_path,
    COALESCE("status", 0) AS f_status,
    COALESCE("cache", '') AS f_cache,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("blocked", FALSE) AS f_blocked,
    COALESCE("sender", '') AS f_sender,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("time_source", '') AS f_time_source,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("client_prefix", '') AS f_client_prefix,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:52:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:22:30.000000+00'
    AND "kind" = 'request'
),
src AS (
  SELECT us, (us - $from_us) // 300000000 AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_status, f_blocked, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, $v0) OR STARTS_WITH(f_cache, $v1)) THEN 0
      WHEN (f_method = $v2 AND STARTS_WITH(f_path, $v3)) THEN 20
      ELSE 1 END AS w,
    CAST(3 AS BIGINT) AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
    AND NOT f_blocked
),
counted AS MATERIALIZED (
  SELECT slot, trust, f_client_key, f_client_prefix, mask, COUNT(*) AS n, SUM(w) AS w
  FROM src
  GROUP BY slot, trust, f_client_key, f_client_prefix, mask
),
rules(id, grp, width, pop) AS (
  VALUES
      (0, 0, 3, -1),
      (1, 1, 3, -1)
),
by_key AS MATERIALIZED (
  SELECT 0 AS grp, trust, f_client_key AS k, slot, mask & CAST(1 AS BIGINT) AS bits, SUM(n)::BIGINT AS n, SUM(w)::BIGINT AS w
  FROM counted
  WHERE mask & CAST(1 AS BIGINT) <> 0 AND f_client_key <> ''
  GROUP BY ALL
  UNION ALL
  SELECT 1 AS grp, trust, f_client_prefix AS k, slot, mask & CAST(2 AS BIGINT) AS bits, SUM(n)::BIGINT AS n, SUM(w)::BIGINT AS w
  FROM counted
  WHERE mask & CAST(2 AS BIGINT) <> 0 AND f_client_prefix <> ''
  GROUP BY ALL
),
alive AS MATERIALIZED (
  SELECT * FROM (SELECT grp, trust, k, CASE WHEN SUM(CASE WHEN (bits >> 0) & 1 = 1 THEN n ELSE 0 END) >= 150 THEN CAST(1 AS BIGINT) ELSE 0 END
      + CASE WHEN SUM(CASE WHEN (bits >> 1) & 1 = 1 THEN n ELSE 0 END) >= 450 THEN CAST(2 AS BIGINT) ELSE 0 END AS alive
  FROM by_key GROUP BY grp, trust, k) WHERE alive <> 0
),
slots AS (
  SELECT r.id AS rule, r.width AS width, b.trust, b.k, b.slot, b.n, b.w
  FROM by_key b JOIN alive a USING (grp, trust, k)
    JOIN rules r ON r.grp = b.grp AND ((b.bits & a.alive) >> r.id) & 1 = 1
),
slid AS (
  SELECT rule, trust, k, UNNEST(range(CASE WHEN slot < 3 THEN 0 ELSE (slot - 2) // 1 END,
      1 + CASE WHEN slot + width < 3 THEN -1 WHEN slot + width > 6 THEN 3 ELSE (slot + width - 3) // 1 END)) AS step, n, w
  FROM slots
),
per_key AS MATERIALIZED (
  SELECT rule, trust, step, k, SUM(n)::BIGINT AS requests, SUM(w)::BIGINT AS weight
  FROM slid GROUP BY ALL
)
SELECT step, rule::BIGINT AS rule, trust::BIGINT AS trust, k, requests, share, score
FROM (
  SELECT step, c.rule AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score
  FROM per_key c JOIN rules r ON r.id = c.rule AND r.pop < 0
  WHERE CASE c.rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (requests >= 20 AND weight >= 9000)
    ELSE FALSE END
  UNION ALL
  SELECT step, -1 AS rule, trust, '' AS k, SUM(n)::BIGINT AS requests, 0e0 AS share, 0e0 AS score
  FROM (SELECT UNNEST(range(CASE WHEN slot < 3 THEN 0 ELSE (slot - 2) // 1 END,
      1 + CASE WHEN slot + 1 < 3 THEN -1 WHEN slot + 1 > 6 THEN 3 ELSE (slot + 1 - 3) // 1 END)) AS step, trust, n FROM counted) GROUP BY ALL
)
ORDER BY step, rule, trust, k
