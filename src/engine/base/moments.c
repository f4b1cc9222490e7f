#include "base/moments.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "base/simd.h"

#define LANES 8

/* Eight truth values, all bits of one set or none. */
typedef int64_t Mask8 __attribute__((vector_size(64), may_alias));

/* Where mask is set a, elsewhere b. */
#define CHOOSE(mask, a, b) ((MlDouble8) (((mask) & (Mask8) (a)) | (~(mask) & (Mask8) (b))))

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
	const MlDouble8 *v = (const MlDouble8 *) values;
	MlDouble8	sum = {0};
	MlDouble8	square = {0};
	MlDouble8	low = v[0];
	MlDouble8	high = v[0];
	double		total;

	for (size_t i = 0; i < n / LANES; i++)
	{
		sum += v[i];
		low = CHOOSE((Mask8) (v[i] < low), v[i], low);
		high = CHOOSE((Mask8) (v[i] > high), v[i], high);
	}
	total = sum[0];
	b->min = low[0];
	b->max = high[0];
	for (int l = 1; l < LANES; l++)
	{
		total += sum[l];
		b->min = low[l] < b->min ? low[l] : b->min;
		b->max = high[l] > b->max ? high[l] : b->max;
	}
	if (total != total)
		return false;			/* a NaN anywhere makes the sum one */
	b->mean = total / (double) n;
	for (size_t i = 0; i < n / LANES; i++)
		square += (v[i] - b->mean) * (v[i] - b->mean);
	b->count = (double) n;
	b->nulls = 0;
	b->m2 = 0;
	for (int l = 0; l < LANES; l++)
		b->m2 += square[l];
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

bool
ml_moments_add(MlMoments *m, const double *values, size_t n)
{
	MlMoments	block;

	if (n == 0)
		return true;
	if (n % LANES != 0 || !full_block(values, n, &block))
		any_block(values, n, &block);
	ml_moments_merge(m, &block);
	return block.nulls == 0 && block.max - block.min < DBL_MAX;
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
