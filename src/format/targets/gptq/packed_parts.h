// SPDX-License-Identifier: Apache-2.0
// What is stored of a tensor: gptq.h has the layout.
#pragma once

#include <vector>

#include "format/targets/target.h"

namespace jang::targets::gptq {

// Loaders want the rows of a packed matrix in multiples of this.
inline constexpr std::int64_t kRowMultiple = 32;

// One module, or one for each expert. `format`: symmetric, 4 or 8 bits, or null.
[[nodiscard]] std::vector<StoredPart> packed_parts(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);
[[nodiscard]] std::uint64_t packed_bytes(const arch::OutTensor& tensor, const codec::WeightFormat* format, DType params);

}  // namespace jang::targets::gptq
