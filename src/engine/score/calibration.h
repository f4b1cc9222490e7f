/*
 * Calibration: whether what is said to have some probability happens as often.  Probabilities fall into bins of equal
 * width; bin i holds those above i / bins up to (i + 1) / bins, the first 0 too.
 */
#ifndef ML_CALIBRATION_H
#define ML_CALIBRATION_H

#include "score/metrics.h"

typedef struct MlCalibrationBin
{
	MlSum		weight;
	MlSum		probability;	/* weight * probability */
	MlSum		positive;		/* the weight of the positive rows */
} MlCalibrationBin;

/* Which of so many bins a probability falls in. */
extern int	ml_calibration_bin(double probability, int bins);

static inline void
ml_calibration_add(MlCalibrationBin *bin, bool positive, double probability, double weight)
{
	ml_sum_add(&bin->weight, weight);
	ml_sum_add(&bin->probability, weight * probability);
	if (positive)
		ml_sum_add(&bin->positive, weight);
}

extern void ml_calibration_merge(MlCalibrationBin *into, const MlCalibrationBin *from, int bins);

/* The mean over rows of the distance between a bin's mean probability and its share of positives; NaN without rows. */
extern double ml_calibration_error(const MlCalibrationBin *bins, int count);

#endif
