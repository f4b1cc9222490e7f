/*
 * What is stored of how a version was made, enough to make it again: the operation, its arguments as they were
 * given, and the role, search_path and settings that say what its source means.
 *
 *     {"operation": "train", "arguments": {...}, "seed": 42, "role": .., "search_path": .., "settings": {..}}
 */
#ifndef MLAAS_LINEAGE_H
#define MLAAS_LINEAGE_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* The settings that a source's meaning may depend on, ended by NULL. */
extern const char *const lineage_settings[];

/* Begin with the operation; arguments follow until the end.  A value that is NULL is left out. */
extern void lineage_begin(StringInfo json, const char *operation);
extern void lineage_text(StringInfo json, const char *key, const char *value);
extern void lineage_texts(StringInfo json, const char *key, char *const *values, int count);
extern void lineage_json(StringInfo json, const char *key, const char *value);
extern char *lineage_end(StringInfo json, int64 seed);	/* negative = none */

/* A lineage (NULL = none) with one more member, whose value is JSON. */
extern char *lineage_add(const char *lineage, const char *key, const char *json);

/* A lineage (NULL = none) whose "after" of validation is as the training understood it (NULL = it had none). */
extern char *lineage_after(const char *lineage, const char *after);

/* A stored version, as the current user may see it. */
typedef struct VersionOrigin
{
	char	   *source;			/* NULL = none */
	char	   *trained_by;
	char	   *digest;			/* NULL = none */
	char	   *software;		/* that made it, and this */
	char	   *software_now;
	char	   *parent;			/* name@version now, NULL = none */
	int64		rows;			/* read in all */
	Jsonb	   *lineage;
	Jsonb	   *preprocess;
	Jsonb	   *validation;
} VersionOrigin;

/*
 * Did the version that has a lineage, or the one that it is a copy of, come as a value, so that nobody knows how it was
 * trained?
 */
extern bool lineage_is_value(Jsonb *lineage);

/* Read the row of a version of which the current user has the privilege describe. */
extern void lineage_origin(const pg_uuid_t *version, VersionOrigin *origin);

/*
 * The name@version that the version of an id has now; NULL when there is none, or none that the current user may
 * describe.
 */
extern char *lineage_version_name(const char *id);

/*
 * What a version made of others depends on: what one of those does, of which the current user has the privilege
 * describe, and what a source reads (source_dependencies) is added; lineage_dependencies is all of it as JSON.
 */
extern List *lineage_depend(List *dependencies, const pg_uuid_t *version);
extern List *lineage_depend_on(List *dependencies, const char *source);
extern char *lineage_dependencies(const List *dependencies);

/* A member of an object: NULL when it is absent or null; a string that is not one is an error. */
extern JsonbValue *lineage_member(Jsonb *object, const char *key);
extern char *lineage_string(Jsonb *object, const char *key);
extern Jsonb *lineage_object(Jsonb *object, const char *key);
extern char **lineage_strings(Jsonb *object, const char *key, int *count);

/* A call of one of our functions with arguments from a lineage: all NULL at first; a value that is NULL stays so. */
extern void lineage_call_begin(FunctionCallInfo call, int count);
extern void lineage_call_text(FunctionCallInfo call, int index, const char *value);
extern void lineage_call_texts(FunctionCallInfo call, int index, char *const *values, int count);
extern void lineage_call_json(FunctionCallInfo call, int index, Jsonb *value);
extern void lineage_call_numbers(FunctionCallInfo call, int index, Jsonb *array);

#endif
