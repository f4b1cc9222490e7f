-- What is said about models: descriptions, tags, names, copies, the status of versions, metrics, and search.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
SET client_min_messages = warning;
CREATE SCHEMA metadata_test;
SET search_path = metadata_test, public;
CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i AS y, 3.0 * i AS z FROM generate_series(1, 50) i;
GRANT USAGE ON SCHEMA metadata_test TO PUBLIC;
GRANT SELECT ON points TO PUBLIC;
CREATE FUNCTION error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE ROLE regress_metadata_owner;
CREATE ROLE regress_metadata_other;
SET ROLE regress_metadata_owner;
SELECT version FROM ml_train('meta', 'points', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT version FROM ml_train('meta', 'points', 'z', 'linear_regression', '{x}', validation => '{"split": "none"}');

-- 1. description and tags

SELECT description, tags, features FROM mlaas.models WHERE name = 'meta';
SELECT ml_set_description('meta', E'line "through"\n% points \\ {}');
SELECT description FROM mlaas.models WHERE name = 'meta';
SELECT ml_set_description('meta', E'line "through"\n% points \\ {}');
SELECT ml_set_description('meta', '');
SELECT description FROM mlaas.models WHERE name = 'meta';
SELECT ml_set_description('meta', 'Twice the number');
SELECT ml_tag('meta', 'lines', 'team b', 'lines') AS added;
SELECT ml_tag('meta', VARIADIC ARRAY['a, "b" {c}', 'Ärger']) AS added;
SELECT ml_tag('meta', 'lines') AS unchanged;
SELECT ml_untag('meta', 'Ärger', 'never there') AS left;
SELECT ml_tag('meta', VARIADIC '{}') AS none;
SELECT name FROM mlaas.models WHERE 'team b' = ANY (tags) AND description ILIKE '%number%';
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT ml_tag('meta', 'a', NULL)$$, $$SELECT ml_tag('meta', VARIADIC NULL)$$, $$SELECT ml_tag('meta', '')$$,
	$$SELECT ml_tag('meta', ' a')$$, $$SELECT ml_tag('meta', repeat('t', 64))$$, $$SELECT ml_tag('meta', E'a\nb')$$,
	$$SELECT ml_tag('meta', VARIADIC ARRAY(SELECT 'tag ' || i FROM generate_series(1, 98) i))$$,
	$$SELECT ml_tag('nobodys', 'a')$$, $$SELECT ml_tag(NULL, 'a')$$, $$SELECT ml_set_description('nobodys', 'a')$$]) command;
SELECT tags FROM mlaas.models WHERE name = 'meta';

-- 2. status

SELECT version, status FROM mlaas.versions WHERE name = 'meta' ORDER BY version;
SELECT * FROM ml_approve('meta', 2, 'looked at');
SELECT * FROM ml_approve('meta', 2, 'again: changes nothing');
SELECT * FROM ml_archive('meta', 2);
SELECT round(ml_predict('meta@2', '{"x": 10}'::jsonb)::numeric, 6) AS still_predicts;
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT * FROM ml_archive('meta', 1)$$, $$SELECT * FROM ml_archive('meta', 3)$$, $$SELECT * FROM ml_approve('meta', 0)$$,
	$$SELECT * FROM ml_approve('meta', NULL)$$, $$SELECT * FROM ml_approve('nobodys', 1)$$]) command;
SELECT * FROM ml_approve('meta', 2, 'after all');
SELECT version, status FROM mlaas.versions WHERE name = 'meta' ORDER BY version;

-- 3. copies

SELECT * FROM ml_copy('meta@2', 'meta copy');
SELECT name, version, status, parent, trained_by, target, lineage - '{of,dependencies}'::text[] AS lineage, lineage ? 'of' AS of_what,
	   row_digest = (SELECT row_digest FROM mlaas.versions WHERE name = 'meta' AND version = 2) AS same_rows
FROM mlaas.versions WHERE name = 'meta copy';
SELECT ml_model('meta copy@1')::text = ml_model('meta@2')::text AS same_model;
SELECT name, description, tags, deployed_version, latest_version, versions FROM mlaas.models ORDER BY name;
SELECT version FROM ml_deploy('meta copy', 1);
SELECT round(ml_predict('meta copy', '{"x": 10}'::jsonb)::numeric, 6);
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT ml_copy('meta', 'meta copy')$$, $$SELECT ml_copy('meta', 'meta')$$, $$SELECT ml_copy('meta@7', 'new')$$,
	$$SELECT ml_copy('meta', 'a@b')$$, $$SELECT ml_copy('meta', NULL)$$, $$SELECT ml_copy('nobodys', 'new')$$]) command;
-- the parent may go
SELECT ml_drop('meta', 2);
SELECT parent, parent_version_id IS NOT NULL AS id_kept FROM mlaas.versions WHERE name = 'meta copy';
SELECT version FROM ml_train('meta copy', 'points', 'z', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT latest_version, versions FROM mlaas.models WHERE name = 'meta copy';
SELECT ml_drop('meta copy', 2);
SELECT latest_version, versions FROM mlaas.models WHERE name = 'meta copy';

-- 4. names

SELECT id AS model_id FROM mlaas.versions WHERE name = 'meta' \gset
SELECT ml_copy('meta', 'child');
SELECT ml_rename('meta', 'It''s "renamed"');
SELECT round(ml_predict('It''s "renamed"', '{"x": 10}'::jsonb)::numeric, 6);
SELECT error_of($$SELECT ml_predict('meta', '{"x": 10}'::jsonb)$$);
SELECT parent FROM mlaas.versions WHERE name = 'child';
SELECT id = :'model_id' AS same_version, aliases FROM mlaas.versions WHERE name = 'It''s "renamed"';
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT ml_rename('child', 'meta copy')$$, $$SELECT ml_rename('child', 'child')$$, $$SELECT ml_rename('child', 'a@1')$$,
	$$SELECT ml_rename('meta', 'other')$$, $$SELECT ml_rename('child', NULL)$$]) command;
BEGIN;
SELECT ml_rename('child', 'passing');
SELECT name FROM mlaas.models WHERE name IN ('child', 'passing');
ROLLBACK;
SELECT name FROM mlaas.models WHERE name IN ('child', 'passing');
-- the old name is free
SELECT ml_rename('child', 'meta');
SELECT name, number, action, version, reason, detail FROM mlaas.history
WHERE at >= :'began' AND name = 'It''s "renamed"' ORDER BY number;
SELECT name, number, action, version, detail FROM mlaas.history WHERE at >= :'began' AND name = 'meta' ORDER BY number;

-- 5. metrics as rows

SELECT name, version, metric, round(value::numeric, 6) AS value, round(baseline::numeric, 1) AS baseline
FROM mlaas.metrics WHERE metric IN ('r2', 'rmse') ORDER BY name, version, metric;
SELECT bool_and(m.value = (v.metrics->>m.metric)::float8) AS same, count(*) > 3 AS several
FROM mlaas.metrics m JOIN mlaas.versions v USING (name, version);
-- the best model by a metric
SELECT name, version FROM mlaas.metrics WHERE metric = 'r2' ORDER BY value DESC, name, version LIMIT 1;

-- 6. in a read-only transaction nothing of it works

BEGIN READ ONLY;
SELECT error_of(command) FROM unnest(ARRAY[
	$$SELECT ml_tag('meta', 'a')$$, $$SELECT ml_rename('meta', 'b')$$, $$SELECT ml_copy('meta@1', 'b')$$,
	$$SELECT ml_approve('meta', 1)$$, $$SELECT ml_set_description('meta', 'a')$$,
	$$SELECT ml_set_owner('meta', 'regress_metadata_owner')$$, $$SELECT ml_grant('meta', 'public', 'predict')$$]) command;
ROLLBACK;

-- 7. owners

SELECT ml_set_owner('meta', 'regress_metadata_owner');
SELECT error_of($$SELECT ml_set_owner('meta', 'regress_metadata_other')$$);
SELECT error_of($$SELECT ml_set_owner('meta', 'regress_metadata_nobody')$$);
RESET ROLE;
GRANT regress_metadata_other TO regress_metadata_owner;
SET ROLE regress_metadata_owner;
SELECT ml_set_owner('meta', 'regress_metadata_other');
SELECT owner FROM mlaas.models WHERE name = 'meta';
SET ROLE regress_metadata_other;
SELECT name FROM mlaas.models;
-- whoever may manage a model may not give it away
SELECT ml_grant('meta', 'regress_metadata_owner', 'manage');
RESET ROLE;
REVOKE regress_metadata_other FROM regress_metadata_owner;
SET ROLE regress_metadata_owner;
SELECT ml_tag('meta', 'by a manager');
SELECT error_of($$SELECT ml_set_owner('meta', 'regress_metadata_owner')$$);
RESET ROLE;
SELECT ml_set_owner('meta', 'regress_metadata_owner');
SELECT number, action, who = current_user AS by_me, detail FROM mlaas.history
WHERE at >= :'began' AND name = 'meta' AND action IN ('owner', 'grant') ORDER BY number;

-- every function and every column of a view says what it is
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
WHERE p.pronamespace = 'mlaas'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a
WHERE a.attrelid IN ('mlaas.metrics'::regclass, 'mlaas.privileges'::regclass) AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) IS NULL;

SELECT sum(ml_drop(name)) FROM mlaas.models WHERE owner LIKE 'regress_metadata%';
DROP SCHEMA metadata_test CASCADE;
DROP ROLE regress_metadata_owner, regress_metadata_other;
