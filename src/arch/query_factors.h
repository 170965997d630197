// SPDX-License-Identifier: Apache-2.0
// What queries are multiplied by at their positions (QueryScale).
#pragma once

#include <cstdint>
#include <vector>

#include "arch/layer_spec.h"

namespace jang::arch {

// Of n positions from `position` on, in float32 as transformers computes them. Precondition: a scale that decoder_config() has checked.
[[nodiscard]] std::vector<float> query_factors(const QueryScale& scale, std::int64_t position, std::int64_t n);

}  // namespace jang::arch
