/*
 * What every source of src/pg starts with, by the build's own -include: what differs between
 * versions of PostgreSQL, and what the library shows to the server: the functions that SQL
 * calls, nothing else.
 *
 * The build hides every symbol.  PostgreSQL declares the functions visible by itself since 16; this
 * says the same for all.
 */
#ifndef MLAAS_EXPORT_H
#define MLAAS_EXPORT_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/compat.h"

#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

#undef PG_FUNCTION_INFO_V1
#define PG_FUNCTION_INFO_V1(funcname) \
extern PGDLLEXPORT Datum funcname(PG_FUNCTION_ARGS); \
extern PGDLLEXPORT const Pg_finfo_record * CppConcat(pg_finfo_,funcname)(void); \
const Pg_finfo_record * \
CppConcat(pg_finfo_,funcname) (void) \
{ \
	static const Pg_finfo_record my_finfo = { 1 }; \
	return &my_finfo; \
} \
extern int no_such_variable

#endif
