// SPDX-License-Identifier: Apache-2.0
// A model of a class: described anew from its stored tensors, because the class decides about them, and not their common names.
#include "format/targets/mlx/generic_spelling.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/bind.h"
#include "arch/config_edit.h"
#include "arch/generic.h"
#include "format/targets/mlx/class_fit.h"
#include "format/targets/mlx/class_lookup.h"
#include "format/targets/mlx/config.h"
#include "format/targets/mlx/placement.h"

namespace jang::targets::mlx {
namespace {

// Keys a class demands that configs of transformers 5 hold among rope_parameters. What it demands of a text_config is not in the table; a
// null says no more than an absent key.
void fill_rope_keys(const ModelClass& model_class, bool nested, json::Value* text) {
  const auto lacks = [&](const char* key) {
    return std::ranges::find(model_class.required, key) != model_class.required.end() && !text->contains(key);
  };
  if (lacks("rope_scaling") || (nested && !text->contains("rope_scaling"))) (*text)["rope_scaling"] = nullptr;
  const json::Value* rope = json::find(*text, "rope_parameters");
  const json::Value* part = rope != nullptr && rope->is_object() ? json::find(*rope, "partial_rotary_factor") : nullptr;
  if (part != nullptr && lacks("partial_rotary_factor")) {
    const json::Value copy = *part;
    (*text)["partial_rotary_factor"] = copy;
  }
}

// Numbers that a config may leave null, and the class does not derive.
void fill_derived_numbers(const ModelClass& model_class, json::Value* text) {
  for (const std::string_view key : model_class.not_null) {
    const auto value = text->find(key);
    if (value == text->end() || !value->is_null()) continue;
    if (const auto number = config_number(key, *text, *text)) *value = *number;
  }
}

// The config as the class wants it: RoPE numbers at the top, no key missing.
Status prepare_config(const ModelClass& model_class, json::Value* config, arch::Model* model) {
  json::Value* text = arch::text_config(config);
  const json::Value* rope = json::find(*text, "rope_parameters");
  const bool by_layer =
      rope != nullptr && rope->is_object() && std::any_of(rope->begin(), rope->end(), [](const json::Value& v) { return v.is_object(); });
  if (rope != nullptr && !by_layer) JANG_TRY(arch::flatten_rope(text));
  fill_rope_keys(model_class, text != config, text);
  fill_derived_numbers(model_class, text);
  if (std::string why = config_refusal(model_class, *config); !why.empty()) refuse(model, std::move(why));
  return {};
}

void write_tie(const ModelClass& model_class, bool tied, json::Value* config) {
  if (model_class.tie != TieRule::by_flag) return;
  json::Value* text = arch::text_config(config);
  (*text)["tie_word_embeddings"] = tied;
  if (text != config) (*config)["tie_word_embeddings"] = tied;
}

// True when embedding and head are one matrix for a class of this rule.
bool is_tied(TieRule rule, bool flag, const arch::Ends& ends) {
  switch (rule) {
    case TieRule::always: return true;
    case TieRule::never: return false;
    case TieRule::by_absence: return !ends.has_head || (flag && ends.has_embedding);
    case TieRule::by_flag: break;
  }
  return flag || ends.has_head != ends.has_embedding;
}

// Says what the class cannot do about embedding and head.
void check_tie(const ModelClass& model_class, bool flag, const arch::Ends& ends, arch::Model* model) {
  if (model_class.tie == TieRule::never && !ends.has_head)
    refuse(model, fmt::format("mlx-lm's class '{}' demands an output head, and this checkpoint has none of its own", model_class.name));
  const bool may_differ = ends.has_embedding && (ends.own_head || !flag);
  if (model_class.tie == TieRule::always && ends.has_head && may_differ)
    refuse(model, fmt::format("mlx-lm's class '{}' has no output head of its own, and this checkpoint has one beside its embedding",
                              model_class.name));
}

Status describe_by_class(const ModelClass& model_class, std::span<const TensorInfo> stored, const arch::SourceFacts& facts,
                         arch::Model* model) {
  json::Value& config = model->config;
  JANG_TRY(prepare_config(model_class, &config, model));
  model->warnings = {
      fmt::format("model type '{}' is not one of the listed families: roles come from common names, the layout from "
                  "what mlx-lm's class '{}' loads; the engine here cannot run it",
                  model->model_type, model_class.name)};
  JANG_ASSIGN(const bool flag, arch::tie_flag(config));
  constexpr const char* kLayers[] = {"num_hidden_layers"};
  JANG_ASSIGN(const std::int64_t n_layers, arch::first_number(config, kLayers, arch::kMaxLayers));
  Placer placer(model_class, n_layers, stored, model);
  JANG_TRY(placer.run());
  std::vector<arch::OutTensor> tensors = placer.take();
  const arch::Ends ends = arch::find_ends(tensors, flag, facts);
  check_tie(model_class, flag, ends, model);
  arch::settle_tie(ends, is_tied(model_class.tie, flag, ends), &tensors, model);
  write_tie(model_class, model->tied, &config);
  arch::finish_generic(std::move(tensors), model);
  if (std::string why = tensor_refusal(model_class, config, model->tensors); !why.empty()) refuse(model, std::move(why));
  return {};
}

}  // namespace

Status spell_generic(std::span<const TensorInfo> stored, const arch::SourceFacts& facts, arch::Model* model) {
  drop_quantization_and_lift_ids(&model->config);
  arch::Model placed;
  placed.family = model->family;
  placed.model_type = model->model_type;
  placed.config = model->config;
  JANG_TRY(arch::read_summary(placed.config, &placed));
  const ModelClass* model_class = find_class(placed.model_type, placed.n_experts > 0);
  if (model_class != nullptr && !model_class->experts_key.empty()) {
    const std::string key(model_class->experts_key);
    const char* const keys[] = {key.c_str()};
    JANG_ASSIGN(const std::int64_t n_experts, arch::first_number(placed.config, keys, arch::kMaxExperts));
    placed.n_experts = static_cast<int>(n_experts);
    model_class = find_class(placed.model_type, n_experts > 0);
  }
  if (model_class == nullptr) {
    refuse(model, fmt::format("mlx-lm {} has no class for model type '{}' that is known to open a bundle", version(), model->model_type));
    return {};
  }
  JANG_TRY(describe_by_class(*model_class, stored, facts, &placed));
  *model = std::move(placed);
  return {};
}

}  // namespace jang::targets::mlx
