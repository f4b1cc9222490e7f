/*
 * Metrics of an order: how much of the gain of a group's best order a model's order has.
 * Paper: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR Techniques, 2002; McSherry and Najork,
 * Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores, 2008.
 */
#include <math.h>
#include <stdlib.h>

#include "score/metrics.h"

typedef struct Ranked
{
	double		score;
	double		gain;
} Ranked;

/* The highest score first; a score that is not a number last. */
static int
by_score(const void *pa, const void *pb)
{
	const Ranked *a = pa;
	const Ranked *b = pb;

	if (a->score != a->score || b->score != b->score)
		return (a->score != a->score) - (b->score != b->score);
	return (a->score < b->score) - (a->score > b->score);
}

static int
by_gain(const void *pa, const void *pb)
{
	const Ranked *a = pa;
	const Ranked *b = pb;

	return (a->gain < b->gain) - (a->gain > b->gain);
}

/* The discount of a place, counted from 0. */
static double
discount(size_t place)
{
	return 1 / log2((double) place + 2);
}

/* The gain of rows in their order, up to a place; rows of equal score share the discounts of their places. */
static double
cumulated_gain(const Ranked *rows, size_t n, size_t at)
{
	double		sum = 0;
	size_t		end;

	for (size_t begin = 0; begin < n && begin < at; begin = end)
	{
		double		gain = 0;
		double		discounts = 0;

		for (end = begin; end < n && by_score(&rows[begin], &rows[end]) == 0; end++)
		{
			gain += rows[end].gain;
			if (end < at)
				discounts += discount(end);
		}
		sum += gain / (double) (end - begin) * discounts;
	}
	return sum;
}

/* The largest gain that there is. */
static double
ideal_gain(const Ranked *rows, size_t n, size_t at)
{
	double		sum = 0;

	for (size_t i = 0; i < n && i < at; i++)
		sum += rows[i].gain * discount(i);
	return sum;
}

int
ml_metrics_ranking(MlContext *ctx, const double *relevance, const double *score, const uint32_t *group,
				   size_t n, MlMetric *out)
{
	static const size_t places[] = {SIZE_MAX, 10, 5};
	Ranked	   *rows = ml_alloc_array(ctx, n + 1, sizeof(Ranked));
	MlSum		sums[3] = {{0}};
	double		groups = 0;
	size_t		end;

	for (size_t begin = 0; begin < n; begin = end)
	{
		size_t		m;
		double		ideal[3];

		for (end = begin; end < n && group[end] == group[begin]; end++)
			rows[end - begin] = (Ranked) {score[end], exp2(relevance[end]) - 1};
		m = end - begin;
		qsort(rows, m, sizeof(Ranked), by_gain);
		for (int k = 0; k < 3; k++)
			ideal[k] = ideal_gain(rows, m, places[k]);
		if (!(ideal[0] > 0))
			continue;
		groups++;
		qsort(rows, m, sizeof(Ranked), by_score);
		for (int k = 0; k < 3; k++)
			ml_sum_add(&sums[k], cumulated_gain(rows, m, places[k]) / ideal[k]);
	}
	ml_free(ctx, rows);
	out[0] = (MlMetric) {"ndcg", ml_sum_value(&sums[0]) / groups, true};
	out[1] = (MlMetric) {"ndcg_at_10", ml_sum_value(&sums[1]) / groups, true};
	out[2] = (MlMetric) {"ndcg_at_5", ml_sum_value(&sums[2]) / groups, true};
	return 3;
}
