/*
 * Binning: prepared columns -> one byte a value.
 *
 * Numbers: edges from all rows, or where there are more, from a seeded sample of at least 2,000 and at
 *     most 200,000 rows (fewer the more columns there are: 16 million values in all), one row from each of
 *     as many equal stretches of the table.  Up to max_bins distinct values have a bin each; more are
 *     joined, in order, into bins of about equal weight, a value heavier than that alone.  An edge lies
 *     halfway between the values on its sides.
 * Categories: a bin a level; of more than max_bins levels the heaviest have one, the others count as missing.
 * Missing values have the last bin.
 *
 * Rows are laid out in groups of columns, the bytes of one row of a group side by side: a leaf's rows lie
 * scattered, and a visit to one then costs one line of the cache and not one a column.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/simd.h"
#include "base/threads.h"
#include "learn/tree.h"

#define SAMPLE_ROWS 200000
#define SAMPLE_ROWS_LEAST 2000
#define SAMPLE_VALUES 16000000
#define BLOCKS_A_PIECE 16
#define DIGEST_ROWS 4096		/* that the order of columns is made from */

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
	size_t	   *kept_before;	/* [blocks]: rows of positive weight before the block */
	size_t		sampled;
	size_t	   *sample_row;		/* [sampled], ascending, in the design */
	double	   *sample;			/* [columns][sampled] */
	double	   *scratch;		/* [threads][columns * ML_BLOCK_ROWS] */
	Keyed	   *keyed;			/* [threads][2 * sampled] */
	double	  **level_weights;	/* [columns] of categories */
} Binning;

/* Does the row count? */
static inline bool
has_weight(const MlDesign *design, size_t row)
{
	return design->weight == NULL || design->weight[row] > 0;
}

/* ---- the sample ---- */

/* The rows that edges are taken from. */
static void
choose_sample(MlContext *ctx, Binning *b, uint64_t seed)
{
	size_t		n = b->bins->rows;
	size_t		limit = SAMPLE_VALUES / (size_t) (b->design->columns + 1);
	size_t		seen = 0;
	size_t		next = 0;
	MlRandom	random;

	limit = limit > SAMPLE_ROWS ? SAMPLE_ROWS : limit < SAMPLE_ROWS_LEAST ? SAMPLE_ROWS_LEAST : limit;
	b->sampled = n < limit ? n : limit;
	b->sample_row = ml_alloc_array(ctx, b->sampled + 1, sizeof(size_t));
	ml_random_seed(&random, seed);
	for (size_t i = 0; i < b->sampled; i++)
	{
		size_t		begin = (size_t) ((unsigned __int128) i * n / b->sampled);
		size_t		end = (size_t) ((unsigned __int128) (i + 1) * n / b->sampled);

		b->sample_row[i] = begin + (end - begin > 1 ? ml_random_below(&random, end - begin) : 0);
	}
	/* from numbers among the rows kept to numbers in the design */
	for (size_t row = 0; row < b->design->rows && next < b->sampled; row++)
		if (has_weight(b->design, row) && seen++ == b->sample_row[next])
			b->sample_row[next++] = row;
}

/* The first sampled row that is not before a row. */
static size_t
sample_from(const Binning *b, size_t row)
{
	size_t		low = 0;
	size_t		high = b->sampled;

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
				b->sample[j * b->sampled + i] = x[j * n + (b->sample_row[i] - row)];
	}
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
	for (int shift = 0; shift < 64; shift += 8)
	{
		size_t		counts[256] = {0};
		size_t		place = 0;
		Keyed	   *swap;

		for (size_t i = 0; i < n; i++)
			counts[from[i].key >> shift & 255]++;
		if (n == 0 || counts[from[0].key >> shift & 255] == n)
			continue;
		for (int digit = 0; digit < 256; digit++)
		{
			size_t		count = counts[digit];

			counts[digit] = place;
			place += count;
		}
		for (size_t i = 0; i < n; i++)
			to[counts[from[i].key >> shift & 255]++] = from[i];
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
	const double *sample = b->sample + (size_t) j * b->sampled;
	MlBinColumn *column = &b->bins->column[j];
	size_t		n = 0;
	size_t		distinct = 0;

	for (size_t i = 0; i < b->sampled; i++)
		if (sample[i] == sample[i])
			from[n++] = (Keyed) {
			key_of(sample[i]), b->design->weight ? b->design->weight[b->sample_row[i]] : 1.0
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
	const double *sample = b->sample + (size_t) j * b->sampled;

	for (size_t i = 0; i < b->sampled; i++)
		if (sample[i] == sample[i])
			weights[(int) sample[i]] += b->design->weight ? b->design->weight[b->sample_row[i]] : 1.0;
	column->nbins = column->levels < b->max_bins ? column->levels : b->max_bins;
	for (int level = 0; level < column->levels; level++)
		column->level_bins[level] = (uint8_t) (column->levels > b->max_bins ? column->nbins : level);
	for (int bin = 0; bin < column->nbins && column->levels > b->max_bins; bin++)
	{
		int			heaviest = -1;

		for (int level = 0; level < column->levels; level++)
			if (column->level_bins[level] == column->nbins && (heaviest < 0 || weights[level] > weights[heaviest]))
				heaviest = level;
		column->level_bins[heaviest] = (uint8_t) bin;
	}
}

static void
bin_piece(void *arg, size_t begin, size_t end, int worker)
{
	Binning    *b = arg;
	Keyed	   *keyed = b->keyed + (size_t) worker * (2 * b->sampled + 1);

	for (size_t j = begin; j < end; j++)
		if (b->bins->column[j].levels > 0)
			bin_category(b, (int) j);
		else
			bin_number(b, (int) j, keyed, keyed + b->sampled);
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
			const MlBinColumn *column = &b->bins->column[j];
			const MlBinGroup *group = &b->bins->group[b->bins->group_of[j]];
			size_t		stride = (size_t) group->count;
			uint8_t    *out = group->bytes + b->kept_before[block] * stride + (j - (size_t) group->first);
			const double *values = x + j * n;

			if (column->levels > 0)
				for (size_t i = 0; i < n; i++)
					bins[i] = values[i] == values[i] ? column->level_bins[(int) values[i]] : column->nbins;
			else
				find_bins(values, n, column->edges, column->nbins, bins);
			for (size_t i = 0; i < n; i++)
				if (has_weight(design, row + i))
				{
					*out = (uint8_t) bins[i];
					out += stride;
				}
		}
	}
}

/* Lay the groups out: as few as their size allows, but one a thread where columns suffice. */
static void
make_groups(MlContext *ctx, MlBins *bins)
{
	int			p = bins->columns;
	int			threads = ml_thread_count(ctx);
	int			least = p / 4 < threads ? p / 4 : threads;

	bins->ngroups = (p + ML_TREE_GROUP - 1) / ML_TREE_GROUP;
	if (bins->ngroups < least)
		bins->ngroups = least;
	bins->group = ml_alloc_array_zero(ctx, (size_t) bins->ngroups + 1, sizeof(MlBinGroup));
	bins->group_of = ml_alloc_array_zero(ctx, (size_t) p + 1, sizeof(int));
	for (int g = 0; g < bins->ngroups; g++)
	{
		MlBinGroup *group = &bins->group[g];

		group->first = (int) ((int64_t) p * g / bins->ngroups);
		group->count = (int) ((int64_t) p * (g + 1) / bins->ngroups) - group->first;
		group->bytes = ml_alloc_array(ctx, bins->rows + 1, (size_t) group->count);
		for (int j = group->first; j < group->first + group->count; j++)
			bins->group_of[j] = g;
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

MlBins *
ml_bins_create(MlContext *ctx, const MlDesign *design, int max_bins, uint64_t seed)
{
	MlBins	   *bins = ml_alloc_zero(ctx, sizeof *bins);
	Binning		b = {.design = design,.bins = bins,.max_bins = max_bins};
	size_t		p = (size_t) design->columns;
	size_t		threads = (size_t) ml_thread_count(ctx);
	size_t		blocks = (design->rows + ML_BLOCK_ROWS - 1) / ML_BLOCK_ROWS;

	bins->columns = design->columns;
	bins->column = ml_alloc_array_zero(ctx, p + 1, sizeof(MlBinColumn));
	count_rows(ctx, &b, blocks);
	choose_sample(ctx, &b, seed);
	b.sample = ml_alloc_array(ctx, p * b.sampled + 1, sizeof(double));
	b.scratch = ml_alloc_array(ctx, threads * (p * ML_BLOCK_ROWS + 1), sizeof(double));
	ml_parallel_for(ctx, blocks, BLOCKS_A_PIECE, sample_piece, &b);

	b.keyed = ml_alloc_array(ctx, threads * (2 * b.sampled + 1), sizeof(Keyed));
	b.level_weights = ml_alloc_array_zero(ctx, p + 1, sizeof(double *));
	for (size_t j = 0; j < p; j++)
	{
		MlBinColumn *column = &bins->column[j];

		column->levels = design->levels != NULL ? design->levels[j] : 0;
		if (column->levels > 0)
		{
			column->level_bins = ml_alloc(ctx, (size_t) column->levels);
			b.level_weights[j] = ml_alloc_array_zero(ctx, (size_t) column->levels, sizeof(double));
		}
		else
			column->edges = ml_alloc_array_zero(ctx, (size_t) max_bins + 1, sizeof(double));
	}
	ml_parallel_for(ctx, p, 1, bin_piece, &b);
	for (size_t j = 0; j < p; j++)
	{
		bins->column[j].offset = bins->total;
		bins->total += (size_t) bins->column[j].nbins + 1;
		if (b.level_weights[j] != NULL)
			ml_free(ctx, b.level_weights[j]);
	}
	ml_free(ctx, b.keyed);
	ml_free(ctx, b.sample);
	make_groups(ctx, bins);
	ml_parallel_for(ctx, blocks, BLOCKS_A_PIECE, byte_piece, &b);
	order_columns(ctx, bins);
	ml_free(ctx, b.scratch);
	ml_free(ctx, b.sample_row);
	ml_free(ctx, b.level_weights);
	ml_free(ctx, b.kept_before);
	return bins;
}
