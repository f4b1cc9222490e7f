/*
 * Rows of features straight from the text of a JSON value, without building the value first.
 */
#ifndef MLAAS_JSON_SCAN_H
#define MLAAS_JSON_SCAN_H

#include "postgres.h"

#include "model/model.h"

typedef struct JsonScan
{
	const MlModel *model;
	const char *p;				/* what is not read yet, ended by a NUL */
	size_t	   *lengths;		/* [nfeatures] of the names */
	bool	   *seen;			/* [nfeatures] in this object */
	const char *member;			/* the member whose text is wanted; NULL = none */
	const char *text;			/* that text in this object; NULL where there is none */
	size_t		length;
} JsonScan;

/* Set up to read text; member may be NULL. */
extern void json_scan_init(JsonScan *scan, const MlModel *model, const char *text, const char *member);

/*
 * Read a character that is none of a value, after white space; false when there is another one,
 * which is left.
 */
extern bool json_scan_char(JsonScan *scan, char wanted);

/* Read the word null; false when there is another value. */
extern bool json_scan_null(JsonScan *scan);

/*
 * Read one object into the slots of a row; false for whatever is out of the ordinary: a missing feature, a value of
 * another type, an escape in a string, text that is no JSON.  Then the general way is to take it.
 */
extern bool json_scan_row(JsonScan *scan, double *raw, size_t stride);

#endif
