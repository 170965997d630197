// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "quantize/scaled_grams.h"

namespace jang::quantize {

Result<kernels::Gram> scaled_gram(const kernels::Gram& gram, const float* factors) {
  kernels::Gram out;
  const std::int64_t n = out.n = gram.n;
  const bool has_factor = gram.factor.capacity() > 0;
  if (!out.matrix.reserve(n * n) || (has_factor && !out.factor.reserve(n * n)))
    return Status(StatusCode::out_of_memory, "no memory for a Gram matrix of " + std::to_string(n) + " inputs");
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = i * n + j;
      out.matrix.get()[at] = gram.matrix.get()[at] / (factors[i] * factors[j]);
      if (has_factor) out.factor.get()[at] = gram.factor.get()[at] * factors[j];
    }
  return out;
}

Status ScaledGrams::prepare(int stage) {
  scaled_.clear();
  JANG_TRY(grams_.prepare(stage));
  for (std::size_t i = 0; i < model_.tensors.size(); ++i) {
    const TensorScales* scales = scales_.of(static_cast<int>(i));
    if (scales == nullptr || scales->columns.empty()) continue;
    const Shape& shape = model_.tensors[i].shape;
    for (std::int64_t e = 0; e < (shape.size() == 3 ? shape[0] : 1); ++e) {
      const kernels::Gram* gram = grams_.of(static_cast<int>(i), e);
      if (gram == nullptr || scaled_.contains(gram)) continue;
      JANG_ASSIGN(scaled_[gram], scaled_gram(*gram, scales->columns_of(e)));
    }
  }
  return {};
}

const kernels::Gram* ScaledGrams::of(int tensor, std::int64_t expert) const {
  const kernels::Gram* gram = grams_.of(tensor, expert);
  const auto scaled = scaled_.find(gram);
  return scaled == scaled_.end() ? gram : &scaled->second;
}

}  // namespace jang::quantize
