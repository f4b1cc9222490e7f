/*
 * Groups of rows (the queries of a ranking): numbered, kept whole by a split, laid beside each other.
 */
#ifndef ML_GROUPS_H
#define ML_GROUPS_H

#include "model/pipeline.h"

typedef struct MlGroups
{
	size_t		count;
	uint32_t   *of_row;			/* by row of the table; only rows that take part have one */
	uint64_t   *hash;			/* [count] of the value, whatever the order of rows */
	size_t	   *rows;			/* [count] how many take part */
} MlGroups;

/* Number the groups of some rows (ascending, n of them) by a column's values; raises on NULL. */
extern MlGroups *ml_groups_read(MlContext *ctx, const MlTable *table, int column, const uint32_t *rows, size_t n);

/* Mark held-out rows, test[row] = 1: whole groups chosen by chance until they have the share of the rows. */
extern void ml_groups_mark(MlContext *ctx, const MlGroups *groups, const MlSplit *split, const uint32_t *rows,
						   size_t n, uint8_t *test);

/* Put rows (n of them) in the order of their groups, otherwise as they were; returns each one's group. */
extern uint32_t *ml_groups_sort(MlContext *ctx, const MlGroups *groups, uint32_t *rows, size_t n);

#endif
