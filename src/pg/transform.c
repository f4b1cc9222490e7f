/*
 * Rows as a model's preparation makes them: ml_fit_preprocess fits a preparation without a learner, ml_transform and
 * ml_transform_json give a row's prepared columns, of that or of any model, and ml_inverse_transform goes back.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "learn/composites.h"
#include "pg/host.h"
#include "pg/modelarg.h"
#include "pg/predict.h"
#include "pg/rights.h"
#include "pg/train.h"

PG_FUNCTION_INFO_V1(ml_fit_preprocess);
PG_FUNCTION_INFO_V1(ml_transform);
PG_FUNCTION_INFO_V1(ml_transform_json);
PG_FUNCTION_INFO_V1(ml_inverse_transform);

/* ---- fitting ---- */

/* A preparation fitted to a source: source, preprocess, features, target. */
Datum
ml_fit_preprocess(PG_FUNCTION_ARGS)
{
	MlContext  *ctx;
	TrainArgs	args;
	MlTrainSpec spec;
	MlTable    *table;
	MlTrainResult result;
	MlPrepOptions options;
	Datum		model;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("source must not be NULL")));
	rights_check_role(RIGHTS_TRAIN);
	ctx = host_context_create(CurrentMemoryContext, "ml_fit_preprocess", true);
	memset(&args, 0, sizeof args);
	args.source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	args.preprocess = PG_ARGISNULL(1) ? "{}" : JsonbToCString(NULL, &PG_GETARG_JSONB_P(1)->root, -1);
	args.params = "{}";
	if (!PG_ARGISNULL(2))
		train_read_features(PG_GETARG_ARRAYTYPE_P(2), &args);
	args.target = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	args.split.kind = ML_SPLIT_NONE;
	args.algorithm = &ml_transform_model;
	ml_prep_options_parse(ctx, args.algorithm, NULL, args.preprocess, &options);
	if (options.fitted)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a transform cannot be fitted from another"),
				 errdetail("\"transform\" of preprocess is for learners, which take it as it is.")));
	table = train_read_table(ctx, &args, &spec);
	ml_pipeline_fit_transform(ctx, table, &spec, &result);
	model = PointerGetDatum(model_datum(result.bytes, result.size));
	host_context_delete(ctx);
	PG_RETURN_DATUM(model);
}

/* ---- transforming ---- */

/* Refuse a model without prepared columns. */
static void
check_columns(const MlModel *model)
{
	if (ml_prep_columns(model->prep) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a model of algorithm \"%s\" has no preparation of its own", model->algorithm->name)));
}

/* Read the row in the arguments, for a model with prepared columns; NULL when the model or the row is NULL. */
static PredictPlan *
read_row(FunctionCallInfo fcinfo)
{
	PredictPlan *plan = predict_read_values(fcinfo, 1);

	if (plan != NULL)
		check_columns(plan->model);
	return plan;
}

/* An array of float8 with room for n elements, none of them NULL. */
static ArrayType *
create_array(int n)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (Size) n;
	ArrayType  *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT8OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/* The array with NULL where a number is NaN. */
static ArrayType *
null_missing(const double *x, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * (Size) n);
	bool	   *nulls = palloc(sizeof(bool) * (Size) n);
	int			dims[1] = {n};
	int			bounds[1] = {1};

	for (int j = 0; j < n; j++)
	{
		nulls[j] = isnan(x[j]);
		values[j] = Float8GetDatum(x[j]);
	}
	return construct_md_array(values, nulls, 1, dims, bounds, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
							  TYPALIGN_DOUBLE);
}

/* A row's prepared columns as an array, in whose place they are computed. */
Datum
ml_transform(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = read_row(fcinfo);
	ArrayType  *array;
	double	   *x;
	bool		missing = false;
	int			n;

	if (plan == NULL)
		PG_RETURN_NULL();
	n = ml_prep_columns(plan->model->prep);
	array = create_array(n);
	x = (double *) ARR_DATA_PTR(array);
	ml_prep_apply(plan->model->prep, plan->raw, 1, 1, x, 1);
	for (int j = 0; j < n; j++)
		missing |= isnan(x[j]);
	PG_RETURN_ARRAYTYPE_P(missing ? null_missing(x, n) : array);
}

/* Add a member with a number, or null, to an object. */
static void
push_number(JsonbParseState **state, const char *name, double number)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, name);
	value.val.string.len = (int) strlen(name);
	pushJsonbValue(state, WJB_KEY, &value);
	value.type = jbvNull;
	if (isfinite(number))
	{
		value.type = jbvNumeric;
		/* by way of text, which tells a float8 to the last bit */
		value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
																DirectFunctionCall1(float8out, Float8GetDatum(number)),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* A row's prepared columns by name. */
Datum
ml_transform_json(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = read_row(fcinfo);
	JsonbParseState *state = NULL;
	double	   *x;

	if (plan == NULL)
		PG_RETURN_NULL();
	x = palloc(sizeof(double) * (Size) ml_prep_columns(plan->model->prep));
	ml_prep_apply(plan->model->prep, plan->raw, 1, 1, x, 1);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int j = 0; j < ml_prep_columns(plan->model->prep); j++)
		push_number(&state, ml_prep_column(plan->model->prep, j)->name, x[j]);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* The numbers that prepared columns came from: model, prepared. */
Datum
ml_inverse_transform(PG_FUNCTION_ARGS)
{
	ModelArgument *argument = fcinfo->flinfo->fn_extra;
	const MlModel *model;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	JsonbParseState *state = NULL;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (argument == NULL)
	{
		argument = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ModelArgument));
		model_argument_init(argument, fcinfo, REGISTRY_DESCRIBE, fcinfo->flinfo->fn_mcxt);
	}
	model = model_argument_get(argument, PG_GETARG_DATUM(0))->model;
	check_columns(model);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements,
					  &nulls, &count);
	if (count != ml_prep_columns(model->prep))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the model has %d prepared columns, but the array has %d elements",
						ml_prep_columns(model->prep), count)));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int j = 0; j < count; j++)
	{
		const MlPreparedColumn *column = ml_prep_column(model->prep, j);
		const MlFeature *feature = &model->signature->features[column->feature];
		double		number;

		if (feature->kind == ML_KIND_NUMBER && !nulls[j] &&
			ml_prep_invert(model->prep, j, DatumGetFloat8(elements[j]), &number))
			push_number(&state, feature->name, number);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
