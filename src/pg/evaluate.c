/*
 * ml_evaluate: the metrics of a model on a source that has the target too; for each value of a column, and with
 * confidence intervals, on request.
 *
 * Intervals are those of the bootstrap's percentiles: rows are drawn with replacement, as many as there are, again
 * and again (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/random.h"
#include "pg/evaluate.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/scored.h"

PG_FUNCTION_INFO_V1(ml_evaluate);
PG_FUNCTION_INFO_V1(ml_evaluate_by);

/* The metrics of a model on the rows of a source. */
int
evaluate_source(MlContext *ctx, const MlModel *model, Source *source, MlMetric *metrics, size_t *rows)
{
	Scored	   *scored = scored_read(ctx, &model, 1, source, NULL);

	*rows = scored->rows;
	return scored_metrics(scored, 0, NULL, scored->rows, NULL, metrics);
}

/* The metrics of a model on a source; one that is not defined on these rows is NULL. */
Datum
ml_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	MlMetric	metrics[ML_MAX_METRICS];
	const MlModel *model;
	MlContext  *ctx;
	size_t		rows;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	model = model_argument_once(fcinfo, REGISTRY_PREDICT);
	ctx = host_context_create(CurrentMemoryContext, "ml_evaluate", true);
	count = evaluate_source(ctx, model, source_open(text_to_cstring(PG_GETARG_TEXT_PP(1))), metrics, &rows);
	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {CStringGetTextDatum(metrics[i].name), Float8GetDatum(metrics[i].value)};
		bool		nulls[2] = {false, isnan(metrics[i].value)};

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	host_context_delete(ctx);
	return (Datum) 0;
}

/* ---- intervals ---- */

/* Draw n rows with replacement: how often each was drawn. */
void
bootstrap_draw(MlRandom *random, size_t n, double *weights)
{
	memset(weights, 0, n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		weights[ml_random_below(random, n)] += 1;
}

static int
ascending(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The percentiles of what was drawn, which is sorted; draws on which the metric is not defined do not count. */
void
bootstrap_interval(double *drawn, const BootstrapOptions *options, double *low, double *high)
{
	double		tail = (1 - options->confidence) / 2;
	int			n = 0;

	for (int b = 0; b < options->resamples; b++)
		if (!isnan(drawn[b]))
			drawn[n++] = drawn[b];
	*low = *high = NAN;
	if (n == 0)
		return;
	qsort(drawn, (size_t) n, sizeof(double), ascending);
	*low = drawn[(int) floor(tail * (n - 1))];
	*high = drawn[(int) ceil((1 - tail) * (n - 1))];
}

/* The options in three arguments from first on: confidence, resamples, seed.  NULL for a confidence = no interval. */
bool
bootstrap_options(FunctionCallInfo fcinfo, int first, BootstrapOptions *options)
{
	if (PG_ARGISNULL(first))
		return false;
	if (PG_ARGISNULL(first + 1) || PG_ARGISNULL(first + 2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", PG_ARGISNULL(first + 1) ? "resamples" : "seed")));
	options->confidence = PG_GETARG_FLOAT8(first);
	options->resamples = PG_GETARG_INT32(first + 1);
	options->seed = (uint64) PG_GETARG_INT64(first + 2);
	if (!(options->confidence > 0 && options->confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence is %g", options->confidence),
				 errdetail("It must be greater than 0 and less than 1.")));
	if (options->resamples < MIN_RESAMPLES || options->resamples > MAX_RESAMPLES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resamples is %d", options->resamples),
				 errdetail("It must be from %d to %d.", MIN_RESAMPLES, MAX_RESAMPLES)));
	return true;
}

/* The bootstrap's percentiles of every metric over some rows, which are the same in whatever order these were read. */
static void
bootstrap(const Scored *scored, const uint32 *rows, size_t n, const BootstrapOptions *options, double *low,
		  double *high)
{
	MlContext  *ctx = scored->ctx;
	double	   *weights = ml_alloc_array(ctx, n + 1, sizeof(double));
	uint32	   *order = scored_order(scored, rows, n);
	double	   *drawn[ML_MAX_METRICS];
	MlMetric	metrics[ML_MAX_METRICS];
	MlRandom	random;
	int			count = 0;

	ml_random_seed(&random, options->seed);
	for (int i = 0; i < ML_MAX_METRICS; i++)
		drawn[i] = ml_alloc_array(ctx, (size_t) options->resamples, sizeof(double));
	for (int b = 0; b < options->resamples; b++)
	{
		bootstrap_draw(&random, n, weights);
		count = scored_metrics(scored, 0, order, n, weights, metrics);
		for (int i = 0; i < count; i++)
			drawn[i][b] = metrics[i].value;
		ml_check(ctx);
	}
	for (int i = 0; i < count; i++)
		bootstrap_interval(drawn[i], options, &low[i], &high[i]);
	for (int i = 0; i < ML_MAX_METRICS; i++)
		ml_free(ctx, drawn[i]);
	ml_free(ctx, order);
	ml_free(ctx, weights);
}

/* ---- by the values of a column ---- */

/* What ml_evaluate was asked for. */
typedef struct ByCall
{
	ReturnSetInfo *set;
	Scored	   *scored;
	bool		intervals;
	BootstrapOptions options;
} ByCall;

/* The metrics of the rows of one value (NULL = all rows, or those where it is NULL). */
static void
emit_part(const ByCall *call, const char *value, const uint32 *rows, size_t n)
{
	MlMetric	metrics[ML_MAX_METRICS];
	double		low[ML_MAX_METRICS];
	double		high[ML_MAX_METRICS];
	int			count = scored_metrics(call->scored, 0, rows, n, NULL, metrics);

	if (call->intervals)
		bootstrap(call->scored, rows, n, &call->options, low, high);
	for (int i = 0; i < count; i++)
	{
		Datum		values[6];
		bool		nulls[6] = {0};

		nulls[0] = value == NULL;
		values[0] = value != NULL ? CStringGetTextDatum(value) : (Datum) 0;
		values[1] = Int64GetDatum((int64) n);
		values[2] = CStringGetTextDatum(metrics[i].name);
		values[3] = Float8GetDatum(metrics[i].value);
		nulls[3] = isnan(metrics[i].value);
		values[4] = Float8GetDatum(call->intervals ? low[i] : 0);
		nulls[4] = !call->intervals || isnan(low[i]);
		values[5] = Float8GetDatum(call->intervals ? high[i] : 0);
		nulls[5] = nulls[4];
		tuplestore_putvalues(call->set->setResult, call->set->setDesc, values, nulls);
	}
}

/* Every value in turn, in the order in which they were met; rows without one come last. */
static void
emit_parts(const ByCall *call)
{
	const Scored *scored = call->scored;
	int32		nvalues = (int32) scored->by_values->count;
	size_t	   *begins = ml_alloc_array_zero(scored->ctx, (size_t) nvalues + 3, sizeof(size_t));
	uint32	   *rows = ml_alloc_array(scored->ctx, scored->rows + 1, sizeof(uint32));

	/* a counting sort; NULL is the value behind the last one */
	for (size_t i = 0; i < scored->rows; i++)
		begins[(scored->by[i] < 0 ? nvalues : scored->by[i]) + 2]++;
	for (int32 v = 2; v <= nvalues + 1; v++)
		begins[v] += begins[v - 1];
	for (size_t i = 0; i < scored->rows; i++)
		rows[begins[(scored->by[i] < 0 ? nvalues : scored->by[i]) + 1]++] = (uint32) i;
	for (int32 v = 0; v <= nvalues; v++)
		if (begins[v + 1] > begins[v])
			emit_part(call, v < nvalues ? scored->by_values->strings[v] : NULL, rows + begins[v],
					  begins[v + 1] - begins[v]);
}

/* ml_evaluate(model, source, by, confidence, resamples, seed). */
Datum
ml_evaluate_by(PG_FUNCTION_ARGS)
{
	ByCall		call = {.set = (ReturnSetInfo *) fcinfo->resultinfo};
	const MlModel *model;
	const char *by = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	MlContext  *ctx;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	call.intervals = bootstrap_options(fcinfo, 3, &call.options);
	model = model_argument_once(fcinfo, REGISTRY_PREDICT);
	if (call.intervals && model->signature->task == ML_TASK_RANKING)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("metrics of a ranking have no confidence intervals"),
				 errdetail("Rows of a ranking are not drawn one by one.")));
	ctx = host_context_create(CurrentMemoryContext, "ml_evaluate", true);
	call.scored = scored_read(ctx, &model, 1, source_open(text_to_cstring(PG_GETARG_TEXT_PP(1))), by);
	if (by != NULL)
		emit_parts(&call);
	else
		emit_part(&call, NULL, NULL, call.scored->rows);
	host_context_delete(ctx);
	return (Datum) 0;
}
