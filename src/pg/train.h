/*
 * The steps of a training for functions beside ml_train: arguments -> plan -> result -> a row of the registry.
 */
#ifndef MLAAS_TRAIN_H
#define MLAAS_TRAIN_H

#include "postgres.h"

#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/jsonb.h"

#include "model/retrain.h"
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
	char	   *split_column;	/* of order_by or column; NULL = none */
	DeployPolicy deploy;
	const MlRetrain *retrain;	/* NULL = a model of its own */
	const char *reason;			/* for the history; NULL = none */
} TrainArgs;

/* Read how to hold rows out into args. */
extern void train_read_validation(MlContext *ctx, Jsonb *object, TrainArgs *args);

/* The policy of that name; an error names the nearest. */
extern DeployPolicy train_deploy_policy(MlContext *ctx, const char *name);

/* Find the columns that the algorithm's parameters name; args has algorithm and params. */
extern void train_read_params(MlContext *ctx, TrainArgs *args);

/* Read the rows and learn from them. */
extern void train_learn(MlContext *ctx, const TrainArgs *args, MlTrainResult *result);

/* The same, and store and perhaps deploy the version; returns the row of ml_train. */
extern Datum train_register(FunctionCallInfo fcinfo, MlContext *ctx, const TrainArgs *args, bool relation_only,
							instr_time start);

#endif
