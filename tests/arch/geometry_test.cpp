// SPDX-License-Identifier: Apache-2.0
// Config numbers as dimensions: derived sizes, which layers are what, and refusals before anything is sized by a number.
#include <gtest/gtest.h>

#include "arch/family.h"
#include "arch/geometry.h"
#include "fake_model.h"

namespace jang::arch {
namespace {

using namespace testing;

TEST(Geometry, derives_attention_sizes) {
  const auto g = read_geometry(dense_config("llama", 2), 0);
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->size(Dim::q), 128);
  EXPECT_EQ(g->size(Dim::q_gated), 256);
  EXPECT_EQ(g->size(Dim::kv), 64);
  EXPECT_EQ(g->size(Dim::ffn), 256);
}

TEST(Geometry, head_dim_defaults_to_hidden_over_heads) {
  json::Value config = dense_config("llama", 2);
  config["head_dim"] = nullptr;
  config.erase("num_key_value_heads");
  const auto g = read_geometry(config, 0);
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->size(Dim::head), 32);
  EXPECT_EQ(g->size(Dim::kv), 128);
  config["num_attention_heads"] = 3;
  EXPECT_EQ(read_geometry(config, 0).status().code(), StatusCode::corrupt);
}

TEST(Geometry, missing_number_is_named) {
  json::Value config = dense_config("llama", 2);
  config.erase("vocab_size");
  const auto g = read_geometry(config, 0);
  ASSERT_FALSE(g.ok());
  EXPECT_NE(g.status().message().find("vocab_size"), std::string::npos);
}

TEST(Geometry, kv_heads_must_divide_heads) {
  json::Value config = dense_config("llama", 2);
  config["num_key_value_heads"] = 3;
  EXPECT_EQ(read_geometry(config, 0).status().code(), StatusCode::corrupt);
}

TEST(Geometry, sparse_layers_follow_step_and_list) {
  json::Value config = qwen3_moe(Experts::each).config;
  config["num_hidden_layers"] = 6;
  config["decoder_sparse_step"] = 2;
  config["mlp_only_layers"] = {3};
  const auto g = read_geometry(config, kReadsMoe | kReadsSparseStep);
  ASSERT_TRUE(g.ok()) << g.status().message();
  const bool moe[] = {false, true, false, false, false, true};
  for (int l = 0; l < 6; ++l) {
    EXPECT_EQ(g->has(When::moe_layer, l), moe[l]) << l;
    EXPECT_EQ(g->has(When::dense_layer, l), !moe[l]) << l;
  }
}

TEST(Geometry, dense_layer_list_is_checked) {
  json::Value config = qwen3_moe(Experts::each).config;
  for (const json::Value& bad : {json::Value(3), json::Value::array({-1}), json::Value::array({2}), json::Value::array({"0"}),
                                 json::Value::array({18446744073709551615ull})}) {
    config["mlp_only_layers"] = bad;
    EXPECT_EQ(read_geometry(config, kReadsMoe | kReadsSparseStep).status().code(), StatusCode::corrupt) << json::dump(bad);
  }
}

TEST(Geometry, linear_attention_fills_the_interval) {
  json::Value config = qwen3_5(false, false).config;
  config["full_attention_interval"] = 2;
  const auto g = read_geometry(config, kReadsDelta);
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_TRUE(g->has(When::delta_layer, 0));
  EXPECT_TRUE(g->has(When::attention_layer, 1));
  EXPECT_EQ(g->size(Dim::delta_qkv), 2 * 2 * 32 + 4 * 16);
}

TEST(Geometry, one_wide_convolution_is_refused) {
  json::Value config = qwen3_5(false, false).config;
  config["linear_conv_kernel_dim"] = 1;  // [C, 1, 1] would not show which layout it is in
  EXPECT_EQ(read_geometry(config, kReadsDelta).status().code(), StatusCode::corrupt);
}

TEST(Geometry, attention_kinds_by_head_counts) {
  EXPECT_EQ(attention_kind(8, 8), "mha");
  EXPECT_EQ(attention_kind(8, 2), "gqa");
  EXPECT_EQ(attention_kind(8, 1), "mqa");
}

}  // namespace
}  // namespace jang::arch
