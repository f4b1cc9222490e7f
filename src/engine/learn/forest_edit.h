/*
 * Loaded trees as the beginning of others: for learning on from a model, and for editing it.
 */
#ifndef ML_FOREST_EDIT_H
#define ML_FOREST_EDIT_H

#include "learn/forest.h"

/*
 * Add the first trees of a loaded forest to one that is built.  Where leaf [nodes] is not NULL, the nodes that it
 * marks become leaves; values [nodes * width] are in place of the forest's where not NULL.
 */
extern void ml_forest_copy(MlForestBuilder *b, const MlForest *f, size_t trees, const uint8_t *leaf,
						   const double *values);

/* What ml_forest_means collects: by node of the forest. */
typedef struct MlForestMeans
{
	const MlForest *forest;
	const MlDesign *design;
	const double *class_weights;	/* [classes], NULL = all one */
	double	   *sum;			/* [nodes * width] of weight times target, or of the weight of each class */
	double	   *weight;			/* [nodes] */
} MlForestMeans;

/*
 * Send the rows down every tree: the sums of each node's rows, the same bits for any number of threads.  Of two
 * classes and width 1 the sum is that of class 1.
 */
extern void ml_forest_means(MlContext *ctx, MlForestMeans *means);

#endif
