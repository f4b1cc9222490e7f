/*
 * A small table as a learner sees it, without preparation: for tests of learners by hand.
 */
#ifndef TEST_ROWS_H
#define TEST_ROWS_H

#include <string.h>

#include "base/context.h"
#include "learn/learner.h"

/* A table given column by column. */
typedef struct Rows
{
	MlDesign	design;
	MlShape		shape;
	int			levels[32];
	double		center[32];
	double		scale[32];
} Rows;

static inline void
read_rows(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (int j = 0; j < design->columns; j++)
		memcpy(x + (size_t) j * ldx, (const double *) design->source + (size_t) j * design->rows + begin, n * sizeof(double));
}

/* classes: 0 = numbers, -1 = no target. */
static inline Rows *
make_rows(MlContext *ctx, const double *x, size_t n, int columns, const double *target, int classes)
{
	Rows	   *r = ml_alloc_zero(ctx, sizeof *r);
	MlTaskKind	task = classes < 0 ? ML_TASK_ANOMALY : classes == 0 ? ML_TASK_REGRESSION :
		classes == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS;

	for (int j = 0; j < 32; j++)
		r->scale[j] = 1;
	r->design = (MlDesign) {
		.rows = n,.columns = columns,.target = target,.task = task,.classes = classes > 0 ? classes : 0,.center = r->center,
		.scale = r->scale,.levels = r->levels,.read = read_rows,.source = x,
	};
	r->shape = (MlShape) {
		.columns = columns,.task = task,.classes = r->design.classes,.center = r->center,.scale = r->scale,.levels = r->levels,
	};
	return r;
}

#endif
