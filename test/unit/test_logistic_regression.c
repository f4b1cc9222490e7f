/*
 * Logistic regression: reference values, derivatives against finite differences, and what must
 * hold whatever the data.
 */
#include "unit.h"

#include "base/distributions.h"
#include "base/random.h"
#include "learn/logistic_internal.h"
#include "golden_logistic.h"

extern const MlAlgorithm ml_logistic_regression;

/* Rows in memory, prepared columns one after the other. */
typedef struct Rows
{
	size_t		n;
	int			p;
	int			classes;
	double	   *x;				/* [n x p] */
	double	   *y;
	double	   *w;				/* or NULL */
	double	   *center;
	double	   *scale;
	MlDesign	design;
} Rows;

/* A fit and what comes of it. */
typedef struct Fit
{
	const MlNode *payload;
	size_t		size;
	MlShape		shape;
	void	   *loaded;
	MlCoefficient *c;
	size_t		count;
} Fit;

static const LogisticParams defaults = {.l2 = 1,.fit_intercept = true,.max_iter = 100,.tol = 1e-8};

static void
read_rows(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	const Rows *rows = design->source;

	for (int j = 0; j < rows->p; j++)
		memcpy(x + (size_t) j * ldx, rows->x + (size_t) j * rows->n + begin, n * sizeof(double));
}

/* Space for n rows; columns as they are. */
static Rows *
rows_create(MlContext *ctx, size_t n, int p, int classes)
{
	Rows	   *rows = ml_alloc_zero(ctx, sizeof(Rows));

	rows->n = n;
	rows->p = p;
	rows->classes = classes;
	rows->x = ml_alloc_array_zero(ctx, n * (size_t) p + 1, sizeof(double));
	rows->y = ml_alloc_array_zero(ctx, n, sizeof(double));
	rows->center = ml_alloc_array_zero(ctx, (size_t) p + 1, sizeof(double));
	rows->scale = ml_alloc_array_zero(ctx, (size_t) p + 1, sizeof(double));
	for (int j = 0; j < p; j++)
		rows->scale[j] = 1;
	return rows;
}

static const MlDesign *
rows_design(Rows *rows)
{
	rows->design = (MlDesign) {
		.rows = rows->n,.columns = rows->p,.target = rows->y,.weight = rows->w,
		.task = rows->classes == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS,.classes = rows->classes,
		.center = rows->center,.scale = rows->scale,.read = read_rows,.source = rows
	};
	return &rows->design;
}

/* Standardise columns as the preparation does: mean, population deviation. */
static void
rows_standardise(Rows *rows)
{
	for (int j = 0; j < rows->p; j++)
	{
		double	   *x = rows->x + (size_t) j * rows->n;
		double		mean = 0;
		double		square = 0;

		for (size_t i = 0; i < rows->n; i++)
			mean += x[i] / (double) rows->n;
		for (size_t i = 0; i < rows->n; i++)
			square += (x[i] - mean) * (x[i] - mean) / (double) rows->n;
		rows->center[j] = mean;
		rows->scale[j] = sqrt(square);
		for (size_t i = 0; i < rows->n; i++)
			x[i] = (x[i] - mean) / rows->scale[j];
	}
}

/* Rows of a row-major table for which keep (NULL: all) says so. */
static Rows *
rows_from(MlContext *ctx, const double *table, const double *y, size_t n, int columns,
		  const int *which, int p, int classes, bool (*keep) (size_t row))
{
	size_t		kept = 0;
	size_t		at = 0;
	Rows	   *rows;

	for (size_t i = 0; i < n; i++)
		kept += keep == NULL || keep(i);
	rows = rows_create(ctx, kept, p, classes);
	for (size_t i = 0; i < n; i++)
	{
		if (keep != NULL && !keep(i))
			continue;
		rows->y[at] = y[i];
		for (int j = 0; j < p; j++)
			rows->x[at + (size_t) j * kept] = table[i * (size_t) columns + (size_t) (which != NULL ? which[j] : j)];
		at++;
	}
	return rows;
}

/* Random rows: correlated columns, classes drawn from a logistic model with effects of this size. */
static Rows *
rows_random(MlContext *ctx, size_t n, int p, int classes, double effect, uint64_t seed)
{
	Rows	   *rows = rows_create(ctx, n, p, classes);
	MlRandom	random;

	ml_random_seed(&random, seed);
	for (size_t i = 0; i < n; i++)
	{
		double		common = ml_random_double(&random) - 0.5;
		double		best = -INFINITY;

		for (int j = 0; j < p; j++)
			rows->x[i + (size_t) j * n] = common + 3 * (ml_random_double(&random) - 0.5);
		for (int c = 0; c < classes; c++)
		{
			double		z = 0.3 * c - log(-log(ml_random_double(&random) + 1e-300));

			for (int j = 0; j < p; j++)
				z += effect * sin(1.0 + 2.3 * c + 0.7 * j) * rows->x[i + (size_t) j * n];
			if (z > best)
			{
				best = z;
				rows->y[i] = c;
			}
		}
	}
	return rows;
}

static Fit
fit_rows(MlContext *ctx, Rows *rows, const LogisticParams *params)
{
	MlWriter   *writer = ml_writer_create(ctx);
	Fit			fit;
	void	   *bytes;

	ml_logistic_regression.fit(ctx, rows_design(rows), params, writer);
	bytes = ml_writer_finish(writer, &fit.size);
	CHECK(ml_document_check(bytes, fit.size) == NULL);
	fit.payload = ml_document_root(bytes);
	fit.shape = (MlShape) {.columns = rows->p,.task = rows->design.task,.classes = rows->classes,
		.center = rows->center,.scale = rows->scale};
	fit.loaded = ml_logistic_regression.load(ctx, fit.payload, &fit.shape);
	fit.count = ml_logistic_regression.coefficients(ctx, fit.loaded, &fit.shape, &fit.c);
	return fit;
}

static const MlNode *
fit_statistic(const Fit *fit, const char *key)
{
	return ml_node_find(ml_node_find(fit->payload, "statistics"), key);
}

static double
fit_number(const Fit *fit, const char *key)
{
	return ml_node_double(fit_statistic(fit, key));
}

static bool
fit_converged(const Fit *fit)
{
	return ml_node_bool(fit_statistic(fit, "converged"));
}

/* Intercept (0) and coefficients on the scale of the prepared columns, class by class. */
static double
prepared(const Fit *fit, int klass, int j)
{
	const double *intercept = ml_node_array(ml_node_find(fit->payload, "intercept"));
	const double *coef = ml_node_array(ml_node_find(fit->payload, "coef"));

	return j == 0 ? intercept[klass] : coef[klass * fit->shape.columns + j - 1];
}

/* The penalised objective of a fit. */
static double
fit_objective(const Fit *fit, double l2)
{
	double		value = -fit_number(fit, "log_likelihood");
	int			rows = fit->shape.classes == 2 ? 1 : fit->shape.classes;

	for (int c = 0; c < rows; c++)
		for (int j = 1; j <= fit->shape.columns; j++)
			value += 0.5 * l2 * prepared(fit, c, j) * prepared(fit, c, j);
	return value;
}

/* Are two fits' payloads the same bytes? */
static bool
same_payload(const Fit *a, const Fit *b)
{
	static const char *const keys[] = {"intercept", "coef", "std_error"};

	for (int i = 0; i < 3; i++)
	{
		const MlNode *na = ml_node_find(a->payload, keys[i]);
		const MlNode *nb = ml_node_find(b->payload, keys[i]);

		if ((na == NULL) != (nb == NULL))
			return false;
		if (na != NULL && (ml_node_count(na) != ml_node_count(nb)
						   || memcmp(ml_node_array(na), ml_node_array(nb), 8 * ml_node_count(na)) != 0))
			return false;
	}
	return fit_number(a, "log_likelihood") == fit_number(b, "log_likelihood");
}

/* ---- reference values ---- */

static void
test_cancer_penalised(MlContext *ctx)
{
	static const double l2[] = {100, 1, 0.01};
	static const double *const coef[] = {cancer_coef_l2_100, cancer_coef_l2_1, cancer_coef_l2_001};
	const double objective[] = {cancer_objective_l2_100, cancer_objective_l2_1, cancer_objective_l2_001};

	for (int k = 0; k < 3; k++)
	{
		Rows	   *rows = rows_from(ctx, cancer_x, cancer_y, CANCER_ROWS, CANCER_COLUMNS, NULL,
									 CANCER_COLUMNS, 2, NULL);
		LogisticParams params = defaults;
		Fit			fit;

		rows_standardise(rows);
		params.l2 = l2[k];
		fit = fit_rows(ctx, rows, &params);
		CHECK(fit_converged(&fit));
		for (int j = 0; j <= CANCER_COLUMNS; j++)
			CHECK_NEAR(prepared(&fit, 0, j), coef[k][j], 1e-7);
		CHECK_NEAR(fit_objective(&fit, l2[k]), objective[k], 1e-12);
	}
	CHECK(unit_warnings(ctx) == 0);
}

static bool
not_fifth(size_t row)
{
	return (row + 1) % 5 != 0;
}

static bool
fifth(size_t row)
{
	return (row + 1) % 5 == 0;
}

static void
test_cancer_split(MlContext *ctx)
{
	Rows	   *rows = rows_from(ctx, cancer_x, cancer_y, CANCER_ROWS, CANCER_COLUMNS, NULL,
								 CANCER_COLUMNS, 2, not_fifth);
	Rows	   *others = rows_from(ctx, cancer_x, cancer_y, CANCER_ROWS, CANCER_COLUMNS, NULL,
								   CANCER_COLUMNS, 2, fifth);
	double	   *out = ml_alloc_array(ctx, 2 * others->n, sizeof(double));
	Fit			fit;

	rows_standardise(rows);
	for (int j = 0; j < CANCER_COLUMNS; j++)
		for (size_t i = 0; i < others->n; i++)
			others->x[i + (size_t) j * others->n] =
				(others->x[i + (size_t) j * others->n] - rows->center[j]) / rows->scale[j];
	fit = fit_rows(ctx, rows, &defaults);
	for (int j = 0; j <= CANCER_COLUMNS; j++)
		CHECK_NEAR(prepared(&fit, 0, j), cancer_split_coef[j], 1e-7);
	ml_logistic_regression.score(fit.loaded, others->x, others->n, others->n, out, others->n);
	CHECK(others->n == sizeof cancer_split_probability / sizeof(double));
	for (size_t i = 0; i < others->n; i++)
	{
		CHECK_NEAR(out[i + others->n], cancer_split_probability[i], 1e-8);
		CHECK_NEAR(out[i], 1 - out[i + others->n], 1e-8);
	}
}

/* What ml_coefficients and the payload say against statsmodels' Logit. */
static void
check_inference(const Fit *fit, int n, const double *coef, const double *std_error, const double *z,
				const double *p, const double (*ci)[2], const double *likelihood)
{
	CHECK(fit_converged(fit));
	CHECK(fit->count == (size_t) n);
	for (int j = 0; j < n && j < (int) fit->count; j++)
	{
		const MlCoefficient *c = &fit->c[j];

		CHECK(c->klass == 1 && c->column == j - 1);
		CHECK_NEAR(c->estimate, coef[j], 1e-7);
		CHECK_NEAR(c->std_error, std_error[j], 1e-7);
		CHECK_NEAR(c->statistic, z[j], 1e-7);
		CHECK_NEAR(c->p_value, p[j], 1e-5);
		CHECK_NEAR(c->ci_low, ci[j][0], 1e-6);
		CHECK_NEAR(c->ci_high, ci[j][1], 1e-6);
	}
	CHECK_NEAR(fit_number(fit, "log_likelihood"), likelihood[0], 1e-10);

	/* A closed form here, an iteration there. */
	CHECK_NEAR(fit_number(fit, "null_log_likelihood"), likelihood[1], 1e-9);
	CHECK_NEAR(fit_number(fit, "aic"), likelihood[2], 1e-10);
	CHECK_NEAR(fit_number(fit, "bic"), likelihood[3], 1e-10);
	CHECK_NEAR(fit_number(fit, "mcfadden_r2"), likelihood[4], 1e-9);
	CHECK_NEAR(fit_number(fit, "lr_chi2"), likelihood[5], 1e-9);
	CHECK(fit_number(fit, "lr_df") == n - 1);

	/* 564 in the exponent: a part in 1e10 of the ratio is one in 1e8 here. */
	CHECK_NEAR(fit_number(fit, "lr_p_value"), likelihood[6], 1e-6);
}

/* Columns as they are, then standardised: estimates are on the scale given either way. */
static void
test_cancer_free(MlContext *ctx)
{
	static const int which[] = {0, 1, 4};
	LogisticParams params = defaults;

	params.l2 = 0;
	for (int standardise = 0; standardise < 2; standardise++)
	{
		Rows	   *rows = rows_from(ctx, cancer_x, cancer_y, CANCER_ROWS, CANCER_COLUMNS, which, 3, 2, NULL);
		Fit			fit;

		if (standardise)
			rows_standardise(rows);
		fit = fit_rows(ctx, rows, &params);
		check_inference(&fit, 4, cancer_free_coef, cancer_free_std_error, cancer_free_z, cancer_free_p,
						cancer_free_ci, cancer_free_likelihood);
	}
	CHECK(unit_warnings(ctx) == 0);
}

static bool
not_setosa(size_t row)
{
	return row >= 50;
}

/* Virginica (1) against versicolor (0). */
static Rows *
iris_pair(MlContext *ctx)
{
	Rows	   *rows = rows_from(ctx, iris_x, iris_y, IRIS_ROWS, IRIS_COLUMNS, NULL, IRIS_COLUMNS, 2, not_setosa);

	for (size_t i = 0; i < rows->n; i++)
		rows->y[i] -= 1;
	return rows;
}

static void
test_iris_pair(MlContext *ctx)
{
	LogisticParams params = defaults;
	Rows	   *rows = iris_pair(ctx);
	Fit			fit = fit_rows(ctx, rows, &params);

	for (int j = 0; j <= IRIS_COLUMNS; j++)
		CHECK_NEAR(prepared(&fit, 0, j), iris_pair_coef[j], 1e-7);
	params.l2 = 0;
	for (int standardise = 0; standardise < 2; standardise++)
	{
		if (standardise)
			rows_standardise(rows);
		fit = fit_rows(ctx, rows, &params);
		check_inference(&fit, 5, iris_free_coef, iris_free_std_error, iris_free_z, iris_free_p,
						iris_free_ci, iris_free_likelihood);
	}
}

static void
check_iris_multi(MlContext *ctx, double l2, const double coef[3][5], const double probability[3][3],
				 double objective)
{
	Rows	   *rows = rows_from(ctx, iris_x, iris_y, IRIS_ROWS, IRIS_COLUMNS, NULL, IRIS_COLUMNS, 3, NULL);
	LogisticParams params = defaults;
	double	   *out = ml_alloc_array(ctx, 3 * rows->n, sizeof(double));
	Fit			fit;

	params.l2 = l2;
	fit = fit_rows(ctx, rows, &params);
	CHECK(fit_converged(&fit));
	CHECK(fit.count == 15);
	for (int c = 0; c < 3; c++)
		for (int j = 0; j < 5; j++)
		{
			const MlCoefficient *row = &fit.c[c * 5 + j];

			CHECK_NEAR(prepared(&fit, c, j), coef[c][j], 1e-6);
			CHECK(row->klass == c && row->column == j - 1 && isnan(row->std_error) && isnan(row->p_value));
			CHECK_NEAR(row->estimate, coef[c][j], 1e-6);
		}
	CHECK_NEAR(fit_objective(&fit, l2), objective, 1e-12);
	ml_logistic_regression.score(fit.loaded, rows->x, rows->n, rows->n, out, rows->n);
	for (size_t c = 0; c < 3; c++)
		for (size_t k = 0; k < 3; k++)
			CHECK_NEAR(out[50 * c + k * rows->n], probability[c][k], 1e-6);
}

static void
test_iris_multi(MlContext *ctx)
{
	check_iris_multi(ctx, 10, iris_multi_coef_l2_10, iris_multi_probability_l2_10, iris_multi_objective_l2_10);
	check_iris_multi(ctx, 1, iris_multi_coef_l2_1, iris_multi_probability_l2_1, iris_multi_objective_l2_1);
	check_iris_multi(ctx, 0.1, iris_multi_coef_l2_01, iris_multi_probability_l2_01, iris_multi_objective_l2_01);
	CHECK(unit_warnings(ctx) == 0);
}

/* ---- kernels and derivatives ---- */

/* Probabilities and losses against the C library's exp and log1p, over the whole range. */
static void
test_kernels(MlContext *ctx)
{
	double		z[16];
	double		p0[16];
	double		p1[16];
	double		y[8] = {1, 0, 1, 0, 1, 0, 1, 0};
	double		w[8] = {0};
	double		g[8];
	double		h[8];

	(void) ctx;
	for (double t = 1e-9; t < 2000; t *= 1.0137)
	{
		for (int sign = -1; sign <= 1; sign += 2)
		{
			double		e = exp(-t < -708 ? -708 : -t);

			for (int i = 0; i < 8; i++)
			{
				z[i] = sign * t;
				w[i] = i < 1;
			}
			memcpy(p1, z, sizeof p1);
			logistic_sigmoid(p0, p1, 8);
			CHECK_NEAR(p1[3], sign > 0 ? 1 / (1 + e) : e / (1 + e), 5e-16);
			CHECK_NEAR(p0[3], sign < 0 ? 1 / (1 + e) : e / (1 + e), 5e-16);
			CHECK_NEAR(logistic_link_binary(z, y, w, 8, g, h), log1p(e) + (sign < 0 ? t : 0), 1e-15);
			CHECK_NEAR(g[0], sign > 0 ? -e / (1 + e) : -1 / (1 + e), 5e-16);
			CHECK_NEAR(h[0], e / (1 + e) / (1 + e), 1e-15);
			CHECK(g[1] == 0 && h[1] == 0);
		}
	}
	z[0] = 0;
	logistic_sigmoid(p0, z, 1);
	CHECK(z[0] == 0.5 && p0[0] == 0.5);
}

/* Penalised objective at b, with all that a pass of this kind gives. */
static double
objective_at(Problem *problem, const double *b, PassKind kind, Evaluation *out)
{
	Level		level = {.stride = 1,.scale = 1,.final = true};

	logistic_evaluate(problem, kind, &level, b, NULL, out);
	return out->objective;
}

/* Element of the penalised Hessian as passes give it. */
static double
hessian_at(const Problem *problem, const double *hessian, size_t u, size_t v)
{
	int			d = problem->d;
	int			a = (int) (u / (size_t) d);
	int			b = (int) (v / (size_t) d);
	int			i = (int) (u % (size_t) d);
	int			j = (int) (v % (size_t) d);
	size_t		block = a > b ? logistic_pair(a, b) : logistic_pair(b, a);
	double		value = hessian[block * logistic_triangle(d)
								+ (i > j ? logistic_packed(d, i, j) : logistic_packed(d, j, i))];

	return u == v ? value + logistic_penalty(problem, j) : value;
}

/* All passes of one problem against central differences of the objective and of the gradient. */
static void
check_derivatives(MlContext *ctx, int classes, bool intercept, bool weighted)
{
	Rows	   *rows = rows_random(ctx, 1003, 7, classes, 0.5, 5);
	LogisticParams params = {.l2 = 2.5,.fit_intercept = intercept,.max_iter = 100,.tol = 1e-8};
	Level		level = {.stride = 1,.scale = 1,.final = true};
	Problem		problem;
	MlRandom	random;
	double	   *b;
	double	   *v;
	Evaluation	at;
	Evaluation	up;
	Evaluation	down;
	Evaluation	other;

	if (weighted)
	{
		rows->w = ml_alloc_array(ctx, rows->n, sizeof(double));
		for (size_t i = 0; i < rows->n; i++)
			rows->w[i] = (double) (i % 4) * 0.75;
	}
	for (int j = 0; j < rows->p; j++)
		rows->center[j] = 0.1 * j;
	b = logistic_problem_init(&problem, ctx, rows_design(rows), &params);
	v = ml_alloc_array(ctx, problem.unknowns, sizeof(double));
	ml_random_seed(&random, 17);
	for (size_t i = 0; i < problem.unknowns; i++)
	{
		b[i] += ml_random_double(&random) - 0.5;
		v[i] = ml_random_double(&random) - 0.5;
	}
	at = logistic_evaluation_create(&problem, PASS_HESSIAN);
	up = logistic_evaluation_create(&problem, PASS_HESSIAN);
	down = logistic_evaluation_create(&problem, PASS_HESSIAN);
	other = logistic_evaluation_create(&problem, PASS_HESSIAN);
	objective_at(&problem, b, PASS_HESSIAN, &at);
	for (size_t u = 0; u < problem.unknowns; u++)
	{
		double		step = 1e-5;
		double		keep = b[u];
		double		slope;

		b[u] = keep + step;
		slope = objective_at(&problem, b, PASS_GRADIENT, &up);
		b[u] = keep - step;
		slope = (slope - objective_at(&problem, b, PASS_GRADIENT, &down)) / (2 * step);
		b[u] = keep;
		CHECK(fabs(slope - at.gradient[u]) < 1e-6 * fmax(1, fabs(slope)));
		for (size_t t = 0; t < problem.unknowns; t++)
			CHECK(fabs((up.gradient[t] - down.gradient[t]) / (2 * step)
					   - hessian_at(&problem, at.hessian, u, t)) < 1e-5);
	}

	/* The other passes against the Hessian itself. */
	logistic_evaluate(&problem, PASS_PRODUCT, &level, b, v, &other);
	for (size_t u = 0; u < problem.unknowns; u++)
	{
		double		sum = 0;

		for (size_t t = 0; t < problem.unknowns; t++)
			sum += hessian_at(&problem, at.hessian, u, t) * v[t];
		CHECK(fabs(sum - other.gradient[u]) < 1e-10 * fmax(1, fabs(sum)));
	}
	logistic_evaluate(&problem, PASS_DIAGONAL, &level, b, NULL, &other);
	for (size_t u = 0; u < problem.unknowns; u++)
		CHECK_NEAR(other.hessian[u] + logistic_penalty(&problem, (int) u % problem.d),
				   hessian_at(&problem, at.hessian, u, u), 1e-12);
	logistic_evaluate(&problem, PASS_TRACE, &level, b, NULL, &other);
	for (size_t i = 0; i < logistic_triangle(problem.d); i++)
	{
		double		sum = 0;

		for (int c = 0; c < problem.k; c++)
			sum += at.hessian[logistic_pair(c, c) * logistic_triangle(problem.d) + i] / problem.k;
		CHECK(fabs(other.hessian[i] - sum) < 1e-10 * fmax(1, fabs(sum)));
	}
}

static void
test_derivatives(MlContext *ctx)
{
	check_derivatives(ctx, 2, true, false);
	check_derivatives(ctx, 2, false, true);
	check_derivatives(ctx, 4, true, true);
	check_derivatives(ctx, 3, false, false);
}

/* Three dense columns, and p - 3 of which a row has two or three that are 1 or -0.5. */
static Rows *
rows_sparse(MlContext *ctx, size_t n, int p, int classes)
{
	Rows	   *rows = rows_random(ctx, n, p, classes, 0, 13);
	MlRandom	random;

	ml_random_seed(&random, 14);
	for (size_t i = 0; i < n; i++)
	{
		for (int j = 3; j < p; j++)
			rows->x[i + (size_t) j * n] = 0;
		for (int k = 0; k < 3; k++)
			rows->x[i + (3 + ml_random_below(&random, (uint64_t) p - 3)) * n] = k < 2 ? 1 : -0.5;
		rows->y[i] = (double) ml_random_below(&random, (uint64_t) classes);
		if (rows->x[i] + rows->x[i + 5 * n] > 0.5)
			rows->y[i] = classes - 1;
	}
	return rows;
}

/* The Hessian of blocks with sparse columns against its definition; dense columns between them. */
static void
test_sparse(MlContext *ctx)
{
	for (int classes = 2; classes <= 3; classes++)
	{
		Rows	   *rows = rows_sparse(ctx, 1000, 50, classes);
		Problem		problem;
		Evaluation	at;
		double	   *b;
		double	   *want;
		MlRandom	random;
		int			k = classes == 2 ? 1 : classes;

		/* A dense column in the middle. */
		for (size_t i = 0; i < rows->n; i++)
			rows->x[i + 30 * rows->n] = cos((double) i);
		b = logistic_problem_init(&problem, ctx, rows_design(rows), &defaults);
		CHECK(problem.scratch[0].sparse != NULL);
		ml_random_seed(&random, 15);
		for (size_t i = 0; i < problem.unknowns; i++)
			b[i] = ml_random_double(&random) - 0.5;
		at = logistic_evaluation_create(&problem, PASS_HESSIAN);
		objective_at(&problem, b, PASS_HESSIAN, &at);
		CHECK(logistic_sparse_scan(problem.scratch[0].sparse, problem.scratch[0].x, 232));

		want = ml_alloc_array_zero(ctx, problem.unknowns * problem.unknowns, sizeof(double));
		for (size_t i = 0; i < rows->n; i++)
		{
			double		z[3] = {0};
			double		sum = k == 1 ? 1 : 0;

			for (int c = 0; c < k; c++)
			{
				for (int j = 0; j < problem.d; j++)
					z[c] += b[c * problem.d + j] * (j == 0 ? 1 : rows->x[i + (size_t) (j - 1) * rows->n]);
				sum += exp(z[c]);
			}
			for (size_t u = 0; u < problem.unknowns; u++)
				for (size_t v = 0; v <= u; v++)
				{
					size_t		c = u / (size_t) problem.d;
					size_t		e = v / (size_t) problem.d;
					size_t		j = u % (size_t) problem.d;
					size_t		l = v % (size_t) problem.d;
					double		p = exp(z[c]) / sum;
					double		h = p * ((c == e) - exp(z[e]) / sum);

					want[u + v * problem.unknowns] += h * (j == 0 ? 1 : rows->x[i + (j - 1) * rows->n])
						* (l == 0 ? 1 : rows->x[i + (l - 1) * rows->n]);
				}
		}
		for (size_t u = 0; u < problem.unknowns; u++)
			for (size_t v = 0; v <= u; v++)
				CHECK(fabs(hessian_at(&problem, at.hessian, u, v)
						   - (u == v ? logistic_penalty(&problem, (int) u % problem.d) : 0)
						   - want[u + v * problem.unknowns]) < 1e-10);
	}
}

/* ---- solvers ---- */

/* Conjugate gradients come to where the direct method comes. */
static void
test_conjugate_gradients(MlContext *ctx)
{
	for (int classes = 2; classes <= 4; classes += 2)
	{
		Rows	   *rows = rows_random(ctx, 3000, 12, classes, 0.7, 11);
		LogisticParams params = defaults;
		Level		level = {.stride = 1,.scale = 1,.final = true,.max_iter = 100};
		Problem		problem;
		Solver		solver;
		double	   *b;
		Fit			fit;

		params.tol = 1e-12;
		fit = fit_rows(ctx, rows, &params);
		b = logistic_problem_init(&problem, ctx, rows_design(rows), &params);
		solver = logistic_solver_create(&problem, false);
		logistic_evaluate(&problem, PASS_GRADIENT, &level, b, NULL, &solver.now);
		CHECK(logistic_newton_cg(&problem, &level, b, &solver));
		CHECK(problem.largest_gradient <= 1e-12 * 3000);
		for (int c = 0; c < problem.k; c++)
			for (int j = 0; j < problem.d; j++)
				CHECK(fabs(b[c * problem.d + j] - prepared(&fit, c, j)) < 1e-9);
	}
}

/* More unknowns than the direct method takes, fitted by way of the table: the gradient vanishes. */
static void
test_many_unknowns(MlContext *ctx)
{
	Rows	   *wide = rows_random(ctx, 300, 2100, 2, 0.02, 3);
	Rows	   *many = rows_random(ctx, 2000, 130, 9, 0.1, 4);
	Rows	   *both[] = {wide, many};

	for (int k = 0; k < 2; k++)
	{
		LogisticParams params = defaults;
		Fit			fit;
		Problem		problem;
		Evaluation	at;
		double	   *b;

		params.l2 = 10;
		fit = fit_rows(ctx, both[k], &params);
		CHECK(fit_converged(&fit));
		b = logistic_problem_init(&problem, ctx, &both[k]->design, &params);
		CHECK(!problem.direct);
		for (int c = 0; c < problem.k; c++)
			for (int j = 0; j < problem.d; j++)
				b[(size_t) c * (size_t) problem.d + (size_t) j] = prepared(&fit, c, j);
		at = logistic_evaluation_create(&problem, PASS_GRADIENT);
		objective_at(&problem, b, PASS_GRADIENT, &at);
		CHECK(logistic_largest(at.gradient, problem.unknowns) <= 1.01e-8 * (double) both[k]->n);
		CHECK_NEAR(fit_objective(&fit, 10), at.objective, 1e-12);
		for (size_t i = 0; i < fit.count; i++)
			CHECK(isnan(fit.c[i].std_error));
	}
}

/* Rows enough to warm up, sorted so that a sample of blocks misleads: the result is the same. */
static void
test_warm_up(MlContext *ctx)
{
	for (int sorted = 0; sorted < 2; sorted++)
	{
		Rows	   *rows = rows_random(ctx, 140000, 4, 2, 0.8, 21);
		LogisticParams params = defaults;
		Level		level = {.stride = 1,.scale = 1,.final = true};
		Problem		problem;
		Evaluation	at;
		double	   *b;
		Fit			fit;

		/* Every 8th block of 256 rows gets the first class only. */
		for (size_t i = 0; i < rows->n && sorted; i++)
			if (i / 256 % 8 == 0)
				rows->y[i] = 0;
		params.l2 = 0;
		fit = fit_rows(ctx, rows, &params);
		CHECK(fit_converged(&fit));
		b = logistic_problem_init(&problem, ctx, &rows->design, &params);
		for (int j = 0; j < problem.d; j++)
			b[j] = prepared(&fit, 0, j);
		at = logistic_evaluation_create(&problem, PASS_GRADIENT);
		logistic_evaluate(&problem, PASS_GRADIENT, &level, b, NULL, &at);
		CHECK(logistic_largest(at.gradient, problem.unknowns) < 1e-7);
	}
	CHECK(unit_warnings(ctx) == 0);
}

static void
test_threads(MlContext *ctx)
{
	for (int k = 0; k < 4; k++)
	{
		int			classes = 2 + k % 2;
		Rows	   *rows = k < 2 ? rows_random(ctx, 60000, 9, classes, 0.6, 31)
			: rows_sparse(ctx, 20000, 40, classes);
		Fit			one = fit_rows(ctx, rows, &defaults);

		for (int threads = 2; threads <= 4; threads += 2)
		{
			Fit			more = fit_rows(unit_context(threads), rows, &defaults);

			CHECK(same_payload(&one, &more));
		}
		CHECK(fit_converged(&one));
	}
}

/* A weight of three is three equal rows, a weight of zero none. */
static void
test_weights(MlContext *ctx)
{
	for (int classes = 2; classes <= 3; classes++)
	{
		Rows	   *rows = rows_random(ctx, 700, 5, classes, 0.6, 41);
		Rows	   *repeated = rows_create(ctx, 3 * 700 / 4 * 2, 5, classes);
		size_t		at = 0;
		Fit			a;
		Fit			b;

		rows->w = ml_alloc_array(ctx, rows->n, sizeof(double));
		for (size_t i = 0; i < rows->n; i++)
		{
			rows->w[i] = (double) (i % 4);
			for (size_t k = 0; k < i % 4; k++, at++)
			{
				repeated->y[at] = rows->y[i];
				for (size_t j = 0; j < 5; j++)
					repeated->x[at + j * repeated->n] = rows->x[i + j * rows->n];
			}
		}
		CHECK(at == repeated->n);
		a = fit_rows(ctx, rows, &defaults);
		b = fit_rows(ctx, repeated, &defaults);
		CHECK(a.count == b.count);
		for (size_t i = 0; i < a.count; i++)
		{
			CHECK_NEAR(a.c[i].estimate, b.c[i].estimate, 1e-10);
			CHECK_NEAR(a.c[i].std_error, b.c[i].std_error, 1e-10);
		}
		CHECK_NEAR(fit_number(&a, "bic"), fit_number(&b, "bic"), 1e-12);
	}
}

static void
test_separable(MlContext *ctx)
{
	Rows	   *rows = rows_create(ctx, 40, 2, 2);
	LogisticParams params = defaults;
	double		out[80];
	Fit			fit;

	for (size_t i = 0; i < rows->n; i++)
	{
		rows->x[i] = (double) i - 19.5;
		rows->x[i + rows->n] = sin((double) i);
		rows->y[i] = i >= 20;
	}

	/* A penalty makes it a problem like any other. */
	fit = fit_rows(ctx, rows, &params);
	CHECK(fit_converged(&fit) && unit_warnings(ctx) == 0);

	/* Without one: stops, says so, and has numbers all the same. */
	params.l2 = 0;
	fit = fit_rows(ctx, rows, &params);
	CHECK(!fit_converged(&fit) && unit_warnings(ctx) == 1);
	ml_logistic_regression.score(fit.loaded, rows->x, rows->n, rows->n, out, rows->n);
	for (size_t i = 0; i < rows->n; i++)
	{
		CHECK(isfinite(prepared(&fit, 0, 1)));
		CHECK((out[i + rows->n] > 0.5) == (rows->y[i] == 1) && isfinite(out[i]));
	}

	/* Quasi-complete separation: one column tells some rows for sure. */
	for (size_t i = 0; i < rows->n; i++)
	{
		rows->x[i] = i < 10;
		rows->y[i] = i < 10 || i % 3 == 0;
	}
	fit = fit_rows(ctx, rows, &params);
	CHECK(!fit_converged(&fit) && unit_warnings(ctx) == 2);
	CHECK(isfinite(fit_number(&fit, "log_likelihood")));

	/* Three classes. */
	rows->classes = 3;
	for (size_t i = 0; i < rows->n; i++)
	{
		rows->x[i] = (double) i;
		rows->y[i] = (double) (i / 14);
	}
	fit = fit_rows(ctx, rows, &params);
	CHECK(!fit_converged(&fit) && unit_warnings(ctx) == 3);
	params.l2 = 1e-3;
	fit = fit_rows(ctx, rows, &params);
	CHECK(fit_converged(&fit) && unit_warnings(ctx) == 3);
}

static void
test_max_iter(MlContext *ctx)
{
	Rows	   *rows = rows_random(ctx, 500, 3, 2, 1.0, 51);
	LogisticParams params = defaults;
	Fit			fit;

	params.max_iter = 1;
	fit = fit_rows(ctx, rows, &params);
	CHECK(!fit_converged(&fit) && unit_warnings(ctx) == 1);
	CHECK(ml_node_int(fit_statistic(&fit, "n_iter")) == 1);
}

/* Columns that others make up: the later one is left out, the others are as without it. */
static void
test_aliased(MlContext *ctx)
{
	for (int classes = 2; classes <= 3; classes++)
	{
		Rows	   *rows = rows_random(ctx, 800, 5, classes, 0.7, 61);
		Rows	   *less = rows_random(ctx, 800, 5, classes, 0.7, 61);
		LogisticParams params = defaults;
		Fit			full;
		Fit			reduced;

		/* Column 2 is a combination of 0, 1 and the intercept, column 4 is constant. */
		for (size_t i = 0; i < rows->n; i++)
		{
			rows->x[i + 2 * rows->n] = 2 * rows->x[i] - rows->x[i + rows->n] + 3;
			rows->x[i + 4 * rows->n] = 1.5;
			less->x[i + 2 * rows->n] = rows->x[i + 3 * rows->n];
		}
		less->p = 3;
		params.l2 = 0;
		full = fit_rows(ctx, rows, &params);
		reduced = fit_rows(ctx, less, &params);
		CHECK(fit_converged(&full) && fit_converged(&reduced) && unit_warnings(ctx) == 0);
		for (int c = 0; c < (classes == 2 ? 1 : 3); c++)
		{
			CHECK(prepared(&full, c, 3) == 0 && prepared(&full, c, 5) == 0);
			for (int j = 0; j < 3; j++)
				CHECK_NEAR(prepared(&full, c, j), prepared(&reduced, c, j), 1e-8);
			CHECK_NEAR(prepared(&full, c, 4), prepared(&reduced, c, 3), 1e-8);
		}
		if (classes == 2)
		{
			CHECK(isnan(full.c[3].std_error) && isnan(full.c[3].p_value) && isnan(full.c[5].std_error));
			CHECK_NEAR(full.c[1].std_error, reduced.c[1].std_error, 1e-8);
			CHECK_NEAR(full.c[0].std_error, reduced.c[0].std_error, 1e-8);
		}
		CHECK_NEAR(fit_number(&full, "aic"), fit_number(&reduced, "aic"), 1e-10);
	}
}

/* Without an intercept, and columns centred by the preparation: none on the scale given. */
static void
test_no_intercept(MlContext *ctx)
{
	Rows	   *raw = iris_pair(ctx);
	Rows	   *standard = iris_pair(ctx);
	LogisticParams params = defaults;
	Fit			a;
	Fit			b;

	rows_standardise(standard);
	params.l2 = 0;
	params.fit_intercept = false;
	a = fit_rows(ctx, raw, &params);
	b = fit_rows(ctx, standard, &params);
	CHECK(a.count == 4 && b.count == 4);
	for (size_t j = 0; j < 4; j++)
	{
		CHECK(a.c[j].column == (int) j);
		CHECK_NEAR(a.c[j].estimate, b.c[j].estimate, 1e-8);
		CHECK_NEAR(a.c[j].std_error, b.c[j].std_error, 1e-7);
	}
	CHECK(prepared(&a, 0, 0) == 0);
	CHECK_NEAR(fit_number(&a, "log_likelihood"), fit_number(&b, "log_likelihood"), 1e-10);
	CHECK_NEAR(fit_number(&a, "null_log_likelihood"), 100 * log(0.5), 1e-14);
}

/* No columns: the intercept alone gives the classes' shares. */
static void
test_no_columns(MlContext *ctx)
{
	Rows	   *two = rows_create(ctx, 10, 0, 2);
	Rows	   *three = rows_create(ctx, 10, 0, 3);
	LogisticParams params = defaults;
	double		out[3];
	Fit			fit;

	for (size_t i = 0; i < 10; i++)
	{
		two->y[i] = i < 7;
		three->y[i] = i < 5 ? 0 : i < 8 ? 1 : 2;
	}
	fit = fit_rows(ctx, two, &defaults);
	ml_logistic_regression.score(fit.loaded, two->x, 1, 1, out, 1);
	CHECK_NEAR(out[1], 0.7, 1e-14);
	CHECK_NEAR(fit.c[0].std_error, 1 / sqrt(10 * 0.7 * 0.3), 1e-12);
	CHECK_NEAR(fit_number(&fit, "log_likelihood"), fit_number(&fit, "null_log_likelihood"), 1e-14);
	fit = fit_rows(ctx, three, &defaults);
	ml_logistic_regression.score(fit.loaded, three->x, 1, 1, out, 1);
	CHECK_NEAR(out[0], 0.5, 1e-14);
	CHECK_NEAR(out[1], 0.3, 1e-14);
	CHECK_NEAR(out[2], 0.2, 1e-14);

	/* Nothing to fit at all. */
	params.fit_intercept = false;
	fit = fit_rows(ctx, two, &params);
	ml_logistic_regression.score(fit.loaded, two->x, 1, 1, out, 1);
	CHECK(fit_converged(&fit) && fit.count == 0 && out[0] == 0.5 && out[1] == 0.5);
}

/* Training rows without one of the classes, and penalties at their limits: finite numbers. */
static void
test_odd_problems(MlContext *ctx)
{
	Rows	   *rows = rows_random(ctx, 300, 3, 3, 0.5, 97);
	LogisticParams params = defaults;
	double		out[3];
	Fit			fit;

	for (size_t i = 0; i < rows->n; i++)
		rows->y[i] = fmin(rows->y[i], 1);
	fit = fit_rows(ctx, rows, &params);
	ml_logistic_regression.score(fit.loaded, rows->x, rows->n, 1, out, 1);
	CHECK(!fit_converged(&fit) && unit_warnings(ctx) == 1);
	CHECK(out[2] < 1e-6 && out[0] > 0 && out[1] > 0);
	params.l2 = 1e100;
	rows->y[0] = 2;
	CHECK(fit_converged(&(Fit[]) {fit_rows(ctx, rows, &params)}[0]));
	rows->y[0] = 0;

	rows->classes = 2;
	params.l2 = 1e100;
	fit = fit_rows(ctx, rows, &params);
	CHECK(fit_converged(&fit));
	for (int j = 1; j <= 3; j++)
		CHECK(fabs(prepared(&fit, 0, j)) < 1e-95);
	params.l2 = 1e-300;
	fit = fit_rows(ctx, rows, &params);
	CHECK(fit_converged(&fit) && unit_warnings(ctx) == 1);

	/* No weight at all is an error. */
	rows->w = ml_alloc_array_zero(ctx, rows->n, sizeof(double));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit_rows(ctx, rows, &params).count);
}

/* ---- scoring and loading ---- */

/* A row's probabilities do not depend on the rows beside it, and sum to one. */
static void
test_score_alone(MlContext *ctx)
{
	for (int classes = 2; classes <= 5; classes += 3)
	{
		Rows	   *rows = rows_random(ctx, 300, 6, classes, 2.0, 71);
		Fit			fit = fit_rows(ctx, rows, &defaults);
		double	   *all = ml_alloc_array(ctx, rows->n * (size_t) classes, sizeof(double));
		double	   *some = ml_alloc_array(ctx, 64 * (size_t) classes, sizeof(double));

		ml_logistic_regression.score(fit.loaded, rows->x, rows->n, rows->n, all, rows->n);
		for (size_t n = 1; n <= 43; n += n < 18 ? 1 : 5)
			for (size_t begin = 0; begin + n <= rows->n; begin += 37)
			{
				bool		same = true;

				ml_logistic_regression.score(fit.loaded, rows->x + begin, rows->n, n, some, 64);
				for (size_t c = 0; c < (size_t) classes; c++)
					same = same && memcmp(some + 64 * c, all + rows->n * c + begin, 8 * n) == 0;
				CHECK(same);
			}
		for (size_t i = 0; i < rows->n; i++)
		{
			double		sum = 0;

			for (size_t c = 0; c < (size_t) classes; c++)
				sum += all[i + rows->n * c];
			CHECK_NEAR(sum, 1, 1e-15);
		}
	}
}

/* Predictors of any size give probabilities. */
static void
test_score_extreme(MlContext *ctx)
{
	static const double x[] = {1e300, -1e300, 1e5, -1e5, 0, 800, -800};
	Rows	   *rows = rows_random(ctx, 200, 1, 2, 1.0, 81);
	Fit			fit = fit_rows(ctx, rows, &defaults);
	double		out[14];

	ml_logistic_regression.score(fit.loaded, x, 7, 7, out, 7);
	for (int i = 0; i < 14; i++)
		CHECK(out[i] >= 0 && out[i] <= 1);
	CHECK(fabs(out[0] - out[7]) == 1 && fabs(out[1] - out[8]) == 1);
}

/* A copy of the statistics with one number changed. */
static void
change_statistics(MlWriter *writer, const MlNode *statistics, const char *key, double value)
{
	ml_write_object(writer, "statistics");
	for (size_t i = 0; i < ml_node_count(statistics); i++)
	{
		const char *name = ml_node_key(statistics, i);

		if (strcmp(name, key) == 0)
			ml_write_double(writer, name, value);
		else
			ml_write_node(writer, name, ml_node_at(statistics, i));
	}
	ml_write_end(writer);
}

/* A payload with one member changed, or left out where values is NULL. */
static const MlNode *
changed(MlContext *ctx, const Fit *fit, const char *key, const double *values, size_t count)
{
	MlWriter   *writer = ml_writer_create(ctx);
	size_t		size;

	for (size_t i = 0; i < ml_node_count(fit->payload); i++)
	{
		const char *name = ml_node_key(fit->payload, i);

		if (strcmp(name, "statistics") == 0 && count == 1 && strcmp(key, "intercept") != 0)
			change_statistics(writer, ml_node_at(fit->payload, i), key, values[0]);
		else if (strcmp(name, key) != 0)
			ml_write_node(writer, name, ml_node_at(fit->payload, i));
		else if (values != NULL)
			ml_write_f64s(writer, name, values, count);
	}
	return ml_document_root(ml_writer_finish(writer, &size));
}

static void
test_load(MlContext *ctx)
{
	static const char *const arrays[] = {"intercept", "coef", "std_error"};
	static const size_t counts[] = {1, 3, 4};
	double		values[] = {0.5, 0.25, 0.125, 1, 2};
	double		bad = NAN;
	Rows	   *rows = rows_random(ctx, 200, 3, 2, 1.0, 91);
	Fit			fit = fit_rows(ctx, rows, &defaults);
	MlShape		other = fit.shape;
#define LOAD(node) ml_logistic_regression.load(ctx, node, &fit.shape)

	for (int k = 0; k < 3; k++)
	{
		CHECK(LOAD(changed(ctx, &fit, arrays[k], values, counts[k])) != NULL);
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, arrays[k], values, counts[k] + 1)));
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, arrays[k], values, counts[k] - 1)));
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, arrays[k], NULL, 0)));
		values[counts[k] - 1] = INFINITY;
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, arrays[k], values, counts[k])));
		values[counts[k] - 1] = NAN;
		if (k < 2)
			CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, arrays[k], values, counts[k])));
		else
			CHECK(LOAD(changed(ctx, &fit, arrays[k], values, counts[k])) != NULL);
		values[counts[k] - 1] = 1;
	}
	values[2] = -1;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "std_error", values, 4)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "aic", &bad, 1)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "log_likelihood", &bad, 1)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "converged", &bad, 1)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "n_iter", &bad, 1)));
	CHECK(LOAD(changed(ctx, &fit, "mcfadden_r2", &bad, 1)) != NULL);
	bad = INFINITY;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "mcfadden_r2", &bad, 1)));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, LOAD(changed(ctx, &fit, "statistics", NULL, 0)));
	other.columns = 4;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_logistic_regression.load(ctx, fit.payload, &other));
	other = fit.shape;
	other.task = ML_TASK_MULTICLASS;
	other.classes = 3;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_logistic_regression.load(ctx, fit.payload, &other));
#undef LOAD
}

/* A cancel between any two passes stops the fit. */
static void
test_cancel(MlContext *ctx)
{
	Rows	   *rows = rows_random(ctx, 20000, 4, 2, 1.0, 95);
	int			stopped = 0;

	for (long checks = 0; checks < 12; checks++)
	{
		MlContext  *inner = unit_context(2);

		unit_cancel_after(inner, checks);
		CHECK_RAISES(inner, ML_ERROR_INTERNAL, fit_rows(inner, rows, &defaults).count);
		stopped += strcmp(unit_error.message, "canceled") == 0;
	}
	CHECK(stopped == 12);
}

UNIT_MAIN(test_cancer_penalised, test_cancer_split, test_cancer_free, test_iris_pair, test_iris_multi,
		  test_kernels, test_derivatives, test_sparse, test_conjugate_gradients, test_many_unknowns, test_warm_up,
		  test_threads, test_weights, test_separable, test_max_iter, test_aliased, test_no_intercept,
		  test_no_columns, test_odd_problems, test_score_alone, test_score_extreme, test_load, test_cancel)
