/*
 * Texts: the terms that words and characters make, the vocabulary and the weights (beside scikit-learn's), rows of a table
 * as single texts to the last bit, a training over texts, the stored form, and what is refused of it.
 */
#include "unit.h"

#include "learn/learners.h"
#include "model/pipeline.h"
#include "prep/prepare.h"

/* ---------------------------------------------------------------- helpers */

static const MlTextOptions words = {.tokens = ML_TEXT_WORDS,.weight = ML_TEXT_TFIDF,.norm = ML_TEXT_L2,.config = "blanks",.min_gram = 1,
.max_gram = 1,.max_features = 1000,.min_documents = 1,.max_documents = 1};

/* The terms of a text one after the other, with a bar behind each. */
typedef struct Listed
{
	MlContext  *ctx;
	const char *list;
} Listed;

static void
list_term(void *arg, const char *bytes, size_t length)
{
	Listed	   *listed = arg;

	listed->list = ml_format(listed->ctx, "%s%.*s|", listed->list, (int) length, bytes);
}

/* Hand on the terms of a text whose words stand between single blanks, or of its characters in UTF-8. */
static void
each_term(MlContext *ctx, const MlTextOptions *options, const char *text, MlTextTerm term, void *arg)
{
	size_t		length = strlen(text);
	size_t	   *bounds = ml_alloc_array(ctx, 2 * length + 4, sizeof(size_t));
	size_t		n = 0;

	if (options->tokens != ML_TEXT_WORDS)
	{
		ml_text_characters(options, text, length, ml_text_utf8, ml_alloc(ctx, length + 3), bounds, term, arg);
		return;
	}
	for (size_t at = 0; at < length; at++)
		if (text[at] != ' ' && (at == 0 || text[at - 1] == ' '))
		{
			bounds[n] = at;
			bounds[length + 2 + n++] = at + strcspn(text + at, " ");
		}
	ml_text_grams(options, &(MlTextUnits) {.bytes = text,.count = n,.start = bounds,.end = bounds + length + 2}, term, arg);
}

static const char *
terms_of(MlContext *ctx, const MlTextOptions *options, const char *text)
{
	Listed		listed = {ctx, ""};

	each_term(ctx, options, text, list_term, &listed);
	return listed.list;
}

typedef struct Adding
{
	MlContext  *ctx;
	MlColumn   *column;
} Adding;

static void
add_term(void *arg, const char *bytes, size_t length)
{
	Adding	   *adding = arg;

	ml_column_add_term(adding->ctx, adding->column, bytes, length);
}

/* A column of n texts, NULL = NULL. */
static MlColumn *
text_column(MlContext *ctx, const MlTextOptions *options, const char *const *texts, size_t n)
{
	MlColumn   *column = ml_column_create(ctx, "notes", ML_KIND_TEXT);
	Adding		adding = {ctx, column};

	ml_column_set_text(ctx, column, options);
	for (size_t i = 0; i < n; i++)
		if (texts[i] == NULL)
			ml_column_add_null(ctx, column);
		else
		{
			ml_column_begin_text(ctx, column, texts[i], strlen(texts[i]));
			each_term(ctx, options, texts[i], add_term, &adding);
			ml_column_end_text(ctx, column);
		}
	ml_column_finish(ctx, column);
	return column;
}

typedef struct Counting
{
	const MlTextFit *text;
	double	   *counts;
} Counting;

static void
count_term(void *arg, const char *bytes, size_t length)
{
	Counting   *counting = arg;
	int32_t		element = ml_text_element(counting->text, bytes, length);

	if (element >= 0)
		counting->counts[element] += 1;
}

/* The weights of one text. */
static double *
weights_of(MlContext *ctx, const MlTextFit *text, const char *string)
{
	double	   *out = ml_alloc_array(ctx, (size_t) text->width + 1, sizeof(double));
	Counting	counting = {text, ml_alloc_array_zero(ctx, (size_t) text->width + 1, sizeof(double))};

	each_term(ctx, &text->options, string, count_term, &counting);
	ml_text_weigh(text, counting.counts, out, 1);
	return out;
}

/* Fitted to all rows of a column. */
static MlTextFit *
fit_all(MlContext *ctx, const MlColumn *column)
{
	uint32_t   *rows = ml_alloc_array(ctx, column->rows + 1, sizeof(uint32_t));

	for (size_t i = 0; i < column->rows; i++)
		rows[i] = (uint32_t) i;
	return ml_text_fit(ctx, column, rows, column->rows, "notes");
}

/* The terms that were kept, with commas. */
static const char *
kept(MlContext *ctx, const MlTextFit *text)
{
	const char *list = "";

	for (int e = 0; e < text->width; e++)
		list = ml_format(ctx, "%s%s%s", list, e > 0 ? "," : "", text->terms->strings[e]);
	return list;
}

static const char *const pets[] = {
	"the cat sat on the mat", "the dog sat on the log", "cats and dogs", "the cat saw the dog and the cat ran", "dogs ran"
};

/* ---------------------------------------------------------------- terms */

static void
test_grams(MlContext *ctx)
{
	MlTextOptions o = words;

	CHECK(strcmp(terms_of(ctx, &o, "a bc d"), "a|bc|d|") == 0);
	o.max_gram = 3;
	CHECK(strcmp(terms_of(ctx, &o, "a bc d"), "a|a bc|a bc d|bc|bc d|d|") == 0);
	o.min_gram = 2;
	CHECK(strcmp(terms_of(ctx, &o, "a"), "") == 0);
	CHECK(strcmp(terms_of(ctx, &o, ""), "") == 0);
	o.tokens = ML_TEXT_CHARACTERS;
	o.max_gram = 2;
	/* "Größe" has five characters, in seven bytes */
	CHECK(strcmp(terms_of(ctx, &o, "Gr\xc3\xb6\xc3\x9f" "e"), "Gr|r\xc3\xb6|\xc3\xb6\xc3\x9f|\xc3\x9f" "e|") == 0);
	CHECK(strcmp(terms_of(ctx, &o, "a \t\n b"), "a | b|") == 0);
	CHECK(strcmp(terms_of(ctx, &o, "\xf0\x9f\x98\x80\xe2\x82\xac"), "\xf0\x9f\x98\x80\xe2\x82\xac|") == 0);
	/* bytes that are no UTF-8 are characters of their own, also where the text ends within one */
	CHECK(strcmp(terms_of(ctx, &o, "\xff\xe2\x82"), "\xff\xe2|\xe2\x82|") == 0);
	o.min_gram = 1;
	CHECK(strcmp(terms_of(ctx, &o, "ab"), "a|ab|b|") == 0);
}

/* As scikit-learn's analyzer "char_wb" has it. */
static void
test_grams_in_words(MlContext *ctx)
{
	MlTextOptions o = words;

	o.tokens = ML_TEXT_CHARACTERS_IN_WORDS;
	o.min_gram = 2;
	o.max_gram = 4;
	CHECK(strcmp(terms_of(ctx, &o, "ab"), " a|ab|b | ab|ab | ab |") == 0);
	CHECK(strcmp(terms_of(ctx, &o, "  a  bcd "), " a|a | a | b|bc|cd|d | bc|bcd|cd | bcd|bcd |") == 0);
	CHECK(strcmp(terms_of(ctx, &o, " \n "), "") == 0);
	CHECK(strcmp(terms_of(ctx, &o, ""), "") == 0);
	o.min_gram = o.max_gram = 5;
	CHECK(strcmp(terms_of(ctx, &o, "a \xc3\xb6"), " a | \xc3\xb6 |") == 0);
}

/* ---------------------------------------------------------------- vocabulary and weights */

static void
test_vocabulary(MlContext *ctx)
{
	MlTextOptions o = words;

	CHECK(strcmp(kept(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5))), "and,cat,cats,dog,dogs,log,mat,on,ran,sat,saw,the") == 0);
	o.min_documents = 2;
	CHECK(strcmp(kept(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5))), "and,cat,dog,dogs,on,ran,sat,the") == 0);
	o.max_documents = 0.5;
	CHECK(strcmp(kept(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5))), "and,cat,dog,dogs,on,ran,sat") == 0);
	o.min_documents = 0.5;
	o.max_documents = 1;
	CHECK(strcmp(kept(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5))), "the") == 0);
	o.min_documents = 1;
	/* of as many documents the first by bytes */
	o.max_features = 3;
	CHECK(strcmp(kept(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5))), "and,cat,the") == 0);
	o.min_documents = 4;
	CHECK(fit_all(ctx, text_column(ctx, &o, pets, 5))->width == 0);
}

/* The order of rows, and rows that are not trained on, change nothing. */
static void
test_vocabulary_of_rows(MlContext *ctx)
{
	const char *const turned[] = {pets[4], pets[3], NULL, pets[2], pets[1], pets[0], "dogs dogs unseen"};
	const uint32_t all_but_last[] = {0, 1, 2, 3, 4, 5};
	MlTextFit	   *a = fit_all(ctx, text_column(ctx, &words, pets, 5));
	MlTextFit	   *b = ml_text_fit(ctx, text_column(ctx, &words, turned, 7), all_but_last, 6, "notes");

	CHECK(ml_text_same(a, b));
	CHECK(b->documents == 5 && b->nulls == 1);
	CHECK(strcmp(a->names[1], "tfidf(notes: cat)") == 0);
}

/* Numbers of scikit-learn 1.2.1: TfidfVectorizer(token_pattern="[^ ]+", ...).fit_transform(pets)[3]. */
static void
test_weights(MlContext *ctx)
{
	static const double tfidf[] = {0.26048604759180033, 0.5209720951836007, 0, 0.26048604759180033, 0, 0, 0, 0, 0.26048604759180033, 0,
		0.322865741844103, 0.6486808505062203};
	static const double sublinear[] = {0.1302989457293533, 0.22061529259158788, 0, 0.1302989457293533, 0, 0, 0, 0, 0.1302989457293533, 0,
		0.1615021847171535, 0.2269856855031989};
	MlTextOptions o = words;
	double	   *w = weights_of(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5)), pets[3]);

	for (int e = 0; e < 12; e++)
		CHECK_NEAR(w[e], tfidf[e], 1e-14);
	o.sublinear = true;
	o.norm = ML_TEXT_L1;
	w = weights_of(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5)), pets[3]);
	for (int e = 0; e < 12; e++)
		CHECK_NEAR(w[e], sublinear[e], 1e-14);
	o = words;
	o.weight = ML_TEXT_COUNT;
	o.norm = ML_TEXT_UNSCALED;
	w = weights_of(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5)), pets[3]);
	CHECK(w[1] == 2 && w[11] == 3 && w[0] == 1 && w[2] == 0);
	o.weight = ML_TEXT_BINARY;
	w = weights_of(ctx, fit_all(ctx, text_column(ctx, &o, pets, 5)), pets[3]);
	CHECK(w[1] == 1 && w[11] == 1 && w[0] == 1 && w[2] == 0);
	/* nothing of what is kept */
	w = weights_of(ctx, fit_all(ctx, text_column(ctx, &words, pets, 5)), "a zebra");
	for (int e = 0; e < 12; e++)
		CHECK(w[e] == 0);
}

static void
test_buckets(MlContext *ctx)
{
	MlTextOptions o = words;
	MlTextFit	   *text;
	double	   *w;
	double		sum = 0;

	o.buckets = 4;
	o.weight = ML_TEXT_COUNT;
	o.norm = ML_TEXT_UNSCALED;
	text = fit_all(ctx, text_column(ctx, &o, pets, 5));
	CHECK(text->width == 4 && text->terms == NULL && strcmp(text->names[3], "count(notes: #4)") == 0);
	w = weights_of(ctx, text, "never seen");
	for (int e = 0; e < 4; e++)
		sum += w[e];
	CHECK(sum == 2);
	CHECK(w[ml_text_bucket(4, "never", 5)] >= 1 && w[ml_text_bucket(4, "seen", 4)] >= 1);
}

/* ---------------------------------------------------------------- rows of a table */

/* n texts of a few of many words, a few of them often; every eleventh is NULL, every thirteenth empty. */
static const char **
many_texts(MlContext *ctx, size_t n)
{
	const char **texts = ml_alloc_array(ctx, n, sizeof(char *));

	for (size_t i = 0; i < n; i++)
	{
		texts[i] = i % 11 == 5 ? NULL : "";
		for (size_t k = 0; texts[i] != NULL && i % 13 != 7 && k < 3 + i % 9; k++)
			texts[i] = ml_format(ctx, "%s%sw%zu", texts[i], k > 0 ? " " : "", (i * 7919 + k * k * 31) % (k % 2 == 0 ? 17 : 401));
	}
	return texts;
}

/* All rows, some rows and single texts agree to the last bit. */
static void
check_rows(MlContext *ctx, const MlTextOptions *options)
{
	size_t		n = 3000;
	const char **texts = many_texts(ctx, n);
	MlColumn   *column = text_column(ctx, options, texts, n);
	MlTextFit	   *text = fit_all(ctx, column);
	MlTextRows *rows = ml_text_rows(ctx, text, column);
	uint32_t	some[100];
	double		out[100];
	size_t		differ = 0;

	for (size_t i = 0; i < 100; i++)
		some[i] = (uint32_t) (700 + i * i / 7 + i);
	for (int e = 0; e < text->width; e++)
	{
		ml_text_rows_read(rows, e, some, 100, out);
		for (size_t i = 0; i < 100; i++)
		{
			double		single = texts[some[i]] == NULL ? NAN : weights_of(ctx, text, texts[some[i]])[e];

			differ += !(single == out[i] || (isnan(single) && isnan(out[i])));
			if (e % 50 == 0 || i == 0)
			{
				double		one;

				ml_text_rows_read(rows, e, some + i, 1, &one);
				differ += memcmp(&one, &out[i], sizeof one) != 0;
			}
		}
		e += e % 3;
	}
	CHECK(differ == 0);
	CHECK(text->width > 0 && column->nulls == (n - 6) / 11 + 1 && rows->nulls == column->nulls);
	ml_text_rows_free(ctx, rows);
}

static void
test_rows(MlContext *ctx)
{
	MlTextOptions o = words;

	check_rows(ctx, &o);
	o.max_gram = 2;
	o.max_features = 50;
	o.sublinear = true;
	o.norm = ML_TEXT_L1;
	check_rows(ctx, &o);
	o.buckets = 37;
	check_rows(ctx, &o);
	o = words;
	o.tokens = ML_TEXT_CHARACTERS;
	o.min_gram = 1;
	o.max_gram = 3;
	o.max_features = 200;
	check_rows(ctx, &o);
}

/* A row's hash is that of a category of the same bytes; NULL is not the empty text. */
static void
test_hash(MlContext *ctx)
{
	const char *const texts[] = {"a b", NULL, "", "b a"};
	MlColumn   *column = text_column(ctx, &words, texts, 4);
	MlColumn   *category = ml_column_create(ctx, "notes", ML_KIND_CATEGORY);
	uint64_t	as_text[4] = {0};
	uint64_t	as_category[4] = {0};

	for (int i = 0; i < 4; i++)
		if (texts[i] == NULL)
			ml_column_add_null(ctx, category);
		else
			ml_column_add_category(ctx, category, texts[i], strlen(texts[i]));
	ml_column_finish(ctx, category);
	ml_column_hash(column, 3, 0, 4, as_text);
	ml_column_hash(category, 3, 0, 4, as_category);
	CHECK(memcmp(as_text, as_category, sizeof as_text) == 0);
	CHECK(as_text[1] != as_text[2] && as_text[0] != as_text[3]);
}

/* ---------------------------------------------------------------- a training */

/* Trained on n texts, of which those that have an even word below w10 are likelier to be true. */
static MlTrainResult
train(MlContext *ctx, const MlAlgorithm *algorithm, const char *preprocess, const char **texts, size_t n)
{
	static const char *const types[] = {"text"};
	MlTable		table = {.rows = n,.ncolumns = 2};
	const MlTextOptions *options = ml_prep_text_options(ctx, preprocess, "notes");
	MlTextOptions *named = ml_alloc(ctx, sizeof *named);
	MlTrainSpec spec = {.algorithm = algorithm,.preprocess = preprocess,.split = {.kind = ML_SPLIT_RANDOM,.test_size = 0.2,.seed = 42},
	.nfeatures = 1,.feature_types = types,.target = 1,.target_kind = ML_TARGET_NUMBER,.weight = -1,.split_column = -1,.group = -1,.start = -1};
	MlTrainResult result;

	*named = *options;
	named->config = named->tokens == ML_TEXT_WORDS ? "blanks" : NULL;
	table.columns = ml_alloc_array(ctx, 2, sizeof(MlColumn *));
	table.columns[0] = text_column(ctx, named, texts, n);
	table.columns[1] = ml_column_create(ctx, "y", ML_KIND_NUMBER);
	for (size_t i = 0; i < n; i++)
		ml_column_add_number(ctx, table.columns[1], texts[i] == NULL ? 3 : strstr(texts[i], "w1 ") != NULL ? 10 : (double) strlen(texts[i]) / 10);
	ml_column_finish(ctx, table.columns[1]);
	ml_pipeline_train(ctx, &table, &spec, &result);
	return result;
}

static double
metric(const MlTrainResult *result, const char *name)
{
	for (int m = 0; m < result->nmetrics; m++)
		if (strcmp(result->metrics[m].name, name) == 0)
			return result->metrics[m].value;
	return NAN;
}

static void
test_training(MlContext *ctx)
{
	const char *preprocess = "{\"columns\": {\"notes\": {\"text\": {\"weight\": \"count\"}}}}";
	const char **texts = many_texts(ctx, 2000);
	MlTrainResult linear = train(ctx, &ml_linear_regression, preprocess, texts, 2000);
	MlTrainResult again = train(unit_context(3), &ml_linear_regression, preprocess, texts, 2000);
	MlTrainResult trees = train(ctx, &ml_gradient_boosting, preprocess, texts, 2000);
	MlModel    *model = ml_model_open(ctx, linear.bytes, linear.size);
	double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(model, 1), sizeof(double));
	double		null = NAN;
	double		out;

	CHECK(linear.size == again.size && memcmp(linear.bytes, again.bytes, linear.size) == 0);
	CHECK(metric(&linear, "r2") > 0.6);
	CHECK(metric(&trees, "r2") > 0.6);
	CHECK(model->signature->features[0].kind == ML_KIND_TEXT && model->signature->slots == ml_prep_text(model->prep, 0)->width);
	/* a text that is NULL has no terms, and says so in a column of its own */
	CHECK(strcmp(ml_prep_column(model->prep, ml_prep_columns(model->prep) - 1)->name, "notes is null") == 0);
	{
		double	   *raw = ml_alloc_array(ctx, (size_t) model->signature->slots, sizeof(double));

		for (int s = 0; s < model->signature->slots; s++)
			raw[s] = null;
		ml_model_score(model, raw, 1, 1, &out, 1, scratch);
		CHECK_NEAR(out, 3, 0.3);
	}
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train(ctx, &ml_linear_regression,
												   "{\"columns\": {\"notes\": {\"text\": {}, \"impute\": \"error\"}}}", texts, 2000));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train(ctx, &ml_linear_regression,
												   "{\"columns\": {\"notes\": {\"text\": {\"min_documents\": 1999}}}}", texts, 2000));
}

/* ---------------------------------------------------------------- the stored form */

static const MlFeature feature = {.name = "notes",.kind = ML_KIND_TEXT,.type = "text",.width = 12};

static const MlNode *
stored(MlContext *ctx, const MlTextFit *text)
{
	const MlPrep *prep = ml_prep_plain(ctx, &feature, 1, NULL, &text);
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_prep_write(ctx, w, prep);
	return ml_document_root(ml_writer_finish(w, &size));
}

/* What is read from JSON where a text is replaced by another. */
static MlPrep *
read_changed(MlContext *ctx, const char *json, const char *from, const char *to)
{
	const char *at = strstr(json, from);
	const char *changed;
	size_t		size;

	if (at == NULL)
		unit_fatal(ml_format(ctx, "%s is not in %s", from, json));
	changed = ml_format(ctx, "%.*s%s%s", (int) (at - json), json, to, at + strlen(from));
	return ml_prep_read(ctx, ml_document_root(ml_document_from_json(ctx, changed, strlen(changed), &size)), &feature, 1);
}

static void
test_stored(MlContext *ctx)
{
	MlTextFit	   *text = fit_all(ctx, text_column(ctx, &words, pets, 5));
	const MlPrep *again = ml_prep_read(ctx, stored(ctx, text), &feature, 1);

	CHECK(ml_text_same(text, ml_prep_text(again, 0)));
	CHECK(strcmp(ml_prep_text(again, 0)->names[11], "tfidf(notes: the)") == 0);
	CHECK(memcmp(weights_of(ctx, text, pets[0]), weights_of(ctx, ml_prep_text(again, 0), pets[0]), 12 * sizeof(double)) == 0);
}

static void
test_corrupted(MlContext *ctx)
{
	static const char *const changes[][2] = {
		{"\"weight\": \"tfidf\"", "\"weight\": \"idf\""},
		{"\"weight\": \"tfidf\"", "\"weight\": \"count\""},
		{"\"tokens\": \"words\"", "\"tokens\": \"characters\""},
		{"\"config\": \"blanks\", ", ""},
		{"\"min_gram\": 1", "\"min_gram\": 0"},
		{"\"max_gram\": 1", "\"max_gram\": 99"},
		{"\"min_gram\": 1", "\"min_gram\": 2"},
		{"\"norm\": \"l2\"", "\"norm\": 2"},
		{"\"max_features\": 1000", "\"max_features\": 11"},
		{"\"max_features\": 1000", "\"max_features\": 70000"},
		{"\"min_documents\": 1.0", "\"min_documents\": -1.0"},
		{"\"documents\": 5", "\"documents\": -5"},
		{"\"nulls\": 0", "\"nulls\": 0.5"},
		{"\"terms\": [\"and\", ", "\"terms\": ["},
		{"\"terms\": [\"and\"", "\"terms\": [\"cat\""},
		{"\"terms\": [\"and\"", "\"terms\": [\"zebra\""},
		{"\"terms\": [\"and\"", "\"terms\": [\"\""},
		{"\"terms\": [\"and\"", "\"terms\": [7"},
		{"\"idf\": {\"$f64\": [", "\"idf\": {\"$f64\": [1.0, "},
		{"\"idf\": {\"$f64\": [", "\"idf\": {\"$f64\": [-"},
		{"\"texts\": [{\"feature\": 0", "\"texts\": [{\"feature\": 1"},
		{"\"texts\": [", "\"texts\": [7, "},
		{"\"texts\": [", "\"text\": ["},
		{"\"max_features\": 1000", "\"buckets\": 12"},
		{"\"max_features\": 1000", "\"buckets\": 0"},
	};
	const char *json = ml_node_to_json(ctx, stored(ctx, fit_all(ctx, text_column(ctx, &words, pets, 5))), false);
	MlFeature	other = feature;

	CHECK(read_changed(ctx, json, "\"texts\"", "\"texts\"") != NULL);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
	{
		unit_error.code = ML_ERROR_INTERNAL;
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, read_changed(ctx, json, changes[i][0], changes[i][1]));
		if (unit_error.code != ML_ERROR_CORRUPTED)
			printf("... with %s\n", changes[i][1]);
	}
	other.width = 11;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_prep_read(ctx, stored(ctx, fit_all(ctx, text_column(ctx, &words, pets, 5))), &other, 1));
}

/* ---------------------------------------------------------------- what preprocess may say */

static void
test_options(MlContext *ctx)
{
	static const char *const wrong[] = {
		"7", "{\"wait\": 1}", "{\"weight\": \"tfdif\"}", "{\"tokens\": \"letters\"}", "{\"norm\": \"l3\"}", "{\"ngrams\": 2}",
		"{\"ngrams\": [2, 1]}", "{\"ngrams\": [1, 6]}", "{\"ngrams\": [0, 1]}", "{\"max_features\": 0}", "{\"max_features\": 1.5}",
		"{\"max_features\": 65537}", "{\"buckets\": 1}", "{\"buckets\": 8, \"max_features\": 8}", "{\"buckets\": 8, \"min_documents\": 3}",
		"{\"min_documents\": -1}", "{\"min_documents\": 2.5}", "{\"max_documents\": 2.5}", "{\"sublinear\": 1}",
		"{\"tokens\": \"characters\", \"config\": \"english\"}", "{\"lowercase\": true}", "{\"weight\": \"binary\", \"sublinear\": true}",
	};
	MlPrepOptions options = {0};
	const MlTextOptions *o;

	o = ml_prep_text_options(ctx, "{\"columns\": {\"notes\": {\"text\": {}}}}", "notes");
	CHECK(o->tokens == ML_TEXT_WORDS && o->weight == ML_TEXT_TFIDF && o->norm == ML_TEXT_L2 && o->min_gram == 1 && o->max_gram == 1);
	CHECK(o->max_features == 1000 && o->min_documents == 2 && o->max_documents == 1 && o->buckets == 0 && !o->sublinear && !o->lowercase);
	CHECK(ml_prep_text_options(ctx, "{\"columns\": {\"notes\": {\"text\": {}}}}", "note") == NULL);
	CHECK(ml_prep_text_options(ctx, "{\"columns\": {\"notes\": {\"encode\": \"hash\"}}}", "notes") == NULL);
	CHECK(ml_prep_text_options(ctx, NULL, "notes") == NULL);
	o = ml_prep_text_options(ctx, "{\"columns\": {\"notes\": {\"text\": {\"weight\": \"count\", \"tokens\": \"characters\"}}}}", "notes");
	CHECK(o->norm == ML_TEXT_UNSCALED && o->min_gram == 2 && o->max_gram == 4 && o->lowercase);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
	{
		const char *json = ml_format(ctx, "{\"columns\": {\"notes\": {\"text\": %s}}}", wrong[i]);

		unit_error.message[0] = '\0';
		CHECK_RAISES(ctx, i == 0 || i == 5 || i == 10 || i == 16 || i == 17 || i == 18 ? ML_ERROR_WRONG_TYPE :
					 i == 1 ? ML_ERROR_UNDEFINED : ML_ERROR_INVALID_PARAMETER,
					 ml_prep_options_read(ctx, json, "linear_regression", true, &options));
		if (unit_error.message[0] == '\0')
			printf("... with %s\n", wrong[i]);
	}
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_prep_options_read(ctx, "{\"category\": {\"text\": {}}}", "linear_regression", true, &options));
}

UNIT_MAIN(test_grams, test_grams_in_words, test_vocabulary, test_vocabulary_of_rows, test_weights, test_buckets, test_rows, test_hash,
		  test_training, test_stored, test_corrupted, test_options)
