/*
 * The target column of a training: its rows, its task, its classes.
 */
#ifndef ML_TARGET_H
#define ML_TARGET_H

#include "model/pipeline.h"

#define ML_MAX_CLASSES 1000

typedef struct MlTarget
{
	MlTaskKind	task;
	const MlAlgorithm *algorithm;	/* 'auto' resolved */
	uint32_t   *rows;			/* rows whose target is not NULL, ascending */
	size_t		n;
	double	   *values;			/* [n] the number, or the class index */
	int			nclasses;
	const char **labels;		/* [nclasses] */
	double	   *label_values;	/* [nclasses] */
	int			few_values;		/* as in MlTrainResult */

	/* where training rows lack some: all of the classes before; of_class is NULL where they have all */
	int			all_classes;
	const char *const *all_labels;	/* [all_classes] */
	const int  *of_class;		/* [nclasses] the number of each among all */
} MlTarget;

/*
 * Read the target for one of some tasks (0 = 'auto': whatever fits); without a target column all rows are
 * taken and values is NULL.  Raises on what cannot be learned (all NULL, one class, constant, ...).
 */
extern void ml_target_read(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, unsigned tasks,
						   MlTarget *target);

/*
 * Keep only the classes that training rows have: training[i] != 0 marks row i of the target's;
 * rows of another class k get -1 - k.
 */
extern void ml_target_restrict(MlContext *ctx, MlTarget *target, const uint8_t *training, const char *name);

#endif
