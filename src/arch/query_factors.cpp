// SPDX-License-Identifier: Apache-2.0
// 1 + slope ln(1 + floor((p + shift) / length)), which is exactly 1 up to the first length.
#include "arch/query_factors.h"

#include <cmath>

namespace jang::arch {

std::vector<float> query_factors(const QueryScale& scale, std::int64_t position, std::int64_t n) {
  std::vector<float> factors;
  factors.reserve(static_cast<std::size_t>(n));
  for (std::int64_t p = position; p < position + n; ++p)
    factors.push_back(1 + scale.slope * std::log(1 + static_cast<float>((p + scale.shift) / scale.length)));
  return factors;
}

}  // namespace jang::arch
