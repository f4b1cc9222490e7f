-- What there is and what a model is: ml_algorithms, ml_params, ml_describe, ml_coefficients.
SET client_min_messages = warning;
CREATE SCHEMA describe_test;
SET search_path = describe_test, public;
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

-- 1. algorithms and their parameters, all from one table
SELECT name, tasks, parameters, coefficients FROM ml_algorithms() WHERE name IN ('baseline', 'linear_regression', 'logistic_regression') ORDER BY name;
SELECT count(*) > 0 AS some, bool_and(description <> '') AS described, count(*) = count(DISTINCT name) AS distinct_names,
	   bool_and(tasks <> '{}' AND tasks <@ '{regression,binary,multiclass,ranking,anomaly}') AS known_tasks
FROM ml_algorithms();
-- ml_params knows them all, with one row for each that ml_algorithms names
SELECT bool_and(a.parameters = (SELECT coalesce(array_agg(p.name), '{}') FROM ml_params(a.name) p)) AS the_same FROM ml_algorithms() a;
SELECT bool_and(p.description <> '' AND p.type IN ('real', 'integer', 'boolean', 'choice', 'json', 'column')) AS described,
	   bool_and((p.choices IS NOT NULL) = (p.type = 'choice')) AS choices_for_choices,
	   bool_and(p.type <> 'choice' OR p.default_value = ANY (p.choices)) AS default_is_a_choice,
	   bool_and(p.type <> 'boolean' OR p.default_value IN ('true', 'false')) AS default_is_a_boolean,
	   bool_and(p.type NOT IN ('real', 'integer') OR p.default_value::float8 >= coalesce(p.min, '-inf') AND p.default_value::float8 <= coalesce(p.max, 'inf')) AS default_in_range,
	   bool_and((p.min_exclusive IS NOT NULL) = (p.type IN ('real', 'integer'))) AS bounds_of_numbers
FROM ml_algorithms() a CROSS JOIN ml_params(a.name) p;
SELECT name, type, default_value, min, min_exclusive, choices FROM ml_params('linear_regression') WHERE name IN ('l2', 'fit_intercept') ORDER BY name;
SELECT error_of('SELECT * FROM ml_params(''linear_regresion'')');
SELECT error_of('SELECT * FROM ml_params(''xyz'')') LIKE '42704 | algorithm "xyz" does not exist | There is: "baseline", %' AS all_are_named;
SELECT count(*) FROM ml_params(NULL);

-- 2. what a model is
CREATE TABLE cars AS
SELECT i AS id, (i * 37 % 101)::float8 AS power, CASE WHEN i % 9 <> 0 THEN (i * 53 % 29)::int END AS age,
	   (ARRAY['red', 'green', 'blue'])[i % 3 + 1] AS colour, ARRAY[i % 4, i % 5]::float8[] AS wheels, 7 AS same,
	   1000 + 25.0 * (i * 37 % 101) - 30 * coalesce(i * 53 % 29, 0) + CASE i % 3 WHEN 1 THEN 200 ELSE 0 END + (i * 71 % 13) AS price,
	   i * 37 % 101 + i * 71 % 23 > 60 AS fast,
	   (ARRAY['a', 'b', 'c'])[least((i * 37 % 101 + i * 71 % 23) / 40 + 1, 3)] AS class
FROM generate_series(1, 300) i;
SELECT task FROM ml_train('describe_price', 'cars', 'price', 'linear_regression', '{power,age,colour,wheels,same}', validation => '{"split": "none"}');
SELECT task FROM ml_train('describe_fast', 'cars', 'fast', 'logistic_regression', '{power,age}', '{"l2": 0}', validation => '{"split": "none"}');
SELECT task FROM ml_train('describe_class', 'cars', 'class', 'logistic_regression', '{power,age}', validation => '{"split": "none"}');
SELECT task FROM ml_train('describe_base', 'cars', 'class', 'baseline', '{power,age}', validation => '{"split": "none"}');
SELECT d->>'algorithm' AS algorithm, d->>'task' AS task, jsonb_typeof(d->'parameters') AS parameters, (d->>'bytes')::int > 500 AS bytes,
	   (SELECT string_agg(f->>'name', ' ') FROM jsonb_array_elements(d->'features') f) AS features, d->>'target' IS NOT NULL AS target
FROM ml_describe('describe_price') d;
SELECT name, ml_describe(name) = ml_describe(ml_model(name)) AS by_name_as_by_value, ml_describe(name)->>'algorithm' AS algorithm,
	   ml_describe(name) = ml_describe(name || '@1') AS versions
FROM unnest(ARRAY['describe_price', 'describe_fast', 'describe_class', 'describe_base']) name;
SELECT ml_describe('describe_class')->'classes' AS classes;
SELECT error_of('SELECT ml_describe(''describe_prise'')');
SELECT error_of('SELECT ml_describe(''describe_price@12'')');
SELECT ml_describe(NULL::text) IS NULL AS no_model;

-- 3. coefficients, on the scale of the columns as given
SELECT class, feature, round(estimate::numeric, 2) AS estimate, std_error > 0 AS std_error,
	   abs(statistic - estimate / std_error) < 1e-9 * abs(statistic) AS statistic, p_value BETWEEN 0 AND 1 AS p_value, ci_low < estimate AND estimate < ci_high AS interval
FROM ml_coefficients('describe_price');
SELECT count(*) AS rows, bool_and(a IS NOT DISTINCT FROM b) AS by_name_as_by_value
FROM ROWS FROM (ml_coefficients('describe_price')) WITH ORDINALITY a, ROWS FROM (ml_coefficients(ml_model('describe_price'))) WITH ORDINALITY b WHERE a.ordinality = b.ordinality;
-- the sum of estimates times values is the prediction
SELECT max(abs(p - s)) < 1e-6 AS adds_up
FROM (SELECT ml_predict('describe_price', c) AS p,
			 (SELECT sum(estimate * CASE feature WHEN '(intercept)' THEN 1 WHEN 'power' THEN power WHEN 'age' THEN age
									 WHEN 'wheels[1]' THEN wheels[1] WHEN 'wheels[2]' THEN wheels[2] WHEN 'age is null' THEN 0
									 WHEN 'colour=' || colour THEN 1 ELSE 0 END) FROM ml_coefficients('describe_price')) AS s
	  FROM cars c WHERE age IS NOT NULL) x;
SELECT class, feature, std_error > 0 AS std_error, p_value BETWEEN 0 AND 1 AS p_value, ci_low < estimate AND estimate < ci_high AS interval FROM ml_coefficients('describe_fast');
-- the log odds are the sum
SELECT max(abs(ln(p / (1 - p)) - s)) < 1e-6 AS adds_up
FROM (SELECT ml_probability('describe_fast', 'true', c) AS p,
			 (SELECT sum(estimate * CASE feature WHEN '(intercept)' THEN 1 WHEN 'power' THEN power WHEN 'age' THEN age ELSE 0 END) FROM ml_coefficients('describe_fast')) AS s
	  FROM cars c WHERE age IS NOT NULL AND power BETWEEN 45 AND 70) x;
SELECT class, string_agg(feature, ' ') AS features, bool_and(estimate IS NOT NULL) AS estimates, count(std_error) AS std_errors
FROM ml_coefficients('describe_class') GROUP BY class ORDER BY class;
-- a penalty moves the estimates towards 0
SELECT task FROM ml_train('describe_price', 'cars', 'price', 'linear_regression', '{power,age}', '{"l2": 1e9}', validation => '{"split": "none"}', deploy => 'never');
SELECT feature, abs(estimate) < 1e-3 AS near_0 FROM ml_coefficients('describe_price@2') WHERE feature <> '(intercept)' ORDER BY feature COLLATE "C";
SELECT error_of('SELECT * FROM ml_coefficients(''describe_base'')');
SELECT error_of('SELECT * FROM ml_coefficients(''describe_none'')');
SELECT count(*) FROM ml_coefficients(NULL::text);

-- 4. every function has a comment
SELECT proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'mlaas' AND p.proname IN ('ml_algorithms', 'ml_params', 'ml_describe', 'ml_coefficients', 'ml_predict', 'ml_predict_label', 'ml_probability',
	'ml_probabilities', 'ml_predict_json', 'ml_predict_batch', 'ml_evaluate') AND obj_description(p.oid, 'pg_proc') IS NULL;

SELECT ml_drop(name) > 0 AS dropped FROM unnest(ARRAY['describe_price', 'describe_fast', 'describe_class', 'describe_base']) name;
DROP SCHEMA describe_test CASCADE;
