/*
 * The preparation: what becomes of numbers, NULLs, categories and vectors; one row as many rows; the stored form,
 * and what is refused of it.
 */
#include "unit.h"

#include <float.h>

#include "prep/prepare.h"

/* ---------------------------------------------------------------- helpers */

static const MlPrepOptions defaults = {.scale = true,.missing_indicator = true,.max_categories = 100,.min_frequency = 0.001};

/* The moments of n numbers, NaN = NULL. */
static MlMoments
moments_of(const double *values, size_t n)
{
	MlMoments	m;

	ml_moments_init(&m);
	ml_moments_add(&m, values, n);
	return m;
}

/* A preparation of number features, each of n values. */
static MlPrep *
fit_numbers(MlContext *ctx, const MlPrepOptions *options, int features, const double *const *values, size_t n)
{
	MlFeature  *f = ml_alloc_array_zero(ctx, (size_t) features, sizeof *f);
	MlMoments  *m = ml_alloc_array(ctx, (size_t) features, sizeof *m);

	for (int j = 0; j < features; j++)
	{
		f[j] = (MlFeature) {.name = ml_format(ctx, "x%d", j + 1),.kind = ML_KIND_NUMBER,.type = "double precision",.width = 1,.slot = j};
		m[j] = moments_of(values[j], n);
	}
	return ml_prep_fit(ctx, options, f, features, m, NULL, NULL, NULL);
}

/* What a category feature was seen to have. */
typedef struct Seen
{
	const char *label;			/* NULL = NULL */
	double		rows;
} Seen;

/* A preparation of one category feature "c". */
static MlPrep *
fit_category(MlContext *ctx, const MlPrepOptions *options, const Seen *seen, size_t n)
{
	MlFeature  *f = ml_alloc_zero(ctx, sizeof *f);
	MlDictionary *d = ml_dictionary_create(ctx);
	double	   *counts = ml_alloc_array_zero(ctx, n + 1, sizeof(double));
	double		nulls = 0;
	MlMoments	none = moments_of(NULL, 0);
	const double *all_counts[] = {counts};

	*f = (MlFeature) {.name = "c",.kind = ML_KIND_CATEGORY,.type = "text",.width = 1};
	for (size_t i = 0; i < n; i++)
		if (seen[i].label == NULL)
			nulls += seen[i].rows;
		else
			counts[ml_dictionary_add(ctx, d, seen[i].label, strlen(seen[i].label), UINT32_MAX)] = seen[i].rows;
	return ml_prep_fit(ctx, options, f, 1, &none, &d, all_counts, &nulls);
}

static double
encode(const MlPrep *prep, const char *label)
{
	return label == NULL ? NAN : ml_prep_encode(prep, 0, label, strlen(label));
}

/* The prepared columns of one category, as digits: "010". */
static const char *
levels_of(MlContext *ctx, const MlPrep *prep, const char *label)
{
	int			p = ml_prep_columns(prep);
	double	   *x = ml_alloc_array(ctx, (size_t) p + 1, sizeof(double));
	double		raw = encode(prep, label);
	char	   *text = ml_alloc_zero(ctx, (size_t) p + 1);

	ml_prep_apply(prep, &raw, 1, 1, x, 1);
	for (int j = 0; j < p; j++)
		text[j] = x[j] == 0 ? '0' : x[j] == 1 ? '1' : '?';
	return text;
}

/* The names of the prepared columns, with commas. */
static const char *
names_of(MlContext *ctx, const MlPrep *prep)
{
	const char *names = "";

	for (int j = 0; j < ml_prep_columns(prep); j++)
		names = ml_format(ctx, "%s%s%s", names, j > 0 ? "," : "", ml_prep_column(prep, j)->name);
	return names;
}

static const char *
reason_of(const MlPrep *prep, int i)
{
	const char *const *names;
	const char *const *reasons;

	return i < ml_prep_dropped(prep, &names, &reasons) ? reasons[i] : "none";
}

/* ---------------------------------------------------------------- numbers */

static void
test_numbers(MlContext *ctx)
{
	static const double a[] = {1, 2, 3, 6};
	static const double b[] = {NAN, 10, 20, NAN};
	const double *const values[] = {a, b};
	MlPrep	   *prep = fit_numbers(ctx, &defaults, 2, values, 4);
	double		sd = sqrt((4 + 1 + 0 + 9) / 4.0);
	double		raw[] = {3, NAN, 15, NAN};
	double		x[6];

	CHECK(strcmp(names_of(ctx, prep), "x1,x2,x2 is null") == 0);
	CHECK(ml_prep_slots(prep) == 2 && ml_prep_columns(prep) == 3);
	/* population standard deviations, of the values that are there */
	CHECK_NEAR(ml_prep_centers(prep)[0], 3, 1e-15);
	CHECK_NEAR(ml_prep_scales(prep)[0], sd, 1e-15);
	CHECK_NEAR(ml_prep_centers(prep)[1], 15, 1e-15);
	CHECK_NEAR(ml_prep_scales(prep)[1], 5, 1e-15);
	CHECK(ml_prep_centers(prep)[2] == 0 && ml_prep_scales(prep)[2] == 1);
	ml_prep_apply(prep, raw, 2, 2, x, 2);
	CHECK(x[0] == 0 && x[1] == 0);
	CHECK_NEAR(x[2], 0, 1e-15);
	CHECK(x[3] == 0 && x[4] == 0 && x[5] == 1);
}

static void
test_options(MlContext *ctx)
{
	static const double a[] = {1, NAN, 3, 8};
	const double *const values[] = {a};
	MlPrepOptions plain = defaults;
	MlPrep	   *prep;
	double		raw[] = {5, NAN};
	double		x[2];

	plain.scale = false;
	plain.missing_indicator = false;
	prep = fit_numbers(ctx, &plain, 1, values, 4);
	CHECK(strcmp(names_of(ctx, prep), "x1") == 0);
	ml_prep_apply(prep, raw, 2, 2, x, 2);
	CHECK(x[0] == 5 && x[1] == 4);	/* the mean of 1, 3 and 8 */
}

static void
test_useless_numbers(MlContext *ctx)
{
	static const double same[] = {7, 7, 7};
	static const double null[] = {NAN, NAN, NAN};
	static const double some[] = {7, NAN, 7};
	static const double good[] = {1, 2, 4};
	const double *const values[] = {same, null, some, good};
	MlPrep	   *prep = fit_numbers(ctx, &defaults, 4, values, 3);
	MlPrepOptions no_indicator = defaults;

	/* of a constant with NULLs its indicator is left */
	CHECK(strcmp(names_of(ctx, prep), "x3 is null,x4") == 0);
	CHECK(strcmp(reason_of(prep, 0), "constant") == 0 && strcmp(reason_of(prep, 1), "all NULL") == 0 && strcmp(reason_of(prep, 2), "none") == 0);
	ml_prep_report_dropped(ctx, prep);
	CHECK(unit_warnings(ctx) == 1);
	no_indicator.missing_indicator = false;
	prep = fit_numbers(ctx, &no_indicator, 3, values, 3);
	CHECK(ml_prep_columns(prep) == 0 && strcmp(reason_of(prep, 2), "constant") == 0);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_prep_report_dropped(ctx, prep), 0));
	CHECK(strstr(unit_error.detail, "\"x2\" (all NULL)") != NULL && unit_error.hint[0] != '\0');
}

/* Values so near each other, so small or so far from zero that a scale is hard to come by give finite numbers. */
static void
test_extreme_numbers(MlContext *ctx)
{
	static const double tiny[] = {0, 5e-324, 0, 5e-324};
	static const double near[] = {1, 1 + DBL_EPSILON, 1, 1};
	static const double large[] = {ML_LARGEST, -ML_LARGEST, ML_LARGEST, 0};
	static const double far[] = {1e15, 1e15 + 1, 1e15 + 2, 1e15 + 3};
	static const double larger[] = {0, 1, 2, 2 * ML_LARGEST};
	const double *const values[] = {tiny, near, large, far};
	const double *const too_large[] = {far, larger};
	MlPrep	   *prep = fit_numbers(ctx, &defaults, 4, values, 4);

	for (int j = 0; j < ml_prep_columns(prep); j++)
	{
		double		x[4];

		CHECK(ml_prep_scales(prep)[j] > 0 && isfinite(ml_prep_scales(prep)[j]) && isfinite(ml_prep_centers(prep)[j]));
		ml_prep_apply_column(prep, j, values[ml_prep_column(prep, j)->feature], 4, x);
		for (int i = 0; i < 4; i++)
			CHECK(isfinite(x[i]));
	}
	CHECK(ml_prep_columns(prep) == 4);
	CHECK_NEAR(ml_prep_scales(prep)[3], sqrt(1.25), 1e-3);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, fit_numbers(ctx, &defaults, 2, too_large, 4));
	CHECK(strstr(unit_error.message, "\"x2\"") != NULL && unit_error.detail[0] != '\0' && unit_error.hint[0] != '\0');
}

static void
test_vector(MlContext *ctx)
{
	static const double first[] = {1, 2, 3};
	static const double second[] = {5, 5, 5};
	static const double third[] = {1, NAN, 4};
	MlFeature	features[] = {{.name = "v",.kind = ML_KIND_VECTOR,.type = "integer[]",.width = 3}};
	MlMoments	moments[] = {moments_of(first, 3), moments_of(second, 3), moments_of(third, 3)};
	MlPrep	   *prep = ml_prep_fit(ctx, &defaults, features, 1, moments, NULL, NULL, NULL);
	const char *const *names;
	const char *const *reasons;

	/* an element that tells nothing gives no column, without a word: the vector is used */
	CHECK(strcmp(names_of(ctx, prep), "v[1],v[3],v[3] is null") == 0);
	CHECK(ml_prep_slots(prep) == 3 && ml_prep_column(prep, 1)->slot == 2);
	CHECK(ml_prep_dropped(prep, &names, &reasons) == 0);
}

/* ---------------------------------------------------------------- categories */

static void
test_categories(MlContext *ctx)
{
	static const Seen seen[] = {{"red", 50}, {"blue", 100}, {"green", 30}};
	MlPrep	   *prep = fit_category(ctx, &defaults, seen, 3);

	/* the most frequent is the reference; columns in the order of the names */
	CHECK(strcmp(names_of(ctx, prep), "c=green,c=red") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "blue"), "00") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "green"), "10") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "red"), "01") == 0);
	/* nothing was rare and nothing NULL: such rows are like the reference */
	CHECK(strcmp(levels_of(ctx, prep, "never seen"), "00") == 0);
	CHECK(strcmp(levels_of(ctx, prep, NULL), "00") == 0);
	CHECK(strcmp(levels_of(ctx, prep, ""), "00") == 0);
}

static void
test_rare_categories(MlContext *ctx)
{
	static const Seen seen[] = {{"a", 500}, {"b", 300}, {"once", 1}, {"twice", 2}, {"few", 9}, {NULL, 200}};
	MlPrepOptions options = defaults;
	MlPrep	   *prep;

	/* once is always rare; a share of 0.001 asks for two rows of 1012 */
	prep = fit_category(ctx, &options, seen, 6);
	CHECK(strcmp(names_of(ctx, prep), "c=b,c=few,c=twice,c=(null),c=(other)") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "once"), "00001") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "never seen"), "00001") == 0);
	CHECK(strcmp(levels_of(ctx, prep, NULL), "00010") == 0);
	options.min_frequency = 0.009;
	prep = fit_category(ctx, &options, seen, 6);
	CHECK(strcmp(names_of(ctx, prep), "c=b,c=(null),c=(other)") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "few"), "001") == 0);
	options.min_frequency = 0.25;
	prep = fit_category(ctx, &options, seen, 6);
	CHECK(strcmp(names_of(ctx, prep), "c=b,c=(other)") == 0);
	CHECK(strcmp(levels_of(ctx, prep, NULL), "01") == 0);
	/* NULL and the rest together may be the most frequent */
	options.min_frequency = 0.5;
	prep = fit_category(ctx, &options, seen, 6);
	CHECK(strcmp(reason_of(prep, 0), "every value is rare") == 0 && ml_prep_columns(prep) == 0);
}

static void
test_max_categories(MlContext *ctx)
{
	static const Seen seen[] = {{"a", 10}, {"b", 40}, {"c", 30}, {"d", 20}, {"e", 30}};
	MlPrepOptions options = defaults;
	MlPrep	   *prep;

	options.max_categories = 3;
	prep = fit_category(ctx, &options, seen, 5);
	/* the most frequent stay, of equals the first by name; then a level for the others */
	CHECK(strcmp(names_of(ctx, prep), "c=c,c=e,c=(other)") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "a"), "001") == 0 && strcmp(levels_of(ctx, prep, "d"), "001") == 0);
	options.max_categories = 2;
	prep = fit_category(ctx, &options, seen, 5);
	CHECK(strcmp(names_of(ctx, prep), "c=b,c=c") == 0);
	CHECK(strcmp(levels_of(ctx, prep, "e"), "00") == 0);
}

static void
test_useless_categories(MlContext *ctx)
{
	static const Seen one[] = {{"only", 30}};
	static const Seen null[] = {{NULL, 30}};
	static const Seen ids[] = {{"1", 1}, {"2", 1}, {"3", 1}};
	static const Seen half[] = {{"only", 30}, {NULL, 30}};

	CHECK(strcmp(reason_of(fit_category(ctx, &defaults, one, 1), 0), "constant") == 0);
	CHECK(strcmp(reason_of(fit_category(ctx, &defaults, null, 1), 0), "all NULL") == 0);
	CHECK(strcmp(reason_of(fit_category(ctx, &defaults, ids, 3), 0), "every value is rare") == 0);
	CHECK(strcmp(names_of(ctx, fit_category(ctx, &defaults, half, 2)), "c=(null)") == 0);
}

/* ---------------------------------------------------------------- applying */

/* A number with NULLs, a category, a vector: 5 slots. */
static MlPrep *
fit_all(MlContext *ctx, const MlFeature **features)
{
	static const MlFeature all[] = {{"x", ML_KIND_NUMBER, "double precision", 1, 0}, {"c", ML_KIND_CATEGORY, "text", 1, 1},
	{"v", ML_KIND_VECTOR, "real[]", 3, 2}};
	static const double x[] = {1.5, NAN, 3.7, 8.1};
	static const double v[] = {0.1, 0.2, 0.4, 0.9};
	static const char *const labels[] = {"p", "q", "r", "s"};
	static const double counts[] = {10, 5, 4, 1};
	MlMoments	moments[] = {moments_of(x, 4), moments_of(x, 0), moments_of(v, 4), moments_of(x, 4), moments_of(v, 4)};
	MlDictionary *d[] = {NULL, ml_dictionary_create(ctx), NULL};
	const double *const level_counts[] = {NULL, counts, NULL};
	static const double nulls[] = {0, 3, 0};

	for (int i = 0; i < 4; i++)
		ml_dictionary_add(ctx, d[1], labels[i], 1, UINT32_MAX);
	*features = all;
	return ml_prep_fit(ctx, &defaults, all, 3, moments, d, level_counts, nulls);
}

/* Raw rows: numbers, NULLs, every level. */
static void
fill_raw(double *raw, size_t rows)
{
	for (size_t s = 0; s < 5; s++)
		for (size_t i = 0; i < rows; i++)
			raw[s * rows + i] = (i + s) % 5 == 0 ? NAN : s == 1 ? (double) (i % 5) : (double) (i * 7 % 11) / 3 - 1;
}

static void
test_rows_and_blocks(MlContext *ctx)
{
	enum {ROWS = 100};
	const MlFeature *features;
	MlPrep	   *prep = fit_all(ctx, &features);
	size_t		p = (size_t) ml_prep_columns(prep);
	double		raw[5 * ROWS];
	double	   *whole = ml_alloc_array(ctx, p * ROWS, sizeof(double));
	double	   *part = ml_alloc_array(ctx, p * ROWS, sizeof(double));

	CHECK(strcmp(names_of(ctx, prep), "x,x is null,c=q,c=r,c=(null),c=(other),v[1],v[2],v[2] is null,v[3]") == 0);
	fill_raw(raw, ROWS);
	/* what is no level is in no column */
	raw[ROWS + 1] = -1;
	raw[ROWS + 2] = 99;
	raw[ROWS + 3] = 2.5;
	ml_prep_apply(prep, raw, ROWS, ROWS, whole, ROWS);
	for (size_t block = 1; block < ROWS; block += 12)
		for (size_t i = 0; i < ROWS; i += block)
		{
			size_t		n = ROWS - i < block ? ROWS - i : block;

			ml_prep_apply(prep, raw + i, ROWS, n, part, block);
			for (size_t j = 0; j < p; j++)
				CHECK(memcmp(part + j * block, whole + j * ROWS + i, n * sizeof(double)) == 0);
		}
	for (size_t j = 0; j < p; j++)
	{
		ml_prep_apply_column(prep, (int) j, raw + (size_t) ml_prep_column(prep, (int) j)->slot * ROWS, ROWS, part);
		CHECK(memcmp(part, whole + j * ROWS, ROWS * sizeof(double)) == 0);
	}
}

/* ---------------------------------------------------------------- the stored form */

static const MlNode *
stored(MlContext *ctx, const MlPrep *prep)
{
	MlWriter   *w = ml_writer_create(ctx);
	size_t		size;

	ml_prep_write(ctx, w, prep);
	return ml_document_root(ml_writer_finish(w, &size));
}

static void
test_stored(MlContext *ctx)
{
	const MlFeature *features;
	MlPrep	   *prep = fit_all(ctx, &features);
	const MlNode *written = stored(ctx, prep);
	MlPrep	   *again = ml_prep_read(ctx, written, features, 3);
	double		raw[50];
	double		one[110];
	double		two[110];

	CHECK(strcmp(ml_node_to_json(ctx, written, false), ml_node_to_json(ctx, stored(ctx, again), false)) == 0);
	CHECK(strcmp(names_of(ctx, prep), names_of(ctx, again)) == 0);
	CHECK(ml_prep_slots(again) == 5);
	CHECK(ml_prep_encode(prep, 1, "r", 1) == ml_prep_encode(again, 1, "r", 1));
	CHECK(ml_prep_encode(prep, 1, "never", 5) == ml_prep_encode(again, 1, "never", 5));
	fill_raw(raw, 10);
	ml_prep_apply(prep, raw, 10, 10, one, 10);
	ml_prep_apply(again, raw, 10, 10, two, 10);
	CHECK(memcmp(one, two, (size_t) ml_prep_columns(prep) * 10 * sizeof(double)) == 0);
}

/* The preparation that is read from JSON where a text is replaced by another. */
static MlPrep *
read_changed(MlContext *ctx, const char *json, const char *from, const char *to, const MlFeature *features)
{
	const char *at = strstr(json, from);
	const char *changed;
	size_t		size;

	if (at == NULL)
		unit_fatal(ml_format(ctx, "%s is not in %s", from, json));
	changed = ml_format(ctx, "%.*s%s%s", (int) (at - json), json, to, at + strlen(from));
	return ml_prep_read(ctx, ml_document_root(ml_document_from_json(ctx, changed, strlen(changed), &size)), features, 3);
}

static void
test_corrupted(MlContext *ctx)
{
	static const char *const changes[][2] = {
		{"\"kind\": {\"$i32\": [1,", "\"kind\": {\"$i32\": [9,"},
		{"\"kind\": {\"$i32\": [1,", "\"kind\": {\"$i32\": [3,"},
		{"\"kind\": {\"$i32\": [1,", "\"kind\": {\"$i32\": ["},
		{"\"feature\": {\"$i32\": [0,", "\"feature\": {\"$i32\": [7,"},
		{"\"feature\": {\"$i32\": [0,", "\"feature\": {\"$i32\": [-1,"},
		{"\"feature\": {\"$i32\": [0,", "\"feature\": {\"$i32\": [2,"},
		{"\"slot\": {\"$i32\": [0,", "\"slot\": {\"$i32\": [1,"},
		{"\"slot\": {\"$i32\": [0,", "\"slot\": {\"$i32\": [1000000,"},
		{"\"level\": {\"$i32\": [-1,", "\"level\": {\"$i32\": [0,"},
		{"\"level\": {\"$i32\": [-1, -1, 1,", "\"level\": {\"$i32\": [-1, -1, 5,"},
		{"\"impute\": {\"$f64\": [4.433333333333334", "\"impute\": {\"$f64\": [\"Infinity\""},
		{"\"center\": {\"$f64\": [4.433333333333334", "\"center\": {\"$f64\": [\"NaN\""},
		{"\"scale\": {\"$f64\": [2.7438820836342237", "\"scale\": {\"$f64\": [0.0"},
		{"\"scale\": {\"$f64\": [2.7438820836342237", "\"scale\": {\"$f64\": [-1.0"},
		{"\"scale\": {\"$f64\": [2.7438820836342237", "\"scale\": {\"$f64\": [5e-324"},
		{"\"levels\": [\"p\", \"q\"", "\"levels\": [\"p\", \"p\""},
		{"\"levels\": [\"p\"", "\"levels\": [7"},
		{"\"reference\": 0", "\"reference\": 5"},
		{"\"reference\": 0", "\"reference\": -2"},
		{"[{\"feature\": 1, \"levels\"", "[{\"feature\": 0, \"levels\""},
		{"[{\"feature\": 1, \"levels\"", "[{\"feature\": 3, \"levels\""},
		{"\"max_categories\": 100", "\"max_categories\": 0"},
		{"\"dropped\": []", "\"dropped\": [{\"feature\": \"x\"}]"},
		{"\"dropped\": []", "\"dropped\": [1]"},
		{"\"dropped\": []", "\"drop\": []"},
	};
	const MlFeature *features;
	MlPrep	   *prep = fit_all(ctx, &features);
	const char *json = ml_node_to_json(ctx, stored(ctx, prep), false);

	CHECK(read_changed(ctx, json, "\"dropped\": []", "\"dropped\": []", features) != NULL);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
	{
		CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, read_changed(ctx, json, changes[i][0], changes[i][1], features));
		if (unit_error.code != ML_ERROR_CORRUPTED)
			printf("... with %s\n", changes[i][1]);
	}
	/* other features than those it was fitted to */
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_prep_read(ctx, stored(ctx, prep), features, 2));
	CHECK_RAISES(ctx, ML_ERROR_CORRUPTED, ml_prep_read(ctx, stored(ctx, prep), features + 1, 2));
}

UNIT_MAIN(test_numbers, test_options, test_useless_numbers, test_extreme_numbers, test_vector, test_categories,
		  test_rare_categories, test_max_categories, test_useless_categories, test_rows_and_blocks, test_stored, test_corrupted)
