/*
 * Guards: reading what ml_guard is told, and measuring versions.
 *
 *   condition   measure operator number
 *   measure     metric | MAX_GAP ( metric , column ) | bytes | microseconds
 *   operator    >= > <= <
 *
 * A guard without a source looks at what is stored with the version: its metrics on held-out rows, its size.
 *
 * A source is read with the rights of the role that made the guard, under its search_path of that time and in a
 * security-restricted operation, as an index's expressions are: whoever deploys runs nothing of the maker's
 * with rights of his own, and the maker reads nothing that he may not.  A maker who has lost the right to
 * manage the model fails the guard's deploys.  Temporary relations are refused: they are whoever deploys' own, and
 * a view among them would run his functions with the maker's rights.  A maker trusts the owners of the views that
 * he names, as whoever reads a view does.
 */
#include "postgres.h"

#include "pg/guard.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/host.h"
#include "pg/lineage.h"
#include "pg/rights.h"
#include "pg/scored.h"

#define MEASURE_BYTES "bytes"
#define MEASURE_MICROSECONDS "microseconds"

/* Rows that microseconds are measured on, and how often: the fastest pass counts. */
#define TIMED_ROWS 1000
#define TIMED_PASSES 5

/* All that a guard may measure, metrics as evaluations name them. */
static const char *const measures[] = {
	"accuracy", "average_precision", "balanced_accuracy", "brier", "f1", "log_loss", "mcc", "precision", "recall",
	"roc_auc",
	"mae", "mape", "max_error", "median_absolute_error", "mse", "r2", "rmse",
	"ndcg", "ndcg_at_10", "ndcg_at_5",
	MEASURE_BYTES, MEASURE_MICROSECONDS
};

static const char *const operators[] = {">=", "<=", ">", "<"};

PG_FUNCTION_INFO_V1(ml_guard);
PG_FUNCTION_INFO_V1(ml_drop_guard);

/* ---- conditions ---- */

/* Error: a condition is not written as one. */
static void
pg_attribute_noreturn()
refuse_condition(const char *condition)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("\"%s\" is not a condition of a guard", condition),
			 errhint("Conditions are like: roc_auc >= 0.8, max_gap(roc_auc, region) <= 0.05, bytes <= 1000000, "
					 "microseconds <= 50.")));
}

/* A word at *p, in lower case unless it is quoted, and *p behind it and the blanks around; NULL when there is none. */
static char *
read_word(const char **p)
{
	const char *begin;
	char	   *word;

	*p += strspn(*p, " \t\r\n");
	begin = *p;
	if (*begin == '"')
	{
		const char *end = strchr(begin + 1, '"');

		if (end == NULL)
			return NULL;
		word = pnstrdup(begin + 1, (Size) (end - begin - 1));
		*p = end + 1;
	}
	else
	{
		while (**p != '\0' && strchr(" \t\r\n()<>=,\"", **p) == NULL)
			(*p)++;
		word = downcase_identifier(begin, (int) (*p - begin), false, false);
	}
	*p += strspn(*p, " \t\r\n");
	return word[0] == '\0' ? NULL : word;
}

/* Go behind a character that must be there. */
static void
need_character(const char **p, char character, const char *condition)
{
	if (**p != character)
		refuse_condition(condition);
	(*p)++;
}

/* Error unless there is a measure of that name; "auc" is the usual short name of one. */
static char *
need_measure(char *name, const char *condition)
{
	MlContext  *ctx;

	if (name == NULL)
		refuse_condition(condition);
	if (strcmp(name, "auc") == 0)
		return pstrdup("roc_auc");
	for (size_t i = 0; i < lengthof(measures); i++)
		if (strcmp(name, measures[i]) == 0)
			return name;
	ctx = host_context_create(CurrentMemoryContext, "mlaas measures", false);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("unknown metric \"%s\"", name),
			 errhint("%s", ml_candidates_hint(ctx, "metric", name, measures, lengthof(measures)))));
}

/* Is what a guard measures a metric, not a property of the model? */
static bool
measures_metric(const Guard *guard)
{
	return strcmp(guard->metric, MEASURE_BYTES) != 0 && strcmp(guard->metric, MEASURE_MICROSECONDS) != 0;
}

/* The operator at *p, which goes behind it. */
static char *
read_operator(const char **p, const char *condition)
{
	for (size_t i = 0; i < lengthof(operators); i++)
		if (strncmp(*p, operators[i], strlen(operators[i])) == 0)
		{
			*p += strlen(operators[i]);
			return pstrdup(operators[i]);
		}
	refuse_condition(condition);
}

/* Read a condition. */
static void
parse_condition(const char *condition, Guard *guard)
{
	const char *p = condition;
	char	   *word = read_word(&p);

	if (word != NULL && strcmp(word, "max_gap") == 0 && *p == '(')
	{
		p++;
		guard->metric = need_measure(read_word(&p), condition);
		need_character(&p, ',', condition);
		guard->by = read_word(&p);
		if (guard->by == NULL || !measures_metric(guard))
			refuse_condition(condition);
		need_character(&p, ')', condition);
		p += strspn(p, " \t\r\n");
	}
	else
		guard->metric = need_measure(word, condition);
	guard->operator = read_operator(&p, condition);
	if (!text_number(p, strlen(p), &guard->threshold) || is_special(guard->threshold))
		refuse_condition(condition);
}

/* A guard as it is written: "max_gap(roc_auc, region) <= 0.05". */
static char *
guard_condition(const Guard *guard)
{
	const char *measure = guard->by == NULL ? guard->metric :
		psprintf("max_gap(%s, %s)", guard->metric, quote_identifier(guard->by));

	return psprintf("%s %s %s", measure, guard->operator, number_text(guard->threshold));
}

/* ---- rows ---- */

/* The text of a column that the last statement returned; NULL for a null. */
static char *
result_text(uint64 row, int column, MemoryContext memory)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? NULL : MemoryContextStrdup(memory, TextDatumGetCString(value));
}

/* The guards of an alias of the locked model. */
List *
guard_read(const Writer *writer, const char *alias, MemoryContext memory)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_text("alias", alias)
	};
	List	   *guards = NIL;

	writer_execute("SELECT number, metric, by, operator, threshold, source, search_path, made_by::oid FROM mlaas.guard"
				   " WHERE model_id = $1 AND alias = $2 ORDER BY number",
				   SPI_OK_SELECT, lengthof(values), values);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Guard	   *guard = MemoryContextAllocZero(memory, sizeof(Guard));
		MemoryContext spi = MemoryContextSwitchTo(memory);

		guard->number = DatumGetInt32(writer_result(i, 1));
		guard->metric = result_text(i, 2, memory);
		guard->by = result_text(i, 3, memory);
		guard->operator = result_text(i, 4, memory);
		guard->threshold = DatumGetFloat8(writer_result(i, 5));
		guard->source = result_text(i, 6, memory);
		guard->search_path = result_text(i, 7, memory);
		guard->maker = DatumGetObjectId(writer_result(i, 8));
		guards = lappend(guards, guard);
		MemoryContextSwitchTo(spi);
	}
	return guards;
}

/* ---- measuring ---- */

/* The metric of that name; NaN when it is not among them. */
static double
metric_value(const MlMetric *metrics, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(metrics[i].name, name) == 0)
			return metrics[i].value;
	return get_float8_nan();
}

/* The metric on the rows of one group (-1: those where the column is NULL); NaN when there is none. */
static double
group_metric(const Scored *scored, const char *metric, int32 group, uint32 *rows)
{
	MlMetric	metrics[ML_MAX_METRICS];
	size_t		n = 0;

	for (size_t i = 0; i < scored->rows; i++)
		if (scored->by[i] == group)
			rows[n++] = (uint32) i;
	if (n == 0)
		return get_float8_nan();
	return metric_value(metrics, scored_metrics(scored, 0, rows, n, NULL, metrics), metric);
}

/* The largest difference of a metric between two groups; NaN when it is not defined in two. */
static double
largest_gap(const Scored *scored, const char *metric, char **detail)
{
	uint32	   *rows = ml_alloc_array(scored->ctx, scored->rows, sizeof(uint32));
	double		lowest = INFINITY;
	double		highest = -INFINITY;
	int32		low = 0;
	int32		high = 0;
	int			defined = 0;

	for (int32 g = -1; g < (int32) scored->by_values->count; g++)
	{
		double		value = group_metric(scored, metric, g, rows);

		CHECK_FOR_INTERRUPTS();
		if (isnan(value))
			continue;
		defined++;
		low = value < lowest ? g : low;
		high = value > highest ? g : high;
		lowest = Min(lowest, value);
		highest = Max(highest, value);
	}
	if (defined < 2)
		return get_float8_nan();
	*detail = psprintf(" (%s: %s, %s: %s)", low < 0 ? "NULL" : scored->by_values->strings[low], number_text(lowest),
					   high < 0 ? "NULL" : scored->by_values->strings[high], number_text(highest));
	return highest - lowest;
}

/* The source of a guard, which all sessions must read alike. */
static Source *
open_source(const Guard *guard)
{
	Source	   *source = source_open(guard->source);
	char	   *temporary = source_temporary(source);

	if (temporary != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a guard cannot read temporary relation \"%s\"", temporary),
				 errdetail("It belongs to this session, and others deploy too.")));
	return source;
}

/* A metric, or the gap of it, on the guard's source. */
static double
measure_on_source(const Guard *guard, const MlModel *model, char **detail)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas guard", true);
	Scored	   *scored = scored_read(ctx, &model, 1, open_source(guard), guard->by);
	MlMetric	metrics[ML_MAX_METRICS];

	if (guard->by != NULL)
		return largest_gap(scored, guard->metric, detail);
	return metric_value(metrics, scored_metrics(scored, 0, NULL, scored->rows, NULL, metrics), guard->metric);
}

/* Rows whose scoring is timed. */
typedef struct TimedRows
{
	Scorer		scorer;
	size_t		rows;
	double	   *raw;			/* [TIMED_ROWS][slots] */
} TimedRows;

/* Take one row, of the first. */
static void
receive_timed(TupleTableSlot *slot, void *arg)
{
	TimedRows  *timed = arg;
	const double *raw;

	if (timed->rows == TIMED_ROWS)
		return;
	slot_getallattrs(slot);
	scorer_add(&timed->scorer, slot);
	raw = scorer_last(&timed->scorer);
	for (size_t s = 0; s < timed->scorer.slots; s++)
		timed->raw[timed->rows * timed->scorer.slots + s] = raw[s * SCORER_STRIDE];
	timed->rows++;
	scorer_reset(&timed->scorer);
}

/* Microseconds that the model takes for a row, one by one as ml_predict does, in the fastest pass. */
static double
measure_microseconds(const Guard *guard, const MlModel *model)
{
	Source	   *source = open_source(guard);
	int		   *columns = palloc(sizeof(int) * (Size) Max(model->signature->nfeatures, 1));
	TimedRows	timed = {0};
	double		fastest = INFINITY;
	double	   *out;
	double	   *scratch;

	scorer_init(&timed.scorer, host_context_create(CurrentMemoryContext, "mlaas guard", false), model, source, columns);
	timed.raw = palloc(sizeof(double) * TIMED_ROWS * Max(timed.scorer.slots, 1));
	source_scan(source, columns, timed.scorer.nfeatures, receive_timed, &timed);
	if (timed.rows == 0)
		return get_float8_nan();
	out = palloc(sizeof(double) * (Size) ml_model_outputs(model));
	scratch = palloc(sizeof(double) * Max(ml_model_scratch(model, 1), 1));
	for (int pass = 0; pass < TIMED_PASSES; pass++)
	{
		instr_time	start;
		instr_time	taken;

		INSTR_TIME_SET_CURRENT(start);
		for (size_t i = 0; i < timed.rows; i++)
			ml_model_score(model, timed.raw + i * timed.scorer.slots, 1, 1, out, 1, scratch);
		INSTR_TIME_SET_CURRENT(taken);
		INSTR_TIME_SUBTRACT(taken, start);
		fastest = Min(fastest, INSTR_TIME_GET_DOUBLE(taken) * 1e6 / (double) timed.rows);
		CHECK_FOR_INTERRUPTS();
	}
	return fastest;
}

/* A metric that the version had on the rows its training held out; NaN when there is none. */
static double
stored_metric(const MlModel *model, const char *name)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas guard", false);
	const MlNode *summary = ml_container_section(model->bytes, ML_SECTION_SUMMARY);
	const MlNode *value;

	if (ml_need_int(ctx, summary, "n_test", 0, PG_INT64_MAX) == 0)
		return get_float8_nan();
	value = ml_node_find(ml_need(ctx, summary, "metrics", ML_NODE_OBJECT), name);
	return value != NULL && ml_node_type(value) == ML_NODE_DOUBLE ? ml_node_double(value) : get_float8_nan();
}

/* Say which guard an error comes from. */
static void
guard_error_callback(void *arg)
{
	const Guard *guard = arg;

	errcontext("guard %d, %s, which reads its source as role \"%s\"", guard->number, guard_condition(guard),
			   GetUserNameFromId(guard->maker, true));
}

/* Measure with the maker's rights. */
static double
measure_as_maker(const Guard *guard, const MlModel *model, const RegistryVersion *version, char **detail)
{
	RegistryModel row = {.id = version->model_id, .owner = version->owner};
	Oid			caller;
	int			security_context;
	int			guc_level;
	const char *path;
	double		value;
	ErrorContextCallback callback = {
		.previous = error_context_stack,.callback = guard_error_callback,.arg = unconstify(Guard *, guard)
	};

	strlcpy(row.name, version->name, sizeof(row.name));
	if (GetUserNameFromId(guard->maker, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that made guard %d of model \"%s\" does not exist any more", guard->number,
						version->name),
				 errhint("Drop the guard with ml_drop_guard(%s, %d) and make it anew.",
						 quote_literal_cstr(version->name), guard->number)));
	error_context_stack = &callback;
	registry_check_rights(&row, guard->maker, REGISTRY_MANAGE);

	GetUserIdAndSecContext(&caller, &security_context);
	SetUserIdAndSecContext(guard->maker, security_context | SECURITY_RESTRICTED_OPERATION);
	guc_level = NewGUCNestLevel();
	/* else what is temporary would be found first */
	path = guard->search_path[0] == '\0' ? "pg_temp" : psprintf("%s, pg_temp", guard->search_path);
	(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	value = measures_metric(guard) ? measure_on_source(guard, model, detail) : measure_microseconds(guard, model);
	AtEOXact_GUC(false, guc_level);
	SetUserIdAndSecContext(caller, security_context);
	error_context_stack = callback.previous;
	return value;
}

/* Did a version come as a value? What that says of rows held out is not known to be so. */
static bool
is_value(const RegistryVersion *version)
{
	VersionOrigin origin;

	/* it may have been stored by this very command */
	PushActiveSnapshot(GetTransactionSnapshot());
	lineage_origin(&version->id, &origin);
	PopActiveSnapshot();
	return lineage_is_value(origin.lineage);
}

/* The figure of a version for a guard; NaN when there is none. */
static double
measure(const Guard *guard, const MlModel *model, const RegistryVersion *version, char **detail)
{
	if (strcmp(guard->metric, MEASURE_BYTES) == 0)
		return (double) (VARSIZE(registry_model_bytes(version)) - VARHDRSZ);
	if (guard->source == NULL)
		return is_value(version) ? get_float8_nan() : stored_metric(model, guard->metric);
	return measure_as_maker(guard, model, version, detail);
}

/* Does a figure pass? NaN passes nothing. */
static bool
passes(const Guard *guard, double value)
{
	switch (guard->operator[0])
	{
		case '>':
			return guard->operator[1] == '=' ? value >= guard->threshold : value > guard->threshold;
		default:
			return guard->operator[1] == '=' ? value <= guard->threshold : value < guard->threshold;
	}
}

/* What a version fails, and all that was measured. */
char *
guard_failures(List *guards, const RegistryVersion *version, StringInfo measured)
{
	const MlModel *model = guards == NIL ? NULL : cache_model(version, CurrentMemoryContext);
	StringInfoData failures;
	ListCell   *cell;

	initStringInfo(&failures);
	foreach(cell, guards)
	{
		const Guard *guard = lfirst(cell);
		char	   *detail = "";
		double		value = measure(guard, model, version, &detail);

		appendStringInfoString(measured, measured->len > 0 ? ", " : "");
		escape_json(measured, guard_condition(guard));
		appendStringInfo(measured, ": %s", isfinite(value) ? number_text(value) : "null");
		if (passes(guard, value))
			continue;
		appendStringInfo(&failures, "%s%s: ", failures.len > 0 ? "\n" : "", guard_condition(guard));
		if (isnan(value))
			appendStringInfoString(&failures, guard->by != NULL ? "it is not defined in two groups." :
								   guard->source == NULL && is_value(version) ?
								   "the version was registered as a value, so nothing is known of held-out rows." :
								   guard->source == NULL ? "the version has no such figure of held-out rows." :
								   "it is not defined on the source's rows.");
		else
			appendStringInfo(&failures, "it is %s%s.", number_text(value), detail);
	}
	return failures.len > 0 ? failures.data : NULL;
}

/* ---- making and dropping ---- */

/* Error unless the source has the column of groups; the hint is for one that is there but for its capital letters. */
static void
need_group_column(const Source *source, const char *name)
{
	for (int i = 0; i < source->ncolumns && source_find(source, name) < 0; i++)
		if (pg_strcasecmp(source->columns[i].name, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("group column \"%s\" does not exist in the source", name),
					 errhint("Names without quotes are in small letters, as in SQL: write %s.",
							 quote_identifier(source->columns[i].name))));
	(void) source_need(source, name, "group column");
}

/* Error unless a guard has what it is measured on. */
static void
check_source(const Guard *guard)
{
	if (guard->source == NULL && (guard->by != NULL || strcmp(guard->metric, MEASURE_MICROSECONDS) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a guard on %s needs a source",
						guard->by != NULL ? "a gap between groups" : MEASURE_MICROSECONDS),
				 errhint("Name the table, view or query whose rows it is measured on as the argument source.")));
	if (guard->source != NULL && strcmp(guard->metric, MEASURE_BYTES) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a guard on bytes takes no source")));
	if (guard->source != NULL)
	{
		Source	   *source = open_source(guard);

		if (guard->by != NULL)
			need_group_column(source, guard->by);
	}
}

/* Write a guard under the model's lock; its number is returned. */
static int32
write_guard(Writer *writer, const Guard *guard, const char *alias)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_version("number", 0),
		column_time("made_at"),
		{"made_by", REGROLEOID, ObjectIdGetDatum(writer->caller), false},
		{"threshold", FLOAT8OID, Float8GetDatum(guard->threshold), false},
		column_text("alias", alias),
		column_text("metric", guard->metric),
		column_text("operator", guard->operator),
		column_text("by", guard->by),
		column_text("source", guard->source),
		column_text("search_path", guard->search_path)
	};
	int32		number;

	writer_execute("SELECT coalesce(max(number), 0) + 1, count(*) FILTER (WHERE alias = $6 AND metric = $7"
				   " AND operator = $8 AND by IS NOT DISTINCT FROM $9 AND source IS NOT DISTINCT FROM $10 AND "
				   "threshold = $5) FROM mlaas.guard WHERE model_id = $1", SPI_OK_SELECT, lengthof(values), values);
	number = DatumGetInt32(writer_result(0, 1));
	if (DatumGetInt64(writer_result(0, 2)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("alias \"%s\" of model \"%s\" already has the guard %s", alias, writer->model.name,
						guard_condition(guard))));
	values[1] = column_version("number", number);
	rights_tie_role(writer->caller);
	writer_insert("guard", lengthof(values), values);
	return number;
}

/* ml_guard(name, condition, alias, source): add a guard. */
Datum
ml_guard(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *condition = need_text(fcinfo, 1, "condition");
	char	   *alias = need_text(fcinfo, 2, "alias");
	Guard		guard = {0};
	RegistryModel model;
	Writer		writer;

	registry_need_model(name, REGISTRY_MANAGE, &model);
	registry_check_alias(alias);
	parse_condition(condition, &guard);
	guard.source = optional_text(fcinfo, 3);
	guard.search_path = pstrdup(namespace_search_path);
	check_source(&guard);

	writer_begin(&writer, "ml_guard()");
	registry_lock(&writer, name, REGISTRY_MANAGE);
	guard.number = write_guard(&writer, &guard, alias);
	registry_write_event(&writer, "guard", alias, 0, 0, guard_condition(&guard), NULL);
	writer_end(&writer);
	PG_RETURN_INT32(guard.number);
}

/* ml_drop_guard(name, guard): drop a guard by its number. */
Datum
ml_drop_guard(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	Writer		writer;
	char	   *alias;
	Oid			maker;

	need_argument(fcinfo, 1, "guard");
	registry_begin_change(&writer, name, "ml_drop_guard()");
	{
		ColumnValue values[] = {
			column_uuid("model_id", &writer.model.id),
			column_version("number", PG_GETARG_INT32(1))
		};

		writer_execute("DELETE FROM mlaas.guard WHERE model_id = $1 AND number = $2 RETURNING alias, made_by::oid",
					   SPI_OK_DELETE_RETURNING, lengthof(values), values);
	}
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no guard %d", name, PG_GETARG_INT32(1)),
				 errhint("mlaas.guards lists the guards there are.")));
	alias = TextDatumGetCString(writer_result(0, 1));
	maker = DatumGetObjectId(writer_result(0, 2));
	rights_untie_role(maker);
	registry_write_event(&writer, "guard", alias, 0, 0,
						 psprintf("guard %d dropped", PG_GETARG_INT32(1)), NULL);
	writer_end(&writer);
	PG_RETURN_VOID();
}
