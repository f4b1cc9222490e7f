/*
 * Learning on from a model: ml_continue (more trees) and ml_refit (the same trees, values learned anew).
 *
 * Both take the path of ml_train (train.h) with the model's own features, target, classes and preparation.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/modelarg.h"
#include "pg/registry.h"
#include "pg/retrain.h"

PG_FUNCTION_INFO_V1(ml_continue);
PG_FUNCTION_INFO_V1(ml_continue_value);
PG_FUNCTION_INFO_V1(ml_refit);
PG_FUNCTION_INFO_V1(ml_refit_value);

/* Arguments after the model and the source: params or decay_rate, then these. */
#define ARGUMENT_HOW 2
#define ARGUMENT_VALIDATION 3
#define ARGUMENT_WEIGHT 4
#define ARGUMENT_DEPLOY 5		/* of registered models */

/* The names of a model's features. */
char **
model_feature_names(const MlSignature *signature)
{
	char	  **names = palloc(sizeof(char *) * (Size) Max(signature->nfeatures, 1));

	for (int f = 0; f < signature->nfeatures; f++)
		names[f] = pstrdup(signature->features[f].name);
	return names;
}

/* How to learn on, from the third argument. */
static void
read_retrain(MlContext *ctx, FunctionCallInfo fcinfo, MlRetrain *retrain, TrainArgs *args)
{
	const char *given = "{}";

	if (retrain->kind == ML_RETRAIN_REFIT)
	{
		retrain->decay_rate = PG_ARGISNULL(ARGUMENT_HOW) ? 0.9 : PG_GETARG_FLOAT8(ARGUMENT_HOW);
		retrain->lineage.operation = "refit";
		retrain->lineage.argument = "decay_rate";
		retrain->lineage.value = retrain->decay_rate;
	}
	else
	{
		if (!PG_ARGISNULL(ARGUMENT_HOW))
			given = jsonb_cstring(PG_GETARG_DATUM(ARGUMENT_HOW));
		retrain->lineage.operation = "continue";
	}
	ml_retrain_check(ctx, retrain);
	args->params = pstrdup(ml_retrain_params(ctx, retrain->from, given));
}

/* The arguments of a training that learns on from retrain->from. */
void
retrain_read_args(MlContext *ctx, FunctionCallInfo fcinfo, MlRetrain *retrain, TrainArgs *args)
{
	const MlSignature *signature = retrain->from->signature;
	Jsonb	   *validation;

	memset(args, 0, sizeof *args);
	need_argument(fcinfo, 1, "source");
	args->source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	args->target = signature->task == ML_TASK_ANOMALY ? NULL : pstrdup(signature->target);
	args->algorithm = retrain->from->algorithm;
	args->features = model_feature_names(signature);
	args->nfeatures = signature->nfeatures;
	args->preprocess = "{}";
	read_retrain(ctx, fcinfo, retrain, args);
	train_read_params(ctx, args);
	validation = PG_ARGISNULL(ARGUMENT_VALIDATION) ?
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))) : PG_GETARG_JSONB_P(ARGUMENT_VALIDATION);
	train_read_validation(ctx, validation, args);
	if (!PG_ARGISNULL(ARGUMENT_WEIGHT))
		args->weight = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_WEIGHT));
	args->retrain = retrain;
	args->like = retrain->from;
}

/* The lineage of a call. */
static char *
retrain_lineage(FunctionCallInfo fcinfo, const MlRetrain *retrain, const TrainArgs *args)
{
	StringInfoData json;

	lineage_begin(&json, retrain->lineage.operation);
	lineage_text(&json, "source", args->source);
	if (retrain->kind == ML_RETRAIN_REFIT)
		lineage_json(&json, "decay_rate", number_text(retrain->decay_rate));
	else if (!PG_ARGISNULL(ARGUMENT_HOW))
		lineage_json(&json, "params", jsonb_cstring(PG_GETARG_DATUM(ARGUMENT_HOW)));
	if (!PG_ARGISNULL(ARGUMENT_VALIDATION))
		lineage_json(&json, "validation", jsonb_cstring(PG_GETARG_DATUM(ARGUMENT_VALIDATION)));
	lineage_text(&json, "weight", args->weight);
	return lineage_end(&json, (int64) args->split.seed);
}

/* Learn on from a registered model: a new version. */
static Datum
retrain_registered(FunctionCallInfo fcinfo, MlRetrainKind kind, const char *function)
{
	MlRetrain	retrain = {.kind = kind};
	instr_time	start;
	RegistryVersion from;
	MlContext  *ctx;
	TrainArgs	args;

	INSTR_TIME_SET_CURRENT(start);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	need_argument(fcinfo, 0, "model");
	registry_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), REGISTRY_MANAGE, &from);
	registry_check_train(from.name);
	retrain.from = cache_model(&from, CurrentMemoryContext);
	retrain.lineage.parent = psprintf("%s@%d", from.name, from.version);

	ctx = host_context_create(CurrentMemoryContext, "mlaas training", true);
	retrain_read_args(ctx, fcinfo, &retrain, &args);
	args.name = from.name;
	args.deploy = train_deploy_policy(ctx, PG_ARGISNULL(ARGUMENT_DEPLOY) ? "never" :
									  text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_DEPLOY)));
	args.reason = psprintf("%s of version %d", retrain.lineage.operation, from.version);
	args.parent_version = &from.id;
	args.parent = retrain.lineage.parent;
	args.lineage = retrain_lineage(fcinfo, &retrain, &args);
	return train_register(fcinfo, ctx, &args, start);
}

/* Learn on from a model as a value. */
static Datum
retrain_value(FunctionCallInfo fcinfo, MlRetrainKind kind)
{
	MlRetrain	retrain = {.kind = kind};
	MlContext  *ctx;
	TrainArgs	args;
	MlTrainResult result;
	struct varlena *model;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	retrain.from = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	ctx = host_context_create(CurrentMemoryContext, "mlaas training", true);
	retrain_read_args(ctx, fcinfo, &retrain, &args);
	train_learn(ctx, &args, &result);
	model = model_datum(result.bytes, result.size);
	host_context_delete(ctx);
	PG_RETURN_POINTER(model);
}

/* More trees for a registered model. */
Datum
ml_continue(PG_FUNCTION_ARGS)
{
	return retrain_registered(fcinfo, ML_RETRAIN_CONTINUE, "ml_continue()");
}

/* The same for a model as a value. */
Datum
ml_continue_value(PG_FUNCTION_ARGS)
{
	return retrain_value(fcinfo, ML_RETRAIN_CONTINUE);
}

/* New values for the leaves of a registered model. */
Datum
ml_refit(PG_FUNCTION_ARGS)
{
	return retrain_registered(fcinfo, ML_RETRAIN_REFIT, "ml_refit()");
}

/* The same for a model as a value. */
Datum
ml_refit_value(PG_FUNCTION_ARGS)
{
	return retrain_value(fcinfo, ML_RETRAIN_REFIT);
}
