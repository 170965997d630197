// SPDX-License-Identifier: Apache-2.0
#include "kernels/float_rows.h"

#include <cstring>

namespace jang::kernels {
namespace {

bool is_value(DType t) { return t == DType::f32 || t == DType::f16 || t == DType::bf16; }

}  // namespace

bool exact_supports(const MatrixFormat& format) {
  if (!format.packed()) return is_value(format.dtype);
  return codec::is_width(format.bits) && codec::is_group(format.group_size) && is_value(format.param_dtype);
}

std::int64_t float_row_bytes(const MatrixFormat& /*format*/, std::int64_t n_cols) { return ((n_cols + 31) / 32 * 2 + 1) * 64; }

void prepare_float_row(const MatrixFormat& format, const float* x, std::int64_t n_cols, std::byte* out) {
  const std::size_t used = static_cast<std::size_t>(n_cols) * 4;
  if (used > 0) std::memcpy(out, x, used);
  std::memset(out + used, 0, static_cast<std::size_t>(float_row_bytes(format, n_cols)) - used);
}

}  // namespace jang::kernels
