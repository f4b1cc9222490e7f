/*
 * Which rows are held out.  Random splits go by the hash of a row's content and the seed, not
 * by its position: the same rows fall on the same side in whatever order they were read.  Copies of a row
 * are told apart by a number each: they are divided like other rows, and which of them is where makes no difference.
 */
#ifndef ML_SPLIT_H
#define ML_SPLIT_H

#include "model/pipeline.h"

/* The hash of every row (see hash.h) and, added to digest, the digest of all of them. */
extern uint64_t *ml_split_hashes(MlContext *ctx, const MlTable *table, MlDigest *digest);

/*
 * Hashes in which copies of a row differ: the first has the row's own hash, the next ones are numbered.
 * NULL when no two rows have the same.
 */
extern uint64_t *ml_split_apart(MlContext *ctx, const uint64_t *hashes, size_t n);

/*
 * Mark held-out rows: test[row] = 1.  rows lists the rows that take part (n of them, ascending); klass the class
 * of each of them for a stratified split (classes of them; NULL: not stratified); order the value
 * each has in the split's column (NULL when it has none).  hashes is by row of the table.
 */
extern void ml_split_mark(MlContext *ctx, const MlSplit *split, const uint32_t *rows, size_t n,
						  const double *klass, int classes, const uint64_t *hashes,
						  const double *order, uint8_t *test);

/* The share of n rows to hold out, where test_size may be their number; raises when that leaves none. */
extern double ml_split_share(MlContext *ctx, const MlSplit *split, size_t n);

/* The k-th smallest (from 0) of keys, which are reordered. */
extern uint64_t ml_select_key(uint64_t *keys, size_t n, size_t k);

#endif
