/*
 * What training rows are prepared by: the terms of texts, the counts and moments of columns, and what is fitted to
 * them.
 */
#include "model/training.h"

#include <string.h>

#include "base/threads.h"
#include "model/retrain.h"

typedef struct StatsJob
{
	const Training *training;
	const MlFeature *features;
	const int  *slot_feature;	/* [slots] */
	const uint32_t *rows;
	size_t		n;
	MlMoments  *moments;		/* [slots] of numbers; NULL = they are known */
	double	  **counts;			/* [features][codes] rows of each category */
	double	   *nulls;			/* [features] of categories */
} StatsJob;

/* The moments of all rows of a slot. */
static void
add_moments(const StatsJob *job, int column, int element, MlMoments *m)
{
	double		block[ML_BLOCK_ROWS];

	ml_moments_init(m);
	for (size_t i = 0; i < job->n; i += ML_BLOCK_ROWS)
	{
		size_t		n = job->n - i > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : job->n - i;

		training_read_rows(job->training, column, element, job->rows + i, n, block);
		ml_moments_add(m, block, n);
	}
}

/* A category of so many strings is counted in places of its own, four in turn: one place waits for its last count. */
#define FEW_LEVELS 255
#define COUNTING_LANES 4

/* The rows of each category. */
static void
count_levels(const StatsJob *job, int column, double *counts, double *nulls)
{
	uint32_t	few[COUNTING_LANES][FEW_LEVELS + 1] = {{0}};
	uint32_t	levels = job->training->table->columns[column]->dictionary->count;
	double		block[ML_BLOCK_ROWS];

	for (size_t i = 0; i < job->n; i += ML_BLOCK_ROWS)
	{
		size_t		n = job->n - i > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : job->n - i;

		training_read_rows(job->training, column, 0, job->rows + i, n, block);
		for (size_t k = 0; k < n; k++)
			if (levels <= FEW_LEVELS)
				few[k % COUNTING_LANES][block[k] == block[k] ? (size_t) block[k] : FEW_LEVELS]++;
			else if (block[k] == block[k])
				counts[(size_t) block[k]] += 1;
			else
				*nulls += 1;
	}
	for (size_t lane = 0; lane < COUNTING_LANES && levels <= FEW_LEVELS; lane++)
	{
		for (uint32_t code = 0; code < levels; code++)
			counts[code] += few[lane][code];
		*nulls += few[lane][FEW_LEVELS];
	}
}

/* All rows of some slots. */
static void
stats_piece(void *arg, size_t begin, size_t end, int worker)
{
	StatsJob   *job = arg;

	(void) worker;
	for (size_t slot = begin; slot < end; slot++)
	{
		int			f = job->slot_feature[slot];
		const MlFeature *feature = &job->features[f];

		if (feature->kind == ML_KIND_CATEGORY)
			count_levels(job, f, job->counts[f], &job->nulls[f]);
		else if (job->moments != NULL)
			add_moments(job, f, (int) slot - feature->slot, &job->moments[slot]);
	}
}

/* Training rows as the steps that are fitted to them see them. */
typedef struct StepRows
{
	const Training *training;
	const uint32_t *rows;
} StepRows;

/* MlPrepTraining.read */
static void
read_for_steps(const void *arg, int feature, int slot, size_t begin, size_t n, double *out)
{
	const StepRows *source = arg;

	training_read_rows(source->training, feature, slot - source->training->signature->features[feature].slot,
					   source->rows + begin, n, out);
}

/* MlPrepTraining.order */
static bool
read_time(const void *arg, const char *name, size_t n, double *out)
{
	const StepRows *source = arg;
	const MlTable *table = source->training->table;

	for (int c = 0; c < table->ncolumns; c++)
		if (table->columns[c]->kind == ML_KIND_NUMBER && c != source->training->spec->target &&
			strcmp(table->columns[c]->name, name) == 0)
		{
			training_read_rows(source->training, c, 0, source->rows, n, out);
			return true;
		}
	return false;
}

/* Fit the preparation where preprocess asks for steps. */
static MlPrep *
fit_steps(MlContext *ctx, const Training *t, const MlPrepOptions *options, const MlMoments *moments,
		  MlDictionary *const *dictionaries,
		  const double *const *counts, const double *nulls, const uint32_t *rows, const MlDesign *design)
{
	const MlSignature *s = t->signature;
	StepRows	source = {t, rows};
	MlPrepTraining training =
		{.n = design->rows,.read = read_for_steps,.arg = &source,.target = design->target,.classes = s->nclasses,
	.labels = s->class_labels,.rows = rows,.order = read_time,.texts = t->text};
	uint8_t    *folds = t->folds != NULL ? ml_alloc(ctx, design->rows + 1) : NULL;
	MlPrep	   *prep;

	for (size_t i = 0; i < design->rows && folds != NULL; i++)
		folds[i] = training_fold(t, rows[i]);
	training.folds = folds;
	prep = ml_prep_fit_steps(ctx, options, s->features, s->nfeatures, moments, dictionaries, counts, nulls, &training);
	ml_free(ctx, folds);
	return prep;
}

/*
 * Fit the preparation to the training rows.  The moments of numbers are those given, or of the rows (NULL); the design
 * is needed where preprocess asks for steps.
 */
void
training_fit_preparation(MlContext *ctx, Training *t, const MlPrepOptions *options, const MlMoments *moments,
				const uint32_t *rows, size_t n, const MlDesign *design)
{
	const MlSignature *s = t->signature;
	size_t		nf = (size_t) s->nfeatures;
	int		   *slot_feature = ml_alloc_array(ctx, (size_t) s->slots + 1, sizeof(int));
	MlDictionary **dictionaries = ml_alloc_array_zero(ctx, nf + 1, sizeof(MlDictionary *));
	double	  **counts = ml_alloc_array_zero(ctx, nf + 1, sizeof(double *));
	double	   *nulls = ml_alloc_array_zero(ctx, nf + 1, sizeof(double));
	StatsJob	job = {t, s->features, slot_feature, rows, n, NULL, counts, nulls};

	for (int f = 0; f < s->nfeatures; f++)
	{
		for (int e = 0; e < s->features[f].width; e++)
			slot_feature[s->features[f].slot + e] = f;
		if (s->features[f].kind != ML_KIND_CATEGORY)
			continue;
		dictionaries[f] = t->table->columns[f]->dictionary;
		counts[f] = ml_alloc_array_zero(ctx, (size_t) dictionaries[f]->count + 1, sizeof(double));
	}
	if (moments == NULL)
		moments = job.moments = ml_alloc_array_zero(ctx, (size_t) s->slots + 1, sizeof(MlMoments));
	ml_parallel_for(ctx, (size_t) s->slots, 1, stats_piece, &job);
	if (options->steps != NULL)
		t->prep = fit_steps(ctx, t, options, moments, dictionaries, (const double *const *) counts, nulls, rows,
							design);
	else
		t->prep = ml_prep_fit(ctx, options, s->features, s->nfeatures, moments, dictionaries,
							  (const double *const *) counts, nulls);
}

/* Is any feature a text? */
static bool
has_texts(const Training *t)
{
	for (int f = 0; f < t->spec->nfeatures; f++)
		if (t->table->columns[f]->kind == ML_KIND_TEXT)
			return true;
	return false;
}

/* Choose the terms of a text by n training rows. */
static const MlTextFit *
choose_terms(MlContext *ctx, const MlColumn *column, const MlPrepOptions *options, const uint32_t *rows, size_t n)
{
	const char *name = ml_prep_text_name(ctx, options, column->name);

	return ml_text_fit(ctx, column, rows, n, name != NULL ? name : column->name);
}

/*
 * Know what the rows' texts weigh: by the terms of a preparation that is there, or (NULL) by those that n training rows
 * choose.
 */
void
training_weigh_texts(MlContext *ctx, Training *t, const MlPrep *prep, const MlPrepOptions *options,
					 const uint32_t *rows, size_t n)
{
	size_t		nf = (size_t) t->spec->nfeatures;

	if (!has_texts(t))
		return;
	t->text = ml_alloc_array_zero(ctx, nf + 1, sizeof(MlTextFit *));
	t->text_rows = ml_alloc_array_zero(ctx, nf + 1, sizeof(MlTextRows *));
	for (size_t f = 0; f < nf; f++)
	{
		const MlColumn *column = t->table->columns[f];

		if (column->kind != ML_KIND_TEXT)
			continue;
		t->text[f] = prep != NULL ? ml_prep_text(prep, (int) f) : choose_terms(ctx, column, options, rows, n);
		t->text_rows[f] = ml_text_rows(ctx, t->text[f], column);
	}
}

/* Translate every category's codes into levels of the preparation. */
void
training_translate_levels(MlContext *ctx, Training *t)
{
	const MlSignature *s = t->signature;
	int		   *slot_feature = ml_alloc_array(ctx, (size_t) s->slots + 1, sizeof(int));

	for (int f = 0; f < s->nfeatures; f++)
		for (int e = 0; e < s->features[f].width; e++)
			slot_feature[s->features[f].slot + e] = f;
	t->slot_feature = slot_feature;
	t->level_of_code = ml_alloc_array_zero(ctx, (size_t) s->nfeatures + 1, sizeof(double *));
	for (int f = 0; f < s->nfeatures; f++)
		if (s->features[f].kind == ML_KIND_CATEGORY)
		{
			const MlDictionary *d = t->table->columns[f]->dictionary;
			double	   *levels = ml_alloc_array(ctx, (size_t) d->count + 1, sizeof(double));

			for (uint32_t c = 0; c < d->count; c++)
				levels[c] = ml_prep_encode(t->prep, f, d->strings[c], d->lengths[c]);
			t->level_of_code[f] = levels;
		}
}

MlSignature *
training_signature(MlContext *ctx, const Training *t, const MlTarget *target)
{
	const MlTable *table = t->table;
	const MlTrainSpec *spec = t->spec;
	MlSignature *s = ml_alloc_zero(ctx, sizeof *s);

	s->target = spec->target_kind == ML_TARGET_NONE ? "" : table->columns[spec->target]->name;
	s->target_kind = spec->target_kind;
	s->task = target->task;
	s->nclasses = target->nclasses;
	s->class_labels = target->labels;
	s->class_values = target->label_values;
	s->nfeatures = spec->nfeatures;
	s->features = ml_alloc_array_zero(ctx, (size_t) spec->nfeatures + 1, sizeof(MlFeature));
	for (int f = 0; f < spec->nfeatures; f++)
	{
		s->features[f].name = table->columns[f]->name;
		s->features[f].kind = table->columns[f]->kind;
		s->features[f].type = spec->feature_types[f];
		s->features[f].width = s->features[f].kind == ML_KIND_TEXT ? t->text[f]->width : table->columns[f]->width;
		s->features[f].slot = s->slots;
		s->slots += s->features[f].width;
	}
	return s;
}

/* Take the features and the preparation of a transform that is fitted already. */
static void
take_transform(MlContext *ctx, Training *t, const MlTarget *target)
{
	const MlModel *transform = t->spec->transform;
	MlSignature *s;

	if (transform == NULL)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
					  "preprocess option \"transform\" names a model, which cannot be read here", NULL,
					  "Use ml_train.");
	ml_retrain_features(ctx, transform, t->table);
	training_weigh_texts(ctx, t, transform->prep, NULL, NULL, 0);
	s = training_signature(ctx, t, target);
	s->features = transform->signature->features;
	s->slots = transform->signature->slots;
	t->signature = s;
	t->prep = transform->prep;
}

/*
 * Signature and preparation: those of the model to learn on from or of the stream, the preparation of a transform, or
 * what the training rows tell.
 */
void
training_prepare(MlContext *ctx, Training *t, const MlTarget *target, const MlPrepOptions *options,
				 const uint32_t *rows, const MlDesign *design)
{
	if (t->spec->retrain != NULL)
	{
		t->signature = t->spec->retrain->from->signature;
		t->prep = t->spec->retrain->from->prep;
		training_weigh_texts(ctx, t, t->prep, NULL, NULL, 0);
	}
	else if (options->fitted)
		take_transform(ctx, t, target);
	else
	{
		training_weigh_texts(ctx, t, NULL, options, rows, design->rows);
		t->signature = training_signature(ctx, t, target);
		if (t->stream != NULL)
			t->prep = t->stream->prep;
		else
			training_fit_preparation(ctx, t, options, NULL, rows, design->rows, design);
		if (!target->algorithm->no_features)
			ml_prep_report_dropped(ctx, t->prep);
	}
	if (t->stream == NULL)
		training_translate_levels(ctx, t);
}
