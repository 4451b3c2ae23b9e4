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
rules(id, grp, width, pop) AS (
  VALUES
      (0, 0, 3, -1),
      (1, 1, 3, -1)
),
by_key AS MATERIALIZED (
  SELECT * FROM (
    SELECT CASE WHEN GROUPING(k0) = 0 THEN 0 WHEN GROUPING(k1) = 0 THEN 1 ELSE -1 END AS grp, trust, COALESCE(k0, k1) AS k, slot, COALESCE(bits0, bits1) AS bits, COUNT(*) AS n, SUM(w)::BIGINT AS w
    FROM (SELECT slot, trust, f_client_key AS k0, mask & CAST(1 AS BIGINT) AS bits0, f_client_prefix AS k1, mask & CAST(2 AS BIGINT) AS bits1, w FROM src)
    GROUP BY GROUPING SETS ((slot, trust, k0, bits0), (slot, trust, k1, bits1), (slot, trust)))
  WHERE grp < 0 OR bits <> 0 AND k <> ''
),
keys AS MATERIALIZED (
  SELECT ROW_NUMBER() OVER () AS kid, * FROM (
    SELECT * FROM (SELECT grp, trust, k, CAST(0 AS BIGINT)
        + CASE WHEN n0 >= 150 THEN CAST(1 AS BIGINT) ELSE 0 END AS alive
      FROM (SELECT grp, trust, k, SUM(CASE WHEN (bits >> 0) & 1 = 1 THEN n ELSE 0 END) AS n0 FROM by_key WHERE grp = 0 GROUP BY grp, trust, k)) WHERE alive <> 0
    UNION ALL
    SELECT * FROM (SELECT grp, trust, k, CAST(0 AS BIGINT)
        + CASE WHEN n1 >= 450 THEN CAST(2 AS BIGINT) ELSE 0 END AS alive
      FROM (SELECT grp, trust, k, SUM(CASE WHEN (bits >> 1) & 1 = 1 THEN n ELSE 0 END) AS n1 FROM by_key WHERE grp = 1 GROUP BY grp, trust, k)) WHERE alive <> 0
  )
),
slots AS (
  SELECT r.id AS rule, r.width AS width, b.trust AS trust, kid, slot, n, w
  FROM by_key b JOIN (SELECT * FROM keys q WHERE q.alive <> 0) q USING (grp, trust, k)
    JOIN rules r ON r.grp = b.grp AND ((b.bits & q.alive) >> r.id) & 1 = 1
  UNION ALL
  SELECT r.id AS rule, r.width AS width, b.trust AS trust, kid, slot, n, w
  FROM by_key b JOIN (SELECT * FROM keys q WHERE TRUE) q USING (grp, trust, k)
    JOIN rules r ON r.grp = b.grp AND r.pop = r.id AND (b.bits >> r.id) & 1 = 1
),
slid AS (
  SELECT rule, trust, kid, UNNEST(range(CASE WHEN slot < 3 THEN 0 ELSE (slot - 2) // 1 END,
      1 + CASE WHEN slot + width < 3 THEN -1 WHEN slot + width > 6 THEN 3 ELSE (slot + width - 3) // 1 END)) AS step, n, w
  FROM slots
),
per_key AS MATERIALIZED (
  SELECT rule, trust, kid, step, SUM(n)::BIGINT AS requests, SUM(w)::BIGINT AS weight
  FROM slid GROUP BY ALL
)
SELECT step, rule::BIGINT AS rule, c.trust::BIGINT AS trust, COALESCE(k, '') AS k, requests, share, score
FROM (
  SELECT step, c.rule AS rule, trust, kid, requests, 0e0 AS share, 0e0 AS score
  FROM per_key c JOIN rules r ON r.id = c.rule AND r.pop < 0
  WHERE CASE c.rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (requests >= 20 AND weight >= 9000)
    ELSE FALSE END
  UNION ALL
  SELECT step, -1 AS rule, trust, NULL AS kid, SUM(n)::BIGINT AS requests, 0e0 AS share, 0e0 AS score
  FROM (SELECT UNNEST(range(CASE WHEN slot < 3 THEN 0 ELSE (slot - 2) // 1 END,
      1 + CASE WHEN slot + 1 < 3 THEN -1 WHEN slot + 1 > 6 THEN 3 ELSE (slot + 1 - 3) // 1 END)) AS step, trust, n FROM by_key WHERE grp < 0) GROUP BY ALL
) c LEFT JOIN keys USING (kid)
ORDER BY step, rule, c.trust, k
