/*
 * Preparation: raw features -> prepared columns, fitted on the training part only,
 * kept inside the model, applied by the same code at training and at prediction.
 *
 * A raw row is an array of slots: one number for a NUMBER, `width` for a VECTOR, for a CATEGORY the index of its
 * level (ml_prep_encode), and for a TEXT the weight of each term that is kept (text.h).  NaN in a slot means NULL.
 * Prepared columns, feature by feature:
 *   NUMBER, VECTOR element: the value, NULL imputed by the mean, (value - center) / scale;
 *       then an indicator 1/0 when NULLs were seen in training; a constant value is dropped,
 *       an all-NULL feature too;
 *   CATEGORY: one 0/1 column a level kept, but for the most frequent (the reference level); NULL is
 *       a level of its own when seen often enough; rare and unseen ones share the level
 *       "(other)".  When no training row was rare, "(other)" has no column, and such a row scores
 *       like the reference level.
 *   TEXT: the weight of each term that varies, as it is; NULL has none of the terms, and an indicator where wanted.
 * Native, for algorithms that take what there is: one column a slot, NaN = missing;
 *   NUMBER, VECTOR element: the value as it is; dropped when it is constant and never NULL, or always NULL;
 *   CATEGORY: the index of its level, by the rules above; without a level "(other)" a rare or unseen one
 *       is missing, and so is NULL without a level of its own.
 * A column whose preprocess asks for steps (options.h) is made of terms (steps.h) instead of slots: a term's value
 * becomes a column as a slot's does.  Steps look at single rows only, so one row gives the same bits as many.
 */
#ifndef ML_PREPARE_H
#define ML_PREPARE_H

#include "base/columns.h"
#include "base/moments.h"
#include "base/document.h"
#include "prep/options.h"
#include "prep/steps.h"
#include "prep/text.h"

typedef struct MlFeature
{
	const char *name;
	MlKind		kind;
	const char *type;			/* the host's name of its type */
	int			width;			/* slots */
	int			slot;			/* first slot */
} MlFeature;

typedef enum MlPreparedKind
{
	ML_PREPARED_VALUE = 1,		/* stored, never reused */
	ML_PREPARED_INDICATOR = 2,
	ML_PREPARED_LEVEL = 3,
	ML_PREPARED_NUMBER = 4,		/* native: NaN = missing */
	ML_PREPARED_CATEGORY = 5	/* native: the index of the level, NaN = missing */
} MlPreparedKind;

typedef struct MlPreparedColumn
{
	MlPreparedKind kind;
	int			feature;
	int			slot;
	int			level;			/* LEVEL: index in the feature's levels */
	int			term;			/* VALUE, NUMBER: the term that it is, and slot its first; -1 = the slot itself */
	double		impute;			/* VALUE: what NULL becomes (before scaling) */
	double		center;
	double		scale;			/* never 0 */
	double		mean;			/* of the training rows, before center and scale; native: 0 */
	const char *name;			/* "age", "age is null", "plan=basic", "plan=(other)", "v[3]" */
} MlPreparedColumn;

typedef struct MlPrep MlPrep;	/* fitted */

/*
 * Fit: moments has one entry a slot (numbers only are read; weights play no part in it); for category features
 * dictionaries[f] and level_counts[f][code] (training rows of each string), null_counts[f].
 */
extern MlPrep *ml_prep_fit(MlContext *ctx, const MlPrepOptions *options,
						   const MlFeature *features, int nfeatures,
						   const MlMoments *moments, MlDictionary *const *dictionaries,
						   const double *const *level_counts, const double *null_counts);

/* What steps see of the training rows. */
typedef struct MlPrepTraining
{
	size_t		n;

	/* The values of n rows from begin on (n <= ML_TERM_ROWS); of a category the codes of its dictionary. */
	void		(*read) (const void *arg, int feature, int slot, size_t begin, size_t n, double *out);
	const void *arg;
	const double *target;		/* [n]: the number, or the class; NULL = none */
	int			classes;		/* 0 where the target is a number */
	const char *const *labels;	/* [classes] */
	const uint8_t *folds;		/* [n]: below ML_TERM_FOLDS; needed where options say by_target */
	const uint32_t *rows;		/* [n]: their numbers, as those who apply the preparation to them know them */

	/* The n values of a column, feature or not, that orders the rows; false where there is none of numbers. */
	bool		(*order) (const void *arg, const char *column, size_t n, double *out);
	const MlTextFit *const *texts; /* [features] of those that are texts; NULL = none is */
} MlPrepTraining;

/* The same with the steps that options ask for. */
extern MlPrep *ml_prep_fit_steps(MlContext *ctx, const MlPrepOptions *options, const MlFeature *features, int nfeatures,
								 const MlMoments *moments, MlDictionary *const *dictionaries,
								 const double *const *level_counts, const double *null_counts,
								 const MlPrepTraining *training);

/* Is any column made by steps, from several features, or from the target of the training rows? */
extern bool ml_prep_has_steps(const MlPrep *prep);
extern bool ml_prep_has_interactions(const MlPrep *prep);
extern bool ml_prep_knows_target(const MlPrep *prep);

/* Is a category known by the hash of its string alone? */
extern bool ml_prep_is_hashed(const MlPrep *prep, int feature);

/* Must a feature not be NULL, at prediction either?  And let it be so. */
extern bool ml_prep_refuses_null(const MlPrep *prep, int feature);
extern void ml_prep_refuse_null(MlContext *ctx, MlPrep *prep, int feature);

/* Are missing values filled forward, training rows otherwise than others? */
extern bool ml_prep_fills_forward(const MlPrep *prep);

/* What a prepared column is of a row that is NULL throughout. */
extern double ml_prep_of_null(const MlPrep *prep, int column);

/* The terms of a feature that is a text, NULL for others. */
extern const MlTextFit *ml_prep_text(const MlPrep *prep, int feature);

/* Is a prepared column made of this slot? */
extern bool ml_prep_reads(const MlPrep *prep, int column, int slot);

/* The term that a prepared column is, NULL = a slot. */
extern const MlTerm *ml_prep_term(const MlPrep *prep, int column);

/* The number that a prepared one came from; false where the column keeps too little to tell. */
extern bool ml_prep_invert(const MlPrep *prep, int column, double x, double *number);

/* One without a column, that knows the strings of categories (level = code in dictionaries) and the terms of texts. */
extern MlPrep *ml_prep_plain(MlContext *ctx, const MlFeature *features, int nfeatures,
							 MlDictionary *const *dictionaries,
							 const MlTextFit *const *texts);

extern int	ml_prep_slots(const MlPrep *prep);
extern int	ml_prep_columns(const MlPrep *prep);
extern const MlPreparedColumn *ml_prep_column(const MlPrep *prep, int column);
extern const double *ml_prep_centers(const MlPrep *prep);
extern const double *ml_prep_scales(const MlPrep *prep);

/* [columns]: how many levels a native category has, 0 for all other columns. */
extern const int *ml_prep_levels(const MlPrep *prep);

/* The name of a level of a prepared native category. */
extern const char *ml_prep_level_name(const MlPrep *prep, int column, int level);

/* The levels of a prepared native category that are strings; what comes after them are NULL and "(other)". */
extern int	ml_prep_string_levels(const MlPrep *prep, int column);

/* What a prepared native category has for a string that training did not see; NaN = missing. */
extern double ml_prep_unseen(const MlPrep *prep, int column);

/* How many levels a category feature has, those for NULL and "(other)" included, and the name of each. */
extern int	ml_prep_feature_levels(const MlPrep *prep, int feature);
extern const char *ml_prep_feature_level_name(const MlPrep *prep, int feature, int level);

/* Does NULL have a level of its own in a category feature? */
extern bool ml_prep_feature_has_null(const MlPrep *prep, int feature);

/* The levels of a category feature that are strings, code = level. */
extern const MlDictionary *ml_prep_feature_strings(const MlPrep *prep, int feature);

/* The slot value of a string that is none of them. */
extern double ml_prep_feature_unseen(const MlPrep *prep, int feature);

/* Features that give no column, with the reason ("constant", "all NULL"); returns the count. */
extern int	ml_prep_dropped(const MlPrep *prep, const char *const **names, const char *const **reasons);

/* Warn of features that were left out; raise when no column is left. */
extern void ml_prep_report_dropped(MlContext *ctx, const MlPrep *prep);

/* The slot value of a category: its level, "(other)" when rare or unseen. */
extern double ml_prep_encode(const MlPrep *prep, int feature, const char *bytes, size_t length);

/*
 * n raw rows -> n prepared rows; both column-major.  raw[s * ldraw + i], x[j * ldx + i].
 * No allocation, any thread; row by row the same bits whatever n.
 */
extern void ml_prep_apply(const MlPrep *prep, const double *raw, size_t ldraw, size_t n,
						  double *x, size_t ldx);

/* The same for one prepared column, of rows that are read slot by slot; n <= ML_TERM_ROWS. */
extern void ml_prep_apply_block(const MlPrep *prep, int column, const MlRawBlock *block, size_t n, double *x);

/* The same for one prepared column that is a slot. */
extern void ml_prep_apply_column(const MlPrep *prep, int column, const double *raw_slot, size_t n, double *x);

/* Write into / read from an open object; reading checks everything and raises ML_ERROR_CORRUPTED. */
extern void ml_prep_write(MlContext *ctx, MlWriter *w, const MlPrep *prep);
extern MlPrep *ml_prep_read(MlContext *ctx, const MlNode *object, const MlFeature *features, int nfeatures);

#endif
