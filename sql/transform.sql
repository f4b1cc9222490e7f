-- Preparation without a learner, and what it makes of rows (src/pg/transform.c).

CREATE FUNCTION ml_fit_preprocess(source text, preprocess jsonb DEFAULT '{}', features text[] DEFAULT NULL, target text DEFAULT NULL)
RETURNS ml_model
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_fit_preprocess';
COMMENT ON FUNCTION ml_fit_preprocess(text, jsonb, text[], text) IS
'A preparation fitted to all rows of a source, as a model that only transforms: for ml_transform, ml_transform_json, ml_inverse_transform and ml_describe, and, under a name that ml_register gives it, for "transform" in preprocess of learners; to predict with it is an error (42809).
source: a table, a view or one SELECT, read with the caller''s rights. preprocess: as for ml_train; without a "scale" numbers are standardised. features: the columns to transform; default: all but the target. target: needed by encodings by the target and by "mutual_information"; rows where it is NULL are left out.
Errors: as for the preparation of ml_train.';

CREATE FUNCTION ml_transform(model text, VARIADIC features "any")
RETURNS float8[]
LANGUAGE C STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_transform';
COMMENT ON FUNCTION ml_transform(text, "any") IS
'The numbers that the preparation of a model makes of a row, in the order of "columns" of ml_describe(model) -> ''preparation'': what its learner sees. A missing value that the learner takes as such is NULL.
model: a registered name, name@version or name@alias, whose definition the caller may see. features: as for ml_predict. NULL for the model or the row gives NULL.
Errors: as for ml_predict; 42809 for a model made of models.';

CREATE FUNCTION ml_transform(model ml_model, VARIADIC features "any")
RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_transform';
COMMENT ON FUNCTION ml_transform(ml_model, "any") IS
'The same with a model as a value: the numbers that its preparation makes of a row.';

CREATE FUNCTION ml_transform_json(model text, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'ml_transform_json';
COMMENT ON FUNCTION ml_transform_json(text, "any") IS
'As ml_transform, as an object of the prepared columns'' names and numbers.';

CREATE FUNCTION ml_transform_json(model ml_model, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'ml_transform_json';
COMMENT ON FUNCTION ml_transform_json(ml_model, "any") IS
'The same with a model as a value: the numbers that its preparation makes of a row, by name.';

CREATE FUNCTION ml_inverse_transform(model text, prepared float8[])
RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'ml_inverse_transform';
COMMENT ON FUNCTION ml_inverse_transform(text, float8[]) IS
'The numbers that prepared columns came from, as an object of features: scaling, log1p, box_cox and yeo_johnson undone. Features whose columns keep too little to tell are not in it: categories, dates, bins, arrays, interactions. What was imputed or clipped stays so.
prepared: as ml_transform gives it. NULL for an argument gives NULL. Errors: 22023 another number of elements than the model has columns; 42704 no such model; 42809 a model made of models.';

CREATE FUNCTION ml_inverse_transform(model ml_model, prepared float8[])
RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20
AS 'MODULE_PATHNAME', 'ml_inverse_transform';
COMMENT ON FUNCTION ml_inverse_transform(ml_model, float8[]) IS
'The same with a model as a value: the numbers that prepared columns came from.';
