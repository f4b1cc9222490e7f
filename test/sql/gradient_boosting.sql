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

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'boosting\_%';
DROP SCHEMA boosting_test CASCADE;
