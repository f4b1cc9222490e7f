/*
 * Scoring with trees: the sum of the leaves that a row falls into.
 *
 * Rows are turned into codes (forest_internal.h) a chunk at a time.  Small trees are applied to all rows of a
 * chunk at once (forest_score_bits.c), or all of them to a row alone (forest_score_row.c).  Down the others, several
 * rows of one tree go side by side, or several trees of one row: a step waits for none of the steps beside it.
 */
#include <string.h>

#include "learn/forest_internal.h"

#define LANES 16				/* that go down side by side */
#define CODE_LANES 8			/* numbers that are turned into codes side by side */
#define FEW_ROWS 16				/* fewer are scored one by one */

/* ---- codes ---- */

/* The codes of CODE_LANES numbers; one that is missing gets 0. */
static inline void
code_numbers(const double *thresholds, size_t count, const double *v, int32_t *codes)
{
	size_t		low[CODE_LANES] = {0};

	while (count > 1)
	{
		size_t		half = count / 2;

#pragma GCC unroll 8
		for (int l = 0; l < CODE_LANES; l++)
			low[l] += thresholds[low[l] + half - 1] < v[l] ? half : 0;
		count -= half;
	}
	for (int l = 0; l < CODE_LANES; l++)
		codes[l] = (int32_t) (low[l] + (thresholds[low[l]] < v[l]));
}

/* The codes of n rows of a column. */
static void
code_column(const MlCodeColumn *column, const double *v, size_t n, int32_t *codes)
{
	size_t		i = 0;

	if (column->levels > 0)
	{
		for (; i < n; i++)
			codes[i] = ml_code_category(column, v[i]);
		return;
	}
	for (; i + CODE_LANES <= n; i += CODE_LANES)
		code_numbers(column->thresholds, column->count, v + i, codes + i);
	for (; i < n; i++)
		codes[i] = ml_code_number(column->thresholds, column->count, v[i]);
	for (i = 0; i < n && column->missing != 0; i++)
		codes[i] = v[i] == v[i] ? codes[i] : column->missing;
}

/* The codes of n rows, codes[c * chunk + i]; those of rows that fill up the last of ML_BITS_ROWS are 0. */
static void
code_rows(const MlForestCode *code, const double *x, size_t ldx, size_t n, int32_t *codes)
{
	size_t		whole = (n + ML_BITS_ROWS - 1) / ML_BITS_ROWS * ML_BITS_ROWS;

	for (size_t c = 0; c < code->columns; c++)
	{
		const MlCodeColumn *column = &code->column[c];
		const double *v = x + (size_t) column->column * ldx;
		int32_t    *to = codes + c * code->chunk;

		if (ml_code_is_twin(code, c))
			for (size_t i = 0; i < n; i++)
				to[i] = v[i] == v[i] ? to[i - code->chunk] : column->missing;
		else
			code_column(column, v, n, to);
		for (size_t i = n; i < whole; i++)
			to[i] = 0;
	}
}

/* The codes of one row. */
static void
code_row(const MlForestCode *code, const double *x, size_t ldx, int32_t *codes)
{
	for (size_t c = 0; c < code->columns; c++)
	{
		const MlCodeColumn *column = &code->column[c];
		double		v = x[(size_t) column->column * ldx];

		if (column->levels > 0)
			codes[c] = ml_code_category(column, v);
		else if (v != v)
			codes[c] = column->missing;
		else
			codes[c] = ml_code_is_twin(code, c) ? codes[c - 1] : ml_code_number(column->thresholds, column->count, v);
	}
}

/* ---- walking ---- */

/* The next node of a row, which may split a category; codes[column * ldc]. */
static inline uint32_t
step_any(const MlForest *f, uint32_t at, const int32_t *codes, size_t ldc)
{
	MlCodeNode	node = f->code->nodes[at];
	int32_t		v = codes[(size_t) (node.column & ~ML_CODE_CATEGORY) * ldc];

	if (!(node.column & ML_CODE_CATEGORY))
		return node.left + (v > node.rank);
	at = f->code->origin[at];
	if (v == node.rank)
		return node.left + !ml_forest_missing_left(f, at);
	return node.left + !(f->sets[(size_t) f->threshold[at] + (size_t) v / 32] >> v % 32 & 1);
}

/* The same where no node splits a category. */
static inline uint32_t
step_number(const MlForest *f, uint32_t at, const int32_t *codes, size_t ldc)
{
	MlCodeNode	node = f->code->nodes[at];

	return node.left + (codes[(size_t) node.column * ldc] > node.rank);
}

/* Move nodes until all are leaves; lane l has the codes at codes[l * lane]. */
static inline void
walk(const MlForest *f, bool categories, const int32_t *codes, size_t ldc, size_t lane, uint32_t *at)
{
	uint32_t	moved;

	do
	{
		moved = 0;
#pragma GCC unroll 16
		for (size_t l = 0; l < LANES; l++)
		{
			uint32_t	next = categories ? step_any(f, at[l], codes + l * lane, ldc) :
				step_number(f, at[l], codes + l * lane, ldc);

			moved |= next ^ at[l];
			at[l] = next;
		}
	} while (moved);
}

/* The leaves of LANES rows in a tree. */
static void
walk_rows(const MlForest *f, size_t tree, const int32_t *codes, size_t ldc, uint32_t *at)
{
	for (int l = 0; l < LANES; l++)
		at[l] = (uint32_t) f->tree_begin[tree];
	if (f->code->has_category[tree])
		walk(f, true, codes, ldc, 1, at);
	else
		walk(f, false, codes, ldc, 1, at);
}

/* ---- sums ---- */

/* Add the values of the leaf that a walk ended in. */
static inline void
add_end(const MlForest *f, size_t tree, uint32_t at, double *out, size_t ldout)
{
	ml_forest_add_leaf(f, tree, f->value + (size_t) f->code->origin[at] * (size_t) f->width, out, ldout);
}

/* Add a tree to n rows by walking. */
static void
add_walked(const MlForest *f, size_t tree, const int32_t *codes, size_t n, double *out, size_t ldout)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		uint32_t	at[LANES];

		walk_rows(f, tree, codes + i, f->code->chunk, at);
		for (size_t l = 0; l < LANES && i + l < n; l++)
			add_end(f, tree, at[l], out + i + l, ldout);
	}
}

/* Add a small tree to n <= ML_BITS_ROWS rows. */
static void
add_bits(const MlForest *f, size_t t, const int32_t *codes, size_t n, double *out, size_t ldout)
{
	const MlForestCode *code = f->code;
	const MlBitTree *tree = &code->trees[t];
	const double *values = code->bit_values + tree->values;
	size_t		width = (size_t) f->width;
	uint32_t	masks[ML_BITS_LEAVES / 32 * ML_BITS_ROWS];

	code->kernels[tree->words - 1] (code->bit_nodes + tree->begin, tree->categories - tree->begin, codes,
									code->chunk, masks);
	if (tree->categories < tree->end)
		ml_bits_categories(code, tree, codes, code->chunk, masks);
	if (tree->words == 1 && width == 1)
	{
		double	   *to = out + t % (size_t) f->outputs * ldout;

		for (size_t i = 0; i < n; i++)
			to[i] += values[__builtin_ctz(masks[i])];
		return;
	}
	for (size_t i = 0; i < n; i++)
	{
		uint64_t	mask = masks[i] | (tree->words > 1 ? (uint64_t) masks[ML_BITS_ROWS + i] << 32 : 0);

		ml_forest_add_leaf(f, t, values + (size_t) __builtin_ctzll(mask) * width, out + i, ldout);
	}
}

/* Add all trees to n rows, a chunk at most. */
static void
sum_rows(const MlForest *f, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	int32_t		codes[ML_CHUNK_CODES] __attribute__((aligned(64)));

	code_rows(f->code, x, ldx, n, codes);
	for (size_t t = 0; t < f->trees; t++)
		if (f->code->trees[t].words == 0)
			add_walked(f, t, codes, n, out, ldout);
		else
			for (size_t i = 0; i < n; i += ML_BITS_ROWS)
				add_bits(f, t, codes + i, n - i < ML_BITS_ROWS ? n - i : ML_BITS_ROWS, out + i, ldout);
}

/* Add all trees to one row, LANES trees side by side. */
static void
sum_row(const MlForest *f, const double *x, size_t ldx, double *out, size_t ldout)
{
	int32_t		codes[ML_CODE_COLUMNS];

	code_row(f->code, x, ldx, codes);
	for (size_t t = 0; t < f->trees; t += LANES)
	{
		size_t		lanes = f->trees - t < LANES ? f->trees - t : LANES;
		bool		categories = false;
		uint32_t	at[LANES];

		for (size_t l = 0; l < LANES; l++)
		{
			size_t		tree = l < lanes ? t + l : t;

			at[l] = (uint32_t) f->tree_begin[tree];
			categories |= f->code->has_category[tree];
		}
		if (categories)
			walk(f, true, codes, 1, 0, at);
		else
			walk(f, false, codes, 1, 0, at);
		for (size_t l = 0; l < lanes; l++)
			add_end(f, t + l, at[l], out, ldout);
	}
}

/* Add all trees to one row without codes. */
static void
sum_plain(const MlForest *f, const double *x, size_t ldx, double *out, size_t ldout)
{
	for (size_t t = 0; t < f->trees; t++)
		ml_forest_add_leaf(f, t, f->value + ml_forest_leaf(f, t, x, ldx) * (size_t) f->width, out, ldout);
}

void
ml_forest_sum(const MlForest *forest, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const MlForestCode *code = forest->code;
	size_t		i = 0;

	while (code->chunk > 0 && n - i >= FEW_ROWS)
	{
		size_t		rows = n - i < code->chunk ? n - i : code->chunk;

		sum_rows(forest, x + i, ldx, rows, out + i, ldout);
		i += rows;
	}
	for (; i < n; i++)
		if (code->row_table != NULL)
			ml_row_table_sum(forest, x + i, ldx, out + i, ldout);
		else if (code->columns > 0)
			sum_row(forest, x + i, ldx, out + i, ldout);
		else
			sum_plain(forest, x + i, ldx, out + i, ldout);
}
