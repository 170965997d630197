// SPDX-License-Identifier: Apache-2.0
// Gradients of weights, a part at a time.
#include "model/backward_pass.h"

#include <algorithm>

#include <fmt/format.h>

namespace jang::model {

bool BackwardPass::reserve(Array* array, std::int64_t rows, std::int64_t columns) {
  if (array->reserve(forward.device, rows * columns)) return true;
  if (status.ok()) status = Status(StatusCode::out_of_memory, fmt::format("no memory for gradients of {} x {} values", rows, columns));
  return false;
}

void BackwardPass::weight(const Linear& map, int expert, const kernels::Tensor& dy, const kernels::Tensor& x) {
  const std::int64_t step = std::clamp<std::int64_t>(kGradientValues / map.n_cols, 1, map.n_rows);
  for (std::int64_t row = 0; row < map.n_rows && status.ok(); row += step) {
    const std::int64_t rows = std::min(step, map.n_rows - row);
    if (!reserve(&space.weight, rows, map.n_cols)) return;
    const kernels::Tensor gradient = space.weight.matrix(rows, map.n_cols);
    ops.weight(dy.column_range(row, rows), x, gradient);
    status = sink.weight({map.module, expert, row, gradient});
  }
}

}  // namespace jang::model
