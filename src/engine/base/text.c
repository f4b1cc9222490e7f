#include "base/text.h"

#include <string.h>

#define PAGE_BITS 18
#define PAGE_WORDS ((size_t) 1 << PAGE_BITS)	/* 1 MB of entries */
#define MORE UINT32_C(0x80000000)	/* the next word is how often */
#define NULL_ROW (UINT64_C(1) << 63)
#define MAX_CODES (UINT32_C(1) << 28)

/* One row: where its entries begin, and the hash of its text. */
typedef struct TextRow
{
	uint64_t	begin;			/* NULL_ROW is added where it is NULL */
	uint64_t	hash;
} TextRow;

typedef struct MlTexts
{
	const MlTextOptions *options;
	MlDictionary *dictionary;	/* NULL = hashed */
	uint32_t  **pages;			/* of entries, one after the other */
	size_t		npages;
	size_t		page_capacity;
	size_t		words;			/* in the pages */
	TextRow    *rows;
	size_t		row_capacity;

	/* the row being appended: its distinct terms, and for each code the place among them */
	uint32_t   *codes;
	uint32_t   *counts;
	size_t		distinct;
	size_t		code_capacity;
	uint32_t   *place;			/* [places] sound where codes[place] is the code */
	size_t		places;
} MlTexts;

/* ---- terms ---- */

void
ml_text_grams(const MlTextOptions *options, const MlTextUnits *units, MlTextTerm term, void *arg)
{
	for (size_t first = 0; first < units->count; first++)
		for (size_t n = (size_t) options->min_gram; n <= (size_t) options->max_gram && first + n <= units->count; n++)
			term(arg, units->bytes + units->start[first], units->end[first + n - 1] - units->start[first]);
}

size_t
ml_text_utf8(const char *p, size_t left)
{
	unsigned char c = (unsigned char) *p;
	size_t		length = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

	if (length > left)
		return 1;
	for (size_t i = 1; i < length; i++)
		if (((unsigned char) p[i] & 0xc0) != 0x80)
			return 1;
	return length;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Copy a text with each run of white space as one blank; returns its length. */
static size_t
join_blanks(const char *bytes, size_t length, char *out)
{
	size_t		n = 0;

	for (size_t i = 0; i < length; i++)
	{
		bool		blank = is_blank(bytes[i]);

		if (!blank || n == 0 || out[n - 1] != ' ')
			out[n++] = blank ? ' ' : bytes[i];
	}
	return n;
}

/* The bounds of the characters of a text, its length last; returns how many characters. */
static size_t
find_characters(const char *bytes, size_t length, MlTextCharacter character, size_t *bounds)
{
	size_t		n = 0;

	for (size_t at = 0; at < length; at += character(bytes + at, length - at))
		bounds[n++] = at;
	bounds[n] = length;
	return n;
}

/* N-grams of one word with a blank on either side; one that is shorter than n is a term of its own, once. */
static void
word_grams(const MlTextOptions *options, const char *bytes, const size_t *bounds, size_t count, MlTextTerm term,
		   void *arg)
{
	for (size_t n = (size_t) options->min_gram; n <= (size_t) options->max_gram; n++)
	{
		if (count <= n)
		{
			term(arg, bytes + bounds[0], bounds[count] - bounds[0]);
			return;
		}
		for (size_t first = 0; first + n <= count; first++)
			term(arg, bytes + bounds[first], bounds[first + n] - bounds[first]);
	}
}

void
ml_text_characters(const MlTextOptions *options, const char *bytes, size_t length, MlTextCharacter character,
				   char *room, size_t *bounds, MlTextTerm term, void *arg)
{
	bool		in_words = options->tokens == ML_TEXT_CHARACTERS_IN_WORDS;
	size_t		n = in_words;
	size_t		count;
	MlTextUnits units;

	room[0] = ' ';
	n += join_blanks(bytes, length, room + in_words);
	if (!in_words)
	{
		count = find_characters(room, n, character, bounds);
		units = (MlTextUnits) {.bytes = room,.count = count,.start = bounds,.end = bounds + 1};
		ml_text_grams(options, &units, term, arg);
		return;
	}
	room[n++] = ' ';
	/* words stand between blanks, which neighbours share; there may be one too many at either end */
	for (size_t begin = 0, end; begin + 1 < n; begin = end)
	{
		for (end = begin + 1; room[end] != ' '; end++)
			;
		if (end == begin + 1)
			continue;
		count = find_characters(room + begin, end + 1 - begin, character, bounds);
		word_grams(options, room + begin, bounds, count, term, arg);
	}
}

/* ---- the column ---- */

void
ml_column_set_text(MlContext *ctx, MlColumn *column, const MlTextOptions *options)
{
	column->texts = ml_alloc_zero(ctx, sizeof *column->texts);
	column->texts->options = options;
	column->width = options->buckets > 0 ? options->buckets : options->max_features;
	if (options->buckets == 0)
		column->texts->dictionary = column->dictionary = ml_dictionary_create(ctx);
}

const MlTextOptions *
ml_column_text_options(const MlColumn *column)
{
	return column->texts->options;
}

/* Append a word to the entries. */
static void
append_word(MlContext *ctx, MlTexts *t, uint32_t word)
{
	if (t->words >> PAGE_BITS == t->npages)
	{
		if (t->npages == t->page_capacity)
		{
			t->page_capacity = t->page_capacity ? t->page_capacity * 2 : 16;
			t->pages = ml_realloc(ctx, t->pages, t->page_capacity * sizeof *t->pages);
		}
		t->pages[t->npages++] = ml_alloc(ctx, PAGE_WORDS * sizeof(uint32_t));
	}
	t->pages[t->words >> PAGE_BITS][t->words & (PAGE_WORDS - 1)] = word;
	t->words++;
}

/* Append a row without entries; one more than there are tells where the last one ends. */
static void
append_row(MlContext *ctx, MlColumn *column, uint64_t hash, bool null)
{
	MlTexts    *t = column->texts;

	if (column->rows + 1 >= t->row_capacity)
	{
		t->row_capacity = t->row_capacity ? t->row_capacity * 2 : 256;
		t->rows = ml_realloc(ctx, t->rows, t->row_capacity * sizeof *t->rows);
	}
	t->rows[column->rows] = (TextRow) {.begin = t->words | (null ? NULL_ROW : 0),.hash = hash};
	t->rows[++column->rows] = (TextRow) {.begin = t->words};
}

void
ml_column_begin_text(MlContext *ctx, MlColumn *column, const char *bytes, size_t length)
{
	append_row(ctx, column, ml_hash_bytes(bytes, length, 0), false);
	column->texts->distinct = 0;
}

/* Make room for the places of more codes. */
static void
grow_places(MlContext *ctx, MlTexts *t, size_t code)
{
	size_t		places = t->places > 0 ? t->places : 1024;

	while (places <= code)
		places *= 2;
	t->place = ml_realloc(ctx, t->place, places * sizeof *t->place);
	memset(t->place + t->places, 0, (places - t->places) * sizeof *t->place);
	t->places = places;
}

void
ml_column_add_term(MlContext *ctx, MlColumn *column, const char *bytes, size_t length)
{
	MlTexts    *t = column->texts;
	uint32_t	code;
	size_t		place;

	if (t->dictionary == NULL)
		code = ml_text_bucket(t->options->buckets, bytes, length);
	else
		code = (uint32_t) ml_dictionary_add(ctx, t->dictionary, bytes, length, MAX_CODES);
	if (code >= MAX_CODES)
		ml_raise_full(ctx, ML_ERROR_MEMORY, ml_format(ctx, "column \"%s\" has too many different terms", column->name),
					  ml_format(ctx, "There are more than %u.", MAX_CODES),
					  "Hash them by \"buckets\", or make shorter n-grams.");
	if (code >= t->places)
		grow_places(ctx, t, code);
	place = t->place[code];
	if (place < t->distinct && t->codes[place] == code)
	{
		if (t->counts[place] < UINT32_MAX)
			t->counts[place]++;
		return;
	}
	if (t->distinct == t->code_capacity)
	{
		t->code_capacity = t->code_capacity ? t->code_capacity * 2 : 256;
		t->codes = ml_realloc(ctx, t->codes, t->code_capacity * sizeof *t->codes);
		t->counts = ml_realloc(ctx, t->counts, t->code_capacity * sizeof *t->counts);
	}
	t->place[code] = (uint32_t) t->distinct;
	t->codes[t->distinct] = code;
	t->counts[t->distinct++] = 1;
}

void
ml_column_end_text(MlContext *ctx, MlColumn *column)
{
	MlTexts    *t = column->texts;

	for (size_t i = 0; i < t->distinct; i++)
	{
		append_word(ctx, t, t->counts[i] > 1 ? t->codes[i] | MORE : t->codes[i]);
		if (t->counts[i] > 1)
			append_word(ctx, t, t->counts[i]);
	}
	t->rows[column->rows].begin = t->words;
}

void
ml_texts_add_null(MlContext *ctx, MlColumn *column)
{
	append_row(ctx, column, ML_HASH_NULL, true);
	column->nulls++;
}

void
ml_texts_finish(MlContext *ctx, MlColumn *column)
{
	MlTexts    *t = column->texts;

	ml_free(ctx, t->codes);
	ml_free(ctx, t->counts);
	ml_free(ctx, t->place);
	t->codes = t->counts = t->place = NULL;
	t->code_capacity = t->places = t->distinct = 0;
}

size_t
ml_column_terms(const MlColumn *column)
{
	const MlTexts *t = column->texts;

	return t->dictionary != NULL ? t->dictionary->count : (size_t) t->options->buckets;
}

bool
ml_column_text_is_null(const MlColumn *column, size_t row)
{
	return (column->texts->rows[row].begin & NULL_ROW) != 0;
}

size_t
ml_column_text_begin(const MlColumn *column, size_t row)
{
	return column->texts->rows[row].begin & ~NULL_ROW;
}

static inline uint32_t
word_at(const MlTexts *t, size_t at)
{
	return t->pages[at >> PAGE_BITS][at & (PAGE_WORDS - 1)];
}

size_t
ml_column_text_next(const MlColumn *column, size_t at, uint32_t *code, uint32_t *count)
{
	uint32_t	word = word_at(column->texts, at);

	*code = word & ~MORE;
	*count = (word & MORE) != 0 ? word_at(column->texts, at + 1) : 1;
	return at + ((word & MORE) != 0 ? 2 : 1);
}

uint64_t
ml_texts_hash(const MlColumn *column, size_t row)
{
	return column->texts->rows[row].hash;
}
