/*
 * Decision trees, forests and isolation forests: splits against all that there are, limits, pruning, missing values,
 * categories, draws, and what a stored model may not say.
 */
#include "unit.h"

#include "base/random.h"
#include "learn/forest.h"
#include "learn/learners.h"
#include "rows.h"

/* ---------------------------------------------------------------- helpers */

static const void *
fit_bytes(MlContext *ctx, const MlAlgorithm *a, const Rows *r, const char *params, size_t *size)
{
	MlWriter   *w = ml_writer_create(ctx);

	a->fit(ctx, &r->design, ml_params_parse(ctx, a, params), w);
	return ml_writer_finish(w, size);
}

static const MlNode *
fit(MlContext *ctx, const MlAlgorithm *a, const Rows *r, const char *params)
{
	size_t		size;

	return ml_document_root(fit_bytes(ctx, a, r, params, &size));
}

static const MlForest *
forest_of(MlContext *ctx, const MlAlgorithm *a, const Rows *r, const char *params)
{
	return a->ensemble(a->load(ctx, fit(ctx, a, r, params), &r->shape))->forest;
}

/* All scores of the rows of another table: [outputs][rows]. */
static double *
score_rows(MlContext *ctx, const MlAlgorithm *a, const Rows *r, const MlNode *payload, const Rows *other)
{
	size_t		outputs = r->design.classes > 0 ? (size_t) r->design.classes : 1;
	size_t		n = other->design.rows;
	double	   *out = ml_alloc_array(ctx, outputs * n, sizeof(double));
	double	   *x = ml_alloc_array(ctx, (size_t) r->design.columns * ML_BLOCK_ROWS, sizeof(double));
	void	   *loaded = a->load(ctx, payload, &r->shape);

	for (size_t begin = 0; begin < n; begin += ML_BLOCK_ROWS)
	{
		size_t		block = n - begin < ML_BLOCK_ROWS ? n - begin : ML_BLOCK_ROWS;

		read_rows(&other->design, begin, block, x, block);
		a->score(loaded, x, block, block, out + begin, n);
	}
	return out;
}

static double
statistic(const MlNode *payload, const char *name)
{
	const MlNode *node = ml_node_find(ml_node_find(payload, "statistics"), name);

	return node == NULL ? NAN : ml_node_type(node) == ML_NODE_INT ? (double) ml_node_int(node) : ml_node_double(node);
}

static int
depth_of(const MlForest *f, size_t node)
{
	int			left = f->feature[node] < 0 ? -1 : depth_of(f, (size_t) f->left[node]);
	int			right = f->feature[node] < 0 ? -1 : depth_of(f, (size_t) f->left[node] + 1);

	return 1 + (left > right ? left : right);
}

/* ---------------------------------------------------------------- splits, against all that there are */

typedef enum Measure {GINI, ENTROPY, SQUARED, ABSOLUTE, POISSON} Measure;

static const char *const measures[] = {"gini", "entropy", "squared_error", "absolute_error", "poisson"};

/* Impurity times weight of the rows of a side, straight from its definition. */
static double
impurity(Measure measure, const Rows *r, const uint8_t *side, uint8_t which)
{
	const MlDesign *d = &r->design;
	double		shares[8] = {0};
	double		w = 0;
	double		wy = 0;
	double		sum = 0;
	double		best = INFINITY;

	for (size_t i = 0; i < d->rows; i++)
	{
		double		weight = side[i] == which ? d->weight ? d->weight[i] : 1 : 0;

		w += weight;
		wy += weight * d->target[i];
		if (d->classes > 0)
			shares[(int) d->target[i]] += weight;
	}
	for (int k = 0; k < d->classes; k++)
		sum += measure == GINI ? shares[k] / w * (1 - shares[k] / w) : shares[k] > 0 ? -shares[k] / w * log2(shares[k] / w) : 0;
	if (d->classes > 0)
		return w * sum;
	for (size_t i = 0; i < d->rows && measure != ABSOLUTE; i++)
	{
		double		weight = side[i] == which ? d->weight ? d->weight[i] : 1 : 0;
		double		y = d->target[i];

		sum += weight * (measure == SQUARED ? (y - wy / w) * (y - wy / w) : (y > 0 ? y * log(y / (wy / w)) : 0) - y + wy / w);
	}
	if (measure != ABSOLUTE)
		return sum;
	/* the median is one of the targets */
	for (size_t m = 0; m < d->rows; m++)
	{
		double		error = 0;

		for (size_t i = 0; i < d->rows; i++)
			error += side[i] == which ? (d->weight ? d->weight[i] : 1) * fabs(d->target[i] - d->target[m]) : 0;
		best = side[m] == which && error < best ? error : best;
	}
	return best;
}

/* What a split gains; -1 when a side is empty, or, for Poisson, all zero. */
static double
gain_of(Measure measure, const Rows *r, const uint8_t *side)
{
	size_t		count[2] = {0, 0};
	double		sum[2] = {0, 0};
	uint8_t		all[256] = {0};

	for (size_t i = 0; i < r->design.rows; i++)
	{
		count[side[i]]++;
		sum[side[i]] += r->design.target[i];
	}
	if (count[0] == 0 || count[1] == 0 || (measure == POISSON && !(sum[0] > 0 && sum[1] > 0)))
		return -1;
	return impurity(measure, r, all, 0) - impurity(measure, r, side, 0) - impurity(measure, r, side, 1);
}

/* The best gain of all thresholds and missing sides of numbers, and of all subsets of a category of 5 levels. */
static double
best_gain(Measure measure, const Rows *r)
{
	uint8_t		side[256];
	double		best = -1;

	for (int j = 0; j < r->design.columns; j++)
	{
		const double *x = (const double *) r->design.source + (size_t) j * r->design.rows;
		int			cuts = r->levels[j] > 0 ? 64 : 20;

		for (int cut = 0; cut < cuts; cut++)
			for (int missing = 0; missing < 2; missing++)
			{
				for (size_t i = 0; i < r->design.rows; i++)
					side[i] = isnan(x[i]) ? (uint8_t) missing : r->levels[j] > 0 ? cut >> (int) x[i] & 1 : x[i] > cut / 2.0;
				best = fmax(best, gain_of(measure, r, side));
			}
	}
	return best;
}

/* Is the root's split worth as much as the best, as it says and as it divides the rows? */
static void
check_root(MlContext *ctx, Measure measure, const Rows *r, double best)
{
	const MlForest *f = forest_of(ctx, &ml_decision_tree, r, ml_format(ctx, "{\"criterion\": \"%s\", \"max_depth\": 1}", measures[measure]));
	uint8_t		side[256];

	if (f->nodes == 1)
	{
		CHECK(best < 1e-9);
		return;
	}
	CHECK(f->nodes == 3);
	for (size_t i = 0; i < r->design.rows; i++)
		side[i] = !ml_forest_goes_left(f, 0, ((const double *) r->design.source)[(size_t) f->feature[0] * r->design.rows + i]);
	CHECK_NEAR(gain_of(measure, r, side), best, 1e-4);
	CHECK_NEAR(f->gain[0], best, 1e-4);
}

static void
test_best_split(MlContext *ctx)
{
	enum {N = 40, P = 3};
	MlRandom	random;

	ml_random_seed(&random, 11);
	for (int turn = 0; turn < 120; turn++)
	{
		double	   *x = ml_alloc_array(ctx, N * P, sizeof(double));
		double	   *y = ml_alloc_array(ctx, N, sizeof(double));
		double	   *w = ml_alloc_array(ctx, N, sizeof(double));
		Measure		measure = (Measure) (turn % 5);
		int			classes = measure > ENTROPY ? 0 : turn % 2 + 2;
		Rows	   *r;

		for (int i = 0; i < N * P; i++)
			x[i] = turn % 3 == 0 && ml_random_below(&random, 5) == 0 ? NAN : (double) ml_random_below(&random, 5 + (uint64_t) (i / N == 1));
		for (int i = 0; i < N; i++)
		{
			w[i] = (double) (1 + ml_random_below(&random, 3)) / 2;
			y[i] = classes > 0 ? (double) ml_random_below(&random, (uint64_t) classes) : floor(10 * ml_random_double(&random) - (measure == POISSON ? 0 : 5));
		}
		r = make_rows(ctx, x, N, P, y, classes);
		if (turn % 4 == 1)
			r->design.weight = w;
		/* of three classes the subset is not proved to be the best */
		if (turn % 3 != 1 && classes < 3 && measure != ABSOLUTE)
			r->levels[0] = 5;
		if (classes > 0 || measure != POISSON || y[0] + y[1] > 0)
			check_root(ctx, measure, r, best_gain(measure, r));
	}
}

/* Of three classes, each of which has levels of its own, and by absolute error, the best subsets are found. */
static void
test_subsets(MlContext *ctx)
{
	static const double x[] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 1, 2, 3, 4};
	static const double classes[] = {0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 0, 1, 2, 0, 1};
	static const double numbers[] = {1, 1, 7, 7, 8, 7, 1, 2, 7, 8, 1, 7, 7, 2, 7};
	Rows	   *r = make_rows(ctx, x, 15, 1, classes, 3);

	r->levels[0] = 6;
	check_root(ctx, GINI, r, best_gain(GINI, r));
	check_root(ctx, ENTROPY, r, best_gain(ENTROPY, r));
	r = make_rows(ctx, x, 15, 1, numbers, 0);
	r->levels[0] = 6;
	check_root(ctx, ABSOLUTE, r, best_gain(ABSOLUTE, r));
	check_root(ctx, SQUARED, r, best_gain(SQUARED, r));
}

/* ---------------------------------------------------------------- leaves */

static double
predict(MlContext *ctx, const Rows *r, const MlNode *payload, double value)
{
	double		out[4];

	ml_decision_tree.score(ml_decision_tree.load(ctx, payload, &r->shape), &value, 1, 1, out, 1);
	return out[r->design.classes == 2];
}

static void
test_leaves(MlContext *ctx)
{
	static const double x[] = {1, 1, 1, 1, 2, 2, 2};
	static const double y[] = {0, 1, 2, 10, 4, 4, 7};
	static const double k[] = {0, 1, 1, 1, 0, 0, 1};
	static const double three[] = {0, 1, 2, 1, 0, 0, 0};
	static const double w[] = {1, 1, 1, 1, 4, 1, 1};
	Rows	   *r = make_rows(ctx, x, 7, 1, y, 0);
	const MlNode *p = fit(ctx, &ml_decision_tree, r, "{\"criterion\": \"absolute_error\"}");
	double		out[3];

	CHECK_NEAR(predict(ctx, r, p, 1), 1.5, 1e-12);
	CHECK_NEAR(predict(ctx, r, p, 2), 4, 1e-12);
	p = fit(ctx, &ml_decision_tree, r, NULL);
	CHECK_NEAR(predict(ctx, r, p, 1.49), 13 / 4.0, 1e-12);
	CHECK_NEAR(predict(ctx, r, p, 1.51), 5, 1e-12);
	CHECK_NEAR(predict(ctx, r, fit(ctx, &ml_decision_tree, r, "{\"criterion\": \"poisson\"}"), 2), 5, 1e-12);
	r->design.weight = w;
	CHECK_NEAR(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), 2), 27 / 6.0, 1e-12);
	r = make_rows(ctx, x, 7, 1, k, 2);
	CHECK_NEAR(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), 1), 0.75, 1e-12);
	CHECK_NEAR(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), 2), 1 / 3.0, 1e-12);
	/* each class weighs the same: 3 rows of the one, 4 of the other */
	CHECK_NEAR(predict(ctx, r, fit(ctx, &ml_decision_tree, r, "{\"class_weight\": \"balanced\"}"), 1), 0.75 / (0.75 + 1 / 3.0), 1e-5);
	r = make_rows(ctx, x, 7, 1, three, 3);
	ml_decision_tree.score(ml_decision_tree.load(ctx, fit(ctx, &ml_decision_tree, r, NULL), &r->shape), x, 1, 1, out, 1);
	CHECK(out[0] == 0.25 && out[1] == 0.5 && out[2] == 0.25);
}

/* Missing values learn their side; what training had not goes with them, or with the heavier side. */
static void
test_missing(MlContext *ctx)
{
	static const double x[] = {1, 2, 3, 4, NAN, NAN};
	static const double low[] = {0, 0, 10, 10, 0, 0};
	static const double high[] = {0, 0, 10, 10, 10, 10};
	static const double apart[] = {3, 3, 3, 3, 7, 7};
	static const double more[] = {1, 2, 3, 4, 5, 6};
	static const double levels[] = {0, 1, 0, 1, 3, 3};
	static const double by_level[] = {1, 5, 1, 5, 5, 5};
	Rows	   *r = make_rows(ctx, x, 6, 1, low, 0);

	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), NAN) == 0);
	r = make_rows(ctx, x, 6, 1, high, 0);
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), NAN) == 10);
	r = make_rows(ctx, x, 6, 1, apart, 0);
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), NAN) == 7);
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), 1e300) == 3);
	r = make_rows(ctx, more, 6, 1, apart, 0);
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), NAN) == 3);
	r = make_rows(ctx, levels, 6, 1, by_level, 0);
	r->levels[0] = 5;
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), 0) == 1);
	for (int level = 1; level < 5; level++)
		CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), level) == 5);
	CHECK(predict(ctx, r, fit(ctx, &ml_decision_tree, r, NULL), NAN) == 5);
}

/* ---------------------------------------------------------------- larger tables */

/* A table that no line fits: numbers, one with missing values, and a category; y or classes from them and noise. */
static Rows *
curved_rows(MlContext *ctx, size_t n, uint64_t seed, int classes)
{
	double	   *x = ml_alloc_array(ctx, 6 * n, sizeof(double));
	double	   *y = ml_alloc_array(ctx, n, sizeof(double));
	Rows	   *r = make_rows(ctx, x, n, 6, y, classes);
	MlRandom	random;

	ml_random_seed(&random, seed);
	for (size_t i = 0; i < n; i++)
	{
		double		v;

		for (size_t j = 0; j < 5; j++)
			x[j * n + i] = 2 * ml_random_double(&random) - 1;
		x[5 * n + i] = (double) ml_random_below(&random, 9);
		v = 3 * x[i] * x[n + i] + (x[2 * n + i] > 0.3 ? 2 : 0) + sin(4 * x[3 * n + i]) +
			((int) x[5 * n + i] % 3 == 1 ? 1.5 : 0) + ml_random_double(&random) - 0.5;
		y[i] = classes == 0 ? v : classes == 2 ? v > 1 : (v > 0) + (v > 2);
		if (ml_random_below(&random, 10) == 0)
			x[3 * n + i] = NAN;
	}
	r->levels[5] = 10;
	return r;
}

/* Share of right classes, or R^2. */
static double
quality(MlContext *ctx, const MlAlgorithm *a, const Rows *r, const MlNode *payload, const Rows *other)
{
	size_t		n = other->design.rows;
	double	   *out = score_rows(ctx, a, r, payload, other);
	const double *y = other->design.target;
	double		right = 0;
	double		error = 0;
	double		sum = 0;
	double		squares = 0;

	for (size_t i = 0; i < n; i++)
	{
		size_t		best = 0;

		for (size_t k = 1; k < (size_t) r->design.classes; k++)
			best = out[k * n + i] > out[best * n + i] ? k : best;
		right += (double) best == y[i];
		error += (out[i] - y[i]) * (out[i] - y[i]);
		sum += y[i];
		squares += y[i] * y[i];
	}
	return r->design.classes > 0 ? right / (double) n : 1 - error / (squares - sum * sum / (double) n);
}

static void
test_quality(MlContext *ctx)
{
	static const MlAlgorithm *const algorithms[] = {&ml_decision_tree, &ml_random_forest, &ml_extra_trees};
	static const double least[][3] = {{0.65, 0.80, 0.70}, {0.80, 0.86, 0.79}, {0.78, 0.86, 0.79}};
	static const int classes[] = {0, 2, 3};

	for (int c = 0; c < 3; c++)
	{
		Rows	   *training = curved_rows(ctx, 4000, 1, classes[c]);
		Rows	   *other = curved_rows(ctx, 2000, 2, classes[c]);

		for (int a = 0; a < 3; a++)
		{
			const MlNode *p = fit(ctx, algorithms[a], training, NULL);
			double		held_out = quality(ctx, algorithms[a], training, p, other);

			if (!unit_result(held_out > least[a][c], __FILE__, __LINE__, "%s of %d classes: %g", algorithms[a]->name, classes[c], held_out))
				continue;
			/* a tree that is grown to its end knows its rows by heart */
			if (a != 1)
				CHECK(quality(ctx, algorithms[a], training, p, training) > 0.999);
		}
	}
}

/* The score of rows by trees that did not draw them is about that of other rows, and no more than these know. */
static void
test_out_of_bag(MlContext *ctx)
{
	static const int classes[] = {0, 2, 3};

	for (int c = 0; c < 3; c++)
	{
		Rows	   *training = curved_rows(ctx, 3000, 3, classes[c]);
		const MlNode *p = fit(ctx, &ml_random_forest, training, NULL);
		double		other = quality(ctx, &ml_random_forest, training, p, curved_rows(ctx, 3000, 4, classes[c]));

		CHECK_NEAR(statistic(p, classes[c] > 0 ? "oob_accuracy" : "oob_r2"), other, 0.03);
		CHECK(statistic(p, classes[c] > 0 ? "oob_log_loss" : "oob_rmse") > 0);
		CHECK(statistic(p, "oob_rows") == 3000);
		CHECK(isnan(statistic(fit(ctx, &ml_random_forest, training, "{\"n_estimators\": 3, \"oob_score\": false}"), "oob_rows")));
		CHECK(isnan(statistic(fit(ctx, &ml_extra_trees, training, "{\"n_estimators\": 3}"), "oob_rows")));
		CHECK_NEAR(statistic(fit(ctx, &ml_extra_trees, training, "{\"n_estimators\": 1, \"max_samples\": 0.25}"), "oob_rows"), 2250, 1e-9);
		CHECK_NEAR(statistic(fit(ctx, &ml_random_forest, training, "{\"n_estimators\": 1}"), "oob_rows"), 3000 / exp(1), 0.05);
	}
}

/* ---------------------------------------------------------------- limits */

static void
test_limits(MlContext *ctx)
{
	Rows	   *r = curved_rows(ctx, 1000, 5, 0);
	const MlForest *whole = forest_of(ctx, &ml_decision_tree, r, NULL);
	const MlForest *f = forest_of(ctx, &ml_decision_tree, r, "{\"max_depth\": 4}");

	CHECK(whole->nodes == 1999);
	CHECK(f->nodes == 31 && depth_of(f, 0) == 4);
	f = forest_of(ctx, &ml_decision_tree, r, "{\"max_leaf_nodes\": 13}");
	CHECK(f->nodes == 25);
	f = forest_of(ctx, &ml_decision_tree, r, "{\"min_samples_leaf\": 50}");
	CHECK(f->nodes > 9);
	for (size_t i = 0; i < f->nodes; i++)
		CHECK(f->cover[i] >= 50);
	f = forest_of(ctx, &ml_decision_tree, r, "{\"min_weight_fraction_leaf\": 0.0795}");
	CHECK(f->nodes > 9);
	for (size_t i = 0; i < f->nodes; i++)
		CHECK(f->cover[i] >= 80);
	f = forest_of(ctx, &ml_decision_tree, r, "{\"min_samples_split\": 100}");
	for (size_t i = 0; i < f->nodes; i++)
		CHECK(f->feature[i] < 0 || f->cover[i] >= 100);
	f = forest_of(ctx, &ml_decision_tree, r, "{\"min_impurity_decrease\": 0.05}");
	CHECK(f->nodes > 3 && f->nodes < 61);
	for (size_t i = 0; i < f->nodes; i++)
	{
		CHECK(f->feature[i] < 0 || f->gain[i] >= 50 * (1 - 1e-6));
		if (f->feature[i] >= 0)
			CHECK_NEAR(f->cover[f->left[i]] + f->cover[f->left[i] + 1], f->cover[i], 1e-6);
	}
	/* a table with a split that gains nothing by itself: each of four corners is right */
	r = make_rows(ctx, (const double[]) {0, 0, 1, 1, 0, 1, 0, 1}, 4, 2, (const double[]) {0, 1, 1, 0}, 2);
	CHECK(forest_of(ctx, &ml_decision_tree, r, NULL)->nodes == 7);
	/* equal rows of two classes */
	r = make_rows(ctx, (const double[]) {1, 1, 1, 2}, 4, 1, (const double[]) {0, 1, 1, 1}, 2);
	CHECK(forest_of(ctx, &ml_decision_tree, r, NULL)->nodes == 3);
}

/* Growing by gain and cutting what was grown to its end are one tree. */
static void
test_best_first(MlContext *ctx)
{
	for (int classes = 0; classes < 4; classes += classes == 0 ? 2 : 1)
	{
		Rows	   *r = curved_rows(ctx, 3000, 6, classes);
		Rows	   *other = curved_rows(ctx, 500, 7, classes);
		const MlNode *grown = fit(ctx, &ml_decision_tree, r, "{\"max_leaf_nodes\": 100}");
		const MlNode *cut = fit(ctx, &ml_decision_tree, r, "{\"max_leaf_nodes\": 100, \"ccp_alpha\": 1e-300}");
		size_t		size = 500 * (classes > 0 ? (size_t) classes : 1) * sizeof(double);

		CHECK(statistic(grown, "n_leaves") == 100 && statistic(cut, "n_leaves") == 100);
		CHECK(memcmp(score_rows(ctx, &ml_decision_tree, r, grown, other), score_rows(ctx, &ml_decision_tree, r, cut, other), size) == 0);
	}
}

/* The whole cost of a tree: impurity of the leaves + alpha a leaf. */
static double
cost_of(const MlForest *f, double alpha, double impurity_of_root)
{
	double		cost = impurity_of_root;

	for (size_t i = 0; i < f->nodes; i++)
		cost += f->feature[i] >= 0 ? -(double) f->gain[i] / f->cover[0] : alpha;
	return cost;
}

/* Pruned trees are subtrees of one another, and none of a row of trees costs less at its alpha. */
static void
test_prune(MlContext *ctx)
{
	enum {STEPS = 12};
	Rows	   *r = curved_rows(ctx, 800, 8, 0);
	const MlForest *trees[STEPS];
	double		alpha[STEPS];
	double		root = 0;
	double		mean = 0;

	for (size_t i = 0; i < 800; i++)
		mean += r->design.target[i] / 800;
	for (size_t i = 0; i < 800; i++)
		root += (r->design.target[i] - mean) * (r->design.target[i] - mean) / 800;
	for (int s = 0; s < STEPS; s++)
	{
		alpha[s] = 1e-5 * pow(3, s);
		trees[s] = forest_of(ctx, &ml_decision_tree, r, ml_format(ctx, "{\"ccp_alpha\": %.17g}", alpha[s]));
		CHECK(s == 0 || trees[s]->nodes <= trees[s - 1]->nodes);
	}
	CHECK(trees[0]->nodes > 500 && trees[STEPS - 1]->nodes == 1);
	for (int s = 0; s < STEPS; s++)
		for (int other = 0; other < STEPS; other++)
			CHECK(cost_of(trees[s], alpha[s], root) <= cost_of(trees[other], alpha[s], root) + 1e-6);
	/* by hand: gains of 8 rows 0 0 0 0 | 6 6 | 9 9: 121.5 + ... the second split is worth 9 / 8 = 1.125 */
	r = make_rows(ctx, (const double[]) {1, 2, 3, 4, 5, 6, 7, 8}, 8, 1, (const double[]) {0, 0, 0, 0, 6, 6, 9, 9}, 0);
	CHECK(forest_of(ctx, &ml_decision_tree, r, "{\"ccp_alpha\": 1.12}")->nodes == 5);
	CHECK(forest_of(ctx, &ml_decision_tree, r, "{\"ccp_alpha\": 1.13}")->nodes == 3);
}

/* ---------------------------------------------------------------- chance */

static void
test_threads(MlContext *ctx)
{
	static const char *const params[] = {
		"{\"n_estimators\": 20, \"max_leaf_nodes\": 40}", "{\"n_estimators\": 20, \"max_features\": 2, \"max_samples\": 0.5}",
		"{\"n_estimators\": 3}", "{\"n_estimators\": 3, \"seed\": 1}"
	};
	static const int classes[] = {0, 2, 3};
	static const MlAlgorithm *const algorithms[] = {&ml_random_forest, &ml_extra_trees, &ml_decision_tree};

	for (int c = 0; c < 3; c++)
	{
		Rows	   *r = curved_rows(ctx, 70000, 9, classes[c]);

		for (int a = 0; a < 3; a++)
			for (int p = 0; p < (a == 2 ? 1 : 4); p++)
			{
				const char *json = a == 2 ? NULL : params[p];
				size_t		size;
				size_t		other_size;
				const void *bytes = fit_bytes(ctx, algorithms[a], r, json, &size);
				const void *other = fit_bytes(unit_context(p % 2 == 0 ? 8 : 2), algorithms[a], r, json, &other_size);

				CHECK(size == other_size && memcmp(bytes, other, size) == 0);
				if (a < 2 && p == 2)
					CHECK(fit_bytes(ctx, algorithms[a], r, params[3], &other_size) != NULL && size != other_size);
			}
	}
}

static long asked;

static bool
count_asked(MlContext *ctx)
{
	(void) ctx;
	asked++;
	return false;
}

static bool
always_interrupted(MlContext *ctx)
{
	(void) ctx;
	return true;
}

/* Where a row takes long, a node of many asks by itself whether the call is to stop, and ends then. */
static void
test_cancel(MlContext *ctx)
{
	enum {N = 100000};
	static const char *const params[] = {
		"{\"criterion\": \"absolute_error\", \"max_depth\": 1}",
		"{\"criterion\": \"absolute_error\", \"max_depth\": 1, \"splitter\": \"random\"}",
		"{\"criterion\": \"absolute_error\", \"max_depth\": 1, \"max_features\": 1}"
	};
	Rows	   *r = curved_rows(ctx, N, 12, 0);

	for (int i = 0; i < 3; i++)
	{
		ctx->interrupted = count_asked;
		asked = 0;
		CHECK(forest_of(ctx, &ml_decision_tree, r, params[i])->nodes == 3);
		CHECK(asked > N / 16384 * 2);
		ctx->interrupted = always_interrupted;
		unit_cancel_after(ctx, 0);
		CHECK_RAISES(ctx, ML_ERROR_INTERNAL, forest_of(ctx, &ml_decision_tree, r, params[i]));
	}
}

/* A weight of three is three rows, and a row without weight is none. */
static void
test_weights(MlContext *ctx)
{
	enum {N = 600};
	static const char *const criteria[] = {"squared_error", "absolute_error", "gini", "entropy", "gini"};
	static const int classes[] = {0, 0, 2, 2, 3};

	for (int c = 0; c < 5; c++)
	{
		Rows	   *r = curved_rows(ctx, N, 10, classes[c]);
		Rows	   *other = curved_rows(ctx, 300, 11, classes[c]);
		const double *x = r->design.source;
		double	   *repeated = ml_alloc_array(ctx, 6 * 3 * N, sizeof(double));
		double	   *target = ml_alloc_array(ctx, 3 * N, sizeof(double));
		double	   *weight = ml_alloc_array(ctx, N, sizeof(double));
		const char *params = ml_format(ctx, "{\"criterion\": \"%s\", \"max_depth\": 6}", criteria[c]);
		size_t		n = 0;
		size_t		size = 300 * (classes[c] > 0 ? (size_t) classes[c] : 1);
		Rows	   *rows;
		double	   *one;
		double	   *two;

		for (size_t i = 0; i < N; i++)
		{
			weight[i] = (double) (i % 4);
			n += i % 4;
		}
		for (size_t i = 0, to = 0; i < N; i++)
			for (size_t k = 0; k < i % 4; k++, to++)
			{
				target[to] = r->design.target[i];
				for (size_t j = 0; j < 6; j++)
					repeated[j * n + to] = x[j * N + i];
			}
		rows = make_rows(ctx, repeated, n, 6, target, classes[c]);
		rows->levels[5] = 10;
		r->design.weight = weight;
		one = score_rows(ctx, &ml_decision_tree, r, fit(ctx, &ml_decision_tree, r, params), other);
		two = score_rows(ctx, &ml_decision_tree, rows, fit(ctx, &ml_decision_tree, rows, params), other);
		for (size_t i = 0; i < size; i++)
			if (!unit_result(fabs(one[i] - two[i]) < 1e-9, __FILE__, __LINE__, "criterion %d row %zu: %g %g", c, i, one[i], two[i])) break;
	}
}

/* ---------------------------------------------------------------- what is refused */

static void
test_refused(MlContext *ctx)
{
	static const char *const features[] = {"0", "-1", "1.5", "\"half\"", "[]", "{}", "true", "0.0"};
	static const double x[] = {1, 2, 3, 4};
	static const double low[] = {-1, 2, 3, 4};
	static const double zero[] = {0, 0, 0, 0};
	Rows	   *r = make_rows(ctx, x, 4, 1, low, 0);

	for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
	{
		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER,
					 ml_params_parse(ctx, &ml_random_forest, ml_format(ctx, "{\"max_features\": %s}", features[i])));
		CHECK(strstr(unit_error.message, "max_features") != NULL && unit_error.hint[0] != '\0');
	}
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, &ml_decision_tree, "{\"max_depth\": 3, \"max_leaf_nodes\": 9}"));
	CHECK(ml_params_parse(ctx, &ml_decision_tree, "{\"max_depth\": 3, \"max_leaf_nodes\": 8}") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, &ml_decision_tree, r, "{\"criterion\": \"poisson\"}"));
	CHECK(strstr(unit_error.detail, "-1") != NULL);
	r = make_rows(ctx, x, 4, 1, zero, 0);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, &ml_decision_tree, r, "{\"criterion\": \"poisson\"}"));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, &ml_decision_tree, r, "{\"class_weight\": \"balanced\"}"));
	r->design.weight = zero;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, &ml_decision_tree, r, NULL));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, &ml_decision_tree, "{\"criterion\": \"poisson\", \"class_weight\": \"balanced\"}"));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, &ml_isolation_forest, "{\"contamination\": 0.6}"));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, &ml_isolation_forest, "{\"contamination\": \"much\"}"));
	CHECK(ml_params_parse(ctx, &ml_isolation_forest, "{\"contamination\": \"auto\"}") != NULL);
}

/* Trees that could outgrow a model are refused before they are grown where they were asked for, else kept small. */
static void
test_size(MlContext *ctx)
{
	Rows	   *r = curved_rows(ctx, 30000, 12, 0);
	const char *many = "{\"n_estimators\": 10000, \"max_leaf_nodes\": 20000}";
	double		checks;

	unit_cancel_after(ctx, 1000000);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, &ml_random_forest, r, many));
	checks = 1000000 - (double) ((UnitHost *) ctx->host)->checks_left;
	CHECK(checks < 100 && strstr(unit_error.hint, "max_leaf_nodes") != NULL);
	CHECK(forest_of(ctx, &ml_random_forest, r, "{\"n_estimators\": 10000, \"max_depth\": 1}")->nodes == 30000);
}

/* A leaf's value that is no probability. */
static void
test_corrupted(MlContext *ctx)
{
	static const char *const keys[] = {"tree_begin", "feature", "left", "missing_left", "threshold", "value", "gain", "cover", "sets"};
	static const double x[] = {1, 2, 3, 4};
	static const double y[] = {0, 0, 1, 1};
	Rows	   *r = make_rows(ctx, x, 4, 1, y, 2);
	const MlNode *p = fit(ctx, &ml_decision_tree, r, NULL);

	for (int bad = 0; bad < 4; bad++)
	{
		MlWriter   *w = ml_writer_create(ctx);
		double		value[] = {0.5, 0, bad == 1 ? 1.0001 : bad == 2 ? -0.0001 : 1};
		size_t		size;
		const MlNode *payload;

		for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
			if (strcmp(keys[k], "value") == 0)
				ml_write_f64s(w, "value", value, 3);
			else
				ml_write_node(w, keys[k], ml_node_find(p, keys[k]));
		ml_write_object(w, "statistics");
		ml_write_int(w, "n_rows", 4);
		ml_write_int(w, "n_trees", bad == 3 ? 2 : 1);
		ml_write_end(w);
		payload = ml_document_root(ml_writer_finish(w, &size));
		if (bad == 0)
			CHECK(ml_decision_tree.load(ctx, payload, &r->shape) != NULL);
		else
			CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_decision_tree.load(ctx, payload, &r->shape));
	}
}

/* ---------------------------------------------------------------- isolation */

/* A cloud with some rows far from it, which come last; a category and missing values beside. */
static Rows *
cloud(MlContext *ctx, size_t n, size_t far, uint64_t seed)
{
	double	   *x = ml_alloc_array(ctx, 4 * n, sizeof(double));
	Rows	   *r = make_rows(ctx, x, n, 4, NULL, -1);
	MlRandom	random;

	ml_random_seed(&random, seed);
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < 3; j++)
			x[j * n + i] = ml_random_double(&random) + ml_random_double(&random) + ml_random_double(&random) + (i + far >= n ? 4 + (double) j : 0);
		x[3 * n + i] = (double) ml_random_below(&random, 3);
		if (ml_random_below(&random, 8) == 0)
			x[2 * n + i] = NAN;
		if (ml_random_below(&random, 8) == 0)
			x[3 * n + i] = NAN;
	}
	r->levels[3] = 4;
	return r;
}

static void
test_isolation(MlContext *ctx)
{
	enum {N = 5000, FAR = 20};
	Rows	   *r = cloud(ctx, N, FAR, 1);
	const MlNode *p = fit(ctx, &ml_isolation_forest, r, NULL);
	double	   *out = score_rows(ctx, &ml_isolation_forest, r, p, r);
	size_t		above[2] = {0, 0};
	double		share = 0;
	size_t		size;
	size_t		other_size;
	const void *bytes = fit_bytes(ctx, &ml_isolation_forest, r, NULL, &size);

	for (size_t i = 0; i < N; i++)
	{
		CHECK(out[i] > 0 && out[i] <= 1);
		above[i + FAR >= N] += out[i] > 0.6;
	}
	CHECK(above[1] == FAR && above[0] < N / 100);
	CHECK(statistic(p, "threshold") == 0.5 && statistic(p, "n_trees") == 100);
	CHECK(memcmp(bytes, fit_bytes(unit_context(4), &ml_isolation_forest, r, NULL, &other_size), size) == 0 && size == other_size);
	/* a threshold that a share of the rows is above */
	p = fit(ctx, &ml_isolation_forest, r, "{\"contamination\": 0.1, \"seed\": 3}");
	out = score_rows(ctx, &ml_isolation_forest, r, p, r);
	for (size_t i = 0; i < N; i++)
		share += out[i] > statistic(p, "threshold") * (1 + 1e-12);
	CHECK_NEAR(share, 0.1 * N, 0.01);
	/* a row that weighs much is not alone */
	r = make_rows(ctx, (const double[]) {1, 2, 3, 4, 5, 6, 7, 8, 50}, 9, 1, NULL, -1);
	CHECK(score_rows(ctx, &ml_isolation_forest, r, fit(ctx, &ml_isolation_forest, r, NULL), r)[8] > 0.6);
	r->design.weight = (const double[]) {1, 1, 1, 1, 1, 1, 1, 1, 20};
	CHECK(score_rows(ctx, &ml_isolation_forest, r, fit(ctx, &ml_isolation_forest, r, NULL), r)[8] < 0.5);
	r->design.weight = (const double[]) {0, 0, 0, 0, 0, 0, 0, 0, 1};
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, &ml_isolation_forest, r, NULL));
}

/* Two rows: one split sets each apart, a path of one, which is c(2); so every score is one half. */
static void
test_isolation_by_hand(MlContext *ctx)
{
	Rows	   *r = make_rows(ctx, (const double[]) {1, 3}, 2, 1, NULL, -1);
	const MlNode *p = fit(ctx, &ml_isolation_forest, r, "{\"n_estimators\": 30}");
	const double *threshold = ml_node_array(ml_node_find(p, "threshold"));
	double		low = 3;
	double		high = 1;

	CHECK_NEAR(score_rows(ctx, &ml_isolation_forest, r, p, r)[0], 0.5, 1e-12);
	CHECK_NEAR(score_rows(ctx, &ml_isolation_forest, r, p, r)[1], 0.5, 1e-12);
	for (size_t t = 0; t < 30; t++)
	{
		low = fmin(low, threshold[3 * t]);
		high = fmax(high, threshold[3 * t]);
	}
	CHECK(low >= 1 && low < 1.5 && high < 3 && high > 2.5);
	/* equal rows are nobody's, at depth 0: c(4) of c(4) */
	r = make_rows(ctx, (const double[]) {2, 2, 2, 2}, 4, 1, NULL, -1);
	CHECK_NEAR(score_rows(ctx, &ml_isolation_forest, r, fit(ctx, &ml_isolation_forest, r, NULL), r)[2], 0.5, 1e-12);
	/* three equal rows and one of another level: depth 1 for it, 1 + c(3) for them, of c(4) */
	r = make_rows(ctx, (const double[]) {0, 0, 0, 2}, 4, 1, NULL, -1);
	r->levels[0] = 3;
	p = fit(ctx, &ml_isolation_forest, r, "{\"n_estimators\": 7}");
	CHECK_NEAR(score_rows(ctx, &ml_isolation_forest, r, p, r)[3], exp2(-1 / (2 * (log(3) + 0.5772156649) - 1.5)), 1e-9);
	CHECK_NEAR(score_rows(ctx, &ml_isolation_forest, r, p, r)[0],
			   exp2(-(1 + 2 * (log(2) + 0.5772156649) - 4 / 3.0) / (2 * (log(3) + 0.5772156649) - 1.5)), 1e-9);
}

UNIT_MAIN(test_best_split, test_subsets, test_leaves, test_missing, test_quality, test_out_of_bag, test_limits, test_best_first,
		  test_prune, test_threads, test_cancel, test_weights, test_refused, test_size, test_corrupted, test_isolation, test_isolation_by_hand)
