/*
 * Explanations: contributions and interactions of made-up trees against Shapley's sum over all subsets, additivity for
 * every algorithm that can be explained, linear models by hand, importances and dependence.
 */
#include "unit.h"

#include "base/threads.h"
#include "explain/explain_internal.h"
#include "explain/options.h"
#include "learn/learners.h"
#include "sample.h"

#define COLUMNS 6				/* of made-up trees; columns 4 and 5 share a slot, column 2 is a category */
#define SLOTS 5
#define LEVELS 5
#define LARGEST 64				/* nodes of a made-up tree */

/* ---------------------------------------------------------------- made-up trees */

typedef struct Made
{
	MlForest	forest;
	MlEnsemble	ensemble;
	int32_t		tree_begin[16];
	int32_t		feature[16 * LARGEST];
	int32_t		left[16 * LARGEST];
	uint8_t		missing_left[2 * LARGEST];
	double		threshold[16 * LARGEST];
	double		value[3 * 16 * LARGEST];
	float		gain[16 * LARGEST];
	float		cover[16 * LARGEST];
	uint32_t	sets[16 * LARGEST];
	double		base[3];
} Made;

static const int made_levels[COLUMNS] = {0, 0, LEVELS, 0, 0, 0};
static const int made_slot[COLUMNS] = {0, 1, 2, 3, 4, 4};

/* Grow a subtree at a node by chance. */
static void
grow(Made *m, MlRandom *random, size_t node, size_t *next, size_t end, int depth, double cover)
{
	double		share = 0.05 + 0.9 * ml_random_double(random);

	m->cover[node] = (float) cover;
	m->feature[node] = m->left[node] = -1;
	for (int k = 0; k < m->forest.width; k++)
		m->value[node * (size_t) m->forest.width + (size_t) k] = ml_random_double(random) * 4 - 2;
	if (depth == 0 || *next + 2 > end || (depth < 4 && ml_random_below(random, 5) == 0))
		return;
	m->feature[node] = (int32_t) ml_random_below(random, COLUMNS);
	m->left[node] = (int32_t) *next;
	*next += 2;
	if (ml_random_below(random, 2))
		m->missing_left[node / 8] |= (uint8_t) (1 << node % 8);
	m->threshold[node] = ml_random_double(random);
	if (made_levels[m->feature[node]] > 0)
	{
		m->threshold[node] = (double) m->forest.words;
		m->sets[m->forest.words++] = (uint32_t) ml_random_below(random, 1 << LEVELS);
	}
	grow(m, random, (size_t) m->left[node], next, end, depth - 1, cover * share);
	grow(m, random, (size_t) m->left[node] + 1, next, end, depth - 1, cover * (1 - share));
}

static Made *
make_trees(MlContext *ctx, uint64_t seed, int trees, int depth, int outputs, int width)
{
	Made	   *m = ml_alloc_zero(ctx, sizeof *m);
	MlRandom	random;
	size_t		next = 0;

	ml_random_seed(&random, seed);
	m->forest = (MlForest) {
		.width = width,.outputs = outputs,.columns = COLUMNS,.levels = made_levels,.trees = (size_t) trees,
		.tree_begin = m->tree_begin,.feature = m->feature,.left = m->left,.missing_left = m->missing_left,
		.threshold = m->threshold,.value = m->value,.gain = m->gain,.cover = m->cover,.sets = m->sets,
	};
	for (int t = 0; t < trees; t++)
	{
		size_t		root = next++;

		m->tree_begin[t] = (int32_t) root;
		grow(m, &random, root, &next, root + LARGEST, depth, 1000);
		m->tree_begin[t + 1] = (int32_t) next;
	}
	m->forest.nodes = next;
	m->ensemble = (MlEnsemble) {.forest = &m->forest,.base = m->base,.scale = 0.5};
	return m;
}

/* A row for made-up trees: NaN and unseen levels now and then. */
static void
make_row(uint64_t number, double *x, size_t ldx)
{
	MlRandom	random;

	ml_random_seed(&random, number + 1000);
	for (size_t j = 0; j < COLUMNS; j++)
	{
		x[j * ldx] = made_levels[j] > 0 ? (double) ml_random_below(&random, LEVELS + 1) : ml_random_double(&random);
		if (ml_random_below(&random, 6) == 0)
			x[j * ldx] = NAN;
	}
}

/* ---------------------------------------------------------------- by definition */

/* What a tree answers that knows of x the slots in set: the others by covers (b NULL), or as b has them. */
static double
answer(const Made *m, size_t node, int value, const double *x, const double *b, unsigned set)
{
	const MlForest *f = &m->forest;
	size_t		left = (size_t) f->left[node];
	int			column = f->feature[node];

	if (column < 0)
		return f->value[node * (size_t) f->width + (size_t) value];
	if (set >> made_slot[column] & 1)
		return answer(m, left + !ml_forest_goes_left(f, node, x[column]), value, x, b, set);
	if (b != NULL)
		return answer(m, left + !ml_forest_goes_left(f, node, b[column]), value, x, b, set);
	return (f->cover[left] * answer(m, left, value, x, b, set) + f->cover[left + 1] * answer(m, left + 1, value, x, b, set)) /
		((double) f->cover[left] + (double) f->cover[left + 1]);
}

/* The same of the whole ensemble without its base. */
static double
answer_all(const Made *m, int output, const double *x, const double *b, unsigned set)
{
	double		sum = 0;

	for (size_t t = 0; t < m->forest.trees; t++)
	{
		int			value = shap_value_of(&m->forest, t, output);

		if (value >= 0)
			sum += answer(m, (size_t) m->forest.tree_begin[t], value, x, b, set);
	}
	return sum * m->ensemble.scale;
}

static double
factorial(int n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

/* Shapley's value of a slot. */
static double
shapley(const Made *m, int output, const double *x, const double *b, int slot)
{
	double		phi = 0;

	for (unsigned set = 0; set < 1u << SLOTS; set++)
		if (!(set >> slot & 1))
		{
			int			size = __builtin_popcount(set);

			phi += factorial(size) * factorial(SLOTS - size - 1) / factorial(SLOTS) *
				(answer_all(m, output, x, b, set | 1u << slot) - answer_all(m, output, x, b, set));
		}
	return phi;
}

/* Half of Shapley's interaction index of two slots. */
static double
interaction(const Made *m, int output, const double *x, const double *b, int i, int j)
{
	unsigned	both = 1u << i | 1u << j;
	double		phi = 0;

	for (unsigned set = 0; set < 1u << SLOTS; set++)
		if ((set & both) == 0)
		{
			int			size = __builtin_popcount(set);

			phi += factorial(size) * factorial(SLOTS - size - 2) / (2 * factorial(SLOTS - 1)) *
				(answer_all(m, output, x, b, set | both) - answer_all(m, output, x, b, set | 1u << i) -
				 answer_all(m, output, x, b, set | 1u << j) + answer_all(m, output, x, b, set));
		}
	return phi;
}

#define ROWS 75					/* a group of vectors and some more */
#define BACKGROUND 70			/* more than go through a tree together */
#define LDX 80

/* Contributions of trees to an output against the definition; row by row the same bits. */
static void
check_trees(MlContext *ctx, const Made *m, int output)
{
	TreeShap   *s = tree_shap_create(ctx, &m->ensemble, made_slot, SLOTS);
	double	   *scratch = ml_alloc_array(ctx, tree_shap_scratch(s), sizeof(double));
	double		x[COLUMNS * LDX] = {0};
	double		out[SLOTS * ROWS] = {0};
	double		row[COLUMNS];
	double		worst = 0;
	bool		same = true;

	for (size_t i = 0; i < ROWS; i++)
		make_row(i, x + i, LDX);
	tree_shap_rows(s, output, x, LDX, ROWS, out, ROWS, scratch);
	for (size_t i = 0; i < ROWS; i++)
	{
		double		one[COLUMNS * SHAP_LANES] = {0};
		double		alone[SLOTS] = {0};
		double		sum = s->base[output];

		for (size_t j = 0; j < COLUMNS; j++)
			one[j * SHAP_LANES] = row[j] = x[j * LDX + i];
		tree_shap_rows(s, output, one, SHAP_LANES, 1, alone, 1, scratch);
		for (int slot = 0; slot < SLOTS; slot++)
		{
			double		phi = out[(size_t) slot * ROWS + i];

			worst = fmax(worst, fabs(phi - shapley(m, output, row, NULL, slot)));
			same = same && memcmp(&phi, &alone[slot], sizeof phi) == 0;
			sum += phi;
		}
		worst = fmax(worst, fabs(sum - answer_all(m, output, row, NULL, ~0u)));
	}
	CHECK_NEAR(worst, 0, 1e-13);
	CHECK_NEAR(s->base[output], answer_all(m, output, row, NULL, 0), 1e-14);
	CHECK(same);
}

/* The definition, for trees of many shapes. */
static void
test_trees(MlContext *ctx)
{
	for (uint64_t seed = 0; seed < 20; seed++)
		check_trees(ctx, make_trees(ctx, seed, 1 + (int) seed % 5, 1 + (int) seed % 9, 1, 1), 0);
	/* trees that take turns, and trees of several values */
	for (int output = 0; output < 3; output++)
	{
		check_trees(ctx, make_trees(ctx, 100, 6, 5, 3, 1), output);
		check_trees(ctx, make_trees(ctx, 101, 4, 6, 3, 3), output);
	}
}

/* A chain as deep as can be: every split leaves one leaf; few rows at a time then. */
static void
test_chain(MlContext *ctx)
{
	enum
	{
		depth = 3000, p = 40
	};
	size_t		nodes = 2 * depth + 1;
	int32_t    *feature = ml_alloc_array_zero(ctx, nodes, sizeof(int32_t));
	int32_t    *left = ml_alloc_array_zero(ctx, nodes, sizeof(int32_t));
	double	   *threshold = ml_alloc_array_zero(ctx, nodes, sizeof(double));
	double	   *value = ml_alloc_array_zero(ctx, nodes, sizeof(double));
	float	   *cover = ml_alloc_array_zero(ctx, nodes, sizeof(float));
	int32_t		begin[2] = {0, (int32_t) nodes};
	int			zero[p] = {0};
	int			slot[p];
	double		base = 0;
	MlForest	f = {
		.width = 1,.outputs = 1,.columns = p,.levels = zero,.trees = 1,.nodes = nodes,.tree_begin = begin,.feature = feature,
		.left = left,.missing_left = ml_alloc_zero(ctx, nodes),.threshold = threshold,.value = value,.cover = cover,
	};
	MlEnsemble	ensemble = {.forest = &f,.base = &base,.scale = 1};
	double		x[p * SHAP_LANES];
	double		out[p] = {0};
	double		sum;
	TreeShap   *s;

	for (size_t i = 0; i < nodes; i++)
	{
		bool		splits = i % 2 == 0 && i + 1 < nodes;

		feature[i] = splits ? (int32_t) (i / 2 % p) : -1;
		left[i] = splits ? (int32_t) i + 1 : -1;
		threshold[i] = 0.1 + (double) (i / 2) * 0.8 / depth;
		value[i] = sin((double) i);
		cover[i] = i % 2 == 0 ? (float) (nodes - i) : 2;
	}
	for (int j = 0; j < p; j++)
		slot[j] = j;
	s = tree_shap_create(ctx, &ensemble, slot, p);
	CHECK(s->depth == depth && s->most_points == p / 2 && s->groups == 1);
	for (int row = 0; row < 3; row++)
	{
		for (int j = 0; j < p * SHAP_LANES; j++)
			x[j] = 0.5 + 0.5 * row - j % 7 * 0.01;
		memset(out, 0, sizeof out);
		tree_shap_rows(s, 0, x, SHAP_LANES, 1, out, 1, ml_alloc_array(ctx, tree_shap_scratch(s), sizeof(double)));
		sum = s->base[0];
		for (int j = 0; j < p; j++)
			sum += out[j];
		CHECK_NEAR(sum, value[ml_forest_leaf(&f, 0, x, SHAP_LANES)], 1e-12);
	}
}

/* Against background rows, contributions and interactions by definition. */
static void
test_background(MlContext *ctx)
{
	for (uint64_t seed = 200; seed < 206; seed++)
	{
		Made	   *m = make_trees(ctx, seed, 3, 3 + (int) seed % 4, 1, 1);
		TreeShap   *s = tree_shap_create(ctx, &m->ensemble, made_slot, SLOTS);
		double		rows[BACKGROUND][COLUMNS];
		double		x[COLUMNS];
		double		worst = 0;
		double		out[SLOTS];
		double		pairs[SLOTS * SLOTS];
		double	   *scratch;

		for (size_t b = 0; b < BACKGROUND; b++)
			make_row(500 + b, rows[b], 1);
		tree_background_set(ctx, s, rows[0], BACKGROUND);
		scratch = ml_alloc_array(ctx, tree_background_scratch(s), sizeof(double));
		for (uint64_t i = 0; i < 8; i++)
		{
			make_row(i, x, 1);
			memset(out, 0, sizeof out);
			memset(pairs, 0, sizeof pairs);
			tree_background_rows(s, 0, x, 1, 1, out, 1, scratch);
			tree_interactions(ctx, s, 0, x, pairs);
			for (int slot = 0; slot < SLOTS; slot++)
			{
				double		phi = 0;

				for (int b = 0; b < BACKGROUND; b++)
					phi += shapley(m, 0, x, rows[b], slot) / BACKGROUND;
				worst = fmax(worst, fabs(phi - out[slot]));
				for (int other = 0; other < SLOTS; other++)
				{
					double		pair = 0;

					for (int b = 0; b < BACKGROUND && other != slot; b++)
						pair += interaction(m, 0, x, rows[b], slot, other) / BACKGROUND;
					worst = fmax(worst, fabs(pair - pairs[slot * SLOTS + other]));
				}
			}
		}
		CHECK_NEAR(worst, 0, 1e-13);
	}
}

/* Interactions by covers against the definition. */
static void
test_interactions(MlContext *ctx)
{
	for (uint64_t seed = 300; seed < 306; seed++)
	{
		Made	   *m = make_trees(ctx, seed, 3, 2 + (int) seed % 6, 3, seed % 2 ? 3 : 1);
		TreeShap   *s = tree_shap_create(ctx, &m->ensemble, made_slot, SLOTS);
		double		x[COLUMNS];
		double		worst = 0;

		for (uint64_t i = 0; i < 8; i++)
		{
			double		pairs[SLOTS * SLOTS] = {0};

			make_row(i, x, 1);
			tree_interactions(ctx, s, 1, x, pairs);
			for (int slot = 0; slot < SLOTS; slot++)
				for (int other = 0; other < SLOTS; other++)
					worst = fmax(worst, fabs((slot == other ? 0 : interaction(m, 1, x, NULL, slot, other)) - pairs[slot * SLOTS + other]));
		}
		CHECK_NEAR(worst, 0, 1e-13);
	}
}

/* A node whose covers are both zero, and one that no training row went to, break nothing. */
static void
test_no_cover(MlContext *ctx)
{
	Made	   *m = make_trees(ctx, 7, 3, 5, 1, 1);
	TreeShap   *s;
	double		x[COLUMNS * SHAP_LANES] = {0};
	double		out[SLOTS] = {0};
	double		pairs[SLOTS * SLOTS] = {0};
	double		row[COLUMNS];
	double		sum;

	for (size_t i = 0; i < m->forest.nodes; i += 3)
		m->cover[i] = 0;
	m->cover[1] = m->cover[2] = 0;
	s = tree_shap_create(ctx, &m->ensemble, made_slot, SLOTS);
	for (uint64_t i = 0; i < 30; i++)
	{
		memset(out, 0, sizeof out);
		make_row(i, row, 1);
		make_row(i, x, SHAP_LANES);
		tree_shap_rows(s, 0, x, SHAP_LANES, 1, out, 1, ml_alloc_array(ctx, tree_shap_scratch(s), sizeof(double)));
		tree_interactions(ctx, s, 0, row, pairs);
		sum = s->base[0];
		for (int slot = 0; slot < SLOTS; slot++)
			sum += out[slot];
		CHECK_NEAR(sum, answer_all(m, 0, row, NULL, ~0u), 1e-12);
		CHECK(isfinite(pairs[1]));
	}
}

/*
 * Numbers of another program: contributions and interactions of four rows, the last all missing, of a small
 * boosted regression, by XGBoost 1.7.4 (pred_contribs, pred_interactions, in single precision).
 */
static void
test_golden(MlContext *ctx)
{
	static const int32_t begin[] = {
		0, 15, 30, 45
	};
	static const int32_t feature[] = {
		0, 1, 1, 2, 0, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 2, 1, 1, 1, 1, 0, -1, -1, -1, -1, -1, -1, -1, -1,
		0, 0, 1, 1, 1, 2, 0, -1, -1, -1, -1, -1, -1, -1, -1
	};
	static const int32_t left[] = {
		1, 3, 5, 7, 9, 11, 13, -1, -1, -1, -1, -1, -1, -1, -1, 16, 18, 20, 22, 24, 26, 28, -1, -1,
		-1, -1, -1, -1, -1, -1, 31, 33, 35, 37, 39, 41, 43, -1, -1, -1, -1, -1, -1, -1, -1
	};
	static const uint8_t missing_left[] = {
		15, 128, 31, 64, 13, 0
	};
	static const double threshold[] = {
		4.3500004, 4.25, 4.1, 4.8999996, 2.45, 2.15, 7.6499996, 0, 0, 0, 0, 0,
		0, 0, 0, 6.3500004, 5, 5.3500004, 5.45, 6.05, 2.3000002, 7.1499996, 0, 0,
		0, 0, 0, 0, 0, 0, 5.75, 1.25, 6.2, 6.25, 2.55, 4.3500004,
		8.45, 0, 0, 0, 0, 0, 0, 0, 0
	};
	static const double value[] = {
		0, 0, 0, 0, 0, 0, 0, 1.7404929, 6.9341993, 6.172941, 12.428836, 5.34444,
		11.634812, 22.120054, 33.333546, 0, 0, 0, 0, 0, 0, 0, 1.025139, 4.155029,
		4.4961414, 9.237458, 4.1990905, 9.777751, 13.109706, 20.080519, 0, 0, 0, 0, 0, 0,
		0, -0.53372455, -2.0078475, 0.4286686, 3.585669, 1.6232375, 5.628251, 8.95649, 13.30155
	};
	static const float cover[] = {
		400, 199, 201, 88, 111, 92, 109, 49, 39, 54, 57, 41, 51, 71, 38, 400, 265, 135, 155, 110,
		80, 55, 86, 69, 69, 41, 48, 32, 18, 37, 400, 244, 156, 49, 195, 107, 49, 25, 24, 59,
		136, 62, 45, 33, 16
	};
	static const double rows[] = {
		3.79999995, 0.699999988, 2.9000001, 9.10000038,
		7.5, NAN, 7.4000001, 9.5,
		8.19999981, 6.0999999, 4, 8.30000019,
		NAN, NAN, NAN, NAN
	};
	static const double contributions[] = {
		-5.01579428, -11.2712231, -2.8140192, 0,
		9.30944824, -12.711915, 2.56928301, 0,
		15.0312357, 8.26509762, -1.76786077, 0,
		-6.50596046, -9.78105736, -2.8140192, 0
	};
	static const double interactions[] = {
		-6.86581421, 2.24641132, -0.396391392, 0, 2.2464118, -13.0499029, -0.46773243, 0,
		-0.396391392, -0.46773243, -1.94989538, 0, 0, 0, 0, 0,
		12.9714241, -3.03114271, -0.630832255, 0, -3.03114319, -10.0984802, 0.417708039, 0,
		-0.630832195, 0.417707443, 2.78240776, 0, 0, 0, 0, 0,
		13.0173931, 1.70653749, 0.307305813, 0, 1.70653725, 6.70089102, -0.142330647, 0,
		0.307305813, -0.142330647, -1.93283594, 0, 0, 0, 0, 0,
		-6.86581469, 0.756245613, -0.396391392, 0, 0.756245613, -10.0695705, -0.46773243, 0,
		-0.39639163, -0.467731953, -1.94989562, 0, 0, 0, 0, 0
	};
	static const int levels[4] = {0};
	static const int slot[4] = {0, 1, 2, 3};
	static const double base = 0.5;
	static const MlForest forest = {
		.width = 1,.outputs = 1,.columns = 4,.levels = levels,.trees = 3,.nodes = 45,.tree_begin = begin,.feature = feature,
		.left = left,.missing_left = missing_left,.threshold = threshold,.value = value,.cover = cover,
	};
	static const MlEnsemble ensemble = {.forest = &forest,.base = &base,.scale = 1};
	TreeShap   *s = tree_shap_create(ctx, &ensemble, slot, 4);
	double	   *scratch = ml_alloc_array(ctx, tree_shap_scratch(s), sizeof(double));
	double		x[4 * SHAP_LANES] = {0};
	double		out[4 * 4] = {0};

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++)
			x[j * SHAP_LANES + i] = rows[i * 4 + j];
	tree_shap_rows(s, 0, x, SHAP_LANES, 4, out, 4, scratch);
	CHECK_NEAR(base + s->base[0], 22.7953377, 1e-6);
	for (size_t i = 0; i < 4; i++)
	{
		double		pairs[16] = {0};

		tree_interactions(ctx, s, 0, rows + i * 4, pairs);
		for (size_t j = 0; j < 4; j++)
		{
			CHECK_NEAR(out[j * 4 + i], contributions[i * 4 + j], 1e-5);
			for (size_t k = 0; k < 4; k++)
				if (j != k)
					CHECK_NEAR(pairs[j * 4 + k], interactions[i * 16 + j * 4 + k], 1e-5);
		}
	}
}

/* ---------------------------------------------------------------- models */

/* A model of the sample, trained and opened. */
static MlModel *
train(MlContext *ctx, const Sample *s, const MlAlgorithm *algorithm, const char *params)
{
	MlTrainResult *result = sample_train(ctx, s, algorithm, params, NULL);

	return ml_model_open(ctx, result->bytes, result->size);
}

static MlRawRows *
raw_rows(MlContext *ctx, const MlModel *model, const Sample *s, size_t n)
{
	MlRawRows  *rows = ml_alloc(ctx, sizeof *rows);

	ml_raw_rows_init(rows, model);
	for (size_t i = 0; i < n; i++)
		sample_raw(model, s, i, 1, ml_raw_rows_add(ctx, rows), ML_BLOCK_ROWS);
	return rows;
}

/* The raw scores of a row from what the model predicts; a softmax's up to what all classes share. */
static double
raw_score(const MlModel *model, const double *raw, int klass)
{
	const MlEnsemble *ensemble = model->algorithm->ensemble != NULL ? model->algorithm->ensemble(model->loaded) : NULL;
	static double x[64];
	static double scratch[64];
	double		out[3];
	double		score = 0;

	ml_model_score(model, raw, ML_BLOCK_ROWS, 1, out, 1, scratch);
	if (ensemble != NULL)
	{
		const MlForest *f = ensemble->forest;
		int			output = klass >= 0 && f->outputs > 1 ? klass : 0;

		ml_prep_apply(model->prep, raw, ML_BLOCK_ROWS, 1, x, 1);
		for (size_t t = 0; t < f->trees; t++)
			if (shap_value_of(f, t, output) >= 0)
				score += f->value[ml_forest_leaf(f, t, x, 1) * (size_t) f->width + (size_t) shap_value_of(f, t, output)];
		score = ensemble->base[output] + ensemble->scale * score;
		/* the formula above is what the model predicts */
		if (ensemble->link == ML_LINK_LOGISTIC)
			CHECK_NEAR(1 / (1 + exp(-score)), out[1], 1e-12);
		else if (ensemble->link == ML_LINK_IDENTITY && klass < 0)
			CHECK_NEAR(score, out[0], 1e-12);
		return score;
	}
	if (model->algorithm->no_features)
		return klass < 0 ? out[0] : out[klass];
	return klass < 0 ? out[0] : model->signature->nclasses == 2 ? log(out[1] / out[0]) : log(out[klass]);
}

/* Base and contributions add up to the raw score; interactions to the contributions. */
static void
check_additive(MlContext *ctx, const MlModel *model, const MlRawRows *rows, const MlRawRows *background)
{
	MlExplainer *e = ml_explainer_create(ctx, model, background);
	size_t		slots = rows->slots;
	MlExplained *what;
	int			count = ml_explainer_list(ctx, e, &what);
	double	   *scratch = ml_alloc_array(ctx, ml_explainer_scratch(e, ML_BLOCK_ROWS), sizeof(double));
	double	   *out = ml_alloc_array(ctx, (size_t) count * slots, ML_BLOCK_ROWS * sizeof(double));
	double	   *pairs = ml_alloc_array(ctx, slots * slots, sizeof(double));
	double	   *raw = ml_alloc_array(ctx, slots, sizeof(double));
	bool		softmax = model->signature->nclasses > 2 && model->algorithm->ensemble == NULL && !model->algorithm->no_features;

	ml_explain_rows(e, what, count, rows->blocks[0], ML_BLOCK_ROWS, 40, out, ML_BLOCK_ROWS, scratch);
	for (size_t i = 0; i < 40; i++)
	{
		double		shift = 0;

		for (int c = 0; c < count; c++)
		{
			double		sum = what[c].base;
			double		score = raw_score(model, rows->blocks[0] + i, what[c].klass);

			for (size_t s = 0; s < slots; s++)
				sum += out[((size_t) c * slots + s) * ML_BLOCK_ROWS + i];
			if (softmax && c == 0)
				shift = sum - score;
			CHECK_NEAR((sum - shift) / fmax(1, fabs(score)), score / fmax(1, fabs(score)), 1e-9);
		}
		if (i > 2)
			continue;
		for (size_t s = 0; s < slots; s++)
			raw[s] = rows->blocks[0][s * ML_BLOCK_ROWS + i];
		ml_shap_interactions(ctx, e, &what[count - 1], raw, pairs);
		for (size_t s = 0; s < slots; s++)
		{
			double		sum = 0;

			for (size_t u = 0; u < slots; u++)
			{
				sum += pairs[s * slots + u];
				CHECK(pairs[s * slots + u] == pairs[u * slots + s]);
			}
			CHECK_NEAR(sum - out[((size_t) (count - 1) * slots + s) * ML_BLOCK_ROWS + i], 0, 1e-12 * fmax(1, fabs(sum)));
		}
	}
}

static void
test_additive(MlContext *ctx)
{
	int			explained = 0;

	for (size_t a = 0; ml_algorithm_table[a] != NULL; a++)
	{
		const MlAlgorithm *algorithm = ml_algorithm_table[a];

		for (MlTaskKind task = ML_TASK_REGRESSION; task <= ML_TASK_MULTICLASS; task = (MlTaskKind) (task * 2))
		{
			Sample		s = {.features = "nmicdvke",.rows = 600,.task = task};
			MlModel    *model;
			MlRawRows  *rows;

			if (!(algorithm->tasks & task) ||
				(algorithm->ensemble == NULL && algorithm->coefficients == NULL && !algorithm->no_features))
				continue;
			model = train(ctx, &s, algorithm, NULL);
			rows = raw_rows(ctx, model, &s, 60);
			check_additive(ctx, model, rows, NULL);
			rows->rows = 50;
			check_additive(ctx, model, rows, raw_rows(ctx, model, &s, 9));
			explained++;
		}
	}
	CHECK(explained >= 8);
}

/* What is for one of two classes is against the other. */
static void
test_two_classes(MlContext *ctx)
{
	Sample		s = {.features = "nmd",.rows = 400,.task = ML_TASK_BINARY};
	MlModel    *model = train(ctx, &s, &ml_gradient_boosting, "{\"n_estimators\": 5}");
	MlExplainer *e = ml_explainer_create(ctx, model, NULL);
	MlExplained both[2] = {ml_explainer_class(e, 0), ml_explainer_class(e, 1)};
	double		out[6];
	double	   *scratch = ml_alloc_array(ctx, ml_explainer_scratch(e, 1), sizeof(double));

	ml_explain_rows(e, both, 2, raw_rows(ctx, model, &s, 1)->blocks[0], ML_BLOCK_ROWS, 1, out, 1, scratch);
	CHECK(both[0].base == -both[1].base && both[1].base != 0);
	CHECK(out[0] == -out[3] && out[1] == -out[4] && out[2] == -out[5] && out[3] != 0);
}

/* Coefficient times distance from the mean of the training rows, which the preparation keeps for every column. */
static void
test_linear(MlContext *ctx)
{
	Sample		s = {.features = "nmcd",.rows = 500,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	MlRawRows  *rows = raw_rows(ctx, model, &s, 500);
	MlExplainer *e = ml_explainer_create(ctx, model, NULL);
	MlExplained *what;
	MlCoefficient *coefficients;
	size_t		n = model->algorithm->coefficients(ctx, model->loaded, &model->shape, &coefficients);
	double	   *scratch = ml_alloc_array(ctx, ml_explainer_scratch(e, ML_BLOCK_ROWS), sizeof(double));
	double		out[4 * ML_BLOCK_ROWS];
	double		sums[4] = {0};
	double		mean = 0;
	double		mean_score = 0;

	CHECK(ml_explainer_list(ctx, e, &what) == 1 && what->klass == -1);
	for (size_t i = 0; i < 500; i++)
	{
		mean += *ml_raw_rows_at(rows, i, 0) / 500;
		mean_score += raw_score(model, ml_raw_rows_at(rows, i, 0), -1) / 500;
	}
	for (size_t b = 0; b < rows->nblocks; b++)
	{
		size_t		in_block = ml_raw_rows_in_block(rows, b);

		ml_explain_rows(e, what, 1, rows->blocks[b], ML_BLOCK_ROWS, in_block, out, ML_BLOCK_ROWS, scratch);
		for (size_t slot = 0; slot < 4; slot++)
			for (size_t i = 0; i < in_block; i++)
				sums[slot] += out[slot * ML_BLOCK_ROWS + i];
		/* a plain number: coefficient times the distance from the mean */
		for (size_t j = 0; j < n && b == 0; j++)
			if (coefficients[j].column >= 0 && strcmp(ml_prep_column(model->prep, coefficients[j].column)->name, "n") == 0)
				CHECK_NEAR(out[3], coefficients[j].estimate * (rows->blocks[0][3] - mean), 1e-12);
	}
	/* over the training rows nothing is left of any feature, missing values and levels included */
	for (int slot = 0; slot < 4; slot++)
		CHECK_NEAR(sums[slot], 0, 1e-9);
	CHECK_NEAR(what->base, mean_score, 1e-12);
}

/* ---------------------------------------------------------------- importances and dependence */

static void
test_importance(MlContext *ctx)
{
	Sample		s = {.features = "nbdk",.rows = 900,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_gradient_boosting, "{\"n_estimators\": 30}");
	MlRawRows  *rows = raw_rows(ctx, model, &s, 900);
	double		actual[900];
	double		gain[4];
	double		splits[4];
	double		mean[4];
	double		deviation[4];
	double		again[4];
	double		before = *ml_raw_rows_at(rows, 300, 0);
	double		all = 0;

	for (size_t i = 0; i < 900; i++)
		actual[i] = sample_signal(i);
	CHECK(ml_importance_splits(model, gain, splits));
	/* n and d make the target, b is noise, k is constant */
	CHECK(gain[0] > gain[2] && gain[2] > gain[1] && gain[3] == 0 && splits[3] == 0);
	for (int slot = 0; slot < 4; slot++)
		all += splits[slot];
	CHECK(all == (double) (ml_gradient_boosting.ensemble(model->loaded)->forest->nodes -
						   ml_gradient_boosting.ensemble(model->loaded)->forest->trees) / 2);
	ml_importance_normalize(gain, 4);
	CHECK_NEAR(gain[0] + gain[1] + gain[2], 1, 1e-12);

	ml_importance_permutation(ctx, model, rows, actual, NULL, "r2", 3, 1, mean, deviation);
	CHECK(mean[0] > 0.5 && mean[0] > mean[2] && mean[2] > mean[1] && mean[3] == 0 && deviation[3] == 0);
	CHECK(deviation[0] > 0 && deviation[0] < 0.2);
	CHECK(*ml_raw_rows_at(rows, 300, 0) == before);
	ml_importance_permutation(unit_context(2), model, rows, actual, NULL, "r2", 3, 1, again, deviation);
	CHECK(memcmp(mean, again, sizeof mean) == 0);
	ml_importance_permutation(ctx, model, rows, actual, NULL, "r2", 3, 2, again, deviation);
	CHECK(mean[0] != again[0]);
	/* an error gets greater where r2 gets less */
	ml_importance_permutation(ctx, model, rows, actual, NULL, "rmse", 3, 1, again, deviation);
	CHECK(again[0] > 0 && again[0] > again[2]);
	CHECK(!ml_importance_splits(train(ctx, &s, &ml_linear_regression, NULL), gain, splits));
}

static void
test_shap_sums(MlContext *ctx)
{
	Sample		s = {.features = "nb",.rows = 100,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	/* two classes, two slots, three rows */
	static const double contributions[12] = {1, -2, 3, 0, 0, 0, -1, 2, 3, 1, 1, -1};
	MlShapSums	sums;
	double		mean[2];
	double		deviation[2];

	ml_shap_sums_init(ctx, &sums, model);
	ml_shap_sums_add(&sums, 2, contributions, 3, 2);
	ml_shap_sums_add(&sums, 2, contributions + 2, 3, 1);
	ml_shap_sums_finish(&sums, mean, deviation);
	CHECK_NEAR(mean[0], 4, 1e-15);
	CHECK_NEAR(deviation[0], sqrt(8.0 / 3), 1e-15);
	CHECK_NEAR(mean[1], 1, 1e-15);
	CHECK_NEAR(deviation[1], 0, 1e-15);
}

static void
test_dependence(MlContext *ctx)
{
	Sample		s = {.features = "nid",.rows = 700,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	MlRawRows  *rows = raw_rows(ctx, model, &s, 700);
	MlGrid		grids[2];
	MlCoefficient *coefficients;
	double	   *out = ml_alloc_array(ctx, 200, sizeof(double));
	double	   *one = ml_alloc_array(ctx, ML_BLOCK_ROWS, sizeof(double));

	ml_grid_create(ctx, model, rows, 0, 20, 0.05, 0.95, &grids[0]);
	CHECK(grids[0].count == 20);
	for (size_t q = 1; q < 20; q++)
		CHECK(grids[0].values[q] > grids[0].values[q - 1]);
	CHECK(fabs(grids[0].values[0] + 4.5) < 0.3 && fabs(grids[0].values[19] - 4.5) < 0.3);
	ml_grid_create(ctx, model, rows, 1, 20, 0.05, 0.95, &grids[1]);
	CHECK(grids[1].count == 7 && grids[1].values[0] == 0 && grids[1].values[6] == 6);
	/* of a linear model: a line with its slope */
	model->algorithm->coefficients(ctx, model->loaded, &model->shape, &coefficients);
	ml_grid_average(ctx, model, rows, grids, 1, out);
	for (size_t q = 1; q < 20; q++)
		CHECK_NEAR((out[q] - out[0]) / (grids[0].values[q] - grids[0].values[0]), coefficients[1].estimate, 1e-10);
	ml_grid_average(unit_context(2), model, rows, grids, 2, out);
	CHECK_NEAR((out[7 * 19 + 6] - out[7 * 19]) / 6, coefficients[2].estimate, 1e-10);
	CHECK_NEAR(out[7 * 19] - out[0], (grids[0].values[19] - grids[0].values[0]) * coefficients[1].estimate, 1e-10);
	/* a row on its own at a point, the second grid running fastest */
	ml_grid_score(model, grids, 2, 7 * 3 + 2, rows->blocks[1], 5, one, ml_alloc_array(ctx, ml_grid_scratch(model), sizeof(double)));
	*ml_raw_rows_at(rows, ML_BLOCK_ROWS + 4, 0) = grids[0].values[3];
	*ml_raw_rows_at(rows, ML_BLOCK_ROWS + 4, 1) = grids[1].values[2];
	CHECK_NEAR(one[4], raw_score(model, ml_raw_rows_at(rows, ML_BLOCK_ROWS + 4, 0), -1), 1e-14);
	/* every level of a category */
	ml_grid_create(ctx, model, rows, 2, 20, 0.05, 0.95, &grids[0]);
	CHECK(grids[0].count == 3 && strcmp(ml_prep_feature_level_name(model->prep, 2, 0), "blue") == 0);
	for (size_t i = 0; i < rows->rows; i++)
		*ml_raw_rows_at(rows, i, 1) = NAN;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_grid_create(ctx, model, rows, 1, 20, 0.05, 0.95, &grids[0]), 0));
}

/* Few distinct places between close quantiles, and one point. */
static void
test_grid_ends(MlContext *ctx)
{
	Sample		s = {.features = "n",.rows = 60,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	MlRawRows  *rows = raw_rows(ctx, model, &s, 60);
	MlGrid		grid;

	for (size_t i = 0; i < 60; i++)
		*ml_raw_rows_at(rows, i, 0) = (double) (i * 7 % 60);
	ml_grid_create(ctx, model, rows, 0, 59, 0.5, 0.52, &grid);
	CHECK(grid.count == 2 && grid.values[0] == 30 && grid.values[1] == 31);
	ml_grid_create(ctx, model, rows, 0, 1, 0, 1, &grid);
	CHECK(grid.count == 1 && grid.values[0] == 30);
	ml_grid_create(ctx, model, rows, 0, 2, 0, 1, &grid);
	CHECK(grid.count == 2 && grid.values[0] == 0 && grid.values[1] == 59);
}

/* What is asked for, what is left out, and what is refused. */
static void
test_options(MlContext *ctx)
{
	MlExplainOptions o;

	ml_explain_options_parse(ctx, "{}", ML_USE_SHAP, &o);
	CHECK(o.klass == NULL && o.method == ML_METHOD_PATH && o.background == NULL && o.background_rows == 100 && o.seed == 0);
	ml_explain_options_parse(ctx, "{\"method\": \"interventional\", \"background\": \"t\", \"background_rows\": 5e2, \"seed\": 7, \"class\": \"a\"}", ML_USE_SHAP, &o);
	CHECK(o.method == ML_METHOD_INTERVENTIONAL && o.background_rows == 500 && o.seed == 7);
	CHECK(strcmp(o.background, "t") == 0 && strcmp(o.klass, "a") == 0);
	ml_explain_options_parse(ctx, "{\"points\": 3, \"low\": 0, \"high\": 1, \"other\": \"b\"}", ML_USE_DEPENDENCE, &o);
	CHECK(o.points == 3 && o.low == 0 && o.high == 1 && strcmp(o.other, "b") == 0);
	ml_explain_options_parse(ctx, "{\"seed\": 3, \"n_repeats\": 2}", ML_USE_PERMUTATION, &o);
	CHECK(o.seed == 3 && o.n_repeats == 2 && o.metric == NULL);
	ml_explain_options_parse(ctx, "{\"normalize\": true}", ML_USE_SPLITS, &o);
	CHECK(o.normalize);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, (ml_explain_options_parse(ctx, "{\"point\": 3}", ML_USE_ICE, &o), 0));
	CHECK(strstr(unit_error.hint, "\"points\"") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, (ml_explain_options_parse(ctx, "{\"normalize\": true}", ML_USE_SHAP, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, (ml_explain_options_parse(ctx, "{\"normalize\": 1}", ML_USE_SPLITS, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_WRONG_TYPE, (ml_explain_options_parse(ctx, "{\"points\": \"3\"}", ML_USE_ICE, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, (ml_explain_options_parse(ctx, "{\"points\": 2.5}", ML_USE_ICE, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, (ml_explain_options_parse(ctx, "{\"points\": 1e30}", ML_USE_ICE, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, (ml_explain_options_parse(ctx, "{\"high\": 0.01}", ML_USE_ICE, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, (ml_explain_options_parse(ctx, "{\"background\": \"t\"}", ML_USE_SHAP, &o), 0));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, (ml_explain_options_parse(ctx, "{\"method\": \"interventional\"}", ML_USE_SHAP, &o), 0));
}

/* A cancel is heard while features are shuffled and while a grid is scored. */
static void
test_cancel(MlContext *ctx)
{
	Sample		s = {.features = "nid",.rows = 300,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	MlRawRows  *rows = raw_rows(ctx, model, &s, 300);
	double	   *actual = ml_alloc_array_zero(ctx, 300, sizeof(double));
	double		out[64];
	MlGrid		grid;

	unit_cancel_after(ctx, 5);
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, (ml_importance_permutation(ctx, model, rows, actual, NULL, "mse", 5, 0, out, out + 8), 0));
	ml_grid_create(ctx, model, rows, 0, 20, 0, 1, &grid);
	unit_cancel_after(ctx, 5);
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, (ml_grid_average(ctx, model, rows, &grid, 1, out), 0));
}

/* Each row is as likely as another to be in the sample, the same by the same seed. */
static void
test_reservoir(MlContext *ctx)
{
	Sample		s = {.features = "n",.rows = 60,.task = ML_TASK_REGRESSION};
	MlModel    *model = train(ctx, &s, &ml_linear_regression, NULL);
	double		sum = 0;

	for (uint64_t seed = 0; seed < 200; seed++)
	{
		MlReservoir r;

		ml_reservoir_init(&r, model, 10, seed);
		for (int i = 0; i < 100; i++)
		{
			double	   *place = ml_reservoir_next(ctx, &r);

			if (place != NULL)
				*place = i;
		}
		CHECK(r.rows.rows == 10 && r.seen == 100);
		for (size_t i = 0; i < 10; i++)
			sum += *ml_raw_rows_at(&r.rows, i, 0);
	}
	/* 2000 draws of a mean 49.5 and deviation 28.9 */
	CHECK(fabs(sum / 2000 - 49.5) < 3);
}

UNIT_MAIN(test_trees, test_chain, test_background, test_interactions, test_no_cover, test_golden, test_additive, test_two_classes, test_linear,
		  test_importance, test_shap_sums, test_dependence, test_grid_ends, test_options, test_cancel, test_reservoir)
