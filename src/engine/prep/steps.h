/*
 * Steps that a user asks for: what stands between the slots of a raw row and a prepared column.
 *
 * A term is a number that comes from a row: the product of its factors (one but for interactions), each of which is
 * a slot that goes through a chain of steps.  The order of a chain is fixed:
 *
 *     impute -> clip -> transform -> bin -> scale      of a number
 *     impute -> encode -> scale                        of a category, whose slot is the code of its string
 *     date -> sine or cosine                           of a date or time
 *
 * NaN is a missing value and goes through all but impute, forward fill and encode.  A value that a step does not take
 * (the logarithm of a negative number) is missing from there on: at prediction, since training refuses it.
 *
 * Terms are fitted by steps_fit.c on the training rows, and read and written here with everything checked.
 */
#ifndef ML_STEPS_H
#define ML_STEPS_H

#include "base/document.h"

/* Terms are computed in blocks of at most this many rows. */
#define ML_TERM_ROWS 256

/* Into so many parts are training rows divided for encodings by the target. */
#define ML_TERM_FOLDS 5

typedef enum MlStepKind
{
	ML_STEP_IMPUTE,				/* NaN -> a */
	ML_STEP_CLIP,				/* to a .. b */
	ML_STEP_LOG1P,
	ML_STEP_BOX_COX,			/* a: lambda */
	ML_STEP_YEO_JOHNSON,		/* a: lambda */
	ML_STEP_BIN,				/* how many of values, ascending, are not above it */
	ML_STEP_SCALE,				/* (x - a) / b */
	ML_STEP_ENCODE,				/* values[code]; a: of a string that training did not see, b: of NULL */
	ML_STEP_EQUALS,				/* 1 where it is a, else 0; NULL is 0 */
	ML_STEP_DATE,				/* a: MlDatePart, b: since, in seconds of 1970 */
	ML_STEP_SINE,				/* of a turn: (x - a) / b */
	ML_STEP_COSINE,
	ML_STEP_FORWARD,			/* NaN -> what fill says; a: its number among those of the preparation */
	ML_STEP_KINDS
} MlStepKind;

/* Stored, never reused. */
typedef enum MlDatePart
{
	ML_DATE_YEAR = 1,
	ML_DATE_QUARTER = 2,
	ML_DATE_MONTH = 3,
	ML_DATE_WEEK = 4,			/* ISO 8601 */
	ML_DATE_DAY = 5,
	ML_DATE_DAY_OF_WEEK = 6,	/* 1 = Monday */
	ML_DATE_DAY_OF_YEAR = 7,
	ML_DATE_HOUR = 8,
	ML_DATE_MINUTE = 9,
	ML_DATE_ELAPSED = 10,		/* days, with their fraction */
	ML_DATE_LAST = ML_DATE_ELAPSED
} MlDatePart;

/* A training row whose value was missing, and what it became. */
typedef struct MlFilled
{
	uint32_t	row;			/* its number in the table */
	double		value;
} MlFilled;

/*
 * What a forward fill makes of missing values: of a row that knows no neighbours the last value that the training rows
 * had, that of its group where one is known; of a training row the last one before it.
 */
typedef struct MlFill
{
	const char *order_by;		/* the column that orders the rows */
	const char *group_by;		/* the feature whose values are filled apart; "" = none */
	const char *last_text;		/* of a category, for readers; NULL = a number */
	int			slot;			/* of the groups, -1 = none */
	double		last;			/* of all rows */
	double		of_null;		/* of the rows without a group; NaN = none is known */
	const double *groups;		/* [count] values of the slot, ascending */
	const double *values;		/* [count] the last one of each */
	size_t		count;
	const MlFilled *filled;		/* [nfilled] by row; in training */
	size_t		nfilled;
} MlFill;

typedef struct MlStep
{
	MlStepKind	kind;
	double		a;
	double		b;
	const double *values;
	size_t		count;
	const double *by_fold;		/* ENCODE by the target, in training: [ML_TERM_FOLDS][count, unseen, NULL] */
	const MlFill *fill;			/* FORWARD */
} MlStep;

typedef struct MlFactorOf
{
	int			slot;
	int			count;
	MlStep	   *steps;
} MlFactorOf;

typedef struct MlTerm
{
	const char *name;
	int			count;
	MlFactorOf *factors;		/* at least one */
} MlTerm;

#define ML_TERM_MAX_FACTORS 8
#define ML_TERM_MAX_STEPS 16
#define ML_MAX_TERMS 65536

/* Where a block of raw rows is. */
typedef struct MlRawBlock MlRawBlock;

struct MlRawBlock
{
	/* The n values of a slot: where they are, or buffer, filled with them. */
	const double *(*slot) (const MlRawBlock *block, int slot, size_t n, double *buffer);
	const uint8_t *folds;		/* [n]: rows of a training, each of one part; NULL = other rows */
	const uint32_t *rows;		/* [n]: the same, their numbers in the table; NULL = other rows */
};

/* One step in place, but FORWARD, which looks at other slots too; n <= ML_TERM_ROWS where folds are given. */
extern void ml_step_apply(const MlStep *step, double *x, size_t n, const uint8_t *folds);

/* n <= ML_TERM_ROWS values of a term. No allocation, any thread; row by row the same bits whatever n. */
extern void ml_term_apply(const MlTerm *term, const MlRawBlock *block, size_t n, double *x);

/* Does a kind of step keep enough to go back, and the number that one came from. */
extern bool ml_step_inverts(MlStepKind kind);
extern double ml_step_invert(const MlStep *step, double x);

/* A part of a date given in seconds of 1970; NaN for what has none. */
extern double ml_date_part(double seconds, MlDatePart part, double since);
extern const char *ml_date_part_name(MlDatePart part);	/* NULL = there is none */

/* Does a term fill forward in the groups of a slot? */
extern bool ml_term_fills_by(const MlTerm *term, int slot);

/* Terms <-> an open object, and the forward fills that they share; reading raises ML_ERROR_CORRUPTED. */
extern void ml_terms_write(MlWriter *w, const MlTerm *terms, int count);
extern MlTerm *ml_terms_read(MlContext *ctx, const MlNode *list, int slots, const MlFill *const *fills, int nfills,
							 int *count);
extern void ml_fills_write(MlWriter *w, const MlFill *const *fills, int count);
extern const MlFill **ml_fills_read(MlContext *ctx, const MlNode *list, int slots, int *count);

/* For readers (ml_describe): the steps of a term into an open object. */
extern void ml_term_describe(MlWriter *w, const MlTerm *term);

#endif
