/*
 * A Context over malloc for the fuzzers: a raise jumps back to the entry, the
 * release frees everything, so that a leak is the engine's own.
 *
 * What calls setjmp keeps nothing in local variables that change afterwards.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "explain/explain.h"
#include "model/model.h"

/* Enough for any input of a fuzzer; a count that is taken from hostile bytes unchecked passes it. */
#define FUZZ_MAX_MEMORY ((size_t) 256 << 20)

typedef struct FuzzBlock
{
	struct FuzzBlock *next;
	struct FuzzBlock *previous;
} FuzzBlock;

typedef struct FuzzDeferred
{
	struct FuzzDeferred *next;
	void		(*release) (void *arg);
	void	   *arg;
} FuzzDeferred;

typedef struct Fuzz
{
	MlContext	ctx;
	FuzzBlock	blocks;			/* the head of a ring */
	FuzzDeferred *deferred;
	MlErrorCode code;			/* of the last raise */
	jmp_buf		entry;
} Fuzz;

/* Stop the fuzzer: the engine broke a promise. */
static inline void __attribute__((noreturn))
fuzz_fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static inline void *
fuzz_alloc(MlContext *ctx, size_t size)
{
	Fuzz	   *fuzz = ctx->host;
	FuzzBlock  *block = malloc(sizeof(FuzzBlock) + size);

	if (block == NULL)
		fuzz_fail("out of memory");
	block->next = fuzz->blocks.next;
	block->previous = &fuzz->blocks;
	block->next->previous = block;
	fuzz->blocks.next = block;
	return block + 1;
}

static inline void
fuzz_free(MlContext *ctx, void *memory)
{
	FuzzBlock  *block = (FuzzBlock *) memory - 1;

	(void) ctx;
	block->previous->next = block->next;
	block->next->previous = block->previous;
	free(block);
}

static inline void
fuzz_defer(MlContext *ctx, void (*release) (void *arg), void *arg)
{
	Fuzz	   *fuzz = ctx->host;
	FuzzDeferred *deferred = malloc(sizeof *deferred);

	if (deferred == NULL)
		fuzz_fail("out of memory");
	*deferred = (FuzzDeferred) {fuzz->deferred, release, arg};
	fuzz->deferred = deferred;
}

static inline void
fuzz_check(MlContext *ctx)
{
	(void) ctx;
}

static inline bool
fuzz_interrupted(MlContext *ctx)
{
	(void) ctx;
	return false;
}

/* Every message is looked at whole, so that a sanitizer sees one that is not sound. */
static inline void
fuzz_raise(MlContext *ctx, const MlError *error)
{
	Fuzz	   *fuzz = ctx->host;

	if (error->message == NULL || error->message[0] == '\0' ||
		(error->detail != NULL && error->detail[0] == '\0') || (error->hint != NULL && error->hint[0] == '\0'))
		fuzz_fail("an error without a message");
	if (strlen(error->message) + (error->detail != NULL ? strlen(error->detail) : 0) +
		(error->hint != NULL ? strlen(error->hint) : 0) > FUZZ_MAX_MEMORY)
		fuzz_fail("an error with too long a message");
	if (error->code == ML_ERROR_INTERNAL)
	{
		fprintf(stderr, "%s (%s)\n", error->message, error->detail != NULL ? error->detail : "");
		fuzz_fail("bytes from outside lead to an internal error");
	}
	fuzz->code = error->code;
	longjmp(fuzz->entry, 1);
}

static inline void
fuzz_warn(MlContext *ctx, const char *message, const char *detail)
{
	(void) ctx;
	(void) message;
	(void) detail;
}

/* Start; then: if (setjmp(fuzz->entry) == 0) { ... } fuzz_end(fuzz). */
static inline void
fuzz_begin(Fuzz *fuzz)
{
	memset(fuzz, 0, sizeof *fuzz);
	fuzz->blocks.next = fuzz->blocks.previous = &fuzz->blocks;
	fuzz->ctx = (MlContext) {
		.alloc = fuzz_alloc,
		.free = fuzz_free,
		.defer = fuzz_defer,
		.check = fuzz_check,
		.interrupted = fuzz_interrupted,
		.raise = fuzz_raise,
		.warn = fuzz_warn,
		.host = fuzz,
		.max_threads = 1,
		.max_memory = FUZZ_MAX_MEMORY,
	};
}

/* Release everything. */
static inline void
fuzz_end(Fuzz *fuzz)
{
	while (fuzz->deferred != NULL)
	{
		FuzzDeferred *deferred = fuzz->deferred;

		fuzz->deferred = deferred->next;
		deferred->release(deferred->arg);
		free(deferred);
	}
	while (fuzz->blocks.next != &fuzz->blocks)
		fuzz_free(&fuzz->ctx, fuzz->blocks.next + 1);
}

/* Score one row of the same value in every slot. */
static inline void
fuzz_score(MlContext *ctx, const MlModel *model, double value)
{
	size_t		slots = (size_t) model->signature->slots;
	size_t		outputs = (size_t) ml_model_outputs(model);
	double	   *raw = ml_alloc_array(ctx, slots, sizeof(double));
	double	   *out = ml_alloc_array(ctx, outputs, sizeof(double));
	double	   *scratch = ml_alloc_array(ctx, ml_model_scratch(model, 1), sizeof(double));

	for (size_t i = 0; i < slots; i++)
		raw[i] = value;
	ml_model_score(model, raw, 1, 1, out, 1, scratch);
	if (model->signature->nclasses > 0)
	{
		int			klass = ml_model_class(model, out, 1);

		if (klass < 0 || klass >= model->signature->nclasses)
			fuzz_fail("the class predicted is out of range");
	}
}

/* Explain one row of the same value in every slot, where the model can be explained. */
static inline void
fuzz_explain(MlContext *ctx, const MlModel *model, double value)
{
	size_t		slots = (size_t) model->signature->slots;
	MlExplained *what;
	MlExplainer *e;
	int			count;

	if (slots > 64 || (model->algorithm->ensemble == NULL && model->algorithm->coefficients == NULL))
		return;
	e = ml_explainer_create(ctx, model, NULL);
	count = ml_explainer_list(ctx, e, &what);
	for (int c = 0; c < count; c++)
	{
		double	   *raw = ml_alloc_array(ctx, slots + 1, sizeof(double));
		double	   *out = ml_alloc_array(ctx, slots * slots + 1, sizeof(double));

		for (size_t i = 0; i < slots; i++)
			raw[i] = value;
		ml_shap_interactions(ctx, e, &what[c], raw, out);
	}
}

/* Weigh a text by the terms of each feature that is one. */
static inline void
fuzz_texts(MlContext *ctx, const MlModel *model)
{
	for (int f = 0; f < model->signature->nfeatures; f++)
	{
		const MlTextFit *text = ml_prep_text(model->prep, f);
		double	   *counts = text != NULL ? ml_alloc_array_zero(ctx, (size_t) text->width + 1, sizeof(double)) : NULL;
		double	   *out = text != NULL ? ml_alloc_array(ctx, (size_t) text->width + 1, sizeof(double)) : NULL;

		for (const char *p = "basic plus"; text != NULL && p[1] != '\0'; p++)
			if (ml_text_element(text, p, 2) >= 0)
				counts[ml_text_element(text, p, 2)] += 1;
		if (text != NULL)
			ml_text_weigh(text, counts, out, 1);
	}
}

/* Use a model that was opened: score and explain rows of zeros, of NULLs and of huge numbers, and describe it. */
static inline void
fuzz_use(MlContext *ctx, const MlModel *model)
{
	fuzz_score(ctx, model, 0.0);
	fuzz_score(ctx, model, NAN);
	fuzz_score(ctx, model, 1e308);
	fuzz_explain(ctx, model, 0.0);
	fuzz_explain(ctx, model, NAN);
	fuzz_texts(ctx, model);
	(void) strlen(ml_model_describe(ctx, model));
}

#endif
