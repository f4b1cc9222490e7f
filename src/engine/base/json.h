/*
 * JSON arguments through json-c, released with the context.
 */
#ifndef ML_JSON_H
#define ML_JSON_H

#include <json-c/json.h>

#include "base/context.h"
#include "base/document.h"

/* Parse text that must be one JSON object; what names the argument in an error. */
extern json_object *ml_json_object(MlContext *ctx, const char *text, const char *what);

/* A value's JSON text in context memory (value NULL: "null"). */
extern const char *ml_json_text(MlContext *ctx, json_object *value);

/* The members of object must be among names (n of them); raises naming the nearest. */
extern void ml_json_check_keys(MlContext *ctx, json_object *object, const char *what,
							   const char *const *names, size_t n);

/* Write null, a boolean, a number or a string as a document's, with a key NULL in a list; false for anything else. */
extern bool ml_json_write_scalar(MlWriter *w, const char *key, json_object *value);

/* Write any value that way, as it stands: an object is an object, whatever its members are called. */
extern void ml_json_write(MlWriter *w, const char *key, json_object *value);

#endif
