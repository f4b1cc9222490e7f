-- What a role with no rights but to make aggregates and schemas of its own may not bring about.
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE SCHEMA hostile;
SET search_path = hostile, public;
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;

-- The aggregate behind ml_train, called with too few columns or without its flag.
SELECT outcome('SELECT mlaas.one_pass(true, 1.0)');
SELECT outcome('SELECT mlaas.one_pass(NULL, 1.0, 2.0)');
SELECT outcome('SELECT mlaas.one_pass(x > 3, x, x * 2, x) FROM generate_series(1, 9) x');
SELECT mlaas.one_pass(false, 1.0) IS NOT NULL AS target_only, mlaas.one_pass(true, 1.0, 2.0) IS NOT NULL AS and_weight;

-- States of one aggregate under the functions of another.
CREATE AGGREGATE number_state(text, jsonb, float8, VARIADIC float8[]) (SFUNC = mlaas.fit_number, STYPE = ml_state);
CREATE AGGREGATE text_state(text, jsonb, text, VARIADIC float8[]) (SFUNC = mlaas.fit_text, STYPE = ml_state);
CREATE AGGREGATE merged(ml_state) (SFUNC = mlaas.fit_combine, STYPE = ml_state);
CREATE AGGREGATE merged_model(ml_state) (SFUNC = mlaas.fit_combine, STYPE = ml_state, FINALFUNC = mlaas.fit_final);
CREATE AGGREGATE finished(boolean, VARIADIC "any")
	(SFUNC = mlaas.one_pass_trans, STYPE = ml_state, FINALFUNC = mlaas.fit_final);
CREATE TABLE state AS
SELECT number_state('linear_regression', '{}', x + sin(x), x) AS linear,
	   number_state('baseline', '{}', x, x) AS baseline,
	   text_state('baseline', '{}', 'k' || x % 2, x) AS classes,
	   mlaas.one_pass(false, x, x + sin(x)) AS pass,
	   mlaas.one_pass(true, x, x + sin(x), x) AS weighted
FROM generate_series(1, 9) x;
SELECT outcome('SELECT finished(false, x, x + sin(x)) FROM generate_series(1, 9) x');
SELECT a, b, outcome(format('SELECT merged(s) FROM (SELECT %I FROM state UNION ALL SELECT %I FROM state) t(s)', a, b))
FROM unnest('{linear,baseline,classes,pass,weighted}'::text[]) a, unnest('{linear,baseline,classes,pass,weighted}'::text[]) b
ORDER BY a, b;
SELECT a, outcome(format('SELECT merged_model(%I) FROM state', a))
FROM unnest('{linear,baseline,classes,pass,weighted}'::text[]) a ORDER BY a;

-- The same by an initial value.
CREATE FUNCTION begin_with(kind text, transition text, arguments text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	start text;
	result text;
BEGIN
	EXECUTE format('SELECT %I::text FROM state', kind) INTO start;
	EXECUTE format('CREATE AGGREGATE begun(%s) (SFUNC = mlaas.%I, STYPE = ml_state, INITCOND = %L)', arguments, transition, start);
	result := outcome(format('SELECT begun(%s) FROM generate_series(1, 1000) x', call));
	EXECUTE format('DROP AGGREGATE begun(%s)', arguments);
	RETURN result;
END
$$;
SELECT kind,
	   begin_with(kind, 'fit_number', 'text, jsonb, float8, VARIADIC float8[]', '''linear_regression'', ''{}'', x, x') AS number,
	   begin_with(kind, 'fit_text', 'text, jsonb, text, VARIADIC float8[]', '''baseline'', ''{}'', ''k'' || x % 2, x') AS label
FROM unnest('{linear,baseline,classes,pass,weighted}'::text[]) kind ORDER BY kind;
SELECT kind,
	   begin_with(kind, 'one_pass_trans', 'boolean, VARIADIC "any"', 'false, x, x') AS same,
	   begin_with(kind, 'one_pass_trans', 'boolean, VARIADIC "any"', 'false, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x') AS wider
FROM unnest('{linear,baseline,classes,pass,weighted}'::text[]) kind ORDER BY kind;

-- A column so small that its coefficient is no double: an error, and no model that cannot be opened.
SELECT outcome($$SELECT ml_fit('linear_regression', '{}', x + sin(x), 1e-310 * x) FROM generate_series(1, 20) x$$);
SELECT outcome($$SELECT ml_train('hostile_tiny', 'SELECT 1e-310::float8 * x AS a, x + sin(x) AS y FROM generate_series(1, 50) x',
								 'y', 'linear_regression')$$);

-- What is stored of a training does not depend on how the session shows numbers.
SET extra_float_digits = -15;
SELECT version FROM ml_train('hostile_digits', 'SELECT x AS a, x + x % 7 AS y FROM generate_series(1, 300) x',
							 'y', 'linear_regression', validation => '{"test_size": 0.2345678}');
RESET extra_float_digits;
SELECT validation->>'test_size' AS test_size, round((metrics->>'rmse')::numeric, 2) <> round((metrics->>'rmse')::numeric, 0) AS digits_kept
FROM mlaas.versions WHERE name = 'hostile_digits';
SELECT ml_drop('hostile_digits');

-- Functions that another role left in the schema are not called by CREATE EXTENSION.
BEGIN;
DROP EXTENSION mlaas CASCADE;
CREATE SCHEMA trap;
CREATE FUNCTION trap.format(text, text, text, text, int, text, text) RETURNS text LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'format was called'; END$$;
CREATE FUNCTION trap.format(text, text, text, text) RETURNS text LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'format was called'; END$$;
CREATE FUNCTION trap.format(text, text, text) RETURNS text LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'format was called'; END$$;
CREATE EXTENSION mlaas SCHEMA trap;
ROLLBACK;

-- a source only reads, whatever the functions in it would do; and the session can write again afterwards
CREATE TABLE hostile.written (i int);
CREATE FUNCTION hostile.write_row(i int) RETURNS int LANGUAGE plpgsql AS
$$BEGIN INSERT INTO hostile.written VALUES (i); RETURN i; END$$;
SELECT ml_train('hostile_writer', 'SELECT hostile.write_row(i) AS a, i::float8 + i % 3 AS b FROM generate_series(1, 10) i', 'b');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO hostile.written VALUES (0);
SELECT count(*) AS rows, sum(i) AS own FROM hostile.written;

DROP SCHEMA hostile CASCADE;
