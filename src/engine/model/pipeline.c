/*
 * The path of every training: rows -> split -> preparation -> learner -> metrics -> bytes.
 */
#include "model/pipeline.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/threads.h"
#include "learn/composites.h"
#include "learn/forest.h"
#include "learn/learners.h"
#include "model/assemble.h"
#include "model/automatic.h"
#include "model/conformal.h"
#include "model/folds.h"
#include "model/leaks.h"
#include "model/retrain.h"
#include "model/split.h"
#include "model/training.h"

#define SMALL_CATEGORIES 254	/* of a feature, for learners of trees, where those of few rows are among them */

/* ---- options ---- */

void
ml_prep_options_parse(MlContext *ctx, const MlAlgorithm *algorithm, const void *params,
					  const char *json, MlPrepOptions *options)
{
	bool		native = algorithm->native_inputs;

	*options = (MlPrepOptions)
	{
		.missing_indicator = !native,.max_categories = 100,.min_frequency = 0.001,.native = native
	};
	/* a level costs trees a bin and not a column */
	if (native)
	{
		options->max_categories = algorithm->usual_categories;
		options->max_small = SMALL_CATEGORIES;
		options->min_frequency = 0;
	}
	ml_prep_options_read(ctx, json, algorithm->name, algorithm->wants_scaling != NULL &&
						 algorithm->wants_scaling(params), options);
	/* with "(other)" no more than it tells apart */
	if (native && options->max_categories >= algorithm->most_levels)
		options->max_categories = algorithm->most_levels - 1;
}

/* ---- scoring rows of the table ---- */

typedef struct ScoreJob
{
	const MlModel *model;
	const MlDesign *design;
	double	   *out;			/* [outputs][n] */
	double	   *x;				/* [threads][p * ML_BLOCK_ROWS] */
} ScoreJob;

static void
score_piece(void *arg, size_t begin, size_t end, int worker)
{
	ScoreJob   *job = arg;
	double	   *x = job->x + (size_t) worker * ((size_t) job->design->columns * ML_BLOCK_ROWS + 1);

	for (; begin < end; begin += ML_BLOCK_ROWS)
	{
		size_t		n = end - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : end - begin;

		if (!job->model->algorithm->no_features)
			job->design->read(job->design, begin, n, x, n);
		job->model->algorithm->score(job->model->loaded, x, n, n, job->out + begin, job->design->rows);
	}
}

/* What a model says of a design's rows. */
static double *
score_design(MlContext *ctx, const MlModel *model, const MlDesign *design)
{
	size_t		outputs = (size_t) ml_model_outputs(model);
	ScoreJob	job = {.model = model,.design = design};

	job.out = ml_alloc_array(ctx, outputs * design->rows + 1, sizeof(double));
	job.x = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * ((size_t) design->columns * ML_BLOCK_ROWS + 1),
						   sizeof(double));
	ml_parallel_for(ctx, design->rows, 16 * ML_BLOCK_ROWS, score_piece, &job);
	ml_free(ctx, job.x);
	return job.out;
}

/* Metrics of classes of which the model knows some only: the others have probability 0. */
static int
measure_whole(MlContext *ctx, const MlTarget *whole, const MlDecision *decision, const MlDesign *design,
			  const double *out, MlMetric *metrics)
{
	size_t		n = design->rows;
	double	   *probabilities = ml_alloc_array_zero(ctx, (size_t) whole->all_classes * n + 1, sizeof(double));
	double	   *actual = ml_alloc_array(ctx, n + 1, sizeof(double));
	int			count;

	for (int k = 0; k < design->classes; k++)
		memcpy(probabilities + (size_t) whole->of_class[k] * n, out + (size_t) k * n, n * sizeof(double));
	for (size_t i = 0; i < n; i++)
		actual[i] = design->target[i] < 0 ? -1 - design->target[i] : whole->of_class[(int) design->target[i]];
	count = ml_metrics_decided(ctx, decision, whole->all_classes, actual, probabilities, design->weight, n, metrics);
	ml_free(ctx, actual);
	ml_free(ctx, probabilities);
	return count;
}

/* Metrics of what a model says of a design's rows, which is freed. */
static int
measure(MlContext *ctx, const Training *t, const MlDecision *decision, const MlDesign *design, double *out,
		MlMetric *metrics)
{
	int			n;

	if (t->whole != NULL)
		n = measure_whole(ctx, t->whole, decision, design, out, metrics);
	else if (design->task == ML_TASK_RANKING)
		n = ml_metrics_ranking(ctx, design->target, out, design->group, design->rows, metrics);
	else if (design->task == ML_TASK_REGRESSION)
		n = ml_metrics_regression(ctx, design->target, out, design->weight, design->rows, metrics);
	else
		n = ml_metrics_decided(ctx, decision, design->classes, design->target, out, design->weight, design->rows,
							   metrics);
	ml_free(ctx, out);
	return n;
}

/* ---- rows and learners ---- */

/* NaN or infinity in a feature: say which columns and how many values. */
static void
check_features(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec)
{
	for (int f = 0; f < spec->nfeatures; f++)
	{
		const MlColumn *c = table->columns[f];

		if (c->nonfinite > 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "feature column \"%s\" contains NaN or infinity",
																c->name),
						  ml_format(ctx, "%zu of %zu values are not finite.", c->nonfinite,
									c->rows * (size_t) c->width),
						  "Replace the values, for example by NULL, which is a missing value.");
	}
}

/* The values of the column that orders or flags the rows. */
static double *
read_order(MlContext *ctx, const Training *t, const MlTarget *target)
{
	const MlColumn *column = t->table->columns[t->spec->split_column];
	double	   *order = ml_alloc_array(ctx, target->n + 1, sizeof(double));

	ml_column_read(column, 0, target->rows, 0, target->n, order);
	for (size_t i = 0; i < target->n && t->spec->split.kind == ML_SPLIT_LAST; i++)
		if (order[i] != order[i])
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "column \"%s\" that orders the rows has NULLs or NaNs", column->name),
						  NULL, "Every row needs its place in time: filter these rows out.");
	return order;
}

/* Mark the sides of the rows, of which each has a hash. */
static void
mark_sides(MlContext *ctx, const Training *t, const MlTarget *target, const uint64_t *hashes, uint8_t *test)
{
	const MlTrainSpec *spec = t->spec;
	const MlSplit *split = &spec->split;
	const double *klass = ml_task_is_number(target->task) ? NULL : target->values;
	const MlGroups *groups = t->groups;
	double	   *order = NULL;

	if (split->kind == ML_SPLIT_LAST || split->kind == ML_SPLIT_COLUMN)
		order = read_order(ctx, t, target);
	if (split->kind == ML_SPLIT_GROUP)
	{
		groups = ml_groups_read(ctx, t->table, spec->split_column, target->rows, target->n);
		if (groups->count < 2)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "all rows have the same \"%s\"", t->table->columns[spec->split_column]->name),
						  "A group is held out whole, and another must be left to learn from.", NULL);
	}
	if (split->folds > 0)
		ml_fold_mark(ctx, split,
					 &(MlFoldRows) {target->rows, target->n, klass, target->nclasses, target->labels, hashes, order,
									groups},
					 test);
	else if (groups != NULL && (split->kind == ML_SPLIT_STRATIFIED || split->kind == ML_SPLIT_RANDOM ||
								split->kind == ML_SPLIT_GROUP))
		ml_groups_mark(ctx, groups, split, target->rows, target->n, test);
	else
		ml_split_mark(ctx, split, target->rows, target->n, klass, target->nclasses, hashes, order, test);
	ml_free(ctx, order);
}

/* Divide the rows, of which each has a hash, and drop classes that only held-out rows have. */
static uint8_t *
split_rows(MlContext *ctx, const Training *t, MlTarget *target, const uint64_t *hashes)
{
	const MlTable *table = t->table;
	const MlTrainSpec *spec = t->spec;
	uint8_t    *test = ml_alloc_zero(ctx, table->rows + 1);
	uint8_t    *training;
	size_t		n_train = 0;

	/* after a cross-validation all rows are learned from */
	if (spec->nfolds == 0)
		mark_sides(ctx, t, target, hashes, test);
	training = ml_alloc(ctx, target->n + 1);
	for (size_t i = 0; i < target->n; i++)
	{
		training[i] = test[target->rows[i]] == ML_SIDE_TRAIN;
		n_train += training[i];
	}
	if (n_train == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "there are no rows to train on", "Every row is held out.",
					  spec->split.has_after ? "Choose a later value for \"after\" of validation." :
					  "Check the column named in validation.");
	if ((spec->split.kind == ML_SPLIT_COLUMN || spec->split.has_after) && n_train == target->n && !t->quiet)
		ctx->warn(ctx, ml_format(ctx, "column \"%s\" of validation holds out no row",
								 table->columns[spec->split_column]->name),
				  "The metrics are those of the training rows.");
	/* a random split of a ranking keeps groups whole */
	if ((spec->split.kind == ML_SPLIT_STRATIFIED || spec->split.kind == ML_SPLIT_RANDOM) && spec->nfolds == 0 &&
		t->groups != NULL && t->groups->count < 2 && !t->quiet)
		ctx->warn(ctx, "there is only one group, so no row is held out", "The metrics are those of the training rows.");
	if (spec->target >= 0 && spec->retrain == NULL)
		ml_target_restrict(ctx, target, training, table->columns[spec->target]->name);
	ml_free(ctx, training);
	return test;
}

/* Fit one learner over the training rows and open what it wrote for scoring. */
static MlModel *
fit_learner(MlContext *ctx, const MlAlgorithm *algorithm, const void *params, const MlRetrain *retrain,
			const MlDesign *design, const MlSignature *signature, const MlPrep *prep, MlSectionBytes *payload)
{
	MlModel    *model = ml_alloc_zero(ctx, sizeof *model);
	MlWriter   *w = ml_writer_create(ctx);

	if (retrain != NULL)
		ml_retrain_fit(ctx, retrain, design, params, w);
	else
		algorithm->fit(ctx, design, params, w);
	payload->bytes = ml_writer_finish(w, &payload->size);
	model->algorithm = algorithm;
	model->signature = signature;
	model->prep = prep;
	model->params = params;
	ml_model_shape(model);
	model->loaded = algorithm->load(ctx, ml_document_root(payload->bytes), &model->shape);
	return model;
}

/* Raises where a parameter names a column that the caller has not provided. */
static void
check_columns(MlContext *ctx, const MlAlgorithm *algorithm, const void *params, const MlTrainSpec *spec)
{
	const MlParam *param;

	for (MlColumnRole role = ML_ROLE_GROUP; role <= ML_ROLE_START; role++)
		if (ml_params_column(algorithm, params, role, &param) != NULL &&
			(role == ML_ROLE_GROUP ? spec->group : spec->start) < 0)
			ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, ml_format(ctx,
															   "parameter \"%s\" names a column, which cannot be read "
															   "here", param->name),
						  NULL, "Use ml_train with the algorithm named.");
}

/* Keep what rows held out tell of errors to come. */
static void
keep_scores(MlContext *ctx, const MlDesign *held_out, const double *out, MlTrainResult *result)
{
	size_t		n = held_out->rows;

	result->scores = ml_alloc_array(ctx, n + 1, sizeof(double));
	if (!ml_conformal_scores(held_out->task, held_out->target, out, n, result->scores))
	{
		result->scores = NULL;
		return;
	}
	result->actual = ml_alloc_array(ctx, n + 1, sizeof(double));
	memcpy(result->actual, held_out->target, n * sizeof(double));
	result->nscores = n;
	if (held_out->weight == NULL)
		return;
	result->weights = ml_alloc_array(ctx, n + 1, sizeof(double));
	memcpy(result->weights, held_out->weight, n * sizeof(double));
}

/* Which class is predicted: as asked for, as the model before decided, or NULL for the most probable one. */
static const MlDecision *
find_decision(MlContext *ctx, const Training *t, const MlDesign *scored, bool held_out, const double *out)
{
	const MlTarget *whole = t->whole;
	MlDecision *decision;

	if (t->spec->decision == NULL)
		return t->spec->retrain != NULL ? t->spec->retrain->from->decision : NULL;
	decision = ml_decision_parse(ctx, t->spec->decision, whole != NULL ? whole->all_labels : t->signature->class_labels,
								 whole != NULL ? whole->all_classes : t->signature->nclasses);
	if (decision->chosen_for != NULL && !held_out && t->spec->nfolds == 0)
		ctx->warn(ctx, ml_format(ctx, "the threshold for \"%s\" is chosen on the training rows", decision->chosen_for),
				  "No rows are held out, so it suits rows that the model has seen better than new ones.");
	if (decision->chosen_for != NULL)
		ml_decision_choose(ctx, decision, scored->target, out + scored->rows, scored->weight, scored->rows);
	return decision;
}

/* Fit the baseline and the learner and score both. */
static void
fit_and_score(MlContext *ctx, const Training *t, const MlDesign *design, const MlDesign *scored, MlAssembly *assembly,
			  MlTrainResult *result)
{
	MlModel    *model = fit_learner(ctx, assembly->algorithm, assembly->params, t->spec->retrain, design, t->signature,
									   t->prep, &assembly->payload);
	MlSectionBytes payload;
	const MlModel *baseline;
	const MlDecision *decision;
	double	   *out;

	/* without a target there is nothing to compare with */
	if (design->task == ML_TASK_ANOMALY)
		return;
	ml_progress(ctx, "scoring", 0, 0, NAN);
	out = score_design(ctx, model, scored);
	if (scored != design)
		keep_scores(ctx, scored, out, result);
	decision = find_decision(ctx, t, scored, scored != design, out);
	/* that of all classes fits no model of some */
	if (t->whole == NULL)
		result->decision = decision;
	result->nmetrics = measure(ctx, t, decision, scored, out, result->metrics);
	baseline = fit_learner(ctx, &ml_baseline, NULL, NULL, design, t->signature, t->prep, &payload);
	result->nbaseline = measure(ctx, t, NULL, scored, score_design(ctx, baseline, scored), result->baseline);
}

/* ---- the sample that bins are made from ---- */

/* Choose the training rows that stand for all in a table that holds its values; false where none do. */
static bool
choose_sample(MlContext *ctx, const Training *t, const MlTarget *target, const uint64_t *hashes, const uint8_t *test,
			  MlSampledRows *sampled)
{
	int			slots = 0;
	MlRowSample *sample;
	bool		found;

	if (!target->algorithm->native_inputs)
		return false;
	for (int f = 0; f < t->spec->nfeatures; f++)
		slots += t->table->columns[f]->width;
	sample = ml_row_sample_create(ctx, t->spec, slots, 0);
	for (size_t i = 0; i < target->n; i++)
	{
		ml_row_sample_offer(ctx, sample, t->table, t->spec, target->rows[i], hashes[target->rows[i]]);
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
	}
	found = ml_row_sample_close(ctx, sample, t->table, t->spec, target, hashes, test, sampled);
	ml_row_sample_free(ctx, sample);
	return found;
}

/* ---- rows and their sides ---- */

/* What a training finds out of its rows before it prepares their values. */
typedef struct Rows
{
	MlTarget	target;
	MlPrepOptions options;
	void	   *params;
	uint8_t    *test;			/* by row of the table: its side, ML_SIDE_... */
	uint64_t   *apart;			/* by row of the table: hashes in which copies differ; NULL = those that there are do */
} Rows;

/* Check columns and parameters, read the target and split the rows, each of which has a hash. */
static void
find_rows(MlContext *ctx, Training *t, const uint64_t *hashes, Rows *rows)
{
	const MlTrainSpec *spec = t->spec;
	unsigned	tasks = 0;

	memset(rows, 0, sizeof *rows);
	ml_progress(ctx, "preparing", 0, 0, NAN);
	check_features(ctx, t->table, spec);
	if (spec->algorithm != NULL)
	{
		rows->params = ml_params_parse(ctx, spec->algorithm, spec->params);
		tasks = ml_params_tasks(spec->algorithm, rows->params);
	}
	ml_target_read(ctx, t->table, spec, tasks, &rows->target);
	/* its values are had by now */
	if (t->stream != NULL && spec->target >= 0)
		ml_column_empty(ctx, t->table->columns[spec->target]);
	if (rows->params == NULL)
	{
		ml_auto_check_params(ctx, rows->target.algorithm, spec->params);
		rows->params = ml_params_parse(ctx, rows->target.algorithm, spec->params);
	}
	check_columns(ctx, rows->target.algorithm, rows->params, spec);
	ml_prep_options_parse(ctx, rows->target.algorithm, rows->params, spec->preprocess, &rows->options);
	if (spec->group >= 0)
		t->groups = ml_groups_read(ctx, t->table, spec->group, rows->target.rows, rows->target.n);
	t->by_group = t->groups != NULL;
	if (spec->retrain != NULL)
	{
		ml_retrain_features(ctx, spec->retrain->from, t->table);
		ml_retrain_target(ctx, spec, spec->target >= 0 ? t->table->columns[spec->target]->name : "", &rows->target);
	}
	ml_check(ctx);
	/* where rows are neither divided nor judged nobody asks which copy is which */
	if (spec->split.kind != ML_SPLIT_NONE || spec->target >= 0)
		rows->apart = ml_split_apart(ctx, hashes, t->table->rows);
	if (rows->apart != NULL)
		hashes = rows->apart;
	rows->test = split_rows(ctx, t, &rows->target, hashes);
	if (spec->sampling != ML_SAMPLING_NONE)
		ml_resample_check(ctx, t->table, spec, &rows->target);
	if (spec->sampling == ML_SAMPLING_UNDER)
		ml_resample_under(ctx, spec, &rows->target, hashes, rows->test);
	ml_check(ctx);
}

static void
free_rows(MlContext *ctx, Training *t, Rows *rows)
{
	ml_free(ctx, rows->test);
	ml_free(ctx, rows->apart);
	ml_free(ctx, rows->target.rows);
	ml_free(ctx, rows->target.values);
	if (t->groups == NULL)
		return;
	ml_free(ctx, t->groups->of_row);
	ml_free(ctx, t->groups->hash);
	ml_free(ctx, t->groups->rows);
	t->groups = NULL;
}

/* ---- streams ---- */

/* Fit the preparation to the training rows of a survey. */
static void
plan_preparation(MlContext *ctx, Training *t, const Rows *rows, const MlSampledRows *sampled)
{
	uint32_t   *training = ml_alloc_array(ctx, rows->target.n + 1, sizeof(uint32_t));
	size_t		n = 0;

	for (size_t i = 0; i < rows->target.n; i++)
		if (rows->test[rows->target.rows[i]] == ML_SIDE_TRAIN)
			training[n++] = rows->target.rows[i];
	t->signature = training_signature(ctx, t, &rows->target);
	training_fit_preparation(ctx, t, &rows->options, ml_stream_moments(t->stream, sampled), training, n, NULL);
	ml_free(ctx, training);
}

bool
ml_pipeline_plan(MlContext *ctx, MlStream *stream)
{
	Training	t = {.table = stream->table,.spec = stream->spec,.stream = stream,.quiet = true};
	Rows		rows;
	MlSampledRows sampled;
	bool		found;

	if (stream->phase != ML_STREAM_SURVEY)
		return false;
	find_rows(ctx, &t, stream->hashes, &rows);
	found = ml_row_sample_close(ctx, stream->sample, t.table, t.spec, &rows.target, stream->hashes, rows.test,
								&sampled);
	if (found)
	{
		if (rows.target.values != NULL)
			ml_leaks_warn_sampled(ctx, t.table, t.spec, &rows.target, stream->sample, stream->first_slot, &sampled);
		plan_preparation(ctx, &t, &rows, &sampled);
	}
	free_rows(ctx, &t, &rows);
	if (found)
		ml_stream_rewind(stream, t.prep, &sampled);
	else
		ml_stream_reload(stream);
	ml_sampled_rows_free(ctx, &sampled);
	return true;
}

/* Let the designs read the bytes of a stream instead of the table. */
static void
attach_bytes(MlContext *ctx, MlStream *stream, DesignSource sources[2], MlDesign designs[2])
{
	uint32_t   *rows[2] = {sources[0].rows, sources[1].rows};
	size_t		n[2] = {designs[0].rows, designs[1].rows};
	MlBins	   *bins[2] = {&sources[0].bins, &sources[1].bins};

	ml_stream_divide(stream, rows, n, bins);
	for (int side = 0; side < 2; side++)
	{
		designs[side].bins = &sources[side].bins;
		designs[side].read = training_read_bytes;
		ml_free(ctx, sources[side].rows);
	}
}

/* ---- the whole ---- */

/* Choose the threshold anew from what the folds said of the rows they held out. */
static void
decide_by_folds(MlContext *ctx, MlTrainResult *result)
{
	MlDecision *decision = ml_alloc(ctx, sizeof *decision);
	double	   *p = ml_alloc_array(ctx, result->nscores + 1, sizeof(double));

	*decision = *result->decision;
	/* a score is 1 - the probability of the class that the row is of */
	for (size_t i = 0; i < result->nscores; i++)
		p[i] = result->actual[i] > 0.5 ? 1 - result->scores[i] : result->scores[i];
	ml_decision_choose(ctx, decision, result->actual, p, result->weights, result->nscores);
	result->decision = decision;
	ml_free(ctx, p);
}

/* What a model that learned from all rows showed on rows held out is what the folds before it showed. */
static void
take_folds(MlContext *ctx, const MlTrainSpec *spec, MlTrainResult *result)
{
	result->nmetrics = ml_folds_mean(spec->folds, spec->nfolds, false, result->metrics, NULL);
	result->nbaseline = ml_folds_mean(spec->folds, spec->nfolds, true, result->baseline, NULL);
	result->held_out = true;
	result->n_test = 0;
	for (int f = 0; f < spec->nfolds; f++)
		if (spec->folds[f].repeat == 0)
			result->n_test += spec->folds[f].n_test;
	if (spec->folds[0].scores == NULL)
		return;
	result->scores = ml_alloc_array(ctx, result->n_test + 1, sizeof(double));
	result->actual = ml_alloc_array(ctx, result->n_test + 1, sizeof(double));
	if (spec->folds[0].weights != NULL)
		result->weights = ml_alloc_array(ctx, result->n_test + 1, sizeof(double));
	for (int f = 0; f < spec->nfolds; f++)
		if (spec->folds[f].repeat == 0)
		{
			memcpy(result->scores + result->nscores, spec->folds[f].scores, spec->folds[f].n_test * sizeof(double));
			memcpy(result->actual + result->nscores, spec->folds[f].actual, spec->folds[f].n_test * sizeof(double));
			if (result->weights != NULL)
				memcpy(result->weights + result->nscores, spec->folds[f].weights,
					   spec->folds[f].n_test * sizeof(double));
			result->nscores += spec->folds[f].n_test;
		}
	/* one that was taken over stays as it is */
	if (spec->decision != NULL && result->decision->chosen_for != NULL)
		decide_by_folds(ctx, result);
}

/* Train on rows that have been split, whose designs know them. */
static void
finish(MlContext *ctx, Training *t, const Rows *rows, MlDesign designs[2], MlTrainResult *result)
{
	const MlAlgorithm *algorithm = rows->target.algorithm;
	MlAssembly	assembly = {
		.algorithm = algorithm,.params = rows->params,.signature = t->signature,.prep = t->prep
	};

	ml_progress(ctx, "fitting", 0, 0, NAN);
	fit_and_score(ctx, t, &designs[0], designs[1].rows > 0 ? &designs[1] : &designs[0], &assembly, result);
	result->algorithm = algorithm;
	result->task = rows->target.task;
	result->held_out = designs[1].rows > 0;
	result->n_train = designs[0].rows - (t->made != NULL ? t->made->n : 0);
	result->n_test = designs[1].rows;
	result->n_skipped = t->table->rows - rows->target.n;
	result->few_values = rows->target.few_values;
	if (t->spec->nfolds > 0)
		take_folds(ctx, t->spec, result);
	ml_assemble(ctx, &assembly, t->spec, result);
}

/* Take the algorithm that does better, where 'auto' leaves that to the rows. */
static void
choose_algorithm(MlContext *ctx, Training *t, const uint64_t *hashes, Rows *rows, MlTrainResult *result)
{
	const MlAutoChoice *choice = ml_auto_choose(ctx, t->table, t->spec, &rows->target, hashes, rows->test);

	result->choice = choice;
	if (choice == NULL || choice->chosen == rows->target.algorithm)
		return;
	rows->target.algorithm = choice->chosen;
	rows->params = ml_params_parse(ctx, choice->chosen, NULL);
	ml_prep_options_parse(ctx, choice->chosen, rows->params, t->spec->preprocess, &rows->options);
}

/*
 * The part of each row of the table, by its content.  Copies are told apart: in one part all of them would be encoded
 * without any of their target.
 */
static uint8_t *
divide_into_parts(MlContext *ctx, const MlTable *table, const uint64_t *hashes)
{
	uint8_t    *folds = ml_alloc(ctx, table->rows + 1);

	for (size_t i = 0; i < table->rows; i++)
		folds[i] = (uint8_t) (ml_mix64(hashes[i] ^ UINT64_C(0x70726570)) % ML_TERM_FOLDS);
	return folds;
}

/* Train on a table whose rows have these hashes, which are freed. */
static void
train(MlContext *ctx, Training *t, uint64_t *hashes, MlTrainResult *result)
{
	Rows		rows;
	MlSampledRows sampled = {0};
	MlBinSample sample;
	DesignSource sources[2];
	MlDesign	designs[2];		/* training, held out */
	const uint64_t *apart;
	bool		found;

	find_rows(ctx, t, hashes, &rows);
	if (t->spec->split.folds > 0 && t->spec->nfolds == 0 && rows.target.of_class != NULL)
		t->whole = &rows.target;
	apart = rows.apart != NULL ? rows.apart : hashes;
	if (rows.options.by_target)
		t->folds = divide_into_parts(ctx, t->table, apart);
	if (t->spec->algorithm == NULL && t->stream == NULL)
		choose_algorithm(ctx, t, apart, &rows, result);
	if (t->spec->sampling == ML_SAMPLING_SMOTE)
		t->made = ml_resample_smote(ctx, t->table, t->spec, &rows.target, apart, rows.test);
	/* a fold is judged once, by the model of all rows; what is learned on was judged before */
	if (t->stream == NULL && (t->spec->split.folds == 0 || t->spec->nfolds > 0) && t->spec->retrain == NULL &&
		rows.target.values != NULL)
		ml_leaks_warn(ctx, t->table, t->spec, &rows.target, apart, rows.test);
	found = t->stream == NULL && choose_sample(ctx, t, &rows.target, hashes, rows.test, &sampled);
	training_design(ctx, t, &rows.target, rows.test, ML_SIDE_TRAIN, &sources[0], &designs[0]);
	training_attach_hashes(ctx, rows.target.algorithm, hashes, &designs[0]);
	if (t->spec->sampling == ML_SAMPLING_OVER)
		designs[0].weight = ml_resample_over(ctx, t->spec, designs[0].classes, designs[0].target, sources[0].rows,
											 apart, designs[0].weight, designs[0].rows);
	ml_free(ctx, hashes);
	training_design(ctx, t, &rows.target, rows.test, ML_SIDE_TEST, &sources[1], &designs[1]);
	free_rows(ctx, t, &rows);
	training_prepare(ctx, t, &rows.target, &rows.options, sources[0].rows, &designs[0]);
	training_attach_preparation(ctx, &designs[0], t);
	training_attach_preparation(ctx, &designs[1], t);
	designs[0].held_out = &designs[1];
	if (t->stream != NULL)
		attach_bytes(ctx, t->stream, sources, designs);
	if (found)
	{
		sample = (MlBinSample) {sampled.n, training_read_sampled(ctx, t, &sampled), sampled.weights};
		designs[0].sample = &sample;
	}
	finish(ctx, t, &rows, designs, result);
}

void
ml_pipeline_train(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, MlTrainResult *result)
{
	Training	t = {.table = table,.spec = spec};

	memset(result, 0, sizeof *result);
	train(ctx, &t, ml_split_hashes(ctx, spec->content != NULL ? spec->content : table, &result->digest), result);
}

void
ml_pipeline_fit_transform(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, MlTrainResult *result)
{
	MlTrainSpec stand_in = *spec;
	Training	t = {.table = table,.spec = &stand_in};
	MlWriter   *w = ml_writer_create(ctx);
	MlAssembly	assembly = {.algorithm = &ml_transform_model,.params = ml_params_parse(ctx, &ml_transform_model, NULL)};
	uint64_t   *hashes;
	Rows		rows;
	DesignSource source;
	MlDesign	design;

	memset(result, 0, sizeof *result);
	/* rows and targets are found as for a learner that takes what there is */
	stand_in.algorithm = spec->target >= 0 ? &ml_baseline : &ml_isolation_forest;
	stand_in.params = stand_in.preprocess = NULL;
	hashes = ml_split_hashes(ctx, table, &result->digest);
	find_rows(ctx, &t, hashes, &rows);
	ml_prep_options_parse(ctx, &ml_transform_model, NULL, spec->preprocess, &rows.options);
	if (rows.options.by_target)
		t.folds = divide_into_parts(ctx, table, hashes);
	training_design(ctx, &t, &rows.target, rows.test, ML_SIDE_TRAIN, &source, &design);
	training_prepare(ctx, &t, &rows.target, &rows.options, source.rows, &design);
	ml_free(ctx, hashes);
	result->algorithm = &ml_transform_model;
	result->task = rows.target.task;
	result->n_train = design.rows;
	result->n_skipped = table->rows - rows.target.n;
	assembly.signature = t.signature;
	assembly.prep = t.prep;
	assembly.payload.bytes = ml_writer_finish(w, &assembly.payload.size);
	ml_assemble(ctx, &assembly, spec, result);
}

uint8_t *
ml_pipeline_held_out(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, MlDigest *digest)
{
	Training	t = {.table = table,.spec = spec,.quiet = true};
	uint64_t   *hashes = ml_split_hashes(ctx, table, digest);
	Rows		rows;
	uint8_t    *test;

	find_rows(ctx, &t, hashes, &rows);
	ml_free(ctx, hashes);
	test = rows.test;
	rows.test = NULL;
	free_rows(ctx, &t, &rows);
	return test;
}

void
ml_pipeline_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec)
{
	MlTrainSpec all = *spec;
	Training	t = {.table = table,.spec = &all,.quiet = true};
	MlDigest	digest = {0};
	uint64_t   *hashes = ml_split_hashes(ctx, table, &digest);
	Rows		rows;

	/* as after a cross-validation, no row is held out */
	all.nfolds = 1;
	find_rows(ctx, &t, hashes, &rows);
	if (rows.target.values != NULL)
		ml_leaks_warn(ctx, table, &all, &rows.target, rows.apart != NULL ? rows.apart : hashes, rows.test);
	ml_free(ctx, hashes);
	free_rows(ctx, &t, &rows);
}

void
ml_pipeline_train_stream(MlContext *ctx, MlStream *stream, MlTrainResult *result)
{
	Training	t = {.table = stream->table,.spec = stream->spec,.stream = stream};

	if (stream->phase == ML_STREAM_LOADING)
	{
		ml_pipeline_train(ctx, stream->table, stream->spec, result);
		return;
	}
	memset(result, 0, sizeof *result);
	result->digest = ml_stream_check(stream);
	train(ctx, &t, ml_stream_hashes(stream), result);
}

/* ---- out of bag ---- */

/* Has the target the classes of the model? */
static bool
has_classes(const MlTarget *target, const MlSignature *signature)
{
	bool		same = target->task == signature->task && target->nclasses == signature->nclasses;

	for (int k = 0; same && k < target->nclasses; k++)
		same = strcmp(target->labels[k], signature->class_labels[k]) == 0;
	return same;
}

/* Raises where training rows were prepared otherwise than rows of a prediction are; by a transform they were not. */
static void
check_prepared_alike(MlContext *ctx, const MlModel *model)
{
	if (ml_node_find(ml_container_section(model->bytes, ML_SECTION_SUMMARY), "transform") != NULL)
		return;
	if (ml_prep_knows_target(model->prep))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  "rows out of the bag are not known of a model with an encoding by the target",
					  "Each part of the training rows was encoded by the others, which the model does not keep.", NULL);
	if (ml_prep_fills_forward(model->prep))
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "rows out of the bag are not known of a model with a forward fill",
					  "Training rows were filled by those before them, which the model does not keep.", NULL);
}

/* Put what is known of a design's rows in the places of the table's. */
static void
place_rows(const DesignSource *source, const MlDesign *design, const double *out, const int32_t *trees, int32_t all,
		   size_t outputs, MlOutOfBag *result)
{
	for (size_t i = 0; i < design->rows; i++)
	{
		size_t		row = source->rows[i];

		if (trees != NULL && trees[i] < 0)
			continue;
		result->trained[row] = trees != NULL;
		result->trees[row] = trees != NULL ? trees[i] : all;
		for (size_t k = 0; k < outputs; k++)
			result->out[k * result->rows + row] = out[k * design->rows + i];
	}
}

/* Score the rows of the table that no tree could draw. */
static void
score_others(MlContext *ctx, const Training *t, const MlModel *model, MlOutOfBag *result)
{
	DesignSource source = {.training = t,.rows = ml_alloc_array(ctx, t->table->rows + 1, sizeof(uint32_t))};
	MlDesign	design = {.read = training_read_design,.source = &source};
	size_t		outputs = (size_t) ml_model_outputs(model);
	ScoreJob	job = {.model = model,.design = &design};

	for (size_t row = 0; row < t->table->rows; row++)
		if (!result->trained[row])
			source.rows[design.rows++] = (uint32_t) row;
	training_attach_preparation(ctx, &design, t);
	job.out = ml_alloc_array(ctx, outputs * design.rows + 1, sizeof(double));
	job.x = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * ((size_t) design.columns * ML_BLOCK_ROWS + 1),
						   sizeof(double));
	ml_parallel_for(ctx, design.rows, 16 * ML_BLOCK_ROWS, score_piece, &job);
	place_rows(&source, &design, job.out, NULL, (int32_t) model->algorithm->ensemble(model->loaded)->forest->trees,
			   outputs, result);
}

void
ml_pipeline_out_of_bag(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlModel *model,
					   MlOutOfBag *result)
{
	Training	t = {.table = table,.spec = spec,.signature = model->signature,.prep = model->prep,.quiet = true};
	size_t		outputs = (size_t) ml_model_outputs(model);
	MlDigest	digest = {0};
	Rows		rows;
	DesignSource source;
	MlDesign	design;
	uint64_t   *hashes;
	double	   *out;
	int32_t    *voted;

	check_prepared_alike(ctx, model);
	ml_retrain_features(ctx, model, table);
	hashes = ml_split_hashes(ctx, table, &digest);
	find_rows(ctx, &t, hashes, &rows);
	training_design(ctx, &t, &rows.target, rows.test, ML_SIDE_TRAIN, &source, &design);
	training_attach_hashes(ctx, model->algorithm, hashes, &design);
	ml_free(ctx, hashes);
	training_translate_levels(ctx, &t);
	training_weigh_texts(ctx, &t, t.prep, NULL, NULL, 0);
	training_attach_preparation(ctx, &design, &t);
	out = ml_alloc_array(ctx, outputs * design.rows + 1, sizeof(double));
	voted = ml_alloc_array(ctx, design.rows + 1, sizeof(int32_t));
	if (!has_classes(&rows.target, model->signature) ||
		!model->algorithm->out_of_bag(ctx, &design, model->params, model->loaded, out, design.rows, voted))
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "the rows are not those that the model was trained on",
					  ml_format(ctx, "Only they tell which of them each tree drew: %zu rows, without those held out.",
								(size_t) ml_need_int(ctx, ml_container_section(model->bytes, ML_SECTION_SUMMARY),
													 "n_train", 0, INT64_MAX)),
					  "Give all rows of the training's source as they were, in any order, and filter the result.");
	free_rows(ctx, &t, &rows);
	result->rows = table->rows;
	result->out = ml_alloc_array(ctx, outputs * table->rows + 1, sizeof(double));
	result->trees = ml_alloc_array(ctx, table->rows + 1, sizeof(int32_t));
	result->trained = ml_alloc_zero(ctx, table->rows + 1);
	place_rows(&source, &design, out, voted, 0, outputs, result);
	ml_free(ctx, out);
	score_others(ctx, &t, model, result);
}
