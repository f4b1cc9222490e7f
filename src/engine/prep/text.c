/*
 * Choosing terms, weighing them, and their stored form (text.h says what they are).
 */
#include "prep/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const weights[] = {NULL, "tfidf", "count", "binary"};
static const char *const tokens[] = {NULL, "words", "characters", "characters_in_words"};
static const char *const norms[] = {NULL, "l2", "l1", "none"};

/* ---- names ---- */

/* "tfidf(notes: word)", characters in quotes, buckets from 1 on. */
static const char *
element_name(MlContext *ctx, const MlTextFit *text, int element)
{
	const char *weight = weights[text->options.weight];

	if (text->terms == NULL)
		return ml_format(ctx, "%s(%s: #%d)", weight, text->name, element + 1);
	return ml_format(ctx, text->options.tokens == ML_TEXT_WORDS ? "%s(%s: %s)" : "%s(%s: \"%s\")", weight, text->name,
					 text->terms->strings[element]);
}

static void
name_elements(MlContext *ctx, MlTextFit *text)
{
	text->names = ml_alloc_array(ctx, (size_t) text->width + 1, sizeof(char *));
	for (int e = 0; e < text->width; e++)
		text->names[e] = element_name(ctx, text, e);
}

/* ---- fitting ---- */

typedef struct Candidate
{
	const char *string;
	uint32_t	length;
	uint32_t	documents;
} Candidate;

/* By their bytes, shorter first. */
static int
by_bytes(const void *pa, const void *pb)
{
	const Candidate *a = pa;
	const Candidate *b = pb;
	int			order = memcmp(a->string, b->string, a->length < b->length ? a->length : b->length);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int
by_documents(const void *pa, const void *pb)
{
	const Candidate *a = pa;
	const Candidate *b = pb;

	if (a->documents != b->documents)
		return a->documents < b->documents ? 1 : -1;
	return by_bytes(pa, pb);
}

/* How many documents of the rows have each code; returns how many documents there are. */
static double
count_documents(MlContext *ctx, const MlColumn *column, const uint32_t *rows, size_t n, uint32_t *documents)
{
	double		count = 0;

	for (size_t i = 0; i < n; i++)
	{
		size_t		end = ml_column_text_begin(column, rows[i] + (size_t) 1);
		uint32_t	code;
		uint32_t	times;

		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		count += !ml_column_text_is_null(column, rows[i]);
		for (size_t at = ml_column_text_begin(column, rows[i]); at < end;)
		{
			at = ml_column_text_next(column, at, &code, &times);
			documents[code]++;
		}
	}
	return count;
}

/* A limit that is a share or a number of documents. */
static double
limit(double given, double documents, bool share)
{
	return share ? given * documents : given;
}

/* Choose the vocabulary; tells the documents of each term kept. */
static uint32_t *
choose_terms(MlContext *ctx, MlTextFit *text, const MlDictionary *d, const uint32_t *documents)
{
	const MlTextOptions *o = &text->options;
	double		least = limit(o->min_documents, text->documents, o->min_documents < 1);
	double		most = limit(o->max_documents, text->documents, o->max_documents <= 1);
	Candidate  *candidates = ml_alloc_array(ctx, (size_t) d->count + 1, sizeof *candidates);
	uint32_t   *kept;
	size_t		n = 0;

	for (uint32_t code = 0; code < d->count; code++)
		if (documents[code] > 0 && documents[code] >= least && documents[code] <= most)
			candidates[n++] = (Candidate) {d->strings[code], d->lengths[code], documents[code]};
	qsort(candidates, n, sizeof *candidates, by_documents);
	ml_check(ctx);
	if (n > (size_t) o->max_features)
		n = (size_t) o->max_features;
	qsort(candidates, n, sizeof *candidates, by_bytes);
	text->terms = ml_dictionary_create(ctx);
	text->width = (int) n;
	kept = ml_alloc_array(ctx, n + 1, sizeof *kept);
	for (size_t e = 0; e < n; e++)
	{
		ml_dictionary_add(ctx, text->terms, candidates[e].string, candidates[e].length, UINT32_MAX);
		kept[e] = candidates[e].documents;
	}
	ml_free(ctx, candidates);
	return kept;
}

MlTextFit *
ml_text_fit(MlContext *ctx, const MlColumn *column, const uint32_t *rows, size_t n, const char *name)
{
	MlTextFit	   *text = ml_alloc_zero(ctx, sizeof *text);
	uint32_t   *documents = ml_alloc_array_zero(ctx, ml_column_terms(column) + 1, sizeof *documents);
	uint32_t   *kept = documents;

	text->options = *ml_column_text_options(column);
	text->name = ml_strdup(ctx, name);
	text->documents = count_documents(ctx, column, rows, n, documents);
	text->nulls = (double) n - text->documents;
	if (text->options.buckets > 0)
		text->width = text->options.buckets;
	else
		kept = choose_terms(ctx, text, column->dictionary, documents);
	if (text->options.weight == ML_TEXT_TFIDF)
	{
		double	   *idf = ml_alloc_array(ctx, (size_t) text->width + 1, sizeof(double));

		for (int e = 0; e < text->width; e++)
			idf[e] = log((1 + text->documents) / (1 + (double) kept[e])) + 1;
		text->idf = idf;
	}
	if (kept != documents)
		ml_free(ctx, kept);
	ml_free(ctx, documents);
	name_elements(ctx, text);
	return text;
}

/* ---- weighing ---- */

int32_t
ml_text_element(const MlTextFit *text, const char *bytes, size_t length)
{
	if (text->terms == NULL)
		return (int32_t) ml_text_bucket(text->options.buckets, bytes, length);
	return ml_dictionary_find(text->terms, bytes, length);
}

/* What an element that a text has so often weighs, before it is scaled. */
static double
weight_of(const MlTextFit *text, size_t element, double count)
{
	double		weight = text->options.weight == ML_TEXT_BINARY ? 1 : count;

	if (text->options.sublinear)
		weight = 1 + log(weight);
	return text->idf != NULL ? weight * text->idf[element] : weight;
}

/* What scales a text, by the sums over its weights of what norm_part says: never 0. */
static double
norm_part(const MlTextFit *text, double weight)
{
	return text->options.norm == ML_TEXT_L2 ? weight * weight : text->options.norm == ML_TEXT_L1 ? weight : 0;
}

static double
norm_of(const MlTextFit *text, double sum)
{
	return sum > 0 ? (text->options.norm == ML_TEXT_L2 ? sqrt(sum) : sum) : 1;
}

void
ml_text_weigh(const MlTextFit *text, const double *counts, double *out, size_t stride)
{
	double		sum = 0;
	double		norm;

	for (size_t e = 0; e < (size_t) text->width; e++)
	{
		double		weight = counts[e] > 0 ? weight_of(text, e, counts[e]) : 0;

		out[e * stride] = weight;
		sum += norm_part(text, weight);
	}
	norm = norm_of(text, sum);
	for (size_t e = 0; e < (size_t) text->width && norm != 1; e++)
		out[e * stride] /= norm;
}

static bool
same_terms(const MlDictionary *a, const MlDictionary *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(a->strings[i], b->strings[i]) != 0)
			return false;
	return true;
}

bool
ml_text_same(const MlTextFit *a, const MlTextFit *b)
{
	const MlTextOptions *p = &a->options;
	const MlTextOptions *q = &b->options;

	if (p->tokens != q->tokens || p->weight != q->weight || p->norm != q->norm || p->sublinear != q->sublinear ||
		p->lowercase != q->lowercase || p->min_gram != q->min_gram || p->max_gram != q->max_gram ||
			p->buckets != q->buckets ||
		strcmp(p->config != NULL ? p->config : "", q->config != NULL ? q->config : "") != 0)
		return false;
	return a->width == b->width && same_terms(a->terms, b->terms) &&
		(a->idf == NULL || memcmp(a->idf, b->idf, (size_t) a->width * sizeof(double)) == 0);
}

/* ---- the rows of a table ---- */

/* The element of each code of a column, -1 = none. */
static int32_t *
map_codes(MlContext *ctx, const MlTextFit *text, const MlColumn *column)
{
	size_t		n = ml_column_terms(column);
	int32_t    *elements = ml_alloc_array(ctx, n + 1, sizeof *elements);

	for (size_t code = 0; code < n; code++)
		elements[code] = text->terms == NULL ? (int32_t) code :
			ml_dictionary_find(text->terms, column->dictionary->strings[code], column->dictionary->lengths[code]);
	ml_check(ctx);
	return elements;
}

/* Count the rows of each element, or put them and how often they have it in place. */
static void
collect(MlContext *ctx, const MlColumn *column, const int32_t *elements, size_t *next, MlTextRows *to)
{
	for (size_t row = 0; row < column->rows; row++)
	{
		size_t		end = ml_column_text_begin(column, row + 1);
		uint32_t	code;
		uint32_t	times;

		if (row % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		for (size_t at = ml_column_text_begin(column, row); at < end;)
		{
			at = ml_column_text_next(column, at, &code, &times);
			if (elements[code] < 0)
				continue;
			if (to != NULL)
			{
				to->row[next[elements[code]]] = (uint32_t) row;
				to->value[next[elements[code]]] = times;
			}
			next[elements[code]]++;
		}
	}
}

/* Turn counts into weights: element by element, so that a row's parts are added up in their order. */
static void
weigh_rows(MlContext *ctx, const MlTextFit *text, const MlColumn *column, MlTextRows *to)
{
	double	   *sums = ml_alloc_array_zero(ctx, column->rows + 1, sizeof(double));

	for (size_t e = 0; e < (size_t) text->width; e++)
	{
		for (size_t i = to->start[e]; i < to->start[e + 1]; i++)
		{
			to->value[i] = weight_of(text, e, to->value[i]);
			sums[to->row[i]] += norm_part(text, to->value[i]);
		}
		ml_check(ctx);
	}
	for (size_t row = 0; row < column->rows; row++)
		sums[row] = norm_of(text, sums[row]);
	for (size_t i = 0; i < to->start[text->width]; i++)
		to->value[i] /= sums[to->row[i]];
	ml_free(ctx, sums);
}

MlTextRows *
ml_text_rows(MlContext *ctx, const MlTextFit *text, const MlColumn *column)
{
	MlTextRows *to = ml_alloc_zero(ctx, sizeof *to);
	size_t		width = (size_t) text->width;
	int32_t    *elements = map_codes(ctx, text, column);
	size_t	   *next = ml_alloc_array_zero(ctx, width + 1, sizeof(size_t));

	collect(ctx, column, elements, next, NULL);
	to->start = ml_alloc_array(ctx, width + 1, sizeof(size_t));
	to->start[0] = 0;
	for (size_t e = 0; e < width; e++)
	{
		to->start[e + 1] = to->start[e] + next[e];
		next[e] = to->start[e];
	}
	to->row = ml_alloc_array(ctx, to->start[width] + 1, sizeof(uint32_t));
	to->value = ml_alloc_array(ctx, to->start[width] + 1, sizeof(double));
	collect(ctx, column, elements, next, to);
	weigh_rows(ctx, text, column, to);
	ml_free(ctx, next);
	ml_free(ctx, elements);
	to->null = ml_alloc_array(ctx, column->nulls + 1, sizeof(uint32_t));
	for (size_t row = 0; row < column->rows && to->nulls < column->nulls; row++)
		if (ml_column_text_is_null(column, row))
			to->null[to->nulls++] = (uint32_t) row;
	return to;
}

void
ml_text_rows_free(MlContext *ctx, MlTextRows *rows)
{
	ml_free(ctx, rows->start);
	ml_free(ctx, rows->row);
	ml_free(ctx, rows->value);
	ml_free(ctx, rows->null);
	ml_free(ctx, rows);
}

/* The first of n ascending numbers that is not below another. */
static inline size_t
first_from(const uint32_t *numbers, size_t n, uint32_t from)
{
	size_t		low = 0;

	while (n > 0)
	{
		size_t		half = n / 2;

		if (numbers[low + half] < from)
		{
			low += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return low;
}

/* Put values (NULL = NaN) of some rows among those in place that are asked for. */
static void
scatter(const uint32_t *has, const double *values, size_t nhas, const uint32_t *rows, size_t n, double *out)
{
	bool		run = rows[n - 1] - rows[0] == n - 1;
	size_t		at = 0;

	for (size_t i = first_from(has, nhas, rows[0]); i < nhas && has[i] <= rows[n - 1]; i++)
	{
		at = run ? has[i] - rows[0] : at + first_from(rows + at, n - at, has[i]);
		if (rows[at] == has[i])
			out[at] = values != NULL ? values[i] : NAN;
	}
}

void
ml_text_rows_read(const MlTextRows *text, int element, const uint32_t *rows, size_t n, double *out)
{
	size_t		start = text->start[element];

	memset(out, 0, n * sizeof(double));
	scatter(text->row + start, text->value + start, text->start[element + 1] - start, rows, n, out);
	if (text->nulls > 0)
		scatter(text->null, NULL, text->nulls, rows, n, out);
}

/* ---- stored form ---- */

/* What it is asked to do, the same for models and readers. */
static void
write_options(MlWriter *w, const MlTextFit *text)
{
	const MlTextOptions *o = &text->options;

	ml_write_string(w, "weight", weights[o->weight]);
	ml_write_string(w, "tokens", tokens[o->tokens]);
	if (o->config != NULL)
		ml_write_string(w, "config", o->config);
	ml_write_bool(w, "lowercase", o->lowercase);
	ml_write_int(w, "min_gram", o->min_gram);
	ml_write_int(w, "max_gram", o->max_gram);
	ml_write_bool(w, "sublinear", o->sublinear);
	ml_write_string(w, "norm", norms[o->norm]);
	if (o->buckets > 0)
		ml_write_int(w, "buckets", o->buckets);
	else
	{
		ml_write_int(w, "max_features", o->max_features);
		ml_write_double(w, "min_documents", o->min_documents);
		ml_write_double(w, "max_documents", o->max_documents);
	}
	ml_write_int(w, "documents", (int64_t) text->documents);
	ml_write_int(w, "nulls", (int64_t) text->nulls);
}

void
ml_text_write(MlWriter *w, const MlTextFit *text)
{
	ml_write_string(w, "name", text->name);
	write_options(w, text);
	ml_write_list(w, "terms");
	for (int e = 0; e < text->width && text->terms != NULL; e++)
		ml_write_string_length(w, NULL, text->terms->strings[e], text->terms->lengths[e]);
	ml_write_end(w);
	ml_write_f64s(w, "idf", text->idf, text->idf != NULL ? (size_t) text->width : 0);
}

void
ml_text_describe(MlWriter *w, const MlTextFit *text)
{
	write_options(w, text);
	ml_write_int(w, "terms", text->width);
}

static void
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* The number of a stored word, from 1 on. */
static int
need_word(MlContext *ctx, const MlNode *object, const char *key, const char *const *words, int n)
{
	const char *word = ml_need_string(ctx, object, key);

	for (int i = 1; i <= n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	corrupted(ctx, ml_format(ctx, "texts with an unknown %s", key));
	return 0;
}

static void
read_options(MlContext *ctx, const MlNode *object, MlTextOptions *o)
{
	o->weight = (MlTextWeight) need_word(ctx, object, "weight", weights, ML_TEXT_BINARY);
	o->tokens = (MlTextTokens) need_word(ctx, object, "tokens", tokens, ML_TEXT_CHARACTERS_IN_WORDS);
	o->norm = (MlTextNorm) need_word(ctx, object, "norm", norms, ML_TEXT_UNSCALED);
	if ((ml_node_find(object, "config") != NULL) != (o->tokens == ML_TEXT_WORDS))
		corrupted(ctx, "texts whose words nothing finds");
	o->config = o->tokens == ML_TEXT_WORDS ? ml_need_string(ctx, object, "config") : NULL;
	o->lowercase = ml_need_bool(ctx, object, "lowercase");
	o->sublinear = ml_need_bool(ctx, object, "sublinear");
	o->min_gram = (int) ml_need_int(ctx, object, "min_gram", 1, ML_TEXT_MAX_GRAM);
	o->max_gram = (int) ml_need_int(ctx, object, "max_gram", o->min_gram, ML_TEXT_MAX_GRAM);
	o->buckets = ml_node_find(object, "buckets") == NULL ? 0 :
		(int) ml_need_int(ctx, object, "buckets", 1, ML_TEXT_MAX_TERMS);
	if (o->buckets > 0)
		return;
	o->max_features = (int) ml_need_int(ctx, object, "max_features", 1, ML_TEXT_MAX_TERMS);
	o->min_documents = ml_need_double(ctx, object, "min_documents");
	o->max_documents = ml_need_double(ctx, object, "max_documents");
	if (!(o->min_documents >= 0 && o->max_documents > 0))
		corrupted(ctx, "texts with limits out of range");
}

/* The terms, which ascend by their bytes and so are distinct. */
static void
read_terms(MlContext *ctx, const MlNode *list, MlTextFit *text)
{
	size_t		n = ml_node_count(list);

	if (n > (size_t) text->options.max_features)
		corrupted(ctx, "texts with too many terms");
	text->terms = ml_dictionary_create(ctx);
	text->width = (int) n;
	for (size_t e = 0; e < n; e++)
	{
		const MlNode *node = ml_node_at(list, e);

		if (ml_node_type(node) != ML_NODE_STRING || ml_node_count(node) == 0 ||
			(e > 0 && strcmp(text->terms->strings[e - 1], ml_node_string(node)) >= 0))
			corrupted(ctx, "terms of texts that are not strings in order");
		ml_dictionary_add(ctx, text->terms, ml_node_string(node), ml_node_count(node), UINT32_MAX);
	}
}

MlTextFit *
ml_text_read(MlContext *ctx, const MlNode *object)
{
	MlTextFit	   *text = ml_alloc_zero(ctx, sizeof *text);
	const MlNode *terms;

	if (ml_node_type(object) != ML_NODE_OBJECT)
		corrupted(ctx, "texts that are no object");
	text->name = ml_need_string(ctx, object, "name");
	read_options(ctx, object, &text->options);
	text->documents = (double) ml_need_int(ctx, object, "documents", 0, UINT32_MAX);
	text->nulls = (double) ml_need_int(ctx, object, "nulls", 0, UINT32_MAX);
	terms = ml_need(ctx, object, "terms", ML_NODE_LIST);
	if (text->options.buckets == 0)
		read_terms(ctx, terms, text);
	else if (ml_node_count(terms) > 0)
		corrupted(ctx, "hashed texts with terms");
	else
		text->width = text->options.buckets;
	if (text->options.weight == ML_TEXT_TFIDF)
	{
		text->idf = ml_need_f64s(ctx, object, "idf", text->width);
		for (int e = 0; e < text->width; e++)
			if (!(text->idf[e] > 0 && isfinite(text->idf[e])))
				corrupted(ctx, "a weight of a term that is out of range");
	}
	else
		ml_need_f64s(ctx, object, "idf", 0);
	name_elements(ctx, text);
	return text;
}
