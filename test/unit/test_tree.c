/*
 * The grower of trees: first splits against all there are, what nodes say about their rows, monotone columns,
 * interaction sets, level by level, columns and thresholds by chance, smoothed and limited values, bins of
 * other rows, categories of thousands of levels, and the same tree on any number of threads.
 */
#include "unit.h"

#include "base/random.h"
#include "learn/tree.h"

#define COLUMNS_MOST 1000

/* A table given column by column, binned, with gradients and hessians. */
typedef struct Table
{
	MlDesign	design;
	double	   *x;				/* [columns][rows] */
	int			levels[COLUMNS_MOST];
	const MlBins *bins;
	int64_t    *g;				/* in units of 1 / GRADIENT_MAX */
	int64_t    *h;				/* in units of 1 / HESSIAN_MAX */
	double	   *weight;			/* NULL = all one */
	MlTreeLimits limits;
} Table;

static void
read_table(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	for (int j = 0; j < design->columns; j++)
		memcpy(x + (size_t) j * ldx, (const double *) design->source + (size_t) j * design->rows + begin,
			   n * sizeof(double));
}

/* Columns of uniform numbers; gradients and hessians are still to come. */
static Table *
make_table(MlContext *ctx, size_t n, int columns, uint64_t seed)
{
	Table	   *t = ml_alloc_zero(ctx, sizeof *t);
	MlRandom	random;

	ml_random_seed(&random, seed);
	t->x = ml_alloc_array(ctx, n * (size_t) columns, sizeof(double));
	t->g = ml_alloc_array_zero(ctx, n, sizeof(int64_t));
	t->h = ml_alloc_array(ctx, n, sizeof(int64_t));
	for (size_t i = 0; i < n * (size_t) columns; i++)
		t->x[i] = ml_random_double(&random);
	for (size_t i = 0; i < n; i++)
		t->h[i] = ML_TREE_HESSIAN_MAX;
	t->design = (MlDesign) {
		.rows = n,.columns = columns,.task = ML_TASK_REGRESSION,.levels = t->levels,.read = read_table,.source = t->x
	};
	t->limits = (MlTreeLimits) {
		.max_leaf_nodes = 31,.cat_smooth = 0,.max_cat_to_onehot = 4,.max_cat_threshold = 256
	};
	return t;
}

/* Gradients that are -y for a y of -1 .. 1. */
static void
set_target(Table *t, size_t row, double y)
{
	t->g[row] = (int64_t) (-y * ML_TREE_GRADIENT_MAX);
}

static const MlTreeNode *leaf_of(const Table *t, const MlTree *tree, size_t row);

/* The places of a grower have each of its n rows once, at the row's leaf. */
static void
check_leaves(const Table *t, const MlTree *tree, const MlGrower *grower, size_t n)
{
	size_t		rows = 0;
	size_t		wrong = 0;

	for (int place = 0; place < ml_grower_leaves(grower); place++)
	{
		const uint32_t *row;
		int			node;
		size_t		count = ml_grower_leaf(grower, place, &row, &node);

		for (size_t i = 0; i < count; i++)
			wrong += leaf_of(t, tree, row[i]) != &tree->nodes[node];
		rows += count;
	}
	CHECK(rows == n && wrong == 0);
}

/* A tree over the rows that keep says (NULL = all), its values without a rate. */
static MlTree *
grow(MlContext *ctx, Table *t, uint64_t seed, const bool *keep, double *add)
{
	MlTree	   *tree = ml_alloc_zero(ctx, sizeof *tree);
	MlGrower   *grower;
	size_t		n = 0;

	if (t->bins == NULL)
		t->bins = ml_bins_create(ctx, &t->design, 255, ML_TREE_MAX_LEVELS, 1);
	grower = ml_grower_create(ctx, t->bins, &t->limits, t->weight);
	tree->nodes = ml_alloc_array(ctx, 2 * (size_t) t->limits.max_leaf_nodes + 4, sizeof(MlTreeNode));
	ml_grower_seed(grower, seed);
	/* twice, so that nothing of a tree before is left */
	for (int times = 0; times < 2; times++)
	{
		n = 0;
		for (size_t i = 0; i < t->design.rows; i++)
			if (keep == NULL || keep[i])
			{
				ml_grower_rows(grower)[n] = (uint32_t) i;
				ml_grower_packed(grower)[n++] = ml_tree_pack(t->g[i], t->h[i]);
			}
		ml_grower_grow(grower, n, 1.0 / ML_TREE_GRADIENT_MAX, 1.0 / ML_TREE_HESSIAN_MAX, NULL, tree);
	}
	if (add != NULL)
		ml_grower_add(grower, tree, 1, add);
	check_leaves(t, tree, grower, n);
	return tree;
}

/* Does a row go left at a node?  By the values, not the bins. */
static bool
goes_left(const Table *t, const MlTree *tree, const MlTreeNode *node, size_t row)
{
	double		x = t->x[(size_t) node->feature * t->design.rows + row];

	if (isnan(x))
		return node->missing_left;
	if (node->set < 0)
		return x <= node->threshold;
	return tree->sets[(size_t) node->set + (size_t) x / 32] >> (size_t) x % 32 & 1;
}

static const MlTreeNode *
leaf_of(const Table *t, const MlTree *tree, size_t row)
{
	const MlTreeNode *node = tree->nodes;

	while (node->feature >= 0)
		node = &tree->nodes[goes_left(t, tree, node, row) ? node->left : node->right];
	return node;
}

static bool
same_tree(const MlTree *a, const MlTree *b)
{
	bool		same = a->count == b->count && a->leaves == b->leaves && a->set_words == b->set_words;

	for (int i = 0; i < a->count && same; i++)
	{
		const MlTreeNode *x = &a->nodes[i];
		const MlTreeNode *y = &b->nodes[i];

		same = x->feature == y->feature && x->left == y->left && x->right == y->right && x->bin == y->bin &&
			x->set == y->set && x->missing_left == y->missing_left && x->threshold == y->threshold &&
			x->value == y->value && x->gain == y->gain && x->cover == y->cover;
	}
	return same && (a->set_words == 0 || memcmp(a->sets, b->sets, a->set_words * sizeof(uint32_t)) == 0);
}

/* ---------------------------------------------------------------- what nodes say, counted row by row */

typedef struct Count
{
	double		g;
	double		h;
	double		weight;
} Count;

/* Sums of the rows of every node. */
static Count *
count_nodes(MlContext *ctx, const Table *t, const MlTree *tree, const bool *keep)
{
	Count	   *counts = ml_alloc_array_zero(ctx, (size_t) tree->count, sizeof(Count));

	for (size_t row = 0; row < t->design.rows; row++)
		for (int at = 0; keep == NULL || keep[row];)
		{
			const MlTreeNode *node = &tree->nodes[at];

			counts[at].g += (double) t->g[row] / ML_TREE_GRADIENT_MAX;
			counts[at].h += (double) t->h[row] / ML_TREE_HESSIAN_MAX;
			counts[at].weight += t->weight != NULL ? t->weight[row] : 1;
			if (node->feature < 0)
				break;
			at = goes_left(t, tree, node, row) ? node->left : node->right;
		}
	return counts;
}

static double
strength(Count c, double l2)
{
	return c.g * c.g / (c.h + l2);
}

/* What a split of all into left and the rest gains. */
static double
gain_of(Count left, Count all, double l2)
{
	Count		right = {all.g - left.g, all.h - left.h, all.weight - left.weight};

	return strength(left, l2) + strength(right, l2) - strength(all, l2);
}

/* Value, cover and gain of every node are those of the rows that come there; children come after parents. */
static void
check_nodes(MlContext *ctx, const Table *t, const MlTree *tree, const bool *keep)
{
	Count	   *counts = count_nodes(ctx, t, tree, keep);
	double		l2 = t->limits.l2;
	int			leaves = 0;

	for (int i = 0; i < tree->count; i++)
	{
		const MlTreeNode *node = &tree->nodes[i];

		CHECK_NEAR(node->value, -counts[i].g / (counts[i].h + l2), 1e-9);
		CHECK_NEAR(node->cover, counts[i].weight, 1e-12);
		leaves += node->feature < 0;
		if (node->feature < 0)
		{
			CHECK(node->gain == 0);
			continue;
		}
		CHECK(node->left > i && node->right == node->left + 1 && node->right < tree->count);
		CHECK_NEAR(node->gain, gain_of(counts[node->left], counts[i], l2), 1e-7);
		CHECK_NEAR(tree->nodes[node->left].cover + tree->nodes[node->right].cover, node->cover, 1e-12);
	}
	CHECK(leaves == tree->leaves && tree->count == 2 * leaves - 1);
}

/* A table of numbers with and without missing values and of categories, few levels and many. */
static Table *
mixed_table(MlContext *ctx, size_t n, int columns, uint64_t seed)
{
	Table	   *t = make_table(ctx, n, columns, seed);
	MlRandom	random;

	ml_random_seed(&random, seed + 1);
	for (int j = 0; j < columns; j++)
	{
		t->levels[j] = j % 4 == 2 ? 3 : j % 4 == 3 ? 6 : 0;
		for (size_t i = 0; i < n; i++)
		{
			double	   *x = &t->x[(size_t) j * n + i];

			if (t->levels[j] > 0)
				*x = floor(*x * t->levels[j]);
			if (j % 2 == 1 && ml_random_below(&random, 6) == 0)
				*x = NAN;
		}
	}
	for (size_t i = 0; i < n; i++)
	{
		double		y = 2 * ml_random_double(&random) - 1;

		for (int j = 0; j < columns && j < 6; j++)
			y += isnan(t->x[(size_t) j * n + i]) ? 0.3 : sin(3 * t->x[(size_t) j * n + i] + j) / 4;
		set_target(t, i, y / 4);
		t->h[i] = 1 + (int64_t) ml_random_below(&random, ML_TREE_HESSIAN_MAX);
	}
	return t;
}

static void
test_nodes(MlContext *ctx)
{
	Table	   *t = mixed_table(ctx, 3000, 6, 1);
	bool	   *keep = ml_alloc_array(ctx, 3000, sizeof(bool));

	t->limits.max_cat_to_onehot = 8;
	t->limits.l2 = 0.5;
	check_nodes(ctx, t, grow(ctx, t, 0, NULL, NULL), NULL);
	CHECK(grow(ctx, t, 0, NULL, NULL)->leaves == 31);
	/* some of the rows, and weights */
	t->weight = ml_alloc_array(ctx, 3000, sizeof(double));
	for (size_t i = 0; i < 3000; i++)
	{
		keep[i] = ml_mix64(i) % 3 > 0;
		t->weight[i] = 0.5 + (double) (i % 7);
	}
	check_nodes(ctx, t, grow(ctx, t, 0, keep, NULL), keep);
	/* every leaf that can be */
	t->limits.max_leaf_nodes = 3000;
	check_nodes(ctx, t, grow(ctx, t, 0, NULL, NULL), NULL);
	/* stretches, parts and leaves of many rows */
	t = mixed_table(ctx, 60000, 14, 2);
	t->limits.max_cat_to_onehot = 8;
	check_nodes(ctx, t, grow(ctx, t, 0, NULL, NULL), NULL);
}

/* So many columns that histograms are taken away from leaves that wait. */
static void
test_many_columns(MlContext *ctx)
{
	Table	   *t = make_table(ctx, 700, COLUMNS_MOST, 3);
	MlTree	   *tree;

	for (size_t i = 0; i < 700; i++)
		set_target(t, i, (t->x[i] - t->x[700 + i]) * sin(9 * t->x[1400 + i]) / 2);
	t->limits.max_leaf_nodes = 40;
	t->limits.min_samples_leaf = 5;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK(tree->leaves == 40);
	check_nodes(ctx, t, tree, NULL);
}

/* ---------------------------------------------------------------- the first split, against all there are */

/* The best gain of a column of numbers by any threshold, missing values on either side. */
static double
best_number(const Table *t, int column)
{
	const double *x = t->x + (size_t) column * t->design.rows;
	double		best = 0;

	for (size_t at = 0; at < t->design.rows; at++)
		for (int missing_left = 0; missing_left < 2; missing_left++)
		{
			Count		left = {0};
			Count		all = {0};

			for (size_t i = 0; i < t->design.rows; i++)
			{
				double		g = (double) t->g[i] / ML_TREE_GRADIENT_MAX;
				double		h = (double) t->h[i] / ML_TREE_HESSIAN_MAX;
				bool		goes = isnan(x[i]) ? missing_left : isnan(x[at]) || x[i] <= x[at];

				all.g += g;
				all.h += h;
				left.g += goes ? g : 0;
				left.h += goes ? h : 0;
			}
			if (left.h > 1e-9 && all.h - left.h > 1e-9)
				best = fmax(best, gain_of(left, all, t->limits.l2));
		}
	return best;
}

/* The best gain of a category by any set of levels (or any one level), the missing one among them. */
static double
best_category(const Table *t, int column, bool single)
{
	const double *x = t->x + (size_t) column * t->design.rows;
	int			levels = t->levels[column] + 1;
	double		best = 0;

	for (unsigned set = 1; set + 1 < 1u << levels; set++)
	{
		Count		left = {0};
		Count		all = {0};

		if (single && (set & (set - 1)) != 0)
			continue;
		for (size_t i = 0; i < t->design.rows; i++)
		{
			int			level = isnan(x[i]) ? levels - 1 : (int) x[i];
			double		g = (double) t->g[i] / ML_TREE_GRADIENT_MAX;
			double		h = (double) t->h[i] / ML_TREE_HESSIAN_MAX;

			all.g += g;
			all.h += h;
			left.g += set >> level & 1 ? g : 0;
			left.h += set >> level & 1 ? h : 0;
		}
		if (left.h > 1e-9 && all.h - left.h > 1e-9)
			best = fmax(best, gain_of(left, all, t->limits.l2));
	}
	return best;
}

static void
test_first_split(MlContext *ctx)
{
	int			wins[4] = {0};

	for (uint64_t seed = 10; seed < 60; seed++)
	{
		Table	   *t = mixed_table(ctx, 60, 4, seed);
		double		best[4];
		double		most = 0;
		MlTree	   *tree;

		t->limits.max_leaf_nodes = 2;
		t->limits.l2 = seed % 2 ? 0 : 1;
		/* sets are the best of all only without l2 */
		t->limits.max_cat_to_onehot = seed % 2 ? 4 : 9;
		for (int j = 0; j < 4; j++)
		{
			best[j] = j < 2 ? best_number(t, j) : best_category(t, j, j == 2 || seed % 2 == 0);
			most = fmax(most, best[j]);
		}
		tree = grow(ctx, t, 0, NULL, NULL);
		CHECK(tree->leaves == 2);
		CHECK_NEAR(tree->nodes[0].gain, most, 1e-9);
		CHECK_NEAR(best[tree->nodes[0].feature], most, 1e-9);
		wins[tree->nodes[0].feature]++;
		check_nodes(ctx, t, tree, NULL);
	}
	for (int j = 0; j < 4; j++)
		CHECK(wins[j] > 0);
}

/* ---------------------------------------------------------------- constraints */

/* How often a tree's values go down, and up, as a column rises and all others stay. */
static void
count_moves(MlContext *ctx, Table *t, const MlTree *tree, int column, int *down, int *up)
{
	size_t		n = t->design.rows;
	Table		probe = *t;

	probe.x = ml_alloc_array(ctx, n * (size_t) t->design.columns, sizeof(double));
	memcpy(probe.x, t->x, n * (size_t) t->design.columns * sizeof(double));
	*down = *up = 0;
	for (size_t row = 0; row < n; row += 5)
	{
		double		before = NAN;

		for (int step = 0; step <= 50; step++)
		{
			double		value;

			probe.x[(size_t) column * n + row] = step / 50.0;
			value = leaf_of(&probe, tree, row)->value;
			*down += value < before;
			*up += value > before;
			before = value;
		}
	}
}

static void
test_monotone(MlContext *ctx)
{
	static const int8_t monotone[] = {1, -1, 0, 0};
	Table	   *t = make_table(ctx, 2000, 4, 4);
	MlTree	   *tree;
	int			down;
	int			up;

	for (size_t i = 0; i < 2000; i++)
	{
		double		a = t->x[i];
		double		b = t->x[2000 + i];
		double		c = t->x[4000 + i];

		set_target(t, i, (a + sin(12 * a) * c / 2 - b + cos(15 * b) + c) / 5);
	}
	t->limits.min_samples_leaf = 5;
	for (int constrained = 0; constrained < 2; constrained++)
		for (int depthwise = 0; depthwise < 2; depthwise++)
		{
			t->limits.monotone = constrained ? monotone : NULL;
			t->limits.depthwise = depthwise;
			tree = grow(ctx, t, 0, NULL, NULL);
			CHECK(tree->leaves == 31);
			count_moves(ctx, t, tree, 0, &down, &up);
			CHECK(up > 0 && (down == 0) == constrained);
			count_moves(ctx, t, tree, 1, &down, &up);
			CHECK(down > 0 && (up == 0) == constrained);
			count_moves(ctx, t, tree, 2, &down, &up);
			CHECK(up > 0);
		}
	/* where the only gain is against the direction there is no split */
	t->limits.monotone = (const int8_t[]) {0, 1, 0, 0};
	for (size_t i = 0; i < 2000; i++)
		set_target(t, i, -t->x[2000 + i]);
	tree = grow(ctx, t, 0, NULL, NULL);
	for (int i = 0; i < tree->count; i++)
		CHECK(tree->nodes[i].feature != 1);
}

/* The columns on the ways from the root to the leaves, as bits; all that occur are noted in seen. */
static void
collect_ways(const MlTree *tree, int at, uint64_t way, uint64_t *seen, int *count)
{
	const MlTreeNode *node = &tree->nodes[at];

	if (node->feature < 0)
	{
		seen[(*count)++] = way;
		return;
	}
	way |= UINT64_C(1) << node->feature;
	collect_ways(tree, node->left, way, seen, count);
	collect_ways(tree, node->right, way, seen, count);
}

static void
test_interactions(MlContext *ctx)
{
	/* 0 1 2 together, 2 3 together, 4 alone by its set, 5 in none */
	static const uint64_t sets[] = {7, 12, 16};
	Table	   *t = make_table(ctx, 4000, 6, 5);
	uint64_t	ways[64];
	int			count;

	for (size_t i = 0; i < 4000; i++)
	{
		double		y = 0;

		for (size_t j = 0; j < 6; j++)
			y += (t->x[j * 4000 + i] - 0.5) * (t->x[(j + 1) % 6 * 4000 + i] + 0.5);
		/* 0 and 3 would meet below 2, which each of them may meet */
		set_target(t, i, y / 8 + (t->x[i] + t->x[2 * 4000 + i] + t->x[3 * 4000 + i] - 1.5) / 8);
	}
	t->limits.min_samples_leaf = 20;
	for (int constrained = 0; constrained < 2; constrained++)
	{
		int			wrong = 0;
		uint64_t	all = 0;

		t->limits.interaction_sets = constrained ? 3 : 0;
		t->limits.interactions = sets;
		count = 0;
		collect_ways(grow(ctx, t, 0, NULL, NULL), 0, 0, ways, &count);
		CHECK(count == 31);
		for (int i = 0; i < count; i++)
		{
			wrong += (ways[i] & ~sets[0]) != 0 && (ways[i] & ~sets[1]) != 0 && ways[i] != 16 && ways[i] != 32;
			all |= ways[i];
		}
		CHECK((wrong == 0) == constrained);
		CHECK(constrained || all == 63);
	}
	/* a column without a set at the root: alone below */
	t->limits.interaction_sets = 1;
	for (size_t i = 0; i < 4000; i++)
		set_target(t, i, (t->x[5 * 4000 + i] - 0.5) + (t->x[i] - 0.5) / 10);
	count = 0;
	collect_ways(grow(ctx, t, 0, NULL, NULL), 0, 0, ways, &count);
	for (int i = 0; i < count; i++)
		CHECK(ways[i] == 32);
	CHECK(count == 31);
}

/* ---------------------------------------------------------------- growth */

static int
depth_of(const MlTree *tree, int at)
{
	const MlTreeNode *node = &tree->nodes[at];
	int			left;
	int			right;

	if (node->feature < 0)
		return 0;
	left = depth_of(tree, node->left);
	right = depth_of(tree, node->right);
	return 1 + (left > right ? left : right);
}

/* What gains lies deeper and deeper on one side: level by level all is split evenly all the same. */
static void
test_depthwise(MlContext *ctx)
{
	Table	   *t = make_table(ctx, 4096, 1, 6);
	MlTree	   *tree;

	for (size_t i = 0; i < 4096; i++)
		set_target(t, i, floor(-log2(t->x[i] + 1e-4)) / 16);
	t->limits.max_leaf_nodes = 8;
	CHECK(depth_of(grow(ctx, t, 0, NULL, NULL), 0) > 3);
	t->limits.depthwise = true;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK(tree->leaves == 8 && depth_of(tree, 0) == 3);
	check_nodes(ctx, t, tree, NULL);
	/* a level that does not fit whole has the splits that gain most */
	t->limits.max_leaf_nodes = 6;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK(tree->leaves == 6 && depth_of(tree, 0) == 3);
	for (int i = 3; i < 7; i++)
		for (int k = 3; k < 7; k++)
			if (tree->nodes[i].feature >= 0 && tree->nodes[k].feature < 0)
				CHECK(tree->nodes[k].cover > 1);
	t->limits.max_leaf_nodes = 31;
	t->limits.max_depth = 3;
	CHECK(grow(ctx, t, 0, NULL, NULL)->leaves == 8);
	t->limits.depthwise = false;
	CHECK(depth_of(grow(ctx, t, 0, NULL, NULL), 0) == 3);
}

/* ---------------------------------------------------------------- chance */

/* With one column a leaf every column has its turn, and the seed says which. */
static void
test_colsample(MlContext *ctx)
{
	Table	   *t = mixed_table(ctx, 3000, 8, 7);
	MlTree	   *all = grow(ctx, t, 1, NULL, NULL);
	MlTree	   *one;
	int			columns[8] = {0};

	t->limits.colsample_bynode = 1;
	CHECK(same_tree(all, grow(ctx, t, 2, NULL, NULL)));
	t->limits.colsample_bynode = 0.1;
	one = grow(ctx, t, 1, NULL, NULL);
	CHECK(same_tree(one, grow(ctx, t, 1, NULL, NULL)));
	CHECK(!same_tree(one, grow(ctx, t, 2, NULL, NULL)));
	for (uint64_t seed = 0; seed < 400; seed++)
	{
		t->limits.max_leaf_nodes = 2;
		one = grow(ctx, t, seed, NULL, NULL);
		CHECK(one->leaves == 2 && one->nodes[0].gain <= all->nodes[0].gain);
		columns[one->nodes[0].feature]++;
	}
	for (int j = 0; j < 8; j++)
		CHECK(columns[j] > 20 && columns[j] < 90);
}

/* One threshold by chance a column: any that has rows on both sides, never better than the best. */
static void
test_extra(MlContext *ctx)
{
	Table	   *t = make_table(ctx, 500, 1, 8);
	double		best;
	int			low = 0;
	int			high = 0;

	for (size_t i = 0; i < 500; i++)
		set_target(t, i, t->x[i] > 0.5 ? 0.5 : -0.5);
	t->limits.max_leaf_nodes = 2;
	best = grow(ctx, t, 0, NULL, NULL)->nodes[0].gain;
	t->limits.extra_random = true;
	for (uint64_t seed = 0; seed < 200; seed++)
	{
		MlTree	   *tree = grow(ctx, t, seed, NULL, NULL);

		CHECK(tree->leaves == 2 && tree->nodes[0].gain <= best);
		low += tree->nodes[0].threshold < 0.25;
		high += tree->nodes[0].threshold > 0.75;
		CHECK(same_tree(tree, grow(ctx, t, seed, NULL, NULL)));
	}
	CHECK(low > 20 && low < 80 && high > 20 && high < 80);
	/* all kinds of columns, with rows that lack values */
	t = mixed_table(ctx, 3000, 6, 9);
	t->limits.extra_random = true;
	t->limits.max_cat_to_onehot = 3;
	CHECK(grow(ctx, t, 0, NULL, NULL)->leaves == 31);
	/* what is missing against the one value that there is */
	t = make_table(ctx, 100, 1, 1);
	for (size_t i = 0; i < 100; i++)
	{
		t->x[i] = i % 3 == 0 ? NAN : 1;
		set_target(t, i, i % 3 == 0 ? 1 : 0);
	}
	t->limits.extra_random = true;
	CHECK(grow(ctx, t, 0, NULL, NULL)->leaves == 2);
}

/* What is missing against all values, those beyond what training saw, too; a column of nothing but missing ones. */
static void
test_missing(MlContext *ctx)
{
	Table	   *t = make_table(ctx, 300, 2, 1);
	MlTree	   *tree;

	for (size_t i = 0; i < 300; i++)
	{
		t->x[i] = NAN;
		if (i % 3 == 0)
			t->x[300 + i] = NAN;
		set_target(t, i, i % 3 == 0 ? 1 : 0);
	}
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK(tree->leaves == 2 && tree->nodes[0].feature == 1 && !tree->nodes[0].missing_left);
	CHECK(tree->nodes[0].threshold >= 1e300);
	check_nodes(ctx, t, tree, NULL);
	/* no value at all to split by */
	for (size_t i = 0; i < 300; i++)
		t->x[300 + i] = i % 3 == 0 ? NAN : 1;
	t->bins = NULL;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK(tree->leaves == 2 && tree->nodes[0].feature == 1);
	for (size_t i = 0; i < 300; i++)
		t->x[300 + i] = NAN;
	t->bins = NULL;
	CHECK(grow(ctx, t, 0, NULL, NULL)->leaves == 1);
}

/* ---------------------------------------------------------------- values */

/* Four rows of -0.5, four of 1: values by hand. */
static void
test_values(MlContext *ctx)
{
	Table	   *t = make_table(ctx, 8, 1, 0);
	MlTree	   *tree;

	for (size_t i = 0; i < 8; i++)
	{
		t->x[i] = (double) i;
		set_target(t, i, i < 4 ? -0.5 : 1);
	}
	t->limits.max_leaf_nodes = 2;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK_NEAR(tree->nodes[0].value, 0.25, 1e-5);
	CHECK_NEAR(tree->nodes[1].value, -0.5, 1e-5);
	CHECK_NEAR(tree->nodes[2].value, 1, 1e-5);
	CHECK_NEAR(tree->nodes[0].gain, 4 * 0.25 + 4 - 8 * 0.0625, 1e-5);
	t->limits.max_delta_step = 0.75;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK_NEAR(tree->nodes[1].value, -0.5, 1e-5);
	CHECK_NEAR(tree->nodes[2].value, 0.75, 1e-5);
	/* 2 G w - H w^2 of the right side: 2 * 4 * 0.75 - 4 * 0.75^2 */
	CHECK_NEAR(tree->nodes[0].gain, 4 * 0.25 + 3.75 - 8 * 0.0625, 1e-5);
	/* four rows count as much as twelve of the parent, whose own parent says nothing */
	t->limits.max_delta_step = 0;
	t->limits.path_smooth = 12;
	tree = grow(ctx, t, 0, NULL, NULL);
	CHECK_NEAR(tree->nodes[0].value, 0.25 * 8 / 20, 1e-5);
	CHECK_NEAR(tree->nodes[2].value, (1 * 4 + 0.1 * 12) / 16, 1e-5);
	CHECK_NEAR(tree->nodes[1].value, (-0.5 * 4 + 0.1 * 12) / 16, 1e-5);
}

/* ---------------------------------------------------------------- rows */

/* What a tree adds to its own rows, to all rows, and to rows binned apart is what its leaves say. */
static void
test_add(MlContext *ctx)
{
	size_t		n = 20000;
	Table	   *t = mixed_table(ctx, n, 7, 11);
	double	   *by_leaf = ml_alloc_array_zero(ctx, n, sizeof(double));
	double	   *by_walk = ml_alloc_array_zero(ctx, n, sizeof(double));
	double	   *apart = ml_alloc_array_zero(ctx, n, sizeof(double));
	bool	   *keep = ml_alloc_array(ctx, n, sizeof(bool));
	MlTree	   *tree;
	MlBins	   *like;
	size_t		wrong = 0;

	for (size_t i = 0; i < n; i++)
		keep[i] = ml_mix64(i + 5) % 4 > 0;
	t->limits.max_leaf_nodes = 101;
	tree = grow(ctx, t, 0, keep, by_leaf);
	check_nodes(ctx, t, tree, keep);
	like = ml_bins_like(ctx, t->bins, &t->design);
	ml_tree_walk(ctx, t->bins, tree, 1, by_walk);
	ml_tree_walk(ctx, like, tree, 2, apart);
	for (size_t i = 0; i < n; i++)
	{
		double		value = leaf_of(t, tree, i)->value;

		wrong += by_leaf[i] != (keep[i] ? value : 0) || by_walk[i] != value || apart[i] != 2 * value;
	}
	CHECK(wrong == 0);
	/* other rows, some without weight: values beyond all edges, levels that came never */
	for (size_t i = 0; i < n; i++)
		t->x[i] = 3 * t->x[i] - 1;
	t->weight = ml_alloc_array(ctx, n, sizeof(double));
	for (size_t i = 0; i < n; i++)
		t->weight[i] = (double) (i % 3);
	t->design.weight = t->weight;
	like = ml_bins_like(ctx, t->bins, &t->design);
	CHECK(like->rows == n - (n + 2) / 3);
	memset(apart, 0, n * sizeof(double));
	ml_tree_walk(ctx, like, tree, 1, apart);
	for (size_t i = 0, row = 0; i < n; i++)
		if (t->weight[i] > 0)
			wrong += apart[row++] != leaf_of(t, tree, i)->value;
	CHECK(wrong == 0);
}

/* ---------------------------------------------------------------- many levels */

/*
 * Numbers among categories of more levels than a byte tells apart, with missing values: column 1 and column 3, of which
 * most levels are rare.
 */
static Table *
broad_table(MlContext *ctx, size_t n, uint64_t seed)
{
	Table	   *t = make_table(ctx, n, 5, seed);
	MlRandom	random;

	ml_random_seed(&random, seed + 1);
	t->levels[1] = 2000;
	t->levels[3] = 12000;
	t->levels[4] = 255;
	for (size_t i = 0; i < n; i++)
	{
		double		y = 2 * ml_random_double(&random) - 1 + t->x[i] + sin(9 * t->x[2 * n + i]);

		t->x[n + i] = floor(t->x[n + i] * 2000);
		t->x[3 * n + i] = floor(pow(t->x[3 * n + i], 4) * 12000);
		t->x[4 * n + i] = floor(t->x[4 * n + i] * 255);
		y += sin(t->x[n + i] * 7) + sin(t->x[3 * n + i]) + sin(t->x[4 * n + i]) / 2;
		if (ml_random_below(&random, 20) == 0)
			t->x[n + i] = NAN;
		if (ml_random_below(&random, 30) == 0)
			t->x[3 * n + i] = NAN;
		set_target(t, i, y / 6);
		t->h[i] = 1 + (int64_t) ml_random_below(&random, ML_TREE_HESSIAN_MAX);
	}
	t->limits.max_cat_threshold = 10000;
	return t;
}

/* A level's sums. */
typedef struct Pile
{
	Count		count;
	int			rows;
} Pile;

static int
by_mean(const void *pa, const void *pb)
{
	const Pile *a = pa;
	const Pile *b = pb;
	double		x = a->rows > 0 ? a->count.g / a->count.h : INFINITY;
	double		y = b->rows > 0 ? b->count.g / b->count.h : INFINITY;

	return (x > y) - (x < y);
}

/* The best gain of a category by any set of levels: of the levels in the order of their means, a part from the front. */
static double
best_broad(MlContext *ctx, const Table *t, int column)
{
	int			levels = t->levels[column] + 1;
	Pile	   *piles = ml_alloc_array_zero(ctx, (size_t) levels, sizeof(Pile));
	Count		left = {0};
	Count		all = {0};
	double		best = 0;

	for (size_t i = 0; i < t->design.rows; i++)
	{
		double		x = t->x[(size_t) column * t->design.rows + i];
		Pile	   *pile = &piles[isnan(x) ? levels - 1 : (int) x];

		pile->rows++;
		pile->count.g += (double) t->g[i] / ML_TREE_GRADIENT_MAX;
		pile->count.h += (double) t->h[i] / ML_TREE_HESSIAN_MAX;
	}
	for (int level = 0; level < levels; level++)
	{
		all.g += piles[level].count.g;
		all.h += piles[level].count.h;
	}
	qsort(piles, (size_t) levels, sizeof(Pile), by_mean);
	for (int level = 0; level + 1 < levels && piles[level + 1].rows > 0; level++)
	{
		left.g += piles[level].count.g;
		left.h += piles[level].count.h;
		best = fmax(best, gain_of(left, all, t->limits.l2));
	}
	return best;
}

/* Columns of more levels than a byte tells apart: the best set of all, and trees that say what their rows say. */
static void
test_broad(MlContext *ctx)
{
	size_t		n = 30000;
	Table	   *t = broad_table(ctx, n, 21);
	double	   *by_leaf = ml_alloc_array_zero(ctx, n, sizeof(double));
	double	   *by_walk = ml_alloc_array_zero(ctx, n, sizeof(double));
	double	   *apart = ml_alloc_array_zero(ctx, n, sizeof(double));
	int			splits[5] = {0};
	MlTree	   *tree;
	size_t		wrong = 0;

	for (int column = 1; column < 4; column += 2)
	{
		Table		one = *t;

		one.limits.max_leaf_nodes = 2;
		one.design.source = one.x = t->x + (size_t) column * n;
		one.design.columns = 1;
		one.design.levels = t->levels + column;
		one.bins = ml_bins_create(ctx, &one.design, 255, ML_TREE_MAX_LEVELS, 1);
		CHECK(one.bins->column[0].nbins == t->levels[column] && one.bins->narrow == 0);
		CHECK_NEAR(grow(ctx, &one, 0, NULL, NULL)->nodes[0].gain, best_broad(ctx, t, column), 1e-9);
	}
	for (int rare = 0; rare < 2; rare++)
	{
		t->limits.max_leaf_nodes = 150;
		t->limits.min_samples_leaf = 5;
		t->limits.max_cat_threshold = rare ? 40 : 10000;
		memset(by_leaf, 0, n * sizeof(double));
		memset(by_walk, 0, n * sizeof(double));
		tree = grow(ctx, t, 0, NULL, by_leaf);
		CHECK(tree->leaves == 150 && t->bins->narrow == 3);
		check_nodes(ctx, t, tree, NULL);
		ml_tree_walk(ctx, t->bins, tree, 1, by_walk);
		memset(apart, 0, n * sizeof(double));
		ml_tree_walk(ctx, ml_bins_like(ctx, t->bins, &t->design), tree, 2, apart);
		for (size_t i = 0; i < n; i++)
		{
			double		value = leaf_of(t, tree, i)->value;

			wrong += by_leaf[i] != value || by_walk[i] != value || apart[i] != 2 * value;
		}
		for (int i = 0; i < tree->count; i++)
			if (tree->nodes[i].feature >= 0)
				splits[tree->nodes[i].feature]++;
	}
	CHECK(wrong == 0);
	for (int j = 0; j < 5; j++)
		CHECK(splits[j] > 0);
	for (int threads = 2; threads <= 8; threads *= 4)
	{
		MlContext  *other = unit_context(threads);
		Table		copy = *t;

		copy.bins = NULL;
		CHECK(same_tree(tree, grow(other, &copy, 0, NULL, NULL)));
	}
}

/* More levels than there are bins for: the rarest count as missing. */
static void
test_most_levels(MlContext *ctx)
{
	Table	   *t = broad_table(ctx, 30000, 22);
	const MlBins *bins = ml_bins_create(ctx, &t->design, 255, 300, 1);
	const double *x = t->x + 30000;
	int		   *rows = ml_alloc_array_zero(ctx, 2000, sizeof(int));
	int			least = 30000;
	int			most = 0;

	for (size_t i = 0; i < 30000; i++)
		if (!isnan(x[i]))
			rows[(int) x[i]]++;
	for (int level = 0; level < 2000; level++)
		if (bins->column[1].level_bins[level] < 300)
			least = rows[level] < least ? rows[level] : least;
		else
			most = rows[level] > most ? rows[level] : most;
	CHECK(bins->column[1].nbins == 300 && least >= most && most > 0);
	for (size_t i = 0; i < 30000; i++)
		CHECK(ml_bins_get(bins, 1, i) == (isnan(x[i]) ? 300 : bins->column[1].level_bins[(int) x[i]]));
}

/* ---------------------------------------------------------------- rows by blocks, and threads */

/* So many rows that scores are added block by block, to leaves that were about to be split, too. */
static void
test_add_blocks(MlContext *ctx)
{
	size_t		n = 80000;
	Table	   *t = make_table(ctx, n, 5, 13);
	size_t		wrong = 0;

	/* one half always gains more than the other, which has something to gain, too, but never has its turn */
	for (size_t i = 0; i < n; i++)
	{
		double		y = ml_mix64(i) & 1 ? 0.8 : -0.8;

		set_target(t, i, t->x[i] < 0.5 ? 0.2 + y : y / 100);
	}
	for (int leaves = 6; leaves < 32; leaves += 5)
	{
		double	   *add = ml_alloc_array_zero(ctx, n, sizeof(double));
		MlTree	   *tree;

		t->limits.max_leaf_nodes = leaves;
		tree = grow(ctx, t, 0, NULL, add);
		for (size_t i = 0; i < n; i++)
			wrong += add[i] != leaf_of(t, tree, i)->value;
	}
	CHECK(wrong == 0);
}

/* The same tree, gains and all, on any number of threads, with everything that chance and limits may do. */
static void
test_threads(MlContext *ctx)
{
	static const int8_t monotone[40] = {1, 0, 0, 0, -1};
	static const uint64_t sets[] = {0xffff, 0xffffffff0f};
	size_t		n = 90000;
	Table	   *t = mixed_table(ctx, n, 40, 12);
	bool	   *keep = ml_alloc_array(ctx, n, sizeof(bool));
	MlTree	   *plain;
	MlTree	   *rich;
	MlTreeLimits limits;

	for (size_t i = 0; i < n; i++)
		keep[i] = ml_mix64(i) % 5 > 0;
	plain = grow(ctx, t, 1, NULL, NULL);
	limits = t->limits;
	t->limits.monotone = monotone;
	t->limits.interaction_sets = 2;
	t->limits.interactions = sets;
	t->limits.colsample_bynode = 0.5;
	t->limits.path_smooth = 1;
	t->limits.extra_random = true;
	t->limits.depthwise = true;
	t->limits.min_samples_leaf = 3;
	rich = grow(ctx, t, 1, keep, NULL);
	CHECK(!same_tree(plain, rich) && rich->leaves == 31);
	for (int threads = 2; threads <= 8; threads *= 2)
	{
		MlContext  *other = unit_context(threads);
		Table		copy = *t;

		copy.bins = NULL;
		CHECK(same_tree(rich, grow(other, &copy, 1, keep, NULL)));
		copy.limits = limits;
		CHECK(same_tree(plain, grow(other, &copy, 1, NULL, NULL)));
	}
}

UNIT_MAIN(test_nodes, test_many_columns, test_first_split, test_monotone, test_interactions, test_depthwise,
		  test_colsample, test_extra, test_missing, test_values, test_add, test_broad, test_most_levels,
		  test_add_blocks, test_threads)
