// SPDX-License-Identifier: Apache-2.0
// How fast what is trained moves. The rates at a width of b bits, one multiplier for all:
//
//   scales   0.005 (2 / b)^1.3    relative to the scale
//   biases   4 times that         in units of the scale, so constant in codes: times 2^b a step moves 64 weights by a fifth of a code at
//                                 8 bits, all the same way, and hurts
//   latents  0.006 (2 / b)^1.6    in codes
//
// The matrix of a tied embedding, which is looked up and multiplied with, has 0.3 of them. A run warms up over its first 5 % and then falls
// with a cosine to zero. No multiplier is right for all models, so short runs choose one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "distill/trained_module.h"
#include "jang/distill.h"

namespace jang::distill {

[[nodiscard]] Rates rates_of(int bits, bool tied_embedding);
// `rates` times a factor.
[[nodiscard]] Rates scaled(const Rates& rates, double factor);
// Factor of step `step` in [0, steps).
[[nodiscard]] double schedule(std::int64_t step, std::int64_t steps);

// --- the multiplier: whole short runs from one start, at falling multipliers, until one is worse than the one before

// Steps of a short run of a run of `steps`: a sixth.
[[nodiscard]] std::int64_t trial_steps(std::int64_t steps);
// The multiplier to try next after those that were tried; none: the best is known.
[[nodiscard]] std::optional<double> next_multiplier(std::span<const DistillationTrial> done);
// The best, or the smallest of all where none left numbers. Precondition: there is one.
[[nodiscard]] double best_multiplier(std::span<const DistillationTrial> done);

}  // namespace jang::distill
