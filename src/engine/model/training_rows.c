/*
 * What training rows look like to a learner: columns of a table, read in blocks, prepared while they are read.
 */
#include "model/training.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"

/* Values of rows, which are ascending, but those put in the order of their groups only stretch by stretch. */
void
training_read_rows(const Training *t, int column, int element, const uint32_t *rows, size_t n, double *out)
{
	size_t		run;

	/* rows that were made up come last, numbered behind those of the table */
	for (; t->made != NULL && n > 0 && rows[n - 1] >= t->table->rows; n--)
		out[n - 1] = t->made->values[column][(size_t) element * t->made->n + rows[n - 1] - t->table->rows];
	for (size_t begin = 0; begin < n; begin += run)
	{
		run = t->by_group ? 1 : n;
		while (begin + run < n && rows[begin + run] > rows[begin + run - 1])
			run++;
		if (t->table->columns[column]->kind == ML_KIND_TEXT)
			ml_text_rows_read(t->text_rows[column], element, rows + begin, run, out + begin);
		else
			ml_column_read(t->table->columns[column], element, rows + begin, 0, run, out + begin);
	}
}

/* Rows of the table as raw slots: one slot of one feature. */
static void
read_slot(const Training *t, int feature, int slot, const uint32_t *rows, size_t n, double *out)
{
	const MlFeature *f = &t->signature->features[feature];

	training_read_rows(t, feature, slot - f->slot, rows, n, out);
	if (f->kind == ML_KIND_CATEGORY)
		for (size_t i = 0; i < n; i++)
			if (out[i] == out[i])
				out[i] = t->level_of_code[feature][(size_t) out[i]];
}

/* Rows of the table whose slots steps ask for; the last one read stays. */
typedef struct TableBlock
{
	MlRawBlock	block;			/* MUST BE FIRST */
	const Training *training;
	const uint32_t *rows;
	int		   *slot;
	double	   *raw;			/* [ML_TERM_ROWS] */
} TableBlock;

static const double *
table_slot(const MlRawBlock *block, int slot, size_t n, double *buffer)
{
	const TableBlock *b = (const TableBlock *) block;

	(void) buffer;
	if (*b->slot != slot)
		read_slot(b->training, b->training->slot_feature[slot], slot, b->rows, n, b->raw);
	*b->slot = slot;
	return b->raw;
}

/* The part that a row is in; of rows that were made up, which have no categories, any. */
uint8_t
training_fold(const Training *t, uint32_t row)
{
	return row < t->table->rows ? t->folds[row] : 0;
}

/* Rows of the table, n <= ML_TERM_ROWS, prepared by steps: columns that stand side by side are often of one slot. */
static void
read_terms(const Training *t, const uint32_t *rows, bool trains, int column, int columns, size_t n, double *x,
		   size_t ldx)
{
	double		raw[ML_TERM_ROWS];
	uint8_t		folds[ML_TERM_ROWS];
	int			slot = -1;
	TableBlock	block = {.block = {.slot = table_slot},.training = t,.rows = rows,.slot = &slot,.raw = raw};

	if (trains)
		block.block.rows = rows;
	if (trains && t->folds != NULL)
	{
		for (size_t i = 0; i < n; i++)
			folds[i] = training_fold(t, rows[i]);
		block.block.folds = folds;
	}
	for (int j = 0; j < columns; j++)
		ml_prep_apply_block(t->prep, column + j, &block.block, n, x + (size_t) j * ldx);
}

/* MlDesign.read: each slot is read once and prepared into every column made of it. */
void
training_read_design(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	const DesignSource *source = design->source;
	const MlPrep *prep = source->training->prep;
	double		raw[ML_BLOCK_ROWS];
	int			slot = -1;

	if (ml_prep_has_steps(prep))
	{
		read_terms(source->training, source->rows + begin, source->trains, 0, design->columns, n, x, ldx);
		return;
	}
	for (int j = 0; j < design->columns; j++)
	{
		const MlPreparedColumn *c = ml_prep_column(prep, j);

		if (c->slot != slot)
			read_slot(source->training, c->feature, c->slot, source->rows + begin, n, raw);
		slot = c->slot;
		ml_prep_apply_column(prep, j, raw, n, x + (size_t) j * ldx);
	}
}

/* The same where the rows are bytes. */
void
training_read_bytes(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	const DesignSource *source = design->source;

	ml_stream_read(source->training->stream, &source->bins, begin, n, x, ldx);
}

/* The weights of rows; positive or zero, not NULL, not all zero. */
static double *
read_weights(MlContext *ctx, const Training *t, const uint32_t *rows, size_t n)
{
	const MlColumn *c;
	double	   *weights;
	double		sum = 0;

	if (t->spec->weight < 0)
		return NULL;
	c = t->table->columns[t->spec->weight];
	weights = ml_alloc_array(ctx, n + 1, sizeof(double));
	training_read_rows(t, t->spec->weight, 0, rows, n, weights);
	for (size_t i = 0; i < n; i++)
	{
		if (!(weights[i] >= 0 && weights[i] <= DBL_MAX))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx,
																"weight column \"%s\" has a value that is no weight",
																c->name),
						  ml_format(ctx, "The value is %s.",
									weights[i] == weights[i] ? ml_format(ctx, "%g", weights[i]) : "NULL or NaN"),
						  "Weights must be zero or positive and finite.");
		sum += weights[i];
	}
	if (n > 0 && !(sum > 0))
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "weight column \"%s\" is zero in every training row", c->name);
	return weights;
}

/* The scores that rows begin with; finite, not NULL. */
static double *
read_start(MlContext *ctx, const Training *t, const uint32_t *rows, size_t n)
{
	const MlColumn *c;
	double	   *start;

	if (t->spec->start < 0)
		return NULL;
	c = t->table->columns[t->spec->start];
	start = ml_alloc_array(ctx, n + 1, sizeof(double));
	training_read_rows(t, t->spec->start, 0, rows, n, start);
	for (size_t i = 0; i < n; i++)
		if (!(fabs(start[i]) <= ML_LARGEST))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "start score column \"%s\" has a value that is no score", c->name),
						  ml_format(ctx, "The value is %s.",
									start[i] == start[i] ? ml_format(ctx, "%g", start[i]) : "NULL or NaN"),
						  "Start scores must be finite.");
	return start;
}

/* The rows of one side of the split, as a design over the fitted preparation. */
void
training_design(MlContext *ctx, const Training *t, const MlTarget *target, const uint8_t *test, uint8_t side,
			DesignSource *source, MlDesign *design)
{
	const MlSynthetic *made = side == ML_SIDE_TRAIN ? t->made : NULL;
	double	   *by_row = NULL;
	size_t		n = 0;
	uint32_t   *rows;
	double	   *values = NULL;

	for (size_t i = 0; i < target->n; i++)
		n += test[target->rows[i]] == side;
	n += made != NULL ? made->n : 0;
	rows = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	if (target->values != NULL)
		values = ml_alloc_array(ctx, n + 1, sizeof(double));
	if (t->groups != NULL)
		by_row = ml_alloc_array(ctx, t->table->rows + 1, sizeof(double));
	n = 0;
	for (size_t i = 0; i < target->n; i++)
	{
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		if (test[target->rows[i]] != side)
			continue;
		if (values != NULL)
			values[n] = target->values[i];
		if (by_row != NULL)
			by_row[target->rows[i]] = target->values[i];
		rows[n++] = target->rows[i];
	}
	for (size_t i = 0; made != NULL && i < made->n; i++)
	{
		values[n] = made->target[i];
		rows[n++] = (uint32_t) (t->table->rows + i);
	}
	source->training = t;
	source->rows = rows;
	source->trains = side == ML_SIDE_TRAIN;
	*design = (MlDesign)
	{
		.rows = n,.target = values,.task = target->task,.classes = target->nclasses,.class_labels = target->labels,
			.read = training_read_design,.source = source,
	};
	if (t->groups != NULL)
	{
		design->group = ml_groups_sort(ctx, t->groups, rows, n);
		for (size_t i = 0; i < n; i++)
			values[i] = by_row[rows[i]];
		ml_free(ctx, by_row);
	}
	design->weight = read_weights(ctx, t, rows, n);
	design->start = read_start(ctx, t, rows, n);
}

/* Where the learner tells rows by their content: what that is, of rows of the table that have these hashes. */
void
training_attach_hashes(MlContext *ctx, const MlAlgorithm *algorithm, const uint64_t *hashes, MlDesign *design)
{
	const DesignSource *source = design->source;
	uint64_t   *of_rows;

	if (algorithm->out_of_bag == NULL)
		return;
	of_rows = ml_alloc_array(ctx, design->rows + 1, sizeof(uint64_t));
	for (size_t i = 0; i < design->rows; i++)
		of_rows[i] = source->rows[i] < source->training->table->rows ? hashes[source->rows[i]] :
			ml_mix64(source->rows[i]);
	design->hash = of_rows;
}

/* Once the preparation is fitted the designs know their columns. */
void
training_attach_preparation(MlContext *ctx, MlDesign *design, const Training *t)
{
	int			p = ml_prep_columns(t->prep);
	const char **features = ml_alloc_array(ctx, (size_t) p + 1, sizeof(char *));

	for (int j = 0; j < p; j++)
		features[j] = t->signature->features[ml_prep_column(t->prep, j)->feature].name;
	design->columns = p;
	design->center = ml_prep_centers(t->prep);
	design->scale = ml_prep_scales(t->prep);
	design->levels = ml_prep_levels(t->prep);
	design->features = features;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

/* The prepared values of sampled rows of the table: read in the order of rows, put in that of the sample. */
double *
training_read_sampled(MlContext *ctx, const Training *t, const MlSampledRows *sampled)
{
	size_t		n = sampled->n;
	size_t		p = (size_t) ml_prep_columns(t->prep);
	double	   *values = ml_alloc_array(ctx, p * n + 1, sizeof(double));
	uint64_t   *places = ml_alloc_array(ctx, n + 1, sizeof(uint64_t));
	uint32_t   *rows = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));

	for (size_t i = 0; i < n; i++)
		places[i] = (uint64_t) sampled->rows[i] << 32 | i;
	qsort(places, n, sizeof *places, by_number);
	for (size_t i = 0; i < n; i++)
		rows[i] = (uint32_t) (places[i] >> 32);
	for (size_t j = 0; j < p; j++)
	{
		const MlPreparedColumn *c = ml_prep_column(t->prep, (int) j);

		for (size_t begin = 0; begin < n; begin += ML_BLOCK_ROWS)
		{
			size_t		m = n - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : n - begin;
			double		raw[ML_BLOCK_ROWS];
			double		prepared[ML_BLOCK_ROWS];

			if (ml_prep_has_steps(t->prep))
				read_terms(t, rows + begin, true, (int) j, 1, m, prepared, m);
			else
			{
				read_slot(t, c->feature, c->slot, rows + begin, m, raw);
				ml_prep_apply_column(t->prep, (int) j, raw, m, prepared);
			}
			for (size_t i = 0; i < m; i++)
				values[j * n + (uint32_t) places[begin + i]] = prepared[i];
		}
		ml_check(ctx);
	}
	ml_free(ctx, rows);
	ml_free(ctx, places);
	return values;
}
