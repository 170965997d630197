// SPDX-License-Identifier: Apache-2.0
// Binding of rows to sources: expert stacks and cuts, tied heads in every spelling, prefixes, biases that the config switches.
#include <gtest/gtest.h>

#include "arch/describe.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

constexpr const char* kGate = "model.layers.0.mlp.switch_mlp.gate_proj.weight";
constexpr const char* kUp = "model.layers.0.mlp.switch_mlp.up_proj.weight";
constexpr const char* kDown = "model.layers.0.mlp.switch_mlp.down_proj.weight";

TEST(Bind, experts_are_stacked_in_order) {
  const FakeModel m = qwen3_moe(Experts::each);
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor* up = find(*model, kUp);
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(up->shape, (Shape{4, 64, 128}));
  EXPECT_EQ(up->role, Role::expert_up);
  ASSERT_EQ(up->pieces.size(), 4u);
  for (std::size_t e = 0; e < 4; ++e)
    EXPECT_EQ(m.tensors[static_cast<std::size_t>(up->pieces[e].source)].name,
              "model.layers.0.mlp.experts." + std::to_string(e) + ".up_proj.weight");
  EXPECT_EQ(up->unit, up->canonical);
  EXPECT_TRUE(up->quantizable);
}

TEST(Bind, ten_experts_are_in_numeric_order) {
  FakeModel m = qwen3_moe(Experts::each);
  m.config["num_experts"] = 11;
  m.find("model.layers.0.mlp.gate.weight")->shape[0] = 11;
  for (int e = 10; e >= 4; --e) add_mlp(&m, "model.layers.0.mlp.experts." + std::to_string(e), 64);
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor* down = find(*model, kDown);
  ASSERT_EQ(down->pieces.size(), 11u);
  EXPECT_EQ(m.tensors[static_cast<std::size_t>(down->pieces[10].source)].name, "model.layers.0.mlp.experts.10.down_proj.weight");
  EXPECT_EQ(m.tensors[static_cast<std::size_t>(down->pieces[2].source)].name, "model.layers.0.mlp.experts.2.down_proj.weight");
}

TEST(Bind, missing_expert_is_named) {
  FakeModel m = qwen3_moe(Experts::each);
  m.remove("model.layers.0.mlp.experts.2.down_proj.weight");
  const auto r = m.describe();
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), StatusCode::corrupt);
  EXPECT_NE(r.status().message().find("model.layers.0.mlp.experts.2.down_proj.weight"), std::string::npos) << r.status().message();
  EXPECT_NE(r.status().message().find("expert 2 of 4"), std::string::npos) << r.status().message();
}

TEST(Bind, expert_beyond_the_count_is_refused) {
  FakeModel m = qwen3_moe(Experts::each);
  add_mlp(&m, "model.layers.0.mlp.experts.4", 64);
  EXPECT_FALSE(m.describe().ok());
}

TEST(Bind, experts_of_two_dtypes_are_refused) {
  FakeModel m = qwen3_moe(Experts::each);
  m.find("model.layers.0.mlp.experts.3.up_proj.weight")->dtype = DType::f32;
  const auto r = m.describe();
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), StatusCode::unsupported);
}

TEST(Bind, fused_gate_up_is_cut_per_expert) {
  const auto model = qwen3_moe(Experts::fused).describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor *gate = find(*model, kGate), *up = find(*model, kUp), *down = find(*model, kDown);
  ASSERT_TRUE(gate && up && down);
  ASSERT_EQ(gate->pieces.size(), 4u);
  ASSERT_EQ(up->pieces.size(), 4u);
  for (std::size_t e = 0; e < 4; ++e) {
    EXPECT_EQ(gate->pieces[e].row_begin, static_cast<std::int64_t>(e) * 128);
    EXPECT_EQ(up->pieces[e].row_begin, static_cast<std::int64_t>(e) * 128 + 64);
    EXPECT_EQ(gate->pieces[e].n_rows, 64);
  }
  EXPECT_EQ(gate->unit, "model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_EQ(up->unit, gate->unit);
  EXPECT_EQ(down->unit, down->canonical);
  EXPECT_EQ(down->pieces.size(), 1u);
}

TEST(Bind, transposed_fused_experts_are_corrupt) {
  FakeModel m = qwen3_moe(Experts::fused);
  m.find("model.layers.0.mlp.experts.down_proj")->shape = {4, 64, 128};
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
}

TEST(Bind, two_layouts_of_the_same_experts_are_refused) {
  FakeModel m = qwen3_moe(Experts::fused);
  add_mlp(&m, "model.layers.0.mlp.experts.0", 64);
  EXPECT_EQ(m.describe().status().code(), StatusCode::unsupported);
}

TEST(Bind, tied_head_is_dropped_when_stored_twice) {
  FakeModel m = dense("llama");
  m.config["tie_word_embeddings"] = true;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(model->tied);
  EXPECT_EQ(find(*model, "lm_head.weight"), nullptr);
  EXPECT_EQ(find(*model, "model.embed_tokens.weight")->role, Role::tied_embedding);
  ASSERT_EQ(model->dropped.size(), 1u);
  EXPECT_EQ(model->dropped[0].name, "lm_head.weight");
}

TEST(Bind, tied_matrix_stored_as_head_becomes_the_embedding) {
  FakeModel m = dense("llama");
  m.config["tie_word_embeddings"] = true;
  m.remove("model.embed_tokens.weight");
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor* embedding = find(*model, "model.embed_tokens.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->role, Role::tied_embedding);
  EXPECT_EQ(m.tensors[static_cast<std::size_t>(embedding->pieces[0].source)].name, "lm_head.weight");
  EXPECT_TRUE(model->dropped.empty());
}

TEST(Bind, silent_config_without_head_is_tied_and_says_so) {
  FakeModel m = dense("qwen3");
  m.config.erase("tie_word_embeddings");
  m.remove("lm_head.weight");
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE(model->tied);
  EXPECT_EQ(model->config["tie_word_embeddings"], true);
}

TEST(Bind, silent_config_with_head_keeps_it_and_says_so) {
  FakeModel m = dense("llama");
  m.config["tie_word_embeddings"] = nullptr;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->tied);
  EXPECT_EQ(model->config["tie_word_embeddings"], false);
}

TEST(Bind, tie_flag_counts_at_the_top_of_a_wrapped_config) {
  FakeModel m = qwen3_5(false, true);
  m.config["text_config"].erase("tie_word_embeddings");
  m.config["tie_word_embeddings"] = true;
  m.remove("lm_head.weight");
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE(model->tied);
  EXPECT_EQ(model->config["text_config"]["tie_word_embeddings"], true);
}

TEST(Bind, gemma_ties_by_absence_of_the_head) {
  FakeModel m = gemma3_text();
  EXPECT_TRUE(m.describe().value().tied);
  m.add("lm_head.weight", {512, 128});
  m.config["tie_word_embeddings"] = false;
  const auto untied = m.describe();
  ASSERT_TRUE(untied.ok());
  EXPECT_FALSE(untied->tied);
  EXPECT_EQ(untied->tensors.back().role, Role::lm_head);
}

TEST(Bind, bare_decoder_names_get_the_prefix) {
  FakeModel m = dense("llama");
  for (TensorInfo& t : m.tensors)
    if (t.name.starts_with("model.")) t.name = t.name.substr(6);
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_NE(find(*model, "model.layers.1.mlp.up_proj.weight"), nullptr);
}

TEST(Bind, same_tensor_under_two_prefixes_is_corrupt) {
  FakeModel m = dense("llama");
  m.add("norm.weight", {128});
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
}

TEST(Bind, biases_follow_the_config) {
  FakeModel m = dense("llama", 1);
  m.config["attention_bias"] = true;
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);  // announced, absent
  for (const char* p : {"q", "k", "v", "o"})
    m.add(std::string("model.layers.0.self_attn.") + p + "_proj.bias", {*p == 'q' || *p == 'o' ? 128 : 64});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(find(*model, "model.layers.0.self_attn.o_proj.bias")->role, Role::bias);
  m.config["attention_bias"] = false;
  EXPECT_EQ(m.describe().status().code(), StatusCode::unsupported);  // present, not announced
}

TEST(Bind, inv_freq_is_dropped) {
  FakeModel m = dense("llama");
  m.add("model.layers.0.self_attn.rotary_emb.inv_freq", {16}, DType::f32);
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->dropped.size(), 1u);
}

TEST(Bind, layer_beyond_the_config_is_corrupt) {
  FakeModel m = dense("llama", 3);
  m.config["num_hidden_layers"] = 2;
  const auto r = m.describe();
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().code(), StatusCode::corrupt);
  EXPECT_NE(r.status().message().find("beyond the 2 layers"), std::string::npos) << r.status().message();
}

TEST(Bind, integer_vector_is_unsupported) {
  FakeModel m = dense("llama");
  m.find("model.norm.weight")->dtype = DType::i32;
  EXPECT_EQ(m.describe().status().code(), StatusCode::unsupported);
}

}  // namespace
}  // namespace jang::arch
