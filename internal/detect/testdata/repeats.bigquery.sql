-- lo = "2026-11-22T14:06:00Z"
-- hi = "2026-11-22T14:07:00Z"
-- service = "SVC1"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`request_id`, '') AS f_request_id,
    COALESCE(`time_source`, '') AS f_time_source,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
    AND `service_id` = @service
)
SELECT COUNT(*) AS ids, COUNT(*) - COUNT(DISTINCT f_request_id) AS repeated
FROM req
WHERE hop_unsaid AND f_request_id <> '' AND NOT f_time_source = 'received'
