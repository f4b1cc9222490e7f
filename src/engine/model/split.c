#include "model/split.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"

typedef struct HashJob
{
	const MlTable *table;
	uint64_t   *hashes;
	MlDigest   *digests;		/* one a piece */
} HashJob;

/* Hash the rows of one chunk, column by column. */
static void
hash_piece(void *arg, size_t begin, size_t end, int worker)
{
	HashJob    *job = arg;
	MlDigest   *digest = &job->digests[begin / ML_CHUNK_ROWS];

	(void) worker;
	memset(job->hashes + begin, 0, (end - begin) * sizeof(uint64_t));
	for (int c = 0; c < job->table->ncolumns; c++)
		ml_column_hash(job->table->columns[c], (uint64_t) c, begin, end - begin, job->hashes + begin);
	for (size_t i = begin; i < end; i++)
		ml_digest_add(digest, job->hashes[i]);
}

uint64_t *
ml_split_hashes(MlContext *ctx, const MlTable *table, MlDigest *digest)
{
	size_t		pieces = table->rows / ML_CHUNK_ROWS + 1;
	HashJob		job = {.table = table};

	job.hashes = ml_alloc_array(ctx, table->rows + 1, sizeof(uint64_t));
	job.digests = ml_alloc_array_zero(ctx, pieces, sizeof(MlDigest));
	ml_parallel_for(ctx, table->rows, ML_CHUNK_ROWS, hash_piece, &job);
	for (size_t i = 0; i < pieces; i++)
	{
		digest->sum += job.digests[i].sum;
		digest->sum_inverse += job.digests[i].sum_inverse;
	}
	ml_free(ctx, job.digests);
	return job.hashes;
}

/* ---- copies ---- */

#define BUCKET_ROWS 4096		/* whose hashes are looked up in a table that stays in cache */
#define MOST_BUCKET_BITS 16

/* How many rows of each hash have been met: open addressing; no copies = a free slot. */
typedef struct Met
{
	uint64_t   *hash;
	uint32_t   *copies;
	size_t		slots;			/* a power of two */
	size_t		used;
} Met;

static size_t
met_slot(const Met *met, uint64_t hash)
{
	size_t		slot = hash & (met->slots - 1);

	while (met->copies[slot] > 0 && met->hash[slot] != hash)
		slot = (slot + 1) & (met->slots - 1);
	return slot;
}

/* Begin with so many free slots. */
static void
met_create(MlContext *ctx, Met *met, size_t slots)
{
	*met = (Met) {.slots = slots};
	met->hash = ml_alloc_array(ctx, slots, sizeof(uint64_t));
	met->copies = ml_alloc_array_zero(ctx, slots, sizeof(uint32_t));
}

static void
met_free(MlContext *ctx, Met *met)
{
	ml_free(ctx, met->copies);
	ml_free(ctx, met->hash);
}

/* Make room for as many again. */
static void
met_grow(MlContext *ctx, Met *met)
{
	Met			larger;

	met_create(ctx, &larger, 2 * met->slots);
	larger.used = met->used;
	for (size_t i = 0; i < met->slots; i++)
		if (met->copies[i] > 0)
		{
			size_t		slot = met_slot(&larger, met->hash[i]);

			larger.hash[slot] = met->hash[i];
			larger.copies[slot] = met->copies[i];
		}
	met_free(ctx, met);
	*met = larger;
}

/* How many rows of the hash were met before this one. */
static uint32_t
met_before(MlContext *ctx, Met *met, uint64_t hash)
{
	size_t		slot;

	if (2 * met->used >= met->slots)
		met_grow(ctx, met);
	slot = met_slot(met, hash);
	met->used += met->copies[slot] == 0;
	met->hash[slot] = hash;
	return met->copies[slot]++;
}

/* Rows in the order of the first bits of their hashes, by their number within; where each bucket ends goes to ends. */
static uint32_t *
bucket_rows(MlContext *ctx, const uint64_t *hashes, size_t n, int bits, size_t *ends)
{
	uint32_t   *rows = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	size_t		begin = 0;

	for (size_t i = 0; i < n; i++)
		ends[hashes[i] >> 1 >> (63 - bits)]++;
	ml_check(ctx);
	for (size_t b = 0; b < (size_t) 1 << bits; b++)
	{
		begin += ends[b];
		ends[b] = begin - ends[b];
	}
	for (size_t i = 0; i < n; i++)
	{
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		rows[ends[hashes[i] >> 1 >> (63 - bits)]++] = (uint32_t) i;
	}
	return rows;
}

uint64_t *
ml_split_apart(MlContext *ctx, const uint64_t *hashes, size_t n)
{
	int			bits = 0;
	size_t	   *ends;
	uint32_t   *rows;
	uint64_t   *apart = NULL;
	size_t		i = 0;

	while (bits < MOST_BUCKET_BITS && n >> bits > BUCKET_ROWS)
		bits++;
	ends = ml_alloc_array_zero(ctx, (size_t) 1 << bits, sizeof(size_t));
	rows = bucket_rows(ctx, hashes, n, bits, ends);
	for (size_t b = 0; b < (size_t) 1 << bits; b++)
	{
		Met			met;

		met_create(ctx, &met, 4 * BUCKET_ROWS);
		for (; i < ends[b]; i++)
		{
			uint32_t	row = rows[i];
			uint32_t	before = met_before(ctx, &met, hashes[row]);

			if (before == 0)
				continue;
			if (apart == NULL)
			{
				apart = ml_alloc_array(ctx, n, sizeof(uint64_t));
				memcpy(apart, hashes, n * sizeof(uint64_t));
			}
			apart[row] = ml_mix64(hashes[row] + before * UINT64_C(0x9e3779b97f4a7c15));
		}
		met_free(ctx, &met);
		ml_check(ctx);
	}
	ml_free(ctx, rows);
	ml_free(ctx, ends);
	return apart;
}

/* ---- the split ---- */

/* Quickselect, median of three. */
uint64_t
ml_select_key(uint64_t *keys, size_t n, size_t k)
{
	size_t		low = 0;
	size_t		high = n - 1;

	while (low < high)
	{
		uint64_t	a = keys[low];
		uint64_t	b = keys[low + (high - low) / 2];
		uint64_t	c = keys[high];
		uint64_t	pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
		size_t		i = low;
		size_t		j = high;

		for (;;)
		{
			while (keys[i] < pivot)
				i++;
			while (keys[j] > pivot)
				j--;
			if (i >= j)
				break;
			uint64_t	swap = keys[i];

			keys[i++] = keys[j];
			keys[j--] = swap;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return keys[k];
}

/* Rows to hold out of n: the share, but never all, and one at least where two are there. */
static size_t
held_out_count(size_t n, double share)
{
	size_t		count = (size_t) floor((double) n * share + 0.5);

	if (count == 0 && n >= 2)
		count = 1;
	return count < n ? count : n - 1;
}

double
ml_split_share(MlContext *ctx, const MlSplit *split, size_t n)
{
	if (split->test_size < 1)
		return split->test_size;
	if (split->test_size >= (double) n)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "%.0f rows cannot be held out of %zu", split->test_size, n),
					  NULL, "Make test_size smaller.");
	return split->test_size / (double) n;
}

#define BINS 65536				/* by the first 16 bits of a key */

/* The k-th smallest (from 0) of keys: by counting first bits, then among the few that share them. */
static uint64_t
threshold_key(MlContext *ctx, const uint64_t *keys, size_t n, size_t k)
{
	size_t	   *bins = ml_alloc_array_zero(ctx, BINS, sizeof(size_t));
	uint64_t   *near;
	uint64_t	threshold;
	size_t		bin = 0;
	size_t		found = 0;

	for (size_t i = 0; i < n; i++)
		bins[keys[i] >> 48]++;
	while (k >= bins[bin])
		k -= bins[bin++];
	near = ml_alloc_array(ctx, bins[bin], sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
		if (keys[i] >> 48 == bin)
			near[found++] = keys[i];
	threshold = ml_select_key(near, found, k);
	ml_free(ctx, near);
	ml_free(ctx, bins);
	return threshold;
}

/*
 * Hold out the share of rows with the smallest keys.  Rows with the threshold's own key are taken
 * from the end, until there are enough.
 */
static void
mark_smallest(MlContext *ctx, const uint32_t *rows, const uint64_t *keys, size_t n, double share, uint8_t *test)
{
	uint64_t	threshold;
	size_t		count;

	if (n < 2)
		return;
	count = held_out_count(n, share);
	threshold = threshold_key(ctx, keys, n, count - 1);
	ml_check(ctx);
	for (size_t i = 0; i < n; i++)
	{
		bool		below = keys[i] < threshold;

		test[rows[i]] = below;
		count -= below;
	}
	for (size_t i = n; i-- > 0 && count > 0;)
		if (keys[i] == threshold)
		{
			test[rows[i]] = 1;
			count--;
		}
}

/* The same class by class: rows are sorted by class first (a counting sort keeps their order). */
static void
mark_classes(MlContext *ctx, const uint32_t *rows, const uint64_t *keys, size_t n, const double *klass,
			 int classes, double share, uint8_t *test)
{
	size_t	   *begins = ml_alloc_array_zero(ctx, (size_t) classes + 2, sizeof(size_t));
	uint32_t   *class_rows = ml_alloc_array(ctx, n, sizeof(uint32_t));
	uint64_t   *class_keys = ml_alloc_array(ctx, n, sizeof(uint64_t));

	for (size_t i = 0; i < n; i++)
		begins[(int) klass[i] + 2]++;
	for (int k = 2; k <= classes; k++)
		begins[k] += begins[k - 1];
	ml_check(ctx);
	for (size_t i = 0; i < n; i++)
	{
		size_t		at = begins[(int) klass[i] + 1]++;

		class_rows[at] = rows[i];
		class_keys[at] = keys[i];
	}
	for (int k = 0; k < classes; k++)
		mark_smallest(ctx, class_rows + begins[k], class_keys + begins[k], begins[k + 1] - begins[k], share, test);
	ml_free(ctx, class_keys);
	ml_free(ctx, class_rows);
	ml_free(ctx, begins);
}

/* A double as an integer of the same order, largest first. */
static uint64_t
descending_bits(double v)
{
	uint64_t	bits;

	v += 0.0;
	memcpy(&bits, &v, sizeof bits);
	bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
	return ~bits;
}

void
ml_split_mark(MlContext *ctx, const MlSplit *split, const uint32_t *rows, size_t n,
			  const double *klass, int classes, const uint64_t *hashes, const double *order, uint8_t *test)
{
	uint64_t   *keys;
	double		share;

	if (split->kind == ML_SPLIT_NONE || n == 0)
		return;
	if (split->kind == ML_SPLIT_COLUMN)
	{
		for (size_t i = 0; i < n; i++)
			test[rows[i]] = order[i] == order[i] && order[i] != 0;
		return;
	}
	if (split->has_after)
	{
		for (size_t i = 0; i < n; i++)
			test[rows[i]] = order[i] >= split->after;
		return;
	}
	share = ml_split_share(ctx, split, n);
	keys = ml_alloc_array(ctx, n, sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
		keys[i] = split->kind == ML_SPLIT_LAST ? descending_bits(order[i]) :
			ml_mix64(hashes[rows[i]] ^ ml_mix64(split->seed));
	if (split->kind == ML_SPLIT_STRATIFIED && klass != NULL)
		mark_classes(ctx, rows, keys, n, klass, classes, share, test);
	else
		mark_smallest(ctx, rows, keys, n, share, test);
	ml_free(ctx, keys);
}
