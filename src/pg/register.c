/*
 * ml_register: a model that is there as a value, as a version of a name.
 *
 * A value may come from anywhere, and its text can be written by hand, so nothing that it says of its training counts:
 * the version has no metrics, which guards would otherwise take for granted, and its lineage says how it came.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "pg/arguments.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/modelarg.h"
#include "pg/registry.h"
#include "pg/train.h"

PG_FUNCTION_INFO_V1(ml_register);

#define REGISTER_COLUMNS 5

/* ml_set_description (metadata.c) */
extern Datum ml_set_description(PG_FUNCTION_ARGS);

/* What a value is for, as the registry has it. */
static const char *
task_name(const MlModel *model)
{
	return model->algorithm->transforms ? model->algorithm->name : ml_task_name(model->signature->task);
}

/* How the version came to be. */
static char *
register_lineage(const char *name, const char *description)
{
	StringInfoData json;

	lineage_begin(&json, "register");
	lineage_text(&json, "name", name);
	lineage_text(&json, "description", description);
	return lineage_add(lineage_end(&json, -1), "dependencies", "[]");
}

/* Store the value. */
static RegistryVersion
store_value(MlContext *ctx, const char *name, const char *description, const MlModel *model, struct varlena *value)
{
	const MlSignature *signature = model->signature;
	RegistryEntry entry = {
		.name = name,
		.task = task_name(model),
		.algorithm = model->algorithm->name,
		.target = signature->target_kind == ML_TARGET_NONE ? NULL : signature->target,
		.params_json = ml_node_to_json(ctx, model->sections[ML_SECTION_PARAMETERS], true),
		.features_json = train_features_json(signature),
		.lineage_json = register_lineage(name, description),
		.model = value,
		.action = "register",
		.reason = "registered as a value"
	};

	return registry_store(&entry);
}

/* Describe the model, which the snapshot of the call does not see yet when it is new. */
static void
describe_model(const char *name, const char *description)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) DirectFunctionCall2(ml_set_description, CStringGetTextDatum(name), CStringGetTextDatum(description));
	PopActiveSnapshot();
}

/* ml_register(name, model, description, deploy). */
Datum
ml_register(PG_FUNCTION_ARGS)
{
	TrainArgs	args = {0};
	char	   *description = optional_text(fcinfo, 2);
	char	   *policy = optional_text(fcinfo, 3);
	MlContext  *ctx;
	struct varlena *value;
	const MlModel *model;
	RegistryVersion version;
	TupleDesc	descriptor;
	Datum		values[REGISTER_COLUMNS];
	bool		nulls[REGISTER_COLUMNS] = {false};

	PreventCommandIfReadOnly("ml_register()");
	PreventCommandIfParallelMode("ml_register()");
	args.name = need_text(fcinfo, 0, "name");
	need_argument(fcinfo, 1, "model");
	registry_check_train(args.name);
	ctx = host_context_create(CurrentMemoryContext, "ml_register", false);
	args.deploy = train_deploy_policy(ctx, policy != NULL ? policy : "first");
	train_need_deployment(&args);
	value = PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(1));
	model = ml_model_open(ctx, MODEL_BYTES(value), model_value_size(value));
	version = store_value(ctx, args.name, description, model, value);
	if (description != NULL)
		describe_model(args.name, description);

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE || descriptor->natts != REGISTER_COLUMNS)
		elog(ERROR, "a row of %d columns is expected by the call", REGISTER_COLUMNS);
	values[0] = CStringGetTextDatum(args.name);
	values[1] = Int32GetDatum(version.version);
	values[2] = CStringGetTextDatum(task_name(model));
	values[3] = CStringGetTextDatum(model->algorithm->name);
	values[4] = BoolGetDatum(train_deploy(&args, &version, "registered"));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}
