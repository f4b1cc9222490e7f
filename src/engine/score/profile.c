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

/* Is a value more frequent than the one at a place, or as frequent and its text before that one's? */
static bool
comes_before(const MlProfile *p, int at, const MlLongNumbers *numbers, uint64_t key, size_t count)
{
	if (p->top_count[at] != count || numbers == NULL || numbers->texts == NULL || !p->top_long[at])
		return p->top_count[at] < count;
	return strcmp(numbers->texts->strings[key], numbers->texts->strings[p->top_key[at]]) < 0;
}

/*
 * Put a value, or of long numbers (NULL = it is none) the one of a key, among the most frequent ones if it belongs
 * there; values come ascending, then keys do.
 */
static void
offer_top(MlProfile *p, double value, const MlLongNumbers *numbers, uint64_t key, size_t count)
{
	int			at = p->ntop;

	while (at > 0 && comes_before(p, at - 1, numbers, key, count))
		at--;
	if (at == ML_PROFILE_TOP)
		return;
	if (p->ntop < ML_PROFILE_TOP)
		p->ntop++;
	for (int i = p->ntop - 1; i > at; i--)
	{
		p->top[i] = p->top[i - 1];
		p->top_long[i] = p->top_long[i - 1];
		p->top_key[i] = p->top_key[i - 1];
		p->top_count[i] = p->top_count[i - 1];
	}
	p->top[at] = value;
	p->top_long[at] = numbers != NULL;
	p->top_key[at] = key;
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
		offer_top(p, sorted[begin], NULL, 0, end - begin);
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

/* Count long numbers by their keys. */
static void
count_keys(MlContext *ctx, MlProfile *p, const MlLongNumbers *numbers)
{
	size_t		n = numbers->n;
	uint64_t   *keys = ml_alloc_array(ctx, n, sizeof(uint64_t));
	uint64_t   *buffer = ml_alloc_array(ctx, n, sizeof(uint64_t));
	size_t		end;

	memcpy(keys, numbers->keys, n * sizeof(uint64_t));
	ml_sort_rows(ctx, keys, buffer, n, ML_WORDS_KEY);
	p->long_min = keys[0];
	p->long_max = keys[n - 1];
	for (size_t begin = 0; begin < n; begin = end)
	{
		for (end = begin; end < n && keys[end] == keys[begin]; end++)
			;
		offer_top(p, 0, numbers, keys[begin], end - begin);
		p->distinct++;
	}
	ml_free(ctx, buffer);
	ml_free(ctx, keys);
}

/* Count the numbers of a column, some of which are long ones. */
static void
count_numbers(MlContext *ctx, MlProfile *p, const double *values, size_t rows, const MlLongNumbers *numbers)
{
	double	   *plain = ml_alloc_array(ctx, rows + 1, sizeof(double));
	size_t		n = 0;
	size_t		next = 0;

	for (size_t i = 0; i < rows; i++)
	{
		if (next < numbers->n && numbers->rows[next] == i)
			next++;
		else if (values[i] - values[i] == 0)
			plain[n++] = values[i];
	}
	ml_sort_numbers(ctx, plain, n);
	count_values(p, plain, n);
	p->plain_min = n > 0 ? plain[0] : NAN;
	p->plain_max = n > 0 ? plain[n - 1] : NAN;
	count_keys(ctx, p, numbers);
	ml_free(ctx, plain);
}

void
ml_profile_column(MlContext *ctx, const MlColumn *column, const MlLongNumbers *numbers, MlProfile *p)
{
	double	   *values = ml_alloc_array(ctx, column->rows + 1, sizeof(double));
	size_t		n = 0;

	*p = (MlProfile) {
		.rows = column->rows,.min = NAN,.max = NAN,.mean = NAN,.sd = NAN,.skew = NAN,.plain_min = NAN,.plain_max = NAN
	};
	for (int q = 0; q < ML_PROFILE_QUANTILES; q++)
		p->quantiles[q] = NAN;
	ml_column_read(column, 0, NULL, 0, column->rows, values);
	p->nulls = column->nulls;
	if (numbers != NULL && numbers->n > 0)
		count_numbers(ctx, p, values, column->rows, numbers);
	for (size_t i = 0; i < column->rows; i++)
		if (values[i] - values[i] == 0)
			values[n++] = values[i];
	ml_sort_numbers(ctx, values, n);
	if (p->distinct == 0)
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
		rows[i] = (uint32_t) (feature[i] != feature[i] ? nbins : categories ? (size_t) feature[i] :
							  bin_of(&bins, feature[i]));
	}
	return nbins + 1;
}

/* What rows of even number say of the rest: squared errors of the means of bins, and of the mean of all. */
typedef struct Errors
{
	double		own;
	double		all;
} Errors;

/* Of a number. */
static void
number_errors(MlContext *ctx, const double *target, const uint32_t *bins, size_t nbins, size_t n, Errors *errors)
{
	double	   *sums = ml_alloc_array_zero(ctx, nbins, sizeof(double));
	double	   *counts = ml_alloc_array_zero(ctx, nbins, sizeof(double));
	double		sum = 0;
	double		count = 0;

	for (size_t i = 0; i < n; i += 2)
	{
		sums[bins[i]] += target[i];
		counts[bins[i]] += 1;
		sum += target[i];
		count += 1;
	}
	for (size_t i = 1; i < n; i += 2)
	{
		double		mean = sum / count;
		double		own = counts[bins[i]] > 0 ? sums[bins[i]] / counts[bins[i]] : mean;

		errors->own += (target[i] - own) * (target[i] - own);
		errors->all += (target[i] - mean) * (target[i] - mean);
	}
	ml_free(ctx, counts);
	ml_free(ctx, sums);
}

/* The rows of one bin and class: those that fit, those that judge. */
typedef struct Cell
{
	double		fit;
	double		judge;
} Cell;

/* Add the squared errors of shares of classes: sum (1 - 2 share(own class) + sum share^2) over the rows that judge. */
static inline void
add_cell(double *errors, const Cell *cell, double share, double squares)
{
	*errors += cell->judge * (1 - 2 * share + squares);
}

/* The end of the cell that begins in sorted rows, and how many rows of either kind it has. */
static size_t
read_cell(const MlKeyed *rows, size_t n, size_t begin, Cell *cell)
{
	size_t		end = begin;

	*cell = (Cell) {0, 0};
	for (; end < n && rows[end].key == rows[begin].key; end++)
		*(rows[end].item % 2 == 0 ? &cell->fit : &cell->judge) += 1;
	return end;
}

/* Of classes, their indicators summed: rows are sorted by bin and class, so all classes take one pass. */
static void
class_errors(MlContext *ctx, const double *target, int classes, const uint32_t *bins, size_t n, Errors *errors)
{
	MlKeyed    *rows = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));
	Cell	   *all = ml_alloc_array_zero(ctx, (size_t) classes, sizeof(Cell));
	double		fitted = (double) ((n + 1) / 2);
	double		squares = 0;
	size_t		bin_end;

	for (size_t i = 0; i < n; i++)
	{
		rows[i] = (MlKeyed) {(uint64_t) bins[i] * (uint64_t) classes + (uint64_t) target[i], i};
		*(i % 2 == 0 ? &all[(int) target[i]].fit : &all[(int) target[i]].judge) += 1;
	}
	for (int k = 0; k < classes; k++)
		squares += all[k].fit / fitted * (all[k].fit / fitted);
	for (int k = 0; k < classes; k++)
		add_cell(&errors->all, &all[k], all[k].fit / fitted, squares);
	ml_sort_keyed(ctx, rows, n);
	for (size_t begin = 0; begin < n; begin = bin_end)
	{
		uint64_t	bin = rows[begin].key / (uint64_t) classes;
		double		here = 0;
		double		own = 0;
		Cell		cell;
		size_t		i;

		for (i = begin; i < n && rows[i].key / (uint64_t) classes == bin;)
		{
			i = read_cell(rows, n, i, &cell);
			here += cell.fit;
			own += cell.fit * cell.fit;
		}
		bin_end = i;
		/* where no row fits, the shares of all do */
		for (i = begin; i < bin_end;)
		{
			int			class = (int) (rows[i].key % (uint64_t) classes);

			i = read_cell(rows, n, i, &cell);
			if (here > 0)
				add_cell(&errors->own, &cell, cell.fit / here, own / (here * here));
			else
				add_cell(&errors->own, &cell, all[class].fit / fitted, squares);
		}
	}
	ml_free(ctx, all);
	ml_free(ctx, rows);
}

double
ml_feature_skill(MlContext *ctx, const double *feature, bool categories, const double *target, int classes, size_t n)
{
	Errors		errors = {0, 0};
	uint32_t   *bins;
	size_t		nbins;

	if (n < 2 * ML_SKILL_ROWS)
		return NAN;
	bins = ml_alloc_array(ctx, n, sizeof(uint32_t));
	nbins = find_bins(ctx, feature, categories, n, bins);
	if (classes > 0)
		class_errors(ctx, target, classes, bins, n, &errors);
	else
		number_errors(ctx, target, bins, nbins, n, &errors);
	ml_free(ctx, bins);
	return errors.all > 0 ? 1 - errors.own / errors.all : NAN;
}
