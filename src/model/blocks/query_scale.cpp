// SPDX-License-Identifier: Apache-2.0
// A row times its factor is the weighted sum of one slot, the row itself: Device::combine on every device.
#include "model/blocks/query_scale.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "arch/query_factors.h"

namespace jang::model {
namespace {

using kernels::Tensor;

// Of every row of the batch; none where all are 1.
std::vector<float> factors_of(const Forward& f, const arch::QueryScale& scale) {
  std::vector<float> factors;
  for (const kernels::SequenceRun& run : f.runs) {
    const std::vector<float> of_run = arch::query_factors(scale, run.position, run.n_rows);
    factors.insert(factors.end(), of_run.begin(), of_run.end());
  }
  if (std::ranges::all_of(factors, [](float factor) { return factor == 1; })) factors.clear();
  return factors;
}

}  // namespace

Status reserve_scale(Forward& f, const arch::QueryScale& scale, std::int64_t columns) {
  if (scale.slope == 0) return {};
  Workspace& w = f.workspace;
  const bool room = w.query_factors.reserve(f.device, f.n) && w.query_rows.reserve(f.device, f.n, DType::i32) &&
                    w.scaled.reserve(f.device, f.n * columns);
  return room ? Status() : f.out_of_memory();
}

void scale_queries(Forward& f, const arch::QueryScale& scale, const Tensor& rows) {
  if (scale.slope == 0) return;
  const std::vector<float> factors = factors_of(f, scale);
  if (factors.empty()) return;
  std::vector<std::int32_t> own(factors.size());
  std::iota(own.begin(), own.end(), 0);
  kernels::Routing routing;
  routing.weights = f.workspace.query_factors.matrix(f.n, 1);
  routing.slots = f.workspace.query_rows.matrix(f.n, 1, DType::i32);
  const Tensor scaled = f.workspace.scaled.matrix(f.n, rows.columns);
  // The end of the forward reports what fails here.
  if (!f.device.write(factors.data(), routing.weights).ok() || !f.device.write(own.data(), routing.slots).ok()) return;
  f.device.combine(rows, routing, scaled);
  f.device.copy(scaled, rows);
}

}  // namespace jang::model
