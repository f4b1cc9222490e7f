/*
 * The rows of a training: those of positive weight, what they weigh, and the scores that they begin with.
 */
#include <string.h>

#include "base/threads.h"
#include "learn/boost_internal.h"

#define ROWS_PIECE (16 * ML_BLOCK_ROWS)

double *
boost_class_weights(MlContext *ctx, const MlDesign *design, const BoostParams *params)
{
	if (params->class_weight == NULL)
		return NULL;
	if (design->classes == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "parameter \"class_weight\" is for classes",
					  "The target is a number.", "Use a column of weights.");
	return ml_class_weights(ctx, params->class_weight, design);
}

/* The values of the rows that count; the same array where all do. */
static const double *
take_values(MlContext *ctx, const MlDesign *design, const double *values, size_t n)
{
	double	   *kept;
	size_t		to = 0;

	if (values == NULL || n == design->rows)
		return values;
	kept = ml_alloc_array(ctx, n + 1, sizeof(double));
	for (size_t i = 0; i < design->rows; i++)
		if (design->weight[i] > 0)
			kept[to++] = values[i];
	return kept;
}

/* Where each group begins among the rows that count. */
static void
take_groups(MlContext *ctx, const MlDesign *design, BoostRows *rows)
{
	size_t		n = 0;
	uint32_t	last = 0;

	rows->group_begin = ml_alloc_array(ctx, rows->n + 1, sizeof(size_t));
	for (size_t i = 0; i < design->rows; i++)
		if (design->weight == NULL || design->weight[i] > 0)
		{
			if (n == 0 || design->group[i] != last)
				rows->group_begin[rows->groups++] = n;
			last = design->group[i];
			n++;
		}
	rows->group_begin[rows->groups] = n;
}

void
boost_take_rows(MlContext *ctx, const MlDesign *design, int k, BoostRows *rows)
{
	bool		alike = true;

	*rows = (BoostRows) {0};
	for (size_t i = 0; i < design->rows; i++)
	{
		double		weight = design->weight != NULL ? design->weight[i] : 1;

		rows->n += weight > 0;
		alike &= weight == 0 || weight == 1;
	}
	rows->target = take_values(ctx, design, design->target, rows->n);
	rows->weight = alike ? NULL : take_values(ctx, design, design->weight, rows->n);
	rows->start = take_values(ctx, design, design->start, rows->n);
	if (design->group != NULL)
		take_groups(ctx, design, rows);
	rows->score = ml_alloc_array(ctx, (size_t) k * rows->n + 1, sizeof(double));
}

/* ---- scores of trees that are there already ---- */

typedef struct Scoring
{
	const MlDesign *design;
	const MlForest *forest;
	const size_t *kept_before;	/* [blocks] rows of positive weight before the block */
	double	   *x;				/* [threads][columns * ML_BLOCK_ROWS + outputs * ML_BLOCK_ROWS] */
	size_t		k;
	size_t		n;
	double	   *score;			/* [k][n] */
} Scoring;

static void
score_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Scoring *s = arg;
	const MlDesign *design = s->design;
	size_t		p = (size_t) design->columns;
	double	   *x = s->x + (size_t) worker * (p + s->k) * ML_BLOCK_ROWS;
	double	   *out = x + p * ML_BLOCK_ROWS;

	for (size_t row = begin; row < end; row += ML_BLOCK_ROWS)
	{
		size_t		n = end - row < ML_BLOCK_ROWS ? end - row : ML_BLOCK_ROWS;
		size_t		kept = s->kept_before[row / ML_BLOCK_ROWS];
		size_t		to = 0;

		design->read(design, row, n, x, n);
		/* beginning with what the rows have, in the order in which a training adds its trees */
		for (size_t i = 0; i < n; i++)
			if (design->weight == NULL || design->weight[row + i] > 0)
			{
				for (size_t c = 0; c < s->k; c++)
					out[c * n + i] = s->score[c * s->n + kept + to];
				to++;
			}
			else
				for (size_t c = 0; c < s->k; c++)
					out[c * n + i] = 0;
		ml_forest_sum(s->forest, x, n, n, out, n);
		to = 0;
		for (size_t i = 0; i < n; i++)
			if (design->weight == NULL || design->weight[row + i] > 0)
			{
				for (size_t c = 0; c < s->k; c++)
					s->score[c * s->n + kept + to] = out[c * n + i];
				to++;
			}
	}
}

size_t *
boost_kept_before(MlContext *ctx, const MlDesign *design)
{
	size_t	   *before = ml_alloc_array(ctx, design->rows / ML_BLOCK_ROWS + 1, sizeof(size_t));
	size_t		n = 0;

	for (size_t i = 0; i < design->rows; i++)
	{
		if (i % ML_BLOCK_ROWS == 0)
			before[i / ML_BLOCK_ROWS] = n;
		n += design->weight == NULL || design->weight[i] > 0;
	}
	return before;
}

void
boost_add_scores(MlContext *ctx, const MlDesign *design, const MlForest *forest, int k, BoostRows *rows)
{
	size_t		width = ((size_t) design->columns + (size_t) k) * ML_BLOCK_ROWS;
	size_t	   *before = boost_kept_before(ctx, design);
	Scoring		s = {design, forest, before, NULL, (size_t) k, rows->n, rows->score};

	s.x = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * width, sizeof(double));
	ml_parallel_for(ctx, design->rows, ROWS_PIECE, score_piece, &s);
	ml_free(ctx, s.x);
	ml_free(ctx, before);
}
