/*
 * The registry of models, versions, aliases and history (sql/registry.sql).
 *
 * Reading goes straight to the tables' indexes with the active snapshot: no query, no
 * grants, so every function checks the current user's rights on what it found.  That is done
 * at each look-up and never remembered, since SET ROLE may come between two of them.
 *
 * Writing goes through SPI, between writer_begin and writer_end, as the tables' owner and
 * with a fixed search_path, so that nothing of the caller's can be called.  An error needs no
 * clean-up: the (sub)transaction's abort restores user, settings and SPI.
 *
 * Locking: whatever changes a model first updates its row in mlaas.model, which numbers the
 * change and keeps other changes of this model waiting until the transaction ends.  At READ
 * COMMITTED the next one then sees what was committed and goes on; at REPEATABLE READ
 * it fails with a serialization error, as any update would.  Readers never wait.
 */
#include "postgres.h"

#include "pg/registry.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "pg/host.h"

/* Columns of the tables as sql/registry.sql makes them. */
#define Anum_model_id			1
#define Anum_model_owner		2
#define Anum_model_name			6

#define Anum_version_id			1
#define Anum_version_model_id	2
#define Anum_version_version	3
#define Anum_version_model		24

#define Anum_alias_model_id		1
#define Anum_alias_version_id	2
#define Anum_alias_version		3
#define Anum_alias_alias		5

/* How many of a model's versions or aliases an error names. */
#define MAX_LISTED 20

/* Where the tables and indexes are in this database. */
typedef struct RegistryOids
{
	bool		valid;
	Oid			model;
	Oid			model_pkey;
	Oid			version;
	Oid			version_pkey;
	Oid			version_number_key;
	Oid			alias;
	Oid			alias_pkey;
} RegistryOids;

static RegistryOids registry_oids;
static uint64 registry_changes = 0; /* invalidations taken in */

/* A row of mlaas.model. */
typedef struct ModelRow
{
	pg_uuid_t	id;
	Oid			owner;
	char		name[NAMEDATALEN];
} ModelRow;

/* A C string of at most NAMEDATALEN - 1 bytes as a text datum that needs no allocation. */
typedef union NameText
{
	text		header;
	char		bytes[VARHDRSZ + NAMEDATALEN];
} NameText;

/* A transaction's writing: the caller's user, and what the locked model's row says. */
typedef struct Writer
{
	Oid			caller;
	int			security_context;
	int			guc_level;
	ModelRow	model;
	int32		last_version;
	int32		event;			/* number of this change in the history */
} Writer;

/* A column of a row to insert. */
typedef struct ColumnValue
{
	const char *name;
	Oid			type;
	Datum		value;
	bool		null;
} ColumnValue;

#define MAX_COLUMNS 24

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
		relation == registry_oids.version || relation == registry_oids.alias)
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
		registry_oids.version = registry_relation("version", schema);
		registry_oids.version_pkey = registry_relation("version_pkey", schema);
		registry_oids.version_number_key = registry_relation("version_number_key", schema);
		registry_oids.alias = registry_relation("alias", schema);
		registry_oids.alias_pkey = registry_relation("alias_pkey", schema);
		registry_oids.valid = (changes == registry_changes);
	} while (!registry_oids.valid);
	return &registry_oids;
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

/* The row of a model; false when there is none. */
static bool
find_model(const char *name, ModelRow *row)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->model_pkey;
	Relation	table = table_open(oids->model, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	NameText	buffer;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_model_name, BTEqualStrategyNumber, F_TEXTEQ, name_datum(&buffer, name));
	scan = systable_beginscan(table, index, true, read_snapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		row->id = *DatumGetUUIDP(column_datum(tuple, Anum_model_id, desc));
		row->owner = DatumGetObjectId(column_datum(tuple, Anum_model_owner, desc));
		strlcpy(row->name, name, sizeof(row->name));
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return HeapTupleIsValid(tuple);
}

/* The version an alias of a model points at; false when there is no such alias. */
static bool
find_alias(const ModelRow *model, const char *alias, RegistryVersion *found)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->alias_pkey;
	Relation	table = table_open(oids->alias, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(table);
	NameText	buffer;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_alias_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&model->id));
	ScanKeyInit(&keys[1], Anum_alias_alias, BTEqualStrategyNumber, F_TEXTEQ,
				name_datum(&buffer, alias));
	scan = systable_beginscan(table, index, true, read_snapshot(), 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		found->id = *DatumGetUUIDP(column_datum(tuple, Anum_alias_version_id, desc));
		found->version = DatumGetInt32(column_datum(tuple, Anum_alias_version, desc));
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return HeapTupleIsValid(tuple);
}

/* A version of a model by its number; false when there is none. */
static bool
find_version(const ModelRow *model, int32 version, RegistryVersion *found)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->version_number_key;
	Relation	table = table_open(oids->version, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_version_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&model->id));
	ScanKeyInit(&keys[1], Anum_version_version, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(version));
	scan = systable_beginscan(table, index, true, read_snapshot(), 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		found->id = *DatumGetUUIDP(column_datum(tuple, Anum_version_id, RelationGetDescr(table)));
		found->version = version;
	}
	systable_endscan(scan);
	table_close(table, NoLock);
	return HeapTupleIsValid(tuple);
}

/* ---------------------------------------------------------------- errors */

/* Error unless the current user has the rights of a model's owner. */
static void
check_rights(const ModelRow *model, Oid user)
{
	if (!has_privs_of_role(user, model->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for model %s", model->name),
				 errdetail("Only members of the role that owns a model may use it.")));
}

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
		if (!has_privs_of_role(GetUserId(), DatumGetObjectId(column_datum(tuple, Anum_model_owner, desc))))
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
versions_sentence(const ModelRow *model, int32 *last)
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
raise_no_version(const ModelRow *model, const char *version)
{
	int32		last;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no version %.20s", model->name, version),
			 errdetail("%s", versions_sentence(model, &last))));
}

/* Raise the error for the default alias of a model that was never deployed. */
static void
raise_not_deployed(const ModelRow *model)
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
raise_no_alias(const ModelRow *model, const char *alias)
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
static void
raise_alias(const ModelRow *model, const char *alias)
{
	if (strcmp(alias, REGISTRY_DEFAULT_ALIAS) == 0)
		raise_not_deployed(model);
	raise_no_alias(model, alias);
}

/* ---------------------------------------------------------------- names */

/* Tell what is wrong with a name of a model or alias; NULL when nothing is. */
static const char *
name_fault(const char *name)
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

/* Error unless name is fit for a model. */
void
registry_check_name(const char *name)
{
	const char *fault = name_fault(name);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid model name \"%.*s\"",
						pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1), name),
				 errdetail("%s", fault)));
}

/* Tell that a string has digits only. */
static bool
is_number(const char *string)
{
	return string[0] != '\0' && strspn(string, "0123456789") == strlen(string);
}

/* Error unless name is fit for an alias: as for a model, and not a version's number. */
static void
check_alias(const char *alias)
{
	const char *fault = name_fault(alias);

	if (fault == NULL && is_number(alias))
		fault = "A number after \"@\" is a version.";
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid alias \"%.*s\"",
						pg_mbcliplen(alias, strlen(alias), NAMEDATALEN - 1), alias),
				 errdetail("%s", fault)));
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

/* The row of a model that the current user may use, or an error. */
static void
need_model(const char *name, ModelRow *row)
{
	size_t		length = strlen(name);

	if (length == 0 || length >= NAMEDATALEN || !find_model(name, row))
		raise_no_model(name);
	check_rights(row, GetUserId());
}

/* Fill in what all versions of a model share. */
static void
set_model(RegistryVersion *found, const ModelRow *model)
{
	found->model_id = model->id;
	found->owner = model->owner;
	memcpy(found->name, model->name, sizeof(found->name));
}

/* The same as registry_resolve, false instead of an error. */
bool
registry_try_resolve(const char *spec, RegistryVersion *found)
{
	size_t		length = strcspn(spec, "@");
	const char *alias = spec[length] == '@' ? spec + length + 1 : REGISTRY_DEFAULT_ALIAS;
	ModelRow	model;
	char		name[NAMEDATALEN];

	if (length == 0 || length >= NAMEDATALEN || !ActiveSnapshotSet())
		return false;
	memcpy(name, spec, length);
	name[length] = '\0';
	if (!find_model(name, &model) || !has_privs_of_role(GetUserId(), model.owner))
		return false;
	if (is_number(alias) ? !find_version(&model, version_number(alias), found) :
		name_fault(alias) != NULL || !find_alias(&model, alias, found))
		return false;
	set_model(found, &model);
	return true;
}

/* Resolve 'name', 'name@3' or 'name@alias' under the current user's rights. */
void
registry_resolve(const char *spec, RegistryVersion *found)
{
	const char *at = strchr(spec, '@');
	ModelRow	model;
	char		name[NAMEDATALEN];

	if (at == NULL)
	{
		need_model(spec, &model);
		if (!find_alias(&model, REGISTRY_DEFAULT_ALIAS, found))
			raise_not_deployed(&model);
		set_model(found, &model);
		return;
	}

	if (at - spec >= NAMEDATALEN)
		raise_no_model(spec);
	memcpy(name, spec, at - spec);
	name[at - spec] = '\0';
	need_model(name, &model);
	at++;
	if (is_number(at))
	{
		if (!find_version(&model, version_number(at), found))
			raise_no_version(&model, at);
	}
	else
	{
		check_alias(at);
		if (!find_alias(&model, at, found))
			raise_no_alias(&model, at);
	}
	set_model(found, &model);
}

/* Resolve a name and a version's number under the current user's rights. */
void
registry_resolve_version(const char *name, int32 version, RegistryVersion *found)
{
	ModelRow	model;

	need_model(name, &model);
	if (!find_version(&model, version, found))
		raise_no_version(&model, psprintf("%d", version));
	set_model(found, &model);
}

/* The bytes of a version that the active snapshot sees, palloc'd; NULL when it sees none. */
static struct varlena *
read_model_bytes(const pg_uuid_t *id)
{
	const RegistryOids *oids = get_registry_oids();
	Oid			index = oids->version_pkey;
	Relation	table = table_open(oids->version, AccessShareLock);
	struct varlena *bytes = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_version_id, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(id));
	scan = systable_beginscan(table, index, true, read_snapshot(), 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		bytes = PG_DETOAST_DATUM_COPY(column_datum(tuple, Anum_version_model, RelationGetDescr(table)));
	systable_endscan(scan);
	table_close(table, NoLock);
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
	ModelRow	model;
	bool		found;

	PreventCommandIfReadOnly("ml_train()");
	PreventCommandIfParallelMode("ml_train()");
	registry_check_name(name);
	PushActiveSnapshot(GetTransactionSnapshot());
	found = find_model(name, &model);
	PopActiveSnapshot();
	if (found)
		check_rights(&model, GetUserId());
}

/* True when the model has a version under its default alias, as of now. */
bool
registry_is_deployed(const char *name, RegistryVersion *deployed)
{
	ModelRow	model;
	bool		found;

	PushActiveSnapshot(GetTransactionSnapshot());
	found = find_model(name, &model) && find_alias(&model, REGISTRY_DEFAULT_ALIAS, deployed);
	PopActiveSnapshot();
	if (found)
	{
		check_rights(&model, GetUserId());
		set_model(deployed, &model);
	}
	return found;
}

/* ---------------------------------------------------------------- writing */

/* Begin to write as the owner of the tables; command is for the error on a standby. */
static void
writer_begin(Writer *writer, const char *command)
{
	Relation	table;
	Oid			owner;

	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	memset(writer, 0, sizeof(*writer));
	table = table_open(get_registry_oids()->model, AccessShareLock);
	owner = table->rd_rel->relowner;
	table_close(table, NoLock);

	GetUserIdAndSecContext(&writer->caller, &writer->security_context);
	SetUserIdAndSecContext(owner, writer->security_context | SECURITY_LOCAL_USERID_CHANGE);
	writer->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* Be the caller again. */
static void
writer_end(Writer *writer)
{
	SPI_finish();
	AtEOXact_GUC(false, writer->guc_level);
	SetUserIdAndSecContext(writer->caller, writer->security_context);
}

/* Run one statement with values for $1, $2, ...; the rows are in SPI_tuptable. */
static void
writer_execute(const char *sql, int expected, int count, const ColumnValue *values)
{
	Oid			types[MAX_COLUMNS];
	Datum		datums[MAX_COLUMNS];
	char		nulls[MAX_COLUMNS] = {0};
	int			result;

	Assert(count <= MAX_COLUMNS);
	for (int i = 0; i < count; i++)
	{
		types[i] = values[i].type;
		datums[i] = values[i].value;
		nulls[i] = values[i].null ? 'n' : ' ';
	}
	result = SPI_execute_with_args(sql, count, types, datums, nulls, false, 0);
	if (result != expected)
		elog(ERROR, "writing to the model registry failed: %s", SPI_result_code_string(result));
}

/* Insert one row into a table of the registry. */
static void
writer_insert(const char *table, int count, const ColumnValue *values)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO mlaas.%s (", table);
	for (int i = 0; i < count; i++)
		appendStringInfo(&sql, "%s%s", i == 0 ? "" : ", ", values[i].name);
	appendStringInfoString(&sql, ") VALUES (");
	for (int i = 0; i < count; i++)
		appendStringInfo(&sql, "%s$%d", i == 0 ? "" : ", ", i + 1);
	appendStringInfoChar(&sql, ')');
	writer_execute(sql.data, SPI_OK_INSERT, count, values);
}

/* A text column; NULL for a NULL string. */
static ColumnValue
text_value(const char *name, const char *string)
{
	ColumnValue value = {name, TEXTOID, (Datum) 0, string == NULL};

	if (string != NULL)
		value.value = CStringGetTextDatum(string);
	return value;
}

/* A jsonb column; an empty object for a NULL string. */
static ColumnValue
json_value(const char *name, const char *json)
{
	return (ColumnValue) {name, JSONBOID,
		DirectFunctionCall1(jsonb_in, CStringGetDatum(json != NULL ? json : "{}")), false};
}

/* An int column; NULL for 0, which no version has. */
static ColumnValue
version_value(const char *name, int32 version)
{
	return (ColumnValue) {name, INT4OID, Int32GetDatum(version), version == 0};
}

/* A uuid column; the uuid must outlive the value. */
static ColumnValue
uuid_value(const char *name, const pg_uuid_t *id)
{
	return (ColumnValue) {name, UUIDOID, UUIDPGetDatum(id), false};
}

/* A bigint column. */
static ColumnValue
int64_value(const char *name, int64 number)
{
	return (ColumnValue) {name, INT8OID, Int64GetDatum(number), false};
}

/* A timestamptz column with the present time. */
static ColumnValue
time_value(const char *name)
{
	return (ColumnValue) {name, TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false};
}

/* A column of the i-th row that the last statement returned, never NULL. */
static Datum
result_datum(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in the model registry");
	return value;
}

/* A random uuid, version 4. */
static pg_uuid_t
new_uuid(void)
{
	pg_uuid_t	id;

	if (!pg_strong_random(id.data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id.data[6] = (id.data[6] & 0x0f) | 0x40;
	id.data[8] = (id.data[8] & 0x3f) | 0x80;
	return id;
}

/*
 * Lock a model until the transaction ends and number the change: false when there is no such
 * model.  versions is how many versions the change adds.
 */
static bool
lock_model(Writer *writer, const char *name, int32 versions)
{
	ColumnValue values[] = {
		text_value("name", name),
		{"versions", INT4OID, Int32GetDatum(versions), false}
	};

	writer_execute("UPDATE mlaas.model SET last_event = last_event + 1, last_version = last_version + $2"
				   " WHERE name = $1 RETURNING id, owner, last_version, last_event",
				   SPI_OK_UPDATE_RETURNING, lengthof(values), values);
	if (SPI_processed == 0)
		return false;
	writer->model.id = *DatumGetUUIDP(result_datum(0, 1));
	writer->model.owner = DatumGetObjectId(result_datum(0, 2));
	strlcpy(writer->model.name, name, sizeof(writer->model.name));
	writer->last_version = DatumGetInt32(result_datum(0, 3));
	writer->event = DatumGetInt32(result_datum(0, 4));
	check_rights(&writer->model, writer->caller);
	return true;
}

/* Lock a model that was there a moment ago. */
static void
need_lock(Writer *writer, const char *name)
{
	if (!lock_model(writer, name, 0))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist any more", name)));
}

/* Lock a model for a new version, made when the name is new. */
static void
lock_or_create_model(Writer *writer, const char *name)
{
	while (!lock_model(writer, name, 1))
	{
		pg_uuid_t	id = new_uuid();
		ColumnValue values[] = {
			uuid_value("id", &id),
			{"owner", REGROLEOID, ObjectIdGetDatum(writer->caller), false},
			time_value("created_at"),
			text_value("name", name)
		};

		/* waits for another session that is making the same name, which may then be there */
		CHECK_FOR_INTERRUPTS();
		writer_execute("INSERT INTO mlaas.model (id, owner, created_at, name, last_version, last_event)"
					   " VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT (name) DO NOTHING",
					   SPI_OK_INSERT, lengthof(values), values);
	}
}

/* Write the history of the change: version and from_version are 0 where there is none. */
static void
write_event(const Writer *writer, const char *action, const char *alias, int32 version,
			int32 from_version, const char *reason)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		{"number", INT4OID, Int32GetDatum(writer->event), false},
		{"owner", REGROLEOID, ObjectIdGetDatum(writer->model.owner), false},
		version_value("version", version),
		version_value("from_version", from_version),
		time_value("at"),
		text_value("action", action),
		text_value("name", writer->model.name),
		text_value("who", GetUserNameFromId(writer->caller, false)),
		text_value("alias", alias),
		text_value("reason", reason)
	};

	writer_insert("event", lengthof(values), values);
}

/* Give the number of a change that changed nothing back: the history has no gap. */
static void
return_event(const Writer *writer)
{
	ColumnValue id = uuid_value("id", &writer->model.id);

	writer_execute("UPDATE mlaas.model SET last_event = last_event - 1 WHERE id = $1", SPI_OK_UPDATE, 1, &id);
}

/* The type of models, which is that of the column that holds them. */
static Oid
model_type(void)
{
	Relation	table = table_open(get_registry_oids()->version, AccessShareLock);
	Oid			type = TupleDescAttr(RelationGetDescr(table), Anum_version_model - 1)->atttypid;

	table_close(table, NoLock);
	return type;
}

/* The versions of the software, as a training records them. */
static char *
software_version(void)
{
	writer_execute("SELECT 'mlaas ' || e.extversion || ', PostgreSQL ' || current_setting('server_version')"
				   " FROM pg_extension e WHERE e.extname = 'mlaas'",
				   SPI_OK_SELECT, 0, NULL);
	if (SPI_processed != 1)
		elog(ERROR, "extension \"mlaas\" is not installed");
	return TextDatumGetCString(result_datum(0, 1));
}

/* Insert the row of a version; snapshot is the one that the training read with. */
static void
write_version(const Writer *writer, const RegistryEntry *entry, const pg_uuid_t *id, Datum snapshot)
{
	ColumnValue values[] = {
		uuid_value("id", id),
		uuid_value("model_id", &writer->model.id),
		version_value("version", writer->last_version),
		time_value("created_at"),
		int64_value("n_train", entry->n_train),
		int64_value("n_test", entry->n_test),
		int64_value("n_skipped", entry->n_skipped),
		{"seconds", FLOAT8OID, Float8GetDatum(entry->seconds), false},
		{"wal_lsn", PG_LSNOID, LSNGetDatum(GetXLogInsertRecPtr()), false},
		{"snapshot", PG_SNAPSHOTOID, snapshot, false},
		text_value("task", entry->task),
		text_value("target", entry->target),
		text_value("algorithm", entry->algorithm),
		text_value("trained_by", GetUserNameFromId(writer->caller, false)),
		text_value("source", entry->source),
		text_value("row_digest", entry->digest),
		text_value("software_version", software_version()),
		json_value("parameters", entry->params_json),
		json_value("preprocess", entry->preprocess_json),
		json_value("validation", entry->validation_json),
		json_value("features", entry->features_json != NULL ? entry->features_json : "[]"),
		json_value("metrics", entry->metrics_json),
		json_value("baseline", entry->baseline_json),
		{"model", model_type(), PointerGetDatum(entry->model), false}
	};

	StaticAssertStmt(lengthof(values) <= MAX_COLUMNS, "a row has more columns than a statement may have values");
	writer_insert("version", lengthof(values), values);
}

/* Store version n + 1, and the model when the name is new. */
RegistryVersion
registry_store(const RegistryEntry *entry)
{
	/* before SPI takes a newer one */
	Datum		snapshot = DirectFunctionCall1(pg_current_snapshot, (Datum) 0);
	RegistryVersion stored;
	Writer		writer;

	registry_check_train(entry->name);
	writer_begin(&writer, "ml_train()");
	lock_or_create_model(&writer, entry->name);
	stored.id = new_uuid();
	stored.version = writer.last_version;
	set_model(&stored, &writer.model);
	write_version(&writer, entry, &stored.id, snapshot);
	write_event(&writer, "train", NULL, stored.version, 0, entry->reason);
	writer_end(&writer);
	return stored;
}

/* The version an alias of the locked model points at, 0 when there is no such alias. */
static int32
alias_version(const Writer *writer, const char *alias)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		text_value("alias", alias)
	};

	writer_execute("SELECT version FROM mlaas.alias WHERE model_id = $1 AND alias = $2",
				   SPI_OK_SELECT, lengthof(values), values);
	return SPI_processed == 0 ? 0 : DatumGetInt32(result_datum(0, 1));
}

/* Put the identifier of a version of the locked model into id; false when it is gone. */
static bool
version_exists(const Writer *writer, int32 version, pg_uuid_t *id)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		version_value("version", version)
	};

	writer_execute("SELECT id FROM mlaas.version WHERE model_id = $1 AND version = $2",
				   SPI_OK_SELECT, lengthof(values), values);
	if (SPI_processed == 0)
		return false;
	*id = *DatumGetUUIDP(result_datum(0, 1));
	return true;
}

/* Point an alias of the locked model at a version. */
static void
write_alias(const Writer *writer, const char *alias, int32 version, const pg_uuid_t *id)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		uuid_value("version_id", id),
		version_value("version", version),
		time_value("deployed_at"),
		text_value("alias", alias)
	};

	writer_execute("INSERT INTO mlaas.alias AS a (model_id, version_id, version, deployed_at, alias)"
				   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (model_id, alias) DO UPDATE"
				   " SET version_id = excluded.version_id, version = excluded.version,"
				   " deployed_at = excluded.deployed_at",
				   SPI_OK_INSERT, lengthof(values), values);
}

/* Point an alias at a version and write the history; returns the version before. */
int32
registry_deploy(const RegistryVersion *version, const char *alias, const char *reason)
{
	Writer		writer;
	pg_uuid_t	id;
	int32		previous;

	check_alias(alias);
	writer_begin(&writer, "ml_deploy()");
	need_lock(&writer, version->name);
	if (!version_exists(&writer, version->version, &id) ||
		memcmp(&id, &version->id, sizeof(id)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more",
						version->version, version->name)));
	previous = alias_version(&writer, alias);
	if (previous != version->version)
	{
		write_alias(&writer, alias, version->version, &id);
		write_event(&writer, "deploy", alias, version->version, previous, reason);
	}
	else
		return_event(&writer);
	writer_end(&writer);
	return previous;
}

/*
 * The version to roll back to: the history is played like a stack, a deployment pushing and a
 * rollback popping, so that rollbacks in a row walk back.  0 when nothing is left.
 */
static int32
version_before(const Writer *writer, const char *alias, int32 current)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		text_value("alias", alias)
	};
	int32	   *stack;
	int64		depth = 0;
	pg_uuid_t	id;

	writer_execute("SELECT version, action = 'deploy' FROM mlaas.event WHERE model_id = $1"
				   " AND alias = $2 AND action IN ('deploy', 'rollback') ORDER BY number",
				   SPI_OK_SELECT, lengthof(values), values);
	stack = palloc((SPI_processed + 1) * sizeof(int32));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int32		version = DatumGetInt32(result_datum(i, 1));

		if (DatumGetBool(result_datum(i, 2)))
			stack[depth++] = version;
		else
		{
			/* what a rollback passed over is gone as well */
			for (depth--; depth > 0 && stack[depth - 1] != version;)
				depth--;
			depth = Max(depth, 0);
		}
	}
	while (depth > 0 && (stack[depth - 1] == current || !version_exists(writer, stack[depth - 1], &id)))
		depth--;
	return depth > 0 ? stack[depth - 1] : 0;
}

/* Point an alias back at the version before; returns the version until now. */
int32
registry_rollback(const char *name, const char *alias, RegistryVersion *restored)
{
	ModelRow	model;
	Writer		writer;
	int32		current;
	int32		target;

	need_model(name, &model);
	check_alias(alias);
	writer_begin(&writer, "ml_rollback()");
	need_lock(&writer, name);
	current = alias_version(&writer, alias);
	if (current == 0)
		raise_alias(&model, alias);
	target = version_before(&writer, alias, current);
	if (target == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("alias \"%s\" of model \"%s\" has nothing to roll back to", alias, name),
				 errdetail("It points at version %d, and no version it pointed at before is left.",
						   current)));
	if (!version_exists(&writer, target, &restored->id))
		elog(ERROR, "version %d of model \"%s\" vanished under its lock", target, name);
	write_alias(&writer, alias, target, &restored->id);
	write_event(&writer, "rollback", alias, target, current, NULL);
	restored->version = target;
	set_model(restored, &writer.model);
	writer_end(&writer);
	return current;
}

/* Drop a model with all its versions and aliases; its history stays. */
int32
registry_drop(const char *name)
{
	ModelRow	model;
	Writer		writer;
	ColumnValue id;
	int32		dropped;

	need_model(name, &model);
	writer_begin(&writer, "ml_drop()");
	need_lock(&writer, name);
	id = uuid_value("model_id", &writer.model.id);
	write_event(&writer, "drop", NULL, 0, 0, NULL);
	writer_execute("DELETE FROM mlaas.alias WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	writer_execute("DELETE FROM mlaas.version WHERE model_id = $1", SPI_OK_DELETE, 1, &id);
	dropped = (int32) SPI_processed;
	writer_execute("DELETE FROM mlaas.model WHERE id = $1", SPI_OK_DELETE, 1, &id);
	writer_end(&writer);
	return dropped;
}

/* Error when an alias of the locked model points at a version. */
static void
check_no_alias(const Writer *writer, int32 version)
{
	ColumnValue values[] = {
		uuid_value("model_id", &writer->model.id),
		version_value("version", version)
	};

	writer_execute("SELECT string_agg(format('\"%s\"', alias), ', ' ORDER BY alias) FROM mlaas.alias"
				   " WHERE model_id = $1 AND version = $2 HAVING count(*) > 0",
				   SPI_OK_SELECT, lengthof(values), values);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop version %d of model \"%s\" because it is deployed",
						version, writer->model.name),
				 errdetail("It is what these aliases point at: %s.",
						   TextDatumGetCString(result_datum(0, 1))),
				 errhint("Deploy another version under them first, or drop the whole model with ml_drop(%s).",
						 quote_literal_cstr(writer->model.name))));
}

/* Drop one version that no alias points at. */
int32
registry_drop_version(const char *name, int32 version)
{
	RegistryVersion found;
	Writer		writer;

	registry_resolve_version(name, version, &found);
	writer_begin(&writer, "ml_drop()");
	need_lock(&writer, name);
	check_no_alias(&writer, version);
	{
		ColumnValue id = uuid_value("id", &found.id);

		writer_execute("DELETE FROM mlaas.version WHERE id = $1", SPI_OK_DELETE, 1, &id);
	}
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more", version, name)));
	write_event(&writer, "drop", NULL, version, 0, NULL);
	writer_end(&writer);
	return 1;
}
