/*
 * The launcher: one process of the server, when the library is in shared_preload_libraries.
 *
 * It starts the scheduler of every database when the server starts, and again every now and then, for
 * schedulers that were terminated and databases that were made or restored since.  A scheduler that has nothing to
 * do exits at once, and so does one beside another, so the launcher need not know which databases have
 * the extension.  It starts one at a time, so that it never takes more than one process.
 */
#include "pg/scheduler.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

extern PGDLLEXPORT void ml_launcher_main(Datum arg);

/* Between two rounds, in milliseconds. */
#define ROUND_INTERVAL 60000

/* How long a scheduler may take until it is one, or has found that there is nothing to do, in milliseconds. */
#define START_WAIT 200

/* Seconds until the server starts a launcher again that ended with an error. */
#define RESTART_SECONDS 5

/* The databases that may be connected to, templates apart. */
static List *
list_databases(MemoryContext memory)
{
	List	   *databases = NIL;
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!form->datallowconn || form->datistemplate)
			continue;
		old = MemoryContextSwitchTo(memory);
		databases = lappend_oid(databases, form->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
	return databases;
}

/* Sleep, unless the server is to stop. */
static void
nap(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Start the schedulers of all databases, one after the other. */
static void
start_all(MemoryContext memory)
{
	ListCell   *cell;

	foreach(cell, list_databases(memory))
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		BackgroundWorkerHandle *handle;
		bool		started = scheduler_start(lfirst_oid(cell), MyProcPid, &handle);

		MemoryContextSwitchTo(old);
		if (!started)
		{
			ereport(LOG,
					(errmsg("the scheduler of jobs could not be started"),
					 errhint("Raise max_worker_processes.")));
			return;
		}
		nap(START_WAIT);
	}
}

/* The process's whole life. */
void
ml_launcher_main(Datum arg)
{
	MemoryContext memory;

	(void) arg;
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	memory = AllocSetContextCreate(TopMemoryContext, "mlaas launcher", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		TimestampTz next = GetCurrentTimestamp() + ROUND_INTERVAL * INT64CONST(1000);
		long		left;

		start_all(memory);
		MemoryContextReset(memory);
		/* workers that end wake us */
		while ((left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next)) > 0)
			nap(left);
	}
}

void
launcher_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress)
		return;
	worker_describe(&worker, "mlaas launcher", "mlaas launcher", "ml_launcher_main");
	worker.bgw_restart_time = RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}
