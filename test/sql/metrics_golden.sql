-- Metrics against scikit-learn 1.2.1: test/golden/metrics.json (fixed vectors) and metrics_weighted.json (random rows
-- with ties and weights), whose README tells where they come from.
CREATE SCHEMA metrics_golden_test;
SET search_path = metrics_golden_test, public;
SET client_min_messages = warning;

CREATE FUNCTION near(value float8, reference float8) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT abs(value - reference) <= 1e-12 * greatest(abs(reference), 1e-3) $$;

-- 1. random rows: every metric with and without weights, in parallel parts and in one

\set weighted `cat test/golden/metrics_weighted.json`
CREATE TABLE answers AS SELECT key, value::float8 FROM jsonb_each_text((:'weighted'::jsonb)->'expected');
CREATE TABLE rows AS
SELECT n AS id, r.actual::int, r.predicted::int, r.label::int, r.score::float8, r.y::float8, r.prediction::float8, r.weight::float8,
	ARRAY(SELECT jsonb_array_elements_text(p)::float8) AS probabilities, ARRAY(SELECT jsonb_array_elements_text(x)::float8) AS point
FROM jsonb_to_record((:'weighted'::jsonb)->'inputs') AS i(actual text[], predicted text[], label text[], score text[], y text[], prediction text[],
	weight text[], probabilities jsonb, point jsonb),
	ROWS FROM (unnest(i.actual), unnest(i.predicted), unnest(i.label), unnest(i.score), unnest(i.y), unnest(i.prediction), unnest(i.weight),
			   jsonb_array_elements(i.probabilities), jsonb_array_elements(i.point)) WITH ORDINALITY
		AS r(actual, predicted, label, score, y, prediction, weight, p, x, n);
ALTER TABLE rows SET (parallel_workers = 2);
CREATE TABLE results (key text, value float8, parallel boolean);

-- each call is SELECT name, expression; {w} is where a weight goes
CREATE TABLE calls (name text, call text);
INSERT INTO calls VALUES
	('accuracy', 'ml_accuracy(actual, predicted{w})'), ('balanced_accuracy', 'ml_balanced_accuracy(actual, predicted{w})'),
	('mcc', 'ml_mcc(actual, predicted{w})'), ('cohen_kappa', 'ml_cohen_kappa(actual, predicted{w})'),
	('precision_binary', 'ml_precision(label, (score >= 0.5)::int, ''binary''{w})'), ('recall_binary', 'ml_recall(label = 1, score >= 0.5{w})'),
	('f1_binary', 'ml_f1(label = 1, score >= 0.5, ''binary''{w})'), ('jaccard_binary', 'ml_jaccard(label = 1, score >= 0.5{w})'),
	('fbeta_binary', 'ml_fbeta(label = 1, score >= 0.5, 2{w})'), ('specificity_binary', 'ml_specificity(label = 1, score >= 0.5{w})'),
	('roc_auc', 'ml_roc_auc(label, score{w})'), ('gini', 'ml_gini(label, score{w})'), ('ks', 'ml_ks(label = 1, score{w})'),
	('average_precision', 'ml_average_precision(label, score{w})'), ('log_loss', 'ml_log_loss(label, score{w})'),
	('brier', 'ml_brier(label = 1, score{w})'),
	('class_log_loss', 'ml_log_loss(actual::text, probabilities, ''{0,1,2,3}''{w})'),
	('top_2_accuracy', 'ml_top_k_accuracy(actual::text, probabilities, ''{0,1,2,3}'', 2{w})'),
	('roc_auc_ovr_macro', 'ml_roc_auc(actual::text, probabilities, ''{0,1,2,3}'', ''ovr'', ''macro''{w})'),
	('roc_auc_ovr_weighted', 'ml_roc_auc(actual::text, to_object(probabilities), ''ovr'', ''weighted''{w})'),
	('mae', 'ml_mae(y, prediction{w})'), ('mse', 'ml_mse(y, prediction{w})'), ('rmse', 'ml_rmse(y, prediction{w})'),
	('mape', 'ml_mape(y, prediction{w})'), ('r2', 'ml_r2(y, prediction{w})'), ('explained_variance', 'ml_explained_variance(y, prediction{w})'),
	('rmsle', 'ml_rmsle(y, prediction{w})'), ('median_absolute_error', 'ml_median_absolute_error(y, prediction{w})'),
	('poisson_deviance', 'ml_poisson_deviance(y, prediction{w})'), ('gamma_deviance', 'ml_gamma_deviance(y, prediction{w})'),
	('tweedie_deviance', 'ml_tweedie_deviance(y, prediction, 1.5{w})'), ('pinball', 'ml_pinball(y, prediction, 0.9{w})'),
	('max_error', 'ml_max_error(y, prediction)'),
	('roc_auc_ovo_macro', 'ml_roc_auc(actual::text, to_object(probabilities), ''ovo'')'),
	('roc_auc_ovo_weighted', 'ml_roc_auc(actual::text, probabilities, ''{0,1,2,3}'', ''ovo'', ''weighted'')'),
	('ari', 'ml_ari(actual, predicted)'), ('nmi', 'ml_nmi(actual::text, predicted::text)'), ('v_measure', 'ml_v_measure(actual, predicted)'),
	('homogeneity', 'ml_homogeneity(actual, predicted)'), ('completeness', 'ml_completeness(actual, predicted)'),
	('silhouette', 'ml_silhouette(point, actual)'), ('davies_bouldin', 'ml_davies_bouldin(point, actual::text)'),
	('calinski_harabasz', 'ml_calinski_harabasz(point, actual)'),
	('dcg', 'ml_dcg(actual, score)'), ('ndcg', 'ml_ndcg(actual, score)'), ('ndcg_at_10', 'ml_ndcg(actual, score, 10)');
INSERT INTO calls
SELECT m || '_' || a, format('ml_%s(actual, predicted%s, %L{w})', m, CASE m WHEN 'fbeta' THEN ', 0.5' ELSE '' END, a)
FROM unnest('{precision,recall,f1,jaccard,fbeta}'::text[]) m, unnest('{macro,micro,weighted}'::text[]) a;
CREATE FUNCTION to_object(p float8[]) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT jsonb_object_agg(n - 1, v) FROM unnest(p) WITH ORDINALITY u(v, n) $$;
-- an INSERT would not be planned in parallel
CREATE PROCEDURE compute(parallel boolean) LANGUAGE plpgsql AS $$
DECLARE
	c record;
	v float8;
BEGIN
	FOR c IN SELECT name || suffix AS key, replace(call, '{w}', weight) AS call
			 FROM calls, (VALUES ('', ''), ('_w', ', weight')) w(suffix, weight) WHERE suffix = '' OR call LIKE '%{w}%'
	LOOP
		EXECUTE format('SELECT %s FROM rows', c.call) INTO v;
		INSERT INTO results VALUES (c.key, v, parallel);
	END LOOP;
END $$;
CALL compute(false);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
CALL compute(true);
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;
SELECT parallel, count(*) AS metrics, count(*) FILTER (WHERE near(r.value, a.value)) AS near
FROM answers a FULL JOIN results r USING (key) GROUP BY parallel ORDER BY parallel;
-- those that are not
SELECT key, r.value, a.value FROM answers a FULL JOIN results r USING (key) WHERE near(r.value, a.value) IS NOT TRUE AND NOT parallel;

-- 2. fixed vectors

\set metrics `cat test/golden/metrics.json`
CREATE TABLE cases AS SELECT e->>'case' AS name, e->'inputs' AS inputs, e->'expected' AS expected FROM jsonb_array_elements(:'metrics'::jsonb) e;
CREATE VIEW scored AS
SELECT name, expected, y::int AS label, s::float8 AS score, coalesce(w::float8, 1) AS weight
FROM cases, ROWS FROM (jsonb_array_elements_text(inputs->'y'), jsonb_array_elements_text(inputs->'score'), jsonb_array_elements_text(inputs->'weight')) r(y, s, w)
WHERE name LIKE 'binary%' AND inputs ? 'score' OR name = 'log_loss_extreme';
SELECT name, near(ml_roc_auc(label, score, weight), (CASE WHEN expected->>'roc_auc' NOT LIKE 'undef%' THEN expected->>'roc_auc' END)::float8) AS roc_auc,
	near(ml_average_precision(label, score, weight), (expected->>'average_precision')::float8) AS average_precision,
	near(ml_log_loss(label, score, weight), (expected->>'log_loss')::float8) AS log_loss,
	near(ml_ks(label, score, weight), (expected->>'ks_statistic')::float8) AS ks,
	near(ml_f1(label, (score >= 0.5)::int, weight), (expected->>'f1')::float8) AS f1
FROM scored GROUP BY name, expected ORDER BY name;
SELECT near(ml_specificity(label = 1, score >= 0.5), (expected->>'specificity')::float8) AS specificity,
	near(ml_cohen_kappa(label = 1, score >= 0.5), (expected->>'cohen_kappa')::float8) AS cohen_kappa,
	near(ml_jaccard(label = 1, score >= 0.5), (expected->>'jaccard')::float8) AS jaccard,
	near(ml_fbeta(label = 1, score >= 0.5, 2), (expected->>'fbeta_2')::float8) AS fbeta_2,
	near(ml_fbeta(label = 1, score >= 0.5, 0.5), (expected->>'fbeta_half')::float8) AS fbeta_half,
	near(ml_gini(label, score), (expected->>'gini')::float8) AS gini,
	(ml_confusion_matrix(label, (score >= 0.5)::int))->'matrix' = expected->'confusion_rows_true' AS matrix
FROM scored WHERE name = 'binary' GROUP BY expected;

-- curves, point by point; the first threshold is Infinity here, and the thresholds of precision and recall descend
WITH ours AS (SELECT ml_roc_curve(label, score) AS roc, ml_precision_recall_curve(label, score) AS pr FROM scored WHERE name = 'binary'),
	theirs AS (SELECT expected FROM cases WHERE name = 'binary')
SELECT count(*) AS points, bool_and(near(fpr, f::float8) AND near(tpr, t::float8) AND (n = 1 OR near(threshold, h::float8))) AS roc
FROM ours, theirs, ROWS FROM (unnest(roc), jsonb_array_elements_text(expected->'roc_fpr'), jsonb_array_elements_text(expected->'roc_tpr'),
	jsonb_array_elements_text(expected->'roc_thresholds')) WITH ORDINALITY p(threshold, fpr, tpr, f, t, h, n);
WITH ours AS (SELECT n - 1 AS n, threshold, "precision", recall FROM unnest((SELECT ml_precision_recall_curve(label, score) FROM scored WHERE name = 'binary')) WITH ORDINALITY
			  p(threshold, "precision", recall, n)),
	theirs AS (SELECT row_number() OVER (ORDER BY n DESC) - 1 AS n, p::float8 AS p, r::float8 AS r, t::float8 AS t
			   FROM cases, ROWS FROM (jsonb_array_elements_text(expected->'pr_precision'), jsonb_array_elements_text(expected->'pr_recall'),
									  jsonb_array_elements_text(expected->'pr_thresholds')) WITH ORDINALITY a(p, r, t, n) WHERE name = 'binary')
SELECT count(*) AS points, bool_and(near("precision", p) AND near(recall, r) AND near(threshold, t)) AS precision_recall
FROM ours FULL JOIN theirs USING (n);

-- several classes
CREATE VIEW classified AS
SELECT y, ARRAY(SELECT jsonb_array_elements_text(p)::float8) AS probabilities, expected
FROM cases, ROWS FROM (jsonb_array_elements_text(inputs->'y'), jsonb_array_elements(inputs->'proba')) r(y, p) WHERE name = 'multiclass';
SELECT near(ml_log_loss(y, probabilities, '{0,1,2,3}'), (expected->>'log_loss')::float8) AS log_loss,
	near(ml_roc_auc(y, probabilities, '{0,1,2,3}'), (expected->>'roc_auc_ovr_macro')::float8) AS ovr,
	near(ml_roc_auc(y, probabilities, '{0,1,2,3}', 'ovr', 'weighted'), (expected->>'roc_auc_ovr_weighted')::float8) AS ovr_weighted,
	near(ml_roc_auc(y, probabilities, '{0,1,2,3}', 'ovo'), (expected->>'roc_auc_ovo_macro')::float8) AS ovo,
	near(ml_top_k_accuracy(y, probabilities, '{0,1,2,3}', 2), (expected->>'top2_accuracy')::float8) AS top_2
FROM classified GROUP BY expected;

-- numbers
CREATE VIEW numbers AS
SELECT name, expected, y::float8, p::float8 AS predicted, coalesce(w::float8, 1) AS weight
FROM cases, ROWS FROM (jsonb_array_elements_text(inputs->'y'), jsonb_array_elements_text(inputs->'pred'), jsonb_array_elements_text(inputs->'weight')) r(y, p, w)
WHERE name LIKE 'regression%';
SELECT name, near(ml_mse(y, predicted, weight), (expected->>'mse')::float8) AS mse, near(ml_mae(y, predicted, weight), (expected->>'mae')::float8) AS mae,
	near(ml_r2(y, predicted, weight), (expected->>'r2')::float8) AS r2, near(ml_mape(y, predicted, weight), (expected->>'mape')::float8) AS mape
FROM numbers GROUP BY name, expected ORDER BY name;
SELECT near(ml_smape(y, predicted), (expected->>'smape')::float8) AS smape, near(ml_median_absolute_error(y, predicted), (expected->>'median_ae')::float8) AS median,
	near(ml_max_error(y, predicted), (expected->>'max_error')::float8) AS max_error,
	near(ml_explained_variance(y, predicted), (expected->>'explained_variance')::float8) AS explained_variance,
	near(ml_rmsle(y, predicted), (expected->>'rmsle')::float8) AS rmsle, near(ml_pinball(y, predicted, 0.9), (expected->>'pinball_0_9')::float8) AS pinball,
	near(ml_poisson_deviance(y, predicted), (expected->>'mean_poisson_deviance')::float8) AS poisson,
	near(ml_gamma_deviance(y, predicted), (expected->>'mean_gamma_deviance')::float8) AS gamma,
	near(ml_tweedie_deviance(y, predicted, 1.5), (expected->>'mean_tweedie_1_5')::float8) AS tweedie,
	near(ml_adjusted_r2(y, predicted, 4), 1 - (1 - (expected->>'r2')::float8) * 59 / 55) AS adjusted_r2
FROM numbers WHERE name = 'regression' GROUP BY expected;

-- groupings, clusters, an order
SELECT near(ml_ari(a, b), (expected->>'ari')::float8) AS ari, near(ml_nmi(a, b), (expected->>'nmi_arithmetic')::float8) AS nmi,
	near(ml_v_measure(a, b), (expected->>'v_measure')::float8) AS v_measure, near(ml_homogeneity(a, b), (expected->>'homogeneity')::float8) AS homogeneity,
	near(ml_completeness(a, b), (expected->>'completeness')::float8) AS completeness
FROM cases, ROWS FROM (jsonb_array_elements_text(inputs->'labels_true'), jsonb_array_elements_text(inputs->'labels_pred')) r(a, b)
WHERE name = 'clustering' GROUP BY expected;
SELECT near(ml_silhouette(ARRAY(SELECT jsonb_array_elements_text(x)::float8), l), (expected->>'silhouette')::float8) AS silhouette,
	near(ml_silhouette(ARRAY(SELECT jsonb_array_elements_text(x)::float8), b), (expected->>'silhouette_bad')::float8) AS silhouette_bad,
	near(ml_davies_bouldin(ARRAY(SELECT jsonb_array_elements_text(x)::float8), l), (expected->>'davies_bouldin')::float8) AS davies_bouldin,
	near(ml_calinski_harabasz(ARRAY(SELECT jsonb_array_elements_text(x)::float8), l), (expected->>'calinski_harabasz')::float8) AS calinski_harabasz
FROM cases, ROWS FROM (jsonb_array_elements(inputs->'X'), jsonb_array_elements_text(inputs->'labels'), jsonb_array_elements_text(inputs->'labels_bad')) r(x, l, b)
WHERE name = 'silhouette' GROUP BY expected;
SELECT near(ml_ndcg(r, s, 5), (expected->>'ndcg_5')::float8) AS ndcg_5, near(ml_ndcg(r, s), (expected->>'ndcg_all')::float8) AS ndcg,
	near(ml_dcg(r, s, 5), (expected->>'dcg_5')::float8) AS dcg_5
FROM cases, ROWS FROM (jsonb_array_elements_text(inputs->'relevance'), jsonb_array_elements_text(inputs->'score')) t(rt, st),
	LATERAL (SELECT rt::float8 AS r, st::float8 AS s) v WHERE name = 'ranking' GROUP BY expected;

RESET search_path;
DROP SCHEMA metrics_golden_test CASCADE;
