/*
 * Moving aliases, and a registered model as a value.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"

#include "pg/arguments.h"
#include "pg/cache.h"
#include "pg/deploy.h"
#include "pg/features.h"
#include "pg/guard.h"
#include "pg/host.h"
#include "pg/route.h"

PG_FUNCTION_INFO_V1(ml_deploy);
PG_FUNCTION_INFO_V1(ml_promote);
PG_FUNCTION_INFO_V1(ml_rollback);
PG_FUNCTION_INFO_V1(ml_model);
PG_FUNCTION_INFO_V1(ml_model_literal);

/* ---- deploying ---- */

/* Error when a version fails guards of the alias. */
void
deploy_check_guards(const AliasMove *move, StringInfo measured)
{
	char	   *failures = guard_failures(move->guards, move->version, measured);

	if (failures != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" does not pass the guards of alias \"%s\"",
						move->version->version, move->version->name, move->alias),
				 errdetail("%s", failures)));
}

/* The same as a warning; tells whether the version passes. */
static bool
passes_guards(const AliasMove *move, StringInfo measured)
{
	char	   *failures = guard_failures(move->guards, move->version, measured);

	if (failures != NULL)
		ereport(WARNING,
				(errmsg("version %d of model \"%s\" is not deployed: it does not pass the guards of alias \"%s\"",
						move->version->version, move->version->name, move->alias),
				 errdetail("%s", failures)));
	return failures == NULL;
}

/* A number as JSON. */
static const char *
json_number(double number)
{
	return isfinite(number) ? number_text(number) : "null";
}

/* What the history says of a deployment besides; NULL when there is nothing. */
static char *
deploy_detail(const DeployRequest *request, const DeployOutcome *outcome, const char *measured)
{
	StringInfoData json;

	if (outcome->metric == NULL && measured[0] == '\0')
		return NULL;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (outcome->metric != NULL)
	{
		appendStringInfo(&json, "\"strategy\": \"if_better\", \"metric\": \"%s\", \"value\": %s, \"previous_value\": "
						 "%s, \"margin\": %s, \"rows\": ",
						 outcome->metric, json_number(outcome->value), json_number(outcome->previous_value),
						 json_number(request->margin));
		escape_json(&json, request->holdout != NULL ? request->holdout : "held out");
	}
	if (measured[0] != '\0')
		appendStringInfo(&json, "%s\"guards\": {%s}", outcome->metric != NULL ? ", " : "", measured);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* What the history says of a training whose version was found not good enough; NULL when nothing was measured. */
static char *
refusal_detail(const DeployRequest *request, const DeployOutcome *outcome, const char *measured)
{
	const char *detail = deploy_detail(request, outcome, measured);

	return detail == NULL ? NULL :
		psprintf("{\"deployed\": false, \"previous_version\": %d, %s", outcome->previous, detail + 1);
}

/* A metric for a reader. */
static const char *
figure(double value)
{
	return isfinite(value) ? psprintf("%.6g", value) : "not defined";
}

/* Is the version better than what the alias points at? */
static bool
is_better(const DeployRequest *request, const AliasMove *move, DeployOutcome *outcome)
{
	const RegistryVersion *version = request->version;
	Comparison	comparison = {0};
	char	   *obstacle = compare_versions(version, &move->previous, request->holdout, request->metric,
											request->margin, &comparison);

	if (obstacle != NULL)
	{
		ereport(request->lenient ? WARNING : ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 request->lenient ?
				 errmsg("version %d of model \"%s\" is not deployed: it cannot be compared with version %d",
						version->version, version->name, move->previous.version) :
				 errmsg("version %d of model \"%s\" cannot be compared with version %d", version->version,
						version->name, move->previous.version),
				 errdetail("%s", obstacle),
				 comparison.alike ?
				 errhint("Compare on rows that neither was trained on: ml_deploy(%s, %d, strategy => 'if_better', "
						 "holdout => ...).", quote_literal_cstr(version->name), version->version) :
				 errhint("Deploy it with ml_deploy(%s, %d) if it is to take the other's place.",
						 quote_literal_cstr(version->name), version->version)));
		return false;
	}
	outcome->metric = comparison.metric;
	outcome->value = comparison.value;
	outcome->previous_value = comparison.previous_value;
	if (!comparison.better && request->lenient)
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" is not deployed: it is not better than version %d",
						version->version, version->name, move->previous.version),
				 errdetail("On the same rows its %s is %s, that of version %d %s.", comparison.metric,
						   figure(comparison.value), move->previous.version, figure(comparison.previous_value))));
	return comparison.better;
}

/* Is the version good enough: better, where that is asked for, and past the guards? */
static bool
is_good_enough(const DeployRequest *request, const AliasMove *move, DeployOutcome *outcome, StringInfo measured)
{
	if (request->if_better && move->previous.version != 0 && !is_better(request, move, outcome))
		return false;
	if (request->lenient)
		return passes_guards(move, measured);
	deploy_check_guards(move, measured);
	return true;
}

/* Deploy a version if it is good enough. */
void
deploy_run(const DeployRequest *request, DeployOutcome *outcome)
{
	StringInfoData measured;
	AliasMove	move;

	memset(outcome, 0, sizeof(*outcome));
	outcome->value = outcome->previous_value = get_float8_nan();
	initStringInfo(&measured);
	(void) cache_model(request->version, CurrentMemoryContext);
	alias_move_begin(&move, request->version, request->alias);
	move.end_routes = request->end_routes;
	outcome->previous = move.previous.version;
	if (outcome->previous == request->version->version && !request->end_routes)
		outcome->deployed = true;
	else
	{
		outcome->deployed = is_good_enough(request, &move, outcome, &measured);
		if (outcome->deployed)
		{
			alias_move_finish(&move, request->reason, deploy_detail(request, outcome, measured.data));
			if (move.previous.routed && !request->end_routes)
				ereport(NOTICE,
						(errmsg("alias \"%s\" of model \"%s\" still has routes to other versions", request->alias,
								request->version->name),
						 errhint("End them with ml_unroute(%s, %s).", quote_literal_cstr(request->version->name),
								 quote_literal_cstr(request->alias))));
			return;
		}
	}
	alias_move_abandon(&move, request->lenient && !outcome->deployed ? refusal_detail(request, outcome,
																					  measured.data) : NULL);
}

/* The row of ml_deploy. */
static Datum
deploy_result(FunctionCallInfo fcinfo, const DeployRequest *request, const DeployOutcome *outcome)
{
	Datum		values[8];
	bool		nulls[8] = {false};

	values[0] = CStringGetTextDatum(request->version->name);
	values[1] = CStringGetTextDatum(request->alias);
	values[2] = Int32GetDatum(request->version->version);
	values[3] = Int32GetDatum(outcome->previous);
	nulls[3] = outcome->previous == 0;
	values[4] = BoolGetDatum(outcome->deployed);
	values[5] = outcome->metric == NULL ? (Datum) 0 : CStringGetTextDatum(outcome->metric);
	nulls[5] = outcome->metric == NULL;
	values[6] = Float8GetDatum(outcome->value);
	nulls[6] = isnan(outcome->value);
	values[7] = Float8GetDatum(outcome->previous_value);
	nulls[7] = isnan(outcome->previous_value);
	return result_row(fcinfo, lengthof(values), values, nulls);
}

/* Is the strategy "if_better"? An error names the nearest. */
static bool
read_strategy(const char *name)
{
	static const char *const names[] = {"at_once", "if_better"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return i == 1;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown strategy \"%s\"", name),
			 errhint("%s", ml_candidates_hint(host_context_create(CurrentMemoryContext, "mlaas strategies", false),
											  "strategy", name, names, lengthof(names)))));
}

/* Error: an argument says how to compare, and nothing is compared. */
static void
refuse_unused(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s goes with strategy => 'if_better'", argument)));
}

/* ml_deploy(name, version, alias, reason, strategy, metric, margin, holdout): point an alias at a version. */
Datum
ml_deploy(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	RegistryVersion version;
	DeployRequest request = {
		.version = &version,
		.alias = need_text(fcinfo, 2, "alias"),
		.reason = optional_text(fcinfo, 3),
		.if_better = read_strategy(need_text(fcinfo, 4, "strategy")),
		.metric = optional_text(fcinfo, 5),
		.margin = PG_ARGISNULL(6) ? 0 : PG_GETARG_FLOAT8(6),
		.holdout = optional_text(fcinfo, 7)
	};
	DeployOutcome outcome;

	need_argument(fcinfo, 1, "version");
	if (!request.if_better && (request.metric != NULL || request.holdout != NULL || request.margin != 0))
		refuse_unused(request.metric != NULL ? "metric" : request.holdout != NULL ? "holdout" : "margin");
	if (!(request.margin >= 0) || isinf(request.margin))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("margin must be a number from 0 on")));
	registry_resolve_version(name, PG_GETARG_INT32(1), REGISTRY_MANAGE, &version);
	deploy_run(&request, &outcome);
	PG_RETURN_DATUM(deploy_result(fcinfo, &request, &outcome));
}

/* The version that the routes of an alias lead to, when it is one. */
static void
only_routed_version(const char *name, const char *alias, RegistryVersion *version)
{
	RegistryVersion own;
	Route	   *route;

	registry_check_alias(alias);
	registry_resolve(psprintf("%s@%s", name, alias), REGISTRY_MANAGE, &own);
	route = route_find(psprintf("%s@%s", name, alias), &own, CurrentMemoryContext);
	if (route == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("alias \"%s\" of model \"%s\" has no routes", alias, name),
				 errhint("Point it at a version with ml_deploy.")));
	*version = route->rules[0].target;
	for (int i = 1; i < route->count; i++)
		if (route->rules[i].target.version != version->version)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
					 errmsg("routes of alias \"%s\" of model \"%s\" lead to several versions", alias, name),
					 errhint("Say which one to promote as the argument version.")));
}

/* ml_promote(name, alias, version, reason): deploy what the routes of an alias lead to, and end them. */
Datum
ml_promote(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	RegistryVersion version;
	DeployRequest request = {
		.version = &version,
		.alias = need_text(fcinfo, 1, "alias"),
		.reason = optional_text(fcinfo, 3),
		.end_routes = true
	};
	DeployOutcome outcome;

	if (PG_ARGISNULL(2))
		only_routed_version(name, request.alias, &version);
	else
		registry_resolve_version(name, PG_GETARG_INT32(2), REGISTRY_MANAGE, &version);
	deploy_run(&request, &outcome);
	PG_RETURN_DATUM(deploy_result(fcinfo, &request, &outcome));
}

/* ---- moving back, models as values ---- */

/* ml_rollback(name, alias): point an alias back at the version before, whose model must open. */
Datum
ml_rollback(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *alias = need_text(fcinfo, 1, "alias");
	RegistryVersion version;
	int32		previous = registry_rollback(name, alias, &version);
	Datum		values[4] = {
		CStringGetTextDatum(version.name),
		CStringGetTextDatum(alias),
		Int32GetDatum(version.version),
		Int32GetDatum(previous)
	};

	(void) cache_model(&version, CurrentMemoryContext);
	PG_RETURN_DATUM(result_row(fcinfo, lengthof(values), values, NULL));
}

/* The model of a name as a value. */
static Datum
model_value(const char *name)
{
	RegistryVersion version;

	registry_resolve(name, REGISTRY_DESCRIBE, &version);
	return PointerGetDatum(registry_model_bytes(&version));
}

/* ml_model(text). */
Datum
ml_model(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(model_value(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* ml_model(unknown): a literal, which arrives as a C string. */
Datum
ml_model_literal(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(model_value(PG_GETARG_CSTRING(0)));
}
