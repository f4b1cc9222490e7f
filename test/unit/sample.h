/*
 * Rows made up for tests: a table of any features, the training of it, and scores of its rows.
 *
 * A feature is a letter, which is its name too; a row's values depend on its number only:
 *   n  a number                       m  a number, NULL in every seventh row
 *   i  an integer from 0 to 6         b  0 or 1
 *   c  a category with NULLs and rare strings
 *   d  one of three categories        v  a vector of three, with NULL rows and elements
 *   k  a constant                     e  NULL in every row
 * The target depends on n, m, i, d and v and on noise, so no learner fits it exactly.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "unit.h"

#include "base/random.h"
#include "model/pipeline.h"

#define SAMPLE_VECTOR 3

typedef enum SampleWeights
{
	WEIGHTS_NONE = 0,			/* no weight column */
	WEIGHTS_ONE,
	WEIGHTS_TWO,
	WEIGHTS_VARIED,				/* 0.5, 1, 1.5, ... */
	WEIGHTS_ZERO				/* every third row weighs nothing, and its target is absurd */
} SampleWeights;

typedef struct Sample
{
	const char *features;
	size_t		rows;
	MlTaskKind	task;
	MlTargetKind target_kind;	/* 0: a number for regression, else text */
	size_t		first;			/* number of the first row */
	size_t		repeat;			/* every row comes that many times (0 = once) */
	bool		backwards;		/* last row first */
	bool		skip_thirds;	/* without every third row */
	SampleWeights weights;
	bool		one_value;		/* the target is the same in every row */
	char		poison;			/* feature (or 'y', the target) that has poison_value in one row */
	double		poison_value;
} Sample;

/* A number from 0 to 1 that a row has for a feature. */
static inline double
sample_uniform(size_t row, char feature)
{
	return (double) (ml_mix64(row * 1000 + (unsigned char) feature) >> 11) * 0x1p-53;
}

/* A number; NaN = NULL. */
static inline double
sample_number(size_t row, char feature, int element)
{
	double		u = sample_uniform(row, (char) (feature + element));

	switch (feature)
	{
		case 'n':
			return u * 10 - 5;
		case 'm':
			return row % 7 == 3 ? NAN : u * 4;
		case 'i':
			return floor(u * 7);
		case 'b':
			return u < 0.4;
		case 'v':
			return row % 11 == 4 || (element == 1 && row % 13 == 2) ? NAN : u * 3;
		case 'k':
			return 4.25;
		case 'e':
			return NAN;
	}
	unit_fatal("a feature that is no number");
}

static inline bool
sample_is_category(char feature)
{
	return feature == 'c' || feature == 'd' || feature == 'w';
}

/* A category in text (64 bytes); NULL = NULL. */
static inline const char *
sample_category(size_t row, char feature, char *text)
{
	static const char *const names[] = {"blue", "gr\xc3\xbcn", "red and \"white\""};
	size_t		choice = (size_t) (sample_uniform(row, feature) * 3);

	if (feature == 'w')
	{
		snprintf(text, 64, "place %d", (int) (sample_uniform(row, feature) * 600));
		return text;
	}
	if (feature == 'c' && row % 9 == 5)
		return NULL;
	if (feature == 'c' && row % 29 == 7)
	{
		snprintf(text, 64, "rare %zu", row);
		return text;
	}
	return names[choice];
}

/* What the target is made of. */
static inline double
sample_signal(size_t row)
{
	char		text[64];
	double		m = sample_number(row, 'm', 0);
	double		v = sample_number(row, 'v', 0);

	return 2 * sample_number(row, 'n', 0) + (isnan(m) ? 3 : m) + 0.5 * sample_number(row, 'i', 0)
		+ (strcmp(sample_category(row, 'd', text), "blue") == 0 ? 4 : 0) + (isnan(v) ? 0 : v)
		+ 6 * sample_uniform(row, 'y');
}

/* The class of a row for classification. */
static inline int
sample_class(size_t row, MlTaskKind task)
{
	double		signal = sample_signal(row);

	return task == ML_TASK_BINARY ? signal > 9 : (signal > 5) + (signal > 13);
}

static inline size_t
sample_repeat(const Sample *s)
{
	return s->repeat > 0 ? s->repeat : 1;
}

/* How many rows a table of the sample has. */
static inline size_t
sample_count(const Sample *s)
{
	return (s->skip_thirds ? s->rows - (s->rows + 2) / 3 : s->rows) * sample_repeat(s);
}

/* The number of the row at a place of the table. */
static inline size_t
sample_row(const Sample *s, size_t place)
{
	size_t		at = (s->backwards ? sample_count(s) - 1 - place : place) / sample_repeat(s);

	return s->first + (s->skip_thirds ? at + at / 2 + 1 : at);
}

static inline bool
sample_is_absurd(const Sample *s, size_t row)
{
	return s->weights == WEIGHTS_ZERO && (row - s->first) % 3 == 0;
}

/* Append a feature of one row to its column. */
static inline void
sample_add_feature(MlContext *ctx, MlColumn *column, size_t row, bool poisoned, double poison)
{
	char		feature = column->name[0];
	char		text[64];
	double		values[SAMPLE_VECTOR];

	if (feature == 'v')
	{
		if (row % 11 == 4)
			ml_column_add_null(ctx, column);
		else
		{
			for (int e = 0; e < SAMPLE_VECTOR; e++)
				values[e] = sample_number(row, 'v', e);
			if (poisoned)
				values[2] = poison;
			ml_column_add_vector(ctx, column, values, SAMPLE_VECTOR);
		}
	}
	else if (sample_is_category(feature))
	{
		const char *category = sample_category(row, feature, text);

		if (category == NULL)
			ml_column_add_null(ctx, column);
		else
			ml_column_add_category(ctx, column, category, strlen(category));
	}
	else if (poisoned)
		ml_column_add_number(ctx, column, poison);
	else if (isnan(sample_number(row, feature, 0)))
		ml_column_add_null(ctx, column);
	else
		ml_column_add_number(ctx, column, sample_number(row, feature, 0));
}

static inline MlTargetKind
sample_target_kind(const Sample *s)
{
	return s->target_kind != 0 ? s->target_kind : s->task == ML_TASK_REGRESSION ? ML_TARGET_NUMBER : ML_TARGET_TEXT;
}

/* Append the target of one row to its column. */
static inline void
sample_add_target(MlContext *ctx, MlColumn *column, const Sample *s, size_t row, bool poisoned)
{
	static const char *const labels[] = {"alpha", "beta", "gamma"};
	size_t		shown = s->one_value ? s->first : row;
	int			klass = s->task == ML_TASK_REGRESSION ? 0 : sample_class(shown, s->task);

	if (poisoned)
		ml_column_add_number(ctx, column, s->poison_value);
	else if (s->task == ML_TASK_REGRESSION)
		ml_column_add_number(ctx, column, sample_is_absurd(s, row) ? -1e3 : sample_signal(shown));
	else
	{
		if (sample_is_absurd(s, row))
			klass = s->task == ML_TASK_BINARY ? !klass : (klass + 1) % 3;
		if (column->kind == ML_KIND_NUMBER)
			ml_column_add_number(ctx, column, klass);
		else
			ml_column_add_category(ctx, column, labels[klass], strlen(labels[klass]));
	}
}

static inline double
sample_weight(const Sample *s, size_t row)
{
	return s->weights == WEIGHTS_TWO ? 2 : s->weights == WEIGHTS_VARIED ? 0.5 * (double) (1 + row % 4) :
		sample_is_absurd(s, row) ? 0 : 1;
}

/* The table: features, then the target, then the weight if there is one. */
static inline MlTable *
sample_table(MlContext *ctx, const Sample *s)
{
	int			features = (int) strlen(s->features);
	MlTable    *table = ml_alloc_zero(ctx, sizeof *table);
	MlColumn   *target;

	table->rows = sample_count(s);
	table->ncolumns = features + 1 + (s->weights != WEIGHTS_NONE);
	table->columns = ml_alloc_array(ctx, (size_t) table->ncolumns, sizeof(MlColumn *));
	for (int f = 0; f < features; f++)
	{
		char		name[2] = {s->features[f], '\0'};

		table->columns[f] = ml_column_create(ctx, name, name[0] == 'v' ? ML_KIND_VECTOR :
											 sample_is_category(name[0]) ? ML_KIND_CATEGORY : ML_KIND_NUMBER);
	}
	target = ml_column_create(ctx, "target", sample_target_kind(s) == ML_TARGET_TEXT ? ML_KIND_CATEGORY : ML_KIND_NUMBER);
	table->columns[features] = target;
	if (s->weights != WEIGHTS_NONE)
		table->columns[features + 1] = ml_column_create(ctx, "weight", ML_KIND_NUMBER);
	for (size_t i = 0; i < table->rows; i++)
	{
		size_t		row = sample_row(s, i);
		bool		poisoned = i == table->rows / 2;

		for (int f = 0; f < features; f++)
			sample_add_feature(ctx, table->columns[f], row, poisoned && s->poison == s->features[f], s->poison_value);
		sample_add_target(ctx, target, s, row, poisoned && s->poison == 'y');
		if (s->weights != WEIGHTS_NONE)
			ml_column_add_number(ctx, table->columns[features + 1], sample_weight(s, row));
	}
	for (int c = 0; c < table->ncolumns; c++)
		ml_column_finish(ctx, table->columns[c]);
	return table;
}

/* Parameters by which a learner of many trees is done soon. */
static inline const char *
sample_params(const MlAlgorithm *algorithm)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (strcmp(p->name, "n_estimators") == 0)
			return "{\"n_estimators\": 20}";
	return NULL;
}

/* What to learn from that table: nothing held out, all else by default. */
static inline MlTrainSpec
sample_spec(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm)
{
	int			features = (int) strlen(s->features);
	const char **types = ml_alloc_array(ctx, (size_t) features + 1, sizeof(char *));

	for (int f = 0; f < features; f++)
		types[f] = s->features[f] == 'v' ? "double precision[]" : sample_is_category(s->features[f]) ? "text" : "double precision";
	return (MlTrainSpec) {
		.algorithm = algorithm,.params = sample_params(algorithm),.split = {.kind = ML_SPLIT_NONE},.nfeatures = features,.feature_types = types,
		.target = s->task == ML_TASK_ANOMALY ? -1 : features,
		.target_kind = s->task == ML_TASK_ANOMALY ? ML_TARGET_NONE : sample_target_kind(s),.target_integer = s->task != ML_TASK_REGRESSION,
		.weight = s->weights != WEIGHTS_NONE ? features + 1 : -1,.split_column = -1,.group = -1,.start = -1,
	};
}

/* Train on the sample; params and preprocess are JSON or NULL: the defaults, but few trees. */
static inline MlTrainResult *
sample_train(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm, const char *params, const char *preprocess)
{
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);
	MlTrainSpec spec = sample_spec(ctx, s, algorithm);

	if (params != NULL)
		spec.params = params;
	spec.preprocess = preprocess;
	ml_pipeline_train(ctx, sample_table(ctx, s), &spec, result);
	return result;
}

/* The raw slots of n rows of the sample from begin on, by the names of the model's features. */
static inline void
sample_raw(const MlModel *model, const Sample *s, size_t begin, size_t n, double *raw, size_t ldraw)
{
	for (int f = 0; f < model->signature->nfeatures; f++)
	{
		const MlFeature *feature = &model->signature->features[f];

		for (size_t i = 0; i < n; i++)
		{
			size_t		row = sample_row(s, begin + i);
			double	   *cell = raw + (size_t) feature->slot * ldraw + i;
			char		text[64];

			if (feature->kind == ML_KIND_CATEGORY)
			{
				const char *category = sample_category(row, feature->name[0], text);

				*cell = category == NULL ? NAN : ml_prep_encode(model->prep, f, category, strlen(category));
			}
			else
				for (int e = 0; e < feature->width; e++)
					cell[(size_t) e * ldraw] = sample_number(row, feature->name[0], e);
		}
	}
}

/* The scores of all rows, block rows at a time: [outputs][rows]. */
static inline double *
sample_score(MlContext *ctx, const MlModel *model, const Sample *s, size_t block)
{
	size_t		rows = sample_count(s);
	double	   *out = ml_alloc_array(ctx, (size_t) ml_model_outputs(model) * rows + 1, sizeof(double));
	double	   *raw = ml_alloc_array(ctx, (size_t) model->signature->slots * block + 1, sizeof(double));
	double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(model, block), sizeof(double));

	for (size_t begin = 0; begin < rows; begin += block)
	{
		size_t		n = rows - begin < block ? rows - begin : block;

		sample_raw(model, s, begin, n, raw, block);
		ml_model_score(model, raw, block, n, out + begin, rows, scratch);
	}
	return out;
}

#endif
