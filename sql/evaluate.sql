-- The metrics of a model on a source (src/pg/evaluate.c); as aggregates they are in metrics.sql.

CREATE FUNCTION ml_evaluate(model text, source text, OUT metric text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_evaluate';
COMMENT ON FUNCTION ml_evaluate(text, text) IS
'Every metric that fits a model''s task on the rows of a source, named as in scikit-learn.
Regression: r2, mae, mse, rmse, mape, median_absolute_error, max_error, in units of the target (mse: squared; r2 and mape: shares). Classification: accuracy, balanced_accuracy, precision, recall, f1 (of the second of two classes, else the mean over the classes), roc_auc, average_precision (two classes), log_loss, brier, mcc. Ranking: ndcg, ndcg_at_5, ndcg_at_10, means over the groups. A metric that is not defined on these rows is NULL.
model: as for ml_predict. source: as for ml_predict_batch; it must have the target column under its name. Rows whose target is NULL are skipped; a class that the model does not know counts as predicted wrong. Holds 8 bytes a row for the target and each output, within mlaas.max_memory.
Errors: as for ml_predict_batch; 42703 a source without the target; 22000 no row that has a target, or a target that is not finite; 42804 one of the wrong type; 42809 a model without a target.';

CREATE FUNCTION ml_evaluate(model ml_model, source text, OUT metric text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_evaluate';
COMMENT ON FUNCTION ml_evaluate(ml_model, text) IS
'The same with a model as a value: its metrics on the rows of a source.';

CREATE FUNCTION ml_evaluate(model text, source text, by text, confidence float8 DEFAULT NULL, resamples int DEFAULT 1000,
							seed bigint DEFAULT 42, OUT by_value text, OUT rows bigint, OUT metric text, OUT value float8,
							OUT ci_low float8, OUT ci_high float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100
AS 'MODULE_PATHNAME', 'ml_evaluate_by';
COMMENT ON FUNCTION ml_evaluate(text, text, text, float8, int, bigint) IS
'The metrics of a model on the rows of a source for each value of the column by (as text; NULL is a value of its own), or with by NULL on all rows.
confidence, for example 0.95: adds the interval from ci_low to ci_high that has the metric with this confidence, from the percentiles of resamples (10 to 100,000) bootstrap samples drawn by the seed; without it they are NULL. The time is that of so many evaluations of the rows. A metric that is not defined on the rows of a value is NULL.
model, source and errors: as for ml_evaluate(model, source); 42703 no such column; 22023 a confidence outside 0 to 1; 0A000 intervals of a ranking.';

CREATE FUNCTION ml_evaluate(model ml_model, source text, by text, confidence float8 DEFAULT NULL, resamples int DEFAULT 1000,
							seed bigint DEFAULT 42, OUT by_value text, OUT rows bigint, OUT metric text, OUT value float8,
							OUT ci_low float8, OUT ci_high float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100
AS 'MODULE_PATHNAME', 'ml_evaluate_by';
COMMENT ON FUNCTION ml_evaluate(ml_model, text, text, float8, int, bigint) IS
'The same with a model as a value: its metrics by the values of a column.';

CREATE FUNCTION ml_compare(models text[], source text, confidence float8 DEFAULT 0.95, resamples int DEFAULT 1000,
						   seed bigint DEFAULT 42, OUT model text, OUT metric text, OUT value float8, OUT difference float8,
						   OUT ci_low float8, OUT ci_high float8, OUT p_value float8, OUT test text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 50
AS 'MODULE_PATHNAME', 'ml_compare';
COMMENT ON FUNCTION ml_compare(text[], text, float8, int, bigint) IS
'Models beside each other on the same rows, read once: every metric of each, its difference from the first model''s, the interval from ci_low to ci_high that has the difference with this confidence, and the p-value of there being none. test: mcnemar (accuracy; its interval is that of the bootstrap), delong (roc_auc of two classes), bootstrap (all other metrics: paired, by resamples draws from the seed, so no p-value is below 2 / (resamples + 1)); none for the first model and for rankings. p-values are of one comparison each: many models or metrics make some small by chance.
models: registered names, name@version or name@alias, of one target, task and set of classes. source and errors: as for ml_evaluate; 22023 models that do not predict the same.';
