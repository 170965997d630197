// SPDX-License-Identifier: Apache-2.0
// The main job: a source checkpoint and a plan become a bundle. Streams tensor by tensor in row chunks, so memory is bounded by the number
// of threads, not by the model. Same bytes for any thread count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jang/status.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "quantize/source.h"

namespace jang::quantize {

// Per tensor, what was measured while encoding (index as in arch::Model::tensors); nullopt where nothing was quantized.
using TensorErrors = std::vector<std::optional<double>>;  // squared error over squared norm

struct ConvertReport {
  plan::Layout layout;
  plan::Sizes sizes;
  TensorErrors errors;
  double seconds = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::string output;
};

// Writes the bundle to `output`, which must not exist unless `force` (then the old directory is swapped out only after success). Works in a
// sibling directory "<output>.partial"; nothing that looks like a model is visible before the final rename, which follows re-opening and
// checking. Phases: quantize, write. Errors: invalid_argument (output exists), corrupt (source), write errors, cancelled.
[[nodiscard]] Result<ConvertReport> convert(const Source& source, const plan::Plan& plan, const std::string& output, bool force,
                                            const RunOptions& run);

}  // namespace jang::quantize
