// SPDX-License-Identifier: Apache-2.0
// Many float32 matrix products in one launch: gradients of weights, and the products inside the gradient of attention.
#pragma once

#include "kernels/cuda/launch.h"

namespace jang::kernels::cuda {

// Which part of the scores of a block of queries exists: query i sees keys j with j <= i + shift and, with a window, j > i + shift -
// window.
enum class Band : std::int32_t {
  none,
  result,   // rows are queries, columns keys: tiles that nobody sees are left as they are
  keys,     // rows are queries, the sum is over keys
  queries,  // rows are keys, the sum is over queries
};

// c (+)= sum over segments s and k of a_s[., k] b_s[k, .]. c: [m, n]. How a and b lie is said for all products of a launch.
struct Product {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  std::int64_t a_stride = 0, b_stride = 0, c_stride = 0;
  std::int64_t a_segment = 0, b_segment = 0;  // floats from segment to segment
  std::int32_t m = 0, n = 0, k = 0, segments = 1;
  Band band = Band::none;
  std::int32_t shift = 0, window = 0, add = 0;
  std::int32_t first_tile = 0;  // of the launch; filled by place_tiles()
};

// Sizes of a tile.
inline constexpr int kSmallTile = 64, kLargeTile = 128;

// Tiles of a product.
[[nodiscard]] inline std::int64_t tiles_of(const Product& p, int tile) {
  return static_cast<std::int64_t>((p.m + tile - 1) / tile) * ((p.n + tile - 1) / tile);
}

// `products`: `n` of them on the card, their tiles placed one behind the other, `tiles` in all.
// a[k, row], b[k, column]
void product_of_columns(const Product* products, int n, int tile, std::int64_t tiles, Stream stream);
// a[row, k], b[k, column], in small tiles
void product_of_rows(const Product* products, int n, std::int64_t tiles, Stream stream);
// a[row, k], b[column, k], in small tiles
void product_of_rows_with_rows(const Product* products, int n, std::int64_t tiles, Stream stream);

// dx (+)= dy W, or for the slots of a mixture dy W_e.
struct LinearBackArgs {
  Matrices w;
  Rows dy, dx;
  Columns columns;
  bool add = false;
};
void linear_back(const LinearBackArgs& a, int multiprocessors, Stream stream);

}  // namespace jang::kernels::cuda
