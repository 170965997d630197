// SPDX-License-Identifier: Apache-2.0
// Groups of channels that are rescaled together, of every family; producers one of whose readers is not known stay as they are.
#include "arch/scale_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

ScaleGroups groups_of(const Model& model) {
  const auto config = decoder_config(model);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? scale_groups(model, *config) : ScaleGroups{};
}

Model canonical_model(const FakeModel& fake) {
  auto model = fake.describe_canonical();
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::move(model).value();
}

// Last part of the readers' names, by group without its layer.
std::map<std::string, std::set<std::string>> readers_by_group(const Model& model, const ScaleGroups& found, int layer) {
  std::map<std::string, std::set<std::string>> out;
  for (const ScaleGroup& g : found.groups) {
    if (g.layer != layer) continue;
    for (const int i : g.readers) {
      const std::string& name = model.tensors[static_cast<std::size_t>(i)].canonical;
      out[g.name.substr(std::string("model.layers.0.").size())].insert(name.substr(std::string("model.layers.0.").size()));
    }
  }
  return out;
}

using Groups = std::map<std::string, std::set<std::string>>;
const std::set<std::string> kQkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};

TEST(ScaleGroups, of_a_dense_layer) {
  const Model model = canonical_model(dense("llama"));
  const Groups expected = {{"input_layernorm", kQkv},
                           {"self_attn.v_proj", {"self_attn.o_proj"}},
                           {"post_attention_layernorm", {"mlp.gate_proj", "mlp.up_proj"}},
                           {"mlp.up_proj", {"mlp.down_proj"}}};
  const ScaleGroups found = groups_of(model);
  EXPECT_EQ(readers_by_group(model, found, 0), expected);
  EXPECT_EQ(readers_by_group(model, found, 1), expected);
  ASSERT_EQ(found.groups.size(), 9u);
  EXPECT_EQ(found.groups.back().name, "model.norm");  // its head is a matrix of its own
  EXPECT_TRUE(found.left_out.empty());
}

TEST(ScaleGroups, of_norms_around_blocks) {
  const Model model = canonical_model(gemma3_text());
  const Groups expected = {{"input_layernorm", kQkv},
                           {"self_attn.v_proj", {"self_attn.o_proj"}},
                           {"pre_feedforward_layernorm", {"mlp.gate_proj", "mlp.up_proj"}},
                           {"mlp.up_proj", {"mlp.down_proj"}}};
  const ScaleGroups found = groups_of(model);
  EXPECT_EQ(readers_by_group(model, found, 0), expected);
  EXPECT_EQ(found.groups.size(), 8u);  // the tied head shares its matrix with the embedding
}

TEST(ScaleGroups, of_experts_with_router_and_shared_expert) {
  const Model model = canonical_model(qwen3_next());
  const ScaleGroups found = groups_of(model);
  const std::set<std::string> delta = {"linear_attn.in_proj_qkvz", "linear_attn.in_proj_ba"};
  const Groups expected = {{"input_layernorm", delta},
                           {"linear_attn.norm", {"linear_attn.out_proj"}},
                           {"post_attention_layernorm",
                            {"mlp.gate", "mlp.experts.gate_proj", "mlp.experts.up_proj", "mlp.shared_expert.gate_proj",
                             "mlp.shared_expert.up_proj", "mlp.shared_expert_gate"}},
                           {"mlp.experts.up_proj", {"mlp.experts.down_proj"}},
                           {"mlp.shared_expert.up_proj", {"mlp.shared_expert.down_proj"}}};
  EXPECT_EQ(readers_by_group(model, found, 0), expected);
  for (const ScaleGroup& g : found.groups)
    if (g.name == "model.layers.0.mlp.experts.up_proj") {
      EXPECT_EQ(g.n, 4);
      EXPECT_EQ(g.channels, 64);
    }
}

TEST(ScaleGroups, of_bounded_experts_what_they_make_is_left) {
  const Model model = canonical_model(gpt_oss());
  const ScaleGroups found = groups_of(model);
  const Groups expected = {{"input_layernorm", kQkv},
                           {"self_attn.v_proj", {"self_attn.o_proj"}},
                           {"post_attention_layernorm", {"mlp.gate", "mlp.experts.gate_proj", "mlp.experts.up_proj"}}};
  EXPECT_EQ(readers_by_group(model, found, 0), expected);
  for (const ScaleGroup& g : found.groups) EXPECT_EQ(g.bias >= 0, g.name.ends_with("v_proj")) << g.name;
}

TEST(ScaleGroups, columns_read_the_channels_of_their_heads) {
  const Model llama = canonical_model(dense("llama"));
  for (const ScaleGroup& g : groups_of(llama).groups) {
    if (g.name != "model.layers.0.self_attn.v_proj") continue;
    // Two key-value heads of 32 channels, each read by two of four query heads.
    for (std::int64_t c = 0; c < 128; ++c) EXPECT_EQ(g.channel(c), c / 64 * 32 + c % 32);
  }
  const Model hybrid = canonical_model(qwen3_5(false, false));
  int seen = 0;
  for (const ScaleGroup& g : groups_of(hybrid).groups) {
    if (g.name != "model.layers.0.linear_attn.norm") continue;
    for (std::int64_t c = 0; c < 64; ++c) EXPECT_EQ(g.channel(c), c % 16);  // one norm for all heads
    ++seen;
  }
  EXPECT_EQ(seen, 1);
}

// What a fused map, a plain MLP or no norm before a block leaves to be rescaled.
TEST(ScaleGroups, of_families_that_fuse_add_side_by_side_or_normalise_behind) {
  const std::map<std::string, Groups> expected = {
      {"phi3", {{"input_layernorm", {"self_attn.qkv_proj"}}, {"post_attention_layernorm", {"mlp.gate_up_proj"}}}},
      {"olmo2", {{"self_attn.v_proj", {"self_attn.o_proj"}}, {"mlp.up_proj", {"mlp.down_proj"}}}},
      {"cohere2", {{"self_attn.v_proj", {"self_attn.o_proj"}}, {"mlp.up_proj", {"mlp.down_proj"}}}},
      {"gpt_neox", {{"input_layernorm", {"self_attn.qkv_proj"}}, {"post_attention_layernorm", {"mlp.up_proj"}}}},
      {"lfm2",
       {{"input_layernorm", {"conv.in_proj"}},
        {"post_attention_layernorm", {"mlp.gate_proj", "mlp.up_proj"}},
        {"mlp.up_proj", {"mlp.down_proj"}}}},
      {"starcoder2",
       {{"input_layernorm", kQkv}, {"self_attn.v_proj", {"self_attn.o_proj"}}, {"post_attention_layernorm", {"mlp.up_proj"}}}},
  };
  for (const auto& [name, source] : dense_families()) {
    const auto at = expected.find(name);
    if (at == expected.end()) continue;
    const Model model = canonical_model(source);
    EXPECT_EQ(readers_by_group(model, groups_of(model), 0), at->second) << name;
  }
}

// Values are normalised before they are read; where keys are the values there is no map of them, and layers that read keys of others have
// neither. The norms before an MLP and a mixture side by side stay.
TEST(ScaleGroups, of_gemma4_leave_what_a_norm_lies_behind) {
  const Groups ups = {{"mlp.up_proj", {"mlp.down_proj"}}, {"mlp.experts.up_proj", {"mlp.experts.down_proj"}}};
  const auto of = [](Gemma4 size, int layer) {
    const Model model = canonical_model(gemma4_text(size));
    return readers_by_group(model, groups_of(model), layer);
  };
  Groups expected = ups;
  expected["input_layernorm"] = kQkv;
  EXPECT_EQ(of(Gemma4::mixture, 0), expected);
  expected["input_layernorm"] = {"self_attn.q_proj", "self_attn.k_proj"};
  EXPECT_EQ(of(Gemma4::mixture, 1), expected);
  EXPECT_EQ(of(Gemma4::edge, 3), (Groups{{"input_layernorm", {"self_attn.q_proj"}},
                                         {"pre_feedforward_layernorm", {"mlp.gate_proj", "mlp.up_proj"}},
                                         {"mlp.up_proj", {"mlp.down_proj"}}}));
}

TEST(ScaleGroups, every_map_of_every_family_is_read_by_one_group) {
  // The test above says what these leave.
  const std::set<std::string> kPartly = {"phi3",
                                         "olmo2",
                                         "olmo3",
                                         "cohere2",
                                         "exaone4",
                                         "glm4",
                                         "starcoder2",
                                         "gpt_neox",
                                         "nemotron",
                                         "phi",
                                         "lfm2",
                                         "gpt_oss",
                                         "cohere",
                                         "internlm2",
                                         "bailing_moe",
                                         "lfm2_moe",
                                         "nemotron_h",
                                         "granitemoehybrid",
                                         "gemma4_text",
                                         "gemma4_text_moe",
                                         "gemma4_text_edge",
                                         "gemma4"};
  const auto models = all_models();
  ASSERT_FALSE(models.empty());
  for (const NamedModel& named : models) {
    const auto model = named.model.describe_canonical();
    ASSERT_TRUE(model.ok()) << model.status().message();
    if (!decoder_config(*model).ok()) continue;  // converted, not run
    const ScaleGroups found = groups_of(*model);
    const bool partly = kPartly.contains(named.name);
    EXPECT_EQ(!found.left_out.empty(), partly) << model->family;
    for (const auto& left : found.left_out) EXPECT_FALSE(left.reason.empty()) << model->family << " " << left.name;
    std::map<int, int> times;
    for (const ScaleGroup& g : found.groups)
      for (const int i : g.readers) ++times[i];
    for (std::size_t i = 0; i < model->tensors.size(); ++i) {
      const OutTensor& t = model->tensors[i];
      const bool of_latent_values = model->attention == "mla" && t.role == Role::attn_o;  // their producer is part of kv_b_proj
      const bool is_map = t.quantizable && t.role != Role::embedding && t.role != Role::tied_embedding && !of_latent_values;
      if (partly)
        EXPECT_LE(times[static_cast<int>(i)], is_map ? 1 : 0) << model->family << " " << t.name;
      else
        EXPECT_EQ(times[static_cast<int>(i)], is_map ? 1 : 0) << model->family << " " << t.name;
    }
  }
}

TEST(ScaleGroups, a_missing_reader_is_refused_by_name) {
  Model model = canonical_model(qwen3_moe(Experts::fused));
  std::erase_if(model.tensors, [](const OutTensor& t) { return t.canonical == "model.layers.0.mlp.gate"; });
  const ScaleGroups found = groups_of(model);
  ASSERT_EQ(found.left_out.size(), 1u);
  EXPECT_EQ(found.left_out[0].name, "model.layers.0.post_attention_layernorm");
  EXPECT_NE(found.left_out[0].reason.find("model.layers.0.mlp.gate "), std::string::npos) << found.left_out[0].reason;
  for (const ScaleGroup& g : found.groups) EXPECT_NE(g.name, found.left_out[0].name);
}

TEST(ScaleGroups, a_reader_that_nobody_knows_is_refused_by_name) {
  for (const Role role : {Role::unknown, Role::attn_gate}) {
    Model model = canonical_model(dense("llama"));
    OutTensor extra;
    extra.name = "model.layers.1.self_attn.extra_proj.weight";
    extra.module = extra.canonical = "model.layers.1.self_attn.extra_proj";
    extra.shape = {64, 128};
    extra.role = role;
    extra.layer = 1;
    model.tensors.push_back(extra);
    const ScaleGroups found = groups_of(model);
    ASSERT_FALSE(found.left_out.empty());
    EXPECT_EQ(found.left_out[0].name, "model.layers.1.input_layernorm");
    EXPECT_NE(found.left_out[0].reason.find(extra.canonical), std::string::npos) << found.left_out[0].reason;
    for (const ScaleGroup& g : found.groups) EXPECT_NE(g.name, "model.layers.1.input_layernorm");
  }
}

}  // namespace
}  // namespace jang::arch
