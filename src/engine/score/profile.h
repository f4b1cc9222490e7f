/*
 * What a column is like, and how much it says of another one.
 */
#ifndef ML_PROFILE_H
#define ML_PROFILE_H

#include "base/columns.h"

#define ML_PROFILE_QUANTILES 5
#define ML_PROFILE_BINS 10
#define ML_PROFILE_TOP 5

/* Shares whose quantiles a profile has. */
extern const double ml_profile_shares[ML_PROFILE_QUANTILES];	/* 0.05, 0.25, 0.5, 0.75, 0.95 */

typedef struct MlProfile
{
	size_t		rows;
	size_t		nulls;
	size_t		distinct;		/* values */

	/* numbers only, of the values that are finite; NaN where there are none */
	double		min;
	double		max;
	double		mean;
	double		sd;				/* of a sample: NaN below two values */
	double		skew;			/* m3 / m2^1.5; NaN for a constant */
	double		quantiles[ML_PROFILE_QUANTILES];	/* interpolated linearly */
	size_t		histogram[ML_PROFILE_BINS]; /* of bins of equal width from min to max, the last one with max */

	/* the most frequent values, most frequent first, of equally frequent ones the least, long numbers last */
	int			ntop;
	double		top[ML_PROFILE_TOP];	/* the number, or the code of the category */
	bool		top_long[ML_PROFILE_TOP];	/* instead a long number, of this key */
	uint64_t	top_key[ML_PROFILE_TOP];
	size_t		top_count[ML_PROFILE_TOP];

	/* the range of the numbers that double precision tells apart; NaN where there are none */
	double		plain_min;
	double		plain_max;

	/* the least and the greatest key of long numbers, where there are any */
	uint64_t	long_min;
	uint64_t	long_max;
} MlProfile;

/* Numbers of a column that have more digits than double precision tells apart. */
typedef struct MlLongNumbers
{
	size_t		n;
	const size_t *rows;			/* [n] ascending */
	const uint64_t *keys;		/* [n]: equal where the numbers are */
	const MlDictionary *texts;	/* of which the keys are codes; NULL = keys ascend as the numbers do */
} MlLongNumbers;

/* The profile of a column of numbers or categories; some of the numbers may be known to more digits (NULL = none). */
extern void ml_profile_column(MlContext *ctx, const MlColumn *column, const MlLongNumbers *numbers, MlProfile *profile);

/*
 * Pearson's correlation of two columns of numbers over the rows where neither is NULL (n of them); NaN where a side is
 * constant.
 */
extern double ml_correlation(const double *x, const double *y, size_t n);

/* The ranks of values, equal ones sharing the mean of theirs. */
extern void ml_ranks(MlContext *ctx, const double *values, size_t n, double *ranks);

/*
 * How much of a target a feature alone explains on rows that it was not fitted on: 1 - the squared errors of the mean
 * target of its bins (or levels), over those of the mean of all; of classes (classes > 0, target[i] the class), over
 * the indicators of all of them.  Bins are fitted on every other row and judged on the rest.  A NULL feature is a bin.
 * categories: feature[i] is a code, else a number.  NaN where it cannot be told: below 2 * ML_SKILL_ROWS rows, or a
 * constant target.
 */
#define ML_SKILL_ROWS 20
#define ML_LEAK_SKILL 0.98		/* from here on a feature is thought to be too good to be true */
extern double ml_feature_skill(MlContext *ctx, const double *feature, bool categories, const double *target,
							   int classes, size_t n);

#endif
