/*
 * The library's entry: magic block and settings.
 *
 * Nothing here starts a thread or touches BLAS, so that the library may be
 * preloaded by the postmaster.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "pg/module.h"

PG_MODULE_MAGIC;

#define DEFAULT_MAX_MEMORY (4 * 1024 * 1024)	/* 4 GB in kB */
#define DEFAULT_MAX_THREADS 0
#define LARGEST_MAX_THREADS 256
#define DEFAULT_MODEL_CACHE (64 * 1024) /* 64 MB in kB */
#define DEFAULT_MAX_REQUEST_SIZE (16 * 1024)	/* 16 MB in kB */
#define DEFAULT_MAX_REQUEST_ROWS 100000

int			mlaas_max_memory = DEFAULT_MAX_MEMORY;
int			mlaas_max_threads = DEFAULT_MAX_THREADS;
int			mlaas_model_cache = DEFAULT_MODEL_CACHE;
int			mlaas_max_request_size = DEFAULT_MAX_REQUEST_SIZE;
int			mlaas_max_request_rows = DEFAULT_MAX_REQUEST_ROWS;

extern PGDLLEXPORT void _PG_init(void);

static void settings_init(void);

/* Set the library up in this process. */
void
_PG_init(void)
{
	settings_init();
}

/* Define the settings and reserve their prefix. */
static void
settings_init(void)
{
	DefineCustomIntVariable("mlaas.max_memory",
							"Sets the maximum memory that one training or aggregate may use.",
							"Zero means no limit.",
							&mlaas_max_memory,
							DEFAULT_MAX_MEMORY, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_threads",
							"Sets the maximum number of threads that one call may use.",
							"The number counts the server process itself. Zero means all cores.",
							&mlaas_max_threads,
							DEFAULT_MAX_THREADS, 0, LARGEST_MAX_THREADS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.model_cache",
							"Sets the memory in which each session keeps opened models between statements.",
							"A running statement keeps its models whatever their size.",
							&mlaas_model_cache,
							DEFAULT_MODEL_CACHE, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_request_size",
							"Sets the maximum size of the rows that one request for predictions may send.",
							"It bounds mlaas_api.predict and mlaas_api.predict_batch. Zero means no limit.",
							&mlaas_max_request_size,
							DEFAULT_MAX_REQUEST_SIZE, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("mlaas.max_request_rows",
							"Sets the maximum number of rows that one request for predictions may send.",
							"It bounds mlaas_api.predict and mlaas_api.predict_batch. Zero means no limit.",
							&mlaas_max_request_rows,
							DEFAULT_MAX_REQUEST_ROWS, 0, INT_MAX,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("mlaas");
}
