-- Training a registered model (src/pg/train.c).

CREATE FUNCTION ml_train(name text, source text, target text DEFAULT NULL, algorithm text DEFAULT 'auto',
						 features text[] DEFAULT NULL, params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}',
						 validation jsonb DEFAULT '{}', weight text DEFAULT NULL, deploy text DEFAULT 'first',
						 OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
						 OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_train';
COMMENT ON FUNCTION ml_train(text, text, text, text, text[], jsonb, jsonb, jsonb, text, text) IS
'Trains a model on the rows of source, scores it on rows held out, and stores it as the next version of name.
source: a table or view (an identifier as in SQL, "Quoted" where needed), or one SELECT that only reads; it runs with the rights and the row-level security of the caller.
target: the column to predict; a number (two distinct integers count as classes under auto, other than in ml_fit with a numeric target), a boolean, or text, an enum or a UUID. Rows whose target is NULL are left out.
algorithm: one of ml_algorithms(), or auto: the linear model of the task (linear_regression, logistic_regression) or gradient_boosting, whichever has the lower rmse or log loss on a quarter of up to 8,000 training rows, boosting only when by more than 1 %. Without a comparison auto is the linear model: with fewer than 1,000 training rows, fewer than 25 of a class, more than 20 classes, with params, preprocess or weight given, and where no random rows are held out. ml_describe(model) #> ''{training,auto}'' tells.
features: columns to learn from; default: all but target, weight and the column of validation. Numbers, booleans, dates and times (in seconds), text, enums, UUIDs, arrays of numbers; NULL is a missing value.
params: the algorithm''s parameters, see ml_params(algorithm). preprocess: {"scale": "auto" | "standard" | "none", "missing_indicator": boolean, "max_categories": n, "min_frequency": share}.
validation: {"split": "stratified" | "random" | "last" | "column" | "none", "test_size": 0.2, "seed": 42, "order_by": column, "column": column}. stratified (the default; by class) and random choose test_size of the rows by their content and the seed; last holds out the last test_size in the order of the column order_by; column holds out the rows where a boolean column is true; none holds out nothing, and metrics are those of the training rows: of r2, mse and rmse only where a learner of one pass (linear_regression) reads columns of numbers, no arrays or categories. order_by or column alone implies its split.
weight: a column with the weight of each row. NULL for an argument means its default.
deploy: first: the version becomes the one that the bare name means when there is none yet; always; never; if_better: also when its main metric on held-out rows (roc_auc for two classes, log_loss for more, rmse for numbers) beats that of the deployed version, which stays on a tie, when either was scored without held-out rows, or when the tasks differ.
Returns the version, the metrics on the held-out rows, the rows learned from and held out, the seconds it took and whether the version was deployed.
Errors: a source, column, algorithm or parameter that does not exist (the nearest is named), a type that cannot be used, rows that cannot be learned from (none, one class only, a constant target, NaN or infinity), mlaas.max_memory exceeded, a name of another role''s model, a read-only transaction.';
