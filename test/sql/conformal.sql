-- Conformal prediction: ml_predict_interval, ml_predict_set.
CREATE SCHEMA conformal_test;
SET search_path = conformal_test, public;

-- noise that is skewed and repeatable; what is learned from and what coverage is measured on
CREATE TABLE seen AS
SELECT i, x, 5 * x + exp(1.5 * noise) AS y,
	   CASE WHEN x / 10 + noise / 3 < 0.4 THEN 'low' WHEN x / 10 + noise / 3 < 0.7 THEN 'mid' ELSE 'high' END AS level
FROM (SELECT i, 5 + hashint4(i) / 429496729.6 AS x, hashint4(i + 1000000) / 2147483648.0::float8 AS noise FROM generate_series(1, 12000) i) n;
CREATE VIEW learn AS SELECT x, y, level FROM seen WHERE i <= 6000;
CREATE VIEW fresh AS SELECT x, y, level FROM seen WHERE i > 6000;

-- 1. numbers: with 2,400 and 6,000 rows the standard error of a coverage is below 0.01

SELECT n_train, n_test FROM ml_train('interval', 'SELECT x, y FROM learn', 'y', 'linear_regression', validation => '{"test_size": 0.4}');
SELECT coverage, abs(avg((f.y BETWEEN p.low AND p.high)::int) - coverage) < 0.02 AS as_asked,
	   avg(p.high - p.prediction) > avg(p.prediction - p.low) AS skew_is_followed
FROM (VALUES (0.8), (0.9), (0.95), (0.99)) AS c(coverage), fresh f, LATERAL ml_predict_interval('interval', coverage, f) p
GROUP BY coverage ORDER BY coverage;
-- by hand: quantiles of the errors on the rows held out; the same by value and whatever the form of the features
SELECT count(*) FROM (SELECT (ml_predict_interval('interval', 0.9, f)).* FROM fresh f EXCEPT ALL
					  SELECT (ml_predict_interval(ml_model('interval'), 0.9, x)).* FROM fresh) x;
SELECT bool_and(p.prediction = ml_predict('interval', f)) AS prediction FROM fresh f, LATERAL ml_predict_interval('interval', 0.9, f) p;
-- too few rows for the coverage
SELECT n_test FROM ml_train('few', 'SELECT x, y FROM learn LIMIT 100', 'y', 'linear_regression', validation => '{"test_size": 10}');
SELECT p.low, p.high FROM ml_predict_interval('few', 0.9, 1.0) p;
SELECT p.low > '-infinity' AS low, p.high < 'infinity' AS high FROM ml_predict_interval('few', 0.8, 1.0) p;
SELECT ml_predict_interval('few', NULL, 1.0) IS NULL AS of_null, ml_predict_interval(NULL::text, 0.9, 1.0) IS NULL AS without_a_model;

-- 2. classes, where equal probabilities may make a set larger than it must be

SELECT n_train, n_test FROM ml_train('set', 'SELECT x, level FROM learn', 'level', 'gradient_boosting', params => '{"n_estimators": 30}',
									 validation => '{"test_size": 0.4}');
SELECT coverage, abs(avg((f.level = ANY (s))::int) - coverage) < 0.02 AS as_asked, round(avg(cardinality(s)), 1) AS classes
FROM (VALUES (0.7), (0.9), (0.95)) AS c(coverage), fresh f, LATERAL ml_predict_set('set', coverage, f) s
GROUP BY coverage ORDER BY coverage;
SELECT bool_and(cardinality(s) = 0 OR s[1] = ml_predict_label('set', f)) AS most_probable_first
FROM fresh f, LATERAL ml_predict_set('set', 0.95, f) s;
SELECT count(*) FROM fresh f WHERE ml_predict_set('set', 0.9, f) <> ml_predict_set(ml_model('set'), 0.9, f.x);
SELECT ml_predict_set('set', 0.999999, 5.0) @> '{low,mid,high}' AS all_of_them;

-- few values: many rows have the very score that bounds a coverage, and are within
CREATE TABLE steps AS SELECT hashint4(i + 2000000) & 3 AS x, (hashint4(i) & 7) / 7.0::float8 AS y, 'k' || least(hashint4(i) & 3, hashint4(i + 2000000) & 3) AS k, i
FROM generate_series(1, 8000) i;
SELECT n_test FROM ml_train('steps', 'SELECT x, y FROM steps WHERE i <= 4000', 'y', 'decision_tree', params => '{"max_depth": 1}', validation => '{"test_size": 0.5}');
SELECT n_test FROM ml_train('kinds', 'SELECT x, k FROM steps WHERE i <= 4000', 'k', 'decision_tree', params => '{"max_depth": 2}', validation => '{"test_size": 0.5}');
SELECT coverage, avg((s.y BETWEEN p.low AND p.high)::int) > coverage - 0.03 AS of_numbers,
	   avg((s.k = ANY (ml_predict_set('kinds', coverage, s.x)))::int) > coverage - 0.03 AS of_classes
FROM (VALUES (0.5), (0.6), (0.7), (0.8), (0.9)) AS c(coverage), steps s, LATERAL ml_predict_interval('steps', coverage, s.x) p
WHERE s.i > 4000 GROUP BY coverage ORDER BY coverage;

-- 3. folds: every row is learned from and every row calibrates

SELECT n_train, n_test FROM ml_train('folded interval', 'SELECT x, y FROM learn', 'y', 'linear_regression', validation => '{"folds": 4}');
SELECT abs(avg((f.y BETWEEN p.low AND p.high)::int) - 0.9) < 0.02 AS as_asked
FROM fresh f, LATERAL ml_predict_interval('folded interval', 0.9, f) p;

-- 4. the calibration travels with the value, and what changes the model takes it away

SELECT ml_predict_interval(ml_model('interval')::text::ml_model, 0.9, 3.0) = ml_predict_interval('interval', 0.9, 3.0) AS in_text_too;
SELECT parent_version FROM ml_truncate('set', 10);
SELECT ml_predict_set('set@2', 0.9, 3.0);

-- 5. errors

SELECT ml_predict_interval('set', 0.9, 3.0);
SELECT ml_predict_set('interval', 0.9, 3.0);
SELECT ml_predict_interval('interval', 0, 3.0);
SELECT ml_predict_interval('interval', 1, 3.0);
SELECT ml_predict_interval('interval', 'NaN', 3.0);
SELECT ml_predict_interval('interval', 0.9);
SELECT ml_predict_interval('no such model', 0.9, 3.0);
SELECT ml_predict_interval((SELECT ml_fit('linear_regression', '{}', y, x) FROM learn), 0.9, 3.0);
SELECT n_test FROM ml_train('all rows', 'SELECT x, y FROM learn', 'y', 'linear_regression', validation => '{"split": "none"}');
SELECT ml_predict_interval('all rows', 0.9, 3.0);
SELECT replace(ml_model('few')::text, '"calibration": {"n": 10', '"calibration": {"n": 11')::ml_model IS NOT NULL AS opens;
SELECT ml_predict_interval(replace(ml_model('few')::text, '"calibration": {"n": 10', '"calibration": {"n": 11')::ml_model, 0.5, 1.0);

SELECT ml_drop('interval'), ml_drop('few'), ml_drop('set'), ml_drop('folded interval'), ml_drop('all rows'), ml_drop('steps'), ml_drop('kinds');
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA conformal_test CASCADE;
