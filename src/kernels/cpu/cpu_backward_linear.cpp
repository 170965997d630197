// SPDX-License-Identifier: Apache-2.0
// Backward of linear maps and of the embedding on the CPU: weights are decoded a tile of rows at a time, whatever they are stored as.
#include <algorithm>

#include "kernels/cpu/cpu_backward.h"
#include "kernels/cpu/cpu_device.h"

namespace jang::kernels {
namespace {

constexpr std::int64_t kTileRows = 256;                             // of a matrix, decoded at a time: the steps of a product
constexpr std::int64_t kRowsOfTask = 96;                            // rows of a product that a task takes
constexpr std::int64_t kGradientRows = 48, kGradientColumns = 256;  // of a weight's gradient that a task takes
constexpr std::int64_t kFlopsPerNs = 40;                            // of one thread, roughly

}  // namespace

// dx[i] = sum_r dy[i, r] W[r], tile by tile of W.
void CpuBackward::linear(std::span<const LinearGradient> maps, bool add, const Tensor& dx) {
  const std::int64_t n = dx.columns;
  std::vector<float> tile(static_cast<std::size_t>(kTileRows * n));
  for (const LinearGradient& map : maps) {
    const MatrixView& matrix = cpu_weight(*map.weight).matrices.front();
    for (std::int64_t first = 0; first < matrix.n_rows; first += kTileRows, add = true) {
      const std::int64_t steps = std::min(kTileRows, matrix.n_rows - first);
      parallel_.run(steps, n / 4, [&](std::int64_t r) { ops_.dequantize_row(matrix, first + r, tile.data() + r * n); });
      const std::int64_t tasks = ceil_div(dx.rows, kRowsOfTask);
      parallel_.run(tasks, 2 * kRowsOfTask * n * steps / kFlopsPerNs, [&](std::int64_t t) {
        const std::int64_t row = t * kRowsOfTask;
        ops_.product({.m = std::min(kRowsOfTask, dx.rows - row),
                      .n = n,
                      .k = steps,
                      .a = row_of(map.dy, row) + first,
                      .a_row = map.dy.stride,
                      .b = tile.data(),
                      .b_row = n,
                      .c = row_of(dx, row),
                      .c_row = dx.stride,
                      .add = add});
      });
    }
  }
}

void CpuBackward::expert_linear(std::span<const LinearGradient> maps, const Routing& routing, bool add, const Tensor& dx) {
  const auto* begin = row_of<const std::int32_t>(routing.begin);
  const std::int64_t n = dx.columns, n_experts = routing.begin.rows - 1;
  parallel_.each(n_experts, [&](std::int64_t e) {
    const std::int64_t slot = begin[e], n_slots = begin[e + 1] - slot;
    if (n_slots == 0) return;
    std::vector<float> tile(static_cast<std::size_t>(kTileRows * n));
    bool adds = add;
    for (const LinearGradient& map : maps) {
      const MatrixView& matrix = cpu_weight(*map.weight).matrices[static_cast<std::size_t>(e)];
      for (std::int64_t first = 0; first < matrix.n_rows; first += kTileRows, adds = true) {
        const std::int64_t steps = std::min(kTileRows, matrix.n_rows - first);
        for (std::int64_t r = 0; r < steps; ++r) ops_.dequantize_row(matrix, first + r, tile.data() + r * n);
        ops_.product({.m = n_slots,
                      .n = n,
                      .k = steps,
                      .a = row_of(map.dy, slot) + first,
                      .a_row = map.dy.stride,
                      .b = tile.data(),
                      .b_row = n,
                      .c = row_of(dx, slot),
                      .c_row = dx.stride,
                      .add = adds});
      }
    }
  });
}

void CpuBackward::weight(std::span<const WeightGradient> products) {
  struct Tile {
    const WeightGradient* of;
    std::int64_t row, column;
  };
  std::vector<Tile> tiles;
  for (const WeightGradient& p : products)
    for (std::int64_t row = 0; row < p.dw.rows; row += kGradientRows)
      for (std::int64_t column = 0; column < p.dw.columns; column += kGradientColumns) tiles.push_back({&p, row, column});
  parallel_.each(static_cast<std::int64_t>(tiles.size()), [&](std::int64_t t) {
    const auto [p, row, column] = tiles[static_cast<std::size_t>(t)];
    ops_.product({.m = std::min(kGradientRows, p->dw.rows - row),
                  .n = std::min(kGradientColumns, p->dw.columns - column),
                  .k = p->x.rows,
                  .a = row_of(p->dy) + row,
                  .a_row = 1,
                  .a_step = p->dy.stride,
                  .b = row_of(p->x) + column,
                  .b_row = p->x.stride,
                  .c = row_of(p->dw, row) + column,
                  .c_row = p->dw.stride});
  });
}

void CpuBackward::softcap(const Tensor& logits, float softcap, const Tensor& dlogits) {
  parallel_.run(logits.rows, logits.columns / 4, [&](std::int64_t i) {
    const float* z = row_of(logits, i);
    float* d = row_of(dlogits, i);
    for (std::int64_t j = 0; j < logits.columns; ++j) d[j] *= 1.0f - (z[j] / softcap) * (z[j] / softcap);
  });
}

// In the order of the tokens: some are of the same row.
void CpuBackward::embed(const Tensor& ids, float scale, const Tensor& dout, std::int64_t first, const Tensor& dtable) {
  const auto* id = row_of<const std::int32_t>(ids);
  for (std::int64_t i = 0; i < ids.rows; ++i) {
    const std::int64_t row = id[i] - first;
    if (row < 0 || row >= dtable.rows) continue;
    const float* from = row_of(dout, i);
    float* to = row_of(dtable, row);
    for (std::int64_t j = 0; j < dtable.columns; ++j) to[j] += scale * from[j];
  }
}

}  // namespace jang::kernels
