/*
 * Between loading a forest (forest.c) and scoring with it (forest_score.c).
 */
#ifndef ML_FOREST_INTERNAL_H
#define ML_FOREST_INTERNAL_H

#include "learn/forest.h"

/* Lay the checked trees out for scoring. */
extern MlForestCode *ml_forest_compile(MlContext *ctx, const MlForest *forest);

#endif
