/*
 * Ranking: scores that put the rows of a group in the order of their relevance.
 *
 * Problem: for each pair of rows i, j of a group with relevance_i > relevance_j, log(1 + exp(F_j - F_i)) times what
 *     NDCG would lose if the two changed places: (gain_i - gain_j) |discount_i - discount_j| / the best DCG, with
 *     gain = 2^relevance - 1 and discount = 1 / log2(place + 1), at the places that the scores give now.
 *     One row of a pair must be among the first lambdarank_truncation_level places.  The weights of pairs are divided
 *     by 0.01 + |F_i - F_j|, and the gradients of a group with sum S multiplied by log2(1 + S) / S, so that large
 *     groups do not outweigh the others.
 * Shapes: rows of a group lie together; one group is one thread's, which sees by itself when the call is to stop: what
 *     it leaves undone then nobody looks at.
 * Papers: Burges, From RankNet to LambdaRank to LambdaMART, 2010; Ke et al., LightGBM, 2017, for the truncation and
 *     the two norms.
 */
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "learn/boost_internal.h"

#define GROUPS_PIECE 16
#define LARGE_GROUP 65536		/* rows from which a pass over a group takes long */

typedef struct BoostRanking BoostRanking;

/* What a thread needs for the largest group. */
typedef struct RankScratch
{
	uint32_t   *order;			/* rows of the group, best score first */
	uint32_t   *aside;
	double	   *g;
	double	   *h;
} RankScratch;

struct BoostRanking
{
	RankScratch *scratch;		/* [threads] */
	double	   *discount;		/* [largest group] */
	/* [groups] DCG of the right order, of the truncation level's first places; 0 = nothing to gain */
	double	   *best;
	double	   *ndcg;			/* [2][pieces] sums of groups and how many */
};

static inline double
gain_of(double relevance)
{
	return (double) ((UINT64_C(1) << (int) relevance) - 1);
}

void
boost_rank_check(MlContext *ctx, const BoostRows *rows)
{
	size_t		wrong = 0;

	if (rows->group_begin == NULL)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "objective \"lambdarank\" needs groups", NULL,
					  "Name the column of the groups as parameter \"group\".");
	for (size_t i = 0; i < rows->n; i++)
		wrong += !(rows->target[i] >= 0 && rows->target[i] <= BOOST_MAX_RELEVANCE &&
				   rows->target[i] == floor(rows->target[i]));
	if (wrong > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "objective \"lambdarank\" needs a target of integers from 0 to %d",
								BOOST_MAX_RELEVANCE),
					  ml_format(ctx, "The target is something else in %zu of %zu rows.", wrong, rows->n),
					  "Put the relevance of rows in grades, such as 0 to 4.");
}

/* Does row a come before row b, by values that are the larger the better? */
static inline bool
comes_before(const double *value, uint32_t a, uint32_t b)
{
	return value[a] != value[b] ? value[a] > value[b] : a < b;
}

/* Is the call to stop?  Asked between passes over so many rows. */
static inline bool
is_to_stop(MlContext *ctx, size_t n)
{
	return n >= LARGE_GROUP && ctx->interrupted(ctx);
}

/* Rows 0 .. n - 1 in the order of their values, largest first and stable (merging runs); aside is space as large. */
static void
sort_rows(MlContext *ctx, const double *value, size_t n, uint32_t *order, uint32_t *aside)
{
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t) i;
	for (size_t run = 1; run < n && !is_to_stop(ctx, n); run *= 2)
	{
		for (size_t begin = 0; begin < n; begin += 2 * run)
		{
			size_t		middle = begin + run < n ? begin + run : n;
			size_t		end = begin + 2 * run < n ? begin + 2 * run : n;
			size_t		left = begin;
			size_t		right = middle;

			for (size_t to = begin; to < end; to++)
				aside[to] = left < middle && (right >= end || !comes_before(value, order[right], order[left])) ?
					order[left++] : order[right++];
		}
		memcpy(order, aside, n * sizeof(uint32_t));
	}
}

/* The DCG of rows in the order of their relevance. */
static double
best_gain(MlContext *ctx, const BoostRanking *r, const RankScratch *s, const double *relevance, size_t n, size_t places)
{
	double		sum = 0;

	sort_rows(ctx, relevance, n, s->order, s->aside);
	for (size_t i = 0; i < n && i < places; i++)
		sum += gain_of(relevance[s->order[i]]) * r->discount[i];
	return sum;
}

static void
best_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	const size_t *of = b->rows.group_begin;

	for (size_t group = begin; group < end; group++)
		b->ranking->best[group] = best_gain(b->ctx, b->ranking, &b->ranking->scratch[worker],
											b->rows.target + of[group],
											of[group + 1] - of[group], (size_t) b->params->lambdarank_truncation_level);
}

static size_t
largest_group(const BoostRows *rows)
{
	size_t		largest = 0;

	for (size_t i = 0; i < rows->groups; i++)
		if (rows->group_begin[i + 1] - rows->group_begin[i] > largest)
			largest = rows->group_begin[i + 1] - rows->group_begin[i];
	return largest;
}

/* Space for the groups of both sides. */
static BoostRanking *
create_ranking(MlContext *ctx, const Boost *b)
{
	BoostRanking *r = ml_alloc_zero(ctx, sizeof *r);
	size_t		threads = (size_t) ml_thread_count(ctx);
	size_t		largest = largest_group(&b->rows);
	size_t		groups = b->rows.groups > b->held.groups ? b->rows.groups : b->held.groups;

	if (largest_group(&b->held) > largest)
		largest = largest_group(&b->held);
	r->scratch = ml_alloc_array(ctx, threads, sizeof(RankScratch));
	for (size_t i = 0; i < threads; i++)
		r->scratch[i] = (RankScratch) {
			ml_alloc_array(ctx, largest + 1, sizeof(uint32_t)), ml_alloc_array(ctx, largest + 1, sizeof(uint32_t)),
			ml_alloc_array(ctx, largest + 1, sizeof(double)), ml_alloc_array(ctx, largest + 1, sizeof(double))
		};
	r->discount = ml_alloc_array(ctx, largest + 1, sizeof(double));
	for (size_t i = 0; i < largest; i++)
		r->discount[i] = 1 / log2((double) i + 2);
	r->best = ml_alloc_array(ctx, b->rows.groups + 1, sizeof(double));
	r->ndcg = ml_alloc_array(ctx, 2 * (groups / GROUPS_PIECE + 1), sizeof(double));
	return r;
}

/* ---- gradients ---- */

/* Add the gradients of a pair to both rows, high the more relevant; returns what counts for the norm. */
static double
add_pair(const double *score, size_t high, size_t low, double lost, bool spread, double *g, double *h)
{
	double		ahead = score[high] - score[low];
	double		wrong = 1 / (1 + exp(ahead));

	if (spread)
		lost /= 0.01 + fabs(ahead);
	g[high] -= lost * wrong;
	g[low] += lost * wrong;
	h[high] += lost * wrong * (1 - wrong);
	h[low] += lost * wrong * (1 - wrong);
	return 2 * lost * wrong;
}

/* Gradients of a group's rows, into g and h. */
static void
group_gradients(const Boost *b, const RankScratch *s, const double *relevance, const double *score, size_t n,
				double best)
{
	const BoostRanking *r = b->ranking;
	size_t		places = (size_t) b->params->lambdarank_truncation_level;
	double		sum = 0;
	bool		spread;

	memset(s->g, 0, n * sizeof(double));
	memset(s->h, 0, n * sizeof(double));
	if (!(best > 0) || n < 2)
		return;
	sort_rows(b->ctx, score, n, s->order, s->aside);
	spread = score[s->order[0]] != score[s->order[n - 1]];
	for (size_t i = 0; i + 1 < n && i < places && !is_to_stop(b->ctx, n); i++)
		for (size_t j = i + 1; j < n; j++)
		{
			double		gap = gain_of(relevance[s->order[i]]) - gain_of(relevance[s->order[j]]);
			double		lost = fabs(gap) * (r->discount[i] - r->discount[j]) / best;

			if (gap > 0)
				sum += add_pair(score, s->order[i], s->order[j], lost, spread, s->g, s->h);
			else if (gap < 0)
				sum += add_pair(score, s->order[j], s->order[i], lost, spread, s->g, s->h);
		}
	if (sum > 0)
		for (size_t i = 0; i < n; i++)
		{
			s->g[i] *= log2(1 + sum) / sum;
			s->h[i] *= log2(1 + sum) / sum;
		}
}

static void
rank_piece(void *arg, size_t begin, size_t end, int worker)
{
	Boost	   *b = arg;
	const RankScratch *s = &b->ranking->scratch[worker];
	BoostGradient *out = b->gradients;

	for (size_t group = begin; group < end; group++)
	{
		size_t		first = b->rows.group_begin[group];
		size_t		n = b->rows.group_begin[group + 1] - first;

		group_gradients(b, s, b->rows.target + first, b->rows.score + first, n, b->ranking->best[group]);
		for (size_t i = 0; i < n; i++)
		{
			double		weight = b->rows.weight != NULL ? b->rows.weight[first + i] : 1;

			out[first + i] = (BoostGradient) {(float) (weight * s->g[i]), (float) (weight * s->h[i])};
		}
	}
}

void
boost_rank_differentiate(Boost *b)
{
	ml_parallel_for(b->ctx, b->rows.groups, GROUPS_PIECE, rank_piece, b);
}

/* ---- how good an order is ---- */

/* The DCG of rows in the order of their scores; rows of equal score share the discounts of their places. */
static double
cumulated_gain(MlContext *ctx, const BoostRanking *r, const RankScratch *s, const double *relevance,
			   const double *score, size_t n, size_t places)
{
	double		sum = 0;
	size_t		end;

	sort_rows(ctx, score, n, s->order, s->aside);
	for (size_t begin = 0; begin < n && begin < places; begin = end)
	{
		double		gain = 0;
		double		discounts = 0;

		for (end = begin; end < n && score[s->order[end]] == score[s->order[begin]]; end++)
		{
			gain += gain_of(relevance[s->order[end]]);
			discounts += end < places ? r->discount[end] : 0;
		}
		sum += gain / (double) (end - begin) * discounts;
	}
	return sum;
}

typedef struct NdcgJob
{
	const Boost *b;
	const BoostRows *rows;
} NdcgJob;

static void
ndcg_piece(void *arg, size_t begin, size_t end, int worker)
{
	const NdcgJob *job = arg;
	const BoostRanking *r = job->b->ranking;
	size_t		places = (size_t) job->b->params->ndcg_at;
	double		sum = 0;
	double		groups = 0;

	for (size_t group = begin; group < end; group++)
	{
		size_t		first = job->rows->group_begin[group];
		size_t		n = job->rows->group_begin[group + 1] - first;
		double		best = best_gain(job->b->ctx, r, &r->scratch[worker], job->rows->target + first, n, places);

		if (best > 0)
		{
			sum += cumulated_gain(job->b->ctx, r, &r->scratch[worker], job->rows->target + first,
								  job->rows->score + first, n, places) / best;
			groups++;
		}
	}
	r->ndcg[begin / GROUPS_PIECE * 2] = sum;
	r->ndcg[begin / GROUPS_PIECE * 2 + 1] = groups;
}

double
boost_rank_ndcg(const Boost *b, const BoostRows *rows)
{
	NdcgJob		job = {b, rows};
	double		sum = 0;
	double		groups = 0;

	ml_parallel_for(b->ctx, rows->groups, GROUPS_PIECE, ndcg_piece, &job);
	for (size_t i = 0; i < (rows->groups + GROUPS_PIECE - 1) / GROUPS_PIECE; i++)
	{
		sum += b->ranking->ndcg[2 * i];
		groups += b->ranking->ndcg[2 * i + 1];
	}
	return groups > 0 ? sum / groups : 0;
}

void
boost_rank_begin(Boost *b)
{
	b->ranking = create_ranking(b->ctx, b);
	ml_parallel_for(b->ctx, b->rows.groups, GROUPS_PIECE, best_piece, b);
}
