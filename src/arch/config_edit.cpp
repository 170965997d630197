// SPDX-License-Identifier: Apache-2.0
// Config edits shared by the families. See config_edit.h. `text` is always an object here: describe() checks it.
#include "arch/config_edit.h"

#include <fmt/format.h>

#include "base/check.h"

namespace jang::arch {
namespace {

void add(json::Value* object, const char* key, const json::Value& value) {
  if (json::find(*object, key) == nullptr) (*object)[key] = value;
}

// Theta and, unless the type is "default", the rest as a scaling object.
void add_rope(const json::Value& parameters, const char* theta_key, const char* scaling_key, json::Value* text) {
  if (const json::Value* theta = json::find(parameters, "rope_theta"); theta && theta->is_number()) add(text, theta_key, *theta);
  const json::Value* type = json::find(parameters, "rope_type");
  if (scaling_key == nullptr || type == nullptr || *type == "default") return;
  json::Value scaling = parameters;
  scaling.erase("rope_theta");
  add(text, scaling_key, scaling);
}

}  // namespace

Status flatten_rope(json::Value* text) {
  const json::Value* found = json::find(*text, "rope_parameters");
  if (found == nullptr) return {};
  if (!found->is_object()) return {StatusCode::corrupt, "config.json: rope_parameters must be an object"};
  const json::Value parameters = *found;
  add_rope(parameters, "rope_theta", "rope_scaling", text);
  return {};
}

Status flatten_rope_by_layer_type(json::Value* text) {
  const json::Value* found = json::find(*text, "rope_parameters");
  if (found == nullptr) return {};
  if (!found->is_object()) return {StatusCode::corrupt, "config.json: rope_parameters must be an object"};
  const json::Value parameters = *found;
  if (const json::Value* full = json::find(parameters, "full_attention")) add_rope(*full, "rope_theta", "rope_scaling", text);
  if (const json::Value* local = json::find(parameters, "sliding_attention")) add_rope(*local, "rope_local_base_freq", nullptr, text);
  return {};
}

void alias_key(json::Value* text, const char* from, const char* to) {
  if (const json::Value* value = json::find(*text, from)) {
    const json::Value copy = *value;
    add(text, to, copy);
  }
}

Status period_from_layer_types(json::Value* text, const char* periodic_type, const char* period_key) {
  const json::Value* types = json::find(*text, "layer_types");
  if (types == nullptr) return {};
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, 10000));
  if (!types->is_array() || types->size() != static_cast<std::size_t>(n_layers))
    return {StatusCode::corrupt, fmt::format("config.json: layer_types must list the kind of each of the {} layers", n_layers)};
  std::size_t period = 0;  // position of the first layer of that type, counted from 1
  for (std::size_t i = 0; i < types->size() && period == 0; ++i)
    if ((*types)[i] == periodic_type) period = i + 1;
  if (period == 0) return {};
  for (std::size_t i = 0; i < types->size(); ++i)
    if (((*types)[i] == periodic_type) != ((i + 1) % period == 0))
      return {StatusCode::unsupported,
              fmt::format("config.json: layer_types does not have '{}' on every {}th layer (layer {} differs); the "
                          "MLX class knows periodic layouts only",
                          periodic_type, period, i)};
  (*text)[period_key] = period;
  return {};
}

void add_defaults(std::span<const ConfigDefault> defaults, json::Value* text) {
  for (const ConfigDefault& d : defaults) {
    json::Value value = json::Value::parse(d.literal, nullptr, /*allow_exceptions=*/false);
    JANG_CHECK(!value.is_discarded());
    add(text, std::string(d.key).c_str(), value);
  }
}

void drop_quantization_and_lift_ids(json::Value* config) {
  config->erase("quantization");
  config->erase("quantization_config");
  const auto text = config->find("text_config");
  if (text == config->end() || !text->is_object()) return;
  text->erase("quantization");
  text->erase("quantization_config");
  const json::Value nested = *text;
  for (const char* key : {"eos_token_id", "bos_token_id"})
    if (const json::Value* id = json::find(nested, key)) add(config, key, *id);
}

void finish_config(const Family& family, const Geometry& geometry, json::Value* config) {
  drop_quantization_and_lift_ids(config);
  if (!family.mlx_model_type.empty()) (*config)["model_type"] = family.mlx_model_type;
  const bool nested = family.text_config && json::find(*config, "text_config") != nullptr;
  json::Value* text = nested ? &(*config)["text_config"] : config;
  add(text, "num_key_value_heads", geometry.n_kv_heads);
  add(text, "head_dim", geometry.size(Dim::head));
  if (nested && family.vocab_at_top) (*config)["vocab_size"] = geometry.size(Dim::vocab);
  text = nested ? &(*config)["text_config"] : config;  // an insertion above may have moved it
  (*text)["tie_word_embeddings"] = geometry.tied;
  if (nested && config->contains("tie_word_embeddings")) (*config)["tie_word_embeddings"] = geometry.tied;
}

}  // namespace jang::arch
