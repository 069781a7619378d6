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

enum Activation { IDENTITY, RELU, TANH, SCALED_TANH };

// tanh to within 2 last bits, by e = exp(-2|x|): (1 - e) / (1 + e), or beyond 1 as 1 - 2e / (1 + e). So it comes to 1 where
// tanh rounds to 1, at 9, and 1 - tanh² of units near there is as right as float32 has it.
inline V tanh_of(V x) {
  V a = x < 0 ? -x : x;
  a = a > 10 ? splat<V>(10) : a;  // NaN stays
  // -2a = n ln 2 + r, with ln 2 in two parts; n is what is left of a sum with so large a number, and its last bits.
  const V large = splat<V>(12582912), shifted = fma(a, splat<V>(-2.88539008f), large), n = shifted - large;
  const V r = fma(n, splat<V>(-1.42860677e-6f), fma(n, splat<V>(-0.693145752f), -2 * a));
  const float terms[] = {1 / 720.f, 1 / 120.f, 1 / 24.f, 1 / 6.f, 1 / 2.f};
  V p = splat<V>(1 / 5040.f);
  for (float term : terms) p = fma(p, r, splat<V>(term));
  const V power = (V)(((Index)shifted << 23) + 0x3f800000), rest = power * fma(r * r, p, r);  // e = 2ⁿ + rest
  const Index far = a > 1;
  const V over = far ? -2 * (power + rest) : (1 - power) - rest;
  const V t = (far ? splat<V>(1) : V{}) + over / (1 + power + rest);
  return x < 0 ? -t : t;
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
