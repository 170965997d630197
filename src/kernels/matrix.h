// SPDX-License-Identifier: Apache-2.0
// A weight matrix where it lies: a non-owning view of dense values or of MLX affine codes (codec/affine.h), usually inside a mapped file.
// No alignment is promised: a safetensors payload may start at any byte.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/affine.h"
#include "tensor/dtype.h"

namespace jang::kernels {

// How the values are stored: what a kernel must know to support a matrix.
struct MatrixFormat {
  DType dtype = DType::f32;        // f32, f16, bf16: dense row-major; u32: packed codes
  int bits = 0, group_size = 0;    // packed only
  DType param_dtype = DType::f32;  // packed only: type of scales and biases (f32, f16, bf16)
  [[nodiscard]] bool packed() const { return dtype == DType::u32; }
  friend bool operator==(const MatrixFormat&, const MatrixFormat&) = default;
};

struct MatrixView {
  MatrixFormat format;
  std::int64_t n_rows = 0, n_cols = 0;  // out, in; n_cols % group_size == 0 when packed
  const std::byte* data = nullptr;      // [n_rows, n_cols] values, or [n_rows, n_cols*bits/32] words
  const std::byte* scales = nullptr;    // [n_rows, n_cols/group_size]
  const std::byte* biases = nullptr;    // same shape

  [[nodiscard]] std::int64_t row_bytes() const {
    return format.packed() ? codec::words_per_row(n_cols, format.bits) * 4 : n_cols * size_bytes(format.dtype);
  }
  [[nodiscard]] std::int64_t param_row_bytes() const {
    return format.packed() ? n_cols / format.group_size * size_bytes(format.param_dtype) : 0;
  }
  // Bytes a product reads: codes, scales and biases.
  [[nodiscard]] std::int64_t bytes() const { return n_rows * (row_bytes() + 2 * param_row_bytes()); }
  // Rows [begin, begin + n).
  [[nodiscard]] MatrixView rows(std::int64_t begin, std::int64_t n) const {
    MatrixView v = *this;
    v.n_rows = n;
    v.data += begin * row_bytes();
    if (format.packed()) {
      v.scales += begin * param_row_bytes();
      v.biases += begin * param_row_bytes();
    }
    return v;
  }
};

}  // namespace jang::kernels
