/*
 * Moving aliases: each move under the model's lock, with its entry in the history.
 */
#include "postgres.h"

#include "pg/deploy.h"

#include "executor/spi.h"
#include "utils/builtins.h"

#include "pg/publish.h"

#include "pg/guard.h"
#include "pg/rights.h"
#include "pg/route.h"

/* The version an alias of the locked model points at, 0 when there is no such alias. */
static int32
alias_version(const Writer *writer, const char *alias)
{
	return writer_execute_model(writer, "SELECT version FROM mlaas.alias WHERE model_id = $1 AND alias = $2",
								SPI_OK_SELECT, column_text("alias", alias)) ? DatumGetInt32(writer_result(0, 1)) : 0;
}

/* Put the identifier of a version of the locked model into id; false when it is gone. */
bool
registry_version_exists(const Writer *writer, int32 version, pg_uuid_t *id)
{
	if (!writer_execute_model(writer, "SELECT id FROM mlaas.version WHERE model_id = $1 AND version = $2",
							  SPI_OK_SELECT, column_version("version", version)))
		return false;
	*id = *DatumGetUUIDP(writer_result(0, 1));
	return true;
}

/* Point an alias of the locked model at a version; its published function follows. */
static void
write_alias(const Writer *writer, const char *alias, int32 version, const pg_uuid_t *id)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		column_uuid("version_id", id),
		column_version("version", version),
		column_time("deployed_at"),
		column_text("alias", alias)
	};

	writer_execute("INSERT INTO mlaas.alias AS a (model_id, version_id, version, deployed_at, alias)"
				   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (model_id, alias) DO UPDATE"
				   " SET version_id = excluded.version_id, version = excluded.version,"
				   " deployed_at = excluded.deployed_at",
				   SPI_OK_INSERT, lengthof(values), values);
	publish_model_changed(writer);
}

/* Error when a version is archived, or needs the approval that it has not. */
static void
check_status(const RegistryVersion *version, const char *alias, const char *status)
{
	if (strcmp(status, "archived") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" is archived", version->version, version->name),
				 errhint("Approve it with ml_approve(%s, %d) to use it again.", quote_literal_cstr(version->name),
						 version->version)));
	if (strcmp(status, "approved") != 0 && strcmp(alias, REGISTRY_DEFAULT_ALIAS) == 0 &&
		rights_role_exists(RIGHTS_APPROVE))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" is not approved", version->version, version->name),
				 errdetail("Since role \"mlaas_approver\" exists, \"%s\" takes approved versions only.",
						   REGISTRY_DEFAULT_ALIAS),
				 errhint("A member of that role approves it with ml_approve(%s, %d).",
						 quote_literal_cstr(version->name), version->version)));
}

/* Error unless a version of the locked model is still there and may be put under an alias. */
static void
check_deployable(const RegistryVersion *version, const char *alias)
{
	ColumnValue id = column_uuid("id", &version->id);

	writer_execute("SELECT status FROM mlaas.version WHERE id = $1", SPI_OK_SELECT, 1, &id);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" does not exist any more",
						version->version, version->name)));
	check_status(version, alias, TextDatumGetCString(writer_result(0, 1)));
}

/* Tell whether an alias of the locked model has routes. */
static bool
has_routes(const Writer *writer, const char *alias)
{
	return writer_execute_model(writer, "SELECT 1 FROM mlaas.alias WHERE model_id = $1 AND alias = $2 AND routed",
								SPI_OK_SELECT, column_text("alias", alias));
}

/* Lock the model, see what the alias points at and which guards it has. */
void
alias_move_begin(AliasMove *move, const RegistryVersion *version, const char *alias)
{
	MemoryContext caller;

	registry_check_alias(alias);
	rights_check_role(RIGHTS_DEPLOY);
	caller = CurrentMemoryContext;
	memset(move, 0, sizeof(*move));
	move->version = version;
	move->alias = alias;
	writer_begin(&move->writer, "ml_deploy()");
	registry_lock(&move->writer, version->name, REGISTRY_MANAGE);
	check_deployable(version, alias);
	registry_set_model(&move->previous, &move->writer.model);
	move->previous.version = alias_version(&move->writer, alias);
	if (move->previous.version != 0 &&
		!registry_version_exists(&move->writer, move->previous.version, &move->previous.id))
		elog(ERROR, "version %d of model \"%s\" is not there", move->previous.version, version->name);
	move->previous.routed = has_routes(&move->writer, alias);
	move->guards = guard_read(&move->writer, alias, caller);
	writer_end(&move->writer);
}

/* Write on under the lock that a writer has taken before. */
void
registry_resume(Writer *writer)
{
	Writer		locked = *writer;

	writer_begin(writer, "ml_deploy()");
	writer->model = locked.model;
	writer->last_version = locked.last_version;
	writer->event = locked.event;
	writer->keep = locked.keep;
}

/* Point the alias at the version and write the history. */
void
alias_move_finish(AliasMove *move, const char *reason, const char *detail_json)
{
	const RegistryVersion *version = move->version;

	registry_resume(&move->writer);
	if (move->end_routes)
	{
		/* a canary that was ended meanwhile is not to be promoted */
		route_need(&move->writer, move->alias, version->version);
		(void) route_end(&move->writer, move->alias);
	}
	write_alias(&move->writer, move->alias, version->version, &version->id);
	registry_write_event(&move->writer, "deploy", move->alias, version->version, move->previous.version, reason,
						 detail_json);
	/* what a rollback would have brought back until now is needed no more */
	if (move->writer.keep > 0)
		(void) registry_drop_old(&move->writer, move->writer.keep);
	writer_end(&move->writer);
}

/* Leave all as it was, but for what the history says of the version's training. */
void
alias_move_abandon(AliasMove *move, const char *detail_json)
{
	registry_resume(&move->writer);
	registry_return_event(&move->writer);
	if (detail_json != NULL)
	{
		ColumnValue values[] = {
			column_uuid("model_id", &move->version->model_id),
			column_version("version", move->version->version),
			column_json("detail", detail_json)
		};

		writer_execute("UPDATE mlaas.event SET detail = $3 WHERE model_id = $1 AND version = $2 AND action IN "
					   "('train', 'register')", SPI_OK_UPDATE, lengthof(values), values);
	}
	writer_end(&move->writer);
}

/* Tell whether a version of the locked model is there and not archived. */
static bool
is_usable(const Writer *writer, int32 version)
{
	return writer_execute_model(writer, "SELECT 1 FROM mlaas.version WHERE model_id = $1 AND version = $2"
								" AND status <> 'archived'", SPI_OK_SELECT, column_version("version", version));
}

/*
 * The version to roll back to: the history is played like a stack, a deployment pushing and a
 * rollback popping, so that rollbacks in a row walk back.  0 when nothing is left.
 */
int32
registry_version_before(const Writer *writer, const char *alias, int32 current)
{
	int32	   *stack;
	int64		depth = 0;

	/* a rollback that ended a canary moved nothing */
	(void) writer_execute_model(writer, "SELECT version, action = 'deploy' FROM mlaas.event WHERE model_id = $1"
								" AND alias = $2 AND action IN ('deploy', 'rollback') AND version IS DISTINCT FROM "
								"from_version ORDER BY number", SPI_OK_SELECT, column_text("alias", alias));
	stack = palloc((SPI_processed + 1) * sizeof(int32));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		int32		version = DatumGetInt32(writer_result(i, 1));

		if (DatumGetBool(writer_result(i, 2)))
			stack[depth++] = version;
		else
		{
			/* what a rollback passed over is gone as well */
			for (depth--; depth > 0 && stack[depth - 1] != version;)
				depth--;
			depth = Max(depth, 0);
		}
	}
	while (depth > 0 && (stack[depth - 1] == current || !is_usable(writer, stack[depth - 1])))
		depth--;
	return depth > 0 ? stack[depth - 1] : 0;
}

/* Point an alias of the locked model back at the version before. */
static int32
roll_alias_back(const Writer *writer, const char *alias, int32 current)
{
	int32		target = registry_version_before(writer, alias, current);
	pg_uuid_t	id;

	if (target == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("alias \"%s\" of model \"%s\" has nothing to roll back to", alias, writer->model.name),
				 errdetail("It points at version %d, and no version it pointed at before is left.",
						   current)));
	if (!registry_version_exists(writer, target, &id))
		elog(ERROR, "version %d of model \"%s\" vanished under its lock", target, writer->model.name);
	write_alias(writer, alias, target, &id);
	return target;
}

/*
 * Undo the last move of an alias: end its routes where it has some, else point it back at the version before.  Returns
 * the version that calls went to until now besides or instead.
 */
int32
registry_rollback(const char *name, const char *alias, RegistryVersion *restored)
{
	Writer		writer;
	int32		current;
	int32		target;
	int32		until_now;

	registry_check_alias(alias);
	rights_check_role(RIGHTS_DEPLOY);
	registry_begin_change(&writer, name, "ml_rollback()");
	current = alias_version(&writer, alias);
	if (current == 0)
		registry_raise_alias(&writer.model, alias);
	until_now = route_end(&writer, alias);
	if (until_now != 0)
		target = current;
	else
	{
		target = roll_alias_back(&writer, alias, current);
		until_now = current;
	}
	if (!registry_version_exists(&writer, target, &restored->id))
		elog(ERROR, "version %d of model \"%s\" vanished under its lock", target, name);
	registry_write_event(&writer, "rollback", alias, target, current, NULL,
						 target == current ? psprintf("{\"routes_ended\": true, \"to\": %d}", until_now) : NULL);
	restored->version = target;
	registry_set_model(restored, &writer.model);
	writer_end(&writer);
	return until_now;
}

/* The aliases of the locked model that point at a version, quoted in a list; NULL when none does. */
char *
registry_aliases_of(const Writer *writer, int32 version)
{
	return writer_execute_model(writer,
								"SELECT string_agg(format('\"%s\"', alias), ', ' ORDER BY alias) FROM mlaas.alias"
								" WHERE model_id = $1 AND version = $2 HAVING count(*) > 0", SPI_OK_SELECT,
								column_version("version", version)) ? TextDatumGetCString(writer_result(0, 1)) : NULL;
}
