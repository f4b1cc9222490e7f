/*
 * The rows of a source that has the target, beside what one or several models say of them, read in one scan so
 * that row i is the same row for all.
 */
#ifndef MLAAS_SCORED_H
#define MLAAS_SCORED_H

#include "postgres.h"

#include "model/model.h"
#include "pg/scorer.h"
#include "pg/target.h"
#include "score/metrics.h"

/* The part of one model. */
typedef struct ScoredModel
{
	Scorer		scorer;
	TargetReader target;
	int			offset;			/* of its features among the columns read; the target follows them */
	double	   *actual;			/* [capacity] number or class, -1 = one that the model does not know */
	double	  **outputs;		/* [outputs][capacity] */
} ScoredModel;

typedef struct Scored
{
	MlContext  *ctx;
	int			nmodels;
	ScoredModel *models;
	size_t		rows;
	size_t		capacity;

	bool		ranking;		/* rows come in groups */
	GroupReader group_reader;
	uint64	   *group;			/* [capacity] a hash of the row's group */

	/* rows may be told apart by a column */
	int			by_column;		/* of the slot, -1 = none */
	FmgrInfo	by_output;
	MlDictionary *by_values;
	int32	   *by;				/* [capacity] index in by_values, -1 = NULL */
} Scored;

/*
 * Read the rows whose target is not NULL.  by: a column of the source, NULL = none.  Errors: as for ml_evaluate;
 * no rows; models of a different target or of different classes.
 */
extern Scored *scored_read(MlContext *ctx, const MlModel *const *models, int nmodels, Source *source, const char *by);

/*
 * The same in steps, for a scan that also does something else: scored_create adds its columns behind those that the
 * scan reads anyway, scored_add is to be called with each row, and scored_finish after the last.
 */
extern Scored *scored_create(MlContext *ctx, const MlModel *const *models, int nmodels, const Source *source,
							 const char *by, int **columns, int *ncolumns);
extern void scored_add(TupleTableSlot *slot, void *scored);
extern void scored_finish(Scored *scored);

/*
 * The metrics of a model on some rows (n of them, NULL = all), each with a weight (NULL = 1); metrics has room for
 * ML_MAX_METRICS.  Returns how many there are.  Weights are not for rankings.
 */
extern int	scored_metrics(const Scored *scored, int model, const uint32 *rows, size_t n, const double *weights,
						   MlMetric *metrics);

/*
 * The same rows (n of them, NULL = all) in an order that is not that of the scan, by the target and what the models
 * say. Rows that are equal in these are equal to all metrics.
 */
extern uint32 *scored_order(const Scored *scored, const uint32 *rows, size_t n);

#endif
