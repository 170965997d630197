// SPDX-License-Identifier: Apache-2.0
// From a width or a group size known at run time to one known at compile time: the only place, and its cases are the rows of the tables.
#pragma once

#include <cstddef>

#include "codec/affine.h"

namespace jang::codec {

// Calls f.operator()<bits>() for the row of kWidths with these bits. False, and nothing is called, when there is none.
template <std::size_t kRow = 0, typename F>
bool with_width(int bits, const F& f) {
  if constexpr (kRow == kWidths.size()) {
    return false;
  } else {
    if (bits != kWidths[kRow].bits) return with_width<kRow + 1>(bits, f);
    f.template operator()<kWidths[kRow].bits>();
    return true;
  }
}

// The same for the sizes of kGroups.
template <std::size_t kRow = 0, typename F>
bool with_group(int group_size, const F& f) {
  if constexpr (kRow == kGroups.size()) {
    return false;
  } else {
    if (group_size != kGroups[kRow].size) return with_group<kRow + 1>(group_size, f);
    f.template operator()<kGroups[kRow].size>();
    return true;
  }
}

}  // namespace jang::codec
