// SPDX-License-Identifier: Apache-2.0
// What is said when the MLX class of a family computes otherwise than the config asks; and silence where it does not.
#include <gtest/gtest.h>

#include "../../../arch/fake_model.h"

namespace jang::targets::mlx {
namespace {

using namespace arch;
using namespace arch::testing;

struct Case {
  std::string name, family;
  json::Value keys;
  std::string said;  // part of the warning; empty: silence
};

FakeModel model_of(const std::string& family) {
  for (const NamedModel& m : all_models())
    if (m.name == family) return m.model;
  return dense(family);
}

class Differences : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Mlx, Differences,
    ::testing::Values(
        Case{"gelu_llama", "llama", {{"hidden_act", "gelu"}}, "activation \"gelu\""},
        Case{"tanh_mistral", "mistral", {{"hidden_act", "gelu_pytorch_tanh"}}, "activation"},
        Case{"relu_qwen2", "qwen2", {{"hidden_act", "relu"}}, "activation"},
        Case{"gelu_gemma", "gemma3_text", {{"hidden_activation", "gelu"}}, "activation"},
        Case{"exact_gemma", "gemma", json::Value::object(), "always computes gelu"},
        Case{"window_gemma2", "gemma2", {{"max_position_embeddings", 512}}, "sliding window of 16"},
        Case{"exact_starcoder2", "starcoder2", {{"sliding_window", nullptr}}, "always computes gelu"},
        Case{"approximated_gpt_neox", "gpt_neox", json::Value::object(), "always computes gelu_pytorch_tanh"},
        Case{"window_cohere2", "cohere2", {{"max_position_embeddings", 512}}, ""},
        Case{"swish_is_silu", "llama", {{"hidden_act", "swish"}}, ""}, Case{"silu_llama", "llama", {{"hidden_act", "silu"}}, ""},
        Case{"tanh_gemma", "gemma3_text", {{"hidden_activation", "gelu_pytorch_tanh"}}, ""},
        Case{"other_key_gemma", "gemma3_text", {{"hidden_act", "gelu"}}, ""},
        Case{"window_mistral", "mistral", {{"sliding_window", 64}, {"max_position_embeddings", 512}}, "sliding window of 64"},
        Case{"null_window_mistral", "mistral", {{"sliding_window", nullptr}, {"max_position_embeddings", 512}}, ""},
        Case{"wide_window_mistral", "mistral", {{"sliding_window", 512}, {"max_position_embeddings", 512}}, ""},
        Case{"window_qwen2",
             "qwen2",
             {{"sliding_window", 64}, {"use_sliding_window", true}, {"max_position_embeddings", 512}},
             "sliding window of 64"},
        Case{"unused_window_qwen2", "qwen2", {{"sliding_window", 64}, {"use_sliding_window", false}}, ""},
        Case{"softcap_gemma", "gemma3_text", {{"final_logit_softcapping", 30.0}}, "final_logit_softcapping"},
        Case{"attention_softcap_gemma", "gemma3_text", {{"attn_logit_softcapping", 50.0}}, ""},
        Case{"null_softcap_gemma", "gemma3_text", {{"final_logit_softcapping", nullptr}}, ""},
        Case{"bidirectional_gemma", "gemma3_text", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention"},
        Case{"yarn_attention_factor",
             "llama",
             {{"rope_scaling",
               {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}, {"attention_factor", 1.5}}}},
             "attention_factor"},
        Case{"yarn_truncate",
             "llama",
             {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}, {"truncate", false}}}},
             "truncate"},
        Case{"plain_yarn",
             "llama",
             {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}}}},
             ""},
        Case{"sliding_rope_gemma",
             "gemma3_text",
             {{"rope_parameters",
               {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 1e6}}},
                {"sliding_attention", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 1e4}}}}}},
             "sliding layers"},
        Case{"longrope_llama",
             "llama",
             {{"rope_scaling",
               {{"rope_type", "longrope"},
                {"original_max_position_embeddings", 4096},
                {"short_factor", {1.0, 1.0}},
                {"long_factor", {1.0, 4.0}}}}},
             "at most 4096 tokens"},
        Case{"longrope_factor_llama",
             "llama",
             {{"rope_scaling",
               {{"type", "longrope"},
                {"original_max_position_embeddings", 4096},
                {"short_factor", {1.0}},
                {"long_factor", {1.0}},
                {"attention_factor", 1.2}}}},
             "attention_factor"},
        Case{"longrope_of_one_table_llama",
             "llama",
             {{"rope_scaling",
               {{"rope_type", "longrope"}, {"original_max_position_embeddings", 4096}, {"short_factor", {1.0}}, {"long_factor", {1.0}}}}},
             ""},
        Case{"traditional_llama", "llama", {{"rope_traditional", true}}, "rope_traditional"}),
    [](const auto& p) { return p.param.name; });

TEST_P(Differences, are_said) {
  FakeModel m = model_of(GetParam().family);
  for (const auto& [key, value] : GetParam().keys.items()) m.config[key] = value;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::string all;
  for (const std::string& w : model->warnings) all += w + "\n";
  if (GetParam().said.empty())
    EXPECT_EQ(all, "");
  else
    EXPECT_NE(all.find(GetParam().said), std::string::npos) << all;
}

TEST(Differences, a_mixture_without_scaled_rope_says_so) {
  FakeModel m = qwen3_moe(Experts::each);
  m.config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  ASSERT_EQ(model->warnings.size(), 1u);
  EXPECT_NE(model->warnings[0].find("plain RoPE only"), std::string::npos);
}

// Classes with a fixed output head, or none, or an MLP of one width.
TEST(Differences, a_head_or_a_width_that_the_class_does_not_expect_is_refused) {
  FakeModel tied = model_of("glm4"), untied = model_of("gemma2");
  tied.config["tie_word_embeddings"] = true;
  tied.remove("lm_head.weight");
  untied.config["tie_word_embeddings"] = false;
  untied.add("lm_head.weight", {512, 128});
  for (const FakeModel& m : {tied, untied}) {
    const auto model = m.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_NE(model->refusal.find("output head"), std::string::npos) << model->refusal;
  }
  FakeModel narrow = model_of("gpt_neox");
  EXPECT_TRUE(narrow.describe()->refusal.empty());
  narrow.config["intermediate_size"] = 64;
  for (TensorInfo& t : narrow.tensors)
    for (std::int64_t& n : t.shape)
      if (n == 512 && t.name.find(".mlp.") != std::string::npos) n = 64;
  EXPECT_NE(narrow.describe()->refusal.find("intermediate_size of 64"), std::string::npos);
  for (const char* family : {"glm4", "gemma2"}) EXPECT_TRUE(model_of(family).describe()->refusal.empty());
}

TEST(Differences, a_class_that_wants_layers_of_both_kinds_refuses_one_kind) {
  for (const char* family : {"olmo3", "exaone4"}) {
    FakeModel m = model_of(family);
    EXPECT_TRUE(m.describe()->refusal.empty()) << family << ": " << m.describe()->refusal;
    m.config["layer_types"] = {"sliding_attention", "sliding_attention"};
    EXPECT_NE(m.describe()->refusal.find("both kinds"), std::string::npos) << family;
    m.config.erase("layer_types");
    m.config.erase("sliding_window_pattern");  // two layers of a period of four
    EXPECT_NE(m.describe()->refusal.find("both kinds"), std::string::npos) << family;
  }
}

TEST(Differences, lfm2_wants_a_convolution_and_attention) {
  FakeModel m = model_of("lfm2");
  EXPECT_EQ(m.describe()->refusal, "");
  EXPECT_EQ(m.describe()->config["full_attn_idxs"], json::Value::array({1}));
  std::erase_if(m.tensors, [](const TensorInfo& t) { return t.name.starts_with("model.layers.1."); });
  m.config["num_hidden_layers"] = 1;
  m.config["layer_types"] = json::Value::array({"conv"});
  EXPECT_NE(m.describe()->refusal.find("with a convolution and without"), std::string::npos) << m.describe()->refusal;
}

TEST(Differences, a_rope_type_that_ends_the_load_is_refused) {
  FakeModel m = model_of("internlm3");
  m.config["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 6.0}};
  EXPECT_EQ(m.describe()->refusal, "");
  for (const json::Value& scaling :
       {json::Value{{"rope_type", "llama3"}, {"factor", 8.0}}, json::Value{{"type", "dynamic"}, {"factor", 6.0}}}) {
    m.config["rope_scaling"] = scaling;
    EXPECT_NE(m.describe()->refusal.find("takes linear and dynamic"), std::string::npos) << m.describe()->refusal;
  }
}

TEST(Differences, biases_that_the_class_demands_are_asked_for) {
  FakeModel m = model_of("starcoder2");
  m.config["use_bias"] = false;
  m.config["attention_bias"] = true;  // the class does not read it
  std::erase_if(m.tensors, [](const TensorInfo& t) { return t.name.ends_with("bias") && t.name.find("norm") == std::string::npos; });
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_NE(model->refusal.find("have no biases"), std::string::npos) << model->refusal;
}

TEST(Differences, an_unknown_rope_type_is_refused) {
  FakeModel m = dense("llama");
  m.config["rope_scaling"] = {{"rope_type", "spiral"}, {"factor", 4.0}};
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_NE(model->refusal.find("spiral"), std::string::npos);
}

TEST(Differences, a_rope_without_what_its_type_demands_is_refused) {
  const std::pair<const char*, const char*> types[] = {
      {"linear", "factor"}, {"yarn", "factor"}, {"llama3", "factor"}, {"longrope", "original_max_position_embeddings"}};
  for (const auto& [type, key] : types) {
    FakeModel m = dense("llama");
    m.config["rope_scaling"] = {{"rope_type", type}, {"short_factor", {1.0}}, {"long_factor", {1.0}}};
    const auto refused = m.describe();
    ASSERT_TRUE(refused.ok());
    EXPECT_NE(refused->refusal.find(key), std::string::npos) << type << ": " << refused->refusal;
    m.config["rope_scaling"][key] = 8.0;
    EXPECT_EQ(m.describe()->refusal, "") << type;
  }
}

}  // namespace
}  // namespace jang::targets::mlx
