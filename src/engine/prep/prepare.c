/*
 * Fitting and applying the preparation (prepare.h says what it does).
 */
#include "prep/prepare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The levels of one category feature: kept strings, then NULL, then "(other)". */
typedef struct Levels
{
	MlDictionary *kept;			/* code = level */
	int			nlevels;		/* kept + null + other */
	int			null_level;		/* -1 = NULL has no level of its own */
	int			other_level;	/* -1 = no training row was rare */
	int			reference;		/* the level without a column, -1 = no levels at all */
	int			unseen;			/* where a rare or unseen string goes; native: -1 = it is missing */
	int			null_target;	/* where NULL goes; the same */
} Levels;

struct MlPrep
{
	MlPrepOptions options;
	const MlFeature *features;
	int			nfeatures;
	int			slots;
	int			ncolumns;
	MlPreparedColumn *columns;
	double	   *centers;
	double	   *scales;
	double	   *inverses;		/* 1 / scale */
	int		   *column_levels;	/* of native categories, else 0 */
	Levels	   *levels;			/* [nfeatures], used for categories */
	int			ndropped;
	const char **dropped_names;
	const char **dropped_reasons;
};

/* ---- building blocks ---- */

static MlPrep *
prep_create(MlContext *ctx, const MlFeature *features, int nfeatures, size_t max_columns)
{
	MlPrep	   *prep = ml_alloc_zero(ctx, sizeof *prep);

	prep->features = features;
	prep->nfeatures = nfeatures;
	for (int f = 0; f < nfeatures; f++)
		prep->slots += features[f].width;
	prep->columns = ml_alloc_array_zero(ctx, max_columns + 1, sizeof *prep->columns);
	prep->levels = ml_alloc_array_zero(ctx, (size_t) nfeatures + 1, sizeof *prep->levels);
	prep->dropped_names = ml_alloc_array(ctx, (size_t) nfeatures + 1, sizeof(char *));
	prep->dropped_reasons = ml_alloc_array(ctx, (size_t) nfeatures + 1, sizeof(char *));
	return prep;
}

/* The name a slot's column has: the feature's, with the element of a vector (from 1, as in SQL). */
static const char *
slot_name(MlContext *ctx, const MlFeature *feature, int slot)
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

/* Name every column from what it is, and lay out centers and scales. */
static void
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

		if (c->kind == ML_PREPARED_LEVEL)
			c->name = level_name(ctx, feature, &prep->levels[c->feature], c->level);
		else if (c->kind == ML_PREPARED_INDICATOR)
			c->name = ml_format(ctx, "%s is null", slot_name(ctx, feature, c->slot));
		else
			c->name = slot_name(ctx, feature, c->slot);
		prep->centers[j] = c->center;
		prep->scales[j] = c->scale;
		prep->inverses[j] = 1.0 / c->scale;
		if (c->kind == ML_PREPARED_CATEGORY)
			prep->column_levels[j] = prep->levels[c->feature].nlevels;
	}
}

static MlPreparedColumn *
add_column(MlPrep *prep, MlPreparedKind kind, int feature, int slot)
{
	MlPreparedColumn *column = &prep->columns[prep->ncolumns++];

	column->kind = kind;
	column->feature = feature;
	column->slot = slot;
	column->level = -1;
	column->scale = 1.0;
	return column;
}

static void
drop_feature(MlPrep *prep, int feature, const char *reason)
{
	prep->dropped_names[prep->ndropped] = prep->features[feature].name;
	prep->dropped_reasons[prep->ndropped++] = reason;
}

/* ---- fitting ---- */

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
		double		deviation = sqrt(m->m2 / m->count);

		if (m->count == 0)
			continue;
		any = true;
		if (m->max > ML_LARGEST || m->min < -ML_LARGEST)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "feature column \"%s\" holds values that are too large", feature->name),
						  ml_format(ctx, "They reach from %g to %g.", m->min, m->max),
						  "Their squares are beyond double precision: scale the column down.");
		if (prep->options.native)
		{
			if (m->max > m->min || m->nulls > 0)
				add_column(prep, ML_PREPARED_NUMBER, f, s);
			continue;
		}
		if (m->max > m->min)
		{
			MlPreparedColumn *column = add_column(prep, ML_PREPARED_VALUE, f, s);

			column->impute = column->mean = m->mean;
			if (prep->options.scale && deviation > 0 && isfinite(1.0 / deviation))
			{
				column->center = m->mean;
				column->scale = deviation;
			}
		}
		if (m->nulls > 0 && prep->options.missing_indicator)
			add_column(prep, ML_PREPARED_INDICATOR, f, s)->mean = m->nulls / (m->count + m->nulls);
	}
	if (prep->ncolumns == before)
		drop_feature(prep, f, any ? "constant" : "all NULL");
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
	levels->null_target = levels->null_level >= 0 ? levels->null_level : levels->unseen;
}

/* Choose the levels to keep of one category feature; tells the rows of each level. */
static double *
choose_levels(MlContext *ctx, const MlPrep *prep, Levels *levels, const MlDictionary *dictionary,
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
	rare = fmax(2.0, prep->options.min_frequency * total);
	while (kept < n && kept < (size_t) prep->options.max_categories && candidates[kept].count >= rare)
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

/* Columns of one CATEGORY feature. */
static void
fit_categories(MlContext *ctx, MlPrep *prep, int f, const MlDictionary *dictionary,
			   const double *counts, double nulls)
{
	Levels	   *levels = &prep->levels[f];
	double	   *level_counts = choose_levels(ctx, prep, levels, dictionary, counts, nulls);
	double		seen = 0;
	double		total = 0;

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
		drop_feature(prep, f, seen == 0 ? "all NULL" :
					 levels->other_level >= 0 ? "every value is rare" : "constant");
	else if (prep->options.native)
		add_column(prep, ML_PREPARED_CATEGORY, f, prep->features[f].slot);
	else
		for (int level = 0; level < levels->nlevels; level++)
			if (level != levels->reference)
			{
				MlPreparedColumn *column = add_column(prep, ML_PREPARED_LEVEL, f, prep->features[f].slot);

				column->level = level;
				column->mean = level_counts[level] / total;
			}
}

MlPrep *
ml_prep_fit(MlContext *ctx, const MlPrepOptions *options, const MlFeature *features, int nfeatures,
			const MlMoments *moments, MlDictionary *const *dictionaries,
			const double *const *level_counts, const double *null_counts)
{
	size_t		max_columns = 0;
	MlPrep	   *prep;

	for (int f = 0; f < nfeatures; f++)
		max_columns += features[f].kind == ML_KIND_CATEGORY ?
			(size_t) options->max_categories + 2 : 2 * (size_t) features[f].width;
	prep = prep_create(ctx, features, nfeatures, max_columns);
	prep->options = *options;
	for (int f = 0; f < nfeatures; f++)
	{
		if (features[f].kind == ML_KIND_CATEGORY)
			fit_categories(ctx, prep, f, dictionaries[f], level_counts[f], null_counts[f]);
		else
			fit_numbers(ctx, prep, f, moments);
	}
	prep_seal(ctx, prep);
	return prep;
}

MlPrep *
ml_prep_plain(MlContext *ctx, const MlFeature *features, int nfeatures, MlDictionary *const *dictionaries)
{
	MlPrep	   *prep = prep_create(ctx, features, nfeatures, 0);

	prep->options.max_categories = INT32_MAX;
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_CATEGORY)
			prep->levels[f] = (Levels)
		{
			.kept = dictionaries[f],.nlevels = (int) dictionaries[f]->count,.null_level = -1,.other_level = -1,
				.reference = -1,.unseen = -1,.null_target = -1
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

	if (prep->nfeatures == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "there are no features to learn from", NULL,
					  "The rows need at least one column besides the target.");
	if (n == 0)
		return;
	for (int i = 0; i < n && i < 20; i++)
		list = ml_format(ctx, "%s%s\"%s\" (%s)", list, i ? ", " : "", names[i], reasons[i]);
	if (n > 20)
		list = ml_format(ctx, "%s and %d more", list, n - 20);
	if (ml_prep_columns(prep) == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "no feature can be used", ml_format(ctx, "Left out: %s.", list),
					  "At least one feature must vary over the training rows.");
	ctx->warn(ctx, ml_format(ctx, "%d feature%s left out", n, n == 1 ? " was" : "s were"), ml_format(ctx, "%s.", list));
}

/* ---- applying ---- */

double
ml_prep_encode(const MlPrep *prep, int feature, const char *bytes, size_t length)
{
	const Levels *levels = &prep->levels[feature];
	int32_t		level = ml_dictionary_find(levels->kept, bytes, length);

	return level >= 0 ? level : levels->unseen;
}

void
ml_prep_apply_column(const MlPrep *prep, int column, const double *raw, size_t n, double *x)
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
	if (n == 1)
	{
		apply_row(prep, raw, ldraw, x, ldx);
		return;
	}
	for (int j = 0; j < prep->ncolumns; j++)
		ml_prep_apply_column(prep, j, raw + (size_t) prep->columns[j].slot * ldraw, n, x + (size_t) j * ldx);
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
}

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
		case ML_PREPARED_VALUE:
		case ML_PREPARED_INDICATOR:
		case ML_PREPARED_NUMBER:
			sound = feature->kind != ML_KIND_CATEGORY && c->level == -1;
			break;
	}
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

	for (size_t j = 0; j < n; j++)
	{
		prep->columns[j] = (MlPreparedColumn)
		{
			.kind = (MlPreparedKind) kinds[j],.feature = features[j],.slot = slots[j],.level = levels[j],
				.impute = imputes[j],.center = centers[j],.scale = scales[j],.mean = means[j]
		};
		check_column(ctx, prep, &prep->columns[j]);
		if (is_native(prep->columns[j].kind) != prep->options.native)
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
	/* stored by the kinds of the columns alone */
	prep->options.native = n > 0 && is_native((MlPreparedKind) ml_need_i32s(ctx, object, "kind", (int64_t) n)[0]);
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_CATEGORY)
			resolve_targets(&prep->levels[f], prep->options.native);
	read_columns(ctx, prep, object, n);
	read_dropped(ctx, prep, ml_need(ctx, object, "dropped", ML_NODE_LIST));
	prep_seal(ctx, prep);
	return prep;
}
