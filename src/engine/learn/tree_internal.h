/*
 * Inside the grower of trees: histograms and the search for a split (tree_split.c) on behalf of
 * tree_grow.c.
 */
#ifndef ML_TREE_INTERNAL_H
#define ML_TREE_INTERNAL_H

#include "learn/tree.h"

/* Sums of one bin, in units. */
typedef struct MlBinSum
{
	int64_t		g;
	int64_t		h;
} MlBinSum;

/* The best split of one column of a leaf; gain is in gradients of one unit a GRADIENT_MAX, -1 = none. */
typedef struct MlSplitFound
{
	double		gain;
	int			bin;			/* numbers: the last bin on the left */
	bool		missing_left;
	bool		subset;			/* cat_l2 holds in the children */
	uint8_t		left[32];		/* categories: the bins on the left, the missing one too */
	MlBinSum	sum;			/* of the left side */
} MlSplitFound;

/* A leaf as the search sees it. */
typedef struct MlSplitLeaf
{
	MlBinSum	sum;
	double		weight;			/* rows, by their weights */
	double		l2;				/* in its own value */
} MlSplitLeaf;

/* Units and limits, in the scale that the search works in: a gradient is its integer / GRADIENT_MAX. */
typedef struct MlSplitScale
{
	const MlTreeLimits *limits;
	double		gradient;		/* of an integer */
	double		hessian;		/* of an integer */
	double		l1;
	double		min_gain;
} MlSplitScale;

/* The value of a leaf, in gradients of the search's scale. */
extern double ml_split_value(const MlSplitScale *scale, MlBinSum sum, double l2);

/* The best split of a leaf by one column, from its histogram (nbins + 1 sums). */
extern void ml_split_find(const MlSplitScale *scale, const MlSplitLeaf *leaf, const MlBinColumn *column,
						  const MlBinSum *sums, MlSplitFound *found);

#endif
