/*
 * Histograms: the sums of gradients and hessians of a leaf's rows, bin by bin.
 *
 * Shapes: a leaf of m rows, groups of tracks whose bytes of a row lie together (tree.h); a histogram is
 *     [total] gradients, then [total] hessians, integers.
 * A pass goes over 4,096 rows chunk by chunk of a group: all columns of a group are on the same one or two lines
 * of the cache, and the sums of a chunk stay in the nearest one.  Gradient and hessian are added as one
 * 64-bit number, which is widened after the pass.  The packed gradients of a leaf are gathered once, in the
 * order of its rows, for all chunks.
 * A broad column is a chunk of its own, with two bytes a row.
 * A bundle of columns (tree_bundle.c) is one byte of a row.  Its sums go where the bins of its columns are; what a
 * column has at its usual bin, in rows without a code of it, is the leaf's sum without its other bins.
 * Threads: over chunks of tracks; over stretches of rows where a leaf has many, each thread into a histogram of
 *     its own.  All are integers, so that nobody's order matters.
 */
#include <string.h>

#include "base/simd.h"
#include "base/threads.h"
#include "learn/tree_internal.h"

#define PASS_ROWS 4096			/* that many packed sums stay within their bits */
#define AHEAD 24				/* rows that are fetched in advance */
#define TOTAL_ROWS 65536		/* of a piece of the sum of all */

/* ---- adding rows to packed sums ---- */

/* Rows of a pass. */
typedef struct Pass
{
	const uint8_t *bytes;		/* of the chunk's first track */
	size_t		stride;
	const uint8_t *fetch;		/* of the group's first track, NULL = the lines are in the cache */
	const uint32_t *rows;		/* NULL = in order, from bytes on */
	const int64_t *packed;		/* in the order of rows */
	size_t		n;
} Pass;

/* Add rows; count, scattered and fetch are constants where it is inlined. */
static inline __attribute__((always_inline)) void
add_rows(const Pass *pass, int64_t *sums, const int count, const bool scattered, const bool fetch)
{
	const uint8_t *bytes = pass->bytes;
	const uint8_t *whole = pass->fetch;
	const uint32_t *rows = pass->rows;
	const int64_t *packed = pass->packed;
	size_t		stride = pass->stride;
	size_t		n = pass->n;

	for (size_t i = 0; i < n; i++)
	{
		const uint8_t *b = bytes + (scattered ? (size_t) rows[i] : i) * stride;
		int64_t		q = packed[i];

		if (fetch && i + AHEAD < n)
		{
			const uint8_t *ahead = whole + (size_t) rows[i + AHEAD] * stride;

			__builtin_prefetch(ahead);
			__builtin_prefetch(ahead + stride - 1);
		}
#pragma GCC unroll 12
		for (int f = 0; f < count; f++)
			sums[f * 256 + b[f]] += q;
	}
}

#define ADD_CASE(k) \
	case k: \
		if (pass->fetch != NULL) \
			add_rows(pass, sums, k, true, true); \
		else if (pass->rows != NULL) \
			add_rows(pass, sums, k, true, false); \
		else \
			add_rows(pass, sums, k, false, false); \
		break

static void
add_chunk(const Pass *pass, int64_t *sums, int count)
{
	switch (count)
	{
			ADD_CASE(1);
			ADD_CASE(2);
			ADD_CASE(3);
			ADD_CASE(4);
			ADD_CASE(5);
			ADD_CASE(6);
			ADD_CASE(7);
			ADD_CASE(8);
			ADD_CASE(9);
			ADD_CASE(10);
			ADD_CASE(11);
			ADD_CASE(12);
	}
}

/* Add rows of a broad column. */
static void
add_broad(const Pass *pass, int64_t *sums)
{
	const uint8_t *bytes = pass->bytes;
	const uint32_t *rows = pass->rows;
	size_t		n = pass->n;

	for (size_t i = 0; i < n && rows == NULL; i++)
		sums[ml_bins_code(bytes + 2 * i)] += pass->packed[i];
	for (size_t i = 0; i < n && rows != NULL; i++)
	{
		__builtin_prefetch(bytes + 2 * (size_t) rows[i + AHEAD < n ? i + AHEAD : i]);
		sums[ml_bins_code(bytes + 2 * (size_t) rows[i])] += pass->packed[i];
	}
}

/* Add packed sums to wide ones, or put them there, and make them zero. */
static ML_MULTIVERSION void
widen(int64_t *restrict packed, int64_t *restrict g, int64_t *restrict h, int n, bool first)
{
	if (first)
		for (int b = 0; b < n; b++)
		{
			g[b] = packed[b] >> 30;
			h[b] = packed[b] & ((1 << 30) - 1);
			packed[b] = 0;
		}
	else
		for (int b = 0; b < n; b++)
		{
			g[b] += packed[b] >> 30;
			h[b] += packed[b] & ((1 << 30) - 1);
			packed[b] = 0;
		}
}

/*
 * The same of a bundle: the sums of a code belong to a bin of one of its columns.  Those of the usual bins stay zero
 * until all is there.
 */
static void
widen_bundle(const MlBins *bins, const MlBinTrack *track, int64_t *restrict packed, int64_t *restrict sums, bool first)
{
	if (first)
	{
		int			last = bins->member[track->first + track->count - 1];
		size_t		begin = bins->offset[bins->member[track->first]];
		size_t		n = bins->offset[last] + (size_t) bins->column[last].nbins + 1 - begin;

		memset(sums + begin, 0, n * sizeof(int64_t));
		memset(sums + bins->total + begin, 0, n * sizeof(int64_t));
	}
	for (int code = 1; code < track->codes; code++)
	{
		sums[track->place[code]] += packed[code] >> 30;
		sums[bins->total + track->place[code]] += packed[code] & ((1 << 30) - 1);
	}
	memset(packed, 0, (size_t) track->codes * sizeof(int64_t));
}

/* What a column of a bundle has at its usual bin: the leaf's sum without all else. */
static ML_MULTIVERSION int64_t
sum_of_rest(const int64_t *sums, int n, int64_t all)
{
	for (int b = 0; b < n; b++)
		all -= sums[b];
	return all;
}

/* Fill in the usual bins of the bundles of a chunk, once all rows of the leaf have been summed. */
static void
complete_bundles(const MlBins *bins, const MlBinChunk *chunk, MlBinSum all, int64_t *sums)
{
	for (int k = chunk->first; k < chunk->first + chunk->count && bins->usual != NULL; k++)
	{
		const MlBinTrack *track = &bins->track[k];

		for (int i = track->first; i < track->first + track->count && track->codes > 0; i++)
		{
			int			j = bins->member[i];
			int64_t    *g = sums + bins->offset[j];
			int64_t    *h = g + bins->total;
			int			n = bins->column[j].nbins + 1;

			g[bins->usual[j]] = sum_of_rest(g, n, all.g);
			h[bins->usual[j]] = sum_of_rest(h, n, all.h);
		}
	}
}

/* Add wide sums to others, or put them there. */
static ML_MULTIVERSION void
collect(const int64_t *restrict from, int64_t *restrict to, size_t n, bool first)
{
	if (first)
		memcpy(to, from, n * sizeof(int64_t));
	else
		for (size_t b = 0; b < n; b++)
			to[b] += from[b];
}

/*
 * Sum rows from .. from + n - 1 of a leaf, at most PASS_ROWS, for a chunk; fetch when it is the first of its
 * group over these rows, first when the histogram has nothing yet.
 */
static void
sum_pass(MlGrower *t, const MlLeaf *leaf, size_t from, size_t n, const MlBinChunk *chunk, bool fetch,
		 const int64_t *packed, int64_t *local, int64_t *sums, bool first)
{
	const MlBinGroup *group = &t->bins->group[chunk->group];
	bool		in_order = t->in_order && leaf->rows == t->bins->rows;
	size_t		begin = in_order ? from : 0;
	Pass		pass = {.stride = (size_t) group->count,.packed = packed,.n = n};

	pass.bytes = group->bytes + begin * pass.stride + (chunk->first - group->first);
	pass.rows = in_order ? NULL : t->rows + leaf->begin + from;
	pass.fetch = fetch && !in_order ? group->bytes : NULL;
	if (chunk->first < t->bins->narrow)
		add_chunk(&pass, local, chunk->count);
	else
		add_broad(&pass, local);
	for (int f = 0; f < chunk->count; f++)
	{
		const MlBinTrack *track = &t->bins->track[chunk->first + f];
		int			j = t->bins->member[track->first];
		size_t		offset = t->bins->offset[j];

		if (track->codes > 0)
			widen_bundle(t->bins, track, local + f * 256, sums, first);
		else
			widen(local + f * 256, sums + offset, sums + t->bins->total + offset, t->bins->column[j].nbins + 1, first);
	}
}

/* The packed gradients of some rows of a leaf, in their order; room is for those of a pass. */
static const int64_t *
packed_of(const MlGrower *t, const MlLeaf *leaf, size_t from, size_t n, int64_t *room)
{
	if (t->in_order && leaf->rows == t->bins->rows)
		return t->packed + from;
	if (leaf->packed != NULL)
		return leaf->packed + from;
	ml_tree_gather_rows(t->rows + leaf->begin + from, t->packed, n, room);
	return room;
}

void
ml_tree_sum_chunk(MlGrower *t, const MlLeaf *leaf, int chunk, int worker)
{
	MlTreeScratch *scratch = &t->scratch[worker];

	for (size_t from = 0; from < leaf->rows; from += PASS_ROWS)
	{
		size_t		n = leaf->rows - from < PASS_ROWS ? leaf->rows - from : PASS_ROWS;
		const int64_t *packed = packed_of(t, leaf, from, n, (int64_t *) scratch->rows);

		sum_pass(t, leaf, from, n, &t->bins->chunk[chunk], true, packed, scratch->packed, t->slots[leaf->slot],
				 from == 0);
	}
	complete_bundles(t->bins, &t->bins->chunk[chunk], leaf->at.sum, t->slots[leaf->slot]);
}

/* ---- leaves of many rows ---- */

/* The stretches of a leaf of the batch. */
static size_t
stretches_of(const MlExpansion *e)
{
	return e->wide < 0 ? 0 : (e->summed->rows + ML_TREE_STRETCH - 1) / ML_TREE_STRETCH;
}

/* Sum a stretch of a leaf's rows for all chunks of one group, into the thread's own histogram. */
static void
sum_stretch(MlGrower *t, const MlExpansion *e, size_t stretch, int group, int worker)
{
	MlTreeScratch *scratch = &t->scratch[worker];
	const MlLeaf *leaf = e->summed;
	size_t		begin = stretch * ML_TREE_STRETCH;
	size_t		end = leaf->rows - begin < ML_TREE_STRETCH ? leaf->rows : begin + ML_TREE_STRETCH;
	int			chunk = 0;

	while (t->bins->chunk[chunk].group < group)
		chunk++;
	for (size_t from = begin; from < end; from += PASS_ROWS)
	{
		size_t		n = end - from < PASS_ROWS ? end - from : PASS_ROWS;
		const int64_t *packed = packed_of(t, leaf, from, n, (int64_t *) scratch->rows);

		for (int c = chunk; c < t->bins->nchunks && t->bins->chunk[c].group == group; c++)
		{
			sum_pass(t, leaf, from, n, &t->bins->chunk[c], c == chunk, packed, scratch->packed, scratch->wide[e->wide],
					 !scratch->used[e->wide][c]);
			scratch->used[e->wide][c] = true;
		}
	}
}

static void
stretch_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlGrower   *t = arg;
	size_t		groups = (size_t) t->bins->ngroups;

	for (size_t piece = begin; piece < end; piece++)
	{
		const MlExpansion *e = t->batch;
		size_t		at = piece;

		for (; at >= stretches_of(e) * groups; e++)
			at -= stretches_of(e) * groups;
		sum_stretch(t, e, at / groups, (int) (at % groups), worker);
	}
}

void
ml_tree_sum_stretches(MlGrower *t)
{
	size_t		pieces = 0;

	for (int i = 0; i < t->batch_count; i++)
	{
		const MlExpansion *e = &t->batch[i];

		for (int worker = 0; worker < t->threads && e->wide >= 0; worker++)
		{
			MlTreeScratch *scratch = &t->scratch[worker];

			if (scratch->wide[e->wide] == NULL)
			{
				scratch->wide[e->wide] = ml_alloc_array(t->ctx, 2 * t->bins->total, sizeof(int64_t));
				scratch->used[e->wide] = ml_alloc(t->ctx, (size_t) t->bins->nchunks);
			}
			memset(scratch->used[e->wide], 0, (size_t) t->bins->nchunks);
		}
		pieces += stretches_of(e) * (size_t) t->bins->ngroups;
	}
	ml_parallel_for(t->ctx, pieces, 1, stretch_piece, t);
}

void
ml_tree_collect_chunk(MlGrower *t, const MlExpansion *e, int number)
{
	const MlBinChunk *chunk = &t->bins->chunk[number];
	size_t		from = chunk->offset;
	size_t		n = chunk->bins;
	int64_t    *sums = t->slots[e->summed->slot];
	bool		first = true;

	for (int worker = 0; worker < t->threads; worker++)
	{
		const MlTreeScratch *scratch = &t->scratch[worker];

		if (!scratch->used[e->wide][number])
			continue;
		collect(scratch->wide[e->wide] + from, sums + from, n, first);
		collect(scratch->wide[e->wide] + t->bins->total + from, sums + t->bins->total + from, n, first);
		first = false;
	}
	complete_bundles(t->bins, chunk, e->summed->at.sum, sums);
}

/* ---- packed gradients in the order of rows ---- */

void
ml_tree_gather_rows(const uint32_t *rows, const int64_t *packed, size_t n, int64_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = packed[rows[i]];
}

static void
gather_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlGrower   *t = arg;

	(void) worker;
	for (int i = 0; i < t->batch_count; i++)
	{
		const MlExpansion *e = &t->batch[i];
		size_t		low = begin > e->first_part ? begin : e->first_part;
		size_t		high = end < e->first_part + e->parts ? end : e->first_part + e->parts;

		for (size_t part = low; part < high && e->parts > 1 && e->summed != NULL; part++)
		{
			size_t		from = (part - e->first_part) * ML_TREE_PART;
			size_t		n = e->summed->rows > from ? e->summed->rows - from : 0;

			ml_tree_gather_rows(t->rows + e->summed->begin + from, t->packed, n < ML_TREE_PART ? n : ML_TREE_PART,
								(int64_t *) e->aside + from);
		}
	}
}

void
ml_tree_gather(MlGrower *t)
{
	const MlExpansion *last = &t->batch[t->batch_count - 1];
	bool		any = false;

	for (int i = 0; i < t->batch_count; i++)
	{
		MlExpansion *e = &t->batch[i];

		any |= e->summed != NULL && e->parts > 1;
		if (e->summed != NULL)
			e->summed->packed = (int64_t *) e->aside;
	}
	if (any)
		ml_parallel_for(t->ctx, last->first_part + last->parts, 4, gather_piece, t);
}

/* ---- all rows ---- */

typedef struct Total
{
	MlGrower   *t;
	MlBinSum   *sums;			/* [pieces] */
} Total;

static ML_MULTIVERSION MlBinSum
add_packed(const int64_t *packed, size_t n)
{
	MlBinSum	sum = {0, 0};

	for (size_t i = 0; i < n; i++)
	{
		sum.g += packed[i] >> 30;
		sum.h += packed[i] & ((1 << 30) - 1);
	}
	return sum;
}

static void
total_piece(void *arg, size_t begin, size_t end, int worker)
{
	Total	   *total = arg;
	MlGrower   *t = total->t;

	(void) worker;
	total->sums[begin / TOTAL_ROWS] = add_packed(t->packed + begin, end - begin);
	for (size_t i = begin; i < end && t->in_order; i++)
		t->rows[i] = (uint32_t) i;
}

MlBinSum
ml_tree_total(MlGrower *t, size_t n)
{
	size_t		pieces = (n + TOTAL_ROWS - 1) / TOTAL_ROWS;
	Total		total = {t, ml_alloc_array(t->ctx, pieces + 1, sizeof(MlBinSum))};
	MlBinSum	sum = {0, 0};

	t->in_order = n == t->bins->rows;
	ml_parallel_for(t->ctx, n, TOTAL_ROWS, total_piece, &total);
	for (size_t i = 0; i < pieces; i++)
	{
		sum.g += total.sums[i].g;
		sum.h += total.sums[i].h;
	}
	ml_free(t->ctx, total.sums);
	/* from the order of rows to the rows themselves, last first, since none comes before its place */
	for (size_t i = n; i-- > 0 && !t->in_order;)
		t->packed[t->rows[i]] = t->packed[i];
	return sum;
}
