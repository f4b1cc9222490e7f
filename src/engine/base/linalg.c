/*
 * Dense linear algebra by LAPACK and BLAS, called by their Fortran symbols.
 *
 * Debian's serial OpenBLAS starts no thread of its own.  These functions are for
 * what is not hot, factorisations first of all.
 */
#include "base/linalg.h"

/* Fortran passes everything by address; a character has its length behind the last argument. */
extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
extern void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
					double *b, const int *ldb, int *info, size_t);
extern void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
extern void dgemv_(const char *trans, const int *m, const int *n, const double *alpha,
				   const double *a, const int *lda, const double *x, const int *incx,
				   const double *beta, double *y, const int *incy, size_t);

/* Factors a = L L'; false when a is not positive definite (NaN included). */
bool
ml_cholesky(double *a, int n, int lda)
{
	int			info = 0;

	if (n == 0)
		return true;
	dpotrf_("L", &n, a, &lda, &info, 1);
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
		dpotrs_("L", &n, &one, l, &lda, b, &n, &info, 1);
}

/* Replaces L by the whole inverse of L L'. */
void
ml_cholesky_inverse(double *l, int n, int lda)
{
	int			info = 0;
	size_t		ld = (size_t) lda;

	if (n == 0)
		return;
	dpotri_("L", &n, l, &lda, &info, 1);
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
		dgemv_(transpose ? "T" : "N", &m, &n, &alpha, a, &lda, x, &step, &one, y, &step, 1);
}

