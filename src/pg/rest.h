/*
 * What the functions of mlaas_api share: how their errors become statuses of HTTP, the bounds
 * on what one request may send, and calls of the functions behind them.
 */
#ifndef MLAAS_REST_H
#define MLAAS_REST_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "model/model.h"

/* What a function does, and so what a SQLSTATE means to the client. */
typedef enum RestKind
{
	REST_PREDICT,				/* scores rows of the request: values that do not fit are 422 */
	REST_COMMAND,				/* names a model, a version, a job: an unknown one is 404 */
	REST_TRAIN					/* names columns, algorithms, parameters: an unknown one is 400 */
} RestKind;

/* A call of such a function, for as long as it runs. */
typedef struct RestCall
{
	ErrorContextCallback callback;
	RestKind	kind;
} RestCall;

/* From here to rest_end errors of a request say their status; an error ends the call by itself. */
extern void rest_begin(RestCall *call, RestKind kind);
extern void rest_end(RestCall *call);

/* Refuse a body, or a number of rows, beyond the settings. */
extern void rest_check_size(const struct varlena *value);
extern void rest_check_rows(uint32 rows);

/* Add the object that describes one prediction, as ml_predict_json has it; out[k * ldout]. */
extern void rest_append_prediction(StringInfo json, const MlModel *model, const double *out, size_t ldout,
								   int32 version);

/* The schema that the extension's functions are in, as SQL text has it. */
extern const char *rest_functions_schema(void);

#endif
