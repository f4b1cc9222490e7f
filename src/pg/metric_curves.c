/*
 * Metrics and curves of scores in their order: roc_auc, gini, average_precision, ks, roc_curve,
 * precision_recall_curve, lift_curve; and the median of errors.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/float.h"

#include "pg/host.h"
#include "pg/metric_scores.h"

/* ---- transition ---- */

/* What stands behind a label and a score, in this order. */
#define WITH_PARTS 1
#define WITH_WEIGHT 2

/* Keep one row's score. */
static pg_attribute_always_inline Datum
scores_add(FunctionCallInfo fcinfo, bool label_is_number, int with)
{
	int			argument = 3;
	int32		parts = 0;
	double		weight = 1.0;
	double		score;
	bool		positive;
	ExpandedState *expanded;

	if (with & WITH_PARTS)
		parts = int4_setting(fcinfo, argument++, "n_bins", SCORES_MAX_SETTING);
	if (!arguments_present(fcinfo, 2))
		return skip_row(fcinfo);
	if (with & WITH_WEIGHT)
	{
		if (PG_ARGISNULL(argument) || (weight = weight_argument(fcinfo, argument)) == 0.0)
			return skip_row(fcinfo);
	}
	positive = label_is_number ? positive_argument(fcinfo, 1) : PG_GETARG_BOOL(1);
	score = score_argument(fcinfo, 2);
	expanded = scores_state(fcinfo, SCORES_BINARY, (with & WITH_WEIGHT) != 0, parts);
	scores_put(fcinfo, expanded->state, positive, ~ml_score_key(score), weight);
	return state_datum(expanded);
}

#define SCORES_TRANSITION(name, label_is_number, with) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return scores_add(fcinfo, label_is_number, with); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

SCORES_TRANSITION(ml_scores_boolean, false, 0);
SCORES_TRANSITION(ml_scores_boolean_w, false, WITH_WEIGHT);
SCORES_TRANSITION(ml_scores_boolean_n, false, WITH_PARTS);
SCORES_TRANSITION(ml_scores_boolean_nw, false, WITH_PARTS | WITH_WEIGHT);
SCORES_TRANSITION(ml_scores_float8, true, 0);
SCORES_TRANSITION(ml_scores_float8_w, true, WITH_WEIGHT);
SCORES_TRANSITION(ml_scores_float8_n, true, WITH_PARTS);
SCORES_TRANSITION(ml_scores_float8_nw, true, WITH_PARTS | WITH_WEIGHT);

PG_FUNCTION_INFO_V1(ml_errors_float8);
PG_FUNCTION_INFO_V1(ml_errors_float8_w);

/* Keep one row's error. */
static inline Datum
error_add(FunctionCallInfo fcinfo, bool weighted, double weight)
{
	double		error = fabs(finite_argument(fcinfo, 1) - finite_argument(fcinfo, 2));
	ExpandedState *expanded = scores_state(fcinfo, SCORES_ERRORS, weighted, 0);

	scores_put(fcinfo, expanded->state, 0, ml_score_key(error), weight);
	return state_datum(expanded);
}

Datum
ml_errors_float8(PG_FUNCTION_ARGS)
{
	return arguments_present(fcinfo, 2) ? error_add(fcinfo, false, 1.0) : skip_row(fcinfo);
}

Datum
ml_errors_float8_w(PG_FUNCTION_ARGS)
{
	double		weight;

	return weighted_row(fcinfo, 2, &weight) ? error_add(fcinfo, true, weight) : skip_row(fcinfo);
}

/* ---- results ---- */

/* A final function's state, of some use. */
static Scores *
final_scores(FunctionCallInfo fcinfo, ScoresUse use)
{
	Scores	   *scores = final_state(fcinfo, &scores_state_kind);

	if (scores->use != use)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate state is of another metric")));
	return scores;
}

/* All numbers of the scores' order. */
static void
summary(FunctionCallInfo fcinfo, MlRankSummary *out)
{
	Scores	   *scores = final_scores(fcinfo, SCORES_BINARY);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
	MlTies		ties;

	scores_ties(ctx, scores, 0, 2, &ties);
	ml_ties_summary(&ties, scores_totals(scores), out);
	host_context_delete(ctx);
}

#define SUMMARY_FINAL(name, value) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		MlRankSummary found; \
		summary(fcinfo, &found); \
		return metric_datum(fcinfo, value); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

SUMMARY_FINAL(ml_roc_auc_final, found.roc_auc);
SUMMARY_FINAL(ml_gini_final, 2.0 * found.roc_auc - 1.0);
SUMMARY_FINAL(ml_average_precision_final, found.average_precision);
SUMMARY_FINAL(ml_ks_final, found.ks);

PG_FUNCTION_INFO_V1(ml_median_absolute_error_final);

/* The median of the errors. */
Datum
ml_median_absolute_error_final(PG_FUNCTION_ARGS)
{
	Scores	   *scores = final_scores(fcinfo, SCORES_ERRORS);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
	MlTies		ties;
	double		median;

	scores_ties(ctx, scores, 0, 1, &ties);
	median = ml_ties_median(&ties, scores_totals(scores)[0], scores->weighted);
	host_context_delete(ctx);
	return sums_datum(median);
}

/* Columns of a point become a row. */
typedef struct PointRows
{
	MetricRows	rows;
	int			columns;
} PointRows;

#define MAX_COLUMNS ML_LIFT_COLUMNS

static void
point_row(void *arg, const double *columns)
{
	PointRows  *points = arg;
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];

	for (int i = 0; i < points->columns; i++)
		metric_column(values, nulls, i, columns[i]);
	metric_rows_add(&points->rows, values, nulls);
}

/* The kinds of curves. */
typedef enum Curve
{
	CURVE_ROC,
	CURVE_PRECISION_RECALL,
	CURVE_LIFT
} Curve;

/* A curve's points as an array; NULL where rows are missing without which it is not defined. */
static Datum
curve_datum(FunctionCallInfo fcinfo, Curve curve, int columns)
{
	Scores	   *scores = final_scores(fcinfo, SCORES_BINARY);
	double	   *totals = scores_totals(scores);
	PointRows	points = {.columns = columns};
	MlContext  *ctx;
	MlTies		ties;

	if (totals[1] == 0.0 || (curve == CURVE_ROC && totals[0] == 0.0))
		PG_RETURN_NULL();
	metric_rows_begin(fcinfo, &points.rows, columns);
	ctx = host_context_create(CurrentMemoryContext, "ml_scores", false);
	scores_ties(ctx, scores, 0, 2, &ties);
	switch (curve)
	{
		case CURVE_ROC:
			ml_ties_roc(&ties, totals, point_row, &points);
			break;
		case CURVE_PRECISION_RECALL:
			ml_ties_precision_recall(&ties, totals, point_row, &points);
			break;
		case CURVE_LIFT:
			ml_ties_lift(&ties, totals, scores->setting, point_row, &points);
			break;
	}
	host_context_delete(ctx);
	return metric_rows_datum(&points.rows);
}

PG_FUNCTION_INFO_V1(ml_roc_curve_final);
PG_FUNCTION_INFO_V1(ml_precision_recall_curve_final);
PG_FUNCTION_INFO_V1(ml_lift_curve_final);

Datum
ml_roc_curve_final(PG_FUNCTION_ARGS)
{
	return curve_datum(fcinfo, CURVE_ROC, ML_ROC_COLUMNS);
}

Datum
ml_precision_recall_curve_final(PG_FUNCTION_ARGS)
{
	return curve_datum(fcinfo, CURVE_PRECISION_RECALL, ML_PRECISION_RECALL_COLUMNS);
}

Datum
ml_lift_curve_final(PG_FUNCTION_ARGS)
{
	return curve_datum(fcinfo, CURVE_LIFT, ML_LIFT_COLUMNS);
}
