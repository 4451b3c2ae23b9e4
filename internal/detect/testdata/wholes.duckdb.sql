-- keys = []detect.KeyParam{detect.KeyParam{Rule:0, Trust:0, Key:"203.0.113.9", FromUs:900000000}, detect.KeyParam{Rule:1, Trust:0, Key:"203.0.113.0/24", FromUs:300000000}}
-- service = "SVC1"
-- to_us = 1795356450000000
WITH keys AS MATERIALIZED (
  SELECT * FROM (SELECT UNNEST(from_json($keys, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true))
),
req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("status", 0) AS f_status,
    '' AS f_ja4,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("blocked", FALSE) AS f_blocked,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("sender", '') AS f_sender,
    COALESCE("time_source", '') AS f_time_source,
    COALESCE("client_prefix", '') AS f_client_prefix,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:52:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:30.000000+00'
    AND "kind" = 'request'
    AND "service_id" = $service
),
src AS (
  SELECT us, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_key, f_client_prefix, NULLIF(f_client_key, '') AS address, CASE WHEN f_ja4 <> '' THEN md5_number(f_ja4) END AS ja4, f_status >= 1 AND f_status < 400 AS fine
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AND NOT f_blocked
    AND (f_client_key IN (SELECT key FROM keys WHERE rule = 0) OR f_client_prefix IN (SELECT key FROM keys WHERE rule = 1))
),
hits AS (
  SELECT 0 AS rule, trust, f_client_key AS k, us, address, ja4, fine
  FROM src
  UNION ALL
  SELECT 1 AS rule, trust, f_client_prefix AS k, us, address, ja4, fine
  FROM src
)
SELECT CAST(h.rule AS BIGINT) AS grp, CAST(h.trust AS BIGINT) AS trust, h.k AS k, CAST(q.from_us AS BIGINT) AS window_us, COUNT(*) AS requests, COUNT(CASE WHEN fine THEN 1 END) AS ok,
  COUNT(DISTINCT CASE WHEN fine THEN address END) AS ok_addresses, COUNT(DISTINCT ja4) AS ja4s
FROM hits h JOIN keys q
  ON q.rule = h.rule AND q.trust = h.trust AND q.key = h.k AND us >= $to_us - q.from_us
GROUP BY 1, 2, 3, 4
ORDER BY grp, trust, k, window_us
