/*
 * How predictions depend on a feature: the rows' predictions with the feature set to one value after another,
 * row by row (Goldstein et al., Peeking inside the black box, 2015) or on average (Friedman, Greedy function
 * approximation, 2001).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "explain/explain.h"
#include "score/metrics.h"

/* ---- the grid ---- */

#define SORTED_ROWS 1000000		/* that a grid is taken from: a sort hears no cancel */

static int
by_value(const void *pa, const void *pb)
{
	double		a = *(const double *) pa;
	double		b = *(const double *) pb;

	return (a > b) - (a < b);
}

int
ml_slot_feature(const MlModel *model, int slot)
{
	int			f = 0;

	while (slot >= model->signature->features[f].slot + model->signature->features[f].width)
		f++;
	return f;
}

/* Thin sorted values out to the points of the grid. */
static size_t
thin_out(double *values, size_t n, int points, double low, double high)
{
	double	   *chosen = values;
	size_t		distinct = 0;
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
		distinct += i == 0 || values[i] > values[i - 1];
	if (distinct <= (size_t) points)
	{
		for (size_t i = 0; i < n; i++)
			if (count == 0 || values[i] > chosen[count - 1])
				chosen[count++] = values[i];
		return count;
	}
	for (int q = 0; q < points; q++)
	{
		double		share = points > 1 ? low + (high - low) * q / (points - 1) : (low + high) / 2;
		/* never before a place already written: places grow at least as fast as what is chosen */
		double		value = values[(size_t) (share * (double) (n - 1) + 0.5)];

		if (count == 0 || value > chosen[count - 1])
			chosen[count++] = value;
	}
	return count;
}

void
ml_grid_create(MlContext *ctx, const MlModel *model, const MlRawRows *rows, int slot, int points, double low,
			   double high, MlGrid *grid)
{
	int			f = ml_slot_feature(model, slot);
	size_t		step = (rows->rows + SORTED_ROWS - 1) / SORTED_ROWS;
	size_t		n = 0;

	grid->slot = slot;
	if (model->signature->features[f].kind == ML_KIND_CATEGORY)
	{
		grid->count = (size_t) ml_prep_feature_levels(model->prep, f);
		grid->values = ml_alloc_array(ctx, grid->count + 1, sizeof(double));
		for (size_t i = 0; i < grid->count; i++)
			grid->values[i] = (double) i;
	}
	else
	{
		grid->values = ml_alloc_array(ctx, rows->rows / (step > 0 ? step : 1) + 2, sizeof(double));
		for (size_t i = 0; i < rows->rows; i += step)
		{
			double		value = *ml_raw_rows_at(rows, i, (size_t) slot);

			if (value == value)
				grid->values[n++] = value;
		}
		qsort(grid->values, n, sizeof(double), by_value);
		grid->count = n > 0 ? thin_out(grid->values, n, points, low, high) : 0;
	}
	if (grid->count == 0 && model->signature->features[f].kind == ML_KIND_VECTOR)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "feature \"%s[%d]\" has no value in the source",
				 model->signature->features[f].name, slot - model->signature->features[f].slot + 1);
	if (grid->count == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "feature \"%s\" has no value in the source",
				 model->signature->features[f].name);
}

/* ---- predictions at a point ---- */

size_t
ml_grid_scratch(const MlModel *model)
{
	return (size_t) model->signature->slots * ML_BLOCK_ROWS + ml_model_scratch(model, ML_BLOCK_ROWS);
}

void
ml_grid_score(const MlModel *model, const MlGrid *grids, int ngrids, size_t point, const double *block, size_t n,
			  double *out, double *scratch)
{
	size_t		slots = (size_t) model->signature->slots;

	memcpy(scratch, block, slots * ML_BLOCK_ROWS * sizeof(double));
	for (int g = ngrids - 1; g >= 0; g--)
	{
		double	   *column = scratch + (size_t) grids[g].slot * ML_BLOCK_ROWS;

		for (size_t i = 0; i < n; i++)
			column[i] = grids[g].values[point % grids[g].count];
		point /= grids[g].count;
	}
	ml_model_score(model, scratch, ML_BLOCK_ROWS, n, out, ML_BLOCK_ROWS, scratch + slots * ML_BLOCK_ROWS);
}

/* ---- on average ---- */

typedef struct Average
{
	const MlModel *model;
	const MlRawRows *rows;
	const MlGrid *grids;
	int			ngrids;
	size_t		point;
	size_t		outputs;
	MlSum	   *sums;			/* [blocks][outputs] */
	double	   *scratch;		/* [threads][scratch_size] */
	size_t		scratch_size;
} Average;

static void
sum_blocks(void *arg, size_t begin, size_t end, int worker)
{
	const Average *a = arg;
	double	   *out = a->scratch + (size_t) worker * a->scratch_size;

	for (size_t b = begin; b < end; b++)
	{
		size_t		n = ml_raw_rows_in_block(a->rows, b);

		ml_grid_score(a->model, a->grids, a->ngrids, a->point, a->rows->blocks[b], n, out,
					  out + a->outputs * ML_BLOCK_ROWS);
		for (size_t k = 0; k < a->outputs; k++)
		{
			MlSum		sum = {0};

			for (size_t i = 0; i < n; i++)
				ml_sum_add(&sum, out[k * ML_BLOCK_ROWS + i]);
			a->sums[b * a->outputs + k] = sum;
		}
	}
}

void
ml_grid_average(MlContext *ctx, const MlModel *model, const MlRawRows *rows, const MlGrid *grids, int ngrids,
				double *out)
{
	size_t		points = grids[0].count * (ngrids > 1 ? grids[1].count : 1);
	Average		a = {.model = model,.rows = rows,.grids = grids,.ngrids = ngrids};

	a.outputs = (size_t) ml_model_outputs(model);
	a.sums = ml_alloc_array(ctx, rows->nblocks, a.outputs * sizeof(MlSum));
	a.scratch_size = a.outputs * ML_BLOCK_ROWS + ml_grid_scratch(model);
	a.scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx), a.scratch_size * sizeof(double));
	for (a.point = 0; a.point < points; a.point++)
	{
		ml_parallel_for(ctx, rows->nblocks, 1, sum_blocks, &a);
		for (size_t k = 0; k < a.outputs; k++)
		{
			MlSum		sum = {0};

			for (size_t b = 0; b < rows->nblocks; b++)
				ml_sum_merge(&sum, &a.sums[b * a.outputs + k]);
			out[a.point * a.outputs + k] = ml_sum_value(&sum) / (double) rows->rows;
		}
		ml_progress(ctx, "predicting", a.point + 1, points, NAN);
	}
	ml_free(ctx, a.scratch);
	ml_free(ctx, a.sums);
}
