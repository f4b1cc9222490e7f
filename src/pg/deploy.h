/*
 * Deploying: the one way in which an alias comes to point at another version, whoever asks for it.
 */
#ifndef MLAAS_DEPLOY_H
#define MLAAS_DEPLOY_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "pg/registry_write.h"

/* What is asked for. */
typedef struct DeployRequest
{
	const RegistryVersion *version;
	const char *alias;
	const char *reason;			/* for the history; NULL = none */
	bool		if_better;		/* only when it beats what the alias points at */
	const char *metric;			/* by this; NULL = the main one of the task */
	double		margin;			/* by more than this */
	const char *holdout;		/* on these rows; NULL = on those that the version's training held out */
	/* what stands against it is a warning, not an error: a training has stored the version */
	bool		lenient;
	bool		end_routes;		/* the alias has no other versions afterwards */
} DeployRequest;

/* What came of it. */
typedef struct DeployOutcome
{
	bool		deployed;
	int32		previous;		/* version the alias pointed at before; 0 = it is new */
	const char *metric;			/* compared by; NULL = nothing was compared */
	double		value;			/* of the version; NaN = not defined */
	double		previous_value;
} DeployOutcome;

extern void deploy_run(const DeployRequest *request, DeployOutcome *outcome);

/* ---- an alias's move, between whose steps the model stays locked (registry_alias.c) ---- */

typedef struct AliasMove
{
	const RegistryVersion *version;
	const char *alias;
	Writer		writer;
	RegistryVersion previous;	/* what the alias points at; version 0 = nothing */
	List	   *guards;			/* of Guard */
	bool		end_routes;
} AliasMove;

/* Lock the model, see what the alias points at and its guards; an error when the version may not be deployed. */
extern void alias_move_begin(AliasMove *move, const RegistryVersion *version, const char *alias);

/*
 * Point the alias at the version, with its entry in the history, or leave it all as it was: then detail_json, if it is
 * not NULL, becomes the detail of the entry that tells of the version's training, made by this transaction.
 */
extern void alias_move_finish(AliasMove *move, const char *reason, const char *detail_json);
extern void alias_move_abandon(AliasMove *move, const char *detail_json);

/* Write on under the lock that a writer has taken before, from writer_begin's state on. */
extern void registry_resume(Writer *writer);

/* Error when a version fails guards of the alias; what was measured goes to measured, as members of a JSON object. */
extern void deploy_check_guards(const AliasMove *move, StringInfo measured);

/* ---- comparing (deploy_compare.c) ---- */

typedef struct Comparison
{
	const char *metric;
	double		value;			/* of the version; NaN = not defined on the rows */
	double		previous_value;
	bool		better;			/* by more than the margin; never with a NaN */
	bool		alike;			/* the two predict the same: what stands against comparing them are the rows */
} Comparison;

/*
 * Compare a version with the one before by a metric (NULL: the main one of the task) on the same rows: those of
 * holdout, or with NULL those that the version's training held out.  Returns NULL, or why the two cannot be
 * compared, as a sentence.
 */
extern char *compare_versions(const RegistryVersion *version, const RegistryVersion *previous, const char *holdout,
							  const char *metric, double margin, Comparison *comparison);

#endif
