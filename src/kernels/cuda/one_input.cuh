// SPDX-License-Identifier: Apache-2.0
// The input of linear_one.cu as each of its blocks prepares it: norm, scaling by a power of two, float16 in the order of a width's codes,
// sums of units (fast_inputs.h). The bits are those of add_norm and prepare_fast.
#pragma once

#include "kernels/cuda/fast_map.cuh"
#include "kernels/cuda/linear_one.h"
#include "kernels/cuda/unit_inputs.cuh"

namespace jang::kernels::cuda {

constexpr int kMostOneColumns = 18944;  // whose inputs fit beside the stages of every width
constexpr int kOneTeams = 2, kOneWarps = kOneTeams * kSlices, kOneThreads = 32 * kOneWarps;

struct OneArgs {
  FastMap maps[kMapsPerLaunch];
  int tiles_end[kMapsPerLaunch];  // tiles of the maps, summed up
  int n_maps;
  OneInput input;
  OneFollower follower;
  int columns, chunks, norm_threads;
};

// The map of a tile.
__device__ __forceinline__ int map_index(const OneArgs& a, int tile, int* first_tile) {
  int m = 0;
  while (m + 1 < a.n_maps && tile >= a.tiles_end[m]) ++m;
  *first_tile = m > 0 ? a.tiles_end[m - 1] : 0;
  return m;
}

// Shared memory behind the stages: values [unit][half][lane of a quad] 16 bytes, then sums [chunk][2][unit of the chunk].
__host__ __device__ constexpr int input_bytes(int chunks) { return chunks * (kChunkColumns * 2 + 2 * kChunkUnits * 4); }

// 1 / sqrt(mean(x^2) + eps), in the order of add_norm (rows.cu), which has `norm_threads` threads.
__device__ inline float norm_factor_of(const OneArgs& a) {
  __shared__ float parts[32];
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
  for (int v = thread; v < a.norm_threads; v += kOneThreads) {
    float sum = 0;
#pragma unroll 4
    for (int j = v; j < a.columns; j += a.norm_threads) sum = fmaf(a.input.x[j], a.input.x[j], sum);
    sum = warp_sum(sum);
    if (lane == 0) parts[v >> 5] = sum;
  }
  __syncthreads();
  const float total = warp_sum(lane < a.norm_threads / 32 ? parts[lane] : 0.0f);
  return 1.0f / sqrtf(total / static_cast<float>(a.columns) + a.input.eps);
}

__device__ __forceinline__ float input_value(const OneInput& in, float norm_factor, int c) {
  if (in.normed == nullptr) return in.x[c];
  return in.x[c] * norm_factor * (in.norm != nullptr ? in.norm[c] + in.offset : 1.0f);
}

// The input in shared memory: values and sums.
struct Prepared {
  uint4* values;
  std::uint32_t* sums;

  __device__ __forceinline__ void put(const UnitLane& own, int u, float value_0, float value_1, bool bf16) const {
    float sum = 0;
    const std::uint32_t word = own.make(value_0, value_1, &sum);
    sum += __shfl_xor_sync(~0u, sum, 16);
    reinterpret_cast<std::uint32_t*>(values)[u * 32 + own.half * 16 + 4 * own.t + own.pair] = word;
    if ((threadIdx.x & 31) != 0) return;
    const uint2 parts = sum_parts(bf16, sum);
    std::uint32_t* to = sums + u / kChunkUnits * (2 * kChunkUnits) + u % kChunkUnits;
    to[0] = parts.x;
    to[kChunkUnits] = parts.y;
  }
};

// What a warp keeps of the input, kHeld units: x, and what a norm multiplies it by.
template <int kHeld>
struct HeldUnits {
  float gains[kHeld][2], values[kHeld][2];

  __device__ __forceinline__ void load_gains(const OneArgs& a, const UnitLane& own) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = (warp + i * kOneWarps) * kUnit;
      const bool exists = c < a.columns && a.input.normed != nullptr && a.input.norm != nullptr;
      gains[i][0] = exists ? a.input.norm[c + own.column_0] + a.input.offset : 1.0f;
      gains[i][1] = exists ? a.input.norm[c + own.column_1] + a.input.offset : 1.0f;
    }
  }
  // What results are multiplied by, and the factor of the norm. Barriers of the block.
  __device__ __forceinline__ float prepare(const OneArgs& a, UnitLane& own, bool bf16, const Prepared& to, float* norm_factor) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int c = (warp + i * kOneWarps) * kUnit;
      values[i][0] = c < a.columns ? a.input.x[c + own.column_0] : 0.0f;
      values[i][1] = c < a.columns ? a.input.x[c + own.column_1] : 0.0f;
    }
    if (a.input.normed != nullptr) {
      *norm_factor = norm_factor_of(a);
#pragma unroll
      for (int i = 0; i < kHeld; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) values[i][j] = values[i][j] * *norm_factor * gains[i][j];
    }
    float largest = 0;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) largest = fmaxf(largest, fmaxf(fabsf(values[i][0]), fabsf(values[i][1])));
    const int exponent = input_exponent(block_max(largest));
    own.scale_by(ldexpf(1.0f, exponent));
#pragma unroll
    for (int i = 0; i < kHeld; ++i)
      if (warp + i * kOneWarps < a.chunks * kChunkUnits) to.put(own, warp + i * kOneWarps, values[i][0], values[i][1], bf16);
    return result_factor(exponent, bf16);
  }
};

// The same for rows too long to keep.
__device__ inline float prepare_long(const OneArgs& a, UnitLane& own, bool bf16, const Prepared& to, float* norm_factor) {
  const int warp = static_cast<int>(threadIdx.x) >> 5;
  if (a.input.normed != nullptr) *norm_factor = norm_factor_of(a);
  const float factor = *norm_factor;
  float largest = 0;
#pragma unroll 8
  for (int c = static_cast<int>(threadIdx.x); c < a.columns; c += kOneThreads)
    largest = fmaxf(largest, fabsf(input_value(a.input, factor, c)));
  const int exponent = input_exponent(block_max(largest));
  own.scale_by(ldexpf(1.0f, exponent));
#pragma unroll 4
  for (int u = warp; u < a.chunks * kChunkUnits; u += kOneWarps)
    to.put(own, u, input_value(a.input, factor, u * kUnit + own.column_0), input_value(a.input, factor, u * kUnit + own.column_1), bf16);
  return result_factor(exponent, bf16);
}

constexpr int kShort = 4, kLong = 14;  // units that a warp can keep, of rows of 4096 and of 14336

}  // namespace jang::kernels::cuda
