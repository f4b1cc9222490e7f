/*
 * Scores of classes from a confusion matrix, and the agreement of two groupings.
 *
 * Papers: Cohen, A coefficient of agreement for nominal scales, 1960; Hubert and Arabie, Comparing partitions, 1985;
 * Rosenberg and Hirschberg, V-measure, 2007.
 *
 * The adjusted Rand index is a difference of products of numbers of pairs of rows, which cancel where groupings have
 * little in common: it is computed in integers of 128 bits, or where weights are no whole numbers in extended
 * precision.
 */
#include "score/tallies.h"

#include <math.h>
#include <string.h>

/* Numbers of pairs keep so many bits, so that products of two, added up, fit 127. */
#define PAIR_BITS 62

/* What a difference of sums of squares may be off by, relative to what is taken away. */
#define ROUNDED 1e-13L

int
ml_average_named(const char *name, size_t length)
{
	/* asked for every row, so without a loop */
	if (length == 5 && memcmp(name, "macro", 5) == 0)
		return ML_AVERAGE_MACRO;
	if (length == 5 && memcmp(name, "micro", 5) == 0)
		return ML_AVERAGE_MICRO;
	if (length == 8 && memcmp(name, "weighted", 8) == 0)
		return ML_AVERAGE_WEIGHTED;
	if (length == 6 && memcmp(name, "binary", 6) == 0)
		return ML_AVERAGE_BINARY;
	return -1;
}

/* A score as a fraction. */
typedef struct Fraction
{
	double		part;
	double		whole;
} Fraction;

static Fraction
class_fraction(const MlTally *t, double total, MlClassScore score, double beta)
{
	double		square = beta * beta;

	switch (score)
	{
		case ML_SCORE_PRECISION:
			return (Fraction) {t->hits, t->predicted};
		case ML_SCORE_RECALL:
			return (Fraction) {t->hits, t->actual};
		case ML_SCORE_FBETA:
			return (Fraction) {(1.0 + square) * t->hits, square * t->actual + t->predicted};
		case ML_SCORE_SPECIFICITY:
			return (Fraction) {total - t->actual - t->predicted + t->hits, total - t->actual};
		default:
			return (Fraction) {t->hits, t->actual + t->predicted - t->hits};
	}
}

static inline double
fraction_value(Fraction f)
{
	return f.whole > 0.0 ? f.part / f.whole : 0.0;
}

double
ml_class_score(const MlTally *tally, double total, MlClassScore score, double beta)
{
	return fraction_value(class_fraction(tally, total, score, beta));
}

double
ml_tally_total(const MlTally *tallies, size_t classes)
{
	MlSum		total = {0};

	for (size_t k = 0; k < classes; k++)
		ml_sum_add(&total, tallies[k].actual);
	return ml_sum_value(&total);
}

double
ml_tally_average(const MlTally *tallies, size_t classes, ptrdiff_t positive, MlClassScore score, double beta,
				 MlAverage average)
{
	double		total = ml_tally_total(tallies, classes);
	MlSum		plain = {0};
	MlSum		weighted = {0};
	MlSum		part = {0};
	MlSum		whole = {0};
	size_t		occurring = 0;

	if (!(total > 0.0))
		return NAN;
	if (average == ML_AVERAGE_BINARY || (average == ML_AVERAGE_DEFAULT && positive >= 0))
		return ml_class_score(&tallies[positive], total, score, beta);
	for (size_t k = 0; k < classes; k++)
	{
		Fraction	f = class_fraction(&tallies[k], total, score, beta);

		if (!(tallies[k].actual > 0.0 || tallies[k].predicted > 0.0))
			continue;
		occurring++;
		ml_sum_add(&plain, fraction_value(f));
		ml_sum_add(&weighted, tallies[k].actual * fraction_value(f));
		ml_sum_add(&part, f.part);
		ml_sum_add(&whole, f.whole);
	}
	switch (average)
	{
		case ML_AVERAGE_MICRO:
			return fraction_value((Fraction) {ml_sum_value(&part), ml_sum_value(&whole)});
		case ML_AVERAGE_WEIGHTED:
			return ml_sum_value(&weighted) / total;
		default:
			return ml_sum_value(&plain) / (double) occurring;
	}
}

double
ml_tally_kappa(const MlTally *tallies, size_t classes)
{
	double		total = ml_tally_total(tallies, classes);
	MlSum		excess = {0};	/* of hits over those expected, times the total */
	MlSum		possible = {0}; /* its greatest value */

	for (size_t k = 0; k < classes; k++)
	{
		const MlTally *t = &tallies[k];
		double		seen = t->hits * total;
		double		chance = t->actual * t->predicted;

		ml_sum_add(&excess, seen);
		ml_sum_add(&excess, fma(t->hits, total, -seen));
		ml_sum_add(&excess, -chance);
		ml_sum_add(&excess, -fma(t->actual, t->predicted, -chance));
		ml_sum_add(&possible, t->actual * (total - t->predicted));
	}
	return ml_sum_value(&possible) > 0.0 ? ml_sum_value(&excess) / ml_sum_value(&possible) : NAN;
}

/* ---- agreement ---- */

/* The squares of whole numbers, summed. */
static unsigned __int128
whole_squares(const double *weights, size_t n)
{
	unsigned __int128 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (unsigned __int128) weights[i] * (unsigned __int128) weights[i];
	return sum;
}

/* The adjusted Rand index from the pairs together in both, in rows, in columns, and of all rows. */
static double
adjusted_rand(unsigned __int128 both, unsigned __int128 rows, unsigned __int128 columns, unsigned __int128 all)
{
	int			shift = 0;
	__int128	part;
	__int128	whole;

	while (all >> shift >> PAIR_BITS)
		shift++;
	both >>= shift;
	rows >>= shift;
	columns >>= shift;
	all >>= shift;
	part = (__int128) (both * all) - (__int128) (rows * columns);
	whole = (__int128) ((rows + columns) * all) - 2 * (__int128) (rows * columns);

	/* nothing to divide by: both have all rows in one group, or each in its own */
	return whole == 0 ? 1.0 : 2.0 * (double) part / (double) whole;
}

/* The squares of weights, summed, less those of the rows; what is left of rounding is nothing. */
static long double
pair_weight(const double *weights, size_t n, long double squares)
{
	long double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (long double) weights[i] * weights[i];
	return sum - squares > ROUNDED * squares ? sum - squares : 0;
}

/* The same index where rows have weights that are no whole numbers. */
static double
adjusted_rand_weighted(long double both, long double rows, long double columns, long double all)
{
	long double part = both * all - rows * columns;
	long double whole = (rows + columns) * all - 2 * rows * columns;

	return whole == 0 ? 1.0 : (double) (2 * part / whole);
}

/* Are all of them whole numbers whose squares fit? */
static bool
all_whole(const double *weights, size_t n, double total)
{
	bool		whole = total < 9007199254740992.0;

	for (size_t i = 0; whole && i < n; i++)
		whole = weights[i] == floor(weights[i]);
	return whole;
}

/* The adjusted Rand index of weights of cells, rows and columns. */
static double
rand_index(const double *cells, size_t ncells, const double *rows, const double *columns, size_t labels,
		   double total, double squares)
{
	unsigned __int128 own;

	if (!all_whole(cells, ncells, total) || squares != floor(squares) || squares >= 9007199254740992.0)
		return adjusted_rand_weighted(pair_weight(cells, ncells, squares), pair_weight(rows, labels, squares),
									  pair_weight(columns, labels, squares), pair_weight(&total, 1, squares));
	own = (unsigned __int128) squares;
	return adjusted_rand(whole_squares(cells, ncells) - own, whole_squares(rows, labels) - own,
						 whole_squares(columns, labels) - own, whole_squares(&total, 1) - own);
}

/* The entropy of a grouping. */
static double
entropy(const double *weights, size_t n, double total)
{
	MlSum		sum = {0};

	for (size_t i = 0; i < n; i++)
		if (weights[i] > 0)
			ml_sum_add(&sum, -(weights[i] / total) * log(weights[i] / total));
	return ml_sum_value(&sum);
}

/* A share of an entropy, which is whole where there is none. */
static inline double
share_or_one(double part, double whole)
{
	return whole > 0.0 ? fmin(part / whole, 1.0) : 1.0;
}

void
ml_agreement(MlContext *ctx, const MlCell *cells, size_t ncells, size_t labels, double squares, MlAgreement *out)
{
	double	   *rows = ml_alloc_array_zero(ctx, 2 * labels + ncells + 1, sizeof(double));
	double	   *columns = rows + labels;
	double	   *weights = columns + labels;
	double		total = 0;
	MlSum		information = {0};
	double		shared;

	for (size_t i = 0; i < ncells; i++)
	{
		weights[i] = cells[i].weight;
		rows[cells[i].row] += cells[i].weight;
		columns[cells[i].column] += cells[i].weight;
		total += cells[i].weight;
	}
	for (size_t i = 0; i < ncells; i++)
	{
		double		row = rows[cells[i].row];
		double		column = columns[cells[i].column];

		ml_sum_add(&information, weights[i] / total * (log(weights[i] / row) - log(column / total)));
	}
	shared = fmax(ml_sum_value(&information), 0.0);
	if (shared < ML_METRIC_EPSILON)
		shared = 0.0;
	out->ari = rand_index(weights, ncells, rows, columns, labels, total, squares);
	out->homogeneity = share_or_one(shared, entropy(rows, labels, total));
	out->completeness = share_or_one(shared, entropy(columns, labels, total));
	out->v_measure = out->homogeneity + out->completeness > 0.0 ?
		2.0 * out->homogeneity * out->completeness / (out->homogeneity + out->completeness) : 0.0;
	if (!isfinite(squares) || !isfinite(total))
		*out = (MlAgreement) {INFINITY, INFINITY, INFINITY, INFINITY};
	if (ncells == 0)
		*out = (MlAgreement) {NAN, NAN, NAN, NAN};
	ml_free(ctx, rows);
}
