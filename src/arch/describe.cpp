// SPDX-License-Identifier: Apache-2.0
// Find the family, bring its config to one spelling, read the geometry, bind the rows.
#include "arch/describe.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/bind.h"
#include "arch/config_edit.h"
#include "arch/family.h"
#include "arch/family_config.h"
#include "arch/generic.h"
#include "arch/geometry.h"
#include "arch/path.h"
#include "arch/registry.h"

namespace jang::arch {
namespace {

std::string_view kind(const Geometry& g) {
  if (g.full_attention_interval > 0 || !g.conv_layers.empty() || !g.mamba_layers.empty())
    return g.n_experts > 0 ? "hybrid_moe_ssm" : "hybrid_ssm";
  return g.n_experts > 0 ? "moe" : "dense";
}

Result<Model> describe_family(const Family& family, const json::Value& config, std::string_view model_type,
                              std::span<const TensorInfo> sources, const SourceFacts& facts) {
  Model model;
  model.family = family.name;
  model.model_type = model_type;
  model.config = config;
  JANG_ASSIGN(Geometry geometry, read_config(family, &model.config));
  const json::Value& text = *language_config(family, &model.config);
  JANG_TRY(bind_tensors(family, &geometry, text, sources, facts, &model));
  model.architecture_kind = kind(geometry);
  model.attention = geometry.n_heads == 0 ? "none" : geometry.latent ? "mla" : attention_kind(geometry.n_heads, geometry.n_kv_heads);
  model.n_layers = geometry.n_layers;
  model.n_experts = geometry.n_experts;
  model.tied = geometry.tied;
  return model;
}

bool is_foreign(const Family& family, std::span<const TensorInfo> sources) {
  return !family.foreign.empty() &&
         std::ranges::any_of(sources, [&](const TensorInfo& t) { return std::ranges::count(split_path(t.name), family.foreign) > 0; });
}

}  // namespace

void leave_vision_out(Model* model, std::span<const TensorInfo> sources) {
  if (!model->has_vision) return;
  for (const OutTensor& t : model->tensors)
    if (t.role == Role::vision)
      model->dropped.push_back(
          {sources[static_cast<std::size_t>(t.pieces.front().source)].name, "vision tower: no part of the text model"});
  std::erase_if(model->tensors, [](const OutTensor& t) { return t.role == Role::vision; });
  model->has_vision = false;
}

bool knows_tensors(const Model& model) { return model.family != kGenericFamily; }

json::Value* language_config(const Family& family, json::Value* config) {
  return family.text_config && json::find(*config, "text_config") != nullptr ? &(*config)["text_config"] : config;
}

std::optional<DoubtfulTie> doubtful_tie(const json::Value& config, std::span<const TensorInfo> sources) {
  if (!config.is_object()) return std::nullopt;
  const Family* family = family_of(config);
  if (family == nullptr) return doubtful_generic_tie(config, sources);
  if (!says_tied(*family, config)) return std::nullopt;
  const DoubtfulTie ends = find_ends(*family, sources);
  return ends.embedding >= 0 && ends.head >= 0 ? std::optional(ends) : std::nullopt;
}

Result<Model> describe(const json::Value& config, std::span<const TensorInfo> sources, const SourceFacts& facts) {
  if (!config.is_object()) return Status(StatusCode::corrupt, "config.json: must be an object");
  if (sources.empty()) return Status(StatusCode::corrupt, "the checkpoint has no tensors");
  JANG_ASSIGN(const std::string model_type, json::get_string(config, "model_type", ""));
  if (model_type.empty()) return Status(StatusCode::corrupt, "config.json: 'model_type' is missing; it names the architecture");
  if (const Family* family = family_of(config); family != nullptr && !is_foreign(*family, sources))
    return describe_family(*family, config, model_type, sources, facts);
  return describe_generic(config, model_type, sources, facts);
}

}  // namespace jang::arch
