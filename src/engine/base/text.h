/*
 * Texts as terms: how a text becomes words or n-grams, and the column that keeps of each row of a training which terms
 * its text has, and how often.
 *
 * Units are what n-grams are made of: the words that the host found in a text, or its characters, which the host can
 * tell apart in whatever encoding.  A term is a run of units as bytes, words joined by a blank.
 *
 * A column (columns.h) of kind TEXT costs 16 bytes a row, 4 bytes for each term of a row that it has once and 8 for one
 * that it has more often, and a dictionary of all terms seen; where terms are hashed, there is no dictionary.
 */
#ifndef ML_TEXT_H
#define ML_TEXT_H

#include "base/columns.h"

/* Stored, never reused. */
typedef enum MlTextTokens
{
	ML_TEXT_WORDS = 1,
	ML_TEXT_CHARACTERS = 2,		/* runs of white space are one blank */
	ML_TEXT_CHARACTERS_IN_WORDS = 3 /* of each word between two blanks, whatever is before and behind it */
} MlTextTokens;

typedef enum MlTextWeight
{
	ML_TEXT_TFIDF = 1,
	ML_TEXT_COUNT = 2,
	ML_TEXT_BINARY = 3
} MlTextWeight;

typedef enum MlTextNorm
{
	ML_TEXT_L2 = 1,
	ML_TEXT_L1 = 2,
	ML_TEXT_UNSCALED = 3
} MlTextNorm;

#define ML_TEXT_MAX_TERMS 65536
#define ML_TEXT_MAX_GRAM 10

/* How texts become terms, and which and what of them is kept. */
typedef struct MlTextOptions
{
	MlTextTokens tokens;
	MlTextWeight weight;
	MlTextNorm	norm;
	bool		sublinear;		/* 1 + ln(count) for the count */
	bool		lowercase;		/* of characters */
	const char *config;			/* the host's name of what finds words; NULL = not said, or characters */
	int			min_gram;
	int			max_gram;
	int			max_features;	/* terms kept, those of most documents */
	int			buckets;		/* terms are known by their hashes modulo this; 0 = by a vocabulary */
	double		min_documents;	/* below 1 a share of the documents, else their number */
	double		max_documents;	/* the same, where 1 is a share */
} MlTextOptions;

/* A text in units, [start, end) each in bytes; n-grams are bytes from the start of one to the end of another. */
typedef struct MlTextUnits
{
	const char *bytes;
	size_t		count;
	const size_t *start;
	const size_t *end;
} MlTextUnits;

/* Takes a term; bytes are valid until it returns. */
typedef void (*MlTextTerm) (void *arg, const char *bytes, size_t length);

/* Hand on all terms of units. */
extern void ml_text_grams(const MlTextOptions *options, const MlTextUnits *units, MlTextTerm term, void *arg);

/* The bytes of the character at p, of which there are left; at least 1, at most left. */
typedef size_t (*MlTextCharacter) (const char *p, size_t left);

/* In UTF-8, where what is none is a character by the byte. */
extern size_t ml_text_utf8(const char *p, size_t left);

/*
 * Hand on all n-grams of characters of a text.  Room has length + 3 bytes, and bounds as many places.
 */
extern void ml_text_characters(const MlTextOptions *options, const char *bytes, size_t length,
							   MlTextCharacter character, char *room, size_t *bounds, MlTextTerm term, void *arg);

/* The bucket of a term. */
static inline uint32_t
ml_text_bucket(int buckets, const char *bytes, size_t length)
{
	return (uint32_t) (ml_hash_bytes(bytes, length, 0) % (uint64_t) buckets);
}

/* ---- the column ---- */

/* Give a new column of kind TEXT what it needs; the options stay the caller's. */
extern void ml_column_set_text(MlContext *ctx, MlColumn *column, const MlTextOptions *options);

extern const MlTextOptions *ml_column_text_options(const MlColumn *column);

/* Append a row: begin with the whole text, which tells rows apart, then its terms in any order, then end. */
extern void ml_column_begin_text(MlContext *ctx, MlColumn *column, const char *bytes, size_t length);
extern void ml_column_add_term(MlContext *ctx, MlColumn *column, const char *bytes, size_t length);
extern void ml_column_end_text(MlContext *ctx, MlColumn *column);

/* The terms that there are, kept or not: codes are below that. */
extern size_t ml_column_terms(const MlColumn *column);

extern bool ml_column_text_is_null(const MlColumn *column, size_t row);

/* The terms of a row, each once: at from row's begin, until it is the row's end. */
extern size_t ml_column_text_begin(const MlColumn *column, size_t row);
extern size_t ml_column_text_next(const MlColumn *column, size_t at, uint32_t *code, uint32_t *count);

/* ---- for columns.c ---- */

extern void ml_texts_add_null(MlContext *ctx, MlColumn *column);
extern void ml_texts_finish(MlContext *ctx, MlColumn *column);
extern uint64_t ml_texts_hash(const MlColumn *column, size_t row);	/* as that of a category of the same bytes */

#endif
