/*
 * Texts of the database -> terms of the engine, by PostgreSQL's own text search or by characters of the server's
 * encoding: the same for rows of a training and of a prediction.
 */
#ifndef MLAAS_TEXTS_H
#define MLAAS_TEXTS_H

#include "postgres.h"

#include "base/text.h"

/* The name, with its schema, of a text search configuration (NULL: the session's); errors name the nearest. */
extern char *texts_config_name(MlContext *ctx, const char *given);

/*
 * The configuration that finds words for options, InvalidOid for characters; an error when it is gone names the
 * feature.
 */
extern Oid	texts_config(const MlTextOptions *options, const char *feature);

/* Hand on all terms of a text.  May palloc in the current context. */
extern void texts_each_term(const MlTextOptions *options, Oid config, const char *bytes, size_t length, MlTextTerm term,
							void *arg);

#endif
