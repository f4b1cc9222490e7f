/*
 * Writing the registry (sql/registry.sql): the plumbing of registry_write.h, and storing versions.
 *
 * Locking: whatever changes a model first updates its row in mlaas.model, which numbers the
 * change and keeps other changes of this model waiting until the transaction ends.  At READ
 * COMMITTED the next one then sees what was committed and goes on; at REPEATABLE READ
 * it fails with a serialization error, as any update would.  Readers never wait.
 */
#include "postgres.h"

#include "pg/registry_write.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "pg/rights.h"

/* Begin to write as the owner of the tables; command is for the error on a standby. */
void
writer_begin(Writer *writer, const char *command)
{
	Oid			owner = registry_tables_owner();

	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	memset(writer, 0, sizeof(*writer));

	GetUserIdAndSecContext(&writer->caller, &writer->security_context);
	SetUserIdAndSecContext(owner, writer->security_context | SECURITY_LOCAL_USERID_CHANGE);
	writer->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* Be the caller again. */
void
writer_end(Writer *writer)
{
	SPI_finish();
	AtEOXact_GUC(false, writer->guc_level);
	SetUserIdAndSecContext(writer->caller, writer->security_context);
}

/* Run one statement with values for $1, $2, ...; the rows are in SPI_tuptable. */
void
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

/* Run one statement about the locked model. */
bool
writer_execute_model(const Writer *writer, const char *sql, int expected, ColumnValue value)
{
	ColumnValue values[] = {column_uuid("model_id", &writer->model.id), value};

	writer_execute(sql, expected, lengthof(values), values);
	return SPI_processed > 0;
}

/* Insert one row into a table of the registry. */
void
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
ColumnValue
column_text(const char *name, const char *string)
{
	ColumnValue value = {name, TEXTOID, (Datum) 0, string == NULL};

	if (string != NULL)
		value.value = CStringGetTextDatum(string);
	return value;
}

/* A jsonb column; an empty object for a NULL string. */
ColumnValue
column_json(const char *name, const char *json)
{
	return (ColumnValue) {name, JSONBOID,
		DirectFunctionCall1(jsonb_in, CStringGetDatum(json != NULL ? json : "{}")), false};
}

/* An int column; NULL for 0, which no version has. */
ColumnValue
column_version(const char *name, int32 version)
{
	return (ColumnValue) {name, INT4OID, Int32GetDatum(version), version == 0};
}

/* A uuid column; the uuid must outlive the value. */
ColumnValue
column_uuid(const char *name, const pg_uuid_t *id)
{
	return (ColumnValue) {name, UUIDOID, UUIDPGetDatum(id), false};
}

/* A bigint column. */
ColumnValue
column_int64(const char *name, int64 number)
{
	return (ColumnValue) {name, INT8OID, Int64GetDatum(number), false};
}

/* A timestamptz column with the present time. */
ColumnValue
column_time(const char *name)
{
	return (ColumnValue) {name, TIMESTAMPTZOID, TimestampTzGetDatum(GetCurrentTimestamp()), false};
}

/* A column of the i-th row that the last statement returned, never NULL. */
Datum
writer_result(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in the model registry");
	return value;
}

/* A string as JSON, null for NULL. */
char *
json_string(const char *string)
{
	StringInfoData json;

	if (string == NULL)
		return pstrdup("null");
	initStringInfo(&json);
	escape_json(&json, string);
	return json.data;
}

/* A random uuid, version 4. */
pg_uuid_t
registry_new_uuid(void)
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
lock_model(Writer *writer, const char *name, RegistryPrivilege privilege, int32 versions)
{
	ColumnValue values[] = {
		column_text("name", name),
		{"versions", INT4OID, Int32GetDatum(versions), false}
	};

	writer_execute("UPDATE mlaas.model SET last_event = last_event + 1, last_version = last_version + $2,"
				   " versions = versions + $2,"
				   " latest_version = CASE WHEN $2 > 0 THEN last_version + $2 ELSE latest_version END"
				   " WHERE name = $1 RETURNING id, owner, last_version, last_event,"
				   " CASE WHEN versions > keep_versions THEN keep_versions ELSE 0 END",
				   SPI_OK_UPDATE_RETURNING, lengthof(values), values);
	if (SPI_processed == 0)
		return false;
	writer->model.id = *DatumGetUUIDP(writer_result(0, 1));
	writer->model.owner = DatumGetObjectId(writer_result(0, 2));
	strlcpy(writer->model.name, name, sizeof(writer->model.name));
	writer->last_version = DatumGetInt32(writer_result(0, 3));
	writer->event = DatumGetInt32(writer_result(0, 4));
	writer->keep = DatumGetInt32(writer_result(0, 5));
	registry_check_rights(&writer->model, writer->caller, privilege);
	return true;
}

/* Lock a model that was there a moment ago. */
void
registry_lock(Writer *writer, const char *name, RegistryPrivilege privilege)
{
	if (!lock_model(writer, name, privilege, 0))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" does not exist any more", name)));
}

/* Lock a model for a change by one who may manage it. */
void
registry_begin_change(Writer *writer, const char *name, const char *command)
{
	RegistryModel model;

	registry_need_model(name, REGISTRY_MANAGE, &model);
	writer_begin(writer, command);
	registry_lock(writer, name, REGISTRY_MANAGE);
}

/* Lock a model for a new version, made when the name is new. */
void
registry_lock_or_create(Writer *writer, const char *name)
{
	while (!lock_model(writer, name, REGISTRY_MANAGE, 1))
	{
		pg_uuid_t	id = registry_new_uuid();
		ColumnValue values[] = {
			column_uuid("id", &id),
			{"owner", REGROLEOID, ObjectIdGetDatum(writer->caller), false},
			column_time("created_at"),
			column_text("name", name)
		};

		/* waits for another session that is making the same name, which may then be there */
		CHECK_FOR_INTERRUPTS();
		writer_execute("INSERT INTO mlaas.model (id, owner, created_at, name, last_version, last_event, versions)"
					   " VALUES ($1, $2, $3, $4, 0, 0, 0) ON CONFLICT (name) DO NOTHING",
					   SPI_OK_INSERT, lengthof(values), values);
		if (SPI_processed > 0)
			rights_tie_role(writer->caller);
	}
}

/* Write the history of the change. */
void
registry_write_event(const Writer *writer, const char *action, const char *alias, int32 version,
					 int32 from_version, const char *reason, const char *detail_json)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		{"number", INT4OID, Int32GetDatum(writer->event), false},
		column_version("version", version),
		column_version("from_version", from_version),
		column_time("at"),
		column_text("action", action),
		column_text("name", writer->model.name),
		column_text("owner", GetUserNameFromId(writer->model.owner, true)),
		column_text("who", GetUserNameFromId(writer->caller, false)),
		column_text("alias", alias),
		column_text("reason", reason),
		column_json("detail", detail_json)
	};

	values[lengthof(values) - 1].null = detail_json == NULL;

	writer_insert("event", lengthof(values), values);
}

/* Give the number of a change that changed nothing back: the history has no gap. */
void
registry_return_event(const Writer *writer)
{
	ColumnValue id = column_uuid("id", &writer->model.id);

	writer_execute("UPDATE mlaas.model SET last_event = last_event - 1 WHERE id = $1", SPI_OK_UPDATE, 1, &id);
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
	return TextDatumGetCString(writer_result(0, 1));
}

/* Insert the row of a version; snapshot is the one that the training read with. */
static void
write_version(const Writer *writer, const RegistryEntry *entry, const pg_uuid_t *id, Datum snapshot)
{
	ColumnValue values[] = {
		column_uuid("id", id),
		column_uuid("model_id", &writer->model.id),
		column_version("version", writer->last_version),
		column_time("created_at"),
		column_int64("n_train", entry->n_train),
		column_int64("n_test", entry->n_test),
		column_int64("n_skipped", entry->n_skipped),
		{"seconds", FLOAT8OID, Float8GetDatum(entry->seconds), false},
		{"wal_lsn", PG_LSNOID, LSNGetDatum(GetXLogInsertRecPtr()), false},
		{"snapshot", PG_SNAPSHOTOID, snapshot, false},
		column_text("task", entry->task),
		column_text("target", entry->target),
		column_text("algorithm", entry->algorithm),
		column_text("trained_by", GetUserNameFromId(writer->caller, false)),
		column_text("source", entry->source),
		column_text("row_digest", entry->digest),
		column_text("software_version", software_version()),
		column_text("status", "candidate"),
		{"parent_version_id", UUIDOID, UUIDPGetDatum(entry->parent_version), entry->parent_version == NULL},
		column_text("parent", entry->parent),
		column_json("parameters", entry->params_json),
		column_json("preprocess", entry->preprocess_json),
		column_json("validation", entry->validation_json),
		column_json("features", entry->features_json != NULL ? entry->features_json : "[]"),
		column_json("metrics", entry->metrics_json),
		column_json("baseline", entry->baseline_json),
		column_json("lineage", entry->lineage_json),
		{"model", registry_model_type(), PointerGetDatum(entry->model), false}
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
	registry_lock_or_create(&writer, entry->name);
	stored.id = registry_new_uuid();
	stored.version = writer.last_version;
	registry_set_model(&stored, &writer.model);
	write_version(&writer, entry, &stored.id, snapshot);
	registry_write_event(&writer, entry->action != NULL ? entry->action : "train", NULL, stored.version, 0,
						 entry->reason, NULL);
	if (writer.keep > 0)
		(void) registry_drop_old(&writer, writer.keep);
	writer_end(&writer);
	return stored;
}
