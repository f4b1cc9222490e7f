/*
 * Logistic regression: Newton's method, directly and by conjugate gradients; see
 * logistic_regression.c for problem, shapes, stopping rules and papers.
 */
#include "base/linalg.h"
#include "learn/logistic_internal.h"

#include <float.h>
#include <string.h>

#define ALIAS_TOLERANCE 1e-11
#define DIVERGING_ITERATIONS 10
#define MAX_HALVINGS 40
#define MAX_CG_STEPS 250

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

/* Element (i, j), i >= j, of the sum over classes of their own Hessian blocks, penalty included. */
static double
summed_hessian(const Problem *problem, const double *hessian, int i, int j)
{
	double		sum = 0;

	for (int c = 0; c < problem->k; c++)
		sum += hessian[logistic_pair(c, c) * logistic_triangle(problem->d) + logistic_packed(problem->d, i, j)];
	return i == j ? sum + problem->k * logistic_penalty(problem, j) : sum;
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
	size_t		block = a > b ? logistic_pair(a, b) : logistic_pair(b, a);
	size_t		place = i > j ? logistic_packed(d, i, j) : logistic_packed(d, j, i);
	double		value = hessian[block * logistic_triangle(d) + place];

	if (i == j)
		value += gauge_of(problem, hessian, j);
	return u == v ? value + logistic_penalty(problem, j) : value;
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
	problem->largest_gradient = logistic_largest(at->gradient, problem->unknowns);
	return problem->largest_gradient <= problem->params->tol * fmax(1, problem->total_weight);
}

/* Move along -step (times t, halved until the objective falls); false when it never does. */
static bool
line_search(Problem *problem, PassKind kind, const Level *level, double *b, double decrement,
			Solver *solver)
{
	double		before = solver->now.objective;
	double		slack = 1e-13 * fabs(before);
	double		t = 1;

	for (int halving = 0; halving < MAX_HALVINGS; halving++, t *= 0.5)
	{
		for (size_t i = 0; i < problem->unknowns; i++)
			solver->trial[i] = b[i] - t * solver->step[i];
		logistic_evaluate(problem, kind, level, solver->trial, NULL, &solver->next);

		/* Not a number compares false, so it is halved too. */
		if (solver->next.objective <= before - 1e-4 * t * decrement + slack)
		{
			Evaluation	swap = solver->now;

			memcpy(b, solver->trial, problem->unknowns * sizeof(double));
			solver->now = solver->next;
			solver->next = swap;
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
		penalty += 0.5 * logistic_penalty(problem, (int) (i % (size_t) problem->d)) * b[i] * b[i];
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

/* Factor the Hessian at b; the first time on all rows, decide for good what is aliased. */
static void
factor_at(Problem *problem, const Level *level, double *b, Solver *solver)
{
	Factor	   *factor = &solver->factor;

	factor_build(problem, &solver->now, factor);
	if (!level->final || factor->aliased_known)
		return;
	factor->aliased_known = true;
	if (clear_aliased(problem, factor, b))
	{
		logistic_evaluate(problem, PASS_HESSIAN, level, b, NULL, &solver->now);
		factor_build(problem, &solver->now, factor);
	}
}

/* Rule 2 of the stopping rule. */
static bool
step_small(const Problem *problem, const double *b, const double *step, double decrement)
{
	return sqrt(fmax(0, decrement) / fmax(1, problem->total_weight)) <= 10 * problem->params->tol
		&& logistic_largest(step, problem->unknowns) <= 1e-4 * fmax(1, logistic_largest(b, problem->unknowns));
}

/* Count an iteration, and tell how far the method is. */
static void
begin_iteration(Problem *problem, const Level *level, int iteration, const Evaluation *now)
{
	problem->iterations = iteration;
	ml_progress_at_most(problem->ctx, "fitting", (uint64_t) iteration, (uint64_t) level->max_iter,
						now->loss / problem->total_weight);
}

/* Newton's method with the Hessian itself, from b; true when it converged. */
bool
logistic_newton(Problem *problem, const Level *level, double *b, Solver *solver)
{
	Evaluation *now = &solver->now;
	double	   *step = solver->step;
	int			lingering = 0;

	for (int iteration = 0;; iteration++)
	{
		double		decrement;
		bool		small;

		begin_iteration(problem, level, iteration, now);
		factor_at(problem, level, b, solver);
		factor_solve(problem, &solver->factor, now->gradient, step);
		decrement = logistic_dot(now->gradient, step, problem->unknowns);
		small = gradient_small(problem, now);

		/* A sample is solved well enough when the error left is a tenth of the sampling error. */
		if (level->final ? small && step_small(problem, b, step, decrement)
			: decrement <= 0.01 * (double) problem->unknowns * level->scale)
		{
			take_last_step(problem, b, step, decrement, now);
			problem->iterations = iteration + 1;
			return true;
		}
		lingering = small ? lingering + 1 : 0;
		problem->diverged = lingering > DIVERGING_ITERATIONS;
		if (problem->diverged || iteration >= level->max_iter)
			return false;

		/* No step lowers the objective any more: that is the end of what doubles resolve. */
		if (!line_search(problem, PASS_HESSIAN, level, b, decrement, solver))
			return decrement <= 1e-12 * fmax(1, fabs(now->objective));
	}
}

/* ---- Newton's method with conjugate gradients ---- */

/* Space for a preconditioner. */
static Precondition
precondition_create(Problem *problem)
{
	MlContext  *ctx = problem->ctx;
	size_t		d = (size_t) problem->d;
	Precondition m = {.diagonal = problem->d > LOGISTIC_PRECONDITION_UNKNOWNS};

	if (m.diagonal)
		m.inverse = ml_alloc_array(ctx, problem->unknowns, sizeof(double));
	else
	{
		m.a = ml_alloc_array(ctx, d * d + 1, sizeof(double));
		m.root = ml_alloc_array(ctx, d + 1, sizeof(double));
		m.work = ml_alloc_array(ctx, d + 1, sizeof(double));
	}
	m.sample = logistic_evaluation_create(problem, m.diagonal ? PASS_DIAGONAL : PASS_TRACE);
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
		double		diagonal = m->sample.hessian[logistic_packed(d, j, j)] + logistic_penalty(problem, j);

		m->root[j] = diagonal > DBL_MIN ? 1 / sqrt(diagonal) : 0;
	}
	for (;; damping *= 100)
	{
		for (int j = 0; j < d; j++)
			for (int i = j; i < d; i++)
				m->a[(size_t) i + (size_t) j * ld] = i == j ? 1 + damping
					: m->sample.hessian[logistic_packed(d, i, j)] * m->root[i] * m->root[j];
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
	logistic_evaluate(problem, m->diagonal ? PASS_DIAGONAL : PASS_TRACE, &sample, b, NULL, &m->sample);
	if (!m->diagonal)
	{
		precondition_factor(problem, m);
		return;
	}
	for (size_t i = 0; i < problem->unknowns; i++)
	{
		double		diagonal = m->sample.hessian[i] + logistic_penalty(problem, (int) (i % (size_t) problem->d));

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
	rz = logistic_dot(cg->r, cg->z, n);
	enough = forcing * forcing * rz;
	for (int i = 0; i < MAX_CG_STEPS; i++)
	{
		double		curvature;
		double		alpha;
		double		before = rz;

		logistic_evaluate(problem, PASS_PRODUCT, level, b, cg->p, &cg->product);
		curvature = logistic_dot(cg->p, cg->product.gradient, n);
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
		rz = logistic_dot(cg->r, cg->z, n);
		if (!(rz > enough))
			return;
		for (size_t j = 0; j < n; j++)
			cg->p[j] = cg->z[j] + rz / before * cg->p[j];
	}
}

/* Newton's method with truncated conjugate gradients, from b; true when it converged. */
bool
logistic_newton_cg(Problem *problem, const Level *level, double *b, Solver *solver)
{
	Evaluation *now = &solver->now;
	double	   *step = solver->step;
	size_t		n = problem->unknowns;
	double		start = logistic_largest(now->gradient, n);
	int			lingering = 0;

	memset(step, 0, n * sizeof(double));
	for (int iteration = 0;; iteration++)
	{
		bool		small = gradient_small(problem, now);
		double		forcing;
		double		decrement;

		begin_iteration(problem, level, iteration, now);
		if (small && logistic_largest(step, n) <= 0.01 * fmax(1, logistic_largest(b, n)))
			return true;
		lingering = small ? lingering + 1 : 0;
		problem->diverged = lingering > DIVERGING_ITERATIONS;
		if (problem->diverged || iteration >= level->max_iter)
			return false;

		precondition_build(problem, level, b, &solver->precondition);
		forcing = fmin(0.1, sqrt(problem->largest_gradient / start));
		cg_step(problem, level, b, now->gradient, forcing, &solver->precondition, &solver->cg, step);
		decrement = logistic_dot(now->gradient, step, n);
		if (!line_search(problem, PASS_GRADIENT, level, b, decrement, solver))
			return decrement <= 1e-12 * fmax(1, fabs(now->objective));
		if (!level->final && decrement <= 0.1 * (double) n * level->scale)
			return true;
	}
}

/* Working space for the direct method, or for conjugate gradients. */
Solver
logistic_solver_create(Problem *problem, bool direct)
{
	MlContext  *ctx = problem->ctx;
	size_t		n = problem->unknowns + 1;
	PassKind	kind = direct ? PASS_HESSIAN : PASS_GRADIENT;
	Solver		solver = {0};

	solver.now = logistic_evaluation_create(problem, kind);
	solver.next = logistic_evaluation_create(problem, kind);
	solver.step = ml_alloc_array_zero(ctx, n, sizeof(double));
	solver.trial = ml_alloc_array_zero(ctx, n, sizeof(double));
	if (direct)
		solver.factor = factor_create(problem);
	else
	{
		solver.precondition = precondition_create(problem);
		solver.cg.r = ml_alloc_array(ctx, n, sizeof(double));
		solver.cg.z = ml_alloc_array(ctx, n, sizeof(double));
		solver.cg.p = ml_alloc_array(ctx, n, sizeof(double));
		solver.cg.product = logistic_evaluation_create(problem, PASS_PRODUCT);
	}
	return solver;
}
