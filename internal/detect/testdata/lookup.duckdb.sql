-- request_id = "4f0e-_req"
-- service = "SVC1"
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("request_id", '') AS f_request_id,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("status", 0) AS f_status,
    COALESCE("blocked", FALSE) AS f_blocked,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("sender", '') AS f_sender,
    COALESCE("time_source", '') AS f_time_source,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-21 14:07:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:30.000000+00'
    AND "kind" = 'request'
    AND "service_id" = $service
)
SELECT f_client_key AS k, us, f_status AS status, CAST(CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS BIGINT) AS trust,
  CAST(CASE WHEN f_blocked THEN 1 ELSE 0 END AS BIGINT) AS refused, CAST(CASE WHEN NOT (f_first_hop OR hop_unsaid) THEN 1 ELSE 0 END AS BIGINT) AS shield, CAST(CASE WHEN f_time_source = 'received' THEN 1 ELSE 0 END AS BIGINT) AS received
FROM req
WHERE f_request_id = $request_id
ORDER BY trust, shield, received, refused DESC, us DESC, k, status
LIMIT 100
