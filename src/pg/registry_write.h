/*
 * Writing to the registry, for the files that do: between writer_begin and writer_end statements
 * run through SPI as the owner of the tables and with a fixed search_path, so that nothing of
 * the caller's can be called.  The caller's rights are checked before, or by registry_lock.
 *
 * An error needs no clean-up: the (sub)transaction's abort restores user, settings and SPI.
 */
#ifndef MLAAS_REGISTRY_WRITE_H
#define MLAAS_REGISTRY_WRITE_H

#include "postgres.h"

#include "utils/uuid.h"

#include "pg/registry.h"

/* A row of mlaas.model. */
typedef struct RegistryModel
{
	pg_uuid_t	id;
	Oid			owner;
	char		name[NAMEDATALEN];
} RegistryModel;

/* A transaction's writing: the caller's user, and what the locked model's row says. */
typedef struct Writer
{
	Oid			caller;
	int			security_context;
	int			guc_level;
	RegistryModel model;
	int32		last_version;
	int32		event;			/* number of this change in the history */
	int32		keep;			/* how many of its versions are to stay; 0 = all that there are */
} Writer;

/* A value for $n of a statement, or for a column of that name. */
typedef struct ColumnValue
{
	const char *name;
	Oid			type;
	Datum		value;
	bool		null;
} ColumnValue;

/* Most values that one statement may have. */
#define MAX_COLUMNS 32

/* ---- statements ---- */

/* Begin to write as the owner of the tables; command, "ml_drop()", is for the error in a read-only transaction. */
extern void writer_begin(Writer *writer, const char *command);

/* Be the caller again. */
extern void writer_end(Writer *writer);

/* Run one statement with values for $1, $2, ...; anything but the expected SPI_OK_... is an error. */
extern void writer_execute(const char *sql, int expected, int count, const ColumnValue *values);

/* The same of the locked model, whose id is $1, with one more value, $2; tells whether there was a row. */
extern bool writer_execute_model(const Writer *writer, const char *sql, int expected, ColumnValue value);

/* Insert one row into mlaas.table. */
extern void writer_insert(const char *table, int count, const ColumnValue *values);

/* A column (from 1) of a row (from 0) that the last statement returned, never NULL. */
extern Datum writer_result(uint64 row, int column);

/* Values: text and jsonb take C strings (NULL: a null, and {}); version makes 0 a null; time is now. */
extern ColumnValue column_text(const char *name, const char *string);
extern ColumnValue column_json(const char *name, const char *json);
extern ColumnValue column_version(const char *name, int32 version);
extern ColumnValue column_uuid(const char *name, const pg_uuid_t *id);
extern ColumnValue column_int64(const char *name, int64 number);
extern ColumnValue column_time(const char *name);

/* A string as JSON, null for NULL: for the detail of an event. */
extern char *json_string(const char *string);

/* A random uuid, version 4. */
extern pg_uuid_t registry_new_uuid(void);

/* ---- changes of a model ---- */

/*
 * Lock a model until the transaction ends, number the change, and check that the caller has the
 * privilege to make it: manage for the second, which makes one for a new version of a new name.
 */
extern void registry_lock(Writer *writer, const char *name, RegistryPrivilege privilege);
extern void registry_lock_or_create(Writer *writer, const char *name);

/* Begin a change of a model by one who may manage it: an error where he may not, writer_begin and registry_lock. */
extern void registry_begin_change(Writer *writer, const char *name, const char *command);

/*
 * Write the history of the change: version and from_version are 0, and detail_json, an object with
 * what the other columns do not tell, is NULL where there is none.
 */
extern void registry_write_event(const Writer *writer, const char *action, const char *alias, int32 version,
								 int32 from_version, const char *reason, const char *detail_json);

/* Give the number of a change that changed nothing back: the history has no gap. */
extern void registry_return_event(const Writer *writer);

/*
 * Drop old versions of the locked model (registry_drop.c says which), each with its entry in the history; returns how
 * many.
 */
extern int32 registry_drop_old(const Writer *writer, int32 keep);

/* The version that a rollback of an alias of the locked model, which points at current, would bring back; 0 = none. */
extern int32 registry_version_before(const Writer *writer, const char *alias, int32 current);

/* Put the identifier of a version of the locked model into id; false when it is gone. */
extern bool registry_version_exists(const Writer *writer, int32 version, pg_uuid_t *id);

/* The aliases of the locked model that point at a version, quoted in a list; NULL when none does. */
extern char *registry_aliases_of(const Writer *writer, int32 version);

/* ---- what is there, as the active snapshot sees it ---- */

/* The row of a model that the current user has the privilege on, or an error. */
extern void registry_need_model(const char *name, RegistryPrivilege privilege, RegistryModel *row);

/* The row of a model by its identifier; false when there is none. */
extern bool registry_find_model_id(const pg_uuid_t *id, RegistryModel *row);

/* Tell whether a user was granted a privilege on a model, or one that implies it, himself or as one of all. */
extern bool registry_is_granted(const pg_uuid_t *model_id, Oid user, RegistryPrivilege privilege);

/* Tell whether a user has a privilege on a model; the other is an error unless he has. */
extern bool registry_has_rights(const RegistryModel *model, Oid user, RegistryPrivilege privilege);
extern void registry_check_rights(const RegistryModel *model, Oid user, RegistryPrivilege privilege);

/* The privilege of that name, and the other way round; an error names the nearest. */
extern RegistryPrivilege registry_privilege(const char *name);
extern const char *registry_privilege_name(RegistryPrivilege privilege);

/* The version of a model under an alias; false when there is none. */
extern bool registry_find_alias(const RegistryModel *model, const char *alias, RegistryVersion *found);

/* Fill in what all versions of a model share. */
extern void registry_set_model(RegistryVersion *found, const RegistryModel *model);

/* Tell what is wrong with a name of a model or alias; NULL when nothing is. */
extern const char *registry_name_fault(const char *name);

/* Error when something is wrong with a name of a model, an alias or a tag; NULL is nothing. */
extern void registry_refuse_name(const char *what, const char *name, const char *fault);

/* Error unless name is fit for an alias: as for a model, and not a version's number. */
extern void registry_check_alias(const char *alias);

/* Raise the error for any alias that points at no version. */
extern void registry_raise_alias(const RegistryModel *model, const char *alias);

/* The type of models, which is that of the column that holds them. */
extern Oid	registry_model_type(void);

/* The role that owns the tables of the registry. */
extern Oid	registry_tables_owner(void);

/* The table of routes (route.c), and its index. */
extern Oid	registry_routes(Oid *index);

#endif
