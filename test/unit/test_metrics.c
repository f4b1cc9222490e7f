/*
 * Metrics: scikit-learn 1.2.1's values on fixed vectors, plain reference versions, and
 * what must hold whatever the data (weights as repetition, states that merge, ties).
 */
#include "unit.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/random.h"
#include "score/curves.h"
#include "score/metrics.h"

#define ROWS 60
#define CLASSES 4

static const double binary_label[] = {
	0, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1,
	0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0
};

static const double binary_score[] = {
	0.21, 0.56, 0.62, 0.58, 0.35, 0.64, 0.41, 0.52, 0.38, 0.22, 0.27, 0.76, 0.54, 0.91, 0.71, 0.26,
	0.21, 0.71, 0.34, 0.18, 0.54, 0.83, 0.7, 0.26, 0.54, 0.63, 0.14, 0.25, 0.41, 0.29, 0.61, 0.34,
	0.78, 0.28, 0.63, 0.4, 0.25, 0.12, 0.84, 0.51, 0.57, 0.7, 0.62, 0.1, 0.63, 0.76, 0.64, 0.96, 0.51,
	0.72, 0.9, 0.29, 0.6, 0.13, 0.19, 0.58, 0.16, 0.19, 0.76, 0.5
};

static const double row_weight[] = {
	0.88, 0.86, 1.66, 1.8, 1.18, 0.95, 1.76, 2.15, 1.07, 1.05, 2.89, 2.31, 0.59, 2.95, 0.52, 1.16,
	2.79, 0.7, 2.64, 0.86, 0.95, 2.46, 2.74, 1.65, 0.6, 1.29, 0.54, 1.37, 2.15, 1.16, 2.13, 2.82,
	1.67, 1.02, 2.81, 2.86, 0.84, 2.75, 1.23, 0.82, 0.8, 2.4, 0.72, 2.41, 1.1, 1.55, 0.86, 2.13, 1.64,
	1.48, 2.51, 1.65, 2.23, 2.45, 2.04, 2.9, 1.88, 1.05, 1.85, 1.11
};

static const double class_label[] = {
	3, 0, 3, 3, 2, 1, 3, 1, 3, 3, 3, 1, 3, 1, 3, 3, 1, 3, 3, 3, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 1,
	3, 1, 0, 0, 1, 3, 1, 1, 1, 0, 0, 0, 1, 3, 3, 3, 3, 1, 1, 0, 1, 2, 1, 2, 1, 1, 2
};

static const double class_probability_0[] = {
	0.576, 0.699, 0.038, 0.167, 0.176, 0.574, 0.531, 0.187, 0.054, 0.057, 0.047, 0.141, 0.103, 0.567,
	0.101, 0.291, 0.127, 0.108, 0.187, 0.019, 0.22, 0.04, 0.417, 0.394, 0.128, 0.306, 0.265, 0.332,
	0.676, 0.592, 0.189, 0.079, 0.308, 0.586, 0.074, 0.266, 0.662, 0.05, 0.14, 0.321, 0.004, 0.038,
	0.13, 0.185, 0.185, 0.695, 0.287, 0.148, 0.086, 0.346, 0.011, 0.213, 0.569, 0.148, 0.311, 0.113,
	0.013, 0.028, 0.404, 0.102
};

static const double class_probability_1[] = {
	0.065, 0.105, 0.023, 0.386, 0.04, 0.118, 0.171, 0.061, 0.363, 0.071, 0.006, 0.25, 0.052, 0.257,
	0.071, 0.154, 0.761, 0.063, 0.048, 0.145, 0.391, 0.763, 0.307, 0.153, 0.223, 0.101, 0.098, 0.402,
	0.267, 0.059, 0.022, 0.328, 0.053, 0.021, 0.767, 0.176, 0.2, 0.544, 0.02, 0.557, 0.512, 0.74,
	0.047, 0.18, 0.126, 0.181, 0.265, 0.276, 0.109, 0.031, 0.491, 0.43, 0.093, 0.389, 0.239, 0.45,
	0.019, 0.276, 0.228, 0.238
};

static const double class_probability_2[] = {
	0.052, 0.063, 0.589, 0.276, 0.421, 0.059, 0.161, 0.227, 0.06, 0.298, 0.225, 0.589, 0.327, 0.054,
	0.357, 0.123, 0.093, 0.025, 0.254, 0.037, 0.225, 0.139, 0.065, 0.107, 0.158, 0.429, 0.609, 0.036,
	0.033, 0.08, 0.427, 0.066, 0.597, 0.232, 0.041, 0.209, 0.075, 0.217, 0.446, 0.045, 0.105, 0.161,
	0.411, 0.341, 0.055, 0.006, 0.071, 0.344, 0.122, 0.283, 0.152, 0.052, 0.161, 0.115, 0.378, 0.33,
	0.95, 0.585, 0.067, 0.197
};

static const double class_probability_3[] = {
	0.307, 0.133, 0.35, 0.171, 0.363, 0.249, 0.137, 0.525, 0.523, 0.574, 0.722, 0.02, 0.518, 0.122,
	0.471, 0.432, 0.019, 0.804, 0.511, 0.799, 0.164, 0.058, 0.211, 0.346, 0.491, 0.164, 0.028, 0.23,
	0.024, 0.269, 0.362, 0.527, 0.042, 0.161, 0.118, 0.349, 0.063, 0.189, 0.394, 0.077, 0.379, 0.061,
	0.412, 0.294, 0.634, 0.118, 0.377, 0.232, 0.683, 0.34, 0.346, 0.305, 0.177, 0.348, 0.072, 0.107,
	0.018, 0.111, 0.301, 0.463
};

static const double actual_number[] = {
	10.52, 22.04, 16.63, 11.03, 30.71, 11.54, 3.65, 10.09, 12.69, 3.69, 23.25, 4.43, 8.29, 13.84, 3.7,
	9.26, 3.54, 15.29, 20.05, 5.11, 27.2, 8.59, 9.96, 5.44, 0.99, 14.56, 23.49, 8.379999999999999,
	5.85, 7.11, 8.63, 3.32, 19.08, 14.73, 4.08, 3.58, 8.51, 5.35, 0.56, 2.91, 10.4, 11.4, 7.3, 16.7,
	10.1, 9.06, 12.79, 3.23, 16.52, 3.96, 2.3600000000000003, 22.78, 23.49, 10.65, 8.97, 14.34, 6.47,
	22.14, 2.7, 10.51
};

static const double predicted_number[] = {
	7.34, 17.81, 24.27, 11.31, 51.73, 6.36, 4.12, 16.41, 22.73, 4.57, 36.71, 4.77, 12.48, 12.66, 5.06,
	12.76, 1.2, 5.95, 27.93, 6.92, 34.08, 8.03, 9.53, 1.82, 2.86, 13.95, 29.95, 8.69, 2.36, 8.18,
	10.6, 7.09, 16.76, 11.52, 2.17, 2.23, 4.71, 7.63, 0.1, 1.33, 12.12, 9.23, 14.97, 16.26, 15.34,
	10.84, 16.44, 3.29, 18.91, 1.84, 2.89, 25.59, 30.81, 6.16, 7.4, 9.13, 7.78, 26.1, 2.84, 16.69
};

/* ---------------------------------------------------------------- helpers */

/* The value of a metric by name; the test fails when there is none. */
static double
metric(const MlMetric *metrics, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return metrics[i].value;
	CHECK(!"a metric of this name");
	return NAN;
}

/* Probabilities of both classes from that of the second. */
static double *
two_columns(MlContext *ctx, const double *score, size_t n)
{
	double	   *p = ml_alloc_array(ctx, 2 * n, sizeof(double));

	for (size_t i = 0; i < n; i++)
	{
		p[i] = 1.0 - score[i];
		p[i + n] = score[i];
	}
	return p;
}

/* All four columns of the multiclass example. */
static double *
four_columns(MlContext *ctx)
{
	static const double *const columns[CLASSES] = {class_probability_0, class_probability_1,
	class_probability_2, class_probability_3};
	double	   *p = ml_alloc_array(ctx, CLASSES * ROWS, sizeof(double));

	for (int k = 0; k < CLASSES; k++)
		memcpy(p + k * ROWS, columns[k], ROWS * sizeof(double));
	return p;
}

/* The share of ordered pairs, a tie one half, by looking at all of them. */
static double
plain_roc_auc(const double *label, const double *score, const double *weight, size_t n)
{
	double		right = 0.0;
	double		all = 0.0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (label[i] > 0.5 && label[j] <= 0.5)
			{
				double		w = weight == NULL ? 1.0 : weight[i] * weight[j];

				all += w;
				right += w * (score[i] > score[j] ? 1.0 : score[i] == score[j] ? 0.5 : 0.0);
			}
	return right / all;
}

/* Average precision by its definition: each positive row's share of the precision at its own score. */
static double
plain_average_precision(const double *label, const double *score, size_t n)
{
	double		sum = 0.0;
	double		positives = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		double		hits = 0.0;
		double		taken = 0.0;

		if (label[i] <= 0.5)
			continue;
		positives += 1.0;
		for (size_t j = 0; j < n; j++)
			if (score[j] >= score[i])
			{
				taken += 1.0;
				hits += label[j] > 0.5;
			}
		sum += hits / taken;
	}
	return sum / positives;
}

/* Rows of both labels, sorted and merged. */
static void
rank(MlContext *ctx, const double *label, const double *score, size_t n, double *area, double *precision)
{
	uint64_t   *keys = ml_alloc_array(ctx, n + 1, sizeof(uint64_t));
	uint64_t   *buffer = ml_alloc_array(ctx, n + 1, sizeof(uint64_t));
	size_t		front = 0;
	size_t		back = n;
	double		totals[2];
	MlRunReader readers[2];
	MlTies		ties;
	MlRankSummary summary;

	for (size_t i = 0; i < n; i++)
		keys[label[i] > 0.5 ? front++ : --back] = ~ml_score_key(score[i]);
	ml_sort_rows(ctx, keys, buffer, front, ML_WORDS_KEY);
	ml_sort_rows(ctx, keys + back, buffer, n - back, ML_WORDS_KEY);
	readers[0] = (MlRunReader) {.set = 0,.left = n - back,.rows = keys + back,.words = ML_WORDS_KEY};
	readers[1] = (MlRunReader) {.set = 1,.left = front,.rows = keys,.words = ML_WORDS_KEY};
	totals[0] = (double) (n - back);
	totals[1] = (double) front;
	ml_ties_begin(ctx, &ties, readers, 2, 2);
	ml_ties_summary(&ties, totals, &summary);
	*area = summary.roc_auc;
	*precision = summary.average_precision;
	ml_ties_end(&ties);
	ml_free(ctx, buffer);
	ml_free(ctx, keys);
}

/* ---------------------------------------------------------------- scikit-learn's values */

static void
test_binary_golden(MlContext *ctx)
{
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_decided(ctx, NULL, 2, binary_label, two_columns(ctx, binary_score, ROWS),
												  NULL, ROWS, out);

	CHECK(count == 10);
	CHECK_NEAR(metric(out, count, "roc_auc"), 0.8144796380090498, 1e-12);
	CHECK_NEAR(metric(out, count, "average_precision"), 0.7871478558356935, 1e-12);
	CHECK_NEAR(metric(out, count, "log_loss"), 0.5289303302422708, 1e-12);
	CHECK_NEAR(metric(out, count, "brier"), 0.17635333333333333, 1e-12);
	CHECK_NEAR(ml_roc_auc(ctx, binary_label, binary_score, NULL, ROWS), 0.8144796380090498, 1e-12);
}

static void
test_binary_weighted_golden(MlContext *ctx)
{
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_decided(ctx, NULL, 2, binary_label, two_columns(ctx, binary_score, ROWS),
												  row_weight, ROWS, out);

	CHECK_NEAR(metric(out, count, "roc_auc"), 0.8036166557021914, 1e-12);
	CHECK_NEAR(metric(out, count, "average_precision"), 0.7971122290057362, 1e-12);
	CHECK_NEAR(metric(out, count, "log_loss"), 0.5372085707778506, 1e-12);
	CHECK_NEAR(metric(out, count, "brier"), 0.1808624911962974, 1e-12);
}

/*
 * The reference predicts the positive class at a score of 0.5 sharp, where we take the first of two equal
 * probabilities: the labels are compared with probabilities that are all certain.
 */
static void
test_binary_labels_golden(MlContext *ctx)
{
	double		predicted[ROWS];
	MlMetric	out[ML_MAX_METRICS];
	int			count;

	for (int i = 0; i < ROWS; i++)
		predicted[i] = binary_score[i] >= 0.5 ? 1.0 : 0.0;
	count = ml_metrics_decided(ctx, NULL, 2, binary_label, two_columns(ctx, predicted, ROWS), NULL, ROWS, out);
	CHECK_NEAR(metric(out, count, "accuracy"), 0.7333333333333333, 1e-12);
	CHECK_NEAR(metric(out, count, "balanced_accuracy"), 0.746606334841629, 1e-12);
	CHECK_NEAR(metric(out, count, "precision"), 0.6470588235294118, 1e-12);
	CHECK_NEAR(metric(out, count, "recall"), 0.8461538461538461, 1e-12);
	CHECK_NEAR(metric(out, count, "f1"), 0.7333333333333334, 1e-12);
	CHECK_NEAR(metric(out, count, "mcc"), 0.49321266968325794, 1e-12);

	count = ml_metrics_decided(ctx, NULL, 2, binary_label, two_columns(ctx, predicted, ROWS), row_weight, ROWS, out);
	CHECK_NEAR(metric(out, count, "accuracy"), 0.7159674011469966, 1e-12);
	CHECK_NEAR(metric(out, count, "f1"), 0.7089390658830806, 1e-12);
	CHECK_NEAR(metric(out, count, "mcc"), 0.45262260102533525, 1e-12);
}

static void
test_multiclass_golden(MlContext *ctx)
{
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_decided(ctx, NULL, CLASSES, class_label, four_columns(ctx), NULL, ROWS, out);

	CHECK(count == 9);
	CHECK_NEAR(metric(out, count, "accuracy"), 0.55, 1e-12);
	CHECK_NEAR(metric(out, count, "balanced_accuracy"), 0.5911654135338346, 1e-12);
	CHECK_NEAR(metric(out, count, "precision"), 0.5453601953601954, 1e-12);
	CHECK_NEAR(metric(out, count, "recall"), 0.5911654135338346, 1e-12);
	CHECK_NEAR(metric(out, count, "f1"), 0.5408187290219958, 1e-12);
	CHECK_NEAR(metric(out, count, "mcc"), 0.4022375289334681, 1e-12);
	CHECK_NEAR(metric(out, count, "log_loss"), 1.030478493501938, 1e-12);
	CHECK_NEAR(metric(out, count, "roc_auc"), 0.8221386149145633, 1e-12);
}

static void
test_regression_golden(MlContext *ctx)
{
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_regression(ctx, actual_number, predicted_number, NULL, ROWS, out);

	CHECK(count == 7);
	CHECK_NEAR(metric(out, count, "mse"), 25.647088333333333, 1e-12);
	CHECK_NEAR(metric(out, count, "rmse"), 5.064295442935111, 1e-12);
	CHECK_NEAR(metric(out, count, "mae"), 3.555833333333333, 1e-12);
	CHECK_NEAR(metric(out, count, "mape"), 0.37471846515078666, 1e-12);
	CHECK_NEAR(metric(out, count, "median_absolute_error"), 2.3299999999999983, 1e-12);
	CHECK_NEAR(metric(out, count, "max_error"), 21.019999999999996, 1e-12);
	CHECK_NEAR(metric(out, count, "r2"), 0.48311923549678804, 1e-12);

	count = ml_metrics_regression(ctx, actual_number, predicted_number, row_weight, ROWS, out);
	CHECK_NEAR(metric(out, count, "mse"), 23.543026733071734, 1e-12);
	CHECK_NEAR(metric(out, count, "mae"), 3.3280601670188155, 1e-12);
	CHECK_NEAR(metric(out, count, "r2"), 0.49587745082130386, 1e-12);
	CHECK_NEAR(metric(out, count, "mape"), 0.3479253828654443, 1e-12);
}

static void
test_edge_golden(MlContext *ctx)
{
	static const double tied_label[] = {0, 1, 1, 0};
	static const double tied[] = {0.5, 0.5, 0.5, 0.5};
	static const double perfect_label[] = {0, 0, 1, 1};
	static const double perfect[] = {0.1, 0.2, 0.8, 0.9};
	static const double one_label[] = {1, 1, 1};
	static const double one[] = {0.2, 0.4, 0.9};
	static const double no_label[] = {0, 1, 1};
	static const double none[] = {0.0, 0.0, 0.0};
	static const double extreme_label[] = {0, 1};
	double		area;
	double		precision;
	MlMetric	out[ML_MAX_METRICS];
	int			count;

	rank(ctx, tied_label, tied, 4, &area, &precision);
	CHECK(area == 0.5 && precision == 0.5);
	rank(ctx, perfect_label, perfect, 4, &area, &precision);
	CHECK(area == 1.0 && precision == 1.0);
	rank(ctx, one_label, one, 3, &area, &precision);
	CHECK(isnan(area) && precision == 1.0);
	CHECK(isnan(ml_roc_auc(ctx, one_label, one, NULL, 3)));
	CHECK(isnan(ml_roc_auc(ctx, none, one, NULL, 3)));

	count = ml_metrics_decided(ctx, NULL, 2, no_label, two_columns(ctx, none, 3), NULL, 3, out);
	CHECK(metric(out, count, "precision") == 0.0);
	CHECK(metric(out, count, "recall") == 0.0);
	CHECK(metric(out, count, "f1") == 0.0);
	CHECK(metric(out, count, "mcc") == 0.0);

	count = ml_metrics_decided(ctx, NULL, 2, extreme_label, two_columns(ctx, none, 2), NULL, 2, out);
	CHECK_NEAR(metric(out, count, "log_loss"), 18.021826694558577, 1e-12);
}

static void
test_regression_edges(MlContext *ctx)
{
	static const double constant[] = {2, 2, 2};
	static const double around[] = {1, 2, 3};
	static const double zero[] = {0, 1};
	static const double ones[] = {1, 1};
	static const double with_nan[] = {1, NAN, 3};
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_regression(ctx, constant, around, NULL, 3, out);

	CHECK(metric(out, count, "r2") == 0.0);
	count = ml_metrics_regression(ctx, constant, constant, NULL, 3, out);
	CHECK(metric(out, count, "r2") == 1.0);
	CHECK(metric(out, count, "rmse") == 0.0);
	count = ml_metrics_regression(ctx, zero, ones, NULL, 2, out);
	CHECK_NEAR(metric(out, count, "mape"), 2251799813685248.0, 1e-12);
	CHECK(metric(out, count, "median_absolute_error") == 0.5);
	count = ml_metrics_regression(ctx, zero, ones, NULL, 1, out);
	CHECK(isnan(metric(out, count, "r2")));
	CHECK(metric(out, count, "mae") == 1.0);
	CHECK(metric(out, count, "median_absolute_error") == 1.0);
	count = ml_metrics_regression(ctx, zero, ones, NULL, 0, out);
	for (int i = 0; i < count; i++)
		CHECK(isnan(out[i].value));
	count = ml_metrics_regression(ctx, around, with_nan, NULL, 3, out);
	for (int i = 0; i < count; i++)
		CHECK(isnan(out[i].value));
}

/* ---------------------------------------------------------------- reference versions */

/* Scores with many ties, of all signs and sizes, in numbers below and above where the way of sorting changes. */
static void
test_ranks_against_plain(MlContext *ctx)
{
	static const size_t sizes[] = {2, 3, 17, 64, 65, 130, 700};
	MlRandom	random;

	ml_random_seed(&random, 7);
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
		for (int levels = 2; levels < 2000; levels *= 7)
		{
			size_t		n = sizes[s];
			double	   *label = ml_alloc_array(ctx, n, sizeof(double));
			double	   *score = ml_alloc_array(ctx, n, sizeof(double));
			double	   *weight = ml_alloc_array(ctx, n, sizeof(double));
			double		area;
			double		precision;

			for (size_t i = 0; i < n; i++)
			{
				double		level = (double) ml_random_below(&random, (uint64_t) levels) - levels / 2;

				label[i] = i < 2 ? (double) i : ml_random_double(&random) < 0.3;
				score[i] = level * (level > 3 ? 1e200 : level < -3 ? 1e-200 : 0.25);
				weight[i] = 0.1 + ml_random_double(&random);
			}
			rank(ctx, label, score, n, &area, &precision);
			CHECK_NEAR(area, plain_roc_auc(label, score, NULL, n), 1e-13);
			CHECK_NEAR(precision, plain_average_precision(label, score, n), 1e-13);
			CHECK(ml_roc_auc(ctx, label, score, NULL, n) == area);
			CHECK_NEAR(ml_roc_auc(ctx, label, score, weight, n), plain_roc_auc(label, score, weight, n), 1e-12);
		}
}

static void
test_score_keys(MlContext *ctx)
{
	static const double ascending[] = {-INFINITY, -1e308, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e308, INFINITY};
	static const double zero_label[] = {0, 1};
	static const double zeros[] = {0.0, -0.0};
	static const double infinite[] = {-INFINITY, INFINITY};
	static const double unranked[] = {NAN, 1.0};

	for (size_t i = 1; i < sizeof ascending / sizeof ascending[0]; i++)
		CHECK(ml_score_key(ascending[i - 1]) < ml_score_key(ascending[i]));
	CHECK(ml_roc_auc(ctx, zero_label, zeros, NULL, 2) == 0.5);
	CHECK(ml_roc_auc(ctx, zero_label, infinite, NULL, 2) == 1.0);
	CHECK(isnan(ml_roc_auc(ctx, zero_label, unranked, NULL, 2)));
}

/* More rows than pass between two looks at a cancel, in an order that is not the scores'. */
static void
test_many_rows(MlContext *ctx)
{
	size_t		n = ((size_t) 1 << 20) + 4321;
	double	   *label = ml_alloc_array(ctx, n, sizeof(double));
	double	   *score = ml_alloc_array(ctx, n, sizeof(double));
	double	   *weight = ml_alloc_array(ctx, n, sizeof(double));
	double		positives = 0.0;
	double		pairs = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		size_t		place = (i * 1000003) % n;	/* a permutation: n and 1000003 have no common factor */

		label[i] = place % 3 == 0;
		score[i] = (double) place - 1000.0;
		weight[i] = 2.0;
	}
	for (size_t place = 0, negatives = 0; place < n; place++)
		if (place % 3 == 0)
		{
			positives += 1.0;
			pairs += (double) negatives;
		}
		else
			negatives++;
	pairs /= positives * ((double) n - positives);
	CHECK_NEAR(ml_roc_auc(ctx, label, score, NULL, n), pairs, 1e-14);
	CHECK_NEAR(ml_roc_auc(ctx, label, score, weight, n), pairs, 1e-14);
}

/* ---------------------------------------------------------------- what must hold */

/* A whole weight counts as that many rows, and none as no row. */
static void
test_weight_is_repetition(MlContext *ctx)
{
	double		weight[ROWS];
	double		y[3 * ROWS];
	double		label[3 * ROWS];
	double		predicted[3 * ROWS];
	double		score[3 * ROWS];
	size_t		n = 0;
	MlMetric	weighted[ML_MAX_METRICS];
	MlMetric	repeated[ML_MAX_METRICS];
	int			count;

	for (int i = 0; i < ROWS; i++)
	{
		weight[i] = i * 7 % 4;
		for (int r = 0; r < i * 7 % 4; r++, n++)
		{
			y[n] = actual_number[i];
			predicted[n] = predicted_number[i];
			label[n] = binary_label[i];
			score[n] = binary_score[i];
		}
	}
	count = ml_metrics_regression(ctx, actual_number, predicted_number, weight, ROWS, weighted);
	CHECK(count == ml_metrics_regression(ctx, y, predicted, NULL, n, repeated));
	CHECK(n % 2 == 0);
	for (int i = 0; i < count; i++)
		if (strcmp(weighted[i].name, "median_absolute_error") != 0)	/* a weighted median takes no mean of two */
			CHECK_NEAR(weighted[i].value, repeated[i].value, 1e-13);

	count = ml_metrics_decided(ctx, NULL, 2, binary_label, two_columns(ctx, binary_score, ROWS), weight, ROWS, weighted);
	CHECK(count == ml_metrics_decided(ctx, NULL, 2, label, two_columns(ctx, score, n), NULL, n, repeated));
	for (int i = 0; i < count; i++)
		CHECK_NEAR(weighted[i].value, repeated[i].value, 1e-13);
}

/* A weighted median is the least error that half of the weight does not pass. */
static void
test_weighted_median(MlContext *ctx)
{
	static const double zero[] = {0, 0, 0, 0};
	static const double error[] = {4, 1, 3, 2};
	static const double weight[] = {1, 1, 5, 2};
	static const double even[] = {1, 1, 1, 1};
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_regression(ctx, zero, error, weight, 4, out);

	CHECK(metric(out, count, "median_absolute_error") == 3.0);
	count = ml_metrics_regression(ctx, zero, error, even, 4, out);
	CHECK(metric(out, count, "median_absolute_error") == 2.0);
	count = ml_metrics_regression(ctx, zero, error, NULL, 4, out);
	CHECK(metric(out, count, "median_absolute_error") == 2.5);
}

/* States merged from parts are the state of the whole, empty parts included, far from zero too. */
static void
test_sums_merge(MlContext *ctx)
{
	enum
	{
		N = 10000
	};
	MlErrorSums whole = {0};
	MlErrorSums parts[5] = {{0}};
	MlErrorSums merged = {0};
	MlErrorMetrics a;
	MlErrorMetrics b;
	MlRandom	random;
	double		spread = 0.0;
	double		squared = 0.0;

	(void) ctx;
	ml_random_seed(&random, 11);
	for (int i = 0; i < N; i++)
	{
		/* sixteenths, so that the plain sums below are exact: the mean of 0 .. 9999 sixteenths is known */
		double		actual = 1e9 + (double) (i * 7919 % N) / 16.0;
		double		predicted = actual + (double) ml_random_below(&random, 32) / 16.0;

		ml_errors_add(&whole, actual, predicted, 1.0);
		ml_errors_add(&parts[i % 4], actual, predicted, 1.0);
		spread += (actual - 1e9 - (N - 1) / 32.0) * (actual - 1e9 - (N - 1) / 32.0);
		squared += (actual - predicted) * (actual - predicted);
	}
	for (int i = 4; i >= 0; i--)
		ml_errors_merge(&merged, &parts[i]);
	ml_errors_metrics(&whole, &a);
	ml_errors_metrics(&merged, &b);
	CHECK(merged.rows == N);
	CHECK_NEAR(a.r2, 1.0 - squared / spread, 1e-15);
	CHECK_NEAR(b.r2, 1.0 - squared / spread, 1e-15);
	CHECK_NEAR(ml_sum_value(&whole.spread), spread, 1e-15);
	CHECK_NEAR(ml_sum_value(&merged.spread), spread, 1e-15);
	CHECK(a.mse == squared / N && b.mse == a.mse);
	CHECK_NEAR(b.mae, a.mae, 1e-15);
	CHECK_NEAR(b.mape, a.mape, 1e-15);
}

static void
test_probability_sums(MlContext *ctx)
{
	MlErrorSums sums = {0};
	MlErrorSums first = {0};
	MlErrorMetrics out;

	(void) ctx;
	for (int i = 0; i < ROWS; i++)
		ml_errors_add_probability(i < 20 ? &first : &sums, binary_label[i] > 0.5, binary_score[i], 1.0);
	ml_errors_merge(&sums, &first);
	ml_errors_metrics(&sums, &out);
	CHECK_NEAR(out.log_loss, 0.5289303302422708, 1e-12);
	CHECK_NEAR(out.brier, 0.17635333333333333, 1e-12);

	sums = (MlErrorSums) {0};
	ml_errors_add_probability(&sums, true, 0.0, 1.0);
	ml_errors_add_probability(&sums, false, 0.0, 1.0);
	ml_errors_metrics(&sums, &out);
	CHECK_NEAR(out.log_loss, 18.021826694558577, 1e-12);
	CHECK(out.brier == 0.5);
}

static void
test_tallies(MlContext *ctx)
{
	/* nobody is of class 2, which is predicted; class 3 does not occur at all */
	static const MlTally three[] = {{1, 2, 1}, {2, 2, 2}, {0, 0, 1}, {0, 0, 0}};
	static const MlTally none[] = {{0, 0, 0}, {0, 0, 0}};
	static const MlTally perfect[] = {{3, 3, 3}, {5, 5, 5}};
	static const MlTally opposite[] = {{0, 4, 4}, {0, 4, 4}};
	/* one row in ten million of either kind: what cancels is far below the products */
	static const MlTally rare[] = {{9999998, 9999999, 9999999}, {0, 1, 1}};
	MlTallyMetrics out;

	(void) ctx;
	ml_tally_metrics(three, 4, -1, &out);
	CHECK(out.accuracy == 0.75);
	CHECK(out.balanced_accuracy == 0.75);
	CHECK_NEAR(out.precision, 2.0 / 3.0, 1e-15);
	CHECK_NEAR(out.recall, 0.5, 1e-15);
	CHECK_NEAR(out.f1, (2.0 / 3.0 + 1.0) / 3.0, 1e-15);
	ml_tally_metrics(three, 4, 1, &out);
	CHECK(out.precision == 1.0 && out.recall == 1.0 && out.f1 == 1.0);
	ml_tally_metrics(none, 2, 1, &out);
	CHECK(isnan(out.accuracy) && isnan(out.precision) && isnan(out.mcc));
	ml_tally_metrics(perfect, 2, 1, &out);
	CHECK_NEAR(out.mcc, 1.0, 1e-15);
	ml_tally_metrics(opposite, 2, 1, &out);
	CHECK_NEAR(out.mcc, -1.0, 1e-15);
	ml_tally_metrics(rare, 2, 1, &out);
	CHECK_NEAR(out.mcc, -1.0 / 9999999.0, 1e-14);
}

/* A class the model does not know: wrong whatever is predicted, as one more label would be. */
static void
test_unknown_class(MlContext *ctx)
{
	static const double actual[] = {0, 1, -1, 1};
	static const double positive[] = {0.2, 0.9, 0.8, 0.7};
	static const double outside[] = {0, 1, 7, 1};
	MlMetric	out[ML_MAX_METRICS];
	MlMetric	same[ML_MAX_METRICS];
	int			count = ml_metrics_decided(ctx, NULL, 2, actual, two_columns(ctx, positive, 4), NULL, 4, out);

	CHECK(metric(out, count, "accuracy") == 0.75);
	CHECK_NEAR(metric(out, count, "balanced_accuracy"), 2.0 / 3.0, 1e-15);
	CHECK_NEAR(metric(out, count, "precision"), 2.0 / 3.0, 1e-15);
	CHECK(metric(out, count, "recall") == 1.0);
	CHECK(metric(out, count, "roc_auc") == 0.75);
	CHECK_NEAR(metric(out, count, "log_loss"),
			   -(log(0.8) + log(0.9) + log(2.220446049250313e-16) + log(0.7)) / 4.0, 1e-14);
	CHECK_NEAR(metric(out, count, "brier"), (0.04 + 0.01 + (0.04 + 0.64) / 2.0 + 0.09) / 4.0, 1e-14);
	CHECK(count == ml_metrics_decided(ctx, NULL, 2, outside, two_columns(ctx, positive, 4), NULL, 4, same));
	for (int i = 0; i < count; i++)
		CHECK(same[i].value == out[i].value);
}

/* A class without rows takes no part in the mean of areas; with one class there is none. */
static void
test_absent_classes(MlContext *ctx)
{
	static const double actual[] = {0, 1, 0, 1};
	static const double constant[] = {2, 2, 2, 2};
	static const double p[] = {0.7, 0.2, 0.3, 0.1, 0.2, 0.5, 0.4, 0.3, 0.1, 0.3, 0.3, 0.6};
	MlMetric	out[ML_MAX_METRICS];
	int			count = ml_metrics_decided(ctx, NULL, 3, actual, p, NULL, 4, out);

	CHECK_NEAR(metric(out, count, "roc_auc"), (1.0 + 0.75) / 2.0, 1e-15);
	count = ml_metrics_decided(ctx, NULL, 3, constant, p, NULL, 4, out);
	CHECK(isnan(metric(out, count, "roc_auc")));
	CHECK(metric(out, count, "accuracy") == 0.25);
	CHECK(metric(out, count, "mcc") == 0.0);
	count = ml_metrics_decided(ctx, NULL, 3, constant, p, NULL, 0, out);
	for (int i = 0; i < count; i++)
		CHECK(isnan(out[i].value));
}

/* The order of rows changes nothing beyond the last bits, blocks of any length included. */
static void
test_order(MlContext *ctx)
{
	enum
	{
		N = 1111
	};
	double	   *actual = ml_alloc_array(ctx, N, sizeof(double));
	double	   *p = ml_alloc_array(ctx, 3 * N, sizeof(double));
	double	   *actual_back = ml_alloc_array(ctx, N, sizeof(double));
	double	   *p_back = ml_alloc_array(ctx, 3 * N, sizeof(double));
	MlMetric	out[ML_MAX_METRICS];
	MlMetric	back[ML_MAX_METRICS];
	MlRandom	random;
	int			count;

	ml_random_seed(&random, 3);
	for (int i = 0; i < N; i++)
	{
		double		sum = 0.0;

		actual[i] = actual_back[N - 1 - i] = (double) ml_random_below(&random, 3);
		for (int k = 0; k < 3; k++)
			sum += p[i + k * N] = ml_random_double(&random);
		for (int k = 0; k < 3; k++)
			p_back[N - 1 - i + k * N] = p[i + k * N] /= sum;
	}
	count = ml_metrics_decided(ctx, NULL, 3, actual, p, NULL, N, out);
	CHECK(count == ml_metrics_decided(ctx, NULL, 3, actual_back, p_back, NULL, N, back));
	for (int i = 0; i < count; i++)
		CHECK_NEAR(out[i].value, back[i].value, 1e-14);
}

/* What a context does that is asked to stop. */
static void
stop(MlContext *ctx)
{
	ml_raise(ctx, ML_ERROR_INTERNAL, "stopped");
}

static void
test_cancel(MlContext *ctx)
{
	void		(*check) (MlContext *ctx) = ctx->check;
	MlMetric	out[ML_MAX_METRICS];
	double	   *p = four_columns(ctx);

	ctx->check = stop;
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, ml_roc_auc(ctx, binary_label, binary_score, NULL, ROWS));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, ml_metrics_decided(ctx, NULL, CLASSES, class_label, p, NULL, ROWS, out));
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, ml_metrics_regression(ctx, actual_number, predicted_number, NULL, ROWS, out));
	ctx->check = check;
}

static void
test_memory_limit(MlContext *ctx)
{
	size_t		n = 100000;
	double	   *zeros = ml_alloc_array_zero(ctx, n, sizeof(double));
	size_t		used = ctx->used_memory;

	zeros[n / 2] = 1.0;
	ctx->max_memory = used + 1000;
	CHECK_RAISES(ctx, ML_ERROR_MEMORY, ml_roc_auc(ctx, zeros, zeros, NULL, n));
	ctx->max_memory = used + 3 * n * sizeof(uint64_t);
	CHECK_NEAR(ml_roc_auc(ctx, zeros, zeros, NULL, n), 1.0, 0.0);
	ctx->max_memory = 0;
}

UNIT_MAIN(
		  test_binary_golden,
		  test_binary_weighted_golden,
		  test_binary_labels_golden,
		  test_multiclass_golden,
		  test_regression_golden,
		  test_edge_golden,
		  test_regression_edges,
		  test_ranks_against_plain,
		  test_score_keys,
		  test_many_rows,
		  test_weight_is_repetition,
		  test_weighted_median,
		  test_sums_merge,
		  test_probability_sums,
		  test_tallies,
		  test_unknown_class,
		  test_absent_classes,
		  test_order,
		  test_cancel,
		  test_memory_limit)
