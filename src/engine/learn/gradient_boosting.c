/*
 * Gradient boosting of trees over histograms: regression, classification, ranking.
 *
 * Problem: rows x_i (p columns as they are: NaN = missing, categories as levels), target y_i, weight w_i.
 *     F(x) = base + sum of trees, found tree by tree: each is grown on the gradients g_i and hessians h_i of
 *     the loss at the F so far, a leaf adds -learning_rate T(G) / (H + l2) (tree_split.c).  The losses are in
 *     boost_objective.c and boost_rank.c.
 * Shapes: one F a class among three or more, one a quantile, else one; rows without weight are left out beforehand.
 * Stopping rule: n_estimators rounds, or a round without a split, or early_stopping_rounds rounds that were no better
 *     on the rows held out.
 * Papers: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, 2001; Friedman, Stochastic
 *     Gradient Boosting, 2002, for subsample; Ke et al., LightGBM, 2017.
 *
 * Payload: objective; mean (the trees' mean is meant, not their sum); quantiles; base [F]; the trees of a round output
 * by output (forest.c); history, the losses by round of the rows held out.
 */
#include <math.h>
#include <string.h>

#include "learn/boost_internal.h"
#include "learn/learners.h"
#include "learn/logistic_internal.h"

#define QUANTILE_SCORES 4096	/* of a piece of rows */

static void
boost_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	Boost		b;

	boost_create(&b, ctx, design, params, NULL, 0);
	boost_grow(&b);
	boost_write(&b, payload);
}

/* ---- a loaded model ---- */

typedef struct LoadedBoost
{
	BoostObjectiveKind kind;
	bool		mean;			/* of the trees, not their sum */
	int			k;				/* scores a row */
	const double *quantiles;	/* ascending */
	int			nquantiles;
	int			middle;			/* the quantile that is predicted */
	double		learning_rate;	/* that was found, 0 = it was given */
	MlEnsemble	ensemble;
} LoadedBoost;

static void __attribute__((noreturn))
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* The objective by its name, which must have the task. */
static BoostObjectiveKind
load_objective(MlContext *ctx, const MlNode *payload, MlTaskKind task)
{
	const char *name = ml_need_string(ctx, payload, "objective");

	for (BoostObjectiveKind kind = BOOST_SQUARED_ERROR; kind <= BOOST_LAMBDARANK; kind++)
		if (strcmp(boost_objective_name(kind), name) == 0)
		{
			BoostParams params = {.objective = (int) kind};

			if (!(boost_tasks_of(&params) & task))
				corrupted(ctx, "an objective of another task");
			return kind;
		}
	corrupted(ctx, "an objective that is not there");
}

static MlLink
link_of(BoostObjectiveKind kind, MlTaskKind task)
{
	if (kind == BOOST_OVR)
		return ML_LINK_OVR;
	if (kind == BOOST_LOG_LOSS)
		return task == ML_TASK_BINARY ? ML_LINK_LOGISTIC : ML_LINK_SOFTMAX;
	return boost_objective(kind)->log_link ? ML_LINK_EXP : ML_LINK_IDENTITY;
}

/* The quantiles, and which of them is predicted: the one next to the median. */
static void
load_quantiles(MlContext *ctx, const MlNode *payload, LoadedBoost *m)
{
	const MlNode *node = ml_need(ctx, payload, "quantiles", ML_NODE_F64S);
	size_t		n = ml_node_count(node);

	m->quantiles = ml_node_array(node);
	if ((n > 0) != (m->kind == BOOST_QUANTILE) || n > BOOST_MAX_QUANTILES)
		corrupted(ctx, "quantiles that do not fit the objective");
	m->nquantiles = (int) n;
	for (int i = 0; i < m->nquantiles; i++)
	{
		if (!(m->quantiles[i] > 0 && m->quantiles[i] < 1) || (i > 0 && !(m->quantiles[i] > m->quantiles[i - 1])))
			corrupted(ctx, "a quantile out of range");
		if (fabs(m->quantiles[i] - 0.5) < fabs(m->quantiles[m->middle] - 0.5))
			m->middle = i;
	}
}

static void *
boost_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedBoost *m = ml_alloc_zero(ctx, sizeof *m);
	const MlNode *statistics = ml_need(ctx, payload, "statistics", ML_NODE_OBJECT);
	const double *base;
	size_t		trees;

	m->kind = load_objective(ctx, payload, shape->task);
	m->mean = ml_need_bool(ctx, payload, "mean");
	load_quantiles(ctx, payload, m);
	m->k = m->nquantiles > 0 ? m->nquantiles : shape->task == ML_TASK_MULTICLASS ? shape->classes : 1;
	base = ml_need_f64s(ctx, payload, "base", m->k);
	for (int c = 0; c < m->k; c++)
		if (!isfinite(base[c]))
			corrupted(ctx, "a start score out of range");
	m->ensemble = (MlEnsemble) {
		.forest = ml_forest_load(ctx, payload, shape, m->k,
								 1),.base = base,.scale = 1,.link = link_of(m->kind, shape->task),
	};
	trees = m->ensemble.forest->trees;
	if (m->mean && trees > 0)
		m->ensemble.scale = (double) m->k / (double) trees;
	ml_need_int(ctx, statistics, "n_rows", 1, INT64_MAX);
	if (ml_node_find(statistics, "learning_rate") != NULL)
	{
		m->learning_rate = ml_need_double(ctx, statistics, "learning_rate");
		if (!(m->learning_rate > 0 && m->learning_rate <= 1))
			corrupted(ctx, "a learning rate out of range");
	}
	ml_need_int(ctx, statistics, "n_trees", (int64_t) trees, (int64_t) trees);
	ml_need_int(ctx, statistics, "n_leaves", 0, (int64_t) m->ensemble.forest->nodes);
	return m;
}

static const MlEnsemble *
boost_ensemble(const void *loaded)
{
	return &((const LoadedBoost *) loaded)->ensemble;
}

static int
boost_quantile_levels(const void *loaded, const double **levels)
{
	const LoadedBoost *m = loaded;

	*levels = m->quantiles;
	return m->nquantiles;
}

/* ---- learning on ---- */

/* Raises where the parameters are for another kind of model. */
static void
check_same(MlContext *ctx, const MlDesign *design, const BoostParams *params, const LoadedBoost *m)
{
	BoostObjectiveKind kind = boost_objective_kind(params, design->task);
	double		levels[BOOST_MAX_QUANTILES];
	bool		same = kind == m->kind && (params->boosting == BOOST_RF) == m->mean;

	if (same && kind == BOOST_QUANTILE)
		same = boost_quantiles(ctx, params, levels) == m->nquantiles &&
			memcmp(levels, m->quantiles, (size_t) m->nquantiles * sizeof(double)) == 0;
	if (!same)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "the parameters are for another kind of model",
					  ml_format(ctx, "The model has objective \"%s\"%s.", boost_objective_name(m->kind),
								m->mean ? " and boosting \"rf\"" : ""),
					  "Leave objective, quantiles and boosting as they are in the model, or train anew.");
}

static void
boost_resume(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, MlWriter *payload)
{
	const LoadedBoost *m = loaded;
	Boost		b;

	check_same(ctx, design, params, m);
	boost_create(&b, ctx, design, params, &m->ensemble, m->learning_rate);
	boost_grow(&b);
	boost_write(&b, payload);
}

static void
boost_refit(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, double decay_rate,
			MlWriter *payload)
{
	const LoadedBoost *m = loaded;

	check_same(ctx, design, params, m);
	boost_refit_model(ctx, design, params, &m->ensemble, m->learning_rate, decay_rate, payload);
}

/* ---- scores ---- */

/* The scores before the link. */
static void
raw_scores(const LoadedBoost *m, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	bool		mean = m->ensemble.scale != 1;

	for (size_t c = 0; c < (size_t) m->k; c++)
		for (size_t i = 0; i < n; i++)
			out[c * ldout + i] = mean ? 0 : m->ensemble.base[c];
	ml_forest_sum(m->ensemble.forest, x, ldx, n, out, ldout);
	for (size_t c = 0; mean && c < (size_t) m->k; c++)
		for (size_t i = 0; i < n; i++)
			out[c * ldout + i] = m->ensemble.base[c] + m->ensemble.scale * out[c * ldout + i];
}

/* Scores of each class against the others -> probabilities that sum to one. */
static void
normalise(double *out, size_t ldout, size_t k, size_t n)
{
	double		other[ML_BLOCK_ROWS];

	for (size_t c = 0; c < k; c++)
		logistic_sigmoid(other, out + c * ldout, n);
	for (size_t i = 0; i < n; i++)
	{
		double		sum = 0;

		for (size_t c = 0; c < k; c++)
			sum += out[c * ldout + i];
		/* all as good as impossible: none is more likely than another */
		for (size_t c = 0; c < k; c++)
			out[c * ldout + i] = sum > 0 ? out[c * ldout + i] / sum : 1 / (double) k;
	}
}

/* All quantiles; those off the middle give way where they cross, so that they ascend. */
static void
boost_score_quantiles(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedBoost *m = loaded;

	raw_scores(m, x, ldx, n, out, ldout);
	for (size_t i = 0; i < n; i++)
	{
		for (int q = m->middle + 1; q < m->k; q++)
			out[(size_t) q * ldout + i] = fmax(out[(size_t) q * ldout + i], out[(size_t) (q - 1) * ldout + i]);
		for (int q = m->middle - 1; q >= 0; q--)
			out[(size_t) q * ldout + i] = fmin(out[(size_t) q * ldout + i], out[(size_t) (q + 1) * ldout + i]);
	}
}

/* The quantile next to the median. */
static void
score_middle(const LoadedBoost *m, const double *x, size_t ldx, size_t n, double *out)
{
	double		scores[QUANTILE_SCORES];
	size_t		rows = QUANTILE_SCORES / (size_t) m->k;

	for (size_t begin = 0; begin < n; begin += rows)
	{
		size_t		piece = n - begin < rows ? n - begin : rows;

		raw_scores(m, x + begin, ldx, piece, scores, piece);
		memcpy(out + begin, scores + (size_t) m->middle * piece, piece * sizeof(double));
	}
}

static void
boost_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedBoost *m = loaded;
	MlLink		link = m->ensemble.link;

	if (m->nquantiles > 1)
	{
		score_middle(m, x, ldx, n, out);
		return;
	}
	/* binary: class 1 has the score */
	raw_scores(m, x, ldx, n, link == ML_LINK_LOGISTIC ? out + ldout : out, ldout);
	if (link == ML_LINK_LOGISTIC)
		logistic_sigmoid(out, out + ldout, n);
	else if (link == ML_LINK_SOFTMAX)
		logistic_softmax(out, ldout, m->k, n);
	else if (link == ML_LINK_OVR)
		normalise(out, ldout, (size_t) m->k, n);
	else if (link == ML_LINK_EXP)
		for (size_t i = 0; i < n; i++)
			out[i] = exp(out[i]);
}

const MlAlgorithm ml_gradient_boosting = {
	.id = 4,
	.name = "gradient_boosting",
	.help = "Gradient boosting of trees over histograms, with missing values and categories as they are.",
	.tasks = ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION | ML_TASK_RANKING,
	.params = boost_params,
	.params_size = sizeof(BoostParams),
	.check_params = boost_check_params,
	.tasks_of = boost_tasks_of,
	.fit = boost_fit,
	.load = boost_load,
	.score = boost_score,
	.ensemble = boost_ensemble,
	.resume = boost_resume,
	.refit = boost_refit,
	.quantiles = boost_quantile_levels,
	.score_quantiles = boost_score_quantiles,
	.native_inputs = true,
	.most_levels = ML_TREE_MAX_LEVELS,
	.usual_categories = BOOST_CATEGORIES,
};
