#include "base/tsqr.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

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
 * Apply the reflection I - tau [1; v] [1; v]' to four columns at once: v is loaded once
 * for four dot products and once for four updates.
 */
static inline __attribute__((always_inline)) void
reflect_four(const double *v, size_t n, double tau, double *r0, double *r1, double *r2, double *r3,
			 double *a, size_t lda)
{
	double	   *a0 = a,
			   *a1 = a + lda,
			   *a2 = a + 2 * lda,
			   *a3 = a + 3 * lda;
	MlDouble8	s0 = {0},
				s1 = {0},
				s2 = {0},
				s3 = {0};
	double		d0 = 0,
				d1 = 0,
				d2 = 0,
				d3 = 0;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
	{
		MlDouble8	x = *(const MlDouble8 *) (v + i);

		s0 += x * *(const MlDouble8 *) (a0 + i);
		s1 += x * *(const MlDouble8 *) (a1 + i);
		s2 += x * *(const MlDouble8 *) (a2 + i);
		s3 += x * *(const MlDouble8 *) (a3 + i);
	}
	for (; i < n; i++)
	{
		d0 += v[i] * a0[i];
		d1 += v[i] * a1[i];
		d2 += v[i] * a2[i];
		d3 += v[i] * a3[i];
	}
	d0 = tau * (*r0 + (sum_lanes(&s0) + d0));
	d1 = tau * (*r1 + (sum_lanes(&s1) + d1));
	d2 = tau * (*r2 + (sum_lanes(&s2) + d2));
	d3 = tau * (*r3 + (sum_lanes(&s3) + d3));
	*r0 -= d0;
	*r1 -= d1;
	*r2 -= d2;
	*r3 -= d3;
	for (i = 0; i + 8 <= n; i += 8)
	{
		MlDouble8	x = *(const MlDouble8 *) (v + i);

		*(MlDouble8 *) (a0 + i) -= d0 * x;
		*(MlDouble8 *) (a1 + i) -= d1 * x;
		*(MlDouble8 *) (a2 + i) -= d2 * x;
		*(MlDouble8 *) (a3 + i) -= d3 * x;
	}
	for (; i < n; i++)
	{
		a0[i] -= d0 * v[i];
		a1[i] -= d1 * v[i];
		a2[i] -= d2 * v[i];
		a3[i] -= d3 * v[i];
	}
}

/* The same for one column; element by element the same operations as above. */
static inline __attribute__((always_inline)) void
reflect_one(const double *v, size_t n, double tau, double *r, double *a)
{
	MlDouble8	s = {0};
	double		d = 0;
	size_t		i = 0;

	for (; i + 8 <= n; i += 8)
		s += *(const MlDouble8 *) (v + i) * *(const MlDouble8 *) (a + i);
	for (; i < n; i++)
		d += v[i] * a[i];
	d = tau * (*r + (sum_lanes(&s) + d));
	*r -= d;
	for (i = 0; i + 8 <= n; i += 8)
		*(MlDouble8 *) (a + i) -= d * *(const MlDouble8 *) (v + i);
	for (; i < n; i++)
		a[i] -= d * v[i];
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
		for (; k + 4 <= q; k += 4)
		{
			double	   *row = r + (size_t) k * ldr + j;

			reflect_four(v, n, tau, row, row + ldr, row + 2 * ldr, row + 3 * ldr, a + (size_t) k * lda, lda);
		}
		for (; k < q; k++)
			reflect_one(v, n, tau, r + (size_t) k * ldr + j, a + (size_t) k * lda);
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
