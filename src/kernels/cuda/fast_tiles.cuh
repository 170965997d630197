// SPDX-License-Identifier: Apache-2.0
// What one warp does in linear_fast.cu: brings chunks of its rows into stages of shared memory, and multiplies a chunk by inputs.
#pragma once

#include "kernels/cuda/fast_codes.cuh"
#include "kernels/cuda/fast_inputs.h"

namespace jang::kernels::cuda {

constexpr int kChunkColumns = 256, kUnit = 64, kChunkUnits = kChunkColumns / kUnit;
constexpr int kSlices = 8;

constexpr int kSumWords = 64;  // of a chunk for eight rows (fast_inputs.h)

template <int kBits, int kTiles>
struct Stage {
  static constexpr int kRows = 16 * kTiles;
  static constexpr int kRowBytes = kChunkColumns / 8 * kBits;
  static constexpr int kPitch = kRowBytes + (kBits == 8 ? 32 : 16);  // rows of a fragment fall into different banks
  static constexpr int kParams = kRows * kPitch;                     // scales, 16 bytes a row; behind them biases
  static constexpr int kBytes = kParams + kRows * 32;
  static constexpr int kDepth = kTiles == 1 ? (kBits == 8 ? 2 : kBits >= 5 ? 3 : 4) : (kBits >= 5 ? 2 : 3);
};

// The rows of one warp: where they come from, and one chunk of them on its way to a stage.
template <int kBits, int kTiles>
struct WarpRows {
  using S = Stage<kBits, kTiles>;
  const std::byte* codes;           // of the first row
  const std::byte* params[kTiles];  // of the row that this lane brings: scales for the lower half of a warp, biases for the upper
  int pitch, rows, row_bytes, param_bytes, group;

  WarpRows() = default;
  __device__ __forceinline__ WarpRows(const Matrices& w, int expert, int row0)
      : codes(w.codes + expert * w.matrix_bytes + row0 * w.row_pitch),
        pitch(static_cast<int>(w.row_pitch)),
        rows(static_cast<int>(w.rows) - row0),
        row_bytes(static_cast<int>(w.columns) / 32 * 4 * kBits),
        param_bytes(static_cast<int>(w.columns) / w.group * 2),
        group(w.group) {
    const int lane = static_cast<int>(threadIdx.x) & 31;
    const std::byte* plane = (lane & 16 ? w.biases : w.scales) + expert * w.param_bytes;
#pragma unroll
    for (int q = 0; q < kTiles; ++q) params[q] = plane + (row0 + max(0, min(q * 16 + (lane & 15), rows - 1))) * w.param_pitch;
  }

  template <int kSize>
  __device__ __forceinline__ void fetch_params(int chunk, std::uint32_t stage) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, offset = chunk * kSize;
    const int valid = max(0, min(kSize, param_bytes - offset));
    const std::uint32_t to = stage + S::kParams + ((lane & 16 ? S::kRows : 0) + (lane & 15)) * 16;
#pragma unroll
    for (int q = 0; q < kTiles; ++q) copy_async<kSize>(to + q * 16 * 16, params[q] + (valid > 0 ? offset : 0), valid);
  }
  // Codes behind the end of a row are not fetched: what lies in the stage meets inputs that are zero. Scales there become zero.
  __device__ __forceinline__ void fetch(int chunk, std::uint32_t stage) const {
    constexpr int kPieces = S::kRowBytes / 16;
    const int lane = static_cast<int>(threadIdx.x) & 31, begin = chunk * S::kRowBytes;
    const std::byte* from = codes + begin;
    if (rows >= S::kRows && begin + S::kRowBytes <= row_bytes) {
#pragma unroll
      for (int i = 0; i < S::kRows * kPieces / 32; ++i) {
        const int index = lane + 32 * i, r = index / kPieces, piece = index % kPieces * 16;
        copy_async<16>(stage + r * S::kPitch + piece, from + (r * pitch + piece), 16);
      }
    } else {
#pragma unroll 1
      for (int i = 0; i < S::kRows * kPieces / 32; ++i) {
        const int index = lane + 32 * i, r = index / kPieces, piece = index % kPieces * 16;
        if (begin + piece < row_bytes)
          copy_async<16>(stage + r * S::kPitch + piece, from + (static_cast<std::int64_t>(min(r, rows - 1)) * pitch + piece), 16);
      }
    }
    if (group == 64)
      fetch_params<8>(chunk, stage);
    else if (group == 32)
      fetch_params<16>(chunk, stage);
    else
      fetch_params<4>(chunk, stage);
  }
};

// A scale as it is multiplied: bf16, or float16 times 2^16 (fast_inputs.h).
__device__ __forceinline__ float scale_of(std::uint16_t raw, bool bf16) {
  const float as_bf16 = __uint_as_float(static_cast<std::uint32_t>(raw) << 16);
  const float as_f16 = __half2float(__ushort_as_half(raw)) * static_cast<float>(1 << (kCodeExponent - kHalfSumExponent));
  return bf16 ? as_bf16 : as_f16;
}

// Inputs of one unit for a lane.
struct UnitInputs {
  uint4 x0, x1;
};

// Where a lane's input is, row `own` of the prepared ones.
struct InputLane {
  const uint4* values;
  const std::uint32_t* sums;
  std::uint32_t n_rows, groups, halves;

  __device__ __forceinline__ InputLane(const FastInputs& x, std::int64_t own)
      : values(static_cast<const uint4*>(x.values) + own * 4 + (threadIdx.x & 3)),
        sums(static_cast<const std::uint32_t*>(x.sums) + own / kRowGroup * kSumWords + own % kRowGroup * 4 + (threadIdx.x & 3)),
        n_rows(static_cast<std::uint32_t>(x.rows)),
        groups((n_rows + kRowGroup - 1) / kRowGroup),
        halves(x.plan.halves ? 2 : 1) {}
  __device__ __forceinline__ void load(std::uint32_t unit, UnitInputs& in) const {
    in.x0 = __ldg(values + 8 * unit * n_rows);
    in.x1 = __ldg(values + 8 * unit * n_rows + 4 * n_rows);
  }
  // Sums of a chunk, of half `half`.
  __device__ __forceinline__ uint2 load_sums(std::uint32_t chunk, std::uint32_t half) const {
    const std::uint32_t* at = sums + static_cast<std::size_t>(chunk * halves + half) * groups * kSumWords;
    return {__ldg(at), __ldg(at + kSumWords / 2)};
  }
};

// Codes of one unit of 64 columns for rows g and g + 8 of a tile, and their scales.
struct UnitWeights {
  std::uint32_t low[8], high[8];
  float scales[2];
};

// One chunk of a warp's rows in a stage.
template <int kBits, int kTiles>
struct StagedChunk {
  using S = Stage<kBits, kTiles>;
  const std::byte* stage;
  int group;
  bool bf16;

  // Scales, or biases, of row g or g + 8 of a tile.
  __device__ __forceinline__ const std::uint16_t* params_of(int tile, bool biases, int row) const {
    const int g = static_cast<int>(threadIdx.x & 31) / 4;
    return reinterpret_cast<const std::uint16_t*>(stage + S::kParams + ((biases ? S::kRows : 0) + tile * 16 + g + row) * 16);
  }
  // Scales of group `index` of the chunk.
  __device__ __forceinline__ void load_scales(int tile, int index, float (&scales)[2]) const {
    scales[0] = scale_of(params_of(tile, false, 0)[index], bf16);
    scales[1] = scale_of(params_of(tile, false, 8)[index], bf16);
  }
  // Biases of unit t of the chunk, twice in a word, for rows g and g + 8; in groups of 32 those of half `half`.
  __device__ __forceinline__ uint2 load_biases(int tile, int half) const {
    const int t = static_cast<int>(threadIdx.x) & 3, index = group == 64 ? t : group == 32 ? 2 * t + half : t >> 1;
    const std::uint32_t low = params_of(tile, true, 0)[index], high = params_of(tile, true, 8)[index];
    return {low * 0x10001u, high * 0x10001u};
  }
  // Words of half `s` of unit `u` for rows g and g + 8.
  __device__ __forceinline__ void load_half(int tile, int u, int s, Words<kBits>& low, Words<kBits>& high) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
    low.load(reinterpret_cast<const std::uint32_t*>(stage + (tile * 16 + g) * S::kPitch), u, s, t);
    high.load(reinterpret_cast<const std::uint32_t*>(stage + (tile * 16 + g + 8) * S::kPitch), u, s, t);
  }
  __device__ __forceinline__ void load(int tile, int u, UnitWeights& w) const {
    const int t = static_cast<int>(threadIdx.x) & 3;
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      Words<kBits> low, high;
      load_half(tile, u, s, low, high);
      low.unpack(t, w.low + 4 * s);
      high.unpack(t, w.high + 4 * s);
    }
    if (group != 32) load_scales(tile, group == 64 ? u : u >> 1, w.scales);
  }
};

// y += bias * sum of x, of a chunk.
__device__ __forceinline__ void multiply_biases(float (&y)[4], uint2 biases, uint2 sums, bool bf16) {
  if (bf16)
    multiply_tile<true>(y, biases.x, biases.y, biases.x, biases.y, sums.x, sums.y);
  else
    multiply_tile<false>(y, biases.x, biases.y, biases.x, biases.y, sums.x, sums.y);
}
// y += scale * product
__device__ __forceinline__ void add_scaled(const float (&scales)[2], const float (&d)[4], float (&y)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) y[i] = fmaf(scales[i >> 1], d[i], y[i]);
}

// kPairs products of a unit of weights and a unit of inputs, side by side: each is a chain of four multiplications that wait for each
// other.
template <int kPairs>
__device__ __forceinline__ void multiply_units(const UnitWeights* const (&w)[kPairs], const UnitInputs* const (&in)[kPairs],
                                               float* const (&y)[kPairs]) {
  float d[kPairs][4] = {};
#pragma unroll
  for (int k = 0; k < 4; ++k)
#pragma unroll
    for (int p = 0; p < kPairs; ++p) {
      const uint4& x = k < 2 ? in[p]->x0 : in[p]->x1;
      multiply_tile<false>(d[p], w[p]->low[2 * k], w[p]->high[2 * k], w[p]->low[2 * k + 1], w[p]->high[2 * k + 1], k % 2 == 0 ? x.x : x.z,
                           k % 2 == 0 ? x.y : x.w);
    }
#pragma unroll
  for (int p = 0; p < kPairs; ++p) add_scaled(w[p]->scales, d[p], *reinterpret_cast<float(*)[4]>(y[p]));
}

// The same with groups of 32: scales change in the middle of the unit.
template <int kBits, int kTiles>
__device__ __forceinline__ void multiply_halves(const StagedChunk<kBits, kTiles>& chunk, int tile, int u, const UnitWeights& w,
                                                const UnitInputs& in, float (&y)[4]) {
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    const uint4& x = s == 0 ? in.x0 : in.x1;
    float d[4] = {}, scales[2];
    chunk.load_scales(tile, 2 * u + s, scales);
    multiply_tile<false>(d, w.low[4 * s], w.high[4 * s], w.low[4 * s + 1], w.high[4 * s + 1], x.x, x.y);
    multiply_tile<false>(d, w.low[4 * s + 2], w.high[4 * s + 2], w.low[4 * s + 3], w.high[4 * s + 3], x.z, x.w);
    add_scaled(scales, d, y);
  }
}

// A chunk against eight inputs, two units side by side, or against sixteen.
template <int kBits, int kTiles>
__device__ __forceinline__ void multiply_few(const StagedChunk<kBits, 1>& chunk, int index, const InputLane (&who)[2],
                                             float (&sums)[kTiles][4]) {
  constexpr int kUnits = 2 / kTiles;
  const auto at = static_cast<std::uint32_t>(index);
  for (int half = 0; half < (chunk.group == 32 ? 2 : 1); ++half) {
    const uint2 biases = chunk.load_biases(0, half);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) multiply_biases(sums[n], biases, who[n].load_sums(at, static_cast<std::uint32_t>(half)), chunk.bf16);
  }
#pragma unroll
  for (int u = 0; u < kChunkUnits; u += kUnits) {
    UnitInputs in[2];
    UnitWeights w[kUnits];
#pragma unroll
    for (int v = 0; v < 2; ++v) who[v % kTiles].load(at * kChunkUnits + static_cast<std::uint32_t>(u + v / kTiles), in[v]);
#pragma unroll
    for (int v = 0; v < kUnits; ++v) chunk.load(0, u + v, w[v]);
    if (chunk.group == 32) {
#pragma unroll
      for (int v = 0; v < 2; ++v) multiply_halves<kBits, 1>(chunk, 0, u + v / kTiles, w[v / kTiles], in[v], sums[v % kTiles]);
      continue;
    }
    multiply_units<2>({&w[0], &w[kUnits - 1]}, {&in[0], &in[1]}, {sums[0], sums[kTiles - 1]});
  }
}

// The inputs of a lane in a tile of many, by their rows in shared memory: addresses made of them once would take the registers of all sums.
__device__ __forceinline__ InputLane lane_of_many(const FastInputs& x, const std::int32_t* who, int tile) {
  return InputLane(x, *static_cast<const volatile std::int32_t*>(who + 8 * tile + static_cast<int>(threadIdx.x & 31) / 4));
}

// A chunk against 8 kInputTiles inputs: two tiles of rows and two of inputs side by side.
template <int kBits, int kInputTiles>
__device__ __forceinline__ void multiply_many(const StagedChunk<kBits, 2>& chunk, int index, const FastInputs& x, const std::int32_t* who,
                                              float (&sums)[2][kInputTiles][4]) {
  const auto first_unit = static_cast<std::uint32_t>(index * kChunkUnits);
  for (int half = 0; half < (chunk.group == 32 ? 2 : 1); ++half)
#pragma unroll
    for (int n = 0; n < kInputTiles; ++n) {
      const uint2 of = lane_of_many(x, who, n).load_sums(static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(half));
#pragma unroll
      for (int m = 0; m < 2; ++m) multiply_biases(sums[m][n], chunk.load_biases(m, half), of, chunk.bf16);
    }
#pragma unroll 1
  for (int u = 0; u < kChunkUnits; ++u) {
    UnitWeights w[2];
    chunk.load(0, u, w[0]);
    chunk.load(1, u, w[1]);
#pragma unroll
    for (int n = 0; n < kInputTiles; n += 2) {
      UnitInputs in[2];
#pragma unroll
      for (int v = 0; v < 2; ++v) lane_of_many(x, who, n + v).load(first_unit + static_cast<std::uint32_t>(u), in[v]);
      if (chunk.group == 32) {
#pragma unroll
        for (int v = 0; v < 4; ++v) multiply_halves<kBits, 2>(chunk, v & 1, u, w[v & 1], in[v >> 1], sums[v & 1][n + (v >> 1)]);
        continue;
      }
      multiply_units<4>({&w[0], &w[1], &w[0], &w[1]}, {&in[0], &in[0], &in[1], &in[1]},
                        {sums[0][n], sums[1][n], sums[0][n + 1], sums[1][n + 1]});
    }
  }
}

}  // namespace jang::kernels::cuda
