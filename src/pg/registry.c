/*
 * Reading the registry of models, versions and aliases (sql/registry.sql).
 *
 * Reading goes straight to the tables' indexes with the active snapshot: no query, no
 * grants, so every function checks the current user's rights on what it found: those of the
 * model's owner, or what mlaas.privilege grants.  That is done at each look-up and never
 * remembered, since SET ROLE may come between two of them.
 */
#include "postgres.h"

#include "pg/registry_write.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "pg/host.h"
#include "pg/rights.h"

/* Columns of the tables as sql/registry.sql makes them. */
#define Anum_model_id			1
#define Anum_model_owner		2
#define Anum_model_name			8

#define Anum_version_id			1
#define Anum_version_model_id	2
#define Anum_version_version	3
#define Anum_version_model		28

#define Anum_alias_model_id		1
#define Anum_alias_version_id	2
#define Anum_alias_version		3
#define Anum_alias_alias		5
#define Anum_alias_routed		6

#define Anum_privilege_model_id	1
#define Anum_privilege_grantee	2
#define Anum_privilege_privilege 4

/* How many of a model's versions or aliases an error names. */
#define MAX_LISTED 20

/* Where the tables and indexes are in this database. */
typedef struct RegistryOids
{
	bool		valid;
	Oid			model;
	Oid			model_pkey;
	Oid			model_id_key;
	Oid			version;
	Oid			version_pkey;
	Oid			version_number_key;
	Oid			alias;
	Oid			alias_pkey;
	Oid			privilege;
	Oid			privilege_pkey;
	Oid			route;
	Oid			route_pkey;
} RegistryOids;

static RegistryOids registry_oids;
static uint64 registry_changes = 0; /* invalidations taken in */

/* A C string of at most NAMEDATALEN - 1 bytes as a text datum that needs no allocation. */
typedef union NameText
{
	text		header;
	char		bytes[VARHDRSZ + NAMEDATALEN];
} NameText;

/* ---------------------------------------------------------------- the tables */

/* Forget the OIDs. */
static void
forget_oids(void)
{
	registry_oids.valid = false;
	registry_changes++;
}

/* Forget the OIDs when one of the tables may have changed. */
static void
forget_relation(Datum arg, Oid relation)
{
	(void) arg;
	if (!OidIsValid(relation) || relation == registry_oids.model ||
		relation == registry_oids.version || relation == registry_oids.alias ||
		relation == registry_oids.privilege || relation == registry_oids.route)
		forget_oids();
}

/* Forget the OIDs when a schema was made, dropped or renamed. */
static void
forget_schema(Datum arg, int cache, uint32 hash)
{
	(void) arg;
	(void) cache;
	(void) hash;
	forget_oids();
}

/* The OID of a relation of the registry. */
static Oid
registry_relation(const char *name, Oid schema)
{
	Oid			relation = get_relname_relid(name, schema);

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"mlaas.%s\" does not exist", name),
				 errhint("Create the extension with CREATE EXTENSION mlaas.")));
	return relation;
}

/* The OIDs of the tables and indexes. */
static const RegistryOids *
get_registry_oids(void)
{
	static bool registered = false;

	if (likely(registry_oids.valid))
		return &registry_oids;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_schema, (Datum) 0);
		registered = true;
	}

	/* a look-up may itself take in an invalidation: then look again */
	do
	{
		uint64		changes = registry_changes;
		Oid			schema = get_namespace_oid("mlaas", false);

		registry_oids.model = registry_relation("model", schema);
		registry_oids.model_pkey = registry_relation("model_pkey", schema);
		registry_oids.model_id_key = registry_relation("model_id_key", schema);
		registry_oids.version = registry_relation("version", schema);
		registry_oids.version_pkey = registry_relation("version_pkey", schema);
		registry_oids.version_number_key = registry_relation("version_number_key", schema);
		registry_oids.alias = registry_relation("alias", schema);
		registry_oids.alias_pkey = registry_relation("alias_pkey", schema);
		registry_oids.privilege = registry_relation("privilege", schema);
		registry_oids.privilege_pkey = registry_relation("privilege_pkey", schema);
		registry_oids.route = registry_relation("route", schema);
		registry_oids.route_pkey = registry_relation("route_pkey", schema);
		registry_oids.valid = (changes == registry_changes);
	} while (!registry_oids.valid);
	return &registry_oids;
}

/* The table of routes, and its index. */
Oid
registry_routes(Oid *index)
{
	*index = get_registry_oids()->route_pkey;
	return get_registry_oids()->route;
}

/* A name as a text datum in the buffer; it is no longer than a name may be. */
static Datum
name_datum(NameText *buffer, const char *name)
{
	size_t		length = strlen(name);

	Assert(length < NAMEDATALEN);
	memcpy(buffer->bytes + VARHDRSZ, name, length);
	SET_VARSIZE(&buffer->header, VARHDRSZ + length);
	return PointerGetDatum(buffer);
}

/* A column that is never NULL. */
static Datum
column_datum(HeapTuple tuple, int column, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, column, desc, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column %d of a row of the model registry is null", column)));
	return value;
}

/* The snapshot that reading sees. */
static Snapshot
read_snapshot(void)
{
	if (!ActiveSnapshotSet())
		elog(ERROR, "no snapshot to read the model registry with");
	return GetActiveSnapshot();
}

/* A row that is looked up by index: there is one at most. */
typedef struct Lookup
{
	Relation	table;
	SysScanDesc scan;
	HeapTuple	tuple;			/* NULL = there is none */
	TupleDesc	desc;
} Lookup;

/* Look a row up; it can be read until lookup_end. */
static void
lookup_begin(Lookup *lookup, Oid table, Oid index, int nkeys, ScanKeyData *keys)
{
	lookup->table = table_open(table, AccessShareLock);
	lookup->desc = RelationGetDescr(lookup->table);
	lookup->scan = systable_beginscan(lookup->table, index, true, read_snapshot(), nkeys, keys);
	lookup->tuple = systable_getnext(lookup->scan);
}

/* A column of the row, which is never NULL. */
static Datum
lookup_column(const Lookup *lookup, int column)
{
	return column_datum(lookup->tuple, column, lookup->desc);
}

/* Tell whether there was a row. */
static bool
lookup_end(Lookup *lookup)
{
	bool		found = HeapTupleIsValid(lookup->tuple);

	systable_endscan(lookup->scan);
	table_close(lookup->table, NoLock);
	return found;
}

/* The row of a model; false when there is none. */
static bool
find_model(const char *name, RegistryModel *row)
{
	const RegistryOids *oids = get_registry_oids();
	NameText	buffer;
	ScanKeyData key;
	Lookup		lookup;

	ScanKeyInit(&key, Anum_model_name, BTEqualStrategyNumber, F_TEXTEQ, name_datum(&buffer, name));
	lookup_begin(&lookup, oids->model, oids->model_pkey, 1, &key);
	if (lookup.tuple != NULL)
	{
		row->id = *DatumGetUUIDP(lookup_column(&lookup, Anum_model_id));
		row->owner = DatumGetObjectId(lookup_column(&lookup, Anum_model_owner));
		strlcpy(row->name, name, sizeof(row->name));
	}
	return lookup_end(&lookup);
}

/* The row of a model by its identifier; false when there is none. */
bool
registry_find_model_id(const pg_uuid_t *id, RegistryModel *row)
{
	const RegistryOids *oids = get_registry_oids();
	ScanKeyData key;
	Lookup		lookup;

	ScanKeyInit(&key, Anum_model_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	lookup_begin(&lookup, oids->model, oids->model_id_key, 1, &key);
	if (lookup.tuple != NULL)
	{
		row->id = *id;
		row->owner = DatumGetObjectId(lookup_column(&lookup, Anum_model_owner));
		text_to_cstring_buffer(DatumGetTextPP(lookup_column(&lookup, Anum_model_name)), row->name, sizeof(row->name));
	}
	return lookup_end(&lookup);
}

/* The version an alias of a model points at; false when there is no such alias. */
bool
registry_find_alias(const RegistryModel *model, const char *alias, RegistryVersion *found)
{
	const RegistryOids *oids = get_registry_oids();
	NameText	buffer;
	ScanKeyData keys[2];
	Lookup		lookup;

	ScanKeyInit(&keys[0], Anum_alias_model_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&model->id));
	ScanKeyInit(&keys[1], Anum_alias_alias, BTEqualStrategyNumber, F_TEXTEQ, name_datum(&buffer, alias));
	lookup_begin(&lookup, oids->alias, oids->alias_pkey, 2, keys);
	if (lookup.tuple != NULL)
	{
		found->id = *DatumGetUUIDP(lookup_column(&lookup, Anum_alias_version_id));
		found->version = DatumGetInt32(lookup_column(&lookup, Anum_alias_version));
		found->routed = DatumGetBool(lookup_column(&lookup, Anum_alias_routed));
	}
	return lookup_end(&lookup);
}

/* A version of a model by its number; false when there is none. */
static bool
find_version(const RegistryModel *model, int32 version, RegistryVersion *found)
{
	const RegistryOids *oids = get_registry_oids();
	ScanKeyData keys[2];
	Lookup		lookup;

	ScanKeyInit(&keys[0], Anum_version_model_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(&model->id));
	ScanKeyInit(&keys[1], Anum_version_version, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(version));
	lookup_begin(&lookup, oids->version, oids->version_number_key, 2, keys);
	if (lookup.tuple != NULL)
	{
		found->id = *DatumGetUUIDP(lookup_column(&lookup, Anum_version_id));
		found->version = version;
		found->routed = false;
	}
	return lookup_end(&lookup);
}

/* ---------------------------------------------------------------- rights */

static const char *const privilege_names[] = {"predict", "describe", "manage"};

StaticAssertDecl(lengthof(privilege_names) == REGISTRY_MANAGE + 1, "one name per privilege");

/* The privilege of that name. */
RegistryPrivilege
registry_privilege(const char *name)
{
	MlContext  *ctx;

	for (int i = 0; i < (int) lengthof(privilege_names); i++)
	{
		if (strcmp(name, privilege_names[i]) == 0)
			return (RegistryPrivilege) i;
	}
	ctx = host_context_create(CurrentMemoryContext, "mlaas privileges", false);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized privilege \"%s\"", name),
			 errhint("%s", ml_candidates_hint(ctx, "privilege", name, (const char **) privilege_names,
											  lengthof(privilege_names)))));
}

/* The name of a privilege. */
const char *
registry_privilege_name(RegistryPrivilege privilege)
{
	return privilege_names[privilege];
}

/* Tell whether a user was granted a privilege on a model, or one that implies it, himself or as one of all. */
bool
registry_is_granted(const pg_uuid_t *model_id, Oid user, RegistryPrivilege privilege)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->privilege_pkey;
	Relation	table = table_open(oids->privilege, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	bool		granted = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_privilege_model_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(model_id));
	scan = systable_beginscan(table, index, true, read_snapshot(), 1, &key);
	while (!granted && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			grantee = DatumGetObjectId(column_datum(tuple, Anum_privilege_grantee, desc));
		char	   *name = TextDatumGetCString(column_datum(tuple, Anum_privilege_privilege, desc));

		granted = registry_privilege(name) >= privilege &&
			(grantee == ACL_ID_PUBLIC || has_privs_of_role(user, grantee));
		pfree(name);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return granted;
}

/* Tell whether a user has a privilege on a model. */
bool
registry_has_rights(const RegistryModel *model, Oid user, RegistryPrivilege privilege)
{
	return has_privs_of_role(user, model->owner) || registry_is_granted(&model->id, user, privilege);
}

/* Error unless a user has a privilege on a model. */
void
registry_check_rights(const RegistryModel *model, Oid user, RegistryPrivilege privilege)
{
	if (!registry_has_rights(model, user, privilege))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model %s", model->name),
				 errdetail("It takes the privilege \"%s\", or membership in the role that owns the model.",
						   registry_privilege_name(privilege)),
				 errhint("Who manages the model can give it: SELECT ml_grant(%s, %s, %s);",
						 quote_literal_cstr(model->name), quote_literal_cstr(GetUserNameFromId(user, false)),
						 quote_literal_cstr(registry_privilege_name(privilege)))));
}

/* ---------------------------------------------------------------- errors */

/* The names of all models the current user may use, in order. */
static const char **
usable_names(size_t *count)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->model_pkey;
	Relation	table = table_open(oids->model, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	SysScanDesc scan = systable_beginscan(table, index, true, read_snapshot(), 0, NULL);
	size_t		size = 64;
	const char **names = palloc(size * sizeof(char *));
	HeapTuple	tuple;

	*count = 0;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		RegistryModel	model;

		model.id = *DatumGetUUIDP(column_datum(tuple, Anum_model_id, desc));
		model.owner = DatumGetObjectId(column_datum(tuple, Anum_model_owner, desc));
		if (!registry_has_rights(&model, GetUserId(), REGISTRY_PREDICT))
			continue;
		if (*count == size)
		{
			size *= 2;
			names = repalloc(names, size * sizeof(char *));
		}
		names[(*count)++] = TextDatumGetCString(column_datum(tuple, Anum_model_name, desc));
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return names;
}

/* Raise the error for a name that no model bears. */
static void
raise_no_model(const char *name)
{
	size_t		length = strlen(name);
	const char *shown = name;
	const char *hint;

	if (length >= NAMEDATALEN)
		shown = psprintf("%.*s...", pg_mbcliplen(name, length, NAMEDATALEN - 1), name);
	if (name[0] == '{')
		hint = "The text of a model is passed as '{...}'::ml_model.";
	else
	{
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas model names", false);
		size_t		count;
		const char **names = usable_names(&count);

		hint = ml_candidates_hint(ctx, "model", name, names, count);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", shown),
			 errhint("%s", hint)));
}

/* The numbers of a model's versions as a sentence; the highest in *last, 0 when there is none. */
static char *
versions_sentence(const RegistryModel *model, int32 *last)
{
	Relation	table = table_open(get_registry_oids()->version, AccessShareLock);
	Relation	index = index_open(get_registry_oids()->version_number_key, AccessShareLock);
	StringInfoData list;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	initStringInfo(&list);
	*last = 0;
	ScanKeyInit(&key, Anum_version_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&model->id));
	scan = systable_beginscan_ordered(table, index, read_snapshot(), 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, BackwardScanDirection)))
	{
		int32		version = DatumGetInt32(column_datum(tuple, Anum_version_version,
														 RelationGetDescr(table)));

		if (count == 0)
			*last = version;
		if (count < MAX_LISTED)
			appendStringInfo(&list, "%s%d", count == 0 ? "" : ", ", version);
		count++;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(table, NoLock);

	if (count == 0)
		return pstrdup("It has no version.");
	if (count > MAX_LISTED)
		appendStringInfo(&list, " and %d older ones", count - MAX_LISTED);
	return psprintf(count == 1 ? "It has version %s." : "It has versions %s.", list.data);
}

/* Raise the error for a version that a model has not. */
static void
raise_no_version(const RegistryModel *model, const char *version)
{
	int32		last;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %.20s", model->name, version),
			 errdetail("%s", versions_sentence(model, &last))));
}

/* Raise the error for the default alias of a model that was never deployed. */
static void
raise_not_deployed(const RegistryModel *model)
{
	int32		last;
	char	   *detail = versions_sentence(model, &last);

	if (last == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no deployed version", model->name),
				 errdetail("%s", detail)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no deployed version", model->name),
			 errdetail("%s", detail),
			 errhint("Deploy one with ml_deploy(%s, %d), or name one as \"%s@%d\".",
					 quote_literal_cstr(model->name), last, model->name, last)));
}

/* Raise the error for an alias that a model has not. */
static void
raise_no_alias(const RegistryModel *model, const char *alias)
{
	MlContext  *ctx = host_context_create(CurrentMemoryContext, "mlaas aliases", false);
	Relation	table = table_open(get_registry_oids()->alias, AccessShareLock);
	Oid			index = get_registry_oids()->alias_pkey;
	const char *names[MAX_LISTED];
	size_t		count = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_alias_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&model->id));
	scan = systable_beginscan(table, index, true, read_snapshot(), 1, &key);
	while (count < MAX_LISTED && HeapTupleIsValid(tuple = systable_getnext(scan)))
		names[count++] = TextDatumGetCString(column_datum(tuple, Anum_alias_alias,
														  RelationGetDescr(table)));
	systable_endscan(scan);
	table_close(table, NoLock);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no alias \"%s\"", model->name, alias),
			 errhint("%s", ml_candidates_hint(ctx, "alias", alias, names, count))));
}

/* Raise the error for any alias that points at no version. */
void
registry_raise_alias(const RegistryModel *model, const char *alias)
{
	if (strcmp(alias, REGISTRY_DEFAULT_ALIAS) == 0)
		raise_not_deployed(model);
	raise_no_alias(model, alias);
}

/* ---------------------------------------------------------------- names */

/* Tell what is wrong with a name of a model or alias; NULL when nothing is. */
const char *
registry_name_fault(const char *name)
{
	size_t		length = strlen(name);

	if (length == 0)
		return "It is empty.";
	if (length >= NAMEDATALEN)
		return psprintf("It has %zu bytes, and %d are allowed.", length, NAMEDATALEN - 1);
	if (strchr(name, '@') != NULL)
		return "It contains \"@\", which stands between a model's name and a version or alias.";
	if (strchr(" \t\r\n\f\v", name[0]) != NULL || strchr(" \t\r\n\f\v", name[length - 1]) != NULL)
		return "It begins or ends with white space.";
	for (const char *p = name; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == '\177')
			return "It contains a control character, such as a line break.";
	}
	return NULL;
}

/* Error when something is wrong with the name of what it is for. */
void
registry_refuse_name(const char *what, const char *name, const char *fault)
{
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid %s \"%.*s\"", what, pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1), name),
				 errdetail("%s", fault)));
}

/* Error unless name is fit for a model. */
void
registry_check_name(const char *name)
{
	registry_refuse_name("model name", name, registry_name_fault(name));
}

/* Tell that a string has digits only. */
static bool
is_number(const char *string)
{
	return string[0] != '\0' && strspn(string, "0123456789") == strlen(string);
}

/* Error unless name is fit for an alias: as for a model, and not a version's number. */
void
registry_check_alias(const char *alias)
{
	const char *fault = registry_name_fault(alias);

	if (fault == NULL && is_number(alias))
		fault = "A number after \"@\" is a version.";
	registry_refuse_name("alias", alias, fault);
}

/* The number that a string of digits is; 0, which no version has, when it is too large. */
static int32
version_number(const char *digits)
{
	int64		number = 0;

	for (; *digits != '\0' && number <= PG_INT32_MAX; digits++)
		number = number * 10 + (*digits - '0');
	return number <= PG_INT32_MAX ? (int32) number : 0;
}

/* ---------------------------------------------------------------- reading */

/* The row of a model that the current user has a privilege on, or an error. */
void
registry_need_model(const char *name, RegistryPrivilege privilege, RegistryModel *row)
{
	size_t		length = strlen(name);

	if (length == 0 || length >= NAMEDATALEN || !find_model(name, row))
		raise_no_model(name);
	registry_check_rights(row, GetUserId(), privilege);
}

/* Fill in what all versions of a model share. */
void
registry_set_model(RegistryVersion *found, const RegistryModel *model)
{
	found->model_id = model->id;
	found->owner = model->owner;
	memcpy(found->name, model->name, sizeof(found->name));
}

/* The same as registry_resolve, false instead of an error. */
bool
registry_try_resolve(const char *spec, RegistryPrivilege privilege, RegistryVersion *found)
{
	size_t		length = strcspn(spec, "@");
	const char *alias = spec[length] == '@' ? spec + length + 1 : REGISTRY_DEFAULT_ALIAS;
	RegistryModel	model;
	char		name[NAMEDATALEN];

	if (length == 0 || length >= NAMEDATALEN || !ActiveSnapshotSet())
		return false;
	memcpy(name, spec, length);
	name[length] = '\0';
	if (!find_model(name, &model) || !registry_has_rights(&model, GetUserId(), privilege))
		return false;
	if (is_number(alias) ? !find_version(&model, version_number(alias), found) :
		registry_name_fault(alias) != NULL || !registry_find_alias(&model, alias, found))
		return false;
	registry_set_model(found, &model);
	return true;
}

/* Resolve 'name', 'name@3' or 'name@alias' under the current user's rights. */
void
registry_resolve(const char *spec, RegistryPrivilege privilege, RegistryVersion *found)
{
	const char *at = strchr(spec, '@');
	RegistryModel	model;
	char		name[NAMEDATALEN];

	if (at == NULL)
	{
		registry_need_model(spec, privilege, &model);
		if (!registry_find_alias(&model, REGISTRY_DEFAULT_ALIAS, found))
			raise_not_deployed(&model);
		registry_set_model(found, &model);
		return;
	}

	if (at - spec >= NAMEDATALEN)
		raise_no_model(spec);
	memcpy(name, spec, at - spec);
	name[at - spec] = '\0';
	registry_need_model(name, privilege, &model);
	at++;
	if (is_number(at))
	{
		if (!find_version(&model, version_number(at), found))
			raise_no_version(&model, at);
	}
	else
	{
		registry_check_alias(at);
		if (!registry_find_alias(&model, at, found))
			raise_no_alias(&model, at);
	}
	registry_set_model(found, &model);
}

/* Resolve a name and a version's number under the current user's rights. */
void
registry_resolve_version(const char *name, int32 version, RegistryPrivilege privilege, RegistryVersion *found)
{
	RegistryModel	model;

	registry_need_model(name, privilege, &model);
	if (!find_version(&model, version, found))
		raise_no_version(&model, psprintf("%d", version));
	registry_set_model(found, &model);
}

/* The bytes of a version that the active snapshot sees, palloc'd; NULL when it sees none. */
static struct varlena *
read_model_bytes(const pg_uuid_t *id)
{
	const RegistryOids *oids = get_registry_oids();
	struct varlena *bytes = NULL;
	ScanKeyData key;
	Lookup		lookup;

	ScanKeyInit(&key, Anum_version_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	lookup_begin(&lookup, oids->version, oids->version_pkey, 1, &key);
	if (lookup.tuple != NULL)
		bytes = PG_DETOAST_DATUM_COPY(lookup_column(&lookup, Anum_version_model));
	(void) lookup_end(&lookup);
	return bytes;
}

/* The model's bytes of a version. */
struct varlena *
registry_model_bytes(const RegistryVersion *version)
{
	struct varlena *bytes = read_model_bytes(&version->id);

	/* a function that stored or found the version just now may run under an older snapshot */
	if (bytes == NULL)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		bytes = read_model_bytes(&version->id);
		PopActiveSnapshot();
	}
	if (bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more",
						version->version, version->name)));
	return bytes;
}

/* Error unless the current user may train this name now. */
void
registry_check_train(const char *name)
{
	RegistryModel	model;

	PreventCommandIfReadOnly("ml_train()");
	PreventCommandIfParallelMode("ml_train()");
	registry_check_name(name);
	rights_check_role(RIGHTS_TRAIN);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (find_model(name, &model))
		registry_check_rights(&model, GetUserId(), REGISTRY_MANAGE);
	PopActiveSnapshot();
}

/* True when the model has a version under its default alias, as of now. */
bool
registry_is_deployed(const char *name, RegistryVersion *deployed)
{
	RegistryModel	model;
	bool		found;

	PushActiveSnapshot(GetTransactionSnapshot());
	found = find_model(name, &model) && registry_find_alias(&model, REGISTRY_DEFAULT_ALIAS, deployed);
	if (found)
	{
		registry_check_rights(&model, GetUserId(), REGISTRY_MANAGE);
		registry_set_model(deployed, &model);
	}
	PopActiveSnapshot();
	return found;
}

/* The type of models, which is that of the column that holds them. */
Oid
registry_model_type(void)
{
	Relation	table = table_open(get_registry_oids()->version, AccessShareLock);
	Oid			type = TupleDescAttr(RelationGetDescr(table), Anum_version_model - 1)->atttypid;

	table_close(table, NoLock);
	return type;
}

/* The role that owns the tables of the registry. */
Oid
registry_tables_owner(void)
{
	Relation	table = table_open(get_registry_oids()->model, AccessShareLock);
	Oid			owner = table->rd_rel->relowner;

	table_close(table, NoLock);
	return owner;
}
