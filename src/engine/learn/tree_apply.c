/*
 * What a tree adds to the scores of rows: of those it was grown from by the leaves that they are in, of
 * others by walking down the tree over their bins.
 */
#include <string.h>

#include "base/threads.h"
#include "learn/tree_internal.h"

#define BLOCK_ROWS 32768		/* rows whose scores lie together in the cache */
#define WALK_ROWS 4096

/* ---- rows that the tree was grown from ---- */

typedef struct Adding
{
	const MlGrower *t;
	const MlLeaf **leaf;		/* [leaves]: rows in ascending order */
	double	   *value;			/* [leaves] */
	int			leaves;
	double	   *add;
} Adding;

/* The first of n ascending rows that is not before a row. */
static size_t
first_from(const uint32_t *rows, size_t n, size_t row)
{
	size_t		low = 0;

	while (low < n)
	{
		size_t		middle = (low + n) / 2;

		if (rows[middle] < row)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* Add to a block of scores, leaf by leaf. */
static void
add_piece(void *arg, size_t begin, size_t end, int worker)
{
	Adding	   *a = arg;

	(void) worker;
	for (int l = 0; l < a->leaves; l++)
	{
		const uint32_t *rows = a->t->rows + a->leaf[l]->begin;
		size_t		n = a->leaf[l]->rows;
		double		value = a->value[l];

		for (size_t i = first_from(rows, n, begin); i < n && rows[i] < end; i++)
			a->add[rows[i]] += value;
	}
}

void
ml_grower_add(MlGrower *t, const MlTree *tree, double rate, double *add)
{
	Adding		a = {.t = t,.add = add};
	size_t		block;

	a.leaf = ml_alloc_array(t->ctx, (size_t) t->nleaves, sizeof(MlLeaf *));
	a.value = ml_alloc_array(t->ctx, (size_t) t->nleaves, sizeof(double));
	for (int l = 0; l < t->nleaves; l++)
	{
		const MlLeaf *leaf = &t->leaves[l];
		bool		in_vain = leaf->child >= 0 && !leaf->divided;

		if (leaf->node < 0 || leaf->divided)
			continue;
		/* a leaf that was expanded in vain has the rows of its children, one after the other */
		for (int child = 0; child <= in_vain; child++)
		{
			a.leaf[a.leaves] = in_vain ? &t->leaves[leaf->child + child] : leaf;
			a.value[a.leaves++] = rate * tree->nodes[leaf->node].value;
		}
	}
	/* blocks that have several rows of a leaf */
	block = BLOCK_ROWS > 64 * (size_t) a.leaves ? BLOCK_ROWS : 64 * (size_t) a.leaves;
	ml_parallel_for(t->ctx, t->bins->rows, block, add_piece, &a);
	ml_free(t->ctx, a.leaf);
	ml_free(t->ctx, a.value);
}

int
ml_grower_leaves(const MlGrower *t)
{
	return t->nleaves;
}

size_t
ml_grower_leaf(const MlGrower *t, int place, const uint32_t **rows, int *node)
{
	const MlLeaf *leaf = &t->leaves[place];

	*rows = t->rows + leaf->begin;
	*node = leaf->node;
	return leaf->node >= 0 && !leaf->divided ? leaf->rows : 0;
}

/* ---- any rows ---- */

/* A node of a tree as bins see it; a leaf leads to itself. */
typedef struct BinNode
{
	const uint8_t *bytes;		/* of its track, one each stride */
	size_t		stride;
	const uint8_t *goes_right;	/* by byte, or by both: 0 or 1 */
	bool		broad;
	int			left;
	int			right;
} BinNode;

typedef struct Walk
{
	const BinNode *nodes;
	const double *value;		/* [nodes] */
	double	   *add;
} Walk;

/* How many bytes, or pairs of them, there are to mark of a column's track. */
static size_t
marks_of(const MlBins *bins, int column)
{
	return ml_bin_column_is_broad(&bins->column[column]) ? (size_t) bins->column[column].nbins + 1 : 256;
}

/* Write down which bytes of a node's column go right. */
static void
mark_right(const MlBins *bins, const MlTree *tree, const MlTreeNode *node, uint8_t *goes_right)
{
	const MlBinColumn *column = &bins->column[node->feature];

	memset(goes_right, 0, 256);
	if (node->set < 0)
		for (int b = node->bin + 1; b < column->nbins; b++)
			goes_right[b] = 1;
	for (int level = 0; level < column->levels && node->set >= 0; level++)
		goes_right[column->level_bins[level]] =
			!(tree->sets[(size_t) node->set + (size_t) level / 32] >> level % 32 & 1);
	goes_right[column->nbins] = !node->missing_left;
	ml_bins_mark_bytes(bins, node->feature, goes_right);
}

static void
walk_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Walk *w = arg;

	(void) worker;
	for (size_t row = begin; row < end; row++)
	{
		int			at = 0;

		while (w->nodes[at].left != at)
		{
			const BinNode *node = &w->nodes[at];
			const uint8_t *bytes = node->bytes + row * node->stride;

			at = node->goes_right[node->broad ? ml_bins_code(bytes) : *bytes] ? node->right : node->left;
		}
		w->add[row] += w->value[at];
	}
}

void
ml_tree_walk(MlContext *ctx, const MlBins *bins, const MlTree *tree, double rate, double *add)
{
	size_t		count = (size_t) tree->count;
	BinNode    *nodes = ml_alloc_array_zero(ctx, count, sizeof(BinNode));
	double	   *value = ml_alloc_array(ctx, count, sizeof(double));
	uint8_t    *marks;
	size_t		marked = 0;
	Walk		w = {nodes, value, add};

	for (size_t i = 0; i < count; i++)
		if (tree->nodes[i].feature >= 0)
			marked += marks_of(bins, tree->nodes[i].feature);
	marks = ml_alloc(ctx, marked + 1);
	marked = 0;
	for (size_t i = 0; i < count; i++)
	{
		const MlTreeNode *node = &tree->nodes[i];
		int			track;

		value[i] = rate * node->value;
		nodes[i].left = nodes[i].right = (int) i;
		if (node->feature < 0)
			continue;
		track = bins->track_of[node->feature];
		nodes[i] = (BinNode) {
			ml_bins_bytes(bins, track), (size_t) bins->group[bins->group_of[track]].count,
			marks + marked, track >= bins->narrow, node->left, node->right
		};
		mark_right(bins, tree, node, marks + marked);
		marked += marks_of(bins, node->feature);
	}
	ml_parallel_for(ctx, bins->rows, WALK_ROWS, walk_piece, &w);
	ml_free(ctx, nodes);
	ml_free(ctx, value);
	ml_free(ctx, marks);
}

void
ml_grower_walk(MlGrower *t, const MlTree *tree, double rate, double *add)
{
	ml_tree_walk(t->ctx, t->bins, tree, rate, add);
}
