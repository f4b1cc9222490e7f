/*
 * A source: a table, a view or one SELECT, read under the caller's rights and
 * row-level security, without materialising its rows.
 *
 * The text is never pasted into another statement: it becomes a parse tree, and the
 * column list around it is another tree.
 */
#ifndef MLAAS_SOURCE_H
#define MLAAS_SOURCE_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "nodes/parsenodes.h"

#include "base/columns.h"
#include "base/text.h"
#include "model/binned.h"

/* The name under which a target list around the source knows it. */
#define SOURCE_ALIAS "source"

typedef struct SourceColumn
{
	char	   *name;
	Oid			type;
	int32		typmod;
	char	   *type_name;		/* format_type */
} SourceColumn;

typedef struct Source
{
	char	   *text;			/* as given */
	RangeVar   *relation;		/* a table or view; NULL when it is a query */
	SelectStmt *select;			/* the query; NULL when it is a table or view */
	int			ncolumns;
	SourceColumn *columns;
} Source;

/*
 * Parse and analyse.  Errors: no such relation, not one SELECT, a statement that writes.
 */
extern Source *source_open(const char *text);

/* The same for callers that may name a table or view, but not write SQL (REST). */
extern Source *source_open_relation(const char *text);

/* The column of that name; -1 when there is none. */
extern int	source_find(const Source *source, const char *name);

/* The same, or an error that names the nearest; role is what for ("target column", "feature"). */
extern int	source_need(const Source *source, const char *name, const char *role);

/* Error unless the column can be told from the others by its name. */
extern void source_check_unique(const Source *source, int column, const char *role);

/*
 * Called for every row, values in the order of the columns asked for.  The slot's values are
 * valid until it returns; the current memory context is reset after each row.
 */
typedef void (*SourceRow) (TupleTableSlot *slot, void *arg);

/* Run the source for these columns (numbers from source_find). Returns the rows read. */
extern uint64 source_scan(Source *source, const int *columns, int ncolumns, SourceRow row, void *arg);

/*
 * Run SELECT targets FROM the source; targets is a list of ResTarget, raw as the grammar makes
 * them, which name the source's columns by source_column_ref.  Parallel plans are allowed.
 */
extern uint64 source_run(Source *source, List *targets, SourceRow row, void *arg);

/* The raw reference to a column of the source. */
extern Node *source_column_ref(const Source *source, int column);

/*
 * Will the source give the same rows if it is read again under the same snapshot, in whatever order? Only what is
 * certain to: no volatile function, no foreign table, nothing that depends on the order of rows.
 */
extern bool source_is_repeatable(Source *source, const int *columns, int ncolumns);

/* The relations that the source reads, by their OIDs: those that it names, and those behind views. */
extern List *source_relations(Source *source);

/* The name of a temporary relation among those; NULL when there is none. */
extern char *source_temporary(Source *source);

/*
 * A table of the engine without rows for columns of the source (source_table.c).  texts: how columns are read that are
 * texts, NULL for others; NULL = none is.
 */
extern MlTable *source_table(MlContext *ctx, const Source *source, const int *columns, int ncolumns,
							 const MlTextOptions *const *texts);

/* Read those columns into that table; a stream (NULL = none) takes the rows as they come. */
extern void source_load(MlContext *ctx, Source *source, const int *columns, MlTable *table, MlStream *stream);

/* The same without a stream, handing each row to a function too, with further columns after those of the table. */
extern void source_load_with(MlContext *ctx, Source *source, const int *columns, int ncolumns, MlTable *table,
							 SourceRow row, void *arg);

/*
 * The relations and columns that a scan of columns reads, as JSON: [{"schema": .., "relation": .., "columns": [..]},
 * ...] (source_dependencies.c).  Temporary relations are left out.
 */
extern char *source_dependencies(Source *source, const int *columns, int ncolumns);

/* The query of a scan of columns as analysed, before views are put in. */
extern Query *source_query(Source *source, const int *columns, int ncolumns);

#endif
