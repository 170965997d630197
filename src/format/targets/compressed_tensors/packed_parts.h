// SPDX-License-Identifier: Apache-2.0
// What is stored of a tensor: compressed_tensors.h has the layout.
#pragma once

#include <vector>

#include "format/targets/target.h"

namespace jang::targets::compressed_tensors {

inline constexpr std::string_view kPacked = "weight_packed", kScale = "weight_scale", kZeroPoint = "weight_zero_point",
                                  kShape = "weight_shape";

// Zero points of this many rows fill whole words at every width. Matrices of other heights are packed symmetrically.
inline constexpr std::int64_t kZeroPointRows = 32;

// One module, or one for each expert.
[[nodiscard]] std::vector<StoredPart> packed_parts(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);
[[nodiscard]] std::uint64_t packed_bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);

}  // namespace jang::targets::compressed_tensors
