-- keys = []detect.KeyParam{detect.KeyParam{Rule:0, Trust:0, Key:"203.0.113.9", FromUs:0}}
-- from_us = 1795355550000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
WITH keys AS MATERIALIZED (
  SELECT rule, key, from_us FROM (SELECT UNNEST(from_json($keys, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true))
),
req AS (
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
src AS MATERIALIZED (
  SELECT us, (us - $from_us) // 60000000 AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_status, f_cache, f_blocked, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, $v0) OR STARTS_WITH(f_cache, $v1)) THEN 0
      WHEN (f_method = $v2 AND STARTS_WITH(f_path, $v3)) THEN 20
      ELSE 1 END AS w,
    CAST(3 AS BIGINT) AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
    AND (f_client_key IN (SELECT key FROM keys WHERE rule = 0))
),
hits AS (
  SELECT q.from_us AS kid, mask & 1 AS bits, trust, slot, us, f_status, f_blocked, f_cache, w
  FROM src s JOIN keys q ON q.key = f_client_key AND q.rule = 0
)
SELECT CAST(kid AS BIGINT) AS kid, CAST(trust AS BIGINT) AS trust, CAST(bits AS BIGINT) AS bits, CAST(slot AS BIGINT) AS slot,
  COUNT(CASE WHEN NOT f_blocked THEN 1 END) AS n,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS ok,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 400 THEN 1 END) AS errors,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 1 AND f_status < 400 AND STARTS_WITH(f_cache, 'HIT') THEN 1 END) AS cached,
  COALESCE(MIN(CASE WHEN NOT f_blocked THEN us END), 0) AS first_us,
  COALESCE(MAX(CASE WHEN NOT f_blocked THEN us END), 0) AS last_us,
  COUNT(CASE WHEN f_blocked THEN 1 END) AS refused,
  MAX(us) AS last_all_us,
  CAST(SUM(CASE WHEN NOT f_blocked THEN w ELSE 0 END) AS BIGINT) AS weight,
  CAST(SUM(CASE WHEN f_blocked THEN w ELSE 0 END) AS BIGINT) AS refused_weight
FROM hits GROUP BY 1, 2, 3, 4
ORDER BY kid, slot, trust, bits
