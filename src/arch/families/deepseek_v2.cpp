// SPDX-License-Identifier: Apache-2.0
// DeepSeek-V2: latent attention in every layer; experts are chosen by softmax, with topk_method group_limited_greedy from the groups with
// the largest scores. Weights are not divided by their sum, whatever the config says: no class does it.
#include "arch/families/deepseek_v2.h"

#include <fmt/format.h>

#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr Block kBlocks[] = {blocks::kEmbedding, deepseek_moe::kLatentAttention,
                             blocks::kRoutedMlp, deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,  blocks::kTwoNorms,
                             blocks::kHead};
constexpr std::string_view kTypes[] = {"deepseek_v2"};
constexpr ConfigDefault kDefaults[] = {
    {"routed_scaling_factor", "1.0"}, {"topk_method", "\"greedy\""}, {"rope_theta", "10000.0"}, {"rms_norm_eps", "1e-06"}};

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_ASSIGN(const std::string method, json::get_string(text, "topk_method", "greedy"));
  const bool grouped = method == "group_limited_greedy";
  if (method != "greedy" && !grouped)
    return {StatusCode::unsupported, fmt::format("config.json: topk_method {} is not supported by the engine", json::quote(method))};
  JANG_ASSIGN(const double scale, json::get_number(text, "routed_scaling_factor", 1));
  JANG_ASSIGN(const std::int64_t n_groups, json::get_int(text, "n_group", 1, 1, 4096));
  JANG_ASSIGN(const std::int64_t top_groups, json::get_int(text, "topk_group", 1, 1, 4096));
  for (LayerSpec& layer : config->layers) {
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (experts == nullptr) continue;
    experts->norm_topk = false;
    experts->weights_scale = static_cast<float>(scale);
    experts->group_score = GroupScore::largest;
    if (grouped) experts->n_groups = n_groups;
    if (grouped) experts->top_groups = top_groups;
    if (experts->shared) experts->shared->gated = false;
  }
  return {};
}

}  // namespace

constinit const Family kDeepseekV2{
    .name = "deepseek_v2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads | kReadsLatent,
    .traits = {.max_positions = 2048},
    .edit = deepseek_moe::edit,
    .specify = specify,
};

}  // namespace jang::arch
