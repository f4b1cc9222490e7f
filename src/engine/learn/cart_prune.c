/*
 * Cutting a grown tree back.
 *
 * Cost complexity (Breiman, Friedman, Olshen and Stone, 1984, chapter 3): of all subtrees with the same root the
 * smallest that minimises impurity + alpha * leaves, impurity being the mean over the tree's weight.  Gains are
 * decreases of impurity, so a node's subtree is worth the sum of its gains; from the leaves upwards, one that is
 * worth no more than alpha times the leaves that it adds is cut.
 *
 * Leaves: when a tree may have fewer than it has, those splits are kept that growing by gain would have made first.
 */
#include <string.h>

#include "learn/cart.h"

/* Mark what alpha cuts: gains of an inner node < 0 afterwards = a leaf; leaves of the rest are in numbers. */
static void
cut_subtrees(CartWorker *t, double alpha)
{
	double		price = alpha * t->weight * t->rows->w_unit;

	/* children come after their parents */
	for (size_t i = t->tree.count; i-- > 0;)
	{
		const CartNode *node = &t->tree.nodes[i];
		size_t		left = (size_t) node->left;
		double		worth;

		t->gains[i] = -1;
		t->numbers[i] = 1;
		if (node->feature < 0)
			continue;
		worth = node->gain + (t->gains[left] > 0 ? t->gains[left] : 0) +
			(t->gains[left + 1] > 0 ? t->gains[left + 1] : 0);
		if (alpha > 0 && worth <= price * (t->numbers[left] + t->numbers[left + 1] - 1))
			continue;
		t->gains[i] = worth;
		t->numbers[i] = t->numbers[left] + t->numbers[left + 1];
	}
}

/* Let a node of the copy wait, if it is split. */
static void
let_wait(CartWorker *t, size_t *waiting, size_t number)
{
	if (t->gains[t->numbers[number]] >= 0)
		cart_heap_push(t->heap, waiting, (CartWaiting) {t->tree.nodes[t->numbers[number]].gain, number, number});
}

/* Copy a node as a leaf; numbers says where a node of the copy came from. */
static void
copy_node(CartWorker *t, size_t from, CartTree *to)
{
	size_t		width = (size_t) t->rows->width;

	to->nodes[to->count] = t->tree.nodes[from];
	to->nodes[to->count].feature = to->nodes[to->count].left = to->nodes[to->count].set = -1;
	to->nodes[to->count].gain = 0;
	if (width > 1)
		memcpy(to->values + to->count * width, t->tree.values + from * width, width * sizeof(double));
	t->numbers[to->count++] = (int32_t) from;
}

/* Split a node of the copy as it was split. */
static void
copy_split(CartWorker *t, size_t number, CartTree *to)
{
	const CartNode *from = &t->tree.nodes[t->numbers[number]];
	CartNode   *node = &to->nodes[number];

	node->feature = from->feature;
	node->gain = from->gain;
	node->left = (int32_t) to->count;
	if (from->set >= 0)
	{
		to->sets[to->nsets] = t->tree.sets[from->set];
		node->set = (int32_t) to->nsets++;
	}
	copy_node(t, (size_t) from->left, to);
	copy_node(t, (size_t) from->left + 1, to);
}

void
cart_prune(CartWorker *t, double alpha, size_t max_leaves, CartTree *to)
{
	size_t		waiting = 0;
	size_t		leaves = 1;

	cut_subtrees(t, alpha);
	to->count = to->nsets = 0;
	copy_node(t, 0, to);
	let_wait(t, &waiting, 0);
	while (waiting > 0 && leaves < max_leaves)
	{
		size_t		number = cart_heap_pop(t->heap, &waiting);

		copy_split(t, number, to);
		leaves++;
		for (size_t child = (size_t) to->nodes[number].left; child < to->count; child++)
			let_wait(t, &waiting, child);
	}
}
