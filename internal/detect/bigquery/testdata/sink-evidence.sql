WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(client_asn, 0) AS f_client_asn,
    COALESCE(client_country, '') AS f_client_country,
    COALESCE(method, '') AS f_method,
    COALESCE(path, '') AS f_path,
    COALESCE(status, 0) AS f_status,
    COALESCE(user_agent, '') AS f_user_agent,
    COALESCE(first_hop, FALSE) AS f_first_hop,
    COALESCE(blocked, FALSE) AS f_blocked,
    COALESCE(sender, '') AS f_sender,
    COALESCE(address_source, '') AS f_address_source,
    COALESCE(time_source, '') AS f_time_source,
    COALESCE(client_key, '') AS f_client_key,
    COALESCE(client_prefix, '') AS f_client_prefix,
    first_hop IS NULL AS hop_unsaid
  FROM (
    SELECT timestamp,
      ANY_VALUE(jsonPayload.service_id) AS service_id,
      ANY_VALUE(SAFE_CAST(jsonPayload.client_asn AS INT64)) AS client_asn,
      ANY_VALUE(jsonPayload.client_country) AS client_country,
      ANY_VALUE(jsonPayload.method) AS method,
      ANY_VALUE(jsonPayload.path) AS path,
      ANY_VALUE(SAFE_CAST(jsonPayload.status AS INT64)) AS status,
      ANY_VALUE(jsonPayload.user_agent) AS user_agent,
      ANY_VALUE(jsonPayload.first_hop) AS first_hop,
      ANY_VALUE(jsonPayload.blocked) AS blocked,
      ANY_VALUE(jsonPayload.sender) AS sender,
      ANY_VALUE(jsonPayload.address_source) AS address_source,
      ANY_VALUE(jsonPayload.time_source) AS time_source,
      ANY_VALUE(jsonPayload.client_key) AS client_key,
      ANY_VALUE(jsonPayload.client_prefix) AS client_prefix
    FROM `logs-project.edge_logs.fastly`
    WHERE timestamp >= @lo AND timestamp < @hi
      AND jsonPayload.kind = 'request'
      AND jsonPayload.service_id = @service
    GROUP BY timestamp, insertId
  )
  WHERE timestamp >= @lo AND timestamp < @hi
    AND service_id = @service
),
src AS (
  SELECT us, @to_us - 1 - us AS age, DIV(@to_us - 1 - us, 60000000) AS minute, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_client_country, f_method, f_path, f_status, f_user_agent, f_blocked, f_client_key, f_client_prefix,
    hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN us < @to_us AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN TRUE THEN 1 ELSE 0 END
      + CASE WHEN (f_method = @v0 AND STARTS_WITH(f_path, @v1) AND f_status IN (401, 403)) THEN 2 ELSE 0 END
    ELSE 0 END AS mask
  FROM req
),
hits AS (
  SELECT s.*, r.id AS rule, CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END AS k
  FROM src s CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS grp, 600000000 AS win),
      STRUCT(1 AS id, 1 AS grp, 900000000 AS win)
    ]) r
  WHERE (s.mask >> r.id) & 1 = 1 AND s.age < r.win AND NOT s.f_blocked AND CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END <> ''
),
wanted AS (
  SELECT h.*
  FROM hits h JOIN (SELECT id, CAST(@wanted_from[OFFSET(place)] AS INT64) AS from_us FROM UNNEST(@wanted) id WITH OFFSET place) w
    ON w.id = CAST(h.rule AS STRING) || '/' || CAST(h.trust AS STRING) || '/' || h.k
),
told AS (
  SELECT rule, trust, k, about,
    CASE about WHEN 0 THEN LEFT(f_path, 256) WHEN 1 THEN LEFT(f_user_agent, 256) WHEN 2 THEN CAST(f_status AS STRING) WHEN 3 THEN LEFT(f_client_country, 256) WHEN 4 THEN CAST(f_client_asn AS STRING)
      ELSE LPAD(CAST(us AS STRING), 20, '0') || ' ' || LEFT(f_method, 256) || ' ' || LEFT(f_path, 256) || ' ' || CAST(f_status AS STRING) END AS v
  FROM wanted CROSS JOIN UNNEST([0, 1, 2, 3, 4, 5]) about
),
counted AS (
  SELECT rule, trust, k, about, v, COUNT(*) AS n
  FROM told
  WHERE NOT (about IN (3, 4) AND v IN ('', '0'))
  GROUP BY rule, trust, k, about, v
),
placed AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY rule, trust, k, about
    ORDER BY CASE WHEN about = 5 THEN 0 ELSE n END DESC, CASE WHEN about = 5 THEN v ELSE '' END DESC, v) AS place
  FROM counted
)
SELECT rule AS rule, trust AS trust, k, about AS about, v, n AS n, place AS place
FROM placed
WHERE place <= CASE about WHEN 0 THEN 5 WHEN 1 THEN 3 WHEN 2 THEN 5 WHEN 3 THEN 1 WHEN 4 THEN 1 WHEN 5 THEN 5 ELSE 0 END
ORDER BY rule, trust, k, about, place
