/*
 * Warnings of features that are too good to be true.
 */
#ifndef ML_LEAKS_H
#define ML_LEAKS_H

#include "model/pipeline.h"
#include "model/target.h"

/*
 * Warn of features that tell rows apart, that alone explain the target almost wholly, or that are times later than the
 * split's own: judged on at most ML_LEAK_ROWS of the rows whose side is ML_SIDE_TRAIN.
 */
#define ML_LEAK_ROWS 5000
extern void ml_leaks_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
						  const uint64_t *hashes, const uint8_t *sides);

#endif
