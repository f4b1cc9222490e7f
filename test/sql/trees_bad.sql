-- Learners of trees on input that is no good, case by case: an error that says what and where, or what is documented.
CREATE SCHEMA trees_bad_test;
SET search_path = trees_bad_test, public;
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;

CREATE TABLE made AS
SELECT i AS id, sin(i * 1.3) AS a, (i * 31 % 97)::float8 AS b, 'c' || i * 7919 % 400 AS many, NULL::float8 AS none, NULL::text AS no_text, 5 AS one, 'same'::text AS one_text,
	   i % 3 - 1 AS negative, 0 AS zero, i % 4 AS grade, CASE WHEN i % 10 = 0 THEN float8 'NaN' ELSE 1 END AS nan, CASE WHEN i % 10 > 0 THEN 1 END AS hole, i % 10 = 0 AS held, i % 20 / 19 AS seldom,
	   CASE WHEN i % 10 = 0 THEN 1 ELSE 0 END AS only_held, CASE WHEN i % 10 = 0 THEN -1 ELSE i % 5 END AS negative_held, i / 20 AS query, CASE WHEN i % 7 > 0 THEN i / 20 END AS query_hole,
	   sin(i * 1.3) * 3 + (i * 31 % 97) / 20.0 + i * 7919 % 400 / 200 AS y, CASE WHEN sin(i * 1.3) > 0 THEN 'p' ELSE 'n' END AS z
FROM generate_series(1, 1600) i;
CREATE TABLE learners AS SELECT name AS algorithm, CASE WHEN name LIKE '%forest' OR name = 'extra_trees' THEN '{"n_estimators": 3}' WHEN name = 'gradient_boosting' THEN '{"n_estimators": 5, "learning_rate": 0.1}' ELSE '{}' END::jsonb AS params
FROM ml_algorithms() WHERE name IN ('gradient_boosting', 'random_forest', 'extra_trees', 'decision_tree') ORDER BY 1;

-- what was said, and under which SQLSTATE
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text; detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE FUNCTION trained(algorithm text, features text, target text = 'y', params jsonb = '{}', weight text = NULL, validation text = '{}', preprocess text = '{}', source text = 'made') RETURNS text LANGUAGE sql AS $$
	SELECT said(format('SELECT ml_train(''trees_bad'', %L, %L, %L, %L, %L, %L, %L, weight => %L, deploy => ''always'')', source, target, algorithm, features,
					   (SELECT l.params FROM learners l WHERE l.algorithm = trained.algorithm) || params, preprocess, validation, weight)) $$;

-- 1. a category with more levels than the limit: the most frequent ones, and "(other)" for all else, never seen ones too
CREATE FUNCTION levels(algorithm text, OUT error text, OUT levels bigint, OUT other boolean, OUT rare_ones boolean, OUT as_never_seen boolean) LANGUAGE plpgsql AS $$
DECLARE
	names jsonb;
BEGIN
	error := trained(algorithm, '{a,many}', validation => '{"split": "none"}', preprocess => '{"max_categories": 10}');
	names := jsonb_path_query_first(ml_describe('trees_bad'), '$.preparation.columns[*] ? (@.name == "many").levels');
	levels := jsonb_array_length(names);
	other := names ? '(other)';
	SELECT count(*) > 0, bool_and(ml_predict('trees_bad', 0.5::float8, many) = ml_predict('trees_bad', 0.5::float8, 'never seen')) INTO rare_ones, as_never_seen
	FROM made WHERE NOT names ? many;
END $$;
SELECT algorithm, l.* FROM learners, levels(algorithm) l;
SELECT algorithm, trained(algorithm, '{a,many}', preprocess => '{"max_categories": 10001}') FROM learners;

-- 2. nothing but NULL, one distinct value: left out with a warning, and an error where nothing is left
SELECT algorithm, trained(algorithm, '{none,no_text}') FROM learners;
SELECT algorithm, trained(algorithm, '{one,one_text}') FROM learners;
SET client_min_messages = warning;
SELECT algorithm, trained(algorithm, '{a,none,no_text,one,one_text}', validation => '{"split": "none"}') FROM learners;
SET client_min_messages = error;
SELECT ml_predict('trees_bad', 0.5::float8, NULL::float8, NULL::text, 5, 'same'::text) = ml_predict('trees_bad', 0.5::float8, 7.5::float8, 'new'::text, -3, NULL::text) AS of_no_matter;
SELECT said('SELECT ml_fit(''decision_tree'', ''{}'', y, one) FROM made');

-- 3. weights
SELECT algorithm, trained(algorithm, '{a}', weight => 'negative') AS negative, trained(algorithm, '{a}', weight => 'zero') AS zero, trained(algorithm, '{a}', weight => 'nan') AS nan, trained(algorithm, '{a}', weight => 'hole') AS null FROM learners;
SELECT algorithm, trained(algorithm, '{a}', weight => 'only_held', validation => '{"column": "held"}') AS weight_in_held_out_only FROM learners;
SELECT algorithm, trained(algorithm, '{a}', 'z', '{"class_weight": {"p": 0, "n": 0}}') AS no_class, trained(algorithm, '{a}', 'z', '{"class_weight": {"p": -1}}') AS negative FROM learners;

-- 4. a target outside the range of the objective
SELECT objective, trained('gradient_boosting', '{a,b}', 'negative', jsonb_build_object('objective', objective)) FROM unnest('{poisson,tweedie,gamma}'::text[]) objective;
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"objective": "gamma"}') AS zero_gamma, trained('gradient_boosting', '{a,b}', 'grade', '{"objective": "tweedie"}') AS zero_tweedie;
SELECT algorithm, trained(algorithm, '{a,b}', 'negative', '{"criterion": "poisson"}') FROM learners WHERE algorithm <> 'gradient_boosting';
SELECT trained('gradient_boosting', '{a,b}', 'seldom', '{"objective": "huber"}') AS huber;
SELECT trained('gradient_boosting', '{a,b}', 'y', '{"group": "query"}') AS fractions, trained('gradient_boosting', '{a,b}', 'negative', '{"group": "query"}') AS below, trained('gradient_boosting', '{a}', 'b', '{"group": "query"}') AS above;
-- negative on the rows held out alone: they are not learned from, but early stopping cannot judge by them
SELECT trained('gradient_boosting', '{a,b}', 'negative_held', '{"objective": "poisson"}', validation => '{"column": "held"}') AS not_asked,
	   trained('gradient_boosting', '{a,b}', 'negative_held', '{"objective": "poisson", "early_stopping_rounds": 3}', validation => '{"column": "held"}') AS asked;

-- 5. groups that do not lie together are brought together: the same trees
CREATE FUNCTION ranked(model text, source text) RETURNS text LANGUAGE sql AS $$
	SELECT task FROM ml_train(model, source, 'grade', 'gradient_boosting', '{a,b}', '{"group": "query", "n_estimators": 5, "min_samples_leaf": 5}', validation => '{"split": "none"}') $$;
SELECT ranked('trees_bad_near', 'SELECT * FROM made ORDER BY id'), ranked('trees_bad_far', 'SELECT * FROM made ORDER BY id % 20, id');
SELECT count(*) > 20 AS some, bool_and(a.feature IS NOT DISTINCT FROM b.feature AND a.threshold IS NOT DISTINCT FROM b.threshold AND a.cover = b.cover AND abs(a.value[1] - b.value[1]) < 1e-12) AS same
FROM ml_trees('trees_bad_near') a FULL JOIN ml_trees('trees_bad_far') b USING (tree, node);
SELECT n.metrics = f.metrics AS same_ndcg FROM mlaas.versions n, mlaas.versions f WHERE n.name = 'trees_bad_near' AND f.name = 'trees_bad_far';
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"group": "query_hole"}') AS null_group, trained('gradient_boosting', '{a,b}', 'grade', '{"group": "grade"}') AS target_as_group;
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"objective": "lambdarank"}') AS no_group;
-- one group: a random split keeps it whole, and holds out nothing
SET client_min_messages = warning;
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"group": "one"}'), trained('gradient_boosting', '{a,b}', 'grade', '{"group": "one"}', validation => '{"split": "none"}') AS without;
SET client_min_messages = error;
SELECT n_test, ml_describe('trees_bad') #>> '{training,metrics_on}' AS metrics_on FROM mlaas.versions WHERE name = 'trees_bad' ORDER BY version DESC LIMIT 2;
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"group": "one", "early_stopping_rounds": 3}') AS early;
-- a row to a group: there is no order to learn
SELECT trained('gradient_boosting', '{a,b}', 'grade', '{"group": "id"}', validation => '{"split": "none"}');
SELECT count(DISTINCT ml_predict('trees_bad', m)) AS scores FROM made m;

-- 6. parameters that contradict each other (others are in gradient_boosting and forests)
SELECT algorithm, trained(algorithm, '{a,b}', params => '{"max_depth": 3, "max_leaf_nodes": 9}'), trained(algorithm, '{a,b}', params => '{"max_depth": 3, "max_leaf_nodes": 8}') FROM learners;
SELECT params, trained('gradient_boosting', '{a,b}', params => params::jsonb) FROM unnest(ARRAY['{"boosting": "goss", "subsample": 0.5}', '{"boosting": "goss", "top_rate": 0.8, "other_rate": 0.3}', '{"boosting": "rf", "early_stopping_rounds": 2, "subsample": 0.5}',
	'{"objective": "quantile", "boosting": "goss"}', '{"objective": "absolute_error", "monotone_constraints": {"a": 1}}', '{"objective": "quantile", "init_score": "b"}', '{"interaction_constraints": [[]]}', '{"group": "query", "objective": "huber"}']) params;

-- the default of max_leaf_nodes gives way
SELECT trained('gradient_boosting', '{a,b}', params => '{"max_depth": 3, "max_leaf_nodes": 31}');

-- 7. early stopping without rows held out
SELECT trained('gradient_boosting', '{a,b}', params => '{"early_stopping_rounds": 3}', validation => '{"split": "none"}');
SELECT said('SELECT ml_fit(''gradient_boosting'', ''{"early_stopping_rounds": 3}'', y, a, b) FROM made');
SELECT trained('gradient_boosting', '{a,b}', params => '{"early_stopping_rounds": 3}'), said('SELECT ml_continue(''trees_bad'', ''made'', ''{"n_estimators": 2}'', ''{"split": "none"}'')');

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'trees\_bad%';
DROP SCHEMA trees_bad_test CASCADE;
