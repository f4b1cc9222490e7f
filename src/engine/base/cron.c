/*
 * Schedules of cron.
 *
 * Problem: the first instant after another one at which the clock on the wall of a zone shows a
 * minute that five masks allow.  Clocks are put forward and back, so a minute on the wall may be
 * no instant or two.  Minutes are counted here as if the wall's clock were UTC ("local"); a
 * zone is only asked how far it is ahead at an instant.
 *
 * - A minute that is shown twice counts twice where every hour is meant, else the first time only.
 * - A minute that is left out counts as the instant it would have been had the clock not been put
 *   forward, unless every hour is meant: then the minutes around it do.
 *
 * A day is meant when its month and its day of the month and of the week are; when neither of
 * the last two begins with a star, either of them is enough.
 */
#include "base/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MINUTE 60
#define DAY ((int64_t) 86400)
#define ALL_HOURS (((uint64_t) 1 << 24) - 1)

/* Clocks are put forward and back by at most this. */
#define LARGEST_SHIFT (3 * 3600)

/* Every day comes within this: leap years are up to 8 years apart, weekdays repeat in 28, or 40 around 2100. */
#define MOST_DAYS (41 * 366)

typedef struct CronField
{
	const char *name;
	int			min;
	int			max;
	const char *const *names;	/* of min, min + 1, ...; NULL = numbers only */
	int			nnames;
} CronField;

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const CronField cron_fields[] = {
	{.name = "minute",.min = 0,.max = 59},
	{.name = "hour",.min = 0,.max = 23},
	{.name = "day of month",.min = 1,.max = 31},
	{.name = "month",.min = 1,.max = 12,.names = month_names,.nnames = 12},
	/* Sunday is 0 and 7 */
	{.name = "day of week",.min = 0,.max = 7,.names = weekday_names,.nnames = 7}
};

#define FIELDS 5
#define BLANKS " \t"

/* Whole schedules that have a name. */
static const struct
{
	const char *name;
	const char *fields;
}			cron_macros[] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"}
};

#define MACROS (sizeof cron_macros / sizeof *cron_macros)

/* ---- reading ---- */

/* Raise the error for a field. */
static void
raise_field(MlContext *ctx, const CronField *field, const char *text, size_t length, const char *detail)
{
	char	   *names = "";

	if (field->names != NULL)
		names = ml_format(ctx, " or names (%s, ...)", field->names[0]);
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "invalid %s in a schedule: \"%.*s\"", field->name, (int) length, text), detail,
				  ml_format(ctx, "Write *, numbers from %d to %d%s, ranges (a-b), steps (*/n, a-b/n), or a list of "
							"these with commas.", field->min, field->max, names));
}

/* A number of up to three digits at *p, which is advanced behind it; -1 when there is none. */
static int
read_number(const char **p, const char *end)
{
	int			number = -1;

	for (int digits = 0; *p < end && isdigit((unsigned char) **p) && digits < 3; digits++, (*p)++)
		number = (number < 0 ? 0 : number) * 10 + (**p - '0');
	return number;
}

/* A value at *p, by its number or name; -1 when there is none. */
static int
read_value(const CronField *field, const char **p, const char *end)
{
	for (int i = 0; i < field->nnames; i++)
		if (end - *p >= 3 && strncasecmp(*p, field->names[i], 3) == 0)
		{
			*p += 3;
			return field->min + i;
		}
	return read_number(p, end);
}

/* One item of a list: a star, a value or a range, with a step or not. */
static uint64_t
read_item(MlContext *ctx, const CronField *field, const char *text, size_t length)
{
	const char *p = text;
	const char *end = text + length;
	bool		star = length > 0 && *p == '*';
	int			low = field->min;
	int			high = field->max;
	int			step = 1;
	uint64_t	mask = 0;

	if (star)
		p++;
	else
	{
		low = high = read_value(field, &p, end);
		if (low >= 0 && p < end && *p == '-')
		{
			p++;
			high = read_value(field, &p, end);
		}
		if (low < 0 || high < 0)
			raise_field(ctx, field, text, length, NULL);
	}
	if (p < end && *p == '/')
	{
		/* from a value on, when it is no range */
		if (!star && memchr(text, '-', length) == NULL)
			high = field->max;
		p++;
		step = read_number(&p, end);
		if (step < 1)
			raise_field(ctx, field, text, length, "A step is a number of at least 1.");
	}
	if (p != end)
		raise_field(ctx, field, text, length, NULL);
	if (low < field->min || high > field->max)
		raise_field(ctx, field, text, length,
					ml_format(ctx, "The values of this field are %d to %d.", field->min, field->max));
	if (low > high)
		raise_field(ctx, field, text, length, "The range ends before it begins.");
	for (int v = low; v <= high; v += step)
		mask |= (uint64_t) 1 << v;
	return mask;
}

/* A field: items with commas between them. */
static uint64_t
read_field(MlContext *ctx, const CronField *field, const char *text, size_t length)
{
	uint64_t	mask = 0;
	size_t		begin = 0;

	for (size_t i = 0; i <= length; i++)
		if (i == length || text[i] == ',')
		{
			mask |= read_item(ctx, field, text + begin, i - begin);
			begin = i + 1;
		}
	return mask;
}

/* ---- the calendar ---- */

/* Days since 1970-01-01 -> year, month and day, by Howard Hinnant's "chrono-compatible low-level date algorithms". */
static void
civil_from_days(int64_t days, int *month, int *day)
{
	int64_t		z = days + 719468;
	int64_t		era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t		of_era = z - era * 146097;
	int64_t		year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t		of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t		shifted = (5 * of_year + 2) / 153;

	*day = (int) (of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int) (shifted < 10 ? shifted + 3 : shifted - 9);
}

/* Round down to a multiple. */
static int64_t
floor_to(int64_t value, int64_t unit)
{
	int64_t		rest = value % unit;

	return value - (rest < 0 ? rest + unit : rest);
}

/* Is a day meant? */
static bool
day_meant(const MlCron *cron, int64_t days)
{
	int			month;
	int			day;
	int			weekday = (int) (((days + 4) % 7 + 7) % 7);
	bool		by_day;
	bool		by_weekday;

	civil_from_days(days, &month, &day);
	if (!(cron->months >> month & 1))
		return false;
	by_day = cron->days >> day & 1;
	by_weekday = cron->weekdays >> weekday & 1;
	return cron->any_day || cron->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first local minute from another on that is meant, within the limit; false when there is none. */
static bool
next_local(const MlCron *cron, int64_t *local)
{
	int64_t		first = floor_to(*local, DAY) / DAY;

	for (int64_t days = first; days < first + MOST_DAYS; days++)
	{
		int			from = days == first ? (int) ((*local - days * DAY) / MINUTE) : 0;

		if (!day_meant(cron, days))
			continue;
		for (int minute = from; minute < 24 * 60; minute++)
		{
			if (!(cron->hours >> (minute / 60) & 1))
				minute += 59 - minute % 60;
			else if (cron->minutes >> (minute % 60) & 1)
			{
				*local = days * DAY + (int64_t) minute * MINUTE;
				return true;
			}
		}
	}
	return false;
}

/* The fields that a schedule means by a name; itself where it does not begin as one. */
static const char *
expand_macro(MlContext *ctx, const char *text)
{
	const char *names[MACROS];
	const char *begin = text + strspn(text, BLANKS);
	size_t		length = strcspn(begin, BLANKS);
	const char *name;

	if (*begin != '@')
		return text;
	name = ml_strndup(ctx, begin, length);
	for (size_t i = 0; i < MACROS; i++)
	{
		if (strcasecmp(cron_macros[i].name, name) == 0 && begin[length + strspn(begin + length, BLANKS)] == '\0')
			return cron_macros[i].fields;
		names[i] = cron_macros[i].name;
	}
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "invalid schedule \"%s\"", text),
				  "A schedule that begins with @ is a name and nothing else.",
				  ml_candidates_hint(ctx, "name", name, names, MACROS));
}

void
ml_cron_parse(MlContext *ctx, const char *text, MlCron *cron)
{
	uint64_t   *const masks[FIELDS] = {&cron->minutes, &cron->hours, &cron->days, &cron->months, &cron->weekdays};
	const char *p = expand_macro(ctx, text);
	int64_t		local = 0;
	char		first[FIELDS];

	for (int f = 0; f < FIELDS; f++)
	{
		size_t		length;

		p += strspn(p, BLANKS);
		length = strcspn(p, BLANKS);
		if (length == 0)
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
						  ml_format(ctx, "invalid schedule \"%s\": no %s", text, cron_fields[f].name),
						  "A schedule has five fields: minute, hour, day of month, month, day of week.",
						  "For example '0 3 * * *', every day at three.");
		first[f] = *p;
		*masks[f] = read_field(ctx, &cron_fields[f], p, length);
		p += length;
	}
	if (p[strspn(p, BLANKS)] != '\0')
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  ml_format(ctx, "invalid schedule \"%s\": more than five fields", text),
					  "A schedule has five fields: minute, hour, day of month, month, day of week.", NULL);
	cron->any_day = first[2] == '*';
	cron->any_weekday = first[4] == '*';
	cron->weekdays = (cron->weekdays | cron->weekdays >> 7) & 0x7f;
	if (!next_local(cron, &local))
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, ml_format(ctx, "schedule \"%s\" never comes", text),
					  "No month that it names has such a day.", NULL);
}

/* ---- instants ---- */

/* The instants at which a zone's clock shows a local minute; how many there are that count. */
static int
instants_of(const MlCron *cron, int64_t local, MlCronOffset offset, void *zone, int64_t out[2])
{
	bool		every_hour = cron->hours == ALL_HOURS;
	int			before = offset(local - DAY, zone);
	int			after = offset(local + DAY, zone);
	bool		by_before = offset(local - before, zone) == before;
	bool		by_after = offset(local - after, zone) == after;

	if (before == after || (by_before && !by_after))
	{
		out[0] = local - before;
		return 1;
	}
	if (by_after && !by_before)
	{
		out[0] = local - after;
		return 1;
	}
	if (!by_before)
	{
		out[0] = local - before;
		return every_hour ? 0 : 1;
	}
	out[0] = local - before < local - after ? local - before : local - after;
	out[1] = local - before < local - after ? local - after : local - before;
	return every_hour ? 2 : 1;
}

int64_t
ml_cron_next(const MlCron *cron, int64_t after, MlCronOffset offset, void *zone)
{
	/* a minute that is shown again was shown up to a shift ago */
	int64_t		local = floor_to(after + offset(after, zone), MINUTE) - LARGEST_SHIFT;
	int64_t		until = INT64_MAX;
	int64_t		best = INT64_MAX;

	for (; next_local(cron, &local) && local <= until; local += MINUTE)
	{
		int64_t		instants[2];
		int			count = instants_of(cron, local, offset, zone, instants);

		for (int i = 0; i < count; i++)
			if (instants[i] > after && instants[i] < best)
				best = instants[i];
		if (best != INT64_MAX && until == INT64_MAX)
			until = local + LARGEST_SHIFT;
	}
	return best;
}
