/*
 * Stacking: the last member of an ensemble learns from what the others say of rows that they were not trained on.
 *
 * Problem: rows of the members' features and the target -> rows of the members' results and the target -> any learner.
 * A result is one number: a prediction, or the probability of the second of two classes; of more classes it is
 * a vector of all probabilities.  How the rows are split, weighted and learned from is said by the caller's
 * MlTrainSpec, whose features are replaced.
 * Source: Wolpert, "Stacked generalization", 1992.
 */
#include "model/composite.h"

#include <inttypes.h>
#include <string.h>

#include "base/threads.h"
#include "model/pipeline.h"
#include "model/split.h"

/* Rows of a table through a member. */
typedef struct StackJob
{
	const MlTable *table;
	const MlModel *model;
	MlColumn  **columns;		/* [features] of the table */
	const double **levels;		/* [features] of categories: the member's level of each code */
	MlTextRows **texts;			/* [features] of texts: what the member's terms weigh in each row */
	size_t		scratch_size;
	double	   *scratch;		/* [threads] */
	double	   *out;			/* [outputs][rows] */
} StackJob;

/* The column of that name; NULL = none. */
static MlColumn *
find_column(const MlTable *table, const char *name)
{
	for (int c = 0; c < table->ncolumns; c++)
		if (strcmp(table->columns[c]->name, name) == 0)
			return table->columns[c];
	return NULL;
}

/* Does a column hold what a feature was in training? */
static bool
fits_feature(const MlColumn *column, const MlFeature *feature)
{
	return column != NULL && column->kind == feature->kind &&
		(feature->kind != ML_KIND_VECTOR || column->width == feature->width);
}

/* The columns of a table that are a member's features. */
static MlColumn **
find_columns(MlContext *ctx, const MlTable *table, const MlMemberSpec *member)
{
	const MlSignature *s = member->model->signature;
	MlColumn  **columns = ml_alloc_array_zero(ctx, (size_t) s->nfeatures + 1, sizeof(MlColumn *));

	for (int f = 0; f < s->nfeatures; f++)
	{
		const MlFeature *feature = &s->features[f];

		columns[f] = find_column(table, feature->name);
		if (!fits_feature(columns[f], feature))
			ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
						  ml_format(ctx, "feature \"%s\" is not what member \"%s\" was trained on", feature->name,
									member->name),
						  ml_format(ctx, "In training it was of type %s.", feature->type),
						  "Cast the column in a query.");
	}
	return columns;
}

/* The raw rows begin .. begin + n - 1 of the member's features. */
static void
read_raw(const StackJob *job, size_t begin, size_t n, double *raw)
{
	const MlSignature *s = job->model->signature;
	uint32_t	rows[ML_BLOCK_ROWS];

	for (size_t i = 0; i < n; i++)
		rows[i] = (uint32_t) (begin + i);
	for (int f = 0; f < s->nfeatures; f++)
		for (int e = 0; e < s->features[f].width; e++)
		{
			double	   *slot = raw + (size_t) (s->features[f].slot + e) * n;

			if (job->texts[f] != NULL)
				ml_text_rows_read(job->texts[f], e, rows, n, slot);
			else
				ml_column_read(job->columns[f], e, NULL, begin, n, slot);
			for (size_t i = 0; i < n && job->levels[f] != NULL; i++)
				if (slot[i] == slot[i])
					slot[i] = job->levels[f][(size_t) slot[i]];
		}
}

static void
stack_piece(void *arg, size_t begin, size_t end, int worker)
{
	StackJob   *job = arg;
	double	   *raw = job->scratch + (size_t) worker * job->scratch_size;
	double	   *scratch = raw + (size_t) job->model->signature->slots * ML_BLOCK_ROWS;

	for (; begin < end; begin += ML_BLOCK_ROWS)
	{
		size_t		n = end - begin > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : end - begin;

		read_raw(job, begin, n, raw);
		ml_model_score(job->model, raw, n, n, job->out + begin, job->table->rows, scratch);
	}
}

/* What a member says of every row: [outputs][rows]. */
static double *
score_member(MlContext *ctx, const MlTable *table, const MlMemberSpec *member)
{
	const MlSignature *s = member->model->signature;
	StackJob	job = {.table = table,.model = member->model,.columns = find_columns(ctx, table, member)};

	job.levels = ml_alloc_array_zero(ctx, (size_t) s->nfeatures + 1, sizeof(double *));
	job.texts = ml_alloc_array_zero(ctx, (size_t) s->nfeatures + 1, sizeof(MlTextRows *));
	for (int f = 0; f < s->nfeatures; f++)
		if (s->features[f].kind == ML_KIND_TEXT)
			job.texts[f] = ml_text_rows(ctx, ml_prep_text(member->model->prep, f), job.columns[f]);
		else if (s->features[f].kind == ML_KIND_CATEGORY)
		{
			const MlDictionary *d = job.columns[f]->dictionary;
			double	   *levels = ml_alloc_array(ctx, (size_t) d->count + 1, sizeof(double));

			for (uint32_t c = 0; c < d->count; c++)
				levels[c] = ml_prep_encode(member->model->prep, f, d->strings[c], d->lengths[c]);
			job.levels[f] = levels;
		}
	job.scratch_size = (size_t) s->slots * ML_BLOCK_ROWS + ml_model_scratch(member->model, ML_BLOCK_ROWS);
	job.scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * job.scratch_size, sizeof(double));
	job.out = ml_alloc_array(ctx, (size_t) ml_model_outputs(member->model) * table->rows + 1, sizeof(double));
	ml_parallel_for(ctx, table->rows, 16 * ML_BLOCK_ROWS, stack_piece, &job);
	ml_free(ctx, job.scratch);
	for (int f = 0; f < s->nfeatures; f++)
		if (job.texts[f] != NULL)
			ml_text_rows_free(ctx, job.texts[f]);
	return job.out;
}

/* A member's results as a column. */
static MlColumn *
result_column(MlContext *ctx, const MlTable *table, const MlMemberSpec *member)
{
	int			classes = member->model->signature->nclasses;
	double	   *out = score_member(ctx, table, member);
	MlColumn   *column = ml_column_create(ctx, member->output, classes > 2 ? ML_KIND_VECTOR : ML_KIND_NUMBER);
	double	   *row = ml_alloc_array(ctx, (size_t) classes + 1, sizeof(double));

	for (size_t i = 0; i < table->rows; i++)
	{
		for (int k = 0; k < classes; k++)
			row[k] = out[(size_t) k * table->rows + i];
		if (classes > 2)
			ml_column_add_vector(ctx, column, row, classes);
		else
			ml_column_add_number(ctx, column, classes == 2 ? row[1] : out[i]);
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
	}
	ml_column_finish(ctx, column);
	ml_free(ctx, out);
	return column;
}

bool
ml_composite_trained_on(MlContext *ctx, const MlMemberSpec *member, const MlTable *table)
{
	const MlSignature *s = member->model->signature;
	const MlNode *stored = ml_node_find(member->model->sections[ML_SECTION_SUMMARY], "row_digest");
	MlTable		part = {.rows = table->rows,.ncolumns = s->nfeatures + 1};
	MlDigest	digest = {0};

	if (stored == NULL || ml_node_type(stored) != ML_NODE_STRING || member->model->composite != NULL)
		return false;
	part.columns = ml_alloc_array(ctx, (size_t) part.ncolumns, sizeof(MlColumn *));
	for (int f = 0; f < s->nfeatures; f++)
	{
		part.columns[f] = find_column(table, s->features[f].name);
		if (!fits_feature(part.columns[f], &s->features[f]))
			return false;
	}
	part.columns[s->nfeatures] = find_column(table, s->target);
	if (part.columns[s->nfeatures] == NULL)
		return false;
	ml_free(ctx, ml_split_hashes(ctx, &part, &digest));
	return strcmp(ml_node_string(stored), ml_format(ctx, "%016" PRIx64 "%016" PRIx64, digest.sum,
													digest.sum_inverse)) == 0;
}

void
ml_composite_stack(MlContext *ctx, const MlCompositeSpec *base, const MlTable *table, const MlTrainSpec *spec,
				   MlTrainResult *result)
{
	int			shift = base->count - spec->nfeatures;
	MlTable		stacked = {.rows = table->rows,.ncolumns = table->ncolumns + shift};
	const char **types = ml_alloc_array(ctx, (size_t) base->count, sizeof(char *));
	MlTrainSpec above = *spec;

	stacked.columns = ml_alloc_array(ctx, (size_t) stacked.ncolumns, sizeof(MlColumn *));
	for (int m = 0; m < base->count; m++)
	{
		stacked.columns[m] = result_column(ctx, table, &base->members[m]);
		types[m] = stacked.columns[m]->kind == ML_KIND_VECTOR ? "double precision[]" : "double precision";
	}
	memcpy(stacked.columns + base->count, table->columns + spec->nfeatures,
		   (size_t) (table->ncolumns - spec->nfeatures) * sizeof(MlColumn *));
	/* the last bits of what members say are no content: the same rows are held out as for any other model */
	above.content = table;
	above.nfeatures = base->count;
	above.feature_types = types;
	above.target += above.target >= 0 ? shift : 0;
	above.weight += above.weight >= 0 ? shift : 0;
	above.split_column += above.split_column >= 0 ? shift : 0;
	above.group += above.group >= 0 ? shift : 0;
	above.start += above.start >= 0 ? shift : 0;
	ml_pipeline_train(ctx, &stacked, &above, result);
}
