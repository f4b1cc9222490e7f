/*
 * 'auto': which learner is taken, that rows held out, the order of rows and threads have no say, and when nothing is compared.
 */
#include "unit.h"

#include "base/random.h"
#include "learn/learners.h"
#include "model/automatic.h"

typedef struct Made
{
	size_t		rows;
	bool		curved;			/* no line fits it */
	bool		classes;
	bool		backwards;
	bool		absurd_test;	/* rows held out say the opposite */
	int			rare;			/* rows of a third class */
} Made;

static double
uniform(size_t row, int what)
{
	return (double) (ml_mix64(row * 16 + (size_t) what) >> 11) * 0x1p-53;
}

/* Columns x, k (a category), y, held_out. */
static MlTable *
make_table(MlContext *ctx, const Made *m)
{
	static const char *const labels[] = {"a", "b", "c"};
	MlTable    *table = ml_alloc_zero(ctx, sizeof *table);

	table->rows = m->rows;
	table->ncolumns = 4;
	table->columns = ml_alloc_array(ctx, 4, sizeof(MlColumn *));
	table->columns[0] = ml_column_create(ctx, "x", ML_KIND_NUMBER);
	table->columns[1] = ml_column_create(ctx, "k", ML_KIND_CATEGORY);
	table->columns[2] = ml_column_create(ctx, "y", m->classes ? ML_KIND_CATEGORY : ML_KIND_NUMBER);
	table->columns[3] = ml_column_create(ctx, "held_out", ML_KIND_NUMBER);
	for (size_t i = 0; i < m->rows; i++)
	{
		size_t		row = m->backwards ? m->rows - 1 - i : i;
		double		x = 4 * uniform(row, 0) - 2;
		bool		test = row % 4 == 3;
		double		y = (m->curved != (m->absurd_test && test) ? x * x : x) + (m->classes ? 3 : 0.3) * (uniform(row, 1) - 0.5);
		int			klass = row < (size_t) m->rare ? 2 : y > (m->curved ? 1.5 : 0.2);

		ml_column_add_number(ctx, table->columns[0], x);
		ml_column_add_category(ctx, table->columns[1], labels[row % 3], 1);
		if (m->classes)
			ml_column_add_category(ctx, table->columns[2], labels[klass], 1);
		else
			ml_column_add_number(ctx, table->columns[2], y);
		ml_column_add_number(ctx, table->columns[3], test);
	}
	for (int c = 0; c < 4; c++)
		ml_column_finish(ctx, table->columns[c]);
	return table;
}

static MlTrainSpec
make_spec(const Made *m)
{
	static const char *const types[] = {"double precision", "text"};

	return (MlTrainSpec) {
		.split = {.kind = ML_SPLIT_COLUMN,.seed = 42},.nfeatures = 2,.feature_types = types,.target = 2,
		.target_kind = m->classes ? ML_TARGET_TEXT : ML_TARGET_NUMBER,.weight = -1,.split_column = 3,.group = -1,.start = -1,
	};
}

static MlTrainResult
train(MlContext *ctx, const Made *m, const MlTrainSpec *spec)
{
	MlTrainResult result;

	ml_pipeline_train(ctx, make_table(ctx, m), spec, &result);
	return result;
}

/* What 'auto' takes, and that it is the model that the algorithm named gives, but for what the summary says. */
static void
check_choice(MlContext *ctx, const Made *m, const MlAlgorithm *algorithm)
{
	MlTrainSpec spec = make_spec(m);
	MlTrainResult chosen = train(ctx, m, &spec);
	MlTrainResult named;
	MlModel    *a;
	MlModel    *b;

	CHECK(chosen.algorithm == algorithm);
	CHECK(chosen.choice != NULL && chosen.choice->chosen == algorithm && chosen.choice->n_train + chosen.choice->n_test <= chosen.n_train);
	spec.algorithm = algorithm;
	named = train(ctx, m, &spec);
	CHECK(named.choice == NULL);
	a = ml_model_open(ctx, chosen.bytes, chosen.size);
	b = ml_model_open(ctx, named.bytes, named.size);
	CHECK(strcmp(ml_node_to_json(ctx, a->sections[ML_SECTION_PAYLOAD], false), ml_node_to_json(ctx, b->sections[ML_SECTION_PAYLOAD], false)) == 0);
	CHECK(ml_node_find(a->sections[ML_SECTION_SUMMARY], "auto") != NULL && ml_node_find(b->sections[ML_SECTION_SUMMARY], "auto") == NULL);
}

static void
test_choice(MlContext *ctx)
{
	check_choice(ctx, &(Made) {.rows = 3000}, &ml_linear_regression);
	check_choice(ctx, &(Made) {.rows = 3000,.curved = true}, &ml_gradient_boosting);
	check_choice(ctx, &(Made) {.rows = 3000,.classes = true}, &ml_logistic_regression);
	check_choice(ctx, &(Made) {.rows = 3000,.classes = true,.curved = true}, &ml_gradient_boosting);
	/* more rows than the sample has */
	check_choice(ctx, &(Made) {.rows = 20000,.curved = true}, &ml_gradient_boosting);
	/* rows held out have no say */
	check_choice(ctx, &(Made) {.rows = 3000,.absurd_test = true}, &ml_linear_regression);
	check_choice(ctx, &(Made) {.rows = 3000,.curved = true,.absurd_test = true}, &ml_gradient_boosting);
}

/* The losses are the same whatever the order of rows, to rounding, and the threads, to the bit. */
static void
test_same(MlContext *ctx)
{
	Made		m = {.rows = 12000,.curved = true};
	Made		turned = {.rows = 12000,.curved = true,.backwards = true};
	MlTrainSpec spec = make_spec(&m);
	MlTrainResult a = train(ctx, &m, &spec);
	MlTrainResult b = train(ctx, &turned, &spec);
	MlContext  *other = unit_context(3);
	MlTrainResult c = train(other, &m, &spec);

	for (int i = 0; i < ML_AUTO_CANDIDATES; i++)
		CHECK(fabs(a.choice->losses[i] - b.choice->losses[i]) < 1e-6 * a.choice->losses[i]);
	CHECK(a.size == c.size && memcmp(a.bytes, c.bytes, a.size) == 0);
}

/* Where nothing is compared. */
static void
test_not_compared(MlContext *ctx)
{
	Made		m = {.rows = 3000,.curved = true};
	Made		few = {.rows = 1200,.curved = true};
	Made		rare = {.rows = 3000,.classes = true,.curved = true,.rare = 20};
	MlTrainSpec spec = make_spec(&m);
	MlTrainResult result;

	CHECK(train(ctx, &few, &spec).choice == NULL);
	spec.params = "{\"l2\": 1}";
	CHECK(train(ctx, &m, &spec).choice == NULL);
	spec.params = "{}";
	CHECK(train(ctx, &m, &spec).choice != NULL);
	spec.preprocess = "{\"scale\": \"standard\"}";
	CHECK(train(ctx, &m, &spec).choice == NULL);
	spec = make_spec(&m);
	spec.split.kind = ML_SPLIT_NONE;
	spec.split_column = -1;
	result = train(ctx, &m, &spec);
	CHECK(result.choice == NULL && result.algorithm == &ml_linear_regression);
	spec = make_spec(&rare);
	CHECK(train(ctx, &rare, &spec).choice == NULL);
}

UNIT_MAIN(test_choice, test_same, test_not_compared)
