/*
 * Growing a classification or regression tree on one thread.
 *
 * Problem: rows (bytes of bins, a target, a weight) are split, node by node, where the impurity of the two sides
 *     falls most, until a node is pure, too small or too deep.
 * Shapes: items [n], 16 bytes a row; a node owns a stretch of them, which a split divides in place, in order.
 * Growing: depth first, the smaller child before the larger, or, when leaves are limited, the node of the highest
 *     gain first.  A subtree whose bytes fit into the cache is copied there and grown to its end.
 * Chance: the seed of a node comes from its tree and its path, so that it depends on neither order nor threads.
 * Papers: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984; Breiman, Random
 *     Forests, 2001.
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "learn/cart.h"

#define LOCAL_BYTES (128 * 1024)	/* of a subtree's bins */
#define LOCAL_LEAST 512			/* rows from which that pays */
#define WORK_BETWEEN_CHECKS (4 << 20)	/* row visits */
#define SHARED_WORK (1 << 18)	/* row visits from which threads share the columns of a node */
#define STACK 128				/* pending nodes when the smaller child comes first */

/* A node that may be split. */
struct CartPending
{
	size_t		begin;			/* of its items */
	size_t		n;
	int32_t		node;
	int			depth;
	CartSum		sum;
	uint64_t	seed;
	bool		local;
	CartSplit	split;			/* best first: found when the node was made */
};

void
cart_visit(CartWorker *t, size_t rows)
{
	t->work += rows;
	if (t->work < WORK_BETWEEN_CHECKS)
		return;
	t->work = 0;
	if (t->alone)
		ml_check(t->ctx);
	else
		t->stopped = t->stopped || t->ctx->interrupted(t->ctx);
}

/* ---- the search over columns ---- */

static bool
split_column(const CartWorker *t, CartScratch *s, const CartPlace *place, int column, CartSplit *out)
{
	if (t->limits->random)
		return cart_split_random(t, s, place, column, out);
	if (t->rows->criterion == CART_ABSOLUTE)
		return cart_split_absolute(t, s, place, column, out);
	if (t->rows->classes > 2)
		return cart_split_classes(t, s, place, column, out);
	return cart_split_sums(t, s, place, column, out);
}

typedef struct ColumnJob
{
	const CartWorker *worker;
	const CartPlace *place;
} ColumnJob;

static void
column_piece(void *arg, size_t begin, size_t end, int worker)
{
	const ColumnJob *job = arg;
	const CartWorker *t = job->worker;

	for (size_t i = begin; i < end; i++)
	{
		CartPlace	place = *job->place;

		place.seed = ml_mix64(place.seed + i);
		split_column(t, &t->scratch[worker], &place, t->rows->bins->order[i], &t->found[i]);
	}
}

/* Look at all columns, shared out to threads. */
static void
search_shared(CartWorker *t, const CartPlace *place, CartSplit *best)
{
	int			p = t->rows->bins->columns;
	ColumnJob	job = {t, place};

	ml_parallel_for(t->ctx, (size_t) p, 1, column_piece, &job);
	for (int i = 0; i < p; i++)
		if (t->found[i].gain > best->gain)
			*best = t->found[i];
}

/* Look at columns in random order until max_features of them, one that varies among these, have been seen. */
static void
search(CartWorker *t, const CartPlace *whole, CartSplit *best)
{
	int			p = t->rows->bins->columns;
	bool		draw = t->limits->max_features < p;
	bool		varied = false;
	int			seen = 0;
	CartPlace	place = *whole;
	CartSplit	split;

	best->gain = -1;
	if (t->alone && !draw && place.n * (size_t) p >= SHARED_WORK)
	{
		search_shared(t, &place, best);
		return;
	}
	while (seen < p && !(seen >= t->limits->max_features && varied) && !t->stopped)
	{
		place.seed = ml_mix64(whole->seed + (uint64_t) seen);
		if (draw)
		{
			int			other = seen +
				(int) (((unsigned __int128) ml_mix64(~place.seed) * (unsigned) (p - seen)) >> 64);
			int			column = t->order[other];

			t->swaps[seen] = other;
			t->order[other] = t->order[seen];
			t->order[seen] = column;
		}
		varied |= split_column(t, t->scratch, &place, t->order[seen], &split);
		if (split.gain > best->gain)
			*best = split;
		seen++;
		cart_visit(t, place.n);
	}
	/* back in order, so that the next node's choice does not depend on this one's */
	for (int i = seen - 1; i >= 0 && draw; i--)
	{
		int			column = t->order[i];

		t->order[i] = t->order[t->swaps[i]];
		t->order[t->swaps[i]] = column;
	}
}

/* ---- nodes ---- */

/* Have all rows of a node one target? */
static bool
is_pure(const CartWorker *t, const CartPending *node)
{
	const CartItem *items = t->items + node->begin;

	if (t->rows->classes == 2)
		return node->sum.g == 0 || node->sum.g == node->sum.w;
	if (t->rows->classes > 2 || t->rows->criterion == CART_ABSOLUTE)
	{
		for (size_t i = 1; i < node->n; i++)
			if (t->rows->classes > 2 ? items[i].g != items[0].g :
				t->rows->ranked[items[i].g] != t->rows->ranked[items[0].g])
				return false;
		return true;
	}
	/* targets times weights are rounded to units */
	for (size_t i = 1; i < node->n; i++)
		if (fabs((double) items[i].g * items[0].w - (double) items[0].g * items[i].w) > ((double) items[0].w +
																						 items[i].w) / 2)
			return false;
	return true;
}

/* Sums that a split does not hand down, and the value of the node. */
static void
sum_up(CartWorker *t, CartPending *node, CartPlace *place)
{
	const CartRows *rows = t->rows;
	const CartItem *items = t->items + node->begin;
	CartNode   *out = &t->tree.nodes[node->node];
	size_t		width = (size_t) rows->width;

	if (width > 1 || rows->criterion == CART_ABSOLUTE)
	{
		node->sum = (CartSum) {0, 0};
		memset(t->classes, 0, width * sizeof(double));
		for (size_t i = 0; i < node->n; i++)
		{
			node->sum.w += items[i].w;
			if (width > 1)
				t->classes[items[i].g] += items[i].w;
		}
	}
	if (width > 1)
		for (size_t k = 0; k < width; k++)
			t->tree.values[(size_t) node->node * width + k] = t->classes[k] / (double) node->sum.w;
	else if (rows->criterion == CART_ABSOLUTE)
		out->value = rows->center + cart_absolute_rank(t, items, node->n, &place->error) * rows->value_unit;
	else
		out->value = rows->center + (double) node->sum.g / (double) node->sum.w * rows->value_unit;
	out->cover = (double) node->sum.w * rows->w_unit;
	place->items = items;
	place->n = node->n;
	place->sum = node->sum;
	place->classes = t->classes;
	place->seed = node->seed;
	place->local = node->local;
}

/* Make a leaf of a node, and look for its split; false when it stays a leaf. */
static bool
open_node(CartWorker *t, CartPending *node, CartSplit *split)
{
	const CartLimits *limits = t->limits;
	CartPlace	place;

	t->tree.nodes[node->node] = (CartNode) {.feature = -1,.left = -1,.set = -1};
	sum_up(t, node, &place);
	cart_visit(t, node->n);
	if (node->n < limits->min_split || node->n < 2 * limits->min_leaf ||
		(double) node->sum.w < 2 * limits->min_weight ||
		(limits->max_depth > 0 && node->depth >= limits->max_depth) || t->stopped || is_pure(t, node))
		return false;
	search(t, &place, split);
	/* a search that takes long ends early then, with any result */
	if (node->n >= CART_SLOW_ROWS && t->ctx->interrupted(t->ctx))
		cart_visit(t, WORK_BETWEEN_CHECKS);
	if (split->gain < 0)
		return false;
	split->gain *= t->rows->gain_unit;
	return split->gain >= limits->min_gain * t->weight * t->rows->w_unit;
}

/* Divide the items of a node, each side in the order they were; returns how many go left. */
static size_t
partition(CartWorker *t, const CartPending *node, const CartSplit *split)
{
	const MlBinColumn *column = &t->rows->bins->column[split->column];
	size_t		stride;
	const uint8_t *bytes = cart_bytes(t, node->local, split->column, &stride);
	CartItem   *items = t->items + node->begin;
	unsigned	last = (unsigned) split->bin;
	unsigned	missing = split->missing_left ? (unsigned) column->nbins : CART_BINS;
	size_t		left = 0;
	size_t		right = 0;

	if (column->levels > 0)
		for (size_t i = 0; i < node->n; i++)
		{
			CartItem	item = items[i];
			bool		goes_left = cart_set_has(&split->set, bytes[item.row * stride]);

			items[left] = item;
			t->aside[right] = item;
			left += goes_left;
			right += !goes_left;
		}
	else
		for (size_t i = 0; i < node->n; i++)
		{
			CartItem	item = items[i];
			unsigned	b = bytes[item.row * stride];
			bool		goes_left = (b <= last) | (b == missing);

			items[left] = item;
			t->aside[right] = item;
			left += goes_left;
			right += !goes_left;
		}
	memcpy(items + left, t->aside, right * sizeof(CartItem));
	return left;
}

/* Split a node into two pending ones. */
static void
split_node(CartWorker *t, const CartPending *node, const CartSplit *split, CartPending *left, CartPending *right)
{
	const MlBinColumn *column = &t->rows->bins->column[split->column];
	CartTree   *tree = &t->tree;
	CartNode   *out = &tree->nodes[node->node];
	CartPending parent = *node;
	size_t		n = partition(t, node, split);

	out->feature = split->column;
	out->left = (int32_t) tree->count;
	out->missing_left = split->missing_left;
	out->gain = split->gain;
	out->bin = (uint8_t) split->bin;
	if (column->levels > 0)
	{
		tree->sets[tree->nsets] = split->set;
		out->set = (int32_t) tree->nsets++;
	}
	*left = (CartPending) {
		.begin = parent.begin,.n = n,.node = (int32_t) tree->count,.depth = parent.depth + 1,.sum = split->left,
		.seed = ml_mix64(~parent.seed),.local = parent.local,
	};
	*right = (CartPending) {
		.begin = parent.begin + n,.n = parent.n - n,.node = (int32_t) tree->count + 1,.depth = parent.depth + 1,
		.sum = {parent.sum.g - split->left.g, parent.sum.w - split->left.w},
		.seed = ml_mix64(~parent.seed - 1),.local = parent.local,
	};
	tree->count += 2;
}

/* Copy the bytes of a subtree's rows, column by column; its items count in them from then on. */
static void
make_local(CartWorker *t, CartPending *node)
{
	const MlBins *bins = t->rows->bins;
	CartItem   *items = t->items + node->begin;

	for (int g = 0; g < bins->ngroups; g++)
	{
		size_t		count = (size_t) bins->group[g].count;

		for (size_t i = 0; i < node->n; i++)
		{
			const uint8_t *from = bins->group[g].bytes + items[i].row * count;
			uint8_t    *to = t->local + (size_t) bins->group[g].first * t->local_rows + i;

			for (size_t j = 0; j < count; j++)
				to[j * t->local_rows] = from[j];
		}
	}
	for (size_t i = 0; i < node->n; i++)
		items[i].row = (uint32_t) i;
	node->local = true;
}

/* ---- trees ---- */

static void
grow_depth_first(CartWorker *t, const CartPending *root)
{
	CartPending *stack = t->pending;
	size_t		top = 0;

	stack[top++] = *root;
	while (top > 0 && !t->stopped)
	{
		CartPending node = stack[--top];
		CartPending left;
		CartPending right;
		CartSplit	split;

		if (!node.local && node.n <= t->local_rows && node.n >= t->limits->min_split)
			make_local(t, &node);
		if (open_node(t, &node, &split))
		{
			split_node(t, &node, &split, &left, &right);
			stack[top++] = left.n > right.n ? left : right;
			stack[top++] = left.n > right.n ? right : left;
		}
	}
}

static bool
comes_first(const CartWaiting *a, const CartWaiting *b)
{
	return a->gain != b->gain ? a->gain > b->gain : a->made < b->made;
}

void
cart_heap_push(CartWaiting *heap, size_t *count, CartWaiting node)
{
	size_t		at = (*count)++;

	for (; at > 0 && comes_first(&node, &heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = node;
}

size_t
cart_heap_pop(CartWaiting *heap, size_t *count)
{
	size_t		first = heap[0].place;
	CartWaiting last = heap[--*count];
	size_t		at = 0;
	size_t		child;

	while ((child = 2 * at + 1) < *count)
	{
		if (child + 1 < *count && comes_first(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_first(&heap[child], &last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return first;
}

/* Let a node that is open wait. */
static void
let_wait(CartWorker *t, size_t *waiting, const CartPending *node)
{
	cart_heap_push(t->heap, waiting,
				   (CartWaiting) {node->split.gain, (size_t) node->node, (size_t) (node - t->pending)});
}

static void
grow_best_first(CartWorker *t, const CartPending *root)
{
	size_t		waiting = 0;
	size_t		used = 1;
	size_t		leaves = 1;

	t->pending[0] = *root;
	if (open_node(t, &t->pending[0], &t->pending[0].split))
		let_wait(t, &waiting, &t->pending[0]);
	while (waiting > 0 && leaves < t->limits->max_leaves && !t->stopped)
	{
		size_t		at = cart_heap_pop(t->heap, &waiting);
		CartPending node = t->pending[at];
		CartPending *left = &t->pending[at];
		CartPending *right = &t->pending[used++];

		split_node(t, &node, &node.split, left, right);
		leaves++;
		if (open_node(t, left, &left->split))
			let_wait(t, &waiting, left);
		if (open_node(t, right, &right->split))
			let_wait(t, &waiting, right);
	}
}

bool
cart_grow(CartWorker *t, size_t n, uint64_t seed)
{
	CartPending root = {.n = n,.seed = ml_mix64(seed)};

	for (size_t i = 0; i < n; i++)
	{
		root.sum.g += t->items[i].g;
		root.sum.w += t->items[i].w;
	}
	t->weight = (double) root.sum.w;
	t->tree.count = 1;
	t->tree.nsets = 0;
	memcpy(t->order, t->rows->bins->order, (size_t) t->rows->bins->columns * sizeof(int));
	if (t->limits->best_first)
		grow_best_first(t, &root);
	else
		grow_depth_first(t, &root);
	return !t->stopped;
}

/* ---- room ---- */

static bool
has_categories(const MlBins *bins)
{
	for (int j = 0; j < bins->columns; j++)
		if (bins->column[j].levels > 0)
			return true;
	return false;
}

void
cart_tree_create(MlContext *ctx, const CartRows *rows, size_t leaves, CartTree *tree)
{
	*tree = (CartTree) {.nodes = ml_alloc_array(ctx, 2 * leaves, sizeof(CartNode))};
	if (rows->width > 1)
		tree->values = ml_alloc_array(ctx, 2 * leaves * (size_t) rows->width, sizeof(double));
	if (has_categories(rows->bins))
		tree->sets = ml_alloc_array(ctx, leaves, sizeof(CartSet));
}

/* Scratch for one thread's searches among at most n rows. */
static void
create_scratch(MlContext *ctx, const CartRows *rows, size_t n, CartScratch *s)
{
	size_t		classes = (size_t) rows->width;

	*s = (CartScratch) {
		.cells = ml_alloc_array_zero(ctx, CART_BINS, sizeof(CartSum)),
		.counts = ml_alloc_array_zero(ctx, CART_BINS, sizeof(uint32_t)),
		.order = ml_alloc_zero(ctx, CART_BINS + 1),
	};
	if (classes > 1)
	{
		s->share_room = 64 * classes < n ? 64 * classes : n;
		s->left = ml_alloc_array(ctx, classes, sizeof(double));
		s->right = ml_alloc_array(ctx, classes, sizeof(double));
		s->dense = ml_alloc_array_zero(ctx, CART_BINS * classes, sizeof(double));
		s->shares = ml_alloc_array(ctx, CART_BINS * classes, sizeof(CartShare));
	}
	if (rows->criterion == CART_ABSOLUTE)
	{
		s->place = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
		s->tree = ml_alloc_array(ctx, n + 1, sizeof(CartSum));
		s->cost = ml_alloc_array(ctx, CART_BINS, sizeof(int64_t));
	}
}

void
cart_worker_create(MlContext *ctx, const CartRows *rows, const CartLimits *limits, size_t n, bool alone, CartWorker *t)
{
	size_t		p = (size_t) rows->bins->columns;
	size_t		threads = alone ? (size_t) ml_thread_count(ctx) : 1;

	*t = (CartWorker) {.ctx = ctx,.alone = alone,.rows = rows,.limits = limits};
	t->items = ml_alloc_array(ctx, n + 1, sizeof(CartItem));
	t->aside = ml_alloc_array(ctx, n + 1, sizeof(CartItem));
	t->order = ml_alloc_array(ctx, p, sizeof(int));
	t->swaps = ml_alloc_array(ctx, p, sizeof(int));
	t->classes = ml_alloc_array(ctx, (size_t) rows->width, sizeof(double));
	/* where a node looks at few of many columns, the others are not worth copying */
	if (!limits->best_first && LOCAL_BYTES / p >= LOCAL_LEAST && p <= 16 * (size_t) limits->max_features)
	{
		t->local_rows = LOCAL_BYTES / p < n ? LOCAL_BYTES / p : n;
		t->local = ml_alloc_array(ctx, t->local_rows, p);
	}
	if (rows->criterion == CART_ABSOLUTE)
	{
		t->rank = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
		t->values = ml_alloc_array(ctx, n + 1, sizeof(int64_t));
		t->keys = ml_alloc_array(ctx, 2 * n + 1, sizeof(uint64_t));
	}
	cart_tree_create(ctx, rows, limits->leaf_room, &t->tree);
	t->pending = ml_alloc_array(ctx, limits->best_first ? limits->leaf_room : STACK, sizeof(CartPending));
	t->heap = ml_alloc_array(ctx, limits->leaf_room, sizeof(CartWaiting));
	t->gains = ml_alloc_array(ctx, 2 * limits->leaf_room, sizeof(double));
	t->numbers = ml_alloc_array(ctx, 2 * limits->leaf_room, sizeof(int32_t));
	t->scratch = ml_alloc_array(ctx, threads, sizeof(CartScratch));
	for (size_t i = 0; i < threads; i++)
		create_scratch(ctx, rows, n, &t->scratch[i]);
	if (alone)
		t->found = ml_alloc_array(ctx, p, sizeof(CartSplit));
}
