/*
 * Sorting numbers, and rows by a key of 64 bits.
 */
#ifndef ML_SORT_H
#define ML_SORT_H

#include "base/context.h"

/* A number that orders as scores do, with -0 and 0 the same. */
static inline uint64_t
ml_score_key(double score)
{
	uint64_t	bits;

	score += 0.0;				/* -0.0 becomes 0.0 */
	__builtin_memcpy(&bits, &score, sizeof bits);
	return bits ^ ((uint64_t) ((int64_t) bits >> 63) | UINT64_C(0x8000000000000000));
}

/* The two layouts of rows that are sorted: keys alone, or each with its weight (a double) behind it. */
#define ML_WORDS_KEY 1
#define ML_WORDS_WEIGHTED 2

/* The number that a key stands for. */
static inline double
ml_key_score(uint64_t key)
{
	uint64_t	bits = key ^ (~(uint64_t) ((int64_t) key >> 63) | UINT64_C(0x8000000000000000));
	double		score;

	__builtin_memcpy(&score, &bits, sizeof score);
	return score;
}

/* Sort n rows by their keys. buffer: as large; may be NULL for up to ML_SORT_UNBUFFERED rows. */
#define ML_SORT_UNBUFFERED 64
extern void ml_sort_rows(MlContext *ctx, uint64_t *rows, uint64_t *buffer, size_t n, size_t words);

/* A key and what has it. */
typedef struct MlKeyed
{
	uint64_t	key;
	uint64_t	item;
} MlKeyed;

/* Sort by key; those of one key keep their order. */
extern void ml_sort_keyed(MlContext *ctx, MlKeyed *keyed, size_t n);

/* Sort numbers, none of which is NaN; minus zero becomes zero. */
extern void ml_sort_numbers(MlContext *ctx, double *numbers, size_t n);

#endif
