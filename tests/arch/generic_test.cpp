// SPDX-License-Identifier: Apache-2.0
// Families nobody listed: common names get roles, names stay, the unknown is said a bounded number of times.
#include <gtest/gtest.h>

#include <algorithm>

#include "arch/describe.h"
#include "fake_model.h"
#include "format/targets/targets.h"

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
  const auto model = describe(m.config, m.tensors);
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
      {"model.language_model.embed_tokens_per_layer.weight", Role::layer_embedding},
      {"model.language_model.layers.0.per_layer_input_gate.weight", Role::layer_input},
      {"vision_tower.layers.0.self_attn.q_proj.weight", Role::vision},
      {"model.embed_vision.embedding_projection.weight", Role::vision},
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

// Types whose class mlx-lm has: a mixture as its published checkpoints spell it.
FakeModel mixture(const std::string& type) {
  FakeModel m{{{"model_type", type}, {"num_hidden_layers", 1}, {"num_local_experts", 2}, {"tie_word_embeddings", false}}, {}};
  m.add("model.embed_tokens.weight", {64, 32});
  m.add("model.norm.weight", {32});
  m.add("lm_head.weight", {64, 32});
  return m;
}

// Mistral 4 as a converted copy has it, kv_b_proj cut into heads: common names describe it, and its class fuses gate and up.
FakeModel copy_of_mistral4() {
  FakeModel m = mixture("mistral4");
  m.add("model.layers.0.self_attn.embed_q.weight", {2, 16, 24});
  return m;
}

void add_w123(FakeModel* m, int n_experts) {
  for (int e = 0; e < n_experts; ++e) {
    const std::string expert = "model.layers.0.block_sparse_moe.experts." + std::to_string(e);
    m->add(expert + ".w1.weight", {96, 32});
    m->add(expert + ".w2.weight", {32, 96});
    m->add(expert + ".w3.weight", {96, 32});
  }
}

TEST(Generic, experts_are_stacked_as_the_class_keeps_them) {
  FakeModel m = mixture("phimoe");
  add_w123(&m, 2);
  m.add("model.layers.0.block_sparse_moe.gate.weight", {2, 32});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor* down = find(*model, "model.layers.0.block_sparse_moe.switch_mlp.down_proj.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->shape, (Shape{2, 32, 96}));
  EXPECT_EQ(down->role, Role::expert_down);
  EXPECT_TRUE(down->quantizable);
  ASSERT_EQ(down->pieces.size(), 2u);
  EXPECT_EQ(m.tensors[static_cast<std::size_t>(down->pieces[1].source)].name, "model.layers.0.block_sparse_moe.experts.1.w2.weight");
  EXPECT_EQ(find(*model, "model.layers.0.block_sparse_moe.experts.0.w1.weight"), nullptr);
  EXPECT_EQ(find(*model, "model.layers.0.block_sparse_moe.gate.weight")->role, Role::router);
}

TEST(Generic, a_missing_expert_is_corrupt) {
  FakeModel m = mixture("phimoe");
  add_w123(&m, 2);
  m.remove("model.layers.0.block_sparse_moe.experts.1.w2.weight");
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
  FakeModel more = mixture("phimoe");
  add_w123(&more, 3);
  EXPECT_EQ(more.describe().status().code(), StatusCode::corrupt);
  FakeModel uneven = mixture("phimoe");
  add_w123(&uneven, 2);
  uneven.find("model.layers.0.block_sparse_moe.experts.1.w3.weight")->shape = {64, 32};
  EXPECT_EQ(uneven.describe().status().code(), StatusCode::corrupt);
  FakeModel mixed = mixture("phimoe");
  add_w123(&mixed, 2);
  mixed.find("model.layers.0.block_sparse_moe.experts.1.w3.weight")->dtype = DType::f16;
  EXPECT_EQ(mixed.describe().status().code(), StatusCode::corrupt);
}

TEST(Generic, shapes_that_cannot_be_stacked_or_cut_are_corrupt) {
  for (const Shape& shape : {Shape{}, Shape{32}, Shape{2, 31, 32}, Shape{2, 0, 32}, Shape{1, 2, 64, 32}}) {
    FakeModel m = copy_of_mistral4();
    m.add("model.layers.0.mlp.experts.gate_up_proj", shape);
    EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt) << jang::to_string(shape);
  }
  for (const Shape& shape : {Shape{}, Shape{32}, Shape{2, 32, 32}}) {
    FakeModel m = mixture("phimoe");
    for (const char* e : {"0", "1"}) m.add(std::string("model.layers.0.block_sparse_moe.experts.") + e + ".w1.weight", shape);
    EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt) << jang::to_string(shape);
  }
  FakeModel twice = mixture("phimoe");
  add_w123(&twice, 2);
  twice.add("model.layers.0.block_sparse_moe.switch_mlp.gate_proj.weight", {2, 96, 32});
  EXPECT_EQ(twice.describe().status().code(), StatusCode::corrupt);
  FakeModel many = copy_of_mistral4();
  many.add("model.layers.0.mlp.experts.gate_up_proj", {std::int64_t{1} << 30, 2, 1});
  EXPECT_EQ(many.describe().status().code(), StatusCode::corrupt);
  FakeModel far = mixture("phimoe");
  far.add("model.layers.0.block_sparse_moe.experts.999999999.w1.weight", {32, 32});
  EXPECT_EQ(far.describe().status().code(), StatusCode::corrupt);
}

TEST(Generic, fused_experts_are_cut_and_share_a_decision) {
  FakeModel m = copy_of_mistral4();
  m.add("model.layers.0.mlp.experts.gate_up_proj", {2, 128, 32});
  m.add("model.layers.0.mlp.experts.down_proj", {2, 32, 64});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  const OutTensor* gate = find(*model, "model.layers.0.mlp.switch_mlp.gate_proj.weight");
  const OutTensor* up = find(*model, "model.layers.0.mlp.switch_mlp.up_proj.weight");
  ASSERT_TRUE(gate != nullptr && up != nullptr);
  EXPECT_EQ(gate->shape, (Shape{2, 64, 32}));
  EXPECT_EQ(gate->unit, up->unit);
  EXPECT_EQ(gate->role, Role::expert_gate);
  EXPECT_EQ(up->role, Role::expert_up);
  ASSERT_EQ(up->pieces.size(), 2u);
  EXPECT_EQ(up->pieces[0].row_begin, 64);
  EXPECT_EQ(up->pieces[1].row_begin, 192);
  EXPECT_EQ(find(*model, "model.layers.0.mlp.switch_mlp.down_proj.weight")->role, Role::expert_down);
}

TEST(Generic, what_the_class_transforms_is_kept) {
  FakeModel m = mixture("deepseek_v32");
  m.add("model.layers.0.self_attn.kv_b_proj.weight", {96, 32});
  m.add("model.layers.0.self_attn.o_proj.weight", {32, 32});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(find(*model, "model.layers.0.self_attn.kv_b_proj.weight")->quantizable);
  EXPECT_TRUE(find(*model, "model.layers.0.self_attn.o_proj.weight")->quantizable);
}

TEST(Generic, what_the_class_leaves_out_is_no_reason_to_refuse) {
  FakeModel m = mixture("mimo_v2_flash");
  for (const char* key : {"hidden_size", "intermediate_size"}) m.config[key] = 32;
  const std::string before = m.describe()->refusal;
  m.add("model.mtp_block.0.mlp.up_proj.weight", {32, 32});
  EXPECT_EQ(m.describe()->refusal, before);
  m.add("model.layers.0.mlp.made_up.weight", {32, 32});
  EXPECT_NE(m.describe()->refusal, "");
}

TEST(Generic, layers_beyond_the_config_are_left_out) {
  FakeModel m = mixture("bailing_moe_linear");
  m.add("model.layers.1.self_attn.o_proj.weight", {32, 32});
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(find(*model, "model.layers.1.self_attn.o_proj.weight"), nullptr);
  ASSERT_EQ(model->dropped.size(), 1u);
}

TEST(Generic, refusals_name_the_reason) {
  EXPECT_NE(generic().describe().status().code(), StatusCode::ok);  // no tensors
  FakeModel nobody = mixture("nobody");
  EXPECT_NE(nobody.describe()->refusal.find("no class for model type 'nobody'"), std::string::npos) << nobody.describe()->refusal;
  FakeModel stranger = mixture("phimoe");
  stranger.add("model.layers.0.mlp.experts.gate_up_proj", {2, 64, 32});
  EXPECT_NE(stranger.describe()->refusal.find("experts.gate_up_proj"), std::string::npos) << stranger.describe()->refusal;
  FakeModel bare = mixture("minimax");
  EXPECT_NE(bare.describe()->refusal.find("demands"), std::string::npos) << bare.describe()->refusal;
  FakeModel headless = mixture("deepseek");
  headless.remove("lm_head.weight");
  headless.config["tie_word_embeddings"] = true;
  EXPECT_NE(headless.describe()->refusal.find("output head"), std::string::npos) << headless.describe()->refusal;
}

TEST(Generic, a_head_of_its_own_is_kept_where_the_class_can) {
  FakeModel m = mixture("afmoe");
  m.config["tie_word_embeddings"] = true;
  const auto tie = doubtful_tie(m.config, m.tensors);
  ASSERT_TRUE(tie.has_value());
  EXPECT_EQ(m.tensors[static_cast<std::size_t>(tie->head)].name, "lm_head.weight");
  const auto own = targets::describe_source(m.config, m.tensors, {.file_format = "", .head_differs = true});
  ASSERT_TRUE(own.ok());
  EXPECT_FALSE(own->tied);
  EXPECT_EQ(own->config["tie_word_embeddings"], false);
  EXPECT_NE(find(*own, "lm_head.weight"), nullptr);
  const auto same = m.describe();
  ASSERT_TRUE(same.ok());
  EXPECT_TRUE(same->tied);
  EXPECT_EQ(find(*same, "lm_head.weight"), nullptr);
  m.config["model_type"] = "afm7";  // a class without a head
  const auto never = targets::describe_source(m.config, m.tensors, {.file_format = "", .head_differs = true});
  ASSERT_TRUE(never.ok());
  EXPECT_FALSE(never->refusal.empty());
}

TEST(Generic, described_bundles_stay_as_they_are) {
  FakeModel m = mixture("phimoe");
  add_w123(&m, 2);
  const auto first = m.describe();
  ASSERT_TRUE(first.ok());
  FakeModel bundle{first->config, {}};
  for (const OutTensor& t : first->tensors) bundle.add(t.name, t.shape, t.source_dtype);
  const auto again = bundle.describe();
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_EQ(again->tensors.size(), first->tensors.size());
  for (std::size_t i = 0; i < first->tensors.size(); ++i) {
    EXPECT_EQ(again->tensors[i].name, first->tensors[i].name);
    EXPECT_EQ(again->tensors[i].shape, first->tensors[i].shape);
    EXPECT_EQ(again->tensors[i].role, first->tensors[i].role);
    EXPECT_EQ(again->tensors[i].quantizable, first->tensors[i].quantizable);
  }
}

}  // namespace
}  // namespace jang::arch
