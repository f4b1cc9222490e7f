/*
 * ml_importance: how much each feature matters to a model.
 */
#include "postgres.h"

#include "pg/explain.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/target.h"

PG_FUNCTION_INFO_V1(ml_importance);

typedef enum Method
{
	METHOD_GAIN,
	METHOD_SPLIT,
	METHOD_PERMUTATION,
	METHOD_SHAP
} Method;

static const char *const method_names[] = {"gain", "split", "permutation", "shap"};

/* Importances of the slots; deviation is NULL where a method has none. */
typedef struct Importances
{
	double	   *mean;
	double	   *deviation;
} Importances;

/* The method of a name. */
static Method
find_method(MlContext *ctx, const char *name)
{
	for (size_t i = 0; i < lengthof(method_names); i++)
	{
		if (strcmp(method_names[i], name) == 0)
			return (Method) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("importance method \"%s\" does not exist", name),
			 errhint("%s", ml_candidates_hint(ctx, "method", name, method_names, lengthof(method_names)))));
}

/* ---- trees ---- */

/* By what splits gain, or how many there are. */
static void
by_splits(MlContext *ctx, const MlModel *model, Method method, const char *options_text, Importances *out)
{
	MlExplainOptions options;

	ml_explain_options_parse(ctx, options_text, ML_USE_SPLITS, &options);
	if (!ml_importance_splits(model, method == METHOD_GAIN ? out->mean : NULL,
							  method == METHOD_SPLIT ? out->mean : NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of algorithm \"%s\" has no trees", model->algorithm->name),
				 errhint("Use method \"permutation\" or \"shap\" with a source.")));
	if (options.normalize)
		ml_importance_normalize(out->mean, (size_t) model->signature->slots);
	out->deviation = NULL;
}

/* ---- permutation ---- */

typedef struct Rows
{
	MlContext  *ctx;
	RawReader	reader;
	TargetReader target;
	bool		ranking;		/* rows come in groups, by a column that follows the target */
	GroupReader group_reader;
	MlRawRows	rows;
	size_t		capacity;
	double	   *actual;
	uint64	   *group;			/* ranking: a hash of the row's group */
} Rows;

/* Take one row of the source; one without a target is passed over. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Rows	   *rows = arg;
	double	   *raw;

	slot_getallattrs(slot);
	if (slot->tts_isnull[rows->target.column])
		return;
	if (rows->rows.rows == rows->capacity)
	{
		rows->capacity = Max(4096, 2 * rows->capacity);
		rows->actual = ml_realloc(rows->ctx, rows->actual, rows->capacity * sizeof(double));
		if (rows->ranking)
			rows->group = ml_realloc(rows->ctx, rows->group, rows->capacity * sizeof(uint64));
	}
	rows->actual[rows->rows.rows] = target_read(&rows->target, slot->tts_values[rows->target.column]);
	if (rows->ranking)
		rows->group[rows->rows.rows] = group_read(&rows->group_reader, slot);
	raw = ml_raw_rows_add(rows->ctx, &rows->rows);
	raw_reader_read(&rows->reader, slot, raw, ML_BLOCK_ROWS);
}

/* The metric that options ask for. */
static const char *
find_metric(MlContext *ctx, const MlModel *model, const char *name)
{
	size_t		count;
	const char *const *metrics = ml_importance_metrics(model->signature->task, &count);

	if (name == NULL)
		return metrics[0];
	for (size_t i = 0; i < count; i++)
	{
		if (strcmp(metrics[i], name) == 0)
			return metrics[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no metric \"%s\" for a model of task \"%s\"", name, ml_task_name(model->signature->task)),
			 errhint("%s", ml_candidates_hint(ctx, "metric", name, metrics, count))));
}

/* By what shuffling a feature does to a metric. */
static void
by_permutation(MlContext *ctx, const MlModel *model, const char *text, const char *options_text, Importances *out)
{
	Rows	   *rows = palloc0(sizeof(Rows));
	int			nfeatures = model->signature->nfeatures;
	int		   *columns = palloc(sizeof(int) * ((Size) nfeatures + 2));
	MlExplainOptions options;
	const char *metric;
	Source	   *source;

	ml_explain_options_parse(ctx, options_text, ML_USE_PERMUTATION, &options);
	if (model->signature->target_kind == ML_TARGET_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of task \"%s\" has no permutation importance", ml_task_name(model->signature->task)),
				 errdetail("It was trained without a target, so there is no metric for a shuffled feature to make "
						   "worse."),
				 errhint("Use method \"shap\".")));
	metric = find_metric(ctx, model, options.metric);
	source = source_open(text);
	rows->ctx = ctx;
	raw_reader_init(&rows->reader, model, source, columns);
	target_reader_init(&rows->target, model, source, nfeatures, columns + nfeatures);
	ml_raw_rows_init(&rows->rows, model);
	rows->ranking = model->signature->task == ML_TASK_RANKING;
	if (rows->ranking)
		group_reader_init(&rows->group_reader, model, source, nfeatures + 1, columns + nfeatures + 1);
	source_scan(source, columns, nfeatures + (rows->ranking ? 2 : 1), receive_row, rows);
	if (rows->rows.rows == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "the source has no row to evaluate on",
					  "It has no rows, or the target is NULL in all of them.", NULL);
	ml_importance_permutation(ctx, model, &rows->rows, rows->actual, rows->group, metric, (int) options.n_repeats,
							  (uint64) options.seed, out->mean, out->deviation);
}

/* ---- contributions ---- */

/* Add a block to the sums. */
static void
add_block(Explanation *explanation, const double *contributions, text *const *keys, size_t n, void *arg)
{
	(void) keys;
	ml_shap_sums_add(arg, explanation->count, contributions, ML_BLOCK_ROWS, n);
}

/* By the mean absolute contribution. */
static void
by_contributions(MlContext *ctx, const MlModel *model, const char *text, const char *options_text, Importances *out)
{
	Explanation *explanation = explanation_create(CurrentMemoryContext, model, options_text, ML_USE_SHAP_IMPORTANCE);
	MlShapSums	sums;

	ml_shap_sums_init(ctx, &sums, model);
	if (explain_source(explanation, text, false, NULL, add_block, &sums) == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the source has no rows");
	ml_shap_sums_finish(&sums, out->mean, out->deviation);
	for (size_t s = 0; s < sums.slots; s++)
	{
		explain_number(out->mean[s]);
		explain_number(out->deviation[s]);
	}
}

/* ---- the call ---- */

typedef struct Ranked
{
	double		mean;
	size_t		slot;
} Ranked;

/* The greatest first, what is not defined last. */
static int
by_importance(const void *pa, const void *pb)
{
	const Ranked *a = pa;
	const Ranked *b = pb;

	if (isnan(a->mean) != isnan(b->mean))
		return isnan(a->mean) ? 1 : -1;
	if (a->mean != b->mean && !isnan(a->mean))
		return a->mean < b->mean ? 1 : -1;
	return a->slot < b->slot ? -1 : 1;
}

/* Put the importances into the result. */
static void
emit_importances(FunctionCallInfo fcinfo, const MlModel *model, const Importances *importances)
{
	size_t		slots = (size_t) model->signature->slots;
	Ranked	   *ranked = palloc(sizeof(Ranked) * Max(slots, 1));
	Datum	   *names = slot_names(model);

	for (size_t s = 0; s < slots; s++)
		ranked[s] = (Ranked) {importances->mean[s], s};
	qsort(ranked, slots, sizeof(Ranked), by_importance);
	for (size_t i = 0; i < slots; i++)
	{
		size_t		s = ranked[i].slot;
		double		deviation = importances->deviation != NULL ? importances->deviation[s] : NAN;
		Datum		values[3] = {names[s], Float8GetDatum(importances->mean[s]), Float8GetDatum(deviation)};
		bool		nulls[3] = {false, isnan(importances->mean[s]), isnan(deviation)};

		explain_emit(fcinfo, values, nulls);
	}
}

/* How much each feature matters. */
Datum
ml_importance(PG_FUNCTION_ARGS)
{
	MlContext  *ctx;
	const MlModel *model;
	const char *source;
	const char *options;
	Importances importances;
	Method		method;
	size_t		slots;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	ctx = host_context_create(CurrentMemoryContext, "ml_importance", true);
	method = find_method(ctx, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	source = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	options = explain_options_text(fcinfo, 3);
	if ((source != NULL) != (method == METHOD_PERMUTATION || method == METHOD_SHAP))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(source == NULL ? "importance method \"%s\" needs a source" : "importance method \"%s\" takes "
						"no source", method_names[method]),
				 source == NULL ? errhint("Name a table or view, or give one SELECT, of rows to look at.") :
				 errhint("Use method \"permutation\" or \"shap\" to look at rows.")));
	slots = (size_t) model->signature->slots;
	importances.mean = ml_alloc_array(ctx, slots + 1, sizeof(double));
	importances.deviation = ml_alloc_array(ctx, slots + 1, sizeof(double));
	if (method == METHOD_PERMUTATION)
		by_permutation(ctx, model, source, options, &importances);
	else if (method == METHOD_SHAP)
		by_contributions(ctx, model, source, options, &importances);
	else
		by_splits(ctx, model, method, options, &importances);
	emit_importances(fcinfo, model, &importances);
	return (Datum) 0;
}
