/*
 * Documents as JSON and back, exactly.  The form is described in document.h.
 *
 * Writing appends to one growing text.  Reading goes over the text twice: a scan that holds every
 * string, number and word to the letter of RFC 8259 and counts the members of each object, then
 * json-c's tokener for the structure.  The scan is there since json-c, strict or not, takes the last
 * of several equal keys, saturates integers that are too large, ends a key or the text at a NUL, and
 * takes single quotes, leading zeros, "1.", control characters and NaN.
 *
 * Numbers are printed and read in the locale "C"; PostgreSQL keeps LC_NUMERIC so, and json-c
 * sees to it itself.
 */
#include "base/document.h"
#include "base/document_internal.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Longer typed arrays are written as base64. */
#define JSON_MAX_NUMBERS 256

/* How many bytes or values are handled between two looks at cancellation. */
#ifndef JSON_PIECE
#define JSON_PIECE (1 << 20)
#endif

/* Objects and lists in the text: a typed array within the deepest object is an object and a list more. */
#define JSON_DEPTH (ML_DOCUMENT_DEPTH_MAX + 2)

/* Longer keys are not shown in errors. */
#define PLACE_MAX_KEY 80

/* The key that says what a value is which JSON has no form for. */
static const char *const markers[] =
{
	[ML_NODE_F64S] = "$f64",
	[ML_NODE_F32S] = "$f32",
	[ML_NODE_I64S] = "$i64",
	[ML_NODE_I32S] = "$i32",
	[ML_NODE_BYTES] = "$bytes",
};

#define MARKERS (sizeof markers / sizeof markers[0])

_Static_assert(MARKERS == ML_NODE_BYTES + 1, "every typed array has a marker");

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---------------------------------------------------------------- text */

/* An empty text. */
void
ml_text_init(MlText *text, MlContext *ctx)
{
	*text = (MlText) {.ctx = ctx};
}

/* Room for length more bytes; returns where they go. */
char *
ml_text_reserve(MlText *text, size_t length)
{
	size_t		needed;
	char	   *place;

	if (__builtin_add_overflow(text->length, length, &needed) || needed > SIZE_MAX / 4)
		ml_raise(text->ctx, ML_ERROR_MEMORY, "a text of more than %zu bytes is too long", SIZE_MAX / 4);
	if (needed > text->capacity)
	{
		size_t		capacity = text->capacity == 0 ? 512 : text->capacity * 2;

		if (capacity < needed)
			capacity = needed;
		text->data = ml_realloc(text->ctx, text->data, capacity);
		text->capacity = capacity;
	}
	place = text->data + text->length;
	text->length = needed;
	return place;
}

/* Append bytes. */
static void
text_append_bytes(MlText *text, const char *bytes, size_t length)
{
	if (length > 0)
		memcpy(ml_text_reserve(text, length), bytes, length);
}

/* Append a C string. */
void
ml_text_append(MlText *text, const char *string)
{
	text_append_bytes(text, string, strlen(string));
}

/* End the text. */
char *
ml_text_finish(MlText *text)
{
	*ml_text_reserve(text, 1) = '\0';
	return text->data;
}

/* ---------------------------------------------------------------- writing */

/* Append one character of a JSON string in the form that it needs. */
static void
append_escaped(MlText *text, unsigned char c)
{
	static const char short_names[] = "btn?fr";	/* from 8 to 13 */
	char		escape[8];

	if (c == '"' || c == '\\')
		snprintf(escape, sizeof escape, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != 11)
		snprintf(escape, sizeof escape, "\\%c", short_names[c - 8]);
	else
		snprintf(escape, sizeof escape, "\\u%04x", c);
	ml_text_append(text, escape);
}

/* Append a JSON string; bytes from 0x80 on stand for themselves, whatever the encoding. */
void
ml_text_append_string(MlText *text, const char *string, size_t length)
{
	size_t		begin = 0;

	ml_text_append(text, "\"");
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) string[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		text_append_bytes(text, string + begin, i - begin);
		append_escaped(text, c);
		begin = i + 1;
	}
	text_append_bytes(text, string + begin, length - begin);
	ml_text_append(text, "\"");
}

/* NaN and infinities by name; NULL for all other values. */
static const char *
nonfinite_name(double value)
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value > 0 ? "Infinity" : "-Infinity";
	return NULL;
}

/* Append a finite number in the fewest digits, from first to last, that give it back; always with '.' or 'e'. */
static void
append_number(MlText *text, double value, bool is_float)
{
	int			first = is_float ? FLT_DIG : DBL_DIG;
	int			last = first + (is_float ? 3 : 2);
	char		digits[40];

	for (int precision = first; precision <= last; precision++)
	{
		double		back;

		snprintf(digits, sizeof digits, "%.*g", precision, value);
		back = strtod(digits, NULL);
		if (is_float ? (float) back == (float) value : back == value)
			break;
	}
	ml_text_append(text, digits);
	if (strpbrk(digits, ".e") == NULL)
		ml_text_append(text, ".0");
}

/* Append an element of a list of numbers. */
static void
append_float(MlText *text, double value, bool is_float, bool plain)
{
	const char *name = nonfinite_name(value);

	if (name == NULL)
		append_number(text, value, is_float);
	else if (plain)
		ml_text_append(text, "null");
	else
		ml_text_append_string(text, name, strlen(name));
}

/* Append an integer. */
static void
append_int(MlText *text, int64_t value)
{
	char		digits[24];

	snprintf(digits, sizeof digits, "%" PRId64, value);
	ml_text_append(text, digits);
}

/* Append bytes in base64, within quotes. */
static void
append_base64(MlText *text, const unsigned char *bytes, size_t size)
{
	size_t		whole = size / 3;
	size_t		rest = size % 3;
	char	   *out;

	out = ml_text_reserve(text, (whole + (rest != 0)) * 4 + 2);
	*out++ = '"';
	for (size_t i = 0; i < whole; i++, bytes += 3, out += 4)
	{
		uint32_t	bits = (uint32_t) bytes[0] << 16 | (uint32_t) bytes[1] << 8 | bytes[2];

		if (i % JSON_PIECE == JSON_PIECE - 1)
			ml_check(text->ctx);
		out[0] = base64_digits[bits >> 18];
		out[1] = base64_digits[bits >> 12 & 63];
		out[2] = base64_digits[bits >> 6 & 63];
		out[3] = base64_digits[bits & 63];
	}
	if (rest != 0)
	{
		uint32_t	bits = (uint32_t) bytes[0] << 16 | (rest == 2 ? (uint32_t) bytes[1] << 8 : 0);

		*out++ = base64_digits[bits >> 18];
		*out++ = base64_digits[bits >> 12 & 63];
		*out++ = rest == 2 ? base64_digits[bits >> 6 & 63] : '=';
		*out++ = '=';
	}
	*out = '"';
}

/* Append an element of a typed array. */
static void
append_element(MlText *text, MlNodeType type, const void *values, size_t i, bool plain)
{
	switch (type)
	{
		case ML_NODE_F64S:
			append_float(text, ((const double *) values)[i], false, plain);
			break;
		case ML_NODE_F32S:
			append_float(text, ((const float *) values)[i], true, plain);
			break;
		case ML_NODE_I64S:
			append_int(text, ((const int64_t *) values)[i]);
			break;
		case ML_NODE_I32S:
			append_int(text, ((const int32_t *) values)[i]);
			break;
		default:
			append_int(text, ((const unsigned char *) values)[i]);
			break;
	}
}

/* Append a typed array. */
static void
append_array(MlText *text, const MlNode *node, bool plain)
{
	MlNodeType	type = ml_node_type(node);
	const void *values = ml_node_array(node);
	size_t		count = ml_node_count(node);

	if (!plain)
	{
		ml_text_append(text, "{\"");
		ml_text_append(text, markers[type]);
		ml_text_append(text, "\": ");
	}
	if (type == ML_NODE_BYTES || (count > JSON_MAX_NUMBERS && !plain))
		append_base64(text, values, count * ml_element_size(type));
	else
	{
		ml_text_append(text, "[");
		for (size_t i = 0; i < count; i++)
		{
			if (i > 0)
				ml_text_append(text, ", ");
			if (i % (JSON_PIECE / 64 + 1) == JSON_PIECE / 64)
				ml_check(text->ctx);
			append_element(text, type, values, i, plain);
		}
		ml_text_append(text, "]");
	}
	if (!plain)
		ml_text_append(text, "}");
}

/* Append a scalar double. */
static void
append_double(MlText *text, double value, bool plain)
{
	bool		marked = !plain && nonfinite_name(value) != NULL;

	if (marked)
		ml_text_append(text, "{\"$f64\": ");
	append_float(text, value, false, plain);
	if (marked)
		ml_text_append(text, "}");
}

/* Append an object or list. */
static void
append_container(MlText *text, const MlNode *node, bool plain)
{
	bool		is_object = ml_node_type(node) == ML_NODE_OBJECT;

	ml_check(text->ctx);
	ml_text_append(text, is_object ? "{" : "[");
	for (size_t i = 0; i < ml_node_count(node); i++)
	{
		if (i > 0)
			ml_text_append(text, ", ");
		if (is_object)
		{
			const char *key = ml_node_key(node, i);

			if (key[0] == '$' && !plain)
			{
				char	   *escaped = ml_format(text->ctx, "$%s", key);

				ml_text_append_string(text, escaped, strlen(escaped));
				ml_free(text->ctx, escaped);
			}
			else
				ml_text_append_string(text, key, strlen(key));
			ml_text_append(text, ": ");
		}
		ml_text_append_node(text, ml_node_at(node, i), plain);
	}
	ml_text_append(text, is_object ? "}" : "]");
}

/* Append the JSON of a node. */
void
ml_text_append_node(MlText *text, const MlNode *node, bool plain)
{
	switch (ml_node_type(node))
	{
		case ML_NODE_NULL:
			ml_text_append(text, "null");
			break;
		case ML_NODE_BOOL:
			ml_text_append(text, ml_node_bool(node) ? "true" : "false");
			break;
		case ML_NODE_INT:
			append_int(text, ml_node_int(node));
			break;
		case ML_NODE_DOUBLE:
			append_double(text, ml_node_double(node), plain);
			break;
		case ML_NODE_STRING:
			ml_text_append_string(text, ml_node_string(node), ml_node_count(node));
			break;
		case ML_NODE_OBJECT:
		case ML_NODE_LIST:
			append_container(text, node, plain);
			break;
		default:
			append_array(text, node, plain);
			break;
	}
}

/* The JSON of a node. */
char *
ml_node_to_json(MlContext *ctx, const MlNode *node, bool plain)
{
	MlText		text;

	ml_text_init(&text, ctx);
	ml_text_append_node(&text, node, plain);
	return ml_text_finish(&text);
}

/* ---------------------------------------------------------------- scanning */

/* The state of the scan over the text. */
typedef struct Scan
{
	MlContext  *ctx;
	const char *text;
	size_t		length;
	size_t		at;
	size_t	   *members;		/* of each object, in the order of their beginnings */
	size_t		nobjects;
	size_t		capacity;
	size_t		next_check;
} Scan;

/* Raise about a place in the text, which is no JSON. */
static void __attribute__((noreturn))
raise_scan(const Scan *scan, size_t at, const char *what)
{
	ml_raise_full(scan->ctx, ML_ERROR_SYNTAX, "invalid JSON of a model",
				  ml_format(scan->ctx, "At byte %zu: %s.", at + 1, what), NULL);
}

/* Raise about a place in the text where JSON says what no model does. */
static void __attribute__((noreturn))
raise_unsound(const Scan *scan, size_t at, const char *what)
{
	ml_raise_full(scan->ctx, ML_ERROR_CORRUPTED, "invalid JSON of a model",
				  ml_format(scan->ctx, "At byte %zu: %s.", at + 1, what), NULL);
}

/* The value of a four-digit escape that begins with its 'u' at; -1 when it is none. */
static int
scan_unicode(const Scan *scan, size_t at)
{
	int			value = 0;

	if (scan->length - at < 5 || scan->text[at] != 'u')
		return -1;
	for (size_t i = at + 1; i < at + 5; i++)
	{
		char		c = scan->text[i];

		value *= 16;
		if (c >= '0' && c <= '9')
			value += c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value += (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* Check an escape whose backslash is at scan->at; moves behind it. */
static void
scan_escape(Scan *scan)
{
	size_t		at = scan->at + 1;
	int			unit;

	if (at < scan->length && scan->text[at] != '\0' && strchr("\"\\/bfnrt", scan->text[at]) != NULL)
	{
		scan->at = at + 1;
		return;
	}
	unit = at < scan->length ? scan_unicode(scan, at) : -1;
	if (unit < 0)
		raise_scan(scan, scan->at, "a string has an escape that JSON does not know");
	if (unit == 0)
		raise_unsound(scan, scan->at, "a string contains a NUL character");
	scan->at = at + 5;
	if (unit >= 0xd800 && unit <= 0xdfff)
	{
		int			low = -1;

		if (unit < 0xdc00 && scan->length - scan->at >= 2 && scan->text[scan->at] == '\\')
			low = scan_unicode(scan, scan->at + 1);
		if (low < 0xdc00 || low > 0xdfff)
			raise_scan(scan, at - 1, "a string has half of a surrogate pair");
		scan->at += 6;
	}
}

/* Check a string whose quote is at scan->at; moves behind it. */
static void
scan_string(Scan *scan)
{
	size_t		begin = scan->at++;

	while (scan->at < scan->length)
	{
		unsigned char c = (unsigned char) scan->text[scan->at];

		if (c == '"')
		{
			scan->at++;
			return;
		}
		if (c < 0x20)
			raise_scan(scan, scan->at, "a string contains a control character");
		if (c == '\\')
			scan_escape(scan);
		else
			scan->at++;
		if (scan->at >= scan->next_check)
		{
			scan->next_check = scan->at + JSON_PIECE;
			ml_check(scan->ctx);
		}
	}
	raise_scan(scan, begin, "a string does not end");
}

/* Move behind digits; returns how many there are. */
static size_t
scan_digits(Scan *scan)
{
	size_t		begin = scan->at;

	while (scan->at < scan->length && scan->text[scan->at] >= '0' && scan->text[scan->at] <= '9')
		scan->at++;
	return scan->at - begin;
}

/* Is the next byte this one? */
static bool
scan_is(const Scan *scan, char c)
{
	return scan->at < scan->length && scan->text[scan->at] == c;
}

/* Check a number that begins at scan->at; moves behind it. */
static void
scan_number(Scan *scan)
{
	size_t		begin = scan->at;
	bool		is_integer = true;
	bool		sound;
	size_t		leading;

	scan->at += scan_is(scan, '-');
	leading = scan->at;
	sound = scan_digits(scan) > 0;
	sound = sound && (scan->text[leading] != '0' || scan->at == leading + 1);
	if (sound && scan_is(scan, '.'))
	{
		is_integer = false;
		scan->at++;
		sound = scan_digits(scan) > 0;
	}
	if (sound && (scan_is(scan, 'e') || scan_is(scan, 'E')))
	{
		is_integer = false;
		scan->at++;
		scan->at += scan_is(scan, '-') || scan_is(scan, '+');
		sound = scan_digits(scan) > 0;
	}
	if (!sound)
		raise_scan(scan, begin, "a number is malformed");
	if (is_integer && scan->at - leading >= 19)
	{
		char		digits[24] = "";

		if (scan->at - begin < sizeof digits)
			memcpy(digits, scan->text + begin, scan->at - begin);
		errno = 0;
		(void) strtoll(digits, NULL, 10);
		if (digits[0] == '\0' || errno == ERANGE)
			raise_unsound(scan, begin, "an integer does not fit into 64 bits");
	}
}

/* Check a word that begins at scan->at; moves behind it. */
static void
scan_word(Scan *scan)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
	{
		size_t		length = strlen(words[i]);

		if (scan->length - scan->at >= length && memcmp(scan->text + scan->at, words[i], length) == 0)
		{
			scan->at += length;
			return;
		}
	}
	raise_scan(scan, scan->at, "this is not JSON");
}

/* Count one more object; returns its number. */
static size_t
scan_object(Scan *scan)
{
	if (scan->nobjects == scan->capacity)
	{
		scan->capacity = scan->capacity == 0 ? 64 : scan->capacity * 2;
		scan->members = ml_realloc(scan->ctx, scan->members, scan->capacity * sizeof(size_t));
	}
	scan->members[scan->nobjects] = 0;
	return scan->nobjects++;
}

/*
 * Hold every string, number and word to JSON's letter, and count the colons of every object.
 * Whether the tokens stand in a sound order is left to the tokener.
 */
static void
scan_text(Scan *scan)
{
	size_t		open[JSON_DEPTH];
	size_t		depth = 0;

	while (scan->at < scan->length)
	{
		char		c = scan->text[scan->at];

		if (scan->at >= scan->next_check)
		{
			scan->next_check = scan->at + JSON_PIECE;
			ml_check(scan->ctx);
		}
		if (c == '"')
			scan_string(scan);
		else if (c == '-' || (c >= '0' && c <= '9'))
			scan_number(scan);
		else if (c == '\0' || strchr("{}[]:, \t\r\n", c) == NULL)
			scan_word(scan);
		else
		{
			if (c == '{' && depth == JSON_DEPTH)
				raise_unsound(scan, scan->at, "objects are nested too deeply");
			if (c == '{')
				open[depth++] = scan_object(scan);
			else if (c == '}' && depth > 0)
				depth--;
			else if (c == ':' && depth > 0)
				scan->members[open[depth - 1]]++;
			scan->at++;
		}
	}
}

/* ---------------------------------------------------------------- reading */

/* What is held of json-c, whose memory is not the context's. */
typedef struct Parsed
{
	struct json_tokener *tokener;
	struct json_object *root;
} Parsed;

typedef struct Reader
{
	MlContext  *ctx;
	MlWriter   *writer;
	size_t		max_depth;
	const size_t *members;		/* of each object as the scan counted them */
	size_t		object;			/* how many objects have been met */
} Reader;

/* Where a value stands, up to the root. */
typedef struct Place
{
	const struct Place *parent; /* NULL: this is the root */
	const char *key;			/* NULL: an element of a list */
	size_t		index;
	size_t		depth;			/* containers around it */
} Place;

static void read_value(Reader *reader, const char *key, struct json_object *value, const Place *place);

/* Give json-c's memory back. */
static void
parsed_release(void *arg)
{
	Parsed	   *parsed = arg;

	if (parsed->tokener != NULL)
		json_tokener_free(parsed->tokener);
	json_object_put(parsed->root);
	*parsed = (Parsed) {NULL, NULL};
}

/* Append "payload.coef[3]" to a text. */
static void
place_append(MlText *text, const Place *place)
{
	char		index[24];

	if (place->parent == NULL)
		return;
	place_append(text, place->parent);
	if (place->key != NULL)
	{
		if (place->parent->parent != NULL)
			ml_text_append(text, ".");
		ml_text_append(text, strlen(place->key) <= PLACE_MAX_KEY ? place->key : "...");
		return;
	}
	snprintf(index, sizeof index, "[%zu]", place->index);
	ml_text_append(text, index);
}

/* Raise about a value. */
static void __attribute__((noreturn))
raise_place(const Reader *reader, const Place *place, const char *what)
{
	MlText		text;

	ml_text_init(&text, reader->ctx);
	ml_text_append(&text, "At ");
	if (place->parent == NULL)
		ml_text_append(&text, "the root");
	place_append(&text, place);
	ml_text_append(&text, ": ");
	ml_text_append(&text, what);
	ml_text_append(&text, ".");
	ml_raise_full(reader->ctx, ML_ERROR_CORRUPTED, "invalid JSON of a model", ml_text_finish(&text), NULL);
}

/* The same about an element of a list. */
static void __attribute__((noreturn))
raise_element(const Reader *reader, const Place *place, size_t index, const char *what)
{
	Place		element = {place, NULL, index, place->depth};

	raise_place(reader, &element, what);
}

/* How much of the text to hand to the tokener next: not past a piece, and not to the middle of a number. */
static size_t
piece_length(const char *text, size_t rest)
{
	size_t		length = JSON_PIECE;

	if (rest <= JSON_PIECE)
		return rest;
	while (length < rest && length < INT_MAX && strchr("+-.0123456789Ee", text[length - 1]) != NULL)
		length++;
	return length;
}

/* Parse the scanned text; json-c's objects are in parsed. */
static void
parse_text(const Scan *scan, Parsed *parsed)
{
	enum json_tokener_error error = json_tokener_continue;
	size_t		at = 0;

	/* json-c counts the innermost scalar as a level of its own, and one beyond */
	parsed->tokener = json_tokener_new_ex(JSON_DEPTH + 2);
	if (parsed->tokener == NULL)
		ml_raise(scan->ctx, ML_ERROR_MEMORY, "out of memory");
	/* strictly, but json-c 0.18 then rejects all strings that are not ASCII (its issue 875) */
	if ((json_c_version_num() >> 8) != ((0 << 8) | 18))
		json_tokener_set_flags(parsed->tokener, JSON_TOKENER_STRICT);

	while (error == json_tokener_continue && at < scan->length)
	{
		size_t		length = piece_length(scan->text + at, scan->length - at);

		ml_check(scan->ctx);
		parsed->root = json_tokener_parse_ex(parsed->tokener, scan->text + at, (int) length);
		error = json_tokener_get_error(parsed->tokener);
		at += error == json_tokener_continue ? length : json_tokener_get_parse_end(parsed->tokener);
	}
	/* only what follows tells the tokener that a number or word has ended */
	if (error == json_tokener_continue)
	{
		parsed->root = json_tokener_parse_ex(parsed->tokener, " ", 1);
		error = json_tokener_get_error(parsed->tokener);
	}
	if (error == json_tokener_continue)
		raise_scan(scan, scan->length, "the text ends too early");
	if (error == json_tokener_error_depth)
		raise_unsound(scan, at, json_tokener_error_desc(error));
	if (error != json_tokener_success)
		raise_scan(scan, at, json_tokener_error_desc(error));
	while (at < scan->length && strchr(" \t\r\n", scan->text[at]) != NULL)
		at++;
	if (at < scan->length)
		raise_scan(scan, at, "something follows the end");
}

/* The name of a value that is not finite; false when it is no such name. */
static bool
read_nonfinite(struct json_object *value, double *out)
{
	const char *name;

	if (!json_object_is_type(value, json_type_string))
		return false;
	name = json_object_get_string(value);
	if (strcmp(name, "NaN") == 0)
		*out = NAN;
	else if (strcmp(name, "Infinity") == 0)
		*out = INFINITY;
	else if (strcmp(name, "-Infinity") == 0)
		*out = -INFINITY;
	else
		return false;
	return true;
}

/* An element of a list of doubles or floats. */
static double
read_float(const Reader *reader, struct json_object *value, bool is_float, const Place *place, size_t index)
{
	double		number;

	if (json_object_is_type(value, json_type_int))
	{
		number = (double) json_object_get_int64(value);
		/* 2^63 as a double does not fit back */
		if (number >= 0x1p63 || (int64_t) number != json_object_get_int64(value) ||
			(is_float && (double) (float) number != number))
			raise_element(reader, place, index, "an integer has too many digits for a floating point number");
		return number;
	}
	if (json_object_is_type(value, json_type_double))
	{
		number = json_object_get_double(value);
		if (!isfinite(number) || (is_float && !isfinite((float) number)))
			raise_element(reader, place, index, "a number is too large");
		return number;
	}
	if (!read_nonfinite(value, &number))
		raise_element(reader, place, index, "a number is expected");
	return number;
}

/* An element of a list of integers between min and max. */
static int64_t
read_int(const Reader *reader, struct json_object *value, int64_t min, int64_t max, const Place *place, size_t index)
{
	int64_t		number;

	if (!json_object_is_type(value, json_type_int))
		raise_element(reader, place, index, "an integer is expected");
	number = json_object_get_int64(value);
	if (number < min || number > max)
		raise_element(reader, place, index, "an integer is out of range");
	return number;
}

/* The elements of a typed array that is a list of numbers. */
static void
read_numbers(const Reader *reader, MlNodeType type, struct json_object *list, void *values, const Place *place)
{
	size_t		count = json_object_array_length(list);

	for (size_t i = 0; i < count; i++)
	{
		struct json_object *value = json_object_array_get_idx(list, i);

		if (i % (JSON_PIECE / 64 + 1) == JSON_PIECE / 64)
			ml_check(reader->ctx);
		switch (type)
		{
			case ML_NODE_F64S:
				((double *) values)[i] = read_float(reader, value, false, place, i);
				break;
			case ML_NODE_F32S:
				((float *) values)[i] = (float) read_float(reader, value, true, place, i);
				break;
			case ML_NODE_I64S:
				((int64_t *) values)[i] = read_int(reader, value, INT64_MIN, INT64_MAX, place, i);
				break;
			case ML_NODE_I32S:
				((int32_t *) values)[i] = (int32_t) read_int(reader, value, INT32_MIN, INT32_MAX, place, i);
				break;
			default:
				((unsigned char *) values)[i] = (unsigned char) read_int(reader, value, 0, UINT8_MAX, place, i);
				break;
		}
	}
}

/* Six bits of a base64 digit; above 63 when it is none. */
static inline uint32_t
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t) (c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t) (c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t) (c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* The value of each base64 digit, 64 for bytes that are none. */
static void
base64_table(uint8_t *table)
{
	for (int c = 0; c < 256; c++)
		table[c] = (uint8_t) base64_value((char) c);
}

/* The bytes of a base64 text, strictly: padded, nothing else in it, no stray bits. */
static unsigned char *
read_base64(const Reader *reader, const char *text, size_t length, size_t *size, const Place *place)
{
	uint8_t		values[256];
	size_t		padding = 0;
	unsigned char *bytes;
	unsigned char *out;
	uint32_t	wrong = 0;
	uint32_t	bits = 0;

	base64_table(values);
	if (length % 4 != 0)
		raise_place(reader, place, "the length of base64 is not a multiple of 4");
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	*size = length / 4 * 3 - padding;
	bytes = out = ml_alloc(reader->ctx, length / 4 * 3 + 1);
	for (size_t i = 0; i < length; i += 4)
	{
		bits = 0;
		for (size_t j = i; j < i + 4; j++)
		{
			uint32_t	value = j < length - padding ? values[(unsigned char) text[j]] : 0;

			wrong |= value;
			bits = bits << 6 | value;
		}
		*out++ = (unsigned char) (bits >> 16);
		*out++ = (unsigned char) (bits >> 8);
		*out++ = (unsigned char) bits;
		if (i % JSON_PIECE == 0)
			ml_check(reader->ctx);
	}
	if (wrong >= 64)
		raise_place(reader, place, "base64 has a character that it does not know");
	if ((bits & ((1U << (8 * padding)) - 1)) != 0)
		raise_place(reader, place, "base64 ends in stray bits");
	return bytes;
}

/* Write a typed array whose elements are in memory. */
static void
write_array(MlWriter *w, const char *key, MlNodeType type, const void *values, size_t count)
{
	switch (type)
	{
		case ML_NODE_F64S:
			ml_write_f64s(w, key, values, count);
			break;
		case ML_NODE_F32S:
			ml_write_f32s(w, key, values, count);
			break;
		case ML_NODE_I64S:
			ml_write_i64s(w, key, values, count);
			break;
		case ML_NODE_I32S:
			ml_write_i32s(w, key, values, count);
			break;
		default:
			ml_write_bytes(w, key, values, count);
			break;
	}
}

/* A typed array, or a double that is not finite, from what its marker holds. */
static void
read_marked(Reader *reader, const char *key, MlNodeType type, struct json_object *value, const Place *place)
{
	size_t		element = ml_element_size(type);
	size_t		count;
	void	   *values;
	double		number;

	if (type == ML_NODE_F64S && read_nonfinite(value, &number))
	{
		ml_write_double(reader->writer, key, number);
		return;
	}
	if (json_object_is_type(value, json_type_array))
	{
		count = json_object_array_length(value);
		values = ml_alloc_array(reader->ctx, count, element);
		read_numbers(reader, type, value, values, place);
	}
	else if (json_object_is_type(value, json_type_string))
	{
		size_t		size;

		values = read_base64(reader, json_object_get_string(value),
							 (size_t) json_object_get_string_len(value), &size, place);
		if (size % element != 0)
			raise_place(reader, place, "base64 is not a whole number of elements");
		count = size / element;
	}
	else
		raise_place(reader, place, "a list of numbers or base64 is expected");
	write_array(reader->writer, key, type, values, count);
	ml_free(reader->ctx, values);
}

/* The type that an object's marker says; ML_NODE_INVALID when it has none. */
static MlNodeType
marked_type(struct json_object *value, struct json_object **marked)
{
	if (!json_object_is_type(value, json_type_object) || json_object_object_length(value) != 1)
		return ML_NODE_INVALID;
	for (size_t type = 0; type < MARKERS; type++)
	{
		if (markers[type] != NULL && json_object_object_get_ex(value, markers[type], marked))
			return (MlNodeType) type;
	}
	return ML_NODE_INVALID;
}

/* Note that an object begins, and hold it against the scan, which saw keys that json-c has merged. */
static void
read_count(Reader *reader, struct json_object *value, const Place *place)
{
	size_t		count = reader->members[reader->object++];

	if (count != (size_t) json_object_object_length(value))
		raise_place(reader, place, "the object has a key twice");
}

/* The members of an object, into the object that is open. */
static void
read_members(Reader *reader, struct json_object *value, const Place *place)
{
	struct json_object_iterator member = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);

	for (; !json_object_iter_equal(&member, &end); json_object_iter_next(&member))
	{
		const char *key = json_object_iter_peek_name(&member);
		Place		inner = {place, key, 0, place->depth + 1};

		if (key[0] == '$' && key[1] != '$')
			raise_place(reader, &inner, "a key that begins with one $ is no key of a model; write $$");
		if (key[0] == '$')
			key++;
		read_value(reader, key, json_object_iter_peek_value(&member), &inner);
	}
}

/* An object or list. */
static void
read_container(Reader *reader, const char *key, struct json_object *value, const Place *place)
{
	if (place->depth >= reader->max_depth)
		raise_place(reader, place, "objects and lists are nested too deeply");
	ml_check(reader->ctx);
	if (json_object_is_type(value, json_type_object))
	{
		ml_write_object(reader->writer, key);
		read_members(reader, value, place);
	}
	else
	{
		ml_write_list(reader->writer, key);
		for (size_t i = 0; i < json_object_array_length(value); i++)
		{
			Place		inner = {place, NULL, i, place->depth + 1};

			read_value(reader, NULL, json_object_array_get_idx(value, i), &inner);
		}
	}
	ml_write_end(reader->writer);
}

/* Any value. */
static void
read_value(Reader *reader, const char *key, struct json_object *value, const Place *place)
{
	struct json_object *marked;
	MlNodeType	type = ML_NODE_INVALID;

	if (json_object_is_type(value, json_type_double) && !isfinite(json_object_get_double(value)))
		raise_place(reader, place, "a number is too large");
	if (ml_json_write_scalar(reader->writer, key, value))
		return;
	if (json_object_is_type(value, json_type_object))
	{
		read_count(reader, value, place);
		type = marked_type(value, &marked);
	}
	if (type != ML_NODE_INVALID)
		read_marked(reader, key, type, marked, place);
	else
		read_container(reader, key, value, place);
}

/* ml_document_from_json with another limit of depth. */
void *
ml_document_parse(MlContext *ctx, const char *json, size_t length, size_t max_depth, size_t *size)
{
	Scan		scan = {.ctx = ctx, .text = json, .length = length};
	Parsed	   *parsed = ml_alloc_zero(ctx, sizeof *parsed);
	Reader		reader = {.ctx = ctx, .max_depth = max_depth};
	Place		root = {NULL, NULL, 0, 0};
	struct json_object *ignored;

	scan_text(&scan);
	ctx->defer(ctx, parsed_release, parsed);
	parse_text(&scan, parsed);

	reader.members = scan.members;
	if (!json_object_is_type(parsed->root, json_type_object))
		raise_place(&reader, &root, "an object is expected");
	read_count(&reader, parsed->root, &root);
	if (marked_type(parsed->root, &ignored) != ML_NODE_INVALID)
		raise_place(&reader, &root, "an object is expected, no typed array");
	reader.writer = ml_writer_create_depth(ctx, max_depth);
	read_members(&reader, parsed->root, &root);

	/* the document is made: what json-c holds can go at once, the deferred release finds nothing */
	parsed_release(parsed);
	ml_free(ctx, scan.members);
	return ml_writer_finish(reader.writer, size);
}

/* The document of a JSON object. */
void *
ml_document_from_json(MlContext *ctx, const char *json, size_t length, size_t *size)
{
	return ml_document_parse(ctx, json, length, ML_DOCUMENT_DEPTH, size);
}
