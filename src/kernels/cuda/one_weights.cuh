// SPDX-License-Identifier: Apache-2.0
// What one warp of linear_one.cu does with weights: brings chunks of its tile's rows into stages of shared memory (fast_tiles.cuh has their
// layout), and multiplies a chunk by the input.
#pragma once

#include "kernels/cuda/fast_codes.cuh"
#include "kernels/cuda/fast_tiles.cuh"
#include "kernels/cuda/one_input.cuh"

namespace jang::kernels::cuda {

__device__ __forceinline__ void copy_piece(std::uint32_t to, const std::byte* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
template <int kBytes>
__device__ __forceinline__ void copy_params(std::uint32_t to, const std::byte* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(to), "l"(from), "n"(kBytes) : "memory");
}

// Where a warp's weights come from, and how its lanes bring a chunk of them to a stage.
template <int kBits>
struct OneRows {
  using S = Stage<kBits, 1>;
  static constexpr int kPieces = S::kRowBytes / 16;
  const std::byte *low_codes, *high_codes;  // of the first row of a half
  const std::byte* params;                  // of the row that this lane brings: scales for the lower half of a warp, biases for the upper
  int from[kBits];                          // bytes from the first row of the half
  int param_bytes;                          // of a chunk

  __device__ __forceinline__ OneRows(const Matrices& w) : param_bytes(kChunkColumns / w.group * 2) {
    const int lane = static_cast<int>(threadIdx.x) & 31;
#pragma unroll
    for (int i = 0; i < kBits; ++i) {
      const int index = lane + 32 * i;
      from[i] = (index / kPieces & 7) * static_cast<int>(w.row_pitch) + index % kPieces * 16;
    }
  }
  __device__ __forceinline__ void open(const OneArgs& a, int tile) {
    const int lane = static_cast<int>(threadIdx.x) & 31, half = lane >> 3 & 1;
    int first_tile = 0;
    const bool gated = a.follower.gated != nullptr;
    const int m = gated ? 0 : map_index(a, tile, &first_tile);
    const int row = gated ? 8 * tile : 16 * (tile - first_tile), second = gated ? row : row + 8;
    const Matrices &low = a.maps[m].w, &high = a.maps[gated ? 1 : m].w, &mine = half != 0 ? high : low;
    low_codes = low.codes + row * low.row_pitch;
    high_codes = high.codes + second * high.row_pitch;
    params = (lane & 16 ? mine.biases : mine.scales) + ((half != 0 ? second : row) + (lane & 7)) * mine.param_pitch;
  }
  __device__ __forceinline__ void fetch(int chunk, std::uint32_t stage) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, begin = chunk * S::kRowBytes;
#pragma unroll
    for (int i = 0; i < kBits; ++i) {
      const int index = lane + 32 * i;
      const bool high = 2 * i + 1 < kBits ? false : 2 * i >= kBits ? true : lane >= 16;  // index >= 8 kPieces
      copy_piece(stage + index / kPieces * S::kPitch + index % kPieces * 16, (high ? high_codes : low_codes) + (from[i] + begin));
    }
    const std::uint32_t to = stage + S::kParams + lane * 16;
    if (param_bytes == 8)
      copy_params<8>(to, params + chunk * 8);
    else
      copy_params<4>(to, params + chunk * 4);
  }
};

__device__ __forceinline__ void load_matrices(std::uint32_t at, std::uint32_t (&out)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(at)
               : "memory");
}

// The packed codes of a half of one unit, of rows g and g + 8.
template <int kBits>
struct UnitWords {
  Words<kBits> low[2], high[2];

  __device__ __forceinline__ void load(const std::byte* stage, std::uint32_t stage_at, int u) {
    using S = Stage<kBits, 1>;
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
    if constexpr (kBits == 4) {  // four matrices of 8 rows of 16 bytes: the halves of the tile, for both halves of the unit
      std::uint32_t words[4];
      load_matrices(stage_at + (lane & 15) * S::kPitch + (2 * u + (lane >> 4)) * 16, words);
#pragma unroll
      for (int s = 0; s < 2; ++s) low[s].low = words[2 * s], high[s].low = words[2 * s + 1];
    } else {
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        low[s].load(reinterpret_cast<const std::uint32_t*>(stage + g * S::kPitch), u, s, t);
        high[s].load(reinterpret_cast<const std::uint32_t*>(stage + (g + 8) * S::kPitch), u, s, t);
      }
    }
  }
};

// Scale u of a chunk's four, as it is multiplied (fast_tiles.cuh, scale_of).
template <bool kBf16>
__device__ __forceinline__ float chunk_scale(const uint2& scales, int u) {
  const std::uint32_t word = u < 2 ? scales.x : scales.y;
  if constexpr (kBf16) return __uint_as_float(u % 2 == 0 ? word << 16 : word & 0xffff0000u);
  return scale_of(static_cast<std::uint16_t>(u % 2 == 0 ? word & 0xffffu : word >> 16), false);
}

// y[0], y[1]: the sums of rows g and g + 8. All eight columns of a tile are the one input.
template <int kBits, bool kBf16>
__device__ __forceinline__ void multiply_chunk(const std::byte* stage, std::uint32_t stage_at, bool wide_groups, const uint4* values,
                                               const std::uint32_t* sums, float (&y)[2]) {
  using S = Stage<kBits, 1>;
  const int lane = static_cast<int>(threadIdx.x) & 31, g = lane >> 2, t = lane & 3;
  const std::byte* params = stage + S::kParams + g * 16;
  uint2 low_scales = *reinterpret_cast<const uint2*>(params), high_scales = *reinterpret_cast<const uint2*>(params + 8 * 16);
  if (wide_groups) {  // two scales for four units
    low_scales = {__byte_perm(low_scales.x, 0, 0x1010), __byte_perm(low_scales.x, 0, 0x3232)};
    high_scales = {__byte_perm(high_scales.x, 0, 0x1010), __byte_perm(high_scales.x, 0, 0x3232)};
  }
  const auto* biases = reinterpret_cast<const std::uint16_t*>(params + S::kRows * 16) + (wide_groups ? t >> 1 : t);
  float with_biases[4] = {y[0], y[0], y[1], y[1]};
  multiply_biases(with_biases, {biases[0] * 0x10001u, biases[8 * 8] * 0x10001u}, {sums[t], sums[kChunkUnits + t]}, kBf16);
  y[0] = with_biases[0], y[1] = with_biases[2];
  constexpr int kSide = 2;  // units side by side, since each is a chain of four products
#pragma unroll
  for (int u = 0; u < kChunkUnits; u += kSide) {
    UnitWords<kBits> words[kSide];
#pragma unroll
    for (int v = 0; v < kSide; ++v) words[v].load(stage, stage_at, u + v);
    float d[kSide][4] = {};
#pragma unroll
    for (int s = 0; s < 2; ++s)
#pragma unroll
      for (int v = 0; v < kSide; ++v) {
        const uint4 x = values[8 * (u + v) + 4 * s + t];
        std::uint32_t low[4], high[4];
        words[v].low[s].unpack(t, low);
        words[v].high[s].unpack(t, high);
        multiply_tile<false>(d[v], low[0], high[0], low[1], high[1], x.x, x.y);
        multiply_tile<false>(d[v], low[2], high[2], low[3], high[3], x.z, x.w);
      }
#pragma unroll
    for (int v = 0; v < kSide; ++v) {
      y[0] = fmaf(chunk_scale<kBf16>(low_scales, u + v), d[v][0], y[0]);
      y[1] = fmaf(chunk_scale<kBf16>(high_scales, u + v), d[v][2], y[1]);
    }
  }
}

}  // namespace jang::kernels::cuda
