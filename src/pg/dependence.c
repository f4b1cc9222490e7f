/*
 * ml_partial_dependence and ml_ice: predictions of a source's rows as one feature goes from value to value, on average
 * and row by row.
 *
 * The raw rows are kept, within mlaas.max_memory.
 */
#include "postgres.h"

#include "pg/explain.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/threads.h"
#include "pg/host.h"
#include "pg/modelarg.h"

PG_FUNCTION_INFO_V1(ml_partial_dependence);
PG_FUNCTION_INFO_V1(ml_ice);

#define NULL_LEVEL "(null)"		/* as the preparation calls them */
#define OTHER_LEVEL "(other)"
#define MOST_POINTS 1000000		/* of a grid over two features */

/* The outputs of a model that are shown: a number, a class's probability. */
typedef struct Shown
{
	int			first;
	int			end;
	Datum	   *classes;		/* [outputs] text, 0 = NULL */
} Shown;

/* What is shown: the class asked for, else the number, the second of two classes, each of more. */
static Shown
find_shown(const MlModel *model, const MlExplainOptions *options)
{
	int			classes = model->signature->nclasses;
	int			class = explain_class(model, options);
	Shown		shown;

	shown.first = class >= 0 ? class : classes == 2 ? 1 : 0;
	shown.end = class >= 0 ? class + 1 : Max(classes, 1);
	shown.classes = palloc0(sizeof(Datum) * (Size) Max(classes, 1));
	for (int k = 0; k < classes; k++)
		shown.classes[k] = CStringGetTextDatum(model->signature->class_labels[k]);
	return shown;
}

/* A level of a category as text: a string that reads as the level of NULL or of others would is quoted. */
static char *
level_text(const MlModel *model, int feature, int level)
{
	const char *name = ml_prep_feature_level_name(model->prep, feature, level);
	size_t		quotes = strspn(name, "'");

	if (level < (int) ml_prep_feature_strings(model->prep, feature)->count &&
		(strncmp(name + quotes, NULL_LEVEL, strlen(NULL_LEVEL)) == 0 ||
		 strncmp(name + quotes, OTHER_LEVEL, strlen(OTHER_LEVEL)) == 0))
		return quote_literal_cstr(name);
	return pstrdup(name);
}

/* The points of a grid as text. */
static Datum *
grid_texts(const MlModel *model, const MlGrid *grid)
{
	int			f = ml_slot_feature(model, grid->slot);
	Datum	   *texts = palloc(sizeof(Datum) * grid->count);

	for (size_t i = 0; i < grid->count; i++)
	{
		if (model->signature->features[f].kind == ML_KIND_CATEGORY)
			texts[i] = CStringGetTextDatum(level_text(model, f, (int) grid->values[i]));
		else
			texts[i] = CStringGetTextDatum(slot_number_text(&model->signature->features[f], grid->values[i]));
	}
	return texts;
}

/* Error unless there are rows. */
static void
need_rows(MlContext *ctx, const MlRawRows *rows)
{
	if (rows->rows == 0)
		ml_raise(ctx, ML_ERROR_INVALID_DATA, "the source has no rows");
}

/* ---- on average ---- */

/* Put the averages into the result. */
static void
emit_averages(FunctionCallInfo fcinfo, const MlModel *model, const MlGrid *grids, int ngrids, const Shown *shown,
			  const double *averages)
{
	Datum	   *texts = grid_texts(model, &grids[0]);
	size_t		others = ngrids > 1 ? grids[1].count : 1;
	Datum	   *other_texts = ngrids > 1 ? grid_texts(model, &grids[1]) : NULL;
	size_t		outputs = (size_t) ml_model_outputs(model);

	for (size_t point = 0; point < grids[0].count * others; point++)
	{
		for (int k = shown->first; k < shown->end; k++)
		{
			Datum		values[4] = {texts[point / others], ngrids > 1 ? other_texts[point % others] : 0,
									 shown->classes[k],
			explain_number(averages[point * outputs + (size_t) k])};
			bool		nulls[4] = {false, ngrids == 1, shown->classes[k] == 0, false};

			explain_emit(fcinfo, values, nulls);
		}
	}
}

/* The mean predictions of a source's rows with a feature set to one value after another. */
Datum
ml_partial_dependence(PG_FUNCTION_ARGS)
{
	MlContext  *ctx;
	const MlModel *model;
	MlExplainOptions options;
	MlRawRows  *rows;
	MlGrid		grids[2];
	int			slots[2];
	int			ngrids;
	Shown		shown;
	double	   *averages;
	size_t		points;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	ctx = host_context_create(CurrentMemoryContext, "ml_partial_dependence", true);
	ml_explain_options_parse(ctx, explain_options_text(fcinfo, 3), ML_USE_DEPENDENCE, &options);
	shown = find_shown(model, &options);
	slots[0] = slot_find(model, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	ngrids = options.other != NULL ? 2 : 1;
	if (options.other != NULL)
		slots[1] = slot_find(model, options.other);
	if (ngrids == 2 && slots[0] == slots[1])
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"other\" must name another feature than \"%s\"", options.other)));
	rows = explain_read_rows(ctx, model, text_to_cstring(PG_GETARG_TEXT_PP(1)), SIZE_MAX, 0);
	need_rows(ctx, rows);
	for (int g = 0; g < ngrids; g++)
		ml_grid_create(ctx, model, rows, slots[g], (int) options.points, options.low, options.high, &grids[g]);
	points = grids[0].count * (ngrids > 1 ? grids[1].count : 1);
	if (points > MOST_POINTS)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "a grid of %zu points is too large", points),
					  NULL, "Set option \"points\" lower.");
	averages = ml_alloc_array(ctx, points, (size_t) ml_model_outputs(model) * sizeof(double));
	ml_grid_average(ctx, model, rows, grids, ngrids, averages);
	emit_averages(fcinfo, model, grids, ngrids, &shown, averages);
	return (Datum) 0;
}

/* ---- row by row ---- */

typedef struct Ice
{
	MlContext  *ctx;
	const MlModel *model;
	RawReader	reader;
	KeyReader	key_reader;
	MemoryContext memory;
	MlRawRows	rows;
	text	  **keys;			/* [capacity] */
	size_t		capacity;
	MlGrid		grid;
	size_t		block;			/* looked at */
	double	   *out;			/* [points][outputs][ML_BLOCK_ROWS] */
	double	   *scratch;		/* [threads][scratch_size] */
	size_t		scratch_size;
} Ice;

/* Take one row of the source. */
static void
receive_row(TupleTableSlot *slot, void *arg)
{
	Ice		   *ice = arg;
	size_t		row = ice->rows.rows;

	slot_getallattrs(slot);
	if (row == ice->capacity)
	{
		ice->capacity = Max(1024, 2 * ice->capacity);
		ice->keys = ml_realloc(ice->ctx, ice->keys, ice->capacity * sizeof(text *));
	}
	ice->keys[row] = key_reader_read(&ice->key_reader, slot, ice->memory);
	raw_reader_read(&ice->reader, slot, ml_raw_rows_add(ice->ctx, &ice->rows), ML_BLOCK_ROWS);
}

/* Score points begin .. end - 1 of the block; runs on any thread. */
static void
score_points(void *arg, size_t begin, size_t end, int worker)
{
	const Ice  *ice = arg;
	size_t		outputs = (size_t) ml_model_outputs(ice->model);

	for (size_t point = begin; point < end; point++)
		ml_grid_score(ice->model, &ice->grid, 1, point, ice->rows.blocks[ice->block],
					  ml_raw_rows_in_block(&ice->rows, ice->block),
					  ice->out + point * outputs * ML_BLOCK_ROWS, ice->scratch + (size_t) worker * ice->scratch_size);
}

/* Put the curves of the block's rows into the result. */
static void
emit_curves(FunctionCallInfo fcinfo, const Ice *ice, const Datum *texts, const Shown *shown)
{
	size_t		outputs = (size_t) ml_model_outputs(ice->model);

	for (size_t i = 0; i < ml_raw_rows_in_block(&ice->rows, ice->block); i++)
	{
		text	   *key = ice->keys[ice->block * ML_BLOCK_ROWS + i];

		CHECK_FOR_INTERRUPTS();
		for (size_t point = 0; point < ice->grid.count; point++)
		{
			for (int k = shown->first; k < shown->end; k++)
			{
				Datum		values[4] = {PointerGetDatum(key), texts[point], shown->classes[k],
				explain_number(ice->out[(point * outputs + (size_t) k) * ML_BLOCK_ROWS + i])};
				bool		nulls[4] = {key == NULL, false, shown->classes[k] == 0, false};

				explain_emit(fcinfo, values, nulls);
			}
		}
	}
}

/* Read the source's rows and keys. */
static void
read_rows(Ice *ice, const char *text, const char *key)
{
	int			nfeatures = ice->model->signature->nfeatures;
	Source	   *source = source_open(text);
	int		   *columns = palloc(sizeof(int) * ((Size) nfeatures + 1));
	int			ncolumns = nfeatures;

	ice->memory = host_context_memory(ice->ctx);
	raw_reader_init(&ice->reader, ice->model, source, columns);
	ncolumns += key_reader_init(&ice->key_reader, source, key, nfeatures, columns + nfeatures);
	ml_raw_rows_init(&ice->rows, ice->model);
	source_scan(source, columns, ncolumns, receive_row, ice);
	need_rows(ice->ctx, &ice->rows);
}

/* The predictions of each of a source's rows with a feature set to one value after another. */
Datum
ml_ice(PG_FUNCTION_ARGS)
{
	Ice		   *ice = palloc0(sizeof(Ice));
	MlExplainOptions options;
	Shown		shown;
	Datum	   *texts;
	int			slot;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	ice->model = model_argument_once(fcinfo, REGISTRY_DESCRIBE);
	ice->ctx = host_context_create(CurrentMemoryContext, "ml_ice", true);
	ml_explain_options_parse(ice->ctx, explain_options_text(fcinfo, 4), ML_USE_ICE, &options);
	shown = find_shown(ice->model, &options);
	slot = slot_find(ice->model, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	read_rows(ice, text_to_cstring(PG_GETARG_TEXT_PP(1)),
			  PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	ml_grid_create(ice->ctx, ice->model, &ice->rows, slot, (int) options.points, options.low, options.high, &ice->grid);
	texts = grid_texts(ice->model, &ice->grid);
	ice->out = ml_alloc_array(ice->ctx, ice->grid.count,
							  (size_t) ml_model_outputs(ice->model) * ML_BLOCK_ROWS * sizeof(double));
	ice->scratch_size = ml_grid_scratch(ice->model);
	ice->scratch = ml_alloc_array(ice->ctx, (size_t) ml_thread_count(ice->ctx), ice->scratch_size * sizeof(double));
	for (ice->block = 0; ice->block < ice->rows.nblocks; ice->block++)
	{
		ml_parallel_for(ice->ctx, ice->grid.count, 1, score_points, ice);
		emit_curves(fcinfo, ice, texts, &shown);
	}
	return (Datum) 0;
}
