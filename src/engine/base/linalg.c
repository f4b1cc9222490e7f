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
extern void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda,
					int *info, size_t, size_t);
extern void dtrtrs_(const char *uplo, const char *trans, const char *diag, const int *n,
					const int *nrhs, const double *a, const int *lda, double *b, const int *ldb,
					int *info, size_t, size_t, size_t);
extern void dsyrk_(const char *uplo, const char *trans, const int *n, const int *k,
				   const double *alpha, const double *a, const int *lda, const double *beta,
				   double *c, const int *ldc, size_t, size_t);
extern void dgemv_(const char *trans, const int *m, const int *n, const double *alpha,
				   const double *a, const int *lda, const double *x, const int *incx,
				   const double *beta, double *y, const int *incy, size_t);
extern void dgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
				   const double *alpha, const double *a, const int *lda, const double *b,
				   const int *ldb, const double *beta, double *c, const int *ldc, size_t, size_t);

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

/* Inverts an upper triangle in place; false when its diagonal has a zero. */
bool
ml_upper_inverse(double *r, int n, int ldr)
{
	int			info = 0;

	if (n > 0)
		dtrtri_("U", "N", &n, r, &ldr, &info, 1, 1);
	return info == 0;
}

/* Solves R x = b in place. */
void
ml_upper_solve(const double *r, int n, int ldr, double *b)
{
	int			info = 0;
	int			one = 1;

	if (n > 0)
		dtrtrs_("U", "N", "N", &n, &one, r, &ldr, b, &n, &info, 1, 1, 1);
}

/* Adds alpha a' a to the lower triangle of c. */
void
ml_syrk(double *c, int n, int ldc, double alpha, const double *a, int k, int lda)
{
	double		one = 1.0;

	if (n > 0 && k > 0)
		dsyrk_("L", "T", &n, &k, &alpha, a, &lda, &one, c, &ldc, 1, 1);
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

/* C = beta C + alpha op(A) op(B). */
void
ml_gemm(bool transpose_a, bool transpose_b, int m, int n, int k, double alpha,
		const double *a, int lda, const double *b, int ldb,
		double beta, double *c, int ldc)
{
	if (m > 0 && n > 0)
		dgemm_(transpose_a ? "T" : "N", transpose_b ? "T" : "N", &m, &n, &k, &alpha, a, &lda,
			   b, &ldb, &beta, c, &ldc, 1, 1);
}
