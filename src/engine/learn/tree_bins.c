/*
 * Binning: prepared columns -> one byte a value, two of a broad category.
 *
 * Numbers: edges from a sample that comes with the rows, else from all rows, or where there are more, from a
 *     seeded sample of at least 2,000 and at most 200,000 rows (fewer the more columns there are: 4 million
 *     values in all), one row from each of as many equal stretches of the table.  Up to max_bins distinct values
 *     have a bin each; more are joined, in order, into bins of about equal weight, a value heavier than that
 *     alone.  An edge lies halfway between the values on its sides.
 * Categories: a bin a level, whatever max_bins; of more than max_levels the heaviest have one, the others count as
 *     missing.
 * Missing values have the last bin.
 *
 * Rows are laid out in groups of columns, the bytes of one row of a group side by side: a leaf's rows lie
 * scattered, and a visit to one then costs one line of the cache and not one a column.  What looks at one
 * column alone, as a partition does, is served by the same bytes column by column, while they are few.  A broad column
 * is a group of its own, so that no other column's rows are longer for it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/simd.h"
#include "base/threads.h"
#include "learn/tree.h"

#define SAMPLE_ROWS 200000
#define SAMPLE_VALUES 4000000
#define BLOCKS_A_PIECE 16
#define DIGEST_ROWS 4096		/* that the order of columns is made from */
#define BY_TRACK_BYTES ((size_t) 64 << 20) /* of bytes that are there twice, at most */
#define FEW_TRACKS 32
#define ALIGNED_BINS 8			/* a column's bins in a histogram begin at a multiple of that */

/* A value in the order of unsigned numbers, and its weight. */
typedef struct Keyed
{
	uint64_t	key;
	double		weight;
} Keyed;

typedef struct Binning
{
	const MlDesign *design;
	MlBins	   *bins;
	int			max_bins;
	int			max_levels;
	size_t	   *kept_before;	/* [blocks]: rows of positive weight before the block */
	MlBinSample sample;
	size_t	   *sample_row;		/* [sample.rows], ascending, in the design; NULL when the sample came with it */
	double	   *sampled;		/* the sample's values while they are read */
	double	   *scratch;		/* [threads][columns * ML_BLOCK_ROWS] */
	Keyed	   *keyed;			/* [threads][2 * sample.rows] */
	double	  **level_weights;	/* [columns] of categories */
} Binning;

/* Does the row count? */
static inline bool
has_weight(const MlDesign *design, size_t row)
{
	return design->weight == NULL || design->weight[row] > 0;
}

/* ---- the sample ---- */

size_t
ml_bins_sample_rows(size_t columns)
{
	size_t		rows = SAMPLE_VALUES / (columns + 1);

	return rows > SAMPLE_ROWS ? SAMPLE_ROWS : rows < ML_TREE_SAMPLE_LEAST ? ML_TREE_SAMPLE_LEAST : rows;
}

/* The rows that edges are taken from. */
static void
choose_sample(MlContext *ctx, Binning *b, uint64_t seed)
{
	size_t		n = b->bins->rows;
	size_t		limit = ml_bins_sample_rows((size_t) b->design->columns);
	size_t		seen = 0;
	size_t		next = 0;
	MlRandom	random;

	b->sample.rows = n < limit ? n : limit;
	b->sample_row = ml_alloc_array(ctx, b->sample.rows + 1, sizeof(size_t));
	ml_random_seed(&random, seed);
	for (size_t i = 0; i < b->sample.rows; i++)
	{
		size_t		begin = (size_t) ((unsigned __int128) i * n / b->sample.rows);
		size_t		end = (size_t) ((unsigned __int128) (i + 1) * n / b->sample.rows);

		b->sample_row[i] = begin + (end - begin > 1 ? ml_random_below(&random, end - begin) : 0);
	}
	/* from numbers among the rows kept to numbers in the design */
	for (size_t row = 0; row < b->design->rows && next < b->sample.rows; row++)
		if (has_weight(b->design, row) && seen++ == b->sample_row[next])
			b->sample_row[next++] = row;
}

/* The first sampled row that is not before a row. */
static size_t
sample_from(const Binning *b, size_t row)
{
	size_t		low = 0;
	size_t		high = b->sample.rows;

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (b->sample_row[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Read the sampled rows of some blocks. */
static void
sample_piece(void *arg, size_t begin, size_t end, int worker)
{
	Binning    *b = arg;
	size_t		p = (size_t) b->design->columns;
	double	   *x = b->scratch + (size_t) worker * (p * ML_BLOCK_ROWS + 1);

	for (size_t block = begin; block < end; block++)
	{
		size_t		row = block * ML_BLOCK_ROWS;
		size_t		n = b->design->rows - row < ML_BLOCK_ROWS ? b->design->rows - row : ML_BLOCK_ROWS;
		size_t		from = sample_from(b, row);
		size_t		to = sample_from(b, row + n);

		if (from == to)
			continue;
		b->design->read(b->design, row, n, x, n);
		for (size_t j = 0; j < p; j++)
			for (size_t i = from; i < to; i++)
				b->sampled[j * b->sample.rows + i] = x[j * n + (b->sample_row[i] - row)];
	}
}

/* Choose a sample of the design's rows and read it. */
static void
read_sample(MlContext *ctx, Binning *b, uint64_t seed, size_t blocks)
{
	double	   *weights = NULL;

	choose_sample(ctx, b, seed);
	b->sampled = ml_alloc_array(ctx, (size_t) b->design->columns * b->sample.rows + 1, sizeof(double));
	ml_parallel_for(ctx, blocks, BLOCKS_A_PIECE, sample_piece, b);
	if (b->design->weight != NULL)
		weights = ml_alloc_array(ctx, b->sample.rows + 1, sizeof(double));
	for (size_t i = 0; i < b->sample.rows && weights != NULL; i++)
		weights[i] = b->design->weight[b->sample_row[i]];
	b->sample.values = b->sampled;
	b->sample.weights = weights;
}

/* ---- edges ---- */

/* A number that sorts as the double does. */
static inline uint64_t
key_of(double value)
{
	uint64_t	bits;

	value += 0.0;				/* no negative zero */
	memcpy(&bits, &value, sizeof bits);
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static inline double
value_of(uint64_t key)
{
	uint64_t	bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
	double		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Sort by key, stable (radix 256 from the lowest byte); returns where the result is. */
static Keyed *
sort_keyed(Keyed *from, Keyed *to, size_t n)
{
	size_t		counts[8][256] = {0};

	for (size_t i = 0; i < n; i++)
		for (int digit = 0; digit < 8; digit++)
			counts[digit][from[i].key >> 8 * digit & 255]++;
	for (int digit = 0; digit < 8 && n > 0; digit++)
	{
		size_t	   *places = counts[digit];
		size_t		place = 0;
		Keyed	   *swap;

		/* all the same there */
		if (places[from[0].key >> 8 * digit & 255] == n)
			continue;
		for (int value = 0; value < 256; value++)
		{
			size_t		count = places[value];

			places[value] = place;
			place += count;
		}
		for (size_t i = 0; i < n; i++)
			to[places[from[i].key >> 8 * digit & 255]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}

/* A number from low on and below high. */
static double
halfway(double low, double high)
{
	double		middle = low / 2 + high / 2;

	return middle >= low && middle < high ? middle : low;
}

/* The edges between n distinct values in order, by their weights. */
static int
place_edges(const Keyed *values, size_t n, int max_bins, double *edges)
{
	double		rest = 0;
	double		weight = 0;
	int			count = 0;

	for (size_t i = 0; i < n; i++)
		rest += values[i].weight;
	for (size_t i = 0; i + 1 < n && count < max_bins - 1; i++)
	{
		double		share = rest / (max_bins - count);

		weight += values[i].weight;
		/* full, or what follows has no room beside this, or every value has a bin */
		if (n > (size_t) max_bins && weight < share && !(values[i + 1].weight >= share))
			continue;
		edges[count++] = halfway(value_of(values[i].key), value_of(values[i + 1].key));
		rest -= weight;
		weight = 0;
	}
	return count;
}

/* Bins of a number from its sample. */
static void
bin_number(Binning *b, int j, Keyed *from, Keyed *to)
{
	const double *sample = b->sample.values + (size_t) j * b->sample.rows;
	MlBinColumn *column = &b->bins->column[j];
	size_t		n = 0;
	size_t		distinct = 0;

	for (size_t i = 0; i < b->sample.rows; i++)
		if (sample[i] == sample[i])
			from[n++] = (Keyed) {
			key_of(sample[i]), b->sample.weights ? b->sample.weights[i] : 1.0
		};
	from = sort_keyed(from, to, n);
	for (size_t i = 0; i < n; i++)
		if (distinct > 0 && from[i].key == from[distinct - 1].key)
			from[distinct - 1].weight += from[i].weight;
		else
			from[distinct++] = from[i];
	column->nbins = place_edges(from, distinct, b->max_bins, column->edges) + 1;
}

/* Bins of a category from the weights of its levels. */
static void
bin_category(Binning *b, int j)
{
	MlBinColumn *column = &b->bins->column[j];
	double	   *weights = b->level_weights[j];
	const double *sample = b->sample.values + (size_t) j * b->sample.rows;

	for (size_t i = 0; i < b->sample.rows; i++)
		if (sample[i] == sample[i])
			weights[(int) sample[i]] += b->sample.weights ? b->sample.weights[i] : 1.0;
	column->nbins = column->levels < b->max_levels ? column->levels : b->max_levels;
	for (int level = 0; level < column->levels; level++)
		column->level_bins[level] = (uint16_t) (column->levels > b->max_levels ? column->nbins : level);
	for (int bin = 0; bin < column->nbins && column->levels > b->max_levels; bin++)
	{
		int			heaviest = -1;

		for (int level = 0; level < column->levels; level++)
			if (column->level_bins[level] == column->nbins && (heaviest < 0 || weights[level] > weights[heaviest]))
				heaviest = level;
		column->level_bins[heaviest] = (uint16_t) bin;
	}
}

static void
bin_piece(void *arg, size_t begin, size_t end, int worker)
{
	Binning    *b = arg;
	Keyed	   *keyed = b->keyed + (size_t) worker * (2 * b->sample.rows + 1);

	for (size_t j = begin; j < end; j++)
		if (b->bins->column[j].levels > 0)
			bin_category(b, (int) j);
		else
			bin_number(b, (int) j, keyed, keyed + b->sample.rows);
}

/* Make the bins of all columns from the sample. */
static void
make_columns(MlContext *ctx, Binning *b, const int *levels)
{
	MlBins	   *bins = b->bins;
	size_t		p = (size_t) bins->columns;

	bins->max_bins = b->max_bins;
	bins->max_levels = b->max_levels;
	bins->column = ml_alloc_array_zero(ctx, p + 1, sizeof(MlBinColumn));
	b->keyed = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * (2 * b->sample.rows + 1), sizeof(Keyed));
	b->level_weights = ml_alloc_array_zero(ctx, p + 1, sizeof(double *));
	for (size_t j = 0; j < p; j++)
	{
		MlBinColumn *column = &bins->column[j];

		column->levels = levels != NULL ? levels[j] : 0;
		if (column->levels > 0)
		{
			column->level_bins = ml_alloc_array(ctx, (size_t) column->levels, sizeof(uint16_t));
			b->level_weights[j] = ml_alloc_array_zero(ctx, (size_t) column->levels, sizeof(double));
		}
		else
			column->edges = ml_alloc_array_zero(ctx, (size_t) b->max_bins + 1, sizeof(double));
	}
	ml_parallel_for(ctx, p, 1, bin_piece, b);
	for (size_t j = 0; j < p; j++)
		ml_free(ctx, b->level_weights[j]);
	ml_free(ctx, b->level_weights);
	ml_free(ctx, b->keyed);
}

MlBins *
ml_bins_from_sample(MlContext *ctx, int columns, const int *levels, const MlBinSample *sample, int max_bins,
					int max_levels)
{
	MlBins	   *bins = ml_alloc_zero(ctx, sizeof *bins);
	Binning		b = {.bins = bins,.max_bins = max_bins,.max_levels = max_levels,.sample = *sample};

	bins->columns = columns;
	make_columns(ctx, &b, levels);
	return bins;
}

/* ---- bytes ---- */

/* The bins of n numbers: how many edges are below each. */
static ML_MULTIVERSION void
find_bins(const double *x, size_t n, const double *edges, int nbins, int32_t *out)
{
	int			step = 128;

	for (size_t i = 0; i < n; i++)
		out[i] = 0;
	while (step >= nbins && step > 1)
		step /= 2;
	for (; step > 0; step /= 2)
		for (size_t i = 0; i < n; i++)
		{
			int			next = out[i] + step;
			int			at = next < nbins ? next : nbins - 1;

			/* edges is padded by one, so that a single bin reads something */
			out[i] = next < nbins && edges[at - 1 + (at == 0)] < x[i] ? next : out[i];
		}
	for (size_t i = 0; i < n; i++)
		out[i] = x[i] == x[i] ? out[i] : nbins;
}

void
ml_bins_find(const MlBinColumn *column, const double *values, size_t n, int32_t *out)
{
	if (column->levels > 0)
		for (size_t i = 0; i < n; i++)
			out[i] = values[i] == values[i] ? column->level_bins[(int) values[i]] : column->nbins;
	else
		find_bins(values, n, column->edges, column->nbins, out);
}

/* Write the bins of n rows of a column, the first of which is that row of the design, where those that count go. */
static void
write_bins(const Binning *b, int column, size_t row, size_t n, const int32_t *bins, size_t to)
{
	const MlBins *out = b->bins;
	int			track = out->track_of[column];
	size_t		stride = (size_t) out->group[out->group_of[track]].count;
	uint8_t    *bytes = ml_bins_bytes(out, track) + to * stride;
	uint8_t    *by_track = out->by_track != NULL ? out->by_track + (size_t) track * out->rows + to : NULL;

	if (track >= out->narrow)
	{
		for (size_t i = 0; i < n; i++)
			if (has_weight(b->design, row + i))
			{
				bytes[0] = (uint8_t) bins[i];
				bytes[1] = (uint8_t) (bins[i] >> 8);
				bytes += stride;
			}
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (has_weight(b->design, row + i))
		{
			*bytes = (uint8_t) bins[i];
			bytes += stride;
		}
	for (size_t i = 0; i < n && by_track != NULL; i++)
		if (has_weight(b->design, row + i))
			*by_track++ = (uint8_t) bins[i];
}

/* Bin the rows of some blocks. */
static void
byte_piece(void *arg, size_t begin, size_t end, int worker)
{
	Binning    *b = arg;
	const MlDesign *design = b->design;
	size_t		p = (size_t) design->columns;
	double	   *x = b->scratch + (size_t) worker * (p * ML_BLOCK_ROWS + 1);
	int32_t		bins[ML_BLOCK_ROWS];

	for (size_t block = begin; block < end; block++)
	{
		size_t		row = block * ML_BLOCK_ROWS;
		size_t		n = design->rows - row < ML_BLOCK_ROWS ? design->rows - row : ML_BLOCK_ROWS;

		design->read(design, row, n, x, n);
		for (size_t j = 0; j < p; j++)
		{
			ml_bins_find(&b->bins->column[j], x + j * n, n, bins);
			write_bins(b, (int) j, row, n, bins, b->kept_before[block]);
		}
	}
}

void
ml_bins_add_broad(MlBins *bins)
{
	int			members = bins->columns;

	for (int j = 0; j < bins->columns; j++)
		members -= ml_bin_column_is_broad(&bins->column[j]);
	bins->narrow = bins->tracks;
	for (int j = 0; j < bins->columns; j++)
		if (ml_bin_column_is_broad(&bins->column[j]))
		{
			bins->track[bins->tracks] = (MlBinTrack) {.first = members,.count = 1};
			bins->track_of[j] = bins->tracks++;
			bins->member[members++] = j;
		}
}

/* A track for each column. */
static void
make_tracks(MlContext *ctx, MlBins *bins)
{
	size_t		p = (size_t) bins->columns;

	bins->tracks = 0;
	bins->track = ml_alloc_array_zero(ctx, p + 1, sizeof(MlBinTrack));
	bins->member = ml_alloc_array(ctx, p + 1, sizeof(int));
	bins->track_of = ml_alloc_array(ctx, p + 1, sizeof(int));
	for (int j = 0; j < bins->columns; j++)
		if (!ml_bin_column_is_broad(&bins->column[j]))
		{
			bins->track[bins->tracks] = (MlBinTrack) {.first = bins->tracks,.count = 1};
			bins->track_of[j] = bins->tracks;
			bins->member[bins->tracks++] = j;
		}
	ml_bins_add_broad(bins);
}

/* Lay out a histogram: the bins of columns in the order of their tracks. */
static void
place_bins(MlContext *ctx, MlBins *bins)
{
	bins->offset = ml_alloc_array(ctx, (size_t) bins->columns + 1, sizeof(size_t));
	bins->total = 0;
	bins->broadest = 256;
	for (int i = 0; i < bins->columns; i++)
	{
		int			j = bins->member[i];
		size_t		n = (size_t) bins->column[j].nbins + 1;

		bins->offset[j] = bins->total;
		bins->total += (n + ALIGNED_BINS - 1) / ALIGNED_BINS * ALIGNED_BINS;
		bins->broadest = n > bins->broadest ? n : bins->broadest;
	}
}

/* Some tracks of a group as a chunk. */
static MlBinChunk
make_chunk(const MlBins *bins, int group, int first, int count)
{
	const MlBinTrack *last = &bins->track[first + count - 1];
	int			member = bins->track[first].first;
	int			end = last->first + last->count;
	size_t		offset = bins->offset[bins->member[member]];
	int			j = bins->member[end - 1];

	return (MlBinChunk) {
		group, first, count, member, end - member, offset, bins->offset[j] + (size_t) bins->column[j].nbins + 1 - offset
	};
}

/* Make room for the bytes of some tracks side by side, and divide these into chunks. */
static void
make_group(MlContext *ctx, MlBins *bins, int first, int tracks, int bytes)
{
	MlBinGroup *group = &bins->group[bins->ngroups];
	int			chunks = (tracks + ML_TREE_CHUNK - 1) / ML_TREE_CHUNK;

	*group = (MlBinGroup) {first, tracks, bytes, ml_alloc_array(ctx, bins->rows + 1, (size_t) bytes)};
	for (int k = first; k < first + tracks; k++)
		bins->group_of[k] = bins->ngroups;
	for (int c = 0; c < chunks; c++)
	{
		int			begin = first + tracks * c / chunks;
		int			end = first + tracks * (c + 1) / chunks;

		bins->chunk[bins->nchunks++] = make_chunk(bins, bins->ngroups, begin, end - begin);
	}
	bins->ngroups++;
}

/*
 * Tracks of a byte are divided among groups, as few as their size allows, and groups into chunks; of few tracks each
 * chunk is a group, whose shorter rows cost less to come by.
 */
void
ml_bins_make_room(MlContext *ctx, MlBins *bins, size_t rows)
{
	int			most;
	int			groups;

	if (bins->track == NULL)
		make_tracks(ctx, bins);
	place_bins(ctx, bins);
	most = bins->narrow <= FEW_TRACKS ? ML_TREE_CHUNK : ML_TREE_GROUP;
	groups = (bins->narrow + most - 1) / most;
	bins->rows = rows;
	bins->nchunks = bins->ngroups = 0;
	bins->group = ml_alloc_array_zero(ctx, (size_t) bins->tracks + 1, sizeof(MlBinGroup));
	bins->chunk = ml_alloc_array_zero(ctx, (size_t) bins->tracks + 1, sizeof(MlBinChunk));
	bins->group_of = ml_alloc_array_zero(ctx, (size_t) bins->tracks + 1, sizeof(int));
	for (int g = 0; g < groups; g++)
	{
		int			first = (int) ((int64_t) bins->narrow * g / groups);
		int			end = (int) ((int64_t) bins->narrow * (g + 1) / groups);

		make_group(ctx, bins, first, end - first, end - first);
	}
	for (int k = bins->narrow; k < bins->tracks; k++)
		make_group(ctx, bins, k, 1, 2);
}

void
ml_bins_make_by_track(MlContext *ctx, MlBins *bins)
{
	if ((size_t) bins->narrow * bins->rows <= BY_TRACK_BYTES)
		bins->by_track = ml_alloc_array(ctx, bins->rows + 1, (size_t) bins->narrow);
}

void
ml_bins_mark_bytes(const MlBins *bins, int column, uint8_t *marks)
{
	const MlBinTrack *track = &bins->track[bins->track_of[column]];
	uint8_t		by_bin[256];

	if (track->codes == 0)
		return;
	memcpy(by_bin, marks, 256);
	memset(marks, by_bin[bins->usual[column]], 256);
	for (int code = 1; code < track->codes; code++)
	{
		size_t		place = track->place[code];

		if (place >= bins->offset[column] && place <= bins->offset[column] + (size_t) bins->column[column].nbins)
			marks[code] = by_bin[place - bins->offset[column]];
	}
}

/* What every block has before it, and the rows in all. */
static void
count_rows(MlContext *ctx, Binning *b, size_t blocks)
{
	b->kept_before = ml_alloc_array(ctx, blocks + 1, sizeof(size_t));
	for (size_t row = 0; row < b->design->rows; row++)
	{
		if (row % ML_BLOCK_ROWS == 0)
			b->kept_before[row / ML_BLOCK_ROWS] = b->bins->rows;
		b->bins->rows += has_weight(b->design, row);
	}
}

/* A column's content in a number. */
typedef struct Digest
{
	uint64_t	hash;
	int			column;
} Digest;

static int
by_hash(const void *pa, const void *pb)
{
	const Digest *a = pa;
	const Digest *b = pb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->column - b->column;
}

/* What the bins of a column are, in a number. */
static uint64_t
hash_bins(const MlBinColumn *column)
{
	uint64_t	hash = ml_mix64((uint64_t) column->nbins) ^ (uint64_t) column->levels;

	for (int b = 0; b + 1 < column->nbins && column->levels == 0; b++)
	{
		uint64_t	bits;

		memcpy(&bits, &column->edges[b], sizeof bits);
		hash = ml_mix64(hash ^ bits);
	}
	return hash;
}

/*
 * Put the columns in an order that depends neither on their places nor on how often a row comes: by what
 * their bins are together with the rows that they are in, of which the least hash counts.
 */
static void
order_columns(MlContext *ctx, MlBins *bins)
{
	size_t		p = (size_t) bins->columns;
	size_t		rows = bins->rows < DIGEST_ROWS ? bins->rows : DIGEST_ROWS;
	Digest	   *digests = ml_alloc_array(ctx, p + 1, sizeof(Digest));
	uint64_t   *hashes = ml_alloc_array(ctx, p + 1, sizeof(uint64_t));

	for (size_t j = 0; j < p; j++)
	{
		hashes[j] = hash_bins(&bins->column[j]);
		digests[j] = (Digest) {UINT64_MAX, (int) j};
	}
	for (size_t row = 0; row < rows; row++)
	{
		uint64_t	whole = 0;

		for (size_t j = 0; j < p; j++)
			whole += ml_mix64(hashes[j] + (uint64_t) ml_bins_get(bins, (int) j, row));
		for (size_t j = 0; j < p; j++)
		{
			uint64_t	hash = ml_mix64(whole ^ ml_mix64(hashes[j] + (uint64_t) ml_bins_get(bins, (int) j, row)));

			if (hash < digests[j].hash)
				digests[j].hash = hash;
		}
	}
	qsort(digests, p, sizeof(Digest), by_hash);
	bins->order = ml_alloc_array(ctx, p + 1, sizeof(int));
	for (size_t j = 0; j < p; j++)
		bins->order[j] = digests[j].column;
	ml_free(ctx, digests);
	ml_free(ctx, hashes);
}

/* Make bytes of the rows of the design. */
static void
make_bytes(MlContext *ctx, Binning *b)
{
	ml_bins_make_room(ctx, b->bins, b->bins->rows);
	ml_bins_make_by_track(ctx, b->bins);
	ml_parallel_for(ctx, (b->design->rows + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS, BLOCKS_A_PIECE, byte_piece, b);
	order_columns(ctx, b->bins);
}

/* ---- bytes that are there already ---- */

typedef struct CopyJob
{
	const MlBins *from;
	MlBins	   *to;
	const size_t *rows;			/* of to, in from; NULL = the same */
} CopyJob;

/* Copy some rows of the bytes, by groups where they are other rows, and by columns. */
static void
copy_piece(void *arg, size_t begin, size_t end, int worker)
{
	const CopyJob *job = arg;

	(void) worker;
	for (int g = 0; g < job->to->ngroups; g++)
	{
		const MlBinGroup *group = &job->to->group[g];
		size_t		count = (size_t) group->count;

		for (size_t i = begin; i < end && job->rows != NULL; i++)
			memcpy(group->bytes + i * count, job->from->group[g].bytes + job->rows[i] * count, count);
		for (size_t j = 0; j < count && job->to->by_track != NULL && group->first < job->to->narrow; j++)
		{
			uint8_t    *out = job->to->by_track + ((size_t) group->first + j) * job->to->rows;

			for (size_t i = begin; i < end; i++)
				out[i] = group->bytes[i * count + j];
		}
	}
}

/* Take over the bytes of the design's rows of positive weight: as they lie if these are all, else a copy. */
static MlBins *
take_bytes(MlContext *ctx, const MlDesign *design)
{
	MlBins	   *bins = ml_alloc(ctx, sizeof *bins);
	CopyJob		job = {.from = design->bins,.to = bins};
	size_t	   *rows = NULL;
	size_t		n = 0;

	*bins = *design->bins;
	bins->borrowed = true;
	for (size_t row = 0; row < design->rows; row++)
		n += has_weight(design, row);
	if (n < design->rows)
	{
		job.rows = rows = ml_alloc_array(ctx, n + 1, sizeof(size_t));
		n = 0;
		for (size_t row = 0; row < design->rows; row++)
			if (has_weight(design, row))
				rows[n++] = row;
		ml_bins_make_room(ctx, bins, n);
		bins->borrowed = false;
	}
	ml_bins_make_by_track(ctx, bins);
	ml_parallel_for(ctx, n, BLOCKS_A_PIECE * ML_BLOCK_ROWS, copy_piece, &job);
	ml_free(ctx, rows);
	order_columns(ctx, bins);
	return bins;
}

/* ---- the whole ---- */

MlBins *
ml_bins_create(MlContext *ctx, const MlDesign *design, int max_bins, int max_levels, uint64_t seed)
{
	MlBins	   *bins;
	Binning		b = {.design = design,.max_bins = max_bins,.max_levels = max_levels};
	size_t		threads = (size_t) ml_thread_count(ctx);
	size_t		blocks = (design->rows + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS;

	if (design->bins != NULL && design->bins->max_bins == max_bins && design->bins->max_levels == max_levels)
		return take_bytes(ctx, design);
	b.bins = bins = ml_alloc_zero(ctx, sizeof *bins);
	bins->columns = design->columns;
	count_rows(ctx, &b, blocks);
	b.scratch = ml_alloc_array(ctx, threads * ((size_t) design->columns * ML_BLOCK_ROWS + 1), sizeof(double));
	if (design->sample != NULL)
		b.sample = *design->sample;
	else
		read_sample(ctx, &b, seed, blocks);
	make_columns(ctx, &b, design->levels);
	if (design->sample == NULL)
		ml_free(ctx, (void *) b.sample.weights);
	ml_free(ctx, b.sampled);
	ml_free(ctx, b.sample_row);
	make_bytes(ctx, &b);
	ml_free(ctx, b.scratch);
	ml_free(ctx, b.kept_before);
	return bins;
}

MlBins *
ml_bins_like(MlContext *ctx, const MlBins *bins, const MlDesign *design)
{
	MlBins	   *like;
	Binning		b = {.design = design};
	size_t		p = (size_t) design->columns;
	size_t		threads = (size_t) ml_thread_count(ctx);

	if (design->bins != NULL && design->bins->column == bins->column)
		return take_bytes(ctx, design);
	b.bins = like = ml_alloc_zero(ctx, sizeof *like);
	like->columns = bins->columns;
	like->max_bins = bins->max_bins;
	like->max_levels = bins->max_levels;
	like->column = bins->column;
	count_rows(ctx, &b, (design->rows + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS);
	b.scratch = ml_alloc_array(ctx, threads * (p * ML_BLOCK_ROWS + 1), sizeof(double));
	make_bytes(ctx, &b);
	ml_free(ctx, b.scratch);
	ml_free(ctx, b.kept_before);
	return like;
}
