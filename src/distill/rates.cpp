// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/rates.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace jang::distill {

namespace {
constexpr double kTied = 0.3, kWarmUp = 0.05, kBiasesToScales = 4;
constexpr double kMultipliers[] = {1, 0.5, 0.25, 0.125, 0.0625};
constexpr std::int64_t kTrialShare = 6, kLeastTrial = 10, kLongestTrial = 50;

const DistillationTrial& best_of(std::span<const DistillationTrial> done) {
  return *std::ranges::min_element(done, {}, &DistillationTrial::divergence);
}
}  // namespace

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

std::int64_t trial_steps(std::int64_t steps) { return std::min(steps, std::clamp(steps / kTrialShare, kLeastTrial, kLongestTrial)); }

std::optional<double> next_multiplier(std::span<const DistillationTrial> done) {
  const bool falls = done.size() < 2 || done.back().divergence < done[done.size() - 2].divergence;
  if (!falls && std::isfinite(best_of(done).divergence)) return {};
  for (const double multiplier : kMultipliers)
    if (std::ranges::none_of(done, [&](const DistillationTrial& t) { return t.rate == multiplier; })) return multiplier;
  return {};
}

double best_multiplier(std::span<const DistillationTrial> done) {
  const DistillationTrial& best = best_of(done);
  return std::isfinite(best.divergence) ? best.rate : kMultipliers[std::size(kMultipliers) - 1];
}

}  // namespace jang::distill
