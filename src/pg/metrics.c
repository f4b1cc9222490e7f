/*
 * What all metrics as aggregates share: see metrics.h.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "pg/module.h"
#include "pg/metrics.h"

/* How many rows of a result there is room for at first. */
#define FIRST_ROWS 64

/* A number that is not finite, for a message. */
static const char *
not_finite(double value)
{
	return isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

void
refuse_not_finite(int argument, double value)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s value is not finite", argument == 1 ? "actual" : "predicted"),
			 errdetail("The value is %s.", not_finite(value)),
			 errhint("Leave such rows out, for example with FILTER (WHERE ...).")));
}

void
refuse_truth(double value)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("actual value is not 0 or 1"),
			 errdetail("The value is %s.", float8out_internal(value)),
			 errhint("Give a boolean, such as (label = 'yes'); of numbers, 1 is positive, 0 and -1 are negative.")));
}

void
refuse_probability(double value)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("probability is not between 0 and 1"),
			 errdetail("The value is %s.", float8out_internal(value)),
			 errhint("Give the probability of the positive class, as ml_probability returns it.")));
}

void
refuse_score(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("score is not a number"),
			 errdetail("The value is NaN, which has no rank."),
			 errhint("Leave such rows out, for example with FILTER (WHERE ...).")));
}

void
refuse_weight(double value)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("weight of a row is negative or not finite"),
			 errdetail("The value is %s.", float8out_internal(value)),
			 errhint("A weight of 0 leaves a row out.")));
}

void
refuse_setting(const char *name, bool null)
{
	if (null)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be the same for all rows", name)));
}

void
check_state_memory(Size bytes, uint64 rows)
{
	if (mlaas_max_memory <= 0 || bytes / 1024 <= (Size) mlaas_max_memory)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("memory limit of a metric exceeded"),
			 errdetail("After " UINT64_FORMAT " rows it needs %zu kB for this group; mlaas.max_memory is %d kB.",
					   rows, bytes / 1024 + 1, mlaas_max_memory),
			 errhint("Raise mlaas.max_memory, or compute the metric over a sample of the rows.")));
}

void
check_flat(bool right, const char *what)
{
	if (!right)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state"),
				 errdetail("It has a wrong %s.", what)));
}

bool
valid_weight(double weight)
{
	return isfinite(weight) && weight > 0.0;
}

void
check_flat_rows(uint64 rows, double weight)
{
	check_flat(rows > 0 && rows <= PG_INT64_MAX, "number of rows");
	check_flat(valid_weight(weight), "weight");
}

void
flatten_copy(void *state, char *bytes, Size size)
{
	memcpy(bytes, state, size);
}

void *
unflatten_copy(const char *bytes, Size size, Size expected, MemoryContext memory)
{
	void	   *state;

	check_flat(size == expected, "size");
	state = MemoryContextAlloc(memory, size);
	memcpy(state, bytes, size);
	return state;
}

void
check_row_count(uint64 rows, uint64 more)
{
	uint64		sum;

	if (pg_add_u64_overflow(rows, more, &sum) || sum > PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("too many rows in an aggregate state")));
}

void *
final_state(FunctionCallInfo fcinfo, const StateKind *kind)
{
	return state_get(PG_GETARG_DATUM(0), kind, CurrentMemoryContext)->state;
}

Datum
metric_datum(FunctionCallInfo fcinfo, double value)
{
	if (isnan(value))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(value);
}

Datum
sums_datum(double value)
{
	if (!isfinite(value))
		float_overflow_error();
	PG_RETURN_FLOAT8(value);
}

/* The element type comes from the catalog: a Citus node calls a final function without an expression tree. */
void
metric_rows_begin(FunctionCallInfo fcinfo, MetricRows *rows, int columns)
{
	memset(rows, 0, sizeof *rows);
	rows->element = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
	rows->descriptor = OidIsValid(rows->element) ? lookup_rowtype_tupdesc_copy(rows->element, -1) : NULL;
	if (rows->descriptor == NULL || rows->descriptor->natts != columns)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function does not return an array of the rows that it makes")));
	rows->capacity = FIRST_ROWS;
	rows->rows = palloc(sizeof(Datum) * FIRST_ROWS);
}

void
metric_rows_add(MetricRows *rows, const Datum *values, const bool *nulls)
{
	HeapTuple	tuple = heap_form_tuple(rows->descriptor, unconstify(Datum *, values), unconstify(bool *, nulls));

	if (rows->count == rows->capacity)
	{
		rows->capacity *= 2;
		rows->rows = repalloc_huge(rows->rows, sizeof(Datum) * rows->capacity);
		CHECK_FOR_INTERRUPTS();
	}
	rows->bytes += MAXALIGN(tuple->t_len);
	if (!AllocSizeIsValid(rows->bytes + rows->bytes / 8))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows for an array"),
				 errdetail("After %d rows it has %zu MB; a value can have at most %zu MB.", rows->count,
						   rows->bytes >> 20, (Size) MaxAllocSize >> 20),
				 errhint("Round the scores, so that there are fewer of them.")));
	rows->rows[rows->count++] = HeapTupleGetDatum(tuple);
}

Datum
metric_rows_datum(MetricRows *rows)
{
	PG_RETURN_ARRAYTYPE_P(construct_array(rows->rows, rows->count, rows->element, -1, false, TYPALIGN_DOUBLE));
}
