/*
 * Sorted runs: many keys, each once, with the rows (or the weight) that have it, packed into bytes.
 *
 * A key stands for a number (ml_score_key) in either direction.  Rows are collected in any order, sorted, and packed
 * into runs; runs of the same rows' two or more labels are then merged tie by tie.  A run can be read
 * from memory or, piece by piece, from elsewhere.  Few distinct keys make short runs, however many rows
 * they are of; distinct keys of a million random numbers take about 5 bytes each.
 */
#ifndef ML_RUNS_H
#define ML_RUNS_H

#include "base/context.h"
#include "base/sort.h"
#include "score/metrics.h"

/* No entry takes more bytes. */
#define ML_RUN_ENTRY 20

/* How many bytes n rows take at most: an entry of more than one row has the room of several. */
static inline size_t
ml_run_bound(size_t n, size_t words)
{
	return n * (words == ML_WORDS_KEY ? 10 : 18);
}

/* Pack sorted rows; returns the number of bytes, and of entries. */
extern size_t ml_run_pack(const uint64_t *rows, size_t n, size_t words, uint8_t *bytes, uint64_t *entries);

/* Append one entry behind the one of key last (0 and first for the first one); returns its end. */
extern uint8_t *ml_run_put(uint8_t *at, uint64_t last, uint64_t key, double weight, bool weighted);

/*
 * Check bytes from outside: as many entries, keys that stand for numbers, ascending, weights that are right. reversed:
 * keys are the complement of ml_score_key.
 */
extern bool ml_run_check(const uint8_t *bytes, size_t size, uint64_t entries, bool weighted, bool reversed,
						 double *rows, double *weight);

typedef struct MlRunReader MlRunReader;

struct MlRunReader
{
	uint64_t	key;			/* of the present entry */
	double		weight;
	int			set;			/* which rows these are */
	bool		weighted;
	uint64_t	left;			/* entries behind the present one */

	const uint8_t *at;			/* packed: what is there of the bytes behind it */
	const uint8_t *end;
	/* (optional) brings more than ML_RUN_ENTRY bytes, or all that is left */
	void		(*refill) (MlRunReader *reader);
	void	   *source;			/* refill's own */

	const uint64_t *rows;		/* instead of bytes: sorted rows; then left counts them */
	size_t		words;
};

/* Readers merged: the next key that any of them has, and each set's weight of it. */
typedef struct MlTies
{
	uint64_t	key;
	double	   *weight;			/* [sets] */
	int			sets;
	MlRunReader **heap;			/* the least key first */
	size_t		n;
	size_t		steps;
	MlContext  *ctx;
} MlTies;

extern void ml_ties_begin(MlContext *ctx, MlTies *ties, MlRunReader *readers, size_t n, int sets);
extern bool ml_ties_next(MlTies *ties);
extern void ml_ties_end(MlTies *ties);

#endif
