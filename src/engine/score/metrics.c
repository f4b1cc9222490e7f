/*
 * Metrics of predictions.
 *
 * Problem: compare n actual values with n predictions (numbers, or probabilities of classes),
 * each row with a weight.  Sums carry their rounding errors along; the variance of the actual values
 * is updated row by row and merged by the formulas of Chan, Golub and LeVeque, "Updating formulae and a
 * pairwise algorithm for computing sample variances" (1979), with compensated mean and spread.
 *
 * Rank metrics (roc_auc, average_precision) sort the scores of the positive and of the negative rows
 * apart, so that a key needs no label beside it, by a least-significant-digit radix sort: linear in n, no comparisons,
 * one buffer.  Then one merge from the highest score down takes all rows of equal score at once, which
 * counts a tied pair one half (the Mann-Whitney statistic) and gives a threshold one point.
 */
#include "score/metrics.h"

#include <math.h>
#include <string.h>

/* How many rows pass between two looks at a cancel. */
#define CHECK_ROWS ((size_t) 1 << 20)

/* Rows whose classes are compared together; what they need stays in the first cache. */
#define BLOCK 256

/* Below this many elements insertion beats the histograms of a radix sort. */
#define INSERTION_LIMIT 64

/* The two layouts that are sorted: keys alone, or each with its weight behind it. */
#define WORDS_KEY 1
#define WORDS_WEIGHTED 2

/* ---- errors of numbers ---- */

/* How far a number is from a sum's value, without rounding the latter to one number first. */
static inline double
distance_from(double x, const MlSum *s)
{
	return (x - s->sum) - s->rest;
}

void
ml_errors_add(MlErrorSums *sums, double actual, double predicted, double weight)
{
	double		error = fabs(actual - predicted);
	double		size = fabs(actual);
	double		delta = distance_from(actual, &sums->mean);

	sums->rows++;
	sums->weight += weight;
	ml_sum_add(&sums->mean, delta * (weight / sums->weight));
	ml_sum_add(&sums->spread, weight * delta * distance_from(actual, &sums->mean));
	ml_sum_add(&sums->absolute, weight * error);
	ml_sum_add(&sums->squared, weight * error * error);
	ml_sum_add(&sums->relative, weight * error / (size > ML_METRIC_EPSILON ? size : ML_METRIC_EPSILON));
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

void
ml_errors_add_probability(MlErrorSums *sums, bool positive, double probability, double weight)
{
	double		error = (positive ? 1.0 : 0.0) - probability;
	double		p = clip_probability(probability);

	sums->rows++;
	sums->weight += weight;
	ml_sum_add(&sums->squared, weight * error * error);
	ml_sum_add(&sums->log_loss, weight * -(positive ? log(p) : log1p(-p)));
}

void
ml_errors_merge(MlErrorSums *into, const MlErrorSums *from)
{
	double		weight = into->weight + from->weight;
	double		delta = distance_from(from->mean.sum, &into->mean) + from->mean.rest;

	if (from->rows == 0)
		return;
	ml_sum_merge(&into->spread, &from->spread);
	ml_sum_add(&into->spread, delta * delta * (into->weight * (from->weight / weight)));
	ml_sum_add(&into->mean, delta * (from->weight / weight));
	ml_sum_merge(&into->absolute, &from->absolute);
	ml_sum_merge(&into->squared, &from->squared);
	ml_sum_merge(&into->relative, &from->relative);
	ml_sum_merge(&into->log_loss, &from->log_loss);
	into->weight = weight;
	into->rows += from->rows;
}

/* The share of the actual values' spread that the predictions explain. */
static double
errors_r2(const MlErrorSums *sums)
{
	double		spread = ml_sum_value(&sums->spread);
	double		squared = ml_sum_value(&sums->squared);

	if (sums->rows < 2)
		return NAN;
	if (spread == 0.0)
		return squared == 0.0 ? 1.0 : 0.0;
	return 1.0 - squared / spread;
}

void
ml_errors_metrics(const MlErrorSums *sums, MlErrorMetrics *out)
{
	/* without rows these are 0 / 0, which is the NaN wanted */
	out->mae = ml_sum_value(&sums->absolute) / sums->weight;
	out->mse = ml_sum_value(&sums->squared) / sums->weight;
	out->rmse = sqrt(out->mse);
	out->mape = ml_sum_value(&sums->relative) / sums->weight;
	out->r2 = errors_r2(sums);
	out->log_loss = ml_sum_value(&sums->log_loss) / sums->weight;
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

/* ---- sorting ---- */

/* Sort few elements of so many words each by their first word. */
static inline __attribute__((always_inline)) void
insertion_sort(uint64_t *a, size_t n, size_t words)
{
	for (size_t i = 1; i < n; i++)
	{
		uint64_t	element[WORDS_WEIGHTED];
		size_t		j = i;

		memcpy(element, a + i * words, words * sizeof(uint64_t));
		for (; j > 0 && a[(j - 1) * words] > element[0]; j--)
			memcpy(a + j * words, a + (j - 1) * words, words * sizeof(uint64_t));
		memcpy(a + j * words, element, words * sizeof(uint64_t));
	}
}

/* Count the bytes of all keys, for every place at once. */
static void
count_digits(MlContext *ctx, const uint64_t *a, size_t n, size_t words, size_t count[8][256])
{
	memset(count, 0, sizeof(size_t) * 8 * 256);
	for (size_t begin = 0; begin < n; begin += CHECK_ROWS)
	{
		size_t		end = n - begin > CHECK_ROWS ? begin + CHECK_ROWS : n;

		ml_check(ctx);
		for (size_t i = begin; i < end; i++)
			for (int digit = 0; digit < 8; digit++)
				count[digit][(a[i * words] >> (8 * digit)) & 255]++;
	}
}

/* Sort n elements of so many words each by their first word; buffer is as large as a. */
static inline __attribute__((always_inline)) void
radix_sort(MlContext *ctx, uint64_t *a, uint64_t *buffer, size_t n, size_t words)
{
	size_t		count[8][256];
	uint64_t   *from = a;
	uint64_t   *to = buffer;

	count_digits(ctx, a, n, words, count);
	for (int digit = 0; digit < 8; digit++)
	{
		size_t	   *next = count[digit];
		size_t		position = 0;
		int			shift = 8 * digit;
		uint64_t   *swap;

		if (next[(a[0] >> shift) & 255] == n)
			continue;			/* all alike in this place */
		for (int b = 0; b < 256; b++)
		{
			size_t		here = next[b];

			next[b] = position;
			position += here;
		}
		for (size_t begin = 0; begin < n; begin += CHECK_ROWS)
		{
			size_t		end = n - begin > CHECK_ROWS ? begin + CHECK_ROWS : n;

			ml_check(ctx);
			for (size_t i = begin; i < end; i++)
				memcpy(to + next[(from[i * words] >> shift) & 255]++ * words, from + i * words,
					   words * sizeof(uint64_t));
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != a)
		memcpy(a, from, n * words * sizeof(uint64_t));
}

/* Sort keys. */
static void
sort_keys(MlContext *ctx, uint64_t *a, uint64_t *buffer, size_t n)
{
	if (n <= INSERTION_LIMIT)
		insertion_sort(a, n, WORDS_KEY);
	else
		radix_sort(ctx, a, buffer, n, WORDS_KEY);
}

/* Sort keys that have a weight behind them. */
static void
sort_weighted(MlContext *ctx, uint64_t *a, uint64_t *buffer, size_t n)
{
	if (n <= INSERTION_LIMIT)
		insertion_sort(a, n, WORDS_WEIGHTED);
	else
		radix_sort(ctx, a, buffer, n, WORDS_WEIGHTED);
}

/* ---- rank metrics ---- */

/* The rows of one label, or all errors: keys, or keys and weights. */
typedef struct Ranks
{
	uint64_t   *elements;
	size_t		n;
	double		weight;			/* of all of them */
} Ranks;

/* The weight of the i'th element. */
static inline double
element_weight(const Ranks *ranks, size_t i, size_t words)
{
	double		weight;

	if (words == WORDS_KEY)
		return 1.0;
	memcpy(&weight, &ranks->elements[i * words + 1], sizeof weight);
	return weight;
}

/* Take the elements from the end of the first n whose key is key; returns their weight. */
static inline double
take_ties(const Ranks *ranks, size_t *n, uint64_t key, size_t words)
{
	MlSum		weight = {0};

	for (; *n > 0 && ranks->elements[(*n - 1) * words] == key; --*n)
		ml_sum_add(&weight, element_weight(ranks, *n - 1, words));
	return ml_sum_value(&weight);
}

/* Merge the sorted rows of both labels from the highest score down. */
static inline __attribute__((always_inline)) void
merge_ranks(MlContext *ctx, const Ranks *positive, const Ranks *negative, size_t words,
			double *roc_auc, double *average_precision)
{
	size_t		np = positive->n;
	size_t		nn = negative->n;
	size_t		rounds = 0;
	MlSum		area = {0};
	MlSum		precision = {0};
	MlSum		above = {0};	/* weight of the positives taken so far */
	MlSum		below = {0};	/* and of the negatives */

	while (np > 0 || nn > 0)
	{
		uint64_t	p = np > 0 ? positive->elements[(np - 1) * words] : 0;
		uint64_t	q = nn > 0 ? negative->elements[(nn - 1) * words] : 0;
		uint64_t	key = p > q ? p : q;
		double		hits = take_ties(positive, &np, key, words);
		double		misses = take_ties(negative, &nn, key, words);

		if (++rounds % CHECK_ROWS == 0)
			ml_check(ctx);
		ml_sum_add(&area, misses * (ml_sum_value(&above) + 0.5 * hits));
		ml_sum_add(&above, hits);
		ml_sum_add(&below, misses);
		if (hits > 0.0)
			ml_sum_add(&precision, hits * (ml_sum_value(&above) / (ml_sum_value(&above) + ml_sum_value(&below))));
	}
	if (roc_auc != NULL)
		*roc_auc = positive->weight > 0.0 && negative->weight > 0.0 ?
			ml_sum_value(&area) / positive->weight / negative->weight : NAN;
	if (average_precision != NULL)
		*average_precision = positive->weight > 0.0 ? ml_sum_value(&precision) / positive->weight : NAN;
}

void
ml_rank_metrics(MlContext *ctx, uint64_t *positive, size_t npositive, uint64_t *negative, size_t nnegative,
				double *roc_auc, double *average_precision)
{
	Ranks		up = {positive, npositive, (double) npositive};
	Ranks		down = {negative, nnegative, (double) nnegative};
	size_t		larger = npositive > nnegative ? npositive : nnegative;
	uint64_t   *buffer = NULL;

	if (larger > INSERTION_LIMIT)
		buffer = ml_alloc_array(ctx, larger, sizeof(uint64_t));
	sort_keys(ctx, positive, buffer, npositive);
	sort_keys(ctx, negative, buffer, nnegative);
	merge_ranks(ctx, &up, &down, WORDS_KEY, roc_auc, average_precision);
	ml_free(ctx, buffer);
}

/* Room to rank n rows again and again. */
typedef struct RankSpace
{
	uint64_t   *elements;		/* positives from the front, negatives from the back */
	uint64_t   *buffer;
	size_t		words;
} RankSpace;

static void
rank_space_create(MlContext *ctx, RankSpace *space, const double *weight, size_t n)
{
	space->words = weight == NULL ? WORDS_KEY : WORDS_WEIGHTED;
	space->elements = ml_alloc_array(ctx, n, space->words * sizeof(uint64_t));
	space->buffer = ml_alloc_array(ctx, n, space->words * sizeof(uint64_t));
}

static void
rank_space_free(MlContext *ctx, RankSpace *space)
{
	ml_free(ctx, space->buffer);
	ml_free(ctx, space->elements);
}

/* Write one row's element. */
static inline void
put_element(RankSpace *space, size_t at, double score, const double *weight, size_t i)
{
	uint64_t   *element = space->elements + at * space->words;

	element[0] = ml_score_key(score);
	if (weight != NULL)
		memcpy(&element[1], &weight[i], sizeof(double));
}

/*
 * Rank rows by score; a row is positive when its label is the given one.  Rows of weight zero take no
 * part.  A score that is NaN has no rank, so that nothing is defined.
 */
static void
rank_rows(MlContext *ctx, RankSpace *space, const double *label, double positive, bool above,
		  const double *score, const double *weight, size_t n, double *roc_auc, double *average_precision)
{
	size_t		front = 0;
	size_t		back = n;
	MlSum		total[2] = {{0}};
	bool		defined = true;
	Ranks		up;
	Ranks		down;

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
		put_element(space, is_positive ? front++ : --back, score[i], weight, i);
	}
	up = (Ranks) {space->elements, front, ml_sum_value(&total[1])};
	down = (Ranks) {space->elements + back * space->words, n - back, ml_sum_value(&total[0])};
	if (weight == NULL)
	{
		sort_keys(ctx, up.elements, space->buffer, up.n);
		sort_keys(ctx, down.elements, space->buffer, down.n);
		merge_ranks(ctx, &up, &down, WORDS_KEY, roc_auc, average_precision);
	}
	else
	{
		sort_weighted(ctx, up.elements, space->buffer, up.n);
		sort_weighted(ctx, down.elements, space->buffer, down.n);
		merge_ranks(ctx, &up, &down, WORDS_WEIGHTED, roc_auc, average_precision);
	}
	if (!defined && roc_auc != NULL)
		*roc_auc = NAN;
	if (!defined && average_precision != NULL)
		*average_precision = NAN;
}

double
ml_roc_auc(MlContext *ctx, const double *label, const double *score, const double *weight, size_t n)
{
	RankSpace	space;
	double		area;

	rank_space_create(ctx, &space, weight, n);
	rank_rows(ctx, &space, label, 0.5, true, score, weight, n, &area, NULL);
	rank_space_free(ctx, &space);
	return area;
}

/* ---- regression ---- */

/* The median of |actual - predicted|; with weights the least error that half the weight does not pass. */
static double
median_error(MlContext *ctx, const double *actual, const double *predicted, const double *weight, size_t n)
{
	RankSpace	space;
	Ranks		ranks;
	size_t		kept = 0;
	MlSum		total = {0};
	MlSum		passed = {0};
	size_t		i;
	double		median[2];

	rank_space_create(ctx, &space, weight, n);
	for (i = 0; i < n; i++)
	{
		double		w = weight == NULL ? 1.0 : weight[i];

		if (w == 0.0)
			continue;
		ml_sum_add(&total, w);
		put_element(&space, kept++, fabs(actual[i] - predicted[i]), weight, i);
	}
	(weight == NULL ? sort_keys : sort_weighted) (ctx, space.elements, space.buffer, kept);
	ranks = (Ranks) {space.elements, kept, ml_sum_value(&total)};
	for (i = 0; i + 1 < kept; i++)
	{
		ml_sum_add(&passed, element_weight(&ranks, i, space.words));
		if (ml_sum_value(&passed) >= 0.5 * ranks.weight)
			break;
	}
	/* errors are not negative, so a key is the number with its sign bit set */
	for (int side = 0; side < 2; side++)
	{
		bool		between = weight == NULL && kept % 2 == 0 && side == 1;
		uint64_t	bits = space.elements[(i + between) * space.words] & ~UINT64_C(0x8000000000000000);

		memcpy(&median[side], &bits, sizeof bits);
	}
	rank_space_free(ctx, &space);
	return median[0] + 0.5 * (median[1] - median[0]);
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
add_block(ClassSums *sums, const double *actual, const double *probabilities, const double *weight,
		  size_t n, size_t m)
{
	ProbabilityBlock block;
	int			klass[BLOCK];

	for (size_t i = 0; i < m; i++)
		klass[i] = row_class(actual[i], sums->classes);
	read_block(&block, klass, probabilities, n, m, sums->classes);
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
		double		area;

		rank_rows(ctx, space, actual, k, false, probabilities + (size_t) k * n, weight, n, &area, NULL);
		if (isnan(area))
			continue;
		ml_sum_add(&areas, area);
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
ml_metrics_classification(MlContext *ctx, int classes, const double *actual, const double *probabilities,
						  const double *weight, size_t n, MlMetric *out)
{
	ClassSums	sums = {.classes = classes};
	MlSum	   *slots = ml_alloc_array_zero(ctx, 3 * ((size_t) classes + 1), sizeof(MlSum));
	RankSpace	space;
	MlTallyMetrics tally;
	double		total;
	double		roc_auc;
	double		average_precision = NAN;
	int			count = 0;

	sums.hits = slots;
	sums.actual = slots + classes + 1;
	sums.predicted = slots + 2 * (classes + 1);
	for (size_t begin = 0; begin < n; begin += BLOCK)
	{
		if (begin % CHECK_ROWS == 0)
			ml_check(ctx);
		add_block(&sums, actual + begin, probabilities + begin, weight == NULL ? NULL : weight + begin,
				  n, n - begin > BLOCK ? BLOCK : n - begin);
	}
	finish_tallies(ctx, &sums, &tally, &total);

	rank_space_create(ctx, &space, weight, n);
	if (classes == 2)
		rank_rows(ctx, &space, actual, 1.0, false, probabilities + n, weight, n, &roc_auc, &average_precision);
	else
		roc_auc = macro_roc_auc(ctx, &space, classes, actual, probabilities, weight, n);
	rank_space_free(ctx, &space);
	ml_free(ctx, slots);

	out[count++] = (MlMetric) {"accuracy", tally.accuracy, true};
	out[count++] = (MlMetric) {"balanced_accuracy", tally.balanced_accuracy, true};
	out[count++] = (MlMetric) {"precision", tally.precision, true};
	out[count++] = (MlMetric) {"recall", tally.recall, true};
	out[count++] = (MlMetric) {"f1", tally.f1, true};
	out[count++] = (MlMetric) {"roc_auc", roc_auc, true};
	if (classes == 2)
		out[count++] = (MlMetric) {"average_precision", average_precision, true};
	out[count++] = (MlMetric) {"log_loss", ml_sum_value(&sums.log_loss) / total, false};
	out[count++] = (MlMetric) {"brier", ml_sum_value(&sums.brier) / total, false};
	out[count++] = (MlMetric) {"mcc", tally.mcc, true};
	return count;
}
