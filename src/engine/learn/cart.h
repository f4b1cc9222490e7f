/*
 * Classification and regression trees: the grower that decision_tree, random_forest and extra_trees share.
 *
 * cart_fit.c makes the rows and collects the trees, cart_draws.c draws the rows of each; cart_grow.c grows one tree on one
 * thread, cart_split.c finds its splits by criteria of two sums (gini of two classes, squared error, Poisson ...),
 * cart_classes.c by the classes of three or more, cart_absolute.c by absolute error; cart_prune.c cuts trees back.
 *
 * All sums that decide are sums of integers, so that they depend on no order.
 */
#ifndef ML_CART_H
#define ML_CART_H

#include <math.h>

#include "base/random.h"
#include "learn/forest.h"
#include "learn/tree.h"

typedef enum CartCriterion
{
	CART_AUTO,					/* gini for classes, squared error for numbers */
	CART_GINI,
	CART_ENTROPY,
	CART_SQUARED,
	CART_ABSOLUTE,
	CART_POISSON
} CartCriterion;

/* The parameters of all learners of these trees; each shows those that it has. */
typedef struct CartParams
{
	int64_t		n_estimators;
	int			criterion;		/* CartCriterion */
	int			splitter;		/* 0 best, 1 random */
	int64_t		max_depth;
	int64_t		max_leaf_nodes;
	int64_t		min_samples_split;
	int64_t		min_samples_leaf;
	double		min_weight_fraction_leaf;
	double		min_impurity_decrease;
	const char *max_features;	/* JSON */
	bool		bootstrap;
	double		max_samples;
	bool		oob_score;
	double		ccp_alpha;
	const char *class_weight;	/* JSON */
	int64_t		max_bins;
	int64_t		seed;
} CartParams;

#define CART_INT(field, default_number, low, high, text) \
	{.name = #field,.type = ML_PARAM_INT,.offset = offsetof(CartParams, field),.default_value = default_number, \
	.min = low,.max = high,.help = text}
#define CART_REAL(field, default_number, low, high, exclusive, text) \
	{.name = #field,.type = ML_PARAM_REAL,.offset = offsetof(CartParams, field),.default_value = default_number, \
	.min = low,.max = high,.min_exclusive = exclusive,.help = text}

/* The names of criteria, in the order of CartCriterion. */
extern const char *const cart_criteria[];

/* The rows of a parameter table that these learners share. */
#define CART_CRITERION \
	{.name = "criterion",.type = ML_PARAM_ENUM,.offset = offsetof(CartParams, criterion),.choices = cart_criteria, \
	.help = "Impurity that splits decrease: \"gini\" (\"auto\") or \"entropy\" of classes; " \
	"\"squared_error\" (\"auto\"), \"absolute_error\" or \"poisson\" of numbers."}
#define CART_MAX_FEATURES(by_default) \
	{.name = "max_features",.type = ML_PARAM_JSON,.offset = offsetof(CartParams, max_features), \
	.help = "Columns that each node looks at: a number, a share as 0.5, \"sqrt\", \"log2\" or \"all\"; " \
	"null is " by_default "."}
#define CART_LIMITS(least_rows) \
	CART_INT(max_depth, 0, 0, 1000, "Most splits from the root to a leaf; 0 is no limit."), \
	CART_INT(max_leaf_nodes, 0, 0, 100000000, "Most leaves of a tree, those of the highest gain; 0 is no limit but that the model fits into a value of a table."), \
	CART_INT(min_samples_split, 2, 2, 1000000000, "Fewest rows of a node that is split."), \
	CART_INT(min_samples_leaf, least_rows, 1, 1000000000, "Fewest rows of a leaf."), \
	CART_REAL(min_weight_fraction_leaf, 0, 0, 0.5, false, "Least weight of a leaf, as a share of the weight of all rows."), \
	CART_REAL(min_impurity_decrease, 0, 0, 1e100, false, "What a split must decrease the impurity by, times the node's share of the weight.")
#define CART_COMMON \
	{.name = "class_weight",.type = ML_PARAM_JSON,.offset = offsetof(CartParams, class_weight), \
	.help = "Weights of classes: \"balanced\", or an object as {\"yes\": 5}; null is one for each."}, \
	CART_INT(max_bins, 255, 2, ML_TREE_MAX_BINS, "Most bins that the values of a number are divided into."), \
	CART_INT(seed, 0, 0, 1000000000, "Where chance begins.")

/* What an MlAlgorithm has in common with the others. */
#define CART_LEARNER \
	.tasks = ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION, \
	.params_size = sizeof(CartParams), \
	.check_params = cart_check_params, \
	.tasks_of = cart_tasks_of, \
	.load = cart_load, \
	.score = cart_score, \
	.ensemble = cart_ensemble, \
	.refit = cart_refit, \
	.native_inputs = true, \
	.most_levels = CART_LEVELS, \
	.usual_categories = CART_LEVELS - 1

/* ---- rows and nodes ---- */

/* A training row as a tree sees it: its share of the two sums. */
typedef struct CartItem
{
	int64_t		g;				/* units of target times weight; the class; or the rank of the target */
	uint32_t	w;				/* units of weight */
	uint32_t	row;			/* in the bytes that the node reads */
} CartItem;

typedef struct CartSum
{
	int64_t		g;
	int64_t		w;
} CartSum;

/* Training rows, shared by all trees. */
typedef struct CartRows
{
	const MlBins *bins;
	size_t		n;
	CartCriterion criterion;
	int			classes;		/* 0 = numbers */
	int			width;			/* values of a node: 1, or the classes of three or more */
	int64_t    *g;				/* [n] */
	uint32_t   *w;				/* [n], NULL = all one unit */
	double		w_unit;			/* of weights */
	double		value_unit;		/* of targets */
	double		center;			/* what the target is counted from */
	double		gain_unit;		/* of impurity times weight */
	int64_t    *ranked;			/* absolute error: [n] targets in order, in units from the center */
} CartRows;

/* What limits a tree. */
typedef struct CartLimits
{
	bool		random;			/* one threshold by chance for each column */
	int			max_depth;		/* 0 = no limit */
	size_t		max_leaves;		/* those of the highest gain */
	bool		best_first;		/* grow by gain; else all, of which max_leaves are kept */
	size_t		min_split;		/* rows of a node that may be split */
	size_t		min_leaf;		/* rows of a leaf */
	double		min_weight;		/* units of weight of a leaf */
	double		min_gain;		/* as a share of the tree's weight */
	int			max_features;
	size_t		leaf_room;		/* leaves while a tree grows */
} CartLimits;

#define CART_BINS 256			/* of values and what is missing */
#define CART_LEVELS (CART_BINS - 1) /* of a category */
#define CART_SLOW_ROWS 16384	/* rows between two looks at whether the call is to stop, where a row takes long */

/* Levels that go left, a bit a bin. */
typedef struct CartSet
{
	uint64_t	words[CART_BINS / 64];
} CartSet;

static inline bool
cart_set_has(const CartSet *set, unsigned bin)
{
	return set->words[bin / 64] >> bin % 64 & 1;
}

typedef struct CartNode
{
	int32_t		feature;		/* -1 = a leaf */
	int32_t		left;			/* the right child follows */
	int32_t		set;			/* categories: number of the set, else -1 */
	uint8_t		bin;			/* numbers: the last bin on the left */
	bool		missing_left;
	double		gain;
	double		cover;
	double		value;			/* width 1 */
} CartNode;

/* A tree that was grown. */
typedef struct CartTree
{
	CartNode   *nodes;			/* [2 * leaves - 1], node 0 is the root */
	double	   *values;			/* [nodes * width] where width > 1 */
	CartSet    *sets;			/* [leaves - 1] where there are categories */
	size_t		count;
	size_t		nsets;
} CartTree;

/* ---- splits ---- */

typedef struct CartSplit
{
	double		gain;			/* decrease of impurity times units of weight; below 0 = no split */
	int			column;
	int			bin;			/* numbers: the last bin on the left */
	bool		missing_left;
	CartSet		set;			/* categories: bins on the left, the missing one too */
	CartSum		left;			/* sums of two */
} CartSplit;

/* A node whose split is looked for. */
typedef struct CartPlace
{
	const CartItem *items;
	size_t		n;
	CartSum		sum;
	const double *classes;		/* weights of classes, where there are three or more */
	int64_t		error;			/* absolute error of the whole */
	uint64_t	seed;			/* of its random threshold */
	bool		local;			/* rows count in the bytes of the worker */
} CartPlace;

/* A class's weight in a bin. */
typedef struct CartShare
{
	uint32_t	klass;
	uint32_t	bin;
	double		w;
} CartShare;

/* Scratch for the search in one column: one a thread. */
typedef struct CartScratch
{
	CartSum    *cells;			/* [CART_BINS], zero between searches */
	uint32_t   *counts;			/* [CART_BINS], the same */
	uint8_t    *order;			/* [CART_BINS + 1] bins that a node has */
	/* classes */
	double	   *left;			/* [classes] */
	double	   *right;
	double	   *dense;			/* [CART_BINS * classes], zero between searches */
	CartShare  *shares;			/* in the order of bins */
	size_t		share_room;		/* up to that many rows are sorted, more are summed */
	/* absolute error */
	uint32_t   *place;			/* [n] items in the order of bins */
	CartSum    *tree;			/* [n + 1] */
	int64_t    *cost;			/* [CART_BINS] */
} CartScratch;

typedef struct CartPending CartPending;	/* a node that may be split (cart_grow.c) */

/* A node that waits to be split: those of the highest gain come first, of these the one that was made first. */
typedef struct CartWaiting
{
	double		gain;
	size_t		made;			/* grows with time */
	size_t		place;			/* where the caller keeps it */
} CartWaiting;

/* All that growing a tree on one thread needs. */
typedef struct CartWorker
{
	const CartRows *rows;
	const CartLimits *limits;
	MlContext  *ctx;
	bool		alone;			/* a single tree: checks by itself, and threads share its columns */
	bool		stopped;		/* the call is to end */
	size_t		work;			/* since that was asked last */
	CartItem   *items;
	CartItem   *aside;
	uint8_t    *draws;			/* [n] how often a row was drawn; NULL = once */
	uint8_t    *local;			/* bytes of a subtree's rows, column by column */
	size_t		local_rows;		/* a subtree of that many is read from there */
	int		   *order;			/* [columns] */
	int		   *swaps;			/* [columns] */
	double	   *classes;		/* [classes] */
	uint32_t   *rank;			/* absolute error: [n] of the node's items by target */
	int64_t    *values;			/* [n] their targets in order */
	uint64_t   *keys;			/* [2 n] */
	double		weight;			/* of the tree's rows, in units */
	CartTree	tree;
	CartPending *pending;
	CartWaiting *heap;			/* [leaf_room] */
	double	   *gains;			/* [2 * leaf_room] of subtrees */
	int32_t    *numbers;		/* [2 * leaf_room] of nodes */
	CartScratch *scratch;		/* one; alone: one a thread */
	CartSplit  *found;			/* alone: [columns] */
} CartWorker;

#define CART_TABLE 4096

extern double cart_nlogn_table[CART_TABLE];

/* Fill that table; once before trees are grown. */
extern void cart_start(void);

/* n log2 n of a number of units. */
static inline double
cart_nlogn(double n)
{
	return n < CART_TABLE ? cart_nlogn_table[(int) n] : n * log2(n);
}

/* The bytes of a column as a node reads them. */
static inline const uint8_t *
cart_bytes(const CartWorker *worker, bool local, int column, size_t *stride)
{
	const MlBins *bins = worker->rows->bins;
	const MlBinGroup *group = &bins->group[bins->group_of[column]];

	*stride = local ? 1 : (size_t) group->count;
	return local ? worker->local + (size_t) column * worker->local_rows : group->bytes + (column - group->first);
}

/* The best split of a place by one column; gain < 0 when there is none.  Returns whether the column varies. */
extern bool cart_split_sums(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out);
extern bool cart_split_classes(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out);
extern bool cart_split_absolute(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out);

/* Impurity times weight, of which a split's gain is the decrease; up to a term that children add up to. */
extern double cart_sum_score(CartCriterion criterion, double g, double w);

/* Absolute error: rank a node's items by target; returns their median and the error about it. */
extern double cart_absolute_rank(CartWorker *worker, const CartItem *items, size_t n, int64_t *error);

/*
 * The set of the bins of order up to last, of used that the node has; all others go where the missing go, or, when
 * none is missing, to the heavier side.
 */
extern void cart_make_set(const uint8_t *order, int used, int last, int missing_bin, bool heavier_left, CartSplit *out);

/* One random split of a column, judged by any criterion. */
extern bool cart_split_random(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column, CartSplit *out);

/* What a split by a set of bins gains; -1 where a side is too small.  w_left: units of weight on the left. */
extern double cart_gain_classes(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column,
								const CartSet *set, double *w_left);
extern double cart_gain_absolute(const CartWorker *worker, CartScratch *s, const CartPlace *place, int column,
								 const CartSet *set, double *w_left);

/* Choose among the edges between two bins with rows the one in the middle. */
extern int cart_middle_bin(const MlBinColumn *column, int below, int above);

/* ---- trees ---- */

/*
 * Count rows that were looked at, and ask now and then whether the call is to stop: that raises where a single tree is
 * grown, else the worker is stopped then.
 */
extern void cart_visit(CartWorker *worker, size_t rows);

/* Room for the trees of at most n rows that a worker grows. */
extern void cart_worker_create(MlContext *ctx, const CartRows *rows, const CartLimits *limits, size_t n, bool alone,
							   CartWorker *worker);

/* Room for a tree of so many leaves. */
extern void cart_tree_create(MlContext *ctx, const CartRows *rows, size_t leaves, CartTree *tree);

/* Grow a tree from the worker's first n items, whose rows ascend, into worker->tree; false when it was stopped. */
extern bool cart_grow(CartWorker *worker, size_t n, uint64_t seed);

/* Put a node among those that wait, a heap; take the first of them out and return its place. */
extern void cart_heap_push(CartWaiting *heap, size_t *count, CartWaiting node);
extern size_t cart_heap_pop(CartWaiting *heap, size_t *count);

/*
 * Copy the worker's tree, pruned by alpha (cost complexity), then to the max_leaves - 1 splits that growing by gain
 * would make first.
 */
extern void cart_prune(CartWorker *worker, double alpha, size_t max_leaves, CartTree *to);

/* ---- the rows that trees draw (cart_draws.c) ---- */

/* The rows of a design that have weight. */
typedef struct CartTaken
{
	size_t		n;
	double	   *target;			/* [n] */
	double	   *weight;			/* [n], classes' weights included */
} CartTaken;

typedef struct CartDraws
{
	size_t		n;
	const double *weight;		/* [n] */
	bool		bootstrap;
	bool		any;			/* else every tree has all rows */
	uint64_t	seed;
	size_t		wanted;			/* rows that a tree draws */
	const uint32_t *order;		/* [n] rows by content; NULL = as they are, their content is not known */
	const char *digest;			/* of that content */
} CartDraws;

/* The payload's member of the digest. */
#define CART_DRAWN_ROWS "drawn_rows"

/* Raises where no row has a weight that can be computed with. */
extern void cart_take_rows(MlContext *ctx, const MlDesign *design, const CartParams *params, CartTaken *taken);

/* Rows 0 .. n - 1 by ascending key, those of the same key as they come. */
extern uint32_t *cart_order(MlContext *ctx, const uint64_t *keys, size_t n);

extern void cart_draws_create(MlContext *ctx, const MlDesign *design, const CartParams *params, const CartTaken *taken,
							  CartDraws *draws);

/* How often [n] a tree draws each row, of which one at least has weight; any thread. */
extern void cart_draw(const CartDraws *draws, size_t tree, uint8_t *count);

/* ---- out of bag: rows by the trees that did not draw them ---- */

typedef struct CartOob CartOob;

/* For rounds of so many trees. */
extern CartOob *cart_oob_create(MlContext *ctx, const CartRows *rows, size_t trees, size_t max_leaves);

/* Note a tree of a round and how often it drew each row; any thread. */
extern void cart_oob_prepare(CartOob *oob, size_t number, const CartTree *tree, const uint8_t *draws);

/* Add what the round's trees say of the rows that they did not draw. */
extern void cart_oob_add(CartOob *oob, const CartTree *trees, size_t count);

/* Write the scores as members of an open object, where there are such rows. */
extern void cart_oob_write(const CartOob *oob, const CartTaken *rows, MlWriter *w);

/* A bit a row that was drawn. */
extern void cart_mark_drawn(const uint8_t *draws, size_t n, uint64_t *drawn);

static inline bool
cart_is_drawn(const uint64_t *drawn, size_t row)
{
	return drawn[row / 64] >> row % 64 & 1;
}

/* What the mean of trees predicts, from the sums of their width values: a number, or each class's probability. */
static inline void
cart_mean(const double *sums, int width, double trees, bool binary, double *out, size_t stride)
{
	for (int k = 0; k < width; k++)
		out[(size_t) (k + binary) * stride] = sums[k] / trees;
	if (binary)
		out[0] = 1 - out[stride];
}

/* MlAlgorithm.out_of_bag (cart_oob_rows.c). */
extern bool cart_out_of_bag(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, double *out,
							size_t ldout, int32_t *trees);

/* ---- fitting ---- */

/* Learn; before: trees of a loaded model that come first, NULL = none. */
extern void cart_fit(MlContext *ctx, const MlDesign *design, const CartParams *params, const MlForest *before,
					 MlWriter *payload);

/* MlAlgorithm.fit of those that are what their parameters say. */
extern void cart_fit_first(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload);

/* MlAlgorithm.refit (cart_refit.c). */
extern void cart_refit(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, double decay_rate,
					   MlWriter *payload);

/* What all of these learners have in common. */
extern unsigned cart_tasks_of(const void *params);
extern void cart_check_params(MlContext *ctx, const void *params);
extern void *cart_load(MlContext *ctx, const MlNode *payload, const MlShape *shape);
extern void cart_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout);
extern const MlEnsemble *cart_ensemble(const void *loaded);

/* The digest of the rows that trees drew from; NULL where that is not known. */
extern const char *cart_drawn_rows(const void *loaded);

#endif
