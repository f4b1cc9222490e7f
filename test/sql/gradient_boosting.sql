-- Gradient boosting: on tables with NULLs and many categories, against linear models, and what it stores.
SET client_min_messages = error;
CREATE SCHEMA boosting_test;
SET search_path = boosting_test, public;
\set VERBOSITY terse

\set ECHO none
\i test/data/schema.sql
\set ECHO all
\copy telco_churn FROM 'test/data/telco_churn.csv' WITH (FORMAT csv, HEADER)
\copy ames FROM 'test/data/ames.csv' WITH (FORMAT csv, HEADER)
\copy iris FROM 'test/data/iris.csv' WITH (FORMAT csv, HEADER)

-- 1. the tables

SELECT task, algorithm, n_train + n_test AS rows, (metrics->>'log_loss')::float8 < 0.45 AS log_loss, (metrics->>'roc_auc')::float8 > 0.82 AS auc
FROM ml_train('boosting_churn', 'telco_churn', 'churn', 'gradient_boosting');
SELECT task, n_train + n_test AS rows, (metrics->>'r2')::float8 > 0.88 AS r2
FROM ml_train('boosting_ames', 'ames', 'sale_price', 'gradient_boosting');
SELECT task, (metrics->>'accuracy')::float8 > 0.9 AS accuracy
FROM ml_train('boosting_iris', 'iris', 'target', 'gradient_boosting');

-- columns come as they are: one a feature, categories with their levels
SELECT jsonb_array_length(d->'features') = jsonb_array_length(d #> '{preparation,columns}') + jsonb_array_length(d #> '{preparation,dropped}') AS one_each,
	   d #> '{preparation,options,scale}' AS scale, d #> '{preparation,options,missing_indicator}' AS indicator
FROM ml_describe('boosting_churn') d;
SELECT c->'levels' AS levels FROM ml_describe('boosting_churn') d, jsonb_array_elements(d #> '{preparation,columns}') c WHERE c->>'name' = 'contract';
SELECT statistic, value > 0 AS positive FROM ml_statistics('boosting_churn') ORDER BY statistic COLLATE "C";

-- 2. a product, a category and NULLs that mean something: no line fits that

CREATE TABLE made AS
SELECT i AS id, a, b, CASE WHEN i % 5 = 0 THEN NULL ELSE c END AS c, d,
	   5 * a * b + CASE WHEN i % 5 = 0 THEN 3 ELSE c END + CASE WHEN d IN ('k1', 'k4', 'k6', 'k11') THEN 4 ELSE 0 END + (i * 7919 % 211)::float8 / 400 AS y
FROM (SELECT i, (i * 7877 % 3001)::float8 / 1500 - 1 AS a, (i * 6037 % 2003)::float8 / 1000 - 1 AS b, (i * 4421 % 997)::float8 / 500 AS c, 'k' || i * 31 % 13 AS d
	  FROM generate_series(1, 3000) i) s;
SELECT (metrics->>'r2')::float8 > 0.95 AS boosted FROM ml_train('boosting_made', 'made', 'y', 'gradient_boosting', '{a,b,c,d}');
SELECT (metrics->>'r2')::float8 < 0.8 AS linear FROM ml_train('boosting_line', 'made', 'y', 'linear_regression', '{a,b,c,d}');
SELECT ml_predict('boosting_made', 0.0::float8, 0.0::float8, NULL::float8, 'k2') > 2 AS missing_is_told,
	   round((ml_predict('boosting_made', 0.0::float8, 0.0::float8, 1.0::float8, 'k4') - ml_predict('boosting_made', 0.0::float8, 0.0::float8, 1.0::float8, 'k5'))::numeric) AS category,
	   ml_predict('boosting_made', 0.0::float8, 0.0::float8, 1.0::float8, 'never seen') = ml_predict('boosting_made', 0.0::float8, 0.0::float8, 1.0::float8, NULL::text) AS unseen;

-- one row and many give the same bits, on any number of threads; so does training
SET mlaas.max_threads = 1;
SELECT version FROM ml_train('boosting_made', 'made', 'y', 'gradient_boosting', '{a,b,c,d}');
SET mlaas.max_threads = 2;
SELECT version FROM ml_train('boosting_made', 'made', 'y', 'gradient_boosting', '{a,b,c,d}');
SELECT ml_model('boosting_made@1')::bytea = ml_model('boosting_made@2')::bytea AND ml_model('boosting_made@2')::bytea = ml_model('boosting_made@3')::bytea AS same;
SELECT count(*) AS rows, bool_and(float8send(p.prediction) = float8send(ml_predict('boosting_made', m))) AS same
FROM ml_predict_batch('boosting_made', 'made', 'id') p JOIN made m ON m.id::text = p.key;
RESET mlaas.max_threads;
SELECT ml_model('boosting_made')::text::ml_model::bytea = ml_model('boosting_made')::bytea AS through_text;

-- 3. parameters

CREATE FUNCTION trees(params jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(statistic || ' ' || value, ' ' ORDER BY statistic COLLATE "C")
	FROM ml_statistics((SELECT ml_fit('gradient_boosting', params, 'y', r) FROM (SELECT a, b, y FROM made) r)) $$;
SELECT trees('{"n_estimators": 7, "max_leaf_nodes": 5}'), trees('{"n_estimators": 3, "max_depth": 1}'), trees('{"min_samples_leaf": 2000}');
SELECT ml_train('boosting_bad', 'made', 'y', 'gradient_boosting', '{a,b}', '{"max_bins": 256}');
SELECT ml_train('boosting_bad', 'made', 'y', 'gradient_boosting', '{a,b}', '{"num_leaves": 31}');
SELECT ml_train('boosting_bad', 'made', 'y', 'gradient_boosting', '{a,b}', preprocess => '{"scale": "standard"}');
SELECT ml_coefficients('boosting_made');

-- 4. objectives

CREATE TABLE counts AS
SELECT i AS id, a, b, floor(exp(a + b) * (0.5 + (i * 7919 % 211)::float8 / 211))::int AS n, exp(a - b) * (0.5 + (i * 7919 % 211)::float8 / 211) AS duration,
	   a * 2 + power((i * 7919 % 211)::float8 / 211, 3) * 6 AS late, CASE WHEN a + b + (i * 7919 % 211)::float8 / 300 > 1.6 THEN 'yes' ELSE 'no' END AS answer,
	   i / 20 AS query, greatest(least(floor(2 + a + b + (i * 7919 % 211)::float8 / 211), 4), 0)::int AS grade, 2 * a AS start, -(i % 3) AS below
FROM (SELECT i, (i * 7877 % 3001)::float8 / 1500 - 1 AS a, (i * 6037 % 2003)::float8 / 1000 - 1 AS b FROM generate_series(1, 4000) i) s;

CREATE FUNCTION made_metric(target text, params jsonb, metric text) RETURNS float8 LANGUAGE sql AS $$
	SELECT (metrics->>metric)::float8 FROM ml_train('boosting_objective', 'counts', target, 'gradient_boosting', '{a,b}', params) $$;
SELECT made_metric('late', '{"objective": "absolute_error"}', 'mae') < made_metric('late', '{}', 'mae') AS absolute_error,
	   made_metric('late', '{"objective": "huber"}', 'mae') < made_metric('late', '{}', 'mae') AS huber,
	   made_metric('n', '{"objective": "poisson"}', 'r2') > 0.6 AS poisson, made_metric('n', '{"objective": "tweedie", "tweedie_variance_power": 1.2}', 'r2') > 0.6 AS tweedie,
	   made_metric('duration', '{"objective": "gamma"}', 'r2') > 0.7 AS gamma;
SELECT task FROM ml_train('boosting_gamma', 'counts', 'duration', 'gradient_boosting', '{a,b}', '{"objective": "gamma"}');
SELECT bool_and(ml_predict('boosting_gamma', c) > 0) AS positive FROM counts c;
SELECT task, (metrics->>'ndcg')::float8 > 0.9 AS ndcg, n_train % 20 AS left_over
FROM ml_train('boosting_rank', 'counts', 'grade', 'gradient_boosting', '{a,b}', '{"objective": "lambdarank", "group": "query"}');
SELECT task FROM ml_train('boosting_rank', 'counts', 'grade', 'gradient_boosting', '{a,b}', '{"group": "query"}');
SELECT task, (metrics->>'accuracy')::float8 > 0.9 AS accuracy FROM ml_train('boosting_ovr', 'iris', 'target', 'gradient_boosting', params => '{"objective": "ovr"}');

-- quantiles: what is predicted is the one next to the median
SELECT task FROM ml_train('boosting_quantile', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"objective": "quantile", "quantiles": [0.9, 0.1, 0.5]}');
SELECT abs(avg((late <= ml_predict('boosting_quantile', c))::int) - 0.5) < 0.05 AS covered FROM counts c;

-- 5. stopping early, sampling, start scores, weights of classes

SELECT (metrics->>'log_loss')::float8 < 0.45 AS log_loss FROM ml_train('boosting_early', 'telco_churn', 'churn', 'gradient_boosting', params => '{"early_stopping_rounds": 10, "n_estimators": 1000}');
SELECT bool_or(statistic = 'best_iteration' AND value BETWEEN 10 AND 500) AS best_iteration, bool_or(statistic = 'best_score' AND value < 0.45) AS best_score,
	   count(*) FILTER (WHERE statistic = 'n_trees') AS trees FROM ml_statistics('boosting_early');
SELECT jsonb_array_length(d->'history') = value + 10 AS losses_by_round, (d->'history'->>(value::int - 1))::float8 = (SELECT value FROM ml_statistics('boosting_early') WHERE statistic = 'best_score') AS best
FROM ml_describe('boosting_early') d, ml_statistics('boosting_early') WHERE statistic = 'best_iteration';
SELECT bool_and((metrics->>'r2')::float8 > 0.75) AS learned FROM unnest(ARRAY['{"boosting": "dart"}', '{"boosting": "goss"}', '{"boosting": "rf", "subsample": 0.6, "max_leaf_nodes": 200}',
	'{"grow_policy": "depthwise", "max_depth": 5}', '{"extra_trees": true}', '{"colsample_bynode": 0.6, "path_smooth": 2, "max_delta_step": 5}']::jsonb[]) p,
	LATERAL ml_train('boosting_mode', 'made', 'y', 'gradient_boosting', '{a,b,c,d}', p);
SELECT version FROM ml_train('boosting_start', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"init_score": "start"}');
SELECT version FROM ml_train('boosting_start', 'counts', 'late', 'gradient_boosting', '{a,b}');
SELECT stddev(ml_predict('boosting_start@1', c)) < 0.5 AS the_rest, stddev(ml_predict('boosting_start@2', c)) > 0.8 AS the_whole FROM counts c;
SELECT version FROM ml_train('boosting_weighted', 'counts', 'answer', 'gradient_boosting', '{b}', '{"class_weight": {"yes": 4}}');
SELECT version FROM ml_train('boosting_weighted', 'counts', 'answer', 'gradient_boosting', '{b}', '{"class_weight": "balanced"}');
SELECT avg(ml_probability('boosting_weighted@1', 'yes', c)) > avg((answer = 'yes')::int) + 0.1 AS more FROM counts c;
SELECT version FROM ml_train('boosting_monotone', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"monotone_constraints": {"b": 1}}');
SELECT count(*) FILTER (WHERE ml_predict('boosting_monotone', 0.3::float8, i / 50.0) < ml_predict('boosting_monotone', 0.3::float8, (i - 1) / 50.0)) AS falls
FROM generate_series(-49, 50) i;

-- few rows: each tree is grown on a share of them, whatever order they come in, and of the columns
CREATE TABLE turned AS SELECT * FROM made ORDER BY md5(id::text);
SELECT version FROM ml_train('boosting_share', 'made', 'y', 'gradient_boosting', '{a,b,c,d,id}', '{"learning_rate": 0.1, "n_estimators": 20}', validation => '{"split": "none"}');
SELECT version FROM ml_train('boosting_share', 'turned', 'y', 'gradient_boosting', '{a,b,c,d,id}', '{"learning_rate": 0.1, "n_estimators": 20}', validation => '{"split": "none"}');
SELECT version FROM ml_train('boosting_share', 'made', 'y', 'gradient_boosting', '{a,b,c,d,id}', '{"learning_rate": 0.1, "n_estimators": 20, "subsample": 0.8, "colsample_bytree": 0.8}', validation => '{"split": "none"}');
SELECT version FROM ml_train('boosting_share', 'made', 'y', 'gradient_boosting', '{a,b,c,d,id}', '{"learning_rate": 0.1, "n_estimators": 20, "subsample": 1, "colsample_bytree": 1}', validation => '{"split": "none"}');
SELECT max(abs(ml_predict('boosting_share@1', m) - ml_predict('boosting_share@2', m))) < 1e-9 AS any_order, max(abs(ml_predict('boosting_share@1', m) - ml_predict('boosting_share@3', m))) = 0 AS as_said,
	   max(abs(ml_predict('boosting_share@1', m) - ml_predict('boosting_share@4', m))) > 0.1 AS others FROM made m;
SELECT version, avg(cover) BETWEEN 2350 AND 2450 AS shares, min(cover) = 3000 AS whole FROM generate_series(1, 4) version, ml_trees('boosting_share@' || version) WHERE node = 1 GROUP BY version ORDER BY version;
SELECT count(*) AS said FROM generate_series(1, 4) version, ml_statistics('boosting_share@' || version) WHERE statistic IN ('subsample', 'colsample_bytree');

-- 6. what is refused

\set VERBOSITY default
SELECT ml_train('boosting_bad', 'counts', 'below', 'gradient_boosting', '{a,b}', '{"objective": "poisson"}');
SELECT ml_train('boosting_bad', 'counts', 'n', 'gradient_boosting', '{a,b}', '{"objective": "gamma"}', validation => '{"split": "none"}');
SELECT ml_train('boosting_bad', 'counts', 'a', 'gradient_boosting', '{b}', '{"objective": "lambdarank", "group": "query"}', validation => '{"split": "none"}');
SELECT ml_train('boosting_bad', 'counts', 'grade', 'gradient_boosting', '{a,b}', '{"objective": "lambdarank"}');
SELECT ml_train('boosting_bad', 'counts', 'grade', 'gradient_boosting', '{a,b}', '{"objective": "lambdarank", "group": "querry"}');
SELECT ml_train('boosting_bad', 'counts', 'answer', 'gradient_boosting', '{a,b}', '{"objective": "huber"}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"objective": "log_loss"}');
SELECT ml_train('boosting_bad', 'counts', 'answer', 'gradient_boosting', '{a,b}', '{"early_stopping_rounds": 5}', validation => '{"split": "none"}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"boosting": "dart", "early_stopping_rounds": 5}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"boosting": "rf"}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"quantiles": [0.1, 0.9]}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"max_depth": 3, "max_leaf_nodes": 20}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"monotone_constraints": {"bb": 1}}');
SELECT ml_train('boosting_bad', 'made', 'y', 'gradient_boosting', '{a,d}', '{"monotone_constraints": {"d": 1}}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"interaction_constraints": ["a", "b"]}');
SELECT ml_train('boosting_bad', 'counts', 'answer', 'gradient_boosting', '{a,b}', '{"class_weight": {"maybe": 2}}');
SELECT ml_train('boosting_bad', 'counts', 'late', 'gradient_boosting', '{a,b}', '{"class_weight": "balanced"}');
SELECT ml_train('boosting_bad', 'iris', 'target', 'gradient_boosting', params => '{"init_score": "petal_length"}');
\set VERBOSITY terse

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'boosting\_%';
DROP SCHEMA boosting_test CASCADE;
