/*
 * ml_update: a new version of a model that knows new rows too.
 *
 * What is done depends on the learner: one whose state can be merged takes the rows in as if they had been there from
 * the beginning; one that can be continued learns on; any other is trained anew, with the parameters that
 * the version was trained with.
 */
#include "postgres.h"

#include "pg/update.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/host.h"
#include "pg/registry.h"

PG_FUNCTION_INFO_V1(ml_update);

#define ARGUMENT_PARAMS 2
#define ARGUMENT_VALIDATION 3
#define ARGUMENT_WEIGHT 4
#define ARGUMENT_DEPLOY 5

static const char *const method_names[] = {"merged", "continued", "retrained"};

StaticAssertDecl(lengthof(method_names) == UPDATE_RETRAINED + 1, "one name per method");

/* Which way new rows get into a model. */
static UpdateMethod
choose_method(const MlModel *model)
{
	if (!ml_retrain_possible(model))
		return UPDATE_RETRAINED;
	return model->algorithm->resumes_exactly ? UPDATE_MERGED : UPDATE_CONTINUED;
}

/* Refuse a model that has no rows of its own to learn from. */
static void
check_model(const MlModel *model)
{
	if (model->composite != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of algorithm \"%s\" cannot be updated", model->algorithm->name),
				 errhint("Update the models it is made of, and make it again from them.")));
}

/* The arguments of a training that updates a model. */
UpdateMethod
update_read_args(MlContext *ctx, FunctionCallInfo fcinfo, const VersionOrigin *origin, MlRetrain *retrain,
				 TrainArgs *args)
{
	const MlModel *model = retrain->from;
	const MlSignature *signature = model->signature;
	UpdateMethod method = choose_method(model);
	const char *transform;
	Jsonb	   *arguments = lineage_object(origin->lineage, "arguments");
	Jsonb	   *validation = PG_ARGISNULL(ARGUMENT_VALIDATION) ? origin->validation :
		PG_GETARG_JSONB_P(ARGUMENT_VALIDATION);

	check_model(model);
	if (method == UPDATE_RETRAINED && lineage_is_value(origin->lineage))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a model that was registered as a value cannot be trained anew"),
				 errdetail("How it was trained, and its rows prepared, is not known."),
				 errhint("Train a version with ml_train.")));
	memset(args, 0, sizeof *args);
	args->source = need_text(fcinfo, 1, "source");
	args->target = signature->task == ML_TASK_ANOMALY ? NULL : pstrdup(signature->target);
	args->algorithm = model->algorithm;
	args->features = model_feature_names(signature);
	args->nfeatures = signature->nfeatures;
	args->like = model;
	transform = ml_prep_transform_name(ctx, jsonb_cstring(JsonbPGetDatum(origin->preprocess)));
	/* the model has all of the transform, which may have been dropped */
	if (method == UPDATE_RETRAINED && transform != NULL)
		train_take_transform(args, model, pstrdup(transform));
	args->preprocess = method == UPDATE_RETRAINED ? jsonb_cstring(JsonbPGetDatum(origin->preprocess)) : "{}";
	args->params = pstrdup(ml_retrain_params(ctx, model, PG_ARGISNULL(ARGUMENT_PARAMS) ? "{}" :
											 jsonb_cstring(PG_GETARG_DATUM(ARGUMENT_PARAMS))));
	train_read_params(ctx, args);
	train_read_validation(ctx, validation, args);
	args->weight = PG_ARGISNULL(ARGUMENT_WEIGHT) ? lineage_string(arguments, "weight") :
		optional_text(fcinfo, ARGUMENT_WEIGHT);
	if (method != UPDATE_RETRAINED)
	{
		retrain->kind = ML_RETRAIN_CONTINUE;
		retrain->lineage.operation = "update";
		args->retrain = retrain;
	}
	return method;
}

/* The lineage of a call. */
static char *
update_lineage(FunctionCallInfo fcinfo, UpdateMethod method, const TrainArgs *args)
{
	StringInfoData json;

	lineage_begin(&json, "update");
	lineage_text(&json, "source", args->source);
	if (!PG_ARGISNULL(ARGUMENT_PARAMS))
		lineage_json(&json, "params", jsonb_cstring(PG_GETARG_DATUM(ARGUMENT_PARAMS)));
	lineage_json(&json, "validation", train_validation_json(args));
	lineage_text(&json, "weight", args->weight);
	lineage_text(&json, "method", method_names[method]);
	return lineage_end(&json, (int64) args->split.seed);
}

/* Take new rows into a registered model: a new version. */
Datum
ml_update(PG_FUNCTION_ARGS)
{
	MlRetrain	retrain = {0};
	instr_time	start;
	RegistryVersion from;
	VersionOrigin origin;
	UpdateMethod method;
	MlContext  *ctx;
	TrainArgs	args;
	char	   *policy = optional_text(fcinfo, ARGUMENT_DEPLOY);

	INSTR_TIME_SET_CURRENT(start);
	PreventCommandIfReadOnly("ml_update()");
	PreventCommandIfParallelMode("ml_update()");
	registry_resolve(need_text(fcinfo, 0, "model"), REGISTRY_MANAGE, &from);
	registry_check_train(from.name);
	retrain.from = cache_model(&from, CurrentMemoryContext);
	retrain.lineage.parent = psprintf("%s@%d", from.name, from.version);
	lineage_origin(&from.id, &origin);

	ctx = host_context_create(CurrentMemoryContext, "mlaas training", true);
	method = update_read_args(ctx, fcinfo, &origin, &retrain, &args);
	args.name = from.name;
	args.deploy = train_deploy_policy(ctx, policy != NULL ? policy : "never");
	args.reason = psprintf("update of version %d: %s", from.version, method_names[method]);
	args.parent_version = &from.id;
	args.parent = retrain.lineage.parent;
	args.lineage = update_lineage(fcinfo, method, &args);
	return train_register(fcinfo, ctx, &args, start);
}
