// SPDX-License-Identifier: Apache-2.0
// What a class of mlx-lm builds from a config, against the tensors at hand: formulas of shapes, biases, keys, kinds of layers.
#include <gtest/gtest.h>

#include "../../../arch/fake_model.h"
#include "format/targets/mlx/class_fit.h"
#include "format/targets/mlx/class_lookup.h"

namespace jang::targets::mlx {
namespace {

using namespace arch;
using namespace arch::testing;

const json::Value kNumbers = {
    {"hidden_size", 64}, {"num_attention_heads", 4}, {"head_dim", 32}, {"huge", std::int64_t{1} << 40}, {"word", "x"}};

TEST(MlxFit, formulas_are_sums_of_products_and_quotients) {
  const auto value = [](std::string_view formula) { return dimension(formula, kNumbers, kNumbers); };
  EXPECT_EQ(value("hidden_size"), 64);
  EXPECT_EQ(value("num_attention_heads*head_dim"), 128);
  EXPECT_EQ(value("num_attention_heads*head_dim+2*num_key_value_heads*head_dim"), 384);
  EXPECT_EQ(value("3*hidden_size/num_attention_heads"), 48);
  EXPECT_EQ(value("num_key_value_heads!*head_dim!"), std::nullopt);
  EXPECT_EQ(value("num_attention_heads!*head_dim!"), 128);
  EXPECT_EQ(value("hidden_size/head_dim/head_dim"), std::nullopt);
  for (const char* unknown : {"missing", "huge", "word", "hidden_size*missing", "hidden_size/missing"})
    EXPECT_EQ(value(unknown), std::nullopt) << unknown;
}

TEST(MlxFit, absent_heads_are_derived) {
  const json::Value numbers = {{"hidden_size", 64}, {"num_attention_heads", 4}, {"num_key_value_heads", nullptr}};
  EXPECT_EQ(dimension("num_key_value_heads*head_dim", numbers, numbers), 64);
  EXPECT_EQ(dimension("head_dim", json::Value::object(), json::Value::object()), std::nullopt);
}

// A decoder of one layer with heads of `head` values, of a class that derives their width.
FakeModel minicpm(int head) {
  FakeModel m{dense_config("minicpm", 1), {}};
  m.config["head_dim"] = head;
  m.config["attention_bias"] = true;  // no row of the family follows it
  m.config["max_position_embeddings"] = 64;
  for (const auto& [key, n] : {std::pair{"dim_model_base", 32.0}, {"scale_depth", 1.4}, {"scale_emb", 12.0}}) m.config[key] = n;
  add_ends(&m, "model", true);
  const std::string layer = "model.layers.0";
  m.add(layer + ".self_attn.q_proj.weight", {4 * head, 128});
  m.add(layer + ".self_attn.k_proj.weight", {2 * head, 128});
  m.add(layer + ".self_attn.v_proj.weight", {2 * head, 128});
  m.add(layer + ".self_attn.o_proj.weight", {128, 4 * head});
  add_mlp(&m, layer + ".mlp");
  add_norms(&m, layer);
  return m;
}

std::string refusal(const FakeModel& m) {
  const auto model = m.describe();
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? model->refusal : "not described";
}

TEST(MlxFit, heads_that_the_class_does_not_make_are_refused) {
  EXPECT_EQ(refusal(minicpm(32)), "");
  EXPECT_NE(refusal(minicpm(64)).find("'minicpm' makes it [128, 128]: it has heads of hidden_size / num_attention_heads"),
            std::string::npos)
      << refusal(minicpm(64));
  FakeModel silent = minicpm(64);  // the config says what the class makes, the tensors are others
  silent.config["head_dim"] = 32;
  EXPECT_NE(refusal(silent).find("makes it [128, 128]"), std::string::npos);
  FakeModel qwen2 = dense("qwen2", 1);
  EXPECT_EQ(refusal(qwen2), "");
  qwen2.config["head_dim"] = 64;
  for (TensorInfo& t : qwen2.tensors)
    if (t.name.find("self_attn") != std::string::npos) t.shape[t.name.ends_with("o_proj.weight") ? 1 : 0] *= 2;
  EXPECT_NE(refusal(qwen2).find("head_dim"), std::string::npos) << refusal(qwen2);
}

TEST(MlxFit, heads_that_the_class_reads_may_have_any_width) {
  FakeModel m = minicpm(64);
  m.config["model_type"] = "mellum";
  EXPECT_EQ(refusal(m).find("makes it"), std::string::npos) << refusal(m);
}

TEST(MlxFit, a_bias_that_the_class_demands_must_be_there) {
  FakeModel m{dense_config("phimoe", 1), {}};
  add_ends(&m, "model", true);
  add_attention(&m, "model.layers.0");
  EXPECT_NE(refusal(m).find("demands tensor 'model.layers.0.self_attn."), std::string::npos) << refusal(m);
  for (const char* p : {"q", "k", "v", "o"})
    m.add(std::string("model.layers.0.self_attn.") + p + "_proj.bias", {p[0] == 'k' || p[0] == 'v' ? 64 : 128});
  m.add("lm_head.bias", {512});
  EXPECT_EQ(refusal(m).find("demands tensor"), std::string::npos) << refusal(m);
}

TEST(MlxFit, a_bias_that_the_class_never_takes_is_refused) {
  FakeModel m = minicpm(32);
  m.add("model.layers.0.self_attn.o_proj.bias", {128});
  EXPECT_NE(refusal(m).find("no place for tensor 'model.layers.0.self_attn.o_proj.bias' [128]"), std::string::npos) << refusal(m);
}

TEST(MlxFit, keys_that_must_hold_something) {
  FakeModel m{dense_config("deepseek_v32", 1), {}};
  m.config["n_routed_experts"] = 4;
  add_ends(&m, "model", true);
  m.config["q_lora_rank"] = nullptr;
  EXPECT_NE(refusal(m).find("q_lora_rank"), std::string::npos) << refusal(m);
  m.config["q_lora_rank"] = 24;
  EXPECT_EQ(refusal(m).find("q_lora_rank"), std::string::npos) << refusal(m);
}

TEST(MlxFit, null_numbers_become_what_the_class_would_derive) {
  FakeModel m{dense_config("glm", 1), {}};
  m.config["num_key_value_heads"] = nullptr;
  m.config["attention_bias"] = m.config["mlp_bias"] = false;
  m.config["max_position_embeddings"] = 64;
  add_ends(&m, "model", true);
  const auto model = m.describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->refusal, "");
  EXPECT_EQ(model->config["num_key_value_heads"], 4);
}

TEST(MlxFit, both_kinds_of_layers_are_asked_for_where_the_class_asks) {
  const ModelClass* jamba = find_class("jamba", true);
  ASSERT_NE(jamba, nullptr);
  json::Value config = {{"num_hidden_layers", 4}};
  for (const std::string_view key : jamba->required)
    if (!config.contains(std::string(key))) config[std::string(key)] = 1;
  const auto one_kind = [&] { return config_refusal(*jamba, config).find("layers of both kinds") != std::string::npos; };
  config["attn_layer_period"] = 2;
  EXPECT_FALSE(one_kind()) << config_refusal(*jamba, config);
  config["attn_layer_period"] = 1;
  config["attn_layer_offset"] = 0;
  EXPECT_TRUE(one_kind());
  config["attn_layer_offset"] = 7;
  config["attn_layer_period"] = 8;
  EXPECT_TRUE(one_kind());
  config["layers_block_type"] = {"mamba", "attention", "mamba", "mamba"};
  EXPECT_FALSE(one_kind());
}

// Every formula is one that the reader understands.
TEST(MlxFit, every_formula_of_the_table_has_a_value) {
  const json::Value numbers = {{"hidden_size", 64}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"head_dim", 16}};
  std::size_t n = 0;
  for (const ModelClass& c : model_classes())
    for (const ClassShape& s : c.shapes) {
      ++n;
      EXPECT_GT(dimension(s.rows, numbers, numbers).value_or(0), 0) << c.name << " " << s.rows;
      if (!s.columns.empty()) {
        EXPECT_GT(dimension(s.columns, numbers, numbers).value_or(0), 0) << c.name << " " << s.columns;
      }
    }
  EXPECT_GT(n, 100u);
}

}  // namespace
}  // namespace jang::targets::mlx
