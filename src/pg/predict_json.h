/*
 * Blocks of rows that are read from JSON and scored (predict_json.c).
 */
#ifndef MLAAS_PREDICT_JSON_H
#define MLAAS_PREDICT_JSON_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "model/model.h"
#include "pg/modelarg.h"

/* Room for a block of rows. */
typedef struct JsonBlock
{
	const MlModel *model;
	int32		version;		/* that routes chose, to be told with a prediction; 0 = there are none */
	size_t		capacity;		/* rows, and the leading dimension */
	bool	   *given;			/* [capacity] false: null instead of an object */
	JsonbContainer **objects;	/* [capacity] of rows read from jsonb; NULL where there is none */
	double	   *raw;
	double	   *out;
	double	   *scratch;
} JsonBlock;

/* What becomes of a block of rows that are scored. */
typedef void (*BlockTaker) (JsonBlock *block, size_t n, void *arg);

/* Make room for up to capacity rows. */
extern void json_block_create(JsonBlock *block, const MlModel *model, size_t capacity);

/* Make row i one of missing values, given as null. */
extern void json_block_set_null(JsonBlock *block, size_t i);

/* Score the first n rows and pass them on. */
extern void json_block_finish(JsonBlock *block, size_t n, BlockTaker take, void *arg);

/* Score an object, or the objects of an array in its order, in blocks. */
extern void json_score(const ModelEntry *entry, Jsonb *input, BlockTaker take, void *arg);

/* Tell whether JSON is an array. */
static inline bool
json_is_array(const Jsonb *input)
{
	return JB_ROOT_IS_ARRAY(input) && !JB_ROOT_IS_SCALAR(input);
}

#endif
