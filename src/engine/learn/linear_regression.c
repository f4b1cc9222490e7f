/*
 * Linear regression: ordinary least squares, or ridge when l2 > 0.
 *
 * Problem: minimise sum_i w_i (y_i - b - x_i . coef)^2 + l2 |coef|^2 over the prepared columns;
 *     the intercept b is not penalised.
 * Input:   n rows of p columns; only the triangular factor R of the weighted rows [1 X y] is kept.
 * Method:  Householder QR by blocks (tsqr.h), then back substitution; ridge appends sqrt(l2) I to R.
 *     Never the normal equations: the error grows with the condition number, not its square.
 *     Up to some thousand rows the factor is kept in extended precision, and it is always solved so.
 * Rank:    a column whose part orthogonal to the columns before it is below k eps of its length is
 *     aliased: coefficient 0, no standard error (R's NA).
 * Errors:  standard errors from s^2 (R'R)^-1 with s^2 = rss / (n - k); with l2 > 0 they are those of
 *     the penalised problem.
 * Sources: Golub and Van Loan, Matrix Computations, ch. 5; Chambers, Computational Methods for Data
 *     Analysis, 1977, ch. 5, for the rank rule.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/distributions.h"
#include "base/simd.h"
#include "base/threads.h"
#include "base/tsqr.h"
#include "learn/learners.h"

typedef struct LinearParams
{
	double		l2;
	bool		fit_intercept;
} LinearParams;

static const MlParam linear_params[] = {
	{.name = "l2",.type = ML_PARAM_REAL,.offset = offsetof(LinearParams, l2),
		.default_value = 0,.min = 0,.max = DBL_MAX,
	.help = "Ridge penalty: the sum of squared errors plus l2 times the squared length of the coefficients; numbers "
	"are standardised when it is positive."},
	{.name = "fit_intercept",.type = ML_PARAM_BOOL,.offset = offsetof(LinearParams, fit_intercept),
		.default_value = 1,.min = 0,.max = 1,
	.help = "Whether the model has an intercept."},
	{.name = NULL}
};

/* A factor of more prepared columns is not kept in the model: 64 KB. */
#define STATE_COLUMNS 125

/* ---- gathering the factor from prepared rows ---- */

#define SLOTS 16				/* independent factors, a fixed number so that threads decide nothing */

typedef struct Gather
{
	const MlDesign *design;
	int			q;
	size_t		begin;			/* the rows of this round: each slot has its share */
	size_t		end;
	double	   *r;				/* [SLOTS][q * q] */
	double	   *block;			/* [SLOTS][ML_TSQR_ROWS * q] */
	double	   *rows;			/* [SLOTS] */
	double	   *log_weights;	/* [SLOTS] */
} Gather;

/* Lay the rows begin .. begin + n - 1 out in the slot's block, times the root of their weights. */
static void
fill_block(Gather *g, size_t slot, size_t begin, size_t n)
{
	const MlDesign *design = g->design;
	double	   *a = g->block + slot * ML_TSQR_ROWS * (size_t) g->q;
	size_t		p = (size_t) design->columns;

	for (size_t i = 0; i < n; i++)
		a[i] = 1.0;
	design->read(design, begin, n, a + ML_TSQR_ROWS, ML_TSQR_ROWS);
	memcpy(a + (p + 1) * ML_TSQR_ROWS, design->target + begin, n * sizeof(double));
	if (design->weight == NULL)
		g->rows[slot] += (double) n;
	else
		for (size_t i = 0; i < n; i++)
		{
			double		w = design->weight[begin + i];
			double		root = sqrt(w);

			for (size_t j = 0; j < p + 2; j++)
				a[j * ML_TSQR_ROWS + i] *= root;
			if (w > 0)
			{
				g->rows[slot] += 1;
				g->log_weights[slot] += log(w);
			}
		}
}

/* A slot's share of this round's rows. */
static void
gather_slot(void *arg, size_t begin, size_t end, int worker)
{
	Gather	   *g = arg;
	size_t		n = g->end - g->begin;
	size_t		q = (size_t) g->q;

	(void) worker;
	for (size_t slot = begin; slot < end; slot++)
	{
		size_t		from = g->begin + n * slot / SLOTS;
		size_t		to = g->begin + n * (slot + 1) / SLOTS;

		for (; from < to; from += ML_TSQR_ROWS)
		{
			size_t		rows = to - from > ML_TSQR_ROWS ? ML_TSQR_ROWS : to - from;

			fill_block(g, slot, from, rows);
			ml_tsqr_reduce(g->r + slot * q * q, q, g->block + slot * ML_TSQR_ROWS * q, ML_TSQR_ROWS, rows, g->q);
		}
	}
}

/* The factor of all rows in double precision, on all threads. */
static void
gather_double(MlContext *ctx, const MlDesign *design, MlFactor *factor)
{
	size_t		q = (size_t) design->columns + 2;
	Gather		g = {.design = design,.q = (int) q};
	/* a round is some 2^27 multiplications a slot, so that a cancel is heard */
	size_t		round = (size_t) fmax(ML_TSQR_ROWS, (double) (1 << 27) / (double) (q * q)) * SLOTS;

	g.r = ml_alloc_array_zero(ctx, SLOTS * q * q, sizeof(double));
	g.block = ml_alloc_array(ctx, SLOTS * ML_TSQR_ROWS * q, sizeof(double));
	g.rows = ml_alloc_array_zero(ctx, SLOTS, sizeof(double));
	g.log_weights = ml_alloc_array_zero(ctx, SLOTS, sizeof(double));
	for (g.begin = 0; g.begin < design->rows; g.begin = g.end)
	{
		g.end = design->rows - g.begin > round ? g.begin + round : design->rows;
		ml_parallel_for(ctx, SLOTS, 1, gather_slot, &g);
	}
	for (size_t slot = 1; slot < SLOTS; slot++)
	{
		ml_check(ctx);
		ml_tsqr_merge(g.r, q, g.r + slot * q * q, q, (int) q);
		g.rows[0] += g.rows[slot];
		g.log_weights[0] += g.log_weights[slot];
	}
	for (size_t i = 0; i < q * q; i++)
		factor->r[i] = g.r[i];
	factor->rows = g.rows[0];
	factor->log_weights = g.log_weights[0];
	ml_free(ctx, g.block);
	ml_free(ctx, g.r);
}

/* The factor of few rows in extended precision. */
static void
gather_extended(MlContext *ctx, const MlDesign *design, MlFactor *factor)
{
	size_t		q = (size_t) design->columns + 2;
	double		rows = 0;
	double		log_weights = 0;
	double	   *block = ml_alloc_array(ctx, ML_TSQR_ROWS * q, sizeof(double));
	long double *a = ml_alloc_array(ctx, ML_TSQR_ROWS * q, sizeof(long double));
	Gather		g = {.design = design,.q = (int) q,.block = block,.rows = &rows,.log_weights = &log_weights};

	for (size_t begin = 0; begin < design->rows; begin += ML_TSQR_ROWS)
	{
		size_t		n = design->rows - begin > ML_TSQR_ROWS ? ML_TSQR_ROWS : design->rows - begin;

		ml_check(ctx);
		fill_block(&g, 0, begin, n);
		for (size_t i = 0; i < ML_TSQR_ROWS * q; i++)
			a[i] = i % ML_TSQR_ROWS < n ? block[i] : 0;
		ml_tsqr_reduce_extended(factor->r, q, a, ML_TSQR_ROWS, n, (int) q);
	}
	factor->rows = rows;
	factor->log_weights = log_weights;
	ml_free(ctx, a);
	ml_free(ctx, block);
}

/* The factor of all rows of a design. */
static void
gather_factor(MlContext *ctx, const MlDesign *design, MlFactor *factor)
{
	size_t		q = (size_t) design->columns + 2;

	factor->columns = design->columns;
	factor->r = ml_alloc_array_zero(ctx, q * q, sizeof(long double));
	if ((double) design->rows * (double) (q * q) <= ML_TSQR_EXTENDED_WORK)
		gather_extended(ctx, design, factor);
	else
		gather_double(ctx, design, factor);
}

/* ---- solving ---- */

/* The least-squares problem in hand: a (m x (k + 1)), the target last. */
typedef struct Problem
{
	int			m;
	int			k;				/* unknowns: the intercept (if any) first */
	long double *a;
	int			rank;
	int		   *pivot;			/* [rank] unknown of each row of the reduced triangle */
	bool	   *aliased;		/* [k] */
} Problem;

/* Length of a column from row first on. */
static long double
column_norm(const Problem *p, int column, int first)
{
	const long double *a = p->a + (size_t) column * (size_t) p->m;
	long double largest = 0;
	long double sum = 0;

	for (int i = first; i < p->m; i++)
		largest = fmaxl(largest, fabsl(a[i]));
	if (largest == 0)
		return 0;
	for (int i = first; i < p->m; i++)
		sum += (a[i] / largest) * (a[i] / largest);
	return largest * sqrtl(sum);
}

/* Reflect column's entries below row `row` to zero and apply that to the columns after it. */
static void
eliminate(Problem *p, int column, int row)
{
	long double *v = p->a + (size_t) column * (size_t) p->m;
	long double norm = column_norm(p, column, row);
	long double alpha = v[row];
	long double beta = -copysignl(norm, alpha);
	long double tau = (beta - alpha) / beta;

	if (column_norm(p, column, row + 1) == 0)
		return;
	for (int i = row + 1; i < p->m; i++)
		v[i] /= alpha - beta;
	for (int k = column + 1; k <= p->k; k++)
	{
		long double *a = p->a + (size_t) k * (size_t) p->m;
		long double dot = a[row];

		for (int i = row + 1; i < p->m; i++)
			dot += v[i] * a[i];
		dot *= tau;
		a[row] -= dot;
		for (int i = row + 1; i < p->m; i++)
			a[i] -= dot * v[i];
	}
	v[row] = beta;
	for (int i = row + 1; i < p->m; i++)
		v[i] = 0;
}

/* Triangularise column by column, leaving aliased columns out. */
static void
triangularise(MlContext *ctx, Problem *p)
{
	double		tolerance = 8 * DBL_EPSILON * (p->k + 1);

	p->pivot = ml_alloc_array(ctx, (size_t) p->k + 1, sizeof(int));
	p->aliased = ml_alloc_array_zero(ctx, (size_t) p->k + 1, sizeof(bool));
	for (int j = 0; j < p->k; j++)
	{
		ml_check(ctx);
		if (p->rank >= p->m || column_norm(p, j, p->rank) <= tolerance * column_norm(p, j, 0))
		{
			p->aliased[j] = true;
			continue;
		}
		eliminate(p, j, p->rank);
		p->pivot[p->rank++] = j;
	}
}

/* The problem of a factor: the columns that take part, and the penalty's rows. */
static void
set_up(MlContext *ctx, const MlFactor *factor, const LinearParams *params, Problem *p)
{
	int			q = factor->columns + 2;
	int			first = params->fit_intercept ? 0 : 1;
	bool		ridge = params->l2 > 0;

	p->k = q - 1 - first;
	p->m = q + (ridge ? factor->columns : 0);
	p->rank = 0;
	p->a = ml_alloc_array_zero(ctx, (size_t) p->m * (size_t) (p->k + 1), sizeof(long double));
	for (int j = 0; j <= p->k; j++)
		for (int i = 0; i <= j + first; i++)
			p->a[(size_t) j * (size_t) p->m + i] = factor->r[(size_t) (j + first) * (size_t) q + i];
	if (ridge)
		for (int j = 0; j < factor->columns; j++)
			p->a[(size_t) (j + 1 - first) * (size_t) p->m + q + j] = sqrtl(params->l2);
}

/* What a fit tells; unknowns are the intercept (if any) and then the columns. */
typedef struct Solution
{
	double	   *beta;			/* [k], 0 where aliased */
	double	   *inverse;		/* rank x rank, upper: the inverse of the reduced triangle */
	double		rss;
	double		tss;
	double		df;				/* n - rank */
} Solution;

/* Entry (i, j) of the reduced triangle. */
static inline long double
triangle(const Problem *p, size_t i, size_t j)
{
	return p->a[(size_t) p->pivot[j] * (size_t) p->m + i];
}

/* The inverse of the reduced triangle, column by column. */
static void
invert_triangle(MlContext *ctx, const Problem *p, double *inverse)
{
	size_t		rank = (size_t) p->rank;
	long double *x = ml_alloc_array(ctx, rank + 1, sizeof(long double));

	for (size_t j = 0; j < rank; j++)
	{
		ml_check(ctx);
		for (size_t i = j + 1; i-- > 0;)
		{
			x[i] = i == j ? 1 : 0;
			for (size_t k = i + 1; k <= j; k++)
				x[i] -= triangle(p, i, k) * x[k];
			x[i] /= triangle(p, i, i);
			inverse[j * rank + i] = (double) x[i];
		}
	}
	ml_free(ctx, x);
}

/* Sums of squares at the solution, in the factor's coordinates: without the penalty's rows. */
static void
sums_of_squares(const MlFactor *factor, bool intercept, const long double *beta, Solution *s)
{
	int			q = factor->columns + 2;
	int			first = intercept ? 0 : 1;
	long double rss = 0;
	long double tss = 0;

	for (int i = 0; i < q; i++)
	{
		long double target = factor->r[(size_t) (q - 1) * (size_t) q + i];
		long double residual = target;

		for (int j = i > first ? i : first; j < q - 1; j++)
			residual -= factor->r[(size_t) j * (size_t) q + i] * beta[j - first];
		rss += residual * residual;
		if (i > 0 || !intercept)
			tss += target * target;
	}
	s->rss = (double) rss;
	s->tss = (double) tss;
}

/* Back substitution, and what follows from the solution. */
static void
solve_triangle(MlContext *ctx, const MlFactor *factor, const LinearParams *params,
			   const Problem *p, Solution *s)
{
	size_t		rank = (size_t) p->rank;
	const long double *y = p->a + (size_t) p->k * (size_t) p->m;
	long double *beta = ml_alloc_array_zero(ctx, (size_t) p->k + 1, sizeof(long double));

	s->beta = ml_alloc_array_zero(ctx, (size_t) p->k + 1, sizeof(double));
	s->inverse = ml_alloc_array_zero(ctx, rank * rank + 1, sizeof(double));
	for (size_t i = rank; i-- > 0;)
	{
		long double sum = y[i];

		for (size_t k = i + 1; k < rank; k++)
			sum -= triangle(p, i, k) * beta[p->pivot[k]];
		beta[p->pivot[i]] = sum / triangle(p, i, i);
	}
	for (int j = 0; j < p->k; j++)
	{
		s->beta[j] = (double) beta[j];
		/* a column of the tiniest numbers: such a model could be stored, but not opened */
		if (!isfinite(s->beta[j]))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "a coefficient is beyond double precision", NULL,
						  "Scale the columns, so that their values are neither tiny nor huge beside the target's.");
	}
	invert_triangle(ctx, p, s->inverse);
	sums_of_squares(factor, params->fit_intercept, beta, s);
	s->df = factor->rows - p->rank;
}

/*
 * Standard errors on the scale of the columns as given: [0] the intercept, [1 + j] column j;
 * NaN where there is none.  A given-scale estimate is a combination c . beta, its error s |R^-T c|.
 */
static void
standard_errors(const Problem *p, const Solution *s, bool intercept, const double *center,
				const double *scale, int columns, double *errors)
{
	double		sigma = s->df > 0 ? sqrt(s->rss / s->df) : NAN;
	size_t		rank = (size_t) p->rank;
	double		intercept_sum = 0;

	for (int j = 0; j <= columns; j++)
		errors[j] = NAN;
	for (size_t row = 0; row < rank; row++)
	{
		int			unknown = p->pivot[row];
		double		sum = 0;

		if (intercept && unknown == 0)
			continue;
		for (size_t c = row; c < rank; c++)
			sum += s->inverse[c * rank + row] * s->inverse[c * rank + row];
		errors[unknown + (intercept ? 0 : 1)] = sigma * sqrt(sum) / scale[unknown - (intercept ? 1 : 0)];
	}
	if (!intercept)
		return;
	for (size_t c = 0; c < rank; c++)	/* column c of R^-1 against (1, -center/scale ...) */
	{
		double		dot = 0;

		for (size_t row = 0; row <= c; row++)
		{
			int			unknown = p->pivot[row];
			double		weight = unknown == 0 ? 1.0 : -center[unknown - 1] / scale[unknown - 1];

			dot += weight * s->inverse[c * rank + row];
		}
		intercept_sum += dot * dot;
	}
	errors[0] = sigma * sqrt(intercept_sum);
}

/* What R prints below the coefficients. */
static void
write_statistics(MlWriter *payload, const MlFactor *factor, const Problem *p, const Solution *s,
				 bool intercept)
{
	double		n = factor->rows;
	double		model_df = p->rank - (intercept ? 1 : 0);
	double		r2 = s->tss > 0 ? 1 - s->rss / s->tss : NAN;
	double		f = model_df > 0 && s->df > 0 ? (s->tss - s->rss) / model_df / (s->rss / s->df) : NAN;
	double		likelihood = -n / 2 * (log(2 * M_PI) + log(s->rss / n) + 1) + factor->log_weights / 2;

	ml_write_object(payload, "statistics");
	ml_write_double(payload, "n", n);
	ml_write_double(payload, "df_residual", s->df);
	ml_write_double(payload, "rss", s->rss);
	ml_write_double(payload, "tss", s->tss);
	ml_write_double(payload, "sigma", s->df > 0 ? sqrt(s->rss / s->df) : NAN);
	ml_write_double(payload, "r2", r2);
	ml_write_double(payload, "adj_r2", s->df > 0 ? 1 - (1 - r2) * (n - (intercept ? 1 : 0)) / s->df : NAN);
	ml_write_double(payload, "f_statistic", f);
	ml_write_double(payload, "f_p_value", isfinite(f) ? ml_f_upper_p(f, model_df, s->df) : isinf(f) ? 0 : NAN);
	ml_write_double(payload, "log_likelihood", likelihood);
	ml_write_double(payload, "aic", -2 * likelihood + 2 * p->rank);
	ml_write_double(payload, "bic", -2 * likelihood + log(n) * p->rank);
	ml_write_end(payload);
}

/* Numbers on and above the diagonal of a factor of p columns. */
static size_t
state_size(size_t p)
{
	return (p + 2) * (p + 3) / 2;
}

/* Keep what another training can go on from: the factor, column by column. */
static void
write_state(MlContext *ctx, MlWriter *payload, const MlFactor *factor)
{
	size_t		q = (size_t) factor->columns + 2;
	size_t		n = 0;
	double	   *packed;

	if (factor->columns > STATE_COLUMNS)
		return;
	packed = ml_alloc_array(ctx, state_size((size_t) factor->columns), sizeof(double));
	for (size_t j = 0; j < q; j++)
		for (size_t i = 0; i <= j; i++)
			packed[n++] = (double) factor->r[j * q + i];
	ml_write_object(payload, "state");
	ml_write_double(payload, "rows", factor->rows);
	ml_write_double(payload, "log_weights", factor->log_weights);
	ml_write_f64s(payload, "factor", packed, n);
	ml_write_end(payload);
	ml_free(ctx, packed);
}

static void
linear_fit_factor(MlContext *ctx, const MlFactor *factor, const double *center,
				  const double *scale, const void *params, MlWriter *payload)
{
	const LinearParams *lp = params;
	size_t		p = (size_t) factor->columns;
	int			offset = lp->fit_intercept ? 1 : 0;
	Problem		problem;
	Solution	solution;
	double	   *errors = ml_alloc_array(ctx, p + 1, sizeof(double));
	int32_t    *aliased = ml_alloc_array_zero(ctx, p + 1, sizeof(int32_t));

	for (size_t i = 0; i < (p + 2) * (p + 2); i++)
		if (!isfinite((double) factor->r[i]))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "values are too large for linear regression",
						  "The sum of their squares is beyond double precision.", "Scale the columns down.");
	set_up(ctx, factor, lp, &problem);
	triangularise(ctx, &problem);
	solve_triangle(ctx, factor, lp, &problem, &solution);
	standard_errors(&problem, &solution, lp->fit_intercept, center, scale, factor->columns, errors);
	for (size_t j = 0; j < p; j++)
		aliased[j] = problem.aliased[j + (size_t) offset];

	ml_write_f64s(payload, "coef", solution.beta + offset, p);
	ml_write_double(payload, "intercept", lp->fit_intercept ? solution.beta[0] : 0.0);
	ml_write_bool(payload, "has_intercept", lp->fit_intercept);
	ml_write_f64s(payload, "std_error", errors, p + 1);
	ml_write_i32s(payload, "aliased", aliased, p);
	write_statistics(payload, factor, &problem, &solution, lp->fit_intercept);
	write_state(ctx, payload, factor);
}

static void
linear_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	MlFactor factor;

	gather_factor(ctx, design, &factor);
	linear_fit_factor(ctx, &factor, design->center, design->scale, params, payload);
}

/* ---- using the model ---- */

typedef struct LoadedLinear
{
	int			columns;
	const double *coef;
	double		intercept;
	bool		has_intercept;
	const double *std_error;
	const int32_t *aliased;
	double		df;
	const double *factor;		/* as write_state packs it; NULL = it was not kept */
	double		rows;
	double		log_weights;
} LoadedLinear;

/* The factor that was kept, where it was. */
static void
load_state(MlContext *ctx, const MlNode *payload, LoadedLinear *m)
{
	const MlNode *state = ml_node_find(payload, "state");
	size_t		size = state_size((size_t) m->columns);

	if (state == NULL)
		return;
	state = ml_need(ctx, payload, "state", ML_NODE_OBJECT);
	m->rows = ml_need_double(ctx, state, "rows");
	m->log_weights = ml_need_double(ctx, state, "log_weights");
	m->factor = ml_need_f64s(ctx, state, "factor", (int64_t) size);
	for (size_t i = 0; i < size; i++)
		if (!isfinite(m->factor[i]))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the factor is not finite");
	if (!(m->rows >= 0) || !isfinite(m->rows) || !isfinite(m->log_weights))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the rows of the factor are out of range");
}

static void *
linear_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedLinear *m = ml_alloc_zero(ctx, sizeof *m);

	m->columns = shape->columns;
	m->coef = ml_need_f64s(ctx, payload, "coef", shape->columns);
	m->intercept = ml_need_double(ctx, payload, "intercept");
	m->has_intercept = ml_need_bool(ctx, payload, "has_intercept");
	m->std_error = ml_need_f64s(ctx, payload, "std_error", shape->columns + 1);
	m->aliased = ml_need_i32s(ctx, payload, "aliased", shape->columns);
	m->df = ml_need_double(ctx, ml_need(ctx, payload, "statistics", ML_NODE_OBJECT), "df_residual");
	for (int j = 0; j < shape->columns; j++)
		if (!isfinite(m->coef[j]))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a coefficient is not finite");
	if (!isfinite(m->intercept))
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: the intercept is not finite");
	load_state(ctx, payload, m);
	return m;
}

static bool
linear_resumable(const void *loaded)
{
	return ((const LoadedLinear *) loaded)->factor != NULL;
}

/* The factor of these rows takes in the one that was kept; then all is as after one pass over both. */
static void
linear_resume(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, MlWriter *payload)
{
	const LoadedLinear *m = loaded;
	size_t		q = (size_t) m->columns + 2;
	long double *kept = ml_alloc_array_zero(ctx, q * q, sizeof(long double));
	size_t		n = 0;
	MlFactor	factor;

	for (size_t j = 0; j < q; j++)
		for (size_t i = 0; i <= j; i++)
			kept[j * q + i] = m->factor[n++];
	gather_factor(ctx, design, &factor);
	ml_tsqr_reduce_extended(factor.r, q, kept, q, q, (int) q);
	factor.rows += m->rows;
	factor.log_weights += m->log_weights;
	linear_fit_factor(ctx, &factor, design->center, design->scale, params, payload);
}

/*
 * Columns outside, four at a time, rows inside: the order of a row's sum is fixed whatever n, it has
 * short chains of additions, and the loop over rows runs in vectors.
 */
ML_MULTIVERSION static void
linear_score(const void *loaded, const double *x, size_t ldx, size_t n, double *restrict out, size_t ldout)
{
	const LoadedLinear *m = loaded;
	int			j = 0;

	(void) ldout;
	for (size_t i = 0; i < n; i++)
		out[i] = m->intercept;
	for (; j + 4 <= m->columns; j += 4)
	{
		const double *x0 = x + (size_t) j * ldx;
		const double *x1 = x0 + ldx;
		const double *x2 = x1 + ldx;
		const double *x3 = x2 + ldx;
		const double *c = m->coef + j;

		for (size_t i = 0; i < n; i++)
			out[i] += (c[0] * x0[i] + c[1] * x1[i]) + (c[2] * x2[i] + c[3] * x3[i]);
	}
	for (; j < m->columns; j++)
	{
		const double *column = x + (size_t) j * ldx;

		for (size_t i = 0; i < n; i++)
			out[i] += m->coef[j] * column[i];
	}
}

/* Fill in what follows from an estimate and its standard error. */
static void
complete_row(MlCoefficient *c, double df)
{
	double		reach = df > 0 ? ml_student_t_quantile(0.975, df) : NAN;

	c->statistic = c->estimate / c->std_error;
	c->p_value = df > 0 && c->std_error == c->std_error ? ml_student_t_two_sided_p(c->statistic, df) : NAN;
	c->ci_low = c->estimate - reach * c->std_error;
	c->ci_high = c->estimate + reach * c->std_error;
}

static size_t
linear_coefficients(MlContext *ctx, const void *loaded, const MlShape *shape, MlCoefficient **out)
{
	const LoadedLinear *m = loaded;
	MlCoefficient *rows = ml_alloc_array_zero(ctx, (size_t) shape->columns + 1, sizeof *rows);
	size_t		n = 0;

	if (m->has_intercept)
	{
		MlCoefficient *c = &rows[n++];

		c->klass = -1;
		c->column = -1;
		c->estimate = m->intercept;
		for (int j = 0; j < shape->columns; j++)
			c->estimate -= m->coef[j] * shape->center[j] / shape->scale[j];
		c->std_error = m->std_error[0];
		complete_row(c, m->df);
	}
	for (int j = 0; j < shape->columns; j++)
	{
		MlCoefficient *c = &rows[n++];

		c->klass = -1;
		c->column = j;
		c->estimate = m->aliased[j] ? NAN : m->coef[j] / shape->scale[j];
		c->std_error = m->std_error[j + 1];
		complete_row(c, m->df);
	}
	*out = rows;
	return n;
}

/* A penalty means the same for every column only when they have one scale. */
static bool
linear_wants_scaling(const void *params)
{
	return ((const LinearParams *) params)->l2 > 0;
}

const MlAlgorithm ml_linear_regression = {
	.id = 2,
	.name = "linear_regression",
	.help = "Least squares by blocked QR, ridge by l2; with standard errors, t, p and confidence intervals.",
	.tasks = ML_TASK_REGRESSION,
	.params = linear_params,
	.params_size = sizeof(LinearParams),
	.wants_scaling = linear_wants_scaling,
	.fit = linear_fit,
	.load = linear_load,
	.score = linear_score,
	.coefficients = linear_coefficients,
	.fit_factor = linear_fit_factor,
	.resume = linear_resume,
	.resumable = linear_resumable,
	.resumes_exactly = true,
};
