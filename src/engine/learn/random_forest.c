/*
 * Forests: the mean of many trees (cart_grow.c), each grown to its end on rows and splits that chance has a part in.
 *
 * random_forest: each tree on a bootstrap sample of the rows, each node on some of the columns.
 * extra_trees: each tree on all rows, each column that a node looks at with one random threshold (cart_random.c).
 *
 * Problem, shapes: as for decision_tree; what the forest predicts is the mean of its trees.
 * Out of bag: the trees that did not draw a row predict it; the score of these predictions is a statistic,
 *     and the rows give them again (cart_oob_rows.c).
 * Papers: Breiman, Random Forests, 2001; Geurts, Ernst and Wehenkel, Extremely Randomized Trees, 2006.
 */
#include "learn/cart.h"
#include "learn/learners.h"

#define FOREST(bootstrap_default) \
	CART_INT(n_estimators, 100, 1, 10000, "Trees."), \
	CART_CRITERION, \
	CART_LIMITS(1), \
	CART_MAX_FEATURES("\"sqrt\" for classes, a third for numbers"), \
	{.name = "bootstrap",.type = ML_PARAM_BOOL,.offset = offsetof(CartParams, bootstrap), \
	.default_value = bootstrap_default,.max = 1, \
	.help = "Draw the rows of each tree with replacement; else each comes once at most."}, \
	CART_REAL(max_samples, 1, 0, 1, true, "Rows that each tree draws, as a share of all."), \
	{.name = "oob_score",.type = ML_PARAM_BOOL,.offset = offsetof(CartParams, oob_score),.default_value = 1,.max = 1, \
	.help = "Score each row by the trees that did not draw it, where there are such rows: " \
	"statistics oob_rows and following."}, \
	CART_COMMON, \
	{.name = NULL}

static const MlParam forest_params[] = {
	FOREST(1)
};

static const MlParam extra_params[] = {
	FOREST(0)
};

static void
forest_resume(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, MlWriter *payload)
{
	cart_fit(ctx, design, params, cart_ensemble(loaded)->forest, payload);
}

static void
extra_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	CartParams	random = *(const CartParams *) params;

	random.splitter = 1;
	cart_fit(ctx, design, &random, NULL, payload);
}

static void
extra_resume(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, MlWriter *payload)
{
	CartParams	random = *(const CartParams *) params;

	random.splitter = 1;
	cart_fit(ctx, design, &random, cart_ensemble(loaded)->forest, payload);
}

const MlAlgorithm ml_random_forest = {
	.id = 6,
	.name = "random_forest",
	.help = "The mean of deep trees, each of a bootstrap sample and of some columns a split.",
	.params = forest_params,
	.fit = cart_fit_first,
	.resume = forest_resume,
	.out_of_bag = cart_out_of_bag,
	CART_LEARNER
};

const MlAlgorithm ml_extra_trees = {
	.id = 7,
	.name = "extra_trees",
	.help = "The mean of deep trees whose splits are the best of some random ones.",
	.params = extra_params,
	.fit = extra_fit,
	.resume = extra_resume,
	.out_of_bag = cart_out_of_bag,
	CART_LEARNER
};
