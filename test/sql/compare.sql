-- Judging models: ml_evaluate by the values of a column and with intervals, ml_compare.
CREATE SCHEMA compare_test;
SET search_path = compare_test, public;
\set SHOW_CONTEXT never

CREATE TABLE shops AS
SELECT i AS id, (ARRAY['north', 'south', NULL])[i % 3 + 1] AS region, hashint4(i) / 2147483648.0 AS a, hashint4(i + 5000) / 2147483648.0 AS b,
	   hashint4(i + 9000) / 2147483648.0 AS noise
FROM generate_series(1, 3000) i;
CREATE VIEW learn AS SELECT a, b, a + b / 2 + CASE WHEN region = 'south' THEN 2 * noise ELSE noise END AS sales,
	   a + b / 2 + noise > 0 AS open, CASE WHEN a > 0.3 THEN 'x' WHEN b > noise THEN 'y' ELSE 'z' END AS kind, region, id FROM shops;
SELECT name FROM ml_train('both', 'learn', 'open', 'logistic_regression', '{a,b}', validation => '{"split": "none"}');
SELECT name FROM ml_train('one', 'learn', 'open', 'logistic_regression', '{a}', validation => '{"split": "none"}');
SELECT name FROM ml_train('trees', 'learn', 'open', 'random_forest', '{a,b}', '{"n_estimators": 20, "max_depth": 4}', validation => '{"split": "none"}');
SELECT name FROM ml_train('sales', 'learn', 'sales', 'linear_regression', '{a,b}', validation => '{"split": "none"}');
SELECT name FROM ml_train('kinds', 'learn', 'kind', 'gradient_boosting', '{a,b}', '{"n_estimators": 10}', validation => '{"split": "none"}');

-- 1. by the values of a column

SELECT by_value, rows, count(*) AS metrics, bool_and(value IS NOT NULL) AS defined, bool_and(ci_low IS NULL AND ci_high IS NULL) AS no_interval
FROM ml_evaluate('both', 'learn', by => 'region') GROUP BY 1, 2 ORDER BY 1;
-- the same as evaluating each part
SELECT count(*) FROM (
	(SELECT by_value, metric, value FROM ml_evaluate('sales', 'learn', by => 'region')
	 UNION ALL SELECT by_value, metric, value FROM ml_evaluate('kinds', 'learn', 'region'))
	EXCEPT (SELECT p.by_value, e.metric, e.value FROM (VALUES ('north', 'region = ''north'''), ('south', 'region = ''south'''), (NULL, 'region IS NULL')) AS p(by_value, condition),
			LATERAL (SELECT * FROM ml_evaluate('sales', 'SELECT * FROM compare_test.learn WHERE ' || condition)
					 UNION ALL SELECT * FROM ml_evaluate('kinds', 'SELECT * FROM compare_test.learn WHERE ' || condition)) e)) x;
SELECT max(value) - min(value) > 0.1 AS the_south_is_harder FROM ml_evaluate('sales', 'learn', 'region') WHERE metric = 'rmse';
-- any type, and a column that is a feature too; one class only in a part
SELECT count(*), count(DISTINCT by_value) FROM ml_evaluate('both', 'SELECT *, id % 4 AS quarter FROM compare_test.learn', 'quarter') WHERE metric = 'accuracy';
SELECT by_value, rows, value FROM ml_evaluate('both', 'learn', 'open') WHERE metric = 'roc_auc';
SELECT count(*) > 2000 AS values FROM ml_evaluate('sales', 'learn', 'a') WHERE metric = 'mae';

-- 2. intervals

SELECT e.metric, i.ci_low < e.value AND e.value < i.ci_high AS around, i.rows
FROM ml_evaluate('sales', 'learn') e JOIN ml_evaluate('sales', 'learn', by => NULL, confidence => 0.95, resamples => 200) i USING (metric) WHERE metric <> 'max_error' ORDER BY 1;
-- of a mean the interval is what a textbook says: the mean error more or less 1.96 standard errors
SELECT abs(i.ci_low - (s.mean - 1.96 * s.error)) < 0.15 * s.error AS low, abs(i.ci_high - (s.mean + 1.96 * s.error)) < 0.15 * s.error AS high
FROM ml_evaluate('sales', 'learn', NULL, 0.95, 4000) i,
	(SELECT avg(e) AS mean, stddev(e) / sqrt(count(*)) AS error FROM (SELECT abs(sales - ml_predict('sales', l)) AS e FROM learn l) r) s WHERE metric = 'mae';
-- wider with more confidence and with fewer rows; the same with the same seed
SELECT a.ci_high - a.ci_low < b.ci_high - b.ci_low AS confidence, a.ci_high - a.ci_low < c.ci_high - c.ci_low AS rows, a.ci_high = d.ci_high AS same_seed, a.ci_high <> e.ci_high AS other_seed
FROM ml_evaluate('both', 'learn', NULL, 0.8, 300) a, ml_evaluate('both', 'learn', NULL, 0.99, 300) b, ml_evaluate('both', 'learn', 'region', 0.8, 300) c,
	ml_evaluate('both', 'learn', NULL, 0.8, 300) d, ml_evaluate('both', 'learn', NULL, 0.8, 300, 7) e
WHERE a.metric = 'roc_auc' AND b.metric = 'roc_auc' AND c.metric = 'roc_auc' AND d.metric = 'roc_auc' AND e.metric = 'roc_auc' AND c.by_value = 'north';
-- the same in whatever order the rows are read
SELECT count(*) AS intervals, max(greatest(abs(a.ci_low - b.ci_low), abs(a.ci_high - b.ci_high))) < 1e-9 AS same
FROM (SELECT 'sales' AS model, * FROM ml_evaluate('sales', 'learn', 'region', 0.9, 50) UNION ALL SELECT 'kinds', * FROM ml_evaluate('kinds', 'learn', NULL, 0.9, 50)) a
	JOIN (SELECT 'sales' AS model, * FROM ml_evaluate('sales', 'SELECT * FROM compare_test.learn ORDER BY id DESC', 'region', 0.9, 50)
		  UNION ALL SELECT 'kinds', * FROM ml_evaluate('kinds', 'SELECT * FROM compare_test.learn ORDER BY id DESC', NULL, 0.9, 50)) b
	ON b.model = a.model AND b.metric = a.metric AND b.by_value IS NOT DISTINCT FROM a.by_value;

-- 3. models beside each other

CREATE TABLE compared AS SELECT * FROM ml_compare('{both,one,trees,both@1}', 'learn', resamples => 200);
SELECT model, count(*), count(difference) AS differences, string_agg(DISTINCT test, ' ') AS tests FROM compared GROUP BY model ORDER BY model;
SELECT bool_and(c.value = e.value) AS as_evaluated FROM compared c, LATERAL ml_evaluate(c.model, 'learn') e WHERE e.metric = c.metric;
SELECT bool_and(abs(c.difference - (c.value - f.value)) < 1e-15) AS from_the_first FROM compared c JOIN compared f USING (metric) WHERE f.model = 'both' AND c.model <> 'both';
-- whatever the order of the rows
SELECT count(*), max(greatest(abs(a.ci_low - b.ci_low), abs(a.ci_high - b.ci_high), abs(a.p_value - b.p_value))) < 1e-9 AS same
FROM compared a JOIN ml_compare('{both,one,trees,both@1}', 'SELECT * FROM compare_test.learn ORDER BY id DESC', resamples => 200) b USING (model, metric) WHERE a.difference IS NOT NULL;
-- a model without a feature that matters is worse for sure, itself no other
SELECT model, metric, test, p_value < 0.001 AS sure, ci_high < 0 AS worse FROM compared WHERE metric IN ('accuracy', 'roc_auc', 'brier') AND model IN ('one', 'both@1') ORDER BY 1, 2;
SELECT p_value = 1 AS no_difference, ci_low, ci_high FROM compared WHERE model = 'both@1' AND metric IN ('roc_auc', 'log_loss');
-- McNemar by hand: rows that one got right and the other wrong, sign test
SELECT abs(c.p_value - 2 * (SELECT sum(exp(lgamma_ratio)) FROM (SELECT (SELECT coalesce(sum(ln(n.m - j + 1) - ln(j)), 0) FROM generate_series(1, k) j) + n.m * ln(0.5) AS lgamma_ratio FROM generate_series(0, least(n.a, n.b)) k) t)) < 1e-9 AS mcnemar
FROM compared c, (SELECT count(*) FILTER (WHERE a_right AND NOT b_right)::int AS a, count(*) FILTER (WHERE b_right AND NOT a_right)::int AS b,
				  count(*) FILTER (WHERE b_right <> a_right)::int AS m
				  FROM (SELECT ml_predict('both', l) = open::int AS a_right, ml_predict('trees', l) = open::int AS b_right FROM learn l) r) n
WHERE c.model = 'trees' AND c.metric = 'accuracy';
-- numbers, and rows read in any order
SELECT metric, test FROM ml_compare('{sales,sales}', 'SELECT * FROM compare_test.learn ORDER BY random()', resamples => 20) WHERE difference = 0 ORDER BY 1;
SELECT count(*), count(difference) FROM ml_compare('{sales}', 'learn');

-- 4. errors

SELECT count(*) FROM ml_evaluate('both', 'learn', 'regio');
SELECT count(*) FROM ml_evaluate('both', 'learn', 'region', 1);
SELECT count(*) FROM ml_evaluate('both', 'learn', 'region', 0.9, 9);
SELECT count(*) FROM ml_evaluate('both', 'learn', 'region', 0.9, NULL);
SELECT count(*) FROM ml_evaluate('both', 'SELECT a, b, open, g FROM compare_test.learn, generate_series(1, 4) g WHERE false', 'g');
SELECT count(*) FROM ml_evaluate('sales', 'SELECT a, b, sales, id * 4 + g AS n FROM compare_test.learn, generate_series(1, 4) g', 'n');
SELECT count(*) FROM ml_evaluate(NULL::text, 'learn', 'region');
SELECT count(*) FROM ml_compare('{both,sales}', 'learn');
SELECT count(*) FROM ml_compare('{both,nobody}', 'learn');
SELECT count(*) FROM ml_compare('{both,NULL}', 'learn');
SELECT count(*) FROM ml_compare('{}', 'learn');
SELECT count(*) FROM ml_compare('{both,one}', 'learn', NULL);
SELECT count(*) FROM ml_compare('{both,one}', 'SELECT a, open FROM compare_test.learn');
SELECT count(*) FROM ml_compare(NULL, 'learn');

SELECT ml_drop('both'), ml_drop('one'), ml_drop('trees'), ml_drop('sales'), ml_drop('kinds');
SET client_min_messages = warning;
DROP SCHEMA compare_test CASCADE;
