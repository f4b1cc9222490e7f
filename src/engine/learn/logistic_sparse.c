/*
 * Logistic regression: a block's share of the Hessian where many columns are mostly zero, as
 * those of categories are.
 *
 * Problem: x' diag(h) x of a block of n rows, d columns, packed lower triangle by columns, where each
 * row has few values that are not zero outside a few dense columns.  Dense with dense goes through the
 * kernel for tiles, dense with sparse adds up rows of the dense columns, sparse with sparse adds
 * the products of each row's own values.  The cost falls from d^2 to the square of what a row really
 * has.  Which columns count as sparse depends on the block's values alone.
 */
#include "base/simd.h"
#include "learn/logistic_internal.h"

#include <string.h>

#define LANES LOGISTIC_LANES
#define MIN_COLUMNS 32			/* fewer are not worth a look */
#define MIN_SPARSE 16
#define SPARSE_SHARE 8			/* a sparse column has at most an eighth of the rows */

struct SparseBlock
{
	int			d;
	size_t		ld;
	int			ndense;
	int			nsparse;
	int		   *dense;			/* [d] columns, ascending */
	int		   *sparse;			/* [d] columns, ascending */
	size_t	   *base;			/* [d] element (i, j) of the triangle is base[j] + i */

	/* Values that are not zero in sparse columns, column by column ... */
	size_t	   *start;			/* [d + 1] */
	int		   *row;
	double	   *value;

	/* ... and row by row, columns ascending. */
	size_t	   *row_start;		/* [ld + 1] */
	int		   *row_column;
	double	   *row_value;

	/* The dense columns, one after the other and row by row. */
	double	   *x;				/* [d / 2 + 2] */
	double	   *rows;			/* [ld x pitch] */
	size_t		pitch;
	double	   *products;		/* a triangle of d / 2 */
	double	   *sums;			/* [pitch] */
};

typedef uint64_t UInt8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef uint64_t Bits __attribute__((may_alias));

/* Space for blocks of d columns; NULL when there are too few for it to matter. */
SparseBlock *
logistic_sparse_create(MlContext *ctx, int d, size_t ld)
{
	SparseBlock *s;
	size_t		columns = (size_t) d;
	size_t		values = ld / SPARSE_SHARE * columns + 1;
	size_t		half = columns / 2 + LANES;

	if (d < MIN_COLUMNS)
		return NULL;
	s = ml_alloc_zero(ctx, sizeof(SparseBlock));
	s->d = d;
	s->ld = ld;
	s->dense = ml_alloc_array(ctx, columns, sizeof(int));
	s->sparse = ml_alloc_array(ctx, columns, sizeof(int));
	s->base = ml_alloc_array(ctx, columns, sizeof(size_t));
	for (int j = 0; j < d; j++)
		s->base[j] = logistic_packed(d, j, j) - (size_t) j;
	s->start = ml_alloc_array(ctx, columns + 1, sizeof(size_t));
	s->row = ml_alloc_array(ctx, values, sizeof(int));
	s->value = ml_alloc_array(ctx, values, sizeof(double));
	s->row_start = ml_alloc_array(ctx, ld + 2, sizeof(size_t));
	s->row_column = ml_alloc_array(ctx, values, sizeof(int));
	s->row_value = ml_alloc_array(ctx, values, sizeof(double));
	s->x = ml_alloc_array_zero(ctx, (half + 2) * ld, sizeof(double));
	s->rows = ml_alloc_array_zero(ctx, half * ld, sizeof(double));
	s->products = ml_alloc_array(ctx, logistic_triangle((int) half), sizeof(double));
	s->sums = ml_alloc_array(ctx, half, sizeof(double));
	return s;
}

/* How many of n values (a multiple of eight) are not zero. */
ML_MULTIVERSION static size_t
count_nonzero(const double *x, size_t n)
{
	UInt8		count = {0};
	size_t		sum = 0;

	/* A true comparison is all ones, that is -1. */
	for (size_t i = 0; i < n; i += LANES)
		count -= (UInt8) (*(const MlDouble8 *) (x + i) != (MlDouble8) {0});
	for (int l = 0; l < LANES; l++)
		sum += count[l];
	return sum;
}

/* Note the values of a sparse column. */
static void
add_sparse(SparseBlock *s, const double *x, int column, size_t count)
{
	size_t		at = s->start[s->nsparse];

	for (size_t i = 0, last = at + count; at < last; i += LANES)
	{
		const Bits *bits = (const Bits *) (x + i);

		/* Most groups of eight are all zero. */
		if ((bits[0] | bits[1] | bits[2] | bits[3] | bits[4] | bits[5] | bits[6] | bits[7]) == 0)
			continue;
		for (size_t k = i; k < i + LANES; k++)
			if (x[k] != 0)
			{
				s->row[at] = (int) k;
				s->value[at] = x[k];
				at++;
			}
	}
	s->sparse[s->nsparse++] = column;
	s->start[s->nsparse] = at;
}

/* Sort the values of the sparse columns by row. */
static void
sort_by_row(SparseBlock *s, size_t n)
{
	size_t		total = s->start[s->nsparse];
	size_t	   *next = s->row_start + 1;

	/* Counts, shifted by one, become where each row starts, then where it ends. */
	memset(s->row_start, 0, (n + 2) * sizeof(size_t));
	for (size_t e = 0; e < total; e++)
		s->row_start[s->row[e] + 2]++;
	for (size_t i = 2; i < n + 2; i++)
		s->row_start[i] += s->row_start[i - 1];
	for (int q = 0; q < s->nsparse; q++)
		for (size_t e = s->start[q]; e < s->start[q + 1]; e++)
		{
			size_t		to = next[s->row[e]]++;

			s->row_column[to] = s->sparse[q];
			s->row_value[to] = s->value[e];
		}
}

/* Look at a block; false when it is better treated as dense. */
bool
logistic_sparse_scan(SparseBlock *s, const double *x, size_t n)
{
	size_t		ld = s->ld;

	s->ndense = s->nsparse = 0;
	s->start[0] = 0;
	for (int j = 0; j < s->d; j++)
	{
		size_t		count = count_nonzero(x + (size_t) j * ld, n);

		if (count <= n / SPARSE_SHARE)
			add_sparse(s, x + (size_t) j * ld, j, count);
		else
			s->dense[s->ndense++] = j;
		if (s->ndense > s->d / 2)
			return false;
	}
	if (s->nsparse < MIN_SPARSE)
		return false;
	sort_by_row(s, n);
	s->pitch = ((size_t) s->ndense + LANES - 1) / LANES * LANES;
	for (int a = 0; a < s->ndense; a++)
	{
		const double *column = x + (size_t) s->dense[a] * ld;

		memcpy(s->x + (size_t) a * ld, column, n * sizeof(double));
		for (size_t i = 0; i < n; i++)
			s->rows[i * s->pitch + (size_t) a] = column[i];
	}
	for (size_t i = 0; i < n; i++)
		for (size_t a = (size_t) s->ndense; a < s->pitch; a++)
			s->rows[i * s->pitch + a] = 0;
	return true;
}

/* sums[a] = sum over the values of one sparse column of h value rows[row, a] */
ML_MULTIVERSION static void
add_rows(const int *row, const double *value, size_t count, const double *h, const double *rows,
		 size_t pitch, double *sums)
{
	for (size_t a = 0; a < pitch; a += LANES)
	{
		MlDouble8	sum = {0};

		for (size_t e = 0; e < count; e++)
		{
			double		f = h[row[e]] * value[e];

			sum += (MlDouble8) {f, f, f, f, f, f, f, f}
				* *(const MlDouble8 *) (rows + (size_t) row[e] * pitch + a);
		}
		*(MlDouble8 *) (sums + a) = sum;
	}
}

/* Add x' diag(h) x of the block looked at last to out; hx is space for [d + 1] columns. */
void
logistic_sparse_products(SparseBlock *s, const double *h, size_t n, double *hx, double *out)
{
	int			m = s->ndense;

	logistic_weigh(s->x, s->ld, m, n, h, hx);
	memset(s->products, 0, logistic_triangle(m) * sizeof(double));
	logistic_products(s->x, hx, s->ld, m, n, s->products);
	for (int b = 0; b < m; b++)
		for (int a = b; a < m; a++)
			out[s->base[s->dense[b]] + (size_t) s->dense[a]] += s->products[logistic_packed(m, a, b)];

	for (int q = 0; q < s->nsparse; q++)
	{
		size_t		begin = s->start[q];
		int			column = s->sparse[q];

		if (s->start[q + 1] == begin)
			continue;
		add_rows(s->row + begin, s->value + begin, s->start[q + 1] - begin, h, s->rows, s->pitch, s->sums);
		for (int a = 0; a < m; a++)
		{
			int			other = s->dense[a];

			if (other < column)
				out[s->base[other] + (size_t) column] += s->sums[a];
			else
				out[s->base[column] + (size_t) other] += s->sums[a];
		}
	}

	for (size_t i = 0; i < n; i++)
		for (size_t e = s->row_start[i]; e < s->row_start[i + 1]; e++)
		{
			double		f = h[i] * s->row_value[e];
			double	   *column = out + s->base[s->row_column[e]];

			for (size_t g = e; g < s->row_start[i + 1]; g++)
				column[s->row_column[g]] += f * s->row_value[g];
		}
}
