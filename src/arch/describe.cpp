// SPDX-License-Identifier: Apache-2.0
// arch::describe: refuse what cannot be converted, find the family, edit the config for its MLX class, read the geometry, bind the rows.
#include <fmt/format.h>

#include "arch/arch.h"
#include "arch/config_edit.h"
#include "arch/family.h"
#include "arch/path.h"

namespace jang::arch {
namespace {

// Where mlx-lm's mixed recipes look for the layer number: the first component of digits in the path of the first down_proj module, or the
// last component when there is none.
int layer_location(const std::vector<OutTensor>& tensors) {
  for (const OutTensor& t : tensors) {
    if (t.module.find("down_proj") == std::string::npos) continue;
    const auto parts = split_path(t.module);
    for (std::size_t i = 0; i < parts.size(); ++i)
      if (component_number(parts[i]) >= 0) return static_cast<int>(i);
    return static_cast<int>(parts.size()) - 1;
  }
  return 2;
}

// Whether a model of this family with a head is tied all the same, as far as the config goes.
bool says_tied(const Family& family, const json::Value& config) {
  std::optional<bool> flag;
  for (const json::Value* place : {&config, json::find(config, "text_config")}) {
    const json::Value* value = place != nullptr && place->is_object() ? json::find(*place, "tie_word_embeddings") : nullptr;
    if (value != nullptr && value->is_boolean()) flag = flag.value_or(false) || value->get<bool>();
  }
  return flag.value_or(family.ignores_tie_flag);
}

std::string_view kind(const Geometry& g) {
  if (g.full_attention_interval > 0) return g.n_experts > 0 ? "hybrid_moe_ssm" : "hybrid_ssm";
  return g.n_experts > 0 ? "moe" : "dense";
}

Result<Model> describe_family(const Family& family, const json::Value& config, std::string_view model_type,
                              std::span<const TensorInfo> sources, const SourceFacts& facts) {
  Model model;
  model.family = family.name;
  model.model_type = model_type;
  model.config = config;
  json::Value* text = &model.config;
  if (family.text_config && json::find(config, "text_config") != nullptr) text = &model.config["text_config"];
  if (!text->is_object()) return Status(StatusCode::corrupt, "config.json: text_config must be an object");
  if (family.edit != nullptr) JANG_TRY(family.edit(text));
  add_defaults(family.defaults, text);

  JANG_ASSIGN(Geometry geometry, read_geometry(*text, family.reads));
  JANG_TRY(bind_tensors(family, &geometry, *text, sources, facts, &model));
  if (family.name != "qwen3_moe") model.refusal = mlx_rope_refusal(*text);
  if (model.refusal.empty()) model.refusal = mlx_heads_refusal(family, geometry);
  for (std::string& difference : mlx_differences(family, *text)) model.warnings.push_back(std::move(difference));
  finish_config(family, geometry, &model.config);

  model.architecture_kind = kind(geometry);
  model.attention = attention_kind(geometry.n_heads, geometry.n_kv_heads);
  model.n_layers = geometry.n_layers;
  model.n_experts = geometry.n_experts;
  model.tied = geometry.tied;
  model.mlx_layer_location = layer_location(model.tensors);
  return model;
}

}  // namespace

bool knows_tensors(const Model& model) { return model.family != kGenericFamily; }

std::optional<DoubtfulTie> doubtful_tie(const json::Value& config, std::span<const TensorInfo> sources) {
  if (!config.is_object()) return std::nullopt;
  const auto model_type = json::get_string(config, "model_type", "");
  const Family* family = model_type.ok() ? find_family(*model_type) : nullptr;
  if (family == nullptr) return doubtful_generic_tie(config, sources);
  if (!says_tied(*family, config)) return std::nullopt;
  const DoubtfulTie ends = find_ends(*family, sources);
  return ends.embedding >= 0 && ends.head >= 0 ? std::optional(ends) : std::nullopt;
}

Result<Model> describe(const json::Value& config, std::span<const TensorInfo> sources, const SourceFacts& facts) {
  if (!config.is_object()) return Status(StatusCode::corrupt, "config.json: must be an object");
  if (sources.empty()) return Status(StatusCode::corrupt, "the checkpoint has no tensors");
  std::vector<std::string> warnings;
  JANG_TRY(check_source(config, sources, &warnings));
  JANG_ASSIGN(const std::string model_type, json::get_string(config, "model_type", ""));
  if (model_type.empty()) return Status(StatusCode::corrupt, "config.json: 'model_type' is missing; it names the architecture");
  const auto described = [&]() -> Result<Model> {
    if (const Family* family = find_family(model_type)) return describe_family(*family, config, model_type, sources, facts);
    json::Value edited = config;
    drop_quantization_and_lift_ids(&edited);
    return describe_generic(std::move(edited), model_type, sources, facts);
  };
  JANG_ASSIGN(Model model, described());
  if (!model.refusal.empty())
    model.warnings.insert(model.warnings.begin(), "stock mlx-lm would refuse a bundle of this model: " + model.refusal);
  model.warnings.insert(model.warnings.begin(), warnings.begin(), warnings.end());
  return model;
}

}  // namespace jang::arch
