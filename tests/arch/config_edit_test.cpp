// SPDX-License-Identifier: Apache-2.0
// Configs in one spelling: rope keys, layer patterns, defaults, and nothing else changed.
#include "arch/config_edit.h"

#include <gtest/gtest.h>

#include "arch/describe.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

TEST(ConfigEdit, keeps_order_and_unknown_keys) {
  FakeModel m = dense("llama");
  m.config = json::Value{{"zeta", 1}, {"alpha", {{"b", 2}, {"a", 1}}}};
  const json::Value rest = dense_config("llama", 2);
  for (const auto& [key, value] : rest.items()) m.config[key] = value;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(json::dump(model->config), json::dump(m.config));
}

TEST(ConfigEdit, rope_parameters_are_spelt_out) {
  FakeModel m = dense("llama");
  m.config.erase("rope_theta");
  m.config["rope_parameters"] = {{"rope_theta", 500000.0}, {"rope_type", "llama3"}, {"factor", 8.0}};
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->config["rope_theta"], 500000.0);
  EXPECT_EQ(json::dump(model->config["rope_scaling"]), R"({"rope_type":"llama3","factor":8.0})");
  EXPECT_TRUE(model->config.contains("rope_parameters"));
}

TEST(ConfigEdit, default_rope_has_no_scaling) {
  json::Value text = {{"rope_parameters", {{"rope_theta", 1e6}, {"rope_type", "default"}}}};
  ASSERT_TRUE(flatten_rope(&text).ok());
  EXPECT_FALSE(text.contains("rope_scaling"));
  EXPECT_EQ(text["rope_theta"], 1e6);

  text["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", "wide"}};
  ASSERT_TRUE(flatten_rope(&text).ok());
  EXPECT_EQ(text["rope_theta"], "wide");  // for the reader to refuse, not lost
}

TEST(ConfigEdit, rope_by_layer_type_gives_two_bases) {
  json::Value text = {{"rope_parameters",
                       {{"full_attention", {{"rope_theta", 1e6}, {"rope_type", "linear"}, {"factor", 8.0}}},
                        {"sliding_attention", {{"rope_theta", 1e4}, {"rope_type", "default"}}}}}};
  ASSERT_TRUE(flatten_rope_by_layer_type(&text).ok());
  EXPECT_EQ(text["rope_theta"], 1e6);
  EXPECT_EQ(text["rope_local_base_freq"], 1e4);
  EXPECT_EQ(text["rope_scaling"]["factor"], 8.0);
}

TEST(ConfigEdit, rope_parameters_of_wrong_type_are_corrupt) {
  json::Value text = {{"rope_parameters", 3}};
  EXPECT_EQ(flatten_rope(&text).code(), StatusCode::corrupt);
  EXPECT_EQ(flatten_rope_by_layer_type(&text).code(), StatusCode::corrupt);
}

TEST(ConfigEdit, period_comes_from_layer_types) {
  json::Value text = {{"num_hidden_layers", 5}, {"layer_types", {"s", "f", "s", "f", "s"}}};
  ASSERT_TRUE(period_from_layer_types(&text, "f", "period").ok());
  EXPECT_EQ(text["period"], 2);
}

TEST(ConfigEdit, layer_types_without_period_are_unsupported) {
  json::Value text = {{"num_hidden_layers", 4}, {"layer_types", {"s", "f", "f", "s"}}};
  EXPECT_EQ(period_from_layer_types(&text, "f", "period").code(), StatusCode::unsupported);
}

TEST(ConfigEdit, layer_types_of_wrong_length_are_corrupt) {
  json::Value text = {{"num_hidden_layers", 4}, {"layer_types", {"s", "f"}}};
  EXPECT_EQ(period_from_layer_types(&text, "f", "period").code(), StatusCode::corrupt);
  text["layer_types"] = "f";
  EXPECT_EQ(period_from_layer_types(&text, "f", "period").code(), StatusCode::corrupt);
}

TEST(ConfigEdit, num_local_experts_is_num_experts) {
  FakeModel m = qwen3_moe(Experts::each);
  m.config.erase("num_experts");
  m.config["num_local_experts"] = 4;
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config["num_experts"], 4);
  EXPECT_EQ(model->n_experts, 4);
}

TEST(ConfigEdit, keys_the_class_demands_are_written) {
  const auto model = qwen3_moe(Experts::each).describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->config["decoder_sparse_step"], 1);
  EXPECT_EQ(model->config["norm_topk_prob"], false);
}

TEST(ConfigEdit, silent_keys_get_the_values_transformers_assumes) {
  FakeModel m = dense("qwen2");
  m.config.erase("rope_theta");
  m.config.erase("rms_norm_eps");
  const auto model = m.describe();
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config["rope_theta"], 10000.0);
  EXPECT_EQ(model->config["rms_norm_eps"], 1e-6);
}

TEST(ConfigEdit, gemma_wrapper_gets_the_vocabulary_at_the_top) {
  for (const NamedModel& m : all_models()) {
    if (m.name != "gemma3") continue;
    const auto model = m.model.describe();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(model->config["vocab_size"], 512);
    return;
  }
  FAIL() << "no gemma3 model";
}

}  // namespace
}  // namespace jang::arch
