// SPDX-License-Identifier: Apache-2.0
// The one place where rows of weights are quantized: what a conversion writes, what the planner measures on a sample and what calibration
// tries in memory all come through here.
#pragma once

#include <cstdint>

#include "kernels/device.h"
#include "plan/plan.h"
#include "quantize/grams.h"
#include "quantize/importance.h"
#include "tensor/shape.h"

namespace jang::quantize {

// What is known of the inputs of the maps; both may be null.
struct KnownInputs {
  const Importance* importance = nullptr;
  const Grams* grams = nullptr;
};

// Some rows of tensor `tensor` (index into arch::Model::tensors) of shape [.., out, in], seen as rows x columns.
struct RowsOf {
  int tensor = 0;
  const Shape& shape;
  std::int64_t first = 0, stride = 1;  // first, first + stride, ...
};

// Quantizes a.n_rows rows, each expert's with what is known of its own inputs; outputs of `a` may be null, a.importance and a.gram are set
// here. A map without a Gram matrix is fitted. The rows of a call lie at distance `stride` in the tensor and one behind the other in `a`.
[[nodiscard]] kernels::EncodeError encode_rows(const kernels::Device& device, plan::Method method, kernels::EncodeArgs a,
                                               const RowsOf& rows, const KnownInputs& known);

}  // namespace jang::quantize
