/*
 * Memory with accounting, messages and name suggestions over the host's Context.
 */
#include "base/context.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_ALIGN 64

/* Stands right before each block that ml_alloc hands out. */
typedef struct BlockHeader
{
	void	   *raw;			/* what the host gave */
	size_t		size;			/* what the caller asked for */
} BlockHeader;

static BlockHeader *
block_header(void *block)
{
	return (BlockHeader *) ((char *) block - sizeof(BlockHeader));
}

/* A number of bytes in a unit that suits it, rounded up. */
static char *
size_text(MlContext *ctx, size_t size)
{
	bool		small = size < (size_t) 10 << 20;
	size_t		unit = (size_t) 1 << (small ? 10 : 20);

	return ml_format(ctx, "%zu %s", size / unit + (size % unit != 0), small ? "kB" : "MB");
}

/* Say how much the call would need, and what to do about it. */
static void
raise_memory_limit(MlContext *ctx, size_t size)
{
	ml_raise_full(ctx, ML_ERROR_MEMORY, "memory limit of the model engine exceeded",
				  ml_format(ctx, "The call holds %s and needs %s more; the limit is %s.",
							size_text(ctx, ctx->used_memory), size_text(ctx, size), size_text(ctx, ctx->max_memory)),
				  "Raise mlaas.max_memory, use fewer features, or read fewer rows.");
}

void *
ml_alloc(MlContext *ctx, size_t size)
{
	size_t		total = size + BLOCK_ALIGN + sizeof(BlockHeader);
	char	   *raw;
	char	   *block;

	if (total < size)
		ml_raise(ctx, ML_ERROR_MEMORY, "requested size of %zu bytes is too large", size);
	/* a small allowance lets the error's own text be made */
	if (ctx->max_memory != 0 && size > 4096 &&
		(size > ctx->max_memory || ctx->used_memory > ctx->max_memory - size))
		raise_memory_limit(ctx, size);

	raw = ctx->alloc(ctx, total);
	block = (char *) (((uintptr_t) raw + sizeof(BlockHeader) + BLOCK_ALIGN - 1) & ~(uintptr_t) (BLOCK_ALIGN - 1));
	block_header(block)->raw = raw;
	block_header(block)->size = size;
	ctx->used_memory += size;
	if (ctx->used_memory > ctx->peak_memory)
		ctx->peak_memory = ctx->used_memory;
	return block;
}

void *
ml_alloc_zero(MlContext *ctx, size_t size)
{
	return memset(ml_alloc(ctx, size), 0, size);
}

void *
ml_alloc_array(MlContext *ctx, size_t count, size_t size)
{
	size_t		total;

	if (__builtin_mul_overflow(count, size, &total))
		ml_raise(ctx, ML_ERROR_MEMORY, "requested array of %zu elements of %zu bytes is too large", count, size);
	return ml_alloc(ctx, total);
}

void *
ml_alloc_array_zero(MlContext *ctx, size_t count, size_t size)
{
	void	   *block = ml_alloc_array(ctx, count, size);

	return memset(block, 0, count * size);
}

void *
ml_realloc(MlContext *ctx, void *block, size_t size)
{
	void	   *grown = ml_alloc(ctx, size);

	if (block != NULL)
	{
		size_t		old = block_header(block)->size;

		memcpy(grown, block, old < size ? old : size);
		ml_free(ctx, block);
	}
	return grown;
}

void
ml_free(MlContext *ctx, void *block)
{
	BlockHeader *header;

	if (block == NULL)
		return;
	header = block_header(block);
	ctx->used_memory -= header->size;
	ctx->free(ctx, header->raw);
}

/* vprintf into context memory. */
static char *format_list(MlContext *ctx, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static char *
format_list(MlContext *ctx, const char *format, va_list args)
{
	va_list		again;
	int			length;
	char	   *text;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	text = ml_alloc(ctx, (size_t) length + 1);
	vsnprintf(text, (size_t) length + 1, format, again);
	va_end(again);
	return text;
}

char *
ml_format(MlContext *ctx, const char *format,...)
{
	va_list		args;
	char	   *text;

	va_start(args, format);
	text = format_list(ctx, format, args);
	va_end(args);
	return text;
}

char *
ml_strndup(MlContext *ctx, const char *bytes, size_t length)
{
	char	   *copy = ml_alloc(ctx, length + 1);

	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

char *
ml_strdup(MlContext *ctx, const char *string)
{
	return ml_strndup(ctx, string, strlen(string));
}

void
ml_raise(MlContext *ctx, MlErrorCode code, const char *format,...)
{
	va_list		args;
	char	   *message;

	va_start(args, format);
	message = format_list(ctx, format, args);
	va_end(args);
	ml_raise_full(ctx, code, message, NULL, NULL);
}

void
ml_raise_full(MlContext *ctx, MlErrorCode code, const char *message, const char *detail, const char *hint)
{
	MlError		error = {code, message, detail, hint};

	ctx->raise(ctx, &error);
	__builtin_unreachable();
}

void
ml_check(MlContext *ctx)
{
	ctx->check(ctx);
}

void
ml_progress(MlContext *ctx, const char *phase, uint64_t iteration, uint64_t total, double loss)
{
	if (ctx->progress != NULL)
		ctx->progress(ctx, &(MlProgress) {
			.phase = phase,.iteration = iteration,.total = total,
				.fraction = total > 0 ? (double) iteration / (double) total : NAN,.loss = loss
		});
}

void
ml_progress_at_most(MlContext *ctx, const char *phase, uint64_t iteration, uint64_t most, double loss)
{
	if (ctx->progress != NULL)
		ctx->progress(ctx, &(MlProgress) {
			.phase = phase,.iteration = iteration,.total = most,.fraction = NAN,.loss = loss
		});
}

bool
ml_progress_due(MlContext *ctx)
{
	return ctx->progress != NULL && ctx->progress_due(ctx);
}

#define MAX_NAME 64

/* Levenshtein distance of two names, ignoring case; long names are cut. */
static size_t
edit_distance(const char *a, const char *b)
{
	size_t		row[MAX_NAME + 1];
	size_t		na = strnlen(a, MAX_NAME);
	size_t		nb = strnlen(b, MAX_NAME);

	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++)
	{
		size_t		diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++)
		{
			size_t		cost = tolower((unsigned char) a[i - 1]) != tolower((unsigned char) b[j - 1]);
			size_t		best = diagonal + cost;

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[nb];
}

const char *
ml_nearest_name(const char *name, const char *const *names, size_t n)
{
	size_t		length = strnlen(name, MAX_NAME);
	size_t		limit = length / 3 > 1 ? length / 3 : 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++)
	{
		size_t		distance = edit_distance(name, names[i]);

		if (distance <= limit && distance < strnlen(names[i], MAX_NAME))
		{
			limit = distance;
			if (nearest == NULL || edit_distance(name, nearest) > distance)
				nearest = names[i];
		}
	}
	return nearest;
}

const char *
ml_candidates_hint(MlContext *ctx, const char *what, const char *name, const char *const *names, size_t n)
{
	const char *nearest = ml_nearest_name(name, names, n);
	size_t		shown = n < 20 ? n : 20;
	char	   *list;

	if (nearest != NULL)
		return ml_format(ctx, "Perhaps you meant the %s \"%s\".", what, nearest);
	if (n == 0)
		return ml_format(ctx, "There is no %s.", what);
	list = ml_format(ctx, "\"%s\"", names[0]);
	for (size_t i = 1; i < shown; i++)
		list = ml_format(ctx, "%s, \"%s\"", list, names[i]);
	if (shown < n)
		return ml_format(ctx, "There is: %s and %zu more.", list, n - shown);
	return ml_format(ctx, "There is: %s.", list);
}
