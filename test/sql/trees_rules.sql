-- Rules that trees keep to, seen in their nodes and in what they predict: sides of what is missing or unseen, constraints,
-- samples, the best round, the learning rate that is found, start scores.
SET client_min_messages = error;
CREATE SCHEMA trees_rules_test;
SET search_path = trees_rules_test, public;

CREATE TABLE made AS
SELECT i AS id, CASE WHEN i % 9 > 0 THEN a END AS a, b, c, d, 'k' || i * 7919 % 9 AS k, 1.5 * b AS start,
	   coalesce(CASE WHEN i % 9 > 0 THEN a END, 0.8) * 1.5 + sin(3 * b) + c * d + (i * 7919 % 9 - 4) / 8.0 + noise AS y,
	   CASE WHEN a + b * c + 2 * noise > 0 THEN 'yes' ELSE 'no' END AS z, CASE WHEN a + 3 * noise > 0 THEN 'yes' ELSE 'no' END AS hard, (ARRAY['lo', 'mid', 'hi'])[width_bucket(a + c + noise, -0.4, 0.4, 1) + 1] AS m
FROM (SELECT i, (i * 7877 % 3001) / 1500.0::float8 - 1 AS a, (i * 6037 % 2003) / 1000.0::float8 - 1 AS b, (i * 4421 % 997) / 498.0::float8 - 1 AS c, (i * 3571 % 1999) / 999.0::float8 - 1 AS d,
			 (hashint4(i) & 1023) / 512.0::float8 - 1 AS noise FROM generate_series(1, 3000) i) s;
CREATE FUNCTION train(model text, params jsonb, features text = '{a,b,c,d}', target text = 'y', validation jsonb = '{"split": "none"}') RETURNS text LANGUAGE sql AS $$
	SELECT algorithm FROM ml_train('trees_rules_' || model, 'made', target, 'gradient_boosting', features::text[], params, validation => validation, deploy => 'always') $$;
CREATE FUNCTION statistic(model text, name text) RETURNS float8 LANGUAGE sql AS $$ SELECT value FROM ml_statistics('trees_rules_' || model) WHERE statistic = name $$;

-- 1. what is missing goes, split by split, where it fits better; what training did not see goes with the most rows where no level is rare
SELECT train('sides', '{"n_estimators": 40, "learning_rate": 0.1}', '{a,b,k}');
SELECT count(DISTINCT null_left) AS sides_of_null FROM ml_trees('trees_rules_sides') WHERE feature = 'a';
SELECT train('sides', '{"n_estimators": 40, "learning_rate": 0.1, "max_leaf_nodes": 2}', '{k}');
SELECT count(*) > 10 AS some, bool_and(s.unseen_left = (l.cover > r.cover)) AS with_the_most, bool_and(s.null_left = s.unseen_left) AS null_too
FROM ml_trees('trees_rules_sides') s JOIN ml_trees('trees_rules_sides') l ON l.tree = s.tree AND l.node = s.left_child JOIN ml_trees('trees_rules_sides') r ON r.tree = s.tree AND r.node = s.right_child WHERE s.feature = 'k';
SELECT count(DISTINCT ml_predict('trees_rules_sides', k)) AS scores FROM unnest('{new,newer,null}'::text[]) k;

-- 2. monotone: rising with b and falling with c from any row, whatever the kind of boosting; a model that is continued keeps to it
CREATE FUNCTION breaks(model text, OUT b_falls bigint, OUT c_rises bigint, OUT moves boolean) LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE p < before_p), count(*) FILTER (WHERE q > before_q), count(DISTINCT p) > 100
	FROM (SELECT p, q, lag(p) OVER w AS before_p, lag(q) OVER w AS before_q
		  FROM (SELECT id, step, ml_predict(model, a, step / 15.0::float8, c, d) AS p, ml_predict(model, a, b, step / 15.0::float8, d) AS q FROM made, generate_series(-15, 15) step WHERE id <= 80) s
		  WINDOW w AS (PARTITION BY id ORDER BY step)) s $$;
CREATE FUNCTION monotone(params jsonb, OUT b_falls bigint, OUT c_rises bigint, OUT moves boolean) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM train('monotone', params || '{"monotone_constraints": {"b": 1, "c": -1}, "n_estimators": 25, "learning_rate": 0.2}');
	SELECT * INTO b_falls, c_rises, moves FROM breaks('trees_rules_monotone');
END $$;
SELECT params, r.* FROM unnest(ARRAY['{}', '{"boosting": "dart"}', '{"boosting": "goss"}', '{"boosting": "rf", "subsample": 0.5}', '{"grow_policy": "depthwise"}', '{"subsample": 0.5, "colsample_bynode": 0.5}', '{"extra_trees": true}',
	'{"path_smooth": 10}', '{"max_delta_step": 0.1}', '{"objective": "huber"}', '{"l1": 2, "l2": 3}']::jsonb[]) params, monotone(params) r;
SELECT version > 11 AS continued FROM ml_continue('trees_rules_monotone', 'made', '{"n_estimators": 10}', '{"split": "none"}', deploy => 'always');
SELECT * FROM breaks('trees_rules_monotone');

-- 3. features that may meet: those on a way from the root have a list in common, one in no list is alone
CREATE FUNCTION ways(model text) RETURNS SETOF text[] LANGUAGE sql AS $$
	WITH RECURSIVE n AS MATERIALIZED (SELECT * FROM ml_trees('trees_rules_' || model)),
	way AS (SELECT tree, node, ARRAY[feature] AS features, left_child, right_child FROM n WHERE node = 1 AND feature IS NOT NULL
			UNION ALL
			SELECT n.tree, n.node, (SELECT array_agg(DISTINCT f ORDER BY f) FROM unnest(w.features || n.feature) f), n.left_child, n.right_child
			FROM way w JOIN n ON n.tree = w.tree AND n.node IN (w.left_child, w.right_child) AND n.feature IS NOT NULL)
	SELECT DISTINCT features FROM way ORDER BY 1 $$;
SELECT train('meet', '{"n_estimators": 60, "interaction_constraints": [["a", "b"], ["b", "c"]]}');
SELECT bool_and(w <@ '{a,b}' OR w <@ '{b,c}' OR w <@ '{d}') AS as_listed, count(*) FILTER (WHERE cardinality(w) = 2) AS pairs FROM ways('meet') w;
SELECT train('meet', '{"n_estimators": 60}');
SELECT max(cardinality(w)) AS all_meet FROM ways('meet') w;

-- 4. samples: rows and columns of a tree, columns of a node
SELECT train('sample', '{"n_estimators": 30, "subsample": 0.3, "colsample_bytree": 0.5}');
SELECT avg(cover) BETWEEN 850 AND 950 AS rows, count(DISTINCT cover) > 10 AS of_each_tree FROM ml_trees('trees_rules_sample') WHERE node = 1;
SELECT max(n) AS columns FROM (SELECT count(DISTINCT feature) AS n FROM ml_trees('trees_rules_sample') GROUP BY tree) t;
SELECT train('sample', '{"n_estimators": 30, "colsample_bynode": 0.25}');
SELECT count(DISTINCT feature) AS roots FROM ml_trees('trees_rules_sample') WHERE node = 1;
SELECT train('sample', '{"n_estimators": 30, "boosting": "goss", "learning_rate": 0.1}');
SELECT bool_and(cover = 3000) FILTER (WHERE tree <= 10) AS all_first, avg(cover) FILTER (WHERE tree > 10) BETWEEN 850 AND 950 AS then_some FROM ml_trees('trees_rules_sample') WHERE node = 1;

-- 5. the best round is kept: the model is the one that was trained so long
SELECT train('early', '{"n_estimators": 300, "learning_rate": 0.3, "early_stopping_rounds": 7}', validation => '{}');
SELECT statistic('early', 'n_trees') = best AS kept, jsonb_array_length(history) = best + 7 AS patience, (SELECT min(h::float8) FROM jsonb_array_elements_text(history) h) = (history->>best - 1)::float8 AS least
FROM (SELECT statistic('early', 'best_iteration')::int AS best, ml_describe('trees_rules_early')->'history' AS history) s;
SELECT train('so_long', jsonb_build_object('n_estimators', statistic('early', 'best_iteration'), 'learning_rate', 0.3), validation => '{}');
SELECT bool_and(float8send(ml_predict('trees_rules_early', r)) = float8send(ml_predict('trees_rules_so_long', r))) AS same FROM made r;

-- 6. start scores: what is learned is the rest
SELECT train('start', '{"init_score": "start", "n_estimators": 80, "learning_rate": 0.1}'), train('whole', '{"n_estimators": 80, "learning_rate": 0.1}');
SELECT ml_rmse(y, start + ml_predict('trees_rules_start', r)) / ml_rmse(y, ml_predict('trees_rules_whole', r)) BETWEEN 0.9 AND 1.1 AS as_good, corr(y, ml_predict('trees_rules_start', r)) < corr(y, ml_predict('trees_rules_whole', r)) - 0.05 AS the_rest FROM made r;

-- 7. the learning rate: found by trials unless given, told, kept by what continues the model, the same on any number of threads
SELECT train('rate', '{}');
SELECT statistic('rate', 'learning_rate') BETWEEN 0.0001 AND 0.2 AS found, (ml_describe('trees_rules_rate') #>> '{learned,statistics,learning_rate}')::float8 = statistic('rate', 'learning_rate') AS told,
	   jsonb_typeof(ml_describe('trees_rules_rate') #> '{parameters,learning_rate}') AS parameter;
CREATE FUNCTION rate(params jsonb, target text = 'y', features text = '{a,b,c,d}', validation jsonb = '{"split": "none"}', source text = 'made', threads int = 0) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('mlaas.max_threads', threads::text, true), ml_train('trees_rules_rate', source, target, 'gradient_boosting', features::text[], params, validation => validation, deploy => 'always');
	RETURN statistic('rate', 'learning_rate');
END $$;
-- as if it had been given
CREATE TABLE found AS SELECT rate('{"n_estimators": 60}', 'hard') AS rate;
SELECT rate < 0.1 AS less_than_usual FROM found;
SELECT train('given', jsonb_build_object('n_estimators', 60, 'learning_rate', rate), target => 'hard') FROM found;
SELECT count(*) FROM (SELECT * FROM ml_trees('trees_rules_rate') EXCEPT SELECT * FROM ml_trees('trees_rules_given')) t;
SELECT version > 0 AS continued FROM ml_continue('trees_rules_rate', 'made', '{"n_estimators": 3}', '{"split": "none"}', deploy => 'always');
SELECT statistic('rate', 'learning_rate') = rate AS kept, statistic('rate', 'n_trees') AS trees FROM found;
SELECT statistic('given', 'learning_rate') IS NULL AS nothing_found;
SELECT count(DISTINCT rate('{"n_estimators": 30}', 'm', threads => t)) AS rates FROM unnest('{1,2,8}'::int[]) t;
-- much to learn in few rounds, little in many; the order of the rows is nothing to it
SELECT rate('{"n_estimators": 200}', 'hard') < rate('{"n_estimators": 100}', 'hard') AS less_in_more_rounds, rate('{"n_estimators": 5}') AS most_of_few_rows,
	   rate('{"n_estimators": 100}', 'hard', source => 'SELECT * FROM made ORDER BY b, id DESC') = rate('{"n_estimators": 100}', 'hard') AS any_order;
-- no trials
SELECT rate('{"learning_rate": 0.05, "n_estimators": 5}') AS given, rate('{"n_estimators": 5}', source => 'SELECT * FROM made WHERE id < 1000') AS few_rows, rate('{"n_estimators": 5, "boosting": "goss"}') AS goss, rate('{"n_estimators": 5, "boosting": "dart"}') AS dart,
	   rate('{"n_estimators": 5, "boosting": "rf", "subsample": 0.5}') AS rf, rate('{"n_estimators": 20, "early_stopping_rounds": 3}', validation => '{}') AS early, rate('{"n_estimators": 5}', 'y', '{k}') AS alike;

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'trees\_rules\_%';
DROP SCHEMA trees_rules_test CASCADE;
