/*
 * The rows of models that are made of models.  They learn nothing: how they are made, opened and scored is
 * said in model/composite.h, a floor above.
 */
#include "learn/composites.h"

static const MlParam pipeline_params[] = {
	{.name = NULL}
};

static const char *const methods[] = {"mean", "weighted", "vote", "stacking", NULL};

static const MlParam ensemble_params[] = {
	{.name = "method",.type = ML_PARAM_ENUM,.offset = offsetof(MlEnsembleParams, method),.choices = methods,
	.help = "How the members' results become one."},
	{.name = NULL}
};

const MlAlgorithm ml_pipeline_model = {
	.id = 1000,
	.name = "pipeline",
	.help = "Models in a chain: what one predicts is a feature of the next.",
	.params = pipeline_params,
	.params_size = 1,
	.composite = true,
};

const MlAlgorithm ml_ensemble_model = {
	.id = 1001,
	.name = "ensemble",
	.help = "Models side by side, whose results become one.",
	.params = ensemble_params,
	.params_size = sizeof(MlEnsembleParams),
	.composite = true,
};
