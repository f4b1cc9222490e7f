/*
 * The algorithm that 'auto' means.
 *
 * Problem: a linear model or gradient boosting, whichever predicts new rows better; rows that are held out must not
 * have a say in it.
 * Method:  of the training rows at most SAMPLE_ROWS, chosen by their content, are trained on with both, a quarter of
 * them held out; boosting is taken when its loss (rmse of numbers, log loss of classes) is lower by more than MARGIN of
 * the linear model's, which is the simpler one.  The winner is then trained on all training rows.
 * Not compared, so linear: parameters or a preparation are given, since they are meant for one of the two, or weights,
 * which the sample may have none of; fewer than LEAST_ROWS training rows; no random rows are held out (in order of time
 * or by groups, random rows among the training rows would flatter the model that can learn them by heart); more than
 * MOST_CLASSES classes; rows so wide, or targets and features that vary so little, that the sample would not tell.
 * Cost:    bounded by the sample, whatever the number of rows.
 */
#include "model/automatic.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "learn/learners.h"
#include "model/split.h"

#define LEAST_ROWS 1000
#define SAMPLE_ROWS 8000
#define SAMPLE_VALUES 2000000	/* rows times slots */
#define MOST_CLASSES 20
#define LEAST_OF_CLASS 25
#define LEAST_VARIED 100		/* rows that differ from the first */
#define TEST_SIZE 0.25
#define MARGIN 0.01

static const uint64_t SALT = UINT64_C(0x6175746f6d617469);

/* ---- the sample ---- */

/* The training rows with the smallest numbers made from their content, ascending; returns how many. */
static size_t
sample_rows(MlContext *ctx, const MlTarget *target, const uint64_t *hashes, const uint8_t *test, size_t most,
			uint32_t **rows)
{
	uint64_t   *keys = ml_alloc_array(ctx, target->n + 1, sizeof(uint64_t));
	uint64_t	bound = UINT64_MAX;
	size_t		n = 0;
	size_t		taken = 0;

	*rows = ml_alloc_array(ctx, target->n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < target->n; i++)
		if (test[target->rows[i]] == ML_SIDE_TRAIN)
			keys[n++] = ml_mix64(hashes[target->rows[i]] ^ SALT);
	if (n > most)
		bound = ml_select_key(keys, n, most);
	for (size_t i = 0; i < target->n; i++)
		if (test[target->rows[i]] == ML_SIDE_TRAIN && (n <= most || ml_mix64(hashes[target->rows[i]] ^ SALT) < bound))
			(*rows)[taken++] = target->rows[i];
	ml_free(ctx, keys);
	return taken;
}

/* A column of a table with only these rows. */
static MlColumn *
sample_column(MlContext *ctx, const MlColumn *from, const uint32_t *rows, size_t n)
{
	MlColumn   *to = ml_column_create(ctx, from->name, from->kind);
	size_t		width = (size_t) from->width;
	double	   *values = ml_alloc_array(ctx, width * n + 1, sizeof(double));
	double	   *row = ml_alloc_array(ctx, width + 1, sizeof(double));

	for (size_t e = 0; e < width; e++)
		for (size_t begin = 0; begin < n; begin += ML_BLOCK_ROWS)
			ml_column_read(from, (int) e, rows + begin, 0, n - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : n - begin,
						   values + e * n + begin);
	for (size_t i = 0; i < n; i++)
	{
		bool		null = true;

		for (size_t e = 0; e < width; e++)
		{
			row[e] = values[e * n + i];
			null = null && isnan(row[e]);
		}
		if (null)
			ml_column_add_null(ctx, to);
		else if (from->kind == ML_KIND_CATEGORY)
			ml_column_add_category(ctx, to, from->dictionary->strings[(size_t) row[0]],
								   from->dictionary->lengths[(size_t) row[0]]);
		else if (from->kind == ML_KIND_VECTOR)
			ml_column_add_vector(ctx, to, row, (int) width);
		else
			ml_column_add_number(ctx, to, row[0]);
	}
	ml_column_finish(ctx, to);
	ml_free(ctx, values);
	return to;
}

/* ---- does the sample tell anything? ---- */

/* Rows whose first element is another than the first row's, NULL aside. */
static size_t
count_varied(MlContext *ctx, const MlColumn *column)
{
	double	   *values = ml_alloc_array(ctx, column->rows + 1, sizeof(double));
	size_t		varied = 0;
	double		first = NAN;

	for (size_t begin = 0; begin < column->rows; begin += ML_BLOCK_ROWS)
		ml_column_read(column, 0, NULL, begin, column->rows - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS :
					   column->rows - begin, values + begin);
	for (size_t i = 0; i < column->rows; i++)
	{
		if (isnan(first))
			first = values[i];
		varied += values[i] == values[i] && values[i] != first;
	}
	ml_free(ctx, values);
	return varied;
}

/* Is there a number that varies, so that both learners have something to learn from? */
static bool
features_vary(MlContext *ctx, const MlTable *sample, int nfeatures)
{
	for (int f = 0; f < nfeatures; f++)
		if (sample->columns[f]->kind == ML_KIND_NUMBER && count_varied(ctx, sample->columns[f]) >= LEAST_VARIED)
			return true;
	return false;
}

/* Has every class enough rows in the sample? */
static bool
classes_suffice(MlContext *ctx, const MlTarget *target, const uint32_t *rows, size_t n)
{
	size_t	   *members = ml_alloc_array_zero(ctx, (size_t) target->nclasses + 1, sizeof(size_t));
	size_t		at = 0;

	for (size_t i = 0; i < target->n && at < n; i++)
		if (target->rows[i] == rows[at])
		{
			members[(int) target->values[i]]++;
			at++;
		}
	for (int k = 0; k < target->nclasses; k++)
		if (members[k] < LEAST_OF_CLASS)
			return false;
	return true;
}

/* ---- comparing ---- */

/* Has the caller left everything to us, and held out random rows? */
static bool
is_open(const MlTrainSpec *spec)
{
	MlSplitKind kind = spec->split.kind;
	bool		random = kind == ML_SPLIT_STRATIFIED || kind == ML_SPLIT_RANDOM || kind == ML_SPLIT_COLUMN;

	return random && spec->retrain == NULL && (spec->params == NULL || strcmp(spec->params, "{}") == 0) &&
		(spec->preprocess == NULL || strcmp(spec->preprocess, "{}") == 0);
}

/* What is worth a warning is told by the training that counts. */
static void
say_nothing(MlContext *ctx, const char *message, const char *detail)
{
	(void) ctx;
	(void) message;
	(void) detail;
}

/* The loss of one candidate on a quarter of the sample. */
static double
try_candidate(MlContext *ctx, const MlTable *sample, const MlTrainSpec *spec, const MlTarget *target,
			  const MlAlgorithm *algorithm, MlAutoChoice *choice)
{
	MlTrainSpec trial = *spec;
	MlTrainResult result;
	void		(*warn) (MlContext *, const char *, const char *) = ctx->warn;
	double		loss = NAN;

	trial.algorithm = algorithm;
	trial.params = trial.preprocess = trial.decision = NULL;
	trial.split = (MlSplit)
	{
		.kind = target->nclasses > 0 ? ML_SPLIT_STRATIFIED :
			ML_SPLIT_RANDOM,.test_size = TEST_SIZE,.seed = spec->split.seed
	};
	trial.split_column = -1;
	trial.nfolds = 0;
	ctx->warn = say_nothing;
	ml_pipeline_train(ctx, sample, &trial, &result);
	ctx->warn = warn;
	for (int m = 0; m < result.nmetrics; m++)
		if (strcmp(result.metrics[m].name, choice->metric) == 0)
			loss = result.metrics[m].value;
	choice->n_train = result.n_train;
	choice->n_test = result.n_test;
	ml_free(ctx, result.bytes);
	return loss;
}

/* The sample of training rows; NULL where there are too few or they tell nothing. */
static MlTable *
make_sample(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
			const uint64_t *hashes, const uint8_t *test)
{
	MlTable    *sample = ml_alloc_zero(ctx, sizeof *sample);
	size_t		slots = 1;
	size_t		most;
	uint32_t   *rows;

	for (int f = 0; f < spec->nfeatures; f++)
	{
		if (table->columns[f]->width == 0)
			return NULL;
		slots += (size_t) table->columns[f]->width;
	}
	most = SAMPLE_VALUES / slots < SAMPLE_ROWS ? SAMPLE_VALUES / slots : SAMPLE_ROWS;
	if (most < LEAST_ROWS)
		return NULL;
	sample->rows = sample_rows(ctx, target, hashes, test, most, &rows);
	if (sample->rows < LEAST_ROWS || (target->nclasses > 0 && !classes_suffice(ctx, target, rows, sample->rows)))
		return NULL;
	sample->ncolumns = table->ncolumns;
	sample->columns = ml_alloc_array(ctx, (size_t) table->ncolumns, sizeof(MlColumn *));
	for (int c = 0; c < table->ncolumns; c++)
	{
		sample->columns[c] = sample_column(ctx, table->columns[c], rows, sample->rows);
		ml_check(ctx);
	}
	ml_free(ctx, rows);
	if (target->nclasses == 0 && count_varied(ctx, sample->columns[spec->target]) < LEAST_VARIED)
		return NULL;
	return features_vary(ctx, sample, spec->nfeatures) ? sample : NULL;
}

MlAutoChoice *
ml_auto_choose(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
			   const uint64_t *hashes, const uint8_t *test)
{
	MlAutoChoice *choice;
	MlTable    *sample;

	if (!is_open(spec) || target->nclasses > MOST_CLASSES || spec->weight >= 0)
		return NULL;
	sample = make_sample(ctx, table, spec, target, hashes, test);
	if (sample == NULL)
		return NULL;
	choice = ml_alloc_zero(ctx, sizeof *choice);
	choice->metric = target->nclasses > 0 ? "log_loss" : "rmse";
	choice->candidates[0] = ml_algorithm_auto(target->task);
	choice->candidates[1] = &ml_gradient_boosting;
	for (int c = 0; c < ML_AUTO_CANDIDATES; c++)
		choice->losses[c] = try_candidate(ctx, sample, spec, target, choice->candidates[c], choice);
	/* a loss that is not defined wins nothing */
	choice->chosen = choice->losses[1] < (1 - MARGIN) * choice->losses[0] ? choice->candidates[1] :
		choice->candidates[0];
	return choice;
}

/* ---- parameters ---- */

static bool
has_param(const MlAlgorithm *algorithm, const char *name)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return true;
	return false;
}

/* The algorithms with a task of another's that have a parameter, quoted in a list; NULL when there is none. */
static const char *
algorithms_with(MlContext *ctx, const MlAlgorithm *other, const char *name)
{
	const char *list = NULL;

	for (size_t i = 0; i < ml_algorithm_count(); i++)
	{
		const MlAlgorithm *algorithm = ml_algorithm_table[i];

		if (!algorithm->composite && !algorithm->transforms && (algorithm->tasks & other->tasks) &&
			has_param(algorithm, name))
			list = list == NULL ? ml_format(ctx, "\"%s\"", algorithm->name) :
			ml_format(ctx, "%s, \"%s\"", list, algorithm->name);
	}
	return list;
}

static void
raise_no_param(MlContext *ctx, const MlAlgorithm *algorithm, const char *name)
{
	const char *having = algorithms_with(ctx, algorithm, name);
	const char **names;
	size_t		n = 0;

	while (algorithm->params[n].name != NULL)
		n++;
	names = ml_alloc_array(ctx, n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		names[i] = algorithm->params[i].name;
	ml_raise_full(ctx, ML_ERROR_UNDEFINED,
				  ml_format(ctx, "\"auto\" is algorithm \"%s\" here, which has no parameter \"%s\"", algorithm->name,
							name),
				  "With params \"auto\" compares nothing: it is the linear model of the task, and they must fit that.",
				  having != NULL ? ml_format(ctx, "Name an algorithm that has it: %s.", having) :
				  ml_candidates_hint(ctx, "parameter", name, names, n));
}

void
ml_auto_check_params(MlContext *ctx, const MlAlgorithm *algorithm, const char *params)
{
	json_object *object = params == NULL ? NULL : ml_json_object(ctx, params, "params");

	if (object == NULL)
		return;
	json_object_object_foreach(object, key, value)
	{
		(void) value;
		if (!has_param(algorithm, key))
			raise_no_param(ctx, algorithm, key);
	}
}

void
ml_auto_write(MlWriter *w, const MlAutoChoice *choice)
{
	ml_write_object(w, "auto");
	ml_write_string(w, "chosen", choice->chosen->name);
	ml_write_string(w, "metric", choice->metric);
	for (int c = 0; c < ML_AUTO_CANDIDATES; c++)
		ml_write_double(w, choice->candidates[c]->name, choice->losses[c]);
	ml_write_int(w, "n_train", (int64_t) choice->n_train);
	ml_write_int(w, "n_test", (int64_t) choice->n_test);
	ml_write_end(w);
}
