/*
 * What there is and what a model is: ml_algorithms, ml_params, ml_describe, ml_coefficients, ml_statistics.
 *
 * All of it is read from the engine's table of algorithms and from the model's bytes.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "pg/features.h"
#include "pg/host.h"
#include "pg/modelarg.h"

PG_FUNCTION_INFO_V1(ml_algorithms);
PG_FUNCTION_INFO_V1(ml_params);
PG_FUNCTION_INFO_V1(ml_describe);
PG_FUNCTION_INFO_V1(ml_coefficients);
PG_FUNCTION_INFO_V1(ml_statistics);

/* Add a row to the result of a set-returning function. */
static void
emit_row(FunctionCallInfo fcinfo, const Datum *values, const bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, unconstify(Datum *, values), unconstify(bool *, nulls));
}

/* An array of text. */
static Datum
text_array(Datum *elements, int count)
{
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- algorithms ---- */

/* The tasks of an algorithm as an array of text. */
static Datum
task_array(unsigned tasks)
{
	static const struct
	{
		MlTaskKind	task;
		const char *name;
	}			names[] = {
		{ML_TASK_REGRESSION, "regression"},
		{ML_TASK_BINARY, "binary"},
		{ML_TASK_MULTICLASS, "multiclass"},
		{ML_TASK_RANKING, "ranking"},
		{ML_TASK_ANOMALY, "anomaly"},
	};
	Datum		elements[lengthof(names)];
	int			count = 0;

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (tasks & names[i].task)
			elements[count++] = CStringGetTextDatum(names[i].name);
	}
	return text_array(elements, count);
}

/* The names of an algorithm's parameters as an array of text. */
static Datum
parameter_array(const MlAlgorithm *algorithm)
{
	Datum	   *elements;
	int			count = 0;

	while (algorithm->params[count].name != NULL)
		count++;
	elements = palloc(sizeof(Datum) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(algorithm->params[i].name);
	return text_array(elements, count);
}

/* The algorithms there are. */
Datum
ml_algorithms(PG_FUNCTION_ARGS)
{
	bool		nulls[5] = {false};

	InitMaterializedSRF(fcinfo, 0);
	for (size_t i = 0; ml_algorithm_table[i] != NULL; i++)
	{
		const MlAlgorithm *algorithm = ml_algorithm_table[i];
		Datum		values[5] = {
			CStringGetTextDatum(algorithm->name),
			task_array(algorithm->tasks),
			CStringGetTextDatum(algorithm->help),
			parameter_array(algorithm),
			BoolGetDatum(algorithm->coefficients != NULL)
		};

		/* models made of models are not trained, nor is a preparation alone */
		if (!algorithm->composite && !algorithm->transforms)
			emit_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* ---- parameters ---- */

/* The name of a parameter's type. */
static const char *
param_type_name(MlParamType type)
{
	switch (type)
	{
		case ML_PARAM_REAL:
			return "real";
		case ML_PARAM_INT:
			return "integer";
		case ML_PARAM_BOOL:
			return "boolean";
		case ML_PARAM_ENUM:
			return "choice";
		case ML_PARAM_JSON:
			return "json";
		case ML_PARAM_COLUMN:
			return "column";
	}
	elog(ERROR, "unknown type of parameter %d", (int) type);
	return NULL;
}

/* A parameter's default, as it is written in JSON but for the quotes around a choice. */
static const char *
param_default(const MlParam *param)
{
	switch (param->type)
	{
		case ML_PARAM_INT:
			return psprintf("%.0f", param->default_value);
		case ML_PARAM_BOOL:
			return param->default_value != 0.0 ? "true" : "false";
		case ML_PARAM_ENUM:
			return param->choices[(int) param->default_value];
		default:
			return number_text(param->default_value);
	}
}

/* The choices of a parameter as an array of text. */
static Datum
choice_array(const MlParam *param)
{
	Datum	   *elements;
	int			count = 0;

	while (param->choices[count] != NULL)
		count++;
	elements = palloc(sizeof(Datum) * (Size) Max(count, 1));
	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(param->choices[i]);
	return text_array(elements, count);
}

/* The parameters of an algorithm. */
Datum
ml_params(PG_FUNCTION_ARGS)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_params", false);
	const MlAlgorithm *algorithm;

	InitMaterializedSRF(fcinfo, 0);
	algorithm = ml_algorithm_by_name(ctx, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	for (const MlParam *param = algorithm->params; param->name != NULL; param++)
	{
		bool		ranged = param->type == ML_PARAM_REAL || param->type == ML_PARAM_INT;
		bool		choice = param->type == ML_PARAM_ENUM;
		bool		text = param->type == ML_PARAM_JSON || param->type == ML_PARAM_COLUMN;
		bool		nulls[8] = {false, false, text || isnan(param->default_value),
			!ranged || isinf(param->min), !ranged || isinf(param->max), !ranged, !choice, false};
		Datum		values[8] = {
			CStringGetTextDatum(param->name),
			CStringGetTextDatum(param_type_name(param->type)),
			nulls[2] ? (Datum) 0 : CStringGetTextDatum(param_default(param)),
			Float8GetDatum(param->min),
			Float8GetDatum(param->max),
			BoolGetDatum(param->min_exclusive),
			choice ? choice_array(param) : (Datum) 0,
			CStringGetTextDatum(param->help)
		};

		emit_row(fcinfo, values, nulls);
	}
	host_context_delete(ctx);
	return (Datum) 0;
}

/* ---- models ---- */

/* The description of a model. */
Datum
ml_describe(PG_FUNCTION_ARGS)
{
	const MlModel *model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_describe", false);
	Datum		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(ml_model_describe(ctx, model)));

	host_context_delete(ctx);
	return result;
}

/* The name of a coefficient's column. */
static const char *
coefficient_feature(const MlModel *model, const MlCoefficient *coefficient)
{
	if (coefficient->column < 0)
		return "(intercept)";
	return ml_prep_column(model->prep, coefficient->column)->name;
}

/* Add one row of ml_coefficients; what the learner does not give is NULL. */
static void
emit_coefficient(FunctionCallInfo fcinfo, const MlModel *model, const MlCoefficient *coefficient)
{
	const double numbers[6] = {coefficient->estimate, coefficient->std_error, coefficient->statistic,
	coefficient->p_value, coefficient->ci_low, coefficient->ci_high};
	Datum		values[8] = {0};
	bool		nulls[8] = {false};

	nulls[0] = coefficient->klass < 0;
	if (!nulls[0])
		values[0] = CStringGetTextDatum(model->signature->class_labels[coefficient->klass]);
	values[1] = CStringGetTextDatum(coefficient_feature(model, coefficient));
	for (int i = 0; i < 6; i++)
	{
		values[2 + i] = Float8GetDatum(numbers[i]);
		nulls[2 + i] = isnan(numbers[i]);
	}
	emit_row(fcinfo, values, nulls);
}

/* The coefficients of a linear model. */
Datum
ml_coefficients(PG_FUNCTION_ARGS)
{
	const MlModel *model;
	MlContext  *ctx;
	MlCoefficient *coefficients;
	size_t		count;

	InitMaterializedSRF(fcinfo, 0);
	model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	if (model->algorithm->coefficients == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of algorithm \"%s\" has no coefficients", model->algorithm->name),
				 errhint("ml_algorithms() tells which algorithms have.")));
	ctx = host_context_create(CurrentMemoryContext, "ml_coefficients", false);
	count = model->algorithm->coefficients(ctx, model->loaded, &model->shape, &coefficients);
	for (size_t i = 0; i < count; i++)
		emit_coefficient(fcinfo, model, &coefficients[i]);
	host_context_delete(ctx);
	return (Datum) 0;
}

/* The value of a statistic; NaN when it is no number. */
static double
statistic_value(const MlNode *node)
{
	switch (ml_node_type(node))
	{
		case ML_NODE_DOUBLE:
			return ml_node_double(node);
		case ML_NODE_INT:
			return (double) ml_node_int(node);
		case ML_NODE_BOOL:
			return ml_node_bool(node) ? 1 : 0;
		default:
			return NAN;
	}
}

/* The numbers that sum up a fit, in the learner's order; none where it keeps none. */
Datum
ml_statistics(PG_FUNCTION_ARGS)
{
	const MlModel *model;
	const MlNode *statistics;
	size_t		count;

	InitMaterializedSRF(fcinfo, 0);
	model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	statistics = ml_node_find(ml_container_section(model->bytes, ML_SECTION_PAYLOAD), "statistics");
	count = statistics != NULL && ml_node_type(statistics) == ML_NODE_OBJECT ? ml_node_count(statistics) : 0;
	for (size_t i = 0; i < count; i++)
	{
		double		value = statistic_value(ml_node_at(statistics, i));
		Datum		values[2] = {CStringGetTextDatum(ml_node_key(statistics, i)), Float8GetDatum(value)};
		bool		nulls[2] = {false, isnan(value)};

		emit_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}
