// SPDX-License-Identifier: Apache-2.0
// Backward of the RMS norm of one row. out = x f (w + offset), f = 1 / sqrt(mean(x^2) + eps):
//   dx = f (dout (w + offset) - x f^2 mean(x dout (w + offset)))
#pragma once

#include <cmath>
#include <cstdint>

namespace jang::kernels {

// gain null: no factor. dx may be dout, unless it is added to.
inline void norm_gradient(const float* x, const float* gain, std::int64_t n, float eps, float offset, const float* dout, bool add,
                          float* dx) {
  double squares = 0, product = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const double v = static_cast<double>(x[j]), w = gain != nullptr ? static_cast<double>(gain[j]) + static_cast<double>(offset) : 1.0;
    squares += v * v;
    product += v * static_cast<double>(dout[j]) * w;
  }
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  const double along = product / static_cast<double>(n) * factor * factor;
  for (std::int64_t j = 0; j < n; ++j) {
    const double w = gain != nullptr ? static_cast<double>(gain[j]) + static_cast<double>(offset) : 1.0;
    const auto d = static_cast<float>(factor * (static_cast<double>(dout[j]) * w - static_cast<double>(x[j]) * along));
    dx[j] = add ? dx[j] + d : d;
  }
}

}  // namespace jang::kernels
