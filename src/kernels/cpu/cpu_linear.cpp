// SPDX-License-Identifier: Apache-2.0
// Linear maps on the CPU: inputs prepared once per format, rows of all maps as one list of tasks.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_device.h"
#include "kernels/host_ops.h"

namespace jang::kernels {

void CpuDevice::linear(const Tensor& x, std::span<const LinearOut> outs) {
  std::int64_t bytes = 0;
  for (const LinearOut& o : outs) bytes += x.rows * cpu_weight(*o.weight).input_bytes();
  std::byte* free_space = room(&inputs_, bytes);
  if (free_space == nullptr) return;
  std::vector<RowTask>& tasks = tasks_;
  tasks.clear();
  for (const LinearOut& o : outs) {
    const CpuWeight& weight = cpu_weight(*o.weight);
    RowTask task{&weight, &weight.matrices.front(), nullptr, x.rows, row_of(o.y), o.y.stride};
    for (const RowTask& before : tasks)
      if (before.weight->shares_inputs(weight)) task.inputs = before.inputs;
    if (task.inputs == nullptr) {
      prepare(weight, row_of(x), x.stride, x.rows, parallel_, free_space);
      task.inputs = free_space;
      free_space += x.rows * weight.input_bytes();
    }
    tasks.push_back(task);
  }
  run_rows(tasks, parallel_);
}

void CpuDevice::head(const Tensor& x, const Weight& weight, float softcap, const Tensor& logits) {
  const LinearOut out[] = {{&weight, logits}};
  linear(x, out);
  if (softcap == 0) return;
  constexpr std::int64_t kPiece = 4096;
  const std::int64_t pieces = ceil_div(logits.columns, kPiece);
  parallel_.run(logits.rows * pieces, kPiece * 10, [&](std::int64_t i) {
    float* row = row_of(logits, i / pieces);
    const std::int64_t begin = i % pieces * kPiece;
    for (std::int64_t j = begin; j < std::min(begin + kPiece, logits.columns); ++j) row[j] = softcap * std::tanh(row[j] / softcap);
  });
}

void CpuDevice::draw(const Tensor& logits, std::span<const double> at, const Tensor& ids) {
  parallel_.run(logits.rows, 20 * logits.columns, [&](std::int64_t i) {
    const std::span<const float> row(row_of(logits, i), static_cast<std::size_t>(logits.columns));
    std::int32_t& id = *row_of<std::int32_t>(ids, i);
    id = -1;
    if (usable_logits(row.data(), logits.columns))
      id = draw_token(row, ops_.log_sum_exp(row.data(), logits.columns), at[static_cast<std::size_t>(i)]);
  });
}

// A slice of the tokens at a time, which stays in the cache while all rows of the result use it.
void CpuDevice::gram(const Tensor& x, const Tensor& out) {
  constexpr std::int64_t kSlice = 128;
  for (std::int64_t begin = 0; begin < x.rows; begin += kSlice) {
    const std::int64_t n = std::min(kSlice, x.rows - begin);
    parallel_.run(x.columns / 4, n * x.columns / 8,
                  [&](std::int64_t i) { set_.encoders.add_gram_rows(row_of(x, begin), n, x.stride, x.columns, i * 4, row_of(out)); });
  }
}

}  // namespace jang::kernels
