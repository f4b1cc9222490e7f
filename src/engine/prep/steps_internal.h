/*
 * What the files that fit steps share: steps_fit.c (rows, numbers, the whole), steps_category.c, steps_cross.c
 * (interactions), steps_select.c (the choice among columns) and steps_fill.c (forward fill).
 */
#ifndef ML_STEPS_INTERNAL_H
#define ML_STEPS_INTERNAL_H

#include "base/json.h"
#include "prep/prep_internal.h"

struct StepFit
{
	MlContext  *ctx;
	MlPrep	   *prep;
	const MlPrepTraining *training;
	MlDictionary *const *dictionaries;
	const double *const *counts;
	const double *nulls;
	int		   *slot_feature;	/* [slots] */
	double	  **code_level;		/* [features] slot value of each dictionary code; NULL = none */
	MlTerm	   *outputs;		/* [features] the number that a feature became; without factors = none or several */
	double	   *values;			/* [n] of the column at hand */
	double	   *sorted;			/* [nsorted] those that are not missing, ascending; NULL = not sorted */
	size_t		nsorted;
	MlFactorOf	chain;			/* its steps so far */
	const char *name;			/* of what the steps so far make */
	struct OpenFill *open;		/* [nfills of the preparation] (steps_fill.c) */
	bool	   *is_group;		/* [features] does a forward fill go by its values? */
	struct Timeline *timeline;	/* the training rows as the last forward fill had them, NULL = none had */
};

/* Begin with a slot: its values, a chain without steps, a name. */
extern void fit_begin_column(StepFit *fit, int f, int slot, const char *name);

/* Add a step to the chain and take the values through it; wrap names what comes out, NULL = as before. */
extern void fit_add_step(StepFit *fit, MlStep step, const char *wrap);

/* The values that are not missing, ascending. */
extern const double *fit_sorted(StepFit *fit);

/* The moments of a value for each training row. */
extern MlMoments fit_moments(const StepFit *fit, const double *values);

/* The term of the chain as it is. */
extern MlTerm fit_chain_term(const StepFit *fit, const char *name);

/* Keep a term; returns its number. */
extern int	fit_keep_term(StepFit *fit, MlTerm term);

/* The column of the values as they are, and what interactions see of it; none where they do not vary. */
extern void fit_add_value(StepFit *fit, int f, MlScaling scaling);

/* Columns of 0 and 1, one for each of n values of the chain but one (-1 = for each), where they vary. */
extern void fit_add_flags(StepFit *fit, int f, int n, int but, const char *const *names);

/* The indicator of a slot that had NULLs, where it is wanted. */
extern void fit_add_indicator(StepFit *fit, int f, int slot, const MlColumnSteps *steps, double nulls);

/* Raise where a column that must not be NULL is. */
extern void fit_refuse_nulls(StepFit *fit, int f, double nulls);

/* Names of preprocess must be features; returns the number of one. */
extern int	fit_need_feature(StepFit *fit, const char *name);

/* The training rows as blocks of slots, for terms and prepared columns. */
typedef struct FitBlock
{
	MlRawBlock	block;			/* MUST BE FIRST */
	const StepFit *fit;
	size_t		begin;
} FitBlock;

extern FitBlock fit_block(const StepFit *fit, size_t begin);

/* ---- steps_fill.c ---- */

/*
 * Fill the missing values of the column at hand forward, those before all others by leading, and add the step; its
 * fill, whose values the caller may yet translate, NULL = no value is known.
 */
extern MlFill *fit_forward(StepFit *fit, int f, const MlColumnSteps *steps, double leading);

/* Find the features whose values are groups of forward fills. */
extern void fit_find_groups(StepFit *fit);

/* Once all features are fitted their strings have levels, which fills by group need. */
extern void fit_close_fills(StepFit *fit);

/* ---- steps_category.c ---- */

extern void fit_category(StepFit *fit, int f, const MlColumnSteps *steps);

/* A category that no column is made of, all of whose strings are known where they are groups. */
extern void fit_no_category(StepFit *fit, int f);

/* ---- steps_cross.c ---- */

/* Products of the columns' numbers, as preprocess asks for them. */
extern void fit_interactions(StepFit *fit);

/* ---- steps_select.c ---- */

/* Leave out columns, as preprocess asks for it. */
extern void fit_select(StepFit *fit);

#endif
