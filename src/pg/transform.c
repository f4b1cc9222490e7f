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
	table = train_read_table(ctx, &args, &spec);
	ml_pipeline_fit_transform(ctx, table, &spec, &result);
	model = PointerGetDatum(model_datum(result.bytes, result.size));
	host_context_delete(ctx);
	PG_RETURN_DATUM(model);
}

/* ---- transforming ---- */

/* What transforming takes besides the row. */
typedef struct Transform
{
	double	   *x;				/* [columns] */
	Datum	   *values;
	bool	   *nulls;
} Transform;

/* Refuse a model without prepared columns. */
static void
check_columns(const MlModel *model)
{
	if (ml_prep_columns(model->prep) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a model of algorithm \"%s\" has no preparation of its own", model->algorithm->name)));
}

/* The prepared columns of the row in the arguments; NULL when the model or the row is NULL. */
static PredictPlan *
transform_row(FunctionCallInfo fcinfo)
{
	PredictPlan *plan = predict_read_values(fcinfo, 1);
	Transform  *transform;
	Size		columns;

	if (plan == NULL)
		return NULL;
	columns = (Size) ml_prep_columns(plan->model->prep);
	if (plan->derived == NULL)
	{
		check_columns(plan->model);
		transform = MemoryContextAlloc(plan->memory, sizeof(Transform));
		transform->x = MemoryContextAlloc(plan->memory, sizeof(double) * columns);
		transform->values = MemoryContextAlloc(plan->memory, sizeof(Datum) * columns);
		transform->nulls = MemoryContextAlloc(plan->memory, sizeof(bool) * columns);
		plan->derived = transform;
	}
	transform = plan->derived;
	ml_prep_apply(plan->model->prep, plan->raw, 1, 1, transform->x, 1);
	return plan;
}

/* A row's prepared columns as an array. */
Datum
ml_transform(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = transform_row(fcinfo);
	Transform  *transform;
	int			dims[1];
	int			bounds[1] = {1};

	if (plan == NULL)
		PG_RETURN_NULL();
	transform = plan->derived;
	dims[0] = ml_prep_columns(plan->model->prep);
	for (int j = 0; j < dims[0]; j++)
	{
		transform->nulls[j] = isnan(transform->x[j]);
		transform->values[j] = Float8GetDatum(transform->x[j]);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(transform->values, transform->nulls, 1, dims, bounds, FLOAT8OID, sizeof(float8),
											 FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
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
		value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, DirectFunctionCall1(float8out, Float8GetDatum(number)),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* A row's prepared columns by name. */
Datum
ml_transform_json(PG_FUNCTION_ARGS)
{
	PredictPlan *plan = transform_row(fcinfo);
	Transform  *transform;
	JsonbParseState *state = NULL;

	if (plan == NULL)
		PG_RETURN_NULL();
	transform = plan->derived;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int j = 0; j < ml_prep_columns(plan->model->prep); j++)
		push_number(&state, ml_prep_column(plan->model->prep, j)->name, transform->x[j]);
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
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls, &count);
	if (count != ml_prep_columns(model->prep))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the model has %d prepared columns, but the array has %d elements", ml_prep_columns(model->prep), count)));
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int j = 0; j < count; j++)
	{
		const MlPreparedColumn *column = ml_prep_column(model->prep, j);
		const MlFeature *feature = &model->signature->features[column->feature];
		double		number;

		if (feature->kind == ML_KIND_NUMBER && !nulls[j] && ml_prep_invert(model->prep, j, DatumGetFloat8(elements[j]), &number))
			push_number(&state, feature->name, number);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
