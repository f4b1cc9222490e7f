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
 * Payload: intercept [classes, or 1] and coef [the same x p] on the prepared scale; binary: std_error
 * [p + 1] on the scale given, intercept first, NaN where there is none; statistics: log_likelihood (not
 * penalised), that of the model without columns, their ratio's test, aic, bic (n is the sum of weights).
 *
 * Files: logistic_kernels.c (one block of rows), logistic_sparse.c (blocks of mostly zeros),
 * logistic_passes.c (sums over all rows), logistic_solver.c (Newton's method), and this one
 * (parameters, warm-up, inference, the model).
 *
 * Sums over rows are taken in pieces that depend on the data's size only, eight lanes wide, and
 * added in order: the same bits whatever the number of threads.
 */
#include "base/distributions.h"
#include "base/linalg.h"
#include "base/threads.h"
#include "learn/learners.h"
#include "learn/logistic_internal.h"

#include <string.h>

#define WARM_ROWS 16384			/* fewer rows do not warm up */
#define WARM_ITERATIONS 15
#define NORMAL_975 1.959963984540054

/* What fit writes. */
typedef struct Solution
{
	double	   *b;				/* [unknowns] */
	double	   *std_error;		/* [p + 1] binary, scale as given, intercept first */
	double		log_likelihood;
	int			parameters;
	bool		converged;
} Solution;

static const MlParam logistic_params[] = {
	{.name = "l2",.type = ML_PARAM_REAL,.offset = offsetof(LogisticParams, l2),
		.default_value = 1.0,.min = 0,.max = 1e100,
	.help = "Strength of the L2 penalty, l2 / 2 times the sum of squared coefficients; scikit-learn's 1 / C."},
	{.name = "fit_intercept",.type = ML_PARAM_BOOL,.offset = offsetof(LogisticParams, fit_intercept),
		.default_value = 1,.min = 0,.max = 1,
	.help = "Whether to fit an intercept, which is never penalised."},
	{.name = "max_iter",.type = ML_PARAM_INT,.offset = offsetof(LogisticParams, max_iter),
		.default_value = 100,.min = 1,.max = 1000000,
	.help = "Most iterations of Newton's method over all rows."},
	{.name = "tol",.type = ML_PARAM_REAL,.offset = offsetof(LogisticParams, tol),
		.default_value = 1e-8,.min = 0,.max = 1,.min_exclusive = true,
	.help = "Stop when no component of the gradient is above tol times the sum of the weights (at least 1)."},
	{.name = "class_weight",.type = ML_PARAM_JSON,.offset = offsetof(LogisticParams, class_weight),
	.help = "\"balanced\" (rows over classes times the rows of the class), or weights by label, as {\"yes\": 5}; they "
	"multiply the rows' own."},
	{.name = NULL}
};

/* ---- fit ---- */

/* Solve on one level from b; a warm-up that fails leaves b at the null model. */
static bool
solve_level(Problem *problem, const Level *level, double *b, const double *null_b, Solver *solver)
{
	PassKind	kind = problem->direct ? PASS_HESSIAN : PASS_GRADIENT;
	size_t		bytes = problem->unknowns * sizeof(double);
	bool		converged;

	logistic_evaluate(problem, kind, level, b, NULL, &solver->now);

	/* A sample can mislead. */
	if (level->final && !(solver->now.objective <= problem->null_loss) && memcmp(b, null_b, bytes) != 0)
	{
		memcpy(b, null_b, bytes);
		logistic_evaluate(problem, kind, level, b, NULL, &solver->now);
	}
	converged = problem->direct ? logistic_newton(problem, level, b, solver)
		: logistic_newton_cg(problem, level, b, solver);
	if (!level->final && !converged)
		memcpy(b, null_b, bytes);
	return converged;
}

/* Solve: warm up on samples where there are rows enough, then on all rows. */
static bool
solve(Problem *problem, double *b, Solver *solver)
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
		converged = solve_level(problem, &level, b, null_b, solver);
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
		detail = ml_format(ctx, "The features separate the classes, so the coefficients grow without bound; "
						   "they were stopped after %d iterations. Set l2 above %g.",
						   problem->iterations, problem->params->l2);
	else
		detail = ml_format(ctx, "The largest component of the gradient is %.3g after %d iterations, and tol asks "
						   "for %.3g. Raise max_iter, or l2.",
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
		variance += factor->rhs[q] * logistic_dot(factor->a + (size_t) q * (size_t) m, factor->rhs, (size_t) m);
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

/* Numbers that sum up the fit; the likelihood ratio compares with the null model. */
static void
write_statistics(const Problem *problem, const Solution *solution, MlWriter *payload)
{
	double		null = -problem->null_loss;
	double		likelihood = solution->log_likelihood;
	int			df = solution->parameters - (problem->params->fit_intercept ? problem->k == 1 ? 1 : problem->k - 1 : 0);
	double		ratio = 2 * (likelihood - null);

	ml_write_object(payload, "statistics");
	ml_write_double(payload, "n", problem->total_weight);
	ml_write_double(payload, "log_likelihood", likelihood);
	ml_write_double(payload, "null_log_likelihood", null);
	ml_write_double(payload, "mcfadden_r2", null < 0 ? 1 - likelihood / null : NAN);
	ml_write_double(payload, "lr_chi2", ratio);
	ml_write_double(payload, "lr_df", df);
	ml_write_double(payload, "lr_p_value", df > 0 ? ml_chi2_upper_p(ratio, df) : NAN);
	ml_write_double(payload, "aic", 2.0 * solution->parameters - 2 * likelihood);
	ml_write_double(payload, "bic", solution->parameters * log(problem->total_weight) - 2 * likelihood);
	ml_write_bool(payload, "converged", solution->converged);
	ml_write_int(payload, "n_iter", problem->iterations);
	ml_write_end(payload);
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
	write_statistics(problem, solution, payload);
}

/* Learn. */
static void
logistic_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	Problem		problem;
	const char *class_weight = ((const LogisticParams *) params)->class_weight;
	Solution	solution = {0};
	Solver		solver;

	ml_linalg_open(ctx);
	if (class_weight != NULL)
		design = ml_design_weigh(ctx, design, ml_class_weights(ctx, class_weight, design));
	solution.b = logistic_problem_init(&problem, ctx, design, params);
	if (!(problem.total_weight > 0))
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows sum to zero");
	solver = logistic_solver_create(&problem, problem.direct);
	solution.converged = solve(&problem, solution.b, &solver);
	if (!solution.converged)
		warn_not_converged(&problem);

	solution.log_likelihood = -solver.now.loss;
	solution.parameters = problem.direct ? solver.factor.m : (int) problem.unknowns;
	if (problem.k > 1)
		solution.parameters = solution.parameters / problem.k * (problem.k - 1);
	if (problem.k == 1)
	{
		solution.std_error = ml_alloc_array(ctx, (size_t) design->columns + 1, sizeof(double));
		for (int j = 0; j <= design->columns; j++)
			solution.std_error[j] = NAN;
		if (problem.direct)
			standard_errors(&problem, &solver.factor, solution.std_error);
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
	static const char *const finite[] = {"n", "log_likelihood", "null_log_likelihood", "lr_chi2", "lr_df",
	"aic", "bic"};
	static const char *const maybe[] = {"mcfadden_r2", "lr_p_value"};
	const MlNode *statistics;
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
	statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);
	ml_need_bool(ctx, statistics, "converged");
	ml_need_int(ctx, statistics, "n_iter", 0, INT64_MAX);
	for (size_t i = 0; i < sizeof(finite) / sizeof(finite[0]); i++)
	{
		double		value = ml_need_double(ctx, statistics, finite[i]);

		need_finite(ctx, finite[i], &value, 1, false);
	}
	for (size_t i = 0; i < sizeof(maybe) / sizeof(maybe[0]); i++)
	{
		double		value = ml_need_double(ctx, statistics, maybe[i]);

		/* Not defined for some fits, but never infinite. */
		if (!isnan(value))
			need_finite(ctx, maybe[i], &value, 1, false);
	}
	return model;
}

/* Probabilities of all classes for n prepared rows. */
static void
logistic_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LogisticModel *model = loaded;

	if (model->k == 1)
	{
		logistic_predict(x, ldx, model->columns, n, model->intercept[0], model->coef, out + ldout);
		logistic_sigmoid(out, out + ldout, n);
		return;
	}
	for (int c = 0; c < model->k; c++)
		logistic_predict(x, ldx, model->columns, n, model->intercept[c],
					  model->coef + (size_t) c * (size_t) model->columns, out + (size_t) c * ldout);
	logistic_softmax(out, ldout, model->k, n);
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
	.help = "Logistic regression with an L2 penalty, binary or multinomial, by Newton's method.",
	.tasks = ML_TASK_CLASSIFICATION,
	.params = logistic_params,
	.params_size = sizeof(LogisticParams),
	.wants_scaling = logistic_wants_scaling,
	.fit = logistic_fit,
	.load = logistic_load,
	.score = logistic_score,
	.coefficients = logistic_coefficients,
};
