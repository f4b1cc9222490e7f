/*
 * Models made of models, for functions beside ml_pipeline and ml_ensemble.
 */
#ifndef MLAAS_COMPOSE_H
#define MLAAS_COMPOSE_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "model/pipeline.h"

/* Make one again from the arguments of its lineage and a source (NULL = none), without storing it. */
extern void compose_again(bool pipeline, Jsonb *arguments, char *source, MlTrainResult *result);

#endif
