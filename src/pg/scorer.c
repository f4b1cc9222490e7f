/*
 * Rows of a source through a model, in blocks.
 *
 * The blocks of one section are independent, so that threads take them in any order with
 * the same results.  Whether threads are worth their waking is told by the time that the
 * first block takes; it decides nothing but speed.
 */
#include "postgres.h"

#include "pg/scorer.h"

#include "portability/instr_time.h"

#include "base/threads.h"
#include "pg/predict.h"

/* Set up for a source. */
void
scorer_init(Scorer *scorer, MlContext *ctx, const MlModel *model, const Source *source, int *columns)
{
	int			nfeatures = model->signature->nfeatures;
	const char **names = palloc(sizeof(char *) * (Size) Max(source->ncolumns, 1));
	size_t		row_bytes;

	predict_check_predicts(model);
	memset(scorer, 0, sizeof(*scorer));
	scorer->ctx = ctx;
	scorer->model = model;
	scorer->nfeatures = nfeatures;
	scorer->slots = (size_t) model->signature->slots;
	scorer->outputs = (size_t) ml_model_outputs(model);

	for (int i = 0; i < source->ncolumns; i++)
		names[i] = source->columns[i].name;
	features_match(model, names, source->ncolumns, columns, ERRCODE_UNDEFINED_COLUMN, "source");
	scorer->inputs = palloc(sizeof(FeatureInput) * (Size) Max(nfeatures, 1));
	scorer->all_float8 = true;
	for (int f = 0; f < nfeatures; f++)
	{
		source_check_unique(source, columns[f], "feature");
		feature_input_init(&scorer->inputs[f], model, f, source->columns[columns[f]].type, CurrentMemoryContext);
		scorer->all_float8 = scorer->all_float8 && scorer->inputs[f].how == FEATURE_FLOAT8 &&
			scorer->inputs[f].slot == f;
	}

	row_bytes = sizeof(double) * (scorer->slots + scorer->outputs);
	scorer->blocks = SCORER_BYTES / (row_bytes * SCORER_STRIDE);
	scorer->blocks = ml_thread_count(ctx) == 1 ? 1 : Min(Max(scorer->blocks, 1), SCORER_BLOCKS);
	scorer->raw = ml_alloc_array(ctx, scorer->blocks * SCORER_STRIDE, sizeof(double) * Max(scorer->slots, 1));
	scorer->out = ml_alloc_array(ctx, scorer->blocks * ML_BLOCK_ROWS, sizeof(double) * scorer->outputs);
	scorer->scratch_size = ml_model_scratch(model, ML_BLOCK_ROWS);
	scorer->scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx), sizeof(double) * Max(scorer->scratch_size, 1));
}

/* Score blocks begin .. end - 1; runs on any thread. */
static void
score_blocks(void *arg, size_t begin, size_t end, int worker)
{
	const Scorer *scorer = arg;

	for (size_t b = begin; b < end; b++)
	{
		size_t		n = Min(scorer->filled - b * ML_BLOCK_ROWS, (size_t) ML_BLOCK_ROWS);

		ml_model_score(scorer->model, scorer->raw + b * scorer->slots * SCORER_STRIDE, SCORER_STRIDE, n,
					   scorer->out + b * scorer->outputs * ML_BLOCK_ROWS, ML_BLOCK_ROWS,
					   scorer->scratch + (size_t) worker * scorer->scratch_size);
	}
}

/* Score the first block and decide by its time whether to use threads. */
static void
score_first_block(Scorer *scorer)
{
	instr_time	start;
	instr_time	taken;

	INSTR_TIME_SET_CURRENT(start);
	score_blocks(scorer, 0, 1, 0);
	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, start);
	scorer->threads = scorer->blocks > 1 && INSTR_TIME_GET_DOUBLE(taken) > SCORER_THREAD_SECONDS;
	scorer->timed = true;
}

/* Score the rows gathered, on threads when blocks are costly. */
void
scorer_run(Scorer *scorer)
{
	size_t		blocks = (scorer->filled + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS;

	if (blocks == 0)
		return;
	if (scorer->threads)
	{
		ml_parallel_for(scorer->ctx, blocks, 1, score_blocks, scorer);
		return;
	}
	for (size_t b = 0; b < blocks; b++)
	{
		if (!scorer->timed)
			score_first_block(scorer);
		else
			score_blocks(scorer, b, b + 1, 0);
		ml_check(scorer->ctx);
	}
}
