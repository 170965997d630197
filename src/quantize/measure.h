// SPDX-License-Identifier: Apache-2.0
// Measures what every choice would cost: relative squared error per unit and (bits, group), with the real encoder, on the real weights.
#pragma once

#include "jang/status.h"
#include "plan/plan.h"
#include "quantize/convert.h"

namespace jang::quantize {

// Units up to this many weights are measured whole; larger ones on rows taken at a fixed stride, which gives the error to a few parts in a
// thousand (it is a mean over ten thousand groups and more).
inline constexpr std::int64_t kMeasureWeights = 1 << 20;

// Error of every choice of plan::auto_choices for every unit. Reads the source. Deterministic for any number of threads.
// Errors: those of reading; cancelled.
[[nodiscard]] Result<plan::ErrorTable> measure_errors(const Source& source, const plan::Options& options, DType param_dtype,
                                                      const RunOptions& run);

}  // namespace jang::quantize
