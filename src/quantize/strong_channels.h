// SPDX-License-Identifier: Apache-2.0
// What the gains of norms tell of the inputs of linear maps before any text is read. A gain far above the others makes a channel far
// stronger than the others; a fit that weighs all columns of a matrix alike then saves its error in the wrong places. The gains see a part
// of it only: what the residual stream adds to a channel shows in statistics alone (Gemma 3 270M: 35 times the mean by gains, 480
// measured).
#pragma once

#include <optional>
#include <string>

#include "jang/status.h"
#include "quantize/source.h"

namespace jang::quantize {

struct StrongChannel {
  std::string norm;  // tensor
  double ratio = 0;  // its largest squared gain over the mean of all
};

// Squared gains from which on a channel counts as strong; models of even channels stay below 5.
inline constexpr double kStrongRatio = 16;

// The strongest channel of all norms in front of linear maps, where it is that strong. None for families whose norms are not known. Reads
// vectors only. Errors: those of reading the source.
[[nodiscard]] Result<std::optional<StrongChannel>> strongest_channel(const Source& source);

}  // namespace jang::quantize
