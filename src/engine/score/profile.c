/*
 * Profiles of columns, correlations, and the skill of single features.
 */
#include "score/profile.h"

#include <math.h>
#include <string.h>

#include "score/runs.h"

#define SKILL_BINS 64			/* of a number */
#define CHECK_ROWS ((size_t) 1 << 20)	/* how many rows pass between two looks at a cancel */

const double ml_profile_shares[ML_PROFILE_QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

/* Put a value among the most frequent ones if it belongs there; values come in ascending order. */
static void
offer_top(MlProfile *p, double value, size_t count)
{
	int			at = p->ntop;

	while (at > 0 && p->top_count[at - 1] < count)
		at--;
	if (at == ML_PROFILE_TOP)
		return;
	if (p->ntop < ML_PROFILE_TOP)
		p->ntop++;
	for (int i = p->ntop - 1; i > at; i--)
	{
		p->top[i] = p->top[i - 1];
		p->top_count[i] = p->top_count[i - 1];
	}
	p->top[at] = value;
	p->top_count[at] = count;
}

/* Count runs of equal values in ascending order. */
static void
count_values(MlProfile *p, const double *sorted, size_t n)
{
	size_t		end;

	for (size_t begin = 0; begin < n; begin = end)
	{
		for (end = begin; end < n && sorted[end] == sorted[begin]; end++)
			;
		offer_top(p, sorted[begin], end - begin);
		p->distinct++;
	}
}

/* Mean, standard deviation and skewness in two passes. */
static void
moments(MlProfile *p, const double *values, size_t n)
{
	MlSum		sum = {0, 0};
	MlSum		squares = {0, 0};
	MlSum		cubes = {0, 0};
	double		second;

	for (size_t i = 0; i < n; i++)
		ml_sum_add(&sum, values[i]);
	p->mean = ml_sum_value(&sum) / (double) n;
	for (size_t i = 0; i < n; i++)
	{
		double		d = values[i] - p->mean;

		ml_sum_add(&squares, d * d);
		ml_sum_add(&cubes, d * d * d);
	}
	second = ml_sum_value(&squares) / (double) n;
	if (n > 1)
		p->sd = sqrt(ml_sum_value(&squares) / (double) (n - 1));
	if (second > 0)
		p->skew = ml_sum_value(&cubes) / (double) n / pow(second, 1.5);
}

/* What only numbers have, from values in ascending order. */
static void
profile_numbers(MlProfile *p, const double *sorted, size_t n)
{
	double		width;

	p->min = sorted[0];
	p->max = sorted[n - 1];
	moments(p, sorted, n);
	for (int q = 0; q < ML_PROFILE_QUANTILES; q++)
	{
		double		place = ml_profile_shares[q] * (double) (n - 1);
		size_t		low = (size_t) place;
		size_t		high = low + 1 < n ? low + 1 : low;

		p->quantiles[q] = sorted[low] + (place - (double) low) * (sorted[high] - sorted[low]);
	}
	width = (p->max - p->min) / ML_PROFILE_BINS;
	for (size_t i = 0; i < n; i++)
	{
		size_t		bin = width > 0 ? (size_t) ((sorted[i] - p->min) / width) : 0;

		p->histogram[bin < ML_PROFILE_BINS ? bin : ML_PROFILE_BINS - 1]++;
	}
}

void
ml_profile_column(MlContext *ctx, const MlColumn *column, MlProfile *p)
{
	double	   *values = ml_alloc_array(ctx, column->rows + 1, sizeof(double));
	size_t		n = 0;

	*p = (MlProfile) {.rows = column->rows,.min = NAN,.max = NAN,.mean = NAN,.sd = NAN,.skew = NAN};
	for (int q = 0; q < ML_PROFILE_QUANTILES; q++)
		p->quantiles[q] = NAN;
	ml_column_read(column, 0, NULL, 0, column->rows, values);
	for (size_t i = 0; i < column->rows; i++)
		if (values[i] - values[i] == 0)
			values[n++] = values[i];
	p->nulls = column->nulls;
	ml_sort_numbers(ctx, values, n);
	count_values(p, values, n);
	if (column->kind == ML_KIND_NUMBER && n > 0)
		profile_numbers(p, values, n);
	ml_free(ctx, values);
}

/* ---- correlation ---- */

double
ml_correlation(const double *x, const double *y, size_t n)
{
	MlSum		sums[2] = {{0, 0}, {0, 0}};
	MlSum		xx = {0, 0};
	MlSum		yy = {0, 0};
	MlSum		xy = {0, 0};
	double		product;

	for (size_t i = 0; i < n; i++)
	{
		ml_sum_add(&sums[0], x[i]);
		ml_sum_add(&sums[1], y[i]);
	}
	for (size_t i = 0; i < n; i++)
	{
		double		dx = x[i] - ml_sum_value(&sums[0]) / (double) n;
		double		dy = y[i] - ml_sum_value(&sums[1]) / (double) n;

		ml_sum_add(&xx, dx * dx);
		ml_sum_add(&yy, dy * dy);
		ml_sum_add(&xy, dx * dy);
	}
	product = sqrt(ml_sum_value(&xx)) * sqrt(ml_sum_value(&yy));
	return product > 0 ? fmax(-1, fmin(1, ml_sum_value(&xy) / product)) : NAN;
}

void
ml_ranks(MlContext *ctx, const double *values, size_t n, double *ranks)
{
	MlKeyed	   *placed = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));
	size_t		end;

	for (size_t i = 0; i < n; i++)
		placed[i] = (MlKeyed) {ml_score_key(values[i]), i};
	ml_sort_keyed(ctx, placed, n);
	for (size_t begin = 0; begin < n; begin = end)
	{
		for (end = begin; end < n && placed[end].key == placed[begin].key; end++)
			;
		for (size_t i = begin; i < end; i++)
			ranks[placed[i].item] = ((double) begin + (double) end + 1) / 2;
	}
	ml_free(ctx, placed);
}

/* ---- skill ---- */

/* Where the bins of a number begin. */
typedef struct Bins
{
	int			n;
	double		from[SKILL_BINS];
	uint32_t	number[SKILL_BINS];
} Bins;

/* Bins of about equal many rows; equal values share one. */
static void
make_bins(MlContext *ctx, const double *feature, size_t n, Bins *bins)
{
	double	   *sorted = ml_alloc_array(ctx, n + 1, sizeof(double));
	size_t		known = 0;

	bins->n = 0;
	for (size_t i = 0; i < n; i++)
		if (feature[i] == feature[i])
			sorted[known++] = feature[i];
	ml_sort_numbers(ctx, sorted, known);
	for (size_t i = 0; i < known; i++)
	{
		uint32_t	number = (uint32_t) (i * SKILL_BINS / known);

		if ((i > 0 && sorted[i] == sorted[i - 1]) || (bins->n > 0 && bins->number[bins->n - 1] == number))
			continue;
		bins->from[bins->n] = sorted[i];
		bins->number[bins->n++] = number;
	}
	ml_free(ctx, sorted);
}

/* The bin of a number. */
static uint32_t
bin_of(const Bins *bins, double value)
{
	int			low = 0;
	int			high = bins->n;

	while (low + 1 < high)
	{
		int			middle = (low + high) / 2;

		if (bins->from[middle] <= value)
			low = middle;
		else
			high = middle;
	}
	return bins->number[low];
}

/* The bin of every row: the code of a category, or that of a number; NULL is the last.  Returns how many there are. */
static size_t
find_bins(MlContext *ctx, const double *feature, bool categories, size_t n, uint32_t *rows)
{
	size_t		nbins = categories ? 0 : SKILL_BINS;
	Bins		bins = {.n = 0};

	if (!categories)
		make_bins(ctx, feature, n, &bins);
	for (size_t i = 0; categories && i < n; i++)
		if (feature[i] >= (double) nbins)
			nbins = (size_t) feature[i] + 1;
	for (size_t i = 0; i < n; i++)
	{
		if (i % CHECK_ROWS == 0)
			ml_check(ctx);
		rows[i] = (uint32_t) (feature[i] != feature[i] ? nbins : categories ? (size_t) feature[i] : bin_of(&bins, feature[i]));
	}
	return nbins + 1;
}

/* 1 - squared errors of the bins' means over those of the mean of all, of one output; rows of even number fit, odd ones judge. */
static void
add_errors(const double *target, int class, const uint32_t *bins, size_t nbins, size_t n, double *sums, double *counts,
		   double *errors, double *all)
{
	double		sum = 0;
	double		count = 0;

	memset(sums, 0, nbins * sizeof(double));
	memset(counts, 0, nbins * sizeof(double));
	for (size_t i = 0; i < n; i += 2)
	{
		double		y = class < 0 ? target[i] : target[i] == class;

		sums[bins[i]] += y;
		counts[bins[i]] += 1;
		sum += y;
		count += 1;
	}
	for (size_t i = 1; i < n; i += 2)
	{
		double		y = class < 0 ? target[i] : target[i] == class;
		double		mean = sum / count;
		double		own = counts[bins[i]] > 0 ? sums[bins[i]] / counts[bins[i]] : mean;

		*errors += (y - own) * (y - own);
		*all += (y - mean) * (y - mean);
	}
}

double
ml_feature_skill(MlContext *ctx, const double *feature, bool categories, const double *target, int classes, size_t n)
{
	uint32_t   *bins;
	double	   *sums;
	double	   *counts;
	double		errors = 0;
	double		all = 0;
	size_t		nbins;

	if (n < 2 * ML_SKILL_ROWS)
		return NAN;
	bins = ml_alloc_array(ctx, n, sizeof(uint32_t));
	nbins = find_bins(ctx, feature, categories, n, bins);
	sums = ml_alloc_array(ctx, nbins, sizeof(double));
	counts = ml_alloc_array(ctx, nbins, sizeof(double));
	for (int k = classes > 0 ? 0 : -1; k < classes; k++)
	{
		add_errors(target, k, bins, nbins, n, sums, counts, &errors, &all);
		ml_check(ctx);
	}
	ml_free(ctx, counts);
	ml_free(ctx, sums);
	ml_free(ctx, bins);
	return all > 0 ? 1 - errors / all : NAN;
}
