/*
 * ml_predict_batch: a whole source through a model.
 *
 * Rows are gathered into blocks as the source's receiver hands them out, scored a section
 * of blocks at a time, and put into a tuplestore, which spills to disk past work_mem.  So
 * memory does not depend on the number of rows.  Keys of integer types wait as numbers
 * and become text without the type's output function.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/predict.h"
#include "pg/scorer.h"
#include "pg/source.h"

#define BATCH_COLUMNS 4			/* key, prediction, label, probability */

/* Where a row's key comes from. */
typedef enum KeyKind
{
	KEY_ROW_NUMBER,
	KEY_INT2,
	KEY_INT4,
	KEY_INT8,
	KEY_TEXT					/* through the output function */
} KeyKind;

typedef struct Batch
{
	Scorer		scorer;
	ReturnSetInfo *result;
	int64		rows;			/* emitted */

	KeyKind		key;
	int			key_column;		/* of the slot */
	FmgrInfo	key_output;
	bool	   *key_nulls;		/* [capacity] */
	int64	   *key_numbers;	/* [capacity]: integer keys */
	MemoryContext key_memory;	/* text keys until their rows are emitted */
	text	  **key_texts;		/* [capacity] */

	Datum	   *labels;			/* [classes], text */
} Batch;

PG_FUNCTION_INFO_V1(ml_predict_batch);

/* Set up the key for a type. */
static void
init_key_type(Batch *batch, Oid type)
{
	Oid			function;
	bool		is_varlena;

	switch (getBaseType(type))
	{
		case INT2OID:
			batch->key = KEY_INT2;
			return;
		case INT4OID:
			batch->key = KEY_INT4;
			return;
		case INT8OID:
			batch->key = KEY_INT8;
			return;
		default:
			batch->key = KEY_TEXT;
	}
	getTypeOutputInfo(type, &function, &is_varlena);
	fmgr_info(function, &batch->key_output);
	batch->key_memory = AllocSetContextCreate(CurrentMemoryContext, "ml_predict_batch keys",
											  ALLOCSET_DEFAULT_SIZES);
}

/* Set up the key column (NULL: the row's number); returns how many columns it adds to the scan. */
static int
init_key(Batch *batch, const Source *source, const char *name, int *column)
{
	size_t		capacity = batch->scorer.blocks * ML_BLOCK_ROWS;

	if (name == NULL)
	{
		batch->key = KEY_ROW_NUMBER;
		return 0;
	}
	*column = source_need(source, name, "key column");
	source_check_unique(source, *column, "key column");
	batch->key_column = batch->scorer.nfeatures;
	init_key_type(batch, source->columns[*column].type);
	batch->key_nulls = palloc(capacity * sizeof(bool));
	batch->key_numbers = palloc(capacity * sizeof(int64));
	batch->key_texts = palloc(capacity * sizeof(text *));
	return 1;
}

/* Keep the key of row i. */
static void
keep_key(Batch *batch, size_t i, const TupleTableSlot *slot)
{
	Datum		value = slot->tts_values[batch->key_column];
	MemoryContext caller;

	batch->key_nulls[i] = slot->tts_isnull[batch->key_column];
	if (batch->key_nulls[i])
		return;
	switch (batch->key)
	{
		case KEY_INT2:
			batch->key_numbers[i] = DatumGetInt16(value);
			break;
		case KEY_INT4:
			batch->key_numbers[i] = DatumGetInt32(value);
			break;
		case KEY_INT8:
			batch->key_numbers[i] = DatumGetInt64(value);
			break;
		default:
			caller = MemoryContextSwitchTo(batch->key_memory);
			batch->key_texts[i] = cstring_to_text(OutputFunctionCall(&batch->key_output, value));
			MemoryContextSwitchTo(caller);
			break;
	}
}

/* The key of row i as a datum; numbers are written into buffer, as a short varlena. */
static inline Datum
key_datum(Batch *batch, size_t i, char *buffer)
{
	int			length;

	if (batch->key == KEY_TEXT)
		return PointerGetDatum(batch->key_texts[i]);
	length = pg_lltoa(batch->key == KEY_ROW_NUMBER ? batch->rows : batch->key_numbers[i],
					  buffer + VARHDRSZ_SHORT);
	SET_VARSIZE_SHORT(buffer, length + VARHDRSZ_SHORT);
	return PointerGetDatum(buffer);
}

/* Score the rows gathered and put them into the result. */
static void
emit_rows(Batch *batch)
{
	Scorer	   *scorer = &batch->scorer;
	const MlModel *model = scorer->model;
	const MlSignature *signature = model->signature;
	char		buffer[VARHDRSZ_SHORT + MAXINT8LEN + 1];
	Datum		values[BATCH_COLUMNS] = {0};
	bool		nulls[BATCH_COLUMNS] = {false};

	scorer_run(scorer);
	nulls[1] = signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT;
	nulls[2] = nulls[3] = signature->nclasses == 0;
	for (size_t i = 0; i < scorer->filled; i++)
	{
		const double *out = scorer_result(scorer, i);

		batch->rows++;
		nulls[0] = batch->key != KEY_ROW_NUMBER && batch->key_nulls[i];
		if (!nulls[0])
			values[0] = key_datum(batch, i, buffer);
		if (signature->nclasses == 0)
			values[1] = Float8GetDatum(out[0]);
		else
		{
			int			class = ml_model_class(model, out, ML_BLOCK_ROWS);

			values[1] = Float8GetDatum(signature->class_values[class]);
			values[2] = batch->labels[class];
			values[3] = Float8GetDatum(out[(size_t) class * ML_BLOCK_ROWS]);
		}
		tuplestore_putvalues(batch->result->setResult, batch->result->setDesc, values, nulls);
	}
	scorer_reset(scorer);
	if (batch->key_memory != NULL)
		MemoryContextReset(batch->key_memory);
}

/* Take one row of the source. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Batch	   *batch = arg;

	slot_getallattrs(slot);
	if (batch->key != KEY_ROW_NUMBER)
		keep_key(batch, batch->scorer.filled, slot);
	scorer_add(&batch->scorer, slot);
	if (scorer_full(&batch->scorer))
		emit_rows(batch);
}

/* The labels of a classifier's classes as text. */
static Datum *
class_labels(const MlSignature *signature)
{
	Datum	   *labels = palloc(sizeof(Datum) * (Size) Max(signature->nclasses, 1));

	for (int k = 0; k < signature->nclasses; k++)
		labels[k] = CStringGetTextDatum(signature->class_labels[k]);
	return labels;
}

/* The predictions for every row of a source. */
Datum
ml_predict_batch(PG_FUNCTION_ARGS)
{
	const MlModel *model;
	Source	   *source;
	Batch	   *batch;
	int		   *columns;
	int			ncolumns;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;

	model = model_argument_once(fcinfo, REGISTRY_PREDICT);
	source = source_open(text_to_cstring(PG_GETARG_TEXT_PP(1)), false);
	batch = palloc0(sizeof(Batch));
	batch->result = (ReturnSetInfo *) fcinfo->resultinfo;
	columns = palloc(sizeof(int) * ((Size) model->signature->nfeatures + 1));
	scorer_init(&batch->scorer, host_context_create(CurrentMemoryContext, "ml_predict_batch", false),
				model, source, columns);
	ncolumns = batch->scorer.nfeatures;
	ncolumns += init_key(batch, source, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)),
						 columns + ncolumns);
	batch->labels = class_labels(model->signature);

	source_scan(source, columns, ncolumns, receive_row, batch);
	emit_rows(batch);
	return (Datum) 0;
}
