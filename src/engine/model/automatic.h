/*
 * The algorithm that 'auto' means, chosen by a comparison on training rows.
 */
#ifndef ML_AUTOMATIC_H
#define ML_AUTOMATIC_H

#include "model/target.h"

#define ML_AUTO_CANDIDATES 2

typedef struct MlAutoChoice
{
	const MlAlgorithm *chosen;
	const MlAlgorithm *candidates[ML_AUTO_CANDIDATES];	/* the simpler first */
	const char *metric;			/* less is better */
	double		losses[ML_AUTO_CANDIDATES];
	size_t		n_train;		/* rows that the candidates were trained on, and measured on */
	size_t		n_test;
} MlAutoChoice;

/*
 * Compare the candidates for a target on the rows whose test is ML_SIDE_TRAIN; hashes and test are by row of the table.
 * NULL where there is nothing to compare (automatic.c says when): the simpler one is meant then.
 */
extern MlAutoChoice *ml_auto_choose(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec,
									const MlTarget *target, const uint64_t *hashes, const uint8_t *test);

/*
 * Raise where params, a JSON object (NULL = none), has a parameter that the algorithm which 'auto' stands for lacks:
 * the caller has named no algorithm, so the error says which it is and which ones have the parameter.
 */
extern void ml_auto_check_params(MlContext *ctx, const MlAlgorithm *algorithm, const char *params);

/* Write the member "auto" into an open object. */
extern void ml_auto_write(MlWriter *w, const MlAutoChoice *choice);

#endif
