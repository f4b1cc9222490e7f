/*
 * ml_explain_batch: the contributions for every row of a source.
 *
 * Rows are gathered into a section of blocks as the source hands them out, explained on all threads, and put into
 * a tuplestore, which spills to disk past work_mem.  So memory does not depend on the number of rows.
 */
#include "postgres.h"

#include "pg/explain.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/threads.h"
#include "pg/host.h"
#include "pg/modelarg.h"

PG_FUNCTION_INFO_V1(ml_explain_batch);

/* What one section of threads works on at most. */
#define SECTION_BLOCKS 16
#define SECTION_BYTES ((size_t) 64 << 20)

typedef struct Section
{
	Explanation *explanation;
	RawReader	reader;
	KeyReader	key_reader;
	bool		keyed;
	MlRawRows	rows;
	size_t		blocks;			/* room */
	size_t		block_size;		/* doubles of a block's contributions */
	double	   *contributions;	/* [blocks][count][slots][ML_BLOCK_ROWS] */
	double	   *scratch;		/* [threads][scratch_size] */
	size_t		scratch_size;
	text	  **keys;			/* [blocks * ML_BLOCK_ROWS] */
	MemoryContext key_memory;	/* until they are taken */
	uint64		total;
	ExplainedRows take;
	void	   *arg;
} Section;

/* Explain rows begin .. end - 1, which lie in one block; runs on any thread. */
static void
explain_piece(void *arg, size_t begin, size_t end, int worker)
{
	const Section *section = arg;
	const Explanation *explanation = section->explanation;
	size_t		block = begin / ML_BLOCK_ROWS;
	size_t		first = begin % ML_BLOCK_ROWS;

	ml_explain_rows(explanation->explainer, explanation->what, explanation->count, section->rows.blocks[block] + first,
					ML_BLOCK_ROWS, end - begin, section->contributions + block * section->block_size + first,
					ML_BLOCK_ROWS, section->scratch + (size_t) worker * section->scratch_size);
}

/* Explain the rows gathered and hand them on. */
static void
finish_section(Section *section)
{
	Explanation *explanation = section->explanation;

	ml_parallel_for(explanation->ctx, section->rows.rows, ml_explainer_rows(explanation->explainer), explain_piece,
					section);
	for (size_t block = 0; block < section->rows.nblocks; block++)
		section->take(explanation, section->contributions + block * section->block_size,
					  section->keyed ? section->keys + block * ML_BLOCK_ROWS : NULL,
					  ml_raw_rows_in_block(&section->rows, block), section->arg);
	section->total += section->rows.rows;
	ml_raw_rows_clear(&section->rows);
	if (section->keyed)
		MemoryContextReset(section->key_memory);
}

/* Take one row of the source. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Section    *section = arg;
	size_t		row = section->rows.rows;

	slot_getallattrs(slot);
	if (section->keyed)
		section->keys[row] = key_reader_read(&section->key_reader, slot, section->key_memory);
	raw_reader_read(&section->reader, slot, ml_raw_rows_add(section->explanation->ctx, &section->rows), ML_BLOCK_ROWS);
	if (row + 1 == section->blocks * ML_BLOCK_ROWS)
		finish_section(section);
}

/* Explain every row of a source. */
uint64
explain_source(Explanation *explanation, const char *text, bool keyed, const char *key, ExplainedRows take, void *arg)
{
	Section    *section = palloc0(sizeof(Section));
	MlContext  *ctx = explanation->ctx;
	const MlModel *model = explanation->model;
	int			nfeatures = model->signature->nfeatures;
	Source	   *source = source_open(text);
	int		   *columns = palloc(sizeof(int) * ((Size) nfeatures + 1));
	int			ncolumns = nfeatures;

	section->explanation = explanation;
	section->keyed = keyed;
	section->take = take;
	section->arg = arg;
	raw_reader_init(&section->reader, model, source, columns);
	if (keyed)
		ncolumns += key_reader_init(&section->key_reader, source, key, nfeatures, columns + nfeatures);
	ml_raw_rows_init(&section->rows, model);
	section->block_size = (size_t) explanation->count * section->rows.slots * ML_BLOCK_ROWS;
	section->blocks = SECTION_BYTES / (Max(section->block_size, 1) * sizeof(double));
	section->blocks = Min(Max(section->blocks, 1), SECTION_BLOCKS);
	section->contributions = ml_alloc_array(ctx, section->blocks, (section->block_size + 1) * sizeof(double));
	section->scratch_size = ml_explainer_scratch(explanation->explainer, ml_explainer_rows(explanation->explainer));
	section->scratch = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx), section->scratch_size * sizeof(double));
	section->keys = palloc(sizeof(void *) * section->blocks * ML_BLOCK_ROWS);
	section->key_memory = AllocSetContextCreate(CurrentMemoryContext, "ml_explain_batch keys", ALLOCSET_DEFAULT_SIZES);
	source_scan(source, columns, ncolumns, receive_row, section);
	finish_section(section);
	return section->total;
}

/* ---- ml_explain_batch ---- */

/* Put a block's rows into the result. */
static void
emit_block(Explanation *explanation, const double *contributions, text *const *keys, size_t n, void *arg)
{
	FunctionCallInfo fcinfo = arg;
	size_t		slots = (size_t) explanation->model->signature->slots;
	Datum		base = CStringGetTextDatum(BASE_VALUE);

	for (size_t i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int c = 0; c < explanation->count; c++)
		{
			Datum		values[4] = {PointerGetDatum(keys[i]), explanation->classes[c], base,
									 explain_number(explanation->what[c].base)};
			bool		nulls[4] = {keys[i] == NULL, explanation->classes[c] == 0, false, false};

			explain_emit(fcinfo, values, nulls);
			for (size_t s = 0; s < slots; s++)
			{
				values[2] = explanation->names[s];
				values[3] = explain_number(contributions[((size_t) c * slots + s) * ML_BLOCK_ROWS + i]);
				explain_emit(fcinfo, values, nulls);
			}
		}
	}
}

/* The contributions for every row of a source. */
Datum
ml_explain_batch(PG_FUNCTION_ARGS)
{
	Explanation *explanation;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	explanation = explanation_create(CurrentMemoryContext, model_argument_once(fcinfo, REGISTRY_DESCRIBE),
									 explain_options_text(fcinfo, 3), ML_USE_SHAP);
	explain_source(explanation, text_to_cstring(PG_GETARG_TEXT_PP(1)), true,
				   PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), emit_block, fcinfo);
	return (Datum) 0;
}
