/*
 * Between the files of explain/.
 */
#ifndef ML_EXPLAIN_INTERNAL_H
#define ML_EXPLAIN_INTERNAL_H

#include "explain/explain.h"
#include "learn/forest.h"

#define SHAP_LANES 8			/* rows of a vector */

/* A Gauss-Legendre rule on 0 .. 1. */
typedef struct ShapRule
{
	int			points;
	double	   *t;				/* [points] */
	double	   *w;				/* [points] */
	double	   *absent;			/* [points] -1 / (1 - t) */
} ShapRule;

/* What the explainers of trees share. */
typedef struct TreeShap
{
	const MlForest *forest;
	double		scale;
	const int  *slot;			/* [columns] of the raw row */
	size_t		slots;
	size_t		depth;			/* splits from a root to a leaf at most */
	int		   *points;			/* [trees] of the rule that is exact for the tree */
	ShapRule  **rules;			/* [most points + 1], NULL where no tree wants it */
	int			most_points;
	int			groups;			/* vectors of rows that go through a tree together */
	double	   *base;			/* [outputs] by covers: scale times the trees' mean */

	/* interventional only */
	MlContext  *ctx;			/* asked for a cancel while a row is explained */
	size_t		background_rows;	/* 0 = by covers */
	const double *background;	/* [background_rows][columns] prepared */
	uint64_t   *goes;			/* [(background_rows + 63) / 64][nodes] a bit a row that goes left */
	double	   *weights;		/* [members + 1][members + 1]: see tree_background.c */
	size_t		members;		/* slots of a path at most */
} TreeShap;

struct MlExplainer
{
	const MlModel *model;
	const int  *slot_of_column; /* [columns] */
	size_t		slots;
	int			outputs;		/* raw scores of a row */
	double	   *base;			/* [outputs] */
	double		whole;			/* what the scores of two classes add up to */
	TreeShap   *trees;			/* or NULL */
	double	   *coef;			/* or NULL: [outputs][columns], for prepared columns */
	double	   *mean;			/* [columns] of the prepared columns */
};

/* Where a slot's splits on the way to a node stand. */
static inline double
shap_left_share(const MlForest *f, size_t node)
{
	double		left = f->cover[f->left[node]];
	double		right = f->cover[f->left[node] + 1];

	return left + right > 0 ? left / (left + right) : 0.5;
}

/* The tree's values that count for an output: which of a node's, -1 = none. */
static inline int
shap_value_of(const MlForest *f, size_t tree, int output)
{
	if (f->width > 1)
		return output;
	return (int) (tree % (size_t) f->outputs) == output ? 0 : -1;
}

/* ---- tree_shap.c ---- */

extern TreeShap *tree_shap_create(MlContext *ctx, const MlEnsemble *ensemble, const int *slot_of_column, size_t slots);
extern size_t tree_shap_scratch(const TreeShap *s);

/*
 * Add the contributions to one output of n prepared rows (x column-major, leading dimension ldx, a multiple
 * of SHAP_LANES with something finite or NaN behind row n) to out[s * ldout + i].
 */
extern void tree_shap_rows(const TreeShap *s, int output, const double *x, size_t ldx, size_t n, double *out,
						   size_t ldout, double *scratch);

/* ---- tree_background.c ---- */

/* Go against n prepared rows ([n][columns], which must stay) from now on; writes the outputs' base. */
extern void tree_background_set(MlContext *ctx, TreeShap *s, const double *rows, size_t n);
extern size_t tree_background_scratch(const TreeShap *s);

/* The same as tree_shap_rows, against the background. */
extern void tree_background_rows(const TreeShap *s, int output, const double *x, size_t ldx, size_t n, double *out,
								 size_t ldout, double *scratch);

/* ---- interactions.c ---- */

/* Add the off-diagonal interaction values of one prepared row to out[slots * slots]. */
extern void tree_interactions(MlContext *ctx, const TreeShap *s, int output, const double *x, double *out);

#endif
