// SPDX-License-Identifier: Apache-2.0
// Families with state spaces of Mamba2: the kinds of their layers as configs have them, what their graphs are told, the config that is
// written for loaders, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "arch/decoder_config.h"
#include "arch/describe.h"
#include "arch/expected.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

constexpr double kNoLimit = std::numeric_limits<float>::max();

Result<DecoderConfig> hybrid_config(const FakeModel& m) {
  JANG_ASSIGN(const Model model, m.describe_canonical());
  return decoder_config(model);
}
std::string hybrid_refusal(const FakeModel& m) {
  const auto config = hybrid_config(m);
  return config.ok() ? "" : config.status().message();
}

TEST(HybridFamilies, nemotron_h_has_a_block_of_one_kind_in_every_layer) {
  const auto c = hybrid_config(nemotron_h());
  ASSERT_TRUE(c.ok()) << c.status().message();
  ASSERT_EQ(c->n_layers(), 4);
  EXPECT_TRUE(std::ranges::all_of(c->layers, [](const LayerSpec& l) { return l.norms == Norms::single; }));
  const auto& mamba = std::get<MambaSpec>(c->layers[0].mixer);
  EXPECT_EQ(mamba, (MambaSpec{.heads = 8,
                              .head_dim = 16,
                              .groups = 2,
                              .state_dim = 16,
                              .conv_kernel = 4,
                              .norm_groups = 2,
                              .norm_first = false,
                              .eps = 1e-5f,
                              .least_step = 0.001f}));
  EXPECT_EQ(mamba.in_size(), 328);
  EXPECT_EQ(std::get<AttentionSpec>(c->layers[1].mixer).rope, kNoRope);
  EXPECT_EQ(std::get<MlpSpec>(c->layers[2].ffn), (MlpSpec{256, Activation::relu2, false}));
  const auto& experts = std::get<ExpertsSpec>(c->layers[3].ffn);
  EXPECT_EQ(experts.expert, (MlpSpec{64, Activation::relu2, false}));
  EXPECT_EQ(experts.shared, (SharedExpert{{96, Activation::relu2, false}, false}));
  EXPECT_TRUE(experts.scoring == Scoring::sigmoid && experts.correction_bias && experts.norm_topk);
  EXPECT_EQ(experts.weights_scale, 2.5f);
  for (const int l : {0, 1}) EXPECT_TRUE(std::holds_alternative<NoFfn>(c->layers[static_cast<std::size_t>(l)].ffn)) << l;
  for (const int l : {2, 3}) EXPECT_TRUE(std::holds_alternative<NoMixer>(c->layers[static_cast<std::size_t>(l)].mixer)) << l;
}

// transformers reads the list where there is one, other loaders the string.
TEST(HybridFamilies, the_kinds_of_nemotron_h_are_written_as_a_string) {
  const auto plain = nemotron_h().describe();
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  for (const char* key : {"layers_block_type", "layer_types"})
    for (const json::Value& kinds :
         {json::Value{"linear_attention", "full_attention", "mlp", "moe"}, json::Value{"mamba", "attention", "mlp", "moe"}}) {
      FakeModel m = nemotron_h();
      m.config[key] = kinds;
      m.config["hybrid_override_pattern"] = "EEEE";
      const auto model = m.describe();
      ASSERT_TRUE(model.ok()) << model.status().message();
      EXPECT_EQ(model->config["hybrid_override_pattern"], "M*-E");
      EXPECT_EQ(model->config["num_hidden_layers"], 4);
      EXPECT_EQ(model->tensors.size(), plain->tensors.size());
    }
  FakeModel listed = nemotron_h();
  listed.config["hybrid_override_pattern"] = {"M", "*", "-", "E"};
  EXPECT_EQ(listed.describe()->config["hybrid_override_pattern"], "M*-E");
}

TEST(HybridFamilies, kinds_that_nobody_knows_are_corrupt) {
  for (const json::Value& pattern : {json::Value("M*-X"), json::Value(""), json::Value(nullptr), json::Value(4), json::Value{"M", 1}}) {
    FakeModel m = nemotron_h();
    m.config["hybrid_override_pattern"] = pattern;
    EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt) << json::dump(pattern);
  }
  FakeModel m = nemotron_h();
  m.config["layers_block_type"] = {"mamba", "sparse"};
  EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt);
  m = nemotron_h();
  m.config["hybrid_override_pattern"] = "M*--";
  EXPECT_NE(hybrid_refusal(m).find("is missing"), std::string::npos) << hybrid_refusal(m);
  m = granitemoehybrid(true);
  for (const json::Value& types : {json::Value{"mamba"}, json::Value{"mamba", "conv"}, json::Value(3)}) {
    m.config["layer_types"] = types;
    EXPECT_NE(hybrid_refusal(m).find("layer_types"), std::string::npos) << hybrid_refusal(m);
  }
}

// Latents between router and experts, and biases, have no rows: converted by common names, not run.
TEST(HybridFamilies, nemotron_h_with_parts_that_no_row_describes_is_generic) {
  for (const auto& [key, value] :
       {std::pair<const char*, json::Value>{"moe_latent_size", 64}, {"attention_bias", true}, {"mlp_bias", true}}) {
    FakeModel m = nemotron_h();
    m.config[key] = value;
    const auto model = m.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_FALSE(knows_tensors(*model)) << key;
  }
  FakeModel m = nemotron_h();
  m.config["moe_latent_size"] = nullptr;
  EXPECT_TRUE(knows_tensors(*m.describe()));
}

TEST(HybridFamilies, granite_4_adds_an_mlp_to_its_mixture_or_has_it_alone) {
  const auto mixture = hybrid_config(granitemoehybrid(true)), dense = hybrid_config(granitemoehybrid(false));
  ASSERT_TRUE(mixture.ok() && dense.ok()) << mixture.status().message() << dense.status().message();
  const auto& experts = std::get<ExpertsSpec>(mixture->layers[0].ffn);
  EXPECT_EQ(experts.scoring, Scoring::softmax_of_chosen);
  EXPECT_EQ(experts.shared, (SharedExpert{{96, Activation::silu, true, true}, false}));
  EXPECT_EQ(std::get<MlpSpec>(dense->layers[1].ffn), (MlpSpec{96, Activation::silu}));
  const auto& mamba = std::get<MambaSpec>(mixture->layers[0].mixer);
  EXPECT_EQ(mamba.eps, 1e-6f);  // the residual multiplier is not its
  EXPECT_EQ(mixture->norm.eps, 4e-6f);
  EXPECT_EQ(mamba.norm_groups, 2);
  EXPECT_EQ(mamba.most_step, std::numeric_limits<float>::max());
  EXPECT_EQ(std::get<AttentionSpec>(mixture->layers[1].mixer).scale, 0.1f);
}

TEST(HybridFamilies, granite_4_turns_where_its_config_says_rope) {
  for (const auto& [type, written, rope] :
       {std::tuple<json::Value, const char*, int>{"rope", "rope", 0}, {"nope", "nope", kNoRope}, {nullptr, "nope", kNoRope}}) {
    FakeModel m = granitemoehybrid(false);
    m.config["position_embedding_type"] = type;
    const auto c = hybrid_config(m);
    ASSERT_TRUE(c.ok()) << c.status().message();
    EXPECT_EQ(std::get<AttentionSpec>(c->layers[1].mixer).rope, rope);
    EXPECT_EQ(m.describe()->config["position_embedding_type"], written);
  }
}

TEST(HybridFamilies, granite_4_is_written_as_its_loaders_read_it) {
  FakeModel m = granitemoehybrid(false);
  m.config["layer_types"] = {"linear_attention", "full_attention"};
  m.config["mamba_d_head"] = "auto";
  m.config["mamba_expand"] = 1;
  m.config["intermediate_size"] = 4096;  // which its class does not read
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config["layer_types"], (json::Value{"mamba", "attention"}));
  EXPECT_EQ(model->config["mamba_d_head"], 16);
  EXPECT_EQ(model->config["intermediate_size"], 96);
}

TEST(HybridFamilies, limits_of_steps_are_two_numbers_that_every_loader_reads) {
  const json::Value infinity = {{"__float__", "Infinity"}};
  for (const auto& [given, least, most] : {std::tuple<json::Value, double, double>{nullptr, 0, kNoLimit},
                                           {{0.0, infinity}, 0, kNoLimit},
                                           {{0.5, std::numeric_limits<double>::infinity()}, 0.5, kNoLimit},
                                           {{0.001, 100.0}, 0.001, 100}}) {
    FakeModel m = granitemoehybrid(false);
    m.config["time_step_limit"] = given;
    const auto model = m.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(model->config["time_step_limit"], (json::Value{least, most}));
    const auto c = hybrid_config(m);
    ASSERT_TRUE(c.ok()) << c.status().message();
    EXPECT_EQ(std::get<MambaSpec>(c->layers[0].mixer).least_step, static_cast<float>(least));
    EXPECT_EQ(std::get<MambaSpec>(c->layers[0].mixer).most_step, static_cast<float>(most));
  }
  for (const json::Value& bad :
       {json::Value("x"), json::Value::array(), json::Value{1.0}, json::Value{-1.0, 1.0}, json::Value{0.0, "y"}, json::Value{2.0, 1.0}}) {
    FakeModel m = granitemoehybrid(false);
    m.config["time_step_limit"] = bad;
    EXPECT_EQ(hybrid_config(m).status().code(), StatusCode::corrupt) << json::dump(bad);
  }
  FakeModel m = nemotron_h();  // its class holds steps from another number on, and reads no limit
  m.config["time_step_limit"] = {0.5, 2.0};
  m.config["time_step_min"] = 0.25;
  EXPECT_EQ(m.describe()->config["time_step_limit"], (json::Value{0.25, kNoLimit}));
}

TEST(HybridFamilies, numbers_of_a_state_space_are_checked) {
  for (const char* key : {"mamba_n_heads", "mamba_d_head", "mamba_d_state", "mamba_n_groups", "mamba_d_conv"})
    for (const json::Value& bad : {json::Value(0), json::Value(-1), json::Value(1e300), json::Value("x"), json::Value(7)}) {
      FakeModel m = granitemoehybrid(true);
      m.config[key] = bad;
      EXPECT_EQ(m.describe().status().code(), StatusCode::corrupt) << key << " " << json::dump(bad);
    }
}

TEST(HybridFamilies, mamba2_attends_to_nothing) {
  const auto model = mamba2().describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->attention, "none");
  EXPECT_EQ(model->config["intermediate_size"], 128);
  EXPECT_FALSE(model->config.contains("num_key_value_heads"));
  const auto c = hybrid_config(mamba2());
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_TRUE(c->ropes.empty());
  for (const LayerSpec& layer : c->layers) EXPECT_EQ(std::get<MambaSpec>(layer.mixer).in_size(), 328);
  FakeModel m = mamba2();
  m.config["hidden_act"] = "gelu";
  EXPECT_EQ(hybrid_config(m).status().code(), StatusCode::unsupported);
}

// Configs of public models, the keys that decide sizes, and the billions of parameters that their model cards give.
TEST(HybridFamilies, rows_add_up_to_the_sizes_of_public_models) {
  json::Value nano = {{"model_type", "nemotron_h"},
                      {"hybrid_override_pattern", "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"},
                      {"tie_word_embeddings", false}};
  for (const auto& [key, n] : {std::pair{"hidden_size", 2688},
                               {"vocab_size", 131072},
                               {"num_attention_heads", 32},
                               {"num_key_value_heads", 2},
                               {"head_dim", 128},
                               {"mamba_num_heads", 64},
                               {"mamba_head_dim", 64},
                               {"ssm_state_size", 128},
                               {"n_groups", 8},
                               {"n_routed_experts", 128},
                               {"moe_intermediate_size", 1856},
                               {"moe_shared_expert_intermediate_size", 3712}})
    nano[key] = n;
  json::Value tiny = {{"model_type", "granitemoehybrid"}, {"tie_word_embeddings", true}, {"layer_types", json::Value::array()}};
  for (int l = 0; l < 40; ++l) tiny["layer_types"].push_back(l == 5 || l == 15 || l == 25 || l == 35 ? "attention" : "mamba");
  for (const auto& [key, n] : {std::pair{"hidden_size", 1536},
                               {"num_hidden_layers", 40},
                               {"vocab_size", 100352},
                               {"num_attention_heads", 12},
                               {"num_key_value_heads", 4},
                               {"mamba_n_heads", 48},
                               {"mamba_d_head", 64},
                               {"mamba_d_state", 128},
                               {"num_local_experts", 64},
                               {"intermediate_size", 512},
                               {"shared_intermediate_size", 1024}})
    tiny[key] = n;
  for (const auto& [config, billions] : {std::pair{nano, 31.6}, {tiny, 6.94}}) {
    const auto tensors = expected_tensors(config);
    ASSERT_TRUE(tensors.ok()) << tensors.status().message();
    double sum = 0;
    for (const TensorInfo& t : *tensors) sum += static_cast<double>(elements(t.shape));
    EXPECT_NEAR(sum / 1e9, billions, billions / 500) << config["model_type"];
  }
}

// The class of mlx-lm normalises the groups of a state space as one row, Nemotron-H's does not.
TEST(HybridFamilies, groups_that_a_class_normalises_as_one_row_are_said) {
  const auto says = [](const FakeModel& m) {
    const auto model = m.describe();
    EXPECT_TRUE(model.ok()) << model.status().message();
    return std::ranges::any_of(model->warnings, [](const std::string& w) { return w.find("as one row") != std::string::npos; });
  };
  EXPECT_TRUE(says(granitemoehybrid(true)));
  EXPECT_FALSE(says(nemotron_h()));
}

}  // namespace
}  // namespace jang::arch
