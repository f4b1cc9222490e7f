/*
 * The library's entry: magic block and settings.
 *
 * Nothing here starts a thread or touches BLAS, so that the library may be
 * preloaded by the postmaster.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "pg/module.h"
#include "pg/scheduler.h"

PG_MODULE_MAGIC;

#define DEFAULT_MAX_MEMORY (4 * 1024 * 1024)	/* 4 GB in kB */
#define DEFAULT_MAX_THREADS 0
#define LARGEST_MAX_THREADS 256
#define DEFAULT_MODEL_CACHE (64 * 1024) /* 64 MB in kB */
#define DEFAULT_MAX_REQUEST_SIZE (16 * 1024)	/* 16 MB in kB */
#define DEFAULT_MAX_REQUEST_ROWS 100000
#define DEFAULT_MAX_WORKERS 2
#define LARGEST_MAX_WORKERS 256
#define DEFAULT_MAX_QUEUED_JOBS 1000
#define DEFAULT_JOB_ATTEMPTS 3
#define LARGEST_JOB_ATTEMPTS 1000
#define DEFAULT_JOB_RETENTION (7 * 24 * 3600)	/* a week in seconds */

int			mlaas_max_memory = DEFAULT_MAX_MEMORY;
int			mlaas_max_threads = DEFAULT_MAX_THREADS;
int			mlaas_model_cache = DEFAULT_MODEL_CACHE;
bool		mlaas_protect_columns = true;
int			mlaas_max_request_size = DEFAULT_MAX_REQUEST_SIZE;
int			mlaas_max_request_rows = DEFAULT_MAX_REQUEST_ROWS;
int			mlaas_max_workers = DEFAULT_MAX_WORKERS;
int			mlaas_max_queued_jobs = DEFAULT_MAX_QUEUED_JOBS;
int			mlaas_job_attempts = DEFAULT_JOB_ATTEMPTS;
int			mlaas_job_retention = DEFAULT_JOB_RETENTION;

extern PGDLLEXPORT void _PG_init(void);

static void settings_init(void);
static void job_settings_init(void);

/* Set the library up in this process. */
void
_PG_init(void)
{
	settings_init();
	job_settings_init();
	MarkGUCPrefixReserved("mlaas");
	launcher_init();
}

/* Define the settings of whoever trains and predicts. */
static void
settings_init(void)
{
	DefineCustomIntVariable("mlaas.max_memory",
							"Sets the maximum memory that one training or aggregate may use.",
							"Zero means no limit.",
							&mlaas_max_memory,
							DEFAULT_MAX_MEMORY, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_threads",
							"Sets the maximum number of threads that one call may use.",
							"The number counts the server process itself. Zero means all cores.",
							&mlaas_max_threads,
							DEFAULT_MAX_THREADS, 0, LARGEST_MAX_THREADS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.model_cache",
							"Sets the memory in which each session keeps opened models between statements.",
							"A running statement keeps its models whatever their size.",
							&mlaas_model_cache,
							DEFAULT_MODEL_CACHE, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_request_size",
							"Sets the maximum size of the rows that one request for predictions may send.",
							"It bounds mlaas_api.predict and mlaas_api.predict_batch. Zero means no limit.",
							&mlaas_max_request_size,
							DEFAULT_MAX_REQUEST_SIZE, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_request_rows",
							"Sets the maximum number of rows that one request for predictions may send.",
							"It bounds mlaas_api.predict and mlaas_api.predict_batch. Zero means no limit.",
							&mlaas_max_request_rows,
							DEFAULT_MAX_REQUEST_ROWS, 0, INT_MAX,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("mlaas.protect_columns",
							 "Refuses to drop or rename columns that deployed models need.",
							 NULL,
							 &mlaas_protect_columns,
							 true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
}

/* Define the settings of jobs, which are the administrator's. */
static void
job_settings_init(void)
{
	DefineCustomIntVariable("mlaas.max_workers",
							"Sets how many jobs may run at the same time in each database.",
							"Zero lets no job begin.",
							&mlaas_max_workers,
							DEFAULT_MAX_WORKERS, 0, LARGEST_MAX_WORKERS,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_queued_jobs",
							"Sets how many jobs may wait in each database.",
							NULL,
							&mlaas_max_queued_jobs,
							DEFAULT_MAX_QUEUED_JOBS, 1, INT_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.job_attempts",
							"Sets how often a job is begun when its worker process or the server dies.",
							NULL,
							&mlaas_job_attempts,
							DEFAULT_JOB_ATTEMPTS, 1, LARGEST_JOB_ATTEMPTS,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.job_retention",
							"Sets how long jobs that are over are kept.",
							NULL,
							&mlaas_job_retention,
							DEFAULT_JOB_RETENTION, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
}
