/*
 * Metrics and curves of scores in their order, tie by tie.
 */
#ifndef ML_CURVES_H
#define ML_CURVES_H

#include "score/runs.h"

/*
 * Ties come from the greatest score down: keys are the complements of ml_score_key.  Set 0 is the negative rows,
 * set 1 the positive ones; totals are their weights.
 */
typedef struct MlRankSummary
{
	double		roc_auc;		/* NaN unless there are rows of both kinds */
	double		average_precision;	/* NaN without a positive row */
	double		ks;				/* the greatest distance of the two distributions; NaN unless there are both */
} MlRankSummary;

extern void ml_ties_summary(MlTies *ties, const double totals[2], MlRankSummary *out);

/* What is told of each point of a curve; columns as the curve's function says, NaN = nothing there. */
typedef void (*MlPoint) (void *arg, const double *columns);

/* Threshold (Infinity first), false positive rate, true positive rate. */
#define ML_ROC_COLUMNS 3
extern void ml_ties_roc(MlTies *ties, const double totals[2], MlPoint point, void *arg);

/* Threshold (NaN first), precision, recall. */
#define ML_PRECISION_RECALL_COLUMNS 3
extern void ml_ties_precision_recall(MlTies *ties, const double totals[2], MlPoint point, void *arg);

/*
 * At each of so many equal parts of the rows, from the greatest score down: the part of the rows so far, the score
 * there, the part of the positives among them (gain), and that over the part of the rows (lift).  Tied rows that a part
 * ends in count as if spread evenly.
 */
#define ML_LIFT_COLUMNS 4
extern void ml_ties_lift(MlTies *ties, const double totals[2], int parts, MlPoint point, void *arg);

/*
 * The median of the numbers of set 0, in either direction: the mean of the two in the middle; with weights the
 * one nearest to the begin that half the weight does not pass.  NaN without rows.
 */
extern double ml_ties_median(MlTies *ties, double total, bool weighted);

/*
 * Several classes: ties of the scores of class k of all rows, set c being the rows of class c.  areas[c]: the area of
 * class k's rows against those of class c (NaN where there are none of either); rest: against all others.
 */
extern void ml_ties_class_areas(MlTies *ties, int k, const double *totals, double *areas, double *rest);

/* How areas of several classes become one number. */
typedef enum MlMulticlass
{
	ML_MULTICLASS_OVR = 0,		/* each class against the rest */
	ML_MULTICLASS_OVO = 1		/* each pair of classes */
} MlMulticlass;

/*
 * areas [classes x classes] and rest [classes] from ml_ties_class_areas, totals [classes] the weights of the classes'
 * rows.  weighted: classes, or pairs, count as their rows do.  What is not defined is left out; NaN when all is.
 */
extern double ml_multiclass_area(int classes, const double *areas, const double *rest, const double *totals,
								 MlMulticlass how, bool weighted);

#endif
