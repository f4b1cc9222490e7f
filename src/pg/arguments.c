/*
 * Arguments of SQL functions.
 */
#include "postgres.h"

#include "pg/arguments.h"

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
