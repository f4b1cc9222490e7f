/*
 * The table of algorithms: a new one is one file, one row here, one test.
 */
#include <string.h>

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

const MlAlgorithm *
ml_algorithm_by_name(MlContext *ctx, const char *name)
{
	const char *names[ALGORITHMS];

	for (size_t i = 0; i < ALGORITHMS; i++)
	{
		names[i] = ml_algorithm_table[i]->name;
		if (strcmp(names[i], name) == 0)
			return ml_algorithm_table[i];
	}
	ml_raise_full(ctx, ML_ERROR_UNDEFINED, ml_format(ctx, "algorithm \"%s\" does not exist", name), NULL,
				  ml_candidates_hint(ctx, "algorithm", name, names, ALGORITHMS));
}

const MlAlgorithm *
ml_algorithm_auto(MlTaskKind task)
{
	return task == ML_TASK_REGRESSION ? &ml_linear_regression : &ml_logistic_regression;
}
