/*
 * Cross-validation: one training a fold, over rows that are read once.
 */
#ifndef MLAAS_CROSSVAL_H
#define MLAAS_CROSSVAL_H

#include "postgres.h"

#include "model/pipeline.h"

/* The folds of spec->split (folds times repeats of them) over a table; count is how many. */
extern MlFold *crossval_folds(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, int *count);

#endif
