/*
 * Which training rows each tree of a forest draws.
 *
 * A draw names a row by the rank of its content among all of them, not by its place: the same rows in another order
 * give the same trees, and who has the rows of a training can tell again what each tree drew (cart_oob_rows.c).  Rows
 * of the same content take their ranks as they come; they are alike to every tree.
 *
 * Bootstrap draws max_samples * n rows with replacement, so that a row counts as often as it was drawn; without
 * bootstrap a share below one is drawn without replacement.  Tree t draws from the seed and t alone.
 */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "learn/cart.h"

void
cart_take_rows(MlContext *ctx, const MlDesign *design, const CartParams *params, CartTaken *taken)
{
	bool		numbers = design->task == ML_TASK_REGRESSION;
	double	   *classes = numbers ? NULL : ml_class_weights(ctx, params->class_weight, design);
	double		largest = 0;
	size_t		n = 0;

	if (numbers && params->class_weight != NULL)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "parameter \"class_weight\" is for a target of classes",
					  "The target is a number to be estimated.", "Leave the parameter out.");
	taken->target = ml_alloc_array(ctx, design->rows + 1, sizeof(double));
	taken->weight = ml_alloc_array(ctx, design->rows + 1, sizeof(double));
	for (size_t i = 0; i < design->rows; i++)
	{
		double		w = design->weight != NULL ? design->weight[i] : 1;

		if (!(w > 0))
			continue;
		taken->target[n] = design->target[i];
		taken->weight[n] = classes != NULL ? w * classes[(int) design->target[i]] : w;
		largest = fmax(largest, taken->weight[n++]);
	}
	if (!(largest > 0))
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows are zero");
	if (!isfinite(largest) || largest < DBL_MIN / DBL_EPSILON)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows are beyond double precision", NULL,
					  "Scale them.");
	taken->n = n;
	ml_free(ctx, classes);
}

typedef struct Ranked
{
	uint64_t	key;
	uint32_t	row;
} Ranked;

uint32_t *
cart_order(MlContext *ctx, const uint64_t *keys, size_t n)
{
	Ranked	   *from = ml_alloc_array(ctx, n + 1, sizeof(Ranked));
	Ranked	   *to = ml_alloc_array(ctx, n + 1, sizeof(Ranked));
	uint32_t   *order;

	for (size_t i = 0; i < n; i++)
		from[i] = (Ranked) {keys[i], (uint32_t) i};
	for (int shift = 0; shift < 64; shift += 8)
	{
		size_t		counts[256] = {0};
		size_t		place = 0;
		Ranked	   *swap = from;

		for (size_t i = 0; i < n; i++)
			counts[from[i].key >> shift & 255]++;
		for (int digit = 0; digit < 256; digit++)
		{
			size_t		count = counts[digit];

			counts[digit] = place;
			place += count;
		}
		for (size_t i = 0; i < n; i++)
			to[counts[from[i].key >> shift & 255]++] = from[i];
		from = to;
		to = swap;
		ml_check(ctx);
	}
	order = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
		order[i] = from[i].row;
	ml_free(ctx, from);
	ml_free(ctx, to);
	return order;
}

/* The rows by their content, and the digest of all of it. */
static void
order_rows(MlContext *ctx, const MlDesign *design, CartDraws *draws)
{
	uint64_t   *keys = ml_alloc_array(ctx, draws->n + 1, sizeof(uint64_t));
	MlDigest	digest = {0};
	size_t		n = 0;

	for (size_t i = 0; i < design->rows; i++)
		if (design->weight == NULL || design->weight[i] > 0)
		{
			ml_digest_add(&digest, design->hash[i]);
			keys[n++] = design->hash[i];
		}
	draws->order = cart_order(ctx, keys, n);
	draws->digest = ml_format(ctx, "%016" PRIx64 "%016" PRIx64, digest.sum, digest.sum_inverse);
	ml_free(ctx, keys);
}

void
cart_draws_create(MlContext *ctx, const MlDesign *design, const CartParams *params, const CartTaken *taken,
				  CartDraws *draws)
{
	bool		forest = params->n_estimators > 0;

	*draws = (CartDraws) {
		.n = taken->n,.weight = taken->weight,.bootstrap = params->bootstrap,.seed = ml_mix64((uint64_t) params->seed),
		.wanted = forest ? (size_t) fmax(1, floor(params->max_samples * (double) taken->n + 0.5)) : taken->n,
	};
	draws->any = draws->bootstrap || draws->wanted < draws->n;
	if (draws->any && design->hash != NULL)
		order_rows(ctx, design, draws);
}

void
cart_draw(const CartDraws *draws, size_t tree, uint8_t *count)
{
	const uint32_t *order = draws->order;
	size_t		n = draws->n;
	size_t		wanted = draws->wanted;
	MlRandom	random;

	ml_random_seed(&random, draws->seed + tree);
	memset(count, 0, n);
	/* without replacement each row with the chance that what is wanted has among what is left */
	for (size_t i = 0; i < n && !draws->bootstrap; i++)
		wanted -= count[order != NULL ? order[i] : i] = ml_random_below(&random, n - i) < wanted;
	for (; wanted > 0; wanted--)
	{
		size_t		rank = ml_random_below(&random, n);
		uint8_t    *row = &count[order != NULL ? order[rank] : rank];

		*row = *row < UINT8_MAX ? (uint8_t) (*row + 1) : UINT8_MAX;
	}
	for (size_t i = 0; i < n; i++)
		if (count[i] > 0 && draws->weight[i] > 0)
			return;
	/* nothing that was drawn has weight: then the first row that has some is the tree */
	for (size_t i = 0; i < n; i++)
	{
		size_t		row = order != NULL ? order[i] : i;

		if (draws->weight[row] > 0)
		{
			count[row] = 1;
			return;
		}
	}
}
