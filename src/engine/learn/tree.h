/*
 * Trees over binned columns: what gradient boosting (and any learner of trees) is made of.
 *
 * tree_bins.c turns prepared columns into one byte a value, tree_grow.c grows a tree over those bytes
 * from the gradients and hessians of the rows.  Sums are sums of integers, so that neither the number of
 * threads nor the order of rows changes a bit of a tree.
 */
#ifndef ML_TREE_H
#define ML_TREE_H

#include "learn/learner.h"

#define ML_TREE_MAX_BINS 255	/* of values; one more is for what is missing */
#define ML_TREE_GROUP 16		/* columns whose bytes of a row lie together, at most */

/* Some columns side by side: bytes[row * count + (column - first)]. */
typedef struct MlBinGroup
{
	int			first;
	int			count;
	uint8_t    *bytes;
} MlBinGroup;

/* The bins of one column. */
typedef struct MlBinColumn
{
	int			nbins;			/* of values; bin nbins is what is missing */
	int			levels;			/* of a category, 0 for a number */
	double	   *edges;			/* numbers: [nbins - 1] ascending; bin b holds edges[b - 1] < x <= edges[b] */
	uint8_t    *level_bins;		/* categories: [levels]; nbins = a level too rare for a bin of its own */
	size_t		offset;			/* of its first bin in a histogram */
} MlBinColumn;

/* The training rows of positive weight, binned. */
typedef struct MlBins
{
	size_t		rows;
	int			columns;
	int			ngroups;
	size_t		total;			/* bins of a histogram */
	MlBinColumn *column;		/* [columns] */
	MlBinGroup *group;			/* [ngroups] */
	int		   *group_of;		/* [columns] */
	int		   *order;			/* the columns in an order that their content decides, for ties */
} MlBins;

/*
 * Bin the rows of the design whose weight is positive.  max_bins is at most ML_TREE_MAX_BINS; the seed
 * chooses the rows that edges are taken from where there are more than enough.
 */
extern MlBins *ml_bins_create(MlContext *ctx, const MlDesign *design, int max_bins, uint64_t seed);

/* The bin of a row of a column. */
static inline int
ml_bins_get(const MlBins *bins, int column, size_t row)
{
	const MlBinGroup *g = &bins->group[bins->group_of[column]];

	return g->bytes[row * (size_t) g->count + (size_t) (column - g->first)];
}

/* What limits a tree; gradients and hessians are those of the loss, weights included. */
typedef struct MlTreeLimits
{
	int			max_leaf_nodes;
	int			max_depth;		/* 0 = no limit */
	double		min_samples_leaf;	/* rows, a weight counting as that many */
	double		min_child_weight;	/* hessian */
	double		min_split_gain;
	double		l1;
	double		l2;
	double		cat_smooth;
	double		cat_l2;
	int			max_cat_to_onehot;
	int			max_cat_threshold;
} MlTreeLimits;

typedef struct MlTreeNode
{
	int			feature;		/* prepared column, -1 = a leaf */
	int			left;			/* nodes of this tree */
	int			right;
	int			bin;			/* numbers: the last bin that goes left */
	int			set;			/* categories: first word of the levels that go left, else -1 */
	bool		missing_left;
	double		threshold;		/* numbers: x <= threshold goes left */
	double		value;			/* of the rows here, leaf or not */
	double		gain;			/* of the split, in the units of min_split_gain */
	double		cover;			/* weight of the rows here */
} MlTreeNode;

/* A grown tree: node 0 is the root, children come after their parents. */
typedef struct MlTree
{
	MlTreeNode *nodes;			/* [2 * max_leaf_nodes - 1] */
	int			count;
	int			leaves;
	uint32_t   *sets;			/* a bit a level, whole words a node */
	size_t		set_words;
	size_t		set_capacity;
} MlTree;

/* Gradient and hessian of a row as one integer: gradient * 2^30 + hessian. */
#define ML_TREE_GRADIENT_MAX ((1 << 21) - 1)
#define ML_TREE_HESSIAN_MAX ((1 << 18) - 1)

static inline int64_t
ml_tree_pack(int64_t gradient, int64_t hessian)
{
	return (int64_t) ((uint64_t) gradient << 30) + hessian;
}

typedef struct MlGrower MlGrower;

/* weight [rows of the bins], or NULL = all one. */
extern MlGrower *ml_grower_create(MlContext *ctx, const MlBins *bins, const MlTreeLimits *limits, const double *weight);

/* What a tree is grown from; the caller fills both before ml_grower_grow, which reorders them. */
extern uint32_t *ml_grower_rows(MlGrower *grower);
extern int64_t *ml_grower_packed(MlGrower *grower);

/*
 * Grow a tree over the first n of those rows.  A gradient is gradient_unit times its integer, a hessian
 * hessian_unit times its integer; use [columns] says which columns may be split on (NULL = all).
 */
extern void ml_grower_grow(MlGrower *grower, size_t n, double gradient_unit, double hessian_unit,
						   const bool *use, MlTree *tree);

/* add[row] += the value of the row's leaf times rate, for the rows that the last tree was grown from. */
extern void ml_grower_add(MlGrower *grower, const MlTree *tree, double rate, double *add);

/* The same for all rows of the bins, by walking the tree. */
extern void ml_grower_walk(MlGrower *grower, const MlTree *tree, double rate, double *add);

#endif
