/*
 * Out of bag: each row is predicted by the trees that did not draw it, which are to it a forest that has not seen it.
 *
 * The score: accuracy and log loss of classes, R^2 and root mean squared error of numbers, by the weights of rows;
 * rows that every tree drew are left out.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "learn/cart.h"

#define PIECE_ROWS 4096
#define LANES 8					/* rows that go down a tree together */

/* A node for rows of bins, small so that a tree fits into the cache; a leaf leads back to itself. */
typedef struct Step
{
	uint32_t	left;
	uint32_t	split;			/* column, kind, missing side, bin */
} Step;

#define STEP_BIN 0xffu
#define STEP_MISSING_LEFT 0x100u
#define STEP_CATEGORY 0x200u
#define STEP_COLUMN 10			/* bits before the column */

struct CartOob
{
	MlContext  *ctx;
	const CartRows *rows;
	Step	  **steps;			/* [trees][nodes] */
	uint64_t  **drawn;			/* [trees] a bit a row */
	const CartTree *trees;		/* of the round that is added */
	size_t		count;
	double	   *sums;			/* [n * width] over trees that did not draw the row */
	uint16_t   *counts;			/* [n] those trees */
};

CartOob *
cart_oob_create(MlContext *ctx, const CartRows *rows, size_t trees, size_t max_leaves)
{
	CartOob    *oob = ml_alloc_zero(ctx, sizeof *oob);

	oob->ctx = ctx;
	oob->rows = rows;
	oob->steps = ml_alloc_array(ctx, trees, sizeof(Step *));
	oob->drawn = ml_alloc_array(ctx, trees, sizeof(uint64_t *));
	for (size_t t = 0; t < trees; t++)
	{
		oob->steps[t] = ml_alloc_array(ctx, 2 * max_leaves, sizeof(Step));
		oob->drawn[t] = ml_alloc_array(ctx, rows->n / 64 + 1, sizeof(uint64_t));
	}
	oob->sums = ml_alloc_array_zero(ctx, rows->n * (size_t) rows->width, sizeof(double));
	oob->counts = ml_alloc_array_zero(ctx, rows->n, sizeof(uint16_t));
	return oob;
}

void
cart_mark_drawn(const uint8_t *draws, size_t n, uint64_t *drawn)
{
	memset(drawn, 0, (n / 64 + 1) * sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
		drawn[i / 64] |= (uint64_t) (draws[i] > 0) << i % 64;
}

void
cart_oob_prepare(CartOob *oob, size_t number, const CartTree *tree, const uint8_t *draws)
{
	cart_mark_drawn(draws, oob->rows->n, oob->drawn[number]);
	for (size_t i = 0; i < tree->count; i++)
	{
		const CartNode *node = &tree->nodes[i];

		oob->steps[number][i] = node->feature < 0 ? (Step) {(uint32_t) i, STEP_BIN | STEP_MISSING_LEFT} :
			(Step) {
			(uint32_t) node->left, (uint32_t) node->feature << STEP_COLUMN | (node->set >= 0 ? STEP_CATEGORY : 0) |
			(node->missing_left ? STEP_MISSING_LEFT : 0) | node->bin
		};
	}
}

/* The next node of a row. */
static inline uint32_t
take_step(const CartOob *oob, const CartTree *tree, const Step *steps, uint32_t at, size_t row)
{
	Step		step = steps[at];
	int			column = (int) (step.split >> STEP_COLUMN);
	unsigned	b = (unsigned) ml_bins_get(oob->rows->bins, column, row);
	unsigned	missing_bin = (unsigned) oob->rows->bins->column[column].nbins;

	if (step.split & STEP_CATEGORY)
		return step.left + !cart_set_has(&tree->sets[tree->nodes[at].set], b);
	return step.left + ((b == missing_bin) ? !(step.split & STEP_MISSING_LEFT) : (b > (step.split & STEP_BIN)));
}

/* Add a tree's values to some rows. */
static void
add_rows(CartOob *oob, size_t number, const size_t *rows, size_t n)
{
	const CartTree *tree = &oob->trees[number];
	const Step *steps = oob->steps[number];
	size_t		width = (size_t) oob->rows->width;
	uint32_t	at[LANES] = {0};
	uint32_t	moved;

	do
	{
		moved = 0;
		for (size_t i = 0; i < n; i++)
		{
			uint32_t	next = take_step(oob, tree, steps, at[i], rows[i]);

			moved |= next ^ at[i];
			at[i] = next;
		}
	} while (moved);
	for (size_t i = 0; i < n; i++)
	{
		double	   *sums = oob->sums + rows[i] * width;

		for (size_t k = 0; k < width; k++)
			sums[k] += width > 1 ? tree->values[at[i] * width + k] : tree->nodes[at[i]].value;
		oob->counts[rows[i]]++;
	}
}

static void
add_piece(void *arg, size_t begin, size_t end, int worker)
{
	CartOob    *oob = arg;

	(void) worker;
	for (size_t t = 0; t < oob->count; t++)
	{
		size_t		rows[LANES];
		size_t		n = 0;

		for (size_t i = begin; i < end; i++)
		{
			rows[n] = i;
			n += !cart_is_drawn(oob->drawn[t], i);
			if (n == LANES)
			{
				add_rows(oob, t, rows, LANES);
				n = 0;
			}
		}
		add_rows(oob, t, rows, n);
	}
}

void
cart_oob_add(CartOob *oob, const CartTree *trees, size_t count)
{
	oob->trees = trees;
	oob->count = count;
	ml_parallel_for(oob->ctx, oob->rows->n, PIECE_ROWS, add_piece, oob);
}

/* What the trees say of a row that did not draw it. */
static void
predict_row(const CartOob *oob, size_t row, double *out)
{
	int			width = oob->rows->width;

	cart_mean(oob->sums + row * (size_t) width, width, oob->counts[row], oob->rows->classes == 2, out, 1);
}

static void
write_classes(const CartOob *oob, const CartTaken *rows, double weights, MlWriter *w)
{
	size_t		classes = (size_t) oob->rows->classes;
	double	   *p = ml_alloc_array(oob->ctx, classes, sizeof(double));
	double		right = 0;
	double		loss = 0;

	for (size_t i = 0; i < rows->n; i++)
	{
		size_t		klass = (size_t) rows->target[i];
		size_t		best = 0;

		if (oob->counts[i] == 0)
			continue;
		predict_row(oob, i, p);
		for (size_t k = 1; k < classes; k++)
			best = p[k] > p[best] ? k : best;
		loss -= rows->weight[i] * log(fmax(p[klass], DBL_EPSILON));
		right += best == klass ? rows->weight[i] : 0;
	}
	ml_write_double(w, "oob_accuracy", right / weights);
	ml_write_double(w, "oob_log_loss", loss / weights);
	ml_free(oob->ctx, p);
}

static void
write_numbers(const CartOob *oob, const CartTaken *rows, double weights, double mean, MlWriter *w)
{
	double		errors = 0;
	double		spread = 0;

	for (size_t i = 0; i < rows->n; i++)
	{
		double		value;

		if (oob->counts[i] == 0)
			continue;
		predict_row(oob, i, &value);
		errors += rows->weight[i] * (rows->target[i] - value) * (rows->target[i] - value);
		spread += rows->weight[i] * (rows->target[i] - mean) * (rows->target[i] - mean);
	}
	if (spread > 0)
		ml_write_double(w, "oob_r2", 1 - errors / spread);
	ml_write_double(w, "oob_rmse", sqrt(errors / weights));
}

void
cart_oob_write(const CartOob *oob, const CartTaken *rows, MlWriter *w)
{
	double		weights = 0;
	double		sum = 0;
	int64_t		count = 0;

	for (size_t i = 0; i < rows->n; i++)
		if (oob->counts[i] > 0)
		{
			sum += rows->weight[i] * rows->target[i];
			weights += rows->weight[i];
			count++;
		}
	if (!(weights > 0))
		return;
	ml_write_int(w, "oob_rows", count);
	if (oob->rows->classes > 0)
		write_classes(oob, rows, weights, w);
	else
		write_numbers(oob, rows, weights, sum / weights, w);
}
