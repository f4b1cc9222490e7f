/*
 * How far a training is.
 *
 * A training writes to the place in shared memory from which pg_stat_progress_... read: it needs
 * no preloaded library, other sessions read it without a lock, and the abort of a transaction
 * clears it.  Our command has a number of its own, so that the server's views pass it over.
 * A place that another command uses stays that command's; where one inside of the source (COPY in a
 * function) took ours and gave it back, the next report takes it again.
 *
 * A report is cheap, but not free: at most one in REPORT_INTERVAL is written.
 */
#include "pg/progress.h"

#include <math.h>

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/scheduler.h"

PG_FUNCTION_INFO_V1(ml_training_progress);

/* No command of the server has this number. */
#define PROGRESS_COMMAND ((ProgressCommandType) 0x6d6c)

#define REPORT_INTERVAL (200 * 1000)	/* microseconds */

/* What is at which place of the parameters. */
typedef enum ProgressSlot
{
	SLOT_NAME = 0,				/* NAMEDATALEN bytes */
	SLOT_JOB = NAMEDATALEN / sizeof(int64),
	SLOT_ROLE,
	SLOT_PHASE,					/* index into phase_names */
	SLOT_START,
	SLOT_PHASE_START,
	SLOT_ROWS,					/* -1 = not counted */
	SLOT_ITERATION,
	SLOT_TOTAL,
	SLOT_LOSS,					/* a double's bits, as the next */
	SLOT_FRACTION,
	SLOT_COUNT
} ProgressSlot;

StaticAssertDecl(SLOT_COUNT <= PGSTAT_NUM_PROGRESS_PARAM, "a report must fit into the parameters of a command");

static const char *const phase_names[] = {"reading rows", "preparing", "trying rates", "fitting", "scoring", "storing"};

/* The training of this process. */
static struct
{
	int64		values[SLOT_COUNT];
	int64		rows_before;	/* the scan */
	double		rows_expected;
	TimestampTz reported;
} training;

static int64 progress_job = 0;

static int64
double_bits(double value)
{
	int64		bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static double
bits_double(int64 bits)
{
	double		value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* ---- writing ---- */

/* Write the report to shared memory. */
static void
write_report(TimestampTz now)
{
	static int	slots[SLOT_COUNT];

	training.reported = now;
	if (MyBEEntry == NULL)
		return;
	if (MyBEEntry->st_progress_command == PROGRESS_COMMAND_INVALID)
		pgstat_progress_start_command(PROGRESS_COMMAND, InvalidOid);
	if (MyBEEntry->st_progress_command != PROGRESS_COMMAND)
		return;
	for (int i = 0; i < SLOT_COUNT; i++)
		slots[i] = i;
	pgstat_progress_update_multi_param(SLOT_COUNT, slots, training.values);
}

/* Would a report be written now? */
static bool
report_due(MlContext *ctx)
{
	(void) ctx;
	return GetCurrentTimestamp() - training.reported >= REPORT_INTERVAL;
}

/* The number of a phase. */
static int
phase_number(const char *phase)
{
	for (int i = 0; i < (int) lengthof(phase_names); i++)
		if (strcmp(phase_names[i], phase) == 0)
			return i;
	elog(ERROR, "unknown phase \"%s\"", phase);
}

/* Take in what the engine says. */
static void
take_report(MlContext *ctx, const MlProgress *progress)
{
	TimestampTz now = GetCurrentTimestamp();
	int			phase = phase_number(progress->phase);
	bool		begins = phase != training.values[SLOT_PHASE];

	(void) ctx;
	training.values[SLOT_ITERATION] = (int64) progress->iteration;
	training.values[SLOT_TOTAL] = (int64) progress->total;
	training.values[SLOT_FRACTION] = double_bits(progress->fraction);
	training.values[SLOT_LOSS] = double_bits(progress->loss);
	if (begins)
	{
		training.values[SLOT_PHASE] = phase;
		training.values[SLOT_PHASE_START] = now;
	}
	if (begins || now - training.reported >= REPORT_INTERVAL)
		write_report(now);
}

void
progress_begin(MlContext *ctx, const char *name)
{
	TimestampTz now = GetCurrentTimestamp();
	NameData	shown = {0};

	memset(&training, 0, sizeof training);
	strlcpy(NameStr(shown), name, NAMEDATALEN);
	memcpy(&training.values[SLOT_NAME], NameStr(shown), NAMEDATALEN);
	training.values[SLOT_JOB] = progress_job;
	training.values[SLOT_ROLE] = GetUserId();
	training.values[SLOT_START] = training.values[SLOT_PHASE_START] = now;
	training.values[SLOT_ROWS] = -1;
	training.values[SLOT_LOSS] = training.values[SLOT_FRACTION] = double_bits(NAN);
	ctx->progress = take_report;
	ctx->progress_due = report_due;
	write_report(now);
}

void
progress_end(MlContext *ctx)
{
	ctx->progress = NULL;
	ctx->progress_due = NULL;
	if (MyBEEntry != NULL && MyBEEntry->st_progress_command == PROGRESS_COMMAND)
		pgstat_progress_end_command();
}

void
progress_scan(double expected)
{
	training.rows_before = Max(training.values[SLOT_ROWS], 0);
	training.rows_expected = expected;
}

void
progress_rows(MlContext *ctx, uint64 rows)
{
	TimestampTz now;
	double		share;

	if (ctx->progress == NULL)
		return;
	training.values[SLOT_ROWS] = training.rows_before + (int64) rows;
	now = GetCurrentTimestamp();
	if (now - training.reported < REPORT_INTERVAL)
		return;
	/* the planner's guess may be too low: then nothing is known */
	share = (double) rows / training.rows_expected;
	training.values[SLOT_FRACTION] = double_bits(share <= 1 ? share : NAN);
	write_report(now);
}

void
progress_set_job(int64 job)
{
	progress_job = job;
}

/* ---- reading ---- */

/* May the current role see a process of one role that trains as another? */
static bool
may_see(Oid session_role, Oid role)
{
	return has_privs_of_role(GetUserId(), session_role) || has_privs_of_role(GetUserId(), role) ||
		has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

/* A duration in seconds. */
static double
seconds_between(TimestampTz from, TimestampTz to)
{
	return Max(to - from, 0) / 1e6;
}

/* A number that may be none. */
static void
put_double(Datum *value, bool *null, double number)
{
	*value = Float8GetDatum(number);
	*null = isnan(number);
}

/* The row of a process that trains. */
static void
put_row(ReturnSetInfo *result, int pid, const int64 *report, TimestampTz now)
{
	enum {PID, ROLE, NAME, JOB, PHASE, ROWS_READ, ITERATION, ITERATIONS, LOSS, FRACTION, SECONDS, SECONDS_LEFT,
		  COLUMNS};
	double		fraction = bits_double(report[SLOT_FRACTION]);
	double		left = NAN;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {0};
	NameData	name;

	if (report[SLOT_PHASE] < 0 || report[SLOT_PHASE] >= (int64) lengthof(phase_names))
		return;
	if (fraction > 0)
		left = seconds_between(report[SLOT_PHASE_START], now) * (1 - fraction) / fraction;
	memcpy(NameStr(name), &report[SLOT_NAME], NAMEDATALEN);
	NameStr(name)[NAMEDATALEN - 1] = '\0';
	values[PID] = Int32GetDatum(pid);
	values[ROLE] = ObjectIdGetDatum((Oid) report[SLOT_ROLE]);
	values[NAME] = CStringGetTextDatum(NameStr(name));
	values[JOB] = Int64GetDatum(report[SLOT_JOB]);
	nulls[JOB] = report[SLOT_JOB] == 0;
	values[PHASE] = CStringGetTextDatum(phase_names[report[SLOT_PHASE]]);
	values[ROWS_READ] = Int64GetDatum(report[SLOT_ROWS]);
	nulls[ROWS_READ] = report[SLOT_ROWS] < 0;
	values[ITERATION] = Int64GetDatum(report[SLOT_ITERATION]);
	values[ITERATIONS] = Int64GetDatum(report[SLOT_TOTAL]);
	nulls[ITERATION] = nulls[ITERATIONS] = report[SLOT_TOTAL] == 0;
	put_double(&values[LOSS], &nulls[LOSS], bits_double(report[SLOT_LOSS]));
	put_double(&values[FRACTION], &nulls[FRACTION], fraction);
	put_double(&values[SECONDS], &nulls[SECONDS], seconds_between(report[SLOT_START], now));
	put_double(&values[SECONDS_LEFT], &nulls[SECONDS_LEFT], left);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The trainings of this database that the current role may see. */
Datum
ml_training_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	scheduler_ensure();
	/* what a transaction saw before is of no interest */
	pgstat_clear_backend_activity_snapshot();
	count = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *local = compat_local_beentry(i);
		const PgBackendStatus *status;

		if (local == NULL)
			continue;
		status = &local->backendStatus;
		if (status->st_procpid > 0 && status->st_progress_command == PROGRESS_COMMAND &&
			status->st_databaseid == MyDatabaseId &&
			may_see(status->st_userid, (Oid) status->st_progress_param[SLOT_ROLE]))
			put_row(result, status->st_procpid, status->st_progress_param, now);
	}
	return (Datum) 0;
}
