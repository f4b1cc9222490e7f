/*
 * Growing a tree: of all leaves the one is split next whose best split gains most (or, level by level, the one
 * that is least deep), until there are max_leaf_nodes, or no split gains enough.
 *
 * Shapes: n rows, p columns in groups of bytes (tree.h).  A leaf is a range of the array of rows, which is
 *     partitioned stably as leaves are split.
 * Expanding a leaf: partition its rows, sum the histogram of the smaller child, subtract it from the
 *     leaf's own, which becomes that of the larger, and search both for their best splits.  Leaves that are
 *     likely to be split soon are expanded together with the next one, so that threads have more to share;
 *     the tree takes splits in their own order, and what was expanded in vain stays a leaf.
 * Histograms are bounded in number: a leaf that has lost its own is summed anew.
 * Papers: Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, 2017; Shi et al.,
 *     Quantized Training of Gradient Boosting Decision Trees, 2022, for the integers.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/threads.h"
#include "learn/tree_internal.h"

#define SMALL_WORK 10000		/* sums below which threads cost more than they bring */
#define POOL_BYTES ((size_t) 64 << 20)	/* of histograms, but four at least */
#define WIDE_BYTES ((size_t) 32 << 20)	/* of the threads' own histograms, but one each at least */
#define SPARE_LEAVES 64			/* that may be expanded in vain, times two */

/* ---- which columns a leaf may be split on ---- */

static bool
in_set(const uint64_t *set, size_t bit)
{
	return set[bit / 64] >> bit % 64 & 1;
}

/* Interaction sets that hold all columns on the way to the children. */
static void
narrow_sets(MlGrower *t, const MlLeaf *parent, const MlLeaf *child)
{
	const uint64_t *from = t->alive + (size_t) (parent - t->leaves) * t->alive_words;
	uint64_t   *to = t->alive + (size_t) (child - t->leaves) * t->alive_words;
	size_t		words = ((size_t) t->bins->columns + 63) / 64;

	memset(to, 0, t->alive_words * sizeof(uint64_t));
	for (size_t s = 0; s < (size_t) t->limits->interaction_sets; s++)
		if (in_set(from, s) && in_set(t->limits->interactions + s * words, (size_t) parent->feature))
			to[s / 64] |= UINT64_C(1) << s % 64;
}

/* Of the columns keep those that a set alive has; last is the column split on above, -1 at the root. */
static void
keep_interacting(const MlGrower *t, const MlLeaf *leaf, int last, bool *use)
{
	const uint64_t *alive = t->alive + (size_t) (leaf - t->leaves) * t->alive_words;
	size_t		words = ((size_t) t->bins->columns + 63) / 64;

	for (int j = 0; j < t->bins->columns && last >= 0; j++)
	{
		bool		together = j == last;

		for (size_t s = 0; s < (size_t) t->limits->interaction_sets && !together; s++)
			together = in_set(alive, s) && in_set(t->limits->interactions + s * words, (size_t) j);
		use[j] &= together;
	}
}

/* Of the columns keep a share, by chance, one at least. */
static void
keep_share(const MlGrower *t, const MlLeaf *leaf, bool *use)
{
	MlRandom	random;
	int			among = 0;
	int			wanted;

	for (int j = 0; j < t->bins->columns; j++)
		among += use[j];
	wanted = (int) (among * t->limits->colsample_bynode + 0.5);
	wanted = wanted < 1 ? 1 : wanted;
	ml_random_seed(&random, leaf->at.key);
	for (int j = 0; j < t->bins->columns; j++)
		if (use[j])
		{
			use[j] = (int) ml_random_below(&random, (uint64_t) among--) < wanted;
			wanted -= use[j];
		}
}

/* The columns that a leaf may be split on, NULL = all; they are written down at a place of may_use. */
static const bool *
choose_columns(MlGrower *t, const MlLeaf *leaf, int last, size_t place)
{
	bool	   *room;

	if (t->may_use == NULL)
		return t->use;
	room = t->may_use + place;
	for (int j = 0; j < t->bins->columns; j++)
		room[j] = t->use == NULL || t->use[j];
	if (t->limits->interaction_sets > 0)
		keep_interacting(t, leaf, last, room);
	if (t->limits->colsample_bynode > 0 && t->limits->colsample_bynode < 1)
		keep_share(t, leaf, room);
	return room;
}

/* ---- leaves in the order in which they are split ---- */

/* Is leaf a to be split before leaf b? */
static bool
before(const MlGrower *t, int a, int b)
{
	const MlLeaf *la = &t->leaves[a];
	const MlLeaf *lb = &t->leaves[b];

	if (t->limits->depthwise && la->depth != lb->depth)
		return la->depth < lb->depth;
	return la->split.gain != lb->split.gain ? la->split.gain > lb->split.gain : la->node < lb->node;
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

/* ---- histograms of leaves ---- */

/* The histogram of the leaf not at work which gains least. */
static int
victim_slot(const MlGrower *t)
{
	int			victim = -1;

	for (int slot = 0; slot < t->nslots; slot++)
		if (!t->leaves[t->slot_leaf[slot]].busy &&
			(victim < 0 || before(t, t->slot_leaf[victim], t->slot_leaf[slot])))
			victim = slot;
	return victim;
}

/* A histogram for a leaf: a free one, else one that is taken away from another leaf. */
static void
take_slot(MlGrower *t, MlLeaf *leaf)
{
	int			slot;

	if (t->free_count > 0)
		slot = t->free_slots[--t->free_count];
	else
	{
		slot = victim_slot(t);
		t->leaves[t->slot_leaf[slot]].slot = -1;
	}
	if (t->slots[slot] == NULL)
		t->slots[slot] = ml_alloc_array(t->ctx, 2 * t->bins->total + 1, sizeof(int64_t));
	t->slot_leaf[slot] = (int) (leaf - t->leaves);
	leaf->slot = slot;
}

static void
free_slot(MlGrower *t, MlLeaf *leaf)
{
	if (leaf->slot >= 0)
		t->free_slots[t->free_count++] = leaf->slot;
	leaf->slot = -1;
}

/* Can this leaf have a split at all? */
static bool
may_split(const MlGrower *t, const MlLeaf *leaf)
{
	return leaf->rows > 1 && leaf->at.weight >= 2 * t->limits->min_samples_leaf * (1 - 1e-9) &&
		(t->limits->max_depth == 0 || leaf->depth < t->limits->max_depth);
}

/* ---- searching the children of a batch ---- */

/* Subtract one histogram's bins from another's. */
static void
subtract(const int64_t *restrict sums, int64_t *restrict from, size_t n)
{
	for (size_t b = 0; b < n; b++)
		from[b] -= sums[b];
}

/* Search a chunk's columns for the best splits of a leaf. */
static void
find_splits(const MlGrower *t, const MlLeaf *leaf, const MlBinChunk *chunk, const bool *use, int worker,
			MlSplitFound *found)
{
	const int64_t *sums = t->slots[leaf->slot];

	for (int i = chunk->member; i < chunk->member + chunk->members; i++)
	{
		int			j = t->bins->member[i];
		const int64_t *g = sums + t->bins->offset[j];

		found[j].gain = -1;
		if ((use == NULL || use[j]) && may_split(t, leaf))
			ml_split_find(&t->scale, &leaf->at, &t->bins->column[j], j, g, g + t->bins->total,
						  t->scratch[worker].levels, &found[j]);
	}
}

/* Histograms and best splits of a chunk's columns, for the children of a leaf of the batch. */
static void
search_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlGrower   *t = arg;
	size_t		chunks = (size_t) t->bins->nchunks;

	for (size_t piece = begin; piece < end; piece++)
	{
		const MlExpansion *e = &t->batch[piece / chunks];
		int			number = (int) (piece % chunks);
		const MlBinChunk *chunk = &t->bins->chunk[number];
		size_t		from = chunk->offset;

		if (e->summed == NULL)
			continue;
		if (e->wide >= 0)
			ml_tree_collect_chunk(t, e, number);
		else
			ml_tree_sum_chunk(t, e->summed, number, worker);
		find_splits(t, e->summed, chunk, e->use[0], worker, e->found[0]);
		if (e->other == NULL)
			continue;
		if (e->subtract)
		{
			subtract(t->slots[e->summed->slot] + from, t->slots[e->other->slot] + from, chunk->bins);
			from += t->bins->total;
			subtract(t->slots[e->summed->slot] + from, t->slots[e->other->slot] + from, chunk->bins);
		}
		else
			ml_tree_sum_chunk(t, e->other, number, worker);
		find_splits(t, e->other, chunk, e->use[1], worker, e->found[1]);
	}
}

/* Write down the bins that the split of a leaf by a category has on the left. */
static void
make_set(MlGrower *t, MlLeaf *leaf)
{
	const MlBinColumn *column = &t->bins->column[leaf->feature];
	const int64_t *g = t->slots[leaf->slot] + t->bins->offset[leaf->feature];
	size_t		words = (size_t) column->nbins / 32 + 1;

	if (t->set_words + words > t->set_capacity)
	{
		t->set_capacity = 2 * t->set_capacity + words;
		t->sets = ml_realloc(t->ctx, t->sets, t->set_capacity * sizeof(uint32_t));
	}
	leaf->set = t->set_words;
	t->set_words += words;
	ml_split_set(&t->scale, column, g, g + t->bins->total, &leaf->split, t->sets + leaf->set);
}

/* Take the best of the columns' splits; where they gain the same, the columns' content decides. */
static void
choose_split(MlGrower *t, MlLeaf *leaf, const MlSplitFound *found)
{
	leaf->feature = -1;
	leaf->split.gain = -1;
	leaf->busy = false;
	leaf->packed = NULL;
	for (int i = 0; i < t->bins->columns; i++)
	{
		int			j = t->bins->order[i];

		if (found[j].gain > leaf->split.gain)
		{
			leaf->split = found[j];
			leaf->feature = j;
		}
	}
	if (leaf->feature < 0)
		free_slot(t, leaf);
	else if (t->bins->column[leaf->feature].levels > 0)
		make_set(t, leaf);
}

/* Sum and search the leaves that the batch names. */
static void
search_batch(MlGrower *t)
{
	size_t		work = 0;
	size_t		pieces = (size_t) t->bins->nchunks * (size_t) t->batch_count;
	int			wide = 0;

	for (int i = 0; i < t->batch_count; i++)
	{
		MlExpansion *e = &t->batch[i];
		int			last = e->parent != NULL ? e->parent->feature : -1;

		e->wide = -1;
		if (e->summed == NULL)
			continue;
		if (e->summed->rows > ML_TREE_STRETCH && wide < t->wide_most)
			e->wide = wide++;
		work += e->summed->rows * (size_t) t->bins->tracks + t->bins->total;
		for (int side = 0; side < 2; side++)
		{
			size_t		at = (size_t) (2 * i + side) * (size_t) t->bins->columns;
			MlLeaf	   *leaf = side == 0 ? e->summed : e->other;

			e->found[side] = t->found + at;
			if (leaf != NULL)
				e->use[side] = choose_columns(t, leaf, last, at);
		}
	}
	if (wide > 0)
		ml_tree_sum_stretches(t);
	ml_parallel_for(t->ctx, pieces, work < SMALL_WORK ? pieces : 1, search_piece, t);
	for (int i = 0; i < t->batch_count; i++)
		if (t->batch[i].summed != NULL)
		{
			choose_split(t, t->batch[i].summed, t->batch[i].found[0]);
			if (t->batch[i].other != NULL)
				choose_split(t, t->batch[i].other, t->batch[i].found[1]);
		}
}

/* ---- expanding ---- */

/* What the children of a leaf are by its split, but for their rows. */
static void
make_children(MlGrower *t, MlExpansion *e)
{
	MlLeaf	   *parent = e->parent;
	const MlSplitLeaf *at = &parent->at;
	double		l2 = t->limits->l2 + (parent->split.subset ? t->limits->cat_l2 : 0);
	const int8_t *monotone = t->limits->monotone;
	bool		number = t->bins->column[parent->feature].levels == 0;
	int			direction = monotone != NULL && number ? monotone[parent->feature] : 0;
	double		middle;

	e->left->at.sum = parent->split.sum;
	e->right->at.sum = (MlBinSum) {at->sum.g - e->left->at.sum.g, at->sum.h - e->left->at.sum.h};
	e->left->at.weight = e->left_weight;
	e->right->at.weight = at->weight - e->left_weight;
	for (int side = 0; side < 2; side++)
	{
		MlLeaf	   *leaf = side == 0 ? e->left : e->right;

		leaf->depth = parent->depth + 1;
		leaf->node = leaf->slot = leaf->feature = leaf->child = -1;
		leaf->divided = leaf->busy = false;
		leaf->packed = NULL;
		leaf->at.l2 = l2;
		leaf->at.lower = at->lower;
		leaf->at.upper = at->upper;
		leaf->at.key = ml_mix64(at->key + (uint64_t) side);
		leaf->at.value = ml_split_value(&t->scale, leaf->at.sum, l2, leaf->at.weight, at->value, at->lower, at->upper);
		if (t->alive != NULL)
			narrow_sets(t, parent, leaf);
	}
	/* what is below keeps to its side of the middle */
	middle = (e->left->at.value + e->right->at.value) / 2;
	if (direction != 0)
	{
		*(direction > 0 ? &e->left->at.upper : &e->left->at.lower) = middle;
		*(direction > 0 ? &e->right->at.lower : &e->right->at.upper) = middle;
	}
}

/* Give the children histograms: the larger its parent's, where that is still there. */
static void
share_slots(MlGrower *t, MlExpansion *e)
{
	MlLeaf	   *smaller = e->left->rows <= e->right->rows ? e->left : e->right;
	MlLeaf	   *larger = smaller == e->left ? e->right : e->left;

	e->summed = e->other = NULL;
	larger->slot = e->parent->slot;
	e->parent->slot = -1;
	if (larger->slot >= 0)
		t->slot_leaf[larger->slot] = (int) (larger - t->leaves);
	e->searched &= may_split(t, e->left) || may_split(t, e->right);
	if (!e->searched || !may_split(t, larger))
		free_slot(t, larger);
	if (!e->searched)
		return;
	e->summed = smaller;
	e->other = may_split(t, larger) ? larger : NULL;
	e->subtract = e->other != NULL && larger->slot >= 0;
	smaller->busy = larger->busy = true;
	take_slot(t, smaller);
	if (e->other != NULL && !e->subtract)
		take_slot(t, larger);
}

/*
 * Choose what is expanded now: the leaf that is split next, and others that come soon.  The tree has room for
 * that many more leaves; a later leaf is taken along only when it is likely to be split, too.
 */
static void
choose_batch(MlGrower *t, int room)
{
	int			most = t->limits->depthwise ? room : 1 + (room - 1) / 4;
	int			popped[ML_TREE_BATCH];
	int			count = 0;

	most = most < t->batch_most ? most : t->batch_most;
	t->batch_count = 0;
	while (t->heap_count > 0 && count < most)
	{
		MlLeaf	   *leaf = &t->leaves[popped[count++] = heap_pop(t)];

		/* room is left for the children of all splits that the tree may still have */
		if (leaf->child >= 0 || (count > 1 && t->nleaves + 2 + 2 * room > t->most_leaves))
			continue;
		leaf->child = t->nleaves;
		leaf->busy = true;
		t->batch[t->batch_count] = (MlExpansion) {
			.parent = leaf,.left = &t->leaves[t->nleaves],.right = &t->leaves[t->nleaves + 1],.searched = room > 1,
			.goes_left = t->marks + (size_t) t->batch_count * t->bins->broadest
		};
		t->batch_count++;
		t->nleaves += 2;
	}
	while (count > 0)
		heap_push(t, popped[--count]);
}

/* Expand the leaf that is split next, and others. */
static void
expand(MlGrower *t, int room)
{
	choose_batch(t, room);
	ml_tree_partition(t);
	for (int i = 0; i < t->batch_count; i++)
	{
		make_children(t, &t->batch[i]);
		share_slots(t, &t->batch[i]);
	}
	if (room > 1)
	{
		ml_tree_gather(t);
		search_batch(t);
	}
	for (int i = 0; i < t->batch_count; i++)
		t->batch[i].parent->busy = false;
}

/* ---- a tree ---- */

/* Write the levels that go left as words of a node. */
static void
write_set(MlGrower *t, MlTree *tree, MlTreeNode *node, const MlLeaf *leaf, const MlBinColumn *column)
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
		if (ml_tree_set_has(t->sets + leaf->set, column->level_bins[level]))
			tree->sets[tree->set_words + (size_t) level / 32] |= UINT32_C(1) << level % 32;
	tree->set_words += words;
}

/* A new node that is a leaf. */
static int
add_node(MlGrower *t, MlTree *tree, MlLeaf *leaf)
{
	tree->nodes[tree->count] = (MlTreeNode) {
		.feature = -1,.left = -1,.right = -1,.bin = -1,.set = -1,.value = leaf->at.value * t->largest,
		.cover = leaf->at.weight,
	};
	leaf->node = tree->count++;
	return leaf->node;
}

/* Take the split of a leaf that has been expanded into the tree. */
static void
divide_leaf(MlGrower *t, MlTree *tree, MlLeaf *leaf)
{
	const MlBinColumn *column = &t->bins->column[leaf->feature];
	MlTreeNode *node = &tree->nodes[leaf->node];

	node->feature = leaf->feature;
	node->missing_left = leaf->split.missing_left;
	node->gain = leaf->split.gain * t->largest * t->largest;
	if (column->levels > 0)
		write_set(t, tree, node, leaf, column);
	else
	{
		node->bin = leaf->split.bin;
		/* all values left: the split is by what is missing */
		node->threshold = leaf->split.bin < column->nbins - 1 ? column->edges[leaf->split.bin] : DBL_MAX;
	}
	node->left = add_node(t, tree, &t->leaves[leaf->child]);
	node->right = add_node(t, tree, &t->leaves[leaf->child + 1]);
	leaf->divided = true;
	t->tree_leaves++;
	for (int child = leaf->child; child < leaf->child + 2; child++)
		if (t->leaves[child].feature >= 0)
			heap_push(t, child);
}

MlGrower *
ml_grower_create(MlContext *ctx, const MlBins *bins, const MlTreeLimits *limits, const double *weight)
{
	MlGrower   *t = ml_alloc_zero(ctx, sizeof *t);
	size_t		n = bins->rows;
	size_t		columns = (size_t) bins->columns;
	size_t		fit = POOL_BYTES / ((2 * bins->total + 1) * sizeof(int64_t));
	size_t		most;

	t->ctx = ctx;
	t->bins = bins;
	t->limits = limits;
	t->weight = weight;
	t->max_leaves = limits->max_leaf_nodes < (int64_t) n ? limits->max_leaf_nodes : n > 2 ? (int) n : 2;
	t->most_leaves = 2 * t->max_leaves + SPARE_LEAVES;
	most = (size_t) t->most_leaves;
	/* a leaf of a batch has two histograms at most */
	t->nslots = (int) (fit < 4 ? 4 : fit > most ? most : fit);
	t->batch_most = t->nslots / 4 < ML_TREE_BATCH ? t->nslots / 4 : ML_TREE_BATCH;
	t->rows = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	t->packed = ml_alloc_array(ctx, n + 1, sizeof(int64_t));
	t->aside = ml_alloc_array(ctx, n + 16 * ML_TREE_BATCH, sizeof(uint32_t));
	t->leaves = ml_alloc_array(ctx, most, sizeof(MlLeaf));
	t->heap = ml_alloc_array(ctx, most, sizeof(int));
	t->slots = ml_alloc_array_zero(ctx, (size_t) t->nslots, sizeof(int64_t *));
	t->slot_leaf = ml_alloc_array(ctx, (size_t) t->nslots, sizeof(int));
	t->free_slots = ml_alloc_array(ctx, (size_t) t->nslots, sizeof(int));
	t->parts = ml_alloc_array(ctx, n / ML_TREE_PART + ML_TREE_BATCH + 1, sizeof(MlPart));
	t->found = ml_alloc_array(ctx, 2 * (size_t) t->batch_most * columns + 1, sizeof(MlSplitFound));
	if (limits->interaction_sets > 0 || (limits->colsample_bynode > 0 && limits->colsample_bynode < 1))
		t->may_use = ml_alloc_array(ctx, 2 * (size_t) t->batch_most * columns + 1, sizeof(bool));
	if (limits->interaction_sets > 0)
	{
		t->alive_words = ((size_t) limits->interaction_sets + 63) / 64;
		t->alive = ml_alloc_array(ctx, most * t->alive_words, sizeof(uint64_t));
	}
	t->threads = ml_thread_count(ctx);
	fit = WIDE_BYTES / ((2 * bins->total + 1) * sizeof(int64_t) * (size_t) t->threads);
	t->wide_most = fit < 1 ? 1 : fit < ML_TREE_BATCH ? (int) fit : ML_TREE_BATCH;
	t->marks = ml_alloc_array(ctx, (size_t) t->batch_most, bins->broadest);
	t->scratch = ml_alloc_array(ctx, (size_t) t->threads, sizeof(MlTreeScratch));
	most = bins->broadest > ML_TREE_CHUNK * 256 ? bins->broadest : ML_TREE_CHUNK * 256;
	for (int i = 0; i < t->threads; i++)
		t->scratch[i] = (MlTreeScratch) {
			.packed = ml_alloc_array_zero(ctx, most, sizeof(int64_t)),
			.rows = ml_alloc_array(ctx, ML_TREE_PART, sizeof(uint32_t)),
			.levels = ml_alloc_array(ctx, bins->broadest, sizeof(MlSplitLevel)),
		};
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

void
ml_grower_seed(MlGrower *t, uint64_t seed)
{
	t->seed = seed;
}

/* The leaf of all rows. */
static void
make_root(MlGrower *t, size_t n, MlTree *tree)
{
	MlLeaf	   *root = &t->leaves[0];

	memset(root, 0, sizeof *root);
	root->rows = n;
	root->slot = root->feature = root->child = -1;
	root->at.l2 = t->limits->l2;
	root->at.lower = -INFINITY;
	root->at.upper = INFINITY;
	root->at.key = ml_mix64(t->seed);
	root->at.sum = ml_tree_total(t, n);
	root->at.weight = (double) n;
	if (t->weight != NULL)
	{
		root->at.weight = 0;
		for (size_t i = 0; i < n; i++)
			root->at.weight += t->weight[t->rows[i]];
	}
	root->at.value = ml_split_value(&t->scale, root->at.sum, root->at.l2, root->at.weight, 0, -INFINITY, INFINITY);
	if (t->alive != NULL)
		memset(t->alive, 255, t->alive_words * sizeof(uint64_t));
	t->nleaves = t->tree_leaves = 1;
	add_node(t, tree, root);
}

/* Search the root. */
static void
search_root(MlGrower *t)
{
	MlLeaf	   *root = &t->leaves[0];

	root->busy = true;
	take_slot(t, root);
	t->batch[0] = (MlExpansion) {.summed = root};
	t->batch_count = 1;
	search_batch(t);
	if (root->feature >= 0)
		heap_push(t, 0);
}

void
ml_grower_grow(MlGrower *t, size_t n, double gradient_unit, double hessian_unit, const bool *use, MlTree *tree)
{
	const MlTreeLimits *limits = t->limits;

	t->use = use;
	t->largest = gradient_unit * ML_TREE_GRADIENT_MAX;
	t->scale = (MlSplitScale) {
		.limits = limits,.gradient = 1.0 / ML_TREE_GRADIENT_MAX,.hessian = hessian_unit,.l1 = limits->l1 / t->largest,
		.min_gain = limits->min_split_gain / t->largest / t->largest,
		.max_delta_step = limits->max_delta_step / t->largest,
		.bound = limits->max_delta_step > 0 || limits->path_smooth > 0 || limits->monotone != NULL,
	};
	t->free_count = 0;
	for (int slot = t->nslots - 1; slot >= 0; slot--)
		t->free_slots[t->free_count++] = slot;
	tree->count = 0;
	tree->set_words = t->set_words = 0;
	t->heap_count = 0;
	make_root(t, n, tree);
	if (t->max_leaves > 1 && t->bins->columns > 0 && may_split(t, &t->leaves[0]))
		search_root(t);
	while (t->heap_count > 0 && t->tree_leaves < t->max_leaves)
	{
		if (t->leaves[t->heap[0]].child < 0)
			expand(t, t->max_leaves - t->tree_leaves);
		divide_leaf(t, tree, &t->leaves[heap_pop(t)]);
	}
	tree->leaves = t->tree_leaves;
}
