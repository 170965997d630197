// SPDX-License-Identifier: Apache-2.0
// Costs from gradients: what grows with the error, what anchors teach, and that a plan follows them.
#include "quantize/anchors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantize/costs.h"

namespace jang::quantize {
namespace {

// A unit a layer, of one role, and the last of another.
arch::Model model_of(int n_layers) {
  arch::Model model;
  for (int layer = 0; layer < n_layers; ++layer) {
    arch::OutTensor t;
    t.module = t.unit = "l" + std::to_string(layer);
    t.name = t.module + ".weight";
    t.shape = {64, 64};
    t.role = layer + 1 == n_layers ? arch::Role::attn_k : arch::Role::attn_v;
    t.layer = layer;
    t.quantizable = true;
    model.tensors.push_back(t);
  }
  model.n_layers = n_layers;
  return model;
}

constexpr plan::Choice kTwo{2, 64}, kThree{3, 64}, kFour{4, 64}, kFourWide{4, 128}, kSix{6, 64};

struct Tables {
  plan::ErrorTable errors;
  plan::CostTable fisher;
};
Tables tables(const arch::Model& model) {
  Tables t;
  for (const arch::OutTensor& tensor : model.tensors)
    for (const plan::Choice& c : {kTwo, kThree, kFour, kFourWide, kSix}) {
      const double error = 0.6 * std::pow(0.25, c.bits - 1) * (c.group_size == 64 ? 1 : 1.5);
      t.errors[tensor.unit][c] = error;
      t.fisher[tensor.unit][c] = 10 * error * (1 + tensor.layer);
    }
  return t;
}

TEST(Anchors, costs_grow_where_much_is_lost) {
  const arch::Model model = model_of(3);
  const Tables t = tables(model);
  const plan::CostTable costs = fisher_costs(model, t.errors, t.fisher, {});
  EXPECT_NEAR(costs.at("l0").at(kTwo), 1.5 / std::pow(0.85, 3), 1e-9);
  EXPECT_NEAR(costs.at("l1").at(kSix), t.fisher.at("l1").at(kSix), 2e-3 * t.fisher.at("l1").at(kSix));
}

TEST(Anchors, measured_points_correct_their_role_by_width) {
  const arch::Model model = model_of(4);
  const Tables t = tables(model);
  const plan::CostTable plain = fisher_costs(model, t.errors, t.fisher, {});
  format::Statistics s;
  // Twice at 2 bits, eight times at 4; what was measured had another error than the table.
  s.sensitivities["l1"] = {{2, 64, 0.5 * t.errors.at("l1").at(kTwo), plain.at("l1").at(kTwo)},
                           {4, 64, t.errors.at("l1").at(kFour), 8 * plain.at("l1").at(kFour)}};
  const plan::CostTable costs = fisher_costs(model, t.errors, t.fisher, s);
  for (const char* unit : {"l0", "l1", "l2"}) {
    EXPECT_NEAR(costs.at(unit).at(kTwo) / plain.at(unit).at(kTwo), 2, 1e-9) << unit;
    EXPECT_NEAR(costs.at(unit).at(kThree) / plain.at(unit).at(kThree), 4, 1e-9) << unit;  // the geometric mean
    EXPECT_NEAR(costs.at(unit).at(kFourWide) / plain.at(unit).at(kFourWide), 8, 1e-9) << unit;
    EXPECT_NEAR(costs.at(unit).at(kSix) / plain.at(unit).at(kSix), 8, 1e-9) << unit;
  }
  EXPECT_EQ(costs.at("l3"), plain.at("l3")) << "of another role";
  // A unit's own points come before those of its role; another's are averaged in logarithms.
  s.sensitivities["l0"] = {{4, 64, t.errors.at("l0").at(kFour), 2 * plain.at("l0").at(kFour)}};
  const plan::CostTable both = fisher_costs(model, t.errors, t.fisher, s);
  EXPECT_NEAR(both.at("l0").at(kFour) / plain.at("l0").at(kFour), 2, 1e-9);
  EXPECT_NEAR(both.at("l2").at(kFour) / plain.at("l2").at(kFour), 4, 1e-9);
}

TEST(Anchors, points_without_sense_change_nothing) {
  const arch::Model model = model_of(3);
  const Tables t = tables(model);
  format::Statistics s;
  s.sensitivities["l1"] = {{5, 64, 0.1, 1.0}, {4, 64, 0.0, 0.0}};  // a width no choice has; nothing measured
  s.sensitivities["other"] = {{4, 64, 0.1, 1.0}};
  EXPECT_EQ(fisher_costs(model, t.errors, t.fisher, s), fisher_costs(model, t.errors, t.fisher, {}));
}

TEST(Anchors, a_plan_spends_where_gradients_are_large) {
  const arch::Model model = model_of(6);
  plan::Options options;
  options.profile = "auto";
  options.target_bpw = 4.0;
  Tables t;
  for (std::size_t i = 0; i < model.tensors.size(); ++i)
    for (const plan::Choice& c : plan::auto_choices(model.tensors[i], options))
      if (c.bits) {
        t.errors[model.tensors[i].unit][c] = 0.4 * std::pow(0.25, c.bits) * std::log(c.group_size);
        t.fisher[model.tensors[i].unit][c] = t.errors[model.tensors[i].unit][c] * (i == 2 ? 100.0 : 1.0);
      }
  format::Statistics s;
  s.fisher_positions = 1;
  const auto expected = plan_by_sensitivity(model, options, t.errors, s, {{"l0", 50.0}}, 0, t.fisher);
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_GT(expected->plan.tensors[2].choice.bits, expected->plan.tensors[1].choice.bits);
  EXPECT_GT(expected->plan.tensors[0].choice.bits, expected->plan.tensors[1].choice.bits) << "factors multiply";
}

}  // namespace
}  // namespace jang::quantize
