/*
 * How far a training is, where other sessions can see it: the view mlaas.progress.
 */
#ifndef MLAAS_PROGRESS_H
#define MLAAS_PROGRESS_H

#include "postgres.h"

#include "base/context.h"

/* Show the training of a model that is about to begin in this Context, until progress_end or an error. */
extern void progress_begin(MlContext *ctx, const char *name);
extern void progress_end(MlContext *ctx);

/* A scan begins that is expected to give so many rows, and has given so many. */
extern void progress_scan(double expected);
extern void progress_rows(MlContext *ctx, uint64 rows);

/* The job that this process runs: trainings are shown as its. */
extern void progress_set_job(int64 job);

#endif
