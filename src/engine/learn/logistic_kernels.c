/*
 * Kernels of logistic regression over one block of rows: n rows, column-major with leading
 * dimension ld, eight lanes at a time.
 *
 * No operation is fused or reordered, so every processor that a kernel is compiled for gives the
 * same bits; sums over rows keep eight lanes and add them up in one order.
 */
#include "learn/logistic_internal.h"

#include "base/simd.h"

#include <math.h>
#include <string.h>

/* The one kernel that is written twice, see tile_wide; the same condition as in simd.h. */
#if defined(__x86_64__) && defined(__linux__) && !defined(ML_NO_MULTIVERSION)
#define WIDE_VECTORS
#endif

/* ---- eight numbers at a time ---- */

#define LANES LOGISTIC_LANES

typedef int64_t Int8 __attribute__((vector_size(64), aligned(8), may_alias));
typedef double Double4 __attribute__((vector_size(32), aligned(8), may_alias));
typedef uint64_t UInt8 __attribute__((vector_size(64), aligned(8), may_alias));

#define SPLAT(c) ((MlDouble8) {c, c, c, c, c, c, c, c})
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* a where the mask is set, else b. */
ALWAYS_INLINE void
select8(const Int8 *mask, const MlDouble8 *a, const MlDouble8 *b, MlDouble8 *out)
{
	*out = (MlDouble8) ((*mask & (Int8) *a) | (~*mask & (Int8) *b));
}

/*
 * exp(x) for x <= 0, below -708 as at -708: reduction by multiples of log 2 in two parts, Taylor's
 * polynomial of degree 13 on |r| <= 0.347 (truncated below 1e-17), error about one unit in the last place.
 */
ALWAYS_INLINE void
exp8(const MlDouble8 *arg, MlDouble8 *out)
{
	const MlDouble8 magic = SPLAT(0x1.8p52);
	const MlDouble8 lowest = SPLAT(-708.0);
	MlDouble8	x;
	MlDouble8	t;
	MlDouble8	n;
	MlDouble8	r;
	MlDouble8	q;
	Int8		below = *arg < lowest;
	Int8		bits;

	select8(&below, &lowest, arg, &x);
	t = x * SPLAT(0x1.71547652b82fep0) + magic;
	n = t - magic;
	r = (x - n * SPLAT(0x1.62e42feep-1)) - n * SPLAT(0x1.a39ef35793c76p-33);
	q = SPLAT(1.0 / 6227020800.0);
	q = q * r + SPLAT(1.0 / 479001600.0);
	q = q * r + SPLAT(1.0 / 39916800.0);
	q = q * r + SPLAT(1.0 / 3628800.0);
	q = q * r + SPLAT(1.0 / 362880.0);
	q = q * r + SPLAT(1.0 / 40320.0);
	q = q * r + SPLAT(1.0 / 5040.0);
	q = q * r + SPLAT(1.0 / 720.0);
	q = q * r + SPLAT(1.0 / 120.0);
	q = q * r + SPLAT(1.0 / 24.0);
	q = q * r + SPLAT(1.0 / 6.0);
	q = q * r + SPLAT(0.5);
	q = (q * r) * r + r + SPLAT(1.0);

	/* The low bits of t are n: put them into the exponent. */
	bits = (Int8) ((UInt8) t << 52) + (Int8) q;
	*out = (MlDouble8) bits;
}

/*
 * log(y) for finite y >= 1: exponent apart, 2 atanh(f / (2 + f)) on the mantissa's f with the
 * polynomial of fdlibm's log (error below 2^-58.45), then its way of adding up.
 */
ALWAYS_INLINE void
log8(const MlDouble8 *arg, MlDouble8 *out)
{
	const UInt8 offset = (UInt8) SPLAT(0x1.6a09e667f3bcdp-1);
	UInt8		bits = (UInt8) *arg;
	UInt8		exponent = (bits - offset) >> 52;
	MlDouble8	k = (MlDouble8) (exponent | (UInt8) SPLAT(0x1p52)) - SPLAT(0x1p52);
	MlDouble8	f = (MlDouble8) (bits - (exponent << 52)) - SPLAT(1.0);
	MlDouble8	s = f / (SPLAT(2.0) + f);
	MlDouble8	z = s * s;
	MlDouble8	half = SPLAT(0.5) * f * f;
	MlDouble8	r = SPLAT(1.479819860511658591e-01);

	r = r * z + SPLAT(1.531383769920937332e-01);
	r = r * z + SPLAT(1.818357216161805012e-01);
	r = r * z + SPLAT(2.222219843214978396e-01);
	r = r * z + SPLAT(2.857142874366239149e-01);
	r = r * z + SPLAT(3.999999999940941908e-01);
	r = r * z + SPLAT(6.666666666666735130e-01);
	r = r * z;
	*out = k * SPLAT(6.93147180369123816490e-01)
		- ((half - (s * (half + r) + k * SPLAT(1.90821492927058770002e-10))) - f);
}

/* -|x| */
ALWAYS_INLINE void
minus_abs8(const MlDouble8 *x, MlDouble8 *out)
{
	*out = (MlDouble8) ((UInt8) *x | (UInt8) SPLAT(-0.0));
}

/* The sum of eight lanes, in a fixed order. */
ALWAYS_INLINE double
sum8(const MlDouble8 *v)
{
	return (((*v)[0] + (*v)[4]) + ((*v)[2] + (*v)[6])) + (((*v)[1] + (*v)[5]) + ((*v)[3] + (*v)[7]));
}

/* ---- kernels over one block: n rows, a multiple of eight, padded by rows of weight 0 ---- */

/* out[i] = start + sum_j b[j] x[i, j], in that order for every row; any n. */
ML_MULTIVERSION void
logistic_predict(const double *x, size_t ld, int d, size_t n, double start, const double *b, double *out)
{
	size_t		whole = n / LANES * LANES;

	for (size_t i = 0; i < whole; i += LANES)
		*(MlDouble8 *) (out + i) = SPLAT(start);
	for (int j = 0; j < d; j++)
	{
		const double *c = x + (size_t) j * ld;

		for (size_t i = 0; i < whole; i += LANES)
			*(MlDouble8 *) (out + i) += SPLAT(b[j]) * *(const MlDouble8 *) (c + i);
	}
	for (size_t i = whole; i < n; i++)
	{
		double		z = start;

		for (int j = 0; j < d; j++)
			z += b[j] * x[(size_t) j * ld + i];
		out[i] = z;
	}
}

/*
 * Binary loss: z (predictors), y (0 or 1), w -> g (derivative by z), h (second derivative);
 * returns the sum of losses.  With m = s z and e = exp(-|m|) nothing cancels or overflows.
 */
ML_MULTIVERSION double
logistic_link_binary(const double *z, const double *y, const double *w, size_t n, double *g, double *h)
{
	const MlDouble8 zero = SPLAT(0.0);
	const MlDouble8 one = SPLAT(1.0);
	MlDouble8	loss = zero;

	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	wi = *(const MlDouble8 *) (w + i);
		MlDouble8	sign = SPLAT(2.0) * *(const MlDouble8 *) (y + i) - one;
		MlDouble8	m = sign * *(const MlDouble8 *) (z + i);
		MlDouble8	e;
		MlDouble8	r;
		MlDouble8	q;
		MlDouble8	l;
		MlDouble8	er;
		MlDouble8	over;
		MlDouble8	u;
		Int8		right = m >= zero;

		minus_abs8(&m, &e);
		exp8(&e, &e);
		u = one + e;
		r = one / u;
		er = e * r;

		/* The probability of the other class. */
		select8(&right, &er, &r, &q);
		*(MlDouble8 *) (g + i) = zero - sign * (wi * q);
		*(MlDouble8 *) (h + i) = wi * (er * r);

		/* log(1 + e): the logarithm of the rounded 1 + e, and what the rounding lost. */
		log8(&u, &l);
		l += (e - (u - one)) * r;
		over = zero - m;
		select8(&right, &zero, &over, &over);
		loss += wi * (l + over);
	}
	return sum8(&loss);
}

/*
 * Multinomial loss: z [n x k] becomes the probabilities, y holds class numbers; g (unless NULL) the
 * derivatives by the predictors.  Returns the sum of losses.
 */
ML_MULTIVERSION double
logistic_link_softmax(double *z, size_t ld, int k, const double *y, const double *w, size_t n, double *g)
{
	MlDouble8	loss = SPLAT(0.0);

	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	wi = *(const MlDouble8 *) (w + i);
		MlDouble8	yi = *(const MlDouble8 *) (y + i);
		MlDouble8	top = *(const MlDouble8 *) (z + i);
		MlDouble8	own = top;
		MlDouble8	sum = SPLAT(0.0);
		MlDouble8	l;
		MlDouble8	e;
		MlDouble8	c;

		for (int j = 1; j < k; j++)
		{
			MlDouble8	zj = *(const MlDouble8 *) (z + i + (size_t) j * ld);
			Int8		more = zj > top;
			Int8		is = yi == SPLAT((double) j);

			select8(&more, &zj, &top, &top);
			select8(&is, &zj, &own, &own);
		}
		for (int j = 0; j < k; j++)
		{
			e = *(const MlDouble8 *) (z + i + (size_t) j * ld) - top;
			exp8(&e, &e);
			sum += e;
			*(MlDouble8 *) (z + i + (size_t) j * ld) = e;
		}
		log8(&sum, &l);
		loss += wi * (l + (top - own));
		c = SPLAT(1.0) / sum;
		for (int j = 0; j < k; j++)
		{
			MlDouble8  *p = (MlDouble8 *) (z + i + (size_t) j * ld);
			Int8		is = yi == SPLAT((double) j);

			*p = *p * c;
			e = *p - SPLAT(1.0);
			select8(&is, &e, p, &e);
			if (g != NULL)
				*(MlDouble8 *) (g + i + (size_t) j * ld) = wi * e;
		}
	}
	return sum8(&loss);
}

/*
 * Sums of products of 3 columns (of x) with 2 (of h), 256 or 512 bits at a time.  Six chains of
 * additions hide their latency, and the accumulators fit 16 registers.  Both ways keep eight lanes and
 * add them up in the same order, so they give the same bits.
 */
ALWAYS_INLINE void
tile_wide(const double *x, const double *h, size_t ld, size_t n, double out[2][3])
{
	MlDouble8	s[2][3] = {{SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)}, {SPLAT(0.0), SPLAT(0.0), SPLAT(0.0)}};

	for (size_t r = 0; r < n; r += LANES)
	{
		MlDouble8	a = *(const MlDouble8 *) (h + r);
		MlDouble8	b = *(const MlDouble8 *) (h + ld + r);
		MlDouble8	v = *(const MlDouble8 *) (x + r);

		s[0][0] += v * a;
		s[1][0] += v * b;
		v = *(const MlDouble8 *) (x + ld + r);
		s[0][1] += v * a;
		s[1][1] += v * b;
		v = *(const MlDouble8 *) (x + 2 * ld + r);
		s[0][2] += v * a;
		s[1][2] += v * b;
	}
	for (int j = 0; j < 2; j++)
		for (int i = 0; i < 3; i++)
			out[j][i] = sum8(&s[j][i]);
}

/* The same with four lanes at a time. */
ALWAYS_INLINE void
tile_narrow(const double *x, const double *h, size_t ld, size_t n, double out[2][3])
{
	Double4		low[2][3] = {{{0}, {0}, {0}}, {{0}, {0}, {0}}};

	for (int half = 0; half < 2; half++, x += 4, h += 4)
	{
		Double4		s00 = {0}, s01 = {0}, s02 = {0}, s10 = {0}, s11 = {0}, s12 = {0};

		for (size_t r = 0; r < n; r += LANES)
		{
			Double4		a = *(const Double4 *) (h + r);
			Double4		b = *(const Double4 *) (h + ld + r);
			Double4		v = *(const Double4 *) (x + r);

			s00 += v * a;
			s10 += v * b;
			v = *(const Double4 *) (x + ld + r);
			s01 += v * a;
			s11 += v * b;
			v = *(const Double4 *) (x + 2 * ld + r);
			s02 += v * a;
			s12 += v * b;
		}
		low[0][0] += s00, low[0][1] += s01, low[0][2] += s02;
		low[1][0] += s10, low[1][1] += s11, low[1][2] += s12;
	}

	/* Lanes 0 + 4, 1 + 5, ... are added already, as in sum8. */
	for (int j = 0; j < 2; j++)
		for (int i = 0; i < 3; i++)
			out[j][i] = (low[j][i][0] + low[j][i][2]) + (low[j][i][1] + low[j][i][3]);
}

/* The loop over tiles of the lower triangle. */
ALWAYS_INLINE void
products_body(bool wide, const double *x, const double *hx, size_t ld, int d, size_t n, double *out)
{
	for (int j = 0; j < d; j += 2)
	{
		double	   *out1 = out + (d - j) - 1;	/* element (i, j + 1) is out1[i - j] */

		for (int i = j; i < d; i += 3)
		{
			int			rows = d - i < 3 ? d - i : 3;
			double		tile[2][3];

			if (wide)
				tile_wide(x + (size_t) i * ld, hx + (size_t) j * ld, ld, n, tile);
			else
				tile_narrow(x + (size_t) i * ld, hx + (size_t) j * ld, ld, n, tile);
			for (int r = 0; r < rows; r++)
			{
				out[i - j + r] += tile[0][r];
				if (i + r > j && j + 1 < d)
					out1[i - j + r] += tile[1][r];
			}
		}
		out += (d - j) + (d - j - 1);
	}
}

#ifdef WIDE_VECTORS
__attribute__((target("avx512f"))) static void
products_wide(const double *x, const double *hx, size_t ld, int d, size_t n, double *out)
{
	products_body(true, x, hx, ld, d, n, out);
}
#endif

ML_MULTIVERSION static void
products_narrow(const double *x, const double *hx, size_t ld, int d, size_t n, double *out)
{
	products_body(false, x, hx, ld, d, n, out);
}

/*
 * The lower triangle of x' hx (d x d), added to out, packed by columns; x has two columns more
 * than d, hx one.
 */
void
logistic_products(const double *x, const double *hx, size_t ld, int d, size_t n, double *out)
{
#ifdef WIDE_VECTORS
	if (__builtin_cpu_supports("avx512f"))
	{
		products_wide(x, hx, ld, d, n, out);
		return;
	}
#endif
	products_narrow(x, hx, ld, d, n, out);
}

/* out[j] += sum_i x[i, j] g[i]; x has two columns more than d. */
ML_MULTIVERSION void
logistic_dots(const double *x, size_t ld, int d, size_t n, const double *g, double *out)
{
	for (int j = 0; j < d; j += 3)
	{
		const double *x0 = x + (size_t) j * ld;
		int			columns = d - j < 3 ? d - j : 3;
		Double4		low[3] = {{0}, {0}, {0}};

		/* Four lanes at a time, added up as in sum8. */
		for (int half = 0; half < 2; half++, x0 += 4)
		{
			const double *gh = g + 4 * half;
			Double4		s0 = {0}, s1 = {0}, s2 = {0};

			for (size_t i = 0; i < n; i += LANES)
			{
				Double4		gi = *(const Double4 *) (gh + i);

				s0 += gi * *(const Double4 *) (x0 + i);
				s1 += gi * *(const Double4 *) (x0 + ld + i);
				s2 += gi * *(const Double4 *) (x0 + 2 * ld + i);
			}
			low[0] += s0;
			low[1] += s1;
			low[2] += s2;
		}
		for (int c = 0; c < columns; c++)
			out[j + c] += (low[c][0] + low[c][2]) + (low[c][1] + low[c][3]);
	}
}

/* out[j] += sum_i h[i] x[i, j]^2 */
ML_MULTIVERSION void
logistic_squares(const double *x, size_t ld, int d, size_t n, const double *h, double *out)
{
	for (int j = 0; j < d; j++)
	{
		MlDouble8	s = SPLAT(0.0);

		for (size_t i = 0; i < n; i += LANES)
		{
			MlDouble8	v = *(const MlDouble8 *) (x + (size_t) j * ld + i);

			s += *(const MlDouble8 *) (h + i) * v * v;
		}
		out[j] += sum8(&s);
	}
}

/* hx[i, j] = h[i] x[i, j] */
ML_MULTIVERSION void
logistic_weigh(const double *x, size_t ld, int d, size_t n, const double *h, double *hx)
{
	for (int j = 0; j < d; j++)
		for (size_t i = 0; i < n; i += LANES)
			*(MlDouble8 *) (hx + (size_t) j * ld + i) =
				*(const MlDouble8 *) (h + i) * *(const MlDouble8 *) (x + (size_t) j * ld + i);
}

/* Hessian weights of the classes k and l: h = w p_k (delta_kl - p_l). */
ML_MULTIVERSION void
logistic_pair_weights(const double *pk, const double *pl, bool same, const double *w, size_t n, double *h)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	q = *(const MlDouble8 *) (pl + i);

		q = same ? SPLAT(1.0) - q : SPLAT(0.0) - q;
		*(MlDouble8 *) (h + i) = *(const MlDouble8 *) (w + i) * *(const MlDouble8 *) (pk + i) * q;
	}
}

/* Hessian weights averaged over the classes: h = w / k sum_l p_l (1 - p_l). */
ML_MULTIVERSION void
logistic_mean_weights(const double *p, size_t ld, int k, const double *w, size_t n, double *h)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	sum = SPLAT(0.0);

		for (int l = 0; l < k; l++)
		{
			MlDouble8	q = *(const MlDouble8 *) (p + (size_t) l * ld + i);

			sum += q * (SPLAT(1.0) - q);
		}
		*(MlDouble8 *) (h + i) = *(const MlDouble8 *) (w + i) * sum / SPLAT((double) k);
	}
}

/* g_k = w p_k (u_k - sum_l p_l u_l): the Hessian by the predictors times u. */
ML_MULTIVERSION void
logistic_softmax_product(const double *p, const double *u, size_t ld, int k, const double *w, size_t n,
					  double *g)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	mean = SPLAT(0.0);

		for (int l = 0; l < k; l++)
			mean += *(const MlDouble8 *) (p + (size_t) l * ld + i)
				* *(const MlDouble8 *) (u + (size_t) l * ld + i);
		for (int l = 0; l < k; l++)
			*(MlDouble8 *) (g + (size_t) l * ld + i) = *(const MlDouble8 *) (w + i)
				* *(const MlDouble8 *) (p + (size_t) l * ld + i)
				* (*(const MlDouble8 *) (u + (size_t) l * ld + i) - mean);
	}
}

/* out[i] = value; any n. */
ML_MULTIVERSION void
logistic_fill(double value, size_t n, double *out)
{
	size_t		i = 0;

	for (; i + LANES <= n; i += LANES)
		*(MlDouble8 *) (out + i) = SPLAT(value);
	for (; i < n; i++)
		out[i] = value;
}

/* out[i] = a[i] b[i] */
ML_MULTIVERSION void
logistic_multiply(const double *a, const double *b, size_t n, double *out)
{
	for (size_t i = 0; i < n; i += LANES)
		*(MlDouble8 *) (out + i) = *(const MlDouble8 *) (a + i) * *(const MlDouble8 *) (b + i);
}


/* The first n (at most eight) of v, zeros behind. */
ALWAYS_INLINE void
load8(const double *v, size_t n, MlDouble8 *out)
{
	if (n >= LANES)
		*out = *(const MlDouble8 *) v;
	else
	{
		*out = SPLAT(0.0);
		memcpy(out, v, n * sizeof(double));
	}
}

/* The first n (at most eight) lanes to v. */
ALWAYS_INLINE void
store8(double *v, size_t n, const MlDouble8 *x)
{
	if (n >= LANES)
		*(MlDouble8 *) v = *x;
	else
		memcpy(v, x, n * sizeof(double));
}

/* Predictors in p1 -> the probabilities of class 0 and class 1. */
ML_MULTIVERSION void
logistic_sigmoid(double *p0, double *p1, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	z;
		MlDouble8	e;
		MlDouble8	r;
		MlDouble8	er;
		MlDouble8	out;
		Int8		right;

		load8(p1 + i, n - i, &z);
		right = z >= SPLAT(0.0);
		minus_abs8(&z, &e);
		exp8(&e, &e);
		r = SPLAT(1.0) / (SPLAT(1.0) + e);
		er = e * r;
		select8(&right, &r, &er, &out);
		store8(p1 + i, n - i, &out);
		select8(&right, &er, &r, &out);
		store8(p0 + i, n - i, &out);
	}
}

/* Predictors in out -> probabilities. */
ML_MULTIVERSION void
logistic_softmax(double *out, size_t ldout, int k, size_t n)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	top;
		MlDouble8	sum = SPLAT(0.0);
		MlDouble8	e;

		load8(out + i, n - i, &top);
		for (int c = 1; c < k; c++)
		{
			Int8		more;

			load8(out + i + (size_t) c * ldout, n - i, &e);
			more = e > top;
			select8(&more, &e, &top, &top);
		}
		for (int c = 0; c < k; c++)
		{
			load8(out + i + (size_t) c * ldout, n - i, &e);
			e -= top;
			exp8(&e, &e);
			sum += e;
			store8(out + i + (size_t) c * ldout, n - i, &e);
		}
		for (int c = 0; c < k; c++)
		{
			load8(out + i + (size_t) c * ldout, n - i, &e);
			e = e / sum;
			store8(out + i + (size_t) c * ldout, n - i, &e);
		}
	}
}
