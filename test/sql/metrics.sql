-- Metrics as aggregates: values, labels of every type, NULL, FILTER, GROUP BY, windows, parallel plans, the
-- state as text, and bad input.
CREATE SCHEMA metrics_test;
SET search_path = metrics_test, public;
SET client_min_messages = warning;

-- scikit-learn 1.2.1's values, to twelve digits
CREATE TABLE golden AS
SELECT i, label, score, klass, predicted_class, y, predicted
FROM unnest('{0,1,1,1,1,0,0,1,0,0,0,1,0,1,0,0,0,1,0,0,1,1,0,0,1,1,0,0,0,0,0,0,1,0,0,1,0,0,1,0,1,0,1,0,1,1,1,1,0,0,1,1,1,1,0,
0,0,0,1,0}'::int[],
'{0.21,0.56,0.62,0.58,0.35,0.64,0.41,0.52,0.38,0.22,0.27,0.76,0.54,0.91,0.71,0.26,0.21,0.71,0.34,0.18,0.54,0.83,
0.7,0.26,0.54,0.63,0.14,0.25,0.41,0.29,0.61,0.34,0.78,0.28,0.63,0.4,0.25,0.12,0.84,0.51,0.57,0.7,0.62,0.1,
0.63,0.76,0.64,0.96,0.51,0.72,0.9,0.29,0.6,0.13,0.19,0.58,0.16,0.19,0.76,0.5}'::float8[],
'{3,0,3,3,2,1,3,1,3,3,3,1,3,1,3,3,1,3,3,3,0,1,1,0,0,0,2,0,0,0,2,1,1,3,1,0,0,1,3,1,1,1,0,0,0,1,3,3,3,3,1,1,0,1,2,
1,2,1,1,2}'::int[],
'{0,0,2,1,2,0,0,3,3,3,3,2,3,0,3,3,1,3,3,3,1,1,0,0,3,2,2,1,0,0,2,3,2,0,1,3,0,1,2,1,1,1,3,2,3,0,3,2,3,0,1,1,0,1,2,
1,2,2,0,3}'::int[],
'{10.52,22.04,16.63,11.03,30.71,11.54,3.65,10.09,12.69,3.69,23.25,4.43,8.29,13.84,3.7,9.26,3.54,15.29,20.05,
5.11,27.2,8.59,9.96,5.44,0.99,14.56,23.49,8.379999999999999,5.85,7.11,8.63,3.32,19.08,14.73,4.08,3.58,8.51,
5.35,0.56,2.91,10.4,11.4,7.3,16.7,10.1,9.06,12.79,3.23,16.52,3.96,2.3600000000000003,22.78,23.49,10.65,8.97,
14.34,6.47,22.14,2.7,10.51}'::float8[],
'{7.34,17.81,24.27,11.31,51.73,6.36,4.12,16.41,22.73,4.57,36.71,4.77,12.48,12.66,5.06,12.76,1.2,5.95,27.93,6.92,
34.08,8.03,9.53,1.82,2.86,13.95,29.95,8.69,2.36,8.18,10.6,7.09,16.76,11.52,2.17,2.23,4.71,7.63,0.1,1.33,12.12,
9.23,14.97,16.26,15.34,10.84,16.44,3.29,18.91,1.84,2.89,25.59,30.81,6.16,7.4,9.13,7.78,26.1,2.84,16.69}'::float8[]) WITH ORDINALITY
	AS t(label, score, klass, predicted_class, y, predicted, i);

CREATE FUNCTION near(value float8, reference float8) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT abs(value - reference) <= 1e-12 * abs(reference) $$;

SELECT near(ml_accuracy(label, (score >= 0.5)::int), 0.7333333333333333) AS accuracy,
	near(ml_balanced_accuracy(label, (score >= 0.5)::int), 0.746606334841629) AS balanced_accuracy,
	near(ml_precision(label, (score >= 0.5)::int), 0.6470588235294118) AS precision,
	near(ml_recall(label, (score >= 0.5)::int), 0.8461538461538461) AS recall,
	near(ml_f1(label, (score >= 0.5)::int), 0.7333333333333334) AS f1,
	near(ml_mcc(label, (score >= 0.5)::int), 0.49321266968325794) AS mcc
FROM golden;
SELECT ml_confusion_matrix(label, (score >= 0.5)::int) FROM golden;
SELECT near(ml_roc_auc(label, score), 0.8144796380090498) AS roc_auc,
	near(ml_average_precision(label, score), 0.7871478558356935) AS average_precision,
	near(ml_log_loss(label, score), 0.5289303302422708) AS log_loss,
	near(ml_brier(label, score), 0.17635333333333333) AS brier
FROM golden;
SELECT near(ml_accuracy(klass, predicted_class), 0.55) AS accuracy,
	near(ml_balanced_accuracy(klass, predicted_class), 0.5911654135338346) AS balanced_accuracy,
	near(ml_precision(klass, predicted_class), 0.5453601953601954) AS precision,
	near(ml_recall(klass, predicted_class), 0.5911654135338346) AS recall,
	near(ml_f1(klass, predicted_class), 0.5408187290219958) AS f1,
	near(ml_mcc(klass, predicted_class), 0.4022375289334681) AS mcc
FROM golden;
SELECT ml_confusion_matrix(klass, predicted_class) FROM golden;
SELECT near(ml_mse(y, predicted), 25.647088333333333) AS mse,
	near(ml_rmse(y, predicted), 5.064295442935111) AS rmse,
	near(ml_mae(y, predicted), 3.555833333333333) AS mae,
	near(ml_mape(y, predicted), 0.37471846515078666) AS mape,
	near(ml_r2(y, predicted), 0.48311923549678804) AS r2
FROM golden;
SELECT near(ml_log_loss(a, 0), 18.021826694558577) AS log_loss FROM (VALUES (0), (1)) v(a);
SELECT ml_roc_auc(a, 0.5) AS all_tied, ml_average_precision(a, 0.5) FROM (VALUES (0), (1), (1), (0)) v(a);
SELECT ml_r2(2, p) AS constant_target, ml_r2(2, 2) AS constant_and_right FROM (VALUES (1), (2), (3)) v(p);

-- every type of label: all of these are 0.75
CREATE TYPE answer AS ENUM ('no', 'yes');
CREATE TABLE labels AS
SELECT a = 1 AS a_bool, p = 1 AS p_bool, a, p, p::float8 AS p_float8
FROM (VALUES (1, 1), (0, 0), (0, 0), (1, 0)) v(a, p);
SELECT ml_accuracy(a_bool, p_bool) AS boolean, ml_accuracy(a_bool, p_float8) AS boolean_float8,
	ml_accuracy(a, p) AS int, ml_accuracy(a::smallint, p::bigint) AS smallint_bigint, ml_accuracy(a, p_float8) AS int_float8,
	ml_accuracy(a::numeric, p) AS numeric_int, ml_accuracy(a::real, p::real) AS real, ml_accuracy(a::text, p::text) AS text
FROM labels;
SELECT ml_accuracy(a::text::varchar, p::text) AS varchar, ml_accuracy(a::text::char(3), p::text::char(3)) AS char,
	ml_accuracy(a::text::name, p::text::name) AS name,
	ml_accuracy((CASE a WHEN 1 THEN 'yes' ELSE 'no' END)::answer::text, CASE p WHEN 1 THEN 'yes' ELSE 'no' END) AS enum_cast
FROM labels;
-- the boolean, the int and the text column's label against a literal: half of them
SELECT ml_accuracy(a_bool, 'true') AS boolean, ml_accuracy(a, '1') AS int, ml_accuracy(a::text, '1') AS text FROM labels;
SELECT ml_accuracy('a', 'a') AS literals;
SELECT ml_accuracy('yes'::answer, 'yes'::answer) AS enum;
-- neighbours beyond 2^53 are two labels to bigint
SELECT ml_accuracy(9007199254740993, 9007199254740992) AS bigint;
SELECT ml_accuracy(0.0::float8, '-0'::float8) AS zeros;

-- the positive class: the greater label, and true or 1 even when not seen
SELECT ml_precision(a, p) AS precision, ml_recall(a, p) AS recall, round(ml_f1(a, p)::numeric, 6) AS f1
FROM (VALUES ('yes', 'yes'), ('no', 'yes'), ('no', 'no'), ('yes', 'yes')) v(a, p);
SELECT ml_precision(a, p) AS precision, ml_recall(a, p) AS recall
FROM (VALUES (-1, 2), (2, 2), (-1, -1), (2, -1), (2, -1)) v(a, p);
SELECT ml_precision(false, false) AS boolean, ml_precision(0, 0) AS int, ml_precision(0.0::float8, 0) AS float8,
	ml_precision('no', 'no') AS text, ml_recall(5, 5) AS five;
SELECT ml_precision(true, false) AS nothing_predicted, ml_recall(false, true) AS nothing_positive, ml_f1(true, false) AS no_hit;
-- three labels: means over them
SELECT round(ml_precision(a, p)::numeric, 6) AS precision, round(ml_recall(a, p)::numeric, 6) AS recall,
	round(ml_f1(a, p)::numeric, 6) AS f1
FROM (VALUES ('a', 'a'), ('a', 'b'), ('b', 'b'), ('b', 'c')) v(a, p);

-- the matrix: labels in order, as JSON of their type
SELECT ml_confusion_matrix(a, p) FROM (VALUES ('b', 'B'), ('z', 'b'), ('', 'b"\'), ('b', 'b'), ('ba', 'b')) v(a, p);
SELECT ml_confusion_matrix(a, p) FROM (VALUES (true, false), (true, true), (true, false)) v(a, p);
SELECT ml_confusion_matrix(a, p) FROM (VALUES (-9223372036854775808, 9223372036854775807), (0, -1)) v(a, p);
SELECT ml_confusion_matrix(a, p) FROM (VALUES (0.1::float8 + 0.2, 0.3::float8), (-1e20, 1.5)) v(a, p);

-- NULL rows are skipped; no rows give NULL
SELECT ml_accuracy(a, p), ml_confusion_matrix(a, p), ml_mae(a, p), ml_roc_auc(a, p), ml_log_loss(a, p)
FROM (VALUES (NULL, 1), (1, 1), (0, NULL), (NULL, NULL), (0, 1), (1, 0)) v(a, p);
SELECT ml_accuracy(a, p), ml_confusion_matrix(a, p), ml_mae(a, p), ml_r2(a, p), ml_roc_auc(a, p), ml_average_precision(a, p),
	ml_log_loss(a, p), ml_brier(a, p)
FROM (VALUES (NULL::float8, 1.0::float8), (1, NULL)) v(a, p);
SELECT ml_accuracy(a, p), ml_precision(a, p), ml_mcc(a, p), ml_rmse(a, p), ml_r2(a, p), ml_roc_auc(a, p), ml_brier(a, p)
FROM labels WHERE false;
SELECT ml_roc_auc(true, 0.5) IS NULL AS one_class, ml_average_precision(false, 0.5) IS NULL AS no_positive,
	ml_r2(1, 1) IS NULL AS one_row;

-- a table of some thousand rows
CREATE TABLE rows AS
SELECT i, i % 7 AS region, (i * 7919) % 1000 < 300 AS label, ((i * 104729) % 997) / 1000.0::float8 AS score,
	'class ' || (i * 31) % 5 AS class, 'class ' || (i * 17 / 3) % 5 AS predicted_class,
	1e6 + ((i * 7907) % 1009) / 16.0::float8 AS y, 1e6 + ((i * 7901) % 1013) / 16.0::float8 AS predicted
FROM generate_series(1, 5000) i;
ALTER TABLE rows SET (parallel_workers = 2);
ANALYZE rows;

-- against plain SQL
SELECT near(ml_roc_auc(label, score),
			(SELECT (sum(r) FILTER (WHERE label) - n1 * (n1 + 1) / 2) / (n1 * n0)
			 FROM (SELECT label, rank() OVER (ORDER BY score) + (count(*) OVER (PARTITION BY score) - 1) / 2.0 AS r,
				   count(*) FILTER (WHERE label) OVER () AS n1, count(*) FILTER (WHERE NOT label) OVER () AS n0 FROM rows) s
			 GROUP BY n1, n0)::float8) AS roc_auc,
	near(ml_accuracy(class, predicted_class), avg((class = predicted_class)::int)::float8) AS accuracy,
	near(ml_mae(y, predicted), avg(abs(y - predicted))) AS mae,
	near(ml_rmse(y, predicted), sqrt(avg((y - predicted) ^ 2))) AS rmse,
	near(ml_brier(label, score), avg((label::int - score) ^ 2)) AS brier,
	near(ml_r2(y, predicted), 1 - sum((y - predicted) ^ 2) / (count(*) * var_pop(y))) AS r2
FROM rows;
SELECT count(*) AS cells, bool_and((m->'matrix'->(x - 1)::int->>(z - 1)::int)::bigint = n) AS right
FROM (SELECT ml_confusion_matrix(class, predicted_class) AS m FROM rows) s,
	LATERAL jsonb_array_elements_text(m->'labels') WITH ORDINALITY a(la, x),
	LATERAL jsonb_array_elements_text(m->'labels') WITH ORDINALITY b(lb, z),
	LATERAL (SELECT count(*) AS n FROM rows WHERE class = la AND predicted_class = lb) c;

-- GROUP BY, FILTER, DISTINCT and ORDER BY inside, and windows that go on adding to a state after its result was taken
SELECT bool_and(near(g.accuracy, f.accuracy) AND near(g.roc_auc, f.roc_auc) AND near(g.r2, f.r2)) AS groups_and_filters
FROM (SELECT region, ml_accuracy(class, predicted_class) AS accuracy, ml_roc_auc(label, score) AS roc_auc, ml_r2(y, predicted) AS r2
	  FROM rows GROUP BY region) g,
	LATERAL (SELECT ml_accuracy(class, predicted_class) FILTER (WHERE region = g.region) AS accuracy,
			 ml_roc_auc(label, score) FILTER (WHERE region = g.region) AS roc_auc,
			 ml_r2(y, predicted) FILTER (WHERE region = g.region) AS r2 FROM rows) f;
SELECT count(*) AS groups, count(accuracy) AS defined FROM (SELECT ml_accuracy(label, score > 0.5) AS accuracy FROM rows GROUP BY i) s;
SELECT ml_accuracy(DISTINCT a, p ORDER BY a, p) FROM (VALUES (1, 1), (1, 1), (1, 0), (1, 1)) v(a, p);
SELECT i, ml_accuracy(a, a) OVER w AS accuracy, ml_confusion_matrix(a, p) OVER w AS matrix, ml_roc_auc(a, p) OVER w AS roc_auc,
	round((ml_rmse(a, p) OVER w)::numeric, 6) AS rmse
FROM (VALUES (1, 0, 2), (2, 1, 3), (3, 1, 1), (4, 0, 0)) v(i, a, p) WINDOW w AS (ORDER BY i);

-- parallel plans, all states made by workers, give what a serial plan gives
CREATE VIEW every_metric AS
SELECT ml_accuracy(class, predicted_class) AS accuracy, ml_balanced_accuracy(class, predicted_class) AS balanced_accuracy,
	ml_precision(class, predicted_class) AS precision, ml_recall(class, predicted_class) AS recall, ml_f1(class, predicted_class) AS f1,
	ml_mcc(class, predicted_class) AS mcc, ml_confusion_matrix(class, predicted_class) AS matrix,
	ml_f1(label, score > 0.5) AS f1_boolean, ml_f1(region, i % 3) AS f1_bigint, ml_f1(score, y) AS f1_float8,
	ml_f1(label, round(score)) AS f1_truth,
	ml_roc_auc(label, score) AS roc_auc, ml_average_precision(label::int, score) AS average_precision,
	ml_log_loss(label, score) AS log_loss, ml_brier(label::int, score) AS brier, ml_mae(y, predicted) AS mae,
	ml_mse(y, predicted) AS mse, ml_rmse(y, predicted) AS rmse, ml_mape(y, predicted) AS mape, ml_r2(y, predicted) AS r2
FROM rows;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT to_jsonb(e) AS metrics FROM every_metric e;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT * FROM every_metric;
EXPLAIN (COSTS OFF) SELECT region, ml_roc_auc(label, score), ml_r2(y, predicted) FROM rows GROUP BY region;
CREATE TABLE parallel AS SELECT to_jsonb(e) AS metrics FROM every_metric e;
SELECT count(*) AS metrics, bool_and(CASE jsonb_typeof(s.value) WHEN 'number' THEN near(p.value::float8, s.value::float8)
									 ELSE p.value = s.value END) AS same
FROM serial, parallel, LATERAL jsonb_each(serial.metrics) s, LATERAL jsonb_each(parallel.metrics) p
WHERE s.key = p.key;
SELECT bool_and(near(roc_auc, again) AND near(r2, r2_again)) AS groups_same
FROM (SELECT region, ml_roc_auc(label, score) AS roc_auc, ml_r2(y, predicted) AS r2 FROM rows GROUP BY region) g
	JOIN (SELECT region, ml_roc_auc(label, score ORDER BY i) AS again, ml_r2(y, predicted ORDER BY i) AS r2_again
		  FROM rows GROUP BY region) o USING (region);
-- NULL states of workers that saw no row that counts
SELECT ml_accuracy(label, CASE WHEN i = 17 THEN label END) AS one_row, ml_mae(y, NULL) AS no_row,
	ml_roc_auc(label, CASE WHEN i < 3 THEN score END) AS two_rows, ml_mse(y, CASE WHEN i = 17 THEN y + 1 END) AS error
FROM rows;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;

-- every aggregate can run in parts and has a comment
SELECT count(*) AS aggregates, bool_and(a.aggcombinefn <> 0) AS combine, bool_and(p.proparallel = 's') AS parallel_safe,
	bool_and(a.aggtranstype = 'ml_state'::regtype) AS own_state, bool_and(obj_description(p.oid, 'pg_proc') IS NOT NULL) AS comment,
	bool_and(p.provolatile = 'i') AS immutable
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
WHERE p.proname IN ('ml_accuracy', 'ml_balanced_accuracy', 'ml_precision', 'ml_recall', 'ml_f1', 'ml_mcc', 'ml_confusion_matrix',
					'ml_roc_auc', 'ml_average_precision', 'ml_log_loss', 'ml_brier', 'ml_mae', 'ml_mse', 'ml_rmse', 'ml_mape', 'ml_r2');

-- the state as a value: text and back, combined again
CREATE AGGREGATE state_of_labels(text, text) (SFUNC = ml_classification_text, STYPE = ml_state);
CREATE AGGREGATE state_of_numbers(float8, float8) (SFUNC = ml_regression_float8, STYPE = ml_state);
CREATE AGGREGATE state_of_scores(boolean, float8) (SFUNC = ml_scores_boolean, STYPE = ml_state);
CREATE AGGREGATE state_of_booleans(boolean, boolean) (SFUNC = ml_classification_boolean, STYPE = ml_state);
CREATE AGGREGATE accuracy_of_states(ml_state) (SFUNC = ml_classification_combine, STYPE = ml_state, FINALFUNC = ml_accuracy_final);
CREATE AGGREGATE r2_of_states(ml_state) (SFUNC = ml_regression_combine, STYPE = ml_state, FINALFUNC = ml_r2_final);
CREATE AGGREGATE roc_auc_of_states(ml_state) (SFUNC = ml_scores_combine, STYPE = ml_state, FINALFUNC = ml_roc_auc_final);
CREATE TABLE states AS
SELECT region, state_of_labels(class, predicted_class) AS labels, state_of_numbers(y, predicted) AS numbers,
	state_of_scores(label, score) AS scores
FROM rows GROUP BY region;
SELECT bool_and(labels::text::ml_state::text = labels::text) AS labels, bool_and(numbers::text::ml_state::text = numbers::text) AS numbers,
	bool_and(scores::text::ml_state::text = scores::text) AS scores
FROM states;
SELECT near(accuracy_of_states(labels::text::ml_state), (metrics->'accuracy')::float8) AS accuracy,
	near(r2_of_states(numbers::text::ml_state), (metrics->'r2')::float8) AS r2,
	near(roc_auc_of_states(scores::text::ml_state), (metrics->'roc_auc')::float8) AS roc_auc
FROM states, serial GROUP BY metrics;
SELECT ml_state_out(labels)::text = labels::text AS out_is_cast, length(ml_state_send(labels)) * 2 + 2 = length(labels::text) AS send_is_text
FROM states WHERE region = 0;

-- any wrong digit and any missing end is an error
CREATE FUNCTION sqlstate_of(state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM state::ml_state;
	RETURN 'accepted';
EXCEPTION WHEN data_corrupted OR invalid_text_representation OR invalid_parameter_value THEN
	RETURN SQLSTATE;
END $$;
CREATE TABLE small_states AS
SELECT state_of_labels('yes', 'no')::text AS state
UNION ALL SELECT state_of_numbers(1, 2)::text
UNION ALL SELECT state_of_scores(true, 0.5)::text
UNION ALL SELECT state_of_booleans(true, false)::text;
SELECT sqlstate_of(state) AS untouched, count(*) FROM small_states GROUP BY 1;
SELECT sqlstate_of(overlay(state PLACING to_hex(('x' || substr(state, at, 1))::bit(4)::int # bit) FROM at FOR 1)) AS wrong_digit, count(*) > 0
FROM small_states, LATERAL generate_series(3, length(state)) at, (VALUES (1), (2), (4), (8)) b(bit) GROUP BY 1 ORDER BY 1;
SELECT sqlstate_of(left(state, keep)) AS truncated, count(*) > 0
FROM small_states, LATERAL generate_series(0, length(state) - 1) keep GROUP BY 1 ORDER BY 1;
SELECT sqlstate_of(state || '00') AS longer, count(*) FROM small_states GROUP BY 1;
SELECT 'no state'::ml_state;
SELECT '\x'::ml_state;
SELECT '\x0g'::ml_state;
SELECT '\x00000000000000000000000000000000'::ml_state;

-- states of other kinds, and support functions called by themselves
SELECT ml_roc_auc_final(labels) FROM states WHERE region = 0;
SELECT ml_accuracy_final(numbers) FROM states WHERE region = 0;
SELECT accuracy_of_states(s) FROM (SELECT state_of_labels('a', 'b') UNION ALL SELECT state_of_booleans(true, true)) v(s);
SELECT ml_classification_text(NULL, 'a', 'b');
SELECT ml_scores_combine(scores, scores) FROM states WHERE region = 0;

-- bad input
SELECT ml_mae(1, 'NaN');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_r2('-Infinity', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_accuracy('NaN'::float8, 1);
SELECT ml_mse(1e200, -1e200);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_mse(a, -a) FROM (VALUES (1e200), (1e10)) v(a);
SELECT ml_log_loss(true, 1.5);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_brier(true, 'NaN');
SELECT ml_log_loss(2, 0.5);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_roc_auc(0.5, 0.5);
SELECT ml_roc_auc(true, 'NaN');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_accuracy(true, 0.7);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_roc_auc(a, s) FROM (VALUES (-1, '-Infinity'::float8), (1, 'Infinity')) v(a, s);
SELECT ml_accuracy(i, i) FROM generate_series(1, 10000) i;
SELECT ml_accuracy(i, i) FROM generate_series(1, 10001) i;
\echo :LAST_ERROR_SQLSTATE
SELECT jsonb_array_length(ml_confusion_matrix(i, i)->'matrix') FROM generate_series(1, 1000) i;
SELECT ml_confusion_matrix(i, i) FROM generate_series(1, 1001) i;
\echo :LAST_ERROR_SQLSTATE
SET mlaas.max_memory = '1MB';
SELECT ml_roc_auc(i % 2 = 0, i) > 0.5 AS fits FROM generate_series(1, 80000) i;
-- scores that outgrow memory are sorted in files, except those of a window
SELECT ml_roc_auc(i % 2 = 0, i) FROM generate_series(1, 200000) i;
SELECT max(area) FROM (SELECT ml_roc_auc(i % 2 = 0, sqrt(i)) OVER () AS area FROM generate_series(1, 500000) i) s;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_accuracy(repeat('x', i), 'y') FROM generate_series(1, 2000) i;
RESET mlaas.max_memory;

RESET search_path;
DROP SCHEMA metrics_test CASCADE;
