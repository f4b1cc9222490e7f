/*
 * ml_probabilities, ml_predict_quantiles, ml_predict_json, and predict and predict_batch of
 * mlaas_api: predictions from and as JSON.
 *
 * Numbers are written in their shortest exact form, so that what a client reads is the
 * very double that ml_predict returns.  An array of objects is scored in blocks.
 */
#include "postgres.h"

#include "pg/predict.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "pg/rest.h"

PG_FUNCTION_INFO_V1(ml_probabilities);
PG_FUNCTION_INFO_V1(ml_predict_quantiles);
PG_FUNCTION_INFO_V1(ml_predict_json);
PG_FUNCTION_INFO_V1(ml_rest_predict);
PG_FUNCTION_INFO_V1(ml_rest_predict_batch);

/* ---- writing ---- */

/* Add a key. */
static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, key);
	value.val.string.len = (int) strlen(key);
	pushJsonbValue(state, WJB_KEY, &value);
}

/* Add text behind a key. */
static void
push_string(JsonbParseState **state, const char *string)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = unconstify(char *, string);
	value.val.string.len = (int) strlen(string);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Add a number behind a key; JSON has none that is not finite: null. */
static void
push_number(JsonbParseState **state, double number)
{
	JsonbValue	value = {.type = jbvNull};

	if (isfinite(number))
	{
		value.type = jbvNumeric;
		value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(number_text(number)),
																ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Add the object of classes and probabilities; returns it when it is the root. */
static JsonbValue *
push_probabilities(JsonbParseState **state, const MlModel *model, const double *out, size_t ldout)
{
	const MlSignature *signature = model->signature;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int k = 0; k < signature->nclasses; k++)
	{
		push_key(state, signature->class_labels[k]);
		push_number(state, out[(size_t) k * ldout]);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Add the object that describes one prediction: what ml_predict, ml_predict_label and ml_probabilities
 * give.  Returns it when it is the root.
 */
static JsonbValue *
push_prediction(JsonbParseState **state, const MlModel *model, const double *out, size_t ldout)
{
	const MlSignature *signature = model->signature;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (signature->nclasses == 0 || signature->target_kind != ML_TARGET_TEXT)
	{
		push_key(state, "prediction");
		push_number(state, predict_number(model, out, ldout));
	}
	if (signature->nclasses > 0)
	{
		push_key(state, "label");
		push_string(state, signature->class_labels[ml_model_class(model, out, ldout)]);
		push_key(state, "probabilities");
		push_probabilities(state, model, out, ldout);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* The object for one prediction. */
Jsonb *
prediction_json(const MlModel *model, const double *out)
{
	JsonbParseState *state = NULL;

	return JsonbValueToJsonb(push_prediction(&state, model, out, 1));
}

/* ---- scoring ---- */

/* Room for a block of rows. */
typedef struct JsonBlock
{
	const MlModel *model;
	size_t		capacity;		/* rows, and the leading dimension */
	bool	   *given;			/* [capacity] false: null instead of an object */
	JsonbContainer **objects;	/* [capacity] NULL where there is none */
	double	   *raw;
	double	   *out;
	double	   *scratch;
} JsonBlock;

/* Make room for up to capacity rows. */
static void
create_block(JsonBlock *block, const MlModel *model, size_t capacity)
{
	block->model = model;
	block->capacity = capacity;
	block->given = palloc(sizeof(bool) * capacity);
	block->objects = palloc(sizeof(JsonbContainer *) * capacity);
	block->raw = palloc(sizeof(double) * capacity * (size_t) Max(model->signature->slots, 1));
	block->out = palloc(sizeof(double) * capacity * (size_t) ml_model_outputs(model));
	block->scratch = palloc(sizeof(double) * Max(ml_model_scratch(model, capacity), 1));
}

/* Score the first n rows. */
static void
score_block(JsonBlock *block, size_t n)
{
	ml_model_score(block->model, block->raw, block->capacity, n, block->out, block->capacity, block->scratch);
}

/* The prediction for one object. */
static Datum
predict_object(const MlModel *model, JsonbContainer *object)
{
	JsonBlock	block;

	create_block(&block, model, 1);
	features_from_json(model, object, block.raw, 1);
	score_block(&block, 1);
	PG_RETURN_JSONB_P(prediction_json(model, block.out));
}

/* Say which element of the array an error is about. */
static void
element_error_callback(void *arg)
{
	errcontext("element %u of the JSON array", *(uint32 *) arg);
}

/* Read one element of the array into row i; false when it is null. */
static bool
read_element(JsonBlock *block, size_t i, const JsonbValue *element)
{
	if (element->type == jbvNull)
	{
		for (int f = 0; f < block->model->signature->nfeatures; f++)
			feature_set_null(block->model, f, block->raw + i, block->capacity);
		return false;
	}
	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the elements of the JSON array must be objects"),
				 errhint("Give one object of feature names and values for each row.")));
	features_from_json(block->model, element->val.binary.data, block->raw + i, block->capacity);
	return true;
}

/* What becomes of a block of rows that are scored. */
typedef void (*BlockTaker) (JsonBlock *block, size_t n, void *arg);

/* Score the rows read and pass them on. */
static void
finish_block(JsonBlock *block, size_t n, BlockTaker take, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	if (n == 0)
		return;
	score_block(block, n);
	take(block, n, arg);
}

/* Score the rows of an array of objects in blocks, in its order; take gets each block. */
static void
score_array(const MlModel *model, JsonbContainer *array, BlockTaker take, void *arg)
{
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	element;
	JsonBlock	block;
	size_t		n = 0;
	uint32		number = 0;
	ErrorContextCallback callback = {.callback = element_error_callback, .arg = &number};

	create_block(&block, model, Min(Max(JsonContainerSize(array), 1), ML_BLOCK_ROWS));
	callback.previous = error_context_stack;
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		number++;
		error_context_stack = &callback;
		block.given[n] = read_element(&block, n, &element);
		block.objects[n] = element.type == jbvBinary ? element.val.binary.data : NULL;
		error_context_stack = callback.previous;
		if (++n == block.capacity)
		{
			finish_block(&block, n, take, arg);
			n = 0;
		}
	}
	finish_block(&block, n, take, arg);
}

/* ---- an object, or an array of them, as JSON ---- */

/* Add the predictions of a block. */
static void
push_block(JsonBlock *block, size_t n, void *arg)
{
	JsonbParseState **state = arg;

	for (size_t i = 0; i < n; i++)
	{
		JsonbValue	null = {.type = jbvNull};

		if (block->given[i])
			push_prediction(state, block->model, block->out + i, block->capacity);
		else
			pushJsonbValue(state, WJB_ELEM, &null);
	}
}

/* The predictions for an array of objects, in its order. */
static Datum
predict_array(const MlModel *model, JsonbContainer *array)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	score_array(model, array, push_block, &state);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* The model of the first argument, kept in fn_extra. */
static const MlModel *
call_model(FunctionCallInfo fcinfo)
{
	ModelArgument *argument = fcinfo->flinfo->fn_extra;

	if (argument == NULL)
	{
		argument = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ModelArgument));
		model_argument_init(argument, fcinfo, REGISTRY_PREDICT, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = argument;
	}
	return model_argument_get(argument, PG_GETARG_DATUM(0))->model;
}

/* Tell whether JSON is an array. */
static bool
is_array(const Jsonb *input)
{
	return JB_ROOT_IS_ARRAY(input) && !JB_ROOT_IS_SCALAR(input);
}

/* The predictions for one JSON object or an array of them. */
static Datum
predict_json(FunctionCallInfo fcinfo, Jsonb *input)
{
	const MlModel *model = call_model(fcinfo);

	if (JB_ROOT_IS_OBJECT(input))
		return predict_object(model, &input->root);
	if (!is_array(input))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input must be a JSON object or an array of objects")));
	return predict_array(model, &input->root);
}

/* ml_predict_json(model, input). */
Datum
ml_predict_json(PG_FUNCTION_ARGS)
{
	return predict_json(fcinfo, PG_GETARG_JSONB_P(1));
}

/* The JSON text in an argument of a request, within the bounds. */
static Jsonb *
request_json(FunctionCallInfo fcinfo, int argument)
{
	text	   *json = PG_GETARG_TEXT_PP(argument);
	Jsonb	   *parsed;

	rest_check_size(json);
	parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(json))));
	if (is_array(parsed))
		rest_check_rows(JB_ROOT_COUNT(parsed));
	return parsed;
}

/* predict(model, input) of mlaas_api. */
Datum
ml_rest_predict(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Jsonb	   *result;
	char	   *text;

	rest_begin(&call, REST_PREDICT);
	result = DatumGetJsonbP(predict_json(fcinfo, request_json(fcinfo, 1)));
	text = JsonbToCString(NULL, &result->root, VARSIZE(result));
	rest_end(&call);
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

/* ---- an array of objects as rows ---- */

/* Where the rows of predict_batch go. */
typedef struct JsonRows
{
	ReturnSetInfo *result;
	const char *key;			/* the member that names a row; NULL = its number */
	int64		number;			/* of rows so far */
} JsonRows;

/* The key of a row: a member of its object, as text. */
static Datum
row_key(const JsonRows *rows, JsonbContainer *object, bool *isnull)
{
	JsonbValue	buffer;
	JsonbValue *value;
	Jsonb	   *json;

	*isnull = false;
	if (rows->key == NULL)
		return CStringGetTextDatum(psprintf(INT64_FORMAT, rows->number));
	value = object == NULL ? NULL : getKeyJsonValueFromContainer(object, rows->key, (int) strlen(rows->key), &buffer);
	*isnull = value == NULL || value->type == jbvNull;
	if (*isnull)
		return (Datum) 0;
	if (value->type == jbvString)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	json = JsonbValueToJsonb(value);
	return CStringGetTextDatum(JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

/* Put the predictions of a block into the result. */
static void
store_block(JsonBlock *block, size_t n, void *arg)
{
	JsonRows   *rows = arg;
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

		rows->number++;
		values[0] = row_key(rows, block->objects[i], &nulls[0]);
		if (!nulls[1])
			values[1] = Float8GetDatum(predict_number(block->model, out, block->capacity));
		if (!nulls[2])
			values[2] = CStringGetTextDatum(signature->class_labels[class]);
		if (!nulls[3])
			values[3] = Float8GetDatum(out[(size_t) class * block->capacity]);
		tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	}
}

/* predict_batch(model, rows, key) of mlaas_api. */
Datum
ml_rest_predict_batch(PG_FUNCTION_ARGS)
{
	RestCall	call;
	JsonRows	rows = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	Jsonb	   *input;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	rest_begin(&call, REST_PREDICT);
	input = request_json(fcinfo, 1);
	if (!is_array(input))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows must be a JSON array of objects")));
	if (!PG_ARGISNULL(2))
		rows.key = text_to_cstring(PG_GETARG_TEXT_PP(2));
	score_array(call_model(fcinfo), &input->root, store_block, &rows);
	rest_end(&call);
	return (Datum) 0;
}

/* ---- probabilities and quantiles ---- */

/* The probability of every class for a row. */
Datum
ml_probabilities(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = predict_row(fcinfo, 1, PREDICT_PROBABILITY);
	JsonbParseState *state = NULL;

	if (plan == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(JsonbValueToJsonb(push_probabilities(&state, plan->model, plan->out, 1)));
}

/* The quantiles that a model estimates for a row. */
Datum
ml_predict_quantiles(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = predict_row(fcinfo, 1, PREDICT_QUANTILES);
	JsonbParseState *state = NULL;
	const double *levels;
	int			n;

	if (plan == NULL)
		PG_RETURN_NULL();
	n = ml_model_quantiles(plan->model, &levels);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int q = 0; q < n; q++)
	{
		push_key(&state, number_text(levels[q]));
		push_number(&state, plan->out[q]);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
