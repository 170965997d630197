// SPDX-License-Identifier: Apache-2.0
// Gram matrices of the inputs of linear maps, as error feedback asks for them: a stage at a time, so that those of one layer are in memory
// and not those of a model. calibrate/model_grams.h takes them from a running model.
#pragma once

#include <cstdint>

#include "jang/status.h"
#include "kernels/gram.h"

namespace jang::quantize {

class Grams {
 public:
  virtual ~Grams() = default;
  // Makes ready the matrices of a layer; of the head after the last layer (stage n_layers). Stages come in ascending order, each once.
  // Errors: those of the forward; out_of_memory; cancelled.
  [[nodiscard]] virtual Status prepare(int stage) = 0;
  // Of the inputs of expert `expert` (0 where there are none) of tensor `tensor`, which belongs to the stage prepared last. Null where none
  // is known. Any thread may call it.
  [[nodiscard]] virtual const kernels::Gram* of(int tensor, std::int64_t expert) const = 0;
};

}  // namespace jang::quantize
