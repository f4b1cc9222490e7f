-- Trees over tables that are read twice: the same models as in one scan, and sources that are read but once.
CREATE SCHEMA streaming_test;
SET search_path = streaming_test, public;
SET client_min_messages = error;
\set VERBOSITY terse

-- numbers, a few of them NULL, integers, categories, an array; rows that come twice
CREATE TABLE made AS
SELECT i AS id, i % 400 AS team, i % 3 = 0 AS later, (i * 7919 % 10007)::int AS moment, 0.5 + i % 4 AS weight,
	   (i * 7877 % 3001)::float8 / 1500 - 1 AS a, CASE WHEN i % 5 <> 0 THEN (i * 6037 % 20011)::float8 / 1000 END AS b, i * 31 % 17 AS c,
	   CASE WHEN i % 11 <> 0 THEN 'k' || i * 31 % 13 END AS d, 'r' || i % 700 AS e, ARRAY[i * 4421 % 997, i % 7]::float8[] AS f,
	   (i * 104729 % 1009)::numeric / 7 AS g, 4.5::float8 AS h
FROM generate_series(1, 30000::bigint) i;
INSERT INTO made SELECT * FROM made WHERE id % 10 = 0;
ALTER TABLE made ADD y float8, ADD label text, ADD grade int;
UPDATE made SET y = CASE WHEN id % 50 <> 0 THEN 5 * a * coalesce(b, 3) + c + CASE WHEN d IN ('k1', 'k4') THEN 8 ELSE 0 END + f[2] END,
	label = CASE WHEN 5 * a + c + f[2] > 9 THEN 'high' ELSE 'low' END, grade = least(4, greatest(0, round(a * 2 + f[2] / 3)));
ANALYZE made;

-- One scan keeps all values; with little memory allowed, those of the features are not held, and there are two.
CREATE FUNCTION same_model(source text, target text, algorithm text, params jsonb, validation jsonb, weight text DEFAULT NULL) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	features text[] := '{a,b,c,d,e,f,g,h}';
	once record;
	twice record;
BEGIN
	SELECT * INTO once FROM ml_train('once', source, target, algorithm, features, params, validation => validation, weight => weight, deploy => 'always');
	SET LOCAL mlaas.max_memory = '12MB';
	SELECT * INTO twice FROM ml_train('twice', source, target, algorithm, features, params, validation => validation, weight => weight, deploy => 'always');
	RESET mlaas.max_memory;
	RETURN ml_model('once')::text = ml_model('twice')::text AND once.metrics = twice.metrics AND once.n_train + once.n_test > 20000;
END $$;

-- 1. the same model either way: splits, weights, classes, learners

SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 5}', '{}');
SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 5}', '{"split": "none"}', 'weight');
SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 5}', '{"split": "random", "seed": 3}', 'weight');
SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 5}', '{"order_by": "moment"}');
SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 5}', '{"column": "later"}');
SELECT same_model('made', 'label', 'gradient_boosting', '{"n_estimators": 5, "early_stopping_rounds": 2}', '{}', 'weight');
SELECT same_model('made', 'grade', 'gradient_boosting', '{"n_estimators": 3, "objective": "lambdarank", "group": "team"}', '{}');
SELECT same_model('made', 'y', 'gradient_boosting', '{"n_estimators": 3, "init_score": "moment", "max_bins": 30}', '{}');
SELECT same_model('made', 'label', 'decision_tree', '{"max_depth": 6}', '{}');
SELECT same_model('made', 'grade', 'random_forest', '{"n_estimators": 2, "max_depth": 6}', '{}');

-- 2. sources: a view, a join, a partitioned table, rows that only some may see

CREATE VIEW seen AS SELECT m.*, a * 2 AS double_a FROM made m JOIN (VALUES (0), (1), (2)) t (rest) ON m.id % 4 = t.rest;
SELECT same_model('seen', 'y', 'gradient_boosting', '{"n_estimators": 3}', '{}');
CREATE TABLE parts (LIKE made) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (15000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (15000) TO (40000);
INSERT INTO parts SELECT * FROM made;
SELECT same_model('parts', 'y', 'gradient_boosting', '{"n_estimators": 3}', '{}');
CREATE ROLE streaming_reader;
GRANT USAGE ON SCHEMA streaming_test TO streaming_reader;
GRANT SELECT ON made, parts TO streaming_reader;
ALTER TABLE made ENABLE ROW LEVEL SECURITY;
CREATE POLICY part ON made FOR SELECT TO streaming_reader USING (id % 20 <> 0);
SET ROLE streaming_reader;
SET mlaas.max_memory = '12MB';
SELECT n_train + n_test AS rows FROM ml_train('reader_streams', 'made', 'y', 'gradient_boosting', '{a,b,c,d,e,f,g,h}', '{"n_estimators": 3}');
RESET mlaas.max_memory;
SELECT n_train + n_test AS rows FROM ml_train('reader_holds', 'made', 'y', 'gradient_boosting', '{a,b,c,d,e,f,g,h}', '{"n_estimators": 3}');
SELECT ml_model('reader_streams')::text = ml_model('reader_holds')::text AS same_model;
SELECT ml_drop('reader_streams'), ml_drop('reader_holds');
RESET ROLE;

-- 3. what may give other rows the second time is read once

SET mlaas.max_memory = '12MB';
SELECT n_train + n_test AS rows FROM ml_train('volatile', 'SELECT a, b, c, d, e, f, g, h, y + random() / 100 AS y FROM made', 'y', 'gradient_boosting', params => '{"n_estimators": 2}');
SELECT n_train + n_test > 2000 AS rows FROM ml_train('sampled', 'SELECT a, b, c, d, e, f, g, h, y FROM made TABLESAMPLE bernoulli (90)', 'y', 'gradient_boosting', params => '{"n_estimators": 2}');
SELECT n_train + n_test AS rows FROM ml_train('limited', 'SELECT a, b, c, d, e, f, g, h, y FROM made WHERE y IS NOT NULL LIMIT 25000', 'y', 'gradient_boosting', params => '{"n_estimators": 2}');

-- 4. a function that is not what it says it is: found out, since the rows are read twice

CREATE FUNCTION stable_noise(float8) RETURNS float8 LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN random(); END $$;
SELECT ml_train('liar', 'SELECT a, b + stable_noise(a) AS b, c, d, e, f, g, h, y FROM made', 'y', 'gradient_boosting', params => '{"n_estimators": 2}');
SELECT ml_train('liar', 'SELECT a, b, c, d, e, f, g, h, y FROM made WHERE stable_noise(a) < 0.95', 'y', 'gradient_boosting', params => '{"n_estimators": 2}');

-- 5. bad rows are told as ever

SELECT ml_train('bad', 'SELECT id, a, b, c, d, e, f, g, CASE WHEN id = 29999 THEN ''NaN'' ELSE h END AS h, y FROM made', 'y', 'gradient_boosting');
SELECT ml_train('bad', 'SELECT id, a, b, c, d, e, CASE WHEN id = 29999 THEN f[1:1] ELSE f END AS f, g, h, y FROM made', 'y', 'gradient_boosting');
SELECT ml_train('bad', 'SELECT id, a, b, c, d, e, f, g, h, 1 AS y FROM made', 'y', 'gradient_boosting', params => '{"objective": "squared_error"}');
SELECT ml_train('bad', 'SELECT a, b, c, d, e, f, g, h, y, -weight AS weight FROM made', 'y', 'gradient_boosting', weight => 'weight');
RESET mlaas.max_memory;

SELECT count(ml_drop(name)) FROM mlaas.models WHERE name IN ('once', 'twice', 'volatile', 'sampled', 'limited');
DROP SCHEMA streaming_test CASCADE;
DROP OWNED BY streaming_reader;
DROP ROLE streaming_reader;
