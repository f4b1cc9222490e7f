/*
 * Arguments of SQL functions that take NULL for some and not for others (what names the argument in
 * the error), and their result rows.
 */
#ifndef MLAAS_ARGUMENTS_H
#define MLAAS_ARGUMENTS_H

#include "postgres.h"

#include "fmgr.h"

/* Error unless an argument that must be there is. */
extern void need_argument(FunctionCallInfo fcinfo, int index, const char *what);

/* A text argument that must be there. */
extern char *need_text(FunctionCallInfo fcinfo, int index, const char *what);

/* A text argument, NULL for a NULL. */
extern char *optional_text(FunctionCallInfo fcinfo, int index);

/* The row that the call returns, of its columns; nulls NULL: none is. */
extern Datum result_row(FunctionCallInfo fcinfo, int count, const Datum *values, const bool *nulls);

#endif
