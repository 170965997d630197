// SPDX-License-Identifier: Apache-2.0
// Costs from gradients: what grows with the error, what anchors teach of routers, and that a plan follows them.
#include "quantize/fisher_costs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plan/budget.h"
#include "quantize/costs.h"

namespace jang::quantize {
namespace {

constexpr plan::Choice kTwo{2, 64}, kFour{4, 64}, kFourWide{4, 128}, kSix{6, 64};

void add(arch::Model* model, const std::string& unit, arch::Role role, int layer) {
  arch::OutTensor t;
  t.module = t.unit = unit;
  t.name = unit + ".weight";
  t.shape = {64, 64};
  t.role = role;
  t.layer = layer;
  t.quantizable = role != arch::Role::router;
  model->tensors.push_back(t);
}

// Embedding, head, and layers of a value and a down projection; with routers or without.
arch::Model model_of(int n_layers, bool routers) {
  arch::Model model;
  model.n_layers = n_layers;
  add(&model, "embedding", arch::Role::embedding, -1);
  for (int l = 0; l < n_layers; ++l) {
    const std::string at = "l" + std::to_string(l);
    add(&model, at + ".v", arch::Role::attn_v, l);
    if (routers) add(&model, at + ".router", arch::Role::router, l);
    add(&model, at + ".down", routers ? arch::Role::expert_down : arch::Role::mlp_down, l);
  }
  add(&model, "head", arch::Role::lm_head, -1);
  return model;
}

struct Tables {
  plan::ErrorTable errors;
  plan::CostTable fisher;
};
Tables tables(const arch::Model& model, const std::vector<plan::Choice>& choices = {kTwo, kFour, kFourWide, kSix}) {
  Tables t;
  for (const arch::OutTensor& tensor : model.tensors) {
    if (!tensor.quantizable) continue;
    for (const plan::Choice& c : choices) {
      const double error = 0.6 * std::pow(0.25, c.bits - 1) * (c.group_size == 64 ? 1 : 1.5);
      t.errors[tensor.unit][c] = error;
      t.fisher[tensor.unit][c] = 0.1 * error;
    }
  }
  return t;
}

TEST(FisherCosts, costs_grow_where_much_is_lost) {
  const arch::Model model = model_of(2, false);
  const Tables t = tables(model);
  const FisherCosts costs(model, t.errors, t.fisher, {});
  EXPECT_EQ(costs.flips(), 0);
  EXPECT_NEAR(costs.alone("l0.v", kTwo), 0.015 / std::pow(0.85, 3), 1e-12);
  EXPECT_EQ(costs.together({{"l0.v", kTwo}}), 0);
  EXPECT_EQ(costs.in_company(0).at("l1.down").at(kSix), costs.alone("l1.down", kSix));
}

TEST(FisherCosts, routers_behind_a_unit_are_counted) {
  const arch::Model model = model_of(3, true);
  const Tables t = tables(model);
  const FisherCosts costs(model, t.errors, t.fisher, {});
  EXPECT_EQ(costs.routers_behind("embedding"), 3);
  EXPECT_EQ(costs.routers_behind("l0.v"), 3);
  EXPECT_EQ(costs.routers_behind("l0.down"), 2);
  EXPECT_EQ(costs.routers_behind("l2.v"), 1);
  EXPECT_EQ(costs.routers_behind("l2.down"), 0);
  EXPECT_EQ(costs.routers_behind("head"), 0);
}

// The law put in comes out, whatever the errors at which it was measured; one anchor in three that is off does not matter.
TEST(FisherCosts, anchors_teach_the_rate_of_flips) {
  const arch::Model model = model_of(3, true);
  const Tables t = tables(model);
  constexpr double kRate = 0.02;
  const auto measured = [&](const std::string& unit, plan::Choice c, int n, double scale) {
    const double error = t.errors.at(unit).at(c), f = t.fisher.at(unit).at(c) * scale;
    return format::SensitivityPoint{c.bits, 64, error * scale, f / std::pow(1 - error, 3) + kRate * n * std::sqrt(f)};
  };
  format::Statistics s;
  s.sensitivities["l0.v"] = {measured("l0.v", kTwo, 50, 1), measured("l0.v", kFour, 3, 1)};  // the point next to 4 bits counts
  s.sensitivities["l0.down"] = {measured("l0.down", kFour, 2, 0.7)};
  s.sensitivities["l1.v"] = {measured("l1.v", kFour, 20, 1)};
  s.sensitivities["head"] = {{4, 64, 0.01, 100.0}};   // no router behind it
  s.sensitivities["l1.down"] = {{5, 64, 0.01, 0.1}};  // a width that no choice has
  const FisherCosts costs(model, t.errors, t.fisher, s);
  EXPECT_NEAR(costs.flips(), kRate, 1e-9);
  EXPECT_NEAR(costs.alone("l2.v", kSix), costs.alone("l2.down", kSix) + kRate * std::sqrt(t.fisher.at("l2.v").at(kSix)), 1e-12);
}

// R is linear in the size of all changes together, F their square: the slopes by F add up to half of it.
TEST(FisherCosts, flips_in_company_are_slopes_of_the_whole) {
  const arch::Model model = model_of(2, true);
  const Tables t = tables(model);
  format::Statistics s;
  s.sensitivities["l0.v"] = {{4, 64, t.errors.at("l0.v").at(kFour), 0.05}};
  const FisherCosts costs(model, t.errors, t.fisher, s);
  ASSERT_GT(costs.flips(), 0);
  const std::map<std::string, plan::Choice> all = {{"embedding", kFour}, {"l0.v", kFour}, {"l0.down", kTwo}, {"head", kFour}};
  const double whole = costs.together(all);
  const plan::CostTable parts = costs.in_company(whole), smooth = costs.in_company(0);
  double flips = 0;
  for (const auto& [unit, choice] : all) flips += parts.at(unit).at(choice) - smooth.at(unit).at(choice);
  EXPECT_NEAR(flips, whole / 2, 1e-12);
  EXPECT_EQ(parts.at("head"), smooth.at("head"));
  EXPECT_GT(parts.at("embedding").at(kFour), smooth.at("embedding").at(kFour));
}

TEST(FisherCosts, a_plan_spends_where_gradients_are_large) {
  const arch::Model model = model_of(3, false);
  plan::Options options;
  options.profile = "auto";
  options.target_bpw = 4.0;
  std::vector<plan::Choice> choices;
  for (const plan::Choice& c : plan::auto_choices(model.tensors[1], options))
    if (c.bits) choices.push_back(c);
  Tables t = tables(model, choices);
  for (auto& [choice, cost] : t.fisher.at("l1.v")) cost *= 100;
  const auto expected = plan_by_sensitivity(model, options, t.errors, {}, {{"l0.v", 50.0}}, 0, t.fisher);
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  const auto bits = [&](int i) { return expected->plan.tensors[static_cast<std::size_t>(i)].choice.bits; };
  EXPECT_GT(bits(3), bits(5));
  EXPECT_GT(bits(1), bits(5)) << "factors multiply";
}

}  // namespace
}  // namespace jang::quantize
