/*
 * ml_probabilities, ml_predict_quantiles and ml_predict_json: predictions as JSON, and the scoring of rows
 * that come as JSON.
 *
 * Numbers are written in their shortest exact form, so that what a client reads is the
 * very double that ml_predict returns.  An array of objects is scored in blocks.
 */
#include "postgres.h"

#include "pg/predict_json.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "pg/cache.h"
#include "pg/predict.h"

PG_FUNCTION_INFO_V1(ml_probabilities);
PG_FUNCTION_INFO_V1(ml_predict_quantiles);
PG_FUNCTION_INFO_V1(ml_predict_json);

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
 * give, and the version where routes chose it (0: they did not).  Returns it when it is the root.
 */
static JsonbValue *
push_prediction(JsonbParseState **state, const MlModel *model, const double *out, size_t ldout, int32 version)
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
	if (version != 0)
	{
		push_key(state, "version");
		push_number(state, version);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* ---- scoring ---- */

/* Make room for up to capacity rows. */
void
json_block_create(JsonBlock *block, const MlModel *model, size_t capacity)
{
	block->model = model;
	block->version = 0;
	block->capacity = capacity;
	block->given = palloc(sizeof(bool) * capacity);
	block->objects = palloc0(sizeof(JsonbContainer *) * capacity);
	block->raw = palloc(sizeof(double) * capacity * (size_t) Max(model->signature->slots, 1));
	block->out = palloc(sizeof(double) * capacity * (size_t) ml_model_outputs(model));
	block->scratch = palloc(sizeof(double) * Max(ml_model_scratch(model, capacity), 1));
}

/* Make row i one of missing values, given as null. */
void
json_block_set_null(JsonBlock *block, size_t i)
{
	for (int f = 0; f < block->model->signature->nfeatures; f++)
		feature_set_null(block->model, f, block->raw + i, block->capacity);
	block->given[i] = false;
	block->objects[i] = NULL;
}

/* Score the first n rows and pass them on. */
void
json_block_finish(JsonBlock *block, size_t n, BlockTaker take, void *arg)
{
	CHECK_FOR_INTERRUPTS();
	if (n == 0)
		return;
	ml_model_score(block->model, block->raw, block->capacity, n, block->out, block->capacity, block->scratch);
	take(block, n, arg);
}

/* Say which element of the array an error is about. */
static void
element_error_callback(void *arg)
{
	errcontext("element %u of the JSON array", *(uint32 *) arg);
}

/* Read one element of the array into row i. */
static void
read_element(JsonBlock *block, size_t i, const JsonbValue *element)
{
	if (element->type == jbvNull)
	{
		json_block_set_null(block, i);
		return;
	}
	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the elements of the JSON array must be objects"),
				 errhint("Give one object of feature names and values for each row.")));
	features_from_json(block->model, element->val.binary.data, block->raw + i, block->capacity);
	block->given[i] = true;
	block->objects[i] = element->val.binary.data;
}

/* Score the objects of an array in its order, in blocks. */
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

	json_block_create(&block, model, Min(Max(JsonContainerSize(array), 1), ML_BLOCK_ROWS));
	callback.previous = error_context_stack;
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		number++;
		error_context_stack = &callback;
		read_element(&block, n, &element);
		error_context_stack = callback.previous;
		if (++n == block.capacity)
		{
			json_block_finish(&block, n, take, arg);
			n = 0;
		}
	}
	json_block_finish(&block, n, take, arg);
}

/* ---- routes ---- */

/* An alias whose calls go to several versions: a model and room for a row for each that was needed so far. */
typedef struct RoutedBlocks
{
	Route	   *route;
	JsonBlock	own;
	JsonBlock	targets[ROUTE_MAX];	/* by rule; model NULL = not yet needed */
} RoutedBlocks;

/* The text of a member, for route_choose. */
static const char *
member_text(void *arg, const char *name)
{
	return predict_member_text(arg, name);
}

/* The block of the version that an object goes to. */
static JsonBlock *
routed_block(RoutedBlocks *routed, JsonbContainer *object)
{
	Route	   *route = routed->route;
	JsonBlock  *own = &routed->own;
	RouteInput	input = {member_text, object};
	int			choice = route_choose(route, &input);
	JsonBlock  *block;

	if (choice == ROUTE_BY_FEATURES)
	{
		features_from_json(own->model, object, own->raw, 1);
		choice = route_by_bucket(route, route_features_bucket(route, own->raw, own->model->signature->slots, 1));
	}
	if (choice == ROUTE_OWN)
		return own;
	block = &routed->targets[choice];
	if (block->model == NULL)
	{
		json_block_create(block, cache_model(&route->rules[choice].target, CurrentMemoryContext), 1);
		block->version = route->rules[choice].target.version;
	}
	return block;
}

/* Score one object, or null, by the version that it goes to. */
static void
score_routed_element(RoutedBlocks *routed, const JsonbValue *element, BlockTaker take, void *arg)
{
	JsonBlock  *block = &routed->own;

	if (element->type == jbvBinary && JsonContainerIsObject(element->val.binary.data))
		block = routed_block(routed, element->val.binary.data);
	read_element(block, 0, element);
	json_block_finish(block, 1, take, arg);
}

/* Score an object, or the objects of an array, each by the version that it goes to. */
static void
score_routed(const ModelEntry *entry, Jsonb *input, BlockTaker take, void *arg)
{
	RoutedBlocks *routed = palloc0(sizeof(RoutedBlocks));
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element = {.type = jbvBinary};
	uint32		number = 0;
	ErrorContextCallback callback = {.callback = element_error_callback, .arg = &number};

	routed->route = entry->route;
	json_block_create(&routed->own, entry->model, 1);
	routed->own.version = entry->number;
	if (!json_is_array(input))
	{
		element.val.binary.data = &input->root;
		score_routed_element(routed, &element, take, arg);
		return;
	}
	iterator = JsonbIteratorInit(&input->root);
	callback.previous = error_context_stack;
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		number++;
		error_context_stack = &callback;
		score_routed_element(routed, &element, take, arg);
		error_context_stack = callback.previous;
	}
}

/* Score an object, or the objects of an array. */
void
json_score(const ModelEntry *entry, Jsonb *input, BlockTaker take, void *arg)
{
	const MlModel *model = entry->model;
	JsonBlock	block;

	if (!json_is_array(input) && !JB_ROOT_IS_OBJECT(input))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input must be a JSON object or an array of objects")));
	if (entry->route != NULL)
	{
		score_routed(entry, input, take, arg);
		return;
	}

	if (json_is_array(input))
	{
		score_array(model, &input->root, take, arg);
		return;
	}
	json_block_create(&block, model, 1);
	features_from_json(model, &input->root, block.raw, 1);
	block.given[0] = true;
	block.objects[0] = &input->root;
	json_block_finish(&block, 1, take, arg);
}

/* ---- the calls ---- */

/* Where predictions go. */
typedef struct JsonResult
{
	JsonbParseState *state;
	JsonbValue *last;			/* the root, when it is an object */
} JsonResult;

/* Add the predictions of a block. */
static void
push_block(JsonBlock *block, size_t n, void *arg)
{
	JsonResult *result = arg;

	for (size_t i = 0; i < n; i++)
	{
		JsonbValue	null = {.type = jbvNull};

		if (block->given[i])
			result->last = push_prediction(&result->state, block->model, block->out + i, block->capacity,
										   block->version);
		else
			pushJsonbValue(&result->state, WJB_ELEM, &null);
	}
}

/* The predictions for one JSON object or an array of them. */
Datum
ml_predict_json(PG_FUNCTION_ARGS)
{
	Jsonb	   *input = PG_GETARG_JSONB_P(1);
	ModelArgument *argument = fcinfo->flinfo->fn_extra;
	JsonResult	result = {0};

	if (argument == NULL)
	{
		argument = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ModelArgument));
		model_argument_init(argument, fcinfo, REGISTRY_PREDICT, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = argument;
	}
	if (json_is_array(input))
		pushJsonbValue(&result.state, WJB_BEGIN_ARRAY, NULL);
	json_score(model_argument_get(argument, PG_GETARG_DATUM(0)), input, push_block, &result);
	if (json_is_array(input))
		result.last = pushJsonbValue(&result.state, WJB_END_ARRAY, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result.last));
}

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
