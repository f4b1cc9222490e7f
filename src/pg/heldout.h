/*
 * Models on the rows that a version's training held out, found again.
 */
#ifndef MLAAS_HELDOUT_H
#define MLAAS_HELDOUT_H

#include "postgres.h"

#include "model/model.h"
#include "pg/registry.h"
#include "score/metrics.h"

/*
 * The metrics of two models on the rows that the training of a version held out; count is how many metrics there
 * are.  NULL, or why these rows cannot be had or one of the models cannot be held against them, as a sentence.
 */
extern char *heldout_measure(MlContext *ctx, const RegistryVersion *version, const MlModel *const models[2],
							 MlMetric metrics[2][ML_MAX_METRICS], int *count);

#endif
