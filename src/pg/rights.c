/*
 * Who may do what: the roles that restrict an activity, privileges granted and revoked, the
 * predicate that views and row-level security ask, and the ties that keep roles in use from being dropped.
 *
 * Roles are looked up and memberships checked at each call, with the current user of that moment.
 *
 * Ties: the tables refer to roles by OID, of which DROP ROLE knows nothing.  So each role that owns a
 * model, was granted a privilege on one or made a guard holds EXECUTE on mlaas.models_of in its own name: an entry of
 * an access-control list, which DROP ROLE refuses to leave behind, pg_dump carries and DROP OWNED BY
 * removes.  The entry goes with the last use.  Whoever adds a use holds a shared lock on the function
 * until the transaction ends, whoever adds or takes an entry an exclusive one: so no entry is taken
 * while a use is being added, and no two sessions change the list at once.  Two transactions that each add a
 * use and then take the last one of some role wait for each other; the server ends one of them.
 *
 * A role that was dropped all the same, after DROP OWNED BY, is nobody: no member has its rights.
 */
#include "postgres.h"

#include "pg/rights.h"

#include "access/htup_details.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "pg/arguments.h"
#include "pg/registry_write.h"

PG_FUNCTION_INFO_V1(ml_has_privilege);
PG_FUNCTION_INFO_V1(ml_grant);
PG_FUNCTION_INFO_V1(ml_revoke);

/* ---- roles that restrict an activity ---- */

static const struct
{
	const char *role;
	const char *what;
}			activities[] = {
	{"mlaas_trainer", "train models"},
	{"mlaas_approver", "approve versions of models"},
	{"mlaas_deployer", "deploy models"}
};

StaticAssertDecl(lengthof(activities) == RIGHTS_DEPLOY + 1, "one role per activity");

/* Tell whether the role of an activity exists. */
bool
rights_role_exists(RightsActivity activity)
{
	return OidIsValid(get_role_oid(activities[activity].role, true));
}

/* Tell whether the current user is a member of an activity's role, where there is one. */
bool
rights_has_role(RightsActivity activity)
{
	Oid			role = get_role_oid(activities[activity].role, true);

	return !OidIsValid(role) || has_privs_of_role(GetUserId(), role);
}

/* Error unless he is. */
void
rights_check_role(RightsActivity activity)
{
	if (!rights_has_role(activity))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", activities[activity].what),
				 errdetail("Since role \"%s\" exists, only its members may.", activities[activity].role)));
}

/* ---- the predicate ---- */

/*
 * mlaas.has_privilege(model_id, privilege): whether the current user has it; NULL when there is no
 * such model.
 */
Datum
ml_has_privilege(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	RegistryPrivilege privilege = registry_privilege(name);
	RegistryModel model;

	pfree(name);
	/* first, since views have asked about the owner before */
	if (registry_is_granted(PG_GETARG_UUID_P(0), GetUserId(), privilege))
		PG_RETURN_BOOL(true);
	if (!registry_find_model_id(PG_GETARG_UUID_P(0), &model))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(has_privs_of_role(GetUserId(), model.owner));
}

/* ---- ties ---- */

/* The function whose access-control list has the entries. */
static Oid
tie_function(void)
{
	Oid			type = REGROLEOID;

	return LookupFuncName(list_make2(makeString("mlaas"), makeString("models_of")), 1, &type, false);
}

/* Tell whether a role has an entry of its own. */
static bool
is_tied(Oid function, Oid role)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		tied = false;
	bool		isnull;
	Datum		value;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclP(value);

		for (int i = 0; i < ACL_NUM(acl) && !tied; i++)
			tied = ACL_DAT(acl)[i].ai_grantee == role;
	}
	ReleaseSysCache(tuple);
	return tied;
}

/* Tell whether a role needs an entry: it is no part of the cluster as initdb makes it, which nobody can drop. */
static bool
needs_tie(Oid role)
{
	return role != ACL_ID_PUBLIC && !IsPinnedObject(AuthIdRelationId, role) && role != registry_tables_owner();
}

/* Give a role its entry or take it. */
static void
change_tie(const char *command, Oid role)
{
	writer_execute(psprintf(command, quote_identifier(GetUserNameFromId(role, false))), SPI_OK_UTILITY, 0, NULL);
}

/* Note that a role owns a model from now on, was granted a privilege or made a guard. */
void
rights_tie_role(Oid role)
{
	Oid			function = tie_function();

	if (!needs_tie(role))
		return;
	if (is_tied(function, role))
	{
		LockDatabaseObject(ProcedureRelationId, function, 0, ShareLock);
		if (is_tied(function, role))
			return;
	}
	LockDatabaseObject(ProcedureRelationId, function, 0, ShareRowExclusiveLock);
	if (!is_tied(function, role))
		change_tie("GRANT EXECUTE ON FUNCTION mlaas.models_of(regrole) TO %s", role);
}

/* Tell whether a role owns a model, has a privilege on one or made a guard, as of now. */
static bool
is_used(Oid role)
{
	Oid			type = OIDOID;
	Datum		value = ObjectIdGetDatum(role);
	int			result;

	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_with_args("SELECT 1 FROM mlaas.model WHERE owner = $1"
								   " UNION ALL SELECT 1 FROM mlaas.privilege WHERE grantee = $1"
								   " UNION ALL SELECT 1 FROM mlaas.guard WHERE made_by = $1",
								   1, &type, &value, NULL, true, 1);
	PopActiveSnapshot();
	if (result != SPI_OK_SELECT)
		elog(ERROR, "reading the model registry failed: %s", SPI_result_code_string(result));
	return SPI_processed > 0;
}

/* Note that a role owns one model less, or lost a privilege or a guard. */
void
rights_untie_role(Oid role)
{
	Oid			function = tie_function();

	if (!needs_tie(role) || !is_tied(function, role) || is_used(role))
		return;
	LockDatabaseObject(ProcedureRelationId, function, 0, ShareRowExclusiveLock);
	if (is_tied(function, role) && !is_used(role))
		change_tie("REVOKE EXECUTE ON FUNCTION mlaas.models_of(regrole) FROM %s", role);
}

/* Forget the privileges on a model that was dropped and its guards, and that it had an owner. */
void
rights_forget_model(const Writer *writer)
{
	ColumnValue id = column_uuid("model_id", &writer->model.id);
	uint64		count;
	Oid		   *roles;

	writer_execute("WITH p AS (DELETE FROM mlaas.privilege WHERE model_id = $1 RETURNING grantee),"
				   " g AS (DELETE FROM mlaas.guard WHERE model_id = $1 RETURNING made_by)"
				   " SELECT grantee::oid FROM p UNION SELECT made_by FROM g",
				   SPI_OK_SELECT, 1, &id);
	count = SPI_processed;
	roles = palloc(sizeof(Oid) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		roles[i] = DatumGetObjectId(writer_result(i, 1));
	roles[count] = writer->model.owner;
	for (uint64 i = 0; i <= count; i++)
		rights_untie_role(roles[i]);
}

/* ---- granting ---- */

/* The arguments of a grant: a model, a role and a privilege. */
typedef struct Grant
{
	char	   *model;
	char	   *role;
	RegistryPrivilege privilege;
	Oid			grantee;
} Grant;

/* Read and check the arguments; the current user must be able to manage the model. */
static void
read_grant(FunctionCallInfo fcinfo, Grant *grant)
{
	RegistryModel model;

	grant->model = need_text(fcinfo, 0, "model name");
	grant->role = need_text(fcinfo, 1, "role");
	grant->privilege = registry_privilege(need_text(fcinfo, 2, "privilege"));
	registry_need_model(grant->model, REGISTRY_MANAGE, &model);
	grant->grantee = strcmp(grant->role, "public") == 0 ? ACL_ID_PUBLIC : get_role_oid(grant->role, false);
}

/* Write to the history that a privilege was granted or revoked. */
static void
write_grant_event(const Writer *writer, const char *action, const Grant *grant)
{
	registry_write_event(writer, action, NULL, 0, 0, NULL,
						 psprintf("{\"role\": %s, \"privilege\": \"%s\"}", json_string(grant->role),
								  registry_privilege_name(grant->privilege)));
}

/* Delete what roles that were dropped since had on the locked model: a number is never to mean another role. */
static void
delete_vanished(const Writer *writer)
{
	ColumnValue id = column_uuid("model_id", &writer->model.id);

	writer_execute("DELETE FROM mlaas.privilege WHERE model_id = $1 AND grantee <> 0"
				   " AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grantee)", SPI_OK_DELETE, 1, &id);
}

/* Write that the role has the privilege; false when it was there. */
static bool
insert_grant(const Writer *writer, const Grant *grant)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		{"grantee", OIDOID, ObjectIdGetDatum(grant->grantee), false},
		column_time("granted_at"),
		column_text("privilege", registry_privilege_name(grant->privilege)),
		column_text("granted_by", GetUserNameFromId(writer->caller, false))
	};

	writer_execute("INSERT INTO mlaas.privilege (model_id, grantee, granted_at, privilege, granted_by)"
				   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
				   SPI_OK_INSERT, lengthof(values), values);
	return SPI_processed > 0;
}

/* Delete one privilege of the role; false when there was none. */
static bool
delete_grant(const Writer *writer, const Grant *grant, RegistryPrivilege privilege)
{
	ColumnValue values[] = {
		column_uuid("model_id", &writer->model.id),
		{"grantee", OIDOID, ObjectIdGetDatum(grant->grantee), false},
		column_text("privilege", registry_privilege_name(privilege))
	};

	writer_execute("DELETE FROM mlaas.privilege WHERE model_id = $1 AND grantee = $2 AND privilege = $3",
				   SPI_OK_DELETE, lengthof(values), values);
	return SPI_processed > 0;
}

/* ml_grant(model, role, privilege): true when the role had not been granted it before. */
Datum
ml_grant(PG_FUNCTION_ARGS)
{
	Grant		grant;
	Writer		writer;
	bool		granted;

	read_grant(fcinfo, &grant);
	writer_begin(&writer, "ml_grant()");
	registry_lock(&writer, grant.model, REGISTRY_MANAGE);
	delete_vanished(&writer);
	rights_tie_role(grant.grantee);
	granted = insert_grant(&writer, &grant);
	if (granted)
		write_grant_event(&writer, "grant", &grant);
	else
		registry_return_event(&writer);
	writer_end(&writer);
	PG_RETURN_BOOL(granted);
}

/*
 * ml_revoke(model, role, privilege): with it go the privileges that imply it, or it would have no
 * effect; true when the role had any of them.
 */
Datum
ml_revoke(PG_FUNCTION_ARGS)
{
	Grant		grant;
	Writer		writer;
	bool		revoked = false;

	read_grant(fcinfo, &grant);
	writer_begin(&writer, "ml_revoke()");
	registry_lock(&writer, grant.model, REGISTRY_MANAGE);
	delete_vanished(&writer);
	for (int privilege = (int) grant.privilege; privilege <= (int) REGISTRY_MANAGE; privilege++)
		revoked |= delete_grant(&writer, &grant, (RegistryPrivilege) privilege);
	if (revoked)
	{
		rights_untie_role(grant.grantee);
		write_grant_event(&writer, "revoke", &grant);
	}
	else
		registry_return_event(&writer);
	writer_end(&writer);
	PG_RETURN_BOOL(revoked);
}
