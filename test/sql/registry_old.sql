-- Old versions: which go, which stay, who may, and what the history tells.
SET client_min_messages = warning;
CREATE SCHEMA old_test;
SET search_path = old_test, public;
SELECT clock_timestamp() AS began \gset
CREATE TABLE points AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 50) i;
-- stores versions and returns those that are there
CREATE FUNCTION store(times int, policy text = 'never') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..times LOOP
		PERFORM ml_train('old', 'old_test.points', 'y', 'linear_regression', '{x}', validation => '{"split": "none"}', deploy => policy);
	END LOOP;
	RETURN old_test.versions_of('old');
END $$;
CREATE FUNCTION versions_of(model text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(version::text, ' ' ORDER BY version) FROM mlaas.versions WHERE name = model $$;
CREATE VIEW counted AS
SELECT m.versions = count(v.*) AND m.latest_version = max(v.version) AS right FROM mlaas.models m JOIN mlaas.versions v USING (name)
WHERE m.name = 'old' GROUP BY m.versions, m.latest_version;

-- 1. the newest stay, with what an alias points at, what a rollback brings back, and what is judged

SELECT store(3, 'always');
SELECT store(9);
SELECT version FROM ml_deploy('old', 5, 'canary');
SELECT status FROM ml_approve('old', 6);
SELECT status FROM ml_archive('old', 7);
SELECT ml_drop_old('old', 3);
SELECT versions_of('old');
SELECT * FROM counted;
SELECT ml_drop_old('old', 3) AS again;
SELECT version, previous_version FROM ml_rollback('old');
SELECT number, action, version, reason FROM mlaas.history WHERE name = 'old' AND action = 'drop' AND at > :'began' ORDER BY number;
SELECT max(number) = count(*) AS no_gap FROM mlaas.history WHERE name = 'old' AND at > :'began';
-- a number does not come back
SELECT ml_drop_old('old', 1);
SELECT versions_of('old');
SELECT store(1);

-- 2. routes, parents and members

SELECT store(4);
SELECT ml_route('old', 'production', 14, weight => 0.1);
SELECT name, version FROM ml_update('old@15', 'points', deploy => 'never');
SELECT name, version FROM ml_copy('old@16', 'old copy');
SELECT name, version FROM ml_ensemble('old pair', '{old@13,old@17}');
SELECT store(2);
SELECT version, parent FROM mlaas.versions WHERE name = 'old' AND parent IS NOT NULL;
SELECT ml_drop_old('old', 3);
SELECT versions_of('old');
-- what needed them is gone
SELECT ml_drop('old copy'), ml_drop('old pair'), ml_unroute('old');
SELECT ml_drop_old('old', 1);
SELECT versions_of('old');

-- 3. for good: whenever a version is stored, in the same transaction

SELECT ml_keep_versions('old', 2);
SELECT keep_versions FROM mlaas.models WHERE name = 'old';
SELECT store(5, 'always');
SELECT version FROM mlaas.aliases WHERE name = 'old' AND alias = 'production';
SELECT version FROM ml_rollback('old');
BEGIN;
SELECT store(3);
ROLLBACK;
SELECT versions_of('old');
SELECT * FROM counted;
SELECT name FROM ml_update('old', 'points');
SELECT ml_keep_versions('old', 2), ml_keep_versions('old', NULL);
SELECT store(3);
SELECT action, detail FROM mlaas.history WHERE name = 'old' AND action = 'keep' AND at > :'began' ORDER BY number;
SELECT max(number) = count(*) AS no_gap FROM mlaas.history WHERE name = 'old' AND at > :'began';

-- 4. rights and errors

CREATE ROLE regress_old_manager;
CREATE ROLE regress_old_reader;
SELECT ml_grant('old', 'regress_old_manager', 'manage'), ml_grant('old', 'regress_old_reader', 'describe');
GRANT USAGE ON SCHEMA old_test TO PUBLIC;
SET ROLE regress_old_reader;
SELECT ml_drop_old('old', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_keep_versions('old', 1);
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_old_manager;
SELECT ml_drop_old('old', 1) > 0 AS dropped;
RESET ROLE;
SELECT DISTINCT who FROM mlaas.history WHERE name = 'old' AND action = 'drop' AND at > :'began' ORDER BY 1 DESC LIMIT 1;
SELECT ml_drop_old('old', 0);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_drop_old('old', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_keep_versions('old', -1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_drop_old('nobodys', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_keep_versions(NULL, 1);
\echo :LAST_ERROR_SQLSTATE
BEGIN TRANSACTION READ ONLY;
SELECT ml_drop_old('old', 1);
ROLLBACK;

SELECT ml_drop('old') > 0 AS dropped;
DROP SCHEMA old_test CASCADE;
DROP ROLE regress_old_manager, regress_old_reader;
