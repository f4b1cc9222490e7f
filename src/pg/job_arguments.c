/*
 * The arguments of ml_train, kept with a job or schedule until a worker calls it.
 */
#include "pg/job.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "pg/host.h"
#include "pg/train.h"

/* In the order of ml_train's arguments. */
static const struct
{
	const char *name;
	Oid			type;
}			train_arguments[] = {
	{"name", TEXTOID},
	{"source", TEXTOID},
	{"target", TEXTOID},
	{"algorithm", TEXTOID},
	{"features", TEXTARRAYOID},
	{"params", JSONBOID},
	{"preprocess", JSONBOID},
	{"validation", JSONBOID},
	{"weight", TEXTOID},
	{"deploy", TEXTOID}
};

StaticAssertDecl(lengthof(train_arguments) == TRAIN_ARGUMENTS, "every argument of ml_train has a row");

/* Append an array of text, whose elements are not NULL, as JSON. */
static void
append_array(StringInfo json, ArrayType *array)
{
	Datum	   *elements;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	appendStringInfoChar(json, '[');
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, TextDatumGetCString(elements[i]));
	}
	appendStringInfoChar(json, ']');
}

/* The arguments of a call as a jsonb. */
static Datum
call_arguments(FunctionCallInfo fcinfo)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < TRAIN_ARGUMENTS; i++)
	{
		if (PG_ARGISNULL(i))
			continue;
		if (json.len > 1)
			appendStringInfoString(&json, ", ");
		escape_json(&json, train_arguments[i].name);
		appendStringInfoString(&json, ": ");
		if (train_arguments[i].type == TEXTOID)
			escape_json(&json, text_to_cstring(PG_GETARG_TEXT_PP(i)));
		else if (train_arguments[i].type == JSONBOID)
			appendStringInfoString(&json, jsonb_cstring(PG_GETARG_DATUM(i)));
		else
			append_array(&json, PG_GETARG_ARRAYTYPE_P(i));
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* Error when the source reads what only this session has. */
static void
refuse_temporary(Source *source)
{
	char	   *temporary = source_temporary(source);

	if (temporary != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a job cannot read temporary relation \"%s\"", temporary),
				 errdetail("It belongs to this session, and a job runs in another one."),
				 errhint("Call ml_train, or copy the rows to a table.")));
}

Source *
job_check_arguments(FunctionCallInfo fcinfo)
{
	Source	   *source = train_check(fcinfo);

	refuse_temporary(source);
	return source;
}

/* An array of strings as one of text. */
static Datum
text_array(JsonbValue *value)
{
	JsonbContainer *container = value->val.binary.data;
	int			count = (int) JsonContainerSize(container);
	Datum	   *elements = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(container, (uint32) i);

		elements[i] = PointerGetDatum(cstring_to_text_with_len(element->val.string.val, element->val.string.len));
	}
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

void
job_argument_values(Jsonb *arguments, Oid types[TRAIN_ARGUMENTS], Datum values[TRAIN_ARGUMENTS],
					char nulls[TRAIN_ARGUMENTS])
{
	for (int i = 0; i < TRAIN_ARGUMENTS; i++)
	{
		const char *name = train_arguments[i].name;
		JsonbValue *value = getKeyJsonValueFromContainer(&arguments->root, name, (int) strlen(name), NULL);

		types[i] = train_arguments[i].type;
		values[i] = (Datum) 0;
		nulls[i] = value == NULL ? 'n' : ' ';
		if (value == NULL)
			continue;
		if (types[i] == JSONBOID)
			values[i] = JsonbPGetDatum(JsonbValueToJsonb(value));
		else if (types[i] == TEXTOID && value->type == jbvString)
			values[i] = PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
		else if (types[i] == TEXTARRAYOID && value->type == jbvBinary)
			values[i] = text_array(value);
		else
			elog(ERROR, "argument \"%s\" of a job has the wrong type", name);
	}
}

void
job_request_init(FunctionCallInfo fcinfo, JobRequest *request)
{
	Oid			session = GetSessionUserId();

	memset(request, 0, sizeof *request);
	request->role = GetUserId();
	/* a function with its owner's rights makes the owner's jobs, whoever called it */
	request->login = compat_can_set_role(session, request->role) ? session : request->role;
	if (PG_ARGISNULL(TRAIN_ARGUMENTS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("priority must not be NULL")));
	request->priority = PG_GETARG_INT32(TRAIN_ARGUMENTS);
	request->name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	request->arguments = call_arguments(fcinfo);
	request->settings = job_settings();
}
