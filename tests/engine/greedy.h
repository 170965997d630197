// SPDX-License-Identifier: Apache-2.0
// Sampling without chance.
#pragma once

#include "engine/sampler.h"

namespace jang::engine {

inline constexpr SamplingOptions kGreedy{.temperature = 0};

}  // namespace jang::engine
