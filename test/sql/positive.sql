-- The class of two that matters: by default the second in order, else the one that "positive" of validation names.
CREATE SCHEMA positive_test;
SET search_path = positive_test, public;
\set SHOW_CONTEXT never

CREATE TABLE claims AS
SELECT i AS id, a, b, CASE WHEN a + noise > 0.6 THEN 'bad' ELSE 'good' END AS status, a + noise > 0.6 AS wrong, (a + noise > 0.6)::int + 3 AS code,
	   CASE WHEN a + noise > 0.9 THEN 'high' WHEN a + noise > 0 THEN 'mid' ELSE 'low' END AS level
FROM (SELECT i, hashint4(i) / 2147483648.0 AS a, hashint4(i + 7000) / 2147483648.0 AS b, hashint4(i + 20000) / 4294967296.0 AS noise
	  FROM generate_series(1, 2000) i) x;
CREATE FUNCTION classes(name text, target text, validation jsonb, algorithm text = 'logistic_regression') RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train(name, 'claims', target, algorithm, '{a,b}', validation => validation, deploy => 'always');
	RETURN ml_describe(name)->'classes';
END $$;

-- 1. the order, for every kind of target

SELECT classes('plain', 'status', '{}'), classes('bad', 'status', '{"positive": "bad"}'), classes('good', 'status', '{"positive": "good"}');
SELECT classes('flag', 'wrong', '{"positive": false}'), classes('flag', 'wrong', '{"positive": "true"}');
SELECT classes('code', 'code', '{"positive": 3}'), classes('code', 'code', '{"positive": "4"}'), classes('code', 'code', '{"positive": 3.0}');
SELECT validation FROM mlaas.versions WHERE name IN ('bad', 'flag') ORDER BY name, version;
-- numbers and booleans stay what they are
SELECT classes('flag', 'wrong', '{"positive": false}'), classes('code', 'code', '{"positive": 3}');
SELECT count(*) FROM claims c WHERE (ml_predict('flag', c) = 1) <> (ml_predict_label('flag', c) = 'true') OR ml_predict('code', c)::text <> ml_predict_label('code', c);

-- 2. the same model but for the order: labels and probabilities are the same, the metrics of one class are those of the other

SELECT count(*) FILTER (WHERE ml_predict_label('plain', c) <> ml_predict_label('bad', c)) AS labels,
	   count(*) FILTER (WHERE abs(ml_probability('plain', 'bad', c) - ml_probability('bad', 'bad', c)) > 1e-9) AS probabilities
FROM claims c;
CREATE VIEW judged AS SELECT status, ml_predict_label('bad', c) AS label, ml_probability('bad', 'bad', c) AS p FROM claims c;
SELECT metric, abs(e.value - w.value) < 1e-9 AS right
FROM ml_evaluate('bad', 'claims') e
JOIN (SELECT 'precision' AS metric, avg((status = 'bad')::int) FILTER (WHERE label = 'bad') AS value FROM judged
	  UNION ALL SELECT 'recall', avg((label = 'bad')::int) FILTER (WHERE status = 'bad') FROM judged
	  UNION ALL SELECT 'f1', ml_f1(status = 'bad', label = 'bad') FROM judged
	  UNION ALL SELECT 'average_precision', ml_average_precision(status = 'bad', p) FROM judged
	  UNION ALL SELECT 'roc_auc', ml_roc_auc(status = 'bad', p) FROM judged) w USING (metric) ORDER BY 1;
SELECT metric, abs(b.value - p.value) < 1e-9 AS same FROM ml_evaluate('bad', 'claims') b JOIN ml_evaluate('plain', 'claims') p USING (metric) ORDER BY 1;
-- coefficients, contributions and what a tree's leaves say are of that class
SELECT DISTINCT class FROM ml_coefficients('bad');
SELECT feature, sign(contribution) FROM ml_explain('bad', '{"a": 0.9, "b": 0}'::jsonb) WHERE feature = 'a';
SELECT classes('tree', 'status', '{"positive": "bad"}', 'decision_tree') AS tree, classes('boost', 'status', '{"positive": "bad"}', 'gradient_boosting') AS boost,
	   classes('forest', 'status', '{"positive": "bad"}', 'random_forest') AS forest;
SELECT DISTINCT class FROM ml_trees('tree');
SELECT bool_and(abs(ml_probability(m, 'bad', '{"a": 0.9, "b": 0}'::jsonb) + ml_probability(m, 'good', '{"a": 0.9, "b": 0}'::jsonb) - 1) < 1e-12) AS sums,
	   bool_and(ml_probability(m, 'bad', '{"a": 0.9, "b": 0}'::jsonb) > 0.5) AS bad
FROM unnest('{bad,tree,boost,forest}'::text[]) m;
SELECT value < 0.1 AS small FROM ml_importance('boost', 'permutation', 'claims', '{"metric": "average_precision", "n_repeats": 1}') i, LATERAL (SELECT importance AS value) v WHERE feature = 'b';
-- sets of classes hold what they promise
SELECT avg((status = ANY (ml_predict_set('bad', 0.9, c)))::int) > 0.85 AS covered FROM claims c;

-- 3. a threshold is that of this class, given or chosen, with folds too

SELECT classes('early', 'status', '{"positive": "bad", "threshold": 0.2}');
SELECT count(*) FROM claims c WHERE (ml_probability('early', 'bad', c) >= 0.2) <> (ml_predict_label('early', c) = 'bad');
SELECT (ml_predict_json('early', '{"a": 0.5, "b": 0}') ->> 'label') = ml_predict_label('early', 0.5, 0.0) AS json;
SELECT classes('folded', 'status', '{"positive": "bad", "threshold": "f1", "folds": 3}');
SELECT (SELECT value FROM ml_evaluate('folded', 'claims') WHERE metric = 'f1') > 0.6 AS decides;
SELECT count(DISTINCT metric) FROM ml_cross_validate('claims', 'status', 'logistic_regression', '{a,b}', validation => '{"positive": "bad", "folds": 3}') WHERE metric = 'recall';
SELECT (SELECT avg(value) FROM ml_cross_validate('claims', 'status', 'logistic_regression', '{a,b}', validation => '{"positive": "bad", "folds": 3}') WHERE metric = 'recall')
	   < (SELECT avg(value) FROM ml_cross_validate('claims', 'status', 'logistic_regression', '{a,b}', validation => '{"folds": 3}') WHERE metric = 'recall') AS of_the_rare_class;

-- 4. it travels: dumps, updates, copies, ensembles, training again

SELECT ml_describe(ml_model('bad')::text::ml_model)->'classes' AS value;
SELECT name FROM ml_update('boost', 'claims', '{"n_estimators": 5}', deploy => 'always');
SELECT name FROM ml_update('bad', 'claims', deploy => 'always');
SELECT ml_describe('boost')->'classes' AS continued, ml_describe('bad')->'classes' AS retrained;
SELECT identical FROM ml_reproduce('bad@1');
SELECT avg((label = status)::int) > 0.8 AS out_of_bag FROM ml_oob_predict('forest', 'claims', 'id') JOIN claims ON id = key::int;
SELECT name FROM ml_ensemble('both', '{bad,boost}');
-- what is learned above the members has a positive class of its own
SELECT name FROM ml_ensemble('stacked', '{bad,plain}', 'stacking', source => 'SELECT * FROM claims WHERE id > 1500', validation => '{"positive": "bad"}');
SELECT ml_describe('stacked')->'classes' AS stacked, ml_probability('stacked', 'bad', '{"a": 0.9, "b": 0}'::jsonb) > 0.5 AS bad;
SELECT ml_describe('both')->'classes' AS ensemble, (SELECT round(value::numeric, 6) = round(ml_recall(status = 'bad', ml_predict_label('both', c) = 'bad')::numeric, 6)
	FROM ml_evaluate('both', 'claims') WHERE metric = 'recall' GROUP BY value) AS recall FROM claims c GROUP BY 1;
SELECT version, deployed FROM ml_train('bad', 'claims', 'status', 'gradient_boosting', '{a,b}', validation => '{"positive": "bad"}', deploy => 'never');
SELECT metric FROM ml_deploy('bad', 3, strategy => 'if_better');

-- 5. what cannot be is said

SELECT classes('x', 'status', '{"positive": "evil"}');
\echo :LAST_ERROR_SQLSTATE
SELECT classes('x', 'level', '{"positive": "high"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('x', 'claims', 'id', 'linear_regression', '{a,b}', validation => '{"positive": "high"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('x', 'claims', 'id', features => '{a,b}', validation => '{"positive": "high", "split": "none"}');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT classes('x', 'status', '{"positive": null}');
SELECT classes('x', 'status', '{"positive": ["bad"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('x', 'claims', algorithm => 'isolation_forest', features => '{a,b}', validation => '{"positive": "bad"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('x', 'claims', algorithm => 'isolation_forest', features => '{a,b}', validation => '{"threshold": 0.2}');
\set VERBOSITY default
SELECT ml_continue('boost', 'claims', '{"n_estimators": 5}', validation => '{"positive": "good"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_ensemble('x', '{bad,plain}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_compare('{bad,plain}', 'claims');
\echo :LAST_ERROR_SQLSTATE
SELECT version, deployed FROM ml_train('bad', 'claims', 'status', 'logistic_regression', '{a,b}', deploy => 'if_better');

SELECT sum(ml_drop(name)) > 0 AS dropped FROM mlaas.models WHERE name IN ('plain', 'bad', 'good', 'flag', 'code', 'tree', 'boost', 'forest', 'early', 'folded', 'both', 'stacked');
\set VERBOSITY terse
DROP SCHEMA positive_test CASCADE;
