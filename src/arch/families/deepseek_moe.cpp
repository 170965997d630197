// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "arch/families/deepseek_moe.h"

#include <fmt/format.h>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"

namespace jang::arch::deepseek_moe {
namespace {

constexpr std::int64_t kMostLayers = 10000, kMostExperts = 4096, kWidest = 1 << 24;

// Layers before first_k_dense_replace, and behind it those that moe_layer_freq skips, have one MLP.
Status list_dense(json::Value* text) {
  JANG_ASSIGN(const std::int64_t first, json::get_int(*text, "first_k_dense_replace", 0, 0, kMostLayers));
  JANG_ASSIGN(const std::int64_t frequency, json::get_int(*text, "moe_layer_freq", 1, 1, kMostLayers));
  return list_dense_layers(text, [&](std::int64_t l) { return l < first || l % frequency != 0; });
}

}  // namespace

Status edit(json::Value* text) {
  alias_key(text, "n_routed_experts", "num_experts");
  JANG_TRY(list_dense(text));
  JANG_ASSIGN(const std::int64_t n_shared, json::get_int(*text, "n_shared_experts", 0, 0, kMostExperts));
  JANG_ASSIGN(const std::int64_t width, json::get_int(*text, "moe_intermediate_size", 0, 0, kWidest));
  if (n_shared > 0 && width > 0) (*text)["shared_expert_intermediate_size"] = n_shared * width;
  return flatten_rope(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const std::string scoring, json::get_string(text, "scoring_func", "sigmoid"));
  if (scoring != "sigmoid")
    return {StatusCode::unsupported, fmt::format("config.json: scoring_func {} is not supported by the engine", json::quote(scoring))};
  JANG_ASSIGN(const double scale, json::get_number(text, "routed_scaling_factor", 1));
  JANG_ASSIGN(const std::int64_t n_groups, json::get_int(text, "n_group", 1, 1, kMostExperts));
  JANG_ASSIGN(const std::int64_t top_groups, json::get_int(text, "topk_group", 1, 1, kMostExperts));
  for (LayerSpec& layer : config->layers) {
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (experts == nullptr) continue;
    experts->scoring = Scoring::sigmoid;
    experts->correction_bias = true;
    experts->weights_scale = static_cast<float>(scale);
    experts->n_groups = n_groups;
    experts->top_groups = top_groups;
    if (experts->shared) experts->shared->gated = false;
  }
  return {};
}

}  // namespace jang::arch::deepseek_moe
