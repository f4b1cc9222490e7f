/*
 * The steps of a training for functions beside ml_train: arguments -> plan -> result -> a row of the registry.
 */
#ifndef MLAAS_TRAIN_H
#define MLAAS_TRAIN_H

#include "postgres.h"

#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "model/retrain.h"
#include "pg/explain.h"
#include "pg/registry.h"
#include "pg/scored.h"
#include "pg/source.h"

/* When the new version becomes the one that the bare name means. */
typedef enum DeployPolicy
{
	DEPLOY_FIRST,				/* when no version is deployed yet */
	DEPLOY_IF_BETTER,			/* when its main metric beats the deployed version's */
	DEPLOY_ALWAYS,
	DEPLOY_NEVER
} DeployPolicy;

/* What the caller asked for, with defaults in place of NULL. */
typedef struct TrainArgs
{
	char	   *name;
	char	   *source;
	char	   *target;
	const MlAlgorithm *algorithm;	/* NULL = 'auto' */
	char	  **features;		/* NULL = all columns that are nothing else */
	int			nfeatures;
	char	   *params;			/* JSON */
	char	   *preprocess;		/* JSON */
	char	   *weight;			/* NULL = none */
	const char *group;			/* columns that parameters name; NULL = none */
	const char *start;
	MlSplit		split;
	char	   *split_column;	/* of order_by, column or group_by; NULL = none */
	char	   *after;			/* a value of the order_by column: once planned, as any session reads it; NULL = none */
	MlSampling	sampling;
	double		sampling_ratio;
	char	   *decision;		/* JSON, "threshold" or "costs" of validation; NULL = none */
	char	   *positive;		/* label of the class of two that matters; NULL = the second in order */
	DeployPolicy deploy;
	const MlRetrain *retrain;	/* NULL = a model of its own */
	const MlModel *transform;	/* whose preparation is taken as it is; NULL = none */
	const char *transform_name;	/* its name@version */
	const pg_uuid_t *transform_id;	/* NULL = it is not looked up in the registry */
	const MlModel *like;		/* features are texts as they are of this model; NULL = as preprocess says */
	const char *reason;			/* for the history; NULL = none */
	const char *lineage;		/* JSON (lineage.h); NULL = none */
	const pg_uuid_t *parent_version;	/* what it is made from; NULL = none */
	const char *parent;			/* its name@version */
} TrainArgs;

/*
 * Read and check the arguments (source, target, algorithm, features, params, preprocess, validation, weight), of
 * which the source is number first, into args, which is zero but for what the caller put there.
 */
extern void train_read_args(MlContext *ctx, FunctionCallInfo fcinfo, int first, TrainArgs *args);

/* Take the features and the preparation of a model that is called name. */
extern void train_take_transform(TrainArgs *args, const MlModel *model, const char *name);

/* Read an array of names of features into args. */
extern void train_read_features(ArrayType *array, TrainArgs *args);

/* Read how to hold rows out into args. */
extern void train_read_validation(MlContext *ctx, Jsonb *object, TrainArgs *args);

/* The names of a model's features, as args has them (retrain.c). */
extern char **model_feature_names(const MlSignature *signature);

/* Make sure that args says how many folds there are, an error where there can be none; object may be NULL. */
extern void train_need_folds(Jsonb *object, TrainArgs *args);

/* What is stored about it: JSON with the defaults filled in. */
extern char *train_validation_json(const TrainArgs *args);

/* The index of a word among those allowed; an error names the nearest. */
extern int	train_choose(MlContext *ctx, const char *what, const char *word, const char *const *words, size_t count);

/* The policy of that name; an error names the nearest. */
extern DeployPolicy train_deploy_policy(MlContext *ctx, const char *name);

/* Find the columns that the algorithm's parameters name; args has algorithm and params. */
extern void train_read_params(MlContext *ctx, TrainArgs *args);

/* Read the rows and learn from them. */
extern void train_learn(MlContext *ctx, TrainArgs *args, MlTrainResult *result);

/* Read the rows and learn from them without each fold of args->split in turn; returns the folds. */
extern MlFold *train_cross_validate(MlContext *ctx, TrainArgs *args, int *count);

/*
 * Only read the rows: the table, and what to learn from it.  A column (NULL = none) comes as another of the scan, after
 * those of the table, and each row goes to a function too, when reader has been set up for that column.
 */
extern MlTable *train_load(MlContext *ctx, TrainArgs *args, const char *key, KeyReader *reader, SourceRow row,
						   void *arg, MlTrainSpec *spec);

/* Read the rows that train_learn would learn from, and say how it would. */
extern MlTable *train_read_table(MlContext *ctx, TrainArgs *args, MlTrainSpec *spec);

/*
 * Read the rows of a training again, and what models say of those that have the target.  Returns on which side of the
 * split each of the latter is (ML_SIDE_...) and what it weighs (NULL = 1 each); the digest is that of all rows.
 */
extern uint8 *train_held_out(MlContext *ctx, TrainArgs *args, const MlModel *const *models, int nmodels,
							 Scored **scored, double **weights, MlDigest *digest);

/* As train_learn, and store and perhaps deploy the version; returns the row of ml_train. */
extern Datum train_register(FunctionCallInfo fcinfo, MlContext *ctx, TrainArgs *args, instr_time start);

/* The second half of it, for a model that was made otherwise: features is JSON, started when the call began. */
extern Datum train_store(FunctionCallInfo fcinfo, MlContext *ctx, const TrainArgs *args, const MlTrainResult *result,
						 const char *features, instr_time start);

/* [{"name": .., "kind": .., "type": ..}, ...] of a model. */
extern char *train_features_json(const MlSignature *signature);

/* Error when the policy is one that the caller may not ask for: before any row is read. */
extern void train_need_deployment(const TrainArgs *args);

/*
 * Deploy a version if args's policy says so and it is good enough; tells whether it was.  made: "trained", for the
 * history.
 */
extern bool train_deploy(const TrainArgs *args, const RegistryVersion *version, const char *made);

/* Check the arguments of ml_train, which come first in the call, without reading a row; returns the source. */
extern Source *train_check(FunctionCallInfo fcinfo);

#endif
