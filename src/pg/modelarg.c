/*
 * The model argument of a call.
 *
 * By name: the key is the name.  What it resolved to holds while the active snapshot, the
 * subtransaction and the user stay the same; PL/pgSQL keeps fn_extra over several
 * statements of a transaction, so "once per statement" has to be checked, by SnapshotMark.
 * Routes of the name are read with it; the versions they lead to have entries of their own,
 * whose key is the version's identifier behind a byte that no name has.
 *
 * By value: the key is the toast pointer, or the engine's header (which has the size and
 * checksum of what follows), or, for a value compressed in line, its bytes.  The model is
 * opened from a copy of its own, so that it outlives the row.
 */
#include "postgres.h"

#include "pg/modelarg.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/cache.h"
#include "pg/host.h"

/* Where the key of a version that a route leads to begins. */
#define VERSION_KEY '\1'

/* The bytes of the engine's header that identify a model: all but the table of sections. */
#define HEADER_KEY 40

/* Tell whether the first argument's declared type is text: a name, not a value. */
static bool
argument_is_name(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (!OidIsValid(type))
	{
		Oid		   *types;
		int			count;

		(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
		type = types[0];
	}
	return type == TEXTOID;
}

/* Set up for the first argument of a call. */
void
model_argument_init(ModelArgument *argument, FunctionCallInfo fcinfo, RegistryPrivilege privilege,
					MemoryContext memory)
{
	memset(argument, 0, sizeof(*argument));
	argument->memory = memory;
	argument->by_name = argument_is_name(fcinfo);
	argument->privilege = privilege;
}

/* Under what names resolve now. */
static void
take_mark(SnapshotMark *mark)
{
	Snapshot	snapshot;

	if (!ActiveSnapshotSet())
		elog(ERROR, "no snapshot to look up a model in");
	snapshot = GetActiveSnapshot();
	mark->xmin = snapshot->xmin;
	mark->xmax = snapshot->xmax;
	mark->xcnt = snapshot->xcnt;
	mark->subxcnt = snapshot->subxcnt;
	mark->curcid = snapshot->curcid;
	mark->subxact = GetCurrentSubTransactionId();
	mark->user = GetUserId();
	mark->started = GetCurrentTransactionStartTimestamp();
}

/* Tell whether two marks are equal. */
static inline bool
same_mark(const SnapshotMark *a, const SnapshotMark *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax && a->xcnt == b->xcnt &&
		a->subxcnt == b->subxcnt && a->curcid == b->curcid && a->subxact == b->subxact &&
		a->user == b->user && a->started == b->started;
}

/* The number of the mark that holds now. */
static inline uint64
current_mark(ModelArgument *argument)
{
	SnapshotMark now;

	take_mark(&now);
	if (argument->marks == 0 || !same_mark(&now, &argument->mark))
	{
		argument->mark = now;
		argument->marks++;
	}
	return argument->marks;
}

/* The bytes that identify an ml_model datum. */
static inline const char *
value_key(struct varlena *value, Size *length)
{
	if (VARATT_IS_EXTERNAL_ONDISK(value))
	{
		*length = VARSIZE_EXTERNAL(value);
		return (const char *) value;
	}
	if (VARATT_IS_4B_U(value) && VARSIZE(value) >= MODEL_PREFIX + HEADER_KEY)
	{
		*length = HEADER_KEY;
		return MODEL_BYTES(value);
	}
	*length = VARSIZE_ANY(value);
	return (const char *) value;
}

/* Tell whether an entry is that of a key. */
static inline bool
entry_matches(const ModelEntry *entry, const char *key, Size length)
{
	return entry->key_length == length && memcmp(entry->key, key, length) == 0;
}

/* Forget an entry and release what it holds. */
static void
remove_entry(ModelArgument *argument, int index)
{
	ModelEntry *entry = argument->entries[index];

	if (argument->last == entry)
		argument->last = NULL;
	argument->held -= entry->size;
	argument->entries[index] = argument->entries[--argument->nentries];
	MemoryContextDelete(entry->memory);
}

/* Make room for one more entry of size bytes. */
static void
make_room(ModelArgument *argument, Size size)
{
	while (argument->nentries > 0 &&
		   (argument->nentries == MODEL_ARGUMENT_ENTRIES ||
			argument->held + size > MODEL_ARGUMENT_BYTES))
	{
		argument->victim = (argument->victim + 1) % argument->nentries;
		remove_entry(argument, argument->victim);
	}
}

/* An empty entry with its own memory, not yet in the list. */
static ModelEntry *
create_entry(ModelArgument *argument, const char *key, Size length)
{
	MemoryContext memory = AllocSetContextCreate(argument->memory, "ml_model argument",
												 ALLOCSET_SMALL_SIZES);
	ModelEntry *entry = MemoryContextAllocZero(memory, sizeof(ModelEntry));

	entry->memory = memory;
	entry->key = MemoryContextAlloc(memory, length);
	memcpy(entry->key, key, length);
	entry->key_length = length;
	return entry;
}

/* Add an entry that is complete to the list. */
static ModelEntry *
add_entry(ModelArgument *argument, ModelEntry *entry)
{
	argument->entries[argument->nentries++] = entry;
	argument->held += entry->size;
	argument->last = entry;
	return entry;
}

/*
 * Open the model of a name.  An error leaves the unfinished entry to the call site's memory
 * and the list as it was.
 */
static ModelEntry *
open_name(ModelArgument *argument, const char *key, Size length, const RegistryVersion *found)
{
	ModelEntry *entry;

	make_room(argument, 0);
	entry = create_entry(argument, key, length);
	entry->version = found->id;
	entry->number = found->version;
	entry->model = cache_model(found, entry->memory);
	return add_entry(argument, entry);
}

/* Open the model of a value from a copy. */
static ModelEntry *
open_value(ModelArgument *argument, struct varlena *value, const char *key, Size length)
{
	Size		size = toast_raw_datum_size(PointerGetDatum(value));
	ModelEntry *entry;
	MemoryContext caller;
	struct varlena *copy;
	MlContext  *ctx;

	make_room(argument, size);
	entry = create_entry(argument, key, length);
	entry->size = size;

	caller = MemoryContextSwitchTo(entry->memory);
	copy = pg_detoast_datum_copy(value);
	ctx = host_context_create(entry->memory, "ml_model", false);
	entry->model = ml_model_open(ctx, MODEL_BYTES(copy), model_value_size(copy));
	MemoryContextSwitchTo(caller);
	return add_entry(argument, entry);
}

/* The index of a key's entry, -1 when there is none. */
static int
find_entry(const ModelArgument *argument, const char *key, Size length)
{
	for (int i = 0; i < argument->nentries; i++)
	{
		if (entry_matches(argument->entries[i], key, length))
			return i;
	}
	return -1;
}

/* Read the routes of a name anew. */
static void
read_routes(ModelEntry *entry, const char *name, const RegistryVersion *found)
{
	if (entry->route != NULL)
		MemoryContextDelete(entry->route->memory);
	entry->route = NULL;
	entry->route = route_find(name, found, entry->memory);
}

/* The entry of a name that the last one is not, or that was resolved under another mark. */
static ModelEntry *
find_name(ModelArgument *argument, const char *key, Size length, uint64 mark)
{
	int			index = find_entry(argument, key, length);
	ModelEntry *entry;
	RegistryVersion found;
	char	   *name;

	if (index >= 0 && argument->entries[index]->checked == mark)
		return argument->last = argument->entries[index];

	name = pnstrdup(key, length);
	registry_resolve(name, argument->privilege, &found);

	if (index >= 0 && memcmp(&argument->entries[index]->version, &found.id, sizeof(found.id)) == 0)
		entry = argument->last = argument->entries[index];
	else
	{
		if (index >= 0)
			remove_entry(argument, index);
		entry = open_name(argument, key, length, &found);
	}
	read_routes(entry, name, &found);
	pfree(name);
	entry->checked = mark;
	return entry;
}

/* The opened model of the version that a route leads to. */
ModelEntry *
model_argument_target(ModelArgument *argument, const RouteRule *rule)
{
	RegistryVersion target = rule->target;	/* making room for it may free the routes */
	char		key[1 + UUID_LEN];
	int			index;

	key[0] = VERSION_KEY;
	memcpy(key + 1, target.id.data, UUID_LEN);
	index = find_entry(argument, key, sizeof(key));
	return index >= 0 ? argument->entries[index] : open_name(argument, key, sizeof(key), &target);
}

/* The opened model of a name. */
static inline ModelEntry *
get_by_name(ModelArgument *argument, Datum value)
{
	text	   *name = DatumGetTextPP(value);
	const char *key = VARDATA_ANY(name);
	Size		length = VARSIZE_ANY_EXHDR(name);
	uint64		mark = current_mark(argument);
	ModelEntry *last = argument->last;

	if (last != NULL && last->checked == mark && entry_matches(last, key, length))
		return last;
	return find_name(argument, key, length, mark);
}

/* The opened model of a value. */
static inline ModelEntry *
get_by_value(ModelArgument *argument, Datum datum)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(datum);
	const char *key;
	Size		length;
	int			index;

	if (VARATT_IS_EXTERNAL(value) && !VARATT_IS_EXTERNAL_ONDISK(value))
		value = pg_detoast_datum(value);
	key = value_key(value, &length);
	if (argument->last != NULL && entry_matches(argument->last, key, length))
		return argument->last;
	index = find_entry(argument, key, length);
	if (index >= 0)
		return argument->last = argument->entries[index];
	return open_value(argument, value, key, length);
}

/* The opened model of the argument's value. */
ModelEntry *
model_argument_get(ModelArgument *argument, Datum value)
{
	return argument->by_name ? get_by_name(argument, value) : get_by_value(argument, value);
}

/* The entry of the first argument of a function that is called once. */
ModelEntry *
model_argument_entry(FunctionCallInfo fcinfo, RegistryPrivilege privilege)
{
	ModelArgument *argument = palloc(sizeof(ModelArgument));

	model_argument_init(argument, fcinfo, privilege, CurrentMemoryContext);
	return model_argument_get(argument, PG_GETARG_DATUM(0));
}

/* The model of the first argument of a function that is called once. */
const MlModel *
model_argument_once(FunctionCallInfo fcinfo, RegistryPrivilege privilege)
{
	return model_argument_entry(fcinfo, privilege)->model;
}
