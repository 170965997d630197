// SPDX-License-Identifier: Apache-2.0
// One unit of 64 inputs of a packed map, prepared by a warp (fast_inputs.h says what for): scaled by a power of two, rounded to float16 in
// the order of a width's codes, and summed up.
#pragma once

#include "kernels/cuda/fast_codes.cuh"
#include "kernels/cuda/fast_inputs.h"
#include "kernels/cuda/fast_tiles.cuh"

namespace jang::kernels::cuda {

// The power of two that brings the largest magnitude of a row between 2^14 and 2^15; what is not finite is left as it is and shows in the
// result.
__device__ __forceinline__ int input_exponent(float largest) {
  return largest > 0 && largest < INFINITY ? min(14 - ilogbf(largest), 100) : 0;
}
// What a result of such inputs is multiplied by.
__device__ __forceinline__ float result_factor(int exponent, bool bf16) {
  return ldexpf(1.0f, (bf16 ? kCodeExponent : kHalfSumExponent) - exponent);
}

// Two values of a type in a word.
__device__ __forceinline__ std::uint32_t pack_two(bool bf16, float a, float b) {
  const __nv_bfloat162 as_bf16 = __floats2bfloat162_rn(a, b);
  const __half2 as_f16 = __floats2half2_rn(a, b);
  return bf16 ? *reinterpret_cast<const std::uint32_t*>(&as_bf16) : *reinterpret_cast<const std::uint32_t*>(&as_f16);
}
__device__ __forceinline__ float rounded(bool bf16, float a) {
  return bf16 ? __bfloat162float(__float2bfloat16_rn(a)) : __half2float(__float2half_rn(a));
}
// A sum in three parts and 0.
__device__ __forceinline__ uint2 sum_parts(bool bf16, float sum) {
  sum = ldexpf(sum, bf16 ? -kCodeExponent : -kHalfSumExponent);
  const float first = rounded(bf16, sum), rest = sum - first, second = rounded(bf16, rest);
  return {pack_two(bf16, first, second), pack_two(bf16, rest - second, 0)};
}

// What a lane does in every unit of a row: it makes pair `pair` of quad lane `t` in half `half`.
struct UnitLane {
  int half, t, pair;
  int column_0, column_1;  // of the unit
  float up_0, up_1, factor_0 = 1, factor_1 = 1;

  __device__ __forceinline__ explicit UnitLane(int bits) {
    const int lane = static_cast<int>(threadIdx.x) & 31;
    half = lane >> 4, t = lane >> 2 & 3, pair = lane & 3;
    const Place p0 = fast_place(bits, 2 * pair), p1 = fast_place(bits, 2 * pair + 1);
    column_0 = half * 32 + t * 8 + p0.code, column_1 = half * 32 + t * 8 + p1.code;
    up_0 = static_cast<float>(1 << p0.shift), up_1 = static_cast<float>(1 << p1.shift);
  }
  __device__ __forceinline__ void scale_by(float factor) { factor_0 = factor / up_0, factor_1 = factor / up_1; }
  // The pair of the values of its columns. sum: of the values of a half, in every lane of it.
  __device__ __forceinline__ std::uint32_t make(float value_0, float value_1, float* sum) const {
    const __half2 values = __floats2half2_rn(value_0 * factor_0, value_1 * factor_1);
    const float2 as_stored = __half22float2(values);
    float s = as_stored.x * up_0 + as_stored.y * up_1;
#pragma unroll
    for (int o = 8; o > 0; o >>= 1) s += __shfl_xor_sync(~0u, s, o);
    *sum = s;
    return *reinterpret_cast<const std::uint32_t*>(&values);
  }
};

}  // namespace jang::kernels::cuda
