/*
 * Leaves whose values are quantiles of the residuals of their rows, for losses whose second derivative says nothing.
 */
#include <math.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/boost_internal.h"

/* ---- a weighted quantile ---- */

static void
swap(BoostWeighted *a, BoostWeighted *b)
{
	BoostWeighted c = *a;

	*a = *b;
	*b = c;
}

/* Put values below a pivot first, those above last; *low and *high are where those equal to it begin and end. */
static void
split_at(BoostWeighted *values, size_t n, double pivot, size_t *low, size_t *high)
{
	size_t		less = 0;
	size_t		more = n;

	for (size_t i = 0; i < more;)
		if (values[i].value < pivot)
			swap(&values[i++], &values[less++]);
		else if (values[i].value > pivot)
			swap(&values[i], &values[--more]);
		else
			i++;
	*low = less;
	*high = more;
}

static double
sum_weights(const BoostWeighted *values, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i].weight;
	return sum;
}

static double
least_value(const BoostWeighted *values, size_t n)
{
	double		least = INFINITY;

	for (size_t i = 0; i < n; i++)
		least = fmin(least, values[i].value);
	return least;
}

double
boost_weighted_quantile(BoostWeighted *values, size_t n, double level)
{
	double		total = sum_weights(values, n);
	double		wanted = level * total;
	double		near = 1e-12 * total;
	double		above = INFINITY;	/* the least value after those that are looked at */
	size_t		low;
	size_t		high;

	while (n > 0)
	{
		double		pivot = values[ml_mix64(n) % n].value;
		double		before;
		double		upto;

		split_at(values, n, pivot, &low, &high);
		before = sum_weights(values, low);
		upto = before + sum_weights(values + low, high - low);
		if (low > 0 && wanted <= before + near)
		{
			above = pivot;
			n = low;
		}
		else if (high < n && wanted > upto + near)
		{
			wanted -= upto;
			values += high;
			n -= high;
		}
		else if (wanted >= upto - near && wanted > 0)
		{
			/* values end just at the share */
			above = high < n ? least_value(values + high, n - high) : above;
			return isfinite(above) ? pivot / 2 + above / 2 : pivot;
		}
		else
			return pivot;
	}
	return 0;
}

/* ---- the leaves of a tree ---- */

typedef struct Renewal
{
	Boost	   *b;
	MlTree	   *tree;
	size_t	   *begin;			/* [leaves] where the residuals of each are */
} Renewal;

/* The residuals of a leaf's rows, from the leaf's place on. */
static void
renew_piece(void *arg, size_t begin, size_t end, int worker)
{
	Renewal    *job = arg;
	Boost	   *b = job->b;
	double		limit = b->limits.max_delta_step;

	(void) worker;
	for (size_t leaf = begin; leaf < end; leaf++)
	{
		const uint32_t *rows;
		int			node;
		size_t		n = ml_grower_leaf(b->grower, (int) leaf, &rows, &node);
		BoostWeighted *residuals = b->residuals + job->begin[leaf];
		double		value;

		for (size_t i = 0; i < n; i++)
			residuals[i] = (BoostWeighted) {
			b->rows.target[rows[i]] - b->rows.score[(size_t) b->output * b->rows.n + rows[i]],
			b->rows.weight != NULL ? b->rows.weight[rows[i]] : 1
			};
		if (n == 0)
			continue;
		value = boost_weighted_quantile(residuals, n, b->quantiles[b->output]);
		job->tree->nodes[node].value = limit > 0 ? fmax(fmin(value, limit), -limit) : value;
	}
}

void
boost_renew(Boost *b, MlTree *tree)
{
	int			leaves = ml_grower_leaves(b->grower);
	Renewal		job = {b, tree, ml_alloc_array(b->ctx, (size_t) leaves, sizeof(size_t))};
	size_t		begin = 0;

	for (int leaf = 0; leaf < leaves; leaf++)
	{
		const uint32_t *rows;
		int			node;

		job.begin[leaf] = begin;
		begin += ml_grower_leaf(b->grower, leaf, &rows, &node);
	}
	ml_parallel_for(b->ctx, (size_t) leaves, 1, renew_piece, &job);
	ml_free(b->ctx, job.begin);
	/* the nodes above say what their leaves say on average */
	for (int i = tree->count - 1; i >= 0; i--)
	{
		MlTreeNode *node = &tree->nodes[i];

		if (node->feature >= 0)
		{
			const MlTreeNode *left = &tree->nodes[node->left];
			const MlTreeNode *right = &tree->nodes[node->right];
			double		cover = left->cover + right->cover;

			node->value = cover > 0 ? (left->cover * left->value + right->cover * right->value) / cover : 0;
		}
	}
}
