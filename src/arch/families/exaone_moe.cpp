// SPDX-License-Identifier: Apache-2.0
// K-EXAONE: windows and rotation of EXAONE 4 (exaone4.cpp), norms before the blocks and of every head; on sparse layers the mixture of
// DeepSeek-V3 (deepseek_moe.h), whose correction published files have beside the router.
#include "arch/families/exaone_moe.h"

#include <fmt/format.h>

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"
#include "arch/families/exaone4.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMostLayers = 10000, kWidest = 1 << 24;

constexpr Form kCorrectionForms[] = {{"model.layers.*.mlp.gate.e_score_correction_bias"}, {"model.layers.*.mlp.e_score_correction_bias"}};
constexpr Row kCorrection[] = {
    {"model.layers.*.mlp.gate.e_score_correction_bias", Role::bias, {Dim::experts}, When::moe_layer, kCorrectionForms, kKeepDtype}};
constexpr Block kBlocks[] = {blocks::kEmbedding,           blocks::kAttention, blocks::kQkNorms,  blocks::kRoutedMlp, kCorrection,
                             deepseek_moe::kSharedExperts, blocks::kDenseMlp,  blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"exaone_moe"};
constexpr Drop kDrops[] = {{"mtp", "", "multi-token-prediction layer: the decoder has none"}};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"}, {"n_group", "1"},         {"topk_group", "1"},         {"routed_scaling_factor", "2.5"},
    {"rms_norm_eps", "1e-05"},  {"rope_scaling", "null"}, {"num_shared_experts", "1"}, {"max_position_embeddings", "2048"},
};

// Whether a layer is a mixture: mlp_layer_types, or is_moe_layer of older configs, or else the layers from first_k_dense_replace on.
Status list_layers(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, kMostLayers));
  JANG_ASSIGN(const std::int64_t first, json::get_int(*text, "first_k_dense_replace", 1, 0, kMostLayers));
  const json::Value* types = json::find(*text, "mlp_layer_types");
  const json::Value* flags = json::find(*text, "is_moe_layer");
  for (const json::Value* list : {types, flags})
    if (list != nullptr && (!list->is_array() || list->size() != static_cast<std::size_t>(n_layers)))
      return {StatusCode::corrupt, fmt::format("config.json: mlp_layer_types and is_moe_layer must list {} layers", n_layers)};
  json::Value dense = json::Value::array(), is_moe = json::Value::array(), kinds = json::Value::array();
  for (std::int64_t l = 0; l < n_layers; ++l) {
    const auto at = static_cast<std::size_t>(l);
    const bool sparse = types != nullptr ? (*types)[at] == "sparse" : flags != nullptr ? (*flags)[at] == true : l >= first;
    if (!sparse) dense.push_back(l);
    is_moe.push_back(sparse);
    kinds.push_back(sparse ? "sparse" : "dense");
  }
  (*text)["mlp_only_layers"] = std::move(dense);
  (*text)["is_moe_layer"] = std::move(is_moe);
  (*text)["mlp_layer_types"] = std::move(kinds);
  return {};
}

Status edit(json::Value* text) {
  JANG_TRY(list_layers(text));
  JANG_ASSIGN(const std::int64_t n_shared, json::get_int(*text, "num_shared_experts", 1, 0, 4096));
  JANG_ASSIGN(const std::int64_t width, json::get_int(*text, "moe_intermediate_size", 0, 0, kWidest));
  if (n_shared > 0 && width > 0) (*text)["shared_expert_intermediate_size"] = n_shared * width;
  return kExaone4.edit(text);
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(kExaone4.specify(text, config));
  return deepseek_moe::specify(text, config);
}

}  // namespace

constinit const Family kExaoneMoe{
    .name = "exaone_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .drops = kDrops,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .traits = {.qk_norm = true, .window = WindowRule::pattern, .window_period = 4, .max_positions = 2048},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
