// The convolutions of LeNet's stages, in one pass with what a pool and an activation make of them.
//
// Layouts, row-major, without gaps (R runs of N images):
//   first stage   x [R,N,side,side,IN], padded to 32x32      -> y [R,N,14,14,FIRST]
//   second stage  x [R,N,14,14,FIRST]                        -> y [R,N,SECOND,5,5]
//   w [R,OUT,IN,5,5], b [R,OUT]; derivatives like what they are derivatives of.
#pragma once
#include "pointwise.h"

namespace {

template <bool, class A, class> struct If { typedef A Type; };
template <class A, class B> struct If<false, A, B> { typedef B Type; };

// IN to OUT channels, images of SIDE x SIDE with their padding. Large images: the lanes are the columns of a pooled
// row, and y has its channels last. Small ones: the lanes are output channels, and y has its channels first.
//
// `finish` gets the four sums at a vector of pooled pixels, their biases, and where among the POINTS of all images
// these pixels begin; what it returns is their y.
template <int IN, int OUT, int SIDE> struct Forward {
  static constexpr int POOLED = (SIDE - 4) / 2, PIXELS = POOLED * POOLED, LINE = SIDE * IN, TAPS = IN * 25;
  static constexpr bool COLUMNS = SIDE >= 32;
  static constexpr int CHANNELS = whole(OUT, LANES);                               // with those that fill a vector
  static constexpr int POINTS = COLUMNS ? POOLED * OUT * 16 : PIXELS * CHANNELS;  // of an image, for `chosen`
  static_assert(!COLUMNS || POOLED <= 16, "what the lanes can hold");

  static int chosen(int i, int j, int c) { return COLUMNS ? (i * OUT + c) * 16 + j : (i * POOLED + j) * CHANNELS + c; }
  static int place(int i, int j, int c) {
    return COLUMNS ? (i * POOLED + j) * OUT + c : c * PIXELS + i * POOLED + j;
  }

  struct ByColumns {
    static constexpr int HALF = 24, EVEN_ODD = 2 * HALF, BLOCK = REGISTERS == 32 ? 6 : 2;  // channels at once
    float image[IN * SIDE * EVEN_ODD + 16] = {};  // a row's even columns, then its odd ones

    void prepare(const float *, const float *) {}
    void read(const float *x, int side) {
      const int pad = (SIDE - side) / 2;
      for (int i = 0; i < side; i++)
        for (int c = 0; c < IN; c++) {
          float *row = image + (c * SIDE + i + pad) * EVEN_ODD + pad / 2;
          for (int j = 0; j < side / 2; j++) {
            row[j] = x[(i * side + 2 * j) * IN + c];
            row[HALF + j] = x[(i * side + 2 * j + 1) * IN + c];
          }
        }
    }
    template <class Finish>
    void run(const float *w, const float *b, float *y, int64_t at, const Finish &finish) const {
      float pooled[OUT * 16];
      constexpr int REST = OUT % BLOCK;
      for (int i = 0; i < POOLED; i++) {
        for (int first = 0; first + BLOCK <= OUT; first += BLOCK)
          channels<BLOCK>(i, first, w, b, pooled, at, finish);
        if constexpr (REST) channels<REST>(i, OUT - REST, w, b, pooled, at, finish);
        for (int j = 0; j < POOLED; j++)
          UNROLL for (int c = 0; c < OUT; c++) y[place(i, j, c)] = pooled[c * 16 + j];
      }
    }
    template <int COUNT, class Finish>
    void channels(int i, int first, const float *w, const float *b, float *pooled, int64_t at,
                  const Finish &finish) const {
      for (int h = 0; h < 16; h += LANES) {
        V sums[COUNT][4] = {};
        for (int k = 0; k < IN; k++) add(sums, image + (k * SIDE + 2 * i) * EVEN_ODD + h, w + first * TAPS + k * 25);
        UNROLL for (int c = 0; c < COUNT; c++) complete(sums[c]);
        UNROLL for (int c = 0; c < COUNT; c++)
          store(pooled + (first + c) * 16 + h,
                finish(sums[c], splat<V>(b ? b[first + c] : 0), at + chosen(i, h, first + c)));
      }
    }
    template <int COUNT> static void add(V (&sums)[COUNT][4], const float *rows, const float *w) {
      UNROLL for (int r = 0; r < 6; r++) {
        V x[6];
        UNROLL for (int q = 0; q < 6; q++) x[q] = load<V>(rows + r * EVEN_ODD + (q & 1) * HALF + (q >> 1));
        UNROLL for (int dy = 0; dy < 2; dy++) {
          if (r - dy < 0 || r - dy > 4) continue;
          UNROLL for (int kx = 0; kx < 5; kx++) {
            __asm__ volatile("" ::: "memory");  // weights are loaded where they are used: they do not fit in registers
            UNROLL for (int c = 0; c < COUNT; c++) {
              const V weight = splat<V>(w[c * TAPS + (r - dy) * 5 + kx]);
              UNROLL for (int dx = 0; dx < 2; dx++)
                sums[c][2 * dy + dx] = fma(weight, x[kx + dx], sums[c][2 * dy + dx]);
            }
          }
        }
      }
    }
  };

  struct ByChannels {
    static constexpr int MOST = 16 / LANES, REST = CHANNELS / LANES % MOST;  // vectors of channels at once
    float taps[TAPS * CHANNELS] = {}, biases[CHANNELS] = {};  // of the run: MOST vectors by [ky, kx, IN], the next, …
    const float *image;

    void prepare(const float *w, const float *b) {
      for (int c = 0; c < OUT; c++) {
        const int first = c / 16 * 16, width = CHANNELS - first < 16 ? CHANNELS - first : 16;
        for (int k = 0; k < IN; k++)
          for (int t = 0; t < 25; t++) taps[first * TAPS + (t * IN + k) * width + c - first] = w[c * TAPS + k * 25 + t];
        if (b) biases[c] = b[c];
      }
    }
    void read(const float *x, int) { image = x; }
    template <class Finish>
    void run(const float *, const float *, float *y, int64_t at, const Finish &finish) const {
      for (int first = 0; first + 16 <= CHANNELS; first += 16) channels<MOST>(first, y, at, finish);
      if constexpr (REST) channels<REST>(CHANNELS - REST * LANES, y, at, finish);
    }
    template <int VECTORS, class Finish>
    void channels(int first, float *y, int64_t at, const Finish &finish) const {
      constexpr int BLOCK = REGISTERS == 32 && VECTORS == 1 ? 2 * POOLED : 2;
      for (int i = 0; i < POOLED; i++)
        for (int left = 0; left < 2 * POOLED; left += BLOCK) {
          V sums[BLOCK / 2][VECTORS][4] = {};
          add(sums, taps + first * TAPS, image + 2 * i * LINE + left * IN);
          UNROLL for (int j = 0; j < BLOCK / 2; j++)
            UNROLL for (int v = 0; v < VECTORS; v++) {
              const int column = left / 2 + j, channel = first + v * LANES;
              const V found = finish(sums[j][v], load<V>(biases + channel), at + chosen(i, column, channel));
              UNROLL for (int c = 0; c < LANES; c++)
                if (OUT == CHANNELS || channel + c < OUT) y[place(i, column, channel + c)] = found[c];
            }
        }
    }
    template <int PAIRS, int VECTORS>
    static void add(V (&sums)[PAIRS][VECTORS][4], const float *taps, const float *corner) {
      for (int ky = 0; ky < 5; ky++)
        for (int t = 0; t < 5 * IN; t++, taps += VECTORS * LANES) {
          V weight[VECTORS];
          UNROLL for (int v = 0; v < VECTORS; v++) weight[v] = load<V>(taps + v * LANES);
          UNROLL for (int dy = 0; dy < 2; dy++)
            UNROLL for (int j = 0; j < 2 * PAIRS; j++) {
              const V x = splat<V>(corner[(ky + dy) * LINE + j * IN + t]);
              UNROLL for (int v = 0; v < VECTORS; v++) {
                V &sum = sums[j / 2][v][2 * dy + j % 2];
                sum = fma(x, weight[v], sum);
              }
            }
        }
    }
  };

  template <class Finish>
  static void forward(const float *x, const float *w, const float *b, float *y, int64_t runs, int64_t images,
                      int side, const Finish &finish) {
    typename If<COLUMNS, ByColumns, ByChannels>::Type pass;
    int64_t at = 0;
    for (int64_t r = 0; r < runs; r++, w += OUT * TAPS, b += b ? OUT : 0) {
      pass.prepare(w, b);
      for (int64_t n = 0; n < images; n++, x += side * side * IN, y += PIXELS * OUT, at += POINTS) {
        pass.read(x, side);
        pass.run(w, b, y, at, finish);
      }
    }
  }
};

}  // namespace
