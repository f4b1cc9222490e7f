-- Trees to read (rows, text, an SQL expression that predicts the same) and to edit (truncate, prune).
-- the history of a run before stays
SELECT clock_timestamp() AS began \gset
SET client_min_messages = error;
CREATE SCHEMA trees_test;
SET search_path = trees_test, public;
\set VERBOSITY terse

\set ECHO none
\i test/data/schema.sql
\set ECHO all
\copy telco_churn FROM 'test/data/telco_churn.csv' WITH (FORMAT csv, HEADER)
\copy ames FROM 'test/data/ames.csv' WITH (FORMAT csv, HEADER)
\copy penguins FROM 'test/data/penguins.csv' WITH (FORMAT csv, HEADER)

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

-- a statement in which %1$s is an expression and %2$s a table
CREATE FUNCTION run(expression text, relation text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format(command, expression, relation) INTO result;
	RETURN result;
END $$;

-- a copy of a table with NULLs, NaNs and categories never seen
CREATE FUNCTION spoil(relation text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c record;
	k int := 0;
BEGIN
	EXECUTE format('CREATE TABLE %I AS SELECT row_number() OVER () AS spoil_row, * FROM %I', relation || '_spoilt', relation);
	FOR c IN SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute
			 WHERE attrelid = (relation || '_spoilt')::regclass AND attnum > 1 ORDER BY attnum LOOP
		k := k + 1;
		EXECUTE format('UPDATE %I SET %I = NULL WHERE spoil_row %% %s = 1', relation || '_spoilt', c.attname, 5 + k % 7);
		IF c.type = 'text' THEN
			EXECUTE format('UPDATE %I SET %I = ''never seen'' WHERE spoil_row %% %s = 2', relation || '_spoilt', c.attname, 5 + k % 7);
		ELSIF c.type IN ('double precision', 'real', 'numeric') THEN
			EXECUTE format('UPDATE %I SET %I = ''NaN'' WHERE spoil_row %% %s = 3', relation || '_spoilt', c.attname, 5 + k % 7);
		END IF;
	END LOOP;
END $$;
SELECT spoil('telco_churn'), spoil('ames'), spoil('penguins');

SELECT task, n_train FROM ml_train('trees_churn', 'telco_churn', 'churn', 'gradient_boosting', params => '{"n_estimators": 30}');
SELECT task, n_train FROM ml_train('trees_ames', 'ames', 'sale_price', 'gradient_boosting', params => '{"n_estimators": 24, "learning_rate": 0.1}');
SELECT task, n_train FROM ml_train('trees_penguins', 'penguins', 'species', 'gradient_boosting', params => '{"n_estimators": 15}');

-- 1. rows

SELECT count(DISTINCT tree) AS trees, bool_and((parent IS NULL) = (node = 1)) AS roots, bool_and((feature IS NULL) = (left_child IS NULL)) AS leaves,
	   bool_and(feature IS NULL OR (threshold IS NULL) <> (categories IS NULL)) AS kinds, bool_and((unseen_left IS NULL) = (categories IS NULL)) AS unseen,
	   bool_and(cardinality(value) = 1) AS one_value, bool_and(class = 'Yes') AS class
FROM ml_trees('trees_churn');
-- each child names its parent, one deeper; all covers add up
SELECT bool_and(l.parent = p.node AND r.parent = p.node AND l.depth = p.depth + 1 AND r.depth = p.depth + 1) AS children,
	   bool_and(p.cover = l.cover + r.cover) AS covers, bool_and(l.node > p.node AND r.node = l.node + 1) AS numbered
FROM ml_trees('trees_churn') p
JOIN ml_trees('trees_churn') l ON l.tree = p.tree AND l.node = p.left_child
JOIN ml_trees('trees_churn') r ON r.tree = p.tree AND r.node = p.right_child;
SELECT count(*) FILTER (WHERE feature IS NULL) = (SELECT value FROM ml_statistics('trees_churn') WHERE statistic = 'n_leaves') AS leaves,
	   bool_and(feature IS NULL OR feature IN (SELECT f->>'name' FROM jsonb_array_elements(ml_describe('trees_churn')->'features') f)) AS features
FROM ml_trees('trees_churn');
SELECT class, count(DISTINCT tree) AS trees, min(tree) AS first FROM ml_trees('trees_penguins') GROUP BY class ORDER BY first;
SELECT count(*) FILTER (WHERE class IS NOT NULL) AS classes FROM ml_trees('trees_ames');
SELECT count(*) AS differ FROM (SELECT * FROM ml_trees('trees_churn') EXCEPT SELECT * FROM ml_trees(ml_model('trees_churn'))) s;
-- what a row falls into, by the rows alone
CREATE FUNCTION walk(p_model text, r jsonb) RETURNS float8 LANGUAGE sql AS $$
	WITH RECURSIVE nodes AS MATERIALIZED (SELECT * FROM ml_trees(p_model)),
	at AS (
		SELECT n.* FROM nodes n WHERE n.node = 1
		UNION ALL
		SELECT c.* FROM at a JOIN nodes c ON c.tree = a.tree AND c.node = CASE WHEN
			CASE WHEN r->>a.feature IS NULL THEN a.null_left
				 WHEN a.threshold IS NOT NULL THEN (r->>a.feature)::float8 <= a.threshold
				 WHEN r->>a.feature = ANY (a.categories) THEN true
				 WHEN r->>a.feature IN ('never seen') THEN a.unseen_left ELSE false END THEN a.left_child ELSE a.right_child END
		WHERE a.feature IS NOT NULL)
	SELECT sum(value[1] ORDER BY tree) FROM at WHERE feature IS NULL $$;
SELECT count(DISTINCT d) = 1 AS start_score_left FROM (
	SELECT round((ml_predict('trees_ames', a) - walk('trees_ames', to_jsonb(a) - 'spoil_row'))::numeric, 4) AS d FROM ames_spoilt a
	WHERE spoil_row % 97 = 5 AND NOT to_jsonb(a)::text LIKE '%NaN%') s;

-- 2. text

CREATE TABLE made AS
SELECT i AS id, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 4 END AS a, (ARRAY['p', 'q''s', 'r'])[i % 3 + 1] AS c,
	   CASE WHEN i % 4 <= 1 AND i % 10 <> 0 THEN 10 ELSE 20 END + CASE WHEN i % 3 = 1 THEN 4 ELSE 0 END::float8 AS y
FROM generate_series(0, 1199) i;
SELECT version FROM ml_train('trees_made', 'made', 'y', 'gradient_boosting', '{a,c}', '{"n_estimators": 2, "learning_rate": 1, "max_leaf_nodes": 3}', validation => '{"split": "none"}');
SELECT regexp_replace(ml_tree_text('trees_made', 1), 'value -?[0-9.e-]+', 'value', 'g');
SELECT ml_tree_text('trees_made', 1) = ml_tree_text(ml_model('trees_made'), 1) AS by_value, ml_tree_text('trees_made', NULL) IS NULL AS no_tree;
SELECT count(*) = count(DISTINCT t) AS all_trees FROM generate_series(1, 30) i, ml_tree_text('trees_churn', i) t;
SELECT error_of('SELECT ml_tree_text(''trees_made'', 0)');
SELECT error_of('SELECT ml_tree_text(''trees_made'', 3)');

-- 3. SQL: equal to the last bit where no exp() is in between

SELECT run(ml_tree_sql('trees_ames'), t, 'SELECT count(*) || '' '' || (count(DISTINCT %1$s) > 2000) || '' '' || bool_and(float8send(%1$s) = float8send(ml_predict(''trees_ames'', t))) FROM %2$s t')
FROM unnest(ARRAY['ames', 'ames_spoilt']) t;
SELECT run(ml_tree_sql('trees_churn'), t, 'SELECT count(*) || '' '' || bool_and(%1$s = ml_predict_label(''trees_churn'', t)) FROM %2$s t')
FROM unnest(ARRAY['telco_churn', 'telco_churn_spoilt']) t;
SELECT class, run(ml_tree_sql('trees_churn', jsonb_build_object('output', 'probability', 'class', class)), 'telco_churn_spoilt',
				  'SELECT max(abs(%1$s - ml_probability(''trees_churn'', ''' || class || ''', t))) < 1e-15 FROM %2$s t')
FROM unnest(ARRAY['No', 'Yes']) class;
SELECT run(ml_tree_sql('trees_churn', '{"output": "score"}'), 'telco_churn_spoilt',
		   'SELECT max(abs(1 / (1 + exp(-(%1$s))) - ml_probability(''trees_churn'', ''Yes'', t))) < 1e-15 FROM %2$s t') AS score;
SELECT run(ml_tree_sql('trees_penguins'), t, 'SELECT count(*) || '' '' || bool_and(%1$s = ml_predict_label(''trees_penguins'', t)) FROM %2$s t')
FROM unnest(ARRAY['penguins', 'penguins_spoilt']) t;
SELECT class, run(ml_tree_sql('trees_penguins', jsonb_build_object('output', 'probability', 'class', class)), 'penguins_spoilt',
				  'SELECT max(abs(%1$s - ml_probability(''trees_penguins'', ''' || class || ''', t))) < 1e-15 FROM %2$s t')
FROM unnest(ARRAY['Adelie', 'Chinstrap', 'Gentoo']) class;

-- every type that can be a feature
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN share AS float8;
CREATE TABLE typed AS SELECT i AS id,
	timestamp '1999-12-31 23:59:59.123457' + (i * 7919 % 3001) * interval '1.000003 second' - interval '1500 s' AS "Time ""Stamp""",
	timestamptz '1970-01-01 00:00:00+00' + (i * 7907 % 2999) * interval '3 hours 0.000007 second' AS tz,
	date '1995-01-01' + (i * 31 % 3650) AS d, time '00:00:00.000001' + (i * 7877 % 86400) * interval '0.999999 s' AS tod,
	(time '00:00' + (i * 7877 % 86400) * interval '0.777777 s')::timetz AS ttz,
	make_interval(months => i * 13 % 50 - 20, days => i * 17 % 60 - 20, secs => (i * 7919 % 100000) * 0.123457 - 3000) AS iv,
	(i * 7919 % 10007)::numeric / 7 AS n, i % 3 = 0 AS b, (i * 7919 % 1009)::real / 3 AS r, (i::bigint * 7919 % 5003) * 1000000007 AS big,
	(i * 31 % 97)::smallint AS sm, ARRAY[(i * 7 % 101)::float8 / 3, i * 11 % 103, i * 13 % 107]::float8[] AS v, ARRAY[(i * 17 % 101)::numeric / 3] AS nv,
	ARRAY[i % 5 = 1, i % 7 = 2] AS bv, ((i * 37 % 89) / 89.0)::share AS sh, (ARRAY['sad', 'ok', 'happy'])[i * 7 % 3 + 1]::mood AS m,
	('00000000-0000-0000-0000-00000000000' || i % 5)::uuid AS u, (ARRAY['ab ', 'c', 'd''e'])[i * 5 % 3 + 1]::char(5) AS ch,
	(ARRAY['x', 'y', 'z'])[i * 3 % 4 + 1]::"char" AS qc, ('n' || i % 6)::name AS nm, ('v\' || i % 4)::varchar(9) AS vc
FROM generate_series(1, 1000) i;
DO $$ DECLARE c record; k int := 0; BEGIN
	FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attnum > 1 LOOP
		k := k + 1;
		EXECUTE format('UPDATE typed SET %I = NULL WHERE id %% 41 = %s', c.attname, k);
	END LOOP; END $$;
ALTER TABLE typed ADD y float8;
UPDATE typed t SET y = (SELECT sum(hashtext(x.key || (x.value #>> '{}')) % 1000) / 1000.0 FROM jsonb_each(to_jsonb(t) - 'id') x WHERE x.key IN ('b', 'm', 'u', 'ch', 'qc', 'nm', 'vc', 'bv'))
	+ coalesce(extract(epoch FROM "Time ""Stamp""")::float8 - 946684800, 0) / 1000 + coalesce(extract(epoch FROM tz)::float8, 0) / 1e7 + coalesce(d - date '1995-01-01', 0) / 2000.0
	+ coalesce(extract(epoch FROM tod)::float8, 2) / 3e4 + coalesce(extract(epoch FROM ttz)::float8, 2) / 3e4 + coalesce(extract(epoch FROM iv)::float8, 3) / 2e7 + coalesce(n, 1)::float8 / 500
	+ coalesce(r, 3) / 100 + coalesce(big, 3) / 2e12 + coalesce(sm, 4) / 30.0 + coalesce(v[1], 1) / 10 + coalesce(v[3], 2) / 30 + coalesce(nv[1], 1)::float8 / 10 + coalesce(sh, 2) * 3;
SELECT n_train FROM ml_train('trees_typed', 'SELECT * FROM typed', 'y', 'gradient_boosting',
	'{"Time \"Stamp\"",tz,d,tod,ttz,iv,n,b,r,big,sm,v,nv,bv,sh,m,u,ch,qc,nm,vc}', '{"n_estimators": 60, "min_samples_category": 1}', validation => '{"split": "none"}');
SELECT count(DISTINCT split_part(feature, '[', 1)) AS features FROM ml_trees('trees_typed');
UPDATE typed SET n = 'NaN' WHERE id % 37 = 5;
UPDATE typed SET r = 'NaN', v[2] = 'NaN' WHERE id % 37 = 6 AND v IS NOT NULL;
SET TimeZone = 'Asia/Kolkata';
SELECT run(ml_tree_sql('trees_typed'), 'typed', 'SELECT count(*) || '' '' || bool_and(float8send(%1$s) = float8send(ml_predict(''trees_typed'', t))) FROM %2$s t');
RESET TimeZone;
SET quote_all_identifiers = on;
SELECT ml_tree_sql('trees_typed') = (SELECT ml_tree_sql(ml_model('trees_typed'))) AS by_value;
RESET quote_all_identifiers;

-- it is an expression like any other: a generated column, another schema's view, no function of mlaas
DO $$ BEGIN EXECUTE 'ALTER TABLE made ADD guess float8 GENERATED ALWAYS AS (' || ml_tree_sql('trees_made') || ') STORED'; END $$;
SELECT bool_and(guess = ml_predict('trees_made', m)) AS generated FROM made m;

-- numbers and booleans as classes
SELECT task FROM ml_train('trees_flag', 'SELECT a, c, y > 15 AS flag FROM made', 'flag', 'gradient_boosting', params => '{"n_estimators": 5}');
SELECT run(ml_tree_sql('trees_flag'), 'made', 'SELECT bool_and(%1$s = ml_predict(''trees_flag'', t)) || '' '' || pg_typeof(min(%1$s)) FROM %2$s t') AS number,
	   run(ml_tree_sql('trees_flag', '{"output": "label"}'), 'made', 'SELECT bool_and(%1$s = ml_predict_label(''trees_flag'', t)) || '' '' || min(%1$s) FROM %2$s t') AS label;

-- a category of more levels than a byte tells apart: rows, SQL, contributions, NULL and what training did not see; the same bytes on any threads
CREATE TABLE wide AS SELECT i AS id, CASE WHEN i % 97 > 0 THEN 'city ' || i % 1500 END AS city, i % 7 AS k, 10 * sin(i % 1500) + i % 7 + CASE WHEN i % 97 > 0 THEN 0 ELSE 20 END AS y
FROM generate_series(1, 45000) i;
SET mlaas.max_threads = 1;
SELECT n_train FROM ml_train('trees_wide', 'wide', 'y', 'gradient_boosting', '{city,k}', '{"n_estimators": 30, "learning_rate": 0.3}', validation => '{"split": "none"}');
SET mlaas.max_threads = 8;
SELECT n_train FROM ml_train('trees_wide', 'wide', 'y', 'gradient_boosting', '{city,k}', '{"n_estimators": 30, "learning_rate": 0.3}', validation => '{"split": "none"}');
RESET mlaas.max_threads;
SELECT ml_model('trees_wide@1')::bytea = ml_model('trees_wide@2')::bytea AS same_bytes;
SELECT n_train FROM ml_train('trees_wide', 'wide', 'y', 'gradient_boosting', '{city,k}', '{"n_estimators": 30, "learning_rate": 0.3}', '{"max_categories": 254}', '{"split": "none"}');
SELECT version, jsonb_array_length(c->'levels') AS levels, (SELECT sqrt(avg((ml_predict('trees_wide@' || version, w) - y) ^ 2)) < 1 FROM wide w) AS knows
FROM generate_series(2, 3) version, jsonb_array_elements(ml_describe('trees_wide@' || version) #> '{preparation,columns}') c WHERE c->>'name' = 'city';
SELECT max(cardinality(categories)) > 255 AS wide_sets FROM ml_trees('trees_wide@2');
INSERT INTO wide VALUES (0, 'never seen', 3), (-1, NULL, 3);
SELECT run(ml_tree_sql('trees_wide@2'), 'wide', 'SELECT count(*) || '' '' || (count(DISTINCT %1$s) > 255) || '' '' || bool_and(float8send(%1$s) = float8send(ml_predict(''trees_wide@2'', t))) FROM %2$s t');
SELECT id, abs(ml_predict('trees_wide@2', w) - CASE WHEN id < 0 THEN 23 ELSE 3 END) < 12 AS about,
	   abs((SELECT sum(contribution) FROM ml_explain('trees_wide@2', w)) - ml_predict('trees_wide@2', w)) < 1e-9 AS adds_up
FROM wide w WHERE id IN (-1, 0, 1999) ORDER BY id;

-- forests: the mean of the trees, a probability for each class
SELECT algorithm FROM ml_train('trees_forest', 'ames', 'sale_price', 'random_forest', params => '{"n_estimators": 12, "max_leaf_nodes": 60}');
SELECT algorithm FROM ml_train('trees_forest', 'ames', 'sale_price', 'extra_trees', params => '{"n_estimators": 12, "max_leaf_nodes": 60}');
SELECT run(ml_tree_sql('trees_forest@' || v), 'ames_spoilt', 'SELECT count(*) || '' '' || (count(DISTINCT %1$s) > 500) || '' '' || bool_and(float8send(%1$s) = float8send(ml_predict(''trees_forest@' || v || ''', t))) FROM %2$s t')
FROM generate_series(1, 2) v;
SELECT task FROM ml_train('trees_binary', 'telco_churn', 'churn', 'random_forest', params => '{"n_estimators": 9, "max_leaf_nodes": 40}');
SELECT run(ml_tree_sql('trees_binary'), 'telco_churn_spoilt', 'SELECT bool_and(%1$s = ml_predict_label(''trees_binary'', t)) FROM %2$s t') AS label,
	   run(ml_tree_sql('trees_binary', '{"output": "probability"}'), 'telco_churn_spoilt', 'SELECT bool_and(float8send(%1$s) = float8send(ml_probability(''trees_binary'', ''Yes'', t))) FROM %2$s t') AS probability,
	   run(ml_tree_sql('trees_binary', '{"output": "probability", "class": "No"}'), 'telco_churn_spoilt', 'SELECT bool_and(float8send(%1$s) = float8send(ml_probability(''trees_binary'', ''No'', t))) FROM %2$s t') AS other;
SELECT task FROM ml_train('trees_tree', 'penguins', 'species', 'decision_tree', params => '{"max_leaf_nodes": 6}');
SELECT run(ml_tree_sql('trees_tree'), 'penguins_spoilt', 'SELECT bool_and(%1$s = ml_predict_label(''trees_tree'', t)) FROM %2$s t') AS label,
	   run(ml_tree_sql('trees_tree', '{"output": "probability", "class": "Gentoo"}'), 'penguins_spoilt', 'SELECT bool_and(float8send(%1$s) = float8send(ml_probability(''trees_tree'', ''Gentoo'', t))) FROM %2$s t') AS probability;
SELECT class IS NULL AS no_class, cardinality(value) AS values, round((value[1] + value[2] + value[3])::numeric, 6) AS sum, cover FROM ml_trees('trees_tree') WHERE node = 1;
SELECT regexp_replace(ml_tree_text('trees_tree', 1), '[0-9]+[.][0-9e-]+', '#', 'g') LIKE '%value Adelie: %, Chinstrap: %, Gentoo: %' AS values;

SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"outptu": "score"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": "probabilty"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": 1}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''[]'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": "prediction"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": "label", "class": "Yes"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": "score", "class": "No"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_churn'', ''{"output": "probability", "class": "Yess"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_penguins'', ''{"output": "score"}'')');
SELECT error_of('SELECT ml_tree_sql(''trees_ames'', ''{"output": "probability"}'')');
SELECT task FROM ml_train('trees_many', 'made', 'y', 'gradient_boosting', '{a,c}', '{"n_estimators": 2001, "learning_rate": 0.01, "max_leaf_nodes": 2, "subsample": 0.5}', validation => '{"split": "none"}');
SELECT error_of('SELECT ml_tree_sql(''trees_many'')');
SELECT trees FROM ml_truncate('trees_many', 2000);
SELECT run(ml_tree_sql('trees_many@2'), 'made', 'SELECT bool_and(float8send(%1$s) = float8send(ml_predict(''trees_many@2'', t))) FROM (SELECT * FROM %2$s LIMIT 20) t') AS most;

-- 4. truncating

SELECT name, version, parent_version, algorithm, trees, leaves < (SELECT value FROM ml_statistics('trees_ames') WHERE statistic = 'n_leaves') AS fewer, seconds >= 0 AS seconds
FROM ml_truncate('trees_ames', 10);
SELECT name, version, parent_version, trees FROM ml_truncate('trees_ames@2', 5);
SELECT version, trees FROM ml_truncate('trees_penguins', 4);
SELECT version FROM ml_train('trees_ames', 'ames', 'sale_price', 'gradient_boosting', params => '{"n_estimators": 10, "learning_rate": 0.1}');
SELECT bool_and(float8send(ml_predict('trees_ames@2', a)) = float8send(ml_predict('trees_ames@4', a))) AS as_trained_so, bool_and(ml_predict('trees_ames@2', a) = ml_predict('trees_ames', a)) AS as_before FROM ames a;
SELECT bool_and(ml_predict(m, a) = ml_predict('trees_ames@2', a)) AS as_value FROM ames_spoilt a, (SELECT ml_truncate(ml_model('trees_ames'), 10) AS m OFFSET 0) v;
SELECT deployed_version, latest_version FROM mlaas.models WHERE name = 'trees_ames';
SELECT version, metrics, n_test, source IS NULL AS source, jsonb_array_length(features) > 20 AS features, parameters->>'n_estimators' AS n_estimators FROM mlaas.versions WHERE name = 'trees_ames' AND version IN (2, 3) ORDER BY version;
SELECT number, action, version, reason FROM mlaas.history WHERE at >= :'began' AND name = 'trees_ames' ORDER BY number;
SELECT e - 'parent_checksum' AS edit FROM jsonb_array_elements(ml_describe('trees_ames@3') #> '{training,edits}') WITH ORDINALITY AS e(e, o) ORDER BY o;
SELECT count(*) > 5 AS metrics FROM ml_evaluate('trees_ames@3', 'ames');
SELECT error_of('SELECT ml_truncate(''trees_ames'', 0)');
SELECT error_of('SELECT ml_truncate(''trees_penguins'', 16)');
SELECT error_of('SELECT ml_truncate(''trees_aimes'', 1)');
SELECT ml_truncate(NULL::text, 1) IS NULL AS no_model, ml_truncate(ml_model('trees_ames'), NULL) IS NULL AS no_number;
BEGIN; SET TRANSACTION READ ONLY; SELECT ml_truncate('trees_ames', 1); ROLLBACK;

-- 5. pruning

SELECT min(alpha) AS first, max(leaves) > min(leaves) AS fewer, min(leaves) AS last, bool_and(alpha > before) AS ascends, bool_and(leaves < more) AS descends
FROM (SELECT *, lag(alpha) OVER w AS before, lag(leaves) OVER w AS more FROM ml_prune_path('trees_ames') WINDOW w AS (ORDER BY alpha)) s;
SELECT abs(p.gain / t.gain - 1) < 1e-6 AS gain FROM (SELECT gain FROM ml_prune_path('trees_ames') ORDER BY alpha LIMIT 1) p, (SELECT sum(gain) AS gain FROM ml_trees('trees_ames')) t;
SELECT p.leaves = (ml_prune('trees_ames@1', p.alpha)).leaves AS as_the_path FROM (SELECT * FROM ml_prune_path('trees_ames@1') ORDER BY alpha OFFSET 100 LIMIT 1) p;
SELECT bool_and(float8send(ml_predict('trees_ames@5', a)) = float8send(ml_predict(m, a))) AS as_value
FROM ames a, (SELECT ml_prune(ml_model('trees_ames@1'), (ml_describe('trees_ames@5') #>> '{training,edits,0,alpha}')::float8) AS m OFFSET 0) v;
SELECT leaves, trees FROM ml_prune('trees_churn', 'Infinity');
SELECT count(DISTINCT ml_probability('trees_churn@2', 'Yes', c)) AS distinct_values FROM telco_churn c;
SELECT error_of('SELECT ml_prune(''trees_churn'', -1)');
SELECT error_of('SELECT ml_prune(''trees_churn'', ''NaN'')');

-- scikit-learn's alphas: decreases of the mean impurity
SELECT alpha, bool_and(ml_predict_label(fitted, p) = ml_predict_label(pruned, p)) AS same_labels,
	   min((SELECT value FROM ml_statistics(fitted) WHERE statistic = 'n_leaves')) = min((SELECT value FROM ml_statistics(pruned) WHERE statistic = 'n_leaves')) AS same_leaves
FROM (SELECT alpha, fitted, ml_prune(whole, alpha) AS pruned
	  FROM (SELECT ml_fit('decision_tree', '{}', 'species', p) AS whole FROM penguins p) f,
		   (SELECT alpha, ml_fit('decision_tree', jsonb_build_object('ccp_alpha', alpha), 'species', p) AS fitted
			FROM penguins p, unnest(ARRAY[0.001, 0.004, 0.02, 0.1, 0.3]) alpha GROUP BY alpha) a
	  OFFSET 0) m, (SELECT * FROM penguins LIMIT 60) p
GROUP BY alpha ORDER BY alpha;

-- 6. learning on

SELECT name, version, task, algorithm, n_train, n_test, deployed, metrics ? 'rmse' AS metrics FROM ml_continue('trees_forest@2', 'ames', '{"n_estimators": 8}');
SELECT version FROM ml_train('trees_forest', 'ames', 'sale_price', 'extra_trees', params => '{"n_estimators": 20, "max_leaf_nodes": 60}');
-- as if it had not stopped
SELECT bool_and(float8send(ml_predict('trees_forest@3', a)) = float8send(ml_predict('trees_forest@4', a))) AS same FROM ames_spoilt a;
SELECT bool_and(ml_predict(m, a) = ml_predict('trees_forest@3', a)) AS as_value FROM ames a, (SELECT ml_continue(ml_model('trees_forest@2'), 'ames', '{"n_estimators": 8}') AS m OFFSET 0) v;
SELECT version, n_train, metrics ? 'log_loss' AS metrics FROM ml_refit('trees_binary',
	'SELECT (jsonb_populate_record(t, CASE WHEN tenure % 2 = 0 THEN ''{"contract": "Five years"}'' ELSE ''{"contract": null}'' END::jsonb)).* FROM telco_churn t', 0.5, validation => '{"split": "none"}');
SELECT bool_and(a.feature IS NOT DISTINCT FROM b.feature AND a.threshold IS NOT DISTINCT FROM b.threshold AND a.gain IS NOT DISTINCT FROM b.gain AND a.cover = b.cover) AS same_splits, bool_or(a.value <> b.value) AS other_values
FROM ml_trees('trees_binary@1') a JOIN ml_trees('trees_binary@2') b USING (tree, node);
SELECT bool_and(ml_probability(m, 'Yes', t) = ml_probability('trees_binary', 'Yes', t)) AS all_old FROM telco_churn t, (SELECT ml_refit(ml_model('trees_binary'), 'telco_churn', 1) AS m OFFSET 0) v;
SELECT version, parameters->>'n_estimators' AS n_estimators, source FROM mlaas.versions WHERE name = 'trees_forest' AND version = 3;
SELECT version, action, reason FROM mlaas.history WHERE at >= :'began' AND name IN ('trees_forest', 'trees_binary') AND reason LIKE '% of version %' ORDER BY name, number;
SELECT e - 'parent_checksum' AS edit FROM jsonb_array_elements(ml_describe('trees_binary@2') #> '{training,edits}') e;
-- boosting goes on from its scores
SELECT version, n_train FROM ml_train('trees_ames', 'ames', 'sale_price', 'gradient_boosting', params => '{"n_estimators": 9, "learning_rate": 0.1}');
SELECT version, n_train FROM ml_continue('trees_ames@6', 'ames', '{"n_estimators": 15}');
SELECT bool_and(float8send(ml_predict('trees_ames@7', a)) = float8send(ml_predict('trees_ames@1', a))) AS same FROM ames_spoilt a;
SELECT version, metrics ? 'log_loss' AS metrics FROM ml_continue('trees_penguins@2', 'penguins', '{"n_estimators": 3}');
SELECT statistic, value FROM ml_statistics('trees_penguins@3') WHERE statistic = 'n_trees';
-- other prices: the trees learn them without a new split
SELECT version FROM ml_refit('trees_ames@1', 'SELECT (jsonb_populate_record(a, jsonb_build_object(''sale_price'', a.sale_price * 2))).* FROM ames a WHERE year_built % 3 = 0', 0, validation => '{"split": "none"}');
SELECT round(avg(ml_predict('trees_ames@8', a) / ml_predict('trees_ames@1', a))::numeric, 2) AS twice, corr(ml_predict('trees_ames@8', a), sale_price) > 0.95 AS fits FROM ames a;
SELECT bool_and(a.feature IS NOT DISTINCT FROM b.feature AND a.threshold IS NOT DISTINCT FROM b.threshold) AS same_splits FROM ml_trees('trees_ames@1') a JOIN ml_trees('trees_ames@8') b USING (tree, node);
SELECT error_of('SELECT ml_continue(''trees_ames'', ''ames'', ''{"objective": "poisson"}'')');
-- objectives: the link, quantiles that do not cross, the mean of trees
SELECT objective, (SELECT n_train FROM ml_train('trees_' || objective, 'ames', 'sale_price', 'gradient_boosting', params => jsonb_build_object('objective', objective, 'n_estimators', 10))) AS n_train
FROM unnest(ARRAY['absolute_error', 'poisson', 'quantile']) objective;
SELECT n_train FROM ml_train('trees_mean', 'ames', 'sale_price', 'gradient_boosting', params => '{"boosting": "rf", "subsample": 0.6, "n_estimators": 7}');
SELECT name, run(ml_tree_sql('trees_' || name), 'ames_spoilt', 'SELECT max(abs(%1$s / ml_predict(''trees_' || name || ''', t) - 1)) <= ' || CASE name WHEN 'poisson' THEN '1e-15' ELSE '0' END || ' FROM %2$s t') AS same
FROM unnest(ARRAY['absolute_error', 'poisson', 'quantile', 'mean']) name;
SELECT quantile, run(ml_tree_sql('trees_quantile', jsonb_build_object('quantile', quantile)), 'ames_spoilt',
					 'SELECT bool_and(%1$s = (ml_predict_quantiles(''trees_quantile'', t)->>''' || quantile || ''')::float8) FROM %2$s t') AS same
FROM unnest(ARRAY[0.1, 0.5, 0.9]) quantile;
SELECT class, min(tree) AS first, count(DISTINCT tree) AS trees FROM ml_trees('trees_quantile') GROUP BY class ORDER BY class;
SELECT error_of('SELECT ml_tree_sql(''trees_quantile'', ''{"quantile": 0.25}'')'), error_of('SELECT ml_tree_sql(''trees_ames'', ''{"quantile": 0.5}'')');
SELECT task FROM ml_train('trees_ovr', 'penguins', 'species', 'gradient_boosting', params => '{"objective": "ovr", "n_estimators": 8}');
SELECT run(ml_tree_sql('trees_ovr', '{"output": "probability", "class": "Adelie"}'), 'penguins_spoilt', 'SELECT max(abs(%1$s - ml_probability(''trees_ovr'', ''Adelie'', t))) < 1e-15 FROM %2$s t') AS probability,
	   run(ml_tree_sql('trees_ovr'), 'penguins_spoilt', 'SELECT bool_and(%1$s = ml_predict_label(''trees_ovr'', t)) FROM %2$s t') AS label;
SELECT error_of('SELECT ml_continue(''trees_tree'', ''penguins'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''penguins'', 2)');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''penguins_spoilt'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''SELECT island, bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, sex, left(species, 5) AS species FROM penguins'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''SELECT island, bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, sex, body_mass_g / 7.0 AS species FROM penguins'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''SELECT bill_depth_mm, island, species FROM penguins'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', ''SELECT *, NULL FROM (SELECT bill_depth_mm::text AS bill_depth_mm, bill_length_mm, flipper_length_mm, body_mass_g, island, sex, species FROM penguins) p'')');
SELECT error_of('SELECT ml_refit(''trees_tree'', NULL)');
SELECT error_of('SELECT ml_refit(NULL::text, ''penguins'')');
SELECT error_of('SELECT ml_continue(''trees_forest'', ''ames'', ''{"n_estimatros": 3}'')');
SELECT error_of('SELECT ml_continue(''trees_forest'', ''ames'', ''{"criterion": "poisson"}'')');
SELECT error_of('SELECT ml_continue(''trees_forest'', ''ames'', ''{"max_depth": 3}'')');
SELECT ml_continue(ml_model('trees_forest'), 'ames', '{"n_estimators": 1, "criterion": "squared_error"}') IS NOT NULL AS auto_stands_for_it;
SELECT error_of('SELECT ml_continue(''trees_forest'', ''ames'', deploy => ''perhaps'')');
SELECT ml_refit(NULL::ml_model, 'penguins') IS NULL AS no_model;
SELECT version, deployed FROM ml_refit('trees_tree', 'penguins', 0, deploy => 'always');

-- 7. models without trees, and of other roles

SELECT task FROM ml_train('trees_line', 'ames', 'sale_price', 'linear_regression', '{gr_liv_area}');
SELECT error_of(format(command, '''trees_line''')) LIKE '0A000 | a model of algorithm "linear_regression" has no trees | Algorithms of trees are: %gradient_boosting%' AS by_name,
	   error_of(format(command, 'ml_model(''trees_line'')')) LIKE '0A000 |%' AS by_value
FROM unnest(ARRAY['SELECT ml_trees(%s)', 'SELECT ml_tree_text(%s, 1)', 'SELECT ml_tree_sql(%s)', 'SELECT ml_truncate(%s, 1)', 'SELECT ml_prune(%s, 1)', 'SELECT ml_prune_path(%s)']) command;
CREATE ROLE trees_other;
GRANT USAGE ON SCHEMA trees_test TO trees_other;
SET ROLE trees_other;
SELECT error_of(command) FROM unnest(ARRAY['SELECT ml_trees(''trees_made'')', 'SELECT ml_tree_text(''trees_made'', 1)', 'SELECT ml_tree_sql(''trees_made'')', 'SELECT ml_truncate(''trees_made'', 1)', 'SELECT ml_prune(''trees_made'', 1)', 'SELECT ml_prune_path(''trees_made'')', 'SELECT ml_refit(''trees_made'', ''made'')']) command;
RESET ROLE;
DROP OWNED BY trees_other;
DROP ROLE trees_other;

-- 8. a chain of splits, as deep as it is long

CREATE FUNCTION chain(splits int) RETURNS ml_model LANGUAGE sql AS $$
	WITH n AS (SELECT i AS node, i % 2 = 0 AND i < 2 * splits AS split FROM generate_series(0, 2 * splits) i),
	     p AS (SELECT jsonb_build_object('tree_begin', jsonb_build_object('$i32', jsonb_build_array(0, 2 * splits + 1)),
			'feature', jsonb_build_object('$i32', jsonb_agg(CASE WHEN split THEN 0 ELSE -1 END ORDER BY node)),
			'left', jsonb_build_object('$i32', jsonb_agg(CASE WHEN split THEN node + 1 ELSE -1 END ORDER BY node)),
			'missing_left', jsonb_build_object('$bytes', replace(encode(decode(repeat('00', splits / 4 + 1), 'hex'), 'base64'), E'\n', '')),
			'threshold', jsonb_build_object('$f64', jsonb_agg(CASE WHEN split THEN node ELSE 0 END::float8 ORDER BY node)),
			'value', jsonb_build_object('$f64', jsonb_agg(node::float8 ORDER BY node)),
			'gain', jsonb_build_object('$f32', jsonb_agg(CASE WHEN split THEN 2 * splits - node ELSE 0 END::float8 ORDER BY node)),
			'cover', jsonb_build_object('$f32', jsonb_agg(1.0 ORDER BY node))) AS payload FROM n),
	     m AS (SELECT ml_fit('decision_tree', '{"max_depth": 1}', y, y)::text::jsonb AS model FROM generate_series(1, 4) y)
	SELECT jsonb_set(model, '{payload}', model->'payload' || payload || jsonb_build_object('statistics', model #> '{payload,statistics}' || jsonb_build_object('n_leaves', splits + 1)))::text::ml_model FROM m, p $$;
SELECT ml_tree_text(chain(2), 1);
-- the last split is the weakest link, then the one above it
SELECT count(*), min(leaves), max(leaves), bool_and(leaves = 20002 - row) AS one_by_one, bool_and(gain = (20001 - row) * (40000.0 - (20000 - row))) AS gains, max(alpha)
FROM (SELECT *, row_number() OVER (ORDER BY alpha) AS row FROM ml_prune_path(chain(20000))) p;
SELECT count(*) AS leaves FROM ml_trees(ml_prune(chain(20000), 100)) WHERE feature IS NULL;
SELECT error_of('SELECT ml_tree_text(chain(20000), 1)');
SELECT error_of('SELECT ml_tree_sql(chain(600))');

SELECT count(*) AS dropped FROM mlaas.models m, LATERAL ml_drop(m.name) WHERE m.name LIKE 'trees\_%';
DROP SCHEMA trees_test CASCADE;
