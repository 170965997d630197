// SPDX-License-Identifier: Apache-2.0
// y = x W^T, one dequantized row at a time, every sum in double.
#include "kernels/ref/linear.h"

#include <cmath>
#include <vector>

#include "kernels/float_rows.h"
#include "kernels/values.h"

namespace jang::kernels::ref {
namespace {

void matmul(const MatrixView& w, const std::byte* inputs, std::int64_t n, float* y, std::int64_t y_stride) {
  std::vector<float> row(static_cast<std::size_t>(w.n_cols));
  const std::int64_t stride = float_row_bytes(w.format, w.n_cols);
  for (std::int64_t r = 0; r < w.n_rows; ++r) {
    dequantize_row(w, r, row.data());
    for (std::int64_t i = 0; i < n; ++i) {
      const float* x = reinterpret_cast<const float*>(inputs + i * stride);
      double sum = 0;
      for (std::int64_t c = 0; c < w.n_cols; ++c) sum += static_cast<double>(row[static_cast<std::size_t>(c)]) * static_cast<double>(x[c]);
      y[i * y_stride + r] = static_cast<float>(sum);
    }
  }
}

}  // namespace

void dequantize_row(const MatrixView& w, std::int64_t row, float* out) {
  const MatrixView one = w.rows(row, 1);
  if (!w.format.packed()) {
    for (std::int64_t c = 0; c < w.n_cols; ++c) out[c] = load_value(w.format.dtype, one.data, c);
    return;
  }
  const int group = w.format.group_size;
  const std::int64_t group_bytes = codec::words_per_row(group, w.format.bits) * 4;
  for (std::int64_t g = 0; g < w.n_cols / group; ++g) {
    std::uint32_t words[codec::kMaxGroup / 4];  // at most 8 bits a code
    std::uint8_t codes[codec::kMaxGroup];
    std::memcpy(words, one.data + g * group_bytes, static_cast<std::size_t>(group_bytes));
    codec::unpack(words, w.format.bits, {codes, static_cast<std::size_t>(group)});
    const float scale = load_value(w.format.param_dtype, one.scales, g);
    const float bias = load_value(w.format.param_dtype, one.biases, g);
    for (int j = 0; j < group; ++j) out[g * group + j] = std::fma(static_cast<float>(codes[j]), scale, bias);
  }
}

const LinearKernel kLinear{"ref", Precision::exact, [] { return true; }, exact_supports, float_row_bytes, prepare_float_row, matmul};

}  // namespace jang::kernels::ref
