/*
 * Fitting and applying the preparation (prepare.h says what it does).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prep/prep_internal.h"

/* ---- building blocks ---- */

MlPrep *
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

/* Does a column go on with the levels of the one before it? One may be missing in between, the reference. */
static bool
goes_on(const MlPreparedColumn *last, const MlPreparedColumn *c)
{
	return c->kind == ML_PREPARED_LEVEL && c->slot == last->slot &&
		(c->level == last->level + 1 || c->level == last->level + 2);
}

/* Neighbours that are levels of one category are one operation. */
static void
gather_levels(MlContext *ctx, const MlPrep *prep, RowOp *op)
{
	const MlPreparedColumn *c = &prep->columns[op->column];
	int			null_target = prep->levels[c->feature].null_target;

	while (op->column + op->columns < prep->ncolumns && goes_on(&c[op->columns - 1], &c[op->columns]))
		op->columns++;
	op->first_level = c[0].level;
	op->nlevels = c[op->columns - 1].level - op->first_level + 1;
	op->of_level = ml_alloc_array(ctx, (size_t) op->nlevels, sizeof(int32_t));
	for (int level = 0; level < op->nlevels; level++)
		op->of_level[level] = -1;
	for (int k = 0; k < op->columns; k++)
		op->of_level[c[k].level - op->first_level] = k;
	null_target -= op->first_level;
	op->at_null = null_target >= 0 && null_target < op->nlevels ? op->of_level[null_target] : -1;
}

/* What is done with a row that comes alone. */
static void
lay_out_row(MlContext *ctx, MlPrep *prep)
{
	prep->ops = ml_alloc_array(ctx, (size_t) prep->ncolumns + 1, sizeof *prep->ops);
	prep->nops = 0;
	for (int j = 0; j < prep->ncolumns;)
	{
		RowOp	   *op = &prep->ops[prep->nops++];

		*op = (RowOp) {.kind = prep->columns[j].kind,.slot = prep->columns[j].slot,.column = j,.columns = 1};
		if (op->kind == ML_PREPARED_LEVEL)
			gather_levels(ctx, prep, op);
		j += op->columns;
	}
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

		if (c->term >= 0 && !prep_is_level(c->kind))
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
	lay_out_row(ctx, prep);
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
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "feature column \"%s\" contains NULL", prep->features[f].name),
					  ml_format(ctx, "%.0f of %.0f training rows are NULL, and preprocess imputes by \"error\".",
								nulls, rows),
					  "Fill or filter these rows, or choose another \"impute\".");
	if (prep->refuses_null == NULL)
		prep->refuses_null = ml_alloc_array_zero(ctx, (size_t) prep->nfeatures + 1, sizeof(bool));
	prep->refuses_null[f] = true;
}

void
prep_drop_feature(MlPrep *prep, int feature, const char *reason)
{
	for (int i = 0; i < prep->ndropped; i++)
		if (prep->dropped_names[i] == prep->features[feature].name)
			return;
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

void
prep_resolve_targets(Levels *levels)
{
	levels->unseen = levels->other_level;
	levels->null_target = levels->filled >= 0 ? levels->filled :
		levels->null_level >= 0 ? levels->null_level : levels->unseen;
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
	while (kept < n && kept < (size_t) options->max_categories && candidates[kept].count >= rare &&
		   (options->max_small == 0 || kept < (size_t) options->max_small || candidates[kept].count >= ML_PREP_SMALL))
		kept++;
	for (size_t i = kept; i < n; i++)
		other += candidates[i].count;
	qsort(candidates, kept, sizeof *candidates, by_name);

	levels->kept = ml_dictionary_create(ctx);
	level_counts = ml_alloc_array_zero(ctx, kept + 2, sizeof(double));
	for (size_t i = 0; i < kept; i++)
	{
		const Candidate *c = &candidates[i];

		level_counts[ml_dictionary_add(ctx, levels->kept, c->string, c->length, UINT32_MAX)] = c->count;
	}
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
	prep_resolve_targets(levels);
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

void
ml_prep_refuse_null(MlContext *ctx, MlPrep *prep, int feature)
{
	prep->stepped = true;
	prep_refuse_nulls(ctx, prep, feature, 0, 0);
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
ml_prep_fills_forward(const MlPrep *prep)
{
	return prep->nfills > 0;
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
	return ml_term_fills_by(term, slot);
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
	ctx->warn(ctx, ml_format(ctx, "%d feature%s left out", told, told == 1 ? " was" : "s were"),
			  ml_format(ctx, "%s.", list));
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

/* The columns of a category's levels, of which one at most is 1: which one cannot be foretold, so no branch asks. */
static inline void
apply_levels(const RowOp *op, double v, double *x, size_t ldx)
{
	double		level = v - op->first_level;
	int			at = op->at_null;

	if (v == v)
		at = level >= 0 && level < op->nlevels && level == (int) level ? op->of_level[(int) level] : -1;
	for (int k = 0; k < op->columns; k++)
		x[(size_t) k * ldx] = k == at;
}

/* The same operations for the case of one row, where calls would cost more than the work. */
static void
apply_row(const MlPrep *prep, const double *raw, size_t ldraw, double *x, size_t ldx)
{
	for (int k = 0; k < prep->nops; k++)
	{
		const RowOp *op = &prep->ops[k];
		const MlPreparedColumn *c = &prep->columns[op->column];
		double	   *out = x + (size_t) op->column * ldx;
		double		v = raw[(size_t) op->slot * ldraw];

		if (op->kind == ML_PREPARED_LEVEL)
			apply_levels(op, v, out, ldx);
		else if (op->kind == ML_PREPARED_VALUE)
			*out = ((v == v ? v : c->impute) - c->center) * prep->inverses[op->column];
		else if (op->kind == ML_PREPARED_INDICATOR)
			*out = v == v ? 0.0 : 1.0;
		else if (op->kind == ML_PREPARED_CATEGORY)
			*out = v == v ? (v >= 0 ? v : NAN) : native_level(prep->levels[c->feature].null_target);
		else
			*out = v;
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

static const double *
null_slot(const MlRawBlock *block, int slot, size_t n, double *buffer)
{
	(void) block;
	(void) slot;
	for (size_t i = 0; i < n; i++)
		buffer[i] = NAN;
	return buffer;
}

double
ml_prep_of_null(const MlPrep *prep, int column)
{
	MlRawBlock	block = {.slot = null_slot};
	double		x;

	ml_prep_apply_block(prep, column, &block, 1, &x);
	return x;
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
