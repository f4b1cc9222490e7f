/*
 * Count, mean, deviations and range of a column of numbers, gathered block by block in one
 * pass and mergeable.  NaN is a missing value.  Source: Chan, Golub and LeVeque, "Updating formulae
 * and a pairwise algorithm for computing sample variances", 1979.
 */
#ifndef ML_MOMENTS_H
#define ML_MOMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* Numbers beyond this cannot be learned from: their squares would overflow. */
#define ML_LARGEST 1e150

typedef struct MlMoments
{
	double		count;			/* values that are not missing */
	double		nulls;			/* values that are */
	double		mean;
	double		m2;				/* sum of squared deviations from the mean */
	double		min;			/* of no value: larger than max */
	double		max;
} MlMoments;

extern void ml_moments_init(MlMoments *m);

/* Add n values (a block of some hundred); tells whether all of them were finite (false: perhaps not). */
extern bool ml_moments_add(MlMoments *m, const double *values, size_t n);

extern void ml_moments_merge(MlMoments *m, const MlMoments *other);

#endif
