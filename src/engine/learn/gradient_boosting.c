/*
 * Gradient boosting of trees over histograms: regression, binary and multinomial classification.
 *
 * Problem: rows x_i (p columns as they are: NaN = missing, categories as levels), target y_i, weight w_i.
 *     F(x) = base + sum of trees, found tree by tree: each is grown on the gradients g_i and hessians h_i of
 *     the loss at the F so far, a leaf adds -learning_rate T(G) / (H + l2) (tree_split.c).
 *       regression  w (F - y)^2 / 2              base: the mean
 *       binary      w log(1 + exp(-s F))         base: the log odds
 *       multiclass  -w log softmax(F)[y]         base: the logarithms of the shares; one tree a class a round,
 *                                                with hessians times classes / (classes - 1)
 * Shapes: one F a class (one for regression and binary); rows without weight are left out beforehand.
 * Stopping rule: n_estimators rounds, or a round without a split.
 * Papers: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001; Friedman, Stochastic
 *     Gradient Boosting, 2002, for subsample; Ke et al., LightGBM, 2017.
 *
 * Gradients become integers of 22 bits, hessians of 18, in units of the largest of the round, so that sums
 * depend on no order: the same bits whatever the number of threads.
 *
 * Payload: base [F]; tree_begin [trees + 1], trees of a round class by class; and by node: feature (-1 = a
 * leaf), left (a node of the whole; the right child follows it), missing_left, set (first word of sets with a bit
 * for each level that goes left, -1 = a number), threshold (x <= threshold goes left), value (leaves).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/simd.h"
#include "base/threads.h"
#include "learn/learners.h"
#include "learn/logistic_internal.h"
#include "learn/tree.h"

#define PIECE_ROWS 4096			/* rows of a piece of a pass */

typedef struct BoostParams
{
	int64_t		n_estimators;
	double		learning_rate;
	int64_t		max_leaf_nodes;
	int64_t		max_depth;
	int64_t		min_samples_leaf;
	double		min_child_weight;
	double		min_split_gain;
	double		l1;
	double		l2;
	int64_t		max_bins;
	double		subsample;
	double		colsample_bytree;
	double		cat_smooth;
	double		cat_l2;
	int64_t		max_cat_to_onehot;
	int64_t		max_cat_threshold;
	int64_t		seed;
} BoostParams;

#define REAL(field, text_default, low, high, exclusive, text) \
	{.name = #field,.type = ML_PARAM_REAL,.offset = offsetof(BoostParams, field),.default_value = text_default, \
	.min = low,.max = high,.min_exclusive = exclusive,.help = text}
#define INTEGER(field, text_default, low, high, text) \
	{.name = #field,.type = ML_PARAM_INT,.offset = offsetof(BoostParams, field),.default_value = text_default, \
	.min = low,.max = high,.help = text}

static const MlParam boost_params[] = {
	INTEGER(n_estimators, 100, 1, 10000, "Rounds of boosting: trees, or trees of each class among three or more."),
	REAL(learning_rate, 0.1, 0, 1, true, "What a tree's values are multiplied by."),
	INTEGER(max_leaf_nodes, 31, 2, 100000, "Most leaves of a tree."),
	INTEGER(max_depth, 0, 0, 1000, "Most splits from the root to a leaf; 0 is no limit."),
	INTEGER(min_samples_leaf, 20, 1, 1000000000, "Fewest rows of a leaf, a weight counting as that many rows; for classes an estimate from the hessian."),
	REAL(min_child_weight, 0.001, 0, 1e100, false, "Least sum of hessians of a leaf."),
	REAL(min_split_gain, 0, 0, 1e100, false, "What a split must gain at least, in the loss of a Newton step, times two."),
	REAL(l1, 0, 0, 1e100, false, "L1 penalty on the values of leaves."),
	REAL(l2, 0, 0, 1e100, false, "L2 penalty on the values of leaves."),
	INTEGER(max_bins, 255, 2, ML_TREE_MAX_BINS, "Most bins that the values of a column are divided into."),
	REAL(subsample, 1, 0, 1, true, "Share of the rows that each tree is grown on."),
	REAL(colsample_bytree, 1, 0, 1, true, "Share of the columns that each tree may split on."),
	REAL(cat_smooth, 10, 0, 1e100, false, "Added to the hessian of a level when the levels of a category are put in order."),
	REAL(cat_l2, 10, 0, 1e100, false, "L2 penalty added for splits by a set of levels."),
	INTEGER(max_cat_to_onehot, 4, 1, 10000, "Up to that many levels in a leaf are split one from the rest."),
	INTEGER(max_cat_threshold, 32, 1, 10000, "Most levels in the smaller set of a split."),
	INTEGER(seed, 0, 0, 1000000000, "Where the choice of rows and columns begins."),
	{.name = NULL}
};

/* All nodes of all trees, as they are found. */
typedef struct Forest
{
	MlTreeNode *nodes;
	size_t		count;
	size_t		capacity;
	int32_t    *tree_begin;
	size_t		trees;
	size_t		leaves;
	uint32_t   *sets;
	size_t		words;
	size_t		word_capacity;
} Forest;

typedef struct Boost
{
	MlContext  *ctx;
	const MlDesign *design;
	const BoostParams *params;
	MlTreeLimits limits;
	MlBins	   *bins;
	MlGrower   *grower;
	size_t		n;				/* rows of positive weight */
	int			k;				/* scores a row */
	double	   *target;			/* [n] */
	double	   *weight;			/* [n], NULL = all one */
	double	   *base;			/* [k] */
	double	   *score;			/* [k][n] */
	float	   *share;			/* multiclass: [k][n] probabilities at the begin of the round */
	float	   *gradient;		/* [n] */
	float	   *hessian;		/* [n] */
	int			klass;			/* whose tree is grown */
	double	   *piece_max;		/* [2][pieces] */
	double	   *scratch;		/* multiclass: [threads][k * ML_BLOCK_ROWS] */
	double		gradient_max;
	double		hessian_max;
	bool	   *use;			/* [columns], NULL = all */
	Forest		forest;
} Boost;

/* ---- passes over the rows ---- */

/* The probabilities of class 1 of some rows. */
static void
sigmoid_rows(const double *score, size_t n, double *p)
{
	double		other[ML_BLOCK_ROWS];

	memcpy(p, score, n * sizeof(double));
	logistic_sigmoid(other, p, n);
}

/* Gradients and hessians of a block of rows. */
static void
differentiate(Boost *b, size_t begin, size_t n)
{
	const double *y = b->target + begin;
	float	   *g = b->gradient + begin;
	float	   *h = b->hessian + begin;
	double		p[ML_BLOCK_ROWS];

	if (b->design->task == ML_TASK_REGRESSION)
		for (size_t i = 0; i < n; i++)
		{
			g[i] = (float) (b->score[begin + i] - y[i]);
			h[i] = 1.0f;
		}
	else if (b->k == 1)
	{
		sigmoid_rows(b->score + begin, n, p);
		for (size_t i = 0; i < n; i++)
		{
			g[i] = (float) (p[i] - y[i]);
			h[i] = (float) (p[i] * (1 - p[i]));
		}
	}
	else
		for (size_t i = 0; i < n; i++)
		{
			float		share = b->share[(size_t) b->klass * b->n + begin + i];

			g[i] = share - (y[i] == b->klass ? 1.0f : 0.0f);
			h[i] = share * (1 - share) * (float) b->k / (float) (b->k - 1);
		}
	for (size_t i = 0; i < n && b->weight != NULL; i++)
	{
		g[i] *= (float) b->weight[begin + i];
		h[i] *= (float) b->weight[begin + i];
	}
}

static void
differentiate_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	size_t		piece = begin / PIECE_ROWS;
	float		largest_g = 0;
	float		largest_h = 0;

	(void) worker;
	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;

		differentiate(b, row, n);
		for (size_t i = row; i < row + n; i++)
		{
			float		g = fabsf(b->gradient[i]);

			largest_g = g > largest_g ? g : largest_g;
			largest_h = b->hessian[i] > largest_h ? b->hessian[i] : largest_h;
		}
	}
	b->piece_max[2 * piece] = largest_g;
	b->piece_max[2 * piece + 1] = largest_h;
}

/* Make integers of some rows' gradients and hessians. */
static ML_MULTIVERSION void
pack_rows(const float *g, const float *h, size_t n, double g_scale, double h_scale, uint32_t first,
		  uint32_t *rows, int64_t *packed)
{
	for (size_t i = 0; i < n; i++)
	{
		double		gi = g[i] * g_scale;

		/* halves away from zero */
		packed[i] = ml_tree_pack((int64_t) (gi + (gi < 0 ? -0.5 : 0.5)), (int64_t) (h[i] * h_scale + 0.5));
		rows[i] = first + (uint32_t) i;
	}
}

static void
pack_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;

	(void) worker;
	pack_rows(b->gradient + begin, b->hessian + begin, end - begin, ML_TREE_GRADIENT_MAX / b->gradient_max,
			  ML_TREE_HESSIAN_MAX / b->hessian_max, (uint32_t) begin, ml_grower_rows(b->grower) + begin,
			  ml_grower_packed(b->grower) + begin);
}

/* The classes' probabilities at the begin of a round. */
static void
share_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	double	   *p = b->scratch + (size_t) worker * (size_t) b->k * ML_BLOCK_ROWS;

	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;

		for (size_t c = 0; c < (size_t) b->k; c++)
			memcpy(p + c * ML_BLOCK_ROWS, b->score + c * b->n + row, n * sizeof(double));
		logistic_softmax(p, ML_BLOCK_ROWS, b->k, n);
		for (size_t c = 0; c < (size_t) b->k; c++)
			for (size_t i = 0; i < n; i++)
				b->share[c * b->n + row + i] = (float) p[c * ML_BLOCK_ROWS + i];
	}
}

/* ---- what is chosen by chance ---- */

/* Keep of the grower's rows those that tree number tree is grown on; returns how many, one at least. */
static size_t
sample_rows(Boost *b, size_t tree)
{
	uint32_t   *rows = ml_grower_rows(b->grower);
	int64_t    *packed = ml_grower_packed(b->grower);
	uint64_t	mix = ml_mix64((uint64_t) b->params->seed * 2 + 1) ^ ml_mix64(tree);
	size_t		n = 0;

	if (b->params->subsample >= 1)
		return b->n;
	for (size_t i = 0; i < b->n; i++)
		if ((double) (ml_mix64(mix + i) >> 11) * 0x1p-53 < b->params->subsample || (n == 0 && i + 1 == b->n))
		{
			rows[n] = (uint32_t) i;
			packed[n++] = packed[i];
		}
	return n;
}

/* Choose the columns of tree number tree. */
static void
sample_columns(Boost *b, size_t tree)
{
	int			p = b->bins->columns;
	int			wanted = (int) (p * b->params->colsample_bytree + 0.5);
	MlRandom	random;

	if (b->use == NULL)
		return;
	ml_random_seed(&random, ml_mix64((uint64_t) b->params->seed) ^ tree);
	wanted = wanted < 1 ? 1 : wanted;
	/* each column with the chance that what is wanted has among what is left */
	for (int j = 0; j < p; j++)
	{
		b->use[j] = (int) ml_random_below(&random, (uint64_t) (p - j)) < wanted;
		wanted -= b->use[j];
	}
}

/* ---- rounds ---- */

/* Add a tree to the forest. */
static void
keep_tree(Boost *b, const MlTree *tree)
{
	Forest	   *f = &b->forest;
	size_t		nodes = f->count + (size_t) tree->count;

	if (nodes > INT32_MAX / 2 || f->words + tree->set_words > INT32_MAX / 2)
		ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the model grows too large", NULL,
					  "Set n_estimators or max_leaf_nodes lower.");
	if (nodes > f->capacity)
	{
		f->capacity = 2 * nodes;
		f->nodes = ml_realloc(b->ctx, f->nodes, f->capacity * sizeof(MlTreeNode));
	}
	if (f->words + tree->set_words > f->word_capacity)
	{
		f->word_capacity = 2 * (f->words + tree->set_words);
		f->sets = ml_realloc(b->ctx, f->sets, f->word_capacity * sizeof(uint32_t));
	}
	for (int i = 0; i < tree->count; i++)
	{
		MlTreeNode	node = tree->nodes[i];

		node.value *= b->params->learning_rate;
		if (node.feature >= 0)
			node.left += (int) f->count;
		if (node.set >= 0)
			node.set += (int) f->words;
		f->nodes[f->count + (size_t) i] = node;
	}
	if (tree->set_words > 0)
		memcpy(f->sets + f->words, tree->sets, tree->set_words * sizeof(uint32_t));
	f->words += tree->set_words;
	f->count = nodes;
	f->leaves += (size_t) tree->leaves;
	f->tree_begin[++f->trees] = (int32_t) nodes;
}

/* Gradients of a class, as integers in the grower; false when there is nothing left to learn. */
static bool
take_gradients(Boost *b)
{
	size_t		pieces = (b->n + PIECE_ROWS - 1) / PIECE_ROWS;

	ml_parallel_for(b->ctx, b->n, PIECE_ROWS, differentiate_piece, b);
	b->gradient_max = b->hessian_max = 0;
	for (size_t i = 0; i < pieces; i++)
	{
		b->gradient_max = fmax(b->gradient_max, b->piece_max[2 * i]);
		b->hessian_max = fmax(b->hessian_max, b->piece_max[2 * i + 1]);
	}
	if (!(b->gradient_max <= FLT_MAX && b->hessian_max <= FLT_MAX))
		ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the target or the weights are too large for boosting",
					  "Gradients are beyond single precision.", "Scale them down.");
	return b->gradient_max >= FLT_MIN && b->hessian_max >= FLT_MIN;
}

/* Grow and keep one tree; returns its leaves. */
static int
grow_one(Boost *b, MlTree *tree)
{
	double	   *score = b->score + (size_t) b->klass * b->n;
	size_t		rows;

	tree->count = tree->leaves = 1;
	tree->set_words = 0;
	tree->nodes[0] = (MlTreeNode) {.feature = -1,.left = -1,.right = -1,.set = -1};
	if (take_gradients(b))
	{
		ml_parallel_for(b->ctx, b->n, PIECE_ROWS, pack_piece, b);
		rows = sample_rows(b, b->forest.trees);
		sample_columns(b, b->forest.trees);
		ml_grower_grow(b->grower, rows, b->gradient_max / ML_TREE_GRADIENT_MAX, b->hessian_max / ML_TREE_HESSIAN_MAX,
					   b->use, tree);
		if (rows < b->n)
			ml_grower_walk(b->grower, tree, b->params->learning_rate, score);
		else
			ml_grower_add(b->grower, tree, b->params->learning_rate, score);
	}
	keep_tree(b, tree);
	return tree->leaves;
}

/* All rounds. */
static void
grow_all(Boost *b)
{
	MlTree		tree = {0};
	Forest	   *f = &b->forest;
	bool		by_chance = b->params->subsample < 1 || b->use != NULL;
	size_t		most = (size_t) b->params->max_leaf_nodes < b->n ? (size_t) b->params->max_leaf_nodes : b->n;

	tree.nodes = ml_alloc_array(b->ctx, 2 * most + 4, sizeof(MlTreeNode));
	f->tree_begin = ml_alloc_array_zero(b->ctx, (size_t) b->params->n_estimators * (size_t) b->k + 1, sizeof(int32_t));
	for (int64_t round = 0; round < b->params->n_estimators; round++)
	{
		Forest		before = *f;
		bool		any = false;

		if (b->k > 1)
			ml_parallel_for(b->ctx, b->n, PIECE_ROWS, share_piece, b);
		for (b->klass = 0; b->klass < b->k; b->klass++)
			any |= grow_one(b, &tree) > 1;
		ml_check(b->ctx);
		if (b->ctx->progress != NULL)
			b->ctx->progress(b->ctx, "boosting", (double) (round + 1) / (double) b->params->n_estimators);
		if (!any && !by_chance)
		{
			/* a round that learned nothing is none */
			f->count = before.count;
			f->words = before.words;
			f->trees = before.trees;
			f->leaves = before.leaves;
			break;
		}
	}
}

/* ---- before the first round ---- */

/* Where the scores begin: the mean, the log odds, the logarithms of the shares. */
static void
find_base(Boost *b)
{
	size_t		classes = b->design->task == ML_TASK_REGRESSION ? 1 : (size_t) b->design->classes;
	double	   *sums = ml_alloc_array_zero(b->ctx, classes, sizeof(double));
	double		total = 0;

	for (size_t i = 0; i < b->n; i++)
	{
		double		w = b->weight != NULL ? b->weight[i] : 1;

		if (b->design->task == ML_TASK_REGRESSION)
			sums[0] += w * b->target[i];
		else
			sums[(size_t) b->target[i]] += w;
		total += w;
	}
	/* a class of no weight is not impossible, but next to that */
	if (b->design->task == ML_TASK_REGRESSION)
		b->base[0] = sums[0] / total;
	else if (b->k == 1)
		b->base[0] = log(fmax(sums[1] / total, 1e-15)) - log(fmax(sums[0] / total, 1e-15));
	else
		for (int c = 0; c < b->k; c++)
			b->base[c] = log(fmax(sums[c] / total, 1e-15));
	if (!isfinite(b->base[0]))
		ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the target or the weights are too large for boosting", NULL,
					  "Scale them down.");
	for (size_t c = 0; c < (size_t) b->k; c++)
		for (size_t i = 0; i < b->n; i++)
			b->score[c * b->n + i] = b->base[c];
	ml_free(b->ctx, sums);
}

/* The target and weights of the rows that have weight. */
static void
take_rows(Boost *b)
{
	const MlDesign *design = b->design;
	bool		weighted = false;
	size_t		n = 0;

	for (size_t i = 0; i < design->rows && design->weight != NULL; i++)
		weighted |= design->weight[i] != 1 && design->weight[i] != 0;
	b->target = ml_alloc_array(b->ctx, b->n + 1, sizeof(double));
	b->weight = weighted ? ml_alloc_array(b->ctx, b->n + 1, sizeof(double)) : NULL;
	for (size_t i = 0; i < design->rows; i++)
		if (design->weight == NULL || design->weight[i] > 0)
		{
			if (weighted)
				b->weight[n] = design->weight[i];
			b->target[n++] = design->target[i];
		}
}

static void
make_boost(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params)
{
	size_t		pieces;

	*b = (Boost) {.ctx = ctx,.design = design,.params = params};
	b->limits = (MlTreeLimits) {
		.max_leaf_nodes = (int) params->max_leaf_nodes,.max_depth = (int) params->max_depth,
		.min_samples_leaf = (double) params->min_samples_leaf,.min_child_weight = params->min_child_weight,
		.min_split_gain = params->min_split_gain,.l1 = params->l1,.l2 = params->l2,.cat_smooth = params->cat_smooth,
		.cat_l2 = params->cat_l2,.max_cat_to_onehot = (int) params->max_cat_to_onehot,
		.max_cat_threshold = (int) params->max_cat_threshold,
	};
	b->k = design->task == ML_TASK_MULTICLASS ? design->classes : 1;
	b->bins = ml_bins_create(ctx, design, (int) params->max_bins, (uint64_t) params->seed);
	b->n = b->bins->rows;
	if (b->n == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows sum to zero");
	take_rows(b);
	pieces = (b->n + PIECE_ROWS - 1) / PIECE_ROWS;
	b->base = ml_alloc_array(ctx, (size_t) b->k, sizeof(double));
	b->score = ml_alloc_array(ctx, (size_t) b->k * b->n, sizeof(double));
	b->gradient = ml_alloc_array(ctx, b->n, sizeof(float));
	b->hessian = ml_alloc_array(ctx, b->n, sizeof(float));
	b->piece_max = ml_alloc_array(ctx, 2 * pieces, sizeof(double));
	if (b->k > 1)
	{
		b->share = ml_alloc_array(ctx, (size_t) b->k * b->n, sizeof(float));
		b->scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * (size_t) b->k * ML_BLOCK_ROWS, sizeof(double));
	}
	if (params->colsample_bytree < 1)
		b->use = ml_alloc_array_zero(ctx, (size_t) design->columns + 1, sizeof(bool));
	b->grower = ml_grower_create(ctx, b->bins, &b->limits, b->weight);
	find_base(b);
}

/* ---- the model ---- */

/* Write one field of all nodes. */
static void
write_field(const Boost *b, MlWriter *w, const char *key, size_t offset)
{
	size_t		n = b->forest.count;
	int32_t    *values = ml_alloc_array(b->ctx, n + 1, sizeof(int32_t));

	for (size_t i = 0; i < n; i++)
		values[i] = *(const int *) ((const char *) &b->forest.nodes[i] + offset);
	ml_write_i32s(w, key, values, n);
	ml_free(b->ctx, values);
}

static void
write_payload(const Boost *b, MlWriter *w)
{
	const Forest *f = &b->forest;
	double	   *threshold = ml_alloc_array(b->ctx, f->count + 1, sizeof(double));
	double	   *value = ml_alloc_array(b->ctx, f->count + 1, sizeof(double));
	int32_t    *missing_left = ml_alloc_array(b->ctx, f->count + 1, sizeof(int32_t));

	for (size_t i = 0; i < f->count; i++)
	{
		bool		leaf = f->nodes[i].feature < 0;

		threshold[i] = leaf ? 0 : f->nodes[i].threshold;
		value[i] = leaf ? f->nodes[i].value : 0;
		missing_left[i] = !leaf && f->nodes[i].missing_left;
	}
	ml_write_f64s(w, "base", b->base, (size_t) b->k);
	ml_write_i32s(w, "tree_begin", f->tree_begin, f->trees + 1);
	write_field(b, w, "feature", offsetof(MlTreeNode, feature));
	write_field(b, w, "left", offsetof(MlTreeNode, left));
	ml_write_i32s(w, "missing_left", missing_left, f->count);
	write_field(b, w, "set", offsetof(MlTreeNode, set));
	ml_write_f64s(w, "threshold", threshold, f->count);
	ml_write_f64s(w, "value", value, f->count);
	ml_write_i32s(w, "sets", (const int32_t *) f->sets, f->words);
	ml_write_object(w, "statistics");
	ml_write_int(w, "n_rows", (int64_t) b->n);
	ml_write_int(w, "n_trees", (int64_t) f->trees);
	ml_write_int(w, "n_leaves", (int64_t) f->leaves);
	ml_write_end(w);
}

static void
boost_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	Boost		b;

	make_boost(&b, ctx, design, params);
	grow_all(&b);
	write_payload(&b, payload);
}

/* ---- a loaded model ---- */

#define NODE_MISSING_LEFT UINT32_C(0x80000000)
#define NODE_CATEGORY UINT32_C(0x40000000)
#define NODE_FEATURE UINT32_C(0x3fffffff)
#define LANES 8					/* rows that go down a tree together */

/* A leaf is a number's node that leads back to itself, its value beside. */
typedef struct PackedNode
{
	union
	{
		double		threshold;
		struct
		{
			uint32_t	set;
			uint32_t	levels;
		}			category;
	}			by;
	uint32_t	feature;		/* and flags */
	uint32_t	left;			/* the right child follows */
} PackedNode;

typedef struct LoadedBoost
{
	int			k;
	MlTaskKind	task;
	const double *base;
	size_t		trees;
	const int32_t *tree_begin;
	PackedNode *nodes;
	const double *value;
	const uint32_t *sets;
	bool	   *has_category;	/* [trees] */
} LoadedBoost;

static void __attribute__((noreturn))
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* The stored arrays of nodes. */
typedef struct Stored
{
	size_t		nodes;
	const int32_t *feature;
	const int32_t *left;
	const int32_t *missing_left;
	const int32_t *set;
	const double *threshold;
	const double *value;
	size_t		words;
} Stored;

/* Check a node of a tree that ends before end, and pack it. */
static void
load_node(MlContext *ctx, const Stored *s, size_t i, size_t end, const MlShape *shape, LoadedBoost *m, bool *has_category)
{
	int32_t		feature = s->feature[i];
	PackedNode *node = &m->nodes[i];

	if (!isfinite(s->threshold[i]) || !isfinite(s->value[i]) || (s->missing_left[i] & ~1) != 0)
		corrupted(ctx, "a node of a tree with numbers out of range");
	if (feature < 0)
	{
		if (feature != -1 || s->left[i] != -1 || s->set[i] != -1)
			corrupted(ctx, "a leaf with children");
		*node = (PackedNode) {.by.threshold = INFINITY,.feature = NODE_MISSING_LEFT,.left = (uint32_t) i};
		return;
	}
	if (feature >= shape->columns)
		corrupted(ctx, "a tree of a column that is not there");
	if (s->left[i] <= (int64_t) i || (size_t) s->left[i] + 1 >= end)
		corrupted(ctx, "a node whose children are out of place");
	node->feature = (uint32_t) feature | (s->missing_left[i] ? NODE_MISSING_LEFT : 0);
	node->left = (uint32_t) s->left[i];
	node->by.threshold = s->threshold[i];
	if ((s->set[i] >= 0) != (shape->levels[feature] > 0) || s->set[i] < -1)
		corrupted(ctx, "a node of another kind than its column");
	if (s->set[i] >= 0)
	{
		if ((size_t) s->set[i] + ((size_t) shape->levels[feature] + 31) / 32 > s->words)
			corrupted(ctx, "a set of levels that is cut short");
		node->feature |= NODE_CATEGORY;
		node->by.category.set = (uint32_t) s->set[i];
		node->by.category.levels = (uint32_t) shape->levels[feature];
		*has_category = true;
	}
}

/* Check each tree: its nodes lie together, and each but the root is the child of just one. */
static void
load_trees(MlContext *ctx, const Stored *s, const MlShape *shape, LoadedBoost *m)
{
	uint8_t    *is_child = ml_alloc_zero(ctx, s->nodes + 1);

	if (m->tree_begin[0] != 0 || (size_t) m->tree_begin[m->trees] != s->nodes)
		corrupted(ctx, "trees that do not fill their nodes");
	for (size_t t = 0; t < m->trees; t++)
	{
		size_t		begin = (size_t) m->tree_begin[t];
		size_t		end = (size_t) m->tree_begin[t + 1];

		if (m->tree_begin[t + 1] <= m->tree_begin[t] || end > s->nodes)
			corrupted(ctx, "a tree without nodes");
		for (size_t i = begin; i < end; i++)
		{
			load_node(ctx, s, i, end, shape, m, &m->has_category[t]);
			if (s->feature[i] >= 0 && (is_child[s->left[i]]++ || is_child[s->left[i] + 1]++))
				corrupted(ctx, "a node of two parents");
			if (is_child[i] != (i > begin))
				corrupted(ctx, "a node that nothing leads to");
		}
	}
	ml_free(ctx, is_child);
}

static void *
boost_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedBoost *m = ml_alloc_zero(ctx, sizeof *m);
	const MlNode *statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);
	const MlNode *sets = ml_need(ctx, payload, "sets", ML_NODE_I32S);
	size_t		begins = ml_node_count(ml_need(ctx, payload, "tree_begin", ML_NODE_I32S));
	Stored		s = {.nodes = ml_node_count(ml_need(ctx, payload, "feature", ML_NODE_I32S))};

	m->task = shape->task;
	m->k = shape->task == ML_TASK_MULTICLASS ? shape->classes : 1;
	m->base = ml_need_f64s(ctx, payload, "base", m->k);
	for (int c = 0; c < m->k; c++)
		if (!isfinite(m->base[c]))
			corrupted(ctx, "a start score out of range");
	if (begins == 0 || (begins - 1) % (size_t) m->k != 0 || s.nodes > INT32_MAX)
		corrupted(ctx, "trees that are not of whole rounds");
	m->trees = begins - 1;
	m->tree_begin = ml_need_i32s(ctx, payload, "tree_begin", (int64_t) begins);
	s.feature = ml_need_i32s(ctx, payload, "feature", (int64_t) s.nodes);
	s.left = ml_need_i32s(ctx, payload, "left", (int64_t) s.nodes);
	s.missing_left = ml_need_i32s(ctx, payload, "missing_left", (int64_t) s.nodes);
	s.set = ml_need_i32s(ctx, payload, "set", (int64_t) s.nodes);
	s.threshold = ml_need_f64s(ctx, payload, "threshold", (int64_t) s.nodes);
	s.value = ml_need_f64s(ctx, payload, "value", (int64_t) s.nodes);
	s.words = ml_node_count(sets);
	m->sets = (const uint32_t *) ml_node_array(sets);
	m->value = s.value;
	m->nodes = ml_alloc_array(ctx, s.nodes + 1, sizeof(PackedNode));
	m->has_category = ml_alloc_array_zero(ctx, m->trees + 1, sizeof(bool));
	load_trees(ctx, &s, shape, m);
	ml_need_int(ctx, statistics, "n_rows", 1, INT64_MAX);
	ml_need_int(ctx, statistics, "n_trees", (int64_t) m->trees, (int64_t) m->trees);
	ml_need_int(ctx, statistics, "n_leaves", 0, (int64_t) s.nodes);
	return m;
}

/* The next node of a row at a node, which may split a category. */
static inline uint32_t
step_any(const LoadedBoost *m, uint32_t at, const double *x, size_t ldx)
{
	const PackedNode *node = &m->nodes[at];
	double		v = x[(size_t) (node->feature & NODE_FEATURE) * ldx];

	if (node->feature & NODE_CATEGORY)
	{
		uint32_t	level;

		if (!(v >= 0 && v < node->by.category.levels))
			return node->left + !(node->feature & NODE_MISSING_LEFT);
		level = (uint32_t) v;
		return node->left + !(m->sets[node->by.category.set + level / 32] >> level % 32 & 1);
	}
	return node->left + ((v > node->by.threshold) | ((v != v) & !(node->feature & NODE_MISSING_LEFT)));
}

/* The same where no node of the tree splits a category. */
static inline uint32_t
step_number(const PackedNode *nodes, uint32_t at, const double *x, size_t ldx)
{
	const PackedNode *node = &nodes[at];
	double		v = x[(size_t) (node->feature & NODE_FEATURE) * ldx];

	return node->left + (uint32_t) ((v > node->by.threshold) | ((v != v) & !(node->feature >> 31)));
}

/* Add a tree's values to n rows, several going down side by side: a step waits for none before it. */
static void
add_tree(const LoadedBoost *m, size_t tree, const double *x, size_t ldx, size_t n, double *out)
{
	uint32_t	root = (uint32_t) m->tree_begin[tree];
	size_t		i = 0;

	for (; i + LANES <= n && !m->has_category[tree]; i += LANES)
	{
		uint32_t	at[LANES];
		uint32_t	moved;

		for (int l = 0; l < LANES; l++)
			at[l] = root;
		do
		{
			moved = 0;
#pragma GCC unroll 8
			for (int l = 0; l < LANES; l++)
			{
				uint32_t	next = step_number(m->nodes, at[l], x + i + l, ldx);

				moved |= next ^ at[l];
				at[l] = next;
			}
		} while (moved);
		for (int l = 0; l < LANES; l++)
			out[i + (size_t) l] += m->value[at[l]];
	}
	for (; i < n; i++)
	{
		uint32_t	at = root;
		uint32_t	next;

		while ((next = step_any(m, at, x + i, ldx)) != at)
			at = next;
		out[i] += m->value[at];
	}
}

static void
boost_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedBoost *m = loaded;
	/* binary: class 1 has the predictor */
	double	   *first = m->task == ML_TASK_BINARY ? out + ldout : out;

	for (size_t c = 0; c < (size_t) m->k; c++)
		for (size_t i = 0; i < n; i++)
			first[c * ldout + i] = m->base[c];
	for (size_t t = 0; t < m->trees; t++)
		add_tree(m, t, x, ldx, n, first + t % (size_t) m->k * ldout);
	if (m->task == ML_TASK_BINARY)
		logistic_sigmoid(out, out + ldout, n);
	else if (m->k > 1)
		logistic_softmax(out, ldout, m->k, n);
}

const MlAlgorithm ml_gradient_boosting = {
	.id = 4,
	.name = "gradient_boosting",
	.help = "Gradient boosting of trees over histograms, with missing values and categories as they are.",
	.tasks = ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION,
	.params = boost_params,
	.params_size = sizeof(BoostParams),
	.fit = boost_fit,
	.load = boost_load,
	.score = boost_score,
	.native_inputs = true,
};
