/*
 * Small trees applied to one row, all at once.
 *
 * Problem: the leaves of one row in trees of at most 64 leaves each.  For every code of a column there is a row of
 * masks, one of each tree: the leaves that the splits by this column leave to a value of this code.  The leaves that
 * all columns leave are the candidates of forest_score_bits.c, so that a row costs one AND of masks a column.
 */
#include <string.h>

#include "base/simd.h"
#include "learn/forest_internal.h"

#define MAX_WORDS ((size_t) 1 << 20)	/* of a table */
#define MAX_STRIDE 4096
#define MAX_COLUMNS 512
#define MAX_SET_WORDS 131072	/* of all sets, whose bits are looked at one by one */
#define STEP 4					/* rows of masks that are combined in one pass */

/* A column of the forest that some node compares. */
typedef struct RowColumn
{
	const MlCodeColumn *code;
	const uint32_t *masks;		/* [codes][stride] */
} RowColumn;

struct MlRowTable
{
	size_t		stride;			/* words of the masks of all trees, rounded up */
	size_t		count;
	RowColumn  *column;			/* [count] */
	uint32_t   *masks;
	uint32_t   *of_code;		/* [code columns]: where the masks of a column begin, in rows of masks */
};

/* ---- building ---- */

/* Codes of a column, one for missing values included, which is the last. */
static size_t
codes_of(const MlCodeColumn *column)
{
	return column->levels > 0 ? (size_t) column->levels + 1 : column->count + 2;
}

/* Lay out the columns; returns the rows of masks. */
static size_t
place_columns(const MlForestCode *code, MlRowTable *table)
{
	size_t		rows = 0;

	for (size_t c = 0; c < code->columns; c++)
	{
		if (ml_code_is_twin(code, c))
		{
			table->of_code[c] = table->of_code[c - 1];
			continue;
		}
		table->of_code[c] = (uint32_t) rows;
		table->column[table->count++].code = &code->column[c];
		rows += codes_of(&code->column[c]);
	}
	return rows;
}

/* The masks of a column's first code, in the words of a tree. */
static inline uint32_t *
masks_at(const MlRowTable *table, const MlBitNode *node, size_t word)
{
	return table->masks + table->of_code[node->column] * table->stride + word;
}

/* Strike the left side's leaves of a split of numbers out for codes that go right; word is the tree's first. */
static void
strike_number(const MlForestCode *code, MlRowTable *table, const MlBitTree *tree, const MlBitNode *node, size_t word)
{
	const MlCodeColumn *column = &code->column[node->column];
	uint32_t   *masks = masks_at(table, node, word);

	for (uint32_t w = 0; w < tree->words; w++)
	{
		/* codes above get it from the one below them */
		masks[((size_t) node->by + 1) * table->stride + w] &= node->keep[w];
		if (column->missing != 0)
			masks[(column->count + 1) * table->stride + w] &= node->keep[w];
	}
}

/* The same of a split of categories, for 32 of the levels. */
static void
strike_levels(const MlForestCode *code, MlRowTable *table, const MlBitTree *tree, const MlBitNode *node, size_t block,
			  size_t word)
{
	size_t		codes = (size_t) code->column[node->column].levels + 1;
	size_t		n = codes - 32 * block < 32 ? codes - 32 * block : 32;
	uint32_t   *masks = masks_at(table, node, word) + 32 * block * table->stride;
	uint32_t	right = ~code->bit_sets[(size_t) node->by + block] & (UINT32_MAX >> (32 - n));

	for (; right != 0; right &= right - 1)
		for (uint32_t w = 0; w < tree->words; w++)
			masks[(size_t) __builtin_ctz(right) * table->stride + w] &= node->keep[w];
}

/* Fill in the masks; those of categories 32 levels at a time, which the nearest cache holds. */
static void
fill(const MlForest *f, const MlForestCode *code, MlRowTable *table)
{
	size_t		blocks = 1;

	for (size_t block = 0; block < blocks; block++)
	{
		size_t		word = 0;

		for (size_t t = 0; t < f->trees; t++)
		{
			const MlBitTree *tree = &code->trees[t];

			for (size_t i = tree->begin; i < tree->categories && block == 0; i++)
				strike_number(code, table, tree, &code->bit_nodes[i], word);
			for (size_t i = tree->categories; i < tree->end; i++)
			{
				size_t		words = (size_t) code->column[code->bit_nodes[i].column].levels / 32 + 1;

				blocks = words > blocks ? words : blocks;
				if (block < words)
					strike_levels(code, table, tree, &code->bit_nodes[i], block, word);
			}
			word += tree->words;
		}
	}
	for (size_t c = 0; c < code->columns; c++)
	{
		uint32_t   *masks = table->masks + table->of_code[c] * table->stride;

		for (size_t i = table->stride; i < (code->column[c].count + 1) * table->stride; i++)
			masks[i] &= masks[i - table->stride];
	}
}

MlRowTable *
ml_row_table_create(MlContext *ctx, const MlForest *f, const MlForestCode *code, size_t set_words)
{
	MlRowTable *table;
	size_t		words = 0;
	size_t		rows;

	for (size_t t = 0; t < f->trees; t++)
	{
		if (code->trees[t].words == 0)
			return NULL;
		words += code->trees[t].words;
	}
	if (words > MAX_STRIDE || code->columns > MAX_COLUMNS || set_words > MAX_SET_WORDS)
		return NULL;
	table = ml_alloc_zero(ctx, sizeof *table);
	table->stride = (words + 15) / 16 * 16;
	table->column = ml_alloc_array(ctx, code->columns, sizeof(RowColumn));
	table->of_code = ml_alloc_array(ctx, code->columns, sizeof(uint32_t));
	rows = place_columns(code, table);
	if (rows * table->stride > MAX_WORDS)
		return NULL;
	table->masks = ml_alloc_array(ctx, rows * table->stride, sizeof(uint32_t));
	memset(table->masks, 0xff, rows * table->stride * sizeof(uint32_t));
	fill(f, code, table);
	rows = 0;
	for (size_t c = 0; c < table->count; c++)
	{
		table->column[c].masks = table->masks + rows * table->stride;
		rows += codes_of(table->column[c].code);
	}
	return table;
}

/* ---- scoring ---- */

/* masks = what count rows of them have in common; count is a multiple of STEP. */
static ML_MULTIVERSION void
combine(const uint32_t *const *rows, size_t count, size_t stride, uint32_t *restrict masks)
{
	memset(masks, 0xff, stride * sizeof(uint32_t));
	for (size_t r = 0; r < count; r += STEP)
	{
		const uint32_t *a = rows[r];
		const uint32_t *b = rows[r + 1];
		const uint32_t *c = rows[r + 2];
		const uint32_t *d = rows[r + 3];

		for (size_t i = 0; i < stride; i++)
			masks[i] &= a[i] & b[i] & c[i] & d[i];
	}
}

/* The masks of a column for a value. */
static inline const uint32_t *
masks_of(const RowColumn *column, double v, size_t stride)
{
	const MlCodeColumn *code = column->code;
	size_t		number;

	if (code->levels > 0)
		number = (size_t) ml_code_category(code, v);
	else
		number = v == v ? (size_t) ml_code_number(code->thresholds, code->count, v) : code->count + 1;
	return column->masks + number * stride;
}

void
ml_row_table_sum(const MlForest *f, const double *x, size_t ldx, double *out, size_t ldout)
{
	const MlForestCode *code = f->code;
	const MlRowTable *table = code->row_table;
	const uint32_t *rows[MAX_COLUMNS + STEP];
	uint32_t	masks[MAX_STRIDE] __attribute__((aligned(64)));
	const uint32_t *mask = masks;
	size_t		count = table->count;

	for (size_t c = 0; c < count; c++)
		rows[c] = masks_of(&table->column[c], x[(size_t) table->column[c].code->column * ldx], table->stride);
	while (count % STEP != 0)
	{
		rows[count] = rows[0];
		count++;
	}
	combine(rows, count, table->stride, masks);
	for (size_t t = 0; t < f->trees; t++)
	{
		const MlBitTree *tree = &code->trees[t];
		size_t		leaf = mask[0] != 0 ? (size_t) __builtin_ctz(mask[0]) : 32 + (size_t) __builtin_ctz(mask[1]);

		ml_forest_add_leaf(f, t, code->bit_values + tree->values + leaf * (size_t) f->width, out, ldout);
		mask += tree->words;
	}
}
