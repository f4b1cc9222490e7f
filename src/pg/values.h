/*
 * SQL values -> the engine's numbers and strings, the same rules at training and
 * at prediction.
 *
 *   number    int2 int4 int8 float4 float8 numeric bool oid-free; date, time, timetz, timestamp,
 *             timestamptz (seconds, the epoch 1970-01-01 for dates), interval (seconds; a month
 *             is 30 days); money is refused
 *   category  text varchar bpchar "char" name citext enum uuid, domains over them
 *   vector    arrays of int2 int4 int8 float4 float8 numeric bool
 */
#ifndef MLAAS_VALUES_H
#define MLAAS_VALUES_H

#include "postgres.h"

#include "fmgr.h"

#include "base/columns.h"
#include "pg/compat.h"

typedef struct ValueReader
{
	Oid			type;			/* as given */
	Oid			base;			/* behind domains */
	MlKind		kind;			/* ML_KIND_INVALID: unusable */
	Oid			element;		/* vectors */
	const char *name;			/* of the column, for errors; NULL = not known */
	bool		text;			/* category: text or varchar, whose bytes may be read in place */
	bool		output;			/* category: through the type's output function */
	FmgrInfo	output_function;
} ValueReader;

/* Set up for a type; false (kind invalid) when its values cannot be features. */
extern bool value_reader_init(ValueReader *reader, Oid type, MemoryContext context);

/* Are values strings, not just shown as such (enums, UUIDs)? */
extern bool value_is_string(const ValueReader *reader);

/* A number; date/time infinities give infinite doubles. */
extern double value_number(const ValueReader *reader, Datum value);

/* The bytes of a category that has to be decompressed, fetched or made. */
extern const char *value_category_made(ValueReader *reader, Datum value, size_t *length);

/* The bytes of a category; may point into value or palloc in the current context. */
static inline const char *
value_category(ValueReader *reader, Datum value, size_t *length)
{
	const struct varlena *text = (const struct varlena *) DatumGetPointer(value);

	if (!reader->text || VARATT_IS_EXTERNAL(text) || VARATT_IS_COMPRESSED(text))
		return value_category_made(reader, value, length);
	*length = VARSIZE_ANY_EXHDR(text);
	return VARDATA_ANY(text);
}

/* The elements of a vector (palloc'd or in place); NULL elements are NaN. Errors on more than one dimension. */
extern const double *value_vector(const ValueReader *reader, Datum value, int *width);

#endif
