/*
 * Two versions of a model on the same rows.
 *
 * One scan feeds both models, so they see the same rows whatever the source does.  The rows are those of a
 * source that the caller names, read with his rights; or those that the new version's training held out, found
 * again by the training's own source, columns and split (heldout.c), and only while the source still has the
 * very rows of the training, which the digest stored with the version tells.
 *
 * The version to beat may have learned from some of these rows, when it was trained with another split.  That
 * favours it, never the new one.
 */
#include "postgres.h"

#include "pg/deploy.h"

#include "pg/cache.h"
#include "pg/heldout.h"
#include "pg/host.h"
#include "pg/scored.h"

/* The metric that decides which of two models of a task is the better one; NULL where there is none. */
static const char *
main_metric(MlTaskKind task)
{
	switch (task)
	{
		case ML_TASK_REGRESSION:
			return "rmse";
		case ML_TASK_BINARY:
			return "roc_auc";
		case ML_TASK_MULTICLASS:
			return "log_loss";
		case ML_TASK_RANKING:
			return "ndcg";
		case ML_TASK_ANOMALY:
			return NULL;
	}
	elog(ERROR, "unknown task %d", (int) task);
}

/* Why two models cannot be told apart by a metric, as a sentence; NULL when they can. */
static char *
find_obstacle(const MlModel *model, const MlModel *other)
{
	if (model->algorithm->transforms || other->algorithm->transforms)
		return "A transform predicts nothing.";
	if (model->signature->task != other->signature->task)
		return "They have different tasks.";
	if (main_metric(model->signature->task) == NULL)
		return "They were trained without a target.";
	if (strcmp(model->signature->target, other->signature->target) != 0)
		return psprintf("They predict different columns, \"%s\" and \"%s\".", model->signature->target,
						other->signature->target);
	if (!ml_signature_same_classes(model->signature, other->signature))
		return model->signature->nclasses == 2 && strcmp(model->signature->class_labels[0],
														 other->signature->class_labels[1]) == 0 ?
			psprintf("Their positive classes are \"%s\" and \"%s\".", model->signature->class_labels[1],
					 other->signature->class_labels[1]) : "They know different classes.";
	return NULL;
}

/* The metric of that name, which must be there. */
static const MlMetric *
need_metric(MlContext *ctx, const MlMetric *metrics, int count, const char *name)
{
	const char *names[ML_MAX_METRICS];

	for (int i = 0; i < count; i++)
	{
		if (strcmp(metrics[i].name, name) == 0)
			return &metrics[i];
		names[i] = metrics[i].name;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("models of this kind have no metric \"%s\"", name),
			 errhint("%s", ml_candidates_hint(ctx, "metric", name, names, (size_t) count))));
}

/* The metrics of both models on a source. */
static int
measure_holdout(MlContext *ctx, const MlModel *const models[2], const char *holdout,
				MlMetric metrics[2][ML_MAX_METRICS])
{
	Scored	   *scored = scored_read(ctx, models, 2, source_open(holdout), NULL);
	int			count = 0;

	for (int i = 0; i < 2; i++)
		count = scored_metrics(scored, i, NULL, scored->rows, NULL, metrics[i]);
	return count;
}

/* Compare two versions on the same rows. */
char *
compare_versions(const RegistryVersion *version, const RegistryVersion *previous, const char *holdout,
				 const char *metric, double margin, Comparison *comparison)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas comparison", true);
	const MlModel *models[2] = {cache_model(version, CurrentMemoryContext),
								cache_model(previous, CurrentMemoryContext)};
	MlMetric	metrics[2][ML_MAX_METRICS];
	const MlMetric *found;
	int			count = 0;
	char	   *obstacle = find_obstacle(models[0], models[1]);

	comparison->alike = obstacle == NULL;
	if (obstacle != NULL)
		return obstacle;
	if (holdout != NULL)
		count = measure_holdout(ctx, models, holdout, metrics);
	else
		obstacle = heldout_measure(ctx, version, models, metrics, &count);
	if (obstacle != NULL)
		return obstacle;

	comparison->metric = metric != NULL ? metric : main_metric(models[0]->signature->task);
	found = need_metric(ctx, metrics[0], count, comparison->metric);
	comparison->value = found->value;
	comparison->previous_value = need_metric(ctx, metrics[1], count, comparison->metric)->value;
	/* NaN on either side compares false: the old version stays */
	comparison->better = found->greater_is_better ? comparison->value > comparison->previous_value + margin :
		comparison->value < comparison->previous_value - margin;
	return NULL;
}
