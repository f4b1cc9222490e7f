-- What a model is judged by: weights in thresholds and calibrations, rows that were seen, leaks in large tables, times
-- under any settings, folds that lack a class, profiles of long numbers.
CREATE SCHEMA judging_test;
SET search_path = judging_test, public;
\set SHOW_CONTEXT never

-- 1. weights

-- what counts little is noisy, what counts much is not; a repeatable noise
CREATE TABLE weighed AS
SELECT i, x, x * 3 + CASE WHEN i % 2 = 0 THEN noise ELSE 10 * noise END AS y, CASE WHEN i % 2 = 0 THEN 4.0 ELSE 1.0 END AS w, 2.5 AS even,
	   x + noise * 2 > CASE WHEN i % 2 = 0 THEN 0.5 ELSE -0.5 END AS bought
FROM (SELECT i, hashint4(i) / 2147483648.0::float8 AS x, hashint4(i + 1000000) / 2147483648.0::float8 AS noise FROM generate_series(1, 12000) i) n;
CREATE VIEW learn AS SELECT x, y, w, even, bought FROM weighed WHERE i <= 6000;
CREATE VIEW fresh AS SELECT x, y, w, bought FROM weighed WHERE i > 6000;

-- of intervals: rows count as their weights do, on rows held out and in folds
SELECT name FROM ml_train('plain', 'learn', 'y', 'linear_regression', '{x}', validation => '{"test_size": 0.4}');
SELECT name FROM ml_train('weighed', 'learn', 'y', 'linear_regression', '{x}', weight => 'w', validation => '{"test_size": 0.4}');
SELECT name FROM ml_train('folded', 'learn', 'y', 'linear_regression', '{x}', weight => 'w', validation => '{"folds": 4}');
SELECT m AS model, coverage, abs(avg((f.y BETWEEN p.low AND p.high)::int) - coverage) < 0.02 AS of_rows,
	   abs(sum(w * (f.y BETWEEN p.low AND p.high)::int) / sum(w) - coverage) < 0.02 AS of_weight
FROM unnest('{plain,weighed,folded}'::text[]) m, (VALUES (0.7), (0.9)) AS c(coverage), fresh f, LATERAL ml_predict_interval(m, coverage, f) p
GROUP BY 1, 2 ORDER BY 1 DESC, 2;
-- by hand: the least error that the share of the weight does not pass, of so many rows and one more of average weight
SELECT name FROM ml_train('hand', 'SELECT *, i > 5500 AS h FROM weighed WHERE i <= 6000', 'y', 'linear_regression', '{x}', weight => 'w', validation => '{"column": "h"}');
SELECT bool_and(abs(p.high - p.prediction - e.high) < 1e-5) AS high, bool_and(abs(p.low - p.prediction - e.low) < 1e-5) AS low
FROM (VALUES (0.8), (0.9)) AS c(coverage), LATERAL ml_predict_interval('hand', coverage, 0.5) p, LATERAL (
	SELECT min(error) FILTER (WHERE through >= 501 * (1 + coverage) / 2) AS high, max(error) FILTER (WHERE through - own <= 501 * (1 - coverage) / 2 - 1) AS low
	FROM (SELECT error, w / avg(w) OVER () AS own, sum(w) OVER (ORDER BY error) / avg(w) OVER () AS through
		  FROM (SELECT y - ml_predict('hand', r) AS error, w FROM weighed r WHERE i BETWEEN 5501 AND 6000) r) s) e;
-- weights that are all the same are none, and rows of no weight are not there
SELECT name FROM ml_train('even', 'SELECT *, i > 5500 AS h FROM weighed WHERE i <= 6000', 'y', 'linear_regression', '{x}', weight => 'even', validation => '{"column": "h"}');
SELECT name FROM ml_train('none', 'SELECT *, i > 5500 AS h FROM weighed WHERE i <= 6000', 'y', 'linear_regression', '{x}', validation => '{"column": "h"}');
SELECT name FROM ml_train('half', 'SELECT x, y, i > 4500 AS h, (i % 2)::int AS w FROM weighed WHERE i <= 6000', 'y', 'linear_regression', '{x}', weight => 'w', validation => '{"column": "h"}');
SELECT name FROM ml_train('odd', 'SELECT x, y, i > 4500 AS h FROM weighed WHERE i <= 6000 AND i % 2 = 1', 'y', 'linear_regression', '{x}', validation => '{"column": "h"}');
SELECT a, b, bool_and(abs(p.low - q.low) < 1e-6 AND abs(p.high - q.high) < 1e-6) AS same
FROM (VALUES ('even', 'none'), ('half', 'odd')) AS m(a, b), unnest('{0.5,0.9,0.99}'::float8[]) c, LATERAL ml_predict_interval(a, c, 0.25) p, LATERAL ml_predict_interval(b, c, 0.25) q GROUP BY a, b ORDER BY a;
-- of sets of classes
SELECT name FROM ml_train('classes', 'learn', 'bought', 'gradient_boosting', '{x}', '{"n_estimators": 20}', weight => 'w', validation => '{"test_size": 0.4}');
SELECT coverage, sum(w * (f.bought::text = ANY (ml_predict_set('classes', coverage, f)))::int) / sum(w) BETWEEN coverage - 0.03 AND coverage + 0.04 AS of_weight
FROM (VALUES (0.8), (0.9)) AS c(coverage), fresh f GROUP BY coverage ORDER BY coverage;
-- they travel with the model, and no others do
SELECT ml_predict_interval(ml_model('weighed')::text::ml_model, 0.9, 0.1) = ml_predict_interval('weighed', 0.9, 0.1) AS in_text_too;
SELECT name FROM ml_train('few', 'SELECT * FROM weighed WHERE i <= 100', 'y', 'linear_regression', '{x}', weight => 'w');
SELECT ml_predict_interval(replace(ml_model('few')::text, '"below": {"$f64": [0.0', '"below": {"$f64": [1e9')::ml_model, 0.5, 0.1);

-- of thresholds, with folds as without: a model that learned by weights is near one half by weights, far from it by rows
CREATE TABLE chance AS SELECT x, x > noise AS t, CASE WHEN x > noise THEN 9.0 ELSE 1.0 END AS w
FROM (SELECT hashint4(i) / 2147483648.0::float8 AS x, hashint4(i + 1000000) / 2147483648.0::float8 AS noise FROM generate_series(1, 6000) i) n;
CREATE FUNCTION threshold(weight text, validation jsonb) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train('threshold', 'judging_test.chance', 't', 'logistic_regression', '{x}', weight => threshold.weight, validation => threshold.validation, deploy => 'always');
	RETURN ml_describe('threshold') #>> '{training,decision,threshold}';
END $$;
SELECT validation, abs(threshold(NULL, validation) - 0.5) < 0.2 AS rows, abs(threshold('w', validation) - 0.5) < 0.2 AS weights FROM (VALUES ('{"threshold": "accuracy"}'::jsonb), ('{"threshold": "accuracy", "folds": 3}')) AS v(validation);

-- of a deployment that depends on the rows held out: as the training measured it
SELECT name FROM ml_train('better', 'learn', 'y', 'baseline', '{x}', weight => 'w');
CREATE TABLE second AS SELECT * FROM ml_train('better', 'learn', 'y', 'linear_regression', '{x}', weight => 'w', validation => '{"test_size": 0.4}', deploy => 'if_better');
SELECT deployed, abs((h.detail ->> 'value')::float8 - (s.metrics ->> 'rmse')::float8) < 1e-9 AS as_measured, h.detail ->> 'rows' AS rows
FROM second s, mlaas.history h WHERE h.name = 'better' AND h.detail ? 'value';

-- 2. what is chosen on rows that were learned from is said

SELECT name FROM ml_train('threshold', 'learn', 'bought', 'logistic_regression', '{x}', validation => '{"threshold": "f1", "split": "none"}');
SELECT name FROM ml_train('threshold', 'SELECT *, false AS h FROM learn', 'bought', 'logistic_regression', '{x}', validation => '{"threshold": "f1", "column": "h"}');
SELECT name FROM ml_train('threshold', 'learn', 'bought', 'logistic_regression', '{x}', validation => '{"threshold": "f1", "folds": 3}');
SELECT name FROM ml_train('threshold', 'learn', 'bought', 'logistic_regression', '{x}', validation => '{"threshold": 0.4, "split": "none"}');
SELECT name FROM ml_train('threshold', 'learn', 'bought', 'logistic_regression', '{x}', validation => '{"costs": {"true": {"false": 3}}, "split": "none"}');

-- 3. leaks are told where rows are not held in memory

CREATE TABLE orders AS
SELECT i AS id, 'n' || i AS code, i % 7 AS kind, hashint4(i) / 1e9 AS size, i % 3 = 0 AS rush,
	   hashint4(i) / 1e9 + i % 7 + hashint4(i + 77) / 1e9 AS price, (hashint4(i) / 1e9 + i % 7 + hashint4(i + 77) / 1e9) * 2 + i % 3 / 1000.0 AS invoice,
	   CASE WHEN i % 3 = 0 THEN 'fast' ELSE 'slow' END AS lane,
	   timestamp '2026-01-01' + i * interval '1 minute' AS ordered, timestamp '2026-01-01' + (i + i % 50 - 5) * interval '1 minute' AS delivered
FROM generate_series(1, 30000) i;
CREATE FUNCTION warned(target text, features text[], validation jsonb DEFAULT '{}', algorithm text DEFAULT 'gradient_boosting', source text DEFAULT 'orders') RETURNS bigint LANGUAGE sql AS $$
	SELECT n_train FROM ml_train('warned', source, target, algorithm, features, CASE algorithm WHEN 'gradient_boosting' THEN '{"n_estimators": 1}' ELSE '{}' END::jsonb, validation => validation)
$$;
SET mlaas.max_memory = '12MB';
SELECT warned('price', '{kind,size,invoice,code}');
SELECT warned('price', '{kind,size,invoice}', source => 'SELECT * FROM judging_test.orders ORDER BY id DESC');
SELECT warned('rush', '{kind,size,lane}');
SELECT warned('price', '{kind,size,delivered,ordered}', '{"order_by": "ordered"}');
SELECT warned('price', '{kind,size}');
RESET mlaas.max_memory;
-- the same of a table that is held
SELECT warned('price', '{kind,size,invoice,code}');
SELECT warned('price', '{kind,size,delivered,ordered}', '{"order_by": "ordered", "after": "2026-01-18"}');
-- of a cross-validation once
SELECT count(*) FROM ml_cross_validate('orders', 'price', 'decision_tree', '{kind,size,invoice}', '{"max_depth": 2}', validation => '{"folds": 2}') WHERE metric = 'rmse';
-- one pass tells what a straight line says
SELECT warned('price', '{kind,size,invoice}', '{"split": "none"}', 'linear_regression');
SELECT warned('price', '{size,copy}', '{"split": "none"}', 'linear_regression', 'SELECT size, price, CASE WHEN id % 3 > 0 THEN invoice END AS copy FROM judging_test.orders WHERE id % 3 > 0');
SELECT warned('price', '{size,copy}', '{"split": "none"}', 'linear_regression', 'SELECT size, CASE WHEN id % 3 > 0 THEN price ELSE 7 END AS price, CASE WHEN id % 3 > 0 THEN invoice END AS copy FROM judging_test.orders');
SELECT warned('price', '{kind,size}', '{"split": "none"}', 'linear_regression');
SELECT warned('price', '{invoice}', '{"split": "none"}', 'linear_regression', 'SELECT * FROM judging_test.orders WHERE id <= 199');

-- 4. "after" means the same in every session

CREATE TABLE visits AS SELECT i AS id, hashint4(i) / 1e9 AS x, hashint4(i) / 1e9 + hashint4(i + 5) / 2e9 AS y, timestamptz '2026-01-01 00:00+00' + i * interval '1 hour' AS seen,
	date '2026-01-01' + i / 24 AS day, i * interval '1 hour' AS age FROM generate_series(0, 479) i;
CREATE FUNCTION after(column_name text, value text, OUT n_test bigint, OUT stored text, OUT lineage text) LANGUAGE plpgsql AS $$
BEGIN
	SELECT t.n_test INTO n_test FROM ml_train('after', 'visits', 'y', 'random_forest', '{x}', '{"n_estimators": 3}', validation => jsonb_build_object('order_by', column_name, 'after', value), deploy => 'always') t;
	SELECT v.validation ->> 'after', v.lineage #>> '{arguments,validation,after}' INTO stored, lineage FROM mlaas.versions v WHERE v.name = 'after' ORDER BY version DESC LIMIT 1;
END $$;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'SQL, DMY';
SELECT * FROM after('day', '11/01/2026');
SELECT * FROM after('age', '10 days 2:00');
SELECT * FROM after('seen', '11/01/2026');
SELECT md5(string_agg(concat(key, prediction, trained), ',' ORDER BY key)) AS out_of_bag FROM ml_oob_predict('after', 'visits', 'id') \gset
SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, MDY';
-- what reads the training again divides as it did
SELECT identical, bytes_identical FROM ml_reproduce('after');
SELECT md5(string_agg(concat(key, prediction, trained), ',' ORDER BY key)) = :'out_of_bag' AS same_out_of_bag FROM ml_oob_predict('after', 'visits', 'id');
SELECT n_test FROM ml_update('after', 'SELECT * FROM visits');
SELECT version FROM ml_train('after', 'visits', 'y', 'random_forest', '{x}', '{"n_estimators": 4}', validation => '{"order_by": "seen", "after": "11/01/2026"}', deploy => 'never');
RESET TimeZone;
RESET DateStyle;
SELECT version, validation ->> 'after' AS after, n_test FROM mlaas.versions WHERE name = 'after' ORDER BY version;
SELECT (SELECT n_test FROM after('id', '400')) AS numbers;

-- 5. folds that lack a class are judged as the others are

CREATE TABLE seasons AS SELECT i, hashint4(i) / 1e9 AS x, CASE WHEN i >= 150 AND i % 10 = 0 THEN 'late' WHEN hashint4(i) > 0 THEN 'high' ELSE 'low' END AS kind FROM generate_series(0, 399) i;
CREATE TABLE folds AS SELECT * FROM ml_cross_validate('seasons', 'kind', 'decision_tree', '{x}', '{"max_depth": 3}', validation => '{"order_by": "i", "folds": 3}');
SELECT fold, count(*) AS metrics, count(*) FILTER (WHERE metric = 'average_precision') AS of_two_classes FROM folds GROUP BY fold ORDER BY fold;
-- by hand: fold 1 learns from rows without the class that is in the rows it is judged by
SELECT name FROM ml_train('early', 'SELECT * FROM judging_test.seasons WHERE i < 100', 'kind', 'decision_tree', '{x}', '{"max_depth": 3}', validation => '{"split": "none"}');
SELECT f.metric, abs(f.value - h.value) < 1e-12 AS same
FROM folds f JOIN (SELECT (ARRAY['precision', 'recall', 'f1', 'accuracy', 'balanced_accuracy', 'mcc'])[n] AS metric, value FROM (
	SELECT ARRAY[ml_precision(kind, p, 'macro'), ml_recall(kind, p, 'macro'), ml_f1(kind, p, 'macro'), ml_accuracy(kind, p), ml_balanced_accuracy(kind, p), ml_mcc(kind, p)] AS v
	FROM (SELECT kind, ml_predict_label('early', s) AS p FROM seasons s WHERE i BETWEEN 100 AND 199) r) a, unnest(v) WITH ORDINALITY AS u(value, n)) h USING (metric)
WHERE f.fold = 1 ORDER BY metric;
SELECT abs(f.value - h.value) < 1e-9 AS log_loss FROM folds f, (
	SELECT ml_log_loss(kind, ml_probabilities('early', s) || '{"late": 0}') AS value FROM seasons s WHERE i BETWEEN 100 AND 199) h WHERE f.fold = 1 AND f.metric = 'log_loss';
-- costs may name it
SELECT count(*) FROM ml_cross_validate('seasons', 'kind', 'decision_tree', '{x}', validation => '{"order_by": "i", "folds": 3, "costs": {"late": {"low": 9}}}') WHERE metric = 'accuracy';
-- one that is not defined on a fold is NULL there and does not count in the mean
SELECT metrics ->> 'roc_auc' IS NOT NULL AS mean FROM ml_train('halves', 'SELECT i, x, i < 100 OR (i < 200 AND x > 0) AS k FROM judging_test.seasons WHERE i < 300 AND (i >= 100 OR x > -2)', 'k', 'decision_tree', '{x}', validation => '{"order_by": "x", "folds": 2}');
-- a class that only rows held out are of stops no learner
SELECT learner, (metrics ->> 'log_loss')::float8 > 1 AS punished
FROM unnest('{gradient_boosting,random_forest,logistic_regression}'::text[]) learner,
	LATERAL ml_train('unseen', 'SELECT x, CASE WHEN kind = ''high'' AND i % 3 = 0 THEN ''mid'' ELSE kind END AS kind, kind = ''late'' AS h FROM judging_test.seasons', 'kind', learner, '{x}',
					 CASE learner WHEN 'gradient_boosting' THEN '{"n_estimators": 20, "early_stopping_rounds": 5, "class_weight": "balanced"}' ELSE '{}' END::jsonb, validation => '{"column": "h"}', deploy => 'always') ORDER BY 1;

-- 6. profiles: numbers with more digits than double precision has

CREATE TABLE long AS SELECT i AS n, 9007199254740992 + i % 5 AS big, (9007199254740993 + i) AS snow, CASE WHEN i % 4 = 0 THEN 12345678901234567.125 + i % 3 WHEN i % 4 = 1 THEN 0.1 WHEN i % 4 = 2 THEN -99999999999999999.9 END AS exact,
	i * 1.50 AS plain, (i % 2) * 10::numeric ^ 30 AS round, CASE i % 3 WHEN 0 THEN 'NaN'::numeric WHEN 1 THEN 12345678901234567891 ELSE 12345678901234567892 END AS odd FROM generate_series(1, 100) i;
SELECT column_name, nulls, "distinct", min, max, top -> 0 AS top, warnings FROM ml_profile('long');
SELECT p.column_name, p."distinct" = d.n AS "distinct", p.min = d.low AS min, p.max = d.high AS max FROM ml_profile('long') p, LATERAL (
	SELECT CASE p.column_name WHEN 'big' THEN count(DISTINCT big) WHEN 'snow' THEN count(DISTINCT snow) ELSE count(DISTINCT exact) END AS n,
		   CASE p.column_name WHEN 'big' THEN min(big)::text WHEN 'snow' THEN min(snow)::text ELSE trim_scale(min(exact))::text END AS low,
		   CASE p.column_name WHEN 'big' THEN max(big)::text WHEN 'snow' THEN max(snow)::text ELSE trim_scale(max(exact))::text END AS high FROM long) d
WHERE p.column_name IN ('big', 'snow', 'exact');
SELECT sum((t ->> 'count')::int) FROM ml_profile('SELECT big FROM judging_test.long'), jsonb_array_elements(top) t;
SELECT column_name, "distinct", min, max, top -> 0 ->> 'value' AS most_frequent
FROM ml_profile('SELECT -9223372036854775807 - 1 + i % 3 AS low, 9223372036854775807 - i % 2 AS high, 1700000000000000 + i AS micros, CASE WHEN i % 2 = 0 THEN i ELSE -1000000000000000 - i END AS mixed FROM generate_series(1::bigint, 100) i');
-- of a target with many classes a leak costs no more, and is told
SELECT column_name, warnings FROM ml_profile('SELECT hashint4(i / 10)::text AS c, i / 10 AS same, i % 10 AS other, hashint4(i / 10)::text || ''x'' AS name FROM generate_series(1, 60000) i', 'c');
-- whatever the columns and rows
DO $$ BEGIN EXECUTE 'CREATE TABLE judging_test.wide AS SELECT ' || (SELECT string_agg(format('(i * %s %% 101) AS "C %s"', n, n), ', ') FROM generate_series(1, 300) n) || ' FROM generate_series(1, 50) i'; END $$;
SELECT count(*) AS columns, sum("distinct") > 0 AS counted FROM ml_profile('wide', 'C 7');
SELECT column_name, type, kind, rows, nulls, "distinct", min, max, sd, warnings
FROM ml_profile('SELECT NULL::int AS none, 5 AS one, ''NaN''::float8 AS "a""b", ''{}''::jsonb AS doc, ''<a/>''::xml AS x, ''\x00''::bytea AS bytes, ARRAY[1, 2] AS pair, ARRAY[''a''] AS texts, ''{"a": 1}''::json AS j, ''-inf''::numeric AS low');
SELECT column_name, rows, nulls, "distinct", top, warnings FROM ml_profile('SELECT NULL::text AS c, NULL::float8[] AS v, NULL::numeric AS n, NULL::timestamptz AS t FROM generate_series(1, 60)');

SELECT ml_drop(name) > 0 AS dropped FROM mlaas.models WHERE name IN ('plain', 'weighed', 'folded', 'hand', 'even', 'none', 'half', 'odd', 'few', 'better', 'classes', 'threshold', 'warned', 'after', 'early', 'halves', 'unseen') ORDER BY name;
SET client_min_messages = warning;
DROP SCHEMA judging_test CASCADE;
