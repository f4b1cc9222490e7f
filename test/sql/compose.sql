-- Models made of models: pipelines and ensembles, by name and by value.
CREATE SCHEMA compose;
SET search_path = compose, public;
SET client_min_messages = warning;

CREATE TABLE churn (id int, age int, plan text, spend float8, region text, months int, churned boolean);
INSERT INTO churn
SELECT i, 18 + (i * 7) % 60, (ARRAY['basic', 'plus', 'pro', NULL])[1 + (i * 13) % 4], ((i * 37) % 1000) / 10.0,
	   (ARRAY['north', 'south', 'east'])[1 + (i * 5) % 3], (i * 11) % 48,
	   ((i * 7) % 60 + (i * 13) % 4 * 9 + ((i * 7919) % 101) / 3.0) > 50
FROM generate_series(1, 900) i;
CREATE VIEW first_rows AS SELECT * FROM churn WHERE id <= 500;
CREATE VIEW last_rows AS SELECT * FROM churn WHERE id > 500;
CREATE FUNCTION near(a float8, b float8) RETURNS boolean LANGUAGE sql RETURN abs(a - b) <= 1e-12 * greatest(abs(a), abs(b), 1);

SELECT version FROM ml_train('compose_linear', 'SELECT age, plan, spend, churned FROM compose.first_rows', 'churned', 'logistic_regression');
SELECT version FROM ml_train('compose_trees', 'SELECT age, plan, region, months, churned FROM compose.first_rows', 'churned', 'gradient_boosting', params => '{"n_estimators": 20}');
SELECT version FROM ml_train('compose_forest', 'SELECT spend, age, months, churned FROM compose.first_rows', 'churned', 'random_forest', params => '{"n_estimators": 20}');

-- mean, weighted, vote
SELECT name, version, task, algorithm, metrics, n_train, n_test, deployed
FROM ml_ensemble('compose_mean', ARRAY['compose_linear', 'compose_trees@1', 'compose_forest@production']);
SELECT bool_and(near(ml_probability('compose_mean', 'true', c),
	(ml_probability('compose_linear', 'true', c) + ml_probability('compose_trees', 'true', c) + ml_probability('compose_forest', 'true', c)) / 3)) AS is_mean
FROM churn c;
SELECT algorithm, deployed FROM ml_ensemble('compose_mean', ARRAY['compose_linear', 'compose_trees'], 'weighted', ARRAY[1, 3], source => 'last_rows');
SELECT bool_and(near(ml_probability('compose_mean@2', 'true', c),
	(ml_probability('compose_linear', 'true', c) + 3 * ml_probability('compose_trees', 'true', c)) / 4)) AS is_weighted
FROM churn c;
SELECT version, metrics ? 'roc_auc' AS measured, n_train, n_test, lineage ->> 'operation' AS operation,
	   lineage -> 'arguments' -> 'members' AS members, lineage -> 'arguments' -> 'weights' AS weights
FROM mlaas.versions WHERE name = 'compose_mean' ORDER BY version;
SELECT version FROM ml_ensemble('compose_vote', ARRAY['compose_linear', 'compose_trees', 'compose_forest'], 'vote');
-- untyped literals mean names
SELECT version FROM ml_ensemble('compose_literal', '{compose_linear,compose_trees}');
SELECT bool_and(ml_predict_label('compose_vote', c) =
	CASE WHEN (ml_predict_label('compose_linear', c) = 'true')::int + (ml_predict_label('compose_trees', c) = 'true')::int
			+ (ml_predict_label('compose_forest', c) = 'true')::int >= 2 THEN 'true' ELSE 'false' END) AS is_vote
FROM churn c;

-- rows, blocks, JSON and values in order agree to the last bit
SELECT bool_and(b.probability = ml_probability('compose_mean', b.label, c)
	AND b.probability = ml_probability('compose_mean', b.label, to_jsonb(c))
	AND b.probability = ml_probability('compose_mean', b.label, age, plan, spend, region, months)) AS equal, count(*)
FROM ml_predict_batch('compose_mean', 'churn', 'id') b JOIN churn c ON c.id::text = b.key;
-- a category that only one member knows, one that none knows, NULLs
SELECT bool_and(near(ml_probability('compose_mean', 'true', 30, p, NULL, r, 5),
	(ml_probability('compose_linear', 'true', 30, p, NULL) + ml_probability('compose_trees', 'true', 30, p, r, 5)
	 + ml_probability('compose_forest', 'true', NULL, 30, 5)) / 3)) AS equal
FROM unnest(ARRAY['basic', 'never', NULL]) p, unnest(ARRAY['east', 'never', NULL]) r;

-- evaluated and described as any other model
SELECT count(*) > 5 AS metrics FROM ml_evaluate('compose_mean', 'last_rows');
SELECT ml_describe('compose_mean') - 'training' - 'bytes' - 'members' - 'features' AS described;
SELECT m ->> 'name' AS name, m ->> 'algorithm' AS algorithm, m ->> 'weight' AS weight
FROM jsonb_array_elements(ml_describe('compose_mean@2') -> 'members') m;
SELECT f ->> 'name' AS name, f ->> 'type' AS type FROM jsonb_array_elements(ml_describe('compose_mean') -> 'features') f;
SELECT count(*) AS features FROM ml_importance('compose_mean', 'permutation', 'last_rows');
SELECT algorithm FROM mlaas.models WHERE name = 'compose_vote';
SELECT count(*) AS listed FROM ml_algorithms() WHERE name IN ('pipeline', 'ensemble');

-- values: the text form gives the same bytes, and the same as by name
CREATE TABLE values_ AS
SELECT ml_model('compose_linear') AS a, ml_model('compose_trees') AS b, ml_model('compose_forest') AS c;
SELECT bool_and(ml_probability(ml_ensemble(ARRAY[a, b, c]), 'true', x) = ml_probability('compose_mean@1', 'true', x)) AS same
FROM values_, churn x WHERE x.id <= 100;
-- weights mean their shares, however small or large they are
SELECT bool_and(near(ml_probability(ml_ensemble(ARRAY[a, b], w), 'true', x), ml_probability(ml_ensemble(ARRAY[a, b]), 'true', x))) AS same
FROM values_, churn x, (VALUES (ARRAY[5e-324, 5e-324]), (ARRAY[7e-310, 7e-310]), (ARRAY[8e307, 8e307])) v(w) WHERE x.id <= 20;
SELECT e::text::ml_model::bytea = e::bytea AS round_trip FROM (SELECT ml_ensemble(ARRAY[a, b], ARRAY[2, 1], 'vote') AS e FROM values_) q;
-- nested, and no deeper than 4
SELECT near(ml_probability(ml_ensemble(ARRAY[ml_ensemble(ARRAY[a, b]), c], ARRAY[2, 1]), 'true', x), ml_probability('compose_mean@1', 'true', x)) AS same
FROM values_, churn x WHERE x.id = 7;
SELECT ml_ensemble(ARRAY[ml_ensemble(ARRAY[ml_ensemble(ARRAY[ml_ensemble(ARRAY[ml_ensemble(ARRAY[a])])])])]) FROM values_;

-- the members may go: the whole has copies
SELECT ml_drop('compose_forest');
SELECT count(ml_probability('compose_mean@1', 'true', c)) FROM churn c;

-- pipeline: the probability of churning is a feature of the next
CREATE VIEW with_risk AS SELECT age, spend, months, ml_probability('compose_trees', 'true', c) AS risk FROM last_rows c;
SELECT version FROM ml_train('compose_spend', 'with_risk', 'spend', 'linear_regression');
SELECT name, version, task, algorithm, deployed FROM ml_pipeline('compose_chain', ARRAY['compose_trees as risk', 'compose_spend']);
SELECT bool_and(ml_predict('compose_chain', c) = ml_predict('compose_spend', age, months, ml_probability('compose_trees', 'true', c))) AS equal FROM churn c;
SELECT bool_and(b.prediction = ml_predict('compose_chain', c)) AS equal FROM ml_predict_batch('compose_chain', 'churn', 'id') b JOIN churn c ON c.id::text = b.key;
SELECT f ->> 'name' AS name FROM jsonb_array_elements(ml_describe('compose_chain') -> 'features') f;
-- the label is a feature, and the feature is named as the target
CREATE VIEW with_label AS SELECT age, spend, months, ml_predict_label('compose_trees', c) AS churned FROM last_rows c;
SELECT version FROM ml_train('compose_by_label', 'with_label', 'spend', 'linear_regression');
SELECT version, metrics ? 'r2' AS measured, n_test FROM ml_pipeline('compose_chain', ARRAY['compose_trees', 'compose_by_label'], 'first_rows', deploy => 'always');
SELECT bool_and(ml_predict('compose_chain', c) = ml_predict('compose_by_label', age, months, ml_predict_label('compose_trees', c))) AS equal FROM churn c;
SELECT version, lineage -> 'arguments' -> 'models' AS models FROM mlaas.versions WHERE name = 'compose_chain' ORDER BY version;
SELECT ml_rollback('compose_chain');

-- stacking: rows that the members were not trained on
SELECT name, version, task, n_train + n_test AS rows, metrics ? 'roc_auc' AS measured
FROM ml_ensemble('compose_stack', ARRAY['compose_linear', 'compose_trees'], 'stacking', source => 'last_rows');
SELECT count(*) = 400 AS scored, bool_and(b.probability = ml_probability('compose_stack', b.label, c)) AS equal
FROM ml_predict_batch('compose_stack', 'last_rows', 'id') b JOIN churn c ON c.id::text = b.key;
SELECT version FROM ml_ensemble('compose_stack', ARRAY['compose_linear', 'compose_trees'], 'stacking', source => 'last_rows', algorithm => 'gradient_boosting', params => '{"n_estimators": 10}', validation => '{"test_size": 0.5}');
SELECT m ->> 'name' AS name, m ->> 'algorithm' AS algorithm FROM jsonb_array_elements(ml_describe('compose_stack@2') -> 'members') m;
-- it holds out the rows that any model of the same columns would, whatever the members say of them
SELECT version FROM ml_train('compose_line', 'first_rows', 'spend', 'linear_regression', '{age,months}');
SELECT version FROM ml_train('compose_steps', 'first_rows', 'spend', 'gradient_boosting', '{age,months}', '{"n_estimators": 10}');
SELECT n_test FROM ml_ensemble('compose_spends', '{compose_line,compose_steps}', 'stacking', source => 'last_rows');
SELECT n_test FROM ml_train('compose_alone', 'last_rows', 'spend', 'linear_regression', '{age,months}');
SELECT round((s.baseline->>'rmse')::numeric, 9) = round((a.baseline->>'rmse')::numeric, 9) AS same_rows, s.row_digest = a.row_digest AS same_digest
FROM mlaas.versions s, mlaas.versions a WHERE s.name = 'compose_spends' AND a.name = 'compose_alone';

-- what does not fit
\set VERBOSITY terse
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear', 'compose_trees'], 'stacking', source => 'first_rows');
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear', 'compose_trees'], 'stacking');
RESET client_min_messages;
SELECT n_test FROM ml_ensemble('compose_seen', ARRAY['compose_linear'], source => 'first_rows');
SET client_min_messages = warning;
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear', 'compose_spend']);
SELECT ml_ensemble('compose_bad', ARRAY['compose_spend', 'compose_spend'], 'vote');
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'meen');
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'weighted');
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'weighted', ARRAY[1, 2]);
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'weighted', ARRAY[-1]);
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'vote', ARRAY['Infinity'::float8]);
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], 'mean', ARRAY[1]);
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear'], target => 'churned');
SELECT ml_ensemble('compose_bad', ARRAY[]::text[]);
SELECT ml_ensemble('compose_bad', ARRAY[NULL]::text[]);
SELECT ml_ensemble('compose_bad', array_fill('compose_linear'::text, ARRAY[101]));
SELECT ml_ensemble('compose_bad', ARRAY['compose_linera']);
SELECT ml_pipeline('compose_bad', ARRAY['compose_trees as nothing', 'compose_spend']);
SELECT ml_pipeline('compose_bad', ARRAY['compose_trees as risk', 'compose_spend as more']);
SELECT ml_pipeline('compose_bad', ARRAY['compose_trees as age', 'compose_linear']);
SELECT ml_train('compose_text', 'SELECT age::text AS age, spend, churned FROM compose.first_rows', 'churned', 'logistic_regression') IS NOT NULL AS trained;
\set VERBOSITY default
SELECT ml_ensemble('compose_bad', ARRAY['compose_linear', 'compose_text']);
\set VERBOSITY terse
SELECT ml_explain('compose_mean', c) FROM churn c LIMIT 1;
SELECT * FROM ml_coefficients('compose_mean');
SELECT * FROM ml_trees('compose_mean');
SELECT ml_continue('compose_mean', 'first_rows');
SELECT ml_train('compose_bad', 'first_rows', 'churned', 'ensemble');
SELECT ml_ensemble(ARRAY[a], method => 'stacking') FROM values_;
SELECT ml_ensemble(ARRAY[NULL]::ml_model[]);
SELECT ml_ensemble(NULL::ml_model[]) IS NULL AS null_in;
-- a wrong byte
SELECT length(set_byte(e::bytea, length(e::bytea) / 2, 255)::ml_model::text) FROM (SELECT ml_ensemble(ARRAY[a]) AS e FROM values_) q;

-- rights: to embed a model is to see it
CREATE ROLE compose_other;
GRANT USAGE ON SCHEMA compose TO compose_other;
SET ROLE compose_other;
SELECT ml_ensemble('compose_theirs', ARRAY['compose_linear']);
RESET ROLE;
DROP OWNED BY compose_other;
DROP ROLE compose_other;

SELECT count(ml_drop(name)) AS dropped FROM mlaas.models WHERE name LIKE 'compose\_%';
DROP SCHEMA compose CASCADE;
