/*
 * Out of bag once more: what the trees of a model say of the rows of its training that they did not draw.
 *
 * A model has no rows, but the digest of those that its trees drew from; given them, each tree's draws are made again
 * (cart_draws.c), a round of trees at a time, so that they take a bit a row and tree of the round.  Values are summed
 * in the order of the trees, as while training (cart_oob.c): the same predictions to the last bit.
 */
#include <string.h>

#include "base/threads.h"
#include "learn/cart.h"

#define ROUND 16				/* trees whose draws are there at a time */
#define PIECE_ROWS (4 * ML_BLOCK_ROWS)
#define NO_PLACE UINT32_MAX

typedef struct Rows
{
	const MlDesign *design;
	const MlForest *forest;
	CartDraws	draws;
	uint32_t   *place;			/* [rows of the design] among those drawn from, NO_PLACE = without weight */
	size_t		first;			/* tree of the round */
	size_t		count;			/* trees of the round */
	uint64_t   *drawn[ROUND];	/* a bit a row */
	uint8_t    *counts;			/* [threads][n] */
	double	   *x;				/* [threads][columns * ML_BLOCK_ROWS] */
	double	   *sums;			/* [rows of the design * width] */
	int32_t    *trees;			/* [rows of the design] that did not draw the row */
} Rows;

/* The draws of some trees of the round. */
static void
draw_piece(void *arg, size_t begin, size_t end, int worker)
{
	Rows	   *rows = arg;
	uint8_t    *counts = rows->counts + (size_t) worker * rows->draws.n;

	for (size_t t = begin; t < end; t++)
	{
		cart_draw(&rows->draws, rows->first + t, counts);
		cart_mark_drawn(counts, rows->draws.n, rows->drawn[t]);
	}
}

/* Add the round's trees to rows begin .. begin + n - 1, whose prepared values are x. */
static void
add_block(Rows *rows, size_t begin, size_t n, const double *x)
{
	const MlForest *f = rows->forest;
	size_t		width = (size_t) f->width;

	for (size_t t = 0; t < rows->count; t++)
		for (size_t i = 0; i < n; i++)
		{
			uint32_t	place = rows->place[begin + i];
			double	   *sums = rows->sums + (begin + i) * width;
			const double *value;

			if (place == NO_PLACE || cart_is_drawn(rows->drawn[t], place))
				continue;
			value = f->value + ml_forest_leaf(f, rows->first + t, x + i, n) * width;
			for (size_t k = 0; k < width; k++)
				sums[k] += value[k];
			rows->trees[begin + i]++;
		}
}

static void
add_piece(void *arg, size_t begin, size_t end, int worker)
{
	Rows	   *rows = arg;
	double	   *x = rows->x + (size_t) worker * ((size_t) rows->design->columns * ML_BLOCK_ROWS + 1);

	for (; begin < end; begin += ML_BLOCK_ROWS)
	{
		size_t		n = end - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : end - begin;

		rows->design->read(rows->design, begin, n, x, n);
		add_block(rows, begin, n, x);
	}
}

/* Raises unless the model tells what its trees drew from. */
static void
check_model(MlContext *ctx, const CartParams *params, const void *loaded)
{
	if (!params->bootstrap && !(params->max_samples < 1))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "the model has no out-of-bag predictions",
					  "Each of its trees has seen every training row.", "Train with {\"bootstrap\": true}.");
	if (cart_drawn_rows(loaded) == NULL)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "the model has no out-of-bag predictions",
					  "Not all of its trees are from one training on rows that they drew.",
					  "Train a new version with ml_train; ml_continue and ml_refit give trees of other rows.");
}

/* Set up for the rows; false unless they are those that the trees drew from. */
static bool
start(MlContext *ctx, const CartParams *params, const void *loaded, Rows *rows)
{
	const MlDesign *design = rows->design;
	CartTaken	taken;
	uint32_t	place = 0;

	cart_take_rows(ctx, design, params, &taken);
	cart_draws_create(ctx, design, params, &taken, &rows->draws);
	if (rows->draws.order == NULL || strcmp(rows->draws.digest, cart_drawn_rows(loaded)) != 0)
		return false;
	rows->place = ml_alloc_array(ctx, design->rows + 1, sizeof(uint32_t));
	for (size_t i = 0; i < design->rows; i++)
	{
		bool		counts = design->weight == NULL || design->weight[i] > 0;

		rows->place[i] = counts ? place++ : NO_PLACE;
		rows->trees[i] = counts ? 0 : -1;
	}
	for (size_t t = 0; t < ROUND; t++)
		rows->drawn[t] = ml_alloc_array(ctx, rows->draws.n / 64 + 1, sizeof(uint64_t));
	rows->counts = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx), rows->draws.n);
	rows->x = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx),
							 ((size_t) design->columns * ML_BLOCK_ROWS + 1) * sizeof(double));
	rows->sums = ml_alloc_array_zero(ctx, design->rows * (size_t) rows->forest->width + 1, sizeof(double));
	return true;
}

bool
cart_out_of_bag(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, double *out,
				size_t ldout, int32_t *trees)
{
	Rows		rows = {.design = design,.forest = cart_ensemble(loaded)->forest,.trees = trees};
	size_t		all = rows.forest->trees;

	check_model(ctx, params, loaded);
	if (!start(ctx, params, loaded, &rows))
		return false;
	for (; rows.first < all; rows.first += rows.count)
	{
		rows.count = all - rows.first < ROUND ? all - rows.first : ROUND;
		ml_parallel_for(ctx, rows.count, 1, draw_piece, &rows);
		ml_parallel_for(ctx, design->rows, PIECE_ROWS, add_piece, &rows);
	}
	for (size_t i = 0; i < design->rows; i++)
		if (trees[i] > 0)
			cart_mean(rows.sums + i * (size_t) rows.forest->width, rows.forest->width, trees[i], design->classes == 2,
					  out + i, ldout);
	return true;
}
