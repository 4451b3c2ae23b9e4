-- service = "SVC1"
WITH req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("time_source", '') AS f_time_source,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-15 14:07:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:30.000000+00'
    AND "kind" = 'request'
    AND "service_id" = $service
)
SELECT CAST(MIN(us) AS BIGINT) AS first_us, CAST(MAX(us) AS BIGINT) AS last_us, CAST(COUNT(*) AS BIGINT) AS n
FROM req
WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
GROUP BY (us) // 3600000000
ORDER BY first_us
