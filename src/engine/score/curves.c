/*
 * Metrics and curves of scores in their order.
 *
 * One pass over ties from the greatest score down.  All rows of equal score move at once, which counts a tied pair
 * one half (the Mann-Whitney statistic) and gives a threshold one point.
 * Paper: Hand and Till, A simple generalisation of the area under the ROC curve for multiple class problems, 2001.
 */
#include "score/curves.h"

#include <math.h>

/* The rows passed so far. */
typedef struct Passed
{
	MlSum		positive;
	MlSum		negative;
} Passed;

void
ml_ties_summary(MlTies *ties, const double totals[2], MlRankSummary *out)
{
	MlSum		area = {0};
	MlSum		precision = {0};
	Passed		passed = {0};
	double		distance = 0.0;

	while (ml_ties_next(ties))
	{
		double		hits = ties->weight[1];
		double		misses = ties->weight[0];
		double		above = ml_sum_value(&passed.positive);
		double		below;

		ml_sum_add(&area, misses * (above + 0.5 * hits));
		ml_sum_add(&passed.positive, hits);
		ml_sum_add(&passed.negative, misses);
		above = ml_sum_value(&passed.positive);
		below = ml_sum_value(&passed.negative);
		if (hits > 0.0)
			ml_sum_add(&precision, hits * (above / (above + below)));
		distance = fmax(distance, fabs(above / totals[1] - below / totals[0]));
	}
	*out = (MlRankSummary) {NAN, NAN, NAN};
	if (totals[1] > 0.0)
		out->average_precision = ml_sum_value(&precision) / totals[1];
	if (totals[0] > 0.0 && totals[1] > 0.0)
	{
		out->roc_auc = ml_sum_value(&area) / totals[1] / totals[0];
		out->ks = distance;
	}
}

void
ml_ties_roc(MlTies *ties, const double totals[2], MlPoint point, void *arg)
{
	double		columns[ML_ROC_COLUMNS] = {INFINITY, 0.0, 0.0};
	Passed		passed = {0};

	point(arg, columns);
	while (ml_ties_next(ties))
	{
		ml_sum_add(&passed.negative, ties->weight[0]);
		ml_sum_add(&passed.positive, ties->weight[1]);
		columns[0] = ml_key_score(~ties->key);
		columns[1] = ml_sum_value(&passed.negative) / totals[0];
		columns[2] = ml_sum_value(&passed.positive) / totals[1];
		point(arg, columns);
	}
}

void
ml_ties_precision_recall(MlTies *ties, const double totals[2], MlPoint point, void *arg)
{
	double		columns[ML_PRECISION_RECALL_COLUMNS] = {NAN, 1.0, 0.0};
	Passed		passed = {0};

	point(arg, columns);
	while (ml_ties_next(ties))
	{
		double		above;

		ml_sum_add(&passed.negative, ties->weight[0]);
		ml_sum_add(&passed.positive, ties->weight[1]);
		above = ml_sum_value(&passed.positive);
		columns[0] = ml_key_score(~ties->key);
		columns[1] = above / (above + ml_sum_value(&passed.negative));
		columns[2] = above / totals[1];
		point(arg, columns);
	}
}

void
ml_ties_lift(MlTies *ties, const double totals[2], int parts, MlPoint point, void *arg)
{
	double		all = totals[0] + totals[1];
	Passed		passed = {0};
	int			part = 1;

	while (part <= parts && ml_ties_next(ties))
	{
		double		hits = ties->weight[1];
		double		rows = ties->weight[0] + hits;
		double		begin = ml_sum_value(&passed.positive) + ml_sum_value(&passed.negative);
		double		above = ml_sum_value(&passed.positive);

		ml_sum_add(&passed.negative, ties->weight[0]);
		ml_sum_add(&passed.positive, hits);

		/* the last part ends with the last row, whatever rounding says */
		for (; part <= parts && (part < parts ? all * part / parts <= begin + rows : ties->n == 0); part++)
		{
			double		fraction = (double) part / parts;
			double		share = fmin(fmax((all * fraction - begin) / rows, 0.0), 1.0);
			double		gain = part < parts ? (above + share * hits) / totals[1] : 1.0;
			double		columns[ML_LIFT_COLUMNS] = {fraction, ml_key_score(~ties->key), gain, gain / fraction};

			point(arg, columns);
		}
	}
}

double
ml_ties_median(MlTies *ties, double total, bool weighted)
{
	MlSum		passed = {0};
	double		first = NAN;

	while (ml_ties_next(ties))
	{
		double		number = ml_key_score(ties->key);
		double		here;

		ml_sum_add(&passed, ties->weight[0]);
		here = ml_sum_value(&passed);
		if (!isnan(first))
			return first + 0.5 * (number - first);
		if (here < 0.5 * total)
			continue;
		if (weighted || here > 0.5 * total)
			return number;
		first = number;			/* half of the rows end here: the other one of the middle is the next */
	}
	return first;
}

void
ml_ties_class_areas(MlTies *ties, int k, const double *totals, double *areas, double *rest)
{
	MlSum	   *sums = ml_alloc_array_zero(ties->ctx, (size_t) ties->sets, sizeof(MlSum));
	MlSum		above = {0};
	MlSum		others = {0};
	MlSum		all = {0};

	while (ml_ties_next(ties))
	{
		double		reached = ml_sum_value(&above) + 0.5 * ties->weight[k];

		for (int c = 0; c < ties->sets; c++)
			if (ties->weight[c] > 0.0 && c != k)
				ml_sum_add(&sums[c], ties->weight[c] * reached);
		ml_sum_add(&above, ties->weight[k]);
	}
	for (int c = 0; c < ties->sets; c++)
	{
		areas[c] = c != k && totals[c] > 0.0 && totals[k] > 0.0 ?
			ml_sum_value(&sums[c]) / totals[c] / totals[k] : NAN;
		if (c == k)
			continue;
		ml_sum_merge(&all, &sums[c]);
		ml_sum_add(&others, totals[c]);
	}
	*rest = ml_sum_value(&others) > 0.0 && totals[k] > 0.0 ?
		ml_sum_value(&all) / ml_sum_value(&others) / totals[k] : NAN;
	ml_free(ties->ctx, sums);
}

/* Add a defined value to a weighted mean. */
static inline void
add_to_mean(MlSum *sum, MlSum *weights, double value, double weight)
{
	if (isnan(value))
		return;
	ml_sum_add(sum, value * weight);
	ml_sum_add(weights, weight);
}

double
ml_multiclass_area(int classes, const double *areas, const double *rest, const double *totals, MlMulticlass how,
				   bool weighted)
{
	MlSum		sum = {0};
	MlSum		weights = {0};

	for (int a = 0; a < classes; a++)
	{
		if (how == ML_MULTICLASS_OVR)
			add_to_mean(&sum, &weights, rest[a], weighted ? totals[a] : 1.0);
		else
			for (int b = a + 1; b < classes; b++)
				add_to_mean(&sum, &weights, 0.5 * (areas[a * classes + b] + areas[b * classes + a]),
							weighted ? totals[a] + totals[b] : 1.0);
	}
	return ml_sum_value(&weights) > 0.0 ? ml_sum_value(&sum) / ml_sum_value(&weights) : NAN;
}
