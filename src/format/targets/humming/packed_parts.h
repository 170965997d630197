// SPDX-License-Identifier: Apache-2.0
// What is stored of a tensor: humming.h has the layout.
#pragma once

#include <string_view>
#include <vector>

#include "format/targets/target.h"

namespace jang::targets::humming {

inline constexpr std::string_view kWeight = "weight", kScale = "weight_scale", kZeroPoint = "zero_point";

// One module, or one for each expert.
[[nodiscard]] std::vector<StoredPart> packed_parts(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);

}  // namespace jang::targets::humming
