/*
 * Times of day and calendar as cron writes them: minute, hour, day of month, month, day of week.
 */
#ifndef ML_CRON_H
#define ML_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"

/* Which values of each field are meant: bit v of a mask is value v. */
typedef struct MlCron
{
	uint64_t	minutes;		/* 0..59 */
	uint64_t	hours;			/* 0..23 */
	uint64_t	days;			/* of the month, 1..31 */
	uint64_t	months;			/* 1..12 */
	uint64_t	weekdays;		/* 0..6, Sunday is 0 */
	bool		any_day;		/* the field begins with a star: it restricts nothing by itself */
	bool		any_weekday;
} MlCron;

/* Seconds that a zone is ahead of UTC at an instant, in seconds since 1970 in UTC. */
typedef int (*MlCronOffset) (int64_t instant, void *zone);

/* Read a schedule, five fields or a name such as @daily; an error names the field that cannot be read. */
extern void ml_cron_parse(MlContext *ctx, const char *text, MlCron *cron);

/* The first instant after another at which the clock of a zone shows a time that is meant. */
extern int64_t ml_cron_next(const MlCron *cron, int64_t after, MlCronOffset offset, void *zone);

#endif
