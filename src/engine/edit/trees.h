/*
 * Editing the trees of a model without data: fewer of them, or smaller ones.
 *
 * Each edit makes a new model of the old one's signature, preparation and parameters; its summary says what
 * was done and to which model, and has no metrics: those were of other trees.
 */
#ifndef ML_EDIT_TREES_H
#define ML_EDIT_TREES_H

#include "learn/forest.h"
#include "model/retrain.h"

/* The trees of a model; raises ML_ERROR_UNSUPPORTED when its algorithm has none. */
extern const MlEnsemble *ml_trees_of(MlContext *ctx, const MlModel *model);

/* Trees that are added in one round: one for each score, or one that has them all. */
extern int	ml_trees_a_round(const MlForest *forest);

typedef struct MlEdited
{
	void	   *bytes;			/* the new model */
	size_t		size;
	size_t		trees;
	size_t		leaves;
} MlEdited;

/* Keep the trees of the first rounds; raises when there are fewer than that, or none is asked for. */
extern void ml_trees_truncate(MlContext *ctx, const MlModel *model, int64_t rounds, const MlLineage *lineage,
							  MlEdited *edited);

/*
 * Cost complexity (Breiman, Friedman, Olshen and Stone 1984, chapter 3): a split stays while what it and the
 * splits below it gain, for each leaf more, is above alpha.  Gains are taken a row: divided by the cover of the
 * tree's root.  Each tree is pruned on its own.
 */
extern void ml_trees_prune(MlContext *ctx, const MlModel *model, double alpha, const MlLineage *lineage,
						   MlEdited *edited);

/* One step of the path: with this alpha, and up to the next, so much is left of all trees. */
typedef struct MlPruneStep
{
	double		alpha;
	size_t		leaves;
	double		gain;			/* sum over the splits that are left, as the nodes have it */
} MlPruneStep;

/* All steps, alpha ascending from 0; returns how many. */
extern size_t ml_trees_prune_path(MlContext *ctx, const MlModel *model, MlPruneStep **steps);

/* ---- between the files of edit/ ---- */

/*
 * The model with other trees: leaf [nodes], NULL = none, marks nodes that become leaves; trees beyond the first
 * count are left out.
 */
extern void ml_trees_rewrite(MlContext *ctx, const MlModel *model, size_t trees, const uint8_t *leaf,
							 const MlLineage *lineage, MlEdited *edited);

#endif
