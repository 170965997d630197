// SPDX-License-Identifier: Apache-2.0
// What a change of the hidden states behind a layer costs: the Fisher information of every layer's output, from one backward pass over
// some windows.
//
//   G_l = E[g g^T]        KL(source || changed) = 1/2 d^T G_l d per token, to second order
//
// d: change of the hidden states of one token behind layer l; g: gradient by them of what fisher.h puts in the place of the logits. What
// the changes of two tokens do together is left out. A direction that no gradient had is not free: 1 % of the mean of the diagonal is added
// to it, as to the Gram matrices of error feedback.
#pragma once

#include <cstdint>
#include <vector>

#include "calibrate/text.h"

namespace jang::calibrate {

struct OutputGrams {
  std::vector<std::vector<float>> by_layer;  // [hidden, hidden], symmetric
  std::int64_t positions = 0;                // tokens of all windows
};

// A forward and a backward without gradients of weights over every window. Memory: 4 hidden^2 bytes a layer on the device. Errors:
// unsupported (a device without gradients; hidden states that are no multiple of 32; squares that float32 does not hold); those of the
// forward; cancelled.
[[nodiscard]] Result<OutputGrams> measure_output_grams(engine::Engine& engine, const Windows& windows, std::uint64_t seed,
                                                       Observer& observer, const CancelFlag* cancel);

}  // namespace jang::calibrate
