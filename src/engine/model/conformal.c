/*
 * Split conformal prediction.
 *
 * Problem: an interval for a number, or a set of classes, that holds the truth with a given probability
 * whatever the model and the data, as long as new rows come from where the held-out rows came from.
 * Given n scores of held-out rows, the score of a new row is at most the ceil((n + 1) share)-th smallest of them
 * with probability of at least share, and by less than 1 / (n + 1) more.
 * Rows with weights stand for that many each, and the new row for one of average weight: the score is then at most the
 * smallest one that rows of (n + 1) share average weights do not pass (Tibshirani, Barber, Candes and Ramdas, Conformal
 * prediction under covariate shift, NeurIPS 2019, with weights that are given).
 * Numbers: signed residuals, half of the error on either side, so that a skew is followed (Lei, G'Sell, Rinaldo,
 * Tibshirani and Wasserman, JASA 113, 2018).  Classes: the classes whose probability is high enough, which
 * is the smallest set on average (Sadinle, Lei and Wasserman, JASA 114, 2019); it can be empty.
 * Scores are kept in single precision, so a bound is moved outwards by one unit in the last place: rounded the other
 * way it would miss every row that has the very score, and a model with few outputs gives many rows the same.
 */
#include "model/conformal.h"

#include <math.h>
#include <string.h>

#include "score/runs.h"

/* How many scores a model keeps: shares are then right to a thousandth, on the side of too wide. */
#define MOST_SCORES 1001

/* What a class that the model does not know scores: no set short of all classes will do. */
#define UNKNOWN_CLASS 2.0

bool
ml_conformal_scores(MlTaskKind task, const double *actual, const double *out, size_t n, double *scores)
{
	if (task == ML_TASK_RANKING || task == ML_TASK_ANOMALY)
		return false;
	for (size_t i = 0; i < n; i++)
		if (task == ML_TASK_REGRESSION)
			scores[i] = actual[i] - out[i];
		else
			scores[i] = actual[i] < 0 ? UNKNOWN_CLASS : 1 - out[(size_t) actual[i] * n + i];
	return true;
}

/* The rank, from 0, of the j-th score kept. */
static size_t
kept_rank(size_t j, size_t count, size_t n)
{
	return count == n ? j : (size_t) llround((double) j * (double) (n - 1) / (double) (count - 1));
}

/* Are there weights that differ? */
static bool
weights_differ(const double *weights, size_t n)
{
	for (size_t i = 1; weights != NULL && i < n; i++)
		if (weights[i] != weights[0])
			return true;
	return false;
}

/* Write evenly spaced ranks of scores that count the same. */
static void
write_scores(MlContext *ctx, MlWriter *w, const double *scores, size_t n)
{
	size_t		count = n < MOST_SCORES ? n : MOST_SCORES;
	double	   *sorted = ml_alloc_array(ctx, n + 1, sizeof(double));
	float	   *kept = ml_alloc_array(ctx, count + 1, sizeof(float));

	memcpy(sorted, scores, n * sizeof(double));
	ml_sort_numbers(ctx, sorted, n);
	for (size_t j = 0; j < count; j++)
		kept[j] = (float) sorted[kept_rank(j, count, n)];
	ml_write_int(w, "n", (int64_t) n);
	ml_write_f32s(w, "scores", kept, count);
	ml_free(ctx, kept);
	ml_free(ctx, sorted);
}

/*
 * Write scores that have weights: of many those that pass an even part of all weight.  Rows of one score are one, rows
 * of no weight none.
 */
static void
write_weighted(MlContext *ctx, MlWriter *w, const double *scores, const double *weights, size_t n)
{
	MlKeyed    *sorted = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));
	float	   *kept = ml_alloc_array(ctx, MOST_SCORES + 1, sizeof(float));
	double	   *below = ml_alloc_array(ctx, MOST_SCORES + 1, sizeof(double));
	double	   *through = ml_alloc_array(ctx, MOST_SCORES + 1, sizeof(double));
	MlSum		total = {0, 0};
	MlSum		passed = {0, 0};
	size_t		rows = 0;
	size_t		count = 0;
	size_t		end;

	for (size_t i = 0; i < n; i++)
	{
		if (!(weights[i] > 0))
			continue;
		ml_sum_add(&total, weights[i]);
		sorted[rows++] = (MlKeyed) {ml_score_key(scores[i]), i};
	}
	ml_sort_keyed(ctx, sorted, rows);
	for (size_t begin = 0; begin < rows; begin = end)
	{
		float		score = (float) scores[sorted[begin].item];
		double		from = fmin(1, ml_sum_value(&passed) / ml_sum_value(&total));
		double		to;

		for (end = begin; end < rows && (float) scores[sorted[end].item] == score; end++)
			ml_sum_add(&passed, weights[sorted[end].item]);
		to = end == rows ? 1 : fmin(1, ml_sum_value(&passed) / ml_sum_value(&total));
		if (rows > MOST_SCORES && end < rows && floor(from * (MOST_SCORES - 1)) == floor(to * (MOST_SCORES - 1)))
			continue;
		kept[count] = score;
		below[count] = from * (double) rows;
		through[count++] = to * (double) rows;
	}
	ml_write_int(w, "n", (int64_t) rows);
	ml_write_f32s(w, "scores", kept, count);
	ml_write_f64s(w, "below", below, count);
	ml_write_f64s(w, "through", through, count);
	ml_free(ctx, through);
	ml_free(ctx, below);
	ml_free(ctx, kept);
	ml_free(ctx, sorted);
}

void
ml_calibration_write(MlContext *ctx, MlWriter *w, const double *scores, const double *weights, size_t n)
{
	ml_write_object(w, "calibration");
	if (weights_differ(weights, n))
		write_weighted(ctx, w, scores, weights, n);
	else
		write_scores(ctx, w, scores, n);
	ml_write_end(w);
}

/* Check that the weights of a calibration ascend. */
static void
check_weights(MlContext *ctx, const MlCalibration *c)
{
	double		last = 0;

	for (size_t j = 0; j < c->count; j++)
	{
		if (!(c->below[j] >= last && c->through[j] >= c->below[j] && c->through[j] <= (double) c->n))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the weights of its calibration are not ascending");
		last = c->through[j];
	}
	if (c->count < 1 || c->count > MOST_SCORES || last != (double) c->n)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: its calibration does not end with all weight");
}

bool
ml_calibration_read(MlContext *ctx, const MlModel *model, MlCalibration *calibration)
{
	const MlNode *node = ml_node_find(model->sections[ML_SECTION_SUMMARY], "calibration");
	const MlNode *scores;

	if (node == NULL)
		return false;
	if (ml_node_type(node) != ML_NODE_OBJECT)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: its calibration is no object");
	scores = ml_need(ctx, node, "scores", ML_NODE_F32S);
	calibration->n = (size_t) ml_need_int(ctx, node, "n", 1, INT64_C(1) << 40);
	calibration->count = ml_node_count(scores);
	calibration->scores = ml_node_array(scores);
	calibration->below = calibration->through = NULL;
	if (ml_node_find(node, "through") != NULL)
	{
		calibration->below = ml_need_f64s(ctx, node, "below", (int64_t) calibration->count);
		calibration->through = ml_need_f64s(ctx, node, "through", (int64_t) calibration->count);
		check_weights(ctx, calibration);
	}
	else if (calibration->count != (calibration->n < MOST_SCORES ? calibration->n : MOST_SCORES))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: its calibration has %zu scores of %zu rows",
				 calibration->count, calibration->n);
	for (size_t j = 0; j < calibration->count; j++)
		if (!(calibration->scores[j > 0 ? j - 1 : 0] <= calibration->scores[j]))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the scores of its calibration are not ascending");
	return true;
}

/* The weight of the rows below a score kept, in average weights of a row. */
static inline double
weight_below(const MlCalibration *c, size_t j)
{
	return c->below != NULL ? c->below[j] : (double) kept_rank(j, c->count, c->n);
}

/* The same, with the rows of the score itself. */
static inline double
weight_through(const MlCalibration *c, size_t j)
{
	return c->through != NULL ? c->through[j] : (double) kept_rank(j, c->count, c->n) + 1;
}

double
ml_calibration_upper(const MlCalibration *c, double share)
{
	double		wanted = ((double) c->n + 1) * share;
	size_t		low = 0;
	size_t		high = c->count - 1;

	if (wanted > (double) c->n)
		return INFINITY;
	/* the first score kept that enough weight does not pass */
	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (weight_through(c, middle) >= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return nextafterf(c->scores[low], INFINITY);
}

double
ml_calibration_lower(const MlCalibration *c, double share)
{
	double		allowed = ((double) c->n + 1) * (1 - share) - 1;
	size_t		low = 0;
	size_t		high = c->count;

	if (allowed < 0)
		return -INFINITY;
	/* the last score kept below which there is no more weight than may be */
	while (low + 1 < high)
	{
		size_t		middle = (low + high) / 2;

		if (weight_below(c, middle) <= allowed)
			low = middle;
		else
			high = middle;
	}
	return nextafterf(c->scores[low], -INFINITY);
}
