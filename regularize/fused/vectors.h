// Vectors of LANES numbers: 16 (AVX-512), 8 (AVX2) or 4 (NEON), of the compiler's own vector type.
//
// A lane never adds to another, and every sum runs through its terms in one order with one rounding each (`fma`), so
// that all widths and compilers give the same bits (-ffp-contract=off).
#pragma once
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Where a call would send registers to memory.
#define INLINE __attribute__((always_inline)) inline
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

namespace {

typedef float V __attribute__((vector_size(4 * LANES)));
typedef int32_t Index __attribute__((vector_size(4 * LANES)));
typedef uint8_t Bytes __attribute__((vector_size(LANES)));
constexpr int REGISTERS = LANES == 8 ? 16 : 32;

// a * b + c, rounded once.
#if LANES == 16
typedef float Short __attribute__((vector_size(32)));  // for rows of five, which would leave most of V empty
inline V fma(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Short fma(Short a, Short b, Short c) { return (Short)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#elif LANES == 8
typedef V Short;
inline V fma(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#elif LANES == 4
typedef V Short;
inline V fma(V a, V b, V c) { return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#endif

// Four sums are complete here: else compilers put off what only the last of them needs, and its terms to memory.
inline void complete(V (&sums)[4]) {
#if defined(__x86_64__)
  __asm__ volatile("" : "+v"(sums[0]), "+v"(sums[1]), "+v"(sums[2]), "+v"(sums[3]));
#elif defined(__aarch64__)
  __asm__ volatile("" : "+w"(sums[0]), "+w"(sums[1]), "+w"(sums[2]), "+w"(sums[3]));
#endif
}

template <class T> constexpr int lanes = sizeof(T) / sizeof(float);
template <class T> inline T load(const float *p) { T v; memcpy(&v, p, sizeof v); return v; }
template <class T> inline void store(float *p, T v) { memcpy(p, &v, sizeof v); }
template <class T> inline T splat(float s) { return s - T{}; }
constexpr int whole(int count, int step) { return (count + step - 1) / step * step; }

}  // namespace
