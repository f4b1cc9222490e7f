/*
 * Fitting and applying the preparation (prepare.h says what it does).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prep/prep_internal.h"

/* ---- building blocks ---- */

static MlPrep *
prep_create(MlContext *ctx, const MlFeature *features, int nfeatures, size_t capacity)
{
	MlPrep	   *prep = ml_alloc_zero(ctx, sizeof *prep);

	prep->features = features;
	prep->nfeatures = nfeatures;
	for (int f = 0; f < nfeatures; f++)
		prep->slots += features[f].width;
	prep->capacity = (int) capacity;
	prep->columns = ml_alloc_array_zero(ctx, capacity + 1, sizeof *prep->columns);
	prep->levels = ml_alloc_array_zero(ctx, (size_t) nfeatures + 1, sizeof *prep->levels);
	prep->texts = ml_alloc_array_zero(ctx, (size_t) nfeatures + 1, sizeof *prep->texts);
	prep->dropped_names = ml_alloc_array(ctx, (size_t) nfeatures + 1, sizeof(char *));
	prep->dropped_reasons = ml_alloc_array(ctx, (size_t) nfeatures + 1, sizeof(char *));
	return prep;
}

const char *
prep_slot_name(MlContext *ctx, const MlFeature *feature, int slot)
{
	if (feature->kind == ML_KIND_VECTOR)
		return ml_format(ctx, "%s[%d]", feature->name, slot - feature->slot + 1);
	return feature->name;
}

static const char *
level_label(const Levels *levels, int level)
{
	return level == levels->null_level ? "(null)" :
		level == levels->other_level ? "(other)" : levels->kept->strings[level];
}

static const char *
level_name(MlContext *ctx, const MlFeature *feature, const Levels *levels, int level)
{
	return ml_format(ctx, "%s=%s", feature->name, level_label(levels, level));
}

void
prep_seal(MlContext *ctx, MlPrep *prep)
{
	size_t		n = (size_t) prep->ncolumns + 1;

	prep->centers = ml_alloc_array(ctx, n, sizeof(double));
	prep->scales = ml_alloc_array(ctx, n, sizeof(double));
	prep->inverses = ml_alloc_array(ctx, n, sizeof(double));
	prep->column_levels = ml_alloc_array_zero(ctx, n, sizeof(int));
	for (int j = 0; j < prep->ncolumns; j++)
	{
		MlPreparedColumn *c = &prep->columns[j];
		const MlFeature *feature = &prep->features[c->feature];

		if (c->term >= 0)
			c->name = prep->terms[c->term].name;
		else if (c->kind == ML_PREPARED_LEVEL)
			c->name = level_name(ctx, feature, &prep->levels[c->feature], c->level);
		else if (c->kind == ML_PREPARED_INDICATOR)
			c->name = ml_format(ctx, "%s is null", prep_slot_name(ctx, feature, c->slot));
		else if (feature->kind == ML_KIND_TEXT)
			c->name = prep->texts[c->feature]->names[c->slot - feature->slot];
		else
			c->name = prep_slot_name(ctx, feature, c->slot);
		prep->centers[j] = c->center;
		prep->scales[j] = c->scale;
		prep->inverses[j] = 1.0 / c->scale;
		if (c->kind == ML_PREPARED_CATEGORY)
			prep->column_levels[j] = prep->levels[c->feature].nlevels;
	}
}

MlPreparedColumn *
prep_add_column(MlContext *ctx, MlPrep *prep, MlPreparedKind kind, int feature, int slot)
{
	MlPreparedColumn *column;

	if (prep->ncolumns == prep->capacity)
	{
		prep->capacity = prep->capacity < 16 ? 32 : prep->capacity * 2;
		prep->columns = ml_realloc(ctx, prep->columns, (size_t) prep->capacity * sizeof *prep->columns);
	}
	column = &prep->columns[prep->ncolumns++];
	*column = (MlPreparedColumn)
	{
		.kind = kind,.feature = feature,.slot = slot,.level = -1,.term = -1,.scale = 1.0
	};
	return column;
}

void
prep_refuse_nulls(MlContext *ctx, MlPrep *prep, int f, double nulls, double rows)
{
	if (nulls > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "feature column \"%s\" contains NULL", prep->features[f].name),
					  ml_format(ctx, "%.0f of %.0f training rows are NULL, and preprocess imputes by \"error\".", nulls, rows),
					  "Fill or filter these rows, or choose another \"impute\".");
	if (prep->refuses_null == NULL)
		prep->refuses_null = ml_alloc_array_zero(ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	prep->refuses_null[f] = true;
}

void
prep_drop_feature(MlPrep *prep, int feature, const char *reason)
{
	prep->dropped_names[prep->ndropped] = prep->features[feature].name;
	prep->dropped_reasons[prep->ndropped++] = reason;
}

/* ---- fitting ---- */

void
prep_check_range(MlContext *ctx, const char *name, const MlMoments *m)
{
	if (m->count > 0 && (m->max > ML_LARGEST || m->min < -ML_LARGEST))
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "feature column \"%s\" holds values that are too large", name),
					  ml_format(ctx, "They reach from %g to %g.", m->min, m->max),
					  "Their squares are beyond double precision: scale the column down.");
}

void
prep_standardize(MlPreparedColumn *column, const MlMoments *m)
{
	double		deviation = sqrt(m->m2 / m->count);

	if (!(deviation > 0) || !isfinite(1.0 / deviation))
		return;
	column->center = m->mean;
	column->scale = deviation;
}

/* Columns of one NUMBER or VECTOR feature. */
static void
fit_numbers(MlContext *ctx, MlPrep *prep, int f, const MlMoments *moments)
{
	const MlFeature *feature = &prep->features[f];
	int			before = prep->ncolumns;
	bool		any = false;

	for (int s = feature->slot; s < feature->slot + feature->width; s++)
	{
		const MlMoments *m = &moments[s];

		if (m->count == 0)
			continue;
		any = true;
		prep_check_range(ctx, feature->name, m);
		if (prep->options.native)
		{
			if (m->max > m->min || m->nulls > 0)
				prep_add_column(ctx, prep, ML_PREPARED_NUMBER, f, s);
			continue;
		}
		if (m->max > m->min)
		{
			MlPreparedColumn *column = prep_add_column(ctx, prep, ML_PREPARED_VALUE, f, s);

			column->impute = column->mean = m->mean;
			if (prep->options.scale)
				prep_standardize(column, m);
		}
		if (m->nulls > 0 && prep->options.missing_indicator)
			prep_add_column(ctx, prep, ML_PREPARED_INDICATOR, f, s)->mean = m->nulls / (m->count + m->nulls);
	}
	if (prep->ncolumns == before)
		prep_drop_feature(prep, f, any ? "constant" : "all NULL");
}

typedef struct Candidate
{
	uint32_t	code;
	double		count;
	const char *string;
	uint32_t	length;
} Candidate;

/* Strings by their bytes, shorter first. */
static int
compare_strings(const Candidate *a, const Candidate *b)
{
	size_t		n = a->length < b->length ? a->length : b->length;
	int			order = memcmp(a->string, b->string, n);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Most frequent first, ties by name, so that the order of rows does not matter. */
static int
by_count(const void *pa, const void *pb)
{
	const Candidate *a = pa;
	const Candidate *b = pb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return compare_strings(a, b);
}

static int
by_name(const void *pa, const void *pb)
{
	return compare_strings(pa, pb);
}

/* Where rare, unseen and NULL go, given the levels there are. */
static void
resolve_targets(Levels *levels, bool native)
{
	levels->unseen = levels->other_level >= 0 ? levels->other_level : native ? -1 : levels->reference;
	levels->null_target = levels->filled >= 0 ? levels->filled : levels->null_level >= 0 ? levels->null_level : levels->unseen;
}

/* Choose the levels to keep of one category feature; tells the rows of each level. */
static double *
choose_levels(MlContext *ctx, const MlPrepOptions *options, Levels *levels, const MlDictionary *dictionary,
			  const double *counts, double nulls)
{
	Candidate  *candidates = ml_alloc_array(ctx, (size_t) dictionary->count + 1, sizeof *candidates);
	double	   *level_counts;
	double		total = nulls;
	double		other = 0;
	double		rare;
	size_t		n = 0;
	size_t		kept = 0;

	for (uint32_t code = 0; code < dictionary->count; code++)
	{
		total += counts[code];
		if (counts[code] > 0)
			candidates[n++] = (Candidate)
		{
			code, counts[code], dictionary->strings[code], dictionary->lengths[code]
		};
	}
	qsort(candidates, n, sizeof *candidates, by_count);
	rare = fmax(2.0, options->min_frequency * total);
	while (kept < n && kept < (size_t) options->max_categories && candidates[kept].count >= rare)
		kept++;
	for (size_t i = kept; i < n; i++)
		other += candidates[i].count;
	qsort(candidates, kept, sizeof *candidates, by_name);

	levels->kept = ml_dictionary_create(ctx);
	level_counts = ml_alloc_array_zero(ctx, kept + 2, sizeof(double));
	for (size_t i = 0; i < kept; i++)
		level_counts[ml_dictionary_add(ctx, levels->kept, candidates[i].string, candidates[i].length, UINT32_MAX)] = candidates[i].count;
	levels->nlevels = (int) kept;
	levels->null_level = nulls >= rare ? levels->nlevels++ : -1;
	if (levels->null_level >= 0)
		level_counts[levels->null_level] = nulls;
	else
		other += nulls;
	levels->other_level = other > 0 ? levels->nlevels++ : -1;
	if (levels->other_level >= 0)
		level_counts[levels->other_level] = other;
	ml_free(ctx, candidates);
	return level_counts;
}

void
prep_fit_categories(MlContext *ctx, MlPrep *prep, const MlPrepOptions *options, int f, const MlDictionary *dictionary,
					const double *counts, double nulls)
{
	Levels	   *levels = &prep->levels[f];
	double	   *level_counts = choose_levels(ctx, options, levels, dictionary, counts, nulls);
	double		seen = 0;
	double		total = 0;

	levels->filled = -1;
	for (uint32_t code = 0; code < dictionary->count; code++)
		seen += counts[code];
	levels->reference = levels->nlevels > 0 ? 0 : -1;
	for (int level = 0; level < levels->nlevels; level++)
	{
		total += level_counts[level];
		if (level_counts[level] > level_counts[levels->reference])
			levels->reference = level;
	}
	resolve_targets(levels, prep->options.native);
	if (levels->nlevels < 2)
		prep_drop_feature(prep, f, seen == 0 ? "all NULL" :
					 levels->other_level >= 0 ? "every value is rare" : "constant");
	else if (prep->options.native)
		prep_add_column(ctx, prep, ML_PREPARED_CATEGORY, f, prep->features[f].slot);
	else
		for (int level = 0; level < levels->nlevels; level++)
			if (level != levels->reference)
			{
				MlPreparedColumn *column = prep_add_column(ctx, prep, ML_PREPARED_LEVEL, f, prep->features[f].slot);

				column->level = level;
				column->mean = level_counts[level] / total;
			}
}

MlPrep *
ml_prep_fit(MlContext *ctx, const MlPrepOptions *options, const MlFeature *features, int nfeatures,
			const MlMoments *moments, MlDictionary *const *dictionaries,
			const double *const *level_counts, const double *null_counts)
{
	return ml_prep_fit_steps(ctx, options, features, nfeatures, moments, dictionaries, level_counts, null_counts, NULL);
}

MlPrep *
ml_prep_fit_steps(MlContext *ctx, const MlPrepOptions *options, const MlFeature *features, int nfeatures,
				  const MlMoments *moments, MlDictionary *const *dictionaries,
				  const double *const *level_counts, const double *null_counts, const MlPrepTraining *training)
{
	StepFit    *steps = NULL;
	MlPrep	   *prep = prep_create(ctx, features, nfeatures, 2 * (size_t) nfeatures);

	prep->options = *options;
	prep->stepped = options->steps != NULL;
	if (options->steps != NULL)
		steps = step_fit_begin(ctx, prep, training, dictionaries, level_counts, null_counts);
	for (int f = 0; f < nfeatures; f++)
	{
		if (features[f].kind == ML_KIND_TEXT)
		{
			prep->texts[f] = training->texts[f];
			prep_fit_text(ctx, prep, f, moments);
			continue;
		}
		if (steps != NULL && step_fit_feature(steps, f))
			continue;
		if (features[f].kind == ML_KIND_CATEGORY)
			prep_fit_categories(ctx, prep, options, f, dictionaries[f], level_counts[f], null_counts[f]);
		else
			fit_numbers(ctx, prep, f, moments);
	}
	if (steps != NULL)
		step_fit_finish(steps);
	prep_seal(ctx, prep);
	return prep;
}

MlPrep *
ml_prep_plain(MlContext *ctx, const MlFeature *features, int nfeatures, MlDictionary *const *dictionaries,
			  const MlTextFit *const *texts)
{
	MlPrep	   *prep = prep_create(ctx, features, nfeatures, 0);

	prep->options.max_categories = INT32_MAX;
	memcpy(prep->texts, texts, (size_t) nfeatures * sizeof *prep->texts);
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_CATEGORY)
			prep->levels[f] = (Levels)
		{
			.kept = dictionaries[f],.nlevels = (int) dictionaries[f]->count,.null_level = -1,.other_level = -1,
				.reference = -1,.unseen = -1,.null_target = -1,.filled = -1
		};
	prep_seal(ctx, prep);
	return prep;
}

/* ---- what there is ---- */

int
ml_prep_slots(const MlPrep *prep)
{
	return prep->slots;
}

int
ml_prep_columns(const MlPrep *prep)
{
	return prep->ncolumns;
}

const MlPreparedColumn *
ml_prep_column(const MlPrep *prep, int column)
{
	return &prep->columns[column];
}

const double *
ml_prep_centers(const MlPrep *prep)
{
	return prep->centers;
}

const double *
ml_prep_scales(const MlPrep *prep)
{
	return prep->scales;
}

const int *
ml_prep_levels(const MlPrep *prep)
{
	return prep->column_levels;
}

/* A level as a native column has it. */
static inline double
native_level(int level)
{
	return level >= 0 ? level : NAN;
}

const char *
ml_prep_level_name(const MlPrep *prep, int column, int level)
{
	return level_label(&prep->levels[prep->columns[column].feature], level);
}

int
ml_prep_feature_levels(const MlPrep *prep, int feature)
{
	return prep->levels[feature].nlevels;
}

const char *
ml_prep_feature_level_name(const MlPrep *prep, int feature, int level)
{
	return level_label(&prep->levels[feature], level);
}

const MlDictionary *
ml_prep_feature_strings(const MlPrep *prep, int feature)
{
	return prep->levels[feature].kept;
}

double
ml_prep_feature_unseen(const MlPrep *prep, int feature)
{
	return prep->levels[feature].unseen;
}

bool
ml_prep_feature_has_null(const MlPrep *prep, int feature)
{
	return prep->levels[feature].null_level >= 0;
}

int
ml_prep_string_levels(const MlPrep *prep, int column)
{
	return (int) prep->levels[prep->columns[column].feature].kept->count;
}

double
ml_prep_unseen(const MlPrep *prep, int column)
{
	return native_level(prep->levels[prep->columns[column].feature].unseen);
}

double
ml_prep_null(const MlPrep *prep, int column)
{
	return native_level(prep->levels[prep->columns[column].feature].null_target);
}

bool
ml_prep_has_steps(const MlPrep *prep)
{
	return prep->nterms > 0;
}

bool
ml_prep_has_interactions(const MlPrep *prep)
{
	for (int t = 0; t < prep->nterms; t++)
		for (int f = 1; f < prep->terms[t].count; f++)
			if (prep->terms[t].factors[f].slot != prep->terms[t].factors[0].slot)
				return true;
	return false;
}

bool
ml_prep_is_hashed(const MlPrep *prep, int feature)
{
	return prep->levels[feature].buckets > 0;
}

bool
ml_prep_knows_target(const MlPrep *prep)
{
	return prep->by_target;
}

bool
ml_prep_refuses_null(const MlPrep *prep, int feature)
{
	return prep->refuses_null != NULL && prep->refuses_null[feature];
}

const MlTextFit *
ml_prep_text(const MlPrep *prep, int feature)
{
	return prep->texts[feature];
}

const MlTerm *
ml_prep_term(const MlPrep *prep, int column)
{
	return prep->columns[column].term >= 0 ? &prep->terms[prep->columns[column].term] : NULL;
}

bool
ml_prep_reads(const MlPrep *prep, int column, int slot)
{
	const MlTerm *term = ml_prep_term(prep, column);

	if (term == NULL)
		return prep->columns[column].slot == slot;
	for (int f = 0; f < term->count; f++)
		if (term->factors[f].slot == slot)
			return true;
	return false;
}

int
ml_prep_dropped(const MlPrep *prep, const char *const **names, const char *const **reasons)
{
	*names = prep->dropped_names;
	*reasons = prep->dropped_reasons;
	return prep->ndropped;
}

/* Tell which features were left out, an error when none is left. */
void
ml_prep_report_dropped(MlContext *ctx, const MlPrep *prep)
{
	const char *const *names = prep->dropped_names;
	const char *const *reasons = prep->dropped_reasons;
	int			n = prep->ndropped;
	const char *list = "";
	int			told = 0;

	if (prep->nfeatures == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "there are no features to learn from", NULL,
					  "The rows need at least one column besides the target.");
	for (int i = 0; i < n; i++)
	{
		/* what was asked for is no news */
		if (strcmp(reasons[i], PREP_ASKED) == 0 && ml_prep_columns(prep) > 0)
			continue;
		if (told++ < 20)
			list = ml_format(ctx, "%s%s\"%s\" (%s)", list, told > 1 ? ", " : "", names[i], reasons[i]);
	}
	if (told == 0)
		return;
	if (told > 20)
		list = ml_format(ctx, "%s and %d more", list, told - 20);
	if (ml_prep_columns(prep) == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "no feature can be used", ml_format(ctx, "Left out: %s.", list),
					  "At least one feature must vary over the training rows.");
	ctx->warn(ctx, ml_format(ctx, "%d feature%s left out", told, told == 1 ? " was" : "s were"), ml_format(ctx, "%s.", list));
}

/* ---- applying ---- */

double
ml_prep_encode(const MlPrep *prep, int feature, const char *bytes, size_t length)
{
	const Levels *levels = &prep->levels[feature];
	int32_t		level;

	if (levels->buckets > 0)
		return (double) (ml_hash_bytes(bytes, length, 0) % (uint64_t) levels->buckets);
	level = ml_dictionary_find(levels->kept, bytes, length);
	return level >= 0 ? level : levels->unseen;
}

/* The values of one prepared column from those of its slot or term. */
static inline void
apply_column(const MlPrep *prep, int column, const double *raw, size_t n, double *x)
{
	const MlPreparedColumn *c = &prep->columns[column];

	if (c->kind == ML_PREPARED_VALUE)
	{
		double		impute = c->impute;
		double		center = c->center;
		double		inverse = prep->inverses[column];

		for (size_t i = 0; i < n; i++)
		{
			double		v = raw[i] == raw[i] ? raw[i] : impute;

			x[i] = (v - center) * inverse;
		}
	}
	else if (c->kind == ML_PREPARED_INDICATOR)
		for (size_t i = 0; i < n; i++)
			x[i] = raw[i] == raw[i] ? 0.0 : 1.0;
	else if (c->kind == ML_PREPARED_NUMBER)
		memcpy(x, raw, n * sizeof(double));
	else if (c->kind == ML_PREPARED_CATEGORY)
	{
		double		at_null = native_level(prep->levels[c->feature].null_target);

		for (size_t i = 0; i < n; i++)
			x[i] = raw[i] == raw[i] ? (raw[i] >= 0 ? raw[i] : NAN) : at_null;
	}
	else
	{
		double		level = c->level;
		double		at_null = prep->levels[c->feature].null_target == c->level ? 1.0 : 0.0;

		for (size_t i = 0; i < n; i++)
			x[i] = raw[i] == raw[i] ? (raw[i] == level ? 1.0 : 0.0) : at_null;
	}
}

void
ml_prep_apply_column(const MlPrep *prep, int column, const double *raw, size_t n, double *x)
{
	apply_column(prep, column, raw, n, x);
}

void
ml_prep_apply_block(const MlPrep *prep, int column, const MlRawBlock *block, size_t n, double *x)
{
	const MlTerm *term = ml_prep_term(prep, column);
	double		buffer[ML_TERM_ROWS];

	if (term == NULL)
	{
		ml_prep_apply_column(prep, column, block->slot(block, prep->columns[column].slot, n, buffer), n, x);
		return;
	}
	ml_term_apply(term, block, n, buffer);
	ml_prep_apply_column(prep, column, buffer, n, x);
}

/* Rows that lie in memory. */
typedef struct Matrix
{
	MlRawBlock	block;			/* MUST BE FIRST */
	const double *raw;
	size_t		ldraw;
} Matrix;

static const double *
matrix_slot(const MlRawBlock *block, int slot, size_t n, double *buffer)
{
	const Matrix *matrix = (const Matrix *) block;

	(void) n;
	(void) buffer;
	return matrix->raw + (size_t) slot * matrix->ldraw;
}

/* The same where columns are made by steps. */
static void
apply_terms(const MlPrep *prep, const double *raw, size_t ldraw, size_t n, double *x, size_t ldx)
{
	for (size_t i = 0; i < n; i += ML_TERM_ROWS)
	{
		size_t		m = n - i < ML_TERM_ROWS ? n - i : ML_TERM_ROWS;
		Matrix		matrix = {.block = {.slot = matrix_slot},.raw = raw + i,.ldraw = ldraw};

		for (int j = 0; j < prep->ncolumns; j++)
			ml_prep_apply_block(prep, j, &matrix.block, m, x + (size_t) j * ldx + i);
	}
}

/* The same operations for the case of one row, where calls would cost more than the work. */
static void
apply_row(const MlPrep *prep, const double *raw, size_t ldraw, double *x, size_t ldx)
{
	for (int j = 0; j < prep->ncolumns; j++)
	{
		const MlPreparedColumn *c = &prep->columns[j];
		double		v = raw[(size_t) c->slot * ldraw];

		if (c->kind == ML_PREPARED_VALUE)
			v = ((v == v ? v : c->impute) - c->center) * prep->inverses[j];
		else if (c->kind == ML_PREPARED_INDICATOR)
			v = v == v ? 0.0 : 1.0;
		else if (c->kind == ML_PREPARED_CATEGORY)
			v = v == v ? (v >= 0 ? v : NAN) : native_level(prep->levels[c->feature].null_target);
		else if (c->kind == ML_PREPARED_LEVEL)
			v = v == v ? v == c->level : prep->levels[c->feature].null_target == c->level;
		x[(size_t) j * ldx] = v;
	}
}

void
ml_prep_apply(const MlPrep *prep, const double *raw, size_t ldraw, size_t n, double *x, size_t ldx)
{
	if (prep->nterms > 0)
	{
		apply_terms(prep, raw, ldraw, n, x, ldx);
		return;
	}
	if (n == 1)
	{
		apply_row(prep, raw, ldraw, x, ldx);
		return;
	}
	for (int j = 0; j < prep->ncolumns; j++)
		apply_column(prep, j, raw + (size_t) prep->columns[j].slot * ldraw, n, x + (size_t) j * ldx);
}

bool
ml_prep_invert(const MlPrep *prep, int column, double x, double *number)
{
	const MlPreparedColumn *c = &prep->columns[column];
	const MlTerm *term = ml_prep_term(prep, column);

	if ((c->kind != ML_PREPARED_VALUE && c->kind != ML_PREPARED_NUMBER) || (term != NULL && term->count != 1))
		return false;
	x = x * c->scale + c->center;
	for (int s = term != NULL ? term->factors[0].count - 1 : -1; s >= 0; s--)
	{
		if (!ml_step_inverts(term->factors[0].steps[s].kind))
			return false;
		x = ml_step_invert(&term->factors[0].steps[s], x);
	}
	*number = x;
	return true;
}

/* ---- stored form ---- */

static void
write_levels(MlWriter *w, const MlPrep *prep)
{
	ml_write_list(w, "categories");
	for (int f = 0; f < prep->nfeatures; f++)
	{
		const Levels *levels = &prep->levels[f];

		if (prep->features[f].kind != ML_KIND_CATEGORY)
			continue;
		ml_write_object(w, NULL);
		ml_write_int(w, "feature", f);
		ml_write_list(w, "levels");
		for (uint32_t i = 0; i < levels->kept->count; i++)
			ml_write_string_length(w, NULL, levels->kept->strings[i], levels->kept->lengths[i]);
		ml_write_end(w);
		ml_write_bool(w, "null_level", levels->null_level >= 0);
		ml_write_bool(w, "other_level", levels->other_level >= 0);
		ml_write_int(w, "reference", levels->reference);
		if (levels->filled >= 0)
			ml_write_int(w, "filled", levels->filled);
		if (levels->buckets > 0)
			ml_write_int(w, "buckets", levels->buckets);
		ml_write_end(w);
	}
	ml_write_end(w);
}

static void
write_columns(MlWriter *w, const MlPrep *prep, MlContext *ctx)
{
	size_t		n = (size_t) prep->ncolumns;
	int32_t    *kinds = ml_alloc_array(ctx, n + 1, sizeof(int32_t));
	int32_t    *features = ml_alloc_array(ctx, n + 1, sizeof(int32_t));
	int32_t    *slots = ml_alloc_array(ctx, n + 1, sizeof(int32_t));
	int32_t    *levels = ml_alloc_array(ctx, n + 1, sizeof(int32_t));
	double	   *imputes = ml_alloc_array(ctx, n + 1, sizeof(double));
	double	   *means = ml_alloc_array(ctx, n + 1, sizeof(double));

	for (size_t j = 0; j < n; j++)
	{
		means[j] = prep->columns[j].mean;
		kinds[j] = (int32_t) prep->columns[j].kind;
		features[j] = prep->columns[j].feature;
		slots[j] = prep->columns[j].slot;
		levels[j] = prep->columns[j].level;
		imputes[j] = prep->columns[j].impute;
	}
	ml_write_i32s(w, "kind", kinds, n);
	ml_write_i32s(w, "feature", features, n);
	ml_write_i32s(w, "slot", slots, n);
	ml_write_i32s(w, "level", levels, n);
	ml_write_f64s(w, "impute", imputes, n);
	ml_write_f64s(w, "center", prep->centers, n);
	ml_write_f64s(w, "scale", prep->scales, n);
	ml_write_f64s(w, "mean", means, n);
}

/* The terms of texts, where there are any. */
static void
write_texts(MlWriter *w, const MlPrep *prep)
{
	bool		any = false;

	for (int f = 0; f < prep->nfeatures; f++)
		any |= prep->texts[f] != NULL;
	if (!any)
		return;
	ml_write_list(w, "texts");
	for (int f = 0; f < prep->nfeatures; f++)
		if (prep->texts[f] != NULL)
		{
			ml_write_object(w, NULL);
			ml_write_int(w, "feature", f);
			ml_text_write(w, prep->texts[f]);
			ml_write_end(w);
		}
	ml_write_end(w);
}

/* What only a preparation with steps has. */
static void
write_steps(MlWriter *w, const MlPrep *prep, MlContext *ctx)
{
	int32_t    *terms = ml_alloc_array(ctx, (size_t) prep->ncolumns + 1, sizeof(int32_t));
	int32_t    *refusing = ml_alloc_array(ctx, (size_t) prep->nfeatures + 1, sizeof(int32_t));
	size_t		nrefusing = 0;

	for (int j = 0; j < prep->ncolumns; j++)
		terms[j] = prep->columns[j].term;
	for (int f = 0; f < prep->nfeatures; f++)
		if (ml_prep_refuses_null(prep, f))
			refusing[nrefusing++] = f;
	ml_write_object(w, "steps");
	ml_write_bool(w, "native", prep->options.native);
	ml_write_bool(w, "by_target", prep->by_target);
	ml_write_i32s(w, "refuses_null", refusing, nrefusing);
	ml_write_i32s(w, "term", terms, (size_t) prep->ncolumns);
	ml_terms_write(w, prep->terms, prep->nterms);
	ml_write_end(w);
}

void
ml_prep_write(MlContext *ctx, MlWriter *w, const MlPrep *prep)
{
	ml_write_object(w, "options");
	ml_write_bool(w, "scale", prep->options.scale);
	ml_write_bool(w, "missing_indicator", prep->options.missing_indicator);
	ml_write_int(w, "max_categories", prep->options.max_categories);
	ml_write_double(w, "min_frequency", prep->options.min_frequency);
	ml_write_end(w);
	write_columns(w, prep, ctx);
	write_levels(w, prep);
	write_texts(w, prep);
	if (prep->stepped)
		write_steps(w, prep, ctx);
	ml_write_list(w, "dropped");
	for (int i = 0; i < prep->ndropped; i++)
	{
		ml_write_object(w, NULL);
		ml_write_string(w, "feature", prep->dropped_names[i]);
		ml_write_string(w, "reason", prep->dropped_reasons[i]);
		ml_write_end(w);
	}
	ml_write_end(w);
}

static void
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* The levels of one category feature from its stored object. */
static void
read_levels(MlContext *ctx, MlPrep *prep, const MlNode *object)
{
	int			f = (int) ml_need_int(ctx, object, "feature", 0, prep->nfeatures - 1);
	const MlNode *list = ml_need(ctx, object, "levels", ML_NODE_LIST);
	size_t		n = ml_node_count(list);
	Levels	   *levels = &prep->levels[f];

	if (prep->features[f].kind != ML_KIND_CATEGORY || levels->kept != NULL)
		corrupted(ctx, "levels of a feature that has none");
	if (n > INT32_MAX - 2)
		corrupted(ctx, "too many levels");
	levels->kept = ml_dictionary_create(ctx);
	for (size_t i = 0; i < n; i++)
	{
		const MlNode *node = ml_node_at(list, i);

		if (ml_node_type(node) != ML_NODE_STRING ||
			ml_dictionary_add(ctx, levels->kept, ml_node_string(node), ml_node_count(node), UINT32_MAX) != (int32_t) i)
			corrupted(ctx, "levels are not distinct strings");
	}
	levels->nlevels = (int) n;
	levels->null_level = ml_need_bool(ctx, object, "null_level") ? levels->nlevels++ : -1;
	levels->other_level = ml_need_bool(ctx, object, "other_level") ? levels->nlevels++ : -1;
	levels->reference = (int) ml_need_int(ctx, object, "reference", -1, levels->nlevels - 1);
	levels->filled = ml_node_find(object, "filled") == NULL ? -1 : (int) ml_need_int(ctx, object, "filled", 0, levels->nlevels - 1);
	levels->buckets = ml_node_find(object, "buckets") == NULL ? 0 : (int) ml_need_int(ctx, object, "buckets", 1, INT32_MAX);
	if (levels->buckets > 0 && levels->nlevels > 0)
		corrupted(ctx, "hashed strings with levels");
}

/* The terms of each feature that is a text. */
static void
read_texts(MlContext *ctx, MlPrep *prep, const MlNode *object)
{
	const MlNode *list = ml_node_find(object, "texts") == NULL ? NULL : ml_need(ctx, object, "texts", ML_NODE_LIST);

	for (size_t i = 0; list != NULL && i < ml_node_count(list); i++)
	{
		const MlTextFit *text = ml_text_read(ctx, ml_node_at(list, i));
		int			f = (int) ml_need_int(ctx, ml_node_at(list, i), "feature", 0, prep->nfeatures - 1);

		if (prep->features[f].kind != ML_KIND_TEXT || prep->texts[f] != NULL || prep->features[f].width != text->width)
			corrupted(ctx, "terms of a feature that has none, or others");
		prep->texts[f] = text;
	}
	for (int f = 0; f < prep->nfeatures; f++)
		if (prep->features[f].kind == ML_KIND_TEXT && prep->texts[f] == NULL)
			corrupted(ctx, "a text without terms");
}

/* Is it a kind that only a native preparation has? */
static bool
is_native(MlPreparedKind kind)
{
	return kind == ML_PREPARED_NUMBER || kind == ML_PREPARED_CATEGORY;
}

/* One prepared column from the stored arrays, everything checked. */
static void
check_column(MlContext *ctx, const MlPrep *prep, const MlPreparedColumn *c)
{
	const MlFeature *feature;
	bool		sound = false;

	if (c->feature < 0 || c->feature >= prep->nfeatures)
		corrupted(ctx, "a prepared column of no feature");
	feature = &prep->features[c->feature];
	if (c->slot < feature->slot || c->slot >= feature->slot + feature->width)
		corrupted(ctx, "a prepared column outside its feature");
	if (!isfinite(c->impute) || !isfinite(c->mean) || !isfinite(c->center) || !(c->scale > 0) || !isfinite(c->scale) ||
		!isfinite(1.0 / c->scale))
		corrupted(ctx, "a prepared column with numbers out of range");
	switch (c->kind)
	{
		case ML_PREPARED_LEVEL:
			sound = feature->kind == ML_KIND_CATEGORY && c->level >= 0 && c->level < prep->levels[c->feature].nlevels;
			break;
		case ML_PREPARED_CATEGORY:
			sound = feature->kind == ML_KIND_CATEGORY && c->level == -1 && prep->levels[c->feature].nlevels > 1;
			break;
		case ML_PREPARED_INDICATOR:
			sound = (feature->kind != ML_KIND_CATEGORY || prep->stepped) && c->level == -1;
			break;
		case ML_PREPARED_VALUE:
		case ML_PREPARED_NUMBER:
			sound = (feature->kind != ML_KIND_CATEGORY || c->term >= 0) && c->level == -1;
			break;
	}
	if (c->term >= 0 && ((c->kind != ML_PREPARED_VALUE && c->kind != ML_PREPARED_NUMBER) || c->term >= prep->nterms ||
						 prep->terms[c->term].factors[0].slot != c->slot))
		sound = false;
	/* what comes as it is was neither imputed nor scaled */
	if (is_native(c->kind) && (c->impute != 0 || c->mean != 0 || c->center != 0 || c->scale != 1))
		sound = false;
	if (!sound)
		corrupted(ctx, "a prepared column of the wrong kind");
}

static void
read_columns(MlContext *ctx, MlPrep *prep, const MlNode *object, size_t n)
{
	const int32_t *kinds = ml_need_i32s(ctx, object, "kind", (int64_t) n);
	const int32_t *features = ml_need_i32s(ctx, object, "feature", (int64_t) n);
	const int32_t *slots = ml_need_i32s(ctx, object, "slot", (int64_t) n);
	const int32_t *levels = ml_need_i32s(ctx, object, "level", (int64_t) n);
	const double *imputes = ml_need_f64s(ctx, object, "impute", (int64_t) n);
	const double *centers = ml_need_f64s(ctx, object, "center", (int64_t) n);
	const double *scales = ml_need_f64s(ctx, object, "scale", (int64_t) n);
	const double *means = ml_need_f64s(ctx, object, "mean", (int64_t) n);
	const MlNode *steps = ml_node_find(object, "steps");
	const int32_t *terms = steps != NULL ? ml_need_i32s(ctx, steps, "term", (int64_t) n) : NULL;

	for (size_t j = 0; j < n; j++)
	{
		prep->columns[j] = (MlPreparedColumn)
		{
			.kind = (MlPreparedKind) kinds[j],.feature = features[j],.slot = slots[j],.level = levels[j],
				.term = terms != NULL && terms[j] >= 0 ? terms[j] : -1,.impute = imputes[j],.center = centers[j],.scale = scales[j],.mean = means[j]
		};
		check_column(ctx, prep, &prep->columns[j]);
		if (is_native(prep->columns[j].kind) != prep->options.native &&
			!(prep->options.native && steps != NULL && prep->columns[j].kind == ML_PREPARED_INDICATOR))
			corrupted(ctx, "a prepared column of another preparation");
	}
	prep->ncolumns = (int) n;
}

static void
read_dropped(MlContext *ctx, MlPrep *prep, const MlNode *list)
{
	size_t		n = ml_node_count(list);

	if (n > (size_t) prep->nfeatures)
		corrupted(ctx, "more features dropped than there are");
	for (size_t i = 0; i < n; i++)
	{
		const MlNode *object = ml_node_at(list, i);

		if (ml_node_type(object) != ML_NODE_OBJECT)
			corrupted(ctx, "dropped features are not objects");
		prep->dropped_names[i] = ml_need_string(ctx, object, "feature");
		prep->dropped_reasons[i] = ml_need_string(ctx, object, "reason");
	}
	prep->ndropped = (int) n;
}

/* What only a preparation with steps has, but for the terms of columns. */
static void
read_steps(MlContext *ctx, MlPrep *prep, const MlNode *steps)
{
	const MlNode *list = ml_need(ctx, steps, "refuses_null", ML_NODE_I32S);
	const int32_t *refusing = ml_need_i32s(ctx, steps, "refuses_null", -1);

	prep->stepped = true;
	prep->options.native = ml_need_bool(ctx, steps, "native");
	prep->by_target = ml_need_bool(ctx, steps, "by_target");
	prep->terms = ml_terms_read(ctx, ml_need(ctx, steps, "terms", ML_NODE_LIST), prep->slots, &prep->nterms);
	if (ml_node_count(list) > 0)
		prep->refuses_null = ml_alloc_array_zero(ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	for (size_t i = 0; i < ml_node_count(list); i++)
	{
		if (refusing[i] < 0 || refusing[i] >= prep->nfeatures)
			corrupted(ctx, "a NULL refused of no feature");
		prep->refuses_null[refusing[i]] = true;
	}
}

MlPrep *
ml_prep_read(MlContext *ctx, const MlNode *object, const MlFeature *features, int nfeatures)
{
	const MlNode *options = ml_need(ctx, object, "options", ML_NODE_OBJECT);
	const MlNode *categories = ml_need(ctx, object, "categories", ML_NODE_LIST);
	size_t		n = ml_node_count(ml_need(ctx, object, "kind", ML_NODE_I32S));
	MlPrep	   *prep;

	if (n > INT32_MAX / 2)
		corrupted(ctx, "too many prepared columns");
	prep = prep_create(ctx, features, nfeatures, n);
	prep->options.scale = ml_need_bool(ctx, options, "scale");
	prep->options.missing_indicator = ml_need_bool(ctx, options, "missing_indicator");
	prep->options.max_categories = (int) ml_need_int(ctx, options, "max_categories", 1, INT32_MAX);
	prep->options.min_frequency = ml_need_double(ctx, options, "min_frequency");
	for (size_t i = 0; i < ml_node_count(categories); i++)
	{
		if (ml_node_type(ml_node_at(categories, i)) != ML_NODE_OBJECT)
			corrupted(ctx, "categories are not objects");
		read_levels(ctx, prep, ml_node_at(categories, i));
	}
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_CATEGORY && prep->levels[f].kept == NULL)
			corrupted(ctx, "a category feature without levels");
	read_texts(ctx, prep, object);
	/* without steps it is stored by the kinds of the columns alone */
	if (ml_node_find(object, "steps") != NULL)
		read_steps(ctx, prep, ml_need(ctx, object, "steps", ML_NODE_OBJECT));
	else
		prep->options.native = n > 0 && is_native((MlPreparedKind) ml_need_i32s(ctx, object, "kind", (int64_t) n)[0]);
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_CATEGORY)
			resolve_targets(&prep->levels[f], prep->options.native);
	read_columns(ctx, prep, object, n);
	read_dropped(ctx, prep, ml_need(ctx, object, "dropped", ML_NODE_LIST));
	prep_seal(ctx, prep);
	return prep;
}
