-- Predictions with a coverage that was asked for (src/pg/conformal.c).

CREATE FUNCTION ml_predict_interval(model text, coverage float8, VARIADIC features "any",
									OUT prediction float8, OUT low float8, OUT high float8)
RETURNS record
LANGUAGE C STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_predict_interval';
COMMENT ON FUNCTION ml_predict_interval(text, float8, "any") IS
'The number that a model predicts for a row, and bounds between which the true one lies with a probability of coverage, 0 < coverage < 1, whatever the model, as long as rows come from where the training rows came from (split conformal prediction). The bounds are the quantiles of the errors on the rows that the training held out, added to the prediction; infinite when those rows are too few for the coverage. Where the training had row weights the rows held out count as these say, and the new row as one of average weight. model, features and errors as for ml_predict; 42809 for a classifier; 55000 for a model without held-out rows.';

CREATE FUNCTION ml_predict_interval(model ml_model, coverage float8, VARIADIC features "any",
									OUT prediction float8, OUT low float8, OUT high float8)
RETURNS record
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_predict_interval';
COMMENT ON FUNCTION ml_predict_interval(ml_model, float8, "any") IS
'The same with a model as a value: a prediction and its bounds.';

CREATE FUNCTION ml_predict_set(model text, coverage float8, VARIADIC features "any")
RETURNS text[]
LANGUAGE C STABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_predict_set';
COMMENT ON FUNCTION ml_predict_set(text, float8, "any") IS
'The classes that a row may be of, the most probable first: the true one is among them with a probability of coverage, 0 < coverage < 1, whatever the model, as long as rows come from where the training rows came from (split conformal prediction); row weights as for ml_predict_interval. A set of several classes tells that the model cannot tell; an empty one that the row is less like any class than the coverage allows for. model, features and errors as for ml_predict_label; 55000 for a model without held-out rows.';

CREATE FUNCTION ml_predict_set(model ml_model, coverage float8, VARIADIC features "any")
RETURNS text[]
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'ml_predict_set';
COMMENT ON FUNCTION ml_predict_set(ml_model, float8, "any") IS
'The same with a model as a value: the classes that a row may be of.';
