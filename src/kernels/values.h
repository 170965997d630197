// SPDX-License-Identifier: Apache-2.0
// Scalar loads of stored values (f32, f16, bf16) from any byte address, and the row layout of exact linear kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/float16.h"
#include "kernels/ops.h"

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

// Formats every exact kernel takes: dense f32, f16, bf16, and every width and group of the codec with f32, f16 or bf16 parameters.
[[nodiscard]] inline bool is_float_value(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }
[[nodiscard]] inline bool exact_supports(const MatrixFormat& f) {
  if (!f.packed()) return is_float_value(f.dtype);
  return codec::is_width(f.bits) && codec::is_group(f.group_size) && is_float_value(f.param_dtype);
}

// Prepared inputs of exact kernels: the row as it is, padded with zeros to whole 64 bytes.
[[nodiscard]] inline std::int64_t float_row_bytes(const MatrixFormat& /*format*/, std::int64_t n_cols) {
  return (n_cols * 4 + 63) / 64 * 64;
}
inline void prepare_float_row(const MatrixFormat& format, const float* x, std::int64_t n_cols, std::byte* out) {
  const std::size_t used = static_cast<std::size_t>(n_cols) * 4;
  if (used == 0) return;
  std::memcpy(out, x, used);
  std::memset(out + used, 0, static_cast<std::size_t>(float_row_bytes(format, n_cols)) - used);
}

}  // namespace jang::kernels
