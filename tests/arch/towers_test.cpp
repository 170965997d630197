// SPDX-License-Identifier: Apache-2.0
// Towers by their configs: sizes of published models, what is missing under any spelling, and numbers that are none. The oracle
// wrapper_estimate compares names and shapes with checkpoints that transformers made.
#include "arch/towers.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace jang::arch {
namespace {

std::int64_t weights_of(const json::Value& config) {
  std::int64_t n = 0;
  const std::vector<TensorInfo> tensors = expected_towers(config, DType::bf16).value();
  for (const TensorInfo& t : tensors) n += elements(t.shape);
  return n;
}

json::Value gemma3() {
  return {{"model_type", "gemma3"},
          {"text_config", {{"hidden_size", 2560}}},
          {"vision_config",
           {{"hidden_size", 1152}, {"image_size", 896}, {"intermediate_size", 4304}, {"num_hidden_layers", 27}, {"patch_size", 14}}}};
}

TEST(Towers, of_published_configs_have_their_sizes) {
  // Gemma 3's technical report: a SigLIP of 417 million (the model cards say 0.4B); here with the projector of the 4B.
  EXPECT_NEAR(static_cast<double>(weights_of(gemma3())), 417e6 + 1152 * 2560, 4e6);
  const json::Value pixtral = {
      {"model_type", "mistral3"},
      {"spatial_merge_size", 2},
      {"text_config", {{"hidden_size", 5120}}},
      {"vision_config", {{"hidden_size", 1024}, {"intermediate_size", 4096}, {"num_hidden_layers", 24}, {"patch_size", 14}}}};
  const std::int64_t projector = std::int64_t{1024} + 4 * 1024 * 1024 + 1024 * 5120 + 5120 * 5120;
  EXPECT_NEAR(static_cast<double>(weights_of(pixtral) - projector), 403e6, 2e6);  // Pixtral's encoder: 0.4B
}

TEST(Towers, where_nobody_listed_one_or_there_is_none) {
  EXPECT_TRUE(expected_towers({{"model_type", "llama"}}, DType::bf16)->empty());
  EXPECT_TRUE(expected_towers({{"model_type", "gemma3"}, {"vision_config", nullptr}}, DType::bf16)->empty());
  EXPECT_TRUE(expected_towers({{"model_type", "glm4v"}, {"vision_config", {{"hidden_size", 8}}}}, DType::bf16)->empty());
  EXPECT_TRUE(expected_towers(json::Value::array(), DType::bf16)->empty());
}

TEST(Towers, numbers_that_are_none_are_refused) {
  for (const json::Value& bad : {json::Value("wide"), json::Value(0), json::Value(-3), json::Value(1e18)}) {
    json::Value config = gemma3();
    config["vision_config"]["hidden_size"] = bad;
    EXPECT_EQ(expected_towers(config, DType::bf16).status().code(), StatusCode::corrupt) << bad.dump();
  }
  const json::Value listed = {{"model_type", "qwen3_vl"}, {"text_config", {{"hidden_size", 64}}}, {"vision_config", {{"depth", 2}}}};
  for (const json::Value& bad : {json::Value("x"), json::Value(5), json::Value::array({0, 1, 2})}) {
    json::Value config = listed;
    config["vision_config"]["deepstack_visual_indexes"] = bad;
    EXPECT_EQ(expected_towers(config, DType::bf16).status().code(), StatusCode::corrupt) << bad.dump();
  }
  json::Value config = gemma3();
  config["vision_config"]["num_hidden_layers"] = 1 << 20;
  EXPECT_EQ(expected_towers(config, DType::bf16).status().code(), StatusCode::corrupt);
}

TEST(Towers, what_is_missing_is_found_under_every_spelling) {
  Model model;
  model.config = gemma3();
  EXPECT_TRUE(missing_of_towers(model).empty());  // a text model has no tower to be whole
  model.has_vision = true;
  const std::vector<TensorInfo> expected = expected_towers(model.config, DType::bf16).value();
  for (const std::string_view root : {"vision_tower.", "model.vision_tower.", "vision_tower.vision_model."}) {
    model.tensors.clear();
    for (const TensorInfo& t : expected) {
      OutTensor held;
      held.role = Role::vision;
      held.name = t.name.starts_with("vision_tower.") ? std::string(root) + t.name.substr(13) : t.name;
      model.tensors.push_back(std::move(held));
    }
    EXPECT_TRUE(missing_of_towers(model).empty()) << root;
    const std::string gone = "vision_tower.encoder.layers.3.mlp.fc1.bias";
    std::erase_if(model.tensors, [&](const OutTensor& t) { return t.name.ends_with("layers.3.mlp.fc1.bias"); });
    EXPECT_EQ(missing_of_towers(model), std::vector<std::string>{gone}) << root;
  }
}

}  // namespace
}  // namespace jang::arch
