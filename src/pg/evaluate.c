/*
 * ml_evaluate: the metrics of a model on a source that has the target too.
 *
 * Kept a row: the target and the model's outputs, 8 bytes each, within mlaas.max_memory.
 * Rows whose target is NULL are skipped; a class that the model does not know counts as
 * predicted wrong.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/evaluate.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/scorer.h"
#include "pg/source.h"
#include "pg/target.h"
#include "score/metrics.h"

typedef struct Evaluation
{
	Scorer		scorer;
	MlContext  *ctx;
	TargetReader target;
	bool		ranking;		/* rows come in groups, by a column that follows the target */
	ValueReader group_reader;

	size_t		rows;
	size_t		capacity;
	double	   *actual;			/* [capacity] number or class, -1 = unknown */
	double	  **outputs;		/* [outputs][capacity] */
	uint64	   *group;			/* ranking: [capacity] a hash of the row's group */
} Evaluation;

PG_FUNCTION_INFO_V1(ml_evaluate);

/* Make room for the rows gathered. */
static void
grow(Evaluation *evaluation, size_t needed)
{
	size_t		capacity = Max(evaluation->capacity, ML_BLOCK_ROWS * SCORER_BLOCKS);

	while (capacity < needed)
		capacity *= 2;
	if (capacity == evaluation->capacity)
		return;
	evaluation->actual = ml_realloc(evaluation->ctx, evaluation->actual, capacity * sizeof(double));
	if (evaluation->ranking)
		evaluation->group = ml_realloc(evaluation->ctx, evaluation->group, capacity * sizeof(uint64));
	for (size_t k = 0; k < evaluation->scorer.outputs; k++)
		evaluation->outputs[k] = ml_realloc(evaluation->ctx, evaluation->outputs[k], capacity * sizeof(double));
	evaluation->capacity = capacity;
}

/* Score the rows gathered and keep their outputs; their targets are kept already. */
static void
keep_outputs(Evaluation *evaluation)
{
	Scorer	   *scorer = &evaluation->scorer;

	scorer_run(scorer);
	for (size_t i = 0; i < scorer->filled; i++)
	{
		const double *out = scorer_result(scorer, i);

		for (size_t k = 0; k < scorer->outputs; k++)
			evaluation->outputs[k][evaluation->rows + i] = out[k * ML_BLOCK_ROWS];
	}
	evaluation->rows += scorer->filled;
	scorer_reset(scorer);
}

/* A hash of the group that a row is of. */
static uint64
row_group(Evaluation *evaluation, const TupleTableSlot *slot)
{
	int			column = evaluation->target.column + 1;
	const char *bytes;
	size_t		length;

	if (slot->tts_isnull[column])
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the group column of the model contains NULL"),
				 errhint("Filter these rows out.")));
	if (evaluation->group_reader.kind == ML_KIND_NUMBER)
		return ml_mix64(ml_number_bits(value_number(&evaluation->group_reader, slot->tts_values[column])));
	bytes = value_category(&evaluation->group_reader, slot->tts_values[column], &length);
	return ml_hash_bytes(bytes, length, 0);
}

/* Take one row of the source. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Evaluation *evaluation = arg;
	Scorer	   *scorer = &evaluation->scorer;
	size_t		row = evaluation->rows + scorer->filled;
	Datum		value;

	slot_getallattrs(slot);
	if (slot->tts_isnull[evaluation->target.column])
		return;
	if (row >= evaluation->capacity)
		grow(evaluation, row + 1);
	value = slot->tts_values[evaluation->target.column];
	if (evaluation->ranking)
		evaluation->group[row] = row_group(evaluation, slot);
	evaluation->actual[row] = target_read(&evaluation->target, value);
	scorer_add(scorer, slot);
	if (scorer_full(scorer))
		keep_outputs(evaluation);
}

/* Set up the column of groups; its number in the source goes to *column. */
static void
init_group(Evaluation *evaluation, const Source *source, int *column)
{
	const MlModel *model = evaluation->scorer.model;
	const char *name = ml_params_column(model->algorithm, model->params, ML_ROLE_GROUP, NULL);

	if (name == NULL)
		ml_raise(evaluation->ctx, ML_ERROR_CORRUPTED, "model is corrupted: a ranking without a group column");
	*column = source_need(source, name, "group column");
	source_check_unique(source, *column, "group column");
	if (!value_reader_init(&evaluation->group_reader, source->columns[*column].type, CurrentMemoryContext) ||
		evaluation->group_reader.kind == ML_KIND_VECTOR)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("group column \"%s\" has type %s", name, source->columns[*column].type_name)));
}

/* A row and the group it is of. */
typedef struct GroupedRow
{
	uint64		group;
	size_t		row;
} GroupedRow;

static int
by_group(const void *pa, const void *pb)
{
	const GroupedRow *a = pa;
	const GroupedRow *b = pb;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* The metrics of a ranking: rows of a group are put beside each other first. */
static int
ranking_metrics(Evaluation *evaluation, MlMetric *metrics)
{
	MlContext  *ctx = evaluation->ctx;
	size_t		n = evaluation->rows;
	GroupedRow *rows = ml_alloc_array(ctx, n, sizeof(GroupedRow));
	double	   *relevance = ml_alloc_array(ctx, n, sizeof(double));
	double	   *score = ml_alloc_array(ctx, n, sizeof(double));
	uint32	   *group = ml_alloc_array(ctx, n, sizeof(uint32));

	for (size_t i = 0; i < n; i++)
		rows[i] = (GroupedRow) {evaluation->group[i], i};
	qsort(rows, n, sizeof(GroupedRow), by_group);
	for (size_t i = 0; i < n; i++)
	{
		relevance[i] = evaluation->actual[rows[i].row];
		score[i] = evaluation->outputs[0][rows[i].row];
		group[i] = i == 0 ? 0 : group[i - 1] + (rows[i].group != rows[i - 1].group);
	}
	return ml_metrics_ranking(ctx, relevance, score, group, n, metrics);
}

/* The metrics of the rows kept. */
static int
compute_metrics(Evaluation *evaluation, MlMetric *metrics)
{
	MlContext  *ctx = evaluation->ctx;
	size_t		n = evaluation->rows;
	size_t		outputs = evaluation->scorer.outputs;
	double	   *probabilities;

	if (evaluation->ranking)
		return ranking_metrics(evaluation, metrics);
	if (!evaluation->target.classes)
		return ml_metrics_regression(ctx, evaluation->actual, evaluation->outputs[0], NULL, n, metrics);
	probabilities = ml_alloc_array(ctx, n, outputs * sizeof(double));
	for (size_t k = 0; k < outputs; k++)
	{
		memcpy(probabilities + k * n, evaluation->outputs[k], n * sizeof(double));
		ml_free(ctx, evaluation->outputs[k]);
	}
	return ml_metrics_classification(ctx, (int) outputs, evaluation->actual, probabilities, NULL, n, metrics);
}

/* Put the metrics into the result; one that is not defined on these rows is NULL. */
static void
emit_metrics(ReturnSetInfo *result, const MlMetric *metrics, int count)
{
	for (int i = 0; i < count; i++)
	{
		Datum		values[2] = {CStringGetTextDatum(metrics[i].name), Float8GetDatum(metrics[i].value)};
		bool		nulls[2] = {false, isnan(metrics[i].value)};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* The metrics of a model on the rows of a source. */
int
evaluate_source(MlContext *ctx, const MlModel *model, Source *source, MlMetric *metrics, size_t *rows)
{
	Evaluation *evaluation = palloc0(sizeof(Evaluation));
	int			nfeatures = model->signature->nfeatures;
	int			ncolumns;
	int		   *columns;

	if (model->signature->target_kind == ML_TARGET_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the model was trained without a target, so there is nothing to compare with"),
				 errhint("Where anomalies are known, use a metric such as ml_roc_auc(label, ml_predict(...)).")));
	evaluation->ctx = ctx;
	evaluation->ranking = model->signature->task == ML_TASK_RANKING;
	ncolumns = nfeatures + (evaluation->ranking ? 2 : 1);
	columns = palloc(sizeof(int) * (Size) ncolumns);
	scorer_init(&evaluation->scorer, ctx, model, source, columns);
	target_reader_init(&evaluation->target, model, source, nfeatures, columns + nfeatures);
	if (evaluation->ranking)
		init_group(evaluation, source, columns + nfeatures + 1);
	evaluation->outputs = palloc0(sizeof(double *) * evaluation->scorer.outputs);

	source_scan(source, columns, ncolumns, receive_row, evaluation);
	keep_outputs(evaluation);
	if (evaluation->rows == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "the source has no row to evaluate on",
					  "It has no rows, or the target is NULL in all of them.", NULL);
	*rows = evaluation->rows;
	return compute_metrics(evaluation, metrics);
}

/* The metrics of a model on a source. */
Datum
ml_evaluate(PG_FUNCTION_ARGS)
{
	MlMetric	metrics[ML_MAX_METRICS];
	const MlModel *model;
	MlContext  *ctx;
	size_t		rows;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	model = model_argument_once(fcinfo, REGISTRY_PREDICT);
	ctx = host_context_create(CurrentMemoryContext, "ml_evaluate", true);
	count = evaluate_source(ctx, model, source_open(text_to_cstring(PG_GETARG_TEXT_PP(1)), false), metrics, &rows);
	emit_metrics((ReturnSetInfo *) fcinfo->resultinfo, metrics, count);
	host_context_delete(ctx);
	return (Datum) 0;
}
