// SPDX-License-Identifier: Apache-2.0
// What the configs of Gemma 4 say, under the keys of published ones and layer by layer, and what becomes of it: specs of layers,
// and the config that loaders read.
#include "arch/families/gemma4.h"

#include <gtest/gtest.h>

#include <cmath>

#include "arch/decoder_config.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

DecoderConfig config_of(const FakeModel& model) {
  const auto described = model.describe();
  EXPECT_TRUE(described.ok()) << described.status().message();
  const auto config = decoder_config(*described);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}

const AttentionSpec& attention(const DecoderConfig& config, std::size_t layer) {
  return std::get<AttentionSpec>(config.layers[layer].mixer);
}

TEST(Gemma4, layers_that_see_everything_have_heads_of_their_own) {
  const DecoderConfig c = config_of(gemma4_text(Gemma4::dense));
  const AttentionSpec expected{
      .n_heads = 4, .n_kv_heads = 2, .key_dim = 32, .value_dim = 32, .scale = 1, .qk_norm = true, .v_norm = true, .window = 16, .rope = 1};
  EXPECT_EQ(attention(c, 0), expected);
  AttentionSpec full = expected;
  full.n_kv_heads = 1;
  full.key_dim = full.value_dim = 64;
  full.k_is_v = true;
  full.window = full.rope = 0;
  EXPECT_EQ(attention(c, 1), full);
  EXPECT_EQ(c.norm.offset, 0);
  EXPECT_EQ(c.logit_softcap, 30);
  for (const LayerSpec& layer : c.layers) EXPECT_TRUE(layer.scaled && layer.norms == Norms::around && !layer.input);
  EXPECT_TRUE(c.layers_stand_alone());
}

// A quarter of the pairs of a head turn, by the frequencies of the whole head.
TEST(Gemma4, the_proportional_rope_leaves_the_slow_pairs_alone) {
  const DecoderConfig c = config_of(gemma4_text(Gemma4::dense));
  ASSERT_EQ(c.ropes.size(), 2u);
  ASSERT_EQ(c.ropes[0].inv_freq.size(), 32u);
  for (std::size_t j = 0; j < 32; ++j)
    EXPECT_FLOAT_EQ(c.ropes[0].inv_freq[j], j < 8 ? static_cast<float>(std::pow(1e6, -2.0 * static_cast<double>(j) / 64)) : 0.0f);
  ASSERT_EQ(c.ropes[1].inv_freq.size(), 16u);
  for (std::size_t j = 0; j < 16; ++j)
    EXPECT_FLOAT_EQ(c.ropes[1].inv_freq[j], static_cast<float>(std::pow(1e4, -2.0 * static_cast<double>(j) / 32)));
}

TEST(Gemma4, a_mixture_stands_beside_the_mlp) {
  const DecoderConfig c = config_of(gemma4_text(Gemma4::mixture));
  for (const LayerSpec& layer : c.layers) {
    const auto* both = std::get_if<MlpAndExpertsSpec>(&layer.ffn);
    ASSERT_NE(both, nullptr);
    EXPECT_EQ(both->mlp, (MlpSpec{256, Activation::gelu_tanh}));
    EXPECT_EQ(both->experts.expert, (MlpSpec{64, Activation::gelu_tanh}));
    EXPECT_EQ(both->experts.n_experts, 4);
    EXPECT_EQ(both->experts.top_k, 2);
    EXPECT_TRUE(both->experts.norm_topk);
    EXPECT_FLOAT_EQ(both->router_scale * both->router_scale, 1.0f / 128);
    EXPECT_FALSE(both->experts.shared);
  }
}

TEST(Gemma4, the_last_layers_read_the_keys_of_the_last_of_their_kind) {
  const DecoderConfig c = config_of(gemma4_text(Gemma4::edge));
  const std::vector<int> owners = {-1, -1, 0, 1};
  for (std::size_t l = 0; l < 4; ++l) {
    EXPECT_EQ(attention(c, l).kv_of, owners[l]);
    EXPECT_FALSE(attention(c, l).k_is_v);
    EXPECT_EQ(std::get<MlpSpec>(c.layers[l].ffn).ffn, l < 2 ? 256 : 512);
    ASSERT_TRUE(c.layers[l].input);
    EXPECT_EQ(c.layers[l].input->size, 32);
  }
  EXPECT_EQ(c.layer_inputs, 128);
  EXPECT_EQ(c.layer_vocab, 512);
  EXPECT_EQ(c.layer_embedding_scale, 4);
  EXPECT_FALSE(c.layers_stand_alone());
}

// transformers 5.24 writes the differences layer by layer, and loaders read them elsewhere.
TEST(Gemma4, differences_layer_by_layer_are_those_under_the_published_keys) {
  FakeModel m = gemma4_text(Gemma4::dense);
  const DecoderConfig expected = config_of(m);
  for (const char* key : {"global_head_dim", "num_global_key_value_heads"}) m.config.erase(key);
  const json::Value full = {{"head_dim", 64}, {"num_key_value_heads", 1}};
  m.config["per_layer_config"] = {{"1", full}, {"3", full}};
  EXPECT_EQ(config_of(m).layers, expected.layers);
  const auto described = m.describe();
  EXPECT_EQ(described->config["global_head_dim"], 64);
  EXPECT_EQ(described->config["num_global_key_value_heads"], 1);

  for (const json::Value& other : {json::Value{{"1", full}}, json::Value{{"0", full}, {"1", full}, {"3", full}},
                                   json::Value{{"1", {{"intermediate_size", 64}}}, {"3", {{"intermediate_size", 64}}}}}) {
    m.config["per_layer_config"] = other;
    const Status s = m.describe().status();
    EXPECT_EQ(s.code(), StatusCode::unsupported) << other.dump();
    EXPECT_NE(s.message().find("per_layer_config"), std::string::npos) << s.message();
  }
  m.config["per_layer_config"] = json::Value::array();
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
}

// mlx-lm's class assumes those of E2B.
TEST(Gemma4, a_silent_config_gets_the_numbers_of_transformers) {
  FakeModel m = gemma4_text(Gemma4::dense);
  for (const char* key : {"final_logit_softcapping", "sliding_window"}) m.config.erase(key);
  const auto described = m.describe();
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_TRUE(described->config.contains("final_logit_softcapping") && described->config["final_logit_softcapping"].is_null());
  EXPECT_EQ(described->config["num_kv_shared_layers"], 0);
  EXPECT_EQ(described->config["use_double_wide_mlp"], false);
  EXPECT_EQ(described->config["sliding_window"], 512);
  EXPECT_EQ(decoder_config(*described)->logit_softcap, 0);
}

TEST(Gemma4, layer_types_are_listed_and_the_last_layer_sees_everything) {
  FakeModel m = gemma4_text(Gemma4::dense);
  m.config["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention", "sliding_attention"};
  EXPECT_EQ(m.describe()->config["layer_types"][3], "full_attention");
  m.config["layer_types"][1] = "chunked_attention";
  EXPECT_EQ(m.describe().status().code(), StatusCode::unsupported);
  m.config["layer_types"].erase(0);
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
}

TEST(Gemma4, bidirectional_attention_is_refused_unless_it_is_among_pictures_only) {
  FakeModel m = gemma4_text(Gemma4::dense);
  m.config["use_bidirectional_attention"] = "vision";
  EXPECT_TRUE(decoder_config(*m.describe()).ok());
  m.config["use_bidirectional_attention"] = "all";
  EXPECT_EQ(decoder_config(*m.describe()).status().code(), StatusCode::unsupported);
  EXPECT_FALSE(m.describe()->warnings.empty()) << "mlx-lm's class is causal";
}

TEST(Gemma4, keys_that_are_published_and_not_read_are_left_out) {
  FakeModel m = gemma4_text(Gemma4::edge);
  const std::size_t n = m.describe()->tensors.size();
  m.add("model.layers.3.self_attn.k_proj.weight", {64, 128});
  m.add("model.layers.3.self_attn.k_norm.weight", {64});
  const auto described = m.describe();
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_EQ(described->tensors.size(), n);
  ASSERT_EQ(described->dropped.size(), 2u);
  EXPECT_EQ(described->dropped[0].name, "model.layers.3.self_attn.k_proj.weight");
  m.add("model.layers.1.self_attn.v_norm.weight", {64});
  EXPECT_EQ(m.describe().status().code(), StatusCode::unsupported) << "of a layer with keys of its own";
}

TEST(Gemma4, keys_that_no_layer_has_are_corrupt) {
  FakeModel m = gemma4_text(Gemma4::edge);
  for (const int shared : {3, 4, 5}) {  // layer 0 slides, layer 1 is the first that sees everything
    m.config["num_kv_shared_layers"] = shared;
    const Status s = m.describe().status();
    EXPECT_EQ(s.code(), StatusCode::corrupt);
    EXPECT_NE(s.message().find("num_kv_shared_layers"), std::string::npos) << s.message();
  }
}

}  // namespace
}  // namespace jang::arch
