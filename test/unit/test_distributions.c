/*
 * Distribution functions against reference values, and against each other.
 */
#include "unit.h"

#include "base/distributions.h"

typedef enum Function
{
	NORMAL_CDF,
	NORMAL_QUANTILE,
	T_TWO_SIDED,
	T_QUANTILE,
	CHI2_UPPER,
	F_UPPER
} Function;

/* x is the argument (a probability for quantiles), df1 and df2 the degrees of freedom. */
typedef struct Reference
{
	Function	function;
	double		x;
	double		df1;
	double		df2;
	double		value;
} Reference;

/*
 * This project's golden references for distribution functions, all but the t quantile at 1/2 (7e-17 there,
 * exactly 0 here).  Its t quantiles are off by up to 4e-11, which integrating the density shows; the
 * next table has them better.
 */
static const Reference golden[] = {
	{NORMAL_CDF, -8, 0, 0, 6.22096057427174e-16}, {T_TWO_SIDED, -8, 1, 0, 0.07916684832113108},
	{T_TWO_SIDED, -8, 2, 0, 0.01526807216533814}, {T_TWO_SIDED, -8, 5, 0, 0.0004929066605724437},
	{T_TWO_SIDED, -8, 30, 0, 6.265822475700772e-09},
	{T_TWO_SIDED, -8, 431, 0, 1.1603318820311232e-14},
	{NORMAL_CDF, -3, 0, 0, 0.0013498980316300933}, {T_TWO_SIDED, -3, 1, 0, 0.20483276469913345},
	{T_TWO_SIDED, -3, 2, 0, 0.09546596626670911}, {T_TWO_SIDED, -3, 5, 0, 0.03009924789746257},
	{T_TWO_SIDED, -3, 30, 0, 0.005389964065651944}, {T_TWO_SIDED, -3, 431, 0, 0.002856378527886298},
	{NORMAL_CDF, -1.96, 0, 0, 0.024997895148220435},
	{T_TWO_SIDED, -1.96, 1, 0, 0.30034289177603307},
	{T_TWO_SIDED, -1.96, 2, 0, 0.18905730960173223}, {T_TWO_SIDED, -1.96, 5, 0, 0.1072879525052941},
	{T_TWO_SIDED, -1.96, 30, 0, 0.05934231289605053},
	{T_TWO_SIDED, -1.96, 431, 0, 0.05063971892371371}, {NORMAL_CDF, -0.5, 0, 0, 0.3085375387259869},
	{T_TWO_SIDED, -0.5, 1, 0, 0.7048327646991336}, {T_TWO_SIDED, -0.5, 2, 0, 0.6666666666666667},
	{T_TWO_SIDED, -0.5, 5, 0, 0.638298871640929}, {T_TWO_SIDED, -0.5, 30, 0, 0.6207230048851273},
	{T_TWO_SIDED, -0.5, 431, 0, 0.6173302534448311}, {NORMAL_CDF, 0, 0, 0, 0.5},
	{T_TWO_SIDED, 0, 1, 0, 1.0}, {T_TWO_SIDED, 0, 2, 0, 1.0}, {T_TWO_SIDED, 0, 5, 0, 1.0},
	{T_TWO_SIDED, 0, 30, 0, 1.0}, {T_TWO_SIDED, 0, 431, 0, 1.0},
	{NORMAL_CDF, 0.3, 0, 0, 0.6179114221889526}, {T_TWO_SIDED, 0.3, 1, 0, 0.8144528418445154},
	{T_TWO_SIDED, 0.3, 2, 0, 0.7924856608401776}, {T_TWO_SIDED, 0.3, 5, 0, 0.7762490422632745},
	{T_TWO_SIDED, 0.3, 30, 0, 0.7662461052843528}, {T_TWO_SIDED, 0.3, 431, 0, 0.7643217901397762},
	{NORMAL_CDF, 1, 0, 0, 0.8413447460685429}, {T_TWO_SIDED, 1, 1, 0, 0.49999999999999956},
	{T_TWO_SIDED, 1, 2, 0, 0.42264973081037427}, {T_TWO_SIDED, 1, 5, 0, 0.36321746764912255},
	{T_TWO_SIDED, 1, 30, 0, 0.32530861542602985}, {T_TWO_SIDED, 1, 431, 0, 0.3178715990833906},
	{NORMAL_CDF, 2.5758, 0, 0, 0.9949995762622214}, {T_TWO_SIDED, 2.5758, 1, 0, 0.2357516799430832},
	{T_TWO_SIDED, 2.5758, 2, 0, 0.12342846333397853},
	{T_TWO_SIDED, 2.5758, 5, 0, 0.0496844798504971},
	{T_TWO_SIDED, 2.5758, 30, 0, 0.015170143531460267},
	{T_TWO_SIDED, 2.5758, 431, 0, 0.010332967271332632}, {NORMAL_CDF, 5, 0, 0, 0.9999997133484281},
	{T_TWO_SIDED, 5, 1, 0, 0.12566591637800234}, {T_TWO_SIDED, 5, 2, 0, 0.037749551350623724},
	{T_TWO_SIDED, 5, 5, 0, 0.0041047159800533225}, {T_TWO_SIDED, 5, 30, 0, 2.3296685467007786e-05},
	{T_TWO_SIDED, 5, 431, 0, 8.356934418941962e-07}, {NORMAL_CDF, 9, 0, 0, 1.0},
	{T_TWO_SIDED, 9, 1, 0, 0.07044657495455454}, {T_TWO_SIDED, 9, 2, 0, 0.012121660092786868},
	{T_TWO_SIDED, 9, 5, 0, 0.0002826799742438969}, {T_TWO_SIDED, 9, 30, 0, 5.014831916147883e-10},
	{T_TWO_SIDED, 9, 431, 0, 7.275021043351568e-18}, {CHI2_UPPER, 0.01, 1, 0, 0.920344325445942},
	{CHI2_UPPER, 0.01, 3, 0, 0.9997348349413444}, {CHI2_UPPER, 0.01, 10, 0, 0.999999999999974},
	{CHI2_UPPER, 0.01, 100, 0, 1.0}, {F_UPPER, 0.01, 1, 10, 0.9223207185644097},
	{F_UPPER, 0.01, 3, 146, 0.9986236263918462}, {F_UPPER, 0.01, 10, 431, 0.9999999973867528},
	{CHI2_UPPER, 0.5, 1, 0, 0.47950012218695337}, {CHI2_UPPER, 0.5, 3, 0, 0.9188914116546758},
	{CHI2_UPPER, 0.5, 10, 0, 0.999993388289439}, {CHI2_UPPER, 0.5, 100, 0, 1.0},
	{F_UPPER, 0.5, 1, 10, 0.49564750438311966}, {F_UPPER, 0.5, 3, 146, 0.682861584043615},
	{F_UPPER, 0.5, 10, 431, 0.8900256625066656}, {CHI2_UPPER, 1, 1, 0, 0.31731050786291115},
	{CHI2_UPPER, 1, 3, 0, 0.8012519569012009}, {CHI2_UPPER, 1, 10, 0, 0.9998278843700441},
	{CHI2_UPPER, 1, 100, 0, 1.0}, {F_UPPER, 1, 1, 10, 0.34089313230205964},
	{F_UPPER, 1, 3, 146, 0.39476290945761017}, {F_UPPER, 1, 10, 431, 0.4425033325183959},
	{CHI2_UPPER, 3.84, 1, 0, 0.05004352124870519}, {CHI2_UPPER, 3.84, 3, 0, 0.27926761711860965},
	{CHI2_UPPER, 3.84, 10, 0, 0.9542763043207358}, {CHI2_UPPER, 3.84, 100, 0, 1.0},
	{F_UPPER, 3.84, 1, 10, 0.07848940125216833}, {F_UPPER, 3.84, 3, 146, 0.011065160900991376},
	{F_UPPER, 3.84, 10, 431, 5.389048006220932e-05}, {CHI2_UPPER, 10, 1, 0, 0.001565402258002549},
	{CHI2_UPPER, 10, 3, 0, 0.01856613546304325}, {CHI2_UPPER, 10, 10, 0, 0.44049328506521257},
	{CHI2_UPPER, 10, 100, 0, 1.0}, {F_UPPER, 10, 1, 10, 0.010119559735433716},
	{F_UPPER, 10, 3, 146, 4.910379869177506e-06}, {F_UPPER, 10, 10, 431, 3.805815498788543e-15},
	{CHI2_UPPER, 50, 1, 0, 1.537459794428033e-12}, {CHI2_UPPER, 50, 3, 0, 7.989179244951495e-11},
	{CHI2_UPPER, 50, 10, 0, 2.669083424904495e-07}, {CHI2_UPPER, 50, 100, 0, 0.9999930466947524},
	{F_UPPER, 50, 1, 10, 3.4114010142784005e-05}, {F_UPPER, 50, 3, 146, 2.72288568355314e-22},
	{F_UPPER, 50, 10, 431, 6.634563343108882e-66}, {CHI2_UPPER, 300, 1, 0, 3.2943623833139784e-67},
	{CHI2_UPPER, 300, 3, 0, 9.948758346327588e-65},
	{CHI2_UPPER, 300, 10, 0, 1.5546747543803087e-58},
	{CHI2_UPPER, 300, 100, 0, 7.4121008573230175e-22}, {F_UPPER, 300, 1, 10, 8.713905269945922e-09},
	{F_UPPER, 300, 3, 146, 3.358253594993468e-62}, {F_UPPER, 300, 10, 431, 3.8746683454561374e-187},
	{NORMAL_QUANTILE, 1e-10, 0, 0, -6.361340902404056},
	{T_QUANTILE, 1e-10, 10, 0, -25.46600802066332},
	{NORMAL_QUANTILE, 0.001, 0, 0, -3.090232306167813},
	{T_QUANTILE, 0.001, 10, 0, -4.143700494046624},
	{NORMAL_QUANTILE, 0.025, 0, 0, -1.9599639845400545},
	{T_QUANTILE, 0.025, 10, 0, -2.2281388519649385}, {NORMAL_QUANTILE, 0.5, 0, 0, 0.0},
	{NORMAL_QUANTILE, 0.9, 0, 0, 1.2815515655446004}, {T_QUANTILE, 0.9, 10, 0, 1.3721836411102863},
	{NORMAL_QUANTILE, 0.975, 0, 0, 1.959963984540054},
	{T_QUANTILE, 0.975, 10, 0, 2.2281388519649385},
	{NORMAL_QUANTILE, 0.9999, 0, 0, 3.719016485455709},
	{T_QUANTILE, 0.9999, 10, 0, 5.693820101511829}
};

/*
 * mpmath 1.3.0 with 50 digits: betainc, gammainc, erfc, and roots of them.  Far tails and many degrees of
 * freedom, where differences of logarithms of gamma functions would leave a few digits.
 */
static const Reference precise[] = {
	{T_TWO_SIDED, 1e-08, 0.5, 0, 0.99999999460647399},
	{T_TWO_SIDED, 0.7, 0.5, 0, 0.68540066252076653}, {T_TWO_SIDED, 2, 0.5, 0, 0.44551489018313123},
	{T_TWO_SIDED, 12, 0.5, 0, 0.18506052106920212},
	{T_TWO_SIDED, 1e-08, 2.5, 0, 0.99999999276382552},
	{T_TWO_SIDED, 0.7, 2.5, 0, 0.54340494318954808}, {T_TWO_SIDED, 2, 2.5, 0, 0.15739149575796599},
	{T_TWO_SIDED, 12, 2.5, 0, 2.8362150300783238e-3},
	{T_TWO_SIDED, 1e-08, 800000, 0, 0.99999999202115689},
	{T_TWO_SIDED, 0.7, 800000, 0, 0.48392750799663065},
	{T_TWO_SIDED, 2, 800000, 0, 0.045500601340099478},
	{T_TWO_SIDED, 12, 800000, 0, 3.5763801806450771e-33},
	{T_TWO_SIDED, 1e-08, 10000000.0, 0, 0.99999999202115459},
	{T_TWO_SIDED, 0.7, 10000000.0, 0, 0.48392732073018837},
	{T_TWO_SIDED, 2, 10000000.0, 0, 0.045500290891842953},
	{T_TWO_SIDED, 12, 10000000.0, 0, 3.5548320509346354e-33},
	{T_TWO_SIDED, 35, 800000, 0, 3.596937239613071e-268},
	{CHI2_UPPER, 0.5, 1, 0, 0.47950012218695346}, {CHI2_UPPER, 0.9, 1, 0, 0.34278171114791139},
	{CHI2_UPPER, 1, 1, 0, 0.3173105078629141}, {CHI2_UPPER, 1.1, 1, 0, 0.29426610430496287},
	{CHI2_UPPER, 25.0, 50, 0, 0.9988075511517683}, {CHI2_UPPER, 45.0, 50, 0, 0.67379311275300868},
	{CHI2_UPPER, 50, 50, 0, 0.47339846855634936},
	{CHI2_UPPER, 55.00000000000001, 50, 0, 0.29101030065964782},
	{CHI2_UPPER, 50000.0, 100000, 0, 1.0}, {CHI2_UPPER, 90000.0, 100000, 0, 1.0},
	{CHI2_UPPER, 100000, 100000, 0, 0.49940529189520669},
	{CHI2_UPPER, 110000.00000000001, 100000, 0, 2.5841772471779245e-104},
	{CHI2_UPPER, 2000, 1000, 0, 4.1436785914549917e-69},
	{F_UPPER, 0.5, 20, 800000, 0.9681710360553987}, {F_UPPER, 1, 20, 800000, 0.45793127832514424},
	{F_UPPER, 1.3, 20, 800000, 0.16581617007071538},
	{F_UPPER, 30, 20, 800000, 3.1997663830252917e-114}, {F_UPPER, 0.5, 500, 2, 0.8635834780570456},
	{F_UPPER, 1, 500, 2, 0.6313860237639857}, {F_UPPER, 1.3, 500, 2, 0.53608306363804249},
	{F_UPPER, 30, 500, 2, 0.032781750337530079}, {F_UPPER, 0.5, 1, 5, 0.51108408043028067},
	{F_UPPER, 1, 1, 5, 0.36321746764912263}, {F_UPPER, 1.3, 1, 5, 0.30586773750976258},
	{F_UPPER, 30, 1, 5, 2.7649603013049565e-3}, {NORMAL_CDF, -37, 0, 0, 5.7255712225245768e-300},
	{NORMAL_CDF, -20, 0, 0, 2.7536241186062337e-89}, {NORMAL_CDF, 0.1, 0, 0, 0.53982783727702898},
	{NORMAL_QUANTILE, 1e-300, 0, 0, -37.047096299361199},
	{NORMAL_QUANTILE, 1e-20, 0, 0, -9.2623400897984076},
	{NORMAL_QUANTILE, 0.08, 0, 0, -1.4050715603096325},
	{T_QUANTILE, 1e-10, 10, 0, -25.466008021697726},
	{T_QUANTILE, 0.025, 10, 0, -2.2281388519862747},
	{T_QUANTILE, 0.0001, 10, 0, -5.6938201014575125}, {T_QUANTILE, 0.1, 10, 0, -1.3721836411103356},
	{T_QUANTILE, 1e-05, 2, 0, -223.60344363403719},
	{T_QUANTILE, 1e-20, 431, 0, -9.7490877609660148},
	{T_QUANTILE, 0.08, 800000, 0, -1.4050728662485231},
	{T_QUANTILE, 1e-300, 1, 0, -3.1830988618379066e+299}
};

/* The function of a reference at its arguments. */
static double
evaluate(const Reference *r)
{
	switch (r->function)
	{
		case NORMAL_CDF:
			return ml_normal_cdf(r->x);
		case NORMAL_QUANTILE:
			return ml_normal_quantile(r->x);
		case T_TWO_SIDED:
			return ml_student_t_two_sided_p(r->x, r->df1);
		case T_QUANTILE:
			return ml_student_t_quantile(r->x, r->df1);
		case CHI2_UPPER:
			return ml_chi2_upper_p(r->x, r->df1);
		case F_UPPER:
			return ml_f_upper_p(r->x, r->df1, r->df2);
	}
	return NAN;
}

static void
test_golden(MlContext *ctx)
{
	(void) ctx;
	for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
	{
		const Reference *r = &golden[i];

		if (!unit_near(evaluate(r), r->value, 1e-10))
			printf("golden[%zu]: function %d at %g (%g, %g)\n", i, (int) r->function, r->x, r->df1, r->df2);
		CHECK_NEAR(evaluate(r), r->value, r->function == T_QUANTILE ? 1e-10 : 1e-12);
	}
}

static void
test_precise(MlContext *ctx)
{
	(void) ctx;
	for (size_t i = 0; i < sizeof precise / sizeof precise[0]; i++)
	{
		const Reference *r = &precise[i];

		if (!unit_near(evaluate(r), r->value, 1e-12))
			printf("precise[%zu]: function %d at %g (%g, %g)\n", i, (int) r->function, r->x, r->df1, r->df2);
		CHECK_NEAR(evaluate(r), r->value, 1e-12);
	}
}

/* Closed forms: t with 1 and 2, chi-squared with 2 degrees of freedom, F with 2 and n. */
static void
test_closed_forms(MlContext *ctx)
{
	(void) ctx;
	for (double t = 1e-6; t < 1e7; t *= 3.7)
	{
		CHECK_NEAR(ml_student_t_two_sided_p(t, 1), 2 / M_PI * atan2(1, t), 1e-13);
		CHECK_NEAR(ml_student_t_two_sided_p(t, 2), 2 / (sqrt(2 + t * t) * (sqrt(2 + t * t) + t)), 1e-13);
		CHECK_NEAR(ml_f_upper_p(t, 2, 9), pow(1 + 2 * t / 9, -4.5), 1e-13);
	}
	for (double x = 1e-6; x < 1400; x *= 3.7)
		CHECK_NEAR(ml_chi2_upper_p(x, 2), exp(-0.5 * x), 1e-12);
}

/* Quantiles undo distribution functions, on both sides of the centre. */
static void
test_inverse(MlContext *ctx)
{
	static const double df[] = {0.7, 1, 2, 10.5, 431, 1e6};

	(void) ctx;
	for (double p = 1e-12; p < 0.5; p *= 2.3)
	{
		double		z = ml_normal_quantile(p);

		CHECK_NEAR(ml_normal_cdf(z), p, 1e-12);
		CHECK_NEAR(ml_normal_quantile(1 - p), -ml_normal_quantile(1 - (1 - p)), 1e-15);
		CHECK_NEAR(ml_normal_two_sided_p(z), 2 * p, 1e-12);
		for (size_t i = 0; i < sizeof df / sizeof df[0]; i++)
		{
			double		t = ml_student_t_quantile(p, df[i]);

			CHECK(t < 0);
			CHECK_NEAR(ml_student_t_two_sided_p(t, df[i]), 2 * p, 1e-12);
		}
	}
	CHECK(ml_normal_quantile(0.5) == 0);
	CHECK(ml_student_t_quantile(0.5, 10) == 0);
	CHECK_NEAR(ml_student_t_quantile(0.5 + 1e-10, 1), tan(M_PI * (0.5 + 1e-10 - 0.5)), 1e-12);
}

static void
test_edges(MlContext *ctx)
{
	(void) ctx;
	CHECK(ml_normal_cdf(-INFINITY) == 0 && ml_normal_cdf(INFINITY) == 1);
	CHECK(ml_normal_quantile(0) == -INFINITY && ml_normal_quantile(1) == INFINITY);
	CHECK(isnan(ml_normal_quantile(-0.1)) && isnan(ml_normal_quantile(1.1)) && isnan(ml_normal_quantile(NAN)));
	CHECK(isnan(ml_normal_cdf(NAN)) && isnan(ml_normal_two_sided_p(NAN)));

	CHECK(ml_student_t_two_sided_p(0, 5) == 1);
	CHECK(ml_student_t_two_sided_p(INFINITY, 5) == 0 && ml_student_t_two_sided_p(-INFINITY, 5) == 0);
	CHECK(ml_student_t_two_sided_p(-2, 5) == ml_student_t_two_sided_p(2, 5));
	CHECK(ml_student_t_two_sided_p(2, INFINITY) == ml_normal_two_sided_p(2));
	CHECK(isnan(ml_student_t_two_sided_p(NAN, 5)) && isnan(ml_student_t_two_sided_p(1, 0)));
	CHECK_NEAR(ml_student_t_two_sided_p(1e200, 1), 2 / M_PI * 1e-200, 1e-12);
	CHECK(ml_student_t_quantile(0, 3) == -INFINITY && ml_student_t_quantile(1, 3) == INFINITY);
	CHECK(isnan(ml_student_t_quantile(0.3, -1)) && isnan(ml_student_t_quantile(2, 3)));

	CHECK(ml_f_upper_p(0, 3, 4) == 1 && ml_f_upper_p(-1, 3, 4) == 1 && ml_f_upper_p(INFINITY, 3, 4) == 0);
	CHECK(isnan(ml_f_upper_p(NAN, 3, 4)) && isnan(ml_f_upper_p(1, 0, 4)));
	CHECK(ml_chi2_upper_p(0, 3) == 1 && ml_chi2_upper_p(-1, 3) == 1 && ml_chi2_upper_p(INFINITY, 3) == 0);
	CHECK(isnan(ml_chi2_upper_p(NAN, 3)) && isnan(ml_chi2_upper_p(1, -3)));
}

UNIT_MAIN(test_golden, test_precise, test_closed_forms, test_inverse, test_edges)
