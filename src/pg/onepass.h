/*
 * ml_train in one pass: where the learner needs no rows but their triangular factor, the source
 * is read by a (parallel) aggregate query and nothing is kept.
 */
#ifndef MLAAS_ONEPASS_H
#define MLAAS_ONEPASS_H

#include "model/pipeline.h"
#include "pg/source.h"

/*
 * Train if this training can be done in one pass: nothing held out, a learner with fit_factor, numbers
 * only.  columns (of the source) are in the order of the table that spec speaks of.  False: not done.
 */
extern bool one_pass_train(MlContext *ctx, Source *source, const int *columns, int ncolumns,
						   const MlTrainSpec *spec, MlTrainResult *result);

#endif
