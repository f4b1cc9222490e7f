/*
 * The pool.  Protocol: one section at a time; the caller fills `section` under the
 * mutex, bumps `generation` and wakes the workers it wants; each takes pieces from
 * an atomic counter until none is left, then says so under the mutex.  The caller
 * works too and only then waits.  Nobody spins: a busy neighbour on a core costs its
 * share and no more.
 */
#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MAX_THREADS 256

typedef struct Section
{
	MlTask		task;
	void	   *arg;
	size_t		count;
	size_t		grain;
	size_t		pieces;
	_Atomic size_t next;		/* the next piece to hand out */
	_Atomic bool stop;
	int			wanted;			/* workers that shall take part */
} Section;

static struct
{
	pthread_mutex_t mutex;
	pthread_cond_t work;		/* a section is there */
	pthread_cond_t done;		/* running became 0 */
	uint64_t	generation;
	int			born;			/* workers that exist */
	int			running;		/* workers that have not finished this section */
	Section		section;
}			pool = {.mutex = PTHREAD_MUTEX_INITIALIZER,.work = PTHREAD_COND_INITIALIZER,
.done = PTHREAD_COND_INITIALIZER};

/* Take pieces until there is none. */
static void
run_pieces(Section *section, int worker)
{
	for (;;)
	{
		size_t		piece = atomic_fetch_add_explicit(&section->next, 1, memory_order_relaxed);
		size_t		begin;
		size_t		end;

		if (piece >= section->pieces || atomic_load_explicit(&section->stop, memory_order_relaxed))
			return;
		begin = piece * section->grain;
		end = section->count - begin > section->grain ? begin + section->grain : section->count;
		section->task(section->arg, begin, end, worker);
	}
}

/* A worker's life: sleep, take part when its number is wanted, sleep. */
static void *
worker_main(void *arg)
{
	int			worker = (int) (intptr_t) arg;
	uint64_t	seen = 0;

	pthread_mutex_lock(&pool.mutex);
	for (;;)
	{
		while (pool.generation == seen)
			pthread_cond_wait(&pool.work, &pool.mutex);
		seen = pool.generation;
		if (worker > pool.section.wanted)
			continue;
		pthread_mutex_unlock(&pool.mutex);
		run_pieces(&pool.section, worker);
		pthread_mutex_lock(&pool.mutex);
		if (--pool.running == 0)
			pthread_cond_signal(&pool.done);
	}
	return NULL;
}

/*
 * Give birth to workers up to the number wanted, signals blocked so that only the
 * host's own thread gets them; returns how many there are.  Called under the mutex.
 */
static int
ensure_workers(int wanted)
{
	sigset_t	all;
	sigset_t	before;

	if (pool.born >= wanted)
		return wanted;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (pool.born < wanted)
	{
		pthread_t	thread;

		if (pthread_create(&thread, NULL, worker_main, (void *) (intptr_t) (pool.born + 1)) != 0)
			break;				/* fewer threads give the same result, later */
		pthread_detach(thread);
		pool.born++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pool.born < wanted ? pool.born : wanted;
}

int
ml_thread_count(const MlContext *ctx)
{
	if (ctx->max_threads < 1)
		return 1;
	return ctx->max_threads > MAX_THREADS ? MAX_THREADS : ctx->max_threads;
}

/* The calling thread's part: like run_pieces, but it also notices a cancel. */
static void
run_caller(MlContext *ctx, Section *section)
{
	for (;;)
	{
		size_t		piece = atomic_fetch_add_explicit(&section->next, 1, memory_order_relaxed);
		size_t		begin;
		size_t		end;

		if (piece >= section->pieces)
			return;
		if (ctx->interrupted(ctx))
		{
			atomic_store(&section->stop, true);
			return;
		}
		begin = piece * section->grain;
		end = section->count - begin > section->grain ? begin + section->grain : section->count;
		section->task(section->arg, begin, end, 0);
	}
}

void
ml_parallel_for(MlContext *ctx, size_t count, size_t grain, MlTask task, void *arg)
{
	Section    *section = &pool.section;
	size_t		pieces = grain == 0 || count == 0 ? 0 : (count - 1) / grain + 1;
	int			wanted = ml_thread_count(ctx) - 1;

	if ((size_t) wanted + 1 > pieces)
		wanted = pieces > 0 ? (int) pieces - 1 : 0;

	pthread_mutex_lock(&pool.mutex);
	wanted = wanted > 0 ? ensure_workers(wanted) : 0;
	section->task = task;
	section->arg = arg;
	section->count = count;
	section->grain = grain;
	section->pieces = pieces;
	atomic_store(&section->next, 0);
	atomic_store(&section->stop, false);
	section->wanted = wanted;
	pool.running = wanted;
	if (wanted > 0)
	{
		pool.generation++;
		pthread_cond_broadcast(&pool.work);
	}
	pthread_mutex_unlock(&pool.mutex);

	run_caller(ctx, section);

	pthread_mutex_lock(&pool.mutex);
	while (pool.running > 0)
		pthread_cond_wait(&pool.done, &pool.mutex);
	pthread_mutex_unlock(&pool.mutex);
	ml_check(ctx);
}
