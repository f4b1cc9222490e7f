/*
 * Growing a tree leaf by leaf: of all leaves the one is split next whose best split gains most, until
 * there are max_leaf_nodes, or no split gains enough.
 *
 * Shapes: n rows, p columns in groups of bytes (tree.h).  A leaf is a range of the array of rows, which is
 *     partitioned in place and stably as leaves are split, and so is the packed gradient of each row.
 * Histograms: the sums of a bin are a gradient and a hessian, integers; a pass adds both as one 64-bit
 *     number and widens them every 4,096 rows.  The smaller child of a split is summed, the larger is the
 *     parent less the smaller.  Their number is bounded: a leaf that has lost its own is summed anew.
 * Threads: over groups of columns, and over stretches of rows where a leaf has many.
 * Paper: Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, 2017; Shi et al.,
 *     Quantized Training of Gradient Boosting Decision Trees, 2022, for the integers.
 */
#include <float.h>
#include <string.h>

#include "base/threads.h"
#include "learn/tree_internal.h"

#define PACKED_ROWS 4096		/* that many packed sums stay within their bits */
#define STRETCH_ROWS 65536		/* rows of a piece, where a leaf has more */
#define PART_ROWS 8192			/* rows of a piece of a partition */
#define SMALL_WORK 20000		/* rows times columns below which threads cost more than they bring */
#define POOL_BYTES ((size_t) 96 << 20)	/* of histograms, but two at least */

typedef struct Leaf
{
	size_t		begin;			/* of its rows */
	size_t		rows;
	int			node;
	int			depth;
	int			slot;			/* its histogram, -1 = none */
	int			feature;		/* of the best split, -1 = none */
	MlSplitLeaf at;
	MlSplitFound split;
} Leaf;

struct MlGrower
{
	MlContext  *ctx;
	const MlBins *bins;
	const MlTreeLimits *limits;
	const double *weight;
	const bool *use;
	MlSplitScale scale;
	double		gradient_unit;
	uint32_t   *rows;
	int64_t    *packed;
	uint32_t   *rows_aside;		/* while a leaf is partitioned */
	int64_t    *packed_aside;
	int			max_leaves;
	Leaf	   *leaves;
	int			nleaves;
	int		   *heap;			/* leaves that can be split, best first */
	int			heap_count;
	MlBinSum  **slots;
	int		   *slot_leaf;		/* -1 = free */
	int			nslots;
	int			threads;
	int64_t   **local;			/* [threads][ML_TREE_GROUP * 256] */
	MlBinSum  **wide;			/* [threads][total], zero between uses */
	MlSplitFound *found;		/* [2][columns] */
	size_t	   *part_left;		/* [parts] */
	double	   *part_weight;	/* [parts] */
};

/* ---- histograms ---- */

/* Add rows of a group to packed sums; count is a constant where it is inlined. */
static inline __attribute__((always_inline)) void
add_rows(int64_t *sums, const uint8_t *bytes, const uint32_t *rows, const int64_t *packed, size_t n, const int count)
{
	for (size_t i = 0; i < n; i++)
	{
		const uint8_t *b = bytes + (size_t) rows[i] * (size_t) count;
		int64_t		q = packed[i];

		if (i + 24 < n)
			__builtin_prefetch(bytes + (size_t) rows[i + 24] * (size_t) count);
#pragma GCC unroll 16
		for (int f = 0; f < count; f++)
			sums[f * 256 + b[f]] += q;
	}
}

#define ADD_CASE(k) case k: add_rows(sums, bytes, rows, packed, n, k); break

static void
add_group(int64_t *sums, const uint8_t *bytes, const uint32_t *rows, const int64_t *packed, size_t n, int count)
{
	switch (count)
	{
			ADD_CASE(1);
			ADD_CASE(2);
			ADD_CASE(3);
			ADD_CASE(4);
			ADD_CASE(5);
			ADD_CASE(6);
			ADD_CASE(7);
			ADD_CASE(8);
			ADD_CASE(9);
			ADD_CASE(10);
			ADD_CASE(11);
			ADD_CASE(12);
			ADD_CASE(13);
			ADD_CASE(14);
			ADD_CASE(15);
			ADD_CASE(16);
	}
}

/* Add a range of rows of a group to wide sums. */
static void
sum_group(MlGrower *t, const MlBinGroup *group, size_t begin, size_t n, int worker, MlBinSum *out)
{
	int64_t    *local = t->local[worker];

	for (size_t end = begin + n; begin < end; begin += PACKED_ROWS)
	{
		size_t		m = end - begin < PACKED_ROWS ? end - begin : PACKED_ROWS;

		add_group(local, group->bytes, t->rows + begin, t->packed + begin, m, group->count);
		for (int f = 0; f < group->count; f++)
		{
			const MlBinColumn *column = &t->bins->column[group->first + f];
			MlBinSum   *sums = out + column->offset;
			int64_t    *from = local + f * 256;

			for (int b = 0; b <= column->nbins; b++)
			{
				sums[b].g += from[b] >> 30;
				sums[b].h += from[b] & ((1 << 30) - 1);
				from[b] = 0;
			}
		}
	}
}

/* What to sum and search after a split (or for the root). */
typedef struct Work
{
	MlGrower   *t;
	Leaf	   *summed;			/* built from rows */
	Leaf	   *other;			/* what its parent's histogram leaves, or NULL */
	bool		by_rows;		/* sums are in t->wide already */
	bool		subtract;		/* else other is built from rows, too */
	size_t		stretches;
} Work;

/* Sum a stretch of a leaf's rows, for one group, into the worker's own histogram. */
static void
stretch_piece(void *arg, size_t begin, size_t end, int worker)
{
	Work	   *w = arg;

	for (size_t piece = begin; piece < end; piece++)
	{
		size_t		from = piece % w->stretches * STRETCH_ROWS;
		size_t		n = w->summed->rows - from < STRETCH_ROWS ? w->summed->rows - from : STRETCH_ROWS;

		sum_group(w->t, &w->t->bins->group[piece / w->stretches], w->summed->begin + from, n, worker, w->t->wide[worker]);
	}
}

/* Gather a group's sums from the workers' histograms, which are zero again then. */
static void
gather_group(MlGrower *t, size_t begin, size_t end, MlBinSum *out)
{
	memset(out + begin, 0, (end - begin) * sizeof(MlBinSum));
	for (int worker = 0; worker < t->threads; worker++)
	{
		MlBinSum   *from = t->wide[worker];

		for (size_t b = begin; b < end; b++)
		{
			out[b].g += from[b].g;
			out[b].h += from[b].h;
		}
		memset(from + begin, 0, (end - begin) * sizeof(MlBinSum));
	}
}

/* Can this leaf have a split at all? */
static bool
may_split(const MlGrower *t, const Leaf *leaf)
{
	return leaf->rows > 1 && leaf->at.weight >= 2 * t->limits->min_samples_leaf * (1 - 1e-9) &&
		(t->limits->max_depth == 0 || leaf->depth < t->limits->max_depth);
}

/* Histograms and best splits of a group's columns, for both leaves. */
static void
search_piece(void *arg, size_t begin, size_t end, int worker)
{
	Work	   *w = arg;
	MlGrower   *t = w->t;

	for (size_t g = begin; g < end; g++)
	{
		const MlBinGroup *group = &t->bins->group[g];
		int			last = group->first + group->count - 1;
		size_t		from = t->bins->column[group->first].offset;
		size_t		to = t->bins->column[last].offset + (size_t) t->bins->column[last].nbins + 1;
		MlBinSum   *sums = t->slots[w->summed->slot];
		MlBinSum   *other = w->other != NULL ? t->slots[w->other->slot] : NULL;

		if (w->by_rows)
			gather_group(t, from, to, sums);
		else
		{
			memset(sums + from, 0, (to - from) * sizeof(MlBinSum));
			sum_group(t, group, w->summed->begin, w->summed->rows, worker, sums);
		}
		if (other != NULL && w->subtract)
			for (size_t b = from; b < to; b++)
			{
				other[b].g -= sums[b].g;
				other[b].h -= sums[b].h;
			}
		else if (other != NULL)
		{
			memset(other + from, 0, (to - from) * sizeof(MlBinSum));
			sum_group(t, group, w->other->begin, w->other->rows, worker, other);
		}
		for (int j = group->first; j <= last; j++)
		{
			const MlBinColumn *column = &t->bins->column[j];

			t->found[j].gain = t->found[t->bins->columns + j].gain = -1;
			if (t->use != NULL && !t->use[j])
				continue;
			if (may_split(t, w->summed))
				ml_split_find(&t->scale, &w->summed->at, column, sums + column->offset, &t->found[j]);
			if (other != NULL && may_split(t, w->other))
				ml_split_find(&t->scale, &w->other->at, column, other + column->offset, &t->found[t->bins->columns + j]);
		}
	}
}

/* ---- leaves in the order of their gain ---- */

/* Is leaf a to be split before leaf b? */
static bool
before(const MlGrower *t, int a, int b)
{
	double		ga = t->leaves[a].split.gain;
	double		gb = t->leaves[b].split.gain;

	return ga != gb ? ga > gb : a < b;
}

static void
heap_push(MlGrower *t, int leaf)
{
	int			at = t->heap_count++;

	for (; at > 0 && before(t, leaf, t->heap[(at - 1) / 2]); at = (at - 1) / 2)
		t->heap[at] = t->heap[(at - 1) / 2];
	t->heap[at] = leaf;
}

static int
heap_pop(MlGrower *t)
{
	int			top = t->heap[0];
	int			moved = t->heap[--t->heap_count];
	int			at = 0;

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= t->heap_count)
			break;
		if (child + 1 < t->heap_count && before(t, t->heap[child + 1], t->heap[child]))
			child++;
		if (!before(t, t->heap[child], moved))
			break;
		t->heap[at] = t->heap[child];
		at = child;
	}
	t->heap[at] = moved;
	return top;
}

/* A histogram for a leaf: a free one, else that of a leaf which is to be split late. */
static void
take_slot(MlGrower *t, Leaf *leaf)
{
	int			slot = 0;

	while (slot < t->nslots && t->slot_leaf[slot] >= 0)
		slot++;
	for (int i = t->heap_count - 1; slot == t->nslots && i >= 0; i--)
		if (t->leaves[t->heap[i]].slot >= 0)
		{
			slot = t->leaves[t->heap[i]].slot;
			t->leaves[t->heap[i]].slot = -1;
		}
	if (t->slots[slot] == NULL)
		t->slots[slot] = ml_alloc_array(t->ctx, t->bins->total + 1, sizeof(MlBinSum));
	t->slot_leaf[slot] = (int) (leaf - t->leaves);
	leaf->slot = slot;
}

static void
free_slot(MlGrower *t, Leaf *leaf)
{
	if (leaf->slot >= 0)
		t->slot_leaf[leaf->slot] = -1;
	leaf->slot = -1;
}

/* Take the best of the columns' splits; where they gain the same, the columns' content decides. */
static void
choose_split(MlGrower *t, Leaf *leaf, const MlSplitFound *found)
{
	leaf->feature = -1;
	leaf->split.gain = -1;
	for (int i = 0; i < t->bins->columns; i++)
	{
		int			j = t->bins->order[i];

		if (found[j].gain > leaf->split.gain)
		{
			leaf->split = found[j];
			leaf->feature = j;
		}
	}
	if (leaf->feature >= 0)
		heap_push(t, (int) (leaf - t->leaves));
	else
		free_slot(t, leaf);
}

/* Sum and search one or two new leaves; other has its parent's histogram, or none. */
static void
search(MlGrower *t, Leaf *summed, Leaf *other)
{
	Work		w = {.t = t,.summed = summed,.other = other};
	size_t		groups = (size_t) t->bins->ngroups;
	size_t		work = summed->rows * (size_t) t->bins->columns;

	/* the parent's histogram must not be taken away for the new one */
	w.subtract = other != NULL && other->slot >= 0;
	take_slot(t, summed);
	if (other != NULL && !w.subtract)
		take_slot(t, other);
	if (summed->rows > STRETCH_ROWS)
	{
		w.by_rows = true;
		w.stretches = (summed->rows + STRETCH_ROWS - 1) / STRETCH_ROWS;
		for (int i = 0; i < t->threads; i++)
			if (t->wide[i] == NULL)
				t->wide[i] = ml_alloc_array_zero(t->ctx, t->bins->total + 1, sizeof(MlBinSum));
		ml_parallel_for(t->ctx, groups * w.stretches, 1, stretch_piece, &w);
	}
	ml_parallel_for(t->ctx, groups, work < SMALL_WORK && t->bins->total < 4096 ? groups : 1, search_piece, &w);
	choose_split(t, summed, t->found);
	if (other != NULL)
		choose_split(t, other, t->found + t->bins->columns);
}

/* ---- partition ---- */

typedef struct Partition
{
	MlGrower   *t;
	const Leaf *leaf;
	const MlBinGroup *group;
	int			offset;			/* of the column in its group */
	uint8_t		goes_left[256];
	size_t	   *place_left;		/* [parts]: where a part's rows go, in the array of rows */
	size_t	   *place_right;
} Partition;

/* Lay the rows of each part aside: what goes left from its begin on, the others from its end back. */
static void
divide_piece(void *arg, size_t begin, size_t end, int worker)
{
	Partition  *p = arg;
	MlGrower   *t = p->t;
	size_t		part = begin / PART_ROWS;
	size_t		stride = (size_t) p->group->count;
	const uint8_t *bytes = p->group->bytes + p->offset;
	size_t		first = p->leaf->begin + begin;
	size_t		last = p->leaf->begin + end;
	size_t		left = first;
	size_t		right = last - 1;
	double		weight = 0;

	(void) worker;
	for (size_t i = first; i < last; i++)
	{
		uint32_t	row = t->rows[i];
		size_t		goes_left = p->goes_left[bytes[row * stride]];
		size_t		to = goes_left ? left : right;

		if (i + 24 < last)
			__builtin_prefetch(bytes + t->rows[i + 24] * stride);
		t->rows_aside[to] = row;
		t->packed_aside[to] = t->packed[i];
		left += goes_left;
		right -= !goes_left;
		if (t->weight != NULL)
			weight += goes_left ? t->weight[row] : 0;
	}
	t->part_left[part] = left - first;
	t->part_weight[part] = weight;
}

/* Bring them back in order: what goes left of all parts, then the others. */
static void
append_piece(void *arg, size_t begin, size_t end, int worker)
{
	Partition  *p = arg;
	MlGrower   *t = p->t;
	size_t		part = begin / PART_ROWS;
	size_t		first = p->leaf->begin + begin;
	size_t		last = p->leaf->begin + end;
	size_t		n = t->part_left[part];
	uint32_t   *rows = t->rows + p->place_right[part];
	int64_t    *packed = t->packed + p->place_right[part];

	(void) worker;
	memcpy(t->rows + p->place_left[part], t->rows_aside + first, n * sizeof(uint32_t));
	memcpy(t->packed + p->place_left[part], t->packed_aside + first, n * sizeof(int64_t));
	n = last - first - n;
	for (size_t i = 0; i < n; i++)
	{
		rows[i] = t->rows_aside[last - 1 - i];
		packed[i] = t->packed_aside[last - 1 - i];
	}
}

/* Which bins of the split's column go left. */
static void
mark_left(Partition *p, const MlBinColumn *column)
{
	const MlSplitFound *split = &p->leaf->split;

	for (int b = 0; b <= column->nbins; b++)
		if (column->levels > 0)
			p->goes_left[b] = split->left[b / 8] >> b % 8 & 1;
		else
			p->goes_left[b] = b == column->nbins ? split->missing_left : b <= split->bin;
}

/* Partition a leaf's rows by its split; returns how many go left, and their weight. */
static size_t
partition(MlGrower *t, const Leaf *leaf, double *weight)
{
	Partition	p = {.t = t,.leaf = leaf};
	size_t		parts = (leaf->rows + PART_ROWS - 1) / PART_ROWS;
	size_t		left = 0;
	size_t		right;

	p.group = &t->bins->group[t->bins->group_of[leaf->feature]];
	p.offset = leaf->feature - p.group->first;
	p.place_left = ml_alloc_array(t->ctx, 2 * parts, sizeof(size_t));
	p.place_right = p.place_left + parts;
	mark_left(&p, &t->bins->column[leaf->feature]);
	ml_parallel_for(t->ctx, leaf->rows, PART_ROWS, divide_piece, &p);
	*weight = 0;
	for (size_t i = 0; i < parts; i++)
	{
		p.place_left[i] = leaf->begin + left;
		left += t->part_left[i];
		*weight += t->part_weight[i];
	}
	right = leaf->begin + left;
	for (size_t i = 0; i < parts; i++)
	{
		size_t		rows = leaf->rows - i * PART_ROWS < PART_ROWS ? leaf->rows - i * PART_ROWS : PART_ROWS;

		p.place_right[i] = right;
		right += rows - t->part_left[i];
	}
	ml_parallel_for(t->ctx, leaf->rows, PART_ROWS, append_piece, &p);
	ml_free(t->ctx, p.place_left);
	if (t->weight == NULL)
		*weight = (double) left;
	return left;
}

/* ---- a tree ---- */

/* Write the levels that go left as words of a node. */
static void
write_set(MlGrower *t, MlTree *tree, MlTreeNode *node, const Leaf *leaf, const MlBinColumn *column)
{
	size_t		words = ((size_t) column->levels + 31) / 32;

	if (tree->set_words + words > tree->set_capacity)
	{
		tree->set_capacity = 2 * tree->set_capacity + words;
		tree->sets = ml_realloc(t->ctx, tree->sets, tree->set_capacity * sizeof(uint32_t));
	}
	node->set = (int) tree->set_words;
	memset(tree->sets + tree->set_words, 0, words * sizeof(uint32_t));
	for (int level = 0; level < column->levels; level++)
	{
		int			bin = column->level_bins[level];

		if (leaf->split.left[bin / 8] >> bin % 8 & 1)
			tree->sets[tree->set_words + (size_t) level / 32] |= UINT32_C(1) << level % 32;
	}
	tree->set_words += words;
}

/* A new node that is a leaf. */
static int
add_node(MlGrower *t, MlTree *tree, const Leaf *leaf)
{
	tree->nodes[tree->count] = (MlTreeNode) {
		.feature = -1,.left = -1,.right = -1,.bin = -1,.set = -1,
		.value = ml_split_value(&t->scale, leaf->at.sum, leaf->at.l2) * t->gradient_unit * ML_TREE_GRADIENT_MAX,
	};
	return tree->count++;
}

/* Split the leaf: its range and number become the left child's, the right child is a new leaf. */
static void
split_leaf(MlGrower *t, MlTree *tree, int number)
{
	Leaf	   *left = &t->leaves[number];
	Leaf	   *right = &t->leaves[t->nleaves];
	Leaf		parent = *left;
	const MlBinColumn *column = &t->bins->column[parent.feature];
	MlTreeNode *node = &tree->nodes[parent.node];
	double		weight;
	size_t		n = partition(t, &parent, &weight);
	Leaf	   *smaller = 2 * n <= parent.rows ? left : right;
	Leaf	   *larger = smaller == left ? right : left;

	t->nleaves++;
	left->depth = right->depth = parent.depth + 1;
	right->begin = parent.begin + n;
	right->rows = parent.rows - n;
	left->rows = n;
	left->at.sum = parent.split.sum;
	right->at.sum = (MlBinSum) {parent.at.sum.g - left->at.sum.g, parent.at.sum.h - left->at.sum.h};
	left->at.weight = weight;
	right->at.weight = parent.at.weight - weight;
	left->at.l2 = right->at.l2 = t->limits->l2 + (parent.split.subset ? t->limits->cat_l2 : 0);
	left->feature = right->feature = -1;
	left->slot = right->slot = -1;

	node->feature = parent.feature;
	node->missing_left = parent.split.missing_left;
	if (column->levels > 0)
		write_set(t, tree, node, &parent, column);
	else
	{
		node->bin = parent.split.bin;
		/* all values left: the split is by what is missing */
		node->threshold = parent.split.bin < column->nbins - 1 ? column->edges[parent.split.bin] : DBL_MAX;
	}
	node->left = left->node = add_node(t, tree, left);
	node->right = right->node = add_node(t, tree, right);

	larger->slot = parent.slot;
	if (larger->slot >= 0)
		t->slot_leaf[larger->slot] = (int) (larger - t->leaves);
	if (t->nleaves == t->max_leaves || (!may_split(t, left) && !may_split(t, right)))
		free_slot(t, larger);
	else if (may_split(t, larger))
		search(t, smaller, larger);
	else
	{
		free_slot(t, larger);
		search(t, smaller, NULL);
	}
}

MlGrower *
ml_grower_create(MlContext *ctx, const MlBins *bins, const MlTreeLimits *limits, const double *weight)
{
	MlGrower   *t = ml_alloc_zero(ctx, sizeof *t);
	size_t		n = bins->rows;
	size_t		parts = n / PART_ROWS + 1;
	size_t		fit = POOL_BYTES / ((bins->total + 1) * sizeof(MlBinSum));
	size_t		leaves;

	t->ctx = ctx;
	t->bins = bins;
	t->limits = limits;
	t->weight = weight;
	t->max_leaves = limits->max_leaf_nodes < (int64_t) n ? limits->max_leaf_nodes : n > 2 ? (int) n : 2;
	leaves = (size_t) t->max_leaves;
	t->rows = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	t->packed = ml_alloc_array(ctx, n + 1, sizeof(int64_t));
	t->rows_aside = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	t->packed_aside = ml_alloc_array(ctx, n + 1, sizeof(int64_t));
	t->leaves = ml_alloc_array(ctx, leaves + 1, sizeof(Leaf));
	t->heap = ml_alloc_array(ctx, leaves + 1, sizeof(int));
	t->nslots = (int) (fit < 2 ? 2 : fit > leaves + 1 ? leaves + 1 : fit);
	t->slots = ml_alloc_array_zero(ctx, (size_t) t->nslots, sizeof(MlBinSum *));
	t->slot_leaf = ml_alloc_array(ctx, (size_t) t->nslots, sizeof(int));
	t->threads = ml_thread_count(ctx);
	t->local = ml_alloc_array(ctx, (size_t) t->threads, sizeof(int64_t *));
	t->wide = ml_alloc_array_zero(ctx, (size_t) t->threads, sizeof(MlBinSum *));
	for (int i = 0; i < t->threads; i++)
		t->local[i] = ml_alloc_array_zero(ctx, ML_TREE_GROUP * 256, sizeof(int64_t));
	t->found = ml_alloc_array(ctx, 2 * (size_t) bins->columns + 1, sizeof(MlSplitFound));
	t->part_left = ml_alloc_array(ctx, parts, sizeof(size_t));
	t->part_weight = ml_alloc_array(ctx, parts, sizeof(double));
	return t;
}

uint32_t *
ml_grower_rows(MlGrower *t)
{
	return t->rows;
}

int64_t *
ml_grower_packed(MlGrower *t)
{
	return t->packed;
}

/* The leaf of all rows. */
static void
make_root(MlGrower *t, size_t n, MlTree *tree)
{
	Leaf	   *root = &t->leaves[0];

	memset(root, 0, sizeof *root);
	root->rows = n;
	root->slot = root->feature = -1;
	root->at.l2 = t->limits->l2;
	for (size_t i = 0; i < n; i++)
	{
		root->at.sum.g += t->packed[i] >> 30;
		root->at.sum.h += t->packed[i] & ((1 << 30) - 1);
	}
	root->at.weight = (double) n;
	if (t->weight != NULL)
	{
		root->at.weight = 0;
		for (size_t i = 0; i < n; i++)
			root->at.weight += t->weight[t->rows[i]];
	}
	t->nleaves = 1;
	root->node = add_node(t, tree, root);
}

void
ml_grower_grow(MlGrower *t, size_t n, double gradient_unit, double hessian_unit, const bool *use, MlTree *tree)
{
	double		largest = gradient_unit * ML_TREE_GRADIENT_MAX;

	t->use = use;
	t->gradient_unit = gradient_unit;
	t->scale.limits = t->limits;
	t->scale.gradient = 1.0 / ML_TREE_GRADIENT_MAX;
	t->scale.hessian = hessian_unit;
	t->scale.l1 = t->limits->l1 / largest;
	t->scale.min_gain = t->limits->min_split_gain / largest / largest;
	for (int i = 0; i < t->nslots; i++)
		t->slot_leaf[i] = -1;
	tree->count = 0;
	tree->set_words = 0;
	t->heap_count = 0;
	make_root(t, n, tree);
	if (t->max_leaves > 1 && t->bins->columns > 0 && may_split(t, &t->leaves[0]))
		search(t, &t->leaves[0], NULL);
	while (t->heap_count > 0 && t->nleaves < t->max_leaves)
		split_leaf(t, tree, heap_pop(t));
	tree->leaves = t->nleaves;
}

/* ---- what a tree adds to its rows ---- */

typedef struct Adding
{
	const MlGrower *t;
	const MlTree *tree;
	double		rate;
	double	   *add;
} Adding;

static void
add_piece(void *arg, size_t begin, size_t end, int worker)
{
	Adding	   *a = arg;

	(void) worker;
	for (size_t l = begin; l < end; l++)
	{
		const Leaf *leaf = &a->t->leaves[l];
		double		value = a->rate * a->tree->nodes[leaf->node].value;

		for (size_t i = leaf->begin; i < leaf->begin + leaf->rows; i++)
			a->add[a->t->rows[i]] += value;
	}
}

void
ml_grower_add(MlGrower *t, const MlTree *tree, double rate, double *add)
{
	Adding		a = {t, tree, rate, add};

	ml_parallel_for(t->ctx, (size_t) t->nleaves, 1, add_piece, &a);
}

/* Does a bin of a node's column go left? */
static bool
bin_left(const MlBins *bins, const MlTree *tree, const MlTreeNode *node, int bin)
{
	const MlBinColumn *column = &bins->column[node->feature];

	if (bin == column->nbins)
		return node->missing_left;
	if (node->set < 0)
		return bin <= node->bin;
	for (int level = 0; level < column->levels; level++)
		if (column->level_bins[level] == bin)
			return tree->sets[(size_t) node->set + (size_t) level / 32] >> level % 32 & 1;
	return false;
}

static void
walk_piece(void *arg, size_t begin, size_t end, int worker)
{
	Adding	   *a = arg;

	(void) worker;
	for (size_t row = begin; row < end; row++)
	{
		const MlTreeNode *node = a->tree->nodes;

		while (node->feature >= 0)
			node = &a->tree->nodes[bin_left(a->t->bins, a->tree, node, ml_bins_get(a->t->bins, node->feature, row)) ?
								   node->left : node->right];
		a->add[row] += a->rate * node->value;
	}
}

void
ml_grower_walk(MlGrower *t, const MlTree *tree, double rate, double *add)
{
	Adding		a = {t, tree, rate, add};

	ml_parallel_for(t->ctx, t->bins->rows, PART_ROWS, walk_piece, &a);
}
