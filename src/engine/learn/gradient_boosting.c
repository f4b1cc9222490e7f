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
 * Payload: base [F]; the trees of a round class by class (forest.c).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/simd.h"
#include "base/threads.h"
#include "learn/forest.h"
#include "learn/learners.h"
#include "learn/logistic_internal.h"

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
	MlForestBuilder forest;
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
	ml_forest_add(&b->forest, tree, NULL, b->params->learning_rate);
	return tree->leaves;
}

/* All rounds. */
static void
grow_all(Boost *b)
{
	MlTree		tree = {0};
	bool		by_chance = b->params->subsample < 1 || b->use != NULL;
	size_t		most = (size_t) b->params->max_leaf_nodes < b->n ? (size_t) b->params->max_leaf_nodes : b->n;

	tree.nodes = ml_alloc_array(b->ctx, 2 * most + 4, sizeof(MlTreeNode));
	ml_forest_start(&b->forest, b->ctx, 1);
	for (int64_t round = 0; round < b->params->n_estimators; round++)
	{
		size_t		before = b->forest.trees;
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
			ml_forest_truncate(&b->forest, before);
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

static void
write_payload(const Boost *b, MlWriter *w)
{
	ml_write_f64s(w, "base", b->base, (size_t) b->k);
	ml_forest_write(&b->forest, w);
	ml_write_object(w, "statistics");
	ml_write_int(w, "n_rows", (int64_t) b->n);
	ml_write_int(w, "n_trees", (int64_t) b->forest.trees);
	ml_write_int(w, "n_leaves", (int64_t) b->forest.leaves);
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

typedef struct LoadedBoost
{
	int			k;
	MlTaskKind	task;
	MlEnsemble	ensemble;
} LoadedBoost;

static void *
boost_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedBoost *m = ml_alloc_zero(ctx, sizeof *m);
	const MlNode *statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);
	const double *base;

	m->task = shape->task;
	m->k = shape->task == ML_TASK_MULTICLASS ? shape->classes : 1;
	base = ml_need_f64s(ctx, payload, "base", m->k);
	for (int c = 0; c < m->k; c++)
		if (!isfinite(base[c]))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", "a start score out of range");
	m->ensemble = (MlEnsemble) {
		.forest = ml_forest_load(ctx, payload, shape, m->k, 1),.base = base,.scale = 1,
		.link = m->task == ML_TASK_REGRESSION ? ML_LINK_IDENTITY : m->k == 1 ? ML_LINK_LOGISTIC : ML_LINK_SOFTMAX,
	};
	ml_need_int(ctx, statistics, "n_rows", 1, INT64_MAX);
	ml_need_int(ctx, statistics, "n_trees", (int64_t) m->ensemble.forest->trees, (int64_t) m->ensemble.forest->trees);
	ml_need_int(ctx, statistics, "n_leaves", 0, (int64_t) m->ensemble.forest->nodes);
	return m;
}

static const MlEnsemble *
boost_ensemble(const void *loaded)
{
	return &((const LoadedBoost *) loaded)->ensemble;
}

static void
boost_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedBoost *m = loaded;
	/* binary: class 1 has the predictor */
	double	   *first = m->task == ML_TASK_BINARY ? out + ldout : out;

	for (size_t c = 0; c < (size_t) m->k; c++)
		for (size_t i = 0; i < n; i++)
			first[c * ldout + i] = m->ensemble.base[c];
	ml_forest_sum(m->ensemble.forest, x, ldx, n, first, ldout);
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
	.ensemble = boost_ensemble,
	.native_inputs = true,
};
