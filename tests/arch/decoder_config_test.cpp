// SPDX-License-Identifier: Apache-2.0
// What the graph of each family is told: traits no config says, layer kinds, windows; and config numbers that are refused.
#include "arch/decoder_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "arch/describe.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

Result<DecoderConfig> configured(const FakeModel& m) {
  JANG_ASSIGN(const Model described, m.describe());
  return decoder_config(described);
}

class EveryConfig : public ::testing::TestWithParam<NamedModel> {};
INSTANTIATE_TEST_SUITE_P(DecoderConfig, EveryConfig, ::testing::ValuesIn(all_models()), [](const auto& p) { return p.param.name; });

TEST_P(EveryConfig, every_family_is_read) {
  const auto c = configured(GetParam().model);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->hidden, 128);
  EXPECT_EQ(c->vocab, 512);
  EXPECT_EQ(c->n_heads, 4);
  EXPECT_EQ(c->n_kv_heads, 2);
  EXPECT_EQ(c->head_dim, 32);
  EXPECT_EQ(c->layers.size(), c->sparse.size());
  EXPECT_EQ(c->norm_eps, 1e-6f);
  EXPECT_EQ(static_cast<std::int64_t>(c->rope.inv_freq.size()), c->rope.dims / 2);
  const bool moe = std::count(c->sparse.begin(), c->sparse.end(), true) > 0;
  EXPECT_EQ(c->moe.n_experts, moe ? 4 : 0);
  EXPECT_EQ(c->moe.top_k, moe ? 2 : 0);
  EXPECT_EQ(c->has_delta(), std::count(c->layers.begin(), c->layers.end(), LayerKind::gated_delta) > 0);
}

// A bundle's config, edited for the MLX class, must say the same as the source's.
TEST_P(EveryConfig, the_bundle_says_the_same) {
  const auto source = GetParam().model.describe();
  ASSERT_TRUE(source.ok());
  FakeModel bundle{source->config, {}};
  for (const OutTensor& t : source->tensors) bundle.add(t.name, t.shape, t.source_dtype);
  const auto a = configured(GetParam().model), b = configured(bundle);
  ASSERT_TRUE(a.ok() && b.ok()) << b.status().message();
  EXPECT_EQ(a->layers, b->layers);
  EXPECT_EQ(a->sparse, b->sparse);
  EXPECT_EQ(a->window, b->window);
  EXPECT_EQ(a->tied, b->tied);
  EXPECT_EQ(a->attention_scale, b->attention_scale);
  EXPECT_EQ(a->rope.inv_freq, b->rope.inv_freq);
  EXPECT_EQ(a->local_rope.inv_freq, b->local_rope.inv_freq);
  EXPECT_EQ(a->moe.norm_topk, b->moe.norm_topk);
  EXPECT_EQ(a->moe.top_k, b->moe.top_k);
}

TEST_P(EveryConfig, no_number_is_believed) {
  const FakeModel& good = GetParam().model;
  const bool nested = good.config.contains("text_config");
  const json::Value& text = nested ? good.config["text_config"] : good.config;
  const json::Value bad_values[] = {
      json::Value(-1),  json::Value(0),    json::Value(std::int64_t{1} << 62),   json::Value(1e308),
      json::Value("1"), json::Value(true), json::Value(json::Value::array({1})), json::Value(json::Value::object())};
  for (const auto& [key, value] : text.items())
    for (const json::Value& bad : bad_values) {
      FakeModel m = good;
      (nested ? m.config["text_config"] : m.config)[key] = bad;
      const auto c = configured(m);  // any typed answer; never a crash
      if (c.ok()) {
        EXPECT_GT(c->hidden, 0);
        EXPECT_GT(c->head_dim, 0);
      }
    }
}

TEST(DecoderConfig, traits_of_gemma) {
  FakeModel m = gemma3_text(7);
  m.config["query_pre_attn_scalar"] = 64;
  m.config["sliding_window"] = 16;
  m.config["sliding_window_pattern"] = 3;
  m.config["final_logit_softcapping"] = 30.0;
  m.config["attn_logit_softcapping"] = 50.0;
  const auto c = configured(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->norm_offset, 1.0f);
  EXPECT_EQ(c->activation, Activation::gelu_tanh);
  EXPECT_FLOAT_EQ(c->embedding_scale, std::sqrt(128.0f));
  EXPECT_FLOAT_EQ(c->attention_scale, 0.125f);
  EXPECT_TRUE(c->four_norms && c->qk_norm && c->tied);
  EXPECT_EQ(c->logit_softcap, 30.0f);
  EXPECT_EQ(c->attention_softcap, 0.0f) << "transformers' class does not apply it";
  EXPECT_EQ(c->window, 16);
  using enum LayerKind;
  EXPECT_EQ(c->layers, (std::vector<LayerKind>{sliding_attention, sliding_attention, full_attention, sliding_attention, sliding_attention,
                                               full_attention, sliding_attention}));
  EXPECT_EQ(c->rope.theta, 10000.0) << "of the config";
  m.config.erase("rope_theta");
  m.config["rope_local_base_freq"] = 5000.0;
  const auto defaults = configured(m);
  ASSERT_TRUE(defaults.ok());
  EXPECT_EQ(defaults->rope.theta, 1e6);
  EXPECT_EQ(defaults->local_rope.theta, 5000.0);
}

TEST(DecoderConfig, windows_of_the_families) {
  using enum LayerKind;
  FakeModel mistral = dense("mistral");
  EXPECT_EQ(configured(mistral)->window, 4096) << "transformers' default where the key is absent";
  mistral.config["sliding_window"] = nullptr;
  EXPECT_EQ(configured(mistral)->window, 0);
  EXPECT_EQ(configured(mistral)->layers, (std::vector<LayerKind>{full_attention, full_attention}));

  for (const char* type : {"qwen2", "qwen3"}) {
    FakeModel qwen = dense(type);
    qwen.config["sliding_window"] = 64;
    qwen.config["max_window_layers"] = 1;
    EXPECT_EQ(configured(qwen)->window, 0) << "use_sliding_window decides";
    qwen.config["use_sliding_window"] = true;
    EXPECT_EQ(configured(qwen)->layers, (std::vector<LayerKind>{full_attention, sliding_attention}));
    qwen.config["layer_types"] = {"sliding_attention", "full_attention"};
    EXPECT_EQ(configured(qwen)->layers, (std::vector<LayerKind>{sliding_attention, full_attention}));
    qwen.config["use_sliding_window"] = false;
    EXPECT_EQ(configured(qwen).status().code(), StatusCode::corrupt) << "a sliding layer without a window";
    qwen.config["layer_types"] = {"full_attention", "chunked_attention"};
    EXPECT_EQ(configured(qwen).status().code(), StatusCode::unsupported);
    qwen.config["layer_types"] = json::Value::array({"full_attention"});
    EXPECT_EQ(configured(qwen).status().code(), StatusCode::corrupt);
  }
  FakeModel moe = qwen3_moe(Experts::each);
  moe.config["use_sliding_window"] = true;
  moe.config["sliding_window"] = 32;
  EXPECT_EQ(configured(moe)->layers, (std::vector<LayerKind>{sliding_attention, sliding_attention}));
  FakeModel llama = dense("llama");
  llama.config["sliding_window"] = 32;
  EXPECT_EQ(configured(llama)->window, 0) << "its class knows none";
}

TEST(DecoderConfig, hybrids_say_which_layer_is_what) {
  using enum LayerKind;
  const auto c = configured(qwen3_next());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->layers, (std::vector<LayerKind>{gated_delta, gated_delta, gated_delta, full_attention}));
  EXPECT_EQ(c->sparse, (std::vector<bool>{true, false, true, true}));
  EXPECT_TRUE(c->delta.interleaved && c->gated_attention && c->moe.norm_topk);
  EXPECT_EQ(c->rope.dims, 8) << "a quarter of head_dim";
  EXPECT_EQ(c->delta.conv_channels(), 192);
  EXPECT_EQ(c->moe.shared_ffn, 64);
  EXPECT_FALSE(configured(qwen3_5(true, false))->delta.interleaved);
}

TEST(DecoderConfig, what_no_kernel_computes_is_unsupported) {
  FakeModel m = dense("llama");
  m.config["hidden_act"] = "relu";
  EXPECT_EQ(configured(m).status().code(), StatusCode::unsupported);
  EXPECT_NE(configured(m).status().message().find("relu"), std::string::npos);
  m = gemma3_text();
  m.config["use_bidirectional_attention"] = true;
  EXPECT_EQ(configured(m).status().code(), StatusCode::unsupported);
  Model generic;
  generic.family = "generic";
  generic.model_type = "phi9";
  const Status s = decoder_config(generic).status();
  EXPECT_EQ(s.code(), StatusCode::unsupported);
  EXPECT_NE(s.message().find("phi9"), std::string::npos);
}

TEST(DecoderConfig, more_experts_a_token_than_there_are_is_corrupt) {
  FakeModel m = qwen3_moe(Experts::each);
  m.config["num_experts_per_tok"] = 5;
  EXPECT_EQ(configured(m).status().code(), StatusCode::corrupt);
  m.config["num_experts_per_tok"] = 4;
  EXPECT_TRUE(configured(m).ok());
}

// transformers 5.24's inverse frequencies for a llama of head_dim 16 and 256 positions, however its config spells RoPE; the bundle's config
// must give the same, and say it where the MLX class looks.
struct Spelling {
  std::string name;
  json::Value keys;
  std::vector<float> inv_freq;
  double mlx_theta = 10000;
};

class RopeSpellings : public ::testing::TestWithParam<Spelling> {};
INSTANTIATE_TEST_SUITE_P(
    DecoderConfig, RopeSpellings,
    ::testing::Values(
        Spelling{"yarn_original_at_top",
                 {{"rope_parameters", {{"rope_type", "yarn"}, {"factor", 4.0}, {"rope_theta", 10000.0}}},
                  {"rope_theta", 10000.0},
                  {"original_max_position_embeddings", 16}},
                 {1.0f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f}},
        Spelling{"llama3_original_at_top_wins",
                 {{"rope_scaling",
                   {{"rope_type", "llama3"},
                    {"factor", 8.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 128}}},
                  {"rope_theta", 10000.0},
                  {"original_max_position_embeddings", 32}},
                 {1.0f, 0.0958399773f, 0.0125000002f, 0.00395284733f, 0.00124999997f, 0.000395284733f, 0.000125000006f, 3.95284733e-05f}},
        Spelling{"yarn_without_original",
                 {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}}}, {"rope_theta", 10000.0}},
                 {1.0f, 0.25693506f, 0.0625f, 0.0138349654f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f}},
        Spelling{"scaling_goes_before_parameters",
                 {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}},
                  {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}}}},
                 {0.5f, 0.158113882f, 0.0500000007f, 0.0158113893f, 0.00499999989f, 0.00158113893f, 0.000500000024f, 0.000158113893f}},
        Spelling{"empty_scaling_is_none",
                 {{"rope_scaling", json::Value::object()},
                  {"rope_parameters", {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500.0}}},
                  {"rope_theta", 10000.0}},
                 {0.25f, 0.114965819f, 0.05286856f, 0.0243123118f, 0.0111803403f, 0.00514142821f, 0.00236435398f, 0.00108727964f},
                 500},
        Spelling{"rope_type_goes_before_type",
                 {{"rope_scaling", {{"rope_type", "default"}, {"type", "linear"}, {"factor", 4.0}}}, {"rope_theta", 10000.0}},
                 {1.0f, 0.316227764f, 0.100000001f, 0.0316227786f, 0.00999999978f, 0.00316227786f, 0.00100000005f, 0.000316227786f}},
        Spelling{"only_type",
                 {{"rope_scaling", {{"type", "linear"}, {"factor", 4.0}}}, {"rope_theta", 10000.0}},
                 {0.25f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f}},
        Spelling{"inner_theta_goes_before_outer",
                 {{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}}}, {"rope_theta", 10000.0}},
                 {1.0f, 0.459863275f, 0.21147424f, 0.0972492471f, 0.0447213612f, 0.0205657128f, 0.0094574159f, 0.00434911856f},
                 500},
        Spelling{"yarn_factor_null",
                 {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", nullptr}, {"original_max_position_embeddings", 64}}},
                  {"rope_theta", 10000.0}},
                 {1.0f, 0.237170815f, 0.049999997f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f}}),
    [](const auto& p) { return p.param.name; });

FakeModel spelt(const Spelling& spelling) {
  FakeModel m = dense("llama");
  m.config["head_dim"] = 16;
  m.config["num_attention_heads"] = 8;
  m.config["num_key_value_heads"] = 4;
  m.config["max_position_embeddings"] = 256;
  m.config.erase("rope_theta");
  for (const auto& [key, value] : spelling.keys.items()) m.config[key] = value;
  return m;
}

void expect_frequencies(const std::vector<float>& found, const std::vector<float>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t j = 0; j < found.size(); ++j) EXPECT_NEAR(found[j] / wanted[j], 1.0f, 3e-7f) << j;
}

TEST_P(RopeSpellings, frequencies_are_those_of_transformers) {
  const auto c = configured(spelt(GetParam()));
  ASSERT_TRUE(c.ok()) << c.status().message();
  expect_frequencies(c->rope.inv_freq, GetParam().inv_freq);
}

TEST_P(RopeSpellings, the_bundle_says_the_same_to_everyone) {
  FakeModel m = spelt(GetParam());
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  m.config = model->config;
  const auto c = configured(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  expect_frequencies(c->rope.inv_freq, GetParam().inv_freq);
  EXPECT_EQ(m.config["rope_theta"], GetParam().mlx_theta);
  const json::Value* scaling = json::find(m.config, "rope_scaling");
  if (scaling == nullptr || scaling->empty()) return;
  const json::Value* old = json::find(*scaling, "type");
  if (old != nullptr && scaling->contains("rope_type")) {
    EXPECT_EQ(*old, (*scaling)["rope_type"]);
  }
  if (c->rope.type == "yarn" || c->rope.type == "llama3") {
    EXPECT_TRUE(scaling->contains("original_max_position_embeddings"));
    EXPECT_TRUE((*scaling)["factor"].is_number());
  }
}

TEST(DecoderConfig, gemma_lays_rope_scaling_over_full_attention) {
  for (const NamedModel& named : all_models()) {
    if (named.name != "gemma3_text") continue;
    FakeModel m = named.model;
    m.config["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 500.0}}},
                                   {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 100.0}}}};
    m.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
    const auto c = configured(m);
    ASSERT_TRUE(c.ok()) << c.status().message();
    EXPECT_EQ(c->rope.theta, 500.0);
    EXPECT_EQ(c->rope.inv_freq[0], 0.125f);
    EXPECT_EQ(c->local_rope.theta, 100.0);
    EXPECT_EQ(c->local_rope.inv_freq[0], 1.0f);
    return;
  }
  FAIL() << "no gemma3_text among the models";
}

}  // namespace
}  // namespace jang::arch
