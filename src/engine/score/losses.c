/*
 * Losses of numbers: what one row adds to a mean.
 * Paper: Jorgensen, Exponential Dispersion Models, 1987 (unit deviances of Tweedie's families).
 */
#include "score/losses.h"

#include <math.h>

const char *
ml_loss_bad_parameter(MlLoss loss, double parameter)
{
	switch (loss)
	{
		case ML_LOSS_PINBALL:
			return parameter >= 0.0 && parameter <= 1.0 ? NULL : "alpha must be between 0 and 1";
		case ML_LOSS_HUBER:
			return parameter > 0.0 && isfinite(parameter) ? NULL : "delta must be a finite number above 0";
		case ML_LOSS_TWEEDIE:
			return isfinite(parameter) && !(parameter > 0.0 && parameter < 1.0) ? NULL :
				"power must be a finite number that is not between 0 and 1";
		case ML_LOSS_TOP_K:
			return parameter >= 1.0 ? NULL : "k must be at least 1";
		default:
			return NULL;
	}
}

const char *
ml_loss_bad_row(MlLoss loss, double parameter, double actual, double predicted)
{
	if (loss == ML_LOSS_SQUARED_LOG && !(actual > -1.0 && predicted > -1.0))
		return "values must be above -1";
	if (loss != ML_LOSS_TWEEDIE || parameter == 0.0)
		return NULL;
	if (!(predicted > 0.0))
		return "predicted values must be above 0";
	if (parameter >= 2.0 && !(actual > 0.0))
		return "actual values must be above 0";
	if (parameter >= 1.0 && !(actual >= 0.0))
		return "actual values must not be negative";
	return NULL;
}

/* The unit deviance of Tweedie's families. */
static double
deviance(double power, double y, double mu)
{
	if (power == 0.0)
		return (y - mu) * (y - mu);
	if (power == 1.0)
		return 2.0 * ((y > 0.0 ? y * log(y / mu) : 0.0) - y + mu);
	if (power == 2.0)
		return 2.0 * (log(mu / y) + y / mu - 1.0);
	return 2.0 * ((y > 0.0 ? pow(y, 2.0 - power) : 0.0) / ((1.0 - power) * (2.0 - power)) -
				  y * pow(mu, 1.0 - power) / (1.0 - power) + pow(mu, 2.0 - power) / (2.0 - power));
}

double
ml_loss(MlLoss loss, double parameter, double actual, double predicted)
{
	double		error = actual - predicted;
	double		size = fabs(error);

	switch (loss)
	{
		case ML_LOSS_SMAPE:
			return size > 0.0 ? 2.0 * (size / (fabs(actual) + fabs(predicted))) : 0.0;
		case ML_LOSS_SQUARED_LOG:
			error = log1p(actual) - log1p(predicted);
			return error * error;
		case ML_LOSS_PINBALL:
			return error >= 0.0 ? parameter * size : (1.0 - parameter) * size;
		case ML_LOSS_HUBER:
			return size <= parameter ? 0.5 * error * error : parameter * (size - 0.5 * parameter);
		case ML_LOSS_TWEEDIE:
			return deviance(parameter, actual, predicted);
		default:
			return error;
	}
}

/* A probability, far enough from 0 and 1 for its logarithm. */
static inline double
clip(double p)
{
	return fmin(fmax(p, ML_METRIC_EPSILON), 1.0 - ML_METRIC_EPSILON);
}

double
ml_class_log_loss(const double *probabilities, int n, int own)
{
	MlSum		sum = {0};

	if (own < 0)
		return -log(ML_METRIC_EPSILON);
	for (int i = 0; i < n; i++)
		ml_sum_add(&sum, clip(probabilities[i]));
	return -log(clip(probabilities[own]) / ml_sum_value(&sum));
}

double
ml_class_brier(const double *probabilities, int n, int own)
{
	MlSum		sum = {0};

	for (int i = 0; i < n; i++)
	{
		double		error = probabilities[i] - (i == own ? 1.0 : 0.0);

		ml_sum_add(&sum, error * error);
	}
	return n == 2 ? 0.5 * ml_sum_value(&sum) : ml_sum_value(&sum);
}

double
ml_class_top_k(const double *probabilities, int n, int own, int k)
{
	int			before = 0;
	int			tied = 0;

	if (own < 0)
		return 0.0;
	for (int i = 0; i < n; i++)
	{
		before += probabilities[i] > probabilities[own];
		tied += probabilities[i] == probabilities[own];
	}
	if (before >= k)
		return 0.0;
	return before + tied <= k ? 1.0 : (double) (k - before) / tied;
}

void
ml_loss_merge(MlLossSums *into, const MlLossSums *from)
{
	into->rows += from->rows;
	ml_sum_merge(&into->weight, &from->weight);
	ml_sum_merge(&into->sum, &from->sum);
}
