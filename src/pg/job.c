/*
 * ml_submit, ml_cancel and ml_wait.
 */
#include "pg/job.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/module.h"
#include "pg/registry_write.h"
#include "pg/scheduler.h"

PG_FUNCTION_INFO_V1(ml_submit);
PG_FUNCTION_INFO_V1(ml_cancel);
PG_FUNCTION_INFO_V1(ml_wait);

#define Anum_job_id		1
#define Anum_job_role	2
#define Anum_job_state	11

/* How long ml_wait sleeps between two looks, in milliseconds. */
#define FIRST_NAP 20
#define LONGEST_NAP 500

/* ---- submitting ---- */

/* Error when as many jobs wait as may. */
static void
check_queue(void)
{
	int64		queued;

	writer_execute("SELECT count(*) FROM mlaas.job WHERE state = 'queued'", SPI_OK_SELECT, 0, NULL);
	queued = DatumGetInt64(writer_result(0, 1));
	if (queued >= mlaas_max_queued_jobs)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many jobs are waiting"),
				 errdetail("There are " INT64_FORMAT " of them, and mlaas.max_queued_jobs is %d.",
						   queued, mlaas_max_queued_jobs),
				 errhint("Wait until some are over, cancel some with ml_cancel, or raise the setting.")));
}

/* Let a worker train: check the arguments and insert a job. */
Datum
ml_submit(PG_FUNCTION_ARGS)
{
	JobRequest	request;
	Writer		writer;
	int64		job;

	PreventCommandIfReadOnly("ml_submit()");
	job_check_arguments(fcinfo);
	job_request_init(fcinfo, &request);
	writer_begin(&writer, "ml_submit()");
	check_queue();
	job = job_insert(&request);
	writer_end(&writer);
	scheduler_wake();
	PG_RETURN_INT64(job);
}

/* ---- rights ---- */

/* Raise the error for a number that no job has. */
static void
pg_attribute_noreturn()
raise_no_job(int64 job)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("job " INT64_FORMAT " does not exist", job),
			 errhint("mlaas.jobs lists those that you may see; those that are over are kept for "
					 "mlaas.job_retention.")));
}

/* Error unless a user belongs to the role of a job. */
static void
check_rights(int64 job, Oid user, Oid role)
{
	if (!has_privs_of_role(user, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for job " INT64_FORMAT, job),
				 errdetail("Only members of the role that submitted a job may use it.")));
}

/* ---- cancelling ---- */

/* Cancel a job that waits, or ask the worker of one that runs to end. */
Datum
ml_cancel(PG_FUNCTION_ARGS)
{
	int64		job = PG_GETARG_INT64(0);
	ColumnValue id = column_int64("id", job);
	Writer		writer;
	char	   *state;
	bool		waits;
	bool		runs;

	writer_begin(&writer, "ml_cancel()");
	writer_execute("SELECT role, state FROM mlaas.job WHERE id = $1 FOR UPDATE", SPI_OK_SELECT, 1, &id);
	if (SPI_processed == 0)
		raise_no_job(job);
	check_rights(job, writer.caller, DatumGetObjectId(writer_result(0, 1)));
	state = TextDatumGetCString(writer_result(0, 2));
	waits = strcmp(state, JOB_QUEUED) == 0;
	runs = strcmp(state, JOB_RUNNING) == 0;
	if (waits)
		job_fail(job, NULL, JOB_CANCELLED,
				 &(ErrorData) {.sqlerrcode = ERRCODE_QUERY_CANCELED,.message = "canceling job due to user request"});
	if (waits || runs)
		writer_execute("UPDATE mlaas.job SET cancel_requested = true WHERE id = $1", SPI_OK_UPDATE, 1, &id);
	writer_end(&writer);
	if (runs)
		scheduler_cancel(job);
	PG_RETURN_BOOL(waits || runs);
}

/* ---- waiting ---- */

/* What a look at a job finds. */
typedef struct JobLook
{
	bool		found;
	bool		own;			/* this transaction wrote the row */
	Oid			role;
	char	   *state;
} JobLook;

/* Look at a job as it is now, whatever the statement's snapshot. */
static JobLook
look_at(int64 job)
{
	Oid			oid = job_table();
	JobLook		look = {0};
	Relation	table;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	if (!OidIsValid(oid))
		return look;
	PushActiveSnapshot(GetLatestSnapshot());
	table = table_open(oid, AccessShareLock);
	ScanKeyInit(&key, Anum_job_id, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(job));
	scan = systable_beginscan(table, get_relname_relid("job_pkey", RelationGetNamespace(table)), true,
							  GetActiveSnapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(table);

		look.found = true;
		look.own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
		look.role = DatumGetObjectId(heap_getattr(tuple, Anum_job_role, desc, &isnull));
		look.state = TextDatumGetCString(heap_getattr(tuple, Anum_job_state, desc, &isnull));
	}
	systable_endscan(scan);
	/* a lock until the commit would keep DROP EXTENSION waiting */
	table_close(table, AccessShareLock);
	PopActiveSnapshot();
	return look;
}

/* Is a job in this state over? */
static bool
is_over(const char *state)
{
	return strcmp(state, JOB_QUEUED) != 0 && strcmp(state, JOB_RUNNING) != 0;
}

/* When to give up; DT_NOEND for a timeout that is NULL. */
static TimestampTz
deadline_of(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(1)));
}

/* Wait until a job is over, or the time is up; returns its state. */
Datum
ml_wait(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = deadline_of(fcinfo);
	long		nap = FIRST_NAP;
	long		napped = 0;
	int64		job;
	JobLook		look;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	job = PG_GETARG_INT64(0);
	for (;;)
	{
		long		left;

		look = look_at(job);
		if (!look.found)
			raise_no_job(job);
		check_rights(job, GetUserId(), look.role);
		if (is_over(look.state))
			break;
		if (look.own)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " was submitted or changed by this transaction", job),
					 errdetail("A job begins when the transaction that submitted it has been committed."),
					 errhint("Commit first, then wait.")));
		if (napped % 1000 < nap)
			scheduler_ensure();
		left = deadline == DT_NOEND ? nap : TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (left <= 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(nap, left), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		napped += nap;
		nap = Min(nap + nap / 2, LONGEST_NAP);
		pfree(look.state);
	}
	PG_RETURN_TEXT_P(cstring_to_text(look.state));
}
