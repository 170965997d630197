// SPDX-License-Identifier: Apache-2.0
// E[x^2] per input channel of every linear map, routed experts each on their own: a probe that sums while the model reads the windows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "calibrate/text.h"
#include "format/statistics.h"

namespace jang::calibrate {

// Rows of logits at a time where nobody wants them: it is the input of the head that is measured.
inline constexpr std::int64_t kHeadRows = 128;

// Runs the model over the windows, head included, and returns the statistics by module. Sums are in double and in a fixed order.
// Errors: those of the forward; cancelled.
[[nodiscard]] Result<std::map<std::string, format::InputStatistics>> measure_moments(engine::Engine& engine, const Windows& windows,
                                                                                     Observer& observer, const CancelFlag* cancel);

}  // namespace jang::calibrate
