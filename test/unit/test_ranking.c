/*
 * Rows in groups: the metrics of an order against sums over all orders of tied rows, groups that stay whole and
 * whose numbers do not depend on the order of rows; the weights of classes.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "model/groups.h"
#include "score/metrics.h"

/* The first group's value was computed as the mean over all orders of its tied rows; the second has nothing relevant. */
static void
test_ndcg(MlContext *ctx)
{
	const double relevance[] = {3, 2, 0, 1, 0, 2, 1, 0, 0, 0, 1};
	const double score[] = {.2, .9, .9, .4, .1, .4, .4, 1, 2, 5, 1};
	const uint32_t group[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2};
	MlMetric	out[ML_MAX_METRICS];

	CHECK(ml_metrics_ranking(ctx, relevance, score, group, 11, out) == 3);
	CHECK_NEAR(out[0].value, 0.6337309071134722, 1e-14);
	CHECK_NEAR(out[1].value, 0.6337309071134722, 1e-14);
	CHECK_NEAR(out[2].value, 0.5225186216763681, 1e-14);
	CHECK(strcmp(out[2].name, "ndcg_at_5") == 0 && out[2].greater_is_better);
	CHECK(ml_metrics_ranking(ctx, relevance + 7, score, group + 7, 2, out) == 3);
	CHECK(isnan(out[0].value));
	CHECK(ml_metrics_ranking(ctx, relevance, relevance, group, 7, out) == 3);
	CHECK_NEAR(out[0].value, 1, 1e-15);
}

/* A table of one column. */
static MlTable *
group_table(MlContext *ctx, const double *values, size_t n)
{
	MlTable    *table = ml_alloc_zero(ctx, sizeof *table);
	MlColumn   *column = ml_column_create(ctx, "query", ML_KIND_NUMBER);

	for (size_t i = 0; i < n; i++)
		if (values[i] == values[i])
			ml_column_add_number(ctx, column, values[i]);
		else
			ml_column_add_null(ctx, column);
	ml_column_finish(ctx, column);
	table->rows = n;
	table->ncolumns = 1;
	table->columns = ml_alloc_array(ctx, 1, sizeof(MlColumn *));
	table->columns[0] = column;
	return table;
}

#define GROUPED 1000

static void
test_groups_stay_whole(MlContext *ctx)
{
	const MlSplit split = {.kind = ML_SPLIT_STRATIFIED,.test_size = 0.25,.seed = 42};
	double		values[GROUPED];
	double		reversed[GROUPED];
	uint32_t	rows[GROUPED];
	uint8_t		test[GROUPED] = {0};
	uint8_t		other[GROUPED] = {0};
	uint32_t   *group;
	MlGroups   *groups;
	size_t		held_out = 0;

	for (uint32_t i = 0; i < GROUPED; i++)
	{
		rows[i] = i;
		values[i] = i * 7 % 50 + 0.5;
		reversed[GROUPED - 1 - i] = values[i];
	}
	groups = ml_groups_read(ctx, group_table(ctx, values, GROUPED), 0, rows, GROUPED);
	CHECK(groups->count == 50);
	ml_groups_mark(ctx, groups, &split, rows, GROUPED, test);
	for (size_t i = 0; i < GROUPED; i++)
	{
		held_out += test[i];
		CHECK(test[i] == test[i % 50]);
	}
	CHECK(held_out >= 250 && held_out < 270);
	ml_groups_mark(ctx, ml_groups_read(ctx, group_table(ctx, reversed, GROUPED), 0, rows, GROUPED), &split, rows, GROUPED, other);
	for (size_t i = 0; i < GROUPED; i++)
		CHECK(test[i] == other[GROUPED - 1 - i]);
	group = ml_groups_sort(ctx, groups, rows, GROUPED);
	for (size_t i = 1; i < GROUPED; i++)
	{
		CHECK(group[i] >= group[i - 1]);
		CHECK((group[i] == group[i - 1]) == (values[rows[i]] == values[rows[i - 1]]));
		CHECK(group[i] > group[i - 1] || rows[i] > rows[i - 1]);
	}
}

static void
test_group_errors(MlContext *ctx)
{
	const MlSplit split = {.kind = ML_SPLIT_STRATIFIED,.test_size = 0.9,.seed = 1};
	const double one[] = {7, 7, 7};
	const double holes[] = {7, NAN, 7};
	uint32_t	rows[] = {0, 1, 2};
	uint8_t		test[3] = {0};

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, ml_groups_read(ctx, group_table(ctx, holes, 3), 0, rows, 3));
	/* the only group is for training */
	ml_groups_mark(ctx, ml_groups_read(ctx, group_table(ctx, one, 3), 0, rows, 3), &split, rows, 3, test);
	CHECK(test[0] + test[1] + test[2] == 0);
}

static void
test_class_weights(MlContext *ctx)
{
	const double target[] = {0, 0, 0, 1, 2, 2};
	const char *const labels[] = {"a", "b", "c"};
	const MlDesign design = {.rows = 6,.target = target,.classes = 3,.class_labels = labels};
	double	   *w = ml_class_weights(ctx, NULL, &design);

	CHECK(w[0] == 1 && w[1] == 1 && w[2] == 1);
	w = ml_class_weights(ctx, "\"balanced\"", &design);
	CHECK_NEAR(w[0], 6.0 / 9, 1e-15);
	CHECK_NEAR(w[1], 2, 1e-15);
	CHECK_NEAR(w[2], 1, 1e-15);
	w = ml_class_weights(ctx, "{\"b\":2.5}", &design);
	CHECK(w[0] == 1 && w[1] == 2.5 && w[2] == 1);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_class_weights(ctx, "{\"d\":2}", &design));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_class_weights(ctx, "{\"a\":-2}", &design));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_class_weights(ctx, "{\"a\":0,\"b\":0,\"c\":0}", &design));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_class_weights(ctx, "\"equal\"", &design));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_class_weights(ctx, "[1]", &design));
}

UNIT_MAIN(
		  test_ndcg,
		  test_groups_stay_whole,
		  test_group_errors,
		  test_class_weights)
