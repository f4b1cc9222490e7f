/*
 * ml_explain, ml_explain_interactions: why a model says what it says of one row.
 *
 * A call site keeps what it set up for its model and options, the background sample included, so that a query over
 * many rows reads that once.
 */
#include "postgres.h"

#include "pg/explain.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

#include "pg/host.h"
#include "pg/predict.h"

PG_FUNCTION_INFO_V1(ml_explain);
PG_FUNCTION_INFO_V1(ml_explain_interactions);

/* ---- setting up ---- */

/* The options of a call. */
char *
explain_options_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? pstrdup("{}") : jsonb_cstring(PG_GETARG_DATUM(argument));
}

/* The class that option "class" names. */
int
explain_class(const MlModel *model, const MlExplainOptions *options)
{
	int			class;

	if (options->klass == NULL)
		return -1;
	if (model->signature->nclasses == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the model predicts a number and has no classes"),
				 errhint("Leave option \"class\" out.")));
	class = features_find_class(model, options->klass, strlen(options->klass));
	if (class < 0)
		predict_error_class(model, options->klass);
	return class;
}

/* Read options and a background. */
Explanation *
explanation_create(MemoryContext memory, const MlModel *model, const char *options, MlExplainUse use)
{
	MlContext  *ctx = host_context_create(memory, "mlaas explanation", true);
	MemoryContext caller = MemoryContextSwitchTo(host_context_memory(ctx));
	Explanation *explanation = palloc0(sizeof(Explanation));
	MlRawRows  *background = NULL;
	int			class;

	explanation->ctx = ctx;
	explanation->model = model;
	ml_explain_options_parse(ctx, options, use, &explanation->options);
	class = explain_class(model, &explanation->options);
	if (explanation->options.background != NULL)
		background = explain_read_rows(ctx, model, explanation->options.background,
									   (size_t) explanation->options.background_rows,
									   (uint64) explanation->options.seed);
	explanation->explainer = ml_explainer_create(ctx, model, background);
	explanation->count = ml_explainer_list(ctx, explanation->explainer, &explanation->what);
	if (class >= 0)
	{
		explanation->what[0] = ml_explainer_class(explanation->explainer, class);
		explanation->count = 1;
	}
	explanation->classes = palloc0(sizeof(Datum) * (Size) explanation->count);
	for (int c = 0; c < explanation->count; c++)
	{
		if (explanation->what[c].klass >= 0)
			explanation->classes[c] = CStringGetTextDatum(model->signature->class_labels[explanation->what[c].klass]);
	}
	explanation->names = slot_names(model);
	MemoryContextSwitchTo(caller);
	return explanation;
}

/* A number of a result. */
Datum
explain_number(double number)
{
	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the result is out of range for double precision"),
				 errdetail("Values of the model, or of a row, are too large to be added up.")));
	return Float8GetDatum(number);
}

/* Add a row to the result. */
void
explain_emit(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* ---- one row ---- */

/* What a call site keeps with its plan. */
typedef struct RowExplanation
{
	char	   *options;
	Explanation *explanation;
	double	   *scratch;
	double	   *contributions;	/* [count][slots], or [slots][slots] for interactions */
} RowExplanation;

/* The explanation of the plan's model by the options of this call. */
static RowExplanation *
get_explanation(FunctionCallInfo fcinfo, PredictPlan *plan)
{
	char	   *options = explain_options_text(fcinfo, 2);
	RowExplanation *kept = plan->derived;
	size_t		slots = (size_t) plan->model->signature->slots;
	Explanation *explanation;

	if (kept != NULL && strcmp(kept->options, options) == 0)
		return kept;
	explanation = explanation_create(plan->memory, plan->model, options, ML_USE_SHAP);
	if (kept != NULL)
		host_context_delete(kept->explanation->ctx);
	plan->derived = NULL;
	kept = ml_alloc(explanation->ctx, sizeof(RowExplanation));
	kept->explanation = explanation;
	kept->options = ml_strdup(explanation->ctx, options);
	kept->scratch = ml_alloc_array(explanation->ctx, ml_explainer_scratch(explanation->explainer, 1), sizeof(double));
	kept->contributions = ml_alloc_array(explanation->ctx, slots + 1, (size_t) explanation->count * sizeof(double));
	plan->derived = kept;
	return kept;
}

/* The text of a JSON value that is a category. */
static char *
json_category(PredictPlan *plan, Jsonb *json, int feature)
{
	const char *name = plan->model->signature->features[feature].name;
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, name, (int) strlen(name), NULL);

	return value == NULL ? NULL : jsonb_scalar_text(value);
}

/* The text of an SQL value that is a category. */
static char *
datum_category(FeatureInput *input, Datum value)
{
	const char *bytes;
	size_t		length;

	if (input->how == FEATURE_CATEGORY_NUMBER)
		bytes = number_category(&input->reader, value, &length);
	else
		bytes = value_category(&input->reader, value, &length);
	return pnstrdup(bytes, length);
}

/* The text of an array's element that is a category. */
static char *
element_category(PredictPlan *plan, Datum datum, int slot)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	int			index = ARR_LBOUND(array)[0] + slot;
	int16		length;
	bool		by_value;
	char		align;
	bool		isnull;
	Datum		value;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	value = array_get_element(PointerGetDatum(array), 1, &index, -1, length, by_value, align, &isnull);
	return isnull ? NULL : datum_category(&plan->inputs[slot], value);
}

/* The category that a row was given for a feature, NULL where it is NULL. */
static char *
given_category(FunctionCallInfo fcinfo, PredictPlan *plan, int feature)
{
	Datum		value = PG_GETARG_DATUM(1);

	switch (plan->form)
	{
		case FORM_ROW:
			if (plan->row.nulls[plan->row.positions[feature]])
				return NULL;
			return datum_category(&plan->row.inputs[feature], plan->row.values[plan->row.positions[feature]]);
		case FORM_JSONB:
			return json_category(plan, DatumGetJsonbP(value), feature);
		case FORM_JSON:
			return json_category(plan,
								 DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
																	CStringGetDatum(TextDatumGetCString(value)))),
																	feature);
		case FORM_ARRAY:
			return element_category(plan, value, plan->model->signature->features[feature].slot);
		case FORM_UNKNOWN:
			/* predict_read took it for an object, unless it is the value of the only feature */
			if (!PG_ARGISNULL(1) && plan->inputs == NULL)
				return json_category(plan, DatumGetJsonbP(DirectFunctionCall1(jsonb_in, value)), feature);
			break;
		case FORM_VALUES:
			break;
	}
	return PG_ARGISNULL(1) ? NULL : datum_category(&plan->inputs[feature], value);
}

/* The values of a row as text datums, 0 for NULL. */
static Datum *
value_texts(FunctionCallInfo fcinfo, PredictPlan *plan)
{
	const MlSignature *signature = plan->model->signature;
	Datum	   *texts = palloc0(sizeof(Datum) * (Size) Max(signature->slots, 1));

	for (int f = 0; f < signature->nfeatures; f++)
	{
		const MlFeature *feature = &signature->features[f];

		for (int slot = feature->slot; slot < feature->slot + feature->width; slot++)
		{
			char	   *value = feature->kind == ML_KIND_CATEGORY ? given_category(fcinfo, plan, f) :
				slot_number_text(feature, plan->raw[slot]);

			if (value != NULL)
				texts[slot] = CStringGetTextDatum(value);
		}
	}
	return texts;
}

/* Add a row of class, feature, value or other feature, and contribution; 0 is NULL. */
static void
emit_contribution(FunctionCallInfo fcinfo, Datum class, Datum feature, Datum value, double contribution)
{
	Datum		values[4] = {class, feature, value, explain_number(contribution)};
	bool		nulls[4] = {class == 0, feature == 0, value == 0, false};

	explain_emit(fcinfo, values, nulls);
}

/* The contributions to what a model says of a row. */
Datum
ml_explain(PG_FUNCTION_ARGS)
{
	PredictPlan *plan;
	RowExplanation *row;
	Explanation *explanation;
	size_t		slots;
	Datum	   *texts;
	Datum		base;

	InitMaterializedSRF(fcinfo, 0);
	plan = predict_read(fcinfo, 1);
	if (plan == NULL)
		return (Datum) 0;
	row = get_explanation(fcinfo, plan);
	explanation = row->explanation;
	slots = (size_t) plan->model->signature->slots;
	ml_explain_rows(explanation->explainer, explanation->what, explanation->count, plan->raw, 1, 1, row->contributions,
					1, row->scratch);
	ml_check(explanation->ctx);
	texts = value_texts(fcinfo, plan);
	base = CStringGetTextDatum(BASE_VALUE);
	for (int c = 0; c < explanation->count; c++)
	{
		emit_contribution(fcinfo, explanation->classes[c], base, 0, explanation->what[c].base);
		for (size_t s = 0; s < slots; s++)
			emit_contribution(fcinfo, explanation->classes[c], explanation->names[s], texts[s],
							  row->contributions[(size_t) c * slots + s]);
	}
	return (Datum) 0;
}

/* The interactions of pairs of features in what a model says of a row. */
Datum
ml_explain_interactions(PG_FUNCTION_ARGS)
{
	PredictPlan *plan;
	Explanation *explanation;
	size_t		slots;
	double	   *pairs;

	InitMaterializedSRF(fcinfo, 0);
	plan = predict_read(fcinfo, 1);
	if (plan == NULL)
		return (Datum) 0;
	explanation = get_explanation(fcinfo, plan)->explanation;
	slots = (size_t) plan->model->signature->slots;
	pairs = ml_alloc_array(explanation->ctx, slots + 1, slots * sizeof(double));
	for (int c = 0; c < explanation->count; c++)
	{
		ml_shap_interactions(explanation->ctx, explanation->explainer, &explanation->what[c], plan->raw, pairs);
		for (size_t s = 0; s < slots; s++)
		{
			for (size_t u = 0; u < slots; u++)
				emit_contribution(fcinfo, explanation->classes[c], explanation->names[s], explanation->names[u],
								  pairs[s * slots + u]);
		}
	}
	ml_free(explanation->ctx, pairs);
	return (Datum) 0;
}
