/*
 * The metrics of a model on a source, for functions beside ml_evaluate.
 */
#ifndef MLAAS_EVALUATE_H
#define MLAAS_EVALUATE_H

#include "postgres.h"

#include "model/model.h"
#include "pg/source.h"
#include "score/metrics.h"

/*
 * Score the source's rows and compare them with its target; metrics has room for ML_MAX_METRICS, rows is how many
 * had a target.  Returns the number of metrics.  Errors: as for ml_evaluate.
 */
extern int	evaluate_source(MlContext *ctx, const MlModel *model, Source *source, MlMetric *metrics, size_t *rows);

#endif
