/*
 * predict_by_key of mlaas_api: the features of one row of a published model's source, read under
 * the caller's rights, through the model.
 *
 * A session keeps the plan that reads a row for each version it has used, so that a request
 * neither parses nor plans.  The plan is PostgreSQL's: it is made anew when the source changes, and
 * checks the rights of whoever runs it.  An entry holds for one source and key, which a later
 * ml_publish may change.  Where an alias has routes, the whole row is read, by a plan of the moment, since a
 * condition may ask for any column of it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "pg/cache.h"
#include "pg/predict.h"
#include "pg/registry.h"
#include "pg/rest.h"
#include "pg/route.h"

PG_FUNCTION_INFO_V1(ml_rest_predict_by_key);

/* Columns of mlaas.published as sql/publish.sql makes it. */
#define Anum_published_model_id 1
#define Anum_published_source	2
#define Anum_published_key		9

/* Versions of which a session keeps the plan. */
#define PLANS 32

/* Where a key's features are, zero behind the names so that two can be compared. */
typedef struct KeySource
{
	Oid			relation;
	NameData	schema;			/* its name of now: a plan is its text when it is made anew */
	NameData	name;
	AttrNumber	key;
	Oid			key_type;		/* behind domains */
} KeySource;

/* The plan that reads a row of features in the order of the model. */
typedef struct KeyPlan
{
	pg_uuid_t	version;
	KeySource	source;
	SPIPlanPtr	plan;			/* NULL = free */
} KeyPlan;

static KeyPlan plans[PLANS];
static int	next_plan = 0;		/* the next to be replaced */

/* ---- the source ---- */

/* Source and key column of a published model; false when it has none. */
static bool
read_source(const RegistryVersion *version, Oid *relation, char **key)
{
	Oid			schema = get_namespace_oid("mlaas", false);
	Relation	table = table_open(get_relname_relid("published", schema), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		missing = true;

	ScanKeyInit(&scan_key, Anum_published_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&version->model_id));
	scan = systable_beginscan(table, get_relname_relid("published_pkey", schema), true, GetActiveSnapshot(), 1,
							  &scan_key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		*relation = DatumGetObjectId(heap_getattr(tuple, Anum_published_source, desc, &missing));
		if (!missing)
			*key = TextDatumGetCString(heap_getattr(tuple, Anum_published_key, desc, &missing));
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return !missing;
}

/* Where the features of a version's keys are, or an error. */
static void
need_source(const RegistryVersion *version, KeySource *source)
{
	char	   *key = NULL;
	char	   *name;

	memset(source, 0, sizeof(*source));
	if (!read_source(version, &source->relation, &key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" is not published with a source and a key", version->name),
				 errhint("Who manages the model can do that: SELECT ml_publish(%s, source => ..., key => ...).",
						 quote_literal_cstr(version->name))));
	name = get_rel_name(source->relation);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the source that model \"%s\" is published with does not exist any more", version->name)));
	namestrcpy(&source->name, name);
	namestrcpy(&source->schema, get_namespace_name(get_rel_namespace(source->relation)));
	source->key = get_attnum(source->relation, key);
	if (source->key == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the source that model \"%s\" is published with has no column \"%s\" any more",
						version->name, key)));
	source->key_type = getBaseType(get_atttype(source->relation, source->key));
}

/* ---- the plan ---- */

/* The operator that compares keys, as SQL text has it. */
static char *
equality_operator(Oid type)
{
	Oid			operator = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple	tuple;
	char	   *text;

	if (!OidIsValid(operator))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("keys of type %s cannot be compared", format_type_be(type))));
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	text = psprintf("OPERATOR(%s.%s)",
					quote_identifier(get_namespace_name(((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace)),
					NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname));
	ReleaseSysCache(tuple);
	return text;
}

/* The features of a model as columns of the source. */
static char *
feature_list(const MlModel *model, const KeySource *source)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int f = 0; f < model->signature->nfeatures; f++)
	{
		const char *name = model->signature->features[f].name;

		if (get_attnum(source->relation, name) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the source that the model is published with has no column \"%s\"", name),
					 errhint("Publish the model with a source that has all of its features.")));
		appendStringInfo(&list, "%ss.%s", f == 0 ? "" : ", ", quote_identifier(name));
	}
	return list.data;
}

/* The statement that reads these columns of a key's row. */
static char *
key_query(const char *columns, const KeySource *source)
{
	return psprintf("SELECT %s FROM %s s WHERE s.%s %s $1 LIMIT 2", columns,
					quote_qualified_identifier(NameStr(source->schema), NameStr(source->name)),
					quote_identifier(get_attname(source->relation, source->key, false)),
					equality_operator(source->key_type));
}

/* The plan for a version, kept from before or made now. */
static SPIPlanPtr
get_plan(const RegistryVersion *version, const MlModel *model, const KeySource *source)
{
	KeyPlan    *kept = NULL;
	Oid			type = source->key_type;
	SPIPlanPtr	plan;

	for (int i = 0; i < PLANS && kept == NULL; i++)
	{
		if (plans[i].plan != NULL && memcmp(&plans[i].version, &version->id, sizeof(pg_uuid_t)) == 0)
			kept = &plans[i];
	}
	if (kept != NULL && memcmp(&kept->source, source, sizeof(*source)) == 0)
		return kept->plan;
	if (kept == NULL)
	{
		kept = &plans[next_plan];
		next_plan = (next_plan + 1) % PLANS;
	}
	plan = SPI_prepare(key_query(feature_list(model, source), source), 1, &type);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare to read a key: %s", SPI_result_code_string(SPI_result));
	if (kept->plan != NULL)
		SPI_freeplan(kept->plan);
	kept->version = version->id;
	kept->source = *source;
	kept->plan = plan;
	return plan;
}

/* ---- the row ---- */

/* Read the one row of a key; the columns are in SPI_tuptable. */
static void
read_key(SPIPlanPtr plan, const KeySource *source, const char *key, const RegistryVersion *version)
{
	Oid			input;
	Oid			parameter;
	Datum		value;

	getTypeInputInfo(source->key_type, &input, &parameter);
	value = OidInputFunctionCall(input, unconstify(char *, key), parameter, -1);
	if (plan == NULL)
		elog(ERROR, "could not prepare to read a key: %s", SPI_result_code_string(SPI_result));
	if (SPI_execute_plan(plan, &value, NULL, true, 2) != SPI_OK_SELECT)
		elog(ERROR, "reading a key returned no rows");
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no row of %s that the role may see has the key \"%s\"", NameStr(source->name), key)));
	if (SPI_processed > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("several rows of %s have the key \"%s\"", NameStr(source->name), key),
				 errhint("Model \"%s\" must be published with a key that identifies a row.", version->name)));
}

/* The number of a row's column; the features usually are where they are looked for first. */
static int
column_number(TupleDesc desc, const char *name, int guess)
{
	int			number = guess;

	if (guess > desc->natts || strcmp(NameStr(TupleDescAttr(desc, guess - 1)->attname), name) != 0)
		number = SPI_fnumber(desc, name);
	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the source that the model is published with has no column \"%s\"", name),
				 errhint("Publish the model with a source that has all of its features.")));
	return number;
}

/* The slots of the row read. */
static double *
row_slots(const MlModel *model)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	double	   *raw = palloc(sizeof(double) * (Size) Max(model->signature->slots, 1));

	for (int f = 0; f < model->signature->nfeatures; f++)
	{
		FeatureInput input;
		bool		isnull;
		int			number = column_number(desc, model->signature->features[f].name, f + 1);
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], desc, number, &isnull);

		feature_input_init(&input, model, f, TupleDescAttr(desc, number - 1)->atttypid, CurrentMemoryContext);
		feature_input_read(&input, model, value, isnull, raw, 1);
	}
	return raw;
}

/* The row read through the model, as JSON; version 0 is not told. */
static void
score_row(const MlModel *model, StringInfo json, int32 version)
{
	double	   *out = palloc(sizeof(double) * (Size) ml_model_outputs(model));
	double	   *scratch = palloc(sizeof(double) * Max(ml_model_scratch(model, 1), 1));

	ml_model_score(model, row_slots(model), 1, 1, out, 1, scratch);
	rest_append_prediction(json, model, out, 1, version);
}

/* ---- routes ---- */

/* The text of a column of the row read, as routes compare it; NULL when there is none, or it is NULL. */
static const char *
column_text_of_row(void *arg, const char *column)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	int			number = SPI_fnumber(desc, column);
	bool		isnull;
	Datum		value;

	(void) arg;
	if (number <= 0)
		return NULL;
	value = SPI_getbinval(SPI_tuptable->vals[0], desc, number, &isnull);
	return isnull ? NULL : predict_value_text(value, TupleDescAttr(desc, number - 1)->atttypid);
}

/* The version that the row read goes to. */
static RegistryVersion
choose_version(Route *route, const RegistryVersion *own)
{
	RouteInput	input = {column_text_of_row, NULL};
	int			choice = route_choose(route, &input);

	if (choice == ROUTE_BY_FEATURES)
	{
		const MlModel *model = cache_model(own, CurrentMemoryContext);

		choice = route_by_bucket(route, route_features_bucket(route, row_slots(model), model->signature->slots, 1));
	}
	return choice == ROUTE_OWN ? *own : route->rules[choice].target;
}

/* ---- the call ---- */

/* Read the row of a key and predict. */
static void
predict_key(const char *spec, const char *key, StringInfo json)
{
	RegistryVersion version;
	KeySource	source;
	Route	   *route;

	registry_resolve(spec, REGISTRY_PREDICT, &version);
	need_source(&version, &source);
	route = route_find(spec, &version, CurrentMemoryContext);
	if (route == NULL)
	{
		const MlModel *model = cache_model(&version, CurrentMemoryContext);

		read_key(get_plan(&version, model, &source), &source, key, &version);
		score_row(model, json, 0);
	}
	else
	{
		read_key(SPI_prepare(key_query("s.*", &source), 1, &source.key_type), &source, key, &version);
		version = choose_version(route, &version);
		score_row(cache_model(&version, CurrentMemoryContext), json, version.version);
	}
}

/* predict_by_key(model, key). */
Datum
ml_rest_predict_by_key(PG_FUNCTION_ARGS)
{
	RestCall	call;
	StringInfoData json;
	text	   *result;

	rest_begin(&call, REST_PREDICT);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	initStringInfo(&json);
	predict_key(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)), &json);
	result = SPI_palloc(VARHDRSZ + (Size) json.len);
	SET_VARSIZE(result, VARHDRSZ + (Size) json.len);
	memcpy(VARDATA(result), json.data, (size_t) json.len);
	SPI_finish();
	rest_end(&call);
	PG_RETURN_TEXT_P(result);
}
