/*
 * Fitting a forward fill.
 *
 * Problem: n training rows, each with a moment t (a number or time), a group g (one for all where none is asked for)
 * and a value x or none.  What is missing becomes the value of the last moment of its group, up to its own, that has
 * one; of several values at one moment the largest counts (of strings the last by their bytes), so the order in which
 * rows are read changes nothing.  Before the first value of a group it becomes the number or string given: the mean,
 * the most frequent string.
 * A row of a prediction, and one held out, knows no neighbours: it becomes the last value of its group, of all rows
 * where its group is new or had none.  Values of rows held out are never looked at.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "prep/steps_internal.h"

/* A training row's place. */
typedef struct Moment
{
	double		group;			/* NaN = NULL, a group of its own */
	double		time;
	size_t		row;
} Moment;

/* The training rows in the order of their groups and times: columns that are filled alike share it. */
struct Timeline
{
	const char *order_by;
	const char *group_by;		/* NULL = no groups */
	int			group;			/* the feature, -1 = none */
	Moment	   *moments;
};

/* A fill whose groups are still codes of a dictionary. */
struct OpenFill
{
	MlFill	   *fill;
	int			feature;		/* of the groups, -1 = none */
};

/* Are two groups one? */
static bool
is_same(double a, double b)
{
	return a == b || (a != a && b != b);
}

/* ---- reading ---- */

/* The moments of the training rows; raises where a row has none. */
static double *
read_times(StepFit *fit, const char *column)
{
	const MlPrepTraining *t = fit->training;
	double	   *times = ml_alloc_array(fit->ctx, t->n + 1, sizeof(double));

	if (t->order == NULL || t->rows == NULL || !t->order(t->arg, column, t->n, times))
		ml_raise(fit->ctx, ML_ERROR_UNSUPPORTED, "column \"%s\" that orders the rows cannot be read here", column);
	for (size_t i = 0; i < t->n; i++)
		if (times[i] != times[i])
			ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA,
						  ml_format(fit->ctx, "column \"%s\" that orders the rows has NULLs or NaNs", column), NULL,
						  "Every row needs its place in time: filter these rows out.");
	return times;
}

/* The groups of the training rows: numbers, or codes of strings; returns the feature, -1 = all are one group. */
static int
read_groups(StepFit *fit, int f, const char *group_by, double *groups)
{
	const MlPrepTraining *t = fit->training;
	const MlFeature *feature;
	int			g;

	if (group_by == NULL)
	{
		memset(groups, 0, t->n * sizeof(double));
		return -1;
	}
	g = fit_need_feature(fit, group_by);
	feature = &fit->prep->features[g];
	if (feature->kind != ML_KIND_NUMBER && feature->kind != ML_KIND_CATEGORY)
		ml_raise_full(fit->ctx, ML_ERROR_WRONG_TYPE,
					  ml_format(fit->ctx, "\"%s\" cannot be filled by the groups of \"%s\"",
								fit->prep->features[f].name, group_by),
					  "A group is a number or a category.", NULL);
	for (size_t i = 0; i < t->n; i += ML_TERM_ROWS)
		t->read(t->arg, g, feature->slot, i, t->n - i < ML_TERM_ROWS ? t->n - i : ML_TERM_ROWS, groups + i);
	return g;
}

/* Read and sort the rows' moments. */
static Moment *
make_moments(StepFit *fit, int f, const MlColumnSteps *steps, int *group)
{
	size_t		n = fit->training->n;
	double	   *times = read_times(fit, steps->order_by);
	double	   *groups = ml_alloc_array(fit->ctx, n + 1, sizeof(double));
	MlKeyed    *keyed = ml_alloc_array(fit->ctx, n + 1, sizeof(MlKeyed));
	Moment	   *moments = ml_alloc_array(fit->ctx, n + 1, sizeof(Moment));

	*group = read_groups(fit, f, steps->group_by, groups);
	for (size_t i = 0; i < n; i++)
		keyed[i] = (MlKeyed) {ml_score_key(times[i]), i};
	ml_sort_keyed(fit->ctx, keyed, n);
	/* those of one group keep the order of their times */
	for (size_t i = 0; i < n; i++)
	{
		double		g = groups[keyed[i].item];

		keyed[i].key = g == g ? ml_score_key(g) : UINT64_MAX;
	}
	if (*group >= 0)
		ml_sort_keyed(fit->ctx, keyed, n);
	for (size_t i = 0; i < n; i++)
		moments[i] = (Moment) {groups[keyed[i].item], times[keyed[i].item], keyed[i].item};
	ml_free(fit->ctx, keyed);
	ml_free(fit->ctx, groups);
	ml_free(fit->ctx, times);
	return moments;
}

/* Are rows sorted as these steps want them? */
static bool
is_sorted(const struct Timeline *t, const MlColumnSteps *steps)
{
	return t != NULL && strcmp(t->order_by, steps->order_by) == 0 &&
		(t->group_by == NULL) == (steps->group_by == NULL) &&
		(t->group_by == NULL || strcmp(t->group_by, steps->group_by) == 0);
}

/* The training rows in the order of their groups and times; the feature of the groups goes to *group. */
static const Moment *
sort_rows(StepFit *fit, int f, const MlColumnSteps *steps, int *group)
{
	struct Timeline *timeline = fit->timeline;

	if (!is_sorted(timeline, steps))
	{
		if (timeline == NULL)
			timeline = fit->timeline = ml_alloc_zero(fit->ctx, sizeof *timeline);
		ml_free(fit->ctx, timeline->moments);
		timeline->moments = make_moments(fit, f, steps, &timeline->group);
		timeline->order_by = steps->order_by;
		timeline->group_by = steps->group_by;
	}
	*group = timeline->group;
	return timeline->moments;
}

/* ---- filling ---- */

/* Fill the rows of one group, ascending in time; tells its last value, NaN = it has none. */
static double
fill_group(StepFit *fit, const Moment *moments, size_t n, double leading, MlFilled *filled, size_t *nfilled)
{
	double	   *values = fit->values;
	double		last = NAN;
	size_t		end;

	for (size_t begin = 0; begin < n; begin = end)
	{
		double		largest = NAN;

		for (end = begin; end < n && moments[end].time == moments[begin].time; end++)
			if (!(values[moments[end].row] <= largest) && values[moments[end].row] == values[moments[end].row])
				largest = values[moments[end].row];
		if (largest == largest)
			last = largest;
		for (size_t i = begin; i < end; i++)
		{
			size_t		row = moments[i].row;

			if (values[row] == values[row])
				continue;
			values[row] = last == last ? last : leading;
			filled[(*nfilled)++] = (MlFilled) {fit->training->rows[row], values[row]};
		}
	}
	return last;
}

/* The last value of all rows, NaN = there is none. */
static double
last_of_all(const StepFit *fit, const Moment *moments)
{
	double		time = -INFINITY;
	double		last = NAN;

	for (size_t i = 0; i < fit->training->n; i++)
	{
		double		value = fit->values[moments[i].row];

		if (value != value || moments[i].time < time)
			continue;
		if (moments[i].time > time || !(value <= last))
			last = value;
		time = moments[i].time;
	}
	return last;
}

/* The rows that were filled in the order of their numbers. */
static MlFilled *
sort_filled(StepFit *fit, MlFilled *filled, size_t n)
{
	MlKeyed    *keyed = ml_alloc_array(fit->ctx, n + 1, sizeof(MlKeyed));
	MlFilled   *sorted = ml_alloc_array(fit->ctx, n + 1, sizeof(MlFilled));

	for (size_t i = 0; i < n; i++)
		keyed[i] = (MlKeyed) {filled[i].row, i};
	ml_sort_keyed(fit->ctx, keyed, n);
	for (size_t i = 0; i < n; i++)
		sorted[i] = filled[keyed[i].item];
	ml_free(fit->ctx, keyed);
	ml_free(fit->ctx, filled);
	return sorted;
}

/* Fill group by group, and note what each of them had last. */
static void
fill_groups(StepFit *fit, const Moment *moments, double leading, MlFill *fill)
{
	size_t		n = fit->training->n;
	MlFilled   *filled;
	double	   *groups = ml_alloc_array(fit->ctx, n + 1, sizeof(double));
	double	   *values = ml_alloc_array(fit->ctx, n + 1, sizeof(double));
	size_t		missing = 0;
	size_t		end;

	for (size_t i = 0; i < n; i++)
		missing += fit->values[i] != fit->values[i];
	filled = ml_alloc_array(fit->ctx, missing + 1, sizeof(MlFilled));
	for (size_t begin = 0; begin < n; begin = end)
	{
		double		last;

		for (end = begin; end < n && is_same(moments[end].group, moments[begin].group); end++)
			;
		last = fill_group(fit, moments + begin, end - begin, leading, filled, &fill->nfilled);
		if (moments[begin].group != moments[begin].group)
			fill->of_null = last;
		else if (fill->slot >= 0 && last == last)
		{
			groups[fill->count] = moments[begin].group;
			values[fill->count++] = last;
		}
	}
	fill->filled = sort_filled(fit, filled, fill->nfilled);
	fill->groups = ml_realloc(fit->ctx, groups, (fill->count + 1) * sizeof(double));
	fill->values = ml_realloc(fit->ctx, values, (fill->count + 1) * sizeof(double));
	ml_check(fit->ctx);
}

/* Let the preparation know a fill; returns its number. */
static int
keep_fill(StepFit *fit, MlFill *fill, int group)
{
	MlPrep	   *prep = fit->prep;
	size_t		count = (size_t) prep->nfills + 1;

	prep->fills = ml_realloc(fit->ctx, prep->fills, count * sizeof(MlFill *));
	fit->open = ml_realloc(fit->ctx, fit->open, count * sizeof(struct OpenFill));
	prep->fills[prep->nfills] = fill;
	fit->open[prep->nfills] = (struct OpenFill) {fill, group};
	return prep->nfills++;
}

MlFill *
fit_forward(StepFit *fit, int f, const MlColumnSteps *steps, double leading)
{
	MlFill	   *fill = ml_alloc_zero(fit->ctx, sizeof *fill);
	int			group;
	const Moment *moments = sort_rows(fit, f, steps, &group);

	fill->last = last_of_all(fit, moments);
	if (fill->last != fill->last)
		return NULL;
	fill->order_by = steps->order_by;
	fill->group_by = steps->group_by != NULL ? steps->group_by : "";
	fill->slot = group >= 0 ? fit->prep->features[group].slot : -1;
	fill->of_null = NAN;
	fill_groups(fit, moments, leading, fill);
	/* the values are filled already, and the step leaves them */
	fit_add_step(fit, (MlStep) {.kind = ML_STEP_FORWARD,.a = keep_fill(fit, fill, group),.fill = fill}, NULL);
	return fill;
}

/* ---- groups ---- */

void
fit_find_groups(StepFit *fit)
{
	const MlPrep *prep = fit->prep;

	fit->is_group = ml_alloc_array_zero(fit->ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	for (int f = 0; f < prep->nfeatures; f++)
	{
		const MlFeature *feature = &prep->features[f];
		MlColumnSteps steps;

		ml_column_steps(fit->ctx, &prep->options, feature->name, feature->kind, feature->type, &steps);
		if (steps.impute == ML_IMPUTE_FORWARD && !steps.drop && steps.group_by != NULL)
			fit->is_group[fit_need_feature(fit, steps.group_by)] = true;
	}
}

typedef struct GroupLast
{
	double		level;
	double		value;
} GroupLast;

static int
by_level(const void *pa, const void *pb)
{
	double		a = ((const GroupLast *) pa)->level;
	double		b = ((const GroupLast *) pb)->level;

	return (a > b) - (a < b);
}

/*
 * Turn the codes of a fill's groups into the levels that their strings have; those that share one are told apart from
 * none.
 */
static void
close_fill(StepFit *fit, const struct OpenFill *open)
{
	const MlFeature *feature = &fit->prep->features[open->feature];
	const Levels *levels = &fit->prep->levels[open->feature];
	const MlDictionary *d = fit->dictionaries[open->feature];
	MlFill	   *fill = open->fill;
	GroupLast  *known = ml_alloc_array(fit->ctx, fill->count + 1, sizeof(GroupLast));
	double	   *groups = ml_alloc_array(fit->ctx, fill->count + 1, sizeof(double));
	double	   *values = ml_alloc_array(fit->ctx, fill->count + 1, sizeof(double));
	size_t		n = 0;

	if (levels->buckets > 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(fit->ctx, "preprocess option \"group_by\" cannot be \"%s\"", feature->name),
					  "Its strings are hashed, which does not tell all of them apart.", NULL);
	for (size_t i = 0; i < fill->count; i++)
	{
		uint32_t	code = (uint32_t) fill->groups[i];
		int32_t		level = ml_dictionary_find(levels->kept, d->strings[code], d->lengths[code]);

		if (level >= 0)
			known[n++] = (GroupLast) {level, fill->values[i]};
	}
	qsort(known, n, sizeof *known, by_level);
	for (size_t i = 0; i < n; i++)
	{
		groups[i] = known[i].level;
		values[i] = known[i].value;
	}
	fill->groups = groups;
	fill->values = values;
	fill->count = n;
	ml_free(fit->ctx, known);
}

void
fit_close_fills(StepFit *fit)
{
	if (fit->timeline != NULL)
		ml_free(fit->ctx, fit->timeline->moments);
	for (int i = 0; i < fit->prep->nfills; i++)
		if (fit->open[i].feature >= 0 && fit->prep->features[fit->open[i].feature].kind == ML_KIND_CATEGORY)
			close_fill(fit, &fit->open[i]);
}
