/*
 * The rate that learning_rate stands for where nobody gave one.
 *
 * Problem: a tree multiplied by r leads about as far as two multiplied by r / 2, so that the product of rate and rounds,
 *     the way, decides where a training ends: too early on a large table with much to learn, too late on a noisy one.
 * Way: a trial of rate TRIAL_RATE on a part of the rows tells after how many rounds t the loss of those held back is
 *     least; the fit takes all rows and the rate that makes its rounds end at the same place, t TRIAL_RATE / rounds.
 *     A rate above BOOST_DEFAULT_RATE is taken only if that one leaves a larger loss in a trial of its own.  Few rows
 *     held back say little: then it is the longest way of several trials, and no rate is above BOOST_DEFAULT_RATE.
 * Stopping rule of a trial: as many rounds as the fit, of few rows half of them; or PATIENCE rounds that were no better;
 *     or a round without a split.  Trials and fit together grow less than three times the trees of the fit.
 * Which rows are held back is decided by their content, not their order; bins and start scores are those of all rows.
 * Paper: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001, section 5, on shrinkage and the
 *     number of trees.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/threads.h"
#include "learn/boost_internal.h"

#define TRIAL_RATE 0.2			/* of a trial, and the largest that it leads to */
#define RATE_STEPS 10000		/* of the rates that it may lead to, from 0 to 1 */
#define LEAST_WAY 1.0			/* that no trial falls below */
#define LEAST_ROWS 1000			/* that differ, for a trial */
#define FEW_ROWS 20000			/* that differ */
#define FEW_TRIALS 2			/* of few rows */
#define PATIENCE 10				/* rounds */
#define PARTS 10				/* of the rows: a trial holds back one, of few rows two */
#define BUCKET_SHIFT 54			/* of 64 bits */
#define BUCKETS ((size_t) 1 << (64 - BUCKET_SHIFT))

bool
boost_tries_rates(const Boost *b)
{
	const BoostParams *p = b->params;

	return isnan(p->learning_rate) && p->boosting == BOOST_GBDT && p->early_stopping_rounds == 0 &&
		b->first_tree == 0 && b->objective->loss != NULL && b->rows.n >= LEAST_ROWS;
}

/* ---- rows held back ---- */

typedef struct Dealing
{
	const Boost *b;
	uint64_t	mix;
	uint64_t	places;			/* the bits of a key that tell the row; the others are its content's */
	uint64_t   *keys;			/* [n] */
} Dealing;

/* The keys of some rows. */
static void
key_piece(void *arg, size_t begin, size_t end, int worker)
{
	Dealing    *d = arg;
	const MlBins *bins = d->b->bins;

	(void) worker;
	for (size_t i = begin; i < end; i++)
	{
		uint64_t	hash = d->mix;

		for (int g = 0; g < bins->ngroups; g++)
		{
			size_t		count = (size_t) bins->group[g].count;

			hash = ml_hash_bytes(bins->group[g].bytes + i * count, count, hash);
		}
		d->keys[i] = (ml_mix64(hash) & ~d->places) | i;
	}
}

static int
by_key(const void *pa, const void *pb)
{
	uint64_t	a = *(const uint64_t *) pa;
	uint64_t	b = *(const uint64_t *) pb;

	return (a > b) - (a < b);
}

/* Put keys in order, a bucket of their highest bits at a time, so that a cancel need not wait long. */
static void
sort_keys(const Boost *b, uint64_t *keys, size_t n)
{
	size_t		begin[BUCKETS + 1] = {0};
	size_t		next[BUCKETS];
	uint64_t   *sorted = ml_alloc_array(b->ctx, n, sizeof(uint64_t));

	for (size_t i = 0; i < n; i++)
		begin[(keys[i] >> BUCKET_SHIFT) + 1]++;
	for (size_t v = 0; v < BUCKETS; v++)
	{
		begin[v + 1] += begin[v];
		next[v] = begin[v];
	}
	for (size_t i = 0; i < n; i++)
		sorted[next[keys[i] >> BUCKET_SHIFT]++] = keys[i];
	for (size_t v = 0; v < BUCKETS; v++)
	{
		qsort(sorted + begin[v], begin[v + 1] - begin[v], sizeof(uint64_t), by_key);
		ml_check(b->ctx);
	}
	memcpy(keys, sorted, n * sizeof(uint64_t));
	ml_free(b->ctx, sorted);
}

/*
 * The part of each row, and how many rows differ.  Rows that differ are dealt out in the order of their keys; alike ones
 * stay together, so that a row twice is one of twice the weight.
 */
static uint8_t *
divide(const Boost *b, size_t *different)
{
	size_t		n = b->rows.n;
	uint8_t    *parts = ml_alloc(b->ctx, n);
	Dealing		d = {.b = b,.mix = ml_mix64((uint64_t) b->params->seed * 2 + 1)};

	while (d.places < n)
		d.places = 2 * d.places + 1;
	/* gradients have not been taken yet: their room is free */
	d.keys = (uint64_t *) ml_grower_packed(b->grower);
	ml_parallel_for(b->ctx, n, BOOST_PIECE, key_piece, &d);
	sort_keys(b, d.keys, n);
	*different = 0;
	for (size_t i = 0; i < n; i++)
	{
		*different += i == 0 || (d.keys[i] & ~d.places) != (d.keys[i - 1] & ~d.places);
		parts[d.keys[i] & d.places] = (uint8_t) (*different % PARTS);
	}
	return parts;
}

/* The rows held back, with room for their scores, in one block. */
static double *
take_back(const Boost *b, BoostRows *rows)
{
	double	   *target;
	double	   *weight;
	size_t		n = 0;

	for (size_t i = 0; i < b->rows.n; i++)
		n += b->held_back[i];
	target = ml_alloc_array(b->ctx, ((size_t) b->k + 2) * n + 1, sizeof(double));
	weight = target + n;
	*rows = (BoostRows) {.target = target,.weight = b->rows.weight != NULL ? weight : NULL,.score = weight + n};
	for (size_t i = 0; i < b->rows.n; i++)
		if (b->held_back[i])
		{
			if (rows->weight != NULL)
				weight[rows->n] = b->rows.weight[i];
			target[rows->n++] = b->rows.target[i];
		}
	return target;
}

/* Their mean loss. */
static double
loss_back(const Boost *b, BoostRows *rows)
{
	for (size_t c = 0; c < (size_t) b->k; c++)
	{
		const double *from = b->rows.score + c * b->rows.n;
		double	   *to = rows->score + c * rows->n;

		for (size_t i = 0; i < b->rows.n; i++)
			if (b->held_back[i])
				*to++ = from[i];
	}
	return boost_loss(b, rows);
}

/* ---- trials ---- */

/* What a trial came to. */
typedef struct Trial
{
	size_t		round;			/* of the least loss; 0 = the start */
	double		loss;
} Trial;

/* The best of up to so many rounds of a trial; scores and forest are as before afterwards. */
static Trial
try_rate(Boost *b, MlTree *tree, BoostRows *rows, double rate, size_t rounds)
{
	Trial		best = {0, loss_back(b, rows)};

	b->rate = rate;
	for (size_t round = 1; round <= rounds && round - best.round <= PATIENCE && boost_grow_round(b, tree); round++)
	{
		double		loss = loss_back(b, rows);

		ml_check(b->ctx);
		if (loss < best.loss)
			best = (Trial) {round, loss};
		if (ml_progress_due(b->ctx))
			ml_progress_at_most(b->ctx, "trying rates", round, rounds, loss);
	}
	ml_forest_truncate(&b->forest, b->first_tree);
	boost_fill_scores(b, &b->rows);
	return best;
}

/* The way that is best for the rows held back. */
static double
find_way(Boost *b, MlTree *tree, bool few)
{
	size_t		rounds = (size_t) b->params->n_estimators;
	double		usual = BOOST_DEFAULT_RATE * (double) rounds;
	BoostRows	rows;
	double	   *block = take_back(b, &rows);
	Trial		trial = try_rate(b, tree, &rows, TRIAL_RATE, few ? (rounds + 1) / 2 : rounds);
	double		way = fmax(TRIAL_RATE * (double) trial.round, LEAST_WAY);

	if (way > usual && (few || try_rate(b, tree, &rows, BOOST_DEFAULT_RATE, rounds).loss <= trial.loss))
		way = usual;
	ml_free(b->ctx, block);
	return way;
}

double
boost_try_rates(Boost *b, MlTree *tree)
{
	size_t		different;
	uint8_t    *parts = divide(b, &different);
	bool		few = different <= FEW_ROWS;
	int			trials = different < LEAST_ROWS ? 0 : few ? FEW_TRIALS : 1;
	double		rate = 0;

	b->held_back = ml_alloc_array(b->ctx, b->rows.n, sizeof(bool));
	for (int trial = 0; trial < trials; trial++)
	{
		for (size_t i = 0; i < b->rows.n; i++)
			b->held_back[i] = parts[i] / (few ? 2 : 1) == trial;
		rate = fmax(rate, find_way(b, tree, few) / (double) b->params->n_estimators);
	}
	ml_free(b->ctx, b->held_back);
	b->held_back = NULL;
	ml_free(b->ctx, parts);
	if (trials == 0)
		return BOOST_DEFAULT_RATE;
	return fmin(fmax(round(RATE_STEPS * rate), 1) / RATE_STEPS, TRIAL_RATE);
}
