/*
 * Metrics of predictions.
 *
 * Problem: compare n actual values with n predictions (numbers, or probabilities of classes),
 * each row with a weight.  Sums carry their rounding errors along; the variance of the actual values
 * is updated row by row and merged by the formulas of Chan, Golub and LeVeque, "Updating formulae and a
 * pairwise algorithm for computing sample variances" (1979), with compensated mean and spread.
 *
 * Rank metrics (roc_auc, average_precision) and the median sort rows (runs.h) and go through them tie by tie
 * (curves.h).
 */
#include "score/metrics.h"

#include <math.h>
#include <string.h>

#include "score/curves.h"

/* How many rows pass between two looks at a cancel. */
#define CHECK_ROWS ((size_t) 1 << 20)

/* Rows whose classes are compared together; what they need stays in the first cache. */
#define BLOCK 256

/* ---- errors of numbers ---- */

/* How far a number is from a sum's value, without rounding the latter to one number first. */
static inline double
distance_from(double x, const MlSum *s)
{
	return (x - s->sum) - s->rest;
}

/* Move a mean and a spread by a number of some weight, which is a share of all weight, itself included. */
static inline void
add_moments(MlSum *mean, MlSum *spread, double x, double weight, double share)
{
	double		delta = distance_from(x, mean);

	ml_sum_add(mean, delta * share);
	ml_sum_add(spread, weight * delta * distance_from(x, mean));
}

void
ml_errors_add(MlErrorSums *sums, double actual, double predicted, double weight)
{
	double		error = fabs(actual - predicted);
	double		size = fabs(actual);

	sums->rows++;
	ml_sum_add(&sums->weight, weight);
	add_moments(&sums->mean, &sums->spread, actual, weight, weight / ml_sum_value(&sums->weight));
	sums->largest = error > sums->largest ? error : sums->largest;
	ml_sum_add(&sums->absolute, weight * error);
	ml_sum_add(&sums->squared, weight * error * error);
	ml_sum_add(&sums->relative, weight * error / (size > ML_METRIC_EPSILON ? size : ML_METRIC_EPSILON));
}

void
ml_errors_add_signed(MlErrorSums *sums, double actual, double predicted, double weight)
{
	double		share;

	sums->rows++;
	ml_sum_add(&sums->weight, weight);
	share = weight / ml_sum_value(&sums->weight);
	add_moments(&sums->mean, &sums->spread, actual, weight, share);
	add_moments(&sums->error_mean, &sums->error_spread, actual - predicted, weight, share);
}

/* A probability, far enough from 0 and 1 for its logarithm; NaN stays NaN. */
static inline double
clip_probability(double p)
{
	if (p < ML_METRIC_EPSILON)
		return ML_METRIC_EPSILON;
	if (p > 1.0 - ML_METRIC_EPSILON)
		return 1.0 - ML_METRIC_EPSILON;
	return p;
}

/*
 * The logarithm of 1 - p for p below 1: that of the rounded difference, and what rounding took.  As good as log1p,
 * in half the time.
 */
static inline double
log_complement(double p)
{
	double		q = 1.0 - p;

	return log(q) - ((q - 1.0) + p) / q;
}

void
ml_errors_add_probability(MlErrorSums *sums, bool positive, double probability, double weight)
{
	double		error = (positive ? 1.0 : 0.0) - probability;
	double		p = clip_probability(probability);

	sums->rows++;
	ml_sum_add(&sums->weight, weight);
	ml_sum_add(&sums->squared, weight * error * error);
	ml_sum_add(&sums->log_loss, weight * -(positive ? log(p) : log_complement(p)));
}

/* Add the mean and spread of rows of some weight to those of others. */
static void
merge_moments(MlSum *mean, MlSum *spread, double weight, const MlSum *from_mean, const MlSum *from_spread,
			  double from_weight)
{
	double		share = from_weight / (weight + from_weight);
	double		delta = distance_from(from_mean->sum, mean) + from_mean->rest;

	ml_sum_merge(spread, from_spread);
	ml_sum_add(spread, delta * delta * (weight * share));
	ml_sum_add(mean, delta * share);
}

void
ml_errors_merge(MlErrorSums *into, const MlErrorSums *from)
{
	double		weight = ml_sum_value(&into->weight);
	double		from_weight = ml_sum_value(&from->weight);

	if (from->rows == 0)
		return;
	merge_moments(&into->mean, &into->spread, weight, &from->mean, &from->spread, from_weight);
	merge_moments(&into->error_mean, &into->error_spread, weight, &from->error_mean, &from->error_spread, from_weight);
	ml_sum_merge(&into->absolute, &from->absolute);
	ml_sum_merge(&into->squared, &from->squared);
	ml_sum_merge(&into->relative, &from->relative);
	ml_sum_merge(&into->log_loss, &from->log_loss);
	ml_sum_merge(&into->weight, &from->weight);
	into->largest = from->largest > into->largest ? from->largest : into->largest;
	into->rows += from->rows;
}

/* The share of the actual values' spread that is not left in some errors. */
static double
explained(const MlErrorSums *sums, const MlSum *left)
{
	double		spread = ml_sum_value(&sums->spread);
	double		rest = ml_sum_value(left);

	if (sums->rows < 2)
		return NAN;
	if (spread == 0.0)
		return rest == 0.0 ? 1.0 : 0.0;
	return 1.0 - rest / spread;
}

/* R2 less what as many features explain by chance. */
static double
adjusted(const MlErrorSums *sums, double r2)
{
	double		rows = (double) sums->rows;

	if (rows - sums->features < 2.0)
		return NAN;
	return 1.0 - (1.0 - r2) * (rows - 1.0) / (rows - sums->features - 1.0);
}

void
ml_errors_metrics(const MlErrorSums *sums, MlErrorMetrics *out)
{
	double		weight = ml_sum_value(&sums->weight);

	/* without rows these are 0 / 0, which is the NaN wanted */
	out->mae = ml_sum_value(&sums->absolute) / weight;
	out->mse = ml_sum_value(&sums->squared) / weight;
	out->rmse = sqrt(out->mse);
	out->mape = ml_sum_value(&sums->relative) / weight;
	out->max_error = sums->rows > 0 ? sums->largest : NAN;
	out->r2 = explained(sums, &sums->squared);
	out->adjusted_r2 = adjusted(sums, out->r2);
	out->explained_variance = explained(sums, &sums->error_spread);
	out->log_loss = ml_sum_value(&sums->log_loss) / weight;
	out->brier = out->mse;
}

/* ---- confusion ---- */

static inline double
ratio_or_zero(double a, double b)
{
	return b > 0.0 ? a / b : 0.0;
}

/*
 * Matthews' correlation for any number of classes (Gorodkin, 2004).  n^2 - sum p^2 is summed as
 * p (n - p), and the covariance with the rounding errors of its products, since both cancel when one class rules.
 */
static double
tally_mcc(const MlTally *tallies, size_t classes, double total)
{
	MlSum		covariance = {0};
	MlSum		actual = {0};
	MlSum		predicted = {0};
	double		scale;

	for (size_t k = 0; k < classes; k++)
	{
		const MlTally *t = &tallies[k];
		double		seen = t->hits * total;
		double		chance = t->actual * t->predicted;

		ml_sum_add(&covariance, seen);
		ml_sum_add(&covariance, fma(t->hits, total, -seen));
		ml_sum_add(&covariance, -chance);
		ml_sum_add(&covariance, -fma(t->actual, t->predicted, -chance));
		ml_sum_add(&actual, t->actual * (total - t->actual));
		ml_sum_add(&predicted, t->predicted * (total - t->predicted));
	}
	scale = sqrt(ml_sum_value(&actual)) * sqrt(ml_sum_value(&predicted));
	return scale > 0.0 ? ml_sum_value(&covariance) / scale : 0.0;
}

void
ml_tally_metrics(const MlTally *tallies, size_t classes, ptrdiff_t positive, MlTallyMetrics *out)
{
	MlSum		total = {0};
	MlSum		hits = {0};
	MlSum		precision = {0};
	MlSum		recall = {0};
	MlSum		f1 = {0};
	size_t		occurring = 0;
	size_t		supported = 0;

	for (size_t k = 0; k < classes; k++)
	{
		const MlTally *t = &tallies[k];

		ml_sum_add(&total, t->actual);
		ml_sum_add(&hits, t->hits);
		ml_sum_add(&precision, ratio_or_zero(t->hits, t->predicted));
		ml_sum_add(&recall, ratio_or_zero(t->hits, t->actual));
		ml_sum_add(&f1, ratio_or_zero(2.0 * t->hits, t->actual + t->predicted));
		occurring += t->actual > 0.0 || t->predicted > 0.0;
		supported += t->actual > 0.0;
	}
	if (supported == 0)
	{
		*out = (MlTallyMetrics) {NAN, NAN, NAN, NAN, NAN, NAN};
		return;
	}
	out->accuracy = ml_sum_value(&hits) / ml_sum_value(&total);
	out->balanced_accuracy = ml_sum_value(&recall) / (double) supported;
	out->precision = ml_sum_value(&precision) / (double) occurring;
	out->recall = ml_sum_value(&recall) / (double) occurring;
	out->f1 = ml_sum_value(&f1) / (double) occurring;
	out->mcc = tally_mcc(tallies, classes, ml_sum_value(&total));
	if (positive >= 0)
	{
		const MlTally *t = &tallies[positive];

		out->precision = ratio_or_zero(t->hits, t->predicted);
		out->recall = ratio_or_zero(t->hits, t->actual);
		out->f1 = ratio_or_zero(2.0 * t->hits, t->actual + t->predicted);
	}
}

/* ---- ranks ---- */

/* Room to rank n rows again and again. */
typedef struct RankSpace
{
	uint64_t   *rows;			/* positives from the front, negatives from the back */
	uint64_t   *buffer;
	size_t		words;
} RankSpace;

static void
rank_space_create(MlContext *ctx, RankSpace *space, const double *weight, size_t n)
{
	space->words = weight == NULL ? ML_WORDS_KEY : ML_WORDS_WEIGHTED;
	space->rows = ml_alloc_array(ctx, n, space->words * sizeof(uint64_t));
	space->buffer = ml_alloc_array(ctx, n, space->words * sizeof(uint64_t));
}

static void
rank_space_free(MlContext *ctx, RankSpace *space)
{
	ml_free(ctx, space->buffer);
	ml_free(ctx, space->rows);
}

/* Write one row. */
static inline void
put_row(RankSpace *space, size_t at, uint64_t key, const double *weight, size_t i)
{
	uint64_t   *row = space->rows + at * space->words;

	row[0] = key;
	if (weight != NULL)
		memcpy(&row[1], &weight[i], sizeof(double));
}

/* Sort n rows from a place on, to be read as a set. */
static MlRunReader
sorted_set(MlContext *ctx, RankSpace *space, size_t at, size_t n, int set)
{
	uint64_t   *rows = space->rows + at * space->words;

	ml_sort_rows(ctx, rows, space->buffer, n, space->words);
	return (MlRunReader) {.set = set,.left = n,.rows = rows,.words = space->words};
}

/*
 * Rank rows by score; a row is positive when its label is the given one.  Rows of weight zero take no
 * part.  A score that is NaN has no rank, so that nothing is defined.
 */
static void
rank_rows(MlContext *ctx, RankSpace *space, const double *label, double positive, bool above,
		  const double *score, const double *weight, size_t n, MlRankSummary *out)
{
	size_t		front = 0;
	size_t		back = n;
	MlSum		total[2] = {{0}};
	double		totals[2];
	bool		defined = true;
	MlRunReader readers[2];
	MlTies		ties;

	for (size_t i = 0; i < n; i++)
	{
		bool		is_positive = above ? label[i] > positive : label[i] == positive;
		double		w = weight == NULL ? 1.0 : weight[i];

		if (i % CHECK_ROWS == 0)
			ml_check(ctx);
		if (w == 0.0)
			continue;
		defined &= !isnan(score[i]);
		ml_sum_add(&total[is_positive], w);
		put_row(space, is_positive ? front++ : --back, ~ml_score_key(score[i]), weight, i);
	}
	totals[0] = ml_sum_value(&total[0]);
	totals[1] = ml_sum_value(&total[1]);
	readers[0] = sorted_set(ctx, space, back, n - back, 0);
	readers[1] = sorted_set(ctx, space, 0, front, 1);
	ml_ties_begin(ctx, &ties, readers, 2, 2);
	ml_ties_summary(&ties, totals, out);
	ml_ties_end(&ties);
	if (!defined)
		*out = (MlRankSummary) {NAN, NAN, NAN};
}

double
ml_roc_auc(MlContext *ctx, const double *label, const double *score, const double *weight, size_t n)
{
	RankSpace	space;
	MlRankSummary summary;

	rank_space_create(ctx, &space, weight, n);
	rank_rows(ctx, &space, label, 0.5, true, score, weight, n, &summary);
	rank_space_free(ctx, &space);
	return summary.roc_auc;
}

/* ---- regression ---- */

/* The median of |actual - predicted|; with weights the least error that half the weight does not pass. */
static double
median_error(MlContext *ctx, const double *actual, const double *predicted, const double *weight, size_t n)
{
	RankSpace	space;
	MlRunReader reader;
	MlTies		ties;
	size_t		kept = 0;
	MlSum		total = {0};
	double		median;

	rank_space_create(ctx, &space, weight, n);
	for (size_t i = 0; i < n; i++)
	{
		double		w = weight == NULL ? 1.0 : weight[i];

		if (w == 0.0)
			continue;
		ml_sum_add(&total, w);
		put_row(&space, kept++, ml_score_key(fabs(actual[i] - predicted[i])), weight, i);
	}
	reader = sorted_set(ctx, &space, 0, kept, 0);
	ml_ties_begin(ctx, &ties, &reader, 1, 1);
	median = ml_ties_median(&ties, ml_sum_value(&total), weight != NULL);
	ml_ties_end(&ties);
	rank_space_free(ctx, &space);
	return median;
}

int
ml_metrics_regression(MlContext *ctx, const double *actual, const double *predicted, const double *weight,
					  size_t n, MlMetric *out)
{
	MlErrorSums sums = {0};
	double		largest = 0.0;
	double		median = NAN;
	MlErrorMetrics metrics;

	for (size_t i = 0; i < n; i++)
	{
		double		w = weight == NULL ? 1.0 : weight[i];
		double		error = fabs(actual[i] - predicted[i]);

		if (i % CHECK_ROWS == 0)
			ml_check(ctx);
		if (w == 0.0)
			continue;
		ml_errors_add(&sums, actual[i], predicted[i], w);
		if (!(error <= largest))	/* NaN wins and stays */
			largest = isnan(largest) ? largest : error;
	}
	if (sums.rows > 0)
		median = isnan(largest) ? NAN : median_error(ctx, actual, predicted, weight, n);
	else
		largest = NAN;
	ml_errors_metrics(&sums, &metrics);
	out[0] = (MlMetric) {"r2", metrics.r2, true};
	out[1] = (MlMetric) {"mae", metrics.mae, false};
	out[2] = (MlMetric) {"mse", metrics.mse, false};
	out[3] = (MlMetric) {"rmse", metrics.rmse, false};
	out[4] = (MlMetric) {"mape", metrics.mape, false};
	out[5] = (MlMetric) {"median_absolute_error", median, false};
	out[6] = (MlMetric) {"max_error", largest, false};
	return 7;
}

/* ---- classification ---- */

/* What one pass over the probabilities leaves. */
typedef struct ClassSums
{
	int			classes;
	MlSum	   *hits;			/* [classes + 1]: the last is for classes the model does not know */
	MlSum	   *actual;
	MlSum	   *predicted;
	MlSum		log_loss;
	MlSum		brier;
} ClassSums;

/* The class of a row, or the slot of classes the model does not know. */
static inline int
row_class(double actual, int classes)
{
	return actual >= 0.0 && actual < classes ? (int) actual : classes;
}

/* What a block needs of its rows' probabilities. */
typedef struct ProbabilityBlock
{
	double		best[BLOCK];	/* the highest */
	int			best_class[BLOCK];
	double		clipped[BLOCK];	/* their sum, each clipped */
	double		squares[BLOCK];	/* the sum of their squared errors */
	double		own[BLOCK];		/* that of the row's class */
} ProbabilityBlock;

/* Look at the probabilities of m rows, class by class as they lie in memory. */
static void
read_block(ProbabilityBlock *block, const int *klass, const double *probabilities, size_t n, size_t m, int classes)
{
	memset(block, 0, sizeof *block);
	for (int k = 0; k < classes; k++)
	{
		const double *p = probabilities + (size_t) k * n;

		for (size_t i = 0; i < m; i++)
		{
			double		error = p[i] - (klass[i] == k ? 1.0 : 0.0);

			if (k == 0 || p[i] > block->best[i])
			{
				block->best[i] = p[i];
				block->best_class[i] = k;
			}
			block->clipped[i] += clip_probability(p[i]);
			block->squares[i] += error * error;
			if (klass[i] == k)
				block->own[i] = p[i];
		}
	}
}

/* Add m rows to the sums. */
static void
add_block(ClassSums *sums, const MlDecision *decision, const double *actual, const double *probabilities,
		  const double *weight, size_t n, size_t m)
{
	ProbabilityBlock block;
	int			klass[BLOCK];

	for (size_t i = 0; i < m; i++)
		klass[i] = row_class(actual[i], sums->classes);
	read_block(&block, klass, probabilities, n, m, sums->classes);
	for (size_t i = 0; i < m && decision != NULL; i++)
		block.best_class[i] = ml_decide(decision, probabilities + i, n);
	for (size_t i = 0; i < m; i++)
	{
		double		w = weight == NULL ? 1.0 : weight[i];
		bool		known = klass[i] < sums->classes;
		double		p = known ? clip_probability(block.own[i]) / block.clipped[i] : ML_METRIC_EPSILON;
		double		brier = block.squares[i];

		/* two classes: the squared error of one of them, the mean where the class is neither */
		if (sums->classes == 2)
			brier = known ? (1.0 - block.own[i]) * (1.0 - block.own[i]) : 0.5 * block.squares[i];
		ml_sum_add(&sums->actual[klass[i]], w);
		ml_sum_add(&sums->predicted[block.best_class[i]], w);
		if (klass[i] == block.best_class[i])
			ml_sum_add(&sums->hits[klass[i]], w);
		ml_sum_add(&sums->log_loss, -w * log(p));
		ml_sum_add(&sums->brier, w * brier);
	}
}

/* The mean over the classes that some rows have and some have not of one class against the rest. */
static double
macro_roc_auc(MlContext *ctx, RankSpace *space, int classes, const double *actual, const double *probabilities,
			  const double *weight, size_t n)
{
	MlSum		areas = {0};
	int			defined = 0;

	for (int k = 0; k < classes; k++)
	{
		MlRankSummary summary;

		rank_rows(ctx, space, actual, k, false, probabilities + (size_t) k * n, weight, n, &summary);
		if (isnan(summary.roc_auc))
			continue;
		ml_sum_add(&areas, summary.roc_auc);
		defined++;
	}
	return defined > 0 ? ml_sum_value(&areas) / defined : NAN;
}

/* The tallies of all classes, the unknown ones as one more. */
static void
finish_tallies(MlContext *ctx, const ClassSums *sums, MlTallyMetrics *metrics, double *total)
{
	MlTally    *tallies = ml_alloc_array(ctx, (size_t) sums->classes + 1, sizeof(MlTally));
	MlSum		weight = {0};

	for (int k = 0; k <= sums->classes; k++)
	{
		tallies[k] = (MlTally) {ml_sum_value(&sums->hits[k]), ml_sum_value(&sums->actual[k]),
		ml_sum_value(&sums->predicted[k])};
		ml_sum_merge(&weight, &sums->actual[k]);
	}
	ml_tally_metrics(tallies, (size_t) sums->classes + 1, sums->classes == 2 ? 1 : -1, metrics);
	*total = ml_sum_value(&weight);
	ml_free(ctx, tallies);
}

int
ml_metrics_decided(MlContext *ctx, const MlDecision *decision, int classes, const double *actual,
				   const double *probabilities, const double *weight, size_t n, MlMetric *out)
{
	ClassSums	sums = {.classes = classes};
	MlSum	   *slots = ml_alloc_array_zero(ctx, 3 * ((size_t) classes + 1), sizeof(MlSum));
	RankSpace	space;
	MlTallyMetrics tally;
	double		total;
	MlRankSummary summary = {NAN, NAN, NAN};
	int			count = 0;

	sums.hits = slots;
	sums.actual = slots + classes + 1;
	sums.predicted = slots + 2 * (classes + 1);
	for (size_t begin = 0; begin < n; begin += BLOCK)
	{
		if (begin % CHECK_ROWS == 0)
			ml_check(ctx);
		add_block(&sums, decision, actual + begin, probabilities + begin, weight == NULL ? NULL : weight + begin,
				  n, n - begin > BLOCK ? BLOCK : n - begin);
	}
	finish_tallies(ctx, &sums, &tally, &total);

	rank_space_create(ctx, &space, weight, n);
	if (classes == 2)
		rank_rows(ctx, &space, actual, 1.0, false, probabilities + n, weight, n, &summary);
	else
		summary.roc_auc = macro_roc_auc(ctx, &space, classes, actual, probabilities, weight, n);
	rank_space_free(ctx, &space);
	ml_free(ctx, slots);

	out[count++] = (MlMetric) {"accuracy", tally.accuracy, true};
	out[count++] = (MlMetric) {"balanced_accuracy", tally.balanced_accuracy, true};
	out[count++] = (MlMetric) {"precision", tally.precision, true};
	out[count++] = (MlMetric) {"recall", tally.recall, true};
	out[count++] = (MlMetric) {"f1", tally.f1, true};
	out[count++] = (MlMetric) {"roc_auc", summary.roc_auc, true};
	if (classes == 2)
		out[count++] = (MlMetric) {"average_precision", summary.average_precision, true};
	out[count++] = (MlMetric) {"log_loss", ml_sum_value(&sums.log_loss) / total, false};
	out[count++] = (MlMetric) {"brier", ml_sum_value(&sums.brier) / total, false};
	out[count++] = (MlMetric) {"mcc", tally.mcc, true};
	return count;
}
