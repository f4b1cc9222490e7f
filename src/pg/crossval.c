/*
 * Cross-validation: ml_cross_validate, the folds of a training, and ml_folds, which shows them.
 *
 * Each fold is a training of its own over the table that was read once; its memory is released before the next
 * one begins, and counts towards mlaas.max_memory beside that of the table.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/crossval.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/rights.h"
#include "pg/train.h"

#define VALIDATION_ARGUMENT 6

PG_FUNCTION_INFO_V1(ml_cross_validate);
PG_FUNCTION_INFO_V1(ml_folds);

/* Numbers in memory of another context. */
static double *
copy_numbers(MlContext *ctx, const double *numbers, size_t n)
{
	double	   *copy = ml_alloc_array(ctx, n + 1, sizeof(double));

	memcpy(copy, numbers, n * sizeof(double));
	return copy;
}

/* Train without the rows of one fold and score them. */
static void
run_fold(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, MlFold *fold)
{
	MlContext  *own = host_context_create(host_context_memory(ctx), "mlaas fold", true);
	MlTrainSpec fold_spec = *spec;
	MlTrainResult result;

	if (own->max_memory > 0)
		own->max_memory -= Min(ctx->used_memory, own->max_memory - 1);
	fold_spec.split.repeat = fold->repeat;
	fold_spec.split.fold = fold->fold;
	ml_pipeline_train(own, table, &fold_spec, &result);
	fold->n_train = result.n_train;
	fold->n_test = result.n_test;
	fold->nmetrics = result.nmetrics;
	fold->nbaseline = result.nbaseline;
	memcpy(fold->metrics, result.metrics, sizeof fold->metrics);
	memcpy(fold->baseline, result.baseline, sizeof fold->baseline);
	if (result.scores != NULL)
	{
		fold->scores = copy_numbers(ctx, result.scores, result.nscores);
		fold->actual = copy_numbers(ctx, result.actual, result.nscores);
		if (result.weights != NULL)
			fold->weights = copy_numbers(ctx, result.weights, result.nscores);
	}
	host_context_delete(own);
}

/* All folds, one after the other. */
MlFold *
crossval_folds(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, int *count)
{
	int			n = spec->split.repeats * spec->split.folds;
	MlFold	   *folds = ml_alloc_array_zero(ctx, (size_t) n, sizeof(MlFold));

	for (int i = 0; i < n; i++)
	{
		folds[i].repeat = i / spec->split.folds;
		folds[i].fold = i % spec->split.folds;
		run_fold(ctx, table, spec, &folds[i]);
	}
	*count = n;
	return folds;
}

/* One row: repeat and fold count from 1. */
static void
put_fold_metric(ReturnSetInfo *set, int64 repeat, int64 fold, const char *metric, double value, const double *baseline,
				int64 n_train, int64 n_test)
{
	Datum		values[7];
	bool		nulls[7] = {0};

	values[0] = Int32GetDatum((int32) repeat + 1);
	values[1] = Int32GetDatum((int32) fold + 1);
	values[2] = CStringGetTextDatum(metric);
	values[3] = Float8GetDatum(value);
	nulls[3] = isnan(value);
	values[4] = Float8GetDatum(baseline != NULL ? *baseline : 0);
	nulls[4] = baseline == NULL || isnan(*baseline);
	values[5] = Int64GetDatum(n_train);
	values[6] = Int64GetDatum(n_test);
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* ml_cross_validate(source, target, algorithm, features, params, preprocess, validation, weight). */
Datum
ml_cross_validate(PG_FUNCTION_ARGS)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas cross-validation", true);
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	Jsonb	   *validation = PG_ARGISNULL(VALIDATION_ARGUMENT) ? NULL : PG_GETARG_JSONB_P(VALIDATION_ARGUMENT);
	TrainArgs	args;
	MlFold	   *folds;
	int			count;

	rights_check_role(RIGHTS_TRAIN);
	InitMaterializedSRF(fcinfo, 0);
	memset(&args, 0, sizeof args);
	train_read_args(ctx, fcinfo, 0, &args);
	train_need_folds(validation, &args);
	folds = train_cross_validate(ctx, &args, &count);
	for (int f = 0; f < count; f++)
		for (int i = 0; i < folds[f].nmetrics; i++)
			put_fold_metric(set, folds[f].repeat, folds[f].fold, folds[f].metrics[i].name, folds[f].metrics[i].value,
							i < folds[f].nbaseline ? &folds[f].baseline[i].value : NULL,
							(int64) folds[f].n_train, (int64) folds[f].n_test);
	host_context_delete(ctx);
	return (Datum) 0;
}

/* A metric of a fold as it is stored; NULL for a name that is not there. */
static const MlNode *
stored_metric(MlContext *ctx, const MlNode *fold, const char *key, const char *name)
{
	const MlNode *value = ml_node_find(ml_need(ctx, fold, key, ML_NODE_OBJECT), name);

	return value != NULL && ml_node_type(value) == ML_NODE_DOUBLE ? value : NULL;
}

/* The rows of one stored fold. */
static void
put_stored_fold(ReturnSetInfo *set, MlContext *ctx, const MlNode *fold)
{
	const MlNode *metrics = ml_need(ctx, fold, "metrics", ML_NODE_OBJECT);

	for (size_t i = 0; i < ml_node_count(metrics); i++)
	{
		const char *name = ml_node_key(metrics, i);
		double		value = ml_need_double(ctx, metrics, name);
		const MlNode *baseline = stored_metric(ctx, fold, "baseline", name);
		double		of_baseline = baseline != NULL ? ml_node_double(baseline) : NAN;

		put_fold_metric(set, ml_need_int(ctx, fold, "repeat", 0, PG_INT32_MAX - 1),
						ml_need_int(ctx, fold, "fold", 0, PG_INT32_MAX - 1), name, value, &of_baseline,
						ml_need_int(ctx, fold, "n_train", 0, PG_INT64_MAX), ml_need_int(ctx, fold, "n_test", 0, PG_INT64_MAX));
	}
}

/* ml_folds(model): the folds that a training with folds has kept; no rows for any other. */
Datum
ml_folds(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas folds", false);
	const MlModel *model;
	const MlNode *folds;

	InitMaterializedSRF(fcinfo, 0);
	model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	folds = ml_node_find(model->sections[ML_SECTION_SUMMARY], "folds");
	if (folds == NULL)
		return (Datum) 0;
	if (ml_node_type(folds) != ML_NODE_LIST)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "the model's folds are no list");
	for (size_t i = 0; i < ml_node_count(folds); i++)
	{
		const MlNode *fold = ml_node_at(folds, i);

		if (ml_node_type(fold) != ML_NODE_OBJECT)
			ml_raise(ctx, ML_ERROR_CORRUPTED, "a fold of the model is no object");
		put_stored_fold(set, ctx, fold);
	}
	return (Datum) 0;
}
