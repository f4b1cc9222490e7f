/*
 * Training in one pass: rows of numbers are reduced, block by block, to what a one-pass
 * learner and the preparation need, and the states of parts merge (parallel workers, Citus).
 *
 * A state keeps the triangular factor of [1, x_1 .. x_m, NULL indicators, y], statistics of every
 * column and the digest; no rows.  A NULL is a zero in its column and a one in the column's
 * indicator, which appears with the first NULL; so imputing by the mean, scaling and dropping are
 * linear maps of the factor, applied at the end.
 */
#ifndef ML_ONE_PASS_H
#define ML_ONE_PASS_H

#include "base/tsqr.h"
#include "model/pipeline.h"

#define ML_ONE_PASS_ROWS ML_TSQR_ROWS

typedef struct MlOnePass
{
	int			features;		/* m: numeric slots */
	bool		weighted;
	bool		digesting;		/* keep the digest of the rows */

	/*
	 * The block being filled, column-major, ML_ONE_PASS_ROWS apart: features, target, weight.  NULL is NaN.
	 * After writing row `filled` the caller adds one and calls ml_one_pass_flush when it is full.  It counts
	 * the NULLs it wrote in block_nulls [m + 2], which tells them from NaNs that were given.
	 */
	double	   *block;
	int		   *block_nulls;
	int			filled;

	double	   *nonfinite;		/* [m + 2] values given that were NaN or infinite */

	double		rows;			/* all rows */
	double		skipped;		/* rows whose target is NULL */
	double		used;			/* rows of positive weight with a target */
	double		log_weights;
	MlDigest	digest;
	uint64_t   *hash_columns;	/* [m + 2] the number each column has in the digest: its own at first */
	MlMoments  *moments;		/* [m + 1], the target last */

	int			indicators;		/* columns of NULLs seen */
	int		   *indicator_of;	/* [m] position, -1 = none */
	double	   *r;				/* q x q, q = m + indicators + 2 */
	long double *extended;		/* the same in extended precision while the rows are few, else NULL */
	double	   *work;			/* [q][ML_ONE_PASS_ROWS] */
} MlOnePass;

extern MlOnePass *ml_one_pass_create(MlContext *ctx, int features, bool weighted, bool digesting);

/* Reduce the rows of the block; raises on a bad weight. */
extern void ml_one_pass_flush(MlContext *ctx, MlOnePass *state);

/* state, whose memory ctx has, takes in other, which is flushed and may be of another context. */
extern void ml_one_pass_merge(MlContext *ctx, MlOnePass *state, const MlOnePass *other);

/* Flat form of a flushed state: a plain array of doubles (counts included). */
extern size_t ml_one_pass_flat_count(const MlOnePass *state);
extern void ml_one_pass_flatten(const MlOnePass *state, double *flat);

/* Returns NULL with *reason set when the doubles are no state. */
extern MlOnePass *ml_one_pass_unflatten(MlContext *ctx, const double *flat, size_t count, const char **reason);

/*
 * Warn of features that alone predict the target almost perfectly: here by a straight line, which is what the factor
 * tells.
 */
extern void ml_one_pass_warn(MlContext *ctx, const MlOnePass *state, const MlFeature *features, int nfeatures);

/*
 * Learn.  spec says algorithm and options; names are of the target and the features, whose widths sum to m.
 * No rows are held out; metrics are those the factor tells (r2, mse, rmse).
 */
extern void ml_one_pass_finish(MlContext *ctx, MlOnePass *state, const MlTrainSpec *spec,
							   MlFeature *features, int nfeatures, const char *target,
							   MlTrainResult *result);

#endif
