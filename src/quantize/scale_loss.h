// SPDX-License-Identifier: Apache-2.0
// What rows of a map lose when they are quantized with rescaled columns, as an error of the map's outputs.
#pragma once

#include <cstdint>

#include "codec/weight_format.h"
#include "kernels/device.h"
#include "plan/plan.h"
#include "quantize/scaled_grams.h"

namespace jang::quantize {

struct LossOf {
  const float* weights = nullptr;  // [n_rows, in], of the source
  std::int64_t n_rows = 0, in = 0;
  const codec::WeightFormat& format;
  plan::Method method = plan::Method::fit;
  DType param_dtype = DType::bf16;
  const float* importance = nullptr;      // E[x^2] [in]; may be null where there is a Gram matrix
  const kernels::Gram* gram = nullptr;    // of x; may be null
  const float* factors = nullptr;         // s [in]; null: 1
  const kernels::Gram* scaled = nullptr;  // of x / s, for the method gptq; null together with gram
  const double* row_weights = nullptr;    // w [n_rows]; null: 1
};

// Sum over rows of w d H d^T with D = Q(W s) / s - W; of w h d^2 without a Gram matrix.
[[nodiscard]] double scaled_loss(const kernels::Device& device, const LossOf& loss);

}  // namespace jang::quantize
