// Linear layers of R runs, one run at a time: y = x wᵀ + b, and its gradients.
//
// All three are one product, whose lanes are the columns of what is computed. x [R,N,IN], w [R,OUT,IN], b [R,OUT],
// y [R,N,OUT], row-major, without gaps; gradients like what they are gradients of.
#include <stdlib.h>

#include "vectors.h"

namespace {

// c[m, n] = Σ_t a[m, t] b[t, n], t rising, for ROWS x VECTORS·LANES of c. `a` lies anyhow, b and c in rows.
struct Product {
  const float *a, *b;
  float *c;
  int64_t a_row, a_term, b_term, c_row, terms;

  template <int ROWS, int VECTORS> void block(int64_t m, int64_t n, int columns) const {
    V sums[ROWS][VECTORS] = {};
    const float *left = a + m * a_row, *right = b + n;
    for (int64_t t = 0; t < terms; t++, left += a_term, right += b_term) {
      V row[VECTORS];
      UNROLL for (int v = 0; v < VECTORS; v++) row[v] = load<V>(right + v * LANES);
      UNROLL for (int r = 0; r < ROWS; r++) {
        const V value = splat<V>(left[r * a_row]);
        UNROLL for (int v = 0; v < VECTORS; v++) sums[r][v] = fma(value, row[v], sums[r][v]);
      }
    }
    UNROLL for (int r = 0; r < ROWS; r++) memcpy(c + (m + r) * c_row + n, sums[r], columns * sizeof(float));
  }
  template <int VECTORS> void rows(int64_t count, int64_t n, int columns = VECTORS * LANES) const {
    constexpr int ROWS = 6;
    int64_t m = 0;
    for (; m + ROWS <= count; m += ROWS) block<ROWS, VECTORS>(m, n, columns);
    for (; m < count; m++) block<1, VECTORS>(m, n, columns);
  }
  void run(int64_t count, int64_t width) const {
    constexpr int WIDE = REGISTERS == 32 ? 4 : 2;
    int64_t n = 0;
    for (; n + WIDE * LANES <= width; n += WIDE * LANES) rows<WIDE>(count, n);
    for (; n + LANES <= width; n += LANES) rows<1>(count, n);
    if (n < width) rest(count, n, int(width - n));
  }
  // Fewer columns than lanes: no vector may read beyond the end of b.
  void rest(int64_t count, int64_t n, int columns) const {
    float *padded = (float *)calloc(terms * LANES, sizeof(float));
    for (int64_t t = 0; t < terms; t++) memcpy(padded + t * LANES, b + t * b_term + n, columns * sizeof(float));
    const Product same = {a, padded - n, c, a_row, a_term, LANES, c_row, terms};
    same.rows<1>(count, n, columns);
    free(padded);
  }
};

}  // namespace

// b can be null: none.
extern "C" void linear_forward(const float *x, const float *w, const float *b, float *y, int64_t runs, int64_t images,
                               int64_t in, int64_t out) {
  float *columns = (float *)malloc(in * out * sizeof(float));  // wᵀ
  for (int64_t r = 0; r < runs; r++, x += images * in, w += in * out, y += images * out) {
    for (int64_t o = 0; o < out; o += 16)
      for (int64_t k = 0; k < in; k++)
        for (int64_t p = o; p < o + 16 && p < out; p++) columns[k * out + p] = w[p * in + k];
    Product{x, columns, y, in, 1, out, out, in}.run(images, out);
    if (b)
      for (int64_t n = 0; n < images; n++)
        for (int64_t o = 0; o < out; o++) y[n * out + o] += b[r * out + o];
  }
  free(columns);
}

// dw and dx can be null, and db where dw is given: what is not wanted.
extern "C" void linear_backward(const float *x, const float *w, const float *gy, float *dw, float *db, float *dx,
                                int64_t runs, int64_t images, int64_t in, int64_t out) {
  for (int64_t r = 0; r < runs; r++, x += images * in, w += in * out, gy += images * out) {
    if (dx) Product{gy, w, dx + r * images * in, out, 1, in, in, out}.run(images, in);
    if (dw) Product{gy, x, dw + r * out * in, 1, out, in, in, images}.run(out, in);
    if (!db) continue;
    memset(db + r * out, 0, out * sizeof(float));
    for (int64_t n = 0; n < images; n++)
      for (int64_t o = 0; o < out; o++) db[r * out + o] += gy[n * out + o];
  }
}
