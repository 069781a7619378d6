// LeNet's stages in one pass each: 5x5 convolution, 2x2 maximum pool, bias, activation; and their derivatives.
//
// Between convolution and activation a network of this size only moves memory, and three quarters of the gradient
// behind a maximum pool are zeros. So a pooled pixel's four sums never leave the registers, the forward pass notes
// which of them was the largest, and the backward pass visits these positions alone.
//
// Images go through one at a time: a run's numbers do not depend on the runs beside it.
//
// A library is of one pair of numbers of filters, FIRST and SECOND: 6 and 16 times the network's width.
//
// Layouts, row-major, without gaps (R runs of N images):
//   first stage   x [R,N,side,side,IN], padded to 32x32      -> y [R,N,14,14,FIRST]
//   second stage  x [R,N,14,14,FIRST]                        -> y [R,N,SECOND,5,5]
//   w [R,OUT,IN,5,5], b [R,OUT]; derivatives like what they are derivatives of; `choice` as `Stage::chosen` says.
#include "pointwise.h"

namespace {

template <int IN> struct RowOf { typedef V Vector; };
template <> struct RowOf<1> { typedef Short Vector; };

// What the forward pass and the tangents' make of a pooled pixel's four sums.
struct Pool {
  int activation;
  V operator()(const V (&four)[4], V bias, uint8_t *choice) const {
    return activated(largest(four, choice) + bias, activation);
  }
};
struct Choose {
  V operator()(const V (&four)[4], V, uint8_t *choice) const { return chosen_of(four, choice); }
};

// IN to OUT channels, images of SIDE x SIDE with their padding. Large images: the lanes are the columns of a pooled
// row, and y has its channels last. Small ones: the lanes are output channels, and y has its channels first.
template <int IN, int OUT, int SIDE> struct Stage {
  static constexpr int POOLED = (SIDE - 4) / 2, PIXELS = POOLED * POOLED, LINE = SIDE * IN, TAPS = IN * 25;
  static constexpr bool COLUMNS = SIDE == 32;
  static constexpr int CHANNELS = whole(OUT, LANES);                               // with those that fill a vector
  static constexpr int CHOICES = COLUMNS ? POOLED * OUT * 16 : PIXELS * CHANNELS;  // of an image
  static_assert(!COLUMNS || POOLED <= 16, "what the lanes can hold");
  typedef typename RowOf<IN>::Vector Row;
  static constexpr int SLACK = 64;  // numbers behind an image that vectors read, and nothing uses

  static int chosen(int i, int j, int c) { return COLUMNS ? (i * OUT + c) * 16 + j : (i * POOLED + j) * CHANNELS + c; }
  static int place(int i, int j, int c) {
    return COLUMNS ? (i * POOLED + j) * OUT + c : c * PIXELS + i * POOLED + j;
  }

  // --- Forward: what `finish` makes of the four sums at every pooled pixel.

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
    void run(const float *w, const float *b, float *y, uint8_t *choice, const Finish &finish) const {
      float pooled[OUT * 16];
      constexpr int REST = OUT % BLOCK;
      for (int i = 0; i < POOLED; i++) {
        for (int first = 0; first + BLOCK <= OUT; first += BLOCK)
          channels<BLOCK>(i, first, w, b, pooled, choice, finish);
        if constexpr (REST) channels<REST>(i, OUT - REST, w, b, pooled, choice, finish);
        for (int j = 0; j < POOLED; j++)
          UNROLL for (int c = 0; c < OUT; c++) y[place(i, j, c)] = pooled[c * 16 + j];
      }
    }
    template <int COUNT, class Finish>
    void channels(int i, int first, const float *w, const float *b, float *pooled, uint8_t *choice,
                  const Finish &finish) const {
      for (int h = 0; h < 16; h += LANES) {
        V sums[COUNT][4] = {};
        for (int k = 0; k < IN; k++) add(sums, image + (k * SIDE + 2 * i) * EVEN_ODD + h, w + first * TAPS + k * 25);
        UNROLL for (int c = 0; c < COUNT; c++)
          store(pooled + (first + c) * 16 + h,
                finish(sums[c], splat<V>(b ? b[first + c] : 0), choice + chosen(i, h, first + c)));
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
    void run(const float *, const float *, float *y, uint8_t *choice, const Finish &finish) const {
      for (int first = 0; first + 16 <= CHANNELS; first += 16) channels<MOST>(first, y, choice, finish);
      if constexpr (REST) channels<REST>(CHANNELS - REST * LANES, y, choice, finish);
    }
    template <int VECTORS, class Finish>
    void channels(int first, float *y, uint8_t *choice, const Finish &finish) const {
      constexpr int BLOCK = REGISTERS == 32 && VECTORS == 1 ? 2 * POOLED : 2;
      for (int i = 0; i < POOLED; i++)
        for (int left = 0; left < 2 * POOLED; left += BLOCK) {
          V sums[BLOCK / 2][VECTORS][4] = {};
          add(sums, taps + first * TAPS, image + 2 * i * LINE + left * IN);
          UNROLL for (int j = 0; j < BLOCK / 2; j++)
            UNROLL for (int v = 0; v < VECTORS; v++) {
              const int at = left / 2 + j, channel = first + v * LANES;
              const V found = finish(sums[j][v], load<V>(biases + channel), choice + chosen(i, at, channel));
              UNROLL for (int c = 0; c < LANES; c++)
                if (OUT == CHANNELS || channel + c < OUT) y[place(i, at, channel + c)] = found[c];
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

  template <bool, class A, class> struct If { typedef A Type; };
  template <class A, class B> struct If<false, A, B> { typedef B Type; };

  template <class Finish>
  static void forward(const float *x, const float *w, const float *b, float *y, uint8_t *choice, int64_t runs,
                      int64_t images, int side, const Finish &finish) {
    typename If<COLUMNS, ByColumns, ByChannels>::Type pass;
    for (int64_t r = 0; r < runs; r++, w += OUT * TAPS, b += b ? OUT : 0) {
      pass.prepare(w, b);
      for (int64_t n = 0; n < images; n++, x += side * side * IN, y += PIXELS * OUT, choice += CHOICES) {
        pass.read(x, side);
        pass.run(w, b, y, choice, finish);
      }
    }
  }

  // --- Backward: an image's gradient before the activation, laid out like y, and where the largest was, like `choice`.

  struct Picked {
    float gradient[OUT * PIXELS];
    int32_t corner[CHOICES], corners[CHOICES] = {};  // where in an image its 5x5 inputs begin; all at the first
    int32_t kernel[CHOICES], kernels[CHOICES] = {};  // the same in `Inputs::kernels`

    Picked() {
      for (int i = 0; i < POOLED; i++)
        for (int j = 0; j < POOLED; j++)
          for (int c = 0; c < OUT; c++) {
            corners[chosen(i, j, c)] = 2 * i * LINE + 2 * j * IN;
            kernels[chosen(i, j, c)] = (c * 7 + 1) * Inputs::WIDTH;
          }
    }
    void read(const float *y, const float *gy, const uint8_t *choice, int activation) {
      through(gy, y, gradient, OUT * PIXELS, activation);
      for (int t = 0; t < CHOICES; t++) {
        const int dy = choice[t] >> 1, dx = choice[t] & 1;
        corner[t] = corners[t] + dy * LINE + dx * IN;
        kernel[t] = kernels[t] - dy * Inputs::WIDTH + dx * OUT * 7 * Inputs::WIDTH;
      }
    }
  };

  // The gradients of a run's weights and biases; the lanes are the 5·IN weights of a row of a kernel.
  struct Weights {
    static constexpr int WIDTH = whole(5 * IN, lanes<Row>);
    float sums[OUT][5][WIDTH] = {}, biases[OUT] = {};
    float image[SIDE * LINE + SLACK] = {};

    void add(const float *x, int side, const Picked &picked) {
      const int pad = (SIDE - side) / 2;
      for (int i = 0; i < side; i++) memcpy(image + ((i + pad) * SIDE + pad) * IN, x + i * side * IN, side * IN * 4);
      for (int c = 0; c < OUT; c++) {
        float total = 0;
        for (int h = 0; h < WIDTH; h += lanes<Row>) total = add_row(c, h, picked);
        biases[c] += total;
      }
    }
    struct Sum {
      Row rows[5];
      float total;
      void add(float g, const float *x) {
        total += g;
        UNROLL for (int r = 0; r < 5; r++) rows[r] = fma(splat<Row>(g), load<Row>(x + r * LINE), rows[r]);
      }
    };
    float add_row(int c, int h, const Picked &picked) {
      Sum even = {}, odd = {};  // two, as one would wait for its own last addition
      const auto add = [&](Sum &sum, int i, int j) {
        sum.add(picked.gradient[place(i, j, c)], image + h + picked.corner[chosen(i, j, c)]);
      };
      for (int i = 0; i < POOLED; i++) {
        for (int j = 0; j + 1 < POOLED; j += 2) add(even, i, j), add(odd, i, j + 1);
        if (POOLED % 2) add(even, i, POOLED - 1);
      }
      UNROLL for (int r = 0; r < 5; r++)
        store(sums[c][r] + h, load<Row>(sums[c][r] + h) + (even.rows[r] + odd.rows[r]));
      return even.total + odd.total;
    }
    void write(float *dw, float *db) const {
      for (int c = 0; c < OUT; c++)
        for (int k = 0; k < IN; k++)
          for (int t = 0; t < 25; t++) dw[c * TAPS + k * 25 + t] = sums[c][t / 5][t % 5 * IN + k];
      if (db) memcpy(db, biases, sizeof biases);
    }
  };

  // The gradient of an image; the lanes are the 6·IN numbers of a row of the 6x6 inputs of a pooled pixel.
  struct Inputs {
    static constexpr int VECTORS = whole(6 * IN, lanes<Row>) / lanes<Row>, WIDTH = VECTORS * lanes<Row>;
    static constexpr int ROWS = 6 * VECTORS + 2 <= REGISTERS ? 6 : 2;
    static constexpr int PARTS = whole(VECTORS * ROWS, REGISTERS - 2) / (REGISTERS - 2);
    static constexpr int PART = whole(VECTORS, PARTS) / PARTS, REST = VECTORS % PART;  // vectors at once
    alignas(64) float kernels[2][OUT][7][WIDTH];  // rows of [kx, IN], shifted by dx; a row of zeros on either side
    float image[SIDE * LINE + SLACK];

    void prepare(const float *w) {
      memset(kernels, 0, sizeof kernels);
      for (int dx = 0; dx < 2; dx++)
        for (int c = 0; c < OUT; c++)
          for (int k = 0; k < IN; k++)
            for (int t = 0; t < 25; t++) kernels[dx][c][1 + t / 5][(t % 5 + dx) * IN + k] = w[c * TAPS + k * 25 + t];
    }
    void run(const Picked &picked, float *x, int side) {
      memset(image, 0, sizeof image);
      for (int i = 0; i < POOLED; i++)
        for (int j = 0; j < POOLED; j++)
          for (int row = 0; row < 6; row += ROWS) {
            for (int first = 0; first + PART <= VECTORS; first += PART) add<PART>(picked, i, j, row, first);
            if constexpr (REST) add<REST>(picked, i, j, row, VECTORS - REST);
          }
      const int pad = (SIDE - side) / 2;
      for (int i = 0; i < side; i++) memcpy(x + i * side * IN, image + ((i + pad) * SIDE + pad) * IN, side * IN * 4);
    }
    template <int COUNT> void add(const Picked &picked, int i, int j, int row, int first) {
      Row sums[ROWS][COUNT] = {};
      for (int c = 0; c < OUT; c++) {
        const Row g = splat<Row>(picked.gradient[place(i, j, c)]);
        const float *kernel = kernels[0][0][row] + picked.kernel[chosen(i, j, c)] + first * lanes<Row>;
        UNROLL for (int r = 0; r < ROWS; r++)
          UNROLL for (int v = 0; v < COUNT; v++)
            sums[r][v] = fma(g, load<Row>(kernel + r * WIDTH + v * lanes<Row>), sums[r][v]);
      }
      UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < COUNT; v++) {
          float *to = image + (2 * i + row + r) * LINE + 2 * j * IN + (first + v) * lanes<Row>;
          store(to, load<Row>(to) + sums[r][v]);
        }
    }
  };

  // dw and dx can be null, and db where dw is given: what is not wanted.
  static void backward(const float *x, const float *w, const float *y, const float *gy, const uint8_t *choice,
                       float *dw, float *db, float *dx, int64_t runs, int64_t images, int side, int activation) {
    Picked picked;
    Inputs inputs;
    for (int64_t r = 0; r < runs; r++) {
      Weights weights;
      if (dx) inputs.prepare(w + r * OUT * TAPS);
      for (int64_t n = 0; n < images; n++) {
        const int64_t k = r * images + n;
        picked.read(y + k * PIXELS * OUT, gy + k * PIXELS * OUT, choice + k * CHOICES, activation);
        if (dw) weights.add(x + k * side * side * IN, side, picked);
        if (dx) inputs.run(picked, dx + k * side * side * IN, side);
      }
      if (dw) weights.write(dw + r * OUT * TAPS, db ? db + r * OUT : nullptr);
    }
  }
};

}  // namespace

// forward_first_1, tangent_first_1, backward_first_1, …: the first stage by its input channels, and the second.
#define EXPORT(NAME, IN, OUT, SIDE)                                                                                   \
  extern "C" int64_t choices_##NAME() { return Stage<IN, OUT, SIDE>::CHOICES; }                                       \
  extern "C" void forward_##NAME(const float *x, const float *w, const float *b, float *y, uint8_t *choice,           \
                               int64_t runs, int64_t images, int side, int activation) {                              \
    Stage<IN, OUT, SIDE>::forward(x, w, b, y, choice, runs, images, side, Pool{activation});                          \
  }                                                                                                                   \
  extern "C" void tangent_##NAME(const float *t, const float *w, const float *y, uint8_t *choice, float *out,         \
                               int64_t runs, int64_t images, int side, int activation) {                              \
    Stage<IN, OUT, SIDE>::forward(t, w, nullptr, out, choice, runs, images, side, Choose{});                          \
    through(out, y, out, runs * images * Stage<IN, OUT, SIDE>::PIXELS * OUT, activation);                             \
  }                                                                                                                   \
  extern "C" void backward_##NAME(const float *x, const float *w, const float *y, const float *gy,                    \
                                const uint8_t *choice, float *dw, float *db, float *dx, int64_t runs,                 \
                                int64_t images, int side, int activation) {                                           \
    Stage<IN, OUT, SIDE>::backward(x, w, y, gy, choice, dw, db, dx, runs, images, side, activation);                  \
  }

EXPORT(first_1, 1, FIRST, 32)
EXPORT(first_3, 3, FIRST, 32)
EXPORT(second, FIRST, SECOND, 14)
