/*
 * The model argument of a call: a registered name (text) or an ml_model value, resolved
 * and opened once per call site and statement, not once per row.
 *
 * A call site keeps a few models, so that a join of rows with one model per group does
 * not open a model for every row.
 */
#ifndef MLAAS_MODELARG_H
#define MLAAS_MODELARG_H

#include "postgres.h"

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/uuid.h"

#include "model/model.h"
#include "pg/host.h"
#include "pg/registry.h"
#include "pg/route.h"

/* Models a call site keeps, and the bytes of those passed by value that it keeps. */
#define MODEL_ARGUMENT_ENTRIES 16
#define MODEL_ARGUMENT_BYTES ((Size) 64 << 20)

typedef struct ModelEntry
{
	MemoryContext memory;		/* holds the model (by value) or its pin (by name) */
	const MlModel *model;
	Route	   *route;			/* by name: where else calls of it may go; NULL = nowhere */
	void	   *plan;			/* what the caller derived from the model, in memory; NULL at first */

	/* private to modelarg.c */
	char	   *key;			/* what identifies the argument's value */
	Size		key_length;
	Size		size;			/* bytes held */
	pg_uuid_t	version;		/* by name */
	int32		number;			/* by name: of the version */
	uint64		checked;		/* by name: the mark it was resolved under */
} ModelEntry;

/*
 * Under what a name was resolved.  Two equal marks see the same registry with the same
 * rights: with one xmax, the set of running transactions only shrinks, so its size tells it.
 */
typedef struct SnapshotMark
{
	TransactionId xmin;
	TransactionId xmax;
	uint32		xcnt;
	int32		subxcnt;
	CommandId	curcid;
	SubTransactionId subxact;	/* its rollback takes changes back */
	Oid			user;
	TimestampTz started;		/* of the transaction */
} SnapshotMark;

typedef struct ModelArgument
{
	MemoryContext memory;		/* lives as long as the call site */
	bool		by_name;
	RegistryPrivilege privilege;	/* that a model by name takes */
	ModelEntry *last;
	ModelEntry *entries[MODEL_ARGUMENT_ENTRIES];
	int			nentries;
	int			victim;			/* the next to be evicted */
	Size		held;			/* sum of the entries' sizes */
	SnapshotMark mark;
	uint64		marks;			/* how often mark changed */
} ModelArgument;

/* Set up for the first argument of a call, which takes the privilege; memory is usually fn_mcxt. */
extern void model_argument_init(ModelArgument *argument, FunctionCallInfo fcinfo, RegistryPrivilege privilege,
								MemoryContext memory);

/*
 * The opened model of the argument's value; good until the next call.  Errors: unknown name,
 * no rights, bytes that are no model.
 */
extern ModelEntry *model_argument_get(ModelArgument *argument, Datum value);

/* The opened model of the version that a route of an entry leads to; the entry may be gone then. */
extern ModelEntry *model_argument_target(ModelArgument *argument, const RouteRule *rule);

/*
 * The bytes of a detoasted datum; none when it is too short to be one, as after a page went bad.
 */
static inline size_t
model_value_size(const struct varlena *value)
{
	return VARSIZE(value) < MODEL_PREFIX ? 0 : MODEL_SIZE(value);
}

/*
 * For functions that are called once: the entry of the first argument, or the model of its own version (whatever
 * routes there are), kept in the current context.
 */
extern ModelEntry *model_argument_entry(FunctionCallInfo fcinfo, RegistryPrivilege privilege);
extern const MlModel *model_argument_once(FunctionCallInfo fcinfo, RegistryPrivilege privilege);

#endif
