// LeNet's stages in one pass each: 5x5 convolution, 2x2 maximum pool, bias, activation; and their derivatives.
//
// Between convolution and activation a network of this size only moves memory, and three quarters of the gradient
// behind a maximum pool are zeros. So a pooled pixel's four sums never leave the registers, the forward pass notes
// which of them was the largest, and the backward pass visits these positions alone.
//
// Images go through one at a time: a run's numbers do not depend on the runs beside it.
//
// A library is of one pair of numbers of filters, FIRST and SECOND: 6 and 16 times the network's width.
// Layouts: see `forward.h`; `choice` as `Forward::chosen` says.
#include "forward.h"

namespace {

template <int IN> struct RowOf { typedef V Vector; };
template <> struct RowOf<1> { typedef Short Vector; };

// What the forward pass and the tangents' make of a pooled pixel's four sums.
struct Pool {
  int activation;
  uint8_t *choice;
  INLINE V operator()(const V (&four)[4], V bias, int64_t at) const {
    return activated(largest(four, choice + at) + bias, activation);
  }
};
struct Choose {
  const uint8_t *choice;
  INLINE V operator()(const V (&four)[4], V, int64_t at) const { return chosen_of(four, choice + at); }
};

template <int IN, int OUT, int SIDE> struct Stage : Forward<IN, OUT, SIDE> {
  typedef Forward<IN, OUT, SIDE> Passed;
  using Passed::POOLED, Passed::PIXELS, Passed::LINE, Passed::TAPS, Passed::POINTS, Passed::chosen, Passed::place;
  typedef typename RowOf<IN>::Vector Row;
  static constexpr int SLACK = 64;  // numbers behind an image that vectors read, and nothing uses

  // --- Backward: an image's gradient before the activation, laid out like y, and where the largest was, like `choice`.

  struct Picked {
    float gradient[OUT * PIXELS];
    int32_t corner[POINTS], corners[POINTS] = {};  // where in an image its 5x5 inputs begin; all at the first
    int32_t kernel[POINTS], kernels[POINTS] = {};  // the same in `Inputs::kernels`

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
      for (int t = 0; t < POINTS; t++) {
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
        picked.read(y + k * PIXELS * OUT, gy + k * PIXELS * OUT, choice + k * POINTS, activation);
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
  extern "C" int64_t points_##NAME() { return Stage<IN, OUT, SIDE>::POINTS; }                                       \
  extern "C" void forward_##NAME(const float *x, const float *w, const float *b, float *y, uint8_t *choice,           \
                               int64_t runs, int64_t images, int side, int activation) {                              \
    Stage<IN, OUT, SIDE>::forward(x, w, b, y, runs, images, side, Pool{activation, choice});                          \
  }                                                                                                                   \
  extern "C" void tangent_##NAME(const float *t, const float *w, const float *y, const uint8_t *choice, float *out,   \
                               int64_t runs, int64_t images, int side, int activation) {                              \
    Stage<IN, OUT, SIDE>::forward(t, w, nullptr, out, runs, images, side, Choose{choice});                          \
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
