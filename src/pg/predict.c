/*
 * ml_predict, ml_predict_label, ml_probability: one row through a model.
 *
 * The arguments after the model are, told apart once per call site by their types:
 *   a row (composite value)     matched by name
 *   one json or jsonb object    matched by name; an untyped literal that begins as one too
 *   one array                   by position: an element for each feature, as many as it is
 *                               wide for a vector.  So a model with one vector feature takes
 *                               an array as that vector.  VARIADIC arrays too.
 *   anything else               the values in order, one for each feature
 *
 * Per row nothing is allocated and no catalog is read where the values are plain numbers:
 * fn_extra holds the resolved model and one plan for each model the call site has seen.
 */
#include "postgres.h"

#include "pg/predict.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "pg/host.h"

/* fn_extra of a scoring function. */
typedef struct PredictCall
{
	ModelArgument argument;
	PredictForm form;
	bool		whole;			/* one argument is the whole row, and NULL when it is NULL */
	int			count;			/* arguments that are values */
} PredictCall;

PG_FUNCTION_INFO_V1(ml_predict);
PG_FUNCTION_INFO_V1(ml_predict_label);
PG_FUNCTION_INFO_V1(ml_probability);

/* ---- once per call site ---- */

/* What the count arguments from first on are. */
static PredictForm
call_form(FunctionCallInfo fcinfo, int first, int count)
{
	Oid			type;

	if (get_fn_expr_variadic(fcinfo->flinfo))
		return FORM_ARRAY;
	if (count != 1)
		return FORM_VALUES;
	type = get_fn_expr_argtype(fcinfo->flinfo, first);
	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of the features");
	if (type == UNKNOWNOID)
		return FORM_UNKNOWN;
	if (type_is_rowtype(type))
		return FORM_ROW;
	if (type_is_array_domain(type))
		return FORM_ARRAY;
	type = getBaseType(type);
	return type == JSONBOID ? FORM_JSONB : type == JSONOID ? FORM_JSON : FORM_VALUES;
}

/* Set up fn_extra. */
static PredictCall *
create_call(FunctionCallInfo fcinfo, int first, int count, RegistryPrivilege privilege)
{
	FmgrInfo   *flinfo = fcinfo->flinfo;
	PredictCall *call = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(PredictCall));

	call->form = call_form(fcinfo, first, count);
	call->whole = call->form != FORM_VALUES && call->form != FORM_UNKNOWN;
	call->count = count;
	model_argument_init(&call->argument, fcinfo, privilege, flinfo->fn_mcxt);
	flinfo->fn_extra = call;
	return call;
}

/* Refuse a model that only transforms. */
void
predict_check_predicts(const MlModel *model)
{
	if (model->algorithm->transforms)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the model transforms and predicts nothing"),
				 errhint("Use ml_transform.")));
}

/* Refuse a model that cannot give what a call wants. */
static void
check_model(const MlModel *model, PredictWhat what)
{
	const MlSignature *signature = model->signature;

	if (what == PREDICT_NOTHING)
		return;
	predict_check_predicts(model);
	if (what == PREDICT_ANY)
		return;
	if (what == PREDICT_NUMBER)
	{
		if (signature->nclasses > 0 && signature->target_kind == ML_TARGET_TEXT)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the model predicts text labels, which are no numbers"),
					 errhint("Use ml_predict_label for the label, or ml_probability for the probability of a class.")));
	}
	else if (what == PREDICT_INTERVAL)
	{
		if (signature->task != ML_TASK_REGRESSION)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the model predicts no number that could lie in an interval"),
					 signature->nclasses > 0 ? errhint("Use ml_predict_set for a set of classes.") : 0));
	}
	else if (what == PREDICT_QUANTILES)
	{
		const double *levels;

		if (ml_model_quantiles(model, &levels) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the model estimates no quantiles"),
					 errhint("Train one with algorithm => 'gradient_boosting' and params => '{\"objective\": "
							 "\"quantile\", \"quantiles\": [0.1, 0.5, 0.9]}'.")));
	}
	else if (signature->nclasses == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the model predicts a number and has no classes"),
				 errhint("Use ml_predict.")));
}

/* ---- once per call site and model ---- */

/* Set up the inputs of values in order. */
static void
plan_values(PredictPlan *plan, const PredictCall *call, FunctionCallInfo fcinfo, int first)
{
	int			nfeatures = plan->model->signature->nfeatures;
	FeatureInput *inputs;

	if (call->count != nfeatures)
		features_error_count(plan->model, call->count, nfeatures, "features");
	inputs = MemoryContextAlloc(plan->memory, sizeof(FeatureInput) * (Size) nfeatures);
	plan->all_float8 = true;
	for (int f = 0; f < nfeatures; f++)
	{
		feature_input_init(&inputs[f], plan->model, f,
						   get_fn_expr_argtype(fcinfo->flinfo, first + f), plan->memory);
		plan->all_float8 &= inputs[f].how == FEATURE_FLOAT8;
	}
	plan->inputs = inputs;		/* all are set up */
}

/* The plan of a model's entry, made now. */
static PredictPlan *
create_plan(ModelEntry *entry, const PredictCall *call, FunctionCallInfo fcinfo, int first, PredictWhat what)
{
	const MlModel *model = entry->model;
	PredictPlan *plan;
	Size		slots = (Size) Max(model->signature->slots, 1);
	Size		scratch = ml_model_scratch(model, 1);
	const double *levels;
	Size		outputs;

	check_model(model, what);
	outputs = (Size) (what == PREDICT_QUANTILES ? ml_model_quantiles(model, &levels) : ml_model_outputs(model));
	plan = MemoryContextAllocZero(entry->memory, sizeof(PredictPlan));
	plan->model = model;
	plan->memory = entry->memory;
	plan->form = call->form;
	plan->raw = MemoryContextAlloc(entry->memory, sizeof(double) * (slots + outputs + scratch));
	plan->out = plan->raw + slots;
	plan->scratch = plan->out + outputs;
	if (call->form == FORM_VALUES)
		plan_values(plan, call, fcinfo, first);
	entry->plan = plan;
	return plan;
}

/* ---- an array, by position ---- */

/* Set up for arrays of this element type. */
static void
plan_elements(PredictPlan *plan, Oid element, Oid array_type)
{
	const MlSignature *signature = plan->model->signature;

	plan->element = InvalidOid;	/* until all is set up */
	for (int f = 0; f < signature->nfeatures; f++)
		if (signature->features[f].kind == ML_KIND_TEXT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("an array cannot hold the features of a model that reads texts"),
					 errdetail("Feature \"%s\" is a text.", signature->features[f].name),
					 errhint("Give a row, a JSON object, or the values one after the other.")));
	plan->all_numbers = value_reader_init(&plan->reader, array_type, plan->memory);
	for (int f = 0; f < signature->nfeatures; f++)
		plan->all_numbers &= feature_takes_float8(plan->model, f);

	if (!plan->all_numbers)
	{
		if (plan->inputs == NULL)
			plan->inputs = MemoryContextAlloc(plan->memory, sizeof(FeatureInput) * (Size) signature->slots);
		for (int f = 0; f < signature->nfeatures; f++)
		{
			const MlFeature *feature = &signature->features[f];

			for (int i = 0; i < feature->width; i++)
				feature_input_init_element(&plan->inputs[feature->slot + i], plan->model, f, i,
										   element, plan->memory);
		}
	}
	plan->element = element;
}

/* The feature that a slot belongs to. */
static int
feature_of_slot(const MlModel *model, int slot)
{
	const MlSignature *signature = model->signature;
	int			f = 0;

	while (f + 1 < signature->nfeatures && signature->features[f + 1].slot <= slot)
		f++;
	return f;
}

/* Numbers for a model of numbers. */
static void
gather_numbers(PredictPlan *plan, const double *values, int count)
{
	int			slots = plan->model->signature->slots;
	bool		special = false;

	if (count != slots)
		features_error_count(plan->model, count, slots, "values");
	for (int s = 0; s < slots; s++)
	{
		plan->raw[s] = values[s];
		special |= is_special(values[s]);
	}
	if (likely(!special))
		return;
	for (int s = 0; s < slots; s++)
	{
		if (isinf(values[s]))
			feature_error_infinite(plan->model, feature_of_slot(plan->model, s));
		if (isnan(values[s]))
			feature_check_null(plan->model, feature_of_slot(plan->model, s));
	}
}

/* An array's elements in the order of the features. */
static void
gather_array(PredictPlan *plan, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	Oid			element = ARR_ELEMTYPE(array);
	int			slots = plan->model->signature->slots;
	int			count;
	Datum	   *values;
	bool	   *nulls;
	int16		length;
	bool		by_value;
	char		align;

	if (unlikely(element != plan->element))
		plan_elements(plan, element, get_array_type(element));
	if (plan->all_numbers)
	{
		const double *numbers = value_vector(&plan->reader, PointerGetDatum(array), &count);

		gather_numbers(plan, numbers, count);
		return;
	}

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of features must have one dimension, not %d", ARR_NDIM(array))));
	get_typlenbyvalalign(element, &length, &by_value, &align);
	deconstruct_array(array, element, length, by_value, align, &values, &nulls, &count);
	if (count != slots)
		features_error_count(plan->model, count, slots, "values");
	for (int s = 0; s < slots; s++)
	{
		if (nulls[s])
		{
			feature_check_null(plan->model, feature_of_slot(plan->model, s));
			plan->raw[s] = get_float8_nan();
		}
		else
			feature_input_read(&plan->inputs[s], plan->model, values[s], false, plan->raw, 1);
	}
}

/* ---- a row, by name ---- */

/* Match the columns of a row type to the features. */
static void
plan_row(PredictPlan *plan, Oid type, int32 typmod, uint64 identifier)
{
	PredictRowMap *row = &plan->row;
	int			nfeatures = plan->model->signature->nfeatures;
	TupleDesc	desc;
	const char **names;
	MemoryContext caller;

	row->identifier = 0;
	if (row->memory == NULL)
		row->memory = AllocSetContextCreate(plan->memory, "ml_predict row type", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(row->memory);
	caller = MemoryContextSwitchTo(row->memory);
	desc = lookup_rowtype_tupdesc_copy(type, typmod);
	names = palloc0(sizeof(char *) * (Size) Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			names[i] = NameStr(TupleDescAttr(desc, i)->attname);
	}
	row->desc = desc;
	row->positions = palloc(sizeof(int) * (Size) Max(nfeatures, 1));
	row->inputs = palloc(sizeof(FeatureInput) * (Size) Max(nfeatures, 1));
	row->values = palloc(sizeof(Datum) * (Size) Max(desc->natts, 1));
	row->nulls = palloc(sizeof(bool) * (Size) Max(desc->natts, 1));
	features_match(plan->model, names, desc->natts, row->positions, ERRCODE_UNDEFINED_COLUMN, "row");
	for (int f = 0; f < nfeatures; f++)
		feature_input_init(&row->inputs[f], plan->model, f,
						   TupleDescAttr(desc, row->positions[f])->atttypid, row->memory);
	MemoryContextSwitchTo(caller);
	row->identifier = identifier;
}

/* A row's columns in the order of the features. */
static void
gather_row(PredictPlan *plan, Datum datum)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(datum);
	Oid			type = HeapTupleHeaderGetTypeId(header);
	int32		typmod = HeapTupleHeaderGetTypMod(header);
	uint64		identifier = assign_record_type_identifier(type, typmod);
	PredictRowMap *row = &plan->row;
	int			nfeatures = plan->model->signature->nfeatures;
	HeapTupleData tuple;

	if (unlikely(identifier != row->identifier))
		plan_row(plan, type, typmod, identifier);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, row->desc, row->values, row->nulls);
	for (int f = 0; f < nfeatures; f++)
	{
		int			at = row->positions[f];

		feature_input_read(&row->inputs[f], plan->model, row->values[at], row->nulls[at], plan->raw, 1);
	}
}

/* ---- once per row ---- */

/*
 * Values in order that are all float8, of which nothing is to be converted; false when one is
 * NULL, NaN or infinite and so needs the general way.
 */
static inline bool
gather_float8(PredictPlan *plan, const NullableDatum *args, int count)
{
	bool		special = false;

	for (int i = 0; i < count; i++)
	{
		double		number = DatumGetFloat8(args[i].value);

		plan->raw[i] = number;
		special |= args[i].isnull | is_special(number);
	}
	return !special;
}

/* Values in order. */
static inline void
gather_values(PredictPlan *plan, const NullableDatum *args, int count)
{
#ifdef USE_FLOAT8_BYVAL
	if (plan->all_float8 && likely(gather_float8(plan, args, count)))
		return;
#endif
	for (int i = 0; i < count; i++)
		feature_input_read(&plan->inputs[i], plan->model, args[i].value, args[i].isnull, plan->raw, 1);
}

/* A JSON object's members in the order of the features. */
static void
gather_json(PredictPlan *plan, Jsonb *json)
{
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the features must be a JSON object"),
				 errhint("Give an object of feature names and values; for an array of objects use ml_predict_json.")));
	features_from_json(plan->model, &json->root, plan->raw, 1);
}

/* The JSON object that a text is. */
static void
gather_json_text(PredictPlan *plan, char *text)
{
	gather_json(plan, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text))));
}

/* Where white space of JSON ends. */
static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t\n\r");
}

/* Tell whether text begins as a JSON object does: a brace, then a member's name and colon or the end. */
static bool
begins_as_object(const char *text)
{
	const char *p = skip_space(text);

	if (*p != '{')
		return false;
	p = skip_space(p + 1);
	if (*p == '}')
		return *skip_space(p + 1) == '\0';
	if (*p != '"')
		return false;
	for (p++; *p != '\0' && *p != '"'; p++)
	{
		if (*p == '\\' && *++p == '\0')
			return false;
	}
	return *p == '"' && *skip_space(p + 1) == ':';
}

/*
 * One untyped literal: an object or a value.  What else begins with a brace may be meant as an
 * array or as a text, and to guess would be a wrong answer without an error.
 */
static void
gather_unknown(PredictPlan *plan, const PredictCall *call, FunctionCallInfo fcinfo, int first)
{
	char	   *text = PG_ARGISNULL(first) ? NULL : PG_GETARG_CSTRING(first);

	if (text != NULL && begins_as_object(text))
	{
		gather_json_text(plan, text);
		return;
	}
	if (text != NULL && *skip_space(text) == '{')
		ereport(ERROR,
				(errcode(ERRCODE_INDETERMINATE_DATATYPE),
				 errmsg("could not tell whether an untyped literal that begins with \"{\" is an array or a text"),
				 errhint("Cast it: an array as in '{1,2}'::float8[], a text as in '{...}'::text, an object to "
						 "jsonb.")));
	if (plan->inputs == NULL)
		plan_values(plan, call, fcinfo, first);
	gather_values(plan, fcinfo->args + first, call->count);
}

/* The row in the arguments from first on. */
static inline void
gather(PredictPlan *plan, const PredictCall *call, FunctionCallInfo fcinfo, int first)
{
	switch (call->form)
	{
		case FORM_VALUES:
			gather_values(plan, fcinfo->args + first, call->count);
			break;
		case FORM_UNKNOWN:
			gather_unknown(plan, call, fcinfo, first);
			break;
		case FORM_ARRAY:
			gather_array(plan, PG_GETARG_DATUM(first));
			break;
		case FORM_ROW:
			gather_row(plan, PG_GETARG_DATUM(first));
			break;
		case FORM_JSONB:
			gather_json(plan, PG_GETARG_JSONB_P(first));
			break;
		case FORM_JSON:
			gather_json_text(plan, text_to_cstring(PG_GETARG_TEXT_PP(first)));
			break;
	}
}

/* ---- routes ---- */

/* The row in the arguments, as what decides between routes. */
typedef struct RowInput
{
	const PredictCall *call;
	FunctionCallInfo fcinfo;
	int			first;
	const MlModel *own;			/* whose features the values in order are */
	Jsonb	   *json;			/* of a text, once it is parsed */
} RowInput;

/* A value's text as routes compare it. */
const char *
predict_value_text(Datum value, Oid type)
{
	Oid			function;
	bool		is_varlena;

	if (type == UNKNOWNOID)
		return DatumGetCString(value);
	if (getBaseType(type) == BOOLOID)
		return DatumGetBool(value) ? "true" : "false";
	getTypeOutputInfo(type, &function, &is_varlena);
	return OidOutputFunctionCall(function, value);
}

/* The same for a member of a JSON object; NULL when it is absent, null, an object or an array. */
const char *
predict_member_text(JsonbContainer *object, const char *name)
{
	JsonbValue *member = getKeyJsonValueFromContainer(object, name, (int) strlen(name), NULL);

	if (member == NULL)
		return NULL;
	switch (member->type)
	{
		case jbvString:
			return pnstrdup(member->val.string.val, (Size) member->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(member->val.numeric)));
		case jbvBool:
			return member->val.boolean ? "true" : "false";
		default:
			return NULL;
	}
}

/* The text of a row's column; NULL when there is none of that name, or it is NULL. */
static const char *
row_text(HeapTupleHeader header, const char *name)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	const char *text = NULL;
	HeapTupleData tuple;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);
		bool		isnull;
		Datum		value;

		if (column->attisdropped || strcmp(NameStr(column->attname), name) != 0)
			continue;
		value = heap_getattr(&tuple, i + 1, desc, &isnull);
		if (!isnull)
			text = predict_value_text(value, column->atttypid);
		break;
	}
	ReleaseTupleDesc(desc);
	return text;
}

/* The text of an array's element for a feature that takes one. */
static const char *
element_text(ArrayType *array, const MlFeature *feature)
{
	Oid			type = ARR_ELEMTYPE(array);
	int			index = feature->slot + 1;
	int16		length;
	bool		by_value;
	char		align;
	bool		isnull;
	Datum		value;

	if (feature->width != 1 || ARR_NDIM(array) != 1)
		return NULL;
	index += ARR_LBOUND(array)[0] - 1;
	get_typlenbyvalalign(type, &length, &by_value, &align);
	value = array_get_element(PointerGetDatum(array), 1, &index, -1, length, by_value, align, &isnull);
	return isnull ? NULL : predict_value_text(value, type);
}

/* The text of a value that stands in the place of a feature. */
static const char *
positional_text(const RowInput *input, const char *name)
{
	const MlSignature *signature = input->own->signature;
	FunctionCallInfo fcinfo = input->fcinfo;

	for (int f = 0; f < signature->nfeatures; f++)
	{
		int			place = input->first + f;

		if (strcmp(signature->features[f].name, name) != 0)
			continue;
		if (input->call->form == FORM_ARRAY)
			return element_text(PG_GETARG_ARRAYTYPE_P(input->first), &signature->features[f]);
		if (f >= input->call->count || PG_ARGISNULL(place))
			return NULL;
		return predict_value_text(PG_GETARG_DATUM(place), get_fn_expr_argtype(fcinfo->flinfo, place));
	}
	return NULL;
}

/* The text of a column of the row in the arguments. */
static const char *
input_text(void *arg, const char *name)
{
	RowInput   *input = arg;
	FunctionCallInfo fcinfo = input->fcinfo;
	int			first = input->first;

	if (input->json != NULL)
		return predict_member_text(&input->json->root, name);
	switch (input->call->form)
	{
		case FORM_ROW:
			return row_text(PG_GETARG_HEAPTUPLEHEADER(first), name);
		case FORM_JSONB:
			input->json = PG_GETARG_JSONB_P(first);
			break;
		case FORM_JSON:
			input->json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(first)))));
			break;
		case FORM_UNKNOWN:
			if (PG_ARGISNULL(first) || !begins_as_object(PG_GETARG_CSTRING(first)))
				return positional_text(input, name);
			input->json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, PG_GETARG_DATUM(first)));
			break;
		case FORM_VALUES:
		case FORM_ARRAY:
			return positional_text(input, name);
	}
	/* what is no object is refused when it is read */
	return JB_ROOT_IS_OBJECT(input->json) ? predict_member_text(&input->json->root, name) : NULL;
}

/* The entry of the version that the row in the arguments goes to. */
static ModelEntry *
route_row(PredictCall *call, ModelEntry *own, FunctionCallInfo fcinfo, int first, PredictWhat what)
{
	Route	   *route = own->route;
	RowInput	row = {call, fcinfo, first, own->model, NULL};
	RouteInput	input = {input_text, &row};
	int			choice = route_choose(route, &input);

	if (choice == ROUTE_BY_FEATURES)
	{
		PredictPlan *plan = own->plan != NULL ? own->plan : create_plan(own, call, fcinfo, first, what);

		gather(plan, call, fcinfo, first);
		choice = route_by_bucket(route, route_features_bucket(route, plan->raw, plan->model->signature->slots, 1));
	}
	return choice == ROUTE_OWN ? own : model_argument_target(&call->argument, &route->rules[choice]);
}

/* Read the row in the count arguments from first on. */
static inline PredictPlan *
read_row(FunctionCallInfo fcinfo, int first, int count, PredictWhat what)
{
	PredictCall *call = fcinfo->flinfo->fn_extra;
	ModelEntry *entry;
	PredictPlan *plan;

	/* a row that is read and not scored is to be explained by the model itself */
	if (unlikely(call == NULL))
		call = create_call(fcinfo, first, count, what == PREDICT_NOTHING ? REGISTRY_DESCRIBE : REGISTRY_PREDICT);
	if (PG_ARGISNULL(0) || (call->whole && PG_ARGISNULL(first)))
		return NULL;
	entry = model_argument_get(&call->argument, PG_GETARG_DATUM(0));
	if (unlikely(entry->route != NULL))
		entry = route_row(call, entry, fcinfo, first, what);
	plan = entry->plan;
	if (unlikely(plan == NULL))
		plan = create_plan(entry, call, fcinfo, first, what);
	gather(plan, call, fcinfo, first);
	return plan;
}

/* Read the row in one argument, without scoring it. */
PredictPlan *
predict_read(FunctionCallInfo fcinfo, int argument)
{
	return read_row(fcinfo, argument, 1, PREDICT_NOTHING);
}

/* The same for all arguments from first on. */
PredictPlan *
predict_read_values(FunctionCallInfo fcinfo, int first)
{
	return read_row(fcinfo, first, PG_NARGS() - first, PREDICT_NOTHING);
}

/* Score the row in the arguments from first on. */
PredictPlan *
predict_row(FunctionCallInfo fcinfo, int first, PredictWhat what)
{
	PredictPlan *plan = read_row(fcinfo, first, PG_NARGS() - first, what);

	if (plan == NULL)
		return NULL;
	if (what == PREDICT_QUANTILES)
		ml_model_score_quantiles(plan->model, plan->raw, 1, 1, plan->out, 1, plan->scratch);
	else
		ml_model_score(plan->model, plan->raw, 1, 1, plan->out, 1, plan->scratch);
	return plan;
}

/* The number that a model predicts for a row. */
Datum
ml_predict(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = predict_row(fcinfo, 1, PREDICT_NUMBER);

	if (plan == NULL)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(predict_number(plan->model, plan->out, 1));
}

/* The label of the class that a model predicts for a row. */
Datum
ml_predict_label(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = predict_row(fcinfo, 1, PREDICT_LABEL);

	if (plan == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(plan->model->signature->class_labels[ml_model_class(plan->model, plan->out, 1)]));
}

/* Refuse a class that the model does not have. */
void
predict_error_class(const MlModel *model, const char *name)
{
	const MlSignature *signature = model->signature;
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_probability error", false);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("the model has no class \"%s\"", name),
			 errhint("%s", ml_candidates_hint(ctx, "class", name, signature->class_labels,
											  (size_t) signature->nclasses))));
}

/* The probability of one class for a row. */
Datum
ml_probability(PG_FUNCTION_ARGS)
{
	PredictPlan *plan;
	text	   *class;
	Size		length;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	plan = predict_row(fcinfo, 2, PREDICT_PROBABILITY);
	if (plan == NULL)
		PG_RETURN_NULL();

	class = PG_GETARG_TEXT_PP(1);
	length = VARSIZE_ANY_EXHDR(class);
	if (plan->class_name == NULL || plan->class_length != length ||
		memcmp(plan->class_name, VARDATA_ANY(class), length) != 0)
	{
		char	   *name = MemoryContextAlloc(plan->memory, length + 1);

		memcpy(name, VARDATA_ANY(class), length);
		name[length] = '\0';
		plan->class = features_find_class(plan->model, name, length);
		if (plan->class < 0)
			predict_error_class(plan->model, name);
		if (plan->class_name != NULL)
			pfree(plan->class_name);
		plan->class_name = name;
		plan->class_length = length;
	}
	PG_RETURN_FLOAT8(plan->out[plan->class]);
}
