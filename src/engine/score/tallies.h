/*
 * What can be said of two columns of labels when it is known how often each pair of labels occurs: scores of classes
 * and their averages, and how far two groupings of the same rows agree.
 */
#ifndef ML_TALLIES_H
#define ML_TALLIES_H

#include "score/metrics.h"

/* Stored in flat states: never renumbered. */
typedef enum MlAverage
{
	ML_AVERAGE_DEFAULT = 0,		/* of the positive class with at most two classes, else macro */
	ML_AVERAGE_BINARY = 1,		/* of the positive class; not defined for more than two */
	ML_AVERAGE_MACRO = 2,		/* the mean over the classes */
	ML_AVERAGE_MICRO = 3,		/* of the sums over the classes */
	ML_AVERAGE_WEIGHTED = 4		/* the mean over the classes, each counting as its rows do */
} MlAverage;

/* The average of a name; -1 = there is none of that name.  name need not be terminated. */
extern int	ml_average_named(const char *name, size_t length);

typedef enum MlClassScore
{
	ML_SCORE_PRECISION,			/* hits / predicted */
	ML_SCORE_RECALL,			/* hits / actual */
	ML_SCORE_FBETA,				/* (1 + b^2) hits / (b^2 actual + predicted) */
	ML_SCORE_SPECIFICITY,		/* right rejections / rows of other classes */
	ML_SCORE_JACCARD			/* hits / (actual + predicted - hits) */
} MlClassScore;

/* One class's score, out of all rows' weight; 0 where there is nothing to divide by. */
extern double ml_class_score(const MlTally *tally, double total, MlClassScore score, double beta);

/*
 * A score averaged over classes (those that occur).  positive: as for ml_tally_metrics, never -1 for
 * ML_AVERAGE_BINARY.  NaN without rows.
 */
extern double ml_tally_average(const MlTally *tallies, size_t classes, ptrdiff_t positive, MlClassScore score,
							   double beta, MlAverage average);

/* The weight of all rows. */
extern double ml_tally_total(const MlTally *tallies, size_t classes);

/* Cohen's kappa; NaN without rows, and where both columns are one and the same label. */
extern double ml_tally_kappa(const MlTally *tallies, size_t classes);

/* How many rows have one pair of labels, or what they weigh. */
typedef struct MlCell
{
	uint32_t	row;
	uint32_t	column;
	double		weight;			/* more than 0 */
} MlCell;

/* How far two groupings agree, whatever their labels; 1 = they are the same. */
typedef struct MlAgreement
{
	double		ari;			/* adjusted Rand index: 0 expected by chance, may be negative */
	double		homogeneity;	/* 1 - H(row | column) / H(row) */
	double		completeness;	/* 1 - H(column | row) / H(column) */
	double		v_measure;		/* their harmonic mean, which is the mutual information over the mean entropy */
} MlAgreement;

/*
 * squares is the sum over rows of their squared weights, which is their number where each weighs 1.  A pair of rows
 * counts as the product of their weights.  All NaN without cells; infinite where sums overflow.
 */
extern void ml_agreement(MlContext *ctx, const MlCell *cells, size_t ncells, size_t labels, double squares,
						 MlAgreement *out);

#endif
