/*
 * What is stored of how a version was made.
 */
#include "postgres.h"

#include "pg/lineage.h"

#include "miscadmin.h"
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

/* ---- reading ---- */

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
