/*
 * predict and predict_batch of mlaas_api: rows that a request brings as JSON text, through a model.
 *
 * What is read in one pass over the text (json_scan.c) is; anything else becomes jsonb and goes the way
 * of ml_predict_json, with its errors.
 */
#include "postgres.h"

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/tuplestore.h"

#include "common/shortest_dec.h"
#include "pg/json_scan.h"
#include "pg/module.h"
#include "pg/predict.h"
#include "pg/predict_json.h"
#include "pg/rest.h"

PG_FUNCTION_INFO_V1(ml_rest_predict);
PG_FUNCTION_INFO_V1(ml_rest_predict_batch);

/* ---- writing ---- */

/* Add a number; JSON has none that is not finite: null. */
static void
append_number(StringInfo json, double number)
{
	char		text[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (isfinite(number))
		appendBinaryStringInfo(json, text, double_to_shortest_decimal_bufn(number, text));
	else
		appendStringInfoString(json, "null");
}

/* Add the object that describes one prediction, as ml_predict_json has it; version 0 is not told. */
void
rest_append_prediction(StringInfo json, const MlModel *model, const double *out, size_t ldout, int32 version)
{
	const MlSignature *signature = model->signature;
	const char *separator = "";

	appendStringInfoChar(json, '{');
	if (signature->nclasses == 0 || signature->target_kind != ML_TARGET_TEXT)
	{
		appendStringInfoString(json, "\"prediction\": ");
		append_number(json, predict_number(model, out, ldout));
		separator = ", ";
	}
	if (signature->nclasses > 0)
	{
		appendStringInfo(json, "%s\"label\": ", separator);
		escape_json(json, signature->class_labels[ml_model_class(model, out, ldout)]);
		appendStringInfoString(json, ", \"probabilities\": ");
		for (int k = 0; k < signature->nclasses; k++)
		{
			appendStringInfoString(json, k == 0 ? "{" : ", ");
			escape_json(json, signature->class_labels[k]);
			appendStringInfoString(json, ": ");
			append_number(json, out[(size_t) k * ldout]);
		}
		appendStringInfoChar(json, '}');
	}
	if (version != 0)
		appendStringInfo(json, ", \"version\": %d", version);
	appendStringInfoChar(json, '}');
}

/* ---- reading ---- */

/* The entry of the first argument's model, kept in fn_extra. */
static const ModelEntry *
call_entry(FunctionCallInfo fcinfo)
{
	ModelArgument *argument = fcinfo->flinfo->fn_extra;

	if (argument == NULL)
	{
		argument = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ModelArgument));
		model_argument_init(argument, fcinfo, REGISTRY_PREDICT, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = argument;
	}
	return model_argument_get(argument, PG_GETARG_DATUM(0));
}

/* Where the predictions of a request go: a text, or rows. */
typedef struct Answer
{
	StringInfo	json;			/* NULL: rows */
	ReturnSetInfo *rows;
	const char *key;			/* rows: the member that names one; NULL = its number */
	int64		number;			/* of rows so far */
	Datum	   *keys;			/* of the block, from the text; NULL when the block has objects of jsonb */
} Answer;

/* The text of the scanned member as a datum; 0 where it is null or not there. */
static Datum
scanned_key(const JsonScan *scan)
{
	return scan->text == NULL ? (Datum) 0 : PointerGetDatum(cstring_to_text_with_len(scan->text, scan->length));
}

/* Read the objects of an array in the text and score them in blocks; false for what is out of the ordinary. */
static bool
scan_array(JsonScan *scan, BlockTaker take, Answer *answer)
{
	JsonBlock	block;
	size_t		n = 0;
	int64		rows = 0;

	if (json_scan_char(scan, ']'))
		return true;
	json_block_create(&block, scan->model, ML_BLOCK_ROWS);
	answer->keys = palloc(sizeof(Datum) * ML_BLOCK_ROWS);
	do
	{
		block.given[n] = !json_scan_null(scan);
		if (!block.given[n])
			json_block_set_null(&block, n);
		else if (!json_scan_row(scan, block.raw + n, block.capacity))
			return false;
		answer->keys[n] = block.given[n] ? scanned_key(scan) : (Datum) 0;
		if (mlaas_max_request_rows > 0 && ++rows > mlaas_max_request_rows)
			return false;
		if (++n == block.capacity)
		{
			json_block_finish(&block, n, take, answer);
			n = 0;
		}
	} while (json_scan_char(scan, ','));
	if (!json_scan_char(scan, ']'))
		return false;
	json_block_finish(&block, n, take, answer);
	return true;
}

/* Read and score what is in the text; false for what is out of the ordinary. */
static bool
scan_input(JsonScan *scan, BlockTaker take, Answer *answer)
{
	JsonBlock	block;

	if (json_scan_char(scan, '['))
		return scan_array(scan, take, answer) && json_scan_char(scan, '\0');
	json_block_create(&block, scan->model, 1);
	block.given[0] = true;
	if (!json_scan_row(scan, block.raw, 1))
		return false;
	json_block_finish(&block, 1, take, answer);
	return true;
}

/* Tell whether the text is an array. */
static bool
begins_as_array(const char *text)
{
	return text[strspn(text, " \t\n\r")] == '[';
}

/* The text of an argument of a request, within the bound. */
static char *
request_text(FunctionCallInfo fcinfo, int argument)
{
	text	   *input = PG_GETARG_TEXT_PP(argument);

	rest_check_size((struct varlena *) input);
	return text_to_cstring(input);
}

/* Score the rows in the text of a request. */
static void
score_request(const ModelEntry *entry, char *string, BlockTaker take, Answer *answer)
{
	JsonScan	scan;
	Jsonb	   *json;

	/* routes look at members that are no features */
	if (entry->route == NULL)
	{
		json_scan_init(&scan, entry->model, string, answer->key);
		if (scan_input(&scan, take, answer))
			return;
	}

	/* begin again, the general way */
	answer->keys = NULL;
	answer->number = 0;
	if (answer->json != NULL)
		resetStringInfo(answer->json);
	else
		tuplestore_clear(answer->rows->setResult);
	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(string)));
	if (json_is_array(json))
		rest_check_rows(JB_ROOT_COUNT(json));
	json_score(entry, json, take, answer);
}

/* ---- predict ---- */

/* Add the predictions of a block to the text. */
static void
append_block(JsonBlock *block, size_t n, void *arg)
{
	Answer	   *answer = arg;

	for (size_t i = 0; i < n; i++)
	{
		if (answer->number++ > 0)
			appendStringInfoString(answer->json, ", ");
		if (block->given[i])
			rest_append_prediction(answer->json, block->model, block->out + i, block->capacity, block->version);
		else
			appendStringInfoString(answer->json, "null");
	}
}

/* predict(model, input). */
Datum
ml_rest_predict(PG_FUNCTION_ARGS)
{
	RestCall	call;
	StringInfoData json;
	Answer		answer = {.json = &json};
	char	   *input;

	rest_begin(&call, REST_PREDICT);
	initStringInfo(&json);
	input = request_text(fcinfo, 1);
	score_request(call_entry(fcinfo), input, append_block, &answer);
	rest_end(&call);
	if (begins_as_array(input))
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("[%s]", json.data)));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}

/* ---- predict_batch ---- */

/* The key of a row read from jsonb: a member of its object, as text. */
static Datum
object_key(const char *key, JsonbContainer *object)
{
	JsonbValue	buffer;
	JsonbValue *value;
	Jsonb	   *json;

	value = object == NULL ? NULL : getKeyJsonValueFromContainer(object, key, (int) strlen(key), &buffer);
	if (value == NULL || value->type == jbvNull)
		return (Datum) 0;
	if (value->type == jbvString)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	json = JsonbValueToJsonb(value);
	return CStringGetTextDatum(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* The key of row i of a block; 0 = null. */
static Datum
row_key(const Answer *answer, const JsonBlock *block, size_t i)
{
	if (answer->key == NULL)
		return CStringGetTextDatum(psprintf(INT64_FORMAT, answer->number));
	return answer->keys != NULL ? answer->keys[i] : object_key(answer->key, block->objects[i]);
}

/* Add the predictions of a block to the rows. */
static void
store_block(JsonBlock *block, size_t n, void *arg)
{
	Answer	   *answer = arg;
	const MlSignature *signature = block->model->signature;
	bool		classes = signature->nclasses > 0;

	for (size_t i = 0; i < n; i++)
	{
		const double *out = block->out + i;
		int			class = classes ? ml_model_class(block->model, out, block->capacity) : 0;
		bool		given = block->given[i];
		Datum		values[4] = {0};
		bool		nulls[4] = {false, !given || (classes && signature->target_kind == ML_TARGET_TEXT),
			!given || !classes, !given || !classes};

		answer->number++;
		values[0] = row_key(answer, block, i);
		nulls[0] = values[0] == (Datum) 0;
		if (!nulls[1])
			values[1] = Float8GetDatum(predict_number(block->model, out, block->capacity));
		if (!nulls[2])
			values[2] = CStringGetTextDatum(signature->class_labels[class]);
		if (!nulls[3])
			values[3] = Float8GetDatum(out[(size_t) class * block->capacity]);
		tuplestore_putvalues(answer->rows->setResult, answer->rows->setDesc, values, nulls);
	}
}

/* predict_batch(model, rows, key). */
Datum
ml_rest_predict_batch(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Answer		answer = {.rows = (ReturnSetInfo *) fcinfo->resultinfo};
	char	   *input;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	rest_begin(&call, REST_PREDICT);
	input = request_text(fcinfo, 1);
	if (!begins_as_array(input))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows must be a JSON array of objects")));
	if (!PG_ARGISNULL(2))
		answer.key = text_to_cstring(PG_GETARG_TEXT_PP(2));
	score_request(call_entry(fcinfo), input, store_block, &answer);
	rest_end(&call);
	return (Datum) 0;
}
