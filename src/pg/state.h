/*
 * ml_state: the transition state of every aggregate of ours.  A flat varlena on
 * disk, between parallel workers and between Citus nodes; an expanded object while
 * it grows.  Each kind of state is one row of a table in state.c.
 *
 * Flat form: varlena header, uint32 kind, then the kind's own bytes (MAXALIGNed from the start of
 * the datum).  Text form: hex like bytea.  What comes in from text or recv is checked by the kind
 * before use.  No kind depends on fn_extra or fn_expr (Citus calls through a fresh FmgrInfo each row).
 */
#ifndef MLAAS_STATE_H
#define MLAAS_STATE_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodes.h"
#include "utils/expandeddatum.h"

#include "pg/compat.h"

/* Stored in flat states that may cross versions of the extension: never reused. */
typedef enum StateKindId
{
	STATE_INVALID = 0,
	STATE_FIT = 1,				/* ml_fit, ml_train (fitstate.c) */
	STATE_CLASSIFICATION = 2,	/* confusion counts (metric_labels.c) */
	STATE_SCORES = 3,			/* sorted scores with labels, for roc_auc (metric_scores.c) */
	STATE_REGRESSION = 4,		/* sums for mae, rmse, r2 (metric_errors.c) */
	STATE_LOSS = 5,				/* one mean loss (metric_losses.c) */
	STATE_CALIBRATION = 6,		/* bins of probabilities (metric_calibration.c) */
	STATE_RANKING = 7,			/* the rows of one query (metric_ranking.c) */
	STATE_POINTS = 8			/* points in clusters (metric_clusters.c) */
} StateKindId;

typedef struct StateKind
{
	StateKindId id;
	const char *name;

	/* The flat bytes a state needs, and writing them. */
	Size		(*flat_size) (void *state);
	void		(*flatten) (void *state, char *bytes, Size size);

	/* A new state in memory from flat bytes; errors (ERRCODE_DATA_CORRUPTED) on wrong ones. */
	void	   *(*unflatten) (const char *bytes, Size size, MemoryContext memory);
} StateKind;

/* The expanded object. */
typedef struct ExpandedState
{
	ExpandedObjectHeader hdr;
	int			magic;
	const StateKind *kind;
	void	   *state;			/* the kind's own, in hdr.eoh_context */
} ExpandedState;

/* A new expanded state (read-write datum through state_datum) whose memory is a child of parent. */
extern ExpandedState *state_create(const StateKind *kind, MemoryContext parent);

/*
 * The expanded read-write state of an ml_state argument: as it is, or unflattened into the aggregate's
 * memory.  Errors when it is of another kind.
 */
extern ExpandedState *state_get(Datum datum, const StateKind *kind, MemoryContext parent);

/* In an ExpandedState; nothing else of ours begins so. */
#define STATE_MAGIC 0x6d6c7374

/*
 * The state in argument 0 of a transition function, when an aggregate passes it in its expanded form as it does for
 * all rows but the first; else NULL, which state_aggregate_memory and state_get deal with.
 */
static inline ExpandedState *
state_of_row(FunctionCallInfo fcinfo, const StateKind *kind)
{
	Datum		datum = fcinfo->args[0].value;
	ExpandedState *state;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, AggState) || fcinfo->args[0].isnull ||
		!VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(datum)))
		return NULL;
	state = (ExpandedState *) DatumGetEOHP(datum);
	return state->magic == STATE_MAGIC && state->kind == kind ? state : NULL;
}

static inline Datum
state_datum(ExpandedState *state)
{
	return EOHPGetRWDatum(&state->hdr);
}

/* The aggregate's memory context; an error outside an aggregate. */
extern MemoryContext state_aggregate_memory(FunctionCallInfo fcinfo);

extern const StateKind fit_state_kind;
extern const StateKind classification_state_kind;
extern const StateKind scores_state_kind;
extern const StateKind regression_state_kind;
extern const StateKind loss_state_kind;
extern const StateKind calibration_state_kind;
extern const StateKind ranking_state_kind;
extern const StateKind points_state_kind;

#endif
