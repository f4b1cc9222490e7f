/*
 * What the functions that show trees ask of a model and of a node.
 */
#ifndef MLAAS_TREENODE_H
#define MLAAS_TREENODE_H

#include "postgres.h"

#include <math.h>

#include "edit/trees.h"
#include "pg/host.h"

/* The trees of a model, or an error that says which algorithms have some. */
static inline const MlEnsemble *
trees_argument(const MlModel *model)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "trees", false);
	const MlEnsemble *ensemble = ml_trees_of(ctx, model);

	host_context_delete(ctx);
	return ensemble;
}

/* Does NULL go left at a node? */
static inline bool
node_null_left(const MlModel *model, const MlForest *forest, size_t node)
{
	return ml_forest_goes_left(forest, node, ml_prep_of_null(model->prep, forest->feature[node]));
}

/* Does a string that training never saw go left at a node of a category? */
static inline bool
node_unseen_left(const MlModel *model, const MlForest *forest, size_t node)
{
	return ml_forest_goes_left(forest, node, ml_prep_unseen(model->prep, forest->feature[node]));
}

#endif
