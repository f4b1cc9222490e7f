/*
 * Rows of a source with what models say of them: see scored.h.
 *
 * Kept a row and model: the target and the model's outputs, 8 bytes each, within mlaas.max_memory.
 * Rows whose target is NULL are skipped; a class that the model does not know counts as predicted wrong.
 */
#include "postgres.h"

#include "pg/scored.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"

#include "pg/predict.h"

#define MAX_BY_VALUES 10000

/* ---- reading ---- */

/* Make room for the rows gathered. */
static void
grow(Scored *scored, size_t needed)
{
	MlContext  *ctx = scored->ctx;
	size_t		capacity = Max(scored->capacity, ML_BLOCK_ROWS);

	while (capacity < needed)
		capacity *= 2;
	if (capacity == scored->capacity)
		return;
	for (int m = 0; m < scored->nmodels; m++)
	{
		ScoredModel *model = &scored->models[m];

		model->actual = ml_realloc(ctx, model->actual, capacity * sizeof(double));
		for (size_t k = 0; k < model->scorer.outputs; k++)
			model->outputs[k] = ml_realloc(ctx, model->outputs[k], capacity * sizeof(double));
	}
	if (scored->ranking)
		scored->group = ml_realloc(ctx, scored->group, capacity * sizeof(uint64));
	if (scored->by_column >= 0)
		scored->by = ml_realloc(ctx, scored->by, capacity * sizeof(int32));
	scored->capacity = capacity;
}

/* Score the rows that a model has gathered, of which the last one is row until - 1. */
static void
keep_outputs(ScoredModel *model, size_t until)
{
	Scorer	   *scorer = &model->scorer;
	size_t		first = until - scorer->filled;

	scorer_run(scorer);
	for (size_t i = 0; i < scorer->filled; i++)
	{
		const double *out = scorer_result(scorer, i);

		for (size_t k = 0; k < scorer->outputs; k++)
			model->outputs[k][first + i] = out[k * ML_BLOCK_ROWS];
	}
	scorer_reset(scorer);
}

/* Which of the values that rows are told apart by a row has. */
static int32
row_by(Scored *scored, const TupleTableSlot *slot)
{
	const char *text;
	int32		value;

	if (slot->tts_isnull[scored->by_column])
		return -1;
	text = OutputFunctionCall(&scored->by_output, slot->tts_values[scored->by_column]);
	value = ml_dictionary_add(scored->ctx, scored->by_values, text, strlen(text), MAX_BY_VALUES);
	if (value < 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the column to evaluate by has more than %d values", MAX_BY_VALUES),
				 errhint("Group its values in a query, for example by date_trunc or width_bucket.")));
	return value;
}

void
scored_add(TupleTableSlot *slot, void *arg)
{
	Scored	   *scored = arg;
	size_t		row = scored->rows;

	slot_getallattrs(slot);
	if (slot->tts_isnull[scored->models[0].target.column])
		return;
	if (row >= scored->capacity)
		grow(scored, row + 1);
	if (scored->ranking)
		scored->group[row] = group_read(&scored->group_reader, slot);
	if (scored->by_column >= 0)
		scored->by[row] = row_by(scored, slot);
	for (int m = 0; m < scored->nmodels; m++)
	{
		ScoredModel *model = &scored->models[m];
		TupleTableSlot own = *slot;

		/* the model's own columns are the first of what the scorer sees */
		own.tts_values += model->offset;
		own.tts_isnull += model->offset;
		model->actual[row] = target_read(&model->target, slot->tts_values[model->target.column]);
		scorer_add(&model->scorer, &own);
		if (scorer_full(&model->scorer))
			keep_outputs(model, row + 1);
	}
	scored->rows++;
}

/* ---- setting up ---- */

/* Set up the column that tells rows apart. */
static int
init_by(Scored *scored, const Source *source, const char *by, int place)
{
	int			column = source_need(source, by, "column");
	Oid			output;
	bool		varlena;

	source_check_unique(source, column, "column");
	getTypeOutputInfo(source->columns[column].type, &output, &varlena);
	fmgr_info_cxt(output, &scored->by_output, CurrentMemoryContext);
	scored->by_values = ml_dictionary_create(scored->ctx);
	scored->by_column = place;
	return column;
}

/* Error unless a model predicts the same as the first one. */
static void
check_alike(const MlModel *first, const MlModel *model)
{
	const MlSignature *a = first->signature;
	const MlSignature *b = model->signature;
	bool		alike = strcmp(a->target, b->target) == 0 && a->task == b->task;

	if (!alike || !ml_signature_same_classes(a, b))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the models do not predict the same"),
				 alike && a->nclasses == 2 ?
				 errdetail("The classes of one are \"%s\" and \"%s\", those of another \"%s\" and \"%s\".",
						   a->class_labels[0], a->class_labels[1], b->class_labels[0], b->class_labels[1]) :
				 errdetail("One predicts \"%s\" (%s), another \"%s\" (%s).", a->target, ml_task_name(a->task),
						   b->target, ml_task_name(b->task)),
				 errhint("Only models of one target, one task and the same classes, the same one last, can be "
						 "compared.")));
}

/* Set a model up; its columns of the source follow the ncolumns there are.  Returns how many there are now. */
static int
init_model(Scored *scored, int number, const MlModel *model, const Source *source, int *columns, int ncolumns)
{
	ScoredModel *own = &scored->models[number];
	int			nfeatures = model->signature->nfeatures;

	own->offset = ncolumns;
	scorer_init(&own->scorer, scored->ctx, model, source, columns + ncolumns);
	target_reader_init(&own->target, model, source, ncolumns + nfeatures, columns + ncolumns + nfeatures);
	own->outputs = palloc0(sizeof(double *) * own->scorer.outputs);
	return ncolumns + nfeatures + 1;
}

Scored *
scored_create(MlContext *ctx, const MlModel *const *models, int nmodels, const Source *source, const char *by,
			  int **all_columns, int *all_ncolumns)
{
	Scored	   *scored = palloc0(sizeof(Scored));
	int			ncolumns = *all_ncolumns + 2;
	int		   *columns;

	scored->ctx = ctx;
	scored->nmodels = nmodels;
	scored->models = palloc0(sizeof(ScoredModel) * (Size) nmodels);
	scored->by_column = -1;
	for (int m = 0; m < nmodels; m++)
	{
		predict_check_predicts(models[m]);
		if (models[m]->signature->target_kind == ML_TARGET_NONE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the model was trained without a target, so there is nothing to compare with"),
					 errhint("Where anomalies are known, use a metric such as ml_roc_auc(label, ml_predict(...)).")));
		check_alike(models[0], models[m]);
		ncolumns += models[m]->signature->nfeatures + 1;
	}
	columns = palloc(sizeof(int) * (Size) ncolumns);
	ncolumns = *all_ncolumns;
	if (ncolumns > 0)
		memcpy(columns, *all_columns, sizeof(int) * (Size) ncolumns);
	for (int m = 0; m < nmodels; m++)
		ncolumns = init_model(scored, m, models[m], source, columns, ncolumns);
	if (models[0]->signature->task == ML_TASK_RANKING)
	{
		scored->ranking = true;
		group_reader_init(&scored->group_reader, models[0], source, ncolumns, &columns[ncolumns]);
		ncolumns++;
	}
	if (by != NULL)
	{
		columns[ncolumns] = init_by(scored, source, by, ncolumns);
		ncolumns++;
	}
	grow(scored, 1);
	*all_columns = columns;
	*all_ncolumns = ncolumns;
	return scored;
}

void
scored_finish(Scored *scored)
{
	for (int m = 0; m < scored->nmodels; m++)
		keep_outputs(&scored->models[m], scored->rows);
	if (scored->rows == 0)
		ml_raise_full(scored->ctx, ML_ERROR_INVALID_DATA, "the source has no row to evaluate on",
					  "It has no rows, or the target is NULL in all of them.", NULL);
}

Scored *
scored_read(MlContext *ctx, const MlModel *const *models, int nmodels, Source *source, const char *by)
{
	int			ncolumns = 0;
	int		   *columns = NULL;
	Scored	   *scored = scored_create(ctx, models, nmodels, source, by, &columns, &ncolumns);

	source_scan(source, columns, ncolumns, scored_add, scored);
	scored_finish(scored);
	return scored;
}

/* ---- metrics ---- */

/* The metrics of a ranking on some rows. */
static int
ranking_metrics(const Scored *scored, const ScoredModel *model, const uint32 *rows, size_t n, MlMetric *metrics)
{
	MlContext  *ctx = scored->ctx;
	double	   *relevance = ml_alloc_array(ctx, n + 1, sizeof(double));
	double	   *score = ml_alloc_array(ctx, n + 1, sizeof(double));
	uint64	   *group = ml_alloc_array(ctx, n + 1, sizeof(uint64));
	int			count;

	for (size_t i = 0; i < n; i++)
	{
		size_t		row = rows != NULL ? rows[i] : i;

		relevance[i] = model->actual[row];
		score[i] = model->outputs[0][row];
		group[i] = scored->group[row];
	}
	count = ml_metrics_groups(ctx, relevance, score, group, n, metrics);
	ml_free(ctx, group);
	ml_free(ctx, score);
	ml_free(ctx, relevance);
	return count;
}

/* The values of some rows (NULL = the first n), one after the other. */
static void
gather(const double *values, const uint32 *rows, size_t n, double *out)
{
	if (rows == NULL)
		memcpy(out, values, n * sizeof(double));
	else
		for (size_t i = 0; i < n; i++)
			out[i] = values[rows[i]];
}

int
scored_metrics(const Scored *scored, int number, const uint32 *rows, size_t n, const double *weights, MlMetric *metrics)
{
	const ScoredModel *model = &scored->models[number];
	MlContext  *ctx = scored->ctx;
	size_t		outputs = model->scorer.outputs;
	double	   *actual;
	double	   *predicted;
	int			count;

	if (scored->ranking)
		return ranking_metrics(scored, model, rows, n, metrics);
	if (!model->target.classes && rows == NULL)
		return ml_metrics_regression(ctx, model->actual, model->outputs[0], weights, n, metrics);
	actual = ml_alloc_array(ctx, n + 1, sizeof(double));
	predicted = ml_alloc_array(ctx, n + 1, outputs * sizeof(double));
	gather(model->actual, rows, n, actual);
	for (size_t k = 0; k < outputs; k++)
		gather(model->outputs[k], rows, n, predicted + k * n);
	if (!model->target.classes)
		count = ml_metrics_regression(ctx, actual, predicted, weights, n, metrics);
	else
		count = ml_metrics_decided(ctx, model->scorer.model->decision, (int) outputs, actual, predicted, weights, n,
								   metrics);
	ml_free(ctx, predicted);
	ml_free(ctx, actual);
	return count;
}

/* Which of two rows comes first. */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const Scored *scored = arg;
	uint32		i = *(const uint32 *) a;
	uint32		j = *(const uint32 *) b;
	int			order = float8_cmp_internal(scored->models[0].actual[i], scored->models[0].actual[j]);

	CHECK_FOR_INTERRUPTS();
	for (int m = 0; m < scored->nmodels && order == 0; m++)
		for (size_t k = 0; k < scored->models[m].scorer.outputs && order == 0; k++)
			order = float8_cmp_internal(scored->models[m].outputs[k][i], scored->models[m].outputs[k][j]);
	return order;
}

uint32 *
scored_order(const Scored *scored, const uint32 *rows, size_t n)
{
	uint32	   *order = ml_alloc_array(scored->ctx, n + 1, sizeof(uint32));

	for (size_t i = 0; i < n; i++)
		order[i] = rows != NULL ? rows[i] : (uint32) i;
	qsort_arg(order, n, sizeof(uint32), compare_rows, (void *) scored);
	return order;
}
