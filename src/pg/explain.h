/*
 * What the calls of explanations share: rows of a source as a model's raw slots, and a model set up to be explained.
 */
#ifndef MLAAS_EXPLAIN_H
#define MLAAS_EXPLAIN_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"

#include "explain/explain.h"
#include "explain/options.h"
#include "pg/features.h"
#include "pg/source.h"

/* What stands for the feature in the row of the base value. */
#define BASE_VALUE "(base value)"

/* ---- rows of a source (explain_source.c) ---- */

/* The features of a source's rows. */
typedef struct RawReader
{
	const MlModel *model;
	int			nfeatures;
	FeatureInput *inputs;		/* [nfeatures], of the slot's first columns */
} RawReader;

/* Set up for a source: columns[0 .. nfeatures) become the numbers of the columns to read for the features. */
extern void raw_reader_init(RawReader *reader, const MlModel *model, const Source *source, int *columns);

/* Read the features of a row into raw slots. */
extern void raw_reader_read(RawReader *reader, const TupleTableSlot *slot, double *raw, size_t stride);

/* The key of a source's rows, as text. */
typedef struct KeyReader
{
	int			column;			/* of the slot; -1 = the row's number as it was read */
	FmgrInfo	output;
	uint64		rows;			/* read */
} KeyReader;

/*
 * Set up for a key column (NULL: the row's number, from 1) that is read as column number place of the slot; returns how
 * many columns it adds to the scan, whose number in the source goes to *column.
 */
extern int	key_reader_init(KeyReader *reader, const Source *source, const char *name, int place, int *column);

/* The key of a row, in this memory; NULL where the column is. */
extern text *key_reader_read(KeyReader *reader, const TupleTableSlot *slot, MemoryContext memory);

/* A sample of at most most rows of a source; all of them where most is SIZE_MAX. */
extern MlRawRows *explain_read_rows(MlContext *ctx, const MlModel *model, const char *source, size_t most, uint64 seed);

/* ---- names and values (explain_source.c) ---- */

/* The names of all slots as text datums: the feature's, with the element of a vector from 1. */
extern Datum *slot_names(const MlModel *model);

/* The slot of a name; an error that names the nearest. */
extern int	slot_find(const MlModel *model, const char *name);

/* A slot's number as its feature's type shows it: true, 2020-01-31, 1.5; NULL for NaN. */
extern char *slot_number_text(const MlFeature *feature, double number);

/* ---- a model set up to be explained (explain.c) ---- */

typedef struct Explanation
{
	MlContext  *ctx;
	const MlModel *model;
	MlExplainOptions options;
	MlExplainer *explainer;
	MlExplained *what;
	int			count;			/* of what */
	Datum	   *classes;		/* [count] text, 0 = NULL */
	Datum	   *names;			/* [slots] */
} Explanation;

/* Read options and a background, in a new child of memory. */
extern Explanation *explanation_create(MemoryContext memory, const MlModel *model, const char *options,
									   MlExplainUse use);

/* The options of a call as JSON text; NULL is none. */
extern char *explain_options_text(FunctionCallInfo fcinfo, int argument);

/* The class that option "class" names, -1 = none is named; an error for one that the model does not have. */
extern int	explain_class(const MlModel *model, const MlExplainOptions *options);

/* A number of a result; an error unless it is finite. */
extern Datum explain_number(double number);

/* Add a row to the result of a set-returning function; a value of 0 whose column is text is NULL. */
extern void explain_emit(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* ---- all rows of a source (explain_batch.c) ---- */

/* Take n rows of contributions: those of row i are at [(c * slots + s) * ML_BLOCK_ROWS + i]; keys may be NULL. */
typedef void (*ExplainedRows) (Explanation *explanation, const double *contributions, text *const *keys, size_t n,
							   void *arg);

/* Explain every row of a source, in blocks on all threads; returns the rows. */
extern uint64 explain_source(Explanation *explanation, const char *source, bool keyed, const char *key,
							 ExplainedRows take, void *arg);

#endif
