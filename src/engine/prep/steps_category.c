/*
 * Fitting the steps of a category: its slot is the code of its string, from which an encoding makes numbers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prep/steps_internal.h"

typedef struct Coded
{
	const char *string;
	uint32_t	length;
	uint32_t	code;
} Coded;

static int
by_bytes(const void *pa, const void *pb)
{
	const Coded *a = pa;
	const Coded *b = pb;
	int			order = memcmp(a->string, b->string, a->length < b->length ? a->length : b->length);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Know all strings of the training rows, in the order of their bytes; tells the rows of each. */
static double *
keep_strings(StepFit *fit, int f)
{
	const MlDictionary *d = fit->dictionaries[f];
	Levels	   *levels = &fit->prep->levels[f];
	Coded	   *strings = ml_alloc_array(fit->ctx, (size_t) d->count + 1, sizeof *strings);
	double	   *counts;
	size_t		n = 0;

	for (uint32_t code = 0; code < d->count; code++)
		if (fit->counts[f][code] > 0)
			strings[n++] = (Coded) {d->strings[code], d->lengths[code], code};
	qsort(strings, n, sizeof *strings, by_bytes);
	*levels = (Levels)
	{
		.kept = ml_dictionary_create(fit->ctx),.nlevels = (int) n,.null_level = -1,.other_level = -1,.reference = -1,
			.unseen = -1,.null_target = -1,.filled = -1
	};
	counts = ml_alloc_array_zero(fit->ctx, n + 1, sizeof(double));
	fit->code_level[f] = ml_alloc_array(fit->ctx, (size_t) d->count + 1, sizeof(double));
	for (uint32_t code = 0; code < d->count; code++)
		fit->code_level[f][code] = -1;
	for (size_t i = 0; i < n; i++)
	{
		ml_dictionary_add(fit->ctx, levels->kept, strings[i].string, strings[i].length, UINT32_MAX);
		counts[i] = fit->counts[f][strings[i].code];
		fit->code_level[f][strings[i].code] = (double) i;
	}
	ml_free(fit->ctx, strings);
	return counts;
}

/* The most frequent string, the first of several; -1 = there is none. */
static int
most_frequent(const double *counts, size_t n)
{
	int			best = n > 0 ? 0 : -1;

	for (size_t k = 1; k < n; k++)
		if (counts[k] > counts[best])
			best = (int) k;
	return best;
}

/* Fill a category forward; NULL = no string is known. */
static MlFill *
forward_category(StepFit *fit, int f, const MlColumnSteps *steps, const double *counts)
{
	const Levels *levels = &fit->prep->levels[f];
	MlFill	   *fill = fit_forward(fit, f, steps, most_frequent(counts, (size_t) levels->nlevels));

	if (fill != NULL)
		fill->last_text = levels->kept->strings[(size_t) fill->last];
	return fill;
}

/* What NULL becomes. */
static void
impute_category(StepFit *fit, int f, const MlColumnSteps *steps, const double *counts)
{
	const Levels *levels = &fit->prep->levels[f];

	if (steps->impute == ML_IMPUTE_ERROR)
		fit_refuse_nulls(fit, f, fit->nulls[f]);
	else if (steps->impute == ML_IMPUTE_MODE)
		fit_add_step(fit, (MlStep) {.kind = ML_STEP_IMPUTE,.a = most_frequent(counts, (size_t) levels->nlevels)}, NULL);
	else if (steps->impute == ML_IMPUTE_CONSTANT)
		fit_add_step(fit, (MlStep)
		{
			.kind = ML_STEP_IMPUTE,.a = ml_prep_encode(fit->prep, f, steps->fill_text, strlen(steps->fill_text))
		}, NULL);
	else if (steps->impute == ML_IMPUTE_FORWARD)
		(void) forward_category(fit, f, steps, counts);
}

/* The places of strings in the order given; raises for strings that it misses. */
static void
order_codes(StepFit *fit, int f, const MlColumnSteps *steps, MlStep *step, double *codes)
{
	const MlDictionary *kept = fit->prep->levels[f].kept;
	const char *missed = "";
	int			nmissed = 0;

	for (uint32_t c = 0; c < kept->count; c++)
	{
		codes[c] = steps->has_unseen ? steps->unseen : NAN;
		for (int o = 0; o < steps->norder; o++)
			if (strcmp(steps->order[o], kept->strings[c]) == 0)
				codes[c] = o;
		if (codes[c] != codes[c] && nmissed++ < 5)
			missed = ml_format(fit->ctx, "%s%s\"%s\"", missed, nmissed > 1 ? ", " : "", kept->strings[c]);
	}
	if (nmissed > 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA,
					  ml_format(fit->ctx, "the order of \"%s\" misses values", fit->prep->features[f].name),
					  ml_format(fit->ctx, nmissed > 5 ? "It has %s and %d more." : "It has %s.", missed, nmissed - 5),
					  "Add them to \"order\", or give the number of all others as \"unseen\".");
	step->a = steps->has_unseen ? steps->unseen : NAN;
	step->b = NAN;
}

/* Sums of the target, by part of the rows. */
typedef struct TargetSums
{
	size_t		k;				/* codes, then unseen (never any), then NULL */
	double	   *sum;			/* [ML_TERM_FOLDS][k + 2] */
	double	   *count;
} TargetSums;

/* Smoothed means without one part of the rows, or with all (without < 0). */
static void
smooth_means(const TargetSums *s, int without, double smoothing, double *out)
{
	double		all = 0;
	double		rows = 0;
	double		prior;

	for (int part = 0; part < ML_TERM_FOLDS; part++)
		for (size_t c = 0; c < s->k + 2 && part != without; c++)
		{
			all += s->sum[(size_t) part * (s->k + 2) + c];
			rows += s->count[(size_t) part * (s->k + 2) + c];
		}
	prior = rows > 0 ? all / rows : 0;
	for (size_t c = 0; c < s->k + 2; c++)
	{
		double		sum = 0;
		double		count = 0;

		for (int part = 0; part < ML_TERM_FOLDS; part++)
			if (part != without)
			{
				sum += s->sum[(size_t) part * (s->k + 2) + c];
				count += s->count[(size_t) part * (s->k + 2) + c];
			}
		out[c] = count + smoothing > 0 ? (sum + smoothing * prior) / (count + smoothing) : prior;
	}
}

/* The encoding by the mean of the target (klass < 0), or by the share of one of its classes. */
static MlStep
target_step(StepFit *fit, int klass, double smoothing, size_t k)
{
	const MlPrepTraining *t = fit->training;
	MlStep		step = {.kind = ML_STEP_ENCODE,.count = k};
	TargetSums	s = {.k = k};
	double	   *all = ml_alloc_array(fit->ctx, k + 2, sizeof(double));
	double	   *by_fold = ml_alloc_array(fit->ctx, (k + 2) * ML_TERM_FOLDS, sizeof(double));

	s.sum = ml_alloc_array_zero(fit->ctx, (k + 2) * ML_TERM_FOLDS, sizeof(double));
	s.count = ml_alloc_array_zero(fit->ctx, (k + 2) * ML_TERM_FOLDS, sizeof(double));
	for (size_t i = 0; i < t->n; i++)
	{
		double		v = fit->values[i];
		size_t		place = t->folds[i] * (k + 2) + (v != v ? k + 1 : v >= 0 ? (size_t) v : k);

		s.sum[place] += klass < 0 ? t->target[i] : t->target[i] == klass;
		s.count[place] += 1;
	}
	smooth_means(&s, -1, smoothing, all);
	for (int part = 0; part < ML_TERM_FOLDS; part++)
		smooth_means(&s, part, smoothing, by_fold + (size_t) part * (k + 2));
	step.values = all;
	step.a = all[k];
	step.b = all[k + 1];
	step.by_fold = by_fold;
	fit->prep->by_target = true;
	ml_free(fit->ctx, s.sum);
	ml_free(fit->ctx, s.count);
	return step;
}

/* One column for a number or two classes, else one a class. */
static void
encode_by_target(StepFit *fit, int f, const MlColumnSteps *steps)
{
	const MlPrepTraining *t = fit->training;
	size_t		k = (size_t) fit->prep->levels[f].nlevels;
	const char *base = fit->name;
	int			before = fit->chain.count;
	double	   *codes;

	if (t->target == NULL)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(fit->ctx, "\"%s\" cannot be encoded by the target", fit->prep->features[f].name),
					  "There is no target.", NULL);
	if (t->classes <= 2)
	{
		fit_add_step(fit, target_step(fit, t->classes == 2 ? 1 : -1, steps->smoothing, k), "target");
		fit_add_value(fit, f, steps->scale);
		return;
	}
	codes = ml_alloc_array(fit->ctx, t->n + 1, sizeof(double));
	memcpy(codes, fit->values, t->n * sizeof(double));
	for (int klass = 0; klass < t->classes; klass++)
	{
		memcpy(fit->values, codes, t->n * sizeof(double));
		fit->chain.count = before;
		fit->name = base;
		fit_add_step(fit, target_step(fit, klass, steps->smoothing, k), "target");
		fit->name = ml_format(fit->ctx, "%s=%s", fit->name, t->labels[klass]);
		fit_add_value(fit, f, steps->scale);
	}
	fit->outputs[f].count = 0;
	ml_free(fit->ctx, codes);
}

/* One number a string. */
static void
encode_by_string(StepFit *fit, int f, const MlColumnSteps *steps, const double *counts)
{
	size_t		k = (size_t) fit->prep->levels[f].nlevels;
	double	   *codes = ml_alloc_array(fit->ctx, k + 1, sizeof(double));
	MlStep		step = {.kind = ML_STEP_ENCODE,.values = codes,.count = k,.a = NAN,.b = NAN};

	if (steps->encode == ML_ENCODE_ORDINAL)
		order_codes(fit, f, steps, &step, codes);
	else if (steps->encode == ML_ENCODE_LABEL)
		for (size_t c = 0; c < k; c++)
			codes[c] = (double) c;
	else
	{
		for (size_t c = 0; c < k; c++)
			codes[c] = counts[c] / (double) fit->training->n;
		step.a = 0;
		step.b = fit->nulls[f] / (double) fit->training->n;
	}
	fit_add_step(fit, step, steps->encode == ML_ENCODE_ORDINAL ? "ordinal" :
				 steps->encode == ML_ENCODE_LABEL ? "label" : "frequency");
	fit_add_value(fit, f, steps->scale);
}

static void
encode_by_hash(StepFit *fit, int f, const MlColumnSteps *steps)
{
	const MlDictionary *d = fit->dictionaries[f];
	const char **names = ml_alloc_array(fit->ctx, (size_t) steps->buckets + 1, sizeof(char *));
	const char *name = steps->name != NULL ? steps->name : fit->prep->features[f].name;

	fit->prep->levels[f].kept = ml_dictionary_create(fit->ctx);
	fit->prep->levels[f].nlevels = 0;
	fit->prep->levels[f].buckets = steps->buckets;
	for (uint32_t code = 0; code < d->count; code++)
		fit->code_level[f][code] = ml_prep_encode(fit->prep, f, d->strings[code], d->lengths[code]);
	for (int k = 0; k < steps->buckets; k++)
		names[k] = ml_format(fit->ctx, "%s#%d", name, k);
	fit_begin_column(fit, f, fit->prep->features[f].slot, name);
	if (steps->impute == ML_IMPUTE_MODE || steps->impute == ML_IMPUTE_CONSTANT || steps->impute == ML_IMPUTE_FORWARD)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(fit->ctx, "preprocess option \"impute\" does not fit \"%s\"", name),
					  "A hash of NULL is 0 in all its columns.", NULL);
	fit_add_flags(fit, f, steps->buckets, -1, names);
}

/* A fill's string, which has a number among those there were, as the level that it has now. */
static double
level_now(const StepFit *fit, int f, const MlDictionary *before, double number)
{
	size_t		at = number == number ? (size_t) number : 0;

	return number == number ? ml_prep_encode(fit->prep, f, before->strings[at], before->lengths[at]) : number;
}

/* One 0/1 column a level, or one of levels, of what a forward fill has made of the strings. */
static void
one_hot_filled(StepFit *fit, int f, const MlPrepOptions *options, const MlColumnSteps *steps, const double *counts)
{
	MlPrep	   *prep = fit->prep;
	const MlDictionary *before = prep->levels[f].kept;
	const MlDictionary *d = fit->dictionaries[f];
	double	   *filled = ml_alloc_array_zero(fit->ctx, (size_t) d->count + 1, sizeof(double));
	MlFill	   *fill = forward_category(fit, f, steps, counts);
	int			first = prep->ncolumns;
	double	   *values;
	MlFilled   *rows;

	for (size_t i = 0; i < fit->training->n && fill != NULL; i++)
	{
		size_t		at = (size_t) fit->values[i];

		filled[ml_dictionary_find(d, before->strings[at], before->lengths[at])] += 1;
	}
	prep_fit_categories(fit->ctx, prep, options, f, d, filled, fill != NULL ? 0 : fit->nulls[f]);
	ml_free(fit->ctx, filled);
	if (fill == NULL)
		return;
	fill->last = level_now(fit, f, before, fill->last);
	fill->of_null = level_now(fit, f, before, fill->of_null);
	values = ml_alloc_array(fit->ctx, fill->count + 1, sizeof(double));
	for (size_t i = 0; i < fill->count; i++)
		values[i] = level_now(fit, f, before, fill->values[i]);
	rows = ml_alloc_array(fit->ctx, fill->nfilled + 1, sizeof(MlFilled));
	for (size_t i = 0; i < fill->nfilled; i++)
		rows[i] = (MlFilled) {fill->filled[i].row, level_now(fit, f, before, fill->filled[i].value)};
	fill->values = values;
	fill->filled = rows;
	for (int j = first; j < prep->ncolumns; j++)
		prep->columns[j].term = fit_keep_term(fit, fit_chain_term(fit, fit->name));
}

/* One 0/1 column a level, as without steps, but for its own options and for where NULL goes. */
static void
one_hot(StepFit *fit, int f, const MlColumnSteps *steps, const double *counts)
{
	MlPrep	   *prep = fit->prep;
	MlPrepOptions options = prep->options;
	const MlDictionary *d = fit->dictionaries[f];
	double	   *all = ml_alloc_array(fit->ctx, (size_t) d->count + 1, sizeof(double));
	double		nulls = fit->nulls[f];
	int			filled = steps->impute == ML_IMPUTE_MODE ? most_frequent(counts, (size_t) prep->levels[f].nlevels) : -1;
	const char *string = filled >= 0 ? prep->levels[f].kept->strings[filled] :
		steps->impute == ML_IMPUTE_CONSTANT ? steps->fill_text : NULL;
	int32_t		code = string != NULL ? ml_dictionary_find(d, string, strlen(string)) : -1;

	/* by default no more columns than there would be levels of few rows */
	if (steps->max_categories > 0)
		options.max_categories = steps->max_categories;
	else if (options.max_small > 0)
		options.max_categories = options.max_small;
	options.max_small = 0;
	if (steps->min_frequency >= 0)
		options.min_frequency = steps->min_frequency;
	memcpy(all, fit->counts[f], (size_t) d->count * sizeof(double));
	if (steps->impute == ML_IMPUTE_CONSTANT && code < 0 && nulls > 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA,
					  ml_format(fit->ctx, "no row of \"%s\" is \"%s\"", prep->features[f].name, string),
					  "With \"one_hot\", the constant that NULL becomes must be a category of the training rows.",
					  "Leave \"impute\" out to make NULL a category of its own.");
	if (code >= 0)
	{
		all[code] += nulls;
		nulls = 0;
	}
	if (steps->impute == ML_IMPUTE_FORWARD)
		one_hot_filled(fit, f, &options, steps, counts);
	else
		prep_fit_categories(fit->ctx, prep, &options, f, d, all, nulls);
	if (code >= 0)
		prep->levels[f].filled = prep->levels[f].null_target = (int) ml_prep_encode(prep, f, string, strlen(string));
	ml_free(fit->ctx, fit->code_level[f]);
	fit->code_level[f] = NULL;
	ml_free(fit->ctx, all);
}

void
fit_no_category(StepFit *fit, int f)
{
	if (fit->is_group[f])
	{
		ml_free(fit->ctx, keep_strings(fit, f));
		return;
	}
	fit->prep->levels[f] = (Levels)
	{
		.kept = ml_dictionary_create(fit->ctx),.null_level = -1,.other_level = -1,.reference = -1,.unseen = -1,
			.null_target = -1,.filled = -1
	};
}

void
fit_category(StepFit *fit, int f, const MlColumnSteps *steps)
{
	const MlFeature *feature = &fit->prep->features[f];
	double	   *counts = keep_strings(fit, f);

	fit_begin_column(fit, f, feature->slot, steps->name != NULL ? steps->name : feature->name);
	if (steps->encode == ML_ENCODE_ONE_HOT)
	{
		if (steps->impute == ML_IMPUTE_ERROR)
			fit_refuse_nulls(fit, f, fit->nulls[f]);
		fit->prep->levels[f].filled = -1;
		one_hot(fit, f, steps, counts);
		return;
	}
	if (steps->encode == ML_ENCODE_HASH)
	{
		if (steps->impute == ML_IMPUTE_ERROR)
			fit_refuse_nulls(fit, f, fit->nulls[f]);
		encode_by_hash(fit, f, steps);
	}
	else
	{
		impute_category(fit, f, steps, counts);
		if (steps->encode == ML_ENCODE_TARGET)
			encode_by_target(fit, f, steps);
		else
			encode_by_string(fit, f, steps, counts);
	}
	fit_add_indicator(fit, f, feature->slot, steps, fit->nulls[f]);
}
