-- Metrics as aggregates.  Every one runs in parallel and, on Citus, in parts on the workers; takes FILTER,
-- GROUP BY and OVER; skips rows where an argument is NULL; and gives NULL over no rows.
--
-- Labels: text, boolean, bigint (and the smaller integers), float8 (and real, numeric); char(n), varchar and name
-- read as text; enum, uuid and others by a cast to text.  Two columns of labels must be of one kind, except
-- that boolean labels also take 0 and 1 as predicted, which is what ml_predict returns for them.

-- ---- classification: labels and how often each pair was seen ----

CREATE FUNCTION ml_classification_text(ml_state, actual text, predicted text) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_text(ml_state, text, text) IS 'Adds a row to the state of classification metrics; text labels.';
CREATE FUNCTION ml_classification_boolean(ml_state, actual boolean, predicted boolean) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_boolean(ml_state, boolean, boolean) IS 'Adds a row to the state of classification metrics; boolean labels.';
CREATE FUNCTION ml_classification_bigint(ml_state, actual bigint, predicted bigint) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_bigint(ml_state, bigint, bigint) IS 'Adds a row to the state of classification metrics; integer labels.';
CREATE FUNCTION ml_classification_float8(ml_state, actual float8, predicted float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_float8(ml_state, float8, float8) IS 'Adds a row to the state of classification metrics; numeric labels.';
CREATE FUNCTION ml_classification_truth(ml_state, actual boolean, predicted float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_truth(ml_state, boolean, float8) IS 'Adds a row to the state of classification metrics; boolean labels, predicted as 0 or 1 (others are errors).';
CREATE FUNCTION ml_classification_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_combine(ml_state, ml_state) IS 'Adds the second state of classification metrics to the first.';

CREATE FUNCTION ml_accuracy_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_balanced_accuracy_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_precision_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_recall_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_f1_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_mcc_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_confusion_matrix_final(ml_state) RETURNS jsonb
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ---- scores: those of the positive and of the negative rows ----

CREATE FUNCTION ml_scores_boolean(ml_state, actual boolean, score float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_scores_boolean(ml_state, boolean, float8) IS 'Adds a row to the state of rank metrics.';
CREATE FUNCTION ml_scores_float8(ml_state, actual float8, score float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_scores_float8(ml_state, float8, float8) IS 'Adds a row to the state of rank metrics; 1 is positive, 0 and -1 are negative.';
CREATE FUNCTION ml_scores_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_scores_combine(ml_state, ml_state) IS 'Adds the second state of rank metrics to the first.';

CREATE FUNCTION ml_roc_auc_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_average_precision_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ---- regression: sums ----

CREATE FUNCTION ml_regression_float8(ml_state, actual float8, predicted float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_regression_float8(ml_state, float8, float8) IS 'Adds a row to the state of regression metrics.';
CREATE FUNCTION ml_probability_boolean(ml_state, actual boolean, probability float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_probability_boolean(ml_state, boolean, float8) IS 'Adds a row to the state of probability metrics.';
CREATE FUNCTION ml_probability_float8(ml_state, actual float8, probability float8) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_probability_float8(ml_state, float8, float8) IS 'Adds a row to the state of probability metrics; 1 is positive, 0 and -1 are negative.';
CREATE FUNCTION ml_regression_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_regression_combine(ml_state, ml_state) IS 'Adds the second state of regression or probability metrics to the first.';

CREATE FUNCTION ml_mae_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_mse_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_rmse_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_mape_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_r2_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_log_loss_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION ml_brier_final(ml_state) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- The aggregates: each metric of a family, for each pair of argument types of the family.
--
-- family: prefix of the transition functions, combine function, the bytes a state is planned with
DO $create$
DECLARE
	metric	record;
	form	record;
	binary_note constant text :=
		' With at most two labels it is that of the positive class, the greater label: true, 1, ''yes'' over ''no'' by bytes'
		' (of boolean labels, and of 0 and 1, it is true or 1 even when that was not seen); with more, the mean over the classes.'
		' 0 where there is nothing to divide by.';
	label_note constant text :=
		' Labels are text (compared by bytes), boolean, integers or float8; others by a cast to text. Errors: a float8 label'
		' that is NaN or infinite, more than 10000 distinct labels.';
	class_note constant text :=
		' The actual value is a boolean, or a number: 1 is positive, 0 and -1 are negative, others are errors.';
	score_note constant text :=
		' Greater scores are more positive; ties are counted right; infinite scores rank first and last, NaN is an error.'
		' Exact: keeps 8 bytes a row and needs up to 16 at the end, bounded by mlaas.max_memory.';
	number_note constant text :=
		' Errors: NaN or infinity in either argument, overflow of a sum.';
	probability_note constant text :=
		' The second argument is the probability of the positive class; one that is not between 0 and 1 is an error.';
	every_note constant text :=
		' Rows with a NULL in either argument are skipped; NULL over no rows.';
BEGIN
	FOR metric IN
		SELECT * FROM (VALUES
			('classification', 'ml_accuracy',
			 'The share of rows whose predicted label is the actual one.' || label_note),
			('classification', 'ml_balanced_accuracy',
			 'The mean recall of the labels that occur in actual.' || label_note),
			('classification', 'ml_precision',
			 'The share of rows predicted as a class that are of it.' || binary_note || label_note),
			('classification', 'ml_recall',
			 'The share of rows of a class that are predicted so.' || binary_note || label_note),
			('classification', 'ml_f1',
			 'The harmonic mean of precision and recall.' || binary_note || label_note),
			('classification', 'ml_mcc',
			 'Matthews'' correlation coefficient of actual and predicted labels, -1 to 1; 0 where either has one label only.'
			 || label_note),
			('classification', 'ml_confusion_matrix',
			 '{"labels": [...], "matrix": [[...]]}: how many rows have each pair of labels; rows of the matrix are actual,'
			 ' columns predicted labels, both in the order of "labels" (ascending, text by bytes). More than 1000 labels are'
			 ' an error.' || label_note),
			('scores', 'ml_roc_auc',
			 'The area under the ROC curve: the probability that a positive row has a greater score than a negative one, a tie'
			 ' counting one half. NULL with one class only.' || class_note || score_note),
			('scores', 'ml_average_precision',
			 'The average precision: the mean of the precision at each threshold, weighted by the recall gained there. NULL'
			 ' without a positive row.' || class_note || score_note),
			('regression', 'ml_mae', 'The mean absolute error, in the unit of the values.' || number_note),
			('regression', 'ml_mse', 'The mean squared error, in the unit of the values squared.' || number_note),
			('regression', 'ml_rmse', 'The root of the mean squared error, in the unit of the values.' || number_note),
			('regression', 'ml_mape',
			 'The mean of |actual - predicted| / |actual|, a share, not percent; an actual value nearer to 0 than 2.2e-16 counts as'
			 ' that.' || number_note),
			('regression', 'ml_r2',
			 'The coefficient of determination: 1 is perfect, 0 as good as the mean, below 0 worse. NULL below two rows; where all'
			 ' actual values are equal, 1 when every prediction is right, else 0.' || number_note),
			('probability', 'ml_log_loss',
			 'The mean negative logarithm (base e) of the probability given to the actual class, probabilities kept 2.2e-16 away'
			 ' from 0 and 1.' || class_note || probability_note),
			('probability', 'ml_brier',
			 'The Brier score: the mean squared difference between the probability and what happened, 0 to 1, less is better.'
			 || class_note || probability_note)
		) AS metrics (family, name, comment)
	LOOP
		FOR form IN
			SELECT * FROM (VALUES
				('classification', 'actual text, predicted text', 'ml_classification_text', 'ml_classification_combine', 2048),
				('classification', 'actual boolean, predicted boolean', 'ml_classification_boolean', 'ml_classification_combine', 2048),
				('classification', 'actual bigint, predicted bigint', 'ml_classification_bigint', 'ml_classification_combine', 2048),
				('classification', 'actual float8, predicted float8', 'ml_classification_float8', 'ml_classification_combine', 2048),
				('classification', 'actual boolean, predicted float8', 'ml_classification_truth', 'ml_classification_combine', 2048),
				('scores', 'actual boolean, score float8', 'ml_scores_boolean', 'ml_scores_combine', 8192),
				('scores', 'actual float8, score float8', 'ml_scores_float8', 'ml_scores_combine', 8192),
				('regression', 'actual float8, predicted float8', 'ml_regression_float8', 'ml_regression_combine', 1024),
				('probability', 'actual boolean, probability float8', 'ml_probability_boolean', 'ml_regression_combine', 1024),
				('probability', 'actual float8, probability float8', 'ml_probability_float8', 'ml_regression_combine', 1024)
			) AS forms (family, arguments, transition, combine, space)
			WHERE forms.family = metric.family
		LOOP
			EXECUTE pg_catalog.format(
				'CREATE AGGREGATE %I(%s) (SFUNC = %I, STYPE = ml_state, SSPACE = %s, FINALFUNC = %I, COMBINEFUNC = %I,'
				' PARALLEL = SAFE)',
				metric.name, form.arguments, form.transition, form.space, metric.name || '_final', form.combine);
			EXECUTE pg_catalog.format('COMMENT ON AGGREGATE %I(%s) IS %L', metric.name, form.arguments, metric.comment || every_note);
		END LOOP;
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION %I(ml_state) IS %L', metric.name || '_final',
					   'The result of ' || metric.name || ' from its state.');
	END LOOP;
END
$create$;
