-- What there is and what a model is (src/pg/describe.c).

CREATE FUNCTION ml_algorithms(OUT name text, OUT tasks text[], OUT description text, OUT parameters text[],
							  OUT coefficients boolean)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'ml_algorithms';
COMMENT ON FUNCTION ml_algorithms() IS
'The algorithms that ml_train and ml_fit know: name, the tasks they can learn (regression, binary, multiclass, ranking, anomaly), what they are, the names of their parameters (see ml_params), and whether ml_coefficients shows their models.';

CREATE FUNCTION ml_params(algorithm text, OUT name text, OUT type text, OUT default_value text, OUT min float8,
						  OUT max float8, OUT min_exclusive boolean, OUT choices text[], OUT description text)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'ml_params';
COMMENT ON FUNCTION ml_params(text) IS
'The parameters of an algorithm: name; type (real, integer, boolean, choice, column: the name of one, or json); the default as text; min and max, inclusive unless min_exclusive, NULL where there is no bound; the choices; and the meaning. Error 42704 for an algorithm that does not exist.';

CREATE FUNCTION ml_describe(model text)
RETURNS jsonb
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'ml_describe';
COMMENT ON FUNCTION ml_describe(text) IS
'What a model is, for readers: algorithm, task, target, classes, features with their kinds and types, preparation, parameters, training summary and what was learned, without the weights of large models; bytes is the size. jsonb_pretty() makes it readable. model and errors: as for ml_predict.';

CREATE FUNCTION ml_describe(model ml_model)
RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'ml_describe';
COMMENT ON FUNCTION ml_describe(ml_model) IS 'The same for a model as a value.';

CREATE FUNCTION ml_coefficients(model text, OUT class text, OUT feature text, OUT estimate float8,
								OUT std_error float8, OUT statistic float8, OUT p_value float8,
								OUT ci_low float8, OUT ci_high float8)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'ml_coefficients';
COMMENT ON FUNCTION ml_coefficients(text) IS
'The coefficients of a linear model, for the columns as they were given, whatever was scaled inside; the intercept, "(intercept)", comes first. class: the class they are of, NULL for a regression. estimate: change of the target (of the log odds for a classifier) for one unit of the feature. std_error, statistic (t or z), p_value, and the 95 % confidence interval ci_low to ci_high are NULL where the model has none (more than two classes, a column that others determine); with a penalty they are those of the penalised problem. model and errors: as for ml_predict; 0A000 for an algorithm without coefficients.';

CREATE FUNCTION ml_coefficients(model ml_model, OUT class text, OUT feature text, OUT estimate float8,
								OUT std_error float8, OUT statistic float8, OUT p_value float8,
								OUT ci_low float8, OUT ci_high float8)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'ml_coefficients';
COMMENT ON FUNCTION ml_coefficients(ml_model) IS 'The same for a model as a value.';

CREATE FUNCTION ml_statistics(model text, OUT statistic text, OUT value float8)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 12
AS 'MODULE_PATHNAME', 'ml_statistics';
COMMENT ON FUNCTION ml_statistics(text) IS
'Numbers that sum up the fit on the training rows, as statistics packages print them below the coefficients: r2, adj_r2, sigma, f_statistic, log_likelihood, aic, bic, df_residual ... for a linear regression; log_likelihood, aic, bic, n_iter, converged (1 or 0) ... for a logistic one. NULL where a number is not defined; no rows for a learner that keeps none. model and errors: as for ml_predict.';

CREATE FUNCTION ml_statistics(model ml_model, OUT statistic text, OUT value float8)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 12
AS 'MODULE_PATHNAME', 'ml_statistics';
COMMENT ON FUNCTION ml_statistics(ml_model) IS 'The same for a model as a value.';
