/*
 * SQL values -> the engine's numbers and strings.
 *
 * Built-in types are told apart by their OID without a catalog look-up, so that a call
 * with twenty number arguments sets up in well under a microsecond.  What a value
 * becomes depends on no setting (extra_float_digits, DateStyle, TimeZone): the same
 * row gives the same numbers in every session.
 */
#include "postgres.h"

#include "pg/values.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/varlena.h"

/* Seconds between 1970-01-01 and 2000-01-01. */
#define EPOCH_SECONDS \
	((double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* The kind of a built-in base type; ML_KIND_INVALID for all others. */
static MlKind
builtin_kind(Oid base)
{
	switch (base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case BOOLOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
			return ML_KIND_NUMBER;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case CHAROID:
		case NAMEOID:
		case UUIDOID:
		case UNKNOWNOID:
			return ML_KIND_CATEGORY;
		default:
			return ML_KIND_INVALID;
	}
}

/* The element type of a built-in array of numbers, InvalidOid for other types. */
static Oid
builtin_element(Oid base)
{
	switch (base)
	{
		case INT2ARRAYOID:
			return INT2OID;
		case INT4ARRAYOID:
			return INT4OID;
		case INT8ARRAYOID:
			return INT8OID;
		case FLOAT4ARRAYOID:
			return FLOAT4OID;
		case FLOAT8ARRAYOID:
			return FLOAT8OID;
		case NUMERICARRAYOID:
			return NUMERICOID;
		case BOOLARRAYOID:
			return BOOLOID;
		default:
			return InvalidOid;
	}
}

/* Tell whether arrays of this base type are vectors. */
static bool
is_vector_element(Oid base)
{
	switch (base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case BOOLOID:
			return true;
		default:
			return false;
	}
}

/* Make the reader go through the type's output function. */
static void
use_output_function(ValueReader *reader, MemoryContext context)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(reader->base, &function, &is_varlena);
	fmgr_info_cxt(function, &reader->output_function, context);
	reader->output = true;
	reader->kind = ML_KIND_CATEGORY;
}

/* Set up for a type that is none of the built-in ones. */
static void
init_other_type(ValueReader *reader, MemoryContext context)
{
	char		category;
	bool		preferred;
	Oid			element;

	reader->base = getBaseType(reader->type);
	reader->kind = builtin_kind(reader->base);
	if (reader->kind != ML_KIND_INVALID)
	{
		if (reader->base == UUIDOID)
			use_output_function(reader, context);
		return;
	}

	element = get_element_type(reader->base);
	if (OidIsValid(element))
	{
		element = getBaseType(element);
		if (is_vector_element(element))
		{
			reader->kind = ML_KIND_VECTOR;
			reader->element = element;
		}
		return;
	}

	/* enums, and string types such as citext */
	get_type_category_preferred(reader->base, &category, &preferred);
	if (category == TYPCATEGORY_ENUM || category == TYPCATEGORY_STRING)
		use_output_function(reader, context);
}

/* Set up a reader for a type; false when its values cannot be features. */
bool
value_reader_init(ValueReader *reader, Oid type, MemoryContext context)
{
	memset(reader, 0, sizeof(*reader));
	reader->type = type;
	reader->base = type;
	reader->kind = builtin_kind(type);
	if (reader->kind == ML_KIND_INVALID)
	{
		reader->element = builtin_element(type);
		if (OidIsValid(reader->element))
			reader->kind = ML_KIND_VECTOR;
		else
			init_other_type(reader, context);
	}
	else if (type == UUIDOID)
		use_output_function(reader, context);
	reader->text = !reader->output && (reader->base == TEXTOID || reader->base == VARCHAROID);
	return reader->kind != ML_KIND_INVALID;
}

/* Are values strings, not just shown as such? */
bool
value_is_string(const ValueReader *reader)
{
	char		category;
	bool		preferred;

	if (reader->base == UNKNOWNOID)
		return true;
	get_type_category_preferred(reader->base, &category, &preferred);
	return reader->kind == ML_KIND_CATEGORY && category == TYPCATEGORY_STRING;
}

/* A timestamp in seconds; whole seconds and microseconds apart, so that nothing overflows. */
static double
timestamp_seconds(Timestamp timestamp)
{
	if (TIMESTAMP_IS_NOBEGIN(timestamp))
		return -get_float8_infinity();
	if (TIMESTAMP_IS_NOEND(timestamp))
		return get_float8_infinity();
	return (double) (timestamp / USECS_PER_SEC) + EPOCH_SECONDS +
		(double) (timestamp % USECS_PER_SEC) / 1e6;
}

/* A date in seconds. */
static double
date_seconds(DateADT date)
{
	if (DATE_IS_NOBEGIN(date))
		return -get_float8_infinity();
	if (DATE_IS_NOEND(date))
		return get_float8_infinity();
	return (double) date * SECS_PER_DAY + EPOCH_SECONDS;
}

/* An interval in seconds; a month is 30 days. */
static double
interval_seconds(const Interval *interval)
{
#ifdef INTERVAL_NOT_FINITE
	if (INTERVAL_IS_NOBEGIN(interval))
		return -get_float8_infinity();
	if (INTERVAL_IS_NOEND(interval))
		return get_float8_infinity();
#endif
	return ((double) interval->month * DAYS_PER_MONTH + interval->day) * SECS_PER_DAY +
		(double) interval->time / 1e6;
}

/* A time of day in seconds, in UTC. */
static double
timetz_seconds(const TimeTzADT *time)
{
	return (double) (time->time + time->zone * USECS_PER_SEC) / 1e6;
}

/* A numeric; an error past the range of float8, where it would seem infinite. */
static double
numeric_number(Datum value, const char *name)
{
	double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));

	if (isinf(number) && !numeric_is_inf(DatumGetNumeric(value)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 name != NULL ? errmsg("column \"%s\" has a value that is out of range for double precision", name) :
				 errmsg("value is out of range for double precision"),
				 errhint("Scale it, or make it NULL, which is a missing value.")));
	return number;
}

/* The number behind a value of a base type; name is that of the column, NULL = not known. */
static double
base_number(Oid base, Datum value, const char *name)
{
	switch (base)
	{
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case BOOLOID:
			return DatumGetBool(value) ? 1.0 : 0.0;
		case NUMERICOID:
			return numeric_number(value, name);
		case DATEOID:
			return date_seconds(DatumGetDateADT(value));
		case TIMEOID:
			return (double) DatumGetTimeADT(value) / 1e6;
		case TIMETZOID:
			return timetz_seconds(DatumGetTimeTzADTP(value));
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return timestamp_seconds(DatumGetTimestamp(value));
		case INTERVALOID:
			return interval_seconds(DatumGetIntervalP(value));
		default:
			elog(ERROR, "type %u is no number", base);
			return 0.0;
	}
}

/* The number of a value. */
double
value_number(const ValueReader *reader, Datum value)
{
	return base_number(reader->base, value, reader->name);
}

/* The bytes of a character(n) value, which ignores blanks at its end. */
static const char *
bpchar_bytes(Datum value, size_t *length)
{
	struct varlena *text = PG_DETOAST_DATUM_PACKED(value);
	const char *bytes = VARDATA_ANY(text);

	*length = (size_t) bpchartruelen(unconstify(char *, bytes), VARSIZE_ANY_EXHDR(text));
	return bytes;
}

/* The bytes of a category that cannot be read in place, whatever its type. */
const char *
value_category_made(ValueReader *reader, Datum value, size_t *length)
{
	struct varlena *text;
	char	   *bytes;

	if (reader->output)
	{
		bytes = OutputFunctionCall(&reader->output_function, value);
		*length = strlen(bytes);
		return bytes;
	}
	switch (reader->base)
	{
		case TEXTOID:
		case VARCHAROID:
			text = PG_DETOAST_DATUM_PACKED(value);
			*length = VARSIZE_ANY_EXHDR(text);
			return VARDATA_ANY(text);
		case BPCHAROID:
			return bpchar_bytes(value, length);
		case NAMEOID:
			*length = strlen(NameStr(*DatumGetName(value)));
			return NameStr(*DatumGetName(value));
		case UNKNOWNOID:
			*length = strlen(DatumGetCString(value));
			return DatumGetCString(value);
		case CHAROID:
			bytes = DatumGetCString(DirectFunctionCall1(charout, value));
			*length = strlen(bytes);
			return bytes;
		default:
			elog(ERROR, "type %u is no category", reader->base);
			return NULL;
	}
}

/* Elements of a fixed-width type without NULLs, read straight from the array's data. */
static void
read_packed_elements(Oid element, const char *data, int count, double *out)
{
	switch (element)
	{
		case INT2OID:
			for (int i = 0; i < count; i++)
				out[i] = ((const int16 *) data)[i];
			break;
		case INT4OID:
			for (int i = 0; i < count; i++)
				out[i] = ((const int32 *) data)[i];
			break;
		case INT8OID:
			for (int i = 0; i < count; i++)
				out[i] = (double) ((const int64 *) data)[i];
			break;
		case FLOAT4OID:
			for (int i = 0; i < count; i++)
				out[i] = ((const float4 *) data)[i];
			break;
		default:				/* BOOLOID */
			for (int i = 0; i < count; i++)
				out[i] = data[i] ? 1.0 : 0.0;
			break;
	}
}

/* Elements of any type of number, one Datum each. */
static void
read_elements(const ValueReader *reader, ArrayType *array, int count, double *out)
{
	Datum	   *values;
	bool	   *nulls;
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		out[i] = nulls[i] ? get_float8_nan() : base_number(reader->element, values[i], reader->name);
	pfree(values);
	pfree(nulls);
}

/* The elements of a vector; float8[] without NULLs is read in place. */
const double *
value_vector(const ValueReader *reader, Datum value, int *width)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			count;
	double	   *out;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of features must have one dimension, not %d", ARR_NDIM(array))));
	count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	*width = count;
	if (reader->element == FLOAT8OID && !ARR_HASNULL(array))
		return (const double *) ARR_DATA_PTR(array);

	out = palloc(sizeof(double) * (Size) Max(count, 1));
	if (ARR_HASNULL(array) || reader->element == NUMERICOID || reader->element == FLOAT8OID)
		read_elements(reader, array, count, out);
	else
		read_packed_elements(reader->element, ARR_DATA_PTR(array), count, out);
	return out;
}
