/*
 * Rows of a source as a model's raw slots, and what slots and their values are called.
 */
#include "postgres.h"

#include "pg/explain.h"

#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "pg/host.h"

/* ---- rows ---- */

/* Set up for a source. */
void
raw_reader_init(RawReader *reader, const MlModel *model, const Source *source, int *columns)
{
	int			nfeatures = model->signature->nfeatures;
	const char **names = palloc(sizeof(char *) * (Size) Max(source->ncolumns, 1));

	reader->model = model;
	reader->nfeatures = nfeatures;
	reader->inputs = palloc(sizeof(FeatureInput) * (Size) Max(nfeatures, 1));
	for (int i = 0; i < source->ncolumns; i++)
		names[i] = source->columns[i].name;
	features_match(model, names, source->ncolumns, columns, ERRCODE_UNDEFINED_COLUMN, "source");
	for (int f = 0; f < nfeatures; f++)
	{
		source_check_unique(source, columns[f], "feature");
		feature_input_init(&reader->inputs[f], model, f, source->columns[columns[f]].type, CurrentMemoryContext);
	}
}

/* Read the features of a row. */
void
raw_reader_read(RawReader *reader, const TupleTableSlot *slot, double *raw, size_t stride)
{
	for (int f = 0; f < reader->nfeatures; f++)
		feature_input_read(&reader->inputs[f], reader->model, slot->tts_values[f], slot->tts_isnull[f], raw, stride);
}

/* Set up for a key column. */
int
key_reader_init(KeyReader *reader, const Source *source, const char *name, int place, int *column)
{
	Oid			function;
	bool		is_varlena;

	reader->rows = 0;
	reader->column = -1;
	if (name == NULL)
		return 0;
	*column = source_need(source, name, "key column");
	source_check_unique(source, *column, "key column");
	getTypeOutputInfo(source->columns[*column].type, &function, &is_varlena);
	fmgr_info(function, &reader->output);
	reader->column = place;
	return 1;
}

/* The key of a row. */
text *
key_reader_read(KeyReader *reader, const TupleTableSlot *slot, MemoryContext memory)
{
	MemoryContext caller;
	text	   *key;

	reader->rows++;
	if (reader->column >= 0 && slot->tts_isnull[reader->column])
		return NULL;
	caller = MemoryContextSwitchTo(memory);
	if (reader->column < 0)
		key = cstring_to_text(psprintf(UINT64_FORMAT, reader->rows));
	else
		key = cstring_to_text(OutputFunctionCall(&reader->output, slot->tts_values[reader->column]));
	MemoryContextSwitchTo(caller);
	return key;
}

typedef struct RowsReading
{
	MlContext  *ctx;
	RawReader	reader;
	MlReservoir reservoir;
} RowsReading;

/* Take one row of the source. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	RowsReading *reading = arg;
	double	   *raw = ml_reservoir_next(reading->ctx, &reading->reservoir);

	if (raw == NULL)
		return;
	slot_getallattrs(slot);
	raw_reader_read(&reading->reader, slot, raw, ML_BLOCK_ROWS);
}

/* Rows of a source. */
MlRawRows *
explain_read_rows(MlContext *ctx, const MlModel *model, const char *text, size_t most, uint64 seed)
{
	RowsReading *reading = palloc0(sizeof(RowsReading));
	Source	   *source = source_open(text);
	int		   *columns = palloc(sizeof(int) * ((Size) model->signature->nfeatures + 1));

	reading->ctx = ctx;
	raw_reader_init(&reading->reader, model, source, columns);
	ml_reservoir_init(&reading->reservoir, model, most, seed);
	source_scan(source, columns, model->signature->nfeatures, receive_row, reading);
	return &reading->reservoir.rows;
}

/* ---- names and values ---- */

/* The name of an element of a feature. */
static const char *
element_name(const MlModel *model, int f, int element)
{
	const MlFeature *feature = &model->signature->features[f];

	return feature->kind == ML_KIND_VECTOR ? psprintf("%s[%d]", feature->name, element + 1) :
		feature->kind == ML_KIND_TEXT ? ml_prep_text(model->prep, f)->names[element] : feature->name;
}

/* The name of a slot. */
static char *
slot_name(const MlModel *model, int slot)
{
	int			f = ml_slot_feature(model, slot);

	return pstrdup(element_name(model, f, slot - model->signature->features[f].slot));
}

/* The names of all slots. */
Datum *
slot_names(const MlModel *model)
{
	const MlSignature *signature = model->signature;
	Datum	   *names = palloc(sizeof(Datum) * (Size) Max(signature->slots, 1));

	for (int f = 0; f < signature->nfeatures; f++)
		for (int e = 0; e < signature->features[f].width; e++)
			names[signature->features[f].slot + e] = CStringGetTextDatum(element_name(model, f, e));
	return names;
}

/* The slot of a name. */
int
slot_find(const MlModel *model, const char *name)
{
	int			slots = model->signature->slots;
	const char **names = palloc(sizeof(char *) * (Size) Max(slots, 1));
	MlContext  *ctx;

	for (int s = 0; s < slots; s++)
	{
		names[s] = slot_name(model, s);
		if (strcmp(names[s], name) == 0)
			return s;
	}
	ctx = host_context_create(CurrentMemoryContext, "mlaas names", false);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the model has no feature \"%s\"", name),
			 errhint("%s", ml_candidates_hint(ctx, "feature", name, names, (size_t) slots))));
}

/* A moment in ISO 8601, in UTC, whatever the session's settings; NULL when it is beyond the calendar. */
static char *
moment_text(double seconds, bool date_only, bool zone)
{
	double		microseconds = (seconds - (double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) *
		USECS_PER_SEC;
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset = 0;
	char	   *text = palloc(MAXDATELEN + 1);

	if (!(microseconds >= (double) MIN_TIMESTAMP && microseconds < (double) END_TIMESTAMP) ||
		timestamp2tm((Timestamp) rint(microseconds), NULL, &tm, &fraction, NULL, NULL) != 0)
		return NULL;
	if (date_only)
		EncodeDateOnly(&tm, USE_ISO_DATES, text);
	else
		EncodeDateTime(&tm, fraction, zone, offset, NULL, USE_ISO_DATES, text);
	return text;
}

/* A slot's number as its feature's type shows it. */
char *
slot_number_text(const MlFeature *feature, double number)
{
	char	   *text = NULL;

	if (isnan(number))
		return NULL;
	if (strcmp(feature->type, "boolean") == 0 && (number == 0 || number == 1))
		return number == 1 ? "true" : "false";
	if (strcmp(feature->type, "date") == 0 && fmod(number, SECS_PER_DAY) == 0)
		text = moment_text(number, true, false);
	else if (strcmp(feature->type, "timestamp without time zone") == 0)
		text = moment_text(number, false, false);
	else if (strcmp(feature->type, "timestamp with time zone") == 0)
		text = moment_text(number, false, true);
	else if ((strcmp(feature->type, "real") == 0 || strcmp(feature->type, "real[]") == 0) && (float) number == number)
	{
		text = palloc(FLOAT_SHORTEST_DECIMAL_LEN);
		float_to_shortest_decimal_buf((float) number, text);
	}
	return text != NULL ? text : number_text(number);
}
