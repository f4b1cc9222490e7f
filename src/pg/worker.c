/*
 * The process that runs one job.
 *
 * It is connected as the role of the job; where that may not log in, as the role that the submitting
 * session was logged in as, and then becomes it in a way that nothing in the training can undo.
 *
 * Two transactions.  The first locks the job and says that it runs.  The second calls ml_train in a
 * subtransaction, and says how it ended: either the version and "succeeded" are committed together,
 * or the subtransaction is undone and "failed" or "cancelled" is.  The lock stays until the process
 * exits, since the second transaction is never aborted.  A process that dies on its way says
 * nothing: its scheduler finds the job not locked.
 */
#include "pg/scheduler.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "pg/job.h"
#include "pg/progress.h"
#include "pg/registry_write.h"
#include "pg/schedule.h"

extern PGDLLEXPORT void ml_job_worker_main(Datum arg);

/* Begin a transaction as ml_train needs it, whatever the defaults of the role. */
static void
begin_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Lock and take the job; false when there is nothing to be done. */
static bool
take_job(const WorkerOrder *order, JobClaim *claim)
{
	bool		taken;
	LOCKTAG		tag;

	begin_transaction();
	taken = OidIsValid(job_table());
	if (taken)
	{
		job_tag(&tag, order->job);
		taken = LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
	}
	if (taken)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		taken = job_claim(order->job, claim) && claim->role == order->role;
		MemoryContextSwitchTo(old);
	}
	commit_transaction();
	return taken;
}

/* Call ml_train; returns the version. */
static int32
call_train(const JobClaim *claim)
{
	Oid			types[TRAIN_ARGUMENTS];
	Datum		values[TRAIN_ARGUMENTS];
	char		nulls[TRAIN_ARGUMENTS];
	StringInfoData sql;
	bool		isnull;
	int32		version;

	job_argument_values(claim->arguments, types, values, nulls);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT version FROM %s(", claim->function);
	for (int i = 0; i < TRAIN_ARGUMENTS; i++)
		appendStringInfo(&sql, "%s$%d", i == 0 ? "" : ", ", i + 1);
	appendStringInfoChar(&sql, ')');
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql.data, TRAIN_ARGUMENTS, types, values, nulls, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "ml_train returned no row");
	version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	return version;
}

/* Train as the role of the job and with its settings, and say that it succeeded; cancels are held off at the end. */
static void
train(const JobClaim *claim)
{
	Oid			user;
	int			context;
	int32		version;

	job_settings_apply(claim->settings);
	GetUserIdAndSecContext(&user, &context);
	if (user != claim->role)
		SetUserIdAndSecContext(claim->role, context | SECURITY_LOCAL_USERID_CHANGE);
	version = call_train(claim);
	SetUserIdAndSecContext(user, context);
	/* from here on a cancel comes too late, or is seen in the row */
	HOLD_CANCEL_INTERRUPTS();
	if (!job_succeed(claim, version))
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling job due to user request")));
}

/* Say how the job failed. */
static void
fail(const JobClaim *claim, const ErrorData *error)
{
	bool		cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	Writer		writer;

	writer_begin(&writer, "a job");
	job_fail(claim->id, claim->schedule, cancelled ? JOB_CANCELLED : JOB_FAILED, error);
	writer_end(&writer);
}

/* Run the job that was taken. */
static void
run_job(JobClaim *claim)
{
	MemoryContext memory;
	ResourceOwner owner;
	ErrorData  *error = NULL;
	uint32		cancel_held = QueryCancelHoldoffCount;

	begin_transaction();
	memory = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	claim->counts = schedule_counts(claim->schedule);
	BeginInternalSubTransaction("training");
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		RESUME_CANCEL_INTERRUPTS();
		train(claim);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		/* an error sets the count back */
		QueryCancelHoldoffCount = cancel_held;
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		fail(claim, error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
	commit_transaction();
}

/* Show in pg_stat_activity and in the log what the process does. */
static void
show_activity(const JobClaim *claim)
{
	char	   *text = MemoryContextStrdup(TopMemoryContext,
										   psprintf("job " INT64_FORMAT ": ml_train('%s', ...)", claim->id,
													claim->name));

	debug_query_string = text;
	pgstat_report_activity(STATE_RUNNING, text);
	SetConfigOption("application_name", psprintf("mlaas job " INT64_FORMAT, claim->id), PGC_USERSET, PGC_S_SESSION);
}

/* The process's whole life. */
void
ml_job_worker_main(Datum arg)
{
	WorkerOrder order;
	JobClaim	claim;

	(void) arg;
	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof order);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(order.database, order.connect_as, 0);
	job_release_at_exit();
	worker_lift_timeouts();

	/* only the training itself is cancelled */
	HOLD_CANCEL_INTERRUPTS();
	if (take_job(&order, &claim))
	{
		show_activity(&claim);
		progress_set_job(claim.id);
		run_job(&claim);
	}
	RESUME_CANCEL_INTERRUPTS();
	QueryCancelPending = false;
	proc_exit(0);
}
