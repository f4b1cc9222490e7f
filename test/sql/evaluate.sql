-- ml_evaluate: every metric that fits, on any source that has the target.
SET client_min_messages = warning;
CREATE SCHEMA evaluate_test;
SET search_path = evaluate_test, public;
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

CREATE TABLE plants AS
SELECT i AS id, (i * 37 % 101)::float8 AS height, (i * 53 % 29)::int AS leaves,
	   2.0 * (i * 37 % 101) + (i * 53 % 29) + (i * 71 % 13) AS weight,
	   (ARRAY['fern', 'moss', 'tree'])[least((i * 37 % 101 + i * 71 % 13) / 38 + 1, 3)] AS kind,
	   i * 37 % 101 + i * 71 % 13 > 56 AS tall,
	   least((i * 37 % 101 + i * 71 % 13) / 38, 2) AS size
FROM generate_series(1, 1000) i;
SELECT task FROM ml_train('evaluate_weight', 'plants', 'weight', features => '{height,leaves}', validation => '{"split": "none"}');
SELECT task FROM ml_train('evaluate_kind', 'plants', 'kind', features => '{height,leaves}');
SELECT task FROM ml_train('evaluate_tall', 'plants', 'tall', features => '{height,leaves}');
SELECT task FROM ml_train('evaluate_size', 'plants', 'size', 'logistic_regression', features => '{height,leaves}');

-- 1. a regression: the metrics against their definitions
SELECT metric, round(value::numeric, 4) > 0 AS positive FROM ml_evaluate('evaluate_weight', 'plants');
CREATE VIEW predicted AS SELECT weight AS y, ml_predict('evaluate_weight', p) AS f FROM plants p;
SELECT e.metric, abs(e.value - d.value) < 1e-9 * (1 + abs(d.value)) AS right
FROM ml_evaluate('evaluate_weight', 'plants') e JOIN (
	SELECT 'mae' AS metric, avg(abs(y - f)) AS value FROM predicted
	UNION ALL SELECT 'mse', avg((y - f) ^ 2) FROM predicted
	UNION ALL SELECT 'rmse', sqrt(avg((y - f) ^ 2)) FROM predicted
	UNION ALL SELECT 'mape', avg(abs(y - f) / y) FROM predicted
	UNION ALL SELECT 'max_error', max(abs(y - f)) FROM predicted
	UNION ALL SELECT 'median_absolute_error', percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(y - f)) FROM predicted
	UNION ALL SELECT 'r2', 1 - sum((y - f) ^ 2) / (SELECT sum((y - m) ^ 2) FROM predicted, (SELECT avg(y) AS m FROM predicted) a) FROM predicted) d USING (metric)
ORDER BY metric;
-- on the training rows they are what the training stored
SELECT metric, abs(e.value - m.value::float8) < 1e-9 AS as_stored
FROM mlaas.versions v, jsonb_each_text(v.metrics) m (metric, value) JOIN ml_evaluate('evaluate_weight', 'plants') e USING (metric)
WHERE v.name = 'evaluate_weight' AND metric IN ('r2', 'mse', 'rmse') ORDER BY metric;
SELECT bool_and(a.value IS NOT DISTINCT FROM b.value) AS by_value_too
FROM ml_evaluate('evaluate_weight', 'plants') a JOIN ml_evaluate(ml_model('evaluate_weight'), 'SELECT * FROM evaluate_test.plants') b USING (metric);

-- 2. classifiers, of text, booleans and numbers
SELECT metric, value BETWEEN -1 AND 1 OR metric = 'log_loss' AND value > 0 AS possible FROM ml_evaluate('evaluate_tall', 'plants');
SELECT string_agg(metric, ' ') FROM ml_evaluate('evaluate_kind', 'plants');
SELECT m.name, abs(e.value - m.accuracy) < 1e-12 AS right, e.value > 0.8 AS good
FROM (SELECT 'evaluate_kind' AS name, avg((ml_predict_label('evaluate_kind', p) = kind)::int) AS accuracy FROM plants p
	  UNION ALL SELECT 'evaluate_tall', avg((ml_predict('evaluate_tall', p)::int::bool = tall)::int) FROM plants p
	  UNION ALL SELECT 'evaluate_size', avg((ml_predict('evaluate_size', p) = size)::int) FROM plants p) m
CROSS JOIN ml_evaluate(m.name, 'plants') e WHERE e.metric = 'accuracy' ORDER BY 1;
SELECT abs(value - (SELECT -avg(ln(ml_probability('evaluate_kind', kind, p))) FROM plants p)) < 1e-9 AS log_loss FROM ml_evaluate('evaluate_kind', 'plants') WHERE metric = 'log_loss';
-- the target may come in another type
SELECT source, min(value) = (SELECT value FROM ml_evaluate('evaluate_size', 'plants') WHERE metric = 'accuracy') AS same
FROM unnest(ARRAY['SELECT height, leaves, size::text FROM evaluate_test.plants', 'SELECT height, leaves, size::numeric(8,3) FROM evaluate_test.plants',
				  'SELECT height, leaves, size::varchar FROM evaluate_test.plants']) source
CROSS JOIN ml_evaluate('evaluate_size', source) WHERE metric = 'accuracy' GROUP BY 1 ORDER BY 1;
SELECT source, min(value) = (SELECT value FROM ml_evaluate('evaluate_tall', 'plants') WHERE metric = 'accuracy') AS same
FROM unnest(ARRAY['SELECT height, leaves, tall::int FROM evaluate_test.plants', 'SELECT height, leaves, tall::text FROM evaluate_test.plants',
				  'SELECT height, leaves, left(tall::text, 1) AS tall FROM evaluate_test.plants']) source
CROSS JOIN ml_evaluate('evaluate_tall', source) WHERE metric = 'accuracy' GROUP BY 1 ORDER BY 1;

-- 3. NULL targets are skipped, unknown classes are wrong
SELECT a.metric FROM ml_evaluate('evaluate_kind', 'SELECT height, leaves, CASE WHEN id <= 500 THEN kind END AS kind FROM evaluate_test.plants') a
JOIN ml_evaluate('evaluate_kind', 'SELECT * FROM evaluate_test.plants WHERE id <= 500') b USING (metric) WHERE a.value IS DISTINCT FROM b.value;
SELECT b.value / a.value AS accuracy_kept
FROM ml_evaluate('evaluate_kind', 'plants') a JOIN ml_evaluate('evaluate_kind', 'SELECT height, leaves, kind FROM evaluate_test.plants UNION ALL SELECT height, leaves, ''weed'' FROM evaluate_test.plants') b USING (metric)
WHERE metric = 'accuracy';
SELECT value FROM ml_evaluate('evaluate_size', 'SELECT height, leaves, 7 AS size FROM evaluate_test.plants') WHERE metric = 'accuracy';
-- what is not defined is NULL
SELECT value IS NULL AS undefined FROM ml_evaluate('evaluate_tall', 'SELECT * FROM evaluate_test.plants WHERE tall') WHERE metric = 'roc_auc';
-- NULL features are missing values; the order of the rows does not matter
SELECT count(*) FROM ml_evaluate('evaluate_kind', 'SELECT NULL::float8 AS height, leaves, kind FROM evaluate_test.plants') WHERE value IS NOT NULL;
SELECT count(*) FROM ml_evaluate(NULL::text, 'plants');
-- more rows than fit a section of blocks
SELECT abs(a.value - b.value) < 1e-9 AS same
FROM ml_evaluate('evaluate_tall', 'plants') a
JOIN ml_evaluate('evaluate_tall', 'SELECT p.* FROM evaluate_test.plants p, generate_series(1, 20)') b USING (metric) WHERE metric IN ('accuracy', 'log_loss', 'roc_auc');

-- 4. what goes wrong
SELECT error_of(format('SELECT * FROM ml_evaluate(%L, %L)', m, s)) FROM (VALUES
	('evaluate_weigth', 'evaluate_test.plants'),
	('evaluate_weight', 'evaluate_test.plant'),
	('evaluate_weight', 'SELECT height, leaves FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT height, weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT height, leaves, now() - now() < interval ''1 s'' AS tall, ARRAY[1] AS weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT height, leaves, ''heavy'' AS weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT height, leaves, ''NaN''::float8 AS weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT height, leaves, ''-inf''::numeric AS weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT ''inf''::float8 AS height, leaves, weight FROM evaluate_test.plants'),
	('evaluate_weight', 'SELECT * FROM evaluate_test.plants WHERE false'),
	('evaluate_weight', 'SELECT height, leaves, NULL::float8 AS weight FROM evaluate_test.plants'),
	('evaluate_weight', 'TRUNCATE evaluate_test.plants'),
	('evaluate_kind', 'SELECT height, leaves, point(1, 2) AS kind FROM evaluate_test.plants'),
	('evaluate_kind', 'SELECT height, leaves, now() AS kind FROM evaluate_test.plants'),
	('evaluate_kind', 'SELECT height, leaves, kind, kind FROM evaluate_test.plants')) v (m, s);
SET mlaas.max_memory = '1MB';
SELECT error_of('SELECT * FROM ml_evaluate(''evaluate_kind'', ''SELECT p.* FROM evaluate_test.plants p, generate_series(1, 100)'')') LIKE '54000%' AS memory_is_bounded;
RESET mlaas.max_memory;

SELECT ml_drop(name) > 0 AS dropped FROM unnest(ARRAY['evaluate_weight', 'evaluate_kind', 'evaluate_tall', 'evaluate_size']) name;
DROP SCHEMA evaluate_test CASCADE;
