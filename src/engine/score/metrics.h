/*
 * Metrics of predictions, named as scikit-learn names them.  Weighted throughout
 * (weight NULL = all one); ties are right; a value that is not defined is NaN
 * (NULL in SQL) and the comment beside the metric says when.
 */
#ifndef ML_METRICS_H
#define ML_METRICS_H

#include "base/context.h"
#include "base/sort.h"
#include "score/decision.h"

typedef struct MlMetric
{
	const char *name;			/* static */
	double		value;			/* NaN = not defined on these rows */
	bool		greater_is_better;
} MlMetric;

#define ML_MAX_METRICS 16

/* r2, mae, mse, rmse, mape, median_absolute_error, max_error; n >= 0. Returns the count. */
extern int	ml_metrics_regression(MlContext *ctx, const double *actual, const double *predicted,
								  const double *weight, size_t n, MlMetric *out);

/*
 * Classification: actual[i] is the class index 0 .. classes - 1 (or -1: a class the model does not know,
 * never predicted right, log loss by the clipped probability), probability of class k is
 * probabilities[i + k * n], the predicted class is what the decision says (NULL = the first with the
 * highest probability).
 * Two classes: accuracy, balanced_accuracy, precision, recall, f1 (all of class 1), roc_auc,
 * average_precision, log_loss, brier, mcc.  More: precision, recall, f1 macro; roc_auc one-versus-rest
 * macro; no average_precision; brier over all classes.
 */
extern int	ml_metrics_decided(MlContext *ctx, const MlDecision *decision, int classes, const double *actual,
							   const double *probabilities, const double *weight, size_t n, MlMetric *out);

/*
 * Ranking: ndcg, ndcg_at_10 and ndcg_at_5, means over the groups that have a row of positive relevance; NaN where
 * none has.  The gain of a row is 2^relevance - 1, its discount 1 / log2(place + 1); rows of equal score share
 * their places.  group [n]: rows of one group lie together.
 */
extern int	ml_metrics_ranking(MlContext *ctx, const double *relevance, const double *score, const uint32_t *group,
							   size_t n, MlMetric *out);

/* The same where the rows of a group, which bear one number, lie anywhere. */
extern int	ml_metrics_groups(MlContext *ctx, const double *relevance, const double *score, const uint64_t *group,
							  size_t n, MlMetric *out);

/* Area under the ROC curve; label > 0.5 is positive; NaN with one class only. Sorts copies. */
extern double ml_roc_auc(MlContext *ctx, const double *label, const double *score,
						 const double *weight, size_t n);

/* ---- the same metrics piece by piece: states that rows are added to and that merge ---- */

/* A sum and the rounding errors it left behind (Knuth's exact addition). */
typedef struct MlSum
{
	double		sum;
	double		rest;
} MlSum;

static inline void
ml_sum_add(MlSum *s, double x)
{
	double		sum = s->sum + x;
	double		shadow = sum - s->sum;

	s->rest += (s->sum - (sum - shadow)) + (x - shadow);
	s->sum = sum;
}

static inline double
ml_sum_value(const MlSum *s)
{
	return s->sum + s->rest;
}

static inline void
ml_sum_merge(MlSum *into, const MlSum *from)
{
	ml_sum_add(into, from->sum);
	into->rest += from->rest;
}

/* Probabilities are kept this far from 0 and 1 before their logarithm is taken; no relative error divides by less. */
#define ML_METRIC_EPSILON 2.220446049250313e-16

/* What the metrics below are made of. All zero = no rows. */
typedef struct MlErrorSums
{
	uint64_t	rows;			/* of positive weight */
	MlSum		weight;
	double		largest;		/* |actual - predicted| of any row */
	double		features;		/* of the model that predicted, for r2 adjusted for them; given by the caller */
	MlSum		mean;			/* of the actual values */
	MlSum		spread;			/* sum of w (actual - mean)^2 */
	MlSum		absolute;		/* sum of w |actual - predicted| */
	MlSum		squared;
	MlSum		relative;		/* sum of w |actual - predicted| / max(|actual|, epsilon) */
	MlSum		log_loss;
	MlSum		error_mean;		/* of actual - predicted */
	MlSum		error_spread;
} MlErrorSums;

/* Add one row's actual and predicted number, weight above 0. Fills all but log_loss and those of the signed error. */
extern void ml_errors_add(MlErrorSums *sums, double actual, double predicted, double weight);

/* The same for explained_variance: fills mean, spread, and those of the signed error. */
extern void ml_errors_add_signed(MlErrorSums *sums, double actual, double predicted, double weight);

/* Add one row of a two-class problem: probability (0 .. 1) of the positive class. Fills squared and log_loss. */
extern void ml_errors_add_probability(MlErrorSums *sums, bool positive, double probability, double weight);

extern void ml_errors_merge(MlErrorSums *into, const MlErrorSums *from);

typedef struct MlErrorMetrics
{
	double		mae;
	double		mse;
	double		rmse;
	double		mape;
	double		max_error;
	/* NaN below two rows; actual values all equal: 1 when every prediction is right, else 0 */
	double		r2;
	double		adjusted_r2;	/* NaN unless there are two rows more than features */
	double		explained_variance; /* as r2, but an error that all rows share does not count */
	double		log_loss;
	double		brier;
} MlErrorMetrics;

/* Metrics from sums; all NaN without rows. Only those make sense whose sums were filled. */
extern void ml_errors_metrics(const MlErrorSums *sums, MlErrorMetrics *out);

/* One class's part of a confusion matrix. */
typedef struct MlTally
{
	double		hits;			/* weight of the rows that are of the class and predicted so */
	double		actual;			/* ... that are of the class */
	double		predicted;		/* ... that are predicted to be */
} MlTally;

typedef struct MlTallyMetrics
{
	double		accuracy;
	double		balanced_accuracy;	/* the mean recall of the classes that occur in actual */
	double		precision;		/* 0 where nothing is predicted positive */
	double		recall;			/* 0 where nothing is positive */
	double		f1;
	double		mcc;			/* 0 where actual or predicted has one class only */
} MlTallyMetrics;

/*
 * Metrics from tallies whose actual and predicted weights both add up to all rows. positive: the class
 * that precision, recall and f1 are of; -1 = their means over the classes that occur.  All NaN without rows.
 */
extern void ml_tally_metrics(const MlTally *tallies, size_t classes, ptrdiff_t positive,
							 MlTallyMetrics *out);

#endif
