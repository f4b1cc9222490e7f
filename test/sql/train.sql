-- ml_train: sources, kinds of column, kinds of target, validation, deployment, transactions.
SELECT now() AS started \gset
CREATE SCHEMA train_test;
SET search_path = train_test, public;

-- 400 rows, the same ones each time
CREATE TABLE houses AS
SELECT i AS id,
	   (i * 37 % 101)::float8 AS area,
	   (i * 53 % 7)::int AS rooms,
	   CASE i % 3 WHEN 0 THEN 'north' WHEN 1 THEN 'south' ELSE 'west' END AS region,
	   i % 4 = 0 AS garden,
	   10 + 3.0 * (i * 37 % 101) + 20 * (i * 53 % 7) + CASE i % 3 WHEN 0 THEN 50 ELSE 0 END
	   + (i * 71 % 13) AS price
FROM generate_series(1, 400) i;

-- 1. the answer

SELECT name, version, task, algorithm, n_train, n_test, deployed, seconds > 0 AS took_time,
	   (metrics->>'r2')::float8 > 0.99 AS fits
FROM ml_train('price', 'houses', 'price', features => '{area,rooms,region,garden}');
SELECT string_agg(key, ' ' ORDER BY key) FROM mlaas.versions, jsonb_object_keys(metrics) key WHERE name = 'price';
SELECT name, version, algorithm, task, target, n_train, n_test, n_skipped, source, preprocess, validation, aliases,
	   seconds > 0 AS seconds, row_digest ~ '^[0-9a-f]{32}$' AS digest, trained_by = current_user AS me, bytes > 0 AS bytes,
	   (metrics->>'rmse')::float8 < (baseline->>'rmse')::float8 AS beats_baseline
FROM mlaas.versions WHERE name = 'price';
SELECT f->>'name' AS name, f->>'kind' AS kind, f->>'type' AS type
FROM mlaas.versions, jsonb_array_elements(features) f WHERE name = 'price';
SELECT parameters ? 'l2' AS all_parameters_are_stored FROM mlaas.versions WHERE name = 'price';

-- NULL arguments are defaults; the same call gives the same bytes
SELECT version, deployed FROM ml_train('price', 'houses', 'price', NULL, '{area,rooms,region,garden}', NULL, NULL, NULL, NULL, NULL);
SELECT ml_model('price@1')::text = ml_model('price@2')::text AS same_model;
SELECT count(DISTINCT row_digest) = 1 AS same_digest FROM mlaas.versions WHERE name = 'price';
-- in another order the rows have the same digest and fall on the same sides
SELECT version, n_train FROM ml_train('price', 'SELECT * FROM houses ORDER BY price DESC, id', 'price', features => '{area,rooms,region,garden}');
SELECT count(DISTINCT row_digest) = 1 AS same_digest,
	   max((metrics->>'rmse')::float8) - min((metrics->>'rmse')::float8) < 1e-9 AS same_split
FROM mlaas.versions WHERE name = 'price';
-- but not with another seed
SELECT version FROM ml_train('price', 'houses', 'price', features => '{area,rooms,region,garden}', validation => '{"seed": 7}');
SELECT count(DISTINCT row_digest) = 1 AS same_digest,
	   max((metrics->>'rmse')::float8) - min((metrics->>'rmse')::float8) > 1e-9 AS other_split
FROM mlaas.versions WHERE name = 'price';

-- 2. features by default: all that is nothing else

CREATE FUNCTION features_of(text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(f->>'name' || ':' || (f->>'kind'), ' ' ORDER BY n)
	FROM mlaas.versions v, jsonb_array_elements(features) WITH ORDINALITY AS a(f, n)
	WHERE v.name = $1 AND v.version = (SELECT max(version) FROM mlaas.versions WHERE name = $1) $$;
SELECT n_train + n_test AS rows FROM ml_train('all', 'houses', 'price');
SELECT features_of('all');
SELECT n_train + n_test AS rows FROM ml_train('all', 'houses', 'price', weight => 'rooms', validation => '{"order_by": "id"}');
SELECT features_of('all');
SELECT n_train + n_test AS rows FROM ml_train('all', 'houses', 'price', validation => '{"column": "garden"}');
SELECT features_of('all');
-- the column that orders the rows may be a feature too, when it is named
SELECT n_train, n_test FROM ml_train('all', 'houses', 'price', features => '{id,area}', validation => '{"order_by": "id"}');
SELECT features_of('all');

-- 3. every kind of column

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN percent AS float8 CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE kinds AS
SELECT (i % 5)::int2 AS c_int2, i % 7 AS c_int4, (i % 11)::int8 AS c_int8, (i % 13)::float4 AS c_float4, (i % 17)::float8 AS c_float8,
	   (i % 19)::numeric(8, 2) AS c_numeric, i % 2 = 0 AS c_bool, date '2024-01-01' + i % 23 AS c_date,
	   time '00:00' + i % 29 * interval '1 minute' AS c_time, timestamp '2024-01-01' + i % 31 * interval '1 hour' AS c_timestamp,
	   timestamptz '2024-01-01 00:00+00' + i % 37 * interval '1 day' AS c_timestamptz, i % 41 * interval '1 second' AS c_interval,
	   'v' || i % 3 AS c_text, ('w' || i % 4)::varchar(10) AS c_varchar, ('x' || i % 5)::char(4) AS c_char,
	   (enum_range(NULL::mood))[1 + i % 3] AS c_enum, ('00000000-0000-0000-0000-00000000000' || i % 6)::uuid AS c_uuid,
	   (i % 97)::float8::percent AS c_domain, ARRAY[i % 3, i % 8]::float8[] AS c_float8s, ARRAY[i % 9, i % 10, i]::int[] AS c_ints,
	   CASE WHEN i % 5 > 0 THEN i % 6 END AS c_nulls, NULL::text AS c_all_null, 1 AS c_constant,
	   i % 5 + 2 * (i % 7) + CASE WHEN i % 3 = 1 THEN 10 ELSE 0 END + (i % 8) AS y
FROM generate_series(1, 600) i;
SELECT n_train, n_test, metrics->>'r2' > '0.99' AS fits FROM ml_train('kinds', 'kinds', 'y');
SELECT f->>'name' AS name, f->>'kind' AS kind, f->>'type' AS type
FROM mlaas.versions, jsonb_array_elements(features) f WHERE name = 'kinds';

-- 4. kinds of target

CREATE VIEW targets AS
SELECT area, rooms, price > 200 AS yes, CASE WHEN price > 200 THEN 'dear' ELSE 'cheap' END AS word,
	   CASE WHEN price > 200 THEN 1 ELSE 0 END AS bit, CASE WHEN price > 200 THEN 1 ELSE 0 END::float8 AS number,
	   (enum_range(NULL::mood))[CASE WHEN price > 250 THEN 3 WHEN price > 150 THEN 2 ELSE 1 END] AS mood,
	   CASE WHEN price > 250 THEN 3 WHEN price > 150 THEN 2 ELSE 1 END AS three
FROM houses;
SELECT t.target, m.task, m.algorithm, (m.metrics->>'accuracy')::float8 > 0.8 AS accurate
FROM unnest('{yes,word,bit,mood}'::text[]) AS t(target),
	 ml_train('target', 'targets', t.target, features => '{area,rooms}') AS m;
-- a number is estimated unless it is an integer with two values or the algorithm is a classifier
SELECT t.target, m.task, m.algorithm FROM unnest('{number,three}'::text[]) AS t(target),
	 ml_train('target', 'targets', t.target, features => '{area,rooms}') AS m;
SELECT task, algorithm FROM ml_train('target', 'targets', 'three', 'logistic_regression', '{area,rooms}');
SELECT task, algorithm FROM ml_train('target', 'targets', 'bit', 'linear_regression', '{area,rooms}');
SELECT task, algorithm FROM ml_train('target', 'targets', 'word', 'baseline', '{area,rooms}');
-- rows without a target are left out and counted
SELECT n_train, n_test FROM ml_train('skipped', 'SELECT area, CASE WHEN id > 100 THEN price END AS price FROM houses', 'price');
SELECT n_skipped FROM mlaas.versions WHERE name = 'skipped';

-- 5. sources

CREATE TABLE "My Houses" (LIKE houses);
INSERT INTO "My Houses" SELECT * FROM houses WHERE id <= 50;
CREATE TABLE parts (LIKE houses) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (200);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (200) TO (1000);
INSERT INTO parts SELECT * FROM houses;
CREATE VIEW small AS SELECT * FROM houses WHERE id <= 60;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM houses WHERE id <= 70;
SELECT source, n_train + n_test AS rows
FROM unnest(ARRAY['houses', 'HOUSES', ' train_test . houses ', '"My Houses"', 'train_test."My Houses"', 'parts', 'small', 'kept',
	 'TABLE houses', 'SELECT * FROM houses WHERE id <= 80', 'select * from houses where id <= 90;',
	 'WITH few AS (SELECT * FROM houses WHERE id <= 30) SELECT * FROM few ORDER BY id',
	 '(SELECT * FROM houses)', 'SELECT * FROM houses UNION ALL SELECT * FROM small',
	 'SELECT * FROM houses -- a comment',
	 'SELECT h.area, h.area + avg(h.area) OVER () AS twice, h.price FROM houses h JOIN small USING (id)']) AS source,
	 ml_train('source', source, 'price');
SELECT n_train + n_test AS rows
FROM ml_train('source', 'VALUES (1.0, 2.0), (2, 4.1), (3, 6), (4, 7.9), (5, 10), (6, 12.2)', 'column2');
-- the source is stored as given
SELECT source FROM mlaas.versions WHERE name = 'source' ORDER BY version DESC LIMIT 1;
-- a name with every kind of quote in it is a name, and a column too
CREATE TABLE "it's ""odd"";" AS SELECT area AS "a ""b"" 'c'; --", price AS "$1" FROM houses;
SELECT n_train FROM ml_train('odd', '"it''s ""odd"";"', '$1');
SELECT features_of('odd');

-- 6. validation

SELECT n_train, n_test FROM ml_train('split', 'houses', 'price', validation => '{"test_size": 0.5}');
SELECT n_train, n_test FROM ml_train('split', 'houses', 'price', validation => '{"split": "random", "test_size": 0.1, "seed": 1}');
SELECT n_train, n_test FROM ml_train('split', 'houses', 'price', validation => '{"split": "last", "order_by": "id", "test_size": 0.25}');
SELECT n_train, n_test FROM ml_train('split', 'houses', 'price', validation => '{"split": "column", "column": "garden"}');
SELECT n_train, n_test FROM ml_train('split', 'houses', 'price', validation => '{"split": "none"}');
SELECT version, validation FROM mlaas.versions WHERE name = 'split' ORDER BY version;
-- what is held out is the end, and it is not learned from: the last 100 rows are of another kind
SELECT (metrics->>'rmse')::float8 > 100 AS unforeseen
FROM ml_train('split', 'SELECT id, area, CASE WHEN id > 300 THEN price + 1000 ELSE price END AS price FROM houses', 'price',
			  validation => '{"order_by": "id", "test_size": 0.25}');
-- by class: of a rare class its share is held out
SELECT n_train, n_test
FROM ml_train('split', 'SELECT area, rooms, id % 40 = 0 AS rare FROM houses', 'rare', validation => '{"test_size": 0.2}');

-- 7. parameters, preparation, weights

SELECT version FROM ml_train('params', 'houses', 'price', 'linear_regression', params => '{"l2": 2.5}',
							 preprocess => '{"max_categories": 2, "scale": "standard"}');
SELECT (parameters->>'l2')::float8 AS l2, preprocess FROM mlaas.versions WHERE name = 'params';
-- a weight of zero is a row that is not there
SELECT abs((a.metrics->>'rmse')::float8 - (b.metrics->>'rmse')::float8) < 1e-6 AS same
FROM ml_train('weight', 'SELECT area, rooms, price, (id <= 200)::int AS w FROM houses', 'price', weight => 'w', validation => '{"split": "none"}') a,
	 ml_train('weight', 'SELECT area, rooms, price FROM houses WHERE id <= 200', 'price', validation => '{"split": "none"}') b;

-- few distinct numbers that are estimated are told of, unless what was asked for leaves no doubt
CREATE TABLE ratings AS
SELECT i % 5 + 1 AS stars, (i % 2)::float8 AS "Half", i % 12 + 1 AS month, 2006 + i % 5 AS year, (i % 3) / 2.0 AS part, (i * 37 % 101)::float8 AS x
FROM generate_series(1, 300) i;
SELECT task FROM ml_train('few', 'ratings', 'stars', features => '{x}');
SELECT task FROM ml_train('few', 'ratings', 'stars', 'random_forest', features => '{x}', params => '{"n_estimators": 3}');
SELECT task FROM ml_train('few', 'ratings', 'Half', features => '{x}');
SELECT t, task FROM unnest('{month,year,part}'::text[]) t, LATERAL ml_train('few', 'ratings', t, features => '{x}') m;
SELECT task FROM ml_train('few', 'ratings', 'stars', 'linear_regression', features => '{x}');
SELECT task FROM ml_train('few', 'ratings', 'stars', 'gradient_boosting', features => '{x}', params => '{"objective": "poisson", "n_estimators": 3}');
SELECT task FROM ml_train('few', 'ratings', 'stars', 'logistic_regression', features => '{x}');
SELECT task FROM ml_train('few', 'SELECT stars::text AS stars, x FROM ratings', 'stars');

-- 8. deployment

\set VERBOSITY terse
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{rooms}', deploy => 'never');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{rooms}');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{rooms}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{area,rooms}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{rooms}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{area,rooms,region}', deploy => 'if_better', validation => '{"split": "none"}');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'garden', features => '{id}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('deploy', 'houses', 'price', features => '{rooms}', deploy => 'always');
SELECT version, aliases FROM mlaas.versions WHERE name = 'deploy' ORDER BY version;
SELECT action, version, from_version, reason FROM mlaas.history WHERE at >= :'started' AND name = 'deploy' AND action = 'deploy' ORDER BY number;
-- what was measured is told, and kept beside the training
SELECT version, detail - 'value' - 'previous_value' AS detail, (detail->>'value')::float8 > (detail->>'previous_value')::float8 AS worse
FROM mlaas.history WHERE at >= :'started' AND name = 'deploy' AND action = 'train' AND detail IS NOT NULL ORDER BY number;
-- if_better also is the first
SELECT version, deployed FROM ml_train('better', 'houses', 'garden', features => '{area}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('better', 'houses', 'garden', features => '{area}', deploy => 'if_better');
SELECT version, deployed FROM ml_train('better', 'SELECT area, garden, id % 4 AS four FROM houses', 'garden', deploy => 'if_better');
\set VERBOSITY default

-- 9. transactions

BEGIN;
SELECT version FROM ml_train('gone', 'houses', 'price');
SELECT count(*) FROM mlaas.versions WHERE name = 'gone';
ROLLBACK;
SELECT count(*) FROM mlaas.versions WHERE name = 'gone';
BEGIN;
SELECT version FROM ml_train('kept', 'houses', 'price');
SAVEPOINT s;
SELECT version FROM ml_train('kept', 'houses', 'price');
ROLLBACK TO s;
SELECT version FROM ml_train('kept', 'houses', 'price');
COMMIT;
SELECT count(*), max(version) FROM mlaas.versions WHERE name = 'kept';
-- a training sees what its own transaction did before
BEGIN;
DELETE FROM houses WHERE id > 200;
SELECT n_train + n_test AS rows FROM ml_train('own', 'houses', 'price');
DO $$
BEGIN
	INSERT INTO houses SELECT 1000, area, rooms, region, garden, price FROM houses WHERE id = 1;
	PERFORM ml_train('own', 'houses', 'price');
END $$;
SELECT n_train + n_test AS rows FROM mlaas.versions WHERE name = 'own' ORDER BY version;
ROLLBACK;
-- settings are as before
SHOW synchronize_seqscans;

-- 10. rights

CREATE ROLE regress_train_bob;
GRANT USAGE ON SCHEMA train_test TO regress_train_bob;
GRANT SELECT (area, rooms, price) ON houses TO regress_train_bob;
CREATE TABLE own_rows (owner name, x float8, y float8);
INSERT INTO own_rows SELECT CASE WHEN i % 4 = 0 THEN 'regress_train_bob' ELSE 'else' END, i, 2 * i + i % 3 FROM generate_series(1, 100) i;
ALTER TABLE own_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON own_rows USING (owner = current_user);
GRANT SELECT ON own_rows TO regress_train_bob;
SELECT n_train + n_test AS rows FROM ml_train('rls', 'own_rows', 'y', features => '{x}');
SET ROLE regress_train_bob;
SELECT n_train + n_test AS rows FROM ml_train('bob_rls', 'own_rows', 'y', features => '{x}');
SELECT n_train + n_test AS rows FROM ml_train('bob_rls', 'SELECT x, y FROM own_rows', 'y');
-- only the columns that are read need a grant
SELECT n_train + n_test AS rows FROM ml_train('bob_columns', 'houses', 'price', features => '{area,rooms}');
SELECT name, owner FROM mlaas.models ORDER BY name;
RESET ROLE;

-- 11. many at once

SELECT n.region, t.version, t.n_train + t.n_test AS rows
FROM (SELECT DISTINCT region FROM houses) n,
	 ml_train('price_' || n.region, format('SELECT area, rooms, price FROM houses WHERE region = %L', n.region), 'price') t
ORDER BY 1;

SELECT count(ml_drop(name)) AS dropped FROM mlaas.models WHERE created_at >= :'started';
DROP SCHEMA train_test CASCADE;
DROP ROLE regress_train_bob;
