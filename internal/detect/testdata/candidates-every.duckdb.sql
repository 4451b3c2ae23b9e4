-- from_us = 1795355250000000
-- v0 = "POST"
-- v1 = "/login"
-- v2 = ""
-- v3 = "^(curl|python)/"
-- v4 = "_sure"
-- v5 = "☃"
-- v6 = "shop.example"
-- v7 = "m"
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
    COALESCE("sender", '') AS f_sender,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("time_source", '') AS f_time_source,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("client_prefix", '') AS f_client_prefix,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:47:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:22:30.000000+00'
    AND "kind" = 'request'
),
src AS (
  SELECT us, (us - $from_us) // 1000000 AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_status, f_ja4, f_blocked, f_client_key, f_client_prefix,
    CAST(253 AS BIGINT)
      + CASE WHEN (f_method = $v0 AND STARTS_WITH(f_path, $v1) AND f_status IN (401, 403)) THEN CAST(2 AS BIGINT) ELSE 0 END
      + CASE WHEN f_ja4 <> $v2 THEN CAST(256 AS BIGINT) ELSE 0 END
      + CASE WHEN (regexp_matches(f_user_agent, $v3) OR STRPOS(f_user_agent, $v4) > 0 OR ENDS_WITH(f_user_agent, $v5)) THEN CAST(512 AS BIGINT) ELSE 0 END
      + CASE WHEN (f_status = 0 OR NOT (f_first_hop)) THEN CAST(1024 AS BIGINT) ELSE 0 END
      + CASE WHEN (f_response_bytes >= 5.00005e+04 AND f_client_asn <> 64500 AND f_host <= $v6 AND f_host > $v7) THEN CAST(2048 AS BIGINT) ELSE 0 END AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
    AND NOT f_blocked
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
by_key AS MATERIALIZED (
  SELECT GROUPING(bits0) AS part, trust, k0, k1, k2, k3, COALESCE(bits0, bits1) AS bits,
    COUNT(CASE WHEN us < 1795355550000000 THEN 1 END) AS n1,
    COUNT(CASE WHEN us < 1795355850000000 THEN 1 END) AS n2,
    COUNT(CASE WHEN us < 1795356130000000 THEN 1 END) AS n3,
    COUNT(CASE WHEN us < 1795356150000000 THEN 1 END) AS n4,
    COUNT(CASE WHEN us < 1795356389000000 THEN 1 END) AS n5,
    COUNT(CASE WHEN us < 1795356430000000 THEN 1 END) AS n6,
    COUNT(CASE WHEN us < 1795356450000000 THEN 1 END) AS n7,
    COUNT(CASE WHEN us < 1795356689000000 THEN 1 END) AS n8,
    COUNT(CASE WHEN us < 1795356730000000 THEN 1 END) AS n9,
    COUNT(CASE WHEN us < 1795356750000000 THEN 1 END) AS n10,
    COUNT(CASE WHEN us < 1795356989000000 THEN 1 END) AS n11,
    COUNT(CASE WHEN us < 1795357030000000 THEN 1 END) AS n12,
    COUNT(CASE WHEN us < 1795357050000000 THEN 1 END) AS n13,
    COUNT(CASE WHEN us < 1795357289000000 THEN 1 END) AS n14,
    COUNT(CASE WHEN us < 1795357350000000 THEN 1 END) AS n15
  FROM (SELECT us, trust, f_client_key AS k0, f_client_prefix AS k1, CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS VARCHAR) ELSE '' END AS k2, mask & CAST(3839 AS BIGINT) AS bits0, CASE WHEN mask & CAST(256 AS BIGINT) <> 0 THEN f_ja4 ELSE '' END AS k3, mask & CAST(256 AS BIGINT) AS bits1 FROM src)
  GROUP BY GROUPING SETS ((trust, k0, k1, k2, bits0), (trust, k3, bits1))
),
totals AS (
  SELECT trust, SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key WHERE part = 0 GROUP BY ALL
),
reaching_address AS MATERIALIZED (
  SELECT trust, k0
  FROM by_key WHERE k0 <> '' GROUP BY ALL
  HAVING SUM(CASE WHEN bits & CAST(2 AS BIGINT) <> 0 THEN n15 ELSE 0 END) >= 4
    OR SUM(CASE WHEN bits & CAST(1024 AS BIGINT) <> 0 THEN n15 ELSE 0 END) >= 1
),
reaching_prefix AS MATERIALIZED (
  SELECT trust, k1
  FROM by_key WHERE k1 <> '' GROUP BY ALL
  HAVING SUM(CASE WHEN bits & CAST(64 AS BIGINT) <> 0 THEN n15 ELSE 0 END) >= 4
),
reaching_ja4 AS MATERIALIZED (
  SELECT trust, k3
  FROM by_key WHERE k3 <> '' GROUP BY ALL
  HAVING SUM(CASE WHEN bits & CAST(256 AS BIGINT) <> 0 THEN n15 ELSE 0 END) >= 2
),
matching_0 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key
  WHERE bits & CAST(1 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
matching_1 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key SEMI JOIN reaching_address USING (trust, k0)
  WHERE bits & CAST(2 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
matching_6 AS MATERIALIZED (
  SELECT trust, k1 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key SEMI JOIN reaching_prefix USING (trust, k1)
  WHERE bits & CAST(64 AS BIGINT) <> 0 AND k1 <> '' GROUP BY ALL
),
matching_7 AS MATERIALIZED (
  SELECT trust, k2 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key
  WHERE bits & CAST(128 AS BIGINT) <> 0 AND k2 <> '' GROUP BY ALL
),
matching_8 AS MATERIALIZED (
  SELECT trust, k3 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key SEMI JOIN reaching_ja4 USING (trust, k3)
  WHERE bits & CAST(256 AS BIGINT) <> 0 AND k3 <> '' GROUP BY ALL
),
matching_9 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key
  WHERE bits & CAST(512 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
matching_10 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key SEMI JOIN reaching_address USING (trust, k0)
  WHERE bits & CAST(1024 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
matching_11 AS MATERIALIZED (
  SELECT trust, k0 AS k,
    SUM(n1)::BIGINT AS n1, SUM(n2)::BIGINT AS n2, SUM(n3)::BIGINT AS n3, SUM(n4)::BIGINT AS n4, SUM(n5)::BIGINT AS n5, SUM(n6)::BIGINT AS n6, SUM(n7)::BIGINT AS n7, SUM(n8)::BIGINT AS n8, SUM(n9)::BIGINT AS n9, SUM(n10)::BIGINT AS n10, SUM(n11)::BIGINT AS n11, SUM(n12)::BIGINT AS n12, SUM(n13)::BIGINT AS n13, SUM(n14)::BIGINT AS n14, SUM(n15)::BIGINT AS n15
  FROM by_key
  WHERE bits & CAST(2048 AS BIGINT) <> 0 AND k0 <> '' GROUP BY ALL
),
alone AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT 0 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_0 WHERE n15 >= 8
    UNION ALL
    SELECT 1 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n2, n10 - n4, n13 - n7, n15 - n10]) AS requests
    FROM matching_1 WHERE n15 >= 4
    UNION ALL
    SELECT 3 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n3, n10 - n6, n13 - n9, n15 - n12]) AS requests
    FROM matching_0 WHERE n15 >= 4
    UNION ALL
    SELECT 6 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_6 WHERE n15 >= 4
    UNION ALL
    SELECT 8 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_8 WHERE n15 >= 2
    UNION ALL
    SELECT 10 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_10
  ) WHERE requests > 0
),
everybody AS NOT MATERIALIZED (
  SELECT * FROM (
    SELECT 0 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_0
    UNION ALL
    SELECT 7 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7, n10 - n1, n13 - n2, n15 - n4]) AS requests
    FROM matching_7
    UNION ALL
    SELECT 9 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n1, n10 - n2, n13 - n4, n15 - n7]) AS requests
    FROM matching_9
    UNION ALL
    SELECT 11 AS counter, trust, k, UNNEST(range(4)) AS step, UNNEST([n7 - n5, n10 - n8, n13 - n11, n15 - n14]) AS requests
    FROM matching_11
  ) WHERE requests > 0
),
tally AS (
  SELECT counter, trust, step, requests, COUNT(*) AS members
  FROM everybody GROUP BY ALL
),
ranked AS (
  SELECT *, LN(CASE WHEN requests > 0 THEN requests ELSE 1 END) AS ln_requests,
    SUM(members) OVER (PARTITION BY counter, trust, step ORDER BY requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum,
    SUM(members) OVER (PARTITION BY counter, trust, step) AS population,
    SUM(requests * members) OVER (PARTITION BY counter, trust, step) AS total,
    MAX(requests) OVER (PARTITION BY counter, trust, step) AS busiest,
    MIN(requests) OVER (PARTITION BY counter, trust, step) AS least
  FROM tally
),
halved AS (
  SELECT *, (population - 1) // 2 AS mid_lo, (population) // 2 AS mid_hi
  FROM ranked
),
centred AS (
  SELECT *, COALESCE((MAX(CASE WHEN cum - members <= mid_lo AND mid_lo < cum THEN ln_requests END) OVER (PARTITION BY counter, trust, step)
      + MAX(CASE WHEN cum - members <= mid_hi AND mid_hi < cum THEN ln_requests END) OVER (PARTITION BY counter, trust, step)) / 2, 0) AS med
  FROM halved
),
deviating AS (
  SELECT *, ABS(ln_requests - med) AS dev
  FROM centred
),
spread AS (
  SELECT *, SUM(members) OVER (PARTITION BY counter, trust, step ORDER BY dev, requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum_dev
  FROM deviating
),
scaled AS (
  SELECT *, 1.4826e0 * COALESCE((MAX(CASE WHEN cum_dev - members <= mid_lo AND mid_lo < cum_dev THEN dev END) OVER (PARTITION BY counter, trust, step)
      + MAX(CASE WHEN cum_dev - members <= mid_hi AND mid_hi < cum_dev THEN dev END) OVER (PARTITION BY counter, trust, step)) / 2, 0) AS scale
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
  SELECT r.id AS id, counter, trust, step, requests, share, score
  FROM scored JOIN rules r USING (counter)
  WHERE CASE r.id
    WHEN 0 THEN FALSE
    WHEN 1 THEN FALSE
    WHEN 2 THEN FALSE
    WHEN 3 THEN FALSE
    WHEN 4 THEN (score > 3e+00 AND requests >= 4)
    WHEN 5 THEN (share >= 2e-02 OR requests >= 12)
    WHEN 6 THEN FALSE
    WHEN 7 THEN (requests >= 5 AND (share >= 1e-01 AND TRUE))
    WHEN 8 THEN FALSE
    WHEN 9 THEN (requests >= 2 AND score >= -1.5e+00)
    WHEN 10 THEN FALSE
    WHEN 11 THEN (TRUE AND share > 1.2e-01)
    ELSE FALSE END
)
SELECT step::BIGINT AS step, rule::BIGINT AS rule, trust::BIGINT AS trust, k, requests, share, score
FROM (
  SELECT step, -1 AS rule, trust, '' AS k, requests, 0e0 AS share, 0e0 AS score
  FROM (SELECT trust, UNNEST(range(4)) AS step, UNNEST([n7 - n4, n10 - n7, n13 - n10, n15 - n13]) AS requests
    FROM totals) WHERE requests > 0
  UNION ALL
  SELECT step, r.id AS rule, trust, k, requests, 0e0 AS share, 0e0 AS score
  FROM alone JOIN rules r USING (counter)
  WHERE CASE r.id
    WHEN 0 THEN requests >= 10
    WHEN 1 THEN requests > 3
    WHEN 2 THEN (requests >= 8 AND requests > 2 AND TRUE)
    WHEN 3 THEN requests >= 4
    WHEN 4 THEN FALSE
    WHEN 5 THEN FALSE
    WHEN 6 THEN (requests >= 4 AND requests >= 2 AND TRUE)
    WHEN 7 THEN FALSE
    WHEN 8 THEN (requests >= 2 AND TRUE)
    WHEN 9 THEN FALSE
    WHEN 10 THEN requests <= 3
    WHEN 11 THEN FALSE
    ELSE FALSE END
  UNION ALL
  SELECT step, r.id AS rule, trust, k, requests, share, score
  FROM everybody JOIN near r USING (counter, trust, step, requests)
)
ORDER BY step, rule, trust, k
