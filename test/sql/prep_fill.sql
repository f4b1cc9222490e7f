-- forward fill: training rows take the last value before them, all others the last one of the training
CREATE SCHEMA prep_fill;
SET search_path = prep_fill, public;
SET client_min_messages = warning;
\set VERBOSITY terse

-- two rows a moment and shop; rows in no order
CREATE TABLE sales AS
SELECT (i * 7919) % 600 AS id,
	   timestamp '2024-01-01' + (i / 6) * interval '7 hours' AS at,
	   (ARRAY['east', 'north', 'west'])[1 + i % 3] AS shop,
	   CASE WHEN i > 20 AND (i * 31) % 7 > 2 THEN ((i * 37) % 101)::float8 END AS stock,
	   CASE WHEN i > 10 AND (i * 53) % 5 > 1 THEN (ARRAY['low', 'mid', 'high'])[1 + (i * i) % 3] END AS level,
	   CASE WHEN (i * 17) % 4 > 0 THEN date '2020-01-01' + (i * 11) % 300 END AS since,
	   sin(i) + (i % 5) AS y
FROM generate_series(0, 599) i
ORDER BY md5(i::text);

-- what a forward fill says, in SQL: the last moment up to the row's own that has a value; of its values the largest
CREATE FUNCTION filled_stock(sales) RETURNS float8 LANGUAGE sql STABLE
AS $$ SELECT coalesce($1.stock, (SELECT s.stock FROM sales s WHERE s.shop = $1.shop AND s.at <= $1.at AND s.stock IS NOT NULL ORDER BY s.at DESC, s.stock DESC LIMIT 1),
					  (SELECT avg(stock) FROM sales)) $$;
CREATE FUNCTION filled_level(sales) RETURNS text LANGUAGE sql STABLE
AS $$ SELECT coalesce($1.level, (SELECT s.level FROM sales s WHERE s.at <= $1.at AND s.level IS NOT NULL ORDER BY s.at DESC, s.level COLLATE "C" DESC LIMIT 1),
					  (SELECT mode() WITHIN GROUP (ORDER BY level) FROM sales)) $$;
CREATE FUNCTION filled_since(sales) RETURNS date LANGUAGE sql STABLE
AS $$ SELECT coalesce($1.since, (SELECT s.since FROM sales s WHERE s.shop = $1.shop AND s.at <= $1.at AND s.since IS NOT NULL ORDER BY s.at DESC, s.since DESC LIMIT 1)) $$;
CREATE TABLE filled AS SELECT id, filled_stock(s) AS stock, filled_level(s) AS level, filled_since(s) AS since, shop, y FROM sales s;

CREATE FUNCTION train(preprocess jsonb, algorithm text DEFAULT 'linear_regression', features text[] DEFAULT '{stock, shop}', validation jsonb DEFAULT '{"split": "none"}') RETURNS text
LANGUAGE sql AS $$ SELECT name FROM ml_train('sale', 'sales', 'y', algorithm, features, preprocess => preprocess, validation => validation, deploy => 'always',
											 params => CASE WHEN algorithm LIKE '%boosting' THEN '{"n_estimators": 5}' ELSE '{}' END::jsonb) $$;
CREATE FUNCTION names() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(c ->> 'name', ', ' ORDER BY n) FROM jsonb_array_elements(ml_describe('sale') #> '{preparation,columns}') WITH ORDINALITY c (c, n) $$;
CREATE FUNCTION steps(name text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT c -> 'steps' FROM jsonb_array_elements(ml_describe('sale') #> '{preparation,columns}') c WHERE c ->> 'name' = steps.name $$;
-- are the coefficients those of the columns that SQL has filled?
CREATE FUNCTION as_filled_by_sql(preprocess jsonb, features text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM train(preprocess, features => features);
	PERFORM ml_train('by sql', 'filled', 'y', 'linear_regression', features, preprocess => '{"missing_indicator": false}', validation => '{"split": "none"}', deploy => 'always');
	RETURN (SELECT bool_and(abs(a.estimate - b.estimate) < 1e-9 * greatest(1, abs(b.estimate))) AND count(*) > 1 FROM ml_coefficients('sale') a FULL JOIN ml_coefficients('by sql') b USING (feature));
END $$;

---- numbers, categories and dates, by group and not
SELECT as_filled_by_sql('{"missing_indicator": false, "columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}', '{stock, shop}') AS stock;
SELECT names(), steps('stock');
SELECT as_filled_by_sql('{"missing_indicator": false, "columns": {"level": {"impute": "forward_fill", "order_by": "at"}}}', '{level, shop}') AS level;
SELECT names(), steps('level=low');
SELECT as_filled_by_sql('{"missing_indicator": false, "columns": {"since": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}', '{since, shop}') AS since;
SELECT names(), steps('since');
-- the order in which rows are read changes nothing
SELECT name FROM ml_train('sale', 'SELECT * FROM sales ORDER BY id', 'y', 'linear_regression', '{stock, level, shop}',
	preprocess => '{"number": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}, "category": {"impute": "forward_fill", "order_by": "at"}}', deploy => 'always');
SELECT identical, row_digest_same FROM ml_reproduce('sale', 'SELECT * FROM sales ORDER BY id DESC');

---- a row of a prediction knows no neighbours
SELECT train('{"scale": "none", "drop": ["shop"], "columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}'), names();
SELECT shop, ml_transform('sale', NULL::float8, shop) AS prepared, (SELECT max(stock) FROM sales s WHERE s.shop = w.shop AND at = (SELECT max(at) FROM sales l WHERE l.shop = w.shop AND l.stock IS NOT NULL)) AS last
FROM (VALUES ('east'), ('north'), ('west')) w (shop);
SELECT ml_transform('sale', NULL::float8, 'nowhere') AS unseen, ml_transform('sale', NULL::float8, NULL) AS nobody, ml_transform('sale', 5::float8, 'east') AS known,
	   (SELECT max(stock) FROM sales WHERE at = (SELECT max(at) FROM sales WHERE stock IS NOT NULL)) AS last;
SELECT ml_inverse_transform('sale', '{5, 1}');
-- so do rows held out, by the same code
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}', validation => '{"order_by": "at", "test_size": 0.2}');
SELECT abs((metrics ->> 'rmse')::float8 - (SELECT value FROM ml_evaluate('sale', 'SELECT * FROM sales ORDER BY at DESC LIMIT 120') WHERE metric = 'rmse')) < 1e-12 AS same
FROM mlaas.models WHERE name = 'sale';
SELECT (steps('stock') #>> '{0,last}')::float8 = (SELECT max(stock) FROM sales WHERE at = (SELECT max(at) FROM (SELECT * FROM sales ORDER BY at LIMIT 480) t WHERE stock IS NOT NULL)) AS last_of_training;

---- one row is as many, to the last bit; so is the text form; for every learner and encoding
CREATE VIEW more AS SELECT * FROM sales UNION ALL SELECT 1001, NULL, 'nowhere', NULL, 'new', NULL, 0 UNION ALL SELECT 1002, NULL, NULL, NULL, NULL, NULL, 0;
CREATE FUNCTION same_everywhere() RETURNS boolean
LANGUAGE sql AS $$
	SELECT bool_and(b.prediction = ml_predict('sale', m) AND b.prediction = ml_predict(ml_model('sale')::text::ml_model, m))
	FROM ml_predict_batch('sale', 'more', 'id') b JOIN more m ON m.id = b.key::int WHERE m.id % 9 = 0 OR m.id > 600
$$;
SELECT a AS algorithm, e AS encode, train(jsonb_build_object('number', n, 'category', n || jsonb_build_object('encode', e)), a, '{stock, level, since, shop}') AS name, same_everywhere(), names()
FROM unnest('{linear_regression,gradient_boosting}'::text[]) a, unnest('{one_hot,label,frequency,target}'::text[]) e, (VALUES ('{"impute": "forward_fill", "order_by": "at", "group_by": "shop"}'::jsonb)) v (n);
SELECT train('{"columns": {"since": {"impute": "forward_fill", "order_by": "at", "date": ["month", "day_of_week"], "cyclic": true}, "stock": {"impute": "forward_fill", "order_by": "id", "scale": "robust"}},
			  "interactions": [["stock", "stock"]], "select": {"variance": 1e-9}}', features => '{stock, since, id}'), names(), same_everywhere();
SELECT feature FROM ml_importance('sale', 'permutation', 'sales') WHERE importance <> 0 ORDER BY feature;
SELECT train('{"number": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}, "select": {"mutual_information": 1}, "drop": ["shop"]}', 'gradient_boosting'), names(), same_everywhere();
-- the column that orders may be a feature, and is none by default
SELECT jsonb_path_query_array(ml_describe('sale') -> 'features', '$[*].name') AS features
FROM ml_train('sale', 'SELECT at, stock, shop, y FROM sales', 'y', 'linear_regression', preprocess => '{"columns": {"stock": {"impute": "forward_fill", "order_by": "at"}}}', deploy => 'always');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "at"}}}', features => '{stock, at}'), names();
-- groups of numbers, and a category whose strings would share a level
SELECT train('{"missing_indicator": false, "scale": "none", "columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "id"}}, "drop": ["id"]}', features => '{stock, id}'), names(), steps('stock') #>> '{0,groups}' AS groups;
SELECT train('{"max_categories": 1, "columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}'), names(), steps('stock') #>> '{0,groups}' AS groups;

---- the ways of training
SELECT identical, bytes_identical FROM ml_reproduce('sale');
SELECT count(*) FROM ml_cross_validate('sales', 'y', 'linear_regression', '{stock, shop}', preprocess => '{"columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}',
	validation => '{"folds": 4, "order_by": "at"}') WHERE metric = 'rmse';
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}', validation => '{"folds": 3}');
SELECT deployed IS NOT NULL AS compared FROM ml_train('sale', 'sales', 'y', 'linear_regression', '{shop}', deploy => 'if_better');
SELECT u.n_train FROM ml_update('sale', 'SELECT stock, shop, y FROM sales') u;
SELECT n_train FROM ml_train('sale', 'sales', 'y', 'random_forest', '{stock, shop}', '{"n_estimators": 3}', '{"columns": {"stock": {"impute": "forward_fill", "order_by": "at"}}}', deploy => 'always');
SELECT identical FROM ml_reproduce('sale');
SELECT * FROM ml_oob_predict('sale', 'sales', 'id');
SELECT ml_tree_sql('sale');
SELECT DISTINCT ml_transform(model, NULL::float8, shop)
FROM (SELECT ml_fit_preprocess('sales', '{"scale": "none", "drop": ["shop"], "number": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}', '{stock, shop}') AS model) f, sales ORDER BY 1;
SELECT train('{"drop": ["shop"], "columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}}}');
SELECT ml_predict(ml_pipeline(ARRAY[ml_model('sale')]), '{"stock": null, "shop": "west"}'::jsonb) = ml_predict('sale', '{"stock": null, "shop": "west"}'::jsonb) AS same;

---- what is refused
SELECT train('{"columns": {"stock": {"impute": "forward_fill"}}}');
SELECT train('{"columns": {"stock": {"impute": "mean", "order_by": "at"}}}');
SELECT train('{"columns": {"stock": {"group_by": "shop"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "when"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "shop"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "y"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "since"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "stock"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "level"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": "at", "group_by": "shop"}, "shop": {"encode": "hash"}}}');
SELECT train('{"columns": {"stock": {"impute": "forward_fill", "order_by": 1}}}');
SELECT ml_train('sale', 'SELECT *, y > 2 AS high FROM sales', 'high', 'logistic_regression', '{stock}', preprocess => '{"number": {"impute": "forward_fill", "order_by": "at"}}', validation => '{"sampling": "smote"}');
-- a column that is NULL throughout has nothing to fill with
SELECT names() FROM ml_train('sale', 'SELECT *, NULL::text AS nothing, NULL::float8 AS none FROM sales', 'y', 'linear_regression', '{stock, nothing, none}',
	preprocess => '{"number": {"impute": "forward_fill", "order_by": "at"}, "category": {"impute": "forward_fill", "order_by": "at"}}', deploy => 'always');

SELECT count(ml_drop(name)) FROM mlaas.models WHERE name IN ('sale', 'by sql');
DROP SCHEMA prep_fill CASCADE;
