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
rules(id, counter) AS (
  VALUES
      (0, 0),
      (1, 1)
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
alone_address AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(CASE WHEN bits & 1 <> 0 THEN n1 ELSE 0 END)::BIGINT AS n0_1,
    SUM(CASE WHEN bits & 1 <> 0 THEN n2 ELSE 0 END)::BIGINT AS n0_2,
    SUM(CASE WHEN bits & 1 <> 0 THEN n3 ELSE 0 END)::BIGINT AS n0_3,
    SUM(CASE WHEN bits & 1 <> 0 THEN n4 ELSE 0 END)::BIGINT AS n0_4,
    SUM(CASE WHEN bits & 1 <> 0 THEN n5 ELSE 0 END)::BIGINT AS n0_5,
    SUM(CASE WHEN bits & 1 <> 0 THEN n6 ELSE 0 END)::BIGINT AS n0_6,
    SUM(CASE WHEN bits & 1 <> 0 THEN w1 ELSE 0 END)::BIGINT AS w0_1,
    SUM(CASE WHEN bits & 1 <> 0 THEN w2 ELSE 0 END)::BIGINT AS w0_2,
    SUM(CASE WHEN bits & 1 <> 0 THEN w3 ELSE 0 END)::BIGINT AS w0_3,
    SUM(CASE WHEN bits & 1 <> 0 THEN w4 ELSE 0 END)::BIGINT AS w0_4,
    SUM(CASE WHEN bits & 1 <> 0 THEN w5 ELSE 0 END)::BIGINT AS w0_5,
    SUM(CASE WHEN bits & 1 <> 0 THEN w6 ELSE 0 END)::BIGINT AS w0_6
  FROM by_key SEMI JOIN (
    SELECT trust, k0 FROM by_key WHERE k0 <> '' GROUP BY ALL
    HAVING SUM(CASE WHEN bits & 1 <> 0 THEN n6 ELSE 0 END)::BIGINT >= 150
  ) USING (trust, k0)
  WHERE k0 <> '' GROUP BY ALL
),
alone_prefix AS MATERIALIZED (
  SELECT trust, k1 AS k,
    SUM(CASE WHEN bits & 2 <> 0 THEN n1 ELSE 0 END)::BIGINT AS n1_1,
    SUM(CASE WHEN bits & 2 <> 0 THEN n2 ELSE 0 END)::BIGINT AS n1_2,
    SUM(CASE WHEN bits & 2 <> 0 THEN n3 ELSE 0 END)::BIGINT AS n1_3,
    SUM(CASE WHEN bits & 2 <> 0 THEN n4 ELSE 0 END)::BIGINT AS n1_4,
    SUM(CASE WHEN bits & 2 <> 0 THEN n5 ELSE 0 END)::BIGINT AS n1_5,
    SUM(CASE WHEN bits & 2 <> 0 THEN n6 ELSE 0 END)::BIGINT AS n1_6,
    SUM(CASE WHEN bits & 2 <> 0 THEN w1 ELSE 0 END)::BIGINT AS w1_1,
    SUM(CASE WHEN bits & 2 <> 0 THEN w2 ELSE 0 END)::BIGINT AS w1_2,
    SUM(CASE WHEN bits & 2 <> 0 THEN w3 ELSE 0 END)::BIGINT AS w1_3,
    SUM(CASE WHEN bits & 2 <> 0 THEN w4 ELSE 0 END)::BIGINT AS w1_4,
    SUM(CASE WHEN bits & 2 <> 0 THEN w5 ELSE 0 END)::BIGINT AS w1_5,
    SUM(CASE WHEN bits & 2 <> 0 THEN w6 ELSE 0 END)::BIGINT AS w1_6
  FROM by_key SEMI JOIN (
    SELECT trust, k1 FROM by_key WHERE k1 <> '' GROUP BY ALL
    HAVING SUM(CASE WHEN bits & 2 <> 0 THEN n6 ELSE 0 END)::BIGINT >= 450
  ) USING (trust, k1)
  WHERE k1 <> '' GROUP BY ALL
),
alone AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT 0 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n0_3, n0_4 - n0_1, n0_5 - n0_2, n0_6 - n0_3]) AS requests, UNNEST([w0_3, w0_4 - w0_1, w0_5 - w0_2, w0_6 - w0_3]) AS weight
    FROM alone_address
    UNION ALL
    SELECT 1 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n1_3, n1_4 - n1_1, n1_5 - n1_2, n1_6 - n1_3]) AS requests, UNNEST([w1_3, w1_4 - w1_1, w1_5 - w1_2, w1_6 - w1_3]) AS weight
    FROM alone_prefix
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
