/*
 * The baseline: the weighted mean of the target, or the classes' shares.  It looks at no
 * feature; every other model is reported against it.
 */
#include <math.h>

#include "learn/learners.h"

static const MlParam baseline_params[] = {
	{.name = NULL}
};

/* Mean by weights, compensated (Neumaier). */
static double
weighted_mean(const MlDesign *design)
{
	double		sum = 0;
	double		lost = 0;
	double		weights = 0;

	for (size_t i = 0; i < design->rows; i++)
	{
		double		w = design->weight ? design->weight[i] : 1.0;
		double		value = w * design->target[i];
		double		next = sum + value;

		lost += fabs(sum) >= fabs(value) ? (sum - next) + value : (value - next) + sum;
		sum = next;
		weights += w;
	}
	return (sum + lost) / weights;
}

static void
baseline_fit(MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload)
{
	double	   *priors;
	double		total = 0;

	(void) params;
	if (ml_task_is_number(design->task))
	{
		double		mean = weighted_mean(design);

		ml_write_f64s(payload, "value", &mean, 1);
		return;
	}
	priors = ml_alloc_array_zero(ctx, (size_t) design->classes, sizeof(double));
	for (size_t i = 0; i < design->rows; i++)
	{
		double		w = design->weight ? design->weight[i] : 1.0;

		priors[(int) design->target[i]] += w;
		total += w;
	}
	for (int k = 0; k < design->classes; k++)
		priors[k] /= total;
	ml_write_f64s(payload, "value", priors, (size_t) design->classes);
}

typedef struct LoadedBaseline
{
	int			outputs;
	const double *value;
} LoadedBaseline;

static void *
baseline_load(MlContext *ctx, const MlNode *payload, const MlShape *shape)
{
	LoadedBaseline *m = ml_alloc(ctx, sizeof *m);

	m->outputs = shape->classes > 0 ? shape->classes : 1;
	m->value = ml_need_f64s(ctx, payload, "value", m->outputs);
	for (int k = 0; k < m->outputs; k++)
		if (!isfinite(m->value[k]) || (shape->classes > 0 && (m->value[k] < 0 || m->value[k] > 1)))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: a baseline value is out of range");
	return m;
}

static void
baseline_score(const void *loaded, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	const LoadedBaseline *m = loaded;

	(void) x;
	(void) ldx;
	for (int k = 0; k < m->outputs; k++)
		for (size_t i = 0; i < n; i++)
			out[(size_t) k * ldout + i] = m->value[k];
}

const MlAlgorithm ml_baseline = {
	.id = 1,
	.name = "baseline",
	.help = "The mean of the target, or the classes' shares: the yardstick of every other model.",
	.tasks = ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION,
	.params = baseline_params,
	.params_size = 1,
	.fit = baseline_fit,
	.load = baseline_load,
	.score = baseline_score,
	.no_features = true,
};
