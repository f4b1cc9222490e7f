#include "model/one_pass.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "model/assemble.h"
#include "model/leaks.h"

#define ROWS ML_ONE_PASS_ROWS
#define HEADER 12				/* doubles before the arrays in the flat form */
#define FLAT_VERSION 1

static int
factor_size(const MlOnePass *s)
{
	return s->features + s->indicators + 2;
}

MlOnePass *
ml_one_pass_create(MlContext *ctx, int features, bool weighted, bool digesting)
{
	MlOnePass  *s = ml_alloc_zero(ctx, sizeof *s);
	size_t		m = (size_t) features;

	s->features = features;
	s->weighted = weighted;
	s->digesting = digesting;
	/* a column stands free before the block, for the ones: see rows_to_reduce */
	s->block = (double *) ml_alloc_array(ctx, (m + 3) * ROWS, sizeof(double)) + ROWS;
	s->block_nulls = ml_alloc_array_zero(ctx, m + 2, sizeof(int));
	s->nonfinite = ml_alloc_array_zero(ctx, m + 2, sizeof(double));
	s->moments = ml_alloc_array(ctx, m + 1, sizeof(MlMoments));
	s->indicator_of = ml_alloc_array(ctx, m + 1, sizeof(int));
	s->hash_columns = ml_alloc_array(ctx, m + 2, sizeof(uint64_t));
	for (size_t j = 0; j < m + 2; j++)
		s->hash_columns[j] = j;
	for (size_t j = 0; j <= m; j++)
	{
		ml_moments_init(&s->moments[j]);
		s->indicator_of[j] = -1;
	}
	s->r = ml_alloc_array_zero(ctx, (m + 2) * (m + 2), sizeof(double));
	if ((double) (m + 2) * (double) (m + 2) <= ML_TSQR_EXTENDED_WORK)
		s->extended = ml_alloc_array_zero(ctx, (m + 2) * (m + 2), sizeof(long double));
	return s;
}

/* From now on the factor is kept in double precision. */
static void
leave_extended(MlContext *ctx, MlOnePass *s)
{
	size_t		q = (size_t) factor_size(s);

	if (s->extended == NULL)
		return;
	for (size_t i = 0; i < q * q; i++)
		s->r[i] = (double) s->extended[i];
	ml_free(ctx, s->extended);
	s->extended = NULL;
}

/* Reduce rows (n x q, destroyed) into the factor, in extended precision while they are few. */
static void
reduce_rows(MlContext *ctx, MlOnePass *s, double *rows, size_t ld, size_t n)
{
	size_t		q = (size_t) factor_size(s);
	long double *wide;

	if (s->rows * (double) (q * q) > ML_TSQR_EXTENDED_WORK)
		leave_extended(ctx, s);
	if (s->extended == NULL)
	{
		ml_tsqr_reduce(s->r, q, rows, ld, n, (int) q);
		return;
	}
	wide = ml_alloc_array(ctx, n * q, sizeof(long double));
	for (size_t j = 0; j < q; j++)
		for (size_t i = 0; i < n; i++)
			wide[j * n + i] = rows[j * ld + i];
	ml_tsqr_reduce_extended(s->extended, q, wide, n, n, (int) q);
	ml_free(ctx, wide);
}

/* Entry i of the factor, in whichever precision it is kept. */
static inline long double
factor_entry(const MlOnePass *s, size_t i)
{
	return s->extended != NULL ? s->extended[i] : s->r[i];
}

/* The first NULL of a column: put a column of zeros for its indicator before the target's. */
static void
add_indicator(MlContext *ctx, MlOnePass *s, int column)
{
	size_t		q = (size_t) factor_size(s);
	double	   *r = ml_alloc_array_zero(ctx, (q + 1) * (q + 1), sizeof(double));

	for (size_t j = 0; j < q; j++)
		memcpy(r + (j == q - 1 ? q : j) * (q + 1), s->r + j * q, q * sizeof(double));
	ml_free(ctx, s->r);
	ml_free(ctx, s->work);
	s->r = r;
	s->work = NULL;				/* of another size now, and made when it is needed */
	if (s->extended != NULL)
	{
		long double *wide = ml_alloc_array_zero(ctx, (q + 1) * (q + 1), sizeof(long double));

		for (size_t j = 0; j < q; j++)
			memcpy(wide + (j == q - 1 ? q : j) * (q + 1), s->extended + j * q, q * sizeof(long double));
		ml_free(ctx, s->extended);
		s->extended = wide;
	}
	s->indicator_of[column] = s->indicators++;
}

/* Add the block to the digest, column by column as ml_column_hash does. */
static void
digest_block(MlOnePass *s, size_t n)
{
	uint64_t	hashes[ROWS] = {0};
	int			columns = s->features + 1 + s->weighted;

	for (int c = 0; c < columns; c++)
	{
		const double *values = s->block + (size_t) c * ROWS;

		for (size_t i = 0; i < n; i++)
			hashes[i] += ml_hash_cell(ml_number_bits(values[i]), s->hash_columns[c]);
	}
	for (size_t i = 0; i < n; i++)
		ml_digest_add(&s->digest, hashes[i]);
}

/* Count the values of a column of the block that are not finite and were no NULL. */
static void
count_nonfinite(MlOnePass *s, int column, size_t n)
{
	const double *values = s->block + (size_t) column * ROWS;
	double		count = 0;

	for (size_t i = 0; i < n; i++)
		count += !(values[i] - values[i] == 0.0);
	s->nonfinite[column] += count - s->block_nulls[column];
}

/* Move rows that have a target together; returns how many there are. */
static size_t
compact_block(MlOnePass *s, size_t n)
{
	const double *target = s->block + (size_t) s->features * ROWS;
	size_t		kept = 0;
	size_t		keep[ROWS];

	for (size_t i = 0; i < n; i++)
	{
		keep[kept] = i;
		kept += target[i] == target[i];
	}
	if (kept == n)
		return n;
	for (int c = 0; c <= s->features; c++)
		count_nonfinite(s, c, n);
	for (int c = 0; c < s->features + 1 + s->weighted; c++)
		for (size_t i = 0; i < kept; i++)
			s->block[(size_t) c * ROWS + i] = s->block[(size_t) c * ROWS + keep[i]];
	s->skipped += (double) (n - kept);
	return kept;
}

/* Check the weights of the block and turn them into their square roots. */
static void
root_weights(MlContext *ctx, MlOnePass *s, size_t n)
{
	double	   *weight = s->block + (size_t) (s->features + 1) * ROWS;

	for (size_t i = 0; i < n; i++)
	{
		if (!(weight[i] >= 0 && weight[i] <= DBL_MAX))
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "weight column has a value that is no weight",
						  ml_format(ctx, "The value is %s.",
									weight[i] == weight[i] ? ml_format(ctx, "%g", weight[i]) : "NULL or NaN"),
						  "Weights must be zero or positive and finite.");
		if (weight[i] > 0)
		{
			s->used += 1;
			s->log_weights += log(weight[i]);
		}
		weight[i] = sqrt(weight[i]);
	}
}

/*
 * The rows [1, x, indicators, y], times the root of the weight: the block itself where it needs no
 * more than the ones, else the work block.
 */
static double *
rows_to_reduce(MlContext *ctx, MlOnePass *s, size_t n)
{
	int			q = factor_size(s);
	const double *root = s->block + (size_t) (s->features + 1) * ROWS;

	if (s->indicators == 0 && !s->weighted)
	{
		double	   *ones = s->block - ROWS;

		for (size_t i = 0; i < n; i++)
			ones[i] = 1.0;
		return ones;
	}
	if (s->work == NULL)
		s->work = ml_alloc_array(ctx, (size_t) q * ROWS, sizeof(double));
	for (size_t i = 0; i < n; i++)
		s->work[i] = 1.0;
	for (int j = 0; j < s->features; j++)
	{
		const double *x = s->block + (size_t) j * ROWS;
		double	   *to = s->work + (size_t) (j + 1) * ROWS;

		if (s->indicator_of[j] < 0)
			memcpy(to, x, n * sizeof(double));
		else
		{
			double	   *indicator = s->work + (size_t) (s->features + 1 + s->indicator_of[j]) * ROWS;

			for (size_t i = 0; i < n; i++)
			{
				to[i] = x[i] == x[i] ? x[i] : 0.0;
				indicator[i] = x[i] == x[i] ? 0.0 : 1.0;
			}
		}
	}
	memcpy(s->work + (size_t) (q - 1) * ROWS, s->block + (size_t) s->features * ROWS, n * sizeof(double));
	if (s->weighted)
		for (int j = 0; j < q; j++)
			for (size_t i = 0; i < n; i++)
				s->work[(size_t) j * ROWS + i] *= root[i];
	return s->work;
}

void
ml_one_pass_flush(MlContext *ctx, MlOnePass *s)
{
	size_t		n = (size_t) s->filled;
	size_t		whole;

	s->filled = 0;
	s->rows += (double) n;
	if (s->digesting)
		digest_block(s, n);
	whole = n;
	n = compact_block(s, n);
	for (int j = 0; j <= s->features; j++)
	{
		if (!ml_moments_add(&s->moments[j], s->block + (size_t) j * ROWS, n) && n == whole)
			count_nonfinite(s, j, n);
		if (s->moments[j].nulls > 0 && s->indicator_of[j] < 0)
			add_indicator(ctx, s, j);
	}
	memset(s->block_nulls, 0, ((size_t) s->features + 2) * sizeof(int));
	if (n == 0)
		return;
	if (s->weighted)
		root_weights(ctx, s, n);
	else
		s->used += (double) n;
	reduce_rows(ctx, s, rows_to_reduce(ctx, s, n), ROWS, n);
}

/* ---- merging ---- */

/* Where a column of other's factor stands in state's. */
static size_t
column_place(const MlOnePass *s, const MlOnePass *other, size_t column)
{
	size_t		m = (size_t) s->features;

	if (column <= m)
		return column;
	if (column + 1 == (size_t) factor_size(other))
		return (size_t) factor_size(s) - 1;
	for (size_t j = 0; j < m; j++)
		if (other->indicator_of[j] == (int) (column - m - 1))
			return m + 1 + (size_t) s->indicator_of[j];
	return column;
}

/* Merge two factors that are kept in extended precision. */
static void
merge_extended(MlContext *ctx, MlOnePass *s, const MlOnePass *other)
{
	size_t		q = (size_t) factor_size(s);
	size_t		qo = (size_t) factor_size(other);
	long double *rows = ml_alloc_array_zero(ctx, q * qo, sizeof(long double));

	for (size_t j = 0; j < qo; j++)
		memcpy(rows + column_place(s, other, j) * qo, other->extended + j * qo, qo * sizeof(long double));
	ml_tsqr_reduce_extended(s->extended, q, rows, qo, qo, (int) q);
	ml_free(ctx, rows);
}

/* The rows of other's factor, its columns in the order of state's, reduced into state's. */
static void
merge_factor(MlContext *ctx, MlOnePass *s, const MlOnePass *other)
{
	size_t		q = (size_t) factor_size(s);
	size_t		qo = (size_t) factor_size(other);
	double	   *rows;

	if (s->extended != NULL && other->extended != NULL && s->rows * (double) (q * q) <= ML_TSQR_EXTENDED_WORK)
	{
		merge_extended(ctx, s, other);
		return;
	}
	rows = ml_alloc_array_zero(ctx, q * qo, sizeof(double));
	for (size_t j = 0; j < qo; j++)
		for (size_t i = 0; i < qo; i++)
			rows[column_place(s, other, j) * qo + i] = (double) factor_entry(other, j * qo + i);
	reduce_rows(ctx, s, rows, qo, qo);
	ml_free(ctx, rows);
}

void
ml_one_pass_merge(MlContext *ctx, MlOnePass *s, const MlOnePass *other)
{
	if (other->filled != 0)
		ml_raise(ctx, ML_ERROR_INTERNAL, "a one-pass state with rows in its block cannot be merged");
	if (other->features != s->features)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "rows differ in their number of features",
					  ml_format(ctx, "Some rows have %d, others %d.", s->features, other->features), NULL);
	ml_one_pass_flush(ctx, s);
	for (int j = 0; j < s->features; j++)
		if (other->indicator_of[j] >= 0 && s->indicator_of[j] < 0)
			add_indicator(ctx, s, j);
	for (int j = 0; j <= s->features; j++)
		ml_moments_merge(&s->moments[j], &other->moments[j]);
	for (int j = 0; j < s->features + 2; j++)
		s->nonfinite[j] += other->nonfinite[j];
	s->rows += other->rows;
	s->skipped += other->skipped;
	s->used += other->used;
	s->log_weights += other->log_weights;
	s->digest.sum += other->digest.sum;
	s->digest.sum_inverse += other->digest.sum_inverse;
	merge_factor(ctx, s, other);
}

/* ---- flat form ---- */

/* Doubles a column of the flat form takes besides the factor: stats, m2, indicator, nonfinite. */
#define PER_COLUMN 8

size_t
ml_one_pass_flat_count(const MlOnePass *s)
{
	size_t		q = (size_t) factor_size(s);

	return HEADER + ((size_t) s->features + 2) * PER_COLUMN + q * q * (s->extended != NULL ? 2 : 1);
}

void
ml_one_pass_flatten(const MlOnePass *s, double *flat)
{
	size_t		m = (size_t) s->features;
	size_t		q = (size_t) factor_size(s);
	double	   *out = flat + HEADER;

	flat[0] = FLAT_VERSION;
	flat[1] = s->features;
	flat[2] = s->weighted;
	flat[3] = s->indicators;
	flat[4] = s->digesting;
	flat[5] = s->rows;
	flat[6] = s->skipped;
	flat[7] = s->used;
	flat[8] = s->log_weights;
	memcpy(&flat[9], &s->digest.sum, sizeof(double));
	memcpy(&flat[10], &s->digest.sum_inverse, sizeof(double));
	flat[11] = s->extended != NULL;
	for (size_t j = 0; j < m + 2; j++, out += PER_COLUMN)
	{
		memset(out, 0, PER_COLUMN * sizeof(double));
		out[7] = s->nonfinite[j];
		if (j > m)
			continue;
		out[0] = s->moments[j].count;
		out[1] = s->moments[j].nulls;
		out[2] = s->moments[j].mean;
		out[3] = s->moments[j].min;
		out[4] = s->moments[j].max;
		out[5] = s->moments[j].m2;
		out[6] = s->indicator_of[j];
	}
	for (size_t i = 0; i < q * q; i++)
	{
		out[i] = (double) factor_entry(s, i);
		if (s->extended != NULL)	/* the digits that double loses follow */
			out[q * q + i] = (double) (s->extended[i] - (long double) out[i]);
	}
}

#define MAX_ROWS 9007199254740992.0	/* 2^53: doubles count so far */

/* A count in the flat form: a whole number between 0 and limit. */
static bool
is_count(double v, double limit)
{
	return v >= 0 && v <= limit && v == floor(v);
}

/* The arrays of the flat form; false when counts are none or the indicators are no permutation. */
static bool
read_columns(MlOnePass *s, const double *in)
{
	size_t		m = (size_t) s->features;
	int			seen = 0;

	for (size_t j = 0; j < m + 2; j++, in += PER_COLUMN)
	{
		if (!is_count(in[7], MAX_ROWS))
			return false;
		s->nonfinite[j] = in[7];
		if (j > m)
			continue;
		if (!is_count(in[0], MAX_ROWS) || !is_count(in[1], MAX_ROWS))
			return false;
		s->moments[j] = (MlMoments)
		{
			.count = in[0],.nulls = in[1],.mean = in[2],.min = in[3],.max = in[4],.m2 = in[5]
		};
		if (j == m)
			continue;
		if (in[6] != -1 && !is_count(in[6], s->indicators - 1))
			return false;
		s->indicator_of[j] = (int) in[6];
		for (size_t k = 0; k < j && in[6] >= 0; k++)
			if (s->indicator_of[k] == s->indicator_of[j])
				return false;
		seen += in[6] >= 0;
	}
	return seen == s->indicators;
}

MlOnePass *
ml_one_pass_unflatten(MlContext *ctx, const double *flat, size_t count, const char **reason)
{
	MlOnePass  *s;
	size_t		m;
	size_t		q;
	const double *in = flat + HEADER;

	*reason = "it is no one-pass state";
	if (count < HEADER || flat[0] != FLAT_VERSION || !is_count(flat[1], 1 << 16) || !is_count(flat[2], 1) ||
		!is_count(flat[3], flat[1]) || !is_count(flat[4], 1) || !is_count(flat[11], 1))
		return NULL;
	m = (size_t) flat[1];
	q = m + (size_t) flat[3] + 2;
	if (count != HEADER + (m + 2) * PER_COLUMN + q * q * (1 + (size_t) flat[11]))
		return NULL;
	if (!is_count(flat[5], MAX_ROWS) || !is_count(flat[6], flat[5]) || !is_count(flat[7], flat[5]) ||
		!isfinite(flat[8]))
		return NULL;
	s = ml_one_pass_create(ctx, (int) m, flat[2] != 0, flat[4] != 0);
	s->indicators = (int) flat[3];
	s->rows = flat[5];
	s->skipped = flat[6];
	s->used = flat[7];
	s->log_weights = flat[8];
	memcpy(&s->digest.sum, &flat[9], sizeof(double));
	memcpy(&s->digest.sum_inverse, &flat[10], sizeof(double));
	if (!read_columns(s, in))
		return NULL;
	in += (m + 2) * PER_COLUMN;
	ml_free(ctx, s->r);
	ml_free(ctx, s->work);
	s->r = ml_alloc_array(ctx, q * q, sizeof(double));
	memcpy(s->r, in, q * q * sizeof(double));
	ml_free(ctx, s->extended);
	s->extended = flat[11] != 0 ? ml_alloc_array(ctx, q * q, sizeof(long double)) : NULL;
	for (size_t i = 0; i < q * q && s->extended != NULL; i++)
		s->extended[i] = (long double) in[i] + in[q * q + i];
	return s;
}

/* ---- finishing ---- */

static const char *
column_name(MlContext *ctx, const MlFeature *features, int nfeatures, int slot)
{
	for (int f = 0; f < nfeatures; f++)
		if (slot < features[f].slot + features[f].width)
			return features[f].kind == ML_KIND_VECTOR ?
				ml_format(ctx, "%s[%d]", features[f].name, slot - features[f].slot + 1) : features[f].name;
	return "?";
}

/* The same complaints as over materialised rows. */
static void
check_rows(MlContext *ctx, const MlOnePass *s, const MlFeature *features, int nfeatures, const char *target)
{
	const MlMoments *y = &s->moments[s->features];

	if (s->rows == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "there are no rows to train on", NULL,
					  "Check the source, its filters and your row-level security.");
	for (int j = 0; j <= s->features; j++)
		if (s->nonfinite[j] > 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
						  ml_format(ctx, "%s column \"%s\" contains NaN or infinity",
									j < s->features ? "feature" : "target",
									j < s->features ? column_name(ctx, features, nfeatures, j) : target),
						  ml_format(ctx, "%.0f of %.0f values are not finite.", s->nonfinite[j], s->rows),
						  j < s->features ? "Replace the values, for example by NULL, which is a missing value." :
						  "Filter these rows out or replace the values, for example by NULL.");
	if (y->count == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "target column \"%s\" is NULL in every row", target),
					  NULL, "Rows without a target cannot be trained on.");
	if (y->max > ML_LARGEST || y->min < -ML_LARGEST)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "target column \"%s\" holds values that are too large", target),
					  ml_format(ctx, "They reach from %g to %g.", y->min, y->max),
					  "Their squares are beyond double precision: scale the column down.");
	if (y->min == y->max)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "target column \"%s\" is constant", target),
					  ml_format(ctx, "Every row has the value %.17g.", y->min),
					  "There is nothing to learn from a constant.");
	if (s->used == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the weight is zero in every training row");
}

/*
 * The factor of the prepared rows: R times the linear map from [1, x, indicators, y] to
 * [1, prepared columns, y], made triangular again.
 */
static void
prepared_factor(MlContext *ctx, const MlOnePass *s, const MlPrep *prep, MlFactor *factor)
{
	size_t		q = (size_t) factor_size(s);
	size_t		p = (size_t) ml_prep_columns(prep);
	long double *mapped = ml_alloc_array_zero(ctx, q * (p + 2), sizeof(long double));

	for (size_t i = 0; i < q; i++)
	{
		mapped[i] = factor_entry(s, i);
		mapped[(p + 1) * q + i] = factor_entry(s, (q - 1) * q + i);
	}
	for (size_t j = 0; j < p; j++)
	{
		const MlPreparedColumn *c = ml_prep_column(prep, (int) j);
		size_t		x = (size_t) (c->slot + 1) * q;
		bool		nulls = s->indicator_of[c->slot] >= 0;
		size_t		indicator = nulls ? (size_t) (s->features + 1 + s->indicator_of[c->slot]) * q : 0;

		for (size_t i = 0; i < q; i++)
		{
			long double is_null = nulls ? factor_entry(s, indicator + i) : 0;

			mapped[(j + 1) * q + i] = c->kind == ML_PREPARED_INDICATOR ? is_null :
				(factor_entry(s, x + i) + c->impute * is_null - c->center * factor_entry(s, i)) / c->scale;
		}
	}
	factor->columns = (int) p;
	factor->rows = s->used;
	factor->log_weights = s->log_weights;
	factor->r = ml_alloc_array_zero(ctx, (p + 2) * (p + 2), sizeof(long double));
	ml_tsqr_reduce_extended(factor->r, p + 2, mapped, q, q, (int) (p + 2));
	ml_free(ctx, mapped);
}

/* What the payload's sums of squares say, and what the mean alone would. */
static void
factor_metrics(const MlOnePass *s, const MlNode *payload, MlTrainResult *result)
{
	double		weights = (double) (factor_entry(s, 0) * factor_entry(s, 0));
	double		rss = ml_node_double(ml_node_find(ml_node_find(payload, "statistics"), "rss"));
	double		tss = 0;
	size_t		q = (size_t) factor_size(s);

	for (size_t i = 1; i < q; i++)
		tss += (double) (factor_entry(s, (q - 1) * q + i) * factor_entry(s, (q - 1) * q + i));
	result->metrics[0] = (MlMetric)
	{
		"r2", 1 - rss / tss, true
	};
	result->metrics[1] = (MlMetric)
	{
		"mse", rss / weights, false
	};
	result->metrics[2] = (MlMetric)
	{
		"rmse", sqrt(rss / weights), false
	};
	result->nmetrics = 3;
	result->baseline[0] = (MlMetric)
	{
		"r2", 0, true
	};
	result->baseline[1] = (MlMetric)
	{
		"mse", tss / weights, false
	};
	result->baseline[2] = (MlMetric)
	{
		"rmse", sqrt(tss / weights), false
	};
	result->nbaseline = 3;
}

/* The sum of products of two columns of the factor, less their means. */
static double
product_of(const MlOnePass *s, size_t a, size_t b)
{
	size_t		q = (size_t) factor_size(s);
	long double sum = 0;

	for (size_t i = 1; i <= a && i <= b; i++)
		sum += factor_entry(s, a * q + i) * factor_entry(s, b * q + i);
	return (double) sum;
}

/* The share of the target that a straight line in a feature, and whether it is NULL, explains; NaN where none is. */
static double
line_skill(const MlOnePass *s, int feature)
{
	size_t		x = (size_t) feature + 1;
	size_t		y = (size_t) factor_size(s) - 1;
	size_t		d = (size_t) (s->features + 1 + s->indicator_of[feature]);
	double		xx = product_of(s, x, x);
	double		xy = product_of(s, x, y);
	double		yy = product_of(s, y, y);
	double		dd;
	double		dx;
	double		dy;

	if (s->indicator_of[feature] < 0)
		return xy * xy / (xx * yy);
	dd = product_of(s, d, d);
	dx = product_of(s, d, x);
	dy = product_of(s, d, y);
	return (xy * xy * dd - 2 * xy * dy * dx + dy * dy * xx) / ((xx * dd - dx * dx) * yy);
}

void
ml_one_pass_warn(MlContext *ctx, const MlOnePass *s, const MlFeature *features, int nfeatures)
{
	for (int f = 0; f < nfeatures; f++)
		if (features[f].kind == ML_KIND_NUMBER)
			ml_leaks_warn_skill(ctx, features[f].name, s->used, line_skill(s, features[f].slot));
}

void
ml_one_pass_finish(MlContext *ctx, MlOnePass *s, const MlTrainSpec *spec, MlFeature *features, int nfeatures,
				   const char *target, MlTrainResult *result)
{
	MlSignature signature = {.target = target,.target_kind = ML_TARGET_NUMBER,.task = ML_TASK_REGRESSION,
	.nfeatures = nfeatures,.features = features,.slots = s->features};
	MlPrepOptions options;
	MlAssembly	assembly = {.algorithm = spec->algorithm,.signature = &signature};
	MlFactor	factor;
	MlWriter   *w = ml_writer_create(ctx);
	void	   *params = ml_params_parse(ctx, spec->algorithm, spec->params);

	memset(result, 0, sizeof *result);
	ml_one_pass_flush(ctx, s);
	check_rows(ctx, s, features, nfeatures, target);
	ml_prep_options_parse(ctx, spec->algorithm, params, spec->preprocess, &options);
	assembly.prep = ml_prep_fit(ctx, &options, features, nfeatures, s->moments, NULL, NULL, NULL);
	ml_prep_report_dropped(ctx, assembly.prep);
	prepared_factor(ctx, s, assembly.prep, &factor);
	spec->algorithm->fit_factor(ctx, &factor, ml_prep_centers(assembly.prep), ml_prep_scales(assembly.prep), params, w);
	assembly.payload.bytes = ml_writer_finish(w, &assembly.payload.size);
	assembly.params = params;

	factor_metrics(s, ml_document_root(assembly.payload.bytes), result);
	result->algorithm = spec->algorithm;
	result->task = ML_TASK_REGRESSION;
	result->n_train = (size_t) (s->rows - s->skipped);
	result->n_skipped = (size_t) s->skipped;
	result->digest = s->digest;
	ml_assemble(ctx, &assembly, spec, result);
}
