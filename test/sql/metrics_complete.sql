-- Every metric is an aggregate that runs in parts, in parallel, with weights and FILTER: read from the catalog.
CREATE SCHEMA metrics_complete_test;
SET search_path = metrics_complete_test, public;

-- those there must be, and what scikit-learn calls them
CREATE TABLE wanted (metric text, sklearn text);
INSERT INTO wanted VALUES
	('accuracy', 'accuracy_score'), ('balanced_accuracy', 'balanced_accuracy_score'), ('precision', 'precision_score'), ('recall', 'recall_score'),
	('f1', 'f1_score'), ('fbeta', 'fbeta_score'), ('specificity', NULL), ('mcc', 'matthews_corrcoef'), ('cohen_kappa', 'cohen_kappa_score'),
	('jaccard', 'jaccard_score'), ('log_loss', 'log_loss'), ('brier', 'brier_score_loss'), ('roc_auc', 'roc_auc_score'),
	('average_precision', 'average_precision_score'), ('top_k_accuracy', 'top_k_accuracy_score'), ('ks', NULL), ('gini', NULL),
	('expected_calibration_error', NULL), ('confusion_matrix', 'confusion_matrix'), ('classification_report', 'classification_report'),
	('roc_curve', 'roc_curve'), ('precision_recall_curve', 'precision_recall_curve'), ('lift_curve', NULL), ('calibration_curve', 'calibration_curve'),
	('mae', 'mean_absolute_error'), ('mse', 'mean_squared_error'), ('rmse', 'root_mean_squared_error'), ('rmsle', 'root_mean_squared_log_error'),
	('mape', 'mean_absolute_percentage_error'), ('smape', NULL), ('median_absolute_error', 'median_absolute_error'), ('max_error', 'max_error'),
	('r2', 'r2_score'), ('adjusted_r2', NULL), ('explained_variance', 'explained_variance_score'), ('pinball', 'mean_pinball_loss'), ('huber', NULL),
	('poisson_deviance', 'mean_poisson_deviance'), ('gamma_deviance', 'mean_gamma_deviance'), ('tweedie_deviance', 'mean_tweedie_deviance'),
	('dcg', 'dcg_score'), ('ndcg', 'ndcg_score'), ('reciprocal_rank', NULL), ('precision_at_k', NULL), ('recall_at_k', NULL),
	('silhouette', 'silhouette_score'), ('davies_bouldin', 'davies_bouldin_score'), ('calinski_harabasz', 'calinski_harabasz_score'),
	('ari', 'adjusted_rand_score'), ('nmi', 'normalized_mutual_info_score'), ('v_measure', 'v_measure_score');
CREATE VIEW metrics AS
SELECT p.oid, substr(p.proname, 4) AS metric, pg_get_function_arguments(p.oid) AS arguments, a.aggcombinefn::oid AS combine, a.aggtransfn::oid AS transition, a.aggfinalfn::oid AS final,
	   p.proparallel, a.aggtranstype::regtype::text AS state, p.proargnames @> '{weight}' AS weighted
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'mlaas' WHERE p.proname LIKE 'ml\_%' AND p.proname !~ '^ml_(fit|tree)';

SELECT metric AS missing FROM wanted WHERE metric NOT IN (SELECT metric FROM metrics);
SELECT DISTINCT metric AS more FROM metrics WHERE metric NOT IN (SELECT metric FROM wanted) ORDER BY 1;
-- in parts and in parallel, all the functions behind it too
SELECT metric, arguments FROM metrics m WHERE combine = 0 OR proparallel <> 's' OR EXISTS (SELECT FROM pg_proc f WHERE f.oid IN (m.combine, m.transition, m.final) AND (f.proparallel <> 's' OR f.provolatile <> 'i'));
-- weights: in a form of every kind of argument, but for what is of one query (its weight is that of the mean over queries)
SELECT metric, string_agg(DISTINCT split_part(arguments, ',', 1), '; ') AS without_weight FROM metrics m
WHERE NOT EXISTS (SELECT FROM metrics w WHERE w.metric = m.metric AND w.weighted AND split_part(w.arguments, ',', 1) = split_part(m.arguments, ',', 1)) GROUP BY metric ORDER BY metric;
-- said what it is
SELECT metric, arguments FROM metrics WHERE obj_description(oid, 'pg_proc') IS NULL;
-- FILTER leaves rows out as WHERE does, a weight of 0 too, over all metrics of two numbers, of labels, of scores, of probabilities
CREATE TABLE rows AS SELECT i, i % 3 > 0 AS kept, 1.0 + i % 5 AS a, 1.0 + i * 7 % 6 AS p, i % 2 = 0 AS t, (i * 37 % 101) / 101.0::float8 AS s, 1.0 + i % 4 AS w FROM generate_series(1, 300) i;
CREATE FUNCTION differs(call text, weighted text, OUT filtered boolean, OUT left_out boolean, OUT counted boolean) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT (SELECT %1$s FILTER (WHERE kept) FROM rows)::text IS DISTINCT FROM (SELECT %1$s FROM rows WHERE kept)::text,'
				   ' abs((SELECT %2$s FROM rows) - (SELECT %3$s FROM rows WHERE kept)) > 1e-12, abs((SELECT %3$s FROM rows) - (SELECT %1$s FROM rows, generate_series(1, w::int))) > 1e-12',
				   call, replace(weighted, '#', 'CASE WHEN kept THEN w ELSE 0 END'), replace(weighted, '#', 'w')) INTO filtered, left_out, counted;
END $$;
SELECT metric, d.* FROM (
	SELECT metric, format('ml_%s(a, p)', metric) AS call, format('ml_%s(a, p, #)', metric) AS weighted FROM unnest('{mae,mse,rmse,rmsle,mape,smape,max_error,r2,explained_variance,poisson_deviance,gamma_deviance}'::text[]) metric
	UNION ALL SELECT metric, format('ml_%s(a, p, %s)', metric, setting), format('ml_%s(a, p, %s, #)', metric, setting) FROM (VALUES ('pinball', '0.3'), ('huber', '0.5'), ('tweedie_deviance', '1.5')) s(metric, setting)
	UNION ALL SELECT metric, format('ml_%s(a::int, p::int)', metric), format('ml_%s(a::int, p::int, #)', metric) FROM unnest('{accuracy,balanced_accuracy,precision,recall,f1,specificity,mcc,cohen_kappa,jaccard}'::text[]) metric
	UNION ALL SELECT metric, format('ml_%s(t, s)', metric), format('ml_%s(t, s, #)', metric) FROM unnest('{log_loss,brier,roc_auc,gini,ks,average_precision}'::text[]) metric
	UNION ALL SELECT 'expected_calibration_error', 'ml_expected_calibration_error(t, s, 7)', 'ml_expected_calibration_error(t, s, 7, #)'
	UNION ALL SELECT 'fbeta', 'ml_fbeta(a::int, p::int, 2, ''macro'')', 'ml_fbeta(a::int, p::int, 2, ''macro'', #)') c, differs(call, weighted) d
WHERE d.filtered OR d.left_out OR d.counted;
-- groupings and clusters: a multiple of all weights changes nothing, weights of 1 are none, those of 0 leave rows out; in parts too
CREATE TABLE points AS SELECT i % 4 AS a, CASE WHEN i % 3 = 0 THEN i % 5 ELSE i % 4 END AS b, ARRAY[i % 4 + i * 37 % 101 / 200.0, i % 2]::float8[] AS p, 0.3 + i % 6 AS w, i % 7 > 0 AS kept FROM generate_series(1, 2000) i;
CREATE FUNCTION weighs(call text, OUT ones boolean, OUT multiple boolean, OUT left_out boolean, OUT parts boolean, OUT matter boolean) LANGUAGE plpgsql AS $$
DECLARE
	v float8[];
BEGIN
	EXECUTE format('SELECT ARRAY[%1$s), %1$s, 1), %1$s, w), %1$s, w * 1024), %1$s, CASE WHEN kept THEN w ELSE 0 END), %1$s, w) FILTER (WHERE kept)] FROM points', call) INTO v;
	ones := v[1] = v[2];
	multiple := abs(v[3] - v[4]) < 1e-12 * abs(v[3]);
	left_out := abs(v[5] - v[6]) < 1e-12 * abs(v[5]);
	matter := abs(v[1] - v[3]) > 1e-6;
	SET LOCAL parallel_setup_cost = 0;
	SET LOCAL parallel_tuple_cost = 0;
	SET LOCAL min_parallel_table_scan_size = 0;
	SET LOCAL max_parallel_workers_per_gather = 2;
	EXECUTE format('SELECT abs(%1$s, w) - $1) < 1e-12 * abs($1) FROM points', call) INTO parts USING v[3];
END $$;
SELECT call, w.* FROM unnest(ARRAY['ml_ari(a, b', 'ml_nmi(a::text, b::text', 'ml_v_measure(a, b', 'ml_homogeneity(a, b', 'ml_completeness(a, b', 'ml_davies_bouldin(p, b', 'ml_calinski_harabasz(p, b::text', 'ml_silhouette(p, b']) call, weighs(call) w;
SELECT ml_silhouette(p, a, -1.0) FROM points;
SELECT ml_ari(a, b, 1e200) FROM points;

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA metrics_complete_test CASCADE;
