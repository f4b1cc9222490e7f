/*
 * What is stored of how a version was made.
 */
#include "postgres.h"

#include "pg/lineage.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"

#include "pg/host.h"

const char *const lineage_settings[] = {"TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", NULL};

/* ---- writing ---- */

/* Begin an object with the operation and its arguments. */
void
lineage_begin(StringInfo json, const char *operation)
{
	initStringInfo(json);
	appendStringInfoString(json, "{\"operation\": ");
	escape_json(json, operation);
	appendStringInfoString(json, ", \"arguments\": {");
}

/* Begin a member. */
static void
append_key(StringInfo json, const char *key)
{
	if (json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	escape_json(json, key);
	appendStringInfoString(json, ": ");
}

/* A text argument. */
void
lineage_text(StringInfo json, const char *key, const char *value)
{
	if (value == NULL)
		return;
	append_key(json, key);
	escape_json(json, value);
}

/* An array of text. */
void
lineage_texts(StringInfo json, const char *key, char *const *values, int count)
{
	if (values == NULL)
		return;
	append_key(json, key);
	appendStringInfoChar(json, '[');
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, values[i]);
	}
	appendStringInfoChar(json, ']');
}

/* An argument that is JSON. */
void
lineage_json(StringInfo json, const char *key, const char *value)
{
	if (value == NULL)
		return;
	append_key(json, key);
	appendStringInfoString(json, value);
}

/* End with what the arguments depend on. */
char *
lineage_end(StringInfo json, int64 seed)
{
	appendStringInfoChar(json, '}');
	if (seed >= 0)
		lineage_json(json, "seed", psprintf(INT64_FORMAT, seed));
	lineage_text(json, "role", GetUserNameFromId(GetUserId(), false));
	lineage_text(json, "search_path", GetConfigOption("search_path", false, false));
	appendStringInfoString(json, ", \"settings\": {");
	for (int i = 0; lineage_settings[i] != NULL; i++)
		lineage_text(json, lineage_settings[i], GetConfigOption(lineage_settings[i], false, false));
	appendStringInfoString(json, "}}");
	return json->data;
}

char *
lineage_add(const char *lineage, const char *key, const char *json)
{
	int			length = lineage == NULL ? 0 : (int) strlen(lineage) - 1;
	const char *separator = length > 1 ? ", " : "";

	Assert(lineage == NULL || lineage[length] == '}');
	return psprintf("%.*s%s\"%s\": %s}", lineage == NULL ? 1 : length, lineage == NULL ? "{" : lineage, separator, key,
					json);
}

char *
lineage_after(const char *lineage, const char *after)
{
	static const char *const path[] = {"arguments", "validation", "after"};
	Datum		elements[lengthof(path)];
	ArrayType  *array;
	StringInfoData value;
	Jsonb	   *changed;

	if (lineage == NULL || after == NULL)
		return unconstify(char *, lineage);
	for (size_t i = 0; i < lengthof(path); i++)
		elements[i] = CStringGetTextDatum(path[i]);
	initStringInfo(&value);
	escape_json(&value, after);
	array = construct_array(elements, lengthof(path), TEXTOID, -1, false, TYPALIGN_INT);
	changed = DatumGetJsonbP(DirectFunctionCall4(jsonb_set, DirectFunctionCall1(jsonb_in, CStringGetDatum(lineage)),
												 PointerGetDatum(array),
												 DirectFunctionCall1(jsonb_in, CStringGetDatum(value.data)),
												 BoolGetDatum(false)));
	return JsonbToCString(NULL, &changed->root, (int) VARSIZE(changed));
}

/* ---- reading ---- */

/* Column of the only row that SPI holds, copied into memory; NULL for a null. */
static Datum
origin_column(MemoryContext memory, int column, bool *isnull)
{
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, isnull);
	MemoryContext caller;

	if (*isnull)
		return (Datum) 0;
	caller = MemoryContextSwitchTo(memory);
	value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	MemoryContextSwitchTo(caller);
	return value;
}

/* The same for text, as a C string. */
static char *
origin_text(MemoryContext memory, int column)
{
	bool		isnull;
	Datum		value = origin_column(memory, column, &isnull);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	char	   *string = isnull ? NULL : TextDatumGetCString(value);

	MemoryContextSwitchTo(caller);
	return string;
}

/* The same for jsonb. */
static Jsonb *
origin_jsonb(MemoryContext memory, int column)
{
	bool		isnull;
	Datum		value = origin_column(memory, column, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

/*
 * Read the row of a version, through the view, so with the rights of the current user.  Every name and operator
 * is qualified: the search_path is the caller's.
 */
void
lineage_origin(const pg_uuid_t *version, VersionOrigin *origin)
{
	static const char sql[] =
		"SELECT v.source, v.trained_by, v.row_digest, v.software_version,"
		" pg_catalog.concat('mlaas ', e.extversion, ', PostgreSQL ', pg_catalog.current_setting('server_version')),"
		" v.parent, v.lineage, v.preprocess, v.validation,"
		" v.n_train OPERATOR(pg_catalog.+) v.n_test OPERATOR(pg_catalog.+) v.n_skipped"
		" FROM mlaas.versions v, pg_catalog.pg_extension e"
		" WHERE v.id OPERATOR(pg_catalog.=) $1 AND e.extname OPERATOR(pg_catalog.=) 'mlaas'";
	MemoryContext memory = CurrentMemoryContext;
	Oid			types[] = {UUIDOID};
	Datum		values[] = {UUIDPGetDatum(version)};
	bool		isnull;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "reading the model registry failed");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the version does not exist any more, or you may not describe it")));
	origin->source = origin_text(memory, 1);
	origin->trained_by = origin_text(memory, 2);
	origin->digest = origin_text(memory, 3);
	origin->software = origin_text(memory, 4);
	origin->software_now = origin_text(memory, 5);
	origin->parent = origin_text(memory, 6);
	origin->lineage = origin_jsonb(memory, 7);
	origin->preprocess = origin_jsonb(memory, 8);
	origin->validation = origin_jsonb(memory, 9);
	origin->rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 10, &isnull));
	SPI_finish();
}

/* Did the version come as a value? Copies tell by what they are of. */
bool
lineage_is_value(Jsonb *lineage)
{
	for (; lineage != NULL; lineage = lineage_object(lineage, "of"))
	{
		char	   *operation = lineage_string(lineage, "operation");

		if (operation == NULL || strcmp(operation, "copy") != 0)
			return operation != NULL && strcmp(operation, "register") == 0;
	}
	return false;
}

/* The name@version that a version has now, with the rights of the current user; NULL when there is none. */
char *
lineage_version_name(const char *id)
{
	static const char sql[] =
		"SELECT pg_catalog.concat(v.name, '@', v.version) FROM mlaas.versions v WHERE v.id OPERATOR(pg_catalog.=) $1";
	MemoryContext memory = CurrentMemoryContext;
	Oid			types[] = {UUIDOID};
	Datum		values[] = {DirectFunctionCall1(uuid_in, CStringGetDatum(id))};
	char	   *name;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "reading the model registry failed");
	name = SPI_processed == 1 ? origin_text(memory, 1) : NULL;
	SPI_finish();
	return name;
}

/* Add the elements of an array to those that are there, each once. */
static List *
add_elements(List *elements, Jsonb *array)
{
	if (array == NULL || !JB_ROOT_IS_ARRAY(array))
		return elements;
	for (uint32 i = 0; i < JB_ROOT_COUNT(array); i++)
	{
		Jsonb	   *element = JsonbValueToJsonb(getIthJsonbValueFromContainer(&array->root, i));
		char	   *text = JsonbToCString(NULL, &element->root, (int) VARSIZE(element));
		ListCell   *cell;
		bool		known = false;

		foreach(cell, elements)
			known |= strcmp(lfirst(cell), text) == 0;
		if (!known)
			elements = lappend(elements, text);
	}
	return elements;
}

/* Add what a version depends on. */
List *
lineage_depend(List *dependencies, const pg_uuid_t *version)
{
	VersionOrigin origin;

	lineage_origin(version, &origin);
	return add_elements(dependencies, lineage_object(origin.lineage, "dependencies"));
}

/* Add what a source reads. */
List *
lineage_depend_on(List *dependencies, const char *source)
{
	return add_elements(dependencies, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(source))));
}

/* The list as an array. */
char *
lineage_dependencies(const List *dependencies)
{
	StringInfoData json;
	ListCell   *cell;

	initStringInfo(&json);
	foreach(cell, dependencies)
		appendStringInfo(&json, "%c%s", json.len == 0 ? '[' : ',', (char *) lfirst(cell));
	appendStringInfoString(&json, json.len == 0 ? "[]" : "]");
	return json.data;
}

/* A member that is there and not null. */
JsonbValue *
lineage_member(Jsonb *object, const char *key)
{
	JsonbValue *value = object == NULL || !JB_ROOT_IS_OBJECT(object) ? NULL :
		getKeyJsonValueFromContainer(&object->root, key, (int) strlen(key), NULL);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* A member that is a string. */
char *
lineage_string(Jsonb *object, const char *key)
{
	JsonbValue *value = lineage_member(object, key);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" of the lineage is no string", key)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* A member as JSON of its own. */
Jsonb *
lineage_object(Jsonb *object, const char *key)
{
	JsonbValue *value = lineage_member(object, key);

	return value == NULL ? NULL : JsonbValueToJsonb(value);
}

/* The elements of a member that is an array of strings; NULL when it is absent. */
char **
lineage_strings(Jsonb *object, const char *key, int *count)
{
	Jsonb	   *array = lineage_object(object, key);
	char	  **strings;

	*count = 0;
	if (array == NULL || !JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		return NULL;
	strings = palloc(sizeof(char *) * (Size) Max(JB_ROOT_COUNT(array), 1));
	for (uint32 i = 0; i < JB_ROOT_COUNT(array); i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&array->root, i);

		if (value->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("\"%s\" of the lineage holds more than strings", key)));
		strings[(*count)++] = pnstrdup(value->val.string.val, value->val.string.len);
	}
	return strings;
}

/* ---- calls ---- */

/* Set up for count arguments, all NULL. */
void
lineage_call_begin(FunctionCallInfo call, int count)
{
	InitFunctionCallInfoData(*call, NULL, count, InvalidOid, NULL, NULL);
	for (int i = 0; i < count; i++)
		call->args[i] = (NullableDatum) {.isnull = true};
}

/* Set an argument. */
static void
set_argument(FunctionCallInfo call, int index, Datum value)
{
	call->args[index] = (NullableDatum) {.value = value,.isnull = false};
}

/* A text argument. */
void
lineage_call_text(FunctionCallInfo call, int index, const char *value)
{
	if (value != NULL)
		set_argument(call, index, CStringGetTextDatum(value));
}

/* A text[] argument. */
void
lineage_call_texts(FunctionCallInfo call, int index, char *const *values, int count)
{
	Datum	   *elements;

	if (values == NULL)
		return;
	elements = palloc(sizeof(Datum) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(values[i]);
	set_argument(call, index, PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT)));
}

/* A jsonb argument. */
void
lineage_call_json(FunctionCallInfo call, int index, Jsonb *value)
{
	if (value != NULL)
		set_argument(call, index, JsonbPGetDatum(value));
}

/* A float8[] argument. */
void
lineage_call_numbers(FunctionCallInfo call, int index, Jsonb *array)
{
	uint32		count = array == NULL || !JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array) ? 0 :
		JB_ROOT_COUNT(array);
	Datum	   *elements = palloc(sizeof(Datum) * (Size) Max(count, 1));

	for (uint32 i = 0; i < count; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&array->root, i);

		if (value->type != jbvNumeric)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("an array of the lineage holds more than numbers")));
		elements[i] = DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric));
	}
	if (count > 0)
		set_argument(call, index,
					 PointerGetDatum(construct_array(elements, (int) count, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
													 TYPALIGN_DOUBLE)));
}
