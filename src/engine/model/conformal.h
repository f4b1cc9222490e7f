/*
 * Split conformal prediction: how far off a model was on rows it had not seen tells how far off it will be.
 */
#ifndef ML_CONFORMAL_H
#define ML_CONFORMAL_H

#include "model/pipeline.h"

/* The scores of held-out rows, as a model keeps them. */
typedef struct MlCalibration
{
	size_t		n;				/* rows that count */
	size_t		count;			/* scores kept: all, or evenly spaced ranks of them */
	const float *scores;		/* [count] ascending */
	const double *below;		/* [count] the weight of the rows whose score is less, in average weights of a row */
	const double *through;		/* [count] and of those with it; both NULL = each row counts the same */
} MlCalibration;

/*
 * The score of each held-out row: actual - predicted for a number, 1 - the probability of the actual class.
 * outputs as ml_model_score leaves them, out[k * n + i]; actual[i] is a number, or a class or -1 for one that is
 * unknown.  Returns false for a task that has no scores.
 */
extern bool ml_conformal_scores(MlTaskKind task, const double *actual, const double *out, size_t n, double *scores);

/* Write scores, each of a weight (NULL = 1 each), into an open object. */
extern void ml_calibration_write(MlContext *ctx, MlWriter *w, const double *scores, const double *weights, size_t n);

/* Find them in a model; false when it has none.  Raises ML_ERROR_CORRUPTED. */
extern bool ml_calibration_read(MlContext *ctx, const MlModel *model, MlCalibration *calibration);

/*
 * The bounds that the score of a new row, of average weight, keeps with probability of at least share each: infinite
 * where the rows are too few to tell.
 */
extern double ml_calibration_upper(const MlCalibration *calibration, double share);
extern double ml_calibration_lower(const MlCalibration *calibration, double share);

#endif
