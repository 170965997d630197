// SPDX-License-Identifier: Apache-2.0
// log(sum(exp(x))) of a row of logits in double, term by term with the C library's exp. The op of the kernels is faster and good to about
// 1e-8; the divergence of an 8-bit model is not much more than that, and evaluation has the time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace jang::eval {

// NaN when a value is one; -inf of nothing.
[[nodiscard]] inline double log_sum_exp(const float* x, std::int64_t n) {
  if (n <= 0) return -std::numeric_limits<double>::infinity();
  const double largest = static_cast<double>(*std::max_element(x, x + n));
  if (std::isinf(largest) && largest < 0) return largest;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]) - largest);
  return largest + std::log(sum);
}

}  // namespace jang::eval
