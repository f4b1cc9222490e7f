/*
 * The weights of classes, as the parameter class_weight says them.
 */
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "learn/learner.h"

static void __attribute__((noreturn))
raise_wrong(MlContext *ctx, const char *given)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "parameter \"class_weight\" cannot be %s", given),
				  NULL, "It is \"balanced\" or an object of labels and weights, as {\"yes\": 5}.");
}

/* Rows of all classes over classes times the rows of each. */
static void
balance(const MlDesign *design, double *weights)
{
	double		total = 0;

	for (int k = 0; k < design->classes; k++)
		weights[k] = 0;
	for (size_t i = 0; i < design->rows; i++)
	{
		double		w = design->weight != NULL ? design->weight[i] : 1;

		weights[(int) design->target[i]] += w;
		total += w;
	}
	/* a class without weight has no row that its own could matter to */
	for (int k = 0; k < design->classes; k++)
		weights[k] = weights[k] > 0 ? total / (design->classes * weights[k]) : 1;
}

/* The class of a label; raises naming the nearest. */
static int
find_class(MlContext *ctx, const MlDesign *design, const char *label)
{
	for (int k = 0; k < design->classes; k++)
		if (strcmp(design->class_labels[k], label) == 0)
			return k;
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx,
															 "class \"%s\" of parameter \"class_weight\" does not "
															 "occur", label),
				  NULL, ml_candidates_hint(ctx, "class", label, design->class_labels, (size_t) design->classes));
}

double *
ml_class_weights(MlContext *ctx, const char *json, const MlDesign *design)
{
	double	   *weights = ml_alloc_array(ctx, (size_t) design->classes + 1, sizeof(double));
	double		sum = 0;
	json_object *object;

	for (int k = 0; k < design->classes; k++)
		weights[k] = 1;
	if (json == NULL)
		return weights;
	if (strcmp(json, "\"balanced\"") == 0)
	{
		balance(design, weights);
		return weights;
	}
	if (json[0] != '{')
		raise_wrong(ctx, json);
	object = ml_json_object(ctx, json, "class_weight");
	json_object_object_foreach(object, label, value)
	{
		double		weight = json_object_get_double(value);

		if ((!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) ||
			!(weight >= 0 && weight <= 1e30))
			raise_wrong(ctx, json);
		weights[find_class(ctx, design, label)] = weight;
	}
	for (int k = 0; k < design->classes; k++)
		sum += weights[k];
	if (!(sum > 0))
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "parameter \"class_weight\" is zero for every class");
	return weights;
}

MlDesign *
ml_design_weigh(MlContext *ctx, const MlDesign *design, const double *class_weights)
{
	MlDesign   *weighed = ml_alloc(ctx, sizeof *weighed);
	double	   *weights;

	*weighed = *design;
	if (class_weights == NULL)
		return weighed;
	weights = ml_alloc_array(ctx, design->rows + 1, sizeof(double));
	/* rows held out may be of a class that no training row has */
	for (size_t i = 0; i < design->rows; i++)
		weights[i] = (design->weight != NULL ? design->weight[i] : 1) *
			(design->target[i] < 0 ? 1 : class_weights[(int) design->target[i]]);
	weighed->weight = weights;
	return weighed;
}
