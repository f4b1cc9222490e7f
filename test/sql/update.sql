-- Keeping models up to date: exactly where the state can be merged, by more trees, or anew.
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
CREATE SCHEMA update_;
SET search_path = update_, public;
SET client_min_messages = error;

CREATE TABLE rows_ (id int, x float8, z int, kind text, y float8, big boolean);
INSERT INTO rows_
SELECT i, ((i * 37) % 1000) / 10.0, (i * 11) % 48, (ARRAY['a', 'b', 'c'])[1 + (i * 5) % 3],
	   ((i * 37) % 1000) / 5.0 - (i * 11) % 48 + (i * 5) % 3 * 4 + ((i * 7919) % 101) / 7.0, ((i * 37) % 1000) + ((i * 7919) % 400) > 600
FROM generate_series(1, 1200) i;
CREATE VIEW a AS SELECT x, z, kind, y FROM rows_ WHERE id <= 700;
CREATE VIEW b AS SELECT x, z, kind, y FROM rows_ WHERE id > 700 AND id <= 1100;
CREATE VIEW last_row AS SELECT x, z, kind, y FROM rows_ WHERE id = 1101;
CREATE VIEW both_ AS SELECT x, z, kind, y FROM rows_ WHERE id <= 1100;
CREATE VIEW all_ AS SELECT x, z, kind, y FROM rows_ WHERE id <= 1101;
-- the largest relative difference of two models' coefficients and standard errors
CREATE FUNCTION difference(m text, n text) RETURNS float8 LANGUAGE sql AS $$
	SELECT max(greatest(abs(m.estimate - n.estimate) / abs(n.estimate), abs(m.std_error - n.std_error) / n.std_error))
	FROM ml_coefficients(m) m JOIN ml_coefficients(n) n USING (feature) $$;
CREATE FUNCTION same(m text, n text, r rows_) RETURNS boolean LANGUAGE sql AS $$
	SELECT abs(ml_predict(m, r) - ml_predict(n, r)) <= 1e-10 * abs(ml_predict(n, r)) $$;

-- merged: as if trained on all rows
SELECT version FROM ml_train('update_linear', 'a', 'y', 'linear_regression', validation => '{"split": "none"}');
SELECT version FROM ml_train('update_whole', 'both_', 'y', 'linear_regression', validation => '{"split": "none"}');
SELECT name, version, task, algorithm, n_train, n_test, deployed FROM ml_update('update_linear', 'b');
-- (which level of a category is the reference is as the first version has it, so predictions are compared)
SELECT bool_and(same('update_linear@2', 'update_whole', r)) AS equal, bool_and(same('update_linear@1', 'update_whole', r)) AS was FROM rows_ r;
SELECT s.statistic, abs(s.value - w.value) <= 1e-9 * abs(w.value) AS equal
FROM ml_statistics('update_linear@2') s JOIN ml_statistics('update_whole') w USING (statistic) ORDER BY 1;
-- again, a single row, whose target does not vary
SELECT version FROM ml_update('update_linear@2', 'last_row', deploy => 'always');
SELECT version FROM ml_train('update_whole', 'all_', 'y', 'linear_regression', validation => '{"split": "none"}', deploy => 'always');
SELECT bool_and(same('update_linear', 'update_whole', r)) AS equal FROM rows_ r;
SELECT version, parent, lineage ->> 'operation' AS operation, lineage -> 'arguments' ->> 'method' AS method, lineage -> 'arguments' ->> 'source' AS source
FROM mlaas.versions WHERE name = 'update_linear' ORDER BY version;
SELECT action, version, reason FROM mlaas.history WHERE at >= :'began' AND name = 'update_linear' ORDER BY number;
SELECT ml_describe('update_linear') #> '{training,edits,0,operation}' AS edit, ml_describe('update_linear') -> 'learned' ? 'state' AS state_shown;
-- numbers alone (one pass), weights; ml_continue is the same here
CREATE VIEW numbers_a AS SELECT x, z, y, 1 + id % 3 AS w FROM rows_ WHERE id <= 500;
CREATE VIEW numbers_b AS SELECT x, z, y, 1 + id % 3 AS w FROM rows_ WHERE id > 500;
CREATE VIEW numbers AS SELECT x, z, y, 1 + id % 3 AS w FROM rows_;
SELECT version FROM ml_train('update_numbers', 'numbers_a', 'y', 'linear_regression', weight => 'w', validation => '{"split": "none"}');
SELECT version FROM ml_train('update_numbers_whole', 'numbers', 'y', 'linear_regression', weight => 'w', validation => '{"split": "none"}');
SELECT version FROM ml_update('update_numbers', 'numbers_b');
SELECT difference('update_numbers@2', 'update_numbers_whole') < 1e-10 AS equal;
SELECT version FROM ml_continue('update_numbers@1', 'numbers_b', validation => '{"split": "none"}', weight => 'w');
SELECT difference('update_numbers@3', 'update_numbers_whole') < 1e-10 AS equal;
SELECT (SELECT ml_fit('linear_regression', '{}', y, x, z) FROM numbers_a)::bytea = (SELECT ml_fit('linear_regression', '{}', y, x, z) FROM numbers_a)::bytea AS same_bytes;
SELECT abs(ml_predict(ml_continue((SELECT ml_fit('linear_regression', '{}', y, x, z) FROM numbers_a), 'SELECT x AS x1, z AS x2, y FROM update_.numbers_b', validation => '{"split": "none"}'), 3.0, 7)
	- ml_predict((SELECT ml_fit('linear_regression', '{}', y, x, z) FROM numbers), 3.0, 7)) < 1e-9 AS equal;

-- continued: more trees
SELECT version FROM ml_train('update_trees', 'a', 'y', 'gradient_boosting', params => '{"n_estimators": 10}');
SELECT version, n_train + n_test AS rows FROM ml_update('update_trees', 'b', params => '{"n_estimators": 5}', validation => '{"test_size": 0.25}');
SELECT max(tree) FROM ml_trees('update_trees@2');
-- retrained: what cannot go on, with the same parameters, preparation, features
SELECT version FROM ml_train('update_logistic', 'SELECT x, z, kind, id, big FROM update_.rows_ WHERE id <= 700', 'big', 'logistic_regression',
	features => ARRAY['x', 'kind'], params => '{"l2": 2}', preprocess => '{"max_categories": 2}', validation => '{"test_size": 0.1}');
SELECT version, n_train, n_test FROM ml_update('update_logistic', 'SELECT x, z, kind, id, big FROM update_.rows_ WHERE id > 300');
SELECT version, parameters ->> 'l2' AS l2, preprocess, validation ->> 'test_size' AS test_size, parent, lineage -> 'arguments' ->> 'method' AS method,
	   (SELECT string_agg(f ->> 'name', ',') FROM jsonb_array_elements(features) f) AS features
FROM mlaas.versions WHERE name = 'update_logistic' ORDER BY version;

-- errors
\set VERBOSITY terse
SELECT ml_update('update_linear', NULL);
SELECT ml_update(NULL, 'b');
SELECT ml_update('update_lineal', 'b');
SELECT ml_update('update_linear', 'SELECT x, z, y FROM update_.b');
SELECT ml_update('update_linear', 'b', params => '{"l2": 1}');
SELECT ml_update('update_linear', 'b', deploy => 'sometimes');
SELECT version FROM ml_ensemble('update_ensemble', ARRAY['update_linear', 'update_trees']);
SELECT ml_update('update_ensemble', 'b');
BEGIN READ ONLY;
SELECT ml_update('update_linear', 'b');
ROLLBACK;
-- a model with more columns than a state is kept for
CREATE TABLE wide AS SELECT array_agg(((i * 31 + j * 17) % 97) / 10.0 + j * i % 7) AS v, i % 10 + i / 40.0 AS y
FROM generate_series(1, 200) i, generate_series(1, 130) j GROUP BY i;
SELECT version FROM ml_train('update_wide', 'wide', 'y', 'linear_regression');
SELECT ml_continue('update_wide', 'wide');
SELECT version FROM ml_update('update_wide', 'wide');
SELECT lineage -> 'arguments' ->> 'method' AS method FROM mlaas.versions WHERE name = 'update_wide' AND version = 2;

SELECT count(ml_drop(name)) AS dropped FROM mlaas.models WHERE name LIKE 'update\_%';
DROP SCHEMA update_ CASCADE;
