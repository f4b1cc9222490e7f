/*
 * Fitting steps to the training rows: one column is read whole at a time, goes through its steps as they are
 * fitted, and what it is then gives the columns.
 *
 * An encoding by the target sees each training row without the part of the rows that it is in (by_fold), so that
 * its own target does not come back to the learner; rows of a prediction get the encoding of all.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/sort.h"
#include "base/threads.h"
#include "prep/steps_internal.h"

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

void
fit_begin_column(StepFit *fit, int f, int slot, const char *name)
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

/* So many rows are one piece of work, whatever the number of threads. */
#define PIECE (64 * ML_TERM_ROWS)

typedef struct StepJob
{
	const StepFit *fit;
	const MlStep *step;
	MlMoments  *moments;		/* by piece */
	const double *values;
} StepJob;

static void
apply_piece(void *arg, size_t begin, size_t end, int worker)
{
	const StepJob *job = arg;
	const uint8_t *folds = job->fit->training->folds;

	(void) worker;
	for (size_t i = begin; i < end; i += ML_TERM_ROWS)
		ml_step_apply(job->step, job->fit->values + i, end - i < ML_TERM_ROWS ? end - i : ML_TERM_ROWS,
					  folds != NULL ? folds + i : NULL);
}

/* Are the values in the same order behind a step, to the last bit? What logarithms do is too near to tell. */
static bool
keeps_order(const StepFit *fit, const MlStep *step)
{
	if (step->kind == ML_STEP_IMPUTE)
		return fit->nsorted == fit->training->n;
	return step->kind == ML_STEP_CLIP || step->kind == ML_STEP_BIN || step->kind == ML_STEP_SCALE;
}

void
fit_add_step(StepFit *fit, MlStep step, const char *wrap)
{
	StepJob		job = {.fit = fit,.step = &step};

	fit->chain.steps[fit->chain.count++] = step;
	ml_parallel_for(fit->ctx, fit->training->n, PIECE, apply_piece, &job);
	if (wrap != NULL)
		fit->name = ml_format(fit->ctx, "%s(%s)", wrap, fit->name);
	if (fit->sorted != NULL && keeps_order(fit, &step))
	{
		ml_step_apply(&step, fit->sorted, fit->nsorted, NULL);
		return;
	}
	ml_free(fit->ctx, fit->sorted);
	fit->sorted = NULL;
}

static void
moments_piece(void *arg, size_t begin, size_t end, int worker)
{
	const StepJob *job = arg;
	MlMoments  *m = &job->moments[begin / PIECE];

	(void) worker;
	ml_moments_init(m);
	for (size_t i = begin; i < end; i += ML_TERM_ROWS)
		ml_moments_add(m, job->values + i, end - i < ML_TERM_ROWS ? end - i : ML_TERM_ROWS);
}

MlMoments
fit_moments(const StepFit *fit, const double *values)
{
	size_t		n = fit->training->n;
	StepJob		job = {.values = values,.moments = ml_alloc_array(fit->ctx, n / PIECE + 1, sizeof(MlMoments))};
	MlMoments	m;

	ml_parallel_for(fit->ctx, n, PIECE, moments_piece, &job);
	ml_moments_init(&m);
	for (size_t piece = 0; piece * PIECE < n; piece++)
		ml_moments_merge(&m, &job.moments[piece]);
	ml_free(fit->ctx, job.moments);
	return m;
}

const double *
fit_sorted(StepFit *fit)
{
	if (fit->sorted != NULL)
		return fit->sorted;
	fit->sorted = ml_alloc_array(fit->ctx, fit->training->n + 1, sizeof(double));
	fit->nsorted = 0;
	for (size_t i = 0; i < fit->training->n; i++)
		if (fit->values[i] == fit->values[i])
			fit->sorted[fit->nsorted++] = fit->values[i];
	ml_sort_numbers(fit->ctx, fit->sorted, fit->nsorted);
	ml_check(fit->ctx);
	return fit->sorted;
}

/* The quantile of the values by linear interpolation, as percentile_cont has it. */
static double
quantile(StepFit *fit, double q)
{
	const double *v = fit_sorted(fit);
	double		place = q * (double) (fit->nsorted - 1);
	size_t		below = (size_t) floor(place);
	size_t		above = below + 1 < fit->nsorted ? below + 1 : below;

	return v[below] + (v[above] - v[below]) * (place - (double) below);
}

/* The most frequent value, the smallest of several. */
static double
mode(StepFit *fit)
{
	const double *v = fit_sorted(fit);
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

int
fit_keep_term(StepFit *fit, MlTerm term)
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

MlTerm
fit_chain_term(const StepFit *fit, const char *name)
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

void
fit_add_value(StepFit *fit, int f, MlScaling scaling)
{
	MlPrep	   *prep = fit->prep;
	MlMoments	m = fit_moments(fit, fit->values);
	bool		scaled = scaling != ML_SCALE_AUTO && scaling != ML_SCALE_NONE;
	MlPreparedColumn *column;
	MlStep		step = {.kind = ML_STEP_SCALE};

	if (m.count == 0 || !(m.max > m.min || (prep->options.native && m.nulls > 0)))
		return;
	prep_check_range(fit->ctx, fit->name, &m);
	scaling_of(fit, scaling, &m, &step.a, &step.b);
	column = prep_add_column(fit->ctx, prep, prep->options.native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE, f,
							 fit->chain.slot);
	if (!prep->options.native)
	{
		column->impute = column->mean = m.mean;
		column->term = fit_keep_term(fit, fit_chain_term(fit, fit->name));
		if (scaled)
		{
			column->center = step.a;
			column->scale = step.b;
		}
		else if (scaling == ML_SCALE_AUTO && prep->options.scale)
			prep_standardize(column, &m);
	}
	if (scaled)
		fit_add_step(fit, step, scaling_names[scaling]);
	fit->outputs[f] = fit_chain_term(fit, fit->name);
	if (prep->options.native)
		column->term = fit_keep_term(fit, fit->outputs[f]);
}

void
fit_add_flags(StepFit *fit, int f, int n, int but, const char *const *names)
{
	MlPrep	   *prep = fit->prep;
	double	   *counts = ml_alloc_array_zero(fit->ctx, (size_t) n + 1, sizeof(double));

	for (size_t i = 0; i < fit->training->n; i++)
		if (fit->values[i] >= 0 && fit->values[i] < n)
			counts[(size_t) fit->values[i]] += 1;
	for (int k = 0; k < n; k++)
		if (k != but && counts[k] > 0 && counts[k] < (double) fit->training->n)
		{
			MlPreparedColumn *column = prep_add_column(fit->ctx, prep,
													   prep->options.native ? ML_PREPARED_NUMBER : ML_PREPARED_VALUE,
													   f, fit->chain.slot);

			fit->chain.steps[fit->chain.count++] = (MlStep) {.kind = ML_STEP_EQUALS,.a = k};
			column->term = fit_keep_term(fit, fit_chain_term(fit, names[k]));
			fit->chain.count--;
			if (!prep->options.native)
				column->mean = counts[k] / (double) fit->training->n;
		}
	ml_free(fit->ctx, counts);
}

void
fit_add_indicator(StepFit *fit, int f, int slot, const MlColumnSteps *steps, double nulls)
{
	bool		wanted = steps->indicator >= 0 ? steps->indicator : fit->prep->options.missing_indicator;

	if (wanted && nulls > 0 && nulls < (double) fit->training->n)
		prep_add_column(fit->ctx, fit->prep, ML_PREPARED_INDICATOR, f, slot)->mean = nulls / (double) fit->training->n;
}

void
fit_refuse_nulls(StepFit *fit, int f, double nulls)
{
	prep_refuse_nulls(fit->ctx, fit->prep, f, nulls, (double) fit->training->n);
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
			fit_refuse_nulls(fit, f, m->nulls);
			return;
		case ML_IMPUTE_FORWARD:
			fit_forward(fit, f, steps, m->mean);
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
	fit_add_step(fit, step, NULL);
}

static void
clip_number(StepFit *fit, const MlColumnSteps *steps)
{
	if (steps->clip_quantiles)
		fit_add_step(fit, (MlStep)
		{
			.kind = ML_STEP_CLIP,.a = quantile(fit, steps->low),.b = quantile(fit, steps->high)
		}, "clip");
	else if (steps->clip_values)
		fit_add_step(fit, (MlStep) {.kind = ML_STEP_CLIP,.a = steps->low,.b = steps->high}, "clip");
}

/* Raise where values are not above what a transform takes. */
static void
check_domain(StepFit *fit, double above, const char *transform)
{
	MlMoments	m = fit_moments(fit, fit->values);

	if (m.count > 0 && !(m.min > above))
		ml_raise_full(fit->ctx, ML_ERROR_INVALID_DATA,
					  ml_format(fit->ctx, "\"%s\" does not take the values of \"%s\"", transform, fit->name),
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
		fit_add_step(fit, (MlStep) {.kind = ML_STEP_LOG1P}, "log1p");
		return;
	}
	if (step.kind == ML_STEP_BOX_COX)
		check_domain(fit, 0, name);
	sorted = fit_sorted(fit);
	if (steps->has_lambda)
		step.a = steps->lambda;
	else
		step.a = fit->nsorted > 0 && sorted[0] < sorted[fit->nsorted - 1] ?
			power_lambda(fit->ctx, step.kind, sorted, fit->nsorted) : 1;
	fit_add_step(fit, step, name);
}

/* The edges between bins. */
static double *
bin_edges(StepFit *fit, const MlColumnSteps *steps, size_t *count)
{
	MlMoments	m = fit_moments(fit, fit->values);
	double	   *edges = ml_alloc_array(fit->ctx, (size_t) steps->bins + 1, sizeof(double));
	size_t		n = 0;

	for (int k = 1; k < steps->bins; k++)
	{
		double		share = (double) k / steps->bins;
		double		edge = steps->edges != NULL ? steps->edges[k - 1] :
			steps->uniform ? m.min + (m.max - m.min) * share : quantile(fit, share);

		/* quantiles that are one, or the ends of the values, separate nothing */
		if (steps->edges == NULL && (!(edge > m.min) || !(edge < m.max) || (n > 0 && !(edge > edges[n - 1]))))
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

/* The parts of a date. */
static void
add_dates(StepFit *fit, int f, const MlColumnSteps *steps)
{
	static const double first[] = {0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0};
	static const double period[] = {0, 0, 4, 12, 53, 31, 7, 366, 24, 60, 0};
	const char *base = fit->name;
	double	   *seconds = ml_alloc_array(fit->ctx, fit->training->n + 1, sizeof(double));

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
			fit_add_step(fit, (MlStep) {.kind = ML_STEP_DATE,.a = part,.b = steps->since}, NULL);
			fit->name = ml_format(fit->ctx, "%s.%s%s", base, ml_date_part_name(part),
								  !cyclic ? "" : turn ? ".cos" : ".sin");
			if (cyclic)
				fit_add_step(fit, (MlStep)
				{
					.kind = turn ? ML_STEP_COSINE : ML_STEP_SINE,.a = first[part],.b = period[part]
				}, NULL);
			fit_add_value(fit, f, ML_SCALE_AUTO);
		}
		fit->chain.count = before;
	}
	/* interactions want one number */
	fit->outputs[f].count = 0;
	ml_free(fit->ctx, seconds);
}

/* The columns of one slot of a number. */
static void
fit_number(StepFit *fit, int f, int slot, const MlColumnSteps *steps, bool *seen)
{
	const MlFeature *feature = &fit->prep->features[f];
	const char *name = prep_slot_name(fit->ctx, feature, slot);
	MlMoments	m;

	if (steps->name != NULL)
		name = feature->kind == ML_KIND_VECTOR ?
			ml_format(fit->ctx, "%s[%d]", steps->name, slot - feature->slot + 1) : steps->name;
	fit_begin_column(fit, f, slot, name);
	m = fit_moments(fit, fit->values);
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
		fit_add_step(fit, step, NULL);
		fit_add_flags(fit, f, (int) step.count + 1, fullest_bin(fit, step.count), names);
	}
	else
	{
		MlStep		step = {.kind = ML_STEP_BIN};

		if (steps->bins > 0)
		{
			step.values = bin_edges(fit, steps, &step.count);
			fit_add_step(fit, step, "bin");
		}
		fit_add_value(fit, f, steps->scale);
	}
	fit_add_indicator(fit, f, slot, steps, m.nulls);
}

/* ---- the whole ---- */

int
fit_need_feature(StepFit *fit, const char *name)
{
	const MlPrep *prep = fit->prep;
	const char **features = ml_alloc_array(fit->ctx, (size_t) prep->nfeatures + 1, sizeof(char *));
	int			found = -1;

	for (int f = 0; f < prep->nfeatures; f++)
	{
		features[f] = prep->features[f].name;
		if (strcmp(features[f], name) == 0)
			found = f;
	}
	if (found < 0)
		ml_raise_full(fit->ctx, ML_ERROR_UNDEFINED,
					  ml_format(fit->ctx, "column \"%s\" of preprocess is not a feature", name),
					  NULL, ml_candidates_hint(fit->ctx, "feature", name, features, (size_t) prep->nfeatures));
	ml_free(fit->ctx, features);
	return found;
}

/* Raise for columns of preprocess that are no features. */
static void
check_all_names(StepFit *fit)
{
	static const char *const lists[] = {"drop", "keep"};
	json_object *columns = json_object_object_get(fit->prep->options.steps, "columns");

	for (size_t i = 0; i < 2; i++)
	{
		json_object *list = json_object_object_get(fit->prep->options.steps, lists[i]);
		int			n = 0;
		const char **names = list != NULL ? ml_prep_names(fit->ctx, lists[i], list, &n) : NULL;

		for (int k = 0; k < n; k++)
			fit_need_feature(fit, names[k]);
	}
	if (columns == NULL)
		return;
	json_object_object_foreach(columns, key, value)
	{
		(void) value;
		fit_need_feature(fit, key);
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
	fit->slot_feature = ml_alloc_array(ctx, (size_t) prep->slots + 1, sizeof(int));
	for (int f = 0; f < prep->nfeatures; f++)
		for (int e = 0; e < prep->features[f].width; e++)
			fit->slot_feature[prep->features[f].slot + e] = f;
	check_all_names(fit);
	fit_find_groups(fit);
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
			fit_no_category(fit, f);
		prep_drop_feature(prep, f, PREP_ASKED);
		return true;
	}
	if (feature->kind == ML_KIND_CATEGORY)
	{
		bool		all_null = fit->nulls[f] == (double) fit->training->n;

		fit_category(fit, f, &steps);
		if (prep->ncolumns == before &&
			(prep->ndropped == 0 || prep->dropped_names[prep->ndropped - 1] != feature->name))
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

static const double *
block_slot(const MlRawBlock *block, int slot, size_t n, double *buffer)
{
	const FitBlock *b = (const FitBlock *) block;

	read_rows(b->fit, b->fit->slot_feature[slot], slot, b->begin, n, buffer);
	return buffer;
}

FitBlock
fit_block(const StepFit *fit, size_t begin)
{
	return (FitBlock) {
		.block = {.slot = block_slot,.folds = fit->training->folds != NULL ? fit->training->folds + begin : NULL,
			.rows = fit->training->rows != NULL ? fit->training->rows + begin : NULL},
			.fit = fit,.begin = begin
	};
}

void
step_fit_finish(StepFit *fit)
{
	fit_close_fills(fit);
	fit_interactions(fit);
	fit_select(fit);
	ml_free(fit->ctx, fit->values);
	ml_free(fit->ctx, fit->sorted);
}
