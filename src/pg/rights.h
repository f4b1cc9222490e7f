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

#endif
