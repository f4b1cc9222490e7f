/*
 * Learning on from a model: with its signature, preparation and classes, from other rows.
 */
#ifndef ML_RETRAIN_H
#define ML_RETRAIN_H

#include "model/target.h"

/* What a model came from, for its summary. */
typedef struct MlLineage
{
	const char *operation;		/* "truncate", "prune", "refit", "continue" */
	const char *parent;			/* name@version; NULL for a model as a value */
	const char *argument;		/* name of the number that says how; NULL = none */
	double		value;
	bool		integer;		/* the number is a count */
} MlLineage;

/* Write the member "edits": those of the parent, and this one. */
extern void ml_lineage_write(MlContext *ctx, MlWriter *w, const MlModel *parent, const MlLineage *lineage);

typedef enum MlRetrainKind
{
	ML_RETRAIN_CONTINUE,		/* more of the same: MlAlgorithm.resume */
	ML_RETRAIN_REFIT			/* the same with other values: MlAlgorithm.refit */
} MlRetrainKind;

typedef struct MlRetrain
{
	MlRetrainKind kind;
	const MlModel *from;
	double		decay_rate;		/* REFIT: the share of the old value that stays */
	MlLineage	lineage;
} MlRetrain;

/* Can a model be continued? */
extern bool ml_retrain_possible(const MlModel *from);

/* Raises where the model's algorithm, or the decay rate, does not allow it. */
extern void ml_retrain_check(MlContext *ctx, const MlRetrain *retrain);

/* The parameters that a model was trained with, but for those that json (an object) gives, as JSON. */
extern const char *ml_retrain_params(MlContext *ctx, const MlModel *from, const char *json);

/* Raises where the table's features are not those of the model. */
extern void ml_retrain_features(MlContext *ctx, const MlModel *from, const MlTable *table);

/*
 * Give the rows the classes of the model that the training learns on from; raises for classes that it does not know,
 * another task, and a positive class that is not its own.
 */
extern void ml_retrain_target(MlContext *ctx, const MlTrainSpec *spec, const char *name, MlTarget *target);

/* Learn: write the payload's members into payload, an open object. */
extern void ml_retrain_fit(MlContext *ctx, const MlRetrain *retrain, const MlDesign *design, const void *params,
						   MlWriter *payload);

#endif
