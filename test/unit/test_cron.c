/*
 * Schedules of cron: what can be read, the next time against a walk over all minutes, and clocks that are put forward and back.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <time.h>

#include "base/cron.h"
#include "base/random.h"

/* A zone: offsets, each from an instant on. */
typedef struct Zone
{
	int			count;
	int64_t		from[4];
	int			offset[4];
} Zone;

static int
zone_offset(int64_t instant, void *arg)
{
	const Zone *zone = arg;
	int			offset = zone->offset[0];

	for (int i = 1; i < zone->count; i++)
		if (instant >= zone->from[i])
			offset = zone->offset[i];
	return offset;
}

static Zone utc = {1, {0}, {0}};

/* Berlin in 2024: put forward on 31 March at 01:00 UTC, back on 27 October at 01:00 UTC. */
static Zone berlin = {3, {0, 1711846800, 1729990800}, {3600, 7200, 3600}};

/* An instant as text, in UTC. */
static const char *
text_of(int64_t instant)
{
	static char text[32];
	time_t		t = instant;
	struct tm	tm;

	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	return text;
}

/* The instant that a text in UTC means. */
static int64_t
instant_of(const char *text)
{
	struct tm	tm = {0};

	sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return timegm(&tm);
}

/* Does the schedule come next at that time? Says what came instead. */
static bool
comes(MlContext *ctx, const char *schedule, Zone *zone, const char *after, const char *expected)
{
	MlCron		cron;
	int64_t		next;

	ml_cron_parse(ctx, schedule, &cron);
	next = ml_cron_next(&cron, instant_of(after), zone_offset, zone);
	if (next == instant_of(expected))
		return true;
	printf("%s after %s comes at %s, not %s\n", schedule, after, text_of(next), expected);
	return false;
}

static void
test_fields(MlContext *ctx)
{
	CHECK(comes(ctx, "0 3 * * *", &utc, "2024-02-28 03:00:00", "2024-02-29 03:00:00"));
	CHECK(comes(ctx, "0 3 * * *", &utc, "2024-02-28 02:59:59", "2024-02-28 03:00:00"));
	CHECK(comes(ctx, "*/20 * * * *", &utc, "2024-12-31 23:40:00", "2025-01-01 00:00:00"));
	CHECK(comes(ctx, "5-20/5,59 1 * * *", &utc, "2024-01-01 01:10:01", "2024-01-01 01:15:00"));
	CHECK(comes(ctx, "5-20/5,59 1 * * *", &utc, "2024-01-01 01:20:00", "2024-01-01 01:59:00"));
	/* from 7 on, every 20 */
	CHECK(comes(ctx, "7/20 * * * *", &utc, "2024-01-01 00:30:00", "2024-01-01 00:47:00"));
	CHECK(comes(ctx, "0 0 29 FEB *", &utc, "2024-02-29 00:00:00", "2028-02-29 00:00:00"));
	CHECK(comes(ctx, "0 0 29 2 *", &utc, "2096-02-29 00:00:00", "2104-02-29 00:00:00"));
	CHECK(comes(ctx, " 0\t0 31 * * ", &utc, "2024-03-31 00:00:00", "2024-05-31 00:00:00"));
	/* Sunday is 0, 7 and sun; the 1st of September 2024 is one */
	CHECK(comes(ctx, "0 12 * * 7", &utc, "2024-08-26 00:00:00", "2024-09-01 12:00:00"));
	CHECK(comes(ctx, "0 12 * * sun", &utc, "2024-08-26 00:00:00", "2024-09-01 12:00:00"));
	CHECK(comes(ctx, "0 12 * * mon-fri", &utc, "2024-08-30 12:00:00", "2024-09-02 12:00:00"));
	/* both days given: either is enough; one with a star: the other decides */
	CHECK(comes(ctx, "0 0 13 * fri", &utc, "2024-09-01 00:00:00", "2024-09-06 00:00:00"));
	CHECK(comes(ctx, "0 0 13 * fri", &utc, "2024-09-20 00:00:00", "2024-09-27 00:00:00"));
	CHECK(comes(ctx, "0 0 12 * fri", &utc, "2024-09-06 00:00:00", "2024-09-12 00:00:00"));
	CHECK(comes(ctx, "0 0 13 * */1", &utc, "2024-09-01 00:00:00", "2024-09-13 00:00:00"));
	/* by name */
	CHECK(comes(ctx, "@hourly", &utc, "2024-01-01 00:30:00", "2024-01-01 01:00:00"));
	CHECK(comes(ctx, "@daily", &utc, "2024-02-28 00:00:00", "2024-02-29 00:00:00"));
	CHECK(comes(ctx, " @Midnight\t", &utc, "2024-02-28 23:59:59", "2024-02-29 00:00:00"));
	CHECK(comes(ctx, "@weekly", &utc, "2024-08-26 00:00:00", "2024-09-01 00:00:00"));
	CHECK(comes(ctx, "@monthly", &utc, "2024-01-01 00:00:00", "2024-02-01 00:00:00"));
	CHECK(comes(ctx, "@yearly", &utc, "2024-01-01 00:00:00", "2025-01-01 00:00:00"));
	CHECK(comes(ctx, "@annually", &berlin, "2024-12-31 22:00:00", "2024-12-31 23:00:00"));
	/* before 1970 */
	CHECK(comes(ctx, "30 4 1 jan *", &utc, "1960-01-01 04:30:00", "1961-01-01 04:30:00"));
}

static void
test_errors(MlContext *ctx)
{
	static const struct
	{
		const char *schedule;
		const char *what;
	}			bad[] = {
		{"", "no minute"},
		{"0 3 * *", "no day of week"},
		{"0 3 * * * *", "more than five fields"},
		{"60 * * * *", "invalid minute"},
		{"0 24 * * *", "invalid hour"},
		{"0 0 0 * *", "invalid day of month"},
		{"0 0 32 * *", "invalid day of month"},
		{"0 0 1 13 *", "invalid month"},
		{"0 0 1 foo *", "invalid month"},
		{"0 0 * * 8", "invalid day of week"},
		{"0 0 * * mo", "invalid day of week"},
		{"*/0 * * * *", "invalid minute"},
		{"5-1 * * * *", "invalid minute"},
		{"1,,2 * * * *", "invalid minute"},
		{"1, * * * *", "invalid minute"},
		{"- * * * *", "invalid minute"},
		{"1- * * * *", "invalid minute"},
		{"*5 * * * *", "invalid minute"},
		{"-1 * * * *", "invalid minute"},
		{"1.5 * * * *", "invalid minute"},
		{"9999999999999999999 * * * *", "invalid minute"},
		{"@", "invalid schedule"},
		{"@reboot", "invalid schedule"},
		{"@daily 3", "invalid schedule"},
		{"0 @daily * * *", "invalid hour"},
		{"0 0 30 feb *", "never comes"},
		{"0 0 31 4,6,9,11 *", "never comes"},
	};
	MlCron		cron;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
	{
		CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_cron_parse(ctx, bad[i].schedule, &cron));
		CHECK(strstr(unit_error.message, bad[i].what) != NULL);
	}
}

static void
test_clock_changes(MlContext *ctx)
{
	/* 02:30 is left out on 31 March: it comes when it would have been, at 01:30 UTC; the next day at 00:30 UTC */
	CHECK(comes(ctx, "30 2 * * *", &berlin, "2024-03-30 12:00:00", "2024-03-31 01:30:00"));
	CHECK(comes(ctx, "30 2 * * *", &berlin, "2024-03-31 01:30:00", "2024-04-01 00:30:00"));
	/* it is shown twice on 27 October, and comes once */
	CHECK(comes(ctx, "30 2 * * *", &berlin, "2024-10-26 12:00:00", "2024-10-27 00:30:00"));
	CHECK(comes(ctx, "30 2 * * *", &berlin, "2024-10-27 00:30:00", "2024-10-28 01:30:00"));
	/* where every hour is meant, none is left out and none is missing */
	CHECK(comes(ctx, "30 * * * *", &berlin, "2024-03-31 00:30:00", "2024-03-31 01:30:00"));
	CHECK(comes(ctx, "30 * * * *", &berlin, "2024-10-27 00:30:00", "2024-10-27 01:30:00"));
	CHECK(comes(ctx, "*/15 * * * *", &berlin, "2024-10-27 00:45:00", "2024-10-27 01:00:00"));
	CHECK(comes(ctx, "*/15 * * * *", &berlin, "2024-10-27 01:45:00", "2024-10-27 02:00:00"));
	CHECK(comes(ctx, "*/15 * * * *", &berlin, "2024-03-31 00:45:00", "2024-03-31 01:00:00"));
	/* midnight in Berlin is not midnight in UTC */
	CHECK(comes(ctx, "0 0 1 jul *", &berlin, "2024-06-01 00:00:00", "2024-06-30 22:00:00"));
}

/* A schedule of chance, with several values a field so that it comes often. */
static void
make_schedule(MlRandom *random, char *out, size_t size)
{
	static const char *const minutes[] = {"*", "*/7", "3,33", "10-20/5", "59"};
	static const char *const hours[] = {"*", "*/5", "0,23", "8-17", "2"};
	static const char *const days[] = {"*", "1,15", "*/10", "28-31", "31,5"};
	static const char *const months[] = {"*", "feb", "1-6", "*/4", "12"};
	static const char *const weekdays[] = {"*", "mon", "1-5", "0", "sat,7"};

	snprintf(out, size, "%s %s %s %s %s", minutes[ml_random_below(random, 5)], hours[ml_random_below(random, 5)],
			 days[ml_random_below(random, 5)], months[ml_random_below(random, 5)], weekdays[ml_random_below(random, 5)]);
}

/* Is the minute meant, by the C library's calendar? */
static bool
meant(const MlCron *cron, int64_t local)
{
	time_t		t = local;
	struct tm	tm;
	bool		day;
	bool		weekday;

	gmtime_r(&t, &tm);
	day = cron->days >> tm.tm_mday & 1;
	weekday = cron->weekdays >> tm.tm_wday & 1;
	return (cron->minutes >> tm.tm_min & 1) && (cron->hours >> tm.tm_hour & 1) && (cron->months >> (tm.tm_mon + 1) & 1) &&
		(cron->any_day || cron->any_weekday ? day && weekday : day || weekday);
}

static void
test_walk(MlContext *ctx)
{
	MlRandom	random;

	ml_random_seed(&random, 1);

	for (int trial = 0; trial < 300; trial++)
	{
		Zone		zone = {1, {0}, {((int) ml_random_below(&random, 53) - 24) * 1800}};
		int64_t		instant = instant_of("2023-01-01 00:00:00") + (int64_t) ml_random_below(&random, 3 * 365 * 86400);
		char		schedule[80];
		MlCron		cron;
		int64_t		walk;

		make_schedule(&random, schedule, sizeof schedule);
		ml_cron_parse(ctx, schedule, &cron);
		walk = (instant + zone.offset[0]) / 60 * 60 + 60;
		while (!meant(&cron, walk))
			walk += 60;
		CHECK(ml_cron_next(&cron, instant, zone_offset, &zone) == walk - zone.offset[0]);
	}
}

UNIT_MAIN(test_fields, test_errors, test_clock_changes, test_walk)
