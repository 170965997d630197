// SPDX-License-Identifier: Apache-2.0
// Gradients of weights, a part at a time.
#include "model/backward_pass.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace jang::model {

bool BackwardPass::reserve(Array* array, std::int64_t rows, std::int64_t columns) {
  if (array->reserve(forward.device, rows * columns)) return true;
  if (status.ok()) status = Status(StatusCode::out_of_memory, fmt::format("no memory for gradients of {} x {} values", rows, columns));
  return false;
}

void BackwardPass::hand_over(std::span<const WeightGradient> parts, std::span<const kernels::WeightGradient> products) {
  ops.weight(products);
  for (const WeightGradient& part : parts)
    if (status.ok()) status = sink.weight(part);
}

void BackwardPass::weights(std::span<const MapGradient> maps) {
  if (!sink.wants_weights()) return;
  std::int64_t room = kGradientValues;
  for (const MapGradient& m : maps) room = std::max(room, m.map->n_cols);
  if (maps.empty() || !reserve(&space.weight, 1, room)) return;
  std::vector<WeightGradient> parts;
  std::vector<kernels::WeightGradient> products;
  std::int64_t used = 0;
  for (const MapGradient& m : maps) {
    const std::int64_t columns = m.map->n_cols, step = std::clamp<std::int64_t>(kGradientValues / columns, 1, m.map->n_rows);
    for (std::int64_t row = 0; row < m.map->n_rows; row += step) {
      const std::int64_t rows = std::min(step, m.map->n_rows - row);
      if (used + rows * columns > room) {
        hand_over(parts, products);
        parts.clear();
        products.clear();
        used = 0;
      }
      const kernels::Tensor gradient = space.weight.matrix(1, room).column_range(used, rows * columns).with_columns(columns);
      parts.push_back({m.map->module, m.expert, row, gradient});
      products.push_back({m.dy.column_range(row, rows), m.x, gradient});
      used += rows * columns;
    }
  }
  hand_over(parts, products);
}

void BackwardPass::weight(const Linear& map, const kernels::Tensor& dy, const kernels::Tensor& x) {
  const MapGradient one[] = {{&map, -1, dy, x}};
  weights(one);
}

}  // namespace jang::model
