// SPDX-License-Identifier: Apache-2.0
// The one place where rows of weights are quantized: what a conversion writes, what the planner measures on a sample and what calibration
// tries in memory all come through here.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/device.h"
#include "plan/plan.h"
#include "quantize/grams.h"
#include "quantize/importance.h"
#include "tensor/shape.h"

namespace jang::quantize {

// What is known of the inputs of the maps; both may be null.
struct KnownInputs {
  const Importance* importance = nullptr;
  Grams* grams = nullptr;
};

// Some rows of tensor `tensor` (index into arch::Model::tensors) of shape [.., out, in], seen as rows x columns.
struct RowsOf {
  int tensor = 0;
  const Shape& shape;
  std::int64_t first = 0, stride = 1;        // first, first + stride, ...
  std::span<const std::int64_t> drawn = {};  // unless empty: these, ascending, in the place of first and stride
  [[nodiscard]] std::int64_t at(std::int64_t i) const { return drawn.empty() ? first + i * stride : drawn[static_cast<std::size_t>(i)]; }
};

// Quantizes a.n_rows rows, each expert's with what is known of its own inputs; outputs of `a` may be null, a.importance and a.gram are set
// here. A map without a Gram matrix is fitted. Wherever the rows lie in the tensor, in `a` they lie one behind the other.
[[nodiscard]] kernels::EncodeError encode_rows(const kernels::Device& device, plan::Method method, kernels::EncodeArgs a,
                                               const RowsOf& rows, const KnownInputs& known);

}  // namespace jang::quantize
