/*
 * Training in one pass: the same model as over rows that are kept, whatever the parts and their order; NULLs that
 * only some parts have; the flat form and what is refused of it.
 */
#include "unit.h"

#include <float.h>

#include "base/random.h"
#include "learn/learners.h"
#include "model/one_pass.h"

/* ---------------------------------------------------------------- helpers */

typedef struct Data
{
	int			features;
	size_t		rows;
	bool		weighted;
	int			nulls_in;		/* feature with NULLs, from row nulls_from on; -1 = none */
	size_t		nulls_from;
	size_t		skip;			/* every that many rows have no target (0 = none) */
} Data;

static double
uniform(size_t row, int column)
{
	return (double) (ml_mix64(row * 512 + (size_t) column) >> 11) * 0x1p-53;
}

/* Column c of a row: features, target, weight.  NaN = NULL. */
static double
value(const Data *d, size_t row, int c)
{
	if (c == d->features + 1)
		return (double) (row % 4);
	if (c == d->features)
	{
		double		y = 5 + uniform(row, 500);

		if (d->skip > 0 && row % d->skip == 1)
			return NAN;
		for (int j = 0; j < d->features; j++)
			y += (j % 5 - 1.5) * uniform(row, j);
		return y;
	}
	if (c == d->nulls_in && row >= d->nulls_from && row % 3 == 0)
		return NAN;
	return uniform(row, c) * (c + 1) + 10 * c;
}

/* Write a value of the row being filled; NaN = NULL. */
static void
put(MlOnePass *s, int column, double v)
{
	s->block[(size_t) column * ML_ONE_PASS_ROWS + (size_t) s->filled] = v;
	s->block_nulls[column] += isnan(v) != 0;
}

/* Rows begin .. end - 1 in a state. */
static MlOnePass *
gather(MlContext *ctx, const Data *d, size_t begin, size_t end)
{
	MlOnePass  *s = ml_one_pass_create(ctx, d->features, d->weighted, true);

	for (size_t row = begin; row < end; row++)
	{
		for (int c = 0; c < d->features + 1 + d->weighted; c++)
			put(s, c, value(d, row, c));
		if (++s->filled == ML_ONE_PASS_ROWS)
			ml_one_pass_flush(ctx, s);
	}
	return s;
}

/* What is learned; the names are x1, x2, ... and y. */
static MlTrainSpec
make_spec(MlContext *ctx, const Data *d, const char *params, const char *preprocess)
{
	const char **types = ml_alloc_array(ctx, (size_t) d->features + 1, sizeof(char *));

	for (int j = 0; j < d->features; j++)
		types[j] = "double precision";
	return (MlTrainSpec) {
		.algorithm = &ml_linear_regression,.params = params,.preprocess = preprocess,.split = {.kind = ML_SPLIT_NONE},
		.nfeatures = d->features,.feature_types = types,.target = d->features,.target_kind = ML_TARGET_NUMBER,
		.weight = d->weighted ? d->features + 1 : -1,.split_column = -1,.group = -1,.start = -1,
	};
}

static MlTrainResult *
finish(MlContext *ctx, MlOnePass *s, const Data *d, const char *params, const char *preprocess)
{
	MlTrainSpec spec = make_spec(ctx, d, params, preprocess);
	MlFeature  *features = ml_alloc_array_zero(ctx, (size_t) d->features + 1, sizeof(MlFeature));
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);

	for (int j = 0; j < d->features; j++)
		features[j] = (MlFeature) {.name = ml_format(ctx, "x%d", j + 1),.kind = ML_KIND_NUMBER,.type = "double precision",.width = 1,.slot = j};
	ml_one_pass_finish(ctx, s, &spec, features, d->features, "y", result);
	return result;
}

/* The same training over rows that are kept. */
static MlTrainResult *
over_rows(MlContext *ctx, const Data *d, const char *params, const char *preprocess)
{
	MlTrainSpec spec = make_spec(ctx, d, params, preprocess);
	int			columns = d->features + 1 + d->weighted;
	MlTable		table = {.rows = d->rows,.ncolumns = columns};
	MlTrainResult *result = ml_alloc_zero(ctx, sizeof *result);

	table.columns = ml_alloc_array(ctx, (size_t) columns, sizeof(MlColumn *));
	for (int c = 0; c < columns; c++)
	{
		table.columns[c] = ml_column_create(ctx, c < d->features ? ml_format(ctx, "x%d", c + 1) : c == d->features ? "y" : "w", ML_KIND_NUMBER);
		for (size_t row = 0; row < d->rows; row++)
			if (isnan(value(d, row, c)))
				ml_column_add_null(ctx, table.columns[c]);
			else
				ml_column_add_number(ctx, table.columns[c], value(d, row, c));
		ml_column_finish(ctx, table.columns[c]);
	}
	ml_pipeline_train(ctx, &table, &spec, result);
	return result;
}

/* Two models with the same coefficients and errors, within a tolerance. */
static void
check_same(MlContext *ctx, const MlTrainResult *a, const MlTrainResult *b, double tolerance)
{
	MlModel    *x = ml_model_open(ctx, a->bytes, a->size);
	MlModel    *y = ml_model_open(ctx, b->bytes, b->size);
	MlCoefficient *cx;
	MlCoefficient *cy;
	size_t		n = ml_linear_regression.coefficients(ctx, x->loaded, &x->shape, &cx);

	CHECK(n > 1 && n == ml_linear_regression.coefficients(ctx, y->loaded, &y->shape, &cy));
	CHECK(ml_prep_columns(x->prep) == ml_prep_columns(y->prep));
	for (size_t i = 0; i < n; i++)
	{
		CHECK(cx[i].column == cy[i].column);
		CHECK(cx[i].column < 0 || strcmp(ml_prep_column(x->prep, cx[i].column)->name, ml_prep_column(y->prep, cy[i].column)->name) == 0);
		CHECK_NEAR(cx[i].estimate, cy[i].estimate, tolerance);
		CHECK_NEAR(cx[i].std_error, cy[i].std_error, tolerance);
	}
	CHECK(a->n_train == b->n_train && a->n_skipped == b->n_skipped && a->task == b->task);
	CHECK(a->digest.sum == b->digest.sum && a->digest.sum_inverse == b->digest.sum_inverse);
}

static double
metric(const MlMetric *metrics, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return metrics[i].value;
	return NAN;
}

/* ---------------------------------------------------------------- against rows that are kept */

static void
test_like_rows(MlContext *ctx)
{
	static const char *const params[] = {NULL, "{\"l2\": 3}", "{\"fit_intercept\": false}"};
	static const char *const scales[] = {"{\"scale\": \"none\"}", "{\"scale\": \"standard\"}", "{\"missing_indicator\": false}"};
	static const size_t rows[] = {7, 127, 128, 129, 1000, 40000};

	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
		for (int variant = 0; variant < 12; variant++)
		{
			Data		d = {.features = 3,.rows = rows[r],.weighted = variant & 1,.nulls_in = variant & 2 ? 1 : -1,.skip = variant & 4 ? 5 : 0};
			const char *p = params[variant % 3];
			const char *scale = scales[(variant + (int) r) % 3];
			MlTrainResult *one;
			MlTrainResult *kept;

			one = finish(ctx, gather(ctx, &d, 0, d.rows), &d, p, scale);
			kept = over_rows(ctx, &d, p, scale);
			/* seven rows are few for five unknowns: what rounding leaves is relatively more */
			check_same(ctx, one, kept, rows[r] < 100 ? 1e-6 : 1e-9);
			for (int i = 0; i < one->nmetrics; i++)
				if (rows[r] > 100)
					CHECK_NEAR(one->metrics[i].value, metric(kept->metrics, kept->nmetrics, one->metrics[i].name), 1e-8);
			CHECK(one->nmetrics == 3 && one->nbaseline == 3 && !one->held_out && one->n_test == 0);
			CHECK_NEAR(metric(one->baseline, one->nbaseline, "rmse"), metric(kept->baseline, kept->nbaseline, "rmse"), 1e-9);
		}
}

/* ---------------------------------------------------------------- merging */

static void
merge(MlContext *ctx, MlOnePass *s, MlOnePass *other)
{
	ml_one_pass_flush(ctx, other);
	ml_one_pass_merge(ctx, s, other);
}

/* A part of another context leaves that context's memory, and what is counted of it, as they were. */
static void
test_merge_contexts(MlContext *ctx)
{
	static const size_t rows[] = {2, 130, 20000};

	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++)
		{
			Data		few = {.features = 20,.rows = rows[i],.nulls_in = 3};
			Data		many = {.features = 20,.rows = rows[j],.nulls_in = 7};
			MlContext  *own = unit_context(1);
			MlOnePass  *s = gather(ctx, &few, 0, few.rows);
			MlOnePass  *other = gather(own, &many, 0, many.rows);
			bool		extended;
			size_t		used;

			ml_one_pass_flush(own, other);
			used = own->used_memory;
			extended = other->extended != NULL;
			ml_one_pass_merge(ctx, s, other);
			CHECK(s->rows == (double) (rows[i] + rows[j]));
			CHECK(own->used_memory == used && (other->extended != NULL) == extended);
		}
	/* rows that wait in the block would be lost */
	{
		Data		d = {.features = 2,.rows = 5,.nulls_in = -1};
		MlOnePass  *s = gather(ctx, &d, 0, 5);
		MlOnePass  *waiting = gather(ctx, &d, 0, 5);

		waiting->filled = 1;
		CHECK_RAISES(ctx, ML_ERROR_INTERNAL, (ml_one_pass_merge(ctx, s, waiting), 0));
	}
}

/* Cut the rows in parts, merge them one after another, or pair by pair. */
static MlOnePass *
merge_parts(MlContext *ctx, const Data *d, size_t parts, bool backwards)
{
	MlOnePass  *all = NULL;

	for (size_t k = 0; k < parts; k++)
	{
		size_t		i = backwards ? parts - 1 - k : k;
		MlOnePass  *part = gather(ctx, d, d->rows * i / parts, d->rows * (i + 1) / parts);

		if (all == NULL)
			all = part;
		else
			merge(ctx, all, part);
	}
	return all;
}

static void
test_merge(MlContext *ctx)
{
	static const size_t parts[] = {2, 3, 7, 40};

	for (int variant = 0; variant < 8; variant++)
		for (size_t p = 0; p < 4; p++)
		{
			/* NULLs begin half way: parts before have no indicator */
			Data		d = {.features = 4,.rows = variant & 1 ? 30000 : 600,.weighted = variant & 2,
				.nulls_in = variant & 4 ? 2 : -1,.nulls_from = variant & 1 ? 15000 : 300,.skip = 9};
			MlTrainResult *whole = finish(ctx, gather(ctx, &d, 0, d.rows), &d, NULL, NULL);

			check_same(ctx, finish(ctx, merge_parts(ctx, &d, parts[p], false), &d, NULL, NULL), whole, 1e-9);
			check_same(ctx, finish(ctx, merge_parts(ctx, &d, parts[p], true), &d, NULL, NULL), whole, 1e-9);
		}
}

/* Indicators that appear in another order in two parts find each other. */
static void
test_merge_indicators(MlContext *ctx)
{
	Data		first = {.features = 3,.rows = 200,.nulls_in = 2};
	Data		second = {.features = 3,.rows = 200,.nulls_in = 0};
	MlOnePass  *a = gather(ctx, &first, 0, 200);
	MlOnePass  *b = gather(ctx, &second, 0, 200);
	MlOnePass  *c = gather(ctx, &second, 0, 200);
	MlOnePass  *d = gather(ctx, &first, 0, 200);
	MlModel    *model;
	MlTrainResult *result;

	merge(ctx, a, b);
	merge(ctx, c, d);
	CHECK(a->indicators == 2 && a->indicator_of[2] == 0 && a->indicator_of[0] == 1 && a->indicator_of[1] == -1);
	CHECK(c->indicators == 2 && c->indicator_of[0] == 0 && c->indicator_of[2] == 1);
	result = finish(ctx, a, &first, NULL, NULL);
	check_same(ctx, result, finish(ctx, c, &first, NULL, NULL), 1e-10);
	model = ml_model_open(ctx, result->bytes, result->size);
	CHECK(ml_prep_columns(model->prep) == 5);
	CHECK(strcmp(ml_prep_column(model->prep, 1)->name, "x1 is null") == 0);
	CHECK(strcmp(ml_prep_column(model->prep, 4)->name, "x3 is null") == 0);
}

/* Empty parts change nothing; parts of other widths are refused. */
static void
test_merge_odd(MlContext *ctx)
{
	Data		d = {.features = 2,.rows = 300,.nulls_in = -1};
	Data		wider = {.features = 3,.rows = 300,.nulls_in = -1};
	MlOnePass  *empty = gather(ctx, &d, 0, 0);
	MlOnePass  *full = gather(ctx, &d, 0, 300);
	MlTrainResult *alone = finish(ctx, gather(ctx, &d, 0, 300), &d, NULL, NULL);

	merge(ctx, full, gather(ctx, &d, 0, 0));
	merge(ctx, empty, full);
	check_same(ctx, finish(ctx, empty, &d, NULL, NULL), alone, 1e-12);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (merge(ctx, empty, gather(ctx, &wider, 0, 300)), 0));
	CHECK(strstr(unit_error.detail, "2") != NULL && strstr(unit_error.detail, "3") != NULL);
}

/* ---------------------------------------------------------------- the flat form */

/* A copy through the flat form, exactly as long as it says. */
static MlOnePass *
through_flat(MlContext *ctx, MlOnePass *s)
{
	size_t		count;
	double	   *flat;
	const char *reason;
	MlOnePass  *copy;

	ml_one_pass_flush(ctx, s);
	count = ml_one_pass_flat_count(s);
	flat = ctx->alloc(ctx, count * sizeof(double));
	ml_one_pass_flatten(s, flat);
	copy = ml_one_pass_unflatten(ctx, flat, count, &reason);
	CHECK(copy != NULL);
	return copy;
}

static void
test_flat(MlContext *ctx)
{
	for (int variant = 0; variant < 8; variant++)
	{
		Data		d = {.features = 3,.rows = variant & 1 ? 50000 : 333,.weighted = variant & 2,.nulls_in = variant & 4 ? 1 : -1,.skip = 4};
		MlOnePass  *s = gather(ctx, &d, 0, d.rows);
		MlOnePass  *copy = through_flat(ctx, s);
		size_t		count = ml_one_pass_flat_count(s);
		double	   *one = ml_alloc_array(ctx, count, sizeof(double));
		double	   *two = ml_alloc_array(ctx, count, sizeof(double));
		MlTrainResult *a;
		MlTrainResult *b;

		CHECK(ml_one_pass_flat_count(copy) == count);
		ml_one_pass_flatten(s, one);
		ml_one_pass_flatten(copy, two);
		CHECK(memcmp(one, two, count * sizeof(double)) == 0);
		CHECK((s->extended != NULL) == (d.rows < 1000));
		/* the copy goes on like the original */
		merge(ctx, copy, gather(ctx, &d, d.rows, d.rows + 50));
		merge(ctx, s, gather(ctx, &d, d.rows, d.rows + 50));
		a = finish(ctx, s, &d, NULL, NULL);
		b = finish(ctx, copy, &d, NULL, NULL);
		CHECK(a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0);
	}
}

/* Any one double of the flat form replaced by something else: a reason, or a state that can be finished or raises. */
static void
test_flat_hostile(MlContext *ctx)
{
	static const double wrong[] = {NAN, INFINITY, -1, 0.5, 1e300, 65537, 3, 0};
	Data		d = {.features = 2,.rows = 100,.nulls_in = 0};
	MlOnePass  *s = gather(ctx, &d, 0, d.rows);
	size_t		count;
	double	   *flat;
	const char *reason;
	long		refused = 0;

	ml_one_pass_flush(ctx, s);
	count = ml_one_pass_flat_count(s);
	flat = ctx->alloc(ctx, count * sizeof(double));
	for (size_t i = 0; i < count; i++)
		for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++)
		{
			jmp_buf    *outer = unit_entry;
			jmp_buf		inner;
			MlContext  *own = unit_context(1);
			MlOnePass  *read;

			ml_one_pass_flatten(s, flat);
			flat[i] = wrong[w];
			reason = NULL;
			read = ml_one_pass_unflatten(own, flat, count, &reason);
			if (read == NULL)
			{
				CHECK(reason != NULL);
				refused++;
				continue;
			}
			if (setjmp(inner) == 0)
			{
				unit_entry = &inner;
				merge(own, read, gather(own, &d, 0, 130));
				finish(own, read, &d, NULL, NULL);
			}
			else
				CHECK(unit_error.code == ML_ERROR_INVALID_DATA || unit_error.code == ML_ERROR_CORRUPTED);
			unit_entry = outer;
		}
	CHECK(refused > 50);
	ml_one_pass_flatten(s, flat);
	for (size_t n = 0; n < count; n++)
		CHECK(ml_one_pass_unflatten(ctx, flat, n, &reason) == NULL && reason != NULL);
	CHECK(ml_one_pass_unflatten(ctx, flat, count, &reason) != NULL);
}

/* ---------------------------------------------------------------- errors */

static void
test_errors(MlContext *ctx)
{
	Data		d = {.features = 2,.rows = 40,.nulls_in = -1};
	Data		weighted = {.features = 2,.rows = 40,.weighted = true,.nulls_in = -1};
	Data		no_target = {.features = 2,.rows = 40,.nulls_in = -1,.skip = 2};
	MlOnePass  *s = gather(ctx, &d, 0, d.rows);

	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, gather(ctx, &d, 0, 0), &d, NULL, NULL));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, gather(ctx, &d, 0, 1), &d, NULL, NULL));
	CHECK(strstr(unit_error.message, "constant") != NULL);
	/* values that are given and are no numbers are told from NULLs; the state goes on */
	s->block[ML_ONE_PASS_ROWS + 2] = NAN;
	s->block[ML_ONE_PASS_ROWS + 3] = INFINITY;
	s->block[ML_ONE_PASS_ROWS + 4] = -INFINITY;
	put(s, 1, NAN);
	s->filled++;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &d, NULL, NULL));
	CHECK(strstr(unit_error.message, "\"x2\"") != NULL && strstr(unit_error.detail, "3 of 41") != NULL);
	s = gather(ctx, &d, 0, d.rows);
	s->block[2 * ML_ONE_PASS_ROWS + 7] = -INFINITY;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &d, NULL, NULL));
	CHECK(strstr(unit_error.message, "\"y\"") != NULL);
	s = gather(ctx, &d, 0, d.rows);
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, finish(ctx, s, &d, "{\"l3\": 1}", NULL));
	CHECK_RAISES(ctx, ML_ERROR_UNDEFINED, finish(ctx, s, &d, NULL, "{\"scales\": \"none\"}"));
	CHECK(finish(ctx, s, &d, NULL, NULL)->n_train == 40);

	/* no target at all: of every two rows the second has none */
	s = gather(ctx, &no_target, 1, 2);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &no_target, NULL, NULL));
	CHECK(strstr(unit_error.message, "NULL in every row") != NULL);

	/* weights */
	s = gather(ctx, &weighted, 0, 40);
	s->block[3 * ML_ONE_PASS_ROWS + 5] = -1;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &weighted, NULL, NULL));
	CHECK(strstr(unit_error.detail, "-1") != NULL);
	s = gather(ctx, &weighted, 0, 40);
	s->block[3 * ML_ONE_PASS_ROWS + 5] = NAN;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &weighted, NULL, NULL));
	s = gather(ctx, &weighted, 0, 40);
	for (int i = 0; i < 40; i++)
		s->block[3 * ML_ONE_PASS_ROWS + i] = 0;
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, finish(ctx, s, &weighted, NULL, NULL));
}

/* Columns without use are left out, as over rows that are kept. */
static void
test_dropped(MlContext *ctx)
{
	Data		d = {.features = 3,.rows = 150,.nulls_in = -1};
	MlOnePass  *s = ml_one_pass_create(ctx, 3, false, true);
	MlTrainResult *result;
	MlModel    *model;
	const char *const *names;
	const char *const *reasons;

	for (size_t row = 0; row < d.rows; row++)
	{
		put(s, 0, NAN);
		put(s, 1, 7);
		put(s, 2, value(&d, row, 2));
		put(s, 3, value(&d, row, 3));
		if (++s->filled == ML_ONE_PASS_ROWS)
			ml_one_pass_flush(ctx, s);
	}
	result = finish(ctx, s, &d, NULL, NULL);
	model = ml_model_open(ctx, result->bytes, result->size);
	CHECK(unit_warnings(ctx) == 1);
	CHECK(ml_prep_columns(model->prep) == 1);
	CHECK(ml_prep_dropped(model->prep, &names, &reasons) == 2);
	CHECK(strcmp(reasons[0], "all NULL") == 0 && strcmp(reasons[1], "constant") == 0);
}

UNIT_MAIN(test_like_rows, test_merge, test_merge_contexts, test_merge_indicators, test_merge_odd, test_flat, test_flat_hostile, test_errors, test_dropped)
