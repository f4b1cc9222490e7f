/*
 * What every registered algorithm must do, for each task it has.  The loop is over the table of
 * algorithms: a new learner is covered by being there.
 */
#include "unit.h"

#include <float.h>
#include <inttypes.h>

#include "base/json.h"
#include "learn/learner.h"
#include "sample.h"

#define ALL_KINDS "nmibcdv"		/* features of every kind */
#define PLAIN "nid"				/* no NULLs, nothing rare */

static const MlTaskKind tasks[] = {ML_TASK_REGRESSION, ML_TASK_BINARY, ML_TASK_MULTICLASS, ML_TASK_ANOMALY};

typedef void (*Check) (MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task);

/* Run a check; a raise that nobody expects is a failure of this one alone. */
static void
run_check(Check check, const MlAlgorithm *algorithm, MlTaskKind task)
{
	jmp_buf    *outer = unit_entry;
	jmp_buf		inner;
	long		failures = unit_failures;
	const UnitHost *last = unit_hosts;

	if (setjmp(inner) == 0)
	{
		unit_entry = &inner;
		check(unit_context(1), algorithm, task);
	}
	else
		(void) unit_result(false, __FILE__, __LINE__, "code %d is raised: %s (%s)", (int) unit_error.code,
						   unit_error.message, unit_error.detail);
	unit_entry = outer;
	unit_release_since(last);
	if (unit_failures > failures)
		printf("... of algorithm \"%s\", %s\n", algorithm->name, ml_task_name(task));
}

static void
for_tasks(Check check, size_t count)
{
	for (size_t i = 0; ml_algorithm_table[i] != NULL; i++)
		for (size_t t = 0; t < count; t++)
			if (ml_algorithm_table[i]->tasks & tasks[t])
				run_check(check, ml_algorithm_table[i], tasks[t]);
}

/* For each task that has a target. */
static void
for_each(Check check)
{
	for_tasks(check, 3);
}

/* For anomalies too. */
static void
for_all(Check check)
{
	for_tasks(check, 4);
}

/* ---------------------------------------------------------------- helpers */

static bool
same_bytes(const MlTrainResult *a, const MlTrainResult *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Open a copy that is exactly as long as it says, so that a sanitizer sees a read past it. */
static MlModel *
open_copy(MlContext *ctx, const void *bytes, size_t size)
{
	void	   *copy = ctx->alloc(ctx, size);

	memcpy(copy, bytes, size);
	return ml_model_open(ctx, copy, size);
}

static MlModel *
train_model(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm, const char *params, const char *preprocess)
{
	MlTrainResult *result = sample_train(ctx, s, algorithm, params, preprocess);

	return ml_model_open(ctx, result->bytes, result->size);
}

/* Are scores numbers that make sense: finite; probabilities that sum to one? */
static bool
sane_scores(const MlModel *model, const double *scores, size_t rows)
{
	for (size_t i = 0; i < rows; i++)
	{
		double		sum = 0;

		for (int k = 0; k < ml_model_outputs(model); k++)
		{
			double		p = scores[(size_t) k * rows + i];

			if (!isfinite(p) || (model->signature->nclasses > 0 && (p < 0 || p > 1)))
				return false;
			sum += p;
		}
		if (model->signature->nclasses > 0 && fabs(sum - 1) > 1e-12)
			return false;
	}
	return true;
}

/* The largest difference of two models' scores on a sample, against the size of the first one's. */
static double
score_difference(MlContext *ctx, const MlModel *a, const MlModel *b, const Sample *s)
{
	size_t		n = (size_t) ml_model_outputs(a) * sample_count(s);
	double	   *x = sample_score(ctx, a, s, ML_BLOCK_ROWS);
	double	   *y = sample_score(ctx, b, s, ML_BLOCK_ROWS);
	double		largest = 0;
	double		difference = 0;

	if (ml_model_outputs(a) != ml_model_outputs(b))
		return INFINITY;
	for (size_t i = 0; i < n; i++)
	{
		largest = fmax(largest, fabs(x[i]));
		if (!(fabs(x[i] - y[i]) <= difference))
			difference = fabs(x[i] - y[i]);
	}
	return difference / largest;
}

static bool
same_scores(MlContext *ctx, const MlModel *a, const MlModel *b, const Sample *s)
{
	size_t		n = (size_t) ml_model_outputs(a) * sample_count(s);

	return ml_model_outputs(a) == ml_model_outputs(b) &&
		memcmp(sample_score(ctx, a, s, ML_BLOCK_ROWS), sample_score(ctx, b, s, ML_BLOCK_ROWS), n * sizeof(double)) == 0;
}

static double
metric(const MlMetric *metrics, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return metrics[i].value;
	return NAN;
}

/* ---------------------------------------------------------------- the table itself */

static void
test_table(MlContext *ctx)
{
	CHECK(ml_algorithm_count() > 0);
	for (size_t i = 0; i < ml_algorithm_count(); i++)
	{
		const MlAlgorithm *a = ml_algorithm_table[i];

		CHECK(a->id != 0);
		CHECK(i == 0 || a->id > ml_algorithm_table[i - 1]->id);
		CHECK(ml_algorithm_by_id(a->id) == a);
		CHECK(ml_algorithm_of_model(ctx, a->name) == a);
		CHECK(strspn(a->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(a->name));
		CHECK(strlen(a->help) > 10 && a->help[strlen(a->help) - 1] == '.');
		CHECK(a->params != NULL);
		/* models made of models learn nothing, nor does a preparation alone */
		if (a->composite || a->transforms)
		{
			CHECK(a->tasks == 0 && a->fit == NULL);
			CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, ml_algorithm_by_name(ctx, a->name));
			continue;
		}
		CHECK(ml_algorithm_by_name(ctx, a->name) == a);
		CHECK(a->tasks != 0 && (a->tasks & ~(unsigned) (ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION | ML_TASK_RANKING | ML_TASK_ANOMALY)) == 0);
		CHECK(a->fit != NULL && a->load != NULL && a->score != NULL);
		for (const MlParam *p = a->params; p->name != NULL; p++)
		{
			CHECK(p->help != NULL && strlen(p->help) > 5 && p->help[strlen(p->help) - 1] == '.');
			CHECK(p->offset < a->params_size);
			CHECK((p->type == ML_PARAM_ENUM) == (p->choices != NULL));
			if (p->type == ML_PARAM_INT || p->type == ML_PARAM_REAL)
				CHECK(isnan(p->default_value) || (p->default_value >= p->min && p->default_value <= p->max));
			for (const MlParam *other = a->params; other != p; other++)
				CHECK(strcmp(other->name, p->name) != 0);
		}
	}
	CHECK(ml_algorithm_table[ml_algorithm_count()] == NULL);
	CHECK(ml_algorithm_by_id(0) == NULL);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, ml_algorithm_by_name(ctx, "no_such_algorithm"));
	for (size_t t = 0; t < 3; t++)
		CHECK(ml_algorithm_auto(tasks[t])->tasks & tasks[t]);
}

/* ---------------------------------------------------------------- bytes */

/* The metrics of a training are those of the model that comes back from its bytes, to the last bit. */
static void
check_metrics(MlContext *ctx, const MlTrainResult *result, const MlModel *model, const Sample *s)
{
	size_t		n = sample_count(s);
	MlTable    *table = sample_table(ctx, s);
	const MlColumn *column = table->columns[table->ncolumns - 1];
	double	   *actual = ml_alloc_array(ctx, n, sizeof(double));
	double	   *scores = sample_score(ctx, model, s, ML_BLOCK_ROWS);
	MlMetric	metrics[ML_MAX_METRICS];
	int			count;

	ml_column_read(column, 0, NULL, 0, n, actual);
	for (size_t i = 0; i < n && column->kind == ML_KIND_CATEGORY; i++)
		actual[i] = ml_model_find_class(model, column->dictionary->strings[(size_t) actual[i]],
										column->dictionary->lengths[(size_t) actual[i]]);
	count = s->task == ML_TASK_REGRESSION ? ml_metrics_regression(ctx, actual, scores, NULL, n, metrics) :
		ml_metrics_decided(ctx, NULL, model->signature->nclasses, actual, scores, NULL, n, metrics);
	CHECK(count > 0 && count == result->nmetrics);
	for (int i = 0; i < count && i < result->nmetrics; i++)
	{
		CHECK(strcmp(metrics[i].name, result->metrics[i].name) == 0);
		CHECK(memcmp(&metrics[i].value, &result->metrics[i].value, sizeof(double)) == 0 ||
			  (isnan(metrics[i].value) && isnan(result->metrics[i].value)));
	}
}

static void
check_round_trip(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 700,.task = task};
	MlTrainResult *result = sample_train(ctx, &s, algorithm, NULL, NULL);
	MlModel    *model = open_copy(ctx, result->bytes, result->size);
	char	   *json = ml_container_to_json(ctx, result->bytes);
	size_t		size;
	void	   *bytes = ml_container_from_json(ctx, json, strlen(json), &size);
	char	   *described = ml_model_describe(ctx, model);

	CHECK(model->algorithm == algorithm);
	CHECK(model->signature->task == task && result->task == task);
	CHECK(ml_container_check(result->bytes, result->size) == NULL);
	CHECK(size == result->size && memcmp(bytes, result->bytes, size) == 0);
	CHECK(strcmp(ml_container_to_json(ctx, bytes), json) == 0);
	CHECK(same_scores(ctx, model, open_copy(ctx, bytes, size), &s));
	CHECK(sane_scores(model, sample_score(ctx, model, &s, ML_BLOCK_ROWS), s.rows));
	CHECK(result->n_train == s.rows && result->n_test == 0 && result->n_skipped == 0);
	CHECK(json_object_is_type(ml_json_object(ctx, described, "description"), json_type_object));
	CHECK(strstr(described, algorithm->name) != NULL);
	if (task == ML_TASK_ANOMALY)
		CHECK(result->nmetrics == 0);
	else
		check_metrics(ctx, result, model, &s);
}

static void
test_round_trip(MlContext *ctx)
{
	(void) ctx;
	for_all(check_round_trip);
}

/* A payload that lacks everything is no model. */
static void
check_payload(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = PLAIN,.rows = 60,.task = task};
	MlModel    *model = train_model(ctx, &s, algorithm, NULL, NULL);
	size_t		size;
	void	   *empty = ml_writer_finish(ml_writer_create(ctx), &size);

	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, algorithm->load(ctx, ml_document_root(empty), &model->shape));
}

static void
test_payload(MlContext *ctx)
{
	(void) ctx;
	for_all(check_payload);
}

/* ---------------------------------------------------------------- scoring */

static void
check_rows_and_blocks(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	static const size_t blocks[] = {1, 2, 3, 7, 8, 31, 255};
	Sample		s = {.features = ALL_KINDS,.rows = 600,.task = task};
	MlModel    *model = train_model(ctx, &s, algorithm, NULL, NULL);
	size_t		bytes = (size_t) ml_model_outputs(model) * s.rows * sizeof(double);
	double	   *whole = sample_score(ctx, model, &s, ML_BLOCK_ROWS);

	for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
		CHECK(memcmp(sample_score(ctx, model, &s, blocks[i]), whole, bytes) == 0);
}

static void
test_rows_and_blocks(MlContext *ctx)
{
	(void) ctx;
	for_all(check_rows_and_blocks);
}

/* Coefficients, where there are any: of columns that exist, and the score's own for regression. */
static void
check_coefficients(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = "ni",.rows = 300,.task = task};
	MlModel    *model = train_model(ctx, &s, algorithm, NULL, NULL);
	MlCoefficient *rows;
	size_t		n;

	CHECK(model->shape.columns == 2);
	if (algorithm->coefficients == NULL)
		return;
	n = algorithm->coefficients(ctx, model->loaded, &model->shape, &rows);
	CHECK(n > 0);
	for (size_t i = 0; i < n; i++)
	{
		CHECK(rows[i].column >= -1 && rows[i].column < model->shape.columns);
		CHECK(rows[i].klass >= -1 && rows[i].klass < (task == ML_TASK_REGRESSION ? 0 : model->shape.classes));
		CHECK(isfinite(rows[i].estimate));
		if (isnan(rows[i].std_error))
			continue;
		CHECK(rows[i].std_error >= 0 && rows[i].p_value >= 0 && rows[i].p_value <= 1);
		CHECK(rows[i].ci_low <= rows[i].estimate && rows[i].ci_high >= rows[i].estimate);
		CHECK_NEAR(rows[i].statistic, rows[i].estimate / rows[i].std_error, 1e-12);
	}
}

static void
test_coefficients(MlContext *ctx)
{
	(void) ctx;
	for_all(check_coefficients);
}

static void
check_beats_baseline(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 900,.task = task};
	MlTrainResult *result = sample_train(ctx, &s, algorithm, NULL, NULL);
	const char *name = task == ML_TASK_REGRESSION ? "rmse" : "log_loss";
	double		ours = metric(result->metrics, result->nmetrics, name);
	double		theirs = metric(result->baseline, result->nbaseline, name);

	CHECK(isfinite(ours) && isfinite(theirs) && theirs > 0);
	CHECK(ours <= theirs * (1 + 1e-9));
	/* what looks at features gains by them: the target is mostly made of these */
	CHECK(algorithm->no_features ? ours >= theirs * (1 - 1e-9) : ours < 0.8 * theirs);
}

static void
test_beats_baseline(MlContext *ctx)
{
	(void) ctx;
	for_each(check_beats_baseline);
}

/* ---------------------------------------------------------------- values that are missing, unknown or no numbers */

static void
check_nulls(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 500,.task = task};
	Sample		clean = {.features = PLAIN,.rows = 500,.task = task};
	const Sample *samples[] = {&s, &clean};

	for (int which = 0; which < 2; which++)
	{
		MlModel    *model = train_model(ctx, samples[which], algorithm, NULL, NULL);
		size_t		slots = (size_t) model->signature->slots;
		double	   *raw = ml_alloc_array(ctx, slots * 2, sizeof(double));
		double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(model, 2), sizeof(double));
		double		out[6];

		/* one NULL at a time, in the first of two rows, then all of them in the second */
		for (size_t slot = 0; slot <= slots; slot++)
		{
			sample_raw(model, samples[which], 0, 2, raw, 2);
			for (size_t j = 0; j < slots; j++)
				if (j == slot || slot == slots)
					raw[2 * j + (slot == slots)] = NAN;
			ml_model_score(model, raw, 2, 2, out, 2, scratch);
			CHECK(sane_scores(model, out, 2));
		}
	}
}

static void
test_nulls(MlContext *ctx)
{
	(void) ctx;
	for_all(check_nulls);
}

static void
check_not_finite(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	static const double values[] = {NAN, INFINITY, -INFINITY};

	for (size_t i = 0; i < 3; i++)
	{
		Sample		s = {.features = ALL_KINDS,.rows = 100,.task = task,.poison = 'n',.poison_value = values[i]};

		CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
		CHECK(strstr(unit_error.message, "\"n\"") != NULL && strstr(unit_error.detail, "1 of 100") != NULL);
		CHECK(unit_error.hint[0] != '\0');
		/* a NULL element of an array comes as NaN, an infinite one is none */
		s.poison = 'v';
		if (isinf(values[i]))
		{
			CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
			CHECK(strstr(unit_error.message, "\"v\"") != NULL);
		}
		s.poison = 'y';
		s.target_kind = ML_TARGET_NUMBER;
		CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
		CHECK(strstr(unit_error.message, "\"target\"") != NULL && unit_error.hint[0] != '\0');
	}
}

static void
test_not_finite(MlContext *ctx)
{
	(void) ctx;
	for_each(check_not_finite);
}

/* Parameters by which a learner uses every row just once: rows are drawn by their content, of which all columns are a part. */
static const char *
whole_rows(const MlAlgorithm *algorithm)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (strcmp(p->name, "bootstrap") == 0)
			return "{\"bootstrap\": false}";
	return NULL;
}

/* Columns that tell nothing are left out with a warning, and change no score. */
static void
check_dropped(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		with = {.features = "knie",.rows = 300,.task = task};
	Sample		without = {.features = "ni",.rows = 300,.task = task};
	Sample		nothing = {.features = "ke",.rows = 300,.task = task};
	const char *params = whole_rows(algorithm);
	MlModel    *model = train_model(ctx, &with, algorithm, params, NULL);
	const char *const *names;
	const char *const *reasons;

	CHECK(unit_warnings(ctx) == (algorithm->no_features ? 0 : 1));
	CHECK(ml_prep_dropped(model->prep, &names, &reasons) == 2);
	CHECK(strcmp(names[0], "k") == 0 && strcmp(reasons[0], "constant") == 0);
	CHECK(strcmp(names[1], "e") == 0 && strcmp(reasons[1], "all NULL") == 0);
	CHECK(same_scores(ctx, model, train_model(ctx, &without, algorithm, params, NULL), &with));
	if (algorithm->no_features)
		CHECK(sane_scores(model, sample_score(ctx, train_model(ctx, &nothing, algorithm, NULL, NULL), &nothing, 64), 300));
	else
	{
		CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &nothing, algorithm, NULL, NULL));
		CHECK(strstr(unit_error.detail, "\"k\" (constant)") != NULL && strstr(unit_error.detail, "\"e\" (all NULL)") != NULL);
	}
}

static void
test_dropped(MlContext *ctx)
{
	(void) ctx;
	for_all(check_dropped);
}

/* A category that training did not see scores like those that were rare in it. */
static void
check_unseen(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = "nc",.rows = 400,.task = task};
	MlModel    *model = train_model(ctx, &s, algorithm, NULL, NULL);
	double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(model, 3), sizeof(double));
	double		raw[6] = {1, 1, 1, ml_prep_encode(model->prep, 1, "never seen", 10),
	ml_prep_encode(model->prep, 1, "rare 7", 6), ml_prep_encode(model->prep, 1, "", 0)};
	double		out[9];

	ml_model_score(model, raw, 3, 3, out, 3, scratch);
	CHECK(sane_scores(model, out, 3));
	for (int k = 0; k < ml_model_outputs(model); k++)
	{
		CHECK(out[3 * k] == out[3 * k + 1]);
		CHECK(out[3 * k] == out[3 * k + 2]);
	}
}

static void
test_unseen(MlContext *ctx)
{
	(void) ctx;
	for_all(check_unseen);
}

/* ---------------------------------------------------------------- few rows */

/* Train on few rows: a sane model, or an error about the data that says what is wrong. */
static bool
few_rows(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm)
{
	jmp_buf    *outer = unit_entry;
	jmp_buf		inner;
	bool		trained = false;

	if (setjmp(inner) == 0)
	{
		MlModel    *model;

		unit_entry = &inner;
		model = train_model(ctx, s, algorithm, NULL, NULL);
		CHECK(sane_scores(model, sample_score(ctx, model, s, 4), sample_count(s)));
		unit_entry = outer;
		trained = true;
	}
	else
	{
		unit_entry = outer;
		CHECK(unit_error.code == ML_ERROR_INVALID_DATA || unit_error.code == ML_ERROR_UNSUPPORTED);
		CHECK(unit_error.detail[0] != '\0' || unit_error.hint[0] != '\0');
	}
	return trained;
}

/* The first row number from which on that many rows all have another class. */
static size_t
varied_rows(MlTaskKind task, size_t rows)
{
	for (size_t first = 0; first < 10000; first++)
	{
		size_t		seen = 0;

		for (size_t i = 0; i < rows; i++)
			seen |= (size_t) 1 << sample_class(first + i, task);
		if (seen == ((size_t) 1 << rows) - 1)
			return first;
	}
	unit_fatal("no rows of different classes");
}

static void
check_few_rows(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.task = task};

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
	CHECK(strcmp(unit_error.message, "there are no rows to train on") == 0 && unit_error.hint[0] != '\0');
	s.rows = 1;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
	CHECK(strstr(unit_error.message, "\"target\"") != NULL && unit_error.detail[0] != '\0');
	for (s.rows = 2; s.rows <= 12; s.rows++)
		few_rows(ctx, &s, algorithm);
	/* as few rows as the task can have */
	s.rows = task == ML_TASK_MULTICLASS ? 3 : 2;
	s.first = task == ML_TASK_REGRESSION ? 0 : varied_rows(task, s.rows);
	CHECK(few_rows(ctx, &s, algorithm));
}

static void
test_few_rows(MlContext *ctx)
{
	(void) ctx;
	for_each(check_few_rows);
}

static void
check_one_value(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = PLAIN,.rows = 50,.task = task,.one_value = true};

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, sample_train(ctx, &s, algorithm, NULL, NULL));
	CHECK(strstr(unit_error.message, task == ML_TASK_REGRESSION ? "is constant" : "has only one class") != NULL);
	CHECK(unit_error.detail[0] != '\0' && unit_error.hint[0] != '\0');
}

static void
test_one_value(MlContext *ctx)
{
	(void) ctx;
	for_each(check_one_value);
}

/* A target of numbers or booleans makes the classes that text would. */
static void
check_target_kinds(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	static const MlTargetKind kinds[] = {ML_TARGET_NUMBER, ML_TARGET_BOOLEAN};
	Sample		s = {.features = PLAIN,.rows = 200,.task = task};
	const char *params = whole_rows(algorithm);
	MlModel    *model = train_model(ctx, &s, algorithm, params, NULL);

	CHECK(model->signature->nclasses == (task == ML_TASK_REGRESSION ? 0 : task == ML_TASK_BINARY ? 2 : 3));
	for (int i = 0; i < 2; i++)
	{
		Sample		other = s;
		MlModel    *same;

		/* more than two numbers are estimated by those who can */
		if (task == ML_TASK_REGRESSION ||
			(task == ML_TASK_MULTICLASS && (kinds[i] == ML_TARGET_BOOLEAN || (algorithm->tasks & ML_TASK_REGRESSION))))
			continue;
		other.target_kind = kinds[i];
		same = train_model(ctx, &other, algorithm, params, NULL);
		CHECK(same->signature->target_kind == kinds[i]);
		CHECK(same_scores(ctx, model, same, &s));
		CHECK(strcmp(same->signature->class_labels[1], kinds[i] == ML_TARGET_BOOLEAN ? "true" : "1") == 0);
	}
}

static void
test_target_kinds(MlContext *ctx)
{
	(void) ctx;
	for_each(check_target_kinds);
}

/* ---------------------------------------------------------------- parameters */

/* {"name": value} */
static const char *
one_param(MlContext *ctx, const MlParam *p, const char *value)
{
	return ml_format(ctx, "{\"%s\": %s}", p->name, value);
}

static const char *
number(MlContext *ctx, const MlParam *p, double value)
{
	return one_param(ctx, p, p->type == ML_PARAM_INT ? ml_format(ctx, "%.0f", value) : ml_format(ctx, "%.17g", value));
}

/* A value that is for another task, another target or other parameters says so; any other works. */
static bool
refuses_value(MlContext *ctx, const MlAlgorithm *algorithm, const char *params, const Sample *s)
{
	jmp_buf    *outer = unit_entry;
	jmp_buf		inner;
	volatile bool refused = false;

	if (setjmp(inner) == 0)
	{
		unit_entry = &inner;
		(void) train_model(ctx, s, algorithm, params, NULL);
	}
	else
	{
		refused = true;
		CHECK(unit_error.code == ML_ERROR_INVALID_PARAMETER || unit_error.code == ML_ERROR_INVALID_DATA);
		CHECK(unit_error.detail[0] != '\0');
	}
	unit_entry = outer;
	return refused;
}

/* Values at the bounds work. */
static void
check_bounds(MlContext *ctx, const MlAlgorithm *algorithm, const MlParam *p, const Sample *s)
{
	const char *values[64];
	size_t		n = 0;
	size_t		refused = 0;

	if (p->type == ML_PARAM_JSON || p->type == ML_PARAM_COLUMN)
		values[n++] = one_param(ctx, p, "null");
	else if (p->type == ML_PARAM_BOOL)
	{
		values[n++] = one_param(ctx, p, "false");
		values[n++] = one_param(ctx, p, "true");
	}
	else if (p->type == ML_PARAM_ENUM)
		for (; n < 64 && p->choices[n] != NULL; n++)
			values[n] = one_param(ctx, p, ml_format(ctx, "\"%s\"", p->choices[n]));
	else
	{
		double		low = !p->min_exclusive ? p->min : p->type == ML_PARAM_INT ? p->min + 1 : nextafter(p->min, INFINITY);

		values[n++] = number(ctx, p, low);
		values[n++] = number(ctx, p, p->max);
	}
	for (size_t i = 0; i < n; i++)
	{
		MlModel    *model;

		if (refuses_value(ctx, algorithm, values[i], s))
		{
			CHECK(i > 0 && ++refused < n);
			continue;
		}
		model = train_model(ctx, s, algorithm, values[i], NULL);
		if (!unit_result(sane_scores(model, sample_score(ctx, model, s, ML_BLOCK_ROWS), s->rows), __FILE__, __LINE__,
						 "scores are not sane with %s", values[i]))
			return;
	}
}

/* A parse that raises, or that raises ML_ERROR_INTERNAL when the number came through as it is. */
static void
big_param(MlContext *ctx, const MlAlgorithm *algorithm, const MlParam *p, const char *value)
{
	const void *params = ml_params_parse(ctx, algorithm, one_param(ctx, p, value));

	if (p->type == ML_PARAM_REAL && *(const double *) ((const char *) params + p->offset) == strtod(value, NULL))
		ml_raise(ctx, ML_ERROR_INTERNAL, "as it is");
}

/* Values past the bounds, of the wrong type, or none of the choices are errors. */
static void
check_refused(MlContext *ctx, const MlAlgorithm *algorithm, const MlParam *p)
{
	static const char *const never[] = {"null", "[]", "{}", "[1]"};

	/* what may stand there is the learner's own to say */
	if (p->type == ML_PARAM_JSON || p->type == ML_PARAM_COLUMN)
		return;
	/* null is what a learner chooses, where it does */
	for (size_t i = isnan(p->default_value); i < sizeof never / sizeof never[0]; i++)
	{
		CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_params_parse(ctx, algorithm, one_param(ctx, p, never[i])));
		CHECK(strstr(unit_error.message, p->name) != NULL && strcmp(unit_error.hint, p->help) == 0);
	}
	if (p->type != ML_PARAM_BOOL)
		CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_params_parse(ctx, algorithm, one_param(ctx, p, "true")));
	if (p->type == ML_PARAM_BOOL || p->type == ML_PARAM_ENUM)
		CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_params_parse(ctx, algorithm, one_param(ctx, p, "1")));
	else
		CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_params_parse(ctx, algorithm, one_param(ctx, p, "\"1\"")));
	if (p->type == ML_PARAM_ENUM)
	{
		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, algorithm, one_param(ctx, p, "\"\"")));
		CHECK(unit_error.hint[0] != '\0');
	}
	if (p->type == ML_PARAM_INT)
		CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_params_parse(ctx, algorithm, number(ctx, &(MlParam) {.name = p->name}, p->default_value + 0.5)));
	if (p->type != ML_PARAM_INT && p->type != ML_PARAM_REAL)
		return;
	if (p->min > -DBL_MAX)
	{
		double		below = p->min_exclusive ? p->min : p->type == ML_PARAM_INT ? p->min - 1 : nextafter(p->min, -INFINITY);

		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, algorithm, number(ctx, p, below)));
		CHECK(unit_error.detail[0] != '\0');
	}
	/* an integer written out in full keeps its size */
	CHECK_RAISES(ctx, p->max < 1e39 ? ML_ERROR_INVALID_PARAMETER : ML_ERROR_INTERNAL,
				 (big_param(ctx, algorithm, p, "1000000000000000000000000000000000000000"), 0));
	if (p->max < DBL_MAX)
	{
		double		above = p->type == ML_PARAM_INT ? p->max + 1 : nextafter(p->max, INFINITY);

		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, algorithm, number(ctx, p, above)));
		CHECK(unit_error.detail[0] != '\0');
	}
}

static void
check_params(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 60,.task = task};
	const MlParam *p;

	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, ml_params_parse(ctx, algorithm, "{\"no_such_parameter\": 1}"));
	CHECK(strstr(unit_error.message, "\"no_such_parameter\"") != NULL && strstr(unit_error.message, algorithm->name) != NULL);
	CHECK(algorithm->params[0].name == NULL || strstr(unit_error.hint, algorithm->params[0].name) != NULL);
	for (p = algorithm->params; p->name != NULL; p++)
	{
		CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, ml_params_parse(ctx, algorithm, ml_format(ctx, "{\"%sx\": 1}", p->name)));
		CHECK(strstr(unit_error.hint, p->name) != NULL);
		check_refused(ctx, algorithm, p);
		check_bounds(ctx, algorithm, p, &s);
	}
}

static void
test_params(MlContext *ctx)
{
	(void) ctx;
	for_all(check_params);
}

/* What is stored of the parameters is what was given, and reads back. */
static void
check_stored_params(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = PLAIN,.rows = 60,.task = task};
	MlTrainResult *result = sample_train(ctx, &s, algorithm, NULL, NULL);
	json_object *stored = ml_json_object(ctx, result->params_json, "params");
	MlTrainResult *again = sample_train(ctx, &s, algorithm, result->params_json, NULL);
	int			n = 0;

	for (; algorithm->params[n].name != NULL; n++)
		CHECK(json_object_object_get_ex(stored, algorithm->params[n].name, NULL));
	CHECK(json_object_object_length(stored) == n);
	CHECK(same_bytes(result, again));
	/* stored out of range: corrupted */
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (p->type == ML_PARAM_REAL && p->min > -DBL_MAX)
		{
			MlWriter   *w = ml_writer_create(ctx);
			size_t		size;

			for (const MlParam *o = algorithm->params; o->name != NULL; o++)
				if (o->type == ML_PARAM_REAL)
					ml_write_double(w, o->name, o == p ? o->min - 1 : o->default_value);
				else if (o->type == ML_PARAM_INT)
					ml_write_int(w, o->name, (int64_t) o->default_value);
				else if (o->type == ML_PARAM_BOOL)
					ml_write_bool(w, o->name, o->default_value != 0);
				else if (o->type != ML_PARAM_ENUM)
					ml_write_null(w, o->name);
				else
					ml_write_string(w, o->name, o->choices[(int) o->default_value]);
			CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_params_read(ctx, algorithm, ml_document_root(ml_writer_finish(w, &size))));
		}
}

static void
test_stored_params(MlContext *ctx)
{
	(void) ctx;
	for_all(check_stored_params);
}

/* ---------------------------------------------------------------- determinism */

static MlTrainResult *
train_split(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm, uint64_t seed)
{
	MlTrainSpec spec = sample_spec(ctx, s, algorithm);
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);

	spec.split = (MlSplit) {.kind = ML_SPLIT_STRATIFIED,.test_size = 0.25,.seed = seed};
	ml_pipeline_train(ctx, sample_table(ctx, s), &spec, result);
	return result;
}

static void
check_seed(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 600,.task = task};
	Sample		backwards = s;
	const char *name = task == ML_TASK_REGRESSION ? "rmse" : "log_loss";
	MlTrainResult *one = train_split(ctx, &s, algorithm, 42);
	MlTrainResult *two = train_split(unit_context(1), &s, algorithm, 42);
	MlTrainResult *other = train_split(ctx, &s, algorithm, 43);
	MlTrainResult *turned;

	CHECK(same_bytes(one, two));
	CHECK(one->held_out && one->n_train + one->n_test == 600 && one->n_test >= 148 && one->n_test <= 152);
	/* another seed holds out other rows (of which a stratified split has the same shares) */
	if (!algorithm->no_features)
		CHECK(metric(one->metrics, one->nmetrics, name) != metric(other->metrics, other->nmetrics, name));
	/* the split goes by what rows say, not by where they stand */
	backwards.backwards = true;
	turned = train_split(ctx, &backwards, algorithm, 42);
	CHECK(turned->digest.sum == one->digest.sum && turned->digest.sum_inverse == one->digest.sum_inverse);
	CHECK(turned->n_test == one->n_test);
	CHECK_NEAR(metric(turned->baseline, turned->nbaseline, name), metric(one->baseline, one->nbaseline, name), 1e-9);
}

static void
test_seed(MlContext *ctx)
{
	(void) ctx;
	for_each(check_seed);
}

static void
check_threads(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	static const int threads[] = {2, 4, 8};
	Sample		s = {.features = "nmcv",.rows = 20000,.task = task};
	MlTrainResult *one = sample_train(ctx, &s, algorithm, NULL, NULL);

	for (int i = 0; i < 3; i++)
		CHECK(same_bytes(one, sample_train(unit_context(threads[i]), &s, algorithm, NULL, NULL)));
}

static void
test_threads(MlContext *ctx)
{
	(void) ctx;
	for_all(check_threads);
}

/* Columns in another order are the same columns. */
static void
check_feature_order(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = "nmibcdv",.rows = 500,.task = task};
	Sample		turned = {.features = "vdcbimn",.rows = 500,.task = task};

	const char *params = whole_rows(algorithm);

	CHECK(score_difference(ctx, train_model(ctx, &s, algorithm, params, NULL),
						   train_model(ctx, &turned, algorithm, params, NULL), &s) < 1e-6);
}

static void
test_feature_order(MlContext *ctx)
{
	(void) ctx;
	for_each(check_feature_order);
}

/* ---------------------------------------------------------------- weights */

static void
check_weights(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	const char *params = whole_rows(algorithm);
	static const char unscaled[] = "{\"scale\": \"none\"}";
	Sample		s = {.features = PLAIN,.rows = 300,.task = task};
	Sample		other = s;		/* rows that no learner has by heart */
	Sample		one = s;
	Sample		two = s;
	Sample		twice = s;
	Sample		varied = s;
	Sample		zero = {.features = "ni",.rows = 300,.task = task,.weights = WEIGHTS_ZERO};
	Sample		without = {.features = "ni",.rows = 300,.task = task,.skip_thirds = true};
	MlModel    *plain = train_model(ctx, &s, algorithm, params, NULL);
	MlModel    *doubled;

	other.first = 5000;
	one.weights = WEIGHTS_ONE;
	two.weights = WEIGHTS_TWO;
	twice.repeat = 2;
	varied.weights = WEIGHTS_VARIED;
	CHECK(score_difference(ctx, plain, train_model(ctx, &one, algorithm, params, NULL), &s) < 1e-9);
	doubled = train_model(ctx, &twice, algorithm, params, NULL);
	CHECK(score_difference(ctx, doubled, train_model(ctx, &two, algorithm, params, NULL), &s) < 1e-6);
	CHECK(score_difference(ctx, plain, train_model(ctx, &varied, algorithm, params, NULL), &other) > 1e-6);
	/* a row that weighs nothing is not there */
	CHECK(score_difference(ctx, train_model(ctx, &without, algorithm, params, unscaled),
						   train_model(ctx, &zero, algorithm, params, unscaled), &s) < 1e-6);
}

static void
test_weights(MlContext *ctx)
{
	(void) ctx;
	for_each(check_weights);
}

/* ---------------------------------------------------------------- cancel, memory */

/* Cancel at every check there is, or at about sixty of them: the call ends there, and nothing is left of it. */
static void
check_cancel(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	enum {MANY = 1000000};
	Sample		s = {.features = ALL_KINDS,.rows = 1500,.task = task};
	MlTrainResult *whole;
	long		checks;

	unit_cancel_after(ctx, MANY);
	whole = sample_train(ctx, &s, algorithm, NULL, NULL);
	checks = MANY - ((UnitHost *) ctx->host)->checks_left;
	CHECK(checks > 0);
	for (long k = 0; k < checks; k += 1 + checks / 60)
	{
		const UnitHost *last = unit_hosts;
		MlContext  *canceled = unit_context(k % 2 == 0 ? 1 : 3);

		unit_cancel_after(canceled, k);
		CHECK_RAISES(canceled, ML_ERROR_INTERNAL, sample_train(canceled, &s, algorithm, NULL, NULL));
		CHECK(strcmp(unit_error.message, "canceled") == 0);
		unit_release_since(last);
	}
	/* and the next call is as if there had been none before */
	CHECK(same_bytes(whole, sample_train(unit_context(3), &s, algorithm, NULL, NULL)));
}

static void
test_cancel(MlContext *ctx)
{
	(void) ctx;
	for_all(check_cancel);
}

static void
check_memory(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task)
{
	Sample		s = {.features = ALL_KINDS,.rows = 4000,.task = task};
	MlTrainResult *whole = sample_train(ctx, &s, algorithm, NULL, NULL);
	size_t		peak = ctx->peak_memory;
	MlContext  *enough = unit_context(1);

	CHECK(peak > 100000);
	for (size_t sixteenths = 0; sixteenths < 15; sixteenths++)
	{
		const UnitHost *last = unit_hosts;
		MlContext  *limited = unit_context(1);

		limited->max_memory = peak / 16 * sixteenths + 1;
		CHECK_RAISES(limited, ML_ERROR_MEMORY, sample_train(limited, &s, algorithm, NULL, NULL));
		CHECK(unit_error.detail[0] != '\0' && unit_error.hint[0] != '\0');
		unit_release_since(last);
	}
	enough->max_memory = peak;
	CHECK(same_bytes(whole, sample_train(enough, &s, algorithm, NULL, NULL)));
}

static void
test_memory(MlContext *ctx)
{
	(void) ctx;
	for_all(check_memory);
}

UNIT_MAIN(test_table, test_round_trip, test_payload, test_rows_and_blocks, test_coefficients, test_beats_baseline,
		  test_nulls, test_not_finite, test_dropped, test_unseen, test_few_rows, test_one_value, test_target_kinds,
		  test_params, test_stored_params, test_seed, test_threads, test_feature_order, test_weights, test_cancel, test_memory)
