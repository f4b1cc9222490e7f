/*
 * Opened models, kept per backend.
 *
 * One entry a version, found by the version's identifier; a version never changes, so an
 * entry is never stale.  Each model has a memory context of its own with its bytes and what
 * was decoded from them.  A model is opened as the caller's child and only moves below the
 * cache's context when it is whole: an error while opening leaves nothing behind.
 *
 * Entries stand in a list, the one used last in front.  When the bytes together pass
 * mlaas.model_cache, entries go from the back, but for those that are pinned.  A pin is a
 * reset callback of the caller's memory context, so it ends with the call or its error.
 *
 * Rights are not looked at here: names are resolved, and rights checked, before.
 */
#include "postgres.h"

#include "pg/cache.h"

#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "pg/host.h"
#include "pg/module.h"

typedef struct CacheEntry
{
	pg_uuid_t	id;				/* MUST BE FIRST: the hash key */
	const MlModel *model;
	MlContext  *ctx;			/* the memory of the model */
	Size		bytes;
	int			pins;
	dlist_node	node;			/* in cache_entries */
} CacheEntry;

typedef struct CachePin
{
	MemoryContextCallback callback;
	CacheEntry *entry;
} CachePin;

static MemoryContext cache_memory = NULL;
static HTAB *cache_table = NULL;
static dlist_head cache_entries = DLIST_STATIC_INIT(cache_entries);
static Size cache_bytes = 0;

/* Make the empty cache. */
static void
cache_create(void)
{
	HASHCTL		control = {
		.keysize = sizeof(pg_uuid_t),
		.entrysize = sizeof(CacheEntry)
	};

	if (cache_memory == NULL)
		cache_memory = AllocSetContextCreate(CacheMemoryContext, "mlaas model cache",
											 ALLOCSET_SMALL_SIZES);
	control.hcxt = cache_memory;
	cache_table = hash_create("mlaas model cache", 64, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Forget an entry and release its model. */
static void
cache_remove(CacheEntry *entry)
{
	MlContext  *ctx = entry->ctx;

	dlist_delete(&entry->node);
	cache_bytes -= entry->bytes;
	(void) hash_search(cache_table, &entry->id, HASH_REMOVE, NULL);
	host_context_delete(ctx);
}

/* Remove what was used longest ago until the cache is within its bound; raises no error. */
static void
cache_trim(void)
{
	Size		limit = (Size) mlaas_model_cache * 1024;
	dlist_node *node = dlist_is_empty(&cache_entries) ? NULL : dlist_tail_node(&cache_entries);

	while (node != NULL && cache_bytes > limit)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, node);

		node = dlist_has_prev(&cache_entries, node) ? dlist_prev_node(&cache_entries, node) : NULL;
		if (entry->pins == 0)
			cache_remove(entry);
	}
}

/* End a pin: called when the memory that holds it is reset or deleted. */
static void
cache_unpin(void *arg)
{
	CacheEntry *entry = ((CachePin *) arg)->entry;

	entry->pins--;
	cache_trim();
}

/* Read and open the model of a version and put it in front of the cache. */
static CacheEntry *
cache_load(const RegistryVersion *version)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas model", false);
	MemoryContext memory = host_context_memory(ctx);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	struct varlena *bytes = registry_model_bytes(version);
	const MlModel *model = ml_model_open(ctx, MODEL_BYTES(bytes), MODEL_SIZE(bytes));
	CacheEntry *entry;

	MemoryContextSwitchTo(caller);
	entry = hash_search(cache_table, &version->id, HASH_ENTER, NULL);

	/* nothing below raises */
	MemoryContextSetParent(memory, cache_memory);
	entry->model = model;
	entry->ctx = ctx;
	entry->bytes = MemoryContextMemAllocated(memory, true);
	entry->pins = 0;
	dlist_push_head(&cache_entries, &entry->node);
	cache_bytes += entry->bytes;
	return entry;
}

/* The opened model of a version, pinned until memory is reset or deleted. */
const MlModel *
cache_model(const RegistryVersion *version, MemoryContext memory)
{
	CachePin   *pin = MemoryContextAlloc(memory, sizeof(CachePin));
	CacheEntry *entry;

	if (cache_table == NULL)
		cache_create();
	entry = hash_search(cache_table, &version->id, HASH_FIND, NULL);
	if (entry == NULL)
		entry = cache_load(version);
	else
		dlist_move_head(&cache_entries, &entry->node);

	entry->pins++;
	pin->entry = entry;
	pin->callback.func = cache_unpin;
	pin->callback.arg = pin;
	MemoryContextRegisterResetCallback(memory, &pin->callback);
	cache_trim();
	return entry->model;
}
