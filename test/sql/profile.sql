-- ml_profile and ml_correlation.
CREATE SCHEMA profile_test;
SET search_path = profile_test, public;
\set SHOW_CONTEXT never

CREATE TABLE parcels AS
SELECT i AS id, md5(i::text) AS code, (ARRAY['small', 'small', 'small', 'large', NULL])[i % 5 + 1] AS size, i % 2 = 0 AS insured,
	   CASE WHEN i % 100 = 0 THEN 1.5 END AS discount, 7 AS depot, date '2026-01-01' + i / 10 AS sent, i * 37 % 101 AS weight,
	   (i * 37 % 101) * 2.5 + 3 AS price, i * 37 % 101 > 50 AS heavy, NULL::float8 AS nothing, ARRAY[i, 2] AS box, 'x'::bytea AS label,
	   CASE i WHEN 3 THEN 'NaN'::float8 WHEN 4 THEN 'inf' ELSE i * 53 % 97 END AS noise, 't' || i % 150 AS street
FROM generate_series(1, 200) i;

SELECT column_name, type, kind, rows, nulls, "distinct", min, max FROM ml_profile('parcels');
SELECT column_name, warnings FROM ml_profile('parcels', 'price') WHERE warnings <> '{}';
-- figures by SQL
SELECT abs(p.mean - s.mean) < 1e-12 AS mean, abs(p.sd - s.sd) < 1e-12 AS sd, abs(p.skew - s.skew) < 1e-12 AS skew, p.quantiles = s.quantiles AS quantiles
FROM ml_profile('parcels') p, LATERAL (
	SELECT avg(weight)::float8 AS mean, stddev(weight)::float8 AS sd, percentile_cont(ARRAY[0.05, 0.25, 0.5, 0.75, 0.95]) WITHIN GROUP (ORDER BY weight) AS quantiles,
		   (avg((weight - m)^3) / power(avg((weight - m)^2), 1.5))::float8 AS skew
	FROM parcels, (SELECT avg(weight) AS m FROM parcels) a) s WHERE p.column_name = 'weight';
SELECT histogram = (SELECT array_agg(n ORDER BY bin) FROM (SELECT least(weight / 10, 9) AS bin, count(*) AS n FROM parcels GROUP BY 1) b) AS histogram,
	   (SELECT sum(h) FROM unnest(histogram) h) AS rows
FROM ml_profile('parcels') WHERE column_name = 'weight';
SELECT column_name, top FROM ml_profile('parcels') WHERE column_name IN ('size', 'insured', 'depot', 'sent', 'discount');
-- a leak is told of classes too, and of a category that gives the class away
SELECT column_name, warnings FROM ml_profile('SELECT heavy, weight, price, insured, heavy::text || size AS given_away FROM profile_test.parcels', 'heavy') WHERE warnings <> '{}';
SELECT column_name FROM ml_profile('SELECT size, weight, id FROM profile_test.parcels', 'size') WHERE warnings::text LIKE '%leaks%';
SELECT column_name, rows, "distinct", mean IS NULL AS no_mean, warnings FROM ml_profile('SELECT * FROM profile_test.parcels WHERE false') WHERE column_name IN ('id', 'size');
SELECT column_name, mean, sd IS NULL AS no_sd, warnings FROM ml_profile('SELECT 5 AS one');

SELECT column_name, other, rows, abs(pearson - s.corr) < 1e-12 AS pearson, abs(spearman - s.rank_corr) < 1e-12 AS spearman
FROM ml_correlation('SELECT weight, price, id * id AS square FROM profile_test.parcels') c, LATERAL (
	SELECT corr(a, b) AS corr, (SELECT corr(ra, rb) FROM (SELECT rank() OVER (ORDER BY a) + (count(*) OVER (PARTITION BY a) - 1) / 2.0 AS ra, rank() OVER (ORDER BY b) + (count(*) OVER (PARTITION BY b) - 1) / 2.0 AS rb
															FROM (SELECT CASE c.column_name WHEN 'weight' THEN weight ELSE price END::float8 AS a, CASE c.other WHEN 'price' THEN price ELSE (id * id) END::float8 AS b FROM parcels) v) r) AS rank_corr
	FROM (SELECT CASE c.column_name WHEN 'weight' THEN weight ELSE price END::float8 AS a, CASE c.other WHEN 'price' THEN price ELSE (id * id) END::float8 AS b FROM parcels) v) s;
SELECT column_name, other, rows, pearson IS NULL AS constant FROM ml_correlation('SELECT noise, depot, nothing FROM profile_test.parcels');

-- a training warns of the same, and of times that are later than the rows' own
CREATE VIEW orders AS SELECT md5(i::text) AS code, i * 37 % 101 AS weight, i * 53 % 7 AS kind, (i * 37 % 101) * 2 + (i * 53 % 7) * 30 + i * 71 % 13 AS price,
	(i * 37 % 101) * 2 + (i * 53 % 7) * 30 + i * 71 % 13 + i % 3 AS invoice, timestamp '2026-01-01' + i * interval '1 hour' AS ordered,
	timestamp '2026-01-01' + (i + i % 50 - 5) * interval '1 hour' AS delivered FROM generate_series(1, 1000) i;
SELECT n_train FROM ml_train('warned', 'SELECT weight, kind, price FROM profile_test.orders', 'price');
SELECT n_train FROM ml_train('warned', 'SELECT weight, kind, price, invoice, code FROM profile_test.orders', 'price');
SELECT n_train FROM ml_train('warned', 'SELECT weight, kind, price, ordered, delivered FROM profile_test.orders', 'price', validation => '{"order_by": "ordered"}');
SELECT n_train FROM ml_train('warned', 'SELECT weight, invoice, price > 150 AS dear FROM profile_test.orders', 'dear', validation => '{"folds": 3}');
SELECT ml_drop('warned');

SELECT count(*) FROM ml_profile('parcel');
SELECT count(*) FROM ml_profile('parcels', 'prize');
SELECT count(*) FROM ml_profile('parcels', 'box');
SELECT count(*) FROM ml_profile('SELECT label FROM profile_test.parcels');
SELECT count(*) FROM ml_profile(NULL), ml_correlation(NULL);
SELECT count(*) FROM ml_profile('DELETE FROM profile_test.parcels');
SET client_min_messages = warning;
DROP SCHEMA profile_test CASCADE;
