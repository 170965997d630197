// SPDX-License-Identifier: Apache-2.0
// See the header. A row is a tensor; its extents are numbers of vision_config, or follow from them.
#include "arch/towers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <span>
#include <string_view>

#include "arch/describe.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMostExtent = 1 << 24, kMostLayers = 1024;

enum class Extent { none, hidden, inner, qkv, merged, out, text, channels, patch, frames, positions };
enum class Repeat { once, layers, deepstack };

struct TowerTensor {
  std::string_view name;  // a star is the number of the layer
  std::array<Extent, 5> shape{};
  Repeat repeat = Repeat::once;
};

struct ConfigNumber {
  Extent extent;
  std::string_view key;
  std::int64_t otherwise;
};

struct Tower {
  std::span<const std::string_view> model_types;
  std::span<const ConfigNumber> numbers;
  std::string_view layers_key;
  std::int64_t layers_otherwise;
  std::span<const TowerTensor> tensors;
  std::span<const std::string_view> deepstack_types{};  // which of the model types join pictures to text at several depths
};

using enum Extent;

constexpr std::string_view kQwenTypes[] = {"qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"};
constexpr ConfigNumber kQwenNumbers[] = {
    {hidden, "hidden_size", 1152},
    {inner, "intermediate_size", 4304},
    {out, "out_hidden_size", 3584},
    {channels, "in_channels", 3},
    {patch, "patch_size", 16},
    {frames, "temporal_patch_size", 2},
    {positions, "num_position_embeddings", 2304},
};
constexpr TowerTensor kQwenTensors[] = {
    {"model.visual.patch_embed.proj.weight", {hidden, channels, frames, patch, patch}},
    {"model.visual.patch_embed.proj.bias", {hidden}},
    {"model.visual.pos_embed.weight", {positions, hidden}},
    {"model.visual.blocks.*.norm1.weight", {hidden}, Repeat::layers},
    {"model.visual.blocks.*.norm1.bias", {hidden}, Repeat::layers},
    {"model.visual.blocks.*.norm2.weight", {hidden}, Repeat::layers},
    {"model.visual.blocks.*.norm2.bias", {hidden}, Repeat::layers},
    {"model.visual.blocks.*.attn.qkv.weight", {qkv, hidden}, Repeat::layers},
    {"model.visual.blocks.*.attn.qkv.bias", {qkv}, Repeat::layers},
    {"model.visual.blocks.*.attn.proj.weight", {hidden, hidden}, Repeat::layers},
    {"model.visual.blocks.*.attn.proj.bias", {hidden}, Repeat::layers},
    {"model.visual.blocks.*.mlp.linear_fc1.weight", {inner, hidden}, Repeat::layers},
    {"model.visual.blocks.*.mlp.linear_fc1.bias", {inner}, Repeat::layers},
    {"model.visual.blocks.*.mlp.linear_fc2.weight", {hidden, inner}, Repeat::layers},
    {"model.visual.blocks.*.mlp.linear_fc2.bias", {hidden}, Repeat::layers},
    {"model.visual.merger.norm.weight", {hidden}},
    {"model.visual.merger.norm.bias", {hidden}},
    {"model.visual.merger.linear_fc1.weight", {merged, merged}},
    {"model.visual.merger.linear_fc1.bias", {merged}},
    {"model.visual.merger.linear_fc2.weight", {out, merged}},
    {"model.visual.merger.linear_fc2.bias", {out}},
    {"model.visual.deepstack_merger_list.*.norm.weight", {merged}, Repeat::deepstack},
    {"model.visual.deepstack_merger_list.*.norm.bias", {merged}, Repeat::deepstack},
    {"model.visual.deepstack_merger_list.*.linear_fc1.weight", {merged, merged}, Repeat::deepstack},
    {"model.visual.deepstack_merger_list.*.linear_fc1.bias", {merged}, Repeat::deepstack},
    {"model.visual.deepstack_merger_list.*.linear_fc2.weight", {out, merged}, Repeat::deepstack},
    {"model.visual.deepstack_merger_list.*.linear_fc2.bias", {out}, Repeat::deepstack},
};

constexpr std::string_view kSiglipTypes[] = {"gemma3"};
constexpr ConfigNumber kSiglipNumbers[] = {
    {hidden, "hidden_size", 768}, {inner, "intermediate_size", 3072}, {channels, "num_channels", 3}, {patch, "patch_size", 16}};
constexpr TowerTensor kSiglipTensors[] = {
    {"vision_tower.embeddings.patch_embedding.weight", {hidden, channels, patch, patch}},
    {"vision_tower.embeddings.patch_embedding.bias", {hidden}},
    {"vision_tower.embeddings.position_embedding.weight", {positions, hidden}},
    {"vision_tower.encoder.layers.*.layer_norm1.weight", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.layer_norm1.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.layer_norm2.weight", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.layer_norm2.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.q_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.q_proj.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.k_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.k_proj.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.v_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.v_proj.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.out_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.self_attn.out_proj.bias", {hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.mlp.fc1.weight", {inner, hidden}, Repeat::layers},
    {"vision_tower.encoder.layers.*.mlp.fc1.bias", {inner}, Repeat::layers},
    {"vision_tower.encoder.layers.*.mlp.fc2.weight", {hidden, inner}, Repeat::layers},
    {"vision_tower.encoder.layers.*.mlp.fc2.bias", {hidden}, Repeat::layers},
    {"vision_tower.post_layernorm.weight", {hidden}},
    {"vision_tower.post_layernorm.bias", {hidden}},
    {"multi_modal_projector.mm_input_projection_weight", {hidden, text}},
    {"multi_modal_projector.mm_soft_emb_norm.weight", {hidden}},
};

constexpr std::string_view kPixtralTypes[] = {"mistral3"};
constexpr ConfigNumber kPixtralNumbers[] = {
    {hidden, "hidden_size", 1024}, {inner, "intermediate_size", 4096}, {channels, "num_channels", 3}, {patch, "patch_size", 16}};
constexpr TowerTensor kPixtralTensors[] = {
    {"vision_tower.patch_conv.weight", {hidden, channels, patch, patch}},
    {"vision_tower.ln_pre.weight", {hidden}},
    {"vision_tower.transformer.layers.*.attention_norm.weight", {hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.ffn_norm.weight", {hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.attention.q_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.attention.k_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.attention.v_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.attention.o_proj.weight", {hidden, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.feed_forward.gate_proj.weight", {inner, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.feed_forward.up_proj.weight", {inner, hidden}, Repeat::layers},
    {"vision_tower.transformer.layers.*.feed_forward.down_proj.weight", {hidden, inner}, Repeat::layers},
    {"multi_modal_projector.norm.weight", {hidden}},
    {"multi_modal_projector.patch_merger.merging_layer.weight", {hidden, merged}},
    {"multi_modal_projector.linear_1.weight", {text, hidden}},
    {"multi_modal_projector.linear_2.weight", {text, text}},
};

constexpr Tower kTowers[] = {
    {kQwenTypes, kQwenNumbers, "depth", 27, kQwenTensors, std::span(kQwenTypes).first(2)},
    {kSiglipTypes, kSiglipNumbers, "num_hidden_layers", 12, kSiglipTensors},
    {kPixtralTypes, kPixtralNumbers, "num_hidden_layers", 24, kPixtralTensors},
};

struct TowerSizes {
  std::array<std::int64_t, 11> extents{};
  std::int64_t layers = 0, deepstack = 0;

  std::int64_t& operator[](Extent e) { return extents[static_cast<std::size_t>(e)]; }
  [[nodiscard]] std::int64_t operator[](Extent e) const { return extents[static_cast<std::size_t>(e)]; }
  [[nodiscard]] std::int64_t count(Repeat r) const { return r == Repeat::once ? 1 : r == Repeat::layers ? layers : deepstack; }
};

Result<TowerSizes> read_sizes(const Tower& tower, std::string_view type, const json::Value& config, const json::Value& vision) {
  TowerSizes s;
  for (const ConfigNumber& n : tower.numbers) {
    JANG_ASSIGN(s[n.extent], json::get_int(vision, n.key, n.otherwise, 1, kMostExtent));
  }
  JANG_ASSIGN(s.layers, json::get_int(vision, tower.layers_key, tower.layers_otherwise, 1, kMostLayers));
  // The Qwen3-VL models alone have them; without the key three.
  const bool taps = !tower.deepstack_types.empty() && std::ranges::find(tower.deepstack_types, type) != tower.deepstack_types.end();
  const json::Value* at = json::find(vision, "deepstack_visual_indexes");
  if (at != nullptr && (!at->is_array() || static_cast<std::int64_t>(at->size()) > s.layers))
    return Status(StatusCode::corrupt, "config.json: 'deepstack_visual_indexes' must list layers of the vision tower");
  if (taps) s.deepstack = at == nullptr ? 3 : static_cast<std::int64_t>(at->size());
  const json::Value* nested = json::find(config, "text_config");
  JANG_ASSIGN(s[text], json::get_int(nested != nullptr && nested->is_object() ? *nested : config, "hidden_size", 1, 1, kMostExtent));
  const json::Value& merging = json::find(vision, "spatial_merge_size") != nullptr ? vision : config;
  JANG_ASSIGN(const std::int64_t side, json::get_int(merging, "spatial_merge_size", 2, 1, 64));
  s[merged] = s[hidden] * side * side;
  s[qkv] = 3 * s[hidden];
  if (s[positions] == 0) {  // one for every patch of an image
    JANG_ASSIGN(const std::int64_t pixels, json::get_int(vision, "image_size", 224, 1, 1 << 16));
    s[positions] = (pixels / s[patch]) * (pixels / s[patch]);
  }
  return s;
}

// Wrappers and loaders put other paths in front of the same parts.
std::string bare_name(std::string_view name) {
  for (const std::string_view wrapper : {"model.language_model.", "language_model.", "model."})
    if (name.starts_with(wrapper)) {
      name.remove_prefix(wrapper.size());
      break;
    }
  std::string bare(name);
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"visual.", "vision_tower."},
                                 {"vision_encoder.", "vision_tower."},
                                 {"vision_projection.", "multi_modal_projector."},
                                 {"vision_tower.vision_model.", "vision_tower."}})
    if (bare.starts_with(from)) bare.replace(0, from.size(), to);
  return bare;
}

}  // namespace

Result<std::vector<TensorInfo>> expected_towers(const json::Value& config, DType dtype) {
  std::vector<TensorInfo> tensors;
  if (!config.is_object()) return tensors;
  const json::Value* vision = json::find(config, "vision_config");
  JANG_ASSIGN(const std::string type, json::get_string(config, "model_type", ""));
  const auto tower =
      std::ranges::find_if(kTowers, [&](const Tower& t) { return std::ranges::find(t.model_types, type) != t.model_types.end(); });
  if (vision == nullptr || !vision->is_object() || tower == std::end(kTowers)) return tensors;
  JANG_ASSIGN(const TowerSizes sizes, read_sizes(*tower, type, config, *vision));
  for (const TowerTensor& t : tower->tensors)
    for (std::int64_t i = 0; i < sizes.count(t.repeat); ++i) {
      std::string name(t.name);
      if (const std::size_t star = name.find('*'); star != std::string::npos) name.replace(star, 1, std::to_string(i));
      Shape shape;
      for (const Extent e : t.shape)
        if (e != Extent::none) shape.push_back(sizes[e]);
      tensors.push_back({std::move(name), dtype, std::move(shape)});
    }
  return tensors;
}

std::vector<std::string> missing_of_towers(const Model& model) {
  std::vector<std::string> missing;
  if (!model.has_vision) return missing;
  const auto expected = expected_towers(model.config, DType::bf16);
  if (!expected.ok()) return missing;
  std::set<std::string> held;
  for (const OutTensor& t : model.tensors)
    if (t.role == Role::vision) held.insert(bare_name(t.name));
  for (const TensorInfo& t : *expected)
    if (!held.contains(bare_name(t.name))) missing.push_back(t.name);
  return missing;
}

}  // namespace jang::arch
