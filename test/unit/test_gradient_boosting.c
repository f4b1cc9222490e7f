/*
 * Gradient boosting: splits worked out by hand, missing values, categories, penalties, weights, sampling,
 * what a stored model may not say, and how well it learns.
 */
#include "unit.h"

#include <float.h>

#include "base/random.h"
#include "learn/learners.h"
#include "rows.h"
#include "sample.h"

/* ---------------------------------------------------------------- helpers */

/* What fit writes. */
static const MlNode *
fit(MlContext *ctx, const Rows *r, const char *params)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_gradient_boosting.fit(ctx, &r->design, ml_params_parse(ctx, &ml_gradient_boosting, params), w);
	return ml_document_root(ml_writer_finish(w, &size));
}

/* One score of one row. */
static double
score_one(MlContext *ctx, const Rows *r, const MlNode *payload, const double *x)
{
	double		out[8];

	ml_gradient_boosting.score(ml_gradient_boosting.load(ctx, payload, &r->shape), x, 1, 1, out, 1);
	return out[r->design.classes == 2];
}

static size_t
nodes_of(const MlNode *payload)
{
	return ml_node_count(ml_node_find(payload, "feature"));
}

static double
threshold_of(const MlNode *payload, size_t node)
{
	return ((const double *) ml_node_array(ml_node_find(payload, "threshold")))[node];
}

#define ONE_TREE "\"n_estimators\": 1, \"learning_rate\": 1, \"min_samples_leaf\": 1"

/* ---------------------------------------------------------------- by hand */

/* Residuals -3 -3 -3 9: the one split is before the last value, the leaves are the means. */
static void
test_one_split(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 5};
	static const double y[] = {0, 0, 0, 12};
	Rows	   *r = make_rows(ctx, x, 4, 1, y, 0);
	const MlNode *p = fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 2}");

	CHECK(nodes_of(p) == 3);
	CHECK(threshold_of(p, 0) == 4);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {4}), 0, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {4.001}), 12, 1e-5);
	/* half the way at half the rate */
	p = fit(ctx, r, "{\"n_estimators\": 1, \"learning_rate\": 0.5, \"min_samples_leaf\": 1, \"max_leaf_nodes\": 2}");
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1}), 1.5, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {9}), 7.5, 1e-5);
	/* no split leaves two rows on each side and gains: -3 -3 | -3 9 does */
	p = fit(ctx, r, "{\"n_estimators\": 1, \"learning_rate\": 1, \"min_samples_leaf\": 2}");
	CHECK(nodes_of(p) == 3 && threshold_of(p, 0) == 2.5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1}), 0, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {5}), 6, 1e-5);
	/* more rows than there are: no tree at all, the mean */
	p = fit(ctx, r, "{\"n_estimators\": 5}");
	CHECK(nodes_of(p) == 0 && score_one(ctx, r, p, &(double) {5}) == 3);
}

/* -G / (H + l2) with G softened by l1, and what a split must gain: 81 / (3 + l2) + 81 / (1 + l2) here. */
static void
test_penalties(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 5};
	static const double y[] = {0, 0, 0, 12};
	Rows	   *r = make_rows(ctx, x, 4, 1, y, 0);
	const MlNode *p = fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 2, \"l2\": 2}");

	CHECK_NEAR(score_one(ctx, r, p, &(double) {5}), 3 + 9 / 3.0, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1}), 3 - 9 / 5.0, 1e-5);
	p = fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 2, \"l1\": 3}");
	CHECK_NEAR(score_one(ctx, r, p, &(double) {5}), 3 + 6, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1}), 3 - 6 / 3.0, 1e-5);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"min_split_gain\": 107.9}")) == 3);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"min_split_gain\": 108.1}")) == 0);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"min_child_weight\": 2.1}")) == 0);
	CHECK(threshold_of(fit(ctx, r, "{" ONE_TREE ", \"min_child_weight\": 2}"), 0) == 2.5);
}

/* A split of two classes: odds of the leaves after one Newton step from the log odds of all. */
static void
test_binary(MlContext *ctx)
{
	static const double x[] = {1, 1, 1, 1, 2, 2, 2, 2};
	static const double y[] = {0, 0, 0, 1, 1, 1, 1, 0};
	Rows	   *r = make_rows(ctx, x, 8, 1, y, 2);
	const MlNode *p = fit(ctx, r, "{" ONE_TREE ", \"l2\": 0}");

	/* p = 1/2: g = +-1/2, h = 1/4; left G = 1, H = 1 */
	CHECK(nodes_of(p) == 3 && threshold_of(p, 0) == 1.5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1}), 1 / (1 + exp(1)), 1e-6);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {2}), 1 / (1 + exp(-1)), 1e-6);
	/* with its default of l2, which is 1 for two classes */
	p = fit(ctx, r, "{" ONE_TREE "}");
	CHECK_NEAR(score_one(ctx, r, p, &(double) {2}), 1 / (1 + exp(-0.5)), 1e-6);
}

/* Missing values go where they gain most, whichever side that is; unknown ones with the most rows. */
static void
test_missing(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 4, NAN, NAN};
	static const double low[] = {0, 0, 10, 10, 0, 0};
	static const double high[] = {0, 0, 10, 10, 10, 10};
	static const double apart[] = {0, 0, 0, 0, 7, 7};
	static const double more[] = {1, 2, 3, 4, 5, 6};
	Rows	   *r = make_rows(ctx, x, 6, 1, low, 0);
	const char *params = "{" ONE_TREE ", \"max_leaf_nodes\": 2}";
	const MlNode *p = fit(ctx, r, params);

	CHECK_NEAR(score_one(ctx, r, p, &(double) {NAN}), 0, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {3}), 10, 1e-5);
	r = make_rows(ctx, x, 6, 1, high, 0);
	p = fit(ctx, r, params);
	CHECK(threshold_of(p, 0) == 2.5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {NAN}), 10, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {2}), 0, 1e-5);
	/* what is missing against all else */
	r = make_rows(ctx, x, 6, 1, apart, 0);
	p = fit(ctx, r, params);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {NAN}), 7, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {1e300}), 0, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {-1e300}), 0, 1e-5);
	/* none missing in training: four rows are on the left */
	r = make_rows(ctx, more, 6, 1, apart, 0);
	p = fit(ctx, r, params);
	CHECK(threshold_of(p, 0) == 4.5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {NAN}), 0, 1e-5);
}

/* Levels 0 2 4 are high, the others low: no order of the numbers has that, one subset does. */
static void
test_subset(MlContext *ctx)
{
	double		x[60];
	double		y[60];
	Rows	   *r = make_rows(ctx, x, 60, 1, y, 0);
	const MlNode *p;

	for (int i = 0; i < 60; i++)
	{
		x[i] = i % 6;
		y[i] = i % 2 == 0 ? 8 : 2;
	}
	r->levels[0] = 7;
	p = fit(ctx, r, "{" ONE_TREE ", \"cat_l2\": 0, \"max_leaf_nodes\": 2}");
	CHECK(nodes_of(p) == 3);
	for (int level = 0; level < 6; level++)
		CHECK_NEAR(score_one(ctx, r, p, &(double) {level}), level % 2 == 0 ? 8 : 2, 1e-5);
	/* a level that no row had goes where a missing one goes */
	CHECK(score_one(ctx, r, p, &(double) {6}) == score_one(ctx, r, p, &(double) {NAN}));
	/* three on each side: with at most two levels a set cannot hold them */
	p = fit(ctx, r, "{" ONE_TREE ", \"cat_l2\": 0, \"max_leaf_nodes\": 2, \"max_cat_threshold\": 2}");
	CHECK(fabs(score_one(ctx, r, p, &(double) {0}) - score_one(ctx, r, p, &(double) {1})) < 5.9);
	/* one from the rest: five leaves for six levels do */
	p = fit(ctx, r, "{" ONE_TREE ", \"max_cat_to_onehot\": 10, \"max_leaf_nodes\": 2}");
	CHECK_NEAR(fmax(score_one(ctx, r, p, &(double) {0}), 0), 8, 1e-5);
	CHECK(score_one(ctx, r, p, &(double) {2}) < 7);
	/* the penalty of subsets: G = 90, H = 30 on each side */
	p = fit(ctx, r, "{" ONE_TREE ", \"cat_l2\": 15, \"max_leaf_nodes\": 2}");
	CHECK_NEAR(score_one(ctx, r, p, &(double) {0}), 5 + 90 / 45.0, 1e-5);
}

/* A level has a bin of its own whatever max_bins says; those of few rows count as one. */
static void
test_many_levels(MlContext *ctx)
{
	double		x[640];
	double		y[640];
	Rows	   *r = make_rows(ctx, x, 640, 1, y, 0);
	const MlNode *p;

	for (int i = 0; i < 640; i++)
	{
		x[i] = i < 600 ? i % 3 : 3 + i % 20;
		y[i] = i < 600 ? i % 3 : 9;
	}
	r->levels[0] = 23;
	p = fit(ctx, r, "{" ONE_TREE ", \"max_bins\": 3, \"cat_l2\": 0}");
	for (int level = 0; level < 23; level++)
		CHECK_NEAR(score_one(ctx, r, p, &(double) {level}), level < 3 ? level : 9, 1e-5);
	/* levels of two rows each count as one, which those that training never saw go with */
	for (int i = 600; i < 640; i++)
		y[i] = i % 2 ? 9 : 8;
	p = fit(ctx, r, "{" ONE_TREE ", \"cat_l2\": 0, \"min_samples_category\": 3}");
	for (int level = 0; level < 23; level++)
		CHECK_NEAR(score_one(ctx, r, p, &(double) {level}), level < 3 ? level : 8.5, 1e-5);
	CHECK_NEAR(score_one(ctx, r, p, &(double) {NAN}), 8.5, 1e-5);
	/* and too few of them together stay with the most */
	p = fit(ctx, r, "{" ONE_TREE ", \"cat_l2\": 0, \"min_samples_category\": 50, \"max_cat_to_onehot\": 1}");
	CHECK_NEAR(score_one(ctx, r, p, &(double) {0}), 0, 1e-5);
	CHECK(score_one(ctx, r, p, &(double) {5}) == score_one(ctx, r, p, &(double) {22}));
}

static void
test_limits(MlContext *ctx)
{
	double		x[256];
	double		y[256];
	Rows	   *r = make_rows(ctx, x, 256, 1, y, 0);

	for (int i = 0; i < 256; i++)
	{
		x[i] = i;
		y[i] = (double) i * i;
	}
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 9}")) == 17);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"max_depth\": 2}")) == 7);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, r, "{\"max_leaf_nodes\": 9, \"max_depth\": 3}"));
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 8, \"max_depth\": 3}")) <= 15);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"max_bins\": 4}")) == 7);
	CHECK(nodes_of(fit(ctx, r, "{" ONE_TREE ", \"max_leaf_nodes\": 1000}")) == 2 * 255 - 1);
}

/* ---------------------------------------------------------------- how it learns */

/* n rows of a table that no line fits: x0 x1, a step, a wave, and noise. */
static Rows *
curved_rows(MlContext *ctx, size_t n, uint64_t seed, double noise)
{
	double	   *x = ml_alloc_array(ctx, 5 * n, sizeof(double));
	double	   *y = ml_alloc_array(ctx, n, sizeof(double));
	MlRandom	random;

	ml_random_seed(&random, seed);
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < 5; j++)
			x[j * n + i] = 2 * ml_random_double(&random) - 1;
		y[i] = 3 * x[i] * x[n + i] + (x[2 * n + i] > 0.3 ? 2 : 0) + sin(4 * x[3 * n + i])
			+ noise * (ml_random_double(&random) - 0.5);
	}
	return make_rows(ctx, x, n, 5, y, 0);
}

/* The mean squared error over rows. */
static double
error_over(MlContext *ctx, const MlNode *payload, const Rows *r)
{
	void	   *loaded = ml_gradient_boosting.load(ctx, payload, &r->shape);
	double	   *out = ml_alloc_array(ctx, r->design.rows, sizeof(double));
	double		sum = 0;

	ml_gradient_boosting.score(loaded, r->design.source, r->design.rows, r->design.rows, out, r->design.rows);
	for (size_t i = 0; i < r->design.rows; i++)
		sum += (out[i] - r->design.target[i]) * (out[i] - r->design.target[i]);
	return sum / (double) r->design.rows;
}

static void
test_quality(MlContext *ctx)
{
	Rows	   *training = curved_rows(ctx, 5000, 1, 0.5);
	Rows	   *other = curved_rows(ctx, 3000, 2, 0.5);
	double		noise = 0.25 / 12;
	double		error = error_over(ctx, fit(ctx, training, NULL), other);

	/* the variance of the target is above 2, what no model can know is 0.02 */
	CHECK(error > noise);
	CHECK(error < 0.08);
	/* what is sampled learns too */
	CHECK(error_over(ctx, fit(ctx, training, "{\"subsample\": 0.5, \"colsample_bytree\": 0.7}"), other) < 0.12);
}

/* Every round fits the training rows better, and the first trees are those of a shorter training. */
static void
test_decrease(MlContext *ctx)
{
	Rows	   *r = curved_rows(ctx, 1000, 3, 0.5);
	double		before = INFINITY;
	const double *shorter = NULL;
	size_t		nodes = 0;

	for (int rounds = 1; rounds <= 40; rounds++)
	{
		const MlNode *p = fit(ctx, r, ml_format(ctx, "{\"n_estimators\": %d, \"learning_rate\": 0.1}", rounds));
		double		error = error_over(ctx, p, r);
		const double *value = ml_node_array(ml_node_find(p, "value"));

		CHECK(error < before);
		CHECK(nodes < nodes_of(p) && (nodes == 0 || memcmp(value, shorter, nodes * sizeof(double)) == 0));
		before = error;
		shorter = value;
		nodes = nodes_of(p);
	}
}

/* ---------------------------------------------------------------- determinism, weights */

static bool
same_nodes(const MlNode *a, const MlNode *b)
{
	static const char *const keys[] = {"feature", "left", "threshold", "value"};
	bool		same = nodes_of(a) == nodes_of(b);

	for (size_t i = 0; i < 4 && same; i++)
		same = memcmp(ml_node_array(ml_node_find(a, keys[i])), ml_node_array(ml_node_find(b, keys[i])),
					  nodes_of(a) * (i < 2 ? sizeof(int32_t) : sizeof(double))) == 0;
	return same;
}

/* Rows enough for stretches, parts and groups to be shared out: the same bits on any number of threads. */
static void
test_threads(MlContext *ctx)
{
	static const int threads[] = {2, 3, 8};
	static const char sampled[] = "{\"n_estimators\": 4, \"subsample\": 0.6, \"colsample_bytree\": 0.6, \"seed\": 5}";
	Rows	   *r = curved_rows(ctx, 150000, 4, 0.5);
	const MlNode *whole = fit(ctx, r, "{\"n_estimators\": 4}");
	const MlNode *part = fit(ctx, r, sampled);

	CHECK(!same_nodes(whole, part));
	for (int i = 0; i < 3; i++)
	{
		CHECK(same_nodes(whole, fit(unit_context(threads[i]), r, "{\"n_estimators\": 4}")));
		CHECK(same_nodes(part, fit(unit_context(threads[i]), r, sampled)));
	}
	CHECK(!same_nodes(part, fit(ctx, r, "{\"n_estimators\": 4, \"subsample\": 0.6, \"colsample_bytree\": 0.6, \"seed\": 6}")));
}

/* A weight of three is three rows, and a row without weight is none. */
static void
test_weights(MlContext *ctx)
{
	enum {N = 400};
	Rows	   *r = curved_rows(ctx, N, 5, 0.5);
	const double *x = r->design.source;
	double	   *repeated = ml_alloc_array(ctx, 5 * 3 * N, sizeof(double));
	double	   *target = ml_alloc_array(ctx, 3 * N, sizeof(double));
	double	   *weight = ml_alloc_array(ctx, N, sizeof(double));
	size_t		n = 0;
	Rows	   *rows;

	for (size_t i = 0; i < N; i++)
	{
		weight[i] = (double) (i % 4);
		n += i % 4;
	}
	for (size_t i = 0, to = 0; i < N; i++)
		for (size_t k = 0; k < i % 4; k++, to++)
		{
			target[to] = r->design.target[i];
			for (size_t j = 0; j < 5; j++)
				repeated[j * n + to] = x[j * N + i];
		}
	rows = make_rows(ctx, repeated, n, 5, target, 0);
	r->design.weight = weight;
	/* gradients are rounded in units of the largest, which a weight makes larger */
	CHECK_NEAR(error_over(ctx, fit(ctx, r, "{\"n_estimators\": 10, \"max_leaf_nodes\": 6}"), rows),
			   error_over(ctx, fit(ctx, rows, "{\"n_estimators\": 10, \"max_leaf_nodes\": 6}"), rows), 1e-4);
}

/* ---------------------------------------------------------------- what a stored model may not say */

/* A model of one tree of three nodes, with one value changed at one place; text stands for objective. */
static const MlNode *
bent(MlContext *ctx, const char *key, size_t at, double value, const char *objective)
{
	static const char *const ints[] = {"tree_begin", "feature", "left"};
	static const int32_t counted[3][3] = {{0, 3}, {0, -1, -1}, {1, -1, -1}};
	static const char *const reals[] = {"base", "threshold", "value", "quantiles"};
	static const size_t counts[] = {1, 3, 3, 0};
	static const char *const singles[] = {"gain", "cover"};
	static const char *const numbers[] = {"n_rows", "n_trees", "n_leaves"};
	uint8_t		missing_left = strcmp(key, "missing_left") == 0 ? (uint8_t) value : 0;
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_write_string(w, "objective", objective);
	ml_write_bool(w, "mean", strcmp(key, "mean") == 0);
	for (size_t i = 0; i < 3; i++)
	{
		int32_t		copy[3];

		memcpy(copy, counted[i], sizeof copy);
		if (strcmp(key, ints[i]) == 0)
			copy[at] = (int32_t) value;
		ml_write_i32s(w, ints[i], copy, i == 0 ? 2 : 3);
	}
	for (size_t i = 0; i < 4; i++)
	{
		double		copy[3] = {0, 1, 2};

		if (strcmp(key, reals[i]) == 0)
			copy[at] = value;
		ml_write_f64s(w, reals[i], copy, strcmp(key, reals[i]) == 0 && at >= counts[i] ? at + 1 : counts[i]);
	}
	for (size_t i = 0; i < 2; i++)
	{
		float		copy[3] = {1, 2, 3};

		if (strcmp(key, singles[i]) == 0)
			copy[at] = (float) value;
		ml_write_f32s(w, singles[i], copy, 3);
	}
	ml_write_bytes(w, "missing_left", &missing_left, 1);
	ml_write_i32s(w, "sets", NULL, 0);
	ml_write_object(w, "statistics");
	for (size_t i = 0; i < 3; i++)
		ml_write_int(w, numbers[i], strcmp(key, numbers[i]) == 0 ? (int64_t) value : 4 - 3 * (i == 1) - 2 * (i == 2));
	if (strcmp(key, "learning_rate") == 0)
		ml_write_double(w, key, value);
	ml_write_end(w);
	return ml_document_root(ml_writer_finish(w, &size));
}

static void
test_corrupted(MlContext *ctx)
{
	static const struct
	{
		const char *key;
		size_t		at;
		double		value;
	}			bends[] = {
		{"tree_begin", 0, 1}, {"tree_begin", 1, 2}, {"tree_begin", 1, 4}, {"feature", 0, 1}, {"feature", 0, -1},
		{"feature", 0, -2}, {"feature", 1, 0}, {"left", 0, 0}, {"left", 0, 2}, {"left", 0, -1}, {"left", 0, INT32_MAX},
		{"left", 1, 1}, {"threshold", 0, NAN}, {"threshold", 0, INFINITY}, {"value", 2, NAN}, {"value", 1, -INFINITY},
		{"base", 0, NAN}, {"base", 1, 0}, {"gain", 0, -1}, {"gain", 0, NAN}, {"cover", 1, INFINITY}, {"quantiles", 0, 0.5},
		{"n_rows", 0, 0}, {"n_trees", 0, 2}, {"n_leaves", 0, 4},
	};
	static const double x[] = {1};
	Rows	   *r = make_rows(ctx, x, 1, 1, x, 0);

	CHECK(score_one(ctx, r, bent(ctx, "", 0, 0, "squared_error"), &(double) {0}) == 1);
	CHECK(score_one(ctx, r, bent(ctx, "", 0, 0, "huber"), &(double) {0.5}) == 2);
	CHECK_NEAR(score_one(ctx, r, bent(ctx, "", 0, 0, "poisson"), &(double) {0.5}), exp(2), 1e-15);
	CHECK(score_one(ctx, r, bent(ctx, "missing_left", 0, 1, "squared_error"), &(double) {NAN}) == 1);
	for (size_t i = 0; i < sizeof bends / sizeof bends[0]; i++)
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED,
					 ml_gradient_boosting.load(ctx, bent(ctx, bends[i].key, bends[i].at, bends[i].value, "squared_error"), &r->shape));
	/* objectives that are none, or of another task, or ask for quantiles */
	for (size_t i = 0; i < 5; i++)
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED,
					 ml_gradient_boosting.load(ctx, bent(ctx, "", 0, 0, ((const char *const[]) {"auto", "log_loss", "lambdarank", "", "quantile"})[i]), &r->shape));
	/* the column is a category, the node is not */
	r->levels[0] = 3;
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_gradient_boosting.load(ctx, bent(ctx, "", 0, 0, "squared_error"), &r->shape));
}

/* ---------------------------------------------------------------- the rate where none is given */

#define STATISTIC_ABSENT (-1.0)

/* What the statistics say of the rate. */
static double
rate_of(MlContext *ctx, const MlNode *payload)
{
	const MlNode *statistics = ml_node_find(payload, "statistics");

	return ml_node_find(statistics, "learning_rate") == NULL ? STATISTIC_ABSENT :
		ml_need_double(ctx, statistics, "learning_rate");
}

/* Labels that depend on the first of four columns, or are all chance. */
static Rows *
noisy_rows(MlContext *ctx, size_t n, double slope)
{
	double	   *x = ml_alloc_array(ctx, 4 * n, sizeof(double));
	double	   *y = ml_alloc_array(ctx, n, sizeof(double));
	MlRandom	random;

	ml_random_seed(&random, 11);
	for (size_t i = 0; i < 4 * n; i++)
		x[i] = ml_random_double(&random);
	for (size_t i = 0; i < n; i++)
		y[i] = ml_random_double(&random) < 1 / (1 + exp(-slope * (x[i] - 0.5)));
	return make_rows(ctx, x, n, 4, y, 2);
}

/* Many rounds lead too far where there is little to learn, few rounds not far enough where there is much. */
static void
test_rate(MlContext *ctx)
{
	Rows	   *noisy = noisy_rows(ctx, 2000, 2);
	Rows	   *smooth = curved_rows(ctx, 30000, 5, 0.5);
	const MlNode *slow = fit(ctx, noisy, NULL);
	const MlNode *fast = fit(ctx, smooth, "{\"n_estimators\": 10}");

	CHECK(rate_of(ctx, slow) >= 0.01 && rate_of(ctx, slow) < 0.05);
	CHECK_NEAR(rate_of(ctx, fast), 0.2, 1e-12);
	/* as if it had been given */
	CHECK(same_nodes(slow, fit(ctx, noisy, ml_format(ctx, "{\"learning_rate\": %.17g}", rate_of(ctx, slow)))));
	CHECK(same_nodes(fast, fit(ctx, smooth, ml_format(ctx, "{\"n_estimators\": 10, \"learning_rate\": %.17g}", rate_of(ctx, fast)))));
	/* one that is given is kept to; few rows, and other kinds of boosting, are not asked */
	CHECK(rate_of(ctx, fit(ctx, noisy, "{\"learning_rate\": 0.1}")) == STATISTIC_ABSENT);
	CHECK(rate_of(ctx, fit(ctx, noisy_rows(ctx, 999, 2), NULL)) == 0.1);
	CHECK(rate_of(ctx, fit(ctx, noisy, "{\"boosting\": \"dart\", \"n_estimators\": 5}")) == 0.1);
	CHECK(rate_of(ctx, fit(ctx, noisy, "{\"boosting\": \"goss\", \"n_estimators\": 5}")) == 0.1);
	CHECK(rate_of(ctx, fit(ctx, noisy, "{\"boosting\": \"rf\", \"subsample\": 0.5, \"n_estimators\": 5}")) == STATISTIC_ABSENT);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, noisy, "{\"learning_rate\": 0}"));
}

/* Rows held back go by their content: in another order they lead to the same rate. */
static void
test_rate_order(MlContext *ctx)
{
	enum {N = 3000};
	Rows	   *r = noisy_rows(ctx, N, 6);
	double	   *x = ml_alloc_array(ctx, 4 * N, sizeof(double));
	double	   *y = ml_alloc_array(ctx, N, sizeof(double));
	const double *from = r->design.source;
	double		rate;

	for (size_t i = 0; i < N; i++)
	{
		y[N - 1 - i] = r->design.target[i];
		for (size_t j = 0; j < 4; j++)
			x[j * N + N - 1 - i] = from[j * N + i];
	}
	rate = rate_of(ctx, fit(ctx, r, NULL));
	r = make_rows(ctx, x, N, 4, y, 2);
	CHECK(rate < 0.1);
	CHECK_NEAR(rate_of(ctx, fit(ctx, r, NULL)), rate, 1e-12);
}

/* Rows twice are rows of twice the weight, and rows that hardly differ are few. */
static void
test_rate_alike(MlContext *ctx)
{
	enum {N = 1200};
	Rows	   *once = noisy_rows(ctx, N, 2);
	double	   *weight = ml_alloc_array(ctx, N, sizeof(double));
	double	   *x = ml_alloc_array(ctx, 8 * N, sizeof(double));
	double	   *y = ml_alloc_array(ctx, 2 * N, sizeof(double));
	const double *from = once->design.source;
	Rows	   *twice = make_rows(ctx, x, 2 * N, 4, y, 2);
	double		rate;

	for (size_t i = 0; i < N; i++)
	{
		weight[i] = 2;
		y[i] = y[N + i] = once->design.target[i];
		for (size_t j = 0; j < 4; j++)
			x[2 * j * N + i] = x[(2 * j + 1) * N + i] = from[j * N + i];
	}
	once->design.weight = weight;
	rate = rate_of(ctx, fit(ctx, once, "{\"subsample\": 1}"));
	CHECK(rate < 0.1 && rate_of(ctx, fit(ctx, twice, "{\"subsample\": 1}")) == rate);
	for (size_t i = 0; i < 8 * N; i++)
		x[i] = floor(5 * x[i]);
	CHECK(rate_of(ctx, fit(ctx, twice, NULL)) == 0.1);
}

/* More trees, and new values of leaves, keep to the rate that was found. */
static void
test_rate_resumed(MlContext *ctx)
{
	Rows	   *r = noisy_rows(ctx, 2000, 2);
	const MlNode *first = fit(ctx, r, NULL);
	const void *loaded = ml_gradient_boosting.load(ctx, first, &r->shape);
	const void *open = ml_params_parse(ctx, &ml_gradient_boosting, "{\"n_estimators\": 3}");
	const void *given = ml_params_parse(ctx, &ml_gradient_boosting,
										ml_format(ctx, "{\"n_estimators\": 3, \"learning_rate\": %.17g}", rate_of(ctx, first)));
	const MlNode *payloads[4];

	for (int i = 0; i < 4; i++)
	{
		MlWriter   *w = ml_writer_create(ctx);
		size_t		size;

		if (i < 2)
			ml_gradient_boosting.resume(ctx, &r->design, i == 0 ? open : given, loaded, w);
		else
			ml_gradient_boosting.refit(ctx, &r->design, i == 2 ? open : given, loaded, 0.5, w);
		payloads[i] = ml_document_root(ml_writer_finish(w, &size));
	}
	CHECK(same_nodes(payloads[0], payloads[1]) && nodes_of(payloads[0]) > nodes_of(first));
	CHECK(same_nodes(payloads[2], payloads[3]) && !same_nodes(payloads[2], first));
	CHECK(rate_of(ctx, payloads[0]) == rate_of(ctx, first) && rate_of(ctx, payloads[2]) == rate_of(ctx, first));
}

/* A stored rate that is none. */
static void
test_rate_corrupted(MlContext *ctx)
{
	static const double x[] = {1};
	Rows	   *r = make_rows(ctx, x, 1, 1, x, 0);

	for (int i = 0; i < 4; i++)
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED,
					 ml_gradient_boosting.load(ctx, bent(ctx, "learning_rate", 0, ((const double[]) {0, -1, 1.5, NAN})[i],
														 "squared_error"), &r->shape));
	CHECK(score_one(ctx, r, bent(ctx, "learning_rate", 0, 0.5, "squared_error"), &(double) {0}) == 1);
}

/* ---------------------------------------------------------------- through the pipeline */

/* Columns come as they are: one a slot, named as the feature; options for others are refused. */
static void
test_native(MlContext *ctx)
{
	Sample		s = {.features = "nmcdvk",.rows = 400,.task = ML_TASK_REGRESSION};
	MlTrainResult *result = sample_train(ctx, &s, &ml_gradient_boosting, NULL, NULL);
	MlModel    *model = ml_model_open(ctx, result->bytes, result->size);
	const char *names = "";
	double		raw[] = {1, NAN, NAN, 0, 1, NAN, 3, 4};
	double		x[7];

	for (int j = 0; j < ml_prep_columns(model->prep); j++)
		names = ml_format(ctx, "%s%s,", names, ml_prep_column(model->prep, j)->name);
	CHECK(strcmp(names, "n,m,c,d,v[1],v[2],v[3],") == 0);
	/* three strings, NULL, "(other)" */
	CHECK(ml_prep_levels(model->prep)[2] == 5 && ml_prep_levels(model->prep)[3] == 3 && ml_prep_levels(model->prep)[0] == 0);
	CHECK(strcmp(ml_prep_level_name(model->prep, 2, 3), "(null)") == 0);
	ml_prep_apply(model->prep, raw, 1, 1, x, 1);
	CHECK(x[0] == 1 && isnan(x[1]) && x[2] == 3 && x[3] == 0 && x[4] == 1 && isnan(x[5]) && x[6] == 3);
	/* "d" has no rare level: what it never had is missing */
	CHECK(ml_prep_encode(model->prep, 2, "never", 5) == 4);
	raw[3] = ml_prep_encode(model->prep, 3, "never", 5);
	ml_prep_apply(model->prep, raw, 1, 1, x, 1);
	CHECK(isnan(x[3]));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, sample_train(ctx, &s, &ml_gradient_boosting, NULL, "{\"scale\": \"standard\"}"));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, sample_train(ctx, &s, &ml_gradient_boosting, NULL, "{\"missing_indicator\": true}"));
}

UNIT_MAIN(test_one_split, test_penalties, test_binary, test_missing, test_subset, test_many_levels, test_limits, test_quality,
		  test_decrease, test_threads, test_weights, test_corrupted, test_rate, test_rate_order, test_rate_alike, test_rate_resumed,
		  test_rate_corrupted, test_native)
