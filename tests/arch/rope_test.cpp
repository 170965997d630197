// SPDX-License-Identifier: Apache-2.0
// Inverse frequencies against transformers 5.24 (modeling_rope_utils), head_dim 16, 512 positions; and what is refused.
#include "arch/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace jang::arch {
namespace {

Result<Rope> rope(const json::Value& parameters, const json::Value& text = json::Value::object(), RopeDefaults defaults = {}) {
  if (defaults.max_positions == 0) defaults.max_positions = 512;
  return read_rope(&parameters, text, "rope_theta", 16, defaults);
}

struct Known {
  std::string name;
  json::Value parameters;
  std::vector<float> inv_freq;
  float attention_factor;
};

class RopeTypes : public ::testing::TestWithParam<Known> {};
INSTANTIATE_TEST_SUITE_P(
    Rope, RopeTypes,
    ::testing::Values(
        Known{"linear",
              {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 10000.0}},
              {0.25f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
              1.0f},
        Known{"llama3",
              {{"rope_type", "llama3"},
               {"factor", 8.0},
               {"low_freq_factor", 1.0},
               {"high_freq_factor", 4.0},
               {"original_max_position_embeddings", 64},
               {"rope_theta", 500000.0}},
              {1.0f, 0.079403013f, 0.00470075384f, 0.000911583134f, 0.000176776681f, 3.42810235e-05f, 6.64786967e-06f, 1.28917316e-06f},
              1.0f},
        Known{"llama3_with_equal_factors",
              {{"rope_type", "llama3"},
               {"factor", 16.0},
               {"low_freq_factor", 1.0},
               {"high_freq_factor", 1.0},
               {"original_max_position_embeddings", 64},
               {"rope_theta", 500000.0}},
              {1.0f, 0.193922758f, 0.00235037692f, 0.000455791567f, 8.83883403e-05f, 1.71405118e-05f, 3.32393483e-06f, 6.44586578e-07f},
              1.0f},
        Known{"yarn",
              {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}, {"rope_theta", 10000.0}},
              {1.0f, 0.237170815f, 0.049999997f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
              1.13862944f},
        Known{"yarn_mscale",
              {{"rope_type", "yarn"},
               {"factor", 4.0},
               {"original_max_position_embeddings", 128},
               {"rope_theta", 10000.0},
               {"mscale", 1.0},
               {"mscale_all_dim", 0.5},
               {"beta_fast", 16.0},
               {"beta_slow", 2.0},
               {"truncate", false}},
              {1.0f, 0.212468684f, 0.0256643984f, 0.00790569466f, 0.00249999994f, 0.000790569466f, 0.000250000012f, 7.90569466e-05f},
              1.06482163f}),
    [](const auto& p) { return p.param.name; });

TEST_P(RopeTypes, frequencies_are_those_of_transformers) {
  const auto r = rope(GetParam().parameters);
  ASSERT_TRUE(r.ok()) << r.status().message();
  ASSERT_EQ(r->inv_freq.size(), GetParam().inv_freq.size());
  for (std::size_t j = 0; j < r->inv_freq.size(); ++j) EXPECT_NEAR(r->inv_freq[j] / GetParam().inv_freq[j], 1.0f, 3e-7f) << j;
  EXPECT_FLOAT_EQ(r->attention_factor, GetParam().attention_factor);
}

TEST(Rope, default_type_and_where_theta_stands) {
  const auto bare = read_rope(nullptr, {{"rope_theta", 100.0}}, "rope_theta", 4, {});
  ASSERT_TRUE(bare.ok());
  EXPECT_EQ(bare->inv_freq, (std::vector<float>{1.0f, 0.1f}));
  EXPECT_EQ(bare->type, "default");
  const auto inner = rope({{"rope_type", "default"}, {"rope_theta", 400.0}}, {{"rope_theta", 100.0}});
  ASSERT_TRUE(inner.ok());
  EXPECT_EQ(inner->theta, 400.0);
  const auto old_name = rope({{"type", "linear"}, {"factor", 2.0}});
  ASSERT_TRUE(old_name.ok());
  EXPECT_EQ(old_name->type, "linear");
  EXPECT_EQ(old_name->inv_freq[0], 0.5f);
}

TEST(Rope, partial_rotation_is_read_only_where_the_class_reads_it) {
  const json::Value parameters = {{"partial_rotary_factor", 0.5}};
  EXPECT_EQ(rope(parameters)->dims, 16);
  EXPECT_EQ(rope(parameters, {}, {.reads_partial = true})->dims, 8);
  EXPECT_EQ(rope(json::Value::object(), json::Value::object(), {.partial_factor = 0.25, .reads_partial = true})->dims, 4);
  EXPECT_EQ(rope(json::Value::object(), {{"partial_rotary_factor", 0.5}}, {.reads_partial = true})->dims, 8);
  for (const double bad : {0.0, -1.0, 1.5, 0.0625, 0.2})  // nothing, more than the head, odd
    EXPECT_EQ(rope({{"partial_rotary_factor", bad}}, {}, {.reads_partial = true}).status().code(), StatusCode::corrupt) << bad;
}

// A head of 16 values has 8 pairs.
TEST(Rope, longrope_divides_by_the_short_factors_and_reaches_the_original_context) {
  const json::Value ones = {1, 1, 1, 1, 1, 1, 1, 1}, some = {1, 1, 1.5, 2, 2.5, 3, 3.5, 4};
  const auto longrope = [](const json::Value& shorter, const json::Value& longer) {
    return json::Value{
        {"rope_type", "longrope"}, {"short_factor", shorter}, {"long_factor", longer}, {"original_max_position_embeddings", 4096}};
  };
  const auto plain = rope(json::Value::object());
  const auto scaled = rope(longrope(some, ones), json::Value::object(), {.max_positions = 131072});
  ASSERT_TRUE(plain.ok() && scaled.ok()) << scaled.status().message();
  for (std::size_t j = 0; j < 8; ++j)
    EXPECT_NEAR(scaled->inv_freq[j], plain->inv_freq[j] / some[j].get<float>(), 1e-6f * plain->inv_freq[j]) << j;
  EXPECT_NEAR(scaled->attention_factor, std::sqrt(1 + std::log(32.0) / std::log(4096.0)), 1e-6);
  EXPECT_EQ(scaled->context, 4096);
  EXPECT_EQ(rope(longrope(some, some), json::Value::object(), {.max_positions = 131072})->context, 0) << "one table for all texts";
  for (const json::Value& bad :
       {json::Value(1), json::Value({1, 2, 3}), json::Value({1, 1, 1, 1, 1, 1, 1, 0}), json::Value({1, 1, 1, 1, 1, 1, 1, "x"})}) {
    EXPECT_EQ(rope(longrope(bad, ones)).status().code(), StatusCode::corrupt);
    EXPECT_EQ(rope(longrope(ones, bad)).status().code(), StatusCode::corrupt);
  }
}

TEST(Rope, a_fixed_alpha_stretches_theta_where_the_class_reads_it) {
  const json::Value alpha = {{"rope_type", "dynamic"}, {"alpha", 50.0}};
  const auto stretched = rope(alpha, json::Value::object(), {.fixed_alpha = true});
  ASSERT_TRUE(stretched.ok()) << stretched.status().message();
  EXPECT_NEAR(stretched->theta, 10000 * std::pow(50.0, 16.0 / 14.0), 1e-6 * stretched->theta);
  EXPECT_NEAR(stretched->inv_freq[4], 1 / std::sqrt(stretched->theta), 1e-6 / std::sqrt(stretched->theta));
  EXPECT_EQ(rope(alpha).status().code(), StatusCode::unsupported);
  EXPECT_EQ(rope({{"rope_type", "dynamic"}, {"factor", 2.0}}, json::Value::object(), {.fixed_alpha = true}).status().code(),
            StatusCode::unsupported);
  EXPECT_EQ(rope({{"rope_type", "dynamic"}, {"alpha", 1e11}}, json::Value::object(), {.fixed_alpha = true}).status().code(),
            StatusCode::corrupt);
}

TEST(Rope, dynamic_turns_plainly_up_to_the_length_that_the_model_knows) {
  const auto dynamic = rope({{"rope_type", "dynamic"}, {"factor", 6.0}}, json::Value::object(), {.max_positions = 512});
  ASSERT_TRUE(dynamic.ok()) << dynamic.status().message();
  EXPECT_EQ(dynamic->inv_freq, rope(json::Value::object())->inv_freq);
  EXPECT_EQ(dynamic->context, 512);
}

TEST(Rope, broken_numbers_are_corrupt_and_other_types_unsupported) {
  for (const char* key : {"rope_theta", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "attention_factor"})
    for (const json::Value& bad : {json::Value(0), json::Value(-1), json::Value(1e300), json::Value("x"), json::Value::array()}) {
      json::Value p = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
      p[key] = bad;
      EXPECT_EQ(rope(p).status().code(), StatusCode::corrupt) << key << " " << json::dump(bad);
    }
  EXPECT_EQ(rope({{"rope_type", "yarn"}, {"factor", 2.0}, {"rope_theta", 1.0}}).status().code(), StatusCode::corrupt);
  EXPECT_EQ(rope({{"rope_type", "llama3"}, {"low_freq_factor", 4.5}, {"high_freq_factor", 4.0}}).status().code(), StatusCode::corrupt);
  EXPECT_EQ(rope({{"rope_type", "proportional"}, {"partial_rotary_factor", 1.5}}).status().code(), StatusCode::corrupt);
  EXPECT_EQ(rope(json::Value::array({1})).status().code(), StatusCode::corrupt);
  for (const char* type : {"dynamic", "axial", ""}) {
    const Status s = rope({{"rope_type", type}}).status();
    EXPECT_EQ(s.code(), StatusCode::unsupported);
    EXPECT_NE(s.message().find(json::quote(type)), std::string::npos) << s.message();
  }
}

}  // namespace
}  // namespace jang::arch
