#include "base/json.h"

#include <string.h>

static void
put_object(void *object)
{
	json_object_put(object);
}

#define SAFE_DIGITS 18			/* an integer of so many digits is an int64 */

/*
 * The same JSON with ".0" after longer integers, which json-c would cut off at the largest integer it has;
 * as reals they keep their size.  (A host may write 1e30 out in full.)
 */
static const char *
widen_integers(MlContext *ctx, const char *text)
{
	char	   *wide = ml_alloc(ctx, strlen(text) * 2 + 1);
	char	   *out = wide;
	bool		in_string = false;

	while (*text != '\0')
	{
		size_t		digits = in_string ? 0 : strspn(text, "0123456789");

		if (digits > 0)
		{
			/* all of a number, so that the digits of a fraction or exponent are none of their own */
			size_t		length = strspn(text, "0123456789.eE+-");

			memcpy(out, text, length);
			out += length;
			text += length;
			if (length == digits && digits > SAFE_DIGITS)
			{
				memcpy(out, ".0", 2);
				out += 2;
			}
			continue;
		}
		if (in_string && text[0] == '\\' && text[1] != '\0')
			*out++ = *text++;
		else if (*text == '"')
			in_string = !in_string;
		*out++ = *text++;
	}
	*out = '\0';
	return wide;
}

json_object *
ml_json_object(MlContext *ctx, const char *text, const char *what)
{
	enum json_tokener_error error;
	json_object *object = json_tokener_parse_verbose(widen_integers(ctx, text), &error);

	if (object != NULL)
		ctx->defer(ctx, put_object, object);
	if (error != json_tokener_success)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "%s is not valid JSON", what),
					  ml_format(ctx, "%s.", json_tokener_error_desc(error)), NULL);
	if (!json_object_is_type(object, json_type_object))
		ml_raise_full(ctx, ML_ERROR_WRONG_TYPE, ml_format(ctx, "%s must be a JSON object", what), NULL,
					  "For example {\"key\": 1}.");
	return object;
}

const char *
ml_json_text(MlContext *ctx, json_object *value)
{
	return ml_strdup(ctx, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

void
ml_json_check_keys(MlContext *ctx, json_object *object, const char *what, const char *const *names, size_t n)
{
	json_object_object_foreach(object, key, value)
	{
		bool		known = false;

		(void) value;
		for (size_t i = 0; i < n && !known; i++)
			known = strcmp(names[i], key) == 0;
		if (!known)
			ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "%s has no key \"%s\"", what, key), NULL,
						  ml_candidates_hint(ctx, "key", key, names, n));
	}
}

bool
ml_json_write_scalar(MlWriter *w, const char *key, json_object *value)
{
	switch (json_object_get_type(value))
	{
		case json_type_null:
			ml_write_null(w, key);
			return true;
		case json_type_boolean:
			ml_write_bool(w, key, json_object_get_boolean(value));
			return true;
		case json_type_int:
			ml_write_int(w, key, json_object_get_int64(value));
			return true;
		case json_type_double:
			ml_write_double(w, key, json_object_get_double(value));
			return true;
		case json_type_string:
			ml_write_string_length(w, key, json_object_get_string(value), (size_t) json_object_get_string_len(value));
			return true;
		case json_type_array:
		case json_type_object:
			break;
	}
	return false;
}

void
ml_json_write(MlWriter *w, const char *key, json_object *value)
{
	if (ml_json_write_scalar(w, key, value))
		return;
	if (json_object_is_type(value, json_type_array))
	{
		ml_write_list(w, key);
		for (size_t i = 0; i < json_object_array_length(value); i++)
			ml_json_write(w, NULL, json_object_array_get_idx(value, i));
	}
	else
	{
		ml_write_object(w, key);
		json_object_object_foreach(value, name, member)
			ml_json_write(w, name, member);
	}
	ml_write_end(w);
}
