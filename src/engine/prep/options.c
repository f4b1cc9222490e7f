#include "prep/options.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_BINS 1000
#define MAX_BUCKETS 4096
#define MAX_LAMBDA 100.0
#define MAX_WORD_GRAM 5

/* ---- values ---- */

static void
wrong_type(MlContext *ctx, const char *key, const char *wanted, json_object *value)
{
	ml_raise(ctx, ML_ERROR_WRONG_TYPE, "preprocess option \"%s\" must be %s, not %s", key, wanted,
			 ml_json_text(ctx, value));
}

double
ml_prep_number(MlContext *ctx, const char *key, json_object *value, double low, double high)
{
	double		number = json_object_get_double(value);

	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		wrong_type(ctx, key, "a number", value);
	if (!(number >= low && number <= high))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "preprocess option \"%s\" is out of range: %s", key, ml_json_text(ctx, value)),
					  ml_format(ctx, "It must be at least %g and at most %g.", low, high), NULL);
	return number;
}

/* A whole number within bounds. */
static int
whole_number(MlContext *ctx, const char *key, json_object *value, int low, int high)
{
	double		number = ml_prep_number(ctx, key, value, low, high);

	if (number != floor(number))
		wrong_type(ctx, key, "a whole number", value);
	return (int) number;
}

bool
ml_prep_flag(MlContext *ctx, const char *key, json_object *value)
{
	if (!json_object_is_type(value, json_type_boolean))
		wrong_type(ctx, key, "true or false", value);
	return json_object_get_boolean(value);
}

static const char *
string_option(MlContext *ctx, const char *key, json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		wrong_type(ctx, key, "a string", value);
	return ml_strdup(ctx, json_object_get_string(value));
}

static size_t
list_option(MlContext *ctx, const char *key, json_object *value)
{
	if (!json_object_is_type(value, json_type_array))
		wrong_type(ctx, key, "an array", value);
	return json_object_array_length(value);
}

const char **
ml_prep_names(MlContext *ctx, const char *key, json_object *value, int *count)
{
	size_t		n = list_option(ctx, key, value);
	const char **names = ml_alloc_array(ctx, n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		names[i] = string_option(ctx, key, json_object_array_get_idx(value, i));
	*count = (int) n;
	return names;
}

/* The place of a word among those there are; an error names the nearest. */
static int
choice(MlContext *ctx, const char *key, json_object *value, const char *const *words, size_t n)
{
	const char *word = string_option(ctx, key, value);

	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int) i;
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "preprocess option \"%s\" cannot be \"%s\"", key, word),
				  NULL, ml_candidates_hint(ctx, key, word, words, n));
}

/* ---- words ---- */

static const char *const scalings[] = {"auto", "standard", "minmax", "robust", "maxabs", "none"};
static const char *const imputings[] = {"auto", "mean", "median", "mode", "zero", "min", "max", "constant",
										"forward_fill", "error"};
static const char *const transforms[] = {"none", "log1p", "box_cox", "yeo_johnson"};
static const char *const encodings[] = {"one_hot", "ordinal", "label", "target", "frequency", "hash"};
static const char *const bin_keys[] = {"n", "method", "edges", "as"};
static const char *const bin_methods[] = {"quantile", "uniform"};
static const char *const bin_forms[] = {"ordinal", "one_hot"};
static const char *const text_keys[] = {"weight", "tokens", "config", "lowercase", "ngrams", "max_features",
"min_documents", "max_documents", "buckets", "sublinear", "norm"};
static const char *const text_weights[] = {"tfidf", "count", "binary"};
static const char *const text_tokens[] = {"words", "characters", "characters_in_words"};
static const char *const text_norms[] = {"l2", "l1", "none"};

/* ---- the steps of a column ---- */

/* The two ends of a clip, null = none; ascending. */
static void
clip_option(MlContext *ctx, const char *key, json_object *value, bool quantiles, MlColumnSteps *steps)
{
	double		ends[2] = {quantiles ? 0 : -INFINITY, quantiles ? 1 : INFINITY};

	if (list_option(ctx, key, value) != 2)
		wrong_type(ctx, key, "an array of two numbers", value);
	for (size_t i = 0; i < 2; i++)
	{
		json_object *end = json_object_array_get_idx(value, i);

		if (end != NULL)
			ends[i] = ml_prep_number(ctx, key, end, quantiles ? 0 : -DBL_MAX, quantiles ? 1 : DBL_MAX);
	}
	if (!(ends[0] < ends[1]))
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"%s\" must ascend, not %s", key,
				 ml_json_text(ctx, value));
	steps->clip_quantiles = quantiles;
	steps->clip_values = !quantiles;
	steps->low = ends[0];
	steps->high = ends[1];
}

static void
bin_edges(MlContext *ctx, json_object *value, MlColumnSteps *steps)
{
	size_t		n = list_option(ctx, "edges", value);

	if (n < 1 || n >= MAX_BINS)
		wrong_type(ctx, "edges", ml_format(ctx, "an array of 1 to %d numbers", MAX_BINS - 1), value);
	steps->edges = ml_alloc_array(ctx, n, sizeof(double));
	for (size_t i = 0; i < n; i++)
	{
		steps->edges[i] = ml_prep_number(ctx, "edges", json_object_array_get_idx(value, i), -DBL_MAX, DBL_MAX);
		if (i > 0 && !(steps->edges[i] > steps->edges[i - 1]))
			ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"edges\" must ascend, not %s",
					 ml_json_text(ctx, value));
	}
	steps->bins = (int) n + 1;
}

/* 5, or {"n": 5, "method": "uniform"}, or {"edges": [...]}. */
static void
bin_option(MlContext *ctx, json_object *value, MlColumnSteps *steps)
{
	json_object *method;
	json_object *edges;
	json_object *n;

	steps->edges = NULL;
	steps->uniform = steps->one_hot_bins = false;
	if (!json_object_is_type(value, json_type_object))
	{
		steps->bins = whole_number(ctx, "bin", value, 2, MAX_BINS);
		return;
	}
	ml_json_check_keys(ctx, value, "bin of preprocess", bin_keys, LENGTH(bin_keys));
	n = json_object_object_get(value, "n");
	method = json_object_object_get(value, "method");
	edges = json_object_object_get(value, "edges");
	if (edges != NULL && (n != NULL || method != NULL))
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"bin\" has edges, so \"%s\" says nothing",
				 n != NULL ? "n" : "method");
	if (edges != NULL)
		bin_edges(ctx, edges, steps);
	else
		steps->bins = n != NULL ? whole_number(ctx, "n", n, 2, MAX_BINS) : 5;
	if (method != NULL)
		steps->uniform = choice(ctx, "method", method, bin_methods, LENGTH(bin_methods)) == 1;
	if (json_object_object_get(value, "as") != NULL)
		steps->one_hot_bins = choice(ctx, "as", json_object_object_get(value, "as"), bin_forms, LENGTH(bin_forms)) == 1;
}

static void
date_option(MlContext *ctx, json_object *value, MlColumnSteps *steps)
{
	const char *names[ML_DATE_LAST];
	size_t		n = list_option(ctx, "date", value);

	for (int p = 0; p < ML_DATE_LAST; p++)
		names[p] = ml_date_part_name((MlDatePart) (p + 1));
	if (n < 1 || n > ML_DATE_LAST)
		wrong_type(ctx, "date", "an array of parts", value);
	steps->parts = ml_alloc_array(ctx, n, sizeof(MlDatePart));
	steps->nparts = (int) n;
	for (size_t i = 0; i < n; i++)
	{
		steps->parts[i] = (MlDatePart) (choice(ctx, "date", json_object_array_get_idx(value, i), names,
											   ML_DATE_LAST) + 1);
		for (size_t j = 0; j < i; j++)
			if (steps->parts[j] == steps->parts[i])
				ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"date\" has \"%s\" twice",
						 ml_date_part_name(steps->parts[i]));
	}
}

/* The seconds of 1970 of a date "2024-02-29" in UTC. */
static double
since_option(MlContext *ctx, json_object *value)
{
	const char *text = string_option(ctx, "since", value);
	int			year;
	int			month;
	int			day;
	int			length = 0;

	if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &length) == 3 && text[length] == '\0' && year >= 1)
		/* the only day with these parts, searched from near it */
		for (double days = (year - 1970) * 365.0 + (year - 1970) / 4 + (month - 1) * 28.0 - 40, end = days + 120;
			 days < end; days++)
			if (ml_date_part(days * 86400, ML_DATE_DAY, 0) == day &&
				ml_date_part(days * 86400, ML_DATE_MONTH, 0) == month &&
				ml_date_part(days * 86400, ML_DATE_YEAR, 0) == year)
				return days * 86400;
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "preprocess option \"since\" is no date: \"%s\"", text),
				  NULL, "For example \"2024-02-29\".");
}

static void
fill_option(MlContext *ctx, json_object *value, MlColumnSteps *steps)
{
	steps->fill_text = NULL;
	steps->fill = NAN;
	if (json_object_is_type(value, json_type_string))
		steps->fill_text = string_option(ctx, "fill", value);
	else
		steps->fill = ml_prep_number(ctx, "fill", value, -1e150, 1e150);
}

static void
parse_order(MlContext *ctx, const char *key, json_object *value, MlColumnSteps *steps)
{
	steps->order = ml_prep_names(ctx, key, value, &steps->norder);
	for (int i = 0; i < steps->norder; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(steps->order[i], steps->order[j]) == 0)
				ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"order\" has \"%s\" twice",
						 steps->order[i]);
}

/* [1, 2]: the shortest and the longest n-grams. */
static void
gram_option(MlContext *ctx, json_object *value, MlTextOptions *o)
{
	int			most = o->tokens == ML_TEXT_WORDS ? MAX_WORD_GRAM : ML_TEXT_MAX_GRAM;

	if (list_option(ctx, "ngrams", value) != 2)
		wrong_type(ctx, "ngrams", "an array of two whole numbers", value);
	o->min_gram = whole_number(ctx, "ngrams", json_object_array_get_idx(value, 0), 1, most);
	o->max_gram = whole_number(ctx, "ngrams", json_object_array_get_idx(value, 1), 1, most);
	if (o->min_gram > o->max_gram)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess option \"ngrams\" must not descend, as %s does",
				 ml_json_text(ctx, value));
}

/* A share of the documents, or a whole number of them. */
static double
document_option(MlContext *ctx, const char *key, json_object *value, bool one_is_share)
{
	double		number = ml_prep_number(ctx, key, value, 0, 1e15);

	if (number > 1 || (number == 1 && !one_is_share))
		whole_number(ctx, key, value, 1, INT32_MAX);
	return number;
}

/* Options that say nothing beside others that were given. */
static void
check_text(MlContext *ctx, json_object *value, const MlTextOptions *o)
{
	static const char *const of_vocabulary[] = {"max_features", "min_documents", "max_documents"};
	const char *key = NULL;
	const char *why = NULL;

	for (size_t i = 0; i < LENGTH(of_vocabulary) && o->buckets > 0 && key == NULL; i++)
		if (json_object_object_get(value, of_vocabulary[i]) != NULL)
		{
			key = of_vocabulary[i];
			why = "Terms that go into \"buckets\" are not chosen among.";
		}
	if (key == NULL && o->config != NULL && o->tokens != ML_TEXT_WORDS)
	{
		key = "config";
		why = "A text search configuration finds words, and \"tokens\" are characters.";
	}
	if (key == NULL && json_object_object_get(value, "lowercase") != NULL && o->tokens == ML_TEXT_WORDS)
	{
		key = "lowercase";
		why = "The dictionaries of the text search configuration say what becomes of words.";
	}
	if (key == NULL && o->sublinear && o->weight == ML_TEXT_BINARY)
	{
		key = "sublinear";
		why = "A \"binary\" weight does not count.";
	}
	if (key != NULL)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "option \"%s\" of \"text\" in preprocess does not fit the others", key),
					  why, NULL);
}

/* {"weight": "tfidf", "tokens": "words", ...} */
static void
parse_text(MlContext *ctx, const char *key, json_object *value, MlColumnSteps *steps)
{
	MlTextOptions *o = ml_alloc_zero(ctx, sizeof *o);
	json_object *given;

	if (!json_object_is_type(value, json_type_object))
		wrong_type(ctx, key, "an object", value);
	ml_json_check_keys(ctx, value, "text of preprocess", text_keys, LENGTH(text_keys));
	*o = (MlTextOptions)
	{
		.tokens = ML_TEXT_WORDS,.weight = ML_TEXT_TFIDF,.max_features = 1000,.min_documents = 2,.max_documents = 1
	};
	if ((given = json_object_object_get(value, "weight")) != NULL)
		o->weight = (MlTextWeight) (choice(ctx, "weight", given, text_weights, LENGTH(text_weights)) + 1);
	if ((given = json_object_object_get(value, "tokens")) != NULL)
		o->tokens = (MlTextTokens) (choice(ctx, "tokens", given, text_tokens, LENGTH(text_tokens)) + 1);
	o->norm = o->weight == ML_TEXT_TFIDF ? ML_TEXT_L2 : ML_TEXT_UNSCALED;
	o->lowercase = o->tokens != ML_TEXT_WORDS;
	o->min_gram = o->tokens == ML_TEXT_WORDS ? 1 : 2;
	o->max_gram = o->tokens == ML_TEXT_WORDS ? 1 : 4;
	if ((given = json_object_object_get(value, "norm")) != NULL)
		o->norm = (MlTextNorm) (choice(ctx, "norm", given, text_norms, LENGTH(text_norms)) + 1);
	if ((given = json_object_object_get(value, "config")) != NULL)
		o->config = string_option(ctx, "config", given);
	if ((given = json_object_object_get(value, "lowercase")) != NULL)
		o->lowercase = ml_prep_flag(ctx, "lowercase", given);
	if ((given = json_object_object_get(value, "sublinear")) != NULL)
		o->sublinear = ml_prep_flag(ctx, "sublinear", given);
	if ((given = json_object_object_get(value, "ngrams")) != NULL)
		gram_option(ctx, given, o);
	if ((given = json_object_object_get(value, "max_features")) != NULL)
		o->max_features = whole_number(ctx, "max_features", given, 1, ML_TEXT_MAX_TERMS);
	if ((given = json_object_object_get(value, "buckets")) != NULL)
		o->buckets = whole_number(ctx, "buckets", given, 2, ML_TEXT_MAX_TERMS);
	if ((given = json_object_object_get(value, "min_documents")) != NULL)
		o->min_documents = document_option(ctx, "min_documents", given, false);
	if ((given = json_object_object_get(value, "max_documents")) != NULL)
		o->max_documents = document_option(ctx, "max_documents", given, true);
	check_text(ctx, value, o);
	steps->text = o;
}

#define PARSER(name) static void name(MlContext *ctx, const char *key, json_object *value, MlColumnSteps *s)

PARSER(parse_drop) { s->drop = ml_prep_flag(ctx, key, value); }
PARSER(parse_name) { s->name = string_option(ctx, key, value); }
PARSER(parse_impute) { s->impute = (MlImputing) choice(ctx, key, value, imputings, LENGTH(imputings)); }
PARSER(parse_fill) { (void) key; fill_option(ctx, value, s); }
PARSER(parse_order_by) { s->order_by = string_option(ctx, key, value); }
PARSER(parse_group_by) { s->group_by = string_option(ctx, key, value); }
PARSER(parse_indicator) { s->indicator = ml_prep_flag(ctx, key, value); }
PARSER(parse_clip) { clip_option(ctx, key, value, true, s); }
PARSER(parse_clip_values) { clip_option(ctx, key, value, false, s); }
PARSER(parse_transform) { s->transform = (MlTransform) choice(ctx, key, value, transforms, LENGTH(transforms)); }
PARSER(parse_lambda) { s->lambda = ml_prep_number(ctx, key, value, -MAX_LAMBDA, MAX_LAMBDA); s->has_lambda = true; }
PARSER(parse_bin) { (void) key; bin_option(ctx, value, s); }
PARSER(parse_scale) { s->scale = (MlScaling) choice(ctx, key, value, scalings, LENGTH(scalings)); }
PARSER(parse_date) { (void) key; date_option(ctx, value, s); }
PARSER(parse_cyclic) { s->cyclic = ml_prep_flag(ctx, key, value); }
PARSER(parse_since) { (void) key; s->since = since_option(ctx, value); }
PARSER(parse_encode) { s->encode = (MlEncoding) choice(ctx, key, value, encodings, LENGTH(encodings)); }
PARSER(parse_unseen) { s->unseen = ml_prep_number(ctx, key, value, -1e150, 1e150); s->has_unseen = true; }
PARSER(parse_smoothing) { s->smoothing = ml_prep_number(ctx, key, value, 0, 1e9); }
PARSER(parse_buckets) { s->buckets = whole_number(ctx, key, value, 2, MAX_BUCKETS); }
PARSER(parse_max_categories) { s->max_categories = whole_number(ctx, key, value, 1, 10000); }
PARSER(parse_min_frequency) { s->min_frequency = ml_prep_number(ctx, key, value, 0, 0.5); }

/* What kind of column a key is for. */
enum
{
	FOR_NUMBERS = 1,
	FOR_CATEGORIES = 2,
	FOR_TEXTS = 4
};

static const struct
{
	const char *key;
	int			fits;
	void		(*parse) (MlContext *ctx, const char *key, json_object *value, MlColumnSteps *steps);
}			step_keys[] = {
	{"drop", FOR_NUMBERS | FOR_CATEGORIES | FOR_TEXTS, parse_drop},
	{"rename", FOR_NUMBERS | FOR_CATEGORIES | FOR_TEXTS, parse_name},
	{"impute", FOR_NUMBERS | FOR_CATEGORIES | FOR_TEXTS, parse_impute},
	{"fill", FOR_NUMBERS | FOR_CATEGORIES, parse_fill},
	{"order_by", FOR_NUMBERS | FOR_CATEGORIES, parse_order_by},
	{"group_by", FOR_NUMBERS | FOR_CATEGORIES, parse_group_by},
	{"missing_indicator", FOR_NUMBERS | FOR_CATEGORIES | FOR_TEXTS, parse_indicator},
	{"clip", FOR_NUMBERS, parse_clip},
	{"clip_values", FOR_NUMBERS, parse_clip_values},
	{"transform", FOR_NUMBERS, parse_transform},
	{"lambda", FOR_NUMBERS, parse_lambda},
	{"bin", FOR_NUMBERS, parse_bin},
	{"scale", FOR_NUMBERS | FOR_CATEGORIES, parse_scale},
	{"date", FOR_NUMBERS, parse_date},
	{"cyclic", FOR_NUMBERS, parse_cyclic},
	{"since", FOR_NUMBERS, parse_since},
	{"encode", FOR_CATEGORIES, parse_encode},
	{"order", FOR_CATEGORIES, parse_order},
	{"unseen", FOR_CATEGORIES, parse_unseen},
	{"smoothing", FOR_CATEGORIES, parse_smoothing},
	{"buckets", FOR_CATEGORIES, parse_buckets},
	{"text", FOR_TEXTS, parse_text},
	{"max_categories", FOR_CATEGORIES, parse_max_categories},
	{"min_frequency", FOR_CATEGORIES, parse_min_frequency},
};

/* Why a key for some kinds of column does not fit one of another. */
static const char *
misfit(int key_fits, int fits)
{
	if (fits == FOR_TEXTS)
		return "The column is read as text, since \"text\" is among its steps.";
	if (key_fits == FOR_TEXTS)
		return "Texts are columns of type text, and become terms where \"columns\" names them.";
	return fits == FOR_CATEGORIES ? "It is for columns of numbers, and this one is a category." :
		"It is for categories, and this one is a column of numbers.";
}

/* Read an object of steps over those there are; what: "number", "category" or the column, for errors. */
static void
parse_steps(MlContext *ctx, json_object *object, const char *what, int fits, MlColumnSteps *steps)
{
	const char *names[LENGTH(step_keys)];

	for (size_t i = 0; i < LENGTH(step_keys); i++)
		names[i] = step_keys[i].key;
	if (!json_object_is_type(object, json_type_object))
		wrong_type(ctx, what, "an object of steps", object);
	ml_json_check_keys(ctx, object, ml_format(ctx, "preprocess of \"%s\"", what), names, LENGTH(step_keys));
	json_object_object_foreach(object, key, value)
		for (size_t i = 0; i < LENGTH(step_keys); i++)
			if (strcmp(step_keys[i].key, key) == 0)
			{
				if (!(step_keys[i].fits & fits))
					ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
								  ml_format(ctx, "preprocess option \"%s\" does not fit \"%s\"", key, what),
								  misfit(step_keys[i].fits, fits), NULL);
				steps->any = true;
				step_keys[i].parse(ctx, key, value, steps);
			}
}

static MlColumnSteps
no_steps(void)
{
	return (MlColumnSteps) {.fill = NAN,.indicator = -1,.min_frequency = -1,.smoothing = 20,.buckets = 32};
}

/* ---- steps that contradict each other or the column ---- */

static void
contradiction(MlContext *ctx, const char *column, const char *key, const char *why)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "preprocess option \"%s\" does not fit \"%s\"", key, column),
				  why, NULL);
}

/* What a forward fill needs, and only it makes use of. */
static void
check_forward(MlContext *ctx, const char *column, const MlColumnSteps *s)
{
	if (s->impute == ML_IMPUTE_FORWARD && s->order_by == NULL)
		contradiction(ctx, column, "impute", "A forward fill needs \"order_by\", the column that orders the rows.");
	if (s->impute != ML_IMPUTE_FORWARD && (s->order_by != NULL || s->group_by != NULL))
		contradiction(ctx, column, s->order_by != NULL ? "order_by" : "group_by",
					  "It is for \"impute\" where that is \"forward_fill\".");
}

static void
check_numbers(MlContext *ctx, const char *column, const char *type, const MlColumnSteps *s)
{
	bool		time = strncmp(type, "time with", 9) == 0;
	bool		date = strcmp(type, "date") == 0 || strncmp(type, "timestamp", 9) == 0;

	if (s->impute == ML_IMPUTE_CONSTANT && !(s->fill == s->fill))
		contradiction(ctx, column, "impute", "A constant needs \"fill\", a number.");
	if (s->impute == ML_IMPUTE_AUTO && (s->fill == s->fill || s->fill_text != NULL))
		contradiction(ctx, column, "fill", "It is what \"impute\" fills in where that is \"constant\".");
	if (s->has_lambda && s->transform != ML_TRANSFORM_BOX_COX && s->transform != ML_TRANSFORM_YEO_JOHNSON)
		contradiction(ctx, column, "lambda", "It is the power of \"box_cox\" and \"yeo_johnson\".");
	if (s->parts == NULL)
		return;
	if (!date && !time)
		contradiction(ctx, column, "date", ml_format(ctx, "The column is of type %s, not a date or time.", type));
	for (int p = 0; p < s->nparts && time; p++)
		if (s->parts[p] != ML_DATE_HOUR && s->parts[p] != ML_DATE_MINUTE)
			contradiction(ctx, column, "date", "A time of day has only \"hour\" and \"minute\".");
	if (s->clip_quantiles || s->clip_values || s->transform != ML_TRANSFORM_NONE || s->bins > 0 ||
		s->scale != ML_SCALE_AUTO)
		contradiction(ctx, column, "date", "The parts of a date are neither clipped, transformed, binned nor scaled.");
}

static void
check_categories(MlContext *ctx, const char *column, const MlColumnSteps *s)
{
	if (s->impute != ML_IMPUTE_AUTO && s->impute != ML_IMPUTE_MODE && s->impute != ML_IMPUTE_CONSTANT &&
		s->impute != ML_IMPUTE_FORWARD && s->impute != ML_IMPUTE_ERROR)
		contradiction(ctx, column, "impute",
					  "A category can be imputed by \"mode\", \"constant\", \"forward_fill\" or \"error\".");
	if (s->impute == ML_IMPUTE_CONSTANT && s->fill_text == NULL)
		contradiction(ctx, column, "impute", "A constant needs \"fill\", a string.");
	if ((s->encode == ML_ENCODE_ORDINAL) != (s->order != NULL))
		contradiction(ctx, column, s->order != NULL ? "order" : "encode",
					  "An \"ordinal\" encoding needs \"order\", its strings from the first to the last, and only it "
					  "has one.");
	if (s->has_unseen && s->encode != ML_ENCODE_ORDINAL)
		contradiction(ctx, column, "unseen",
					  "It is the number of strings that the order of an \"ordinal\" encoding misses.");
	if ((s->encode == ML_ENCODE_ONE_HOT || s->encode == ML_ENCODE_HASH) && s->scale != ML_SCALE_AUTO)
		contradiction(ctx, column, "scale", "Columns of 0 and 1 are not scaled.");
	if (s->encode == ML_ENCODE_ONE_HOT && s->name != NULL)
		contradiction(ctx, column, "rename", "The columns of \"one_hot\" are named \"column=category\".");
	if (s->encode == ML_ENCODE_ONE_HOT && s->indicator == 1)
		contradiction(ctx, column, "missing_indicator", "NULL is a category of its own already.");
	if (s->encode != ML_ENCODE_ONE_HOT && (s->max_categories > 0 || s->min_frequency >= 0))
		contradiction(ctx, column, s->max_categories > 0 ? "max_categories" : "min_frequency",
					  "Only \"one_hot\" tells rare categories from others.");
}

static void
check_texts(MlContext *ctx, const char *column, const MlColumnSteps *s)
{
	if (s->impute != ML_IMPUTE_AUTO && s->impute != ML_IMPUTE_ERROR)
		contradiction(ctx, column, "impute", "A text that is NULL has no terms, unless \"impute\" is \"error\".");
}

/* Is an optional member of preprocess for this column? */
static json_object *
member(json_object *steps, const char *key, const char *column)
{
	json_object *object = steps != NULL ? json_object_object_get(steps, key) : NULL;

	return object != NULL && column != NULL ? json_object_object_get(object, column) : object;
}

/* Does a list of preprocess hold the column? */
static bool
is_listed(json_object *list, const char *column)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), column) == 0)
			return true;
	return false;
}

/* A column that orders or groups the rows is not filled by itself, though all of its kind be; own: its own steps. */
static void
leave_out_of_fill(MlContext *ctx, const char *column, json_object *own, MlColumnSteps *steps)
{
	bool		orders = steps->order_by != NULL && strcmp(steps->order_by, column) == 0;
	bool		groups = steps->group_by != NULL && strcmp(steps->group_by, column) == 0;

	if (steps->impute != ML_IMPUTE_FORWARD || (!orders && !groups))
		return;
	if (own != NULL && json_object_object_get(own, "impute") != NULL)
		contradiction(ctx, column, orders ? "order_by" : "group_by", "The column cannot be filled by itself.");
	steps->impute = ML_IMPUTE_AUTO;
	steps->order_by = steps->group_by = NULL;
}

void
ml_column_steps(MlContext *ctx, const MlPrepOptions *options, const char *column, MlKind kind, const char *type,
				MlColumnSteps *steps)
{
	bool		category = kind == ML_KIND_CATEGORY;
	bool		text = kind == ML_KIND_TEXT;
	int			fits = text ? FOR_TEXTS : category ? FOR_CATEGORIES : FOR_NUMBERS;
	json_object *of_kind = text ? NULL : member(options->steps, category ? "category" : "number", NULL);
	json_object *own = member(options->steps, "columns", column);
	json_object *drop = member(options->steps, "drop", NULL);
	json_object *keep = member(options->steps, "keep", NULL);

	*steps = no_steps();
	if (of_kind != NULL)
		parse_steps(ctx, of_kind, category ? "category" : "number", fits, steps);
	if (own != NULL)
		parse_steps(ctx, own, column, fits, steps);
	if ((drop != NULL && is_listed(drop, column)) || (keep != NULL && !is_listed(keep, column)))
		steps->drop = true;
	if (!category && !text && steps->scale == ML_SCALE_AUTO && steps->parts == NULL)
		steps->scale = options->scaling;
	steps->any |= steps->drop || steps->scale != ML_SCALE_AUTO;
	leave_out_of_fill(ctx, column, own, steps);
	check_forward(ctx, column, steps);
	if (text)
		check_texts(ctx, column, steps);
	else if (category)
		check_categories(ctx, column, steps);
	else
		check_numbers(ctx, column, type, steps);
}

/* ---- the whole ---- */

static const char *const plain_keys[] = {"scale", "missing_indicator", "max_categories", "min_frequency"};
static const char *const keys[] = {
	"scale", "missing_indicator", "max_categories", "min_frequency",
	"number", "category", "columns", "drop", "keep", "interactions", "polynomial", "select", "transform"
};

/* Is a key of preprocess one of the preparation that every column gets? */
static bool
is_plain(const char *key, json_object *value)
{
	bool		plain = false;

	for (size_t i = 0; i < LENGTH(plain_keys); i++)
		plain |= strcmp(plain_keys[i], key) == 0;
	if (plain && strcmp(key, "scale") == 0 && json_object_is_type(value, json_type_string))
		for (size_t i = ML_SCALE_MINMAX; i <= ML_SCALE_MAXABS; i++)
			plain &= strcmp(json_object_get_string(value), scalings[i]) != 0;
	return plain;
}

bool
ml_prep_wants_steps(MlContext *ctx, const char *json)
{
	if (json == NULL)
		return false;
	json_object_object_foreach(ml_json_object(ctx, json, "preprocess"), key, value)
		if (!is_plain(key, value))
			return true;
	return false;
}

/* Does preprocess name a transform? Raises where it says anything else besides. */
static bool
is_fitted(MlContext *ctx, json_object *object)
{
	if (!json_object_object_get_ex(object, "transform", NULL))
		return false;
	if (json_object_object_length(object) > 1)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "preprocess has other keys beside \"transform\"",
					  "A transform is taken as it was fitted.",
					  "Leave them out, or fit another transform with ml_fit_preprocess.");
	return true;
}

const char *
ml_prep_transform_name(MlContext *ctx, const char *json)
{
	json_object *object = json != NULL ? ml_json_object(ctx, json, "preprocess") : NULL;

	return object != NULL && is_fitted(ctx, object) ?
		string_option(ctx, "transform", json_object_object_get(object, "transform")) : NULL;
}

/* Add what orders the rows of a column by its steps. */
static int
add_order(json_object *steps, const char **names, int count)
{
	json_object *order = json_object_is_type(steps, json_type_object) ?
		json_object_object_get(steps, "order_by") : NULL;

	if (!json_object_is_type(order, json_type_string))
		return count;
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], json_object_get_string(order)) == 0)
			return count;
	names[count] = json_object_get_string(order);
	return count + 1;
}

const char **
ml_prep_orders(MlContext *ctx, const char *json, int *count)
{
	json_object *object = json != NULL ? ml_json_object(ctx, json, "preprocess") : NULL;
	json_object *columns = object != NULL ? json_object_object_get(object, "columns") : NULL;
	bool		any = json_object_is_type(columns, json_type_object);
	const char **names = ml_alloc_array(ctx, (any ? (size_t) json_object_object_length(columns) : 0) + 3,
										sizeof(char *));

	*count = 0;
	if (object == NULL)
		return names;
	*count = add_order(json_object_object_get(object, "number"), names, *count);
	*count = add_order(json_object_object_get(object, "category"), names, *count);
	if (!any)
		return names;
	json_object_object_foreach(columns, column, steps)
	{
		(void) column;
		*count = add_order(steps, names, *count);
	}
	return names;
}

/* Check the steps of columns as far as can be without their kinds; does one learn from the target? */
static bool
check_columns(MlContext *ctx, json_object *columns, const char *key)
{
	bool		by_target = false;

	if (!json_object_is_type(columns, json_type_object))
		wrong_type(ctx, key, "an object of columns", columns);
	json_object_object_foreach(columns, column, object)
	{
		MlColumnSteps steps = no_steps();

		parse_steps(ctx, object, column, FOR_NUMBERS | FOR_CATEGORIES | FOR_TEXTS, &steps);
		by_target |= steps.encode == ML_ENCODE_TARGET;
	}
	return by_target;
}

const MlTextOptions *
ml_prep_text_options(MlContext *ctx, const char *json, const char *column)
{
	json_object *own = json != NULL ? member(ml_json_object(ctx, json, "preprocess"), "columns", column) : NULL;
	json_object *value = own != NULL ? json_object_object_get(own, "text") : NULL;
	MlColumnSteps steps = no_steps();

	if (value == NULL)
		return NULL;
	parse_text(ctx, "text", value, &steps);
	return steps.text;
}

const char *
ml_prep_text_name(MlContext *ctx, const MlPrepOptions *options, const char *column)
{
	json_object *own = member(options->steps, "columns", column);
	json_object *value = own != NULL ? json_object_object_get(own, "rename") : NULL;

	return value != NULL ? string_option(ctx, "rename", value) : NULL;
}

void
ml_prep_polynomial(MlContext *ctx, json_object *object, MlPolynomial *polynomial)
{
	static const char *const names[] = {"degree", "columns", "interaction_only"};

	*polynomial = (MlPolynomial) {.degree = 2};
	if (!json_object_is_type(object, json_type_object))
		wrong_type(ctx, "polynomial", "an object", object);
	ml_json_check_keys(ctx, object, "polynomial of preprocess", names, LENGTH(names));
	json_object_object_foreach(object, key, value)
	{
		if (strcmp(key, "degree") == 0)
			polynomial->degree = whole_number(ctx, key, value, 2, 4);
		else if (strcmp(key, "interaction_only") == 0)
			polynomial->interaction_only = ml_prep_flag(ctx, key, value);
		else
			polynomial->columns = ml_prep_names(ctx, key, value, &polynomial->ncolumns);
	}
	for (int i = 0; i < polynomial->ncolumns; i++)
		for (int j = 0; j < i; j++)
			if (strcmp(polynomial->columns[i], polynomial->columns[j]) == 0)
				ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "polynomial of preprocess has \"%s\" twice",
						 polynomial->columns[i]);
}

void
ml_prep_selection(MlContext *ctx, json_object *object, MlSelection *selection)
{
	static const char *const names[] = {"variance", "correlation", "mutual_information"};

	*selection = (MlSelection) {.variance = -1,.correlation = 2};
	if (!json_object_is_type(object, json_type_object))
		wrong_type(ctx, "select", "an object", object);
	ml_json_check_keys(ctx, object, "select of preprocess", names, LENGTH(names));
	json_object_object_foreach(object, key, value)
	{
		if (strcmp(key, "variance") == 0)
			selection->variance = ml_prep_number(ctx, key, value, 0, 1e300);
		else if (strcmp(key, "correlation") == 0)
			selection->correlation = ml_prep_number(ctx, key, value, 0, 1);
		else
			selection->mutual_information = whole_number(ctx, key, value, 1, 1000000);
	}
}

/* Lists of two to ML_TERM_MAX_FACTORS names. */
static void
check_interactions(MlContext *ctx, json_object *list)
{
	for (size_t i = 0; i < list_option(ctx, "interactions", list); i++)
	{
		int			n;

		ml_prep_names(ctx, "interactions", json_object_array_get_idx(list, i), &n);
		if (n < 2 || n > ML_TERM_MAX_FACTORS)
			ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "an interaction of preprocess has 2 to %d columns, not %d",
					 ML_TERM_MAX_FACTORS, n);
	}
}

static void
read_scale(MlContext *ctx, json_object *value, bool automatic, MlPrepOptions *options)
{
	MlScaling	scaling = (MlScaling) choice(ctx, "scale", value, scalings, LENGTH(scalings));

	options->scaling = ML_SCALE_AUTO;
	options->scale = scaling == ML_SCALE_AUTO ? automatic : scaling == ML_SCALE_STANDARD;
	if (scaling >= ML_SCALE_MINMAX && scaling <= ML_SCALE_MAXABS)
		options->scaling = scaling;
}

/* One member of preprocess. */
static void
read_member(MlContext *ctx, const char *key, json_object *value, bool automatic, MlPrepOptions *options)
{
	MlColumnSteps steps = no_steps();
	MlPolynomial polynomial;
	MlSelection selection;
	int			count;

	if (strcmp(key, "scale") == 0)
		read_scale(ctx, value, automatic, options);
	else if (strcmp(key, "max_categories") == 0)
	{
		options->max_categories = (int) ml_prep_number(ctx, key, value, 1, 10000);
		options->max_small = 0;
	}
	else if (strcmp(key, "min_frequency") == 0)
		options->min_frequency = ml_prep_number(ctx, key, value, 0, 0.5);
	else if (strcmp(key, "missing_indicator") == 0)
		options->missing_indicator = ml_prep_flag(ctx, key, value);
	else if (strcmp(key, "columns") == 0)
		options->by_target |= check_columns(ctx, value, key);
	else if (strcmp(key, "number") == 0)
		parse_steps(ctx, value, key, FOR_NUMBERS, &steps);
	else if (strcmp(key, "category") == 0)
	{
		parse_steps(ctx, value, key, FOR_CATEGORIES, &steps);
		options->by_target |= steps.encode == ML_ENCODE_TARGET;
	}
	else if (strcmp(key, "drop") == 0 || strcmp(key, "keep") == 0)
		ml_prep_names(ctx, key, value, &count);
	else if (strcmp(key, "interactions") == 0)
		check_interactions(ctx, value);
	else if (strcmp(key, "polynomial") == 0)
		ml_prep_polynomial(ctx, value, &polynomial);
	else if (strcmp(key, "transform") == 0)
		string_option(ctx, key, value);
	else
		ml_prep_selection(ctx, value, &selection);
}

void
ml_prep_options_read(MlContext *ctx, const char *json, const char *algorithm, bool automatic, MlPrepOptions *options)
{
	json_object *object;

	options->scale = automatic;
	if (json == NULL)
		return;
	object = ml_json_object(ctx, json, "preprocess");
	ml_json_check_keys(ctx, object, "preprocess", keys, LENGTH(keys));
	options->fitted = is_fitted(ctx, object);
	json_object_object_foreach(object, key, value)
	{
		read_member(ctx, key, value, automatic, options);
		if (!is_plain(key, value) && !options->fitted)
			options->steps = object;
	}
	if (options->native && (options->scale || options->scaling != ML_SCALE_AUTO || options->missing_indicator))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "preprocess option \"%s\" is not for algorithm \"%s\"",
								options->missing_indicator ? "missing_indicator" : "scale", algorithm),
					  "It takes numbers and missing values as they are.", "Leave the option out.");
}
