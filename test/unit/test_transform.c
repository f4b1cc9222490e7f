/*
 * Learners that take a fitted preparation as it is, and forward fills in whole trainings.
 */
#include "unit.h"

#include "base/document_internal.h"
#include "learn/composites.h"
#include "learn/learners.h"
#include "sample.h"

#define STEPS "{\"number\": {\"impute\": \"median\", \"scale\": \"minmax\"}, \"columns\": {\"c\": {\"encode\": \"frequency\"}, \"n\": {\"bin\": 4}}, \"interactions\": [[\"n\", \"i\"]]}"

static Sample
sample(MlTaskKind task, size_t first, size_t rows)
{
	return (Sample) {.features = "nmicdv",.rows = rows,.first = first,.task = task};
}

/* The preparation of some rows alone. */
static MlModel *
fit_transform(MlContext *ctx, const char *preprocess)
{
	Sample		s = sample(ML_TASK_REGRESSION, 0, 300);
	MlTrainSpec spec = sample_spec(ctx, &s, &ml_linear_regression);
	MlTrainResult result;

	spec.preprocess = preprocess;
	ml_pipeline_fit_transform(ctx, sample_table(ctx, &s), &spec, &result);
	return ml_model_open(ctx, result.bytes, result.size);
}

/* A model of other rows on that preparation. */
static MlModel *
train_on(MlContext *ctx, const MlAlgorithm *algorithm, MlTaskKind task, const MlModel *transform)
{
	Sample		s = sample(task, 200, 400);
	MlTrainSpec spec = sample_spec(ctx, &s, algorithm);
	MlTrainResult result;

	spec.preprocess = "{\"transform\": \"prep\"}";
	spec.transform = transform;
	spec.transform_name = "prep@1";
	ml_pipeline_train(ctx, sample_table(ctx, &s), &spec, &result);
	return ml_model_open(ctx, result.bytes, result.size);
}

static bool
same_section(const MlModel *a, const MlModel *b, MlSection section)
{
	size_t		size = ml_node_size(a->sections[section]);

	return size == ml_node_size(b->sections[section]) && memcmp(a->sections[section], b->sections[section], size) == 0;
}

/* Every learner has the very preparation, scores finite numbers and says where it came from. */
static void
test_taken(MlContext *ctx)
{
	static const char *const preparations[] = {"{}", STEPS};
	int			learners = 0;

	for (int p = 0; p < 2; p++)
	{
		const MlModel *transform = fit_transform(ctx, preparations[p]);
		double	   *raw = ml_alloc_array(ctx, (size_t) transform->signature->slots, sizeof(double));
		double	   *x = ml_alloc_array(ctx, (size_t) ml_prep_columns(transform->prep), sizeof(double));

		for (int i = 0; i < transform->signature->slots; i++)
			raw[i] = i == 2 ? 1 : NAN;
		for (const MlAlgorithm *const *a = ml_algorithm_table; *a != NULL; a++)
			for (MlTaskKind task = ML_TASK_REGRESSION; task <= ML_TASK_MULTICLASS; task = (MlTaskKind) (task * 2))
			{
				const MlModel *model;
				double		out[8];

				if (!((*a)->tasks & task) || (*a)->fit == NULL)
					continue;
				model = train_on(ctx, *a, task, transform);
				CHECK(same_section(model, transform, ML_SECTION_PREPARATION));
				CHECK(strcmp(ml_need_string(ctx, model->sections[ML_SECTION_SUMMARY], "transform"), "prep@1") == 0);
				CHECK(model->signature->nfeatures == transform->signature->nfeatures && model->signature->task == task);
				ml_prep_apply(model->prep, raw, 1, 1, x, 1);
				model->algorithm->score(model->loaded, x, 1, 1, out, 1);
				CHECK(isfinite(out[0]));
				learners++;
			}
	}
	CHECK(learners >= 20);
}

/* What does not fit the transform, and a transform that nobody brought. */
static void
test_unfit(MlContext *ctx)
{
	const MlModel *transform = fit_transform(ctx, "{}");
	Sample		s = {.features = "cnmidv",.rows = 100,.task = ML_TASK_REGRESSION};
	MlTrainSpec spec = sample_spec(ctx, &s, &ml_linear_regression);
	MlTrainResult result;

	spec.preprocess = "{\"transform\": \"prep\"}";
	spec.transform = transform;
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, ml_pipeline_train(ctx, sample_table(ctx, &s), &spec, &result));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, train_on(ctx, &ml_linear_regression, ML_TASK_REGRESSION, NULL));
	s = sample(ML_TASK_REGRESSION, 0, 300);
	spec = sample_spec(ctx, &s, &ml_linear_regression);
	spec.preprocess = "{\"columns\": {\"n\": {\"impute\": \"error\"}, \"i\": {\"impute\": \"error\"}}}";
	ml_pipeline_fit_transform(ctx, sample_table(ctx, &s), &spec, &result);
	train_on(ctx, &ml_linear_regression, ML_TASK_REGRESSION, ml_model_open(ctx, result.bytes, result.size));
}

/* Two models make the same of rows: sums of theirs may be rounded otherwise. */
static void
check_prepared(MlContext *ctx, const MlModel *a, const MlModel *b, const Sample *s)
{
	const MlModel *models[] = {a, b};
	double	   *raw = ml_alloc_array(ctx, (size_t) a->signature->slots * 200, sizeof(double));
	size_t		n = (size_t) ml_prep_columns(a->prep) * 200;
	double	   *x[2];

	CHECK(ml_prep_columns(a->prep) == ml_prep_columns(b->prep));
	for (int way = 0; way < 2; way++)
	{
		x[way] = ml_alloc_array(ctx, n, sizeof(double));
		sample_raw(models[way], s, 0, 200, raw, 200);
		ml_prep_apply(models[way]->prep, raw, 200, 200, x[way], 200);
	}
	for (size_t i = 0; i < n; i++)
		CHECK(isnan(x[0][i]) ? isnan(x[1][i]) : fabs(x[0][i] - x[1][i]) <= 1e-12);
}

/* A forward fill does not depend on the order in which rows are read, and rows held out are filled as others are. */
static void
test_forward(MlContext *ctx)
{
	static const char preprocess[] = "{\"drop\": [\"d\"], \"columns\": {\"m\": {\"impute\": \"forward_fill\", \"order_by\": \"i\", \"group_by\": \"d\"}, "
		"\"c\": {\"impute\": \"forward_fill\", \"order_by\": \"n\"}}}";
	static const MlAlgorithm *const algorithms[] = {&ml_linear_regression, &ml_gradient_boosting, &ml_random_forest};

	for (size_t a = 0; a < 3; a++)
	{
		Sample		s = sample(ML_TASK_REGRESSION, 0, 400);
		MlTrainSpec spec = sample_spec(ctx, &s, algorithms[a]);
		MlTrainResult results[2];
		const MlModel *models[2];

		spec.preprocess = preprocess;
		spec.split = (MlSplit) {.kind = ML_SPLIT_RANDOM,.test_size = 0.25,.seed = 7};
		for (int way = 0; way < 2; way++)
		{
			s.backwards = way == 1;
			ml_pipeline_train(ctx, sample_table(ctx, &s), &spec, &results[way]);
			models[way] = ml_model_open(ctx, results[way].bytes, results[way].size);
			CHECK(ml_prep_fills_forward(models[way]->prep) && results[way].n_test == 100);
		}
		check_prepared(ctx, models[0], models[1], &s);
		CHECK_NEAR(results[0].metrics[0].value, results[1].metrics[0].value, 1e-9);
	}
}

UNIT_MAIN(test_taken, test_unfit, test_forward)
