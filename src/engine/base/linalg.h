/*
 * The dense linear algebra that is not hot, by LAPACK (Debian's serial
 * OpenBLAS).  Matrices are column-major: element (i, j) is a[i + j * lda].
 */
#ifndef ML_LINALG_H
#define ML_LINALG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/context.h"

/* To be called first, on the calling thread: loads the library, or raises. */
extern void ml_linalg_open(MlContext *ctx);

/*
 * Cholesky of the symmetric n x n matrix a (lower triangle read, overwritten by
 * L with a = L L').  False when a is not positive definite.
 */
extern bool ml_cholesky(double *a, int n, int lda);

/* Solve L L' x = b in place of b, L from ml_cholesky. */
extern void ml_cholesky_solve(const double *l, int n, int lda, double *b);

/* Replace L by the full symmetric inverse (L L')^-1, both triangles. */
extern void ml_cholesky_inverse(double *l, int n, int lda);

/* y += alpha * A x (transpose: A' x); A is m x n. */
extern void ml_gemv(bool transpose, int m, int n, double alpha, const double *a, int lda,
					const double *x, double *y);

#endif
