// SPDX-License-Identifier: Apache-2.0
// What the graph of each family is told: traits no config says, layer kinds, windows; and config numbers that are refused.
#include "arch/decoder_config.h"

#include <gtest/gtest.h>

#include <cmath>

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
  EXPECT_EQ(a->prefix, b->prefix);
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
  EXPECT_EQ(configured(qwen3_5(false, true))->prefix, "language_model.");
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

}  // namespace
}  // namespace jang::arch
