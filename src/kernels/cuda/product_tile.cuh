// SPDX-License-Identifier: Apache-2.0
// Tiles of float32 matrix products on the tensor cores, c = sum over k of a[k] b[k].
//
// The tensor cores have no float32, but a float32 is the sum of three bf16, without an error: its leading 8 bits, the 8 bits behind them
// and the rest. Six of the nine products of such parts are taken; those that are left out are below 2^-21 of the whole.
// A value that is a bf16 already has one part, and then nothing is left out. Arithmetic is that of mma.m16n8k16, and of wgmma, which rounds
// alike: products are exact, sums float32.
//
// k goes in slices of 32. A slice is summed from zero, small parts first, and sums of slices are added in their order. So neither the
// size of a tile nor the place in it changes a bit. 256 threads compute kTile x kTile values; one slice lies in shared memory and is
// multiplied while the next is on its way. An infinity gives no number, as it has no parts behind the first.
#pragma once

#include "kernels/cuda/warpgroup.cuh"

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

// A slice of an operand in parts, cut into pieces of eight outer indices by eight k. Of kInner a line of 16 bytes is the k of an outer
// index, otherwise the outer indices of a k. Eight lines are 128 bytes; the pieces of eight outer indices lie one behind the other.
template <int kTile, bool kInnerK, int kPartsOfIt>
struct SliceTile {
  static constexpr bool kInner = kInnerK;
  static constexpr int kOf = kPartsOfIt;
  uint4 lines[kOf][kTile / 8][kSlice / 8][8];
};

// 16 outer indices and 16 k as a fragment of mma.m16n8k16: the first operand, or two of the second in registers 0, 2 and 1, 3.
template <typename Tile>
__device__ __forceinline__ void read_fragment(const Tile& tile, int part, int outer, int k, std::uint32_t (&to)[4]) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const uint4* at = &tile.lines[part][outer / 8 + (lane >> 3 & 1)][k / 8 + (lane >> 4)][lane & 7];
  if constexpr (Tile::kInner)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(at)));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(at)));
}

// Which lines a thread brings: the eight lanes that write a piece of 128 bytes are neighbours.
template <int kTile, bool kInner>
struct Brought {
  static constexpr int kLines = kTile / 64;
  // Index of the line in its operand: outer (kInner) or k; and the first of the eight values on it.
  __device__ __forceinline__ static int line(int i) { return 8 * (kInner ? warp() + 8 * i : warp() % 4) + lane() % 8; }
  __device__ __forceinline__ static int first(int i) { return 8 * (kInner ? lane() / 8 : lane() / 8 + 4 * (warp() / 4) + 8 * i); }
  template <typename Tile>
  __device__ __forceinline__ static uint4& place(Tile& tile, int part, int i) {
    const int of_line = line(i) / 8, of_first = first(i) / 8;
    return kInner ? tile.lines[part][of_line][of_first][lane() % 8] : tile.lines[part][of_first][of_line][lane() % 8];
  }

 private:
  __device__ __forceinline__ static int lane() { return static_cast<int>(threadIdx.x) & 31; }
  __device__ __forceinline__ static int warp() { return static_cast<int>(threadIdx.x) >> 5; }
};

// Eight neighbouring floats of which `left` exist.
struct EightFloats {
  float4 low, high;
  __device__ __forceinline__ void load(const float* from, int left) {
    if (left >= 8 && (reinterpret_cast<std::uintptr_t>(from) & 15) == 0) {
      low = reinterpret_cast<const float4*>(from)[0];
      high = reinterpret_cast<const float4*>(from)[1];
      return;
    }
    low = make_float4(left > 0 ? from[0] : 0, left > 1 ? from[1] : 0, left > 2 ? from[2] : 0, left > 3 ? from[3] : 0);
    high = make_float4(left > 4 ? from[4] : 0, left > 5 ? from[5] : 0, left > 6 ? from[6] : 0, left > 7 ? from[7] : 0);
  }
  template <typename Where, typename Tile>
  __device__ __forceinline__ void store(Tile& tile, int i) const {
    std::uint32_t a[kParts], b[kParts], c[kParts], d[kParts];
    split_pair(low.x, low.y, a);
    split_pair(low.z, low.w, b);
    split_pair(high.x, high.y, c);
    split_pair(high.z, high.w, d);
#pragma unroll
    for (int p = 0; p < kParts; ++p) Where::place(tile, p, i) = make_uint4(a[p], b[p], c[p], d[p]);
  }
};

// Floats of an operand. kInner: its k are neighbours, at[outer * stride + k]; otherwise at[k * stride + outer].
template <bool kInner, int kTile>
class FloatOperand {
 public:
  using Tile = SliceTile<kTile, kInner, kParts>;
  // at: of the tile's first outer index, of which `outer` exist.
  __device__ __forceinline__ FloatOperand(const float* at, std::int64_t stride, int outer) : at_(at), stride_(stride), outer_(outer) {}
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) {
      const int line = Where::line(i), left = (kInner ? k_end - k : outer_) - Where::first(i);
      const float* from = at_ + (kInner ? line * stride_ + k : (k + static_cast<std::int64_t>(line)) * stride_) + Where::first(i);
      eights_[i].load(from, (kInner ? line < outer_ : k + line < k_end) ? left : 0);
    }
  }
  __device__ __forceinline__ void store(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) eights_[i].template store<Where>(tile, i);
  }

 private:
  using Where = Brought<kTile, kInner>;
  const float* at_;
  std::int64_t stride_;
  int outer_;
  EightFloats eights_[Where::kLines];
};

// Parts of a stored weight; u32: packed.
template <DType kStored>
constexpr int kPartsOf = kStored == DType::bf16 ? 1 : kParts;

// Eight neighbouring weights of a row, loaded as they are stored and decoded on the way into a tile.
template <DType kStored>
class EightWeights {
 public:
  // row, params: bytes from w.codes, and from scales and biases, to the row. Where `exists` is false the weights are zeros.
  __device__ __forceinline__ void load(const Matrices& w, std::int64_t row, std::int64_t params, int column, bool exists) {
    scale_ = bias_ = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) raw_[i] = 0;
    if (!exists || column >= static_cast<int>(w.columns)) return;
    const auto* words = reinterpret_cast<const std::uint32_t*>(w.codes + row);
    if constexpr (kStored == DType::u32) {
      const int first = column * w.bits >> 5, last = (column * w.bits + 8 * w.bits - 1) >> 5;
      raw_[0] = __ldg(words + first);
      if (first + 1 <= last) raw_[1] = __ldg(words + first + 1);
      if (first + 2 <= last) raw_[2] = __ldg(words + first + 2);
      scale_ = stored_value(w.param, w.scales + params, column / w.group);
      bias_ = stored_value(w.param, w.biases + params, column / w.group);
    } else {  // rows are padded to 16 bytes
      const auto* pieces = reinterpret_cast<const uint4*>(words + (kStored == DType::f32 ? column : column / 2));
      take(__ldg(pieces), 0);
      if (kStored == DType::f32 && column + 4 < static_cast<int>(w.columns)) take(__ldg(pieces + 1), 4);
    }
  }
  // to[p][j]: part p of weights 2 j and 2 j + 1. What lies behind the last column is zero.
  __device__ __forceinline__ void parts(const Matrices& w, int column, std::uint32_t (&to)[kPartsOf<kStored>][4]) const {
    const int left = static_cast<int>(w.columns) - column;
    if constexpr (kStored == DType::bf16) {
#pragma unroll
      for (int j = 0; j < 4; ++j) to[0][j] = left >= 2 * j + 2 ? raw_[j] : left == 2 * j + 1 ? raw_[j] & 0xffffu : 0u;
    } else {
      const int shift = kStored == DType::u32 ? column * w.bits & 31 : 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float first = value(w, shift, 2 * j), second = value(w, shift, 2 * j + 1);
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
  __device__ __forceinline__ float value(const Matrices& w, int shift, int j) const {
    if constexpr (kStored == DType::u32) {
      const int at = shift + j * w.bits;
      const std::uint32_t low = at < 32 ? raw_[0] : at < 64 ? raw_[1] : raw_[2], high = at < 32 ? raw_[1] : raw_[2];
      return fmaf(static_cast<float>(__funnelshift_r(low, high, at & 31) & ((1u << w.bits) - 1u)), scale_, bias_);
    } else if constexpr (kStored == DType::f32) {
      return __uint_as_float(raw_[j]);
    } else {
      return __half2float(__ushort_as_half(static_cast<unsigned short>(raw_[j / 2] >> (16 * (j % 2)))));
    }
  }

  std::uint32_t raw_[8];
  float scale_, bias_;
};

// Calls f<dtype>() with what w is stored as.
template <typename F>
void with_stored(const Matrices& w, const F& f) {
  switch (w.dtype) {
    case DType::u32: return f.template operator()<DType::u32>();
    case DType::bf16: return f.template operator()<DType::bf16>();
    case DType::f16: return f.template operator()<DType::f16>();
    default: return f.template operator()<DType::f32>();
  }
}

// A weight as an operand. kInner: outer indices are its rows and k its columns (y = x W^T); otherwise k is the row (dx = dy W).
template <bool kInner, int kTile, DType kStored>
class WeightOperand {
 public:
  using Tile = SliceTile<kTile, kInner, kPartsOf<kStored>>;
  // first: of the outer indices.
  __device__ __forceinline__ WeightOperand(const Matrices& w, int matrix, std::int64_t first) : w_(w), matrix_(matrix), first_(first) {}
  __device__ __forceinline__ void load(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) {
      const std::int64_t row = (kInner ? first_ : k) + Where::line(i);
      column_[i] = static_cast<int>(kInner ? k : first_) + Where::first(i);
      eights_[i].load(w_, matrix_ * w_.matrix_bytes + row * w_.row_pitch, matrix_ * w_.param_bytes + row * w_.param_pitch, column_[i],
                      row < (kInner ? w_.rows : k_end));
    }
  }
  __device__ __forceinline__ void store(Tile& tile) const {
#pragma unroll
    for (int i = 0; i < Where::kLines; ++i) {
      std::uint32_t parts[kPartsOf<kStored>][4];
      eights_[i].parts(w_, column_[i], parts);
#pragma unroll
      for (int p = 0; p < kPartsOf<kStored>; ++p) Where::place(tile, p, i) = make_uint4(parts[p][0], parts[p][1], parts[p][2], parts[p][3]);
    }
  }

 private:
  using Where = Brought<kTile, kInner>;
  const Matrices& w_;
  int matrix_;
  std::int64_t first_;
  int column_[Where::kLines];
  EightWeights<kStored> eights_[Where::kLines];
};

// Shared memory of two operands, twice: one slice is read while the next is written.
template <typename A, typename B>
struct alignas(128) TileMemory {
  typename A::Tile a[2];
  typename B::Tile b[2];
};

// The values of a tile. Of 128 a warp has 16 a and all b, of 64 it has 16 a and half of the b.
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
    a.load(begin + kSlice, end);
    b.load(begin + kSlice, end);
    products_may_read();
    __syncthreads();
    int now = 0;
    for (int k = begin; k < end; k += kSlice, now ^= 1) {
      float sums[kHalves][4 * kOfHalf];
      multiply(memory.a[now], memory.b[now], sums);
      if (k + kSlice < end) {
        a.store(memory.a[now ^ 1]);
        b.store(memory.b[now ^ 1]);
        a.load(k + 2 * kSlice, end);
        b.load(k + 2 * kSlice, end);
      }
      add_up(sums);
      products_may_read();
      __syncthreads();
    }
  }

  // f(index of a, index of b, value) for the values of this thread.
  template <typename F>
  __device__ __forceinline__ void for_each(const F& f) const {
    const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
    for (int h = 0; h < kHalves; ++h)
#pragma unroll
      for (int i = 0; i < 4 * kOfHalf; ++i)
        f(first_a() + lane / 4 + i % 4 / 2 * 8, first_b() + 64 * h + i / 4 * 8 + lane % 4 * 2 + i % 2, totals_[h][i]);
  }

 private:
  static constexpr int kHalves = kTile / 64, kOfHalf = kTile == 128 ? 8 : 4;  // the second in fragments of 8 b
  static_assert(kTile == 64 || kTile == 128);
  __device__ __forceinline__ static int first_a() { return static_cast<int>(threadIdx.x) / 32 * 16 % kTile; }
  __device__ __forceinline__ static int first_b() { return kTile == 128 ? 0 : static_cast<int>(threadIdx.x) / 128 * 32; }

  // sums: of the slice. On Hopper they are ready with add_up() only, and the tiles are read until then.
  template <typename TileA, typename TileB>
  __device__ __forceinline__ void multiply(const TileA& a, const TileB& b, float (&sums)[kHalves][4 * kOfHalf]) {
    std::uint32_t of_a[kSlice / 16][TileA::kOf][4];
#pragma unroll
    for (int s = 0; s < kSlice / 16; ++s)
#pragma unroll
      for (int p = 0; p < TileA::kOf; ++p) read_fragment(a, p, first_a(), 16 * s, of_a[s][p]);
#if JANG_HAS_WARPGROUPS
    products_begin();
    bool add = false;
#pragma unroll
    for (int s = 0; s < kSlice / 16; ++s)
      for_products<TileA::kOf, TileB::kOf>([&](int pa, int pb) {
        const std::uint32_t(&x)[4] = of_a[s][pa];
#pragma unroll
        for (int h = 0; h < kHalves; ++h)
          product<kOfHalf, true, !TileB::kInner>(sums[h], make_uint4(x[0], x[1], x[2], x[3]),
                                                 slice_descriptor(shared_address(b.lines[pb][first_b() / 8 + 8 * h][2 * s])), add);
        add = true;
      });
    products_commit();
#else
#pragma unroll
    for (int h = 0; h < kHalves; ++h)
#pragma unroll
      for (int four = 0; four < kOfHalf / 4; ++four) {
        float part[4][4] = {};
#pragma unroll
        for (int s = 0; s < kSlice / 16; ++s) {
          std::uint32_t of_b[TileB::kOf][2][4];
#pragma unroll
          for (int p = 0; p < TileB::kOf; ++p)
#pragma unroll
            for (int j = 0; j < 2; ++j) read_fragment(b, p, first_b() + 64 * h + 32 * four + 16 * j, 16 * s, of_b[p][j]);
          for_products<TileA::kOf, TileB::kOf>([&](int pa, int pb) {
#pragma unroll
            for (int j = 0; j < 4; ++j) mma_bf16(of_a[s][pa], of_b[pb][j / 2][j % 2], of_b[pb][j / 2][j % 2 + 2], part[j]);
          });
        }
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
          for (int v = 0; v < 4; ++v) sums[h][4 * (4 * four + j) + v] = part[j][v];
      }
#endif
  }
  __device__ __forceinline__ void add_up(float (&sums)[kHalves][4 * kOfHalf]) {
    products_wait<0>();
#pragma unroll
    for (int h = 0; h < kHalves; ++h) {
      hold(sums[h]);
#pragma unroll
      for (int i = 0; i < 4 * kOfHalf; ++i) totals_[h][i] += sums[h][i];
    }
  }

  float totals_[kHalves][4 * kOfHalf] = {};
};

}  // namespace jang::kernels::cuda
