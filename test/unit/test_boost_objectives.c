/*
 * The objectives of boosting: derivatives against finite differences of their losses, constants against what they must
 * be, quantiles, ranking, early stopping, sampling of rows, dropout, means of trees, start scores, weights of classes,
 * learning on, and what is refused.
 */
#include "unit.h"

#include <float.h>

#include "base/random.h"
#include "learn/boost_internal.h"
#include "learn/learners.h"

/* ---------------------------------------------------------------- helpers */

#define COLUMNS 3

/* A table given column by column, with room for the rows held out. */
typedef struct Rows
{
	MlDesign	design;
	MlShape		shape;
	int			levels[COLUMNS];
	double		center[COLUMNS];
	double		scale[COLUMNS];
} Rows;

static const char *const features[] = {"a", "b", "c"};
static const char *const labels[] = {"no", "yes", "maybe"};

static void
read_rows(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (int j = 0; j < design->columns; j++)
		memcpy(x + (size_t) j * ldx, (const double *) design->source + (size_t) j * design->rows + begin, n * sizeof(double));
}

static Rows *
make_rows(MlContext *ctx, const double *x, size_t n, const double *target, MlTaskKind task, int classes)
{
	Rows	   *r = ml_alloc_zero(ctx, sizeof *r);

	for (int j = 0; j < COLUMNS; j++)
		r->scale[j] = 1;
	r->design = (MlDesign) {
		.rows = n,.columns = COLUMNS,.target = target,.task = task,.classes = classes,.center = r->center,.scale = r->scale,
		.levels = r->levels,.features = features,.class_labels = labels,.read = read_rows,.source = x,
	};
	r->shape = (MlShape) {
		.columns = COLUMNS,.task = task,.classes = classes,.center = r->center,.scale = r->scale,.levels = r->levels,
	};
	return r;
}

/* What a target is made of: f is between about -3 and 3, chance is uniform. */
typedef double (*Target) (double f, double chance);

/* n rows of three columns between -1 and 1. */
static Rows *
random_rows(MlContext *ctx, size_t n, uint64_t seed, Target target, MlTaskKind task, int classes)
{
	double	   *x = ml_alloc_array(ctx, COLUMNS * n, sizeof(double));
	double	   *y = ml_alloc_array(ctx, n, sizeof(double));
	MlRandom	random;

	ml_random_seed(&random, seed);
	for (size_t i = 0; i < n; i++)
	{
		for (size_t j = 0; j < COLUMNS; j++)
			x[j * n + i] = 2 * ml_random_double(&random) - 1;
		y[i] = target(x[i] + 1.5 * x[i] * x[n + i] + (x[2 * n + i] > 0.2), ml_random_double(&random));
	}
	return make_rows(ctx, x, n, y, task, classes);
}

static double
plain(double f, double chance)
{
	return f + chance - 0.5;
}

/* Exponential noise: the median is log(2) above f, quantile q is -log(1 - q) above. */
static double
skewed(double f, double chance)
{
	return f - log(1 - chance);
}

/* A count of mean exp(f), by inversion. */
static double
counted(double f, double chance)
{
	double		mean = exp(f);
	double		p = exp(-mean);
	double		sum = p;
	double		k = 0;

	for (; sum < chance && k < 200; sum += p)
		p *= mean / ++k;
	return k;
}

/* Exponentially distributed with mean exp(f). */
static double
positive(double f, double chance)
{
	return exp(f) * (-log(1 - chance) + 1e-9);
}

static double
yes_or_no(double f, double chance)
{
	return chance < 1 / (1 + exp(-2 * f));
}

static double
one_of_three(double f, double chance)
{
	return chance < 0.1 ? floor(chance * 30) : f < -0.5 ? 0 : f < 0.7 ? 1 : 2;
}

/* Grades from 0 to 4. */
static double
grade(double f, double chance)
{
	return fmax(fmin(floor(f + 2 + 1.5 * (chance - 0.5)), 4), 0);
}

static const MlNode *
fit(MlContext *ctx, const Rows *r, const char *params)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_gradient_boosting.fit(ctx, &r->design, ml_params_parse(ctx, &ml_gradient_boosting, params), w);
	return ml_document_root(ml_writer_finish(w, &size));
}

/* The predictions of rows: of class 1 for two classes. */
static double *
predict(MlContext *ctx, const MlNode *payload, const Rows *r)
{
	size_t		n = r->design.rows;
	size_t		outputs = r->design.classes > 0 ? (size_t) r->design.classes : 1;
	double	   *out = ml_alloc_array(ctx, outputs * n, sizeof(double));
	double	   *x = ml_alloc_array(ctx, COLUMNS * ML_BLOCK_ROWS, sizeof(double));
	void	   *loaded = ml_gradient_boosting.load(ctx, payload, &r->shape);

	for (size_t i = 0; i < n; i += ML_BLOCK_ROWS)
	{
		size_t		m = n - i < ML_BLOCK_ROWS ? n - i : ML_BLOCK_ROWS;

		read_rows(&r->design, i, m, x, m);
		ml_gradient_boosting.score(loaded, x, m, m, out + i, n);
	}
	return out + (r->design.classes == 2 ? n : 0);
}

/* The mean of what an objective minimises (of a log link: by the prediction), over rows. */
static double
mean_loss(MlContext *ctx, const MlNode *payload, const Rows *r, double (*loss) (double y, double p))
{
	double	   *p = predict(ctx, payload, r);
	double		sum = 0;

	for (size_t i = 0; i < r->design.rows; i++)
		sum += loss(r->design.target[i], p[i]);
	return sum / (double) r->design.rows;
}

static double
squared(double y, double p)
{
	return (y - p) * (y - p);
}

static double
absolute(double y, double p)
{
	return fabs(y - p);
}

static double
log_loss(double y, double p)
{
	return -log(y > 0 ? p : 1 - p);
}

static double
poisson_deviance(double y, double p)
{
	return 2 * ((y > 0 ? y * log(y / p) : 0) - y + p);
}

static double
gamma_deviance(double y, double p)
{
	return 2 * (y / p - 1 - log(y / p));
}

static double
statistic(const MlNode *payload, const char *name)
{
	const MlNode *node = ml_node_find(ml_node_find(payload, "statistics"), name);

	if (node == NULL)
		return NAN;
	return ml_node_type(node) == ML_NODE_INT ? (double) ml_node_int(node) : ml_node_double(node);
}

static bool
same_model(const MlNode *a, const MlNode *b)
{
	static const char *const keys[] = {"base", "threshold", "value"};

	for (size_t i = 0; i < 3; i++)
	{
		const MlNode *x = ml_node_find(a, keys[i]);
		const MlNode *y = ml_node_find(b, keys[i]);

		if (ml_node_count(x) != ml_node_count(y) || memcmp(ml_node_array(x), ml_node_array(y), ml_node_count(x) * sizeof(double)) != 0)
			return false;
	}
	return true;
}

static const char *
with(MlContext *ctx, const char *objective, const char *rest)
{
	return ml_format(ctx, "{\"objective\": \"%s\"%s%s}", objective, rest[0] != '\0' ? ", " : "", rest);
}

/* ---------------------------------------------------------------- derivatives */

/* The derivatives at scores against differences of the losses. */
static void
check_derivatives(MlContext *ctx, const char *params, const double *target, MlTaskKind task, int classes)
{
	enum {N = 40};
	const double step = 1e-4;
	double		x[COLUMNS * N] = {0};
	Rows	   *r = make_rows(ctx, x, N, target, task, classes);
	const BoostParams *p = ml_params_parse(ctx, &ml_gradient_boosting, params);
	Boost		b;

	boost_create(&b, ctx, &r->design, p, NULL, 0);
	for (size_t i = 0; i < (size_t) b.k * N; i++)
		b.rows.score[i] = 0.013 + 0.3 * sin((double) i);
	boost_share(&b);
	for (int c = 0; c < b.k; c++)
	{
		double		g[N];
		double		h[N];
		double		losses[3][N];
		bool		softmax = b.share != NULL;

		b.objective->differentiate(&b, c, 0, N, g, h);
		for (int side = -1; side <= 1; side++)
		{
			for (size_t i = 0; i < N; i++)
				b.rows.score[(size_t) c * N + i] += side * step;
			b.objective->loss(&b, b.rows.score, N, target, N, losses[side + 1]);
			for (size_t i = 0; i < N; i++)
				b.rows.score[(size_t) c * N + i] -= side * step;
		}
		for (size_t i = 0; i < N; i++)
		{
			double		second = (losses[2][i] - 2 * losses[1][i] + losses[0][i]) / step / step;

			CHECK(fabs((losses[2][i] - losses[0][i]) / 2 / step - g[i]) < 1e-6 * (1 + fabs(g[i])));
			if (b.objective->by_quantile || b.kind == BOOST_HUBER)
				CHECK(h[i] == 1);
			else
				CHECK(fabs(second * (softmax ? (double) b.k / (b.k - 1) : 1) - h[i]) < 1e-4 * (1 + fabs(h[i])));
		}
	}
}

static void
test_derivatives(MlContext *ctx)
{
	double		numbers[40];
	double		counts[40];
	double		binary[40];
	double		classes[40];

	for (int i = 0; i < 40; i++)
	{
		numbers[i] = 0.01 + i * 0.17;
		counts[i] = i % 7;
		binary[i] = i % 2;
		classes[i] = i % 3;
	}
	check_derivatives(ctx, with(ctx, "squared_error", ""), numbers, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "absolute_error", ""), numbers, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "huber", "\"huber_delta\": 1.7"), numbers, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "quantile", "\"quantiles\": [0.2, 0.7]"), numbers, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "poisson", ""), counts, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "gamma", ""), numbers, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "tweedie", "\"tweedie_variance_power\": 1.3"), counts, ML_TASK_REGRESSION, 0);
	check_derivatives(ctx, with(ctx, "log_loss", ""), binary, ML_TASK_BINARY, 2);
	check_derivatives(ctx, with(ctx, "log_loss", ""), classes, ML_TASK_MULTICLASS, 3);
	check_derivatives(ctx, with(ctx, "ovr", ""), classes, ML_TASK_MULTICLASS, 3);
}

/* The least value of the weight up to it, and halfway where values end there. */
static void
test_weighted_quantile(MlContext *ctx)
{
	BoostWeighted even[] = {{4, 1}, {1, 1}, {3, 1}, {2, 1}};
	BoostWeighted odd[] = {{4, 1}, {1, 1}, {3, 1}, {2, 1}, {9, 1}};
	BoostWeighted heavy[] = {{5, 1}, {1, 3}, {2, 1}, {7, 1}};
	MlRandom	random;

	CHECK(boost_weighted_quantile(even, 4, 0.5) == 2.5);
	CHECK(boost_weighted_quantile(even, 4, 0.25) == 1.5);
	CHECK(boost_weighted_quantile(even, 4, 0.3) == 2);
	CHECK(boost_weighted_quantile(even, 4, 0.9) == 4);
	CHECK(boost_weighted_quantile(odd, 5, 0.5) == 3);
	CHECK(boost_weighted_quantile(heavy, 4, 0.5) == 1.5);
	CHECK(boost_weighted_quantile(heavy, 4, 0.49) == 1);
	CHECK(boost_weighted_quantile(heavy, 4, 0.99) == 7);
	ml_random_seed(&random, 1);
	for (int trial = 0; trial < 50; trial++)
	{
		size_t		n = 1 + ml_random_below(&random, 300);
		BoostWeighted *values = ml_alloc_array(ctx, n, sizeof *values);
		double		level = 0.001 + 0.998 * ml_random_double(&random);
		double		below = 0;
		double		upto = 0;
		double		total = 0;
		double		q;

		for (size_t i = 0; i < n; i++)
		{
			values[i] = (BoostWeighted) {(double) ml_random_below(&random, 40), 0.1 + ml_random_double(&random)};
			total += values[i].weight;
		}
		q = boost_weighted_quantile(values, n, level);
		for (size_t i = 0; i < n; i++)
		{
			below += values[i].value < q ? values[i].weight : 0;
			upto += values[i].value <= q ? values[i].weight : 0;
		}
		CHECK(below <= level * total * (1 + 1e-9) && upto >= level * total * (1 - 1e-9));
	}
}

/* ---------------------------------------------------------------- constants */

/* What is predicted where no column says anything. */
static double
constant(MlContext *ctx, const char *params, const double *target, size_t n, MlTaskKind task, int classes, const double *weight)
{
	double	   *x = ml_alloc_array_zero(ctx, COLUMNS * n, sizeof(double));
	Rows	   *r = make_rows(ctx, x, n, target, task, classes);

	r->design.weight = weight;
	return predict(ctx, fit(ctx, r, params), r)[0];
}

static void
test_constants(MlContext *ctx)
{
	static const double y[] = {1, 2, 4, 5, 9, 30, 0.5};
	static const double weight[] = {1, 2, 1, 0, 3, 1, 1};
	static const double binary[] = {1, 0, 0, 1, 1, 1, 0};
	static const double classes[] = {0, 1, 2, 2, 2, 1, 2};
	double		mean = (1 + 4 + 4 + 27 + 30 + 0.5) / 9;

	CHECK_NEAR(constant(ctx, "{}", y, 7, ML_TASK_REGRESSION, 0, weight), mean, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "absolute_error", ""), y, 7, ML_TASK_REGRESSION, 0, NULL), 4, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "absolute_error", ""), y, 7, ML_TASK_REGRESSION, 0, weight), 4, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "quantile", "\"quantiles\": 0.8"), y, 7, ML_TASK_REGRESSION, 0, NULL), 9, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "poisson", ""), y, 7, ML_TASK_REGRESSION, 0, weight), mean, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "gamma", ""), y, 7, ML_TASK_REGRESSION, 0, weight), mean, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "tweedie", ""), y, 7, ML_TASK_REGRESSION, 0, weight), mean, 1e-12);
	/* 1 2 4 5 9 pull by their distance, 30 by 6 only: (1 + 2 + 4 + 5 + 9 + 0.5 + 6) / 6 */
	CHECK_NEAR(constant(ctx, with(ctx, "huber", "\"huber_delta\": 6"), y, 7, ML_TASK_REGRESSION, 0, NULL), 27.5 / 6, 1e-9);
	/* so far away that all count: the mean; so near that none does: the median */
	CHECK_NEAR(constant(ctx, with(ctx, "huber", "\"huber_delta\": 1000"), y, 7, ML_TASK_REGRESSION, 0, NULL), 51.5 / 7, 1e-9);
	CHECK_NEAR(constant(ctx, with(ctx, "huber", "\"huber_delta\": 1e-6"), y, 7, ML_TASK_REGRESSION, 0, NULL), 4, 1e-6);
	CHECK_NEAR(constant(ctx, "{}", binary, 7, ML_TASK_BINARY, 2, NULL), 4.0 / 7, 1e-12);
	CHECK_NEAR(constant(ctx, "{}", classes, 7, ML_TASK_MULTICLASS, 3, NULL), 1.0 / 7, 1e-12);
	CHECK_NEAR(constant(ctx, with(ctx, "ovr", ""), classes, 7, ML_TASK_MULTICLASS, 3, NULL), 1.0 / 7, 1e-12);
}

/* ---------------------------------------------------------------- how they learn */

static void
test_regressions(MlContext *ctx)
{
	Rows	   *noisy = random_rows(ctx, 4000, 1, skewed, ML_TASK_REGRESSION, 0);
	Rows	   *other = random_rows(ctx, 2000, 2, skewed, ML_TASK_REGRESSION, 0);
	Rows	   *counts = random_rows(ctx, 4000, 3, counted, ML_TASK_REGRESSION, 0);
	Rows	   *other_counts = random_rows(ctx, 2000, 4, counted, ML_TASK_REGRESSION, 0);
	Rows	   *times = random_rows(ctx, 4000, 5, positive, ML_TASK_REGRESSION, 0);
	Rows	   *other_times = random_rows(ctx, 2000, 6, positive, ML_TASK_REGRESSION, 0);
	double		by_median = mean_loss(ctx, fit(ctx, noisy, with(ctx, "absolute_error", "")), other, absolute);
	double		by_mean = mean_loss(ctx, fit(ctx, noisy, "{}"), other, absolute);
	double		by_huber = mean_loss(ctx, fit(ctx, noisy, with(ctx, "huber", "\"huber_delta\": 0.3")), other, absolute);

	/* the least that can be is log(2) = 0.693 */
	CHECK(by_median < by_mean && by_median < 0.75);
	CHECK(by_huber < by_mean);
	CHECK(mean_loss(ctx, fit(ctx, counts, with(ctx, "poisson", "")), other_counts, poisson_deviance) < 1.25);
	CHECK(mean_loss(ctx, fit(ctx, counts, with(ctx, "tweedie", "\"tweedie_variance_power\": 1.1")), other_counts, poisson_deviance) < 1.25);
	CHECK(mean_loss(ctx, fit(ctx, times, with(ctx, "gamma", "")), other_times, gamma_deviance) < 1.35);
	CHECK(predict(ctx, fit(ctx, times, with(ctx, "gamma", "")), other_times)[0] > 0);
}

/* So many of the other rows are below each quantile; what is predicted is the one next to the median. */
static void
test_quantiles(MlContext *ctx)
{
	Rows	   *training = random_rows(ctx, 6000, 11, skewed, ML_TASK_REGRESSION, 0);
	Rows	   *other = random_rows(ctx, 4000, 12, skewed, ML_TASK_REGRESSION, 0);
	const MlNode *p = fit(ctx, training, with(ctx, "quantile", "\"quantiles\": [0.9, 0.1, 0.6], \"min_samples_leaf\": 60"));
	void	   *loaded = ml_gradient_boosting.load(ctx, p, &training->shape);
	double	   *middle = predict(ctx, p, other);
	const double *levels;
	double		below[3] = {0};

	CHECK(ml_gradient_boosting.quantiles(loaded, &levels) == 3);
	CHECK(levels[0] == 0.1 && levels[1] == 0.6 && levels[2] == 0.9);
	for (size_t i = 0; i < other->design.rows; i++)
	{
		double		x[COLUMNS];
		double		out[3];

		read_rows(&other->design, i, 1, x, 1);
		ml_gradient_boosting.score_quantiles(loaded, x, 1, 1, out, 1);
		if (!(out[0] <= out[1] && out[1] <= out[2] && out[1] == middle[i]))
			CHECK(false);
		for (int q = 0; q < 3; q++)
			below[q] += other->design.target[i] <= out[q];
	}
	for (int q = 0; q < 3; q++)
		CHECK_NEAR(below[q] / (double) other->design.rows - levels[q], 0, 0.04);
	/* without a list there are three */
	CHECK(ml_gradient_boosting.quantiles(ml_gradient_boosting.load(ctx, fit(ctx, training, with(ctx, "quantile", "\"n_estimators\": 2")),
																   &training->shape), &levels) == 3);
	CHECK(ml_gradient_boosting.quantiles(ml_gradient_boosting.load(ctx, fit(ctx, training, "{\"n_estimators\": 2}"), &training->shape), &levels) == 0);
}

static void
test_ovr(MlContext *ctx)
{
	Rows	   *training = random_rows(ctx, 3000, 21, one_of_three, ML_TASK_MULTICLASS, 3);
	Rows	   *other = random_rows(ctx, 1000, 22, one_of_three, ML_TASK_MULTICLASS, 3);
	double	   *p = predict(ctx, fit(ctx, training, with(ctx, "ovr", "\"n_estimators\": 40")), other);
	size_t		right = 0;

	for (size_t i = 0; i < 1000; i++)
	{
		size_t		y = (size_t) other->design.target[i];

		CHECK_NEAR(p[i] + p[1000 + i] + p[2000 + i], 1, 1e-12);
		right += p[y * 1000 + i] > 0.5;
	}
	CHECK(right > 850);
}

/* ---------------------------------------------------------------- ranking */

/* Groups of ten rows one after the other. */
static void
group_rows(MlContext *ctx, Rows *r)
{
	uint32_t   *group = ml_alloc_array(ctx, r->design.rows, sizeof(uint32_t));

	for (size_t i = 0; i < r->design.rows; i++)
		group[i] = (uint32_t) (i / 10);
	r->design.group = group;
}

static double
ndcg_of(MlContext *ctx, const Rows *r, const double *score)
{
	const BoostParams *params = ml_params_parse(ctx, &ml_gradient_boosting, "{\"group\": \"g\"}");
	Boost		b;

	boost_create(&b, ctx, &r->design, params, NULL, 0);
	memcpy(b.rows.score, score, r->design.rows * sizeof(double));
	return boost_loss(&b, &b.rows);
}

static void
test_ranking(MlContext *ctx)
{
	Rows	   *training = random_rows(ctx, 6000, 31, grade, ML_TASK_RANKING, 0);
	Rows	   *other = random_rows(ctx, 3000, 32, grade, ML_TASK_RANKING, 0);
	double	   *zero = ml_alloc_array_zero(ctx, 3000, sizeof(double));
	const MlNode *p;
	double		by_chance;
	double		learned;

	group_rows(ctx, training);
	group_rows(ctx, other);
	p = fit(ctx, training, with(ctx, "lambdarank", "\"group\": \"g\""));
	by_chance = ndcg_of(ctx, other, zero);
	learned = ndcg_of(ctx, other, predict(ctx, p, other));
	CHECK(by_chance < 0.75 && learned > 0.9);
	CHECK(same_model(p, fit(ctx, training, "{\"group\": \"g\"}")));
	CHECK_NEAR(ndcg_of(ctx, other, other->design.target), 1, 1e-12);
}

/* Two rows of one group: the gradient is that of log(1 + exp(-difference)) times what NDCG loses. */
static void
test_pair(MlContext *ctx)
{
	static const double y[] = {0, 2, 1, 1};
	static const uint32_t group[] = {0, 0, 1, 1};
	double		x[COLUMNS * 4] = {0};
	Rows	   *r = make_rows(ctx, x, 4, y, ML_TASK_RANKING, 0);
	const BoostParams *params = ml_params_parse(ctx, &ml_gradient_boosting, "{\"group\": \"g\"}");
	double		lost = 3 * (1 - 1 / log2(3)) / 3;
	double		sum = 2 * lost * 0.5;
	Boost		b;

	r->design.group = group;
	boost_create(&b, ctx, &r->design, params, NULL, 0);
	boost_differentiate(&b);
	CHECK_NEAR(b.gradients[1].g, -0.5 * lost * log2(1 + sum) / sum, 1e-6);
	CHECK_NEAR(b.gradients[0].g, 0.5 * lost * log2(1 + sum) / sum, 1e-6);
	CHECK_NEAR(b.gradients[0].h, 0.25 * lost * log2(1 + sum) / sum, 1e-6);
	CHECK(b.gradients[2].g == 0 && b.gradients[3].h == 0);
	b.rows.score[0] = 1;
	boost_differentiate(&b);
	lost /= 1.01;
	sum = 2 * lost / (1 + exp(-1));
	CHECK_NEAR(b.gradients[1].g, -lost / (1 + exp(-1)) * log2(1 + sum) / sum, 1e-6);
	/* one NDCG of 1 / log2(3), and one of a group whose rows are tied */
	CHECK_NEAR(boost_loss(&b, &b.rows), (1 / log2(3) + 1) / 2, 1e-12);
}

static long asked;

static bool
count_asked(MlContext *ctx)
{
	(void) ctx;
	asked++;
	return false;
}

/* A group of many rows asks by itself whether the call is to stop: for each place whose pairs are compared. */
static void
test_large_group(MlContext *ctx)
{
	enum {N = 70000};
	Rows	   *r = random_rows(ctx, N, 33, grade, ML_TASK_RANKING, 0);
	const BoostParams *params = ml_params_parse(ctx, &ml_gradient_boosting, "{\"group\": \"g\"}");
	Boost		b;

	r->design.group = ml_alloc_array_zero(ctx, N, sizeof(uint32_t));
	boost_create(&b, ctx, &r->design, params, NULL, 0);
	ctx->interrupted = count_asked;
	asked = 0;
	boost_differentiate(&b);
	CHECK(asked >= 30);
	asked = 0;
	CHECK(boost_loss(&b, &b.rows) > 0 && asked > 16);
}

/* ---------------------------------------------------------------- early stopping */

/* The round that is kept is the best of the history, and what a training of so many rounds gives. */
static void
test_early_stopping(MlContext *ctx)
{
	Rows	   *training = random_rows(ctx, 600, 41, yes_or_no, ML_TASK_BINARY, 2);
	Rows	   *held = random_rows(ctx, 600, 42, yes_or_no, ML_TASK_BINARY, 2);
	const MlNode *p;
	const MlNode *history;
	size_t		best;

	training->design.held_out = &held->design;
	p = fit(ctx, training, "{\"early_stopping_rounds\": 7, \"n_estimators\": 500}");
	history = ml_node_find(p, "history");
	best = (size_t) statistic(p, "best_iteration");
	CHECK(ml_node_count(history) == best + 7 && best > 1 && best < 400);
	for (size_t i = 0; i < ml_node_count(history); i++)
	{
		double		loss = ((const double *) ml_node_array(history))[i];

		CHECK(i + 1 < best ? loss > statistic(p, "best_score") : loss >= statistic(p, "best_score"));
	}
	CHECK_NEAR(mean_loss(ctx, p, held, log_loss), statistic(p, "best_score"), 1e-9);
	CHECK(same_model(p, fit(ctx, training, ml_format(ctx, "{\"n_estimators\": %zu}", best))));
	CHECK(statistic(p, "n_trees") == (double) best);
	/* never, and with nothing held out */
	CHECK(isnan(statistic(fit(ctx, training, "{\"n_estimators\": 3}"), "best_score")));
	training->design.held_out = NULL;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, training, "{\"early_stopping_rounds\": 5}"));
	held->design.rows = 0;
	training->design.held_out = &held->design;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, training, "{\"early_stopping_rounds\": 5}"));
	CHECK(unit_error.hint[0] != '\0');
}

/* Of a ranking more NDCG is better; of several outputs whole rounds are kept. */
static void
test_early_stopping_outputs(MlContext *ctx)
{
	Rows	   *training = random_rows(ctx, 800, 43, grade, ML_TASK_RANKING, 0);
	Rows	   *held = random_rows(ctx, 800, 44, grade, ML_TASK_RANKING, 0);
	Rows	   *classes = random_rows(ctx, 500, 45, one_of_three, ML_TASK_MULTICLASS, 3);
	Rows	   *other = random_rows(ctx, 500, 46, one_of_three, ML_TASK_MULTICLASS, 3);
	const MlNode *p;

	group_rows(ctx, training);
	group_rows(ctx, held);
	training->design.held_out = &held->design;
	p = fit(ctx, training, "{\"group\": \"g\", \"early_stopping_rounds\": 5}");
	CHECK_NEAR(ndcg_of(ctx, held, predict(ctx, p, held)), statistic(p, "best_score"), 1e-9);
	for (size_t i = 0; i < ml_node_count(ml_node_find(p, "history")); i++)
		CHECK(((const double *) ml_node_array(ml_node_find(p, "history")))[i] <= statistic(p, "best_score"));
	classes->design.held_out = &other->design;
	p = fit(ctx, classes, "{\"early_stopping_rounds\": 5}");
	CHECK(statistic(p, "n_trees") == 3 * statistic(p, "best_iteration"));
}

/* ---------------------------------------------------------------- rows, trees, columns by chance */

static void
test_modes(MlContext *ctx)
{
	static const char whole[] = "\"learning_rate\": 0.1, \"subsample\": 1, \"colsample_bytree\": 1";
	Rows	   *training = random_rows(ctx, 4000, 51, plain, ML_TASK_REGRESSION, 0);
	Rows	   *other = random_rows(ctx, 2000, 52, plain, ML_TASK_REGRESSION, 0);
	double		gbdt = mean_loss(ctx, fit(ctx, training, "{}"), other, squared);
	const MlNode *rf = fit(ctx, training, "{\"boosting\": \"rf\", \"subsample\": 0.6, \"n_estimators\": 30, \"max_leaf_nodes\": 200, \"min_samples_leaf\": 5}");
	const MlEnsemble *ensemble = ml_gradient_boosting.ensemble(ml_gradient_boosting.load(ctx, rf, &training->shape));

	/* the variance is above 1, noise is 0.083 */
	CHECK(gbdt < 0.11);
	CHECK(mean_loss(ctx, fit(ctx, training, "{\"boosting\": \"dart\"}"), other, squared) < 0.15);
	CHECK(mean_loss(ctx, fit(ctx, training, "{\"boosting\": \"dart\", \"uniform_drop\": true, \"skip_drop\": 0, \"max_drop\": 3}"), other, squared) < 0.25);
	CHECK(mean_loss(ctx, fit(ctx, training, "{\"boosting\": \"goss\"}"), other, squared) < 0.12);
	CHECK(mean_loss(ctx, rf, other, squared) < 0.15);
	CHECK(ensemble->scale == 1.0 / 30);
	/* goss is what its name says only once some rounds have passed */
	CHECK(same_model(fit(ctx, training, "{\"boosting\": \"goss\", \"n_estimators\": 10}"), fit(ctx, training, ml_format(ctx, "{%s, \"n_estimators\": 10}", whole))));
	CHECK(!same_model(fit(ctx, training, "{\"boosting\": \"goss\", \"n_estimators\": 11}"), fit(ctx, training, ml_format(ctx, "{%s, \"n_estimators\": 11}", whole))));
	CHECK(same_model(fit(ctx, training, "{\"boosting\": \"goss\", \"top_rate\": 0.5, \"other_rate\": 0.5}"), fit(ctx, training, ml_format(ctx, "{%s}", whole))));
	CHECK(same_model(fit(ctx, training, "{\"boosting\": \"dart\", \"skip_drop\": 1}"), fit(ctx, training, "{\"learning_rate\": 0.1}")));
}

/* What trees left out count is what the scores say: a model of dart gives the scores that its training ended with. */
static void
test_dart_scores(MlContext *ctx)
{
	Rows	   *r = random_rows(ctx, 700, 53, one_of_three, ML_TASK_MULTICLASS, 3);
	const BoostParams *params = ml_params_parse(ctx, &ml_gradient_boosting,
												"{\"boosting\": \"dart\", \"n_estimators\": 25, \"drop_rate\": 0.4, \"skip_drop\": 0.1}");
	MlWriter   *w = ml_writer_create(ctx);
	const double *p;
	size_t		size;
	Boost		b;

	boost_create(&b, ctx, &r->design, params, NULL, 0);
	boost_grow(&b);
	boost_write(&b, w);
	p = predict(ctx, ml_document_root(ml_writer_finish(w, &size)), r);
	boost_share(&b);
	for (size_t i = 0; i < 3 * 700; i++)
		CHECK(fabs(p[i] - b.share[i]) < 1e-6);
}

/* Every objective and mode gives the same bits on any number of threads. */
static void
test_threads(MlContext *ctx)
{
	static const char *const params[] = {
		"{\"objective\": \"absolute_error\", \"n_estimators\": 4}",
		"{\"objective\": \"quantile\", \"quantiles\": [0.3, 0.6], \"n_estimators\": 3, \"subsample\": 0.5}",
		"{\"objective\": \"huber\", \"n_estimators\": 4}", "{\"objective\": \"tweedie\", \"n_estimators\": 4}",
		"{\"boosting\": \"dart\", \"n_estimators\": 8, \"skip_drop\": 0}",
		"{\"boosting\": \"goss\", \"learning_rate\": 0.5, \"n_estimators\": 6}",
		"{\"boosting\": \"rf\", \"subsample\": 0.5, \"n_estimators\": 4}",
		"{\"extra_trees\": true, \"colsample_bynode\": 0.7, \"n_estimators\": 4, \"grow_policy\": \"depthwise\"}",
	};
	Rows	   *r = random_rows(ctx, 30000, 61, counted, ML_TASK_REGRESSION, 0);
	Rows	   *ranked = random_rows(ctx, 30000, 62, grade, ML_TASK_RANKING, 0);

	group_rows(ctx, ranked);
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
	{
		const MlNode *p = fit(ctx, r, params[i]);

		CHECK(same_model(p, fit(unit_context(2), r, params[i])));
		CHECK(same_model(p, fit(unit_context(8), r, params[i])));
	}
	ranked->design.held_out = &ranked->design;
	CHECK(same_model(fit(ctx, ranked, "{\"group\": \"g\", \"n_estimators\": 4, \"early_stopping_rounds\": 2}"),
					 fit(unit_context(8), ranked, "{\"group\": \"g\", \"n_estimators\": 4, \"early_stopping_rounds\": 2}")));
}

/* ---------------------------------------------------------------- start scores, weights of classes */

/* Start scores that know the half of it: the trees learn the rest, and predictions are without them. */
static void
test_start(MlContext *ctx)
{
	Rows	   *r = random_rows(ctx, 3000, 71, plain, ML_TASK_REGRESSION, 0);
	Rows	   *held = random_rows(ctx, 1000, 72, plain, ML_TASK_REGRESSION, 0);
	double	   *start = ml_alloc_array(ctx, 3000, sizeof(double));
	const MlNode *p;
	double	   *out;
	double		sum = 0;

	for (size_t i = 0; i < 3000; i++)
		start[i] = 5 + (((const double *) r->design.source)[2 * 3000 + i] > 0.2);
	r->design.start = start;
	p = fit(ctx, r, "{\"init_score\": \"s\"}");
	out = predict(ctx, p, r);
	for (size_t i = 0; i < 3000; i++)
		sum += squared(r->design.target[i], start[i] + out[i]);
	CHECK(sum / 3000 < 0.11);
	CHECK(((const double *) ml_node_array(ml_node_find(p, "base")))[0] == 0);
	/* where held-out rows have theirs too */
	held->design.start = ml_alloc_array_zero(ctx, 1000, sizeof(double));
	r->design.held_out = &held->design;
	p = fit(ctx, r, "{\"init_score\": \"s\", \"early_stopping_rounds\": 2, \"n_estimators\": 5}");
	CHECK_NEAR(mean_loss(ctx, p, held, squared) / 2, statistic(p, "best_score"), 1e-9);
}

/* Weights of classes are weights of rows. */
static void
test_class_weights(MlContext *ctx)
{
	Rows	   *r = random_rows(ctx, 900, 81, yes_or_no, ML_TASK_BINARY, 2);
	double	   *weight = ml_alloc_array(ctx, 900, sizeof(double));
	const MlNode *by_class = fit(ctx, r, "{\"class_weight\": {\"yes\": 5, \"no\": 0.5}}");
	const MlNode *none = fit(ctx, r, "{\"class_weight\": {\"no\": 0}}");
	double		ones = 0;

	for (size_t i = 0; i < 900; i++)
	{
		weight[i] = r->design.target[i] > 0 ? 5 : 0.5;
		ones += r->design.target[i];
	}
	r->design.weight = weight;
	CHECK(same_model(by_class, fit(ctx, r, "{}")));
	CHECK(!same_model(by_class, none) && predict(ctx, none, r)[0] > 0.999);
	r->design.weight = NULL;
	for (size_t i = 0; i < 900; i++)
		weight[i] = 900 / 2.0 / (r->design.target[i] > 0 ? ones : 900 - ones);
	by_class = fit(ctx, r, "{\"class_weight\": \"balanced\"}");
	r->design.weight = weight;
	CHECK(same_model(by_class, fit(ctx, r, "{}")));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, r, "{\"class_weight\": {\"sometimes\": 1}}"));
}

/* ---------------------------------------------------------------- learning on */

static const MlNode *
resume(MlContext *ctx, const Rows *r, const char *params, const MlNode *from)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_gradient_boosting.resume(ctx, &r->design, ml_params_parse(ctx, &ml_gradient_boosting, params),
								ml_gradient_boosting.load(ctx, from, &r->shape), w);
	return ml_document_root(ml_writer_finish(w, &size));
}

static const MlNode *
refit(MlContext *ctx, const Rows *r, const char *params, const MlNode *from, double decay_rate)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_gradient_boosting.refit(ctx, &r->design, ml_params_parse(ctx, &ml_gradient_boosting, params),
							   ml_gradient_boosting.load(ctx, from, &r->shape), decay_rate, w);
	return ml_document_root(ml_writer_finish(w, &size));
}

/* Ten rounds and ten more are twenty. */
static void
test_resume(MlContext *ctx)
{
	static const char *const params[] = {
		"", "\"subsample\": 0.7, \"seed\": 3", "\"objective\": \"quantile\", \"quantiles\": [0.2, 0.5]",
		"\"boosting\": \"rf\", \"subsample\": 0.5", "\"objective\": \"poisson\"",
	};
	Rows	   *r = random_rows(ctx, 1200, 91, counted, ML_TASK_REGRESSION, 0);
	Rows	   *classes = random_rows(ctx, 900, 92, one_of_three, ML_TASK_MULTICLASS, 3);

	/* a level of a category, rows without weight */
	for (size_t i = 0; i < 1200; i++)
		((double *) r->design.source)[1200 + i] = (double) (i * 7 % 40);
	r->levels[1] = 40;
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
	{
		const char *comma = params[i][0] != '\0' ? "," : "";
		const MlNode *ten = fit(ctx, r, ml_format(ctx, "{\"learning_rate\": 0.1, \"n_estimators\": 10%s %s}", comma, params[i]));
		const MlNode *twenty = fit(ctx, r, ml_format(ctx, "{\"learning_rate\": 0.1, \"n_estimators\": 20%s %s}", comma, params[i]));

		const MlNode *more = resume(ctx, r, ml_format(ctx, "{\"learning_rate\": 0.1, \"n_estimators\": 10%s %s}", comma, params[i]), ten);

		/* where sets of levels lie may differ */
		CHECK(memcmp(predict(ctx, ten, r), predict(ctx, twenty, r), 1200 * sizeof(double)) != 0);
		CHECK(memcmp(predict(ctx, more, r), predict(ctx, twenty, r), 1200 * sizeof(double)) == 0);
		CHECK(ml_node_count(ml_node_find(more, "value")) == ml_node_count(ml_node_find(twenty, "value")));
	}
	CHECK(same_model(resume(ctx, classes, "{\"n_estimators\": 3}", fit(ctx, classes, "{\"n_estimators\": 4}")),
					 fit(ctx, classes, "{\"n_estimators\": 7}")));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, resume(ctx, r, "{\"objective\": \"gamma\"}", fit(ctx, r, "{\"n_estimators\": 2}")));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, resume(ctx, r, with(ctx, "quantile", "\"quantiles\": [0.2, 0.6]"),
														 fit(ctx, r, with(ctx, "quantile", "\"n_estimators\": 2, \"quantiles\": [0.2, 0.5]"))));
}

/* On the same rows, with nothing kept of the old values, leaves are what they were; on others they follow. */
static void
test_refit(MlContext *ctx)
{
	static const char *const params[] = {
		"{\"n_estimators\": 12, \"subsample\": 1, \"colsample_bytree\": 1}",
		"{\"n_estimators\": 12, \"subsample\": 1, \"colsample_bytree\": 1, \"objective\": \"absolute_error\"}",
		"{\"n_estimators\": 12, \"boosting\": \"rf\", \"colsample_bytree\": 0.6}",
		"{\"n_estimators\": 6, \"subsample\": 1, \"colsample_bytree\": 1, \"objective\": \"quantile\", \"quantiles\": [0.3, 0.6]}",
	};
	Rows	   *r = random_rows(ctx, 1500, 93, plain, ML_TASK_REGRESSION, 0);
	Rows	   *shifted = random_rows(ctx, 1500, 94, plain, ML_TASK_REGRESSION, 0);
	const MlNode *p = fit(ctx, r, params[0]);

	for (size_t i = 0; i < 1500; i++)
		((double *) shifted->design.target)[i] = 10 - 2 * shifted->design.target[i];
	for (size_t k = 0; k < sizeof params / sizeof params[0]; k++)
	{
		const MlNode *from = fit(ctx, r, params[k]);
		double	   *before = predict(ctx, from, r);
		double	   *after = predict(ctx, refit(ctx, r, params[k], from, 0), r);

		for (size_t i = 0; i < 1500; i++)
			if (!(fabs(before[i] - after[i]) < 1e-3))
				CHECK(false);
		CHECK(same_model(refit(ctx, r, params[k], from, 1), from));
	}
	CHECK(mean_loss(ctx, p, shifted, squared) > 60);
	CHECK(mean_loss(ctx, refit(ctx, shifted, params[0], p, 0), shifted, squared) < 2);
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, refit(ctx, r, "{\"boosting\": \"dart\"}", p, 0.5));
}

/* ---------------------------------------------------------------- constraints */

static void
test_constraints(MlContext *ctx)
{
	Rows	   *r = random_rows(ctx, 2000, 95, plain, ML_TASK_REGRESSION, 0);
	const MlNode *p = fit(ctx, r, "{\"monotone_constraints\": {\"b\": 1, \"a\": -1}, \"n_estimators\": 30}");
	void	   *loaded = ml_gradient_boosting.load(ctx, p, &r->shape);
	const MlForest *f;

	for (int line = 0; line < 20; line++)
	{
		double		before = -INFINITY;

		for (int i = 0; i <= 40; i++)
		{
			double		x[COLUMNS] = {line / 10.0 - 1, i / 20.0 - 1, 0.3};
			double		out;

			ml_gradient_boosting.score(loaded, x, 1, 1, &out, 1);
			CHECK(out >= before);
			before = out;
		}
	}
	/* "c" stands alone, so do those that are in no list: no tree has two columns */
	f = ml_gradient_boosting.ensemble(ml_gradient_boosting.load(ctx, fit(ctx, r, "{\"interaction_constraints\": [[\"c\"]]}"), &r->shape))->forest;
	for (size_t t = 0; t < f->trees; t++)
		for (int32_t i = f->tree_begin[t]; i < f->tree_begin[t + 1]; i++)
			CHECK(f->feature[i] < 0 || f->feature[i] == f->feature[f->tree_begin[t]]);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, fit(ctx, r, "{\"monotone_constraints\": {\"bb\": 1}}"));
	CHECK(strstr(unit_error.hint, "\"b\"") != NULL || strstr(unit_error.hint, "a, b, c") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, fit(ctx, r, "{\"interaction_constraints\": [[\"a\", \"x\"]]}"));
	r->levels[0] = 3;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, r, "{\"monotone_constraints\": {\"a\": 1}}"));
}

/* ---------------------------------------------------------------- what is refused */

static void
test_refused(MlContext *ctx)
{
	static const char *const wrong[] = {
		"{\"boosting\": \"dart\", \"early_stopping_rounds\": 5}", "{\"boosting\": \"rf\", \"subsample\": 0.5, \"early_stopping_rounds\": 5}",
		"{\"boosting\": \"rf\"}", "{\"boosting\": \"goss\", \"subsample\": 0.5}",
		"{\"boosting\": \"goss\", \"top_rate\": 0.7, \"other_rate\": 0.4}", "{\"boosting\": \"goss\", \"objective\": \"absolute_error\"}",
		"{\"quantiles\": [0.5]}", "{\"objective\": \"huber\", \"quantiles\": 0.5}", "{\"objective\": \"quantile\", \"quantiles\": []}",
		"{\"objective\": \"quantile\", \"quantiles\": [0.5, 0.5]}", "{\"objective\": \"quantile\", \"quantiles\": [0, 0.5]}",
		"{\"objective\": \"quantile\", \"quantiles\": \"0.5\"}", "{\"objective\": \"quantile\", \"init_score\": \"s\"}",
		"{\"objective\": \"lambdarank\"}", "{\"objective\": \"poisson\", \"group\": \"g\"}", "{\"objective\": \"gamma\", \"class_weight\": \"balanced\"}",
		"{\"objective\": \"quantile\", \"monotone_constraints\": {\"a\": 1}}", "{\"objective\": \"absolute_error\", \"path_smooth\": 1}",
		"{\"monotone_constraints\": {\"a\": 2}}", "{\"monotone_constraints\": [1]}", "{\"interaction_constraints\": []}",
		"{\"interaction_constraints\": [\"a\"]}", "{\"interaction_constraints\": [[1]]}", "{\"max_depth\": 3, \"max_leaf_nodes\": 9}",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
	{
		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_params_parse(ctx, &ml_gradient_boosting, wrong[i]));
		CHECK(unit_error.hint[0] != '\0');
	}
	CHECK(ml_params_parse(ctx, &ml_gradient_boosting, "{\"max_depth\": 3}") != NULL);
}

/* Targets that an objective has no loss for are counted. */
static void
test_targets(MlContext *ctx)
{
	static const double x[COLUMNS * 4] = {0};
	static const double negative[] = {-1, 0, -2, 5};
	static const double fraction[] = {1, 0.5, 32, 0};
	static const uint32_t group[] = {0, 0, 0, 0};
	static const double start[] = {0, 0, 0, 0};
	static const double classes[] = {0, 1, 2, 1};
	Rows	   *r = make_rows(ctx, x, 4, negative, ML_TASK_REGRESSION, 0);
	Rows	   *ranked = make_rows(ctx, x, 4, fraction, ML_TASK_RANKING, 0);
	Rows	   *three = make_rows(ctx, x, 4, classes, ML_TASK_MULTICLASS, 3);

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, r, with(ctx, "poisson", "")));
	CHECK(strstr(unit_error.detail, "2 of 4") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, r, "{\"class_weight\": \"balanced\"}"));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, r, with(ctx, "tweedie", "")));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, r, with(ctx, "gamma", "")));
	CHECK(strstr(unit_error.detail, "3 of 4") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, ranked, "{\"group\": \"g\"}"));
	ranked->design.group = group;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit(ctx, ranked, "{\"group\": \"g\"}"));
	CHECK(strstr(unit_error.detail, "2 of 4") != NULL);
	three->design.start = start;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, fit(ctx, three, "{\"init_score\": \"s\"}"));
}

UNIT_MAIN(test_derivatives, test_weighted_quantile, test_constants, test_regressions, test_quantiles, test_ovr, test_ranking, test_pair,
		  test_large_group, test_early_stopping, test_early_stopping_outputs, test_modes, test_dart_scores, test_threads, test_start, test_class_weights,
		  test_resume, test_refit, test_constraints, test_refused, test_targets)
