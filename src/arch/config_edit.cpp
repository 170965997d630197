// SPDX-License-Identifier: Apache-2.0
// Config edits shared by the families. See config_edit.h. `text` is always an object here: describe() checks it.
#include "arch/config_edit.h"

#include <fmt/format.h>

#include "base/check.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMostLayers = 10000;

void add(json::Value* object, const char* key, const json::Value& value) {
  if (json::find(*object, key) == nullptr) (*object)[key] = value;
}

// "rope_type" or, in older configs, "type"; the first decides where both stand, as in transformers.
std::string rope_type(const json::Value& parameters) {
  for (const char* key : {"rope_type", "type"})
    if (const json::Value* type = json::find(parameters, key); type != nullptr && type->is_string()) return type->get<std::string>();
  return "default";
}

// Some loaders look at "type" first: where both stand they must agree.
void agree_on_type(json::Value* parameters) {
  if (parameters->contains("type")) (*parameters)["type"] = rope_type(*parameters);
}

// Types that stretch a context of known length take it from the top of the config, else from among themselves, else from
// max_position_embeddings; loaders of old configs look among the parameters only, and assume other
// lengths.
void add_original_length(const json::Value& text, bool reads_top, json::Value* parameters) {
  constexpr const char* kOriginal = "original_max_position_embeddings";
  const std::string type = rope_type(*parameters);
  if (type != "llama3" && type != "yarn" && type != "longrope") return;
  const json::Value* top = reads_top ? json::find(text, kOriginal) : nullptr;
  if (top == nullptr && json::find(*parameters, kOriginal) != nullptr) return;
  if (top == nullptr) top = json::find(text, "max_position_embeddings");
  if (top != nullptr) (*parameters)[kOriginal] = *top;
}

// yarn's factor may be null: the model's context over the original one.
void add_factor(const json::Value& text, json::Value* parameters) {
  if (rope_type(*parameters) != "yarn" || json::find(*parameters, "factor") != nullptr) return;
  const json::Value* positions = json::find(text, "max_position_embeddings");
  const json::Value* original = json::find(*parameters, "original_max_position_embeddings");
  if (positions == nullptr || original == nullptr || !positions->is_number() || !original->is_number() || !(*original > 0)) return;
  (*parameters)["factor"] = positions->get<double>() / original->get<double>();
}

// Writes effective parameters where old configs have them: theta, and unless the type is "default" the rest as a scaling object.
void write_rope(json::Value parameters, const char* theta_key, bool has_scaling, bool reads_top, json::Value* text) {
  if (const json::Value* theta = json::find(parameters, "rope_theta")) (*text)[theta_key] = *theta;  // whoever reads it checks it
  if (!has_scaling || rope_type(parameters) == "default") return;
  parameters.erase("rope_theta");
  agree_on_type(&parameters);
  add_original_length(*text, reads_top, &parameters);
  add_factor(*text, &parameters);
  (*text)["rope_scaling"] = std::move(parameters);
}

Result<json::Value> rope_object(const json::Value& text, const char* key) {
  const json::Value* found = json::find(text, key);
  if (found == nullptr) return json::Value::object();
  if (!found->is_object()) return Status(StatusCode::corrupt, fmt::format("config.json: {} must be an object", key));
  return *found;
}

}  // namespace

// Of the two objects rope_scaling decides where it has anything in it; what stands inside it goes before the same key at the top.
Status flatten_rope(json::Value* text) {
  JANG_ASSIGN(const json::Value parameters, rope_object(*text, "rope_parameters"));
  JANG_ASSIGN(const json::Value scaling, rope_object(*text, "rope_scaling"));
  for (const char* key : {"rope_parameters", "rope_scaling"})
    if (json::find(*text, key) != nullptr) agree_on_type(&(*text)[key]);
  const json::Value& given = scaling.empty() ? parameters : scaling;
  if (!given.empty()) write_rope(given, "rope_theta", true, true, text);
  return {};
}

// rope_scaling is laid over the parameters of full attention.
Status flatten_rope_by_layer_type(json::Value* text) {
  JANG_ASSIGN(const json::Value parameters, rope_object(*text, "rope_parameters"));
  JANG_ASSIGN(const json::Value scaling, rope_object(*text, "rope_scaling"));
  JANG_ASSIGN(json::Value full, rope_object(parameters, "full_attention"));
  JANG_ASSIGN(const json::Value local, rope_object(parameters, "sliding_attention"));
  full.update(scaling);
  if (!full.empty()) write_rope(full, "rope_theta", true, false, text);
  if (!local.empty()) write_rope(local, "rope_local_base_freq", false, false, text);
  return {};
}

void lift_partial_rotary(json::Value* text) {
  const json::Value* parameters = json::find(*text, "rope_parameters");
  const json::Value* part = parameters != nullptr && parameters->is_object() ? json::find(*parameters, "partial_rotary_factor") : nullptr;
  if (part == nullptr || !part->is_number()) return;
  const json::Value copy = *part;
  (*text)["partial_rotary_factor"] = copy;
}

void alias_key(json::Value* text, const char* from, const char* to) {
  if (const json::Value* value = json::find(*text, from)) {
    const json::Value copy = *value;
    add(text, to, copy);
  }
}

void copy_key(json::Value* text, const char* from, const char* to) {
  if (const json::Value* value = json::find(*text, from)) {
    const json::Value copy = *value;
    (*text)[to] = copy;
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
      return {StatusCode::unsupported, fmt::format("config.json: layer_types does not have '{}' on every {}th layer (layer {} differs); "
                                                   "only periodic layouts are supported",
                                                   periodic_type, period, i)};
  (*text)[period_key] = period;
  return {};
}

Status list_dense_layers(json::Value* text, const std::function<bool(std::int64_t layer)>& is_dense) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, kMostLayers));
  json::Value dense = json::Value::array();
  for (std::int64_t l = 0; l < n_layers; ++l)
    if (is_dense(l)) dense.push_back(l);
  (*text)["mlp_only_layers"] = std::move(dense);
  return {};
}

void add_defaults(std::span<const ConfigDefault> defaults, json::Value* text) {
  for (const ConfigDefault& d : defaults) {
    json::Value value = json::Value::parse(d.literal, nullptr, /*allow_exceptions=*/false);
    JANG_CHECK(!value.is_discarded());
    add(text, std::string(d.key).c_str(), value);
  }
}

const json::Value& text_config(const json::Value& config) {
  const json::Value* text = json::find(config, "text_config");
  return text != nullptr && text->is_object() ? *text : config;
}

json::Value* text_config(json::Value* config) {
  const auto text = config->find("text_config");
  return text != config->end() && text->is_object() ? &*text : config;
}

}  // namespace jang::arch
