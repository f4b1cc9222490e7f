/*
 * The row of models that are a preparation alone: nothing is learned but how columns become numbers, and nothing is
 * predicted.  Hosts refuse to score with one; whoever does gets NaN.
 */
#include <math.h>

#include "learn/composites.h"

static const MlParam transform_params[] = {
	{.name = NULL}
};

static bool
transform_wants_scaling(const void *params)
{
	(void) params;
	return true;
}

static void *
transform_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	int		   *outputs = ml_alloc(ctx, sizeof *outputs);

	(void) payload;
	*outputs = shape->classes > 0 ? shape->classes : 1;
	return outputs;
}

static void
transform_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	(void) x;
	(void) ldx;
	for (int k = 0; k < *(const int *) loaded; k++)
		for (size_t i = 0; i < n; i++)
			out[(size_t) k * ldout + i] = NAN;
}

const MlAlgorithm ml_transform_model = {
	.id = 1002,
	.name = "transform",
	.help = "A preparation alone, for ml_transform.",
	.params = transform_params,
	.params_size = 1,
	.wants_scaling = transform_wants_scaling,
	.load = transform_load,
	.score = transform_score,
	.transforms = true,
};
