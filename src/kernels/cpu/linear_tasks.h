// SPDX-License-Identifier: Apache-2.0
// Linear maps cut into tasks: y = x W^T + b with W wherever it lies. Each storage format prepares an input once, and the rows of all maps
// are one list of pieces for the threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/device.h"
#include "kernels/ops.h"

namespace jang::kernels {

// The matrices of a map and the kernel that multiplies them.
struct CpuWeight final : Weight {
  std::vector<MatrixView> matrices;
  std::vector<float> bias;  // [rows] of each matrix, or empty
  const LinearKernel* kernel = nullptr;

  [[nodiscard]] const MatrixFormat& format() const { return matrices.front().format; }
  [[nodiscard]] std::int64_t rows() const { return matrices.front().n_rows; }
  [[nodiscard]] std::int64_t columns() const { return matrices.front().n_cols; }
  [[nodiscard]] std::int64_t input_bytes() const { return kernel->input_bytes(format(), columns()); }
  // True when both read the same prepared inputs.
  [[nodiscard]] bool shares_inputs(const CpuWeight& other) const { return kernel == other.kernel && format() == other.format(); }
};
[[nodiscard]] inline const CpuWeight& cpu_weight(const Weight& w) { return static_cast<const CpuWeight&>(w); }

// Prepares n rows of x [n, columns], `stride` floats apart, for a map: at its input_bytes() apart.
void prepare(const CpuWeight& weight, const float* x, std::int64_t stride, std::int64_t n, const Parallel& parallel, std::byte* out);

// Rows of one matrix against prepared inputs.
struct RowTask {
  const CpuWeight* weight = nullptr;
  const MatrixView* matrix = nullptr;
  const std::byte* inputs = nullptr;
  std::int64_t n = 0;  // inputs
  float* y = nullptr;
  std::int64_t y_stride = 0;
};
// Runs all tasks, cut along matrix rows into pieces of about equal work.
void run_rows(std::span<const RowTask> tasks, const Parallel& parallel);

}  // namespace jang::kernels
