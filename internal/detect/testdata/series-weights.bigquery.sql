-- from_us = 1795355550000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
-- lo = "2026-11-22T13:52:30Z"
-- hi = "2026-11-22T14:22:30Z"
-- keys_from = []string{"0"}
-- keys = []string{"0/0/203.0.113.9"}
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`method`, '') AS f_method,
    COALESCE(`path`, '') AS f_path,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`cache`, '') AS f_cache,
    COALESCE(`first_hop`, FALSE) AS f_first_hop,
    COALESCE(`blocked`, FALSE) AS f_blocked,
    COALESCE(`sender`, '') AS f_sender,
    COALESCE(`address_source`, '') AS f_address_source,
    COALESCE(`time_source`, '') AS f_time_source,
    COALESCE(`client_key`, '') AS f_client_key,
    COALESCE(`client_prefix`, '') AS f_client_prefix,
    `first_hop` IS NULL AS hop_unsaid
  FROM `shop.logs.requests`
  WHERE timestamp >= @lo AND timestamp < @hi
    AND `kind` = 'request'
),
src AS (
  SELECT us, DIV(us - @from_us, 60000000) AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_status, f_cache, f_blocked, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, @v0) OR STARTS_WITH(f_cache, @v1)) THEN 0
      WHEN (f_method = @v2 AND STARTS_WITH(f_path, @v3)) THEN 20
      ELSE 1 END AS w,
    3 AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
),
keyed AS (
  SELECT g.grp AS rule, 0 AS no_trust, CASE g.grp WHEN 0 THEN f_client_key ELSE '' END AS k, mask & g.bits AS bits, trust, slot, us, f_status, f_blocked, f_cache, w
  FROM src CROSS JOIN UNNEST([STRUCT(0 AS grp, 1 AS bits)]) g
),
hits AS (
  SELECT q.from_us AS kid, bits, trust, slot, us, f_status, f_blocked, f_cache, w
  FROM keyed h JOIN (SELECT id, CAST(@keys_from[OFFSET(place)] AS INT64) AS from_us FROM UNNEST(@keys) id WITH OFFSET place) q
    ON q.id = CAST(h.rule AS STRING) || '/0/' || h.k
)
SELECT kid AS kid, trust AS trust, bits AS bits, slot AS slot,
  COUNT(CASE WHEN NOT f_blocked THEN 1 END) AS n,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 1 AND f_status < 400 THEN 1 END) AS ok,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 400 THEN 1 END) AS errors,
  COUNT(CASE WHEN NOT f_blocked AND f_status >= 1 AND f_status < 400 AND STARTS_WITH(f_cache, 'HIT') THEN 1 END) AS cached,
  COALESCE(MIN(CASE WHEN NOT f_blocked THEN us END), 0) AS first_us,
  COALESCE(MAX(CASE WHEN NOT f_blocked THEN us END), 0) AS last_us,
  COUNT(CASE WHEN f_blocked THEN 1 END) AS refused,
  MAX(us) AS last_all_us,
  SUM(CASE WHEN NOT f_blocked THEN w ELSE 0 END) AS weight,
  SUM(CASE WHEN f_blocked THEN w ELSE 0 END) AS refused_weight
FROM hits GROUP BY 1, 2, 3, 4
ORDER BY kid, slot, trust, bits
