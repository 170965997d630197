// SPDX-License-Identifier: Apache-2.0
// Ling and Ring, 1 and 2 (bailing_moe): one map for queries, keys and values; with norms of heads and a part of them rotated where the
// config says so; dense layers before mixtures whose shared experts have no gate. Version 2 scores experts by sigmoids with a correction
// and groups, version 1 by softmax.
#include "arch/families/bailing_moe.h"

#include <fmt/format.h>

#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/deepseek_moe.h"
#include "arch/routed_rows.h"

namespace jang::arch {
namespace {

constexpr Row kHeadNorms[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::head}, When::qk_norm},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::head}, When::qk_norm},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kFusedAttention, kHeadNorms,
                             blocks::kRoutedMlp, kSwitchedCorrection,     deepseek_moe::kSharedExperts,
                             blocks::kDenseMlp,  blocks::kTwoNorms,       blocks::kHead};
constexpr std::string_view kTypes[] = {"bailing_moe"};
constexpr std::string_view kSwitches[] = {"norm_head", "use_bias", "use_qkv_bias"};
constexpr Rename kParts[] = {
    {"word_embeddings", "embed_tokens"},
    {"attention.query_key_value", "self_attn.qkv_proj"},
    {"attention.dense", "self_attn.o_proj"},
    {"attention.query_layernorm", "self_attn.q_norm"},
    {"attention.key_layernorm", "self_attn.k_norm"},
    {"mlp.gate.expert_bias", "mlp.gate.e_score_correction_bias"},
};
constexpr ConfigDefault kDefaults[] = {
    {"norm_topk_prob", "true"},           {"n_group", "1"},          {"routed_scaling_factor", "1.0"}, {"rms_norm_eps", "1e-06"},
    {"num_experts_per_tok", "8"},         {"rope_theta", "10000.0"}, {"first_k_dense_replace", "0"},   {"num_shared_experts", "0"},
    {"max_position_embeddings", "16384"}, {"use_qk_norm", "false"},  {"tie_word_embeddings", "false"}, {"score_function", "\"softmax\""}};

// The rotated part of a head, as a number of values in some configs.
Status edit_rotary(json::Value* text) {
  const json::Value* dims = json::find(*text, "rotary_dim");
  if (dims == nullptr) return {};
  JANG_ASSIGN(const std::int64_t rotated, json::get_int(*text, "rotary_dim", 0, 2, 1 << 14));
  JANG_ASSIGN(const std::int64_t hidden, json::get_int(*text, "hidden_size", 0, 1, 1 << 20));
  JANG_ASSIGN(const std::int64_t heads, json::get_int(*text, "num_attention_heads", 1, 1, 1 << 14));
  (*text)["partial_rotary_factor"] = static_cast<double>(rotated) * static_cast<double>(heads) / static_cast<double>(hidden);
  return {};
}

Status edit(json::Value* text) {
  add_defaults(kDefaults, text);
  copy_key(text, "num_shared_experts", "n_shared_experts");
  if (json::find(*text, "moe_router_enable_expert_bias") != nullptr) copy_key(text, "moe_router_enable_expert_bias", "use_expert_bias");
  JANG_ASSIGN(const std::int64_t groups, json::get_int(*text, "n_group", 1, 1, 4096));
  if (groups == 1) (*text)["topk_group"] = 1;
  JANG_TRY(edit_rotary(text));
  JANG_TRY(deepseek_moe::edit(text));
  // The width of one shared expert, where it is not that of a routed one.
  JANG_ASSIGN(const std::int64_t n_shared, json::get_int(*text, "num_shared_experts", 0, 0, 4096));
  JANG_ASSIGN(const std::int64_t width, json::get_int(*text, "moe_shared_expert_intermediate_size", 0, 0, 1 << 24));
  if (n_shared > 0 && width > 0) (*text)["shared_expert_intermediate_size"] = n_shared * width;
  return {};
}

Status specify(const json::Value& text, DecoderConfig* config) {
  JANG_TRY(deepseek_moe::specify(text, config));
  JANG_ASSIGN(const bool qk_norm, json::get_bool(text, "use_qk_norm", false));
  JANG_ASSIGN(const bool corrected, json::get_bool(text, "use_expert_bias", false));
  JANG_ASSIGN(const std::string scoring, json::get_string(text, "score_function", "softmax"));
  if (scoring != "softmax" && scoring != "sigmoid")
    return {StatusCode::unsupported, fmt::format("config.json: score_function {} is not supported by the engine", json::quote(scoring))};
  for (LayerSpec& layer : config->layers) {
    std::get<AttentionSpec>(layer.mixer).qk_norm = qk_norm;
    auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
    if (experts == nullptr) continue;
    experts->scoring = scoring == "sigmoid" ? Scoring::sigmoid : Scoring::softmax;
    experts->correction_bias = corrected;
  }
  return {};
}

}  // namespace

constinit const Family kBailingMoe{
    .name = "bailing_moe",
    .model_types = kTypes,
    .unlisted_switches = kSwitches,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .parts = kParts,
    .defaults = kDefaults,
    .reads = deepseek_moe::kReads,
    .more_layers = true,
    .traits = {.qkv = QkvMaps::stacked, .reads_partial_rotary = true, .max_positions = 16384},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
