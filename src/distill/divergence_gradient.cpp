// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "distill/divergence_gradient.h"

#include <cmath>
#include <cstdint>

#include "kernels/host_ops.h"

namespace jang::distill {
namespace {

// Calls f(i, p_i, q_i) with the probabilities of reference and logits; returns the divergence.
template <typename F>
double for_probabilities(std::span<const float> reference, std::span<const float> logits, const F& f) {
  const auto n = static_cast<std::int64_t>(logits.size());
  const double of_reference = kernels::log_sum_exp(reference.data(), n), of_logits = kernels::log_sum_exp(logits.data(), n);
  const auto a = static_cast<float>(of_reference), b = static_cast<float>(of_logits);
  // sum p (r - z) - (lse(r) - lse(z)): p sums to one up to rounding, so the constant is taken out of the sum.
  double along = 0, total = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float p = std::exp(reference[i] - a), q = std::exp(logits[i] - b);
    along += static_cast<double>(p) * (static_cast<double>(reference[i]) - static_cast<double>(logits[i]));
    total += static_cast<double>(p);
    f(i, p, q);
  }
  return along - total * (of_reference - of_logits);
}

}  // namespace

double divergence(std::span<const float> reference, std::span<const float> logits) {
  return for_probabilities(reference, logits, [](std::size_t, float, float) {});
}

double divergence_gradient(std::span<const float> reference, double weight, std::span<float> logits) {
  const auto w = static_cast<float>(weight);
  return for_probabilities(reference, logits, [&](std::size_t i, float p, float q) { logits[i] = w * (q - p); });
}

}  // namespace jang::distill
