-- service = "SVC1"
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("request_id", '') AS f_request_id,
    COALESCE("time_source", '') AS f_time_source,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 14:06:00.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:00.000000+00'
    AND "kind" = 'request'
    AND "service_id" = $service
)
SELECT CAST(COUNT(*) AS BIGINT) AS ids, CAST(COUNT(*) - COUNT(DISTINCT f_request_id) AS BIGINT) AS repeated
FROM req
WHERE hop_unsaid AND f_request_id <> '' AND NOT f_time_source = 'received'
