/*
 * The settings of the extension (GUCs with prefix mlaas).
 */
#ifndef MLAAS_MODULE_H
#define MLAAS_MODULE_H

/* kB that one training or aggregate may hold; 0 = no limit */
extern int	mlaas_max_memory;

/* threads that one call may use, the backend itself included; 0 = all cores */
extern int	mlaas_max_threads;

/* kB of opened models that a backend keeps between statements */
extern int	mlaas_model_cache;

/* mlaas.protect_columns: whether dropping columns that deployed models need is refused. */
extern bool mlaas_protect_columns;

/* kB, and rows, that one request for predictions may send; 0 = no limit */
extern int	mlaas_max_request_size;
extern int	mlaas_max_request_rows;

/* jobs that may run at the same time in a database, and wait */
extern int	mlaas_max_workers;
extern int	mlaas_max_queued_jobs;

/* how often a job is begun whose worker dies */
extern int	mlaas_job_attempts;

/* seconds that jobs that are over are kept */
extern int	mlaas_job_retention;

#endif
