// SPDX-License-Identifier: Apache-2.0
// The baselines decide as mlx-lm does: what its code says for these names, worked out by hand.
#include <gtest/gtest.h>

#include <map>

#include "models.h"
#include "plan/layout.h"
#include "plan/make_plan.h"
#include "plan/plan.h"

namespace jang::plan {
namespace {

std::map<std::string, Choice> choices_of(const arch::Model& model, std::string profile, int group_size = 0) {
  Options options;
  options.profile = std::move(profile);
  options.group_size = group_size;
  const auto plan = make_plan(model, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  std::map<std::string, Choice> choices;
  if (plan.ok())
    for (const TensorPlan& p : plan->tensors) choices[model.tensors[static_cast<std::size_t>(p.tensor)].module] = p.choice;
  return choices;
}

TEST(Recipes, uniform_quantizes_all_but_the_modules_the_class_names) {
  const arch::Model model = testing::qwen3_moe();
  for (const ProfileRow& row : profiles()) {
    if (!row.name.starts_with("uniform_")) continue;
    const int bits = row.name.back() - '0';
    for (const auto& [module, choice] : choices_of(model, std::string(row.name))) {
      const bool is_norm = module.ends_with("norm");
      EXPECT_EQ(choice, is_norm ? Choice{} : module.ends_with("mlp.gate") ? (Choice{8, 64}) : (Choice{bits, 64})) << module;
    }
  }
}

TEST(Recipes, mixed_raises_value_down_and_head_by_layer) {
  const arch::Model model = testing::llama_tied();  // 16 layers
  const auto choices = choices_of(model, "mixed_2_6");
  // below 2, from 14, and (layer - 2) % 3 == 2
  const std::map<int, int> kBits = {{0, 6}, {1, 6}, {2, 2},  {3, 2},  {4, 6},  {5, 2},  {6, 2},  {7, 6},
                                    {8, 2}, {9, 2}, {10, 6}, {11, 2}, {12, 2}, {13, 6}, {14, 6}, {15, 6}};
  for (const auto& [layer, bits] : kBits) {
    const std::string p = testing::layer_prefix(layer);
    EXPECT_EQ(choices.at(p + "self_attn.v_proj").bits, bits) << layer;
    EXPECT_EQ(choices.at(p + "mlp.down_proj").bits, bits) << layer;
    EXPECT_EQ(choices.at(p + "self_attn.q_proj").bits, 2) << layer;
    EXPECT_EQ(choices.at(p + "mlp.up_proj").bits, 2) << layer;
  }
  EXPECT_EQ(choices.at("model.embed_tokens").bits, 2);
}

TEST(Recipes, mixed_ignores_the_class_rule_and_matches_substrings) {
  arch::Model model = testing::qwen3_moe();  // 8 layers: high at 0, 3, 6, 7
  testing::ModelBuilder b("generic", 8, 0);
  b.add("model.layers.0.attn.qkv_proj", arch::Role::attn_qkv, {64, 64}, 0);
  b.add("model.layers.1.attn.kv_b_proj", arch::Role::attn_k, {64, 64}, 1);
  b.add("model.layers.3.attn.v_a_proj", arch::Role::attn_v, {64, 64}, 3);
  const arch::Model extra = b.take();
  model.tensors.insert(model.tensors.end(), extra.tensors.begin(), extra.tensors.end());
  const auto choices = choices_of(model, "mixed_3_4");
  EXPECT_EQ(choices.at("model.layers.0.mlp.gate"), (Choice{3, 64}));
  EXPECT_EQ(choices.at("lm_head"), (Choice{4, 64}));
  EXPECT_EQ(choices.at("model.layers.0.attn.qkv_proj").bits, 4);   // contains "v_proj"
  EXPECT_EQ(choices.at("model.layers.1.attn.kv_b_proj").bits, 3);  // "v_b_proj", but layer 1 is low
  EXPECT_EQ(choices.at("model.layers.3.attn.v_a_proj").bits, 4);
  EXPECT_EQ(choices.at("model.layers.3.mlp.switch_mlp.down_proj").bits, 4);
  EXPECT_EQ(choices.at("model.layers.4.mlp.switch_mlp.down_proj").bits, 3);
}

TEST(Recipes, layer_number_is_read_where_the_class_has_it) {
  arch::Model model = testing::llama_tied();
  model.layer_component = 3;  // "language_model.model.layers.N"
  for (arch::OutTensor& t : model.tensors) {
    t.module = t.unit = "language_model." + t.module;
    t.name = t.module + ".weight";
  }
  const auto choices = choices_of(model, "mixed_3_6");
  EXPECT_EQ(choices.at("language_model.model.layers.0.mlp.down_proj").bits, 6);
  EXPECT_EQ(choices.at("language_model.model.layers.2.mlp.down_proj").bits, 3);
}

TEST(Recipes, the_group_must_divide_exactly) {
  const arch::Model model = testing::ragged();
  const auto at_64 = choices_of(model, "uniform_4");
  EXPECT_EQ(at_64.at("lm_head"), Choice{});  // 96 inputs
  EXPECT_EQ(at_64.at("model.layers.0.self_attn.o_proj"), (Choice{4, 64}));
  EXPECT_EQ(choices_of(model, "uniform_4", 32).at("lm_head"), (Choice{4, 32}));
  EXPECT_EQ(choices_of(model, "uniform_4", 128).at("model.layers.0.self_attn.o_proj"), (Choice{4, 128}));
}

TEST(Recipes, what_the_group_does_not_divide_is_told_by_class) {
  const arch::Model model = testing::ragged();
  Options options;
  options.profile = "uniform_4";
  const auto plan = make_plan(model, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto told = [&](std::string_view what) {
    return std::ranges::any_of(plan->warnings, [&](const std::string& w) { return w.find(what) != std::string::npos; });
  };
  EXPECT_TRUE(told("the group of 64 of uniform_4 does not divide the 96 inputs of lm_head (--group-size 32 does): lm_head"));
  EXPECT_TRUE(told("does not divide the 80 inputs of mlp_down: model.layers.0.mlp.down_proj"));
  options.profile = "JANG_4M";  // takes groups of 32 where it must
  const auto tiers = make_plan(model, options);
  ASSERT_TRUE(tiers.ok());
  EXPECT_TRUE(std::ranges::any_of(tiers->warnings, [](const std::string& w) {
    return w.find("no group of 32, 64 or 128 divides the 80 inputs of mlp_down: model.layers.0.mlp.down_proj") != std::string::npos;
  }));
}

TEST(Recipes, a_plan_that_packs_nothing_is_refused) {
  testing::ModelBuilder b("generic", 1, 0);
  b.add("up", arch::Role::mlp_up, {64, 96});
  const arch::Model model = b.take();
  Options options;
  options.profile = "uniform_4";
  const auto plan = make_plan(model, options);
  EXPECT_EQ(plan.status().code(), StatusCode::unsupported);
  EXPECT_NE(plan.status().message().find("--group-size 32 does"), std::string::npos) << plan.status().message();
  options.group_size = 32;
  EXPECT_TRUE(make_plan(model, options).ok());
  options.group_size = 0;
  options.overrides = {{"up", {}}};  // asked for
  EXPECT_TRUE(make_plan(model, options).ok());
}

TEST(Recipes, what_mlx_lm_cannot_make_is_refused) {
  testing::ModelBuilder b("generic", 1, 0);
  b.add("fc1", arch::Role::mlp_up, {64, 64});
  const arch::Model model = b.take();
  Options options;
  options.profile = "mixed_2_6";
  EXPECT_EQ(make_plan(model, options).status().code(), StatusCode::unsupported);
  arch::Model narrow = testing::qwen3_moe();
  narrow.eight_bit_modules.push_back("narrow");
  testing::ModelBuilder n("generic", 1, 0);
  n.add("narrow", arch::Role::router, {8, 96});
  narrow.tensors.push_back(n.model().tensors[0]);
  options.profile = "uniform_4";
  EXPECT_TRUE(make_plan(narrow, options).ok());  // 64 does not divide 96: mlx-lm leaves it alone
  options.group_size = 32;
  EXPECT_EQ(make_plan(narrow, options).status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::plan
