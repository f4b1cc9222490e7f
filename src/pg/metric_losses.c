/*
 * Means of one loss, which may have a parameter: smape, rmsle, pinball, huber, and the deviances of Poisson, gamma and
 * Tweedie.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "pg/metric_losses.h"

static Size
loss_flat_size(void *state)
{
	(void) state;
	return sizeof(MlLossSums);
}

static void *
loss_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	MlLossSums *sums = unflatten_copy(bytes, size, sizeof(MlLossSums), memory);

	check_flat(sums->loss > ML_LOSS_INVALID && sums->loss <= ML_LOSSES && sums->unused == 0, "loss");
	check_flat(isfinite(sums->parameter) && ml_loss_bad_parameter((MlLoss) sums->loss, sums->parameter) == NULL,
			   "parameter");
	check_flat_rows(sums->rows, ml_sum_value(&sums->weight));
	return sums;
}

const StateKind loss_state_kind = {
	.id = STATE_LOSS,
	.name = "loss",
	.flat_size = loss_flat_size,
	.flatten = flatten_copy,
	.unflatten = loss_unflatten,
};

/* Fail on a parameter that a loss cannot have. */
static void
check_parameter(MlLoss loss, double parameter)
{
	const char *why = ml_loss_bad_parameter(loss, parameter);

	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", why),
				 errdetail("The value is %s.", float8out_internal(parameter))));
}

ExpandedState *
loss_state(FunctionCallInfo fcinfo, MlLoss loss, double parameter)
{
	ExpandedState *expanded = state_of_row(fcinfo, &loss_state_kind);
	MemoryContext memory;
	MlLossSums *sums;

	if (likely(expanded != NULL))
	{
		sums = expanded->state;
		if (likely(sums->loss == loss && sums->parameter == parameter))
			return expanded;
	}
	memory = state_aggregate_memory(fcinfo);
	if (PG_ARGISNULL(0))
	{
		check_parameter(loss, parameter);
		expanded = state_create(&loss_state_kind, memory);
		sums = MemoryContextAllocZero(expanded->hdr.eoh_context, sizeof(MlLossSums));
		sums->loss = loss;
		sums->parameter = parameter;
		expanded->state = sums;
		return expanded;
	}
	expanded = state_get(PG_GETARG_DATUM(0), &loss_state_kind, memory);
	sums = expanded->state;
	if (unlikely(sums->loss != loss))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states of different losses cannot be combined")));
	if (unlikely(sums->parameter != parameter))
		refuse_setting("the parameter of a loss", false);
	return expanded;
}

/* Fail on a row outside the domain of a loss. */
static void
check_row(MlLoss loss, double parameter, double actual, double predicted)
{
	const char *why = ml_loss_bad_row(loss, parameter, actual, predicted);

	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s for this metric", why),
				 errdetail("A row has actual %s and predicted %s.", float8out_internal(actual),
						   float8out_internal(predicted))));
}

/* What stands behind the two numbers of a row, in this order. */
#define WITH_PARAMETER 1
#define WITH_WEIGHT 2

/* Add one row. */
static pg_attribute_always_inline Datum
loss_add(FunctionCallInfo fcinfo, MlLoss loss, double parameter, const char *name, int with)
{
	int			argument = 3;
	double		weight = 1.0;
	double		actual;
	double		predicted;
	ExpandedState *expanded;

	if (with & WITH_PARAMETER)
		parameter = float8_setting(fcinfo, argument++, name);
	if (!arguments_present(fcinfo, 2))
		return skip_row(fcinfo);
	if (with & WITH_WEIGHT)
	{
		if (PG_ARGISNULL(argument) || (weight = weight_argument(fcinfo, argument)) == 0.0)
			return skip_row(fcinfo);
	}
	expanded = loss_state(fcinfo, loss, parameter);
	actual = finite_argument(fcinfo, 1);
	predicted = finite_argument(fcinfo, 2);
	check_row(loss, parameter, actual, predicted);
	ml_loss_add(expanded->state, ml_loss(loss, parameter, actual, predicted), weight);
	return state_datum(expanded);
}

#define LOSS_TRANSITION(name, loss, parameter, setting, with) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return loss_add(fcinfo, loss, parameter, setting, with); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

LOSS_TRANSITION(ml_loss_smape, ML_LOSS_SMAPE, 0.0, NULL, 0);
LOSS_TRANSITION(ml_loss_smape_w, ML_LOSS_SMAPE, 0.0, NULL, WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_squared_log, ML_LOSS_SQUARED_LOG, 0.0, NULL, 0);
LOSS_TRANSITION(ml_loss_squared_log_w, ML_LOSS_SQUARED_LOG, 0.0, NULL, WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_poisson, ML_LOSS_TWEEDIE, 1.0, NULL, 0);
LOSS_TRANSITION(ml_loss_poisson_w, ML_LOSS_TWEEDIE, 1.0, NULL, WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_gamma, ML_LOSS_TWEEDIE, 2.0, NULL, 0);
LOSS_TRANSITION(ml_loss_gamma_w, ML_LOSS_TWEEDIE, 2.0, NULL, WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_pinball_q, ML_LOSS_PINBALL, 0.0, "alpha", WITH_PARAMETER);
LOSS_TRANSITION(ml_loss_pinball_qw, ML_LOSS_PINBALL, 0.0, "alpha", WITH_PARAMETER | WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_huber_d, ML_LOSS_HUBER, 0.0, "delta", WITH_PARAMETER);
LOSS_TRANSITION(ml_loss_huber_dw, ML_LOSS_HUBER, 0.0, "delta", WITH_PARAMETER | WITH_WEIGHT);
LOSS_TRANSITION(ml_loss_tweedie_t, ML_LOSS_TWEEDIE, 0.0, "power", WITH_PARAMETER);
LOSS_TRANSITION(ml_loss_tweedie_tw, ML_LOSS_TWEEDIE, 0.0, "power", WITH_PARAMETER | WITH_WEIGHT);

PG_FUNCTION_INFO_V1(ml_loss_combine);
PG_FUNCTION_INFO_V1(ml_loss_final);
PG_FUNCTION_INFO_V1(ml_loss_root_final);

/* Add the sums of the second state to the first. */
Datum
ml_loss_combine(PG_FUNCTION_ARGS)
{
	MlLossSums *from = state_get(PG_GETARG_DATUM(1), &loss_state_kind, CurrentMemoryContext)->state;
	ExpandedState *expanded = loss_state(fcinfo, (MlLoss) from->loss, from->parameter);
	MlLossSums *into = expanded->state;

	check_row_count(into->rows, from->rows);
	ml_loss_merge(into, from);
	return state_datum(expanded);
}

/* The mean. */
Datum
ml_loss_final(PG_FUNCTION_ARGS)
{
	return sums_datum(ml_loss_mean(final_state(fcinfo, &loss_state_kind)));
}

/* The root of the mean. */
Datum
ml_loss_root_final(PG_FUNCTION_ARGS)
{
	return sums_datum(sqrt(ml_loss_mean(final_state(fcinfo, &loss_state_kind))));
}
