-- What PostgREST sends: the statements of its version 14 as recorded, for the models, predict
-- and train of mlaas_api, from an authenticator that switches to the role of each request.
SET client_min_messages = warning;
CREATE SCHEMA rest_test;
CREATE TABLE rest_test.points AS
SELECT i::float8 AS x, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END AS kind, 2.0 * i + 1 AS y,
	   CASE WHEN i <= 20 THEN 'low' ELSE 'high' END AS level
FROM generate_series(1, 40) i;
CREATE VIEW rest_test.first_half AS SELECT x, y FROM rest_test.points WHERE x <= 20;
CREATE TABLE rest_test.secret AS TABLE rest_test.points;

CREATE ROLE regress_mlaas_authenticator NOINHERIT LOGIN;
CREATE ROLE regress_mlaas_anon NOLOGIN;
CREATE ROLE regress_mlaas_user NOLOGIN;
GRANT regress_mlaas_anon, regress_mlaas_user TO regress_mlaas_authenticator;
GRANT USAGE ON SCHEMA rest_test TO regress_mlaas_anon, regress_mlaas_user;
GRANT SELECT ON rest_test.points, rest_test.first_half TO regress_mlaas_user;

SET SESSION AUTHORIZATION regress_mlaas_authenticator;

-- prepared once, as a pooled connection keeps them
PREPARE settings(text, text, text, text, text, text, text) AS
select set_config('search_path', $1, true), set_config('role', $2, true), set_config('request.jwt.claims', $3, true), set_config('request.method', $4, true), set_config('request.path', $5, true), set_config('request.headers', $6, true), set_config('request.cookies', $7, true);

PREPARE train(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "name", "source", "target", "algorithm", "validation", "wait" FROM json_to_record(pgrst_payload.json_data) AS _("name" text, "source" text, "target" text, "algorithm" text, "validation" jsonb, "wait" boolean) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."train"("name" := pgrst_body."name", "source" := pgrst_body."source", "target" := pgrst_body."target", "algorithm" := pgrst_body."algorithm", "validation" := pgrst_body."validation", "wait" := pgrst_body."wait") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "train".* FROM "pgrst_source" AS "train"   ) _postgrest_t;

PREPARE train_features(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "name", "source", "target", "features", "params", "deploy", "wait" FROM json_to_record(pgrst_payload.json_data) AS _("name" text, "source" text, "target" text, "features" text[], "params" jsonb, "deploy" text, "wait" boolean) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."train"("name" := pgrst_body."name", "source" := pgrst_body."source", "target" := pgrst_body."target", "features" := pgrst_body."features", "params" := pgrst_body."params", "deploy" := pgrst_body."deploy", "wait" := pgrst_body."wait") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "train".* FROM "pgrst_source" AS "train"   ) _postgrest_t;

PREPARE predict_post(json) AS
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "input" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "input" json) LIMIT 1) pgrst_body , LATERAL (SELECT "mlaas_api"."predict"("model" := pgrst_body."model", "input" := pgrst_body."input") pgrst_scalar) pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "predict".* FROM "pgrst_source" AS "predict"   ) _postgrest_t;

PREPARE predict_get(text, text) AS
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT "mlaas_api"."predict"("model" := $1::text, "input" := $2::json) pgrst_scalar) pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "predict".* FROM "pgrst_source" AS "predict"   ) _postgrest_t;

PREPARE models_get(text, text, bigint, bigint) AS
WITH pgrst_source AS ( SELECT "mlaas_api"."models"."name", "mlaas_api"."models"."task", "mlaas_api"."models"."deployed_version" FROM "mlaas_api"."models" WHERE  "mlaas_api"."models"."task" = $1 AND  "mlaas_api"."models"."name" like $2  ORDER BY "mlaas_api"."models"."name" DESC  LIMIT $3 OFFSET $4 )  SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM ( SELECT * FROM pgrst_source ) _postgrest_t;

PREPARE models_count(text, text, text, text) AS
WITH pgrst_source AS ( SELECT "mlaas_api"."models".* FROM "mlaas_api"."models" WHERE  ( "mlaas_api"."models"."name" = $1 OR  "mlaas_api"."models"."name" = $2)    ) , pgrst_source_count AS (SELECT 1  FROM "mlaas_api"."models" WHERE  ( "mlaas_api"."models"."name" = $3 OR  "mlaas_api"."models"."name" = $4)) SELECT (SELECT pg_catalog.count(*) FROM pgrst_source_count) AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM ( SELECT * FROM pgrst_source ) _postgrest_t;

-- the requests' settings
\set anon_get 'EXECUTE settings(\'"mlaas_api", "public"\', \'regress_mlaas_anon\', \'{"role":"regress_mlaas_anon"}\', \'GET\', \'/models\', \'{"user-agent":"curl/7.88.1","accept":"*/*"}\', \'{}\')'
\set anon_post 'EXECUTE settings(\'"mlaas_api", "public"\', \'regress_mlaas_anon\', \'{"role":"regress_mlaas_anon"}\', \'POST\', \'/rpc/predict\', \'{"user-agent":"curl/7.88.1","accept":"*/*","content-type":"application/json"}\', \'{}\')'
\set user_get 'EXECUTE settings(\'"mlaas_api", "public"\', \'regress_mlaas_user\', \'{"role":"regress_mlaas_user"}\', \'GET\', \'/models\', \'{"user-agent":"curl/7.88.1","accept":"*/*"}\', \'{}\')'
\set user_post 'EXECUTE settings(\'"mlaas_api", "public"\', \'regress_mlaas_user\', \'{"role":"regress_mlaas_user"}\', \'POST\', \'/rpc/predict\', \'{"user-agent":"curl/7.88.1","accept":"*/*","content-type":"application/json"}\', \'{}\')'
\set user_other 'EXECUTE settings(\'"rest_test", "mlaas_api"\', \'regress_mlaas_user\', \'{"role":"regress_mlaas_user"}\', \'POST\', \'/rpc/train\', \'{}\', \'{}\')'

-- POST /rpc/train, a VOLATILE function: a read-write transaction
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest line","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{"split":"none"},"wait":true}') \gset
COMMIT;
SELECT :'page_total' AS page_total, :'body'::json->>'name' AS name, :'body'::json->>'version' AS version, :'body'::json->>'task' AS task,
	   :'body'::json->>'algorithm' AS algorithm, :'body'::json->>'deployed' AS deployed, :'body'::json->>'n_train' AS n_train,
	   (:'body'::json->'metrics'->>'r2')::float8 > 0.999 AS good, (:'body'::json->>'seconds')::float8 > 0 AS took_time;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train_features('{"name":"rest level","source":"rest_test.points","target":"level","features":["x","kind"],"params":{"l2":1},"deploy":"always","wait":true}') \gset
COMMIT;
SELECT :'body'::json->>'name' AS name, :'body'::json->>'version' AS version, :'body'::json->>'task' AS task, :'body'::json->>'deployed' AS deployed;

-- the source is a relation, found by the search_path of the request and read with the rights of its role
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_other \g /dev/null
EXECUTE train('{"name":"rest view","source":"first_half","target":"y","algorithm":"linear_regression","validation":{"split":"none"},"wait":true}') \gset
SELECT :'body'::json->>'n_train' AS n_train;
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest view","source":"first_half","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest sql","source":"SELECT x, y FROM rest_test.points","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest sql","source":"rest_test.points; DROP TABLE rest_test.points","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest secret","source":"rest_test.secret","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:anon_post \g /dev/null
EXECUTE train('{"name":"rest anon","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_get \g /dev/null
EXECUTE train('{"name":"rest line","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{},"wait":true}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- POST /rpc/predict, a STABLE function: a read-only transaction; one object
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":{"x":10,"kind":"even","level":"low","another":[1,2]}}') \gset
COMMIT;
SELECT round((:'body'::json->>'prediction')::numeric, 6) AS prediction, (SELECT string_agg(k, ' ') FROM json_object_keys(:'body'::json) k) AS keys;
-- an array, in its order, with a null among the values and a member null
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":[{"x":10,"kind":"even","level":"low"},{"x":30,"kind":"odd","level":"high"},{"x":null,"kind":"odd","level":"low"}]}') \gset
COMMIT;
SELECT n, round((p->>'prediction')::numeric, 6) IS NOT NULL AS predicted, CASE WHEN n < 3 THEN round((p->>'prediction')::numeric, 6) END AS prediction
FROM json_array_elements(:'body'::json) WITH ORDINALITY t (p, n);
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":[]}') \gset
COMMIT;
SELECT :'body' AS body;
-- a classifier
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest level@1","input":[{"x":2,"kind":"even"},{"x":39,"kind":"odd"}]}') \gset
COMMIT;
SELECT p->>'label' AS label, p->'prediction' IS NULL AS no_number,
	   round(((p->'probabilities'->>'low')::numeric + (p->'probabilities'->>'high')::numeric), 9) AS sum,
	   ((p->'probabilities'->>'low')::numeric > 0.5) = (p->>'label' = 'low') AS agree
FROM json_array_elements(:'body'::json) p;
-- GET /rpc/predict?model=...&input=...
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_get \g /dev/null
EXECUTE predict_get('rest line@production', '{"x":10,"kind":"even","level":"low"}') \gset
COMMIT;
SELECT round((:'body'::json->>'prediction')::numeric, 6) AS prediction;

-- errors keep their SQLSTATE, which PostgREST turns into a status
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest lime","input":{"x":10}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line@9","input":{"x":10}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":{"X":10}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":{"x":"ten","kind":"even","level":"low"}}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":10}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- another role on the same connection, which has the model in its cache
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:anon_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":{"x":10,"kind":"even","level":"low"}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE predict_post('{"model":"rest line","input":{"x":10,"kind":"even","level":"low"}}') \gset
COMMIT;
SELECT round((:'body'::json->>'prediction')::numeric, 6) AS prediction;

-- GET /models with filters, an order and a limit; then with a count; under each role
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_get \g /dev/null
EXECUTE models_get('regression', 'rest%', 3, 0);
COMMIT;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_get \g /dev/null
EXECUTE models_count('rest line', 'rest level', 'rest line', 'rest level') \gset
COMMIT;
SELECT :'total_result_set' AS total, m->>'name' AS name, m->>'target' AS target, m->>'algorithm' AS algorithm, m->>'owner' AS owner,
	   (m->'features'->0)->>'name' AS first_feature, m->'metrics' IS NOT NULL AS metrics
FROM json_array_elements(:'body'::json) m ORDER BY 2;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:anon_get \g /dev/null
EXECUTE models_get('regression', 'rest%', 3, 0);
EXECUTE models_count('rest line', 'rest level', 'rest line', 'rest level');
COMMIT;
SELECT current_user;

-- what PostgREST sends for functions that return rows, for a published one, and for those that write
PREPARE batch(json) AS
WITH pgrst_source AS (SELECT "pgrst_call"."key", "pgrst_call"."prediction" FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "rows", "key" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "rows" json, "key" text) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."predict_batch"("model" := pgrst_body."model", "rows" := pgrst_body."rows", "key" := pgrst_body."key") pgrst_call) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "record"."key" FROM "pgrst_source" AS "record" WHERE  "record"."prediction" > 50.0::float8  ORDER BY "record"."prediction" DESC  ) _postgrest_t;
PREPARE by_key(json) AS
WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "key" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "key" text) LIMIT 1) pgrst_body , LATERAL (SELECT "mlaas_api"."predict_by_key"("model" := pgrst_body."model", "key" := pgrst_body."key") pgrst_scalar) pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce(json_agg(_postgrest_t.pgrst_scalar)->0, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "predict_by_key".* FROM "pgrst_source" AS "predict_by_key"   ) _postgrest_t;
PREPARE deploy(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "version" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "version" integer) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."deploy"("model" := pgrst_body."model", "version" := pgrst_body."version") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "deploy".* FROM "pgrst_source" AS "deploy"   ) _postgrest_t;
PREPARE rollback_post(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model" FROM json_to_record(pgrst_payload.json_data) AS _("model" text) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."rollback"("model" := pgrst_body."model") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "rollback".* FROM "pgrst_source" AS "rollback"   ) _postgrest_t;
PREPARE compare(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "version", "other" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "version" integer, "other" integer) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."compare"("model" := pgrst_body."model", "version" := pgrst_body."version", "other" := pgrst_body."other") pgrst_call) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "record".* FROM "pgrst_source" AS "record" WHERE  "record"."metric" = 'r2'   ) _postgrest_t;
PREPARE evaluate(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "model", "source" FROM json_to_record(pgrst_payload.json_data) AS _("model" text, "source" text) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."evaluate"("model" := pgrst_body."model", "source" := pgrst_body."source") pgrst_call) SELECT null::bigint AS total_result_set, pg_catalog.count(_postgrest_t) AS page_total, coalesce(json_agg(_postgrest_t), '[]') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "record".* FROM "pgrst_source" AS "record" WHERE  "record"."metric" = 'r2'   ) _postgrest_t;

BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE batch('{"model":"rest line","key":"id","rows":[{"id":"a","x":10,"kind":"even","level":"low"},{"id":7,"x":30,"kind":"odd","level":"high"},{"x":40,"kind":"odd","level":"high"},null]}');
COMMIT;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:anon_post \g /dev/null
EXECUTE batch('{"model":"rest line","key":"id","rows":[]}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE batch('{"model":"rest line","key":"id","rows":{"x":10}}');
ROLLBACK;
-- the bounds of a request
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
SET LOCAL mlaas.max_request_rows = 2;
EXECUTE batch('{"model":"rest line","rows":[{"x":10,"kind":"even","level":"low"},{"x":30,"kind":"odd","level":"high"}]}');
EXECUTE batch('{"model":"rest line","rows":[{"x":10,"kind":"even","level":"low"},{"x":30,"kind":"odd","level":"high"},null]}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
SET LOCAL mlaas.max_request_size = '1kB';
SELECT format('{"model":"rest line","input":{"x":10,"kind":"even","level":"low","more":"%s"}}', repeat('x', 1000)) AS body \gset
EXECUTE predict_post(:'body');
ROLLBACK;

-- versions: trained, compared, deployed, rolled back; a READ ONLY transaction writes nothing
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest line","source":"rest_test.points","target":"y","algorithm":"baseline","validation":{"split":"none"},"wait":true}') \gset
COMMIT;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE compare('{"model":"rest line","version":1,"other":2}') \gset
SELECT round((:'body'::json->0->>'value')::numeric, 6) AS value, round((:'body'::json->0->>'other_value')::numeric, 6) AS other, round((:'body'::json->0->>'difference')::numeric, 6) AS difference;
EXECUTE compare('{"model":"rest line","version":1,"other":3}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE evaluate('{"model":"rest line@1","source":"rest_test.first_half"}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE evaluate('{"model":"rest line@1","source":"rest_test.points"}') \gset
COMMIT;
SELECT round((:'body'::json->0->>'value')::numeric, 6) AS r2;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:anon_post \g /dev/null
EXECUTE deploy('{"model":"rest line","version":2}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE deploy('{"model":"rest line","version":2}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE deploy('{"model":"rest line","version":3}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE deploy('{"model":"rest line","version":2}') \gset
SELECT :'body' AS body;
EXECUTE rollback_post('{"model":"rest line"}') \gset
SELECT :'body' AS body;
EXECUTE rollback_post('{"model":"rest line"}');
ROLLBACK;

-- a job: 202 with its address; nothing is left of one that is rolled back
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest job","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{"split":"none"}}') \gset
SELECT :'body'::json->>'state' AS state, :'body'::json->>'name' AS name, :'body'::json->>'version' IS NULL AS no_version, :'response_status' AS status,
	   :'response_headers' = format('[{"Location": "/jobs?job=eq.%s"}]', :'body'::json->>'job') AS address;
SELECT mlaas_api.cancel((:'body'::json->>'job')::bigint) AS cancelled;
SELECT state FROM mlaas_api.jobs WHERE job = (:'body'::json->>'job')::bigint;
ROLLBACK;
SELECT count(*) FROM mlaas_api.jobs WHERE name = 'rest job';
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest job","source":"rest_test.secret","target":"y"}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
SELECT mlaas_api.cancel(9000000000);
ROLLBACK;

-- by key: the table is read with the rights of the role
RESET SESSION AUTHORIZATION;
SET ROLE regress_mlaas_user;
SELECT ml_publish('rest line', source => 'rest_test.points', key => 'x');
SELECT ml_grant('rest line', 'regress_mlaas_anon', 'predict');
RESET ROLE;
SET SESSION AUTHORIZATION regress_mlaas_authenticator;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE by_key('{"model":"rest line","key":10}') \gset
SELECT round((:'body'::json->>'prediction')::numeric, 6) AS prediction;
EXECUTE by_key('{"model":"rest line","key":100}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
EXECUTE by_key('{"model":"rest line","key":"ten"}');
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:anon_post \g /dev/null
EXECUTE by_key('{"model":"rest line","key":10}');
ROLLBACK;

-- reading a request's text means what reading jsonb means, whatever is in it
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_post \g /dev/null
SELECT input, mlaas_api.predict('rest line', input::json)::jsonb = ml_predict_json('rest line', input::jsonb) AS same
FROM unnest(ARRAY['{"x":10,"kind":"even","level":"low"}', '{"level":"low","x":10,"kind":"even"}',
	' { "kind" : "odd" , "x" : -1.5e1 , "level" : null } ', '{"x":0.1,"kind":"even","level":"low","x2":[1,{"x":[2]},"}"]}',
	'{"x":1,"x":2,"kind":"even","level":"low"}', '{"x":true,"kind":"even","level":"low"}', '{"x":false,"kind":"even","level":"low"}',
	'{"x":12345678901234567890.123,"kind":"even","level":"low"}', '{"x":123456789012345678,"kind":"even","level":"low"}',
	'{"x":0.3,"kind":"even","level":"low"}', '{"x":1e22,"kind":"even","level":"low"}', '{"x":1e23,"kind":"even","level":"low"}', '{"x":3.3e-30,"kind":"even","level":"low"}',
	'{"x":4.9e-324,"kind":"even","level":"low"}', '{"x":0.000000000000000000000000000000000001234,"kind":"even","level":"low"}', '{"x":-0,"kind":"even","level":"low"}',
	'{"x":9007199254740993,"kind":"even","level":"low"}', '{"x":17976931348623157e292,"kind":"even","level":"low"}',
	'{"x":1,"kind":"\u0065ven","level":"low"}', '{"\u0078":1,"kind":"even","level":"low"}', '{"x":1,"kind":"e\"ven","level":"low","a\\":"\\\""}',
	'{"x":1,"kind":"","level":" "}', '[]', '[null]', '[{"x":1,"kind":"even","level":"low"},null,{"x":1,"kind":"\t","level":"low"}]']) AS input;
SELECT key, (prediction IS NULL) AS missing FROM mlaas_api.predict_batch('rest line', '[{"key":"a b","x":1,"kind":"even","level":"low"},{"x":2,"kind":"even","level":"low","key":1.50},{"x":2,"kind":"even","level":"low","key":"\u0041"},{"x":2,"kind":"even","level":"low","key":null},{"x":2,"kind":"even","level":"low","key":[1]},{"x":2,"kind":"even","level":"low"},null]', 'key');
SELECT key FROM mlaas_api.predict_batch('rest line', '[{"key":"a b","x":1,"kind":"even","level":"low"},{"x":2,"kind":"even","level":"low","key":1.50},{"x":2,"kind":"even","level":"low","key":null},{"x":2,"kind":"even","level":"low"}]', 'key');
SELECT key, round(prediction::numeric, 6) AS prediction FROM mlaas_api.predict_batch('rest line', '[{"x":1,"kind":"even","level":"low"}]', 'x');
SELECT count(*), count(DISTINCT key) AS keys, bool_and(round(prediction) = 2 * key::int + 1) AS same
FROM mlaas_api.predict_batch('rest line', (SELECT json_agg(json_build_object('x', i, 'kind', 'even', 'level', CASE WHEN i <= 20 THEN 'low' ELSE 'high' END)) FROM generate_series(1, 1000) i));
ROLLBACK;

RESET SESSION AUTHORIZATION;
DEALLOCATE ALL;
SELECT ml_unpublish('rest line');

-- GET / : what the description is made from
SELECT p.proname, p.provolatile, has_function_privilege('regress_mlaas_anon', p.oid, 'EXECUTE') AS anon,
	   length(obj_description(p.oid, 'pg_proc')) > 100 AS documented, pg_get_function_identity_arguments(p.oid) AS arguments
FROM pg_proc p WHERE p.pronamespace = 'mlaas_api'::regnamespace ORDER BY p.proname;
SELECT p.proname, t.typname, t.typtype FROM pg_proc p, unnest(p.proargtypes) a, pg_type t
WHERE p.pronamespace = 'mlaas_api'::regnamespace AND t.oid = a AND t.typtype <> 'b';
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'mlaas_api'::regnamespace AND col_description(c.oid, a.attnum) IS NULL;
-- the roles and the configuration: made as far as they are missing, and left as they are
CREATE ROLE regress_mlaas_there LOGIN INHERIT CONNECTION LIMIT 3;
ALTER ROLE regress_mlaas_there SET statement_timeout = '7s';
SELECT regexp_replace(ml_rest_setup('regress_mlaas "auth"', 'regress_mlaas_nobody', '{regress_mlaas_there}'), 'dbname=[^"]*', '...') AS conf;
SELECT ml_rest_setup('regress_mlaas "auth"', 'regress_mlaas_nobody', '{regress_mlaas_there}') = ml_rest_setup('regress_mlaas "auth"', 'regress_mlaas_nobody', '{regress_mlaas_there}') AS again;
SELECT rolname, rolcanlogin, rolinherit, rolconnlimit, rolconfig FROM pg_roles WHERE rolname ~ '^regress_mlaas (.*)|^regress_mlaas_(nobody|there)' ORDER BY rolname COLLATE "C";
SELECT r.rolname, count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = 'regress_mlaas "auth"') GROUP BY 1 ORDER BY r.rolname COLLATE "C";
SELECT ml_rest_setup('regress_mlaas_nobody');
SELECT ml_rest_setup('regress_mlaas "auth"', 'regress_mlaas "auth"');
\set VERBOSITY sqlstate
SELECT ml_rest_setup('regress_mlaas "auth"', (SELECT rolname FROM pg_roles WHERE oid = 10)) IS NULL;
\set VERBOSITY default
SELECT ml_rest_setup('regress_mlaas "auth"', roles => ARRAY[NULL]::text[]);
SET ROLE regress_mlaas_user;
\set VERBOSITY sqlstate
SELECT ml_rest_setup('regress_mlaas_another');
\set VERBOSITY default
RESET ROLE;
DROP ROLE "regress_mlaas ""auth""", regress_mlaas_nobody, regress_mlaas_there;

-- a role without the right to execute is refused
BEGIN;
REVOKE EXECUTE ON FUNCTION mlaas_api.train FROM PUBLIC;
SET LOCAL ROLE regress_mlaas_anon;
SELECT mlaas_api.train('rest refused', 'rest_test.points', 'y');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

SELECT ml_drop(name) FROM mlaas.models WHERE name LIKE 'rest %' ORDER BY name;
DROP SCHEMA rest_test CASCADE;
DROP ROLE regress_mlaas_authenticator, regress_mlaas_anon, regress_mlaas_user;
