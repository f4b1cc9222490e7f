/*
 * ml_compare: models beside each other on the same rows, and whether their differences are more than chance.
 *
 * The first model is the one that the others are compared with.  accuracy: McNemar's exact test; roc_auc of two
 * classes: DeLong's test; all other metrics: the paired bootstrap, in which both models are scored on the same draws.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/distributions.h"
#include "model/target.h"
#include "pg/cache.h"
#include "pg/evaluate.h"
#include "pg/host.h"
#include "pg/registry.h"
#include "pg/scored.h"
#include "score/compare.h"

PG_FUNCTION_INFO_V1(ml_compare);

#define MAX_MODELS 100

/* What one model differs by from the first in one metric. */
typedef struct Difference
{
	double		low;
	double		high;
	double		p_value;
	const char *test;			/* NULL = there is none */
} Difference;

typedef struct Comparison
{
	ReturnSetInfo *set;
	int			nmodels;
	const char **names;
	Scored	   *scored;
	BootstrapOptions options;
	int			nmetrics;
	MlMetric  (*metrics)[ML_MAX_METRICS];	/* [nmodels] */
	Difference (*differences)[ML_MAX_METRICS];	/* [nmodels] */
} Comparison;

/* The class that a model predicts for a row. */
static int
predicted_class(const ScoredModel *model, size_t row)
{
	double		p[ML_MAX_CLASSES];

	for (size_t k = 0; k < model->scorer.outputs; k++)
		p[k] = model->outputs[k][row];
	return ml_model_class(model->scorer.model, p, 1);
}

/* McNemar's test of two classifiers. */
static void
test_accuracy(const Comparison *c, int other, Difference *difference)
{
	const ScoredModel *a = &c->scored->models[0];
	const ScoredModel *b = &c->scored->models[other];
	size_t		only_a = 0;
	size_t		only_b = 0;

	for (size_t i = 0; i < c->scored->rows; i++)
	{
		bool		a_right = predicted_class(a, i) == (int) a->actual[i];
		bool		b_right = predicted_class(b, i) == (int) b->actual[i];

		only_a += a_right && !b_right;
		only_b += b_right && !a_right;
	}
	difference->p_value = ml_mcnemar_p(only_a, only_b);
	difference->test = "mcnemar";
}

/* DeLong's test of two classifiers of two classes. */
static void
test_roc_auc(const Comparison *c, int other, Difference *difference)
{
	const ScoredModel *a = &c->scored->models[0];
	const ScoredModel *b = &c->scored->models[other];
	MlDelong	delong;
	double		reach;

	if (!ml_delong(c->scored->ctx, a->actual, a->outputs[1], b->outputs[1], c->scored->rows, &delong))
		return;
	reach = ml_normal_quantile((1 + c->options.confidence) / 2) * delong.std_error;
	difference->low = delong.auc[1] - delong.auc[0] - reach;
	difference->high = delong.auc[1] - delong.auc[0] + reach;
	difference->p_value = delong.p_value;
	difference->test = "delong";
}

/* The share of draws on which a difference is on either side of zero, twice the smaller one. */
static double
bootstrap_p(const double *drawn, int n)
{
	int			below = 0;
	int			above = 0;
	int			defined = 0;

	for (int b = 0; b < n; b++)
	{
		below += drawn[b] <= 0;
		above += drawn[b] >= 0;
		defined += !isnan(drawn[b]);
	}
	return defined == 0 ? NAN : fmin(1, 2.0 * (Min(below, above) + 1) / (defined + 1));
}

/* Score all models on the same draws; drawn[(model * ML_MAX_METRICS + metric) * resamples + draw]. */
static void
draw_all(const Comparison *c, double *drawn)
{
	size_t		n = c->scored->rows;
	double	   *weights = ml_alloc_array(c->scored->ctx, n + 1, sizeof(double));
	uint32	   *order = scored_order(c->scored, NULL, n);
	MlRandom	random;

	ml_random_seed(&random, c->options.seed);
	for (int b = 0; b < c->options.resamples; b++)
	{
		bootstrap_draw(&random, n, weights);
		for (int m = 0; m < c->nmodels; m++)
		{
			MlMetric	metrics[ML_MAX_METRICS];
			int			count = scored_metrics(c->scored, m, order, n, weights, metrics);

			for (int i = 0; i < count; i++)
				drawn[((size_t) m * ML_MAX_METRICS + (size_t) i) * (size_t) c->options.resamples + (size_t) b] =
					metrics[i].value;
		}
		ml_check(c->scored->ctx);
	}
	ml_free(c->scored->ctx, order);
	ml_free(c->scored->ctx, weights);
}

/* The paired bootstrap of every metric; intervals of differences that no other test gives. */
static void
test_by_bootstrap(Comparison *c)
{
	size_t		resamples = (size_t) c->options.resamples;
	double	   *drawn = ml_alloc_array(c->scored->ctx, (size_t) c->nmodels * ML_MAX_METRICS * resamples,
									   sizeof(double));

	draw_all(c, drawn);
	for (int m = 1; m < c->nmodels; m++)
		for (int i = 0; i < c->nmetrics; i++)
		{
			double	   *own = drawn + ((size_t) m * ML_MAX_METRICS + (size_t) i) * resamples;
			const double *first = drawn + (size_t) i * resamples;
			Difference *difference = &c->differences[m][i];

			if (difference->test != NULL && !isnan(difference->low))
				continue;
			for (size_t b = 0; b < resamples; b++)
				own[b] -= first[b];
			if (difference->test == NULL)
			{
				difference->p_value = bootstrap_p(own, c->options.resamples);
				difference->test = isnan(difference->p_value) ? NULL : "bootstrap";
			}
			bootstrap_interval(own, &c->options, &difference->low, &difference->high);
		}
	ml_free(c->scored->ctx, drawn);
}

/* Compute all metrics and all differences. */
static void
compare(Comparison *c)
{
	const MlSignature *signature = c->scored->models[0].scorer.model->signature;

	for (int m = 0; m < c->nmodels; m++)
	{
		c->nmetrics = scored_metrics(c->scored, m, NULL, c->scored->rows, NULL, c->metrics[m]);
		for (int i = 0; i < c->nmetrics; i++)
		{
			Difference *difference = &c->differences[m][i];

			*difference = (Difference) {NAN, NAN, NAN, NULL};
			if (m > 0 && strcmp(c->metrics[m][i].name, "accuracy") == 0)
				test_accuracy(c, m, difference);
			else if (m > 0 && signature->nclasses == 2 && strcmp(c->metrics[m][i].name, "roc_auc") == 0)
				test_roc_auc(c, m, difference);
		}
	}
	/* rows of a ranking are not drawn one by one */
	if (c->nmodels > 1 && signature->task != ML_TASK_RANKING)
		test_by_bootstrap(c);
}

/* A number of the result, NULL where it is not defined. */
static void
put_number(Datum *values, bool *nulls, int column, double number)
{
	values[column] = Float8GetDatum(number);
	nulls[column] = isnan(number);
}

/* The rows of one model. */
static void
emit_model(const Comparison *c, int m)
{
	for (int i = 0; i < c->nmetrics; i++)
	{
		const Difference *difference = &c->differences[m][i];
		Datum		values[8] = {0};
		bool		nulls[8] = {0};

		values[0] = CStringGetTextDatum(c->names[m]);
		values[1] = CStringGetTextDatum(c->metrics[m][i].name);
		put_number(values, nulls, 2, c->metrics[m][i].value);
		put_number(values, nulls, 3, m > 0 ? c->metrics[m][i].value - c->metrics[0][i].value : NAN);
		put_number(values, nulls, 4, difference->low);
		put_number(values, nulls, 5, difference->high);
		put_number(values, nulls, 6, difference->p_value);
		nulls[7] = difference->test == NULL;
		values[7] = nulls[7] ? (Datum) 0 : CStringGetTextDatum(difference->test);
		tuplestore_putvalues(c->set->setResult, c->set->setDesc, values, nulls);
	}
}

/* The names of the models. */
static void
read_names(Comparison *c, ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &c->nmodels);
	if (c->nmodels < 1 || c->nmodels > MAX_MODELS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("models must name from 1 to %d models", MAX_MODELS)));
	c->names = palloc(sizeof(char *) * (Size) c->nmodels);
	for (int m = 0; m < c->nmodels; m++)
	{
		if (nulls[m])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("models must not contain NULL")));
		c->names[m] = TextDatumGetCString(elements[m]);
	}
}

/* ml_compare(models, source, confidence, resamples, seed). */
Datum
ml_compare(PG_FUNCTION_ARGS)
{
	Comparison	c = {.set = (ReturnSetInfo *) fcinfo->resultinfo};
	MlContext  *ctx;
	const MlModel **models;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	read_names(&c, PG_GETARG_ARRAYTYPE_P(0));
	if (!bootstrap_options(fcinfo, 2, &c.options))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("confidence must not be NULL")));
	models = palloc(sizeof(MlModel *) * (Size) c.nmodels);
	for (int m = 0; m < c.nmodels; m++)
	{
		RegistryVersion version;

		registry_resolve(c.names[m], REGISTRY_PREDICT, &version);
		models[m] = cache_model(&version, CurrentMemoryContext);
	}
	ctx = host_context_create(CurrentMemoryContext, "ml_compare", true);
	c.scored = scored_read(ctx, models, c.nmodels, source_open(text_to_cstring(PG_GETARG_TEXT_PP(1))), NULL);
	c.metrics = palloc(sizeof(*c.metrics) * (Size) c.nmodels);
	c.differences = palloc(sizeof(*c.differences) * (Size) c.nmodels);
	compare(&c);
	for (int m = 0; m < c.nmodels; m++)
		emit_model(&c, m);
	host_context_delete(ctx);
	return (Datum) 0;
}
