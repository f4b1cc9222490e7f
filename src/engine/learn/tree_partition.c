/*
 * Partition: the rows of leaves are put in two stretches, those that go left and those that go right by the
 * leaf's split, each in the order that it had.
 *
 * Parts of 8,192 rows are divided side by side, and appended in order.  A leaf of one part is divided in place.
 */
#include <string.h>

#include "base/threads.h"
#include "learn/tree_internal.h"

#define AHEAD 32				/* rows that are fetched in advance */

/*
 * Divide n rows: those that go left to left (which may be rows itself), the others to right; returns how many
 * go left.  Both have room for n.
 */
static size_t
divide(const uint32_t *rows, size_t n, const uint8_t *bytes, size_t stride, const uint8_t *goes_left,
	   uint32_t *left, uint32_t *right)
{
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t	row = rows[i];
		size_t		goes = goes_left[bytes[row * stride]] & 1;

		if (stride > 1 && i + AHEAD < n)
			__builtin_prefetch(bytes + rows[i + AHEAD] * stride);
		left[count] = row;
		right[i - count] = row;
		count += goes;
	}
	return count;
}

/* The same by a broad column. */
static size_t
divide_broad(const uint32_t *rows, size_t n, const uint8_t *bytes, const uint8_t *goes_left, uint32_t *left,
			 uint32_t *right)
{
	size_t		count = 0;

	for (size_t i = 0; i < n; i++)
	{
		uint32_t	row = rows[i];
		size_t		goes = goes_left[ml_bins_code(bytes + 2 * (size_t) row)] & 1;

		__builtin_prefetch(bytes + 2 * (size_t) rows[i + AHEAD < n ? i + AHEAD : i]);
		left[count] = row;
		right[i - count] = row;
		count += goes;
	}
	return count;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The same, sixteen rows at a time. */
static __attribute__((target("avx512f,avx512bw,avx512vl"))) size_t
divide_avx512(const uint32_t *rows, size_t n, const uint8_t *bytes, size_t stride, const uint8_t *goes_left,
			  uint32_t *left, uint32_t *right)
{
	size_t		count = 0;
	size_t		i = 0;

	for (; i + 16 <= n; i += 16)
	{
		uint8_t		goes[16] __attribute__((aligned(16)));
		__m512i		row = _mm512_loadu_si512(rows + i);
		__mmask16	mask;

#pragma GCC unroll 16
		for (int k = 0; k < 16; k++)
			goes[k] = goes_left[bytes[rows[i + (size_t) k] * stride]];
		if (stride > 1 && i + AHEAD + 16 <= n)
#pragma GCC unroll 16
			for (int k = 0; k < 16; k++)
				__builtin_prefetch(bytes + rows[i + AHEAD + (size_t) k] * stride);
		mask = _mm_movepi8_mask(_mm_load_si128((const __m128i *) goes));
		_mm512_storeu_si512(left + count, _mm512_maskz_compress_epi32(mask, row));
		_mm512_storeu_si512(right + (i - count), _mm512_maskz_compress_epi32((__mmask16) ~mask, row));
		count += (size_t) __builtin_popcount(mask);
	}
	for (; i < n; i++)
	{
		uint32_t	row = rows[i];

		left[count] = row;
		right[i - count] = row;
		count += goes_left[bytes[row * stride]] & 1;
	}
	return count;
}

static size_t
divide_best(const uint32_t *rows, size_t n, const uint8_t *bytes, size_t stride, const uint8_t *goes_left,
			uint32_t *left, uint32_t *right)
{
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		return divide_avx512(rows, n, bytes, stride, goes_left, left, right);
	return divide(rows, n, bytes, stride, goes_left, left, right);
}
#else
#define divide_best divide
#endif

/* Divide the part of a leaf that begins at its row from: in place when it is all, else aside. */
static void
divide_part(MlGrower *t, const MlExpansion *e, MlPart *part, size_t from, MlTreeScratch *scratch)
{
	size_t		n = e->parent->rows - from < ML_TREE_PART ? e->parent->rows - from : ML_TREE_PART;
	uint32_t   *rows = t->rows + e->parent->begin + from;
	uint32_t   *to = e->parts == 1 ? rows : e->aside + from;
	size_t		left = e->broad ? divide_broad(rows, n, e->bytes, e->goes_left, to, scratch->rows) :
		divide_best(rows, n, e->bytes, e->stride, e->goes_left, to, scratch->rows);

	memcpy(to + left, scratch->rows, (n - left) * sizeof(uint32_t));
	part->left = left;
	part->weight = 0;
	for (size_t i = 0; i < left && t->weight != NULL; i++)
		part->weight += t->weight[to[i]];
	if (e->parts > 1 || !e->searched)
		return;
	/* the smaller child is what will be summed */
	if (2 * left <= n)
		ml_tree_gather_rows(rows, t->packed, left, (int64_t *) e->aside);
	else
		ml_tree_gather_rows(rows + left, t->packed, n - left, (int64_t *) e->aside);
}

static void
divide_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlGrower   *t = arg;
	const MlExpansion *e = t->batch;

	for (size_t part = begin; part < end; part++)
	{
		while (part >= e->first_part + e->parts)
			e++;
		divide_part(t, e, &t->parts[part], (part - e->first_part) * ML_TREE_PART, &t->scratch[worker]);
	}
}

/* Bring rows laid aside back in order: what goes left of all parts, then the others. */
static void
append_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlGrower   *t = arg;
	const MlExpansion *e = t->batch;

	(void) worker;
	for (size_t p = begin; p < end; p++)
	{
		const MlPart *part = &t->parts[p];
		size_t		from;
		size_t		n;

		while (p >= e->first_part + e->parts)
			e++;
		if (e->parts == 1)
			continue;
		from = (p - e->first_part) * ML_TREE_PART;
		n = e->parent->rows - from < ML_TREE_PART ? e->parent->rows - from : ML_TREE_PART;
		memcpy(t->rows + part->place_left, e->aside + from, part->left * sizeof(uint32_t));
		memcpy(t->rows + part->place_right, e->aside + from + part->left, (n - part->left) * sizeof(uint32_t));
	}
}

/* Which bytes of the split's column go left. */
static void
mark_left(const MlGrower *t, MlExpansion *e)
{
	const MlBins *bins = t->bins;
	const MlBinColumn *column = &bins->column[e->parent->feature];
	const MlSplitFound *split = &e->parent->split;

	memset(e->goes_left, 0, 256);
	for (int b = 0; b <= column->nbins; b++)
	{
		bool		goes;

		if (column->levels > 0)
			goes = ml_tree_set_has(t->sets + e->parent->set, b);
		else
			goes = b == column->nbins ? split->missing_left : b <= split->bin;
		e->goes_left[b] = goes ? 255 : 0;
	}
	ml_bins_mark_bytes(bins, e->parent->feature, e->goes_left);
}

/* Say where the rows of a leaf's parts go, and what its children have. */
static void
place_parts(MlGrower *t, MlExpansion *e)
{
	size_t		left = 0;
	size_t		right;

	e->left_weight = 0;
	for (size_t p = e->first_part; p < e->first_part + e->parts; p++)
	{
		t->parts[p].place_left = e->parent->begin + left;
		left += t->parts[p].left;
		e->left_weight += t->parts[p].weight;
	}
	if (t->weight == NULL)
		e->left_weight = (double) left;
	right = e->parent->begin + left;
	for (size_t p = e->first_part; p < e->first_part + e->parts; p++)
	{
		size_t		from = (p - e->first_part) * ML_TREE_PART;
		size_t		rows = e->parent->rows - from < ML_TREE_PART ? e->parent->rows - from : ML_TREE_PART;

		t->parts[p].place_right = right;
		right += rows - t->parts[p].left;
	}
	e->left->begin = e->parent->begin;
	e->left->rows = left;
	e->right->begin = e->parent->begin + left;
	e->right->rows = e->parent->rows - left;
}

void
ml_tree_partition(MlGrower *t)
{
	size_t		parts = 0;
	size_t		aside = 0;
	size_t		rows = 0;
	bool		many = false;

	for (int i = 0; i < t->batch_count; i++)
	{
		MlExpansion *e = &t->batch[i];
		const MlBins *bins = t->bins;
		int			track = bins->track_of[e->parent->feature];
		bool		by_track = bins->by_track != NULL && track < bins->narrow;

		e->bytes = by_track ? bins->by_track + (size_t) track * bins->rows : ml_bins_bytes(bins, track);
		e->stride = by_track ? 1 : (size_t) bins->group[bins->group_of[track]].count;
		e->broad = track >= bins->narrow;
		mark_left(t, e);
		e->first_part = parts;
		e->parts = (e->parent->rows + ML_TREE_PART - 1) / ML_TREE_PART;
		/* whole lines of the cache */
		e->aside = t->aside + aside;
		aside += (e->parent->rows + 15) / 16 * 16;
		parts += e->parts;
		rows += e->parent->rows;
		many |= e->parts > 1;
	}
	ml_parallel_for(t->ctx, parts, rows < ML_TREE_PART ? parts : 1, divide_piece, t);
	for (int i = 0; i < t->batch_count; i++)
		place_parts(t, &t->batch[i]);
	if (many)
		ml_parallel_for(t->ctx, parts, 4, append_piece, t);
}
