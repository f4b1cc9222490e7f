/*
 * Waking and starting a database's scheduler from its sessions.
 *
 * What a transaction submits is to be seen when it is looked for, so that the scheduler is woken
 * after the commit.  After a commit nothing may fail: whose latch to set and whom to signal is found
 * out just before, and what is left to do then takes no memory.
 *
 * Known race: a scheduler that has nothing to do gives its lock back, waits a moment, looks once more
 * and exits.  A commit that takes longer than this moment finds it gone and starts another.  Where
 * a process dies between the two, the job waits until the next call that has to do with jobs.
 */
#include "pg/scheduler.h"

#include <signal.h>

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/job.h"

/* A process that has just been started needs a moment before it has its lock. */
#define START_INTERVAL (1000 * 1000L)	/* microseconds */

/* What to do at the end of the transaction; jobs and pids live in its memory. */
static struct
{
	bool		wake;
	int			scheduler;		/* its process; 0 = none */
	int			count;
	int			capacity;
	int64	   *jobs;			/* to be cancelled */
	int		   *pids;
} at_commit;

/* Find out which processes to wake and signal. */
static void
find_processes(void)
{
	Oid			table = job_table();
	LOCKTAG		tag;

	if (!OidIsValid(table))
		return;
	if (at_commit.wake)
	{
		job_scheduler_tag(&tag, table);
		at_commit.scheduler = job_lock_holder(&tag);
	}
	for (int i = 0; i < at_commit.count; i++)
	{
		job_tag(&tag, at_commit.jobs[i]);
		at_commit.pids[i] = job_lock_holder(&tag);
	}
}

/* Set the latch of a process; false when it is gone. */
static bool
wake_process(int pid)
{
	PGPROC	   *process = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (process == NULL)
		return false;
	SetLatch(&process->procLatch);
	return true;
}

/* Start the scheduler of this database; a warning when that is not possible. */
static void
start_scheduler(void)
{
	static TimestampTz started = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now - started < START_INTERVAL)
		return;
	started = now;
	if (!scheduler_start(MyDatabaseId, 0, NULL))
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the scheduler of jobs could not be started"),
				 errdetail("All background workers of the server are in use; jobs wait."),
				 errhint("Raise max_worker_processes, and look at mlaas.jobs once one is free.")));
}

/* The transaction has been committed: wake and signal. */
static void
act(void)
{
	if (at_commit.wake && !wake_process(at_commit.scheduler))
		start_scheduler();
	for (int i = 0; i < at_commit.count; i++)
		if (at_commit.pids[i] != 0 && BackendPidGetProc(at_commit.pids[i]) != NULL)
			kill(at_commit.pids[i], SIGINT);
}

/* Called at the end of every transaction of a session that has submitted or cancelled. */
static void
transaction_callback(XactEvent event, void *arg)
{
	(void) arg;
	if (!at_commit.wake && at_commit.count == 0)
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
	{
		find_processes();
		return;
	}
	if (event == XACT_EVENT_COMMIT)
		act();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		memset(&at_commit, 0, sizeof at_commit);
}

/* Have the callback called. */
static void
register_callback(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(transaction_callback, NULL);
	registered = true;
}

void
scheduler_wake(void)
{
	register_callback();
	at_commit.wake = true;
}

void
scheduler_cancel(int64 job)
{
	register_callback();
	if (at_commit.count == at_commit.capacity)
	{
		int			capacity = Max(2 * at_commit.capacity, 8);
		int64	   *jobs = MemoryContextAlloc(TopTransactionContext, sizeof(int64) * capacity);

		if (at_commit.count > 0)
			memcpy(jobs, at_commit.jobs, sizeof(int64) * at_commit.count);
		at_commit.jobs = jobs;
		at_commit.pids = MemoryContextAllocZero(TopTransactionContext, sizeof(int) * capacity);
		at_commit.capacity = capacity;
	}
	at_commit.jobs[at_commit.count++] = job;
}

/* Has an index of a table any row that the snapshot sees? */
static bool
has_rows(Oid table_oid, const char *index)
{
	Relation	table = table_open(table_oid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(table, get_relname_relid(index, RelationGetNamespace(table)), true,
										  GetActiveSnapshot(), 0, NULL);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found;
}

bool
scheduler_has_work(void)
{
	Oid			table = job_table();
	Oid			schedules;
	bool		found;

	if (!OidIsValid(table))
		return false;
	schedules = get_relname_relid("schedule", get_rel_namespace(table));
	PushActiveSnapshot(GetLatestSnapshot());
	found = has_rows(table, "job_open") || (OidIsValid(schedules) && has_rows(schedules, "schedule_pkey"));
	PopActiveSnapshot();
	return found;
}

void
scheduler_ensure(void)
{
	LOCKTAG		tag;

	if (RecoveryInProgress() || IsParallelWorker() || !scheduler_has_work())
		return;
	job_scheduler_tag(&tag, job_table());
	if (LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	LockRelease(&tag, ShareLock, false);
	start_scheduler();
}
