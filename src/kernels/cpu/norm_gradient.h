// SPDX-License-Identifier: Apache-2.0
// Backward of the norm of one row. out = (x - m) f (w + offset), f = 1 / sqrt(mean((x - m)^2) + eps), m = 0 or, centred, mean(x):
//   dx = f (g - (x - m) f^2 mean((x - m) g) [- mean(g), centred]),   g = dout (w + offset)
#pragma once

#include <cmath>
#include <cstdint>

namespace jang::kernels {

// gain null: no factor. dx may be dout, unless it is added to.
inline void norm_gradient(const float* x, const float* gain, std::int64_t n, float eps, float offset, const float* dout, bool add,
                          float* dx, bool centred = false) {
  double mean = 0, squares = 0, product = 0, sum = 0;
  for (std::int64_t j = 0; centred && j < n; ++j) mean += static_cast<double>(x[j]) / static_cast<double>(n);
  for (std::int64_t j = 0; j < n; ++j) {
    const double w = gain != nullptr ? static_cast<double>(gain[j]) + static_cast<double>(offset) : 1.0;
    const double v = static_cast<double>(x[j]) - mean, g = static_cast<double>(dout[j]) * w;
    squares += v * v;
    product += v * g;
    sum += g;
  }
  const double common = centred ? sum / static_cast<double>(n) : 0.0;
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  const double along = product / static_cast<double>(n) * factor * factor;
  for (std::int64_t j = 0; j < n; ++j) {
    const double w = gain != nullptr ? static_cast<double>(gain[j]) + static_cast<double>(offset) : 1.0;
    const auto d = static_cast<float>(factor * (static_cast<double>(dout[j]) * w - (static_cast<double>(x[j]) - mean) * along - common));
    dx[j] = add ? dx[j] + d : d;
  }
}

}  // namespace jang::kernels
