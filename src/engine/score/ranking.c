/*
 * Metrics of an order: how much of the gain of a group's best order a model's order has.
 * Paper: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR Techniques, 2002; McSherry and Najork,
 * Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores, 2008.
 */
#include <math.h>
#include <stdlib.h>

#include "score/metrics.h"
#include "score/ranking.h"
#include "score/runs.h"

/* The highest score first; a score that is not a number last. */
static int
by_score(const void *pa, const void *pb)
{
	const MlRanked *a = pa;
	const MlRanked *b = pb;

	if (a->score != a->score || b->score != b->score)
		return (a->score != a->score) - (b->score != b->score);
	return (a->score < b->score) - (a->score > b->score);
}

static int
by_gain(const void *pa, const void *pb)
{
	const MlRanked *a = pa;
	const MlRanked *b = pb;

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
cumulated_gain(const MlRanked *rows, size_t n, size_t at)
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
ideal_gain(const MlRanked *rows, size_t n, size_t at)
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
	MlRanked   *rows = ml_alloc_array(ctx, n + 1, sizeof(MlRanked));
	MlSum		sums[3] = {{0}};
	double		groups = 0;
	size_t		end;

	for (size_t begin = 0; begin < n; begin = end)
	{
		size_t		m;
		double		ideal[3];

		ml_check(ctx);
		for (end = begin; end < n && group[end] == group[begin]; end++)
			rows[end - begin] = (MlRanked) {score[end], exp2(relevance[end]) - 1};
		m = end - begin;
		qsort(rows, m, sizeof(MlRanked), by_gain);
		for (int k = 0; k < 3; k++)
			ideal[k] = ideal_gain(rows, m, places[k]);
		if (!(ideal[0] > 0))
			continue;
		groups++;
		qsort(rows, m, sizeof(MlRanked), by_score);
		for (int k = 0; k < 3; k++)
			ml_sum_add(&sums[k], cumulated_gain(rows, m, places[k]) / ideal[k]);
	}
	ml_free(ctx, rows);
	out[0] = (MlMetric) {"ndcg", ml_sum_value(&sums[0]) / groups, true};
	out[1] = (MlMetric) {"ndcg_at_10", ml_sum_value(&sums[1]) / groups, true};
	out[2] = (MlMetric) {"ndcg_at_5", ml_sum_value(&sums[2]) / groups, true};
	return 3;
}

int
ml_metrics_groups(MlContext *ctx, const double *relevance, const double *score, const uint64_t *group, size_t n,
				  MlMetric *out)
{
	MlKeyed    *rows = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));	/* by group */
	double	   *relevances = ml_alloc_array(ctx, n + 1, sizeof(double));
	double	   *scores = ml_alloc_array(ctx, n + 1, sizeof(double));
	uint32_t   *numbers = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	int			count;

	for (size_t i = 0; i < n; i++)
		rows[i] = (MlKeyed) {group[i], i};
	ml_sort_keyed(ctx, rows, n);
	for (size_t i = 0; i < n; i++)
	{
		relevances[i] = relevance[rows[i].item];
		scores[i] = score[rows[i].item];
		numbers[i] = i == 0 ? 0 : numbers[i - 1] + (rows[i].key != rows[i - 1].key);
	}
	count = ml_metrics_ranking(ctx, relevances, scores, numbers, n, out);
	ml_free(ctx, numbers);
	ml_free(ctx, scores);
	ml_free(ctx, relevances);
	ml_free(ctx, rows);
	return count;
}

/* ---- the rows of one query ---- */

double
ml_dcg(MlRanked *rows, size_t n, size_t k)
{
	qsort(rows, n, sizeof(MlRanked), by_score);
	return cumulated_gain(rows, n, k);
}

double
ml_ndcg(MlRanked *rows, size_t n, size_t k)
{
	double		ideal;

	qsort(rows, n, sizeof(MlRanked), by_gain);
	ideal = ideal_gain(rows, n, k);
	return ideal > 0 ? ml_dcg(rows, n, k) / ideal : NAN;
}

/* The end of the rows of equal score that begin at a place, and how many of them are relevant. */
static size_t
tie_end(const MlRanked *rows, size_t n, size_t begin, size_t *relevant)
{
	size_t		end = begin;

	*relevant = 0;
	for (; end < n && rows[end].score == rows[begin].score; end++)
		*relevant += rows[end].gain > 0;
	return end;
}

double
ml_reciprocal_rank(MlRanked *rows, size_t n)
{
	size_t		relevant;
	size_t		end;

	qsort(rows, n, sizeof(MlRanked), by_score);
	for (size_t begin = 0; begin < n; begin = end)
	{
		double		none = 1;	/* the probability that none of the rows so far is relevant */
		double		mean = 0;

		end = tie_end(rows, n, begin, &relevant);
		for (size_t i = begin; relevant > 0 && i + relevant <= end; i++)
		{
			double		here = (double) relevant / (double) (end - i);

			mean += none * here / (double) (i + 1);
			none *= 1 - here;
		}
		if (relevant > 0)
			return mean;
	}
	return 0;
}

/* The relevant rows in the first k places. */
static double
hits_at(MlRanked *rows, size_t n, size_t k)
{
	double		hits = 0;
	size_t		relevant;
	size_t		end;

	qsort(rows, n, sizeof(MlRanked), by_score);
	for (size_t begin = 0; begin < n && begin < k; begin = end)
	{
		size_t		places;

		end = tie_end(rows, n, begin, &relevant);
		places = (end < k ? end : k) - begin;
		hits += (double) relevant * ((double) places / (double) (end - begin));
	}
	return hits;
}

double
ml_precision_at_k(MlRanked *rows, size_t n, size_t k)
{
	return hits_at(rows, n, k) / (double) k;
}

double
ml_recall_at_k(MlRanked *rows, size_t n, size_t k)
{
	double		relevant = 0;

	for (size_t i = 0; i < n; i++)
		relevant += rows[i].gain > 0;
	return relevant > 0 ? hits_at(rows, n, k) / relevant : NAN;
}
