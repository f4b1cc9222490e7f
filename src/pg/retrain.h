/*
 * Learning on from a model, for functions beside ml_continue and ml_refit.
 */
#ifndef MLAAS_RETRAIN_H
#define MLAAS_RETRAIN_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/train.h"

/*
 * The arguments of a training that learns on from retrain->from, out of a call's (model, source, how, validation,
 * weight).
 */
extern void retrain_read_args(MlContext *ctx, FunctionCallInfo fcinfo, MlRetrain *retrain, TrainArgs *args);

#endif
