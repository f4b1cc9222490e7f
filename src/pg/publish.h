/*
 * Models that are published: a function of mlaas_api for each, with the features as arguments.
 */
#ifndef MLAAS_PUBLISH_H
#define MLAAS_PUBLISH_H

#include "postgres.h"

#include "pg/registry_write.h"

/*
 * Make the function of the writer's model fit what the alias production now points at; drop it when
 * the model is dropped or has no such alias any more.  Nothing to do for a model that is not published.  Called
 * in the transaction that changes the alias, the name or the model, after the change.
 */
extern void publish_model_changed(const Writer *writer);

#endif
