/*
 * The choice among prepared columns, in this order:
 *
 *     variance              columns whose variance, before the learner's scaling, is not above a number are left out
 *     correlation           a column that is correlated (Pearson, by size) with one before it by more than a number
 *     mutual_information    all but the k columns that tell most of the target
 *
 * Mutual information is that of the counts of a table: the values of a column in up to BINS bins of equal size (a value
 * that is missing in one of its own), by the classes of the target, or a number's bins.  It is in nats.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prep/steps_internal.h"

#define BINS 32
#define MAX_CORRELATED 4096

/* A column's values on the training rows, n <= ML_TERM_ROWS from begin on. */
static void
read_column(const StepFit *fit, int column, size_t begin, size_t n, double *x)
{
	FitBlock	block = fit_block(fit, begin);

	ml_prep_apply_block(fit->prep, column, &block.block, n, x);
}

/* Keep the columns that are marked, and tell of features of which none is left. */
static void
keep_columns(StepFit *fit, const bool *keep)
{
	MlPrep	   *prep = fit->prep;
	bool	   *had = ml_alloc_array_zero(fit->ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	bool	   *has = ml_alloc_array_zero(fit->ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	int			n = 0;

	for (int j = 0; j < prep->ncolumns; j++)
		for (int slot = 0; slot < prep->slots; slot++)
			if (ml_prep_reads(prep, j, slot))
			{
				had[fit->slot_feature[slot]] = true;
				has[fit->slot_feature[slot]] |= keep[j];
			}
	for (int j = 0; j < prep->ncolumns; j++)
		if (keep[j])
			prep->columns[n++] = prep->columns[j];
	prep->ncolumns = n;
	for (int f = 0; f < prep->nfeatures; f++)
		if (had[f] && !has[f])
			prep_drop_feature(prep, f, "not selected");
	prep_seal(fit->ctx, prep);
	ml_free(fit->ctx, had);
	ml_free(fit->ctx, has);
}

/* The moments of all columns as they are prepared. */
static MlMoments *
column_moments(StepFit *fit)
{
	int			p = fit->prep->ncolumns;
	MlMoments  *m = ml_alloc_array(fit->ctx, (size_t) p + 1, sizeof *m);
	double		x[ML_TERM_ROWS];

	for (int j = 0; j < p; j++)
	{
		ml_moments_init(&m[j]);
		for (size_t i = 0; i < fit->training->n; i += ML_TERM_ROWS)
		{
			size_t		n = fit->training->n - i < ML_TERM_ROWS ? fit->training->n - i : ML_TERM_ROWS;

			read_column(fit, j, i, n, x);
			ml_moments_add(&m[j], x, n);
		}
		ml_check(fit->ctx);
	}
	return m;
}

static void
select_by_variance(StepFit *fit, double threshold)
{
	const MlPrep *prep = fit->prep;
	MlMoments  *m = column_moments(fit);
	bool	   *keep = ml_alloc_array(fit->ctx, (size_t) prep->ncolumns + 1, sizeof(bool));

	for (int j = 0; j < prep->ncolumns; j++)
		keep[j] = m[j].m2 / m[j].count * prep->columns[j].scale * prep->columns[j].scale > threshold;
	keep_columns(fit, keep);
	ml_free(fit->ctx, keep);
	ml_free(fit->ctx, m);
}

/* Add up the products of centered columns, for each the ones before it: sums[j * p + k], k < j. */
static double *
cross_products(StepFit *fit, const MlMoments *m)
{
	size_t		p = (size_t) fit->prep->ncolumns;
	double	   *sums = ml_alloc_array_zero(fit->ctx, p * p + 1, sizeof(double));
	double	   *x = ml_alloc_array(fit->ctx, p * ML_TERM_ROWS + 1, sizeof(double));

	for (size_t begin = 0; begin < fit->training->n; begin += ML_TERM_ROWS)
	{
		size_t		n = fit->training->n - begin < ML_TERM_ROWS ? fit->training->n - begin : ML_TERM_ROWS;

		for (size_t j = 0; j < p; j++)
		{
			double	   *column = x + j * ML_TERM_ROWS;

			read_column(fit, (int) j, begin, n, column);
			/* what is missing is no different from the mean */
			for (size_t i = 0; i < n; i++)
				column[i] = column[i] == column[i] ? column[i] - m[j].mean : 0;
			for (size_t k = 0; k < j; k++)
			{
				double		sum = 0;

				for (size_t i = 0; i < n; i++)
					sum += column[i] * x[k * ML_TERM_ROWS + i];
				sums[j * p + k] += sum;
			}
		}
		ml_check(fit->ctx);
	}
	ml_free(fit->ctx, x);
	return sums;
}

static void
select_by_correlation(StepFit *fit, double threshold)
{
	size_t		p = (size_t) fit->prep->ncolumns;
	MlMoments  *m;
	double	   *sums;
	bool	   *keep = ml_alloc_array(fit->ctx, p + 1, sizeof(bool));

	if (p > MAX_CORRELATED)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, "there are too many columns to select by correlation",
					  ml_format(fit->ctx, "There are %zu, and may be %d.", p, MAX_CORRELATED), NULL);
	m = column_moments(fit);
	sums = cross_products(fit, m);
	for (size_t j = 0; j < p; j++)
	{
		keep[j] = true;
		for (size_t k = 0; k < j && keep[j]; k++)
			keep[j] = !keep[k] || !(fabs(sums[j * p + k]) > threshold * sqrt(m[j].m2) * sqrt(m[k].m2));
	}
	keep_columns(fit, keep);
	ml_free(fit->ctx, keep);
	ml_free(fit->ctx, sums);
	ml_free(fit->ctx, m);
}

/* ---- mutual information ---- */

/* Put n values into bins of equal size; returns how many there are, that of missing values included. */
static int
bin_values(StepFit *fit, const double *values, uint8_t *bins)
{
	size_t		n = fit->training->n;
	const double *sorted;
	double		edges[BINS];
	int			nedges = 0;
	MlStep		step = {.kind = ML_STEP_BIN,.values = edges};
	double		x[ML_TERM_ROWS];

	if (values != fit->values)
		memcpy(fit->values, values, n * sizeof(double));
	ml_free(fit->ctx, fit->sorted);
	fit->sorted = NULL;
	sorted = fit_sorted(fit);
	for (int b = 1; b < BINS && fit->nsorted > 0; b++)
	{
		double		edge = sorted[(size_t) b * fit->nsorted / BINS];

		if (edge > sorted[0] && (nedges == 0 || edge > edges[nedges - 1]))
			edges[nedges++] = edge;
	}
	step.count = (size_t) nedges;
	for (size_t i = 0; i < n; i += ML_TERM_ROWS)
	{
		size_t		m = n - i < ML_TERM_ROWS ? n - i : ML_TERM_ROWS;

		memcpy(x, values + i, m * sizeof(double));
		ml_step_apply(&step, x, m, NULL);
		for (size_t k = 0; k < m; k++)
			bins[i + k] = (uint8_t) (x[k] == x[k] ? x[k] : nedges + 1);
	}
	return nedges + 2;
}

/* The mutual information of two lists of bins or classes. */
static double
mutual_information(StepFit *fit, const uint8_t *a, int na, const uint16_t *b, int nb)
{
	size_t		n = fit->training->n;
	double	   *counts = ml_alloc_array_zero(fit->ctx, (size_t) na * (size_t) nb, sizeof(double));
	double	   *rows = ml_alloc_array_zero(fit->ctx, (size_t) na, sizeof(double));
	double	   *columns = ml_alloc_array_zero(fit->ctx, (size_t) nb, sizeof(double));
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		counts[(size_t) a[i] * (size_t) nb + b[i]] += 1;
		rows[a[i]] += 1;
		columns[b[i]] += 1;
	}
	for (size_t k = 0; k < (size_t) na * (size_t) nb; k++)
		if (counts[k] > 0)
			sum += counts[k] / (double) n *
				log(counts[k] * (double) n / (rows[k / (size_t) nb] * columns[k % (size_t) nb]));
	ml_free(fit->ctx, counts);
	ml_free(fit->ctx, rows);
	ml_free(fit->ctx, columns);
	return sum;
}

/* The target as classes, a number in bins; returns how many there are. */
static int
target_bins(StepFit *fit, uint16_t *out)
{
	const MlPrepTraining *t = fit->training;
	uint8_t    *bins;
	int			count = t->classes;

	if (count == 0)
	{
		bins = ml_alloc(fit->ctx, t->n + 1);
		count = bin_values(fit, t->target, bins);
		for (size_t i = 0; i < t->n; i++)
			out[i] = bins[i];
		ml_free(fit->ctx, bins);
		return count;
	}
	for (size_t i = 0; i < t->n; i++)
		out[i] = (uint16_t) t->target[i];
	return count;
}

typedef struct Informed
{
	int			column;
	double		information;
} Informed;

/* Most informative first, and the first of equal ones. */
static int
by_information(const void *pa, const void *pb)
{
	const Informed *a = pa;
	const Informed *b = pb;

	if (a->information != b->information)
		return a->information < b->information ? 1 : -1;
	return (a->column > b->column) - (a->column < b->column);
}

static void
select_by_information(StepFit *fit, int k)
{
	size_t		n = fit->training->n;
	int			p = fit->prep->ncolumns;
	Informed   *order = ml_alloc_array(fit->ctx, (size_t) p + 1, sizeof *order);
	bool	   *keep = ml_alloc_array_zero(fit->ctx, (size_t) p + 1, sizeof(bool));
	uint16_t   *target = ml_alloc_array(fit->ctx, n + 1, sizeof *target);
	uint8_t    *bins = ml_alloc(fit->ctx, n + 1);
	int			classes;

	if (fit->training->target == NULL)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, "preprocess cannot select by mutual information",
					  "There is no target.", NULL);
	classes = target_bins(fit, target);
	for (int j = 0; j < p; j++)
	{
		for (size_t i = 0; i < n; i += ML_TERM_ROWS)
			read_column(fit, j, i, n - i < ML_TERM_ROWS ? n - i : ML_TERM_ROWS, fit->values + i);
		order[j].column = j;
		order[j].information = mutual_information(fit, bins, bin_values(fit, fit->values, bins), target, classes);
		ml_check(fit->ctx);
	}
	qsort(order, (size_t) p, sizeof *order, by_information);
	for (int j = 0; j < p && j < k; j++)
		keep[order[j].column] = true;
	keep_columns(fit, keep);
	ml_free(fit->ctx, order);
	ml_free(fit->ctx, keep);
	ml_free(fit->ctx, target);
	ml_free(fit->ctx, bins);
}

/* Where levels are columns, rows of the training have codes that must be made levels first. */
static void
complete_levels(StepFit *fit)
{
	const MlPrep *prep = fit->prep;

	for (int f = 0; f < prep->nfeatures; f++)
		if (prep->features[f].kind == ML_KIND_CATEGORY && fit->code_level[f] == NULL)
		{
			const MlDictionary *d = fit->dictionaries[f];

			fit->code_level[f] = ml_alloc_array(fit->ctx, (size_t) d->count + 1, sizeof(double));
			for (uint32_t c = 0; c < d->count; c++)
				fit->code_level[f][c] = ml_prep_encode(prep, f, d->strings[c], d->lengths[c]);
		}
}

void
fit_select(StepFit *fit)
{
	json_object *object = json_object_object_get(fit->prep->options.steps, "select");
	MlSelection selection;

	if (object == NULL)
		return;
	ml_prep_selection(fit->ctx, object, &selection);
	complete_levels(fit);
	prep_seal(fit->ctx, fit->prep);
	if (selection.variance >= 0)
		select_by_variance(fit, selection.variance);
	if (selection.correlation <= 1)
		select_by_correlation(fit, selection.correlation);
	if (selection.mutual_information > 0)
		select_by_information(fit, selection.mutual_information);
}
