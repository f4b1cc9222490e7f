/*
 * The stored form of a preparation (prepare.h): written as it was fitted, and everything checked when it is read.
 */
#include <math.h>
#include <string.h>

#include "prep/prep_internal.h"

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
	if (prep->nfills > 0)
		ml_fills_write(w, prep->fills, prep->nfills);
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
	levels->filled = ml_node_find(object, "filled") == NULL ? -1 :
		(int) ml_need_int(ctx, object, "filled", 0, levels->nlevels - 1);
	levels->buckets = ml_node_find(object, "buckets") == NULL ? 0 :
		(int) ml_need_int(ctx, object, "buckets", 1, INT32_MAX);
	if (levels->buckets > 0 && levels->nlevels > 0)
		corrupted(ctx, "hashed strings with levels");
}

/* Is a number a level, or -1, which a string without one has? */
static bool
is_level_number(double number, int nlevels)
{
	return number >= -1 && number < nlevels && number == floor(number);
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

/* Is a term a forward fill and nothing else, of values that are levels? */
static bool
fills_with_levels(const MlTerm *term, int nlevels)
{
	const MlFill *fill;

	if (term->count != 1 || term->factors[0].count != 1 || term->factors[0].steps[0].kind != ML_STEP_FORWARD)
		return false;
	fill = term->factors[0].steps[0].fill;
	for (size_t i = 0; i < fill->count; i++)
		if (!is_level_number(fill->values[i], nlevels))
			return false;
	return is_level_number(fill->last, nlevels) &&
		(fill->of_null != fill->of_null || is_level_number(fill->of_null, nlevels));
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
	if (c->term >= 0 && (c->kind == ML_PREPARED_INDICATOR || c->term >= prep->nterms ||
						 prep->terms[c->term].factors[0].slot != c->slot ||
						 (prep_is_level(c->kind) &&
						  !fills_with_levels(&prep->terms[c->term], prep->levels[c->feature].nlevels))))
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
				.term = terms != NULL && terms[j] >= 0 ? terms[j] : -1,.impute = imputes[j],.center = centers[j],
				.scale = scales[j],.mean = means[j]
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
	if (ml_node_find(steps, "fills") != NULL)
		prep->fills = ml_fills_read(ctx, ml_need(ctx, steps, "fills", ML_NODE_LIST), prep->slots, &prep->nfills);
	prep->terms = ml_terms_read(ctx, ml_need(ctx, steps, "terms", ML_NODE_LIST), prep->slots, prep->fills,
								prep->nfills, &prep->nterms);
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
			prep_resolve_targets(&prep->levels[f]);
	read_columns(ctx, prep, object, n);
	read_dropped(ctx, prep, ml_need(ctx, object, "dropped", ML_NODE_LIST));
	prep_seal(ctx, prep);
	return prep;
}
