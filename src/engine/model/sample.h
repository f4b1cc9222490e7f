/*
 * The rows that stand for all when values are binned: of the distinct rows those whose content has the smallest
 * keys, each counting as often as it comes.  A key is a hash of the content and the seed of the split, so that
 * the choice depends neither on the order of rows nor on how they are read, and rows that a random split keeps
 * for training come before those it holds out (a bottom-k sketch: Cohen and Kaplan, Summarizing Data
 * Using Bottom-k Sketches, 2007).
 */
#ifndef ML_SAMPLE_H
#define ML_SAMPLE_H

#include "learn/tree.h"
#include "model/target.h"

typedef struct MlRowSample
{
	size_t		limit;			/* distinct rows, at most */
	size_t		width;			/* values kept of each */
	uint64_t	mix;
	uint64_t	bound;			/* keys beyond it are not wanted */
	bool		weightless;		/* a row was left out for its weight */
	size_t		count;
	size_t		capacity;
	uint64_t   *keys;			/* [count] */
	uint32_t   *places;			/* [capacity]: each row's place in values, then the places that are free */
	double	   *values;			/* [capacity][width] */
	int32_t    *slots;			/* open addressing by key, -1 = free */
	size_t		nslots;			/* a power of two */
	uint64_t   *scratch;
} MlRowSample;

/* The training rows of a sample, in the order of their keys. */
typedef struct MlSampledRows
{
	size_t		n;
	uint32_t   *rows;			/* one row of the table for each */
	uint32_t   *places;			/* in the sample's values */
	double	   *weights;		/* how often it comes, times its weight */
	uint32_t   *counts;			/* how often it comes */
	bool		all;			/* these are all training rows */
} MlSampledRows;

/* A sample for rows of so many slots of which width values are kept. */
extern MlRowSample *ml_row_sample_create(MlContext *ctx, const MlTrainSpec *spec, int slots, size_t width);

/*
 * Offer a row of the table, whose content has that hash.  Returns where its values go if it is a new member of the
 * sample.  A row without a target, of no weight or held out by its own column is none.
 */
extern double *ml_row_sample_offer(MlContext *ctx, MlRowSample *sample, const MlTable *table, const MlTrainSpec *spec,
								   uint32_t row, uint64_t hash);

/*
 * The members that are training rows (test[row] == 0), once all rows have been offered; hashes and test are by row.
 * False when they are too few to stand for all.
 */
extern bool ml_row_sample_close(MlContext *ctx, MlRowSample *sample, const MlTable *table, const MlTrainSpec *spec,
								const MlTarget *target, const uint64_t *hashes, const uint8_t *test,
								MlSampledRows *sampled);

extern void ml_row_sample_free(MlContext *ctx, MlRowSample *sample);
extern void ml_sampled_rows_free(MlContext *ctx, MlSampledRows *sampled);

#endif
