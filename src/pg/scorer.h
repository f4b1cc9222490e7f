/*
 * Rows of a source through a model: gathered into blocks, scored on the engine's threads.
 */
#ifndef MLAAS_SCORER_H
#define MLAAS_SCORER_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "pg/features.h"
#include "pg/source.h"

/* The distance of two slots of a row: no power of two, so that a row's slots do not share cache sets. */
#define SCORER_STRIDE (ML_BLOCK_ROWS + 8)

/* What one section of threads works on at most, and the memory for it. */
#define SCORER_BLOCKS 16
#define SCORER_BYTES ((size_t) 8 << 20)

/* A block that takes less than this is not worth waking a thread for. */
#define SCORER_THREAD_SECONDS 50e-6

typedef struct Scorer
{
	MlContext  *ctx;
	const MlModel *model;
	int			nfeatures;
	int			first;			/* column of the slot with the first feature; the others follow */
	FeatureInput *inputs;		/* [nfeatures] */
	size_t		slots;
	size_t		outputs;
	size_t		blocks;			/* room */
	size_t		filled;			/* rows gathered */
	double	   *raw;			/* [blocks][slots][SCORER_STRIDE] */
	double	   *out;			/* [blocks][outputs][ML_BLOCK_ROWS] */
	double	   *scratch;		/* [threads][scratch_size] */
	size_t		scratch_size;
	bool		all_float8;		/* every feature is a plain float8, feature f in slot f */
	bool		timed;
	bool		threads;		/* blocks are costly enough to share */
} Scorer;

/*
 * Set up for a source: columns[0 .. nfeatures) become the numbers of the columns to read for the
 * features, in order, which stand in the slot's first columns unless first is set afterwards.  Errors: missing columns,
 * types that do not fit.
 */
extern void scorer_init(Scorer *scorer, MlContext *ctx, const MlModel *model, const Source *source,
						int *columns);

/* Score the rows gathered. */
extern void scorer_run(Scorer *scorer);

/* Copy a row of plain float8 values; false when one is NULL or not finite, which needs a closer look. */
static inline bool
scorer_copy(double *raw, const Datum *values, const bool *isnull, int count)
{
	bool		special = false;

	for (int f = 0; f < count; f++)
	{
		double		number = DatumGetFloat8(values[f]);

		special |= isnull[f] | is_special(number);
		raw[(size_t) f * SCORER_STRIDE] = number;
	}
	return !special;
}

/* Gather a row. */
static inline void
scorer_add(Scorer *scorer, const TupleTableSlot *slot)
{
	const Datum *values = slot->tts_values + scorer->first;
	const bool *isnull = slot->tts_isnull + scorer->first;
	size_t		block = scorer->filled / ML_BLOCK_ROWS;
	double	   *raw = scorer->raw + block * scorer->slots * SCORER_STRIDE + scorer->filled % ML_BLOCK_ROWS;

	if (scorer->all_float8 && scorer_copy(raw, values, isnull, scorer->nfeatures))
	{
		scorer->filled++;
		return;
	}
	for (int f = 0; f < scorer->nfeatures; f++)
		feature_input_read(&scorer->inputs[f], scorer->model, values[f], isnull[f], raw, SCORER_STRIDE);
	scorer->filled++;
}

/* Tell whether there is no room for one more row before scorer_run. */
static inline bool
scorer_full(const Scorer *scorer)
{
	return scorer->filled == scorer->blocks * ML_BLOCK_ROWS;
}

/* The result of row i after scorer_run: output k is at [k * ML_BLOCK_ROWS]. */
static inline const double *
scorer_result(const Scorer *scorer, size_t i)
{
	return scorer->out + i / ML_BLOCK_ROWS * scorer->outputs * ML_BLOCK_ROWS + i % ML_BLOCK_ROWS;
}

/* The raw row gathered last; its slots are SCORER_STRIDE apart. */
static inline const double *
scorer_last(const Scorer *scorer)
{
	size_t		i = scorer->filled - 1;

	return scorer->raw + i / ML_BLOCK_ROWS * scorer->slots * SCORER_STRIDE + i % ML_BLOCK_ROWS;
}

/* Forget the row gathered last. */
static inline void
scorer_drop_last(Scorer *scorer)
{
	scorer->filled--;
}

/* Forget the rows. */
static inline void
scorer_reset(Scorer *scorer)
{
	scorer->filled = 0;
}

#endif
