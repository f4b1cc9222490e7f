-- Trees to read and to edit (src/pg/trees.c, treesql.c, oob.c, treeedit.c).

CREATE FUNCTION ml_trees(model text, OUT tree int, OUT class text, OUT node int, OUT parent int, OUT depth int,
						 OUT feature text, OUT threshold float8, OUT categories text[], OUT null_left boolean,
						 OUT unseen_left boolean, OUT left_child int, OUT right_child int, OUT gain float8,
						 OUT cover float8, OUT value float8[])
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 6000
AS 'MODULE_PATHNAME', 'ml_trees';
COMMENT ON FUNCTION ml_trees(text) IS
'The trees of a model, one row a node. Trees, and the nodes of a tree, are numbered from 1; node 1 is the root, and children come after their parents.
class: of a classifier with a score for each class, the class that the tree adds to; with two classes, the second; of a model of quantiles, the quantile; NULL where a node has a value for each class, and for other numbers. parent: NULL for the root. depth: splits above.
feature: the column that is split on (name[element] for an array), NULL for a leaf. A number goes left where it is at most threshold; a category where it is in categories. null_left: whether NULL goes left. unseen_left: whether a category that training did not see, or left out as rare, goes left. left_child, right_child: nodes of the same tree.
gain: what the split gained in the training loss (boosting: twice the loss of a Newton step, as min_split_gain has it; other trees: the decrease of the impurity times the weight of the rows). cover: weight of the training rows that came here. value: what the tree adds to the score where a row ends here, of inner nodes too; one element, or one for each class in the order of ml_describe(model) -> ''classes''. The score is the start score plus the sum of the trees, or their mean (random_forest, extra_trees, isolation_forest).
model and errors: as for ml_predict; 0A000 for an algorithm without trees.';

CREATE FUNCTION ml_trees(model ml_model, OUT tree int, OUT class text, OUT node int, OUT parent int, OUT depth int,
						 OUT feature text, OUT threshold float8, OUT categories text[], OUT null_left boolean,
						 OUT unseen_left boolean, OUT left_child int, OUT right_child int, OUT gain float8,
						 OUT cover float8, OUT value float8[])
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 6000
AS 'MODULE_PATHNAME', 'ml_trees';
COMMENT ON FUNCTION ml_trees(ml_model) IS 'The same for a model as a value.';

CREATE FUNCTION ml_tree_text(model text, tree int)
RETURNS text
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'ml_tree_text';
COMMENT ON FUNCTION ml_tree_text(text, int) IS
'One tree of a model, numbered from 1, as indented text: for each side of a split the condition, with NULL and other categories on the side that they go to, and the weight of the training rows there (cover); for each leaf its value, or its value for each class. Errors: 22023 for a tree that is not there; 54000 for one whose text would be larger than 256 MB; else as for ml_trees.';

CREATE FUNCTION ml_tree_text(model ml_model, tree int)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'ml_tree_text';
COMMENT ON FUNCTION ml_tree_text(ml_model, int) IS 'The same for a model as a value.';

CREATE FUNCTION ml_tree_sql(model text, options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_tree_sql';
COMMENT ON FUNCTION ml_tree_sql(text, jsonb) IS
'A model of trees as one SQL expression over its features, which needs no function of mlaas: a view, a generated column or another PostgreSQL can hold it. Columns must have the names and types they had in training; arrays count from 1.
options: {"output": "prediction" | "probability" | "score" | "label", "class": label, "quantile": number}. prediction: what ml_predict gives, the default; label: what ml_predict_label gives, the default where labels are text; probability: of the class, default the second of two; score: what the trees sum up to (log odds of the second of two classes; of more, the score of the class). quantile: of a model of quantiles, which; default the one next to the median.
The expression gives the score to the last bit, on NULLs and categories never seen too, and predictions that are scores; what goes through exp() agrees to about 1e-15 of 1, and so may a class whose probability another class has up to that. Infinite values, which ml_predict refuses, are not refused.
For a scan of many rows SET jit = off: compiling so long an expression takes longer than evaluating it.
Errors: 54000 beyond 2,000 trees a score, 200,000 nodes or depth 500, which a server with the default max_stack_depth can read; 42704 for an option or a class that does not exist; else as for ml_trees.';

CREATE FUNCTION ml_tree_sql(model ml_model, options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_tree_sql';
COMMENT ON FUNCTION ml_tree_sql(ml_model, jsonb) IS 'The same for a model as a value.';

-- The source may be any query of the caller's, hence volatile and not in a parallel plan.

CREATE FUNCTION ml_oob_predict(model text, source text, key text DEFAULT NULL,
							   OUT key text, OUT prediction float8, OUT label text, OUT probability float8,
							   OUT trees int, OUT trained boolean)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_oob_predict';
COMMENT ON FUNCTION ml_oob_predict(text, text, text) IS
'Out of bag: what a random_forest or extra_trees predicts for the rows it was trained on, each row by the trees that did not draw it, so that each is as honest as a prediction for a new row; the statistics oob_* of the model sum them up.
source: the source of the training, all of its rows as they were, in any order, under the names of features, target, weight and column of validation that it had; it runs with the rights and the row-level security of the caller, and its rows are held in memory (mlaas.max_memory). Filter the result, not the source. key: the column that identifies a row, returned as text; default: the number of the row as it was read, from 1. Rows alike in all that the training read are told apart by the order in which they are read.
Returns key, prediction, label and probability as ml_predict_batch; NULL where every tree drew the row. trees: how many did not draw it, whose mean the prediction is. trained: whether the trees drew from the row; all of them vote for the others: rows held out, without a target or without weight.
Errors: 22000 for rows that are not those of the training; 0A000 for another algorithm, for a model without {"bootstrap": true} or a max_samples below 1, and for one whose trees are not of one training (ml_continue, ml_refit); else as for ml_predict_batch and ml_train.';

CREATE FUNCTION ml_oob_predict(model ml_model, source text, key text DEFAULT NULL,
							   OUT key text, OUT prediction float8, OUT label text, OUT probability float8,
							   OUT trees int, OUT trained boolean)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000 ROWS 10000
AS 'MODULE_PATHNAME', 'ml_oob_predict';
COMMENT ON FUNCTION ml_oob_predict(ml_model, text, text) IS
'The same with a model as a value: the rows of its training by the trees that did not draw them.';

CREATE FUNCTION ml_truncate(model text, n_trees int, OUT name text, OUT version int, OUT parent_version int,
							OUT algorithm text, OUT trees bigint, OUT leaves bigint, OUT seconds float8)
RETURNS record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_truncate';
COMMENT ON FUNCTION ml_truncate(text, int) IS
'Keeps the first n_trees trees of a model (rounds, where a round of boosting has a tree for each class) and stores them as the next version of its name, which is not deployed. model: name, name@version or name@alias. The version has no metrics; ml_evaluate gives them on any source. ml_describe(model) #> ''{training,edits}'' and the reason in mlaas.history say what it came from.
Errors: 22023 for more trees than there are; 0A000 for an algorithm without trees; else as for ml_train.';

CREATE FUNCTION ml_truncate(model ml_model, n_trees int)
RETURNS ml_model
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_truncate_value';
COMMENT ON FUNCTION ml_truncate(ml_model, int) IS 'The same for a model as a value, which gives the shorter model.';

CREATE FUNCTION ml_prune(model text, alpha float8, OUT name text, OUT version int, OUT parent_version int,
						 OUT algorithm text, OUT trees bigint, OUT leaves bigint, OUT seconds float8)
RETURNS record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_prune';
COMMENT ON FUNCTION ml_prune(text, float8) IS
'Prunes each tree of a model by cost complexity (Breiman''s weakest links) and stores what is left as the next version of its name, which is not deployed. A split stays when it and the splits below it gain more than alpha for each leaf that they add; gains as in ml_trees, divided by the cover of the tree''s root. For decision_tree alpha is the one of its parameter ccp_alpha and of scikit-learn. ml_prune_path lists the alphas that make a difference. model, metrics and history: as for ml_truncate.
Errors: 22023 for an alpha below 0 or NaN; 0A000 for an algorithm without trees; else as for ml_train.';

CREATE FUNCTION ml_prune(model ml_model, alpha float8)
RETURNS ml_model
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_prune_value';
COMMENT ON FUNCTION ml_prune(ml_model, float8) IS 'The same for a model as a value, which gives the smaller model.';

CREATE FUNCTION ml_prune_path(model text, OUT alpha float8, OUT leaves bigint, OUT gain float8)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'ml_prune_path';
COMMENT ON FUNCTION ml_prune_path(text) IS
'What ml_prune leaves of a model: with this alpha, and up to the next row''s, so many leaves in all trees, whose splits gain so much in all (as ml_trees has it). Ascending from alpha 0, which leaves out only splits that gain nothing. model and errors: as for ml_trees.';

CREATE FUNCTION ml_prune_path(model ml_model, OUT alpha float8, OUT leaves bigint, OUT gain float8)
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 1000
AS 'MODULE_PATHNAME', 'ml_prune_path';
COMMENT ON FUNCTION ml_prune_path(ml_model) IS 'The same for a model as a value.';

CREATE FUNCTION ml_continue(model text, source text, params jsonb DEFAULT '{}', validation jsonb DEFAULT '{}',
							weight text DEFAULT NULL, deploy text DEFAULT 'never',
							OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
							OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_continue';
COMMENT ON FUNCTION ml_continue(text, text, jsonb, jsonb, text, text) IS
'Adds trees to those of a model, learned from the rows of source, and stores all of them as the next version of its name. gradient_boosting goes on from the scores that the model gives these rows; random_forest and extra_trees grow more trees, by the same seed those that a training with more of them would have had. linear_regression, which has none, takes the rows in as ml_update does.
model: name, name@version or name@alias. source: a table or view, or one SELECT, the same rows as before or others; it must have the model''s features and its target under their names. Features are prepared as the model does it: a category it has not seen stays unseen. Classes must be among the model''s.
params: what is to differ from the parameters that the model was trained with; n_estimators is how many trees (rounds) to add. What the scores mean (objective, criterion) cannot differ. validation, weight: as for ml_train; the same source, split and seed hold out the same rows. deploy: as for ml_train, but never by default.
Returns the row of ml_train; metrics are those of the whole model on the held-out rows. ml_describe(model) #> ''{training,edits}'' and mlaas.history say what it came from.
Errors: 0A000 for an algorithm that cannot be continued; 22000 for a class that the model does not know, and, as in any training, for rows of one class or with a constant target; 42804 for a feature or target of another kind; else as for ml_train.';

CREATE FUNCTION ml_continue(model ml_model, source text, params jsonb DEFAULT '{}', validation jsonb DEFAULT '{}',
							weight text DEFAULT NULL)
RETURNS ml_model
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_continue_value';
COMMENT ON FUNCTION ml_continue(ml_model, text, jsonb, jsonb, text) IS 'The same for a model as a value, which gives the longer model.';

CREATE FUNCTION ml_refit(model text, source text, decay_rate float8 DEFAULT 0.9, validation jsonb DEFAULT '{}',
						 weight text DEFAULT NULL, deploy text DEFAULT 'never',
						 OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
						 OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_refit';
COMMENT ON FUNCTION ml_refit(text, text, float8, jsonb, text, text) IS
'Keeps the splits of a model''s trees and learns the values of their leaves anew from the rows of source: decay_rate times the old value plus 1 - decay_rate times what these rows say; a leaf that no row reaches keeps its value. Stores the result as the next version of the model''s name. gradient_boosting refits its trees one after the other, each on the gradients that those before it leave; decision_tree, random_forest and extra_trees take the means or shares of classes (trees of criterion absolute_error cannot be refitted: 0A000) of the rows in a leaf, without bootstrap.
decay_rate: from 0 (all new) to 1 (all old), default 0.9. model, source, validation, weight, deploy, result and errors: as for ml_continue; 22023 for a decay_rate out of range.';

CREATE FUNCTION ml_refit(model ml_model, source text, decay_rate float8 DEFAULT 0.9, validation jsonb DEFAULT '{}',
						 weight text DEFAULT NULL)
RETURNS ml_model
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_refit_value';
COMMENT ON FUNCTION ml_refit(ml_model, text, float8, jsonb, text) IS 'The same for a model as a value, which gives the refitted model.';
