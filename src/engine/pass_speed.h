// SPDX-License-Identifier: Apache-2.0
// How fast a loaded model goes through tokens on this machine: short passes over a few of its layers and its head, scaled to all layers.
// They take about a second; a card, whose ops return before they are done, is waited for.
#pragma once

#include <array>
#include <cstdint>

#include "base/cost.h"
#include "engine/engine.h"

namespace jang::engine {

struct PassSpeeds {
  // Of one token:
  Cost layers{};       // through all layers, in windows
  Cost head{};         // through the head
  Cost layers_back{};  // forwards and back through all layers, gradients of weights included; zero where the device has no gradients
  Cost divergence{};   // of two rows of logits; zero where the device has no gradients
  std::array<Cost, 3> sampled{};  // drawn beside kSampledBeside others, layers and head included
};
inline constexpr std::array<std::int64_t, 3> kSampledBeside = {8, 64, 256};

// The engine has exact arithmetic. Errors: those of forwards.
[[nodiscard]] Result<PassSpeeds> measure_pass_speeds(Engine& engine);
// Of one token drawn beside n in all.
[[nodiscard]] Cost sampled_beside(const PassSpeeds& speeds, std::int64_t n);

}  // namespace jang::engine
