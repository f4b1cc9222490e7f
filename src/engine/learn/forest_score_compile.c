/*
 * Laying a checked forest out for scoring: the codes of its columns, nodes that compare codes, and the tables of
 * its small trees.  Linear in the nodes but for sorting the distinct thresholds; where a column has more of them
 * than a code can tell apart, or there are too many columns, rows are scored without codes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "learn/forest_internal.h"

#define MAX_THRESHOLDS (1 << 20)	/* distinct ones of all columns */
#define CHECK_NODES 65536

/* A distinct threshold of a column. */
typedef struct Threshold
{
	double		value;
	int32_t		column;			/* prepared */
	uint32_t	number;			/* in order of appearance */
} Threshold;

typedef struct Compiler
{
	MlContext  *ctx;
	const MlForest *forest;
	MlForestCode *code;
	Threshold  *thresholds;
	size_t		count;
	size_t		capacity;
	uint32_t   *slots;			/* open addressing: the number of a threshold + 1, 0 = free */
	size_t		nslots;			/* a power of two, more than twice the capacity */
	uint32_t   *numbers;		/* [nodes]: of the thresholds of the forest's nodes */
	uint16_t   *ranks;			/* [count] by number */
	int32_t    *code_of[2];		/* [columns]: the code of nodes that send missing values right, left; -1 = no node */
} Compiler;

/* ---- codes ---- */

/* Make room for twice as many thresholds. */
static void
grow(Compiler *c)
{
	c->capacity *= 2;
	c->nslots *= 2;
	c->thresholds = ml_realloc(c->ctx, c->thresholds, c->capacity * sizeof(Threshold));
	ml_free(c->ctx, c->slots);
	c->slots = ml_alloc_array_zero(c->ctx, c->nslots, sizeof(uint32_t));
	for (size_t i = 0; i < c->count; i++)
	{
		const Threshold *t = &c->thresholds[i];
		size_t		slot = ml_hash_cell(ml_number_bits(t->value), (uint64_t) t->column) & (c->nslots - 1);

		while (c->slots[slot] != 0)
			slot = (slot + 1) & (c->nslots - 1);
		c->slots[slot] = (uint32_t) i + 1;
	}
}

/* The number of a threshold of a column. */
static uint32_t
number_of(Compiler *c, int32_t column, double value)
{
	size_t		slot = ml_hash_cell(ml_number_bits(value), (uint64_t) column) & (c->nslots - 1);

	for (; c->slots[slot] != 0; slot = (slot + 1) & (c->nslots - 1))
	{
		const Threshold *t = &c->thresholds[c->slots[slot] - 1];

		if (t->column == column && t->value == value)
			return c->slots[slot] - 1;
	}
	if (c->count == c->capacity)
	{
		grow(c);
		return number_of(c, column, value);
	}
	c->slots[slot] = (uint32_t) c->count + 1;
	c->thresholds[c->count] = (Threshold) {value, column, (uint32_t) c->count};
	return (uint32_t) c->count++;
}

/* Number the thresholds of all nodes and see what is compared; false when they are too many. */
static bool
collect(Compiler *c)
{
	const MlForest *f = c->forest;

	for (size_t i = 0; i < f->nodes && c->count <= MAX_THRESHOLDS; i++)
	{
		int32_t		column = f->feature[i];

		if (i % CHECK_NODES == 0)
			ml_check(c->ctx);
		if (column < 0)
			continue;
		c->code_of[f->levels[column] == 0 && ml_forest_missing_left(f, i)][column] = 0;
		if (f->levels[column] == 0)
			c->numbers[i] = number_of(c, column, f->threshold[i]);
		else if (f->levels[column] >= ML_CODE_HIGHEST)
			return false;
	}
	return c->count <= MAX_THRESHOLDS;
}

static int
by_column(const void *pa, const void *pb)
{
	const Threshold *a = pa;
	const Threshold *b = pb;

	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

/* Rank the thresholds; false when a column has too many.  first [columns + 1] becomes where each column's begin. */
static bool
rank_thresholds(Compiler *c, size_t *first)
{
	double	   *values = ml_alloc_array(c->ctx, c->count + 1, sizeof(double));
	size_t		at = 0;

	qsort(c->thresholds, c->count, sizeof(Threshold), by_column);
	c->ranks = ml_alloc_array(c->ctx, c->count + 1, sizeof(uint16_t));
	for (int32_t column = 0; column < c->forest->columns; column++)
	{
		first[column] = at;
		for (; at < c->count && c->thresholds[at].column == column; at++)
		{
			values[at] = c->thresholds[at].value;
			c->ranks[c->thresholds[at].number] = (uint16_t) (at - first[column]);
		}
		if (at - first[column] >= ML_CODE_HIGHEST)
			return false;
	}
	first[c->forest->columns] = at;
	c->code->thresholds = values;
	return true;
}

/* Lay out the columns of the codes; false when there are too many, or none. */
static bool
place_columns(Compiler *c)
{
	const MlForest *f = c->forest;
	MlForestCode *code = c->code;
	size_t	   *first = ml_alloc_array(c->ctx, (size_t) f->columns + 1, sizeof(size_t));
	size_t		count = 0;

	if (!rank_thresholds(c, first))
		return false;
	for (int left = 0; left < 2; left++)
		for (int j = 0; j < f->columns; j++)
			count += c->code_of[left][j] == 0;
	if (count == 0 || count > ML_CODE_COLUMNS)
		return false;
	code->column = ml_alloc_array(c->ctx, count, sizeof(MlCodeColumn));
	for (int j = 0; j < f->columns; j++)
		for (int left = 1; left >= 0; left--)
			if (c->code_of[left][j] == 0)
			{
				c->code_of[left][j] = (int32_t) code->columns;
				code->column[code->columns++] = (MlCodeColumn) {
					.column = j,.levels = f->levels[j],
					.missing = f->levels[j] > 0 ? f->levels[j] : left ? 0 : ML_CODE_HIGHEST,
					.thresholds = code->thresholds + first[j],.count = first[j + 1] - first[j],
				};
			}
	ml_free(c->ctx, first);
	return true;
}

/* ---- nodes ---- */

/* What a node of the forest compares; a leaf nothing. */
static MlCodeNode
code_node(const Compiler *c, size_t i)
{
	const MlForest *f = c->forest;
	int32_t		column = f->feature[i];

	if (column < 0)
		return (MlCodeNode) {.rank = ML_CODE_HIGHEST};
	if (f->levels[column] > 0)
		return (MlCodeNode) {
			.column = (uint16_t) (c->code_of[0][column] | ML_CODE_CATEGORY),.rank = (uint16_t) f->levels[column]
		};
	return (MlCodeNode) {
		.column = (uint16_t) c->code_of[ml_forest_missing_left(f, i)][column],.rank = c->ranks[c->numbers[i]]
	};
}

/*
 * Fill in the nodes of a tree.  The children of the child that more training rows went to come right after it, so
 * that most steps of most rows stay in a cache line.  stack has room for a tree's leaves.
 */
static void
place_nodes(const Compiler *c, size_t tree, uint32_t *stack)
{
	const MlForest *f = c->forest;
	MlForestCode *code = c->code;
	uint32_t	next = (uint32_t) f->tree_begin[tree];
	size_t		waiting = 1;

	code->origin[next] = next;
	stack[0] = next++;
	while (waiting > 0)
	{
		uint32_t	at = stack[--waiting];
		uint32_t	from = code->origin[at];
		uint32_t	left = (uint32_t) f->left[from];
		uint32_t	right_first;

		code->nodes[at] = code_node(c, from);
		if (f->feature[from] < 0)
		{
			code->nodes[at].left = at;
			continue;
		}
		code->has_category[tree] |= f->levels[f->feature[from]] > 0;
		code->nodes[at].left = next;
		code->origin[next] = left;
		code->origin[next + 1] = left + 1;
		right_first = f->cover[left + 1] > f->cover[left];
		stack[waiting++] = next + !right_first;
		stack[waiting++] = next + right_first;
		next += 2;
	}
}

/* Fill in the nodes of all trees. */
static void
place_all_nodes(const Compiler *c)
{
	const MlForest *f = c->forest;
	size_t		most = 0;
	uint32_t   *stack;

	for (size_t t = 0; t < f->trees; t++)
	{
		size_t		nodes = (size_t) (f->tree_begin[t + 1] - f->tree_begin[t]);

		most = nodes > most ? nodes : most;
	}
	stack = ml_alloc_array(c->ctx, most + 1, sizeof(uint32_t));
	for (size_t t = 0; t < f->trees; t++)
		place_nodes(c, t, stack);
	ml_free(c->ctx, stack);
}

/* ---- small trees ---- */

/* Count what the tables of small trees need; returns the words of sets. */
static size_t
place_trees(Compiler *c, size_t *nodes, size_t *values)
{
	const MlForest *f = c->forest;
	size_t		words = 0;

	for (size_t t = 0; t < f->trees; t++)
	{
		size_t		begin = (size_t) f->tree_begin[t];
		size_t		end = (size_t) f->tree_begin[t + 1];
		size_t		leaves = (end - begin + 1) / 2;

		c->code->trees[t] = (MlBitTree) {.begin = (uint32_t) *nodes,.values = *values};
		if (leaves > ML_BITS_LEAVES)
			continue;
		c->code->trees[t].words = leaves > 32 ? 2 : 1;
		*nodes += leaves - 1;
		*values += leaves * (size_t) f->width;
		for (size_t i = begin; i < end; i++)
			if (f->feature[i] >= 0 && f->levels[f->feature[i]] > 0)
				words += ((size_t) f->levels[f->feature[i]] + 32) / 32;
	}
	return words;
}

/* The number of a node's first leaf from the left, and how many it has. */
typedef struct Leaves
{
	uint8_t		first;
	uint8_t		count;
} Leaves;

/* Number the leaves of a small tree from the left; children come after their parents. */
static void
number_leaves(const MlForest *f, size_t begin, size_t end, Leaves *leaves)
{
	for (size_t i = end; i-- > begin;)
		leaves[i - begin].count = f->feature[i] < 0 ? 1 :
			(uint8_t) (leaves[(size_t) f->left[i] - begin].count + leaves[(size_t) f->left[i] + 1 - begin].count);
	leaves[0].first = 0;
	for (size_t i = begin; i < end; i++)
		if (f->feature[i] >= 0)
		{
			Leaves	   *children = leaves + ((size_t) f->left[i] - begin);

			children[0].first = leaves[i - begin].first;
			children[1].first = (uint8_t) (children[0].first + children[0].count);
		}
}

/* A node's set of levels with a bit for what is missing; returns its words. */
static size_t
copy_set(const MlForest *f, size_t node, uint32_t *to)
{
	size_t		levels = (size_t) f->levels[f->feature[node]];
	const uint32_t *set = f->sets + (size_t) f->threshold[node];

	memset(to, 0, (levels + 32) / 32 * sizeof(uint32_t));
	memcpy(to, set, (levels + 31) / 32 * sizeof(uint32_t));
	to[levels / 32] &= (UINT32_C(1) << levels % 32) - 1;
	to[levels / 32] |= (uint32_t) ml_forest_missing_left(f, node) << levels % 32;
	return (levels + 32) / 32;
}

/* The split of a small tree at a node whose left side has these leaves. */
static MlBitNode
bit_node(MlCodeNode node, const Leaves *left)
{
	uint64_t	struck = (left->count < 64 ? (UINT64_C(1) << left->count) - 1 : UINT64_MAX) << left->first;

	return (MlBitNode) {
		(uint32_t) node.column & ~(uint32_t) ML_CODE_CATEGORY, node.rank,
		{(uint32_t) ~struck, (uint32_t) (~struck >> 32)}
	};
}

/* Fill in the tables of a small tree; returns the words of sets after it. */
static size_t
fill_tree(Compiler *c, size_t t, size_t words)
{
	const MlForest *f = c->forest;
	MlForestCode *code = c->code;
	MlBitTree  *tree = &code->trees[t];
	size_t		begin = (size_t) f->tree_begin[t];
	size_t		end = (size_t) f->tree_begin[t + 1];
	size_t		width = (size_t) f->width;
	Leaves		leaves[2 * ML_BITS_LEAVES];

	number_leaves(f, begin, end, leaves);
	tree->end = tree->begin;
	for (int category = 0; category < 2; category++)
	{
		tree->categories = tree->end;
		for (size_t i = begin; i < end; i++)
		{
			MlBitNode  *bits = &code->bit_nodes[tree->end];

			if (f->feature[i] < 0 || (f->levels[f->feature[i]] > 0) != category)
				continue;
			*bits = bit_node(code_node(c, i), &leaves[(size_t) f->left[i] - begin]);
			tree->end++;
			if (category)
			{
				bits->by = (int32_t) words;
				words += copy_set(f, i, code->bit_sets + words);
			}
		}
	}
	for (size_t i = begin; i < end; i++)
		if (f->feature[i] < 0)
			memcpy(code->bit_values + tree->values + leaves[i - begin].first * width, f->value + i * width,
				   width * sizeof(double));
	return words;
}

/* Lay out the small trees, also for a row alone; returns how many there are. */
static size_t
compile_trees(Compiler *c)
{
	MlForestCode *code = c->code;
	size_t		nodes = 0;
	size_t		values = 0;
	size_t		small = 0;
	size_t		words;

	code->trees = ml_alloc_array(c->ctx, c->forest->trees + 1, sizeof(MlBitTree));
	words = place_trees(c, &nodes, &values);
	code->bit_nodes = ml_alloc_array(c->ctx, nodes + 1, sizeof(MlBitNode));
	code->bit_sets = ml_alloc_array(c->ctx, words + 1, sizeof(uint32_t));
	code->bit_values = ml_alloc_array(c->ctx, values + 1, sizeof(double));
	words = 0;
	for (size_t t = 0; t < c->forest->trees; t++)
		if (code->trees[t].words > 0)
		{
			words = fill_tree(c, t, words);
			small++;
		}
	code->kernels[0] = ml_bits_kernel(1);
	code->kernels[1] = ml_bits_kernel(2);
	code->row_table = ml_row_table_create(c->ctx, c->forest, code, words);
	return small;
}

/* ---- all of it ---- */

/* Are there so many splits by large sets in small trees that rows had better come one by one to the table for those? */
static bool
prefer_rows(const MlForest *f, const MlForestCode *code)
{
	size_t		large = 0;

	for (size_t i = 0; i < f->nodes; i++)
		large += f->feature[i] >= 0 && f->levels[f->feature[i]] >= 32;
	return code->row_table != NULL && large > f->nodes / 32;
}

/* Lay out what compares codes; false when rows are to be scored without. */
static bool
compile_codes(Compiler *c)
{
	const MlForest *f = c->forest;
	MlForestCode *code = c->code;
	size_t		chunk;
	size_t		small;

	if (!collect(c) || !place_columns(c))
		return false;
	code->nodes = ml_alloc_array(c->ctx, f->nodes + 1, sizeof(MlCodeNode));
	code->origin = ml_alloc_array(c->ctx, f->nodes + 1, sizeof(uint32_t));
	code->has_category = ml_alloc_array_zero(c->ctx, f->trees + 1, sizeof(bool));
	place_all_nodes(c);
	small = compile_trees(c);
	chunk = ML_CHUNK_CODES / code->columns / ML_BITS_ROWS * ML_BITS_ROWS;
	/* rows that walk gain from a tree that stays in the cache, the others from codes that do */
	if (chunk > ML_BITS_ROWS && 2 * small > f->trees)
		chunk = ML_BITS_ROWS;
	code->chunk = prefer_rows(f, code) ? 0 : chunk < ML_BLOCK_ROWS ? chunk : ML_BLOCK_ROWS;
	return true;
}

MlForestCode *
ml_forest_compile(MlContext *ctx, const MlForest *f)
{
	Compiler	c = {.ctx = ctx,.forest = f,.capacity = 1024,.nslots = 4096};

	c.code = ml_alloc_zero(ctx, sizeof *c.code);
	c.thresholds = ml_alloc_array(ctx, c.capacity, sizeof(Threshold));
	c.slots = ml_alloc_array_zero(ctx, c.nslots, sizeof(uint32_t));
	c.numbers = ml_alloc_array(ctx, f->nodes + 1, sizeof(uint32_t));
	for (int left = 0; left < 2; left++)
	{
		c.code_of[left] = ml_alloc_array(ctx, (size_t) f->columns + 1, sizeof(int32_t));
		memset(c.code_of[left], -1, ((size_t) f->columns + 1) * sizeof(int32_t));
	}
	if (!compile_codes(&c))
		*c.code = (MlForestCode) {.columns = 0};
	ml_free(ctx, c.thresholds);
	ml_free(ctx, c.slots);
	ml_free(ctx, c.numbers);
	ml_free(ctx, c.ranks);
	ml_free(ctx, c.code_of[0]);
	ml_free(ctx, c.code_of[1]);
	return c.code;
}
