/*
 * What all metrics as aggregates share: arguments of a row, checks of flat states, results.
 *
 * Families of states, a file each:
 *
 *   metric_labels.c labels and how often each pair (actual, predicted) was seen; metric_confusion.c has the results
 *   metric_errors.c      compensated sums: mae, mse, rmse, mape, r2, log_loss, brier, ...
 *   metric_losses.c      one mean loss with a parameter: smape, rmsle, pinball, huber, deviances
 *   metric_scores.c      sorted scores: roc_auc, average_precision, ks, curves, median_absolute_error
 *   metric_calibration.c bins of probabilities: expected_calibration_error, calibration_curve
 *   metric_classes.c     a probability for each class: top_k_accuracy, roc_auc, log_loss, brier
 *   metric_ranking.c     the rows of one query: dcg, ndcg, reciprocal_rank, precision_at_k, recall_at_k
 *   metric_clusters.c    points in clusters: silhouette, davies_bouldin, calinski_harabasz
 *
 * One family of transition functions per state, told apart by argument types; a final function per metric.
 * Final functions leave the meaning of a state as it is, so aggregates over the same arguments share one
 * state, and window frames may go on adding to it.  A row with a NULL argument is skipped; the state is
 * made by the first row that is not, so that no rows give NULL.
 *
 * All mathematics is in src/engine/score.
 */
#ifndef MLAAS_METRICS_H
#define MLAAS_METRICS_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/state.h"

/* Whether the first so many arguments behind the state are there. */
static inline bool
arguments_present(FunctionCallInfo fcinfo, int count)
{
	for (int i = 1; i <= count; i++)
		if (PG_ARGISNULL(i))
			return false;
	return true;
}

/* Return the state as it came from a transition function that skips a row. */
static inline Datum
skip_row(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	return PG_GETARG_DATUM(0);
}

/* Fail on an actual (argument 1) or predicted value that is NaN or infinite. */
extern void refuse_not_finite(int argument, double value) pg_attribute_noreturn();

/* A finite number from an argument. */
static inline double
finite_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (unlikely(value - value != 0.0))
		refuse_not_finite(argument, value);
	return value;
}

/* Fail on an actual value that is neither 1 nor 0 nor -1. */
extern void refuse_truth(double value) pg_attribute_noreturn();

/* Whether a number stands for the positive class: 1 does, 0 and -1 do not, others are errors. */
static inline bool
positive_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (value == 1.0)
		return true;
	if (value != 0.0 && value != -1.0)
		refuse_truth(value);
	return false;
}

/* Fail on a probability that is none. */
extern void refuse_probability(double value) pg_attribute_noreturn();

static inline double
probability_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (unlikely(!(value >= 0.0 && value <= 1.0)))
		refuse_probability(value);
	return value;
}

/* Fail on a score that has no rank. */
extern void refuse_score(void) pg_attribute_noreturn();

static inline double
score_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (unlikely(value != value))
		refuse_score();
	return value;
}

/* Fail on a weight that is none. */
extern void refuse_weight(double value) pg_attribute_noreturn();

/* The weight of a row: finite, not negative. */
static inline double
weight_argument(FunctionCallInfo fcinfo, int argument)
{
	double		value = PG_GETARG_FLOAT8(argument);

	if (unlikely(!(value >= 0.0) || value - value != 0.0))
		refuse_weight(value);
	return value;
}

/* Whether two columns of numbers and a weight behind them make a row that counts; tells the weight. */
static inline bool
weighted_row(FunctionCallInfo fcinfo, int arguments, double *weight)
{
	if (!arguments_present(fcinfo, arguments + 1))
		return false;
	*weight = weight_argument(fcinfo, arguments + 1);
	return *weight > 0.0;
}

/* Fail on an argument that may not change from row to row, but does, or is NULL. */
extern void refuse_setting(const char *name, bool null) pg_attribute_noreturn();

/* A setting of an aggregate, which stands in an argument: not NULL. */
static inline double
float8_setting(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		refuse_setting(name, true);
	return PG_GETARG_FLOAT8(argument);
}

static inline int32
int4_setting(FunctionCallInfo fcinfo, int argument, const char *name, int32 most)
{
	int32		value;

	if (PG_ARGISNULL(argument))
		refuse_setting(name, true);
	value = PG_GETARG_INT32(argument);
	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 and %d", name, most)));
	return value;
}

/* Fail when a state that holds so many bytes may not grow. */
extern void check_state_memory(Size bytes, uint64 rows);

/* Fail on flat bytes that no state of ours has. */
extern void check_flat(bool right, const char *what);

/* Whether a number from flat bytes can be a sum of weights. */
extern bool valid_weight(double weight);

/* Fail on a number of rows, or a sum of their weights, that no state of ours has. */
extern void check_flat_rows(uint64 rows, double weight);

/* Of a state that is flat as it is: StateKind.flatten, and a copy of flat bytes, which must be so many. */
extern void flatten_copy(void *state, char *bytes, Size size);
extern void *unflatten_copy(const char *bytes, Size size, Size expected, MemoryContext memory);

/* Add rows to a count of rows; fails rather than to overflow. */
extern void check_row_count(uint64 rows, uint64 more);

/* A final function's state. */
extern void *final_state(FunctionCallInfo fcinfo, const StateKind *kind);

/* A metric as SQL returns it: NULL where it is not defined. */
extern Datum metric_datum(FunctionCallInfo fcinfo, double value);

/* A metric made of sums: NaN or infinity among finite rows means that a sum overflowed. */
extern Datum sums_datum(double value);

/* A final function that returns rows: an array of its element type, which is composite. */
typedef struct MetricRows
{
	Oid			element;
	struct TupleDescData *descriptor;
	Datum	   *rows;
	int			count;
	int			capacity;
	Size		bytes;
} MetricRows;

/* columns: how many the composite type is known to have. */
extern void metric_rows_begin(FunctionCallInfo fcinfo, MetricRows *rows, int columns);
extern void metric_rows_add(MetricRows *rows, const Datum *values, const bool *nulls);
extern Datum metric_rows_datum(MetricRows *rows);

/* A float8 column of such a row: NaN is NULL. */
static inline void
metric_column(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = value != value;
	values[column] = Float8GetDatum(value);
}

#endif
