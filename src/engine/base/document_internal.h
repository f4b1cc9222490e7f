/*
 * What the files of model/ that know the bytes of a document share:
 * document.c, document_json.c and container.c.
 */
#ifndef ML_DOCUMENT_INTERNAL_H
#define ML_DOCUMENT_INTERNAL_H

#include "base/document.h"

/* Containers (objects and lists) within containers, the root included. */
#define ML_DOCUMENT_DEPTH 64

/* The JSON of a model wraps its documents in one more object. */
#define ML_DOCUMENT_DEPTH_MAX (ML_DOCUMENT_DEPTH + 1)

/* What every NaN is stored as, so that a document has one form. */
#define ML_CANONICAL_NAN UINT64_C(0x7ff8000000000000)
#define ML_CANONICAL_NANF UINT32_C(0x7fc00000)

/*
 * The bytes of a node of a checked document, all that is below it included; such a slice is a document itself when it
 * is an object.
 */
extern size_t ml_node_size(const MlNode *node);

/* Bytes of one element of a typed array, 0 for all other types. */
extern size_t ml_element_size(MlNodeType type);

/* "list", "array of doubles", ... */
extern const char *ml_node_type_name(MlNodeType type);

/* ml_writer_create and ml_document_from_json with a depth of up to ML_DOCUMENT_DEPTH_MAX. */
extern MlWriter *ml_writer_create_depth(MlContext *ctx, size_t max_depth);
extern void *ml_document_parse(MlContext *ctx, const char *json, size_t length, size_t max_depth, size_t *size);

/* A text that grows; NUL-terminated only by ml_text_finish. */
typedef struct MlText
{
	MlContext  *ctx;
	char	   *data;
	size_t		length;
	size_t		capacity;
} MlText;

extern void ml_text_init(MlText *text, MlContext *ctx);

/* Room for length more bytes; returns where they go. */
extern char *ml_text_reserve(MlText *text, size_t length);
extern void ml_text_append(MlText *text, const char *string);
extern char *ml_text_finish(MlText *text);

/* Append a JSON string, or the JSON of a node. */
extern void ml_text_append_string(MlText *text, const char *string, size_t length);
extern void ml_text_append_node(MlText *text, const MlNode *node, bool plain);

#endif
