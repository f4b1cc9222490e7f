/*
 * Who may do what with the registry, beyond the privileges on a single model (registry.h).
 *
 * A role that bears one of three names restricts an activity once it exists in the cluster: only its
 * members, and superusers, may then train, approve or deploy at all.  A privilege on the model is
 * needed besides.
 */
#ifndef MLAAS_RIGHTS_H
#define MLAAS_RIGHTS_H

#include "postgres.h"

#include "pg/registry_write.h"

/* The activities that a role may be demanded for: mlaas_trainer, mlaas_approver, mlaas_deployer. */
typedef enum RightsActivity
{
	RIGHTS_TRAIN,				/* train, submit, schedule */
	RIGHTS_APPROVE,				/* approve a version */
	RIGHTS_DEPLOY				/* deploy, roll back, route, publish */
} RightsActivity;

/* Tell whether the role exists, so that its membership is demanded. */
extern bool rights_role_exists(RightsActivity activity);

/* Tell whether the current user may, as far as the role goes; the other is an error unless he may. */
extern bool rights_has_role(RightsActivity activity);
extern void rights_check_role(RightsActivity activity);

/*
 * Between writer_begin and writer_end: note that a role owns a model from now on or was granted a
 * privilege on one, and that it owns one less or lost one, so that no role in use can be dropped.
 * The last does the second for all roles of a model whose row was deleted, with their privileges.
 */
extern void rights_tie_role(Oid role);
extern void rights_untie_role(Oid role);
extern void rights_forget_model(const Writer *writer);

#endif
