/*
 * A model's bytes with other trees in them.
 */
#include "edit/trees.h"

#include <inttypes.h>
#include <string.h>

#include "base/document_internal.h"
#include "learn/forest_edit.h"

const MlEnsemble *
ml_trees_of(MlContext *ctx, const MlModel *model)
{
	const char *with = "";

	if (model->algorithm->ensemble != NULL)
		return model->algorithm->ensemble(model->loaded);
	for (size_t i = 0; ml_algorithm_table[i] != NULL; i++)
		if (ml_algorithm_table[i]->ensemble != NULL)
			with = ml_format(ctx, "%s%s%s", with, with[0] ? ", " : "", ml_algorithm_table[i]->name);
	ml_raise_full(ctx, ML_ERROR_UNSUPPORTED,
				  ml_format(ctx, "a model of algorithm \"%s\" has no trees", model->algorithm->name), NULL,
				  ml_format(ctx, "Algorithms of trees are: %s.", with));
}

int
ml_trees_a_round(const MlForest *forest)
{
	return forest->width == 1 ? forest->outputs : 1;
}

/* ---- sections ---- */

static bool
is_one_of(const char *key, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(key, *names) == 0)
			return true;
	return false;
}

/* Does a statistic tell how well all the trees did, not how the fit went? */
static bool
is_score(const char *key)
{
	return strncmp(key, "oob_", 4) == 0 || strncmp(key, "best_", 5) == 0;
}

/* The learner's own statistics with the counts of the trees as they are now, without scores of those that were. */
static void
write_statistics(MlWriter *w, const MlNode *old, const MlForestBuilder *b)
{
	ml_write_object(w, "statistics");
	for (size_t i = 0; i < ml_node_count(old); i++)
	{
		const char *key = ml_node_key(old, i);

		if (strcmp(key, "n_trees") == 0)
			ml_write_int(w, key, (int64_t) b->trees);
		else if (strcmp(key, "n_leaves") == 0)
			ml_write_int(w, key, (int64_t) b->leaves);
		else if (!is_score(key))
			ml_write_node(w, key, ml_node_at(old, i));
	}
	ml_write_end(w);
}

/* The payload: what the learner wrote, but the trees. */
static MlSectionBytes
write_payload(MlContext *ctx, const MlNode *old, const MlForestBuilder *b)
{
	static const char *const of_trees[] = {
		"tree_begin", "feature", "left", "missing_left", "threshold", "value", "gain", "cover", "sets", NULL
	};
	MlWriter   *w = ml_writer_create(ctx);
	bool		written = false;

	for (size_t i = 0; i < ml_node_count(old); i++)
	{
		const char *key = ml_node_key(old, i);

		if (is_one_of(key, of_trees))
		{
			if (!written)
				ml_forest_write(b, w);
			written = true;
		}
		else if (strcmp(key, "statistics") == 0)
			write_statistics(w, ml_node_at(old, i), b);
		else
			ml_write_node(w, key, ml_node_at(old, i));
	}
	return ml_section_finish(w);
}

/* The summary: how the parent was trained, without its metrics, and what was done since. */
static MlSectionBytes
write_summary(MlContext *ctx, const MlModel *parent, const MlLineage *lineage)
{
	static const char *const of_parent[] = {
		"metrics", "baseline", "calibration", "n_folds", "n_repeats", "metrics_sd", "folds", "edits", NULL
	};
	const MlNode *old = ml_container_section(parent->bytes, ML_SECTION_SUMMARY);
	MlWriter   *w = ml_writer_create(ctx);

	for (size_t i = 0; i < ml_node_count(old); i++)
	{
		const char *key = ml_node_key(old, i);

		if (strcmp(key, "metrics_on") == 0)
			ml_write_string(w, key, "no rows");
		else if (!is_one_of(key, of_parent))
			ml_write_node(w, key, ml_node_at(old, i));
	}
	ml_write_object(w, "metrics");
	ml_write_end(w);
	ml_write_object(w, "baseline");
	ml_write_end(w);
	ml_lineage_write(ctx, w, parent, lineage);
	return ml_section_finish(w);
}

void
ml_trees_rewrite(MlContext *ctx, const MlModel *model, size_t trees, const uint8_t *leaf, const MlLineage *lineage,
				 MlEdited *edited)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	const MlForest *f = ml_trees_of(ctx, model)->forest;
	MlForestBuilder builder;

	ml_forest_start(&builder, ctx, f->width);
	ml_forest_copy(&builder, f, trees, leaf, NULL);
	for (int s = ML_SECTION_SIGNATURE; s <= ML_SECTION_LAST; s++)
	{
		const MlNode *node = ml_container_section(model->bytes, (MlSection) s);

		sections[s] = (MlSectionBytes) {node, ml_node_size(node)};
	}
	sections[ML_SECTION_SUMMARY] = write_summary(ctx, model, lineage);
	sections[ML_SECTION_PAYLOAD] = write_payload(ctx, ml_container_section(model->bytes, ML_SECTION_PAYLOAD), &builder);
	edited->bytes = ml_container_build(ctx, model->algorithm->id, sections, &edited->size);
	edited->trees = builder.trees;
	edited->leaves = builder.leaves;
	/* what could not be opened later must not be stored now */
	ml_model_open(ctx, edited->bytes, edited->size);
}

void
ml_trees_truncate(MlContext *ctx, const MlModel *model, int64_t rounds, const MlLineage *lineage, MlEdited *edited)
{
	const MlForest *f = ml_trees_of(ctx, model)->forest;
	size_t		a_round = (size_t) ml_trees_a_round(f);
	size_t		there = f->trees / a_round;

	if (rounds < 1 || (uint64_t) rounds > there)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "n_trees is out of range: %" PRId64, rounds),
					  a_round > 1 ?
					  ml_format(ctx, "The model has %zu rounds of %zu trees, one for each score.", there, a_round) :
					  ml_format(ctx, "The model has %zu tree%s.", there, there == 1 ? "" : "s"),
					  there > 0 ? ml_format(ctx, "It must be at least 1 and at most %zu.", there) : NULL);
	ml_trees_rewrite(ctx, model, (size_t) rounds * a_round, NULL, lineage, edited);
}
