/*
 * Making, shifting and ending routes, and what recomputes the part of a key.
 *
 * Each change locks the model, as every change of it does, and leaves an entry in the history with the route as it
 * is afterwards.  A version must pass the guards of the alias before a route leads to it.
 */
#include "postgres.h"

#include "pg/deploy.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/modelarg.h"
#include "pg/publish.h"
#include "pg/rights.h"
#include "pg/route.h"

PG_FUNCTION_INFO_V1(ml_route);
PG_FUNCTION_INFO_V1(ml_shift);
PG_FUNCTION_INFO_V1(ml_unroute);
PG_FUNCTION_INFO_V1(ml_bucket);
PG_FUNCTION_INFO_V1(ml_routed_version);

/* What ml_route is asked for. */
typedef struct RouteRequest
{
	const char *alias;
	const char *reason;
	bool		weighted;
	double		weight;
	Oid			role;
	char	   *claim;
	char	   *value;
	char	   *condition;
	char	   *key;
} RouteRequest;

/* ---- arguments ---- */

/* Error unless a number is a share. */
static void
check_weight(double weight)
{
	if (!(weight >= 0 && weight <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("weight must be from 0 to 1, the share of the calls")));
}

/* Error unless the arguments say one thing that makes a route apply. */
static void
check_request(const RouteRequest *request)
{
	int			ways = request->weighted + OidIsValid(request->role) + (request->claim != NULL) +
		(request->condition != NULL);

	if (ways != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a route needs exactly one of weight, role, claim and condition"),
				 errhint("Make a route for each.")));
	if ((request->claim == NULL) != (request->value == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("claim and value go together"),
				 errhint("For example claim => 'app_metadata.plan', value => 'pro'.")));
	if (request->key != NULL && !request->weighted)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key goes with weight")));
	if (request->weighted)
		check_weight(request->weight);
	if (request->condition != NULL)
		(void) route_condition_parse(request->condition);
}

/* The arguments of ml_route from the alias on. */
static void
read_request(FunctionCallInfo fcinfo, RouteRequest *request)
{
	char	   *role = optional_text(fcinfo, 4);

	memset(request, 0, sizeof(*request));
	request->alias = optional_text(fcinfo, 1);
	request->weighted = !PG_ARGISNULL(3);
	request->weight = request->weighted ? PG_GETARG_FLOAT8(3) : 0;
	request->role = role == NULL ? InvalidOid : get_role_oid(role, false);
	request->claim = optional_text(fcinfo, 5);
	request->value = optional_text(fcinfo, 6);
	request->condition = optional_text(fcinfo, 7);
	request->key = optional_text(fcinfo, 8);
	request->reason = optional_text(fcinfo, 9);
	check_request(request);
}

/* ---- rows ---- */

/* Error when the weights of an alias add up to more than all. */
static void
check_sum(const Writer *writer, const char *alias)
{
	double		sum;

	(void) writer_execute_model(writer, "SELECT coalesce(sum(weight), 0)::float8, count(*) FROM mlaas.route"
								" WHERE model_id = $1 AND alias = $2", SPI_OK_SELECT, column_text("alias", alias));
	sum = DatumGetFloat8(writer_result(0, 1));
	if (sum > 1 + ROUTE_ROUNDING)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the weights of alias \"%s\" add up to %g", alias, sum),
				 errhint("They are shares of the calls: together at most 1.")));
	if (DatumGetInt64(writer_result(0, 2)) > ROUTE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an alias cannot have more than %d routes", ROUTE_MAX)));
}

/* Write the history of a route's change, with the route as it is now. */
static void
write_route_event(const Writer *writer, const char *alias, int32 version, int32 number, const char *reason)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_text("alias", alias),
		column_version("number", number)
	};

	writer_execute("SELECT jsonb_strip_nulls(to_jsonb(r) - '{model_id,version_id,alias,version}'::text[])::text"
				   " FROM mlaas.route r WHERE model_id = $1 AND alias = $2 AND number = $3",
				   SPI_OK_SELECT, lengthof(values), values);
	registry_write_event(writer, "route", alias, version, 0, reason, TextDatumGetCString(writer_result(0, 1)));
}

/* Error when an alias of the locked model already has a weight for a version. */
static void
check_no_weight(const Writer *writer, const char *alias, int32 version)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_text("alias", alias),
		column_version("version", version)
	};

	writer_execute("SELECT 1 FROM mlaas.route WHERE model_id = $1 AND alias = $2 AND version = $3 AND weight IS NOT "
				   "NULL", SPI_OK_SELECT, lengthof(values), values);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("alias \"%s\" of model \"%s\" already has a weight for version %d", alias, writer->model.name,
						version),
				 errhint("Change it with ml_shift.")));
}

/* Keep in the alias' row whether it has routes. */
static void
mark_alias(const Writer *writer, const char *alias)
{
	(void) writer_execute_model(writer, "UPDATE mlaas.alias SET routed = EXISTS"
								" (SELECT FROM mlaas.route WHERE model_id = $1 AND alias = $2)"
								" WHERE model_id = $1 AND alias = $2", SPI_OK_UPDATE, column_text("alias", alias));
}

/* Write a route; returns its number. */
static int32
write_route(const Writer *writer, const RouteRequest *request, const RegistryVersion *version)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_text("alias", request->alias),
		column_version("number", 0),
		column_uuid("version_id", &version->id),
		column_version("version", version->version),
		{"weight", FLOAT8OID, Float8GetDatum(request->weight), !request->weighted},
		{"role", REGROLEOID, ObjectIdGetDatum(request->role), !OidIsValid(request->role)},
		column_text("claim", request->claim),
		column_text("value", request->value),
		column_text("condition", request->condition),
		column_text("key", request->key),
		column_text("salt", request->weighted ? psprintf("%s@%s", version->name, request->alias) : NULL)
	};
	int32		number;

	writer_execute("SELECT coalesce(max(number), 0) + 1 FROM mlaas.route WHERE model_id = $1 AND alias = $2",
				   SPI_OK_SELECT, 2, values);
	number = DatumGetInt32(writer_result(0, 1));
	values[2] = column_version("number", number);
	writer_insert("route", lengthof(values), values);
	mark_alias(writer, request->alias);
	/*
	 * the weights of an alias divide one range, so they share key and salt: those of the oldest, or the key given now
	 */
	if (request->weighted)
		writer_execute("UPDATE mlaas.route r SET key = coalesce($3, first.key), salt = first.salt FROM"
					   " (SELECT key, salt FROM mlaas.route WHERE model_id = $1 AND alias = $2 AND weight IS NOT NULL"
					   " ORDER BY number LIMIT 1) first WHERE r.model_id = $1 AND r.alias = $2 AND r.weight IS NOT "
					   "NULL",
					   SPI_OK_UPDATE, 3, (ColumnValue[]) {values[0], values[1], column_text("key", request->key)});
	return number;
}

/* Error unless two versions give results of the same kind. */
static void
check_same_kind(const RegistryVersion *version, const RegistryVersion *own)
{
	const MlModel *one = cache_model(version, CurrentMemoryContext);
	const MlModel *other = cache_model(own, CurrentMemoryContext);
	const MlSignature *a = one->signature;
	const MlSignature *b = other->signature;

	if (a->task != b->task || a->target_kind != b->target_kind ||
		one->algorithm->transforms != other->algorithm->transforms)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("versions %d and %d of model \"%s\" predict different things", version->version, own->version,
						version->name),
				 errdetail("Calls of one alias get results of one kind.")));
}

/* Warn of a column of a condition that is a feature but for its capital letters: no input would have it. */
static void
warn_of_letters(const char *column, void *arg)
{
	const MlSignature *signature = *(const MlSignature **) arg;
	const char *feature = NULL;

	for (int i = 0; i < signature->nfeatures; i++)
	{
		if (strcmp(signature->features[i].name, column) == 0)
			return;
		if (pg_strcasecmp(signature->features[i].name, column) == 0)
			feature = signature->features[i].name;
	}
	if (feature != NULL)
		ereport(WARNING,
				(errmsg("the condition reads column \"%s\", while the model's feature is \"%s\"", column, feature),
				 errhint("Names without quotes are in small letters, as in SQL: write %s.",
						 quote_identifier(feature))));
}

/* ml_route(name, alias, version, ...): let some calls of an alias go to another version. */
Datum
ml_route(PG_FUNCTION_ARGS)
{
	StringInfoData measured;
	RegistryVersion version;
	RegistryModel model;
	RouteRequest request;
	AliasMove	move;
	const MlSignature *signature;
	int32		number;

	need_argument(fcinfo, 0, "model name");
	need_argument(fcinfo, 1, "alias");
	need_argument(fcinfo, 2, "version");
	registry_resolve_version(optional_text(fcinfo, 0), PG_GETARG_INT32(2), REGISTRY_MANAGE, &version);
	read_request(fcinfo, &request);
	initStringInfo(&measured);

	alias_move_begin(&move, &version, request.alias);
	model = move.writer.model;
	if (move.previous.version == 0)
		registry_raise_alias(&model, request.alias);
	check_same_kind(&version, &move.previous);
	signature = cache_model(&version, CurrentMemoryContext)->signature;
	if (request.condition != NULL)
		route_condition_columns(route_condition_parse(request.condition), warn_of_letters, &signature);
	deploy_check_guards(&move, &measured);
	registry_resume(&move.writer);
	if (request.weighted)
		check_no_weight(&move.writer, request.alias, version.version);
	number = write_route(&move.writer, &request, &version);
	check_sum(&move.writer, request.alias);
	if (strcmp(request.alias, REGISTRY_DEFAULT_ALIAS) == 0)
		publish_warn_routed(&move.writer, cache_model(&version, CurrentMemoryContext));
	write_route_event(&move.writer, request.alias, version.version, number, request.reason);
	writer_end(&move.writer);
	PG_RETURN_INT32(number);
}

/* ml_shift(name, alias, version, weight): change the share of a version. */
Datum
ml_shift(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *alias = need_text(fcinfo, 1, "alias");
	int32		version;
	Writer		writer;
	int32		number;

	need_argument(fcinfo, 2, "version");
	need_argument(fcinfo, 3, "weight");
	version = PG_GETARG_INT32(2);
	check_weight(PG_GETARG_FLOAT8(3));
	rights_check_role(RIGHTS_DEPLOY);
	registry_begin_change(&writer, name, "ml_shift()");
	{
		ColumnValue values[] = {
			column_uuid("model_id", &writer.model.id),
			column_text("alias", alias),
			column_version("version", version),
			{"weight", FLOAT8OID, PG_GETARG_DATUM(3), false}
		};

		writer_execute("UPDATE mlaas.route SET weight = $4 WHERE model_id = $1 AND alias = $2 AND version = $3"
					   " AND weight IS NOT NULL RETURNING number", SPI_OK_UPDATE_RETURNING, lengthof(values), values);
	}
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("alias \"%s\" of model \"%s\" has no weight for version %d", alias, name, version),
				 errhint("Begin with ml_route(%s, %s, %d, weight => %g).", quote_literal_cstr(name),
						 quote_literal_cstr(alias), version, PG_GETARG_FLOAT8(3))));
	number = DatumGetInt32(writer_result(0, 1));
	check_sum(&writer, alias);
	write_route_event(&writer, alias, version, number, PG_NARGS() > 4 ? optional_text(fcinfo, 4) : NULL);
	writer_end(&writer);
	PG_RETURN_VOID();
}

/* End all routes of an alias; returns the version that the first of them led to, 0 when there was none. */
int32
route_end(const Writer *writer, const char *alias)
{
	int32		version;

	if (!writer_execute_model(writer, "SELECT version FROM mlaas.route WHERE model_id = $1 AND alias = $2"
							  " ORDER BY weight IS NULL, number LIMIT 1", SPI_OK_SELECT, column_text("alias", alias)))
		return 0;
	version = DatumGetInt32(writer_result(0, 1));
	(void) writer_execute_model(writer, "DELETE FROM mlaas.route WHERE model_id = $1 AND alias = $2", SPI_OK_DELETE,
								column_text("alias", alias));
	mark_alias(writer, alias);
	return version;
}

/* Error unless a route of an alias leads to a version. */
void
route_need(const Writer *writer, const char *alias, int32 version)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_text("alias", alias),
		column_version("version", version)
	};

	writer_execute("SELECT 1 FROM mlaas.route WHERE model_id = $1 AND alias = $2 AND version = $3",
				   SPI_OK_SELECT, lengthof(values), values);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no route of alias \"%s\" of model \"%s\" leads to version %d", alias, writer->model.name,
						version),
				 errhint("Point it at a version with ml_deploy.")));
}

/* ml_unroute(name, alias, number): end one route of an alias, or all. */
Datum
ml_unroute(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *alias = need_text(fcinfo, 1, "alias");
	Writer		writer;
	int32		ended;

	rights_check_role(RIGHTS_DEPLOY);
	registry_begin_change(&writer, name, "ml_unroute()");
	{
		ColumnValue values[] = {
			column_uuid("model_id", &writer.model.id),
			column_text("alias", alias),
			{"number", INT4OID, PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), PG_ARGISNULL(2)}
		};

		writer_execute("DELETE FROM mlaas.route WHERE model_id = $1 AND alias = $2 AND number = coalesce($3, number)",
					   SPI_OK_DELETE, lengthof(values), values);
	}
	ended = (int32) SPI_processed;
	if (ended == 0 && !PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("alias \"%s\" of model \"%s\" has no route %d", alias, name, PG_GETARG_INT32(2)),
				 errhint("mlaas.routes lists the routes there are.")));
	if (ended > 0)
	{
		mark_alias(&writer, alias);
		registry_write_event(&writer, "route", alias, 0, 0,
							 PG_ARGISNULL(2) ? "all routes ended" : psprintf("route %d ended", PG_GETARG_INT32(2)),
							 NULL);
	}
	else
		registry_return_event(&writer);
	writer_end(&writer);
	PG_RETURN_INT32(ended);
}

/* Error when a route of the locked model leads to a version. */
void
route_check_unused(const Writer *writer, int32 version)
{
	if (writer_execute_model(writer, "SELECT string_agg(DISTINCT format('\"%s\"', alias), ', ') FROM mlaas.route"
							 " WHERE model_id = $1 AND version = $2 HAVING count(*) > 0", SPI_OK_SELECT,
							 column_version("version", version)))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("version %d of model \"%s\" is in use because routes lead to it", version, writer->model.name),
				 errdetail("They are routes of these aliases: %s.", TextDatumGetCString(writer_result(0, 1))),
				 errhint("End them with ml_unroute first.")));
}

/* ---- recomputing ---- */

/* ml_bucket(key, salt): the place in [0, 1) of a key. */
Datum
ml_bucket(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	text	   *salt = PG_GETARG_TEXT_PP(1);

	PG_RETURN_FLOAT8(route_bucket(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), VARDATA_ANY(salt),
								  VARSIZE_ANY_EXHDR(salt)));
}

/* ml_routed_version(name, key): the version that the weights of an alias give a key. */
Datum
ml_routed_version(PG_FUNCTION_ARGS)
{
	ModelArgument *argument = fcinfo->flinfo->fn_extra;
	text	   *key = PG_GETARG_TEXT_PP(1);
	const ModelEntry *entry;
	const Route *route;
	int			choice = ROUTE_OWN;

	if (argument == NULL)
	{
		argument = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ModelArgument));
		model_argument_init(argument, fcinfo, REGISTRY_PREDICT, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = argument;
	}
	entry = model_argument_get(argument, PG_GETARG_DATUM(0));
	route = entry->route;
	if (route != NULL && route->salt != NULL)
		choice = route_by_bucket(route, route_bucket(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
													 route->salt, strlen(route->salt)));
	PG_RETURN_INT32(choice == ROUTE_OWN ? entry->number : route->rules[choice].target.version);
}
