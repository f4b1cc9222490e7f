/*
 * Sorted runs of keys.
 *
 * An entry of a run: the distance from the key before it and a mark for "one row" (or weight 1) as a number of
 * variable length, seven bits a byte with the lowest first, a bit saying that more follow; then, without the mark,
 * the number of rows in the same way, or the weight in eight bytes.
 */
#include "score/runs.h"

#include <math.h>
#include <string.h>

/* How many ties pass between two looks at a cancel. */
#define CHECK_TIES ((size_t) 1 << 16)

/* Numbers of rows are exact in a double up to here. */
#define EXACT_ROWS 9007199254740992.0

/* ---- packing ---- */

/* Write a number of which six bits go beside a mark into the first byte. */
static inline uint8_t *
put_marked(uint8_t *at, uint64_t number, bool mark)
{
	*at = (uint8_t) (mark | (number & 63) << 1);
	for (number >>= 6; number > 0; number >>= 7)
	{
		*at++ |= 128;
		*at = (uint8_t) (number & 127);
	}
	return at + 1;
}

/* Write a number. */
static inline uint8_t *
put_number(uint8_t *at, uint64_t number)
{
	for (; number > 127; number >>= 7)
		*at++ = (uint8_t) (number | 128);
	*at = (uint8_t) number;
	return at + 1;
}

static inline uint8_t *
put_entry(uint8_t *at, uint64_t last, uint64_t key, double weight, bool weighted)
{
	at = put_marked(at, key - last, weight == 1.0);
	if (weight == 1.0)
		return at;
	if (!weighted)
		return put_number(at, (uint64_t) weight);
	memcpy(at, &weight, sizeof weight);
	return at + sizeof weight;
}

uint8_t *
ml_run_put(uint8_t *at, uint64_t last, uint64_t key, double weight, bool weighted)
{
	return put_entry(at, last, key, weight, weighted);
}

size_t
ml_run_pack(const uint64_t *rows, size_t n, size_t words, uint8_t *bytes, uint64_t *entries)
{
	bool		weighted = words == ML_WORDS_WEIGHTED;
	uint8_t    *at = bytes;
	uint64_t	last = 0;
	uint64_t	count = 0;

	for (size_t i = 0; i < n;)
	{
		uint64_t	key = rows[i * words];
		MlSum		weight = {0};

		do
		{
			double		w = 1.0;

			if (weighted)
				memcpy(&w, &rows[i * words + 1], sizeof w);
			ml_sum_add(&weight, w);
			i++;
		} while (i < n && rows[i * words] == key);
		at = put_entry(at, last, key, ml_sum_value(&weight), weighted);
		last = key;
		count++;
	}
	*entries = count;
	return (size_t) (at - bytes);
}

/* ---- reading ---- */

/* Read one entry behind key last; NULL when it does not end in time or is not as put_entry writes it. */
static inline const uint8_t *
get_entry(const uint8_t *at, const uint8_t *end, uint64_t last, bool weighted, uint64_t *key, double *weight)
{
	uint64_t	number;
	bool		mark;
	int			shift;

	if (at >= end)
		return NULL;
	mark = *at & 1;
	number = (*at >> 1) & 63;
	for (shift = 6; *at & 128; shift += 7)
	{
		if (++at >= end || shift > 62)
			return NULL;
		number |= (uint64_t) (*at & 127) << shift;
	}
	at++;
	*key = last + number;
	*weight = 1.0;
	if (mark)
		return at;
	if (weighted)
	{
		if (end - at < (ptrdiff_t) sizeof(double))
			return NULL;
		memcpy(weight, at, sizeof(double));
		return at + sizeof(double);
	}
	for (number = 0, shift = 0; at < end && shift <= 56; shift += 7)
	{
		number |= (uint64_t) (*at & 127) << shift;
		if (!(*at++ & 128))
		{
			*weight = (double) number;
			return at;
		}
	}
	return NULL;
}

bool
ml_run_check(const uint8_t *bytes, size_t size, uint64_t entries, bool weighted, bool reversed, double *rows,
			 double *weight)
{
	const uint8_t *at = bytes;
	const uint8_t *end = bytes + size;
	const uint64_t least = ml_score_key(-INFINITY);
	const uint64_t greatest = ml_score_key(INFINITY);
	const uint64_t minus_zero = ml_score_key(0.0) - 1;
	uint64_t	key = 0;

	for (uint64_t i = 0; i < entries; i++)
	{
		uint64_t	last = key;
		uint64_t	straight;
		double		w;

		at = get_entry(at, end, last, weighted, &key, &w);
		if (at == NULL || (i > 0 && key <= last))
			return false;
		straight = reversed ? ~key : key;
		if (straight < least || straight > greatest || straight == minus_zero)
			return false;
		if (!(w > 0.0) || !isfinite(w) || (!weighted && w > EXACT_ROWS))
			return false;
		*rows += weighted ? 1.0 : w;
		*weight += w;
	}
	return at == end;
}

/* Go to the next key of sorted rows. */
static inline bool
next_row(MlRunReader *reader)
{
	MlSum		weight = {0};

	if (reader->left == 0)
		return false;
	reader->key = reader->rows[0];
	do
	{
		double		w = 1.0;

		if (reader->words == ML_WORDS_WEIGHTED)
			memcpy(&w, &reader->rows[1], sizeof w);
		ml_sum_add(&weight, w);
		reader->rows += reader->words;
		reader->left--;
	} while (reader->left > 0 && reader->rows[0] == reader->key);
	reader->weight = ml_sum_value(&weight);
	return true;
}

/* Go to the next entry; false at the end. */
static inline bool
next_entry(MlRunReader *reader)
{
	if (reader->rows != NULL)
		return next_row(reader);
	if (reader->left == 0)
		return false;
	if (reader->end - reader->at < ML_RUN_ENTRY && reader->refill != NULL)
		reader->refill(reader);
	reader->at = get_entry(reader->at, reader->end, reader->key, reader->weighted, &reader->key, &reader->weight);
	reader->left--;
	return true;
}

/* ---- merging ---- */

/* Let the reader at a place of the heap sink to where it belongs. */
static inline void
sink(MlTies *ties, size_t place)
{
	MlRunReader *reader = ties->heap[place];

	for (;;)
	{
		size_t		child = 2 * place + 1;

		if (child >= ties->n)
			break;
		if (child + 1 < ties->n && ties->heap[child + 1]->key < ties->heap[child]->key)
			child++;
		if (ties->heap[child]->key >= reader->key)
			break;
		ties->heap[place] = ties->heap[child];
		place = child;
	}
	ties->heap[place] = reader;
}

void
ml_ties_begin(MlContext *ctx, MlTies *ties, MlRunReader *readers, size_t n, int sets)
{
	*ties = (MlTies) {.sets = sets,.ctx = ctx};
	ties->weight = ml_alloc_array_zero(ctx, (size_t) sets, sizeof(double));
	ties->heap = ml_alloc_array(ctx, n + 1, sizeof(MlRunReader *));
	for (size_t i = 0; i < n; i++)
		if (next_entry(&readers[i]))
			ties->heap[ties->n++] = &readers[i];
	for (size_t place = ties->n / 2; place-- > 0;)
		sink(ties, place);
}

bool
ml_ties_next(MlTies *ties)
{
	if (ties->n == 0)
		return false;
	if (++ties->steps % CHECK_TIES == 0)
		ml_check(ties->ctx);
	for (int i = 0; i < ties->sets; i++)
		ties->weight[i] = 0.0;
	ties->key = ties->heap[0]->key;
	while (ties->n > 0 && ties->heap[0]->key == ties->key)
	{
		ties->weight[ties->heap[0]->set] += ties->heap[0]->weight;
		if (!next_entry(ties->heap[0]))
			ties->heap[0] = ties->heap[--ties->n];
		if (ties->n > 1)
			sink(ties, 0);
	}
	return true;
}

void
ml_ties_end(MlTies *ties)
{
	ml_free(ties->ctx, ties->heap);
	ml_free(ties->ctx, ties->weight);
}
