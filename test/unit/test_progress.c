/*
 * What learners tell of their progress: phases in order, iterations that go up to their total, losses that are
 * numbers; and that nothing of it changes what they learn.
 */
#include "unit.h"

#include "learn/learner.h"
#include "sample.h"

/* What was told. */
typedef struct Told
{
	int			reports;
	int			phase;			/* the last one */
	int			wrong;			/* reports that are not as they should be */
	uint64_t	iteration;		/* the last one of the phase */
	uint64_t	total;
	bool		has_loss;
	double		first_loss;
	double		last_loss;
	bool		seen[3];
} Told;

static const char *const phases[] = {"preparing", "fitting", "scoring"};

static Told told;

static void
take(MlContext *ctx, const MlProgress *progress)
{
	int			phase = 0;

	(void) ctx;
	while (phase < 3 && strcmp(phases[phase], progress->phase) != 0)
		phase++;
	told.reports++;
	if (phase == 3 || phase < told.phase || (phase == told.phase && progress->iteration < told.iteration) ||
		(progress->total > 0 && progress->iteration > progress->total) ||
		!(isnan(progress->fraction) || (progress->fraction >= 0 && progress->fraction <= 1)) || isinf(progress->loss))
	{
		told.wrong++;
		return;
	}
	told.seen[phase] = true;
	told.phase = phase;
	told.iteration = progress->iteration;
	if (phase == 1)
		told.total = progress->total;
	if (!isnan(progress->loss))
	{
		if (!told.has_loss)
			told.first_loss = progress->loss;
		told.has_loss = true;
		told.last_loss = progress->loss;
	}
}

static bool
always(MlContext *ctx)
{
	(void) ctx;
	return true;
}

static bool
never(MlContext *ctx)
{
	(void) ctx;
	return false;
}

/* Train with somebody who listens. */
static MlTrainResult *
train(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm, const char *params, bool (*due) (MlContext *ctx))
{
	MlTrainResult *result;

	memset(&told, 0, sizeof told);
	ctx->progress = take;
	ctx->progress_due = due;
	result = sample_train(ctx, s, algorithm, params, NULL);
	ctx->progress = NULL;
	ctx->progress_due = NULL;
	return result;
}

/* A task that the learner has. */
static MlTaskKind
task_of(const MlAlgorithm *algorithm)
{
	for (MlTaskKind task = ML_TASK_REGRESSION; task < ML_TASK_ANOMALY; task <<= 1)
		if (algorithm->tasks & task && task != ML_TASK_RANKING)
			return task;
	return ML_TASK_ANOMALY;
}

static void
test_all(MlContext *ctx)
{
	for (size_t a = 0; a < ml_algorithm_count(); a++)
	{
		const MlAlgorithm *algorithm = ml_algorithm_table[a];
		Sample		s = {.features = "nid",.rows = 400,.task = task_of(algorithm)};
		MlTrainResult *quiet;
		MlTrainResult *loud;

		if (algorithm->composite || algorithm->transforms)
			continue;
		quiet = sample_train(ctx, &s, algorithm, NULL, NULL);
		loud = train(ctx, &s, algorithm, NULL, always);
		CHECK(told.wrong == 0);
		CHECK(told.seen[0] && told.seen[1]);
		CHECK(told.seen[2] == (algorithm->tasks != ML_TASK_ANOMALY));
		CHECK(loud->size == quiet->size && memcmp(loud->bytes, quiet->bytes, quiet->size) == 0);
	}
}

/* Many trees are counted, and the loss of boosting falls. */
static void
test_boosting(MlContext *ctx)
{
	Sample		s = {.features = "nid",.rows = 400,.task = ML_TASK_BINARY};
	const MlAlgorithm *boosting = ml_algorithm_by_name(ctx, "gradient_boosting");

	train(ctx, &s, boosting, "{\"n_estimators\": 30}", always);
	CHECK(told.total == 30);
	CHECK(told.has_loss && told.last_loss < told.first_loss);
	/* it is looked for only when somebody would see it */
	train(ctx, &s, boosting, "{\"n_estimators\": 30}", never);
	CHECK(!told.has_loss);
	train(ctx, &s, ml_algorithm_by_name(ctx, "random_forest"), "{\"n_estimators\": 30}", always);
	CHECK(told.total == 30);
	train(ctx, &s, ml_algorithm_by_name(ctx, "logistic_regression"), "{\"max_iter\": 50}", always);
	CHECK(told.total == 50 && told.has_loss && told.last_loss < told.first_loss);
}

UNIT_MAIN(test_all, test_boosting)
