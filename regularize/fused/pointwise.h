// What happens to a pooled pixel: which of four sums is the largest, and the activation; by vectors.
#pragma once
#include "vectors.h"

namespace {

// Numbers from 0 to 255 as bytes, and back.
#if LANES == 16
inline Bytes narrowed(Index numbers) { return (Bytes)_mm512_cvtepi32_epi8((__m512i)numbers); }
inline Index widened(Bytes bytes) { return (Index)_mm512_cvtepu8_epi32((__m128i)bytes); }
#elif LANES == 8
inline Bytes narrowed(Index numbers) {
  const __m256i all = (__m256i)numbers;
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  return (Bytes)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
}
inline Index widened(Bytes bytes) { return (Index)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes)); }
#else
inline Bytes narrowed(Index numbers) { return __builtin_convertvector(numbers, Bytes); }
inline Index widened(Bytes bytes) { return __builtin_convertvector(bytes, Index); }
#endif

// The largest of four, and which it was: the first of equals, and NaN before all, as torch has it.
inline V largest(const V (&four)[4], uint8_t *choice) {
  V most = four[0];
  Index which = {};
  UNROLL for (int q = 1; q < 4; q++) {
    const Index more = (four[q] > most) | (four[q] != four[q]);
    most = more ? four[q] : most;
    which = more ? Index{} + q : which;
  }
  const Bytes bytes = narrowed(which);
  memcpy(choice, &bytes, sizeof bytes);
  return most;
}

// That of the four that was the largest.
inline V chosen_of(const V (&four)[4], const uint8_t *choice) {
  Bytes bytes;
  memcpy(&bytes, choice, sizeof bytes);
  const Index which = widened(bytes);
  V found = four[0];
  UNROLL for (int q = 1; q < 4; q++) found = which == q ? four[q] : found;
  return found;
}

enum Activation { IDENTITY, RELU, TANH };

// A rational function that is within 4e-7 of tanh, relatively, and 1 where tanh rounds to 1 (as in Eigen).
inline V tanh_of(V x) {
  const V most = splat<V>(7.99881172f);
  x = x > most ? most : x;  // NaN stays
  x = x < -most ? -most : x;
  const V s = x * x;
  const float over[] = {2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f,
                        6.37261928875436e-04f, 4.89352455891786e-03f};
  const float under[] = {1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f};
  V p = splat<V>(-2.76076847742355e-16f), q = splat<V>(1.19825839466702e-06f);
  for (float a : over) p = fma(p, s, splat<V>(a));
  for (float a : under) q = fma(q, s, splat<V>(a));
  return x * p / q;
}

inline V activated(V z, int activation) {
  if (activation == RELU) return z < 0 ? V{} : z;  // NaN stays
  return activation == TANH ? tanh_of(z) : z;
}

// The gradient g [n] before an activation whose value is y.
inline void through(const float *g, const float *y, float *out, int64_t n, int activation) {
  if (activation == RELU)
    for (int64_t t = 0; t < n; t++) out[t] = y[t] <= 0 ? 0.f : g[t];
  else if (activation == TANH)
    for (int64_t t = 0; t < n; t++) out[t] = g[t] * (1 - y[t] * y[t]);
  else if (out != g)
    memcpy(out, g, n * sizeof(float));
}

}  // namespace
