/*
 * Tests of two models on the same rows.
 *
 * McNemar (Psychometrika 12, 1947), in its exact form: rows that both got right or both wrong say nothing; of the
 * others each model gets half right if none is better, a binomial distribution.
 *
 * DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988): an AUC is the mean of what each positive row is worth (the
 * share of negatives below it) and also of what each negative row is; the covariances of these between two models give
 * that of their AUCs.  By midranks this takes sorting only (Sun and Xu, IEEE Signal Processing Letters 21, 2014).
 */
#include "score/compare.h"

#include <math.h>

#include "base/distributions.h"
#include "score/runs.h"

double
ml_mcnemar_p(size_t first, size_t second)
{
	double		fewer = (double) (first < second ? first : second);
	double		more = (double) (first < second ? second : first);
	double		tail;

	if (first == second)
		return 1;
	/* P(X <= fewer) of a binomial of fewer + more and one half, by way of the F distribution */
	tail = ml_f_upper_p(more / (fewer + 1), 2 * (fewer + 1), 2 * more);
	return fmin(1, 2 * tail);
}

/*
 * What each row is worth: of a positive the share of negatives whose score is lower, of a negative the share of
 * positives whose score is higher; equal ones count half.  Returns the AUC.
 */
static double
row_worths(MlContext *ctx, const double *positive, const double *score, size_t n, MlKeyed *order, double positives,
		   double *worth)
{
	double		negatives = (double) n - positives;
	double		positives_below = 0;
	double		negatives_below = 0;
	MlSum		auc = {0, 0};
	size_t		end;

	for (size_t i = 0; i < n; i++)
		order[i] = (MlKeyed) {ml_score_key(score[i]), i};
	ml_sort_keyed(ctx, order, n);
	for (size_t begin = 0; begin < n; begin = end)
	{
		double		tied_positives = 0;

		for (end = begin; end < n && order[end].key == order[begin].key; end++)
			tied_positives += positive[order[end].item] > 0.5;
		double		tied_negatives = (double) (end - begin) - tied_positives;

		for (size_t i = begin; i < end; i++)
		{
			size_t		row = order[i].item;

			if (positive[row] > 0.5)
			{
				worth[row] = (negatives_below + tied_negatives / 2) / negatives;
				ml_sum_add(&auc, worth[row]);
			}
			else
				worth[row] = 1 - (positives_below + tied_positives / 2) / positives;
		}
		positives_below += tied_positives;
		negatives_below += tied_negatives;
	}
	return ml_sum_value(&auc) / positives;
}

bool
ml_delong(MlContext *ctx, const double *positive, const double *first, const double *second, size_t n, MlDelong *result)
{
	MlKeyed	   *order = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));
	double	   *worth[2];
	double		positives = 0;
	MlSum		squares[2] = {{0, 0}, {0, 0}};	/* of the differences: of negative and of positive rows */
	double		difference;
	double		negatives;
	double		variance;

	*result = (MlDelong) {{NAN, NAN}, NAN, NAN};
	for (size_t i = 0; i < n; i++)
		positives += positive[i] > 0.5;
	negatives = (double) n - positives;
	if (positives < 2 || negatives < 2)
	{
		ml_free(ctx, order);
		return false;
	}
	for (int m = 0; m < 2; m++)
	{
		worth[m] = ml_alloc_array(ctx, n + 1, sizeof(double));
		result->auc[m] = row_worths(ctx, positive, m == 0 ? first : second, n, order, positives, worth[m]);
	}
	/* the variance of a difference is that of the rows' differences, whose mean on either side is that of the AUCs */
	difference = result->auc[1] - result->auc[0];
	for (size_t i = 0; i < n; i++)
	{
		double		from_mean = worth[1][i] - worth[0][i] - difference;

		ml_sum_add(&squares[positive[i] > 0.5], from_mean * from_mean);
	}
	variance = ml_sum_value(&squares[1]) / (positives - 1) / positives +
		ml_sum_value(&squares[0]) / (negatives - 1) / negatives;
	result->std_error = sqrt(variance);
	result->p_value = variance > 0 ? ml_normal_two_sided_p(difference / result->std_error) : difference == 0 ? 1 : 0;
	ml_free(ctx, worth[0]);
	ml_free(ctx, worth[1]);
	ml_free(ctx, order);
	return true;
}
