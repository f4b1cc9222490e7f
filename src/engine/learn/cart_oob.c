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
	float	   *sums;			/* [n * width] over trees that did not draw the row */
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
	oob->sums = ml_alloc_array_zero(ctx, rows->n * (size_t) rows->width, sizeof(float));
	oob->counts = ml_alloc_array_zero(ctx, rows->n, sizeof(uint16_t));
	return oob;
}

void
cart_oob_prepare(CartOob *oob, size_t number, const CartTree *tree, const uint8_t *draws)
{
	uint64_t   *drawn = oob->drawn[number];

	memset(drawn, 0, (oob->rows->n / 64 + 1) * sizeof(uint64_t));
	for (size_t i = 0; i < oob->rows->n; i++)
		drawn[i / 64] |= (uint64_t) (draws[i] > 0) << i % 64;
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
		float	   *sums = oob->sums + rows[i] * width;

		for (size_t k = 0; k < width; k++)
			sums[k] += (float) (width > 1 ? tree->values[at[i] * width + k] : tree->nodes[at[i]].value - oob->rows->center);
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
			n += !(oob->drawn[t][i / 64] >> i % 64 & 1);
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

/* The probability of a row's class; tells whether no other is as likely. */
static double
class_share(const CartOob *oob, size_t row, size_t klass, bool *right)
{
	size_t		width = (size_t) oob->rows->width;
	const float *sums = oob->sums + row * width;
	double		trees = oob->counts[row];
	size_t		best = 0;

	if (width == 1)
	{
		*right = (sums[0] > 0.5 * trees) == (klass == 1);
		return klass == 1 ? sums[0] / trees : 1 - sums[0] / trees;
	}
	for (size_t k = 1; k < width; k++)
		best = sums[k] > sums[best] ? k : best;
	*right = best == klass;
	return sums[klass] / trees;
}

static void
write_classes(const CartOob *oob, const double *target, const double *weight, double weights, MlWriter *w)
{
	double		right = 0;
	double		loss = 0;

	for (size_t i = 0; i < oob->rows->n; i++)
	{
		bool		is_right;

		if (oob->counts[i] == 0)
			continue;
		loss -= weight[i] * log(fmax(class_share(oob, i, (size_t) target[i], &is_right), DBL_EPSILON));
		right += is_right ? weight[i] : 0;
	}
	ml_write_double(w, "oob_accuracy", right / weights);
	ml_write_double(w, "oob_log_loss", loss / weights);
}

static void
write_numbers(const CartOob *oob, const double *target, const double *weight, double weights, double mean, MlWriter *w)
{
	double		errors = 0;
	double		spread = 0;

	for (size_t i = 0; i < oob->rows->n; i++)
	{
		double		error;

		if (oob->counts[i] == 0)
			continue;
		error = target[i] - oob->rows->center - oob->sums[i] / (double) oob->counts[i];
		errors += weight[i] * error * error;
		spread += weight[i] * (target[i] - mean) * (target[i] - mean);
	}
	if (spread > 0)
		ml_write_double(w, "oob_r2", 1 - errors / spread);
	ml_write_double(w, "oob_rmse", sqrt(errors / weights));
}

void
cart_oob_write(const CartOob *oob, const double *target, const double *weight, MlWriter *w)
{
	double		weights = 0;
	double		sum = 0;
	int64_t		rows = 0;

	for (size_t i = 0; i < oob->rows->n; i++)
		if (oob->counts[i] > 0)
		{
			sum += weight[i] * target[i];
			weights += weight[i];
			rows++;
		}
	if (!(weights > 0))
		return;
	ml_write_int(w, "oob_rows", rows);
	if (oob->rows->classes > 0)
		write_classes(oob, target, weight, weights, w);
	else
		write_numbers(oob, target, weight, weights, sum / weights, w);
}
