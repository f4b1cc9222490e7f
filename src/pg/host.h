/*
 * The engine's Context on PostgreSQL: memory contexts, interrupts, ereport.
 */
#ifndef MLAAS_HOST_H
#define MLAAS_HOST_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/context.h"

/*
 * A Context whose memory is a new child of parent; deleted with it, or by host_context_delete.
 * limit: apply mlaas.max_memory (training) or none (scoring, small things).
 */
extern MlContext *host_context_create(MemoryContext parent, const char *name, bool limit);
extern void host_context_delete(MlContext *ctx);
extern MemoryContext host_context_memory(MlContext *ctx);

/* The bytes of an ml_model datum's engine part: 8-byte aligned behind an 8-byte varlena prefix. */
#define MODEL_PREFIX 8
#define MODEL_BYTES(v) ((const void *) ((const char *) (v) + MODEL_PREFIX))
#define MODEL_SIZE(v) ((size_t) (VARSIZE(v) - MODEL_PREFIX))

/* A varlena datum (palloc'd) around an engine model's bytes; errors past 1 GB. */
extern struct varlena *model_datum(const void *bytes, size_t size);

/* A JSON string, number or boolean as text; NULL for anything else. */
extern char *jsonb_scalar_text(const JsonbValue *value);

/* The JSON text of a jsonb datum as a C string (palloc'd). */
extern char *jsonb_cstring(Datum jsonb);

#endif
