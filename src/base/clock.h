// SPDX-License-Identifier: Apache-2.0
// Time that passes, on a clock that is never set back.
#pragma once

#include <chrono>

namespace jang {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace jang
