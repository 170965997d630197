// SPDX-License-Identifier: Apache-2.0
// How far values are from those that they stand for.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace jang::quantize {

// Squared error over squared norm of the reference; the error itself where that is zero.
inline double relative_error(const std::vector<float>& values, const std::vector<float>& reference) {
  EXPECT_EQ(values.size(), reference.size());
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < std::min(values.size(), reference.size()); ++i) {
    error += std::pow(static_cast<double>(values[i]) - static_cast<double>(reference[i]), 2);
    norm += std::pow(static_cast<double>(reference[i]), 2);
  }
  return norm > 0 ? error / norm : error;
}

}  // namespace jang::quantize
