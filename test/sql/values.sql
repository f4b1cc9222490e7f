-- SQL values -> numbers and strings: every type that can be a feature, the same at training
-- and in every form of prediction.
SET client_min_messages = warning;
CREATE SCHEMA values_test;
SET search_path = values_test, public;
SET TimeZone = 'UTC';

CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN share AS numeric CHECK (VALUE >= 0);
CREATE DOMAIN code AS text;
CREATE DOMAIN point3 AS float8[];

-- 1. numbers: a line through a column of each type comes back exactly, when the column is what it should be.
-- x_T is the number k = 0 .. 39 as type T, y = k, so the slope is 1 (or a unit) and no prediction is off.
CREATE TABLE numbers AS
SELECT k::float8 AS y,
	   k::int2 AS x_int2, k::int4 AS x_int4, k::int8 AS x_int8, k::float4 AS x_float4, k::float8 AS x_float8,
	   k::numeric(10,3) AS x_numeric, k::numeric::share AS x_domain,
	   date '1999-12-15' + k AS x_date, timestamp '1999-12-31 23:59:30.25' + k * interval '1.5 second' AS x_timestamp,
	   timestamptz '1969-12-31 23:59:30+00' + k * interval '1 hour' AS x_timestamptz,
	   time '01:00' + k * interval '1 minute' AS x_time,
	   (to_char(time '01:00' + k * interval '1 minute', 'HH24:MI:SS') || '+02')::timetz AS x_timetz,
	   k * interval '1 month 1 day 1 hour' AS x_interval
FROM generate_series(0, 39) k;

CREATE FUNCTION number_type(x text) RETURNS TABLE (slope float8, fits boolean, agrees boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train('values_line', 'numbers', 'y', 'linear_regression', features => ARRAY[x],
					 validation => '{"split": "none"}', deploy => 'always');
	RETURN QUERY EXECUTE format('
		SELECT (SELECT round(estimate::numeric, 12)::float8 FROM ml_coefficients(''values_line'') WHERE feature = %1$L),
			   max(abs(ml_predict(''values_line'', n) - y)) < 1e-6,
			   bool_and(ml_predict(''values_line'', n) = ml_predict(''values_line'', %1$I)
						AND ml_predict(''values_line'', n) = ml_predict(''values_line'', to_jsonb(n))
						AND ml_predict(''values_line'', n) = ml_predict(''values_line'', to_json(n))
						AND ml_predict(''values_line'', n) = ml_predict(''values_line'', ARRAY[%1$I])
						AND ml_predict(''values_line'', n) = ml_predict(''values_line'', %1$I::text))
		FROM numbers n', x);
END $$;
-- times are in seconds: a slope of 1 / 86400 for days, 1 / 1.5, 1 / 3600, 1 / 60, and a month of 30 days
SELECT column_name AS x, number_type.*
FROM information_schema.columns, LATERAL number_type(column_name)
WHERE table_schema = 'values_test' AND table_name = 'numbers' AND column_name LIKE 'x%'
ORDER BY ordinal_position;

-- the epoch is 1970-01-01, for dates and for both kinds of timestamp; times of day with a zone are in UTC
CREATE TABLE epoch AS SELECT k::float8 AS y, k::float8 AS x FROM generate_series(0, 9) k;
SELECT name FROM ml_train('values_epoch', 'epoch', 'y', features => '{x}', validation => '{"split": "none"}');
SELECT round(ml_predict('values_epoch', date '1970-01-02')) AS date,
	   round(ml_predict('values_epoch', timestamp '1969-12-31 23:59:50.5')::numeric, 6) AS timestamp,
	   round(ml_predict('values_epoch', timestamptz '1970-01-01 01:00:05+01')) AS timestamptz,
	   round(ml_predict('values_epoch', timestamp '294276-12-31 23:59:59')) AS far,
	   round(ml_predict('values_epoch', time '00:01')) AS time,
	   round(ml_predict('values_epoch', timetz '00:01-01')) AS timetz,
	   round(ml_predict('values_epoch', interval '1 month -1 day 2 hours 0.5 second')::numeric, 6) AS interval,
	   round(ml_predict('values_epoch', true)::numeric) AS true, round(ml_predict('values_epoch', false)::numeric) AS false;

-- text for a number is parsed strictly, blanks around it aside
SELECT x, round(ml_predict('values_epoch', x)::numeric, 6) AS value
FROM unnest(ARRAY['1', ' +1.5e1 ', '-.5', '5.', '1e-3']) x;
SELECT ml_predict('values_epoch', 'NaN') = ml_predict('values_epoch', NULL::float8) AS nan_is_missing;
CREATE FUNCTION error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT x, error_of(format('SELECT ml_predict(''values_epoch'', %L)', x))
FROM unnest(ARRAY['', ' ', 'one', '1,5', '0x10', '1e', '--1', '1 2', 'nan(1)', 'infinity', '-INF', '1e999', repeat('9', 100) || 'x']) x;

-- infinity in any form names the feature; NaN is a missing value
SELECT error_of(format('SELECT ml_predict(''values_epoch'', %s)', x)) AS error, count(*)
FROM unnest(ARRAY['''inf''::float8', '''-inf''::float4', '''inf''::numeric', '1e400::numeric', 'ARRAY[''inf''::float8]',
				  'ARRAY[''-inf''::numeric]', 'ROW(1)', 'date ''infinity''', 'timestamptz ''-infinity''',
				  '''{"x": 1e400}''::jsonb', '(SELECT e FROM (SELECT ''inf''::float8 AS x) e)']) x
GROUP BY 1 ORDER BY 1;
SELECT bool_and(p = ml_predict('values_epoch', NULL::int)) AS nan_is_missing
FROM (VALUES (ml_predict('values_epoch', 'nan'::float8)), (ml_predict('values_epoch', 'nan'::float4)),
			 (ml_predict('values_epoch', 'nan'::numeric)), (ml_predict('values_epoch', ARRAY['nan'::float8])),
			 (ml_predict('values_epoch', ARRAY[NULL::float8])), (ml_predict('values_epoch', ARRAY[NULL::int]))) v (p);

-- types that are no numbers
SELECT error_of(format('SELECT ml_predict(''values_epoch'', %s)', x)) AS error
FROM unnest(ARRAY['''12''::money', '1::oid', 'gen_random_uuid()', '''red''::colour', 'point(1,2)', '''a''::bytea',
				  'ARRAY[''a'']::bytea[]', 'ARRAY[ARRAY[1.0]]', '''127.0.0.1''::inet', 'int4range(1,2)']) x;

-- 2. categories: one level each; what is read in another type is the same level
CREATE TABLE levels AS
SELECT (k % 3)::float8 AS y,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1] AS c_text,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1]::varchar(8) AS c_varchar,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1]::char(8) AS c_bpchar,
	   (ARRAY['r', 'g', 'b'])[k % 3 + 1]::"char" AS c_char,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1]::name AS c_name,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1]::colour AS c_enum,
	   (ARRAY['red', 'green', 'blue'])[k % 3 + 1]::code AS c_domain,
	   ('00000000-0000-0000-0000-00000000000' || k % 3)::uuid AS c_uuid
FROM generate_series(0, 59) k;
CREATE FUNCTION category_type(x text) RETURNS TABLE (fits boolean, agrees boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train('values_level', 'levels', 'y', 'linear_regression', features => ARRAY[x],
					 validation => '{"split": "none"}', deploy => 'always');
	RETURN QUERY EXECUTE format('
		SELECT max(abs(ml_predict(''values_level'', n) - y)) < 1e-9,
			   bool_and(ml_predict(''values_level'', n) = ml_predict(''values_level'', %1$I)
						AND ml_predict(''values_level'', n) = ml_predict(''values_level'', to_jsonb(n))
						AND ml_predict(''values_level'', n) = ml_predict(''values_level'', to_json(n))
						AND ml_predict(''values_level'', n) = ml_predict(''values_level'', ARRAY[%1$I])
						AND ml_predict(''values_level'', n) = ml_predict(''values_level'', rtrim(%1$I::text)))
		FROM levels n', x);
END $$;
SELECT column_name AS x, category_type.*
FROM information_schema.columns, LATERAL category_type(column_name)
WHERE table_schema = 'values_test' AND table_name = 'levels' AND column_name LIKE 'c%'
ORDER BY ordinal_position;

-- numbers where a category is meant become their text, in no matter which form; an unseen one is no error
CREATE TABLE zip AS SELECT (k % 3)::float8 AS y, (ARRAY['5', '1.5', 'true'])[k % 3 + 1] AS c FROM generate_series(0, 59) k;
SELECT name FROM ml_train('values_zip', 'zip', 'y', 'linear_regression', validation => '{"split": "none"}');
SET extra_float_digits = -10;
SELECT round(ml_predict('values_zip', 5::int2)::numeric) AS int2, round(ml_predict('values_zip', 5)::numeric) AS int4, round(ml_predict('values_zip', 5::int8)::numeric) AS int8,
	   round(ml_predict('values_zip', 5::float8)::numeric) AS float8, round(ml_predict('values_zip', 1.5::float4)::numeric) AS float4, round(ml_predict('values_zip', 1.5)::numeric) AS numeric,
	   round(ml_predict('values_zip', true)::numeric) AS bool,
	   round(ml_predict('values_zip', '{"c": 5}'::jsonb)::numeric) AS json_int, round(ml_predict('values_zip', '{"c": 1.5}'::jsonb)::numeric) AS json_number,
	   round(ml_predict('values_zip', '{"c": true}'::jsonb)::numeric) AS json_bool, round(ml_predict('values_zip', ARRAY[5])::numeric) AS array,
	   ml_predict('values_zip', 6) IS NOT NULL AS unseen;
RESET extra_float_digits;
SELECT error_of(format('SELECT ml_predict(''values_zip'', %s)', x)) AS error
FROM unnest(ARRAY['now()', 'interval ''1 day''', 'ARRAY[now()]', '''{"c": []}''::jsonb', '''{"c": {}}''::jsonb', '''{"c": [1]}''::json']) x;

-- 3. vectors: arrays of numbers of one length
CREATE TABLE vectors AS
SELECT (k % 5 + 10 * (k % 7))::float8 AS y, k AS id,
	   ARRAY[k % 5, k % 7]::int2[] AS v_int2, ARRAY[k % 5, k % 7]::int4[] AS v_int4, ARRAY[k % 5, k % 7]::int8[] AS v_int8,
	   ARRAY[k % 5, k % 7]::float4[] AS v_float4, ARRAY[k % 5, k % 7]::float8[] AS v_float8,
	   ARRAY[k % 5, k % 7]::numeric[] AS v_numeric, ARRAY[k % 5, k % 7]::float8[]::point3 AS v_domain
FROM generate_series(0, 69) k;
CREATE FUNCTION vector_type(x text) RETURNS TABLE (fits boolean, agrees boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train('values_vector', 'vectors', 'y', 'linear_regression', features => ARRAY[x],
					 validation => '{"split": "none"}', deploy => 'always');
	RETURN QUERY EXECUTE format('
		SELECT max(abs(ml_predict(''values_vector'', n) - y)) < 1e-9,
			   bool_and(ml_predict(''values_vector'', n) = ml_predict(''values_vector'', %1$I)
						AND ml_predict(''values_vector'', n) = ml_predict(''values_vector'', VARIADIC %1$I::float8[])
						AND ml_predict(''values_vector'', n) = ml_predict(''values_vector'', to_jsonb(n))
						AND ml_predict(''values_vector'', n) = ml_predict(''values_vector'', to_json(n))
						AND ml_predict(''values_vector'', n) = ml_predict(''values_vector'', %1$I::text[])
						AND ml_predict(''values_vector'', n) = ml_predict(''values_vector'', %1$I::text))
		FROM vectors n', x);
END $$;
SELECT column_name AS x, vector_type.*
FROM information_schema.columns, LATERAL vector_type(column_name)
WHERE table_schema = 'values_test' AND table_name = 'vectors' AND column_name LIKE 'v%'
ORDER BY ordinal_position;
-- NULL elements and booleans
SELECT name FROM ml_train('values_vector', 'vectors', 'y', 'linear_regression', features => '{v_domain}', validation => '{"split": "none"}', deploy => 'always');
SELECT ml_predict('values_vector', ARRAY[NULL, 3]::float8[]) = ml_predict('values_vector', ARRAY[NULL, 3]::int[]) AS null_element,
	   ml_predict('values_vector', ARRAY[NULL, 3]::float8[]) = ml_predict('values_vector', '{"v_domain": [null, 3]}'::jsonb) AS json_null_element,
	   round(ml_predict('values_vector', ARRAY[true, false])::numeric) AS booleans,
	   round(ml_predict('values_vector', '[7:8]={1,0}'::int[])::numeric) AS other_bounds,
	   ml_predict('values_vector', '{1,2}'::float8[]) = ml_predict('values_vector', ARRAY['1', ' 2 ']) AS text_elements,
	   ml_predict('values_vector', NULL::float8[]) IS NULL AS null_array;
SELECT error_of(format('SELECT ml_predict(''values_vector'', %s)', x)) AS error
FROM unnest(ARRAY['ARRAY[1,2,3]', '''{}''::float8[]', 'ARRAY[[1,2],[3,4]]', 'ARRAY[[1,2],[3,4]]::text[]', '''{1,2,3}''::text', '''1,2''::text',
				  'ARRAY[''inf'',1]::float8[]', 'ARRAY[1,''inf'']::numeric[]', 'ARRAY[''a'',''b'']', '''{"v_domain": [1]}''::jsonb',
				  '''{"v_domain": [1, "2"]}''::jsonb', '''{"v_domain": [1, [2]]}''::jsonb', '''{"v_domain": "1,2"}''::jsonb', '''{"v_domain": {"a": 1, "b": 2}}''::jsonb',
				  '''{"v_domain": [1, 1e999]}''::jsonb']) x;

SELECT ml_drop(name) > 0 AS dropped FROM unnest(ARRAY['values_line', 'values_epoch', 'values_level', 'values_zip', 'values_vector']) name;
DROP SCHEMA values_test CASCADE;
