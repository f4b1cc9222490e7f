-- The registry: versions, aliases, rollback, dropping, names, rights, transactions, the cache.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
SET client_min_messages = warning;
CREATE SCHEMA registry_test;
SET search_path = registry_test, public;

-- y1 = x, y2 = 2x, ..., so that a prediction for x = 10 tells which version made it
CREATE TABLE points AS
SELECT i::float8 AS x, i::float8 AS y1, 2.0 * i AS y2, 3.0 * i AS y3, 4.0 * i AS y4
FROM generate_series(1, 50) i;
GRANT SELECT ON points TO PUBLIC;

-- not a superuser, who would see the models of everybody in hints and views
CREATE ROLE regress_mlaas_owner IN ROLE pg_read_all_stats;
GRANT USAGE ON SCHEMA registry_test TO PUBLIC;
GRANT CREATE ON SCHEMA registry_test TO regress_mlaas_owner;
SET ROLE regress_mlaas_owner;

CREATE FUNCTION learn(name text, target text, deploy text DEFAULT 'first')
RETURNS TABLE (version int, deployed boolean)
LANGUAGE sql AS $$
	SELECT version, deployed
	FROM ml_train(name, 'registry_test.points', target, 'linear_regression',
				  features => '{x}', validation => '{"split": "none"}', deploy => deploy)
$$;
CREATE FUNCTION at_ten(model text) RETURNS numeric
LANGUAGE sql STABLE AS $$ SELECT round(ml_predict(model, '{"x": 10}'::jsonb)::numeric, 6) $$;

-- 1. versions and aliases

SELECT * FROM learn('line', 'y1');
SELECT * FROM learn('line', 'y2');
SELECT * FROM learn('line', 'y3', deploy => 'never');
SELECT at_ten('line'), at_ten('line@1'), at_ten('line@2'), at_ten('line@3'), at_ten('line@production');
SELECT name, alias, version, previous_version FROM ml_deploy('line', 3, reason => 'steeper');
SELECT name, alias, version, previous_version FROM ml_deploy('line', 2, 'staging');
SELECT at_ten('line'), at_ten('line@staging');
-- where it points already: nothing moves, nothing is written
SELECT name, alias, version, previous_version FROM ml_deploy('line', 3);
SELECT alias, version, deployed_at IS NOT NULL AS at FROM mlaas.aliases WHERE name = 'line' ORDER BY alias;
SELECT version, aliases, task, target, algorithm, n_train, n_test, n_skipped, source,
	   trained_by = current_user AS by_me, row_digest ~ '^[0-9a-f]{32}$' AS digest, wal_lsn > '0/0' AS lsn,
	   bytes > 0 AS bytes, software_version ~ '^mlaas [0-9.]+, PostgreSQL [0-9]+' AS software,
	   created_at <= clock_timestamp() AS created
FROM mlaas.versions WHERE name = 'line' ORDER BY version;
-- the snapshot recorded did not see the transaction that stores the version, but those before
BEGIN;
SELECT version FROM learn('line', 'y1', 'never');
SELECT pg_visible_in_snapshot(pg_current_xact_id(), snapshot) AS saw_itself,
	   pg_snapshot_xmax(snapshot) <= pg_snapshot_xmax(pg_current_snapshot()) AS not_later
FROM mlaas.versions WHERE name = 'line' AND version = 4;
ROLLBACK;
SELECT name, owner = current_user AS mine, task, target, algorithm, deployed_version, latest_version, versions,
	   (metrics->>'r2')::float8 > 0.999 AS good
FROM mlaas.models WHERE name = 'line';

-- 2. rollback walks back

SELECT name, alias, version, previous_version FROM ml_deploy('line', 1);
SELECT version, previous_version FROM ml_rollback('line');
SELECT at_ten('line');
SELECT version, previous_version FROM ml_rollback('line');
SELECT at_ten('line');
SELECT * FROM ml_rollback('line');
-- a deployment after a rollback: what was rolled back is forgotten
SELECT version, previous_version FROM ml_deploy('line', 2);
SELECT version, previous_version FROM ml_rollback('line');
SELECT * FROM ml_rollback('line');
SELECT * FROM ml_rollback('line', 'staging');
SELECT * FROM ml_rollback('line', 'never_there');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_rollback('line', 'stagin');
SELECT number, action, alias, version, from_version, reason, who = current_user AS me
FROM mlaas.history WHERE at >= :'began' AND name = 'line' ORDER BY number;
-- a deployment that moved nothing left no gap
SELECT max(number) = count(*) AS no_gap FROM mlaas.history WHERE at >= :'began' AND name = 'line';
-- versions dropped since are passed over
SELECT deployed FROM learn('line', 'y4', 'always');
SELECT version, previous_version FROM ml_deploy('line', 3);
SELECT ml_drop('line', 4);
SELECT version, previous_version FROM ml_rollback('line');
SELECT at_ten('line');

-- 3. dropping

SELECT ml_drop('line', 2);
SELECT ml_drop('line', 4);
SELECT ml_drop('line', 3);
-- numbers are not used twice
SELECT version FROM learn('line', 'y3');
SELECT ml_drop('line');
SELECT count(*) FROM mlaas.models WHERE name = 'line';
SELECT count(*) FROM mlaas.versions WHERE name = 'line';
SELECT count(*) FROM mlaas.aliases WHERE name = 'line';
RESET ROLE;
SELECT count(*) FROM mlaas.version v WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = v.model_id);
SELECT count(*) FROM mlaas.alias a WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = a.model_id);
SET ROLE regress_mlaas_owner;
SELECT ml_drop('line');
\echo :LAST_ERROR_SQLSTATE
-- its history stays, and a model of the same name has one of its own
SELECT version, deployed FROM learn('line', 'y1');
SELECT count(DISTINCT model_id) AS models, bool_or(action = 'drop' AND version IS NULL) AS dropped
FROM mlaas.history WHERE at >= :'began' AND name = 'line';

-- 4. what does not exist

SELECT at_ten('lime');
\echo :LAST_ERROR_SQLSTATE
SELECT at_ten('');
SELECT at_ten('line@2');
\echo :LAST_ERROR_SQLSTATE
SELECT at_ten('line@99999999999999999999');
SELECT at_ten('line@0');
SELECT at_ten('line@prodution');
\echo :LAST_ERROR_SQLSTATE
SELECT at_ten('line@');
\echo :LAST_ERROR_SQLSTATE
SELECT at_ten('line@1@2');
SELECT at_ten(repeat('x', 64));
SELECT at_ten(repeat('x', 64) || '@1');
SELECT at_ten('{"mlaas_model": 1}');
SELECT version FROM learn('undeployed', 'y1', 'never');
SELECT at_ten('undeployed');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_rollback('undeployed');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_deploy('lime', 1);
SELECT * FROM ml_deploy('line', 2);
SELECT * FROM ml_deploy('line', 1, '12');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_deploy('line', 1, 'a@b');
SELECT * FROM ml_deploy('line', 1, E'a\nb');
SELECT * FROM ml_deploy('line', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_deploy(NULL, 1);
SELECT * FROM ml_deploy('line', 1, NULL);
SELECT * FROM ml_rollback(NULL);
SELECT ml_drop(NULL);
SELECT ml_drop('line', NULL);
SELECT ml_drop('line', 7);

-- 5. names

SELECT * FROM learn('a@b', 'y1');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM learn('', 'y1');
SELECT * FROM learn(' line', 'y1');
SELECT * FROM learn(E'line\n', 'y1');
SELECT * FROM learn(repeat('n', 64), 'y1');
SELECT * FROM learn(repeat('n', 63), 'y1');
SELECT at_ten(repeat('n', 63)), at_ten(repeat('n', 63) || '@production');
SELECT * FROM learn('It''s a "Model"; DROP TABLE points --', 'y2');
SELECT * FROM learn('Line', 'y2');
SELECT * FROM learn('42', 'y3');
SELECT at_ten('It''s a "Model"; DROP TABLE points --'), at_ten('Line'), at_ten('line'), at_ten('42'), at_ten('42@1');
SELECT version FROM ml_deploy('42', 1, 'A "quoted" alias');
SELECT at_ten('42@A "quoted" alias');
SELECT ml_drop(name) FROM mlaas.models WHERE name IN (repeat('n', 63), 'Line', '42') OR name LIKE 'It''s%';

-- 6. a model as a value

SELECT pg_typeof(ml_model('line')), ml_model('line') IS NULL AS missing;
SELECT round(ml_predict(ml_model('line'), '{"x": 10}'::jsonb)::numeric, 6) AS by_literal,
	   round(ml_predict(ml_model('line'::text), '{"x": 10}'::jsonb)::numeric, 6) AS by_text,
	   round(ml_predict(ml_model(name || '@1'), '{"x": 10}'::jsonb)::numeric, 6) AS by_expression
FROM mlaas.models WHERE name = 'line';
SELECT ml_model('lime');
SELECT ml_model(NULL::text) IS NULL AS strict;
-- a view keeps the name, not the model
CREATE VIEW valued AS SELECT ml_model('line') AS model;
SELECT pg_get_viewdef('valued');
SELECT deployed FROM learn('line', 'y2', 'always');
SELECT round(ml_predict(model, '{"x": 10}'::jsonb)::numeric, 6) FROM valued;
-- a value kept in a table does not move
CREATE TABLE kept AS SELECT ml_model('line@1') AS model;
SELECT ml_drop('line', 1);
SELECT round(ml_predict(model, '{"x": 10}'::jsonb)::numeric, 6) FROM kept;

-- 7. transactions

BEGIN;
SELECT * FROM learn('passing', 'y1');
SELECT at_ten('passing');
SELECT version FROM learn('line', 'y3', 'always');
SELECT at_ten('line');
ROLLBACK;
SELECT at_ten('passing');
SELECT at_ten('line');
SELECT count(*) FROM mlaas.history WHERE at >= :'began' AND name = 'passing';
BEGIN;
SELECT version FROM learn('line', 'y3');
SAVEPOINT a;
SELECT version, previous_version FROM ml_deploy('line', 3);
SELECT at_ten('line');
SAVEPOINT b;
SELECT version FROM learn('line', 'y4', 'always');
SELECT at_ten('line'), at_ten('line@4');
ROLLBACK TO b;
SELECT at_ten('line');
SELECT at_ten('line@4');
ROLLBACK TO a;
SELECT at_ten('line'), at_ten('line@3');
SELECT version, deployed FROM learn('line', 'y4', 'always');
SELECT at_ten('line');
COMMIT;
SELECT at_ten('line'), at_ten('line@3'), at_ten('line@4');
-- a prepared statement follows deployments
PREPARE ten AS SELECT round(ml_predict('line', '{"x": 10}'::jsonb)::numeric, 6);
EXECUTE ten;
SELECT version FROM ml_deploy('line', 3);
EXECUTE ten;
SELECT version FROM ml_rollback('line');
EXECUTE ten;
-- so does a loop, statement by statement
DO $$
DECLARE
	seen text := '';
BEGIN
	FOR v IN 2..4 LOOP
		PERFORM ml_deploy('line', v);
		seen := seen || ' ' || round(ml_predict('line', '{"x": 10}'::jsonb)::numeric);
	END LOOP;
	RAISE WARNING 'seen:%', seen;
END $$;
-- and an error in between takes back what was done
DO $$
BEGIN
	BEGIN
		PERFORM ml_deploy('line', 2);
		PERFORM ml_deploy('line', 99);
	EXCEPTION WHEN undefined_object THEN
		RAISE WARNING 'version in force: %', (SELECT deployed_version FROM mlaas.models WHERE name = 'line');
	END;
END $$;
-- one statement sees one version, whatever it calls
SELECT at_ten('line') AS before, d.version, at_ten('line') AS same_statement FROM ml_deploy('line', 2) d;
SELECT at_ten('line');
-- reading needs no more than a read-only transaction, writing does, and says so before any work
BEGIN READ ONLY;
SELECT at_ten('line');
SAVEPOINT a;
SELECT version FROM ml_deploy('line', 3);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO a;
SELECT version FROM ml_rollback('line');
ROLLBACK TO a;
SELECT ml_drop('line');
ROLLBACK TO a;
SELECT version FROM ml_train('line', 'registry_test.no_such_table', 'y1');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
-- the caller's role and settings are what they were
SELECT current_user, current_setting('search_path');

-- 8. the cache: bounded, and no answer depends on it

SELECT version FROM learn('second', 'y4');
SET mlaas.model_cache = 0;
SELECT at_ten('line'), at_ten('second'), at_ten('line@3'), at_ten('line');
SELECT count(*) FROM pg_backend_memory_contexts WHERE ident = 'mlaas model';
SET mlaas.model_cache = '8MB';
SELECT at_ten('line'), at_ten('second'), at_ten('line@3'), at_ten('line');
SELECT count(*) FROM pg_backend_memory_contexts WHERE ident = 'mlaas model';
-- many models in one statement, more than a small cache holds
SELECT n, version FROM generate_series(1, 40) n, LATERAL learn('many ' || n, 'y' || n % 4 + 1) WHERE version <> 1;
SET mlaas.model_cache = '64kB';
SELECT count(*), bool_and(at_ten('many ' || n) = 10 * (n % 4 + 1)) AS right FROM generate_series(1, 40) n, generate_series(1, 2);
SELECT sum(total_bytes) <= 64 * 1024 AS within FROM pg_backend_memory_contexts WHERE ident = 'mlaas model';
SELECT sum(ml_drop('many ' || n)) FROM generate_series(1, 40) n;
RESET mlaas.model_cache;
SELECT ml_drop('second');

-- 9. rights

RESET ROLE;
CREATE ROLE regress_mlaas_alice;
CREATE ROLE regress_mlaas_bob;
SELECT has_table_privilege('regress_mlaas_bob', 'mlaas.' || t, 'SELECT') AS r, has_table_privilege('regress_mlaas_bob', 'mlaas.' || t, 'INSERT, UPDATE, DELETE, TRUNCATE') AS w
FROM unnest('{model,version,alias,event}'::text[]) t;
SELECT has_table_privilege('regress_mlaas_bob', 'mlaas.' || v, 'SELECT') AS r, has_table_privilege('regress_mlaas_bob', 'mlaas.' || v, 'INSERT, UPDATE, DELETE, TRUNCATE') AS w
FROM unnest('{models,versions,aliases,history}'::text[]) v;

SET ROLE regress_mlaas_alice;
SELECT * FROM learn('alices', 'y1');
SELECT version, deployed FROM learn('alices', 'y2', 'always');
SELECT at_ten('alices');
SELECT name, owner FROM mlaas.models;
-- in the same session, with the model in the cache
SET ROLE regress_mlaas_bob;
SELECT at_ten('alices');
\echo :LAST_ERROR_SQLSTATE
SELECT at_ten('alices@1');
SELECT ml_model('alices');
SELECT ml_describe('alices');
SELECT * FROM ml_evaluate('alices', 'registry_test.points');
SELECT * FROM ml_deploy('alices', 1);
SELECT * FROM ml_rollback('alices');
SELECT ml_drop('alices');
SELECT ml_drop('alices', 1);
SELECT * FROM learn('alices', 'y3');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM mlaas.models;
SELECT count(*) FROM mlaas.versions;
SELECT count(*) FROM mlaas.aliases;
SELECT count(*) FROM mlaas.history WHERE at >= :'began';
SELECT count(*) FROM mlaas.model;
\echo :LAST_ERROR_SQLSTATE
-- hints name what the role may use
SELECT at_ten('alice');
SELECT * FROM learn('bobs', 'y3');
SELECT at_ten('alice'), 1;
SELECT at_ten('bob');
SELECT name FROM mlaas.models;
-- a member of the owner may
RESET ROLE;
GRANT regress_mlaas_alice TO regress_mlaas_bob;
SET ROLE regress_mlaas_bob;
SELECT at_ten('alices'), at_ten('bobs');
SELECT name FROM mlaas.models ORDER BY name;
SELECT version, deployed FROM learn('alices', 'y3');
SELECT name, version, trained_by FROM mlaas.versions ORDER BY name, version;
RESET ROLE;
REVOKE regress_mlaas_alice FROM regress_mlaas_bob;
SET ROLE regress_mlaas_bob;
SELECT at_ten('alices');
-- a statement in which the role changes gets no further
SET ROLE regress_mlaas_owner;
CREATE FUNCTION as_bob(model text) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('role', 'regress_mlaas_bob', true);
	RETURN registry_test.at_ten(model);
END $$;
RESET ROLE;
BEGIN;
SELECT at_ten('alices'), as_bob('bobs');
ROLLBACK;
BEGIN;
SELECT at_ten('alices'), as_bob('alices');
ROLLBACK;
-- a function of the owner's may lend a model
GRANT CREATE ON SCHEMA registry_test TO regress_mlaas_alice;
SET ROLE regress_mlaas_alice;
CREATE FUNCTION lent(x float8) RETURNS float8 LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$ SELECT ml_predict('alices', jsonb_build_object('x', x)) $$;
SET ROLE regress_mlaas_bob;
SELECT round(lent(10)::numeric, 6);
SELECT at_ten('alices');

-- 10. nothing of the caller's runs with the owner's rights

RESET ROLE;
CREATE SCHEMA registry_evil AUTHORIZATION regress_mlaas_bob;
CREATE TABLE seen_roles (who text);
GRANT INSERT ON seen_roles TO PUBLIC;
SET ROLE regress_mlaas_bob;
CREATE FUNCTION registry_evil.text_eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO registry_test.seen_roles VALUES (current_user);
	RETURN true;
END $$;
CREATE FUNCTION registry_evil.uuid_eq(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO registry_test.seen_roles VALUES (current_user);
	RETURN true;
END $$;
CREATE FUNCTION registry_evil.int_pl(int, int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO registry_test.seen_roles VALUES (current_user);
	RETURN 77;
END $$;
CREATE FUNCTION registry_evil.format(text, text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO registry_test.seen_roles VALUES (current_user);
	RETURN 'x';
END $$;
CREATE OPERATOR registry_evil.= (FUNCTION = registry_evil.text_eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR registry_evil.= (FUNCTION = registry_evil.uuid_eq, LEFTARG = uuid, RIGHTARG = uuid);
CREATE OPERATOR registry_evil.+ (FUNCTION = registry_evil.int_pl, LEFTARG = int, RIGHTARG = int);
SET search_path = registry_evil, pg_catalog, public;
SELECT version, deployed FROM ml_train('bobs', 'registry_test.points', 'y4', 'linear_regression', '{x}', validation => '{"split": "none"}');
SELECT version, previous_version FROM ml_deploy('bobs', 2);
SELECT version, previous_version FROM ml_rollback('bobs');
SELECT ml_drop('bobs', 1);
SELECT ml_drop('bobs', 2);
SELECT name, owner, deployed_version, latest_version FROM mlaas.models;
SELECT ml_drop('bobs');
RESET ROLE;
SET search_path = registry_test, public;
SELECT DISTINCT who FROM seen_roles WHERE who <> 'regress_mlaas_bob';

-- 11. dumped with the database

SELECT c.oid::regclass FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY t (oid, n), pg_class c
WHERE e.extname = 'mlaas' AND c.oid = t.oid AND c.relnamespace = 'mlaas'::regnamespace ORDER BY c.relname;
-- every relation of the registry and every column of its views tell what they are
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace IN ('mlaas'::regnamespace, 'mlaas_api'::regnamespace) AND c.relkind IN ('r', 'v')
	  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.proname IN ('ml_deploy', 'ml_rollback', 'ml_drop', 'ml_model') AND obj_description(p.oid, 'pg_proc') IS NULL;

SELECT ml_drop('alices'), ml_drop('line'), ml_drop('undeployed');
SELECT count(*) FROM mlaas.models WHERE owner IN ('regress_mlaas_alice', 'regress_mlaas_bob');
DROP SCHEMA registry_evil, registry_test CASCADE;
REVOKE pg_read_all_stats FROM regress_mlaas_owner;
DROP ROLE regress_mlaas_alice, regress_mlaas_bob, regress_mlaas_owner;
