-- Deploying at once, or when better on the same rows; what the history tells of it.
CREATE SCHEMA deploy_strategy;
SET search_path = deploy_strategy, public;

CREATE TABLE points AS SELECT i AS id, i::float8 AS x, (i * 7 % 13)::float8 AS z, 2.0 * i + 30 * (i * 7 % 13) AS y FROM generate_series(1, 400) i;
CREATE FUNCTION learn(features text[], deploy text DEFAULT 'never', source text DEFAULT 'points', validation jsonb DEFAULT '{}',
					  OUT version int, OUT deployed boolean)
LANGUAGE sql AS $$
	SELECT t.version, t.deployed
	FROM ml_train('deploy_strategy', source, 'y', 'linear_regression', features => features, validation => validation, deploy => deploy) t
$$;
-- the row of a deployment, figures as whether they are there and which is smaller
CREATE FUNCTION outcome(version int, strategy text DEFAULT 'if_better', metric text DEFAULT NULL, margin float8 DEFAULT 0,
						holdout text DEFAULT NULL, alias text DEFAULT 'production',
						OUT deployed boolean, OUT previous int, OUT metric text, OUT lower boolean)
LANGUAGE sql AS $$
	SELECT d.deployed, d.previous_version, d.metric, d.value < d.previous_value
	FROM ml_deploy('deploy_strategy', version, alias, strategy => strategy, metric => metric, margin => margin, holdout => holdout) d
$$;

SELECT * FROM learn('{x}', 'first');
SELECT * FROM learn('{x,z}');
SELECT * FROM learn('{z}');

-- on the rows that the training of the version held out
SELECT * FROM outcome(3);
SELECT * FROM outcome(2, margin => 1000);
SELECT * FROM outcome(2);
SELECT * FROM outcome(2);
SELECT * FROM outcome(1);
SELECT * FROM outcome(1, metric => 'max_error');

-- on rows of the caller's
SELECT * FROM outcome(1, holdout => 'SELECT * FROM points WHERE id > 350');
SELECT version FROM ml_rollback('deploy_strategy');
SELECT * FROM outcome(2, metric => 'r2', holdout => 'points');

-- a new alias has nothing to beat
SELECT * FROM outcome(3, alias => 'shadow');

-- both figures, by hand
SELECT round(value::numeric, 6) = round((SELECT value FROM ml_evaluate('deploy_strategy@3', 'points') WHERE metric = 'rmse')::numeric, 6) AS value,
	   round(previous_value::numeric, 6) = round((SELECT value FROM ml_evaluate('deploy_strategy', 'points') WHERE metric = 'rmse')::numeric, 6) AS previous
FROM ml_deploy('deploy_strategy', 3, strategy => 'if_better', holdout => 'points');

-- a training does the same, and tells of both figures where the version is not deployed
\set VERBOSITY terse
SELECT * FROM learn('{x}', 'if_better');
SELECT ml_drop('deploy_strategy');
SELECT * FROM learn('{x}', 'if_better');
SELECT * FROM learn('{x,z}', 'if_better');
SELECT * FROM learn('{z}', 'if_better');
\set VERBOSITY default
SELECT number, action, version, from_version, reason, detail ->> 'metric' AS metric, detail ->> 'rows' AS rows,
	   (detail ->> 'value')::float8 < (detail ->> 'previous_value')::float8 AS lower
FROM mlaas.history WHERE name = 'deploy_strategy' AND model_id = (SELECT id FROM mlaas.model WHERE name = 'deploy_strategy') ORDER BY number;

-- what cannot be compared
SELECT * FROM learn('{x}', validation => '{"split": "none"}');
SELECT * FROM outcome(4);
SELECT * FROM learn('{x}', source => 'SELECT x, y FROM points');
SELECT * FROM outcome(5);
SELECT * FROM outcome(5, holdout => 'points');
CREATE TABLE many AS SELECT i::float8 AS x, (i % 7)::float8 AS z, i % 97 + 10 * (i % 7) AS y FROM generate_series(1, 30000) i;
SELECT * FROM learn('{x,z}', source => 'many');
SET mlaas.max_memory = '2MB';
SELECT * FROM outcome(6);
RESET mlaas.max_memory;
SELECT * FROM outcome(6, margin => 1e9);
INSERT INTO points VALUES (401, 401, 1, 1);
SELECT * FROM outcome(3);
SELECT * FROM outcome(3, holdout => 'points');
SELECT version, deployed FROM ml_train('deploy_strategy', 'SELECT x, z > 6 AS y FROM points', 'y', deploy => 'if_better');

-- arguments
SELECT ml_deploy('deploy_strategy', 1, strategy => 'better');
SELECT ml_deploy('deploy_strategy', 1, metric => 'rmse');
SELECT ml_deploy('deploy_strategy', 1, holdout => 'points');
SELECT ml_deploy('deploy_strategy', 1, margin => 1);
SELECT ml_deploy('deploy_strategy', 1, strategy => 'if_better', margin => -1);
SELECT ml_deploy('deploy_strategy', 1, strategy => 'if_better', metric => 'roc_auc', holdout => 'points');
SELECT ml_deploy('deploy_strategy', 1, strategy => 'if_better', holdout => 'nowhere');
SELECT ml_deploy('deploy_strategy', 1, strategy => NULL);

-- a holdout is read with the rights of the caller
CREATE ROLE deploy_strategy_user;
GRANT USAGE ON SCHEMA deploy_strategy TO deploy_strategy_user;
SELECT ml_grant('deploy_strategy', 'deploy_strategy_user', 'manage');
SET ROLE deploy_strategy_user;
SELECT ml_deploy('deploy_strategy', 1, strategy => 'if_better', holdout => 'points');
RESET ROLE;

-- archived versions are neither deployed nor rolled back to
SELECT version FROM ml_deploy('deploy_strategy', 1);
SELECT version FROM ml_deploy('deploy_strategy', 3);
SELECT status FROM ml_archive('deploy_strategy', 1);
SELECT ml_deploy('deploy_strategy', 1);
SELECT version, previous_version FROM ml_rollback('deploy_strategy');

SET client_min_messages = error;
SELECT ml_drop('deploy_strategy');
DROP SCHEMA deploy_strategy CASCADE;
DROP ROLE deploy_strategy_user;
