/*
 * Short strings met lately, each with the number that stands for it: categories are few, and to find one again takes
 * no hash of its bytes and no call.
 *
 * A string of up to 32 bytes has one place where it can be, told by its length and three of its bytes, and the string
 * that was met last has that place.  Lengths are not branched on: those of categories that take turns cannot be
 * foretold.
 */
#ifndef ML_RECENT_H
#define ML_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ML_RECENT_BYTES 32
#define ML_RECENT_BITS 6

/* Until so many strings were met there is nothing to be gained. */
#define ML_RECENT_FROM 64

typedef struct MlRecentString
{
	char		bytes[ML_RECENT_BYTES];
	uint64_t	size;			/* the length + 1; 0 = free */
	double		number;
} MlRecentString;

typedef struct MlRecent
{
	MlRecentString places[1 << ML_RECENT_BITS];	/* all zero at first */
} MlRecent;

/* The place of a string: the number is that of the string where *found, else to be kept; NULL = it is too long. */
static inline MlRecentString *
ml_recent_seek(MlRecent *recent, const char *bytes, size_t length, bool *found)
{
	MlRecentString *place;
	uint64_t	mixed = length;

	*found = false;
	if (length > ML_RECENT_BYTES)
		return NULL;
	if (length > 0)
		mixed |= (uint64_t) (unsigned char) bytes[0] << 8 | (uint64_t) (unsigned char) bytes[length / 2] << 16 |
			(uint64_t) (unsigned char) bytes[length - 1] << 24;
	place = &recent->places[mixed * UINT64_C(0x9e3779b97f4a7c15) >> (64 - ML_RECENT_BITS)];
	*found = place->size == length + 1 && memcmp(place->bytes, bytes, length) == 0;
	return place;
}

/* Keep the number of the string that was not found. */
static inline void
ml_recent_keep(MlRecentString *place, const char *bytes, size_t length, double number)
{
	memcpy(place->bytes, bytes, length);
	place->size = length + 1;
	place->number = number;
}

#endif
