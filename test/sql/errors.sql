-- What is wrong is said: where, what and what to do about it, under the right SQLSTATE.
SELECT now() AS started \gset
CREATE SCHEMA errors_test;
SET search_path = errors_test, public;

CREATE TABLE good AS
SELECT i AS id, (i * 37 % 101)::float8 AS x1, i % 7 AS x2, 'c' || i % 3 AS city, i % 2 = 0 AS flag,
	   2.0 * (i * 37 % 101) + i % 7 AS y, CASE WHEN i % 3 = 0 THEN 'a' ELSE 'b' END AS label,
	   NULL::float8 AS empty, '{}'::jsonb AS doc, point(i, i) AS place, date '2024-01-01' + i AS day
FROM generate_series(1, 200) i;
CREATE VIEW locking AS SELECT id, x1, y FROM good FOR UPDATE;
CREATE SEQUENCE counter;

-- 1. arguments

SELECT ml_train(NULL, 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', NULL, 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m@1', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train(E'm\nn', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train(E'm\tn', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regresion');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'crystal_ball');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', params => '{"L2": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', params => '{"l2": -1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', params => '{"l2": "much"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', params => '[1]');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'label', 'logistic_regression', '{x1}', params => '{"max_iter": 0}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1}', params => '{"max_itre": 10}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'label', features => '{x1}', params => '{"max_depth": 3, "l2": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'label', features => '{x1}', params => '{"max_itre": 3}');
SELECT ml_train('m', 'good', 'y', features => '{x1}', params => '{"learning_rate": 0.1}', validation => '{"split": "none"}');
SELECT ml_fit('auto', '{"n_estimators": 3}', y, x1) FROM good;
SELECT ml_train('m', 'good', 'y', 'linear_regression', preprocess => '{"scaling": "none"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', preprocess => '{"scale": "maximum"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', preprocess => '{"max_categories": 0}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', 'linear_regression', preprocess => '{"missing_indicator": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', deploy => 'sometimes');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', deploy => 'alway');
\echo :LAST_ERROR_SQLSTATE

-- 2. validation

SELECT ml_train('m', 'good', 'y', validation => '{"testsize": 0.2}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": "lst"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": 5}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"test_size": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"test_size": 0}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"test_size": "0.2"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"seed": -1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"seed": 1.5}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"seed": 123456789012345678901234567890}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '[]');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": "last"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": "column"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": "none", "test_size": 0.2}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"split": "random", "order_by": "id"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"order_by": "idd"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"order_by": "city"}', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"order_by": "y"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', validation => '{"column": "x2"}', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y, NULLIF(x2, 3) AS t FROM good', 'y', validation => '{"order_by": "t"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y, true AS t FROM good', 'y', validation => '{"column": "t"}');
\echo :LAST_ERROR_SQLSTATE

-- 3. sources

SELECT ml_train('m', 'god', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'errors_test.god', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', '"GOOD"', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'nowhere.good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'xyzzy_plugh', 'y');
\echo :LAST_ERROR_SQLSTATE
SET search_path = public;
SELECT ml_train('m', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SET search_path = errors_test, public;
SELECT ml_train('m', 'counter', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', '', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', '-- nothing', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y FORM good x', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, z FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE "My Table" AS SELECT * FROM good;
CREATE INDEX "My Index" ON "My Table" (id);
SELECT ml_train('m', 'My Table', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'errors_test.My Table', 'y');
SELECT ml_train('m', 'My Index', 'y');
SELECT ml_train('m', 'my table', 'y');
SELECT ml_train('m', 'no_schema.My Table', 'y');
SELECT ml_train('m', 'selected rows', 'y');
SELECT ml_train('m', ' select x1, y from', 'y');
SELECT name FROM ml_train('errors_quoted', '"My Table"', 'y', features => '{x1}');
SELECT ml_drop('errors_quoted');
SELECT ml_train('m', 'good; DROP TABLE good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT * FROM good; DROP TABLE good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'DELETE FROM good RETURNING *', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'WITH gone AS (DELETE FROM good RETURNING *) SELECT * FROM gone', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT * FROM (WITH gone AS (DELETE FROM good RETURNING *) SELECT * FROM gone) AS g', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT * INTO stolen FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT * FROM good FOR UPDATE', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT * FROM (SELECT * FROM good FOR SHARE) AS g', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'locking', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, $1 AS y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'EXPLAIN SELECT 1', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y / (x2 - 3) AS y FROM good WHERE id > 0', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM good;

-- 4. columns

SELECT ml_train('m', 'good', 'yy');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'profit');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'Y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1,x3}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1,y}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1,x2,x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1,NULL}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1,place}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'day', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'doc', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1}', weight => 'wieght');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1}', weight => 'city');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'y', features => '{x1}', weight => 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, x2 AS x1, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, x2 + 1, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE

-- 5. rows that cannot be learned from

SELECT ml_train('m', 'SELECT x1, y FROM good WHERE id < 0', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'good', 'empty', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y FROM good LIMIT 1', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, label FROM good WHERE label = ''a''', 'label');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, flag FROM good WHERE flag', 'flag');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT i AS x, i::text AS y FROM generate_series(1, 2000) i', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT i AS x, i::float8 AS y FROM generate_series(1, 2000) i', 'y', 'logistic_regression');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, 5.5 AS y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, label FROM good', 'label', 'linear_regression');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT CASE WHEN id = 7 THEN float8 ''NaN'' ELSE x1 END AS x1, x2, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, CASE WHEN id % 100 = 7 THEN float4 ''-Infinity'' ELSE x2 END AS x2, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT CASE WHEN id = 7 THEN numeric ''NaN'' ELSE x2 END AS n, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT CASE WHEN id = 7 THEN numeric ''Infinity'' ELSE x2 END AS n, y FROM good', 'y');
SELECT ml_train('m', 'SELECT CASE WHEN id = 7 THEN -1e400 ELSE x2::numeric END AS n, y FROM good', 'y');
SELECT ml_train('m', 'SELECT ARRAY[1, CASE WHEN id = 7 THEN 1e400 ELSE x2::numeric END] AS n, y FROM good', 'y');
SELECT ml_train('m', 'SELECT x2, CASE WHEN id = 7 THEN 1e400 ELSE y::numeric END AS y FROM good', 'y');
SELECT ml_train('m', 'SELECT CASE WHEN id = 7 THEN ''infinity'' ELSE day END AS day, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, CASE WHEN id = 7 THEN float8 ''Infinity'' ELSE y END AS y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT 1 AS one, empty, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT ARRAY[x1, x2] || CASE WHEN id = 150 THEN ARRAY[1.0::float8] ELSE ARRAY[]::float8[] END AS v, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT ARRAY[ARRAY[x1, x2], ARRAY[x1, x2]] AS v, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT ARRAY[]::float8[] AS v, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y, x2 - 3 AS w FROM good', 'y', weight => 'w');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y, NULLIF(x2, 3) AS w FROM good', 'y', weight => 'w');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y, 0 AS w FROM good', 'y', weight => 'w');
\echo :LAST_ERROR_SQLSTATE

-- 6. limits and rights

SET mlaas.max_memory = '1MB';
\set VERBOSITY terse
SELECT ml_train('m', 'SELECT i AS x, i * 2.5 AS y FROM generate_series(1, 300000) i', 'y');
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
-- a small limit is said in a small unit
CREATE FUNCTION detail_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE command;
	RETURN NULL;
EXCEPTION WHEN program_limit_exceeded THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN regexp_replace(detail, '(holds|needs) [1-9]\d* ', '\1 N ', 'g');
END $$;
SELECT set_config('mlaas.max_memory', size, false) AS max_memory,
	   detail_of('SELECT ml_train(''m'', ''SELECT a AS x, a * 2.5 AS y, (b % 7)::text AS c FROM generate_series(1, 1000) a, generate_series(1, 2000) b'', ''y'')') AS detail
FROM unnest('{100kB,1500kB,16MB}'::text[]) size;
RESET mlaas.max_memory;
SET statement_timeout = '200ms';
SELECT ml_train('m', 'SELECT i AS x, i * 2.5 AS y FROM generate_series(1, 1000) i, pg_sleep(i)', 'y');
\echo :LAST_ERROR_SQLSTATE
RESET statement_timeout;
BEGIN READ ONLY;
SELECT ml_train('m', 'good', 'y', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
CREATE ROLE regress_errors_bob;
GRANT USAGE ON SCHEMA errors_test TO regress_errors_bob;
SET ROLE regress_errors_bob;
SELECT ml_train('m', 'good', 'y', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('m', 'SELECT x1, y FROM good', 'y');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
CREATE SCHEMA errors_hidden;
CREATE TABLE errors_hidden.good AS SELECT * FROM good;
SET ROLE regress_errors_bob;
SELECT ml_train('m', 'errors_hidden.good', 'y', features => '{x1}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- nothing of all this was registered
SELECT count(*) FROM mlaas.models WHERE name = 'm' OR created_at >= :'started';

-- 7. models

SELECT count(*) = 3 AS trained FROM
	(SELECT ml_train('number', 'good', 'y', features => '{x1,x2,city}')) a,
	(SELECT ml_train('word', 'good', 'label', features => '{x1,x2}')) b,
	(SELECT ml_train('vector', 'SELECT ARRAY[x1, x2] AS v, y FROM good', 'y')) c,
	generate_series(1, 3);
SELECT ml_predict('numbr', 1.0, 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number@9', 1.0, 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number@prodction', 1.0, 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', 1.0, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', 'much', 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', float8 'Infinity', 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', r) FROM (SELECT x1, city FROM good LIMIT 1) AS r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', jsonb '{"x1": 1, "city": "c1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', jsonb '{"x1": 1, "x2": "two", "city": "c1"}');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('number', jsonb '[1, 2]');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('vector', ARRAY[1.0, 2, 3]::float8[]);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict('word', 1.0, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_predict_label('number', 1.0, 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_probability('word', 'c', 1.0, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_predict_batch('number', 'god', 'id');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_predict_batch('number', 'SELECT id, x1, city FROM good', 'id');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_predict_batch('number', 'good', 'idd');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_evaluate('number', 'SELECT x1, x2, city FROM good');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM ml_params('linear_regresion');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_describe('numbr');
\echo :LAST_ERROR_SQLSTATE
-- a category that was not seen is no error
SELECT ml_predict('number', 1.0, 2, 'elsewhere') IS NOT NULL AS answered;
-- another role's model cannot be used, nor its name taken
SET ROLE regress_errors_bob;
SELECT ml_predict('number', 1.0, 2, 'c1');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_train('number', 'VALUES (1, 2.5), (2, 3), (3, 1)', 'column2');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

-- 8. bytes that are no model: each wrong byte, each wrong length

CREATE FUNCTION refusals(model bytea) RETURNS TABLE (bytes int, wrong_bytes int, cut int) LANGUAGE plpgsql AS $$
BEGIN
	bytes := length(model);
	wrong_bytes := 0;
	cut := 0;
	FOR i IN 0 .. length(model) - 1 LOOP
		BEGIN
			PERFORM ml_describe(set_byte(model, i, get_byte(model, i) # (1 << i % 8))::ml_model);
		EXCEPTION WHEN data_corrupted THEN
			wrong_bytes := wrong_bytes + 1;
		END;
		BEGIN
			PERFORM ml_describe(substr(model, 1, i)::ml_model);
		EXCEPTION WHEN data_corrupted THEN
			cut := cut + 1;
		END;
	END LOOP;
	RETURN NEXT;
END $$;
SELECT name, bytes = wrong_bytes AS each_wrong_byte, bytes = cut AS each_cut
FROM unnest('{number,word,vector}'::text[]) AS name, refusals(ml_model(name)::bytea);
SELECT (ml_model('number')::bytea || '\x00')::ml_model IS NULL;
\echo :LAST_ERROR_SQLSTATE
SELECT '{}'::ml_model;
\echo :LAST_ERROR_SQLSTATE
SELECT 'no model'::ml_model;
\echo :LAST_ERROR_SQLSTATE
SELECT replace(ml_model('number')::text, '"linear_regression"', '"crystal_ball"')::ml_model IS NULL;
\echo :LAST_ERROR_SQLSTATE
SELECT replace(ml_model('number')::text, '"payload"', '"pay"')::ml_model IS NULL;
\echo :LAST_ERROR_SQLSTATE

SELECT count(ml_drop(name)) AS dropped FROM mlaas.models WHERE created_at >= :'started';
DROP SCHEMA errors_test, errors_hidden CASCADE;
DROP ROLE regress_errors_bob;
