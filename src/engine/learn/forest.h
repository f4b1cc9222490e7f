/*
 * Trees as a model holds them: built by any learner of trees, written, checked when they come back, scored
 * and looked into.
 *
 * A node splits one prepared column: a number goes left where x <= threshold, a category where its level is in
 * the node's set, a missing value (NaN) and a level that training never saw where missing_left says.
 * Every node has values, those that the tree would give if it ended there; a leaf's count.
 */
#ifndef ML_FOREST_H
#define ML_FOREST_H

#include "learn/learner.h"
#include "learn/tree.h"

/* ---- building ---- */

/* All nodes of all trees, as they are found; trees lie one after the other. */
typedef struct MlForestBuilder
{
	MlContext  *ctx;
	int			width;			/* values of a node */
	MlTreeNode *nodes;			/* left and set of the whole; right = left + 1; values lie in values */
	double	   *values;			/* [count * width] */
	size_t		count;
	size_t		capacity;
	size_t		value_capacity;
	int32_t    *tree_begin;		/* [trees + 1] */
	size_t	   *set_begin;		/* [trees + 1]: words of the trees before */
	size_t		trees;
	size_t		tree_capacity;
	size_t		leaves;
	uint32_t   *sets;
	size_t		words;
	size_t		word_capacity;
} MlForestBuilder;

extern void ml_forest_start(MlForestBuilder *b, MlContext *ctx, int width);

/*
 * Add a tree whose node 0 is the root, with left and set counted within the tree and right = left + 1.
 * values [tree->count * width], or NULL = each node's value (width 1); all are multiplied by rate.
 * Raises ML_ERROR_INVALID_DATA when the model would grow beyond ML_FOREST_MAX_BYTES.
 */
extern void ml_forest_add(MlForestBuilder *b, const MlTree *tree, const double *values, double rate);

/* Keep the first trees only. */
extern void ml_forest_truncate(MlForestBuilder *b, size_t trees);

/* About the largest payload; a model is one value of a table, which holds a gigabyte. */
#define ML_FOREST_MAX_BYTES ((size_t) 900 << 20)

/* Write the members of an open object: tree_begin, feature, left, missing_left, threshold, value, gain, cover, sets. */
extern void ml_forest_write(const MlForestBuilder *b, MlWriter *w);

/* ---- a forest that is loaded ---- */

typedef struct MlForestCode MlForestCode;	/* what scoring made of the trees (forest_score.c) */

typedef struct MlForest
{
	int			width;			/* values of a node: 1, or outputs */
	int			outputs;		/* scores of a row; with width 1 tree t adds to score t % outputs */
	int			columns;		/* p */
	const int  *levels;			/* [p], as in MlShape */
	size_t		trees;
	size_t		nodes;
	const int32_t *tree_begin;	/* [trees + 1] */
	const int32_t *feature;		/* [nodes] prepared column, -1 = a leaf */
	const int32_t *left;		/* [nodes] a node of the whole, -1 = a leaf; the right child follows it */
	const uint8_t *missing_left;	/* [(nodes + 7) / 8] bits */
	const double *threshold;	/* [nodes] numbers: x <= threshold goes left; categories: first word of sets */
	const double *value;		/* [nodes * width] */
	const float *gain;			/* [nodes] of the split, 0 for a leaf */
	const float *cover;			/* [nodes] weight of the training rows */
	const uint32_t *sets;		/* a bit a level, (levels + 31) / 32 words a node */
	size_t		words;
	MlForestCode *code;
} MlForest;

/* Check the members that ml_forest_write wrote and return them ready to score; raises ML_ERROR_CORRUPTED. */
extern MlForest *ml_forest_load(MlContext *ctx, const MlNode *payload, const MlShape *shape, int outputs, int width);

/*
 * Add the values of all trees to out[i + c * ldout], i < n <= ML_BLOCK_ROWS, c < outputs, in the order of
 * the trees.  x is column-major with leading dimension ldx.  No allocation; the same bits whatever n.
 */
extern void ml_forest_sum(const MlForest *forest, const double *x, size_t ldx, size_t n, double *out, size_t ldout);

static inline bool
ml_forest_missing_left(const MlForest *f, size_t node)
{
	return f->missing_left[node / 8] >> node % 8 & 1;
}

/* Does a value of the node's column go left? */
static inline bool
ml_forest_goes_left(const MlForest *f, size_t node, double v)
{
	int			levels = f->levels[f->feature[node]];
	size_t		level;

	if (levels == 0)
		return v == v ? v <= f->threshold[node] : ml_forest_missing_left(f, node);
	if (!(v >= 0 && v < levels))
		return ml_forest_missing_left(f, node);
	level = (size_t) v;
	return f->sets[(size_t) f->threshold[node] + level / 32] >> level % 32 & 1;
}

/* The leaf of a row (x[j * ldx]) in a tree. */
static inline size_t
ml_forest_leaf(const MlForest *f, size_t tree, const double *x, size_t ldx)
{
	size_t		node = (size_t) f->tree_begin[tree];

	while (f->feature[node] >= 0)
		node = (size_t) f->left[node] + !ml_forest_goes_left(f, node, x[(size_t) f->feature[node] * ldx]);
	return node;
}

/*
 * What a learner of trees computes before its link: score_c = base[c] + scale * (sum of the trees that add to
 * c).  This is what explanations add up to, and what ml_tree_sql writes out.
 */
typedef enum MlLink
{
	ML_LINK_IDENTITY,			/* the prediction, or the probabilities, are the scores */
	ML_LINK_LOGISTIC,			/* binary: 1 / (1 + exp(-score)) is the probability of class 1 */
	ML_LINK_SOFTMAX,
	ML_LINK_EXP,				/* exp(score) */
	ML_LINK_OVR,				/* each class logistic, then divided by their sum */
	ML_LINK_COMPLEMENT,			/* binary: the score is the probability of class 1 */
	ML_LINK_ANOMALY				/* 2 ^ -score */
} MlLink;

typedef struct MlEnsemble
{
	const MlForest *forest;
	const double *base;			/* [outputs] */
	double		scale;
	MlLink		link;
} MlEnsemble;

#endif
