/*
 * Metrics made of compensated sums over rows of an actual and a predicted number, or of a truth and a probability:
 * mae, mse, rmse, mape, max_error, r2, adjusted_r2, explained_variance, log_loss, brier.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/float.h"

#include "pg/metrics.h"
#include "score/metrics.h"

/* More features than this no model has. */
#define MAX_FEATURES PG_INT32_MAX

static Size
regression_flat_size(void *state)
{
	(void) state;
	return sizeof(MlErrorSums);
}

static void *
regression_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	MlErrorSums *sums = unflatten_copy(bytes, size, sizeof(MlErrorSums), memory);

	check_flat_rows(sums->rows, ml_sum_value(&sums->weight));
	check_flat(sums->features >= 0.0 && sums->features <= MAX_FEATURES, "number of features");
	return sums;
}

const StateKind regression_state_kind = {
	.id = STATE_REGRESSION,
	.name = "regression",
	.flat_size = regression_flat_size,
	.flatten = flatten_copy,
	.unflatten = regression_unflatten,
};

/* The state of a transition function, made at the first row. */
static inline ExpandedState *
regression_state(FunctionCallInfo fcinfo)
{
	ExpandedState *expanded = state_of_row(fcinfo, &regression_state_kind);
	MemoryContext memory;

	if (likely(expanded != NULL))
		return expanded;
	memory = state_aggregate_memory(fcinfo);
	if (!PG_ARGISNULL(0))
		return state_get(PG_GETARG_DATUM(0), &regression_state_kind, memory);
	expanded = state_create(&regression_state_kind, memory);
	expanded->state = MemoryContextAllocZero(expanded->hdr.eoh_context, sizeof(MlErrorSums));
	return expanded;
}

PG_FUNCTION_INFO_V1(ml_regression_features_f);
PG_FUNCTION_INFO_V1(ml_regression_features_fw);
PG_FUNCTION_INFO_V1(ml_regression_combine);

/* The transition functions, without and with a weight, that add a row of two numbers. */
#define ROW_TRANSITIONS(name, add) \
	PG_FUNCTION_INFO_V1(name); \
	PG_FUNCTION_INFO_V1(name##_w); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return arguments_present(fcinfo, 2) ? add(fcinfo, 1.0) : skip_row(fcinfo); \
	} \
	Datum \
	name##_w(PG_FUNCTION_ARGS) \
	{ \
		double		weight; \
		return weighted_row(fcinfo, 2, &weight) ? add(fcinfo, weight) : skip_row(fcinfo); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

/* Add one row's actual and predicted number. */
static inline Datum
regression_add(FunctionCallInfo fcinfo, double weight)
{
	ExpandedState *expanded = regression_state(fcinfo);

	ml_errors_add(expanded->state, finite_argument(fcinfo, 1), finite_argument(fcinfo, 2), weight);
	return state_datum(expanded);
}

ROW_TRANSITIONS(ml_regression_float8, regression_add);

/* The same, with the number of features of the model that predicted. */
static Datum
features_add(FunctionCallInfo fcinfo, double weight)
{
	int32		features;
	bool		first = PG_ARGISNULL(0);
	Datum		state;
	MlErrorSums *sums;

	if (PG_ARGISNULL(3))
		refuse_setting("n_features", true);
	features = PG_GETARG_INT32(3);
	if (features < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n_features must not be negative")));
	state = regression_add(fcinfo, weight);
	sums = ((ExpandedState *) DatumGetEOHP(state))->state;
	if (first)
		sums->features = features;
	if (sums->features != features)
		refuse_setting("n_features", false);
	return state;
}

Datum
ml_regression_features_f(PG_FUNCTION_ARGS)
{
	return arguments_present(fcinfo, 2) ? features_add(fcinfo, 1.0) : skip_row(fcinfo);
}

Datum
ml_regression_features_fw(PG_FUNCTION_ARGS)
{
	double		weight;

	if (!arguments_present(fcinfo, 2) || PG_ARGISNULL(4))
		return skip_row(fcinfo);
	weight = weight_argument(fcinfo, 4);
	return weight > 0.0 ? features_add(fcinfo, weight) : skip_row(fcinfo);
}

/* Add one row for metrics of the signed error. */
static inline Datum
signed_add(FunctionCallInfo fcinfo, double weight)
{
	ExpandedState *expanded = regression_state(fcinfo);

	ml_errors_add_signed(expanded->state, finite_argument(fcinfo, 1), finite_argument(fcinfo, 2), weight);
	return state_datum(expanded);
}

ROW_TRANSITIONS(ml_regression_signed, signed_add);

/* Add one row's label and probability. */
static inline Datum
probability_add(FunctionCallInfo fcinfo, bool positive, double weight)
{
	ExpandedState *expanded = regression_state(fcinfo);

	ml_errors_add_probability(expanded->state, positive, probability_argument(fcinfo, 2), weight);
	return state_datum(expanded);
}

#define ADD_TRUTH(fcinfo, weight) probability_add(fcinfo, PG_GETARG_BOOL(1), weight)
#define ADD_NUMBER(fcinfo, weight) probability_add(fcinfo, positive_argument(fcinfo, 1), weight)

ROW_TRANSITIONS(ml_probability_boolean, ADD_TRUTH);
ROW_TRANSITIONS(ml_probability_float8, ADD_NUMBER);

/* Add the sums of the second state to the first. */
Datum
ml_regression_combine(PG_FUNCTION_ARGS)
{
	ExpandedState *expanded = regression_state(fcinfo);
	MlErrorSums *from = state_get(PG_GETARG_DATUM(1), &regression_state_kind, CurrentMemoryContext)->state;
	MlErrorSums *into = expanded->state;

	check_row_count(into->rows, from->rows);
	if (into->rows == 0)
		into->features = from->features;
	if (into->features != from->features)
		refuse_setting("n_features", false);
	ml_errors_merge(into, from);
	return state_datum(expanded);
}

#define REGRESSION_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		MlErrorMetrics metrics; \
		ml_errors_metrics(final_state(fcinfo, &regression_state_kind), &metrics); \
		return sums_datum(metrics.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

REGRESSION_FINAL(ml_mae_final, mae);
REGRESSION_FINAL(ml_mse_final, mse);
REGRESSION_FINAL(ml_rmse_final, rmse);
REGRESSION_FINAL(ml_mape_final, mape);
REGRESSION_FINAL(ml_max_error_final, max_error);
REGRESSION_FINAL(ml_log_loss_final, log_loss);
REGRESSION_FINAL(ml_brier_final, brier);

/* Shares of the spread: NULL with too few rows. */
#define SPREAD_FINAL(name, member) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		MlErrorSums *sums = final_state(fcinfo, &regression_state_kind); \
		MlErrorMetrics metrics; \
		if ((double) sums->rows - sums->features < 2.0) \
			PG_RETURN_NULL(); \
		ml_errors_metrics(sums, &metrics); \
		return sums_datum(metrics.member); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

SPREAD_FINAL(ml_r2_final, r2);
SPREAD_FINAL(ml_adjusted_r2_final, adjusted_r2);
SPREAD_FINAL(ml_explained_variance_final, explained_variance);
