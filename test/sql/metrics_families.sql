-- Metrics family by family: averages, weights, labels of each type, curves and reports as rows, ties, one class and no
-- rows, scores that outgrow memory, windows, states as text, and bad input.
CREATE SCHEMA metrics_families_test;
SET search_path = metrics_families_test, public;
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE FUNCTION near(value float8, reference float8) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT abs(value - reference) <= 1e-12 * greatest(abs(reference), 1e-3) $$;

-- 1. labels: by the equality of their type, in its order

CREATE TYPE size AS ENUM ('small', 'medium', 'large');
CREATE TABLE sizes (actual size, predicted size, w int);
INSERT INTO sizes VALUES ('large', 'large', 3), ('small', 'medium', 1), ('medium', 'medium', 2), ('small', 'small', 0), ('large', 'small', 1);
SELECT ml_accuracy(actual, predicted) AS accuracy, round(ml_accuracy(actual, predicted, w)::numeric, 6) AS weighted,
	round(ml_accuracy(actual::text, predicted::text, w)::numeric, 6) AS as_text, ml_precision(actual, predicted, 'micro') AS micro
FROM sizes;
SELECT ml_confusion_matrix(actual, predicted) AS enum, ml_confusion_matrix(actual, predicted, w + 0.5) AS weighted FROM sizes;
SELECT * FROM unnest((SELECT ml_confusion_cells(actual, predicted) FROM sizes)) LIMIT 4;
SELECT class, average, round("precision"::numeric, 3) AS p, round(recall::numeric, 3) AS r, round(f1::numeric, 3) AS f1, support
FROM unnest((SELECT ml_classification_report(actual, predicted) FROM sizes));
-- numeric: 1.10 is 1.1, and neighbours that float8 does not tell apart are two
SELECT ml_accuracy(1.10, 1.1) AS equal, round(ml_accuracy(a, b)::numeric, 6) AS neighbours, ml_confusion_matrix(a, b) AS matrix
FROM (VALUES (9007199254740993.00, 9007199254740992::numeric), (-0.50, -.5), (0, -0.0)) v(a, b) GROUP BY ();
SELECT ml_accuracy('NaN'::numeric, 1::numeric);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_accuracy('Infinity'::numeric, 1::numeric);
-- averages
SELECT a AS average, round(ml_precision(x, y, a)::numeric, 6) AS p, round(ml_recall(x, y, a)::numeric, 6) AS r, round(ml_f1(x, y, a)::numeric, 6) AS f1,
	round(ml_fbeta(x, y, 2, a)::numeric, 6) AS f2, round(ml_jaccard(x, y, a)::numeric, 6) AS jaccard,
	round(ml_specificity(x, y, a)::numeric, 6) AS specificity
FROM (VALUES ('a', 'a'), ('a', 'b'), ('b', 'b'), ('b', 'c'), ('a', 'a')) v(x, y), unnest('{macro,micro,weighted}'::text[]) a GROUP BY a ORDER BY a;
SELECT ml_precision('a', 'b', 'binary') AS nothing_right, ml_jaccard(true, true, 'binary') AS all_right, ml_fbeta(true, false, 0) AS beta_0;
SELECT ml_precision(i, i, 'binary') FROM generate_series(1, 3) i;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_precision(1, 1, 'median');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_precision(1, 1, NULL::text);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_precision(i, i, CASE i WHEN 1 THEN 'micro' ELSE 'macro' END) FROM generate_series(1, 3) i;
\echo :LAST_ERROR_SQLSTATE
SELECT ml_fbeta(1, 1, -1);
SELECT ml_fbeta(i, i, i) FROM generate_series(1, 3) i;
-- weights: as if rows were repeated, 0 leaves out, NULL skips
CREATE TABLE weighted AS
SELECT i, i * 7 % 3 AS a, i * 11 % 4 AS p, i % 4 AS w, (i * 31 % 50) / 50.0::float8 AS score, i % 3 = 0 AS label, (i * 13 % 17)::float8 + 1 AS y, (i * 5 % 19)::float8 + 1 AS z
FROM generate_series(1, 200) i;
CREATE VIEW repeated AS SELECT r.* FROM weighted r, generate_series(1, w);
SELECT near(w1.acc, w2.acc) AS accuracy, near(w1.kappa, w2.kappa) AS kappa, near(w1.mcc, w2.mcc) AS mcc, near(w1.f1, w2.f1) AS f1, near(w1.auc, w2.auc) AS auc,
	near(w1.ap, w2.ap) AS ap, near(w1.ks, w2.ks) AS ks, near(w1.ece, w2.ece) AS ece, near(w1.r2, w2.r2) AS r2, near(w1.ev, w2.ev) AS ev,
	near(w1.huber, w2.huber) AS huber, near(w1.smape, w2.smape) AS smape, w1.lift = w2.lift AS lift, w1.roc = w2.roc AS roc
FROM (SELECT ml_accuracy(a, p, w) AS acc, ml_cohen_kappa(a, p, w) AS kappa, ml_mcc(a, p, w) AS mcc, ml_f1(a, p, 'macro', w) AS f1, ml_roc_auc(label, score, w) AS auc,
	  ml_average_precision(label, score, w) AS ap, ml_ks(label, score, w) AS ks, ml_expected_calibration_error(label, score, 5, w) AS ece, ml_r2(y, z, w) AS r2,
	  ml_explained_variance(y, z, w) AS ev, ml_huber(y, z, 2, w) AS huber, ml_smape(y, z, w) AS smape, ml_lift_curve(label, score, 4, w) AS lift,
	  ml_roc_curve(label, score, w) AS roc FROM weighted) w1,
	(SELECT ml_accuracy(a, p) AS acc, ml_cohen_kappa(a, p) AS kappa, ml_mcc(a, p) AS mcc, ml_f1(a, p, 'macro') AS f1, ml_roc_auc(label, score) AS auc,
	  ml_average_precision(label, score) AS ap, ml_ks(label, score) AS ks, ml_expected_calibration_error(label, score, 5) AS ece, ml_r2(y, z) AS r2,
	  ml_explained_variance(y, z) AS ev, ml_huber(y, z, 2) AS huber, ml_smape(y, z) AS smape, ml_lift_curve(label, score, 4) AS lift,
	  ml_roc_curve(label, score) AS roc FROM repeated) w2;
SELECT ml_accuracy(1, 1, 0) IS NULL AS no_weight, ml_mae(1, 2, 0) IS NULL AS mae, ml_roc_auc(true, 1, 0) IS NULL AS roc_auc,
	ml_accuracy(1, 1, NULL) IS NULL AS null_weight;
SELECT ml_accuracy(1, 1, -1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_mae(1, 1, 'NaN');
SELECT ml_accuracy(i, i, 1e308) FROM generate_series(1, 3) i;
\echo :LAST_ERROR_SQLSTATE
-- nothing beyond chance where there is one label only; groupings whatever their labels
SELECT ml_cohen_kappa(1, 1) IS NULL AS kappa, ml_ari(1, 1) AS ari, ml_v_measure(1, 1) AS v_measure;
SELECT ml_ari(a, b) AS ari, ml_nmi(a, b) AS nmi, ml_homogeneity(a, b) AS homogeneity
FROM (VALUES ('a', 'z'), ('a', 'z'), ('b', 'y'), ('c', 'x')) v(a, b);
SELECT round(ml_ari(i % 1000, i % 7)::numeric, 6) AS ari, round(ml_ari(i, -i)::numeric, 6) AS alone FROM generate_series(1, 3000) i;

-- 2. scores

SELECT * FROM unnest((SELECT ml_roc_curve(a, s) FROM (VALUES (1, .9), (0, .9), (1, .5), (0, .1)) v(a, s)));
SELECT threshold, round("precision"::numeric, 6) AS "precision", recall FROM unnest((SELECT ml_precision_recall_curve(a, s) FROM (VALUES (1, .9), (0, .5), (1, .5)) v(a, s)));
SELECT round(fraction::numeric, 4) AS fraction, threshold, round(gain::numeric, 4) AS gain, round(lift::numeric, 4) AS lift
FROM unnest((SELECT ml_lift_curve(a, s, 3) FROM (VALUES (1, .9), (1, .8), (0, .8), (0, .5), (0, .1)) v(a, s)));
SELECT * FROM unnest((SELECT ml_calibration_curve(a, p, 2) FROM (VALUES (1, 0.5), (0, 0.25), (1, 1), (1, 0.75)) v(a, p)));
SELECT ml_expected_calibration_error(a, p, 2) AS ece FROM (VALUES (1, 0.5), (0, 0.25), (1, 1), (1, 0.75)) v(a, p);
SELECT ml_ks(a, 1.0) AS all_tied, ml_gini(a, 1.0) AS gini FROM (VALUES (1), (0)) v(a);
SELECT ml_ks(true, 1) IS NULL AS ks, ml_gini(true, 1) IS NULL AS gini, ml_roc_curve(true, 1) IS NULL AS roc_curve,
	ml_precision_recall_curve(false, 1) IS NULL AS pr_curve, ml_lift_curve(false, 1, 2) IS NULL AS lift_curve, ml_calibration_curve(false, 1) AS calibration;
SELECT ml_lift_curve(true, 1, 0);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_lift_curve(true, 1, i) FROM generate_series(1, 2) i;
SELECT ml_expected_calibration_error(true, 0.5, NULL);
SELECT ml_expected_calibration_error(true, 2);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_ks(true, 'NaN');

-- memory: sorted runs in temporary files, merged runs of few scores, and all of it in parallel
CREATE TABLE many AS
SELECT i, (i * 7919::bigint % 10007) % 3 = 0 AS label, sqrt(i * 104729::bigint % 100003) AS score, (i * 31 % 100)::float8 AS few, 1 + i % 3 AS w
FROM generate_series(1, 60000) i;
ALTER TABLE many SET (parallel_workers = 2);
CREATE VIEW ordered AS
SELECT ml_roc_auc(label, score) AS auc, ml_roc_auc(label, score, w) AS auc_weighted, ml_average_precision(label, few) AS ap_few, ml_ks(label, score) AS ks,
	ml_median_absolute_error(score, few) AS median, ml_median_absolute_error(score, few, w) AS median_weighted,
	ml_roc_auc((i % 3)::text, ARRAY[score / 400, few / 400, 0.1], '{0,1,2}', 'ovo') AS ovo FROM many;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '256MB';
CREATE TABLE in_memory AS SELECT to_jsonb(o) AS metrics FROM ordered o;
SET work_mem = '64kB';
CREATE TABLE in_files AS SELECT to_jsonb(o) AS metrics FROM ordered o;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE in_parts AS SELECT to_jsonb(o) AS metrics FROM ordered o;
EXPLAIN (COSTS OFF) SELECT ml_roc_curve(label, score), ml_top_k_accuracy(i::text, '{}', 1), ml_ndcg(i, score), ml_silhouette(ARRAY[score], i),
	ml_expected_calibration_error(label, few / 100), ml_adjusted_r2(score, few, 2), ml_huber(score, few, 1), ml_fbeta(label, label, 2, 'macro', w) FROM many;
SELECT count(*) AS metrics, bool_and(near(f.value::float8, m.value::float8)) AS in_files, bool_and(near(p.value::float8, m.value::float8)) AS in_parts
FROM in_memory, in_files, in_parts, jsonb_each(in_memory.metrics) m, jsonb_each(in_files.metrics) f, jsonb_each(in_parts.metrics) p
WHERE m.key = f.key AND m.key = p.key;
-- groups one after the other, and all at a time
SET enable_hashagg = off;
CREATE TABLE one_by_one AS SELECT i % 5 AS g, ml_roc_auc(label, score) AS auc FROM many GROUP BY 1;
RESET enable_hashagg;
SELECT bool_and(near(o.auc, h.auc)) AS groups FROM one_by_one o JOIN (SELECT i % 5 AS g, ml_roc_auc(label, score) AS auc FROM many GROUP BY 1) h USING (g);
-- a query that fails half-way leaves no file behind that anyone would miss
SELECT ml_roc_auc(label, CASE WHEN i < 59999 THEN score ELSE 'NaN' END) FROM (SELECT * FROM many ORDER BY i) m;
SELECT count(*) FROM pg_ls_tmpdir();
RESET work_mem;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- windows, also of frames that lose rows
SELECT bool_and(near(a, b)) AS moving
FROM (SELECT ml_median_absolute_error(y, z) OVER (ORDER BY i ROWS 4 PRECEDING) AS a,
	  (SELECT ml_median_absolute_error(y, z) FROM weighted v WHERE v.i BETWEEN r.i - 4 AND r.i) AS b FROM weighted r) s;
SELECT bool_and(near(a, b)) AS moving
FROM (SELECT ml_roc_auc(label, score) OVER (ORDER BY i ROWS 9 PRECEDING) AS a,
	  (SELECT ml_roc_auc(label, score) FROM weighted v WHERE v.i BETWEEN r.i - 9 AND r.i) AS b FROM weighted r) s;
-- DISTINCT and FILTER
SELECT ml_mae(DISTINCT a, b) AS "distinct", ml_mae(a, b) FILTER (WHERE a > 1) AS filter FROM (VALUES (1, 2), (1, 2), (3, 3)) v(a, b);

-- 3. numbers

SELECT ml_median_absolute_error(a, 0) AS even, ml_median_absolute_error(a, 0, w) AS weighted, ml_max_error(a, 0) AS max_error
FROM (VALUES (1, 1), (2, 1), (4, 1), (8, 1)) v(a, w);
SELECT ml_smape(a, p) AS smape FROM (VALUES (0, 0), (1, -1), (1, 3)) v(a, p);
SELECT round(ml_rmsle(3, 0)::numeric, 6) AS rmsle, ml_pinball(3, 1, 0.25) AS above, ml_pinball(1, 3, 0.25) AS below, ml_huber(1, 0.5, 1) AS near, ml_huber(5, 1, 1) AS far;
SELECT ml_poisson_deviance(0, 2) AS poisson, ml_tweedie_deviance(-1, 2, 0) AS normal;
SELECT ml_adjusted_r2(a, a, 1) AS perfect, ml_adjusted_r2(a, a, 2) IS NULL AS too_few, ml_adjusted_r2(a, 0, 0) = ml_r2(a, 0) AS no_features
FROM (VALUES (1), (2), (4)) v(a);
-- an error that all rows share: r2 is low, the explained variance is not, however large the numbers
SELECT ml_explained_variance(1e9 + i, 2e9 + i) AS explained, ml_r2(1e9 + i, 2e9 + i) < -1e9 AS r2 FROM generate_series(1, 100) i;
SELECT ml_rmsle(-1, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_poisson_deviance(1, 0);
SELECT ml_gamma_deviance(0, 1);
SELECT ml_tweedie_deviance(1, 1, 0.5);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_pinball(1, 1, 1.5);
SELECT ml_huber(1, 1, 0);
SELECT ml_huber(1, 1, NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_pinball(i, i, i / 4.0) FROM generate_series(1, 2) i;
SELECT ml_adjusted_r2(1, 1, -1);
SELECT ml_median_absolute_error(1, 'NaN');

-- 4. a probability for each class

SELECT round(ml_log_loss(a, p)::numeric, 6) AS log_loss, round(ml_brier(a, p)::numeric, 6) AS brier, ml_top_k_accuracy(a, p, 1) AS top_1, round(ml_top_k_accuracy(a, p, 2)::numeric, 6) AS top_2
FROM (VALUES ('a', '{"a": 0.5, "b": 0.5}'::jsonb), ('b', '{"a": 0.25, "b": 0.75}'), ('c', '{"a": 0.5, "b": 0.5}')) v(a, p);
SELECT ml_roc_auc(a, p) AS ovr, ml_roc_auc(a, p, 'ovo') AS ovo, ml_roc_auc(a, p) FILTER (WHERE a = 'a') IS NULL AS one_class
FROM (VALUES ('a', '{"a": 0.5, "b": 0.3, "c": 0.2}'::jsonb), ('b', '{"a": 0.2, "b": 0.7, "c": 0.1}'), ('b', '{"a": 0.6, "b": 0.2, "c": 0.2}')) v(a, p);
SELECT ml_log_loss('a', '[1]'::jsonb);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_log_loss('a', '{"a": "1"}'::jsonb);
SELECT ml_log_loss('a', '{"a": 1.5}'::jsonb);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_log_loss('a', '{0.5,0.5}'::float8[], '{a}'::text[]);
SELECT ml_log_loss('a', '{0.5,NULL}'::float8[], '{a,b}'::text[]);
SELECT ml_log_loss('a', '{}'::float8[], '{}'::text[]);
SELECT ml_roc_auc('a', '{0.5,0.5}'::float8[], '{a,a}'::text[]);
SELECT ml_roc_auc('a', ARRAY[0.5, 0.5]::float8[], ARRAY['a', 'b' || i]) FROM generate_series(1, 2) i;
SELECT ml_roc_auc('a', '{"a": 1}'::jsonb, 'ova');
\echo :LAST_ERROR_SQLSTATE
SELECT ml_roc_auc('a', '{"a": 1}'::jsonb, 'ovr', 'micro');
SELECT ml_top_k_accuracy('a', '{"a": 1}'::jsonb, 0);
SELECT ml_roc_auc('1', (SELECT array_agg(0.5::float8) FROM generate_series(1, 300)), (SELECT array_agg(i::text) FROM generate_series(1, 300) i));
\echo :LAST_ERROR_SQLSTATE

-- 5. orders and clusters

SELECT ml_ndcg(r, s) AS ndcg, ml_ndcg(r, s) FILTER (WHERE r = 0) IS NULL AS nothing_relevant, round(ml_dcg(r, s, 1)::numeric, 6) AS dcg_1
FROM (VALUES (2, .9), (1, .5), (0, .1)) v(r, s);
-- tied rows share their places: the mean over both orders
SELECT ml_reciprocal_rank(r, s) AS tied, round(ml_reciprocal_rank(r, -s)::numeric, 6) AS reverse, ml_reciprocal_rank(r, s) FILTER (WHERE NOT r) AS none,
	ml_precision_at_k(r, s, 1) AS p_1, ml_recall_at_k(r, s, 2) AS r_2, ml_precision_at_k(r, s, 10) AS p_10, ml_recall_at_k(r, s, 1) FILTER (WHERE NOT r) IS NULL AS no_relevant
FROM (VALUES (true, .9), (false, .9), (false, .1)) v(r, s);
SELECT ml_ndcg(-1, 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_ndcg(1, 'NaN');
SELECT ml_precision_at_k(true, 1, 0);
SELECT ml_ndcg(i, i, i) FROM generate_series(1, 2) i;
SET mlaas.max_memory = '1MB';
SELECT ml_ndcg(1, i) FROM generate_series(1, 100000) i;
\echo :LAST_ERROR_SQLSTATE
RESET mlaas.max_memory;
SELECT round(ml_silhouette(ARRAY[x], c)::numeric, 6) AS two, round(ml_davies_bouldin(ARRAY[x], c)::numeric, 6) AS davies_bouldin,
	round(ml_calinski_harabasz(ARRAY[x], c)::numeric, 6) AS calinski_harabasz
FROM (VALUES (0.0, 'a'), (1, 'a'), (10, 'b'), (11, 'b')) v(x, c);
SELECT ml_silhouette(ARRAY[i], 1) IS NULL AS one_cluster, ml_davies_bouldin(ARRAY[i], i) IS NULL AS all_alone, ml_silhouette(ARRAY[1.0], i % 2) AS one_place,
	ml_davies_bouldin(ARRAY[1.0], i % 2) AS no_distance, ml_calinski_harabasz(ARRAY[i % 2], i % 2) AS no_spread FROM generate_series(1, 4) i;
SELECT ml_silhouette('{1,NULL}', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_silhouette('{NaN}', 1);
\echo :LAST_ERROR_SQLSTATE
SELECT ml_silhouette(CASE i WHEN 1 THEN '{1}' ELSE '{1,2}' END::float8[], i) FROM generate_series(1, 2) i;
SELECT ml_silhouette('{}', 1);
SELECT ml_silhouette(ARRAY[1.0], i) FROM generate_series(1, 10001) i;
\echo :LAST_ERROR_SQLSTATE

-- 6. states as text: any wrong digit is an error, and a state of one metric is none of another

CREATE AGGREGATE state_of_scores(boolean, float8) (SFUNC = ml_scores_boolean, STYPE = ml_state);
CREATE AGGREGATE state_of_errors(float8, float8) (SFUNC = ml_errors_float8, STYPE = ml_state);
CREATE AGGREGATE state_of_numeric(numeric, numeric) (SFUNC = ml_classification_numeric, STYPE = ml_state);
CREATE AGGREGATE state_of_weights(text, text, float8) (SFUNC = ml_classification_text, STYPE = ml_state);
CREATE AGGREGATE state_of_loss(float8, float8) (SFUNC = ml_loss_smape, STYPE = ml_state);
CREATE AGGREGATE state_of_bins(boolean, float8) (SFUNC = ml_calibration_boolean, STYPE = ml_state);
CREATE AGGREGATE state_of_rows(float8, float8) (SFUNC = ml_ranking_float8, STYPE = ml_state);
CREATE AGGREGATE state_of_points(float8[], text) (SFUNC = ml_points_text, STYPE = ml_state);
CREATE AGGREGATE state_of_classes(text, float8[], text[]) (SFUNC = ml_class_scores_array, STYPE = ml_state);
CREATE TABLE states AS
SELECT 'scores' AS kind, state_of_scores(true, 0.5) AS state UNION ALL SELECT 'errors', state_of_errors(1, 3) UNION ALL SELECT 'numeric', state_of_numeric(1.50, -2)
UNION ALL SELECT 'weights', state_of_weights('a', 'b', 2.5) UNION ALL SELECT 'loss', state_of_loss(1, 2) UNION ALL SELECT 'bins', state_of_bins(true, 0.5)
UNION ALL SELECT 'rows', state_of_rows(1, 2) UNION ALL SELECT 'points', state_of_points('{1,2}', 'x') UNION ALL SELECT 'classes', state_of_classes('a', '{0.5,0.5}', '{a,b}');
SELECT bool_and(state::text::ml_state::text = state::text) AS round_trip FROM states;
CREATE FUNCTION sqlstate_of(state text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM state::ml_state;
	RETURN 'accepted';
EXCEPTION WHEN data_corrupted OR invalid_text_representation OR invalid_parameter_value THEN
	RETURN SQLSTATE;
END $$;
SELECT sqlstate_of(overlay(state::text PLACING to_hex(('x' || substr(state::text, at, 1))::bit(4)::int # 4) FROM at FOR 1)) AS wrong_digit, count(*) > 0
FROM states, LATERAL generate_series(3, length(state::text)) at WHERE length(state::text) < 3000 GROUP BY 1 ORDER BY 1;
SELECT ml_roc_auc_final(state) FROM states WHERE kind = 'errors';
SELECT ml_median_absolute_error_final(state) FROM states WHERE kind = 'scores';
SELECT ml_roc_auc_classes_final(state) FROM states WHERE kind = 'scores';
SELECT ml_roc_auc_final(state) FROM states WHERE kind = 'classes';
SELECT ml_ndcg_final(state) FROM states WHERE kind = 'points';
SELECT ml_loss_final(NULL), ml_scores_boolean(NULL, true, 1);
SELECT ml_scores_combine(NULL, NULL);
CREATE FUNCTION no_rows(ml_state) RETURNS float8[] AS '$libdir/mlaas', 'ml_roc_curve_final' LANGUAGE C STRICT;
SELECT no_rows(s) FROM (SELECT state_of_scores(i = 1, i) FROM generate_series(1, 2) i) v(s);

RESET search_path;
DROP SCHEMA metrics_families_test CASCADE;
