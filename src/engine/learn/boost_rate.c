/*
 * The rate that learning_rate stands for where nobody gave one.
 *
 * Problem: a tree multiplied by r leads about as far as two multiplied by r / 2, so that the product of rate and
 *     rounds, the way, decides where a training ends: too early on a large table with much to learn, too late on a
 *     noisy one.
 * Way: a trial of rate TRIAL_RATE on a part of the rows tells after how many rounds t the loss of those held back is
 *     least; the fit takes all rows and the rate that makes its rounds end at the same place, t TRIAL_RATE / rounds.
 *     A rate above BOOST_DEFAULT_RATE is taken only if that one leaves a larger loss in a trial of its own.  Few rows
 *     held back say little: then all rows have their turn, t is where the mean loss of all trials is least, longer by
 *     as much as the fit has more rows than a trial, and no rate is above BOOST_DEFAULT_RATE.
 * Stopping rule of a trial: as many rounds as the fit, of few rows half of them; or PATIENCE rounds that were no
 *     better; or a round without a split.  Trials and fit together take at most three times as long as the fit.
 * Which rows are held back is decided by their content, not their order; bins and start scores are those of all rows.
 * Paper: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001, section 5, on shrinkage and the
 *     number of trees.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "learn/boost_internal.h"

#define TRIAL_RATE 0.2			/* of a trial, and the largest that it leads to */
#define RATE_STEPS 10000		/* of the rates that it may lead to, from 0 to 1 */
#define LEAST_WAY 1.0			/* that no trial falls below */
#define PATIENCE 10				/* rounds */
#define PARTS 10				/* of the rows: a trial holds back one, of few rows FEW_PARTS */
#define FEW_PARTS 2

bool
boost_tries_rates(const Boost *b)
{
	const BoostParams *p = b->params;

	return isnan(p->learning_rate) && p->boosting == BOOST_GBDT && p->early_stopping_rounds == 0 &&
		b->first_tree == 0 && b->objective->loss != NULL && b->rows.n >= BOOST_LEAST_ROWS;
}

/* ---- rows held back ---- */

/*
 * The part of each row, and how many rows differ.  Rows that differ are dealt out in the order of their keys; alike
 * ones stay together, so that a row twice is one of twice the weight.
 */
static uint8_t *
divide(const Boost *b, size_t *different)
{
	size_t		n = b->rows.n;
	uint8_t    *parts = ml_alloc(b->ctx, n);
	uint64_t	places;
	const uint64_t *keys = boost_order_rows(b, ml_mix64((uint64_t) b->params->seed * 2 + 1), false, &places);

	*different = 0;
	for (size_t i = 0; i < n; i++)
	{
		*different += i == 0 || (keys[i] & ~places) != (keys[i - 1] & ~places);
		parts[keys[i] & places] = (uint8_t) (*different % PARTS);
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

/*
 * The best of up to so many rounds of a trial; scores and forest are as before afterwards.  The losses of all rounds
 * are added to curve [rounds + 1], if there is one, the last one for those that were not made.
 */
static Trial
try_rate(Boost *b, MlTree *tree, BoostRows *rows, double rate, size_t rounds, double *curve)
{
	double		loss = loss_back(b, rows);
	Trial		best = {0, loss};
	size_t		round = 0;

	b->rate = rate;
	if (curve != NULL)
		curve[0] += loss;
	while (++round <= rounds && round - best.round <= PATIENCE && boost_grow_round(b, tree))
	{
		loss = loss_back(b, rows);
		ml_check(b->ctx);
		if (curve != NULL)
			curve[round] += loss;
		if (loss < best.loss)
			best = (Trial) {round, loss};
		if (ml_progress_due(b->ctx))
			ml_progress_at_most(b->ctx, "trying rates", round, rounds, loss);
	}
	for (; round <= rounds && curve != NULL; round++)
		curve[round] += loss;
	ml_forest_truncate(&b->forest, b->first_tree);
	boost_fill_scores(b, &b->rows);
	return best;
}

/* Hold back parts of the rows from one on. */
static void
hold_back(Boost *b, const uint8_t *parts, int first, int count)
{
	for (size_t i = 0; i < b->rows.n; i++)
		b->held_back[i] = parts[i] >= first && parts[i] < first + count;
}

/* The way that is best for some rows held back. */
static double
find_way(Boost *b, MlTree *tree, const uint8_t *parts)
{
	size_t		rounds = (size_t) b->params->n_estimators;
	double		usual = BOOST_DEFAULT_RATE * (double) rounds;
	BoostRows	rows;
	double	   *block;
	double		way;
	Trial		trial;

	hold_back(b, parts, 0, 1);
	block = take_back(b, &rows);
	trial = try_rate(b, tree, &rows, TRIAL_RATE, rounds, NULL);
	way = fmax(TRIAL_RATE * (double) trial.round, LEAST_WAY);
	if (way > usual && try_rate(b, tree, &rows, BOOST_DEFAULT_RATE, rounds, NULL).loss <= trial.loss)
		way = usual;
	ml_free(b->ctx, block);
	return way;
}

/* The same for few rows: all of them are held back in turn. */
static double
find_way_of_few(Boost *b, MlTree *tree, const uint8_t *parts)
{
	size_t		rounds = ((size_t) b->params->n_estimators + 1) / 2;
	double	   *curve = ml_alloc_array_zero(b->ctx, rounds + 1, sizeof(double));
	size_t		best = 0;

	for (int first = 0; first < PARTS; first += FEW_PARTS)
	{
		BoostRows	rows;
		double	   *block;

		hold_back(b, parts, first, FEW_PARTS);
		block = take_back(b, &rows);
		try_rate(b, tree, &rows, TRIAL_RATE, rounds, curve);
		ml_free(b->ctx, block);
	}
	for (size_t round = 1; round <= rounds; round++)
		if (curve[round] < curve[best])
			best = round;
	ml_free(b->ctx, curve);
	return fmin(fmax(TRIAL_RATE * (double) best * PARTS / (PARTS - FEW_PARTS), LEAST_WAY),
				BOOST_DEFAULT_RATE * (double) b->params->n_estimators);
}

double
boost_try_rates(Boost *b, MlTree *tree)
{
	size_t		different;
	uint8_t    *parts = divide(b, &different);
	double		rate = BOOST_DEFAULT_RATE;
	double		way;

	if (different >= BOOST_LEAST_ROWS)
	{
		b->held_back = ml_alloc_array(b->ctx, b->rows.n, sizeof(bool));
		way = different <= BOOST_FEW_ROWS ? find_way_of_few(b, tree, parts) : find_way(b, tree, parts);
		rate = way / (double) b->params->n_estimators;
		rate = fmin(fmax(round(RATE_STEPS * rate), 1) / RATE_STEPS, TRIAL_RATE);
		ml_free(b->ctx, b->held_back);
		b->held_back = NULL;
	}
	ml_free(b->ctx, parts);
	return rate;
}
