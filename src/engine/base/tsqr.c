#include "base/tsqr.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

#define GROUP 8					/* columns that one pass over a reflection serves */

/* Sum of eight lanes in a fixed order (by address: a vector argument has no portable ABI). */
static inline __attribute__((always_inline)) double
sum_lanes(const MlDouble8 *lanes)
{
	const double *v = (const double *) lanes;

	return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* sum of squares of n values */
static inline __attribute__((always_inline)) double
square_norm(const double *x, size_t n)
{
	MlDouble8	sum = {0};
	double		rest = 0;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
	{
		MlDouble8	v = *(const MlDouble8 *) (x + i);

		sum += v * v;
	}
	for (; i < n; i++)
		rest += x[i] * x[i];
	return sum_lanes(&sum) + rest;
}

/*
 * Apply the reflection I - tau [1; v] [1; v]' to `count` columns at once (a constant, so that the
 * loops over it unroll): v is loaded once for all dot products and once for all updates.
 */
static inline __attribute__((always_inline)) void
reflect_group(const double *v, size_t n, double tau, double *r, size_t ldr, double *a, size_t lda, const int count)
{
	MlDouble8	sums[GROUP] = {{0}};
	double		d[GROUP] = {0};
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
	{
		MlDouble8	x = *(const MlDouble8 *) (v + i);

		for (int k = 0; k < count; k++)
			sums[k] += x * *(const MlDouble8 *) (a + (size_t) k * lda + i);
	}
	for (; i < n; i++)
		for (int k = 0; k < count; k++)
			d[k] += v[i] * a[(size_t) k * lda + i];
	for (int k = 0; k < count; k++)
	{
		d[k] = tau * (r[(size_t) k * ldr] + (sum_lanes(&sums[k]) + d[k]));
		r[(size_t) k * ldr] -= d[k];
	}
	for (i = 0; i + 8 <= n; i += 8)
	{
		MlDouble8	x = *(const MlDouble8 *) (v + i);

		for (int k = 0; k < count; k++)
			*(MlDouble8 *) (a + (size_t) k * lda + i) -= d[k] * x;
	}
	for (; i < n; i++)
		for (int k = 0; k < count; k++)
			a[(size_t) k * lda + i] -= d[k] * v[i];
}

ML_MULTIVERSION void
ml_tsqr_reduce(double *r, size_t ldr, double *a, size_t lda, size_t n, int q)
{
	for (int j = 0; j < q; j++)
	{
		double	   *v = a + (size_t) j * lda;
		double		alpha = r[(size_t) j * ldr + j];
		double		norm = square_norm(v, n);
		double		beta;
		double		tau;
		double		inverse;
		int			k = j + 1;

		if (norm == 0)
			continue;
		beta = -copysign(sqrt(alpha * alpha + norm), alpha);
		tau = (beta - alpha) / beta;
		inverse = 1.0 / (alpha - beta);
		for (size_t i = 0; i < n; i++)
			v[i] *= inverse;
		r[(size_t) j * ldr + j] = beta;
		for (; k + GROUP <= q; k += GROUP)
			reflect_group(v, n, tau, r + (size_t) k * ldr + j, ldr, a + (size_t) k * lda, lda, GROUP);
		if (k + GROUP / 2 <= q)
		{
			reflect_group(v, n, tau, r + (size_t) k * ldr + j, ldr, a + (size_t) k * lda, lda, GROUP / 2);
			k += GROUP / 2;
		}
		for (; k < q; k++)
			reflect_group(v, n, tau, r + (size_t) k * ldr + j, ldr, a + (size_t) k * lda, lda, 1);
	}
}

void
ml_tsqr_merge(double *r, size_t ldr, double *other, size_t ldother, int q)
{
	/* what is below the diagonal is no part of the factor */
	for (int j = 0; j < q; j++)
		memset(other + (size_t) j * ldother + j + 1, 0, (size_t) (q - j - 1) * sizeof(double));
	ml_tsqr_reduce(r, ldr, other, ldother, (size_t) q, q);
}

void
ml_tsqr_reduce_extended(long double *r, size_t ldr, long double *a, size_t lda, size_t n, int q)
{
	for (int j = 0; j < q; j++)
	{
		long double *v = a + (size_t) j * lda;
		long double alpha = r[(size_t) j * ldr + j];
		long double norm = 0;
		long double beta;
		long double tau;

		for (size_t i = 0; i < n; i++)
			norm += v[i] * v[i];
		if (norm == 0)
			continue;
		beta = -copysignl(sqrtl(alpha * alpha + norm), alpha);
		tau = (beta - alpha) / beta;
		for (size_t i = 0; i < n; i++)
			v[i] /= alpha - beta;
		r[(size_t) j * ldr + j] = beta;
		for (int k = j + 1; k < q; k++)
		{
			long double *column = a + (size_t) k * lda;
			long double dot = r[(size_t) k * ldr + j];

			for (size_t i = 0; i < n; i++)
				dot += v[i] * column[i];
			dot *= tau;
			r[(size_t) k * ldr + j] -= dot;
			for (size_t i = 0; i < n; i++)
				column[i] -= dot * v[i];
		}
	}
}
