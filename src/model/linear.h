// SPDX-License-Identifier: Apache-2.0
// Linear maps of the graph: y = x W^T + b with W wherever it lies. Maps that share an input are applied together: each storage format among
// them prepares the input once, and the rows of all are one list of tasks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/ops.h"
#include "model/parallel.h"

namespace jang::model {

// A module: one matrix, or one per expert, all of one shape and format.
struct Linear {
  std::string module;
  std::vector<kernels::MatrixView> views;
  const kernels::LinearKernel* kernel = nullptr;
  kernels::Precision precision = kernels::Precision::exact;
  const float* bias = nullptr;  // [n_rows] or null
  std::int64_t n_rows = 0, n_cols = 0;

  [[nodiscard]] bool exists() const { return !views.empty(); }
  [[nodiscard]] const kernels::MatrixFormat& format() const { return views.front().format; }
  [[nodiscard]] std::int64_t input_bytes() const { return kernel->input_bytes(format(), n_cols); }
};

struct LinearCall {
  const Linear* map = nullptr;
  float* y = nullptr;         // row i at y + i * y_stride
  std::int64_t y_stride = 0;  // of values
};

// Prepared inputs of one call, a region per distinct format.
class PreparedInputs {
 public:
  static constexpr int kMaxFormats = 4;
  // Room for n rows of every format a call needs. False when there is no memory.
  [[nodiscard]] bool reserve(std::int64_t n_rows, std::int64_t bytes_per_row) {
    return buffer_.reserve(n_rows * bytes_per_row * kMaxFormats);
  }
  [[nodiscard]] std::byte* data() { return buffer_.get(); }

 private:
  AlignedBuffer<std::byte> buffer_;
};

// Applies maps (at most PreparedInputs::kMaxFormats) to the same n rows of x, contiguous [n, n_cols]. Precondition: `inputs` was reserved
// for n rows of the largest input_bytes().
void apply(std::span<const LinearCall> calls, const float* x, std::int64_t n, const Parallel& parallel, PreparedInputs* inputs);

// Prepares n rows of x for one map, at the map's input_bytes() apart.
void prepare(const Linear& map, const float* x, std::int64_t n, const Parallel& parallel, std::byte* out);

// Rows of one matrix against prepared inputs: what a task does. `view` may be an expert's.
struct RowTask {
  const Linear* map = nullptr;
  const kernels::MatrixView* view = nullptr;
  const std::byte* inputs = nullptr;
  std::int64_t n = 0;  // inputs
  float* y = nullptr;
  std::int64_t y_stride = 0;
};
// Runs all tasks, cut along matrix rows into pieces of about equal work.
void run_rows(std::span<const RowTask> tasks, const Parallel& parallel);

}  // namespace jang::model
