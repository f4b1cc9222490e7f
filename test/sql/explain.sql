-- Explanations: contributions that add up, in every form of a row; importances; dependence on a feature.
SET client_min_messages = error;
CREATE SCHEMA explain_test;
SET search_path = explain_test, public;
CREATE FUNCTION error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- a and d make the targets, with c where it is there; k is constant, noise is noise
CREATE TABLE made AS
SELECT i AS id, a, CASE WHEN i % 7 = 3 THEN NULL ELSE c END AS c, d, i % 3 = 0 AS flag, date '2020-01-01' + i % 50 AS day,
	   ARRAY[(i * 37 % 101) / 50.0, (i * 53 % 89) / 40.0, NULL]::float8[] AS v, 4 AS k, (i * 7919 % 211)::real / 400 AS noise,
	   3 * a + coalesce(c, 1) + CASE d WHEN 'red' THEN 2 WHEN 'blue' THEN -1 ELSE 0 END + (i * 7919 % 211)::float8 / 400 AS y
FROM (SELECT i, (i * 7877 % 3001)::float8 / 1500 - 1 AS a, (i * 4421 % 997)::float8 / 500 AS c, (ARRAY['red', 'blue', 'green'])[i * 31 % 13 % 3 + 1] AS d
	  FROM generate_series(1, 900) i) s;
ALTER TABLE made ADD high boolean, ADD size text;
UPDATE made SET high = y > 1, size = CASE WHEN y < 0 THEN 'small' WHEN y < 2 THEN 'medium' ELSE 'large' END;
\set features '''{a,c,d,flag,day,v,k,noise}'''
SELECT algorithm FROM ml_train('explain_y', 'made', 'y', 'gradient_boosting', :features, '{"n_estimators": 20}');
SELECT algorithm FROM ml_train('explain_high', 'made', 'high', 'gradient_boosting', :features, '{"n_estimators": 20}');
SELECT algorithm FROM ml_train('explain_size', 'made', 'size', 'gradient_boosting', :features, '{"n_estimators": 20}');
SELECT algorithm FROM ml_train('explain_line', 'made', 'y', 'linear_regression', :features);
SELECT algorithm FROM ml_train('explain_odds', 'made', 'high', 'logistic_regression', :features, '{"l2": 1}');
SELECT algorithm FROM ml_train('explain_softmax', 'made', 'size', 'logistic_regression', :features, '{"l2": 1}');
SELECT algorithm FROM ml_train('explain_mean', 'made', 'y', 'baseline', :features);

-- 1. base and contributions add up to the raw score
CREATE FUNCTION adds_up(model text, options jsonb) RETURNS TABLE (rows bigint, regression boolean, log_odds boolean, softmax boolean) LANGUAGE sql AS $$
	WITH raw AS (SELECT key, class, sum(contribution) AS score FROM ml_explain_batch(model, 'SELECT * FROM explain_test.made WHERE id <= 60', 'id', options) GROUP BY 1, 2),
	classes AS (SELECT key, class, score, exp(score) / sum(exp(score)) OVER (PARTITION BY key) AS share, count(*) OVER (PARTITION BY key) AS n FROM raw)
	SELECT count(*), bool_and(abs(score - ml_predict(model, m)) < 1e-9 * (1 + abs(score))) FILTER (WHERE class IS NULL),
		   bool_and(abs(1 / (1 + exp(-score)) - ml_probability(model, class, m)) < 1e-9) FILTER (WHERE class IS NOT NULL AND n = 1),
		   bool_and(abs(share - ml_probability(model, class, m)) < 1e-9) FILTER (WHERE n > 1)
	FROM classes JOIN made m ON m.id::text = key $$;
SELECT model, s.* FROM unnest(ARRAY['explain_y', 'explain_high', 'explain_size', 'explain_line', 'explain_odds', 'explain_softmax', 'explain_mean']) model,
	LATERAL adds_up(model, '{}') s ORDER BY 1;
SELECT model, s.* FROM unnest(ARRAY['explain_y', 'explain_high', 'explain_size', 'explain_line', 'explain_odds', 'explain_softmax']) model,
	LATERAL adds_up(model, '{"method": "interventional", "background": "made", "background_rows": 20}') s ORDER BY 1;
SELECT s.* FROM adds_up('explain_high', '{"class": "false"}') s;
-- of forests and single trees to the prediction or probability itself
SELECT algorithm FROM ml_train('explain_forest', 'made', 'high', 'random_forest', :features, '{"n_estimators": 15}');
SELECT algorithm FROM ml_train('explain_tree', 'made', 'size', 'decision_tree', :features);
SELECT algorithm FROM ml_train('explain_extra', 'made', 'y', 'extra_trees', :features, '{"n_estimators": 15}');
SELECT model, e.class, options->>'method' AS method, count(*) AS rows,
	   bool_and(abs(e.score - CASE WHEN e.class IS NULL THEN ml_predict(model, m) ELSE ml_probability(model, e.class, m) END) < 1e-9 * (1 + abs(e.score))) AS right
FROM unnest(ARRAY['explain_forest', 'explain_tree', 'explain_extra']) model, unnest(ARRAY['{}', '{"method": "interventional", "background": "made", "background_rows": 20}']::jsonb[]) options,
	LATERAL (SELECT key, class, sum(contribution) AS score FROM ml_explain_batch(model, 'SELECT * FROM explain_test.made WHERE id <= 60', 'id', options) GROUP BY 1, 2) e
JOIN made m ON m.id::text = e.key GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT count(*) AS rows, bool_and(abs(score - ml_probability('explain_forest', 'false', m)) < 1e-9) AS other_class
FROM (SELECT key, sum(contribution) AS score FROM ml_explain_batch('explain_forest', 'made', 'id', '{"class": "false"}') GROUP BY 1) e JOIN made m ON m.id::text = e.key;
SELECT count(*) AS features, bool_and(abs(e.contribution - p.sum) < 1e-12) AS add_up FROM ml_explain('explain_tree', (SELECT m FROM made m WHERE id = 9)) e
JOIN (SELECT class, feature, sum(contribution) FROM ml_explain_interactions('explain_tree', (SELECT m FROM made m WHERE id = 9)) GROUP BY 1, 2) p USING (class, feature);
-- of other objectives to what stands before the link: logarithm, class by class, the quantile next to the median, paths
SELECT algorithm FROM ml_train('explain_count', 'SELECT *, trunc(abs(y)) AS n FROM made', 'n', 'gradient_boosting', :features, '{"n_estimators": 10, "objective": "poisson"}');
SELECT algorithm FROM ml_train('explain_quantiles', 'made', 'y', 'gradient_boosting', :features, '{"n_estimators": 10, "objective": "quantile", "quantiles": [0.1, 0.6, 0.9]}');
SELECT algorithm FROM ml_train('explain_ovr', 'made', 'size', 'gradient_boosting', :features, '{"n_estimators": 10, "objective": "ovr"}');
SELECT algorithm FROM ml_train('explain_odd', 'SELECT a, c, d, noise FROM made', NULL, 'isolation_forest', params => '{"n_estimators": 10}');
SELECT model, count(*) AS rows, bool_and(abs(CASE model WHEN 'explain_count' THEN exp(score) WHEN 'explain_odd' THEN 2 ^ -score ELSE score END - ml_predict(model, m)) < 1e-9 * (1 + abs(score))) AS right
FROM unnest(ARRAY['explain_count', 'explain_quantiles', 'explain_odd']) model,
	LATERAL (SELECT key, sum(contribution) AS score FROM ml_explain_batch(model, 'SELECT * FROM explain_test.made WHERE id <= 60', 'id') GROUP BY 1) e
JOIN made m ON m.id::text = e.key GROUP BY 1 ORDER BY 1;
SELECT count(*) AS rows, bool_and(abs(share - ml_probability('explain_ovr', class, m)) < 1e-9) AS right
FROM (SELECT key, class, odds / sum(odds) OVER (PARTITION BY key) AS share FROM
	  (SELECT key, class, 1 / (1 + exp(-sum(contribution))) AS odds FROM ml_explain_batch('explain_ovr', 'made', 'id') GROUP BY 1, 2) s) e JOIN made m ON m.id::text = e.key;
SELECT count(*) = 4 AS features, bool_and(importance > 0) AS all_matter FROM ml_importance('explain_odd', 'shap', 'made');
-- against a background the base value is the mean score over it
SELECT abs(contribution - (SELECT avg(ml_predict('explain_y', m)) FROM made m WHERE id <= 25)) < 1e-9 AS right
FROM ml_explain('explain_y', (SELECT m FROM made m WHERE id = 7), '{"method": "interventional", "background": "SELECT * FROM explain_test.made WHERE id <= 25"}')
WHERE feature = '(base value)';
-- what is for a class is against the other one
SELECT count(*) AS features, bool_and(a.contribution = -b.contribution) AS opposite
FROM ml_explain('explain_high', (SELECT m FROM made m WHERE id = 7)) a JOIN ml_explain('explain_high', (SELECT m FROM made m WHERE id = 7), '{"class": "false"}') b USING (feature);

-- 2. the features, their values, in all forms of a row
SELECT class, feature, value, CASE WHEN feature IN ('(base value)', 'd', 'k', 'v[3]') THEN contribution = 0 END AS nothing FROM ml_explain('explain_high', (SELECT m FROM made m WHERE id = 3));
CREATE FUNCTION same_as_row(form text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	same boolean;
BEGIN
	EXECUTE format('SELECT count(*) = 11 AND bool_and(a.contribution = b.contribution AND a.value IS NOT DISTINCT FROM b.value)
		FROM ml_explain(''explain_y'', (SELECT m FROM made m WHERE id = 8)) a JOIN %s b USING (feature)', form) INTO same;
	RETURN same;
END $$;
SELECT same_as_row('ml_explain(''explain_y'', (SELECT to_jsonb(m) FROM made m WHERE id = 8))') AS jsonb,
	   same_as_row('ml_explain(''explain_y'', (SELECT to_json(m) FROM made m WHERE id = 8), NULL)') AS json,
	   same_as_row('ml_explain(ml_model(''explain_y''), (SELECT m FROM made m WHERE id = 8))') AS model_value;
SELECT same_as_row(format('ml_explain(''explain_y'', %L)', (SELECT to_jsonb(m) FROM made m WHERE id = 8))) AS literal;
SELECT task FROM ml_train('explain_two', 'SELECT d, flag::text AS f, y FROM explain_test.made', 'y', 'gradient_boosting');
SELECT feature, value FROM ml_explain('explain_two', ARRAY['green', NULL]);
SELECT feature, value FROM ml_explain('explain_two', '{"d": "never seen", "f": true}'::jsonb);
SELECT task FROM ml_train('explain_one', 'SELECT d, y FROM explain_test.made', 'y', 'gradient_boosting');
SELECT feature, value FROM ml_explain('explain_one', 'red'::text);
SELECT feature, value FROM ml_explain('explain_one', 'red');
SELECT count(*) FROM ml_explain(NULL::text, (SELECT m FROM made m WHERE id = 8));
SELECT count(*) FROM ml_explain('explain_y', NULL::made);
-- one call for each of several rows and models
SELECT count(*) = 5 * 2 * 11 AS rows, bool_and(e.contribution = b.contribution) AS as_in_batch
FROM made m CROSS JOIN unnest(ARRAY['explain_y', 'explain_line']) model CROSS JOIN LATERAL ml_explain(model, m) e
JOIN (SELECT 'explain_y' AS model, x.* FROM ml_explain_batch('explain_y', 'made', 'id') x
	  UNION ALL SELECT 'explain_line', x.* FROM ml_explain_batch('explain_line', 'made', 'id') x) b
	ON b.model = model.model AND b.key = m.id::text AND b.feature = e.feature
WHERE m.id <= 5;

-- 3. batches: keys, and the same on any number of threads
SELECT key, count(*) FROM ml_explain_batch('explain_y', 'SELECT *, CASE WHEN id = 1 THEN ''one'' END AS name FROM explain_test.made WHERE id <= 2 ORDER BY id', 'name') GROUP BY 1 ORDER BY 1;
SELECT min(key::int), max(key::int), count(*) = 900 * 3 * 11 AS rows FROM ml_explain_batch(ml_model('explain_size'), 'made');
CREATE FUNCTION all_of(options jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(concat_ws(' ', key, class, feature, contribution), ',')) FROM ml_explain_batch('explain_size', 'made', 'id', options) $$;
CREATE TEMPORARY TABLE hashes AS SELECT all_of('{}') AS path, all_of('{"method": "interventional", "background": "made", "background_rows": 5, "seed": 3}') AS background;
SET mlaas.max_threads = 1;
SELECT path = all_of('{}') AS path, background = all_of('{"method": "interventional", "background": "made", "background_rows": 5, "seed": 3}') AS background,
	   background <> all_of('{"method": "interventional", "background": "made", "background_rows": 5, "seed": 4}') AS another_sample FROM hashes;
RESET mlaas.max_threads;
SELECT count(*) FROM ml_explain_batch('explain_y', 'SELECT * FROM explain_test.made WHERE false');

-- 4. interactions: symmetric, and the rows add up to the contributions
CREATE TEMPORARY TABLE pairs AS SELECT * FROM ml_explain_interactions('explain_size', (SELECT m FROM made m WHERE id = 9));
SELECT count(*) AS pairs, bool_and(p.contribution = q.contribution) AS symmetric, bool_or(p.feature <> p.other AND p.contribution <> 0) AS any
FROM pairs p JOIN pairs q ON (q.class, q.feature, q.other) = (p.class, p.other, p.feature);
SELECT count(*) AS features, bool_and(abs(e.contribution - p.sum) < 1e-12) AS add_up
FROM ml_explain('explain_size', (SELECT m FROM made m WHERE id = 9)) e JOIN (SELECT class, feature, sum(contribution) FROM pairs GROUP BY 1, 2) p USING (class, feature);
SELECT count(*) FROM ml_explain_interactions('explain_line', (SELECT m FROM made m WHERE id = 9)) WHERE feature <> other AND contribution <> 0;
SELECT count(*) AS features, bool_and(abs(e.contribution - p.sum) < 1e-12) AS add_up
FROM ml_explain('explain_y', (SELECT m FROM made m WHERE id = 9), '{"method": "interventional", "background": "made", "background_rows": 7}') e
JOIN (SELECT feature, sum(contribution) FROM ml_explain_interactions('explain_y', (SELECT m FROM made m WHERE id = 9), '{"method": "interventional", "background": "made", "background_rows": 7}') GROUP BY 1) p USING (feature);

-- 5. a linear model by hand: coefficient times the distance from the mean of the training rows
SELECT ml_train('explain_hand', 'made', 'y', 'linear_regression', '{a,flag,noise}', validation => '{"split": "none"}') IS NOT NULL AS trained;
SELECT feature, abs(contribution - c.estimate * (CASE feature WHEN 'a' THEN m.a - avg_a WHEN 'flag' THEN m.flag::int - avg_flag ELSE noise - avg_noise END)) < 1e-9 AS right
FROM made m, (SELECT avg(a) AS avg_a, avg(flag::int) AS avg_flag, avg(noise) AS avg_noise FROM made) means, ml_explain('explain_hand', m) JOIN ml_coefficients('explain_hand') c USING (feature)
WHERE id = 11;

-- 6. importances
SELECT string_agg(feature, ' ') FILTER (WHERE importance > 0.1) AS gain, bool_and(importance = 0) FILTER (WHERE feature IN ('k', 'v[3]')) AS nothing, round(sum(importance)::numeric, 9) AS sum, count(std) AS std, count(*)
FROM ml_importance('explain_y', options => '{"normalize": true}');
SELECT bool_and(importance = trunc(importance)) AS counts, sum(importance) > 0 AS any FROM ml_importance(ml_model('explain_y'), 'split');
SELECT bool_and(abs(g.importance - n.importance * s.sum) < 1e-9 * s.sum) AS normalized FROM ml_importance('explain_y') g JOIN ml_importance('explain_y', 'gain', NULL, '{"normalize": true}') n USING (feature), (SELECT sum(importance) FROM ml_importance('explain_y')) s;
CREATE TEMPORARY TABLE shuffled AS SELECT 'explain_y' AS model, * FROM ml_importance('explain_y', 'permutation', 'made')
UNION ALL SELECT 'explain_size', * FROM ml_importance('explain_size', 'permutation', 'made', '{"n_repeats": 2, "seed": 7}')
UNION ALL SELECT 'explain_odds', * FROM ml_importance('explain_odds', 'permutation', 'made', '{"metric": "roc_auc"}')
UNION ALL SELECT 'explain_mean', * FROM ml_importance('explain_mean', 'permutation', 'made');
SELECT model, count(*), string_agg(feature, ' ' ORDER BY importance DESC) FILTER (WHERE importance > 0.1) AS matter, bool_and(importance = 0 AND std = 0) FILTER (WHERE feature IN ('k', 'v[3]')) AS unused, max(importance) > 0 AS any,
	   bool_and(std >= 0 AND std < 0.3) AS std FROM shuffled GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM (SELECT * FROM shuffled WHERE model = 'explain_y' EXCEPT SELECT 'explain_y', * FROM ml_importance('explain_y', 'permutation', 'made', '{"seed": 0, "metric": "r2", "n_repeats": 5}')) s;
SELECT count(*) AS features, bool_and(abs(i.importance - b.mean) < 1e-9 AND abs(i.std - b.std) < 1e-9) AS mean_absolute_contribution
FROM ml_importance('explain_size', 'shap', 'made') i
JOIN (SELECT feature, avg(size) AS mean, stddev_pop(size) AS std FROM (SELECT key, feature, sum(abs(contribution)) AS size FROM ml_explain_batch('explain_size', 'made', 'id') GROUP BY 1, 2) s GROUP BY 1) b USING (feature);
SELECT (array_agg(feature))[1] AS first, count(*), bool_and(std > 0) FILTER (WHERE feature <> 'k' AND feature <> 'v[3]') AS std FROM ml_importance('explain_line', 'shap', 'made', '{"method": "interventional", "background": "made"}');

-- 7. dependence: every level, the distinct values of few, quantiles of many; as ml_predict gives it
SELECT value, other, class, abs(average - (SELECT avg(ml_probability('explain_high', 'true', r)) FROM (SELECT a, c, value AS d, flag, day, v, k, noise FROM made) r)) < 1e-12 AS right
FROM ml_partial_dependence('explain_high', 'made', 'd');
SELECT value, class IS NULL AS number FROM ml_partial_dependence('explain_y', 'made', 'flag');
SELECT count(*), min(value), max(value) FROM ml_partial_dependence('explain_y', 'made', 'day', '{"points": 3}');
SELECT count(*) AS points, bool_and(average >= before) AS rises, count(DISTINCT value::float8) FROM (SELECT value, average, lag(average, 1, average) OVER (ORDER BY value::float8) AS before FROM ml_partial_dependence('explain_line', 'made', 'a')) s;
SELECT value FROM ml_partial_dependence('explain_y', 'made', 'noise', '{"points": 2, "low": 0, "high": 1}');
SELECT count(*), count(DISTINCT (value, class)) FROM ml_partial_dependence('explain_size', 'made', 'v[2]', '{"points": 4}');
SELECT value, other, class FROM ml_partial_dependence('explain_size', 'made', 'flag', '{"other": "d", "class": "small"}');
SELECT count(*) AS rows, bool_and(abs(i.prediction - p.average) < 1e-12) AS averages FROM ml_partial_dependence('explain_high', 'made', 'flag') p
JOIN (SELECT value, avg(prediction) AS prediction FROM ml_ice('explain_high', 'made', 'flag', 'id') GROUP BY 1) i USING (value);
SELECT count(*) AS rows, bool_and(i.prediction = ml_predict('explain_y', r)) AS right
FROM ml_ice(ml_model('explain_y'), 'made', 'd', 'id') i JOIN made m ON m.id::text = i.key, LATERAL (SELECT m.a, m.c, i.value AS d, m.flag, m.day, m.v, m.k, m.noise) r;
SELECT key, value, class FROM ml_ice('explain_size', 'SELECT * FROM explain_test.made WHERE id <= 2', 'flag', options => '{"class": "large"}');

-- 8. what goes wrong
\set row '(SELECT m FROM explain_test.made m WHERE id = 1)'
SELECT error_of(replace(command, ':row', :'row')) FROM (VALUES
	('SELECT ml_explain(''explain_z'', :row)'),
	('SELECT ml_explain(''explain_y'', ''{"a": 1}''::jsonb)'),
	('SELECT ml_explain(''explain_y'', 1.5)'),
	('SELECT ml_explain(''explain_y'', :row, ''{"methode": "path"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "paths"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": 1}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"background": "made"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"seed": 1}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional", "background": "made", "background_rows": 0}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional", "background": "made", "background_rows": 1.5}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional", "background": "SELECT * FROM explain_test.made WHERE false"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional", "background": "SELECT a FROM explain_test.made"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"method": "interventional", "background": "DELETE FROM explain_test.made"}'')'),
	('SELECT ml_explain(''explain_y'', :row, ''{"class": "red"}'')'),
	('SELECT ml_explain(''explain_size'', :row, ''{"class": "smal"}'')'),
	('SELECT ml_explain(''explain_size'', :row, ''{"class": null}'')'),
	('SELECT ml_explain(''explain_size'', :row, ''[]'')'),
	('SELECT ml_explain_batch(''explain_y'', ''SELECT a FROM explain_test.made'')'),
	('SELECT ml_explain_batch(''explain_y'', ''made'', ''no'')'),
	('SELECT ml_importance(''explain_line'')'),
	('SELECT ml_importance(''explain_y'', ''permutations'')'),
	('SELECT ml_importance(''explain_y'', ''permutation'')'),
	('SELECT ml_importance(''explain_y'', ''gain'', ''made'')'),
	('SELECT ml_importance(''explain_y'', ''gain'', options => ''{"seed": 1}'')'),
	('SELECT ml_importance(''explain_y'', ''permutation'', ''made'', ''{"metric": "log_loss"}'')'),
	('SELECT ml_importance(''explain_y'', ''permutation'', ''made'', ''{"n_repeats": 0}'')'),
	('SELECT ml_importance(''explain_odd'', ''permutation'', ''made'')'),
	('SELECT ml_importance(''explain_y'', ''permutation'', ''SELECT a, c, d, flag, day, v, k, noise FROM explain_test.made'')'),
	('SELECT ml_importance(''explain_y'', ''permutation'', ''SELECT * FROM explain_test.made WHERE false'')'),
	('SELECT ml_importance(''explain_y'', ''shap'', ''SELECT * FROM explain_test.made WHERE false'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''e'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''v'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''v[3]'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''a'', ''{"points": 0}'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''a'', ''{"low": 0.9, "high": 0.1}'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''made'', ''a'', ''{"other": "a"}'')'),
	('SELECT ml_partial_dependence(''explain_y'', ''SELECT * FROM explain_test.made WHERE false'', ''a'')'),
	('SELECT ml_ice(''explain_y'', ''made'', ''a'', ''id'', ''{"other": "c"}'')')) v (command);
SET mlaas.max_memory = '1MB';
SELECT error_of('SELECT ml_partial_dependence(''explain_y'', ''SELECT m.* FROM explain_test.made m, generate_series(1, 100)'', ''a'')') LIKE '54000%' AS memory_is_bounded;
RESET mlaas.max_memory;

-- 9. rankings, levels called as no level is, and what is too large to add up
CREATE TABLE ranked AS SELECT i AS id, i / 10 AS query, (i * 7 % 11)::float8 AS a, (i * 13 % 17)::float8 AS b, 'g' || i / 10 AS named, ((i * 7 % 11) / 3)::int AS grade FROM generate_series(0, 399) i;
SELECT name FROM ml_train('explain_rank', 'ranked', 'grade', 'gradient_boosting', '{a,b}', '{"objective": "lambdarank", "group": "query", "n_estimators": 20, "min_samples_leaf": 5}', validation => '{"split": "none"}');
SELECT feature, importance > 0.2 AS matters, std > 0 AS varies FROM ml_importance('explain_rank', 'permutation', 'SELECT * FROM ranked ORDER BY a, id DESC');
SELECT count(*) FROM (SELECT * FROM ml_importance('explain_rank', 'permutation', 'ranked', '{"metric": "ndcg_at_5"}') EXCEPT SELECT * FROM ml_importance('explain_rank', 'permutation', 'SELECT grade, b, a, query FROM ranked', '{"metric": "ndcg_at_5"}')) i;
SELECT error_of('SELECT ml_importance(''explain_rank'', ''permutation'', ''ranked'', ''{"metric": "r2"}'')');
SELECT error_of('SELECT ml_importance(''explain_rank'', ''permutation'', ''SELECT a, b, grade FROM explain_test.ranked'')');
SELECT error_of('SELECT ml_importance(''explain_rank'', ''permutation'', ''SELECT a, b, grade, nullif(query, 3) AS query FROM explain_test.ranked'')');
CREATE TABLE called AS SELECT (ARRAY['(other)', '(null)', '''(null)''', 'it''s', NULL, 'rare'])[CASE WHEN i = 700 THEN 6 ELSE 1 + i % 5 END] AS k, (i % 5 * 2 + i % 3)::float8 AS y FROM generate_series(1, 2000) i;
SELECT name FROM ml_train('explain_called', 'called', 'y', 'decision_tree', validation => '{"split": "none"}');
SELECT value, round(average) AS average FROM ml_partial_dependence('explain_called', 'called', 'k') ORDER BY value COLLATE "C";
CREATE FUNCTION with_coefficient(value text) RETURNS ml_model LANGUAGE sql AS $$
	SELECT regexp_replace(m, '("coef": {"\$f64": )\[[^]]*\]', format('\1[%1$s, -%1$s]', value))::ml_model FROM (SELECT ml_fit('linear_regression', '{}', y, a, b)::text AS m FROM (SELECT i::float8 AS y, (i % 7)::float8 AS a, (i % 5)::float8 AS b FROM generate_series(1, 50) i) r) f $$;
SELECT count(*) FROM ml_explain(with_coefficient('1e300'), '{"x1": 2, "x2": 3}'::jsonb);
SELECT error_of('SELECT ml_explain(with_coefficient(''1e308''), ''{"x1": 200, "x2": 3}''::jsonb)');
SELECT error_of('SELECT ml_explain_interactions(with_coefficient(''1e308''), ''{"x1": 200, "x2": 3}''::jsonb)');
SELECT error_of('SELECT ml_explain_batch(with_coefficient(''1e308''), ''SELECT 200.0 AS x1, 3.0 AS x2'')');
SELECT error_of('SELECT ml_importance(with_coefficient(''1e308''), ''shap'', ''SELECT i AS x1, 3.0 AS x2 FROM generate_series(1, 200) i'')');
SELECT error_of('SELECT ml_importance(with_coefficient(''1''), ''shap'', ''SELECT i * 1e300 AS x1, 3.0 AS x2 FROM generate_series(1, 200) i'')');
SELECT error_of('SELECT ml_partial_dependence(with_coefficient(''1e308''), ''SELECT 200.0 AS x1, 3.0 AS x2'', ''x1'')');
SELECT error_of('SELECT ml_ice(with_coefficient(''1e308''), ''SELECT 200.0 AS x1, 3.0 AS x2'', ''x1'')');

-- 10. whose model, whose rows
CREATE ROLE explain_reader;
GRANT USAGE ON SCHEMA explain_test TO explain_reader;
SET ROLE explain_reader;
SELECT error_of(format('SELECT * FROM %s', call)) FROM (VALUES
	('ml_explain(''explain_one'', ''red''::text)'), ('ml_explain_interactions(''explain_one'', ''red''::text)'),
	('ml_explain_batch(''explain_one'', ''SELECT 1'')'), ('ml_importance(''explain_one'')'),
	('ml_partial_dependence(''explain_one'', ''SELECT 1'', ''d'')'), ('ml_ice(''explain_one'', ''SELECT 1'', ''d'')')) v (call);
RESET ROLE;
CREATE TABLE shared AS SELECT ml_model('explain_one') AS model;
GRANT SELECT ON shared TO explain_reader;
SET ROLE explain_reader;
SELECT count(*) FROM shared, ml_explain(model, 'red'::text);
SELECT error_of($$SELECT e.* FROM explain_test.shared, ml_explain(model, 'red'::text, '{"method": "interventional", "background": "explain_test.made"}') e$$);
RESET ROLE;
REVOKE ALL ON SCHEMA explain_test FROM explain_reader;
DROP TABLE shared;
DROP ROLE explain_reader;

-- 11. what the planner may do with them
SELECT p.proname, string_agg(DISTINCT p.provolatile::text || p.proparallel::text, ' ') AS volatility, count(*), bool_and(obj_description(p.oid) IS NOT NULL) AS described
FROM pg_proc p WHERE p.proname IN ('ml_explain', 'ml_explain_interactions', 'ml_explain_batch', 'ml_importance', 'ml_partial_dependence', 'ml_ice') GROUP BY 1 ORDER BY 1;

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'explain\_%';
DROP SCHEMA explain_test CASCADE;
