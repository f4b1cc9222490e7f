/*
 * Sorting: numbers against the C library's sort, in one piece and in several, on one thread and on four.
 */
#include "unit.h"

#include "base/random.h"
#include "base/sort.h"

static int
by_value(const void *pa, const void *pb)
{
	double		a = *(const double *) pa;
	double		b = *(const double *) pb;

	return (a > b) - (a < b);
}

/* Numbers of either sign and of all sizes; few: many of them the same. */
static double
number(MlRandom *random, bool few)
{
	double		x = ml_random_double(random) - 0.5;

	return few ? floor(20 * x) : ldexp(x, (int) ml_random_below(random, 600) - 300);
}

static void
test_numbers(MlContext *ctx)
{
	static const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 65536, 65537, 131072, 3 * 65536 + 17, 5 * 65536};
	MlRandom	random;

	ml_random_seed(&random, 11);
	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
		for (int few = 0; few < 2; few++)
		{
			size_t		n = sizes[s];
			double	   *wanted = ml_alloc_array(ctx, n + 1, sizeof(double));
			double	   *one = ml_alloc_array(ctx, n + 1, sizeof(double));
			double	   *four = ml_alloc_array(ctx, n + 1, sizeof(double));

			for (size_t i = 0; i < n; i++)
				wanted[i] = one[i] = four[i] = i % 1000 == 7 ? -0.0 : i % 1000 == 8 ? INFINITY :
					number(&random, few == 1);
			qsort(wanted, n, sizeof(double), by_value);
			ml_sort_numbers(unit_context(1), one, n);
			ml_sort_numbers(unit_context(4), four, n);
			CHECK(memcmp(one, four, n * sizeof(double)) == 0);
			for (size_t i = 0; i < n; i++)
				if (one[i] != wanted[i] || (one[i] == 0 && signbit(one[i])))
				{
					CHECK(!"sorted");
					break;
				}
		}
}

UNIT_MAIN(test_numbers)
