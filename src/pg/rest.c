/*
 * Errors of mlaas_api as statuses of HTTP, and the functions of mlaas_api that call another.
 *
 * PostgREST derives the status from the SQLSTATE, by a table that knows no models.  An error with the
 * SQLSTATE "PGRST" chooses its status: its message is the body and its detail the status, both as
 * JSON.  So a callback of the error context rewrites an error of a call below, once it is complete: the body
 * keeps the SQLSTATE, message, detail and hint that the error had.  What PostgREST's table
 * has right already stays as it is, and so do all errors outside of requests: psql sees no JSON.
 */
#include "postgres.h"

#include "pg/rest.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "pg/module.h"
#include "pg/registry_write.h"
#include "pg/source.h"

/* The SQLSTATE that lets an error choose its status. */
#define ERRCODE_REST_STATUS MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

PG_FUNCTION_INFO_V1(ml_rest_evaluate);
PG_FUNCTION_INFO_V1(ml_rest_deploy);
PG_FUNCTION_INFO_V1(ml_rest_rollback);
PG_FUNCTION_INFO_V1(ml_rest_compare);
PG_FUNCTION_INFO_V1(ml_rest_train);
PG_FUNCTION_INFO_V1(ml_rest_describe);
PG_FUNCTION_INFO_V1(ml_rest_cancel);

/* ---- errors ---- */

/* Is this transaction a request that PostgREST sends? */
static bool
in_request(void)
{
	const char *method = GetConfigOption("request.method", true, false);

	return method != NULL && method[0] != '\0';
}

/* The status for a SQLSTATE; 0 where PostgREST's own is right. */
static int
status_of(int sqlstate, RestKind kind)
{
	switch (sqlstate)
	{
		case ERRCODE_UNDEFINED_OBJECT:
			return kind == REST_TRAIN ? 0 : 404;
		case ERRCODE_NO_DATA_FOUND:
			return 404;
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST:
		case ERRCODE_DUPLICATE_OBJECT:
		case ERRCODE_DUPLICATE_FUNCTION:
			return 409;
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return 413;
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
			return 429;
		case ERRCODE_UNDEFINED_COLUMN:
		case ERRCODE_DATATYPE_MISMATCH:
			return kind == REST_PREDICT ? 422 : 0;
		default:
			return kind == REST_PREDICT && ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION ? 422 : 0;
	}
}

/* Add a member of the body, null for a NULL text. */
static void
append_member(StringInfo json, const char *name, const char *text)
{
	appendStringInfo(json, "%s\"%s\":", json->len == 0 ? "{" : ",", name);
	if (text != NULL)
		escape_json(json, text);
	else
		appendStringInfoString(json, "null");
}

/* What an error says in detail: with where in the request, which a body has no other place for. */
static const char *
details_of(const ErrorData *error, RestKind kind)
{
	if (kind != REST_PREDICT || error->context == NULL)
		return error->detail;
	return psprintf("%s%sIn %s.", error->detail != NULL ? error->detail : "", error->detail != NULL ? " " : "",
					pnstrdup(error->context, strcspn(error->context, "\n")));
}

/* Make the error being raised one that chooses its status. */
static void
rewrite_error(int status, RestKind kind)
{
	MemoryContext caller = MemoryContextSwitchTo(CurTransactionContext);
	ErrorData  *error = CopyErrorData();
	StringInfoData body;

	if (error->elevel == ERROR)
	{
		initStringInfo(&body);
		append_member(&body, "code", unpack_sql_state(error->sqlerrcode));
		append_member(&body, "message", error->message);
		append_member(&body, "details", details_of(error, kind));
		append_member(&body, "hint", error->hint);
		appendStringInfoChar(&body, '}');
		errcode(ERRCODE_REST_STATUS);
		errmsg_internal("%s", body.data);
		errdetail_internal("{\"status\":%d,\"headers\":{}}", status);
	}
	MemoryContextSwitchTo(caller);
}

/* An error below a function of mlaas_api. */
static void
error_callback(void *arg)
{
	RestKind	kind = ((RestCall *) arg)->kind;
	int			status = status_of(geterrcode(), kind);

	if (status != 0)
		rewrite_error(status, kind);
}

/* From here on errors of a request say their status. */
void
rest_begin(RestCall *call, RestKind kind)
{
	call->kind = kind;
	call->callback.callback = error_callback;
	call->callback.arg = call;
	call->callback.previous = error_context_stack;
	if (in_request())
		error_context_stack = &call->callback;
}

/* And no more. */
void
rest_end(RestCall *call)
{
	error_context_stack = call->callback.previous;
}

/* ---- bounds ---- */

/* Refuse a body beyond mlaas.max_request_size. */
void
rest_check_size(const struct varlena *value)
{
	Size		limit = (Size) mlaas_max_request_size * 1024;

	if (limit > 0 && VARSIZE_ANY_EXHDR(value) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input has %zu bytes, more than mlaas.max_request_size allows",
						(Size) VARSIZE_ANY_EXHDR(value)),
				 errhint("Send fewer rows in one request.")));
}

/* Refuse more rows than mlaas.max_request_rows. */
void
rest_check_rows(uint32 rows)
{
	if (mlaas_max_request_rows > 0 && rows > (uint32) mlaas_max_request_rows)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the input has %u rows, more than mlaas.max_request_rows allows", rows),
				 errhint("Send fewer rows in one request.")));
}

/* ---- calls of the functions behind ---- */

/* The schema that the extension's functions are in, as SQL text has it. */
const char *
rest_functions_schema(void)
{
	HeapTuple	type = SearchSysCache1(TYPEOID, ObjectIdGetDatum(registry_model_type()));
	Oid			schema;

	if (!HeapTupleIsValid(type))
		elog(ERROR, "the type of models is gone");
	schema = ((Form_pg_type) GETSTRUCT(type))->typnamespace;
	ReleaseSysCache(type);
	return quote_identifier(get_namespace_name(schema));
}

/* Run SQL with the arguments of the call as $1, $2, ...; %s stands for the schema of the functions. */
static void
run_query(FunctionCallInfo fcinfo, const char *format)
{
	Oid		   *types;
	int			count;
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS];
	char	   *sql;
	bool		reads = func_volatile(fcinfo->flinfo->fn_oid) != PROVOLATILE_VOLATILE;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	for (int i = 0; i < count; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	sql = psprintf(format, rest_functions_schema());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, count, types, values, nulls, reads, 0) != SPI_OK_SELECT)
		elog(ERROR, "a call of mlaas_api returned no rows");
}

/* The values of a row that the query returned, for a descriptor of the same types. */
static void
take_row(uint64 row, TupleDesc desc, Datum *values, bool *nulls)
{
	TupleDesc	from = SPI_tuptable->tupdesc;

	if (from->natts != desc->natts)
		elog(ERROR, "a call of mlaas_api returned %d columns, not %d", from->natts, desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(from, i)->atttypid != TupleDescAttr(desc, i)->atttypid)
			elog(ERROR, "column %d of a call of mlaas_api has another type", i + 1);
	}
	heap_deform_tuple(SPI_tuptable->vals[row], from, values, nulls);
}

/* The one row of a query as the result of the call. */
static Datum
query_row(FunctionCallInfo fcinfo, const char *format)
{
	TupleDesc	desc;
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];
	HeapTupleHeader result;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	run_query(fcinfo, format);
	if (SPI_processed != 1)
		elog(ERROR, "a call of mlaas_api returned " UINT64_FORMAT " rows", SPI_processed);
	take_row(0, desc, values, nulls);
	result = SPI_returntuple(heap_form_tuple(desc, values, nulls), desc);
	SPI_finish();
	PG_RETURN_HEAPTUPLEHEADER(result);
}

/* The one value of a query as the result of the call. */
static Datum
query_value(FunctionCallInfo fcinfo, const char *format)
{
	Form_pg_attribute column;
	Datum		value;

	run_query(fcinfo, format);
	if (SPI_processed != 1 || SPI_tuptable->tupdesc->natts != 1)
		elog(ERROR, "a call of mlaas_api returned no single value");
	column = TupleDescAttr(SPI_tuptable->tupdesc, 0);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &fcinfo->isnull);
	if (!fcinfo->isnull)
		value = SPI_datumTransfer(value, column->attbyval, column->attlen);
	SPI_finish();
	return value;
}

/* The rows of a query as the result of the call. */
static Datum
query_rows(FunctionCallInfo fcinfo, const char *format)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];

	InitMaterializedSRF(fcinfo, 0);
	run_query(fcinfo, format);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		take_row(i, result->setDesc, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

/* Refuse SQL text as a source: requests name relations. */
static void
check_source(FunctionCallInfo fcinfo, int argument)
{
	if (!PG_ARGISNULL(argument))
		(void) source_open_relation(text_to_cstring(PG_GETARG_TEXT_PP(argument)));
}

/* Set what PostgREST reads when the statement is done: the status, or the headers as JSON. */
static void
set_response(const char *setting, const char *value)
{
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* ---- the functions ---- */

/* evaluate(model, source). */
Datum
ml_rest_evaluate(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_COMMAND);
	check_source(fcinfo, 1);
	result = query_rows(fcinfo, "SELECT e.metric, e.value FROM %s.ml_evaluate($1, $2) AS e");
	rest_end(&call);
	return result;
}

/* compare(model, version, other): the metrics of two versions side by side. */
Datum
ml_rest_compare(PG_FUNCTION_ARGS)
{
	RestCall	call;
	RegistryVersion version;
	Datum		result;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	rest_begin(&call, REST_COMMAND);
	for (int i = 1; i <= 2; i++)
		registry_resolve_version(name, PG_GETARG_INT32(i), REGISTRY_DESCRIBE, &version);
	result = query_rows(fcinfo,
						"WITH m AS (SELECT v.version, e.key, pg_catalog.float8(e.value) AS value"
						" FROM mlaas.versions v, pg_catalog.jsonb_each(v.metrics) e"
						" WHERE v.name OPERATOR(pg_catalog.=) $1"
						" AND pg_catalog.jsonb_typeof(e.value) OPERATOR(pg_catalog.=) 'number')"
						" SELECT k.key, a.value, b.value, b.value OPERATOR(pg_catalog.-) a.value"
						" FROM (SELECT DISTINCT m.key FROM m"
						"  WHERE m.version OPERATOR(pg_catalog.=) ANY (ARRAY[$2, $3])) k"
						" LEFT JOIN m a ON a.key OPERATOR(pg_catalog.=) k.key AND a.version OPERATOR(pg_catalog.=) $2"
						" LEFT JOIN m b ON b.key OPERATOR(pg_catalog.=) k.key AND b.version OPERATOR(pg_catalog.=) $3"
						" ORDER BY 1");
	rest_end(&call);
	return result;
}

/* deploy(model, version, alias, reason, strategy, metric, margin, holdout). */
Datum
ml_rest_deploy(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_COMMAND);
	check_source(fcinfo, 7);
	result = query_row(fcinfo, "SELECT d.name, d.alias, d.version, d.previous_version, d.deployed, d.metric, d.value, "
					   "d.previous_value"
					   " FROM %s.ml_deploy(name => $1, version => $2, alias => $3, reason => $4, strategy => $5,"
					   " metric => $6, margin => $7, holdout => $8) AS d");
	rest_end(&call);
	return result;
}

/* rollback(model, alias). */
Datum
ml_rest_rollback(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_COMMAND);
	result = query_row(fcinfo, "SELECT d.name, d.alias, d.version, d.previous_version"
					   " FROM %s.ml_rollback(name => $1, alias => $2) AS d");
	rest_end(&call);
	return result;
}

/* Refuse a source that the role may read nothing of: the job would fail, after an answer that promised it. */
static void
check_readable(FunctionCallInfo fcinfo)
{
	Source	   *source;
	Oid			relation;

	if (PG_ARGISNULL(1))
		return;
	source = source_open_relation(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	relation = RangeVarGetRelid(source->relation, NoLock, false);
	if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relation, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relation)), get_rel_name(relation));
}

/* Queue a training; the answer is 202 with the address of its job. */
static Datum
submit_job(FunctionCallInfo fcinfo)
{
	Datum		row;
	bool		isnull;
	int64		job;

	check_readable(fcinfo);
	row = query_row(fcinfo, "SELECT j.job, 'queued'::pg_catalog.text, $1, NULL::pg_catalog.int4,"
					" NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.jsonb,"
					" NULL::pg_catalog.int8, NULL::pg_catalog.int8, NULL::pg_catalog.float8, NULL::pg_catalog.bool"
					" FROM %s.ml_submit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($12, 0)) AS j(job)");
	job = DatumGetInt64(GetAttributeByNum(DatumGetHeapTupleHeader(row), 1, &isnull));
	if (in_request())
	{
		set_response("response.status", "202");
		set_response("response.headers", psprintf("[{\"Location\": \"/jobs?job=eq." INT64_FORMAT "\"}]", job));
	}
	return row;
}

/* train(name, source, target, ..., wait): a job, or the training at once. */
Datum
ml_rest_train(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_TRAIN);
	check_source(fcinfo, 1);
	if (PG_ARGISNULL(10) || !PG_GETARG_BOOL(10))
		result = submit_job(fcinfo);
	else
		result = query_row(fcinfo, "SELECT NULL::pg_catalog.int8, 'succeeded'::pg_catalog.text, t.*"
						   " FROM %s.ml_train($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS t");
	rest_end(&call);
	return result;
}

/* describe(model). */
Datum
ml_rest_describe(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_COMMAND);
	result = query_value(fcinfo, "SELECT %s.ml_describe($1)");
	rest_end(&call);
	return result;
}

/* cancel(job). */
Datum
ml_rest_cancel(PG_FUNCTION_ARGS)
{
	RestCall	call;
	Datum		result;

	rest_begin(&call, REST_COMMAND);
	result = query_value(fcinfo, "SELECT %s.ml_cancel($1)");
	rest_end(&call);
	return result;
}
