/*
 * Cost-complexity pruning by weakest links.
 *
 * Problem: trees whose split i gains g_i; of the trees that are left when splits become leaves, the one with the
 *     largest sum of g - alpha * (leaves - 1), the smallest of them where several are.
 * Shapes: all nodes of a forest; each tree on its own, its gains divided by the cover of its root.
 * Method: the link of a node is what the splits from it downwards gain for each leaf that they add.  The split
 *     with the weakest link becomes a leaf, and the links above it grow or stay; so alphas ascend, and a heap
 *     whose entries are at most too small finds the next.  Splits are numbered from the root downwards, so that those
 *     from a node downwards are neighbours; a tree of sums over these numbers gives what is left of any of them in
 *     log n steps, whatever the depth.
 * Stopping rule: no split is left, or the weakest link is above alpha.
 * Paper: Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, section 3.3.
 */
#include "edit/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY 16384		/* splits looked at between two looks for a cancel */

/* A split and a lower bound of its link. */
typedef struct Link
{
	double		alpha;
	int32_t		node;			/* of the tree */
} Link;

/* A split that became a leaf. */
typedef struct Collapse
{
	double		alpha;
	double		gain;			/* lost, of all splits from it downwards */
	size_t		leaves;			/* lost */
	size_t		node;			/* of the whole */
} Collapse;

typedef struct Pruner
{
	const MlForest *forest;
	size_t		begin;			/* of the tree */
	double		cover;			/* of its root */
	size_t		splits;			/* of the tree */
	int32_t    *first;			/* [nodes of the tree] number of a split */
	int32_t    *below;			/* [nodes of the tree] splits from a node downwards, those that are gone too */
	double	   *gain;			/* [2 * splits] sums of gains: number i at splits + i, pairs of k at k / 2 */
	int32_t    *left;			/* [2 * splits] the same of ones: splits that are not gone */
	uint8_t    *gone;			/* [nodes of the tree] a leaf, or below one */
	Link	   *heap;
	size_t		links;
	size_t		steps;			/* of all trees */
} Pruner;

/* ---- the heap: the smallest alpha, then the first node, on top ---- */

static bool
before(const Link *a, const Link *b)
{
	return a->alpha != b->alpha ? a->alpha < b->alpha : a->node < b->node;
}

static void
sift_down(Pruner *p, size_t at)
{
	Link		link = p->heap[at];

	for (;;)
	{
		size_t		child = 2 * at + 1;

		if (child >= p->links)
			break;
		if (child + 1 < p->links && before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!before(&p->heap[child], &link))
			break;
		p->heap[at] = p->heap[child];
		at = child;
	}
	p->heap[at] = link;
}

/* ---- one tree ---- */

/* The splits from a node downwards that are left, and what they gain. */
static int32_t
sum_below(const Pruner *p, int32_t node, double *gain)
{
	size_t		low = p->splits + (size_t) p->first[node];
	size_t		high = low + (size_t) p->below[node];
	int32_t		left = 0;

	*gain = 0;
	for (; low < high; low /= 2, high /= 2)
	{
		if (low & 1)
		{
			*gain += p->gain[low];
			left += p->left[low++];
		}
		if (high & 1)
		{
			*gain += p->gain[--high];
			left += p->left[high];
		}
	}
	return left;
}

/* What they gain for each leaf they add. */
static double
link_of(const Pruner *p, int32_t node)
{
	double		gain;
	int32_t		left = sum_below(p, node, &gain);

	return gain / p->cover / left;
}

/* Sums of a pair. */
static void
sum_pair(Pruner *p, size_t at)
{
	p->gain[at] = p->gain[2 * at] + p->gain[2 * at + 1];
	p->left[at] = p->left[2 * at] + p->left[2 * at + 1];
}

/* Number the splits: those on the left of one come before those on its right. */
static void
number_splits(Pruner *p, size_t nodes)
{
	const MlForest *f = p->forest;
	const int32_t *left = f->left + p->begin;

	for (size_t i = nodes; i-- > 0;)
	{
		size_t		child = (size_t) left[i] - p->begin;

		p->gone[i] = f->feature[p->begin + i] < 0;
		p->below[i] = p->gone[i] ? 0 : 1 + p->below[child] + p->below[child + 1];
	}
	p->splits = (size_t) p->below[0];
	p->first[0] = 0;
	for (size_t i = 0; i < nodes; i++)
		if (!p->gone[i])
		{
			size_t		child = (size_t) left[i] - p->begin;

			p->first[child] = p->first[i] + 1;
			p->first[child + 1] = p->first[child] + p->below[child];
		}
}

/* Set up for a tree: numbers and sums of splits, and a heap of all. */
static void
start_tree(Pruner *p, size_t tree)
{
	const MlForest *f = p->forest;
	size_t		nodes = (size_t) (f->tree_begin[tree + 1] - f->tree_begin[tree]);

	p->begin = (size_t) f->tree_begin[tree];
	p->cover = f->cover[p->begin] > 0 ? f->cover[p->begin] : 1;
	p->links = 0;
	number_splits(p, nodes);
	for (size_t i = 0; i < nodes; i++)
		if (!p->gone[i])
		{
			p->gain[p->splits + (size_t) p->first[i]] = f->gain[p->begin + i];
			p->left[p->splits + (size_t) p->first[i]] = 1;
		}
	for (size_t i = p->splits; i-- > 1;)
		sum_pair(p, i);
	for (size_t i = nodes; i-- > 0;)
		if (!p->gone[i])
			p->heap[p->links++] = (Link) {link_of(p, (int32_t) i), (int32_t) i};
	for (size_t i = p->links / 2; i-- > 0;)
		sift_down(p, i);
}

/* A split is gone. */
static void
forget_split(Pruner *p, int32_t node)
{
	size_t		at = p->splits + (size_t) p->first[node];

	p->gain[at] = 0;
	p->left[at] = 0;
	while ((at /= 2) > 0)
		sum_pair(p, at);
}

/* Mark all nodes below one as gone; children come after their parents. */
static void
remove_below(Pruner *p, int32_t node, int32_t *stack)
{
	size_t		depth = 0;

	stack[depth++] = node;
	while (depth > 0)
	{
		int32_t		at = stack[--depth];
		int32_t		left;

		if (p->gone[at])
			continue;
		p->gone[at] = 1;
		forget_split(p, at);
		left = p->forest->left[p->begin + (size_t) at] - (int32_t) p->begin;
		stack[depth++] = left;
		stack[depth++] = left + 1;
	}
}

/* Take splits away while their link is at most alpha; returns how many collapses were written. */
static size_t
prune_tree(MlContext *ctx, Pruner *p, double alpha, int32_t *stack, Collapse *collapses)
{
	double		last = 0;
	size_t		count = 0;

	while (p->links > 0)
	{
		int32_t		node = p->heap[0].node;
		double		gain;
		double		link;
		int32_t		left;

		if (++p->steps % CHECK_EVERY == 0)
			ml_check(ctx);
		if (p->gone[node])
		{
			p->heap[0] = p->heap[--p->links];
			sift_down(p, 0);
			continue;
		}
		link = link_of(p, node);
		if (link > p->heap[0].alpha)
		{
			/* it grew since; where it belongs now */
			p->heap[0].alpha = link;
			sift_down(p, 0);
			continue;
		}
		last = fmax(last, link);	/* rounding aside links ascend */
		if (last > alpha)
			break;
		left = sum_below(p, node, &gain);
		collapses[count++] = (Collapse) {last, gain, (size_t) left, p->begin + (size_t) node};
		remove_below(p, node, stack);
	}
	return count;
}

/* ---- all trees ---- */

/* The splits that become leaves with this alpha, tree by tree; returns how many. */
static size_t
prune_all(MlContext *ctx, const MlForest *f, double alpha, Collapse **collapses)
{
	Pruner		p = {.forest = f};
	size_t		most = 1;
	size_t		count = 0;
	int32_t    *stack;

	for (size_t t = 0; t < f->trees; t++)
	{
		size_t		nodes = (size_t) (f->tree_begin[t + 1] - f->tree_begin[t]);

		most = nodes > most ? nodes : most;
	}
	p.first = ml_alloc_array(ctx, most, sizeof(int32_t));
	p.below = ml_alloc_array(ctx, most, sizeof(int32_t));
	p.gain = ml_alloc_array(ctx, most, sizeof(double));
	p.left = ml_alloc_array(ctx, most, sizeof(int32_t));
	p.gone = ml_alloc(ctx, most);
	p.heap = ml_alloc_array(ctx, most, sizeof(Link));
	stack = ml_alloc_array(ctx, most + 2, sizeof(int32_t));
	/* a tree of n nodes has (n - 1) / 2 splits */
	*collapses = ml_alloc_array(ctx, f->nodes / 2 + 1, sizeof(Collapse));
	for (size_t t = 0; t < f->trees; t++)
	{
		ml_check(ctx);
		start_tree(&p, t);
		count += prune_tree(ctx, &p, alpha, stack, *collapses + count);
	}
	return count;
}

void
ml_trees_prune(MlContext *ctx, const MlModel *model, double alpha, const MlLineage *lineage, MlEdited *edited)
{
	const MlForest *f = ml_trees_of(ctx, model)->forest;
	uint8_t    *leaf = ml_alloc_zero(ctx, f->nodes + 1);
	Collapse   *collapses;
	size_t		count;

	if (!(alpha >= 0))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "alpha is out of range: %g", alpha),
					  "It must be at least 0.", "ml_prune_path tells which alphas make a difference.");
	count = prune_all(ctx, f, alpha, &collapses);
	for (size_t i = 0; i < count; i++)
		leaf[collapses[i].node] = 1;
	ml_trees_rewrite(ctx, model, f->trees, leaf, lineage, edited);
}

/* By alpha, then by node, so that the order is one. */
static int
compare_collapses(const void *left, const void *right)
{
	const Collapse *a = left;
	const Collapse *b = right;

	if (a->alpha != b->alpha)
		return a->alpha < b->alpha ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

size_t
ml_trees_prune_path(MlContext *ctx, const MlModel *model, MlPruneStep **steps)
{
	const MlForest *f = ml_trees_of(ctx, model)->forest;
	MlPruneStep now = {0};
	Collapse   *collapses;
	size_t		count = prune_all(ctx, f, INFINITY, &collapses);
	size_t		n = 0;

	qsort(collapses, count, sizeof(Collapse), compare_collapses);
	for (size_t i = 0; i < f->nodes; i++)
	{
		now.leaves += f->feature[i] < 0;
		now.gain += f->feature[i] < 0 ? 0 : f->gain[i];
	}
	*steps = ml_alloc_array(ctx, count + 1, sizeof(MlPruneStep));
	for (size_t i = 0;; i++)
	{
		if (i == count || collapses[i].alpha > now.alpha)
			(*steps)[n++] = now;
		if (i == count)
			break;
		now.alpha = collapses[i].alpha;
		now.leaves -= collapses[i].leaves;
		/* rounding may leave less than nothing */
		now.gain = fmax(now.gain - collapses[i].gain, 0);
	}
	return n;
}
