/*
 * Inside the grower of trees: histograms (tree_histogram.c), the search for a split (tree_split.c) and the
 * partition of rows (tree_partition.c) on behalf of tree_grow.c.
 */
#ifndef ML_TREE_INTERNAL_H
#define ML_TREE_INTERNAL_H

#include "learn/tree.h"

#define ML_TREE_BATCH 8			/* leaves that are expanded together, at most */
#define ML_TREE_PART 8192		/* rows of a piece of a partition */
#define ML_TREE_STRETCH 8192	/* rows of a piece of a sum, where a leaf has more */

/* Sums of some rows, in units. */
typedef struct MlBinSum
{
	int64_t		g;
	int64_t		h;
} MlBinSum;

/* Sums of a level of a category and its place in the order of levels: by order, then by bin. */
typedef struct MlSplitLevel
{
	double		order;
	int			bin;
	MlBinSum	sum;
} MlSplitLevel;

/* The best split of one column of a leaf; gain is in gradients of one unit a GRADIENT_MAX, -1 = none. */
typedef struct MlSplitFound
{
	double		gain;
	int			bin;			/* numbers: the last bin on the left */
	bool		missing_left;
	bool		subset;			/* cat_l2 holds in the children */
	bool		rare_left;		/* categories: levels that the leaf has some rows of, but too few */
	bool		unseen_left;	/* categories: levels that the leaf has no row of */
	int8_t		step;			/* categories: on the left is last alone (0), or all up to it (1) or from it on (-1) */
	MlSplitLevel last;
	double		least;			/* categories: hessian of a level that may be on the left */
	MlBinSum	sum;			/* of the left side */
} MlSplitFound;

/* A leaf as the search sees it. */
typedef struct MlSplitLeaf
{
	MlBinSum	sum;
	double		weight;			/* rows, by their weights */
	double		l2;				/* in its own value */
	double		value;			/* in gradients of the search's scale */
	double		lower;			/* what the values of it and its descendants are kept between */
	double		upper;
	uint64_t	key;			/* what chance begins with: the seed and the way from the root */
} MlSplitLeaf;

/* Units and limits, in the scale that the search works in: a gradient is its integer / GRADIENT_MAX. */
typedef struct MlSplitScale
{
	const MlTreeLimits *limits;
	double		gradient;		/* of an integer */
	double		hessian;		/* of an integer */
	double		l1;
	double		min_gain;
	double		max_delta_step; /* 0 = no limit */
	bool		bound;			/* values are more than -T(G) / (H + l2) */
} MlSplitScale;

/* A leaf: rows [begin, begin + rows) of the array of rows. */
typedef struct MlLeaf
{
	size_t		begin;
	size_t		rows;
	int			node;			/* -1 until its parent's split is in the tree */
	int			depth;
	int			slot;			/* its histogram, -1 = none */
	int			feature;		/* of the best split, -1 = none */
	int			child;			/* the left one, the right one follows; -1 = not expanded yet */
	bool		divided;		/* its split is in the tree */
	bool		busy;			/* its histogram may not be taken away now */
	const int64_t *packed;		/* its rows' packed gradients in their order, NULL = not gathered */
	MlSplitLeaf at;
	MlSplitFound split;
	size_t		set;			/* categories: first word of the bins on the left, the missing one too, in sets */
} MlLeaf;

/* A leaf of a batch while its rows are partitioned and its children searched. */
typedef struct MlExpansion
{
	MlLeaf	   *parent;			/* NULL: summed is the root */
	MlLeaf	   *left;
	MlLeaf	   *right;
	bool		searched;		/* its children are to be searched */
	MlLeaf	   *summed;			/* built from rows, NULL = neither child is searched */
	MlLeaf	   *other;			/* what its parent's histogram leaves, or NULL */
	bool		subtract;		/* else other is built from rows, too */
	int			wide;			/* which of the threads' histograms have summed, -1 = none */
	const uint8_t *bytes;		/* of the split's track, one each stride */
	size_t		stride;
	bool		broad;			/* two bytes */
	uint8_t    *goes_left;		/* by byte, or by both: 0 or 255 */
	size_t		first_part;		/* its parts among those of the batch */
	size_t		parts;
	uint32_t   *aside;			/* room for its rows, then for half as many packed gradients */
	double		left_weight;
	const bool *use[2];			/* columns that summed and other may be split on */
	MlSplitFound *found[2];		/* [columns]: of summed and other */
} MlExpansion;

/* Rows of a part that go left, and their weight; then where they go. */
typedef struct MlPart
{
	size_t		left;
	double		weight;
	size_t		place_left;
	size_t		place_right;
} MlPart;

/* What a thread has for itself. */
typedef struct MlTreeScratch
{
	int64_t    *packed;			/* [ML_TREE_CHUNK * 256], or [broadest] where that is more; zero between uses */
	uint32_t   *rows;			/* [ML_TREE_PART] */
	int64_t    *wide[ML_TREE_BATCH];	/* histograms of leaves that are summed by stretches */
	bool	   *used[ML_TREE_BATCH];	/* [chunks]: that it has sums in */
	MlSplitLevel *levels;		/* [broadest] */
} MlTreeScratch;

struct MlGrower
{
	MlContext  *ctx;
	const MlBins *bins;
	const MlTreeLimits *limits;
	const double *weight;
	const bool *use;
	uint64_t	seed;
	MlSplitScale scale;
	double		largest;		/* gradient */
	bool		in_order;		/* the root has all rows, in order */
	uint32_t   *rows;
	int64_t    *packed;			/* by row */
	uint32_t   *aside;			/* while leaves are partitioned and summed */
	int			max_leaves;
	MlLeaf	   *leaves;			/* [most_leaves]: every leaf there ever was */
	int			most_leaves;
	int			nleaves;
	int			tree_leaves;	/* that the tree has */
	int		   *heap;			/* leaves that can be split, best first */
	int			heap_count;
	int64_t   **slots;			/* histograms: [total] gradients, then [total] hessians */
	int		   *slot_leaf;		/* whose they are */
	int			nslots;
	int		   *free_slots;
	int			free_count;
	MlExpansion batch[ML_TREE_BATCH];
	int			batch_count;
	int			batch_most;
	MlPart	   *parts;
	int			threads;
	MlTreeScratch *scratch;		/* [threads] */
	int			wide_most;		/* leaves that are summed by stretches at a time */
	MlSplitFound *found;		/* [2 * batch_most][columns] */
	uint8_t    *marks;			/* [batch_most][broadest] */
	uint32_t   *sets;			/* of leaves' splits by categories, a bit a bin, whole words a leaf */
	size_t		set_words;
	size_t		set_capacity;
	bool	   *may_use;		/* [2 * batch_most][columns], NULL = use says it all */
	uint64_t   *alive;			/* [most_leaves][alive_words]: interaction sets that have the way from the root */
	size_t		alive_words;
};

/* ---- tree_histogram.c ---- */

/* Sum the first n rows' gradients and hessians, put these where their rows are and all rows in order. */
extern MlBinSum ml_tree_total(MlGrower *t, size_t n);

/* Packed gradients of some rows in their order. */
extern void ml_tree_gather_rows(const uint32_t *rows, const int64_t *packed, size_t n, int64_t *out);

/* The same for the summed leaves of the batch; those of one part have it done by the partition. */
extern void ml_tree_gather(MlGrower *t);

/* Sum those leaves of the batch that are summed by stretches of rows. */
extern void ml_tree_sum_stretches(MlGrower *t);

/* Sum the rows of a leaf for a chunk of columns, into its histogram. */
extern void ml_tree_sum_chunk(MlGrower *t, const MlLeaf *leaf, int chunk, int worker);

/* Bring what the threads have summed of a leaf for a chunk of columns into its histogram. */
extern void ml_tree_collect_chunk(MlGrower *t, const MlExpansion *e, int chunk);

/* ---- tree_partition.c ---- */

/* Partition the rows of the batch's leaves: begin, rows and left_weight of the children. */
extern void ml_tree_partition(MlGrower *t);

/* ---- tree_split.c ---- */

/* The value of a leaf of these sums and weight under a parent, in gradients of the search's scale. */
extern double ml_split_value(const MlSplitScale *scale, MlBinSum sum, double l2, double weight, double parent_value,
							 double lower, double upper);

/*
 * The best split of a leaf by one column, from its histogram (nbins + 1 sums); number tells columns apart where chance
 * chooses, levels is room for as many of a category.
 */
extern void ml_split_find(const MlSplitScale *scale, const MlSplitLeaf *leaf, const MlBinColumn *column, int number,
						  const int64_t *g, const int64_t *h, MlSplitLevel *levels, MlSplitFound *found);

/* The bins on the left of the split that was found by a category, from the same histogram, a bit a bin. */
extern void ml_split_set(const MlSplitScale *scale, const MlBinColumn *column, const int64_t *g, const int64_t *h,
						 const MlSplitFound *found, uint32_t *set);

static inline bool
ml_tree_set_has(const uint32_t *set, int bin)
{
	return set[bin / 32] >> bin % 32 & 1;
}

#endif
