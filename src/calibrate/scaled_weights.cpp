// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "calibrate/scaled_weights.h"

#include <algorithm>
#include <span>

#include "plan/layout.h"
#include "quantize/row_planes.h"
#include "quantize/source_rows.h"

namespace jang::calibrate {
namespace {

constexpr std::int64_t kEncodedRows = 64;  // of a task

quantize::TensorScales sides_of(const quantize::TensorScales* all, ScaledSides sides) {
  quantize::TensorScales out;
  if (all == nullptr) return out;
  out.n_columns = all->n_columns;
  out.rows_per_expert = all->rows_per_expert;
  if (sides.columns) out.columns = all->columns;
  if (sides.rows) out.rows = all->rows;
  return out;
}

quantize::TensorScales inverse_of(quantize::TensorScales scales) {
  for (std::vector<float>* factors : {&scales.columns, &scales.rows})
    for (float& f : *factors) f = 1 / f;
  return scales;
}

}  // namespace

Result<ScaledWeights> ScaledWeights::create(engine::Engine& engine, const quantize::Source& source, const plan::Plan& plan,
                                            const quantize::ChannelScales& scales, const format::Statistics* statistics) {
  ScaledWeights out(engine, source, plan, scales);
  if (statistics == nullptr) return out;
  JANG_ASSIGN(out.importance_, quantize::Importance::create(source.model, *statistics));
  out.scaled_importance_ = out.importance_;
  out.scaled_importance_.rescale(scales);
  return out;
}

Result<std::vector<float>> ScaledWeights::values(int tensor, ScaledSides sides, quantize::ScaledGrams* scaled,
                                                 quantize::Grams* plain) const {
  const arch::OutTensor& t = source_.model.tensors[static_cast<std::size_t>(tensor)];
  const codec::WeightFormat& format = *plan::format_of(*plan_.target, t, plan_.tensors[static_cast<std::size_t>(tensor)].choice);
  const quantize::TensorScales factors = sides_of(scales_.of(tensor), sides), inverse = inverse_of(factors);
  const bool has_factors = factors.n_columns > 0;
  const quantize::KnownInputs known =
      sides.columns ? quantize::KnownInputs{&scaled_importance_, scaled} : quantize::KnownInputs{&importance_, plain};
  const std::int64_t in = columns(t.shape), n_rows = rows(t.shape), n_tasks = (n_rows + kEncodedRows - 1) / kEncodedRows;
  const quantize::SourceRows source_rows(source_.checkpoint, t, has_factors ? &factors : nullptr);
  std::vector<float> out(static_cast<std::size_t>(n_rows * in));
  std::vector<Status> failed(static_cast<std::size_t>(n_tasks));
  engine_.pool().run(n_tasks, [&](std::int64_t i, int) {
    const std::int64_t first = i * kEncodedRows, n = std::min(kEncodedRows, n_rows - first);
    const std::span<float> values = std::span(out).subspan(static_cast<std::size_t>(first * in), static_cast<std::size_t>(n * in));
    std::vector<std::byte> scratch;
    failed[static_cast<std::size_t>(i)] = source_rows.read_floats(first * in, values, scratch);
    if (!failed[static_cast<std::size_t>(i)].ok()) return;
    quantize::RowPlanes planes(format, n, in, plan_.dtype);
    (void)quantize::encode_rows(engine_.device(), plan_.method, planes.args(values.data()), {tensor, t.shape, first}, known);
    planes.unpack(values.data());
    if (has_factors) inverse.apply(first * in, values);
  });
  for (const Status& status : failed) JANG_TRY(status);
  return out;
}

}  // namespace jang::calibrate
