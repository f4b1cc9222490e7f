/*
 * ml_profile: what the columns of a source are like, and what to beware of before training on them; ml_correlation.
 *
 * The columns are read into memory as for a training, 4 or 8 bytes a number, within mlaas.max_memory, and every figure
 * is exact.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "pg/explain.h"
#include "pg/features.h"
#include "pg/host.h"
#include "pg/source.h"
#include "pg/values.h"
#include "score/profile.h"

PG_FUNCTION_INFO_V1(ml_profile);
PG_FUNCTION_INFO_V1(ml_correlation_of);

#define NEARLY_ALL 0.95			/* the share of rows from which on a warning speaks of nearly all */
#define FEW_ROWS 50				/* below, that all values differ says nothing */
#define MANY_CATEGORIES 100		/* what the preparation keeps by default */

/* Columns of the result. */
enum
{
	COLUMN_NAME,
	COLUMN_TYPE,
	COLUMN_KIND,
	COLUMN_ROWS,
	COLUMN_NULLS,
	COLUMN_DISTINCT,
	COLUMN_MIN,
	COLUMN_MAX,
	COLUMN_MEAN,
	COLUMN_SD,
	COLUMN_SKEW,
	COLUMN_QUANTILES,
	COLUMN_TOP,
	COLUMN_HISTOGRAM,
	COLUMN_WARNINGS,
	NCOLUMNS
};

/* The numbers of a column that have more digits than double precision tells apart. */
typedef struct LongNumbers
{
	int			column;			/* of the source */
	int			place;			/* in the table */
	Oid			base;
	MlLongNumbers numbers;
	size_t	   *rows;
	uint64	   *keys;
	size_t		capacity;
	MlDictionary *texts;		/* of a numeric; of integers keys are the numbers */
	Numeric		min;			/* of a numeric, NULL while there is none */
	Numeric		max;
} LongNumbers;

/* A source's columns in memory. */
typedef struct Loaded
{
	MlContext  *ctx;
	Source	   *source;
	MlTable    *table;
	int		   *places;			/* [source->ncolumns] in the table, -1 = of a type that cannot be used */
	ValueReader *readers;		/* [source->ncolumns] */
	int			target;			/* of the source, -1 = none */
	MemoryContext memory;
	size_t		rows;			/* so far */
	LongNumbers *longs;			/* [nlongs] of the columns of a type that may have them */
	int			nlongs;
} Loaded;

/* ---- reading ---- */

/* Significant digits that any double keeps, and the least integer with more of them. */
#define PLAIN_DIGITS 15
#define LONG_INTEGER INT64CONST(1000000000000000)

/* The text of a numeric that has more digits from the first that is not 0 on; NULL for any other. */
static char *
long_text(Numeric number)
{
	char	   *text;
	int			digits = 0;

	/* three groups of four digits, two bytes each, and a header of two */
	if (VARSIZE_ANY_EXHDR(number) <= 8 || numeric_is_nan(number) || numeric_is_inf(number))
		return NULL;
	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number))));
	for (const char *c = text; *c != '\0'; c++)
		digits += (*c > '0' && *c <= '9') || (*c == '0' && digits > 0);
	return digits > PLAIN_DIGITS ? text : NULL;
}

/* An integer as a key of the same order, and back. */
#define INTEGER_KEY(integer) ((uint64) (integer) ^ (UINT64CONST(1) << 63))
#define KEY_INTEGER(key) ((int64) ((key) ^ (UINT64CONST(1) << 63)))

/* Keep the key of a number that has too many digits. */
static void
add_long(Loaded *loaded, LongNumbers *l, uint64 key)
{
	if (l->numbers.n == l->capacity)
	{
		l->capacity = Max(2 * l->capacity, 1024);
		l->rows = ml_realloc(loaded->ctx, l->rows, l->capacity * sizeof(size_t));
		l->keys = ml_realloc(loaded->ctx, l->keys, l->capacity * sizeof(uint64));
	}
	l->rows[l->numbers.n] = loaded->rows;
	l->keys[l->numbers.n++] = key;
}

/* Keep a numeric, if it has too many digits. */
static void
add_numeric(Loaded *loaded, LongNumbers *l, Numeric number)
{
	MemoryContext row = CurrentMemoryContext;
	Datum		value = NumericGetDatum(number);
	char	   *text = long_text(number);

	if (text == NULL)
		return;
	add_long(loaded, l, (uint64) ml_dictionary_add(loaded->ctx, l->texts, text, strlen(text), PG_INT32_MAX));
	MemoryContextSwitchTo(loaded->memory);
	if (l->min == NULL || DatumGetBool(DirectFunctionCall2(numeric_lt, value, NumericGetDatum(l->min))))
		l->min = DatumGetNumericCopy(value);
	if (l->max == NULL || DatumGetBool(DirectFunctionCall2(numeric_gt, value, NumericGetDatum(l->max))))
		l->max = DatumGetNumericCopy(value);
	MemoryContextSwitchTo(row);
}

/* SourceRow: keep the numbers of a row that have too many digits. */
static void
keep_long(TupleTableSlot *slot, void *arg)
{
	Loaded	   *loaded = arg;

	for (int i = 0; i < loaded->nlongs; i++)
	{
		LongNumbers *l = &loaded->longs[i];
		Datum		value = slot->tts_values[l->place];

		if (slot->tts_isnull[l->place])
			continue;
		if (l->base == NUMERICOID)
			add_numeric(loaded, l, DatumGetNumeric(value));
		else if (DatumGetInt64(value) >= LONG_INTEGER || DatumGetInt64(value) <= -LONG_INTEGER)
			add_long(loaded, l, INTEGER_KEY(DatumGetInt64(value)));
	}
	loaded->rows++;
}

/* Set up for the numbers of a column that may have many digits. */
static void
watch_column(Loaded *loaded, int column)
{
	Oid			base = loaded->readers[column].base;

	if (loaded->readers[column].kind == ML_KIND_NUMBER && (base == INT8OID || base == NUMERICOID))
		loaded->longs[loaded->nlongs++] = (LongNumbers) {
			.column = column,.place = loaded->places[column],.base = base,
			.texts = base == NUMERICOID ? ml_dictionary_create(loaded->ctx) : NULL
		};
}

/* The numbers with many digits of a column; NULL where it has none. */
static const LongNumbers *
find_long(const Loaded *loaded, int column)
{
	for (int i = 0; i < loaded->nlongs; i++)
		if (loaded->longs[i].column == column)
			return loaded->longs[i].numbers.n > 0 ? &loaded->longs[i] : NULL;
	return NULL;
}

/* Read all columns of a source whose type can be used. */
static void
load(MlContext *ctx, const char *text, const char *target, Loaded *loaded)
{
	Source	   *source = source_open(text);
	int		   *columns = palloc(sizeof(int) * (Size) (source->ncolumns + 1));
	int			count = 0;

	*loaded = (Loaded) {.ctx = ctx,.source = source,.target = -1,.memory = CurrentMemoryContext};
	if (target != NULL)
		loaded->target = source_need(source, target, "target column");
	loaded->places = palloc(sizeof(int) * (Size) (source->ncolumns + 1));
	loaded->readers = palloc0(sizeof(ValueReader) * (Size) (source->ncolumns + 1));
	loaded->longs = palloc(sizeof(LongNumbers) * (Size) (source->ncolumns + 1));
	for (int c = 0; c < source->ncolumns; c++)
	{
		loaded->places[c] = -1;
		if (!value_reader_init(&loaded->readers[c], source->columns[c].type, CurrentMemoryContext))
			continue;
		loaded->places[c] = count;
		columns[count++] = c;
		watch_column(loaded, c);
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source has no column of a type that can be used")));
	loaded->table = source_table(ctx, source, columns, count, NULL);
	source_load_with(ctx, source, columns, count, loaded->table, keep_long, loaded);
	for (int i = 0; i < loaded->nlongs; i++)
	{
		LongNumbers *l = &loaded->longs[i];

		l->numbers = (MlLongNumbers) {l->numbers.n, l->rows, l->keys, l->texts};
	}
}

/* ---- texts ---- */

/* A value of a column as text: a number by the column's type, a category by its string. */
static char *
value_text(const Loaded *loaded, int column, double value)
{
	const SourceColumn *source = &loaded->source->columns[column];

	if (loaded->readers[column].kind == ML_KIND_CATEGORY)
		return loaded->table->columns[loaded->places[column]]->dictionary->strings[(size_t) value];
	return slot_number_text(&(MlFeature) {.name = source->name,.kind = ML_KIND_NUMBER,.type = format_type_be(loaded->readers[column].base)},
							value);
}

/* The least or the greatest number of a column as text. */
static char *
extreme_text(const Loaded *loaded, int column, const MlProfile *profile, bool greatest)
{
	const LongNumbers *l = find_long(loaded, column);
	double		plain = greatest ? profile->plain_max : profile->plain_min;
	Numeric		number;
	char	   *text;
	Datum		other;

	if (l == NULL)
		return value_text(loaded, column, greatest ? profile->max : profile->min);
	number = l->base == NUMERICOID ? (greatest ? l->max : l->min) :
		int64_to_numeric(KEY_INTEGER(greatest ? profile->long_max : profile->long_min));
	if (!isnan(plain))
	{
		text = value_text(loaded, column, plain);
		other = DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
		if (DatumGetBool(DirectFunctionCall2(greatest ? numeric_gt : numeric_lt, other, NumericGetDatum(number))))
			return text;
	}
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number))));
}

/* One of the most frequent values of a column as text. */
static char *
top_text(const Loaded *loaded, int column, const MlProfile *profile, int i)
{
	const LongNumbers *l = find_long(loaded, column);

	if (!profile->top_long[i])
		return value_text(loaded, column, profile->top[i]);
	return l->texts != NULL ? l->texts->strings[profile->top_key[i]] :
		psprintf(INT64_FORMAT, KEY_INTEGER(profile->top_key[i]));
}

/* [{"value": .., "count": ..}, ...] */
static Datum
top_json(const Loaded *loaded, int column, const MlProfile *profile)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < profile->ntop; i++)
	{
		appendStringInfo(&json, "%s{\"value\": ", i > 0 ? ", " : "");
		escape_json(&json, top_text(loaded, column, profile, i));
		appendStringInfo(&json, ", \"count\": %zu}", profile->top_count[i]);
	}
	appendStringInfoChar(&json, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* An array of numbers. */
static Datum
numbers_array(const double *numbers, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * (Size) n);

	for (int i = 0; i < n; i++)
		elements[i] = Float8GetDatum(numbers[i]);
	return PointerGetDatum(construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* An array of the rows in the bins. */
static Datum
histogram_array(const MlProfile *profile)
{
	Datum		elements[ML_PROFILE_BINS];

	for (int i = 0; i < ML_PROFILE_BINS; i++)
		elements[i] = Int64GetDatum((int64) profile->histogram[i]);
	return PointerGetDatum(construct_array(elements, ML_PROFILE_BINS, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* ---- warnings ---- */

/* Is a column one of whole numbers that tell rows apart, without many gaps, or too long to measure anything? */
static bool
counts_rows(const Loaded *loaded, int column, const MlProfile *profile, size_t values)
{
	Oid			base = loaded->readers[column].base;
	bool		integers = base == INT2OID || base == INT4OID || base == INT8OID;
	const LongNumbers *l = find_long(loaded, column);

	return integers && profile->distinct == values &&
		(profile->max - profile->min < 2 * (double) values || (l != NULL && l->numbers.n == values));
}

/* The values of a column in every row. */
static double *
read_values(const Loaded *loaded, int column)
{
	const MlColumn *c = loaded->table->columns[loaded->places[column]];
	double	   *values = ml_alloc_array(loaded->ctx, c->rows + 1, sizeof(double));

	ml_column_read(c, 0, NULL, 0, c->rows, values);
	return values;
}

/* How much of the target a column alone explains; NaN when it cannot be told. */
static double
skill_of(const Loaded *loaded, int column)
{
	const MlColumn *target = loaded->table->columns[loaded->places[loaded->target]];
	bool		classes = target->kind == ML_KIND_CATEGORY || loaded->readers[loaded->target].base == BOOLOID;
	double	   *x = read_values(loaded, column);
	double	   *y = read_values(loaded, loaded->target);
	size_t		n = 0;
	double		skill;

	for (size_t i = 0; i < target->rows; i++)
		if (y[i] - y[i] == 0)
		{
			x[n] = x[i];
			y[n++] = y[i];
		}
	skill = ml_feature_skill(loaded->ctx, x, loaded->readers[column].kind == ML_KIND_CATEGORY, y,
							 !classes ? 0 : target->kind == ML_KIND_CATEGORY ? (int) target->dictionary->count : 2, n);
	ml_free(loaded->ctx, y);
	ml_free(loaded->ctx, x);
	return skill;
}

/* What to say of NULLs; NULL where there are not that many. */
static char *
missing_text(size_t rows, size_t nulls)
{
	if (rows > 0 && nulls == rows)
		return pstrdup("every value is NULL");
	if (rows > 0 && (double) nulls >= NEARLY_ALL * (double) rows)
		return psprintf("nearly every value is NULL: %.1f %%", 100.0 * (double) nulls / (double) rows);
	return NULL;
}

/* An array of one warning, or none. */
static Datum
warning_array(const char *warning)
{
	Datum		element = warning != NULL ? CStringGetTextDatum(warning) : (Datum) 0;

	return PointerGetDatum(construct_array(&element, warning != NULL ? 1 : 0, TEXTOID, -1, false, TYPALIGN_INT));
}

/* What to beware of, as an array of sentences. */
static Datum
warnings_array(const Loaded *loaded, int column, const MlProfile *profile)
{
	const ValueReader *reader = &loaded->readers[column];
	size_t		values = profile->rows - profile->nulls;
	size_t		nonfinite = loaded->table->columns[loaded->places[column]]->nonfinite;
	char	   *missing = missing_text(profile->rows, profile->nulls);
	Datum		warnings[8];
	int			count = 0;

	if (missing != NULL)
		warnings[count++] = CStringGetTextDatum(missing);
	if (nonfinite > 0)
		warnings[count++] = CStringGetTextDatum(psprintf("%zu %s NaN or infinite, which no model learns from",
														 nonfinite, nonfinite == 1 ? "value is" : "values are"));
	if (values > 1 && profile->distinct == 1)
		warnings[count++] = CStringGetTextDatum("constant: it tells nothing");
	else if (values >= FEW_ROWS && reader->kind == ML_KIND_CATEGORY &&
			 (double) profile->distinct >= NEARLY_ALL * (double) values)
		warnings[count++] = CStringGetTextDatum("like an identifier: nearly every value is another");
	else if (values >= FEW_ROWS && reader->kind == ML_KIND_NUMBER && counts_rows(loaded, column, profile, values))
		warnings[count++] = CStringGetTextDatum("like an identifier: whole numbers, each of them once");
	else if (reader->kind == ML_KIND_CATEGORY && profile->distinct > MANY_CATEGORIES)
		warnings[count++] = CStringGetTextDatum(psprintf("%zu categories: most learners keep the %d most frequent, see "
														 "max_categories", profile->distinct, MANY_CATEGORIES));
	if (loaded->target >= 0 && column != loaded->target && reader->kind != ML_KIND_VECTOR)
	{
		double		skill = skill_of(loaded, column);

		if (skill >= ML_LEAK_SKILL)
			warnings[count++] = CStringGetTextDatum(psprintf("leaks the target? It alone explains %.1f %% of it, on "
															 "rows that this was not fitted on", 100 * skill));
	}
	return PointerGetDatum(construct_array(warnings, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- ml_profile ---- */

/* A number of the result, NULL where there is none. */
static void
put_number(Datum *values, bool *nulls, int column, double number)
{
	values[column] = Float8GetDatum(number);
	nulls[column] = isnan(number);
}

/* What is known of a column of numbers or categories. */
static void
put_profile(const Loaded *loaded, int column, Datum *values, bool *nulls)
{
	bool		number = loaded->readers[column].kind == ML_KIND_NUMBER;
	const LongNumbers *l = find_long(loaded, column);
	MlProfile	profile;

	ml_profile_column(loaded->ctx, loaded->table->columns[loaded->places[column]], l != NULL ? &l->numbers : NULL,
					  &profile);
	values[COLUMN_NULLS] = Int64GetDatum((int64) profile.nulls);
	values[COLUMN_DISTINCT] = Int64GetDatum((int64) profile.distinct);
	values[COLUMN_TOP] = top_json(loaded, column, &profile);
	values[COLUMN_WARNINGS] = warnings_array(loaded, column, &profile);
	nulls[COLUMN_NULLS] = nulls[COLUMN_DISTINCT] = nulls[COLUMN_TOP] = nulls[COLUMN_WARNINGS] = false;
	if (!number || isnan(profile.mean))
		return;
	nulls[COLUMN_MIN] = nulls[COLUMN_MAX] = nulls[COLUMN_QUANTILES] = nulls[COLUMN_HISTOGRAM] = false;
	values[COLUMN_MIN] = CStringGetTextDatum(extreme_text(loaded, column, &profile, false));
	values[COLUMN_MAX] = CStringGetTextDatum(extreme_text(loaded, column, &profile, true));
	put_number(values, nulls, COLUMN_MEAN, profile.mean);
	put_number(values, nulls, COLUMN_SD, profile.sd);
	put_number(values, nulls, COLUMN_SKEW, profile.skew);
	values[COLUMN_QUANTILES] = numbers_array(profile.quantiles, ML_PROFILE_QUANTILES);
	values[COLUMN_HISTOGRAM] = histogram_array(&profile);
}

/* The row of a column of the source. */
static void
emit_column(ReturnSetInfo *set, const Loaded *loaded, int column)
{
	const SourceColumn *source = &loaded->source->columns[column];
	Datum		values[NCOLUMNS] = {0};
	bool		nulls[NCOLUMNS];

	memset(nulls, true, sizeof nulls);
	nulls[COLUMN_NAME] = nulls[COLUMN_TYPE] = nulls[COLUMN_ROWS] = nulls[COLUMN_WARNINGS] = false;
	values[COLUMN_NAME] = CStringGetTextDatum(source->name);
	values[COLUMN_TYPE] = CStringGetTextDatum(source->type_name);
	values[COLUMN_ROWS] = Int64GetDatum((int64) loaded->table->rows);
	if (loaded->places[column] < 0)
	{
		values[COLUMN_WARNINGS] = warning_array("of a type that cannot be a feature");
	}
	else
	{
		nulls[COLUMN_KIND] = false;
		values[COLUMN_KIND] = CStringGetTextDatum(ml_kind_name(loaded->readers[column].kind));
		if (loaded->readers[column].kind == ML_KIND_VECTOR)
		{
			size_t		missing = loaded->table->columns[loaded->places[column]]->nulls;

			values[COLUMN_NULLS] = Int64GetDatum((int64) missing);
			nulls[COLUMN_NULLS] = false;
			values[COLUMN_WARNINGS] = warning_array(missing_text(loaded->table->rows, missing));
		}
		else
			put_profile(loaded, column, values, nulls);
	}
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* ml_profile(source, target). */
Datum
ml_profile(PG_FUNCTION_ARGS)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_profile", true);
	const char *target = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Loaded		loaded;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	load(ctx, text_to_cstring(PG_GETARG_TEXT_PP(0)), target, &loaded);
	if (loaded.target >= 0 && (loaded.places[loaded.target] < 0 ||
							   loaded.readers[loaded.target].kind == ML_KIND_VECTOR))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target column \"%s\" has type %s, which cannot be predicted", target,
						loaded.source->columns[loaded.target].type_name)));
	for (int c = 0; c < loaded.source->ncolumns; c++)
		emit_column((ReturnSetInfo *) fcinfo->resultinfo, &loaded, c);
	host_context_delete(ctx);
	return (Datum) 0;
}

/* ---- ml_correlation ---- */

/* The row of two columns of numbers: those rows count where both have a finite value. */
static void
emit_pair(ReturnSetInfo *set, const Loaded *loaded, int a, int b, const double *x, const double *y, double *pair[4])
{
	size_t		n = 0;
	Datum		values[5];
	bool		nulls[5] = {0};

	for (size_t i = 0; i < loaded->table->rows; i++)
		if (x[i] - x[i] == 0 && y[i] - y[i] == 0)
		{
			pair[0][n] = x[i];
			pair[1][n++] = y[i];
		}
	ml_ranks(loaded->ctx, pair[0], n, pair[2]);
	ml_ranks(loaded->ctx, pair[1], n, pair[3]);
	values[0] = CStringGetTextDatum(loaded->source->columns[a].name);
	values[1] = CStringGetTextDatum(loaded->source->columns[b].name);
	values[2] = Int64GetDatum((int64) n);
	put_number(values, nulls, 3, ml_correlation(pair[0], pair[1], n));
	put_number(values, nulls, 4, ml_correlation(pair[2], pair[3], n));
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	ml_check(loaded->ctx);
}

/* ml_correlation(source): every pair of columns of numbers. */
Datum
ml_correlation_of(PG_FUNCTION_ARGS)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_correlation", true);
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	Loaded		loaded;
	double	   *pair[4];

	InitMaterializedSRF(fcinfo, 0);
	load(ctx, text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL, &loaded);
	for (int i = 0; i < 4; i++)
		pair[i] = ml_alloc_array(ctx, loaded.table->rows + 1, sizeof(double));
	for (int a = 0; a < loaded.source->ncolumns; a++)
	{
		double	   *x;

		if (loaded.readers[a].kind != ML_KIND_NUMBER)
			continue;
		x = read_values(&loaded, a);
		for (int b = a + 1; b < loaded.source->ncolumns; b++)
		{
			double	   *y;

			if (loaded.readers[b].kind != ML_KIND_NUMBER)
				continue;
			y = read_values(&loaded, b);
			emit_pair(set, &loaded, a, b, x, y, pair);
			ml_free(ctx, y);
		}
		ml_free(ctx, x);
	}
	host_context_delete(ctx);
	return (Datum) 0;
}
