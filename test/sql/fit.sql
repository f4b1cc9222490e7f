-- ml_fit: training as an aggregate; groups, filters, parallel plans, states that travel, whole rows, and what is refused.
SET client_min_messages = warning;
CREATE SCHEMA fit_test;
SET search_path = fit_test, public;
\set VERBOSITY default

CREATE TABLE points AS
SELECT i AS id, i % 4 AS part, (i * 37 % 1009)::float8 / 100 AS a, (i * 53 % 997)::float8 / 50 AS b,
	   CASE WHEN i % 17 <> 0 THEN (i * 71 % 503)::float8 END AS holes,
	   3 + 2 * (i * 37 % 1009)::float8 / 100 - (i * 53 % 997)::float8 / 50 + (i * 31 % 101)::float8 / 100 + (i % 4) AS y,
	   (ARRAY['low', 'middle', 'high'])[1 + (i * 37 % 1009 + i * 7919 % 211) / 407] AS class
FROM generate_series(1, 30000) i;
VACUUM ANALYZE points;

-- do two models have the same coefficients, but for rounding?
CREATE FUNCTION same(a ml_model, b ml_model, tolerance float8 = 1e-9) RETURNS boolean LANGUAGE sql STABLE AS $$
	SELECT count(*) > 0 AND count(*) = count(x.feature) AND count(*) = count(z.feature)
		   AND bool_and(abs(x.estimate - z.estimate) <= tolerance * (1 + abs(z.estimate)))
		   AND bool_and(x.std_error IS NOT DISTINCT FROM z.std_error OR abs(x.std_error - z.std_error) <= tolerance * (1 + z.std_error))
	FROM ml_coefficients(a) x FULL JOIN ml_coefficients(b) z ON x.feature = z.feature AND x.class IS NOT DISTINCT FROM z.class $$;
CREATE FUNCTION bytes(ml_model) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT $1::bytea $$;
-- the value of one statistic
CREATE FUNCTION n_of(ml_model) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT ($1::jsonb->'summary'->>'n_train')::bigint $$;

-- 1. one model, against PostgreSQL's own regression functions

SELECT abs(s.estimate - r.slope) < 1e-9 AS slope, abs(i.estimate - r.intercept) < 1e-9 AS intercept,
	   abs(v.value - r.r2) < 1e-9 AS r2, abs(ml_predict(m, 2.5) - (r.intercept + 2.5 * r.slope)) < 1e-9 AS prediction
FROM (SELECT ml_fit('linear_regression', '{}', y, a) AS m, regr_slope(y, a) AS slope, regr_intercept(y, a) AS intercept,
			 regr_r2(y, a) AS r2 FROM points) AS r,
	 ml_coefficients(m) s, ml_coefficients(m) i, ml_statistics(m) v
WHERE s.feature = 'x1' AND i.feature = '(intercept)' AND v.statistic = 'r2';

-- as ml_train does it
SELECT n_train FROM ml_train('fit_reference', 'points', 'y', 'linear_regression', '{a,b,holes}', validation => '{"split": "none"}');
SELECT bool_and(abs(f.estimate - t.estimate) <= 1e-9 * (1 + abs(t.estimate)) AND abs(f.std_error - t.std_error) <= 1e-9) AS same, count(*)
FROM (SELECT ml_fit('linear_regression', '{}', y, a, b, holes) AS m FROM points) p,
	 LATERAL ml_coefficients(m) WITH ORDINALITY AS f(class, feature, estimate, std_error, statistic, p_value, ci_low, ci_high, n)
JOIN ml_coefficients('fit_reference') WITH ORDINALITY AS t(class, feature, estimate, std_error, statistic, p_value, ci_low, ci_high, n) USING (n);

-- one feature each, an array, and columns of an array are the same call
SELECT bytes(ml_fit('linear_regression', '{"l2": 1}', y, a, b)) = bytes(ml_fit('linear_regression', '{"l2": 1}', y, VARIADIC ARRAY[a, b])) AS same
FROM points;

-- 2. GROUP BY, FILTER, DISTINCT values of another aggregate beside it, no rows

SELECT part, n_of(m) AS n, abs(i.estimate - 3.5 - part) < 0.05 AS intercept, abs(ml_predict(m, 1, 1) - 4.5 - part) < 0.05 AS prediction
FROM (SELECT part, ml_fit('linear_regression', '{}', y, a, b) AS m FROM points GROUP BY part) g, ml_coefficients(m) i
WHERE i.feature = '(intercept)' ORDER BY part;
SELECT same(ml_fit('linear_regression', '{}', y, a, b) FILTER (WHERE part = 2),
			(SELECT ml_fit('linear_regression', '{}', y, a, b) FROM points WHERE part = 2)) AS filtered,
	   n_of(ml_fit('linear_regression', '{}', y, a, b) FILTER (WHERE part = 2)) AS n, count(DISTINCT part) AS parts
FROM points;
SELECT part IS NULL AS total, count(*), bool_and(n_of(m) = rows) AS n
FROM (SELECT part, count(*) AS rows, ml_fit('linear_regression', '{}', y, a, b) AS m FROM points GROUP BY GROUPING SETS ((part), ())) g
GROUP BY 1 ORDER BY 1;
SELECT ml_fit('linear_regression', '{}', y, a) IS NULL AS numbers, ml_fit('logistic_regression', '{}', class, a) IS NULL AS text,
	   ml_fit('linear_regression', '{}', 'y', p) IS NULL AS rows FROM points p WHERE false;
SELECT ml_fit('linear_regression', '{}', y, a) FILTER (WHERE id < 0) IS NULL AS filtered FROM points;

-- 3. NULLs

SELECT n_of(m) AS n, m::jsonb->'summary'->>'n_skipped' AS skipped, count(*) AS coefficients, bool_and(estimate IS NOT NULL) AS estimated,
	   max(feature) AS indicator
FROM (SELECT ml_fit('linear_regression', '{}', CASE WHEN id % 10 <> 0 THEN y END, a, holes) AS m FROM points) f, ml_coefficients(m)
GROUP BY m::text, 1, 2;
-- a NULL counts as the mean and the indicator; scoring does the same
SELECT abs(ml_predict(m, 1, NULL) - (i.estimate + a.estimate + h.estimate * holes + n.estimate)) < 1e-9 AS imputed
FROM (SELECT ml_fit('linear_regression', '{}', y, a, p.holes) AS m, avg(holes) AS holes FROM points p) f,
	 ml_coefficients(m) i, ml_coefficients(m) a, ml_coefficients(m) h, ml_coefficients(m) n
WHERE i.feature = '(intercept)' AND a.feature = 'x1' AND h.feature = 'x2' AND n.feature = 'x2 is null';
-- a column that is always NULL, or constant, is left out
SELECT array_agg(feature ORDER BY feature) FROM (SELECT ml_fit('linear_regression', '{}', y, a, NULL, 1, b) AS m FROM points) f, ml_coefficients(m);
SELECT ml_fit('linear_regression', '{}', y, NULL::float8, 1) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', NULL::float8, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('logistic_regression', '{}', NULL::text, a) FROM points;
\echo :LAST_ERROR_SQLSTATE

-- 4. classes

SELECT count(DISTINCT class) AS classes, bool_and(std_error IS NULL) AS no_errors, count(*)
FROM (SELECT ml_fit('logistic_regression', '{}', class, a, b) AS m FROM points) f, ml_coefficients(m);
SELECT round(avg((ml_predict_label(m, a, b) = class)::int), 1) AS accuracy
FROM points, (SELECT ml_fit('logistic_regression', '{}', class, a, b) AS m FROM points) f;
-- auto; numbers as classes
SELECT ml_describe(ml_fit('auto', '{}', class, a))->>'algorithm' AS text, ml_describe(ml_fit('auto', '{}', y, a))->>'algorithm' AS number,
	   ml_describe(ml_fit('logistic_regression', '{}', part, a))->'classes' AS numbers,
	   ml_describe(ml_fit('baseline', '{}', class, a))->>'task' AS baseline_text, ml_describe(ml_fit('baseline', '{}', y, a))->>'task' AS baseline_number
FROM points;
SELECT abs(ml_predict(ml_fit('baseline', '{}', y, a), 1) - avg(y)) < 1e-9 AS mean,
	   abs(ml_probability(ml_fit('baseline', '{}', class, a), 'low', 1) - avg((class = 'low')::int)) < 1e-12 AS share
FROM points;

-- 5. parallel plans: partial states that are merged

SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS
SELECT part, ml_fit('linear_regression', '{}', y, a, b, holes) AS linear, ml_fit('linear_regression', '{"l2": 3}', y, a, holes) AS ridge,
	   ml_fit('logistic_regression', '{}', class, a, b) AS logistic, ml_fit('baseline', '{}', y, a, b) AS baseline,
	   ml_fit('baseline', '{}', class, holes) AS shares
FROM points GROUP BY ROLLUP (part);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT ml_fit('linear_regression', '{}', y, a, b) FROM points;
EXPLAIN (COSTS OFF) SELECT part, ml_fit('baseline', '{}', class, a, b) FROM points GROUP BY part;
EXPLAIN (COSTS OFF) SELECT ml_fit('linear_regression', '{}', 'y', p) FROM points p;
CREATE TABLE parallel AS
SELECT NULL::int AS part, ml_fit('linear_regression', '{}', y, a, b, holes) AS linear, ml_fit('linear_regression', '{"l2": 3}', y, a, holes) AS ridge,
	   ml_fit('logistic_regression', '{}', class, a, b) AS logistic, ml_fit('baseline', '{}', y, a, b) AS baseline,
	   ml_fit('baseline', '{}', class, holes) AS shares
FROM points;
INSERT INTO parallel
SELECT part, ml_fit('linear_regression', '{}', y, a, b, holes) AS linear, ml_fit('linear_regression', '{"l2": 3}', y, a, holes) AS ridge,
	   ml_fit('logistic_regression', '{}', class, a, b) AS logistic, ml_fit('baseline', '{}', y, a, b) AS baseline,
	   ml_fit('baseline', '{}', class, holes) AS shares
FROM points GROUP BY part;
SELECT p.part, same(p.linear, s.linear) AS linear, same(p.ridge, s.ridge) AS ridge, same(p.logistic, s.logistic, 1e-6) AS logistic,
	   abs(ml_predict(p.baseline, 1, 1) - ml_predict(s.baseline, 1, 1)) < 1e-9 AS baseline,
	   ml_probabilities(p.shares, 1) = ml_probabilities(s.shares, 1) AS shares, n_of(p.linear) = n_of(s.linear) AS n
FROM parallel p JOIN serial s ON p.part IS NOT DISTINCT FROM s.part ORDER BY 1;
-- what must not change is found out too where each process saw one value only
\set VERBOSITY terse
SELECT ml_fit(CASE WHEN id <= 15000 THEN 'baseline' ELSE 'linear_regression' END, '{}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, VARIADIC CASE WHEN id <= 15000 THEN ARRAY[a] ELSE ARRAY[a, b] END) IS NULL FROM points;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- 6. states that travel, as between the nodes of a distributed database: to text or bytes, stored, back, merged

CREATE AGGREGATE part_number(text, jsonb, float8, VARIADIC float8[]) (SFUNC = mlaas.fit_number, STYPE = ml_state);
CREATE AGGREGATE part_text(text, jsonb, text, VARIADIC float8[]) (SFUNC = mlaas.fit_text, STYPE = ml_state);
CREATE AGGREGATE merged(ml_state) (SFUNC = mlaas.fit_combine, STYPE = ml_state, FINALFUNC = mlaas.fit_final);
CREATE TABLE states (kind text, part int, state ml_state);
-- NULLs only in some parts, and parts of few rows beside large ones
INSERT INTO states
SELECT 'linear', id % 7, part_number('linear_regression', '{}', y, a, CASE WHEN id % 7 > 2 THEN holes ELSE coalesce(holes, 1) END, b) FROM points GROUP BY id % 7 UNION ALL
SELECT 'ridge', width_bucket(id, '{2,5,40,3000}'), part_number('linear_regression', '{"l2": 3}', y, a, holes) FROM points GROUP BY 2 UNION ALL
SELECT 'classes', id % 3, part_text('logistic_regression', '{}', class, a, b, holes) FROM points GROUP BY id % 3 UNION ALL
SELECT 'numbers', id % 3, part_number('baseline', '{}', CASE WHEN id % 5 > 0 THEN part END, a) FROM points GROUP BY id % 3 UNION ALL
SELECT 'text', id % 3, part_text('baseline', '{}', CASE WHEN id % 5 > 0 THEN class END, a) FROM points GROUP BY id % 3;
INSERT INTO states SELECT kind, NULL, NULL FROM states GROUP BY kind;
SELECT kind, count(state), bool_and(state::text ~ '^\\x[0-9a-f]+$') AS hex, bool_and(state::text::ml_state::text = state::text) AS round_trip
FROM states GROUP BY kind ORDER BY kind;
-- a state of few rows takes in one of many, and the other way round: each counts its own memory
CREATE TABLE uneven AS
SELECT kind, few, part_number(kind, '{}', i, VARIADIC (SELECT array_agg(CASE WHEN (i + j) % 7 > 0 THEN sin(i * j) END) FROM generate_series(1, 30) j)) AS state
FROM generate_series(1, 20000) i, unnest('{baseline,linear_regression}'::text[]) kind, LATERAL (SELECT i <= 3) s(few) GROUP BY kind, few;
SELECT kind, n_of(merged(state ORDER BY few)) AS many_first, n_of(merged(state ORDER BY few DESC)) AS few_first FROM uneven GROUP BY kind ORDER BY kind;
CREATE TABLE whole AS
SELECT 'linear' AS kind, ml_fit('linear_regression', '{}', y, a, CASE WHEN id % 7 > 2 THEN holes ELSE coalesce(holes, 1) END, b) AS m FROM points UNION ALL
SELECT 'ridge', ml_fit('linear_regression', '{"l2": 3}', y, a, holes) FROM points UNION ALL
SELECT 'classes', ml_fit('logistic_regression', '{}', class, a, b, holes) FROM points;
SELECT kind, same(stored, m, 1e-6) AS stored, same(text, m, 1e-6) AS text, n_of(stored) AS n
FROM (SELECT kind, merged(state ORDER BY part) AS stored, merged(state::text::ml_state ORDER BY part DESC) AS text FROM states GROUP BY kind) s
JOIN whole USING (kind) ORDER BY kind;
SELECT kind, n_of(merged(state)) AS n, merged(state)::jsonb->'summary'->>'n_skipped' AS skipped,
	   abs(ml_predict(merged(state), 1) - (SELECT avg(part) FROM points WHERE id % 5 > 0)) < 1e-9 AS mean
FROM states WHERE kind = 'numbers' GROUP BY kind;
SELECT kind, n_of(merged(state)) AS n, ml_probabilities(merged(state), 1) = (SELECT ml_probabilities(ml_fit('baseline', '{}', class, a), 1) FROM points WHERE id % 5 > 0) AS shares
FROM states WHERE kind = 'text' GROUP BY kind;
-- the order of parts does not matter; one part alone is the model of its rows
SELECT same(merged(state ORDER BY part), merged(state ORDER BY part DESC), 1e-9) AS any_order FROM states WHERE kind = 'linear';
SELECT same(merged(state), (SELECT ml_fit('linear_regression', '{"l2": 3}', y, a, holes) FROM points WHERE id >= 3000)) AS alone
FROM states WHERE kind = 'ridge' AND part = 4;
SELECT merged(NULL::ml_state) IS NULL AS nothing FROM states;
-- the binary form is the text form's bytes
SELECT bool_and(encode(ml_state_send(state), 'hex') = substr(state::text, 3)) AS binary FROM states;
CREATE TABLE received (LIKE states);
\copy states TO 'test/results/fit_states.bin' WITH (FORMAT binary)
\copy received FROM 'test/results/fit_states.bin' WITH (FORMAT binary)
SELECT count(*) AS differing FROM (SELECT kind, part, state::text FROM states EXCEPT ALL SELECT kind, part, state::text FROM received) d;
-- states that do not belong together, and bytes that are none
SELECT merged(state) FROM states WHERE kind IN ('linear', 'ridge');
\echo :LAST_ERROR_SQLSTATE
SELECT merged(state) FROM states WHERE kind IN ('numbers', 'text');
\echo :LAST_ERROR_SQLSTATE
SELECT merged(state) FROM (SELECT part_number('baseline', '{}', y, a) AS state FROM points UNION ALL
						   SELECT part_number('linear_regression', '{}', y, a) FROM points) s;
\echo :LAST_ERROR_SQLSTATE
SELECT merged(state) FROM (SELECT part_number('linear_regression', '{}', y, a) AS state FROM points UNION ALL
						   SELECT part_number('linear_regression', '{"l2": 1}', y, a) FROM points) s;
\echo :LAST_ERROR_SQLSTATE
SELECT ''::ml_state;
\echo :LAST_ERROR_SQLSTATE
SELECT '\x'::ml_state;
\echo :LAST_ERROR_SQLSTATE
SELECT '\x0100000000000000'::ml_state;
\echo :LAST_ERROR_SQLSTATE
SELECT 'zz'::ml_state;
\echo :LAST_ERROR_SQLSTATE
-- every byte of a state turned over: an error or a state, never a crash
CREATE FUNCTION outcome(state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM merged(state::ml_state);
	RETURN 'a state';
EXCEPTION WHEN OTHERS THEN
	-- wrong bytes, or numbers of which no model can be made
	RETURN CASE WHEN sqlstate IN ('XX001', '22P02', '22000', '22023', '54000', '42704', '53200') THEN 'an error' ELSE sqlstate || ' ' || sqlerrm END;
END $$;
SELECT array_agg(DISTINCT o) <@ '{a state,an error}' AS sound, count(*) > 500 AS tried
FROM (SELECT outcome(overlay(t PLACING to_hex(15 - position(substr(t, n, 1) IN '0123456789abcdef') + 1) FROM n FOR 1)) AS o
	  FROM (SELECT part_number('linear_regression', '{}', y, a, holes)::text AS t FROM points WHERE id < 40) s, generate_series(3, length(t)) n) b;
-- and cut short anywhere
SELECT array_agg(DISTINCT o) AS outcomes
FROM (SELECT outcome(left(t, n)) AS o
	  FROM (SELECT part_text('logistic_regression', '{}', class, a)::text AS t FROM points WHERE id < 10) s, generate_series(0, length(t) - 1) n) b;
-- transition functions are for aggregates
SELECT mlaas.fit_combine(state, state) FROM states WHERE kind = 'linear' LIMIT 1;
\echo :LAST_ERROR_SQLSTATE
SELECT mlaas.fit_number(NULL, 'baseline', '{}', 1, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT mlaas.fit_final(state) FROM states WHERE kind = 'linear' LIMIT 1;
\echo :LAST_ERROR_SQLSTATE

-- 7. what is refused

SELECT ml_fit('linear_regression', '{}', y, VARIADIC CASE WHEN id = 500 THEN ARRAY[a] ELSE ARRAY[a, b] END) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, VARIADIC CASE WHEN id <> 500 THEN ARRAY[a] END) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, VARIADIC '{}'::float8[]) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, VARIADIC '{{1,2},{3,4}}'::float8[]) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit(CASE WHEN id = 500 THEN 'baseline' ELSE 'linear_regression' END, '{}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', CASE WHEN id = 500 THEN '{"l2": 1}' ELSE '{}' END::jsonb, y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', CASE WHEN id <> 500 THEN '{}' END::jsonb, y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit(NULL, '{}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', NULL, y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regresion', '{}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{"l3": 1}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{"l2": -1}', y, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', class, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', 7, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('logistic_regression', '{}', 'one'::text, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, a, CASE WHEN id % 100 = 0 THEN 'NaN' ELSE b END) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('baseline', '{}', y, CASE WHEN id = 1 THEN '-Infinity' ELSE b END) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', CASE WHEN id = 1 THEN 'NaN' ELSE y END, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('logistic_regression', '{}', id::text, a) FROM points;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', y, a) OVER (ORDER BY id) FROM points;
\echo :LAST_ERROR_SQLSTATE
SET mlaas.max_memory = '1MB';
\set VERBOSITY terse
SELECT ml_fit('logistic_regression', '{}', class, a, b, holes) FROM points;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
RESET mlaas.max_memory;

-- 8. many features: by values as many as a function may have, by an array more

SELECT format('SELECT count(*) AS coefficients, bool_and(abs(estimate - 1) < 1e-6) FILTER (WHERE feature <> ''(intercept)'') AS exact FROM (SELECT ml_fit(''linear_regression'', ''{}'', %s, %s) AS m FROM wide) f, ml_coefficients(m)',
			  string_agg('v[' || k || ']', ' + '), string_agg('v[' || k || ']', ', ')) AS command
FROM generate_series(1, 96) k \gset
CREATE TABLE wide AS
SELECT i, ARRAY(SELECT (hashint8(i * 1000 + k)::float8 / 2147483648) FROM generate_series(1, 200) k) AS v FROM generate_series(1, 1200) i;
:command;
SELECT count(*) AS coefficients, bool_and(abs(estimate - 1) < 1e-6) FILTER (WHERE feature <> '(intercept)') AS exact
FROM (SELECT ml_fit('linear_regression', '{}', (SELECT sum(e) FROM unnest(v) e), VARIADIC v) AS m FROM wide) f, ml_coefficients(m);
SELECT round(avg((ml_predict_label(m, v) = (v[1] > 0)::text)::int), 1) AS accuracy
FROM wide, (SELECT ml_fit('logistic_regression', '{"l2": 0.1}', (v[1] > 0)::text, VARIADIC v) AS m FROM wide) f;

-- 9. whole rows

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE mixed AS
SELECT i AS id, (i * 37 % 101)::numeric(6, 2) AS price, 'city ' || i % 3 AS city, (ARRAY['sad', 'happy'])[1 + i % 2]::mood AS mood, i % 5 = 0 AS flag,
	   date '2024-01-01' + i AS day, ARRAY[i % 7, i % 11]::int[] AS v,
	   (i * 37 % 101) + 10 * (i % 3) + CASE WHEN i % 5 = 0 THEN 30 ELSE 0 END + i % 7 AS y
FROM generate_series(1, 500) i;
ALTER TABLE mixed ADD gone int;
ALTER TABLE mixed DROP gone;
SELECT ml_describe(m)->>'task' AS task, n_of(m) AS n, (SELECT string_agg(f->>'name' || ':' || (f->>'kind'), ' ') FROM jsonb_array_elements(ml_describe(m)->'features') f) AS features,
	   (m::jsonb->'summary'->'metrics'->>'r2')::float8 > 0.99 AS fits
FROM (SELECT ml_fit('linear_regression', '{}', 'y', r) AS m FROM mixed r) f;
-- predictions are by name
SELECT max(abs(ml_predict(m, r) - y)) < 1 AS exact, max(abs(ml_predict(m, to_jsonb(r)) - ml_predict(m, r))) = 0 AS json
FROM mixed r, (SELECT ml_fit('linear_regression', '{}', 'y', r) AS m FROM mixed r) f;
SELECT target, ml_describe(m)->>'task' AS task, ml_describe(m)->>'algorithm' AS algorithm, ml_describe(m)->'classes' AS classes
FROM (SELECT target, ml_fit('auto', '{}', target, r) AS m FROM mixed r, unnest('{y,city,mood,flag,price}'::text[]) target GROUP BY target) f ORDER BY target;
SELECT count(*), min(n_of(m)) FROM (SELECT city, ml_fit('baseline', '{}', 'y', r) AS m FROM mixed r GROUP BY city) f;
-- rows of a subquery, and rows that an outer join leaves empty
SELECT same(x.m, z.m) FROM (SELECT ml_fit('linear_regression', '{}', 'y', s) AS m FROM (SELECT price AS x1, y FROM mixed) s) x,
	 (SELECT ml_fit('linear_regression', '{}', y, price) AS m FROM mixed) z;
SELECT n_of(ml_fit('baseline', '{}', 'y', r)) FROM generate_series(1, 600) i LEFT JOIN mixed r ON r.id = i;
SELECT ml_fit('linear_regression', '{}', 'z', r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', NULL::text, r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', 'city', r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', 'y', r) FROM (SELECT y, point(y, y) AS place FROM mixed) r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', 'v', r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', 'y', r) FROM (SELECT y, CASE WHEN id = 7 THEN '{1}' ELSE v END AS v FROM mixed) r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', '{}', CASE WHEN id = 7 THEN 'price' ELSE 'y' END, r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit(CASE WHEN id = 7 THEN 'baseline' ELSE 'auto' END, '{}', 'y', r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fit('linear_regression', CASE WHEN id = 7 THEN '{"l2": 1}' ELSE '{}' END::jsonb, 'y', r) FROM mixed r;
\echo :LAST_ERROR_SQLSTATE

-- 10. a model where a value can be

CREATE TABLE models AS SELECT part, ml_fit('linear_regression', '{}', y, a, b) AS model FROM points GROUP BY part;
SELECT count(*), bool_and(abs(ml_predict(model, a, b) - y) < 1) AS near FROM points JOIN models USING (part);
SELECT ml_drop('fit_reference') IS NOT NULL AS dropped;
DROP SCHEMA fit_test CASCADE;
