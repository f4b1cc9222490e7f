/*
 * Routes: reading them, and choosing by them.
 *
 * Rows of mlaas.route are read by their index with the active snapshot, once for each time that a name is
 * resolved; nothing is remembered beyond that, so a route holds from the commit that made it on.  Whoever may
 * predict with the model may use all its routes.
 *
 * A rule runs no SQL: roles are looked up, claims and conditions are compared by code of our own, so neither the
 * maker of a route nor the caller runs anything with the other's rights.
 */
#include "postgres.h"

#include "pg/route.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/hash.h"

/* Columns of mlaas.route as sql/deploy.sql makes it. */
#define Anum_route_model_id		1
#define Anum_route_version_id	2
#define Anum_route_number		3
#define Anum_route_version		4
#define Anum_route_weight		5
#define Anum_route_role			6
#define Anum_route_alias		7
#define Anum_route_claim		8
#define Anum_route_value		9
#define Anum_route_condition	10
#define Anum_route_key			11
#define Anum_route_salt			12

/* The setting that PostgREST puts the claims of a request's token into. */
#define CLAIMS_SETTING "request.jwt.claims"

/* ---- the table ---- */

/* A text column as a C string; NULL for a null. */
static char *
text_column(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Another column, 0 for a null. */
static Datum
plain_column(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* Read one rule. */
static void
read_rule(RouteRule *rule, HeapTuple tuple, TupleDesc desc, const RegistryVersion *own)
{
	char	   *condition = text_column(tuple, Anum_route_condition, desc);
	bool		isnull;
	Datum		weight = heap_getattr(tuple, Anum_route_weight, desc, &isnull);

	memset(rule, 0, sizeof(*rule));
	rule->number = DatumGetInt32(plain_column(tuple, Anum_route_number, desc));
	rule->target = *own;
	rule->target.id = *DatumGetUUIDP(heap_getattr(tuple, Anum_route_version_id, desc, &(bool) {false}));
	rule->target.version = DatumGetInt32(plain_column(tuple, Anum_route_version, desc));
	rule->role = DatumGetObjectId(plain_column(tuple, Anum_route_role, desc));
	rule->claim = text_column(tuple, Anum_route_claim, desc);
	rule->value = text_column(tuple, Anum_route_value, desc);
	if (!isnull)
	{
		rule->kind = ROUTE_WEIGHT;
		rule->weight = DatumGetFloat8(weight);
	}
	else if (rule->claim != NULL)
		rule->kind = ROUTE_CLAIM;
	else if (condition != NULL)
	{
		rule->kind = ROUTE_CONDITION;
		rule->condition = route_condition_parse(condition);
	}
	else
		rule->kind = ROUTE_ROLE;
}

/* Add what a row says to the routes. */
static void
add_rule(Route *route, HeapTuple tuple, TupleDesc desc, const RegistryVersion *own)
{
	RouteRule	rule;
	int			place = route->count;

	read_rule(&rule, tuple, desc, own);
	if (rule.kind == ROUTE_WEIGHT)
	{
		route->salt = text_column(tuple, Anum_route_salt, desc);
		route->key = text_column(tuple, Anum_route_key, desc);
	}
	else
	{
		place = route->nrules++;
		memmove(&route->rules[place + 1], &route->rules[place], sizeof(RouteRule) * (size_t) (route->count - place));
		route->has_claims |= rule.kind == ROUTE_CLAIM;
	}
	route->rules[place] = rule;
	route->count++;
}

/* No routes yet, in a context below memory. */
static Route *
create_route(MemoryContext memory)
{
	MemoryContext context = AllocSetContextCreate(memory, "mlaas routes", ALLOCSET_SMALL_SIZES);
	Route	   *route = MemoryContextAllocZero(context, offsetof(Route, rules) + sizeof(RouteRule) * ROUTE_MAX);

	route->memory = context;
	return route;
}

/* The routes of an alias of a version's model. */
static Route *
read_routes(const RegistryVersion *own, const char *alias, MemoryContext memory)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			index_oid;
	Relation	table;
	Relation	index;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Route	   *route = NULL;

	table = table_open(registry_routes(&index_oid), AccessShareLock);
	index = index_open(index_oid, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_route_model_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&own->model_id));
	ScanKeyInit(&keys[1], Anum_route_alias, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(alias));
	scan = systable_beginscan_ordered(table, index, GetActiveSnapshot(), 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		if (route == NULL)
			route = create_route(memory);
		if (route->count == ROUTE_MAX)
			elog(ERROR, "more than %d routes for alias \"%s\" of model \"%s\"", ROUTE_MAX, alias, own->name);
		MemoryContextSwitchTo(route->memory);
		add_rule(route, tuple, RelationGetDescr(table), own);
		MemoryContextSwitchTo(caller);
	}
	systable_endscan_ordered(scan);
	index_close(index, NoLock);
	table_close(table, NoLock);
	return route;
}

/* The routes of the alias that a name means. */
Route *
route_find(const char *spec, const RegistryVersion *own, MemoryContext memory)
{
	const char *at = strchr(spec, '@');

	return own->routed ? read_routes(own, at == NULL ? REGISTRY_DEFAULT_ALIAS : at + 1, memory) : NULL;
}

/* ---- claims ---- */

/* Tell whether a JSON scalar, or one of an array of them, is this text. */
static bool
json_is(const JsonbValue *json, const char *value)
{
	JsonbIterator *iterator;
	JsonbValue	element;
	JsonbIteratorToken token;
	char	   *text;

	switch (json->type)
	{
		case jbvString:
			return (size_t) json->val.string.len == strlen(value) &&
				memcmp(json->val.string.val, value, strlen(value)) == 0;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(json->val.numeric)));
			return strcmp(text, value) == 0;
		case jbvBool:
			return strcmp(json->val.boolean ? "true" : "false", value) == 0;
		case jbvBinary:
			if (!JsonContainerIsArray(json->val.binary.data))
				return false;
			iterator = JsonbIteratorInit(json->val.binary.data);
			while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
				if (token == WJB_ELEM && element.type != jbvBinary && json_is(&element, value))
					return true;
			return false;
		default:
			return false;
	}
}

/* Tell whether the member at a path is a value.  A name may have dots of its own, as that of a URL. */
static bool
claim_is(JsonbContainer *object, const char *path, const char *value)
{
	JsonbValue *member;
	const char *dot = path;

	if (!JsonContainerIsObject(object))
		return false;
	member = getKeyJsonValueFromContainer(object, path, (int) strlen(path), NULL);
	if (member != NULL)
		return json_is(member, value);
	while ((dot = strchr(dot, '.')) != NULL)
	{
		member = getKeyJsonValueFromContainer(object, path, (int) (dot - path), NULL);
		dot++;
		if (member != NULL && member->type == jbvBinary && claim_is(member->val.binary.data, dot, value))
			return true;
	}
	return false;
}

/* Find out which rules hold for the claims of the request, when they are others than before. */
static void
check_claims(Route *route)
{
	const char *claims = GetConfigOption(CLAIMS_SETTING, true, false);
	Jsonb	   *json = NULL;

	if (claims == NULL)
		claims = "";
	if (route->claims != NULL && strcmp(route->claims, claims) == 0)
		return;
	if (route->claims != NULL)
		pfree(route->claims);
	route->claims = NULL;
	if (claims[0] != '\0')
		json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(claims)));
	for (int i = 0; i < route->nrules; i++)
	{
		RouteRule  *rule = &route->rules[i];

		rule->claim_holds = rule->kind == ROUTE_CLAIM && json != NULL && JB_ROOT_IS_OBJECT(json) &&
			claim_is(&json->root, rule->claim, rule->value);
	}
	route->claims = MemoryContextStrdup(route->memory, claims);
}

/* ---- choosing ---- */

/* Does a rule hold? */
static bool
rule_holds(const RouteRule *rule, const RouteInput *input)
{
	switch (rule->kind)
	{
		case ROUTE_ROLE:
			/* of a superuser every role would hold */
			return is_member_of_role_nosuper(GetUserId(), rule->role);
		case ROUTE_CLAIM:
			return rule->claim_holds;
		case ROUTE_CONDITION:
			return route_condition_holds(rule->condition, input);
		case ROUTE_WEIGHT:
			break;
	}
	return false;
}

/* The rule that an input goes by. */
int
route_choose(Route *route, const RouteInput *input)
{
	const char *key;

	if (route->has_claims)
		check_claims(route);
	for (int i = 0; i < route->nrules; i++)
		if (rule_holds(&route->rules[i], input))
			return i;
	if (route->count == route->nrules)
		return ROUTE_OWN;
	key = route->key == NULL ? NULL : input->value(input->arg, route->key);
	if (key == NULL)
		return ROUTE_BY_FEATURES;
	return route_by_bucket(route, route_bucket(key, strlen(key), route->salt, strlen(route->salt)));
}

/* The weighted version whose part of [0, 1) a bucket is in: the first route's part begins at 0. */
int
route_by_bucket(const Route *route, double bucket)
{
	double		end = 0;

	for (int i = route->nrules; i < route->count; i++)
	{
		end += route->rules[i].weight;
		/* weights that make up all of it may add up to a little less */
		if (bucket < end || (i + 1 == route->count && end > 1 - ROUTE_ROUNDING))
			return i;
	}
	return ROUTE_OWN;
}

/* A hash as a number in [0, 1). */
static double
unit_interval(uint64 hash)
{
	return (double) (ml_mix64(hash) >> 11) * 0x1p-53;
}

/* The bucket of a key. */
double
route_bucket(const char *key, size_t length, const char *salt, size_t salt_length)
{
	return unit_interval(ml_hash_bytes(key, length, ml_hash_bytes(salt, salt_length, 0)));
}

/* The bucket of features. */
double
route_features_bucket(const Route *route, const double *raw, int slots, size_t stride)
{
	uint64		hash = ml_hash_bytes(route->salt, strlen(route->salt), 0);

	for (int s = 0; s < slots; s++)
		hash += ml_hash_cell(ml_number_bits(raw[(size_t) s * stride]), (uint64) s);
	return unit_interval(hash);
}
