// SPDX-License-Identifier: Apache-2.0
// What a position costs, and what its logits should change: the loss of distillation (Hinton, Vinyals, Dean 2015, arXiv 1503.02531, at
// temperature 1).
#pragma once

#include <span>

namespace jang::distill {

// KL(softmax(reference) || softmax(logits)) in nats. Not finite where the logits are not.
[[nodiscard]] double divergence(std::span<const float> reference, std::span<const float> logits);
// The same; the logits become the gradient of weight * KL by them: weight * (softmax(logits) - softmax(reference)).
[[nodiscard]] double divergence_gradient(std::span<const float> reference, double weight, std::span<float> logits);

}  // namespace jang::distill
