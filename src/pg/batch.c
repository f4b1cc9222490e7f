/*
 * ml_predict_batch: a whole source through a model.
 *
 * Rows are gathered into blocks as the source's receiver hands them out, scored a section
 * of blocks at a time, and put into a tuplestore, which spills to disk past work_mem.  So
 * memory does not depend on the number of rows.  Keys of integer types wait as numbers
 * and become text without the type's output function.
 *
 * Under an alias with routes every row goes to the scorer of its version; the scorers run together, and
 * rows leave in the order in which they came.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "pg/cache.h"
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

/* One of the models that rows go to. */
typedef struct BatchModel
{
	Scorer		scorer;
	Datum	   *labels;			/* [classes], text */
	size_t		emitted;		/* of the rows gathered */
} BatchModel;

/* A column that routes look at. */
typedef struct RouteColumn
{
	const char *name;
	int			column;			/* of the slot, -1 = the source has none */
	Oid			type;
} RouteColumn;

typedef struct Batch
{
	MlContext  *ctx;
	ReturnSetInfo *result;
	int64		rows;			/* emitted */
	size_t		capacity;		/* rows gathered at most */
	size_t		filled;			/* rows gathered */

	BatchModel *models;			/* the alias' own, then those of routes */
	int			nmodels;
	Route	   *route;			/* NULL = none */
	int			model_of_rule[ROUTE_MAX];
	uint8	   *model_of_row;	/* [capacity]; NULL without routes */
	RouteColumn *route_columns;
	int			nroute_columns;
	const TupleTableSlot *slot; /* the row that is routed */

	int		   *columns;		/* of the source, to be read: grows */
	int			ncolumns;
	const Source *source;

	KeyKind		key;
	int			key_column;		/* of the slot */
	FmgrInfo	key_output;
	bool	   *key_nulls;		/* [capacity] */
	int64	   *key_numbers;	/* [capacity]: integer keys */
	MemoryContext key_memory;	/* text keys until their rows are emitted */
	text	  **key_texts;		/* [capacity] */
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

/* Read one more column of the source; returns its place in the slot. */
static int
add_column(Batch *batch, int column)
{
	batch->columns = repalloc(batch->columns, sizeof(int) * ((Size) batch->ncolumns + 1));
	batch->columns[batch->ncolumns] = column;
	return batch->ncolumns++;
}

/* Set up the key column (NULL: the row's number). */
static void
init_key(Batch *batch, const char *name)
{
	int			column;

	if (name == NULL)
	{
		batch->key = KEY_ROW_NUMBER;
		return;
	}
	column = source_need(batch->source, name, "key column");
	source_check_unique(batch->source, column, "key column");
	batch->key_column = add_column(batch, column);
	init_key_type(batch, batch->source->columns[column].type);
	batch->key_nulls = palloc(batch->capacity * sizeof(bool));
	batch->key_numbers = palloc(batch->capacity * sizeof(int64));
	batch->key_texts = palloc(batch->capacity * sizeof(text *));
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

/* The labels of a classifier's classes as text. */
static Datum *
class_labels(const MlSignature *signature)
{
	Datum	   *labels = palloc(sizeof(Datum) * (Size) Max(signature->nclasses, 1));

	for (int k = 0; k < signature->nclasses; k++)
		labels[k] = CStringGetTextDatum(signature->class_labels[k]);
	return labels;
}

/* Add a model that rows may go to; returns its number. */
static int
add_model(Batch *batch, const MlModel *model)
{
	BatchModel *added = &batch->models[batch->nmodels];
	Scorer	   *scorer = &added->scorer;
	Size		nfeatures = (Size) model->signature->nfeatures;
	int			first = batch->ncolumns;

	batch->columns = repalloc(batch->columns, sizeof(int) * ((Size) first + nfeatures + 1));
	scorer_init(scorer, batch->ctx, model, batch->source, batch->columns + first);
	scorer->first = first;
	batch->ncolumns += scorer->nfeatures;
	added->labels = class_labels(model->signature);
	if (batch->nmodels == 0 || batch->capacity > scorer->blocks * ML_BLOCK_ROWS)
		batch->capacity = scorer->blocks * ML_BLOCK_ROWS;
	return batch->nmodels++;
}

/* ---- routes ---- */

/* Read a column for the routes, if the source has it. */
static void
add_route_column(const char *name, void *arg)
{
	Batch	   *batch = arg;
	RouteColumn added = {.name = name, .column = -1};
	int			column = source_find(batch->source, name);

	if (column >= 0)
	{
		source_check_unique(batch->source, column, "column of a route");
		added.column = add_column(batch, column);
		added.type = batch->source->columns[column].type;
	}
	batch->route_columns = batch->route_columns == NULL ? palloc(sizeof(RouteColumn)) :
		repalloc(batch->route_columns, sizeof(RouteColumn) * ((Size) batch->nroute_columns + 1));
	batch->route_columns[batch->nroute_columns++] = added;
}

/* Set up the models and columns of routes. */
static void
init_routes(Batch *batch, Route *route)
{
	batch->route = route;
	for (int i = 0; i < route->count; i++)
	{
		const RouteRule *rule = &route->rules[i];
		int			same = 0;

		while (same < i && route->rules[same].target.version != rule->target.version)
			same++;
		batch->model_of_rule[i] = same < i ? batch->model_of_rule[same] :
			add_model(batch, cache_model(&rule->target, CurrentMemoryContext));
		if (rule->condition != NULL)
			route_condition_columns(rule->condition, add_route_column, batch);
	}
	if (route->key != NULL)
		add_route_column(route->key, batch);
	batch->model_of_row = palloc(batch->capacity);
}

/* The text of a column of the row that is routed. */
static const char *
slot_text(void *arg, const char *name)
{
	const Batch *batch = arg;

	for (int i = 0; i < batch->nroute_columns; i++)
	{
		const RouteColumn *column = &batch->route_columns[i];

		if (strcmp(column->name, name) == 0)
			return column->column < 0 || batch->slot->tts_isnull[column->column] ? NULL :
				predict_value_text(batch->slot->tts_values[column->column], column->type);
	}
	return NULL;
}

/* Gather a row for the model that it goes to; returns that model's number. */
static int
add_routed(Batch *batch, const TupleTableSlot *slot)
{
	Scorer	   *own = &batch->models[0].scorer;
	RouteInput	input = {slot_text, batch};
	int			choice;

	batch->slot = slot;
	choice = route_choose(batch->route, &input);
	if (choice == ROUTE_BY_FEATURES)
	{
		scorer_add(own, slot);
		choice = route_by_bucket(batch->route, route_features_bucket(batch->route, scorer_last(own), (int) own->slots,
																	 SCORER_STRIDE));
		scorer_drop_last(own);
	}
	if (choice == ROUTE_OWN)
	{
		scorer_add(own, slot);
		return 0;
	}
	scorer_add(&batch->models[batch->model_of_rule[choice]].scorer, slot);
	return batch->model_of_rule[choice];
}

/* ---- rows ---- */

/* Put the prediction of a row, whose key is set, into the result. */
static void
emit_row(Batch *batch, BatchModel *by, Datum *values, bool *nulls)
{
	const MlSignature *signature = by->scorer.model->signature;
	const double *out = scorer_result(&by->scorer, by->emitted++);

	nulls[1] = signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT;
	nulls[2] = nulls[3] = signature->nclasses == 0;
	if (signature->nclasses == 0)
		values[1] = Float8GetDatum(out[0]);
	else
	{
		int			class = ml_model_class(by->scorer.model, out, ML_BLOCK_ROWS);

		values[1] = Float8GetDatum(signature->class_values[class]);
		values[2] = by->labels[class];
		values[3] = Float8GetDatum(out[(size_t) class * ML_BLOCK_ROWS]);
	}
	tuplestore_putvalues(batch->result->setResult, batch->result->setDesc, values, nulls);
}

/* Score the rows gathered and put them into the result. */
static void
emit_rows(Batch *batch)
{
	char		buffer[VARHDRSZ_SHORT + MAXINT8LEN + 1];
	Datum		values[BATCH_COLUMNS] = {0};
	bool		nulls[BATCH_COLUMNS] = {false};

	for (int m = 0; m < batch->nmodels; m++)
		scorer_run(&batch->models[m].scorer);
	for (size_t i = 0; i < batch->filled; i++)
	{
		batch->rows++;
		nulls[0] = batch->key != KEY_ROW_NUMBER && batch->key_nulls[i];
		if (!nulls[0])
			values[0] = key_datum(batch, i, buffer);
		emit_row(batch, &batch->models[batch->route == NULL ? 0 : batch->model_of_row[i]], values, nulls);
	}
	for (int m = 0; m < batch->nmodels; m++)
	{
		scorer_reset(&batch->models[m].scorer);
		batch->models[m].emitted = 0;
	}
	batch->filled = 0;
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
		keep_key(batch, batch->filled, slot);
	if (batch->route == NULL)
		scorer_add(&batch->models[0].scorer, slot);
	else
		batch->model_of_row[batch->filled] = (uint8) add_routed(batch, slot);
	if (++batch->filled == batch->capacity)
		emit_rows(batch);
}

/* The predictions for every row of a source. */
Datum
ml_predict_batch(PG_FUNCTION_ARGS)
{
	const ModelEntry *entry;
	Source	   *source;
	Batch	   *batch;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;

	entry = model_argument_entry(fcinfo, REGISTRY_PREDICT);
	source = source_open(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	batch = palloc0(sizeof(Batch));
	batch->result = (ReturnSetInfo *) fcinfo->resultinfo;
	batch->ctx = host_context_create(CurrentMemoryContext, "ml_predict_batch", false);
	batch->source = source;
	batch->columns = palloc(sizeof(int));
	batch->models = palloc0(sizeof(BatchModel) * (entry->route == NULL ? 1 : ROUTE_MAX + 1));
	add_model(batch, entry->model);
	if (entry->route != NULL)
		init_routes(batch, entry->route);
	init_key(batch, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));

	source_scan(source, batch->columns, batch->ncolumns, receive_row, batch);
	emit_rows(batch);
	return (Datum) 0;
}
