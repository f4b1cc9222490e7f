/*
 * The table of algorithms: a new one is one file, one row here, one test.
 */
#include <string.h>

#include "learn/composites.h"
#include "learn/learners.h"

const MlAlgorithm *const ml_algorithm_table[] = {
	&ml_baseline,
	&ml_linear_regression,
	&ml_logistic_regression,
	&ml_gradient_boosting,
	&ml_decision_tree,
	&ml_random_forest,
	&ml_extra_trees,
	&ml_isolation_forest,
	&ml_pipeline_model,
	&ml_ensemble_model,
	&ml_transform_model,
	NULL
};

#define ALGORITHMS (sizeof ml_algorithm_table / sizeof ml_algorithm_table[0] - 1)

size_t
ml_algorithm_count(void)
{
	return ALGORITHMS;
}

const MlAlgorithm *
ml_algorithm_by_id(uint32_t id)
{
	for (size_t i = 0; i < ALGORITHMS; i++)
		if (ml_algorithm_table[i]->id == id)
			return ml_algorithm_table[i];
	return NULL;
}

/* By name, among those that learn or among all; raises naming the nearest. */
static const MlAlgorithm *
find_algorithm(MlContext *ctx, const char *name, bool composites)
{
	const char *names[ALGORITHMS];
	size_t		n = 0;

	for (size_t i = 0; i < ALGORITHMS; i++)
	{
		const MlAlgorithm *algorithm = ml_algorithm_table[i];

		if (strcmp(algorithm->name, name) == 0)
		{
			if (algorithm->composite && !composites)
				ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
							  ml_format(ctx, "algorithm \"%s\" does not learn from rows", name),
							  "Its models are made of models.", "Use ml_pipeline or ml_ensemble.");
			if (algorithm->transforms && !composites)
				ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
							  ml_format(ctx, "algorithm \"%s\" does not learn from rows", name),
							  "Its models are a preparation alone.", "Use ml_fit_preprocess.");
			return algorithm;
		}
		if (!algorithm->composite && !algorithm->transforms)
			names[n++] = algorithm->name;
	}
	ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "algorithm \"%s\" does not exist", name), NULL,
				  ml_candidates_hint(ctx, "algorithm", name, names, n));
}

const MlAlgorithm *
ml_algorithm_by_name(MlContext *ctx, const char *name)
{
	return find_algorithm(ctx, name, false);
}

const MlAlgorithm *
ml_algorithm_of_model(MlContext *ctx, const char *name)
{
	return find_algorithm(ctx, name, true);
}

const MlAlgorithm *
ml_algorithm_auto(MlTaskKind task)
{
	return task == ML_TASK_REGRESSION ? &ml_linear_regression : &ml_logistic_regression;
}
