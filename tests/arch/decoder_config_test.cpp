// SPDX-License-Identifier: Apache-2.0
// What the graph of each family is told: traits no config says, blocks and windows by layer, what a family specifies itself; and config
// numbers that are refused.
#include "arch/decoder_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "arch/describe.h"
#include "arch/family.h"
#include "arch/registry.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

Result<DecoderConfig> configured(const FakeModel& m) {
  JANG_ASSIGN(const Model described, m.describe());
  return decoder_config(described);
}

// Of the first layer that has it.
template <typename Spec>
const Spec& first(const DecoderConfig& c) {
  for (const LayerSpec& layer : c.layers) {
    if constexpr (!std::is_same_v<Spec, MlpSpec> && !std::is_same_v<Spec, ExpertsSpec>) {
      if (const Spec* spec = std::get_if<Spec>(&layer.mixer)) return *spec;
    } else {
      if (const Spec* spec = std::get_if<Spec>(&layer.ffn)) return *spec;
    }
  }
  throw std::logic_error("no layer has it");
}

// By layer; -1: no attention.
std::vector<std::int64_t> windows(const Result<DecoderConfig>& c) {
  EXPECT_TRUE(c.ok()) << c.status().message();
  std::vector<std::int64_t> found;
  for (const LayerSpec& layer : c->layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    found.push_back(attention == nullptr ? -1 : attention->window);
  }
  return found;
}
using Windows = std::vector<std::int64_t>;

class EveryConfig : public ::testing::TestWithParam<NamedModel> {};
INSTANTIATE_TEST_SUITE_P(DecoderConfig, EveryConfig, ::testing::ValuesIn(all_models()), [](const auto& p) { return p.param.name; });

TEST_P(EveryConfig, every_family_is_read) {
  const auto c = configured(GetParam().model);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->hidden, 128);
  EXPECT_EQ(c->vocab, 512);
  const std::string& name = GetParam().name;
  const bool by_epsilon = name == "nemotron_h" || name == "mamba2";  // layer_norm_epsilon: 1e-5
  // Divided by the square of its residual_multiplier.
  EXPECT_EQ(c->norm.eps, name.starts_with("granitemoe") ? 4e-6f : by_epsilon ? 1e-5f : 1e-6f);
  const bool latent = std::holds_alternative<LatentSpec>(c->layers.front().mixer);
  EXPECT_EQ(latent, name.starts_with("deepseek") || name.ends_with("mistral4") || name == "glm4_moe_lite" || name == "kimi_k25");
  if (!latent && name != "mamba2") {  // latent attention: mixture_families_test.cpp; and none
    const AttentionSpec& attention = first<AttentionSpec>(*c);
    EXPECT_EQ(attention.n_heads, 4);
    EXPECT_EQ(attention.n_kv_heads, name == "gpt_neox" ? 4 : name == "gemma4_text_edge" ? 1 : 2);  // the first has no grouped queries
    EXPECT_EQ(attention.key_dim, 32);
    EXPECT_EQ(attention.value_dim, 32);
  }
  for (const Rope& rope : c->ropes) EXPECT_EQ(static_cast<std::int64_t>(rope.inv_freq.size()), rope.dims / 2);
  constexpr std::string_view kMixtures[] = {"moe",   "qwen3_next", "mixtral", "minimax",  "deepseek", "gpt_oss",
                                            "dots1", "solar",      "llama4",  "kimi_k25", "mistral4"};
  const bool moe = !name.ends_with("_dense") &&
                   std::ranges::any_of(kMixtures, [&](std::string_view part) { return name.find(part) != std::string::npos; });
  constexpr std::string_view kDenseFirst[] = {"glm4_moe",      "deepseek_v2", "deepseek_v3",       "ernie4_5_moe", "dots1",
                                              "exaone_moe",    "mistral4",    "mistral3_mistral4", "lfm2_moe",     "bailing_moe",
                                              "glm4_moe_lite", "llama4",      "kimi_k25"};
  const bool dense_first = std::ranges::find(kDenseFirst, name) != std::end(kDenseFirst);
  const bool beside = std::holds_alternative<MlpAndExpertsSpec>(c->layers.front().ffn);  // tests/arch/gemma4_test.cpp
  EXPECT_EQ(beside, name == "gemma4" || name == "gemma4_text_moe");
  EXPECT_EQ(std::holds_alternative<ExpertsSpec>(c->layers.front().ffn), moe && !dense_first && !beside);
  if (moe && !beside) {
    EXPECT_EQ(first<ExpertsSpec>(*c).n_experts, 4);
    EXPECT_EQ(first<ExpertsSpec>(*c).top_k, name == "llama4" ? 1 : 2);
    EXPECT_EQ(first<ExpertsSpec>(*c).expert.ffn, 64);
  }
  const bool hybrid = name.starts_with("qwen3_5") || name == "qwen3_next";
  EXPECT_EQ(std::holds_alternative<DeltaSpec>(c->layers.front().mixer), hybrid);
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
  EXPECT_EQ(a->norm, b->norm);
  EXPECT_EQ(a->tied, b->tied);
  EXPECT_EQ(a->embedding_scale, b->embedding_scale);
  ASSERT_EQ(a->ropes.size(), b->ropes.size());
  for (std::size_t i = 0; i < a->ropes.size(); ++i) EXPECT_EQ(a->ropes[i].inv_freq, b->ropes[i].inv_freq);
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
        const auto* attention = std::get_if<AttentionSpec>(&c->layers.back().mixer);
        EXPECT_TRUE(attention == nullptr || attention->key_dim > 0);
      }
    }
}

FakeModel dense_model(const std::string& family) {
  for (const auto& [name, model] : dense_families())
    if (name == family) return model;
  throw std::logic_error("no such family: " + family);
}

// By layer: whether it rotates positions.
std::vector<bool> rotates(const DecoderConfig& c) {
  std::vector<bool> found;
  for (const LayerSpec& layer : c.layers) found.push_back(std::get<AttentionSpec>(layer.mixer).rope != kNoRope);
  return found;
}

TEST(DecoderConfig, granite_puts_its_multipliers_into_scales_and_eps) {
  FakeModel m = dense_model("granite");
  m.config["residual_multiplier"] = 0.5;
  const auto c = configured(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_FLOAT_EQ(c->embedding_scale, 24.0f);
  EXPECT_FLOAT_EQ(c->norm.eps, 4e-6f);
  EXPECT_FLOAT_EQ(c->logit_scale, 0.125f);
  EXPECT_FLOAT_EQ(first<AttentionSpec>(*c).scale, 0.25f);
  for (const double bad : {0.0, -1.0, 1e9}) {
    m.config["residual_multiplier"] = bad;
    EXPECT_EQ(configured(m).status().code(), StatusCode::corrupt) << bad;
  }
}

TEST(DecoderConfig, layers_without_rope_are_those_the_class_leaves_out) {
  FakeModel smollm3 = dense_model("smollm3");
  EXPECT_EQ(rotates(configured(smollm3).value()), (std::vector<bool>{true, false}));
  smollm3.config.erase("no_rope_layers");
  EXPECT_EQ(rotates(configured(smollm3).value()), (std::vector<bool>{true, true})) << "every fourth";
  smollm3.config["no_rope_layers"] = {1};
  EXPECT_EQ(configured(smollm3).status().code(), StatusCode::corrupt);

  EXPECT_EQ(rotates(configured(dense_model("cohere2")).value()), (std::vector<bool>{true, false}));
  FakeModel exaone4 = dense_model("exaone4");
  EXPECT_EQ(rotates(configured(exaone4).value()), (std::vector<bool>{true, false}));
  EXPECT_EQ(windows(configured(exaone4)), (Windows{16, 0}));
  exaone4.config["sliding_window_pattern"] = 2;
  EXPECT_EQ(windows(configured(exaone4)), (Windows{16, 0}));
  exaone4.config["sliding_window_pattern"] = "LX";
  EXPECT_EQ(configured(exaone4).status().code(), StatusCode::corrupt);
  exaone4.config["sliding_window"] = nullptr;
  EXPECT_EQ(rotates(configured(exaone4).value()), (std::vector<bool>{true, true}));
}

TEST(DecoderConfig, traits_of_the_dense_families) {
  const auto phi3 = configured(dense_model("phi3"));
  ASSERT_TRUE(phi3.ok()) << phi3.status().message();
  EXPECT_EQ(phi3->ropes.front().dims, 24);
  EXPECT_EQ(phi3->max_positions, 64) << "longer texts have another table";
  EXPECT_EQ(first<AttentionSpec>(*phi3).maps, QkvMaps::stacked);
  EXPECT_TRUE(first<MlpSpec>(*phi3).fused);

  const auto gemma2 = configured(dense_model("gemma2"));
  ASSERT_TRUE(gemma2.ok()) << gemma2.status().message();
  EXPECT_EQ(windows(gemma2), (Windows{16, 0}));
  EXPECT_EQ(first<AttentionSpec>(*gemma2).softcap, 50.0f);
  EXPECT_EQ(gemma2->logit_softcap, 30.0f);
  FakeModel uncapped = dense_model("gemma2");
  uncapped.config["attn_logit_softcapping"] = nullptr;
  EXPECT_EQ(first<AttentionSpec>(configured(uncapped).value()).softcap, 0.0f);

  const auto cohere2 = configured(dense_model("cohere2"));
  EXPECT_TRUE(cohere2->norm.centred && cohere2->ropes.front().interleaved && cohere2->tied);
  EXPECT_EQ(cohere2->layers.front().norms, Norms::parallel);
  EXPECT_EQ(cohere2->logit_scale, 0.25f);

  FakeModel neox = dense_model("gpt_neox");
  EXPECT_EQ(configured(neox)->layers.front().norms, Norms::parallel_apart);
  EXPECT_EQ(configured(neox)->ropes.front().dims, 8);
  EXPECT_EQ(first<MlpSpec>(configured(neox).value()).activation, Activation::gelu);
  neox.config["use_parallel_residual"] = false;
  EXPECT_EQ(configured(neox)->layers.front().norms, Norms::before);
  EXPECT_EQ(configured(dense_model("olmo2"))->layers.front().norms, Norms::after);
  EXPECT_TRUE(first<AttentionSpec>(configured(dense_model("hunyuan_v1_dense")).value()).qk_norm_last);
}

TEST(DecoderConfig, traits_of_families_with_layer_norm) {
  const auto stablelm = configured(dense_model("stablelm"));
  ASSERT_TRUE(stablelm.ok()) << stablelm.status().message();
  EXPECT_TRUE(stablelm->norm.centred && stablelm->norm.offset == 0);
  EXPECT_EQ(stablelm->ropes.front().dims, 8);
  const auto nemotron = configured(dense_model("nemotron"));
  ASSERT_TRUE(nemotron.ok()) << nemotron.status().message();
  EXPECT_TRUE(nemotron->norm.centred && nemotron->norm.offset == 1);
  EXPECT_EQ(first<MlpSpec>(*nemotron).activation, Activation::relu2);
  EXPECT_EQ(nemotron->ropes.front().dims, 16);
  const auto phi = configured(dense_model("phi"));
  ASSERT_TRUE(phi.ok()) << phi.status().message();
  EXPECT_EQ(phi->layers.front().norms, Norms::parallel);
  EXPECT_FALSE(first<MlpSpec>(*phi).gated);
}

TEST(DecoderConfig, lfm2_convolves_where_its_layers_do_not_attend) {
  const auto types = configured(dense_model("lfm2"));
  ASSERT_TRUE(types.ok()) << types.status().message();
  EXPECT_EQ(first<ShortConvSpec>(*types), (ShortConvSpec{128, 3}));
  EXPECT_TRUE(std::get<AttentionSpec>(types->layers[1].mixer).qk_norm);
  EXPECT_EQ(first<MlpSpec>(*types).ffn, 128) << "190, adjusted";
  FakeModel listed = dense_model("lfm2");
  listed.config.erase("layer_types");
  listed.config["full_attn_idxs"] = json::Value::array({1});
  EXPECT_EQ(configured(listed)->layers, types->layers);
  listed.config["block_ff_dim"] = 128;
  listed.config["block_auto_adjust_ff_dim"] = false;
  EXPECT_EQ(configured(listed)->layers, types->layers);
  for (const json::Value& bad : {json::Value{"conv"}, json::Value{"conv", "sliding_attention"}, json::Value("conv")}) {
    listed.config["layer_types"] = bad;
    EXPECT_EQ(configured(listed).status().code(), StatusCode::corrupt) << json::dump(bad);
  }
}

TEST(DecoderConfig, models_that_no_row_of_their_family_describes_are_not_run) {
  for (const auto& [family, key] :
       {std::pair{"stablelm", "qk_layernorm"}, {"stablelm", "use_parallel_residual"}, {"phi", "qk_layernorm"}, {"lfm2", "conv_bias"}}) {
    FakeModel m = dense_model(family);
    m.config[key] = false;
    EXPECT_TRUE(configured(m).ok()) << family << " " << key;
    for (const json::Value& on : {json::Value(true), json::Value("yes"), json::Value(1)}) {
      m.config[key] = on;
      EXPECT_EQ(configured(m).status().code(), StatusCode::unsupported) << family << " " << key << " " << on.dump();
    }
    m.config[key] = true;
    EXPECT_TRUE(m.describe().ok()) << "it still converts";
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
  const AttentionSpec& attention = first<AttentionSpec>(*c);
  EXPECT_EQ(c->norm.offset, 1.0f);
  EXPECT_EQ(first<MlpSpec>(*c).activation, Activation::gelu_tanh);
  EXPECT_FLOAT_EQ(c->embedding_scale, std::sqrt(128.0f));
  EXPECT_FLOAT_EQ(attention.scale, 0.125f);
  EXPECT_TRUE(attention.qk_norm && c->tied);
  EXPECT_EQ(c->logit_softcap, 30.0f);
  EXPECT_EQ(attention.softcap, 0.0f) << "transformers' class does not apply it";
  EXPECT_EQ(windows(c), (Windows{16, 16, 0, 16, 16, 0, 16}));
  for (const LayerSpec& layer : c->layers) {
    EXPECT_EQ(layer.norms, Norms::around);
    EXPECT_EQ(std::get<AttentionSpec>(layer.mixer).rope, std::get<AttentionSpec>(layer.mixer).window > 0 ? 1 : 0);
  }
  EXPECT_EQ(c->ropes.at(0).theta, 10000.0) << "of the config";
  m.config.erase("rope_theta");
  m.config["rope_local_base_freq"] = 5000.0;
  const auto defaults = configured(m);
  ASSERT_TRUE(defaults.ok());
  EXPECT_EQ(defaults->ropes.at(0).theta, 1e6);
  EXPECT_EQ(defaults->ropes.at(1).theta, 5000.0);
}

TEST(DecoderConfig, windows_of_the_families) {
  FakeModel mistral = dense("mistral");
  EXPECT_EQ(windows(configured(mistral)), (Windows{4096, 4096})) << "transformers' default where the key is absent";
  mistral.config["sliding_window"] = nullptr;
  EXPECT_EQ(windows(configured(mistral)), (Windows{0, 0}));

  for (const char* type : {"qwen2", "qwen3"}) {
    FakeModel qwen = dense(type);
    qwen.config["sliding_window"] = 64;
    qwen.config["max_window_layers"] = 1;
    EXPECT_EQ(windows(configured(qwen)), (Windows{0, 0})) << "use_sliding_window decides";
    qwen.config["use_sliding_window"] = true;
    EXPECT_EQ(windows(configured(qwen)), (Windows{0, 64}));
    qwen.config["layer_types"] = {"sliding_attention", "full_attention"};
    EXPECT_EQ(windows(configured(qwen)), (Windows{64, 0}));
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
  EXPECT_EQ(windows(configured(moe)), (Windows{32, 32}));
  FakeModel llama = dense("llama");
  llama.config["sliding_window"] = 32;
  EXPECT_EQ(windows(configured(llama)), (Windows{0, 0})) << "its class knows none";
}

TEST(DecoderConfig, hybrids_say_which_layer_is_what) {
  const auto c = configured(qwen3_next());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(windows(c), (Windows{-1, -1, -1, 0}));
  for (std::size_t l = 0; l < 4; ++l) EXPECT_EQ(std::holds_alternative<MlpSpec>(c->layers[l].ffn), l == 1) << l;
  EXPECT_TRUE(first<DeltaSpec>(*c).interleaved && first<AttentionSpec>(*c).gated && first<ExpertsSpec>(*c).norm_topk);
  EXPECT_EQ(c->ropes.at(0).dims, 8) << "a quarter of head_dim";
  EXPECT_EQ(first<DeltaSpec>(*c).conv_channels(), 192);
  ASSERT_TRUE(first<ExpertsSpec>(*c).shared);
  EXPECT_EQ(first<ExpertsSpec>(*c).shared->mlp.ffn, 64);
  EXPECT_TRUE(first<ExpertsSpec>(*c).shared->gated);
  EXPECT_FALSE(first<ExpertsSpec>(*configured(qwen3_moe(Experts::each))).shared);
  EXPECT_FALSE(first<DeltaSpec>(*configured(qwen3_5(true, false))).interleaved);
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

// A family of known blocks whose class alternates its layers and scores experts in its own way, which no trait says.
Status specify_toy(const json::Value& text, DecoderConfig* c) {
  JANG_ASSIGN(const double local_theta, json::get_number(text, "toy_local_theta", 500));
  const RopeDefaults defaults{.theta = local_theta};
  JANG_ASSIGN(Rope local, read_rope(nullptr, json::Value::object(), "rope_theta", 16, defaults));
  c->ropes.push_back(std::move(local));
  c->embedding_scale = 12;
  JANG_ASSIGN(const std::int64_t kv_heads, json::get_int(text, "toy_kv_heads", 1, -4, 64));
  for (std::size_t l = 1; l < c->layers.size(); l += 2) {
    LayerSpec& layer = c->layers[l];
    auto& attention = std::get<AttentionSpec>(layer.mixer);
    attention.n_kv_heads = kv_heads;
    attention.key_dim = 48;
    attention.window = 7;
    attention.rope = 1;
    attention.sinks = true;
    layer.norms = Norms::around;
    layer.ffn = ExpertsSpec{.n_experts = 8,
                            .top_k = 2,
                            .expert = {.ffn = 32, .activation = Activation::gelu_tanh, .clamp = 7.0f},
                            .scoring = Scoring::sigmoid,
                            .weights_scale = 2.5f,
                            .n_groups = 4,
                            .top_groups = 2,
                            .correction_bias = true,
                            .expert_biases = true,
                            .shared = SharedExpert{{32}, false}};
  }
  return {};
}

TEST(DecoderConfig, a_family_has_the_last_word_on_every_layer) {
  Family toy = *find_family("llama");
  toy.name = "toy";
  toy.specify = specify_toy;
  FakeModel m = dense("llama", 3);
  const auto plain = configured(m), c = decoder_config(toy, *m.describe());
  ASSERT_TRUE(plain.ok() && c.ok()) << c.status().message();
  EXPECT_EQ(c->family, "toy");
  EXPECT_EQ(c->embedding_scale, 12.0f);
  EXPECT_EQ(c->ropes.at(1).theta, 500.0);
  EXPECT_EQ(c->layers[0], plain->layers[0]);
  EXPECT_EQ(c->layers[2], plain->layers[2]);
  EXPECT_EQ(windows(c), (Windows{0, 7, 0}));
  const auto& attention = std::get<AttentionSpec>(c->layers[1].mixer);
  EXPECT_EQ(attention.n_heads, 4) << "what is not specified stays as it was read";
  EXPECT_EQ(attention.k_size(), 48);
  EXPECT_EQ(attention.v_size(), 32);
  EXPECT_EQ(std::get<ExpertsSpec>(c->layers[1].ffn).scoring, Scoring::sigmoid);

  for (const int kv_heads : {0, -4, 3, 8}) {  // numbers that do not make a layer, whoever read them
    m.config["toy_kv_heads"] = kv_heads;
    const Status s = decoder_config(toy, *m.describe()).status();
    EXPECT_EQ(s.code(), StatusCode::corrupt) << kv_heads;
    EXPECT_NE(s.message().find("layer 1"), std::string::npos) << s.message();
  }
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
  expect_frequencies(c->ropes.at(0).inv_freq, GetParam().inv_freq);
}

TEST_P(RopeSpellings, the_bundle_says_the_same_to_everyone) {
  FakeModel m = spelt(GetParam());
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  m.config = model->config;
  const auto c = configured(m);
  ASSERT_TRUE(c.ok()) << c.status().message();
  expect_frequencies(c->ropes.at(0).inv_freq, GetParam().inv_freq);
  EXPECT_EQ(m.config["rope_theta"], GetParam().mlx_theta);
  const json::Value* scaling = json::find(m.config, "rope_scaling");
  if (scaling == nullptr || scaling->empty()) return;
  const json::Value* old = json::find(*scaling, "type");
  if (old != nullptr && scaling->contains("rope_type")) {
    EXPECT_EQ(*old, (*scaling)["rope_type"]);
  }
  if (c->ropes.at(0).type == "yarn" || c->ropes.at(0).type == "llama3") {
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
    EXPECT_EQ(c->ropes.at(0).theta, 500.0);
    EXPECT_EQ(c->ropes.at(0).inv_freq[0], 0.125f);
    EXPECT_EQ(c->ropes.at(1).theta, 100.0);
    EXPECT_EQ(c->ropes.at(1).inv_freq[0], 1.0f);
    return;
  }
  FAIL() << "no gemma3_text among the models";
}

}  // namespace
}  // namespace jang::arch
