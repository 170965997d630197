// SPDX-License-Identifier: Apache-2.0
// What a config promises is what checkpoints of it hold: for every listed family the model described from the expected tensors equals the
// one described from a checkpoint's own list.
#include "arch/expected.h"

#include <gtest/gtest.h>

#include <map>

#include "fake_model.h"

namespace jang::arch::testing {
namespace {

using Tensors = std::map<std::string, std::pair<Shape, Role>>;

Tensors tensors_of(const Model& model) {
  Tensors found;
  for (const OutTensor& t : model.tensors)
    if (t.role != Role::vision) found[t.name] = {t.shape, t.role};  // no table lists the parts of a tower
  return found;
}

TEST(ExpectedTensors, are_those_of_a_checkpoint_for_every_family) {
  ASSERT_FALSE(all_models().empty());
  for (const NamedModel& m : all_models()) {
    SCOPED_TRACE(m.name);
    const auto expected = expected_tensors(m.model.config);
    ASSERT_TRUE(expected.ok()) << expected.status().message();
    const auto described = targets::describe_source(m.model.config, *expected);
    ASSERT_TRUE(described.ok()) << described.status().message();
    EXPECT_EQ(tensors_of(*described), tensors_of(m.model.describe().value()));
  }
}

TEST(ExpectedTensors, fused_experts_share_a_decision_where_published_checkpoints_fuse_them) {
  const FakeModel fused = qwen3_5(true, true), each = qwen3_moe(Experts::each);
  const Model a = targets::describe_source(fused.config, expected_tensors(fused.config).value()).value();
  const Model b = targets::describe_source(each.config, expected_tensors(each.config).value()).value();
  const auto unit = [](const Model& model, Role role) {
    for (const OutTensor& t : model.tensors)
      if (t.role == role) return t.unit;
    return std::string();
  };
  EXPECT_EQ(unit(a, Role::expert_gate), unit(a, Role::expert_up));
  EXPECT_NE(unit(b, Role::expert_gate), unit(b, Role::expert_up));
}

TEST(ExpectedTensors, a_tied_config_has_no_head) {
  json::Value config = dense_config("llama", 2);
  const auto has_head = [&] {
    const auto tensors = expected_tensors(config).value();
    return std::ranges::any_of(tensors, [](const TensorInfo& t) { return t.name == "lm_head.weight"; });
  };
  EXPECT_TRUE(has_head());
  config["tie_word_embeddings"] = true;
  EXPECT_FALSE(has_head());
}

TEST(ExpectedTensors, the_type_is_the_configs) {
  json::Value config = dense_config("llama", 1);
  EXPECT_EQ(expected_tensors(config)->front().dtype, DType::bf16);
  config["torch_dtype"] = "float16";
  EXPECT_EQ(expected_tensors(config)->front().dtype, DType::f16);
  config["dtype"] = "float32";
  EXPECT_EQ(expected_tensors(config)->front().dtype, DType::f32);
}

TEST(ExpectedTensors, an_unlisted_family_is_refused_by_name_with_what_helps) {
  const auto refused = expected_tensors({{"model_type", "mamba9"}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::unsupported);
  EXPECT_NE(refused.status().message().find("mamba9"), std::string::npos);
  EXPECT_NE(refused.status().message().find("jang plan"), std::string::npos);
}

TEST(ExpectedTensors, every_number_out_of_range_or_missing_is_refused_by_name) {
  for (const NamedModel& m : all_models()) {
    const bool wrapped = m.model.config.contains("text_config");
    for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
      SCOPED_TRACE(m.name + " " + key);
      // The first counts the kinds of its layers, the second attends to nothing.
      if (m.name == (std::string_view(key) == "num_hidden_layers"     ? "nemotron_h"
                     : std::string_view(key) == "num_attention_heads" ? "mamba2"
                                                                      : ""))
        continue;
      json::Value config = m.model.config;
      (wrapped ? config["text_config"] : config)[key] = -1;
      const auto refused = expected_tensors(config);
      ASSERT_FALSE(refused.ok());
      EXPECT_NE(refused.status().message().find(key), std::string::npos) << refused.status().message();
    }
  }
}

TEST(ExpectedTensors, a_model_larger_than_any_file_is_refused) {
  json::Value config = dense_config("llama", 10000);
  config["hidden_size"] = 1 << 20;
  config["intermediate_size"] = 1 << 24;
  const auto refused = expected_tensors(config);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::corrupt);
}

}  // namespace
}  // namespace jang::arch::testing
