-- to_us = 1795356450000000
-- lo = "2026-11-22T13:52:30Z"
-- hi = "2026-11-22T14:07:30Z"
-- service = "SVC1"
-- v0 = "POST"
-- v1 = "/login"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`client_asn`, 0) AS f_client_asn,
    COALESCE(`method`, '') AS f_method,
    COALESCE(`path`, '') AS f_path,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`user_agent`, '') AS f_user_agent,
    '' AS f_ja4,
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
    AND `service_id` = @service
),
aged AS (
  SELECT *, @to_us - 1 - us AS age
  FROM req
),
src AS (
  SELECT us, age, DIV(age, 60000000) AS minute, CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_method, f_path, f_status, f_user_agent, f_ja4, f_blocked, f_client_key, f_client_prefix, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 600000000 AND (f_method = @v0 AND STARTS_WITH(f_path, @v1) AND f_status IN (401, 403)) THEN 1 ELSE 0 END
      + CASE WHEN age < 900000000 THEN 2 ELSE 0 END
    ELSE 0 END AS mask
  FROM aged
),
hits AS (
  SELECT s.*, r.id AS rule
  FROM src s CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS grp, 0 AS class),
      STRUCT(1 AS id, 1 AS grp, 2 AS class)
    ]) r
  WHERE s.trust = r.class AND (s.mask >> r.id) & 1 = 1 AND NOT s.f_blocked AND CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END <> ''
),
told AS (
  SELECT rule, trust, about, f_client_key AS address,
    CASE about WHEN 1 THEN f_client_prefix WHEN 2 THEN CAST(f_client_asn AS STRING) WHEN 3 THEN LEFT(f_ja4, 256) WHEN 4 THEN LEFT(f_user_agent, 256) WHEN 5 THEN LEFT(f_method || ' ' || f_path, 256) ELSE '' END AS v
  FROM hits CROSS JOIN UNNEST([0, 1, 2, 3, 4, 5]) about
),
by_address AS (
  SELECT rule, trust, about, v, address, COUNT(*) AS n
  FROM told
  WHERE about = 0 OR v NOT IN ('', '0')
  GROUP BY rule, trust, about, v, address
),
ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY rule, trust, about, v ORDER BY n DESC, address) AS place
  FROM by_address
),
clusters AS (
  SELECT rule, trust, about, v, SUM(n) AS n, COUNT(*) AS addresses, MAX(n) AS most,
    SUM(CASE WHEN place <= 100 THEN n ELSE 0 END) AS top_n
  FROM ranked
  GROUP BY rule, trust, about, v
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY rule, trust, about ORDER BY n DESC, v) AS place
  FROM clusters
)
SELECT rule, trust, about, v, n, addresses, most, top_n, place
FROM placed
WHERE place <= 3
ORDER BY rule, trust, about, place
