-- preprocess: steps of single columns, fitted on the training rows and kept in the model
CREATE SCHEMA preprocess;
SET search_path = preprocess, public;
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE TABLE trips AS
SELECT i AS id,
	   CASE WHEN i % 10 <> 0 THEN ((i * 37) % 101)::float8 END AS km,
	   exp(((i * 53) % 97) / 20.0) AS price,
	   CASE WHEN i % 9 <> 0 THEN (ARRAY['low', 'mid', 'high'])[1 + i % 3] END AS class,
	   'c' || (i * i) % 40 AS city,
	   timestamp '2024-01-01' + i * interval '7 hours' AS at,
	   3 * ((i * 37) % 101) + 10 * (i % 3) + sin(i) AS y
FROM generate_series(1, 600) i;

CREATE FUNCTION train(preprocess jsonb, algorithm text DEFAULT 'linear_regression') RETURNS text
LANGUAGE sql AS $$ SELECT name FROM ml_train('trip', 'trips', 'y', algorithm, features => '{km, price, class, city, at}', preprocess => preprocess,
											 params => CASE WHEN algorithm LIKE '%boosting' THEN '{"n_estimators": 10}' ELSE '{}' END::jsonb,
											 validation => '{"split": "none"}', deploy => 'always') $$;
-- what a prepared column of the last model is
CREATE FUNCTION prepared(name text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT c FROM jsonb_array_elements(ml_describe('trip') #> '{preparation,columns}') c WHERE c ->> 'name' = prepared.name $$;
CREATE FUNCTION names() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(c ->> 'name', ', ' ORDER BY n) FROM jsonb_array_elements(ml_describe('trip') #> '{preparation,columns}') WITH ORDINALITY c (c, n) $$;
CREATE FUNCTION near(a float8, b float8) RETURNS boolean LANGUAGE sql AS $$ SELECT abs(a - b) <= 1e-12 * greatest(1, abs(b)) $$;

---- numbers: impute and scale
SELECT train('{"keep": ["km"], "columns": {"km": {"impute": "median", "scale": "minmax"}}}');
SELECT names(), near((prepared('km') #>> '{steps,0,value}')::float8, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY km) FROM trips)) AS median,
	   near((prepared('km') ->> 'center')::float8, 0) AND near((prepared('km') ->> 'scale')::float8, 100) AS minmax;
SELECT train('{"scale": "robust", "drop": ["class", "city", "at"]}');
SELECT names(), near((prepared('price') ->> 'center')::float8, percentile_cont(0.5) WITHIN GROUP (ORDER BY price)) AS center,
	   near((prepared('price') ->> 'scale')::float8, percentile_cont(0.75) WITHIN GROUP (ORDER BY price) - percentile_cont(0.25) WITHIN GROUP (ORDER BY price)) AS scale
FROM trips;
SELECT train('{"keep": ["km", "price"], "number": {"scale": "maxabs", "missing_indicator": false}, "columns": {"price": {"scale": "standard"}}}');
SELECT names(), near((prepared('km') ->> 'scale')::float8, 100) AS maxabs, near((prepared('price') ->> 'scale')::float8, stddev_pop(price)) AS standard FROM trips;
SELECT s AS impute, train(jsonb_build_object('keep', '["km"]'::jsonb, 'number', jsonb_build_object('impute', s, 'fill', 7))) IS NOT NULL AS trained,
	   prepared('km') #>> '{steps,0,value}' AS value
FROM unnest('{mode,zero,min,max,constant}'::text[]) s;

---- the coefficients speak of the columns as they were given, whatever was scaled
SELECT train('{"keep": ["km"], "number": {"scale": "minmax", "impute": "zero", "missing_indicator": false}}');
SELECT feature, near(c.estimate, CASE feature WHEN 'km' THEN r.slope ELSE r.intercept END) AS same
FROM ml_coefficients('trip') c, (SELECT regr_slope(y, coalesce(km, 0)) slope, regr_intercept(y, coalesce(km, 0)) intercept FROM trips) r;

---- clip, transform, bin
SELECT train('{"keep": ["km", "price"], "columns": {"price": {"clip": [0.05, 0.95], "transform": "log1p"}, "km": {"clip_values": [10, null], "bin": {"edges": [30, 60], "as": "one_hot"}}}}');
SELECT names();
SELECT near((prepared('log1p(clip(price))') #>> '{steps,0,low}')::float8, percentile_cont(0.05) WITHIN GROUP (ORDER BY price)) AS low,
	   near((prepared('log1p(clip(price))') #>> '{steps,0,high}')::float8, percentile_cont(0.95) WITHIN GROUP (ORDER BY price)) AS high FROM trips;
SELECT train('{"keep": ["price"], "columns": {"price": {"bin": 4}}}');
SELECT names(), prepared('bin(price)') #> '{steps,0,edges}' = (SELECT to_jsonb(percentile_cont('{0.25,0.5,0.75}'::float8[]) WITHIN GROUP (ORDER BY price)) FROM trips) AS quartiles;

---- one row is as many, to the last bit; so is the text form; trees take steps too
CREATE VIEW more_trips AS SELECT * FROM trips UNION ALL SELECT 1001, 1, NULL, 'new', 'new', NULL, 0 UNION ALL SELECT 1002, -50, -1, '', 'c1', '1969-02-28', 0;
CREATE FUNCTION same_everywhere() RETURNS boolean
LANGUAGE sql AS $$
	SELECT bool_and(b.prediction = ml_predict('trip', t) AND b.prediction = ml_predict(ml_model('trip')::text::ml_model, t))
	FROM ml_predict_batch('trip', 'SELECT * FROM more_trips', 'id') b JOIN more_trips t ON t.id = b.key::int
$$;
SELECT a, train('{"columns": {"km": {"impute": "mean", "transform": "yeo_johnson", "scale": "robust"}, "price": {"transform": "box_cox"},
		  "class": {"encode": "ordinal", "order": ["low", "mid", "high"], "impute": "mode"}, "city": {"encode": "target", "smoothing": 10},
		  "at": {"date": ["year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "elapsed"], "since": "2024-01-01"}}}', a) IS NOT NULL AS trained,
	   same_everywhere(), names()
FROM unnest('{linear_regression,gradient_boosting}'::text[]) a;
SELECT e AS encode, train(jsonb_build_object('drop', '["at"]'::jsonb, 'category', jsonb_build_object('encode', e, 'buckets', 4))) IS NOT NULL AS trained, same_everywhere(), names()
FROM unnest('{label,frequency,target,hash}'::text[]) e;
SELECT train('{"keep": ["at"], "columns": {"at": {"date": ["day_of_week", "hour", "elapsed"], "cyclic": true, "rename": "start"}}}'), names(), same_everywhere();

---- an encoding by the target does not leak: of a category that says nothing, nothing is learned
CREATE TABLE noise AS SELECT i AS id, 'k' || (i * 7919) % 300 AS k, ((i * 104729) % 1009)::float8 AS y FROM generate_series(1, 1200) i;
SELECT round((metrics ->> 'r2')::numeric, 1) AS r2 FROM ml_train('noise', 'noise', 'y', 'linear_regression', features => '{k}', validation => '{"split": "none"}',
	preprocess => '{"columns": {"k": {"encode": "target", "smoothing": 0}}}');

---- products of columns, and the choice among them
SELECT train('{"keep": ["km", "price", "city"], "columns": {"city": {"encode": "frequency"}, "km": {"impute": "mean", "scale": "minmax"}}, "interactions": [["km", "price"], ["city", "city", "km"]]}'),
	   names(), same_everywhere();
SELECT feature FROM ml_coefficients('trip') ORDER BY feature COLLATE "C";
SELECT * FROM ml_explain('trip', (SELECT t FROM trips t LIMIT 1));
SELECT train('{"keep": ["km", "price"], "missing_indicator": false, "polynomial": {"degree": 3}}'), names();
SELECT train('{"keep": ["km", "price"], "missing_indicator": false, "polynomial": {"degree": 2, "interaction_only": true}}', 'gradient_boosting'), names(), same_everywhere();
SELECT feature FROM ml_importance('trip') WHERE importance > 0 ORDER BY feature;
SELECT train('{"select": {"mutual_information": 2}, "drop": ["class"]}'), names() ~ 'km' AS has_km, same_everywhere();
SELECT train('{"keep": ["km", "price"], "columns": {"price": {"bin": 2}}, "missing_indicator": false, "interactions": [["price", "km"]], "select": {"variance": 1, "correlation": 0.99}}'), names();

---- a preparation without a learner
CREATE VIEW prepared_trips AS
SELECT id, ml_transform_json(p.model, t) AS numbers
FROM (SELECT ml_fit_preprocess('trips', '{"columns": {"km": {"impute": "zero", "scale": "maxabs"}, "class": {"encode": "label", "scale": "none"}}}', '{km, class}') AS model) p, trips t;
SELECT * FROM prepared_trips WHERE id IN (1, 9, 10) ORDER BY id;
CREATE TABLE fitted AS
SELECT ml_fit_preprocess('trips', '{"columns": {"price": {"transform": "box_cox", "scale": "robust"}, "city": {"encode": "target"}}}', '{km, price, city}', 'y') AS model;
SELECT ml_describe(model) - 'preparation' - 'training' - 'bytes' - 'learned' FROM fitted;
SELECT bool_and(ml_transform(model, t) = ml_transform(model, t.km, t.price, t.city) AND ml_transform(model, t) = ml_transform(model::text::ml_model, to_jsonb(t))) AS same,
	   bool_and(ml_inverse_transform(model, ml_transform(model, t)) ?& '{km,price}') AS both,
	   bool_and(near((ml_inverse_transform(model, ml_transform(model, t)) ->> 'price')::float8, t.price)) AS back
FROM fitted, trips t WHERE km IS NOT NULL;
-- in training, an encoding by the target is that of the other rows; here, it is that of all
SELECT bool_and(near((ml_transform_json(model, t) ->> 'target(city)')::float8, (m.sum + 20 * m.mean) / (m.n + 20))) AS smoothed
FROM (SELECT ml_fit_preprocess('trips', '{"scale": "none", "columns": {"city": {"encode": "target"}}}', '{city}', 'y') AS model) f, trips t
JOIN (SELECT city, sum(y), count(*) AS n, (SELECT avg(y) FROM trips) AS mean FROM trips GROUP BY city) m USING (city);
-- of any model: what its learner sees; a missing value of trees is NULL
SELECT train('{"keep": ["km", "class"]}', 'gradient_boosting'), names();
SELECT ml_transform('trip', t) FROM trips t WHERE id IN (1, 10) ORDER BY id;
SELECT ml_transform(NULL::text, 1);
SELECT ml_predict(model, t) FROM fitted, trips t;
SELECT ml_inverse_transform(model, '{1}') FROM fitted;
SELECT ml_fit_preprocess('trips', '{"columns": {"city": {"encode": "target"}}}', '{city}');
SELECT ml_fit_preprocess('trips', '{"select": {"mutual_information": 1}}', '{km}');
SELECT ml_fit_preprocess('trips', '{"colums": {}}');
SELECT ml_fit_preprocess(NULL);
SELECT ml_train('t', 'trips', 'y', 'transform');

---- what is refused
SELECT train('{"columns": {"prize": {"drop": true}}}');
SELECT train('{"columns": {"price": {"impute": "middle"}}}');
SELECT train('{"columns": {"price": {"inpute": "mean"}}}');
SELECT train('{"columns": {"class": {"scale": "minmax", "clip": [0, 1]}}}');
SELECT train('{"columns": {"price": {"encode": "target"}}}');
SELECT train('{"columns": {"km": {"transform": "box_cox"}}}');
SELECT train('{"columns": {"km": {"clip_values": [-2, 5], "transform": "log1p", "lambda": 1}}}');
SELECT train('{"columns": {"km": {"impute": "error"}}}');
SELECT train('{"columns": {"km": {"impute": "forward_fill"}}}');
SELECT train('{"columns": {"km": {"impute": "constant"}}}');
SELECT train('{"columns": {"km": {"clip": [0.9, 0.1]}}}');
SELECT train('{"columns": {"km": {"clip": [1, 99]}}}');
SELECT train('{"columns": {"km": {"bin": {"edges": [3, 2]}}}}');
SELECT train('{"columns": {"km": {"bin": {"edges": [3], "n": 2}}}}');
SELECT train('{"columns": {"km": {"date": ["hour"]}}}');
SELECT train('{"columns": {"at": {"date": ["hours"]}}}');
SELECT train('{"columns": {"at": {"date": ["elapsed"], "since": "2024-02-30"}}}');
SELECT train('{"columns": {"class": {"encode": "ordinal", "order": ["low", "mid"]}}}');
SELECT train('{"columns": {"class": {"encode": "ordinal"}}}');
SELECT train('{"columns": {"class": {"encode": "hash", "buckets": 1}}}');
SELECT train('{"columns": {"class": {"encode": "label", "max_categories": 3}}}');
SELECT train('{"keep": "km"}');
SELECT train('{"interactions": [["km"]]}');
SELECT train('{"interactions": [["km", "class"]]}');
SELECT train('{"interactions": [["km", "prize"]]}');
SELECT train('{"polynomial": {"degree": 9}}');
SELECT train('{"polynomial": {"grade": 2}}');
SELECT train('{"select": {"correlation": 2}}');
SELECT train('{"select": {"variance": 1e30}}');
SELECT train('{"drop": ["km", "price", "class", "city", "at"]}');
SELECT train('{"columns": {"km": {"scale": "minmax"}}, "scale": "minmax"}', 'gradient_boosting');
-- a column that must not be NULL
SELECT train('{"columns": {"price": {"impute": "error"}}}');
SELECT ml_predict('trip', '{"km": 1, "price": null, "class": "low", "city": "c1", "at": "2024-01-01"}'::jsonb);
-- a string that an order misses, where a number was given for it
SELECT train('{"keep": ["class"], "columns": {"class": {"encode": "ordinal", "order": ["low", "mid"], "unseen": 5}}}'), prepared('ordinal(class)') #> '{steps,0,codes}';

SELECT count(ml_drop(name)) FROM (SELECT DISTINCT name FROM mlaas.models WHERE name IN ('trip', 'noise')) m;
DROP SCHEMA preprocess CASCADE;
