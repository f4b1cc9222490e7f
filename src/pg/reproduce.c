/*
 * ml_reproduce: a registered version made again from its lineage, and held against what is stored.
 *
 * The operation runs again with its arguments, and with the search_path and the settings of that time, as the
 * current role; nothing is stored.  The source is SQL that the version's role wrote, so only that role runs it:
 * any other would lend its rights to whatever functions the text calls.  The search_path is the version's role's too,
 * and goes with its source only.
 */
#include "postgres.h"

#include <inttypes.h>
#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/document_internal.h"
#include "edit/trees.h"
#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/compose.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/registry.h"
#include "pg/retrain.h"
#include "pg/rights.h"
#include "pg/update.h"

PG_FUNCTION_INFO_V1(ml_reproduce);

#define REPRODUCE_COLUMNS 11

/* A version made again. */
typedef struct Reproduction
{
	MlContext  *ctx;
	RegistryVersion version;
	VersionOrigin origin;
	Jsonb	   *arguments;		/* of the lineage */
	char	   *source;			/* to read; NULL = none */
	MlTrainResult result;
} Reproduction;

/* ---- making it again ---- */

/*
 * The preprocess of then, with the transform that it names as that is called now: names can change hands, versions do
 * not.
 */
static Jsonb *
preprocess_now(Reproduction *r)
{
	char	   *id = lineage_string(r->arguments, "transform_version_id");
	char	   *name;
	StringInfoData json;

	if (id == NULL)
		return lineage_object(r->arguments, "preprocess");
	name = lineage_version_name(id);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("transform \"%s\" does not exist any more, or you may not describe it",
						lineage_string(r->arguments, "transform"))));
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"transform\": ");
	escape_json(&json, name);
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* Train as ml_train did. */
static void
train_again(Reproduction *r)
{
	LOCAL_FCINFO(call, 8);
	TrainArgs	args = {0};
	int			count;
	char	  **features = lineage_strings(r->arguments, "features", &count);

	lineage_call_begin(call, 8);
	lineage_call_text(call, 0, r->source);
	lineage_call_text(call, 1, lineage_string(r->arguments, "target"));
	lineage_call_text(call, 2, lineage_string(r->arguments, "algorithm"));
	lineage_call_texts(call, 3, features, count);
	lineage_call_json(call, 4, lineage_object(r->arguments, "params"));
	lineage_call_json(call, 5, preprocess_now(r));
	lineage_call_json(call, 6, lineage_object(r->arguments, "validation"));
	lineage_call_text(call, 7, lineage_string(r->arguments, "weight"));
	train_read_args(r->ctx, call, 0, &args);
	/* the configuration that found words then may be the session's no more */
	args.like = cache_model(&r->version, CurrentMemoryContext);
	train_learn(r->ctx, &args, &r->result);
}

/* The version that this one was made from. */
static const MlModel *
open_parent(Reproduction *r, RegistryVersion *parent)
{
	if (r->origin.parent == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" has lost the version it was made from", r->version.version,
						r->version.name)));
	registry_resolve(r->origin.parent, REGISTRY_DESCRIBE, parent);
	return cache_model(parent, CurrentMemoryContext);
}

/* A number among the arguments; infinity is a string. */
static double
number_argument(Reproduction *r, const char *key)
{
	JsonbValue *value = lineage_member(r->arguments, key);

	if (value != NULL && value->type == jbvNumeric)
		return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
	if (value != NULL && value->type == jbvString)
		return strtod(lineage_string(r->arguments, key), NULL);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the lineage has no number \"%s\"", key)));
}

/* Learn on as ml_continue, ml_refit or ml_update did. */
static void
retrain_again(Reproduction *r, const char *operation)
{
	LOCAL_FCINFO(call, 5);
	bool		refit = strcmp(operation, "refit") == 0;
	MlRetrain	retrain = {.kind = refit ? ML_RETRAIN_REFIT : ML_RETRAIN_CONTINUE};
	RegistryVersion parent;
	VersionOrigin origin;
	TrainArgs	args;

	retrain.from = open_parent(r, &parent);
	retrain.lineage.parent = psprintf("%s@%d", parent.name, parent.version);
	lineage_call_begin(call, 5);
	lineage_call_text(call, 1, r->source);
	lineage_call_json(call, 3, lineage_object(r->arguments, "validation"));
	lineage_call_text(call, 4, lineage_string(r->arguments, "weight"));
	if (refit)
		call->args[2] = (NullableDatum) {.value = Float8GetDatum(number_argument(r, "decay_rate")),.isnull = false};
	else
		lineage_call_json(call, 2, lineage_object(r->arguments, "params"));
	if (strcmp(operation, "update") == 0)
	{
		lineage_origin(&parent.id, &origin);
		update_read_args(r->ctx, call, &origin, &retrain, &args);
	}
	else
		retrain_read_args(r->ctx, call, &retrain, &args);
	train_learn(r->ctx, &args, &r->result);
}

/* Edit the trees as ml_truncate or ml_prune did. */
static void
edit_again(Reproduction *r, const char *operation)
{
	bool		truncated = strcmp(operation, "truncate") == 0;
	RegistryVersion parent;
	const MlModel *model = open_parent(r, &parent);
	MlLineage	lineage = {.operation = operation,.parent = psprintf("%s@%d", parent.name, parent.version),
		.argument = truncated ? "n_trees" : "alpha",.integer = truncated};
	MlEdited	edited;

	lineage.value = number_argument(r, lineage.argument);
	if (truncated)
		ml_trees_truncate(r->ctx, model, (int64) lineage.value, &lineage, &edited);
	else
		ml_trees_prune(r->ctx, model, lineage.value, &lineage, &edited);
	r->result.bytes = edited.bytes;
	r->result.size = edited.size;
}

/* Run the operation again. */
static void
run_again(Reproduction *r)
{
	static const char *const retrained[] = {"continue", "refit", "update"};
	static const char *const edited[] = {"truncate", "prune"};
	char	   *operation = lineage_string(r->origin.lineage, "operation");

	if (lineage_is_value(r->origin.lineage))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" was registered as a value", r->version.version, r->version.name),
				 errdetail("How it was trained is not known, so it cannot be made again.")));
	if (operation == NULL || r->arguments == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" has no lineage", r->version.version, r->version.name),
				 errhint("It was stored by an earlier version of mlaas.")));
	if (strcmp(operation, "train") == 0)
		train_again(r);
	else if (strcmp(operation, "pipeline") == 0 || strcmp(operation, "ensemble") == 0)
		compose_again(strcmp(operation, "pipeline") == 0, r->arguments, r->source, &r->result);
	else
	{
		for (size_t i = 0; i < lengthof(retrained); i++)
			if (strcmp(operation, retrained[i]) == 0)
			{
				retrain_again(r, operation);
				return;
			}
		for (size_t i = 0; i < lengthof(edited); i++)
			if (strcmp(operation, edited[i]) == 0)
			{
				edit_again(r, operation);
				return;
			}
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a version made by \"%s\" cannot be reproduced", operation)));
	}
}

/*
 * The settings of then, until the nest level ends, and the search_path of then for the source of then: a source
 * of the caller's own means what it says to the caller, not what names mean in schemas of the version's role.
 */
static int
take_settings(const VersionOrigin *origin, bool own_source)
{
	Jsonb	   *settings = lineage_object(origin->lineage, "settings");
	char	   *path = own_source ? NULL : lineage_string(origin->lineage, "search_path");
	int			level = NewGUCNestLevel();

	if (path != NULL)
		set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (int i = 0; lineage_settings[i] != NULL; i++)
	{
		char	   *value = lineage_string(settings, lineage_settings[i]);

		if (value != NULL)
			set_config_option(lineage_settings[i], value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	}
	return level;
}

/* Refuse to run the SQL of another role. */
static void
check_role(const Reproduction *r)
{
	char	   *role = lineage_string(r->origin.lineage, "role");

	if (role != NULL && strcmp(role, GetUserNameFromId(GetUserId(), false)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("version %d of model \"%s\" was made by role \"%s\"", r->version.version, r->version.name,
						role),
				 errdetail("Its source would run with your rights."),
				 errhint("SET ROLE to that role, or give a source of your own as the second argument.")));
}

/* ---- what changed ---- */

/* Are two nodes the same bytes? */
static bool
same_node(const MlNode *a, const MlNode *b)
{
	return a != NULL && b != NULL && ml_node_size(a) == ml_node_size(b) && memcmp(a, b, ml_node_size(a)) == 0;
}

/* Do the summaries say the same of which class is predicted? */
static bool
same_decision(const MlModel *a, const MlModel *b)
{
	const MlNode *p = ml_node_find(a->sections[ML_SECTION_SUMMARY], "decision");
	const MlNode *q = ml_node_find(b->sections[ML_SECTION_SUMMARY], "decision");

	return (p == NULL && q == NULL) || same_node(p, q);
}

/* Do the two models predict the same, whatever their summaries say? */
static bool
same_model(const MlModel *a, const MlModel *b)
{
	return a->algorithm == b->algorithm && same_decision(a, b) &&
		same_node(a->sections[ML_SECTION_SIGNATURE], b->sections[ML_SECTION_SIGNATURE]) &&
		same_node(a->sections[ML_SECTION_PREPARATION], b->sections[ML_SECTION_PREPARATION]) &&
		same_node(a->sections[ML_SECTION_PARAMETERS], b->sections[ML_SECTION_PARAMETERS]) &&
		same_node(a->sections[ML_SECTION_PAYLOAD], b->sections[ML_SECTION_PAYLOAD]);
}

/* The parameters of either that the other does not have, or not so. */
static List *
changed_parameters(const MlModel *a, const MlModel *b)
{
	const MlNode *p = a->sections[ML_SECTION_PARAMETERS];
	const MlNode *q = b->sections[ML_SECTION_PARAMETERS];
	List	   *names = NIL;

	for (size_t i = 0; i < ml_node_count(p); i++)
		if (!same_node(ml_node_at(p, i), ml_node_find(q, ml_node_key(p, i))))
			names = lappend(names, pstrdup(ml_node_key(p, i)));
	for (size_t i = 0; i < ml_node_count(q); i++)
		if (ml_node_find(p, ml_node_key(q, i)) == NULL)
			names = lappend(names, pstrdup(ml_node_key(q, i)));
	return names;
}

/* The feature of that name; NULL = none. */
static const MlFeature *
find_feature(const MlSignature *s, const char *name)
{
	for (int f = 0; f < s->nfeatures; f++)
		if (strcmp(s->features[f].name, name) == 0)
			return &s->features[f];
	return NULL;
}

/* The features of one model that another does not have, or (types) has with another type. */
static List *
missing_features(List *names, const MlSignature *a, const MlSignature *b, bool types)
{
	for (int f = 0; f < a->nfeatures; f++)
	{
		const MlFeature *feature = &a->features[f];
		const MlFeature *other = find_feature(b, feature->name);

		if (other == NULL || (types && (other->width != feature->width || strcmp(other->type, feature->type) != 0)))
			names = lappend(names, pstrdup(feature->name));
	}
	return names;
}

/* The metrics that differ: {"name": {"then": .., "now": .., "difference": ..}}. */
static char *
changed_metrics(const MlModel *a, const MlModel *b)
{
	const MlNode *then = ml_node_find(a->sections[ML_SECTION_SUMMARY], "metrics");
	const MlNode *now = ml_node_find(b->sections[ML_SECTION_SUMMARY], "metrics");
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (size_t i = 0; then != NULL && now != NULL && ml_node_type(then) == ML_NODE_OBJECT &&
		 i < ml_node_count(then); i++)
	{
		const MlNode *x = ml_node_at(then, i);
		const MlNode *y = ml_node_find(now, ml_node_key(then, i));
		double		from = ml_node_type(x) == ML_NODE_DOUBLE ? ml_node_double(x) : NAN;
		double		to = y != NULL && ml_node_type(y) == ML_NODE_DOUBLE ? ml_node_double(y) : NAN;

		if (same_node(x, y))
			continue;
		if (json.len > 1)
			appendStringInfoString(&json, ", ");
		escape_json(&json, ml_node_key(then, i));
		appendStringInfo(&json, ": {\"then\": %s, \"now\": %s, \"difference\": %s}",
						 isfinite(from) ? number_text(from) : "null",
						 isfinite(to) ? number_text(to) : "null", isfinite(to - from) ? number_text(to - from) :
						 "null");
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Names as an array of text. */
static Datum
names_array(List *names)
{
	Datum	   *elements = palloc(sizeof(Datum) * (Size) Max(list_length(names), 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, names)
		elements[count++] = CStringGetTextDatum((char *) lfirst(cell));
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Names with commas between them. */
static char *
names_text(List *names)
{
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	foreach(cell, names)
		appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "", (char *) lfirst(cell));
	return list.data;
}

/* Why, in words. */
static char *
reason_text(const Reproduction *r, bool bytes, bool identical, bool rows, List *parameters, List *features)
{
	StringInfoData reason;

	if (bytes)
		return "every byte is the same";
	initStringInfo(&reason);
	if (identical)
		appendStringInfoString(&reason, "the model is the same, what is said of its training is not; ");
	if (!rows)
		appendStringInfoString(&reason, "the source gives other rows; ");
	if (features != NIL)
		appendStringInfo(&reason, "features are not the same: %s; ", names_text(features));
	if (parameters != NIL)
		appendStringInfo(&reason, "parameters are not the same: %s; ", names_text(parameters));
	if (strcmp(r->origin.software, r->origin.software_now) != 0)
		appendStringInfoString(&reason, "the software is another; ");
	if (reason.len == 0)
		return "the same rows and parameters gave another model";
	reason.len -= 2;
	reason.data[reason.len] = '\0';
	return reason.data;
}

/* Hold what was made against what is stored. */
static Datum
compare(FunctionCallInfo fcinfo, Reproduction *r)
{
	const MlModel *then = cache_model(&r->version, CurrentMemoryContext);
	const MlModel *now = ml_model_open(r->ctx, r->result.bytes, r->result.size);
	bool		bytes = then->size == now->size && memcmp(then->bytes, now->bytes, then->size) == 0;
	bool		identical = same_model(then, now);
	char	   *digest = psprintf("%016" PRIx64 "%016" PRIx64, r->result.digest.sum, r->result.digest.sum_inverse);
	bool		read = r->source != NULL && r->origin.digest != NULL;
	bool		rows = !read || strcmp(digest, r->origin.digest) == 0;
	List	   *parameters = changed_parameters(then, now);
	List	   *features = missing_features(missing_features(NIL, then->signature, now->signature, true),
											now->signature, then->signature, false);
	Datum		values[REPRODUCE_COLUMNS] = {
		BoolGetDatum(identical),
		BoolGetDatum(bytes),
		BoolGetDatum(rows),
		Int64GetDatum(r->origin.rows),
		Int64GetDatum((int64) (r->result.n_train + r->result.n_test + r->result.n_skipped)),
		CStringGetTextDatum(r->origin.software),
		CStringGetTextDatum(r->origin.software_now),
		names_array(parameters),
		names_array(features),
		DirectFunctionCall1(jsonb_in, CStringGetDatum(changed_metrics(then, now))),
		CStringGetTextDatum(reason_text(r, bytes, identical, rows, parameters, features))
	};
	bool		nulls[REPRODUCE_COLUMNS] = {[2] = !read,[3] = !read,[4] = !read};

	return result_row(fcinfo, REPRODUCE_COLUMNS, values, nulls);
}

/* Make a version again and say what changed. */
Datum
ml_reproduce(PG_FUNCTION_ARGS)
{
	Reproduction r = {0};
	bool		own_source;
	Datum		row;
	int			level;

	registry_resolve(need_text(fcinfo, 0, "model"), REGISTRY_DESCRIBE, &r.version);
	rights_check_role(RIGHTS_TRAIN);
	lineage_origin(&r.version.id, &r.origin);
	r.arguments = lineage_object(r.origin.lineage, "arguments");
	r.source = optional_text(fcinfo, 1);
	own_source = r.source != NULL;
	if (!own_source)
	{
		check_role(&r);
		r.source = lineage_string(r.arguments, "source");
	}
	r.ctx = host_context_create(CurrentMemoryContext, "mlaas reproduction", true);
	level = take_settings(&r.origin, own_source);
	run_again(&r);
	AtEOXact_GUC(true, level);
	row = compare(fcinfo, &r);
	host_context_delete(r.ctx);
	return row;
}
