/*
 * Calibration of probabilities in bins.
 * Paper: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015.
 */
#include "score/calibration.h"

#include <math.h>

int
ml_calibration_bin(double probability, int bins)
{
	int			bin = (int) (probability * bins);

	/* the product rounds: the edges themselves decide */
	while (bin > 0 && probability <= (double) bin / bins)
		bin--;
	while (bin < bins - 1 && probability > (double) (bin + 1) / bins)
		bin++;
	return bin < bins ? bin : bins - 1;
}

void
ml_calibration_merge(MlCalibrationBin *into, const MlCalibrationBin *from, int bins)
{
	for (int i = 0; i < bins; i++)
	{
		ml_sum_merge(&into[i].weight, &from[i].weight);
		ml_sum_merge(&into[i].probability, &from[i].probability);
		ml_sum_merge(&into[i].positive, &from[i].positive);
	}
}

double
ml_calibration_error(const MlCalibrationBin *bins, int count)
{
	MlSum		distance = {0};
	MlSum		weight = {0};

	for (int i = 0; i < count; i++)
	{
		ml_sum_add(&distance, fabs(ml_sum_value(&bins[i].probability) - ml_sum_value(&bins[i].positive)));
		ml_sum_merge(&weight, &bins[i].weight);
	}
	return ml_sum_value(&distance) / ml_sum_value(&weight);
}
