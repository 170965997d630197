// SPDX-License-Identifier: Apache-2.0
// Random matrices in every storage format, for tests of kernels.
#pragma once

#include <cstddef>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/float16.h"
#include "kernels/matrix.h"

namespace jang::kernels {

inline constexpr DType kValueTypes[] = {DType::f32, DType::f16, DType::bf16};

// Every format a kernel may meet.
inline std::vector<MatrixFormat> all_formats() {
  std::vector<MatrixFormat> formats;
  for (const DType t : kValueTypes) formats.push_back({.dtype = t});
  for (const codec::WidthRow& w : codec::kWidths)
    for (const codec::GroupRow& g : codec::kGroups)
      for (const DType t : kValueTypes) formats.push_back({DType::u32, w.bits, g.size, t});
  return formats;
}
inline std::string format_name(const MatrixFormat& f) {
  if (!f.packed()) return std::string(name(f.dtype));
  return std::to_string(f.bits) + "_bits_" + std::to_string(f.group_size) + "_" + std::string(name(f.param_dtype));
}

// A matrix whose arrays start `misalign` bytes behind what an allocation gives.
class TestMatrix {
 public:
  TestMatrix(const MatrixFormat& format, std::int64_t n_rows, std::int64_t n_cols, unsigned seed, std::size_t misalign = 0) {
    view_.format = format;
    view_.n_rows = n_rows;
    view_.n_cols = n_cols;
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    data_.resize(static_cast<std::size_t>(n_rows * view_.row_bytes()) + misalign);
    if (format.packed()) {
      for (std::byte& b : data_) b = static_cast<std::byte>(random());
      const std::size_t n = static_cast<std::size_t>(n_rows * (n_cols / format.group_size));
      scales_.resize(n * size_bytes(format.param_dtype) + misalign);
      biases_ = scales_;
      for (std::size_t i = 0; i < n; ++i) {
        store(format.param_dtype, 0.01f * normal(random), scales_.data() + misalign, i);
        store(format.param_dtype, 0.1f * normal(random), biases_.data() + misalign, i);
      }
    } else {
      for (std::int64_t i = 0; i < n_rows * n_cols; ++i) store(format.dtype, normal(random), data_.data() + misalign, i);
    }
    view_.data = data_.data() + misalign;
    view_.scales = scales_.data() + (scales_.empty() ? 0 : misalign);
    view_.biases = biases_.data() + (biases_.empty() ? 0 : misalign);
  }
  TestMatrix(const TestMatrix&) = delete;
  TestMatrix& operator=(const TestMatrix&) = delete;
  [[nodiscard]] const MatrixView& view() const { return view_; }

 private:
  static void store(DType t, float value, std::byte* base, std::size_t i) {
    if (t == DType::f32) {
      std::memcpy(base + i * 4, &value, 4);
      return;
    }
    const std::uint16_t h = t == DType::f16 ? float_to_fp16(value) : float_to_bf16(value);
    std::memcpy(base + i * 2, &h, 2);
  }
  std::vector<std::byte> data_, scales_, biases_;
  MatrixView view_;
};

}  // namespace jang::kernels
