#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "nodes/makefuncs.h"

#include "model/automatic.h"
#include "pg/fitstate.h"
#include "pg/host.h"
#include "pg/onepass.h"
#include "pg/values.h"

/* A function call takes at most FUNC_MAX_ARGS arguments; more columns than this travel as one array. */
#define MAX_ARGUMENTS (FUNC_MAX_ARGS - 5)

typedef struct OnePassJob
{
	MlContext  *ctx;
	MlTrainSpec spec;
	MlFeature  *features;
	const char *target;
	MlTrainResult *result;
} OnePassJob;

/* The learner of this training, when it needs one pass only; else NULL. */
static const MlAlgorithm *
one_pass_algorithm(MlContext *ctx, const MlTrainSpec *spec)
{
	const MlAlgorithm *algorithm = spec->algorithm;

	/*
	 * what a model has learned before is not in the rows, and which class is positive is for the path of all rows to
	 * refuse
	 */
	if (spec->retrain != NULL || spec->positive != NULL)
		return NULL;
	if (spec->split.kind != ML_SPLIT_NONE || spec->target_kind != ML_TARGET_NUMBER)
		return NULL;
	/* quantiles and the like want the values */
	if (ml_prep_wants_steps(ctx, spec->preprocess))
		return NULL;
	/* with 'auto', integers may turn out to be classes, which only the rows tell */
	if (algorithm == NULL && !spec->target_integer)
	{
		algorithm = ml_algorithm_auto(ML_TASK_REGRESSION);
		ml_auto_check_params(ctx, algorithm, spec->params);
	}
	return algorithm != NULL && algorithm->fit_factor != NULL ? algorithm : NULL;
}

/* Can a value be an element of an array of float8 and stay what it is as a feature? */
static bool
fits_array(Oid type)
{
	return type == FLOAT8OID || type == FLOAT4OID || type == INT2OID || type == INT4OID ||
		type == INT8OID || type == NUMERICOID;
}

/* Is every column a number, as an argument or, when they are many, as an element? */
static bool
columns_fit(const Source *source, const int *columns, int ncolumns)
{
	for (int c = 0; c < ncolumns; c++)
	{
		ValueReader reader;

		if (!value_reader_init(&reader, source->columns[columns[c]].type, CurrentMemoryContext) ||
			reader.kind != ML_KIND_NUMBER || (ncolumns > MAX_ARGUMENTS && !fits_array(reader.base)))
			return false;
	}
	return true;
}

/* ARRAY[column::float8, ...] */
static Node *
array_of_columns(const Source *source, const int *columns, int ncolumns)
{
	A_ArrayExpr *array = makeNode(A_ArrayExpr);

	array->location = -1;
	for (int c = 0; c < ncolumns; c++)
	{
		TypeCast   *cast = makeNode(TypeCast);

		cast->arg = source_column_ref(source, columns[c]);
		cast->typeName = makeTypeNameFromOid(FLOAT8OID, -1);
		cast->location = -1;
		array->elements = lappend(array->elements, cast);
	}
	return (Node *) array;
}

/* SELECT mlaas.one_pass(weighted, features..., target, weight), or with all of these in one array */
static List *
one_pass_targets(const Source *source, const int *columns, int ncolumns, bool weighted)
{
	A_Const    *flag = makeNode(A_Const);
	ResTarget  *target = makeNode(ResTarget);
	List	   *args;

	flag->val.boolval.type = T_Boolean;
	flag->val.boolval.boolval = weighted;
	flag->location = -1;
	args = list_make1(flag);
	if (ncolumns > MAX_ARGUMENTS)
		args = lappend(args, array_of_columns(source, columns, ncolumns));
	else
		for (int c = 0; c < ncolumns; c++)
			args = lappend(args, source_column_ref(source, columns[c]));
	target->val = (Node *) makeFuncCall(list_make2(makeString("mlaas"), makeString("one_pass")), args,
										COERCE_EXPLICIT_CALL, -1);
	target->location = -1;
	return list_make1(target);
}

/* The query's only row: the state of all rows, NULL when there was none. */
static void
finish_one_pass(TupleTableSlot *slot, void *arg)
{
	OnePassJob *job = arg;
	MemoryContext memory = host_context_memory(job->ctx);
	MlOnePass  *state;

	slot_getallattrs(slot);
	if (slot->tts_isnull[0])
		state = ml_one_pass_create(job->ctx, job->spec.nfeatures, job->spec.weight >= 0, true);
	else
		state = fit_state_get(slot->tts_values[0], memory)->one_pass;
	ml_one_pass_finish(job->ctx, state, &job->spec, job->features, job->spec.nfeatures, job->target, job->result);
	ml_one_pass_warn(job->ctx, state, job->features, job->spec.nfeatures);
}

bool
one_pass_train(MlContext *ctx, Source *source, const int *columns, int ncolumns,
			   const MlTrainSpec *spec, MlTrainResult *result)
{
	OnePassJob	job = {.ctx = ctx,.spec = *spec,.result = result};

	job.spec.algorithm = one_pass_algorithm(ctx, spec);
	if (job.spec.algorithm == NULL || !columns_fit(source, columns, ncolumns))
		return false;
	/* Citus distributes aggregates of exact argument types only: there, the rows are read */
	if (OidIsValid(get_extension_oid("citus", true)))
		return false;
	job.features = ml_alloc_array_zero(ctx, (size_t) spec->nfeatures + 1, sizeof(MlFeature));
	for (int f = 0; f < spec->nfeatures; f++)
		job.features[f] = (MlFeature)
	{
		.name = source->columns[columns[f]].name,.kind = ML_KIND_NUMBER,
			.type = spec->feature_types[f],.width = 1,.slot = f
	};
	job.target = source->columns[columns[spec->target]].name;
	source_run(source, one_pass_targets(source, columns, ncolumns, spec->weight >= 0), finish_one_pass, &job);
	return true;
}
