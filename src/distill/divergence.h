// SPDX-License-Identifier: Apache-2.0
// How far a bundle's predictions are from those of its source: KL(source || bundle), summed over tokens, and its gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/engine.h"
#include "model/workspace.h"

namespace jang::distill {

class Divergence {
 public:
  // `source` outlives it and shares the device of what is compared.
  explicit Divergence(engine::Engine& source) : source_(source) {}
  // Over the rows of `logits` [n, vocab], the bundle's on the device; `hidden` [n, hidden]: the source's states behind its last layer, on
  // the host. With a weight the logits become the gradient of weight times the sum. In nats; not finite where the logits are not. Errors:
  // out_of_memory, those of the device.
  [[nodiscard]] Result<double> sum(const std::vector<float>& hidden, float weight, const kernels::Tensor& logits);

 private:
  engine::Engine& source_;
  model::Array hidden_, logits_, sums_;
};

}  // namespace jang::distill
