-- Input that is no good, sentence by sentence: an error that says what and where, or a value that is documented.
CREATE SCHEMA bad_input_test;
SET search_path = bad_input_test, public;
\set SHOW_CONTEXT never
\set VERBOSITY terse

CREATE TABLE rows AS
SELECT i AS id, i * 37 % 101 AS n, i * 37 % 101 - 50 AS below_zero, (ARRAY['low', 'mid', 'high'])[i % 3 + 1] AS size, 'g' || i % 4 AS team, 1 AS firm,
	   i * 37 % 101 > 50 AS flag, CASE WHEN i < 3 THEN 'rare' WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS kind, 2.0 * (i * 37 % 101) + i % 7 AS y, date '2026-01-01' + i AS day
FROM generate_series(0, 199) i;
-- what was said, and under which SQLSTATE
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN format('%s %s%s', SQLSTATE, SQLERRM, ' | ' || nullif(hint, ''));
END $$;
CREATE FUNCTION prepared(steps text, algorithm text DEFAULT 'linear_regression', validation text DEFAULT '{}', target text DEFAULT 'y', features text DEFAULT '{n,below_zero,size}', params text DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT said(format('SELECT ml_train(''bad'', ''bad_input_test.rows'', %L, %L, %L, %L, %L, %L)', target, algorithm, features, params, steps, validation))
$$;

-- 1. a step that does not fit its column
SELECT prepared('{"columns": {"below_zero": {"transform": "log1p"}}}');
SELECT prepared('{"columns": {"below_zero": {"transform": "box_cox"}}}');
SELECT prepared('{"columns": {"size": {"scale": "standard"}}}');
SELECT prepared('{"columns": {"size": {"clip": [0.1, 0.9]}}}');
SELECT prepared('{"columns": {"n": {"encode": "one_hot"}}}');
SELECT prepared('{"columns": {"n": {"date": ["hour"]}}}');
-- 2. an unknown step or key
SELECT prepared('{"columns": {"n": {"impuet": "mean"}}}');
SELECT prepared('{"columns": {"n": {"transform": "log"}}}');
SELECT prepared('{"columns": {"m": {"impute": "mean"}}}');
SELECT prepared('{"colums": {}}');
SELECT prepared('{}', validation => '{"test_sise": 0.2}');
SELECT prepared('{}', validation => '{"split": "stratifed"}');
SELECT prepared('{}', validation => '{"group_by": "tema"}');
SELECT prepared('{}', params => '{"l3": 1}');
-- 3. a category order that misses values
SELECT prepared('{"columns": {"size": {"encode": "ordinal", "order": ["low", "mid"]}}}');
SELECT prepared('{"columns": {"size": {"encode": "ordinal", "order": ["low", "mid"], "unseen": -1}}}');
-- 4. folds with too few rows of a class
SELECT prepared('{}', 'logistic_regression', '{"folds": 4}', 'kind');
SELECT said($$SELECT count(*) FROM ml_cross_validate('bad_input_test.rows', 'kind', 'logistic_regression', '{n}', validation => '{"folds": 4}')$$);
SELECT prepared('{}', 'logistic_regression', '{"folds": 3}', 'kind');
-- 5. a group that swallows a side, and groups, times and rows that are too few
SELECT prepared('{}', validation => '{"group_by": "firm"}');
SELECT prepared('{}', validation => '{"group_by": "team", "folds": 5}');
SELECT prepared('{}', validation => '{"group_by": "team", "test_size": 0.99}');
SELECT prepared('{}', validation => '{"order_by": "firm", "folds": 2}');
SELECT prepared('{}', validation => '{"order_by": "day", "after": "2020-01-01"}');
SELECT prepared('{}', validation => '{"folds": 201}');
SELECT prepared('{}', validation => '{"test_size": 200}');
-- 6. a fraction outside (0, 1)
SELECT prepared('{}', validation => '{"test_size": 0}');
SELECT prepared('{}', validation => '{"test_size": 1}');
SELECT prepared('{}', validation => '{"test_size": 1.5}');
SELECT prepared('{}', validation => '{"test_size": -0.2}');
SELECT prepared('{}', validation => '{"sampling": "under", "sampling_ratio": 1.1}', algorithm => 'logistic_regression', target => 'flag');
SELECT prepared('{}', validation => '{"threshold": 1}', algorithm => 'logistic_regression', target => 'flag');
SELECT prepared('{"columns": {"n": {"clip": [-0.1, 0.9]}}}');
SELECT prepared('{"min_frequency": 0.7}');
SELECT said('SELECT ml_split(1, 42, ''{0.8,0.4}'')'), said('SELECT ml_split(1, 42, ''{1.2,-0.2}'')'), said('SELECT ml_split(1, 42, ''{0.5,NaN}'')');
SELECT said(format('SELECT * FROM ml_evaluate(''bad'', ''bad_input_test.rows'', by => NULL, confidence => %L)', c)) FROM unnest('{0,1,1.5,NaN}'::float8[]) c;
-- 7. scores that are all equal: half the area, the share of the positive rows as precision, no distance; curves of one step
SELECT ml_roc_auc(flag, 0.5) AS roc_auc, ml_gini(flag, 0.5) AS gini, ml_ks(flag, 0.5) AS ks, abs(ml_average_precision(flag, 0.5) - avg(flag::int)) < 1e-12 AS average_precision,
	   cardinality(ml_roc_curve(flag, 0.5)) AS roc_points, cardinality(ml_precision_recall_curve(flag, 0.5)) AS precision_points, ml_roc_auc(size, '{"low": 0.3, "mid": 0.3, "high": 0.4}'::jsonb) AS of_classes,
	   (SELECT bool_and(abs(lift - 1) < 1e-12) FROM unnest(ml_lift_curve(flag, 0.5, 4))) AS lift, abs(ml_expected_calibration_error(flag, 0.5) - abs(avg(flag::int) - 0.5)) < 1e-12 AS calibration
FROM rows;
SELECT round(ml_ndcg(n, 1)::numeric, 3) AS ndcg, round(ml_reciprocal_rank(n > 99, 1)::numeric, 4) AS reciprocal_rank, ml_precision_at_k(flag, 1, 10) = avg(flag::int)::float8 AS precision_at_10 FROM rows;
SELECT ml_r2(y, 100.0) < 0 AS r2, ml_explained_variance(y, 100.0) AS explained_variance, ml_mcc(flag, false) AS mcc, ml_cohen_kappa(flag, false) AS kappa, ml_precision(flag, false) AS "precision" FROM rows;
SELECT column_name, other, pearson, spearman FROM ml_correlation('SELECT firm, n FROM bad_input_test.rows');
-- a model whose probabilities are all equal: a threshold for any metric is that probability, or the middle where no cut is better
SELECT name FROM ml_train('equal', 'SELECT firm, firm AS f, flag FROM rows', 'flag', 'baseline', '{firm,f}', validation => '{"threshold": "f1"}');
SELECT metric, round(value::numeric, 3) AS value FROM ml_evaluate('equal', 'SELECT *, firm AS f FROM rows') WHERE metric IN ('roc_auc', 'f1', 'mcc') ORDER BY metric;

SELECT ml_drop('bad') > 0 AS dropped, ml_drop('equal');
SET client_min_messages = warning;
DROP SCHEMA bad_input_test CASCADE;
