/*
 * Metrics of the order of one query's rows by their score, the highest first.  Rows of equal score share their places:
 * each metric is its mean over all orders of them.  All sort the rows.
 */
#ifndef ML_RANKING_H
#define ML_RANKING_H

#include <stddef.h>

typedef struct MlRanked
{
	double		score;			/* not NaN */
	double		gain;			/* not negative; above 0 = relevant */
} MlRanked;

/* The gains up to place k, each times its discount 1 / log2(place + 1). */
extern double ml_dcg(MlRanked *rows, size_t n, size_t k);

/* The same over that of the best order; NaN when no row has a gain. */
extern double ml_ndcg(MlRanked *rows, size_t n, size_t k);

/* One over the place of the first relevant row; 0 when there is none. */
extern double ml_reciprocal_rank(MlRanked *rows, size_t n);

/* The relevant rows among the first k, over k. */
extern double ml_precision_at_k(MlRanked *rows, size_t n, size_t k);

/* The relevant rows among the first k, over all relevant ones; NaN when there is none. */
extern double ml_recall_at_k(MlRanked *rows, size_t n, size_t k);

#endif
