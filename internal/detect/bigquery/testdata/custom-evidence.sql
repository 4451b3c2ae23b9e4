WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    0 AS f_client_asn,
    '' AS f_client_country,
    COALESCE(method, '') AS f_method,
    COALESCE(path, '') AS f_path,
    COALESCE(status, 0) AS f_status,
    '' AS f_user_agent,
    COALESCE(first_hop, FALSE) AS f_first_hop,
    FALSE AS f_blocked,
    COALESCE(sender, '') AS f_sender,
    COALESCE(address_source, '') AS f_address_source,
    COALESCE(time_source, '') AS f_time_source,
    COALESCE(client_key, '') AS f_client_key,
    COALESCE(client_prefix, '') AS f_client_prefix,
    first_hop IS NULL AS hop_unsaid
  FROM (
    SELECT timestamp,
      service_id,
      method,
      path,
      status,
      first_hop,
      sender,
      address_source,
      time_source,
      CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(addr) WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 64)) || '/64' END AS client_key,
      CASE BYTE_LENGTH(addr) WHEN 4 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 24)) || '/24' WHEN 16 THEN NET.IP_TO_STRING(NET.IP_TRUNC(addr, 56)) || '/56' END AS client_prefix
    FROM (
      SELECT timestamp,
        service_id,
        method,
        path,
        status,
        first_hop,
        sender,
        address_source,
        time_source,
        CASE WHEN BYTE_LENGTH(raw) = 16 AND SUBSTR(raw, 1, 12) = b'\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff' THEN SUBSTR(raw, 13) ELSE raw END AS addr
      FROM (
        SELECT `event-time` AS timestamp,
          'SVC1' AS service_id,
          SAFE_CAST(`http`.method AS STRING) AS method,
          SAFE_CAST(`http`.path AS STRING) AS path,
          SAFE_CAST(`http`.status AS INT64) AS status,
          SAFE_CAST(first_hop AS BOOL) AS first_hop,
          'none' AS sender,
          'header' AS address_source,
          'message' AS time_source,
          NET.SAFE_IP_FROM_STRING(SAFE_CAST(`http`.client_ip AS STRING)) AS raw
        FROM `logs-project.edge_logs.fastly`
        WHERE `event-time` >= @lo AND `event-time` < @hi
      )
    )
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
