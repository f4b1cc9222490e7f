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

-- a canary with a feature that a published function and its source do not have
SELECT version FROM ml_train('service_hostile', 'points', 'y', 'linear_regression', features => '{x,id}', deploy => 'never');
SELECT ml_drop_guard('service_hostile', 1);
SELECT ml_route('service_hostile', 'production', 1, weight => 0.1), ml_route('service_hostile', 'production', 4, weight => 0.5);
SELECT ml_unroute('service_hostile');

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

-- who does not own the table learns nothing of models
SET ROLE service_hostile_eve;
ALTER TABLE points RENAME COLUMN x TO z;
ALTER TABLE points DROP COLUMN x;
SET ROLE service_hostile_boss;

-- a column that goes with its attribute of a type
CREATE TYPE pair AS (x float8, y float8);
CREATE TABLE pairs OF pair;
INSERT INTO pairs SELECT i, 2 * i FROM generate_series(1, 10) i;
SELECT version FROM ml_train('service_hostile pairs', 'pairs', 'y', 'linear_regression');
ALTER TYPE pair DROP ATTRIBUTE x CASCADE;
SELECT ml_drop('service_hostile pairs');
ALTER TYPE pair DROP ATTRIBUTE x CASCADE;

-- a guard's maker cannot be dropped: the number of his role may be another's some day
SELECT ml_grant('service_hostile both', 'service_hostile_eve', 'manage');
SET ROLE service_hostile_eve;
SELECT ml_guard('service_hostile both', 'bytes < 1e6'), ml_guard('service_hostile both', 'bytes < 1e7');
RESET ROLE;
SELECT ml_revoke('service_hostile both', 'service_hostile_eve', 'predict');
SELECT * FROM mlaas.models_of('service_hostile_eve');
DROP OWNED BY service_hostile_boss;
REVOKE ALL ON SCHEMA service_hostile FROM service_hostile_eve;
DROP FUNCTION service_hostile.who();
DROP ROLE service_hostile_eve;
SELECT ml_drop_guard('service_hostile both', 1);
SELECT * FROM mlaas.models_of('service_hostile_eve');
DROP ROLE service_hostile_eve;
SELECT ml_drop('service_hostile both');
DROP ROLE service_hostile_eve;

-- roles of requests that are not superusers, and one SET ROLE away from it
CREATE ROLE service_hostile_admin SUPERUSER;
CREATE ROLE service_hostile_between ROLE service_hostile_boss;
GRANT service_hostile_admin TO service_hostile_between;
BEGIN;
SELECT ml_rest_setup('service_hostile_authenticator', 'service_hostile_boss');
ROLLBACK;
DROP ROLE service_hostile_admin, service_hostile_between;
SET client_min_messages = error;
DROP SCHEMA service_hostile CASCADE;
DROP ROLE service_hostile_boss;
