-- What hostile managers, trainers and owners of tables try with guards, deployments, published functions and keys.
CREATE SCHEMA service_hostile;
CREATE ROLE service_hostile_boss;
CREATE ROLE service_hostile_eve;
GRANT USAGE, CREATE ON SCHEMA service_hostile TO service_hostile_boss, service_hostile_eve;
SET search_path = service_hostile, public;

SET ROLE service_hostile_boss;
CREATE TABLE points AS SELECT i::float8 AS x, i % 3 = 0 AS input, 2.0 * i + 1 AS y, i AS id FROM generate_series(1, 100) i;
GRANT SELECT ON points TO service_hostile_eve;
SELECT version FROM ml_train('service_hostile', 'points', 'y', 'linear_regression', features => '{x}');
SELECT version FROM ml_train('service_hostile', 'points', 'y', 'linear_regression', features => '{x}');
SELECT ml_guard('service_hostile', 'rmse <= 1e-6', source => 'points');
SELECT ml_grant('service_hostile', 'service_hostile_eve', 'manage');

-- a guard of another role, whose source is given away by a temporary view of the same name
SET ROLE service_hostile_eve;
CREATE FUNCTION who() RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'runs as %', current_user; RETURN 1; END $$;
CREATE TEMP VIEW points AS SELECT 1 AS x, 3 * service_hostile.who() AS y;
GRANT SELECT ON pg_temp.points TO PUBLIC;
SELECT version, deployed FROM ml_deploy('service_hostile', 2);
-- the real one being gone
RESET ROLE;
ALTER TABLE service_hostile.points RENAME TO points_away;
SET ROLE service_hostile_eve;
SELECT version, deployed FROM ml_deploy('service_hostile', 1);
RESET ROLE;
ALTER TABLE service_hostile.points_away RENAME TO points;
SET ROLE service_hostile_eve;
SELECT ml_guard('service_hostile', 'rmse <= 2', source => 'points');
DROP VIEW pg_temp.points;

-- a training's source, run by who compares on the rows that it held out
SELECT version FROM ml_train('service_hostile', 'SELECT x, y FROM points WHERE (SELECT who()) = 1', 'y', 'linear_regression',
	validation => '{"test_size": 0.2}', deploy => 'never');
SET ROLE service_hostile_boss;
SELECT deployed FROM ml_deploy('service_hostile', 3, strategy => 'if_better');
SELECT deployed FROM mlaas_api.deploy('service_hostile', 3, strategy => 'if_better');
SELECT deployed FROM ml_deploy('service_hostile', 3, strategy => 'if_better', holdout => 'points');

-- a feature that is named as the row is in a published function, and outputs
SELECT version FROM ml_train('service_hostile input', 'SELECT x, input, input AS all_input, x AS prediction, y FROM points', 'y',
	'decision_tree', validation => '{"split": "none"}');
SELECT ml_publish('service_hostile input', 'service_hostile_input');
SELECT * FROM mlaas_api.service_hostile_input(50, false, false, 50);

-- a key's table that is renamed, with another one in its place
CREATE TABLE features AS SELECT 1 AS id, 10::float8 AS x;
SELECT ml_publish('service_hostile', 'service_hostile', 'features', 'id');
SELECT round((mlaas_api.predict_by_key('service_hostile', '1') ->> 'prediction')::numeric, 6) AS of_features;
ALTER TABLE features RENAME TO features_then;
CREATE TABLE features AS SELECT 1 AS id, 1000::float8 AS x;
SELECT round((mlaas_api.predict_by_key('service_hostile', '1') ->> 'prediction')::numeric, 6) AS of_features_then;

-- requests name relations, whatever they ask for
SELECT mlaas_api.train('service_hostile sql', 'SELECT * FROM points', 'y');
SELECT mlaas_api.train('service_hostile sql', 'SELECT * FROM points', 'y', wait => true);
SELECT mlaas_api.evaluate('service_hostile', '(TABLE points)');
SELECT mlaas_api.deploy('service_hostile', 1, strategy => 'if_better', holdout => 'SELECT * FROM points');

-- what is made of versions depends on what they depend on
SELECT version FROM ml_copy('service_hostile@1', 'service_hostile copy');
SELECT version FROM ml_ensemble('service_hostile both', '{service_hostile@1, service_hostile copy@1}', deploy => 'never');
SELECT version FROM ml_train('service_hostile tree', 'points', 'y', 'gradient_boosting', '{input}', '{"n_estimators": 3}');
SELECT version FROM ml_truncate('service_hostile tree', 2);
SELECT name, version, lineage -> 'dependencies' AS dependencies FROM mlaas.versions
WHERE name IN ('service_hostile copy', 'service_hostile both', 'service_hostile tree') ORDER BY name, version;
SELECT ml_drop('service_hostile'), ml_drop('service_hostile tree'), ml_drop('service_hostile input'), ml_drop('service_hostile copy');
ALTER TABLE points RENAME COLUMN x TO z;
ALTER TABLE points RENAME COLUMN z TO x;
SELECT deployed FROM ml_deploy('service_hostile both', 1);
ALTER TABLE points RENAME COLUMN x TO z;

RESET ROLE;
SELECT ml_drop('service_hostile both');
SET client_min_messages = error;
DROP SCHEMA service_hostile CASCADE;
DROP ROLE service_hostile_boss, service_hostile_eve;
