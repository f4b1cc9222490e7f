/*
 * Type ml_state: the transition state of every aggregate of ours.
 *
 * While it grows it is an expanded object that transition functions change in place.  PostgreSQL
 * flattens it when it passes from a parallel worker to its leader; Citus sends its text form from node to node.
 *
 * Outside form, the same for text (as hex) and binary: uint32 kind, the kind's own bytes, and
 * a 64-bit checksum of both, so that a wrong digit is an error before the kind looks at anything.  It is
 * in the byte order of the machine: a state lives as long as a query.  One of another byte order is
 * refused, because its kind is unknown.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/hash.h"
#include "pg/compat.h"
#include "pg/state.h"

#define FLAT_PREFIX MAXALIGN(VARHDRSZ + sizeof(uint32))
#define OUTSIDE_CHECKSUM sizeof(uint64)
#define OUTSIDE_MINIMUM (sizeof(uint32) + OUTSIDE_CHECKSUM)

/* How much of a wrong text an error shows. */
#define SHOWN_CHARACTERS 32

/* A flat state. */
typedef struct FlatState
{
	int32		vl_len_;
	uint32		kind;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];	/* at FLAT_PREFIX */
} FlatState;

StaticAssertDecl(offsetof(FlatState, bytes) == FLAT_PREFIX, "a kind's bytes are aligned");
StaticAssertDecl(STATE_FIT == 1 && STATE_CLASSIFICATION == 2 &&
				 STATE_SCORES == 3 && STATE_REGRESSION == 4 && STATE_LOSS == 5 && STATE_CALIBRATION == 6 &&
				 STATE_RANKING == 7 && STATE_POINTS == 8, "numbers of kinds never change");

static const StateKind *const state_kinds[] = {
	[STATE_FIT] = &fit_state_kind,
	[STATE_CLASSIFICATION] = &classification_state_kind,
	[STATE_SCORES] = &scores_state_kind,
	[STATE_REGRESSION] = &regression_state_kind,
	[STATE_LOSS] = &loss_state_kind,
	[STATE_CALIBRATION] = &calibration_state_kind,
	[STATE_RANKING] = &ranking_state_kind,
	[STATE_POINTS] = &points_state_kind,
};

static Size state_get_flat_size(ExpandedObjectHeader *eohptr);
static void state_flatten_into(ExpandedObjectHeader *eohptr, void *result, Size allocated_size);

static const ExpandedObjectMethods state_methods = {
	.get_flat_size = state_get_flat_size,
	.flatten_into = state_flatten_into,
};

PG_FUNCTION_INFO_V1(ml_state_in);
PG_FUNCTION_INFO_V1(ml_state_out);
PG_FUNCTION_INFO_V1(ml_state_recv);
PG_FUNCTION_INFO_V1(ml_state_send);

/* Fail when a state has outgrown what one datum can hold. */
static void
check_datum_size(Size size)
{
	if (AllocSizeIsValid(size))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("aggregate state is too large to pass between processes"),
			 errdetail("It needs %zu MB; a value can have at most %zu MB.",
					   size >> 20, (Size) MaxAllocSize >> 20),
			 errhint("Set max_parallel_workers_per_gather to 0, or aggregate fewer rows at a time.")));
}

static Size
state_get_flat_size(ExpandedObjectHeader *eohptr)
{
	ExpandedState *expanded = (ExpandedState *) eohptr;
	Size		size = FLAT_PREFIX + expanded->kind->flat_size(expanded->state);

	check_datum_size(size);
	return size;
}

static void
state_flatten_into(ExpandedObjectHeader *eohptr, void *result, Size allocated_size)
{
	ExpandedState *expanded = (ExpandedState *) eohptr;
	FlatState  *flat = result;

	SET_VARSIZE(flat, allocated_size);
	flat->kind = expanded->kind->id;
	expanded->kind->flatten(expanded->state, flat->bytes, allocated_size - FLAT_PREFIX);
}

ExpandedState *
state_create(const StateKind *kind, MemoryContext parent)
{
	MemoryContext memory = AllocSetContextCreate(parent, "ml_state", ALLOCSET_START_SMALL_SIZES);
	ExpandedState *expanded = MemoryContextAlloc(memory, sizeof(ExpandedState));

	EOH_init_header(&expanded->hdr, &state_methods, memory);
	expanded->magic = STATE_MAGIC;
	expanded->kind = kind;
	expanded->state = NULL;
	return expanded;
}

/* Fail when a state is not what a function works on. */
static void
check_kind(const StateKind *found, const StateKind *wanted)
{
	if (found != wanted)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate state of kind \"%s\" cannot be used as kind \"%s\"",
						found->name, wanted->name)));
}

/* The kind of a flat state; errors when there is no such kind. */
static const StateKind *
flat_kind(const FlatState *flat)
{
	if (VARSIZE(flat) < FLAT_PREFIX || flat->kind == STATE_INVALID || flat->kind >= lengthof(state_kinds))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state"),
				 errdetail("Its kind is unknown.")));
	return state_kinds[flat->kind];
}

/* The flat state of a datum, aligned. */
static FlatState *
flat_state(Datum datum)
{
	FlatState  *flat = (FlatState *) PG_DETOAST_DATUM(datum);

	if ((uintptr_t) flat != MAXALIGN((uintptr_t) flat))
	{
		FlatState  *copy = palloc(VARSIZE(flat));

		memcpy(copy, flat, VARSIZE(flat));
		flat = copy;
	}
	return flat;
}

/* An expanded state made from a flat one, all of it checked by its kind. */
static ExpandedState *
state_expand(const FlatState *flat, const StateKind *kind, MemoryContext parent)
{
	ExpandedState *expanded = state_create(kind, parent);

	expanded->state = kind->unflatten(flat->bytes, VARSIZE(flat) - FLAT_PREFIX, expanded->hdr.eoh_context);
	return expanded;
}

ExpandedState *
state_get(Datum datum, const StateKind *kind, MemoryContext parent)
{
	FlatState  *flat;

	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
	{
		ExpandedState *expanded = (ExpandedState *) DatumGetEOHP(datum);

		if (expanded->magic != STATE_MAGIC)
			elog(ERROR, "expanded object is not an ml_state");
		check_kind(expanded->kind, kind);
		return expanded;
	}
	flat = flat_state(datum);
	check_kind(flat_kind(flat), kind);
	return state_expand(flat, kind, parent);
}

MemoryContext
state_aggregate_memory(FunctionCallInfo fcinfo)
{
	MemoryContext memory;

	if (!AggCheckCallContext(fcinfo, &memory))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function is part of an aggregate and cannot be called by itself")));
	return memory;
}

/* The checksum of a state's kind and bytes. */
static uint64
state_checksum(const FlatState *flat)
{
	return ml_hash_bytes(flat->bytes, VARSIZE(flat) - FLAT_PREFIX, flat->kind);
}

/* How many bytes the outside form of a flat state has. */
static Size
outside_size(const FlatState *flat)
{
	return sizeof(uint32) + (VARSIZE(flat) - FLAT_PREFIX) + OUTSIDE_CHECKSUM;
}

/* Write the outside form of a flat state. */
static void
write_outside(const FlatState *flat, char *out)
{
	Size		size = VARSIZE(flat) - FLAT_PREFIX;
	uint64		checksum = state_checksum(flat);

	memcpy(out, &flat->kind, sizeof(uint32));
	memcpy(out + sizeof(uint32), flat->bytes, size);
	memcpy(out + sizeof(uint32) + size, &checksum, OUTSIDE_CHECKSUM);
}

/* A flat state from the outside form, checked whole. */
static FlatState *
read_outside(const char *bytes, Size length)
{
	FlatState  *flat;
	Size		size;
	uint64		checksum;
	MemoryContext scratch;

	if (length < OUTSIDE_MINIMUM)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state"),
				 errdetail("It has %zu bytes; the shortest has %zu.", length, OUTSIDE_MINIMUM)));
	size = length - OUTSIDE_MINIMUM;
	check_datum_size(FLAT_PREFIX + size);
	flat = palloc(FLAT_PREFIX + size);
	SET_VARSIZE(flat, FLAT_PREFIX + size);
	memcpy(&flat->kind, bytes, sizeof(uint32));
	memcpy(flat->bytes, bytes + sizeof(uint32), size);
	memcpy(&checksum, bytes + sizeof(uint32) + size, OUTSIDE_CHECKSUM);
	if (checksum != state_checksum(flat))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid aggregate state"),
				 errdetail("Its checksum does not match.")));

	scratch = AllocSetContextCreate(CurrentMemoryContext, "ml_state check", ALLOCSET_DEFAULT_SIZES);
	state_expand(flat, flat_kind(flat), scratch);
	MemoryContextDelete(scratch);
	return flat;
}

/* Read the text form: \x and hex digits. */
Datum
ml_state_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	Size		length = strlen(text);
	char	   *bytes;

	if (length < 2 || text[0] != '\\' || text[1] != 'x')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%.*s\"", "ml_state",
						pg_mbcliplen(text, length, SHOWN_CHARACTERS), text),
				 errdetail("An aggregate state begins with \\x.")));
	bytes = palloc((length - 2) / 2 + 1);
	length = hex_decode(text + 2, length - 2, bytes);
	PG_RETURN_POINTER(read_outside(bytes, length));
}

/* Write the text form. */
Datum
ml_state_out(PG_FUNCTION_ARGS)
{
	FlatState  *flat = flat_state(PG_GETARG_DATUM(0));
	Size		size = outside_size(flat);
	char	   *bytes;
	char	   *text;

	check_datum_size(2 * size + 3);
	bytes = palloc(size);
	text = palloc(2 * size + 3);
	write_outside(flat, bytes);
	text[0] = '\\';
	text[1] = 'x';
	hex_encode(bytes, size, text + 2);
	text[2 * size + 2] = '\0';
	pfree(bytes);
	PG_RETURN_CSTRING(text);
}

/* Read the binary form. */
Datum
ml_state_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length = message->len - message->cursor;

	PG_RETURN_POINTER(read_outside(pq_getmsgbytes(message, length), (Size) length));
}

/* Write the binary form. */
Datum
ml_state_send(PG_FUNCTION_ARGS)
{
	FlatState  *flat = flat_state(PG_GETARG_DATUM(0));
	Size		size = outside_size(flat);
	bytea	   *result;

	check_datum_size(VARHDRSZ + size);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	write_outside(flat, VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}
