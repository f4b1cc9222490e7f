/*
 * Cross-validation: which rows each fold holds out.
 *
 * Stratified and random: rows in the order of their shuffled hashes are dealt to the folds in turn,
 * class by class, so that folds differ by one row at most, and a class by one row a fold.
 * Groups: the largest first, each to the fold that has the fewest rows so far (LPT scheduling); groups of
 * about one size come in shuffled order.
 * Forward chaining (Bergmeir and Benitez, Information Sciences 191, 2012): in the order of a column, fold f learns from
 * the first f + 1 of folds + 1 equal parts and is judged by the part that follows; rows of equal order stay together.
 */
#include "model/folds.h"

#include <math.h>
#include <string.h>

#include "score/runs.h"

/* What a hash becomes under the seed of a repetition. */
static uint64_t
shuffled(uint64_t hash, const MlSplit *split)
{
	return ml_mix64(hash ^ ml_mix64(split->seed + (uint64_t) split->repeat * UINT64_C(0x9e3779b97f4a7c15)));
}

/* Raise when a class has fewer rows than there are folds. */
static void
check_classes(MlContext *ctx, const MlFoldRows *rows, int folds)
{
	size_t	   *counts = ml_alloc_array_zero(ctx, (size_t) rows->classes + 1, sizeof(size_t));

	for (size_t i = 0; i < rows->n; i++)
		counts[(int) rows->klass[i]]++;
	for (int k = 0; k < rows->classes; k++)
		if (counts[k] < (size_t) folds)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "class \"%s\" has %zu rows, fewer than the %d folds", rows->labels[k],
									counts[k], folds),
						  "Every fold of a stratified cross-validation holds out a row of every class.",
						  "Use fewer folds, \"split\": \"random\", or leave the class out.");
	ml_free(ctx, counts);
}

/* Deal rows in shuffled order; klass comes first in the order where there is one. */
static void
deal_rows(MlContext *ctx, const MlSplit *split, const MlFoldRows *rows, uint8_t *test)
{
	bool		stratified = split->kind == ML_SPLIT_STRATIFIED && rows->klass != NULL;
	size_t	   *begins = ml_alloc_array_zero(ctx, (size_t) (stratified ? rows->classes : 1) + 2, sizeof(size_t));
	MlKeyed	   *keyed = ml_alloc_array(ctx, rows->n + 1, sizeof(MlKeyed));

	if (stratified)
		check_classes(ctx, rows, split->folds);
	for (size_t i = 0; i < rows->n; i++)
		begins[(stratified ? (int) rows->klass[i] : 0) + 2]++;
	for (int k = 2; stratified && k <= rows->classes; k++)
		begins[k] += begins[k - 1];
	for (size_t i = 0; i < rows->n; i++)
		keyed[begins[(stratified ? (int) rows->klass[i] : 0) + 1]++] =
			(MlKeyed) {shuffled(rows->hashes[rows->rows[i]], split), rows->rows[i]};
	for (int k = 0; k < (stratified ? rows->classes : 1); k++)
	{
		ml_sort_keyed(ctx, keyed + begins[k], begins[k + 1] - begins[k]);
	}
	ml_check(ctx);
	for (size_t i = 0; i < rows->n; i++)
		test[keyed[i].item] = i % (size_t) split->folds == (size_t) split->fold;
	ml_free(ctx, keyed);
	ml_free(ctx, begins);
}

/* Deal whole groups. */
static void
deal_groups(MlContext *ctx, const MlSplit *split, const MlFoldRows *rows, uint8_t *test)
{
	const MlGroups *groups = rows->groups;
	MlKeyed	   *keyed = ml_alloc_array(ctx, groups->count + 1, sizeof(MlKeyed));
	int		   *fold_of = ml_alloc_array(ctx, groups->count + 1, sizeof(int));
	size_t	   *sizes = ml_alloc_array_zero(ctx, (size_t) split->folds, sizeof(size_t));

	if (groups->count < (size_t) split->folds)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "there are %zu groups, fewer than the %d folds", groups->count, split->folds),
					  "Every fold holds out a group.", "Use fewer folds.");
	for (size_t g = 0; g < groups->count; g++)
	{
		/* six bits for the size's order of magnitude, the largest first */
		uint64_t	order = (uint64_t) __builtin_clzll((unsigned long long) groups->rows[g] | 1);

		keyed[g] = (MlKeyed) {order << 58 | shuffled(groups->hash[g], split) >> 6, g};
	}
	ml_sort_keyed(ctx, keyed, groups->count);
	for (size_t i = 0; i < groups->count; i++)
	{
		int			lightest = 0;

		for (int f = 1; f < split->folds; f++)
			if (sizes[f] < sizes[lightest])
				lightest = f;
		fold_of[keyed[i].item] = lightest;
		sizes[lightest] += groups->rows[keyed[i].item];
	}
	for (size_t i = 0; i < rows->n; i++)
		test[rows->rows[i]] = fold_of[groups->of_row[rows->rows[i]]] == split->fold;
	ml_free(ctx, sizes);
	ml_free(ctx, fold_of);
	ml_free(ctx, keyed);
}

/* Rows before one time train, those from there up to another are held out, later ones take no part. */
static void
chain_forward(MlContext *ctx, const MlSplit *split, const MlFoldRows *rows, uint8_t *test)
{
	size_t		parts = (size_t) split->folds + 1;
	double	   *sorted = ml_alloc_array(ctx, rows->n + 1, sizeof(double));
	double		from;
	double		until;
	bool		last = split->fold + 1 == split->folds;

	for (size_t i = 0; i < rows->n; i++)
		sorted[i] = rows->order[i];
	ml_sort_numbers(ctx, sorted, rows->n);
	from = sorted[rows->n * ((size_t) split->fold + 1) / parts];
	until = last ? 0 : sorted[rows->n * ((size_t) split->fold + 2) / parts];
	if (rows->n < parts || from == sorted[0] || (!last && from == until))
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "%zu rows cannot be divided into %zu parts in time", rows->n, parts),
					  "Rows of equal time stay in one part, and each part needs a row.", "Use fewer folds.");
	for (size_t i = 0; i < rows->n; i++)
		test[rows->rows[i]] = rows->order[i] < from ? ML_SIDE_TRAIN :
			last || rows->order[i] < until ? ML_SIDE_TEST : ML_SIDE_NEITHER;
	ml_free(ctx, sorted);
}

void
ml_fold_mark(MlContext *ctx, const MlSplit *split, const MlFoldRows *rows, uint8_t *test)
{
	if (split->kind == ML_SPLIT_LAST)
		chain_forward(ctx, split, rows, test);
	else if (rows->groups != NULL)
		deal_groups(ctx, split, rows, test);
	else if (rows->n < (size_t) split->folds)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "there are %zu rows, fewer than the %d folds", rows->n, split->folds),
					  NULL, "Use fewer folds.");
	else
		deal_rows(ctx, split, rows, test);
}

/* ---- figures of the folds ---- */

/* The value of a metric in a fold, of the model or of the baseline; NULL when the fold has none of that name. */
static const double *
fold_value(const MlFold *fold, bool of_baseline, const char *name)
{
	const MlMetric *metrics = of_baseline ? fold->baseline : fold->metrics;
	int			n = of_baseline ? fold->nbaseline : fold->nmetrics;

	for (int i = 0; i < n; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return &metrics[i].value;
	return NULL;
}

/* Does every fold have the metric?  One whose training rows lack a class may have others than the rest. */
static bool
all_have(const MlFold *folds, int count, bool of_baseline, const char *name)
{
	for (int f = 0; f < count; f++)
		if (fold_value(&folds[f], of_baseline, name) == NULL)
			return false;
	return true;
}

/* The mean of a metric over the folds on which it is defined, and the standard deviation. */
static double
fold_mean(const MlFold *folds, int count, bool of_baseline, const char *name, double *deviation)
{
	double		sum = 0;
	double		squares = 0;
	int			defined = 0;
	double		mean;

	for (int f = 0; f < count; f++)
	{
		double		value = *fold_value(&folds[f], of_baseline, name);

		if (value == value)
		{
			sum += value;
			defined++;
		}
	}
	mean = defined > 0 ? sum / defined : NAN;
	for (int f = 0; f < count; f++)
	{
		double		difference = *fold_value(&folds[f], of_baseline, name) - mean;

		if (difference == difference)
			squares += difference * difference;
	}
	*deviation = defined > 1 ? sqrt(squares / (defined - 1)) : NAN;
	return mean;
}

int
ml_folds_mean(const MlFold *folds, int count, bool of_baseline, MlMetric *means, double *deviations)
{
	const MlMetric *metrics = of_baseline ? folds[0].baseline : folds[0].metrics;
	int			all = of_baseline ? folds[0].nbaseline : folds[0].nmetrics;
	int			n = 0;

	for (int i = 0; i < all; i++)
	{
		double		deviation;

		if (!all_have(folds, count, of_baseline, metrics[i].name))
			continue;
		means[n] = metrics[i];
		means[n].value = fold_mean(folds, count, of_baseline, metrics[i].name, &deviation);
		if (deviations != NULL)
			deviations[n] = deviation;
		n++;
	}
	return n;
}
