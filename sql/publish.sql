-- Published models: a function of mlaas_api for each (src/pg/publish.c), and where the features of
-- a key are read (src/pg/predict_key.c, which knows the columns by their numbers).

CREATE TABLE mlaas.published (
	model_id		uuid NOT NULL,
	source			regclass,
	published_at	timestamptz NOT NULL,
	function_name	text COLLATE "C" NOT NULL,
	model_name		text NOT NULL,
	arguments		text NOT NULL,
	returns			text NOT NULL,
	published_by	text NOT NULL,
	key				text,
	CONSTRAINT published_pkey PRIMARY KEY (model_id),
	CONSTRAINT published_function_key UNIQUE (function_name),
	CONSTRAINT published_source_check CHECK ((source IS NULL) = (key IS NULL))
);
COMMENT ON TABLE mlaas.published IS 'The models that have a function in mlaas_api, with the signature it was made with, and the table or view that has the features of a key.';

REVOKE ALL ON mlaas.published FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('mlaas.published', '');
ALTER TABLE mlaas.published ENABLE ROW LEVEL SECURITY;
CREATE POLICY published_read ON mlaas.published FOR SELECT USING (mlaas.has_privilege(model_id, 'predict'));

CREATE FUNCTION ml_predict_row(model text, "row" "any", OUT prediction float8, OUT label text, OUT probability float8)
RETURNS record
LANGUAGE C STABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'ml_predict_row';
COMMENT ON FUNCTION ml_predict_row(text, "any") IS
'All that a model predicts for a row, scored once: prediction as ml_predict gives it (NULL for text labels), label and its probability, 0 to 1, for a classifier.
model: as for ml_predict. row: one row or one json or jsonb object, matched by name, or one array by position; NULL gives NULLs. Errors as for ml_predict. In a request of PostgREST the body of an error keeps the SQLSTATE, and the status is 404 for an unknown model and 422 for values that do not fit.';

CREATE FUNCTION ml_publish(name text, function text DEFAULT NULL, source text DEFAULT NULL, key text DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_publish';
COMMENT ON FUNCTION ml_publish(text, text, text, text) IS
'Makes a function of mlaas_api for a deployed model, so that PostgREST describes and serves it; returns its signature.
function: its name; default: the model''s. Its arguments are the features, in the types that they were trained with (a type that is not PostgreSQL''s own: text, double precision or double precision[]); one may be left out, which means NULL, where the model has learned what a missing value means or makes no use of it. With more than 100 features it takes one JSON object. It returns label and probability, or prediction; an output that a feature shares the name of is called predicted_....
source, key: a table or view with the features and its column that identifies a row; with them mlaas_api.predict_by_key predicts by key. Called again it changes what is given. Every deploy, rollback or renaming of the model renews the function in the same transaction, and dropping the model drops it. Everyone may execute it, but it takes the privilege "predict" on the model; it runs with the rights of the caller.
Errors: 42704 no such model; 42501 not the privilege manage, or not a member of mlaas_deployer where that exists; 55000 nothing is deployed; 42723 mlaas_api has a function of that name; 42P01 or 42703 no such source, key or feature in it; 22023 one of source and key without the other.';

CREATE FUNCTION ml_unpublish(name text)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_unpublish';
COMMENT ON FUNCTION ml_unpublish(text) IS
'Drops the function of mlaas_api that ml_publish made for a model; false when there is none. Errors: 42704 no such model; 42501 as for ml_publish; 2BP01 when other objects depend on the function.';
