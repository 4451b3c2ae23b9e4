    SELECT timestamp,
      ANY_VALUE(jsonPayload.service_id) AS service_id,
      ANY_VALUE(jsonPayload.method) AS method,
      ANY_VALUE(jsonPayload.path) AS path,
      ANY_VALUE(SAFE_CAST(jsonPayload.status AS INT64)) AS status,
      ANY_VALUE(jsonPayload.ja4) AS ja4,
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
