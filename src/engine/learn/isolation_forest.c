/*
 * Isolation forest: how unusual a row is, by how few random splits it takes to set it apart.
 *
 * Problem: rows of p columns as they are, no target.  Each tree divides a sample of psi rows by random columns and
 *     random thresholds; with h(x) the depth of a row's leaf plus c(rows in it), the score of x is
 *     2^(-mean h(x) / c(psi)), in (0, 1]: near 1 = alone, below 0.5 = among others.
 *     c(n) = 2 (ln(n - 1) + 0.5772...) - 2 (n - 1) / n, the mean depth of an unsuccessful search.
 * Sample: without replacement; with unequal weights with replacement, each row as likely as its weight.
 * Splits: a column among those that vary in the node.  Numbers: a threshold evenly between the lowest and the
 *     highest value.  Categories: each level of the node goes left with even chance, not all to one side.  Missing
 *     values, and levels that the node has not, go left as likely as the share of the other rows that does; where
 *     only what is missing sets rows apart, that divides them.
 * Stopping rule: a node of one row, of equal rows, or of depth ceil(log2(psi)).
 * Paper: Liu, Ting and Zhou, Isolation Forest, 2008.
 *
 * Payload: the members of forest.c, sample_size and "statistics".
 */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/forest.h"
#include "learn/learners.h"

#define ROUND 16				/* trees grown before they are collected */
#define PIECE_ROWS 4096
#define FEW_SAMPLES 2048		/* up to that many are drawn one by one */
#define EULER 0.57721566490153286061
#define USUAL_CATEGORIES 254	/* of a feature: a node of a tree has a bit for each */

typedef struct IsolationParams
{
	int64_t		n_estimators;
	int64_t		max_samples;
	const char *contamination;	/* JSON */
	int64_t		seed;
} IsolationParams;

static const MlParam isolation_params[] = {
	{.name = "n_estimators",.type = ML_PARAM_INT,.offset = offsetof(IsolationParams, n_estimators),.default_value = 100,
	.min = 1,.max = 10000,.help = "Trees."},
	{.name = "max_samples",.type = ML_PARAM_INT,.offset = offsetof(IsolationParams, max_samples),.default_value = 256,
	.min = 2,.max = 1000000,.help = "Rows that each tree draws, at most all."},
	{.name = "contamination",.type = ML_PARAM_JSON,.offset = offsetof(IsolationParams, contamination),
	.help = "Share of the training rows whose score is above the statistic \"threshold\", above 0 and up to 0.5; null "
	"or \"auto\" is a threshold of 0.5."},
	{.name = "seed",.type = ML_PARAM_INT,.offset = offsetof(IsolationParams, seed),.default_value = 0,
	.min = 0,.max = 1000000000,.help = "Where chance begins."},
	{.name = NULL}
};

/* A node whose rows may be split. */
typedef struct Waiting
{
	uint32_t	begin;
	uint32_t	n;
	int			node;
	int			depth;
} Waiting;

/* What growing a tree takes on one thread. */
typedef struct Worker
{
	double	   *x;				/* [p][psi] */
	uint32_t   *rows;			/* [psi] of the sample */
	uint32_t   *aside;			/* [psi] */
	size_t	   *sample;			/* [psi] in the design */
	int		   *order;			/* [p] */
	uint32_t   *present;		/* [words] levels of a node */
	Waiting    *stack;			/* [psi + 1] */
} Worker;

typedef struct Isolation
{
	MlContext  *ctx;
	const MlDesign *design;
	const IsolationParams *params;
	size_t	   *positive;		/* [n] rows of weight */
	double	   *cumulated;		/* [n] their weights up to each; NULL = equal weights */
	size_t		n;
	size_t		psi;
	int			most_depth;
	size_t		words;			/* of a set, at most */
	Worker	   *workers;
	MlTree	   *trees;			/* [ROUND] */
	size_t		first;			/* of the round */
	MlForestBuilder builder;
	double	   *scores;			/* [n] */
	double	   *scratch;		/* [threads][p * ML_BLOCK_ROWS] */
} Isolation;

/* The mean depth of an unsuccessful search among n. */
static double
mean_depth(size_t n)
{
	if (n < 3)
		return n == 2;
	return 2 * (log((double) n - 1) + EULER) - 2 * ((double) n - 1) / (double) n;
}

/* ---- the sample ---- */

/* Rows of weight, and their weights added up where they differ. */
static void
take_rows(Isolation *f)
{
	const MlDesign *design = f->design;
	bool		equal = true;
	double		sum = 0;

	f->positive = ml_alloc_array(f->ctx, design->rows + 1, sizeof(size_t));
	for (size_t i = 0; i < design->rows; i++)
		if (design->weight == NULL || design->weight[i] > 0)
			f->positive[f->n++] = i;
	if (f->n < 2)
		ml_raise_full(f->ctx, ML_ERROR_INVALID_DATA, "an isolation forest needs two rows or more",
					  ml_format(f->ctx, "There is %zu of positive weight.", f->n), NULL);
	for (size_t i = 1; i < f->n && design->weight != NULL; i++)
		equal &= design->weight[f->positive[i]] == design->weight[f->positive[0]];
	if (equal)
		return;
	f->cumulated = ml_alloc_array(f->ctx, f->n, sizeof(double));
	for (size_t i = 0; i < f->n; i++)
		f->cumulated[i] = sum += design->weight[f->positive[i]];
	if (!isfinite(sum))
		ml_raise_full(f->ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows are beyond double precision",
					  NULL, "Scale them.");
}

/* The row whose stretch of the weights holds a number below their sum. */
static size_t
find_row(const Isolation *f, double at)
{
	size_t		low = 0;
	size_t		high = f->n - 1;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (f->cumulated[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Take a row unless it is in the ordered sample of n already; tells whether it was taken. */
static bool
take_row(Worker *w, size_t n, size_t row)
{
	size_t		low = 0;
	size_t		high = n;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (w->sample[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < n && w->sample[low] == row)
		return false;
	memmove(w->sample + low + 1, w->sample + low, (n - low) * sizeof(size_t));
	w->sample[low] = row;
	return true;
}

/* Draw the rows of a tree and read them. */
static void
draw_sample(const Isolation *f, Worker *w, MlRandom *random)
{
	size_t		taken = 0;

	if (f->cumulated != NULL)
		for (size_t i = 0; i < f->psi; i++)
			w->sample[i] = find_row(f, ml_random_double(random) * f->cumulated[f->n - 1]);
	else if (f->psi > FEW_SAMPLES)
	{
		/* each row with the chance that what is wanted has among what is left */
		for (size_t i = 0; i < f->n && taken < f->psi; i++)
			if (ml_random_below(random, f->n - i) < f->psi - taken)
				w->sample[taken++] = i;
	}
	else
		/* Floyd's way: a draw that is taken already stands for the last row that may be drawn, which is not */
		for (size_t last = f->n - f->psi; last < f->n; last++, taken++)
			if (!take_row(w, taken, ml_random_below(random, last + 1)))
				w->sample[taken] = last;
	for (size_t i = 0; i < f->psi; i++)
	{
		f->design->read(f->design, f->positive[w->sample[i]], 1, w->x + i, f->psi);
		w->rows[i] = (uint32_t) i;
	}
}

/* ---- a tree ---- */

/* What a node has of a column. */
typedef struct Content
{
	double		low;
	double		high;
	size_t		missing;
	size_t		levels;			/* different ones */
} Content;

static Content
look_at(const Isolation *f, const Worker *w, const Waiting *node, int column, int levels)
{
	const double *x = w->x + (size_t) column * f->psi;
	Content		c = {INFINITY, -INFINITY, 0, 0};

	for (int i = 0; i < (levels + 31) / 32; i++)
		w->present[i] = 0;
	for (size_t i = node->begin; i < node->begin + node->n; i++)
	{
		double		v = x[w->rows[i]];

		if (v != v)
			c.missing++;
		else if (levels > 0)
		{
			uint32_t   *word = &w->present[(size_t) v / 32];
			uint32_t	bit = UINT32_C(1) << (size_t) v % 32;

			c.levels += !(*word & bit);
			*word |= bit;
		}
		c.low = v < c.low ? v : c.low;
		c.high = v > c.high ? v : c.high;
	}
	return c;
}

/* Choose a random part of the present levels, neither none nor all. */
static void
choose_levels(const Worker *w, int levels, const Content *c, MlRandom *random, uint32_t *set)
{
	size_t		chosen = 0;
	size_t		turned = ml_random_below(random, c->levels);
	size_t		seen = 0;

	for (int level = 0; level < levels; level++)
		if (w->present[level / 32] >> level % 32 & 1 && ml_random_next(random) >> 63)
		{
			set[level / 32] |= UINT32_C(1) << level % 32;
			chosen++;
		}
	if (chosen > 0 && chosen < c->levels)
		return;
	/* one of them, or all but one */
	for (int level = 0; level < levels; level++)
		if (w->present[level / 32] >> level % 32 & 1 && seen++ == turned)
			set[level / 32] ^= UINT32_C(1) << level % 32;
}

/* Does a row go left? */
static bool
goes_left(const MlTreeNode *node, const uint32_t *sets, int levels, double v)
{
	if (v != v)
		return node->missing_left;
	if (levels == 0)
		return v <= node->threshold;
	return sets[(size_t) node->set + (size_t) v / 32] >> (size_t) v % 32 & 1;
}

/* Levels that the node has not go where the missing go. */
static void
fill_set(const Worker *w, int levels, bool missing_left, uint32_t *set)
{
	for (int level = 0; level < levels && missing_left; level++)
		if (!(w->present[level / 32] >> level % 32 & 1))
			set[level / 32] |= UINT32_C(1) << level % 32;
}

/* Give a node a random split; false when its rows are equal. */
static bool
choose_split(const Isolation *f, const Worker *w, const Waiting *node, MlRandom *random, MlTree *tree)
{
	MlTreeNode *out = &tree->nodes[node->node];
	int			p = f->design->columns;

	for (int i = 0; i < p; i++)
	{
		int			other = i + (int) ml_random_below(random, (uint64_t) (p - i));
		int			column = w->order[other];
		int			levels = f->design->levels != NULL ? f->design->levels[column] : 0;
		Content		c = look_at(f, w, node, column, levels);
		bool		varies = levels > 0 ? c.levels > 1 : c.low < c.high;
		size_t		left = 0;
		size_t		present = node->n - c.missing;

		w->order[other] = w->order[i];
		w->order[i] = column;
		if (!varies && (c.missing == 0 || present == 0))
			continue;
		out->feature = column;
		out->threshold = DBL_MAX;
		if (levels > 0)
		{
			out->set = (int) tree->set_words;
			memset(tree->sets + out->set, 0, ((size_t) levels + 31) / 32 * sizeof(uint32_t));
			tree->set_words += ((size_t) levels + 31) / 32;
			if (varies)
				choose_levels(w, levels, &c, random, tree->sets + out->set);
			else
				memcpy(tree->sets + out->set, w->present, ((size_t) levels + 31) / 32 * sizeof(uint32_t));
		}
		else if (varies)
		{
			out->threshold = c.low + ml_random_double(random) * (c.high - c.low);
			if (!(out->threshold >= c.low && out->threshold < c.high))
				out->threshold = c.low;
		}
		for (size_t k = node->begin; k < node->begin + node->n; k++)
		{
			double		v = w->x[(size_t) column * f->psi + w->rows[k]];

			left += v == v && goes_left(out, tree->sets, levels, v);
		}
		out->missing_left = varies && ml_random_below(random, present) < left;
		if (levels > 0)
			fill_set(w, levels, out->missing_left, tree->sets + out->set);
		return true;
	}
	return false;
}

/* Divide a node's rows; returns how many go left. */
static uint32_t
divide(const Isolation *f, Worker *w, const Waiting *node, const MlTree *tree)
{
	const MlTreeNode *at = &tree->nodes[node->node];
	int			levels = f->design->levels != NULL ? f->design->levels[at->feature] : 0;
	uint32_t	left = 0;
	uint32_t	right = 0;

	for (uint32_t i = node->begin; i < node->begin + node->n; i++)
	{
		uint32_t	row = w->rows[i];

		if (goes_left(at, tree->sets, levels, w->x[(size_t) at->feature * f->psi + row]))
			w->rows[node->begin + left++] = row;
		else
			w->aside[right++] = row;
	}
	memcpy(w->rows + node->begin + left, w->aside, right * sizeof(uint32_t));
	return left;
}

/* A leaf that may be split later. */
static void
add_node(MlTree *tree, const Waiting *node)
{
	tree->nodes[tree->count++] = (MlTreeNode) {
		.feature = -1,.left = -1,.right = -1,.bin = -1,.set = -1,.value = node->depth +
			mean_depth(node->n),.cover = node->n,
	};
}

static void
grow_one(const Isolation *f, Worker *w, size_t number, MlTree *tree)
{
	size_t		top = 0;
	MlRandom	random;

	ml_random_seed(&random, ml_mix64((uint64_t) f->params->seed) + number);
	draw_sample(f, w, &random);
	for (size_t j = 0; j < (size_t) f->design->columns; j++)
		w->order[j] = (int) j;
	tree->count = 0;
	tree->set_words = 0;
	tree->leaves = 1;
	w->stack[top++] = (Waiting) {.n = (uint32_t) f->psi};
	add_node(tree, &w->stack[0]);
	while (top > 0)
	{
		Waiting		node = w->stack[--top];
		Waiting		child[2];
		uint32_t	left;

		/* what is interrupted is thrown away */
		if (node.n > PIECE_ROWS && f->ctx->interrupted(f->ctx))
			return;
		if (node.n < 2 || node.depth >= f->most_depth || !choose_split(f, w, &node, &random, tree))
			continue;
		left = divide(f, w, &node, tree);
		tree->nodes[node.node].left = tree->count;
		tree->nodes[node.node].right = tree->count + 1;
		child[0] = (Waiting) {node.begin, left, tree->count, node.depth + 1};
		child[1] = (Waiting) {node.begin + left, node.n - left, tree->count + 1, node.depth + 1};
		for (int side = 0; side < 2; side++)
		{
			add_node(tree, &child[side]);
			w->stack[top++] = child[side];
		}
		tree->leaves++;
	}
}

static void
tree_piece(void *arg, size_t begin, size_t end, int worker)
{
	Isolation  *f = arg;

	for (size_t i = begin; i < end && !f->ctx->interrupted(f->ctx); i++)
		grow_one(f, &f->workers[worker], f->first + i, &f->trees[i]);
}

/* ---- the threshold ---- */

/* The sum of a row's path lengths. */
static double
path_length(const Isolation *f, const double *x, size_t ldx)
{
	const MlForestBuilder *b = &f->builder;
	double		sum = 0;

	for (size_t t = 0; t < b->trees; t++)
	{
		size_t		at = (size_t) b->tree_begin[t];

		while (b->nodes[at].feature >= 0)
		{
			const MlTreeNode *node = &b->nodes[at];
			int			levels = f->design->levels != NULL ? f->design->levels[node->feature] : 0;

			at = (size_t) node->left + !goes_left(node, b->sets, levels, x[(size_t) node->feature * ldx]);
		}
		sum += b->values[at];
	}
	return sum;
}

static void
score_piece(void *arg, size_t begin, size_t end, int worker)
{
	Isolation  *f = arg;
	double	   *x = f->scratch + (size_t) worker * (size_t) f->design->columns * ML_BLOCK_ROWS;

	while (begin < end)
	{
		size_t		first = f->positive[begin];
		size_t		past = begin + 1;
		size_t		n;

		while (past < end && f->positive[past] < first + ML_BLOCK_ROWS)
			past++;
		n = f->positive[past - 1] - first + 1;
		f->design->read(f->design, first, n, x, n);
		for (; begin < past; begin++)
			f->scores[begin] = path_length(f, x + (f->positive[begin] - first), n);
	}
}

/* The value that has just k values below it in order (Hoare's selection); reorders them. */
static double
select_value(double *values, size_t n, size_t k)
{
	size_t		low = 0;
	size_t		high = n - 1;

	while (low < high)
	{
		double		pivot = values[low + (high - low) / 2];
		size_t		i = low;
		size_t		j = high;

		for (;;)
		{
			double		value;

			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i >= j)
				break;
			value = values[i];
			values[i++] = values[j];
			values[j--] = value;
		}
		/* all up to j are at most, all after it at least the pivot */
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return values[k];
}

/* The score above which rows are anomalies. */
static double
find_threshold(Isolation *f)
{
	size_t		above;
	double		path;

	if (f->params->contamination == NULL || f->params->contamination[0] == '"')
		return 0.5;
	f->scores = ml_alloc_array(f->ctx, f->n, sizeof(double));
	f->scratch = ml_alloc_array(f->ctx, (size_t) ml_thread_count(f->ctx) * (size_t) f->design->columns * ML_BLOCK_ROWS,
								sizeof(double));
	ml_parallel_for(f->ctx, f->n, PIECE_ROWS, score_piece, f);
	/* the shortest paths have the highest scores */
	above = (size_t) (strtod(f->params->contamination, NULL) * (double) f->n);
	path = select_value(f->scores, f->n, above);
	return exp2(-path / ((double) f->builder.trees * mean_depth(f->psi)));
}

/* ---- fitting ---- */

static void
make_room(Isolation *f)
{
	MlContext  *ctx = f->ctx;
	size_t		p = (size_t) f->design->columns;
	size_t		threads = (size_t) ml_thread_count(ctx) < ROUND ? (size_t) ml_thread_count(ctx) : ROUND;

	for (size_t j = 0; j < p && f->design->levels != NULL; j++)
		if (((size_t) f->design->levels[j] + 31) / 32 > f->words)
			f->words = ((size_t) f->design->levels[j] + 31) / 32;
	if ((2 * f->psi * 32 + f->psi * f->words * sizeof(uint32_t)) *
		(size_t) f->params->n_estimators > ML_FOREST_MAX_BYTES)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "the trees would not fit into a model",
					  ml_format(ctx, "%lld trees of %zu rows can take more than %zu MB.",
								(long long) f->params->n_estimators, f->psi,
								ML_FOREST_MAX_BYTES >> 20), "Set n_estimators or max_samples lower.");
	f->workers = ml_alloc_array_zero(ctx, threads, sizeof(Worker));
	for (size_t i = 0; i < threads; i++)
		f->workers[i] = (Worker) {
			.x = ml_alloc_array(ctx, p * f->psi, sizeof(double)),.rows = ml_alloc_array(ctx, f->psi, sizeof(uint32_t)),
			.aside = ml_alloc_array(ctx, f->psi,
									sizeof(uint32_t)),.sample = ml_alloc_array(ctx, f->psi + 1, sizeof(size_t)),
			.order = ml_alloc_array(ctx, p, sizeof(int)),.present = ml_alloc_array(ctx, f->words + 1, sizeof(uint32_t)),
			.stack = ml_alloc_array(ctx, f->psi + 2, sizeof(Waiting)),
		};
	f->trees = ml_alloc_array_zero(ctx, ROUND, sizeof(MlTree));
	for (size_t t = 0; t < ROUND; t++)
	{
		f->trees[t].nodes = ml_alloc_array(ctx, 2 * f->psi, sizeof(MlTreeNode));
		f->trees[t].sets = ml_alloc_array(ctx, f->psi * f->words + 1, sizeof(uint32_t));
	}
	ml_forest_start(&f->builder, ctx, 1);
}

static void
isolation_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	Isolation	f = {.ctx = ctx,.design = design,.params = params};
	size_t		trees = (size_t) f.params->n_estimators;
	double		threshold;

	take_rows(&f);
	f.psi = (size_t) f.params->max_samples < f.n ? (size_t) f.params->max_samples : f.n;
	f.most_depth = (int) ceil(log2((double) f.psi));
	make_room(&f);
	for (f.first = 0; f.first < trees; f.first += ROUND)
	{
		size_t		count = trees - f.first < ROUND ? trees - f.first : ROUND;

		ml_parallel_for(ctx, count, 1, tree_piece, &f);
		for (size_t t = 0; t < count; t++)
			ml_forest_add(&f.builder, &f.trees[t], NULL, 1);
		ml_progress(ctx, "fitting", f.first + count, trees, NAN);
	}
	threshold = find_threshold(&f);
	ml_forest_write(&f.builder, payload);
	ml_write_int(payload, "sample_size", (int64_t) f.psi);
	ml_write_object(payload, "statistics");
	ml_write_int(payload, "n_rows", (int64_t) f.n);
	ml_write_int(payload, "n_trees", (int64_t) f.builder.trees);
	ml_write_int(payload, "n_leaves", (int64_t) f.builder.leaves);
	ml_write_double(payload, "threshold", threshold);
	ml_write_end(payload);
}

static void
isolation_check_params(MlContext *ctx, const void *params)
{
	const char *text = ((const IsolationParams *) params)->contamination;
	char	   *end;
	double		share;

	if (text == NULL || strcmp(text, "\"auto\"") == 0)
		return;
	share = strtod(text, &end);
	if (end == text || *end != '\0' || !(share > 0 && share <= 0.5))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "parameter \"contamination\" cannot be %s", text),
					  NULL, "It is \"auto\" or a share of the rows above 0 and up to 0.5.");
}

/* ---- a loaded model ---- */

typedef struct LoadedIsolation
{
	MlEnsemble	ensemble;
	MlForest   *forest;
} LoadedIsolation;

static void *
isolation_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedIsolation *m = ml_alloc_zero(ctx, sizeof *m);
	const MlNode *statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);
	int64_t		sample = ml_need_int(ctx, payload, "sample_size", 2, INT32_MAX);
	double		threshold = ml_need_double(ctx, statistics, "threshold");

	m->forest = ml_forest_load(ctx, payload, shape, 1, 1);
	if (m->forest->trees == 0)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a forest without a tree");
	for (size_t i = 0; i < m->forest->nodes; i++)
		if (!(m->forest->value[i] >= 0))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a path of negative length");
	if (!(threshold >= 0 && threshold <= 1))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a threshold out of range");
	ml_need_int(ctx, statistics, "n_trees", (int64_t) m->forest->trees, (int64_t) m->forest->trees);
	m->ensemble = (MlEnsemble) {
		.forest = m->forest,.base = ml_alloc_array_zero(ctx, 1, sizeof(double)),
		.scale = 1 / ((double) m->forest->trees * mean_depth((size_t) sample)),.link = ML_LINK_ANOMALY,
	};
	return m;
}

static void
isolation_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedIsolation *m = loaded;

	for (size_t i = 0; i < n; i++)
		out[i] = 0;
	ml_forest_sum(m->forest, x, ldx, n, out, ldout);
	for (size_t i = 0; i < n; i++)
		out[i] = exp2(-m->ensemble.scale * out[i]);
}

static const MlEnsemble *
isolation_ensemble(const void *loaded)
{
	return &((const LoadedIsolation *) loaded)->ensemble;
}

const MlAlgorithm ml_isolation_forest = {
	.id = 8,
	.name = "isolation_forest",
	.help = "How unusual rows are: those that few random splits set apart.",
	.tasks = ML_TASK_ANOMALY,
	.params = isolation_params,
	.params_size = sizeof(IsolationParams),
	.check_params = isolation_check_params,
	.fit = isolation_fit,
	.load = isolation_load,
	.score = isolation_score,
	.ensemble = isolation_ensemble,
	.native_inputs = true,
	.most_levels = INT_MAX,
	.usual_categories = USUAL_CATEGORIES,
};
