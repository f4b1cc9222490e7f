/*
 * One classification or regression tree (cart_grow.c), pruned by cost complexity if asked for.
 *
 * Problem: rows of p columns as they are (NaN = missing, categories as levels), a class or a number each. The tree
 *     predicts the shares of classes, the mean, or for absolute error the median, of the training rows of a leaf.
 * Shapes: a node has one value, the probability of class 1 for two classes; one a class for more.
 * Stopping rule: no split of a node is allowed by the limits, or improves it by min_impurity_decrease.
 * Paper: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984.
 */
#include "learn/cart.h"
#include "learn/learners.h"

static const char *const splitters[] = {"best", "random", NULL};

static const MlParam tree_params[] = {
	CART_CRITERION,
	{.name = "splitter",.type = ML_PARAM_ENUM,.offset = offsetof(CartParams, splitter),.choices = splitters,
	.help = "The best split of each column, or one at random."},
	CART_LIMITS(1),
	CART_MAX_FEATURES("all"),
	CART_REAL(ccp_alpha, 0, 0, 1e100, false,
			  "Price of a leaf, in mean impurity: subtrees that are worth less are pruned."),
	CART_COMMON,
	{.name = NULL}
};

const MlAlgorithm ml_decision_tree = {
	.id = 5,
	.name = "decision_tree",
	.help = "One tree of splits, easy to read; missing values and categories as they are.",
	.params = tree_params,
	.fit = cart_fit_first,
	CART_LEARNER
};
