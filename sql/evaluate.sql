-- The metrics of a model on a source (src/pg/evaluate.c); as aggregates they are in metrics.sql.

CREATE FUNCTION ml_evaluate(model text, source text, OUT metric text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_evaluate';
COMMENT ON FUNCTION ml_evaluate(text, text) IS
'Every metric that fits a model''s task on the rows of a source, named as in scikit-learn.
Regression: r2, mae, mse, rmse, mape, median_absolute_error, max_error, in units of the target (mse: squared; r2 and mape: shares). Classification: accuracy, balanced_accuracy, precision, recall, f1 (of the second of two classes, else the mean over the classes), roc_auc, average_precision, log_loss, brier, mcc. A metric that is not defined on these rows is NULL.
model: as for ml_predict. source: as for ml_predict_batch; it must have the target column under its name. Rows whose target is NULL are skipped; a class that the model does not know counts as predicted wrong. Holds 8 bytes a row for the target and each output, within mlaas.max_memory.
Errors: as for ml_predict_batch; no rows; a target that is not finite or of the wrong type.';

CREATE FUNCTION ml_evaluate(model ml_model, source text, OUT metric text, OUT value float8)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000 ROWS 10
AS 'MODULE_PATHNAME', 'ml_evaluate';
COMMENT ON FUNCTION ml_evaluate(ml_model, text) IS
'The same with a model as a value: its metrics on the rows of a source.';
