// SPDX-License-Identifier: Apache-2.0
// Every y is a sum in one fixed order, whatever the batch: columns in chunks of 32, inside a chunk in order with fused multiply-adds from
// zero, then the chunks in order. Three kernels share it and give the same bits:
//   few inputs: a warp takes two rows of the matrix, a lane a chunk of them, so that loads are dense; x lies in shared memory;
//   many inputs: tiles of 64 rows and 64 inputs, weights unpacked into shared memory, four by four sums a thread;
//   many inputs of large matrices: tiles of 128 rows and 64 or 128 inputs, eight by four or eight sums a thread, so that shared memory is
//   read half as often for a multiplication; the next chunk is on its way while one is multiplied.
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
  if (w.dtype != DType::u32 && c0 + 8 > w.columns) {
#pragma unroll
    for (int j = 0; j < 8; ++j) out[j] = c0 + j < w.columns ? stored_value(w.dtype, row, c0 + j) : 0.0f;
    return;
  }
  if (w.dtype == DType::f32) {
    const auto* values = reinterpret_cast<const float4*>(row) + c0 / 4;
    const float4 a = __ldg(values), b = __ldg(values + 1);
    out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w, out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
    return;
  }
  if (w.dtype != DType::u32) {
    const uint4 v = __ldg(reinterpret_cast<const uint4*>(row) + c0 / 8);
    const std::uint32_t pairs[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const std::uint32_t half = pairs[j / 2] >> (16 * (j % 2)) & 0xffffu;
      out[j] = w.dtype == DType::bf16 ? __uint_as_float(half << 16) : __half2float(__ushort_as_half(static_cast<unsigned short>(half)));
    }
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

constexpr int kLargeRows = 128;

// kColumns values of one input from column c0 on, zero behind the last; x: null where there is no input.
template <int kColumns>
__device__ __forceinline__ void some_inputs(const float* x, int c0, int columns, bool aligned, float (&out)[kColumns]) {
  if (x != nullptr && aligned && c0 + kColumns <= columns) {
#pragma unroll
    for (int j = 0; j < kColumns; j += 4) {
      const float4 v = *reinterpret_cast<const float4*>(x + c0 + j);
      out[j] = v.x, out[j + 1] = v.y, out[j + 2] = v.z, out[j + 3] = v.w;
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < kColumns; ++j) out[j] = x != nullptr && c0 + j < columns ? x[c0 + j] : 0.0f;
}

template <int kInputs>
__global__ void __launch_bounds__(kThreads) large_tiles(ExactArgs a, bool aligned) {
  constexpr int kSums = kInputs / 16;                              // inputs of a thread
  constexpr int kBrought = kInputs * kChunkColumns / kThreads;     // values of an input that a thread brings
  constexpr int kWeights = kLargeRows * kChunkColumns / kThreads;  // of a row
  __shared__ __align__(16) float w_tile[kChunkColumns][kLargeRows + 4];
  __shared__ __align__(16) float x_tile[kChunkColumns][kInputs + 4];
  begin_kernel();
  const InputGroup group = find_group(a.columns, static_cast<int>(blockIdx.y), kInputs);
  if (group.count == 0) return;
  const int thread = static_cast<int>(threadIdx.x), columns = static_cast<int>(a.w.columns);
  const std::int64_t row0 = static_cast<std::int64_t>(blockIdx.x) * kLargeRows;
  // Neighbouring threads bring neighbouring rows, so that what they store meets different banks.
  const int w_loaded = thread % kLargeRows, w_column = thread / kLargeRows * kWeights;
  const int x_loaded = thread % kInputs, x_column = thread / kInputs * kBrought;
  const std::int64_t w_row = min(row0 + w_loaded, a.w.rows - 1);
  const std::byte* codes = a.w.codes + group.expert * a.w.matrix_bytes + w_row * a.w.row_pitch;
  const std::int64_t params = group.expert * a.w.param_bytes + w_row * a.w.param_pitch;
  const float* x = x_loaded < group.count ? a.x.at + input_row(a.columns, group.first + x_loaded) * a.x.stride : nullptr;
  float weights[kWeights / 8][8], inputs[kBrought];
  const auto bring = [&](int c0) {
#pragma unroll
    for (int i = 0; i < kWeights / 8; ++i) {
      if (c0 + w_column + 8 * i < columns) {
        eight_weights(a.w, codes, params, c0 + w_column + 8 * i, weights[i]);
      } else {
#pragma unroll
        for (int j = 0; j < 8; ++j) weights[i][j] = 0;
      }
    }
    some_inputs<kBrought>(x, c0 + x_column, columns, aligned, inputs);
  };
  const int row = thread % 16 * 4, input = thread / 16 * 4;  // and 64 further
  float totals[kSums][8] = {};
  bring(0);
  for (int c0 = 0; c0 < columns; c0 += kChunkColumns) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < kWeights; ++j) w_tile[w_column + j][w_loaded] = weights[j / 8][j % 8];
#pragma unroll
    for (int j = 0; j < kBrought; ++j) x_tile[x_column + j][x_loaded] = inputs[j];
    __syncthreads();
    if (c0 + kChunkColumns < columns) bring(c0 + kChunkColumns);
    float sums[kSums][8] = {};
#pragma unroll 4
    for (int c = 0; c < kChunkColumns; ++c) {
      float ws[8], xs[kSums];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4 v = *reinterpret_cast<const float4*>(&w_tile[c][row + 64 * half]);
        ws[4 * half] = v.x, ws[4 * half + 1] = v.y, ws[4 * half + 2] = v.z, ws[4 * half + 3] = v.w;
      }
#pragma unroll
      for (int half = 0; half < kSums / 4; ++half) {
        const float4 v = *reinterpret_cast<const float4*>(&x_tile[c][input + 64 * half]);
        xs[4 * half] = v.x, xs[4 * half + 1] = v.y, xs[4 * half + 2] = v.z, xs[4 * half + 3] = v.w;
      }
#pragma unroll
      for (int i = 0; i < kSums; ++i)
#pragma unroll
        for (int r = 0; r < 8; ++r) sums[i][r] = fmaf(ws[r], xs[i], sums[i][r]);
    }
#pragma unroll
    for (int i = 0; i < kSums; ++i)
#pragma unroll
      for (int r = 0; r < 8; ++r) totals[i][r] += sums[i][r];
  }
#pragma unroll
  for (int i = 0; i < kSums; ++i)
#pragma unroll
    for (int r = 0; r < 8; ++r) {
      const int at = input + i % 4 + 64 * (i / 4);
      const std::int64_t to = row0 + row + r % 4 + 64 * (r / 4);
      if (at >= group.count || to >= a.w.rows) continue;
      a.y.at[(group.first + at) * a.y.stride + to] = a.bias != nullptr ? totals[i][r] + a.bias[to] : totals[i][r];
    }
}

constexpr std::int64_t kMostGroups = 65535;

// Whether the blocks of large_tiles<kInputs> fill the card, and then launches them.
template <int kInputs>
bool launch_large(const ExactArgs& a, int multiprocessors, Stream stream) {
  const std::int64_t groups = group_count(a.columns, kInputs), least = a.columns.begin == nullptr ? groups : a.columns.n / kInputs;
  const std::int64_t rows = (a.w.rows + kLargeRows - 1) / kLargeRows;
  if (rows * least < multiprocessors || groups > kMostGroups) return false;
  const bool aligned = a.x.stride % 4 == 0 && reinterpret_cast<std::uintptr_t>(a.x.at) % 16 == 0;
  launch(large_tiles<kInputs>, dim3(static_cast<unsigned>(rows), static_cast<unsigned>(groups)), dim3(kThreads), 0, stream, a, aligned);
  return true;
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

void linear_exact(const ExactArgs& a, int multiprocessors, Stream stream) {
  const std::int64_t matrices = a.columns.begin == nullptr ? 1 : a.columns.experts, many = kManyFrom * matrices;
  // Tiles that are mostly full; what experts really see is not known here.
  if (a.columns.n > 96 * matrices && launch_large<128>(a, multiprocessors, stream)) return;
  if (a.columns.n > 24 * matrices && launch_large<64>(a, multiprocessors, stream)) return;
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
