-- request_id = "4f0e-_req"
-- lo = "2026-11-21T14:07:30Z"
-- hi = "2026-11-22T14:07:30Z"
-- service = "SVC1"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`request_id`, '') AS f_request_id,
    COALESCE(`client_key`, '') AS f_client_key,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`blocked`, FALSE) AS f_blocked,
    COALESCE(`first_hop`, FALSE) AS f_first_hop,
    COALESCE(`address_source`, '') AS f_address_source,
    COALESCE(`sender`, '') AS f_sender,
    COALESCE(`time_source`, '') AS f_time_source,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
    AND `service_id` = @service
)
SELECT f_client_key AS k, us, f_status AS status, CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust,
  CASE WHEN f_blocked THEN 1 ELSE 0 END AS refused, CASE WHEN NOT (f_first_hop OR hop_unsaid) THEN 1 ELSE 0 END AS shield, CASE WHEN f_time_source = 'received' THEN 1 ELSE 0 END AS received
FROM req
WHERE f_request_id = @request_id
ORDER BY trust, shield, received, refused DESC, us DESC, k, status
LIMIT 100
