/*
 * Hot kernels compiled for several processors; the loader picks one at run time.
 */
#ifndef ML_SIMD_H
#define ML_SIMD_H

/*
 * Only x86-64 has these levels; sanitizers and the loader's ifunc resolution do not agree (they build
 * with ML_NO_MULTIVERSION); and clang before 17 names the clones so that no other file can call them.
 */
#if defined(__x86_64__) && defined(__linux__) && !defined(__clang__) && !defined(ML_NO_MULTIVERSION)
#define ML_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ML_MULTIVERSION
#endif

/* Eight doubles; the compiler splits them where the processor's vectors are narrower. */
typedef double MlDouble8 __attribute__((vector_size(64), aligned(8), may_alias));

#endif
