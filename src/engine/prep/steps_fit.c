/*
 * Fitting steps to the training rows: one column is read whole at a time, goes through its steps as they are
 * fitted, and what it is then gives the columns.
 *
 * An encoding by the target sees each training row without the part of the rows that it is in (by_fold), so that
 * its own target does not come back to the learner; rows of a prediction get the encoding of all.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "prep/prep_internal.h"

struct StepFit
{
	MlContext  *ctx;
	MlPrep	   *prep;
	const MlPrepTraining *training;
	MlDictionary *const *dictionaries;
	const double *const *counts;
	const double *nulls;
	double	  **code_level;		/* [features] slot value of each dictionary code; NULL = none */
	MlTerm	   *outputs;		/* [features] the number that a feature became; without factors = none or several */
	double	   *values;			/* [n] of the column at hand */
	double	   *sorted;			/* [nsorted] those that are not missing, ascending; NULL = not sorted */
	size_t		nsorted;
	MlFactorOf	chain;			/* its steps so far */
	const char *name;			/* of what the steps so far make */
};

/* ---- the rows ---- */

/* Read training rows of a slot as the steps will see them. */
static void
read_rows(const StepFit *fit, int f, int slot, size_t begin, size_t n, double *out)
{
	const double *levels = fit->code_level[f];

	fit->training->read(fit->training->arg, f, slot, begin, n, out);
	for (size_t i = 0; i < n && levels != NULL; i++)
		if (out[i] == out[i])
			out[i] = levels[(size_t) out[i]];
}

/* Begin with a slot: its values, a chain without steps, a name. */
static void
begin_column(StepFit *fit, int f, int slot, const char *name)
{
	size_t		n = fit->training->n;

	fit->chain = (MlFactorOf) {.slot = slot,.steps = ml_alloc_array_zero(fit->ctx, ML_TERM_MAX_STEPS, sizeof(MlStep))};
	fit->name = name;
	for (size_t i = 0; i < n; i += ML_TERM_ROWS)
		read_rows(fit, f, slot, i, n - i < ML_TERM_ROWS ? n - i : ML_TERM_ROWS, fit->values + i);
	ml_free(fit->ctx, fit->sorted);
	fit->sorted = NULL;
	ml_check(fit->ctx);
}

/* Take the values through a step, as rows of the training. */
static void
apply(const StepFit *fit, const MlStep *step, double *values)
{
	const uint8_t *folds = fit->training->folds;

	for (size_t i = 0; i < fit->training->n; i += ML_TERM_ROWS)
		ml_step_apply(step, values + i, fit->training->n - i < ML_TERM_ROWS ? fit->training->n - i : ML_TERM_ROWS,
					  folds != NULL ? folds + i : NULL);
}

/* Add a step to the chain and take the values through it; wrap names what comes out, NULL = as before. */
static void
add_step(StepFit *fit, MlStep step, const char *wrap)
{
	fit->chain.steps[fit->chain.count++] = step;
	apply(fit, &step, fit->values);
	if (wrap != NULL)
		fit->name = ml_format(fit->ctx, "%s(%s)", wrap, fit->name);
	ml_free(fit->ctx, fit->sorted);
	fit->sorted = NULL;
	ml_check(fit->ctx);
}

static MlMoments
moments(const StepFit *fit)
{
	MlMoments	m;

	ml_moments_init(&m);
	for (size_t i = 0; i < fit->training->n; i += ML_TERM_ROWS)
		ml_moments_add(&m, fit->values + i, fit->training->n - i < ML_TERM_ROWS ? fit->training->n - i : ML_TERM_ROWS);
	return m;
}

static int
by_value(const void *pa, const void *pb)
{
	double		a = *(const double *) pa;
	double		b = *(const double *) pb;

	return (a > b) - (a < b);
}

/* The values that are not missing, ascending. */
static const double *
sorted_values(StepFit *fit)
{
	if (fit->sorted != NULL)
		return fit->sorted;
	fit->sorted = ml_alloc_array(fit->ctx, fit->training->n + 1, sizeof(double));
	fit->nsorted = 0;
	for (size_t i = 0; i < fit->training->n; i++)
		if (fit->values[i] == fit->values[i])
			fit->sorted[fit->nsorted++] = fit->values[i];
	qsort(fit->sorted, fit->nsorted, sizeof(double), by_value);
	ml_check(fit->ctx);
	return fit->sorted;
}

/* The quantile of the values by linear interpolation, as percentile_cont has it. */
static double
quantile(StepFit *fit, double q)
{
	const double *v = sorted_values(fit);
	double		place = q * (double) (fit->nsorted - 1);
	size_t		below = (size_t) floor(place);
	size_t		above = below + 1 < fit->nsorted ? below + 1 : below;

	return v[below] + (v[above] - v[below]) * (place - (double) below);
}

/* The most frequent value, the smallest of several. */
static double
mode(StepFit *fit)
{
	const double *v = sorted_values(fit);
	double		best = v[0];
	size_t		most = 0;
	size_t		begin = 0;

	for (size_t i = 1; i <= fit->nsorted; i++)
		if (i == fit->nsorted || v[i] != v[begin])
		{
			if (i - begin > most)
			{
				most = i - begin;
				best = v[begin];
			}
			begin = i;
		}
	return best;
}

/* ---- columns ---- */

/* Keep a term; returns its number. */
static int
keep_term(StepFit *fit, MlTerm term)
{
	MlPrep	   *prep = fit->prep;

	if (prep->nterms == ML_MAX_TERMS)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, "preprocess makes too many columns",
					  ml_format(fit->ctx, "There may be %d that steps make.", ML_MAX_TERMS), NULL);
	if (prep->nterms == prep->term_capacity)
	{
		prep->term_capacity = prep->term_capacity ? prep->term_capacity * 2 : 16;
		prep->terms = ml_realloc(fit->ctx, prep->terms, (size_t) prep->term_capacity * sizeof(MlTerm));
	}
	prep->terms[prep->nterms] = term;
	return prep->nterms++;
}

/* A copy of a chain, so that it may go on in several ways. */
static MlFactorOf
copy_factor(MlContext *ctx, const MlFactorOf *from)
{
	MlFactorOf	copy = *from;

	copy.steps = ml_alloc_array(ctx, (size_t) from->count + 1, sizeof(MlStep));
	memcpy(copy.steps, from->steps, (size_t) from->count * sizeof(MlStep));
	return copy;
}

/* The term of the chain as it is. */
static MlTerm
chain_term(const StepFit *fit, const char *name)
{
	MlTerm		term = {.name = name,.count = 1,.factors = ml_alloc(fit->ctx, sizeof(MlFactorOf))};

	term.factors[0] = copy_factor(fit->ctx, &fit->chain);
	return term;
}

/* What a scaling subtracts from the values and divides them by. */
static void
scaling_of(StepFit *fit, MlScaling scaling, const MlMoments *m, double *center, double *scale)
{
	*center = 0;
	*scale = 1;
	if (scaling == ML_SCALE_STANDARD)
	{
		*center = m->mean;
		*scale = sqrt(m->m2 / m->count);
	}
	else if (scaling == ML_SCALE_MINMAX)
	{
		*center = m->min;
		*scale = m->max - m->min;
	}
	else if (scaling == ML_SCALE_ROBUST)
	{
		*center = quantile(fit, 0.5);
		*scale = quantile(fit, 0.75) - quantile(fit, 0.25);
	}
	else if (scaling == ML_SCALE_MAXABS)
		*scale = fmax(fabs(m->min), fabs(m->max));
	/* as good as constant */
	if (!(*scale > 0) || !isfinite(1.0 / *scale))
		*scale = 1;
}

static const char *const scaling_names[] = {NULL, "standard", "minmax", "robust", "maxabs", NULL};

/*
 * The column of the values as they are, and what interactions see of it.  false: they do not vary.
 */
static bool
add_value(StepFit *fit, int f, MlScaling scaling)
{
	MlPrep	   *prep = fit->prep;
	MlMoments	m = moments(fit);
	bool		scaled = scaling != ML_SCALE_AUTO && scaling != ML_SCALE_NONE;
	MlPreparedColumn *column;
	MlStep		step = {.kind = ML_STEP_SCALE};

	if (m.count == 0 || !(m.max > m.min || (prep->options.native && m.nulls > 0)))
		return false;
	prep_check_range(fit->ctx, fit->name, &m);
	scaling_of(fit, scaling, &m, &step.a, &step.b);
	column = prep_add_column(fit->ctx, prep, prep->options.native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE, f, fit->chain.slot);
	if (!prep->options.native)
	{
		column->impute = column->mean = m.mean;
		column->term = keep_term(fit, chain_term(fit, fit->name));
		if (scaled)
		{
			column->center = step.a;
			column->scale = step.b;
		}
		else if (scaling == ML_SCALE_AUTO && prep->options.scale)
			prep_standardize(column, &m);
	}
	if (scaled)
		add_step(fit, step, scaling_names[scaling]);
	fit->outputs[f] = chain_term(fit, fit->name);
	if (prep->options.native)
		column->term = keep_term(fit, fit->outputs[f]);
	return true;
}

/* Columns of 0 and 1, one for each of n values of the chain but one (-1 = for each), where they vary. */
static void
add_flags(StepFit *fit, int f, int n, int but, const char *const *names)
{
	MlPrep	   *prep = fit->prep;
	double	   *counts = ml_alloc_array_zero(fit->ctx, (size_t) n + 1, sizeof(double));

	for (size_t i = 0; i < fit->training->n; i++)
		if (fit->values[i] >= 0 && fit->values[i] < n)
			counts[(size_t) fit->values[i]] += 1;
	for (int k = 0; k < n; k++)
		if (k != but && counts[k] > 0 && counts[k] < (double) fit->training->n)
		{
			MlPreparedColumn *column = prep_add_column(fit->ctx, prep, prep->options.native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE,
													   f, fit->chain.slot);

			fit->chain.steps[fit->chain.count++] = (MlStep) {.kind = ML_STEP_EQUALS,.a = k};
			column->term = keep_term(fit, chain_term(fit, names[k]));
			fit->chain.count--;
			if (!prep->options.native)
				column->mean = counts[k] / (double) fit->training->n;
		}
	ml_free(fit->ctx, counts);
}

/* The indicator of a slot that had NULLs, where it is wanted. */
static void
add_indicator(StepFit *fit, int f, int slot, const MlColumnSteps *steps, double nulls)
{
	bool		wanted = steps->indicator >= 0 ? steps->indicator : fit->prep->options.missing_indicator;

	if (wanted && nulls > 0 && nulls < (double) fit->training->n)
		prep_add_column(fit->ctx, fit->prep, ML_PREPARED_INDICATOR, f, slot)->mean = nulls / (double) fit->training->n;
}

/* Raise where a column that must not be NULL is. */
static void
refuse_nulls(StepFit *fit, int f, double nulls)
{
	if (nulls > 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA, ml_format(fit->ctx, "feature column \"%s\" contains NULL", fit->prep->features[f].name),
					  ml_format(fit->ctx, "%.0f of %zu training rows are NULL, and preprocess imputes by \"error\".", nulls, fit->training->n),
					  "Fill or filter these rows, or choose another \"impute\".");
	if (fit->prep->refuses_null == NULL)
		fit->prep->refuses_null = ml_alloc_array_zero(fit->ctx, (size_t) fit->prep->nfeatures + 1, sizeof(bool));
	fit->prep->refuses_null[f] = true;
}

/* ---- numbers ---- */

static void
impute_number(StepFit *fit, int f, const MlColumnSteps *steps, const MlMoments *m)
{
	MlStep		step = {.kind = ML_STEP_IMPUTE};

	switch (steps->impute)
	{
		case ML_IMPUTE_AUTO:
			return;
		case ML_IMPUTE_ERROR:
			refuse_nulls(fit, f, m->nulls);
			return;
		case ML_IMPUTE_MEAN:
			step.a = m->mean;
			break;
		case ML_IMPUTE_MEDIAN:
			step.a = quantile(fit, 0.5);
			break;
		case ML_IMPUTE_MODE:
			step.a = mode(fit);
			break;
		case ML_IMPUTE_ZERO:
			break;
		case ML_IMPUTE_MIN:
			step.a = m->min;
			break;
		case ML_IMPUTE_MAX:
			step.a = m->max;
			break;
		case ML_IMPUTE_CONSTANT:
			step.a = steps->fill;
			break;
	}
	add_step(fit, step, NULL);
}

static void
clip_number(StepFit *fit, const MlColumnSteps *steps)
{
	if (steps->clip_quantiles)
		add_step(fit, (MlStep) {.kind = ML_STEP_CLIP,.a = quantile(fit, steps->low),.b = quantile(fit, steps->high)}, "clip");
	else if (steps->clip_values)
		add_step(fit, (MlStep) {.kind = ML_STEP_CLIP,.a = steps->low,.b = steps->high}, "clip");
}

/* Raise where values are not above what a transform takes. */
static void
check_domain(StepFit *fit, double above, const char *transform)
{
	MlMoments	m = moments(fit);

	if (m.count > 0 && !(m.min > above))
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA, ml_format(fit->ctx, "\"%s\" does not take the values of \"%s\"", transform, fit->name),
					  ml_format(fit->ctx, "The smallest is %g, and all must be above %g.", m.min, above),
					  "Clip the column first by \"clip_values\", or use \"yeo_johnson\", which takes all numbers.");
}

static void
transform_number(StepFit *fit, const MlColumnSteps *steps)
{
	MlStep		step = {.kind = steps->transform == ML_TRANSFORM_BOX_COX ? ML_STEP_BOX_COX : ML_STEP_YEO_JOHNSON};
	const char *name = steps->transform == ML_TRANSFORM_BOX_COX ? "box_cox" : "yeo_johnson";
	const double *sorted;

	if (steps->transform == ML_TRANSFORM_NONE)
		return;
	if (steps->transform == ML_TRANSFORM_LOG1P)
	{
		check_domain(fit, -1, "log1p");
		add_step(fit, (MlStep) {.kind = ML_STEP_LOG1P}, "log1p");
		return;
	}
	if (step.kind == ML_STEP_BOX_COX)
		check_domain(fit, 0, name);
	sorted = sorted_values(fit);
	if (steps->has_lambda)
		step.a = steps->lambda;
	else
		step.a = fit->nsorted > 0 && sorted[0] < sorted[fit->nsorted - 1] ? power_lambda(fit->ctx, step.kind, sorted, fit->nsorted) : 1;
	add_step(fit, step, name);
}

/* The edges between bins. */
static double *
bin_edges(StepFit *fit, const MlColumnSteps *steps, size_t *count)
{
	const double *v = sorted_values(fit);
	double	   *edges = ml_alloc_array(fit->ctx, (size_t) steps->bins + 1, sizeof(double));
	double		low = v[0];
	double		high = v[fit->nsorted - 1];
	size_t		n = 0;

	for (int k = 1; k < steps->bins; k++)
	{
		double		share = (double) k / steps->bins;
		double		edge = steps->edges != NULL ? steps->edges[k - 1] :
			steps->uniform ? low + (high - low) * share : quantile(fit, share);

		/* quantiles that are one, or the ends of the values, separate nothing */
		if (steps->edges == NULL && (!(edge > low) || !(edge < high) || (n > 0 && !(edge > edges[n - 1]))))
			continue;
		edges[n++] = edge;
	}
	*count = n;
	return edges;
}

/* "age < 30", "age in [30,40)", "age >= 40" */
static const char **
bin_names(StepFit *fit, const char *name, const double *edges, size_t n)
{
	const char **names = ml_alloc_array(fit->ctx, n + 2, sizeof(char *));

	for (size_t k = 0; k <= n; k++)
		names[k] = n == 0 ? name : k == 0 ? ml_format(fit->ctx, "%s < %.6g", name, edges[0]) :
			k == n ? ml_format(fit->ctx, "%s >= %.6g", name, edges[n - 1]) :
			ml_format(fit->ctx, "%s in [%.6g,%.6g)", name, edges[k - 1], edges[k]);
	return names;
}

/* The bin that most values are in. */
static int
fullest_bin(const StepFit *fit, size_t n)
{
	double	   *counts = ml_alloc_array_zero(fit->ctx, n + 1, sizeof(double));
	int			best = 0;

	for (size_t i = 0; i < fit->training->n; i++)
		if (fit->values[i] == fit->values[i])
			counts[(size_t) fit->values[i]] += 1;
	for (size_t k = 1; k <= n; k++)
		if (counts[k] > counts[best])
			best = (int) k;
	ml_free(fit->ctx, counts);
	return best;
}

/* The parts of a date; tells whether any varies. */
static bool
add_dates(StepFit *fit, int f, const MlColumnSteps *steps)
{
	static const double first[] = {0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0};
	static const double period[] = {0, 0, 4, 12, 53, 31, 7, 366, 24, 60, 0};
	const char *base = fit->name;
	double	   *seconds = ml_alloc_array(fit->ctx, fit->training->n + 1, sizeof(double));
	bool		any = false;

	memcpy(seconds, fit->values, fit->training->n * sizeof(double));
	for (int p = 0; p < steps->nparts; p++)
	{
		MlDatePart	part = steps->parts[p];
		bool		cyclic = steps->cyclic && period[part] > 0;
		int			before = fit->chain.count;

		for (int turn = 0; turn <= cyclic; turn++)
		{
			memcpy(fit->values, seconds, fit->training->n * sizeof(double));
			fit->chain.count = before;
			add_step(fit, (MlStep) {.kind = ML_STEP_DATE,.a = part,.b = steps->since}, NULL);
			fit->name = ml_format(fit->ctx, "%s.%s%s", base, ml_date_part_name(part), !cyclic ? "" : turn ? ".cos" : ".sin");
			if (cyclic)
				add_step(fit, (MlStep) {.kind = turn ? ML_STEP_COSINE : ML_STEP_SINE,.a = first[part],.b = period[part]}, NULL);
			any |= add_value(fit, f, ML_SCALE_AUTO);
		}
		fit->chain.count = before;
	}
	/* interactions want one number */
	fit->outputs[f].count = 0;
	ml_free(fit->ctx, seconds);
	return any;
}

/* The columns of one slot of a number. */
static void
fit_number(StepFit *fit, int f, int slot, const MlColumnSteps *steps, bool *seen)
{
	const MlFeature *feature = &fit->prep->features[f];
	const char *name = prep_slot_name(fit->ctx, feature, slot);
	MlMoments	m;

	if (steps->name != NULL)
		name = feature->kind == ML_KIND_VECTOR ? ml_format(fit->ctx, "%s[%d]", steps->name, slot - feature->slot + 1) : steps->name;
	begin_column(fit, f, slot, name);
	m = moments(fit);
	if (m.count == 0)
		return;
	*seen = true;
	prep_check_range(fit->ctx, feature->name, &m);
	impute_number(fit, f, steps, &m);
	clip_number(fit, steps);
	transform_number(fit, steps);
	if (steps->parts != NULL)
		add_dates(fit, f, steps);
	else if (steps->bins > 0 && steps->one_hot_bins)
	{
		MlStep		step = {.kind = ML_STEP_BIN};
		const char **names;

		step.values = bin_edges(fit, steps, &step.count);
		names = bin_names(fit, fit->name, step.values, step.count);
		add_step(fit, step, NULL);
		add_flags(fit, f, (int) step.count + 1, fullest_bin(fit, step.count), names);
	}
	else
	{
		MlStep		step = {.kind = ML_STEP_BIN};

		if (steps->bins > 0)
		{
			step.values = bin_edges(fit, steps, &step.count);
			add_step(fit, step, "bin");
		}
		add_value(fit, f, steps->scale);
	}
	add_indicator(fit, f, slot, steps, m.nulls);
}

/* ---- categories ---- */

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

/* What NULL becomes. */
static void
impute_category(StepFit *fit, int f, const MlColumnSteps *steps, const double *counts)
{
	const Levels *levels = &fit->prep->levels[f];

	if (steps->impute == ML_IMPUTE_ERROR)
		refuse_nulls(fit, f, fit->nulls[f]);
	else if (steps->impute == ML_IMPUTE_MODE)
		add_step(fit, (MlStep) {.kind = ML_STEP_IMPUTE,.a = most_frequent(counts, (size_t) levels->nlevels)}, NULL);
	else if (steps->impute == ML_IMPUTE_CONSTANT)
		add_step(fit, (MlStep) {.kind = ML_STEP_IMPUTE,.a = ml_prep_encode(fit->prep, f, steps->fill_text, strlen(steps->fill_text))}, NULL);
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
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA, ml_format(fit->ctx, "the order of \"%s\" misses values", fit->prep->features[f].name),
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
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, ml_format(fit->ctx, "\"%s\" cannot be encoded by the target", fit->prep->features[f].name),
					  "There is no target.", NULL);
	if (t->classes <= 2)
	{
		add_step(fit, target_step(fit, t->classes == 2 ? 1 : -1, steps->smoothing, k), "target");
		add_value(fit, f, steps->scale);
		return;
	}
	codes = ml_alloc_array(fit->ctx, t->n + 1, sizeof(double));
	memcpy(codes, fit->values, t->n * sizeof(double));
	for (int klass = 0; klass < t->classes; klass++)
	{
		memcpy(fit->values, codes, t->n * sizeof(double));
		fit->chain.count = before;
		fit->name = base;
		add_step(fit, target_step(fit, klass, steps->smoothing, k), "target");
		fit->name = ml_format(fit->ctx, "%s=%s", fit->name, t->labels[klass]);
		add_value(fit, f, steps->scale);
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
	add_step(fit, step, steps->encode == ML_ENCODE_ORDINAL ? "ordinal" : steps->encode == ML_ENCODE_LABEL ? "label" : "frequency");
	add_value(fit, f, steps->scale);
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
	begin_column(fit, f, fit->prep->features[f].slot, name);
	if (steps->impute == ML_IMPUTE_MODE || steps->impute == ML_IMPUTE_CONSTANT)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_PARAMETER, ml_format(fit->ctx, "preprocess option \"impute\" does not fit \"%s\"", name),
					  "A hash of NULL is 0 in all its columns.", NULL);
	add_flags(fit, f, steps->buckets, -1, names);
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
	const char *string = filled >= 0 ? prep->levels[f].kept->strings[filled] : steps->impute == ML_IMPUTE_CONSTANT ? steps->fill_text : NULL;
	int32_t		code = string != NULL ? ml_dictionary_find(d, string, strlen(string)) : -1;

	if (steps->max_categories > 0)
		options.max_categories = steps->max_categories;
	if (steps->min_frequency >= 0)
		options.min_frequency = steps->min_frequency;
	memcpy(all, fit->counts[f], (size_t) d->count * sizeof(double));
	if (steps->impute == ML_IMPUTE_CONSTANT && code < 0 && nulls > 0)
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA, ml_format(fit->ctx, "no row of \"%s\" is \"%s\"", prep->features[f].name, string),
					  "With \"one_hot\", the constant that NULL becomes must be a category of the training rows.",
					  "Leave \"impute\" out to make NULL a category of its own.");
	if (code >= 0)
	{
		all[code] += nulls;
		nulls = 0;
	}
	prep_fit_categories(fit->ctx, prep, &options, f, d, all, nulls);
	if (code >= 0)
		prep->levels[f].filled = prep->levels[f].null_target = (int) ml_prep_encode(prep, f, string, strlen(string));
	ml_free(fit->ctx, fit->code_level[f]);
	fit->code_level[f] = NULL;
	ml_free(fit->ctx, all);
}

static void
fit_category(StepFit *fit, int f, const MlColumnSteps *steps)
{
	const MlFeature *feature = &fit->prep->features[f];
	double	   *counts = keep_strings(fit, f);

	begin_column(fit, f, feature->slot, steps->name != NULL ? steps->name : feature->name);
	if (steps->encode == ML_ENCODE_ONE_HOT)
	{
		if (steps->impute == ML_IMPUTE_ERROR)
			refuse_nulls(fit, f, fit->nulls[f]);
		fit->prep->levels[f].filled = -1;
		one_hot(fit, f, steps, counts);
		return;
	}
	if (steps->encode == ML_ENCODE_HASH)
	{
		if (steps->impute == ML_IMPUTE_ERROR)
			refuse_nulls(fit, f, fit->nulls[f]);
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
	add_indicator(fit, f, feature->slot, steps, fit->nulls[f]);
}

/* ---- the whole ---- */

/* The names of a list of preprocess, or the keys of an object, must be features. */
static void
check_names(StepFit *fit, const char *const *names, int count)
{
	const MlPrep *prep = fit->prep;
	const char **features = ml_alloc_array(fit->ctx, (size_t) prep->nfeatures + 1, sizeof(char *));

	for (int f = 0; f < prep->nfeatures; f++)
		features[f] = prep->features[f].name;
	for (int i = 0; i < count; i++)
	{
		bool		found = false;

		for (int f = 0; f < prep->nfeatures; f++)
			found |= strcmp(features[f], names[i]) == 0;
		if (!found)
			ml_raise_full(fit->ctx, ML_ERROR_UNDEFINED, ml_format(fit->ctx, "column \"%s\" of preprocess is not a feature", names[i]),
						  NULL, ml_candidates_hint(fit->ctx, "feature", names[i], features, (size_t) prep->nfeatures));
	}
	ml_free(fit->ctx, features);
}

static void
check_all_names(StepFit *fit)
{
	static const char *const lists[] = {"drop", "keep"};
	json_object *columns = json_object_object_get(fit->prep->options.steps, "columns");
	int			n;

	for (size_t i = 0; i < 2; i++)
	{
		json_object *list = json_object_object_get(fit->prep->options.steps, lists[i]);

		if (list != NULL)
		{
			const char **names = ml_prep_names(fit->ctx, lists[i], list, &n);

			check_names(fit, names, n);
		}
	}
	if (columns == NULL)
		return;
	json_object_object_foreach(columns, key, value)
	{
		const char *name = key;

		(void) value;
		check_names(fit, &name, 1);
	}
}

StepFit *
step_fit_begin(MlContext *ctx, MlPrep *prep, const MlPrepTraining *training,
			   MlDictionary *const *dictionaries, const double *const *counts, const double *nulls)
{
	StepFit    *fit = ml_alloc_zero(ctx, sizeof *fit);

	fit->ctx = ctx;
	fit->prep = prep;
	fit->training = training;
	fit->dictionaries = dictionaries;
	fit->counts = counts;
	fit->nulls = nulls;
	fit->code_level = ml_alloc_array_zero(ctx, (size_t) prep->nfeatures + 1, sizeof(double *));
	fit->outputs = ml_alloc_array_zero(ctx, (size_t) prep->nfeatures + 1, sizeof(MlTerm));
	fit->values = ml_alloc_array(ctx, training->n + 1, sizeof(double));
	check_all_names(fit);
	return fit;
}

bool
step_fit_feature(StepFit *fit, int f)
{
	MlPrep	   *prep = fit->prep;
	const MlFeature *feature = &prep->features[f];
	MlColumnSteps steps;
	int			before = prep->ncolumns;
	bool		seen = false;

	ml_column_steps(fit->ctx, &prep->options, feature->name, feature->kind, feature->type, &steps);
	if (!steps.any)
		return false;
	if (steps.drop)
	{
		if (feature->kind == ML_KIND_CATEGORY)
			prep->levels[f] = (Levels) {.kept = ml_dictionary_create(fit->ctx),.null_level = -1,.other_level = -1,.reference = -1,
				.unseen = -1,.null_target = -1,.filled = -1};
		prep_drop_feature(prep, f, PREP_ASKED);
		return true;
	}
	if (feature->kind == ML_KIND_CATEGORY)
	{
		bool		all_null = fit->nulls[f] == (double) fit->training->n;

		fit_category(fit, f, &steps);
		if (prep->ncolumns == before && (prep->ndropped == 0 || prep->dropped_names[prep->ndropped - 1] != feature->name))
			prep_drop_feature(prep, f, all_null ? "all NULL" : "constant");
		return true;
	}
	for (int s = feature->slot; s < feature->slot + feature->width; s++)
		fit_number(fit, f, s, &steps, &seen);
	if (feature->width != 1)
		fit->outputs[f].count = 0;
	if (prep->ncolumns == before)
		prep_drop_feature(prep, f, seen ? "constant" : "all NULL");
	return true;
}

void
step_fit_finish(StepFit *fit)
{
	ml_free(fit->ctx, fit->values);
	ml_free(fit->ctx, fit->sorted);
}
