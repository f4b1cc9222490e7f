/*
 * What a unit test of the engine is made of: checks, and Contexts over malloc whose raise
 * jumps back to the check that waits for it, or else fails the test.
 *
 *   static void
 *   test_sum(MlContext *ctx)
 *   {
 *       CHECK(ml_sum(ctx, 1, 2) == 3);
 *       CHECK_NEAR(ml_mean(ctx), 0.5, 1e-12);
 *       CHECK_RAISES(ctx, ML_ERROR_INVALID_PARAMETER, ml_sum(ctx, -1, 0));
 *   }
 *   UNIT_MAIN(test_sum)
 *
 * Each test gets a fresh Context of one thread; unit_context makes more.  What they hold is
 * released when the test ends, so a leak that a sanitizer finds is the engine's.  Tests run in
 * the checkout's root folder.  The last line printed is "N passed, N failed", of tests.
 */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"

/*
 * A check that raises changes no local variable of its function, so none is clobbered; and gcc believes
 * that calls before a setjmp could return from it too, when nothing is set yet.  clang knows better.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

typedef struct UnitBlock
{
	struct UnitBlock *next;
	struct UnitBlock *previous;
} UnitBlock;

typedef struct UnitDeferred
{
	struct UnitDeferred *next;
	void		(*release) (void *arg);
	void	   *arg;
} UnitDeferred;

/* A Context and what it holds. */
typedef struct UnitHost
{
	MlContext	ctx;
	struct UnitHost *next;
	UnitBlock	blocks;			/* the head of a ring */
	UnitDeferred *deferred;		/* last first */
	long		checks_left;	/* until a cancel; negative = none is coming */
	int			warnings;
} UnitHost;

/* The last error raised, its texts cut to what fits; absent ones are "". */
typedef struct UnitError
{
	MlErrorCode code;
	char		message[512];
	char		detail[1024];
	char		hint[1024];
} UnitError;

static UnitError unit_error;
static jmp_buf *unit_entry;		/* where a raise goes */
static UnitHost *unit_hosts;	/* of the running test */
static long unit_checks;		/* of the running test */
static long unit_failures;

/* Stop everything: the test program itself is broken. */
static inline void __attribute__((noreturn))
unit_fatal(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static inline void *
unit_malloc(size_t size)
{
	void	   *block = malloc(size);

	if (block == NULL)
		unit_fatal("out of memory");
	return block;
}

static inline void *
unit_alloc(MlContext *ctx, size_t size)
{
	UnitHost   *host = ctx->host;
	UnitBlock  *block = unit_malloc(sizeof(UnitBlock) + size);

	block->next = host->blocks.next;
	block->previous = &host->blocks;
	block->next->previous = block;
	host->blocks.next = block;
	return block + 1;
}

static inline void
unit_free(MlContext *ctx, void *memory)
{
	UnitBlock  *block = (UnitBlock *) memory - 1;

	(void) ctx;
	block->previous->next = block->next;
	block->next->previous = block->previous;
	free(block);
}

static inline void
unit_defer(MlContext *ctx, void (*release) (void *arg), void *arg)
{
	UnitHost   *host = ctx->host;
	UnitDeferred *deferred = unit_malloc(sizeof(UnitDeferred));

	*deferred = (UnitDeferred) {host->deferred, release, arg};
	host->deferred = deferred;
}

static inline void
unit_raise(MlContext *ctx, const MlError *error)
{
	(void) ctx;
	unit_error.code = error->code;
	snprintf(unit_error.message, sizeof unit_error.message, "%s", error->message);
	snprintf(unit_error.detail, sizeof unit_error.detail, "%s", error->detail != NULL ? error->detail : "");
	snprintf(unit_error.hint, sizeof unit_error.hint, "%s", error->hint != NULL ? error->hint : "");
	if (unit_entry == NULL)
		unit_fatal(unit_error.message);
	longjmp(*unit_entry, 1);
}

static inline void
unit_check(MlContext *ctx)
{
	static const MlError canceled = {ML_ERROR_INTERNAL, "canceled", NULL, NULL};
	UnitHost   *host = ctx->host;

	if (host->checks_left == 0)
	{
		host->checks_left = -1;
		ctx->raise(ctx, &canceled);
	}
	if (host->checks_left > 0)
		host->checks_left--;
}

static inline bool
unit_interrupted(MlContext *ctx)
{
	return ((UnitHost *) ctx->host)->checks_left == 0;
}

static inline void
unit_warn(MlContext *ctx, const char *message, const char *detail)
{
	if (message == NULL || message[0] == '\0' || (detail != NULL && detail[0] == '\0'))
		unit_fatal("a warning without a message");
	((UnitHost *) ctx->host)->warnings++;
}

/* A new Context that lives until the test ends. */
static inline MlContext *
unit_context(int threads)
{
	UnitHost   *host = unit_malloc(sizeof(UnitHost));

	memset(host, 0, sizeof *host);
	host->ctx = (MlContext) {
		.alloc = unit_alloc,
		.free = unit_free,
		.defer = unit_defer,
		.check = unit_check,
		.interrupted = unit_interrupted,
		.raise = unit_raise,
		.warn = unit_warn,
		.host = host,
		.max_threads = threads,
	};
	host->blocks.next = host->blocks.previous = &host->blocks;
	host->checks_left = -1;
	host->next = unit_hosts;
	unit_hosts = host;
	return &host->ctx;
}

/* After that many checks the next one raises "canceled" (ML_ERROR_INTERNAL), once; -1: none does. */
static inline void
unit_cancel_after(MlContext *ctx, long checks)
{
	((UnitHost *) ctx->host)->checks_left = checks;
}

/* How many warnings a Context was given. */
static inline int
unit_warnings(const MlContext *ctx)
{
	return ((const UnitHost *) ctx->host)->warnings;
}

/* Release the Contexts made since one was the last, as a memory context goes: what was deferred, last first, then the memory. */
static inline void
unit_release_since(const UnitHost *last)
{
	while (unit_hosts != last)
	{
		UnitHost   *host = unit_hosts;

		while (host->deferred != NULL)
		{
			UnitDeferred *deferred = host->deferred;

			host->deferred = deferred->next;
			deferred->release(deferred->arg);
			free(deferred);
		}
		while (host->blocks.next != &host->blocks)
			unit_free(&host->ctx, host->blocks.next + 1);
		unit_hosts = host->next;
		free(host);
	}
}

/* Count a check; say where and why one fails. */
static inline bool __attribute__((format(printf, 4, 5)))
unit_result(bool passed, const char *file, int line, const char *format,...)
{
	unit_checks++;
	if (!passed)
	{
		va_list		args;

		unit_failures++;
		printf("%s:%d: ", file, line);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf("\n");
	}
	return passed;
}

/* Is a near b, relative to b (absolutely where b is 0)?  Equal infinities and two NaN are near. */
static inline bool
unit_near(double a, double b, double tolerance)
{
	if (a == b || (isnan(a) && isnan(b)))
		return true;
	return fabs(a - b) <= tolerance * (b == 0.0 ? 1.0 : fabs(b)) && isfinite(a) && isfinite(b);
}

#define CHECK(condition) \
	((void) unit_result((condition), __FILE__, __LINE__, "%s", #condition))

#define CHECK_NEAR(a, b, tolerance) \
	do \
	{ \
		double		unit_a_ = (a); \
		double		unit_b_ = (b); \
		double		unit_tolerance_ = (tolerance); \
		\
		(void) unit_result(unit_near(unit_a_, unit_b_, unit_tolerance_), __FILE__, __LINE__, \
						   "%s is %.17g, not within %g of %.17g (%s)", \
						   #a, unit_a_, unit_tolerance_, unit_b_, #b); \
	} while (0)

/* The expression raises this code; unit_error has the texts then. */
#define CHECK_RAISES(ctx_, code_, expression) \
	do \
	{ \
		jmp_buf    *unit_outer_ = unit_entry; \
		jmp_buf		unit_inner_; \
		\
		(void) (ctx_); \
		if (setjmp(unit_inner_) == 0) \
		{ \
			unit_entry = &unit_inner_; \
			(void) (expression); \
			unit_entry = unit_outer_; \
			(void) unit_result(false, __FILE__, __LINE__, "%s raises nothing", #expression); \
		} \
		else \
		{ \
			unit_entry = unit_outer_; \
			(void) unit_result(unit_error.code == (code_), __FILE__, __LINE__, \
							   "%s raises code %d, not %s: %s (%s)", #expression, \
							   (int) unit_error.code, #code_, unit_error.message, unit_error.detail); \
		} \
	} while (0)

typedef void (*UnitTest) (MlContext *ctx);

/* Run one test; did it pass?  One that checks nothing does not. */
static inline bool
unit_run(UnitTest test)
{
	jmp_buf		entry;

	unit_checks = unit_failures = 0;
	if (setjmp(entry) == 0)
	{
		unit_entry = &entry;
		test(unit_context(1));
		if (unit_checks == 0)
			(void) unit_result(false, __FILE__, __LINE__, "the test checks nothing");
	}
	else
		(void) unit_result(false, __FILE__, __LINE__, "the test raises code %d: %s (%s)",
						   (int) unit_error.code, unit_error.message, unit_error.detail);
	unit_entry = NULL;
	unit_release_since(NULL);
	return unit_failures == 0;
}

/* Run the tests whose names contain the first argument of the program; all when there is none. */
static inline int
unit_main(int argc, char **argv, const UnitTest *tests, size_t count, const char *names)
{
	int			passed = 0;
	int			failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < count; i++)
	{
		char		name[128];
		size_t		length;

		names += strspn(names, ", \t\n");
		length = strcspn(names, ", \t\n");
		snprintf(name, sizeof name, "%.*s", (int) length, names);
		names += length;
		if (argc > 1 && strstr(name, argv[1]) == NULL)
			continue;
		if (unit_run(tests[i]))
			passed++;
		else
		{
			failed++;
			printf("FAILED %s\n", name);
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

#define UNIT_MAIN(...) \
	int \
	main(int argc, char **argv) \
	{ \
		static const UnitTest unit_tests[] = {__VA_ARGS__}; \
		\
		return unit_main(argc, argv, unit_tests, sizeof unit_tests / sizeof unit_tests[0], #__VA_ARGS__); \
	}

#endif
