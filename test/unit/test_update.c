/*
 * Linear regression learned on: the factor that is kept, against one training on all rows, and states that are wrong.
 */
#include "unit.h"

#include "base/document_internal.h"
#include "learn/learners.h"
#include "model/retrain.h"
#include "sample.h"

/* Rows begin .. begin + n - 1, numbers without NULL: prepared alike whatever the rows. */
static MlModel *
train(MlContext *ctx, size_t begin, size_t n, SampleWeights weights, const char *params, const MlModel *from)
{
	Sample		s = {.features = "nib",.rows = n,.first = begin,.task = ML_TASK_REGRESSION,.weights = weights};
	MlTrainSpec spec = sample_spec(ctx, &s, &ml_linear_regression);
	MlRetrain	retrain = {.kind = ML_RETRAIN_CONTINUE,.from = from,.lineage = {.operation = "update"}};
	MlTrainResult result;

	spec.params = params;
	if (from != NULL)
	{
		ml_retrain_check(ctx, &retrain);
		spec.retrain = &retrain;
	}
	ml_pipeline_train(ctx, sample_table(ctx, &s), &spec, &result);
	return ml_model_open(ctx, result.bytes, result.size);
}

/* Coefficients and standard errors agree to 1e-10. */
static void
check_equal(MlContext *ctx, const MlModel *a, const MlModel *b)
{
	MlCoefficient *x;
	MlCoefficient *y;
	size_t		n = a->algorithm->coefficients(ctx, a->loaded, &a->shape, &x);

	CHECK(n == b->algorithm->coefficients(ctx, b->loaded, &b->shape, &y) && n == 4);
	for (size_t i = 0; i < n; i++)
	{
		CHECK(fabs(x[i].estimate - y[i].estimate) <= 1e-10 * fabs(y[i].estimate));
		CHECK(fabs(x[i].std_error - y[i].std_error) <= 1e-10 * y[i].std_error);
		CHECK(fabs(x[i].p_value - y[i].p_value) <= 1e-9);
	}
}

/* Parts of any size, in extended and in double precision, with weights. */
static void
test_merged(MlContext *ctx)
{
	static const size_t sizes[][3] = {{50, 60, 1}, {300, 7, 400}, {60000, 100, 70000}, {10, 90000, 3}};

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (SampleWeights weights = WEIGHTS_NONE; weights <= WEIGHTS_VARIED; weights = (SampleWeights) (weights + WEIGHTS_VARIED))
		{
			size_t		at = 0;
			MlModel    *model = NULL;

			for (int part = 0; part < 3; part++)
			{
				model = train(ctx, at, sizes[i][part], weights, NULL, model);
				at += sizes[i][part];
			}
			check_equal(ctx, model, train(ctx, 0, at, weights, NULL, NULL));
		}
	/* another intercept, for all rows */
	check_equal(ctx, train(ctx, 200, 100, WEIGHTS_NONE, "{\"fit_intercept\": true}", train(ctx, 0, 200, WEIGHTS_NONE, "{\"fit_intercept\": false}", NULL)),
				train(ctx, 0, 300, WEIGHTS_NONE, NULL, NULL));
}

/* The payload with another state. */
static void
open_with(MlContext *ctx, const MlModel *model, double rows, double entry, size_t count)
{
	const MlNode *payload = model->sections[ML_SECTION_PAYLOAD];
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	double	   *factor = ml_alloc_array_zero(ctx, count, sizeof(double));
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	void	   *bytes;

	factor[count - 1] = entry;
	for (size_t i = 0; i < ml_node_count(payload); i++)
		if (strcmp(ml_node_key(payload, i), "state") != 0)
			ml_write_node(w, ml_node_key(payload, i), ml_node_at(payload, i));
	ml_write_object(w, "state");
	ml_write_double(w, "rows", rows);
	ml_write_double(w, "log_weights", 0);
	ml_write_f64s(w, "factor", factor, count);
	ml_write_end(w);
	for (int s = 1; s <= ML_SECTION_LAST; s++)
		sections[s] = (MlSectionBytes) {model->sections[s], ml_node_size(model->sections[s])};
	sections[ML_SECTION_PAYLOAD].bytes = ml_writer_finish(w, &sections[ML_SECTION_PAYLOAD].size);
	bytes = ml_container_build(ctx, model->algorithm->id, sections, &size);
	ml_model_open(ctx, bytes, size);
}

static void
test_wrong_state(MlContext *ctx)
{
	MlModel    *model = train(ctx, 0, 50, WEIGHTS_NONE, NULL, NULL);

	open_with(ctx, model, 50, 1, 15);
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, 50, 1, 14));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, 50, 1, 25));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, 50, NAN, 15));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, -1, 1, 15));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, open_with(ctx, model, INFINITY, 1, 15));
}

UNIT_MAIN(test_merged, test_wrong_state)
