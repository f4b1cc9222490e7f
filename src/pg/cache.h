/*
 * Opened models per backend, by version: a version never changes, so the cache is never
 * stale.  Bounded by mlaas.model_cache; what a running call has pinned stays.
 */
#ifndef MLAAS_CACHE_H
#define MLAAS_CACHE_H

#include "postgres.h"

#include "model/model.h"
#include "pg/registry.h"

/*
 * The opened model of a version, read from the registry when not cached.  Pinned until
 * memory (usually fn_mcxt) is reset or deleted.
 */
extern const MlModel *cache_model(const RegistryVersion *version, MemoryContext memory);

#endif
