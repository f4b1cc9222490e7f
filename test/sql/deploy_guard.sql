-- Guards: conditions that a version must pass before an alias points at it.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
CREATE SCHEMA deploy_guard;
SET search_path = deploy_guard, public;

CREATE TABLE people AS
SELECT i AS id, i::float8 AS x, (i * 7 % 13)::float8 AS z, CASE WHEN i % 3 = 0 THEN 'north' ELSE 'south' END AS region,
	   -- x tells the answer in the south, where z is of no use
	   CASE WHEN i % 3 = 0 THEN i * 7 % 13 > 6 ELSE i > 300 END AS answer
FROM generate_series(1, 600) i;
SELECT version, deployed FROM ml_train('deploy_guard', 'people', 'answer', 'logistic_regression', features => '{x}');
SELECT version, deployed FROM ml_train('deploy_guard', 'people', 'answer', 'decision_tree', features => '{x,z,region}', deploy => 'never');
SELECT version, deployed FROM ml_train('deploy_guard', 'people', 'answer', 'logistic_regression', features => '{z}', deploy => 'never',
									   validation => '{"split": "none"}');

-- how they are written
SELECT ml_guard('deploy_guard', 'auc >= 0.9');
SELECT ml_guard('deploy_guard', '  MAX_GAP ( Accuracy , region )<=.2 ', source => 'people');
SELECT ml_guard('deploy_guard', 'bytes < 1e6');
SELECT ml_guard('deploy_guard', 'microseconds <= 1000', source => 'people');
SELECT ml_guard('deploy_guard', 'accuracy > 0.8', 'canary', 'SELECT * FROM people WHERE id > 500');
SELECT alias, number, condition, metric, by, operator, threshold, source FROM mlaas.guards WHERE name = 'deploy_guard' ORDER BY number;

-- names without quotes are in small letters: the error says how to write this one
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, Area Code) <= 0.1', source => 'SELECT *, region AS "Area Code" FROM people');
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, Marital) <= 0.1', source => 'SELECT *, region AS "Marital" FROM people');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, "Maritl") <= 0.1', source => 'SELECT *, region AS "Marital" FROM people');
BEGIN;
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, "Marital") <= 0.9', source => 'SELECT *, region AS "Marital" FROM people') > 0 AS taken;
ROLLBACK;

-- a version that fails is not deployed, and nothing else happens
CREATE FUNCTION failure(command text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	detail := regexp_replace(detail, '(\.\d\d)\d+', '\1', 'g');
END $$;
\x on
SELECT * FROM failure($$ SELECT ml_deploy('deploy_guard', 3) $$);
SELECT * FROM failure($$ SELECT ml_deploy('deploy_guard', 3, 'canary') $$);
SELECT * FROM failure($$ SELECT ml_route('deploy_guard', 'production', 3, weight => 0.5) $$);
\x off
SELECT alias, version FROM mlaas.aliases WHERE name = 'deploy_guard' ORDER BY alias;
SELECT count(*) FROM mlaas.history WHERE at >= :'began' AND name = 'deploy_guard' AND action = 'deploy';

-- one that passes is
SELECT version, previous_version, deployed FROM ml_deploy('deploy_guard', 2);
SELECT jsonb_object_keys(detail -> 'guards') AS measured FROM mlaas.history WHERE at >= :'began' AND name = 'deploy_guard' AND action = 'deploy' AND version = 2 ORDER BY 1;
-- a rollback does not ask
SELECT version, previous_version FROM ml_rollback('deploy_guard');
-- an alias without guards takes all
SELECT version, deployed FROM ml_deploy('deploy_guard', 3, 'free');

-- a training stores the version and warns
\set VERBOSITY terse
SELECT version, deployed FROM ml_train('deploy_guard', 'people', 'answer', 'logistic_regression', features => '{z}', deploy => 'always');
\set VERBOSITY default

-- dropping
SELECT ml_drop_guard('deploy_guard', 1);
SELECT ml_drop_guard('deploy_guard', 1);
SELECT ml_drop_guard('deploy_guard', NULL);
SELECT count(*) FROM mlaas.guards WHERE name = 'deploy_guard';
SELECT action, alias, reason FROM mlaas.history WHERE at >= :'began' AND name = 'deploy_guard' AND action = 'guard' ORDER BY number;

-- a metric that is not defined on the rows fails
SELECT ml_guard('deploy_guard', 'roc_auc >= 0', 'empty', 'SELECT * FROM people WHERE region = ''south'' AND x < 100');
SELECT ml_guard('deploy_guard', 'max_gap(roc_auc, region) <= 1', 'empty', 'SELECT * FROM people WHERE region = ''south''');
SELECT ml_guard('deploy_guard', 'r2 >= 0', 'empty');
SELECT ml_deploy('deploy_guard', 2, 'empty');

-- what is no guard
SELECT ml_guard('deploy_guard', 'roc_auc');
SELECT ml_guard('deploy_guard', 'roc_auc = 1');
SELECT ml_guard('deploy_guard', 'roc_auc >= 0.8 or true');
SELECT ml_guard('deploy_guard', 'roc_auc >= NaN');
SELECT ml_guard('deploy_guard', 'roc_acu >= 0.8');
SELECT ml_guard('deploy_guard', 'max_gap(bytes, region) <= 1', source => 'people');
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, region) <= 1');
SELECT ml_guard('deploy_guard', 'max_gap(accuracy, regoin) <= 1', source => 'people');
SELECT ml_guard('deploy_guard', 'microseconds <= 1');
SELECT ml_guard('deploy_guard', 'bytes <= 1', source => 'people');
SELECT ml_guard('deploy_guard', 'accuracy >= 0.5', source => 'nowhere');
SELECT ml_guard('deploy_guard', 'accuracy >= 0.5', source => 'DELETE FROM people');
SELECT ml_guard('deploy_guard', 'bytes < 1000000');
SELECT ml_guard('nothing', 'bytes < 1000000');
SELECT ml_guard('deploy_guard', NULL);

-- a source is read with the rights and the search_path of the guard's maker, whoever deploys
CREATE ROLE deploy_guard_maker;
CREATE ROLE deploy_guard_other;
GRANT USAGE ON SCHEMA deploy_guard TO deploy_guard_maker, deploy_guard_other;
SELECT ml_grant('deploy_guard', 'deploy_guard_maker', 'manage'), ml_grant('deploy_guard', 'deploy_guard_other', 'manage');
CREATE TABLE secret AS SELECT * FROM people;
CREATE FUNCTION spy() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'run as %', current_user;
	RETURN true;
END $$;
SET ROLE deploy_guard_maker;
SELECT ml_guard('deploy_guard', 'accuracy >= 0.1', 'made', 'secret');
RESET ROLE;
SELECT deployed FROM ml_deploy('deploy_guard', 2, 'made');
SELECT ml_drop_guard('deploy_guard', 9);
GRANT SELECT ON people TO deploy_guard_maker;
SET ROLE deploy_guard_maker;
SELECT ml_guard('deploy_guard', 'accuracy >= 0.1', 'made', 'SELECT p.* FROM (SELECT spy() OFFSET 0) s, people p');
RESET ROLE;
SELECT deployed FROM ml_deploy('deploy_guard', 2, 'made');
SET ROLE deploy_guard_other;
SET search_path = public;
SELECT deployed FROM ml_deploy('deploy_guard', 1, 'made');
RESET ROLE;
SET search_path = deploy_guard, public;
SELECT version FROM mlaas.aliases WHERE name = 'deploy_guard' AND alias = 'made';
REVOKE SELECT ON people FROM deploy_guard_maker;
SELECT deployed FROM ml_deploy('deploy_guard', 2, 'made');
SELECT ml_revoke('deploy_guard', 'deploy_guard_maker', 'manage');
SELECT deployed FROM ml_deploy('deploy_guard', 2, 'made');
-- by one who may not describe the model nothing is seen, by one who may not manage it nothing made
SET ROLE deploy_guard_maker;
SELECT count(*) FROM mlaas.guards;
SELECT ml_guard('deploy_guard', 'bytes < 5');
SELECT ml_drop_guard('deploy_guard', 2);
RESET ROLE;

-- they go with the model
SELECT ml_drop('deploy_guard');
SELECT count(*) FROM mlaas.guard g WHERE NOT EXISTS (SELECT FROM mlaas.model m WHERE m.id = g.model_id);

SET client_min_messages = error;
DROP SCHEMA deploy_guard CASCADE;
DROP ROLE deploy_guard_maker;
DROP ROLE deploy_guard_other;
