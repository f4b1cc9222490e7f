/*
 * Documents: a small binary tree of named values, the form of every section of
 * a model.  Little-endian, every node 8-byte aligned, offsets not pointers:
 * arrays are read in place.  One writer, one check and one JSON form serve every
 * algorithm.
 *
 * A document that passed ml_document_check can be read without further bounds
 * checks; its nodes then are plain pointers into the bytes.
 *
 * What a document says has one form in bytes: padding is zero, nothing lies between
 * values, every NaN is the same one (writing makes it so).
 */
#ifndef ML_DOCUMENT_H
#define ML_DOCUMENT_H

#include "base/context.h"

/* Stored, never reused. */
typedef enum MlNodeType
{
	ML_NODE_INVALID = 0,
	ML_NODE_NULL = 1,
	ML_NODE_BOOL = 2,
	ML_NODE_INT = 3,			/* int64 */
	ML_NODE_DOUBLE = 4,
	ML_NODE_STRING = 5,			/* UTF-8 or the database's encoding; NUL-terminated, no NUL inside */
	ML_NODE_OBJECT = 6,			/* keys unique, in the order written */
	ML_NODE_LIST = 7,
	ML_NODE_F64S = 8,			/* typed arrays */
	ML_NODE_F32S = 9,
	ML_NODE_I64S = 10,
	ML_NODE_I32S = 11,
	ML_NODE_BYTES = 12
} MlNodeType;

typedef struct MlNode MlNode;	/* opaque, inside the document's bytes */

/* ---- writing ---- */

typedef struct MlWriter MlWriter;

/* Start a document whose root is an object. */
extern MlWriter *ml_writer_create(MlContext *ctx);

/* Inside an object key is required; inside a list it is NULL. */
extern void ml_write_object(MlWriter *w, const char *key);	/* until ml_write_end */
extern void ml_write_list(MlWriter *w, const char *key);	/* until ml_write_end */
extern void ml_write_end(MlWriter *w);
extern void ml_write_null(MlWriter *w, const char *key);
extern void ml_write_bool(MlWriter *w, const char *key, bool value);
extern void ml_write_int(MlWriter *w, const char *key, int64_t value);
extern void ml_write_double(MlWriter *w, const char *key, double value);
extern void ml_write_string(MlWriter *w, const char *key, const char *value);
extern void ml_write_string_length(MlWriter *w, const char *key, const char *value, size_t length);
extern void ml_write_f64s(MlWriter *w, const char *key, const double *values, size_t count);
extern void ml_write_f32s(MlWriter *w, const char *key, const float *values, size_t count);
extern void ml_write_i64s(MlWriter *w, const char *key, const int64_t *values, size_t count);
extern void ml_write_i32s(MlWriter *w, const char *key, const int32_t *values, size_t count);
extern void ml_write_bytes(MlWriter *w, const char *key, const void *bytes, size_t count);

/* A copy of a whole node (and what is below it). */
extern void ml_write_node(MlWriter *w, const char *key, const MlNode *node);

/* Close the root; the bytes live in the context. */
extern void *ml_writer_finish(MlWriter *w, size_t *size);

/* ---- reading ---- */

/*
 * Check bytes from outside: every offset, count, type, alignment, terminator, depth
 * (at most 64).  Returns NULL when sound, else a reason.
 */
extern const char *ml_document_check(const void *bytes, size_t size);

/* The root of a checked document. */
extern const MlNode *ml_document_root(const void *bytes);

extern MlNodeType ml_node_type(const MlNode *node);
extern size_t ml_node_count(const MlNode *node);	/* members, elements or bytes */
extern const MlNode *ml_node_find(const MlNode *object, const char *key);	/* NULL when absent */
extern const MlNode *ml_node_at(const MlNode *container, size_t index);	/* list or object; NULL past the end */
extern const char *ml_node_key(const MlNode *object, size_t index);

/* The value of a node of just that type. */
extern bool ml_node_bool(const MlNode *node);
extern int64_t ml_node_int(const MlNode *node);
extern double ml_node_double(const MlNode *node);
extern const char *ml_node_string(const MlNode *node);
extern const void *ml_node_array(const MlNode *node);

/*
 * The member of an object, of the type that is meant; raises ML_ERROR_CORRUPTED
 * when it is absent or of another type.  Counts are checked when expected >= 0.
 */
extern const MlNode *ml_need(MlContext *ctx, const MlNode *object, const char *key, MlNodeType type);
extern bool ml_need_bool(MlContext *ctx, const MlNode *object, const char *key);
extern int64_t ml_need_int(MlContext *ctx, const MlNode *object, const char *key, int64_t min, int64_t max);
extern double ml_need_double(MlContext *ctx, const MlNode *object, const char *key);
extern const char *ml_need_string(MlContext *ctx, const MlNode *object, const char *key);
extern const double *ml_need_f64s(MlContext *ctx, const MlNode *object, const char *key, int64_t expected);
extern const int32_t *ml_need_i32s(MlContext *ctx, const MlNode *object, const char *key, int64_t expected);

/* ---- JSON (document_json.c) ---- */

/*
 * The JSON of a node, round-tripping exactly, byte for byte:
 *
 * - a double always has '.' or 'e', an integer never; a double that is not finite is
 *   {"$f64": "NaN" | "Infinity" | "-Infinity"};
 * - typed arrays are {"$f64": [..]}, {"$f32": [..]}, {"$i64": [..]}, {"$i32": [..]} with at most
 *   256 elements (those that are not finite by name, as above), longer ones {"$f64": "base64"} of their
 *   little-endian bytes; bytes are always {"$bytes": "base64"};
 * - such an object has the marker as its only member; so that nothing else looks like one, a key that
 *   begins with '$' is written with one more '$' in front;
 * - bytes from 0x80 on stand for themselves, whatever the encoding; the rest is ASCII.
 *
 * plain = true instead writes for readers: bare arrays of any length (bytes as base64), non-finite
 * numbers as null, keys as they are (ml_describe).
 */
extern char *ml_node_to_json(MlContext *ctx, const MlNode *node, bool plain);

/*
 * The document of such a JSON object; raises ML_ERROR_CORRUPTED with the place.  A typed array of any
 * length may be a list of numbers or base64.  Strict: no key twice, no NUL, no integer past 64 bits, no
 * number past a double, nothing that RFC 8259 does not know.
 */
extern void *ml_document_from_json(MlContext *ctx, const char *json, size_t length, size_t *size);

#endif
