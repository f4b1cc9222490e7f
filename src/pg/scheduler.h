/*
 * The processes that run jobs: one launcher for the server when the library is preloaded, one scheduler for
 * each database that has something to do, one worker for each job that runs.
 */
#ifndef MLAAS_SCHEDULER_H
#define MLAAS_SCHEDULER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* What the scheduler tells a worker. */
typedef struct WorkerOrder
{
	int64		job;
	Oid			database;
	Oid			connect_as;		/* the role of the job, or one that may become it where that may not log in */
	Oid			role;
} WorkerOrder;

StaticAssertDecl(sizeof(WorkerOrder) <= BGW_EXTRALEN, "an order must fit into the registration of a worker");

/* Register the launcher, when the library is being preloaded. */
extern void launcher_init(void);

/* Fill in a worker of this library that the server does not start again by itself. */
extern void worker_describe(BackgroundWorker *worker, const char *name, const char *type, const char *function);

/* Lift the limits of time that the role or the database has: they are for sessions. */
extern void worker_lift_timeouts(void);

/* Once this transaction has been committed, let the scheduler look for work, or start it. */
extern void scheduler_wake(void);

/* Once this transaction has been committed, interrupt the worker of a job. */
extern void scheduler_cancel(int64 job);

/* Start the scheduler of this database now if there is something to do and none runs. */
extern void scheduler_ensure(void);

/* Does any job wait or run, or is there any schedule? */
extern bool scheduler_has_work(void);

/* Register the scheduler of a database; false when no process is free.  notify: whom to tell of its end, or 0. */
extern bool scheduler_start(Oid database, pid_t notify, BackgroundWorkerHandle **handle);

#endif
