/*
 * New values for the leaves of a model: each round's gradients at the scores of the rounds before, as they are by then.
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "learn/boost_internal.h"
#include "learn/forest_edit.h"

#define LEAVES_BYTES ((size_t) 64 << 20)	/* of rows' leaves that are known at once */

/* Rows of some rounds' trees, in the leaves that they are in. */
typedef struct Finding
{
	const Boost *b;
	const MlForest *forest;
	const size_t *kept_before;
	double	   *x;				/* [threads][columns * ML_BLOCK_ROWS] */
	size_t		first;			/* tree */
	size_t		trees;
	int32_t    *leaf;			/* [trees][n] */
} Finding;

static void
find_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Finding *f = arg;
	const MlDesign *design = f->b->design;
	double	   *x = f->x + (size_t) worker * ((size_t) design->columns * ML_BLOCK_ROWS + 1);

	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;
		size_t		to = f->kept_before[row / ML_BLOCK_ROWS];

		design->read(design, row, n, x, n);
		for (size_t i = 0; i < n; i++)
		{
			if (design->weight != NULL && !(design->weight[row + i] > 0))
				continue;
			for (size_t t = 0; t < f->trees; t++)
				f->leaf[t * f->b->rows.n + to] = (int32_t) ml_forest_leaf(f->forest, f->first + t, x + i, n);
			to++;
		}
	}
}

/* What a node's rows add up to. */
typedef struct LeafSum
{
	double		g;
	double		h;
	size_t		begin;			/* of its residuals */
	size_t		rows;
	double		value;			/* that the rows ask for */
} LeafSum;

typedef struct Refit
{
	Boost	   *b;
	const MlForest *forest;
	double		decay;
	double	   *value;			/* [nodes] new ones */
	double	   *g;				/* [k][n] of the round */
	double	   *h;
	LeafSum    *sums;			/* [nodes of the largest tree] */
} Refit;

/* The value that a node's rows ask for; of quantiles a node above leaves says what they say on average. */
static double
node_value(Refit *r, const LeafSum *sum, const LeafSum *left)
{
	const Boost *b = r->b;
	double		limit = b->limits.max_delta_step;
	double		g = fmax(fabs(sum->g) - b->limits.l1, 0);
	double		value;

	if (!b->objective->by_quantile)
		value = sum->h + b->limits.l2 > 0 ? copysign(g, -sum->g) / (sum->h + b->limits.l2) : 0;
	else if (left == NULL)
		value = boost_weighted_quantile(b->residuals + sum->begin, sum->rows, b->quantiles[b->output]);
	else
		value = ((double) left[0].rows * left[0].value + (double) left[1].rows * left[1].value) / (double) sum->rows;
	return limit > 0 ? fmax(fmin(value, limit), -limit) : value;
}

/* Add up what the rows of a tree's leaves say; residuals are put leaf by leaf. */
static void
sum_leaves(Refit *r, size_t begin, size_t nodes, const int32_t *leaf)
{
	Boost	   *b = r->b;
	const double *g = r->g + (size_t) b->output * b->rows.n;
	const double *h = r->h + (size_t) b->output * b->rows.n;
	size_t		place = 0;

	memset(r->sums, 0, nodes * sizeof(LeafSum));
	for (size_t i = 0; i < b->rows.n; i++)
	{
		LeafSum    *sum = &r->sums[(size_t) leaf[i] - begin];

		sum->g += g[i];
		sum->h += h[i];
		sum->rows++;
	}
	if (!b->objective->by_quantile)
		return;
	for (size_t node = 0; node < nodes; node++)
	{
		r->sums[node].begin = place;
		place += r->sums[node].rows;
		r->sums[node].rows = 0;
	}
	for (size_t i = 0; i < b->rows.n; i++)
	{
		LeafSum    *sum = &r->sums[(size_t) leaf[i] - begin];

		b->residuals[sum->begin + sum->rows++] = (BoostWeighted) {
			b->rows.target[i] - b->rows.score[(size_t) b->output * b->rows.n + i],
			b->rows.weight != NULL ? b->rows.weight[i] : 1
		};
	}
}

/* New values of a tree, and the scores with it. */
static void
refit_tree(Refit *r, size_t tree, const int32_t *leaf)
{
	Boost	   *b = r->b;
	const MlForest *f = r->forest;
	size_t		begin = (size_t) f->tree_begin[tree];
	size_t		nodes = (size_t) f->tree_begin[tree + 1] - begin;
	double	   *score = b->rows.score + (size_t) b->output * b->rows.n;

	sum_leaves(r, begin, nodes, leaf);
	for (size_t node = nodes; node-- > 0;)
	{
		LeafSum    *sum = &r->sums[node];
		LeafSum    *left = f->feature[begin + node] >= 0 ? &r->sums[(size_t) f->left[begin + node] - begin] : NULL;

		r->value[begin + node] = f->value[begin + node];
		if (left != NULL)
			*sum = (LeafSum) {.g = left[0].g + left[1].g,.h = left[0].h + left[1].h,.rows = left[0].rows +
							  left[1].rows};
		if (sum->rows == 0)
			continue;
		sum->value = node_value(r, sum, left);
		r->value[begin + node] = r->decay * f->value[begin + node] + (1 - r->decay) * b->rate * sum->value;
	}
	if (b->params->boosting != BOOST_RF)
		for (size_t i = 0; i < b->rows.n; i++)
			score[i] += r->value[leaf[i]];
}

/* The gradients of all outputs at the begin of a round. */
static void
differentiate_round(Refit *r)
{
	Boost	   *b = r->b;

	boost_share(b);
	for (b->output = 0; b->output < b->k; b->output++)
	{
		boost_differentiate(b);
		for (size_t i = 0; i < b->rows.n; i++)
		{
			r->g[(size_t) b->output * b->rows.n + i] = b->gradients[i].g;
			r->h[(size_t) b->output * b->rows.n + i] = b->gradients[i].h;
		}
	}
	ml_check(b->ctx);
}

/* All trees, so many at a time as their rows' leaves have room. */
static void
refit_trees(Refit *r)
{
	Boost	   *b = r->b;
	size_t		k = (size_t) b->k;
	size_t		rounds = LEAVES_BYTES / (b->rows.n * k * sizeof(int32_t) + 1);
	size_t		width = (size_t) b->design->columns * ML_BLOCK_ROWS + 1;
	size_t	   *before = boost_kept_before(b->ctx, b->design);
	Finding		f = {.b = b,.forest = r->forest,.kept_before = before};

	rounds = rounds < 1 ? 1 : rounds > r->forest->trees / k ? r->forest->trees / k : rounds;
	f.leaf = ml_alloc_array(b->ctx, rounds * k * b->rows.n + 1, sizeof(int32_t));
	f.x = ml_alloc_array(b->ctx, (size_t) ml_thread_count(b->ctx) * width, sizeof(double));
	for (f.first = 0; f.first < r->forest->trees; f.first += f.trees)
	{
		f.trees = r->forest->trees - f.first < rounds * k ? r->forest->trees - f.first : rounds * k;
		ml_parallel_for(b->ctx, b->design->rows, BOOST_PIECE, find_piece, &f);
		for (size_t t = 0; t < f.trees; t++)
		{
			if (t % k == 0)
				differentiate_round(r);
			b->output = (int) (t % k);
			refit_tree(r, f.first + t, f.leaf + t * b->rows.n);
			ml_check(b->ctx);
		}
	}
	ml_free(b->ctx, f.leaf);
	ml_free(b->ctx, f.x);
	ml_free(b->ctx, before);
}

void
boost_refit_model(MlContext *ctx, const MlDesign *design, const BoostParams *params, const MlEnsemble *from,
				  double learning_rate, double decay_rate, MlWriter *payload)
{
	Boost		b;
	Refit		r = {.b = &b,.forest = from->forest,.decay = decay_rate};
	size_t		largest = 0;

	boost_create_refit(&b, ctx, design, params, from, learning_rate, decay_rate);
	for (size_t t = 0; t < from->forest->trees; t++)
		if ((size_t) (from->forest->tree_begin[t + 1] - from->forest->tree_begin[t]) > largest)
			largest = (size_t) (from->forest->tree_begin[t + 1] - from->forest->tree_begin[t]);
	r.value = ml_alloc_array(ctx, from->forest->nodes + 1, sizeof(double));
	r.sums = ml_alloc_array(ctx, largest + 1, sizeof(LeafSum));
	r.g = ml_alloc_array(ctx, (size_t) b.k * b.rows.n, sizeof(double));
	r.h = ml_alloc_array(ctx, (size_t) b.k * b.rows.n, sizeof(double));
	refit_trees(&r);
	ml_forest_copy(&b.forest, from->forest, from->forest->trees, NULL, r.value);
	boost_write(&b, payload);
}
