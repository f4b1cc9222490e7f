/*
 * Writes the first corpus of the fuzzers: for every algorithm and task a small model as bytes into
 * DIR/model and as text into DIR/json, with columns of every kind; and a document of every type.
 *
 *   gcc -O1 -std=gnu11 -Isrc/engine -Itest/fuzz test/fuzz/make_seeds.c $(find src/engine -name '*.c') \
 *       -ljson-c -llapack -lblas -lpthread -lm -o make_seeds
 *   ./make_seeds DIR
 */
#include "fuzz.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "base/columns.h"
#include "base/random.h"
#include "learn/learners.h"
#include "model/composite.h"
#include "model/container.h"
#include "model/pipeline.h"

#define ROWS 120

/* The targets that a model can have: their classes, 0 for a number. */
static const struct
{
	const char *name;
	MlTaskKind	task;
	MlTargetKind kind;
	int			classes;
}			targets[] =
{
	{"regression", ML_TASK_REGRESSION, ML_TARGET_NUMBER, 0},
	{"boolean", ML_TASK_BINARY, ML_TARGET_BOOLEAN, 2},
	{"number", ML_TASK_MULTICLASS, ML_TARGET_NUMBER, 3},
	{"text", ML_TASK_MULTICLASS, ML_TARGET_TEXT, 3},
};

/* Make a folder if it is not there. */
static void
make_folder(const char *path)
{
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
	{
		perror(path);
		exit(1);
	}
}

/* Write a file DIR/FOLDER/NAME. */
static void
write_file(MlContext *ctx, const char *dir, const char *folder, const char *name, const void *bytes, size_t size)
{
	char	   *path = ml_format(ctx, "%s/%s/%s", dir, folder, name);
	FILE	   *file = fopen(path, "wb");

	if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

/* A row of a table: numbers with a NULL now and then, a category, a vector, the target, a time. */
static void
add_row(MlContext *ctx, MlColumn **columns, MlTargetKind kind, int classes, MlRandom *random)
{
	static const char *const plans[] = {"basic", "plus", "premium", "r\xc3\xa9serve"};
	double		x = ml_random_double(random) - 0.5;
	int			plan = (int) ml_random_below(random, 4);
	double		vector[3] = {x * x, ml_random_double(random), 1};
	double		signal = 3 * x + plan + ml_random_double(random);
	int			klass = classes == 0 ? 0 : (int) (signal + 2) % classes;

	if (ml_random_below(random, 10) == 0)
		ml_column_add_null(ctx, columns[0]);
	else
		ml_column_add_number(ctx, columns[0], x);
	if (ml_random_below(random, 10) == 0)
		ml_column_add_null(ctx, columns[1]);
	else
		ml_column_add_category(ctx, columns[1], plans[plan], strlen(plans[plan]));
	ml_column_add_vector(ctx, columns[2], vector, 3);
	if (kind == ML_TARGET_TEXT)
		ml_column_add_category(ctx, columns[3], plans[klass], strlen(plans[klass]));
	else
		ml_column_add_number(ctx, columns[3], classes == 0 ? signal : klass);
	ml_column_add_number(ctx, columns[4], (double) (columns[4]->rows / 3));
}

/* A table of all kinds of columns. */
static MlTable *
make_table(MlContext *ctx, MlTargetKind kind, int classes)
{
	MlTable    *table = ml_alloc_zero(ctx, sizeof *table);
	MlRandom	random;

	ml_random_seed(&random, 7);
	table->ncolumns = 5;
	table->columns = ml_alloc_array(ctx, 5, sizeof(MlColumn *));
	table->columns[0] = ml_column_create(ctx, "x", ML_KIND_NUMBER);
	table->columns[1] = ml_column_create(ctx, "plan", ML_KIND_CATEGORY);
	table->columns[2] = ml_column_create(ctx, "v", ML_KIND_VECTOR);
	table->columns[3] = ml_column_create(ctx, "y", kind == ML_TARGET_TEXT ? ML_KIND_CATEGORY : ML_KIND_NUMBER);
	table->columns[4] = ml_column_create(ctx, "t", ML_KIND_NUMBER);
	for (table->rows = 0; table->rows < ROWS; table->rows++)
		add_row(ctx, table->columns, kind, classes, &random);
	for (int i = 0; i < 5; i++)
		ml_column_finish(ctx, table->columns[i]);
	return table;
}

/* Adds a term to a column. */
typedef struct Adding
{
	MlContext  *ctx;
	MlColumn   *column;
} Adding;

static void
add_term(void *arg, const char *bytes, size_t length)
{
	const Adding *adding = arg;

	ml_column_add_term(adding->ctx, adding->column, bytes, length);
}

/* The strings of a category as texts, by their characters. */
static MlColumn *
as_texts(MlContext *ctx, const MlColumn *category, const MlTextOptions *options)
{
	MlColumn   *column = ml_column_create(ctx, category->name, ML_KIND_TEXT);
	Adding		adding = {ctx, column};

	ml_column_set_text(ctx, column, options);
	for (size_t i = 0; i < category->rows; i++)
	{
		double		code;
		const char *string;
		size_t		length;

		ml_column_read(category, 0, NULL, i, 1, &code);
		if (code != code)
		{
			ml_column_add_null(ctx, column);
			continue;
		}
		string = category->dictionary->strings[(size_t) code];
		length = strlen(string);
		ml_column_begin_text(ctx, column, string, length);
		ml_text_characters(options, string, length, ml_text_utf8, ml_alloc(ctx, length + 3),
						   ml_alloc_array(ctx, length + 3, sizeof(size_t)), add_term, &adding);
		ml_column_end_text(ctx, column);
	}
	ml_column_finish(ctx, column);
	return column;
}

/* Write a model as bytes and as text. */
static void
write_bytes(MlContext *ctx, const char *dir, const char *name, const void *bytes, size_t size)
{
	char	   *json = ml_container_to_json(ctx, bytes);

	write_file(ctx, dir, "model", name, bytes, size);
	write_file(ctx, dir, "json", name, json, strlen(json));
}

/* Train one algorithm on one target; preprocess and decision may be NULL. */
static MlTrainResult
train_model(MlContext *ctx, const MlAlgorithm *algorithm, size_t target, const char *preprocess, const char *decision)
{
	static const char *const types[] = {"double precision", "text", "double precision[]"};
	MlTrainSpec spec = {
		.algorithm = algorithm,
		.preprocess = preprocess,
		.decision = decision,
		.split = {.kind = ML_SPLIT_STRATIFIED, .test_size = 0.2, .seed = 42},
		.nfeatures = 3,
		.feature_types = types,
		.target = 3,
		.target_kind = targets[target].kind,
		.target_integer = targets[target].classes != 0,
		.weight = -1,
		.split_column = -1,.group = -1,.start = -1,
	};
	MlTable    *table = make_table(ctx, targets[target].kind, targets[target].classes);
	const MlTextOptions *text = ml_prep_text_options(ctx, preprocess, "plan");
	MlTrainResult result;

	if (text != NULL)
		table->columns[1] = as_texts(ctx, table->columns[1], text);
	ml_pipeline_train(ctx, table, &spec, &result);
	return result;
}

/* Train and write one. */
static void
write_model(MlContext *ctx, const char *dir, const MlAlgorithm *algorithm, size_t target)
{
	MlTrainResult result = train_model(ctx, algorithm, target, NULL, NULL);

	write_bytes(ctx, dir, ml_format(ctx, "%s_%s", algorithm->name, targets[target].name), result.bytes, result.size);
}

/* Write models whose columns go through steps of many kinds, and whose class is decided by a threshold. */
static void
write_prepared(MlContext *ctx, const char *dir)
{
	static const char *const steps[] = {
		"{\"number\": {\"transform\": \"log1p\"}, \"category\": {\"encode\": \"target\"}, \"interactions\": [[\"x\", \"plan\"]]}",
		"{\"columns\": {\"x\": {\"impute\": \"median\", \"scale\": \"minmax\"}}, \"category\": {\"encode\": \"label\"}, \"polynomial\": {\"degree\": 3}}",
		"{\"columns\": {\"plan\": {\"text\": {\"tokens\": \"characters\"}}}}",
		"{\"columns\": {\"plan\": {\"text\": {\"tokens\": \"characters_in_words\", \"weight\": \"count\", \"buckets\": 7}, \"impute\": \"auto\"}}}",
		"{\"columns\": {\"x\": {\"impute\": \"forward_fill\", \"order_by\": \"t\", \"group_by\": \"plan\"}, \"plan\": {\"impute\": \"forward_fill\", \"order_by\": \"t\"}}}",
	};
	size_t		count = sizeof steps / sizeof steps[0];

	/* the last one for trees too, which have levels instead of columns of 0 and 1 */
	for (size_t i = 0; i <= count; i++)
	{
		MlTrainResult result = i < count ? train_model(ctx, &ml_logistic_regression, 1, steps[i], "{\"threshold\": \"f1\"}") :
			train_model(ctx, &ml_decision_tree, 1, steps[count - 1], NULL);

		write_bytes(ctx, dir, ml_format(ctx, "prepared_%zu", i), result.bytes, result.size);
	}
}

/* Write a model made of two models, one of them within another that is made of it. */
static void
write_composite(MlContext *ctx, const char *dir, const MlAlgorithm *algorithm, MlEnsembleMethod method)
{
	MlTrainResult first = train_model(ctx, &ml_decision_tree, 1, NULL, NULL);
	MlTrainResult second = train_model(ctx, &ml_logistic_regression, 1, NULL, NULL);
	MlMemberSpec members[] = {
		{ml_model_open(ctx, first.bytes, first.size), "first", "", 1},
		{ml_model_open(ctx, second.bytes, second.size), "second", "", 2},
	};
	MlCompositeSpec inner = {.algorithm = &ml_ensemble_model,.count = 1,.members = members,.summary = {.row_digest = ""}};
	MlCompositeSpec outer = {.algorithm = algorithm,.method = method,.count = 2,.members = members,.summary = {.row_digest = ""}};
	size_t		size;
	void	   *bytes = ml_composite_build(ctx, &inner, &size);

	members[0].model = ml_model_open(ctx, bytes, size);
	if (algorithm == &ml_pipeline_model)
		outer.count = 1;
	bytes = ml_composite_build(ctx, &outer, &size);
	write_bytes(ctx, dir, ml_format(ctx, "%s_%d", algorithm->name, (int) method), bytes, size);
}

/* Write a JSON document with everything in it that JSON's reader knows. */
static void
write_document(MlContext *ctx, const char *dir)
{
	static const char document[] =
		"{\"n\": null, \"t\": true, \"i\": -42, \"d\": -1.5e-3, \"s\": \"\\u00e9\\ud83d\\ude00\\n\\\"\\\\/\", "
		"\"nan\": {\"$f64\": \"NaN\"}, \"inf\": {\"$f64\": \"-Infinity\"}, \"o\": {}, \"l\": [[], {\"a\": 1}, 2.0], "
		"\"f64\": {\"$f64\": [1.0, -0.0, \"NaN\", \"Infinity\", 7]}, \"f32\": {\"$f32\": [0.1, 3e38]}, "
		"\"i64\": {\"$i64\": [9223372036854775807, -9223372036854775808]}, \"i32\": {\"$i32\": [1, -1]}, "
		"\"b\": {\"$bytes\": \"AAEC/w==\"}, \"c\": {\"$bytes\": [0, 255]}, \"e\": {\"$f64\": \"AAAAAAAA8D8=\"}, "
		"\"$$f64\": {\"$$x\": 1}, \"\": \"\"}";

	write_file(ctx, dir, "json", "document", document, strlen(document));
}

int
main(int argc, char **argv)
{
	static Fuzz fuzz;

	if (argc != 2)
	{
		fprintf(stderr, "usage: make_seeds DIR\n");
		return 1;
	}
	fuzz_begin(&fuzz);
	if (setjmp(fuzz.entry) != 0)
		fuzz_fail("an error while making seeds");
	make_folder(argv[1]);
	make_folder(ml_format(&fuzz.ctx, "%s/model", argv[1]));
	make_folder(ml_format(&fuzz.ctx, "%s/json", argv[1]));
	write_document(&fuzz.ctx, argv[1]);
	write_prepared(&fuzz.ctx, argv[1]);
	write_composite(&fuzz.ctx, argv[1], &ml_ensemble_model, ML_ENSEMBLE_MEAN);
	write_composite(&fuzz.ctx, argv[1], &ml_ensemble_model, ML_ENSEMBLE_VOTE);
	write_composite(&fuzz.ctx, argv[1], &ml_pipeline_model, ML_ENSEMBLE_MEAN);
	for (size_t i = 0; i < ml_algorithm_count(); i++)
	{
		for (size_t target = 0; target < sizeof targets / sizeof targets[0]; target++)
		{
			if ((ml_algorithm_table[i]->tasks & targets[target].task) != 0)
				write_model(&fuzz.ctx, argv[1], ml_algorithm_table[i], target);
		}
	}
	fuzz_end(&fuzz);
	return 0;
}
