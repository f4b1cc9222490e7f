/*
 * What the files of the preparation share.
 */
#ifndef ML_PREP_INTERNAL_H
#define ML_PREP_INTERNAL_H

#include "prep/prepare.h"

/* Why a feature is left out that preprocess drops. */
#define PREP_ASKED "as asked for"

/* The levels of one category feature: kept strings, then NULL, then "(other)". */
typedef struct Levels
{
	MlDictionary *kept;			/* code = level */
	int			nlevels;		/* kept + null + other */
	int			null_level;		/* -1 = NULL has no level of its own */
	int			other_level;	/* -1 = no training row was rare */
	int			reference;		/* the level without a column, -1 = no levels at all */
	int			unseen;			/* where a rare or unseen string goes; native: -1 = it is missing */
	int			null_target;	/* where NULL goes; the same */
	int			filled;			/* the level that a step gives NULL, -1 = none does */
	int			buckets;		/* a string's level is its hash modulo this; 0 = it is looked up */
} Levels;

/* One operation on a row that comes alone: for a column, or for neighbours that are levels of one category. */
typedef struct RowOp
{
	MlPreparedKind kind;
	int			slot;
	int			column;			/* the first one */
	int			columns;		/* how many, 1 but for LEVEL */
	int			at_null;		/* LEVEL: the one that is 1 for NULL, counted from the first; -1 = none */
	int			first_level;	/* LEVEL: of the first column */
	int			nlevels;		/* LEVEL: up to that of the last */
	int32_t    *of_level;		/* LEVEL: [nlevels] the one that is 1 for a level; -1 = none */
} RowOp;

struct MlPrep
{
	MlPrepOptions options;
	const MlFeature *features;
	int			nfeatures;
	int			slots;
	int			ncolumns;
	int			capacity;		/* of columns */
	MlPreparedColumn *columns;
	double	   *centers;
	double	   *scales;
	double	   *inverses;		/* 1 / scale */
	int		   *column_levels;	/* of native categories, else 0 */
	RowOp	   *ops;
	int			nops;
	Levels	   *levels;			/* [nfeatures], used for categories */
	const MlTextFit **texts;		/* [nfeatures], NULL for what is no text */
	bool		stepped;		/* was preprocess asked for steps? */
	MlTerm	   *terms;			/* of steps; NULL = none */
	int			nterms;
	int			term_capacity;
	const MlFill **fills;		/* forward fills of the terms */
	int			nfills;
	bool		by_target;		/* does a term know the target of the training rows? */
	bool	   *refuses_null;	/* [nfeatures]; NULL = none does */
	int			ndropped;
	const char **dropped_names;
	const char **dropped_reasons;
};

/* Does a column speak of levels, so that a term may fill its slot but not change it? */
static inline bool
prep_is_level(MlPreparedKind kind)
{
	return kind == ML_PREPARED_LEVEL || kind == ML_PREPARED_CATEGORY;
}

/* One without columns, with room for so many. */
extern MlPrep *prep_create(MlContext *ctx, const MlFeature *features, int nfeatures, size_t capacity);

/*
 * Where rare, unseen and NULL go, given the levels there are;
 * what goes to none is as the reference in columns of 0 and 1.
 */
extern void prep_resolve_targets(Levels *levels);

/* The name a slot's column has: the feature's, with the element of a vector (from 1, as in SQL). */
extern const char *prep_slot_name(MlContext *ctx, const MlFeature *feature, int slot);

extern MlPreparedColumn *prep_add_column(MlContext *ctx, MlPrep *prep, MlPreparedKind kind, int feature, int slot);
extern void prep_drop_feature(MlPrep *prep, int feature, const char *reason);

/* Name every column from what it is, and lay out centers and scales. */
extern void prep_seal(MlContext *ctx, MlPrep *prep);

/* Raise where a feature that must not be NULL is, in so many of rows, and remember that it must not. */
extern void prep_refuse_nulls(MlContext *ctx, MlPrep *prep, int f, double nulls, double rows);

/* Raise where the values of a feature are beyond what can be learned from. */
extern void prep_check_range(MlContext *ctx, const char *name, const MlMoments *m);

/* Center and scale of a column that the learner wants standardised. */
extern void prep_standardize(MlPreparedColumn *column, const MlMoments *m);

/* Columns of one CATEGORY feature whose levels these options choose. */
extern void prep_fit_categories(MlContext *ctx, MlPrep *prep, const MlPrepOptions *options, int f,
								const MlDictionary *dictionary,
								const double *counts, double nulls);

/* ---- steps_text.c ---- */

/* Columns of one TEXT feature. */
extern void prep_fit_text(MlContext *ctx, MlPrep *prep, int f, const MlMoments *moments);

/* ---- steps_fit.c ---- */

typedef struct StepFit StepFit;

extern StepFit *step_fit_begin(MlContext *ctx, MlPrep *prep, const MlPrepTraining *training,
							   MlDictionary *const *dictionaries, const double *const *counts, const double *nulls);

/* Fit the steps of one feature; false where there are none. */
extern bool step_fit_feature(StepFit *fit, int f);

/* What comes after the columns: interactions, and the choice among all. */
extern void step_fit_finish(StepFit *fit);

/* ---- power.c ---- */

/* The lambda that makes n values, ascending, most like normal ones. */
extern double power_lambda(MlContext *ctx, MlStepKind kind, const double *values, size_t n);

#endif
