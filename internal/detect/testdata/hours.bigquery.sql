-- lo = "2026-11-15T14:07:30Z"
-- hi = "2026-11-22T14:07:30Z"
-- service = "SVC1"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`first_hop`, FALSE) AS f_first_hop,
    COALESCE(`time_source`, '') AS f_time_source,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
    AND `service_id` = @service
)
SELECT MIN(us) AS first_us, MAX(us) AS last_us, COUNT(*) AS n
FROM req
WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
GROUP BY DIV(us, 3600000000)
ORDER BY first_us
