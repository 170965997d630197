// SPDX-License-Identifier: Apache-2.0
// Inputs of packed maps: a block scales a row by a power of two, rounds it to float16 in the order of a width's codes and sums it up.
#include "kernels/cuda/fast_inputs.h"

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/unit_inputs.cuh"

namespace jang::kernels::cuda {
namespace {

struct PrepareArgs {
  Rows x;
  Columns columns;  // with by_slot: which row of x a slot takes
  FastPlan plan;
  bool by_slot;
  int n_columns, units;
  std::int64_t pitch, groups;  // rows from unit to unit; eights of rows
  std::uint32_t* values;
  uint32_t* sums;
  float* factors;
};

// The largest of a row's magnitudes, for every thread of the block.
__device__ __forceinline__ float largest_of(const float* row, int columns) {
  float largest = 0;
  if (columns % 4 == 0 && (reinterpret_cast<std::uintptr_t>(row) & 15) == 0) {
    for (int c = 4 * static_cast<int>(threadIdx.x); c < columns; c += 4 * static_cast<int>(blockDim.x)) {
      const float4 four = *reinterpret_cast<const float4*>(row + c);
      largest = fmaxf(largest, fmaxf(fmaxf(fabsf(four.x), fabsf(four.y)), fmaxf(fabsf(four.z), fabsf(four.w))));
    }
  } else {
    for (int c = static_cast<int>(threadIdx.x); c < columns; c += static_cast<int>(blockDim.x)) largest = fmaxf(largest, fabsf(row[c]));
  }
  return block_max(largest);
}

// The sum of unit u, half `half`, of a row.
__device__ __forceinline__ void put_sum(const PrepareArgs& a, std::int64_t row, int u, int half, float sum) {
  const int halves = a.plan.halves ? 2 : 1;
  const uint2 parts = sum_parts(a.plan.bf16, sum);
  const std::int64_t group = (u / kChunkUnits * halves + half) * a.groups + row / kRowGroup;
  std::uint32_t* to = a.sums + group * kSumWords + row % kRowGroup * 4 + u % kChunkUnits;
  to[0] = parts.x;
  to[kSumWords / 2] = parts.y;
}

__global__ void prepare_kernel(const __grid_constant__ PrepareArgs a) {
  begin_kernel();
  const std::int64_t row = blockIdx.x;
  const float* from = a.x.at + (a.by_slot ? input_row(a.columns, static_cast<int>(row)) : row) * a.x.stride;
  const float largest = largest_of(from, a.n_columns);
  const int exponent = input_exponent(largest);
  if (threadIdx.x == 0 && blockIdx.y == 0) a.factors[row] = result_factor(exponent, a.plan.bf16);
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int step = static_cast<int>(gridDim.y * blockDim.x) >> 5;  // each block takes some of the units
  UnitLane own(a.plan.bits);
  own.scale_by(ldexpf(1.0f, exponent));
  const int half = own.half, t = own.t, pair = own.pair;
  for (int u = static_cast<int>(blockIdx.y * blockDim.x >> 5) + warp; u < a.units; u += step) {
    const int c0 = u * kUnit + own.column_0, c1 = u * kUnit + own.column_1;
    float sum = 0;
    const std::uint32_t word = own.make(c0 < a.n_columns ? from[c0] : 0.0f, c1 < a.n_columns ? from[c1] : 0.0f, &sum);
    const float other = __shfl_xor_sync(~0u, sum, 16);
    const std::int64_t at = u * a.pitch;
    if (a.plan.tiles)
      a.values[(at + row) * 32 + ((4 * half + pair) ^ static_cast<int>(row & 7)) * 4 + t] = word;
    else
      a.values[(2 * at + half * a.pitch + row) * 16 + 4 * t + pair] = word;
    if (lane == 0 || (lane == 16 && a.plan.halves)) put_sum(a, row, u, half, a.plan.halves ? sum : sum + other);
  }
}

std::int64_t units_of(std::int64_t columns) { return (columns + kChunkColumns - 1) / kChunkColumns * kChunkUnits; }
constexpr std::int64_t up(std::int64_t n, std::int64_t size) { return (n + size - 1) / size * size; }

}  // namespace

std::int64_t fast_input_bytes(std::int64_t n, std::int64_t columns) {
  const std::int64_t rows = up(n, kRowGroup), units = units_of(columns);
  return units * rows * kUnit * 2 + units / kChunkUnits * rows * (2 * kSumWords * 4 / kRowGroup) + up(4 * n, 256) + 512;
}

FastInputs prepare_fast(const FastPlan& plan, const Rows& x, std::int64_t n, const Columns& columns, std::int64_t n_columns, void* scratch,
                        Stream stream) {
  PrepareArgs a = {};
  a.x = x;
  a.columns = columns;
  a.plan = plan;
  a.by_slot = plan.tiles && columns.begin != nullptr;
  a.n_columns = static_cast<int>(n_columns);
  a.units = static_cast<int>(units_of(n_columns));
  const std::int64_t rows = a.by_slot ? columns.n : n;
  a.pitch = plan.tiles ? up(rows, kRowGroup) : rows;
  a.groups = up(rows, kRowGroup) / kRowGroup;
  auto* values = static_cast<std::byte*>(scratch);
  std::byte* sums = values + up(a.units * a.pitch * kUnit * 2, 256);
  a.values = reinterpret_cast<std::uint32_t*>(values);
  a.sums = reinterpret_cast<std::uint32_t*>(sums);
  a.factors = reinterpret_cast<float*>(sums + a.units / kChunkUnits * (plan.halves ? 2 : 1) * a.groups * kSumWords * 4);
  // Few rows: several blocks each, all of which look for the largest.
  const unsigned parts = rows <= 16 ? blocks_of(a.units, 32) : 1;
  launch(prepare_kernel, dim3(static_cast<unsigned>(rows), parts), dim3(512), 0, stream, a);
  return {plan, values, sums, a.factors, a.pitch};
}

}  // namespace jang::kernels::cuda
