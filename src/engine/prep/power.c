/*
 * The power of a Box-Cox or Yeo-Johnson transform.
 *
 * Problem: values x_1 .. x_n; find lambda that maximises the likelihood of the transformed values y being normal,
 *     Box-Cox:      (lambda - 1) sum log x          - n/2 log var(y)     for x > 0
 *     Yeo-Johnson:  (lambda - 1) sum sign(x) log(1 + |x|) - n/2 log var(y)
 * Output: lambda within -10 .. 10.  Stopping rule: an interval of 1e-9 around it, or 200 steps.
 * Papers: Box and Cox, "An analysis of transformations", JRSS B 26 (1964); Yeo and Johnson, "A new family of power
 * transformations", Biometrika 87 (2000); the search is Brent's, "Algorithms for minimization without derivatives"
 * (1973), chapter 5.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/simd.h"
#include "base/threads.h"
#include "prep/prep_internal.h"

#define LIMIT 10.0
#define TOLERANCE 1e-9
#define MAX_STEPS 200
#define GOLDEN 0.3819660112501051

#define LANES 8

/* So many distinct values are one piece of work. */
#define PIECE 8192

/* The distinct values in order, each by the logarithm that all its powers are made of. */
typedef struct Likelihood
{
	MlContext  *ctx;
	MlStepKind	kind;
	double	   *logs;			/* [n]: log(x), or log1p(|x|) */
	double	   *weights;		/* [n]: how many have the value */
	size_t		n;
	size_t		negatives;		/* of Yeo-Johnson: those come first */
	double		lambda;
	MlMoments  *pieces;			/* of the transformed values, by piece */
	double		slope;			/* what lambda - 1 is multiplied with */
} Likelihood;

/*
 * y = expm1(power * logs) / power, times sign; past the range of doubles infinity.  exp is reduced by multiples of
 * log 2 in two parts and by Taylor's polynomial of degree 13 on |r| <= 0.347 (truncated below 1e-17), without its one,
 * so that nothing cancels around 0.
 */
ML_MULTIVERSION static void
raise_logs(const double *restrict logs, size_t n, double power, double sign, double *restrict y)
{
	for (size_t i = 0; i < n; i++)
	{
		double		given = logs[i] * power;
		double		t = given < -700 ? -700 : given > 700 ? 700 : given;
		double		shifted = t * 0x1.71547652b82fep0 + 0x1.8p52;
		double		whole = shifted - 0x1.8p52;
		double		r = (t - whole * 0x1.62e42feep-1) - whole * 0x1.a39ef35793c76p-33;
		double		q = 1.0 / 6227020800.0;
		uint64_t	bits;
		double		scale;

		q = q * r + 1.0 / 479001600.0;
		q = q * r + 1.0 / 39916800.0;
		q = q * r + 1.0 / 3628800.0;
		q = q * r + 1.0 / 362880.0;
		q = q * r + 1.0 / 40320.0;
		q = q * r + 1.0 / 5040.0;
		q = q * r + 1.0 / 720.0;
		q = q * r + 1.0 / 120.0;
		q = q * r + 1.0 / 24.0;
		q = q * r + 1.0 / 6.0;
		q = q * r + 0.5;
		q = (q * r) * r + r;
		/* the low bits of shifted are the power of two */
		memcpy(&bits, &shifted, sizeof bits);
		bits = (bits << 52) + UINT64_C(0x3ff0000000000000);
		memcpy(&scale, &bits, sizeof scale);
		y[i] = sign * ((given > 700 ? INFINITY : scale * q + (scale - 1)) / power);
	}
}

/* Transformed values of one side of zero, which have one power. */
static void
transform_logs(const double *logs, size_t n, double power, double sign, double *y)
{
	if (power != 0)
		raise_logs(logs, n, power, sign, y);
	else
		for (size_t i = 0; i < n; i++)
			y[i] = sign * logs[i];
}

/* The sum of lanes. */
static inline double
sum_lanes(const MlDouble8 *lanes)
{
	double		sum = 0;

	for (int l = 0; l < LANES; l++)
		sum += (*lanes)[l];
	return sum;
}

/* The moments of n values that have weights, in lanes that run as vectors. */
ML_MULTIVERSION static void
weighted_moments(const double *y, const double *weights, size_t n, MlMoments *m)
{
	const MlDouble8 *v = (const MlDouble8 *) y;
	const MlDouble8 *w = (const MlDouble8 *) weights;
	size_t		rest = n - n % LANES;
	MlDouble8	count = {0};
	MlDouble8	sum = {0};
	MlDouble8	square = {0};

	ml_moments_init(m);
	for (size_t i = 0; i < n / LANES; i++)
	{
		count += w[i];
		sum += w[i] * v[i];
	}
	m->count = sum_lanes(&count);
	m->mean = sum_lanes(&sum);
	for (size_t i = rest; i < n; i++)
	{
		m->count += weights[i];
		m->mean += weights[i] * y[i];
	}
	m->mean /= m->count;
	for (size_t i = 0; i < n / LANES; i++)
		square += w[i] * ((v[i] - m->mean) * (v[i] - m->mean));
	m->m2 = sum_lanes(&square);
	for (size_t i = rest; i < n; i++)
		m->m2 += weights[i] * ((y[i] - m->mean) * (y[i] - m->mean));
}

/* The moments of pieces; runs on any thread. */
static void
likelihood_piece(void *arg, size_t begin, size_t end, int worker)
{
	Likelihood *l = arg;
	MlMoments  *m = &l->pieces[begin / PIECE];
	double		y[ML_TERM_ROWS];

	(void) worker;
	ml_moments_init(m);
	for (size_t i = begin; i < end; i += ML_TERM_ROWS)
	{
		size_t		n = end - i < ML_TERM_ROWS ? end - i : ML_TERM_ROWS;
		size_t		below = i >= l->negatives ? 0 : l->negatives - i < n ? l->negatives - i : n;
		MlMoments	block;

		transform_logs(l->logs + i, below, 2 - l->lambda, -1, y);
		transform_logs(l->logs + i + below, n - below, l->lambda, 1, y + below);
		weighted_moments(y, l->weights + i, n, &block);
		ml_moments_merge(m, &block);
	}
}

/* Minus the logarithm of the likelihood, divided by n. */
static double
loss(Likelihood *l, double lambda)
{
	MlMoments	m;

	l->lambda = lambda;
	ml_parallel_for(l->ctx, l->n, PIECE, likelihood_piece, l);
	ml_moments_init(&m);
	for (size_t piece = 0; piece * PIECE < l->n; piece++)
		ml_moments_merge(&m, &l->pieces[piece]);
	if (!(m.m2 > 0) || !isfinite(m.m2))
		return DBL_MAX;
	return 0.5 * log(m.m2 / m.count) - (lambda - 1) * l->slope / m.count;
}

/* Count the distinct ones of n ascending values and take their logarithms. */
static void
take_logs(Likelihood *l, const double *values, size_t n)
{
	l->logs = ml_alloc_array(l->ctx, n + 1, sizeof(double));
	l->weights = ml_alloc_array(l->ctx, n + 1, sizeof(double));
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0 && values[i] == values[i - 1])
		{
			l->weights[l->n - 1] += 1;
			continue;
		}
		l->logs[l->n] = l->kind == ML_STEP_BOX_COX ? log(values[i]) : log1p(fabs(values[i]));
		l->negatives += l->kind == ML_STEP_YEO_JOHNSON && values[i] < 0;
		l->weights[l->n++] = 1;
	}
	for (size_t i = 0; i < l->n; i++)
		l->slope += l->weights[i] * (i < l->negatives ? -l->logs[i] : l->logs[i]);
	l->pieces = ml_alloc_array(l->ctx, l->n / PIECE + 1, sizeof(MlMoments));
	ml_check(l->ctx);
}

static void
free_logs(Likelihood *l)
{
	ml_free(l->ctx, l->pieces);
	ml_free(l->ctx, l->weights);
	ml_free(l->ctx, l->logs);
}

/* The state of the search: the best place so far, the one before, the one before that, and where they lie. */
typedef struct Search
{
	double		low;
	double		high;
	double		x;
	double		w;
	double		v;
	double		fx;
	double		fw;
	double		fv;
	double		step;
	double		last;			/* the step before */
} Search;

/* The next step: to the vertex of a parabola where that is trusted, else to the golden section. */
static void
choose_step(Search *s, double middle, double tolerance)
{
	double		r = (s->x - s->w) * (s->fx - s->fv);
	double		q = (s->x - s->v) * (s->fx - s->fw);
	double		p = (s->x - s->v) * q - (s->x - s->w) * r;
	double		before = s->last;

	q = 2 * (q - r);
	if (q > 0)
		p = -p;
	q = fabs(q);
	if (fabs(before) > tolerance && isfinite(p) && isfinite(q) && fabs(p) < fabs(0.5 * q * before) &&
		p > q * (s->low - s->x) && p < q * (s->high - s->x))
	{
		double		to = s->x + p / q;

		s->last = s->step;
		s->step = p / q;
		if (to - s->low < 2 * tolerance || s->high - to < 2 * tolerance)
			s->step = copysign(tolerance, middle - s->x);
		return;
	}
	s->last = s->x < middle ? s->high - s->x : s->low - s->x;
	s->step = GOLDEN * s->last;
}

/* Take what was found at u into account. */
static void
note(Search *s, double u, double fu)
{
	if (fu <= s->fx)
	{
		*(u < s->x ? &s->high : &s->low) = s->x;
		s->v = s->w;
		s->fv = s->fw;
		s->w = s->x;
		s->fw = s->fx;
		s->x = u;
		s->fx = fu;
		return;
	}
	*(u < s->x ? &s->low : &s->high) = u;
	if (fu <= s->fw || s->w == s->x)
	{
		s->v = s->w;
		s->fv = s->fw;
		s->w = u;
		s->fw = fu;
	}
	else if (fu <= s->fv || s->v == s->x || s->v == s->w)
	{
		s->v = u;
		s->fv = fu;
	}
}

double
power_lambda(MlContext *ctx, MlStepKind kind, const double *values, size_t n)
{
	Likelihood	l = {.ctx = ctx,.kind = kind};
	Search		s = {.low = -LIMIT,.high = LIMIT,.x = 1,.w = 1,.v = 1};

	take_logs(&l, values, n);
	s.fx = s.fw = s.fv = loss(&l, s.x);
	for (int i = 0; i < MAX_STEPS; i++)
	{
		double		middle = 0.5 * (s.low + s.high);
		double		tolerance = TOLERANCE * fabs(s.x) + TOLERANCE;
		double		u;

		if (fabs(s.x - middle) <= 2 * tolerance - 0.5 * (s.high - s.low))
			break;
		choose_step(&s, middle, tolerance);
		u = s.x + (fabs(s.step) >= tolerance ? s.step : copysign(tolerance, s.step));
		note(&s, u, loss(&l, u));
	}
	free_logs(&l);
	return s.x;
}
