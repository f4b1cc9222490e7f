/*
 * What preprocess may say:
 *
 *     {"scale", "missing_indicator", "max_categories", "min_frequency"     for all columns
 *      "number": {STEPS}, "category": {STEPS}                              for all columns of a kind
 *      "columns": {"name": {STEPS}, ...}                                   for one column, over those above
 *      "drop": [names], "keep": [names]
 *      "interactions": [[names], ...]
 *      "polynomial": {"degree", "columns", "interaction_only"}
 *      "select": {"variance", "correlation", "mutual_information"}}
 *
 * or {"transform": "name"} alone: a preparation that is fitted already, which the host finds.
 *
 * What STEPS may hold depends on the column: MlColumnSteps.  A key that does not fit its column is an error.
 */
#ifndef ML_PREP_OPTIONS_H
#define ML_PREP_OPTIONS_H

#include "base/columns.h"
#include "base/text.h"
#include "prep/steps.h"

struct json_object;				/* of json-c: PostgreSQL has a function of this name */

typedef enum MlScaling
{
	ML_SCALE_AUTO,				/* as the learner wants it */
	ML_SCALE_STANDARD,
	ML_SCALE_MINMAX,
	ML_SCALE_ROBUST,
	ML_SCALE_MAXABS,
	ML_SCALE_NONE
} MlScaling;

typedef enum MlImputing
{
	ML_IMPUTE_AUTO,				/* the mean, last; a category's NULL is a level */
	ML_IMPUTE_MEAN,
	ML_IMPUTE_MEDIAN,
	ML_IMPUTE_MODE,
	ML_IMPUTE_ZERO,
	ML_IMPUTE_MIN,
	ML_IMPUTE_MAX,
	ML_IMPUTE_CONSTANT,
	ML_IMPUTE_FORWARD,			/* the last known value before it (steps_fill.c) */
	ML_IMPUTE_ERROR
} MlImputing;

typedef enum MlTransform
{
	ML_TRANSFORM_NONE,
	ML_TRANSFORM_LOG1P,
	ML_TRANSFORM_BOX_COX,
	ML_TRANSFORM_YEO_JOHNSON
} MlTransform;

typedef enum MlEncoding
{
	ML_ENCODE_ONE_HOT,
	ML_ENCODE_ORDINAL,
	ML_ENCODE_LABEL,
	ML_ENCODE_TARGET,
	ML_ENCODE_FREQUENCY,
	ML_ENCODE_HASH
} MlEncoding;

#define ML_PREP_SMALL 20		/* rows, fewer of which make a level small */

/* The steps of one column: those of its kind, and its own over them. */
typedef struct MlColumnSteps
{
	bool		any;			/* is there a key at all? */
	bool		drop;
	const char *name;			/* NULL = its own */
	MlImputing	impute;
	double		fill;			/* CONSTANT of a number */
	const char *fill_text;		/* of a category */
	const char *order_by;		/* FORWARD: the column that orders the rows */
	const char *group_by;		/* FORWARD: the feature whose values are filled apart; NULL = none */
	int			indicator;		/* 0, 1; -1 = as for all columns */
	bool		clip_quantiles;
	bool		clip_values;
	double		low;
	double		high;
	MlTransform transform;
	bool		has_lambda;
	double		lambda;
	int			bins;			/* 0 = none */
	bool		uniform;		/* equally wide, else equally full */
	double	   *edges;			/* NULL = by the above */
	bool		one_hot_bins;
	MlScaling	scale;
	MlDatePart *parts;
	int			nparts;
	bool		cyclic;
	double		since;
	MlEncoding	encode;
	const char **order;
	int			norder;
	bool		has_unseen;
	double		unseen;
	double		smoothing;
	int			buckets;
	MlTextOptions *text;		/* NULL = it is not read as text */
	int			max_categories; /* 0 = as for all columns */
	double		min_frequency;	/* -1 = as for all columns */
} MlColumnSteps;

typedef struct MlPrepOptions
{
	bool		scale;			/* standardise numbers */
	bool		missing_indicator;
	int			max_categories; /* levels kept a column, NULL and "(other)" not counted */
	int			max_small;		/* levels kept before one of fewer than ML_PREP_SMALL rows is; 0 = as many as any */
	double		min_frequency;	/* rarer levels (share of training rows) go to "(other)" */
	bool		native;			/* columns as they are; scale and missing_indicator are false then */
	MlScaling	scaling;		/* of numbers without a "scale" of their own: AUTO, or one that "scale" is not */
	struct json_object *steps;			/* preprocess where it asks for steps, NULL = it does not */
	bool		fitted;			/* is it a transform that is fitted already? */
	bool		by_target;		/* does a step learn from the target? */
} MlPrepOptions;

/* All products of columns up to a degree. */
typedef struct MlPolynomial
{
	int			degree;
	const char **columns;		/* NULL = all numbers */
	int			ncolumns;
	bool		interaction_only;	/* no column twice in a product */
} MlPolynomial;

extern void ml_prep_polynomial(MlContext *ctx, struct json_object *object, MlPolynomial *polynomial);

/* Which columns are left in the end. */
typedef struct MlSelection
{
	double		variance;		/* no more than that is too little; -1 = all are enough */
	double		correlation;	/* with a column before it: more than that is too much; 2 = none is */
	int			mutual_information; /* so many columns that tell most of the target; 0 = all */
} MlSelection;

extern void ml_prep_selection(MlContext *ctx, struct json_object *object, MlSelection *selection);

/* Does preprocess (JSON or NULL) ask for more than the preparation that every column gets? */
extern bool ml_prep_wants_steps(MlContext *ctx, const char *json);

/* The transform that preprocess (JSON or NULL) names; NULL = none. */
extern const char *ml_prep_transform_name(MlContext *ctx, const char *json);

/* The columns that order rows for steps of preprocess (JSON or NULL), each once. */
extern const char **ml_prep_orders(MlContext *ctx, const char *json, int *count);

/*
 * Read preprocess over options, which hold the defaults; automatic: what the learner wants of scaling.  Checks all
 * that can be checked without the columns.
 */
extern void ml_prep_options_read(MlContext *ctx, const char *json, const char *algorithm, bool automatic,
								 MlPrepOptions *options);

/* The steps of a column; raises where one does not fit it. */
extern void ml_column_steps(MlContext *ctx, const MlPrepOptions *options, const char *column, MlKind kind,
							const char *type, MlColumnSteps *steps);

/* How preprocess (JSON or NULL) wants a column to be read as text; NULL = not at all. */
extern const MlTextOptions *ml_prep_text_options(MlContext *ctx, const char *json, const char *column);

/* The name that columns of a text get by "rename"; NULL = its own. */
extern const char *ml_prep_text_name(MlContext *ctx, const MlPrepOptions *options, const char *column);

/* The names in an array of strings. */
extern const char **ml_prep_names(MlContext *ctx, const char *key, struct json_object *value, int *count);

/* A number within bounds. */
extern double ml_prep_number(MlContext *ctx, const char *key, struct json_object *value, double low, double high);

/* true or false. */
extern bool ml_prep_flag(MlContext *ctx, const char *key, struct json_object *value);

#endif
