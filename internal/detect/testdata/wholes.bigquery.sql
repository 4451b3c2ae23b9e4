-- keys_from = []string{"900000000", "300000000"}
-- keys = []string{"0/0/203.0.113.9", "1/0/203.0.113.0/24"}
-- lo = "2026-11-22T13:52:30Z"
-- hi = "2026-11-22T14:07:30Z"
-- service = "SVC1"
-- to_us = 1795356450000000
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`client_key`, '') AS f_client_key,
    COALESCE(`status`, 0) AS f_status,
    '' AS f_ja4,
    COALESCE(`first_hop`, FALSE) AS f_first_hop,
    COALESCE(`blocked`, FALSE) AS f_blocked,
    COALESCE(`address_source`, '') AS f_address_source,
    COALESCE(`sender`, '') AS f_sender,
    COALESCE(`time_source`, '') AS f_time_source,
    COALESCE(`client_prefix`, '') AS f_client_prefix,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
    AND `service_id` = @service
),
src AS (
  SELECT us, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_key, f_client_prefix, NULLIF(f_client_key, '') AS address, NULLIF(f_ja4, '') AS ja4, f_status >= 1 AND f_status < 400 AS fine
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AND NOT f_blocked
),
hits AS (
  SELECT g.grp AS rule, trust, CASE g.grp WHEN 0 THEN f_client_key WHEN 1 THEN f_client_prefix ELSE '' END AS k, us, address, ja4, fine
  FROM src CROSS JOIN UNNEST([STRUCT(0 AS grp), STRUCT(1 AS grp)]) g
)
SELECT h.rule AS grp, h.trust AS trust, h.k AS k, q.from_us AS window_us, COUNT(*) AS requests, COUNT(CASE WHEN fine THEN 1 END) AS ok,
  COUNT(DISTINCT CASE WHEN fine THEN address END) AS ok_addresses, COUNT(DISTINCT ja4) AS ja4s
FROM hits h JOIN (SELECT id, CAST(@keys_from[OFFSET(place)] AS INT64) AS from_us FROM UNNEST(@keys) id WITH OFFSET place) q
  ON q.id = CAST(h.rule AS STRING) || '/' || CAST(h.trust AS STRING) || '/' || h.k AND us >= @to_us - q.from_us
GROUP BY 1, 2, 3, 4
ORDER BY grp, trust, k, window_us
