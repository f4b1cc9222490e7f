/*
 * Fitting decision_tree, random_forest and extra_trees: the rows, rounds of trees over the
 * threads, what the rows say that a tree did not draw, and the model.
 *
 * Problem: the mean of trees grown by cart_grow.c: probabilities of classes (binary: of class 1), or numbers.
 * Draws: those of cart_draws.c.
 * Units: weights are whole numbers of a unit, those that are whole and small as they are, others in 2^-22 of the
 *     largest (less counts as that much); targets are measured from a center in a power of two, of which the largest,
 *     times its weight, has about 2^(61 - log2 n), at most 2^52.
 * Stopping rule: n_estimators trees; each as its limits say.
 *
 * A model is one value of a table.  Where max_leaf_nodes leaves it open, a forest whose trees could outgrow a quarter
 * of ML_FOREST_MAX_BYTES keeps in each tree the leaves of the highest gain, as many as fit.
 *
 * Payload: the members of forest.c, "statistics" and, where trees drew rows whose content is known, "drawn_rows", the
 * digest of the rows that they drew from.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "learn/cart.h"
#include "learn/forest_edit.h"

#define ROUND 16				/* trees between two looks at the rows that were not drawn */
#define WEIGHT_BITS 22
#define WHOLE_WEIGHT 32767		/* whole weights up to that are units */

typedef struct Forest
{
	MlContext  *ctx;
	const MlDesign *design;
	const CartParams *params;
	CartRows	rows;
	CartLimits	limits;
	CartTaken	taken;			/* the rows that count */
	size_t		n;
	CartDraws	draws;
	size_t		nslots;
	CartTree   *slots;			/* trees of a round */
	CartWorker *workers;
	size_t		first;			/* tree of the round's first slot */
	size_t		before;			/* trees that were there before the first round */
	size_t		in_round;
	MlForestBuilder builder;
	MlTree		tree;			/* one that is handed to the builder */
	size_t		node_room;
	CartOob	   *oob;			/* NULL when no row is left over */
} Forest;

/* ---- rows ---- */

/* Weights in units. */
static void
weigh_rows(Forest *f)
{
	double		largest = 0;
	bool		whole = true;
	bool		ones = true;

	for (size_t i = 0; i < f->n; i++)
	{
		double		w = f->taken.weight[i];

		ones &= w == 1;
		whole &= w <= WHOLE_WEIGHT && w == floor(w);
		largest = fmax(largest, w);
	}
	f->rows.w_unit = whole ? 1 : ldexp(largest, -WEIGHT_BITS);
	if (ones)
		return;
	f->rows.w = ml_alloc_array(f->ctx, f->n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < f->n; i++)
	{
		double		units = floor(f->taken.weight[i] / f->rows.w_unit + 0.5);

		f->rows.w[i] = f->taken.weight[i] > 0 ? (uint32_t) fmax(1, units) : 0;
	}
}

static inline double
units_of(const Forest *f, size_t row)
{
	return f->rows.w != NULL ? f->rows.w[row] : 1;
}

/* Numbers in units, times weights; for absolute error without. */
static void
measure_targets(Forest *f)
{
	CartRows   *rows = &f->rows;
	bool		absolute = rows->criterion == CART_ABSOLUTE;
	double		sum = 0;
	double		weights = 0;
	double		largest = 0;
	double		low = INFINITY;
	double		most = 0;
	int			exponent;
	int			bits;

	for (size_t i = 0; i < f->n; i++)
	{
		sum += units_of(f, i) * f->taken.target[i];
		weights += units_of(f, i);
		most = fmax(most, units_of(f, i));
		low = fmin(low, f->taken.target[i]);
	}
	if (rows->criterion == CART_POISSON && !(low >= 0 && sum > 0))
		ml_raise_full(f->ctx, ML_ERROR_INVALID_DATA, "criterion \"poisson\" needs a target of zero or above",
					  low < 0 ? ml_format(f->ctx, "The lowest value is %g.", low) :
					  "The target is zero in every row that has weight.",
					  "Choose \"squared_error\" for other targets.");
	rows->center = rows->criterion == CART_POISSON ? 0 : sum / weights;
	for (size_t i = 0; i < f->n; i++)
		largest = fmax(largest, (absolute ? most : units_of(f, i)) * fabs(f->taken.target[i] - rows->center));
	if (!isfinite(largest) || largest > DBL_MAX / 4)
		ml_raise_full(f->ctx, ML_ERROR_INVALID_DATA, "the target is too large for trees", NULL, "Scale it down.");
	/* a power of two, and the center a multiple of it, so that whole numbers stay whole */
	frexp(largest, &exponent);
	bits = 61 - (int) ceil(log2((double) f->n + 1));
	rows->value_unit = ldexp(1, exponent - (bits < 52 ? bits : 52));
	rows->center = floor(rows->center / rows->value_unit + 0.5) * rows->value_unit;
	for (size_t i = 0; i < f->n; i++)
		rows->g[i] = llrint((absolute ? 1 : units_of(f, i)) * ((f->taken.target[i] - rows->center) / rows->value_unit));
	rows->gain_unit = rows->w_unit * rows->value_unit * (rows->criterion == CART_SQUARED ? rows->value_unit : 1);
}

/* Rank the targets, which are in units; absolute error. */
static void
rank_targets(Forest *f)
{
	uint64_t   *keys = ml_alloc_array(f->ctx, f->n + 1, sizeof(uint64_t));
	uint32_t   *order;

	for (size_t i = 0; i < f->n; i++)
		keys[i] = (uint64_t) f->rows.g[i] + (UINT64_C(1) << 63);
	order = cart_order(f->ctx, keys, f->n);
	f->rows.ranked = ml_alloc_array(f->ctx, f->n + 1, sizeof(int64_t));
	for (size_t i = 0; i < f->n; i++)
		f->rows.ranked[i] = f->rows.g[order[i]];
	for (size_t i = 0; i < f->n; i++)
		f->rows.g[order[i]] = (int64_t) i;
	ml_free(f->ctx, order);
	ml_free(f->ctx, keys);
}

static void
make_rows(Forest *f)
{
	const MlDesign *design = f->design;
	CartRows   *rows = &f->rows;
	bool		numbers = design->task == ML_TASK_REGRESSION;

	rows->bins = ml_bins_create(f->ctx, design, (int) f->params->max_bins, CART_LEVELS, (uint64_t) f->params->seed);
	rows->n = f->n = rows->bins->rows;
	rows->criterion = (CartCriterion) f->params->criterion;
	if (rows->criterion == CART_AUTO)
		rows->criterion = numbers ? CART_SQUARED : CART_GINI;
	rows->classes = numbers ? 0 : design->classes;
	rows->width = rows->classes > 2 ? rows->classes : 1;
	if (f->n == 0)
		ml_raise(f->ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows are zero");
	cart_take_rows(f->ctx, design, f->params, &f->taken);
	cart_draws_create(f->ctx, design, f->params, &f->taken, &f->draws);
	weigh_rows(f);
	rows->g = ml_alloc_array(f->ctx, f->n + 1, sizeof(int64_t));
	rows->gain_unit = rows->w_unit;
	rows->value_unit = 1;
	if (numbers)
		measure_targets(f);
	if (rows->criterion == CART_ABSOLUTE)
		rank_targets(f);
	if (!numbers)
		for (size_t i = 0; i < f->n; i++)
			rows->g[i] = (int64_t) f->taken.target[i];
}

/* ---- limits ---- */

/* How many columns a node looks at. */
static int
count_features(const Forest *f)
{
	int			p = f->rows.bins->columns;
	const char *text = f->params->max_features;
	double		wanted = p;

	if (text == NULL)
		wanted = f->params->n_estimators == 0 ? p : f->rows.classes > 0 ? sqrt(p) : p / 3.0;
	else if (strcmp(text, "\"sqrt\"") == 0)
		wanted = sqrt(p);
	else if (strcmp(text, "\"log2\"") == 0)
		wanted = log2(p);
	else if (strcmp(text, "\"all\"") != 0)
		wanted = strtod(text, NULL) * (strpbrk(text, ".eE") != NULL ? p : 1);
	return wanted >= p ? p : wanted < 1 ? 1 : (int) wanted;
}

/* The bytes of a node in the model, at most. */
static size_t
node_bytes(const Forest *f)
{
	int			levels = 0;

	for (int j = 0; j < f->rows.bins->columns; j++)
		if (f->rows.bins->column[j].levels > levels)
			levels = f->rows.bins->column[j].levels;
	return 24 + sizeof(double) * (size_t) f->rows.width + ((size_t) levels + 31) / 32 * sizeof(uint32_t);
}

static void __attribute__((noreturn))
raise_size(const Forest *f, size_t leaves)
{
	ml_raise_full(f->ctx, ML_ERROR_INVALID_PARAMETER, "the trees would not fit into a model",
				  ml_format(f->ctx, "%zu trees of up to %zu leaves can take more than %zu MB.",
							f->nslots == 1 ? (size_t) 1 :
							(size_t) f->params->n_estimators, leaves, ML_FOREST_MAX_BYTES >> 20),
				  "Set n_estimators or max_leaf_nodes lower, or min_samples_leaf higher.");
}

static void
make_limits(Forest *f)
{
	const CartParams *p = f->params;
	CartLimits *l = &f->limits;
	size_t		trees = p->n_estimators > 0 ? (size_t) p->n_estimators : 1;
	size_t		bound = f->draws.wanted < f->n ? f->draws.wanted : f->n;
	size_t		fit = ML_FOREST_MAX_BYTES / trees / node_bytes(f) / 2;

	bound = bound / (size_t) p->min_samples_leaf > 1 ? bound / (size_t) p->min_samples_leaf : 1;
	if (p->max_depth > 0 && p->max_depth < 31 && bound > (size_t) 1 << p->max_depth)
		bound = (size_t) 1 << p->max_depth;
	l->max_leaves = p->max_leaf_nodes > 0 ? (size_t) p->max_leaf_nodes : fit / 4;
	if (l->max_leaves < 2 || (l->max_leaves > fit && bound > fit))
		raise_size(f, l->max_leaves < bound ? l->max_leaves : bound);
	/* what grows over and is cut may be some times as large; beyond that it pays to grow by gain */
	l->best_first = bound > l->max_leaves && (p->max_leaf_nodes > 0 || bound > 8 * l->max_leaves) &&
		!(p->ccp_alpha > 0);
	l->max_leaves = l->max_leaves < bound ? l->max_leaves : bound;
	l->leaf_room = l->best_first ? l->max_leaves : bound;
	l->random = p->splitter != 0;
	l->max_depth = (int) p->max_depth;
	l->min_split = (size_t) p->min_samples_split;
	l->min_leaf = (size_t) p->min_samples_leaf;
	l->min_gain = p->min_impurity_decrease;
	l->max_features = count_features(f);
}

/* ---- rounds ---- */

/* Make the items of a tree; returns how many. */
static size_t
make_items(const Forest *f, CartWorker *worker)
{
	const CartRows *rows = &f->rows;
	bool		scaled = rows->classes == 0 && rows->criterion != CART_ABSOLUTE;
	size_t		n = 0;

	for (size_t i = 0; i < f->n; i++)
	{
		uint32_t	draws = worker->draws != NULL ? worker->draws[i] : 1;
		uint32_t	w = draws * (rows->w != NULL ? rows->w[i] : 1);

		worker->items[n] = (CartItem) {.g = scaled ? rows->g[i] * draws : rows->classes == 2 ? rows->g[i] * w :
									   rows->g[i],.w = w,.row = (uint32_t) i};
		n += w > 0;
	}
	return n;
}

static void
grow_one(Forest *f, CartWorker *worker, size_t number)
{
	size_t		tree = f->first + number;
	size_t		n;

	if (worker->draws != NULL)
		cart_draw(&f->draws, tree, worker->draws);
	n = make_items(f, worker);
	if (!cart_grow(worker, n, ml_mix64((uint64_t) f->params->seed + 1) + tree))
		return;
	cart_prune(worker, f->params->ccp_alpha, f->limits.max_leaves, &f->slots[number]);
	if (f->oob != NULL)
		cart_oob_prepare(f->oob, number, &f->slots[number], worker->draws);
}

static void
tree_piece(void *arg, size_t begin, size_t end, int worker)
{
	Forest	   *f = arg;

	for (size_t i = begin; i < end; i++)
		grow_one(f, &f->workers[worker], i);
}

/* Hand a tree to the builder. */
static void
keep_tree(Forest *f, const CartTree *tree)
{
	MlTree	   *out = &f->tree;

	out->count = (int) tree->count;
	out->leaves = ((int) tree->count + 1) / 2;
	out->set_words = 0;
	for (size_t i = 0; i < tree->count; i++)
	{
		const CartNode *node = &tree->nodes[i];
		const MlBinColumn *column = node->feature >= 0 ? &f->rows.bins->column[node->feature] : NULL;

		out->nodes[i] = (MlTreeNode) {
			.feature = node->feature,.left = node->left,.right = node->left +
				(node->feature >= 0),.bin = node->bin,.set = -1,
			.missing_left = node->missing_left,.value = node->value,.gain = node->gain,.cover = node->cover,
		};
		if (node->set >= 0)
		{
			size_t		words = ((size_t) column->levels + 31) / 32;

			if (out->set_words + words > out->set_capacity)
			{
				out->set_capacity = 2 * (out->set_words + words);
				out->sets = ml_realloc(f->ctx, out->sets, out->set_capacity * sizeof(uint32_t));
			}
			memset(out->sets + out->set_words, 0, words * sizeof(uint32_t));
			for (size_t level = 0; level < (size_t) column->levels; level++)
				if (cart_set_has(&tree->sets[node->set], column->level_bins[level]))
					out->sets[out->set_words + level / 32] |= UINT32_C(1) << level % 32;
			out->nodes[i].set = (int) out->set_words;
			out->set_words += words;
		}
		else if (column != NULL)
			/* all values left: the split is by what is missing */
			out->nodes[i].threshold = node->bin < column->nbins - 1 ? column->edges[node->bin] : DBL_MAX;
	}
	ml_forest_add(&f->builder, out, tree->values, 1);
}

static void
grow_all(Forest *f)
{
	size_t		trees = f->params->n_estimators > 0 ? (size_t) f->params->n_estimators : 1;

	for (f->first = f->before; f->first < f->before + trees; f->first += f->in_round)
	{
		size_t		left = f->before + trees - f->first;

		f->in_round = left < f->nslots ? left : f->nslots;
		/* a tree by itself shares its columns out to threads */
		if (f->workers[0].alone)
			grow_one(f, &f->workers[0], 0);
		else
			ml_parallel_for(f->ctx, f->in_round, 1, tree_piece, f);
		if (f->oob != NULL)
			cart_oob_add(f->oob, f->slots, f->in_round);
		for (size_t s = 0; s < f->in_round; s++)
		{
			keep_tree(f, &f->slots[s]);
			ml_check(f->ctx);
		}
		ml_progress(f->ctx, "fitting", f->first + f->in_round - f->before, trees, NAN);
	}
}

static void
make_room(Forest *f)
{
	bool		alone = f->params->n_estimators == 0;
	size_t		trees = alone ? 1 : (size_t) f->params->n_estimators;
	size_t		nworkers = alone ? 1 : (size_t) ml_thread_count(f->ctx);
	size_t		most = f->draws.wanted < f->n ? f->draws.wanted : f->n;

	f->nslots = trees < ROUND ? trees : ROUND;
	nworkers = nworkers < f->nslots ? nworkers : f->nslots;
	f->workers = ml_alloc_array_zero(f->ctx, nworkers, sizeof(CartWorker));
	for (size_t i = 0; i < nworkers; i++)
	{
		cart_worker_create(f->ctx, &f->rows, &f->limits, most, alone, &f->workers[i]);
		if (f->draws.any)
			f->workers[i].draws = ml_alloc_array(f->ctx, f->n, 1);
	}
	f->slots = ml_alloc_array_zero(f->ctx, f->nslots, sizeof(CartTree));
	for (size_t s = 0; s < f->nslots; s++)
		cart_tree_create(f->ctx, &f->rows, f->limits.max_leaves, &f->slots[s]);
	if (f->draws.any && f->params->oob_score && f->before == 0)
		f->oob = cart_oob_create(f->ctx, &f->rows, f->nslots, f->limits.max_leaves);
	f->tree.nodes = ml_alloc_array(f->ctx, 2 * f->limits.max_leaves, sizeof(MlTreeNode));
	ml_forest_start(&f->builder, f->ctx, f->rows.width);
}

/* ---- the model ---- */

void
cart_fit(MlContext *ctx, const MlDesign *design, const CartParams *params, const MlForest *before, MlWriter *payload)
{
	Forest		f = {.ctx = ctx,.design = design,.params = params,.before = before != NULL ? before->trees : 0};
	double		units = 0;

	cart_start();
	make_rows(&f);
	make_limits(&f);
	for (size_t i = 0; i < f.n; i++)
		units += units_of(&f, i);
	f.limits.min_weight = params->min_weight_fraction_leaf * units * ((double) f.draws.wanted / (double) f.n);
	make_room(&f);
	if (before != NULL)
		ml_forest_copy(&f.builder, before, before->trees, NULL, NULL);
	grow_all(&f);
	ml_forest_write(&f.builder, payload);
	/* of trees that were there before nobody knows what they drew */
	if (f.draws.order != NULL && before == NULL)
		ml_write_string(payload, CART_DRAWN_ROWS, f.draws.digest);
	ml_write_object(payload, "statistics");
	ml_write_int(payload, "n_rows", (int64_t) f.n);
	ml_write_int(payload, "n_trees", (int64_t) f.builder.trees);
	ml_write_int(payload, "n_leaves", (int64_t) f.builder.leaves);
	if (f.oob != NULL)
		cart_oob_write(f.oob, &f.taken, payload);
	ml_write_end(payload);
}

void
cart_fit_first(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	cart_fit(ctx, design, params, NULL, payload);
}
