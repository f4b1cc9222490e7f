-- Predictions for rows (src/pg/predict.c, predict_json.c) and for whole sources (batch.c).
--
-- By name: STABLE, resolved once per statement.  By value: IMMUTABLE, so also for generated
-- columns and indexes.  A NULL feature is a missing value, so none of them is STRICT.

CREATE FUNCTION ml_predict_support(internal)
RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_predict_support';
COMMENT ON FUNCTION ml_predict_support(internal) IS 'Tells the planner what a prediction costs.';

CREATE FUNCTION ml_predict(model text, VARIADIC features "any")
RETURNS float8
LANGUAGE C STABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict';
COMMENT ON FUNCTION ml_predict(text, "any") IS
'The number that a model predicts for a row, in the unit of its target; of a classifier with numeric or boolean labels the label (true is 1).
model: a registered name (its deployed version), name@version or name@alias.
features: one row (ml_predict(''m'', t)) or one jsonb or json object, both matched by name, where other members are ignored and a missing one is an error; or one array by position, an element for each feature and as many as it is wide for a vector, so that a model of one vector feature takes an array as that vector; or the values in order. A single literal without a type is an object when it begins as one, as in ml_predict(''m'', ''{"x": 1}''), else a value; one that begins with another brace is cast to an array type or to text.
NULL and NaN values are missing values; NULL for the model, row, object or array gives NULL. Text for a number is parsed strictly; date and time types count as in training; in JSON, text for a number is an error, but for dates and times, which are read in UTC where they name no time zone.
Errors: 42704 no such model, version or alias; 42501 a model of another role; 42703 or 22023 features missing or of the wrong count; 42804 a value of the wrong type; 42P18 a literal without a type that could be an array or a text; 22003 infinity; 42809 a classifier with text labels (use ml_predict_label).';

CREATE FUNCTION ml_predict(model ml_model, VARIADIC features "any")
RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict';
COMMENT ON FUNCTION ml_predict(ml_model, "any") IS
'The same with a model as a value: the number that it predicts for a row. features and errors as for ml_predict(text, ...).';

CREATE FUNCTION ml_predict_label(model text, VARIADIC features "any")
RETURNS text
LANGUAGE C STABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict_label';
COMMENT ON FUNCTION ml_predict_label(text, "any") IS
'The label of the class that a classifier predicts for a row: the first of those with the highest probability. model, features and errors as for ml_predict; 42809 for a regression.';

CREATE FUNCTION ml_predict_label(model ml_model, VARIADIC features "any")
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict_label';
COMMENT ON FUNCTION ml_predict_label(ml_model, "any") IS
'The same with a model as a value: the label that it predicts for a row.';

CREATE FUNCTION ml_probability(model text, class text, VARIADIC features "any")
RETURNS float8
LANGUAGE C STABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_probability';
COMMENT ON FUNCTION ml_probability(text, text, "any") IS
'The probability, 0 to 1, that a classifier gives a class for a row. class: its label, as in ml_predict_label; NULL gives NULL. model, features and errors as for ml_predict; 42704 also for a class that the model does not have, 42809 for a regression.';

CREATE FUNCTION ml_probability(model ml_model, class text, VARIADIC features "any")
RETURNS float8
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_probability';
COMMENT ON FUNCTION ml_probability(ml_model, text, "any") IS
'The same with a model as a value: the probability of a class for a row.';

CREATE FUNCTION ml_probabilities(model text, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 20 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_probabilities';
COMMENT ON FUNCTION ml_probabilities(text, "any") IS
'The probabilities of all classes for a row: {"class": probability, ...}, which sum to 1. model, features and errors as for ml_predict; 42809 for a regression.';

CREATE FUNCTION ml_probabilities(model ml_model, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_probabilities';
COMMENT ON FUNCTION ml_probabilities(ml_model, "any") IS
'The same with a model as a value: the probabilities of all classes for a row.';

CREATE FUNCTION ml_predict_quantiles(model text, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 20 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict_quantiles';
COMMENT ON FUNCTION ml_predict_quantiles(text, "any") IS
'The quantiles that a model of objective quantile estimates for a row: {"0.1": number, ...}, never crossing. model, features and errors as for ml_predict; 42809 for a model that estimates none.';

CREATE FUNCTION ml_predict_quantiles(model ml_model, VARIADIC features "any")
RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 20 SUPPORT ml_predict_support
AS 'MODULE_PATHNAME', 'ml_predict_quantiles';
COMMENT ON FUNCTION ml_predict_quantiles(ml_model, "any") IS
'The same with a model as a value: the quantiles for a row.';

CREATE FUNCTION ml_predict_json(model text, input jsonb)
RETURNS jsonb
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'ml_predict_json';
COMMENT ON FUNCTION ml_predict_json(text, jsonb) IS
'Predictions for one JSON object, or for an array of objects, in its order (null for null).
Each is {"prediction": number} for a regression and {"label": text, "probabilities": {"class": probability, ...}} for a classifier, with "prediction" too where the labels are numbers or booleans: what ml_predict, ml_predict_label and ml_probabilities return. Objects are matched by name as in ml_predict, with its errors; the context of an error in an array tells the element.';

CREATE FUNCTION ml_predict_json(model ml_model, input jsonb)
RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'ml_predict_json';
COMMENT ON FUNCTION ml_predict_json(ml_model, jsonb) IS
'The same with a model as a value: predictions for one JSON object or an array of them.';

-- The source may be any query of the caller's, hence volatile and not in a parallel plan of another query;
-- its own plan may be parallel.

CREATE FUNCTION ml_predict_batch(model text, source text, key text DEFAULT NULL,
								 OUT key text, OUT prediction float8, OUT label text, OUT probability float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_predict_batch';
COMMENT ON FUNCTION ml_predict_batch(text, text, text) IS
'The predictions for every row of a source, scored in blocks on up to mlaas.max_threads threads.
model: as for ml_predict. source: a table or view, or one SELECT that only reads; it runs with the rights and the row-level security of the caller. Its columns match the features by name, others are ignored. key: the column that identifies a row, returned as text; default: the number of the row as it was read, from 1.
Returns key; prediction: the number predicted, or the label of a class where it is a number or boolean (true is 1), else NULL; label and probability: the class predicted and its probability, NULL for a regression. Rows come in the order in which they were read.
Errors: as for ml_predict, and a source that cannot be read.';

CREATE FUNCTION ml_predict_batch(model ml_model, source text, key text DEFAULT NULL,
								 OUT key text, OUT prediction float8, OUT label text, OUT probability float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_predict_batch';
COMMENT ON FUNCTION ml_predict_batch(ml_model, text, text) IS
'The same with a model as a value: the predictions for every row of a source.';
