/*
 * The Context: everything the engine needs from its host (a PostgreSQL
 * backend, a unit test, a fuzzer): memory, cancellation, progress, errors.
 *
 * Rules
 * - Memory from ml_alloc lives until the host releases the context; a raise
 *   never leaks.  ml_free only returns large temporaries early.
 * - ml_raise does not return.  It may only be called on the thread that
 *   entered the engine, and never while a parallel section runs: tasks of
 *   ml_parallel_for report failure in their own result.
 * - ml_check is called at least every 100 ms of work, on the entering thread.
 */
#ifndef ML_CONTEXT_H
#define ML_CONTEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum MlErrorCode
{
	ML_ERROR_INTERNAL = 0,		/* "cannot happen" */
	ML_ERROR_INVALID_PARAMETER, /* a parameter out of range, of wrong type */
	ML_ERROR_UNDEFINED,			/* a name that does not exist */
	ML_ERROR_INVALID_DATA,		/* rows that cannot be learned from or scored */
	ML_ERROR_WRONG_TYPE,		/* a value of a type that does not fit */
	ML_ERROR_CORRUPTED,			/* bytes that are not a model */
	ML_ERROR_MEMORY,			/* past mlaas.max_memory, or none left */
	ML_ERROR_UNSUPPORTED,		/* sound, but not offered by this algorithm */
	ML_ERROR_SYNTAX				/* text that cannot be read at all */
} MlErrorCode;

typedef struct MlError
{
	MlErrorCode code;
	const char *message;		/* primary: no capital, no full stop */
	const char *detail;			/* may be NULL */
	const char *hint;			/* may be NULL */
} MlError;

/* How far a call is. */
typedef struct MlProgress
{
	const char *phase;			/* "preparing", "fitting", "scoring", ...: a constant */
	uint64_t	iteration;		/* done in this phase; 0 = none, or it has none */
	uint64_t	total;			/* iterations at most; 0 = not known */
	double		fraction;		/* of the phase, in 0..1; NaN = not known */
	double		loss;			/* after the last iteration; NaN = not known */
} MlProgress;

typedef struct MlContext MlContext;

struct MlContext
{
	/* Memory of the host; alloc never returns NULL, it raises. */
	void	   *(*alloc) (MlContext *ctx, size_t size);
	void		(*free) (MlContext *ctx, void *block);

	/* Call release(arg) when the context's memory is released or a raise unwinds. */
	void		(*defer) (MlContext *ctx, void (*release) (void *arg), void *arg);

	/* Raise if the call is to stop (cancel, timeout, terminate). */
	void		(*check) (MlContext *ctx);

	/* Tells that check would raise; callable on any thread, never blocks. */
	bool		(*interrupted) (MlContext *ctx);

	/* Report an error and unwind to the host; never returns. */
	void		(*raise) (MlContext *ctx, const MlError *error);

	/* Report something worth knowing that is no error. */
	void		(*warn) (MlContext *ctx, const char *message, const char *detail);

	/*
	 * (optional, both or none) Take in how far a call is; the argument lives until it returns.  Most reports come
	 * before the last one has been looked at: progress_due tells that the next would not be left out.
	 */
	bool		(*progress_due) (MlContext *ctx);
	void		(*progress) (MlContext *ctx, const MlProgress *progress);

	void	   *host;			/* the host's own */
	int			max_threads;	/* at least 1, counting the calling thread */
	size_t		max_memory;		/* bytes; 0 = no limit */
	size_t		used_memory;	/* bytes now allocated through ml_alloc */
	size_t		peak_memory;
};

/* Blocks are 64-byte aligned. Sizes are checked for overflow and against max_memory. */
extern void *ml_alloc(MlContext *ctx, size_t size);
extern void *ml_alloc_zero(MlContext *ctx, size_t size);
extern void *ml_alloc_array(MlContext *ctx, size_t count, size_t size);
extern void *ml_alloc_array_zero(MlContext *ctx, size_t count, size_t size);

/* Like realloc: the block keeps its first min(old, new) bytes. block may be NULL. */
extern void *ml_realloc(MlContext *ctx, void *block, size_t size);
extern void ml_free(MlContext *ctx, void *block);	/* NULL is allowed */

/* printf into context memory. */
extern char *ml_format(MlContext *ctx, const char *format,...) __attribute__((format(printf, 2, 3)));
extern char *ml_strdup(MlContext *ctx, const char *string);
extern char *ml_strndup(MlContext *ctx, const char *bytes, size_t length);

/* Raise with a primary message only. */
extern void ml_raise(MlContext *ctx, MlErrorCode code, const char *format,...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* Raise with detail and hint, either may be NULL (made with ml_format if need be). */
extern void ml_raise_full(MlContext *ctx, MlErrorCode code, const char *message,
						  const char *detail, const char *hint) __attribute__((noreturn));

/* Raise if the call is to stop. */
extern void ml_check(MlContext *ctx);

/* Tell that a phase has begun, or which of how many equal iterations of it are done, with the loss then (or NaN). */
extern void ml_progress(MlContext *ctx, const char *phase, uint64_t iteration, uint64_t total, double loss);

/* The same where a phase may end long before the last iteration: how far it is cannot be told. */
extern void ml_progress_at_most(MlContext *ctx, const char *phase, uint64_t iteration, uint64_t most, double loss);

/* Tell that it is worth finding out what a report would say. */
extern bool ml_progress_due(MlContext *ctx);

/*
 * The member of names (n strings) spelled most like name, or NULL when none is
 * near (edit distance at most a third of the length, at least 1).
 */
extern const char *ml_nearest_name(const char *name, const char *const *names, size_t n);

/* A hint for a name that does not exist: the nearest, else the whole list. */
extern const char *ml_candidates_hint(MlContext *ctx, const char *what, const char *name,
									  const char *const *names, size_t n);

#endif
