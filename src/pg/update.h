/*
 * Bringing a model up to date with new rows, for functions beside ml_update.
 */
#ifndef MLAAS_UPDATE_H
#define MLAAS_UPDATE_H

#include "postgres.h"

#include "fmgr.h"

#include "pg/lineage.h"
#include "pg/train.h"

/* How new rows get into a model. */
typedef enum UpdateMethod
{
	UPDATE_MERGED,				/* as if it had been trained on the rows before and these */
	UPDATE_CONTINUED,			/* it learned on from these rows */
	UPDATE_RETRAINED			/* it was trained anew, on these rows alone */
} UpdateMethod;

/*
 * The arguments of a training that updates retrain->from, out of a call's (model, source, params, validation, weight);
 * origin is the version's.  Where it is trained anew args->retrain is NULL.
 */
extern UpdateMethod update_read_args(MlContext *ctx, FunctionCallInfo fcinfo, const VersionOrigin *origin,
									 MlRetrain *retrain, TrainArgs *args);

#endif
