// SPDX-License-Identifier: Apache-2.0
// The loss of a position against sums written out in double, and its gradient against slopes.
#include "distill/divergence_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace jang::distill {
namespace {

const std::vector<float> kReference = {1.5f, -2.0f, 0.25f, 3.0f, -7.0f}, kLogits = {0.5f, -1.0f, 0.75f, 2.0f, 4.0f};

std::vector<double> softmax(const std::vector<float>& logits) {
  std::vector<double> p;
  double sum = 0;
  for (const float z : logits) sum += p.emplace_back(std::exp(static_cast<double>(z)));
  for (double& v : p) v /= sum;
  return p;
}

double kl(const std::vector<float>& reference, const std::vector<float>& logits) {
  const std::vector<double> p = softmax(reference), q = softmax(logits);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

TEST(DistillDivergence, is_the_kl_of_the_two_softmaxes) {
  EXPECT_NEAR(divergence(kReference, kLogits), kl(kReference, kLogits), 1e-6);
  std::vector<float> shifted = kReference;
  for (float& z : shifted) z += 100;
  EXPECT_NEAR(divergence(kReference, shifted), 0, 1e-9);
}

TEST(DistillDivergence, gradient_is_the_slope) {
  std::vector<float> gradient = kLogits;
  EXPECT_NEAR(divergence_gradient(kReference, 0.5, gradient), kl(kReference, kLogits), 1e-6);  // the value has no weight
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    std::vector<float> more = kLogits, less = kLogits;
    more[i] += 0.01f;
    less[i] -= 0.01f;
    EXPECT_NEAR(static_cast<double>(gradient[i]), 0.5 * (kl(kReference, more) - kl(kReference, less)) / 0.02, 1e-5) << i;
  }
}

TEST(DistillDivergence, of_what_is_no_number_is_not_finite) {
  std::vector<float> broken = kLogits;
  broken[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(std::isfinite(divergence(kReference, broken)));
}

}  // namespace
}  // namespace jang::distill
