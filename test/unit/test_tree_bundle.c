/*
 * Bundles of sparse columns: what their bytes say, when there are none, and the same trees, bit by bit, as without.
 */
#include "unit.h"

#include "base/random.h"
#include "learn/tree.h"

#define COLUMNS_MOST 300

typedef double (*ValueOf) (size_t row, int column);

static int	levels[COLUMNS_MOST];

/* Values are made up as they are read. */
static void
read_values(const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx)
{
	ValueOf		value_of = *(const ValueOf *) design->source;

	for (int j = 0; j < design->columns; j++)
		for (size_t i = 0; i < n; i++)
			x[(size_t) j * ldx + i] = value_of(begin + i, j);
}

static MlDesign
make_design(const ValueOf *value_of, size_t rows, int columns)
{
	memset(levels, 0, sizeof levels);
	return (MlDesign) {
		.rows = rows,.columns = columns,.task = ML_TASK_REGRESSION,.levels = levels,.read = read_values,.source = value_of
	};
}

/* A number from 0 to n - 1 that row and what decide. */
static uint64_t
chance(size_t row, uint64_t what, uint64_t n)
{
	return ml_mix64(row * 1000 + what) % n;
}

/* Every column is in one track; bundles have two columns at least, and codes for a byte. */
static void
check_tracks(const MlBins *bins)
{
	int			members = 0;

	for (int k = 0; k < bins->tracks; k++)
	{
		const MlBinTrack *track = &bins->track[k];

		CHECK(track->first == members && track->codes <= 256 && (track->codes > 0) == (track->count > 1));
		for (int i = track->first; i < track->first + track->count; i++)
			CHECK(bins->track_of[bins->member[i]] == k);
		members += track->count;
	}
	CHECK(members == bins->columns);
}

/* Every row's byte says the bin that the column had before. */
static void
check_bytes(const MlBins *plain, const MlBins *bins)
{
	size_t		wrong = 0;

	check_tracks(bins);
	for (int j = 0; j < bins->columns; j++)
	{
		const MlBinGroup *group = &bins->group[bins->group_of[bins->track_of[j]]];
		const uint8_t *bytes = ml_bins_bytes(bins, bins->track_of[j]);
		uint8_t		bins_by_byte[256];

		for (int bin = 0; bin < 256; bin++)
			bins_by_byte[bin] = (uint8_t) bin;
		ml_bins_mark_bytes(bins, j, bins_by_byte);
		for (size_t row = 0; row < bins->rows && bins->track_of[j] >= bins->narrow; row++)
			wrong += ml_bins_code(bytes + 2 * row) != (unsigned) ml_bins_get(plain, j, row);
		for (size_t row = 0; row < bins->rows && bins->track_of[j] < bins->narrow; row++)
		{
			uint8_t		byte = bytes[row * (size_t) group->count];

			wrong += bins_by_byte[byte] != ml_bins_get(plain, j, row);
			if (bins->by_track != NULL)
				wrong += byte != bins->by_track[(size_t) bins->track_of[j] * bins->rows + row];
		}
	}
	CHECK(wrong == 0);
}

/* ---------------------------------------------------------------- what is bundled */

/*
 * Columns 0 .. 59 are codes of six texts of ten levels, and 60 .. 79 counts, of which a row has one at most; 80 .. 89
 * are mostly missing, 90 .. 95 categories that are mostly at level 2; 96 never varies; 97 .. 102 are dense; 103 is a
 * category of 900 levels, mostly at level 5.
 */
static double
mixed_value(size_t row, int column)
{
	if (column < 60)
		return chance(row, (uint64_t) column / 10, 10) == (uint64_t) column % 10;
	if (column < 80)
		return chance(row, 6, 40) == (uint64_t) column ? NAN : chance(row, 7, 25) == (uint64_t) column - 60 ?
			1 + (double) chance(row, 8, 30) : 0;
	if (column < 90)
		return chance(row, 9, 20) == (uint64_t) column - 80 ? (double) chance(row, 10, 5) : NAN;
	if (column < 96)
		return chance(row, 11, 30) == (uint64_t) column - 90 ? (double) chance(row, 12, 6) : 2;
	if (column == 103)
		return chance(row, 13, 9) == 0 ? NAN : chance(row, 14, 3) == 0 ? (double) chance(row, 15, 900) : 5;
	return column == 96 ? 7 : (double) chance(row, (uint64_t) column, 1000) / (1 + (double) (column % 3));
}

static const ValueOf mixed = mixed_value;

static MlDesign
mixed_design(size_t rows)
{
	MlDesign	design = make_design(&mixed, rows, 104);

	for (int j = 90; j < 96; j++)
		levels[j] = 6;
	levels[103] = 900;
	return design;
}

static void
test_mixed(MlContext *ctx)
{
	for (size_t rows = 1; rows < 40000; rows = 3 * rows + 8)
	{
		MlDesign	design = mixed_design(rows);
		MlBins	   *bins = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
		MlBins	   *plain = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);

		CHECK(bins->tracks == 104 && bins->narrow == 103);
		ml_bins_bundle(ctx, bins);
		check_bytes(plain, bins);
		CHECK(rows < 100 || (bins->tracks > 6 + 6 && bins->tracks < 30));
		CHECK(bins->track_of[103] == bins->tracks - 1 && bins->narrow == bins->tracks - 1);
		CHECK(bins->total == plain->total);
	}
}

/* Uniform numbers; the first half of the columns is mostly zero, but without regard to one another. */
static double
dense_value(size_t row, int column)
{
	return column < 50 && chance(row, (uint64_t) column, 12) > 0 ? 0 : (double) chance(row, (uint64_t) column + 100, 1000);
}

static const ValueOf dense = dense_value;

/* Nothing is bundled where columns meet, and where too few are sparse. */
static void
test_none(MlContext *ctx)
{
	MlDesign	design = make_design(&dense, 20000, 100);
	MlBins	   *bins = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
	const uint8_t *bytes = bins->group[0].bytes;

	ml_bins_bundle(ctx, bins);
	CHECK(bins->tracks == 100 && bins->usual == NULL && bins->group[0].bytes == bytes);
	check_tracks(bins);
}

/* Ten columns of a hundred values each: a byte has codes for two of them. */
static double
counts_value(size_t row, int column)
{
	return row % 10 == (size_t) column ? 1 + (double) chance(row, 1, 100) : 0;
}

static const ValueOf counts = counts_value;

static void
test_codes(MlContext *ctx)
{
	MlDesign	design = make_design(&counts, 50000, 10);
	MlBins	   *bins = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
	MlBins	   *plain = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);

	ml_bins_bundle(ctx, bins);
	check_bytes(plain, bins);
	CHECK(bins->tracks == 5);
	/* fewer bins, more columns a byte */
	bins = ml_bins_create(ctx, &design, 26, ML_TREE_MAX_LEVELS, 1);
	plain = ml_bins_create(ctx, &design, 26, ML_TREE_MAX_LEVELS, 1);
	ml_bins_bundle(ctx, bins);
	check_bytes(plain, bins);
	CHECK(bins->tracks == 1);
}

#define RARE_ROWS 150000
#define RARE_COLUMNS 240

/*
 * So many rows that not all are looked at before bundles are made.  Of each pair of columns one row has both; columns
 * are missing in one row each.
 */
static double
rare_value(size_t row, int column)
{
	size_t		pair = (size_t) column / 2;

	if (row == 1111 * pair + 17)
		return 1;
	if (row == 557 * (size_t) column + 3)
		return NAN;
	return row % 1000 == (size_t) column;
}

static const ValueOf rare = rare_value;

static void
test_rare(MlContext *ctx)
{
	MlDesign	design = make_design(&rare, RARE_ROWS, RARE_COLUMNS);
	MlBins	   *bins = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
	MlBins	   *plain = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);

	ml_bins_bundle(ctx, bins);
	check_bytes(plain, bins);
	CHECK(bins->tracks < RARE_COLUMNS / 4);
	for (int j = 0; j < RARE_COLUMNS; j += 2)
		CHECK(bins->track_of[j] != bins->track_of[j + 1]);
}

/* Bytes that a design has already stay as they are, also where some rows have no weight. */
static void
test_borrowed(MlContext *ctx)
{
	size_t		rows = 5000;
	MlDesign	design = mixed_design(rows);
	MlBins	   *own = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
	MlBins	   *bins;
	MlBins	   *plain;
	double	   *weight = ml_alloc_array(ctx, rows, sizeof(double));

	design.bins = own;
	for (int weighed = 0; weighed < 2; weighed++)
	{
		bins = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
		plain = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
		CHECK(bins->borrowed == !weighed);
		ml_bins_bundle(ctx, bins);
		CHECK(bins->tracks < 30 && !bins->borrowed && own->tracks == 104 && bins->column == own->column);
		check_bytes(plain, bins);
		for (size_t i = 0; i < rows; i++)
			weight[i] = (double) (i % 4);
		design.weight = weight;
	}
	/* rows of another design, which need not be exclusive */
	plain = ml_bins_like(ctx, bins, &design);
	CHECK(plain->rows == bins->rows && plain->tracks == 104 && plain->usual == NULL);
}

/* ---------------------------------------------------------------- trees */

typedef struct Grown
{
	MlTree		tree;
	double	   *leaf;			/* what it says of the rows it was grown from */
	double	   *walked;			/* and of all */
} Grown;

/* A tree over the rows that keep says (NULL = all). */
static Grown
grow(MlContext *ctx, const MlBins *bins, const MlTreeLimits *limits, const double *weight, const bool *keep)
{
	Grown		grown = {.leaf = ml_alloc_array_zero(ctx, bins->rows, sizeof(double))};
	MlGrower   *grower = ml_grower_create(ctx, bins, limits, weight);
	size_t		n = 0;

	grown.walked = ml_alloc_array_zero(ctx, bins->rows, sizeof(double));
	grown.tree.nodes = ml_alloc_array(ctx, 2 * (size_t) limits->max_leaf_nodes + 4, sizeof(MlTreeNode));
	ml_grower_seed(grower, 3);
	for (size_t i = 0; i < bins->rows; i++)
		if (keep == NULL || keep[i])
		{
			double		y = (mixed_value(i, 3) - mixed_value(i, 41)) / 4 + (isnan(mixed_value(i, 85)) ? 0 : 0.2) +
				(isnan(mixed_value(i, 62)) ? 0.2 : mixed_value(i, 62) / 100) + mixed_value(i, 91) / 30 +
				mixed_value(i, 99) / 5000 + (double) chance(i, 50, 100) / 500;

			ml_grower_rows(grower)[n] = (uint32_t) i;
			ml_grower_packed(grower)[n++] = ml_tree_pack((int64_t) ((y - 0.5) * ML_TREE_GRADIENT_MAX),
														 1 + (int64_t) chance(i, 51, ML_TREE_HESSIAN_MAX));
		}
	ml_grower_grow(grower, n, 1.0 / ML_TREE_GRADIENT_MAX, 1.0 / ML_TREE_HESSIAN_MAX, NULL, &grown.tree);
	ml_grower_add(grower, &grown.tree, 1, grown.leaf);
	ml_grower_walk(grower, &grown.tree, 1, grown.walked);
	return grown;
}

static bool
same_grown(const Grown *a, const Grown *b, size_t rows)
{
	bool		same = a->tree.count == b->tree.count && a->tree.set_words == b->tree.set_words;

	for (int i = 0; i < a->tree.count && same; i++)
	{
		const MlTreeNode *x = &a->tree.nodes[i];
		const MlTreeNode *y = &b->tree.nodes[i];

		same = x->feature == y->feature && x->left == y->left && x->right == y->right && x->bin == y->bin &&
			x->set == y->set && x->missing_left == y->missing_left && x->threshold == y->threshold &&
			x->value == y->value && x->gain == y->gain && x->cover == y->cover;
	}
	return same && (a->tree.set_words == 0 || memcmp(a->tree.sets, b->tree.sets, a->tree.set_words * 4) == 0) &&
		memcmp(a->leaf, b->leaf, rows * sizeof(double)) == 0 && memcmp(a->walked, b->walked, rows * sizeof(double)) == 0;
}

/* Does a tree split on a column of these? */
static bool
splits_on(const MlTree *tree, int first, int last)
{
	for (int i = 0; i < tree->count; i++)
		if (tree->nodes[i].feature >= first && tree->nodes[i].feature <= last)
			return true;
	return false;
}

/* The same tree with and without bundles, whatever the limits, the rows and the threads. */
static void
test_same_trees(MlContext *ctx)
{
	static const int8_t monotone[103] = {[3] = 1,[41] = -1,[62] = 1,[99] = -1};
	static const uint64_t sets[] = {0x0fffffffffffffff, 0, 0xf000000000000000, 0x7fffffffff};
	static const MlTreeLimits limits[] = {
		{.max_leaf_nodes = 31,.cat_smooth = 1,.max_cat_to_onehot = 4,.max_cat_threshold = 32},
		{.max_leaf_nodes = 200,.min_samples_leaf = 5,.l1 = 0.1,.l2 = 2,.max_cat_to_onehot = 8,.depthwise = true},
		{.max_leaf_nodes = 63,.max_cat_to_onehot = 4,.max_cat_threshold = 8,.extra_random = true,
		.colsample_bynode = 0.4,.path_smooth = 2},
		{.max_leaf_nodes = 31,.max_cat_to_onehot = 4,.max_cat_threshold = 8,.monotone = monotone,.interaction_sets = 2,
		.interactions = sets,.max_delta_step = 0.3},
	};
	size_t		rows = 30000;
	MlDesign	design = mixed_design(rows);
	bool	   *keep = ml_alloc_array(ctx, rows, sizeof(bool));
	double	   *weight = ml_alloc_array(ctx, rows, sizeof(double));

	for (size_t i = 0; i < rows; i++)
	{
		keep[i] = chance(i, 60, 3) > 0;
		weight[i] = 1 + (double) chance(i, 61, 3);
	}
	for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++)
	{
		MlBins	   *plain = ml_bins_create(ctx, &design, 255, ML_TREE_MAX_LEVELS, 1);
		Grown		all = grow(ctx, plain, &limits[l], NULL, NULL);
		Grown		some = grow(ctx, plain, &limits[l], weight, keep);

		CHECK(all.tree.leaves == limits[l].max_leaf_nodes);
		CHECK(splits_on(&all.tree, 0, 95) && splits_on(&some.tree, 0, 95));
		for (int threads = 1; threads <= 8; threads *= 8)
		{
			MlContext  *other = unit_context(threads);
			MlBins	   *bins = ml_bins_create(other, &design, 255, ML_TREE_MAX_LEVELS, 1);
			Grown		again;

			ml_bins_bundle(other, bins);
			CHECK(bins->tracks < 30);
			again = grow(other, bins, &limits[l], NULL, NULL);
			CHECK(same_grown(&all, &again, rows));
			again = grow(other, bins, &limits[l], weight, keep);
			CHECK(same_grown(&some, &again, rows));
		}
	}
}

UNIT_MAIN(test_mixed, test_none, test_codes, test_rare, test_borrowed, test_same_trees)
