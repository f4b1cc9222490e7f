/*
 * A scan's rows -> columns of the engine.
 *
 * Numbers of a row go to a block of rows that is small enough for the processor's cache,
 * by runs of columns of the same type; a full block is appended column by column.
 * So the loop over a row's values has no call and no branch on the type, and the loop over a
 * column's values is one copy and one count.  Categories, vectors and texts are appended at once.
 */
#include "pg/source.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "pg/progress.h"
#include "pg/texts.h"
#include "pg/values.h"

#define BLOCK_ROWS 128
#define BLOCK_STRIDE (BLOCK_ROWS + 8)	/* no power of two: columns would share cache sets */

/* How a value gets from its Datum into the table. */
typedef enum LoadKind
{
	LOAD_FLOAT8,
	LOAD_FLOAT4,
	LOAD_INT8,
	LOAD_INT4,
	LOAD_INT2,
	LOAD_BOOL,
	LOAD_NUMBER,				/* any other number, through value_number */
	LOAD_CATEGORY,
	LOAD_VECTOR,
	LOAD_TEXT
} LoadKind;

/* Neighbouring columns that are loaded alike: first <= i < end. */
typedef struct LoadRun
{
	LoadKind	kind;
	int			first;
	int			end;
} LoadRun;

typedef struct Loader
{
	MlContext  *ctx;
	MlTable    *table;
	MlStream   *stream;			/* takes rows as they come, NULL = none */
	size_t		loaded;			/* rows in the table */
	size_t		next_take;		/* rows at which the stream takes them */
	SourceRow	row;			/* gets each row too; NULL = none */
	void	   *arg;
	ValueReader *readers;		/* [ncolumns] */
	Oid		   *configs;		/* [ncolumns] of texts: what finds their words */
	LoadRun    *runs;
	int			nruns;
	int			rows;			/* in the block */
	double	   *block;			/* [ncolumns * BLOCK_STRIDE]; NULL is NaN */
	uint32	   *nulls;			/* [ncolumns]: in the block */
} Loader;

/* How values of a reader's type are loaded into a column. */
static LoadKind
load_kind(const ValueReader *reader, const MlColumn *column)
{
	if (column->kind == ML_KIND_TEXT)
		return LOAD_TEXT;
	if (reader->kind == ML_KIND_CATEGORY)
		return LOAD_CATEGORY;
	if (reader->kind == ML_KIND_VECTOR)
		return LOAD_VECTOR;
	switch (reader->base)
	{
		case FLOAT8OID:
			return LOAD_FLOAT8;
		case FLOAT4OID:
			return LOAD_FLOAT4;
		case INT8OID:
			return LOAD_INT8;
		case INT4OID:
			return LOAD_INT4;
		case INT2OID:
			return LOAD_INT2;
		case BOOLOID:
			return LOAD_BOOL;
		default:
			return LOAD_NUMBER;
	}
}

/* Append n values of a block to a column; nulls of them are NULL. */
static void
append_numbers(MlContext *ctx, MlColumn *column, const double *values, size_t n, size_t nulls)
{
	size_t		nonfinite = 0;

	for (size_t i = 0; i < n; i++)
		nonfinite += !(values[i] - values[i] == 0.0);
	column->nonfinite += nonfinite - nulls;
	column->nulls += nulls;
	while (n > 0)
	{
		size_t		take;

		if (column->tail_rows == column->tail_capacity)
			ml_column_grow(ctx, column);
		take = Min(n, column->tail_capacity - column->tail_rows);
		memcpy(column->tail + column->tail_rows, values, take * sizeof(double));
		column->tail_rows += take;
		column->rows += take;
		values += take;
		n -= take;
	}
}

/* Append the block to its columns and begin a new one. */
static void
flush_block(Loader *loader)
{
	for (int r = 0; r < loader->nruns; r++)
	{
		const LoadRun *run = &loader->runs[r];

		if (run->kind == LOAD_CATEGORY || run->kind == LOAD_VECTOR || run->kind == LOAD_TEXT)
			continue;
		for (int i = run->first; i < run->end; i++)
		{
			append_numbers(loader->ctx, loader->table->columns[i], loader->block + (size_t) i * BLOCK_STRIDE,
						   (size_t) loader->rows, loader->nulls[i]);
			loader->nulls[i] = 0;
		}
	}
	loader->loaded += (size_t) loader->rows;
	loader->rows = 0;
	progress_rows(loader->ctx, loader->loaded);
	if (loader->stream != NULL && loader->loaded >= loader->next_take)
	{
		ml_stream_take(loader->stream, loader->loaded);
		loader->next_take = loader->loaded + ml_stream_batch(loader->stream);
	}
}

/* Append a row's categories. */
static void
load_categories(Loader *loader, const LoadRun *run, const Datum *values, const bool *isnull)
{
	for (int i = run->first; i < run->end; i++)
	{
		MlColumn   *column = loader->table->columns[i];
		const char *bytes;
		size_t		length;

		if (isnull[i])
		{
			ml_column_add_null(loader->ctx, column);
			continue;
		}
		bytes = value_category(&loader->readers[i], values[i], &length);
		ml_column_add_category(loader->ctx, column, bytes, length);
	}
}

/* Append a row's vectors. */
static void
load_vectors(Loader *loader, const LoadRun *run, const Datum *values, const bool *isnull)
{
	for (int i = run->first; i < run->end; i++)
	{
		MlColumn   *column = loader->table->columns[i];
		const double *elements;
		int			width;

		if (isnull[i])
		{
			ml_column_add_null(loader->ctx, column);
			continue;
		}
		elements = value_vector(&loader->readers[i], values[i], &width);
		ml_column_add_vector(loader->ctx, column, elements, width);
	}
}

/* A column that takes terms. */
typedef struct TermColumn
{
	MlContext  *ctx;
	MlColumn   *column;
} TermColumn;

/* Add a term of the text being appended. */
static void
add_term(void *arg, const char *bytes, size_t length)
{
	const TermColumn *to = arg;

	ml_column_add_term(to->ctx, to->column, bytes, length);
}

/* Append a row's texts. */
static void
load_texts(Loader *loader, const LoadRun *run, const Datum *values, const bool *isnull)
{
	for (int i = run->first; i < run->end; i++)
	{
		TermColumn	to = {loader->ctx, loader->table->columns[i]};
		const char *bytes;
		size_t		length;

		if (isnull[i])
		{
			ml_column_add_null(loader->ctx, to.column);
			continue;
		}
		bytes = value_category(&loader->readers[i], values[i], &length);
		ml_column_begin_text(loader->ctx, to.column, bytes, length);
		texts_each_term(ml_column_text_options(to.column), loader->configs[i], bytes, length, add_term, &to);
		ml_column_end_text(loader->ctx, to.column);
	}
}

/* Put a row's values of a run into the block. */
#define LOAD_RUN(convert) \
	for (int i = run->first; i < run->end; i++, out += BLOCK_STRIDE) \
	{ \
		if (unlikely(isnull[i])) \
		{ \
			loader->nulls[i]++; \
			*out = NAN; \
		} \
		else \
			*out = (convert); \
	} \
	break

/* Load one row. */
static void
load_row(TupleTableSlot *slot, void *arg)
{
	Loader	   *loader = arg;
	const Datum *values = slot->tts_values;
	const bool *isnull = slot->tts_isnull;

	for (int r = 0; r < loader->nruns; r++)
	{
		const LoadRun *run = &loader->runs[r];
		double	   *out = loader->block + (size_t) run->first * BLOCK_STRIDE + loader->rows;

		switch (run->kind)
		{
			case LOAD_FLOAT8:
				LOAD_RUN(DatumGetFloat8(values[i]));
			case LOAD_FLOAT4:
				LOAD_RUN((double) DatumGetFloat4(values[i]));
			case LOAD_INT8:
				LOAD_RUN((double) DatumGetInt64(values[i]));
			case LOAD_INT4:
				LOAD_RUN((double) DatumGetInt32(values[i]));
			case LOAD_INT2:
				LOAD_RUN((double) DatumGetInt16(values[i]));
			case LOAD_BOOL:
				LOAD_RUN(DatumGetBool(values[i]) ? 1.0 : 0.0);
			case LOAD_NUMBER:
				LOAD_RUN(value_number(&loader->readers[i], values[i]));
			case LOAD_CATEGORY:
				load_categories(loader, run, values, isnull);
				break;
			case LOAD_VECTOR:
				load_vectors(loader, run, values, isnull);
				break;
			case LOAD_TEXT:
				load_texts(loader, run, values, isnull);
				break;
		}
	}
	if (loader->row != NULL)
		loader->row(slot, loader->arg);
	if (++loader->rows == BLOCK_ROWS)
		flush_block(loader);
}

/* Set up a column: its reader, its place in a run. */
static void
loader_add_column(Loader *loader, const SourceColumn *source, int i)
{
	ValueReader *reader = &loader->readers[i];
	LoadKind	kind;

	if (!value_reader_init(reader, source->type, CurrentMemoryContext))
		elog(ERROR, "column \"%s\" has type %s, which cannot be loaded", source->name, source->type_name);
	reader->name = source->name;
	kind = load_kind(reader, loader->table->columns[i]);
	if (kind == LOAD_TEXT)
		loader->configs[i] = texts_config(ml_column_text_options(loader->table->columns[i]), source->name);
	if (loader->nruns == 0 || loader->runs[loader->nruns - 1].kind != kind)
		loader->runs[loader->nruns++] = (LoadRun) {.kind = kind,.first = i,.end = i};
	loader->runs[loader->nruns - 1].end++;
}

MlTable *
source_table(MlContext *ctx, const Source *source, const int *columns, int ncolumns, const MlTextOptions *const *texts)
{
	MlTable    *table = ml_alloc_zero(ctx, sizeof(MlTable));

	table->ncolumns = ncolumns;
	table->columns = ml_alloc_array_zero(ctx, (size_t) ncolumns, sizeof(MlColumn *));
	for (int i = 0; i < ncolumns; i++)
	{
		const SourceColumn *column = &source->columns[columns[i]];
		ValueReader reader;

		if (!value_reader_init(&reader, column->type, CurrentMemoryContext))
			elog(ERROR, "column \"%s\" has type %s, which cannot be loaded", column->name, column->type_name);
		if (texts != NULL && texts[i] != NULL)
		{
			table->columns[i] = ml_column_create(ctx, column->name, ML_KIND_TEXT);
			ml_column_set_text(ctx, table->columns[i], texts[i]);
		}
		else
			table->columns[i] = ml_column_create(ctx, column->name, reader.kind);
	}
	return table;
}

/* Load the first columns of a scan. */
static void
load(Loader *loader, Source *source, const int *columns, int nscanned)
{
	MlContext  *ctx = loader->ctx;
	MlTable    *table = loader->table;
	MlStream   *stream = loader->stream;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "mlaas loader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	int			ncolumns = table->ncolumns;

	loader->readers = palloc0(sizeof(ValueReader) * ncolumns);
	loader->configs = palloc0(sizeof(Oid) * ncolumns);
	loader->runs = palloc0(sizeof(LoadRun) * ncolumns);
	loader->nulls = palloc0(sizeof(uint32) * ncolumns);
	loader->block = palloc(sizeof(double) * ncolumns * BLOCK_STRIDE);
	for (int i = 0; i < ncolumns; i++)
		loader_add_column(loader, &source->columns[columns[i]], i);
	if (stream != NULL)
		loader->next_take = ml_stream_batch(stream);

	table->rows = source_scan(source, columns, nscanned, load_row, loader);
	flush_block(loader);
	if (stream != NULL)
		ml_stream_take(stream, table->rows);
	for (int i = 0; i < ncolumns; i++)
		ml_column_finish(ctx, table->columns[i]);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

void
source_load(MlContext *ctx, Source *source, const int *columns, MlTable *table, MlStream *stream)
{
	Loader		loader = {.ctx = ctx,.table = table,.stream = stream};

	load(&loader, source, columns, table->ncolumns);
}

void
source_load_with(MlContext *ctx, Source *source, const int *columns, int ncolumns, MlTable *table, SourceRow row,
				 void *arg)
{
	Loader		loader = {.ctx = ctx,.table = table,.row = row,.arg = arg};

	load(&loader, source, columns, ncolumns);
}
