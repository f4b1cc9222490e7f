-- The linear problems of NIST's Statistical Reference Datasets: digits of agreement with the answers in rational
-- arithmetic (test/data/nist/exact.json, made by exact.py there), of the worst coefficient of each.
SET client_min_messages = warning;
SET extra_float_digits = 1;
CREATE SCHEMA nist_test;
SET search_path = nist_test, public;

-- 1. the data; polynomials are built from the first x

CREATE TABLE longley (y float8, x1 float8, x2 float8, x3 float8, x4 float8, x5 float8, x6 float8);
CREATE TABLE filip (y float8, x1 float8);
CREATE TABLE norris (y float8, x1 float8);
CREATE TABLE noint1 (y float8, x1 float8);
CREATE TABLE noint2 (y float8, x1 float8);
CREATE TABLE pontius (y float8, x1 float8);
CREATE TABLE wampler1 (y float8, x1 float8);
CREATE TABLE wampler2 (y float8, x1 float8);
CREATE TABLE wampler3 (y float8, x1 float8);
CREATE TABLE wampler4 (y float8, x1 float8);
CREATE TABLE wampler5 (y float8, x1 float8);
\copy longley FROM 'test/data/nist/longley.csv' WITH (FORMAT csv, HEADER)
\copy norris FROM 'test/data/nist/norris.csv' WITH (FORMAT csv, HEADER)
\copy noint1 FROM 'test/data/nist/noint1.csv' WITH (FORMAT csv, HEADER)
\copy noint2 FROM 'test/data/nist/noint2.csv' WITH (FORMAT csv, HEADER)
-- its file has the powers too, rounded
\copy filip FROM PROGRAM 'cut -d, -f1,2 test/data/nist/filip.csv' WITH (FORMAT csv, HEADER)
\copy pontius FROM 'test/data/nist/pontius.csv' WITH (FORMAT csv, HEADER)
\copy wampler1 FROM 'test/data/nist/wampler1.csv' WITH (FORMAT csv, HEADER)
\copy wampler2 FROM 'test/data/nist/wampler2.csv' WITH (FORMAT csv, HEADER)
\copy wampler3 FROM 'test/data/nist/wampler3.csv' WITH (FORMAT csv, HEADER)
\copy wampler4 FROM 'test/data/nist/wampler4.csv' WITH (FORMAT csv, HEADER)
\copy wampler5 FROM 'test/data/nist/wampler5.csv' WITH (FORMAT csv, HEADER)

\set exact `cat test/data/nist/exact.json`
CREATE TABLE problems AS
SELECT problem, intercept, degree, ARRAY(SELECT c::float8 FROM jsonb_array_elements_text(coef) c) AS exact,
	   CASE problem WHEN 'filip' THEN 7 ELSE 9 END AS digits_wanted
FROM jsonb_each(:'exact') AS e(problem, entry), jsonb_to_record(entry) AS r(intercept boolean, degree int, coef jsonb);

-- The SELECT of a problem, its target first.  Powers are rounded once, from numeric.
CREATE FUNCTION source_of(problem text, degree int) RETURNS text LANGUAGE sql AS $$
	SELECT 'SELECT ' || string_agg(CASE WHEN degree = 0 OR attname = 'y' THEN attname
		ELSE (SELECT string_agg(format('power(x1::numeric, %s)::float8 AS x%s', k, k), ', ' ORDER BY k) FROM generate_series(1, degree) k) END,
		', ' ORDER BY attnum) || ' FROM ' || problem
	FROM pg_attribute WHERE attrelid = problem::regclass AND attnum > 0 $$;
CREATE FUNCTION digits(actual float8[], exact float8[]) RETURNS float8 LANGUAGE sql AS $$
	SELECT CASE WHEN cardinality(actual) = cardinality(exact) THEN
		min(CASE WHEN a = e THEN 16 ELSE -log(abs(a - e)) + log(abs(e)) END) ELSE -1 END FROM unnest(actual, exact) AS u(a, e) $$;

-- 2. by ml_train, as given and standardised

CREATE TABLE trained AS
SELECT problem, scale, m.name
FROM problems, unnest('{none,standard}'::text[]) scale,
	 ml_train('nist_' || problem || '_' || scale, source_of(problem, degree), 'y', 'linear_regression',
			  params => jsonb_build_object('fit_intercept', intercept), preprocess => jsonb_build_object('scale', scale),
			  validation => '{"split": "none"}', deploy => 'always') m
-- without an intercept a centred column is another problem
WHERE intercept OR scale = 'none';
SELECT problem, scale, digits(ARRAY(SELECT estimate FROM ml_coefficients(name)), exact) >= digits_wanted AS exact
FROM trained JOIN problems USING (problem) ORDER BY problem, scale;
SELECT count(ml_drop(name)) AS dropped FROM trained;

-- 3. by ml_fit, over numbers and over whole rows

CREATE FUNCTION fit(problem text, degree int, intercept boolean, shape text) RETURNS ml_model LANGUAGE plpgsql AS $$
DECLARE
	features text;
	model ml_model;
BEGIN
	SELECT string_agg('x' || k, ', ' ORDER BY k) INTO features
	FROM generate_series(1, CASE WHEN degree > 0 THEN degree WHEN problem = 'longley' THEN 6 ELSE 1 END) k;
	EXECUTE format('SELECT %s FROM (%s) s', CASE shape
		WHEN 'numbers' THEN format('ml_fit(''linear_regression'', %L, y, %s)', jsonb_build_object('fit_intercept', intercept), features)
		ELSE format('ml_fit(''linear_regression'', %L, ''y'', s)', jsonb_build_object('fit_intercept', intercept)) END,
		source_of(problem, degree)) INTO model;
	RETURN model;
END $$;
SELECT problem, shape, digits(ARRAY(SELECT estimate FROM ml_coefficients(fit(problem, degree, intercept, shape))), exact) >= digits_wanted AS exact
FROM problems, unnest('{numbers,rows}'::text[]) shape ORDER BY problem, shape;

DROP SCHEMA nist_test CASCADE;
