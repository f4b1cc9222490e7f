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

#include "prep/prep_internal.h"

#define LIMIT 10.0
#define TOLERANCE 1e-9
#define MAX_STEPS 200
#define GOLDEN 0.3819660112501051

typedef struct Likelihood
{
	MlContext  *ctx;
	MlStep		step;
	const double *values;
	size_t		n;
	double		logs;			/* what lambda - 1 is multiplied with */
	double	   *block;
} Likelihood;

/* Minus the logarithm of the likelihood, divided by n. */
static double
loss(Likelihood *l, double lambda)
{
	MlMoments	m;

	ml_moments_init(&m);
	l->step.a = lambda;
	for (size_t i = 0; i < l->n; i += ML_TERM_ROWS)
	{
		size_t		n = l->n - i < ML_TERM_ROWS ? l->n - i : ML_TERM_ROWS;

		for (size_t k = 0; k < n; k++)
			l->block[k] = l->values[i + k];
		ml_step_apply(&l->step, l->block, n, NULL);
		for (size_t k = 0; k < n; k++)
			if (!isfinite(l->block[k]))
				return DBL_MAX;
		ml_moments_add(&m, l->block, n);
	}
	ml_check(l->ctx);
	if (!(m.m2 > 0) || !isfinite(m.m2))
		return DBL_MAX;
	return 0.5 * log(m.m2 / m.count) - (lambda - 1) * l->logs / m.count;
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
	double		block[ML_TERM_ROWS];
	Likelihood	l = {.ctx = ctx,.step = {.kind = kind},.values = values,.n = n,.block = block};
	Search		s = {.low = -LIMIT,.high = LIMIT,.x = 1,.w = 1,.v = 1};

	for (size_t i = 0; i < n; i++)
		l.logs += kind == ML_STEP_BOX_COX ? log(values[i]) : copysign(log1p(fabs(values[i])), values[i]);
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
	return s.x;
}
