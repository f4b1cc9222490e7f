-- A function of mlaas_api for a deployed model: what it looks like, who may call it, and how it follows
-- deployments, renamings and drops.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
SET client_min_messages = error;
CREATE SCHEMA publish_test;
SET search_path = publish_test, public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE points AS
SELECT i AS id, i::float8 AS x, CASE WHEN i % 5 > 0 THEN i % 3 END AS z, (ARRAY['a','b','c'])[1 + i % 3]::varchar(10) AS "Plan ""X""",
	   (ARRAY['sad','ok','happy'])[1 + i % 3]::mood AS mood, ARRAY[i, i % 2]::float8[] AS v, date '2020-01-01' + i AS day,
	   2.0 * i + 1 AS y, CASE WHEN i <= 100 THEN 'low' ELSE 'high' END AS level, i % 4 AS label, 1 AS same
FROM generate_series(1, 200) i;

CREATE ROLE regress_publish_owner NOLOGIN;
CREATE ROLE regress_publish_user NOLOGIN;
CREATE ROLE regress_publish_other NOLOGIN;
GRANT USAGE ON SCHEMA publish_test TO regress_publish_owner, regress_publish_user, regress_publish_other;
GRANT SELECT ON points TO regress_publish_owner;

SET ROLE regress_publish_owner;
SELECT version FROM ml_train('it''s "one"', 'points', 'level', 'logistic_regression', features => '{x,z,"Plan \"X\"",mood,v,day,same}', validation => '{"split": "none"}');
SELECT version FROM ml_train('number', 'points', 'y', 'linear_regression', features => '{x}', validation => '{"split": "none"}');

-- types as trained, the features with a meaning for a missing value last; other types as text
SELECT ml_publish('it''s "one"', 'classify "it"');
SELECT ml_publish('number');
SELECT pg_get_function_result(oid) AS result, provolatile, proparallel, prosecdef, proowner = (SELECT relowner FROM pg_class WHERE oid = 'mlaas.published'::regclass) AS owner,
	   obj_description(oid) AS comment
FROM pg_proc WHERE proname IN ('classify "it"', 'number') AND pronamespace = 'mlaas_api'::regnamespace ORDER BY proname;
SELECT p.label, p.probability > 0.5 AS sure
FROM points, mlaas_api."classify ""it"""(x => points.x, z => points.z, "Plan ""X""" => points."Plan ""X""", mood => points.mood::text, v => points.v, day => points.day) p
WHERE id IN (3, 197) ORDER BY id;
SELECT count(*) FILTER (WHERE p.label = ml_predict_label('it''s "one"', t) AND p.probability = ml_probability('it''s "one"', p.label, t)) AS same
FROM points t, ml_predict_row('it''s "one"', t) p;
SELECT round(prediction) AS prediction FROM mlaas_api.number(x => 10);
SELECT round(prediction) AS prediction FROM mlaas_api.number(10);
SELECT mlaas_api.number();
-- the body is inlined
EXPLAIN (COSTS OFF) SELECT * FROM (SELECT x FROM points WHERE id = 1) t, LATERAL mlaas_api.number(t.x);

-- ml_predict_row: rows, objects, arrays, NULLs
SELECT round(prediction) AS prediction, label, probability FROM ml_predict_row('number', '{"x": 10}'::jsonb);
SELECT round(prediction) AS prediction FROM ml_predict_row('number', '{"x": 10}'::json);
SELECT round(prediction) AS prediction FROM ml_predict_row('number', ARRAY[10]);
SELECT * FROM ml_predict_row('number', NULL::jsonb);
SELECT * FROM ml_predict_row('nomber', '{"x": 10}'::jsonb);

-- names that are taken, or that are none
SELECT ml_publish('number', 'predict');
SELECT ml_publish('it''s "one"', 'number');
SELECT ml_publish('number', '');
SELECT ml_publish('numbr');
SELECT ml_publish(NULL);
SELECT version FROM ml_train('idle', 'points', 'y', 'linear_regression', features => '{x}', deploy => 'never');
SELECT ml_publish('idle');

-- others: calling takes the privilege, publishing more
SET ROLE regress_publish_other;
SELECT * FROM mlaas_api.number(x => 10);
SELECT ml_publish('number');
SELECT ml_unpublish('number');
SET ROLE regress_publish_owner;
SELECT ml_grant('number', 'regress_publish_user', 'predict');
SET ROLE regress_publish_user;
SELECT round(prediction) AS prediction FROM mlaas_api.number(x => 10);
SELECT ml_publish('number');

-- a deploy of other features renews it in the same transaction, and keeps its rights
RESET ROLE;
REVOKE EXECUTE ON FUNCTION mlaas_api.number FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mlaas_api.number TO regress_publish_user, regress_publish_owner;
SET ROLE regress_publish_owner;
SELECT version FROM ml_train('number', 'points', 'y', 'linear_regression', features => '{x,label}', validation => '{"split": "none"}');
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
BEGIN;
SELECT version FROM ml_deploy('number', 2);
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
SELECT round(prediction) AS prediction FROM mlaas_api.number(x => 10, label => 2);
ROLLBACK;
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
SELECT version FROM ml_deploy('number', 2);
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
SELECT has_function_privilege('regress_publish_user', 'mlaas_api.number'::regproc, 'EXECUTE') AS usr,
	   has_function_privilege('regress_publish_other', 'mlaas_api.number'::regproc, 'EXECUTE') AS other;
SELECT version FROM ml_rollback('number');
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
-- another alias leaves it as it is
SELECT version FROM ml_deploy('number', 2, 'canary');
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);
-- a training that deploys
SELECT version, deployed FROM ml_train('number', 'points', 'y', 'linear_regression', features => '{z}', validation => '{"split": "none"}', deploy => 'always');
SELECT pg_get_function_arguments('mlaas_api.number'::regproc);

-- what depends on the function keeps it, and the deploy fails
RESET ROLE;
CREATE VIEW dependent AS SELECT * FROM mlaas_api.number(z => 1);
SET ROLE regress_publish_owner;
\set VERBOSITY terse
SELECT version FROM ml_deploy('number', 1);
\set VERBOSITY default
RESET ROLE;
DROP VIEW dependent;
SET ROLE regress_publish_owner;

-- outputs that features share the names of
SELECT version FROM ml_train('clash', 'SELECT x, level, label, y AS predicted_label FROM points', 'level', features => '{x,label,predicted_label}', validation => '{"split": "none"}');
SELECT ml_publish('clash');
SELECT pg_get_function_result('mlaas_api.clash'::regproc);
SELECT predicted_predicted_label FROM mlaas_api.clash(x => 1, label => 1, predicted_label => 3);

-- more features than a function may have arguments
RESET ROLE;
DO $$BEGIN EXECUTE format('CREATE TABLE wide AS SELECT i AS y, %s FROM generate_series(1, 300) i',
	(SELECT string_agg(format('(i * %s %% 103)::float8 AS f%s', k, k), ', ') FROM generate_series(1, 101) k)); END$$;
GRANT SELECT ON wide TO regress_publish_owner;
SET ROLE regress_publish_owner;
SELECT version FROM ml_train('wide', 'wide', 'y', 'linear_regression', params => '{"l2": 1}', validation => '{"split": "none"}');
SELECT ml_publish('wide');
SELECT count(*) FILTER (WHERE prediction = ml_predict('wide', to_jsonb(w))) AS same FROM wide w, mlaas_api.wide(to_json(w));

-- by key
RESET ROLE;
CREATE TABLE people AS SELECT i AS "Key", i::float8 AS x, i AS z FROM generate_series(1, 10) i;
INSERT INTO people VALUES (7, 8, 9);
CREATE VIEW twice AS SELECT "Key" * 2 AS "Key", x, z FROM people;
GRANT SELECT ON people TO regress_publish_owner, regress_publish_user;
GRANT SELECT ON twice TO regress_publish_owner, regress_publish_user;
SET ROLE regress_publish_owner;
SELECT version FROM ml_deploy('number', 1);
SELECT mlaas_api.predict_by_key('number', '3');
SELECT ml_publish('number', source => 'people');
SELECT ml_publish('number', source => 'people', key => 'Kez');
SELECT ml_publish('number', source => 'SELECT * FROM people', key => 'Key');
SELECT ml_publish('it''s "one"', source => 'people', key => 'Key');
SELECT ml_publish('number', source => 'people', key => 'Key');
SELECT round((mlaas_api.predict_by_key('number', '3')->>'prediction')::numeric, 6) AS prediction;
SELECT mlaas_api.predict_by_key('number', '11');
SELECT mlaas_api.predict_by_key('number', '7');
SELECT mlaas_api.predict_by_key('number', 'x');
-- routes choose by the columns of the row
SELECT ml_route('number', 'production', 2, condition => 'z > 4') IS NOT NULL AS routed;
RESET ROLE;
ALTER TABLE people ADD label int DEFAULT 1;
SET ROLE regress_publish_owner;
SELECT k, round((p->>'prediction')::numeric, 6) AS prediction, p->>'version' AS version FROM unnest('{3,5}'::text[]) k, mlaas_api.predict_by_key('number', k) p;
SELECT ml_unroute('number') IS NOT NULL AS unrouted;
RESET ROLE;
ALTER TABLE people DROP label;
SET ROLE regress_publish_owner;
-- another source, the same session; another version; the rights and the row security of the caller
SELECT ml_publish('number', source => 'twice', key => 'Key');
SELECT round((mlaas_api.predict_by_key('number', '6')->>'prediction')::numeric, 6) AS prediction;
SELECT ml_publish('number', source => 'people', key => 'Key');
SELECT round((mlaas_api.predict_by_key('number@1', '3')->>'prediction')::numeric, 6) AS prediction;
SELECT mlaas_api.predict_by_key('number@2', '3');
SET ROLE regress_publish_user;
SELECT round((mlaas_api.predict_by_key('number', '3')->>'prediction')::numeric, 6) AS prediction;
RESET ROLE;
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON people USING ("Key" > 5 OR current_user = 'regress_publish_owner');
SET ROLE regress_publish_user;
SELECT mlaas_api.predict_by_key('number', '3');
SELECT round((mlaas_api.predict_by_key('number', '8')->>'prediction')::numeric, 6) AS prediction;
SET ROLE regress_publish_owner;
SELECT round((mlaas_api.predict_by_key('number', '3')->>'prediction')::numeric, 6) AS prediction;
RESET ROLE;
REVOKE SELECT ON people FROM regress_publish_user;
SET ROLE regress_publish_user;
SELECT mlaas_api.predict_by_key('number', '8');
-- the source changes: the plan follows, and a deploy of what it lacks warns
RESET ROLE;
DROP VIEW twice;
ALTER TABLE people ALTER x TYPE int USING x::int * 2;
SET ROLE regress_publish_owner;
SELECT round((mlaas_api.predict_by_key('number', '3')->>'prediction')::numeric, 6) AS prediction;
SET client_min_messages = warning;
SELECT version FROM ml_deploy('number', 2);
SET client_min_messages = error;
SELECT mlaas_api.predict_by_key('number', '3');
RESET ROLE;
DROP TABLE people CASCADE;
SET ROLE regress_publish_owner;
SELECT mlaas_api.predict_by_key('number', '3');

-- what the views tell
SELECT name, function, key FROM mlaas_api.models ORDER BY name;
SELECT action, alias FROM mlaas.history WHERE at >= :'began' AND name = 'number' AND action LIKE '%publish' ORDER BY number LIMIT 2;

-- under another name, no longer, and with the model
SELECT ml_publish('number', 'renamed');
SELECT proname FROM pg_proc WHERE proname IN ('number', 'renamed') AND pronamespace = 'mlaas_api'::regnamespace;
SELECT ml_rename('number', 'number 2');
SELECT round(prediction) IS NOT NULL AS predicts FROM mlaas_api.renamed(x => 10, label => 1);
SELECT name, function FROM mlaas_api.models WHERE name LIKE 'number%';
SELECT ml_rename('number 2', 'number');
SELECT ml_unpublish('number');
SELECT ml_unpublish('number');
SELECT ml_drop('clash');
SELECT proname FROM pg_proc WHERE proname IN ('number', 'renamed', 'clash') AND pronamespace = 'mlaas_api'::regnamespace;

RESET ROLE;
SELECT ml_drop(name) > 0 AS dropped FROM mlaas.models WHERE owner = 'regress_publish_owner';
SELECT count(*) FROM mlaas.published;
SELECT p.proname FROM pg_proc p WHERE pronamespace = 'mlaas_api'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e');
DROP SCHEMA publish_test CASCADE;
DROP ROLE regress_publish_owner, regress_publish_user, regress_publish_other;
