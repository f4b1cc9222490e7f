/*
 * Split conformal prediction.
 *
 * Problem: an interval for a number, or a set of classes, that holds the truth with a given probability
 * whatever the model and the data, as long as new rows come from where the held-out rows came from.
 * Given n scores of held-out rows, the score of a new row is at most the ceil((n + 1) share)-th smallest of them
 * with probability of at least share, and by less than 1 / (n + 1) more.
 * Numbers: signed residuals, half of the error on either side, so that a skew is followed (Lei, G'Sell, Rinaldo,
 * Tibshirani and Wasserman, JASA 113, 2018).  Classes: the classes whose probability is high enough, which
 * is the smallest set on average (Sadinle, Lei and Wasserman, JASA 114, 2019); it can be empty.
 * Scores are kept in single precision, so a bound is moved outwards by one unit in the last place: rounded the other way it
 * would miss every row that has the very score, and a model with few outputs gives many rows the same.
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

void
ml_calibration_write(MlContext *ctx, MlWriter *w, const double *scores, size_t n)
{
	size_t		count = n < MOST_SCORES ? n : MOST_SCORES;
	double	   *sorted = ml_alloc_array(ctx, n + 1, sizeof(double));
	float	   *kept = ml_alloc_array(ctx, count + 1, sizeof(float));

	memcpy(sorted, scores, n * sizeof(double));
	ml_sort_numbers(ctx, sorted, n);
	for (size_t j = 0; j < count; j++)
		kept[j] = (float) sorted[kept_rank(j, count, n)];
	ml_write_object(w, "calibration");
	ml_write_int(w, "n", (int64_t) n);
	ml_write_f32s(w, "scores", kept, count);
	ml_write_end(w);
	ml_free(ctx, kept);
	ml_free(ctx, sorted);
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
	if (calibration->count != (calibration->n < MOST_SCORES ? calibration->n : MOST_SCORES))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: its calibration has %zu scores of %zu rows",
				 calibration->count, calibration->n);
	for (size_t j = 0; j < calibration->count; j++)
		if (!(calibration->scores[j > 0 ? j - 1 : 0] <= calibration->scores[j]))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the scores of its calibration are not ascending");
	return true;
}

double
ml_calibration_upper(const MlCalibration *c, double share)
{
	double		rank = ceil(((double) c->n + 1) * share);
	size_t		low = 0;
	size_t		high = c->count;

	if (rank > (double) c->n)
		return INFINITY;
	/* the first score kept whose rank, from 1, is high enough */
	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if ((double) kept_rank(middle, c->count, c->n) + 1 >= rank)
			high = middle;
		else
			low = middle + 1;
	}
	return nextafterf(c->scores[low], INFINITY);
}

double
ml_calibration_lower(const MlCalibration *c, double share)
{
	double		rank = floor(((double) c->n + 1) * (1 - share));
	size_t		low = 0;
	size_t		high = c->count;

	if (rank < 1)
		return -INFINITY;
	/* the last score kept whose rank is low enough */
	while (low + 1 < high)
	{
		size_t		middle = (low + high) / 2;

		if ((double) kept_rank(middle, c->count, c->n) + 1 <= rank)
			low = middle;
		else
			high = middle;
	}
	return nextafterf(c->scores[low], -INFINITY);
}
