/*
 * Columns: values come back as they went in, at every border of a chunk, as floats or doubles; NULLs, categories,
 * vectors; what is counted; and that a row's hash says what the row says.
 */
#include "unit.h"

#include "base/columns.h"
#include "base/random.h"

/* ---------------------------------------------------------------- helpers */

/* A number column of n values of a function of the row. */
static MlColumn *
number_column(MlContext *ctx, size_t n, double (*of) (size_t row))
{
	MlColumn   *column = ml_column_create(ctx, "x", ML_KIND_NUMBER);

	for (size_t i = 0; i < n; i++)
		if (isnan(of(i)))
			ml_column_add_null(ctx, column);
		else
			ml_column_add_number(ctx, column, of(i));
	ml_column_finish(ctx, column);
	return column;
}

static double
small_integer(size_t row)
{
	return (double) (row % 1000);
}

static double
real(size_t row)
{
	return (double) row / 3;
}

/* The first chunk fits floats, the second does not. */
static double
mixed(size_t row)
{
	return row < ML_CHUNK_ROWS ? (double) row : (double) row + 0.1;
}

static double
with_nulls(size_t row)
{
	return row % 5 == 3 ? NAN : (double) row / 7;
}

static bool
same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* ---------------------------------------------------------------- numbers */

static void
test_numbers(MlContext *ctx)
{
	static double (*const functions[]) (size_t) = {small_integer, real, mixed, with_nulls};
	static const size_t sizes[] = {1, 1023, 1024, 1025, ML_CHUNK_ROWS - 1, ML_CHUNK_ROWS, ML_CHUNK_ROWS + 1, 2 * ML_CHUNK_ROWS + 77};

	for (size_t f = 0; f < 4; f++)
		for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
		{
			size_t		n = sizes[s];
			MlColumn   *column = number_column(ctx, n, functions[f]);
			double	   *out = ml_alloc_array(ctx, n, sizeof(double));
			size_t		wrong = 0;
			size_t		nulls = 0;

			CHECK(column->rows == n && column->nonfinite == 0 && column->width == 1);
			CHECK(column->nchunks == (n - 1) / ML_CHUNK_ROWS + 1);
			ml_column_read(column, 0, NULL, 0, n, out);
			for (size_t i = 0; i < n; i++)
			{
				wrong += !same(out[i], functions[f](i));
				nulls += isnan(functions[f](i));
			}
			CHECK(wrong == 0 && column->nulls == nulls);
			ml_free(ctx, out);
		}
}

/* Floats where nothing is lost, chunk by chunk; a value that floats cannot have is kept. */
static void
test_floats(MlContext *ctx)
{
	MlColumn   *integers = number_column(ctx, 2 * ML_CHUNK_ROWS, small_integer);
	MlColumn   *reals = number_column(ctx, 2 * ML_CHUNK_ROWS, real);
	MlColumn   *both = number_column(ctx, 2 * ML_CHUNK_ROWS, mixed);
	static const double odd[] = {0.1, 1e300, -1e-300, 16777217, 5e-324, -0.0, 0.5};

	CHECK(integers->chunks[0].is_float && integers->chunks[1].is_float);
	CHECK(!reals->chunks[0].is_float && !reals->chunks[1].is_float);
	CHECK(both->chunks[0].is_float && !both->chunks[1].is_float);
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
	{
		MlColumn   *column = ml_column_create(ctx, "x", ML_KIND_NUMBER);
		double		out[2];

		ml_column_add_number(ctx, column, 1);
		ml_column_add_number(ctx, column, odd[i]);
		ml_column_finish(ctx, column);
		ml_column_read(column, 0, NULL, 0, 2, out);
		CHECK(out[0] == 1 && same(out[1], odd[i]));
		CHECK(column->chunks[0].is_float == ((double) (float) odd[i] == odd[i]));
	}
}

/* Rows by number: with gaps, without, across chunks. */
static void
test_rows(MlContext *ctx)
{
	size_t		n = 2 * ML_CHUNK_ROWS + 500;
	MlColumn   *column = number_column(ctx, n, mixed);

	for (size_t step = 1; step < 400; step = step * 3 + 1)
		for (size_t first = 0; first < 3 * step; first += step)
		{
			uint32_t   *rows = ml_alloc_array(ctx, n, sizeof(uint32_t));
			double	   *out = ml_alloc_array(ctx, n, sizeof(double));
			size_t		count = 0;
			size_t		wrong = 0;

			for (size_t row = first; row < n; row += step)
				rows[count++] = (uint32_t) row;
			ml_column_read(column, 0, rows, 0, count, out);
			for (size_t i = 0; i < count; i++)
				wrong += out[i] != mixed(rows[i]);
			CHECK(count > 0 && wrong == 0);
			ml_free(ctx, rows);
			ml_free(ctx, out);
		}
	for (size_t begin = ML_CHUNK_ROWS - 3; begin < ML_CHUNK_ROWS + 3; begin++)
	{
		double		out[7];

		ml_column_read(column, 0, NULL, begin, 7, out);
		for (size_t i = 0; i < 7; i++)
			CHECK(out[i] == mixed(begin + i));
	}
}

static void
test_not_finite(MlContext *ctx)
{
	MlColumn   *column = ml_column_create(ctx, "x", ML_KIND_NUMBER);
	MlColumn   *vector = ml_column_create(ctx, "v", ML_KIND_VECTOR);
	double		values[2] = {NAN, INFINITY};

	ml_column_add_number(ctx, column, NAN);
	ml_column_add_number(ctx, column, INFINITY);
	ml_column_add_number(ctx, column, -INFINITY);
	ml_column_add_number(ctx, column, 1);
	ml_column_add_null(ctx, column);
	CHECK(column->nonfinite == 3 && column->nan_values == 1 && column->nulls == 1 && column->rows == 5);
	/* a NULL element is NaN already */
	ml_column_add_vector(ctx, vector, values, 2);
	CHECK(vector->nonfinite == 1 && vector->nulls == 0);
}

/* ---------------------------------------------------------------- categories */

static void
test_dictionary(MlContext *ctx)
{
	MlDictionary *d = ml_dictionary_create(ctx);
	char		text[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++)
		{
			int			length = snprintf(text, sizeof text, "string %d", i);

			CHECK(ml_dictionary_add(ctx, d, text, (size_t) length, UINT32_MAX) == i);
		}
	CHECK(d->count == 5000);
	CHECK(ml_dictionary_find(d, "string 4999", 11) == 4999);
	CHECK(ml_dictionary_find(d, "string 4999", 10) == 499);
	CHECK(ml_dictionary_find(d, "string", 6) == -1);
	CHECK(ml_dictionary_find(d, "", 0) == -1);
	CHECK(ml_dictionary_add(ctx, d, "", 0, UINT32_MAX) == 5000);
	CHECK(ml_dictionary_find(d, "", 0) == 5000);
	/* at the limit only those that are there already are known */
	CHECK(ml_dictionary_add(ctx, d, "one more", 8, 5001) == -1);
	CHECK(ml_dictionary_add(ctx, d, "string 7", 8, 5001) == 7);
	CHECK(ml_dictionary_add(ctx, d, "one more", 8, 5002) == 5001);
	CHECK(strcmp(d->strings[5001], "one more") == 0 && d->lengths[5001] == 8);
}

static void
test_categories(MlContext *ctx)
{
	size_t		n = ML_CHUNK_ROWS + 999;
	MlColumn   *column = ml_column_create(ctx, "c", ML_KIND_CATEGORY);
	double	   *out = ml_alloc_array(ctx, n, sizeof(double));
	size_t		wrong = 0;
	char		text[32];

	for (size_t i = 0; i < n; i++)
		if (i % 10 == 9)
			ml_column_add_null(ctx, column);
		else
		{
			int			length = snprintf(text, sizeof text, "c%zu", i % 10);

			ml_column_add_category(ctx, column, text, (size_t) length);
		}
	ml_column_finish(ctx, column);
	ml_column_read(column, 0, NULL, 0, n, out);
	for (size_t i = 0; i < n; i++)
		wrong += i % 10 == 9 ? !isnan(out[i]) : out[i] != (double) (i % 10);
	CHECK(wrong == 0 && column->dictionary->count == 9 && column->nulls == n / 10);
}

/* Strings of every length, each like the others but for one byte, many times over: met lately or not, the code is theirs. */
static void
test_recent_categories(MlContext *ctx)
{
	MlColumn   *column = ml_column_create(ctx, "c", ML_KIND_CATEGORY);
	size_t		wrong = 0;

	for (int round = 0; round < 3; round++)
		for (size_t length = 0; length <= 40; length++)
			for (size_t at = 0; at <= length; at++)
			{
				char		text[64];
				double		code;

				memset(text, 'a', length);
				if (at < length)
					text[at] = 'b';
				for (int again = 0; again < 2; again++)
				{
					ml_column_add_category(ctx, column, text, length);
					ml_column_read(column, 0, NULL, column->rows - 1, 1, &code);
					wrong += code != ml_dictionary_find(column->dictionary, text, length);
				}
			}
	CHECK(wrong == 0 && column->dictionary->count == 41 * 42 / 2);
}

/* More than 2^20 distinct strings are no categories. */
static void
test_too_many_categories(MlContext *ctx)
{
	MlColumn   *column = ml_column_create(ctx, "c", ML_KIND_CATEGORY);
	char		text[32];

	for (int i = 0; i < 1 << 20; i++)
		ml_column_add_category(ctx, column, text, (size_t) snprintf(text, sizeof text, "%d", i));
	ml_column_add_category(ctx, column, "77", 2);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_column_add_category(ctx, column, "another", 7), 0));
	CHECK(strstr(unit_error.message, "\"c\"") != NULL && unit_error.hint[0] != '\0');
}

/* ---------------------------------------------------------------- vectors */

static void
test_vectors(MlContext *ctx)
{
	size_t		n = ML_CHUNK_ROWS + 10;
	MlColumn   *column = ml_column_create(ctx, "v", ML_KIND_VECTOR);
	double	   *out = ml_alloc_array(ctx, n, sizeof(double));
	double		values[3];

	/* rows before the first vector are NULL, whatever its width will be */
	for (size_t i = 0; i < n; i++)
		if (i < 5 || i % 100 == 50)
			ml_column_add_null(ctx, column);
		else
		{
			for (int e = 0; e < 3; e++)
				values[e] = (double) i + e * 0.25;
			values[1] = i % 7 == 0 ? NAN : values[1];
			ml_column_add_vector(ctx, column, values, 3);
		}
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_column_add_vector(ctx, column, values, 2), 0));
	CHECK(strstr(unit_error.message, "differ in length") != NULL && strstr(unit_error.detail, "2 elements") != NULL);
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_column_add_vector(ctx, column, values, 0), 0));
	ml_column_finish(ctx, column);
	CHECK(column->width == 3 && column->rows == n);
	for (int e = 0; e < 3; e++)
	{
		size_t		wrong = 0;

		ml_column_read(column, e, NULL, 0, n, out);
		for (size_t i = 0; i < n; i++)
			wrong += !same(out[i], i < 5 || i % 100 == 50 || (e == 1 && i % 7 == 0) ? NAN : (double) i + e * 0.25);
		CHECK(wrong == 0);
	}
}

/* Vectors that are all NULL have no width, and read as NULL. */
static void
test_null_vectors(MlContext *ctx)
{
	MlColumn   *column = ml_column_create(ctx, "v", ML_KIND_VECTOR);
	uint32_t	rows[] = {1, 3};
	double		out[4] = {0};

	for (int i = 0; i < 4; i++)
		ml_column_add_null(ctx, column);
	ml_column_finish(ctx, column);
	CHECK(column->rows == 4 && column->nulls == 4 && column->width == 0);
	ml_column_read(column, 0, NULL, 0, 4, out);
	CHECK(isnan(out[0]) && isnan(out[3]));
	ml_column_read(column, 0, rows, 0, 2, out);
	CHECK(isnan(out[0]) && isnan(out[1]));
	CHECK_RAISES(ctx, ML_ERROR_INVALID_DATA, (ml_column_add_vector(ctx, ml_column_create(ctx, "w", ML_KIND_VECTOR), out, 0), 0));
}

/* ---------------------------------------------------------------- hashes */

/* The hashes of a column's rows alone. */
static uint64_t *
hashes_of(MlContext *ctx, const MlColumn *column, uint64_t number)
{
	uint64_t   *hashes = ml_alloc_array_zero(ctx, column->rows, sizeof(uint64_t));

	ml_column_hash(column, number, 0, column->rows, hashes);
	return hashes;
}

/* A hash is of the value and of its column, however the value is kept. */
static void
test_hashes(MlContext *ctx)
{
	MlColumn   *floats = ml_column_create(ctx, "a", ML_KIND_NUMBER);
	MlColumn   *doubles = ml_column_create(ctx, "b", ML_KIND_NUMBER);
	MlColumn   *turned = ml_column_create(ctx, "c", ML_KIND_CATEGORY);
	MlColumn   *words = ml_column_create(ctx, "d", ML_KIND_CATEGORY);
	static const char *const labels[] = {"x", "y", "x", "z"};
	uint64_t   *a;
	uint64_t   *b;
	uint64_t	part[2] = {5, 5};

	for (int i = 0; i < 4; i++)
	{
		ml_column_add_number(ctx, floats, i == 3 ? -0.0 : i);
		ml_column_add_number(ctx, doubles, i == 3 ? 0.0 : i);
		ml_column_add_category(ctx, words, labels[i], 1);
		ml_column_add_category(ctx, turned, labels[3 - i], 1);
	}
	ml_column_add_null(ctx, floats);
	ml_column_add_number(ctx, doubles, 0.1);
	ml_column_finish(ctx, floats);
	ml_column_finish(ctx, doubles);
	ml_column_finish(ctx, words);
	ml_column_finish(ctx, turned);
	CHECK(floats->chunks[0].is_float && !doubles->chunks[0].is_float);
	a = hashes_of(ctx, floats, 0);
	b = hashes_of(ctx, doubles, 0);
	CHECK(memcmp(a, b, 4 * sizeof(uint64_t)) == 0 && a[4] != b[4]);
	CHECK(a[0] == a[3] && a[0] != a[1]);
	CHECK(hashes_of(ctx, floats, 1)[0] != a[0]);
	/* the code of a string plays no part */
	a = hashes_of(ctx, words, 2);
	b = hashes_of(ctx, turned, 2);
	CHECK(a[0] == a[2] && a[0] != a[1] && a[0] == b[3] && a[3] == b[0]);
	/* added to what is there, of the rows asked for */
	ml_column_hash(words, 2, 1, 2, part);
	CHECK(part[0] == a[1] + 5 && part[1] == a[2] + 5);
}

/* Codes take as few bytes as they need; rows read the same before their chunk is sealed; emptied columns go on. */
static void
test_codes(MlContext *ctx)
{
	static const struct
	{
		int			distinct;
		int			code_size;
	}			sizes[] = {{255, 1}, {256, 2}, {65535, 2}, {65536, 4}};
	double		values[2][600];

	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
	{
		MlColumn   *column = ml_column_create(ctx, "c", ML_KIND_CATEGORY);
		size_t		last = (size_t) sizes[k].distinct;
		char		text[16];

		ml_column_add_null(ctx, column);
		for (int i = 0; i < sizes[k].distinct; i++)
			ml_column_add_category(ctx, column, text, (size_t) snprintf(text, sizeof text, "%d", i));
		ml_column_read(column, 0, NULL, last > 500 ? last - 500 : 0, last > 500 ? 501 : last + 1, values[0]);
		ml_column_finish(ctx, column);
		ml_column_read(column, 0, NULL, last > 500 ? last - 500 : 0, last > 500 ? 501 : last + 1, values[1]);
		CHECK(column->chunks[0].code_size == (sizes[k].distinct > ML_CHUNK_ROWS - 1 ? 2 : sizes[k].code_size));
		CHECK(column->chunks[column->nchunks - 1].code_size == sizes[k].code_size);
		for (size_t i = 0; i < (last > 500 ? 501 : last + 1); i++)
		{
			size_t		row = (last > 500 ? last - 500 : 0) + i;

			CHECK(row == 0 ? isnan(values[0][i]) && isnan(values[1][i]) :
				  values[0][i] == (double) (row - 1) && values[1][i] == values[0][i]);
		}
		ml_column_empty(ctx, column);
		ml_column_add_category(ctx, column, "7", 1);
		ml_column_read(column, 0, NULL, 0, 1, values[0]);
		CHECK(values[0][0] == 7 && column->rows == last + 2 && column->nulls == 1);
	}
}

UNIT_MAIN(test_codes, test_numbers, test_floats, test_rows, test_not_finite, test_dictionary, test_categories,
		  test_recent_categories, test_too_many_categories, test_vectors, test_null_vectors, test_hashes)
