/*
 * Two models on the same rows.  References: DeLong from its definition (placement values by counting all pairs,
 * numpy 1.24 cov), McNemar from scipy 1.10.1's binomtest.
 */
#include "unit.h"

#include <math.h>

#include "score/compare.h"

static void
test_delong(MlContext *ctx)
{
	const double y[] = {1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0};
	const double a[] = {.9, .1, .8, .4, .4, .3, .6, .2, .6, .7, .5, .5, .1, .9, .3, .4, .35, .2, .8, .65};
	const double b[] = {.7, .2, .8, .6, .3, .3, .5, .4, .5, .6, .4, .6, .2, .7, .1, .5, .55, .3, .6, .45};
	MlDelong	r;

	CHECK(ml_delong(ctx, y, a, b, 20, &r));
	CHECK_NEAR(r.auc[0], 0.8686868686868687, 1e-14);
	CHECK_NEAR(r.auc[1], 0.9090909090909091, 1e-14);
	CHECK_NEAR(r.std_error, 0.0748940686450698, 1e-13);
	CHECK_NEAR(r.p_value, 0.5895539595574005, 1e-11);
	/* a model is as good as itself */
	CHECK(ml_delong(ctx, y, a, a, 20, &r));
	CHECK(r.auc[0] == r.auc[1] && r.std_error == 0 && r.p_value == 1);
	/* one row of a class has no variance */
	CHECK(!ml_delong(ctx, y, a, b, 3, &r));
	CHECK(isnan(r.auc[0]) && isnan(r.p_value));
	CHECK(!ml_delong(ctx, y, a, b, 0, &r));
}

static void
test_mcnemar(MlContext *ctx)
{
	(void) ctx;
	CHECK_NEAR(ml_mcnemar_p(3, 10), 0.09228515625, 1e-13);
	CHECK_NEAR(ml_mcnemar_p(10, 3), 0.09228515625, 1e-13);
	CHECK_NEAR(ml_mcnemar_p(0, 5), 0.0625, 1e-14);
	CHECK_NEAR(ml_mcnemar_p(120, 180), 0.0006342200069283597, 1e-12);
	CHECK_NEAR(ml_mcnemar_p(49000, 50000), 0.0014980826229750027, 1e-12);
	CHECK(ml_mcnemar_p(7, 7) == 1 && ml_mcnemar_p(0, 0) == 1 && ml_mcnemar_p(1, 0) == 1);
}

UNIT_MAIN(
		  test_delong,
		  test_mcnemar)
