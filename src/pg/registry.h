/*
 * The registry of models, versions and aliases: rows in schema mlaas, reached only
 * through these functions and through views that check ownership and grants.
 *
 * Reads go by index with the active snapshot, so a statement keeps the versions it saw.
 * Writes run as the extension's owner after the caller's rights were checked here.
 */
#ifndef MLAAS_REGISTRY_H
#define MLAAS_REGISTRY_H

#include "postgres.h"

#include "utils/snapshot.h"
#include "utils/uuid.h"

/* What a role may do with a model; each implies those before it, and the owner has all. */
typedef enum RegistryPrivilege
{
	REGISTRY_PREDICT,			/* predict and evaluate */
	REGISTRY_DESCRIBE,			/* see the model itself and its lineage; explanations tell both */
	REGISTRY_MANAGE				/* train, deploy, drop, grant */
} RegistryPrivilege;

/* The alias a bare name resolves to. */
#define REGISTRY_DEFAULT_ALIAS "production"

/* One version, found. */
typedef struct RegistryVersion
{
	pg_uuid_t	id;				/* of the version: never reused, the key of the model cache */
	pg_uuid_t	model_id;
	char		name[NAMEDATALEN];
	int32		version;
	Oid			owner;
	bool		routed;			/* found by an alias some of whose calls go to other versions (route.h) */
} RegistryVersion;

/*
 * Resolve 'name', 'name@3' or 'name@alias' when the current user has the privilege; an error names
 * the nearest model, or the versions and aliases there are.
 */
extern void registry_resolve(const char *spec, RegistryPrivilege privilege, RegistryVersion *found);

/* The same, but false instead of an error: for the planner, which may not fail. */
extern bool registry_try_resolve(const char *spec, RegistryPrivilege privilege, RegistryVersion *found);

/* The same for a name and a version's number. */
extern void registry_resolve_version(const char *name, int32 version, RegistryPrivilege privilege,
									 RegistryVersion *found);

/* The model's bytes (a detoasted ml_model datum, palloc'd) of a version. */
extern struct varlena *registry_model_bytes(const RegistryVersion *version);

/*
 * Error unless the current user may train this name now: he may train at all, the name is fit for a
 * model, new or one that he may manage, and the transaction may write.  For a training to call before
 * it reads rows.
 */
extern void registry_check_train(const char *name);

/* Everything a training stores. Strings may be NULL where the column may be. */
typedef struct RegistryEntry
{
	const char *name;
	const char *task;			/* "regression", "binary", "multiclass" */
	const char *algorithm;
	const char *target;
	const char *source;			/* as given */
	const char *params_json;
	const char *preprocess_json;
	const char *validation_json;
	const char *metrics_json;	/* {"roc_auc": ..} */
	const char *baseline_json;
	const char *features_json;	/* [{"name":..,"kind":..,"type":..}, ...] */
	int64		n_train;
	int64		n_test;
	int64		n_skipped;
	double		seconds;
	const char *digest;			/* 32 hex digits */
	const pg_uuid_t *parent_version;	/* the version it was made from, and its 'name@3'; NULL = none */
	const char *parent;
	const char *lineage_json;	/* {"operation":.., "arguments":.., ...}; NULL = {} */
	struct varlena *model;		/* an ml_model datum */
	const char *action;			/* for the history; NULL for "train" */
	const char *reason;			/* for the history: what was done to which version; NULL for a training */
} RegistryEntry;

/*
 * Store version n + 1 (the model row too when the name is new): adds role, time,
 * pg_current_snapshot() and WAL position.  Serialises trainings of one name.  Errors when the
 * current user may not manage the model.  Returns the version.
 */
extern RegistryVersion registry_store(const RegistryEntry *entry);

/*
 * True when the model has a version under its default alias, as of now (not of the statement's
 * snapshot): after registry_store no other session can change the answer before the commit.
 */
extern bool registry_is_deployed(const char *name, RegistryVersion *deployed);

/*
 * Undo the last move of an alias: end its routes, if it has any, else point it back at the version it was
 * deployed at before.  The version it points at then is put into restored; returns the one that calls went to
 * until now.
 */
extern int32 registry_rollback(const char *name, const char *alias, RegistryVersion *restored);

/* Error unless name is fit for a model: 1..63 bytes, no '@', no control character, no space at an end. */
extern void registry_check_name(const char *name);

#endif
