/*
 * Logistic regression, binary and multinomial, with an L2 penalty.
 *
 * Problem: rows x_i (p prepared columns), class y_i, weight w_i.
 *   binary      minimise  sum_i w_i log(1 + exp(-s_i (b + c x_i)))  + l2 / 2 |c|^2,   s_i = +-1
 *   multinomial minimise  sum_i -w_i log softmax(b + C x_i)[y_i]    + l2 / 2 |C|_F^2
 * The intercepts b are not penalised.  Multinomial: one row of C for every class, the
 * intercepts sum to zero (and so do the columns of C).
 *
 * Shapes: an unknown is (class k, column j), j = 0 is the intercept; d = p + 1 unknowns a class
 * (p without an intercept), D = d binary, D = classes * d multinomial.
 *
 * Method: Newton's method (IRLS) with step halving; the Hessian is built from one d x d block for
 * each pair of classes, and factored by Cholesky.  Problems past DIRECT_UNKNOWNS unknowns use
 * Newton's method with directions by preconditioned conjugate gradients (Dembo, Eisenstat,
 * Steihaug 1982; for logistic regression Lin, Weng, Keerthi, JMLR 9, 2008), Hessian times vector in
 * one pass over the rows.  Large data warm up: the problem is solved on a 64th, then on an 8th of
 * the blocks of rows, so that two or three passes over all rows are enough.
 *
 * Stopping rule, at coefficients whose gradient has been computed on all rows, W = sum_i w_i:
 *   1. the largest absolute component of the gradient is at most tol * max(1, W), and
 *   2. the Newton step s from there is small: sqrt(s' H s / max(1, W)), the root mean square by
 *      which it moves the linear predictors, is at most 10 tol, and no coefficient moves by more
 *      than 1e-4 of the largest one (or of 1).
 * That step is still taken: its error is the square of its size.  Conjugate gradients: rule 1,
 * and the step before moved no coefficient by more than 1 % of the largest one (or of 1).
 * Where classes can be separated and l2 = 0, gradients vanish while steps do not: after ten such
 * iterations the fit stops as not converged.
 *
 * Aliased columns (l2 = 0): going through intercept and columns in order, one whose
 * share not explained by those before it is at most ALIAS_TOLERANCE (squared, in the metric of the
 * Hessian) is left out: coefficient 0, standard error NaN.
 *
 * Sums over rows are taken in pieces that depend on the data's size only, eight lanes wide, and
 * added in order: the same bits whatever the number of threads.
 */
#include "base/distributions.h"
#include "base/linalg.h"
#include "base/simd.h"
#include "base/threads.h"
#include "learn/learner.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LANES 8
#define DIRECT_UNKNOWNS_BINARY 2001
#define DIRECT_UNKNOWNS_MULTICLASS 1000
#define PRECONDITION_UNKNOWNS 2001
#define ALIAS_TOLERANCE 1e-11
#define MAX_PARTS 64
#define MIN_PARTS 8
#define WARM_ROWS 16384			/* fewer rows do not warm up */
#define WARM_ITERATIONS 15
#define DIVERGING_ITERATIONS 10
#define MAX_HALVINGS 40
#define MAX_CG_STEPS 250
#define NORMAL_975 1.959963984540054

typedef struct LogisticParams
{
	double		l2;
	bool		fit_intercept;
	int64_t		max_iter;
	double		tol;
} LogisticParams;

static const MlParam logistic_params[] = {
	{.name = "l2",.type = ML_PARAM_REAL,.offset = offsetof(LogisticParams, l2),
		.default_value = 1.0,.min = 0,.max = DBL_MAX,
	.help = "Strength of the L2 penalty, l2 / 2 times the sum of squared coefficients; scikit-learn's 1 / C."},
	{.name = "fit_intercept",.type = ML_PARAM_BOOL,.offset = offsetof(LogisticParams, fit_intercept),
		.default_value = 1,.min = 0,.max = 1,
	.help = "Whether to fit an intercept, which is never penalised."},
	{.name = "max_iter",.type = ML_PARAM_INT,.offset = offsetof(LogisticParams, max_iter),
		.default_value = 100,.min = 1,.max = 1000000,
	.help = "Most iterations of Newton's method over all rows."},
	{.name = "tol",.type = ML_PARAM_REAL,.offset = offsetof(LogisticParams, tol),
		.default_value = 1e-8,.min = 0,.max = 1,.min_exclusive = true,
	.help = "Stop when the largest component of the gradient is at most tol times the sum of the weights (at least 1)."},
	{.name = NULL}
};

/* What one pass over rows computes besides the objective. */
typedef enum PassKind
{
	PASS_GRADIENT,				/* gradient */
	PASS_HESSIAN,				/* gradient, and a d x d block for each pair of classes */
	PASS_TRACE,					/* gradient, and one d x d block: the mean of the classes' own */
	PASS_DIAGONAL,				/* gradient, and the diagonal of the Hessian */
	PASS_PRODUCT				/* Hessian times a vector, in the gradient's place */
} PassKind;

/* One thread's working space for one block of rows; columns have leading dimension ld. */
typedef struct Scratch
{
	double	   *x;				/* [d + 2]: intercept and columns; two more of zeros */
	double	   *hx;				/* [d + 1]: columns times a Hessian weight; one more of zeros */
	double	   *y;				/* [1] */
	double	   *w;				/* [1] */
	double	   *z;				/* [k]: linear predictors, then probabilities (multinomial) */
	double	   *u;				/* [k]: linear predictors of the vector of PASS_PRODUCT */
	double	   *g;				/* [k]: derivatives of the loss by the predictors */
	double	   *h;				/* [1]: Hessian weights */
} Scratch;

typedef struct Problem
{
	MlContext  *ctx;
	const MlDesign *design;
	const LogisticParams *params;
	int			d;				/* unknowns a class */
	int			k;				/* rows of coefficients: 1 (binary) or the classes */
	size_t		unknowns;		/* k * d */
	bool		direct;
	double	   *shift;			/* [p] added to columns when there is no intercept, or NULL */
	double		total_weight;
	double		null_loss;		/* of the best model without columns */

	size_t		block_rows;
	size_t		blocks;
	size_t		ld;
	Scratch    *scratch;		/* [threads] */
	double	   *parts;			/* partial sums, allocated for the largest pass so far */
	size_t		parts_size;

	int			passes;			/* done, for progress */
	int			iterations;		/* of the last level */
	bool		diverged;
	double		largest_gradient;
} Problem;

/* The objective at some coefficients, its gradient and what a pass gave of its Hessian. */
typedef struct Evaluation
{
	double		loss;			/* sum of weighted losses */
	double		objective;		/* with the penalty */
	double	   *gradient;		/* [unknowns] */
	double	   *hessian;		/* blocks, packed lower by columns; without the penalty */
} Evaluation;

/* One pass: every stride-th block of rows. */
typedef struct Pass
{
	const Problem *problem;
	PassKind	kind;
	const double *b;			/* [unknowns] */
	const double *v;			/* [unknowns] PASS_PRODUCT */
	size_t		stride;
	size_t		count;			/* blocks */
	size_t		slice_blocks;	/* blocks of one task */
	size_t		nparts;
	size_t		part_size;
	size_t		hessian_size;
	size_t		round;
} Pass;

/* A stage of the warm-up, or the last one over all rows. */
typedef struct Level
{
	size_t		stride;
	double		scale;			/* all blocks over blocks read */
	bool		final;
	int			max_iter;
} Level;

/* A factored Hessian of the kept unknowns, scaled to a unit diagonal. */
typedef struct Factor
{
	double	   *a;				/* [m x m] Cholesky factor */
	double	   *root;			/* [unknowns] 1 / sqrt(diagonal); 0 for what is left out */
	int		   *kept;			/* [m] unknowns */
	int			m;
	bool	   *aliased;		/* [d] columns left out */
	bool		aliased_known;	/* aliased was decided on all rows */
	bool		damped;			/* the Hessian was singular even so */
	double	   *work;			/* [d x d] */
	double	   *rhs;			/* [unknowns] */
} Factor;

/* What fit writes. */
typedef struct Solution
{
	double	   *b;				/* [unknowns] */
	double	   *std_error;		/* [p + 1] binary, scale as given, intercept first */
	double		log_likelihood;
	int			parameters;
	bool		converged;
} Solution;

/* ---- eight numbers at a time ---- */

typedef int64_t Int8 __attribute__((vector_size(64), aligned(8), may_alias));
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

/* out[i] = start + sum_j b[j] x[i, j], in that order for every row; any n */
ML_MULTIVERSION static void
block_predict(const double *x, size_t ld, int d, size_t n, double start, const double *b, double *out)
{
	size_t		i = 0;

	for (; i + 4 * LANES <= n; i += 4 * LANES)
	{
		MlDouble8	z0 = SPLAT(start);
		MlDouble8	z1 = z0;
		MlDouble8	z2 = z0;
		MlDouble8	z3 = z0;
		const double *c = x + i;

		for (int j = 0; j < d; j++, c += ld)
		{
			MlDouble8	bj = SPLAT(b[j]);

			z0 += bj * *(const MlDouble8 *) c;
			z1 += bj * *(const MlDouble8 *) (c + LANES);
			z2 += bj * *(const MlDouble8 *) (c + 2 * LANES);
			z3 += bj * *(const MlDouble8 *) (c + 3 * LANES);
		}
		*(MlDouble8 *) (out + i) = z0;
		*(MlDouble8 *) (out + i + LANES) = z1;
		*(MlDouble8 *) (out + i + 2 * LANES) = z2;
		*(MlDouble8 *) (out + i + 3 * LANES) = z3;
	}
	for (; i + LANES <= n; i += LANES)
	{
		MlDouble8	z = SPLAT(start);

		for (int j = 0; j < d; j++)
			z += SPLAT(b[j]) * *(const MlDouble8 *) (x + (size_t) j * ld + i);
		*(MlDouble8 *) (out + i) = z;
	}
	for (; i < n; i++)
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
ML_MULTIVERSION static double
block_link_binary(const double *z, const double *y, const double *w, size_t n, double *g, double *h)
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
ML_MULTIVERSION static double
block_link_softmax(double *z, size_t ld, int k, const double *y, const double *w, size_t n, double *g)
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

/* out[j] += sum_i x[i, j] g[i]; x has two columns more than d. */
ML_MULTIVERSION static void
block_dots(const double *x, size_t ld, int d, size_t n, const double *g, double *out)
{
	for (int j = 0; j < d; j += 3)
	{
		const double *x0 = x + (size_t) j * ld;
		MlDouble8	s0 = SPLAT(0.0);
		MlDouble8	s1 = SPLAT(0.0);
		MlDouble8	s2 = SPLAT(0.0);

		for (size_t i = 0; i < n; i += LANES)
		{
			MlDouble8	gi = *(const MlDouble8 *) (g + i);

			s0 += gi * *(const MlDouble8 *) (x0 + i);
			s1 += gi * *(const MlDouble8 *) (x0 + ld + i);
			s2 += gi * *(const MlDouble8 *) (x0 + 2 * ld + i);
		}
		out[j] += sum8(&s0);
		if (j + 1 < d)
			out[j + 1] += sum8(&s1);
		if (j + 2 < d)
			out[j + 2] += sum8(&s2);
	}
}

/* out[j] += sum_i h[i] x[i, j]^2 */
ML_MULTIVERSION static void
block_squares(const double *x, size_t ld, int d, size_t n, const double *h, double *out)
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
ML_MULTIVERSION static void
block_weigh(const double *x, size_t ld, int d, size_t n, const double *h, double *hx)
{
	for (int j = 0; j < d; j++)
		for (size_t i = 0; i < n; i += LANES)
			*(MlDouble8 *) (hx + (size_t) j * ld + i) =
				*(const MlDouble8 *) (h + i) * *(const MlDouble8 *) (x + (size_t) j * ld + i);
}

/*
 * The lower triangle of x' hx (d x d), added to out, packed by columns.  Tiles of 3 x 2: six chains of
 * additions hide their latency, and the accumulators fit 16 registers of 256 bits.
 */
ML_MULTIVERSION static void
block_products(const double *x, const double *hx, size_t ld, int d, size_t n, double *out)
{
	for (int j = 0; j < d; j += 2)
	{
		const double *h0 = hx + (size_t) j * ld;
		const double *h1 = h0 + ld;
		double	   *out0 = out;
		double	   *out1 = out + (d - j) - 1;	/* element (i, j + 1) is out1[i - j] */

		for (int i = j; i < d; i += 3)
		{
			const double *x0 = x + (size_t) i * ld;
			const double *x1 = x0 + ld;
			const double *x2 = x1 + ld;
			MlDouble8	s00 = SPLAT(0.0), s10 = SPLAT(0.0), s20 = SPLAT(0.0);
			MlDouble8	s01 = SPLAT(0.0), s11 = SPLAT(0.0), s21 = SPLAT(0.0);
			int			rows = d - i;

			for (size_t r = 0; r < n; r += LANES)
			{
				MlDouble8	a = *(const MlDouble8 *) (h0 + r);
				MlDouble8	b = *(const MlDouble8 *) (h1 + r);
				MlDouble8	v0 = *(const MlDouble8 *) (x0 + r);
				MlDouble8	v1 = *(const MlDouble8 *) (x1 + r);
				MlDouble8	v2 = *(const MlDouble8 *) (x2 + r);

				s00 += v0 * a;
				s01 += v0 * b;
				s10 += v1 * a;
				s11 += v1 * b;
				s20 += v2 * a;
				s21 += v2 * b;
			}
			out0[i - j] += sum8(&s00);
			if (rows > 1)
				out0[i - j + 1] += sum8(&s10);
			if (rows > 2)
				out0[i - j + 2] += sum8(&s20);
			if (j + 1 < d)
			{
				if (i > j)
					out1[i - j] += sum8(&s01);
				if (rows > 1)
					out1[i - j + 1] += sum8(&s11);
				if (rows > 2)
					out1[i - j + 2] += sum8(&s21);
			}
		}
		out += (d - j) + (d - j - 1);
	}
}

/* Hessian weights of the classes k and l: h = w p_k (delta_kl - p_l). */
ML_MULTIVERSION static void
block_pair_weights(const double *pk, const double *pl, bool same, const double *w, size_t n, double *h)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	q = *(const MlDouble8 *) (pl + i);

		q = same ? SPLAT(1.0) - q : SPLAT(0.0) - q;
		*(MlDouble8 *) (h + i) = *(const MlDouble8 *) (w + i) * *(const MlDouble8 *) (pk + i) * q;
	}
}

/* Hessian weights averaged over the classes: h = w / k sum_l p_l (1 - p_l). */
ML_MULTIVERSION static void
block_mean_weights(const double *p, size_t ld, int k, const double *w, size_t n, double *h)
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
ML_MULTIVERSION static void
block_softmax_product(const double *p, const double *u, size_t ld, int k, const double *w, size_t n,
					  double *g)
{
	for (size_t i = 0; i < n; i += LANES)
	{
		MlDouble8	mean = SPLAT(0.0);

		for (int l = 0; l < k; l++)
			mean += *(const MlDouble8 *) (p + (size_t) l * ld + i) * *(const MlDouble8 *) (u + (size_t) l * ld + i);
		for (int l = 0; l < k; l++)
			*(MlDouble8 *) (g + (size_t) l * ld + i) = *(const MlDouble8 *) (w + i)
				* *(const MlDouble8 *) (p + (size_t) l * ld + i)
				* (*(const MlDouble8 *) (u + (size_t) l * ld + i) - mean);
	}
}

/* out[i] = a[i] b[i] */
static void
block_multiply(const double *a, const double *b, size_t n, double *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = a[i] * b[i];
}

/* ---- one pass over rows ---- */

/* Elements of a packed d x d triangle. */
static size_t
triangle(int d)
{
	return (size_t) d * ((size_t) d + 1) / 2;
}

/* The place of element (i, j), i >= j, in it. */
static size_t
packed(int d, int i, int j)
{
	return (size_t) j * (size_t) d - (size_t) j * (size_t) (j - 1) / 2 + (size_t) (i - j);
}

/* Pairs of classes with k >= l, in the order (0,0) (1,0) (1,1) (2,0) ... */
static size_t
pair_index(int k, int l)
{
	return (size_t) k * ((size_t) k + 1) / 2 + (size_t) l;
}

/* How many numbers of Hessian a pass keeps. */
static size_t
hessian_size(const Problem *problem, PassKind kind)
{
	switch (kind)
	{
		case PASS_HESSIAN:
			return triangle(problem->d) * pair_index(problem->k, 0);
		case PASS_TRACE:
			return triangle(problem->d);
		case PASS_DIAGONAL:
			return problem->unknowns;
		case PASS_GRADIENT:
		case PASS_PRODUCT:
			break;
	}
	return 0;
}

/* Read a block of rows into the scratch space, padded to a multiple of eight rows; returns that. */
static size_t
block_load(const Problem *problem, size_t block, Scratch *s)
{
	const MlDesign *design = problem->design;
	size_t		begin = block * problem->block_rows;
	size_t		rows = design->rows - begin < problem->block_rows ? design->rows - begin : problem->block_rows;
	size_t		n = (rows + LANES - 1) / LANES * LANES;
	size_t		ld = problem->ld;
	bool		intercept = problem->params->fit_intercept;
	double	   *columns = s->x + (intercept ? ld : 0);

	design->read(design, begin, rows, columns, ld);
	if (problem->shift != NULL)
		for (int j = 0; j < design->columns; j++)
			for (size_t i = 0; i < rows; i++)
				columns[(size_t) j * ld + i] += problem->shift[j];
	for (size_t i = 0; i < rows; i++)
	{
		s->y[i] = design->target[begin + i];
		s->w[i] = design->weight != NULL ? design->weight[begin + i] : 1.0;
		if (intercept)
			s->x[i] = 1.0;
	}
	for (size_t i = rows; i < n; i++)
	{
		s->y[i] = 0;
		s->w[i] = 0;
		for (int j = 0; j < problem->d; j++)
			s->x[(size_t) j * ld + i] = 0;
	}
	return n;
}

/* Add a block's second derivatives to a part; s->z are probabilities, binary: s->h the weights. */
static void
block_hessian(const Problem *problem, PassKind kind, Scratch *s, size_t n, double *hessian)
{
	int			d = problem->d;
	int			k = problem->k;
	size_t		ld = problem->ld;

	if (kind == PASS_DIAGONAL)
	{
		for (int c = 0; c < k; c++)
		{
			if (k > 1)
				block_pair_weights(s->z + (size_t) c * ld, s->z + (size_t) c * ld, true, s->w, n, s->h);
			block_squares(s->x, ld, d, n, s->h, hessian + (size_t) c * (size_t) d);
		}
	}
	else if (k == 1 || kind == PASS_TRACE)
	{
		if (k > 1)
			block_mean_weights(s->z, ld, k, s->w, n, s->h);
		block_weigh(s->x, ld, d, n, s->h, s->hx);
		block_products(s->x, s->hx, ld, d, n, hessian);
	}
	else
	{
		for (int a = 0; a < k; a++)
			for (int b = 0; b <= a; b++)
			{
				block_pair_weights(s->z + (size_t) a * ld, s->z + (size_t) b * ld, a == b, s->w, n, s->h);
				block_weigh(s->x, ld, d, n, s->h, s->hx);
				block_products(s->x, s->hx, ld, d, n, hessian + pair_index(a, b) * triangle(d));
			}
	}
}

/* Add one block of rows to a part: loss, gradient, Hessian. */
static void
block_add(const Pass *pass, size_t block, Scratch *s, double *part)
{
	const Problem *problem = pass->problem;
	int			d = problem->d;
	int			k = problem->k;
	size_t		ld = problem->ld;
	size_t		n = block_load(problem, block, s);
	double	   *gradient = part + 1;

	for (int c = 0; c < k; c++)
		block_predict(s->x, ld, d, n, 0, pass->b + (size_t) c * (size_t) d, s->z + (size_t) c * ld);
	if (k == 1)
		part[0] += block_link_binary(s->z, s->y, s->w, n, s->g, s->h);
	else
		part[0] += block_link_softmax(s->z, ld, k, s->y, s->w, n, s->g);

	if (pass->kind == PASS_PRODUCT)
	{
		for (int c = 0; c < k; c++)
			block_predict(s->x, ld, d, n, 0, pass->v + (size_t) c * (size_t) d, s->u + (size_t) c * ld);
		if (k == 1)
			block_multiply(s->h, s->u, n, s->g);
		else
			block_softmax_product(s->z, s->u, ld, k, s->w, n, s->g);
	}
	for (int c = 0; c < k; c++)
		block_dots(s->x, ld, d, n, s->g + (size_t) c * ld, gradient + (size_t) c * (size_t) d);
	if (pass->hessian_size > 0)
		block_hessian(problem, pass->kind, s, n, gradient + problem->unknowns);
}

/* A task: the slices of the parts begin .. end - 1 in this round. */
static void
pass_task(void *arg, size_t begin, size_t end, int worker)
{
	const Pass *pass = arg;
	const Problem *problem = pass->problem;

	for (size_t p = begin; p < end; p++)
	{
		size_t		first = (pass->round * pass->nparts + p) * pass->slice_blocks;
		size_t		last = first + pass->slice_blocks < pass->count ? first + pass->slice_blocks : pass->count;

		for (size_t i = first; i < last; i++)
			block_add(pass, i * pass->stride, &problem->scratch[worker], problem->parts + p * pass->part_size);
	}
}

/*
 * Cut a pass into parts and rounds, by sizes alone: a part is a partial sum (few of them where they are
 * large), a slice is what one task adds to it in one round (some milliseconds, so that cancel works).
 */
static void
pass_plan(Problem *problem, Pass *pass)
{
	double		pairs = pass->kind == PASS_HESSIAN ? (double) pair_index(problem->k, 0) : pass->kind == PASS_TRACE;
	double		row_cost = 50.0 * problem->k + problem->d * (5.0 + 5.0 * problem->k + pairs * (2 + 0.5 * problem->d));
	double		slice = 3e7 / (row_cost * (double) problem->block_rows);
	size_t		rounds;

	pass->count = (problem->blocks + pass->stride - 1) / pass->stride;
	pass->hessian_size = hessian_size(problem, pass->kind);
	pass->part_size = (1 + problem->unknowns + pass->hessian_size + LANES - 1) / LANES * LANES;
	pass->nparts = ((size_t) 1 << 22) / pass->part_size;
	if (pass->nparts > MAX_PARTS)
		pass->nparts = MAX_PARTS;
	if (pass->nparts < MIN_PARTS)
		pass->nparts = MIN_PARTS;
	if (pass->nparts > pass->count)
		pass->nparts = pass->count;
	pass->slice_blocks = slice < 1 ? 1 : slice > 1e6 ? 1000000 : (size_t) slice;
	rounds = (pass->count + pass->slice_blocks * pass->nparts - 1) / (pass->slice_blocks * pass->nparts);
	pass->slice_blocks = (pass->count + rounds * pass->nparts - 1) / (rounds * pass->nparts);

	if (problem->parts_size < pass->nparts * pass->part_size)
	{
		ml_free(problem->ctx, problem->parts);
		problem->parts_size = pass->nparts * pass->part_size;
		problem->parts = ml_alloc_array(problem->ctx, problem->parts_size, sizeof(double));
	}
}

/*
 * Run a pass at b over every level->stride-th block; out: objective, gradient and Hessian, the
 * data's share scaled up to all rows, the penalty in objective and gradient (PASS_PRODUCT: in the product).
 */
static void
evaluate(Problem *problem, PassKind kind, const Level *level, const double *b, const double *v,
		 Evaluation *out)
{
	Pass		pass = {.problem = problem,.kind = kind,.b = b,.v = v,.stride = level->stride};
	const double *penalised = kind == PASS_PRODUCT ? v : b;
	double		penalty = 0;
	int			first = problem->params->fit_intercept ? 1 : 0;

	pass_plan(problem, &pass);
	memset(problem->parts, 0, pass.nparts * pass.part_size * sizeof(double));
	for (pass.round = 0; pass.round * pass.nparts * pass.slice_blocks < pass.count; pass.round++)
		ml_parallel_for(problem->ctx, pass.nparts, 1, pass_task, &pass);

	for (size_t p = 1; p < pass.nparts; p++)
	{
		const double *part = problem->parts + p * pass.part_size;

		for (size_t i = 0; i < 1 + problem->unknowns + pass.hessian_size; i++)
			problem->parts[i] += part[i];
	}
	out->loss = problem->parts[0] * level->scale;
	for (int c = 0; c < problem->k; c++)
		for (int j = 0; j < problem->d; j++)
		{
			size_t		at = (size_t) c * (size_t) problem->d + (size_t) j;
			double		l2 = j < first ? 0 : problem->params->l2;

			out->gradient[at] = problem->parts[1 + at] * level->scale + l2 * penalised[at];
			penalty += 0.5 * l2 * penalised[at] * penalised[at];
		}
	out->objective = out->loss + penalty;
	for (size_t i = 0; i < pass.hessian_size; i++)
		out->hessian[i] = problem->parts[1 + problem->unknowns + i] * level->scale;

	problem->passes++;
	if (problem->ctx->progress != NULL)
		problem->ctx->progress(problem->ctx, "fit", 1 - 1.0 / (problem->passes + 1));
}

/* Space for the results of passes up to one of this kind. */
static Evaluation
evaluation_create(Problem *problem, PassKind kind)
{
	Evaluation	evaluation = {0};

	evaluation.gradient = ml_alloc_array_zero(problem->ctx, problem->unknowns, sizeof(double));
	evaluation.hessian = ml_alloc_array_zero(problem->ctx, hessian_size(problem, kind) + 1, sizeof(double));
	return evaluation;
}

/* The largest absolute value of n; NaN when there is one. */
static double
largest(const double *v, size_t n)
{
	double		most = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (isnan(v[i]))
			return NAN;
		if (fabs(v[i]) > most)
			most = fabs(v[i]);
	}
	return most;
}

/* The inner product. */
static double
dot(const double *a, const double *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* ---- factoring the Hessian ---- */

/* Working space for factors of problems solved directly. */
static Factor
factor_create(Problem *problem)
{
	MlContext  *ctx = problem->ctx;
	size_t		d = (size_t) problem->d;
	Factor		factor = {0};

	factor.root = ml_alloc_array_zero(ctx, problem->unknowns + 1, sizeof(double));
	factor.rhs = ml_alloc_array_zero(ctx, problem->unknowns + 1, sizeof(double));
	factor.kept = ml_alloc_array_zero(ctx, problem->unknowns + 1, sizeof(int));
	factor.aliased = ml_alloc_array_zero(ctx, d + 1, sizeof(bool));
	factor.work = ml_alloc_array(ctx, d * d + 1, sizeof(double));
	factor.a = ml_alloc_array(ctx, problem->unknowns * problem->unknowns + 1, sizeof(double));
	return factor;
}

/* The penalty on unknown j of a class. */
static double
penalty_of(const Problem *problem, int j)
{
	return j == 0 && problem->params->fit_intercept ? 0 : problem->params->l2;
}

/* Element (i, j), i >= j, of the sum over classes of their own Hessian blocks, penalty included. */
static double
summed_hessian(const Problem *problem, const double *hessian, int i, int j)
{
	double		sum = 0;

	for (int c = 0; c < problem->k; c++)
		sum += hessian[pair_index(c, c) * triangle(problem->d) + packed(problem->d, i, j)];
	return i == j ? sum + problem->k * penalty_of(problem, j) : sum;
}

/* Fill work with the summed Hessian scaled to a unit diagonal (lower triangle). */
static void
fill_scaled(const Problem *problem, const double *hessian, double *work)
{
	int			d = problem->d;
	double	   *root = ml_alloc_array(problem->ctx, (size_t) d + 1, sizeof(double));

	for (int j = 0; j < d; j++)
	{
		double		diagonal = summed_hessian(problem, hessian, j, j);

		root[j] = diagonal > DBL_MIN ? 1 / sqrt(diagonal) : 0;
	}
	for (int j = 0; j < d; j++)
		for (int i = j; i < d; i++)
			work[(size_t) i + (size_t) j * (size_t) d] = i == j ? (root[j] > 0)
				: summed_hessian(problem, hessian, i, j) * root[i] * root[j];
	ml_free(problem->ctx, root);
}

/*
 * Find aliased columns: Cholesky's factorisation column by column, in which a column whose pivot
 * has fallen to the tolerance is skipped.
 */
static void
find_aliased(Problem *problem, const double *hessian, Factor *factor)
{
	int			d = problem->d;
	size_t		ld = (size_t) d;
	double	   *a = factor->work;
	double	   *row = factor->rhs;
	bool		sound;

	/* The fast way first: nearly always no column is aliased. */
	fill_scaled(problem, hessian, a);
	sound = ml_cholesky(a, d, d);
	for (int j = 0; j < d && sound; j++)
		sound = a[(size_t) j * (ld + 1)] * a[(size_t) j * (ld + 1)] > ALIAS_TOLERANCE;
	memset(factor->aliased, 0, ld * sizeof(bool));
	if (sound)
		return;

	fill_scaled(problem, hessian, a);
	for (int j = 0; j < d; j++)
	{
		double	   *column = a + (size_t) j * (ld + 1);

		if (j % 64 == 0)
			ml_check(problem->ctx);
		for (int i = 0; i < j; i++)
			row[i] = a[(size_t) i * ld + (size_t) j];
		if (j > 0)
			ml_gemv(false, d - j, j, -1, a + j, d, row, column);
		factor->aliased[j] = !(column[0] > ALIAS_TOLERANCE);
		if (factor->aliased[j])
			memset(column, 0, (ld - (size_t) j) * sizeof(double));
		else
		{
			double		pivot = sqrt(column[0]);

			for (int i = 0; i < d - j; i++)
				column[i] /= pivot;
		}
	}
}

/*
 * What is added to the Hessian for column j, in all pairs of classes, to fix what the softmax leaves
 * open: adding the same to all classes changes no probability.  The gradient has no share in that
 * direction, so steps keep the sums over classes at zero.
 */
static double
gauge_of(const Problem *problem, const double *hessian, int j)
{
	return problem->k == 1 ? 0
		: summed_hessian(problem, hessian, j, j) / ((double) problem->k * problem->k);
}

/* Element (u, v) of the penalised Hessian, unknowns in order of classes. */
static double
hessian_element(const Problem *problem, const double *hessian, int u, int v)
{
	int			d = problem->d;
	int			a = u / d;
	int			b = v / d;
	int			i = u % d;
	int			j = v % d;
	size_t		block = a > b ? pair_index(a, b) : pair_index(b, a);
	double		value = hessian[block * triangle(d) + (i > j ? packed(d, i, j) : packed(d, j, i))];

	if (i == j)
		value += gauge_of(problem, hessian, j);
	return u == v ? value + penalty_of(problem, j) : value;
}

/* Fill the matrix to factor: kept unknowns, unit diagonal plus damping. */
static void
fill_kept(const Problem *problem, const double *hessian, Factor *factor, double damping)
{
	size_t		m = (size_t) factor->m;

	for (size_t q = 0; q < m; q++)
	{
		int			v = factor->kept[q];

		for (size_t p = q; p < m; p++)
		{
			int			u = factor->kept[p];

			factor->a[p + q * m] = u == v ? 1 + damping
				: hessian_element(problem, hessian, u, v) * factor->root[u] * factor->root[v];
		}
	}
}

/* Factor the Hessian of an evaluation, damped as little as needed. */
static void
factor_build(Problem *problem, const Evaluation *at, Factor *factor)
{
	double		damping = 0;

	if (!factor->aliased_known)
		find_aliased(problem, at->hessian, factor);
	factor->m = 0;
	for (int u = 0; u < (int) problem->unknowns; u++)
	{
		double		diagonal = hessian_element(problem, at->hessian, u, u);

		factor->root[u] = 0;
		if (factor->aliased[u % problem->d] || !(diagonal > DBL_MIN))
			continue;
		factor->root[u] = 1 / sqrt(diagonal);
		factor->kept[factor->m++] = u;
	}
	for (;;)
	{
		fill_kept(problem, at->hessian, factor, damping);
		ml_check(problem->ctx);
		if (ml_cholesky(factor->a, factor->m, factor->m) || damping > 1e6)
			break;
		damping = damping == 0 ? 1e-12 : damping * 100;
	}
	factor->damped = damping > 0;
}

/* step = H^-1 gradient on the kept unknowns, 0 elsewhere. */
static void
factor_solve(const Problem *problem, Factor *factor, const double *gradient, double *step)
{
	memset(step, 0, problem->unknowns * sizeof(double));
	for (int p = 0; p < factor->m; p++)
		factor->rhs[p] = gradient[factor->kept[p]] * factor->root[factor->kept[p]];
	ml_cholesky_solve(factor->a, factor->m, factor->m, factor->rhs);
	for (int p = 0; p < factor->m; p++)
		step[factor->kept[p]] = factor->rhs[p] * factor->root[factor->kept[p]];
}

/* ---- Newton's method ---- */

/* Rule 1 of the stopping rule. */
static bool
gradient_small(Problem *problem, const Evaluation *at)
{
	problem->largest_gradient = largest(at->gradient, problem->unknowns);
	return problem->largest_gradient <= problem->params->tol * fmax(1, problem->total_weight);
}

/* Move along -step (times t, halved until the objective falls); false when it never does. */
static bool
line_search(Problem *problem, PassKind kind, const Level *level, double *b, const double *step,
			double decrement, Evaluation *now, Evaluation *next, double *trial)
{
	double		t = 1;

	for (int halving = 0; halving < MAX_HALVINGS; halving++, t *= 0.5)
	{
		double		slack = 1e-13 * fabs(now->objective);

		for (size_t i = 0; i < problem->unknowns; i++)
			trial[i] = b[i] - t * step[i];
		evaluate(problem, kind, level, trial, NULL, next);

		/* Not a number compares false, so it is halved too. */
		if (next->objective <= now->objective - 1e-4 * t * decrement + slack)
		{
			Evaluation	swap = *now;

			memcpy(b, trial, problem->unknowns * sizeof(double));
			*now = *next;
			*next = swap;
			return true;
		}
	}
	return false;
}

/* Take the last step, whose outcome the quadratic model tells well enough. */
static void
take_last_step(Problem *problem, double *b, const double *step, double decrement, Evaluation *now)
{
	double		penalty = 0;

	for (size_t i = 0; i < problem->unknowns; i++)
	{
		b[i] -= step[i];
		penalty += 0.5 * penalty_of(problem, (int) (i % (size_t) problem->d)) * b[i] * b[i];
	}
	now->objective -= 0.5 * decrement;
	now->loss = now->objective - penalty;
}

/* Aliased columns, once known on all rows, have coefficient 0; true when that changes b. */
static bool
clear_aliased(const Problem *problem, const Factor *factor, double *b)
{
	bool		changed = false;

	for (size_t i = 0; i < problem->unknowns; i++)
		if (factor->aliased[i % (size_t) problem->d] && b[i] != 0)
		{
			b[i] = 0;
			changed = true;
		}
	return changed;
}

/* Newton's method with the Hessian itself, from b; true when it converged. */
static bool
newton_direct(Problem *problem, const Level *level, double *b, Evaluation *now, Factor *factor)
{
	MlContext  *ctx = problem->ctx;
	Evaluation	next = evaluation_create(problem, PASS_HESSIAN);
	double	   *step = ml_alloc_array(ctx, problem->unknowns + 1, sizeof(double));
	double	   *trial = ml_alloc_array(ctx, problem->unknowns + 1, sizeof(double));
	double		weight = fmax(1, problem->total_weight);
	int			lingering = 0;

	for (int iteration = 0;; iteration++)
	{
		double		decrement;
		bool		small;

		problem->iterations = iteration;
		factor_build(problem, now, factor);
		if (level->final && !factor->aliased_known)
		{
			factor->aliased_known = true;
			if (clear_aliased(problem, factor, b))
				evaluate(problem, PASS_HESSIAN, level, b, NULL, now);
			factor_build(problem, now, factor);
		}
		factor_solve(problem, factor, now->gradient, step);
		decrement = dot(now->gradient, step, problem->unknowns);

		if (!level->final && decrement <= 0.01 * (double) problem->unknowns * level->scale)
		{
			take_last_step(problem, b, step, decrement, now);
			return true;
		}
		small = gradient_small(problem, now);
		if (small && sqrt(fmax(0, decrement) / weight) <= 10 * problem->params->tol
			&& largest(step, problem->unknowns) <= 1e-4 * fmax(1, largest(b, problem->unknowns)))
		{
			take_last_step(problem, b, step, decrement, now);
			problem->iterations = iteration + 1;
			return true;
		}
		lingering = small ? lingering + 1 : 0;
		if (lingering > DIVERGING_ITERATIONS)
		{
			problem->diverged = true;
			return false;
		}
		if (iteration >= level->max_iter)
			return false;

		/* No step lowers the objective any more: that is the end of what doubles resolve. */
		if (!line_search(problem, PASS_HESSIAN, level, b, step, decrement, now, &next, trial))
			return decrement <= 1e-12 * fmax(1, fabs(now->objective));
	}
}

/* ---- Newton's method with conjugate gradients ---- */

/* A preconditioner: one factored d x d matrix for all classes, or the Hessian's diagonal. */
typedef struct Precondition
{
	bool		diagonal;
	double	   *a;				/* [d x d] factor, scaled */
	double	   *root;			/* [d] */
	double	   *inverse;		/* [unknowns] of the diagonal */
	Evaluation	sample;
	double	   *work;			/* [d] */
} Precondition;

/* Space for a preconditioner. */
static Precondition
precondition_create(Problem *problem)
{
	MlContext  *ctx = problem->ctx;
	size_t		d = (size_t) problem->d;
	Precondition m = {.diagonal = problem->d > PRECONDITION_UNKNOWNS};

	if (m.diagonal)
		m.inverse = ml_alloc_array(ctx, problem->unknowns, sizeof(double));
	else
	{
		m.a = ml_alloc_array(ctx, d * d + 1, sizeof(double));
		m.root = ml_alloc_array(ctx, d + 1, sizeof(double));
		m.work = ml_alloc_array(ctx, d + 1, sizeof(double));
	}
	m.sample = evaluation_create(problem, m.diagonal ? PASS_DIAGONAL : PASS_TRACE);
	return m;
}

/* Factor the classes' mean Hessian, scaled to a unit diagonal and damped as needed. */
static void
precondition_factor(Problem *problem, Precondition *m)
{
	int			d = problem->d;
	size_t		ld = (size_t) d;
	double		damping = 1e-10;

	for (int j = 0; j < d; j++)
	{
		double		diagonal = m->sample.hessian[packed(d, j, j)] + penalty_of(problem, j);

		m->root[j] = diagonal > DBL_MIN ? 1 / sqrt(diagonal) : 0;
	}
	for (;; damping *= 100)
	{
		for (int j = 0; j < d; j++)
			for (int i = j; i < d; i++)
				m->a[(size_t) i + (size_t) j * ld] = i == j ? 1 + damping
					: m->sample.hessian[packed(d, i, j)] * m->root[i] * m->root[j];
		ml_check(problem->ctx);
		if (ml_cholesky(m->a, d, d) || damping > 1e6)
			return;
	}
}

/* Build the preconditioner at b from a sample of the level's rows. */
static void
precondition_build(Problem *problem, const Level *level, const double *b, Precondition *m)
{
	size_t		rows = problem->design->rows / level->stride;
	size_t		enough = 8 * (size_t) problem->d > 8192 ? 8 * (size_t) problem->d : 8192;
	size_t		skip = m->diagonal || rows < 2 * enough ? 1 : rows / enough;
	Level		sample = *level;

	sample.stride = level->stride * skip;
	sample.scale = (double) problem->blocks / (double) ((problem->blocks + sample.stride - 1) / sample.stride);
	evaluate(problem, m->diagonal ? PASS_DIAGONAL : PASS_TRACE, &sample, b, NULL, &m->sample);
	if (!m->diagonal)
	{
		precondition_factor(problem, m);
		return;
	}
	for (size_t i = 0; i < problem->unknowns; i++)
	{
		double		diagonal = m->sample.hessian[i] + penalty_of(problem, (int) (i % (size_t) problem->d));

		m->inverse[i] = diagonal > DBL_MIN ? 1 / diagonal : 0;
	}
}

/* out = M^-1 r */
static void
precondition_apply(const Problem *problem, const Precondition *m, const double *r, double *out)
{
	if (m->diagonal)
	{
		for (size_t i = 0; i < problem->unknowns; i++)
			out[i] = r[i] * m->inverse[i];
		return;
	}
	for (int c = 0; c < problem->k; c++)
	{
		const double *rc = r + (size_t) c * (size_t) problem->d;
		double	   *oc = out + (size_t) c * (size_t) problem->d;

		for (int j = 0; j < problem->d; j++)
			m->work[j] = rc[j] * m->root[j];
		ml_cholesky_solve(m->a, problem->d, problem->d, m->work);
		for (int j = 0; j < problem->d; j++)
			oc[j] = m->work[j] * m->root[j];
	}
}

/* Vectors of the conjugate gradients. */
typedef struct CgSpace
{
	double	   *r;
	double	   *z;
	double	   *p;
	Evaluation	product;
} CgSpace;

/*
 * step = about H^-1 gradient at b: conjugate gradients until the residual, in the metric of M^-1, has
 * fallen to forcing times what it was.
 */
static void
cg_step(Problem *problem, const Level *level, const double *b, const double *gradient, double forcing,
		const Precondition *m, CgSpace *cg, double *step)
{
	size_t		n = problem->unknowns;
	double		rz;
	double		enough;

	memset(step, 0, n * sizeof(double));
	memcpy(cg->r, gradient, n * sizeof(double));
	precondition_apply(problem, m, cg->r, cg->z);
	memcpy(cg->p, cg->z, n * sizeof(double));
	rz = dot(cg->r, cg->z, n);
	enough = forcing * forcing * rz;
	for (int i = 0; i < MAX_CG_STEPS; i++)
	{
		double		curvature;
		double		alpha;
		double		before = rz;

		evaluate(problem, PASS_PRODUCT, level, b, cg->p, &cg->product);
		curvature = dot(cg->p, cg->product.gradient, n);
		if (!(curvature > 0))
		{
			/* No curvature left in double precision: the direction is as good as any step along it. */
			if (i == 0)
				memcpy(step, cg->z, n * sizeof(double));
			return;
		}
		alpha = rz / curvature;
		for (size_t j = 0; j < n; j++)
		{
			step[j] += alpha * cg->p[j];
			cg->r[j] -= alpha * cg->product.gradient[j];
		}
		precondition_apply(problem, m, cg->r, cg->z);
		rz = dot(cg->r, cg->z, n);
		if (!(rz > enough))
			return;
		for (size_t j = 0; j < n; j++)
			cg->p[j] = cg->z[j] + rz / before * cg->p[j];
	}
}

/* Newton's method with truncated conjugate gradients, from b; true when it converged. */
static bool
newton_cg(Problem *problem, const Level *level, double *b, Evaluation *now)
{
	MlContext  *ctx = problem->ctx;
	size_t		bytes = problem->unknowns + 1;
	Evaluation	next = evaluation_create(problem, PASS_GRADIENT);
	Precondition m = precondition_create(problem);
	CgSpace		cg = {.r = ml_alloc_array(ctx, bytes, sizeof(double)),
		.z = ml_alloc_array(ctx, bytes, sizeof(double)),
		.p = ml_alloc_array(ctx, bytes, sizeof(double)),
		.product = evaluation_create(problem, PASS_PRODUCT)};
	double	   *step = ml_alloc_array_zero(ctx, bytes, sizeof(double));
	double	   *trial = ml_alloc_array(ctx, bytes, sizeof(double));
	double		start = largest(now->gradient, problem->unknowns);
	int			lingering = 0;

	for (int iteration = 0;; iteration++)
	{
		bool		small = gradient_small(problem, now);
		double		forcing;
		double		decrement;

		problem->iterations = iteration;
		if (small && largest(step, problem->unknowns) <= 0.01 * fmax(1, largest(b, problem->unknowns)))
			return true;
		lingering = small ? lingering + 1 : 0;
		problem->diverged = lingering > DIVERGING_ITERATIONS;
		if (problem->diverged || iteration >= level->max_iter)
			return false;

		precondition_build(problem, level, b, &m);
		forcing = fmin(0.1, sqrt(problem->largest_gradient / start));
		cg_step(problem, level, b, now->gradient, forcing, &m, &cg, step);
		decrement = dot(now->gradient, step, problem->unknowns);
		if (!line_search(problem, PASS_GRADIENT, level, b, step, decrement, now, &next, trial))
			return decrement <= 1e-12 * fmax(1, fabs(now->objective));
		if (!level->final && decrement <= 0.1 * (double) problem->unknowns * level->scale)
			return true;
	}
}

/* ---- fit ---- */

/* Sums of weights by class, the loss of the best model without columns, and its intercepts in b. */
static void
null_model(Problem *problem, double *b)
{
	const MlDesign *design = problem->design;
	int			classes = problem->k == 1 ? 2 : problem->k;
	double	   *weight = ml_alloc_array_zero(problem->ctx, (size_t) classes, sizeof(double));
	double		mean_log = 0;
	bool		all = true;

	for (size_t i = 0; i < design->rows; i++)
		weight[(int) design->target[i]] += design->weight != NULL ? design->weight[i] : 1.0;
	for (int c = 0; c < classes; c++)
		problem->total_weight += weight[c];

	problem->null_loss = problem->total_weight * log(classes);
	memset(b, 0, problem->unknowns * sizeof(double));
	if (problem->params->fit_intercept)
	{
		problem->null_loss = 0;
		for (int c = 0; c < classes; c++)
		{
			if (weight[c] > 0)
				problem->null_loss -= weight[c] * log(weight[c] / problem->total_weight);
			all = all && weight[c] > 0;
			mean_log += all ? log(weight[c]) / classes : 0;
		}

		/* A class without weight has its intercept at minus infinity: start elsewhere. */
		if (all && problem->k == 1)
			b[0] = log(weight[1] / weight[0]);
		else if (all)
			for (int c = 0; c < classes; c++)
				b[(size_t) c * (size_t) problem->d] = log(weight[c]) - mean_log;
	}
	ml_free(problem->ctx, weight);
}

/* Without an intercept the columns are taken uncentred, so that there is none on the scale given. */
static double *
find_shift(MlContext *ctx, const MlDesign *design)
{
	double	   *shift = ml_alloc_array(ctx, (size_t) design->columns + 1, sizeof(double));
	bool		any = false;

	for (int j = 0; j < design->columns; j++)
	{
		shift[j] = design->center[j] / design->scale[j];
		any = any || shift[j] != 0;
	}
	return any ? shift : NULL;
}

/* Zeroed columns of a block of rows. */
static double *
scratch_columns(Problem *problem, size_t count)
{
	return ml_alloc_array_zero(problem->ctx, count * problem->ld, sizeof(double));
}

/* Sizes, scratch space, the null model (in b, allocated here). */
static double *
problem_init(Problem *problem, MlContext *ctx, const MlDesign *design, const LogisticParams *params)
{
	size_t		d = (size_t) design->columns + (params->fit_intercept ? 1 : 0);
	size_t		k = design->task == ML_TASK_MULTICLASS ? (size_t) design->classes : 1;
	int			threads = ml_thread_count(ctx);
	double	   *b;

	*problem = (Problem) {.ctx = ctx,.design = design,.params = params,.d = (int) d,.k = (int) k,
		.unknowns = d * k};
	problem->direct = problem->unknowns <=
		(k == 1 ? DIRECT_UNKNOWNS_BINARY : DIRECT_UNKNOWNS_MULTICLASS);
	if (!params->fit_intercept)
		problem->shift = find_shift(ctx, design);

	/* Blocks of about a megabyte, so that they stay in the second-level cache. */
	problem->block_rows = ((size_t) 1 << 17) / (d + 1) / 32 * 32;
	if (problem->block_rows > ML_BLOCK_ROWS)
		problem->block_rows = ML_BLOCK_ROWS;
	if (problem->block_rows < 32)
		problem->block_rows = 32;
	problem->blocks = (design->rows + problem->block_rows - 1) / problem->block_rows;

	/* An odd number of cache lines apart, columns do not fall on the same sets. */
	problem->ld = problem->block_rows + LANES;
	problem->scratch = ml_alloc_array_zero(ctx, (size_t) threads, sizeof(Scratch));
	for (int t = 0; t < threads; t++)
	{
		Scratch    *s = &problem->scratch[t];
		bool		products = problem->direct || d <= PRECONDITION_UNKNOWNS;

		s->x = scratch_columns(problem, d + 2);
		s->hx = products ? scratch_columns(problem, d + 1) : NULL;
		s->y = scratch_columns(problem, 1);
		s->w = scratch_columns(problem, 1);
		s->h = scratch_columns(problem, 1);
		s->z = scratch_columns(problem, k);
		s->u = problem->direct ? NULL : scratch_columns(problem, k);
		s->g = scratch_columns(problem, k);
	}
	b = ml_alloc_array(ctx, problem->unknowns + 1, sizeof(double));
	null_model(problem, b);
	return b;
}

/* Solve on one level from b; a warm-up that fails leaves b at the null model. */
static bool
solve_level(Problem *problem, const Level *level, double *b, const double *null_b, Evaluation *now,
			Factor *factor)
{
	PassKind	kind = problem->direct ? PASS_HESSIAN : PASS_GRADIENT;
	size_t		bytes = problem->unknowns * sizeof(double);
	bool		converged;

	evaluate(problem, kind, level, b, NULL, now);

	/* A sample can mislead. */
	if (level->final && !(now->objective <= problem->null_loss) && memcmp(b, null_b, bytes) != 0)
	{
		memcpy(b, null_b, bytes);
		evaluate(problem, kind, level, b, NULL, now);
	}
	converged = problem->direct ? newton_direct(problem, level, b, now, factor)
		: newton_cg(problem, level, b, now);
	if (!level->final && !converged)
		memcpy(b, null_b, bytes);
	return converged;
}

/* Solve: warm up on samples where there are rows enough, then on all rows. */
static bool
solve(Problem *problem, double *b, Evaluation *now, Factor *factor)
{
	static const size_t strides[] = {64, 8, 1};
	double	   *null_b = ml_alloc_array(problem->ctx, problem->unknowns + 1, sizeof(double));
	bool		converged = true;

	memcpy(null_b, b, problem->unknowns * sizeof(double));
	for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++)
	{
		size_t		read = (problem->blocks + strides[i] - 1) / strides[i];
		size_t		rows = read * problem->block_rows;
		Level		level = {.stride = strides[i],.scale = (double) problem->blocks / (double) read,
			.final = strides[i] == 1,.max_iter = WARM_ITERATIONS};

		if (level.final)
			level.max_iter = problem->params->max_iter;
		else if (problem->design->rows < WARM_ROWS || rows < 2048 || rows < 16 * problem->unknowns)
			continue;
		converged = solve_level(problem, &level, b, null_b, now, factor);
	}
	return converged;
}

/* Tell that a fit did not converge, and what helps. */
static void
warn_not_converged(const Problem *problem)
{
	MlContext  *ctx = problem->ctx;
	const char *detail;

	if (problem->diverged)
		detail = ml_format(ctx, "The features separate the classes, so the coefficients grow without bound; they were stopped after %d iterations. Set l2 above %g.",
						   problem->iterations, problem->params->l2);
	else
		detail = ml_format(ctx, "The largest component of the gradient is %.3g after %d iterations, and tol asks for %.3g. Raise max_iter, or l2.",
						   problem->largest_gradient, problem->iterations,
						   problem->params->tol * fmax(1, problem->total_weight));
	ctx->warn(ctx, "logistic regression did not converge", detail);
}

/*
 * Standard errors on the scale given, from the inverse of the penalised Hessian: c_j / scale_j, and the
 * intercept b - sum_j c_j center_j / scale_j with all its covariances.
 */
static void
standard_errors(const Problem *problem, Factor *factor, double *out)
{
	const MlDesign *design = problem->design;
	int			m = factor->m;
	bool		intercept = problem->params->fit_intercept;
	double		variance = 0;

	for (int j = 0; j <= design->columns; j++)
		out[j] = NAN;
	if (factor->damped)
		return;
	ml_cholesky_inverse(factor->a, m, m);
	for (int q = 0; q < m; q++)
	{
		int			column = factor->kept[q] - (intercept ? 1 : 0);
		double		diagonal = factor->a[(size_t) q * ((size_t) m + 1)];

		if (column >= 0)
			out[column + 1] = sqrt(diagonal) * factor->root[factor->kept[q]] / design->scale[column];
	}
	if (!intercept || m == 0 || factor->kept[0] != 0)
		return;
	for (int q = 0; q < m; q++)
	{
		int			v = factor->kept[q];
		double		share = v == 0 ? 1 : -design->center[v - 1] / design->scale[v - 1];

		/* rhs: the linear form of the intercept in scaled unknowns. */
		factor->rhs[q] = share * factor->root[v];
	}
	for (int q = 0; q < m; q++)
		variance += factor->rhs[q] * dot(factor->a + (size_t) q * (size_t) m, factor->rhs, (size_t) m);
	out[0] = variance >= 0 ? sqrt(variance) : NAN;
}

/* Multinomial: make every column of coefficients sum to zero over the classes, to the last bit that goes. */
static void
centre_classes(const Problem *problem, double *b)
{
	for (int j = 0; j < problem->d && problem->k > 1; j++)
	{
		double		mean = 0;

		for (int c = 0; c < problem->k; c++)
			mean += b[(size_t) c * (size_t) problem->d + (size_t) j] / problem->k;
		for (int c = 0; c < problem->k; c++)
			b[(size_t) c * (size_t) problem->d + (size_t) j] -= mean;
	}
}

/* Write the payload. */
static void
write_solution(const Problem *problem, const Solution *solution, MlWriter *payload)
{
	MlContext  *ctx = problem->ctx;
	size_t		p = (size_t) problem->design->columns;
	size_t		k = (size_t) problem->k;
	bool		has = problem->params->fit_intercept;
	double	   *coef = ml_alloc_array_zero(ctx, k * p + 1, sizeof(double));
	double	   *intercept = ml_alloc_array_zero(ctx, k, sizeof(double));

	for (size_t c = 0; c < k; c++)
	{
		const double *row = solution->b + c * (size_t) problem->d;

		if (p > 0)
			memcpy(coef + c * p, row + has, p * sizeof(double));
		if (has)
			intercept[c] = row[0];
		for (size_t j = 0; j < p && problem->shift != NULL; j++)
			intercept[c] += row[j] * problem->shift[j];
	}
	ml_write_bool(payload, "fit_intercept", has);
	ml_write_f64s(payload, "intercept", intercept, k);
	ml_write_f64s(payload, "coef", coef, k * p);
	if (solution->std_error != NULL)
		ml_write_f64s(payload, "std_error", solution->std_error, p + 1);
	ml_write_bool(payload, "converged", solution->converged);
	ml_write_int(payload, "n_iter", problem->iterations);
	ml_write_double(payload, "log_likelihood", solution->log_likelihood);
	ml_write_double(payload, "null_log_likelihood", -problem->null_loss);
	ml_write_double(payload, "aic", 2.0 * solution->parameters - 2 * solution->log_likelihood);
	ml_write_double(payload, "bic", solution->parameters * log(problem->total_weight)
					- 2 * solution->log_likelihood);
}

/* Learn. */
static void
logistic_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	Problem		problem;
	Solution	solution = {0};
	Factor		factor = {0};
	Evaluation	now;

	solution.b = problem_init(&problem, ctx, design, params);
	if (!(problem.total_weight > 0))
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows sum to zero");
	now = evaluation_create(&problem, problem.direct ? PASS_HESSIAN : PASS_GRADIENT);
	if (problem.direct)
		factor = factor_create(&problem);
	solution.converged = solve(&problem, solution.b, &now, &factor);
	if (!solution.converged)
		warn_not_converged(&problem);

	solution.log_likelihood = -now.loss;
	solution.parameters = problem.direct ? factor.m : (int) problem.unknowns;
	if (problem.k > 1)
		solution.parameters = solution.parameters / problem.k * (problem.k - 1);
	if (problem.k == 1)
	{
		solution.std_error = ml_alloc_array(ctx, (size_t) design->columns + 1, sizeof(double));
		for (int j = 0; j <= design->columns; j++)
			solution.std_error[j] = NAN;
		if (problem.direct)
			standard_errors(&problem, &factor, solution.std_error);
	}
	centre_classes(&problem, solution.b);
	write_solution(&problem, &solution, payload);
}

/* Penalties mean the same for every column only when columns are on one scale. */
static bool
logistic_wants_scaling(const void *params)
{
	(void) params;
	return true;
}

/* ---- a loaded model ---- */

typedef struct LogisticModel
{
	int			columns;
	int			k;				/* rows of coefficients */
	bool		fit_intercept;
	const double *intercept;	/* [k] */
	const double *coef;			/* [k * columns] */
	const double *std_error;	/* [columns + 1] binary, or NULL */
} LogisticModel;

/* Raise unless n numbers are finite (or may_be_nan: NaN, or not negative and finite). */
static void
need_finite(MlContext *ctx, const char *what, const double *v, size_t n, bool may_be_nan)
{
	for (size_t i = 0; i < n; i++)
	{
		bool		sound = isfinite(v[i]);

		if (may_be_nan)
			sound = isnan(v[i]) || (sound && v[i] >= 0);
		if (!sound)
			ml_raise_full(ctx, ML_ERROR_CORRUPTED, "invalid model",
						  ml_format(ctx, "Element %zu of %s of a logistic regression is %g.", i + 1, what, v[i]),
						  NULL);
	}
}

/* Check a payload and take what scoring needs. */
static void *
logistic_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	static const char *const finite[] = {"log_likelihood", "null_log_likelihood", "aic", "bic"};
	LogisticModel *model = ml_alloc_zero(ctx, sizeof(LogisticModel));
	size_t		k = shape->task == ML_TASK_MULTICLASS ? (size_t) shape->classes : 1;
	size_t		p = (size_t) shape->columns;

	model->columns = shape->columns;
	model->k = (int) k;
	model->fit_intercept = ml_need_bool(ctx, payload, "fit_intercept");
	model->intercept = ml_need_f64s(ctx, payload, "intercept", (int64_t) k);
	model->coef = ml_need_f64s(ctx, payload, "coef", (int64_t) (k * p));
	need_finite(ctx, "the intercepts", model->intercept, k, false);
	need_finite(ctx, "the coefficients", model->coef, k * p, false);
	if (k == 1)
	{
		model->std_error = ml_need_f64s(ctx, payload, "std_error", (int64_t) p + 1);
		need_finite(ctx, "the standard errors", model->std_error, p + 1, true);
	}
	ml_need_bool(ctx, payload, "converged");
	ml_need_int(ctx, payload, "n_iter", 0, INT64_MAX);
	for (size_t i = 0; i < sizeof(finite) / sizeof(finite[0]); i++)
	{
		double		value = ml_need_double(ctx, payload, finite[i]);

		need_finite(ctx, finite[i], &value, 1, false);
	}
	return model;
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
ML_MULTIVERSION static void
score_binary(double *p0, double *p1, size_t n)
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
ML_MULTIVERSION static void
score_softmax(double *out, size_t ldout, int k, size_t n)
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

/* Probabilities of all classes for n prepared rows. */
static void
logistic_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LogisticModel *model = loaded;

	if (model->k == 1)
	{
		block_predict(x, ldx, model->columns, n, model->intercept[0], model->coef, out + ldout);
		score_binary(out, out + ldout, n);
		return;
	}
	for (int c = 0; c < model->k; c++)
		block_predict(x, ldx, model->columns, n, model->intercept[c],
					  model->coef + (size_t) c * (size_t) model->columns, out + (size_t) c * ldout);
	score_softmax(out, ldout, model->k, n);
}

/* Fill what follows from an estimate and its standard error. */
static void
add_inference(MlCoefficient *c)
{
	c->statistic = c->estimate / c->std_error;
	c->p_value = ml_normal_two_sided_p(c->statistic);
	c->ci_low = c->estimate - NORMAL_975 * c->std_error;
	c->ci_high = c->estimate + NORMAL_975 * c->std_error;
}

/* The coefficients on the scale given; binary: those of class 1, with standard errors. */
static size_t
logistic_coefficients(MlContext *ctx, const void *loaded, const MlShape *shape, MlCoefficient **out)
{
	const LogisticModel *model = loaded;
	size_t		p = (size_t) model->columns;
	size_t		count = 0;

	*out = ml_alloc_array(ctx, (size_t) model->k * (p + 1), sizeof(MlCoefficient));
	for (int c = 0; c < model->k; c++)
	{
		const double *coef = model->coef + (size_t) c * p;
		double		intercept = model->intercept[c];

		for (size_t j = 0; j < p; j++)
			intercept -= coef[j] * shape->center[j] / shape->scale[j];
		for (int j = model->fit_intercept ? -1 : 0; j < model->columns; j++)
		{
			MlCoefficient *row = *out + count++;

			row->klass = model->k == 1 ? 1 : c;
			row->column = j;
			row->estimate = j < 0 ? intercept : coef[j] / shape->scale[j];
			row->std_error = model->std_error != NULL ? model->std_error[j + 1] : NAN;
			add_inference(row);
		}
	}
	return count;
}

const MlAlgorithm ml_logistic_regression = {
	.id = 3,
	.name = "logistic_regression",
	.help = "Logistic regression with an L2 penalty, binary or multinomial, by Newton's method, with standard errors for two classes.",
	.tasks = ML_TASK_CLASSIFICATION,
	.params = logistic_params,
	.params_size = sizeof(LogisticParams),
	.wants_scaling = logistic_wants_scaling,
	.fit = logistic_fit,
	.load = logistic_load,
	.score = logistic_score,
	.coefficients = logistic_coefficients,
};
