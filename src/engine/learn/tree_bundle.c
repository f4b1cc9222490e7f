/*
 * Bundles: sparse columns share a byte.
 *
 * Problem: of columns that have one bin, the usual one, in most rows, such as those of one-hot codes or counts, find
 *     sets no two of whose columns are off their usual bin in the same row.  A byte says which column is, and its
 *     bin: a pass over the rows then costs a bundle and not a column.  Histograms, splits and trees are the same, bit
 *     by bit, as without bundles.
 * Finding them: greedily, the column with the most unusual rows first, each into the first bundle that shares no row
 *     with it and has codes left, of at most 64 that may have room.  Rows are bits here: all rows while these take no
 *     more than 4 MB, else as many at equal distances; then all rows are looked at, and a column that meets
 *     another one before it in the bundle, or whose bins there are no codes for, leaves it.
 * Worthwhile: where a quarter of the bytes is saved.  A look at 4,096 rows spares dense tables all of this.
 * Paper: Ke et al., LightGBM, 2017 (exclusive feature bundling; here without conflicts).
 */
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "learn/tree.h"

#define LOOK_ROWS 4096
#define PIECE_ROWS 4096			/* whole words of bits */
#define MOST_BITS ((size_t) 1 << 25)	/* of all sparse columns */
#define MOST_TRIES 64			/* bundles that are looked at for a column */
#define CODES 256
#define SPARSE 2				/* a sparse column is at its usual bin in at least one of that many rows */

typedef struct Sparse
{
	int			number;			/* among the sparse columns as they come */
	int			column;
	int			usual;
	const uint8_t *bytes;		/* one each stride */
	size_t		stride;
	uint64_t   *bits;			/* [words] of the rows looked at that are off the usual bin */
	size_t		unusual;		/* how many these are */
} Sparse;

/*
 * Columns of a bundle, as places among the sparse ones in the order in which they came; the first has all their bits.
 */
typedef struct Bundle
{
	int			first;
	int			last;
	int			count;
	int			codes;
	size_t		unusual;
} Bundle;

typedef struct Bundling
{
	MlContext  *ctx;
	MlBins	   *bins;
	Sparse	   *sparse;
	int			count;
	int		   *next;			/* [count] the next column of the bundle, -1 = none */
	size_t		rows;			/* that are bits */
	bool	   *seen;			/* [threads][count][256] bins that rows have, by number */
	bool	   *meets;			/* [threads][count] columns that meet another one, by number */
	Bundle	   *bundle;			/* [nbundles] */
	int			nbundles;
	MlBins		plain;			/* as the bins were before */
	uint8_t    *code_of;		/* [columns][256]: of bundles, by bin */
} Bundling;

/* ---- sparse columns ---- */

/* The i-th of n rows at equal distances; numbers of rows are below 2^32. */
static inline size_t
row_at(size_t i, size_t n, size_t rows)
{
	return i * rows / n;
}

/* Note the columns that are mostly at one bin, by a look at some rows. */
static void
find_sparse(Bundling *b)
{
	const MlBins *bins = b->bins;
	size_t		n = bins->rows < LOOK_ROWS ? bins->rows : LOOK_ROWS;
	uint32_t	counts[CODES];

	for (int j = 0; j < bins->columns; j++)
	{
		int			track = bins->track_of[j];
		const uint8_t *bytes = ml_bins_bytes(bins, track);
		size_t		stride = (size_t) bins->group[bins->group_of[track]].count;
		int			usual = 0;

		if (track >= bins->narrow)
			continue;
		memset(counts, 0, sizeof counts);
		for (size_t i = 0; i < n; i++)
			counts[bytes[row_at(i, n, bins->rows) * stride]]++;
		for (int bin = 1; bin <= bins->column[j].nbins; bin++)
			usual = counts[bin] > counts[usual] ? bin : usual;
		if (counts[usual] * (size_t) SPARSE >= n)
		{
			b->sparse[b->count] = (Sparse) {b->count, j, usual, bytes, stride, NULL, 0};
			b->count++;
		}
	}
}

/* The bits of some rows, and which bins they have. */
static void
bits_piece(void *arg, size_t begin, size_t end, int worker)
{
	Bundling   *b = arg;
	bool	   *seen = b->seen + (size_t) worker * (size_t) b->count * CODES;

	for (int c = 0; c < b->count; c++, seen += CODES)
	{
		const Sparse *s = &b->sparse[c];

		for (size_t from = begin; from < end; from += 64)
		{
			size_t		n = end - from < 64 ? end - from : 64;
			uint64_t	word = 0;

			for (size_t i = 0; i < n; i++)
			{
				uint8_t		bin = s->bytes[row_at(from + i, b->rows, b->bins->rows) * s->stride];

				seen[bin] = true;
				word |= (uint64_t) (bin != s->usual) << i;
			}
			s->bits[from / 64] = word;
		}
	}
}

/* Gather in the first thread's marks what all threads have marked. */
static void
merge_marks(const Bundling *b, bool *marks, size_t n)
{
	for (size_t worker = 1; worker < (size_t) ml_thread_count(b->ctx); worker++)
		for (size_t i = 0; i < n; i++)
			marks[i] |= marks[worker * n + i];
}

/* The codes that a sparse column takes. */
static int
codes_of(const Bundling *b, int c)
{
	int			codes = 0;

	for (int bin = 0; bin < CODES; bin++)
		codes += bin != b->sparse[c].usual && b->seen[(size_t) b->sparse[c].number * CODES + (size_t) bin];
	return codes;
}

static int
by_unusual(const void *pa, const void *pb)
{
	const Sparse *a = pa;
	const Sparse *b = pb;

	if (a->unusual != b->unusual)
		return a->unusual > b->unusual ? -1 : 1;
	return a->column - b->column;
}

/* ---- bundles ---- */

static bool
share_rows(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t w = 0; w < words; w++)
		if (a[w] & b[w])
			return true;
	return false;
}

/* Put a sparse column into the first bundle that has room, else into one of its own. */
static void
put_column(Bundling *b, int c, size_t words)
{
	Sparse	   *s = &b->sparse[c];
	int			codes = codes_of(b, c);
	int			tries = 0;

	for (int i = 0; i < b->nbundles && tries < MOST_TRIES; i++)
	{
		Bundle	   *bundle = &b->bundle[i];
		uint64_t   *bits = b->sparse[bundle->first].bits;

		if (bundle->codes + codes > CODES || bundle->unusual + s->unusual > b->rows)
			continue;
		tries++;
		if (share_rows(bits, s->bits, words))
			continue;
		for (size_t w = 0; w < words; w++)
			bits[w] |= s->bits[w];
		b->next[bundle->last] = c;
		bundle->last = c;
		bundle->count++;
		bundle->codes += codes;
		bundle->unusual += s->unusual;
		return;
	}
	b->bundle[b->nbundles++] = (Bundle) {c, c, 1, 1 + codes, s->unusual};
}

/* Find bundles by the rows that are bits. */
static void
find_bundles(Bundling *b)
{
	MlContext  *ctx = b->ctx;
	size_t		count = (size_t) b->count;
	size_t		most = MOST_BITS / count / PIECE_ROWS * PIECE_ROWS;
	size_t		words;
	uint64_t   *bits;

	b->rows = b->bins->rows <= most ? b->bins->rows : most > 0 ? most : PIECE_ROWS;
	words = (b->rows + 63) / 64;
	bits = ml_alloc_array(ctx, count * words + 1, sizeof(uint64_t));
	for (size_t c = 0; c < count; c++)
		b->sparse[c].bits = bits + c * words;
	ml_parallel_for(ctx, b->rows, PIECE_ROWS, bits_piece, b);
	merge_marks(b, b->seen, count * CODES);
	for (size_t c = 0; c < count; c++)
		for (size_t w = 0; w < words; w++)
			b->sparse[c].unusual += (size_t) __builtin_popcountll(b->sparse[c].bits[w]);
	qsort(b->sparse, count, sizeof(Sparse), by_unusual);
	memset(b->next, 0xff, count * sizeof(int));
	for (int c = 0; c < b->count; c++)
	{
		put_column(b, c, words);
		ml_check(ctx);
	}
	ml_free(ctx, bits);
}

/* Mark columns that in some row are off their usual bin together with one before them in their bundle. */
static void
meet_piece(void *arg, size_t begin, size_t end, int worker)
{
	Bundling   *b = arg;
	size_t		marks = (size_t) worker * (size_t) b->count;

	for (int i = 0; i < b->nbundles; i++)
	{
		bool		taken[PIECE_ROWS] = {false};

		for (int c = b->bundle[i].first; c >= 0 && b->bundle[i].count > 1; c = b->next[c])
		{
			const Sparse *s = &b->sparse[c];
			bool	   *seen = b->seen + (marks + (size_t) s->number) * CODES;
			bool		meets = false;

			for (size_t row = begin; row < end; row++)
			{
				uint8_t		bin = s->bytes[row * s->stride];
				bool		unusual = bin != s->usual;

				seen[bin] = true;
				meets |= unusual & taken[row - begin];
				taken[row - begin] |= unusual;
			}
			b->meets[marks + (size_t) s->number] |= meets;
		}
	}
}

/* Let those leave a bundle that may not stay. */
static void
keep_exclusive(Bundling *b, Bundle *bundle)
{
	int			last = bundle->first;
	int			c = b->next[last];

	bundle->count = 1;
	bundle->codes = 1 + codes_of(b, last);
	while (c >= 0)
	{
		int			next = b->next[c];
		int			codes = codes_of(b, c);

		if (!b->meets[b->sparse[c].number] && bundle->codes + codes <= CODES)
		{
			b->next[last] = c;
			last = c;
			bundle->count++;
			bundle->codes += codes;
		}
		c = next;
	}
	b->next[last] = -1;
	bundle->last = last;
}

/* Look at all rows. */
static void
check_bundles(Bundling *b)
{
	ml_parallel_for(b->ctx, b->bins->rows, PIECE_ROWS, meet_piece, b);
	merge_marks(b, b->seen, (size_t) b->count * CODES);
	merge_marks(b, b->meets, (size_t) b->count);
	for (int i = 0; i < b->nbundles; i++)
		if (b->bundle[i].count > 1)
			keep_exclusive(b, &b->bundle[i]);
}

/* ---- tracks ---- */

/*
 * Lay tracks: a bundle where the first of its columns to have come would be, all others as they were, broad ones last.
 */
static void
lay_tracks(Bundling *b)
{
	MlBins	   *bins = b->bins;
	size_t		p = (size_t) bins->columns;
	int		   *bundle_of = ml_alloc_array(b->ctx, p + 1, sizeof(int));
	int			members = 0;

	for (size_t j = 0; j < p; j++)
		bundle_of[j] = -1;
	for (int i = 0; i < b->nbundles; i++)
		for (int c = b->bundle[i].first; c >= 0 && b->bundle[i].count > 1; c = b->next[c])
			bundle_of[b->sparse[c].column] = i;
	for (int j = 0; j < bins->columns; j++)
	{
		const Bundle *bundle = bundle_of[j] >= 0 ? &b->bundle[bundle_of[j]] : NULL;
		MlBinTrack *track = &bins->track[bins->tracks];

		if (ml_bin_column_is_broad(&bins->column[j]) || (bundle != NULL && b->sparse[bundle->first].column != j))
			continue;
		*track = (MlBinTrack) {.first = members,.count = 1};
		bins->member[members++] = j;
		for (int c = bundle != NULL ? b->next[bundle->first] : -1; c >= 0; c = b->next[c])
			bins->member[members++] = b->sparse[c].column;
		if (bundle != NULL)
			*track = (MlBinTrack) {
				track->first, bundle->count, bundle->codes, ml_alloc_array_zero(b->ctx, CODES, sizeof(uint32_t))
			};
		for (int i = track->first; i < members; i++)
			bins->track_of[bins->member[i]] = bins->tracks;
		bins->tracks++;
	}
	ml_bins_add_broad(bins);
	ml_free(b->ctx, bundle_of);
}

/* Give the bins of the bundles' columns codes. */
static void
give_codes(Bundling *b)
{
	MlBins	   *bins = b->bins;

	for (int c = 0; c < b->count; c++)
		bins->usual[b->sparse[c].column] = (uint8_t) b->sparse[c].usual;
	for (int i = 0; i < b->nbundles; i++)
	{
		int			code = 1;

		for (int c = b->bundle[i].first; c >= 0 && b->bundle[i].count > 1; c = b->next[c])
		{
			const Sparse *s = &b->sparse[c];
			const bool *seen = b->seen + (size_t) s->number * CODES;

			for (int bin = 0; bin < CODES; bin++)
				if (seen[bin] && bin != s->usual)
				{
					bins->track[bins->track_of[s->column]].place[code] =
						(uint32_t) (bins->offset[s->column] + (size_t) bin);
					b->code_of[(size_t) s->column * CODES + (size_t) bin] = (uint8_t) code++;
				}
		}
	}
}

/* Write the tracks' bytes of some rows. */
static void
write_piece(void *arg, size_t begin, size_t end, int worker)
{
	Bundling   *b = arg;
	const MlBins *bins = b->bins;
	uint8_t		bytes[PIECE_ROWS];
	size_t		n = end - begin;

	(void) worker;
	for (int k = bins->narrow; k < bins->tracks; k++)
	{
		int			plain = b->plain.track_of[bins->member[bins->track[k].first]];

		memcpy(ml_bins_bytes(bins, k) + 2 * begin, ml_bins_bytes(&b->plain, plain) + 2 * begin, 2 * n);
	}
	for (int k = 0; k < bins->narrow; k++)
	{
		const MlBinTrack *track = &bins->track[k];
		const MlBinGroup *to = &bins->group[bins->group_of[k]];

		memset(bytes, 0, n);
		for (int i = track->first; i < track->first + track->count; i++)
		{
			int			j = bins->member[i];
			int			plain = b->plain.track_of[j];
			size_t		stride = (size_t) b->plain.group[b->plain.group_of[plain]].count;
			const uint8_t *from = ml_bins_bytes(&b->plain, plain) + begin * stride;
			const uint8_t *code_of = b->code_of + (size_t) j * CODES;

			/* of the columns of a bundle all but one say 0 */
			for (size_t row = 0; row < n; row++)
				bytes[row] |= track->codes > 0 ? code_of[from[row * stride]] : from[row * stride];
		}
		for (size_t row = 0; row < n; row++)
			to->bytes[(begin + row) * (size_t) to->count + (size_t) (k - to->first)] = bytes[row];
		if (bins->by_track != NULL)
			memcpy(bins->by_track + (size_t) k * bins->rows + begin, bytes, n);
	}
}

/* Put the bytes of tracks in the place of those of columns. */
static void
write_tracks(Bundling *b)
{
	MlContext  *ctx = b->ctx;
	MlBins	   *bins = b->bins;
	size_t		p = (size_t) bins->columns;

	b->plain = *bins;
	b->code_of = ml_alloc_array_zero(ctx, p, CODES);
	bins->tracks = 0;
	bins->track = ml_alloc_array_zero(ctx, p + 1, sizeof(MlBinTrack));
	bins->member = ml_alloc_array(ctx, p + 1, sizeof(int));
	bins->track_of = ml_alloc_array(ctx, p + 1, sizeof(int));
	bins->usual = ml_alloc_array_zero(ctx, p + 1, sizeof(uint8_t));
	bins->by_track = NULL;
	lay_tracks(b);
	ml_free(ctx, b->plain.by_track);
	ml_bins_make_room(ctx, bins, bins->rows);
	ml_bins_make_by_track(ctx, bins);
	give_codes(b);
	ml_parallel_for(ctx, bins->rows, PIECE_ROWS, write_piece, b);
	for (int g = 0; g < b->plain.ngroups && !bins->borrowed; g++)
		ml_free(ctx, b->plain.group[g].bytes);
	bins->borrowed = false;
	ml_free(ctx, b->code_of);
}

/* ---- the whole ---- */

/* The bytes of a row that bundles save. */
static int
saved(const Bundling *b)
{
	int			saved = 0;

	for (int i = 0; i < b->nbundles; i++)
		saved += b->bundle[i].count - 1;
	return saved;
}

/* Do bundles save enough? */
static inline bool
worthwhile(const Bundling *b, int bytes)
{
	return 4 * bytes >= b->bins->columns;
}

void
ml_bins_bundle(MlContext *ctx, MlBins *bins)
{
	Bundling	b = {.ctx = ctx,.bins = bins};
	size_t		threads = (size_t) ml_thread_count(ctx);

	if (bins->rows == 0 || bins->columns < 2)
		return;
	b.sparse = ml_alloc_array(ctx, (size_t) bins->columns, sizeof(Sparse));
	find_sparse(&b);
	if (worthwhile(&b, b.count - 1))
	{
		size_t		count = (size_t) b.count;

		b.next = ml_alloc_array(ctx, count, sizeof(int));
		b.bundle = ml_alloc_array(ctx, count, sizeof(Bundle));
		b.seen = ml_alloc_array_zero(ctx, threads * count, CODES);
		b.meets = ml_alloc_array_zero(ctx, threads * count, sizeof(bool));
		find_bundles(&b);
		if (worthwhile(&b, saved(&b)) && b.rows < bins->rows)
			check_bundles(&b);
		if (worthwhile(&b, saved(&b)))
			write_tracks(&b);
		ml_free(ctx, b.next);
		ml_free(ctx, b.bundle);
		ml_free(ctx, b.seen);
		ml_free(ctx, b.meets);
	}
	ml_free(ctx, b.sparse);
}
