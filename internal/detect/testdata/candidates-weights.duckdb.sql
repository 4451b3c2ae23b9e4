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
rules(id, grp, counter) AS (
  VALUES
      (0, 0, 0),
      (1, 1, 1)
),
by_key AS MATERIALIZED (
  SELECT GROUPING(bits0) AS part, trust, k0, k1, COALESCE(bits0) AS bits,
    COUNT(CASE WHEN us < 1795355850000000 THEN 1 END) AS n1,
    SUM(CASE WHEN us < 1795355850000000 THEN w ELSE 0 END)::BIGINT AS w1,
    COUNT(CASE WHEN us < 1795356150000000 THEN 1 END) AS n2,
    SUM(CASE WHEN us < 1795356150000000 THEN w ELSE 0 END)::BIGINT AS w2,
    COUNT(CASE WHEN us < 1795356450000000 THEN 1 END) AS n3,
    SUM(CASE WHEN us < 1795356450000000 THEN w ELSE 0 END)::BIGINT AS w3,
    COUNT(CASE WHEN us < 1795356750000000 THEN 1 END) AS n4,
    SUM(CASE WHEN us < 1795356750000000 THEN w ELSE 0 END)::BIGINT AS w4,
    COUNT(CASE WHEN us < 1795357050000000 THEN 1 END) AS n5,
    SUM(CASE WHEN us < 1795357050000000 THEN w ELSE 0 END)::BIGINT AS w5,
    COUNT(CASE WHEN us < 1795357350000000 THEN 1 END) AS n6,
    SUM(CASE WHEN us < 1795357350000000 THEN w ELSE 0 END)::BIGINT AS w6
  FROM (SELECT us, trust, f_client_key AS k0, f_client_prefix AS k1, mask & CAST(3 AS BIGINT) AS bits0, w FROM src)
  GROUP BY GROUPING SETS ((trust, k0, k1, bits0))
),
totals AS (
  SELECT trust, SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6
  FROM by_key WHERE part = 0 GROUP BY ALL
),
reaching_address AS MATERIALIZED (
  SELECT trust, k0
  FROM by_key WHERE k0 <> '' GROUP BY ALL
  HAVING SUM(CASE WHEN bits & CAST(1 AS BIGINT) <> 0 THEN n6 ELSE 0 END) >= 150
),
reaching_prefix AS MATERIALIZED (
  SELECT trust, k1
  FROM by_key WHERE k1 <> '' GROUP BY ALL
  HAVING SUM(CASE WHEN bits & CAST(2 AS BIGINT) <> 0 THEN n6 ELSE 0 END) >= 450
),
matching_0 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(w1)::BIGINT AS w1, SUM(n2)::BIGINT AS n2, SUM(w2)::BIGINT AS w2, SUM(n3)::BIGINT AS n3, SUM(w3)::BIGINT AS w3, SUM(n4)::BIGINT AS n4, SUM(w4)::BIGINT AS w4, SUM(n5)::BIGINT AS n5, SUM(w5)::BIGINT AS w5, SUM(n6)::BIGINT AS n6, SUM(w6)::BIGINT AS w6
  FROM by_key SEMI JOIN reaching_address USING (trust, k0)
  WHERE bits & CAST(1 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
matching_1 AS MATERIALIZED (
  SELECT trust, k1 AS k,
    SUM(n1)::BIGINT AS n1, SUM(w1)::BIGINT AS w1, SUM(n2)::BIGINT AS n2, SUM(w2)::BIGINT AS w2, SUM(n3)::BIGINT AS n3, SUM(w3)::BIGINT AS w3, SUM(n4)::BIGINT AS n4, SUM(w4)::BIGINT AS w4, SUM(n5)::BIGINT AS n5, SUM(w5)::BIGINT AS w5, SUM(n6)::BIGINT AS n6, SUM(w6)::BIGINT AS w6
  FROM by_key SEMI JOIN reaching_prefix USING (trust, k1)
  WHERE bits & CAST(2 AS BIGINT) <> 0 AND k1 <> '' GROUP BY ALL
),
alone AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT 0 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n3, n4 - n1, n5 - n2, n6 - n3]) AS requests, UNNEST([w3, w4 - w1, w5 - w2, w6 - w3]) AS weight
    FROM matching_0 WHERE n6 >= 150
    UNION ALL
    SELECT 1 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n3, n4 - n1, n5 - n2, n6 - n3]) AS requests, UNNEST([w3, w4 - w1, w5 - w2, w6 - w3]) AS weight
    FROM matching_1 WHERE n6 >= 450
  ) WHERE requests > 0
)
SELECT step::BIGINT AS step, rule::BIGINT AS rule, trust::BIGINT AS trust, k, requests, share, score
FROM (
  SELECT step, -1 AS rule, trust, '' AS k, requests, 0e0 AS share, 0e0 AS score
  FROM (SELECT trust, UNNEST(range(4)) AS step, UNNEST([n3 - n2, n4 - n3, n5 - n4, n6 - n5]) AS requests
    FROM totals) WHERE requests > 0
  UNION ALL
  SELECT step, r.id AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score
  FROM alone JOIN rules r USING (counter)
  WHERE CASE r.id
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (requests >= 20 AND weight >= 9000)
    ELSE FALSE END
)
ORDER BY step, rule, trust, k
