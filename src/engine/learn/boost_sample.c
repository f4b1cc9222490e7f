/*
 * What chance chooses for a tree: its rows, by subsample or by the size of gradients, and its columns.
 *
 * subsample draws a row by its place among all rows in the order of their content, so that the same rows are drawn in
 * whatever order they come; rows that are alike in everything may change places.
 * goss: once 1 / learning_rate rounds have passed, the rows of the largest gradients (share top_rate) are kept, and
 * of the others so many as other_rate of all, with gradients and hessians times what makes up for those left out.
 * Paper: Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, 2017; with |gradient| as measure.
 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "base/sort.h"
#include "base/threads.h"
#include "learn/boost_internal.h"

#define FEW_SUBSAMPLE 0.8		/* of few rows, where nothing else is said */
#define FEW_COLSAMPLE 0.8
#define LEAST_COLUMNS 5			/* that some are left out of by default: fewer may all be needed in one tree */
#define HALF_KEYS 65536			/* values of half a single-precision number */

/* ---- rows in the order of their content ---- */

typedef struct Ordering
{
	const Boost *b;
	uint64_t	mix;
	uint64_t	places;			/* the bits of a key that tell the row; the others are its content's */
	bool		whole;			/* target and weight are part of the content */
	uint64_t   *keys;			/* [n] */
} Ordering;

/* The keys of some rows. */
static void
key_piece(void *arg, size_t begin, size_t end, int worker)
{
	Ordering   *o = arg;
	const MlBins *bins = o->b->bins;
	const BoostRows *rows = &o->b->rows;

	(void) worker;
	for (size_t i = begin; i < end; i++)
	{
		uint64_t	hash = o->mix;

		for (int g = 0; g < bins->ngroups; g++)
		{
			size_t		count = (size_t) bins->group[g].count;

			hash = ml_hash_bytes(bins->group[g].bytes + i * count, count, hash);
		}
		if (o->whole)
			hash = ml_hash_bytes(&rows->target[i], sizeof(double), hash);
		if (o->whole && rows->weight != NULL)
			hash = ml_hash_bytes(&rows->weight[i], sizeof(double), hash);
		o->keys[i] = (ml_mix64(hash) & ~o->places) | i;
	}
}

const uint64_t *
boost_order_rows(const Boost *b, uint64_t mix, bool whole, uint64_t *places)
{
	size_t		n = b->rows.n;
	Ordering	o = {.b = b,.mix = mix,.whole = whole};
	uint64_t   *buffer = ml_alloc_array(b->ctx, n, sizeof(uint64_t));

	while (o.places < n)
		o.places = 2 * o.places + 1;
	o.keys = (uint64_t *) ml_grower_packed(b->grower);
	ml_parallel_for(b->ctx, n, BOOST_PIECE, key_piece, &o);
	ml_sort_rows(b->ctx, o.keys, buffer, n, ML_WORDS_KEY);
	ml_free(b->ctx, buffer);
	*places = o.places;
	return o.keys;
}

/* ---- rows and columns of a tree ---- */

void
boost_choose_samples(Boost *b)
{
	const BoostParams *p = b->params;
	bool		few = b->rows.n >= BOOST_LEAST_ROWS && b->rows.n <= BOOST_FEW_ROWS && b->kind != BOOST_LAMBDARANK &&
		(p->boosting == BOOST_GBDT || p->boosting == BOOST_DART);

	b->subsample = !isnan(p->subsample) ? p->subsample : few ? FEW_SUBSAMPLE : 1;
	b->colsample = !isnan(p->colsample_bytree) ? p->colsample_bytree :
		few && b->design->columns >= LEAST_COLUMNS ? FEW_COLSAMPLE : 1;
}

void
boost_place_rows(Boost *b)
{
	const uint64_t *keys;
	uint64_t	places;

	if (b->subsample == 1)
		return;
	keys = boost_order_rows(b, 0, true, &places);
	b->place = ml_alloc_array(b->ctx, b->rows.n, sizeof(uint32_t));
	for (size_t i = 0; i < b->rows.n; i++)
		b->place[keys[i] & places] = (uint32_t) i;
}

/* A number in [0, 1) for a row of a tree. */
static inline double
chance(uint64_t mix, size_t row)
{
	return (double) (ml_mix64(mix + row) >> 11) * 0x1p-53;
}

/* Keep each row with the chance of subsample, but those that a trial holds back. */
static size_t
sample_evenly(Boost *b, uint64_t mix)
{
	uint32_t   *rows = ml_grower_rows(b->grower);
	int64_t    *gradients = ml_grower_packed(b->grower);
	size_t		n = 0;

	for (size_t i = 0; i < b->rows.n; i++)
		if (((b->place == NULL || chance(mix, b->place[i]) < b->subsample) &&
			 !(b->held_back != NULL && b->held_back[i])) || (n == 0 && i + 1 == b->rows.n))
		{
			rows[n] = (uint32_t) i;
			gradients[n++] = gradients[i];
		}
	return n;
}

/* The size of a gradient as a number that orders as it does. */
static inline uint32_t
size_key(const BoostGradient *gradient)
{
	float		size = fabsf(gradient->g);
	uint32_t	key;

	memcpy(&key, &size, sizeof key);
	return key;
}

/* The key of the gradient that so many are at least as large as. */
static uint32_t
find_key(Boost *b, const BoostGradient *gradients, size_t wanted)
{
	size_t	   *counts = ml_alloc_array_zero(b->ctx, HALF_KEYS, sizeof(size_t));
	uint32_t	high = HALF_KEYS;
	uint32_t	low = HALF_KEYS;
	size_t		above = 0;

	for (size_t i = 0; i < b->rows.n; i++)
		counts[size_key(&gradients[i]) >> 16]++;
	while (above + counts[--high] < wanted && high > 0)
		above += counts[high];
	memset(counts, 0, HALF_KEYS * sizeof(size_t));
	for (size_t i = 0; i < b->rows.n; i++)
		if (size_key(&gradients[i]) >> 16 == high)
			counts[size_key(&gradients[i]) & 0xffff]++;
	while (above + counts[--low] < wanted && low > 0)
		above += counts[low];
	ml_free(b->ctx, counts);
	return high << 16 | low;
}

/* Keep the rows of large gradients, and some others. */
static size_t
sample_by_gradient(Boost *b, uint64_t mix)
{
	uint32_t   *rows = ml_grower_rows(b->grower);
	BoostGradient *gradients = b->gradients;
	double		top = ceil((double) b->rows.n * b->params->top_rate);
	uint32_t	key = find_key(b, gradients, top >= 1 ? (size_t) top : 1);
	size_t		large = 0;
	size_t		n = 0;
	double		share;

	for (size_t i = 0; i < b->rows.n; i++)
		large += size_key(&gradients[i]) >= key;
	share = (double) b->rows.n * b->params->other_rate / (double) (b->rows.n - large);
	for (size_t i = 0; i < b->rows.n; i++)
	{
		BoostGradient gradient = gradients[i];

		if (size_key(&gradient) < key)
		{
			if (share < 1 && chance(mix, i) >= share)
				continue;
			if (share < 1)
				gradient = (BoostGradient) {(float) (gradient.g / share), (float) (gradient.h / share)};
		}
		rows[n] = (uint32_t) i;
		gradients[n++] = gradient;
	}
	return n;
}

size_t
boost_sample_rows(Boost *b)
{
	size_t		tree = b->forest.trees;
	uint64_t	mix = ml_mix64((uint64_t) b->params->seed * 2 + 1) ^ ml_mix64(tree);
	uint32_t   *rows = ml_grower_rows(b->grower);

	if (b->place != NULL || b->held_back != NULL)
		return sample_evenly(b, mix);
	if (b->params->boosting == BOOST_GOSS && (double) (tree / (size_t) b->k) * b->learning_rate >= 1)
		return sample_by_gradient(b, mix);
	for (size_t i = 0; i < b->rows.n; i++)
		rows[i] = (uint32_t) i;
	return b->rows.n;
}

void
boost_sample_columns(Boost *b)
{
	int			p = b->bins->columns;
	int			wanted = (int) (p * b->colsample + 0.5);
	MlRandom	random;

	ml_grower_seed(b->grower, ml_mix64((uint64_t) b->params->seed * 2) ^ b->forest.trees);
	if (b->use == NULL)
		return;
	ml_random_seed(&random, ml_mix64((uint64_t) b->params->seed) ^ b->forest.trees);
	wanted = wanted < 1 ? 1 : wanted;
	/* each column with the chance that what is wanted has among what is left */
	for (int j = 0; j < p; j++)
	{
		int			column = b->bins->order[j];

		b->use[column] = (int) ml_random_below(&random, (uint64_t) (p - j)) < wanted;
		wanted -= b->use[column];
	}
}

bool
boost_by_chance(const Boost *b)
{
	const BoostParams *p = b->params;

	/* shares that nobody asked for are NAN: large enough for a round in vain to mean the end */
	return p->subsample < 1 || p->colsample_bytree < 1 || p->colsample_bynode < 1 || p->extra_trees ||
		p->boosting == BOOST_DART || p->boosting == BOOST_GOSS;
}
