/*
 * Arguments and result rows of SQL functions.
 */
#include "postgres.h"

#include "pg/arguments.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

/* Error unless an argument that must be there is. */
void
need_argument(FunctionCallInfo fcinfo, int index, const char *what)
{
	if (PG_ARGISNULL(index))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", what)));
}

/* A text argument that must be there. */
char *
need_text(FunctionCallInfo fcinfo, int index, const char *what)
{
	need_argument(fcinfo, index, what);
	return text_to_cstring(PG_GETARG_TEXT_PP(index));
}

/* A text argument, NULL for a NULL. */
char *
optional_text(FunctionCallInfo fcinfo, int index)
{
	return PG_ARGISNULL(index) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(index));
}

/* The row that a call returns. */
Datum
result_row(FunctionCallInfo fcinfo, int count, const Datum *values, const bool *nulls)
{
	bool	   *none = palloc0(sizeof(bool) * (Size) count);
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE || descriptor->natts != count)
		elog(ERROR, "a row of %d columns is expected by the call", count);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), unconstify(Datum *, values),
											 nulls != NULL ? unconstify(bool *, nulls) : none));
}
