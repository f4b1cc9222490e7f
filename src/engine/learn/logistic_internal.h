/*
 * What the files of logistic regression share; see logistic_regression.c for problem, shapes and rules.
 */
#ifndef ML_LOGISTIC_INTERNAL_H
#define ML_LOGISTIC_INTERNAL_H

#include "learn/learner.h"

#include <math.h>

#define LOGISTIC_LANES 8

/* Preconditioners of more unknowns a class are diagonal. */
#define LOGISTIC_PRECONDITION_UNKNOWNS 2001

typedef struct LogisticParams
{
	double		l2;
	bool		fit_intercept;
	int64_t		max_iter;
	double		tol;
	const char *class_weight;	/* JSON */
} LogisticParams;

/* What one pass over rows computes besides the objective. */
typedef enum PassKind
{
	PASS_GRADIENT,				/* gradient */
	PASS_HESSIAN,				/* gradient, and a d x d block for each pair of classes */
	PASS_TRACE,					/* gradient, and one d x d block: the mean of the classes' own */
	PASS_DIAGONAL,				/* gradient, and the diagonal of the Hessian */
	PASS_PRODUCT				/* Hessian times a vector, in the gradient's place */
} PassKind;

typedef struct SparseBlock SparseBlock;

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
	SparseBlock *sparse;		/* NULL: no look for sparse columns */
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

/* Vectors of the conjugate gradients. */
typedef struct CgSpace
{
	double	   *r;
	double	   *z;
	double	   *p;
	Evaluation	product;
} CgSpace;

/* Where a solver is and what it works with, made once for all levels. */
typedef struct Solver
{
	Evaluation	now;			/* at the coefficients */
	Evaluation	next;			/* at the ones tried */
	double	   *step;			/* [unknowns] */
	double	   *trial;			/* [unknowns] */
	Factor		factor;			/* direct */
	Precondition precondition;	/* conjugate gradients */
	CgSpace		cg;
} Solver;

/* Elements of a packed d x d triangle. */
static inline size_t
logistic_triangle(int d)
{
	return (size_t) d * ((size_t) d + 1) / 2;
}

/* The place of element (i, j), i >= j, in it. */
static inline size_t
logistic_packed(int d, int i, int j)
{
	return (size_t) j * (size_t) d - (size_t) j * (size_t) (j - 1) / 2 + (size_t) (i - j);
}

/* Pairs of classes with k >= l, in the order (0,0) (1,0) (1,1) (2,0) ... */
static inline size_t
logistic_pair(int k, int l)
{
	return (size_t) k * ((size_t) k + 1) / 2 + (size_t) l;
}

/* The largest absolute value of n; NaN when there is one. */
static inline double
logistic_largest(const double *v, size_t n)
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
static inline double
logistic_dot(const double *a, const double *b, size_t n)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* The penalty on unknown j of a class. */
static inline double
logistic_penalty(const Problem *problem, int j)
{
	return j == 0 && problem->params->fit_intercept ? 0 : problem->params->l2;
}

/* ---- logistic_kernels.c: one block of n rows, a multiple of eight but where it says any n ---- */

extern void logistic_predict(const double *x, size_t ld, int d, size_t n, double start,
							 const double *b, double *out);
extern double logistic_link_binary(const double *z, const double *y, const double *w, size_t n,
								   double *g, double *h);
extern double logistic_link_softmax(double *z, size_t ld, int k, const double *y,
									const double *w, size_t n, double *g);
extern void logistic_products(const double *x, const double *hx, size_t ld, int d, size_t n,
							  double *out);
extern void logistic_dots(const double *x, size_t ld, int d, size_t n, const double *g,
						  double *out);
extern void logistic_squares(const double *x, size_t ld, int d, size_t n, const double *h,
							 double *out);
extern void logistic_weigh(const double *x, size_t ld, int d, size_t n, const double *h,
						   double *hx);
extern void logistic_pair_weights(const double *pk, const double *pl, bool same,
								  const double *w, size_t n, double *h);
extern void logistic_mean_weights(const double *p, size_t ld, int k, const double *w, size_t n,
								  double *h);
extern void logistic_softmax_product(const double *p, const double *u, size_t ld, int k,
									 const double *w, size_t n, double *g);
extern void logistic_fill(double value, size_t n, double *out);
extern void logistic_multiply(const double *a, const double *b, size_t n, double *out);
extern void logistic_sigmoid(double *p0, double *p1, size_t n);
extern void logistic_softmax(double *out, size_t ldout, int k, size_t n);

/* ---- logistic_sparse.c ---- */

/* Space for blocks of d columns with leading dimension ld; NULL when d is too small for it to matter. */
extern SparseBlock *logistic_sparse_create(MlContext *ctx, int d, size_t ld);

/* Look at a block of n rows (a multiple of eight); false when it is better treated as dense. */
extern bool logistic_sparse_scan(SparseBlock *s, const double *x, size_t n);

/* Add x' diag(h) x of the block looked at last to out (packed); hx is space for d + 1 columns. */
extern void logistic_sparse_products(SparseBlock *s, const double *h, size_t n, double *hx, double *out);

/* ---- logistic_passes.c ---- */

/*
 * Set a problem up: sizes, scratch space, the null model, whose coefficients (where the fit
 * starts) are returned.
 */
extern double *logistic_problem_init(Problem *problem, MlContext *ctx, const MlDesign *design,
									 const LogisticParams *params);

/* Space for the results of passes up to one of this kind. */
extern Evaluation logistic_evaluation_create(Problem *problem, PassKind kind);

/*
 * Run a pass at b over every level->stride-th block; out: objective, gradient and Hessian, the
 * data's share scaled up to all rows.  PASS_PRODUCT: the gradient is the penalised Hessian times v.
 */
extern void logistic_evaluate(Problem *problem, PassKind kind, const Level *level, const double *b,
							  const double *v, Evaluation *out);

/* ---- logistic_solver.c ---- */

/* Working space for the direct method, or for conjugate gradients. */
extern Solver logistic_solver_create(Problem *problem, bool direct);

/*
 * Newton's method from b, where solver->now is an evaluation (PASS_HESSIAN, or PASS_GRADIENT for
 * conjugate gradients); both are moved to the solution.  True when it converged.
 */
extern bool logistic_newton(Problem *problem, const Level *level, double *b, Solver *solver);
extern bool logistic_newton_cg(Problem *problem, const Level *level, double *b, Solver *solver);

#endif
