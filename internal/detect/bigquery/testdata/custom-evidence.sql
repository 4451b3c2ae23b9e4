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
