/*
 * The state of means of one loss, also for losses that others compute row by row.
 */
#ifndef MLAAS_METRIC_LOSSES_H
#define MLAAS_METRIC_LOSSES_H

#include "postgres.h"

#include "pg/metrics.h"
#include "score/losses.h"

/* The state of a transition function, made at the first row; fails when it is of another loss or parameter. */
extern ExpandedState *loss_state(FunctionCallInfo fcinfo, MlLoss loss, double parameter);

#endif
