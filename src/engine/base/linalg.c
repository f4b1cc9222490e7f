/*
 * Dense linear algebra by LAPACK and BLAS, called by their Fortran symbols.
 *
 * Debian's serial OpenBLAS starts no thread of its own.  These functions are for what is not hot, factorisations first
 * of all, and few learners need them, while the library takes longer to load than all else of a new session: so it is
 * opened by the first who does, and its thousands of symbols are bound one by one.
 */
#include "base/linalg.h"

#include <dlfcn.h>

/* Fortran passes everything by address; a character has its length behind the last argument. */
static struct
{
	void		(*dpotrf) (const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
	void		(*dpotrs) (const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
						   double *b, const int *ldb, int *info, size_t);
	void		(*dpotri) (const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
	void		(*dgemv) (const char *trans, const int *m, const int *n, const double *alpha,
						  const double *a, const int *lda, const double *x, const int *incx,
						  const double *beta, double *y, const int *incy, size_t);
	bool		open;
}			blas;

/* A function of the library as data, which is how POSIX gives it. */
static void *
need_symbol(MlContext *ctx, void *library, const char *name)
{
	void	   *symbol = dlsym(library, name);

	if (symbol == NULL)
		ml_raise(ctx, ML_ERROR_INTERNAL, "OpenBLAS in \"%s\" has no function \"%s\"", ML_OPENBLAS, name);
	return symbol;
}

void
ml_linalg_open(MlContext *ctx)
{
	void	   *library;

	if (blas.open)
		return;
	library = dlopen(ML_OPENBLAS, RTLD_LAZY | RTLD_LOCAL);
	if (library == NULL)
		ml_raise_full(ctx, ML_ERROR_INTERNAL, "could not load OpenBLAS", ml_strdup(ctx, dlerror()),
					  "Install the package that mlaas was built with, such as libopenblas0-serial.");
	*(void **) &blas.dpotrf = need_symbol(ctx, library, "dpotrf_");
	*(void **) &blas.dpotrs = need_symbol(ctx, library, "dpotrs_");
	*(void **) &blas.dpotri = need_symbol(ctx, library, "dpotri_");
	*(void **) &blas.dgemv = need_symbol(ctx, library, "dgemv_");
	blas.open = true;
}

/* Factors a = L L'; false when a is not positive definite (NaN included). */
bool
ml_cholesky(double *a, int n, int lda)
{
	int			info = 0;

	if (n == 0)
		return true;
	blas.dpotrf("L", &n, a, &lda, &info, 1);
	if (info != 0)
		return false;

	/* A NaN does not always stop dpotrf, but it always reaches a later pivot or its own. */
	for (int i = 0; i < n; i++)
	{
		double		pivot = a[i + (size_t) i * (size_t) lda];

		if (!(pivot > 0) || pivot - pivot != 0)
			return false;
	}
	return true;
}

/* Solves L L' x = b in place. */
void
ml_cholesky_solve(const double *l, int n, int lda, double *b)
{
	int			info = 0;
	int			one = 1;

	if (n > 0)
		blas.dpotrs("L", &n, &one, l, &lda, b, &n, &info, 1);
}

/* Replaces L by the whole inverse of L L'. */
void
ml_cholesky_inverse(double *l, int n, int lda)
{
	int			info = 0;
	size_t		ld = (size_t) lda;

	if (n == 0)
		return;
	blas.dpotri("L", &n, l, &lda, &info, 1);
	for (size_t j = 0; j < (size_t) n; j++)
		for (size_t i = j + 1; i < (size_t) n; i++)
			l[j + i * ld] = l[i + j * ld];
}

/* Adds alpha A x, or alpha A' x, to y. */
void
ml_gemv(bool transpose, int m, int n, double alpha, const double *a, int lda,
		const double *x, double *y)
{
	int			step = 1;
	double		one = 1.0;

	if (m > 0 && n > 0)
		blas.dgemv(transpose ? "T" : "N", &m, &n, &alpha, a, &lda, x, &step, &one, y, &step, 1);
}

