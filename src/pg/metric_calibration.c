/*
 * Calibration of probabilities in bins of equal width: expected_calibration_error, calibration_curve.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/float.h"

#include "pg/metrics.h"
#include "score/calibration.h"

/* As scikit-learn's calibration curve says 5, and papers on calibration errors 10 or 15. */
#define DEFAULT_BINS 10
#define MAX_BINS 10000

#define BIN_COLUMNS 5

/* In memory, and flat. */
typedef struct Calibration
{
	int32		nbins;
	uint32		unused;			/* 0 */
	uint64		rows;			/* more than 0 */
	MlCalibrationBin bins[FLEXIBLE_ARRAY_MEMBER];
} Calibration;

static inline Size
calibration_size(int nbins)
{
	return offsetof(Calibration, bins) + (Size) nbins * sizeof(MlCalibrationBin);
}

static Size
calibration_flat_size(void *state)
{
	return calibration_size(((Calibration *) state)->nbins);
}

/* Whether a bin is one that rows were added to, or empty. */
static bool
valid_bin(const MlCalibrationBin *bin)
{
	double		weight = ml_sum_value(&bin->weight);
	double		probability = ml_sum_value(&bin->probability);
	double		positive = ml_sum_value(&bin->positive);
	double		most = weight * (1.0 + 1e-6);

	return isfinite(weight) && weight >= 0.0 && probability >= 0.0 && probability <= most &&
		positive >= 0.0 && positive <= most;
}

static void *
calibration_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const Calibration *flat = (const Calibration *) bytes;

	check_flat(size >= offsetof(Calibration, bins), "size");
	check_flat(flat->nbins > 0 && flat->nbins <= MAX_BINS && flat->unused == 0, "number of bins");
	check_flat(flat->rows > 0 && flat->rows <= PG_INT64_MAX, "number of rows");
	flat = unflatten_copy(bytes, size, calibration_size(flat->nbins), memory);
	for (int i = 0; i < flat->nbins; i++)
		check_flat(valid_bin(&flat->bins[i]), "bin");
	return unconstify(Calibration *, flat);
}

const StateKind calibration_state_kind = {
	.id = STATE_CALIBRATION,
	.name = "calibration",
	.flat_size = calibration_flat_size,
	.flatten = flatten_copy,
	.unflatten = calibration_unflatten,
};

/* The state of a transition function, made at the first row. */
static inline ExpandedState *
calibration_state(FunctionCallInfo fcinfo, int32 nbins)
{
	ExpandedState *expanded = state_of_row(fcinfo, &calibration_state_kind);
	MemoryContext memory;

	if (likely(expanded != NULL) && ((Calibration *) expanded->state)->nbins == nbins)
		return expanded;
	memory = state_aggregate_memory(fcinfo);
	if (PG_ARGISNULL(0))
	{
		Calibration *c;

		expanded = state_create(&calibration_state_kind, memory);
		c = MemoryContextAllocZero(expanded->hdr.eoh_context, calibration_size(nbins));
		c->nbins = nbins;
		expanded->state = c;
		return expanded;
	}
	expanded = state_get(PG_GETARG_DATUM(0), &calibration_state_kind, memory);
	if (((Calibration *) expanded->state)->nbins != nbins)
		refuse_setting("n_bins", false);
	return expanded;
}

/* What stands behind a label and a probability, in this order. */
#define WITH_BINS 1
#define WITH_WEIGHT 2

/* Add one row. */
static pg_attribute_always_inline Datum
calibration_add(FunctionCallInfo fcinfo, bool label_is_number, int with)
{
	int32		nbins = DEFAULT_BINS;
	double		weight = 1.0;
	double		probability;
	bool		positive;
	ExpandedState *expanded;
	Calibration *c;

	if (with & WITH_BINS)
		nbins = int4_setting(fcinfo, 3, "n_bins", MAX_BINS);
	if (!arguments_present(fcinfo, 2))
		return skip_row(fcinfo);
	if (with & WITH_WEIGHT)
	{
		if (PG_ARGISNULL(4) || (weight = weight_argument(fcinfo, 4)) == 0.0)
			return skip_row(fcinfo);
	}
	positive = label_is_number ? positive_argument(fcinfo, 1) : PG_GETARG_BOOL(1);
	probability = probability_argument(fcinfo, 2);
	expanded = calibration_state(fcinfo, nbins);
	c = expanded->state;
	c->rows++;
	ml_calibration_add(&c->bins[ml_calibration_bin(probability, nbins)], positive, probability, weight);
	return state_datum(expanded);
}

#define CALIBRATION_TRANSITION(name, label_is_number, with) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return calibration_add(fcinfo, label_is_number, with); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

CALIBRATION_TRANSITION(ml_calibration_boolean, false, 0);
CALIBRATION_TRANSITION(ml_calibration_boolean_n, false, WITH_BINS);
CALIBRATION_TRANSITION(ml_calibration_boolean_nw, false, WITH_BINS | WITH_WEIGHT);
CALIBRATION_TRANSITION(ml_calibration_float8, true, 0);
CALIBRATION_TRANSITION(ml_calibration_float8_n, true, WITH_BINS);
CALIBRATION_TRANSITION(ml_calibration_float8_nw, true, WITH_BINS | WITH_WEIGHT);

PG_FUNCTION_INFO_V1(ml_calibration_combine);
PG_FUNCTION_INFO_V1(ml_expected_calibration_error_final);
PG_FUNCTION_INFO_V1(ml_calibration_curve_final);

/* Add the bins of the second state to those of the first. */
Datum
ml_calibration_combine(PG_FUNCTION_ARGS)
{
	Calibration *from = state_get(PG_GETARG_DATUM(1), &calibration_state_kind, CurrentMemoryContext)->state;
	ExpandedState *expanded = calibration_state(fcinfo, from->nbins);
	Calibration *into = expanded->state;

	check_row_count(into->rows, from->rows);
	into->rows += from->rows;
	ml_calibration_merge(into->bins, from->bins, into->nbins);
	return state_datum(expanded);
}

/* The mean distance of said and seen. */
Datum
ml_expected_calibration_error_final(PG_FUNCTION_ARGS)
{
	Calibration *c = final_state(fcinfo, &calibration_state_kind);

	return sums_datum(ml_calibration_error(c->bins, c->nbins));
}

/* The bins that have rows: their edges, mean probability, share of positives, and weight. */
Datum
ml_calibration_curve_final(PG_FUNCTION_ARGS)
{
	Calibration *c = final_state(fcinfo, &calibration_state_kind);
	MetricRows	rows;

	metric_rows_begin(fcinfo, &rows, BIN_COLUMNS);
	for (int i = 0; i < c->nbins; i++)
	{
		double		weight = ml_sum_value(&c->bins[i].weight);
		Datum		values[BIN_COLUMNS];
		bool		nulls[BIN_COLUMNS];

		if (weight == 0.0)
			continue;
		metric_column(values, nulls, 0, (double) i / c->nbins);
		metric_column(values, nulls, 1, (double) (i + 1) / c->nbins);
		metric_column(values, nulls, 2, ml_sum_value(&c->bins[i].probability) / weight);
		metric_column(values, nulls, 3, ml_sum_value(&c->bins[i].positive) / weight);
		metric_column(values, nulls, 4, weight);
		metric_rows_add(&rows, values, nulls);
	}
	return metric_rows_datum(&rows);
}
