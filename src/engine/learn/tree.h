/*
 * Trees over binned columns: what gradient boosting (and any learner of trees) is made of.
 *
 * tree_bins.c turns prepared columns into one byte a value (two of a category of many levels), tree_grow.c
 * grows a tree over those bytes from the gradients and hessians of the rows, tree_apply.c adds what trees say to scores
 * of rows.  Sums are sums of integers, so that neither the number of threads nor the order of rows changes a bit of a
 * tree.
 */
#ifndef ML_TREE_H
#define ML_TREE_H

#include "learn/learner.h"

#define ML_TREE_MAX_BINS 255	/* of values that a byte tells apart; one more is for what is missing */
#define ML_TREE_MAX_LEVELS 65535	/* of a category, with two bytes a row */
#define ML_TREE_SAMPLE_LEAST 2000	/* rows that bins are made from, of wide tables */
#define ML_TREE_GROUP 64		/* tracks whose bytes of a row lie together, at most */
#define ML_TREE_CHUNK 12		/* tracks of a group that are summed together, at most */

/* Prepared values of rows that stand for all: what bins are made from. */
typedef struct MlBinSample
{
	size_t		rows;
	const double *values;		/* [columns][rows] */
	const double *weights;		/* [rows], NULL = all one */
} MlBinSample;

/* Some tracks side by side, bytes[row * count + (track - first)], or a broad one, whose low byte comes first. */
typedef struct MlBinGroup
{
	int			first;
	int			tracks;
	int			count;			/* bytes of a row */
	uint8_t    *bytes;
} MlBinGroup;

/* Tracks of a group whose packed sums fit into the nearest cache. */
typedef struct MlBinChunk
{
	int			group;
	int			first;
	int			count;
	int			member;			/* the first of their columns, which follow one another in member */
	int			members;
	size_t		offset;			/* of these columns' bins in a histogram */
	size_t		bins;
} MlBinChunk;

/*
 * A byte of every row: the bin of a column or, of a bundle of columns no two of which are off their usual bin in the
 * same row, a code of the column that is and of its bin.  Two bytes where a column is broad: a category of more bins
 * than a byte tells apart.
 */
typedef struct MlBinTrack
{
	int			first;			/* of its columns, in member */
	int			count;
	int			codes;			/* of a bundle: how many; code 0 = all columns at their usual bins.  Else 0 */
	uint32_t   *place;			/* of a bundle: [codes] where in a histogram a code's bin is; code 0 has none */
} MlBinTrack;

/* The bins of one column. */
typedef struct MlBinColumn
{
	int			nbins;			/* of values; bin nbins is what is missing */
	int			levels;			/* of a category, 0 for a number */
	double	   *edges;			/* numbers: [nbins - 1] ascending; bin b holds edges[b - 1] < x <= edges[b] */
	uint16_t   *level_bins;		/* categories: [levels]; nbins = a level too rare for a bin of its own */
} MlBinColumn;

static inline bool
ml_bin_column_is_broad(const MlBinColumn *column)
{
	return column->nbins > ML_TREE_MAX_BINS;
}

/* The training rows of positive weight, binned. */
typedef struct MlBins
{
	size_t		rows;
	int			columns;
	int			max_bins;		/* that a number may have */
	int			max_levels;		/* that have a bin each, of a category */
	int			ngroups;
	int			nchunks;
	size_t		total;			/* bins of a histogram */
	size_t		broadest;		/* bins of a column, what is missing included, or codes of a byte: the most there are */
	MlBinColumn *column;		/* [columns] */
	int			tracks;			/* = columns, in their order, where there are no bundles and no broad columns */
	int			narrow;			/* tracks of a byte; those of broad columns come after them */
	MlBinTrack *track;			/* [tracks] */
	int		   *member;			/* [columns], track by track */
	int		   *track_of;		/* [columns] */
	size_t	   *offset;			/* [columns] of its first bin in a histogram; in the order of member */
	uint8_t    *usual;			/* [columns] the bin of most rows; NULL where there are no bundles */
	MlBinGroup *group;			/* [ngroups] */
	MlBinChunk *chunk;			/* [nchunks], group by group */
	int		   *group_of;		/* [tracks] */
	int		   *order;			/* the columns in an order that their content decides, for ties */
	uint8_t    *by_track;		/* [narrow][rows]: the same bytes once more, NULL where they would be too many */
	bool		borrowed;		/* the groups' bytes are the design's */
} MlBins;

/*
 * Bin the rows of the design whose weight is positive.  max_bins is at most ML_TREE_MAX_BINS, max_levels (of a category
 * that have a bin each) at most ML_TREE_MAX_LEVELS; the seed chooses the rows that edges are taken from where there are
 * more than enough, if the design has no sample.  Bytes that the design has already are taken over when they are of
 * that many bins.
 */
extern MlBins *ml_bins_create(MlContext *ctx, const MlDesign *design, int max_bins, int max_levels, uint64_t seed);

/* Bin the rows of positive weight of another design of the same columns, with the edges of these bins. */
extern MlBins *ml_bins_like(MlContext *ctx, const MlBins *bins, const MlDesign *design);

/* How many rows bins of so many columns are made from, at most. */
extern size_t ml_bins_sample_rows(size_t columns);

/* Make the bins of columns (levels as in MlDesign) from a sample; there are no rows yet. */
extern MlBins *ml_bins_from_sample(MlContext *ctx, int columns, const int *levels, const MlBinSample *sample,
								   int max_bins, int max_levels);

/* Make room for the bytes of that many rows; with a track a column where there are no tracks yet. */
extern void ml_bins_make_room(MlContext *ctx, MlBins *bins, size_t rows);

/* Lay the tracks of broad columns behind those there are. */
extern void ml_bins_add_broad(MlBins *bins);

/* Make room for the same bytes track by track, if they are few. */
extern void ml_bins_make_by_track(MlContext *ctx, MlBins *bins);

/* Put sparse columns into bundles, where that saves enough; growing and walking trees know them, nobody else does. */
extern void ml_bins_bundle(MlContext *ctx, MlBins *bins);

/* Turn marks by the bins of a column into marks by the bytes of its track; broadest of them. */
extern void ml_bins_mark_bytes(const MlBins *bins, int column, uint8_t *marks);

/* The bins of n (at most ML_BLOCK_ROWS) values of a column, in out; any thread. */
extern void ml_bins_find(const MlBinColumn *column, const double *values, size_t n, int32_t *out);

/* Where the bytes of a track are, one row each count of its group. */
static inline uint8_t *
ml_bins_bytes(const MlBins *bins, int track)
{
	const MlBinGroup *g = &bins->group[bins->group_of[track]];

	return g->bytes + (track - g->first);
}

/* Both bytes of a broad track. */
static inline unsigned
ml_bins_code(const uint8_t *bytes)
{
	return bytes[0] | (unsigned) bytes[1] << 8;
}

/* The bin of a row of a column, where there are no bundles. */
static inline int
ml_bins_get(const MlBins *bins, int column, size_t row)
{
	int			track = bins->track_of[column];
	const uint8_t *at = ml_bins_bytes(bins, track) + row * (size_t) bins->group[bins->group_of[track]].count;

	return track < bins->narrow ? *at : (int) ml_bins_code(at);
}

/*
 * What limits a tree; gradients and hessians are those of the loss, weights included.  Of the fields from
 * depthwise on zero (or NULL) means off.
 */
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
	double		min_samples_category;	/* rows of a level that sets are made from, a weight counting as that many */
	bool		depthwise;		/* split level by level, in a level by gain; else whatever gains most */
	bool		extra_random;	/* one threshold by chance a column and leaf, of which the best is taken */
	double		colsample_bynode;	/* share of the columns that each leaf may be split on; 0 and 1 = all */
	double		max_delta_step; /* largest size of a value */
	double		path_smooth;	/* rows that a parent's value counts as, in that of its child */
	const int8_t *monotone;		/* [columns] of -1, 0, 1: values may only fall, do as they like, only rise */
	int			interaction_sets;
	const uint64_t *interactions;	/* [interaction_sets][(columns + 63) / 64]: a bit a column; columns on a way from
									 * the root have a set in common, one that is in none is alone */
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
	double		value;			/* of a leaf; of others what they would say as leaves */
	double		gain;			/* of the split, in units of min_split_gain; 0 for leaves */
	double		cover;			/* weight of the rows that the tree was grown from and that come here */
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

/*
 * What a tree is grown from; the caller fills both before ml_grower_grow, which changes them.  Rows ascend; of all
 * rows of the bins nothing but the packed gradients is read.
 */
extern uint32_t *ml_grower_rows(MlGrower *grower);
extern int64_t *ml_grower_packed(MlGrower *grower);

/* Where chance begins for the trees to come (colsample_bynode, extra_random). */
extern void ml_grower_seed(MlGrower *grower, uint64_t seed);

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

/* The same for the rows of any bins with the edges that the tree was grown with. */
extern void ml_tree_walk(MlContext *ctx, const MlBins *bins, const MlTree *tree, double rate, double *add);

/*
 * Places of the last tree's leaves, and the rows of one of them: how many (0 = the place is empty), which (in no
 * certain order), and its node.
 */
extern int	ml_grower_leaves(const MlGrower *grower);
extern size_t ml_grower_leaf(const MlGrower *grower, int place, const uint32_t **rows, int *node);

#endif
