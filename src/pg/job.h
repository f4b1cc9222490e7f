/*
 * Jobs: trainings that background workers run.
 *
 * A job is a row of mlaas.job (sql/jobs.sql).  Its state only moves queued -> running -> succeeded, failed or
 * cancelled, queued -> cancelled or failed, and running -> queued when its worker died.
 *
 * Locks, all of the server's lock manager, so that they go with the process that holds them:
 * - the worker of a job holds the job's own lock from before it says "running" until it exits;
 *   so a job that says "running" and can be locked has lost its worker;
 * - the scheduler of a database holds the scheduler's lock: there is one at most;
 * - the lock of numbers is held while a job is inserted, so that numbers ascend and none is given twice.
 *   It is given back before the transaction ends: no session waits for another's commit.
 * They are locks on parts of the table mlaas.job that no statement of SQL can take or release.
 */
#ifndef MLAAS_JOB_H
#define MLAAS_JOB_H

#include "postgres.h"

#include "fmgr.h"
#include "storage/lock.h"
#include "utils/jsonb.h"

#include "pg/source.h"

#define JOB_CHANNEL "mlaas_jobs"

#define JOB_QUEUED "queued"
#define JOB_RUNNING "running"
#define JOB_SUCCEEDED "succeeded"
#define JOB_FAILED "failed"
#define JOB_CANCELLED "cancelled"

/* What a job is made of. */
typedef struct JobRequest
{
	Oid			role;			/* as which it trains */
	Oid			login;			/* the role that must be able to log in and become that role */
	int32		priority;
	char	   *name;			/* of the model */
	char	   *schedule;		/* NULL = submitted by hand */
	Datum		arguments;		/* jsonb: those of ml_train that are not NULL */
	Datum		settings;		/* jsonb: {"name": "value", ...} */
} JobRequest;

/* What the tables of a schedule held. */
typedef struct ScheduleCounts
{
	bool		known;
	int64		rows;
	int64		changes;		/* rows inserted, updated and deleted ever since */
} ScheduleCounts;

/* A job that a worker has taken. */
typedef struct JobClaim
{
	int64		id;
	Oid			role;
	char	   *name;
	char	   *schedule;		/* NULL = submitted by hand */
	Jsonb	   *arguments;
	Jsonb	   *settings;
	char	   *function;		/* ml_train as SQL names it */
	ScheduleCounts counts;		/* when it began to train */
} JobClaim;

/* ---- the arguments of ml_train (job_arguments.c) ---- */

/* How many there are: they come first in ml_submit and ml_schedule. */
#define TRAIN_ARGUMENTS 10

/* Check those of a call without reading a row, and that another session can read the source, which is returned. */
extern Source *job_check_arguments(FunctionCallInfo fcinfo);

/* Those of a call, which a request has as a jsonb, as values for $1, $2, ... */
extern void job_argument_values(Jsonb *arguments, Oid types[TRAIN_ARGUMENTS], Datum values[TRAIN_ARGUMENTS],
								char nulls[TRAIN_ARGUMENTS]);

/* Fill in whose job it is and what is to be done, from a call of ml_submit or ml_schedule that has been checked. */
extern void job_request_init(FunctionCallInfo fcinfo, JobRequest *request);

/* ---- settings (job_settings.c) ---- */

/* What this session has set that a query may depend on, as a jsonb; and set it until the transaction ends. */
extern Datum job_settings(void);
extern void job_settings_apply(Jsonb *settings);

/* ---- locks (job_state.c) ---- */

/* The table of jobs; InvalidOid when the extension is not there. */
extern Oid	job_table(void);

extern void job_tag(LOCKTAG *tag, int64 job);
extern void job_scheduler_tag(LOCKTAG *tag, Oid table);

/* Have this process give its locks back when it exits, which the server does for those of a transaction only. */
extern void job_release_at_exit(void);

/* The process that holds a lock; 0 when none does. */
extern int	job_lock_holder(const LOCKTAG *tag);

/* ---- states (job_state.c); the first is to be called within writer_begin and writer_end, as the next ---- */

/* Insert a job and return its number. */
extern int64 job_insert(const JobRequest *request);

/* Tell listeners about a state once the transaction has been committed. */
extern void job_notify(int64 job, const char *state);

/* Take a job that waits, for the worker that has locked it; false when it waits no more, or another changes it now. */
extern bool job_claim(int64 job, JobClaim *claim);

/* Say how a running job ended; false when ml_cancel came before it succeeded. */
extern bool job_succeed(const JobClaim *claim, int32 version);
extern void job_fail(int64 job, const char *schedule, const char *state, const ErrorData *error);

#endif
