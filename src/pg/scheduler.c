/*
 * The scheduler of a database: one process, while jobs wait or run or there is a schedule.
 *
 * A turn takes two short transactions.  In the first, jobs whose worker died are put back or given up, and schedules
 * that are due submit jobs; in the second, workers are started for the jobs that come first, up to
 * mlaas.max_workers, which find what the first has committed.
 * Between turns it sleeps until it is woken (by a commit that submitted, by a worker that
 * ended) or a schedule is due.  It changes no row that a session has locked and waits for no
 * lock on a table, so that no open transaction keeps it, and it leaves at once when the database or
 * the extension is being dropped.
 *
 * What it knows by heart is which workers it has started; all else is in the table and in the
 * locks (job.h), so that another scheduler can go on where one died.
 */
#include "pg/scheduler.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/compat.h"
#include "pg/job.h"
#include "pg/module.h"
#include "pg/registry_write.h"
#include "pg/schedule.h"

extern PGDLLEXPORT void ml_scheduler_main(Datum arg);

/* In milliseconds. */
#define LOOK_INTERVAL 2000		/* for a DROP that waits for us: the server gives up after 5 seconds */
#define BUSY_INTERVAL 5000		/* between turns while jobs wait or run */
#define REST_INTERVAL 60000		/* between turns otherwise */
#define RETRY_INTERVAL 1000		/* after a worker that could not be started */
#define IDLE_INTERVAL 5000		/* with nothing to do, before leaving */
#define LAST_LOOK 1000			/* between giving the lock back and the last look */
#define LOCK_TRIES 20
#define LOCK_NAP 50

#define PURGE_INTERVAL (60 * USECS_PER_SEC)

/* How many jobs one turn may find that may not run. */
#define MOST_REFUSED 100

/* A worker that was started. */
typedef struct StartedWorker
{
	int64		job;
	int32		attempts;		/* of the job, when it was started */
	BackgroundWorkerHandle *handle;
	struct StartedWorker *next;
} StartedWorker;

/* A job that waits, or runs. */
typedef struct OpenJob
{
	int64		id;
	int32		attempts;
	Oid			role;
	Oid			login;
	bool		cancel_requested;
	bool		running;
	char	   *schedule;
} OpenJob;

typedef enum Turn
{
	TURN_LEAVE,					/* nothing of ours is here any more, or not for long */
	TURN_LATER,					/* the table is locked */
	TURN_IDLE,					/* nothing to do */
	TURN_BUSY					/* jobs wait or run, or there are schedules */
} Turn;

/* The scheduler's state. */
static struct
{
	Oid			table;			/* mlaas.job, when it began */
	StartedWorker *workers;
	TimestampTz next_turn;
	TimestampTz purged;
	bool		warned;			/* that no process is free */
} scheduler;

/* ---- starting processes ---- */

void
worker_describe(BackgroundWorker *worker, const char *name, const char *type, const char *function)
{
	memset(worker, 0, sizeof *worker);
	strlcpy(worker->bgw_name, name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, type, BGW_MAXLEN);
	strlcpy(worker->bgw_library_name, "mlaas", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
}

void
worker_lift_timeouts(void)
{
	/* the last came with PostgreSQL 17 */
	static const char *const timeouts[] = {"statement_timeout", "lock_timeout", "transaction_timeout"};

	for (size_t i = 0; i < lengthof(timeouts); i++)
		if (GetConfigOption(timeouts[i], true, false) != NULL)
			SetConfigOption(timeouts[i], "0", PGC_SUSET, PGC_S_OVERRIDE);
}

bool
scheduler_start(Oid database, pid_t notify, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	worker_describe(&worker, "mlaas scheduler", "mlaas scheduler", "ml_scheduler_main");
	memcpy(worker.bgw_extra, &database, sizeof database);
	worker.bgw_notify_pid = notify;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* Start a worker for a job; false when no process is free. */
static bool
start_worker(const OpenJob *job, Oid connect_as)
{
	WorkerOrder order = {.job = job->id,.database = MyDatabaseId,.connect_as = connect_as,.role = job->role};
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	StartedWorker *started = palloc0(sizeof(StartedWorker));
	BackgroundWorker worker;
	bool		registered;

	worker_describe(&worker, psprintf("mlaas job " INT64_FORMAT, job->id), "mlaas job", "ml_job_worker_main");
	memcpy(worker.bgw_extra, &order, sizeof order);
	worker.bgw_notify_pid = MyProcPid;
	registered = RegisterDynamicBackgroundWorker(&worker, &started->handle);
	MemoryContextSwitchTo(old);
	if (!registered)
	{
		pfree(started);
		if (!scheduler.warned)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("job " INT64_FORMAT " waits for a free background worker", job->id),
					 errhint("Raise max_worker_processes.")));
		scheduler.warned = true;
		return false;
	}
	scheduler.warned = false;
	started->job = job->id;
	started->attempts = job->attempts;
	started->next = scheduler.workers;
	scheduler.workers = started;
	return true;
}

/* Is a process that was started for a job still there? */
static bool
has_worker(int64 job)
{
	for (const StartedWorker *w = scheduler.workers; w != NULL; w = w->next)
		if (w->job == job)
			return true;
	return false;
}

/* ---- what is in the table ---- */

/* Read the jobs that fulfil a condition. */
static List *
read_jobs(const char *condition, MemoryContext memory)
{
	List	   *jobs = NIL;

	writer_execute(psprintf("SELECT id, attempts, role, login, cancel_requested, state = 'running', schedule"
							" FROM mlaas.job WHERE %s", condition),
				   SPI_OK_SELECT, 0, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		OpenJob    *job = palloc(sizeof(OpenJob));

		job->id = DatumGetInt64(writer_result(i, 1));
		job->attempts = DatumGetInt32(writer_result(i, 2));
		job->role = DatumGetObjectId(writer_result(i, 3));
		job->login = DatumGetObjectId(writer_result(i, 4));
		job->cancel_requested = DatumGetBool(writer_result(i, 5));
		job->running = DatumGetBool(writer_result(i, 6));
		job->schedule = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 7);
		jobs = lappend(jobs, job);
		MemoryContextSwitchTo(old);
	}
	return jobs;
}

/* Lock the row of a job that is in this state; false when it is not, or a session has it locked. */
static bool
lock_row(int64 job, const char *state)
{
	ColumnValue values[] = {column_int64("id", job), column_text("state", state)};

	writer_execute("SELECT FROM mlaas.job WHERE id = $1 AND state = $2 FOR UPDATE SKIP LOCKED",
				   SPI_OK_SELECT, lengthof(values), values);
	return SPI_processed == 1;
}

/* Give a job up, or let it wait again, after an attempt that came to no end. */
static void
end_attempt(const OpenJob *job, int32 attempts, const char *message)
{
	ErrorData	error = {.sqlerrcode = ERRCODE_CRASH_SHUTDOWN,.message = unconstify(char *, message)};
	ColumnValue values[] = {
		column_int64("id", job->id),
		{"attempts", INT4OID, Int32GetDatum(attempts), false},
		column_text("message", message)
	};

	writer_execute("UPDATE mlaas.job SET attempts = $2, state = 'queued', message = $3 WHERE id = $1",
				   SPI_OK_UPDATE, lengthof(values), values);
	if (job->cancel_requested)
		job_fail(job->id, job->schedule, JOB_CANCELLED,
				 &(ErrorData) {.sqlerrcode = ERRCODE_QUERY_CANCELED,.message = "canceling job due to user request"});
	else if (attempts >= mlaas_job_attempts)
	{
		error.detail = psprintf("It was tried %d times; mlaas.job_attempts is %d.", attempts, mlaas_job_attempts);
		error.hint = "The server's log says why.";
		job_fail(job->id, job->schedule, JOB_FAILED, &error);
	}
	else
		job_notify(job->id, JOB_QUEUED);
}

/* ---- workers that have ended ---- */

/* A worker ended: if its job waits as it did before, it could not even begin. */
static void
check_start(const StartedWorker *worker, MemoryContext memory)
{
	List	   *jobs = read_jobs(psprintf("id = " INT64_FORMAT " AND state = 'queued' AND attempts = %d",
										 worker->job, worker->attempts), memory);

	if (jobs != NIL && lock_row(worker->job, JOB_QUEUED))
		end_attempt(linitial(jobs), worker->attempts + 1, "the worker process of the job ended before it could begin");
}

/* Forget the workers that have ended. */
static void
reap_workers(MemoryContext memory)
{
	StartedWorker **link = &scheduler.workers;

	while (*link != NULL)
	{
		StartedWorker *worker = *link;
		pid_t		pid;

		if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED)
		{
			link = &worker->next;
			continue;
		}
		*link = worker->next;
		check_start(worker, memory);
		pfree(worker->handle);
		pfree(worker);
	}
}

/* Let jobs that say "running" and have no worker wait again. */
static void
reap_jobs(MemoryContext memory)
{
	ListCell   *cell;

	foreach(cell, read_jobs("state = 'running'", memory))
	{
		const OpenJob *job = lfirst(cell);
		LOCKTAG		tag;

		job_tag(&tag, job->id);
		if (has_worker(job->id) || LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
			continue;
		if (lock_row(job->id, JOB_RUNNING))
			end_attempt(job, job->attempts, "the worker process of the job ended before the training did");
		LockRelease(&tag, ExclusiveLock, false);
	}
}

/* ---- starting jobs ---- */

/* Fail a job that may not run. */
static void
refuse(const OpenJob *job, int sqlstate, const char *message)
{
	if (lock_row(job->id, JOB_QUEUED))
		job_fail(job->id, job->schedule, JOB_FAILED,
				 &(ErrorData) {.sqlerrcode = sqlstate,.message = unconstify(char *, message),
				 .detail = "The job runs with the rights that its role has when it begins."});
}

/* The role that a worker of a job connects as; InvalidOid when the job was refused. */
static Oid
role_to_connect(const OpenJob *job)
{
	ColumnValue values[] = {
		{"role", OIDOID, ObjectIdGetDatum(job->role), false},
		{"login", OIDOID, ObjectIdGetDatum(job->login), false}
	};
	bool		role_logs_in;
	char	   *role;
	char	   *login;

	writer_execute("SELECT r.rolname, r.rolcanlogin, l.rolname, l.rolcanlogin,"
				   " pg_has_role(l.oid, r.oid, '" COMPAT_SET_ROLE "'),"
				   " has_database_privilege(CASE WHEN r.rolcanlogin THEN r.oid ELSE l.oid END,"
				   " current_database(), 'CONNECT')"
				   " FROM pg_roles r, pg_roles l WHERE r.oid = $1 AND l.oid = $2",
				   SPI_OK_SELECT, lengthof(values), values);
	if (SPI_processed == 0)
	{
		refuse(job, ERRCODE_UNDEFINED_OBJECT, "the role of the job, or that of its session, does not exist any more");
		return InvalidOid;
	}
	role = NameStr(*DatumGetName(writer_result(0, 1)));
	role_logs_in = DatumGetBool(writer_result(0, 2));
	login = NameStr(*DatumGetName(writer_result(0, 3)));
	if (!DatumGetBool(writer_result(0, 4)))
		refuse(job, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
			   psprintf("role \"%s\" is not permitted to log in", login));
	else if (!DatumGetBool(writer_result(0, 5)))
		refuse(job, ERRCODE_INSUFFICIENT_PRIVILEGE,
			   psprintf("role \"%s\" may not become role \"%s\" any more", login, role));
	else if (!DatumGetBool(writer_result(0, 6)))
		refuse(job, ERRCODE_INSUFFICIENT_PRIVILEGE,
			   psprintf("role \"%s\" may not connect to this database any more", role_logs_in ? role : login));
	else
		return role_logs_in ? job->role : job->login;
	return InvalidOid;
}

/* How many workers there are, those of an earlier scheduler included. */
static int
count_workers(List *jobs)
{
	int			count = 0;
	ListCell   *cell;

	for (const StartedWorker *w = scheduler.workers; w != NULL; w = w->next)
		count++;
	foreach(cell, jobs)
	{
		const OpenJob *job = lfirst(cell);

		count += job->running && !has_worker(job->id);
	}
	return count;
}

/* Start workers for the first of the jobs that wait, while fewer than allowed run; false when no process is free. */
static bool
start_jobs(List *jobs)
{
	int			workers = count_workers(jobs);
	ListCell   *cell;

	foreach(cell, jobs)
	{
		const OpenJob *job = lfirst(cell);
		Oid			connect_as;

		if (workers >= mlaas_max_workers)
			break;
		if (job->running || has_worker(job->id))
			continue;
		connect_as = role_to_connect(job);
		if (!OidIsValid(connect_as))
			continue;
		if (!start_worker(job, connect_as))
			return false;
		workers++;
	}
	return true;
}

/* ---- a turn ---- */

/* Delete jobs that have been over for long; the last one stays, so that no number is given twice. */
static void
purge(void)
{
	TimestampTz now = GetCurrentTimestamp();
	ColumnValue before = {"before", TIMESTAMPTZOID, (Datum) 0, false};

	if (now - scheduler.purged < PURGE_INTERVAL)
		return;
	scheduler.purged = now;
	before.value = TimestampTzGetDatum(now - mlaas_job_retention * USECS_PER_SEC);
	writer_execute("DELETE FROM mlaas.job WHERE finished_at < $1 AND state NOT IN ('queued', 'running')"
				   " AND id < (SELECT max(id) FROM mlaas.job)",
				   SPI_OK_DELETE, 1, &before);
}

/* Does somebody wait for this database to be dropped, renamed, moved or copied? */
static bool
database_is_wanted(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	/* what a new connection takes */
	if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, false);
	return false;
}

/* When the next turn is due, and whether there is anything to wait for. */
static Turn
plan_next(bool any_jobs, bool retry)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		any_schedules;
	TimestampTz next = schedules_next(&any_schedules);
	int			interval = retry ? RETRY_INTERVAL : any_jobs ? BUSY_INTERVAL : REST_INTERVAL;

	scheduler.next_turn = Min(next, TimestampTzPlusMilliseconds(now, interval));
	if (any_jobs || any_schedules)
		return TURN_BUSY;
	scheduler.next_turn = TimestampTzPlusMilliseconds(now, IDLE_INTERVAL);
	return TURN_IDLE;
}

/* The first half of a turn: what has ended, and what is due. */
static Turn
put_in_order(void)
{
	MemoryContext memory = CurrentMemoryContext;
	Writer		writer;

	schedules_run();
	writer_begin(&writer, "the scheduler of jobs");
	reap_workers(memory);
	reap_jobs(memory);
	purge();
	writer_end(&writer);
	return TURN_BUSY;
}

/* The second half: what can begin. */
static Turn
begin_jobs(void)
{
	MemoryContext memory = CurrentMemoryContext;
	Writer		writer;
	List	   *jobs;
	Turn		turn;

	writer_begin(&writer, "the scheduler of jobs");
	/* running ones first; in one look, so that a job on its way from waiting to running is counted once */
	jobs = read_jobs(psprintf("state IN ('queued', 'running') ORDER BY state DESC, priority DESC, id LIMIT %d",
							  2 * mlaas_max_workers + MOST_REFUSED), memory);
	turn = plan_next(jobs != NIL, !start_jobs(jobs));
	writer_end(&writer);
	return turn;
}

/* Do half of a turn in a transaction. */
static Turn
in_transaction(Turn (*half) (void))
{
	Turn		turn = TURN_LEAVE;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!database_is_wanted() && job_table() == scheduler.table)
	{
		/* somebody who drops or alters it comes first */
		if (ConditionalLockRelationOid(scheduler.table, AccessShareLock))
			turn = job_table() == scheduler.table ? half() : TURN_LEAVE;
		else
			turn = TURN_LATER;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return turn;
}

/* One turn. */
static Turn
take_turn(void)
{
	Turn		turn;

	pgstat_report_activity(STATE_RUNNING, "scheduling jobs");
	turn = in_transaction(put_in_order);
	if (turn == TURN_BUSY)
		turn = in_transaction(begin_jobs);
	if (turn == TURN_LATER)
		scheduler.next_turn = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_INTERVAL);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return turn;
}

/* ---- the process ---- */

/* Sleep until the next turn is due or somebody wakes us; false when the database is wanted. */
static bool
sleep_until_turn(void)
{
	for (;;)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), scheduler.next_turn);
		bool		wanted;
		int			event;

		if (left <= 0)
			return true;
		event = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, LOOK_INTERVAL),
						  PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			return true;
		}
		if (event & WL_LATCH_SET)
			return true;
		StartTransactionCommand();
		wanted = database_is_wanted();
		CommitTransactionCommand();
		if (wanted)
			return false;
	}
}

/* Take the lock of the scheduler; false when there is another, or nothing to schedule. */
static bool
become_scheduler(void)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		LockAcquireResult result = LOCKACQUIRE_NOT_AVAIL;
		LOCKTAG		tag;

		StartTransactionCommand();
		scheduler.table = job_table();
		if (OidIsValid(scheduler.table))
		{
			job_scheduler_tag(&tag, scheduler.table);
			result = LockAcquire(&tag, ExclusiveLock, true, true);
		}
		CommitTransactionCommand();
		if (result != LOCKACQUIRE_NOT_AVAIL)
			return true;
		if (!OidIsValid(scheduler.table))
			return false;
		/* a session that looks whether we are here holds it for an instant */
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_NAP, PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}
	return false;
}

/* Give the lock back. */
static void
resign(void)
{
	LOCKTAG		tag;

	job_scheduler_tag(&tag, scheduler.table);
	LockRelease(&tag, ExclusiveLock, true);
}

/* Turn after turn; true when it ends for want of work. */
static bool
schedule(void)
{
	bool		idle = false;

	for (;;)
	{
		Turn		turn = take_turn();

		if (turn == TURN_LEAVE)
			return false;
		if (turn == TURN_IDLE && idle && scheduler.workers == NULL)
			return true;
		idle = turn == TURN_IDLE;
		if (!sleep_until_turn())
			return false;
	}
}

/* Is there work after all, of a session that saw us and did not start another? */
static bool
has_late_work(void)
{
	bool		found;

	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LAST_LOOK, PG_WAIT_EXTENSION);
	CHECK_FOR_INTERRUPTS();
	StartTransactionCommand();
	found = !database_is_wanted() && scheduler_has_work();
	CommitTransactionCommand();
	return found;
}

/* The process's whole life. */
void
ml_scheduler_main(Datum arg)
{
	Oid			database;

	(void) arg;
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof database);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	job_release_at_exit();
	worker_lift_timeouts();
	while (become_scheduler() && schedule())
	{
		resign();
		if (!has_late_work())
			break;
	}
	proc_exit(0);
}
