// SPDX-License-Identifier: Apache-2.0
// Tiles of float32 matrix products, c = sum over k of a[k] b[k]: 256 threads compute kTile x kTile values, kTile / 16 squared each, from
// slices of 16 k in shared memory, one of which is read while the next is on its way. Every value is one chain of fused multiply-adds in
// the order of k, so that neither the size of the tile nor its place changes a bit. No tensor cores: they have no float32.
#pragma once

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

constexpr int kSlice = 16, kTileThreads = 256;

template <int kTile>
using SliceTile = float[kSlice][kTile + 4];

// Floats of an operand. kInner: its k are neighbours, at[outer * stride + k]; otherwise at[k * stride + outer].
template <bool kInner, int kTile>
class FloatOperand {
 public:
  // at: of the tile's first outer index, of which `outer` exist.
  __device__ __forceinline__ FloatOperand(const float* at, std::int64_t stride, int outer) : stride_(stride), outer_(outer) {
    at_ = at + static_cast<std::int64_t>(first_outer()) * (kInner ? stride : 1) +
          static_cast<std::int64_t>(first_k()) * (kInner ? 1 : stride);
  }
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      const bool exists = kInner ? first_outer() + i * kOuterStep < outer_ && k + first_k() < k_end
                                 : first_outer() < outer_ && k + first_k() + i * kStep < k_end;
      const std::int64_t offset = kInner ? k + i * kOuterStep * stride_ : (static_cast<std::int64_t>(k) + i * kStep) * stride_;
      values_[i] = exists ? at_[offset] : 0.0f;
    }
  }
  __device__ __forceinline__ void store(SliceTile<kTile>& tile) const {
#pragma unroll
    for (int i = 0; i < kValues; ++i)
      tile[first_k() + (kInner ? 0 : i * kStep)][first_outer() + (kInner ? i * kOuterStep : 0)] = values_[i];
  }

 private:
  static constexpr int kValues = kTile * kSlice / kTileThreads;  // of a thread
  static constexpr int kOuterStep = kTileThreads / kSlice, kStep = kTileThreads / kTile;
  __device__ __forceinline__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ __forceinline__ static int first_outer() { return kInner ? thread() / kSlice : thread() % kTile; }
  __device__ __forceinline__ static int first_k() { return kInner ? thread() % kSlice : thread() / kTile; }

  const float* at_;
  std::int64_t stride_;
  int outer_;
  float values_[kValues];
};

// Rows of a weight: k is the row, the outer index the column. Loaded as they are stored, decoded on the way into the tile.
template <int kTile>
class WeightOperand {
 public:
  __device__ __forceinline__ WeightOperand(const Matrices& w, int matrix, int column) : w_(w) {
    const int thread = static_cast<int>(threadIdx.x);
    row_ = thread / kLoadersPerRow;
    column_ = column + thread % kLoadersPerRow * 8;
    active_ = thread < kSlice * kLoadersPerRow;
    codes_ = w.codes + matrix * w.matrix_bytes + row_ * w.row_pitch;
    params_ = matrix * w.param_bytes + row_ * w.param_pitch;
  }
  __device__ __forceinline__ void load(int k, int k_end) {
    scale_ = bias_ = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) raw_[i] = 0;
    if (!active_ || k + row_ >= k_end || column_ >= w_.columns) return;
    const auto* words = reinterpret_cast<const std::uint32_t*>(codes_ + k * w_.row_pitch);
    if (w_.dtype == DType::u32) {
      const int first = column_ * w_.bits >> 5, last = (column_ * w_.bits + 8 * w_.bits - 1) >> 5;
      raw_[0] = __ldg(words + first);
      if (first + 1 <= last) raw_[1] = __ldg(words + first + 1);
      if (first + 2 <= last) raw_[2] = __ldg(words + first + 2);
      const std::int64_t params = params_ + k * w_.param_pitch;
      scale_ = stored_value(w_.param, w_.scales + params, column_ / w_.group);
      bias_ = stored_value(w_.param, w_.biases + params, column_ / w_.group);
      return;
    }
    // Rows are padded to 16 bytes; what lies behind the last column ends up in columns that nobody stores.
    const auto* pieces = reinterpret_cast<const uint4*>(words + (w_.dtype == DType::f32 ? column_ : column_ / 2));
    take(__ldg(pieces), 0);
    if (w_.dtype == DType::f32 && column_ + 4 < w_.columns) take(__ldg(pieces + 1), 4);
  }
  __device__ __forceinline__ void store(SliceTile<kTile>& tile) const {
    if (!active_) return;
    float values[8];
    if (w_.dtype == DType::u32) {
      const int start = column_ * w_.bits & 31;
      const std::uint32_t mask = (1u << w_.bits) - 1u;
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const int at = start + j * w_.bits;
        const std::uint32_t v = at < 32   ? __funnelshift_r(raw_[0], raw_[1], at)
                                : at < 64 ? __funnelshift_r(raw_[1], raw_[2], at - 32)
                                          : raw_[2] >> (at - 64);
        values[j] = fmaf(static_cast<float>(v & mask), scale_, bias_);
      }
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const std::uint32_t half = raw_[j / 2] >> (16 * (j % 2)) & 0xffffu;
        values[j] = w_.dtype == DType::f32    ? __uint_as_float(raw_[j])
                    : w_.dtype == DType::bf16 ? __uint_as_float(half << 16)
                                              : __half2float(__ushort_as_half(static_cast<unsigned short>(half)));
      }
    }
    auto* to = reinterpret_cast<float4*>(&tile[row_][static_cast<int>(threadIdx.x) % kLoadersPerRow * 8]);
    to[0] = make_float4(values[0], values[1], values[2], values[3]);
    to[1] = make_float4(values[4], values[5], values[6], values[7]);
  }

 private:
  static constexpr int kLoadersPerRow = kTile / 8;
  __device__ __forceinline__ void take(const uint4& v, int at) {
    raw_[at] = v.x, raw_[at + 1] = v.y, raw_[at + 2] = v.z, raw_[at + 3] = v.w;
  }

  const Matrices& w_;
  const std::byte* codes_;
  std::int64_t params_;
  int row_, column_;
  bool active_;
  std::uint32_t raw_[8];
  float scale_, bias_;
};

// The values of a thread: four neighbouring rows and columns, in every 64 of the tile.
template <int kTile>
class TileSums {
 public:
  static constexpr int kSide = kTile / 16;

  // Adds the sum over k in [begin, end). Every thread of the block calls it.
  template <typename A, typename B>
  __device__ __forceinline__ void add(A& a, B& b, int begin, int end, SliceTile<kTile> (&a_tiles)[2], SliceTile<kTile> (&b_tiles)[2]) {
    if (begin >= end) return;
    a.load(begin, end);
    b.load(begin, end);
    a.store(a_tiles[0]);
    b.store(b_tiles[0]);
    __syncthreads();
    int now = 0;
    for (int k = begin; k < end; k += kSlice, now ^= 1) {
      const bool more = k + kSlice < end;
      if (more) {
        a.load(k + kSlice, end);
        b.load(k + kSlice, end);
      }
      multiply(a_tiles[now], b_tiles[now]);
      if (more) {
        a.store(a_tiles[now ^ 1]);
        b.store(b_tiles[now ^ 1]);
      }
      __syncthreads();
    }
  }

  // c: of the tile's first value; `rows` and `columns` of the tile exist.
  __device__ __forceinline__ void store(float* c, std::int64_t stride, int rows, int columns, bool add) const {
#pragma unroll
    for (int i = 0; i < kSide; ++i) {
      const int row = place(i, first_row());
      if (row >= rows) continue;
#pragma unroll
      for (int j = 0; j < kSide; ++j) {
        const int column = place(j, first_column());
        if (column >= columns) continue;
        float& to = c[row * stride + column];
        to = add ? to + sums_[i][j] : sums_[i][j];
      }
    }
  }

 private:
  __device__ __forceinline__ static int first_row() { return static_cast<int>(threadIdx.x) / 16 * 4; }
  __device__ __forceinline__ static int first_column() { return static_cast<int>(threadIdx.x) % 16 * 4; }
  __device__ __forceinline__ static int place(int i, int first) { return first + i / 4 * 64 + i % 4; }
  __device__ __forceinline__ static void read(const SliceTile<kTile>& tile, int k, int first, float (&to)[kSide]) {
#pragma unroll
    for (int i = 0; i < kSide; i += 4) {
      const float4 v = *reinterpret_cast<const float4*>(&tile[k][first + i / 4 * 64]);
      to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
  }
  __device__ __forceinline__ void multiply(const SliceTile<kTile>& a, const SliceTile<kTile>& b) {
#pragma unroll
    for (int k = 0; k < kSlice; ++k) {
      float x[kSide], y[kSide];
      read(a, k, first_row(), x);
      read(b, k, first_column(), y);
#pragma unroll
      for (int i = 0; i < kSide; ++i)
#pragma unroll
        for (int j = 0; j < kSide; ++j) sums_[i][j] = fmaf(x[i], y[j], sums_[i][j]);
    }
  }

  float sums_[kSide][kSide] = {};
};

}  // namespace jang::kernels::cuda
