/*
 * Trees in a model: collecting, writing, and checking those that come back.
 *
 * Payload members, by node: feature (-1 = a leaf), left (a node of the whole, -1 = a leaf; the right child
 * follows), missing_left (a bit), threshold (a number's, or the first word of a category's set), value (width of
 * them), gain and cover (single precision); tree_begin [trees + 1]; sets (a bit for each level that goes left).
 */
#include "learn/forest.h"

#include <math.h>
#include <string.h>

#include "learn/forest_internal.h"

/* ---- building ---- */

void
ml_forest_start(MlForestBuilder *b, MlContext *ctx, int width)
{
	*b = (MlForestBuilder) {.ctx = ctx,.width = width,.tree_capacity = 128};
	b->tree_begin = ml_alloc_array_zero(ctx, b->tree_capacity, sizeof(int32_t));
	b->set_begin = ml_alloc_array_zero(ctx, b->tree_capacity, sizeof(size_t));
}

/* Room for a tree's nodes, values and sets. */
static void
reserve(MlForestBuilder *b, const MlTree *tree)
{
	size_t		nodes = b->count + (size_t) tree->count;
	size_t		words = b->words + tree->set_words;
	size_t		node_bytes = 24 + sizeof(double) * (size_t) b->width;

	if (nodes * node_bytes + words * sizeof(uint32_t) > ML_FOREST_MAX_BYTES)
		ml_raise_full(b->ctx, ML_ERROR_INVALID_DATA, "the model grows too large",
					  ml_format(b->ctx, "Its trees have more than %zu nodes, beyond %zu MB.", nodes,
								ML_FOREST_MAX_BYTES >> 20),
					  "Set n_estimators or max_leaf_nodes lower, or min_samples_leaf higher.");
	if (nodes > b->capacity)
	{
		b->capacity = 2 * nodes;
		b->nodes = ml_realloc(b->ctx, b->nodes, b->capacity * sizeof(MlTreeNode));
		b->values = ml_realloc(b->ctx, b->values, b->capacity * (size_t) b->width * sizeof(double));
	}
	if (words > b->word_capacity)
	{
		b->word_capacity = 2 * words;
		b->sets = ml_realloc(b->ctx, b->sets, b->word_capacity * sizeof(uint32_t));
	}
	if (b->trees + 2 > b->tree_capacity)
	{
		b->tree_capacity *= 2;
		b->tree_begin = ml_realloc(b->ctx, b->tree_begin, b->tree_capacity * sizeof(int32_t));
		b->set_begin = ml_realloc(b->ctx, b->set_begin, b->tree_capacity * sizeof(size_t));
	}
}

void
ml_forest_add(MlForestBuilder *b, const MlTree *tree, const double *values, double rate)
{
	size_t		width = (size_t) b->width;

	reserve(b, tree);
	for (size_t i = 0; i < (size_t) tree->count; i++)
	{
		MlTreeNode	node = tree->nodes[i];

		for (size_t v = 0; v < width; v++)
			b->values[(b->count + i) * width + v] = rate * (values != NULL ? values[i * width + v] : node.value);
		if (node.feature >= 0)
			node.left += (int) b->count;
		if (node.set >= 0)
			node.set += (int) b->words;
		b->nodes[b->count + i] = node;
	}
	if (tree->set_words > 0)
		memcpy(b->sets + b->words, tree->sets, tree->set_words * sizeof(uint32_t));
	b->words += tree->set_words;
	b->count += (size_t) tree->count;
	b->leaves += (size_t) tree->leaves;
	b->tree_begin[++b->trees] = (int32_t) b->count;
	b->set_begin[b->trees] = b->words;
}

void
ml_forest_truncate(MlForestBuilder *b, size_t trees)
{
	if (trees >= b->trees)
		return;
	b->trees = trees;
	b->count = (size_t) b->tree_begin[trees];
	b->words = b->set_begin[trees];
	b->leaves = 0;
	for (size_t i = 0; i < b->count; i++)
		b->leaves += b->nodes[i].feature < 0;
}

/* One integer of every node. */
static void
write_ints(const MlForestBuilder *b, MlWriter *w, const char *key, size_t offset)
{
	int32_t    *values = ml_alloc_array(b->ctx, b->count + 1, sizeof(int32_t));

	for (size_t i = 0; i < b->count; i++)
		values[i] = *(const int *) ((const char *) &b->nodes[i] + offset);
	ml_write_i32s(w, key, values, b->count);
	ml_free(b->ctx, values);
}

/* One number of every node, in single precision; nothing for a leaf where inner is true. */
static void
write_floats(const MlForestBuilder *b, MlWriter *w, const char *key, size_t offset, bool inner)
{
	float	   *values = ml_alloc_array(b->ctx, b->count + 1, sizeof(float));

	for (size_t i = 0; i < b->count; i++)
	{
		double		v = *(const double *) ((const char *) &b->nodes[i] + offset);

		/* a number too large for single precision is the largest there */
		v = v > 3.0e38 ? 3.0e38 : v > 0 ? v : 0;
		values[i] = inner && b->nodes[i].feature < 0 ? 0 : (float) v;
	}
	ml_write_f32s(w, key, values, b->count);
	ml_free(b->ctx, values);
}

/* Thresholds and missing sides. */
static void
write_splits(const MlForestBuilder *b, MlWriter *w)
{
	double	   *threshold = ml_alloc_array(b->ctx, b->count + 1, sizeof(double));
	uint8_t    *missing_left = ml_alloc_zero(b->ctx, b->count / 8 + 1);

	for (size_t i = 0; i < b->count; i++)
	{
		const MlTreeNode *node = &b->nodes[i];

		threshold[i] = node->feature < 0 ? 0 : node->set >= 0 ? node->set : node->threshold;
		if (node->feature >= 0 && node->missing_left)
			missing_left[i / 8] |= (uint8_t) (1 << i % 8);
	}
	ml_write_bytes(w, "missing_left", missing_left, (b->count + 7) / 8);
	ml_write_f64s(w, "threshold", threshold, b->count);
	ml_free(b->ctx, missing_left);
	ml_free(b->ctx, threshold);
}

void
ml_forest_write(const MlForestBuilder *b, MlWriter *w)
{
	ml_write_i32s(w, "tree_begin", b->tree_begin, b->trees + 1);
	write_ints(b, w, "feature", offsetof(MlTreeNode, feature));
	write_ints(b, w, "left", offsetof(MlTreeNode, left));
	write_splits(b, w);
	ml_write_f64s(w, "value", b->values, b->count * (size_t) b->width);
	write_floats(b, w, "gain", offsetof(MlTreeNode, gain), true);
	write_floats(b, w, "cover", offsetof(MlTreeNode, cover), false);
	ml_write_i32s(w, "sets", (const int32_t *) b->sets, b->words);
}

/* ---- loading ---- */

static void __attribute__((noreturn))
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* Check a node of a tree that ends before end. */
static void
check_node(MlContext *ctx, const MlForest *f, size_t i, size_t end)
{
	int32_t		feature = f->feature[i];
	double		threshold = f->threshold[i];

	if (!isfinite(threshold) || !(f->gain[i] >= 0 && isfinite(f->gain[i])) ||
		!(f->cover[i] >= 0 && isfinite(f->cover[i])))
		corrupted(ctx, "a node of a tree with numbers out of range");
	for (size_t v = i * (size_t) f->width; v < (i + 1) * (size_t) f->width; v++)
		if (!isfinite(f->value[v]))
			corrupted(ctx, "a node of a tree with a value out of range");
	if (feature < 0)
	{
		if (feature != -1 || f->left[i] != -1)
			corrupted(ctx, "a leaf with children");
		return;
	}
	if (feature >= f->columns)
		corrupted(ctx, "a tree of a column that is not there");
	if (f->left[i] <= (int64_t) i || (size_t) f->left[i] + 1 >= end)
		corrupted(ctx, "a node whose children are out of place");
	if (f->levels[feature] > 0)
	{
		size_t		words = ((size_t) f->levels[feature] + 31) / 32;

		if (!(threshold >= 0 && threshold == floor(threshold) && threshold + (double) words <= (double) f->words))
			corrupted(ctx, "a set of levels that is cut short");
	}
}

/* Check each tree: its nodes lie together, and each but the root is the child of just one. */
static void
check_trees(MlContext *ctx, const MlForest *f)
{
	uint8_t    *is_child = ml_alloc_zero(ctx, f->nodes + 1);

	if (f->tree_begin[0] != 0 || (size_t) f->tree_begin[f->trees] != f->nodes)
		corrupted(ctx, "trees that do not fill their nodes");
	for (size_t t = 0; t < f->trees; t++)
	{
		size_t		begin = (size_t) f->tree_begin[t];
		size_t		end = (size_t) f->tree_begin[t + 1];

		if (f->tree_begin[t + 1] <= f->tree_begin[t] || end > f->nodes)
			corrupted(ctx, "a tree without nodes");
		for (size_t i = begin; i < end; i++)
		{
			check_node(ctx, f, i, end);
			if (f->feature[i] >= 0 && (is_child[f->left[i]]++ || is_child[f->left[i] + 1]++))
				corrupted(ctx, "a node of two parents");
			if (is_child[i] != (i > begin))
				corrupted(ctx, "a node that nothing leads to");
		}
	}
	ml_free(ctx, is_child);
}

/* A typed array of a count. */
static const void *
need_array(MlContext *ctx, const MlNode *payload, const char *key, MlNodeType type, size_t count)
{
	const MlNode *node = ml_need(ctx, payload, key, type);

	if (ml_node_count(node) != count)
		corrupted(ctx, "arrays of trees of different lengths");
	return ml_node_array(node);
}

MlForest *
ml_forest_load(MlContext *ctx, const MlNode *payload, const MlShape *shape, int outputs, int width)
{
	MlForest   *f = ml_alloc_zero(ctx, sizeof *f);
	const MlNode *sets = ml_need(ctx, payload, "sets", ML_NODE_I32S);
	size_t		begins = ml_node_count(ml_need(ctx, payload, "tree_begin", ML_NODE_I32S));

	f->width = width;
	f->outputs = outputs;
	f->columns = shape->columns;
	f->levels = shape->levels;
	f->nodes = ml_node_count(ml_need(ctx, payload, "feature", ML_NODE_I32S));
	if (begins == 0 || f->nodes > INT32_MAX || (width == 1 && (begins - 1) % (size_t) outputs != 0))
		corrupted(ctx, "trees that are not of whole rounds");
	f->trees = begins - 1;
	f->tree_begin = need_array(ctx, payload, "tree_begin", ML_NODE_I32S, begins);
	f->feature = need_array(ctx, payload, "feature", ML_NODE_I32S, f->nodes);
	f->left = need_array(ctx, payload, "left", ML_NODE_I32S, f->nodes);
	f->missing_left = need_array(ctx, payload, "missing_left", ML_NODE_BYTES, (f->nodes + 7) / 8);
	f->threshold = need_array(ctx, payload, "threshold", ML_NODE_F64S, f->nodes);
	f->value = need_array(ctx, payload, "value", ML_NODE_F64S, f->nodes * (size_t) width);
	f->gain = need_array(ctx, payload, "gain", ML_NODE_F32S, f->nodes);
	f->cover = need_array(ctx, payload, "cover", ML_NODE_F32S, f->nodes);
	f->words = ml_node_count(sets);
	f->sets = (const uint32_t *) ml_node_array(sets);
	check_trees(ctx, f);
	f->code = ml_forest_compile(ctx, f);
	return f;
}
