-- Models made of models (src/pg/compose.c).

CREATE FUNCTION ml_pipeline(name text, models text[], source text DEFAULT NULL, deploy text DEFAULT 'first',
							OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
							OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_pipeline';
COMMENT ON FUNCTION ml_pipeline(text, text[], text, text) IS
'Chains registered models and stores the chain as the next version of name: what a model predicts is a feature of those after it, and the last one''s prediction is the chain''s. The chain holds copies of the models, so it stays as it is when they are changed or dropped.
models: each ''model'', ''model@version'' or ''model@alias'', with ''... as feature'' where the feature is not named as the model''s target. Every model but the last must be a feature of a later one.
As a feature a number is the prediction. Of classes a text feature gets the label; an array as long as there are classes gets the probabilities in the order of ml_describe(model) -> ''classes''; a number gets the probability of the second of two classes, but a boolean, or one of more than two classes that are numbers, the class itself.
Its features are those of all models that no model produces; where models share one, its type must be the same.
source: rows to measure the chain on, which have the target of the last model; NULL: no metrics. deploy: as for ml_train.
Needs the privilege describe on each model. Limits: 100 models, nested 4 deep, 512 MB together.
Errors: 42804 where models do not fit together, by name; 54000 past a limit; 42704 for a model that does not exist; else as for ml_train.';

CREATE FUNCTION ml_pipeline(models ml_model[], features text[] DEFAULT NULL)
RETURNS ml_model
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_pipeline_value';
COMMENT ON FUNCTION ml_pipeline(ml_model[], text[]) IS
'The same for models as values, which gives the chain. features: what the results of all models but the last are called as features; NULL: as their targets.';

CREATE FUNCTION ml_ensemble(name text, models text[], method text DEFAULT 'mean', weights float8[] DEFAULT NULL,
							source text DEFAULT NULL, target text DEFAULT NULL, algorithm text DEFAULT NULL,
							params jsonb DEFAULT NULL, validation jsonb DEFAULT NULL, deploy text DEFAULT 'first',
							OUT name text, OUT version int, OUT task text, OUT algorithm text, OUT metrics jsonb,
							OUT n_train bigint, OUT n_test bigint, OUT seconds float8, OUT deployed boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'ml_ensemble';
COMMENT ON FUNCTION ml_ensemble(text, text[], text, float8[], text, text, text, jsonb, jsonb, text) IS
'Puts registered models side by side and stores the whole as the next version of name. It holds copies of the models, so it stays as it is when they are changed or dropped. models: each ''model'', ''model@version'' or ''model@alias''.
method: mean: of the predictions, or of the probabilities of each class; a class that a model does not know has probability 0 there. weighted: the same with weights. vote: the share of the models, by weight, that predict a class; of classes with equally many votes the one with the highest mean probability is predicted; not for numbers. stacking: a model is trained on what the models say of the rows of source, and says the last word.
weights: one for each model, not negative; for weighted and vote.
source: for stacking the rows to learn from, which no model may have been trained on: what a model says of rows it has seen is too good. Where the rows are just those of a member''s training, that is an error; rows that are partly so go unnoticed. For the other methods rows to measure the whole on, or NULL: no metrics; rows of a member''s training give a warning, and the metrics count as those of training rows.
target, algorithm, params, validation: of stacking, as for ml_train; target: by default that of the first model; algorithm: by default that of auto. The features are one number a model (the probability of the second of two classes), or an array of the probabilities of more classes. deploy: as for ml_train.
Models whose results become one must have one target; features that they share must have one type.
Needs the privilege describe on each model. Limits: 100 models, nested 4 deep, 512 MB together.
Errors: 42804 where models do not fit together, by name; 0A000 for a vote on numbers; 22023 for weights that are none, or rows that a model was trained on; 54000 past a limit; else as for ml_train.';

CREATE FUNCTION ml_ensemble(models ml_model[], weights float8[] DEFAULT NULL, method text DEFAULT NULL)
RETURNS ml_model
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'ml_ensemble_value';
COMMENT ON FUNCTION ml_ensemble(ml_model[], float8[], text) IS
'The same for models as values, which gives the ensemble; not by stacking. method: NULL: weighted where weights are given, else mean.';
