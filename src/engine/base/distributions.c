/*
 * Distribution functions in double precision.
 *
 * Tails are computed as tails, never as 1 - p.  The two incomplete functions are a density
 * times a continued fraction or series; the density is put in Loader's saddle-point form
 * ("Fast and accurate computation of binomial probabilities", 2000), so nothing cancels
 * when the degrees of freedom are many.
 *
 * - Normal distribution: erfc of the C library (rational approximations after Cody, 1969).
 * - Normal quantile: Wichura, algorithm AS 241 (1988), and one step of Halley's method.
 * - Incomplete beta and gamma: continued fractions DLMF 8.17.22 and 8.9.2 by Lentz's method,
 *   the series DLMF 8.7.1.
 */
#include "base/distributions.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_SQRT_2PI 0.918938533204672741780329736406

/* Enough for 1e11 degrees of freedom: the fractions need about their square root. */
#define MAX_TERMS 1000000

/* log(n!) less Stirling's main part: log gamma(n + 1) - (n + 1/2) log n + n - log sqrt(2 pi). */
static double
stirling_error(double n)
{
	double		nn = n * n;

	if (n <= 15)
	{
		int			sign;

		return lgamma_r(n + 1, &sign) - (n + 0.5) * log(n) + n - LOG_SQRT_2PI;
	}
	return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - (1.0 / 1188 - 691.0 / 360360 / nn)
												   / nn) / nn) / nn) / nn) / n;
}

/* x log(x / m) + m - x without cancellation where x is near m. */
static double
deviance(double x, double m)
{
	double		d = x - m;

	if (fabs(d) < 0.1 * (x + m))
	{
		/* (1 + v) / (1 - v) = x / m: the series of atanh. */
		double		v = d / (x + m);
		double		sum = d * v;
		double		term = 2 * x * v;

		for (int j = 1; j < 1000; j++)
		{
			double		next;

			term *= v * v;
			next = sum + term / (2 * j + 1);
			if (next == sum)
				return next;
			sum = next;
		}
		return sum;
	}
	return x * log(x / m) + m - x;
}

/* x^a y^b / B(a, b), with y = 1 - x given apart for its accuracy. */
static double
beta_density(double a, double b, double x, double y)
{
	double		n = a + b;
	double		log_main = stirling_error(n) - stirling_error(a) - stirling_error(b)
		- deviance(a, n * x) - deviance(b, n * y);

	/* (a b / n) sqrt(n / (2 pi a b)) */
	return sqrt(a / n * b / (2 * M_PI)) * exp(log_main);
}

/* Lentz keeps numerators and denominators off zero. */
static double
nonzero(double x)
{
	return fabs(x) < DBL_MIN * 1e10 ? DBL_MIN * 1e10 : x;
}

/*
 * The continued fraction of the incomplete beta function, its even part, for x < (a + 1) / (a + b + 2).
 * Its first term takes the smaller of x and y: with a million degrees of freedom that decides nine
 * digits.
 */
static double
beta_fraction(double a, double b, double x, double y)
{
	double		first = 1 + (a > b ? (a + b) * y - b : a - (a + b) * x);
	double		f = nonzero(first / (1 + 1 / a));
	double		c = f;
	double		d = 0;

	for (int n = 1; n < MAX_TERMS; n++)
	{
		double		w = n * (b - n) * x;
		double		s = a + 2.0 * n - 1;
		double		alpha = (a + n - 1) * (a + b + n - 1) / s / s * w * x;
		double		beta = n + w / s + (a + n) / (a + 2.0 * n + 1) * (first + n * (1 + y));
		double		step;

		d = 1 / nonzero(beta + alpha * d);
		c = nonzero(beta + alpha / c);
		step = c * d;
		f *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return 1 / f;
}

/*
 * The regularised incomplete beta function I_x(a, b), y = 1 - x, and its complement; the
 * smaller of both keeps its relative accuracy.
 */
static void
incomplete_beta(double a, double b, double x, double y, double *lower, double *upper)
{
	if (x <= 0 || y <= 0)
	{
		*lower = x <= 0 ? 0 : 1;
		*upper = 1 - *lower;
	}
	else if (x < (a + 1) / (a + b + 2))
	{
		*lower = beta_density(a, b, x, y) * beta_fraction(a, b, x, y);
		*upper = 1 - *lower;
	}
	else
	{
		*upper = beta_density(a, b, x, y) * beta_fraction(b, a, y, x);
		*lower = 1 - *upper;
	}
}

/* The regularised upper incomplete gamma function Q(a, x). */
static double
gamma_upper(double a, double x)
{
	double		density;

	if (x <= 0)
		return 1;
	if (isinf(x))
		return 0;

	/* x^a e^-x / gamma(a) */
	density = sqrt(a / (2 * M_PI)) * exp(-stirling_error(a) - deviance(a, x));
	if (x < a + 1)
	{
		double		term = 1 / a;
		double		sum = term;

		for (int n = 1; n < MAX_TERMS && term > sum * DBL_EPSILON / 4; n++)
		{
			term *= x / (a + n);
			sum += term;
		}
		return 1 - density * sum;
	}
	else
	{
		double		b = x + 1 - a;
		double		c = 1 / DBL_MIN;
		double		d = 1 / nonzero(b);
		double		h = d;

		for (int n = 1; n < MAX_TERMS; n++)
		{
			double		an = -n * (n - a);
			double		step;

			b += 2;
			d = 1 / nonzero(an * d + b);
			c = nonzero(b + an / c);
			step = d * c;
			h *= step;
			if (fabs(step - 1) < DBL_EPSILON)
				break;
		}
		return density * h;
	}
}

/* P(Z <= x). */
double
ml_normal_cdf(double x)
{
	return 0.5 * erfc(-x * M_SQRT1_2);
}

/* P(|Z| > |z|). */
double
ml_normal_two_sided_p(double z)
{
	return erfc(fabs(z) * M_SQRT1_2);
}

/* Numerator or denominator of AS 241: coefficients from the constant up. */
static double
polynomial7(const double *c, double x)
{
	return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
}

/* AS 241 for p <= 1/2, relative error about 1e-16 but for rounding. */
static double
quantile_as241(double p)
{
	static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2,
		1.9715909503065514427e3, 1.3731693765509461125e4, 4.5921953931549871457e4,
		6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
	static const double b[] = {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2,
		5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4,
		2.8729085735721942674e4, 5.2264952788528545610e3};
	static const double c[] = {1.42343711074968357734e0, 4.63033784615654529590e0,
		5.76949722146069140550e0, 3.64784832476320460504e0, 1.27045825245236838258e0,
		2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
	static const double d[] = {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
		6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2,
		5.47593808499534494600e-4, 1.05075007164441684324e-9};
	static const double e[] = {6.65790464350110377720e0, 5.46378491116411436990e0,
		1.78482653991729133580e0, 2.96560571828504891230e-1, 2.65321895265761230930e-2,
		1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
	static const double f[] = {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
		1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
		1.42151175831644588870e-7, 2.04426310338993978564e-15};
	double		q = p - 0.5;
	double		r;

	if (fabs(q) <= 0.425)
	{
		r = 0.180625 - q * q;
		return q * polynomial7(a, r) / polynomial7(b, r);
	}
	r = sqrt(-log(p));
	if (r <= 5)
		return -polynomial7(c, r - 1.6) / polynomial7(d, r - 1.6);
	return -polynomial7(e, r - 5) / polynomial7(f, r - 5);
}

/* The x with P(Z <= x) = p; infinite at 0 and 1, NaN outside. */
double
ml_normal_quantile(double p)
{
	double		q = p < 0.5 ? p : 1 - p;
	double		x;

	if (!(p >= 0 && p <= 1))
		return NAN;
	if (q == 0)
		return p < 0.5 ? -INFINITY : INFINITY;
	x = quantile_as241(q);
	if (q < 0.075)
	{
		/* Halley in the tail, where the logarithm's rounding shows; the density may underflow. */
		double		density = exp(-0.5 * x * x - LOG_SQRT_2PI);

		if (density > 0)
		{
			double		u = (ml_normal_cdf(x) - q) / density;

			x -= u / (1 + 0.5 * x * u);
		}
	}
	return p < 0.5 ? x : -x;
}

/* P(|T| > |t|), and in central its complement with its own accuracy (NULL: not wanted). */
static double
student_tails(double t, double df, double *central)
{
	double		tt = t * t;
	double		lower;
	double		upper;

	if (isinf(tt))
	{
		/* t^2 overflows: the tail is its leading power, x^(df/2) with x = df / t^2, taken from x = near. */
		double		near = 1e-300;
		double		log_x = log(df) - 2 * log(fabs(t));

		lower = beta_density(0.5 * df, 0.5, near, 1) / (0.5 * df) * exp(0.5 * df * (log_x - log(near)));
		upper = 1 - lower;
	}
	else
		incomplete_beta(0.5 * df, 0.5, df / (df + tt), tt / (df + tt), &lower, &upper);
	if (central != NULL)
		*central = upper;
	return lower;
}

/* P(|T| > |t|) with df degrees of freedom. */
double
ml_student_t_two_sided_p(double t, double df)
{
	if (isnan(t) || !(df > 0))
		return NAN;
	if (isinf(df))
		return ml_normal_two_sided_p(t);
	return student_tails(t, df, NULL);
}

/* Log of Student's density. */
static double
student_log_density(double t, double df)
{
	double		a = 0.5 * (df + 1);
	double		b = 0.5 * df;

	/* gamma(a) / gamma(b) by Stirling's form: gamma(z) = sqrt(2 pi / z) z^z e^-z e^error(z). */
	double		log_ratio = (b - 0.5) * log1p(0.5 / b) + 0.5 * log(a) - 0.5
		+ stirling_error(a) - stirling_error(b);

	return log_ratio - 0.5 * log(df * M_PI) - a * log1p(t * t / df);
}

/* The t with P(T <= t) = p: Newton's method in log t and log probability, kept in a bracket. */
double
ml_student_t_quantile(double p, double df)
{
	double		tail = p < 0.5 ? p : 1 - p;
	bool		by_centre = tail > 0.25;	/* there the central probability is the accurate one */
	double		target;
	double		low = -745;
	double		high = 709;
	double		s;

	if (!(p >= 0 && p <= 1) || !(df > 0))
		return NAN;
	if (isinf(df))
		return ml_normal_quantile(p);
	if (tail == 0)
		return p < 0.5 ? -INFINITY : INFINITY;
	if (p == 0.5)
		return 0;

	target = by_centre ? log(2 * fabs(p - 0.5)) : log(2 * tail);
	s = log(-ml_normal_quantile(tail));
	for (int i = 0; i < 200; i++)
	{
		double		t = exp(s);
		double		centre;
		double		both = student_tails(t, df, &centre);
		double		value = by_centre ? centre : both;
		double		error = log(value) - target;
		double		slope = 2 * exp(student_log_density(t, df) + s) / value;
		double		next;

		/* The central probability grows with t, the tail shrinks. */
		if (!by_centre)
			slope = -slope;
		if ((error > 0) == by_centre)
			high = s;
		else
			low = s;
		next = s - error / slope;
		if (!(next > low && next < high))
			next = 0.5 * (low + high);
		if (fabs(next - s) <= 4 * DBL_EPSILON)
		{
			s = next;
			break;
		}
		s = next;
	}
	return p < 0.5 ? -exp(s) : exp(s);
}

/* P(F > f) with df1 and df2 degrees of freedom. */
double
ml_f_upper_p(double f, double df1, double df2)
{
	double		lower;
	double		upper;

	if (isnan(f) || !(df1 > 0) || !(df2 > 0))
		return NAN;
	if (f <= 0)
		return 1;
	if (isinf(f))
		return 0;
	incomplete_beta(0.5 * df2, 0.5 * df1, df2 / (df2 + df1 * f), df1 * f / (df2 + df1 * f),
					&lower, &upper);
	return lower;
}

/* P(X > x) of the chi-squared distribution with df degrees of freedom. */
double
ml_chi2_upper_p(double x, double df)
{
	if (isnan(x) || !(df > 0))
		return NAN;
	return gamma_upper(0.5 * df, 0.5 * x);
}
