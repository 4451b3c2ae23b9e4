-- from_us = 1795355250000000
-- lo = "2026-11-22T13:47:30Z"
-- hi = "2026-11-22T14:22:30Z"
-- v0 = "POST"
-- v1 = "/login"
-- v2 = ""
-- v3 = "^(curl|python)/"
-- v4 = "_sure"
-- v5 = "☃"
-- v6 = "shop.example"
-- v7 = "m"
WITH req AS (
  SELECT UNIX_MICROS(timestamp) AS us,
    COALESCE(`client_asn`, 0) AS f_client_asn,
    COALESCE(`host`, '') AS f_host,
    COALESCE(`method`, '') AS f_method,
    COALESCE(`path`, '') AS f_path,
    COALESCE(`status`, 0) AS f_status,
    COALESCE(`response_bytes`, 0) AS f_response_bytes,
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
),
src AS (
  SELECT us, DIV(us - @from_us, 1000000) AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_status, f_ja4, f_blocked, f_client_key, f_client_prefix,
    253
      + CASE WHEN (f_method = @v0 AND STARTS_WITH(f_path, @v1) AND f_status IN (401, 403)) THEN 2 ELSE 0 END
      + CASE WHEN f_ja4 <> @v2 THEN 256 ELSE 0 END
      + CASE WHEN (REGEXP_CONTAINS(f_user_agent, @v3) OR STRPOS(f_user_agent, @v4) > 0 OR ENDS_WITH(f_user_agent, @v5)) THEN 512 ELSE 0 END
      + CASE WHEN (f_status = 0 OR NOT (f_first_hop)) THEN 1024 ELSE 0 END
      + CASE WHEN (f_response_bytes >= 5.00005e+04 AND f_client_asn <> 64500 AND f_host <= @v6 AND f_host > @v7) THEN 2048 ELSE 0 END AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
    AND NOT f_blocked
),
counted AS (
  SELECT slot, trust, f_client_key, f_client_prefix, f_client_asn, f_ja4, mask, COUNT(*) AS n
  FROM src
  GROUP BY slot, trust, f_client_key, f_client_prefix, f_client_asn, f_ja4, mask
),
hits AS (
  SELECT r.id AS rule, r.width AS width, trust, CASE WHEN r.id < 0 THEN '' ELSE CASE r.grp WHEN 1 THEN f_client_prefix WHEN 2 THEN CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS STRING) ELSE '' END WHEN 3 THEN f_ja4 ELSE f_client_key END END AS k, slot, n
  FROM counted CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS bit, 0 AS grp, 900 AS width),
      STRUCT(1 AS id, 1 AS bit, 0 AS grp, 600 AS width),
      STRUCT(2 AS id, 2 AS bit, 0 AS grp, 900 AS width),
      STRUCT(3 AS id, 3 AS bit, 0 AS grp, 320 AS width),
      STRUCT(4 AS id, 4 AS bit, 0 AS grp, 900 AS width),
      STRUCT(5 AS id, 5 AS bit, 0 AS grp, 900 AS width),
      STRUCT(6 AS id, 6 AS bit, 1 AS grp, 900 AS width),
      STRUCT(7 AS id, 7 AS bit, 2 AS grp, 1200 AS width),
      STRUCT(8 AS id, 8 AS bit, 3 AS grp, 900 AS width),
      STRUCT(9 AS id, 9 AS bit, 0 AS grp, 900 AS width),
      STRUCT(10 AS id, 10 AS bit, 0 AS grp, 900 AS width),
      STRUCT(11 AS id, 11 AS bit, 0 AS grp, 61 AS width),
      STRUCT(-1 AS id, 0 AS bit, 0 AS grp, 300 AS width)
    ]) r
  WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND CASE r.grp WHEN 1 THEN f_client_prefix WHEN 2 THEN CASE WHEN f_client_asn > 0 THEN CAST(f_client_asn AS STRING) ELSE '' END WHEN 3 THEN f_ja4 ELSE f_client_key END <> '')
),
slid AS (
  SELECT rule, trust, k, step, n
  FROM hits CROSS JOIN UNNEST(GENERATE_ARRAY(CASE WHEN slot < 1200 THEN 0 ELSE DIV(slot - 900, 300) END,
      CASE WHEN slot + width < 1200 THEN -1 WHEN slot + width > 2100 THEN 3 ELSE DIV(slot + width - 1200, 300) END)) step
),
per_key AS (
  SELECT rule, trust, step, k, SUM(n) AS requests
  FROM slid GROUP BY rule, trust, step, k
),
tally AS (
  SELECT rule, trust, step, requests, COUNT(*) AS members,
    ARRAY_AGG(CASE WHEN rule < 0 OR CASE rule
    WHEN 0 THEN requests >= 10
    WHEN 1 THEN requests > 3
    WHEN 2 THEN (requests >= 8 AND requests > 2 AND TRUE)
    WHEN 3 THEN requests >= 4
    WHEN 4 THEN (TRUE AND requests >= 4)
    WHEN 5 THEN (TRUE OR requests >= 12)
    WHEN 6 THEN (requests >= 4 AND requests >= 2 AND TRUE)
    WHEN 7 THEN (requests >= 5 AND (TRUE AND TRUE))
    WHEN 8 THEN (requests >= 2 AND TRUE)
    WHEN 9 THEN (requests >= 2 AND TRUE)
    WHEN 10 THEN requests <= 3
    WHEN 11 THEN (TRUE AND TRUE)
    ELSE FALSE END
      THEN k END IGNORE NULLS) AS riders
  FROM per_key GROUP BY rule, trust, step, requests
),
ranked AS (
  SELECT *, LN(CASE WHEN requests > 0 THEN requests ELSE 1 END) AS ln_requests,
    SUM(members) OVER (PARTITION BY rule, trust, step ORDER BY requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum,
    SUM(members) OVER (PARTITION BY rule, trust, step) AS population,
    SUM(requests * members) OVER (PARTITION BY rule, trust, step) AS total,
    MAX(requests) OVER (PARTITION BY rule, trust, step) AS busiest,
    MIN(requests) OVER (PARTITION BY rule, trust, step) AS least
  FROM tally
),
halved AS (
  SELECT *, DIV(population - 1, 2) AS mid_lo, DIV(population, 2) AS mid_hi
  FROM ranked
),
centred AS (
  SELECT *, COALESCE((MAX(CASE WHEN cum - members <= mid_lo AND mid_lo < cum THEN ln_requests END) OVER (PARTITION BY rule, trust, step)
      + MAX(CASE WHEN cum - members <= mid_hi AND mid_hi < cum THEN ln_requests END) OVER (PARTITION BY rule, trust, step)) / 2, 0) AS med
  FROM halved
),
deviating AS (
  SELECT *, ABS(ln_requests - med) AS dev
  FROM centred
),
spread AS (
  SELECT *, SUM(members) OVER (PARTITION BY rule, trust, step ORDER BY dev, requests ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cum_dev
  FROM deviating
),
scaled AS (
  SELECT *, 1.4826e0 * COALESCE((MAX(CASE WHEN cum_dev - members <= mid_lo AND mid_lo < cum_dev THEN dev END) OVER (PARTITION BY rule, trust, step)
      + MAX(CASE WHEN cum_dev - members <= mid_hi AND mid_hi < cum_dev THEN dev END) OVER (PARTITION BY rule, trust, step)) / 2, 0) AS scale
  FROM spread
),
scored AS (
  SELECT *, COALESCE(requests / NULLIF(total, 0), 0) AS share,
    (ln_requests - med) / CASE WHEN scale > 1e-1 THEN scale ELSE 1e-1 END AS score,
    0e0 AS baseline_score,
    0e0 AS baseline_ratio
  FROM scaled
),
unpacked AS (
  SELECT rule, trust, step, k, requests, share, score
  FROM scored t CROSS JOIN UNNEST(IFNULL(t.riders, [])) k
)
SELECT step, rule, trust, k, requests, share, score
FROM unpacked
WHERE rule < 0 OR CASE rule
  WHEN 0 THEN requests >= 10
  WHEN 1 THEN requests > 3
  WHEN 2 THEN (requests >= 8 AND requests > 2 AND TRUE)
  WHEN 3 THEN requests >= 4
  WHEN 4 THEN (score > 3e+00 AND requests >= 4)
  WHEN 5 THEN (share >= 2e-02 OR requests >= 12)
  WHEN 6 THEN (requests >= 4 AND requests >= 2 AND TRUE)
  WHEN 7 THEN (requests >= 5 AND (share >= 1e-01 AND TRUE))
  WHEN 8 THEN (requests >= 2 AND TRUE)
  WHEN 9 THEN (requests >= 2 AND score >= -1.5e+00)
  WHEN 10 THEN requests <= 3
  WHEN 11 THEN (TRUE AND share > 1.2e-01)
  ELSE FALSE END
ORDER BY step, rule, trust, k
