/*
 * Guards: conditions that a version must pass before an alias points at it, kept as rows of mlaas.guard.
 */
#ifndef MLAAS_GUARD_H
#define MLAAS_GUARD_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "pg/registry_write.h"

/* A row of mlaas.guard. */
typedef struct Guard
{
	int32		number;
	char	   *metric;			/* of evaluations, or "bytes" or "microseconds" */
	char	   *by;				/* the largest gap between groups of this column; NULL = no gap */
	char	   *operator;
	double		threshold;
	char	   *source;			/* measured on; NULL = as stored with the version */
	char	   *search_path;	/* under which the source's names are found */
	Oid			maker;			/* with whose rights the source is read */
} Guard;

/* The guards of an alias of the locked model, in a memory context: Guard pointers. */
extern List *guard_read(const Writer *writer, const char *alias, MemoryContext memory);

/*
 * Measure a version by guards: a sentence for each that it fails, NULL when it passes all.  What was measured goes to
 * measured, as the members of a JSON object.  Runs as the caller, not between writer_begin and writer_end.
 */
extern char *guard_failures(List *guards, const RegistryVersion *version, StringInfo measured);

#endif
