/*
 * A small pool of threads that blocks when it waits and hands out work in
 * small pieces.  One pool per process, born at first use with every signal
 * blocked; between calls its threads sleep.
 */
#ifndef ML_THREADS_H
#define ML_THREADS_H

#include "base/context.h"

/*
 * One piece of work: items begin <= i < end.  worker counts from 0 and is below
 * ml_thread_count(ctx); it names scratch space, and must not decide any result.
 * A task allocates nothing, raises nothing and calls nothing of the host.
 */
typedef void (*MlTask) (void *arg, size_t begin, size_t end, int worker);

/* How many threads a parallel section may use, the calling one included. */
extern int	ml_thread_count(const MlContext *ctx);

/*
 * Run task over 0 <= i < count in pieces of grain items: piece k is always
 * [k * grain, min(count, (k + 1) * grain)), whatever the number of threads, so
 * a caller that keeps one result per piece and reduces in order gets the same
 * bits always.  Returns when all is done; raises only after all have stopped.
 */
extern void ml_parallel_for(MlContext *ctx, size_t count, size_t grain, MlTask task, void *arg);

#endif
