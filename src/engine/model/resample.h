/*
 * Training rows of unequal classes made more equal: rows left out, rows that count more, rows made up.
 */
#ifndef ML_RESAMPLE_H
#define ML_RESAMPLE_H

#include "model/pipeline.h"
#include "model/target.h"

/* Rows that were made up: between two of the same class. */
typedef struct MlSynthetic
{
	size_t		n;
	double	  **values;			/* [features] element e of row i at [e * n + i] */
	double	   *target;			/* [n] the class */
} MlSynthetic;

/* Error unless the sampling fits the target and the features; for a caller to call before it divides rows. */
extern void ml_resample_check(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target);

/* UNDER: give training rows of the larger classes ML_SIDE_NEITHER until the classes are as equal as was asked for. */
extern void ml_resample_under(MlContext *ctx, const MlTrainSpec *spec, const MlTarget *target, const uint64_t *hashes,
							  uint8_t *sides);

/*
 * OVER: multiply the weights of training rows (n of them; klass their classes, NULL weights = 1) of the smaller classes
 * as if they came several times; returns the weights.
 */
extern double *ml_resample_over(MlContext *ctx, const MlTrainSpec *spec, int classes, const double *klass,
								const uint32_t *rows, const uint64_t *hashes, const double *weights, size_t n);

/*
 * SMOTE: rows for the smaller classes, between a training row and one of its nearest neighbours; NULL when none is
 * needed.
 */
extern MlSynthetic *ml_resample_smote(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec,
									  const MlTarget *target, const uint64_t *hashes, const uint8_t *sides);

#endif
