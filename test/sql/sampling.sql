-- Classes of unequal size: class weights, rows left out, counted several times, made up.
CREATE SCHEMA sampling_test;
SET search_path = sampling_test, public;
\set SHOW_CONTEXT never

CREATE TABLE cards AS
SELECT i AS id, a, b, i % 20 = 0 AS stolen, CASE WHEN i % 20 = 0 THEN 'stolen' WHEN i % 20 < 4 THEN 'lost' ELSE 'fine' END AS state, a > 0 AS flag,
	   CASE WHEN a > 0 THEN 'x' ELSE 'y' END AS kind
FROM (SELECT i, hashint4(i) / 2147483648.0 + (i % 20 = 0)::int AS a, hashint4(i + 8000) / 2147483648.0 + (i % 20 < 4)::int AS b FROM generate_series(1, 2000) i) x;
CREATE FUNCTION sampled(target text, validation jsonb, algorithm text = 'logistic_regression', OUT n_train bigint, OUT n_test bigint, OUT recall float8, OUT accuracy float8) LANGUAGE plpgsql AS $$
DECLARE m jsonb;
BEGIN
	SELECT t.n_train, t.n_test INTO n_train, n_test FROM ml_train('sampled', 'cards', target, algorithm, '{a,b}', validation => sampled.validation, deploy => 'always') t;
	SELECT round((metrics->>'recall')::numeric, 2), round((metrics->>'accuracy')::numeric, 2) INTO recall, accuracy FROM mlaas.versions WHERE name = 'sampled' ORDER BY version DESC LIMIT 1;
END $$;

-- held-out rows stay what they are; what is rare is found more often
SELECT v, s.* FROM unnest(ARRAY['{}', '{"sampling": "under"}', '{"sampling": "over"}', '{"sampling": "smote"}', '{"sampling": "over", "sampling_ratio": 0.2}']::jsonb[]) v, sampled('stolen', v) s;
SELECT v, n_train, n_test FROM unnest(ARRAY['{"sampling": "under", "split": "none"}', '{"sampling": "under", "sampling_ratio": 0.5, "split": "none"}']::jsonb[]) v, sampled('state', v);
SELECT d->'sampling' AS sampling, d->'sampling_ratio' AS ratio FROM (SELECT ml_describe('sampled')->'training' AS d) x;
SELECT validation FROM mlaas.versions WHERE name = 'sampled' ORDER BY version DESC LIMIT 1;
-- over: as if the rows came so often (19 times)
SELECT count(*) FROM sampled('stolen', '{"sampling": "over", "split": "none"}');
SELECT name FROM ml_train('weighted', 'SELECT *, CASE WHEN stolen THEN 19 ELSE 1 END AS w FROM cards', 'stolen', 'logistic_regression', '{a,b}', weight => 'w', validation => '{"split": "none"}');
SELECT max(abs(ml_probability('sampled', 'true', c) - ml_probability('weighted', 'true', c))) < 1e-9 AS same FROM cards c;
-- and so it is with balanced class weights, but for a factor of all rows and so of the penalty
SELECT name FROM ml_train('balanced', 'cards', 'stolen', 'logistic_regression', '{a,b}', '{"class_weight": "balanced", "l2": 0}', validation => '{"split": "none"}');
SELECT name FROM ml_train('weighted', 'SELECT *, CASE WHEN stolen THEN 19 ELSE 1 END AS w FROM cards', 'stolen', 'logistic_regression', '{a,b}', '{"l2": 0}', weight => 'w', validation => '{"split": "none"}', deploy => 'always');
SELECT max(abs(ml_probability('balanced', 'true', c) - ml_probability('weighted', 'true', c))) < 1e-6 AS same FROM cards c;
SELECT name FROM ml_train('mapped', 'cards', 'stolen', 'logistic_regression', '{a,b}', '{"class_weight": {"true": 19}, "l2": 0}', validation => '{"split": "none"}');
SELECT max(abs(ml_probability('mapped', 'true', c) - ml_probability('weighted', 'true', c))) < 1e-6 AS same FROM cards c;
-- the same call gives the same model, in whatever order rows are read and on any number of threads
CREATE FUNCTION digest_of(source text, sampling text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM ml_train('digest', source, 'state', 'gradient_boosting', '{a,b}', '{"n_estimators": 3}', validation => jsonb_build_object('sampling', sampling), deploy => 'always');
	RETURN md5(ml_model('digest')::text);
END $$;
SELECT s, digest_of('cards', s) = digest_of('cards', s) AS repeatable FROM unnest('{under,over,smote}'::text[]) s;
SET mlaas.max_threads = 1;
SELECT digest_of('cards', 'smote') AS one \gset
SET mlaas.max_threads = 8;
SELECT digest_of('cards', 'smote') = :'one' AS threads;
RESET mlaas.max_threads;
SELECT digest_of('cards', 'under') = digest_of('SELECT * FROM cards ORDER BY id DESC', 'under') AS order_of_rows;
-- vectors, NULLs and a class of one row
SELECT n_train FROM ml_train('vectors', 'SELECT ARRAY[a, b] AS v, CASE WHEN id % 3 > 0 THEN a END AS n, CASE WHEN id = 1 THEN ''one'' ELSE state END AS state FROM cards', 'state', 'random_forest', NULL, '{"n_estimators": 3}',
							 validation => '{"sampling": "smote", "split": "none"}');
-- folds
SELECT count(*), bool_and(value > 0.8) AS good FROM ml_cross_validate('cards', 'stolen', 'logistic_regression', '{a,b}', validation => '{"folds": 4, "sampling": "smote"}') WHERE metric = 'roc_auc';

SELECT * FROM sampled('a', '{"sampling": "over"}', 'linear_regression');
SELECT * FROM sampled('id', '{"sampling": "over"}', 'linear_regression');
SELECT * FROM sampled('stolen', '{"sampling": "ovr"}');
SELECT * FROM sampled('stolen', '{"sampling": "over", "sampling_ratio": 0}');
SELECT * FROM sampled('stolen', '{"sampling": "over", "sampling_ratio": 1.5}');
SELECT * FROM sampled('stolen', '{"sampling_ratio": 0.5}');
SELECT count(*) FROM ml_train('bad', 'cards', 'stolen', 'logistic_regression', '{a,kind}', validation => '{"sampling": "smote"}');
SELECT count(*) FROM ml_train('bad', 'cards', 'stolen', 'logistic_regression', '{a,b}', weight => 'id', validation => '{"sampling": "smote"}');
SELECT count(*) FROM ml_train('bad', 'cards', 'stolen', 'logistic_regression', '{a,b}', '{"class_weight": {"yes": 2}}');

SELECT ml_drop(name) > 0 AS dropped FROM unnest('{sampled,weighted,balanced,mapped,digest,vectors}'::text[]) name;
SET client_min_messages = warning;
DROP SCHEMA sampling_test CASCADE;
