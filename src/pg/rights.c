/*
 * Who may do what: the roles that restrict an activity, and the predicate that views and
 * row-level security ask.
 *
 * Roles are looked up and memberships checked at each call, with the current user of that moment.
 */
#include "postgres.h"

#include "pg/rights.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "pg/registry_write.h"

PG_FUNCTION_INFO_V1(ml_has_privilege);

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
	if (!registry_find_model_id(PG_GETARG_UUID_P(0), &model))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(registry_has_rights(&model, GetUserId(), privilege));
}
