// SPDX-License-Identifier: Apache-2.0
// Families nobody listed: common names get roles, names stay, the unknown is said a bounded number of times.
#include <gtest/gtest.h>

#include <algorithm>

#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

FakeModel generic() {
  return {{{"model_type", "nobody"}, {"num_hidden_layers", 1}, {"num_attention_heads", 4}, {"kv_lora_rank", nullptr}}, {}};
}

Role role_of(const std::string& name, Shape shape = {8, 8}) {
  FakeModel m = generic();
  m.add("transformer.wte.weight", {16, 8});
  m.add("embed_out.weight", {16, 8});
  if (m.find(name) == nullptr) m.add(name, std::move(shape));
  const auto model = m.describe();
  EXPECT_TRUE(model.ok());
  const OutTensor* t = find(*model, name);
  return t ? t->role : Role::unknown;
}

TEST(Generic, common_spellings_have_roles) {
  const std::pair<const char*, Role> cases[] = {
      {"transformer.wte.weight", Role::embedding},
      {"embed_out.weight", Role::lm_head},
      {"transformer.h.0.attn.c_attn.weight", Role::attn_qkv},
      {"transformer.h.0.attn.c_proj.weight", Role::attn_o},
      {"transformer.h.0.mlp.c_proj.weight", Role::mlp_down},
      {"gpt_neox.layers.0.attention.query_key_value.weight", Role::attn_qkv},
      {"gpt_neox.layers.0.attention.dense.weight", Role::attn_o},
      {"gpt_neox.layers.0.mlp.dense_4h_to_h.weight", Role::mlp_down},
      {"model.layers.0.mixer.Wqkv.weight", Role::attn_qkv},
      {"model.layers.0.self_attn.qkv_proj.weight", Role::attn_qkv},
      {"model.layers.0.mlp.gate_up_proj.weight", Role::mlp_gate_up},
      {"model.layers.0.mlp.fc1.weight", Role::mlp_up},
      {"model.layers.0.mlp.fc2.weight", Role::mlp_down},
      {"layers.0.feed_forward.w1.weight", Role::mlp_gate},
      {"layers.0.feed_forward.w2.weight", Role::mlp_down},
      {"layers.0.feed_forward.w3.weight", Role::mlp_up},
      {"model.layers.0.block_sparse_moe.gate.weight", Role::router},
      {"model.layers.0.block_sparse_moe.experts.3.w1.weight", Role::expert_gate},
      {"model.layers.0.mlp.experts.down_proj", Role::expert_down},
      {"model.layers.0.mlp.shared_experts.up_proj.weight", Role::shared_up},
      {"model.layers.0.mlp.shared_expert_gate.weight", Role::shared_router},
      {"model.layers.0.mixer.out_proj.weight", Role::linear_attn_out},
      {"model.layers.0.self_attn.kv_b_proj.weight", Role::attn_v},
      {"vision_tower.layers.0.self_attn.q_proj.weight", Role::vision},
      {"model.layers.0.self_attn.q_proj.bias", Role::bias},
      // Whole components, never substrings.
      {"model.layers.0.mlp.gateway.weight", Role::unknown},
      {"model.layers.0.my_q_proj.weight", Role::unknown},
      {"model.layers.0.attention.output.weight", Role::unknown},
  };
  for (const auto& [name, role] : cases) EXPECT_EQ(role_of(name), role) << name;
  EXPECT_EQ(role_of("model.layers.0.ln_1.weight", {8}), Role::norm);
  EXPECT_EQ(role_of("model.layers.0.mixer.A_log", {8}), Role::state);
}

TEST(Generic, names_and_shapes_stay) {
  FakeModel m = generic();
  for (int e = 0; e < 2; ++e) m.add("model.layers.0.block_sparse_moe.experts." + std::to_string(e) + ".w1.weight", {8, 8});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->family, "generic");
  EXPECT_EQ(model->tensors.size(), 2u);
  EXPECT_EQ(model->tensors[0].unit, "model.layers.0.block_sparse_moe.experts.*.w1");
  EXPECT_EQ(model->tensors[1].unit, model->tensors[0].unit);
  EXPECT_TRUE(model->tensors[0].quantizable);
}

TEST(Generic, warnings_are_bounded) {
  FakeModel m = generic();
  for (int i = 0; i < 200; ++i) m.add("model.layers.0.odd" + std::to_string(i) + ".weight", {8, 8});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_LE(model->warnings.size(), 16u);
  EXPECT_NE(model->warnings.back().find("188 more"), std::string::npos) << model->warnings.back();
}

TEST(Generic, transposed_linears_are_kept) {
  FakeModel m = generic();
  m.add("transformer.h.0.attn.c_attn.weight", {8, 24});
  m.add("transformer.h.0.attn.c_proj.weight", {8, 8});
  m.add("transformer.wte.weight", {16, 8});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(find(*model, "transformer.h.0.attn.c_proj.weight")->quantizable);
  EXPECT_TRUE(find(*model, "transformer.wte.weight")->quantizable);
}

TEST(Generic, lone_embedding_is_tied) {
  FakeModel m = generic();
  m.add("model.embed_tokens.weight", {16, 8});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(model->tied);
  EXPECT_EQ(model->tensors[0].role, Role::tied_embedding);
}

TEST(Generic, layers_come_in_numeric_order) {
  FakeModel m = generic();
  for (const int l : {10, 9, 2}) m.add("model.layers." + std::to_string(l) + ".mlp.up_proj.weight", {8, 8});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->tensors[0].layer, 2);
  EXPECT_EQ(model->tensors[2].layer, 10);
  EXPECT_EQ(model->n_layers, 11);
}

TEST(Generic, duplicate_names_are_corrupt) {
  FakeModel m = generic();
  m.add("a.weight", {8, 8});
  m.add("a.weight", {8, 8});
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace jang::arch
