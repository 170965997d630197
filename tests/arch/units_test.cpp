// SPDX-License-Identifier: Apache-2.0
// Tensors that share one decision.
#include "arch/units.h"

#include <gtest/gtest.h>

namespace jang::arch {
namespace {

void add(Model* model, const std::string& module, const std::string& unit, Role role, int layer, bool quantizable = true) {
  OutTensor t;
  t.name = module + ".weight";
  t.module = module;
  t.unit = unit;
  t.shape = {32, 64};
  t.role = role;
  t.layer = layer;
  t.quantizable = quantizable;
  model->tensors.push_back(t);
}

TEST(Units, are_in_graph_order_with_all_their_tensors) {
  Model model;
  add(&model, "embed", "embed", Role::embedding, -1);
  add(&model, "gate", "gate_up", Role::expert_gate, 0);
  add(&model, "norm", "norm", Role::norm, 0, false);
  add(&model, "down", "down", Role::expert_down, 0);
  add(&model, "up", "gate_up", Role::expert_up, 0);
  const std::vector<Unit> units = units_of(model);
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[0].name, "embed");
  EXPECT_EQ(units[0].layer, -1);
  EXPECT_EQ(units[1].name, "gate_up");
  EXPECT_EQ(units[1].tensors, (std::vector<int>{1, 4}));
  EXPECT_EQ(units[1].role, Role::expert_gate);
  EXPECT_EQ(units[1].layer, 0);
  EXPECT_EQ(units[1].params, 2 * 32 * 64);
  EXPECT_EQ(units[2].name, "down");
  EXPECT_EQ(units[2].tensors, std::vector<int>{3});
}

TEST(Units, what_cannot_be_quantized_is_in_none) {
  Model model;
  add(&model, "norm", "norm", Role::norm, 0, false);
  EXPECT_TRUE(units_of(model).empty());
}

}  // namespace
}  // namespace jang::arch
