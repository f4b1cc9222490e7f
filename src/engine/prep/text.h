/*
 * Texts as numbers: the terms that are kept of a column of texts, and what each of them weighs in a text.
 *
 * Problem: n documents, texts that are not NULL, of which df(t) have the term t; c(t) is how often a text has it.
 *     count    c                      binary   1 where there is one
 *     tfidf    c * idf(t), idf(t) = 1 + ln((1 + n) / (1 + df(t)))
 * with 1 + ln(c) for c where that is asked for, and each text's numbers divided by their length (L2) or sum (L1).  A
 * text with none of the terms has zeros only.  Kept are the terms that neither too few nor too many documents have, of
 * these the ones of most documents (of as many, the one first by its bytes), in the order of their bytes; or buckets,
 * which terms fall into by their hashes, whatever terms there are.
 * Source: Sparck Jones, "A statistical interpretation of term specificity and its application in retrieval", 1972;
 * smoothed and scaled as scikit-learn's TfidfVectorizer does it.
 *
 * A text of a row and one of a training get the same bits: terms are added up in the order in which they are kept.
 */
#ifndef ML_PREP_TEXT_H
#define ML_PREP_TEXT_H

#include "base/document.h"
#include "base/text.h"

/* The terms of one feature, fitted; read only. */
typedef struct MlTextFit
{
	MlTextOptions options;
	const char *name;			/* what columns are called by; that of the feature unless another was given */
	double		documents;		/* of the training: texts, and those that are NULL */
	double		nulls;
	int			width;			/* numbers a text becomes */
	MlDictionary *terms;		/* code = element; NULL = hashed */
	const double *idf;			/* [width], NULL = not by frequency */
	const char **names;			/* [width] of the numbers: "tfidf(notes: word)" */
} MlTextFit;

/* Choose the terms by n rows of a column. */
extern MlTextFit *ml_text_fit(MlContext *ctx, const MlColumn *column, const uint32_t *rows, size_t n, const char *name);

/* The element that a term counts for, -1 = none. */
extern int32_t ml_text_element(const MlTextFit *text, const char *bytes, size_t length);

/* Numbers of one text that has counts[width] of the elements: element e goes to out[e * stride]. */
extern void ml_text_weigh(const MlTextFit *text, const double *counts, double *out, size_t stride);

/* Do two make the same numbers of any text? */
extern bool ml_text_same(const MlTextFit *a, const MlTextFit *b);

/* A text's object in a list <-> the text; reading checks everything and raises ML_ERROR_CORRUPTED. */
extern void ml_text_write(MlWriter *w, const MlTextFit *text);
extern MlTextFit *ml_text_read(MlContext *ctx, const MlNode *object);

/* What readers are told of it (ml_describe), into an open object. */
extern void ml_text_describe(MlWriter *w, const MlTextFit *text);

/* ---- the rows of a table ---- */

/* The numbers of all rows of a column, those that are not zero by element. */
typedef struct MlTextRows
{
	size_t	   *start;			/* [width + 1] */
	uint32_t   *row;			/* ascending for each element */
	double	   *value;
	uint32_t   *null;			/* rows that are NULL */
	size_t		nulls;
} MlTextRows;

extern MlTextRows *ml_text_rows(MlContext *ctx, const MlTextFit *text, const MlColumn *column);
extern void ml_text_rows_free(MlContext *ctx, MlTextRows *rows);

/* Values of rows (row numbers, ascending, n > 0 of them) of one element; NULL is NaN. */
extern void ml_text_rows_read(const MlTextRows *text, int element, const uint32_t *rows, size_t n, double *out);

#endif
