/*
 * Rows that are binned while they stream in: the model is that of the same rows held in memory, to the byte, for every
 * split, learner and kind of column; and two scans that differ are an error.
 */
#include "sample.h"

#include "model/binned.h"

#define FEATURES "nmicdvkbw"
#define ROWS 3000

/* How a training is set up. */
typedef struct Case
{
	const char *algorithm;
	const char *params;
	MlTaskKind	task;
	SampleWeights weights;
	MlSplitKind split;
	const char *extra;			/* columns: 'f' a flag, 'o' an order with ties, 'g' groups, 's' start scores */
	size_t		repeat;
	int			threads;
} Case;

/* A column that the sample does not have: the value of a row. */
static double
extra_value(char kind, size_t row)
{
	switch (kind)
	{
		case 'f':
			return row % 7 == 1 ? NAN : row % 3 == 0;
		case 'o':
			return floor(sample_uniform(row, 'o') * 50);
		case 'g':
			return floor(sample_uniform(row, 'g') * 200);
		case 's':
			return sample_uniform(row, 's') - 0.5;
	}
	unit_fatal("no such column");
}

static Sample
sample_of(const Case *c)
{
	return (Sample) {.features = FEATURES,.rows = ROWS,.task = c->task,.weights = c->weights,.repeat = c->repeat};
}

/* What to learn, and the empty table for it. */
static MlTrainSpec
spec_of(MlContext *ctx, const Case *c, MlTable **table)
{
	Sample		s = sample_of(c);
	MlTrainSpec spec = sample_spec(ctx, &s, ml_algorithm_by_name(ctx, c->algorithm));
	const MlTable *like = sample_table(ctx, &(Sample) {
		.features = FEATURES,.rows = 1,.task = c->task,.weights = c->weights
	});
	int			extras = c->extra == NULL ? 0 : (int) strlen(c->extra);

	spec.params = c->params;
	/* more levels than a byte tells apart */
	spec.preprocess = "{\"max_categories\": 1000}";
	spec.split = (MlSplit) {.kind = c->split,.test_size = 0.3,.seed = 7};
	*table = ml_alloc_zero(ctx, sizeof **table);
	(*table)->ncolumns = like->ncolumns + extras;
	(*table)->columns = ml_alloc_array(ctx, (size_t) like->ncolumns + (size_t) extras, sizeof(MlColumn *));
	for (int i = 0; i < like->ncolumns; i++)
		(*table)->columns[i] = ml_column_create(ctx, like->columns[i]->name, like->columns[i]->kind);
	for (int i = 0; i < extras; i++)
	{
		char		name[2] = {c->extra[i], '\0'};
		int			column = like->ncolumns + i;

		(*table)->columns[column] = ml_column_create(ctx, name, ML_KIND_NUMBER);
		if (name[0] == 'f' || name[0] == 'o')
			spec.split_column = column;
		else if (name[0] == 'g')
			spec.group = column;
		else
			spec.start = column;
	}
	return spec;
}

/* Append a row; a changed one has another value in the first feature. */
static void
append_row(MlContext *ctx, const Case *c, MlTable *table, size_t place, bool changed)
{
	Sample		s = sample_of(c);
	size_t		row = sample_row(&s, place);
	int			column = 0;

	for (const char *f = FEATURES; *f != '\0'; f++, column++)
		sample_add_feature(ctx, table->columns[column], row, changed && *f == 'n', 1.5);
	/* no target in some rows */
	if (row % 17 == 2)
		ml_column_add_null(ctx, table->columns[column++]);
	else
		sample_add_target(ctx, table->columns[column++], &s, row, false);
	if (c->weights != WEIGHTS_NONE)
		ml_column_add_number(ctx, table->columns[column++], sample_weight(&s, row));
	for (const char *e = c->extra; e != NULL && *e != '\0'; e++, column++)
		if (isnan(extra_value(*e, row)))
			ml_column_add_null(ctx, table->columns[column]);
		else
			ml_column_add_number(ctx, table->columns[column], extra_value(*e, row));
}

/* One scan: rows from first on, the last of them changed if so wished; a stream takes them at odd places. */
static void
scan(MlContext *ctx, const Case *c, MlTable *table, MlStream *stream, size_t rows, bool changed)
{
	for (size_t i = 0; i < rows; i++)
	{
		append_row(ctx, c, table, i, changed && i + 1 == rows);
		if (stream != NULL && i % 701 == 700)
			ml_stream_take(stream, i + 1);
	}
	table->rows = rows;
	if (stream != NULL)
		ml_stream_take(stream, rows);
	for (int i = 0; i < table->ncolumns; i++)
		ml_column_finish(ctx, table->columns[i]);
}

static MlTrainResult *
train_held(MlContext *ctx, const Case *c)
{
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);
	Sample		s = sample_of(c);
	MlTable    *table;
	MlTrainSpec spec = spec_of(ctx, c, &table);

	ctx->max_threads = c->threads > 0 ? c->threads : 1;
	scan(ctx, c, table, NULL, sample_count(&s), false);
	ml_pipeline_train(ctx, table, &spec, result);
	return result;
}

static MlTrainResult *
train_streamed(MlContext *ctx, const Case *c, size_t threshold)
{
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);
	Sample		s = sample_of(c);
	MlTable    *table;
	MlTrainSpec spec = spec_of(ctx, c, &table);
	MlStream   *stream = ml_stream_create(ctx, &spec, table, threshold);

	ctx->max_threads = c->threads > 0 ? c->threads : 1;
	scan(ctx, c, table, stream, sample_count(&s), false);
	CHECK(ml_pipeline_plan(ctx, stream));
	CHECK(stream->phase == ML_STREAM_BINNING);
	scan(ctx, c, table, stream, sample_count(&s), false);
	ml_pipeline_train_stream(ctx, stream, result);
	return result;
}

/* The same bytes, whichever way. */
static void
check_case(MlContext *ctx, const Case *c)
{
	MlTrainResult *held = train_held(ctx, c);
	MlTrainResult *streamed = train_streamed(ctx, c, 0);
	MlTrainResult *late = train_streamed(ctx, c, 100000);

	CHECK(held->n_train == streamed->n_train && held->n_test == streamed->n_test);
	CHECK(held->n_skipped == streamed->n_skipped);
	CHECK(held->n_skipped > 0 && held->n_train > 100);
	CHECK(held->held_out == (c->split != ML_SPLIT_NONE) && held->nmetrics == streamed->nmetrics);
	for (int i = 0; i < held->nmetrics; i++)
		CHECK(held->metrics[i].value == streamed->metrics[i].value);
	CHECK(held->size == streamed->size && memcmp(held->bytes, streamed->bytes, held->size) == 0);
	CHECK(held->size == late->size && memcmp(held->bytes, late->bytes, held->size) == 0);
}

#define BOOSTING "gradient_boosting", "{\"n_estimators\": 8, \"min_samples_leaf\": 5}"

static void
test_splits(MlContext *ctx)
{
	static const Case cases[] = {
		{BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_NONE, NULL, 0, 1},
		{BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_RANDOM, NULL, 0, 2},
		{BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_LAST, "o", 0, 1},
		{BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_COLUMN, "f", 0, 1},
		{BOOSTING, ML_TASK_BINARY, WEIGHTS_NONE, ML_SPLIT_STRATIFIED, NULL, 0, 3},
		{BOOSTING, ML_TASK_MULTICLASS, WEIGHTS_NONE, ML_SPLIT_STRATIFIED, NULL, 0, 1},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_case(ctx, &cases[i]);
}

static void
test_weights(MlContext *ctx)
{
	for (SampleWeights w = WEIGHTS_ONE; w <= WEIGHTS_ZERO; w++)
	{
		check_case(ctx, &(Case) {BOOSTING, ML_TASK_BINARY, w, ML_SPLIT_STRATIFIED, NULL, 0, 2});
		check_case(ctx, &(Case) {BOOSTING, ML_TASK_REGRESSION, w, ML_SPLIT_NONE, NULL, 0, 1});
	}
}

/* Rows that come several times, of which the split divides some. */
static void
test_repeated(MlContext *ctx)
{
	check_case(ctx, &(Case) {BOOSTING, ML_TASK_BINARY, WEIGHTS_VARIED, ML_SPLIT_STRATIFIED, NULL, 3, 1});
	check_case(ctx, &(Case) {BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_RANDOM, NULL, 4, 1});
}

/* Groups that stay whole and whose rows are put beside each other; start scores. */
static void
test_groups(MlContext *ctx)
{
	check_case(ctx, &(Case) {BOOSTING, ML_TASK_REGRESSION, WEIGHTS_VARIED, ML_SPLIT_RANDOM, "gs", 0, 2});
	check_case(ctx, &(Case) {BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_NONE, "g", 2, 1});
}

/* Few bins, so that values share them; other learners of trees. */
static void
test_learners(MlContext *ctx)
{
	check_case(ctx, &(Case) {"gradient_boosting", "{\"n_estimators\": 8, \"max_bins\": 7}", ML_TASK_BINARY, WEIGHTS_VARIED,
		ML_SPLIT_RANDOM, NULL, 0, 1});
	check_case(ctx, &(Case) {"decision_tree", "{\"max_bins\": 20}", ML_TASK_REGRESSION, WEIGHTS_VARIED,
		ML_SPLIT_RANDOM, NULL, 0, 1});
	check_case(ctx, &(Case) {"random_forest", "{\"n_estimators\": 5}", ML_TASK_MULTICLASS, WEIGHTS_NONE,
		ML_SPLIT_STRATIFIED, NULL, 0, 2});
	check_case(ctx, &(Case) {"extra_trees", "{\"n_estimators\": 5}", ML_TASK_BINARY, WEIGHTS_ZERO,
		ML_SPLIT_STRATIFIED, NULL, 0, 2});
}

/* Below the threshold a table stays as it is, and one scan is enough. */
static void
test_small(MlContext *ctx)
{
	Case		c = {BOOSTING, ML_TASK_REGRESSION, WEIGHTS_NONE, ML_SPLIT_RANDOM, NULL, 0, 1};
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);
	MlTrainResult *held = train_held(ctx, &c);
	MlTable    *table;
	MlTrainSpec spec = spec_of(ctx, &c, &table);
	MlStream   *stream = ml_stream_create(ctx, &spec, table, (size_t) 1 << 20);

	scan(ctx, &c, table, stream, ROWS, false);
	CHECK(!ml_pipeline_plan(ctx, stream));
	ml_pipeline_train_stream(ctx, stream, result);
	CHECK(held->size == result->size && memcmp(held->bytes, result->bytes, held->size) == 0);

	spec.algorithm = ml_algorithm_by_name(ctx, "linear_regression");
	spec.params = NULL;
	CHECK(ml_stream_create(ctx, &spec, table, 0) == NULL);
}

/* Train on a second scan of other rows. */
static void
train_changed(MlContext *ctx, size_t rows, bool changed)
{
	Case		c = {BOOSTING, ML_TASK_BINARY, WEIGHTS_NONE, ML_SPLIT_STRATIFIED, NULL, 0, 1};
	MlTrainResult result;
	MlTable    *table;
	MlTrainSpec spec = spec_of(ctx, &c, &table);
	MlStream   *stream = ml_stream_create(ctx, &spec, table, 0);

	scan(ctx, &c, table, stream, ROWS, false);
	ml_pipeline_plan(ctx, stream);
	scan(ctx, &c, table, stream, rows, changed);
	ml_pipeline_train_stream(ctx, stream, &result);
}

static void
test_changed(MlContext *ctx)
{
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train_changed(ctx, ROWS - 1, false));
	CHECK(strstr(unit_error.message, "other rows") != NULL && strstr(unit_error.detail, "2999") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train_changed(ctx, ROWS + 1, false));
	CHECK(strstr(unit_error.message, "other rows") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train_changed(ctx, 0, false));
	CHECK(strstr(unit_error.message, "other rows") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, train_changed(ctx, ROWS, true));
	CHECK(strstr(unit_error.message, "other rows") != NULL && strstr(unit_error.detail, "values") != NULL);
}

/* More rows than a sample has: edges come from the same rows, whatever their order, and fit what they stand for. */
static void
test_sampled(MlContext *ctx)
{
	MlTrainSpec spec = {
		.target = -1,.weight = -1,.split_column = -1,.group = -1,.start = -1,.split = {.kind = ML_SPLIT_NONE,.test_size = 0.2,.seed = 42}
	};
	MlRowSample *samples[2];
	MlSampledRows chosen[2];
	uint64_t   *hashes = ml_alloc_array(ctx, 20000, sizeof(uint64_t));
	uint8_t    *test = ml_alloc_zero(ctx, 20000);
	MlTarget	target = {.n = 20000,.rows = ml_alloc_array(ctx, 20000, sizeof(uint32_t))};
	MlTable		table = {.rows = 20000};

	/* the first 1,000 contents come five times each, the others once */
	for (uint32_t i = 0; i < 20000; i++)
	{
		hashes[i] = ml_mix64(i < 5000 ? i / 5 : i);
		target.rows[i] = i;
	}
	for (int k = 0; k < 2; k++)
	{
		samples[k] = ml_row_sample_create(ctx, &spec, 1000000, 0);
		for (uint32_t i = 0; i < 20000; i++)
		{
			uint32_t	row = k == 0 ? i : 19999 - i;

			ml_row_sample_offer(ctx, samples[k], &table, &spec, row, hashes[row]);
		}
		CHECK(ml_row_sample_close(ctx, samples[k], &table, &spec, &target, hashes, test, &chosen[k]));
		CHECK(chosen[k].n == 2000 && !chosen[k].all);
	}
	for (size_t i = 0; i < 2000; i++)
	{
		CHECK(hashes[chosen[0].rows[i]] == hashes[chosen[1].rows[i]]);
		CHECK(chosen[0].weights[i] == (chosen[0].rows[i] < 5000 ? 5 : 1));
	}
}

UNIT_MAIN(
		  test_splits,
		  test_weights,
		  test_repeated,
		  test_groups,
		  test_learners,
		  test_small,
		  test_changed,
		  test_sampled)
