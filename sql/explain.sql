-- Why a model says what it says (src/pg/explain.c, explain_batch.c), what its features matter (importance.c), and how its
-- predictions depend on one of them (dependence.c).
--
-- An explanation may read a background sample from a source, which a parallel worker could not always do; the others
-- always read one, or anything that a query can: hence volatile and not in a parallel plan, as ml_predict_batch.

CREATE FUNCTION ml_explain(model text, features "any", options jsonb DEFAULT '{}',
						   OUT class text, OUT feature text, OUT value text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_explain';
COMMENT ON FUNCTION ml_explain(text, "any", jsonb) IS
'Why a model says what it says of one row: exact Shapley values. The contributions and the base value, which is the first row, "(base value)", add up to the raw score.
Raw score: the number of a regression (its logarithm where the objective has a log link, as for counts); for gradient boosting and logistic regression the log odds, or of three classes or more the score before the softmax (one-versus-rest: the log odds of the class); for forests and single trees the probability; for anomalies the mean length of the paths, as a share of what is expected, so what is negative makes a row unusual; of several quantiles the one that ml_predict gives. A baseline has a base value and contributions of zero.
model: as for ml_predict. features: a row, a json or jsonb object or an array as for ml_predict, or the one value of a model of one feature. options: "class": explain this class (default: the second of two classes, each of more); "method": "path" (default: trees by the training rows on their paths, linear models against the means of the training rows) or "interventional" (against the rows of a background); "background": a table or view, or one SELECT, read with the rights of the caller, needed by "interventional"; "background_rows": a sample of at most so many of its rows (default 100), by "seed" (default 0).
Returns for each class (NULL where there is none) and feature (an element of a vector as name[i], from 1) the value given, as text (dates and times in ISO 8601, in UTC; NULL where it is missing), and its contribution, in units of the raw score. NULL for the model or the row gives no rows; NULL for options is {}.
Errors: as for ml_predict; 0A000 an algorithm of neither trees nor coefficients; 42704 an option or class that does not exist; 22023 and 42804 options of the wrong value or type.';

CREATE FUNCTION ml_explain(model ml_model, features "any", options jsonb DEFAULT '{}',
						   OUT class text, OUT feature text, OUT value text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_explain';
COMMENT ON FUNCTION ml_explain(ml_model, "any", jsonb) IS
'The same with a model as a value: the contributions of features to what it says of one row.';

CREATE FUNCTION ml_explain_interactions(model text, features "any", options jsonb DEFAULT '{}',
										OUT class text, OUT feature text, OUT other text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 400
AS 'MODULE_PATHNAME', 'ml_explain_interactions';
COMMENT ON FUNCTION ml_explain_interactions(text, "any", jsonb) IS
'The Shapley interaction values of one row: for each pair of features what they contribute together beyond what each does alone, half of it in each of the pair''s two rows; for a feature with itself its contribution alone. The rows of a feature add up to its contribution in ml_explain. All pairs, so features squared rows a class; of a linear model all pairs of two are zero.
Arguments, units and errors: as for ml_explain.';

CREATE FUNCTION ml_explain_interactions(model ml_model, features "any", options jsonb DEFAULT '{}',
										OUT class text, OUT feature text, OUT other text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 400
AS 'MODULE_PATHNAME', 'ml_explain_interactions';
COMMENT ON FUNCTION ml_explain_interactions(ml_model, "any", jsonb) IS
'The same with a model as a value: the interactions of features in what it says of one row.';

CREATE FUNCTION ml_explain_batch(model text, source text, key text DEFAULT NULL, options jsonb DEFAULT '{}',
								 OUT key text, OUT class text, OUT feature text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 100000
AS 'MODULE_PATHNAME', 'ml_explain_batch';
COMMENT ON FUNCTION ml_explain_batch(text, text, text, jsonb) IS
'The contributions for every row of a source, in blocks on up to mlaas.max_threads threads: for each row and class "(base value)" and then the features, the same numbers as ml_explain gives.
model, source, key: as for ml_predict_batch. options, units and errors: as for ml_explain, and a source that cannot be read. Rows come in the order in which they were read. NULL for the model or the source gives no rows.';

CREATE FUNCTION ml_explain_batch(model ml_model, source text, key text DEFAULT NULL, options jsonb DEFAULT '{}',
								 OUT key text, OUT class text, OUT feature text, OUT contribution float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 100000
AS 'MODULE_PATHNAME', 'ml_explain_batch';
COMMENT ON FUNCTION ml_explain_batch(ml_model, text, text, jsonb) IS
'The same with a model as a value: the contributions for every row of a source.';

CREATE FUNCTION ml_importance(model text, method text DEFAULT 'gain', source text DEFAULT NULL, options jsonb DEFAULT '{}',
							  OUT feature text, OUT importance float8, OUT std float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_importance';
COMMENT ON FUNCTION ml_importance(text, text, text, jsonb) IS
'How much each feature matters to a model, the most important first; an element of a vector is name[i], from 1.
method: "gain" (default; what its splits gained in training, summed over all trees, in the units of the algorithm''s criterion) and "split" (how many splits there are), both for trees, without a source, with option "normalize": true for shares that add up to 1; "permutation": by how much a metric gets worse when the feature''s values are shuffled among the rows of the source, which must have the target (rows where it is NULL are passed over): the mean and the standard deviation (std) over the repeats; options "metric" (default r2, log_loss of a classifier, ndcg of a ranking, whose groups the source must have; any that ml_evaluate gives), "n_repeats" (default 5), "seed" (default 0); "shap": the mean and the standard deviation over the rows of the source of the absolute contribution, of several classes added up, in units of the raw score; options as for ml_explain. std is NULL for gain and split; an importance is NULL where the metric is not defined on the rows.
model: as for ml_predict. source: as for ml_predict_batch. Permutation works for every regression and classifier, shap for what ml_explain can explain. Permutation holds 8 bytes a row for each feature, target and output, within mlaas.max_memory. NULL for the model or the method gives no rows.
Errors: as for ml_evaluate; 42704 a method, metric or option that does not exist; 22023 a source missing or not wanted; 0A000 gain and split of a model without trees, permutation of anomalies, which have no target; 22003 where contributions are too large for double precision.';

CREATE FUNCTION ml_importance(model ml_model, method text DEFAULT 'gain', source text DEFAULT NULL, options jsonb DEFAULT '{}',
							  OUT feature text, OUT importance float8, OUT std float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_importance';
COMMENT ON FUNCTION ml_importance(ml_model, text, text, jsonb) IS
'The same with a model as a value: how much each feature matters.';

CREATE FUNCTION ml_partial_dependence(model text, source text, feature text, options jsonb DEFAULT '{}',
									  OUT value text, OUT other text, OUT class text, OUT average float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_partial_dependence';
COMMENT ON FUNCTION ml_partial_dependence(text, text, text, jsonb) IS
'How the predictions depend on a feature: their mean over the rows of a source when the feature is set to one value after another in all of them. Of a classifier the probability, 0 to 1, of the second of two classes or of each of more; else the number that ml_predict gives.
The values: of a category every level that the model knows, "(null)" and "(other)" among them (a string that begins so itself is quoted); of a number the distinct values of the source where there are no more than option "points" (default 20), else as many quantiles evenly from "low" to "high" (default 0.05 and 0.95), each a value that occurs (of more than a million rows every second, third and so on is looked at). Option "other": a second feature, for every pair of values; "class": that class. An element of a vector is name[i], from 1.
model: as for ml_predict. source: as for ml_predict_batch; its raw rows are held, 8 bytes a value, within mlaas.max_memory. NULL for the model, source or feature gives no rows.
Errors: as for ml_predict_batch; 42704 a feature, class or option that does not exist; 22000 a source without rows, or without a value of the feature.';

CREATE FUNCTION ml_partial_dependence(model ml_model, source text, feature text, options jsonb DEFAULT '{}',
									  OUT value text, OUT other text, OUT class text, OUT average float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 20
AS 'MODULE_PATHNAME', 'ml_partial_dependence';
COMMENT ON FUNCTION ml_partial_dependence(ml_model, text, text, jsonb) IS
'The same with a model as a value: how its predictions depend on a feature.';

CREATE FUNCTION ml_ice(model text, source text, feature text, key text DEFAULT NULL, options jsonb DEFAULT '{}',
					   OUT key text, OUT value text, OUT class text, OUT prediction float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_ice';
COMMENT ON FUNCTION ml_ice(text, text, text, text, jsonb) IS
'How the prediction of each row of a source depends on a feature (individual conditional expectation): what ml_partial_dependence averages, row by row, in the order in which they were read.
key: the column that identifies a row, returned as text; default: the number of the row as it was read, from 1. All else as for ml_partial_dependence, with options "points", "low", "high" and "class".';

CREATE FUNCTION ml_ice(model ml_model, source text, feature text, key text DEFAULT NULL, options jsonb DEFAULT '{}',
					   OUT key text, OUT value text, OUT class text, OUT prediction float8)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_ice';
COMMENT ON FUNCTION ml_ice(ml_model, text, text, text, jsonb) IS
'The same with a model as a value: how the prediction of each row depends on a feature.';
