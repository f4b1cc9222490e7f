/*
 * Editing the trees of a model: ml_truncate, ml_prune, ml_prune_path.
 *
 * A registered model gets a new version, which nothing is deployed to; a model as a value gives another value.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "edit/trees.h"
#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/modelarg.h"
#include "pg/registry.h"
#include "pg/train.h"

PG_FUNCTION_INFO_V1(ml_truncate);
PG_FUNCTION_INFO_V1(ml_truncate_value);
PG_FUNCTION_INFO_V1(ml_prune);
PG_FUNCTION_INFO_V1(ml_prune_value);
PG_FUNCTION_INFO_V1(ml_prune_path);

#define EDIT_COLUMNS 7

/* What is done to a model, by the number that the caller gave. */
typedef void (*EditFunction) (MlContext *ctx, const MlModel *model, const MlLineage *lineage, MlEdited *edited);

static void
edit_truncate(MlContext *ctx, const MlModel *model, const MlLineage *lineage, MlEdited *edited)
{
	ml_trees_truncate(ctx, model, (int64) lineage->value, lineage, edited);
}

static void
edit_prune(MlContext *ctx, const MlModel *model, const MlLineage *lineage, MlEdited *edited)
{
	ml_trees_prune(ctx, model, lineage->value, lineage, edited);
}

/* ---- the registry ---- */

/* The lineage of an edit, which depends on what the version that was edited does. */
static char *
edit_lineage(const MlLineage *lineage, const pg_uuid_t *from)
{
	StringInfoData json;

	lineage_begin(&json, lineage->operation);
	/* JSON has no infinity */
	if (isinf(lineage->value))
		lineage_text(&json, lineage->argument, number_text(lineage->value));
	else
		lineage_json(&json, lineage->argument, number_text(lineage->value));
	return lineage_add(lineage_end(&json, -1), "dependencies", lineage_dependencies(lineage_depend(NIL, from)));
}

/* Store an edited model as the next version of its parent's name. */
static RegistryVersion
store_edited(MlContext *ctx, const MlModel *parent, const RegistryVersion *from, const MlLineage *lineage,
			 const MlEdited *edited, double seconds)
{
	const MlNode *summary = ml_container_section(parent->bytes, ML_SECTION_SUMMARY);
	RegistryEntry entry = {
		.name = from->name,
		.task = ml_task_name(parent->signature->task),
		.algorithm = parent->algorithm->name,
		.target = parent->signature->target,
		.params_json = ml_node_to_json(ctx, ml_container_section(parent->bytes, ML_SECTION_PARAMETERS), true),
		.features_json = train_features_json(parent->signature),
		.n_train = ml_need_int(ctx, summary, "n_train", 0, PG_INT64_MAX),
		.n_skipped = ml_need_int(ctx, summary, "n_skipped", 0, PG_INT64_MAX),
		.seconds = seconds,
		.digest = ml_need_string(ctx, summary, "row_digest"),
		.parent_version = &from->id,
		.parent = lineage->parent,
		.lineage_json = edit_lineage(lineage, &from->id),
		.model = model_datum(edited->bytes, edited->size),
		.reason = psprintf("%s of version %d: %s %s", lineage->operation, from->version, lineage->argument,
						   number_text(lineage->value))
	};

	return registry_store(&entry);
}

/* The row of an edit. */
static Datum
edit_row(FunctionCallInfo fcinfo, const RegistryVersion *from, const RegistryVersion *to, const MlModel *parent,
		 const MlEdited *edited, double seconds)
{
	Datum		values[EDIT_COLUMNS] = {
		CStringGetTextDatum(to->name),
		Int32GetDatum(to->version),
		Int32GetDatum(from->version),
		CStringGetTextDatum(parent->algorithm->name),
		Int64GetDatum((int64) edited->trees),
		Int64GetDatum((int64) edited->leaves),
		Float8GetDatum(seconds)
	};

	return result_row(fcinfo, EDIT_COLUMNS, values, NULL);
}

/* Edit a registered model: a new version. */
static Datum
edit_registered(FunctionCallInfo fcinfo, EditFunction edit, MlLineage lineage, const char *function)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, function, true);
	instr_time	start;
	instr_time	duration;
	RegistryVersion from;
	RegistryVersion to;
	const MlModel *parent;
	MlEdited	edited;
	double		seconds;

	INSTR_TIME_SET_CURRENT(start);
	PreventCommandIfReadOnly(function);
	PreventCommandIfParallelMode(function);
	registry_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), REGISTRY_MANAGE, &from);
	registry_check_train(from.name);
	parent = cache_model(&from, CurrentMemoryContext);
	lineage.parent = psprintf("%s@%d", from.name, from.version);
	edit(ctx, parent, &lineage, &edited);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	seconds = INSTR_TIME_GET_DOUBLE(duration);
	to = store_edited(ctx, parent, &from, &lineage, &edited, seconds);
	host_context_delete(ctx);
	return edit_row(fcinfo, &from, &to, parent, &edited, seconds);
}

/* Edit a model as a value. */
static Datum
edit_value(FunctionCallInfo fcinfo, EditFunction edit, const MlLineage *lineage, const char *function)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, function, true);
	MlEdited	edited;
	struct varlena *result;

	edit(ctx, model_argument_once(fcinfo, REGISTRY_DESCRIBE), lineage, &edited);
	result = model_datum(edited.bytes, edited.size);
	host_context_delete(ctx);
	return PointerGetDatum(result);
}

/* ---- truncating ---- */

static MlLineage
truncate_lineage(FunctionCallInfo fcinfo)
{
	return (MlLineage) {.operation = "truncate",.argument = "n_trees",.value = PG_GETARG_INT32(1),.integer = true};
}

/* Keep the first trees of a registered model. */
Datum
ml_truncate(PG_FUNCTION_ARGS)
{
	return edit_registered(fcinfo, edit_truncate, truncate_lineage(fcinfo), "ml_truncate()");
}

/* The same for a model as a value. */
Datum
ml_truncate_value(PG_FUNCTION_ARGS)
{
	MlLineage	lineage = truncate_lineage(fcinfo);

	return edit_value(fcinfo, edit_truncate, &lineage, "ml_truncate()");
}

/* ---- pruning ---- */

static MlLineage
prune_lineage(FunctionCallInfo fcinfo)
{
	return (MlLineage) {.operation = "prune",.argument = "alpha",.value = PG_GETARG_FLOAT8(1)};
}

/* Prune the trees of a registered model. */
Datum
ml_prune(PG_FUNCTION_ARGS)
{
	return edit_registered(fcinfo, edit_prune, prune_lineage(fcinfo), "ml_prune()");
}

/* The same for a model as a value. */
Datum
ml_prune_value(PG_FUNCTION_ARGS)
{
	MlLineage	lineage = prune_lineage(fcinfo);

	return edit_value(fcinfo, edit_prune, &lineage, "ml_prune()");
}

/* What is left of a model at each alpha. */
Datum
ml_prune_path(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_prune_path", true);
	MlPruneStep *steps;
	size_t		count;

	InitMaterializedSRF(fcinfo, 0);
	count = ml_trees_prune_path(ctx, model_argument_once(fcinfo, REGISTRY_DESCRIBE), &steps);
	for (size_t i = 0; i < count; i++)
	{
		Datum		values[3] = {
			Float8GetDatum(steps[i].alpha),
			Int64GetDatum((int64) steps[i].leaves),
			Float8GetDatum(steps[i].gain)
		};
		bool		nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	host_context_delete(ctx);
	return (Datum) 0;
}
