/*
 * What an algorithm is: one row of one table (registry.c).  Validation, documentation,
 * ml_algorithms(), ml_params() and REST's schema are all read from that row.
 */
#ifndef ML_LEARNER_H
#define ML_LEARNER_H

#include "base/context.h"
#include "base/document.h"

/* Tasks are bits, so that a learner can name several; stored, never reused. */
typedef enum MlTaskKind
{
	ML_TASK_REGRESSION = 1,
	ML_TASK_BINARY = 2,
	ML_TASK_MULTICLASS = 4,
	ML_TASK_RANKING = 8,		/* scores that order the rows of a group by their target, a relevance */
	ML_TASK_ANOMALY = 16		/* how unusual a row is; there is no target */
} MlTaskKind;

#define ML_TASK_CLASSIFICATION (ML_TASK_BINARY | ML_TASK_MULTICLASS)

/* Is it a task whose result is one number a row, without classes? */
static inline bool
ml_task_is_number(MlTaskKind task)
{
	return (task & ML_TASK_CLASSIFICATION) == 0;
}

/* ---- hyperparameters ---- */

typedef enum MlParamType
{
	ML_PARAM_REAL,				/* double */
	ML_PARAM_INT,				/* int64_t */
	ML_PARAM_BOOL,				/* bool */
	ML_PARAM_ENUM,				/* int: index into choices */
	ML_PARAM_JSON,				/* const char *: JSON text without needless space, NULL = null, the default */
	ML_PARAM_COLUMN				/* const char *: a column of the source, NULL = none; see MlColumnRole */
} MlParamType;

/* What the column of a parameter is to a learner; it is no feature then. */
typedef enum MlColumnRole
{
	ML_ROLE_NONE,
	ML_ROLE_GROUP,				/* MlDesign.group */
	ML_ROLE_START				/* MlDesign.start */
} MlColumnRole;

/* One hyperparameter, declared once. */
typedef struct MlParam
{
	const char *name;			/* scikit-learn's name */
	MlParamType type;
	size_t		offset;			/* of the field in the learner's parameter struct */
	double		default_value;	/* ENUM: index, BOOL: 0 or 1 */
	double		min;			/* inclusive unless min_exclusive */
	double		max;			/* inclusive */
	bool		min_exclusive;
	const char *const *choices; /* ENUM: NULL-terminated */
	MlColumnRole role;			/* COLUMN */
	const char *help;			/* one sentence: meaning and unit */
} MlParam;

/* ---- training data as a learner sees it ---- */

/* Learners read prepared rows in blocks of at most this many rows. */
#define ML_BLOCK_ROWS 256

typedef struct MlDesign MlDesign;

/* Prepared training rows. Rows and columns count from 0. */
struct MlDesign
{
	size_t		rows;
	int			columns;		/* p */
	const double *target;		/* [rows]: the number, or the class 0 .. classes - 1; NULL for anomalies */
	const double *weight;		/* [rows], positive or zero; NULL = all one */
	MlTaskKind	task;			/* just one bit */
	int			classes;		/* 0 for regression */
	const double *center;		/* [p]: prepared = (given - center) / scale */
	const double *scale;		/* [p] */
	const int  *levels;			/* [p]: levels of a category that comes as it is, 0 for a number; NULL = all numbers */
	const char *const *features;	/* [p] the feature that a column came from; NULL = not known */
	const char *const *class_labels;	/* [classes]; NULL = not known */
	const uint64_t *hash;		/* [rows]: of a row's content, whatever its place; NULL = not known */
	const uint32_t *group;		/* [rows]: rows of one group lie together and bear one number, ascending; NULL = none */
	const double *start;		/* [rows]: score that a row begins with; NULL = none */
	const MlDesign *held_out;	/* rows that early stopping may look at; NULL or without rows = none */
	const struct MlBinSample *sample;	/* the values that bins are made from; NULL = whoever bins chooses */
	const struct MlBins *bins;	/* the rows binned already, in the order of the design; NULL = they are not */

	/*
	 * Write rows begin .. begin + n - 1 (n <= ML_BLOCK_ROWS) into x, column-major
	 * with leading dimension ldx >= n.  Any thread may call it.  All values are finite; but for an algorithm
	 * of native_inputs NaN is a missing value, and a category is the index of its level.
	 */
	void		(*read) (const MlDesign *design, size_t begin, size_t n, double *x, size_t ldx);
	const void *source;			/* of the reader */
};

/*
 * Rows reduced to the triangular factor of [1, x_1 .. x_p, y], each row times the square root of its
 * weight: all that a one-pass learner needs of them.
 */
typedef struct MlFactor
{
	int			columns;		/* p */
	long double *r;				/* (p + 2) x (p + 2), upper, column-major */
	double		rows;			/* rows of positive weight */
	double		log_weights;	/* sum of the logarithms of their weights */
} MlFactor;

/* ---- a learner ---- */

/* One row of ml_coefficients on the scale of the columns as given; NaN = NULL in SQL. */
typedef struct MlCoefficient
{
	int			klass;			/* class index, -1 where there is none to name */
	int			column;			/* prepared column, -1 = the intercept */
	double		estimate;
	double		std_error;
	double		statistic;
	double		p_value;
	double		ci_low;			/* 95 % */
	double		ci_high;
} MlCoefficient;

/* What a loaded model needs to know to score and to explain. */
typedef struct MlShape
{
	int			columns;		/* p */
	MlTaskKind	task;
	int			classes;		/* 0 for regression */
	const double *center;		/* [p] */
	const double *scale;		/* [p] */
	const int  *levels;			/* [p], as in MlDesign */
} MlShape;

typedef struct MlAlgorithm
{
	uint32_t	id;				/* stored, never reused, 0 is invalid */
	const char *name;
	const char *help;			/* one sentence */
	unsigned	tasks;			/* MlTaskKind bits */
	const MlParam *params;		/* ended by name == NULL */
	size_t		params_size;

	/* (optional) Raises where parameters contradict each other. */
	void		(*check_params) (MlContext *ctx, const void *params);

	/* (optional) The tasks that these parameters allow, of those above; NULL = all of them. */
	unsigned	(*tasks_of) (const void *params);

	/* (optional) NULL = never: this fit wants numbers standardised. */
	bool		(*wants_scaling) (const void *params);

	/*
	 * Learn; write the payload's members into payload (an open object).  Numbers that sum up the fit (r2,
	 * aic, iterations ...) go into a member object "statistics", which ml_statistics shows.
	 */
	void		(*fit) (MlContext *ctx, const MlDesign *design, const void *params, MlWriter *payload);

	/*
	 * Check a payload that came from outside against the shape and return what score needs
	 * (context memory; may point into the payload).  Raises ML_ERROR_CORRUPTED.
	 */
	void	   *(*load) (MlContext *ctx, const MlNode *payload, const MlShape *shape);

	/*
	 * Score n prepared rows (x column-major, leading dimension ldx >= n).  Regression: out[i].
	 * Classification: probabilities, out[i + k * ldout] for class k.  No allocation; a row's result
	 * does not depend, to the last bit, on the rows beside it.
	 */
	void		(*score) (const void *loaded, const double *x, size_t ldx, size_t n,
						  double *out, size_t ldout);

	/* (optional) The coefficients, intercept first, class by class; returns how many. */
	size_t		(*coefficients) (MlContext *ctx, const void *loaded, const MlShape *shape,
								 MlCoefficient **out);

	/*
	 * (optional) Fit from the mergeable factor instead of the rows: one pass that keeps no rows.
	 * center and scale [p] say how the prepared columns came from those given.
	 */
	void		(*fit_factor) (MlContext *ctx, const MlFactor *factor, const double *center,
							   const double *scale, const void *params, MlWriter *payload);

	/* (optional) The trees of a loaded model (learn/forest.h). */
	const struct MlEnsemble *(*ensemble) (const void *loaded);

	/*
	 * (optional) Learn on from a loaded model of the same columns and classes: all it has, and more.  What
	 * sizes a fit (n_estimators) says how much more.  Raises where params contradict what the model was
	 * trained with.
	 */
	void		(*resume) (MlContext *ctx, const MlDesign *design, const void *params, const void *loaded,
						   MlWriter *payload);

	/* (optional) Has this loaded model what resume needs? NULL = every model has. */
	bool		(*resumable) (const void *loaded);

	/* resume gives what fit would give for the rows before and these, prepared alike, but for rounding. */
	bool		resumes_exactly;

	/*
	 * (optional) The same trees with the values of leaves learned anew: decay_rate times the old value plus
	 * 1 - decay_rate times that of these rows; a leaf that no row reaches keeps its value.
	 */
	void		(*refit) (MlContext *ctx, const MlDesign *design, const void *params, const void *loaded,
						  double decay_rate, MlWriter *payload);

	/*
	 * (optional) What the trees say of each training row that did not draw it: out as score has it, of so many trees
	 * (0: every tree drew it, and out is not set; -1: it had no weight, so that no tree could).  Raises where that
	 * cannot be known of the model; returns false unless the design has the rows and hashes of the training.
	 */
	bool		(*out_of_bag) (MlContext *ctx, const MlDesign *design, const void *params, const void *loaded,
							   double *out, size_t ldout, int32_t *trees);

	/*
	 * (optional) The quantiles that a loaded regression estimates, ascending, and how many there are (0 =
	 * it estimates no quantile); score gives the one next to the median, score_quantiles all of them,
	 * ascending: out[i + q * ldout].
	 */
	int			(*quantiles) (const void *loaded, const double **levels);
	void		(*score_quantiles) (const void *loaded, const double *x, size_t ldx, size_t n,
									double *out, size_t ldout);

	/* Looks at no feature: a training without a usable one is no error. */
	bool		no_features;

	/* Takes numbers, missing values and categories as they are: one prepared column a slot. */
	bool		native_inputs;
	int			most_levels;	/* of a category that it tells apart then */
	int			usual_categories;	/* that are kept of a feature then, by default */

	/* Made of models (model/composite.h): nothing to learn, so tasks and the functions are left out. */
	bool		composite;

	/* A preparation alone (transform.c): learns and predicts nothing. */
	bool		transforms;
} MlAlgorithm;

/* ---- the table (registry.c) ---- */

extern const MlAlgorithm *const ml_algorithm_table[];	/* ended by NULL, in order of id */
extern size_t ml_algorithm_count(void);
extern const MlAlgorithm *ml_algorithm_by_id(uint32_t id);	/* NULL when unknown */

/* One that learns, by name; raises ML_ERROR_UNDEFINED naming the nearest. */
extern const MlAlgorithm *ml_algorithm_by_name(MlContext *ctx, const char *name);

/* The same for the algorithm of a model, which may be made of models. */
extern const MlAlgorithm *ml_algorithm_of_model(MlContext *ctx, const char *name);

/* The linear model of a task: what 'auto' is where nothing is compared (model/automatic.h). */
extern const MlAlgorithm *ml_algorithm_auto(MlTaskKind task);

/* ---- parameters (params.c) ---- */

/*
 * The learner's parameter struct (params_size bytes) from a JSON object (NULL or "{}": defaults).
 * Unknown keys, wrong types and values out of range raise and say what would be right.
 */
extern void *ml_params_parse(MlContext *ctx, const MlAlgorithm *algorithm, const char *json);

/*
 * The weight of each class from a class_weight parameter: NULL, "balanced" (rows / (classes * rows of the
 * class), by weight) or {"label": weight, ...} (one for those left out).  Raises for anything else.
 */
extern double *ml_class_weights(MlContext *ctx, const char *json, const MlDesign *design);

/* The same design with every row's weight times that of its class (NULL = as it is). */
extern MlDesign *ml_design_weigh(MlContext *ctx, const MlDesign *design, const double *class_weights);

/* The column that a parameter of that role names, NULL = none; role's parameter goes to *param when it is not NULL. */
extern const char *ml_params_column(const MlAlgorithm *algorithm, const void *params, MlColumnRole role,
									const MlParam **param);

/* The tasks that an algorithm has with these parameters. */
extern unsigned ml_params_tasks(const MlAlgorithm *algorithm, const void *params);

/* Write all parameters with their values as members of an open object. */
extern void ml_params_write(MlWriter *w, const MlAlgorithm *algorithm, const void *params);

/* Parameters back from what ml_params_write wrote; raises ML_ERROR_CORRUPTED. */
extern void *ml_params_read(MlContext *ctx, const MlAlgorithm *algorithm, const MlNode *object);

#endif
