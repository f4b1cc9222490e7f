-- What a REST client sees through PostgREST: schema mlaas_api.
--
-- Names and comments become the API and its description, so arguments have plain names and
-- types.  Everything runs with the rights of the role of the request.

CREATE VIEW mlaas_api.models WITH (security_barrier) AS
SELECT m.name,
	   m.task,
	   m.target,
	   m.algorithm,
	   m.deployed_version,
	   m.latest_version,
	   m.metrics,
	   m.features,
	   m.owner,
	   m.created_at,
	   m.trained_at
FROM mlaas.models m;

COMMENT ON VIEW mlaas_api.models IS
'The models that the role of the request may use.';
COMMENT ON COLUMN mlaas_api.models.name IS 'Name: the argument model of predict.';
COMMENT ON COLUMN mlaas_api.models.task IS 'regression, binary or multiclass.';
COMMENT ON COLUMN mlaas_api.models.target IS 'What is predicted.';
COMMENT ON COLUMN mlaas_api.models.algorithm IS 'Algorithm of the deployed version, else of the latest.';
COMMENT ON COLUMN mlaas_api.models.deployed_version IS 'Version that the bare name uses; null when none is deployed.';
COMMENT ON COLUMN mlaas_api.models.latest_version IS 'Highest version: use it as name@version.';
COMMENT ON COLUMN mlaas_api.models.metrics IS 'Metrics on held-out rows, by name: {"roc_auc": 0.84, ...}.';
COMMENT ON COLUMN mlaas_api.models.features IS 'What an input must have: name, kind and type of each feature.';
COMMENT ON COLUMN mlaas_api.models.owner IS 'Role that owns the model.';
COMMENT ON COLUMN mlaas_api.models.created_at IS 'When the name was trained first.';
COMMENT ON COLUMN mlaas_api.models.trained_at IS 'When this version was trained.';

GRANT SELECT ON mlaas_api.models TO PUBLIC;

-- The body is parsed here, once, so no search_path can change what it calls; and it can be
-- inlined, which a SET clause would forbid.
CREATE FUNCTION mlaas_api.predict(model text, input json)
RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE
RETURN @extschema@.ml_predict_json(model, input::pg_catalog.jsonb)::pg_catalog.json;
COMMENT ON FUNCTION mlaas_api.predict(text, json) IS
'Predict for one input or for several.

model: name of a model, or name@version, or name@alias. input: one object {"feature": value, ...}, or an array of such objects; null is a missing value, other members are ignored. Returns an object, or an array in the same order: {"prediction": number} for a regression, {"label": ..., "probabilities": {"class": ..., ...}} and, where the labels are numbers, "prediction", for a classifier. Errors: 42704 no such model, version or alias; 42501 a model of another role; 22023 a feature that is missing or of the wrong type.';

-- The C function itself: a wrapper would have to fix its search_path, and then could not
-- find the relation as the request's search_path finds it.
CREATE FUNCTION mlaas_api.train(name text, source text, target text DEFAULT NULL, algorithm text DEFAULT 'auto',
								features text[] DEFAULT NULL, params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}',
								validation jsonb DEFAULT '{}', weight text DEFAULT NULL, deploy text DEFAULT 'first',
								OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
								OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_train_relation';
COMMENT ON FUNCTION mlaas_api.train(text, text, text, text, text[], jsonb, jsonb, jsonb, text, text) IS
'Train a model on a table or view.

name: name of the model; its next version is stored. source: a table or view that the role may read, never SQL text. target: column to predict. algorithm: auto, or one of the algorithms there are. features: columns to learn from; default: all others. params, preprocess, validation: objects of options. weight: column with the weight of each row. deploy: first (when none is deployed yet), if_better, always or never. Returns the version, its metrics on held-out rows, the rows learned from and held out, and the seconds it took. Errors: 42P01 no such table or view; 42501 one that the role may not read, or a name that a model of another role has; 42703 no such column; 42704 no such algorithm or parameter; 22023 SQL text as the source, or a value out of range; 54000 mlaas.max_memory reached.';
