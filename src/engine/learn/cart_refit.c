/*
 * Learning on from trees whose mean is the prediction: the values of their nodes learned anew from other rows.
 *
 * A node's value becomes decay_rate times the old one plus 1 - decay_rate times the mean, or the shares of the
 * classes, of the rows that come there; all rows go down all trees, without bootstrap.
 */
#include "learn/cart.h"
#include "learn/forest_edit.h"

/* Raises where the mean of a node is not what its criterion means. */
static void
check_target(MlContext *ctx, const MlDesign *design, const CartParams *params)
{
	if (params->criterion == CART_ABSOLUTE)
		ml_raise_full(ctx, ML_ERROR_UNSUPPORTED, "trees of criterion \"absolute_error\" cannot be refitted",
					  "Their values are medians.", "Train a new version with ml_train.");
	for (size_t i = 0; i < design->rows && params->criterion == CART_POISSON; i++)
		if (design->target[i] < 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "criterion \"poisson\" needs a target of zero or above",
						  ml_format(ctx, "There is the value %g.", design->target[i]), NULL);
}

void
cart_refit(MlContext *ctx, const MlDesign *design, const void *params, const void *loaded, double decay_rate,
		   MlWriter *payload)
{
	const CartParams *p = params;
	const MlForest *f = cart_ensemble(loaded)->forest;
	size_t		width = (size_t) f->width;
	double	   *values = ml_alloc_array(ctx, f->nodes * width + 1, sizeof(double));
	MlForestMeans means = {.forest = f,.design = design};
	MlForestBuilder builder;
	int64_t		rows = 0;

	check_target(ctx, design, p);
	if (design->task != ML_TASK_REGRESSION)
		means.class_weights = ml_class_weights(ctx, p->class_weight, design);
	ml_forest_means(ctx, &means);
	if (!(means.weight[0] > 0))
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weights of the training rows are zero");
	for (size_t i = 0; i < f->nodes; i++)
		for (size_t v = i * width; v < (i + 1) * width; v++)
			values[v] = means.weight[i] > 0 ?
				decay_rate * f->value[v] + (1 - decay_rate) * (means.sum[v] / means.weight[i]) : f->value[v];
	for (size_t i = 0; i < design->rows; i++)
		rows += design->weight == NULL || design->weight[i] > 0;
	ml_forest_start(&builder, ctx, f->width);
	ml_forest_copy(&builder, f, f->trees, NULL, values);
	ml_forest_write(&builder, payload);
	ml_write_object(payload, "statistics");
	ml_write_int(payload, "n_rows", rows);
	ml_write_int(payload, "n_trees", (int64_t) builder.trees);
	ml_write_int(payload, "n_leaves", (int64_t) builder.leaves);
	ml_write_end(payload);
}
