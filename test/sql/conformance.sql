-- What holds for every algorithm of ml_algorithms(), for each of its tasks, through SQL.  A new algorithm is covered
-- by being listed; a query that finds nothing wrong returns no row.
SET client_min_messages = error;
SET extra_float_digits = 1;
CREATE SCHEMA conformance_test;
SET search_path = conformance_test, public;

CREATE TABLE items AS
SELECT i AS id,
	   (i * 37 % 101)::float8 / 7 AS n,
	   CASE WHEN i % 11 <> 3 THEN (i * 53 % 97)::float8 / 3 END AS m,
	   (i * 71 % 13)::int AS k,
	   i * 29 % 7 < 3 AS flag,
	   CASE WHEN i % 13 <> 5 THEN (ARRAY['red', 'green', 'blue'])[1 + i * 31 % 3] || CASE WHEN i % 50 = 0 THEN i::text ELSE '' END END AS color,
	   CASE WHEN i % 19 <> 7 THEN ARRAY[i % 7, i * 3 % 11, NULLIF(i % 5, 2)]::float8[] END AS v,
	   (i * 37 % 101)::float8 / 7 * 2 + i * 71 % 13 + CASE WHEN i % 3 = 0 THEN 9 ELSE 0 END + (i * 7919 % 211)::float8 / 40 AS regression,
	   (i * 37 % 101)::float8 / 7 * 2 + i * 71 % 13 + (i * 7919 % 211)::float8 / 40 > 22 AS binary,
	   (ARRAY['a', 'b', 'c'])[1 + least(2, ((i * 37 % 101)::float8 / 7 * 2 + i * 71 % 13 + (i * 7919 % 211)::float8 / 40)::int / 15)] AS multiclass
FROM generate_series(1, 600) i;
-- with features as they are trained on, in their order
CREATE VIEW mixed AS SELECT n, m, k, flag, color, v FROM items;
CREATE VIEW numbers AS SELECT n, m, k::float8 FROM items;

-- a ranking needs groups and has tests of its own; an anomaly has no target
CREATE TABLE cases AS
SELECT a.name AS algorithm, task, format('conformance_%s_%s', a.name, task) AS model, NULLIF(task, 'anomaly') AS target, task IN ('regression', 'anomaly') AS number
FROM ml_algorithms() a, unnest(tasks) AS task WHERE task <> 'ranking';
SELECT count(*) > 0 AS some, bool_and(task IN ('regression', 'binary', 'multiclass', 'anomaly')) AS known_tasks FROM cases;

-- the SQLSTATE that a command ends with, NULL when it succeeds; what it did is undone
CREATE FUNCTION state_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
CREATE FUNCTION train(model text, source text, target text, algorithm text, features text[], params jsonb = '{}', weight text = NULL)
RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train(model, source, target, algorithm, features, params, validation => '{"split": "none"}', weight => weight, deploy => 'always');
	RETURN ml_model(model)::bytea;
END $$;
-- predictions of a model that can be told apart to the last bit
CREATE FUNCTION bits(float8) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT float8send($1) $$;

-- 1. train on every kind of column

SELECT model FROM cases, ml_train(model, 'items', target, cases.algorithm, '{n,m,k,flag,color,v}', validation => '{"split": "none"}') t
WHERE t.task <> cases.task OR t.algorithm <> cases.algorithm OR t.n_train <> 600 OR NOT t.deployed;
SELECT model FROM cases, ml_train(model || '_numbers', 'items', target, cases.algorithm, '{n,m,k}', validation => '{"split": "none"}') t
WHERE t.task <> cases.task OR t.n_train <> 600;
-- none is worse than the baseline on the rows that it learned from
SELECT model, v.metrics, v.baseline FROM cases JOIN mlaas.versions v ON v.name = model
WHERE CASE cases.task WHEN 'anomaly' THEN metrics = '{}' WHEN 'regression' THEN (metrics->>'rmse')::float8 <= (baseline->>'rmse')::float8 * 1.000000001
	  ELSE (metrics->>'log_loss')::float8 <= (baseline->>'log_loss')::float8 * 1.000000001 END IS NOT TRUE;
-- what evaluation on the same rows says is what training said
SELECT model, metric, value, v.metrics->>metric AS trained
FROM cases JOIN mlaas.versions v ON v.name = model AND cases.target IS NOT NULL, ml_evaluate(model, 'items')
WHERE v.metrics ? metric AND (abs(value - (v.metrics->>metric)::float8) <= 1e-9 * (1 + abs(value))) IS NOT TRUE;
SELECT model FROM cases WHERE target IS NOT NULL AND NOT EXISTS (SELECT FROM ml_evaluate(model, 'items'));

-- 2. every form of a row gives the same bits: by names, JSON, in order, by value, in batches

SELECT model, count(*)
FROM cases, items i, LATERAL (SELECT i.n, i.m, i.k, i.flag, i.color, i.v) AS r(n, m, k, flag, color, v)
WHERE number AND (bits(ml_predict(model, i)) = ALL (ARRAY[
	bits(ml_predict(model, r)), bits(ml_predict(model, to_jsonb(i))), bits(ml_predict(model, i.n, i.m, i.k, i.flag, i.color, i.v)),
	bits(ml_predict(ml_model(model), i)), bits((ml_predict_json(model, to_jsonb(i))->>'prediction')::float8)])) IS NOT TRUE
GROUP BY model;
SELECT model, count(*)
FROM cases, items i
WHERE NOT number AND (ml_probabilities(model, i) = ALL (ARRAY[
	ml_probabilities(model, to_jsonb(i)), ml_probabilities(model, i.n, i.m, i.k, i.flag, i.color, i.v), ml_probabilities(ml_model(model), i),
	ml_predict_json(model, to_jsonb(i))->'probabilities'])) IS NOT TRUE
GROUP BY model;
SELECT model, count(*)
FROM cases, items i
WHERE NOT number AND (ml_predict_label(model, i) = ALL (ARRAY[
	ml_predict_label(model, to_jsonb(i)), ml_predict_label(model, i.n, i.m, i.k, i.flag, i.color, i.v), ml_predict_label(ml_model(model), i),
	ml_predict_json(model, to_jsonb(i))->>'label'])) IS NOT TRUE
GROUP BY model;
SELECT model, count(*) FROM cases, items i, LATERAL jsonb_each_text(ml_probabilities(model, i)) AS p(class, probability)
WHERE NOT number AND (bits(ml_probability(model, class, i)) = bits(probability::float8)
								AND ml_probability(model, class, i) BETWEEN 0 AND 1) IS NOT TRUE
GROUP BY model;
-- the label is the first class of the highest probability
SELECT model, count(*)
FROM cases, items i, LATERAL (SELECT class FROM jsonb_each(ml_probabilities(model, i)) AS p(class, probability)
							  ORDER BY probability DESC, class COLLATE "C" LIMIT 1) best
WHERE NOT number AND ml_predict_label(model, i) <> class GROUP BY model;
-- an array by position
SELECT model, count(*) FROM cases, items i
WHERE number AND (bits(ml_predict(model || '_numbers', ARRAY[i.n, i.m, i.k])) = ALL (ARRAY[
	bits(ml_predict(model || '_numbers', i)), bits(ml_predict(model || '_numbers', i.n, i.m, i.k)),
	bits(ml_predict(model || '_numbers', ARRAY[i.n::text, i.m::text, i.k::text]))])) IS NOT TRUE GROUP BY model;
SELECT model, count(*) FROM cases, items i
WHERE NOT number AND (ml_probabilities(model || '_numbers', ARRAY[i.n, i.m, i.k]) = ALL (ARRAY[
	ml_probabilities(model || '_numbers', i), ml_probabilities(model || '_numbers', i.n, i.m, i.k)])) IS NOT TRUE GROUP BY model;
-- in batches, on any number of threads
CREATE FUNCTION batch_differs(model text, number boolean) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM items i FULL JOIN ml_predict_batch(model, 'items', 'id') b ON b.key = i.id::text
	WHERE CASE WHEN number THEN bits(b.prediction) = bits(ml_predict(model, i)) AND b.label IS NULL AND b.probability IS NULL
		  ELSE b.label = ml_predict_label(model, i) AND bits(b.probability) = bits(ml_probability(model, b.label, i)) END IS NOT TRUE $$;
SET mlaas.max_threads = 1;
SELECT model FROM cases WHERE batch_differs(model, number) <> 0;
SET mlaas.max_threads = 4;
SELECT model FROM cases WHERE batch_differs(model, number) <> 0;
RESET mlaas.max_threads;

-- 3. a model's text and bytes

SELECT model FROM cases, LATERAL (SELECT ml_model(model) AS m) s
WHERE m::text::ml_model::bytea <> m::bytea OR m::bytea::ml_model::text <> m::text OR m::text::ml_model::text <> m::text;
SELECT model, count(*) FROM cases, LATERAL (SELECT ml_model(model)::text::ml_model AS restored OFFSET 0) s, items i
WHERE CASE WHEN number THEN bits(ml_predict(restored, i)) = bits(ml_predict(model, i))
	  ELSE ml_probabilities(restored, i) = ml_probabilities(model, i) END IS NOT TRUE
GROUP BY model;
SELECT model FROM cases, LATERAL ml_describe(model) d
WHERE d->>'algorithm' <> algorithm OR d->>'task' <> task OR jsonb_array_length(d->'features') <> 6 OR d->'parameters' IS NULL;
-- a model with coefficients shows them, any other says that it has none
SELECT model FROM cases JOIN ml_algorithms() a ON a.name = algorithm
WHERE state_of(format('SELECT * FROM ml_coefficients(%L)', model)) IS DISTINCT FROM CASE WHEN NOT a.coefficients THEN '0A000' END;

-- 4. missing values and categories never seen

SELECT model FROM cases WHERE number AND (
	ml_predict(model, NULL, NULL, NULL, NULL, NULL, NULL) BETWEEN -1e6 AND 1e6 AND ml_predict(model, 1, 1, 1, true, 'never seen', '{1,1,1}') BETWEEN -1e6 AND 1e6
	AND bits(ml_predict(model, 1, 1, 1, true, 'never seen', '{1,1,1}')) = bits(ml_predict(model, 1, 1, 1, true, 'red50', '{1,1,1}'))
	AND bits(ml_predict(model, 1, 'NaN'::float8, 1, true, 'red', '{1,1,NULL}')) = bits(ml_predict(model, 1, NULL, 1, true, 'red', '{1,1,NULL}'))) IS NOT TRUE;
SELECT model FROM cases WHERE NOT number AND (
	(SELECT abs(sum(p::float8) - 1) < 1e-12 FROM jsonb_each_text(ml_probabilities(model, NULL, NULL, NULL, NULL, NULL, NULL)) AS e(c, p))
	AND ml_probabilities(model, 1, 1, 1, true, 'never seen', '{1,1,1}') = ml_probabilities(model, 1, 1, 1, true, 'red50', '{1,1,1}')
	AND ml_predict_label(model, '{"n": null, "m": null, "k": null, "flag": null, "color": null, "v": null}'::jsonb)
		= ml_predict_label(model, NULL, NULL, NULL, NULL, NULL, NULL)) IS NOT TRUE;
-- a row of NULLs only is a row; a NULL row is none
SELECT model FROM cases WHERE ml_predict(model, NULL::items) IS NOT NULL AND number;

-- 5. what cannot be learned from, or is not there

CREATE FUNCTION state_of_training(algorithm text, target text, source text, params text = '{}') RETURNS text LANGUAGE sql AS $$
	SELECT state_of(format('SELECT ml_train(''conformance_never'', %L, %L, %L, params => %L, validation => ''{"split": "none"}'', deploy => ''never'')',
						   source, target, algorithm, params)) $$;
CREATE TABLE troubles (trouble text, source text, wanted text);
INSERT INTO troubles VALUES
	('no rows', 'SELECT n, k, %I FROM items WHERE false', '22000'),
	('one row', 'SELECT n, k, %I FROM items WHERE id = 1', '22000'),
	('one class or value', 'SELECT n, k, (SELECT %1$I FROM items WHERE id = 1) AS %1$I FROM items', '22000'),
	('no target', 'SELECT n, k, CASE WHEN id < 0 THEN %1$I END AS %1$I FROM items', '22000'),
	('NaN in a feature', 'SELECT n, CASE WHEN id = 77 THEN ''NaN'' ELSE n END AS x, %I FROM items', '22000'),
	('infinity in a feature', 'SELECT n, CASE WHEN id = 77 THEN ''-Infinity'' ELSE n END AS x, %I FROM items', '22000'),
	('infinity in an array', 'SELECT n, CASE WHEN id = 77 THEN ''{1,Infinity}'' ELSE ARRAY[1, n] END AS x, %I FROM items', '22000'),
	('arrays of two lengths', 'SELECT n, CASE WHEN id = 77 THEN ''{1}'' ELSE ARRAY[1, n] END AS x, %I FROM items', '22000'),
	('an array without elements', 'SELECT n, CASE WHEN id = 77 THEN ''{}'' ELSE ARRAY[1, n] END AS x, %I FROM items', '22000'),
	('a type that is none', 'SELECT n, point(n, n) AS x, %I FROM items', '42804'),
	('two rows', 'SELECT n, k, %I FROM items WHERE id IN (1, 3)', NULL),
	('a constant and a column without values', 'SELECT n, 7 AS x, NULL::float8 AS z, NULL::text AS w, %I FROM items', NULL);
SELECT algorithm, task, trouble, state FROM cases, troubles, state_of_training(algorithm, target, format(source, target)) state
WHERE target IS NOT NULL AND state IS DISTINCT FROM wanted AND NOT (trouble = 'two rows' AND state IN ('22000', '0A000'));
SELECT algorithm, task FROM cases
WHERE state_of_training(algorithm, task, format('SELECT n, CASE WHEN id = 77 THEN ''NaN'' ELSE regression END AS %1$I FROM items', task)) IS DISTINCT FROM '22000'
	  AND task = 'regression';
-- only constants: those that look at features cannot, those that do not can
SELECT count(DISTINCT state) <= 2 AS consistent, bool_or(state = '22000') AS refused
FROM cases, state_of_training(algorithm, task, format('SELECT 7 AS x, NULL::float8 AS z, %I FROM items', task)) state
WHERE target IS NOT NULL;

-- parameters: unknown ones, each bound, past each bound, of the wrong type
CREATE VIEW params AS SELECT DISTINCT a.name AS algorithm, (SELECT NULLIF(min(t), 'anomaly') FROM unnest(tasks) t) AS target, p.name, p.type, p.min, p.max, p.min_exclusive, p.choices, p.default_value
FROM ml_algorithms() a, ml_params(a.name) p;
SELECT algorithm FROM cases WHERE state_of_training(algorithm, target, 'items', '{"no_such_parameter": 1}') IS DISTINCT FROM '42704';
CREATE TABLE tries AS
SELECT algorithm, target, name, type, value, wanted
FROM params, LATERAL (VALUES
	(CASE WHEN type IN ('real', 'integer') AND NOT min_exclusive THEN min END::text, NULL),
	(CASE WHEN type = 'real' THEN max END::text, NULL),
	(CASE WHEN type = 'integer' AND max IS NOT NULL THEN max::bigint END::text, NULL),
	(CASE WHEN type IN ('real', 'integer') THEN default_value END, NULL),
	(CASE WHEN type = 'boolean' THEN 'true' END, NULL), (CASE WHEN type = 'boolean' THEN 'false' END, NULL),
	(CASE WHEN type IN ('real', 'integer') AND min_exclusive THEN min END::text, '22023'),
	(CASE WHEN type IN ('real', 'integer') THEN (min - 1)::text END, '22023'),
	(CASE WHEN type IN ('real', 'integer') AND max < 1e300 THEN (max + greatest(1, max / 1000))::text END, '22023'),
	(CASE WHEN type = 'choice' THEN '"no such choice"' END, '22023'),
	(CASE WHEN type = 'integer' THEN '1.5' END, '42804'),
	(CASE WHEN type <> 'choice' THEN '"much"' ELSE '1' END, '42804'),
	(CASE WHEN type <> 'boolean' THEN 'true' ELSE '1' END, '42804'),
	('null', CASE WHEN default_value IS NOT NULL THEN '42804' END), ('[1]', '42804'), ('{"a": 1}', '42804')) AS v(value, wanted)
WHERE value IS NOT NULL AND type NOT IN ('json', 'column')
UNION ALL SELECT algorithm, target, name, type, to_json(choice)::text, NULL FROM params, unnest(choices) choice;
SELECT algorithm, name, value, wanted, state
FROM tries, LATERAL (SELECT CASE WHEN name <> 'n_estimators' AND EXISTS (SELECT FROM ml_params(algorithm) p WHERE p.name = 'n_estimators') THEN '"n_estimators": 3, ' END AS trees) few,
	 state_of_training(algorithm, target, format('SELECT n, k, color, %I FROM items WHERE id <= 100', coalesce(target, 'flag')), format('{%s"%s": %s}', few.trees, name, value)) state
-- a choice may be for another task, and stopping early needs rows held out
WHERE state IS DISTINCT FROM wanted AND NOT (type = 'choice' AND wanted IS NULL AND state IN ('22023', '22000'))
  AND NOT (name = 'early_stopping_rounds' AND wanted IS NULL AND state = '22023');
SELECT algorithm, name FROM params WHERE type NOT IN ('json', 'column') AND default_value IS NULL;

-- 6. the same call gives the same bytes, on any number of threads; names decide, not places

SELECT model FROM cases WHERE train(model, 'items', target, algorithm, '{n,m,k,flag,color,v}') <> ml_model(model || '@1')::bytea;
SET mlaas.max_threads = 1;
SELECT model FROM cases WHERE train(model, 'items', target, algorithm, '{n,m,k,flag,color,v}') <> ml_model(model || '@1')::bytea;
SET mlaas.max_threads = 8;
SELECT model FROM cases WHERE train(model, 'items', target, algorithm, '{n,m,k,flag,color,v}') <> ml_model(model || '@1')::bytea;
RESET mlaas.max_threads;
CREATE FUNCTION differs(a text, b text, number boolean) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM items i WHERE CASE WHEN number THEN abs(ml_predict(a, i) - ml_predict(b, i)) < 1e-6
	ELSE (SELECT bool_and(abs(p::float8 - (ml_probabilities(b, i)->>c)::float8) < 1e-6) FROM jsonb_each_text(ml_probabilities(a, i)) AS e(c, p)) END IS NOT TRUE $$;
-- in whatever order the features are, and whether a row is there twice or weighs two, where rows are not drawn
CREATE FUNCTION whole_rows(algorithm text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(name, CASE name WHEN 'bootstrap' THEN 'false' ELSE '1' END::jsonb), '{}') FROM ml_params(algorithm)
	WHERE name IN ('bootstrap', 'subsample') $$;
SELECT model FROM cases WHERE target IS NOT NULL AND (train(model || '_straight', 'items', target, algorithm, '{n,m,k,flag,color,v}', whole_rows(algorithm)) IS NULL
	OR train(model || '_turned', 'items', target, algorithm, '{v,color,flag,k,m,n}', whole_rows(algorithm)) IS NULL OR differs(model || '_straight', model || '_turned', number) <> 0);
-- a weight of two is a row that comes twice
SELECT model FROM cases WHERE target IS NOT NULL AND (train(model || '_weighted', 'SELECT *, 2 AS weight FROM items', target, algorithm, '{n,m,k,flag}', whole_rows(algorithm), 'weight') IS NULL
	OR train(model || '_twice', 'SELECT * FROM items UNION ALL SELECT * FROM items', target, algorithm, '{n,m,k,flag}', whole_rows(algorithm)) IS NULL
	OR differs(model || '_weighted', model || '_twice', number) <> 0);

-- 7. ml_fit over whole rows is the same training

CREATE TABLE fitted (model text, task text, value ml_model);
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM cases WHERE target IS NOT NULL LOOP
		EXECUTE format('INSERT INTO fitted SELECT %L, %L, ml_fit(%L, ''{}'', ''y'', r) FROM (SELECT n, m, k, flag, color, v, %I AS y FROM items) r', c.model, c.task, c.algorithm, c.task);
	END LOOP;
END $$;
SELECT model, count(*) FROM fitted, items i
WHERE CASE WHEN task = 'regression' THEN abs(ml_predict(model, i) - ml_predict(value, i)) < 1e-9 ELSE ml_predict_label(model, i) = ml_predict_label(value, i) END IS NOT TRUE
GROUP BY model;

-- 8. memory has a limit for each

CREATE VIEW many AS SELECT i.* FROM items i, generate_series(1, 100);
SET mlaas.max_memory = '1MB';
SELECT algorithm, task, state FROM cases, state_of_training(algorithm, target, 'many') state WHERE state IS DISTINCT FROM '54000';
RESET mlaas.max_memory;

SELECT count(*) > 0 AS dropped, bool_and(ml_drop(name) IS NOT NULL) AS all FROM mlaas.models WHERE name LIKE 'conformance\_%';
DROP SCHEMA conformance_test CASCADE;
