#include "base/moments.h"

#include <float.h>
#include <math.h>

#include "base/simd.h"

#define LANES 8

void
ml_moments_init(MlMoments *m)
{
	*m = (MlMoments)
	{
		.min = DBL_MAX,.max = -DBL_MAX
	};
}

/*
 * The moments of a block of whole lanes without missing values, in lanes that run as vectors;
 * false when a value is missing.
 */
ML_MULTIVERSION static bool
full_block(const double *values, size_t n, MlMoments *b)
{
	double		sum[LANES] = {0};
	double		square[LANES] = {0};
	double		low[LANES];
	double		high[LANES];

	for (int l = 0; l < LANES; l++)
		low[l] = high[l] = values[l];
	for (size_t i = 0; i < n; i += LANES)
		for (int l = 0; l < LANES; l++)
		{
			double		v = values[i + (size_t) l];

			sum[l] += v;
			low[l] = v < low[l] ? v : low[l];
			high[l] = v > high[l] ? v : high[l];
		}
	for (int l = 1; l < LANES; l++)
	{
		sum[0] += sum[l];
		low[0] = low[l] < low[0] ? low[l] : low[0];
		high[0] = high[l] > high[0] ? high[l] : high[0];
	}
	if (sum[0] != sum[0])
		return false;			/* a NaN anywhere makes the sum one */
	b->mean = sum[0] / (double) n;
	for (size_t i = 0; i < n; i += LANES)
		for (int l = 0; l < LANES; l++)
		{
			double		d = values[i + (size_t) l] - b->mean;

			square[l] += d * d;
		}
	for (int l = 1; l < LANES; l++)
		square[0] += square[l];
	b->count = (double) n;
	b->nulls = 0;
	b->m2 = square[0];
	b->min = low[0];
	b->max = high[0];
	return true;
}

/* The moments of any block. */
static void
any_block(const double *values, size_t n, MlMoments *b)
{
	double		sum = 0;

	ml_moments_init(b);
	for (size_t i = 0; i < n; i++)
		if (values[i] == values[i])
		{
			b->count += 1;
			sum += values[i];
			b->min = fmin(b->min, values[i]);
			b->max = fmax(b->max, values[i]);
		}
	b->nulls = (double) n - b->count;
	if (b->count == 0)
		return;
	b->mean = sum / b->count;
	for (size_t i = 0; i < n; i++)
		if (values[i] == values[i])
			b->m2 += (values[i] - b->mean) * (values[i] - b->mean);
}

void
ml_moments_add(MlMoments *m, const double *values, size_t n)
{
	MlMoments	block;

	if (n == 0)
		return;
	if (n % LANES != 0 || !full_block(values, n, &block))
		any_block(values, n, &block);
	ml_moments_merge(m, &block);
}

void
ml_moments_merge(MlMoments *m, const MlMoments *other)
{
	double		total = m->count + other->count;
	double		delta = other->mean - m->mean;

	m->nulls += other->nulls;
	if (other->count == 0)
		return;
	m->min = fmin(m->min, other->min);
	m->max = fmax(m->max, other->max);
	m->m2 += other->m2 + delta * delta * (m->count * other->count / total);
	m->mean += delta * (other->count / total);
	m->count = total;
}
