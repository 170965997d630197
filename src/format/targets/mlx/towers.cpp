// SPDX-License-Identifier: Apache-2.0
// The table, from reading the classes of mlx-vlm 0.7, and what becomes of the tensors.
#include "format/targets/mlx/towers.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "arch/describe.h"
#include "arch/family.h"
#include "arch/path.h"
#include "format/targets/mlx/quantization.h"

namespace jang::targets::mlx {
namespace {

using arch::OutTensor;
using arch::Rename;
using arch::Role;

struct TowerRow {
  std::string_view model_type;
  std::span<const Rename> prefixes;                     // the first that fits, once
  std::span<const Rename> inner{};                      // of parts of a name, unless it has them already
  std::span<const std::string_view> convolutions = {};  // ends of the names of their weights
  std::string_view head{};                              // module that a tied embedding is stored under a second time where it is packed
  std::string_view text_key{};                          // of config.json, which the class reads inside text_config
  std::string_view vision_type{};                       // the model_type that it wants of vision_config; empty: any of its own
};

constexpr Rename kQwen[] = {
    {"model.language_model.visual.", "vision_tower."}, {"model.visual.", "vision_tower."}, {"visual.", "vision_tower."}};
constexpr Rename kBare[] = {{"model.", ""}};
constexpr Rename kSiglip[] = {{"model.vision_tower.vision_model.", "vision_tower.vision_model."},
                              {"vision_tower.vision_model.", "vision_tower.vision_model."},
                              {"model.vision_tower.", "vision_tower.vision_model."},
                              {"vision_tower.", "vision_tower.vision_model."},
                              {"model.", ""}};
constexpr Rename kPixtral[] = {{"model.vision_tower.vision_model.", "vision_tower.vision_model."},
                               {"vision_tower.vision_model.", "vision_tower.vision_model."},
                               {"model.vision_tower.", "vision_tower.vision_model."},
                               {"vision_tower.", "vision_tower.vision_model."},
                               {"model.vision_encoder.", "vision_tower.vision_model."},
                               {"model.vision_projection.", "multi_modal_projector."},
                               {"model.", ""}};
constexpr Rename kMoonVit[] = {{"vision_tower.encoder.", "vision_tower."}};
constexpr Rename kMoonVitAttention[] = {{".wqkv.", ".attn.wqkv."}, {".wo.", ".attn.wo."}};
constexpr std::string_view kPatchEmbed[] = {"patch_embed.proj.weight"};
constexpr std::string_view kPatchEmbedding[] = {"patch_embedding.weight"};
constexpr std::string_view kPatchConv[] = {"patch_conv.weight"};
constexpr std::string_view kGemma4[] = {"conv.weight", "depthwise_conv1d.weight"};  // of the audio tower

constexpr TowerRow kTowers[] = {
    {.model_type = "qwen3_5", .prefixes = kQwen, .convolutions = kPatchEmbed},
    {.model_type = "qwen3_5_moe", .prefixes = kQwen, .convolutions = kPatchEmbed},
    {.model_type = "qwen3_vl", .prefixes = kQwen, .convolutions = kPatchEmbed, .vision_type = "qwen3_vl"},
    {.model_type = "qwen3_vl_moe", .prefixes = kQwen, .convolutions = kPatchEmbed, .vision_type = "qwen3_vl_moe"},
    // Its class always has a head, and fills in the embedding's codes for the weight; scales and biases it must find.
    {.model_type = "gemma3",
     .prefixes = kSiglip,
     .convolutions = kPatchEmbedding,
     .head = "language_model.lm_head",
     .text_key = "mm_tokens_per_image"},
    {.model_type = "gemma4", .prefixes = kBare, .convolutions = kGemma4},
    {.model_type = "mistral3", .prefixes = kPixtral, .convolutions = kPatchConv},
    {.model_type = "llama4", .prefixes = kBare},
    {.model_type = "kimi_vl", .prefixes = kMoonVit, .inner = kMoonVitAttention, .convolutions = kPatchEmbed},
};

// Keys of config.json by which programs take a directory for a multimodal model.
constexpr std::string_view kTowerKeys[] = {"vision_config", "audio_config"};

std::string spelled(const TowerRow& row, std::string name) {
  for (const Rename& r : row.prefixes) {
    if (!name.starts_with(r.from)) continue;
    name = std::string(r.to) + name.substr(r.from.size());
    break;
  }
  for (const Rename& r : row.inner)
    if (const std::size_t at = name.find(r.from); at != std::string::npos && name.find(r.to) == std::string::npos)
      name.replace(at, r.from.size(), r.to);
  return name;
}

// Square kernels tell the two forms apart, [.., k, k] from [.., k, k, in]; where they do not, the tool that wrote the file does.
bool has_channels_last(const Shape& s, std::string_view file_format) {
  if (s.size() == 3) return s[2] == 1 || (s[1] != 1 && file_format == kFileFormat);
  const bool as_published = s[s.size() - 1] == s[s.size() - 2], as_converted = s[s.size() - 2] == s[s.size() - 3];
  return as_published == as_converted ? file_format == kFileFormat : as_converted;
}

void move_channels_last(std::string_view file_format, OutTensor* t) {
  Shape& s = t->shape;
  if (s.size() < 3 || elements(s) == 0 || has_channels_last(s, file_format)) return;
  t->channels = s[1];
  std::rotate(s.begin() + 1, s.begin() + 2, s.end());
}

void spell_tower_tensor(const TowerRow& row, std::string_view file_format, OutTensor* t) {
  t->name = spelled(row, t->name);
  t->module = arch::module_of(t->name);
  const auto ends = [&](std::string_view end) { return arch::ends_with_path(t->name, end); };
  if (std::ranges::any_of(row.convolutions, ends)) move_channels_last(file_format, t);
}

void edit_config(const TowerRow& row, json::Value* config) {
  const std::string key(row.text_key);
  const auto text = config->find("text_config"), vision = config->find("vision_config");
  if (vision != config->end() && vision->is_object() && !row.vision_type.empty()) (*vision)["model_type"] = row.vision_type;
  if (key.empty() || !config->contains(key) || text == config->end() || !text->is_object()) return;
  const json::Value copy = (*config)[key];
  (*text)[key] = copy;
}

}  // namespace

void spell_towers(std::span<const TensorInfo> stored, std::string_view file_format, bool text_only, arch::Model* model) {
  const auto row = std::ranges::find(kTowers, model->model_type, &TowerRow::model_type);
  if (text_only) arch::leave_vision_out(model, stored);
  if (row == std::end(kTowers)) return;
  if (!model->has_vision) {
    for (const std::string_view key : kTowerKeys) model->config.erase(std::string(key));
    return;
  }
  edit_config(*row, &model->config);
  for (OutTensor& t : model->tensors) {
    if (t.role == Role::vision)
      spell_tower_tensor(*row, file_format, &t);
    else if (t.role == Role::tied_embedding)
      t.copied_to = row->head;
  }
}

}  // namespace jang::targets::mlx
