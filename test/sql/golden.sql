-- Linear models against the answers of scikit-learn 1.2.1 and statsmodels 0.13.5 on the same rows: the numbers
-- are those of test/golden/*.json, whose README tells where they come from.
SET client_min_messages = warning;
CREATE SCHEMA golden_test;
SET search_path = golden_test, public;
\set VERBOSITY terse

-- 1. rows with their numbers, and the answers

\set ECHO none
\i test/data/schema.sql
\set ECHO all
\copy diabetes FROM 'test/data/diabetes.csv' WITH (FORMAT csv, HEADER)
\copy breast_cancer FROM 'test/data/breast_cancer.csv' WITH (FORMAT csv, HEADER)
\copy iris FROM 'test/data/iris.csv' WITH (FORMAT csv, HEADER)
ALTER TABLE diabetes ADD id serial;
ALTER TABLE breast_cancer ADD id serial;
ALTER TABLE iris ADD id serial;

\set diabetes `cat test/golden/diabetes.json`
\set breast_cancer `cat test/golden/breast_cancer.json`
\set iris `cat test/golden/iris.json`
CREATE TABLE golden AS
SELECT dataset, n::int, entry, entry->'expected' AS expected, coalesce((entry->>'rel_tol_suggested')::float8, 1e-6) AS tolerance
FROM (VALUES (:'diabetes'::jsonb), (:'breast_cancer'), (:'iris')) AS f(entries),
	 jsonb_array_elements(entries) WITH ORDINALITY AS e(entry, n), jsonb_to_record(entry) AS r(dataset text);

-- what is learned from: in the answers the second class of breast_cancer is "benign"
CREATE VIEW diabetes_rows AS SELECT *, id % 5 = 0 AS test, 1 + id % 3 AS weight FROM diabetes;
CREATE VIEW breast_cancer_rows AS SELECT b.*, target = 'benign' AS benign, id % 5 = 0 AS test FROM breast_cancer b;
CREATE VIEW iris_rows AS SELECT *, id % 5 = 0 AS test FROM iris;
CREATE VIEW iris_pair AS SELECT * FROM iris WHERE target <> 'setosa';

-- means and population standard deviations, of all rows and of the training rows
CREATE TABLE moments AS
SELECT dataset, part, key AS feature, avg(value::float8) AS mean, stddev_pop(value::float8) AS sd
FROM (SELECT 'diabetes', id, to_jsonb(d) - 'id' - 'target' FROM diabetes d UNION ALL
	  SELECT 'breast_cancer', id, to_jsonb(b) - 'id' - 'target' FROM breast_cancer b UNION ALL
	  SELECT 'iris', id, to_jsonb(i) - 'id' - 'target' FROM iris i) AS r(dataset, id, features),
	 jsonb_each_text(features), unnest('{all,training}'::text[]) AS part
WHERE part = 'all' OR id % 5 <> 0
GROUP BY 1, 2, 3;

CREATE FUNCTION features_of(dataset text) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = dataset::regclass AND attnum > 0 AND attname NOT IN ('id', 'target') $$;

-- 2. what is trained: entry, source, target, features, parameters, scale, validation

CREATE TABLE cases (dataset text, n int, source text, target text, algorithm text, features text[], params jsonb,
					scale text, held_out boolean DEFAULT false, weight text, standardised text,
					name text GENERATED ALWAYS AS ('golden_' || dataset || '_' || n) STORED);
INSERT INTO cases (dataset, n, source, target, algorithm, params, scale, held_out, weight, standardised) VALUES
	('diabetes', 1, 'diabetes_rows', 'target', 'linear_regression', '{}', 'none', false, NULL, NULL),
	('diabetes', 2, 'diabetes_rows', 'target', 'linear_regression', '{}', 'standard', false, 'weight', NULL),
	('diabetes', 3, 'diabetes_rows', 'target', 'linear_regression', '{}', 'none', true, NULL, NULL),
	('diabetes', 4, 'diabetes_rows', 'target', 'linear_regression', '{"fit_intercept": false}', 'none', false, NULL, NULL),
	('diabetes', 5, 'diabetes_rows', 'target', 'linear_regression', '{"l2": 0.01}', 'none', false, NULL, NULL),
	('diabetes', 6, 'diabetes_rows', 'target', 'linear_regression', '{"l2": 0.1}', 'none', false, NULL, NULL),
	('diabetes', 7, 'diabetes_rows', 'target', 'linear_regression', '{"l2": 1}', 'none', false, NULL, NULL),
	('diabetes', 8, 'diabetes_rows', 'target', 'linear_regression', '{"l2": 10}', 'none', false, NULL, NULL),
	('diabetes', 16, 'diabetes_rows', 'target', 'linear_regression', '{"l2": 10}', 'auto', true, NULL, 'training'),
	('breast_cancer', 1, 'breast_cancer_rows', 'benign', 'logistic_regression', '{"l2": 100}', 'auto', false, NULL, 'all'),
	('breast_cancer', 2, 'breast_cancer_rows', 'benign', 'logistic_regression', '{"l2": 1}', 'auto', false, NULL, 'all'),
	('breast_cancer', 3, 'breast_cancer_rows', 'benign', 'logistic_regression', '{"l2": 0.01}', 'auto', false, NULL, 'all'),
	('breast_cancer', 4, 'breast_cancer_rows', 'benign', 'logistic_regression', '{"l2": 1}', 'auto', true, NULL, 'training'),
	('breast_cancer', 5, 'breast_cancer_rows', 'benign', 'logistic_regression', '{"l2": 0}', 'none', false, NULL, NULL),
	('iris', 1, 'iris_rows', 'target', 'logistic_regression', '{"l2": 10}', 'none', false, NULL, NULL),
	('iris', 2, 'iris_rows', 'target', 'logistic_regression', '{"l2": 1}', 'none', false, NULL, NULL),
	('iris', 3, 'iris_rows', 'target', 'logistic_regression', '{"l2": 0.1}', 'none', false, NULL, NULL),
	('iris', 4, 'iris_rows', 'target', 'logistic_regression', '{"l2": 1}', 'none', true, NULL, NULL),
	('iris', 6, 'iris_pair', 'target', 'logistic_regression', '{"l2": 0}', 'none', false, NULL, NULL),
	('iris', 7, 'iris_pair', 'target', 'logistic_regression', '{"l2": 1}', 'none', false, NULL, NULL),
	('iris', 54, 'iris_rows', 'petal_width', 'linear_regression', '{}', 'none', false, NULL, NULL);
UPDATE cases SET features = CASE WHEN dataset = 'breast_cancer' AND n = 5 THEN '{mean_radius,mean_texture,mean_smoothness}'
							WHEN dataset = 'iris' AND n = 54 THEN '{sepal_length,sepal_width,petal_length}'
							ELSE features_of(dataset) END;

SELECT count(*) AS trained, bool_and((m.n_test > 0) = held_out) AS held_out_as_said
FROM (SELECT * FROM cases ORDER BY dataset, n) c,
	 ml_train(name, source, target, c.algorithm, features, params, jsonb_build_object('scale', scale),
			  CASE WHEN held_out THEN '{"column": "test"}' ELSE '{"split": "none"}' END::jsonb, weight, 'always') m;

-- 3. ours beside theirs, every number within the tolerance that the answer suggests

-- a jsonb number or array of any depth, flat
CREATE FUNCTION flat(jsonb) RETURNS float8[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(value::text::float8) FROM jsonb_path_query($1, '$[*][*]') value $$;
-- Relative to the answer, or to the size of what it is made of where that is larger; NULL where there is no answer.
CREATE FUNCTION near(actual float8[], expected jsonb, tolerance float8, size float8[] = NULL) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN expected IS NOT NULL THEN
		cardinality(actual) = cardinality(flat(expected)) AND
		(SELECT bool_and(coalesce(abs(a - e) <= tolerance * greatest(abs(e), s), false))
		 FROM unnest(actual, flat(expected), size) AS u(a, e, s)) END $$;

-- class by class the intercept and the coefficients, those of standardised columns where the answer's are
CREATE VIEW ours AS
SELECT c.dataset, c.n, k.class, k.place, k.feature, k.estimate * coalesce(m.sd, 1) AS coefficient,
	   k.std_error, k.statistic, k.p_value, k.ci_low, k.ci_high,
	   CASE WHEN k.feature = '(intercept)' AND c.standardised IS NOT NULL THEN
			(SELECT sum(i.estimate * coalesce(m2.mean, 1)) FROM ml_coefficients(c.name) i
			 LEFT JOIN moments m2 ON m2.dataset = c.dataset AND m2.part = c.standardised AND m2.feature = i.feature)
			ELSE k.estimate END AS intercept
FROM cases c CROSS JOIN LATERAL ml_coefficients(c.name) WITH ORDINALITY
	 AS k(class, feature, estimate, std_error, statistic, p_value, ci_low, ci_high, place)
LEFT JOIN moments m ON m.dataset = c.dataset AND m.part = c.standardised AND m.feature = k.feature;

-- (the relative error of a p value is that of its statistic times the statistic's square)
SELECT dataset, n, entry->>'algorithm' AS algorithm, (entry->'hyperparameters') - 'columns' - 'x' - 'y' AS hyperparameters,
	   near(array_agg(coefficient ORDER BY place) FILTER (WHERE feature <> '(intercept)'), expected->'coef', tolerance) AS coef,
	   near(array_agg(intercept ORDER BY place) FILTER (WHERE feature = '(intercept)'), expected->'intercept', tolerance) AS intercept,
	   near(array_agg(std_error ORDER BY place), expected->'std_err', tolerance) AS std_error,
	   near(array_agg(statistic ORDER BY place), coalesce(expected->'t', expected->'z'), tolerance) AS statistic,
	   near(array_agg(p_value ORDER BY place), expected->'p_value', 100 * tolerance) AS p_value,
	   near(array_agg(ci_low ORDER BY place), jsonb_path_query_array(expected->'ci95', '$[*][0]'), tolerance, array_agg(std_error ORDER BY place)) AS ci_low,
	   near(array_agg(ci_high ORDER BY place), jsonb_path_query_array(expected->'ci95', '$[*][1]'), tolerance, array_agg(std_error ORDER BY place)) AS ci_high
FROM ours JOIN golden USING (dataset, n) GROUP BY dataset, n, entry, expected, tolerance ORDER BY dataset, n;

-- the numbers below the coefficients
SELECT dataset, n, string_agg(theirs, ' ' ORDER BY theirs) AS near,
	   string_agg(theirs, ' ' ORDER BY theirs) FILTER (WHERE NOT coalesce(near(ARRAY[value ^ power], expected->theirs, tolerance), false)) AS wrong
FROM cases JOIN golden USING (dataset, n),
	 (VALUES ('r2', 'r2', 1), ('adj_r2', 'adj_r2', 1), ('f_statistic', 'f_stat', 1), ('f_p_value', 'f_pvalue', 1),
			 ('df_residual', 'df_resid', 1), ('sigma', 'sigma2', 2), ('log_likelihood', 'log_likelihood', 1),
			 ('null_log_likelihood', 'null_log_likelihood', 1), ('aic', 'aic', 1), ('bic', 'bic', 1), ('r2', 'train_r2', 1))
		AS s(ours, theirs, power)
LEFT JOIN LATERAL ml_statistics(name) v ON v.statistic = ours
WHERE expected ? theirs
GROUP BY 1, 2 ORDER BY 1, 2;

-- metrics on the held-out rows, else on the training rows
SELECT dataset, n, theirs AS "on", string_agg(key, ' ' ORDER BY key) AS near,
	   string_agg(key, ' ' ORDER BY key) FILTER (WHERE NOT coalesce(near(ARRAY[(v.metrics->>key)::float8], expected->theirs->key, 1e-6), false)) AS wrong
FROM cases c JOIN golden USING (dataset, n), unnest('{test,train}'::text[]) theirs, jsonb_object_keys(expected->theirs) key,
	 mlaas.versions v
WHERE v.name = c.name AND key IN ('accuracy', 'rmse', 'mae', 'r2', 'mcc', 'log_loss', 'roc_auc', 'brier')
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- predictions and probabilities, row by row
SELECT n, near(array_agg(ml_predict(name, d) ORDER BY id), expected->'test_predictions_first5', tolerance) AS test_predictions
FROM cases JOIN golden USING (dataset, n), (SELECT * FROM diabetes WHERE id IN (5, 10, 15, 20, 25)) d
WHERE dataset = 'diabetes' AND expected ? 'test_predictions_first5' GROUP BY n, expected, tolerance ORDER BY n;
SELECT n, near(array_agg(ml_probability(name, 'true', b) ORDER BY id), expected->'test_proba', 1e-6) AS test_probabilities
FROM cases JOIN golden USING (dataset, n), (SELECT * FROM breast_cancer WHERE id % 5 = 0) b
WHERE dataset = 'breast_cancer' AND expected ? 'test_proba' GROUP BY n, expected, tolerance ORDER BY n;
SELECT n, near(array_agg(ml_probability(name, 'true', b) ORDER BY id), expected->'predictions_first5', 1e-6) AS probabilities
FROM cases JOIN golden USING (dataset, n), (SELECT * FROM breast_cancer WHERE id <= 5) b
WHERE dataset = 'breast_cancer' AND expected ? 'predictions_first5' GROUP BY n, expected, tolerance ORDER BY n;
SELECT n, near(array_agg(p::text::float8 ORDER BY id, class), expected->'proba_first_of_each_class', 1e-6) AS probabilities
FROM cases JOIN golden USING (dataset, n), (SELECT * FROM iris WHERE id IN (1, 51, 101)) i, jsonb_each(ml_probabilities(name, i)) AS e(class, p)
WHERE dataset = 'iris' AND expected ? 'proba_first_of_each_class' GROUP BY n, expected, tolerance ORDER BY n;
SELECT n, near(array_agg(ml_probability(name, 'virginica', i) ORDER BY id), expected->'predictions_first5', 1e-6) AS probabilities
FROM cases JOIN golden USING (dataset, n), (SELECT * FROM iris WHERE id BETWEEN 51 AND 55) i
WHERE dataset = 'iris' AND expected ? 'predictions_first5' GROUP BY n, expected, tolerance ORDER BY n;
SELECT n, flat(coalesce(expected->'predictions', expected->'test_predictions'))
	   = array_agg((array_position('{setosa,versicolor,virginica}', ml_predict_label(name, i)) - 1)::float8 ORDER BY id) AS labels
FROM cases JOIN golden USING (dataset, n), iris i
WHERE dataset = 'iris' AND (expected ? 'predictions' OR (expected ? 'test_predictions' AND id % 5 = 0)) GROUP BY n, expected ORDER BY n;

-- the penalised loss is theirs, or lower
SELECT dataset, n, abs(loss + l2 / 2 * penalty - (expected->>'objective_value')::float8)
	   <= 1e-9 * (expected->>'objective_value')::float8 AS objective
FROM (SELECT dataset, n, sum(coefficient ^ 2) AS penalty FROM ours WHERE feature <> '(intercept)' GROUP BY 1, 2) p
JOIN cases c USING (dataset, n) JOIN golden USING (dataset, n),
	 LATERAL (SELECT -value AS loss, (params->>'l2')::float8 AS l2 FROM ml_statistics(name) WHERE statistic = 'log_likelihood') s
WHERE expected ? 'objective_value' ORDER BY 1, 2;

SELECT ml_drop(name) IS NOT NULL AS dropped, count(*) FROM cases GROUP BY 1;
DROP SCHEMA golden_test CASCADE;
