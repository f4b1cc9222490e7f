/*
 * Linear regression: answers that are known exactly, aliased columns, ridge, weights, inference, and the two ways
 * to a factor (extended and double precision).
 */
#include "unit.h"

#include "base/distributions.h"
#include "base/linalg.h"
#include "base/random.h"
#include "learn/learners.h"

/* ---------------------------------------------------------------- helpers */

/* Rows in memory, column-major. */
typedef struct Rows
{
	const double *x;
	size_t		rows;
} Rows;

static void
read_rows(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	const Rows *source = design->source;

	for (int j = 0; j < design->columns; j++)
		memcpy(x + (size_t) j * ldx, source->x + (size_t) j * source->rows + begin, n * sizeof(double));
}

/* What a fit tells, on the scale of the columns as given. */
typedef struct Fit
{
	const MlNode *payload;
	const double *coef;			/* as stored */
	double		intercept;
	MlCoefficient *rows;		/* the intercept first, if there is one */
	size_t		nrows;
} Fit;

/* Fit p columns x[j * n + i]; center and scale say how they came from those given (NULL: they are as given). */
static Fit
fit_scaled(MlContext *ctx, size_t n, int p, const double *x, const double *y, const double *weight,
		   const double *center, const double *scale, const char *params)
{
	double	   *zeros = ml_alloc_array_zero(ctx, (size_t) p + 1, sizeof(double));
	double	   *ones = ml_alloc_array(ctx, (size_t) p + 1, sizeof(double));
	Rows	   *source = ml_alloc(ctx, sizeof *source);
	MlDesign	design = {.rows = n,.columns = p,.target = y,.weight = weight,.task = ML_TASK_REGRESSION,
		.center = center ? center : zeros,.scale = scale ? scale : ones,.read = read_rows,.source = source};
	MlShape		shape = {.columns = p,.task = ML_TASK_REGRESSION,.center = design.center,.scale = design.scale};
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	void	   *loaded;
	Fit			fit;

	*source = (Rows) {x, n};
	for (int j = 0; j < p; j++)
		ones[j] = 1;
	ml_linear_regression.fit(ctx, &design, ml_params_parse(ctx, &ml_linear_regression, params), w);
	fit.payload = ml_document_root(ml_writer_finish(w, &size));
	loaded = ml_linear_regression.load(ctx, fit.payload, &shape);
	fit.coef = ml_need_f64s(ctx, fit.payload, "coef", p);
	fit.intercept = ml_need_double(ctx, fit.payload, "intercept");
	fit.nrows = ml_linear_regression.coefficients(ctx, loaded, &shape, &fit.rows);
	return fit;
}

static Fit
fit_rows(MlContext *ctx, size_t n, int p, const double *x, const double *y, const double *weight, const char *params)
{
	return fit_scaled(ctx, n, p, x, y, weight, NULL, NULL, params);
}

static double
statistic(MlContext *ctx, const Fit *fit, const char *name)
{
	return ml_need_double(ctx, ml_need(ctx, fit->payload, "statistics", ML_NODE_OBJECT), name);
}

/* A number around zero for an index, the same each time. */
static double
noise(size_t i, int column)
{
	return (double) (ml_mix64(i * 64 + (size_t) column) >> 11) * 0x1p-53 - 0.5;
}

/* n rows of p columns of noise. */
static double *
noise_columns(MlContext *ctx, size_t n, int p)
{
	double	   *x = ml_alloc_array(ctx, n * (size_t) p, sizeof(double));

	for (int j = 0; j < p; j++)
		for (size_t i = 0; i < n; i++)
			x[(size_t) j * n + i] = noise(i, j);
	return x;
}

/* y = 3 + sum (j + 1) x_j + noise */
static double *
noisy_target(MlContext *ctx, size_t n, int p, const double *x)
{
	double	   *y = ml_alloc_array(ctx, n, sizeof(double));

	for (size_t i = 0; i < n; i++)
	{
		y[i] = 3 + noise(i, 63);
		for (int j = 0; j < p; j++)
			y[i] += (j + 1) * x[(size_t) j * n + i];
	}
	return y;
}

/* ---------------------------------------------------------------- exact answers */

/*
 * Ten points of a line in closed form (Draper and Smith, Applied Regression Analysis, ch. 1): slope
 * Sxy / Sxx, error s / sqrt(Sxx), intercept's error s sqrt(1/n + mean^2 / Sxx).
 */
static void
test_line(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
	static const double y[] = {2.1, 3.9, 6.2, 7.8, 10.1, 12.2, 13.8, 16.1, 18.2, 19.8};
	double		n = 10;
	double		mx = 0, my = 0, sxx = 0, sxy = 0, syy = 0, slope, rss, s;
	Fit			fit = fit_rows(ctx, 10, 1, x, y, NULL, NULL);

	for (int i = 0; i < 10; i++)
	{
		mx += x[i] / n;
		my += y[i] / n;
	}
	for (int i = 0; i < 10; i++)
	{
		sxx += (x[i] - mx) * (x[i] - mx);
		sxy += (x[i] - mx) * (y[i] - my);
		syy += (y[i] - my) * (y[i] - my);
	}
	slope = sxy / sxx;
	rss = syy - slope * sxy;
	s = sqrt(rss / 8);
	CHECK(fit.nrows == 2 && fit.rows[0].column == -1 && fit.rows[1].column == 0);
	CHECK(fit.rows[0].klass == -1 && fit.rows[1].klass == -1);
	CHECK_NEAR(fit.rows[1].estimate, slope, 1e-14);
	CHECK_NEAR(fit.rows[0].estimate, my - slope * mx, 1e-12);
	CHECK_NEAR(fit.rows[1].std_error, s / sqrt(sxx), 1e-11);
	CHECK_NEAR(fit.rows[0].std_error, s * sqrt(1 / n + mx * mx / sxx), 1e-11);
	CHECK_NEAR(fit.rows[1].statistic, slope / (s / sqrt(sxx)), 1e-11);
	CHECK_NEAR(fit.rows[1].p_value, ml_student_t_two_sided_p(fit.rows[1].statistic, 8), 1e-11);
	/* the 0.975 quantile of t with 8 degrees of freedom */
	CHECK_NEAR(fit.rows[1].ci_high, slope + 2.3060041352041662 * s / sqrt(sxx), 1e-12);
	CHECK_NEAR(fit.rows[1].ci_low, slope - 2.3060041352041662 * s / sqrt(sxx), 1e-12);
	CHECK_NEAR(statistic(ctx, &fit, "rss"), rss, 1e-10);
	CHECK_NEAR(statistic(ctx, &fit, "tss"), syy, 1e-13);
	CHECK_NEAR(statistic(ctx, &fit, "sigma"), s, 1e-10);
	CHECK_NEAR(statistic(ctx, &fit, "r2"), 1 - rss / syy, 1e-13);
	CHECK_NEAR(statistic(ctx, &fit, "adj_r2"), 1 - (rss / 8) / (syy / 9), 1e-13);
	CHECK_NEAR(statistic(ctx, &fit, "f_statistic"), (syy - rss) / (rss / 8), 1e-10);
	CHECK_NEAR(statistic(ctx, &fit, "f_p_value"), ml_f_upper_p((syy - rss) / (rss / 8), 1, 8), 1e-9);
	CHECK_NEAR(statistic(ctx, &fit, "log_likelihood"), -n / 2 * (log(2 * M_PI * rss / n) + 1), 1e-11);
	CHECK_NEAR(statistic(ctx, &fit, "aic"), 4 - 2 * statistic(ctx, &fit, "log_likelihood"), 1e-14);
	CHECK_NEAR(statistic(ctx, &fit, "bic"), 2 * log(n) - 2 * statistic(ctx, &fit, "log_likelihood"), 1e-14);
	CHECK(statistic(ctx, &fit, "df_residual") == 8 && statistic(ctx, &fit, "n") == 10);
}

/* A target that is a linear function is found to the last digits, far from the origin too. */
static void
test_exact_line_far_away(MlContext *ctx)
{
	enum {N = 50};
	double		x[N];
	double		y[N];
	Fit			fit;

	for (int i = 0; i < N; i++)
	{
		x[i] = 1e9 + i;
		y[i] = 3 * x[i] - 7;
	}
	fit = fit_rows(ctx, N, 1, x, y, NULL, NULL);
	CHECK_NEAR(fit.rows[1].estimate, 3, 1e-12);
	CHECK_NEAR(fit.rows[0].estimate, -7, 1e-3);
	CHECK(statistic(ctx, &fit, "r2") > 1 - 1e-12);
}

/* The normal equations at the solution: residuals stand at right angles to the columns. */
static void
test_normal_equations(MlContext *ctx)
{
	enum {N = 400, P = 6};
	double	   *x = noise_columns(ctx, N, P);
	double	   *y = noisy_target(ctx, N, P, x);
	Fit			fit = fit_rows(ctx, N, P, x, y, NULL, NULL);
	double		residual[N];
	double		sum = 0, rss = 0;

	for (int i = 0; i < N; i++)
	{
		residual[i] = y[i] - fit.intercept;
		for (int j = 0; j < P; j++)
			residual[i] -= fit.coef[j] * x[j * N + i];
		sum += residual[i];
		rss += residual[i] * residual[i];
	}
	CHECK_NEAR(sum, 0, 1e-11);
	CHECK_NEAR(statistic(ctx, &fit, "rss"), rss, 1e-12);
	for (int j = 0; j < P; j++)
	{
		double		dot = 0;

		for (int i = 0; i < N; i++)
			dot += residual[i] * x[j * N + i];
		CHECK_NEAR(dot, 0, 1e-11);
		CHECK(fabs(fit.rows[j + 1].estimate - (j + 1)) < 5 * fit.rows[j + 1].std_error);
	}
}

static void
test_without_intercept(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 4};
	static const double y[] = {2, 3, 7, 8};
	Fit			fit = fit_rows(ctx, 4, 1, x, y, NULL, "{\"fit_intercept\": false}");
	double		slope = (1 * 2 + 2 * 3 + 3 * 7 + 4 * 8) / 30.0;
	double		rss = 4 + 9 + 49 + 64 - slope * 61;

	CHECK(fit.nrows == 1 && fit.rows[0].column == 0 && fit.intercept == 0);
	CHECK_NEAR(fit.rows[0].estimate, slope, 1e-15);
	CHECK_NEAR(fit.rows[0].std_error, sqrt(rss / 3 / 30), 1e-13);
	/* about zero, not about the mean, as R and statsmodels do without an intercept */
	CHECK_NEAR(statistic(ctx, &fit, "r2"), 1 - rss / 126, 1e-14);
	CHECK_NEAR(statistic(ctx, &fit, "adj_r2"), 1 - (rss / 3) / (126 / 4.0), 1e-13);
	CHECK(statistic(ctx, &fit, "df_residual") == 3);
}

/* ---------------------------------------------------------------- rank */

/* A column that others make up is left out: estimate NULL, the same fit as without it. */
static void
test_aliased(MlContext *ctx)
{
	enum {N = 60};
	double	   *x = ml_alloc_array(ctx, N * 4, sizeof(double));
	double	   *y = ml_alloc_array(ctx, N, sizeof(double));
	Fit			fit;
	Fit			without;

	for (int i = 0; i < N; i++)
	{
		x[i] = noise((size_t) i, 0);
		x[N + i] = noise((size_t) i, 1);
		x[2 * N + i] = 2 * x[i] - 3 * x[N + i] + 5;
		x[3 * N + i] = noise((size_t) i, 3);
		y[i] = 1 + x[i] - x[N + i] + 2 * x[3 * N + i] + noise((size_t) i, 9);
	}
	fit = fit_rows(ctx, N, 4, x, y, NULL, NULL);
	CHECK(fit.nrows == 5);
	CHECK(isnan(fit.rows[3].estimate) && isnan(fit.rows[3].std_error) && isnan(fit.rows[3].p_value) && isnan(fit.rows[3].ci_low));
	CHECK(fit.coef[2] == 0);
	CHECK(statistic(ctx, &fit, "df_residual") == N - 4);
	memmove(x + 2 * N, x + 3 * N, N * sizeof(double));
	without = fit_rows(ctx, N, 3, x, y, NULL, NULL);
	for (int j = 0; j < 4; j++)
	{
		CHECK_NEAR(fit.rows[j < 3 ? j : 4].estimate, without.rows[j].estimate, 1e-11);
		CHECK_NEAR(fit.rows[j < 3 ? j : 4].std_error, without.rows[j].std_error, 1e-11);
	}
	CHECK_NEAR(statistic(ctx, &fit, "r2"), statistic(ctx, &without, "r2"), 1e-12);
	/* a penalty makes every column one of its own */
	fit = fit_rows(ctx, N, 3, x, y, NULL, "{\"l2\": 0.5}");
	CHECK(isfinite(fit.rows[3].estimate));
}

/* As many unknowns as rows or more: an exact fit, no errors. */
static void
test_more_columns_than_rows(MlContext *ctx)
{
	double	   *x = noise_columns(ctx, 5, 8);
	double	   *y = noisy_target(ctx, 5, 8, x);
	Fit			fit = fit_rows(ctx, 5, 8, x, y, NULL, NULL);

	CHECK(fit.nrows == 9);
	CHECK(statistic(ctx, &fit, "df_residual") == 0);
	CHECK(isnan(statistic(ctx, &fit, "sigma")) && isnan(statistic(ctx, &fit, "adj_r2")) && isnan(statistic(ctx, &fit, "f_statistic")));
	CHECK(statistic(ctx, &fit, "rss") < 1e-25);
	for (int i = 0; i < 5; i++)
	{
		double		predicted = fit.intercept;

		for (int j = 0; j < 8; j++)
			predicted += fit.coef[j] * x[j * 5 + i];
		CHECK_NEAR(predicted, y[i], 1e-12);
		CHECK(isnan(fit.rows[i].std_error) && isnan(fit.rows[i].p_value));
	}
}

/* ---------------------------------------------------------------- ridge */

/* (X'X + l2 I) c = X'y about the means, by Cholesky. */
static void
test_ridge(MlContext *ctx)
{
	enum {N = 200, P = 4};
	double	   *x = noise_columns(ctx, N, P);
	double	   *y = noisy_target(ctx, N, P, x);
	Fit			fit = fit_rows(ctx, N, P, x, y, NULL, "{\"l2\": 7.5}");
	double		a[P * P] = {0};
	double		b[P] = {0};
	double		means[P] = {0};
	double		mean = 0;

	for (int i = 0; i < N; i++)
	{
		mean += y[i] / N;
		for (int j = 0; j < P; j++)
			means[j] += x[j * N + i] / N;
	}
	for (int j = 0; j < P; j++)
		for (int i = 0; i < N; i++)
		{
			b[j] += (x[j * N + i] - means[j]) * (y[i] - mean);
			for (int k = 0; k < P; k++)
				a[j + k * P] += (x[j * N + i] - means[j]) * (x[k * N + i] - means[k]);
		}
	for (int j = 0; j < P; j++)
		a[j + j * P] += 7.5;
	ml_linalg_open(ctx);
	CHECK(ml_cholesky(a, P, P));
	ml_cholesky_solve(a, P, P, b);
	for (int j = 0; j < P; j++)
	{
		CHECK_NEAR(fit.coef[j], b[j], 1e-11);
		mean -= b[j] * means[j];
	}
	CHECK_NEAR(fit.intercept, mean, 1e-11);
}

/* An endless penalty leaves the mean. */
static void
test_ridge_limits(MlContext *ctx)
{
	double	   *x = noise_columns(ctx, 100, 2);
	double	   *y = noisy_target(ctx, 100, 2, x);
	double		mean = 0;
	Fit			none = fit_rows(ctx, 100, 2, x, y, NULL, "{\"l2\": 0}");
	Fit			tiny = fit_rows(ctx, 100, 2, x, y, NULL, "{\"l2\": 1e-14}");
	Fit			huge = fit_rows(ctx, 100, 2, x, y, NULL, "{\"l2\": 1e300}");

	for (int i = 0; i < 100; i++)
		mean += y[i] / 100;
	CHECK_NEAR(tiny.coef[0], none.coef[0], 1e-11);
	CHECK(fabs(huge.coef[0]) < 1e-100 && fabs(huge.coef[1]) < 1e-100);
	CHECK_NEAR(huge.intercept, mean, 1e-12);
	CHECK(!ml_linear_regression.wants_scaling(ml_params_parse(ctx, &ml_linear_regression, NULL)));
	CHECK(ml_linear_regression.wants_scaling(ml_params_parse(ctx, &ml_linear_regression, "{\"l2\": 1}")));
}

/* ---------------------------------------------------------------- weights, scales */

/* Integer weights are rows that come that many times, but for the degrees of freedom. */
static void
test_weights(MlContext *ctx)
{
	enum {N = 90, P = 3};
	double	   *x = noise_columns(ctx, N, P);
	double	   *y = noisy_target(ctx, N, P, x);
	double	   *weight = ml_alloc_array(ctx, N, sizeof(double));
	double	   *many = ml_alloc_array(ctx, 3 * N * P, sizeof(double));
	double	   *targets = ml_alloc_array(ctx, 3 * N, sizeof(double));
	size_t		total = 0;
	double		log_weights = 0;
	Fit			weighted;
	Fit			repeated;

	for (int i = 0; i < N; i++)
	{
		weight[i] = 1 + i % 3;
		log_weights += log(weight[i]);
		total += (size_t) weight[i];
	}
	for (int j = 0; j < P; j++)
	{
		size_t		at = 0;

		for (int i = 0; i < N; i++)
			for (int k = 0; k <= i % 3; k++, at++)
			{
				many[(size_t) j * total + at] = x[j * N + i];
				targets[at] = y[i];
			}
	}
	weighted = fit_rows(ctx, N, P, x, y, weight, NULL);
	repeated = fit_rows(ctx, total, P, many, targets, NULL, NULL);
	for (int j = 0; j <= P; j++)
	{
		CHECK_NEAR(weighted.rows[j].estimate, repeated.rows[j].estimate, 1e-11);
		CHECK_NEAR(weighted.rows[j].std_error / sqrt((double) (total - P - 1)), repeated.rows[j].std_error / sqrt((double) (N - P - 1)), 1e-11);
	}
	CHECK_NEAR(statistic(ctx, &weighted, "r2"), statistic(ctx, &repeated, "r2"), 1e-12);
	CHECK(statistic(ctx, &weighted, "n") == N);
	CHECK_NEAR(statistic(ctx, &weighted, "log_likelihood"),
			   -N / 2.0 * (log(2 * M_PI * statistic(ctx, &weighted, "rss") / N) + 1) + log_weights / 2, 1e-12);
	/* a weight of zero is no row */
	weight[4] = 0;
	weighted = fit_rows(ctx, N, P, x, y, weight, NULL);
	CHECK(statistic(ctx, &weighted, "n") == N - 1 && statistic(ctx, &weighted, "df_residual") == N - 1 - P - 1);
}

/* Scaling inside changes nothing of what is told about the columns as given. */
static void
test_scaled(MlContext *ctx)
{
	enum {N = 120, P = 3};
	static const double center[P] = {0.25, -3, 10};
	static const double scale[P] = {2, 0.125, 30};
	double	   *x = noise_columns(ctx, N, P);
	double	   *y = noisy_target(ctx, N, P, x);
	double	   *scaled = ml_alloc_array(ctx, N * P, sizeof(double));
	Fit			given = fit_rows(ctx, N, P, x, y, NULL, NULL);
	Fit			inside;

	for (int j = 0; j < P; j++)
		for (int i = 0; i < N; i++)
			scaled[j * N + i] = (x[j * N + i] - center[j]) / scale[j];
	inside = fit_scaled(ctx, N, P, scaled, y, NULL, center, scale, NULL);
	for (int j = 0; j <= P; j++)
	{
		CHECK_NEAR(inside.rows[j].estimate, given.rows[j].estimate, 1e-11);
		CHECK_NEAR(inside.rows[j].std_error, given.rows[j].std_error, 1e-11);
		CHECK_NEAR(inside.rows[j].p_value, given.rows[j].p_value, 1e-7);
	}
	CHECK_NEAR(statistic(ctx, &inside, "aic"), statistic(ctx, &given, "aic"), 1e-12);
}

/* ---------------------------------------------------------------- many rows, large numbers */

/* Many rows go the way of double precision and all threads; the same answer, the same bits on any number of them. */
static void
test_many_rows(MlContext *ctx)
{
	enum {N = 60000, P = 5};
	double	   *x = noise_columns(ctx, N, P);
	double	   *y = noisy_target(ctx, N, P, x);
	Fit			one = fit_rows(ctx, N, P, x, y, NULL, NULL);
	double		a[(P + 1) * (P + 1)] = {0};
	double		b[P + 1] = {0};

	/* noise between -1/2 and 1/2 is centred and well conditioned: the normal equations will do */
	for (size_t i = 0; i < N; i++)
		for (int j = 0; j <= P; j++)
		{
			double		xj = j == 0 ? 1 : x[(size_t) (j - 1) * N + i];

			b[j] += xj * y[i];
			for (int k = 0; k <= P; k++)
				a[j + k * (P + 1)] += xj * (k == 0 ? 1 : x[(size_t) (k - 1) * N + i]);
		}
	ml_linalg_open(ctx);
	CHECK(ml_cholesky(a, P + 1, P + 1));
	ml_cholesky_solve(a, P + 1, P + 1, b);
	for (int j = 0; j <= P; j++)
		CHECK_NEAR(one.rows[j].estimate, b[j], 1e-10);
	for (int threads = 2; threads <= 8; threads *= 2)
	{
		Fit			more = fit_rows(unit_context(threads), N, P, x, y, NULL, NULL);

		CHECK(memcmp(more.coef, one.coef, P * sizeof(double)) == 0 && more.intercept == one.intercept);
		for (int j = 0; j <= P; j++)
			CHECK(more.rows[j].std_error == one.rows[j].std_error);
	}
}

static void
test_large_numbers(MlContext *ctx)
{
	double		x[] = {1e307, -1.5e308, 1.2e308, 0};
	double		y[] = {1, 2, 3, 4};
	double		small[] = {1e-300, 2e-300, 3e-300, 5e-300};
	Fit			fit;

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit_rows(ctx, 4, 1, (double[]) {1.7e308, -1.7e308, 1.7e308, -1.7e308}, y, NULL, NULL));
	CHECK(strstr(unit_error.message, "too large") != NULL && unit_error.hint[0] != '\0');
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit_rows(ctx, 4, 1, y, (double[]) {1.7e308, -1.7e308, 1.7e308, -1.7e308}, NULL, NULL));
	/* the squares overflow, the lengths do not */
	fit = fit_rows(ctx, 4, 1, (double[]) {x[0] / 10, x[1] / 10, x[2] / 10, 0}, y, NULL, NULL);
	CHECK(isfinite(fit.rows[1].estimate) && isfinite(fit.rows[0].estimate));
	fit = fit_rows(ctx, 4, 1, small, y, NULL, NULL);
	CHECK_NEAR(fit.rows[1].estimate, 6.5 / 8.75e-300, 1e-12);
}

/* A payload of one column with these numbers, loaded. */
static void *
load_payload(MlContext *ctx, double coef, size_t coefs, double intercept)
{
	static const double zero[] = {0, 0};
	static const int32_t aliased[] = {0};
	MlShape		shape = {.columns = 1,.task = ML_TASK_REGRESSION,.center = zero,.scale = zero};
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_f64s(w, "coef", &coef, coefs);
	ml_write_double(w, "intercept", intercept);
	ml_write_bool(w, "has_intercept", true);
	ml_write_f64s(w, "std_error", zero, 2);
	ml_write_i32s(w, "aliased", aliased, 1);
	ml_write_object(w, "statistics");
	ml_write_double(w, "df_residual", 3);
	ml_write_end(w);
	return ml_linear_regression.load(ctx, ml_document_root(ml_writer_finish(w, &size)), &shape);
}

/* A payload whose numbers are none is refused. */
static void
test_corrupted(MlContext *ctx)
{
	CHECK(load_payload(ctx, 1, 1, 1) != NULL);
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, load_payload(ctx, NAN, 1, 1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, load_payload(ctx, -INFINITY, 1, 1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, load_payload(ctx, 1, 0, 1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, load_payload(ctx, 1, 1, INFINITY));
}

UNIT_MAIN(test_line, test_exact_line_far_away, test_normal_equations, test_without_intercept, test_aliased,
		  test_more_columns_than_rows, test_ridge, test_ridge_limits, test_weights, test_scaled, test_many_rows,
		  test_large_numbers, test_corrupted)
