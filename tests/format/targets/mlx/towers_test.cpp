// SPDX-License-Identifier: Apache-2.0
// What stands beside the text model: kept under the names of mlx-vlm's classes, with channels last, in no packed form, or left out.
#include "format/targets/mlx/towers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../../../arch/fake_model.h"
#include "format/targets/mlx/quantization.h"

namespace jang::targets::mlx {
namespace {

using namespace arch::testing;
using arch::Role;

// A model of the type that holds nothing but a tensor of a tower.
arch::Model tower_of(const std::string& type, const std::string& name, Shape shape) {
  arch::Model model;
  model.model_type = type;
  model.config = {{"model_type", type}, {"vision_config", {{"depth", 1}}}, {"text_config", {{"hidden_size", 128}}}};
  arch::OutTensor t;
  t.name = name;
  t.module = t.canonical = name.substr(0, name.rfind('.'));
  t.shape = std::move(shape);
  t.role = Role::vision;
  t.pieces = {{0, 0, rows(t.shape)}};
  model.tensors.push_back(t);
  model.has_vision = true;
  return model;
}

std::string name_in(const std::string& type, const std::string& name) {
  arch::Model model = tower_of(type, name, {8, 8});
  spell_towers({}, "pt", false, &model);
  return model.tensors.empty() ? "" : model.tensors.front().name;
}

TEST(MlxTowers, names_are_those_of_the_class_and_stay_when_met_again) {
  const struct {
    std::string type, published, kept;
  } cases[] = {
      {"qwen3_5", "model.visual.blocks.0.attn.qkv.weight", "vision_tower.blocks.0.attn.qkv.weight"},
      {"qwen3_vl", "visual.merger.norm.weight", "vision_tower.merger.norm.weight"},
      {"gemma3", "model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight",
       "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight"},
      {"gemma3", "vision_tower.embeddings.patch_embedding.bias", "vision_tower.vision_model.embeddings.patch_embedding.bias"},
      {"gemma3", "model.multi_modal_projector.mm_input_projection_weight", "multi_modal_projector.mm_input_projection_weight"},
      {"gemma4", "model.embed_vision.embedding_projection.weight", "embed_vision.embedding_projection.weight"},
      {"mistral3", "model.vision_tower.ln_pre.weight", "vision_tower.vision_model.ln_pre.weight"},
      {"mistral3", "vision_tower.transformer.layers.0.attention.q_proj.weight",
       "vision_tower.vision_model.transformer.layers.0.attention.q_proj.weight"},
      {"mistral3", "model.multi_modal_projector.linear_1.weight", "multi_modal_projector.linear_1.weight"},
      {"llama4", "model.vision_model.class_embedding.weight", "vision_model.class_embedding.weight"},
      {"kimi_vl", "vision_tower.encoder.blocks.0.wqkv.weight", "vision_tower.blocks.0.attn.wqkv.weight"},
      {"kimi_vl", "vision_tower.encoder.blocks.0.wo.bias", "vision_tower.blocks.0.attn.wo.bias"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(name_in(c.type, c.published), c.kept);
    EXPECT_EQ(name_in(c.type, c.kept), c.kept) << c.type;
  }
}

TEST(MlxTowers, convolutions_get_their_channels_last_once) {
  const struct {
    std::string type, name;
    Shape published, kept;
  } cases[] = {
      {"qwen3_vl", "model.visual.patch_embed.proj.weight", {64, 3, 2, 16, 16}, {64, 2, 16, 16, 3}},
      {"gemma3", "vision_tower.vision_model.embeddings.patch_embedding.weight", {64, 3, 14, 14}, {64, 14, 14, 3}},
      {"mistral3", "vision_tower.patch_conv.weight", {64, 3, 14, 14}, {64, 14, 14, 3}},
      {"kimi_vl", "vision_tower.patch_embed.proj.weight", {64, 3, 14, 14}, {64, 14, 14, 3}},
      {"gemma4", "model.audio_tower.subsample_conv_projection.layer0.conv.weight", {96, 64, 3, 3}, {96, 3, 3, 64}},
      {"gemma4", "model.audio_tower.layers.0.lconv1d.depthwise_conv1d.weight", {64, 1, 5}, {64, 5, 1}},
  };
  for (const auto& c : cases) {
    arch::Model model = tower_of(c.type, c.name, c.published);
    spell_towers({}, "pt", false, &model);
    EXPECT_EQ(model.tensors.front().shape, c.kept) << c.name;
    EXPECT_EQ(model.tensors.front().channels, c.published[1]) << c.name;
    arch::Model again = tower_of(c.type, c.name, c.kept);
    spell_towers({}, "mlx", false, &again);
    EXPECT_EQ(again.tensors.front().shape, c.kept) << c.name;
    EXPECT_EQ(again.tensors.front().channels, 0) << c.name;
  }
}

// Three taps of three channels: only who wrote the file can tell.
TEST(MlxTowers, convolution_of_equal_sides_goes_by_the_format_of_its_file) {
  for (const auto& [format, channels] : {std::pair{"pt", 3}, {"", 3}, {"mlx", 0}}) {
    arch::Model model = tower_of("gemma3", "vision_tower.vision_model.embeddings.patch_embedding.weight", {64, 3, 3, 3});
    spell_towers({}, format, false, &model);
    EXPECT_EQ(model.tensors.front().channels, channels) << format;
  }
}

TEST(MlxTowers, text_only_leaves_them_out) {
  const std::vector<TensorInfo> stored = {{"model.visual.x.weight", DType::bf16, {8, 8}}};
  for (const auto& [type, has_row] : {std::pair{"qwen3_5", true}, {"qwen9_vl", false}}) {
    arch::Model model = tower_of(type, "model.visual.x.weight", {8, 8});
    spell_towers(stored, "pt", true, &model);
    EXPECT_TRUE(model.tensors.empty());
    EXPECT_FALSE(model.has_vision);
    ASSERT_EQ(model.dropped.size(), 1u);
    EXPECT_EQ(model.dropped.front().name, "model.visual.x.weight");
    EXPECT_TRUE(model.warnings.empty()) << "it was asked for";
    EXPECT_EQ(model.config.contains("vision_config"), !has_row);
  }
}

TEST(MlxTowers, wrappers_without_a_row_stay_as_their_sources_have_them) {
  arch::Model model = tower_of("qwen9_vl", "model.visual.patch_embed.proj.weight", {64, 3, 2, 16, 16});
  spell_towers({}, "pt", false, &model);
  ASSERT_EQ(model.tensors.size(), 1u);
  EXPECT_EQ(model.tensors.front().name, "model.visual.patch_embed.proj.weight");
  EXPECT_EQ(model.tensors.front().channels, 0);
}

TEST(MlxTowers, families_keep_their_towers_behind_the_text_model) {
  for (NamedModel& m : all_models()) {
    const auto whole = m.model.describe();
    ASSERT_TRUE(whole.ok()) << m.name << ": " << whole.status().message();
    const auto text = targets::describe_source(m.model.config, m.model.tensors, {}, targets::default_target(), true);
    ASSERT_TRUE(text.ok()) << m.name;
    const auto is_tower = [](const arch::OutTensor& t) { return t.role == Role::vision; };
    EXPECT_FALSE(text->has_vision) << m.name;
    EXPECT_TRUE(std::ranges::none_of(text->tensors, is_tower)) << m.name;
    ASSERT_LE(text->tensors.size(), whole->tensors.size()) << m.name;
    EXPECT_EQ(whole->has_vision, text->tensors.size() < whole->tensors.size()) << m.name;
    EXPECT_EQ(whole->has_vision, m.model.config.contains("vision_config")) << m.name;
    for (std::size_t i = 0; i < whole->tensors.size(); ++i) {
      EXPECT_EQ(is_tower(whole->tensors[i]), i >= text->tensors.size()) << m.name << " " << whole->tensors[i].name;
      const bool is_same = i >= text->tensors.size() || whole->tensors[i].name == text->tensors[i].name;
      EXPECT_TRUE(is_same) << m.name << " " << whole->tensors[i].name;
    }
    const auto canonical = m.model.describe_canonical();
    ASSERT_TRUE(canonical.ok()) << m.name;
    EXPECT_TRUE(canonical->warnings.empty()) << m.name << ": " << canonical->warnings.front();
    EXPECT_TRUE(std::ranges::none_of(canonical->tensors, is_tower)) << m.name;
  }
}

// The class of mlx-vlm has a head and takes the embedding's codes for its weight; scales and biases it wants from the file.
TEST(MlxTowers, tied_embedding_of_gemma3_is_stored_as_head_too_where_it_is_packed) {
  const auto models = all_models();
  const auto gemma3 = std::ranges::find(models, "gemma3", &NamedModel::name);
  ASSERT_NE(gemma3, models.end());
  const auto model = gemma3->model.describe();
  ASSERT_TRUE(model.ok());
  const arch::OutTensor* embedding = find(*model, "language_model.model.embed_tokens.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->copied_to, "language_model.lm_head");

  const codec::WeightFormat* format = codec::find_format(codec::Kind::affine, 4, 64);
  const Target& target = targets::default_target();
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const StoredPart& p : target.parts(*embedding, format, DType::bf16)) {
    names.push_back(p.info.name);
    bytes += static_cast<std::uint64_t>(p.info.bytes());
  }
  const std::string e = "language_model.model.embed_tokens.", h = "language_model.lm_head.";
  EXPECT_EQ(names, (std::vector<std::string>{e + "weight", e + "scales", e + "biases", h + "weight", h + "scales", h + "biases"}));
  EXPECT_EQ(bytes, target.bytes(*embedding, format, DType::bf16));
  EXPECT_EQ(target.parts(*embedding, nullptr, DType::bf16).size(), 1u);

  const auto text = targets::describe_source(gemma3->model.config, gemma3->model.tensors, {}, target, true);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(find(*text, "language_model.model.embed_tokens.weight")->copied_to, "");
}

TEST(MlxTowers, class_finds_its_keys_where_it_looks_for_them) {
  arch::Model model = tower_of("gemma3", "vision_tower.x.weight", {8, 8});
  model.config["mm_tokens_per_image"] = 4;
  spell_towers({}, "pt", false, &model);
  EXPECT_EQ(model.config["text_config"]["mm_tokens_per_image"], 4);
  model = tower_of("qwen3_vl", "model.visual.x.weight", {8, 8});
  model.config["vision_config"]["model_type"] = "qwen3_vl_vision";
  spell_towers({}, "pt", false, &model);
  EXPECT_EQ(model.config["vision_config"]["model_type"], "qwen3_vl");
}

TEST(MlxTowers, config_names_every_matrix_of_a_tower_as_not_packed) {
  arch::Model model = tower_of("qwen3_vl", "model.visual.blocks.0.mlp.linear_fc1.weight", {64, 64});
  spell_towers({}, "pt", false, &model);
  arch::OutTensor packed = model.tensors.front();
  packed.name = "language_model.lm_head.weight";
  packed.module = "language_model.lm_head";
  packed.role = Role::lm_head;
  arch::OutTensor position = model.tensors.front();
  position.name = position.module = "vision_tower.pos_embed";
  model.tensors = {packed, model.tensors.front(), position};
  const TensorRecord records[] = {{codec::find_format(codec::Kind::affine, 4, 64)}, {}, {}};
  const json::Value map = quantization_map(model, records);
  EXPECT_EQ(map["vision_tower.blocks.0.mlp.linear_fc1"], false);
  EXPECT_EQ(map["language_model.lm_head"]["bits"], 4);
  EXPECT_FALSE(map.contains("vision_tower.pos_embed"));
}

}  // namespace
}  // namespace jang::targets::mlx
