// SPDX-License-Identifier: Apache-2.0
// Every y is a sum in one fixed order, whatever the batch: columns in chunks of 32, inside a chunk in order with fused multiply-adds from
// zero, then the chunks in order. Two kernels share it and give the same bits:
//   few inputs: a warp takes two rows of the matrix, a lane a chunk of them, so that loads are dense; x lies in shared memory;
//   many inputs: tiles of 64 rows and 64 inputs, weights unpacked into shared memory, four by four sums a thread.
// Weights are code * scale + bias rounded once, as dequantize_row of the other backends has them.
#include "kernels/cuda/linear_exact.h"

#include <utility>

#include "codec/dispatch.h"
#include "kernels/cuda/columns.cuh"

namespace jang::kernels::cuda {
namespace {

constexpr int kChunkColumns = 32;
constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kRowsPerWarp = 2;
constexpr int kBlockColumns = 32 * kChunkColumns;  // a chunk for each lane
constexpr int kFewInputs = 4;                      // of a group
constexpr int kManyFrom = 9;                       // inputs

// The weights of one chunk of a row in registers. kBits: width of packed codes, or 16 (bf16), 17 (f16), 32 (f32).
template <int kBits>
struct Chunk {
  static constexpr bool kPacked = kBits <= 8;
  static constexpr int kWords = kPacked ? kBits : kBits == 32 ? 32 : 16;
  std::uint32_t words[kWords];
  float scale = 0, bias = 0;

  __device__ __forceinline__ void load(const Matrices& w, const std::byte* row, std::int64_t params, int c0, int n) {
    if constexpr (kPacked) {
      const auto* from = reinterpret_cast<const std::uint32_t*>(row) + c0 / kChunkColumns * kBits;
#pragma unroll
      for (int i = 0; i < kWords; ++i) words[i] = __ldg(from + i);
      scale = stored_value(w.param, w.scales + params, c0 / w.group);
      bias = stored_value(w.param, w.biases + params, c0 / w.group);
    } else {  // rows are padded to 16 bytes; behind the last column nothing is read
      constexpr int kPerWord = kBits == 32 ? 1 : 2;
      const auto* from = reinterpret_cast<const std::uint32_t*>(row) + c0 / kPerWord;
#pragma unroll
      for (int i = 0; i < kWords; ++i) words[i] = i * kPerWord < n ? __ldg(from + i) : 0u;
    }
  }
  template <int j>
  __device__ __forceinline__ float value() const {
    if constexpr (kPacked) {
      constexpr int kBit = j * kBits, kWord = kBit / 32, kShift = kBit % 32;
      std::uint32_t v = words[kWord] >> kShift;
      if constexpr (kShift + kBits > 32) v = __funnelshift_r(words[kWord], words[kWord + 1], kShift);
      return fmaf(static_cast<float>(v & ((1u << kBits) - 1u)), scale, bias);
    } else if constexpr (kBits == 32) {
      return __uint_as_float(words[j]);
    } else if constexpr (kBits == 16) {
      return __uint_as_float(j % 2 != 0 ? words[j / 2] & 0xffff0000u : words[j / 2] << 16);
    } else {
      return __half2float(__ushort_as_half(static_cast<unsigned short>(words[j / 2] >> (16 * (j % 2)))));
    }
  }
};

template <int kBits, int kInputs, int... j>
__device__ __forceinline__ void multiply(const Chunk<kBits>& chunk, const float* x, int x_stride, int n, float (&sums)[kInputs],
                                         std::integer_sequence<int, j...>) {
  const auto one = [&](auto index) {
    constexpr int c = decltype(index)::value;
    if (c >= n) return;
    const float w = chunk.template value<c>();
#pragma unroll
    for (int i = 0; i < kInputs; ++i) sums[i] = fmaf(w, x[i * x_stride + c], sums[i]);
  };
  (one(std::integral_constant<int, j>{}), ...);
}

template <int kBits, int kInputs>
__global__ void __launch_bounds__(kThreads) few_inputs(ExactArgs a) {
  constexpr int kPitch = 32 * (kChunkColumns + 1);  // floats of an input: chunks lie 33 apart, so that lanes meet different banks
  constexpr int kPairs = kRowsPerWarp * kInputs;
  __shared__ float x[kInputs * kPitch];
  __shared__ float parts[kWarps][kPairs][33];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kInputs);
  if (group.count == 0) return;
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const std::int64_t row0 = (static_cast<std::int64_t>(blockIdx.x) * kWarps + warp) * kRowsPerWarp;
  const int columns = static_cast<int>(a.w.columns);
  float total = 0;  // of pair `lane`
  for (int block = 0; block < columns; block += kBlockColumns) {
    const int width = min(kBlockColumns, columns - block), chunks = (width + kChunkColumns - 1) / kChunkColumns;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < kInputs * width; i += kThreads) {
      const int input = i / width, c = i % width;
      const float value = input < group.count ? a.x.at[input_row(a.columns, group.first + input) * a.x.stride + block + c] : 0.0f;
      x[input * kPitch + c / kChunkColumns * (kChunkColumns + 1) + c % kChunkColumns] = value;
    }
    __syncthreads();
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) {
      const std::int64_t row = row0 + r;
      float sums[kInputs] = {};
      if (row < a.w.rows && lane < chunks) {
        Chunk<kBits> chunk;
        const int c0 = block + lane * kChunkColumns, n = min(kChunkColumns, columns - c0);
        chunk.load(a.w, a.w.codes + group.expert * a.w.matrix_bytes + row * a.w.row_pitch,
                   group.expert * a.w.param_bytes + row * a.w.param_pitch, c0, n);
        multiply<kBits, kInputs>(chunk, x + lane * (kChunkColumns + 1), kPitch, n, sums, std::make_integer_sequence<int, kChunkColumns>());
      }
#pragma unroll
      for (int i = 0; i < kInputs; ++i) parts[warp][r * kInputs + i][lane] = sums[i];
    }
    __syncwarp();
    if (lane < kPairs)
      for (int chunk = 0; chunk < chunks; ++chunk) total += parts[warp][lane][chunk];
    __syncwarp();
  }
  const int r = lane / kInputs, i = lane % kInputs;
  if (lane >= kPairs || i >= group.count || row0 + r >= a.w.rows) return;
  const float bias = a.bias != nullptr ? a.bias[row0 + r] : 0.0f;
  a.y.at[(group.first + i) * a.y.stride + row0 + r] = a.bias != nullptr ? total + bias : total;
}

constexpr int kTile = 64, kTilePitch = kTile + 4;

// Eight neighbouring weights of a chunk, zero behind the last column.
__device__ __forceinline__ void eight_weights(const Matrices& w, const std::byte* row, std::int64_t params, int c0, float (&out)[8]) {
  if (w.dtype != DType::u32) {
#pragma unroll
    for (int j = 0; j < 8; ++j) out[j] = c0 + j < w.columns ? stored_value(w.dtype, row, c0 + j) : 0.0f;
    return;
  }
  const auto* words = reinterpret_cast<const std::uint32_t*>(row);
  const std::int64_t bit = static_cast<std::int64_t>(c0) * w.bits;
  const std::int64_t first = bit >> 5, last = (bit + 8 * w.bits - 1) >> 5;
  const std::uint32_t a = words[first], b = first + 1 <= last ? words[first + 1] : 0u, c = first + 2 <= last ? words[first + 2] : 0u;
  const float scale = stored_value(w.param, w.scales + params, c0 / w.group), bias = stored_value(w.param, w.biases + params, c0 / w.group);
  const std::uint32_t mask = (1u << w.bits) - 1u;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const int at = static_cast<int>(bit & 31) + j * w.bits;
    const std::uint32_t v = at < 32 ? __funnelshift_r(a, b, at) : at < 64 ? __funnelshift_r(b, c, at - 32) : c >> (at - 64);
    out[j] = fmaf(static_cast<float>(v & mask), scale, bias);
  }
}

__global__ void __launch_bounds__(kThreads) many_inputs(ExactArgs a) {
  __shared__ __align__(16) float w_tile[kChunkColumns][kTilePitch];
  __shared__ __align__(16) float x_tile[kChunkColumns][kTilePitch];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kTile);
  if (group.count == 0) return;
  const int thread = static_cast<int>(threadIdx.x), columns = static_cast<int>(a.w.columns);
  const std::int64_t row0 = static_cast<std::int64_t>(blockIdx.x) * kTile;
  const int loaded = thread / 4, c8 = thread % 4 * 8;  // row or input this thread brings, and its columns of a chunk
  const std::int64_t w_row = min(row0 + loaded, a.w.rows - 1);
  const std::byte* codes = a.w.codes + group.expert * a.w.matrix_bytes + w_row * a.w.row_pitch;
  const std::int64_t params = group.expert * a.w.param_bytes + w_row * a.w.param_pitch;
  const float* x = loaded < group.count ? a.x.at + input_row(a.columns, group.first + loaded) * a.x.stride : nullptr;
  const int row = thread % 16 * 4, input = thread / 16 * 4;
  float totals[4][4] = {};
  for (int c0 = 0; c0 < columns; c0 += kChunkColumns) {
    float weights[8], inputs[8];
    if (c0 + c8 < columns) {
      eight_weights(a.w, codes, params, c0 + c8, weights);
    } else {
#pragma unroll
      for (int j = 0; j < 8; ++j) weights[j] = 0;
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) inputs[j] = x != nullptr && c0 + c8 + j < columns ? x[c0 + c8 + j] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      w_tile[c8 + j][loaded] = weights[j];
      x_tile[c8 + j][loaded] = inputs[j];
    }
    __syncthreads();
    float sums[4][4] = {};
#pragma unroll 8
    for (int c = 0; c < kChunkColumns; ++c) {
      const float4 w4 = *reinterpret_cast<const float4*>(&w_tile[c][row]), x4 = *reinterpret_cast<const float4*>(&x_tile[c][input]);
      const float ws[4] = {w4.x, w4.y, w4.z, w4.w}, xs[4] = {x4.x, x4.y, x4.z, x4.w};
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int r = 0; r < 4; ++r) sums[i][r] = fmaf(ws[r], xs[i], sums[i][r]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int r = 0; r < 4; ++r) totals[i][r] += sums[i][r];
  }
  for (int i = 0; i < 4; ++i)
    for (int r = 0; r < 4; ++r) {
      if (input + i >= group.count || row0 + row + r >= a.w.rows) continue;
      const float total = totals[i][r];
      a.y.at[(group.first + input + i) * a.y.stride + row0 + row + r] = a.bias != nullptr ? total + a.bias[row0 + row + r] : total;
    }
}

template <int kBits>
void launch_few(const ExactArgs& a, Stream stream) {
  const unsigned x = blocks_of(a.w.rows, kWarps * kRowsPerWarp);
  // A mixture gives most tokens an expert of their own: one input a block, so that little is read for nothing.
  const bool single = a.columns.n == 1 || (a.columns.begin != nullptr && a.columns.n <= 2 * a.columns.experts);
  if (single)
    launch(few_inputs<kBits, 1>, dim3(x, static_cast<unsigned>(group_count(a.columns, 1))), dim3(kThreads), 0, stream, a);
  else
    launch(few_inputs<kBits, kFewInputs>, dim3(x, static_cast<unsigned>(group_count(a.columns, kFewInputs))), dim3(kThreads), 0, stream, a);
}

}  // namespace

void linear_exact(const ExactArgs& a, Stream stream) {
  const std::int64_t many = a.columns.begin == nullptr ? kManyFrom : std::int64_t{kManyFrom} * a.columns.experts;
  constexpr std::int64_t kMostGroups = 65535;
  if (a.columns.n >= many && group_count(a.columns, kTile) <= kMostGroups) {
    launch(many_inputs, dim3(blocks_of(a.w.rows, kTile), static_cast<unsigned>(group_count(a.columns, kTile))), dim3(kThreads), 0, stream,
           a);
    return;
  }
  switch (a.w.dtype) {
    case DType::u32: codec::with_width(a.w.bits, [&]<int kBits>() { launch_few<kBits>(a, stream); }); return;
    case DType::bf16: return launch_few<16>(a, stream);
    case DType::f16: return launch_few<17>(a, stream);
    default: return launch_few<32>(a, stream);
  }
}

}  // namespace jang::kernels::cuda
