// SPDX-License-Identifier: Apache-2.0
// Products of two float matrices, for gradients: contract in ops.h.
//
// c is made in tiles of kProductRows rows and kProductVectors vectors, held in registers over up to kSteps of k. b is packed panel by panel
// (a tile's columns, all steps), a block by block, so that the inner loop reads both without strides. k is cut at multiples of kSteps only:
// the order of a sum does not depend on m and n.
//
// V supplies kLanes, F, load, store, set1, add, fma; 16 registers where it has 8 lanes, 32 otherwise.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/generic/vector_math.h"
#include "kernels/cpu/scratch.h"
#include "kernels/ops.h"

namespace jang::kernels::generic {

inline constexpr int kProductRows = 6;
inline constexpr std::int64_t kSteps = 256, kBlockRows = 96;  // kBlockRows: of a, packed at a time; a multiple of kProductRows
template <class V>
inline constexpr int kProductVectors = V::kLanes == 8 ? 2 : 4;

// The steps [0, steps) of one tile: a [steps, kProductRows], b [steps, panel width], both packed.
template <class V>
inline void product_tile(const float* a, const float* b, std::int64_t steps, typename V::F (&sums)[kProductRows][kProductVectors<V>]) {
  constexpr int kV = kProductVectors<V>;
  for (std::int64_t k = 0; k < steps; ++k, a += kProductRows, b += kV * V::kLanes) {
    typename V::F x[kV];
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) x[v] = V::load(b + v * V::kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kProductRows; ++r) {
      const typename V::F y = V::set1(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) sums[r][v] = V::fma(y, x[v], sums[r][v]);
    }
  }
}

// One tile of c, `rows` and `columns` of it real.
template <class V>
inline void product_tile_of_c(const float* a, const float* b, std::int64_t steps, float* c, std::int64_t c_row, std::int64_t rows,
                              std::int64_t columns, bool add) {
  constexpr int kV = kProductVectors<V>;
  typename V::F sums[kProductRows][kV];
#pragma GCC unroll 6
  for (int r = 0; r < kProductRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) sums[r][v] = V::set1(0.0f);
  product_tile<V>(a, b, steps, sums);
  for (int r = 0; r < std::min<std::int64_t>(rows, kProductRows); ++r)
    for (int v = 0; v < kV && v * V::kLanes < columns; ++v) {
      float* at = c + r * c_row + v * V::kLanes;
      const std::int64_t left = columns - v * V::kLanes;
      store_some<V>(at, left, add ? V::add(load_some<V>(at, left), sums[r][v]) : sums[r][v]);
    }
}

// Rows of a block of a as tiles: [tile, step, kProductRows], zeros behind the last row.
template <class V>  // so that every instruction set has its own
inline void pack_rows(const ProductArgs& p, std::int64_t first, std::int64_t rows, std::int64_t step, std::int64_t steps, float* out) {
  for (std::int64_t i = 0; i < rows; i += kProductRows, out += steps * kProductRows)
    for (std::int64_t r = 0; r < kProductRows; ++r) {
      const float* from = p.a + (first + i + r) * p.a_row + step * p.a_step;
      for (std::int64_t k = 0; k < steps; ++k) out[k * kProductRows + r] = i + r < rows ? from[k * p.a_step] : 0.0f;
    }
}
// Columns that lie beside each other, as in a transposed a: whole steps at a time.
template <class V>
inline void pack_columns(const ProductArgs& p, std::int64_t first, std::int64_t rows, std::int64_t step, std::int64_t steps, float* out) {
  for (std::int64_t k = 0; k < steps; ++k) {
    const float* from = p.a + first + (step + k) * p.a_step;
    for (std::int64_t i = 0; i < rows; i += kProductRows)
      for (std::int64_t r = 0; r < kProductRows; ++r) out[i * steps + k * kProductRows + r] = i + r < rows ? from[i + r] : 0.0f;
  }
}

template <class V>
void product(const ProductArgs& p) {
  constexpr std::int64_t kPanel = kProductVectors<V> * V::kLanes;
  float* a = scratch(kBlockRows * kSteps + kSteps * kPanel);
  float* b = a + kBlockRows * kSteps;
  for (std::int64_t step = 0; step < p.k; step += kSteps) {
    const std::int64_t steps = std::min(kSteps, p.k - step);
    for (std::int64_t first = 0; first < p.m; first += kBlockRows) {
      const std::int64_t rows = std::min(kBlockRows, p.m - first);
      (p.a_row == 1 ? pack_columns<V> : pack_rows<V>)(p, first, rows, step, steps, a);
      for (std::int64_t j = 0; j < p.n; j += kPanel) {
        const std::int64_t columns = std::min(kPanel, p.n - j);
        for (std::int64_t k = 0; k < steps; ++k)
          for (std::int64_t v = 0; v < kPanel; v += V::kLanes)
            V::store(b + k * kPanel + v, v < columns ? load_some<V>(p.b + (step + k) * p.b_row + j + v, columns - v) : V::set1(0.0f));
        for (std::int64_t i = 0; i < rows; i += kProductRows)
          product_tile_of_c<V>(a + i * steps, b, steps, p.c + (first + i) * p.c_row + j, p.c_row, rows - i, columns, p.add || step > 0);
      }
    }
  }
  if (p.k > 0 || p.add) return;
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) p.c[i * p.c_row + j] = 0.0f;
}

}  // namespace jang::kernels::generic
