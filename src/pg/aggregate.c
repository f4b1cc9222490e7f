/*
 * ml_fit: training as an aggregate, and the one-pass aggregate behind ml_train.
 *
 * Transition functions change an expanded state in place and depend on neither fn_extra nor
 * fn_expr (but for the two forms that are never distributed: whole rows, and ml_train's own).
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "pg/fitstate.h"
#include "pg/host.h"
#include "pg/values.h"

PG_FUNCTION_INFO_V1(ml_fit_number);
PG_FUNCTION_INFO_V1(ml_fit_values);
PG_FUNCTION_INFO_V1(ml_fit_text);
PG_FUNCTION_INFO_V1(ml_fit_combine);
PG_FUNCTION_INFO_V1(ml_fit_final);
PG_FUNCTION_INFO_V1(ml_fit_rows);
PG_FUNCTION_INFO_V1(ml_fit_rows_final);
PG_FUNCTION_INFO_V1(ml_one_pass_trans);

/* ---- ml_fit over numbers ---- */

/* The features of a row: one dimension, no fewer than one element. */
static ArrayType *
features_argument(FunctionCallInfo fcinfo, int *count)
{
	ArrayType  *array;

	if (PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("features of ml_fit must not be a NULL array"),
				 errhint("A NULL feature is a NULL element.")));
	array = PG_GETARG_ARRAYTYPE_P(4);
	if (ARR_NDIM(array) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("features of ml_fit must be an array of one dimension with at least one element")));
	*count = ARR_DIMS(array)[0];
	return array;
}

/* The first row: a state for this algorithm and number of features. */
static ExpandedState *
start_fit(FunctionCallInfo fcinfo, int features, bool text_target)
{
	ExpandedState *expanded;
	FitState   *state;
	char	   *params;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("algorithm and params of ml_fit must not be NULL")));
	params = jsonb_cstring(PG_GETARG_DATUM(2));
	expanded = state_create(&fit_state_kind, state_aggregate_memory(fcinfo));
	state = fit_state_create(expanded->hdr.eoh_context, text_to_cstring(PG_GETARG_TEXT_PP(1)), params,
							 text_target, features, false);
	state->given_params = MemoryContextAlloc(expanded->hdr.eoh_context, VARSIZE_ANY(PG_GETARG_POINTER(2)));
	memcpy(state->given_params, PG_GETARG_POINTER(2), VARSIZE_ANY(PG_GETARG_POINTER(2)));
	expanded->state = state;
	return expanded;
}

/* Is a text argument this string? */
static bool
same_text(const text *argument, const char *string)
{
	size_t		length = VARSIZE_ANY_EXHDR(argument);

	return strlen(string) == length && memcmp(VARDATA_ANY(argument), string, length) == 0;
}

/* Check what must not change, on every later row: two short comparisons. */
static void
check_same(FunctionCallInfo fcinfo, FitState *state, int features)
{
	text	   *algorithm = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	struct varlena *params = PG_ARGISNULL(2) ? NULL : (struct varlena *) PG_GETARG_POINTER(2);

	if (algorithm == NULL || !same_text(algorithm, state->algorithm_name))
		fit_state_changed("algorithm");
	if (params == NULL)
		fit_state_changed("params");
	if (state->given_params == NULL ||
		VARSIZE_ANY(params) != VARSIZE_ANY(state->given_params) ||
		memcmp(params, state->given_params, VARSIZE_ANY(params)) != 0)
	{
		/* another form of the same value (packed, or a state that was merged) is no change */
		if (strcmp(jsonb_cstring(PointerGetDatum(params)), state->params) != 0)
			fit_state_changed("params");
	}
	if (features != state->features)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("rows differ in their number of features"),
				 errdetail("Some rows have %d, others %d.", state->features, features)));
}

/* Complete a row of a one-pass block by its target. */
static void
finish_row(FitState *state, double target, bool target_null)
{
	MlOnePass  *pass = state->one_pass;

	pass->block[(size_t) state->features * ML_ONE_PASS_ROWS + pass->filled] = target;
	pass->block_nulls[state->features] += target_null;
	if (++pass->filled == ML_ONE_PASS_ROWS)
		ml_one_pass_flush(state->ctx, pass);
}

/* Put a row into the block of a one-pass state. */
static void
add_one_pass(FitState *state, const ArrayType *array, double target, bool target_null)
{
	MlOnePass  *pass = state->one_pass;
	double	   *cell = pass->block + pass->filled;
	const double *values = (const double *) ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);
	int			features = state->features;

	if (present == NULL)
		for (int j = 0; j < features; j++)
			cell[(size_t) j * ML_ONE_PASS_ROWS] = values[j];
	else
		for (int j = 0; j < features; j++)
		{
			bool		given = present[j >> 3] & (1 << (j & 7));

			cell[(size_t) j * ML_ONE_PASS_ROWS] = given ? *values++ : NAN;
			pass->block_nulls[j] += !given;
		}
	finish_row(state, target, target_null);
}

/* Put a row into the columns of a state that keeps rows. */
static void
add_columns(FitState *state, const ArrayType *array)
{
	const double *values = (const double *) ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);
	int			next = 0;

	for (int j = 0; j < state->features; j++)
	{
		if (present != NULL && !(present[j >> 3] & (1 << (j & 7))))
			ml_column_add_null(state->ctx, state->columns[j]);
		else
			ml_column_add_number(state->ctx, state->columns[j], values[next++]);
	}
}

/* The target of a row into its column. */
static void
add_target(FitState *state, double target, bool isnull)
{
	if (isnull)
		ml_column_add_null(state->ctx, state->target);
	else
		ml_column_add_number(state->ctx, state->target, target);
}

/* The state of this call, begun at the first row. */
static ExpandedState *
fit_argument(FunctionCallInfo fcinfo, int features, bool text_target)
{
	ExpandedState *expanded;

	if (PG_ARGISNULL(0))
		return start_fit(fcinfo, features, text_target);
	expanded = state_get(PG_GETARG_DATUM(0), &fit_state_kind, state_aggregate_memory(fcinfo));
	fit_state_check(expanded->state, false, text_target, false);
	check_same(fcinfo, expanded->state, features);
	return expanded;
}

/* ml_fit_number(state, algorithm, params, target float8, features float8[]): transition. */
Datum
ml_fit_number(PG_FUNCTION_ARGS)
{
	int			features;
	ArrayType  *array = features_argument(fcinfo, &features);
	ExpandedState *expanded = fit_argument(fcinfo, features, false);
	FitState   *state = expanded->state;
	double		target = PG_ARGISNULL(3) ? NAN : PG_GETARG_FLOAT8(3);

	if (state->one_pass != NULL)
	{
		add_one_pass(state, array, target, PG_ARGISNULL(3));
		return state_datum(expanded);
	}
	add_columns(state, array);
	add_target(state, target, PG_ARGISNULL(3));
	return state_datum(expanded);
}

/*
 * ml_fit_values(state, algorithm, params, target float8, x1 float8, x2 float8, ...): the same with the
 * features as arguments of their own.  An array made for each row costs as much as all the rest.
 */
Datum
ml_fit_values(PG_FUNCTION_ARGS)
{
	int			features = PG_NARGS() - 4;
	ExpandedState *expanded = fit_argument(fcinfo, features, false);
	FitState   *state = expanded->state;
	MlOnePass  *pass = state->one_pass;
	double		target = PG_ARGISNULL(3) ? NAN : PG_GETARG_FLOAT8(3);

	if (pass == NULL)
	{
		for (int j = 0; j < features; j++)
		{
			if (PG_ARGISNULL(4 + j))
				ml_column_add_null(state->ctx, state->columns[j]);
			else
				ml_column_add_number(state->ctx, state->columns[j], PG_GETARG_FLOAT8(4 + j));
		}
		add_target(state, target, PG_ARGISNULL(3));
		return state_datum(expanded);
	}
	for (int j = 0; j < features; j++)
	{
		bool		isnull = PG_ARGISNULL(4 + j);

		pass->block[(size_t) j * ML_ONE_PASS_ROWS + pass->filled] = isnull ? NAN : PG_GETARG_FLOAT8(4 + j);
		pass->block_nulls[j] += isnull;
	}
	finish_row(state, target, PG_ARGISNULL(3));
	return state_datum(expanded);
}

/* ml_fit_text(state, algorithm, params, target text, features float8[]): transition. */
Datum
ml_fit_text(PG_FUNCTION_ARGS)
{
	int			features;
	ArrayType  *array = features_argument(fcinfo, &features);
	ExpandedState *expanded = fit_argument(fcinfo, features, true);
	FitState   *state = expanded->state;

	add_columns(state, array);
	if (PG_ARGISNULL(3))
		ml_column_add_null(state->ctx, state->target);
	else
	{
		text	   *target = PG_GETARG_TEXT_PP(3);

		ml_column_add_category(state->ctx, state->target, VARDATA_ANY(target), VARSIZE_ANY_EXHDR(target));
	}
	return state_datum(expanded);
}

/* ml_fit_combine(state, state): the first takes in the second. */
Datum
ml_fit_combine(PG_FUNCTION_ARGS)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	ExpandedState *first;
	ExpandedState *second;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(0);
	}
	second = state_get(PG_GETARG_DATUM(1), &fit_state_kind, memory);
	if (PG_ARGISNULL(0))
		return state_datum(second);
	first = state_get(PG_GETARG_DATUM(0), &fit_state_kind, memory);
	fit_state_merge(first->state, second->state);
	/* a flat state was unflattened here, in memory that would last as long as the aggregate */
	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(PG_GETARG_DATUM(1))))
		MemoryContextDelete(second->hdr.eoh_context);
	return state_datum(first);
}

/* A model over features that have no names but their places: x1, x2, ... */
static void
finish_fit(FitState *state, MlTrainResult *result)
{
	MlContext  *ctx = state->ctx;
	const char **types = ml_alloc_array(ctx, (size_t) state->features + 1, sizeof(char *));
	MlTrainSpec spec = {
		.algorithm = state->algorithm,.params = state->params,
		.split = {.kind = ML_SPLIT_NONE},
		.nfeatures = state->features,.feature_types = types,.target = state->features,
		.target_kind = state->text_target ? ML_TARGET_TEXT : ML_TARGET_NUMBER,
		.weight = -1,.split_column = -1,.group = -1,.start = -1,
	};

	for (int j = 0; j < state->features; j++)
		types[j] = "double precision";
	if (state->one_pass != NULL)
	{
		MlFeature  *features = ml_alloc_array_zero(ctx, (size_t) state->features + 1, sizeof(MlFeature));

		for (int j = 0; j < state->features; j++)
			features[j] = (MlFeature)
		{
			.name = ml_format(ctx, "x%d", j + 1),.kind = ML_KIND_NUMBER,.type = types[j],.width = 1,.slot = j
		};
		ml_one_pass_finish(ctx, state->one_pass, &spec, features, state->features, "y", result);
	}
	else
	{
		MlTable		table = {.rows = state->target->rows,.ncolumns = state->features + 1};

		table.columns = ml_alloc_array(ctx, (size_t) table.ncolumns, sizeof(MlColumn *));
		for (int j = 0; j < state->features; j++)
			table.columns[j] = state->columns[j];
		table.columns[state->features] = state->target;
		for (int j = 0; j <= state->features; j++)
			ml_column_finish(ctx, table.columns[j]);
		ml_pipeline_train(ctx, &table, &spec, result);
	}
}

/* ml_fit_final(state): the model; NULL when there was no row. */
Datum
ml_fit_final(PG_FUNCTION_ARGS)
{
	ExpandedState *expanded;
	MlTrainResult result;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	expanded = state_get(PG_GETARG_DATUM(0), &fit_state_kind, state_aggregate_memory(fcinfo));
	fit_state_check(expanded->state, false, ((FitState *) expanded->state)->text_target, false);
	finish_fit(expanded->state, &result);
	PG_RETURN_POINTER(model_datum(result.bytes, result.size));
}

/* ---- ml_fit over whole rows ---- */

typedef struct RowsState
{
	MlContext  *ctx;
	const MlAlgorithm *algorithm;	/* NULL: auto */
	char	   *algorithm_name; /* these three as given */
	char	   *params;
	char	   *target_name;
	struct varlena *given_params;	/* the jsonb datum params came from */
	Oid			type;
	int32		typmod;
	TupleDesc	tupdesc;
	int			target;			/* attribute, from 0 */
	int		   *attributes;		/* of the table's columns */
	ValueReader *readers;		/* of the table's columns, the target last */
	const char **types;
	MlTable		table;
	Datum	   *values;			/* [natts] */
	bool	   *nulls;
} RowsState;

/* One column of the table for one attribute. */
static void
add_attribute(RowsState *state, int attribute, const char *role, MemoryContext memory)
{
	Form_pg_attribute att = TupleDescAttr(state->tupdesc, attribute);
	int			column = state->table.ncolumns++;

	if (!value_reader_init(&state->readers[column], att->atttypid, memory) ||
		(attribute == state->target && state->readers[column].kind == ML_KIND_VECTOR))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be a %s", NameStr(att->attname),
						format_type_be(att->atttypid), role),
				 errhint("Cast it, or give ml_fit rows without it.")));
	state->attributes[column] = attribute;
	state->types[column] = ml_strdup(state->ctx, format_type_be(state->readers[column].base));
	state->table.columns[column] = ml_column_create(state->ctx, NameStr(att->attname), state->readers[column].kind);
}

/* The first row: one column for every attribute, the target last. */
static RowsState *
start_rows(FunctionCallInfo fcinfo, HeapTupleHeader row)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	MlContext  *ctx = host_context_create(memory, "ml_fit rows", true);
	RowsState  *state = ml_alloc_zero(ctx, sizeof(RowsState));
	char	   *algorithm = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *target = text_to_cstring(PG_GETARG_TEXT_PP(3));
	size_t		natts;

	memory = host_context_memory(ctx);
	state->ctx = ctx;
	state->algorithm = strcmp(algorithm, "auto") == 0 ? NULL : ml_algorithm_by_name(ctx, algorithm);
	state->algorithm_name = ml_strdup(ctx, algorithm);
	state->target_name = ml_strdup(ctx, target);
	state->params = ml_strdup(ctx, jsonb_cstring(PG_GETARG_DATUM(2)));
	state->given_params = ml_alloc(ctx, VARSIZE_ANY(PG_GETARG_POINTER(2)));
	memcpy(state->given_params, PG_GETARG_POINTER(2), VARSIZE_ANY(PG_GETARG_POINTER(2)));
	state->type = HeapTupleHeaderGetTypeId(row);
	state->typmod = HeapTupleHeaderGetTypMod(row);
	state->tupdesc = lookup_rowtype_tupdesc_copy(state->type, state->typmod);
	natts = (size_t) state->tupdesc->natts;
	state->attributes = ml_alloc_array(ctx, natts + 1, sizeof(int));
	state->readers = ml_alloc_array_zero(ctx, natts + 1, sizeof(ValueReader));
	state->types = ml_alloc_array(ctx, natts + 1, sizeof(char *));
	state->table.columns = ml_alloc_array(ctx, natts + 1, sizeof(MlColumn *));
	state->values = ml_alloc_array(ctx, natts + 1, sizeof(Datum));
	state->nulls = ml_alloc_array(ctx, natts + 1, sizeof(bool));
	state->target = -1;
	for (int i = 0; i < state->tupdesc->natts; i++)
		if (!TupleDescAttr(state->tupdesc, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(state->tupdesc, i)->attname), target) == 0)
			state->target = i;
	if (state->target < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("target column \"%s\" does not exist in the rows given to ml_fit", target)));
	for (int i = 0; i < state->tupdesc->natts; i++)
		if (i != state->target && !TupleDescAttr(state->tupdesc, i)->attisdropped)
			add_attribute(state, i, "feature", memory);
	add_attribute(state, state->target, "target", memory);
	return state;
}

/* Check what must not change, on every later row. */
static void
check_same_rows(FunctionCallInfo fcinfo, const RowsState *state, HeapTupleHeader row)
{
	struct varlena *params = (struct varlena *) PG_GETARG_POINTER(2);

	if (!same_text(PG_GETARG_TEXT_PP(1), state->algorithm_name))
		fit_state_changed("algorithm");
	if (!same_text(PG_GETARG_TEXT_PP(3), state->target_name))
		fit_state_changed("target");
	if ((VARSIZE_ANY(params) != VARSIZE_ANY(state->given_params) ||
		 memcmp(params, state->given_params, VARSIZE_ANY(params)) != 0) &&
		strcmp(jsonb_cstring(PointerGetDatum(params)), state->params) != 0)
		fit_state_changed("params");
	if (HeapTupleHeaderGetTypeId(row) != state->type || HeapTupleHeaderGetTypMod(row) != state->typmod)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("rows given to ml_fit differ in their type")));
}

/* Append one value to its column. */
static void
add_value(MlContext *ctx, MlColumn *column, ValueReader *reader, Datum value, bool isnull)
{
	if (isnull)
		ml_column_add_null(ctx, column);
	else if (column->kind == ML_KIND_NUMBER)
		ml_column_add_number(ctx, column, value_number(reader, value));
	else if (column->kind == ML_KIND_CATEGORY)
	{
		size_t		length;
		const char *bytes = value_category(reader, value, &length);

		ml_column_add_category(ctx, column, bytes, length);
	}
	else
	{
		int			width;
		const double *values = value_vector(reader, value, &width);

		ml_column_add_vector(ctx, column, values, width);
	}
}

/* ml_fit_rows(internal, algorithm, params, target name, row): transition. */
Datum
ml_fit_rows(PG_FUNCTION_ARGS)
{
	RowsState  *state = PG_ARGISNULL(0) ? NULL : (RowsState *) PG_GETARG_POINTER(0);
	HeapTupleHeader row;
	HeapTupleData tuple;

	for (int i = 1; i <= 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("algorithm, params and target of ml_fit must not be NULL")));
	if (PG_ARGISNULL(4))		/* no row at all, as an outer join gives */
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	row = PG_GETARG_HEAPTUPLEHEADER(4);
	if (state == NULL)
		state = start_rows(fcinfo, row);
	else
		check_same_rows(fcinfo, state, row);
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	heap_deform_tuple(&tuple, state->tupdesc, state->values, state->nulls);
	for (int c = 0; c < state->table.ncolumns; c++)
		add_value(state->ctx, state->table.columns[c], &state->readers[c],
				  state->values[state->attributes[c]], state->nulls[state->attributes[c]]);
	state->table.rows++;
	PG_RETURN_POINTER(state);
}

/* What the target's type makes of it. */
static MlTargetKind
target_kind(const ValueReader *reader)
{
	return reader->kind == ML_KIND_CATEGORY ? ML_TARGET_TEXT :
		reader->base == BOOLOID ? ML_TARGET_BOOLEAN : ML_TARGET_NUMBER;
}

/* ml_fit_rows_final(internal): the model; NULL when there was no row. */
Datum
ml_fit_rows_final(PG_FUNCTION_ARGS)
{
	RowsState  *state;
	MlTrainResult result;
	MlTrainSpec spec = {.split = {.kind = ML_SPLIT_NONE},.weight = -1,.split_column = -1,
	.group = -1,.start = -1};
	const ValueReader *target;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (RowsState *) PG_GETARG_POINTER(0);
	target = &state->readers[state->table.ncolumns - 1];
	spec.algorithm = state->algorithm;
	spec.params = state->params;
	spec.nfeatures = state->table.ncolumns - 1;
	spec.feature_types = state->types;
	spec.target = state->table.ncolumns - 1;
	spec.target_kind = target_kind(target);
	spec.target_integer = target->base == INT2OID || target->base == INT4OID || target->base == INT8OID;
	for (int c = 0; c < state->table.ncolumns; c++)
		ml_column_finish(state->ctx, state->table.columns[c]);
	ml_pipeline_train(state->ctx, &state->table, &spec, &result);
	PG_RETURN_POINTER(model_datum(result.bytes, result.size));
}

/* ---- the one pass of ml_train ---- */

/* How to read the arguments; kept in fn_extra. */
typedef struct PassReaders
{
	int			count;
	bool		array;			/* all values in one float8[] */
	ValueReader readers[FLEXIBLE_ARRAY_MEMBER];
} PassReaders;

static PassReaders *
pass_readers(FunctionCallInfo fcinfo)
{
	PassReaders *readers = fcinfo->flinfo->fn_extra;
	int			count = PG_NARGS() - 2;

	if (readers != NULL)
		return readers;
	readers = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									 offsetof(PassReaders, readers) + (size_t) count * sizeof(ValueReader));
	readers->count = count;
	readers->array = count == 1 && get_fn_expr_argtype(fcinfo->flinfo, 2) == FLOAT8ARRAYOID;
	for (int i = 0; i < count && !readers->array; i++)
		if (!value_reader_init(&readers->readers[i], get_fn_expr_argtype(fcinfo->flinfo, i + 2),
							   fcinfo->flinfo->fn_mcxt) ||
			readers->readers[i].kind != ML_KIND_NUMBER)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("argument %d of mlaas.one_pass is no number", i + 2)));
	fcinfo->flinfo->fn_extra = readers;
	return readers;
}

/* The values of a row that came as one array; NULL elements by the bitmap. */
static ArrayType *
pass_array(FunctionCallInfo fcinfo, int *count)
{
	ArrayType  *array = PG_ARGISNULL(2) ? NULL : PG_GETARG_ARRAYTYPE_P(2);

	if (array == NULL || ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("mlaas.one_pass needs an array of one dimension")));
	*count = ARR_DIMS(array)[0];
	return array;
}

/* Fill a row's cells from the elements of an array. */
static void
fill_from_array(MlOnePass *pass, const ArrayType *array, int count)
{
	double	   *cell = pass->block + pass->filled;
	const double *values = (const double *) ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);

	for (int i = 0; i < count; i++, cell += ML_ONE_PASS_ROWS)
	{
		bool		given = present == NULL || (present[i >> 3] & (1 << (i & 7)));

		*cell = given ? *values++ : NAN;
		pass->block_nulls[i] += !given;
	}
}

/* Fill a row's cells from the arguments. */
static void
fill_from_arguments(FunctionCallInfo fcinfo, MlOnePass *pass, const PassReaders *readers)
{
	double	   *cell = pass->block + pass->filled;

	for (int i = 0; i < readers->count; i++, cell += ML_ONE_PASS_ROWS)
	{
		if (PG_ARGISNULL(i + 2))
		{
			*cell = NAN;
			pass->block_nulls[i]++;
			continue;
		}
		*cell = readers->readers[i].base == FLOAT8OID ? PG_GETARG_FLOAT8(i + 2) :
			value_number(&readers->readers[i], PG_GETARG_DATUM(i + 2));
	}
}

/*
 * ml_one_pass_trans(state, weighted, VARIADIC "any"): the arguments are the features, the target and,
 * when weighted, the weight: the order of a one-pass block; or one float8[] with all of them.
 */
Datum
ml_one_pass_trans(PG_FUNCTION_ARGS)
{
	PassReaders *readers = pass_readers(fcinfo);
	int			count = readers->count;
	ArrayType  *array = readers->array ? pass_array(fcinfo, &count) : NULL;
	bool		weighted = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	int			features = count - 1 - weighted;
	ExpandedState *expanded;
	MlOnePass  *pass;

	if (features < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mlaas.one_pass needs a target")));
	if (PG_ARGISNULL(0))
	{
		expanded = state_create(&fit_state_kind, state_aggregate_memory(fcinfo));
		expanded->state = fit_state_create(expanded->hdr.eoh_context, NULL, NULL, false, features, weighted);
	}
	else
		expanded = state_get(PG_GETARG_DATUM(0), &fit_state_kind, state_aggregate_memory(fcinfo));
	pass = ((FitState *) expanded->state)->one_pass;
	if (pass == NULL || pass->features != features || pass->weighted != weighted)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("rows given to mlaas.one_pass differ in their number of values")));
	if (array != NULL)
		fill_from_array(pass, array, count);
	else
		fill_from_arguments(fcinfo, pass, readers);
	if (++pass->filled == ML_ONE_PASS_ROWS)
		ml_one_pass_flush(((FitState *) expanded->state)->ctx, pass);
	return state_datum(expanded);
}
