/*
 * ml_oob_predict: the rows of a training as the trees see them that did not draw them.
 *
 * The source is read into a table as the training read it, under the columns that the model names, with the rows' keys
 * beside; the engine finds out which of the rows were held out and what each tree drew.
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "pg/explain.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/train.h"

PG_FUNCTION_INFO_V1(ml_oob_predict);

#define OOB_COLUMNS 6			/* key, prediction, label, probability, trees, trained */
#define KEY_NULL UINT32_MAX

/* The keys of the rows read, as text one after the other, in the engine's memory, which is bounded. */
typedef struct Keys
{
	MlContext  *ctx;
	KeyReader	reader;
	size_t		rows;
	size_t		capacity;
	uint32	   *lengths;		/* [capacity], KEY_NULL = NULL */
	char	   *bytes;
	size_t		used;
	size_t		room;
} Keys;

/* Keep the key of a row. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Keys	   *keys = arg;
	text	   *key = key_reader_read(&keys->reader, slot, CurrentMemoryContext);
	size_t		length = key != NULL ? VARSIZE_ANY_EXHDR(key) : 0;

	if (keys->rows == keys->capacity)
	{
		keys->capacity = Max(2 * keys->capacity, 1024);
		keys->lengths = ml_realloc(keys->ctx, keys->lengths, keys->capacity * sizeof(uint32));
	}
	if (keys->used + length > keys->room)
	{
		keys->room = Max(2 * keys->room, keys->used + length + 8192);
		keys->bytes = ml_realloc(keys->ctx, keys->bytes, keys->room);
	}
	keys->lengths[keys->rows++] = key != NULL ? (uint32) length : KEY_NULL;
	if (length > 0)
		memcpy(keys->bytes + keys->used, VARDATA_ANY(key), length);
	keys->used += length;
}

/* A string of the summary; NULL when it has none of that name. */
static const char *
summary_string(MlContext *ctx, const MlNode *summary, const char *name)
{
	return ml_node_find(summary, name) != NULL ? ml_need_string(ctx, summary, name) : NULL;
}

/* The arguments of the training, as far as the model knows them. */
static void
make_args(MlContext *ctx, const MlModel *model, const char *source, TrainArgs *args)
{
	const MlSignature *signature = model->signature;
	const MlNode *summary = ml_container_section(model->bytes, ML_SECTION_SUMMARY);
	const char *weight = summary_string(ctx, summary, "weight");
	const char *validation = summary_string(ctx, summary, "validation");

	memset(args, 0, sizeof *args);
	args->source = pstrdup(source);
	args->target = pstrdup(signature->target);
	args->algorithm = model->algorithm;
	args->params = pstrdup(ml_node_to_json(ctx, ml_container_section(model->bytes, ML_SECTION_PARAMETERS), true));
	args->preprocess = "{}";
	args->like = model;
	args->weight = weight != NULL ? pstrdup(weight) : NULL;
	args->features = model_feature_names(signature);
	args->nfeatures = signature->nfeatures;
	train_read_validation(ctx, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(
		validation != NULL ? validation : "{\"split\": \"none\"}"))), args);
}

/* Error unless the algorithm's trees may leave rows out. */
static void
check_algorithm(const MlAlgorithm *algorithm)
{
	StringInfoData with;

	if (algorithm->out_of_bag != NULL)
		return;
	initStringInfo(&with);
	for (size_t i = 0; ml_algorithm_table[i] != NULL; i++)
		if (ml_algorithm_table[i]->out_of_bag != NULL)
			appendStringInfo(&with, "%s%s", with.len > 0 ? ", " : "", ml_algorithm_table[i]->name);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a model of algorithm \"%s\" has no out-of-bag predictions", algorithm->name),
			 errhint("Algorithms whose trees draw their rows are: %s.", with.data)));
}

/* Put the rows into the result. */
static void
emit_rows(ReturnSetInfo *result, const MlModel *model, const MlOutOfBag *oob, const Keys *keys)
{
	const MlSignature *signature = model->signature;
	Datum	   *labels = palloc(sizeof(Datum) * (Size) Max(signature->nclasses, 1));
	const char *key = keys->bytes;

	for (int k = 0; k < signature->nclasses; k++)
		labels[k] = CStringGetTextDatum(signature->class_labels[k]);
	for (size_t i = 0; i < oob->rows; i++)
	{
		Datum		values[OOB_COLUMNS] = {0};
		bool		nulls[OOB_COLUMNS] = {false};
		bool		none = oob->trees[i] == 0;
		const double *out = oob->out + i;
		text	   *key_text = NULL;

		CHECK_FOR_INTERRUPTS();
		nulls[0] = keys->lengths[i] == KEY_NULL;
		if (!nulls[0])
		{
			key_text = cstring_to_text_with_len(key, (int) keys->lengths[i]);
			values[0] = PointerGetDatum(key_text);
			key += keys->lengths[i];
		}
		nulls[1] = none || (signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT);
		nulls[2] = nulls[3] = none || signature->nclasses == 0;
		if (!none && signature->nclasses == 0)
			values[1] = Float8GetDatum(out[0]);
		else if (!none)
		{
			int			class = ml_model_class(model, out, oob->rows);

			values[1] = Float8GetDatum(signature->class_values[class]);
			values[2] = labels[class];
			values[3] = Float8GetDatum(out[(size_t) class * oob->rows]);
		}
		values[4] = Int32GetDatum(oob->trees[i]);
		values[5] = BoolGetDatum(oob->trained[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (key_text != NULL)
			pfree(key_text);
	}
}

/* The rows of a training by the trees that did not draw them. */
Datum
ml_oob_predict(PG_FUNCTION_ARGS)
{
	const MlModel *model;
	MlContext  *ctx;
	TrainArgs	args;
	MlTrainSpec spec;
	MlTable    *table;
	MlOutOfBag	oob;
	Keys	   *keys;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	model = model_argument_once(fcinfo, REGISTRY_PREDICT);
	check_algorithm(model->algorithm);
	ctx = host_context_create(CurrentMemoryContext, "ml_oob_predict", true);
	make_args(ctx, model, text_to_cstring(PG_GETARG_TEXT_PP(1)), &args);
	keys = ml_alloc_zero(ctx, sizeof *keys);
	keys->ctx = ctx;
	table = train_load(ctx, &args, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), &keys->reader,
					   receive_row, keys, &spec);
	ml_pipeline_out_of_bag(ctx, table, &spec, model, &oob);
	emit_rows((ReturnSetInfo *) fcinfo->resultinfo, model, &oob, keys);
	host_context_delete(ctx);
	return (Datum) 0;
}
