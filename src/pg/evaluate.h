/*
 * The metrics of a model on a source, and their confidence intervals, for functions beside ml_evaluate.
 */
#ifndef MLAAS_EVALUATE_H
#define MLAAS_EVALUATE_H

#include "postgres.h"

#include "fmgr.h"

#include "base/random.h"
#include "model/model.h"
#include "pg/source.h"
#include "score/metrics.h"

/* The metrics of a model on a source; rows is how many had a target. Returns the count. */
extern int	evaluate_source(MlContext *ctx, const MlModel *model, Source *source, MlMetric *metrics, size_t *rows);

/* How confidence intervals are made. */
typedef struct BootstrapOptions
{
	double		confidence;		/* 0 < confidence < 1 */
	int			resamples;
	uint64		seed;
} BootstrapOptions;

#define MIN_RESAMPLES 10
#define MAX_RESAMPLES 100000

/* Read them from three arguments; false when the first, the confidence, is NULL. */
extern bool bootstrap_options(FunctionCallInfo fcinfo, int first, BootstrapOptions *options);

/* Draw n rows with replacement: how often each of them was drawn. */
extern void bootstrap_draw(MlRandom *random, size_t n, double *weights);

/* The interval of a metric drawn [resamples] times, which is reordered; NaN where it is never defined. */
extern void bootstrap_interval(double *drawn, const BootstrapOptions *options, double *low, double *high);

#endif
