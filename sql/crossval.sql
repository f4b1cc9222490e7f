-- Cross-validation, and parts of a table that stay what they are (src/pg/crossval.c, src/pg/partition.c).

CREATE FUNCTION ml_cross_validate(source text, target text, algorithm text DEFAULT 'auto', features text[] DEFAULT NULL,
								  params jsonb DEFAULT '{}', preprocess jsonb DEFAULT '{}', validation jsonb DEFAULT '{"folds": 5}',
								  weight text DEFAULT NULL,
								  OUT repeat int, OUT fold int, OUT metric text, OUT value float8, OUT baseline float8,
								  OUT n_train bigint, OUT n_test bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50
AS 'MODULE_PATHNAME', 'ml_cross_validate';
COMMENT ON FUNCTION ml_cross_validate(text, text, text, text[], jsonb, jsonb, jsonb, text) IS
'Trains once for each fold without its rows, scores the model on them, and stores nothing: a row for each metric of each fold, with the same of the baseline. repeat and fold count from 1; avg(value) and stddev(value) by metric sum it up.
validation: {"folds": 5, "repeats": 1, "seed": 42, "split": "stratified" | "random" | "group" | "last", "group_by": column, "order_by": column}. stratified (default): every fold has its share of each class; group: rows of one value of group_by stay in one fold; last: forward chaining, fold f learns from the first f of folds + 1 parts in the order of order_by and is scored on the next. The other arguments and errors: as for ml_train; 22000 when a class, the groups or the rows are fewer than the folds. Every fold is judged over the classes of all rows, one that it did not learn from with probability 0. NULL where a metric is not defined.';

CREATE FUNCTION ml_folds(model text, OUT repeat int, OUT fold int, OUT metric text, OUT value float8, OUT baseline float8,
						 OUT n_train bigint, OUT n_test bigint)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'ml_folds';
COMMENT ON FUNCTION ml_folds(text) IS
'The figures of every fold of a model that was trained with "folds" in validation, as ml_cross_validate returns them; no rows for any other model. model and errors: as for ml_predict.';

CREATE FUNCTION ml_folds(model ml_model, OUT repeat int, OUT fold int, OUT metric text, OUT value float8, OUT baseline float8,
						 OUT n_train bigint, OUT n_test bigint)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'ml_folds';
COMMENT ON FUNCTION ml_folds(ml_model) IS 'The same for a model as a value.';

CREATE FUNCTION ml_split(key bigint, seed bigint DEFAULT 42, fractions float8[] DEFAULT '{0.8,0.2}')
RETURNS int
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_split_bigint';
COMMENT ON FUNCTION ml_split(bigint, bigint, float8[]) IS
'The part of a table that a row belongs to, from 1, by its key: ml_split(id) = 1 is true for 80 % of all keys, = 2 for the rest, for ever and whatever rows come and go. fractions: the shares of the parts, each between 0 and 1, together 1. Another seed gives another division. NULL for a NULL key. Error 22023: fractions that are no division.';

CREATE FUNCTION ml_split(key text, seed bigint DEFAULT 42, fractions float8[] DEFAULT '{0.8,0.2}')
RETURNS int
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_split_text';
COMMENT ON FUNCTION ml_split(text, bigint, float8[]) IS 'The same by a text; cast keys of other types to text.';

CREATE FUNCTION ml_split(key uuid, seed bigint DEFAULT 42, fractions float8[] DEFAULT '{0.8,0.2}')
RETURNS int
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'ml_split_uuid';
COMMENT ON FUNCTION ml_split(uuid, bigint, float8[]) IS 'The same by a UUID.';
