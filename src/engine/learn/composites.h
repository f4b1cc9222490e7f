/*
 * Models that are made of models, and those that only transform, as rows of the table of algorithms.
 */
#ifndef ML_COMPOSITES_H
#define ML_COMPOSITES_H

#include "learn/learner.h"

/* In the order of the choices of the parameter method. */
typedef enum MlEnsembleMethod
{
	ML_ENSEMBLE_MEAN,
	ML_ENSEMBLE_WEIGHTED,
	ML_ENSEMBLE_VOTE,
	ML_ENSEMBLE_STACKING
} MlEnsembleMethod;

typedef struct MlEnsembleParams
{
	int			method;			/* MlEnsembleMethod */
} MlEnsembleParams;

extern const MlAlgorithm ml_pipeline_model;
extern const MlAlgorithm ml_ensemble_model;
extern const MlAlgorithm ml_transform_model;	/* transform.c */

#endif
