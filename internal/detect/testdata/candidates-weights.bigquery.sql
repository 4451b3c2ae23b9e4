-- from_us = 1795355550000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
-- lo = "2026-11-22T13:52:30Z"
-- hi = "2026-11-22T14:22:30Z"
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
  SELECT us, DIV(us - @from_us, 300000000) AS slot, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_status, f_blocked, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, @v0) OR STARTS_WITH(f_cache, @v1)) THEN 0
      WHEN (f_method = @v2 AND STARTS_WITH(f_path, @v3)) THEN 20
      ELSE 1 END AS w,
    3 AS mask
  FROM req
  WHERE f_time_source <> 'received' AND (f_first_hop OR hop_unsaid)
    AND NOT f_blocked
),
counted AS (
  SELECT slot, trust, f_client_key, f_client_prefix, mask, COUNT(*) AS n, SUM(w) AS w
  FROM src
  GROUP BY slot, trust, f_client_key, f_client_prefix, mask
),
hits AS (
  SELECT r.id AS rule, r.width AS width, trust, CASE WHEN r.id < 0 THEN '' ELSE CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END END AS k, slot, n, w
  FROM counted CROSS JOIN UNNEST([
      STRUCT(0 AS id, 0 AS bit, 0 AS grp, 3 AS width),
      STRUCT(1 AS id, 1 AS bit, 1 AS grp, 3 AS width),
      STRUCT(-1 AS id, 0 AS bit, 0 AS grp, 1 AS width)
    ]) r
  WHERE r.id < 0 OR ((mask >> r.bit) & 1 = 1 AND CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END <> '')
),
slid AS (
  SELECT rule, trust, k, step, n, w
  FROM hits CROSS JOIN UNNEST(GENERATE_ARRAY(CASE WHEN slot < 3 THEN 0 ELSE DIV(slot - 2, 1) END,
      CASE WHEN slot + width < 3 THEN -1 WHEN slot + width > 6 THEN 3 ELSE DIV(slot + width - 3, 1) END)) step
),
per_key AS (
  SELECT rule, trust, step, k, SUM(n) AS requests, SUM(w) AS weight
  FROM slid GROUP BY rule, trust, step, k
),
tally AS (
  SELECT rule, trust, step, requests, COUNT(*) AS members,
    ARRAY_AGG(CASE WHEN rule < 0 OR CASE rule
    WHEN 0 THEN weight >= 3000
    WHEN 1 THEN (requests >= 20 AND weight >= 9000)
    ELSE FALSE END
      THEN STRUCT(k AS k, weight AS weight) END IGNORE NULLS) AS riders
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
  SELECT rule, trust, step, m.k AS k, m.weight AS weight, requests, share, score
  FROM scored t CROSS JOIN UNNEST(IFNULL(t.riders, [])) m
)
SELECT step, rule, trust, k, requests, share, score
FROM unpacked
WHERE rule < 0 OR CASE rule
  WHEN 0 THEN weight >= 3000
  WHEN 1 THEN (requests >= 20 AND weight >= 9000)
  ELSE FALSE END
ORDER BY step, rule, trust, k
