/*
 * Is one model better than another on the same rows, or is it chance?
 */
#ifndef ML_COMPARE_H
#define ML_COMPARE_H

#include "base/context.h"

/*
 * McNemar's test, exact: of the rows that one of two classifiers got right and the other wrong, first and second are
 * how many each got right.  Returns the two-sided p-value; 1 when there are none.
 */
extern double ml_mcnemar_p(size_t first, size_t second);

/* Two areas under ROC curves over the same rows, and how sure their difference is. */
typedef struct MlDelong
{
	double		auc[2];
	double		std_error;		/* of auc[1] - auc[0] */
	double		p_value;		/* two-sided; 1 when the scores order all rows alike */
} MlDelong;

/*
 * DeLong's test; positive[i] > 0.5 is the positive class.  Returns false (all NaN) unless there are two rows of each
 * class.
 */
extern bool ml_delong(MlContext *ctx, const double *positive, const double *first, const double *second, size_t n,
					  MlDelong *result);

#endif
