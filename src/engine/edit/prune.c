/*
 * Cost-complexity pruning by weakest links.
 *
 * Problem: trees whose split i gains g_i; of the trees that are left when splits become leaves, the one with the
 *     largest sum of g - alpha * (leaves - 1), the smallest of them where several are.
 * Shapes: all nodes of a forest; each tree on its own, its gains divided by the cover of its root.
 * Method: the link of a node is what the splits from it downwards gain for each leaf that they add.  The split
 *     with the weakest link becomes a leaf, and the links above it grow or stay; so alphas ascend, and a heap
 *     whose entries are at most too small finds the next.
 * Stopping rule: no split is left, or the weakest link is above alpha.
 * Paper: Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, section 3.3.
 */
#include "edit/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY 65536		/* collapses between two looks for a cancel */

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
	double	   *gain;			/* [nodes of the tree] of the splits from a node downwards */
	int32_t    *leaves;			/* [nodes of the tree] below a node */
	int32_t    *parent;			/* [nodes of the tree] -1 = the root's */
	uint8_t    *gone;			/* [nodes of the tree] a leaf, or below one */
	Link	   *heap;
	size_t		links;
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

/* What the splits from a node downwards gain for each leaf they add. */
static double
link_of(const Pruner *p, int32_t node)
{
	return p->gain[node] / p->cover / (p->leaves[node] - 1);
}

/* Gains and leaves of a node from those of its children. */
static void
sum_children(Pruner *p, int32_t node)
{
	size_t		left = (size_t) p->forest->left[p->begin + (size_t) node] - p->begin;

	p->gain[node] = p->forest->gain[p->begin + (size_t) node] + p->gain[left] + p->gain[left + 1];
	p->leaves[node] = p->leaves[left] + p->leaves[left + 1];
}

/* Set up for a tree: sums from the leaves upwards, and a heap of all splits. */
static void
start_tree(Pruner *p, size_t tree)
{
	const MlForest *f = p->forest;
	size_t		nodes = (size_t) (f->tree_begin[tree + 1] - f->tree_begin[tree]);

	p->begin = (size_t) f->tree_begin[tree];
	p->cover = f->cover[p->begin] > 0 ? f->cover[p->begin] : 1;
	p->links = 0;
	p->parent[0] = -1;
	for (size_t i = nodes; i-- > 0;)
	{
		p->gone[i] = f->feature[p->begin + i] < 0;
		p->gain[i] = 0;
		p->leaves[i] = 1;
		if (p->gone[i])
			continue;
		sum_children(p, (int32_t) i);
		p->parent[(size_t) f->left[p->begin + i] - p->begin] = (int32_t) i;
		p->parent[(size_t) f->left[p->begin + i] - p->begin + 1] = (int32_t) i;
		p->heap[p->links++] = (Link) {link_of(p, (int32_t) i), (int32_t) i};
	}
	for (size_t i = p->links / 2; i-- > 0;)
		sift_down(p, i);
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
		double		link;

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
		collapses[count++] = (Collapse) {last, p->gain[node], (size_t) p->leaves[node] - 1, p->begin + (size_t) node};
		if (count % CHECK_EVERY == 0)
			ml_check(ctx);
		remove_below(p, node, stack);
		p->gain[node] = 0;
		p->leaves[node] = 1;
		for (int32_t above = p->parent[node]; above >= 0; above = p->parent[above])
			sum_children(p, above);
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
	p.gain = ml_alloc_array(ctx, most, sizeof(double));
	p.leaves = ml_alloc_array(ctx, most, sizeof(int32_t));
	p.parent = ml_alloc_array(ctx, most, sizeof(int32_t));
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
