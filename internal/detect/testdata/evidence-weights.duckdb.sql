-- to_us = 1795356450000000
-- v0 = "/static/"
-- v1 = "HIT"
-- v2 = "POST"
-- v3 = "/login"
-- wanted = []detect.KeyParam{detect.KeyParam{Rule:0, Trust:0, Key:"203.0.113.9", FromUs:0}}
WITH rules(id, grp) AS (
  VALUES
      (0, 0)
),
asked AS MATERIALIZED (
  SELECT DISTINCT r.grp AS grp, w.key AS key
  FROM (SELECT UNNEST(from_json($wanted, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true)) w JOIN rules r ON r.id = w.rule
),
req AS (
  SELECT epoch_us(timestamp) AS us,
    COALESCE("client_asn", 0) AS f_client_asn,
    COALESCE("client_country", '') AS f_client_country,
    COALESCE("method", '') AS f_method,
    COALESCE("path", '') AS f_path,
    COALESCE("status", 0) AS f_status,
    COALESCE("cache", '') AS f_cache,
    COALESCE("user_agent", '') AS f_user_agent,
    COALESCE("first_hop", FALSE) AS f_first_hop,
    COALESCE("blocked", FALSE) AS f_blocked,
    COALESCE("sender", '') AS f_sender,
    COALESCE("address_source", '') AS f_address_source,
    COALESCE("time_source", '') AS f_time_source,
    COALESCE("client_key", '') AS f_client_key,
    COALESCE("client_prefix", '') AS f_client_prefix,
    "first_hop" IS NULL AS hop_unsaid
  FROM read_parquet(['/lake/2026-11-22T13/a.parquet'], union_by_name = true)
  WHERE timestamp >= TIMESTAMPTZ '2026-11-22 13:52:30.000000+00' AND timestamp < TIMESTAMPTZ '2026-11-22 14:07:30.000000+00'
    AND "kind" = 'request'
),
aged AS (
  SELECT *, $to_us - 1 - us AS age
  FROM req
  WHERE (f_client_key IN (SELECT key FROM asked WHERE grp = 0))
),
src AS (
  SELECT us, age, (age) // 60000000 AS minute, CASE WHEN f_address_source = 'edge' THEN 0 ELSE 1 END + CASE WHEN f_sender IN ('mtls', 'token') THEN 0 ELSE 2 END AS trust, f_client_asn, f_client_country, f_method, f_path, f_status, f_user_agent, f_blocked, f_client_key, f_client_prefix, CASE
      WHEN (STARTS_WITH(f_path, $v0) OR STARTS_WITH(f_cache, $v1)) THEN 0
      WHEN (f_method = $v2 AND STARTS_WITH(f_path, $v3)) THEN 1
      ELSE 2 END AS class, hop_unsaid, NOT (f_first_hop OR hop_unsaid) AS shield, f_time_source = 'received' AS received, f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) AS base,
    CASE WHEN age >= 0 AND f_time_source <> 'received' AND (f_first_hop OR hop_unsaid) THEN
      CASE WHEN age < 900000000 THEN CAST(3 AS BIGINT) ELSE 0 END
    ELSE 0 END AS mask
  FROM aged
),
kinds(about) AS (
  VALUES (0), (1), (2), (3), (4), (5), (6), (7)
),
hits AS (
  SELECT s.*, r.id AS rule, CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END AS k
  FROM src s CROSS JOIN rules r
  WHERE (s.mask >> r.id) & 1 = 1 AND NOT s.f_blocked AND CASE r.grp WHEN 1 THEN f_client_prefix ELSE f_client_key END <> ''
),
wanted AS MATERIALIZED (
  SELECT h.*
  FROM hits h JOIN (SELECT UNNEST(from_json($wanted, '[{"rule":"BIGINT","trust":"BIGINT","key":"VARCHAR","from_us":"BIGINT"}]'), recursive := true)) w
    ON w.rule = h.rule AND w.trust = h.trust AND w.key = h.k
),
minutes AS (
  SELECT rule, trust, k, minute, SUM(n) OVER (PARTITION BY rule, trust, k ORDER BY minute) - n AS newer
  FROM (SELECT rule, trust, k, minute, COUNT(*) AS n FROM wanted GROUP BY ALL)
),
recent AS NOT MATERIALIZED (
  SELECT *
  FROM wanted JOIN minutes USING (rule, trust, k, minute)
),
told AS (
  SELECT rule, trust, k, about,
    CASE about WHEN 0 THEN LEFT(f_path, 256) WHEN 1 THEN LEFT(f_user_agent, 256) WHEN 2 THEN CAST(f_status AS VARCHAR) WHEN 3 THEN LEFT(f_client_country, 256) WHEN 4 THEN CAST(f_client_asn AS VARCHAR) WHEN 6 THEN CAST(minute AS VARCHAR) WHEN 7 THEN CAST(class AS VARCHAR)
      ELSE LPAD(CAST(us AS VARCHAR), 20, '0') || ' ' || LEFT(f_method, 256) || ' ' || LEFT(f_path, 256) || ' ' || CAST(f_status AS VARCHAR) END AS v
  FROM recent CROSS JOIN kinds
  WHERE about IN (2, 3, 4, 6, 7) OR newer < 10000
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
SELECT CAST(rule AS BIGINT) AS rule, CAST(trust AS BIGINT) AS trust, k, CAST(about AS BIGINT) AS about, v, CAST(n AS BIGINT) AS n, CAST(place AS BIGINT) AS place
FROM placed
WHERE place <= CASE about WHEN 0 THEN 5 WHEN 1 THEN 3 WHEN 2 THEN 5 WHEN 3 THEN 1 WHEN 4 THEN 1 WHEN 5 THEN 5 WHEN 6 THEN 60 WHEN 7 THEN 17 ELSE 0 END
ORDER BY rule, trust, k, about, place
