// SPDX-License-Identifier: Apache-2.0
// How fast a model runs here and what memory it takes, measured briefly: enough to tell recipes apart, not a benchmark.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/engine.h"
#include "jang/status.h"
#include "json/json.h"

namespace jang::experiment {

struct Speed {
  double prefill_tokens_per_second = 0;  // 256 tokens as one step
  double decode_tokens_per_second = 0;   // one sequence, from the median step
  std::uint64_t memory_bytes = 0;        // resident memory that loading and running added; 0 where the system does not say
};

[[nodiscard]] json::Value to_json(const Speed& speed);
// Errors: corrupt.
[[nodiscard]] Result<Speed> speed_from_json(const json::Value& v);

struct SpeedOptions {
  engine::LoadOptions load;
  int prompt = 256, steps = 48, repeats = 3;
  double max_seconds = 10;  // each of the two stops early beyond this
};

// Loads the model alone and feeds it `tokens`, repeated as needed. Errors: those of loading and running.
[[nodiscard]] Result<Speed> measure_speed(const std::string& directory, std::span<const std::int32_t> tokens, const SpeedOptions& options);

}  // namespace jang::experiment
