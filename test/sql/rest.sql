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
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "name", "source", "target", "algorithm", "validation" FROM json_to_record(pgrst_payload.json_data) AS _("name" text, "source" text, "target" text, "algorithm" text, "validation" jsonb) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."train"("name" := pgrst_body."name", "source" := pgrst_body."source", "target" := pgrst_body."target", "algorithm" := pgrst_body."algorithm", "validation" := pgrst_body."validation") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "train".* FROM "pgrst_source" AS "train"   ) _postgrest_t;

PREPARE train_features(json) AS
WITH pgrst_source AS (SELECT "pgrst_call".* FROM (SELECT $1 AS json_data) pgrst_payload, LATERAL (SELECT "name", "source", "target", "features", "params", "deploy" FROM json_to_record(pgrst_payload.json_data) AS _("name" text, "source" text, "target" text, "features" text[], "params" jsonb, "deploy" text) LIMIT 1) pgrst_body , LATERAL "mlaas_api"."train"("name" := pgrst_body."name", "source" := pgrst_body."source", "target" := pgrst_body."target", "features" := pgrst_body."features", "params" := pgrst_body."params", "deploy" := pgrst_body."deploy") pgrst_call) SELECT null::bigint AS total_result_set, 1 AS page_total, coalesce((json_agg(_postgrest_t)->0)::text, 'null') AS body, nullif(current_setting('response.headers', true), '') AS response_headers, nullif(current_setting('response.status', true), '') AS response_status, '' AS response_inserted FROM (SELECT "train".* FROM "pgrst_source" AS "train"   ) _postgrest_t;

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
EXECUTE train('{"name":"rest line","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{"split":"none"}}') \gset
COMMIT;
SELECT :'page_total' AS page_total, :'body'::json->>'name' AS name, :'body'::json->>'version' AS version, :'body'::json->>'task' AS task,
	   :'body'::json->>'algorithm' AS algorithm, :'body'::json->>'deployed' AS deployed, :'body'::json->>'n_train' AS n_train,
	   (:'body'::json->'metrics'->>'r2')::float8 > 0.999 AS good, (:'body'::json->>'seconds')::float8 > 0 AS took_time;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train_features('{"name":"rest level","source":"rest_test.points","target":"level","features":["x","kind"],"params":{"l2":1},"deploy":"always"}') \gset
COMMIT;
SELECT :'body'::json->>'name' AS name, :'body'::json->>'version' AS version, :'body'::json->>'task' AS task, :'body'::json->>'deployed' AS deployed;

-- the source is a relation, found by the search_path of the request and read with the rights of its role
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_other \g /dev/null
EXECUTE train('{"name":"rest view","source":"first_half","target":"y","algorithm":"linear_regression","validation":{"split":"none"}}') \gset
SELECT :'body'::json->>'n_train' AS n_train;
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest view","source":"first_half","target":"y","algorithm":"linear_regression","validation":{}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest sql","source":"SELECT x, y FROM rest_test.points","target":"y","algorithm":"linear_regression","validation":{}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest sql","source":"rest_test.points; DROP TABLE rest_test.points","target":"y","algorithm":"linear_regression","validation":{}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:user_post \g /dev/null
EXECUTE train('{"name":"rest secret","source":"rest_test.secret","target":"y","algorithm":"linear_regression","validation":{}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
:anon_post \g /dev/null
EXECUTE train('{"name":"rest anon","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
:user_get \g /dev/null
EXECUTE train('{"name":"rest line","source":"rest_test.points","target":"y","algorithm":"linear_regression","validation":{}}');
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

RESET SESSION AUTHORIZATION;
DEALLOCATE ALL;

-- GET / : what the description is made from
SELECT p.proname, p.provolatile, has_function_privilege('regress_mlaas_anon', p.oid, 'EXECUTE') AS anon,
	   length(obj_description(p.oid, 'pg_proc')) > 100 AS documented, pg_get_function_identity_arguments(p.oid) AS arguments
FROM pg_proc p WHERE p.pronamespace = 'mlaas_api'::regnamespace ORDER BY p.proname;
SELECT p.proname, t.typname, t.typtype FROM pg_proc p, unnest(p.proargtypes) a, pg_type t
WHERE p.pronamespace = 'mlaas_api'::regnamespace AND t.oid = a AND t.typtype <> 'b';
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'mlaas_api'::regnamespace AND col_description(c.oid, a.attnum) IS NULL;
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
