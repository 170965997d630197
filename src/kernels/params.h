// SPDX-License-Identifier: Apache-2.0
// Scales and biases in their storage type: rounding and storing one value.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/float16.h"
#include "tensor/dtype.h"

namespace jang::kernels {

// `value` rounded to the nearest value of bf16, f16 or f32 (half to even).
[[nodiscard]] inline float round_param(DType dtype, float value) {
  switch (dtype) {
    case DType::bf16: return bf16_to_float(float_to_bf16(value));
    case DType::f16: return fp16_to_float(float_to_fp16(value));
    default: return value;
  }
}

// Writes element `index` of an array of `dtype` at `base`.
inline void store_param(DType dtype, float value, std::byte* base, std::int64_t index) {
  if (dtype == DType::f32) {
    std::memcpy(base + index * 4, &value, 4);
    return;
  }
  const std::uint16_t half = dtype == DType::bf16 ? float_to_bf16(value) : float_to_fp16(value);
  std::memcpy(base + index * 2, &half, 2);
}

}  // namespace jang::kernels
