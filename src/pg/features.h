/*
 * The values of a call or a source -> raw rows of a model: by name or by position, from
 * SQL values or JSON, with one wording for each mistake.
 *
 * A raw row has one number a slot: slot s of a row stands at raw[s * stride].
 */
#ifndef MLAAS_FEATURES_H
#define MLAAS_FEATURES_H

#include "postgres.h"

#include <math.h>

#include "utils/jsonb.h"

#include "model/model.h"
#include "pg/values.h"

/* How much of a wrong value an error shows, in bytes. */
#define SHOWN_BYTES 80

/* How a value of some type becomes the slots of a feature. */
typedef enum FeatureHow
{
	/* numbers that feature_input_read converts in place */
	FEATURE_FLOAT8,
	FEATURE_FLOAT4,
	FEATURE_INT2,
	FEATURE_INT4,
	FEATURE_INT8,
	FEATURE_BOOL,

	FEATURE_NUMBER,				/* other numbers and times */
	FEATURE_NUMBER_TEXT,		/* text that must be a number (or time) */
	FEATURE_CATEGORY,
	FEATURE_CATEGORY_NUMBER,	/* a number's text is the category */
	FEATURE_VECTOR,
	FEATURE_VECTOR_TEXT,		/* text that must be an array of numbers */
	FEATURE_TEXT				/* text whose terms are weighed */
} FeatureHow;

/* One feature's way from SQL values of one type. */
typedef struct FeatureInput
{
	FeatureHow	how;
	int			feature;		/* its number in the model */
	int			slot;			/* its first */
	ValueReader reader;
	MemoryContext memory;
	int			met;			/* categories, until there is a reason to keep them */
	MlRecent   *recent;			/* slot values of categories met lately; NULL = none are kept */
} FeatureInput;

/* Set up for values of a type; an error when they cannot be this feature's. */
extern void feature_input_init(FeatureInput *input, const MlModel *model, int feature, Oid type,
							   MemoryContext context);

/* The same for one slot of a feature that is given element by element (an array by position). */
extern void feature_input_init_element(FeatureInput *input, const MlModel *model, int feature,
									   int element, Oid type, MemoryContext context);

/* Any value into the feature's slots; errors name the feature. May palloc in the current context. */
extern void feature_input_convert(FeatureInput *input, const MlModel *model, Datum value,
								  double *raw, size_t stride);

/* NULL into the feature's slots. */
/* Error when the model refuses NULL in a feature. */
extern void feature_check_null(const MlModel *model, int feature);

extern void feature_set_null(const MlModel *model, int feature, double *raw, size_t stride);

/*
 * A number into a slot, and the bytes of a category into the slot of its feature, as values of the column's type are.
 */
extern void feature_set_number(const MlModel *model, int feature, int slot, double number, double *raw, size_t stride);
extern void feature_set_category(const MlModel *model, int feature, const char *bytes, size_t length,
								 double *raw, size_t stride);

/* The weights of a text's terms into the slots of its feature. */
extern void feature_set_text(const MlModel *model, int feature, const char *bytes, size_t length, double *raw,
							 size_t stride);

/* Tell whether float8 numbers become the feature's slots as they are. */
extern bool feature_takes_float8(const MlModel *model, int feature);

/* Refuse an infinite value. */
extern void feature_error_infinite(const MlModel *model, int feature) pg_attribute_noreturn();

/* Tell whether a number is NaN or infinite, without a branch. */
static inline bool
is_special(double number)
{
	const uint64 exponent = UINT64CONST(0x7ff0000000000000);
	uint64		bits;

	memcpy(&bits, &number, sizeof(bits));
	return (bits & exponent) == exponent;
}

/* A value into the feature's slots, plain numbers in place. */
static inline void
feature_input_read(FeatureInput *input, const MlModel *model, Datum value, bool isnull,
				   double *raw, size_t stride)
{
	double		number;

	if (unlikely(isnull))
	{
		feature_set_null(model, input->feature, raw, stride);
		return;
	}
	switch (input->how)
	{
		case FEATURE_FLOAT8:
			number = DatumGetFloat8(value);
			if (unlikely(isinf(number)))
				feature_error_infinite(model, input->feature);
			break;
		case FEATURE_FLOAT4:
			number = DatumGetFloat4(value);
			if (unlikely(isinf(number)))
				feature_error_infinite(model, input->feature);
			break;
		case FEATURE_INT2:
			number = DatumGetInt16(value);
			break;
		case FEATURE_INT4:
			number = DatumGetInt32(value);
			break;
		case FEATURE_INT8:
			number = (double) DatumGetInt64(value);
			break;
		case FEATURE_BOOL:
			number = DatumGetBool(value) ? 1.0 : 0.0;
			break;
		default:
			feature_input_convert(input, model, value, raw, stride);
			return;
	}
	raw[(size_t) input->slot * stride] = number;
}

/*
 * Find every feature among count names (NULL entries match nothing): positions[f] is its index.  An
 * error with this SQLSTATE lists the features that are missing from where ("row", "source").
 */
extern void features_match(const MlModel *model, const char *const *names, int count,
						   int *positions, int sqlstate, const char *where);

/* The slots of a row from the members of a JSON object; errors name the features. */
extern void features_from_json(const MlModel *model, JsonbContainer *object, double *raw, size_t stride);

/* Refuse a wrong number of values; expected is the right one. */
extern void features_error_count(const MlModel *model, int given, int expected, const char *what)
			pg_attribute_noreturn();

/* ---- targets and text, the same rules ---- */

/* The class that a text means: its label, or another spelling of a number or boolean; -1 = none. */
extern int	features_find_class(const MlModel *model, const char *name, size_t length);

/* The text of a number where a category is meant; an error for types without one text. */
extern const char *number_category(const ValueReader *reader, Datum value, size_t *length);

/* The number that a text is, strictly; false when it is none. */
extern bool text_number(const char *bytes, size_t length, double *number);

/* A number as jsonb's and text's shortest exact form (palloc'd). */
extern char *number_text(double number);

#endif
