/*
 * What is said about models beside what was learned: names, descriptions, tags, owners and the status of
 * versions; and copies.
 *
 * Each change runs under the model's lock, which numbers it, and has its entry in the history unless it
 * changed nothing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/arguments.h"
#include "pg/compat.h"
#include "pg/publish.h"
#include "pg/registry_write.h"
#include "pg/rights.h"
#include "pg/route.h"

/* Most tags that a model may have. */
#define MAX_TAGS 100

PG_FUNCTION_INFO_V1(ml_rename);
PG_FUNCTION_INFO_V1(ml_copy);
PG_FUNCTION_INFO_V1(ml_set_owner);
PG_FUNCTION_INFO_V1(ml_set_description);
PG_FUNCTION_INFO_V1(ml_tag);
PG_FUNCTION_INFO_V1(ml_untag);
PG_FUNCTION_INFO_V1(ml_approve);
PG_FUNCTION_INFO_V1(ml_archive);

/* End a change of the model as a whole: write it to the history, unless it changed nothing. */
static void
end_change(Writer *writer, bool changed, const char *action, const char *detail_json)
{
	if (changed)
		registry_write_event(writer, action, NULL, 0, 0, NULL, detail_json);
	else
		registry_return_event(writer);
	writer_end(writer);
}

/* ---- names and copies ---- */

/* Error when a model bears a name. */
static void
check_name_is_free(const char *name)
{
	ColumnValue value = column_text("name", name);

	writer_execute("SELECT 1 FROM mlaas.model WHERE name = $1", SPI_OK_SELECT, 1, &value);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("model \"%s\" already exists", name)));
}

/* ml_rename(name, new_name). */
Datum
ml_rename(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *new_name = need_text(fcinfo, 1, "new name");
	Writer		writer;

	registry_check_name(new_name);
	registry_begin_change(&writer, name, "ml_rename()");
	check_name_is_free(new_name);
	(void) writer_execute_model(&writer, "UPDATE mlaas.model SET name = $2 WHERE id = $1", SPI_OK_UPDATE,
						column_text("name", new_name));
	strlcpy(writer.model.name, new_name, sizeof(writer.model.name));
	publish_model_changed(&writer);
	end_change(&writer, true, "rename", psprintf("{\"from\": %s}", json_string(name)));
	PG_RETURN_VOID();
}

/* Insert version 1 of the locked model as a copy of another's version, with how it came to be. */
static void
insert_copy(const Writer *writer, const RegistryVersion *from, const char *parent, const char *spec)
{
	pg_uuid_t	id = registry_new_uuid();
	ColumnValue values[] = {
		column_uuid("id", &id),
		column_uuid("model_id", &writer->model.id),
		column_uuid("parent_version_id", &from->id),
		column_text("parent", parent),
		column_time("created_at"),
		column_text("spec", spec),
		column_text("new_name", writer->model.name),
		column_text("role", GetUserNameFromId(writer->caller, false))
	};

	writer_execute("INSERT INTO mlaas.version (id, model_id, version, created_at, n_train, n_test, n_skipped, seconds,"
				   " wal_lsn, snapshot, task, target, algorithm, trained_by, source, row_digest, software_version,"
				   " status, parent_version_id, parent, parameters, preprocess, validation, features, metrics,"
				   " baseline, lineage, model)"
				   " SELECT $1, $2, 1, $5, n_train, n_test, n_skipped, seconds,"
				   " wal_lsn, snapshot, task, target, algorithm, trained_by, source, row_digest, software_version,"
				   " 'candidate', id, $4, parameters, preprocess, validation, features, metrics, baseline,"
				   " jsonb_build_object('operation', 'copy', 'arguments',"
				   " jsonb_build_object('model', $6, 'new_name', $7), 'role', $8, 'of', lineage,"
				   " 'dependencies', coalesce(lineage -> 'dependencies', '[]')), model"
				   " FROM mlaas.version WHERE id = $3",
				   SPI_OK_INSERT, lengthof(values), values);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more", from->version, from->name)));
}

/* Give the locked model the description and the tags of another. */
static void
copy_description(const Writer *writer, const pg_uuid_t *from)
{
	ColumnValue values[] = {
		column_uuid("id", &writer->model.id),
		column_uuid("from", from)
	};

	writer_execute("UPDATE mlaas.model m SET description = f.description, tags = f.tags"
				   " FROM mlaas.model f WHERE m.id = $1 AND f.id = $2",
				   SPI_OK_UPDATE, lengthof(values), values);
}

/* ml_copy(model, new_name): a version as version 1 of a model of the caller's. */
Datum
ml_copy(PG_FUNCTION_ARGS)
{
	char	   *spec = need_text(fcinfo, 0, "model");
	char	   *new_name = need_text(fcinfo, 1, "new name");
	char	   *parent;
	RegistryVersion from;
	Writer		writer;
	Datum		row[2];

	rights_check_role(RIGHTS_TRAIN);
	registry_resolve(spec, REGISTRY_DESCRIBE, &from);
	registry_check_name(new_name);
	parent = psprintf("%s@%d", from.name, from.version);
	writer_begin(&writer, "ml_copy()");
	check_name_is_free(new_name);
	registry_lock_or_create(&writer, new_name);
	if (writer.last_version != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("model \"%s\" already exists", new_name)));
	insert_copy(&writer, &from, parent, spec);
	copy_description(&writer, &from.model_id);
	registry_write_event(&writer, "copy", NULL, 1, 0, NULL, psprintf("{\"from\": %s}", json_string(parent)));
	writer_end(&writer);
	row[0] = CStringGetTextDatum(new_name);
	row[1] = Int32GetDatum(1);
	PG_RETURN_DATUM(result_row(fcinfo, lengthof(row), row, NULL));
}

/* ---- owner, description, tags ---- */

/* Error unless the caller may give the locked model to a role: as for any object, he must be in both. */
static void
check_give_away(const Writer *writer, Oid role)
{
	if (!has_privs_of_role(writer->caller, writer->model.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of model %s", writer->model.name)));
	if (!compat_can_set_role(writer->caller, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"", GetUserNameFromId(role, false))));
}

/* ml_set_owner(name, role). */
Datum
ml_set_owner(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *role = need_text(fcinfo, 1, "role");
	Oid			owner = get_role_oid(role, false);
	char	   *detail;
	Oid			former;
	Writer		writer;

	registry_begin_change(&writer, name, "ml_set_owner()");
	check_give_away(&writer, owner);
	former = writer.model.owner;
	detail = psprintf("{\"from\": %s, \"to\": %s}", json_string(GetUserNameFromId(former, true)), json_string(role));
	if (former != owner)
	{
		ColumnValue value = {"owner", OIDOID, ObjectIdGetDatum(owner), false};

		rights_tie_role(owner);
		(void) writer_execute_model(&writer, "UPDATE mlaas.model SET owner = $2 WHERE id = $1", SPI_OK_UPDATE, value);
		rights_untie_role(former);
		writer.model.owner = owner;
	}
	end_change(&writer, former != owner, "owner", detail);
	PG_RETURN_VOID();
}

/* ml_set_description(name, description): NULL and the empty text take it away. */
Datum
ml_set_description(PG_FUNCTION_ARGS)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *description = optional_text(fcinfo, 1);
	Writer		writer;
	bool		changed;

	if (description != NULL && description[0] == '\0')
		description = NULL;
	registry_begin_change(&writer, name, "ml_set_description()");
	changed = writer_execute_model(&writer, "UPDATE mlaas.model SET description = $2"
						   " WHERE id = $1 AND description IS DISTINCT FROM $2",
						   SPI_OK_UPDATE, column_text("description", description));
	end_change(&writer, changed, "describe", psprintf("{\"description\": %s}", json_string(description)));
	PG_RETURN_VOID();
}

/* Error unless every tag is fit for one. */
static void
check_tags(ArrayType *tags)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *tag;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("tag must not be NULL")));
		tag = TextDatumGetCString(elements[i]);
		registry_refuse_name("tag", tag, registry_name_fault(tag));
	}
}

/* Make the tags of a model what the SQL query of them and the argument, $2, gives; returns them. */
static Datum
change_tags(FunctionCallInfo fcinfo, const char *command, const char *query)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	MemoryContext caller = CurrentMemoryContext;
	ColumnValue value = {"tags", TEXTARRAYOID, (Datum) 0, false};
	ArrayType  *tags;
	MemoryContext writing;
	Writer		writer;

	need_argument(fcinfo, 1, "tags");
	check_tags(PG_GETARG_ARRAYTYPE_P(1));
	value.value = PG_GETARG_DATUM(1);
	registry_begin_change(&writer, name, command);
	(void) writer_execute_model(&writer,
						psprintf("UPDATE mlaas.model m SET tags = n.tags FROM"
								 " (SELECT id, tags AS former, ARRAY(%s ORDER BY 1) AS tags FROM mlaas.model WHERE id "
								 "= $1) n WHERE m.id = n.id"
								 " RETURNING m.tags, to_jsonb(m.tags)::text, m.tags IS DISTINCT FROM n.former", query),
						SPI_OK_UPDATE_RETURNING, value);
	writing = MemoryContextSwitchTo(caller);
	tags = DatumGetArrayTypePCopy(writer_result(0, 1));
	MemoryContextSwitchTo(writing);
	if (ArrayGetNItems(ARR_NDIM(tags), ARR_DIMS(tags)) > MAX_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" would have more than %d tags", name, MAX_TAGS)));
	end_change(&writer, DatumGetBool(writer_result(0, 3)), "tag",
			   psprintf("{\"tags\": %s}", TextDatumGetCString(writer_result(0, 2))));
	PG_RETURN_ARRAYTYPE_P(tags);
}

/* ml_tag(name, tags...). */
Datum
ml_tag(PG_FUNCTION_ARGS)
{
	return change_tags(fcinfo, "ml_tag()", "SELECT DISTINCT t COLLATE \"C\" FROM unnest(tags || $2) t");
}

/* ml_untag(name, tags...). */
Datum
ml_untag(PG_FUNCTION_ARGS)
{
	return change_tags(fcinfo, "ml_untag()", "SELECT t COLLATE \"C\" FROM unnest(tags) t WHERE t <> ALL ($2)");
}

/* ---- the status of versions ---- */

/* Give a version of the locked model a status; false when it has it. */
static bool
update_status(const Writer *writer, int32 version, const char *status)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_version("version", version),
		column_text("status", status)
	};
	pg_uuid_t	id;

	if (!registry_version_exists(writer, version, &id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more", version, writer->model.name)));
	writer_execute("UPDATE mlaas.version SET status = $3 WHERE model_id = $1 AND version = $2 AND status <> $3",
				   SPI_OK_UPDATE, lengthof(values), values);
	return SPI_processed > 0;
}

/* Error when an alias of the locked model points at a version, or a route leads to it. */
static void
check_not_deployed(const Writer *writer, int32 version)
{
	char	   *aliases = registry_aliases_of(writer, version);

	if (aliases != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot archive version %d of model \"%s\" because it is deployed",
						version, writer->model.name),
				 errdetail("It is what these aliases point at: %s.", aliases),
				 errhint("Deploy another version under them first.")));
	route_check_unused(writer, version);
}

/* Change the status of a version, for ml_approve and ml_archive; returns (name, version, status). */
static Datum
change_status(FunctionCallInfo fcinfo, const char *command, RegistryPrivilege privilege, const char *action,
			  const char *status)
{
	char	   *name = need_text(fcinfo, 0, "model name");
	char	   *reason = optional_text(fcinfo, 2);
	RegistryVersion version;
	Writer		writer;
	Datum		row[3];

	need_argument(fcinfo, 1, "version");
	registry_resolve_version(name, PG_GETARG_INT32(1), privilege, &version);
	writer_begin(&writer, command);
	registry_lock(&writer, name, privilege);
	if (strcmp(status, "archived") == 0)
		check_not_deployed(&writer, version.version);
	if (update_status(&writer, version.version, status))
		registry_write_event(&writer, action, NULL, version.version, 0, reason, NULL);
	else
		registry_return_event(&writer);
	writer_end(&writer);
	row[0] = CStringGetTextDatum(name);
	row[1] = Int32GetDatum(version.version);
	row[2] = CStringGetTextDatum(status);
	PG_RETURN_DATUM(result_row(fcinfo, lengthof(row), row, NULL));
}

/*
 * ml_approve(name, version, reason).  Where a role is there to approve, its members judge models that
 * others manage, and have to see them for that.
 */
Datum
ml_approve(PG_FUNCTION_ARGS)
{
	rights_check_role(RIGHTS_APPROVE);
	return change_status(fcinfo, "ml_approve()",
						 rights_role_exists(RIGHTS_APPROVE) ? REGISTRY_DESCRIBE : REGISTRY_MANAGE,
						 "approve", "approved");
}

/* ml_archive(name, version, reason). */
Datum
ml_archive(PG_FUNCTION_ARGS)
{
	return change_status(fcinfo, "ml_archive()", REGISTRY_MANAGE, "archive", "archived");
}
