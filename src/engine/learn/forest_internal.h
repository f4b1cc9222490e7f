/*
 * Between loading a forest (forest.c), laying it out (forest_score_compile.c) and scoring with it
 * (forest_score.c, forest_score_bits.c, forest_score_row.c).
 *
 * Rows are scored as codes: a value becomes the number of its column's thresholds that are below it, so that
 * x <= threshold number j is code <= j, to the bit, and a missing value becomes the lowest or the highest code.
 * A column whose nodes send missing values to both sides has two codes.  A category's code is its level, and
 * the number of levels for one that is missing or unknown.
 */
#ifndef ML_FOREST_INTERNAL_H
#define ML_FOREST_INTERNAL_H

#include "learn/forest.h"

#define ML_CODE_HIGHEST UINT16_MAX	/* above the number of thresholds of any column */
#define ML_CODE_CATEGORY UINT16_C(0x8000)	/* in MlCodeNode.column */
#define ML_CODE_COLUMNS 0x7fff	/* at most */
#define ML_CHUNK_CODES 32768	/* codes of a chunk of rows, which lie on the stack, at most */
#define ML_BITS_ROWS 64			/* rows that a tree is applied to at once */
#define ML_BITS_LEAVES 64		/* leaves of a tree that is applied so, at most */

/* What a row's codes are of, in ascending order of column and missing. */
typedef struct MlCodeColumn
{
	int			column;			/* prepared column */
	int			levels;			/* of a category, 0 for a number */
	int32_t		missing;		/* the code of a missing value */
	const double *thresholds;	/* numbers: ascending, those of both codes of a column */
	size_t		count;
} MlCodeColumn;

/* Code above rank goes right.  A leaf leads back to itself, since no code is above ML_CODE_HIGHEST. */
typedef struct MlCodeNode
{
	uint32_t	left;			/* the right child follows */
	uint16_t	column;			/* of the codes, and ML_CODE_CATEGORY */
	uint16_t	rank;			/* of the threshold; a category: its levels */
} MlCodeNode;

/* A split of a small tree: the leaves (bits, from the left) that a row which goes right can still end in. */
typedef struct MlBitNode
{
	uint32_t	column;
	int32_t		by;				/* a number: rank of the threshold; a category: first word in bit_sets */
	uint32_t	keep[ML_BITS_LEAVES / 32];
} MlBitNode;

/* A small tree: its splits of numbers, then those of categories. */
typedef struct MlBitTree
{
	uint32_t	begin;
	uint32_t	categories;		/* where these begin */
	uint32_t	end;
	uint32_t	words;			/* of 32 leaves; 0 = not a small tree */
	size_t		values;			/* first of the leaves' */
} MlBitTree;

/* Apply splits of numbers to ML_BITS_ROWS rows: masks[word * ML_BITS_ROWS + row] are the leaves left. */
typedef void (*MlBitKernel) (const MlBitNode *nodes, size_t count, const int32_t *codes, size_t ldc, uint32_t *masks);

typedef struct MlRowTable MlRowTable;	/* forest_score_row.c */

struct MlForestCode
{
	size_t		columns;		/* 0 = there are no codes, and rows go down the trees as they are */
	MlCodeColumn *column;		/* [columns] */
	const double *thresholds;	/* of all columns */
	MlCodeNode *nodes;			/* [nodes] tree by tree, the root first */
	uint32_t   *origin;			/* [nodes] which of the forest's a node is */
	bool	   *has_category;	/* [trees] */
	size_t		chunk;			/* rows that are coded at once; 0 = one by one */
	MlBitTree  *trees;			/* [trees] */
	MlBitNode  *bit_nodes;
	uint32_t   *bit_sets;		/* a bit a level and one for missing, (levels + 32) / 32 words a node */
	double	   *bit_values;		/* width of them a leaf */
	MlBitKernel kernels[ML_BITS_LEAVES / 32];	/* by words */
	MlRowTable *row_table;		/* NULL = a row alone walks */
};

/* Lay the checked trees out for scoring. */
extern MlForestCode *ml_forest_compile(MlContext *ctx, const MlForest *forest);

/* The fastest kernel for trees of that many words on this processor. */
extern MlBitKernel ml_bits_kernel(int words);

/* Apply splits of categories to masks, as a kernel does those of numbers. */
extern void ml_bits_categories(const MlForestCode *code, const MlBitTree *tree, const int32_t *codes, size_t ldc,
							   uint32_t *masks);

/* The table for a row alone; NULL where trees are large or the table would be.  set_words: of bit_sets. */
extern MlRowTable *ml_row_table_create(MlContext *ctx, const MlForest *forest, const MlForestCode *code,
									   size_t set_words);

/* Add all trees to one row by the table. */
extern void ml_row_table_sum(const MlForest *forest, const double *x, size_t ldx, double *out, size_t ldout);

/* The code of a number that is not missing: how many of the thresholds are below it. */
static inline int32_t
ml_code_number(const double *thresholds, size_t count, double v)
{
	size_t		low = 0;

	while (count > 1)
	{
		size_t		half = count / 2;

		low += thresholds[low + half - 1] < v ? half : 0;
		count -= half;
	}
	return (int32_t) (low + (thresholds[low] < v));
}

/* The code of a category. */
static inline int32_t
ml_code_category(const MlCodeColumn *column, double v)
{
	return v >= 0 && v < column->levels ? (int32_t) v : column->missing;
}

/* Has a column the same numbers as the one before it, but missing ones on the other side? */
static inline bool
ml_code_is_twin(const MlForestCode *code, size_t c)
{
	return c > 0 && code->column[c].column == code->column[c - 1].column;
}

/* Add a leaf's values to a row's scores. */
static inline void
ml_forest_add_leaf(const MlForest *f, size_t tree, const double *value, double *out, size_t ldout)
{
	if (f->width == 1)
		out[tree % (size_t) f->outputs * ldout] += *value;
	else
		for (size_t c = 0; c < (size_t) f->width; c++)
			out[c * ldout] += value[c];
}

#endif
