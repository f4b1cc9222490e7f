/*
 * Hashes that are stored or decide a split, so they never change: the hash of
 * bytes, and the digest of a row and of a set of rows whatever their order.
 */
#ifndef ML_HASH_H
#define ML_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"

/* 64-bit hash of bytes; also the checksum of stored models. */
extern uint64_t ml_hash_bytes(const void *bytes, size_t length, uint64_t seed);

/* What stands for NULL in a row's hash. */
#define ML_HASH_NULL UINT64_C(0x7ff8dead0000beef)

/* The high and low half of a 64 x 64 bit product, folded. */
static inline uint64_t
ml_mum64(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128) a * b;

	return (uint64_t) p ^ (uint64_t) (p >> 64);
}

/* The bits of a number for hashing: one zero, one NaN (= NULL). */
static inline uint64_t
ml_number_bits(double v)
{
	uint64_t	bits;

	if (v != v)
		return ML_HASH_NULL;
	v += 0.0;					/* -0.0 becomes 0.0 */
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/*
 * A row's hash is the sum over its columns of ml_hash_cell; a table's digest is
 * the pair of sums over its rows of ml_mix64(hash) and ml_mix64(~hash).
 */
static inline uint64_t
ml_hash_cell(uint64_t bits, uint64_t column)
{
	return ml_mum64(bits ^ (UINT64_C(0xa0761d6478bd642f) * (column + 1)),
					UINT64_C(0xe7037ed1a0b428db) + 2 * column);
}

typedef struct MlDigest
{
	uint64_t	sum;
	uint64_t	sum_inverse;
} MlDigest;

static inline void
ml_digest_add(MlDigest *digest, uint64_t row_hash)
{
	digest->sum += ml_mix64(row_hash);
	digest->sum_inverse += ml_mix64(~row_hash);
}

#endif
