/*
 * The pool of threads: every item once, pieces that do not depend on the number of threads, signals, and a cancel.
 */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "base/threads.h"

enum {MAX_ITEMS = 100000};

typedef struct Work
{
	_Atomic int visits[MAX_ITEMS];
	_Atomic int pieces;
	_Atomic int odd_pieces;		/* that are not where grain says, or of a worker that is none */
	_Atomic int deliverable;	/* signals that a pool's thread would take */
	_Atomic int max_worker;
	size_t		count;
	size_t		grain;
	int			workers;
	pthread_t	caller;
	UnitHost   *host;			/* cancel after some pieces */
	int			cancel_after;
} Work;

static void
visit(void *arg, size_t begin, size_t end, int worker)
{
	Work	   *work = arg;
	int			highest = atomic_load(&work->max_worker);

	atomic_fetch_add(&work->pieces, 1);
	if (begin % work->grain != 0 || end != (begin + work->grain < work->count ? begin + work->grain : work->count) ||
		worker < 0 || worker >= work->workers)
		atomic_fetch_add(&work->odd_pieces, 1);
	while (worker > highest && !atomic_compare_exchange_weak(&work->max_worker, &highest, worker))
		;
	for (size_t i = begin; i < end; i++)
		atomic_fetch_add(&work->visits[i], 1);
	if (!pthread_equal(pthread_self(), work->caller))
	{
		sigset_t	blocked;

		pthread_sigmask(SIG_SETMASK, NULL, &blocked);
		for (int s = 1; s <= 15; s++)
			if (s != SIGKILL && !sigismember(&blocked, s))
				atomic_fetch_add(&work->deliverable, 1);
	}
	else if (work->cancel_after > 0 && atomic_load(&work->pieces) >= work->cancel_after)
		work->host->checks_left = 0;
}

static Work *
make_work(MlContext *ctx, size_t count, size_t grain)
{
	Work	   *work = ml_alloc_zero(ctx, sizeof *work);

	work->count = count;
	work->grain = grain;
	work->workers = ml_thread_count(ctx);
	work->caller = pthread_self();
	work->host = ctx->host;
	return work;
}

/* How many items were not visited just once. */
static size_t
missed(const Work *work)
{
	size_t		n = 0;

	for (size_t i = 0; i < work->count; i++)
		n += atomic_load(&work->visits[i]) != 1;
	return n;
}

static void
test_every_item_once(MlContext *ctx)
{
	static const size_t counts[] = {0, 1, 2, 7, 1000, MAX_ITEMS};
	static const size_t grains[] = {1, 3, 64, 1000, MAX_ITEMS + 1};
	static const int threads[] = {1, 2, 3, 8, 16};

	(void) ctx;
	for (size_t t = 0; t < 5; t++)
		for (size_t c = 0; c < 6; c++)
			for (size_t g = 0; g < 5; g++)
			{
				MlContext  *own = unit_context(threads[t]);
				Work	   *work = make_work(own, counts[c], grains[g]);

				CHECK(work->workers == threads[t]);
				ml_parallel_for(own, counts[c], grains[g], visit, work);
				CHECK(missed(work) == 0 && atomic_load(&work->odd_pieces) == 0 && atomic_load(&work->deliverable) == 0);
				CHECK((size_t) atomic_load(&work->pieces) == (counts[c] + grains[g] - 1) / grains[g]);
				ml_free(own, work);
			}
}

/* One section right after another, with more threads and with fewer. */
static void
test_many_sections(MlContext *ctx)
{
	MlContext  *contexts[] = {unit_context(4), unit_context(2), unit_context(7), ctx};
	Work	   *works[4];

	for (int i = 0; i < 4; i++)
		works[i] = make_work(contexts[i], 40, 3);
	for (int round = 1; round <= 3000; round++)
	{
		Work	   *work = works[round % 4];

		ml_parallel_for(contexts[round % 4], 40, 3, visit, work);
		if (atomic_load(&work->pieces) != 14)
			break;
		atomic_store(&work->pieces, 0);
		for (int i = 0; i < 40; i++)
			if (atomic_exchange(&work->visits[i], 0) != 1)
				atomic_fetch_add(&work->odd_pieces, 1);
	}
	for (int i = 0; i < 4; i++)
		CHECK(atomic_load(&works[i]->pieces) == 0 && atomic_load(&works[i]->odd_pieces) == 0);
}

/* Pieces that are long enough are shared out. */
static void
linger(void *arg, size_t begin, size_t end, int worker)
{
	struct timespec pause = {0, 2000000};

	nanosleep(&pause, NULL);
	visit(arg, begin, end, worker);
}

static void
test_threads_take_part(MlContext *ctx)
{
	MlContext  *own = unit_context(4);
	Work	   *work = make_work(own, 100, 1);

	(void) ctx;
	ml_parallel_for(own, 100, 1, linger, work);
	CHECK(missed(work) == 0 && atomic_load(&work->max_worker) == 3);
	CHECK(atomic_load(&work->deliverable) == 0);
}

static void
test_thread_count(MlContext *ctx)
{
	CHECK(ml_thread_count(ctx) == 1);
	ctx->max_threads = 0;
	CHECK(ml_thread_count(ctx) == 1);
	ctx->max_threads = -5;
	CHECK(ml_thread_count(ctx) == 1);
	ctx->max_threads = 1000000;
	CHECK(ml_thread_count(ctx) >= 64 && ml_thread_count(ctx) < 100000);
	ctx->max_threads = 6;
	CHECK(ml_thread_count(ctx) == 6);
}

/* A cancel stops the pieces that are not begun, raises when all have stopped, and leaves the pool fit for more. */
static void
test_cancel(MlContext *ctx)
{
	(void) ctx;
	for (int threads = 1; threads <= 8; threads *= 2)
	{
		MlContext  *own = unit_context(threads);
		Work	   *work = make_work(own, 10000, 1);
		int			done;
		Work	   *again;

		work->cancel_after = 20;
		CHECK_RAISES(own, ML_ERROR_INTERNAL, (ml_parallel_for(own, 10000, 1, linger, work), 0));
		CHECK(strcmp(unit_error.message, "canceled") == 0);
		done = atomic_load(&work->pieces);
		CHECK(done >= 20 && done < 20 + 4 * threads);
		nanosleep(&(struct timespec) {0, 20000000}, NULL);
		CHECK(atomic_load(&work->pieces) == done);
		again = make_work(own, 1000, 7);
		ml_parallel_for(own, 1000, 7, visit, again);
		CHECK(missed(again) == 0);
	}
}

/* A cancel that was there before: nothing runs on the caller, and it raises. */
static void
test_canceled_before(MlContext *ctx)
{
	Work	   *work = make_work(ctx, 1000, 1);

	unit_cancel_after(ctx, 0);
	CHECK_RAISES(ctx, ML_ERROR_INTERNAL, (ml_parallel_for(ctx, 1000, 1, visit, work), 0));
	CHECK(atomic_load(&work->pieces) == 0);
}

/* The caller's own signal mask is as before. */
static void
test_signal_mask(MlContext *ctx)
{
	MlContext  *own = unit_context(12);
	Work	   *work = make_work(own, 100, 1);
	sigset_t	before;
	sigset_t	after;
	int			differing = 0;

	(void) ctx;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	ml_parallel_for(own, 100, 1, visit, work);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int s = 1; s < 32; s++)
		differing += sigismember(&before, s) != sigismember(&after, s);
	CHECK(differing == 0);
}

UNIT_MAIN(test_thread_count, test_every_item_once, test_many_sections, test_threads_take_part, test_cancel,
		  test_canceled_before, test_signal_mask)
