// SPDX-License-Identifier: Apache-2.0
// A block per tile of a product; tiles of all products of a launch are numbered through.
#include "kernels/cuda/products.h"

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/product_tile.cuh"

namespace jang::kernels::cuda {
namespace {

// The product that tile `index` belongs to: the last whose first tile is not behind it.
__device__ __forceinline__ int product_at(const Product* products, int n, int index) {
  int low = 0, high = n - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (products[middle].first_tile <= index)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

// The k that a tile of rows [row, row_end) and columns [column, column_end) sums over; none where the band leaves nothing.
__device__ __forceinline__ int2 range_of(const Product& p, int row, int row_end, int column, int column_end) {
  int2 range = make_int2(0, p.k);
  switch (p.band) {
    case Band::none: break;
    case Band::result:
      if (column > row_end - 1 + p.shift || (p.window > 0 && column_end - 1 <= row + p.shift - p.window)) range.y = -1;
      break;
    case Band::keys:
      range.y = min(p.k, row_end + p.shift);
      if (p.window > 0) range.x = max(0, row + p.shift - p.window + 1);
      break;
    case Band::queries:
      range.x = max(0, row - p.shift);
      if (p.window > 0) range.y = min(p.k, row_end - 1 - p.shift + p.window);
      break;
  }
  return range;
}

template <bool kAInner, bool kBInner, int kTile>
__global__ void __launch_bounds__(kTileThreads, kTile == kSmallTile ? 2 : 1) product_kernel(const Product* products, int n) {
  using A = FloatOperand<kAInner, kTile>;
  using B = FloatOperand<kBInner, kTile>;
  extern __shared__ uint4 tile_memory[];
  auto& memory = *reinterpret_cast<TileMemory<A, B>*>(tile_memory);
  begin_kernel();
  const int index = static_cast<int>(blockIdx.x);
  const Product& p = products[product_at(products, n, index)];
  const int across = (p.n + kTile - 1) / kTile, tile = index - p.first_tile;
  const int row = tile / across * kTile, column = tile % across * kTile;
  const int rows = min(kTile, p.m - row), columns = min(kTile, p.n - column);
  const int2 range = range_of(p, row, row + rows, column, column + columns);
  if (range.y < 0) return;
  TileSums<kTile> sums;
  const int segments = p.segments;
  for (int s = 0; s < segments; ++s) {
    A a(p.a + s * p.a_segment + row * (kAInner ? p.a_stride : 1), p.a_stride, rows);
    B b(p.b + s * p.b_segment + column * (kBInner ? p.b_stride : 1), p.b_stride, columns);
    sums.add(a, b, range.x, range.y, memory);
  }
  float* c = p.c + row * p.c_stride + column;
  const std::int64_t stride = p.c_stride;
  const bool add = p.add != 0;
  sums.for_each([&](int i, int j, float value) {
    if (i >= rows || j >= columns) return;
    float& to = c[i * stride + j];
    to = add ? to + value : value;
  });
}

template <bool kAInner, bool kBInner, int kTile>
void launch_products(const Product* products, int n, std::int64_t tiles, Stream stream) {
  constexpr std::size_t kBytes = sizeof(TileMemory<FloatOperand<kAInner, kTile>, FloatOperand<kBInner, kTile>>);
  launch_with_memory(product_kernel<kAInner, kBInner, kTile>, dim3(static_cast<unsigned>(tiles)), dim3(kTileThreads), kBytes, stream,
                     products, n);
}

template <int kTile, DType kStored>
__global__ void __launch_bounds__(kTileThreads, kTile == kSmallTile ? 2 : 1) linear_back_kernel(const __grid_constant__ LinearBackArgs a) {
  using Dy = FloatOperand<true, kTile>;
  using Weights = WeightOperand<false, kTile, kStored>;
  extern __shared__ uint4 tile_memory[];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kTile);
  if (group.count == 0) return;
  const int column = static_cast<int>(blockIdx.x) * kTile;
  Dy dy(a.dy.at + group.first * a.dy.stride, a.dy.stride, group.count);
  Weights w(a.w, group.expert, column);
  TileSums<kTile> sums;
  sums.add(dy, w, 0, static_cast<int>(a.w.rows), *reinterpret_cast<TileMemory<Dy, Weights>*>(tile_memory));
  const int columns = min(kTile, static_cast<int>(a.w.columns) - column);
  float* dx = a.dx.at + group.first * a.dx.stride + column;
  sums.for_each([&](int i, int j, float value) {
    if (i >= group.count || j >= columns) return;
    float& to = dx[i * a.dx.stride + j];
    to = a.add ? to + value : value;
  });
}

template <int kTile, DType kStored>
void launch_linear_back(const LinearBackArgs& a, Stream stream) {
  constexpr std::size_t kBytes = sizeof(TileMemory<FloatOperand<true, kTile>, WeightOperand<false, kTile, kStored>>);
  launch_with_memory(linear_back_kernel<kTile, kStored>,
                     dim3(blocks_of(a.w.columns, kTile), static_cast<unsigned>(group_count(a.columns, kTile))), dim3(kTileThreads), kBytes,
                     stream, a);
}

template <int kTile>
void launch_linear_back(const LinearBackArgs& a, Stream stream) {
  with_stored(a.w, [&]<DType kStored>() { launch_linear_back<kTile, kStored>(a, stream); });
}

}  // namespace

void product_of_columns(const Product* products, int n, int tile, std::int64_t tiles, Stream stream) {
  if (tile == kLargeTile)
    launch_products<false, false, kLargeTile>(products, n, tiles, stream);
  else
    launch_products<false, false, kSmallTile>(products, n, tiles, stream);
}
void product_of_rows(const Product* products, int n, std::int64_t tiles, Stream stream) {
  launch_products<true, false, kSmallTile>(products, n, tiles, stream);
}
void product_of_rows_with_rows(const Product* products, int n, std::int64_t tiles, Stream stream) {
  launch_products<true, true, kSmallTile>(products, n, tiles, stream);
}

void linear_back(const LinearBackArgs& a, int multiprocessors, Stream stream) {
  // Large tiles where they keep the card busy and experts fill them.
  const std::int64_t rows = a.columns.begin == nullptr ? a.columns.n : a.columns.n / a.columns.experts;
  const std::int64_t tiles = group_count(a.columns, kLargeTile) * blocks_of(a.w.columns, kLargeTile);
  if (rows >= kLargeTile && tiles >= multiprocessors)
    launch_linear_back<kLargeTile>(a, stream);
  else
    launch_linear_back<kSmallTile>(a, stream);
}

}  // namespace jang::kernels::cuda
