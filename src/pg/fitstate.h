/*
 * The state of ml_fit and of ml_train's one pass: rows of numbers on their way to a model.
 *
 * A learner that needs one pass keeps its reduced state (model/one_pass.h); any other keeps the rows as
 * columns.  The flat form is a document (base/document.h), so it is checked like one.
 */
#ifndef MLAAS_FITSTATE_H
#define MLAAS_FITSTATE_H

#include "postgres.h"

#include "model/one_pass.h"
#include "model/pipeline.h"
#include "pg/state.h"

typedef struct FitState
{
	MlContext  *ctx;
	const MlAlgorithm *algorithm;	/* NULL: one pass, the algorithm is told at the end */
	char	   *algorithm_name; /* as given */
	char	   *params;			/* JSON as given */
	bool		text_target;
	int			features;
	MlOnePass  *one_pass;		/* or else: */
	MlColumn  **columns;		/* [features] */
	MlColumn   *target;
	struct varlena *given_params;	/* the jsonb datum params came from */
} FitState;

/*
 * A new state for rows of this many features in the memory of an expanded state.  algorithm NULL: a
 * one-pass state for ml_train.
 */
extern FitState *fit_state_create(MemoryContext memory, const char *algorithm, const char *params,
								  bool text_target, int features, bool weighted);

/* Error: an algorithm, parameters, ... that change from row to row are a mistake. */
extern void fit_state_changed(const char *what) pg_attribute_noreturn();

/*
 * Error unless a state is of the kind that a function works on: any role may make an aggregate of our
 * functions, with a state that another of them began.  unfinished: of ml_train's one pass, whose
 * algorithm is told at the end.
 */
extern void fit_state_check(const FitState *state, bool unfinished, bool text_target, bool weighted);

/* Add the rows of other to state; other's columns may be sealed by it. */
extern void fit_state_merge(FitState *state, FitState *other);

/* The FitState behind an ml_state datum; memory is where a flat one is unflattened. */
extern FitState *fit_state_get(Datum datum, MemoryContext memory);

#endif
