/*
 * What is stored of how a version was made, enough to make it again: the operation, its arguments as they were
 * given, and the role, search_path and settings that say what its source means.
 *
 *     {"operation": "train", "arguments": {...}, "seed": 42, "role": .., "search_path": .., "settings": {..}}
 */
#ifndef MLAAS_LINEAGE_H
#define MLAAS_LINEAGE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* The settings that a source's meaning may depend on, ended by NULL. */
extern const char *const lineage_settings[];

/* Begin with the operation; arguments follow until the end.  A value that is NULL is left out. */
extern void lineage_begin(StringInfo json, const char *operation);
extern void lineage_text(StringInfo json, const char *key, const char *value);
extern void lineage_texts(StringInfo json, const char *key, char *const *values, int count);
extern void lineage_json(StringInfo json, const char *key, const char *value);
extern char *lineage_end(StringInfo json, int64 seed);	/* negative = none */

/* A member of an object: NULL when it is absent or null; a string that is not one is an error. */
extern JsonbValue *lineage_member(Jsonb *object, const char *key);
extern char *lineage_string(Jsonb *object, const char *key);
extern Jsonb *lineage_object(Jsonb *object, const char *key);

#endif
