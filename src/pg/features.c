/*
 * The values of a call or a source -> raw rows of a model.
 *
 * One set of rules for SQL values and JSON, so that all forms of prediction agree to the
 * last bit:
 *   number    any number or boolean; date and time types as seconds.  Text is parsed
 *             strictly as a number, or by the input function of the date or time type
 *             that the feature had in training (JSON has no dates).  JSON text for
 *             another number is an error.
 *   category  text; a number or boolean given for one becomes its text.
 *   vector    an array of numbers as long as in training.
 *   text      text, which becomes terms as in training (texts.h).
 * A feature that was real in training is rounded to real, as the column's own values are: so
 * 0.1 is the same number from the column, from JSON and from a literal.
 * NULL and NaN are missing values; infinity is an error.
 */
#include "postgres.h"

#include <ctype.h>

#include "pg/features.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "pg/texts.h"

/* ---- mistakes, one wording each ---- */

/* Refuse an infinite value. */
void
feature_error_infinite(const MlModel *model, int feature)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("feature \"%s\" is infinite", model->signature->features[feature].name),
			 errhint("Give a finite number, or NULL for a missing value.")));
}

/* What values of a feature have to be. */
static const char *
kind_phrase(const MlFeature *feature)
{
	switch (feature->kind)
	{
		case ML_KIND_NUMBER:
			return "a number";
		case ML_KIND_VECTOR:
			return "an array of numbers";
		default:
			return "text";
	}
}

/* Refuse values of a type. */
static void
error_type(const MlFeature *feature, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("feature \"%s\" must be %s, not of type %s",
					feature->name, kind_phrase(feature), format_type_be(type)),
			 errdetail("In training it was of type %s.", feature->type)));
}

/* Refuse a JSON value. */
static void
error_json_type(const MlFeature *feature, const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("feature \"%s\" must be %s, not %s", feature->name, kind_phrase(feature), given),
			 errdetail("In training it was of type %s.", feature->type)));
}

/* Refuse text that is no number. */
static void
error_not_number(const MlFeature *feature, const char *bytes, size_t length)
{
	int			shown = pg_mbcliplen(bytes, (int) length, SHOWN_BYTES);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("feature \"%s\" must be a number, not \"%.*s\"", feature->name, shown, bytes)));
}

/* Refuse a vector of another length. */
static void
error_width(const MlFeature *feature, int given)
{
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("feature \"%s\" must have %d elements, not %d", feature->name, feature->width, given)));
}

/* The names of a model's features as a list, cut when it is long. */
static char *
feature_list(const MlModel *model)
{
	const MlSignature *signature = model->signature;
	StringInfoData list;

	initStringInfo(&list);
	for (int f = 0; f < signature->nfeatures && f < 30; f++)
	{
		appendStringInfo(&list, "%s\"%s\"", f > 0 ? ", " : "", signature->features[f].name);
		if (signature->features[f].width > 1)
			appendStringInfo(&list, " (%d elements)", signature->features[f].width);
	}
	if (signature->nfeatures > 30)
		appendStringInfo(&list, " and %d more", signature->nfeatures - 30);
	return list.data;
}

/* Refuse a wrong number of values. */
void
features_error_count(const MlModel *model, int given, int expected, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the model takes %d %s, not %d", expected, what, given),
			 errdetail("Its features are, in order: %s.", feature_list(model)),
			 errhint("A row or a JSON object is matched by name, whatever the order.")));
}

/* ---- text and numbers ---- */

/* Tell whether text is a decimal number as SQL writes one, or a name of NaN or infinity. */
static bool
is_number_text(const char *text)
{
	const char *p = text;
	int			digits = 0;

	if (*p == '+' || *p == '-')
		p++;
	if (pg_strcasecmp(p, "nan") == 0 || pg_strcasecmp(p, "inf") == 0 || pg_strcasecmp(p, "infinity") == 0)
		return true;
	for (; *p >= '0' && *p <= '9'; p++)
		digits++;
	if (*p == '.')
	{
		for (p++; *p >= '0' && *p <= '9'; p++)
			digits++;
	}
	if (digits == 0)
		return false;
	if (*p == 'e' || *p == 'E')
	{
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (*p < '0' || *p > '9')
			return false;
		while (*p >= '0' && *p <= '9')
			p++;
	}
	return *p == '\0';
}

/* The number that a text is, blanks around it aside; false when it is none. */
bool
text_number(const char *bytes, size_t length, double *number)
{
	char		buffer[128];
	char	   *text = buffer;

	while (length > 0 && isspace((unsigned char) bytes[0]))
	{
		bytes++;
		length--;
	}
	while (length > 0 && isspace((unsigned char) bytes[length - 1]))
		length--;
	if (length >= sizeof(buffer))
		text = palloc(length + 1);
	memcpy(text, bytes, length);
	text[length] = '\0';
	if (!is_number_text(text))
		return false;
	*number = strtod(text, NULL);
	return true;
}

/* A number in its shortest exact form, whatever extra_float_digits says. */
char *
number_text(double number)
{
	char	   *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	double_to_shortest_decimal_buf(number, text);
	return text;
}

/* The type that text for a NUMBER feature is parsed as: what it was in training. */
static Oid
text_type(const MlFeature *feature)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			types[] = {
		{"boolean", BOOLOID},
		{"date", DATEOID},
		{"time without time zone", TIMEOID},
		{"time with time zone", TIMETZOID},
		{"timestamp without time zone", TIMESTAMPOID},
		{"timestamp with time zone", TIMESTAMPTZOID},
		{"interval", INTERVALOID},
	};

	for (size_t i = 0; i < lengthof(types); i++)
	{
		if (strcmp(feature->type, types[i].name) == 0)
			return types[i].type;
	}
	return FLOAT8OID;
}

/* Say which feature an input function complains about. */
static void
feature_error_callback(void *arg)
{
	errcontext("feature \"%s\"", ((const MlFeature *) arg)->name);
}

/* Text through the input function of a type. */
static Datum
parse_input(const MlFeature *feature, Oid function, Oid parameter, const char *bytes, size_t length)
{
	ErrorContextCallback callback = {.callback = feature_error_callback, .arg = unconstify(MlFeature *, feature)};
	Datum		value;

	callback.previous = error_context_stack;
	error_context_stack = &callback;
	value = OidInputFunctionCall(function, pnstrdup(bytes, length), parameter, -1);
	error_context_stack = callback.previous;
	return value;
}

/* Is a text one that means another moment each time it is read ("now", "today")? */
static bool
is_relative_time(const char *bytes, size_t length)
{
	static const char *const fixed[] = {"epoch", "infinity", "-infinity"};

	for (size_t i = 0; i < length; i++)
		if (isdigit((unsigned char) bytes[i]))
			return false;
	for (size_t i = 0; i < lengthof(fixed); i++)
		if (length == strlen(fixed[i]) && pg_strncasecmp(bytes, fixed[i], length) == 0)
			return false;
	return true;
}

/*
 * A date or time in seconds, through the input function of its type, in UTC where the text names no
 * time zone: a model's prediction must not depend on where the session thinks it is.  (The order of
 * day and month is DateStyle's, as a column's own text is.)
 */
static double
parse_time(const MlFeature *feature, Oid type, const char *bytes, size_t length)
{
	pg_tz	   *zone = session_timezone;
	ValueReader reader;
	Oid			function;
	Oid			parameter;
	double		seconds = 0;

	if (is_relative_time(bytes, length))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("feature \"%s\" must be a date or time in figures, not \"%.*s\"", feature->name,
						pg_mbcliplen(bytes, (int) length, SHOWN_BYTES), bytes)));
	getTypeInputInfo(type, &function, &parameter);
	value_reader_init(&reader, type, CurrentMemoryContext);
	PG_TRY();
	{
		session_timezone = pg_tzset("GMT");
		seconds = value_number(&reader, parse_input(feature, function, parameter, bytes, length));
	}
	PG_FINALLY();
	{
		session_timezone = zone;
	}
	PG_END_TRY();
	return seconds;
}

/* The number of a text for a NUMBER feature. */
static double
parse_number(const MlFeature *feature, const char *bytes, size_t length)
{
	Oid			type = text_type(feature);
	double		number;
	bool		flag;

	if (type == BOOLOID && parse_bool_with_len(bytes, length, &flag))
		return flag ? 1.0 : 0.0;
	if (type != FLOAT8OID && type != BOOLOID)
		return parse_time(feature, type, bytes, length);
	if (!text_number(bytes, length, &number))
		error_not_number(feature, bytes, length);
	return number;
}

/* The text of a number where a category is meant. */
static const char *
category_number(Oid base, Datum value, size_t *length)
{
	char	   *text;

	switch (base)
	{
		case INT2OID:
			text = psprintf("%d", DatumGetInt16(value));
			break;
		case INT4OID:
			text = psprintf("%d", DatumGetInt32(value));
			break;
		case INT8OID:
			text = psprintf(INT64_FORMAT, DatumGetInt64(value));
			break;
		case FLOAT4OID:
			text = float_to_shortest_decimal(DatumGetFloat4(value));
			break;
		case FLOAT8OID:
			text = number_text(DatumGetFloat8(value));
			break;
		case NUMERICOID:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
			break;
		case BOOLOID:
			text = DatumGetBool(value) ? "true" : "false";
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("a value of type %s cannot be a category", format_type_be(base))));
	}
	*length = strlen(text);
	return text;
}

/* The text of a number where a category is meant, for a reader of numbers. */
const char *
number_category(const ValueReader *reader, Datum value, size_t *length)
{
	return category_number(reader->base, value, length);
}

/* The class that a text means, -1 when there is none. */
int
features_find_class(const MlModel *model, const char *name, size_t length)
{
	const MlSignature *signature = model->signature;
	int			class = ml_model_find_class(model, name, length);
	double		number;
	bool		flag;

	if (class >= 0 || signature->target_kind == ML_TARGET_TEXT)
		return class;
	if (signature->target_kind == ML_TARGET_BOOLEAN && parse_bool_with_len(name, length, &flag))
		number = flag ? 1.0 : 0.0;
	else if (!text_number(name, length, &number))
		return -1;
	for (int k = 0; k < signature->nclasses; k++)
	{
		if (signature->class_values[k] == number)
			return k;
	}
	return -1;
}

/* ---- SQL values ---- */

/* The in-place conversion of a type, FEATURE_NUMBER when it has none. */
static FeatureHow
number_how(Oid base)
{
	switch (base)
	{
		case FLOAT8OID:
			return FEATURE_FLOAT8;
		case FLOAT4OID:
			return FEATURE_FLOAT4;
		case INT2OID:
			return FEATURE_INT2;
		case INT4OID:
			return FEATURE_INT4;
		case INT8OID:
			return FEATURE_INT8;
		case BOOLOID:
			return FEATURE_BOOL;
		default:
			return FEATURE_NUMBER;
	}
}

/* Tell whether numbers of a type have one text that can be a category. */
static bool
has_category_text(Oid base)
{
	return number_how(base) != FEATURE_NUMBER || base == NUMERICOID;
}

/* Tell whether a feature's numbers were real in training. */
static bool
is_real(const MlFeature *feature)
{
	return strcmp(feature->type, "real") == 0 || strcmp(feature->type, "real[]") == 0;
}

/* The conversion of numbers of a type for a feature. */
static FeatureHow
feature_number_how(const MlFeature *feature, Oid base)
{
	FeatureHow	how = number_how(base);

	if (is_real(feature) && (how == FEATURE_FLOAT8 || how == FEATURE_INT4 || how == FEATURE_INT8))
		return FEATURE_NUMBER;	/* which rounds */
	return how;
}

/* Set up for values of a type that are to become a feature of this kind. */
static void
init_input(FeatureInput *input, const MlModel *model, int feature, MlKind kind, Oid type,
		   MemoryContext context)
{
	const MlFeature *meant = &model->signature->features[feature];
	ValueReader *reader = &input->reader;

	input->feature = feature;
	input->slot = meant->slot;
	input->memory = context;
	input->met = 0;
	input->recent = NULL;
	if (!value_reader_init(reader, type, context))
		error_type(meant, type);

	if (kind == ML_KIND_NUMBER && reader->kind == ML_KIND_NUMBER)
		input->how = feature_number_how(meant, reader->base);
	else if (kind == ML_KIND_NUMBER && reader->kind == ML_KIND_CATEGORY && value_is_string(reader))
		input->how = FEATURE_NUMBER_TEXT;
	else if (kind == ML_KIND_CATEGORY && reader->kind == ML_KIND_CATEGORY)
		input->how = FEATURE_CATEGORY;
	else if (kind == ML_KIND_CATEGORY && reader->kind == ML_KIND_NUMBER && has_category_text(reader->base))
		input->how = FEATURE_CATEGORY_NUMBER;
	else if (kind == ML_KIND_VECTOR && reader->kind == ML_KIND_VECTOR)
		input->how = FEATURE_VECTOR;
	else if (kind == ML_KIND_VECTOR && reader->kind == ML_KIND_CATEGORY && value_is_string(reader))
		input->how = FEATURE_VECTOR_TEXT;
	else if (kind == ML_KIND_TEXT && value_is_string(reader))
		input->how = FEATURE_TEXT;
	else
		error_type(meant, type);
}

/* Set up for values of a type. */
void
feature_input_init(FeatureInput *input, const MlModel *model, int feature, Oid type, MemoryContext context)
{
	init_input(input, model, feature, model->signature->features[feature].kind, type, context);
}

/* Set up for one element of a feature. */
void
feature_input_init_element(FeatureInput *input, const MlModel *model, int feature, int element,
						   Oid type, MemoryContext context)
{
	MlKind		kind = model->signature->features[feature].kind;

	init_input(input, model, feature, kind == ML_KIND_VECTOR ? ML_KIND_NUMBER : kind, type, context);
	input->slot += element;
}

void
feature_check_null(const MlModel *model, int feature)
{
	if (unlikely(ml_prep_refuses_null(model->prep, feature)))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("feature \"%s\" is NULL", model->signature->features[feature].name),
				 errdetail("The model was trained to refuse that: preprocess imputes by \"error\".")));
}

/* NULL into the feature's slots. */
void
feature_set_null(const MlModel *model, int feature, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];

	feature_check_null(model, feature);
	for (int i = 0; i < meant->width; i++)
		raw[(size_t) (meant->slot + i) * stride] = get_float8_nan();
}

/* A category into its slot. A feature that was character(n) ignores blanks at the end, as its type does. */
void
feature_set_category(const MlModel *model, int feature, const char *bytes, size_t length, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];

	if (length > 0 && bytes[length - 1] == ' ' && strcmp(meant->type, "character") == 0)
	{
		while (length > 0 && bytes[length - 1] == ' ')
			length--;
	}
	raw[(size_t) meant->slot * stride] = ml_prep_encode(model->prep, feature, bytes, length);
}

/* The same by way of the categories met lately. */
static void
set_category(FeatureInput *input, const MlModel *model, const char *bytes, size_t length, double *raw, size_t stride)
{
	double	   *slot = raw + (size_t) input->slot * stride;
	MlRecentString *place = NULL;
	bool		found = false;

	if (input->recent != NULL)
		place = ml_recent_seek(input->recent, bytes, length, &found);
	else if (++input->met > ML_RECENT_FROM)
		input->recent = MemoryContextAllocZero(input->memory, sizeof(MlRecent));
	if (found)
	{
		*slot = place->number;
		return;
	}
	feature_set_category(model, input->feature, bytes, length, raw, stride);
	if (place != NULL)
		ml_recent_keep(place, bytes, length, *slot);
}

/* One number into its slot. */
void
feature_set_number(const MlModel *model, int feature, int slot, double number, double *raw, size_t stride)
{
	if (is_real(&model->signature->features[feature]))
		number = (float4) number;
	if (unlikely(isinf(number)))
		feature_error_infinite(model, feature);
	raw[(size_t) slot * stride] = number;
}

/* Tell whether float8 numbers become the feature's slots as they are. */
bool
feature_takes_float8(const MlModel *model, int feature)
{
	const MlFeature *meant = &model->signature->features[feature];

	return meant->kind != ML_KIND_CATEGORY && meant->kind != ML_KIND_TEXT && !is_real(meant);
}

/* Counts the terms of one text. */
typedef struct TermCounter
{
	const MlTextFit *text;
	double	   *counts;			/* [width] */
} TermCounter;

/* Count a term, where it is one that is kept. */
static void
count_term(void *arg, const char *bytes, size_t length)
{
	const TermCounter *counter = arg;
	int32_t		element = ml_text_element(counter->text, bytes, length);

	if (element >= 0)
		counter->counts[element] += 1;
}

/* The weights of a text's terms into their slots. */
void
feature_set_text(const MlModel *model, int feature, const char *bytes, size_t length, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];
	TermCounter counter = {.text = ml_prep_text(model->prep, feature)};
	const MlTextOptions *options = &counter.text->options;

	counter.counts = palloc0(sizeof(double) * (Size) Max(meant->width, 1));
	texts_each_term(options, texts_config(options, meant->name), bytes, length, count_term, &counter);
	ml_text_weigh(counter.text, counter.counts, raw + (size_t) meant->slot * stride, stride);
	pfree(counter.counts);
}

/* A vector into its slots. */
static void
set_vector(const MlModel *model, int feature, const double *values, int width, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];

	if (width != meant->width)
		error_width(meant, width);
	for (int i = 0; i < width; i++)
		feature_set_number(model, feature, meant->slot + i, values[i], raw, stride);
}

/* The vector that a text like '{1,2,3}' is. */
static void
set_vector_text(const MlModel *model, int feature, const char *bytes, size_t length,
				double *raw, size_t stride)
{
	ValueReader reader;
	const double *values;
	Datum		array;
	int			width;

	array = parse_input(&model->signature->features[feature], F_ARRAY_IN, FLOAT8OID, bytes, length);
	value_reader_init(&reader, FLOAT8ARRAYOID, CurrentMemoryContext);
	values = value_vector(&reader, array, &width);
	set_vector(model, feature, values, width, raw, stride);
}

/* Any value that is not NULL into the feature's slots. */
void
feature_input_convert(FeatureInput *input, const MlModel *model, Datum value, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[input->feature];
	const char *bytes;
	const double *values;
	size_t		length;
	int			width;

	switch (input->how)
	{
		case FEATURE_NUMBER_TEXT:
			bytes = value_category(&input->reader, value, &length);
			feature_set_number(model, input->feature, input->slot, parse_number(meant, bytes, length), raw, stride);
			break;
		case FEATURE_CATEGORY:
			bytes = value_category(&input->reader, value, &length);
			set_category(input, model, bytes, length, raw, stride);
			break;
		case FEATURE_CATEGORY_NUMBER:
			bytes = category_number(input->reader.base, value, &length);
			feature_set_category(model, input->feature, bytes, length, raw, stride);
			break;
		case FEATURE_VECTOR:
			values = value_vector(&input->reader, value, &width);
			set_vector(model, input->feature, values, width, raw, stride);
			break;
		case FEATURE_VECTOR_TEXT:
			bytes = value_category(&input->reader, value, &length);
			set_vector_text(model, input->feature, bytes, length, raw, stride);
			break;
		case FEATURE_TEXT:
			bytes = value_category(&input->reader, value, &length);
			feature_set_text(model, input->feature, bytes, length, raw, stride);
			break;
		default:
			feature_set_number(model, input->feature, input->slot, value_number(&input->reader, value), raw, stride);
			break;
	}
}

/* ---- names ---- */

/* Report the features without a position among the names. */
static void
error_missing(const MlModel *model, const char *const *names, int count, const int *positions,
			  int sqlstate, const char *where)
{
	const MlSignature *signature = model->signature;
	const char **present = palloc(sizeof(char *) * (Size) Max(count, 1));
	const char *nearest = NULL;
	StringInfoData list;
	int			missing = 0;
	size_t		npresent = 0;

	for (int i = 0; i < count; i++)
	{
		if (names[i] != NULL)
			present[npresent++] = names[i];
	}
	initStringInfo(&list);
	for (int f = 0; f < signature->nfeatures; f++)
	{
		if (positions[f] >= 0)
			continue;
		appendStringInfo(&list, "%s\"%s\"", missing++ > 0 ? ", " : "", signature->features[f].name);
		if (nearest == NULL)
			nearest = ml_nearest_name(signature->features[f].name, present, npresent);
	}
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg_plural("the %s lacks the feature %s", "the %s lacks the features %s",
						   (unsigned long) missing, where, list.data),
			 nearest != NULL ? errdetail("It has \"%s\".", nearest) : 0,
			 errhint("Features are matched by name; give NULL for a missing value.")));
}

/* Find every feature among names, or list those that are missing. */
void
features_match(const MlModel *model, const char *const *names, int count, int *positions,
			   int sqlstate, const char *where)
{
	const MlSignature *signature = model->signature;
	bool		complete = true;
	int			next = 0;

	/* columns usually come in the order of the features: go on from the last hit */
	for (int f = 0; f < signature->nfeatures; f++)
	{
		positions[f] = -1;
		for (int tried = 0; tried < count; tried++)
		{
			int			at = next;

			next = next + 1 < count ? next + 1 : 0;
			if (names[at] != NULL && strcmp(names[at], signature->features[f].name) == 0)
			{
				positions[f] = at;
				break;
			}
		}
		complete &= positions[f] >= 0;
	}
	if (!complete)
		error_missing(model, names, count, positions, sqlstate, where);
}

/* ---- JSON ---- */

/* What a JSON value is, for messages. */
static const char *
json_phrase(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "text";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		default:
			return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) ? "an array" : "an object";
	}
}

/* A JSON number or boolean as a number; false for other values. */
static bool
json_number(const JsonbValue *value, double *number)
{
	if (value->type == jbvNumeric)
		*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													 NumericGetDatum(value->val.numeric)));
	else if (value->type == jbvBool)
		*number = value->val.boolean ? 1.0 : 0.0;
	else if (value->type == jbvNull)
		*number = get_float8_nan();
	else
		return false;
	return true;
}

/* A JSON value for a NUMBER feature; text only where the feature is a date or time. */
static void
set_json_number(const MlModel *model, int feature, const JsonbValue *value, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];
	double		number;

	if (!json_number(value, &number))
	{
		Oid			type = text_type(meant);

		if (value->type != jbvString || type == FLOAT8OID || type == BOOLOID)
			error_json_type(meant, json_phrase(value));
		number = parse_time(meant, type, value->val.string.val, (size_t) value->val.string.len);
	}
	feature_set_number(model, feature, meant->slot, number, raw, stride);
}

/* A JSON value for a CATEGORY feature. */
static void
set_json_category(const MlModel *model, int feature, const JsonbValue *value, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];
	const char *bytes;
	size_t		length;

	switch (value->type)
	{
		case jbvString:
			bytes = value->val.string.val;
			length = (size_t) value->val.string.len;
			break;
		case jbvNumeric:
			bytes = category_number(NUMERICOID, NumericGetDatum(value->val.numeric), &length);
			break;
		case jbvBool:
			bytes = category_number(BOOLOID, BoolGetDatum(value->val.boolean), &length);
			break;
		default:
			error_json_type(meant, json_phrase(value));
			return;
	}
	feature_set_category(model, feature, bytes, length, raw, stride);
}

/* A JSON string for a TEXT feature. */
static void
set_json_text(const MlModel *model, int feature, const JsonbValue *value, double *raw, size_t stride)
{
	if (value->type != jbvString)
		error_json_type(&model->signature->features[feature], json_phrase(value));
	feature_set_text(model, feature, value->val.string.val, (size_t) value->val.string.len, raw, stride);
}

/* A JSON array for a VECTOR feature. */
static void
set_json_vector(const MlModel *model, int feature, const JsonbValue *value, double *raw, size_t stride)
{
	const MlFeature *meant = &model->signature->features[feature];
	JsonbContainer *array;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	int			count = 0;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		error_json_type(meant, json_phrase(value));
	array = value->val.binary.data;
	if ((int) JsonContainerSize(array) != meant->width)
		error_width(meant, (int) JsonContainerSize(array));

	iterator = JsonbIteratorInit(array);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		double		number;

		if (token != WJB_ELEM)
			continue;
		if (!json_number(&element, &number))
			error_json_type(meant, "an array of other values");
		feature_set_number(model, feature, meant->slot + count++, number, raw, stride);
	}
}

/* Report the features that a JSON object has no member for. */
static void
error_json_missing(const MlModel *model, JsonbContainer *object)
{
	int			count = (int) JsonContainerSize(object);
	const char **names = palloc0(sizeof(char *) * (Size) Max(count, 1));
	int		   *positions = palloc(sizeof(int) * (Size) Max(model->signature->nfeatures, 1));
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	int			found = 0;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			names[found++] = pnstrdup(key.val.string.val, (Size) key.val.string.len);
	}
	features_match(model, names, found, positions, ERRCODE_INVALID_PARAMETER_VALUE, "JSON object");
	elog(ERROR, "a feature was missing and is not");
}

/* The slots of a row from the members of a JSON object. */
void
features_from_json(const MlModel *model, JsonbContainer *object, double *raw, size_t stride)
{
	const MlSignature *signature = model->signature;

	for (int f = 0; f < signature->nfeatures; f++)
	{
		const char *name = signature->features[f].name;
		JsonbValue	buffer;
		JsonbValue *value = getKeyJsonValueFromContainer(object, name, (int) strlen(name), &buffer);

		if (value == NULL)
			error_json_missing(model, object);
		else if (value->type == jbvNull)
			feature_set_null(model, f, raw, stride);
		else if (signature->features[f].kind == ML_KIND_NUMBER)
			set_json_number(model, f, value, raw, stride);
		else if (signature->features[f].kind == ML_KIND_CATEGORY)
			set_json_category(model, f, value, raw, stride);
		else if (signature->features[f].kind == ML_KIND_TEXT)
			set_json_text(model, f, value, raw, stride);
		else
			set_json_vector(model, f, value, raw, stride);
	}
}
