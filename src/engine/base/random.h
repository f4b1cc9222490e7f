/*
 * Seeded random numbers: xoshiro256** by Blackman and Vigna (2018), seeded by
 * splitmix64.  The generator is passed in, so same seed, same numbers.
 */
#ifndef ML_RANDOM_H
#define ML_RANDOM_H

#include <stdint.h>

typedef struct MlRandom
{
	uint64_t	s[4];
} MlRandom;

/* One step of splitmix64: a bijective mix of 64 bits, also used as a hash. */
static inline uint64_t
ml_mix64(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline void
ml_random_seed(MlRandom *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = ml_mix64(seed + (uint64_t) i * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t
ml_random_next(MlRandom *r)
{
	uint64_t	x = r->s[1] * 5;
	uint64_t	result = ((x << 7) | (x >> 57)) * 9;
	uint64_t	t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = (r->s[3] << 45) | (r->s[3] >> 19);
	return result;
}

/* Uniform in [0, 1), 53 bits. */
static inline double
ml_random_double(MlRandom *r)
{
	return (double) (ml_random_next(r) >> 11) * 0x1.0p-53;
}

/* Uniform in 0 .. n - 1 (Lemire's multiplication; bias below 2^-32 for n < 2^32). */
static inline uint64_t
ml_random_below(MlRandom *r, uint64_t n)
{
	return (uint64_t) (((unsigned __int128) ml_random_next(r) * n) >> 64);
}

#endif
