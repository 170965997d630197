// SPDX-License-Identifier: Apache-2.0
// What the graphs of Ministral 3, Mistral 4, GLM-4.7-Flash, LFM2's mixtures, Ling, Llama 4, Kimi K2.5, Solar Open, Cohere, EXAONE 3,
// InternLM 2, MiMo and MiniCPM are told, in whatever spelling of the config, and what is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "arch/decoder_config.h"
#include "arch/registry.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

Result<DecoderConfig> graph_told_to(const FakeModel& m) {
  JANG_ASSIGN(const Model described, m.describe());
  return decoder_config(described);
}

const FakeModel& fake(const std::string& name) {
  static const std::vector<NamedModel> models = all_models();
  for (const NamedModel& m : models)
    if (m.name == name) return m.model;
  ADD_FAILURE() << name;
  return models.front().model;
}

const AttentionSpec& attention_at(const DecoderConfig& c, std::size_t layer) { return std::get<AttentionSpec>(c.layers[layer].mixer); }
const ExpertsSpec& mixture_at(const DecoderConfig& c, std::size_t layer) { return std::get<ExpertsSpec>(c.layers[layer].ffn); }

TEST(LaterFamilies, queries_grow_with_their_positions_where_the_class_says_so) {
  const QueryScale expected{.slope = 0.5f, .length = 4, .shift = 0};
  for (const char* name : {"ministral3", "mistral3_ministral3"}) {
    const auto c = graph_told_to(fake(name));
    ASSERT_TRUE(c.ok()) << name << ": " << c.status().message();
    for (std::size_t l = 0; l < 2; ++l) EXPECT_EQ(attention_at(*c, l).query_scale, expected) << name;
    EXPECT_EQ(c->ropes.front().type, "yarn");
    EXPECT_EQ(c->ropes.front().attention_factor, 1) << "mscale and mscale_all_dim are equal";
  }
  for (const char* name : {"mistral4", "mistral3_mistral4"}) {
    const auto c = graph_told_to(fake(name));
    ASSERT_TRUE(c.ok()) << name << ": " << c.status().message();
    for (const LayerSpec& layer : c->layers) EXPECT_EQ(std::get<LatentSpec>(layer.mixer).query_scale, expected) << name;
  }
  EXPECT_EQ(attention_at(*graph_told_to(fake("mistral3")), 0).query_scale, QueryScale());
}

TEST(LaterFamilies, ministral_without_its_growth_is_refused) {
  for (const char* key : {"llama_4_scaling_beta", "original_max_position_embeddings", "rope_theta"}) {
    FakeModel m = fake("ministral3");
    m.config["rope_parameters"].erase(key);
    EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt) << key;
  }
  FakeModel silent = fake("ministral3");
  silent.config.erase("rope_parameters");
  silent.config.erase("rope_theta");
  const auto c = graph_told_to(silent);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(attention_at(*c, 0).query_scale, (QueryScale{0.1f, 16384, 0}));
  EXPECT_EQ(c->ropes.front().theta, 1e6);
}

TEST(LaterFamilies, wrappers_of_one_type_are_told_apart_by_their_text) {
  EXPECT_EQ(family_of(fake("mistral3").config)->name, "mistral3");
  EXPECT_EQ(family_of(fake("mistral3_ministral3").config)->name, "mistral3");
  EXPECT_EQ(family_of(fake("mistral3_mistral4").config)->name, "mistral3_of_mistral4");
  FakeModel other = fake("mistral3");
  other.config["text_config"]["model_type"] = "qwen3";
  EXPECT_EQ(family_of(other.config), nullptr);
}

TEST(LaterFamilies, mixtures_of_mistral4_and_glm_lite_are_those_of_their_classes) {
  const auto mistral = graph_told_to(fake("mistral4"));
  ASSERT_TRUE(mistral.ok()) << mistral.status().message();
  EXPECT_TRUE(std::holds_alternative<MlpSpec>(mistral->layers[0].ffn));
  EXPECT_EQ(mixture_at(*mistral, 1).scoring, Scoring::softmax);
  EXPECT_EQ(mixture_at(*mistral, 1).group_score, GroupScore::best_two);
  EXPECT_FALSE(mixture_at(*mistral, 1).correction_bias);
  EXPECT_FALSE(mixture_at(*mistral, 1).shared->gated);
  FakeModel lite = fake("glm4_moe_lite");
  const auto c = graph_told_to(lite);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(mixture_at(*c, 1).scoring, Scoring::sigmoid);
  EXPECT_TRUE(mixture_at(*c, 1).correction_bias);
  EXPECT_EQ(lite.describe()->config["first_k_dense_replace"], 1);
  lite.config.erase("mlp_layer_types");
  EXPECT_EQ(graph_told_to(lite)->layers, c->layers) << "all but the first by default";
  lite.config["mlp_layer_types"] = {"sparse", "dense"};
  EXPECT_EQ(lite.describe().status().code(), StatusCode::unsupported);
  lite.config["mlp_layer_types"] = {"dense", 7};
  EXPECT_EQ(lite.describe().status().code(), StatusCode::corrupt);
}

TEST(LaterFamilies, llama4_sees_chunks_where_it_rotates_and_weighs_what_its_experts_read) {
  FakeModel m = fake("llama4");
  json::Value& text = m.config["text_config"];
  const auto c = graph_told_to(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  const AttentionSpec &local = attention_at(*c, 0), &global = attention_at(*c, 1);
  EXPECT_EQ(local.chunk, 64);
  EXPECT_TRUE(local.qk_norm && local.qk_norm_last && local.qk_norm_plain);
  EXPECT_EQ(local.query_scale, QueryScale());
  EXPECT_EQ(global.chunk, 0);
  EXPECT_EQ(global.rope, kNoRope);
  EXPECT_FALSE(global.qk_norm);
  EXPECT_EQ(global.query_scale, (QueryScale{0.5f, 4, 1}));
  EXPECT_TRUE(c->ropes.front().interleaved);
  EXPECT_EQ(std::get<MlpSpec>(c->layers[0].ffn).ffn, 256);
  EXPECT_TRUE(mixture_at(*c, 1).weighs_inputs);
  EXPECT_FALSE(mixture_at(*c, 1).norm_topk);
  EXPECT_EQ(mixture_at(*c, 1).scoring, Scoring::sigmoid);
  EXPECT_EQ(mixture_at(*c, 1).expert.ffn, 64);
  for (const json::Value& off : {json::Value(false), json::Value(0)}) {
    text["attn_temperature_tuning"] = off;
    EXPECT_EQ(attention_at(*graph_told_to(m), 1).query_scale, QueryScale());
  }
  text["moe_layers"] = {1};
  text["interleave_moe_layer_step"] = 1;
  EXPECT_EQ(graph_told_to(m)->layers[1].ffn, c->layers[1].ffn) << "a list goes before the step";
  for (const json::Value& bad : {json::Value(0.5), json::Value(-1), json::Value("x")}) {
    text["attn_temperature_tuning"] = 4;
    text["floor_scale"] = bad;
    EXPECT_EQ(graph_told_to(m).status().code(), StatusCode::corrupt) << json::dump(bad);
  }
  for (const char* list : {"layer_types", "no_rope_layers"})
    for (const json::Value& word : {json::Value("foo"), json::Value(7), json::Value(nullptr), json::Value("0")}) {
      FakeModel wrong = fake("llama4");
      wrong.config["text_config"][list] = {word, word};
      EXPECT_EQ(graph_told_to(wrong).status().code(), StatusCode::corrupt) << list << " " << json::dump(word);
    }
}

TEST(LaterFamilies, ling_scores_by_softmax_or_by_sigmoids_with_a_correction) {
  FakeModel m = fake("bailing_moe");
  const auto second = graph_told_to(m);
  ASSERT_TRUE(second.ok()) << second.status().message();
  const ExpertsSpec& experts = mixture_at(*second, 1);
  EXPECT_EQ(experts.scoring, Scoring::sigmoid);
  EXPECT_TRUE(experts.correction_bias && experts.norm_topk);
  EXPECT_EQ(experts.n_groups, 2);
  EXPECT_EQ(experts.weights_scale, 2.5f);
  EXPECT_EQ(experts.shared->mlp.ffn, 128);
  EXPECT_EQ(attention_at(*second, 0).maps, QkvMaps::stacked);
  EXPECT_TRUE(attention_at(*second, 0).qk_norm);
  EXPECT_EQ(second->ropes.front().dims, 16);
  m.config["rotary_dim"] = 8;
  EXPECT_EQ(graph_told_to(m)->ropes.front().dims, 8);
  for (const char* key : {"score_function", "moe_router_enable_expert_bias", "n_group", "topk_group"}) m.config.erase(key);
  m.remove("model.layers.1.mlp.gate.expert_bias");
  const auto first_version = graph_told_to(m);
  ASSERT_TRUE(first_version.ok()) << first_version.status().message();
  EXPECT_EQ(mixture_at(*first_version, 1).scoring, Scoring::softmax);
  EXPECT_FALSE(mixture_at(*first_version, 1).correction_bias);
  m.config["score_function"] = "tanh";
  EXPECT_EQ(graph_told_to(m).status().code(), StatusCode::unsupported);
}

TEST(LaterFamilies, mixtures_of_lfm2_choose_by_sigmoids) {
  FakeModel m = fake("lfm2_moe");
  const auto c = graph_told_to(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_TRUE(std::holds_alternative<ShortConvSpec>(c->layers[0].mixer));
  EXPECT_EQ(std::get<MlpSpec>(c->layers[0].ffn).ffn, 128);
  EXPECT_EQ(mixture_at(*c, 1).scoring, Scoring::sigmoid);
  EXPECT_TRUE(mixture_at(*c, 1).correction_bias && mixture_at(*c, 1).norm_topk);
  EXPECT_EQ(m.describe()->architecture_kind, "hybrid_moe_ssm");
  m.config["use_expert_bias"] = false;
  m.remove("model.layers.1.feed_forward.expert_bias");
  EXPECT_FALSE(mixture_at(*graph_told_to(m), 1).correction_bias);
}

TEST(LaterFamilies, dense_ones_are_llama_but_for_their_names) {
  const auto exaone = graph_told_to(fake("exaone")), internlm = graph_told_to(fake("internlm2")), mimo = graph_told_to(fake("mimo"));
  for (const auto* c : {&exaone, &internlm, &mimo}) {
    ASSERT_TRUE(c->ok()) << c->status().message();
    EXPECT_EQ((*c)->norm.eps, 1e-6f);
    EXPECT_EQ((*c)->layers.front().norms, Norms::before);
  }
  EXPECT_EQ(attention_at(*internlm, 0).maps, QkvMaps::grouped);
  FakeModel renamed = fake("exaone");
  renamed.config["num_hidden_layers"] = 2;
  renamed.config["rms_norm_eps"] = 1e-6;
  for (const char* key : {"num_layers", "layer_norm_epsilon"}) renamed.config.erase(key);
  ASSERT_TRUE(graph_told_to(renamed).ok());
  EXPECT_EQ(graph_told_to(renamed)->norm, exaone->norm) << "new configs call the numbers as llama does";
  EXPECT_EQ(renamed.describe()->config["num_layers"], 2) << "and the loader reads the old names";
  const auto cohere = graph_told_to(fake("cohere"));
  ASSERT_TRUE(cohere.ok()) << cohere.status().message();
  EXPECT_EQ(cohere->logit_scale, 0.25f);
  EXPECT_TRUE(cohere->norm.centred && cohere->ropes.front().interleaved);
}

TEST(LaterFamilies, minicpm_puts_its_multipliers_into_scales_and_eps) {
  FakeModel m = fake("minicpm");
  m.config["scale_depth"] = 0.5 * std::sqrt(2.0);
  const auto c = graph_told_to(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_FLOAT_EQ(c->embedding_scale, 24);  // scale_emb over the half that branches are multiplied by
  EXPECT_FLOAT_EQ(c->norm.eps, 4e-6f);
  EXPECT_FLOAT_EQ(c->logit_scale, 0.5f);
  EXPECT_TRUE(m.describe()->warnings.empty());
  m.config["tie_word_embeddings"] = true;
  m.remove("lm_head.weight");
  ASSERT_EQ(m.describe()->warnings.size(), 1u);
  EXPECT_NE(m.describe()->warnings[0].find("does not scale its logits"), std::string::npos);
  m.config["dim_model_base"] = 0;
  EXPECT_EQ(graph_told_to(m).status().code(), StatusCode::corrupt);
}

TEST(LaterFamilies, switches_that_no_row_follows_leave_a_model_to_common_names) {
  for (const auto& [name, key] : {std::pair{"cohere", "use_qk_norm"},
                                  {"mimo", "use_sliding_window"},
                                  {"minicpm", "attention_bias"},
                                  {"bailing_moe", "norm_head"},
                                  {"bailing_moe", "use_bias"},
                                  {"solar_open", "use_qk_norm"},
                                  {"lfm2_moe", "conv_bias"}}) {
    FakeModel m = fake(name);
    m.config[key] = false;
    EXPECT_NE(family_of(m.config), nullptr) << name << " " << key;
    m.config[key] = true;
    EXPECT_EQ(family_of(m.config), nullptr) << name << " " << key;
  }
}

}  // namespace
}  // namespace jang::arch
