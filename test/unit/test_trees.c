/*
 * Editing trees: truncating, cost-complexity pruning against the optimum found by trying all choices, its path,
 * learning on from trees, and what an edited model says of itself.
 */
#include "unit.h"

#include "base/document_internal.h"
#include "edit/trees.h"
#include "learn/learners.h"
#include "sample.h"

/* ---------------------------------------------------------------- helpers */

static const Sample numbers = {.features = "nmcd",.rows = 600,.task = ML_TASK_REGRESSION};
static const Sample classes = {.features = "nmcd",.rows = 600,.task = ML_TASK_MULTICLASS};

static MlModel *
train(MlContext *ctx, const Sample *sample, const char *params)
{
	MlTrainResult *result = sample_train(ctx, sample, &ml_gradient_boosting, params, NULL);

	return ml_model_open(ctx, result->bytes, result->size);
}

static const MlForest *
forest_of(MlContext *ctx, const MlModel *model)
{
	return ml_trees_of(ctx, model)->forest;
}

static MlModel *
open_edited(MlContext *ctx, const MlEdited *edited)
{
	return ml_model_open(ctx, edited->bytes, edited->size);
}

/* The model with gains of its splits made up: shares of 1, some of them nothing. */
static MlModel *
with_gains(MlContext *ctx, const MlModel *model, uint64_t seed)
{
	const MlNode *payload = ml_container_section(model->bytes, ML_SECTION_PAYLOAD);
	const MlForest *f = forest_of(ctx, model);
	float	   *gain = ml_alloc_array(ctx, f->nodes, sizeof(float));
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;
	void	   *bytes;

	for (size_t i = 0; i < f->nodes; i++)
		gain[i] = f->feature[i] < 0 || ml_mix64(seed + i) % 7 == 0 ? 0 : (float) (ml_mix64(seed * 31 + i) >> 40) * 0x1p-24f;
	for (size_t i = 0; i < ml_node_count(payload); i++)
		if (strcmp(ml_node_key(payload, i), "gain") == 0)
			ml_write_f32s(w, "gain", gain, f->nodes);
		else
			ml_write_node(w, ml_node_key(payload, i), ml_node_at(payload, i));
	for (int s = ML_SECTION_SIGNATURE; s <= ML_SECTION_LAST; s++)
	{
		const MlNode *node = ml_container_section(model->bytes, (MlSection) s);

		sections[s] = (MlSectionBytes) {node, ml_node_size(node)};
	}
	sections[ML_SECTION_PAYLOAD].bytes = ml_writer_finish(w, &sections[ML_SECTION_PAYLOAD].size);
	bytes = ml_container_build(ctx, model->algorithm->id, sections, &size);
	return ml_model_open(ctx, bytes, size);
}

static MlEdited
prune(MlContext *ctx, const MlModel *model, double alpha)
{
	MlLineage	lineage = {.operation = "prune",.argument = "alpha",.value = alpha};
	MlEdited	edited;

	ml_trees_prune(ctx, model, alpha, &lineage, &edited);
	return edited;
}

static MlEdited
truncate_to(MlContext *ctx, const MlModel *model, int64_t rounds, const char *parent)
{
	MlLineage	lineage = {.operation = "truncate",.parent = parent,.argument = "n_trees",.value = (double) rounds,.integer = true};
	MlEdited	edited;

	ml_trees_truncate(ctx, model, rounds, &lineage, &edited);
	return edited;
}

/* ---------------------------------------------------------------- truncating */

/* The scores are those of the first trees, to the bit. */
static void
test_truncate(MlContext *ctx)
{
	MlModel    *model = train(ctx, &numbers, "{\"n_estimators\": 20, \"max_leaf_nodes\": 6, \"min_samples_leaf\": 5}");
	MlModel    *shorter = train(ctx, &numbers, "{\"n_estimators\": 7, \"max_leaf_nodes\": 6, \"min_samples_leaf\": 5}");
	MlEdited	edited = truncate_to(ctx, model, 7, NULL);
	MlModel    *truncated = open_edited(ctx, &edited);
	MlEdited	whole = truncate_to(ctx, model, 20, NULL);
	double	   *scores = sample_score(ctx, truncated, &numbers, 256);

	CHECK(edited.trees == 7 && forest_of(ctx, truncated)->trees == 7);
	CHECK(edited.leaves * 2 - 7 == forest_of(ctx, truncated)->nodes);
	CHECK(memcmp(scores, sample_score(ctx, shorter, &numbers, 256), numbers.rows * sizeof(double)) == 0);
	CHECK(memcmp(scores, sample_score(ctx, model, &numbers, 256), numbers.rows * sizeof(double)) != 0);
	CHECK(memcmp(sample_score(ctx, open_edited(ctx, &whole), &numbers, 256), sample_score(ctx, model, &numbers, 256),
				 numbers.rows * sizeof(double)) == 0);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, truncate_to(ctx, model, 0, NULL));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, truncate_to(ctx, model, -1, NULL));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, truncate_to(ctx, model, 21, NULL));
}

/* Of three classes a round has three trees. */
static void
test_truncate_rounds(MlContext *ctx)
{
	MlModel    *model = train(ctx, &classes, "{\"n_estimators\": 9, \"max_leaf_nodes\": 5}");
	MlModel    *shorter = train(ctx, &classes, "{\"n_estimators\": 4, \"max_leaf_nodes\": 5}");
	MlEdited	edited = truncate_to(ctx, model, 4, NULL);

	CHECK(edited.trees == 12);
	CHECK(memcmp(sample_score(ctx, open_edited(ctx, &edited), &classes, 100), sample_score(ctx, shorter, &classes, 100),
				 3 * classes.rows * sizeof(double)) == 0);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, truncate_to(ctx, model, 10, NULL));
}

/* An edited model tells what it came from, edit by edit, and has no metrics. */
static void
test_lineage(MlContext *ctx)
{
	MlModel    *model = train(ctx, &numbers, "{\"n_estimators\": 8}");
	MlEdited	once = truncate_to(ctx, model, 6, "price@3");
	MlModel    *first = open_edited(ctx, &once);
	MlEdited	twice = truncate_to(ctx, first, 5, NULL);
	MlModel    *second = open_edited(ctx, &twice);
	const MlNode *summary = ml_container_section(second->bytes, ML_SECTION_SUMMARY);
	const MlNode *edits = ml_need(ctx, summary, "edits", ML_NODE_LIST);
	const MlNode *statistics = ml_need(ctx, ml_container_section(second->bytes, ML_SECTION_PAYLOAD), "statistics", ML_NODE_OBJECT);

	CHECK(ml_node_count(edits) == 2);
	CHECK(strcmp(ml_need_string(ctx, ml_node_at(edits, 0), "parent"), "price@3") == 0);
	CHECK(strcmp(ml_need_string(ctx, ml_node_at(edits, 0), "operation"), "truncate") == 0);
	CHECK(ml_need_int(ctx, ml_node_at(edits, 0), "n_trees", 0, 100) == 6);
	CHECK(ml_node_find(ml_node_at(edits, 1), "parent") == NULL);
	CHECK(strcmp(ml_need_string(ctx, ml_node_at(edits, 1), "parent_checksum"),
				 ml_format(ctx, "%016llx", (unsigned long long) ml_container_checksum(first->bytes))) == 0);
	CHECK(ml_node_count(ml_need(ctx, summary, "metrics", ML_NODE_OBJECT)) == 0);
	CHECK(ml_need_int(ctx, summary, "n_train", 0, 1000) == 600);
	CHECK(ml_need_int(ctx, statistics, "n_trees", 0, 1000) == 5);
	CHECK(ml_need_int(ctx, statistics, "n_leaves", 0, 100000) == (int64_t) twice.leaves);
	/* parameters, signature and preparation stay */
	for (int s = ML_SECTION_SIGNATURE; s <= ML_SECTION_PARAMETERS; s++)
	{
		const MlNode *old = ml_container_section(model->bytes, (MlSection) s);
		const MlNode *new = ml_container_section(second->bytes, (MlSection) s);

		CHECK(ml_node_size(old) == ml_node_size(new) && memcmp(old, new, ml_node_size(old)) == 0);
	}
}

/* ---------------------------------------------------------------- pruning */

/*
 * The most that gains minus alpha a leaf can come to below a node, by trying both choices at each split; marks the
 * splits that are best made leaves, a draw included.
 */
static double
best_below(const MlForest *f, size_t node, double cover, double alpha, bool *leaf)
{
	double		split;

	leaf[node] = true;
	if (f->feature[node] < 0)
		return 0;
	split = f->gain[node] / cover - alpha + best_below(f, (size_t) f->left[node], cover, alpha, leaf)
		+ best_below(f, (size_t) f->left[node] + 1, cover, alpha, leaf);
	leaf[node] = split <= 1e-15;
	return leaf[node] ? 0 : split;
}

/* Are two trees the same where the first has no leaf marked? */
static bool
same_pruned(const MlForest *f, size_t node, const bool *leaf, const MlForest *g, size_t other)
{
	if (memcmp(&f->value[node], &g->value[other], sizeof(double)) != 0 || f->cover[node] != g->cover[other])
		return false;
	if (leaf[node] || g->feature[other] < 0)
		return leaf[node] && g->feature[other] < 0 && g->gain[other] == 0;
	if (f->feature[node] != g->feature[other] || ml_forest_missing_left(f, node) != ml_forest_missing_left(g, other)
		|| f->gain[node] != g->gain[other])
		return false;
	for (int level = -1; level < f->levels[f->feature[node]]; level++)
		if (ml_forest_goes_left(f, node, level) != ml_forest_goes_left(g, other, level))
			return false;
	if (f->levels[f->feature[node]] == 0 && f->threshold[node] != g->threshold[other])
		return false;
	return same_pruned(f, (size_t) f->left[node], leaf, g, (size_t) g->left[other])
		&& same_pruned(f, (size_t) f->left[node] + 1, leaf, g, (size_t) g->left[other] + 1);
}

/* Weakest links find the optimum, for alphas between those of the path and just on them. */
static void
test_prune_is_optimal(MlContext *ctx)
{
	MlModel    *trained = train(ctx, &numbers, "{\"n_estimators\": 5, \"max_leaf_nodes\": 12, \"min_samples_leaf\": 5}");

	for (uint64_t seed = 1; seed <= 20; seed++)
	{
		MlModel    *model = with_gains(ctx, trained, seed);
		const MlForest *f = forest_of(ctx, model);
		bool	   *leaf = ml_alloc_array(ctx, f->nodes, sizeof(bool));
		MlPruneStep *steps;
		size_t		count = ml_trees_prune_path(ctx, model, &steps);

		for (size_t i = 0; i < count; i++)
		{
			double		alpha = steps[i].alpha + (i + 1 < count ? 0.5 * (steps[i + 1].alpha - steps[i].alpha) : 1);
			MlEdited	edited = prune(ctx, model, alpha);
			const MlForest *g = forest_of(ctx, open_edited(ctx, &edited));

			CHECK(edited.leaves == steps[i].leaves && g->trees == f->trees);
			for (size_t t = 0; t < f->trees; t++)
			{
				size_t		root = (size_t) f->tree_begin[t];

				best_below(f, root, f->cover[root] > 0 ? f->cover[root] : 1, alpha, leaf);
				CHECK(same_pruned(f, root, leaf, g, (size_t) g->tree_begin[t]));
			}
			edited = prune(ctx, model, steps[i].alpha);
			CHECK(edited.leaves == steps[i].leaves);
		}
	}
}

/* The path ascends from nothing to trees of one leaf. */
static void
test_path(MlContext *ctx)
{
	MlModel    *model = with_gains(ctx, train(ctx, &classes, "{\"n_estimators\": 4, \"max_leaf_nodes\": 9}"), 77);
	const MlForest *f = forest_of(ctx, model);
	MlPruneStep *steps;
	size_t		count = ml_trees_prune_path(ctx, model, &steps);
	double		gain = 0;

	CHECK(count > 4 && steps[0].alpha == 0);
	for (size_t i = 0; i < f->nodes; i++)
		gain += f->gain[i];
	CHECK_NEAR(steps[0].gain, gain, 1e-9);
	for (size_t i = 1; i < count; i++)
		CHECK(steps[i].alpha > steps[i - 1].alpha && steps[i].leaves < steps[i - 1].leaves && steps[i].gain < steps[i - 1].gain);
	CHECK(steps[count - 1].leaves == f->trees);
	CHECK_NEAR(steps[count - 1].gain, 0, 1e-9);
}

/* With no alpha nothing that gains goes; with a large one each tree says what its root does. */
static void
test_prune_ends(MlContext *ctx)
{
	MlModel    *model = with_gains(ctx, train(ctx, &numbers, "{\"n_estimators\": 3, \"max_leaf_nodes\": 8}"), 5);
	const MlForest *f = forest_of(ctx, model);
	MlEdited	edited = prune(ctx, model, INFINITY);
	MlModel    *stumps = open_edited(ctx, &edited);
	double	   *scores = sample_score(ctx, stumps, &numbers, 1);
	double		expected = ml_trees_of(ctx, model)->base[0];

	for (size_t t = 0; t < f->trees; t++)
		expected += f->value[f->tree_begin[t]];
	CHECK(edited.leaves == 3 && forest_of(ctx, stumps)->nodes == 3 && forest_of(ctx, stumps)->words == 0);
	CHECK_NEAR(scores[0], expected, 1e-12);
	CHECK(scores[0] == scores[599]);
	/* once more changes nothing */
	CHECK(prune(ctx, stumps, INFINITY).leaves == 3);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, prune(ctx, model, -1e-9));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, prune(ctx, model, NAN));
}

/* ---------------------------------------------------------------- learning on */

static MlModel *
train_with(MlContext *ctx, const Sample *sample, const MlAlgorithm *algorithm, const char *params)
{
	MlTrainResult *result = sample_train(ctx, sample, algorithm, params, NULL);

	return ml_model_open(ctx, result->bytes, result->size);
}

/* Learn on from a model on the sample's rows. */
static MlTrainResult *
retrain(MlContext *ctx, const MlModel *from, const Sample *sample, MlRetrainKind kind, const char *params, double decay_rate)
{
	MlRetrain	how = {.kind = kind,.from = from,.decay_rate = decay_rate,.lineage = {.operation = "test"}};
	MlTrainSpec spec = sample_spec(ctx, sample, from->algorithm);
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);

	ml_retrain_check(ctx, &how);
	spec.params = ml_retrain_params(ctx, from, params);
	spec.retrain = &how;
	ml_pipeline_train(ctx, sample_table(ctx, sample), &spec, result);
	return result;
}

static MlModel *
open_result(MlContext *ctx, const MlTrainResult *result)
{
	return ml_model_open(ctx, result->bytes, result->size);
}

/* The largest difference of two scores. */
static double
differ(MlContext *ctx, const MlModel *a, const MlModel *b, const Sample *sample, double shift)
{
	const double *x = sample_score(ctx, a, sample, 256);
	const double *y = sample_score(ctx, b, sample, 256);
	double		largest = 0;

	for (size_t i = 0; i < sample->rows * (size_t) ml_model_outputs(a); i++)
		largest = fmax(largest, fabs(y[i] - x[i] - shift));
	return largest;
}

/* On the same rows a forest goes on just as if it had not stopped. */
static void
test_continue_forests(MlContext *ctx)
{
	static const MlAlgorithm *const forests[] = {&ml_random_forest, &ml_extra_trees};
	static const Sample *const samples[] = {&numbers, &classes};

	for (size_t i = 0; i < 4; i++)
	{
		const Sample *sample = samples[i / 2];
		MlModel    *whole = train_with(ctx, sample, forests[i % 2], "{\"n_estimators\": 12, \"seed\": 3}");
		MlModel    *first = train_with(ctx, sample, forests[i % 2], "{\"n_estimators\": 5, \"seed\": 3}");
		MlModel    *longer = open_result(ctx, retrain(ctx, first, sample, ML_RETRAIN_CONTINUE, "{\"n_estimators\": 7}", 0));
		const MlForest *f = forest_of(ctx, whole);
		const MlForest *g = forest_of(ctx, longer);

		CHECK(g->trees == 12 && f->nodes == g->nodes);
		CHECK(memcmp(f->value, g->value, f->nodes * (size_t) f->width * sizeof(double)) == 0);
		CHECK(memcmp(f->threshold, g->threshold, f->nodes * sizeof(double)) == 0);
		CHECK(differ(ctx, whole, longer, sample, 0) == 0);
	}
}

/* Means of the same rows are what was there; of other rows, theirs. */
static void
test_refit_means(MlContext *ctx)
{
	static const MlAlgorithm *const learners[] = {&ml_decision_tree, &ml_extra_trees};
	Sample		other = numbers;

	other.first = 5000;
	for (size_t i = 0; i < 2; i++)
	{
		const Sample *sample = &numbers;
		MlModel    *model = train_with(ctx, sample, learners[i], i == 0 ? "{\"max_leaf_nodes\": 9}" : "{\"n_estimators\": 6}");
		MlModel    *same = open_result(ctx, retrain(ctx, model, sample, ML_RETRAIN_REFIT, "{}", 0));
		MlModel    *all_old = open_result(ctx, retrain(ctx, model, &other, ML_RETRAIN_REFIT, "{}", 1));
		MlModel    *all_new = open_result(ctx, retrain(ctx, model, &other, ML_RETRAIN_REFIT, "{}", 0));
		MlModel    *half = open_result(ctx, retrain(ctx, model, &other, ML_RETRAIN_REFIT, "{}", 0.5));
		const MlForest *f = forest_of(ctx, model);
		const MlForest *g = forest_of(ctx, all_new);
		const MlForest *h = forest_of(ctx, half);

		CHECK(differ(ctx, model, same, sample, 0) < 1e-9);
		CHECK(differ(ctx, model, all_old, sample, 0) == 0);
		CHECK(differ(ctx, model, all_new, sample, 0) > 1e-3);
		CHECK(memcmp(f->threshold, g->threshold, f->nodes * sizeof(double)) == 0 && f->nodes == g->nodes);
		for (size_t n = 0; n < f->nodes; n++)
			CHECK_NEAR(h->value[n], 0.5 * (f->value[n] + g->value[n]), 1e-12);
	}
}

/* Of classes the shares, by weight; what no row reaches keeps its value. */
static void
test_refit_classes(MlContext *ctx)
{
	Sample		few = classes;
	Sample		weighted = classes;
	Sample		twice = classes;
	MlModel    *model = train_with(ctx, &classes, &ml_decision_tree, "{\"max_leaf_nodes\": 12}");
	const MlForest *f = forest_of(ctx, model);
	const MlForest *g;
	size_t		kept = 0;

	few.rows = 9;
	g = forest_of(ctx, open_result(ctx, retrain(ctx, model, &few, ML_RETRAIN_REFIT, "{}", 0)));
	for (size_t n = 0; n < f->nodes; n++)
	{
		CHECK_NEAR(g->value[3 * n] + g->value[3 * n + 1] + g->value[3 * n + 2], 1, 1e-12);
		kept += memcmp(f->value + 3 * n, g->value + 3 * n, 3 * sizeof(double)) == 0;
	}
	CHECK(kept > 0 && kept < f->nodes);
	/* a weight of two is two rows */
	weighted.weights = WEIGHTS_TWO;
	twice.repeat = 2;
	CHECK(differ(ctx, open_result(ctx, retrain(ctx, model, &weighted, ML_RETRAIN_REFIT, "{}", 0)),
				 open_result(ctx, retrain(ctx, model, &twice, ML_RETRAIN_REFIT, "{}", 0)), &classes, 0) < 1e-12);
}

/* The same bytes with any number of threads. */
static void
test_refit_threads(MlContext *ctx)
{
	static const int threads[] = {2, 8};
	Sample		other = numbers;
	MlModel    *model = train_with(ctx, &numbers, &ml_random_forest, "{\"n_estimators\": 9}");
	MlTrainResult *first = retrain(ctx, model, &other, ML_RETRAIN_REFIT, "{}", 0.3);

	for (size_t i = 0; i < 2; i++)
	{
		MlContext  *many = unit_context(threads[i]);
		MlTrainResult *result = retrain(many, model, &other, ML_RETRAIN_REFIT, "{}", 0.3);

		CHECK(result->size == first->size && memcmp(result->bytes, first->bytes, first->size) == 0);
	}
}

/* What cannot be learned on from, and what the summary says of what could. */
static void
test_retrain_refusals(MlContext *ctx)
{
	MlTrainResult *line = sample_train(ctx, &numbers, &ml_linear_regression, NULL, NULL);
	MlModel    *tree = train_with(ctx, &numbers, &ml_decision_tree, "{}");
	MlModel    *medians = train_with(ctx, &numbers, &ml_decision_tree, "{\"criterion\": \"absolute_error\"}");
	MlModel    *sorter = train_with(ctx, &classes, &ml_random_forest, "{\"n_estimators\": 2}");
	Sample		pair = classes;
	Sample		other_kind = numbers;
	MlTrainResult *result;
	const MlNode *edits;

	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, retrain(ctx, open_result(ctx, line), &numbers, ML_RETRAIN_REFIT, "{}", 0.5));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, retrain(ctx, tree, &numbers, ML_RETRAIN_CONTINUE, "{}", 0));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, retrain(ctx, medians, &numbers, ML_RETRAIN_REFIT, "{}", 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, retrain(ctx, tree, &numbers, ML_RETRAIN_REFIT, "{}", 1.1));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, retrain(ctx, tree, &numbers, ML_RETRAIN_REFIT, "{}", NAN));
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, retrain(ctx, sorter, &classes, ML_RETRAIN_CONTINUE, "{\"n_estimatros\": 2}", 0));
	/* numbers for a model of classes, and a category where a number was */
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, retrain(ctx, tree, &classes, ML_RETRAIN_REFIT, "{}", 0));
	other_kind.features = "ccdd";
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, retrain(ctx, tree, &other_kind, ML_RETRAIN_REFIT, "{}", 0));
	/* two of three classes will do, three of two will not */
	pair.task = ML_TASK_BINARY;
	result = retrain(ctx, sorter, &pair, ML_RETRAIN_CONTINUE, "{\"n_estimators\": 1}", 0);
	CHECK(open_result(ctx, result)->signature->nclasses == 3 && result->task == ML_TASK_MULTICLASS);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, retrain(ctx, train_with(ctx, &pair, &ml_random_forest, "{\"n_estimators\": 2}"),
													 &classes, ML_RETRAIN_CONTINUE, "{}", 0));
	edits = ml_need(ctx, ml_container_section(result->bytes, ML_SECTION_SUMMARY), "edits", ML_NODE_LIST);
	CHECK(ml_node_count(edits) == 1 && strcmp(ml_need_string(ctx, ml_node_at(edits, 0), "operation"), "test") == 0);
}

/* ---------------------------------------------------------------- other models */

static void
test_without_trees(MlContext *ctx)
{
	MlTrainResult *result = sample_train(ctx, &numbers, &ml_linear_regression, NULL, NULL);
	MlModel    *model = ml_model_open(ctx, result->bytes, result->size);
	MlPruneStep *steps;

	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, prune(ctx, model, 0));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, truncate_to(ctx, model, 1, NULL));
	CHECK_RAISES(ctx, ML_ERROR_UNSUPPORTED, ml_trees_prune_path(ctx, model, &steps));
}

UNIT_MAIN(test_truncate, test_truncate_rounds, test_lineage, test_prune_is_optimal, test_path, test_prune_ends, test_continue_forests,
		  test_refit_means, test_refit_classes, test_refit_threads, test_retrain_refusals, test_without_trees)
