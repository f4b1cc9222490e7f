/*
 * TSQR: the triangular factor R (q x q) of a tall matrix A (n x q) whose rows arrive in
 * blocks, by Householder reflections of each block against the R so far; factors of parts
 * merge in the same way.  Backward stable, one pass, q^2 doubles of state.
 * Demmel, Grigori, Hoemmen, Langou, "Communication-optimal parallel and sequential QR", 2012.
 */
#ifndef ML_TSQR_H
#define ML_TSQR_H

#include <stddef.h>

/* Rows to gather before a block is worth reducing. */
#define ML_TSQR_ROWS 128

/*
 * r (q x q, upper, column-major, leading dimension ldr) becomes the factor of [r; a]; a
 * (n x q, leading dimension lda) is destroyed.  A zero r is an empty factor.
 */
extern void ml_tsqr_reduce(double *r, size_t ldr, double *a, size_t lda, size_t n, int q);

/* r becomes the factor of [r; other]; other (q x q, upper) is destroyed. */
extern void ml_tsqr_merge(double *r, size_t ldr, double *other, size_t ldother, int q);

/*
 * The same in extended precision (long double), for factors of few rows, where exactness costs
 * nothing.  ML_TSQR_EXTENDED_WORK bounds rows * q^2: some milliseconds.
 */
#define ML_TSQR_EXTENDED_WORK 1e6

extern void ml_tsqr_reduce_extended(long double *r, size_t ldr, long double *a, size_t lda, size_t n, int q);

#endif
