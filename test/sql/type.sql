-- Type ml_model: text and binary forms, casts, and bytes that are no model.
SET client_min_messages = warning;
CREATE SCHEMA type_test;
SET search_path = type_test, public;
CREATE FUNCTION state_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

CREATE TABLE t AS
SELECT i AS id, (i * 37 % 101)::float8 AS x, (ARRAY['é', 'ü"\/', 'plain'])[i % 3 + 1] AS c, (i * 37 % 101) / 7.0 + i % 3 AS y,
	   (ARRAY['oui', 'naïf', 'peut-être'])[(i * 37 % 101) / 34 + 1] AS class
FROM generate_series(1, 100) i;
CREATE TABLE models (id int PRIMARY KEY, model ml_model);
SELECT count(*) AS trained FROM ml_train('type_y', 't', 'y', 'linear_regression', '{x,c}') a, ml_train('type_class', 't', 'class', 'logistic_regression', '{x,c}') b, ml_train('type_base', 't', 'y', 'baseline', '{x}') c;
INSERT INTO models VALUES (1, ml_model('type_y')), (2, ml_model('type_class')), (3, ml_model('type_base'));

-- 1. round trips give the same bytes
SELECT id, model::text::ml_model::bytea = model::bytea AS text, model::bytea::ml_model::bytea = model::bytea AS bytes,
	   ml_model_send(model) = model::bytea AS sent, model::text::ml_model::text = model::text AS text_again
FROM models ORDER BY id;
SELECT id, jsonb_typeof(model::jsonb) AS jsonb, model::jsonb ?& '{mlaas_model,algorithm,signature,preparation,parameters,summary,payload}' AS sections,
	   model::jsonb->>'algorithm' AS algorithm
FROM models ORDER BY id;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/results/type_models.bin'
COPY models TO STDOUT (FORMAT binary) \g :file
CREATE TABLE copied (LIKE models);
\set command '\\copy copied FROM ' :'file' ' (FORMAT binary)'
:command
SELECT count(*) AS copied, bool_and(a.model::bytea = b.model::bytea) AS same FROM models a JOIN copied b USING (id);
CREATE TABLE copied_text AS SELECT id, model::text AS model FROM models;
SELECT count(*) AS copied, bool_and(a.model::bytea = b.model::ml_model::bytea) AS same FROM models a JOIN copied_text b USING (id);

-- 2. defaults, NULL, arrays, records, domains
CREATE DOMAIN good_model AS ml_model CHECK (VALUE IS NOT NULL);
SELECT (ARRAY[m.model, NULL])[1]::bytea = m.model::bytea AS array, (m).model::bytea = m.model::bytea AS record,
	   m.model::good_model::ml_model::bytea = m.model::bytea AS domain, (array_agg(model) OVER ())[1] IS NOT NULL AS aggregated,
	   ml_predict(m.model::good_model, 1, 'é') = ml_predict(m.model, 1, 'é') AS domain_predicts
FROM models m WHERE id = 1;
SELECT NULL::ml_model IS NULL AS null, NULL::bytea::ml_model IS NULL AS null_bytes, NULL::ml_model::jsonb IS NULL AS null_json;

-- 3. text that is no model
SELECT left(j, 40) AS json, state_of(format('SELECT %L::ml_model', j)) AS state FROM unnest(ARRAY['', ' ', '{', 'null', '1', '[]', '{}', '{"mlaas_model": 1}', '{"mlaas_model": 2}', 'type_y',
	'{"mlaas_model": 1, "algorithm": "none", "signature": {}, "preparation": {}, "parameters": {}, "summary": {}, "payload": {}}',
	'{"mlaas_model": 1, "algorithm": "baseline", "signature": {}, "preparation": {}, "parameters": {}, "summary": {}, "payload": {}}']) j;
-- every member left out, in its turn
SELECT count(*) AS members, string_agg(DISTINCT state_of(format('SELECT %L::ml_model', (model::jsonb #- ARRAY[key])::text)), ' ') AS states
FROM models, jsonb_object_keys(model::jsonb) key WHERE id = 2;
SELECT count(*) > 5 AS members, string_agg(DISTINCT state_of(format('SELECT %L::ml_model', (model::jsonb #- ARRAY[section, key])::text)), ' ') AS states
FROM models, unnest(ARRAY['signature', 'payload']) section, jsonb_object_keys(model::jsonb->section) key
WHERE id = 2 AND key NOT IN ('n_iter', 'converged', 'log_likelihood', 'null_log_likelihood', 'aic', 'bic', 'std_error');

-- 4. bytes that are no model
SELECT state_of(format('SELECT %L::bytea::ml_model', b)) AS state FROM unnest(ARRAY['', 'M', 'MLAASMDL', repeat('MLAASMDL', 100)]) b;
CREATE FUNCTION accepted(bytes bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bytes::ml_model;
	RETURN true;
EXCEPTION WHEN data_corrupted THEN
	RETURN false;
END $$;
-- one wrong byte anywhere, a byte too few or too many
SELECT id, count(*) > 500 AS bytes, count(*) FILTER (WHERE accepted(set_byte(model::bytea, i, get_byte(model::bytea, i) # (1 << i % 8)))) AS accepted
FROM models, generate_series(0, length(model::bytea) - 1) i GROUP BY id ORDER BY id;
SELECT count(*) > 500 AS lengths, count(*) FILTER (WHERE accepted(substr(model::bytea, 1, i))) AS accepted
FROM models, generate_series(0, length(model::bytea) - 1) i WHERE id = 3;
SELECT accepted(model::bytea || '\x00') AS one_more, accepted(model::bytea || model::bytea) AS twice, accepted(model::bytea) AS unchanged FROM models WHERE id = 1;

SELECT ml_drop(name) > 0 AS dropped FROM unnest(ARRAY['type_y', 'type_class', 'type_base']) name;
DROP SCHEMA type_test CASCADE;
