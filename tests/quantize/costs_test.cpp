// SPDX-License-Identifier: Apache-2.0
// Sensitivity curves and what unmeasured units borrow.
#include "quantize/costs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "plan/budget.h"
#include "quantize/importance.h"

namespace jang::quantize {
namespace {

using format::SensitivityPoint;

const std::vector<SensitivityPoint> kPoints = {{2, 64, 0.1, 1.6}, {3, 64, 0.025, 0.4}, {4, 64, 0.00625, 0.1}};
const std::vector<double> kErrors = {0.08, 0.02, 0.005, 0.0003};  // about those of 2, 3, 4 and 6 bits

std::vector<SensitivityPoint> points_on(double root, double linear, double square) {
  std::vector<SensitivityPoint> points;
  for (const double e : kErrors) points.push_back({4, 64, e, root * std::sqrt(e) + linear * e + square * e * e});
  return points;
}

TEST(Costs, terms_are_found) {
  for (const auto& [root, linear, square] : {std::array<double, 3>{0, 2, 0}, {0.003, 0.4, 0}, {0.01, 0, 0}, {0, 0.5, 9}, {0.002, 0.3, 4}}) {
    const Curve c = fit_curve(points_on(root, linear, square));
    EXPECT_NEAR(c.root, root, 1e-7);
    EXPECT_NEAR(c.linear, linear, 1e-6);
    EXPECT_NEAR(c.square, square, 1e-5);
    for (const double e : {0.1, 0.03, 1e-4}) EXPECT_NEAR(c.alone(e), root * std::sqrt(e) + linear * e + square * e * e, 1e-7);
  }
}

TEST(Costs, no_term_is_negative_and_no_other_choice_of_three_does_better) {
  // Saturating faster than a root can, noisy, falling: the best curve of the family, by search on a grid around it.
  for (const std::vector<double>& d :
       {std::vector<double>{0.01, 0.009, 0.008, 0.007}, {0.2, 0.02, 0.02, 0.0001}, {0.01, 0.02, 0.001, 0.0001}}) {
    std::vector<SensitivityPoint> points;
    for (std::size_t i = 0; i < d.size(); ++i) points.push_back({4, 64, kErrors[i], d[i]});
    const Curve c = fit_curve(points);
    EXPECT_GE(std::min({c.root, c.linear, c.square}), 0.0);
    const auto off = [&](const Curve& curve) {
      double sum = 0;
      for (const SensitivityPoint& p : points) sum += std::pow(1 - curve.alone(p.error) / p.divergence, 2);
      return sum;
    };
    const double least = off(c);
    for (const double r : {-1e-3, 0.0, 1e-3})
      for (const double l : {-1e-2, 0.0, 1e-2})
        for (const double q : {-0.1, 0.0, 0.1})
          EXPECT_GE(off({std::max(0.0, c.root + r), std::max(0.0, c.linear + l), std::max(0.0, c.square + q)}), least - 1e-9);
  }
}

TEST(Costs, roots_count_once_in_company) {
  // Four equal units of roots only: each alone looks like r sqrt(e), all together like 2 r sqrt(e); half of that is what taking a unit
  // away by a hair's breadth brings, four times over.
  const Curve c{0.01, 0, 0};
  const double e = 0.02, together = std::sqrt(4 * 0.01 * 0.01 * e);
  EXPECT_NEAR(together, 2 * c.alone(e), 1e-12);
  EXPECT_NEAR(4 * c.in_company(e, together), together / 2, 1e-12);
  EXPECT_NEAR(c.in_company(e / 2, together), c.in_company(e, together) / 2, 1e-12);
  EXPECT_EQ(Curve({0.01, 3, 0}).in_company(e, 0), 3 * e);
}

TEST(Costs, one_point_is_proportional_and_no_error_costs_nothing) {
  const std::vector<SensitivityPoint> one = {{3, 64, 0.02, 0.1}};
  EXPECT_NEAR(fit_curve(one).alone(0.002), 0.01, 1e-12);
  EXPECT_NEAR(fit_curve(one).alone(0.2), 1.0, 1e-12);
  EXPECT_EQ(fit_curve(one).alone(0.0), 0.0);
}

TEST(Costs, points_without_sense_do_no_harm) {
  for (const std::vector<SensitivityPoint>& points : {std::vector<SensitivityPoint>{{2, 64, 0.1, 0.0}},
                                                      {{2, 64, 0.1, 0.0}, {4, 64, 0.01, 0.3}},
                                                      {{2, 64, 0.1, 0.2}, {3, 64, 0.1, 0.4}},
                                                      {{2, 64, 0.0, 0.0}, {3, 64, 0.0, 0.1}},
                                                      {{2, 64, 1e6, 1e9}, {3, 64, 1e-30, 1e-30}}}) {
    const Curve c = fit_curve(points);
    double before = 0;
    for (const double error : {1e-9, 1e-3, 1e-2, 1.0}) {
      const double d = c.alone(error);
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
    t.module = t.unit = t.canonical = "l" + std::to_string(layer) + ".v";
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

// `auto` at `bits`, every unit measured at the choices of a 64-group ladder with errors of Gaussian weights.
plan::Options auto_at(double bits) {
  plan::Options o;
  o.profile = "auto";
  o.target_bpw = bits;
  return o;
}

plan::ErrorTable errors_of(const arch::Model& model, const plan::Options& options) {
  plan::ErrorTable errors;
  for (std::size_t i = 0; i < model.tensors.size(); ++i)
    for (const plan::Choice& c : plan::auto_choices(model.tensors[i], options))
      errors[model.tensors[i].unit][c] = c.bits ? 0.4 * std::pow(0.25, c.bits) * std::log(c.group_size) : 0.0;
  return errors;
}

TEST(Costs, unmeasured_unit_takes_the_nearest_layers_curve_by_size) {
  const arch::Model model = model_of(4);
  format::Statistics s;
  s.sensitivities["l0.v"] = kPoints;
  s.sensitivities["l3.v"] = {{3, 64, 0.025, 4.0}};
  const plan::Options options = auto_at(5);
  const plan::ErrorTable errors = errors_of(model, options);
  const auto expected = plan_by_sensitivity(model, options, errors, s, {});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  const plan::Choice choice = errors.at("l0.v").rbegin()->first;
  const double error = errors.at("l0.v").at(choice);
  EXPECT_NEAR(expected->costs.at("l0.v").at(choice), 16 * error, 1e-9);
  EXPECT_NEAR(expected->costs.at("l1.v").at(choice), 16 * error * 2, 1e-9);       // twice the weights of layer 0
  EXPECT_NEAR(expected->costs.at("l2.v").at(choice), 160 * error * 3 / 4, 1e-9);  // three quarters of layer 3
}

TEST(Costs, evenness_brings_the_layers_of_a_role_closer) {
  const arch::Model model = model_of(4);
  const plan::Options options = auto_at(5);
  const plan::ErrorTable errors = errors_of(model, options);
  format::Statistics s;
  for (int layer = 0; layer < 4; ++layer) {
    s.sensitivities["l" + std::to_string(layer) + ".v"] = kPoints;
    for (SensitivityPoint& p : s.sensitivities["l" + std::to_string(layer) + ".v"]) p.divergence *= layer == 3 ? 16 : 1;
  }
  const auto cost_of = [&](const char* unit, double evenness) {
    const auto expected = plan_by_sensitivity(model, options, errors, s, {}, evenness);
    EXPECT_TRUE(expected.ok());
    return expected->costs.at(unit).at(errors.at("l0.v").rbegin()->first);
  };
  const double geometric = std::pow(cost_of("l0.v", 0), 3) * cost_of("l3.v", 0);
  for (const double evenness : {0.0, 0.25, 0.5, 1.0}) {
    EXPECT_NEAR(cost_of("l3.v", evenness) / cost_of("l0.v", evenness), std::pow(16, 1 - evenness), 1e-9);
    EXPECT_NEAR(cost_of("l0.v", evenness) / cost_of("l1.v", evenness), 1, 1e-12);
    EXPECT_NEAR(std::pow(cost_of("l0.v", evenness), 3) * cost_of("l3.v", evenness) / geometric, 1, 1e-9);
  }
}

TEST(Costs, factors_multiply) {
  const arch::Model model = model_of(2);
  format::Statistics s;
  s.sensitivities["l0.v"] = kPoints;
  const plan::Options options = auto_at(5);
  const plan::ErrorTable errors = errors_of(model, options);
  const auto plain = plan_by_sensitivity(model, options, errors, s, {}),
             times = plan_by_sensitivity(model, options, errors, s, {{"l0.v", 3.0}});
  ASSERT_TRUE(plain.ok() && times.ok());
  for (const auto& [choice, cost] : plain->costs.at("l0.v")) EXPECT_NEAR(times->costs.at("l0.v").at(choice), 3 * cost, 1e-9);
  EXPECT_EQ(plain->costs.at("l1.v"), times->costs.at("l1.v"));
}

TEST(Costs, plan_and_company_agree) {
  // The costs of the roots are those at the roots of the very plan: root^2 e / (2 sqrt(sum of root^2 e)).
  const arch::Model model = model_of(3);
  format::Statistics s;
  for (const char* name : {"l0.v", "l1.v", "l2.v"}) s.sensitivities[name] = points_on(0.01, 0.1, 0);
  const plan::Options options = auto_at(4.6);
  const plan::ErrorTable errors = errors_of(model, options);
  const auto expected = plan_by_sensitivity(model, options, errors, s, {});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  double squares = 0;
  for (const plan::TensorPlan& t : expected->plan.tensors)
    if (t.choice.bits) squares += 1e-4 * errors.at(model.tensors[static_cast<std::size_t>(t.tensor)].unit).at(t.choice);
  for (const auto& [choice, error] : errors.at("l0.v"))
    EXPECT_NEAR(expected->costs.at("l0.v").at(choice), (0.1 + 1e-4 / (2 * std::sqrt(squares))) * error, 0.01 * error);
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
