/*
 * Joining what a training made into a model's bytes.
 */
#ifndef ML_ASSEMBLE_H
#define ML_ASSEMBLE_H

#include "model/pipeline.h"

typedef struct MlAssembly
{
	const MlAlgorithm *algorithm;
	const void *params;
	const MlSignature *signature;
	const MlPrep *prep;
	MlSectionBytes payload;
} MlAssembly;

/*
 * Write the model from the parts and the result's counts and metrics into result->bytes; sets
 * params_json too.
 */
extern void ml_assemble(MlContext *ctx, const MlAssembly *parts, const MlTrainSpec *spec, MlTrainResult *result);

#endif
