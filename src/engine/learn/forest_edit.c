#include "learn/forest_edit.h"

#include <string.h>

#include "base/threads.h"

/* ---- copying trees ---- */

/* Number the nodes of a tree that are left: those below a leaf go. */
static int
number_nodes(const MlForest *f, size_t tree, const uint8_t *leaf, int32_t *number)
{
	size_t		begin = (size_t) f->tree_begin[tree];
	size_t		end = (size_t) f->tree_begin[tree + 1];
	int			count = 0;

	memset(number, 0xff, (end - begin) * sizeof(int32_t));
	number[0] = 0;
	for (size_t i = begin; i < end; i++)
	{
		if (number[i - begin] < 0)
			continue;
		number[i - begin] = count++;
		if (f->feature[i] >= 0 && (leaf == NULL || !leaf[i]))
			number[(size_t) f->left[i] - begin] = number[(size_t) f->left[i] + 1 - begin] = 0;
	}
	return count;
}

/* Put the set of a node's levels into the tree; returns where. */
static int
copy_set(MlContext *ctx, const MlForest *f, size_t node, MlTree *tree)
{
	size_t		words = ((size_t) f->levels[f->feature[node]] + 31) / 32;
	size_t		at = tree->set_words;

	if (at + words > tree->set_capacity)
	{
		tree->set_capacity = 2 * (at + words);
		tree->sets = ml_realloc(ctx, tree->sets, tree->set_capacity * sizeof(uint32_t));
	}
	memcpy(tree->sets + at, f->sets + (size_t) f->threshold[node], words * sizeof(uint32_t));
	tree->set_words += words;
	return (int) at;
}

/* One node of the loaded forest as a grower would have made it. */
static MlTreeNode
copy_node(MlContext *ctx, const MlForest *f, size_t node, bool leaf, const int32_t *number, size_t begin, MlTree *tree)
{
	MlTreeNode	copy = {.feature = -1,.left = -1,.right = -1,.set = -1};

	copy.cover = f->cover[node];
	if (leaf)
		return copy;
	copy.feature = f->feature[node];
	copy.left = number[(size_t) f->left[node] - begin];
	copy.right = copy.left + 1;
	copy.missing_left = ml_forest_missing_left(f, node);
	copy.gain = f->gain[node];
	if (f->levels[copy.feature] > 0)
		copy.set = copy_set(ctx, f, node, tree);
	else
		copy.threshold = f->threshold[node];
	return copy;
}

/* Room for the largest tree, used for one after the other. */
typedef struct Copy
{
	MlTree		tree;
	int32_t    *number;
	double	   *values;
} Copy;

/* Add what is left of a tree. */
static void
copy_tree(MlForestBuilder *b, const MlForest *f, size_t t, const uint8_t *leaf, const double *values, Copy *copy)
{
	size_t		begin = (size_t) f->tree_begin[t];
	size_t		nodes = (size_t) f->tree_begin[t + 1] - begin;
	size_t		width = (size_t) f->width;
	MlTree	   *tree = &copy->tree;

	tree->count = number_nodes(f, t, leaf, copy->number);
	tree->leaves = (tree->count + 1) / 2;
	tree->set_words = 0;
	for (size_t i = 0; i < nodes; i++)
		if (copy->number[i] >= 0)
		{
			bool		is_leaf = f->feature[begin + i] < 0 || (leaf != NULL && leaf[begin + i]);

			tree->nodes[copy->number[i]] = copy_node(b->ctx, f, begin + i, is_leaf, copy->number, begin, tree);
			memcpy(copy->values + (size_t) copy->number[i] * width, values + (begin + i) * width,
				   width * sizeof(double));
		}
	ml_forest_add(b, tree, copy->values, 1);
}

void
ml_forest_copy(MlForestBuilder *b, const MlForest *f, size_t trees, const uint8_t *leaf, const double *values)
{
	size_t		most = 1;
	Copy		copy = {0};

	for (size_t t = 0; t < trees; t++)
	{
		size_t		nodes = (size_t) (f->tree_begin[t + 1] - f->tree_begin[t]);

		most = nodes > most ? nodes : most;
	}
	copy.tree.nodes = ml_alloc_array(b->ctx, most, sizeof(MlTreeNode));
	copy.number = ml_alloc_array(b->ctx, most, sizeof(int32_t));
	copy.values = ml_alloc_array(b->ctx, most * (size_t) f->width, sizeof(double));
	for (size_t t = 0; t < trees; t++)
	{
		ml_check(b->ctx);
		copy_tree(b, f, t, leaf, values != NULL ? values : f->value, &copy);
	}
	ml_free(b->ctx, copy.tree.nodes);
	ml_free(b->ctx, copy.tree.sets);
	ml_free(b->ctx, copy.number);
	ml_free(b->ctx, copy.values);
}

/* ---- means of nodes ---- */

#define PART_BLOCKS 16			/* blocks of rows that are read before the trees see them */
#define PART_ROWS (PART_BLOCKS * ML_BLOCK_ROWS)

typedef struct Part
{
	MlForestMeans *means;
	size_t		begin;			/* rows of the design */
	size_t		rows;
	double	   *x;				/* [PART_BLOCKS][columns][ML_BLOCK_ROWS] */
} Part;

static inline double *
block_of(const Part *part, size_t block)
{
	return part->x + block * (size_t) part->means->design->columns * ML_BLOCK_ROWS;
}

static void
read_piece(void *arg, size_t begin, size_t end, int worker)
{
	Part	   *part = arg;

	(void) worker;
	for (size_t block = begin; block < end; block++)
	{
		size_t		row = block * ML_BLOCK_ROWS;
		size_t		n = part->rows - row < ML_BLOCK_ROWS ? part->rows - row : ML_BLOCK_ROWS;

		part->means->design->read(part->means->design, part->begin + row, n, block_of(part, block), ML_BLOCK_ROWS);
	}
}

/* The part's rows in their leaves of some trees. */
static void
tree_piece(void *arg, size_t begin, size_t end, int worker)
{
	Part	   *part = arg;
	MlForestMeans *m = part->means;
	const MlDesign *design = m->design;
	size_t		width = (size_t) m->forest->width;

	(void) worker;
	for (size_t t = begin; t < end; t++)
		for (size_t i = 0; i < part->rows; i++)
		{
			size_t		row = part->begin + i;
			double		y = design->target[row];
			double		w = design->weight != NULL ? design->weight[row] : 1;
			size_t		leaf;

			if (m->class_weights != NULL)
				w *= m->class_weights[(int) y];
			if (!(w > 0))
				continue;
			leaf = ml_forest_leaf(m->forest, t, block_of(part, i / ML_BLOCK_ROWS) + i % ML_BLOCK_ROWS, ML_BLOCK_ROWS);
			m->weight[leaf] += w;
			if (width > 1)
				m->sum[leaf * width + (size_t) y] += w;
			else
				m->sum[leaf] += w * y;
		}
}

void
ml_forest_means(MlContext *ctx, MlForestMeans *m)
{
	const MlForest *f = m->forest;
	size_t		width = (size_t) f->width;
	Part		part = {.means = m};

	m->sum = ml_alloc_array_zero(ctx, f->nodes + 1, width * sizeof(double));
	m->weight = ml_alloc_array_zero(ctx, f->nodes + 1, sizeof(double));
	part.x = ml_alloc_array(ctx, (size_t) m->design->columns * PART_ROWS + 1, sizeof(double));
	for (; part.begin < m->design->rows; part.begin += part.rows)
	{
		part.rows = m->design->rows - part.begin < PART_ROWS ? m->design->rows - part.begin : PART_ROWS;
		ml_parallel_for(ctx, (part.rows + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS, 1, read_piece, &part);
		ml_parallel_for(ctx, f->trees, 1, tree_piece, &part);
		ml_check(ctx);
	}
	ml_free(ctx, part.x);
	/* children come after their parents */
	for (size_t i = f->nodes; i-- > 0;)
		for (size_t child = 0; child < 2 && f->feature[i] >= 0; child++)
		{
			size_t		c = (size_t) f->left[i] + child;

			m->weight[i] += m->weight[c];
			for (size_t v = 0; v < width; v++)
				m->sum[i * width + v] += m->sum[c * width + v];
		}
}
