// SPDX-License-Identifier: Apache-2.0
// y = x W^T with float32 inputs, once for every instruction set and storage.
//
// Every y is a sum in one fixed order, whatever the batch, the split of rows and the path taken, so the bits never depend on them:
//   blocks of kBlock columns in order; inside a block two vector accumulators, even and odd vectors of columns, added, then summed across
//   lanes by V::sum4's tree; block sums are added up in float32, first block first.
// Few inputs (decode): rows are converted in registers and meet all inputs at once; the matrix is read once, as up to kDirectRows streams
// that lie far apart, each front to back: measured 1.2 to 1.8 times as fast as one stream from memory (Zen 4), and x is loaded once for
// them. Many inputs: a panel of rows x one block is converted into L2, then register tiles of kTileRows x kTileInputs run over it.
//
// V supplies, beside storage.h's: set1, add, sum4 (four horizontal sums), keep (the value must be in a register), kTileRows, kTileInputs
// (2 * kTileRows * kTileInputs accumulators and the operands fit the register file), kDirectInputs (inputs up to which a row is converted
// in registers) and kDirectRows (rows read at once then, at most: they share loads of x).
#pragma once

#include <algorithm>

#include "kernels/cpu/generic/storage.h"
#include "kernels/cpu/scratch.h"
#include "kernels/float_rows.h"

namespace jang::kernels::generic {

inline constexpr std::int64_t kBlock = 512;      // columns; a multiple of every group
inline constexpr std::int64_t kPanelRows = 192;  // kPanelRows * kBlock floats stay in L2
inline constexpr std::int64_t kPrefetch = 6144;  // bytes ahead of all streams together

// Sums of kRows x kInputs accumulator pairs into out[row][input].
template <class V, int kRows, int kInputs>
inline void sum_tile(const typename V::F (&acc)[kRows][kInputs][2], float (&out)[kRows][kInputs]) {
  using F = typename V::F;
  constexpr int kCount = kRows * kInputs;
  F sums[(kCount + 3) / 4 * 4];
#pragma GCC unroll 16
  for (int a = 0; a < (kCount + 3) / 4 * 4; ++a)
    sums[a] = a < kCount ? V::add(acc[a / kInputs % kRows][a % kInputs][0], acc[a / kInputs % kRows][a % kInputs][1]) : V::set1(0.0f);
  float flat[(kCount + 3) / 4 * 4];
#pragma GCC unroll 4
  for (int a = 0; a < kCount; a += 4) V::sum4(sums[a], sums[a + 1], sums[a + 2], sums[a + 3], flat + a);
  std::memcpy(out, flat, sizeof out);
}

// One block of kRows float rows against kInputs inputs. n: columns, a multiple of a step.
template <class V, int kRows, int kInputs>
inline void panel_tile(const float* w, std::int64_t w_stride, const float* x, std::int64_t x_stride, std::int64_t n,
                       float (&out)[kRows][kInputs]) {
  using F = typename V::F;
  F acc[kRows][kInputs][2];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int i = 0; i < kInputs; ++i) acc[r][i][0] = acc[r][i][1] = V::set1(0.0f);
  for (std::int64_t c = 0; c < n; c += 2 * V::kLanes) {
#pragma GCC unroll 2
    for (int u = 0; u < 2; ++u) {
      F wv[kRows];
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) wv[r] = V::load(w + r * w_stride + c + u * V::kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) {
        F xv = V::load(x + i * x_stride + c + u * V::kLanes);
        if constexpr (kRows > 1) V::keep(xv);  // one load, not one in every fma
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) acc[r][i][u] = V::fma(wv[r], xv, acc[r][i][u]);
      }
    }
  }
  sum_tile<V, kRows, kInputs>(acc, out);
}

struct Inputs {
  const float* x = nullptr;
  std::int64_t stride = 0, n = 0;  // floats; rows
};
struct Outputs {
  float* y = nullptr;
  std::int64_t stride = 0;
  bool first = true;  // block: store, not add
};

template <class V, int kRows, int kInputs>
inline void tile(const float* w, std::int64_t w_stride, const float* x, std::int64_t x_stride, std::int64_t n, const Outputs& out,
                 float* y) {
  float sums[kRows][kInputs];
  panel_tile<V, kRows, kInputs>(w, w_stride, x, x_stride, n, sums);
  for (int i = 0; i < kInputs; ++i)
    for (int r = 0; r < kRows; ++r) y[i * out.stride + r] = out.first ? sums[r][i] : y[i * out.stride + r] + sums[r][i];
}

// kInputs inputs against all rows of a panel.
template <class V, int kInputs, int kRows = V::kTileRows>
void panel_column(const float* panel, std::int64_t n_rows, std::int64_t n, const float* x, std::int64_t x_stride, const Outputs& out,
                  float* y) {
  if constexpr (kRows > 0) {
    const std::int64_t whole = n_rows / kRows * kRows;
    for (std::int64_t r = 0; r < whole; r += kRows) tile<V, kRows, kInputs>(panel + r * n, n, x, x_stride, n, out, y + r);
    if (whole < n_rows) panel_column<V, kInputs, kRows - 1>(panel + whole * n, n_rows - whole, n, x, x_stride, out, y + whole);
  }
}

template <class V, int kInputs = V::kTileInputs>
void panel_inputs(int count, const float* panel, std::int64_t n_rows, std::int64_t n, const float* x, std::int64_t x_stride,
                  const Outputs& out, float* y) {
  if constexpr (kInputs > 0) {
    if (count == kInputs) return panel_column<V, kInputs>(panel, n_rows, n, x, x_stride, out, y);
    panel_inputs<V, kInputs - 1>(count, panel, n_rows, n, x, x_stride, out, y);
  }
}

template <class V, class Row>
void matmul_panels(const MatrixView& w, const Inputs& in, float* y, std::int64_t y_stride) {
  float* panel = scratch(kPanelRows * kBlock);
  const std::int64_t n_tiles = (in.n + V::kTileInputs - 1) / V::kTileInputs;
  for (std::int64_t row0 = 0; row0 < w.n_rows; row0 += kPanelRows) {
    const std::int64_t n_rows = std::min(kPanelRows, w.n_rows - row0);
    for (std::int64_t c0 = 0; c0 < w.n_cols; c0 += kBlock) {
      const std::int64_t end = std::min(c0 + kBlock, w.n_cols), n = (end - c0 + kStep - 1) / kStep * kStep;
      for (std::int64_t r = 0; r < n_rows; ++r) expand<V>(Row(w, row0 + r), c0, end, true, panel + r * n);
      const Outputs out{y, y_stride, c0 == 0};
      for (std::int64_t t = 0; t < n_tiles; ++t) {  // tiles of about equal size
        const std::int64_t i0 = t * in.n / n_tiles, i1 = (t + 1) * in.n / n_tiles;
        panel_inputs<V>(static_cast<int>(i1 - i0), panel, n_rows, n, in.x + i0 * in.stride + c0, in.stride, out, y + i0 * y_stride + row0);
      }
    }
  }
}

// One converted step of 32 columns of a row against kInputs inputs.
template <class V, int kInputs>
inline void direct_step(const typename V::F (&w)[kStepVectors<V>], const float* x, std::int64_t x_stride,
                        typename V::F (&acc)[kInputs][2]) {
#pragma GCC unroll 8
  for (int v = 0; v < kStepVectors<V>; ++v)
#pragma GCC unroll 16
    for (int i = 0; i < kInputs; ++i) acc[i][v % 2] = V::fma(w[v], V::load(x + i * x_stride + v * V::kLanes), acc[i][v % 2]);
}

// Rows row, row + apart, ... (kRows of them) against kInputs inputs.
template <class V, class Row, int kRows, int kInputs>
inline void direct_rows(const MatrixView& w, std::int64_t row, std::int64_t apart, const float* x, std::int64_t x_stride, float* y,
                        std::int64_t y_stride) {
  using F = typename V::F;
  Row rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = Row(w, row + r * apart);
  float total[kRows][kInputs] = {};
  for (std::int64_t c0 = 0; c0 < w.n_cols; c0 += kBlock) {
    const std::int64_t end = std::min(c0 + kBlock, w.n_cols);
    F acc[kRows][kInputs][2], weights[kStepVectors<V>];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (int i = 0; i < kInputs; ++i) acc[r][i][0] = acc[r][i][1] = V::set1(0.0f);
    std::int64_t c = c0;
    for (; c + kStep <= end; c += kStep) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        rows[r].prefetch(c, kPrefetch / kRows);
        rows[r].step(c, weights);
        direct_step<V, kInputs>(weights, x + c, x_stride, acc[r]);
      }
    }
    if constexpr (!Row::kWholeSteps) {
      for (int r = 0; r < kRows && c < end; ++r) {
        rows[r].tail(c, static_cast<int>(end - c), weights);
        direct_step<V, kInputs>(weights, x + c, x_stride, acc[r]);
      }
    }
    float sums[kRows][kInputs];
    sum_tile<V, kRows, kInputs>(acc, sums);
    for (int r = 0; r < kRows; ++r)
      for (int i = 0; i < kInputs; ++i) total[r][i] = c0 == 0 ? sums[r][i] : total[r][i] + sums[r][i];
  }
  for (int r = 0; r < kRows; ++r)
    for (int i = 0; i < kInputs; ++i) y[i * y_stride + row + r * apart] = total[r][i];
}

template <class V, class Row, int kInputs = V::kDirectInputs>
void matmul_direct(const MatrixView& w, const Inputs& in, float* y, std::int64_t y_stride) {
  if constexpr (kInputs > 0) {
    if (in.n != kInputs) return matmul_direct<V, Row, kInputs - 1>(w, in, y, y_stride);
    constexpr int kRows = std::clamp(V::kTileRows * V::kTileInputs / kInputs, 1, V::kDirectRows);
    const std::int64_t apart = w.n_rows / kRows;
    for (std::int64_t r = 0; r < apart; ++r) direct_rows<V, Row, kRows, kInputs>(w, r, apart, in.x, in.stride, y, y_stride);
    for (std::int64_t r = apart * kRows; r < w.n_rows; ++r) direct_rows<V, Row, 1, kInputs>(w, r, 0, in.x, in.stride, y, y_stride);
  }
}

template <class V>
void matmul(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
  const Inputs in{reinterpret_cast<const float*>(inputs), float_row_bytes(w.format, w.n_cols) / 4, n};
  with_row_type<V>(w.format, [&]<class Row>() {
    if (n <= V::kDirectInputs) return matmul_direct<V, Row>(w, in, y, y_stride);
    matmul_panels<V, Row>(w, in, y, y_stride);
  });
}

}  // namespace jang::kernels::generic
