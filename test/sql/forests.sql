-- Decision trees and forests: against scikit-learn's trees (test/golden), out of bag, isolation, and what is refused.
SET client_min_messages = error;
CREATE SCHEMA forests_test;
SET search_path = forests_test, public;
\set VERBOSITY terse

\set ECHO none
\i test/data/schema.sql
\set ECHO all
\copy diabetes FROM 'test/data/diabetes.csv' WITH (FORMAT csv, HEADER)
\copy breast_cancer FROM 'test/data/breast_cancer.csv' WITH (FORMAT csv, HEADER)
\copy iris FROM 'test/data/iris.csv' WITH (FORMAT csv, HEADER)
\copy telco_churn FROM 'test/data/telco_churn.csv' WITH (FORMAT csv, HEADER)
\copy ames FROM 'test/data/ames.csv' WITH (FORMAT csv, HEADER)
ALTER TABLE diabetes ADD id serial;
ALTER TABLE breast_cancer ADD id serial;
ALTER TABLE iris ADD id serial;

-- 1. single trees: accuracy and error on the training and on the held-out rows

\set diabetes `cat test/golden/diabetes.json`
\set breast_cancer `cat test/golden/breast_cancer.json`
\set iris `cat test/golden/iris.json`
CREATE TABLE golden AS
SELECT dataset, n::int, entry, entry->'expected' AS expected, entry->>'algorithm' AS algorithm, jsonb_strip_nulls(entry->'hyperparameters') AS params,
	   entry->>'rows' LIKE '%test' OR entry->>'rows' LIKE '%id%5=0' AS held_out
FROM (VALUES (:'diabetes'::jsonb), (:'breast_cancer'), (:'iris')) AS f(entries),
	 jsonb_array_elements(entries) WITH ORDINALITY AS e(entry, n), jsonb_to_record(entry) AS r(dataset text)
WHERE entry->>'algorithm' LIKE 'decision\_tree%' OR entry->>'algorithm' LIKE 'random\_forest%';
CREATE FUNCTION features_of(dataset text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = dataset::regclass AND attnum > 0 AND attname NOT IN ('id', 'target') $$;
CREATE FUNCTION train(model text, dataset text, algorithm text, params jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT name FROM ml_train(model, format('SELECT * FROM %I WHERE id %% 5 <> 0', dataset), 'target', algorithm, features_of(dataset), params,
							  validation => '{"split": "none"}', deploy => 'always') $$;
CREATE FUNCTION metric_of(model text, dataset text, test boolean, metric text) RETURNS float8 LANGUAGE sql AS $$
	SELECT value FROM ml_evaluate(model, format('SELECT * FROM %I WHERE (id %% 5 = 0) = %L', dataset, test)) e WHERE e.metric = metric_of.metric $$;
CREATE TABLE trained AS
SELECT *, train(format('forests_%s_%s', dataset, n), dataset, substring(algorithm FROM '^[a-z]+_[a-z]+'), params) AS model FROM golden;
-- iris has few values, each with a bin of its own: within what scikit-learn's own order of columns changes
SELECT count(*) AS checked, count(*) FILTER (WHERE accuracy BETWEEN (expected->>'accuracy_min')::float8 - 1e-9 AND (expected->>'accuracy_max')::float8 + 1e-9) AS same
FROM trained, metric_of(model, dataset, held_out, 'accuracy') AS accuracy WHERE expected ? 'accuracy_min' AND dataset = 'iris';
-- breast_cancer has more than 255 values a column: not worse than exact thresholds
SELECT count(*) AS checked, bool_and(accuracy > (expected->>'accuracy_min')::float8 - 0.015) AS near
FROM trained, metric_of(model, dataset, held_out, 'accuracy') AS accuracy WHERE expected ? 'accuracy_min' AND dataset = 'breast_cancer';
SELECT params->'max_depth' AS max_depth, abs(train / (expected #>> '{train_rmse,value}')::float8 - 1) < 1e-9 AS train,
	   test BETWEEN (expected #>> '{test_rmse,min}')::float8 * (1 - 1e-9) AND (expected #>> '{test_rmse,max}')::float8 * (1 + 1e-9) AS test
FROM trained, metric_of(model, dataset, false, 'rmse') AS train, metric_of(model, dataset, true, 'rmse') AS test
WHERE expected ? 'train_rmse' ORDER BY 1;
-- forests: within four standard deviations, or better
SELECT dataset, log_loss <= (expected->>'test_logloss_mean')::float8 + 4 * (expected->>'test_logloss_sd')::float8 AS log_loss,
	   accuracy >= (expected->>'test_accuracy_mean')::float8 - 4 * (expected->>'test_accuracy_sd')::float8 AS accuracy
FROM trained, metric_of(model, dataset, true, 'log_loss') AS log_loss, metric_of(model, dataset, true, 'accuracy') AS accuracy
WHERE expected ? 'test_logloss_mean' ORDER BY 1;
SELECT dataset, rmse <= (expected->>'test_rmse_mean')::float8 + 4 * (expected->>'test_rmse_sd')::float8 AS rmse
FROM trained, metric_of(model, dataset, true, 'rmse') AS rmse WHERE expected ? 'test_rmse_mean';

-- 2. tables with NULLs and categories, as they are; out of bag is about held out

SELECT algorithm, (metrics->>'roc_auc')::float8 > least AS auc
FROM (VALUES ('decision_tree', '{"min_samples_leaf": 50}', 0.81), ('random_forest', '{"min_samples_leaf": 5}', 0.83), ('extra_trees', '{"min_samples_leaf": 5}', 0.82)) v(a, params, least),
	 ml_train('forests_churn_' || a, 'telco_churn', 'churn', a, params => params::jsonb);
SELECT algorithm, (metrics->>'r2')::float8 > 0.85 AS r2
FROM (VALUES ('random_forest'), ('extra_trees')) v(a), ml_train('forests_ames_' || a, 'ames', 'sale_price', a);
SELECT abs(max(value) FILTER (WHERE statistic = 'oob_accuracy') - (v.metrics->>'accuracy')::float8) < 0.03 AS accuracy,
	   abs(max(value) FILTER (WHERE statistic = 'oob_log_loss') - (v.metrics->>'log_loss')::float8) < 0.05 AS log_loss,
	   max(value) FILTER (WHERE statistic = 'oob_rows') = v.n_train AS rows
FROM mlaas.versions v, ml_statistics('forests_churn_random_forest') WHERE name = 'forests_churn_random_forest' GROUP BY v.metrics, v.n_train;
SELECT statistic FROM ml_statistics('forests_ames_random_forest') ORDER BY statistic COLLATE "C";
SELECT statistic FROM ml_statistics('forests_ames_extra_trees') ORDER BY statistic COLLATE "C";

-- 3. the same bytes on any number of threads, through text, and the same bits in every form

SET mlaas.max_threads = 1;
SELECT version FROM ml_train('forests_ames_random_forest', 'ames', 'sale_price', 'random_forest');
SET mlaas.max_threads = 3;
SELECT version FROM ml_train('forests_ames_random_forest', 'ames', 'sale_price', 'random_forest');
RESET mlaas.max_threads;
SELECT ml_model('forests_ames_random_forest@1')::bytea = ml_model('forests_ames_random_forest@2')::bytea
   AND ml_model('forests_ames_random_forest@2')::bytea = ml_model('forests_ames_random_forest@3')::bytea AS same;
SELECT ml_model('forests_iris_' || n)::text::ml_model::bytea = ml_model('forests_iris_' || n)::bytea AS through_text
FROM golden WHERE dataset = 'iris' AND algorithm LIKE 'random%';

-- 4. parameters

CREATE FUNCTION leaves(params jsonb, target text = 'y') RETURNS float8 LANGUAGE sql AS $$
	SELECT value FROM ml_statistics((SELECT ml_fit('decision_tree', params, target, r)
		FROM (SELECT i % 97 AS a, i * 31 % 89 AS b, sin(i % 97 / 9.0) + (i * 7919 % 101) / 200.0 AS y FROM generate_series(1, 2000) i) r)) s WHERE statistic = 'n_leaves' $$;
SELECT leaves('{"max_depth": 3}'), leaves('{"max_leaf_nodes": 11}'), leaves('{"min_samples_leaf": 900}'), leaves('{"min_impurity_decrease": 10}'),
	   leaves('{"ccp_alpha": 10}'), leaves('{"criterion": "absolute_error", "max_depth": 2}'), leaves('{"splitter": "random", "max_depth": 1}');
SELECT leaves('{"criterion": "gini"}');
SELECT leaves('{"criterion": "poisson"}');
SELECT leaves('{"max_features": 0}');
SELECT leaves('{"max_depth": 2, "max_leaf_nodes": 5}');
SELECT leaves('{"class_weight": "balanced"}');
SELECT ml_train('forests_bad', 'iris', 'target', 'decision_tree', params => '{"class_weight": {"setosa": 1, "virginia": 2}}');
SELECT ml_train('forests_bad', 'iris', 'target', 'decision_tree', params => '{"criterion": "squared_error"}');
SELECT ml_train('forests_bad', 'iris', 'target', 'random_forest', params => '{"n_estimators": 0}');
SELECT ml_train('forests_bad', 'iris', 'target', 'random_forest', params => '{"trees": 10}');
SELECT ml_train('forests_bad', 'iris', 'target', 'random_forest', preprocess => '{"scale": "standard"}');

-- 5. isolation forests: no target; the odd ones out have the highest scores

CREATE TABLE made AS
SELECT i AS id, (i * 7877 % 3001)::float8 / 1500 + CASE WHEN i % 500 = 0 THEN 6 ELSE 0 END AS a,
	   CASE WHEN i % 7 <> 2 THEN (i * 6037 % 2003)::float8 / 1000 - CASE WHEN i % 500 = 0 THEN 5 ELSE 0 END END AS b, 'k' || i * 31 % 5 AS c
FROM generate_series(1, 3000) i;
SELECT task, algorithm, n_train FROM ml_train('forests_odd', 'made', NULL, 'isolation_forest', '{a,b,c}', validation => '{"split": "none"}');
SELECT bool_and(key::int % 500 = 0) AS found FROM (SELECT key FROM ml_predict_batch('forests_odd', 'made', 'id') ORDER BY prediction DESC LIMIT 5) p;
SELECT bool_and(ml_predict('forests_odd', m) BETWEEN 0.000001 AND 1) AS scores, count(*) FILTER (WHERE ml_predict('forests_odd', m) > 0.65) AS anomalies FROM made m;
SELECT statistic, round(value::numeric, 3) AS value FROM ml_statistics('forests_odd') WHERE statistic <> 'n_leaves' ORDER BY statistic COLLATE "C";
SELECT version FROM ml_train('forests_odd', 'made', NULL, 'isolation_forest', '{a,b,c}', '{"contamination": 0.02}', validation => '{"split": "none"}', deploy => 'always');
SELECT count(*) AS above FROM made m WHERE ml_predict('forests_odd', m) > (SELECT value * (1 + 1e-12) FROM ml_statistics('forests_odd') WHERE statistic = 'threshold');
SELECT ml_train('forests_bad', 'made', NULL, 'isolation_forest', '{a,b}', '{"contamination": 0.9}');
SELECT ml_train('forests_bad', 'made', NULL, 'isolation_forest', '{a,b}', '{"n_estimators": 10000, "max_samples": 1000000}');
SELECT ml_train('forests_bad', 'SELECT 1.0 AS a, 2 AS b', NULL, 'isolation_forest');
SELECT ml_train('forests_bad', 'made', 'a', 'isolation_forest');

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'forests\_%';
DROP SCHEMA forests_test CASCADE;
