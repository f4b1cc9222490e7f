/*
 * ml_publish, ml_unpublish: a function of mlaas_api for a deployed model, with the features as
 * typed arguments, so that PostgREST describes and checks them.
 *
 * The function is plain SQL around ml_predict_row, with the model's name in it and the caller's
 * rights: whoever calls it needs the privilege to predict.  It belongs to the owner of the registry's
 * tables and is no member of the extension, so that pg_dump writes it.  Its signature is a
 * text in mlaas.published; a deploy that leaves it as it is touches no function.
 *
 * Types and names come from the model, which its trainer chose: names are quoted, and only types of
 * pg_catalog are used, so that nothing of a user's is called while the owner makes the function.
 *
 * Locking: whoever writes holds the model's row lock; two models that want one function
 * meet at the primary key of mlaas.published.
 */
#include "postgres.h"

#include "pg/publish.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/predict.h"
#include "pg/rest.h"
#include "pg/rights.h"
#include "pg/source.h"

PG_FUNCTION_INFO_V1(ml_publish);
PG_FUNCTION_INFO_V1(ml_unpublish);
PG_FUNCTION_INFO_V1(ml_predict_row);

/* Where functions are made. */
#define API_SCHEMA "mlaas_api"

/* What a function is made of, as SQL text. */
typedef struct Definition
{
	StringInfoData arguments;	/* with defaults */
	StringInfoData returns;		/* columns */
	StringInfoData row;			/* what ml_predict_row gets, after FROM */
	StringInfoData comment;
	const char *argument;		/* how that is named */
	const char *columns;		/* of ml_predict_row */
} Definition;

/* A row of mlaas.published, and what a call of ml_publish wants of it. */
typedef struct Published
{
	char	   *function;
	char	   *model_name;
	char	   *arguments;
	char	   *returns;
	Oid			source;			/* InvalidOid = none */
	char	   *key;
} Published;

/* ---- arguments ---- */

/* A type's name without a modifier in brackets. */
static char *
plain_type(const char *type)
{
	char	   *plain = pstrdup(type);
	char	   *open = strchr(plain, '(');
	char	   *close = open != NULL ? strchr(open, ')') : NULL;

	if (close != NULL)
		memmove(open, close + 1, strlen(close + 1) + 1);
	return plain;
}

/*
 * The type of an argument: the column's where it is one of PostgreSQL's own.  A fixed list rather
 * than a look-up, since looking up a type may call what its owner wrote.
 */
static const char *
argument_type(const MlFeature *feature)
{
	static const char *const names[] = {
		"smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean",
		"date", "time without time zone", "time with time zone", "timestamp without time zone",
		"timestamp with time zone", "interval", "text", "character varying", "uuid"
	};
	char	   *type = plain_type(feature->type);
	size_t		length = strlen(type);

	if (feature->kind == ML_KIND_VECTOR && length > 2 && strcmp(type + length - 2, "[]") == 0)
		length -= 2;
	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (strlen(names[i]) == length && memcmp(names[i], type, length) == 0)
			return type;
	}
	if (feature->kind == ML_KIND_NUMBER)
		return "double precision";
	return feature->kind == ML_KIND_VECTOR ? "double precision[]" : "text";
}

/*
 * Tell for each feature whether it may be left out: the model has learned what a missing value
 * means, or makes no use of the feature.
 */
static bool *
find_optional(const MlModel *model)
{
	const MlSignature *signature = model->signature;
	bool	   *optional = palloc0(sizeof(bool) * (Size) Max(signature->nfeatures, 1));
	bool	   *used = palloc0(sizeof(bool) * (Size) Max(signature->nfeatures, 1));

	if (model->prep == NULL)
		return optional;
	for (int j = 0; j < ml_prep_columns(model->prep); j++)
	{
		const MlPreparedColumn *column = ml_prep_column(model->prep, j);

		used[column->feature] = true;
		if (column->kind == ML_PREPARED_INDICATOR || column->kind == ML_PREPARED_NUMBER ||
			column->kind == ML_PREPARED_CATEGORY)
			optional[column->feature] = true;
		else if (column->kind == ML_PREPARED_LEVEL)
			optional[column->feature] |= ml_prep_feature_has_null(model->prep, column->feature);
	}
	for (int f = 0; f < signature->nfeatures; f++)
		optional[f] |= !used[f];
	return optional;
}

/* Add the features that may, or may not, be left out to the arguments. */
static void
add_arguments(Definition *definition, const MlSignature *signature, const bool *optional, bool wanted)
{
	for (int f = 0; f < signature->nfeatures; f++)
	{
		const char *name = signature->features[f].name;
		const char *type = argument_type(&signature->features[f]);

		if (optional[f] != wanted)
			continue;
		appendStringInfo(&definition->arguments, "%s%s %s%s", definition->arguments.len == 0 ? "" : ", ",
						 quote_identifier(name), type, wanted ? " DEFAULT NULL" : "");
		appendStringInfo(&definition->comment, " %s: %s%s", name, type, wanted ? ", may be left out;" : ";");
	}
}

/* A name that no feature has: the one given, behind as many prefixes as it takes. */
static const char *
unused_name(const MlSignature *signature, const char *prefix, const char *name)
{
	for (int f = 0; f < signature->nfeatures;)
	{
		if (strcmp(signature->features[f].name, name) != 0)
			f++;
		else
		{
			name = psprintf("%s%s", prefix, name);
			f = 0;
		}
	}
	return name;
}

/* Add the features, arguments by their numbers, as columns of a row. */
static void
add_row(Definition *definition, const MlSignature *signature, const bool *optional)
{
	int			number = 0;

	appendStringInfoString(&definition->row, "(SELECT ");
	for (int wanted = 0; wanted <= 1; wanted++)
	{
		for (int f = 0; f < signature->nfeatures; f++)
		{
			if (optional[f] == (wanted == 1))
			{
				number++;
				appendStringInfo(&definition->row, "%s$%d AS %s", number == 1 ? "" : ", ", number,
								 quote_identifier(signature->features[f].name));
			}
		}
	}
	/* as a column's name it would mean that column, not the row */
	definition->argument = unused_name(signature, "all_", "input");
	appendStringInfo(&definition->row, ") AS %s CROSS JOIN LATERAL ", definition->argument);
}

/* Add an output, under another name when a feature has its own. */
static void
add_output(Definition *definition, const MlSignature *signature, const char *name, const char *type)
{
	appendStringInfo(&definition->returns, "%s%s %s", definition->returns.len == 0 ? "" : ", ",
					 unused_name(signature, "predicted_", name), type);
}

/* What the function for a model is made of. */
static void
define(Definition *definition, const MlModel *model, const char *name)
{
	const MlSignature *signature = model->signature;
	bool		classes = signature->nclasses > 0;

	predict_check_predicts(model);
	initStringInfo(&definition->arguments);
	initStringInfo(&definition->returns);
	initStringInfo(&definition->row);
	initStringInfo(&definition->comment);
	if (classes)
		appendStringInfo(&definition->comment, "Predict with the model %s: the label and its probability, 0 to 1\n\n",
						 name);
	else
		appendStringInfo(&definition->comment, "Predict a number with the model %s\n\n", name);
	if (signature->nfeatures <= FUNC_MAX_ARGS)
	{
		const bool *optional = find_optional(model);

		appendStringInfoString(&definition->comment, "Arguments:");
		add_arguments(definition, signature, optional, false);
		add_arguments(definition, signature, optional, true);
		definition->comment.data[definition->comment.len - 1] = '.';
		add_row(definition, signature, optional);
	}
	else
	{
		appendStringInfoString(&definition->arguments, "json");
		appendStringInfo(&definition->comment, "The body is an object with %d features.", signature->nfeatures);
		definition->argument = "$1";
	}
	definition->columns = classes ? "p.label, p.probability" : "p.prediction";
	if (classes)
		add_output(definition, signature, "label", "text");
	add_output(definition, signature, classes ? "probability" : "prediction", "double precision");
}

/* ---- the function ---- */

/* The function's name as SQL text has it. */
static char *
function_name(const char *function)
{
	return psprintf("%s.%s", API_SCHEMA, quote_identifier(function));
}

/* Tell whether mlaas_api has a function of that name. */
static bool
function_exists(const char *function)
{
	ColumnValue name = column_text("name", function);

	writer_execute("SELECT FROM pg_proc WHERE proname = $1 AND pronamespace = '" API_SCHEMA "'::regnamespace",
				   SPI_OK_SELECT, 1, &name);
	return SPI_processed > 0;
}

/* The statements that give a function the rights it has now; none while it has the default. */
static char *
function_grants(const char *function)
{
	ColumnValue name = column_text("name", function);

	writer_execute("SELECT string_agg(DISTINCT format('GRANT EXECUTE ON FUNCTION " API_SCHEMA ".%I TO %s', p.proname,"
				   " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END), '; ')"
				   " FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a"
				   " WHERE p.proname = $1 AND p.pronamespace = '" API_SCHEMA "'::regnamespace HAVING count(*) > 0",
				   SPI_OK_SELECT, 1, &name);
	return SPI_processed == 0 ? NULL : TextDatumGetCString(writer_result(0, 1));
}

/* Run statements of SQL that return nothing. */
static void
run_utility(const char *sql)
{
	writer_execute(sql, SPI_OK_UTILITY, 0, NULL);
}

/* Make the function; where there is one of other arguments, in its place and with its rights. */
static void
make_function(const Published *old, const char *function, const Definition *definition, const char *name)
{
	char	   *qualified = function_name(function);
	bool		same = old != NULL && strcmp(old->arguments, definition->arguments.data) == 0 &&
		strcmp(old->returns, definition->returns.data) == 0;
	char	   *grants = NULL;

	if (old != NULL && !same)
	{
		grants = function_grants(function);
		run_utility(psprintf("DROP FUNCTION IF EXISTS %s", qualified));
	}
	run_utility(psprintf("CREATE %sFUNCTION %s(%s) RETURNS TABLE (%s) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1"
						 " BEGIN ATOMIC SELECT %s FROM %s%s.ml_predict_row(%s::text, %s) AS p; END",
						 same ? "OR REPLACE " : "", qualified, definition->arguments.data, definition->returns.data,
						 definition->columns, definition->row.data, rest_functions_schema(),
						 quote_literal_cstr(name), definition->argument));
	run_utility(psprintf("COMMENT ON FUNCTION %s IS %s", qualified, quote_literal_cstr(definition->comment.data)));
	if (grants != NULL)
		run_utility(psprintf("REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC; %s", qualified, grants));
	Async_Notify("pgrst", "reload schema");
}

/* Drop the function of a row and the row. */
static void
drop_function(const Writer *writer, const Published *old)
{
	ColumnValue id = column_uuid("model_id", &writer->model.id);

	run_utility(psprintf("DROP FUNCTION IF EXISTS %s", function_name(old->function)));
	writer_execute("DELETE FROM mlaas.published WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	Async_Notify("pgrst", "reload schema");
}

/* ---- the rows ---- */

/* What the model is published as; false when it is not. */
static bool
read_published(const Writer *writer, Published *published)
{
	ColumnValue id = column_uuid("model_id", &writer->model.id);

	writer_execute("SELECT function_name, model_name, arguments, returns, coalesce(source, 0)::oid, coalesce(key, '')"
				   " FROM mlaas.published WHERE model_id = $1", SPI_OK_SELECT, 1, &id);
	if (SPI_processed == 0)
		return false;
	published->function = TextDatumGetCString(writer_result(0, 1));
	published->model_name = TextDatumGetCString(writer_result(0, 2));
	published->arguments = TextDatumGetCString(writer_result(0, 3));
	published->returns = TextDatumGetCString(writer_result(0, 4));
	published->source = DatumGetObjectId(writer_result(0, 5));
	published->key = OidIsValid(published->source) ? TextDatumGetCString(writer_result(0, 6)) : NULL;
	return true;
}

/* Error: mlaas_api has a function of that name already. */
static void
pg_attribute_noreturn()
refuse_function(const char *function)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_FUNCTION),
			 errmsg("schema \"" API_SCHEMA "\" already has a function \"%s\"", function),
			 errhint("Choose another name with the argument function.")));
}

/* Write the row of a model that is published. */
static void
write_published(const Writer *writer, const Published *published)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		{"source", REGCLASSOID, ObjectIdGetDatum(published->source), !OidIsValid(published->source)},
		column_time("published_at"),
		column_text("function_name", published->function),
		column_text("model_name", published->model_name),
		column_text("arguments", published->arguments),
		column_text("returns", published->returns),
		column_text("published_by", GetUserNameFromId(writer->caller, false)),
		column_text("key", published->key)
	};

	writer_execute("DELETE FROM mlaas.published WHERE model_id = $1", SPI_OK_DELETE, 1, values);
	/* waits for another session that is taking the name, which may then have it */
	writer_execute("INSERT INTO mlaas.published (model_id, source, published_at, function_name, model_name, arguments,"
				   " returns, published_by, key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
				   " ON CONFLICT (function_name) DO NOTHING", SPI_OK_INSERT, lengthof(values), values);
	if (SPI_processed == 0)
		refuse_function(published->function);
}

/* The deployed model of the writer, NULL when there is none; memory holds it. */
static const MlModel *
deployed_model(const Writer *writer)
{
	RegistryVersion found;
	const MlModel *model = NULL;

	/* what this very command wrote is to be seen */
	CommandCounterIncrement();
	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	if (registry_find_alias(&writer->model, REGISTRY_DEFAULT_ALIAS, &found))
	{
		registry_set_model(&found, &writer->model);
		model = cache_model(&found, CurrentMemoryContext);
	}
	PopActiveSnapshot();
	return model;
}

/* Warn of features that the source of a published model has no column for. */
static void
warn_source(const MlModel *model, const Published *published)
{
	if (!OidIsValid(published->source))
		return;
	for (int f = 0; f < model->signature->nfeatures; f++)
	{
		const char *name = model->signature->features[f].name;

		if (get_attnum(published->source, name) == InvalidAttrNumber)
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the model is published with a source that has no column \"%s\"", name),
					 errhint("Until it has one, predictions by key fail.")));
	}
}

/* Tell whether a model has a feature of that name. */
static bool
has_feature(const MlModel *model, const char *name)
{
	for (int f = 0; f < model->signature->nfeatures; f++)
		if (strcmp(model->signature->features[f].name, name) == 0)
			return true;
	return false;
}

/* Warn of features that a version which routes lead to needs, and calls of the published model do not have. */
void
publish_warn_routed(const Writer *writer, const MlModel *routed)
{
	Published	published;
	const MlModel *model;

	if (!read_published(writer, &published))
		return;
	warn_source(routed, &published);
	model = deployed_model(writer);
	if (model == NULL || model->signature->nfeatures > FUNC_MAX_ARGS)
		return;
	for (int f = 0; f < routed->signature->nfeatures; f++)
	{
		const char *name = routed->signature->features[f].name;

		if (!has_feature(model, name))
			ereport(WARNING,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the model is published as a function that has no argument \"%s\"", name),
					 errdetail("Calls of %s that go to this version fail.", function_name(published.function))));
	}
}

/* Make the function of the writer's model fit what is deployed. */
void
publish_model_changed(const Writer *writer)
{
	Published	published;
	Definition	definition;
	const MlModel *model;

	if (!read_published(writer, &published))
		return;
	model = deployed_model(writer);
	if (model == NULL)
	{
		drop_function(writer, &published);
		return;
	}
	define(&definition, model, writer->model.name);
	if (strcmp(published.arguments, definition.arguments.data) == 0 &&
		strcmp(published.returns, definition.returns.data) == 0 &&
		strcmp(published.model_name, writer->model.name) == 0)
		return;
	warn_source(model, &published);
	make_function(&published, published.function, &definition, writer->model.name);
	published.model_name = pstrdup(writer->model.name);
	published.arguments = definition.arguments.data;
	published.returns = definition.returns.data;
	write_published(writer, &published);
}

/* ---- the calls ---- */

/* Read source and key of a call under the caller's rights: both there, with the features, or neither. */
static void
read_source(const char *text, const char *key, const char *name, Published *published)
{
	Source	   *source;
	RegistryVersion version;
	const MlModel *model;

	if ((text == NULL) != (key == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source and key must be given together"),
				 errhint("source is the table or view with the features, key its column that identifies a row.")));
	if (text == NULL)
		return;
	source = source_open_relation(text);
	(void) source_need(source, key, "key column");
	registry_resolve(name, REGISTRY_MANAGE, &version);
	model = cache_model(&version, CurrentMemoryContext);
	for (int f = 0; f < model->signature->nfeatures; f++)
		(void) source_need(source, model->signature->features[f].name, "feature");
	published->source = RangeVarGetRelid(source->relation, NoLock, false);
	published->key = pstrdup(key);
}

/* Error unless a name is fit for a function that does not exist yet. */
static void
check_function(const char *function)
{
	if (strlen(function) == 0 || strlen(function) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a function must have 1 to %d bytes", NAMEDATALEN - 1)));
	if (function_exists(function))
		refuse_function(function);
}

/* Publish the writer's model as wanted; what is not given stays as it was. */
static void
publish(const Writer *writer, Published *wanted)
{
	Published	old;
	bool		published = read_published(writer, &old);
	const MlModel *model = deployed_model(writer);
	Definition	definition;

	if (model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no deployed version to publish", writer->model.name),
				 errhint("Deploy one with ml_deploy first.")));
	if (wanted->function == NULL)
		wanted->function = published ? old.function : pstrdup(writer->model.name);
	if (published && !OidIsValid(wanted->source))
	{
		wanted->source = old.source;
		wanted->key = old.key;
	}
	if (published && strcmp(old.function, wanted->function) != 0)
	{
		drop_function(writer, &old);
		published = false;
	}
	if (!published)
		check_function(wanted->function);
	define(&definition, model, writer->model.name);
	wanted->model_name = pstrdup(writer->model.name);
	wanted->arguments = definition.arguments.data;
	wanted->returns = definition.returns.data;
	/* the row first: two models that want one function meet at its key */
	write_published(writer, wanted);
	make_function(published ? &old : NULL, wanted->function, &definition, writer->model.name);
}

/* ml_publish(name, function, source, key). */
Datum
ml_publish(PG_FUNCTION_ARGS)
{
	RegistryModel model;
	Published	wanted = {0};
	Writer		writer;
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *signature;
	MemoryContext caller = CurrentMemoryContext;

	rights_check_role(RIGHTS_DEPLOY);
	registry_need_model(name, REGISTRY_MANAGE, &model);
	wanted.function = optional_text(fcinfo, 1);
	read_source(optional_text(fcinfo, 2), optional_text(fcinfo, 3), name, &wanted);
	writer_begin(&writer, "ml_publish()");
	registry_lock(&writer, name, REGISTRY_MANAGE);
	publish(&writer, &wanted);
	registry_write_event(&writer, "publish", REGISTRY_DEFAULT_ALIAS, 0, 0, NULL, NULL);
	signature = MemoryContextStrdup(caller, psprintf("%s(%s)", function_name(wanted.function), wanted.arguments));
	writer_end(&writer);
	PG_RETURN_TEXT_P(cstring_to_text(signature));
}

/* ml_unpublish(name). */
Datum
ml_unpublish(PG_FUNCTION_ARGS)
{
	Published	published;
	Writer		writer;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		found;

	rights_check_role(RIGHTS_DEPLOY);
	registry_begin_change(&writer, name, "ml_unpublish()");
	found = read_published(&writer, &published);
	if (found)
	{
		drop_function(&writer, &published);
		registry_write_event(&writer, "unpublish", NULL, 0, 0, NULL, NULL);
	}
	else
		registry_return_event(&writer);
	writer_end(&writer);
	PG_RETURN_BOOL(found);
}

/* ml_predict_row(model, row): number, label and probability of one scoring. */
Datum
ml_predict_row(PG_FUNCTION_ARGS)
{
	RestCall	call;
	PredictPlan *plan;
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};

	rest_begin(&call, REST_PREDICT);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(values))
		elog(ERROR, "a row of three columns is expected by the call");
	plan = predict_row(fcinfo, 1, PREDICT_ANY);
	if (plan != NULL)
	{
		const MlSignature *signature = plan->model->signature;

		nulls[0] = signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT;
		values[0] = Float8GetDatum(predict_number(plan->model, plan->out, 1));
		if (signature->nclasses > 0)
		{
			int			class = ml_model_class(plan->model, plan->out, 1);

			nulls[1] = nulls[2] = false;
			values[1] = CStringGetTextDatum(signature->class_labels[class]);
			values[2] = Float8GetDatum(plan->out[class]);
		}
	}
	rest_end(&call);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
