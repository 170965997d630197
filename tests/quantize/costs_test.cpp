// SPDX-License-Identifier: Apache-2.0
// Sensitivity curves and what unmeasured units borrow.
#include "quantize/costs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/importance.h"

namespace jang::quantize {
namespace {

using format::SensitivityPoint;

const std::vector<SensitivityPoint> kPoints = {{2, 64, 0.1, 1.6}, {3, 64, 0.025, 0.4}, {4, 64, 0.00625, 0.1}};

TEST(Costs, two_points_or_a_power_law_are_met) {
  std::vector<SensitivityPoint> points = {{2, 64, 0.1, 0.8}, {4, 64, 0.006, 0.12}};
  for (const SensitivityPoint& p : points) EXPECT_NEAR(fit_curve(points).at(p.error), p.divergence, 1e-12);
  for (SensitivityPoint& p : points) p.divergence = 3 * std::pow(p.error, 1.2);
  points.insert(points.begin() + 1, {3, 64, 0.02, 3 * std::pow(0.02, 1.2)});
  for (const double error : {1e-6, 0.003, 0.05, 0.7}) EXPECT_NEAR(fit_curve(points).at(error), 3 * std::pow(error, 1.2), 1e-9);
}

TEST(Costs, one_noisy_point_moves_a_curve_by_its_share) {
  // Slope 2 everywhere, but twice that at one of four points.
  std::vector<SensitivityPoint> points = {{2, 64, 0.064, 0.128}, {3, 64, 0.016, 0.064}, {4, 64, 0.004, 0.008}, {6, 64, 0.001, 0.002}};
  for (const double error : {0.064, 0.016, 0.004, 0.001}) {
    EXPECT_GT(fit_curve(points).at(error), error * 2 * 1.05);
    EXPECT_LT(fit_curve(points).at(error), error * 2 * 1.4);
  }
}

TEST(Costs, one_point_is_proportional_and_no_error_costs_nothing) {
  const std::vector<SensitivityPoint> one = {{3, 64, 0.02, 0.1}};
  EXPECT_NEAR(fit_curve(one).at(0.002), 0.01, 1e-12);
  EXPECT_NEAR(fit_curve(one).at(0.2), 1.0, 1e-12);
  EXPECT_EQ(fit_curve(one).at(0.0), 0.0);
}

TEST(Costs, points_without_sense_do_no_harm) {
  for (const std::vector<SensitivityPoint>& points :
       {std::vector<SensitivityPoint>{{2, 64, 0.1, 0.0}}, {{2, 64, 0.1, 0.0}, {4, 64, 0.01, 0.3}}, {{2, 64, 0.1, 0.2}, {3, 64, 0.1, 0.4}},
        {{2, 64, 0.0, 0.0}, {3, 64, 0.0, 0.1}}}) {
    double before = 0;
    for (const double error : {1e-9, 1e-3, 1e-2, 1.0}) {
      const double d = fit_curve(points).at(error);
      EXPECT_TRUE(std::isfinite(d));
      EXPECT_GE(d, before);  // more error never costs less
      before = d;
    }
  }
}

arch::Model model_of(int n_layers) {
  arch::Model model;
  for (int layer = 0; layer < n_layers; ++layer) {
    arch::OutTensor t;
    t.module = t.unit = "l" + std::to_string(layer) + ".v";
    t.name = t.module + ".weight";
    t.shape = {64, 64 * (layer + 1)};
    t.role = arch::Role::attn_v;
    t.layer = layer;
    t.quantizable = true;
    model.tensors.push_back(t);
  }
  model.n_layers = n_layers;
  return model;
}

TEST(Costs, unmeasured_unit_takes_the_nearest_layers_curve_by_size) {
  const arch::Model model = model_of(4);
  format::Statistics s;
  s.sensitivities["l0.v"] = kPoints;
  s.sensitivities["l3.v"] = {{3, 64, 0.025, 4.0}};
  plan::ErrorTable errors;
  for (const arch::OutTensor& t : model.tensors) errors[t.unit][{3, 64}] = 0.025;
  const plan::CostTable costs = expected_costs(model, errors, s, {});
  EXPECT_NEAR(costs.at("l0.v").at({3, 64}), 0.4, 1e-9);
  EXPECT_NEAR(costs.at("l1.v").at({3, 64}), 0.4 * 2, 1e-9);      // twice the weights of layer 0
  EXPECT_NEAR(costs.at("l2.v").at({3, 64}), 4.0 * 3 / 4, 1e-9);  // three quarters of layer 3
}

TEST(Costs, factors_multiply) {
  const arch::Model model = model_of(1);
  format::Statistics s;
  s.sensitivities["l0.v"] = kPoints;
  const plan::ErrorTable errors = {{"l0.v", {{{4, 64}, 0.00625}}}};
  EXPECT_NEAR(expected_costs(model, errors, s, {{"l0.v", 3.0}}).at("l0.v").at({4, 64}), 0.3, 1e-9);
}

TEST(Importance, other_models_statistics_are_refused) {
  format::Statistics s;
  s.model = "another";
  EXPECT_EQ(Importance::create(model_of(1), s).status().code(), StatusCode::invalid_argument);
}

TEST(Importance, weights_are_damped_and_other_tensors_unweighted) {
  const arch::Model model = model_of(2);
  format::Statistics s;
  s.model = fingerprint(model);
  std::vector<float> squares(64, 0.0f);
  squares[3] = 64.0f;
  s.inputs["l0.v"] = {squares, {100}};
  const auto importance = Importance::create(model, s);
  ASSERT_TRUE(importance.ok()) << importance.status().message();
  ASSERT_NE(importance->of(0, 0), nullptr);
  EXPECT_FLOAT_EQ(importance->of(0, 0)[3], 64.0f + 1e-4f);
  EXPECT_FLOAT_EQ(importance->of(0, 0)[0], 1e-4f);
  EXPECT_EQ(importance->of(1, 0), nullptr);
}

TEST(Importance, experts_that_saw_little_lean_on_the_others) {
  arch::Model model = model_of(1);
  model.tensors[0].shape = {2, 8, 32};
  format::Statistics s;
  s.model = fingerprint(model);
  std::vector<float> squares(64, 1.0f);
  std::fill(squares.begin() + 32, squares.end(), 9.0f);
  s.inputs["l0.v"] = {squares, {3200, 0}};
  const auto importance = Importance::create(model, s);
  ASSERT_TRUE(importance.ok());
  EXPECT_NEAR(importance->of(0, 1)[0], 1.0, 1e-3);  // never used: the mean of what was seen
  EXPECT_NEAR(importance->of(0, 0)[0], 1.0, 1e-3);
}

TEST(Importance, wrong_shape_is_refused) {
  const arch::Model model = model_of(1);
  format::Statistics s;
  s.model = fingerprint(model);
  s.inputs["l0.v"] = {std::vector<float>(32, 1.0f), {1}};
  EXPECT_EQ(Importance::create(model, s).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace jang::quantize
