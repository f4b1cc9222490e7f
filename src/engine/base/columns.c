/*
 * Columns in chunks: the tail grows as doubles, a full chunk is sealed as floats when
 * none of its values loses a bit by it.
 */
#include "base/columns.h"

#include <math.h>

#include "base/simd.h"
#include "base/text.h"

#define FIRST_ROWS 64			/* a tail begins small and doubles up to ML_CHUNK_ROWS */
#define MAX_DISTINCT (1u << 20)
#define STRING_ROOM 8192		/* bytes of strings that are allocated at once */

/* ---- dictionary ---- */

MlDictionary *
ml_dictionary_create(MlContext *ctx)
{
	MlDictionary *d = ml_alloc_zero(ctx, sizeof *d);

	d->nslots = 64;
	d->slots = ml_alloc_array(ctx, d->nslots, sizeof *d->slots);
	memset(d->slots, 0xff, d->nslots * sizeof *d->slots);
	return d;
}

/* The slot where a string is, or where it would go. */
static uint32_t
dictionary_slot(const MlDictionary *d, const char *bytes, size_t length, uint64_t hash)
{
	uint32_t	slot = (uint32_t) hash & (d->nslots - 1);

	for (;; slot = (slot + 1) & (d->nslots - 1))
	{
		int32_t		code = d->slots[slot];

		if (code < 0 || (d->hashes[code] == hash && d->lengths[code] == length &&
						 memcmp(d->strings[code], bytes, length) == 0))
			return slot;
	}
}

/* Double the slots, or the arrays, when they are full. */
static void
dictionary_grow(MlContext *ctx, MlDictionary *d)
{
	if (d->count == d->capacity)
	{
		uint32_t	capacity = d->capacity ? d->capacity * 2 : 32;

		d->strings = ml_realloc(ctx, d->strings, capacity * sizeof *d->strings);
		d->lengths = ml_realloc(ctx, d->lengths, capacity * sizeof *d->lengths);
		d->hashes = ml_realloc(ctx, d->hashes, capacity * sizeof *d->hashes);
		d->capacity = capacity;
	}
	if (d->count * 2 >= d->nslots)
	{
		ml_free(ctx, d->slots);
		d->nslots *= 2;
		d->slots = ml_alloc_array(ctx, d->nslots, sizeof *d->slots);
		memset(d->slots, 0xff, d->nslots * sizeof *d->slots);
		for (uint32_t i = 0; i < d->count; i++)
			d->slots[dictionary_slot(d, d->strings[i], d->lengths[i], d->hashes[i])] = (int32_t) i;
	}
}

/* Copy a string, of which many are short, to where there is room. */
static char *
dictionary_copy(MlContext *ctx, MlDictionary *d, const char *bytes, size_t length)
{
	char	   *copy;

	if (length + 1 > d->room_left)
	{
		/* the first few strings of a small dictionary take no more than they need */
		size_t		room = d->count < 16 ? 64 : STRING_ROOM;

		if (length + 1 > room / 4)
			return ml_strndup(ctx, bytes, length);
		d->room = ml_alloc(ctx, room);
		d->room_left = room;
	}
	copy = d->room;
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	d->room += length + 1;
	d->room_left -= length + 1;
	return copy;
}

int32_t
ml_dictionary_add(MlContext *ctx, MlDictionary *d, const char *bytes, size_t length, uint32_t limit)
{
	uint64_t	hash = ml_hash_bytes(bytes, length, 0);
	int32_t		code = d->slots[dictionary_slot(d, bytes, length, hash)];

	if (code >= 0)
		return code;
	if (d->count >= limit)
		return -1;
	dictionary_grow(ctx, d);
	code = (int32_t) d->count;
	d->strings[code] = dictionary_copy(ctx, d, bytes, length);
	d->lengths[code] = (uint32_t) length;
	d->hashes[code] = hash;
	d->slots[dictionary_slot(d, bytes, length, hash)] = code;
	d->count++;
	return code;
}

int32_t
ml_dictionary_find(const MlDictionary *d, const char *bytes, size_t length)
{
	return d->slots[dictionary_slot(d, bytes, length, ml_hash_bytes(bytes, length, 0))];
}

/* ---- columns ---- */

MlColumn *
ml_column_create(MlContext *ctx, const char *name, MlKind kind)
{
	MlColumn   *column = ml_alloc_zero(ctx, sizeof *column);

	column->name = ml_strdup(ctx, name);
	column->kind = kind;
	column->width = kind == ML_KIND_VECTOR ? 0 : 1;
	if (kind == ML_KIND_CATEGORY)
		column->dictionary = ml_dictionary_create(ctx);
	return column;
}

/* Do all values of the tail survive float (NULL is NaN and does)? */
static bool
fits_float(const double *values, size_t n)
{
	size_t		lost = 0;

	/* groups, so that a chunk of doubles is given up after a few values */
	for (size_t begin = 0; begin < n && lost == 0; begin += 64)
	{
		size_t		end = n - begin > 64 ? begin + 64 : n;

		for (size_t i = begin; i < end; i++)
			lost += (double) (float) values[i] != values[i] && values[i] == values[i];
	}
	return lost == 0;
}

/* Turn the codes of the tail into a chunk, in as few bytes each as they need. */
static void
seal_codes(MlContext *ctx, MlColumn *column, MlChunk *chunk)
{
	const int32_t *codes = column->tail_codes;
	size_t		n = column->tail_rows;
	int32_t		largest = -1;

	for (size_t i = 0; i < n; i++)
		largest = codes[i] > largest ? codes[i] : largest;
	chunk->code_size = largest < UINT8_MAX ? 1 : largest < UINT16_MAX ? 2 : 4;
	if (chunk->code_size == 4)
		chunk->values = column->tail_codes;
	else
	{
		chunk->values = ml_alloc_array(ctx, n, chunk->code_size);
		for (size_t i = 0; i < n; i++)
			if (chunk->code_size == 1)
				((uint8_t *) chunk->values)[i] = (uint8_t) codes[i];
			else
				((uint16_t *) chunk->values)[i] = (uint16_t) codes[i];
		ml_free(ctx, column->tail_codes);
	}
	column->tail_codes = NULL;
}

/* Turn the full (or last) tail into a chunk. */
static void
seal_chunk(MlContext *ctx, MlColumn *column)
{
	MlChunk    *chunk;
	size_t		n = column->tail_rows * (size_t) column->width;

	if (column->nchunks == column->chunk_capacity)
	{
		column->chunk_capacity = column->chunk_capacity ? column->chunk_capacity * 2 : 16;
		column->chunks = ml_realloc(ctx, column->chunks, column->chunk_capacity * sizeof *column->chunks);
	}
	chunk = &column->chunks[column->nchunks++];
	chunk->is_float = false;
	if (column->kind == ML_KIND_CATEGORY)
		seal_codes(ctx, column, chunk);
	else if (fits_float(column->tail, n))
	{
		float	   *values = ml_alloc_array(ctx, n, sizeof(float));

		for (size_t i = 0; i < n; i++)
			values[i] = (float) column->tail[i];
		chunk->values = values;
		chunk->is_float = true;
		ml_free(ctx, column->tail);
		column->tail = NULL;
	}
	else
	{
		chunk->values = column->tail;
		column->tail = NULL;
	}
	column->tail_rows = 0;
	column->tail_capacity = 0;
}

void
ml_column_grow(MlContext *ctx, MlColumn *column)
{
	size_t		capacity;

	if (column->tail_rows == ML_CHUNK_ROWS)
		seal_chunk(ctx, column);
	capacity = column->tail_capacity ? column->tail_capacity * 2 :
		column->nchunks > 0 ? ML_CHUNK_ROWS : FIRST_ROWS;
	if (column->kind == ML_KIND_CATEGORY)
		column->tail_codes = ml_realloc(ctx, column->tail_codes, capacity * sizeof(int32_t));
	else
		column->tail = ml_realloc(ctx, column->tail, capacity * (size_t) column->width * sizeof(double));
	column->tail_capacity = capacity;
}

/* The rows before the first vector were NULL: give them their width of NaN. */
static void
set_width(MlContext *ctx, MlColumn *column, int width)
{
	size_t		nulls = column->rows;

	column->width = width;
	column->rows = 0;
	column->nulls = 0;
	for (size_t i = 0; i < nulls; i++)
		ml_column_add_null(ctx, column);
}

void
ml_column_add_null(MlContext *ctx, MlColumn *column)
{
	if (column->kind == ML_KIND_TEXT)
	{
		ml_texts_add_null(ctx, column);
		return;
	}
	column->nulls++;
	if (column->width == 0)		/* a vector of unknown width: counted until it is known */
	{
		column->rows++;
		return;
	}
	if (column->tail_rows == column->tail_capacity)
		ml_column_grow(ctx, column);
	if (column->kind == ML_KIND_CATEGORY)
		column->tail_codes[column->tail_rows] = -1;
	else
		for (int e = 0; e < column->width; e++)
			column->tail[column->tail_rows * (size_t) column->width + e] = NAN;
	column->tail_rows++;
	column->rows++;
}

/* The code of a string; raises when it would be one too many. */
static int32_t
need_code(MlContext *ctx, MlColumn *column, const char *bytes, size_t length)
{
	int32_t		code = ml_dictionary_add(ctx, column->dictionary, bytes, length, MAX_DISTINCT);

	if (code < 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "column \"%s\" has too many categories", column->name),
					  ml_format(ctx, "It has more than %u distinct values.", MAX_DISTINCT),
					  "Leave it out by naming the features, or group its values first.");
	return code;
}

/* The same, by way of the strings met lately. */
static int32_t
find_code(MlContext *ctx, MlColumn *column, const char *bytes, size_t length)
{
	MlRecentString *place = NULL;
	bool		found = false;
	int32_t		code;

	if (column->recent != NULL)
		place = ml_recent_seek(column->recent, bytes, length, &found);
	else if (column->rows >= ML_RECENT_FROM)
		column->recent = ml_alloc_zero(ctx, sizeof(MlRecent));
	if (found)
		return (int32_t) place->number;
	code = need_code(ctx, column, bytes, length);
	if (place != NULL)
		ml_recent_keep(place, bytes, length, code);
	return code;
}

void
ml_column_add_category(MlContext *ctx, MlColumn *column, const char *bytes, size_t length)
{
	int32_t		code = find_code(ctx, column, bytes, length);

	if (column->tail_rows == column->tail_capacity)
		ml_column_grow(ctx, column);
	column->tail_codes[column->tail_rows++] = code;
	column->rows++;
}

void
ml_column_add_vector(MlContext *ctx, MlColumn *column, const double *values, int width)
{
	double	   *out;

	if (column->width == 0 && width > 0)
		set_width(ctx, column, width);
	if (width == 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA, ml_format(ctx, "an array of column \"%s\" is empty", column->name),
					  ml_format(ctx, "Row %zu has no elements.", column->rows + 1),
					  "Every row's array must have the same number of elements, at least one.");
	if (width != column->width)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "arrays of column \"%s\" differ in length", column->name),
					  ml_format(ctx, "Row %zu has %d elements, rows before it have %d.",
								column->rows + 1, width, column->width),
					  "Every row's array must have the same number of elements, at least one.");
	if (column->tail_rows == column->tail_capacity)
		ml_column_grow(ctx, column);
	out = column->tail + column->tail_rows * (size_t) width;
	for (int e = 0; e < width; e++)
	{
		column->nonfinite += isinf(values[e]) != 0;
		out[e] = values[e];		/* a NULL element is NaN already */
	}
	column->tail_rows++;
	column->rows++;
}

void
ml_column_empty(MlContext *ctx, MlColumn *column)
{
	for (size_t i = 0; i < column->nchunks; i++)
		ml_free(ctx, column->chunks[i].values);
	column->nchunks = 0;
	column->tail_rows = 0;
}

void
ml_column_finish(MlContext *ctx, MlColumn *column)
{
	size_t		size;

	if (column->kind == ML_KIND_TEXT)
		ml_texts_finish(ctx, column);
	if (column->tail_rows == 0)
		return;
	/* the last chunk is kept no larger than it is */
	size = column->tail_rows *
		(column->kind == ML_KIND_CATEGORY ? sizeof(int32_t) : sizeof(double) * (size_t) column->width);
	if (column->kind == ML_KIND_CATEGORY)
		column->tail_codes = ml_realloc(ctx, column->tail_codes, size);
	else
		column->tail = ml_realloc(ctx, column->tail, size);
	seal_chunk(ctx, column);
}

/* ---- reading ---- */

/*
 * Values of one chunk at rows (NULL: from first on), for one element.  The common width of one has
 * loops of its own: a stride that is known lets them run in vectors.
 */
#define READ_LOOP(convert, stride) \
	do { \
		if (rows == NULL) \
			for (size_t i = 0; i < n; i++) \
				out[i] = convert(values[(first - base + i) * (stride)]); \
		else \
			for (size_t i = 0; i < n; i++) \
				out[i] = convert(values[(rows[i] - base) * (stride)]); \
	} while (0)

#define READ_AS(type, convert) \
	do { \
		const type *values = (const type *) chunk->values + element; \
		if (width == 1) \
			READ_LOOP(convert, 1); \
		else \
			READ_LOOP(convert, width); \
	} while (0)

#define CODE_VALUE(code) ((code) < 0 ? NAN : (double) (code))
#define CODE_VALUE_1(code) ((code) == UINT8_MAX ? NAN : (double) (code))
#define CODE_VALUE_2(code) ((code) == UINT16_MAX ? NAN : (double) (code))

ML_MULTIVERSION static void
read_chunk(const MlColumn *column, const MlChunk *chunk, int element, const uint32_t *rows,
		   size_t first, size_t n, double *restrict out)
{
	size_t		width = (size_t) column->width;
	size_t		base = first & ~(size_t) (ML_CHUNK_ROWS - 1);

	if (rows != NULL && rows[n - 1] - rows[0] == n - 1)
		rows = NULL;			/* no gap: a copy */
	if (column->kind == ML_KIND_CATEGORY && chunk->code_size == 1)
		READ_AS(uint8_t, CODE_VALUE_1);
	else if (column->kind == ML_KIND_CATEGORY && chunk->code_size == 2)
		READ_AS(uint16_t, CODE_VALUE_2);
	else if (column->kind == ML_KIND_CATEGORY)
		READ_AS(int32_t, CODE_VALUE);
	else if (chunk->is_float)
		READ_AS(float, (double));
	else
		READ_AS(double, (double));
}

/* The chunk of a number; what comes after those sealed is the tail. */
static MlChunk
chunk_at(const MlColumn *column, size_t number)
{
	if (number < column->nchunks)
		return column->chunks[number];
	return (MlChunk) {
		.values = column->kind == ML_KIND_CATEGORY ? (void *) column->tail_codes :
			column->tail,.code_size = sizeof(int32_t)
	};
}

void
ml_column_read(const MlColumn *column, int element, const uint32_t *rows, size_t begin, size_t n, double *out)
{
	MlChunk		chunk;

	if (column->width == 0)		/* vectors, all of them NULL */
	{
		for (size_t i = 0; i < n; i++)
			out[i] = NAN;
		return;
	}
	while (n > 0)
	{
		size_t		first = rows ? rows[0] : begin;
		size_t		end = (first / ML_CHUNK_ROWS + 1) * ML_CHUNK_ROWS;	/* of this chunk */
		size_t		take = 0;

		if (rows == NULL)
			take = end - first < n ? end - first : n;
		else if (rows[n - 1] < end)
			take = n;
		else
			while (take < n && rows[take] < end)
				take++;
		chunk = chunk_at(column, first / ML_CHUNK_ROWS);
		read_chunk(column, &chunk, element, rows, first, take, out);
		if (rows)
			rows += take;
		begin += take;
		out += take;
		n -= take;
	}
}

void
ml_column_hash(const MlColumn *column, uint64_t column_number, size_t begin, size_t n, uint64_t *hashes)
{
	double		values[256];

	if (column->kind == ML_KIND_TEXT)
	{
		for (size_t i = 0; i < n; i++)
			hashes[i] += ml_hash_cell(ml_texts_hash(column, begin + i), column_number);
		return;
	}
	for (size_t done = 0; done < n; done += 256)
	{
		size_t		m = n - done > 256 ? 256 : n - done;

		for (int e = 0; e < (column->width ? column->width : 1); e++)
		{
			/* elements of a vector are told apart like columns of their own */
			uint64_t	number = column_number + ((uint64_t) e << 32);

			ml_column_read(column, e, NULL, begin + done, m, values);
			if (column->kind == ML_KIND_CATEGORY)
				for (size_t i = 0; i < m; i++)
					hashes[done + i] += ml_hash_cell(values[i] == values[i] ?
													 column->dictionary->hashes[(size_t) values[i]] : ML_HASH_NULL,
													 number);
			else
				for (size_t i = 0; i < m; i++)
					hashes[done + i] += ml_hash_cell(ml_number_bits(values[i]), number);
		}
	}
}
