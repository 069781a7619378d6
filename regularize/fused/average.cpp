// LeNet's stages as LeCun had them, in one pass each: 5x5 convolution, bias, 1.7159 tanh(2z/3), mean over 2x2; and their
// derivatives.
//
// Here the activation comes before the pool, and every position has a gradient. The forward pass keeps the four tanh
// of each pooled pixel, `units`: four vectors for each vector of `Forward::POINTS`. All gradients are laid out like them.
// The backward pass visits all positions: of large images by vectors of columns, as the forward pass does, of small
// ones by vectors of a kernel's rows.
//
// With the activation IDENTITY these are plain means, whose sums of small whole numbers are exact.
#include "forward.h"

namespace {

constexpr float INNER = 2.f / 3, OUTER = 1.7159f;

inline V value(V unit, int activation) { return activation == SCALED_TANH ? OUTER / 4 * unit : unit / 4; }
// Derivatives of a unit by its sum; of y by the sum, and that one's by the unit.
inline V of_unit(V unit, int activation) { return activation == SCALED_TANH ? INNER * (1 - unit * unit) : splat<V>(1); }
inline V slope(V unit, int activation) { return value(of_unit(unit, activation), activation); }
inline V bend(V unit, int activation) { return activation == SCALED_TANH ? -(OUTER * INNER / 2) * unit : V{}; }

struct Squash {
  int activation;
  float *units;
  INLINE V operator()(const V (&four)[4], V bias, int64_t at) const {
    V unit[4];
    UNROLL for (int q = 0; q < 4; q++) {
      unit[q] = four[q] + bias;
      if (activation == SCALED_TANH) unit[q] = tanh_of(INNER * unit[q]);
      store(units + 4 * at + q * LANES, unit[q]);
    }
    return value((unit[0] + unit[1]) + (unit[2] + unit[3]), activation);
  }
};
// A tangent's, and how it changes with the units.
struct Push {
  int activation;
  const float *units;
  float *bends;
  INLINE V operator()(const V (&four)[4], V, int64_t at) const {
    V total = {};
    UNROLL for (int q = 0; q < 4; q++) {
      const V unit = load<V>(units + 4 * at + q * LANES);
      total += four[q] * slope(unit, activation);
      store(bends + 4 * at + q * LANES, four[q] * bend(unit, activation));
    }
    return total;
  }
};
struct Keep {
  float *sums;
  INLINE V operator()(const V (&four)[4], V, int64_t at) const {
    UNROLL for (int q = 0; q < 4; q++) store(sums + 4 * at + q * LANES, four[q]);
    return four[0];
  }
};

template <int IN, int OUT, int SIDE> struct Average : Forward<IN, OUT, SIDE> {
  typedef Forward<IN, OUT, SIDE> Passed;
  using Passed::POOLED, Passed::PIXELS, Passed::LINE, Passed::TAPS, Passed::CHANNELS, Passed::POINTS;
  using Passed::chosen, Passed::place;
  static constexpr int FOURS = 4 * POINTS;

  // What y [PIXELS·OUT] has at the points, zeros where they are none.
  struct Spread {
    float points[POINTS] = {};
    void read(const float *y) {
      for (int i = 0; i < POOLED; i++)
        for (int j = 0; j < POOLED; j++)
          for (int c = 0; c < OUT; c++) points[chosen(i, j, c)] = y[place(i, j, c)];
    }
  };

  // The gradient by an image's sums, from those by y and, if not null, by the units.
  struct Gradient : Spread {
    alignas(64) float sums[FOURS];
    void read(const float *units, const float *gy, const float *by_units, int activation) {
      Spread::read(gy);
      for (int at = 0; at < POINTS; at += LANES)
        UNROLL for (int q = 0; q < 4; q++) {
          const int here = 4 * at + q * LANES;
          const V unit = load<V>(units + here);
          V found = load<V>(this->points + at) * slope(unit, activation);
          if (by_units) found += load<V>(by_units + here) * of_unit(unit, activation);
          store(sums + here, found);
        }
    }
  };

  // --- Large images, by columns. There are 16, of which the last add up what nothing uses.

  struct WeightsByColumns {
    static constexpr int BLOCK = REGISTERS == 32 ? 4 : 2, REST = OUT % BLOCK;  // channels at once
    typename Passed::ByColumns pass;
    alignas(64) float sums[OUT * TAPS][16] = {}, biases[OUT][16] = {};

    void add(const float *x, int side, const float *g) {
      pass.read(x, side);
      for (int first = 0; first + BLOCK <= OUT; first += BLOCK) channels<BLOCK>(first, g);
      if constexpr (REST) channels<REST>(OUT - REST, g);
      for (int c = 0; c < OUT; c++)
        for (int h = 0; h < 16; h += LANES) {
          V total = {};
          for (int i = 0; i < POOLED; i++)
            UNROLL for (int q = 0; q < 4; q++) total += load<V>(g + 4 * chosen(i, h, c) + q * LANES);
          store(biases[c] + h, load<V>(biases[c] + h) + total);
        }
    }
    template <int COUNT> void channels(int first, const float *g) {
      for (int k = 0; k < IN; k++)
        for (int ky = 0; ky < 5; ky++)
          for (int h = 0; h < 16; h += LANES) {
            V total[COUNT][5] = {};
            for (int y = 0; y < 2 * POOLED; y++)
              add(total, pass.image + (k * SIDE + y + ky) * pass.EVEN_ODD + h,
                  g + 4 * chosen(y / 2, h, first) + y % 2 * 2 * LANES);
            UNROLL for (int c = 0; c < COUNT; c++)
              UNROLL for (int kx = 0; kx < 5; kx++) {
                float *to = sums[(first + c) * TAPS + k * 25 + ky * 5 + kx] + h;
                store(to, load<V>(to) + total[c][kx]);
              }
          }
    }
    template <int COUNT> static void add(V (&total)[COUNT][5], const float *row, const float *g) {
      V x[6];
      UNROLL for (int q = 0; q < 6; q++) x[q] = load<V>(row + (q & 1) * Passed::ByColumns::HALF + (q >> 1));
      UNROLL for (int c = 0; c < COUNT; c++)
        UNROLL for (int dx = 0; dx < 2; dx++) {
          const V value = load<V>(g + 4 * 16 * c + dx * LANES);
          UNROLL for (int kx = 0; kx < 5; kx++) total[c][kx] = fma(value, x[kx + dx], total[c][kx]);
        }
    }
    void write(float *dw, float *db) const {
      for (int t = 0; t < OUT * TAPS; t++) dw[t] = sum(sums[t]);
      for (int c = 0; db && c < OUT; c++) db[c] = sum(biases[c]);
    }
    static float sum(const float *columns) {
      float total = 0;
      for (int j = 0; j < POOLED; j++) total += columns[j];
      return total;
    }
  };

  // The gradient of an image is the same convolution of that by the sums, with four zeros around it.
  struct InputsByColumns {
    typedef Forward<OUT, IN, SIDE + 4> Back;
    typename Back::ByColumns pass;
    float kernels[IN * OUT * 25];
    alignas(64) float sums[4 * Back::POINTS];

    void prepare(const float *w) {
      for (int k = 0; k < IN; k++)
        for (int c = 0; c < OUT; c++)
          for (int t = 0; t < 25; t++) kernels[(k * OUT + c) * 25 + t] = w[c * TAPS + k * 25 + 24 - t];
    }
    void run(const float *g, float *x, int side) {
      for (int i = 0; i < POOLED; i++)
        for (int c = 0; c < OUT; c++)
          for (int q = 0; q < 4; q++) {
            float *row = pass.image + (c * (SIDE + 4) + 4 + 2 * i + q / 2) * pass.EVEN_ODD + q % 2 * pass.HALF + 2;
            const float *from = g + 4 * chosen(i, 0, c) + q * LANES;
            for (int j = 0; j < POOLED; j++) row[j] = from[j / LANES * 4 * LANES + j % LANES];
          }
      float unused[IN * 16];
      const int pad = (SIDE - side) / 2;
      for (int i = 0; i < SIDE / 2; i++) pass.template channels<IN>(i, 0, kernels, nullptr, unused, 0, Keep{sums});
      for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
          for (int k = 0; k < IN; k++) {
            const int row = i + pad, column = j + pad, at = column / 2;
            x[(i * side + j) * IN + k] = sums[4 * Back::chosen(row / 2, at / LANES * LANES, k) +
                                              (row % 2 * 2 + column % 2) * LANES + at % LANES];
          }
    }
  };

  // --- Small images, by the 5·IN numbers of a row of a kernel. Gradients of channels are single numbers.

  static constexpr int WIDTH = whole(5 * IN, LANES), VECTORS = WIDTH / LANES;
  // Of channel c at a position whose pixel's begin there.
  static int channel(int c) { return c / LANES * 4 * LANES + c % LANES; }

  struct WeightsByRows {
    static constexpr int BLOCK = REGISTERS == 32 ? 4 : 2, REST = OUT % BLOCK;  // channels at once
    alignas(64) float rows[VECTORS][SIDE][2 * POOLED][LANES];  // of an image, where a kernel may lie
    float image[SIDE * LINE + WIDTH] = {};
    float sums[OUT][5][WIDTH] = {}, biases[CHANNELS] = {};

    void add(const float *x, int, const float *g) {
      memcpy(image, x, SIDE * LINE * sizeof(float));
      for (int v = 0; v < VECTORS; v++)
        for (int i = 0; i < SIDE; i++)
          for (int j = 0; j < 2 * POOLED; j++)
            store(rows[v][i][j], load<V>(image + i * LINE + j * IN + v * LANES));
      for (int v = 0; v < VECTORS; v++) {
        for (int first = 0; first + BLOCK <= OUT; first += BLOCK) channels<BLOCK>(v, first, g);
        if constexpr (REST) channels<REST>(v, OUT - REST, g);
      }
      for (int c = 0; c < CHANNELS; c += LANES) {
        V total = {};
        for (int p = 0; p < PIXELS; p++)
          UNROLL for (int q = 0; q < 4; q++) total += load<V>(g + 4 * (p * CHANNELS + c) + q * LANES);
        store(biases + c, load<V>(biases + c) + total);
      }
    }
    template <int COUNT> void channels(int v, int first, const float *g) {
      V total[COUNT][5] = {};
      for (int i = 0; i < 2 * POOLED; i++)
        for (int j = 0; j < 2 * POOLED; j++) {
          const float *at = g + 4 * chosen(i / 2, j / 2, 0) + (i % 2 * 2 + j % 2) * LANES;
          V values[COUNT];
          UNROLL for (int c = 0; c < COUNT; c++) values[c] = splat<V>(at[channel(first + c)]);
          UNROLL for (int ky = 0; ky < 5; ky++) {
            const V x = load<V>(rows[v][i + ky][j]);
            UNROLL for (int c = 0; c < COUNT; c++) total[c][ky] = fma(values[c], x, total[c][ky]);
          }
        }
      UNROLL for (int c = 0; c < COUNT; c++)
        UNROLL for (int ky = 0; ky < 5; ky++) {
          float *to = sums[first + c][ky] + v * LANES;
          store(to, load<V>(to) + total[c][ky]);
        }
    }
    void write(float *dw, float *db) const {
      for (int c = 0; c < OUT; c++)
        for (int k = 0; k < IN; k++)
          for (int t = 0; t < 25; t++) dw[c * TAPS + k * 25 + t] = sums[c][t / 5][t % 5 * IN + k];
      if (db) memcpy(db, biases, OUT * sizeof(float));
    }
  };

  struct InputsByRows {
    static constexpr int PAIR = 2 * VECTORS + 4 <= REGISTERS ? 2 : 1;  // positions at once
    static constexpr int ROWS = 5 * PAIR * VECTORS + 4 <= REGISTERS ? 5 : 1;
    alignas(64) float kernels[5][OUT][WIDTH];
    float image[SIDE * LINE + WIDTH];

    void prepare(const float *w) {
      memset(kernels, 0, sizeof kernels);
      for (int c = 0; c < OUT; c++)
        for (int k = 0; k < IN; k++)
          for (int t = 0; t < 25; t++) kernels[t / 5][c][t % 5 * IN + k] = w[c * TAPS + k * 25 + t];
    }
    void run(const float *g, float *x, int) {
      memset(image, 0, sizeof image);
      for (int i = 0; i < 2 * POOLED; i++)
        for (int j = 0; j < 2 * POOLED; j += PAIR)
          for (int row = 0; row < 5; row += ROWS)
            add(g + 4 * chosen(i / 2, j / 2, 0) + (i % 2 * 2 + j % 2) * LANES, row,
                image + (i + row) * LINE + j * IN);
      memcpy(x, image, SIDE * LINE * sizeof(float));
    }
    // A number of the image has its terms in one order whatever fits in registers: by i, then by j.
    void add(const float *g, int row, float *to) const {
      V sums[PAIR][ROWS][VECTORS] = {};
      for (int c = 0; c < OUT; c++)
        UNROLL for (int r = 0; r < ROWS; r++)
          UNROLL for (int v = 0; v < VECTORS; v++) {
            const V weight = load<V>(kernels[row + r][c] + v * LANES);
            UNROLL for (int p = 0; p < PAIR; p++)
              sums[p][r][v] = fma(splat<V>(g[channel(c) + p * LANES]), weight, sums[p][r][v]);
          }
      UNROLL for (int p = 0; p < PAIR; p++)
        UNROLL for (int r = 0; r < ROWS; r++)
          UNROLL for (int v = 0; v < VECTORS; v++) {
            float *at = to + r * LINE + p * IN + v * LANES;
            store(at, load<V>(at) + sums[p][r][v]);
          }
    }
  };

  // dw and dx can be null, db where dw is given, and by_units: what is not wanted, and what there is not.
  static void backward(const float *x, const float *w, const float *units, const float *gy, const float *by_units,
                       float *dw, float *db, float *dx, int64_t runs, int64_t images, int side, int activation) {
    constexpr bool COLUMNS = Passed::COLUMNS;
    typedef typename If<COLUMNS, WeightsByColumns, WeightsByRows>::Type Weights;
    typename If<COLUMNS, InputsByColumns, InputsByRows>::Type inputs;
    Gradient gradient;
    for (int64_t r = 0; r < runs; r++) {
      Weights weights;
      if (dx) inputs.prepare(w + r * OUT * TAPS);
      for (int64_t n = 0; n < images; n++) {
        const int64_t k = r * images + n, from = k * side * side * IN;
        gradient.read(units + k * FOURS, gy + k * PIXELS * OUT, by_units ? by_units + k * FOURS : nullptr, activation);
        if (dw) weights.add(x + from, side, gradient.sums);
        if (dx) inputs.run(gradient.sums, dx + from, side);
      }
      if (dw) weights.write(dw + r * OUT * TAPS, db ? db + r * OUT : nullptr);
    }
  }

  // The gradient by the units of tangents with these bends, from that by the tangents.
  static void bent(const float *gradient, const float *bends, float *out, int64_t images) {
    Spread spread;
    for (int64_t n = 0; n < images; n++, bends += FOURS, out += FOURS) {
      spread.read(gradient + n * PIXELS * OUT);
      for (int at = 0; at < POINTS; at += LANES)
        UNROLL for (int q = 0; q < 4; q++) {
          const int here = 4 * at + q * LANES;
          store(out + here, load<V>(spread.points + at) * load<V>(bends + here));
        }
    }
  }
};

}  // namespace

// As in `stages.cpp`.
#define EXPORT(NAME, IN, OUT, SIDE)                                                                                   \
  extern "C" void average_forward_##NAME(const float *x, const float *w, const float *b, float *y, float *units,      \
                                         int64_t runs, int64_t images, int side, int activation) {                    \
    Average<IN, OUT, SIDE>::forward(x, w, b, y, runs, images, side, Squash{activation, units});                       \
  }                                                                                                                   \
  extern "C" void average_tangent_##NAME(const float *t, const float *w, const float *units, float *out,              \
                                         float *bends, int64_t runs, int64_t images, int side, int activation) {      \
    Average<IN, OUT, SIDE>::forward(t, w, nullptr, out, runs, images, side, Push{activation, units, bends});          \
  }                                                                                                                   \
  extern "C" void average_bent_##NAME(const float *gradient, const float *bends, float *out, int64_t runs,            \
                                      int64_t images, int, int) {                                                     \
    Average<IN, OUT, SIDE>::bent(gradient, bends, out, runs * images);                                                \
  }                                                                                                                   \
  extern "C" void average_backward_##NAME(const float *x, const float *w, const float *units, const float *gy,        \
                                          const float *by_units, float *dw, float *db, float *dx, int64_t runs,       \
                                          int64_t images, int side, int activation) {                                 \
    Average<IN, OUT, SIDE>::backward(x, w, units, gy, by_units, dw, db, dx, runs, images, side, activation);          \
  }

EXPORT(first_1, 1, FIRST, 32)
EXPORT(first_3, 3, FIRST, 32)
EXPORT(second, FIRST, SECOND, 14)
