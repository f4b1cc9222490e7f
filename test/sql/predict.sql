-- Prediction: the forms of a row, names and values of models, labels and probabilities, JSON, batches, and what goes wrong.
SET client_min_messages = warning;
CREATE SCHEMA predict_test;
SET search_path = predict_test, public;

CREATE TYPE heat AS ENUM ('gas', 'oil', 'wood');
CREATE TABLE houses AS
SELECT i AS id,
	   CASE WHEN i % 11 <> 0 THEN (i * 37 % 101)::float8 / 3 END AS area,
	   (i * 53 % 7)::int AS rooms,
	   (i % 5)::int2 AS floor,
	   (i * 1000003 % 17)::int8 AS tax,
	   ((i * 31 % 23) / 7.0)::float4 AS rent,
	   CASE WHEN i % 13 <> 0 THEN (i * 41 % 29)::numeric(10,2) / 8 END AS fee,
	   CASE WHEN i % 17 <> 0 THEN i % 4 = 0 END AS garden,
	   date '1950-01-01' + i * 97 % 20000 AS built,
	   timestamptz '2020-01-01 00:00+00' + (i * 59 % 1000) * interval '1 hour' AS seen,
	   CASE WHEN i % 19 <> 0 THEN (ARRAY['north', 'south', 'west'])[i % 3 + 1] END AS region,
	   (ARRAY['gas', 'oil', 'wood'])[i % 3 + 1]::heat AS heat,
	   CASE WHEN i % 23 <> 0 THEN ARRAY[i % 3, i % 8, NULLIF(i % 6, 5)]::float8[] END AS dist,
	   10 + 3.0 * (i * 37 % 101) + 20 * (i * 53 % 7) + CASE i % 3 WHEN 0 THEN 50 ELSE 0 END + (i * 71 % 13) AS price,
	   (ARRAY['low', 'mid', 'high'])[(i * 37 % 101) / 34 + 1] AS class,
	   (i * 37 % 101 + i * 71 % 13) > 55 AS dear,
	   (i * 37 % 101 + i * 71 % 13) / 40 AS stars
FROM generate_series(1, 500) i;


SELECT name, task FROM ml_train('predict_price', 'houses', 'price', features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}');
SELECT name, task FROM ml_train('predict_class', 'houses', 'class', features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}');
SELECT name, task FROM ml_train('predict_dear', 'houses', 'dear', features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}');
SELECT name, task FROM ml_train('predict_stars', 'houses', 'stars', 'logistic_regression', features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}');
SELECT name, task FROM ml_train('predict_base', 'houses', 'class', 'baseline', features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}');

CREATE FUNCTION same(VARIADIC float8[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
	SELECT count(DISTINCT coalesce(float8send(x)::text, '')) = 1 FROM unnest($1) x $$;
CREATE FUNCTION error_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text; context text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''), substring(context FROM 'element \d+'), substring(context FROM 'feature "\w+"'));
END $$;

-- 1. all forms agree to the last bit, by name and by value, NULLs included
SELECT count(*) AS rows, count(DISTINCT p1) > 400 AS predictions, bool_and(same(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)) AS agree
FROM (SELECT ml_predict('predict_price', h) AS p1,
			 ml_predict('predict_price', area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist) AS p2,
			 ml_predict('predict_price', to_jsonb(h)) AS p3,
			 ml_predict('predict_price', to_json(h)) AS p4,
			 ml_predict('predict_price', ARRAY[area::text, rooms::text, floor::text, tax::text, rent::text, fee::text, garden::text, built::text, seen::text,
											   region, heat::text, dist[1]::text, dist[2]::text, dist[3]::text]) AS p5,
			 ml_predict(ml_model('predict_price'), h) AS p6,
			 ml_predict(ml_model('predict_price@1'), area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist) AS p7,
			 ml_predict(ml_model('predict_price@production'), to_jsonb(h)) AS p8,
			 ml_predict('predict_price@1', area::text, rooms::text, floor::text, tax::text, rent::text, fee::text, garden::text, built::text, seen::text, region, heat::text, dist::text) AS p9,
			 (ml_predict_json('predict_price', to_jsonb(h))->>'prediction')::float8 AS p10
	  FROM houses h) s;
SELECT count(*) AS rows, count(DISTINCT p1) > 400 AS predictions, bool_and(same(p1, p2, p3, p4, p5, p6, p7)) AS agree,
	   bool_and(l1 = l2 AND l1 = l3 AND l1 = j->>'label' AND l1 = (SELECT key FROM jsonb_each_text(j->'probabilities') ORDER BY value::float8 DESC LIMIT 1)) AS labels_agree,
	   bool_and(abs((SELECT sum(value::float8) FROM jsonb_each_text(j->'probabilities')) - 1) < 1e-12) AS sum_is_1
FROM (SELECT ml_probability('predict_class', 'mid', h) AS p1,
			 ml_probability('predict_class', 'mid', area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist) AS p2,
			 ml_probability('predict_class', 'mid', to_jsonb(h)) AS p3,
			 ml_probability(ml_model('predict_class'), 'mid', h) AS p4,
			 (ml_probabilities('predict_class', h)->>'mid')::float8 AS p5,
			 (ml_probabilities(ml_model('predict_class'), to_json(h))->>'mid')::float8 AS p6,
			 (ml_predict_json('predict_class', to_jsonb(h))->'probabilities'->>'mid')::float8 AS p7,
			 ml_predict_label('predict_class', h) AS l1,
			 ml_predict_label('predict_class', area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist) AS l2,
			 ml_predict_label(ml_model('predict_class'), to_jsonb(h)) AS l3,
			 ml_predict_json(ml_model('predict_class'), to_jsonb(h)) AS j
	  FROM houses h) s;

-- 2. batches and arrays of JSON, which are scored in blocks, agree too
SELECT count(*) AS rows, bool_and(same(prediction, ml_predict('predict_price', h)) AND label IS NULL AND probability IS NULL) AS agree
FROM ml_predict_batch('predict_price', 'houses', 'id') b JOIN houses h ON h.id = b.key::int;
SELECT count(*) AS rows, bool_and(prediction IS NULL AND label = ml_predict_label('predict_class', h)
								  AND same(probability, ml_probability('predict_class', label, h))) AS agree
FROM ml_predict_batch(ml_model('predict_class'), 'SELECT * FROM predict_test.houses', 'id') b JOIN houses h ON h.id = b.key::int;
SELECT count(*) AS rows, bool_and(same((p->>'prediction')::float8, ml_predict('predict_price', h))) AS agree
FROM (SELECT ml_predict_json('predict_price', jsonb_agg(h ORDER BY id)) AS j FROM houses h) s,
	 jsonb_array_elements(j) WITH ORDINALITY AS a(p, n) JOIN houses h ON h.id = n;

-- labels that are numbers and booleans
SELECT bool_and(ml_predict('predict_dear', h) = (ml_predict_label('predict_dear', h))::boolean::int) AS boolean,
	   bool_and(ml_predict('predict_stars', h) = (ml_predict_label('predict_stars', h))::int) AS number,
	   bool_and(same(ml_probability('predict_dear', 'true', h), ml_probability('predict_dear', 't', h), ml_probability('predict_dear', '1', h))) AS boolean_names,
	   bool_and(same(ml_probability('predict_stars', '1', h), ml_probability('predict_stars', '1.0', h))) AS number_names,
	   avg((ml_predict_label('predict_dear', h)::boolean = dear)::int) > 0.9 AS right_dear,
	   avg((ml_predict('predict_stars', h) = stars)::int) > 0.8 AS right_stars
FROM houses h;
SELECT j.n, jsonb_object_agg(k, jsonb_typeof(v)) AS members
FROM houses h, LATERAL (VALUES (1, ml_predict_json('predict_price', to_jsonb(h))), (2, ml_predict_json('predict_class', to_jsonb(h))),
							   (3, ml_predict_json('predict_dear', to_jsonb(h))), (4, ml_predict_json('predict_stars', to_jsonb(h)))) j (n, o), jsonb_each(o) e (k, v)
WHERE id = 1 GROUP BY 1 ORDER BY 1;
SELECT count(*), bool_and(prediction = (label = 'true')::int) AS booleans FROM ml_predict_batch('predict_dear', 'houses');

-- 3. by name: whatever order, whatever else there is
CREATE VIEW turned AS
SELECT dist, heat, region, seen, built, garden, fee, rent, tax, floor, rooms, area, 'more' AS more, id FROM houses;
CREATE TABLE altered (gone int, area float8, rooms int, floor int2, tax int8, rent float4, fee numeric, gone_too text,
					  garden bool, built date, seen timestamptz, region text, heat heat, dist float8[], id int,
					  twice float8 GENERATED ALWAYS AS (area * 2) STORED);
ALTER TABLE altered DROP COLUMN gone, DROP COLUMN gone_too;
INSERT INTO altered SELECT area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist, id FROM houses;
ALTER TABLE altered ADD COLUMN late int DEFAULT 5;
CREATE TYPE house AS (area float8, rooms int, floor int2, tax int8, rent float4, fee numeric, garden bool, built date,
					  seen timestamptz, region text, heat heat, dist float8[]);
CREATE DOMAIN good_house AS house;
SELECT bool_and(same(ml_predict('predict_price', h), ml_predict('predict_price', t), ml_predict('predict_price', a),
					 ml_predict('predict_price', s),
					 ml_predict('predict_price', ROW(h.area, h.rooms, h.floor, h.tax, h.rent, h.fee, h.garden, h.built, h.seen, h.region, h.heat, h.dist)::house),
					 ml_predict('predict_price', ROW(h.area, h.rooms, h.floor, h.tax, h.rent, h.fee, h.garden, h.built, h.seen, h.region, h.heat, h.dist)::house::good_house))) AS agree
FROM houses h JOIN turned t USING (id) JOIN altered a USING (id)
JOIN (SELECT id, 1 AS one, area, rooms::int8 AS rooms, floor, tax, rent, fee, garden, built, seen, region::varchar, heat, dist FROM houses) s USING (id);
-- rows of several types at one call site
CREATE FUNCTION house_from(source text) RETURNS record LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	EXECUTE format('SELECT * FROM %I WHERE id = 7', source) INTO r;
	RETURN r;
END $$;
SELECT count(*) AS rows, count(DISTINCT p) AS predictions
FROM (SELECT ml_predict('predict_price', house_from(source)) AS p FROM unnest(ARRAY['houses', 'turned', 'altered', 'houses', 'turned']) source) s;

-- what is missing is listed, the nearest name with it
SELECT error_of('SELECT ml_predict(''predict_price'', s) FROM (SELECT area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat FROM houses LIMIT 1) s');
SELECT error_of('SELECT ml_predict(''predict_price'', s) FROM (SELECT area AS areas, rooms, built, seen, region FROM houses LIMIT 1) s');
SELECT error_of('SELECT ml_predict(''predict_price'', ROW(1, 2, 3))');
SELECT error_of('SELECT ml_predict(''predict_price'', ''{"area": 1, "room": 2, "floor": null}''::jsonb)');
SELECT error_of('SELECT ml_predict(''predict_price'', ''{}''::json)');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''SELECT id, area, rooms FROM predict_test.houses'')');
SELECT error_of('SELECT ml_predict(''predict_price'', s) FROM (SELECT ''{}''::jsonb AS area, h.rooms, h.floor, h.tax, h.rent, h.fee, h.garden, h.built, h.seen, h.region, h.heat, h.dist FROM houses h LIMIT 1) s');
-- values are counted
SELECT error_of('SELECT ml_predict(''predict_price'', 1, 2, 3)');
SELECT error_of('SELECT ml_predict(''predict_price'', ARRAY[1, 2, 3])');
SELECT error_of('SELECT ml_predict(''predict_price'', VARIADIC ARRAY[1, 2, 3])');
SELECT error_of('SELECT ml_predict(''predict_price'', VARIADIC ARRAY[''a''])');
SELECT error_of('SELECT ml_predict(''predict_price'', h.*, 1) FROM predict_test.houses h LIMIT 1');
SELECT error_of('SELECT ml_predict(''predict_price'', ''{"area": 1}'')');

-- 4. NULL: a missing value in a row, no result for no row
SELECT ml_predict('predict_price', NULL::houses) IS NULL AS row, ml_predict('predict_price', NULL::jsonb) IS NULL AS jsonb,
	   ml_predict('predict_price', NULL::json) IS NULL AS json, ml_predict('predict_price', NULL::float8[]) IS NULL AS array,
	   ml_predict('predict_price', VARIADIC NULL::float8[]) IS NULL AS variadic,
	   ml_predict(NULL::text, 1, 2) IS NULL AS name, ml_predict(NULL::ml_model, 1, 2) IS NULL AS value,
	   ml_predict_label('predict_class', NULL::houses) IS NULL AS label, ml_probability('predict_class', 'low', NULL::houses) IS NULL AS probability,
	   ml_probability('predict_class', NULL, h) IS NULL AS no_class, ml_probabilities('predict_class', NULL::jsonb) IS NULL AS probabilities,
	   ml_predict_json('predict_class', NULL) IS NULL AS no_json
FROM houses h WHERE id = 1;
SELECT same(ml_predict('predict_price', NULL, 1, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
			ml_predict('predict_price', ROW(NULL, 1, NULL, 2, NULL, 'NaN', NULL, NULL, NULL, NULL, NULL, NULL)::house),
			ml_predict('predict_price', to_jsonb(ROW(NULL, 1, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::house)),
			ml_predict('predict_price', 'NaN'::float8, '1', NULL::int2, 2, NULL, 'nan', NULL, NULL, NULL, NULL, NULL, '{NULL,NaN,NULL}')) AS missing_values_agree;
SELECT ml_predict_json('predict_base', '[null]') AS null_element, ml_predict_json('predict_base', '[]') AS no_elements,
	   (SELECT jsonb_array_length(ml_predict_json('predict_base', jsonb_agg(CASE WHEN id % 2 = 0 THEN to_jsonb(h) END))) FROM houses h) AS elements;

-- 5. values that cannot be
SELECT error_of(format('SELECT ml_predict_json(%L, %L)', m, j)) FROM (VALUES
	('predict_price', '1'), ('predict_price', '"a"'), ('predict_price', 'null'), ('predict_base', '[1]'), ('predict_base', '[null, [], {}]'),
	('predict_price', '[null, {"area": 1}]'),
	('predict_price', '{"area": "12", "rooms": 1, "floor": 1, "tax": 1, "rent": 1, "fee": 1, "garden": true, "built": "2001-01-01", "seen": null, "region": "x", "heat": "y", "dist": null}'),
	('predict_price', '[{"area": 12, "rooms": 1, "floor": 1, "tax": 1, "rent": 1, "fee": 1, "garden": "true", "built": "2001-01-01", "seen": null, "region": "x", "heat": "y", "dist": null}]'),
	('predict_price', '{"area": 12, "rooms": 1, "floor": 1, "tax": 1, "rent": 1, "fee": 1, "garden": true, "built": "soon", "seen": null, "region": "x", "heat": "y", "dist": null}'),
	('predict_price', '{"area": 12, "rooms": [], "floor": 1, "tax": 1, "rent": 1, "fee": 1, "garden": true, "built": null, "seen": null, "region": "x", "heat": "y", "dist": null}')) v (m, j);
SELECT error_of('SELECT ml_predict(''predict_price'', ''[]''::jsonb)');
SELECT error_of('SELECT ml_predict(''predict_price'', ''1''::json)');
-- the wrong function for the model
SELECT error_of('SELECT ml_predict(''predict_class'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_predict_label(''predict_price'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probability(''predict_price'', ''a'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probabilities(''predict_price'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probability(''predict_class'', ''hig'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probability(''predict_class'', ''quite another one'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probability(''predict_dear'', ''perhaps'', h) FROM predict_test.houses h');
SELECT error_of('SELECT ml_probability(''predict_stars'', ''7'', h) FROM predict_test.houses h');
-- names
SELECT error_of('SELECT ml_predict(''predict_prise'', 1)');
SELECT error_of('SELECT ml_predict(''predict_price@9'', 1)');
SELECT error_of('SELECT ml_predict(''predict_price@staging'', 1)');
SELECT error_of('SELECT ml_predict('''', 1)') LIKE '42704 | model "" does not exist%' AS empty_name;
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_prise'', ''predict_test.houses'')');

-- 6. a name is resolved once per statement, under its snapshot; a running transaction sees what it does itself
SELECT version, deployed FROM ml_train('predict_price', 'SELECT *, price * 2 AS double FROM predict_test.houses', 'double',
	features => '{area,rooms,floor,tax,rent,fee,garden,built,seen,region,heat,dist}', deploy => 'never');
CREATE FUNCTION now_predicts() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	h houses;
	p float8;
BEGIN
	SELECT * INTO h FROM houses WHERE id = 7;
	p := ml_predict('predict_price', h);
	RETURN round(p / ml_predict('predict_price@1', h));
END $$;
BEGIN;
SELECT now_predicts();
SELECT count(*) AS deployed FROM ml_deploy('predict_price', 2);
SELECT now_predicts();
SAVEPOINT before;
SELECT count(*) AS deployed FROM ml_deploy('predict_price', 1);
SELECT now_predicts();
ROLLBACK TO before;
SELECT now_predicts();
ROLLBACK;
SELECT now_predicts();
-- in one call, with a subtransaction that is rolled back
CREATE FUNCTION deploy_and_fail() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text := '';
BEGIN
	seen := seen || now_predicts();
	BEGIN
		PERFORM ml_deploy('predict_price', 2);
		seen := seen || now_predicts();
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN raise_exception THEN
		NULL;
	END;
	RETURN seen || now_predicts();
END $$;
SELECT deploy_and_fail();
-- a name that is a column: each row its model; a cursor keeps what its snapshot saw
SELECT bool_and(same(ml_predict(m, h), CASE WHEN m LIKE '%1' THEN ml_predict('predict_price@1', h) ELSE ml_predict('predict_price@2', h) END)) AS each_its_model
FROM houses h, unnest(ARRAY['predict_price@1', 'predict_price@2']) m;
BEGIN;
DECLARE c CURSOR FOR SELECT round(ml_predict('predict_price', h) / ml_predict('predict_price@1', h)) AS factor FROM houses h;
FETCH 1 FROM c;
SELECT count(*) AS deployed FROM ml_deploy('predict_price', 2);
FETCH 1 FROM c;
SELECT now_predicts();
ROLLBACK;
-- rights are those of the user at the call, also where the call site stays
CREATE ROLE predict_other;
GRANT USAGE ON SCHEMA predict_test TO predict_other;
GRANT SELECT ON houses TO predict_other;
BEGIN;
SELECT now_predicts();
SET LOCAL ROLE predict_other;
SELECT error_of('SELECT predict_test.now_predicts()');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''predict_test.houses'')');
ROLLBACK;

-- 7. models as values in a table: small and in line, compressed, out of line; one for each row
CREATE TABLE house_models (id int, model ml_model);
INSERT INTO house_models SELECT i, ml_model('predict_price@' || i) FROM generate_series(1, 2) i;
CREATE TABLE house_models_external (LIKE house_models);
ALTER TABLE house_models_external ALTER model SET STORAGE EXTERNAL;
INSERT INTO house_models_external SELECT * FROM house_models;
CREATE TABLE small_models (id int, model ml_model);
INSERT INTO small_models SELECT id % 3, ml_fit('linear_regression', '{}', price, rooms, floor) FROM houses GROUP BY id % 3;
CREATE TABLE small_models_plain (LIKE small_models);
ALTER TABLE small_models_plain ALTER model SET STORAGE PLAIN;
INSERT INTO small_models_plain SELECT * FROM small_models;
CREATE TABLE small_models_external (LIKE small_models);
ALTER TABLE small_models_external ALTER model SET STORAGE EXTERNAL;
INSERT INTO small_models_external SELECT * FROM small_models;
SELECT count(*) AS rows,
	   bool_and(same(ml_predict(s.model, h), ml_predict(e.model, h), ml_predict('predict_price@' || s.id, h))) AS agree
FROM houses h, house_models s JOIN house_models_external e USING (id);
SELECT bool_and(same(ml_predict(s.model, rooms, floor), ml_predict(p.model, rooms, floor), ml_predict(e.model, rooms, floor))) AS agree
FROM houses h, small_models s JOIN small_models_plain p USING (id) JOIN small_models_external e USING (id);
SELECT bool_and(same(ml_predict(m, h), ml_predict('predict_price@2', h))) AS as_text FROM houses h, (SELECT model::text::ml_model AS m FROM house_models WHERE id = 2) s;
-- more models at one call site than it keeps
CREATE TABLE by_part AS SELECT ml_fit('linear_regression', '{}', price, id, rooms) AS model, id % 40 AS part FROM houses GROUP BY id % 40;
SELECT count(*) AS models, count(DISTINCT low) AS predictions, bool_and(same(low, high)) AS always_the_same
FROM (SELECT part, min(p) AS low, max(p) AS high
	  FROM (SELECT part, ml_predict(model, 10, 3) AS p FROM (SELECT model, part FROM generate_series(1, 5) i, by_part ORDER BY i, part OFFSET 0) o) s
	  GROUP BY part) t;

-- 8. by value it is IMMUTABLE: generated columns, indexes, constants folded; by name it is STABLE
SELECT format_type(proargtypes[0], NULL) AS model, provolatile, proparallel, count(*) FROM pg_proc
WHERE proname IN ('ml_predict', 'ml_predict_label', 'ml_probability', 'ml_probabilities', 'ml_predict_json') GROUP BY 1, 2, 3 ORDER BY 1;
DO $$ BEGIN
	EXECUTE format('CREATE TABLE generated (area float8, rooms int, p float8 GENERATED ALWAYS AS (ml_predict(%L::ml_model, area, rooms)) STORED)',
				   (SELECT ml_fit('linear_regression', '{}', price, coalesce(area, 0), rooms) FROM houses));
END $$;
INSERT INTO generated SELECT area, rooms FROM houses;
CREATE INDEX ON generated (p);
SELECT count(*) AS rows, bool_and(same(p, ml_predict((SELECT ml_fit('linear_regression', '{}', price, coalesce(area, 0), rooms) FROM houses), area, rooms))) AS agree FROM generated;

-- 9. in parallel workers too
CREATE TABLE many AS SELECT h.* FROM houses h, generate_series(1, 20);
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(ml_predict('predict_price', m)) FROM many m;
SELECT abs(sum(ml_predict('predict_price', m)) / 20 / (SELECT sum(ml_predict('predict_price', h)) FROM houses h) - 1) < 1e-12 AS agree FROM many m;
SELECT abs(sum(ml_predict(s.model, m)) / 20 / (SELECT sum(ml_predict('predict_price', h)) FROM houses h) - 1) < 1e-12 AS agree FROM many m, house_models s WHERE s.id = 1;
SELECT count(*), count(DISTINCT prediction) > 400 AS differ FROM ml_predict_batch('predict_price', 'many');
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;

-- 10. the planner knows what a model costs
CREATE FUNCTION cost_of(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>'Total Cost';
END $$;
SELECT cost_of(format('SELECT ml_predict(%L::ml_model, h) FROM houses h', ml_model('predict_price'))) >
	   cost_of(format('SELECT ml_predict(%L::ml_model, h) FROM houses h', (SELECT ml_fit('linear_regression', '{}', price, rooms) FROM houses))) AS more_columns_cost_more,
	   cost_of('SELECT ml_predict(''no such model'', h) FROM houses h') > 0 AS unknown_model,
	   cost_of('SELECT ml_predict(NULL::ml_model, h) FROM houses h') > 0 AS null_model,
	   cost_of('SELECT ml_predict(''m'', 1, 2, 3, 4, 5, 6, 7, 8, area) FROM houses h') > cost_of('SELECT ml_predict(''m'', 1, 2, area) FROM houses h') AS more_values_cost_more;
-- a name that the user may use counts as its value does, and planning fails for none
SELECT cost_of('SELECT ml_predict(''predict_price'', h) FROM houses h') > cost_of('SELECT ml_predict(''no such model'', h) FROM houses h') AS name_is_looked_up,
	   bool_and(cost_of(format('SELECT ml_predict(%L, h) FROM houses h', name)) = cost_of(format('SELECT ml_predict(%L::ml_model, h) FROM houses h', ml_model('predict_price')))) AS as_value
FROM unnest(ARRAY['predict_price', 'predict_price@1', 'predict_price@production']) name;
SELECT count(DISTINCT cost_of(format('SELECT ml_predict(%L, h) FROM houses h', name))) = 1 AS unknown_names
FROM unnest(ARRAY['', '@', '@1', 'no such model', 'predict_price@', 'predict_price@7', 'predict_price@99999999999999999999', 'predict_price@nowhere', 'predict_price@1@1', repeat('x', 100), repeat('x', 100) || '@1', 'predict_price@' || repeat('x', 100)]) name;
BEGIN;
CREATE TEMP TABLE costs AS SELECT cost_of('SELECT ml_predict(''predict_price'', h) FROM houses h') AS mine, NULL::float8 AS others;
GRANT ALL ON costs TO predict_other;
SET LOCAL ROLE predict_other;
UPDATE costs SET others = cost_of('SELECT ml_predict(''predict_price'', h) FROM houses h');
SELECT others > 0 AND others < mine AS model_of_another FROM costs;
ROLLBACK;

-- 11. keys of a batch
CREATE TABLE keys AS SELECT id::int2 AS k2, id * 1000003 AS k4, -9223372036854775808 + id AS k8, id::numeric / 7 AS kn, 'key ' || id AS kt,
	md5(id::text)::uuid AS ku, CASE WHEN id % 2 = 0 THEN id END AS kz, h.* FROM houses h;
WITH cells AS MATERIALIZED (SELECT c.key AS name, c.value AS key, h FROM keys h, jsonb_each_text(to_jsonb(h)) c)
SELECT name, count(*) AS rows, bool_and(same(b.prediction, ml_predict('predict_price', h))) AS agree
FROM unnest(ARRAY['k2', 'k4', 'k8', 'kn', 'kt', 'ku', 'id']) name CROSS JOIN ml_predict_batch('predict_price', 'keys', name) b JOIN cells USING (name, key)
GROUP BY name ORDER BY name;
SELECT count(*) AS rows, count(key) AS keys FROM ml_predict_batch('predict_price', 'keys', 'kz');
SELECT count(*) AS rows, min(key::int), max(key::int), count(DISTINCT key) FROM ml_predict_batch('predict_price', 'houses');
SELECT count(*) FROM ml_predict_batch('predict_price', 'SELECT * FROM predict_test.houses WHERE false', 'id');
SELECT count(*) FROM ml_predict_batch('predict_price', NULL);
SELECT count(*) FROM ml_predict_batch(NULL::text, 'houses');
SELECT count(DISTINCT key) AS rooms FROM ml_predict_batch('predict_price', 'houses', 'rooms');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''predict_test.houses'', ''idd'')');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''predict_test.no_houses'')');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''DELETE FROM predict_test.houses'')');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''SELECT *, 1 AS area FROM predict_test.houses'')');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''SELECT h.area / 0 AS x, h.* FROM predict_test.houses h'', ''x'')');
SELECT error_of('SELECT * FROM ml_predict_batch(''predict_price'', ''SELECT h.*, id AS k, id AS k FROM predict_test.houses h'', ''k'')');
-- memory is bounded: what does not fit goes to disk
SET work_mem = '64kB';
SELECT count(*), count(DISTINCT key) FROM ml_predict_batch('predict_price', 'SELECT row_number() OVER () AS n, * FROM predict_test.many', 'n');
RESET work_mem;
-- a model that is worth threads: the same bits with one and with two, and as row by row
CREATE TABLE wide AS SELECT i AS id, ARRAY(SELECT (i * j * 79 % 1009)::float8 FROM generate_series(1, 400) j) AS v, (i * 31 % 97)::float8 AS y FROM generate_series(1, 450) i;
SELECT task FROM ml_train('predict_wide', 'wide', 'y', 'linear_regression', '{v}', '{"l2": 1}', validation => '{"split": "none"}');
SET mlaas.max_threads = 1;
CREATE TABLE one_thread AS SELECT * FROM ml_predict_batch('predict_wide', 'SELECT w.id, w.v FROM predict_test.wide w, generate_series(1, 8)', 'id');
SET mlaas.max_threads = 2;
CREATE TABLE two_threads AS SELECT * FROM ml_predict_batch('predict_wide', 'SELECT w.id, w.v FROM predict_test.wide w, generate_series(1, 8)', 'id');
RESET mlaas.max_threads;
SELECT count(*) AS rows, count(DISTINCT w.id) AS distinct_rows, bool_and(same(a.prediction, b.prediction, ml_predict('predict_wide', w.v))) AS agree
FROM (SELECT key, min(prediction) AS prediction FROM one_thread GROUP BY key HAVING min(prediction) = max(prediction) AND count(*) = 8) a
JOIN (SELECT key, min(prediction) AS prediction FROM two_threads GROUP BY key HAVING min(prediction) = max(prediction) AND count(*) = 8) b USING (key)
JOIN wide w ON w.id = key::int;
-- cancel
\set SHOW_CONTEXT never
SET statement_timeout = '200ms';
SELECT count(*) FROM ml_predict_batch('predict_wide', 'SELECT w.v FROM predict_test.wide w, generate_series(1, 100000)');
SELECT count(*) FROM ml_evaluate('predict_wide', 'SELECT w.v, w.y FROM predict_test.wide w, generate_series(1, 100000)');
RESET statement_timeout;
\set SHOW_CONTEXT errors
-- row-level security holds
CREATE FUNCTION model_of(text) RETURNS ml_model LANGUAGE sql SECURITY DEFINER AS 'SELECT ml_model($1)';
ALTER TABLE houses ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON houses USING (id <= 10);
SET ROLE predict_other;
SELECT count(*) FROM ml_predict_batch(model_of('predict_price'), 'predict_test.houses');
RESET ROLE;

-- 12. one untyped literal: an object when it begins as one, else a value, and no guess about other braces
CREATE TABLE braces AS SELECT c, 10.0 * n AS y, (ARRAY['low', 'mid', 'high'])[n] AS class
FROM generate_series(1, 50) i, unnest(ARRAY['{"a":1}', '{b}', 'c']) WITH ORDINALITY u (c, n);
SELECT task FROM ml_train('predict_brace', 'braces', 'y', 'linear_regression', '{c}');
SELECT task FROM ml_train('predict_brace_class', 'braces', 'class', 'logistic_regression', '{c}');
SELECT same(ml_predict('predict_brace', '{"c": "c"}'), ml_predict('predict_brace', '{"c": "c"}'::jsonb), ml_predict('predict_brace', 'c'), ml_predict(ml_model('predict_brace'), '{"c": "c"}'),
			ml_predict('predict_brace', E' \n\t{ "c"\n:"c" } '), ml_predict('predict_brace', '{"x\"}:": {"y": [1]}, "c": "c"}')) AS object,
	   same(ml_predict('predict_brace', '{"c": null}'), ml_predict('predict_brace', NULL), ml_predict('predict_brace', NULL::text)) AS null,
	   round(ml_predict('predict_brace', '{"c": "{b}"}')) AS member, round(ml_predict('predict_brace', '{b}'::text)) AS text, round(ml_predict('predict_brace', '{"a":1}'::text)) AS text_of_json,
	   round(ml_predict('predict_brace', ' c')) = round(ml_predict('predict_brace', 'another')) AS unknown_category;
SELECT ml_predict_label('predict_brace_class', '{"c": "{b}"}') AS name, ml_predict_label(ml_model('predict_brace_class'), '{"c": "{b}"}') AS value, ml_predict_label('predict_brace_class', 'c') AS text,
	   same(ml_probability('predict_brace_class', 'mid', '{"c": "{b}"}'), ml_probability(ml_model('predict_brace_class'), 'mid', '{"c": "{b}"}'), ml_probability('predict_brace_class', 'mid', '{b}'::text)) AS probability,
	   ml_probabilities('predict_brace_class', '{"c": "{b}"}') = ml_probabilities('predict_brace_class', '{b}'::text)
	   AND ml_probabilities(ml_model('predict_brace_class'), '{"c": "{b}"}') = ml_probabilities('predict_brace_class', '{b}'::text) AS probabilities;
SELECT bool_and(same(ml_predict('predict_price', area, rooms, floor, tax, rent, fee, garden, built, seen, region, heat, dist), p)) AS agree
FROM (SELECT h.*, ml_predict('predict_price', '{"area": 12, "rooms": 1, "floor": 1, "tax": 1, "rent": 1, "fee": 1, "garden": true, "built": "2001-01-01", "seen": null, "region": "x", "heat": "y", "dist": null}') AS p
	  FROM (SELECT 12 AS area, 1 AS rooms, 1 AS floor, 1 AS tax, 1 AS rent, 1 AS fee, true AS garden, date '2001-01-01' AS built, NULL::timestamptz AS seen, 'x' AS region, 'y' AS heat, NULL::float8[] AS dist) h) r;
SELECT x, error_of(format('SELECT ml_predict(''predict_brace'', %L)', x)) AS error FROM unnest(ARRAY['{}', ' { } ', '{"b": "c"}', '{"c": }', '{', ' {b}', '{"c"}', '{"c', '{"c\', '{}x', '{{"c": "c"}}']) x;
SELECT error_of('SELECT ml_predict_label(''predict_brace_class'', ''{b}'')'), error_of('SELECT ml_probability(ml_model(''predict_brace_class''), ''mid'', ''{b}'')') = error_of('SELECT ml_probabilities(''predict_brace_class'', ''{b}'')') AS same_error;
SELECT error_of('SELECT ml_predict(''predict_wide'', ''{1,2}'')');
-- a parameter has a type
SELECT error_of('PREPARE untyped AS SELECT ml_predict(''predict_brace'', $1)');
PREPARE typed(jsonb) AS SELECT round(ml_predict('predict_brace', $1)) AS prediction;
EXECUTE typed('{"c": "c"}');
DEALLOCATE typed;

SELECT ml_drop(name) > 0 AS dropped FROM unnest(ARRAY['predict_price', 'predict_class', 'predict_dear', 'predict_stars', 'predict_base', 'predict_wide', 'predict_brace', 'predict_brace_class']) name;
DROP SCHEMA predict_test CASCADE;
DROP ROLE predict_other;
