/*
 * The rows and locks of jobs (job.h).
 */
#include "pg/job.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "pg/registry_write.h"
#include "pg/schedule.h"

/* Parts of the table that are locked: no relation has columns of these numbers. */
#define PART_SCHEDULER 0xfff1
#define PART_NUMBERS 0xfff2

#define Anum_job_id 1

/* ---- locks ---- */

Oid
job_table(void)
{
	Oid			schema = get_namespace_oid("mlaas", true);

	return OidIsValid(schema) ? get_relname_relid("job", schema) : InvalidOid;
}

/* The table of jobs, which must be there. */
static Oid
need_table(void)
{
	Oid			table = job_table();

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"mlaas.job\" does not exist"),
				 errhint("Create the extension with CREATE EXTENSION mlaas.")));
	return table;
}

void
job_scheduler_tag(LOCKTAG *tag, Oid table)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, table, PART_SCHEDULER);
}

/* A job is an object of a class that is its table: no object of the server is. */
void
job_tag(LOCKTAG *tag, int64 job)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, need_table(), (uint32) job, (uint16) (job >> 32));
}

/* The process exits: end what it was in the middle of, as the server would do next, and then its locks. */
static void
release_locks(int code, Datum arg)
{
	(void) code;
	(void) arg;
	AbortOutOfAnyTransaction();
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

void
job_release_at_exit(void)
{
	before_shmem_exit(release_locks, (Datum) 0);
}

int
job_lock_holder(const LOCKTAG *tag)
{
	LockData   *locks = GetLockStatusData();

	for (int i = 0; i < locks->nelements; i++)
		if (memcmp(&locks->locks[i].locktag, tag, sizeof(LOCKTAG)) == 0 &&
			locks->locks[i].holdMask & LOCKBIT_ON(ExclusiveLock))
			return locks->locks[i].pid;
	return 0;
}

/* ---- inserting ---- */

/* The highest number there is, of transactions under way too. */
static int64
highest_number(Oid table)
{
	Relation	relation = table_open(table, AccessShareLock);
	Relation	index = index_open(get_relname_relid("job_pkey", RelationGetNamespace(relation)), AccessShareLock);
	SnapshotData dirty;
	SysScanDesc scan;
	HeapTuple	tuple;
	int64		number = 0;
	bool		isnull;

	InitDirtySnapshot(dirty);
	scan = systable_beginscan_ordered(relation, index, &dirty, 0, NULL);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
		number = DatumGetInt64(heap_getattr(tuple, Anum_job_id, RelationGetDescr(relation), &isnull));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(relation, NoLock);
	return number;
}

int64
job_insert(const JobRequest *request)
{
	Oid			table = need_table();
	LOCKTAG		numbers;
	int64		job;

	SET_LOCKTAG_OBJECT(numbers, MyDatabaseId, RelationRelationId, table, PART_NUMBERS);
	(void) LockAcquire(&numbers, ExclusiveLock, false, false);
	job = highest_number(table) + 1;
	{
		ColumnValue values[] = {
			column_int64("id", job),
			{"role", REGROLEOID, ObjectIdGetDatum(request->role), false},
			{"login", REGROLEOID, ObjectIdGetDatum(request->login), false},
			{"priority", INT4OID, Int32GetDatum(request->priority), false},
			column_time("submitted_at"),
			column_text("state", JOB_QUEUED),
			column_text("name", request->name),
			column_text("schedule", request->schedule),
			{"arguments", JSONBOID, request->arguments, false},
			{"settings", JSONBOID, request->settings, false}
		};

		writer_insert("job", lengthof(values), values);
	}
	LockRelease(&numbers, ExclusiveLock, false);
	job_notify(job, JOB_QUEUED);
	return job;
}

void
job_notify(int64 job, const char *state)
{
	Async_Notify(JOB_CHANNEL, psprintf("{\"job\": " INT64_FORMAT ", \"state\": \"%s\"}", job, state));
}

/* ---- the worker's states ---- */

/* A text column of the first row; NULL when it is. */
static char *
result_text(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

bool
job_claim(int64 job, JobClaim *claim)
{
	MemoryContext memory = CurrentMemoryContext;
	MemoryContext old;
	Writer		writer;
	bool		found;
	ColumnValue values[] = {
		column_int64("id", job),
		column_time("now"),
		column_text("state", JOB_RUNNING)
	};

	writer_begin(&writer, "a job");
	writer_execute("UPDATE mlaas.job SET state = $3, attempts = attempts + 1, started_at = $2,"
				   " sqlstate = NULL, message = NULL, detail = NULL, hint = NULL"
				   " WHERE id = (SELECT id FROM mlaas.job WHERE id = $1 AND state = 'queued' FOR UPDATE SKIP LOCKED)"
				   " RETURNING role, name, schedule, arguments, settings,"
				   " (SELECT quote_ident(n.nspname) || '.ml_train' FROM pg_extension e"
				   " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'mlaas')",
				   SPI_OK_UPDATE_RETURNING, lengthof(values), values);
	found = SPI_processed == 1;
	if (found)
	{
		old = MemoryContextSwitchTo(memory);
		claim->id = job;
		claim->role = DatumGetObjectId(writer_result(0, 1));
		claim->name = TextDatumGetCString(writer_result(0, 2));
		claim->schedule = result_text(3);
		claim->arguments = DatumGetJsonbPCopy(writer_result(0, 4));
		claim->settings = DatumGetJsonbPCopy(writer_result(0, 5));
		claim->function = TextDatumGetCString(writer_result(0, 6));
		MemoryContextSwitchTo(old);
		job_notify(job, JOB_RUNNING);
	}
	writer_end(&writer);
	return found;
}

bool
job_succeed(const JobClaim *claim, int32 version)
{
	Writer		writer;
	bool		in_time;
	ColumnValue values[] = {
		column_int64("id", claim->id),
		column_time("now"),
		column_version("version", version),
		column_text("state", JOB_SUCCEEDED)
	};

	writer_begin(&writer, "a job");
	/* waits for an ml_cancel under way */
	writer_execute("UPDATE mlaas.job SET state = $4, version = $3, finished_at = $2"
				   " WHERE id = $1 AND state = 'running' AND NOT cancel_requested",
				   SPI_OK_UPDATE, lengthof(values), values);
	in_time = SPI_processed == 1;
	if (in_time)
	{
		schedule_job_over(claim->schedule, claim->id, JOB_SUCCEEDED, &claim->counts);
		job_notify(claim->id, JOB_SUCCEEDED);
	}
	writer_end(&writer);
	return in_time;
}

void
job_fail(int64 job, const char *schedule, const char *state, const ErrorData *error)
{
	ColumnValue values[] = {
		column_int64("id", job),
		column_time("now"),
		column_text("state", state),
		column_text("sqlstate", unpack_sql_state(error->sqlerrcode)),
		column_text("message", error->message),
		column_text("detail", error->detail),
		column_text("hint", error->hint)
	};

	writer_execute("UPDATE mlaas.job SET state = $3, finished_at = $2,"
				   " sqlstate = $4, message = $5, detail = $6, hint = $7"
				   " WHERE id = $1 AND state IN ('queued', 'running')",
				   SPI_OK_UPDATE, lengthof(values), values);
	if (SPI_processed == 1)
	{
		schedule_job_over(schedule, job, state, NULL);
		job_notify(job, state);
	}
}
