/*
 * Warnings of features that are too good to be true.
 */
#ifndef ML_LEAKS_H
#define ML_LEAKS_H

#include "model/pipeline.h"
#include "model/sample.h"
#include "model/target.h"

/*
 * Warn of features that tell rows apart, that alone explain the target almost wholly, or that are times later than the
 * split's own: judged on at most ML_LEAK_ROWS of the rows whose side is ML_SIDE_TRAIN.
 */
#define ML_LEAK_ROWS 5000
extern void ml_leaks_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
						  const uint64_t *hashes, const uint8_t *sides);

/* The same from a sample of training rows that keeps their features, that of feature f in slot first_slot[f]. */
extern void ml_leaks_warn_sampled(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
								  const MlRowSample *sample, const int *first_slot, const MlSampledRows *sampled);

/* Warn of one feature that explains a share of the target, as found on so many rows, if it is too much of it. */
extern void ml_leaks_warn_skill(MlContext *ctx, const char *feature, double rows, double skill);

#endif
