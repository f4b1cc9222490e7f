-- Keeping a model up to date, and making it again (src/pg/update.c, reproduce.c).

CREATE FUNCTION ml_update(model text, source text, params jsonb DEFAULT NULL, validation jsonb DEFAULT NULL,
						  weight text DEFAULT NULL, deploy text DEFAULT 'never',
						  OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
						  OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_update';
COMMENT ON FUNCTION ml_update(text, text, jsonb, jsonb, text, text) IS
'Takes new rows into a model and stores the result as the next version of its name, a child of the one it came from. How depends on the algorithm; mlaas.versions.lineage -> ''arguments'' ->> ''method'' and mlaas.history say what was done:
merged: linear_regression gives what a training on the rows before and these would, both prepared as the version prepares them (a category it does not know stays unknown, a feature that was constant stays left out); the sums it needs are kept in a model of up to 125 prepared columns. source: the new rows alone.
continued: gradient_boosting, random_forest and extra_trees add trees learned from these rows, as ml_continue does; the trees there are stay. source: the new rows, or the latest.
retrained: any other model is trained anew on source with the features, parameters and preparation of the version, which is fitted anew unless it was a transform. source: all rows to learn from.
model: name, name@version or name@alias. params: what is to differ from the version''s parameters; n_estimators is how many trees to add. validation, weight: as for ml_train; NULL: as the version was trained. deploy: as for ml_train, but never by default.
Returns the row of ml_train; n_train and metrics are of the rows of source.
Errors: 0A000 for a pipeline or an ensemble; 55000 for a version that was registered as a value, where it would be trained anew; else as for ml_continue and ml_train.';

CREATE FUNCTION ml_reproduce(model text, source text DEFAULT NULL,
							 OUT identical boolean, OUT bytes_identical boolean, OUT row_digest_same boolean,
							 OUT rows_then bigint, OUT rows_now bigint, OUT software_then text, OUT software_now text,
							 OUT parameters_changed text[], OUT features_changed text[], OUT metrics_changed jsonb,
							 OUT reason text)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_reproduce';
COMMENT ON FUNCTION ml_reproduce(text, text) IS
'Makes a version again from its lineage (the same operation, source, arguments and seed, the search_path and settings of then, the rows of now) and says whether it came out the same. Nothing is stored.
identical: whether the model predicts the same: signature, preparation, parameters and what was learned are the same bytes. bytes_identical: its summary too (metrics, row digest). row_digest_same, rows_then, rows_now: whether the source gives the rows of then, and how many; NULL where no rows are read. software_then, software_now: versions of mlaas and PostgreSQL. parameters_changed, features_changed: names. metrics_changed: {"metric": {"then": .., "now": .., "difference": ..}} of those that differ. reason: the same in words.
model: name, name@version or name@alias; needs the privilege describe, and of role mlaas_trainer, where it exists, membership. source: instead of the one in the lineage, with the caller''s search_path, not that of then. Without it only the role that made the version may call: the source is that role''s SQL, and would run with the rights of the caller. A version made from others (continued, updated, edited, a pipeline, an ensemble) needs them to be there still.
Errors: 42501 for another role; 55000 for a version without lineage, or one that was registered as a value; 42704 for a parent, member or transform that is gone; else as for ml_train.';
