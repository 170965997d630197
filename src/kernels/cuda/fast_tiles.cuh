// SPDX-License-Identifier: Apache-2.0
// What one warp does in linear_fast.cu: brings chunks of its rows into stages of shared memory, and multiplies a chunk by inputs.
#pragma once

#include "kernels/cuda/fast_codes.cuh"
#include "kernels/cuda/linear_fast.h"

namespace jang::kernels::cuda {

constexpr int kChunkColumns = 256, kUnit = 64, kChunkUnits = kChunkColumns / kUnit;
constexpr int kSlices = 8;

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

__device__ __forceinline__ float param_of(const std::byte* params, int index, bool bf16) {
  const std::uint16_t raw = reinterpret_cast<const std::uint16_t*>(params)[index];
  return bf16 ? __uint_as_float(static_cast<std::uint32_t>(raw) << 16) : __half2float(__ushort_as_half(raw));
}

// Inputs of one unit for a lane, and the corrections of the two inputs whose results it holds.
struct UnitInputs {
  uint4 x0, x1;
  float4 c0, c1;
};

// Where a warp's inputs are. Of few inputs as addresses: a lane multiplies input g and holds results of inputs 2 t and 2 t + 1.
struct FewRows {
  const uint4* values;
  const float4* first;
  const float4* second;
  std::uint32_t n_rows;

  __device__ __forceinline__ FewRows(const FastInputs& x, std::int64_t own, std::int64_t first_row, std::int64_t second_row)
      : values(static_cast<const uint4*>(x.values) + own * 4 + (threadIdx.x & 3)),
        first(static_cast<const float4*>(x.corrections) + first_row),
        second(static_cast<const float4*>(x.corrections) + second_row),
        n_rows(static_cast<std::uint32_t>(x.rows)) {}
  __device__ __forceinline__ void load(std::uint32_t unit, int /*tile*/, UnitInputs& in) const {
    const std::uint32_t at = unit * n_rows;
    in.x0 = __ldg(values + 8 * at);
    in.x1 = __ldg(values + 8 * at + 4 * n_rows);
    in.c0 = __ldg(first + at);
    in.c1 = __ldg(second + at);
  }
};
// Of many as rows in shared memory, read again wherever they are needed: addresses made of them once would take the registers of all sums.
struct ManyRows {
  const FastInputs& x;
  const std::int32_t* who;
  __device__ __forceinline__ std::uint32_t row(int i) const {
    return static_cast<std::uint32_t>(*static_cast<const volatile std::int32_t*>(who + i));
  }
  __device__ __forceinline__ void load(std::uint32_t unit, int tile, UnitInputs& in) const {
    const std::uint32_t lane = threadIdx.x & 31, g = lane >> 2, t = lane & 3, n_rows = static_cast<std::uint32_t>(x.rows);
    const uint4* values = static_cast<const uint4*>(x.values) + (2 * unit * n_rows + row(8 * tile + static_cast<int>(g))) * 4 + t;
    const float4* corrections = static_cast<const float4*>(x.corrections) + unit * n_rows;
    in.x0 = __ldg(values);
    in.x1 = __ldg(values + 4 * n_rows);
    in.c0 = __ldg(corrections + row(8 * tile + 2 * static_cast<int>(t)));
    in.c1 = __ldg(corrections + row(8 * tile + 2 * static_cast<int>(t) + 1));
  }
};

// Codes of one unit of 64 columns for rows g and g + 8 of a tile, and their parameters: scale and bias of row g, of row g + 8.
struct UnitWeights {
  std::uint32_t low[8], high[8];
  float params[4];
};

// One chunk of a warp's rows in a stage.
template <int kBits, int kTiles>
struct StagedChunk {
  using S = Stage<kBits, kTiles>;
  const std::byte* stage;
  int group;
  bool bf16;

  // Parameters of group `index` of the chunk.
  __device__ __forceinline__ void load_params(int tile, int index, float (&params)[4]) const {
    const std::byte* scale = stage + S::kParams + (tile * 16 + static_cast<int>(threadIdx.x & 31) / 4) * 16;
    params[0] = param_of(scale, index, bf16);
    params[1] = param_of(scale + S::kRows * 16, index, bf16);
    params[2] = param_of(scale + 8 * 16, index, bf16);
    params[3] = param_of(scale + (S::kRows + 8) * 16, index, bf16);
  }
  __device__ __forceinline__ void load(int tile, int u, UnitWeights& w) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
#pragma unroll
    for (int s = 0; s < 2; ++s) {
      unpack_eight<kBits>(reinterpret_cast<const std::uint32_t*>(stage + (tile * 16 + g) * S::kPitch), u, s, t, w.low + 4 * s);
      unpack_eight<kBits>(reinterpret_cast<const std::uint32_t*>(stage + (tile * 16 + g + 8) * S::kPitch), u, s, t, w.high + 4 * s);
    }
    if (group != 32) load_params(tile, group == 64 ? u : u >> 1, w.params);
  }
};

__device__ __forceinline__ void apply(const float (&params)[4], const float (&d)[4], float sum_0, float sum_1, float (&y)[4]) {
  y[0] = fmaf(params[0], d[0], fmaf(params[1], sum_0, y[0]));
  y[1] = fmaf(params[0], d[1], fmaf(params[1], sum_1, y[1]));
  y[2] = fmaf(params[2], d[2], fmaf(params[3], sum_0, y[2]));
  y[3] = fmaf(params[2], d[3], fmaf(params[3], sum_1, y[3]));
}

// kPairs products of a unit of weights and a unit of inputs, side by side: each is a chain of four multiplications that wait for each
// other.
template <int kPairs>
__device__ __forceinline__ void multiply_units(const UnitWeights* const (&w)[kPairs], const UnitInputs* const (&in)[kPairs],
                                               float* const (&y)[kPairs]) {
  float d[kPairs][4];
#pragma unroll
  for (int p = 0; p < kPairs; ++p) {
    d[p][0] = d[p][2] = in[p]->c0.x + in[p]->c0.z;
    d[p][1] = d[p][3] = in[p]->c1.x + in[p]->c1.z;
  }
#pragma unroll
  for (int k = 0; k < 4; ++k)
#pragma unroll
    for (int p = 0; p < kPairs; ++p) {
      const uint4& x = k < 2 ? in[p]->x0 : in[p]->x1;
      multiply_tile(d[p], w[p]->low[2 * k], w[p]->high[2 * k], w[p]->low[2 * k + 1], w[p]->high[2 * k + 1], k % 2 == 0 ? x.x : x.z,
                    k % 2 == 0 ? x.y : x.w);
    }
#pragma unroll
  for (int p = 0; p < kPairs; ++p) {
    float(&sums)[4] = *reinterpret_cast<float(*)[4]>(y[p]);
    apply(w[p]->params, d[p], in[p]->c0.y + in[p]->c0.w, in[p]->c1.y + in[p]->c1.w, sums);
  }
}

// The same with groups of 32: parameters change in the middle of the unit.
template <int kBits, int kTiles>
__device__ __forceinline__ void multiply_halves(const StagedChunk<kBits, kTiles>& chunk, int tile, int u, const UnitWeights& w,
                                                const UnitInputs& in, float (&y)[4]) {
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    const float first_0 = s == 0 ? in.c0.x : in.c0.z, first_1 = s == 0 ? in.c1.x : in.c1.z;
    const uint4& x = s == 0 ? in.x0 : in.x1;
    float d[4] = {first_0, first_1, first_0, first_1}, params[4];
    chunk.load_params(tile, 2 * u + s, params);
    multiply_tile(d, w.low[4 * s], w.high[4 * s], w.low[4 * s + 1], w.high[4 * s + 1], x.x, x.y);
    multiply_tile(d, w.low[4 * s + 2], w.high[4 * s + 2], w.low[4 * s + 3], w.high[4 * s + 3], x.z, x.w);
    apply(params, d, s == 0 ? in.c0.y : in.c0.w, s == 0 ? in.c1.y : in.c1.w, y);
  }
}

// A chunk against eight inputs: two units side by side.
template <int kBits>
__device__ __forceinline__ void multiply_few(const StagedChunk<kBits, 1>& chunk, int index, const FewRows& who, float (&sums)[4]) {
#pragma unroll
  for (int u = 0; u < kChunkUnits; u += 2) {
    UnitInputs in[2];
    UnitWeights w[2];
#pragma unroll
    for (int v = 0; v < 2; ++v) who.load(static_cast<std::uint32_t>(index * kChunkUnits + u + v), 0, in[v]);
#pragma unroll
    for (int v = 0; v < 2; ++v) chunk.load(0, u + v, w[v]);
    if (chunk.group == 32) {
      multiply_halves<kBits, 1>(chunk, 0, u, w[0], in[0], sums);
      multiply_halves<kBits, 1>(chunk, 0, u + 1, w[1], in[1], sums);
      continue;
    }
    multiply_units<2>({&w[0], &w[1]}, {&in[0], &in[1]}, {sums, sums});
  }
}

// A chunk against 8 kInputTiles inputs: two tiles of rows and two of inputs side by side.
template <int kBits, int kInputTiles>
__device__ __forceinline__ void multiply_many(const StagedChunk<kBits, 2>& chunk, int index, const ManyRows& who,
                                              float (&sums)[2][kInputTiles][4]) {
#pragma unroll 1
  for (int u = 0; u < kChunkUnits; ++u) {
    UnitWeights w[2];
    chunk.load(0, u, w[0]);
    chunk.load(1, u, w[1]);
#pragma unroll
    for (int n = 0; n < kInputTiles; n += 2) {
      UnitInputs in[2];
#pragma unroll
      for (int v = 0; v < 2; ++v) who.load(static_cast<std::uint32_t>(index * kChunkUnits + u), n + v, in[v]);
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
