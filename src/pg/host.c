/*
 * The engine's Context on PostgreSQL: a memory context of its own, interrupts, ereport.
 */
#include "postgres.h"

#include <sched.h>
#include <unistd.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "storage/pmsignal.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "pg/host.h"
#include "pg/module.h"

/* A Context and its memory, in which it lies itself. */
typedef struct HostContext
{
	MlContext	ctx;
	MemoryContext memory;
} HostContext;

/* SQLSTATE by MlErrorCode. */
static const int error_sqlstates[] = {
	[ML_ERROR_INTERNAL] = ERRCODE_INTERNAL_ERROR,
	[ML_ERROR_INVALID_PARAMETER] = ERRCODE_INVALID_PARAMETER_VALUE,
	[ML_ERROR_UNDEFINED] = ERRCODE_UNDEFINED_OBJECT,
	[ML_ERROR_INVALID_DATA] = ERRCODE_DATA_EXCEPTION,
	[ML_ERROR_WRONG_TYPE] = ERRCODE_DATATYPE_MISMATCH,
	[ML_ERROR_CORRUPTED] = ERRCODE_DATA_CORRUPTED,
	[ML_ERROR_MEMORY] = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	[ML_ERROR_UNSUPPORTED] = ERRCODE_FEATURE_NOT_SUPPORTED,
	[ML_ERROR_SYNTAX] = ERRCODE_INVALID_TEXT_REPRESENTATION,
};

static int	host_threads(void);
static void *host_alloc(MlContext *ctx, size_t size);
static void host_free(MlContext *ctx, void *block);
static void host_defer(MlContext *ctx, void (*release) (void *arg), void *arg);
static void host_check(MlContext *ctx);
static bool host_interrupted(MlContext *ctx);
static void host_raise(MlContext *ctx, const MlError *error);
static void host_warn(MlContext *ctx, const char *message, const char *detail);

MlContext *
host_context_create(MemoryContext parent, const char *name, bool limit)
{
	MemoryContext memory = AllocSetContextCreate(parent, "mlaas engine", ALLOCSET_START_SMALL_SIZES);
	HostContext *host;

	MemoryContextSetIdentifier(memory, MemoryContextStrdup(memory, name));
	host = MemoryContextAllocZero(memory, sizeof(HostContext));
	host->memory = memory;
	host->ctx = (MlContext) {
		.alloc = host_alloc,
		.free = host_free,
		.defer = host_defer,
		.check = host_check,
		.interrupted = host_interrupted,
		.raise = host_raise,
		.warn = host_warn,
		.host = host,
		.max_threads = host_threads(),
		.max_memory = limit ? (size_t) mlaas_max_memory * 1024 : 0,
	};
	return &host->ctx;
}

void
host_context_delete(MlContext *ctx)
{
	MemoryContextDelete(host_context_memory(ctx));
}

MemoryContext
host_context_memory(MlContext *ctx)
{
	return ((HostContext *) ctx->host)->memory;
}

/* Give the number of threads that a call may use now. */
static int
host_threads(void)
{
	cpu_set_t	cores;
	long		online;

	/* a parallel query spreads its work by processes */
	if (IsParallelWorker())
		return 1;
	if (mlaas_max_threads > 0)
		return mlaas_max_threads;
	/* the cores this process may run on, which an administrator may have cut down */
	if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
		return Max(CPU_COUNT(&cores), 1);
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (int) online : 1;
}

/* Allocate from the context's memory, above 1 GB too. */
static void *
host_alloc(MlContext *ctx, size_t size)
{
	if (!AllocHugeSizeIsValid(size))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("requested size of %zu bytes is too large", size)));
	return MemoryContextAllocHuge(host_context_memory(ctx), size);
}

/* Return a block early. */
static void
host_free(MlContext *ctx, void *block)
{
	(void) ctx;
	pfree(block);
}

/* Call release when the context's memory goes, after an error too. */
static void
host_defer(MlContext *ctx, void (*release) (void *arg), void *arg)
{
	MemoryContext memory = host_context_memory(ctx);
	MemoryContextCallback *callback = MemoryContextAlloc(memory, sizeof(MemoryContextCallback));

	callback->func = release;
	callback->arg = arg;
	MemoryContextRegisterResetCallback(memory, callback);
}

/* Let a cancel, a timeout or a terminate end the call. */
static void
host_check(MlContext *ctx)
{
	(void) ctx;
	CHECK_FOR_INTERRUPTS();
	/* a training that went on would keep the server from being started again */
	if (!PostmasterIsAlive())
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("terminating training because the server's main process is gone")));
}

/*
 * Tell that host_check would not return.  Threads call it: it reads flags and nothing else.  While
 * interrupts are held off a pending one ends nothing yet, so it does not count.
 */
static bool
host_interrupted(MlContext *ctx)
{
	(void) ctx;
	return InterruptPending && InterruptHoldoffCount == 0 && CritSectionCount == 0 &&
		(ProcDiePending || (QueryCancelPending && QueryCancelHoldoffCount == 0));
}

/* Report the engine's error and unwind. */
static void
host_raise(MlContext *ctx, const MlError *error)
{
	(void) ctx;
	Assert((int) error->code >= 0 && (size_t) error->code < lengthof(error_sqlstates));
	ereport(ERROR,
			(errcode(error_sqlstates[error->code]),
			 errmsg_internal("%s", error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* Report what is worth knowing. */
static void
host_warn(MlContext *ctx, const char *message, const char *detail)
{
	(void) ctx;
	ereport(WARNING,
			(errmsg_internal("%s", message),
			 detail != NULL ? errdetail_internal("%s", detail) : 0));
}

struct varlena *
model_datum(const void *bytes, size_t size)
{
	struct varlena *datum;

	if (size > MaxAllocSize - MODEL_PREFIX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model is too large"),
				 errdetail("It takes %zu bytes, and a value of type ml_model holds at most %zu.",
						   size, (size_t) MaxAllocSize - MODEL_PREFIX),
				 errhint("Use fewer features, or columns with fewer categories.")));
	datum = palloc(MODEL_PREFIX + size);
	memset(datum, 0, MODEL_PREFIX);
	SET_VARSIZE(datum, MODEL_PREFIX + size);
	memcpy((char *) datum + MODEL_PREFIX, bytes, size);
	return datum;
}

char *
jsonb_scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		default:
			return NULL;
	}
}

char *
jsonb_cstring(Datum jsonb)
{
	Jsonb	   *value = DatumGetJsonbP(jsonb);

	return JsonbToCString(NULL, &value->root, VARSIZE(value));
}
