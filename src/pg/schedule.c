/*
 * Schedules.
 *
 * The scheduler submits a job for every schedule that is due and whose last job is over.  It changes no row that a
 * session has locked, so that an open transaction keeps nobody waiting.
 *
 * Which rows have changed is asked of the statistics that autovacuum goes by: rows inserted, updated and deleted
 * in the tables that the source reads, since the last training began to read.  Sessions report them about every
 * second when they are idle, and counts start anew after a crash: then all that is counted counts as new.
 */
#include "pg/schedule.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/varlena.h"

#include "base/cron.h"
#include "pg/arguments.h"
#include "pg/host.h"
#include "pg/registry_write.h"
#include "pg/scheduler.h"

PG_FUNCTION_INFO_V1(ml_schedule);
PG_FUNCTION_INFO_V1(ml_unschedule);
PG_FUNCTION_INFO_V1(ml_schedule_change);

/* Arguments of ml_schedule behind those of ml_submit. */
#define ARGUMENT_EVERY (TRAIN_ARGUMENTS + 1)
#define ARGUMENT_CRON (TRAIN_ARGUMENTS + 2)
#define ARGUMENT_ON_CHANGE (TRAIN_ARGUMENTS + 3)
#define ARGUMENT_TIME_ZONE (TRAIN_ARGUMENTS + 4)
#define ARGUMENT_SCHEDULE (TRAIN_ARGUMENTS + 5)

/* How often to look for changes, when nothing else says. */
#define LOOK_INTERVAL (60 * USECS_PER_SEC)

/* When to try again after an error of the schedule itself. */
#define ERROR_INTERVAL (USECS_PER_HOUR)

/* How many schedules one turn of the scheduler runs. */
#define MOST_A_TURN 100

/* When a schedule runs. */
typedef struct Timing
{
	Interval   *every;			/* NULL = by cron, or to look for changes */
	char	   *cron;			/* NULL = by every, or to look for changes */
	char	   *time_zone;
} Timing;

/* ---- changes ---- */

/* The relation of a name that SQL wrote; InvalidOid when there is none.  Asks for no right: only counts are read. */
static Oid
relation_of(const char *name)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(name));
	Oid			schema;

	if (list_length(names) != 2)
		return InvalidOid;
	schema = get_namespace_oid(strVal(linitial(names)), true);
	return OidIsValid(schema) ? get_relname_relid(strVal(lsecond(names)), schema) : InvalidOid;
}

/* Add a table with its partitions. */
static void
count_relation(Oid relation, ScheduleCounts *counts)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relation, NoLock, NULL))
	{
		Datum		oid = ObjectIdGetDatum(lfirst_oid(cell));

		counts->rows += DatumGetInt64(DirectFunctionCall1(pg_stat_get_live_tuples, oid));
		counts->changes += DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_inserted, oid)) +
			DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_updated, oid)) +
			DatumGetInt64(DirectFunctionCall1(pg_stat_get_tuples_deleted, oid));
	}
}

/* The counts of tables by their names now; not known when one is gone. */
static ScheduleCounts
count_relations(ArrayType *names)
{
	ScheduleCounts counts = {.known = true};
	Datum	   *elements;
	int			count;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	pgstat_clear_snapshot();
	for (int i = 0; i < count; i++)
	{
		Oid			relation = relation_of(TextDatumGetCString(elements[i]));

		if (!OidIsValid(relation))
			return (ScheduleCounts) {0};
		count_relation(relation, &counts);
	}
	return counts;
}

/* The share of rows that changed since then. */
static double
share_changed(const ScheduleCounts *then, const ScheduleCounts *now)
{
	/* less than before: the statistics were reset */
	int64		changes = now->changes >= then->changes ? now->changes - then->changes : now->changes;

	return (double) changes / (double) Max(then->rows, 1);
}

/* The share of the rows of tables that changed since then; NULL when that is not known. */
Datum
ml_schedule_change(PG_FUNCTION_ARGS)
{
	ScheduleCounts now;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	now = count_relations(PG_GETARG_ARRAYTYPE_P(0));
	if (!now.known)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(share_changed(&(ScheduleCounts) {true, PG_GETARG_INT64(1), PG_GETARG_INT64(2)}, &now));
}

ScheduleCounts
schedule_counts(const char *schedule)
{
	ColumnValue name = column_text("schedule", schedule);
	ScheduleCounts counts = {0};
	Writer		writer;

	if (schedule == NULL)
		return counts;
	writer_begin(&writer, "a job");
	writer_execute("SELECT relations FROM mlaas.schedule WHERE schedule = $1", SPI_OK_SELECT, 1, &name);
	if (SPI_processed == 1)
		counts = count_relations(DatumGetArrayTypeP(writer_result(0, 1)));
	writer_end(&writer);
	return counts;
}

/* ---- time ---- */

/* The zone of that name, or an error. */
static pg_tz *
need_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name),
				 errhint("pg_timezone_names lists the time zones there are.")));
	return zone;
}

/* How far a zone is ahead of UTC. */
static int
zone_offset(int64_t instant, void *zone)
{
	pg_time_t	time = (pg_time_t) instant;
	struct pg_tm *local = pg_localtime(&time, (pg_tz *) zone);

	if (local == NULL)
		elog(ERROR, "time out of range");
	return (int) local->tm_gmtoff;
}

/* An instant plus an interval, whose days and months are those of a zone. */
static TimestampTz
add_interval(TimestampTz from, Interval *interval, pg_tz *zone)
{
	pg_tz	   *session = session_timezone;
	TimestampTz sum = from;

	PG_TRY();
	{
		session_timezone = zone;
		sum = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(from),
													  IntervalPGetDatum(interval)));
	}
	PG_FINALLY();
	{
		session_timezone = session;
	}
	PG_END_TRY();
	return sum;
}

/* When a schedule comes next after an instant. */
static TimestampTz
next_time(const Timing *timing, TimestampTz after)
{
	pg_tz	   *zone = need_zone(timing->time_zone);
	MlContext  *ctx;
	MlCron		cron;
	int64		next;

	if (timing->every != NULL)
		return add_interval(after, timing->every, zone);
	if (timing->cron == NULL)
		return after + LOOK_INTERVAL;
	ctx = host_context_create(CurrentMemoryContext, "mlaas schedule", false);
	ml_cron_parse(ctx, timing->cron, &cron);
	next = ml_cron_next(&cron, timestamptz_to_time_t(after), zone_offset, zone);
	host_context_delete(ctx);
	return time_t_to_timestamptz((pg_time_t) next);
}

/* ---- making a schedule ---- */

/* Read when it is to run. */
static void
read_timing(FunctionCallInfo fcinfo, Timing *timing)
{
	TimestampTz now = GetCurrentTimestamp();

	timing->every = PG_ARGISNULL(ARGUMENT_EVERY) ? NULL : PG_GETARG_INTERVAL_P(ARGUMENT_EVERY);
	timing->cron = optional_text(fcinfo, ARGUMENT_CRON);
	timing->time_zone = optional_text(fcinfo, ARGUMENT_TIME_ZONE);
	if (timing->time_zone == NULL)
		timing->time_zone = pstrdup(pg_get_timezone_name(session_timezone));
	if (timing->every != NULL && timing->cron != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every and cron exclude each other")));
	if (timing->every == NULL && timing->cron == NULL && PG_ARGISNULL(ARGUMENT_ON_CHANGE))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a schedule needs every, cron or on_change"),
				 errhint("For example every => '1 day', or cron => '0 3 * * *', or on_change => 0.1.")));
	if (timing->every != NULL && next_time(timing, now) < now + USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every must be at least one second")));
	if (TIMESTAMP_NOT_FINITE(next_time(timing, now)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every must not be infinite")));
}

/* The tables that a source reads, as SQL names them. */
static ArrayType *
relation_names(Source *source)
{
	List	   *relations = source_relations(source);
	Datum	   *names = palloc(sizeof(Datum) * (list_length(relations) + 1));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, relations)
	{
		Oid			relation = lfirst_oid(cell);
		char		kind = get_rel_relkind(relation);

		if (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_MATVIEW)
		{
			const char *schema = get_namespace_name(get_rel_namespace(relation));

			names[count++] = CStringGetTextDatum(quote_qualified_identifier(schema, get_rel_name(relation)));
		}
	}
	return construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* The share that on_change asks for; NaN for NULL. */
static void
check_on_change(FunctionCallInfo fcinfo, ArrayType *relations)
{
	if (PG_ARGISNULL(ARGUMENT_ON_CHANGE))
		return;
	if (!(PG_GETARG_FLOAT8(ARGUMENT_ON_CHANGE) > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_change must be greater than 0"),
				 errhint("It is a share of the rows: 0.1 is a tenth.")));
	if (ArrayGetNItems(ARR_NDIM(relations), ARR_DIMS(relations)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the source reads no table whose changes are counted"),
				 errdetail("The server counts changes of tables, partitioned tables and materialized views."),
				 errhint("Use every or cron instead of on_change.")));
}

/* Delete a schedule when there is one; false when there is none.  Within writer_begin and writer_end. */
static bool
delete_schedule(const Writer *writer, const char *schedule)
{
	ColumnValue name = column_text("schedule", schedule);

	writer_execute("SELECT role FROM mlaas.schedule WHERE schedule = $1 FOR UPDATE", SPI_OK_SELECT, 1, &name);
	if (SPI_processed == 0)
		return false;
	if (!has_privs_of_role(writer->caller, DatumGetObjectId(writer_result(0, 1))))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schedule %s", schedule),
				 errdetail("Only members of the role that made a schedule may change it.")));
	writer_execute("DELETE FROM mlaas.schedule WHERE schedule = $1", SPI_OK_DELETE, 1, &name);
	return true;
}

/* A number of rows; NULL when the counts are not known. */
static ColumnValue
column_count(const char *name, const ScheduleCounts *counts, int64 number)
{
	return (ColumnValue) {name, INT8OID, Int64GetDatum(number), !counts->known};
}

/* Has the model a version that is deployed, so that changes count from now on? */
static bool
is_trained(const char *name)
{
	RegistryVersion deployed;

	return registry_is_deployed(name, &deployed);
}

/* Insert the row of a schedule, in place of one of that name. */
static void
insert_schedule(FunctionCallInfo fcinfo, const JobRequest *request, const Timing *timing, ArrayType *relations,
				TimestampTz first)
{
	ScheduleCounts counts = is_trained(request->name) ? count_relations(relations) : (ScheduleCounts) {0};
	Writer		writer;
	ColumnValue values[] = {
		{"role", REGROLEOID, ObjectIdGetDatum(request->role), false},
		{"login", REGROLEOID, ObjectIdGetDatum(request->login), false},
		{"priority", INT4OID, Int32GetDatum(request->priority), false},
		{"on_change", FLOAT8OID, PG_GETARG_DATUM(ARGUMENT_ON_CHANGE), PG_ARGISNULL(ARGUMENT_ON_CHANGE)},
		column_count("rows_then", &counts, counts.rows),
		column_count("changes_then", &counts, counts.changes),
		{"every", INTERVALOID, IntervalPGetDatum(timing->every), timing->every == NULL},
		column_time("created_at"),
		{"next_run", TIMESTAMPTZOID, TimestampTzGetDatum(first), false},
		column_text("schedule", request->schedule),
		column_text("name", request->name),
		column_text("cron", timing->cron),
		column_text("time_zone", timing->time_zone),
		{"relations", TEXTARRAYOID, PointerGetDatum(relations), false},
		{"arguments", JSONBOID, request->arguments, false},
		{"settings", JSONBOID, request->settings, false}
	};

	writer_begin(&writer, "ml_schedule()");
	(void) delete_schedule(&writer, request->schedule);
	writer_insert("schedule", lengthof(values), values);
	writer_end(&writer);
}

/* Repeat a training. */
Datum
ml_schedule(PG_FUNCTION_ARGS)
{
	Source	   *source;
	ArrayType  *relations;
	JobRequest	request;
	Timing		timing;
	TimestampTz first;

	PreventCommandIfReadOnly("ml_schedule()");
	source = job_check_arguments(fcinfo);
	job_request_init(fcinfo, &request);
	request.schedule = optional_text(fcinfo, ARGUMENT_SCHEDULE);
	if (request.schedule == NULL)
		request.schedule = request.name;
	else
		registry_check_name(request.schedule);
	read_timing(fcinfo, &timing);
	relations = relation_names(source);
	check_on_change(fcinfo, relations);
	first = next_time(&timing, GetCurrentTimestamp());
	insert_schedule(fcinfo, &request, &timing, relations, first);
	scheduler_wake();
	PG_RETURN_TIMESTAMPTZ(first);
}

/* Stop repeating. */
Datum
ml_unschedule(PG_FUNCTION_ARGS)
{
	Writer		writer;
	bool		deleted;

	writer_begin(&writer, "ml_unschedule()");
	deleted = delete_schedule(&writer, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	writer_end(&writer);
	PG_RETURN_BOOL(deleted);
}

/* ---- running ---- */

void
schedule_job_over(const char *schedule, int64 job, const char *state, const ScheduleCounts *counts)
{
	ScheduleCounts unknown = {0};
	ColumnValue values[] = {
		column_text("schedule", schedule),
		column_int64("job", job),
		column_text("state", state),
		column_time("now"),
		{"known", BOOLOID, BoolGetDatum(counts != NULL && counts->known), false},
		column_count("rows", counts != NULL ? counts : &unknown, counts != NULL ? counts->rows : 0),
		column_count("changes", counts != NULL ? counts : &unknown, counts != NULL ? counts->changes : 0)
	};

	if (schedule == NULL)
		return;
	/* after failures it waits 1, 2, 4, ... minutes, a day at most */
	writer_execute("UPDATE mlaas.schedule SET last_state = $3,"
				   " failures = CASE $3 WHEN 'failed' THEN failures + 1 WHEN 'succeeded' THEN 0 ELSE failures END,"
				   " next_run = CASE $3 WHEN 'failed' THEN greatest(next_run, $4 +"
				   " least(interval '1 minute' * power(2, least(failures, 11)), interval '1 day'))"
				   " ELSE next_run END,"
				   " rows_then = CASE WHEN $5 THEN $6 ELSE rows_then END,"
				   " changes_then = CASE WHEN $5 THEN $7 ELSE changes_then END"
				   " WHERE schedule = (SELECT schedule FROM mlaas.schedule WHERE schedule = $1 AND last_job = $2"
				   " FOR UPDATE SKIP LOCKED)",
				   SPI_OK_UPDATE, lengthof(values), values);
}

TimestampTz
schedules_next(bool *any)
{
	bool		isnull;
	Datum		next;

	writer_execute("SELECT count(*), min(s.next_run) FILTER (WHERE NOT EXISTS (SELECT FROM mlaas.job j"
				   " WHERE j.id = s.last_job AND j.schedule = s.schedule AND j.state IN ('queued', 'running')))"
				   " FROM mlaas.schedule s",
				   SPI_OK_SELECT, 0, NULL);
	*any = DatumGetInt64(writer_result(0, 1)) > 0;
	next = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(next);
}

/* A column of the first row as text; NULL when it is. */
static char *
result_text(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

/* A column of the first row that may be NULL. */
static Datum
result_datum(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, isnull);
}

/*
 * Have enough rows changed for the schedule in the first row? Columns: relations, on_change, rows_then, changes_then.
 */
static bool
enough_changed(int column)
{
	bool		no_condition;
	bool		no_rows;
	bool		no_changes;
	double		wanted = 0;
	ScheduleCounts then = {.known = true};
	ScheduleCounts now = count_relations(DatumGetArrayTypeP(writer_result(0, column)));
	Datum		datum = result_datum(column + 1, &no_condition);

	if (!no_condition)
		wanted = DatumGetFloat8(datum);
	then.rows = DatumGetInt64(result_datum(column + 2, &no_rows));
	then.changes = DatumGetInt64(result_datum(column + 3, &no_changes));
	return no_condition || no_rows || no_changes || !now.known || share_changed(&then, &now) >= wanted;
}

/* Submit the job of a schedule that is due, unless too little has changed; within writer_begin and writer_end. */
static void
run_schedule(char *schedule)
{
	ColumnValue name = column_text("schedule", schedule);
	TimestampTz now = GetCurrentTimestamp();
	JobRequest	request = {.schedule = schedule};
	Timing		timing;
	TimestampTz next;
	Datum		every;
	bool		isnull;
	int64		job = 0;

	writer_execute("SELECT role, login, priority, name, arguments, settings, every, cron, time_zone,"
				   " relations, on_change, rows_then, changes_then"
				   " FROM mlaas.schedule WHERE schedule = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT, 1, &name);
	if (SPI_processed == 0)
		return;
	request.role = DatumGetObjectId(writer_result(0, 1));
	request.login = DatumGetObjectId(writer_result(0, 2));
	request.priority = DatumGetInt32(writer_result(0, 3));
	request.name = result_text(4);
	request.arguments = PointerGetDatum(DatumGetJsonbPCopy(writer_result(0, 5)));
	request.settings = PointerGetDatum(DatumGetJsonbPCopy(writer_result(0, 6)));
	every = result_datum(7, &isnull);
	timing.every = isnull ? NULL : DatumGetIntervalP(every);
	timing.cron = result_text(8);
	timing.time_zone = result_text(9);
	next = next_time(&timing, now);
	if (enough_changed(10))
		job = job_insert(&request);
	{
		ColumnValue values[] = {
			name,
			{"next", TIMESTAMPTZOID, TimestampTzGetDatum(next), false},
			{"now", TIMESTAMPTZOID, TimestampTzGetDatum(now), false},
			{"job", INT8OID, Int64GetDatum(job), job == 0}
		};

		writer_execute("UPDATE mlaas.schedule SET next_run = $2, last_job = coalesce($4, last_job),"
					   " last_run = CASE WHEN $4 IS NULL THEN last_run ELSE $3 END,"
					   " last_state = CASE WHEN $4 IS NULL THEN last_state ELSE 'queued' END"
					   " WHERE schedule = $1",
					   SPI_OK_UPDATE, lengthof(values), values);
	}
}

/* A schedule that cannot be run, because its zone is gone, say, is put off and does not keep others from running. */
static void
run_or_put_off(char *schedule)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Writer		writer;

	BeginInternalSubTransaction("schedule");
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		writer_begin(&writer, "a schedule");
		run_schedule(schedule);
		writer_end(&writer);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ColumnValue values[] = {
			column_text("schedule", schedule),
			{"next", TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp() + ERROR_INTERVAL), false}
		};

		MemoryContextSwitchTo(memory);
		EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		writer_begin(&writer, "a schedule");
		writer_execute("UPDATE mlaas.schedule SET next_run = $2, last_state = 'failed', failures = failures + 1"
					   " WHERE schedule ="
					   " (SELECT schedule FROM mlaas.schedule WHERE schedule = $1 FOR UPDATE SKIP LOCKED)",
					   SPI_OK_UPDATE, lengthof(values), values);
		writer_end(&writer);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	CurrentResourceOwner = owner;
}

void
schedules_run(void)
{
	MemoryContext memory = CurrentMemoryContext;
	char	   *due[MOST_A_TURN];
	uint64		count;
	Writer		writer;
	ColumnValue now = column_time("now");

	writer_begin(&writer, "a schedule");
	writer_execute("SELECT s.schedule FROM mlaas.schedule s WHERE s.next_run <= $1"
				   " AND NOT EXISTS (SELECT FROM mlaas.job j WHERE j.id = s.last_job AND j.schedule = s.schedule"
				   " AND j.state IN ('queued', 'running'))"
				   " ORDER BY s.next_run LIMIT " CppAsString2(MOST_A_TURN),
				   SPI_OK_SELECT, 1, &now);
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		due[i] = TextDatumGetCString(writer_result(i, 1));
		MemoryContextSwitchTo(old);
	}
	writer_end(&writer);
	for (uint64 i = 0; i < count; i++)
		run_or_put_off(due[i]);
}
