/*
 * Why a model says what it says: Shapley values of its raw score, importances of its features, and how its
 * predictions depend on a feature.
 *
 * The players of the game are the slots of a raw row: a feature, or an element of a vector.  A row's
 * contributions and the base value add up to the raw score: what stands before the link of an ensemble of trees,
 * the number of a linear regression, the log odds of a logistic one.
 */
#ifndef ML_EXPLAIN_H
#define ML_EXPLAIN_H

#include "model/model.h"

/* ---- rows kept: raw slots in blocks ---- */

/* Block b holds rows b * ML_BLOCK_ROWS and on: slot s of row i is at blocks[b][s * ML_BLOCK_ROWS + i]. */
typedef struct MlRawRows
{
	size_t		slots;
	size_t		rows;
	size_t		nblocks;
	size_t		made;			/* blocks that have memory */
	size_t		capacity;		/* of the list of blocks */
	double	  **blocks;
} MlRawRows;

extern void ml_raw_rows_init(MlRawRows *r, const MlModel *model);

/* Make room for one more row and count it; the caller fills slot s at [s * ML_BLOCK_ROWS]. */
extern double *ml_raw_rows_add(MlContext *ctx, MlRawRows *r);

/* Forget the rows, but not the memory. */
extern void ml_raw_rows_clear(MlRawRows *r);

/* How many rows a block holds. */
static inline size_t
ml_raw_rows_in_block(const MlRawRows *r, size_t block)
{
	size_t		left = r->rows - block * ML_BLOCK_ROWS;

	return left < ML_BLOCK_ROWS ? left : ML_BLOCK_ROWS;
}

/* A raw value of a row. */
static inline double *
ml_raw_rows_at(const MlRawRows *r, size_t row, size_t slot)
{
	return &r->blocks[row / ML_BLOCK_ROWS][slot * ML_BLOCK_ROWS + row % ML_BLOCK_ROWS];
}

/* A sample of at most `most` rows that come one by one, each with the same chance (Vitter's algorithm R). */
typedef struct MlReservoir
{
	MlRawRows	rows;
	size_t		most;
	size_t		seen;
	uint64_t	seed;
} MlReservoir;

extern void ml_reservoir_init(MlReservoir *r, const MlModel *model, size_t most, uint64_t seed);

/* Where the next row is to go (as ml_raw_rows_add says), or NULL when it is passed over. */
extern double *ml_reservoir_next(MlContext *ctx, MlReservoir *r);

/* ---- contributions ---- */

typedef struct MlExplainer MlExplainer;

/*
 * Set up for a model.  background NULL: trees by the weights of the training rows on their paths, linear models
 * against the training rows' means; else against those rows, one at least.  Raises ML_ERROR_UNSUPPORTED for a model
 * that has neither trees nor coefficients.
 */
extern MlExplainer *ml_explainer_create(MlContext *ctx, const MlModel *model, const MlRawRows *background);

/* What is explained: the raw score of a class, or of the whole where the target has no classes. */
typedef struct MlExplained
{
	int			klass;			/* -1 = there is none to name */
	int			output;			/* of the model's raw scores */
	bool		negated;		/* the other one of two classes that share a score */
	double		base;
} MlExplained;

/* The default ones: one score, the second of two classes, each of more; returns how many. */
extern int	ml_explainer_list(MlContext *ctx, const MlExplainer *e, MlExplained **out);

/* The score of one class. */
extern MlExplained ml_explainer_class(const MlExplainer *e, int klass);

/* As many rows as one call had better explain: a power of two, at most ML_BLOCK_ROWS. */
extern size_t ml_explainer_rows(const MlExplainer *e);

/* The doubles of scratch space that ml_explain_rows needs for up to n rows. */
extern size_t ml_explainer_scratch(const MlExplainer *e, size_t n);

/*
 * The contributions to count raw scores of n raw rows (n <= ML_BLOCK_ROWS, layout as ml_prep_apply):
 * out[(c * slots + s) * ldout + i].  No allocation, any thread; the same bits whatever n.
 */
extern void ml_explain_rows(const MlExplainer *e, const MlExplained *what, int count, const double *raw,
							size_t ldraw, size_t n, double *out, size_t ldout, double *scratch);

/*
 * The interaction values of one raw row (slots beside each other): out[s * slots + u], symmetric; a row of
 * it adds up to that slot's contribution.  The pair's shared effect is half in each of its two cells.
 */
extern void ml_shap_interactions(MlContext *ctx, const MlExplainer *e, const MlExplained *what,
									const double *raw, double *out);

/* ---- importances ---- */

/*
 * What the splits on each slot gain in all trees (gain [slots]) and how many there are (splits [slots]); either
 * may be NULL.  False for a model without trees.
 */
extern bool ml_importance_splits(const MlModel *model, double *gain, double *splits);

/* Divide by the sum, where there is one. */
extern void ml_importance_normalize(double *values, size_t n);

/* Which metric is asked for, and how it is to be read. */
extern const char *const *ml_importance_metrics(MlTaskKind task, size_t *count);

/*
 * How much worse a metric gets when a slot's values are shuffled among the rows: the mean and the (population)
 * standard deviation over the repeats, for each slot.  actual [rows]: as ml_metrics_* take it; group [rows]: of a
 * ranking, else NULL.  A metric that
 * is not defined on these rows gives NaN.  The values of the rows are as before when it returns.
 */
extern void ml_importance_permutation(MlContext *ctx, const MlModel *model, MlRawRows *rows, const double *actual,
									  const uint64_t *group, const char *metric, int repeats, uint64_t seed,
									  double *mean, double *deviation);

/* Mean and standard deviation of absolute contributions, row by row. */
typedef struct MlShapSums
{
	size_t		slots;
	size_t		rows;
	double	   *sum;			/* [slots] */
	double	   *square;			/* [slots] */
} MlShapSums;

extern void ml_shap_sums_init(MlContext *ctx, MlShapSums *sums, const MlModel *model);

/* Add n rows of contributions, laid out as ml_explain_rows leaves them; classes' absolute values are added up. */
extern void ml_shap_sums_add(MlShapSums *sums, int count, const double *contributions, size_t ld, size_t n);

extern void ml_shap_sums_finish(const MlShapSums *sums, double *mean, double *deviation);

/* ---- dependence on a feature ---- */

/* The number of the feature that a slot is of. */
extern int	ml_slot_feature(const MlModel *model, int slot);

/* The values of a slot at which predictions are looked at, ascending. */
typedef struct MlGrid
{
	int			slot;
	size_t		count;
	double	   *values;
} MlGrid;

/*
 * A category: each of its levels.  A number: the distinct values where there are no more than points, else
 * values of the rows at points quantiles, evenly from low to high; of more than a million rows every second,
 * third ... is looked at.  Raises ML_ERROR_INVALID_DATA without a value.
 */
extern void ml_grid_create(MlContext *ctx, const MlModel *model, const MlRawRows *rows, int slot, int points,
						   double low, double high, MlGrid *grid);

/* The doubles of scratch space that ml_grid_score needs. */
extern size_t ml_grid_scratch(const MlModel *model);

/*
 * The outputs of the n rows of a block with the grid's slots set to point number point (with two grids the second
 * runs fastest): out[k * ML_BLOCK_ROWS + i].  Any thread.
 */
extern void ml_grid_score(const MlModel *model, const MlGrid *grids, int ngrids, size_t point, const double *block,
						  size_t n, double *out, double *scratch);

/* The mean outputs over the rows at every point: out[point * outputs + k]. */
extern void ml_grid_average(MlContext *ctx, const MlModel *model, const MlRawRows *rows, const MlGrid *grids,
							int ngrids, double *out);

#endif
