// SPDX-License-Identifier: Apache-2.0
// ERNIE 4.5 mixtures: the attention of the dense model (ernie4_5.cpp), routed and shared experts on the layers that the config names, every
// n-th of a range, a dense MLP on the others. Experts are chosen by softmax and a correction, which weights do not see; weights sum to one.
#include "arch/families/ernie4_5_moe.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"

namespace jang::arch {
namespace {

constexpr std::int64_t kMostLayers = 10000, kWidest = 1 << 24;

constexpr Row kCorrection[] = {
    {"model.layers.*.mlp.gate.e_score_correction_bias", Role::bias, {Dim::one, Dim::experts}, When::moe_layer, {}, kKeepDtype}};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention,           blocks::kAttentionBiases, blocks::kRoutedMlp, kCorrection,
                             blocks::kDenseMlp,  deepseek_moe::kSharedExperts, blocks::kTwoNorms,        blocks::kHead};
constexpr std::string_view kTypes[] = {"ernie4_5_moe"};
constexpr Rename kParts[] = {{"mlp.moe_statics.e_score_correction_bias", "mlp.gate.e_score_correction_bias"}};
constexpr std::string_view kPredicting = "multi-token-prediction layer: the decoder has none";
constexpr Drop kDrops[] = {{"model.mtp_block", "", kPredicting},
                           {"model.mtp_linear_proj", "", kPredicting},
                           {"model.mtp_hidden_norm", "", kPredicting},
                           {"model.mtp_emb_norm", "", kPredicting}};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", "1e-05"},       {"tie_word_embeddings", "true"}, {"rope_theta", "500000.0"}, {"max_position_embeddings", "131072"},
    {"num_key_value_heads", "4"},    {"use_bias", "false"},           {"norm_topk_prob", "true"}, {"moe_k", "6"},
    {"moe_num_shared_experts", "2"},
};

// Layers with one MLP, and the last mixture by its number: loaders take -1 for none.
Status list_dense(json::Value* text) {
  JANG_ASSIGN(const std::int64_t n_layers, json::get_int(*text, "num_hidden_layers", 0, 0, kMostLayers));
  JANG_ASSIGN(const std::int64_t first, json::get_int(*text, "moe_layer_start_index", 1, 0, kMostLayers));
  JANG_ASSIGN(const std::int64_t given_last, json::get_int(*text, "moe_layer_end_index", -1, -1, kMostLayers));
  JANG_ASSIGN(const std::int64_t interval, json::get_int(*text, "moe_layer_interval", 1, 1, kMostLayers));
  const std::int64_t last = given_last < 0 ? n_layers - 1 : given_last;
  JANG_TRY(list_dense_layers(text, [&](std::int64_t l) { return (l + 1) % interval != 0 || l < first || l > last; }));
  (*text)["moe_layer_start_index"] = first;
  (*text)["moe_layer_end_index"] = last;
  (*text)["moe_layer_interval"] = interval;
  return {};
}

Status edit(json::Value* text) {
  copy_key(text, "moe_num_experts", "num_experts");
  copy_key(text, "use_bias", "attention_bias");  // the only switch that the class reads
  JANG_TRY(list_dense(text));
  add_defaults(kDefaults, text);
  copy_key(text, "moe_k", "num_experts_per_tok");
  JANG_ASSIGN(const std::int64_t n_shared, json::get_int(*text, "moe_num_shared_experts", 2, 0, 4096));
  JANG_ASSIGN(const std::int64_t width, json::get_int(*text, "moe_intermediate_size", 0, 0, kWidest));
  if (n_shared > 0 && width > 0) (*text)["shared_expert_intermediate_size"] = n_shared * width;
  return flatten_rope(text);
}

Status specify(const json::Value& /*text*/, DecoderConfig* config) {
  for (LayerSpec& layer : config->layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn); experts != nullptr) {
      experts->norm_topk = true;
      experts->correction_bias = true;
      if (experts->shared) experts->shared->gated = false;
    }
  return {};
}

}  // namespace

constinit const Family kErnie45Moe{
    .name = "ernie4_5_moe",
    .model_types = kTypes,
    .blocks = kBlocks,
    .drops = kDrops,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .traits = {.interleaved_rope = true, .theta = 500'000, .max_positions = 131072},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
