/*
 * Small trees applied to many rows at once, without walking.
 *
 * Problem: the leaf of each of ML_BITS_ROWS rows in a tree of at most 64 leaves, numbered from the left.  Every
 * leaf begins as a candidate; each split that sends a row right strikes the leaves of its left side out; the first
 * candidate left is the leaf.  All splits are looked at, in any order, and none is branched on.
 * Lucchese et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees,
 * SIGIR 2015; over several rows: Lucchese et al., Exploiting CPU SIMD extensions to speed-up document scoring with
 * tree ensembles, SIGIR 2016.
 */
#include <string.h>

#include "base/simd.h"
#include "learn/forest_internal.h"

typedef int32_t Int4 __attribute__((vector_size(16), aligned(4), may_alias));

/* Rows of vectors of a type, as many side by side as registers hold. */
#define DEFINE_KERNEL(name, target, Vector, words, vectors) \
static target void \
name(const MlBitNode *nodes, size_t count, const int32_t *codes, size_t ldc, uint32_t *masks) \
{ \
	const size_t lanes = sizeof(Vector) / sizeof(int32_t); \
	\
	for (size_t row = 0; row < ML_BITS_ROWS; row += (vectors) * lanes) \
	{ \
		Vector		left[words][vectors]; \
		\
		for (int w = 0; w < (words); w++) \
			for (int v = 0; v < (vectors); v++) \
				left[w][v] = ~(Vector) {0}; \
		for (size_t i = 0; i < count; i++) \
		{ \
			const Vector *code = (const Vector *) (codes + nodes[i].column * ldc + row); \
			Vector		rank = nodes[i].by - (Vector) {0}; \
			\
			_Pragma("GCC unroll 8") \
			for (int v = 0; v < (vectors); v++) \
			{ \
				Vector		stays = ~(code[v] > rank); \
				\
				_Pragma("GCC unroll 2") \
				for (int w = 0; w < (words); w++) \
					left[w][v] &= stays | ((int32_t) nodes[i].keep[w] - (Vector) {0}); \
			} \
		} \
		for (int w = 0; w < (words); w++) \
			for (int v = 0; v < (vectors); v++) \
				((Vector *) (masks + w * ML_BITS_ROWS + row))[v] = left[w][v]; \
	} \
}

DEFINE_KERNEL(one_word, , Int4, 1, 8)
DEFINE_KERNEL(two_words, , Int4, 2, 4)

#if defined(__x86_64__) && !defined(ML_NO_MULTIVERSION)
#define ML_BITS_X86
typedef int32_t Int8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t Int16 __attribute__((vector_size(64), aligned(4), may_alias));

DEFINE_KERNEL(one_word_avx2, __attribute__((target("avx2"))), Int8, 1, 8)
DEFINE_KERNEL(two_words_avx2, __attribute__((target("avx2"))), Int8, 2, 4)
DEFINE_KERNEL(one_word_avx512, __attribute__((target("avx512f"))), Int16, 1, 4)
DEFINE_KERNEL(two_words_avx512, __attribute__((target("avx512f"))), Int16, 2, 4)
#endif

MlBitKernel
ml_bits_kernel(int words)
{
#ifdef ML_BITS_X86
	if (__builtin_cpu_supports("avx512f"))
		return words == 1 ? one_word_avx512 : two_words_avx512;
	if (__builtin_cpu_supports("avx2"))
		return words == 1 ? one_word_avx2 : two_words_avx2;
#endif
	return words == 1 ? one_word : two_words;
}

/* Strike leaves out by a split of few levels, whose set is one word. */
static ML_MULTIVERSION void
strike_few(uint32_t set, uint32_t keep, const int32_t *codes, uint32_t *masks)
{
	for (size_t i = 0; i < ML_BITS_ROWS; i++)
		masks[i] &= keep | (0 - (set >> codes[i] & 1));
}

/* The same for a set of any size. */
static ML_MULTIVERSION void
strike_many(const uint32_t *set, uint32_t keep, const int32_t *codes, uint32_t *masks)
{
	for (size_t i = 0; i < ML_BITS_ROWS; i++)
		masks[i] &= keep | (0 - (set[codes[i] / 32] >> codes[i] % 32 & 1));
}

void
ml_bits_categories(const MlForestCode *code, const MlBitTree *tree, const int32_t *codes, size_t ldc, uint32_t *masks)
{
	for (size_t i = tree->categories; i < tree->end; i++)
	{
		const MlBitNode *node = &code->bit_nodes[i];
		const uint32_t *set = code->bit_sets + node->by;

		for (uint32_t w = 0; w < tree->words; w++)
			if (code->column[node->column].levels < 32)
				strike_few(*set, node->keep[w], codes + node->column * ldc, masks + w * ML_BITS_ROWS);
			else
				strike_many(set, node->keep[w], codes + node->column * ldc, masks + w * ML_BITS_ROWS);
	}
}
