/*
 * The hash of bytes: two 64-bit words at a time are multiplied to 128 bits and
 * folded, as in wyhash by Wang Yi (public domain), with constants and an order
 * of our own.  Its values are stored in models and decide splits, so they never
 * change; words are little-endian on every machine.
 */
#include "base/hash.h"

#define HASH_K0 UINT64_C(0x9e3779b97f4a7c15)
#define HASH_K1 UINT64_C(0xbf58476d1ce4e5b9)
#define HASH_K2 UINT64_C(0x94d049bb133111eb)
#define HASH_K3 UINT64_C(0xd6e8feb86659fd93)

/* Bytes a turn of the long loop takes, in four independent lanes. */
#define HASH_STRIPE 64

/* Eight bytes as a little-endian number. */
static inline uint64_t
read64(const unsigned char *p)
{
	uint64_t	word;

	memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* Four bytes as a little-endian number. */
static inline uint64_t
read32(const unsigned char *p)
{
	uint32_t	word;

	memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	return word;
}

/*
 * Fold a product of two words.  The factors are added to the result, so that a factor that
 * happens to be zero does not hide what stands in the other.
 */
static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	return ml_mum64(a, b) ^ a ^ b;
}

/* Consume whole stripes of 64 bytes; returns the new state. */
static const unsigned char *
hash_stripes(const unsigned char *p, size_t stripes, uint64_t *state)
{
	uint64_t	lane0 = *state;
	uint64_t	lane1 = *state ^ HASH_K1;
	uint64_t	lane2 = *state ^ HASH_K2;
	uint64_t	lane3 = *state ^ HASH_K3;

	for (size_t i = 0; i < stripes; i++, p += HASH_STRIPE)
	{
		lane0 = fold(read64(p) ^ HASH_K0, read64(p + 8) ^ lane0);
		lane1 = fold(read64(p + 16) ^ HASH_K1, read64(p + 24) ^ lane1);
		lane2 = fold(read64(p + 32) ^ HASH_K2, read64(p + 40) ^ lane2);
		lane3 = fold(read64(p + 48) ^ HASH_K3, read64(p + 56) ^ lane3);
	}
	*state = fold(lane0 ^ HASH_K2, lane1) + fold(lane2 ^ HASH_K0, lane3);
	return p;
}

/* 64-bit hash of bytes. */
uint64_t
ml_hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const unsigned char *p = bytes;
	size_t		rest = length;
	uint64_t	state = fold(seed ^ HASH_K0, (uint64_t) length ^ HASH_K1);
	uint64_t	a = 0;
	uint64_t	b = 0;

	if (rest >= HASH_STRIPE)
	{
		p = hash_stripes(p, rest / HASH_STRIPE, &state);
		rest %= HASH_STRIPE;
	}
	for (; rest > 16; rest -= 16, p += 16)
		state = fold(read64(p) ^ HASH_K2, read64(p + 8) ^ state);

	/* The last 0 to 16 bytes; reads may overlap, since the length is in the state already. */
	if (rest >= 8)
	{
		a = read64(p);
		b = read64(p + rest - 8);
	}
	else if (rest >= 4)
	{
		a = read32(p);
		b = read32(p + rest - 4);
	}
	else if (rest > 0)
		a = (uint64_t) p[0] << 16 | (uint64_t) p[rest / 2] << 8 | p[rest - 1];

	state = fold(a ^ HASH_K3, b ^ state);
	return fold(state ^ HASH_K1, ((uint64_t) length * HASH_K3) ^ HASH_K2);
}
