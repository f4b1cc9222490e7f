-- How rows are held out: by share, by number, by time, by group, in folds; ml_cross_validate, ml_folds, ml_split.
CREATE SCHEMA crossval_test;
SET search_path = crossval_test, public;
\set SHOW_CONTEXT never

-- 400 visits of 50 customers over 100 days; a customer's visits say much about each other
CREATE TABLE visits AS
SELECT i AS id,
	   'c' || i % 50 AS customer,
	   date '2026-01-01' + i / 4 AS day,
	   (i * 37 % 101)::float8 AS minutes,
	   (i * 53 % 7)::int AS pages,
	   3.0 * (i * 37 % 101) + (i % 50) * 10 AS spent,
	   (i * 37 % 101) + i % 50 > 75 AS bought,
	   CASE i % 10 WHEN 0 THEN 'rare' WHEN 1 THEN 'some' WHEN 2 THEN 'some' ELSE 'many' END AS kind
FROM generate_series(0, 399) i;

-- 1. one part held out

CREATE FUNCTION sides(wanted jsonb, OUT n_train bigint, OUT n_test bigint, OUT stored jsonb) LANGUAGE plpgsql AS $$
BEGIN
	SELECT t.n_train, t.n_test INTO n_train, n_test
	FROM ml_train('visits', 'visits', 'spent', 'linear_regression', '{minutes,pages}', validation => wanted) t;
	SELECT v.validation INTO stored FROM mlaas.versions v WHERE v.name = 'visits' ORDER BY v.version DESC LIMIT 1;
END $$;
SELECT * FROM sides('{}');
SELECT * FROM sides('{"test_size": 50}');
SELECT * FROM sides('{"split": "random", "test_size": 7, "seed": 1}');
SELECT * FROM sides('{"order_by": "day", "test_size": 0.1}');
SELECT * FROM sides('{"order_by": "day", "test_size": 4}');
SELECT * FROM sides('{"order_by": "day", "after": "2026-03-02"}');
SELECT * FROM sides('{"order_by": "id", "after": 390}');
SELECT * FROM sides('{"group_by": "customer"}');
SELECT * FROM sides('{"split": "group", "group_by": "customer", "test_size": 100, "seed": 3}');
-- of one huge group and small ones the small ones are held out
SELECT n_train, n_test FROM ml_train('huge', 'SELECT *, CASE WHEN id < 380 THEN 0 ELSE id END AS firm FROM visits', 'spent',
									 'linear_regression', '{minutes}', validation => '{"group_by": "firm"}');
-- the group is no feature unless it is named
SELECT n_train FROM ml_train('all', 'SELECT minutes, customer, spent FROM visits', 'spent', validation => '{"group_by": "customer"}');
SELECT f->>'name' AS feature FROM mlaas.versions v, jsonb_array_elements(v.features) f WHERE v.name = 'all';

-- 2. folds

SELECT repeat, fold, n_train, n_test, count(*) AS metrics, bool_and(value IS NOT NULL) AS have_values
FROM ml_cross_validate('visits', 'spent', 'linear_regression', '{minutes,pages}') GROUP BY 1, 2, 3, 4 ORDER BY 1, 2;
-- as many rows of each class as can be
SELECT fold, n_train, n_test FROM ml_cross_validate('visits', 'kind', 'logistic_regression', '{minutes,pages}', validation => '{"folds": 4}')
WHERE metric = 'accuracy' ORDER BY fold;
-- by hand: what a model without the fold's rows shows on them
CREATE TABLE folds AS SELECT * FROM ml_cross_validate('visits', 'spent', 'linear_regression', '{minutes,pages}',
	validation => '{"order_by": "day", "folds": 3}');
SELECT fold, n_train, n_test FROM folds WHERE metric = 'rmse' ORDER BY fold;
SELECT f.fold, abs(f.value - (t.metrics->>'rmse')::float8) < 1e-9 AS same
FROM folds f, LATERAL (VALUES (1, '2026-01-26', '2026-02-20'), (2, '2026-02-20', '2026-03-17'), (3, '2026-03-17', '2027-01-01')) AS p(fold, from_day, to_day),
	LATERAL ml_train('fold' || p.fold, format('SELECT minutes, pages, spent, day FROM visits WHERE day < %L', p.to_day), 'spent', 'linear_regression',
					 '{minutes,pages}', validation => jsonb_build_object('order_by', 'day', 'after', p.from_day)) t
WHERE f.metric = 'rmse' AND p.fold = f.fold ORDER BY f.fold;
-- groups stay whole, so a model that knows the customer looks worse, as it is
SELECT round(avg(value) FILTER (WHERE grouped)) > 2 * round(avg(value) FILTER (WHERE NOT grouped)) AS groups_matter
FROM (SELECT true AS grouped, value FROM ml_cross_validate('visits', 'spent', 'linear_regression', '{customer,minutes}', validation => '{"group_by": "customer"}') WHERE metric = 'rmse'
	  UNION ALL SELECT false, value FROM ml_cross_validate('visits', 'spent', 'linear_regression', '{customer,minutes}') WHERE metric = 'rmse') x;
SELECT sum(n_test) AS each_row_once, max(n_test) - min(n_test) < 10 AS balanced
FROM ml_cross_validate('visits', 'spent', 'linear_regression', '{minutes}', validation => '{"group_by": "customer", "folds": 7}') WHERE metric = 'mae';
-- repeated, with other folds each time; the same call gives the same
SELECT count(*), count(DISTINCT value) > 6 AS differ, count(DISTINCT repeat) AS repeats
FROM ml_cross_validate('visits', 'bought', 'logistic_regression', '{minutes,pages}', validation => '{"folds": 4, "repeats": 3}') WHERE metric = 'roc_auc';
SELECT count(*) FROM (
	SELECT * FROM ml_cross_validate('visits', 'bought', 'gradient_boosting', '{minutes,pages}', '{"n_estimators": 5}', validation => '{"folds": 3, "seed": 9}')
	EXCEPT SELECT * FROM ml_cross_validate('SELECT * FROM visits ORDER BY id DESC', 'bought', 'gradient_boosting', '{minutes,pages}', '{"n_estimators": 5}', validation => '{"folds": 3, "seed": 9}')) x;
SELECT count(*) AS stored FROM mlaas.models WHERE name LIKE 'ml_cross%';

-- 3. a model with folds: it learns from all rows, its metrics are the means

CREATE TABLE trained AS SELECT * FROM ml_train('folded', 'visits', 'bought', 'logistic_regression', '{minutes,pages}', validation => '{"folds": 4, "repeats": 2}');
SELECT n_train, n_test FROM trained;
SELECT validation FROM mlaas.versions WHERE name = 'folded';
SELECT count(*), min(fold), max(fold), max(repeat), min(n_test), max(n_test) FROM ml_folds('folded') WHERE metric = 'log_loss';
SELECT bool_and(abs(f.mean - (t.metrics->>f.metric)::float8) < 1e-12) AS means
FROM trained t, (SELECT metric, avg(value) AS mean FROM ml_folds('folded') GROUP BY metric) f;
SELECT (d->'training'->>'metrics_on') AS metrics_on, abs((d->'training'->'metrics_sd'->>'log_loss')::float8 - f.sd) < 1e-12 AS deviation
FROM ml_describe('folded') d, (SELECT stddev(value) AS sd FROM ml_folds('folded') WHERE metric = 'log_loss') f;
SELECT count(*) FROM (SELECT * FROM ml_cross_validate('visits', 'bought', 'logistic_regression', '{minutes,pages}', validation => '{"folds": 4, "repeats": 2}')
					  EXCEPT SELECT * FROM ml_folds('folded')) x;
SELECT count(*) FROM (SELECT * FROM ml_folds('folded') EXCEPT SELECT * FROM ml_folds(ml_model('folded'))) x;
SELECT ml_model('folded')::text::ml_model::text = ml_model('folded')::text AS round_trip;
-- it is the model of all rows
SELECT version FROM ml_train('folded', 'visits', 'bought', 'logistic_regression', '{minutes,pages}', validation => '{"split": "none"}');
SELECT count(*) FROM visits v WHERE ml_probability('folded@1', 'true', v) IS DISTINCT FROM ml_probability('folded@2', 'true', v);
SELECT count(*) AS none FROM ml_folds('folded@2');

-- 4. errors

SELECT * FROM sides('{"test_size": 1}');
SELECT * FROM sides('{"test_size": 2.5}');
SELECT * FROM sides('{"test_size": 0}');
SELECT * FROM sides('{"test_size": 400}');
SELECT * FROM sides('{"folds": 1}');
SELECT * FROM sides('{"folds": 401}');
SELECT * FROM sides('{"folds": 5, "test_size": 0.2}');
SELECT * FROM sides('{"repeats": 2}');
SELECT * FROM sides('{"folds": 5, "repeats": 2, "group_by": "customer"}');
SELECT * FROM sides('{"folds": 51, "group_by": "customer"}');
SELECT * FROM sides('{"split": "group"}');
SELECT * FROM sides('{"split": "none", "folds": 3}');
SELECT * FROM sides('{"order_by": "day", "after": "2026-03-02", "test_size": 0.1}');
SELECT * FROM sides('{"order_by": "day", "after": "yesterday or so"}');
SELECT * FROM sides('{"order_by": "day", "after": "infinity"}');
SELECT * FROM sides('{"order_by": "day", "after": "2025-01-01"}');
SELECT * FROM sides('{"order_by": "day", "after": "2027-01-01"}');
SELECT * FROM sides('{"order_by": "day", "folds": 100}');
SELECT * FROM sides('{"after": "2026-01-01"}');
SELECT * FROM sides('{"group_by": "custome"}');
SELECT * FROM sides('{"group": "customer"}');
SELECT n_test FROM ml_train('one', 'SELECT minutes, spent, 1 AS firm FROM visits', 'spent', validation => '{"group_by": "firm"}');
SELECT n_test FROM ml_train('nulls', 'SELECT minutes, spent, nullif(customer, ''c1'') AS firm FROM visits', 'spent', validation => '{"group_by": "firm"}');
SELECT n_test FROM ml_train('arrays', 'SELECT minutes, spent, ARRAY[id] AS ids FROM visits', 'spent', validation => '{"group_by": "ids"}');
SELECT count(*) FROM ml_cross_validate('SELECT * FROM visits WHERE kind <> ''rare'' OR id < 30', 'kind', 'logistic_regression', '{minutes}');
SELECT count(*) FROM ml_cross_validate('visits', 'spent', validation => '{"test_size": 0.2}');
SELECT count(*) FROM ml_cross_validate('visits', 'spent', validation => '{"column": "bought"}');
SELECT count(*) FROM ml_cross_validate('visits', 'spend');
SELECT count(*) FROM ml_cross_validate('visits', NULL);
SELECT count(*) FROM ml_cross_validate(NULL, 'spent');
SELECT count(*) FROM ml_cross_validate('SELECT * FROM visits WHERE false', 'spent');
SELECT count(*) FROM ml_cross_validate('visits', NULL, 'isolation_forest', '{minutes}');

-- a class that one fold alone has: that fold learns from two classes and has metrics of its own, the others do not lack any
CREATE TABLE uneven AS SELECT minutes, CASE WHEN id = 7 THEN 'once' WHEN minutes > 30 THEN 'long' ELSE 'short' END AS kind FROM visits;
SELECT metrics AS means FROM ml_train('uneven', 'uneven', 'kind', 'decision_tree', validation => '{"split": "random", "folds": 3}') \gset
SELECT metric, count(*) AS folds, bool_and(abs(mean - (:'means'::jsonb ->> metric)::float8) < 1e-12) AS mean_of_folds
FROM (SELECT metric, avg(value) OVER (PARTITION BY metric) AS mean FROM ml_folds('uneven')) f GROUP BY metric ORDER BY metric;

-- copies: a row is one of four, and what is held out is like the rest
CREATE TABLE copies AS SELECT i % 2 = 0 AS x, (i % 2 = 0) = (i % 5 > 0) AS y FROM generate_series(1, 5000) i;
SELECT bool_and(abs((m.metrics ->> 'accuracy')::float8 - 0.8) < 0.04) AS accuracy_of_all
FROM generate_series(1, 5) s, LATERAL ml_train('copies', 'copies', 'y', 'logistic_regression', validation => jsonb_build_object('seed', s)) m;
SELECT bool_and(abs((m.metrics ->> 'accuracy')::float8 - 0.8) < 0.05) AS sampled_too
FROM unnest('{under,over}'::text[]) s, LATERAL ml_train('copies', 'copies', 'y', 'logistic_regression', validation => jsonb_build_object('sampling', s)) m;
SELECT version FROM ml_train('copies', 'SELECT * FROM copies ORDER BY x, y', 'y', 'logistic_regression', validation => '{"seed": 1}') \gset
SELECT ml_describe('copies@1') #> '{training,metrics,accuracy}' = ml_describe('copies@' || :version) #> '{training,metrics,accuracy}' AS in_any_order;

-- 5. ml_split: parts of a table by key

SELECT ml_split(1), ml_split(1::smallint), ml_split('a'), ml_split('00000000-0000-0000-0000-000000000001'::uuid), ml_split(NULL::bigint) IS NULL AS of_null;
SELECT part, abs(count(*) - 100000 * CASE part WHEN 1 THEN 0.7 WHEN 2 THEN 0.2 ELSE 0.1 END) < 500 AS share
FROM (SELECT ml_split(i, 7, '{0.7,0.2,0.1}') AS part FROM generate_series(1, 100000) i) x GROUP BY part ORDER BY part;
SELECT abs(count(*) FILTER (WHERE ml_split(i::text) = 1) - 8000) < 200 AS texts,
	   abs(count(*) FILTER (WHERE ml_split(i, 1) = 1 AND ml_split(i, 2) = 1) - 6400) < 200 AS seeds_are_independent
FROM generate_series(1, 10000) i;
-- for ever the same
SELECT string_agg(ml_split(i)::text, '' ORDER BY i) FROM generate_series(1, 60) i;
CREATE INDEX ON visits (ml_split(id::bigint));
SELECT ml_split(1, 42, '{0.5,0.6}');
SELECT ml_split(1, 42, '{1.5,-0.5}');
SELECT ml_split(1, 42, '{1}');
SELECT ml_split(1, 42, '{0.5,NULL}');

DO $$ DECLARE m text; BEGIN FOR m IN SELECT name FROM mlaas.models WHERE name IN ('visits', 'huge', 'all', 'folded', 'one', 'nulls', 'arrays', 'fold1', 'fold2', 'fold3', 'uneven', 'copies')
	LOOP PERFORM ml_drop(m); END LOOP; END $$;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA crossval_test CASCADE;
