/*
 * Scoring with forests: ml_forest_sum against a plain walk of every row down every tree, to the last bit, whatever
 * the size of trees and blocks; what a loaded forest may not say.
 */
#include "unit.h"

#include "base/random.h"
#include "learn/forest.h"

#define GRID 24					/* distinct thresholds of a column, so that values often equal one */

/* ---------------------------------------------------------------- helpers */

/* What random forests are like. */
typedef struct Plan
{
	int			columns;
	int			categories;		/* of the columns, the last ones */
	int			levels;			/* of each category */
	size_t		trees;
	int			min_leaves;
	int			max_leaves;
	int			outputs;
	int			width;
	bool		one_sided;		/* missing values of a column go the same way in all nodes */
	bool		fine;			/* every threshold is different */
} Plan;

static uint64_t
below(MlRandom *random, int n)
{
	return ml_random_below(random, (uint64_t) n);
}

/* Make a leaf of a tree a split by a random column. */
static void
split_leaf(MlContext *ctx, MlRandom *random, const Plan *plan, MlTree *tree, int at)
{
	MlTreeNode *node = &tree->nodes[at];
	size_t		words = ((size_t) plan->levels + 31) / 32;

	node->feature = (int) below(random, plan->columns);
	node->left = tree->count;
	node->right = tree->count + 1;
	node->missing_left = (plan->one_sided ? (uint64_t) node->feature : ml_random_next(random)) % 2;
	node->gain = 1;
	if (node->feature < plan->columns - plan->categories)
		node->threshold = (plan->fine ? ml_random_double(random) * GRID : (double) below(random, GRID)) - GRID / 2;
	else
	{
		node->set = (int) tree->set_words;
		tree->sets = ml_realloc(ctx, tree->sets, (tree->set_words + words) * sizeof(uint32_t));
		for (size_t w = 0; w < words; w++)
			tree->sets[tree->set_words++] = (uint32_t) ml_random_next(random);
	}
	for (int i = 0; i < 2; i++)
		tree->nodes[tree->count++] = (MlTreeNode) {.feature = -1,.left = -1,.right = -1,.set = -1,.cover = 1};
	tree->leaves++;
}

/* A tree that grows at leaves that chance chooses. */
static MlTree
random_tree(MlContext *ctx, MlRandom *random, const Plan *plan)
{
	int			leaves = plan->min_leaves + (int) below(random, plan->max_leaves - plan->min_leaves + 1);
	MlTree		tree = {.count = 1,.leaves = 1};

	tree.nodes = ml_alloc_array_zero(ctx, 2 * (size_t) leaves, sizeof(MlTreeNode));
	tree.nodes[0] = (MlTreeNode) {.feature = -1,.left = -1,.right = -1,.set = -1,.cover = 1};
	while (tree.leaves < leaves)
	{
		int			at = (int) below(random, tree.count);

		if (tree.nodes[at].feature < 0)
			split_leaf(ctx, random, plan, &tree, at);
	}
	return tree;
}

static MlShape *
make_shape(MlContext *ctx, const Plan *plan)
{
	MlShape    *shape = ml_alloc_zero(ctx, sizeof *shape);
	int		   *levels = ml_alloc_array_zero(ctx, (size_t) plan->columns + 1, sizeof(int));

	for (int j = plan->columns - plan->categories; j < plan->columns; j++)
		levels[j] = plan->levels;
	shape->columns = plan->columns;
	shape->levels = levels;
	return shape;
}

/* What a random forest is written as. */
static const MlNode *
write_forest(MlContext *ctx, MlRandom *random, const Plan *plan)
{
	MlForestBuilder b;
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_forest_start(&b, ctx, plan->width);
	for (size_t t = 0; t < plan->trees; t++)
	{
		MlTree		tree = random_tree(ctx, random, plan);
		double	   *values = ml_alloc_array(ctx, (size_t) tree.count * (size_t) plan->width, sizeof(double));

		for (size_t i = 0; i < (size_t) tree.count * (size_t) plan->width; i++)
			values[i] = ml_random_double(random) - 0.5;
		ml_forest_add(&b, &tree, values, 0.1);
		ml_free(ctx, values);
		ml_free(ctx, tree.nodes);
	}
	ml_forest_write(&b, w);
	return ml_document_root(ml_writer_finish(w, &size));
}

static MlForest *
random_forest(MlContext *ctx, MlRandom *random, const Plan *plan)
{
	return ml_forest_load(ctx, write_forest(ctx, random, plan), make_shape(ctx, plan), plan->outputs, plan->width);
}

/* A value of a column: among the thresholds or between them, missing, infinite; a level, known or not. */
static double
random_value(MlRandom *random, const Plan *plan, int column)
{
	uint64_t	kind = below(random, 16);

	if (kind == 0)
		return NAN;
	if (column >= plan->columns - plan->categories)
		return kind == 1 ? -1 : kind == 2 ? plan->levels + 3 : (double) below(random, plan->levels);
	if (kind <= 2)
		return kind == 1 ? INFINITY : -INFINITY;
	if (kind == 3)
		return -0.0;
	return kind < 9 ? (double) below(random, GRID) - GRID / 2 : ml_random_double(random) * GRID - GRID / 2;
}

/* Add all trees to one row, one step after the other. */
static void
plain_sum(const MlForest *f, const double *x, size_t ldx, double *out, size_t ldout)
{
	for (size_t t = 0; t < f->trees; t++)
	{
		size_t		leaf = ml_forest_leaf(f, t, x, ldx);

		if (f->width == 1)
			out[t % (size_t) f->outputs * ldout] += f->value[leaf];
		else
			for (size_t c = 0; c < (size_t) f->width; c++)
				out[c * ldout] += f->value[leaf * (size_t) f->width + c];
	}
}

/* Are n rows scored as by a plain walk, and nothing beside them touched? */
static bool
agree(MlContext *ctx, MlRandom *random, const Plan *plan, const MlForest *f, size_t n)
{
	size_t		ldx = n + below(random, 9);
	size_t		ldout = n + below(random, 5);
	size_t		outputs = (size_t) plan->outputs;
	double	   *x = ml_alloc_array(ctx, ldx * (size_t) plan->columns + 1, sizeof(double));
	double	   *out = ml_alloc_array(ctx, ldout * outputs, sizeof(double));
	double	   *expected = ml_alloc_array(ctx, ldout * outputs, sizeof(double));
	bool		same;

	for (size_t j = 0; j < (size_t) plan->columns; j++)
		for (size_t i = 0; i < ldx; i++)
			x[j * ldx + i] = random_value(random, plan, (int) j);
	for (size_t i = 0; i < ldout * outputs; i++)
		out[i] = expected[i] = ml_random_double(random);
	for (size_t i = 0; i < n; i++)
		plain_sum(f, x + i, ldx, expected + i, ldout);
	ml_forest_sum(f, x, ldx, n, out, ldout);
	same = memcmp(out, expected, ldout * outputs * sizeof(double)) == 0;
	ml_free(ctx, x);
	ml_free(ctx, out);
	ml_free(ctx, expected);
	return same;
}

/* Check random forests of a plan over blocks of many sizes. */
static void
check_plan(MlContext *ctx, const Plan *plan)
{
	static const size_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 80, 100, 127, 128, 200, 255, 256};
	MlRandom	random;
	const MlForest *f;

	ml_random_seed(&random, (uint64_t) plan->max_leaves * 1000 + (uint64_t) plan->columns);
	f = random_forest(ctx, &random, plan);
	/* of many columns, every fourth size will do */
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i += plan->columns > 100 ? 4 : 1)
		CHECK(agree(ctx, &random, plan, f, sizes[i]));
}

/* ---------------------------------------------------------------- tests */

/* Trees of every number of leaves that fits one word, two words and neither. */
static void
test_leaves(MlContext *ctx)
{
	for (int leaves = 1; leaves <= 70; leaves++)
		check_plan(ctx, &(Plan) {
			.columns = 5,.trees = 9,.min_leaves = leaves,.max_leaves = leaves,.outputs = 1,.width = 1
		});
	check_plan(ctx, &(Plan) {.columns = 7,.trees = 30,.min_leaves = 1,.max_leaves = 100,.outputs = 1,.width = 1});
	check_plan(ctx, &(Plan) {
		.columns = 7,.trees = 12,.min_leaves = 3000,.max_leaves = 4000,.outputs = 1,.width = 1,.fine = true
	});
}

/* Missing values to one side or to both. */
static void
test_missing(MlContext *ctx)
{
	check_plan(ctx, &(Plan) {
		.columns = 6,.trees = 20,.min_leaves = 2,.max_leaves = 40,.outputs = 1,.width = 1,.one_sided = true
	});
	check_plan(ctx, &(Plan) {
		.columns = 1,.trees = 20,.min_leaves = 2,.max_leaves = 90,.outputs = 1,.width = 1,.one_sided = true
	});
	check_plan(ctx, &(Plan) {.columns = 2,.trees = 20,.min_leaves = 2,.max_leaves = 90,.outputs = 1,.width = 1});
}

/* Categories whose sets fill a part of a word, a word, more than one; among numbers and alone. */
static void
test_categories(MlContext *ctx)
{
	static const int levels[] = {1, 2, 31, 32, 33, 64, 100, 1000};

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
		for (int categories = 1; categories <= 6; categories += 5)
		{
			check_plan(ctx, &(Plan) {
				.columns = 6,.categories = categories,.levels = levels[i],.trees = 12,.min_leaves = 1,.max_leaves = 64,
				.outputs = 1,.width = 1
			});
			check_plan(ctx, &(Plan) {
				.columns = 6,.categories = categories,.levels = levels[i],.trees = 12,.min_leaves = 60,
				.max_leaves = 120,.outputs = 1,.width = 1
			});
		}
}

/* Several scores: one a tree in turn, or all of a tree. */
static void
test_outputs(MlContext *ctx)
{
	for (int leaves = 20; leaves <= 200; leaves *= 3)
	{
		check_plan(ctx, &(Plan) {
			.columns = 6,.trees = 15,.min_leaves = 1,.max_leaves = leaves,.outputs = 3,.width = 1
		});
		check_plan(ctx, &(Plan) {
			.columns = 6,.trees = 11,.min_leaves = 1,.max_leaves = leaves,.outputs = 4,.width = 4
		});
		check_plan(ctx, &(Plan) {
			.columns = 6,.trees = 11,.min_leaves = 1,.max_leaves = leaves,.outputs = 2,.width = 2
		});
	}
}

/* No tree, no split, and as many columns as leave room for fewer rows, for one, and for no codes. */
static void
test_extremes(MlContext *ctx)
{
	static const int columns[] = {300, 600, 3000, 40000};

	check_plan(ctx, &(Plan) {.columns = 3,.trees = 0,.min_leaves = 1,.max_leaves = 1,.outputs = 1,.width = 1});
	check_plan(ctx, &(Plan) {.columns = 3,.trees = 5,.min_leaves = 1,.max_leaves = 1,.outputs = 1,.width = 1});
	check_plan(ctx, &(Plan) {.columns = 0,.trees = 5,.min_leaves = 1,.max_leaves = 1,.outputs = 1,.width = 1});
	for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
	{
		int			trees = columns[i] / 20 + 1;

		check_plan(ctx, &(Plan) {
			.columns = columns[i],.trees = (size_t) trees,.min_leaves = 32,.max_leaves = 70,.outputs = 1,.width = 1
		});
	}
	/* more thresholds of a column than codes tell apart */
	check_plan(ctx, &(Plan) {
		.columns = 1,.trees = 3,.min_leaves = 30000,.max_leaves = 30000,.outputs = 1,.width = 1,.fine = true
	});
	check_plan(ctx, &(Plan) {
		.columns = 1,.trees = 2,.min_leaves = 30000,.max_leaves = 30000,.outputs = 1,.width = 1,.fine = true
	});
	check_plan(ctx, &(Plan) {
		.columns = 2,.categories = 1,.levels = 70000,.trees = 2,.min_leaves = 3,.max_leaves = 3,.outputs = 1,.width = 1
	});
}

/* A member of a forest with one element changed. */
typedef struct Change
{
	const char *key;
	size_t		element;
	int32_t		i32;
	double		f64;
} Change;

/* The payload of two trees of three leaves with one element of one array changed. */
static const MlNode *
changed_forest(MlContext *ctx, const Change *change)
{
	Plan		plan = {
		.columns = 4,.categories = 1,.levels = 40,.trees = 2,.min_leaves = 3,.max_leaves = 3,.outputs = 1,.width = 1
	};
	MlRandom	random;
	const MlNode *payload;
	const MlNode *member;
	char	   *array;

	ml_random_seed(&random, 3);
	payload = write_forest(ctx, &random, &plan);
	if (change == NULL)
		return payload;
	member = ml_node_find(payload, change->key);
	/* the document is this test's own */
	array = (char *) (uintptr_t) ml_node_array(member);
	if (ml_node_type(member) == ML_NODE_I32S)
		((int32_t *) (void *) array)[change->element] = change->i32;
	else if (ml_node_type(member) == ML_NODE_F64S)
		((double *) (void *) array)[change->element] = change->f64;
	else
		((float *) (void *) array)[change->element] = (float) change->f64;
	return payload;
}

/* A forest with one wrong element is refused. */
static void
test_corrupted(MlContext *ctx)
{
	static const Change changes[] = {
		{"tree_begin", 0, 1, 0}, {"tree_begin", 1, 0, 0}, {"tree_begin", 1, 11, 0}, {"tree_begin", 2, 9, 0},
		{"feature", 0, 4, 0}, {"feature", 0, -2, 0}, {"feature", 0, -1, 0},
		{"left", 0, 0, 0}, {"left", 0, -1, 0}, {"left", 0, 2, 0}, {"left", 0, 4, 0}, {"left", 0, 1000, 0},
		{"threshold", 0, 0, NAN}, {"value", 4, 0, INFINITY}, {"gain", 0, 0, -1}, {"cover", 0, 0, NAN},
	};
	Plan		plan = {.columns = 4,.categories = 1,.levels = 40};
	const MlShape *shape = make_shape(ctx, &plan);

	CHECK(ml_forest_load(ctx, changed_forest(ctx, NULL), shape, 1, 1)->trees == 2);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_forest_load(ctx, changed_forest(ctx, &changes[i]), shape, 1, 1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_forest_load(ctx, changed_forest(ctx, NULL), shape, 3, 1));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_forest_load(ctx, changed_forest(ctx, NULL), shape, 2, 2));
}

UNIT_MAIN(test_leaves, test_missing, test_categories, test_outputs, test_extremes, test_corrupted)
