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

-- 6. out of bag: the rows of the training, in any order, by the trees that did not draw them

CREATE TABLE seen AS SELECT i AS id, sin(i * 1.7) * 10 AS a, (i * 31 % 89)::float8 AS b, CASE WHEN i % 9 <> 4 THEN 'k' || i * 17 % 6 END AS c, 1 + i % 3 AS w,
	   i % 6 = 0 AS held, 1e5 + round(64 * (3 * sin(i * 1.7) + (i * 31 % 89) / 20.0 + cos(i * 12.9))) / 64 AS y, CASE WHEN sin(i * 1.7) + cos(i * 12.9) > 0.6 THEN 'yes' WHEN i % 11 = 0 THEN 'maybe' ELSE 'no' END AS z
FROM generate_series(1, 1500) i;
-- twice the same row, and rows without a target
INSERT INTO seen SELECT id + 10000, a, b, c, w, held, y, z FROM seen WHERE id <= 40;
INSERT INTO seen SELECT id + 20000, a, b, c, w, held, NULL, NULL FROM seen WHERE id <= 5;
SELECT n_train, n_test FROM ml_train('forests_oob_y', 'seen', 'y', 'random_forest', '{a,b,c}', '{"n_estimators": 40}');
SELECT n_train, n_test FROM ml_train('forests_oob_z', 'seen', 'z', 'extra_trees', '{a,b,c}', '{"n_estimators": 40, "bootstrap": true, "max_samples": 0.7, "class_weight": "balanced"}', validation => '{"column": "held"}', weight => 'w');
SELECT n_train, n_test FROM ml_train('forests_oob_last', 'seen', 'z', 'extra_trees', '{a,b,c}', '{"n_estimators": 3, "max_samples": 0.5}', validation => '{"order_by": "id", "test_size": 0.1}');
CREATE FUNCTION statistic(model text, name text) RETURNS float8 LANGUAGE sql AS 'SELECT value FROM ml_statistics(model) WHERE statistic = name';

CREATE TABLE oob_y AS SELECT o.*, s.y, s.id FROM ml_oob_predict('forests_oob_y', 'SELECT * FROM seen ORDER BY b, id DESC', 'id') o JOIN seen s ON s.id = o.key::int;
SELECT trained, y IS NULL AS no_target, count(*), max(trees) = 40 AS all_trees, bool_and(label IS NULL AND probability IS NULL) AS number FROM oob_y GROUP BY 1, 2 ORDER BY 1, 2;
-- what the training said, and what the statistics of trees say: a tree leaves out 1 of e rows
SELECT count(*) = statistic('forests_oob_y', 'oob_rows') AS rows, abs(ml_r2(y, prediction) - statistic('forests_oob_y', 'oob_r2')) < 1e-12 AS r2,
	   abs(ml_rmse(y, prediction) / statistic('forests_oob_y', 'oob_rmse') - 1) < 1e-12 AS rmse, abs(avg(trees) / 40 - exp(-1)) < 0.005 AS share
FROM oob_y WHERE trained AND trees > 0;
SELECT bool_and(prediction = ml_predict('forests_oob_y', s)) AS held_out FROM oob_y o JOIN seen s USING (id) WHERE NOT trained;
-- not what the trees say that have seen the row
SELECT ml_rmse(o.y, o.prediction) / ml_rmse(o.y, ml_predict('forests_oob_y', s)) > 1.5 AS honest FROM oob_y o JOIN seen s USING (id) WHERE trained;
SELECT sum(weight) FILTER (WHERE label = z) / sum(weight) - statistic('forests_oob_z', 'oob_accuracy') BETWEEN -1e-12 AND 1e-12 AS accuracy, bool_and(prediction IS NULL) AS text_label,
	   min(probability) > 0.3 AS probability, count(*) = statistic('forests_oob_z', 'oob_rows') AS rows
FROM (SELECT o.*, s.z, s.w / sum(s.w) OVER (PARTITION BY z)::float8 AS weight FROM ml_oob_predict(ml_model('forests_oob_z'), 'seen', 'id') o JOIN seen s ON s.id = o.key::int WHERE trained AND trees > 0) o;
-- rows that every tree drew; the trees of a model that was cut
SELECT count(*) FILTER (WHERE trees = 0) > 0 AS some, bool_and((label IS NULL) = (trees = 0) AND (probability IS NULL) = (trees = 0)) AS null, bool_and(key::int BETWEEN 1 AND 1545) AS number,
	   count(*) FILTER (WHERE trained) - count(*) FILTER (WHERE trained AND trees = 0) = statistic('forests_oob_last', 'oob_rows') AS rows
FROM ml_oob_predict('forests_oob_last', 'seen');
SELECT version FROM ml_truncate('forests_oob_y', 10);
SELECT max(trees) AS trees, bool_and(trained) AS trained FROM ml_oob_predict('forests_oob_y@2', 'seen') WHERE trees < 10;
-- the same trees and the same predictions, in any order, on any number of threads, through a second scan
SET mlaas.max_threads = 1;
SELECT version FROM ml_train('forests_oob_y', 'SELECT * FROM seen ORDER BY id DESC', 'y', 'random_forest', '{a,b,c}', '{"n_estimators": 40}');
SELECT count(*) AS others FROM (SELECT * FROM ml_trees('forests_oob_y@1') EXCEPT SELECT * FROM ml_trees('forests_oob_y@3')) t;
SELECT count(*) AS others FROM (SELECT * FROM ml_oob_predict('forests_oob_y@3', 'SELECT * FROM seen ORDER BY b, id DESC', 'id') EXCEPT SELECT key, prediction, label, probability, trees, trained FROM oob_y) o;
SET mlaas.max_threads = 8;
SELECT count(*) AS others FROM (SELECT * FROM ml_oob_predict('forests_oob_y@3', 'SELECT * FROM seen ORDER BY b, id DESC', 'id') EXCEPT SELECT key, prediction, label, probability, trees, trained FROM oob_y) o;
RESET mlaas.max_threads;
SET mlaas.max_memory = '16MB';
CREATE TABLE wide AS SELECT i AS id, sin(i) AS a, cos(i * 3) AS b, i * 7919 % 1009 AS c, sin(i::float8 * i) AS d, sin(i) * cos(i * 3) + (i * 31 % 17) / 40.0 AS y FROM generate_series(1, 80000) i;
SELECT version FROM ml_train('forests_oob_wide', 'wide', 'y', 'random_forest', '{a,b,c,d}', '{"n_estimators": 6, "max_leaf_nodes": 100}');
SELECT count(*) FROM ml_oob_predict('forests_oob_wide', 'wide');
RESET mlaas.max_memory;
SELECT abs(ml_rmse(y, prediction) / statistic('forests_oob_wide', 'oob_rmse') - 1) < 1e-12 AS rmse
FROM ml_oob_predict('forests_oob_wide', 'wide', 'id') o JOIN wide ON id = key::int WHERE trained AND trees > 0;
-- NULL arguments; other rows, other models
SELECT count(*) FROM ml_oob_predict('forests_oob_y', NULL);
SELECT count(*) FROM ml_oob_predict('forests_oob_y', 'SELECT * FROM seen WHERE id < 1000');
SELECT count(*) FROM ml_oob_predict('forests_oob_y', 'SELECT id, b, a, c, y + 1 AS y FROM seen');
SELECT count(*) FROM ml_oob_predict('forests_oob_z', 'SELECT id, a, b, c, w, held, id % 2 AS z FROM seen');
SELECT count(*) FROM ml_oob_predict('forests_oob_z', 'SELECT id, a, b, c, held, z FROM seen');
SELECT count(*) FROM ml_oob_predict('forests_oob_y', 'SELECT id, a, b, c FROM seen');
SELECT count(*) FROM ml_oob_predict('forests_oob_y', 'seen', 'idd');
SELECT version FROM ml_continue('forests_oob_y', 'seen', '{"n_estimators": 2}');
SELECT count(*) FROM ml_oob_predict('forests_oob_y@4', 'seen');
SELECT version FROM ml_refit('forests_oob_y', 'seen');
SELECT count(*) FROM ml_oob_predict('forests_oob_y@5', 'seen');
SELECT version FROM ml_train('forests_oob_whole', 'seen', 'y', 'extra_trees', '{a,b,c}', '{"n_estimators": 2}');
SELECT count(*) FROM ml_oob_predict('forests_oob_whole', 'seen');
SELECT count(*) FROM ml_oob_predict('forests_odd', 'made');

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'forests\_%';
DROP SCHEMA forests_test CASCADE;
