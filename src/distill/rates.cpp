// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/rates.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace jang::distill {

namespace {
constexpr double kTied = 0.3, kWarmUp = 0.05, kBiasesToScales = 4;
}

Rates rates_of(int bits, bool tied_embedding) {
  const double narrow = 2.0 / bits, scales = 5e-3 * std::pow(narrow, 1.3), latents = 6e-3 * std::pow(narrow, 1.6);
  const Rates rates{static_cast<float>(scales), static_cast<float>(kBiasesToScales * scales), static_cast<float>(latents)};
  return tied_embedding ? scaled(rates, kTied) : rates;
}

Rates scaled(const Rates& rates, double factor) {
  const auto f = static_cast<float>(factor);
  return {rates.scales * f, rates.biases * f, rates.latents * f};
}

double schedule(std::int64_t step, std::int64_t steps) {
  const double n = static_cast<double>(steps), at = static_cast<double>(step);
  return std::min(1.0, (at + 1) / (kWarmUp * n)) * 0.5 * (1 + std::cos(std::numbers::pi * at / n));
}

}  // namespace jang::distill
