/*
 * Mean losses of a prediction beside what happened, a loss and its parameter at a time.
 */
#ifndef ML_LOSSES_H
#define ML_LOSSES_H

#include "score/metrics.h"

/* Stored in flat states: never renumbered. */
typedef enum MlLoss
{
	ML_LOSS_INVALID = 0,
	ML_LOSS_SMAPE = 1,			/* 2 |a - p| / (|a| + |p|), 0 where both are 0 */
	ML_LOSS_SQUARED_LOG = 2,	/* (log(1 + a) - log(1 + p))^2 */
	ML_LOSS_PINBALL = 3,		/* parameter q: q (a - p) above, (1 - q) (p - a) below */
	ML_LOSS_HUBER = 4,			/* parameter d: e^2 / 2 up to d, then d (|e| - d / 2) */
	ML_LOSS_TWEEDIE = 5,		/* parameter: the power of the variance function; 1 Poisson, 2 gamma */
	ML_LOSS_CLASS_LOG = 6,		/* of several classes: ml_class_log_loss */
	ML_LOSS_CLASS_BRIER = 7,	/* ml_class_brier */
	ML_LOSS_TOP_K = 8			/* parameter: k; ml_class_top_k, which is a gain */
} MlLoss;

#define ML_LOSSES 8

typedef struct MlLossSums
{
	uint32_t	loss;
	uint32_t	unused;			/* 0 */
	double		parameter;
	uint64_t	rows;			/* more than 0 */
	MlSum		weight;
	MlSum		sum;			/* of weight * loss */
} MlLossSums;

/* Why a loss cannot have a parameter, or NULL when it can. */
extern const char *ml_loss_bad_parameter(MlLoss loss, double parameter);

/* Why a row is outside the domain of a loss (finite numbers, a parameter that is right), or NULL when it is not. */
extern const char *ml_loss_bad_row(MlLoss loss, double parameter, double actual, double predicted);

/* The loss of a row of its domain. */
extern double ml_loss(MlLoss loss, double parameter, double actual, double predicted);

/*
 * Losses of a row that has a probability for each of n classes; own is the class that it is of, -1 = none of them.
 */

/* The negative logarithm of the own class's share of all probabilities, each kept 2.2e-16 away from 0 and 1. */
extern double ml_class_log_loss(const double *probabilities, int n, int own);

/* The sum of the squared errors of all probabilities; of two classes that of one of them. */
extern double ml_class_brier(const double *probabilities, int n, int own);

/* Whether the own class is among the k most probable ones; tied classes share the places that are left. */
extern double ml_class_top_k(const double *probabilities, int n, int own, int k);

static inline void
ml_loss_add(MlLossSums *sums, double loss, double weight)
{
	sums->rows++;
	ml_sum_add(&sums->weight, weight);
	ml_sum_add(&sums->sum, weight * loss);
}

extern void ml_loss_merge(MlLossSums *into, const MlLossSums *from);

static inline double
ml_loss_mean(const MlLossSums *sums)
{
	return ml_sum_value(&sums->sum) / ml_sum_value(&sums->weight);
}

#endif
