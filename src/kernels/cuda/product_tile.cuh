// SPDX-License-Identifier: Apache-2.0
// Tiles of float32 matrix products on the tensor cores, c = sum over k of a[k] b[k].
//
// The tensor cores have no float32, but a float32 is the sum of three bf16, without an error: its leading 8 bits, the 8 bits behind them
// and the rest. Six of the nine products of such parts are taken; those that are left out are below 2^-24 of the whole. A value that is a
// bf16 already has one part. Arithmetic is that of mma.m16n8k16: products are exact, sums float32.
//
// k goes in slices of 32. A slice is summed from zero, small parts first, and sums of slices are added in their order. So neither the
// size of a tile nor the place in it changes a bit. 256 threads compute kTile x kTile values; one slice lies in shared memory and is
// multiplied while the next is on its way. An infinity gives no number, as it has no parts behind the first.
#pragma once

#include "kernels/cuda/device_code.cuh"

namespace jang::kernels::cuda {

constexpr int kSlice = 32, kTileThreads = 256;
constexpr int kParts = 3;  // of a float32

// The parts of two values, the first in the low halves.
__device__ __forceinline__ void split_pair(float x, float y, std::uint32_t (&parts)[kParts]) {
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    const std::uint32_t a = __float_as_uint(x), b = __float_as_uint(y);
    parts[p] = __byte_perm(a, b, 0x7632);
    x -= __uint_as_float(a & 0xffff0000u);
    y -= __uint_as_float(b & 0xffff0000u);
  }
}

__device__ __forceinline__ void mma_bf16(const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1, float (&c)[4]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Calls f(part of a, part of b) for the products that count, the smallest first.
template <int kPartsA, int kPartsB, typename F>
__device__ __forceinline__ void for_products(const F& f) {
#pragma unroll
  for (int sum = kParts - 1; sum >= 0; --sum)
#pragma unroll
    for (int a = 0; a < kPartsA; ++a)
      if (sum - a >= 0 && sum - a < kPartsB) f(a, sum - a);
}

// A slice of an operand in parts: of every outer index its k (kInner), or of every k its outer indices. Lines are padded so that eight of
// them meet different banks.
template <int kTile, bool kInnerK, int kPartsOf>
struct SliceTile {
  static constexpr bool kInner = kInnerK;
  static constexpr int kOf = kPartsOf, kLines = kInner ? kTile : kSlice, kPitch = (kInner ? kSlice : kTile) + 8;
  std::uint16_t values[kOf][kLines][kPitch];
};

// 16 outer indices and 16 k as a fragment of mma.m16n8k16: the first operand, or two of the second in registers 0, 2 and 1, 3.
template <typename Tile>
__device__ __forceinline__ void read_fragment(const Tile& tile, int part, int outer, int k, std::uint32_t (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) & 31, line = lane & 7, outer8 = lane & 8, k8 = lane >> 4 << 3;
  const std::uint16_t* at =
      Tile::kInner ? &tile.values[part][outer + outer8 + line][k + k8] : &tile.values[part][k + k8 + line][outer + outer8];
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(at));
  if constexpr (Tile::kInner)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address));
}

// Two neighbouring floats of which `left` exist.
__device__ __forceinline__ float2 load_pair(const float* from, int left) {
  if (left > 1 && (reinterpret_cast<std::uintptr_t>(from) & 7) == 0) return *reinterpret_cast<const float2*>(from);
  return make_float2(left > 0 ? from[0] : 0.0f, left > 1 ? from[1] : 0.0f);
}
template <typename Tile>
__device__ __forceinline__ void store_pair(Tile& tile, int line, int of_line, float2 values) {
  std::uint32_t parts[kParts];
  split_pair(values.x, values.y, parts);
#pragma unroll
  for (int p = 0; p < kParts; ++p) *reinterpret_cast<std::uint32_t*>(&tile.values[p][line][of_line]) = parts[p];
}

// Floats of an operand. kInner: its k are neighbours, at[outer * stride + k]; otherwise at[k * stride + outer]. A thread brings pairs of
// neighbours.
template <bool kInner, int kTile>
class FloatOperand {
 public:
  using Tile = SliceTile<kTile, kInner, kParts>;
  // at: of the tile's first outer index, of which `outer` exist.
  __device__ __forceinline__ FloatOperand(const float* at, std::int64_t stride, int outer) : at_(at), stride_(stride), outer_(outer) {}
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int at = line(i), left = (kInner ? k_end - k : outer_) - of_line();
      const float* from = at_ + (kInner ? at * stride_ + k : (k + static_cast<std::int64_t>(at)) * stride_) + of_line();
      values_[i] = load_pair(from, (kInner ? at < outer_ : k + at < k_end) ? left : 0);
    }
  }
  __device__ __forceinline__ void store(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < kPairs; ++i) store_pair(tile, line(i), of_line(), values_[i]);
  }

 private:
  static constexpr int kPairs = kTile * kSlice / 2 / kTileThreads, kPerLine = (kInner ? kSlice : kTile) / 2;
  __device__ __forceinline__ static int line(int i) { return static_cast<int>(threadIdx.x) / kPerLine + i * (kTileThreads / kPerLine); }
  __device__ __forceinline__ static int of_line() { return static_cast<int>(threadIdx.x) % kPerLine * 2; }

  const float* at_;
  std::int64_t stride_;
  int outer_;
  float2 values_[kPairs];
};

// Eight neighbouring weights of a row, loaded as they are stored and decoded on the way into a tile. kPartsOf: 1 for bf16, else kParts.
template <int kPartsOf>
class EightWeights {
 public:
  // row, params: bytes from w.codes, and from scales and biases, to the row. Where `exists` is false the weights are zeros.
  __device__ __forceinline__ void load(const Matrices& w, std::int64_t row, std::int64_t params, int column, bool exists) {
    scale_ = bias_ = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) raw_[i] = 0;
    if (!exists || column >= w.columns) return;
    const auto* words = reinterpret_cast<const std::uint32_t*>(w.codes + row);
    if (kPartsOf == kParts && w.dtype == DType::u32) {
      const int first = column * w.bits >> 5, last = (column * w.bits + 8 * w.bits - 1) >> 5;
      raw_[0] = __ldg(words + first);
      if (first + 1 <= last) raw_[1] = __ldg(words + first + 1);
      if (first + 2 <= last) raw_[2] = __ldg(words + first + 2);
      scale_ = stored_value(w.param, w.scales + params, column / w.group);
      bias_ = stored_value(w.param, w.biases + params, column / w.group);
      return;
    }
    // Rows are padded to 16 bytes.
    const bool wide = kPartsOf == kParts && w.dtype == DType::f32;
    const auto* pieces = reinterpret_cast<const uint4*>(words + (wide ? column : column / 2));
    take(__ldg(pieces), 0);
    if (wide && column + 4 < w.columns) take(__ldg(pieces + 1), 4);
  }
  // part[p][j]: part p of weights 2 j and 2 j + 1. What lies behind the last column is zero.
  __device__ __forceinline__ void parts(const Matrices& w, int column, std::uint32_t (&to)[kPartsOf][4]) const {
    const int left = static_cast<int>(w.columns) - column;
    if constexpr (kPartsOf == 1) {
#pragma unroll
      for (int j = 0; j < 4; ++j) to[0][j] = left >= 2 * j + 2 ? raw_[j] : left == 2 * j + 1 ? raw_[j] & 0xffffu : 0u;
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float first = value(w, column, 2 * j), second = value(w, column, 2 * j + 1);
        std::uint32_t pair[kParts];
        split_pair(left > 2 * j ? first : 0.0f, left > 2 * j + 1 ? second : 0.0f, pair);
#pragma unroll
        for (int p = 0; p < kParts; ++p) to[p][j] = pair[p];
      }
    }
  }

 private:
  __device__ __forceinline__ void take(const uint4& v, int at) {
    raw_[at] = v.x, raw_[at + 1] = v.y, raw_[at + 2] = v.z, raw_[at + 3] = v.w;
  }
  __device__ __forceinline__ float value(const Matrices& w, int column, int j) const {
    if (w.dtype == DType::u32) {
      const int at = (column * w.bits & 31) + j * w.bits;
      const std::uint32_t v = at < 32   ? __funnelshift_r(raw_[0], raw_[1], at)
                              : at < 64 ? __funnelshift_r(raw_[1], raw_[2], at - 32)
                                        : raw_[2] >> (at - 64);
      return fmaf(static_cast<float>(v & ((1u << w.bits) - 1u)), scale_, bias_);
    }
    if (w.dtype == DType::f32) return __uint_as_float(raw_[j]);
    const std::uint32_t half = raw_[j / 2] >> (16 * (j % 2)) & 0xffffu;
    return w.dtype == DType::bf16 ? __uint_as_float(half << 16) : __half2float(__ushort_as_half(static_cast<unsigned short>(half)));
  }

  std::uint32_t raw_[8];
  float scale_, bias_;
};

// A weight as an operand. kInner: outer indices are its rows and k its columns (y = x W^T); otherwise k is the row (dx = dy W).
template <bool kInner, int kTile, int kPartsOf>
class WeightOperand {
 public:
  using Tile = SliceTile<kTile, kInner, kPartsOf>;
  // first: of the outer indices.
  __device__ __forceinline__ WeightOperand(const Matrices& w, int matrix, std::int64_t first) : w_(w), matrix_(matrix), first_(first) {}
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      const std::int64_t row = kInner ? first_ + line(i) : k + line(i);
      column_[i] = static_cast<int>(kInner ? k : first_) + of_line();
      eights_[i].load(w_, matrix_ * w_.matrix_bytes + row * w_.row_pitch, matrix_ * w_.param_bytes + row * w_.param_pitch, column_[i],
                      row < (kInner ? w_.rows : k_end));
    }
  }
  __device__ __forceinline__ void store(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      std::uint32_t parts[kPartsOf][4];
      eights_[i].parts(w_, column_[i], parts);
#pragma unroll
      for (int p = 0; p < kPartsOf; ++p)
        *reinterpret_cast<uint4*>(&tile.values[p][line(i)][of_line()]) = make_uint4(parts[p][0], parts[p][1], parts[p][2], parts[p][3]);
    }
  }

 private:
  static constexpr int kPerLine = (kInner ? kSlice : kTile) / 8, kEights = kTile * kSlice / 8 / kTileThreads;
  __device__ __forceinline__ static int line(int i) { return static_cast<int>(threadIdx.x) / kPerLine + i * (kTileThreads / kPerLine); }
  __device__ __forceinline__ static int of_line() { return static_cast<int>(threadIdx.x) % kPerLine * 8; }

  const Matrices& w_;
  int matrix_;
  std::int64_t first_;
  int column_[kEights];
  EightWeights<kPartsOf> eights_[kEights];
};

// Shared memory of two operands, twice: one slice is read while the next is written.
template <typename A, typename B>
struct TileMemory {
  typename A::Tile a[2];
  typename B::Tile b[2];
};

// The values of a tile: eight warps in two rows of four.
template <int kTile>
class TileSums {
 public:
  // Adds the sum over k in [begin, end). Every thread of the block calls it.
  template <typename A, typename B>
  __device__ __forceinline__ void add(A& a, B& b, int begin, int end, TileMemory<A, B>& memory) {
    if (begin >= end) return;
    a.load(begin, end);
    b.load(begin, end);
    a.store(memory.a[0]);
    b.store(memory.b[0]);
    __syncthreads();
    int now = 0;
    for (int k = begin; k < end; k += kSlice, now ^= 1) {
      const bool more = k + kSlice < end;
      if (more) {
        a.load(k + kSlice, end);
        b.load(k + kSlice, end);
      }
      multiply(memory.a[now], memory.b[now]);
      if (more) {
        a.store(memory.a[now ^ 1]);
        b.store(memory.b[now ^ 1]);
      }
      __syncthreads();
    }
  }

  // f(index of a, index of b, value) for the values of this thread.
  template <typename F>
  __device__ __forceinline__ void for_each(const F& f) const {
    const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
    for (int i = 0; i < kA; ++i)
#pragma unroll
      for (int j = 0; j < 2 * kB; ++j)
#pragma unroll
        for (int v = 0; v < 4; ++v)
          f(first_a() + 16 * i + lane / 4 + v / 2 * 8, first_b() + 8 * j + lane % 4 * 2 + v % 2, totals_[i][j][v]);
  }

 private:
  static constexpr int kA = kTile / 32, kB = kTile / 64;  // fragments of 16 of a warp
  __device__ __forceinline__ static int first_a() { return static_cast<int>(threadIdx.x) / 128 * (kTile / 2); }
  __device__ __forceinline__ static int first_b() { return static_cast<int>(threadIdx.x) / 32 % 4 * (kTile / 4); }

  template <typename TileA, typename TileB>
  __device__ __forceinline__ void multiply(const TileA& a, const TileB& b) {
    std::uint32_t of_b[kSlice / 16][TileB::kOf][kB][4];
#pragma unroll
    for (int s = 0; s < kSlice / 16; ++s)
#pragma unroll
      for (int p = 0; p < TileB::kOf; ++p)
#pragma unroll
        for (int j = 0; j < kB; ++j) read_fragment(b, p, first_b() + 16 * j, 16 * s, of_b[s][p][j]);
#pragma unroll
    for (int i = 0; i < kA; ++i) {
      float sums[2 * kB][4] = {};
#pragma unroll
      for (int s = 0; s < kSlice / 16; ++s) {
        std::uint32_t of_a[TileA::kOf][4];
#pragma unroll
        for (int p = 0; p < TileA::kOf; ++p) read_fragment(a, p, first_a() + 16 * i, 16 * s, of_a[p]);
        for_products<TileA::kOf, TileB::kOf>([&](int pa, int pb) {
#pragma unroll
          for (int j = 0; j < 2 * kB; ++j) mma_bf16(of_a[pa], of_b[s][pb][j / 2][j % 2], of_b[s][pb][j / 2][j % 2 + 2], sums[j]);
        });
      }
#pragma unroll
      for (int j = 0; j < 2 * kB; ++j)
#pragma unroll
        for (int v = 0; v < 4; ++v) totals_[i][j][v] += sums[j][v];
    }
  }

  float totals_[kA][2 * kB][4] = {};
};

}  // namespace jang::kernels::cuda
