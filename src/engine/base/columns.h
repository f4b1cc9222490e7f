/*
 * Typed columns that grow row by row: what a source becomes before it is
 * prepared.  A column costs 4 bytes a value where all values of a chunk survive
 * float, 8 otherwise; a category costs 1 byte a row where a chunk's codes are few, else 2 or 4, and
 * its dictionary.
 */
#ifndef ML_COLUMNS_H
#define ML_COLUMNS_H

#include "base/context.h"
#include "base/hash.h"
#include "base/recent.h"

/* The kinds of feature; stored in models, so numbers are never reused. */
typedef enum MlKind
{
	ML_KIND_INVALID = 0,
	ML_KIND_NUMBER = 1,			/* numbers, booleans as 0/1, times as seconds */
	ML_KIND_CATEGORY = 2,		/* strings */
	ML_KIND_VECTOR = 3,			/* width numbers a row */
	ML_KIND_TEXT = 4			/* texts as terms (text.h): one number for each term kept */
} MlKind;

/* Rows per chunk; the last chunk of a column is shorter. */
#define ML_CHUNK_ROWS 65536

/* The strings of a category column, numbered from 0 in order of appearance. */
typedef struct MlDictionary
{
	uint32_t	count;
	uint32_t	capacity;
	char	  **strings;		/* NUL-terminated, may contain no NUL */
	uint32_t   *lengths;
	uint64_t   *hashes;			/* ml_hash_bytes(string, length, 0) */
	int32_t    *slots;			/* open addressing, -1 = free */
	uint32_t	nslots;			/* a power of two */
	char	   *room;			/* for strings to come */
	size_t		room_left;
} MlDictionary;

typedef struct MlChunk
{
	void	   *values;			/* double or float [rows * width]; codes for categories */
	bool		is_float;
	/* bytes of a code: 1 and 2 are unsigned, their largest number is NULL; 4 has -1 for it */
	uint8_t		code_size;
} MlChunk;

typedef struct MlColumn
{
	const char *name;
	MlKind		kind;
	/* values a row: 1 but for vectors (0 = not yet known); of texts as many as are kept at most */
	int			width;
	size_t		rows;
	size_t		nchunks;		/* sealed chunks */
	size_t		chunk_capacity;
	MlChunk    *chunks;
	double	   *tail;			/* numbers being appended: [ML_CHUNK_ROWS * width] */
	int32_t    *tail_codes;		/* or codes being appended */
	size_t		tail_rows;
	size_t		tail_capacity;	/* rows */
	MlDictionary *dictionary;	/* of categories, and of texts whose terms are not hashed */
	MlRecent   *recent;			/* codes of categories met lately; NULL = too few were met */
	struct MlTexts *texts;		/* texts only, whose rows are in no chunk */
	size_t		nulls;			/* rows that are NULL */
	size_t		nonfinite;		/* values that were NaN or infinite */
	size_t		nan_values;		/* of these the NaNs, which read like NULL */
} MlColumn;

typedef struct MlTable
{
	size_t		rows;
	int			ncolumns;
	MlColumn  **columns;
} MlTable;

extern MlDictionary *ml_dictionary_create(MlContext *ctx);

/* The code of a string, added when new.  -1 when limit strings are there already. */
extern int32_t ml_dictionary_add(MlContext *ctx, MlDictionary *dictionary,
								 const char *bytes, size_t length, uint32_t limit);

/* The code of a string, -1 when absent. */
extern int32_t ml_dictionary_find(const MlDictionary *dictionary, const char *bytes, size_t length);

extern MlColumn *ml_column_create(MlContext *ctx, const char *name, MlKind kind);

/* Make room for one more row in the tail; called by the append functions when it is full. */
extern void ml_column_grow(MlContext *ctx, MlColumn *column);

/*
 * Append one row.  A NULL number is NaN in the column; a NaN or infinite value
 * that is given is counted in nonfinite (and, as NaN, reads like NULL).
 */
static inline void
ml_column_add_number(MlContext *ctx, MlColumn *column, double value)
{
	if (column->tail_rows == column->tail_capacity)
		ml_column_grow(ctx, column);
	if (!(value - value == 0.0))
	{
		column->nonfinite++;
		column->nan_values += value != value;
	}
	column->tail[column->tail_rows++] = value;
	column->rows++;
}

extern void ml_column_add_null(MlContext *ctx, MlColumn *column);

/* Append a category; raises when the dictionary would pass the limit of distinct values. */
extern void ml_column_add_category(MlContext *ctx, MlColumn *column, const char *bytes, size_t length);

/* Append a vector; raises when its length differs from the rows before. */
extern void ml_column_add_vector(MlContext *ctx, MlColumn *column, const double *values, int width);

/* Forget the rows that are held, not how many there were: width, dictionary and counts stay. */
extern void ml_column_empty(MlContext *ctx, MlColumn *column);

/* Seal the last chunk; no row may be appended after. */
extern void ml_column_finish(MlContext *ctx, MlColumn *column);

/*
 * Read values of rows (row numbers, ascending, n of them; NULL = begin, begin + 1, ...)
 * of one element of the column into out[0..n).  Codes are read as numbers; NULL is NaN.  Not for texts, whose numbers
 * are known once the terms to keep are.
 */
extern void ml_column_read(const MlColumn *column, int element, const uint32_t *rows,
						   size_t begin, size_t n, double *out);

/* hashes[i] += cell hash of row begin + i, for the column'th column of the row. */
extern void ml_column_hash(const MlColumn *column, uint64_t column_number,
						   size_t begin, size_t n, uint64_t *hashes);

#endif
