/*
 * Sorting by a least-significant-digit radix sort: linear in the number of rows, no comparisons, one buffer.
 *
 * Many numbers are sorted in pieces that stay in a processor's cache, and these merged two by two, on threads: keys
 * that are equal are the same, so there is one result.
 */
#include "base/sort.h"

#include <string.h>

#include "base/threads.h"

/* How many rows pass between two looks at a cancel. */
#define CHECK_ROWS ((size_t) 1 << 20)

/* Numbers that are sorted at once. */
#define PIECE ((size_t) 1 << 16)

/* Sort few rows of so many words each by their first word. */
static inline __attribute__((always_inline)) void
insertion_sort(uint64_t *a, size_t n, size_t words)
{
	for (size_t i = 1; i < n; i++)
	{
		uint64_t	element[ML_WORDS_WEIGHTED];
		size_t		j = i;

		memcpy(element, a + i * words, words * sizeof(uint64_t));
		for (; j > 0 && a[(j - 1) * words] > element[0]; j--)
			memcpy(a + j * words, a + (j - 1) * words, words * sizeof(uint64_t));
		memcpy(a + j * words, element, words * sizeof(uint64_t));
	}
}

/* Look at a cancel, but on a thread (NULL). */
static inline void
look(MlContext *ctx)
{
	if (ctx != NULL)
		ml_check(ctx);
}

/* Count the bytes of all keys, for every place at once. */
static void
count_digits(MlContext *ctx, const uint64_t *a, size_t n, size_t words, size_t count[8][256])
{
	memset(count, 0, sizeof(size_t) * 8 * 256);
	for (size_t begin = 0; begin < n; begin += CHECK_ROWS)
	{
		size_t		end = n - begin > CHECK_ROWS ? begin + CHECK_ROWS : n;

		look(ctx);
		for (size_t i = begin; i < end; i++)
			for (int digit = 0; digit < 8; digit++)
				count[digit][(a[i * words] >> (8 * digit)) & 255]++;
	}
}

/* Sort n rows of so many words each by their first word; buffer is as large as a. */
static inline __attribute__((always_inline)) void
radix_sort(MlContext *ctx, uint64_t *a, uint64_t *buffer, size_t n, size_t words)
{
	size_t		count[8][256];
	uint64_t   *from = a;
	uint64_t   *to = buffer;

	count_digits(ctx, a, n, words, count);
	for (int digit = 0; digit < 8; digit++)
	{
		size_t	   *next = count[digit];
		size_t		position = 0;
		int			shift = 8 * digit;
		uint64_t   *swap;

		if (next[(a[0] >> shift) & 255] == n)
			continue;			/* all alike in this place */
		for (int b = 0; b < 256; b++)
		{
			size_t		here = next[b];

			next[b] = position;
			position += here;
		}
		for (size_t begin = 0; begin < n; begin += CHECK_ROWS)
		{
			size_t		end = n - begin > CHECK_ROWS ? begin + CHECK_ROWS : n;

			look(ctx);
			for (size_t i = begin; i < end; i++)
				memcpy(to + next[(from[i * words] >> shift) & 255]++ * words, from + i * words,
					   words * sizeof(uint64_t));
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != a)
		memcpy(a, from, n * words * sizeof(uint64_t));
}

void
ml_sort_rows(MlContext *ctx, uint64_t *rows, uint64_t *buffer, size_t n, size_t words)
{
	if (n <= ML_SORT_UNBUFFERED && words == ML_WORDS_KEY)
		insertion_sort(rows, n, ML_WORDS_KEY);
	else if (n <= ML_SORT_UNBUFFERED)
		insertion_sort(rows, n, ML_WORDS_WEIGHTED);
	else if (words == ML_WORDS_KEY)
		radix_sort(ctx, rows, buffer, n, ML_WORDS_KEY);
	else
		radix_sort(ctx, rows, buffer, n, ML_WORDS_WEIGHTED);
}

void
ml_sort_keyed(MlContext *ctx, MlKeyed *keyed, size_t n)
{
	MlKeyed    *buffer = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));

	ml_sort_rows(ctx, &keyed->key, &buffer->key, n, ML_WORDS_WEIGHTED);
	ml_free(ctx, buffer);
}

/* Numbers that are sorted on threads. */
typedef struct NumbersJob
{
	double	   *numbers;
	uint64_t   *from;
	uint64_t   *to;
	size_t		n;
	size_t		run;			/* so many of from are sorted each */
} NumbersJob;

static void
sort_piece(void *arg, size_t begin, size_t end, int worker)
{
	const NumbersJob *job = arg;

	(void) worker;
	for (size_t i = begin; i < end; i++)
		job->from[i] = ml_score_key(job->numbers[i]);
	if (end - begin <= ML_SORT_UNBUFFERED)
		insertion_sort(job->from + begin, end - begin, ML_WORDS_KEY);
	else
		radix_sort(NULL, job->from + begin, job->to + begin, end - begin, ML_WORDS_KEY);
}

/* Merge two sorted lists without a branch on their order. */
static void
merge_lists(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint64_t *out)
{
	while (na > 0 && nb > 0)
	{
		size_t		second = *b < *a;

		*out++ = second ? *b : *a;
		a += !second;
		na -= !second;
		b += second;
		nb -= second;
	}
	memcpy(out, a, na * sizeof(uint64_t));
	memcpy(out + na, b, nb * sizeof(uint64_t));
}

/* Merge pairs of runs; the last may lack its second. */
static void
merge_piece(void *arg, size_t begin, size_t end, int worker)
{
	const NumbersJob *job = arg;

	(void) worker;
	for (size_t pair = begin; pair < end; pair++)
	{
		size_t		at = 2 * pair * job->run;
		size_t		middle = job->n - at < job->run ? job->n : at + job->run;
		size_t		stop = job->n - middle < job->run ? job->n : middle + job->run;

		merge_lists(job->from + at, middle - at, job->from + middle, stop - middle, job->to + at);
	}
}

static void
number_piece(void *arg, size_t begin, size_t end, int worker)
{
	const NumbersJob *job = arg;

	(void) worker;
	for (size_t i = begin; i < end; i++)
		job->numbers[i] = ml_key_score(job->from[i]);
}

void
ml_sort_numbers(MlContext *ctx, double *numbers, size_t n)
{
	uint64_t   *keys = ml_alloc_array(ctx, n + 1, sizeof(uint64_t));
	uint64_t   *buffer = ml_alloc_array(ctx, n + 1, sizeof(uint64_t));
	NumbersJob	job = {.numbers = numbers,.from = keys,.to = buffer,.n = n};

	ml_parallel_for(ctx, n, PIECE, sort_piece, &job);
	for (job.run = PIECE; job.run < n; job.run *= 2)
	{
		uint64_t   *swap = job.from;

		ml_parallel_for(ctx, (n - 1) / (2 * job.run) + 1, 1, merge_piece, &job);
		job.from = job.to;
		job.to = swap;
	}
	ml_parallel_for(ctx, n, PIECE, number_piece, &job);
	ml_free(ctx, buffer);
	ml_free(ctx, keys);
}
