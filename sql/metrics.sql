-- Metrics as aggregates.  Every one runs in parallel and, on Citus, in parts on the workers; takes FILTER,
-- GROUP BY, DISTINCT and OVER; skips rows where an argument is NULL or the weight is 0; and gives NULL over no rows.
--
-- Labels: text, boolean, bigint (and the smaller integers), float8 (and real), numeric, enums; char(n), varchar and
-- name read as text; uuid and others by a cast to text.  Two columns of labels must be of one kind, except
-- that boolean labels also take 0 and 1 as predicted, which is what ml_predict returns for them.  On Citus an enum
-- goes by a cast to text too, since its nodes do not share the numbers of types.

-- ---- rows of results ----

CREATE TYPE ml_confusion_cell AS (actual text, predicted text, rows float8);
COMMENT ON TYPE ml_confusion_cell IS 'A row of ml_confusion_cells: how many rows (or which weight) have a pair of labels.';
CREATE TYPE ml_class_report AS (class text, average text, "precision" float8, recall float8, f1 float8, support float8);
COMMENT ON TYPE ml_class_report IS 'A row of ml_classification_report: of one class (average is NULL), or an average over them (class is NULL).';
CREATE TYPE ml_roc_point AS (threshold float8, fpr float8, tpr float8);
COMMENT ON TYPE ml_roc_point IS 'A row of ml_roc_curve: the shares of the negative and of the positive rows whose score is at least the threshold.';
CREATE TYPE ml_precision_recall_point AS (threshold float8, "precision" float8, recall float8);
COMMENT ON TYPE ml_precision_recall_point IS 'A row of ml_precision_recall_curve: precision and recall when scores of at least the threshold are positive.';
CREATE TYPE ml_lift_point AS (fraction float8, threshold float8, gain float8, lift float8);
COMMENT ON TYPE ml_lift_point IS 'A row of ml_lift_curve: of this fraction of the rows, those with the greatest scores, the least score, the share of all positives, and that share over the fraction.';
CREATE TYPE ml_calibration_bin AS (low float8, high float8, predicted float8, observed float8, support float8);
COMMENT ON TYPE ml_calibration_bin IS 'A row of ml_calibration_curve: the probabilities above low up to high, their mean, the share of positive rows, and how many rows they are.';

-- ---- parts: functions that combine states ----

CREATE FUNCTION ml_classification_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_classification_combine(ml_state, ml_state) IS 'Adds the second state of classification metrics to the first.';
CREATE FUNCTION ml_scores_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ml_scores_combine(ml_state, ml_state) IS 'Adds the second state of rank metrics to the first.';
CREATE FUNCTION ml_regression_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_regression_combine(ml_state, ml_state) IS 'Adds the second state of regression or probability metrics to the first.';
CREATE FUNCTION ml_loss_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_loss_combine(ml_state, ml_state) IS 'Adds the second state of a mean loss to the first.';
CREATE FUNCTION ml_calibration_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_calibration_combine(ml_state, ml_state) IS 'Adds the second state of calibration metrics to the first.';

CREATE FUNCTION ml_ranking_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_ranking_combine(ml_state, ml_state) IS 'Adds the rows of the second state of a query to the first.';
CREATE FUNCTION ml_points_combine(ml_state, ml_state) RETURNS ml_state
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ml_points_combine(ml_state, ml_state) IS 'Adds the points of the second state of clusters to the first.';

-- ---- the aggregates ----

-- A family is a kind of rows.  Its forms: the arguments, the transition function, its combine function and the bytes
-- a state is planned with.  Its extras, each a letter: what may stand behind the arguments.  A metric: its family, which combinations
-- of extras it has ('' = none), the type of its result, its final function, and its comment.
DO $create$
DECLARE
	statement text;
	label_note constant text :=
		' Labels are text (compared by bytes), boolean, integers, float8, numeric or an enum; others by a cast to text.'
		' Errors: 22003 a label that is NaN or infinite; 54000 more than 10000 distinct labels.';
	binary_note constant text :=
		' With at most two labels it is that of the positive class, the greater label: true, 1, ''yes'' over ''no'' by bytes'
		' (of boolean labels, and of 0 and 1, it is true or 1 even when that was not seen); with more, the mean over the classes.'
		' 0 where there is nothing to divide by.';
	average_note constant text :=
		' average: binary (two labels), macro (the mean over the classes), micro (of the sums over the classes), weighted (the'
		' mean over the classes, each counting as its actual rows).';
	class_note constant text :=
		' The actual value is a boolean, or a number: 1 is positive, 0 and -1 are negative, others are errors.';
	score_note constant text :=
		' Greater scores are more positive; ties are counted right; infinite scores rank first and last, NaN is an error (22003).'
		' Exact, in bounded memory: what outgrows work_mem is sorted in temporary files.';
	curve_note constant text :=
		' An array of rows for unnest, from the greatest score down. A value can have 1 GB: round the scores where there are'
		' many millions of them.';
	number_note constant text :=
		' Error 22003: NaN or infinity in either argument, overflow of a sum.';
	probability_note constant text :=
		' The second argument is the probability of the positive class; one that is not between 0 and 1 is an error (22003).';
	classes_note constant text :=
		' Probabilities are {"class": probability, ...} as ml_probabilities returns it, or an array beside the classes in the same'
		' order; each between 0 and 1. The actual class is text, and may be one that is not there.'
		' Errors: 22023 for probabilities that are neither.';
	query_note constant text :=
		' Rows are ordered by score, the greatest first; rows of equal score share their places. k: only the first k places, 1 to'
		' 1000000000. One query is one group: SELECT avg(m) FROM (SELECT ml_...(...) AS m FROM ... GROUP BY query) q. Keeps 16'
		' bytes a row, up to mlaas.max_memory. Error 22003: a score that is NaN, a relevance that is negative or not finite.';
	points_note constant text :=
		' Points are arrays of as many finite numbers each, clusters text or integers. NULL unless there are at least two clusters'
		' and fewer than points. Means are by weight. Keeps all points, 8 bytes a number, up to mlaas.max_memory. Errors: 22003 a number that is not finite; 54000 more than 10000 clusters.';
	bins_note constant text :=
		' n_bins: bins of equal width, 10 where it is not given, at most 10000; each holds its upper edge.';
	grouping_note constant text :=
		' How far two groupings of rows agree, whatever their labels; 1 where they are the same.';
	every_note constant text :=
		' Rows with a NULL in an argument are skipped, so are those of weight 0; a weight that is negative or not finite is an'
		' error. NULL over no rows.';
BEGIN
	FOR statement IN
		WITH extra (letter, argument, type) AS (VALUES
			('w', 'weight', 'float8'),
			('a', 'average', 'text'),
			('b', 'beta', 'float8'),
			('n', 'n_bins', 'int'),
			('f', 'n_features', 'int'),
			('q', 'alpha', 'float8'),
			('d', 'delta', 'float8'),
			('t', 'power', 'float8'),
			('k', 'k', 'int'),
			('m', 'multi_class', 'text')),
		form (family, arguments, types, transition, combine, space, what) AS (VALUES
			('labels', 'actual text, predicted text', 'text, text', 'ml_classification_text', 'ml_classification_combine', 2048,
			 'classification metrics; text labels'),
			('labels', 'actual boolean, predicted boolean', 'boolean, boolean', 'ml_classification_boolean',
			 'ml_classification_combine', 2048, 'classification metrics; boolean labels'),
			('labels', 'actual bigint, predicted bigint', 'bigint, bigint', 'ml_classification_bigint', 'ml_classification_combine',
			 2048, 'classification metrics; integer labels'),
			('labels', 'actual float8, predicted float8', 'float8, float8', 'ml_classification_float8', 'ml_classification_combine',
			 2048, 'classification metrics; numeric labels as float8'),
			('labels', 'actual numeric, predicted numeric', 'numeric, numeric', 'ml_classification_numeric',
			 'ml_classification_combine', 2048, 'classification metrics; numeric labels, exact'),
			('labels', 'actual anyenum, predicted anyenum', 'anyenum, anyenum', 'ml_classification_enum',
			 'ml_classification_combine', 2048, 'classification metrics; labels of an enum'),
			('labels', 'actual boolean, predicted float8', 'boolean, float8', 'ml_classification_truth', 'ml_classification_combine',
			 2048, 'classification metrics; boolean labels, predicted as 0 or 1 (others are errors)'),
			('scores', 'actual boolean, score float8', 'boolean, float8', 'ml_scores_boolean', 'ml_scores_combine', 8192,
			 'rank metrics'),
			('scores', 'actual float8, score float8', 'float8, float8', 'ml_scores_float8', 'ml_scores_combine', 8192,
			 'rank metrics; 1 is positive, 0 and -1 are negative'),
			('errors', 'actual float8, predicted float8', 'float8, float8', 'ml_errors_float8', 'ml_scores_combine', 8192,
			 'the median of errors'),
			('numbers', 'actual float8, predicted float8', 'float8, float8', 'ml_regression_float8', 'ml_regression_combine', 1024,
			 'regression metrics'),
			('features', 'actual float8, predicted float8', 'float8, float8', 'ml_regression_features', 'ml_regression_combine', 1024,
			 'regression metrics that count features'),
			('signed', 'actual float8, predicted float8', 'float8, float8', 'ml_regression_signed', 'ml_regression_combine', 1024,
			 'metrics of the signed error'),
			('probability', 'actual boolean, probability float8', 'boolean, float8', 'ml_probability_boolean',
			 'ml_regression_combine', 1024, 'probability metrics'),
			('probability', 'actual float8, probability float8', 'float8, float8', 'ml_probability_float8', 'ml_regression_combine',
			 1024, 'probability metrics; 1 is positive, 0 and -1 are negative'),
			('calibration', 'actual boolean, probability float8', 'boolean, float8', 'ml_calibration_boolean',
			 'ml_calibration_combine', 2048, 'calibration metrics'),
			('calibration', 'actual float8, probability float8', 'float8, float8', 'ml_calibration_float8', 'ml_calibration_combine',
			 2048, 'calibration metrics; 1 is positive, 0 and -1 are negative'),
			('class_log', 'actual text, probabilities jsonb', 'text, jsonb', 'ml_class_log_jsonb', 'ml_loss_combine', 1024,
			 'the mean of a loss of classes; probabilities as an object'),
			('class_log', 'actual text, probabilities float8[], classes text[]', 'text, float8[], text[]', 'ml_class_log_array',
			 'ml_loss_combine', 1024, 'the mean of a loss of classes; probabilities as an array'),
			('class_brier', 'actual text, probabilities jsonb', 'text, jsonb', 'ml_class_brier_jsonb', 'ml_loss_combine', 1024,
			 'the mean of a loss of classes; probabilities as an object'),
			('class_brier', 'actual text, probabilities float8[], classes text[]', 'text, float8[], text[]', 'ml_class_brier_array',
			 'ml_loss_combine', 1024, 'the mean of a loss of classes; probabilities as an array'),
			('class_top_k', 'actual text, probabilities jsonb', 'text, jsonb', 'ml_class_top_k_jsonb', 'ml_loss_combine', 1024,
			 'top-k accuracy; probabilities as an object'),
			('class_top_k', 'actual text, probabilities float8[], classes text[]', 'text, float8[], text[]', 'ml_class_top_k_array',
			 'ml_loss_combine', 1024, 'top-k accuracy; probabilities as an array'),
			('class_scores', 'actual text, probabilities jsonb', 'text, jsonb', 'ml_class_scores_jsonb', 'ml_scores_combine', 16384,
			 'areas of classes; probabilities as an object'),
			('class_scores', 'actual text, probabilities float8[], classes text[]', 'text, float8[], text[]', 'ml_class_scores_array',
			 'ml_scores_combine', 16384, 'areas of classes; probabilities as an array'),
			('graded', 'relevance float8, score float8', 'float8, float8', 'ml_ranking_float8', 'ml_ranking_combine', 1024,
			 'metrics of a query''s order'),
			('relevant', 'relevant boolean, score float8', 'boolean, float8', 'ml_ranking_boolean', 'ml_ranking_combine', 1024,
			 'metrics of a query''s order'),
			('points', 'point float8[], cluster text', 'float8[], text', 'ml_points_text', 'ml_points_combine', 65536,
			 'metrics of clusters; labels are text'),
			('points', 'point float8[], cluster bigint', 'float8[], bigint', 'ml_points_bigint', 'ml_points_combine', 65536,
			 'metrics of clusters; labels are integers'),
			('smape', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_smape', 'ml_loss_combine', 1024, 'the mean of a loss'),
			('rmsle', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_squared_log', 'ml_loss_combine', 1024,
			 'the mean of a loss'),
			('pinball', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_pinball', 'ml_loss_combine', 1024,
			 'the mean of a loss'),
			('huber', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_huber', 'ml_loss_combine', 1024, 'the mean of a loss'),
			('poisson', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_poisson', 'ml_loss_combine', 1024,
			 'the mean of a loss'),
			('gamma', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_gamma', 'ml_loss_combine', 1024, 'the mean of a loss'),
			('tweedie', 'actual float8, predicted float8', 'float8, float8', 'ml_loss_tweedie', 'ml_loss_combine', 1024,
			 'the mean of a loss')),
		metric (family, name, extras, result, final, comment) AS (VALUES
			('labels', 'ml_accuracy', '{"",w}', 'float8', 'ml_accuracy_final',
			 'The share of rows whose predicted label is the actual one.' || label_note),
			('labels', 'ml_balanced_accuracy', '{"",w}', 'float8', 'ml_balanced_accuracy_final',
			 'The mean recall of the labels that occur in actual.' || label_note),
			('labels', 'ml_precision', '{"",w,a,aw}', 'float8', 'ml_precision_final',
			 'The share of rows predicted as a class that are of it.' || binary_note || average_note || label_note),
			('labels', 'ml_recall', '{"",w,a,aw}', 'float8', 'ml_recall_final',
			 'The share of rows of a class that are predicted so.' || binary_note || average_note || label_note),
			('labels', 'ml_f1', '{"",w,a,aw}', 'float8', 'ml_fbeta_final',
			 'The harmonic mean of precision and recall.' || binary_note || average_note || label_note),
			('labels', 'ml_fbeta', '{b,bw,ba,baw}', 'float8', 'ml_fbeta_final',
			 'The harmonic mean of precision and recall, recall counting beta times as much.' || binary_note || average_note || label_note),
			('labels', 'ml_specificity', '{"",w,a,aw}', 'float8', 'ml_specificity_final',
			 'The share of rows of other classes that are not predicted as a class.' || binary_note || average_note || label_note),
			('labels', 'ml_jaccard', '{"",w,a,aw}', 'float8', 'ml_jaccard_final',
			 'Of the rows that are of a class or predicted so, the share that is both.' || binary_note || average_note || label_note),
			('labels', 'ml_mcc', '{"",w}', 'float8', 'ml_mcc_final',
			 'Matthews'' correlation coefficient of actual and predicted labels, -1 to 1; 0 where either has one label only.'
			 || label_note),
			('labels', 'ml_cohen_kappa', '{"",w}', 'float8', 'ml_cohen_kappa_final',
			 'Cohen''s kappa: the accuracy beyond what two independent columns would have, -1 to 1. NULL where all labels are one'
			 ' and the same, since then there is nothing beyond.' || label_note),
			('labels', 'ml_confusion_matrix', '{"",w}', 'jsonb', 'ml_confusion_matrix_final',
			 '{"labels": [...], "matrix": [[...]]}: how many rows (or which weight) have each pair of labels; rows of the matrix'
			 ' are actual, columns predicted labels, both in the order of "labels" (ascending, text by bytes). More than 1000'
			 ' labels are an error.' || label_note),
			('labels', 'ml_confusion_cells', '{"",w}', 'ml_confusion_cell[]', 'ml_confusion_cells_final',
			 'The confusion matrix as an array of rows for unnest: actual, predicted, rows (or their weight), in the order of'
			 ' ml_confusion_matrix, pairs that do not occur too.' || label_note),
			('labels', 'ml_classification_report', '{"",w}', 'ml_class_report[]', 'ml_classification_report_final',
			 'An array of rows for unnest: precision, recall, f1 and support (rows, or their weight) of each class, then their'
			 ' micro, macro and weighted averages.' || label_note),
			('labels', 'ml_ari', '{"",w}', 'float8', 'ml_ari_final',
			 'The adjusted Rand index, 0 by chance. With weights a pair of rows counts as their product.' || grouping_note || label_note),
			('labels', 'ml_homogeneity', '{"",w}', 'float8', 'ml_homogeneity_final',
			 'How far each group of the second argument has rows of one group of the first only, 0 to 1.' || label_note),
			('labels', 'ml_completeness', '{"",w}', 'float8', 'ml_completeness_final',
			 'How far the rows of each group of the first argument are in one group of the second, 0 to 1.' || label_note),
			('labels', 'ml_v_measure', '{"",w}', 'float8', 'ml_v_measure_final',
			 'The harmonic mean of homogeneity and completeness, 0 to 1.' || grouping_note || label_note),
			('labels', 'ml_nmi', '{"",w}', 'float8', 'ml_v_measure_final',
			 'The mutual information over the mean of both entropies, 0 to 1; the same number as ml_v_measure.' || grouping_note || label_note),
			('scores', 'ml_roc_auc', '{"",w}', 'float8', 'ml_roc_auc_final',
			 'The area under the ROC curve: the probability that a positive row has a greater score than a negative one, a tie'
			 ' counting one half. NULL with one class only, since there is no pair.' || class_note || score_note),
			('scores', 'ml_gini', '{"",w}', 'float8', 'ml_gini_final',
			 'The Gini coefficient of scores: 2 ml_roc_auc - 1. NULL with one class only.' || class_note || score_note),
			('scores', 'ml_average_precision', '{"",w}', 'float8', 'ml_average_precision_final',
			 'The average precision: the mean of the precision at each threshold, weighted by the recall gained there. NULL'
			 ' without a positive row, since there is no recall.' || class_note || score_note),
			('scores', 'ml_ks', '{"",w}', 'float8', 'ml_ks_final',
			 'The Kolmogorov-Smirnov statistic: the greatest distance between the distributions of the scores of positive and of'
			 ' negative rows, 0 to 1. NULL with one class only.' || class_note || score_note),
			('scores', 'ml_roc_curve', '{"",w}', 'ml_roc_point[]', 'ml_roc_curve_final',
			 'The ROC curve: threshold, fpr, tpr at each score, beginning with Infinity, 0, 0. NULL'
			 ' with one class only.' || curve_note || class_note || score_note),
			('scores', 'ml_precision_recall_curve', '{"",w}', 'ml_precision_recall_point[]', 'ml_precision_recall_curve_final',
			 'Precision and recall at each threshold, beginning with NULL, 1, 0. NULL without a positive row.' || curve_note
			 || class_note || score_note),
			('scores', 'ml_lift_curve', '{n,nw}', 'ml_lift_point[]', 'ml_lift_curve_final',
			 'Gain and lift at each of n_bins (1 to 10000) equal parts of the rows; tied rows that a part ends in count as if spread'
			 ' evenly. NULL without a positive row.' || curve_note || class_note || score_note),
			('numbers', 'ml_mae', '{"",w}', 'float8', 'ml_mae_final', 'The mean absolute error, in the unit of the values.' || number_note),
			('numbers', 'ml_mse', '{"",w}', 'float8', 'ml_mse_final',
			 'The mean squared error, in the unit of the values squared.' || number_note),
			('numbers', 'ml_rmse', '{"",w}', 'float8', 'ml_rmse_final',
			 'The root of the mean squared error, in the unit of the values.' || number_note),
			('numbers', 'ml_mape', '{"",w}', 'float8', 'ml_mape_final',
			 'The mean of |actual - predicted| / |actual|, a share, not percent; an actual value nearer to 0 than 2.2e-16 counts as'
			 ' that.' || number_note),
			('numbers', 'ml_max_error', '{"",w}', 'float8', 'ml_max_error_final',
			 'The greatest absolute error, in the unit of the values.' || number_note),
			('numbers', 'ml_r2', '{"",w}', 'float8', 'ml_r2_final',
			 'The coefficient of determination: 1 is perfect, 0 as good as the mean, below 0 worse. NULL below two rows; where all'
			 ' actual values are equal, 1 when every prediction is right, else 0.' || number_note),
			('features', 'ml_adjusted_r2', '{f,fw}', 'float8', 'ml_adjusted_r2_final',
			 'ml_r2 less what n_features explain by chance: 1 - (1 - r2) (n - 1) / (n - n_features - 1). NULL unless there are two'
			 ' rows more than features.' || number_note),
			('signed', 'ml_explained_variance', '{"",w}', 'float8', 'ml_explained_variance_final',
			 'As ml_r2, but an error that all rows share does not count: 1 - var(actual - predicted) / var(actual). NULL below two'
			 ' rows.' || number_note),
			('errors', 'ml_median_absolute_error', '{"",w}', 'float8', 'ml_median_absolute_error_final',
			 'The median of the absolute errors, in the unit of the values; with weights the least error that half the weight does'
			 ' not pass. Exact, in bounded memory: what outgrows work_mem is sorted in temporary files.' || number_note),
			('smape', 'ml_smape', '{"",w}', 'float8', 'ml_loss_final',
			 'The mean of 2 |actual - predicted| / (|actual| + |predicted|), 0 to 2, not percent; 0 where both are 0.' || number_note),
			('rmsle', 'ml_rmsle', '{"",w}', 'float8', 'ml_loss_root_final',
			 'The root of the mean of (log(1 + actual) - log(1 + predicted))^2; both must be above -1.' || number_note),
			('pinball', 'ml_pinball', '{q,qw}', 'float8', 'ml_loss_final',
			 'The mean pinball loss of predictions of the quantile alpha (0 to 1): alpha times the error where the actual value is'
			 ' greater, 1 - alpha times it where it is less.' || number_note),
			('huber', 'ml_huber', '{d,dw}', 'float8', 'ml_loss_final',
			 'The mean Huber loss: half the squared error up to delta, then delta (|error| - delta / 2).' || number_note),
			('poisson', 'ml_poisson_deviance', '{"",w}', 'float8', 'ml_loss_final',
			 'The mean Poisson deviance. Actual values must not be negative, predicted ones must be above 0.' || number_note),
			('gamma', 'ml_gamma_deviance', '{"",w}', 'float8', 'ml_loss_final',
			 'The mean gamma deviance. Both values must be above 0.' || number_note),
			('tweedie', 'ml_tweedie_deviance', '{t,tw}', 'float8', 'ml_loss_final',
			 'The mean Tweedie deviance of a power of the variance function: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian; not'
			 ' between 0 and 1. Predicted values must be above 0 unless it is 0, actual ones not negative from 1 on, above 0 from'
			 ' 2 on.' || number_note),
			('probability', 'ml_log_loss', '{"",w}', 'float8', 'ml_log_loss_final',
			 'The mean negative logarithm (base e) of the probability given to the actual class, probabilities kept 2.2e-16 away'
			 ' from 0 and 1.' || class_note || probability_note),
			('probability', 'ml_brier', '{"",w}', 'float8', 'ml_brier_final',
			 'The Brier score: the mean squared difference between the probability and what happened, 0 to 1, less is better.'
			 || class_note || probability_note),
			('class_log', 'ml_log_loss', '{"",w}', 'float8', 'ml_loss_final',
			 'The mean negative logarithm (base e) of the probability given to the actual class, divided by the sum over the classes;'
			 ' probabilities kept 2.2e-16 away from 0 and 1.' || classes_note),
			('class_brier', 'ml_brier', '{"",w}', 'float8', 'ml_loss_final',
			 'The Brier score: the mean over rows of the squared differences between probability and what happened, summed over'
			 ' the classes (of two classes those of one): 0 to 2, less is better.' || classes_note),
			('class_top_k', 'ml_top_k_accuracy', '{k,kw}', 'float8', 'ml_loss_final',
			 'The share of rows whose actual class is among the k most probable ones (1 to 1000000); tied classes share the places'
			 ' that are left.' || classes_note),
			('class_scores', 'ml_roc_auc', '{"",m,ma,maw}', 'float8', 'ml_roc_auc_classes_final',
			 'The area under the ROC curve of several classes. multi_class: ovr, the mean of each class against the rest (default),'
			 ' or ovo, the mean over pairs of classes. average: macro (default), or weighted, classes or pairs counting as their'
			 ' rows. Classes and pairs that miss rows are left out; NULL where all do. At most 256 classes, the same in all rows;'
			 ' rows of none of them are of the rest. Exact, in bounded memory: what outgrows work_mem is sorted in temporary'
			 ' files.' || classes_note),
			('graded', 'ml_dcg', '{"",k}', 'float8', 'ml_dcg_final',
			 'The discounted cumulated gain of the rows of one query: relevance times 1 / log2(place + 1), summed.' || query_note),
			('graded', 'ml_ndcg', '{"",k}', 'float8', 'ml_ndcg_final',
			 'ml_dcg over that of the best order, 0 to 1. NULL when no row is relevant, since every order is the best. For the gain'
			 ' 2^relevance - 1, which a ranking''s own metrics have, give that as relevance.' || query_note),
			('relevant', 'ml_reciprocal_rank', '{""}', 'float8', 'ml_reciprocal_rank_final',
			 'One over the place of the first relevant row of one query, 0 when there is none; its mean over queries is the mean'
			 ' reciprocal rank (MRR).' || query_note),
			('relevant', 'ml_precision_at_k', '{k}', 'float8', 'ml_precision_at_k_final',
			 'The relevant rows among the first k of one query, over k.' || query_note),
			('relevant', 'ml_recall_at_k', '{k}', 'float8', 'ml_recall_at_k_final',
			 'The relevant rows among the first k of one query, over all relevant ones. NULL when there is none.' || query_note),
			('points', 'ml_silhouette', '{"",w}', 'float8', 'ml_silhouette_final',
			 'The mean silhouette width, -1 to 1, greater is better. Looks at every pair of points: 10 times the points take 100'
			 ' times as long; give a sample of many.' || points_note),
			('points', 'ml_davies_bouldin', '{"",w}', 'float8', 'ml_davies_bouldin_final',
			 'The Davies-Bouldin index: how alike clusters are to their nearest ones, from 0, less is better.' || points_note),
			('points', 'ml_calinski_harabasz', '{"",w}', 'float8', 'ml_calinski_harabasz_final',
			 'The Calinski-Harabasz index: the spread between clusters over that within, greater is better.' || points_note),
			('calibration', 'ml_expected_calibration_error', '{"",n,nw}', 'float8', 'ml_expected_calibration_error_final',
			 'The expected calibration error: the mean over rows of |mean probability - share of positives| of their bin.'
			 || bins_note || class_note || probability_note),
			('calibration', 'ml_calibration_curve', '{"",n,nw}', 'ml_calibration_bin[]', 'ml_calibration_curve_final',
			 'Said and seen: an array of rows for unnest, one for each bin that has rows: its edges, the mean probability, the share of'
			 ' positives, and how many rows (or which weight) it has.' || bins_note || class_note || probability_note)),
		-- extras as they stand behind other arguments
		behind AS (
			SELECT letters, coalesce(pg_catalog.string_agg(', ' || argument || ' ' || type, '' ORDER BY n), '') AS arguments,
				   coalesce(pg_catalog.string_agg(', ' || type, '' ORDER BY n), '') AS types,
				   -- beta and a weight alone are of one type
				   CASE WHEN letters LIKE 'b%' THEN '_beta' ELSE '' END AS mark
			FROM (SELECT DISTINCT pg_catalog.unnest(extras::text[]) FROM metric) AS e (letters)
				 LEFT JOIN LATERAL pg_catalog.regexp_split_to_table(letters, '') WITH ORDINALITY AS l (letter, n) ON letters <> ''
				 LEFT JOIN extra USING (letter)
			GROUP BY letters),
		-- transition functions, each with the extras that some metric of its family has
		transition AS (
			SELECT DISTINCT f.transition || b.mark AS transition, f.types || b.types AS types, f.what,
				   f.transition || CASE b.letters WHEN '' THEN '' ELSE '_' || b.letters END AS symbol
			FROM form f JOIN metric m USING (family), pg_catalog.unnest(m.extras::text[]) AS e (letters) JOIN behind b USING (letters)),
		-- the aggregates: each metric of a family, for each form of the family
		aggregate AS (
			SELECT m.name, f.arguments || b.arguments AS arguments, f.transition || b.mark AS transition, f.space, m.final, f.combine, m.comment
			FROM metric m JOIN form f USING (family), pg_catalog.unnest(m.extras::text[]) AS e (letters) JOIN behind b USING (letters))
		SELECT s.statement FROM (
			SELECT 1, pg_catalog.format('CREATE FUNCTION %I(ml_state, %s) RETURNS ml_state AS ''MODULE_PATHNAME'', %L LANGUAGE C IMMUTABLE'
							 ' PARALLEL SAFE', transition, types, symbol) FROM transition
			UNION ALL
			SELECT 2, pg_catalog.format('COMMENT ON FUNCTION %I(ml_state, %s) IS %L', transition, types,
							 'Adds a row to the state of ' || what || '.') FROM transition
			UNION ALL
			SELECT 1, pg_catalog.format('CREATE FUNCTION %I(ml_state) RETURNS %s AS ''MODULE_PATHNAME'' LANGUAGE C IMMUTABLE STRICT'
							 ' PARALLEL SAFE', final, pg_catalog.min(result)) FROM metric GROUP BY final
			UNION ALL
			SELECT 2, pg_catalog.format('COMMENT ON FUNCTION %I(ml_state) IS %L', final,
							 'The result of ' || pg_catalog.string_agg(name, ' and ' ORDER BY name) || ' from its state.') FROM metric GROUP BY final
			UNION ALL
			SELECT 3, pg_catalog.format('CREATE AGGREGATE %I(%s) (SFUNC = %I, STYPE = ml_state, SSPACE = %s, FINALFUNC = %I, COMBINEFUNC = %I,'
							 ' PARALLEL = SAFE)', name, arguments, transition, space, final, combine) FROM aggregate
			UNION ALL
			SELECT 4, pg_catalog.format('COMMENT ON AGGREGATE %I(%s) IS %L', name, arguments, comment || every_note) FROM aggregate
			) AS s (step, statement)
		ORDER BY s.step, s.statement
	LOOP
		EXECUTE statement;
	END LOOP;
END
$create$;
