/*
 * Logistic regression: sums over all rows, or a sample of them, on all threads.
 *
 * Rows are read in blocks.  A pass has a few dozen parts, each a partial sum, and every part
 * adds up its blocks in order; parts are added in order.  Which block goes to which part depends on
 * sizes alone: the same bits whatever the number of threads.
 */
#include "base/threads.h"
#include "learn/logistic_internal.h"

#include <string.h>

#define LANES LOGISTIC_LANES
#define MAX_PARTS 64
#define DIRECT_UNKNOWNS_BINARY 2001
#define DIRECT_UNKNOWNS_MULTICLASS 1000
#define MIN_PARTS 8

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

double *
logistic_problem_init(Problem *problem, MlContext *ctx, const MlDesign *design, const LogisticParams *params)
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
		bool		products = problem->direct || d <= LOGISTIC_PRECONDITION_UNKNOWNS;

		s->x = scratch_columns(problem, d + 2);
		s->hx = products ? scratch_columns(problem, d + 1) : NULL;
		s->sparse = products ? logistic_sparse_create(ctx, (int) d, problem->ld) : NULL;
		s->y = scratch_columns(problem, 1);
		s->w = scratch_columns(problem, 1);
		s->h = scratch_columns(problem, 1);
		s->z = scratch_columns(problem, k);
		s->u = scratch_columns(problem, k);
		s->g = scratch_columns(problem, k);
	}
	b = ml_alloc_array(ctx, problem->unknowns + 1, sizeof(double));
	null_model(problem, b);
	return b;
}

/* How many numbers of Hessian a pass keeps. */
static size_t
logistic_hessian_size(const Problem *problem, PassKind kind)
{
	switch (kind)
	{
		case PASS_HESSIAN:
			return logistic_triangle(problem->d) * logistic_pair(problem->k, 0);
		case PASS_TRACE:
			return logistic_triangle(problem->d);
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
	memcpy(s->y, design->target + begin, rows * sizeof(double));
	if (design->weight != NULL)
		memcpy(s->w, design->weight + begin, rows * sizeof(double));
	else
		logistic_fill(1.0, rows, s->w);
	if (intercept)
		logistic_fill(1.0, rows, s->x);
	for (size_t i = rows; i < n; i++)
	{
		s->y[i] = 0;
		s->w[i] = 0;
		for (int j = 0; j < problem->d; j++)
			s->x[(size_t) j * ld + i] = 0;
	}
	return n;
}

/* Add x' diag(s->h) x to a packed triangle. */
static void
block_products(const Problem *problem, Scratch *s, size_t n, bool sparse, double *out)
{
	if (sparse)
		logistic_sparse_products(s->sparse, s->h, n, s->hx, out);
	else
	{
		logistic_weigh(s->x, problem->ld, problem->d, n, s->h, s->hx);
		logistic_products(s->x, s->hx, problem->ld, problem->d, n, out);
	}
}

/* Add a block's second derivatives to a part; s->z are probabilities, binary: s->h the weights. */
static void
block_hessian(const Problem *problem, PassKind kind, Scratch *s, size_t n, double *hessian)
{
	int			d = problem->d;
	int			k = problem->k;
	size_t		ld = problem->ld;
	bool		sparse = kind != PASS_DIAGONAL && s->sparse != NULL && logistic_sparse_scan(s->sparse, s->x, n);

	if (kind == PASS_DIAGONAL)
	{
		for (int c = 0; c < k; c++)
		{
			if (k > 1)
				logistic_pair_weights(s->z + (size_t) c * ld, s->z + (size_t) c * ld, true, s->w, n, s->h);
			logistic_squares(s->x, ld, d, n, s->h, hessian + (size_t) c * (size_t) d);
		}
	}
	else if (k == 1 || kind == PASS_TRACE)
	{
		if (k > 1)
			logistic_mean_weights(s->z, ld, k, s->w, n, s->h);
		block_products(problem, s, n, sparse, hessian);
	}
	else
	{
		for (int a = 0; a < k; a++)
			for (int b = 0; b <= a; b++)
			{
				logistic_pair_weights(s->z + (size_t) a * ld, s->z + (size_t) b * ld, a == b, s->w, n, s->h);
				block_products(problem, s, n, sparse, hessian + logistic_pair(a, b) * logistic_triangle(d));
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
		logistic_predict(s->x, ld, d, n, 0, pass->b + (size_t) c * (size_t) d, s->z + (size_t) c * ld);
	if (k == 1)
		part[0] += logistic_link_binary(s->z, s->y, s->w, n, s->g, s->h);
	else
		part[0] += logistic_link_softmax(s->z, ld, k, s->y, s->w, n, s->g);

	if (pass->kind == PASS_PRODUCT)
	{
		for (int c = 0; c < k; c++)
			logistic_predict(s->x, ld, d, n, 0, pass->v + (size_t) c * (size_t) d, s->u + (size_t) c * ld);
		if (k == 1)
			logistic_multiply(s->h, s->u, n, s->g);
		else
			logistic_softmax_product(s->z, s->u, ld, k, s->w, n, s->g);
	}
	for (int c = 0; c < k; c++)
		logistic_dots(s->x, ld, d, n, s->g + (size_t) c * ld, gradient + (size_t) c * (size_t) d);
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
	double		k = problem->k;
	double		d = problem->d;
	double		pairs = pass->kind == PASS_HESSIAN ? k * (k + 1) / 2 : pass->kind == PASS_TRACE;
	double		row_cost = 50 * k + d * (5 + 5 * k + pairs * (2 + 0.5 * d));
	double		slice = 3e7 / (row_cost * (double) problem->block_rows);
	size_t		rounds;

	pass->count = (problem->blocks + pass->stride - 1) / pass->stride;
	pass->hessian_size = logistic_hessian_size(problem, pass->kind);
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
void
logistic_evaluate(Problem *problem, PassKind kind, const Level *level, const double *b, const double *v,
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
}

/* Space for the results of passes up to one of this kind. */
Evaluation
logistic_evaluation_create(Problem *problem, PassKind kind)
{
	Evaluation	evaluation = {0};

	evaluation.gradient = ml_alloc_array_zero(problem->ctx, problem->unknowns, sizeof(double));
	evaluation.hessian = ml_alloc_array_zero(problem->ctx, logistic_hessian_size(problem, kind) + 1,
											 sizeof(double));
	return evaluation;
}
