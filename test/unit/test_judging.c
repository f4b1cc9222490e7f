/*
 * What models and columns are judged by: bounds of weighted scores, thresholds of weighted rows, the skill of single
 * features, figures of groups; each against its definition, worked out the long way.
 */
#include "unit.h"

#include "base/random.h"
#include "model/conformal.h"
#include "model/one_pass.h"
#include "score/clusters.h"
#include "score/decision.h"
#include "score/metrics.h"
#include "score/profile.h"
#include "score/tallies.h"

static double
uniform(size_t i, int column)
{
	return (double) (ml_mix64(i * 64 + (size_t) column) >> 11) * 0x1p-53;
}

/* ---------------------------------------------------------------- bounds */

/* A model that is nothing but the calibration by these scores. */
static MlModel *
calibrated(MlContext *ctx, const double *scores, const double *weights, size_t n)
{
	MlModel    *model = ml_alloc_zero(ctx, sizeof *model);
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_calibration_write(ctx, w, scores, weights, n);
	model->sections[ML_SECTION_SUMMARY] = ml_document_root(ml_writer_finish(w, &size));
	return model;
}

/* The least score that so many average weights do not pass, of all that there are. */
static double
upper_by_hand(const double *scores, const double *weights, size_t n, double wanted)
{
	double		least = INFINITY;

	for (size_t i = 0; i < n; i++)
	{
		double		through = 0;
		double		total = 0;
		double		rows = 0;

		for (size_t j = 0; j < n; j++)
		{
			total += weights[j];
			rows += weights[j] > 0;
			through += scores[j] <= scores[i] ? weights[j] : 0;
		}
		if (weights[i] > 0 && through * rows / total >= wanted * (rows + 1) && scores[i] < least)
			least = scores[i];
	}
	return least;
}

/* All scores are kept: the bounds are those of the definition, at either end. */
static void
test_weighted_bounds(MlContext *ctx)
{
	enum { N = 300 };
	static const double shares[] = {0.5, 0.8, 0.9, 0.95, 0.99, 0.999};
	double		scores[N];
	double		negative[N];
	double		weights[N];
	MlCalibration c;

	for (size_t i = 0; i < N; i++)
	{
		scores[i] = (float) floor(uniform(i, 0) * 120) / 8 - 7;
		negative[i] = -scores[i];
		weights[i] = i % 11 == 0 ? 0 : 0.25 + (double) (i % 5);
	}
	CHECK(ml_calibration_read(ctx, calibrated(ctx, scores, weights, N), &c));
	CHECK(c.n == N - (N + 10) / 11 && c.through != NULL);
	for (size_t s = 0; s < sizeof shares / sizeof *shares; s++)
	{
		double		upper = upper_by_hand(scores, weights, N, shares[s]);
		double		lower = -upper_by_hand(negative, weights, N, shares[s]);

		CHECK_NEAR(ml_calibration_upper(&c, shares[s]), upper, 1e-6);
		CHECK_NEAR(ml_calibration_lower(&c, shares[s]), lower, 1e-6);
	}
}

/* Of many scores some are kept, which bound no less weight than all would, and hardly more. */
static void
test_many_weighted(MlContext *ctx)
{
	enum { N = 40000 };
	double	   *scores = ml_alloc_array(ctx, N, sizeof(double));
	double	   *weights = ml_alloc_array(ctx, N, sizeof(double));
	MlCalibration c;

	for (size_t i = 0; i < N; i++)
	{
		scores[i] = uniform(i, 1) - 0.5;
		weights[i] = scores[i] > 0 ? 3 : 0.5 + uniform(i, 2);
	}
	CHECK(ml_calibration_read(ctx, calibrated(ctx, scores, weights, N), &c));
	CHECK(c.n == N && c.count <= 1001);
	for (double share = 0.05; share < 1; share += 0.05)
	{
		double		upper = ml_calibration_upper(&c, share);
		double		lower = ml_calibration_lower(&c, share);
		double		total = 0;
		double		within = 0;
		double		above = 0;

		for (size_t i = 0; i < N; i++)
		{
			total += weights[i];
			within += scores[i] <= upper ? weights[i] : 0;
			above += scores[i] >= lower ? weights[i] : 0;
		}
		CHECK(within >= share * total && within <= (share + 0.0012) * total);
		CHECK(above >= share * total && above <= (share + 0.0012) * total);
	}
}

/* Weights that are all the same are none, whatever they are. */
static void
test_even_weights(MlContext *ctx)
{
	double		scores[50];
	double		weights[50];
	MlCalibration even;
	MlCalibration none;

	for (size_t i = 0; i < 50; i++)
	{
		scores[i] = uniform(i, 3);
		weights[i] = 0.1;
	}
	CHECK(ml_calibration_read(ctx, calibrated(ctx, scores, weights, 50), &even));
	CHECK(ml_calibration_read(ctx, calibrated(ctx, scores, NULL, 50), &none));
	CHECK(even.through == NULL && even.n == none.n);
	for (double share = 0.5; share < 1; share += 0.01)
		CHECK(ml_calibration_upper(&even, share) == ml_calibration_upper(&none, share));
}

/* ---------------------------------------------------------------- thresholds */

/* A row of weight 3 is chosen for as three rows are; the order of rows does not matter. */
static void
test_weighted_threshold(MlContext *ctx)
{
	static const char *const metrics[] = {"accuracy", "balanced_accuracy", "f1", "mcc"};
	double		actual[400];
	double		p[400];
	double		weight[400];
	double		copies_actual[1200];
	double		copies_p[1200];
	size_t		copies = 0;

	for (size_t i = 0; i < 400; i++)
	{
		p[i] = floor(uniform(i, 4) * 50) / 50;
		actual[i] = uniform(i, 5) < p[i] * p[i];
		weight[i] = actual[i] > 0 ? 3 : (double) (i % 3);
		for (int k = 0; k < (int) weight[i]; k++)
		{
			copies_p[copies] = p[i];
			copies_actual[copies++] = actual[i];
		}
	}
	for (size_t m = 0; m < 4; m++)
	{
		MlDecision	weighted = {.classes = 2,.chosen_for = metrics[m]};
		MlDecision	copied = weighted;
		MlDecision	plain = weighted;

		ml_decision_choose(ctx, &weighted, actual, p, weight, 400);
		ml_decision_choose(ctx, &copied, copies_actual, copies_p, NULL, copies);
		ml_decision_choose(ctx, &plain, actual, p, NULL, 400);
		CHECK(weighted.threshold == copied.threshold);
		if (m == 0)
			CHECK(weighted.threshold < plain.threshold);
	}
}

/* ---------------------------------------------------------------- skill */

/* 1 - squared errors of the means of levels over those of the mean of all, class by class. */
static double
skill_by_hand(const double *feature, const double *target, int classes, size_t n)
{
	double		errors = 0;
	double		all = 0;

	for (int k = 0; k < classes; k++)
		for (size_t i = 1; i < n; i += 2)
		{
			double		sum = 0;
			double		count = 0;
			double		level_sum = 0;
			double		level_count = 0;
			double		mean;
			double		own;

			for (size_t j = 0; j < n; j += 2)
			{
				bool		same = feature[j] == feature[i] || (isnan(feature[j]) && isnan(feature[i]));

				sum += target[j] == k;
				count++;
				level_sum += same && target[j] == k;
				level_count += same;
			}
			mean = sum / count;
			own = level_count > 0 ? level_sum / level_count : mean;
			errors += ((target[i] == k) - own) * ((target[i] == k) - own);
			all += ((target[i] == k) - mean) * ((target[i] == k) - mean);
		}
	return 1 - errors / all;
}

/* All classes in one pass say what they say one by one; levels that only one half has, and NULLs. */
static void
test_skill_of_classes(MlContext *ctx)
{
	double		feature[301];
	double		target[301];

	for (size_t i = 0; i < 301; i++)
	{
		target[i] = floor(uniform(i, 6) * 7);
		feature[i] = i % 13 == 0 ? NAN : i % 5 == 0 ? 40 + (double) (i % 60) : target[i] + floor(uniform(i, 7) * 2);
	}
	CHECK_NEAR(ml_feature_skill(ctx, feature, true, target, 7, 301), skill_by_hand(feature, target, 7, 301), 1e-12);
	CHECK_NEAR(ml_feature_skill(ctx, feature, true, target, 7, 60), skill_by_hand(feature, target, 7, 60), 1e-12);
	/* a class for each pair of rows */
	for (size_t i = 0; i < 301; i++)
		feature[i] = target[i] = (double) (i / 2);
	CHECK_NEAR(ml_feature_skill(ctx, feature, true, target, 151, 300), 1, 1e-12);
	CHECK(isnan(ml_feature_skill(ctx, feature, true, target, 151, 39)));
}

/* Warnings over a state of one pass: of a straight line through all rows, and through those that are there. */
static void
test_one_pass_leaks(MlContext *ctx)
{
	MlOnePass  *s = ml_one_pass_create(ctx, 4, true, false);
	MlFeature	features[4] = {{0}};

	for (int f = 0; f < 4; f++)
		features[f] = (MlFeature) {.name = "f",.kind = ML_KIND_NUMBER,.type = "float8",.width = 1,.slot = f};
	for (size_t i = 0; i < 500; i++)
	{
		double		y = uniform(i, 8);
		double		row[6] = {3 - 2 * y, i % 4 == 0 ? NAN : y + 1, uniform(i, 9), y + uniform(i, 10),
			i % 4 == 0 ? 0.5 : y, 1 + (double) (i % 2)};

		for (int c = 0; c < 6; c++)
		{
			s->block[(size_t) c * ML_ONE_PASS_ROWS + (size_t) s->filled] = row[c];
			s->block_nulls[c] += isnan(row[c]) != 0;
		}
		if (++s->filled == ML_ONE_PASS_ROWS)
			ml_one_pass_flush(ctx, s);
	}
	ml_one_pass_flush(ctx, s);
	/* the first explains all rows but those that are 0.5, the second with its NULLs all */
	ml_one_pass_warn(ctx, s, features + 2, 2);
	CHECK(unit_warnings(ctx) == 0);
	ml_one_pass_warn(ctx, s, features + 1, 1);
	CHECK(unit_warnings(ctx) == 1);
}

/* ---------------------------------------------------------------- agreement and clusters */

/* The index over all pairs of different rows, each counting as the product of their weights. */
static double
rand_by_hand(const int *a, const int *b, const double *weights, size_t n)
{
	double		both = 0;
	double		rows = 0;
	double		columns = 0;
	double		all = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
		{
			double		w = i == j ? 0 : weights[i] * weights[j];

			all += w;
			rows += a[i] == a[j] ? w : 0;
			columns += b[i] == b[j] ? w : 0;
			both += a[i] == a[j] && b[i] == b[j] ? w : 0;
		}
	return (both - rows * columns / all) / ((rows + columns) / 2 - rows * columns / all);
}

/* Groupings of weighted rows: whole weights and others, and all of them a multiple. */
static void
test_weighted_agreement(MlContext *ctx)
{
	for (int kind = 0; kind < 3; kind++)
	{
		int			a[80];
		int			b[80];
		double		weights[80];
		double		squares = 0;
		MlCell		cells[16] = {{0}};
		MlCell		seen[16];
		size_t		nseen = 0;
		MlAgreement out;

		for (size_t i = 0; i < 80; i++)
		{
			a[i] = (int) (uniform(i, 13) * 4);
			b[i] = uniform(i, 14) < 0.6 ? a[i] : (int) (uniform(i, 15) * 4);
			weights[i] = kind == 0 ? 1 : kind == 1 ? 1 + (double) (i % 5) : 1e-3 * (0.25 + uniform(i, 16));
			squares += weights[i] * weights[i];
			cells[4 * a[i] + b[i]].row = (uint32_t) a[i];
			cells[4 * a[i] + b[i]].column = (uint32_t) b[i];
			cells[4 * a[i] + b[i]].weight += weights[i];
		}
		for (int i = 0; i < 16; i++)
			if (cells[i].weight > 0)
				seen[nseen++] = cells[i];
		ml_agreement(ctx, seen, nseen, 4, squares, &out);
		CHECK_NEAR(out.ari, rand_by_hand(a, b, weights, 80), 1e-9);
		CHECK(out.v_measure > 0 && out.v_measure < 1);
		/* each row a group of its own, in both */
		for (uint32_t i = 0; i < 16; i++)
			seen[i] = (MlCell) {i, i, weights[i]};
		squares = 0;
		for (int i = 0; i < 16; i++)
			squares += weights[i] * weights[i];
		ml_agreement(ctx, seen, 16, 16, squares, &out);
		CHECK(out.ari == 1);
		CHECK_NEAR(out.v_measure, 1, 1e-12);
	}
}

/* Clusters of weighted points: a multiple changes nothing, weights of 1 are none, and widths are those by hand. */
static void
test_weighted_clusters(MlContext *ctx)
{
	double		values[120];
	uint32_t	cluster[60];
	double		weight[60];
	double		many[60];
	double		one[60];
	MlPoints	plain = {60, 2, values, cluster, 3, NULL};
	MlPoints	ones = {60, 2, values, cluster, 3, one};
	MlPoints	weighted = {60, 2, values, cluster, 3, weight};
	MlPoints	multiple = {60, 2, values, cluster, 3, many};
	double		width = 0;
	double		total = 0;

	for (size_t i = 0; i < 60; i++)
	{
		cluster[i] = (uint32_t) (i % 3);
		values[2 * i] = 2 * (double) (i % 3) + uniform(i, 17);
		values[2 * i + 1] = uniform(i, 18) * 2;
		one[i] = 1;
		weight[i] = 0.5 + (double) (i % 4);
		many[i] = 64 * weight[i];
	}
	CHECK(ml_silhouette(ctx, &ones) == ml_silhouette(ctx, &plain));
	CHECK(ml_davies_bouldin(ctx, &ones) == ml_davies_bouldin(ctx, &plain));
	CHECK(ml_calinski_harabasz(ctx, &ones) == ml_calinski_harabasz(ctx, &plain));
	CHECK_NEAR(ml_davies_bouldin(ctx, &multiple), ml_davies_bouldin(ctx, &weighted), 1e-12);
	CHECK_NEAR(ml_calinski_harabasz(ctx, &multiple), ml_calinski_harabasz(ctx, &weighted), 1e-12);
	CHECK_NEAR(ml_silhouette(ctx, &multiple), ml_silhouette(ctx, &weighted), 1e-12);
	CHECK(ml_calinski_harabasz(ctx, &weighted) != ml_calinski_harabasz(ctx, &plain));
	for (size_t i = 0; i < 60; i++)
	{
		double		sums[3] = {0};
		double		weights[3] = {0};
		double		nearest = INFINITY;
		double		inside;

		for (size_t j = 0; j < 60; j++)
		{
			sums[cluster[j]] += weight[j] * hypot(values[2 * i] - values[2 * j], values[2 * i + 1] - values[2 * j + 1]);
			weights[cluster[j]] += j == i ? 0 : weight[j];
		}
		inside = sums[cluster[i]] / weights[cluster[i]];
		for (uint32_t k = 0; k < 3; k++)
			nearest = k != cluster[i] ? fmin(nearest, sums[k] / weights[k]) : nearest;
		width += weight[i] * (nearest - inside) / fmax(nearest, inside);
		total += weight[i];
	}
	CHECK_NEAR(ml_silhouette(ctx, &weighted), width / total, 1e-12);
}

/* ---------------------------------------------------------------- groups */

/* Rows of a group need not lie together. */
static void
test_groups_anywhere(MlContext *ctx)
{
	double		relevance[90];
	double		score[90];
	uint64_t	group[90];
	uint32_t	numbers[90];
	MlMetric	together[ML_MAX_METRICS];
	MlMetric	mixed[ML_MAX_METRICS];
	double		mixed_relevance[90];
	double		mixed_score[90];

	for (size_t i = 0; i < 90; i++)
	{
		size_t		at = i * 37 % 90;

		relevance[i] = floor(uniform(i, 11) * 4);
		score[i] = uniform(i, 12);
		numbers[i] = (uint32_t) (i / 9);
		group[at] = ml_mix64(i / 9 + 5);
		mixed_relevance[at] = relevance[i];
		mixed_score[at] = score[i];
	}
	CHECK(ml_metrics_ranking(ctx, relevance, score, numbers, 90, together) ==
		  ml_metrics_groups(ctx, mixed_relevance, mixed_score, group, 90, mixed));
	for (int m = 0; m < 3; m++)
		CHECK_NEAR(mixed[m].value, together[m].value, 1e-12);
}

UNIT_MAIN(test_weighted_bounds, test_many_weighted, test_even_weights, test_weighted_threshold, test_skill_of_classes,
		  test_one_pass_leaks, test_weighted_agreement, test_weighted_clusters, test_groups_anywhere)
