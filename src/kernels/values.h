// SPDX-License-Identifier: Apache-2.0
// Scalar loads of stored values (f32, f16, bf16) from any byte address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/float16.h"
#include "tensor/dtype.h"

namespace jang::kernels {

// Element `index` of an array of f32, f16 or bf16 at `base`, which may be unaligned.
[[nodiscard]] inline float load_value(DType dtype, const std::byte* base, std::int64_t index) {
  if (dtype == DType::f32) {
    float f = 0;
    std::memcpy(&f, base + index * 4, 4);
    return f;
  }
  std::uint16_t half = 0;
  std::memcpy(&half, base + index * 2, 2);
  return dtype == DType::bf16 ? bf16_to_float(half) : fp16_to_float(half);
}

}  // namespace jang::kernels
