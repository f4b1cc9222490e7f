/*
 * Cross-validation: which rows each fold holds out, and the figures of all folds.
 */
#ifndef ML_FOLDS_H
#define ML_FOLDS_H

#include "model/groups.h"
#include "model/pipeline.h"

/* The rows that are divided. */
typedef struct MlFoldRows
{
	const uint32_t *rows;		/* [n] of the table, ascending */
	size_t		n;
	const double *klass;		/* [n] class index; NULL where the target is a number */
	int			classes;
	const char *const *labels;	/* [classes] */
	const uint64_t *hashes;		/* by row of the table */
	const double *order;		/* [n] for forward chaining, else NULL */
	const MlGroups *groups;		/* NULL = rows are divided one by one */
} MlFoldRows;

/*
 * Mark the sides of all rows for split->fold of split->folds in split->repeat: test[row] = ML_SIDE_...
 * Raises where a class, the groups or the times are too few for the folds.
 */
extern void ml_fold_mark(MlContext *ctx, const MlSplit *split, const MlFoldRows *rows, uint8_t *test);

/*
 * The mean of every metric that all folds (count > 0) have, and its standard deviation unless NULL; returns how many.
 * A fold on which one is not defined does not count.
 */
extern int	ml_folds_mean(const MlFold *folds, int count, bool of_baseline, MlMetric *means, double *deviations);

#endif
