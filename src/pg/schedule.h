/*
 * Schedules: trainings that are repeated by the clock, or when enough rows have changed.
 */
#ifndef MLAAS_SCHEDULE_H
#define MLAAS_SCHEDULE_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "pg/job.h"

/* The tables of a schedule, as they are now; not known for NULL, or a schedule that is gone. */
extern ScheduleCounts schedule_counts(const char *schedule);

/*
 * Note how the last job of a schedule (NULL = none) ended; counts are those of a training that succeeded.  Within
 * writer_begin and writer_end.
 */
extern void schedule_job_over(const char *schedule, int64 job, const char *state, const ScheduleCounts *counts);

/* Submit jobs for the schedules that are due, in transactions of its own; for the scheduler. */
extern void schedules_run(void);

/* When the next one is due: DT_NOEND when none is.  *any: whether there is any.  Within writer_begin and writer_end. */
extern TimestampTz schedules_next(bool *any);

#endif
