/*
 * The state of metrics that need rows in the order of a number: rows in a few sets, sorted into runs.
 *
 * Rows are collected in memory, then sorted and packed into runs (score/runs.h).  A state that outgrows work_mem (or
 * mlaas.max_memory, where that is less) merges its runs, which is enough where there are few distinct
 * numbers, and else writes them to a temporary file.  So the memory of an aggregate is bounded, whatever the number
 * of rows.  Two things are not: a window's states stay in memory, up to mlaas.max_memory; and a state that passes
 * from a parallel worker to its leader does so as one value of up to 1 GB, about 5 bytes for each distinct number.
 *
 * A temporary file belongs to the resource owner of the query; a callback of the aggregate's context closes it, which
 * does not run when the query fails: then the resource owner closes it first, and the state is not looked at again.
 */
#ifndef MLAAS_METRIC_SCORES_H
#define MLAAS_METRIC_SCORES_H

#include "postgres.h"

#include "storage/buffile.h"

#include "pg/metrics.h"
#include "score/curves.h"

/* What the rows of a state are; stored in flat states. */
typedef enum ScoresUse
{
	SCORES_INVALID = 0,
	SCORES_BINARY = 1,			/* scores of negative and of positive rows, the greatest first */
	SCORES_ERRORS = 2,			/* one set of numbers, the least first */
	SCORES_CLASSES = 3			/* for each class, its score of the rows of each class and of no class; the greatest first */
} ScoresUse;

/* More classes than this would be more sets than make sense. */
#define SCORES_MAX_CLASSES 256

/* A setting is not more; as bins they would be no curve for a reader. */
#define SCORES_MAX_SETTING 10000

/* The rows of a set that are not sorted yet. */
typedef struct RowList
{
	uint64	   *rows;			/* words each */
	Size		n;
	Size		capacity;
} RowList;

/* A sorted run, in memory or in the file. */
typedef struct RunPlace
{
	int			set;
	uint64		entries;
	Size		size;
	uint8	   *bytes;			/* NULL = in the file */
	int			fileno;
	off_t		offset;
} RunPlace;

typedef struct Scores
{
	MemoryContext memory;
	ScoresUse	use;
	bool		weighted;
	int32		setting;		/* of the aggregate: bins, or how classes are averaged */
	int			sets;
	Size		words;			/* of a row */
	char	   *classes;		/* for SCORES_CLASSES: nclasses strings, each behind its length */
	Size		classes_size;
	int			nclasses;

	uint64		rows;
	MlSum	   *totals;			/* [sets] weights of the rows */
	RowList    *tails;			/* [sets] */
	Size		held;			/* rows in tails */
	Size		limit;			/* when they are sorted */

	RunPlace   *runs;
	int			nruns;
	int			run_slots;
	Size		run_bytes;		/* of those in memory, as for the next three */
	uint64		run_entries;
	uint64		run_rows;
	int			memory_runs;
	Size		merge_at;		/* bytes of runs in memory at which something is done */

	bool		may_spill;
	bool		closes;			/* the callback is registered */
	BufFile    *file;
	int			end_fileno;		/* where the file ends */
	off_t		end_offset;
} Scores;

/* The state of a transition function, made at the first row; fails when it is of another use or setting. */
extern ExpandedState *scores_state(FunctionCallInfo fcinfo, ScoresUse use, bool weighted, int32 setting);

/* Tell a new state of classes which there are: strings, each behind its length as uint32. */
extern void scores_set_classes(Scores *scores, const char *classes, Size size, int nclasses);

/* Sort what is held, and make room for more. */
extern void scores_settle(FunctionCallInfo fcinfo, Scores *scores);

/* Make room for more rows of a set. */
extern void scores_grow(Scores *scores, RowList *list);

/* Keep one row. */
static inline void
scores_put(FunctionCallInfo fcinfo, Scores *scores, int set, uint64 key, double weight)
{
	RowList    *list = &scores->tails[set];

	if (list->n == list->capacity)
		scores_grow(scores, list);
	if (scores->weighted)
	{
		list->rows[2 * list->n] = key;
		memcpy(&list->rows[2 * list->n + 1], &weight, sizeof weight);
		ml_sum_add(&scores->totals[set], weight);
	}
	else
	{
		list->rows[list->n] = key;
		scores->totals[set].sum += 1.0;
	}
	list->n++;
	scores->rows++;
	if (++scores->held == scores->limit)
		scores_settle(fcinfo, scores);
}

/* Go through all rows of the sets from first on, count of them, as sets 0, 1, ... */
extern void scores_ties(MlContext *ctx, Scores *scores, int first, int count, MlTies *ties);

/* The weights of all sets (palloc'd); fails when one is not finite. */
extern double *scores_totals(Scores *scores);

#endif
