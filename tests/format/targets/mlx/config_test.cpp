// SPDX-License-Identifier: Apache-2.0
// What a bundle's config says to mlx-lm's class beyond what transformers wrote.
#include "format/targets/mlx/config.h"

#include <gtest/gtest.h>

#include "../../../arch/fake_model.h"

namespace jang::targets::mlx {
namespace {

using namespace arch::testing;

TEST(MlxConfig, ids_come_up_from_text_config) {
  const auto model = qwen3_5(false, true).describe();
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->config["eos_token_id"], 7);
  EXPECT_FALSE(model->config.contains("bos_token_id"));
  EXPECT_EQ(model->config["text_config"]["full_attention_interval"], 4);
  EXPECT_TRUE(model->config.contains("vision_config"));
}

TEST(MlxConfig, text_model_type_becomes_the_class_mlx_knows) {
  EXPECT_EQ(qwen3_5(false, false).describe().value().config["model_type"], "qwen3_5");
  EXPECT_EQ(qwen3_5(true, false).describe().value().config["model_type"], "qwen3_5_moe");
}

TEST(MlxConfig, quantization_objects_are_removed) {
  json::Value config = {{"a", 1}, {"quantization_config", {{"x", 1}}}, {"text_config", {{"quantization", {}}, {"eos_token_id", {1, 2}}}}};
  drop_quantization_and_lift_ids(&config);
  EXPECT_EQ(json::dump(config), R"({"a":1,"text_config":{"eos_token_id":[1,2]},"eos_token_id":[1,2]})");
}

}  // namespace
}  // namespace jang::targets::mlx
