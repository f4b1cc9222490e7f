/*
 * What the calls of explanations may be told besides: one JSON object, each key declared once.
 */
#ifndef ML_EXPLAIN_OPTIONS_H
#define ML_EXPLAIN_OPTIONS_H

#include "base/context.h"

/* Bits: which calls a key has a meaning for. */
typedef enum MlExplainUse
{
	ML_USE_SHAP = 1,			/* contributions and interactions */
	ML_USE_SHAP_IMPORTANCE = 2,
	ML_USE_SPLITS = 4,			/* gain and split */
	ML_USE_PERMUTATION = 8,
	ML_USE_DEPENDENCE = 16,
	ML_USE_ICE = 32
} MlExplainUse;

typedef struct MlExplainOptions
{
	const char *klass;			/* label, NULL = the default ones */
	int			method;			/* ML_METHOD_* */
	const char *background;		/* source, NULL = none */
	int64_t		background_rows;
	int64_t		seed;
	bool		normalize;
	const char *metric;			/* NULL = the task's first */
	int64_t		n_repeats;
	int64_t		points;
	double		low;
	double		high;
	const char *other;			/* second feature, NULL = none */
} MlExplainOptions;

#define ML_METHOD_PATH 0
#define ML_METHOD_INTERVENTIONAL 1

/*
 * Read options (JSON text) for one use.  Raises for unknown keys, naming the nearest, for values of the wrong type or
 * out of range, and where they contradict each other.
 */
extern void ml_explain_options_parse(MlContext *ctx, const char *json, MlExplainUse use, MlExplainOptions *options);

#endif
