/*
 * Models that are published: a function of mlaas_api for each, with the features as arguments.
 */
#ifndef MLAAS_PUBLISH_H
#define MLAAS_PUBLISH_H

#include "postgres.h"

#include "model/model.h"
#include "pg/registry_write.h"

/*
 * Make the function of the writer's model fit what the alias production now points at; drop it when
 * the model is dropped or has no such alias any more.  Nothing to do for a model that is not published.  Called
 * in the transaction that changes the alias, the name or the model, after the change.
 */
extern void publish_model_changed(const Writer *writer);

/* Warn when calls of the writer's published model lack features of a version that routes of production lead to. */
extern void publish_warn_routed(const Writer *writer, const MlModel *routed);

#endif
