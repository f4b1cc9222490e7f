/*
 * From columns to a model: split, fit the preparation, learn, score the held-out part,
 * write the bytes.  The one path that every training takes.
 */
#ifndef ML_PIPELINE_H
#define ML_PIPELINE_H

#include "base/columns.h"
#include "model/model.h"
#include "score/metrics.h"

typedef enum MlSplitKind
{
	ML_SPLIT_STRATIFIED,		/* by class, or by row where the target is a number */
	ML_SPLIT_RANDOM,
	ML_SPLIT_LAST,				/* the last part in the order of a column */
	ML_SPLIT_COLUMN,			/* rows where a boolean column is true are held out */
	ML_SPLIT_GROUP,				/* whole groups, the values of a column */
	ML_SPLIT_NONE
} MlSplitKind;

typedef struct MlSplit
{
	MlSplitKind kind;
	double		test_size;		/* share, 0 < test_size < 1 */
	uint64_t	seed;
	bool		has_after;		/* LAST: hold out the rows from this value on, whatever their share */
	double		after;
	int			folds;			/* of a cross-validation (folds.h), 0 = one part is held out */
	int			repeats;		/* of it, at least 1 */
	int			fold;			/* the one to train without, 0 <= fold < folds */
	int			repeat;			/* 0 <= repeat < repeats */
} MlSplit;

/* What is done so that classes are learned from more equally (resample.h). */
typedef enum MlSampling
{
	ML_SAMPLING_NONE,
	ML_SAMPLING_UNDER,			/* fewer rows of the larger classes */
	ML_SAMPLING_OVER,			/* rows of the smaller classes several times */
	ML_SAMPLING_SMOTE			/* rows made up for the smaller classes */
} MlSampling;

/* What becomes of a row. */
enum
{
	ML_SIDE_TRAIN = 0,
	ML_SIDE_TEST = 1,
	ML_SIDE_NEITHER = 2
};

/* One fold of a cross-validation: what the model without its rows showed on them. */
typedef struct MlFold
{
	int			repeat;
	int			fold;
	size_t		n_train;
	size_t		n_test;
	MlMetric	metrics[ML_MAX_METRICS];
	int			nmetrics;
	MlMetric	baseline[ML_MAX_METRICS];
	int			nbaseline;
	double	   *scores;			/* [n_test] of the rows held out (conformal.h); NULL = the task has none */
	double	   *actual;			/* [n_test] their targets, where scores are */
	double	   *weights;		/* [n_test] their weights, where scores are; NULL = 1 each */
} MlFold;

typedef struct MlTrainSpec
{
	const MlAlgorithm *algorithm;	/* NULL = 'auto' */
	const char *params;			/* JSON object or NULL */
	const char *preprocess;		/* JSON object or NULL */
	MlSampling	sampling;
	double		sampling_ratio; /* of the rows of a smaller class to those of the largest, 0 < ratio <= 1 */
	const char *decision;		/* JSON object (score/decision.h) or NULL: the most probable class is predicted */
	const char *positive;		/* label of the class of two that is put last; NULL = in order of the labels */
	MlSplit		split;

	/* The columns: features are the table's first nfeatures, the rest by number, -1 = none. */
	int			nfeatures;
	const char *const *feature_types;	/* the host's type names, [nfeatures] */
	int			target;
	MlTargetKind target_kind;	/* ML_TARGET_NONE: there is none */
	bool		target_integer; /* an integer type: two distinct values are classes for 'auto' */
	int			weight;
	/* how rows are held out and by what column they are weighted, for who reads them again; NULL = not known, none */
	const char *validation;
	const char *weight_name;
	int			split_column;	/* the order (LAST), the flag (COLUMN) or the group (GROUP) */
	bool		order_is_moment;	/* LAST: the column is a date or a timestamp */
	/* [nfolds] of a cross-validation that came before: the model's metrics are their means */
	const MlFold *folds;
	int			nfolds;
	int			group;			/* the column of a parameter of role ML_ROLE_GROUP */
	int			start;			/* the same of role ML_ROLE_START */
	const struct MlRetrain *retrain;	/* learn on from a model (model/retrain.h); NULL = a model of its own */
	const MlModel *transform;	/* the one that preprocess names: its features and preparation are taken as they are */
	const char *transform_name; /* what the summary calls it; NULL = none */
	/* what the table's rows were made of, which tells them apart; NULL = they are as they were read */
	const MlTable *content;
} MlTrainSpec;

typedef struct MlTrainResult
{
	void	   *bytes;			/* the model */
	size_t		size;
	const MlAlgorithm *algorithm;
	MlTaskKind	task;
	MlMetric	metrics[ML_MAX_METRICS];	/* on the held-out part, else on the training rows */
	int			nmetrics;
	MlMetric	baseline[ML_MAX_METRICS];	/* the same of the baseline learner */
	int			nbaseline;
	bool		held_out;
	double	   *scores;			/* [nscores] of rows held out (conformal.h); NULL = none */
	double	   *actual;			/* [nscores] their targets */
	double	   *weights;		/* [nscores] their weights; NULL = 1 each */
	size_t		nscores;
	const MlDecision *decision; /* which class the model predicts; NULL = the most probable one */
	size_t		n_train;
	size_t		n_test;
	size_t		n_skipped;		/* rows whose target is NULL */
	/* distinct numbers that were estimated, where they could have been classes; 0 = no doubt */
	int			few_values;
	MlDigest	digest;			/* of all rows read */
	const char *params_json;	/* all parameters, defaults filled in */
	const struct MlAutoChoice *choice;	/* how 'auto' was decided (model/automatic.h); NULL = nothing was compared */
} MlTrainResult;

typedef struct MlStream MlStream;	/* binned.h */

extern void ml_pipeline_train(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec,
							  MlTrainResult *result);

/*
 * A preparation alone, fitted to all rows that have the target, if one is given; nothing of spec->algorithm is looked
 * at.
 */
extern void ml_pipeline_fit_transform(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec,
									  MlTrainResult *result);

/*
 * On which side of the split each row of a table would be in a training (ML_SIDE_...), by row; the digest is that of
 * its rows.
 */
extern uint8_t *ml_pipeline_held_out(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, MlDigest *digest);

/* Warn of features that are too good to be true (leaks.h), as a training on all rows would. */
extern void ml_pipeline_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec);

/* After the first scan of a stream: true when the source is to be read once more. */
extern bool ml_pipeline_plan(MlContext *ctx, MlStream *stream);

/* Train on the table that a stream has filled, once ml_pipeline_plan has asked for no other scan or that is over. */
extern void ml_pipeline_train_stream(MlContext *ctx, MlStream *stream, MlTrainResult *result);

/* What the trees of a model that did not draw a row say of it, for all rows of a table. */
typedef struct MlOutOfBag
{
	size_t		rows;
	double	   *out;			/* [outputs][rows] as ml_model_score gives it; not set where no tree voted */
	int32_t    *trees;			/* [rows] that voted */
	uint8_t    *trained;		/* [rows]: was it a row that trees drew from?  All of them vote for the others. */
} MlOutOfBag;

/*
 * The table has the rows and the spec is that of the training of a model of an algorithm that has out_of_bag; raises
 * where the rows are others.
 */
extern void ml_pipeline_out_of_bag(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlModel *model,
								   MlOutOfBag *result);

/* What preprocess (prep/options.h) says for a training by this algorithm. */
extern void ml_prep_options_parse(MlContext *ctx, const MlAlgorithm *algorithm, const void *params,
								  const char *json, MlPrepOptions *options);

#endif
