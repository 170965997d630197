// SPDX-License-Identifier: Apache-2.0
// MiniMax-M2: queries and keys are normalised over all their heads at once, the first rotary_dim values of a head are rotated; every layer
// is a mixture as wide as intermediate_size, chosen by sigmoids with a correction, whose weights sum to one. Published files name the
// mixture as Mixtral's do (mixtral.cpp).
#include "arch/families/minimax_m2.h"

#include "arch/blocks.h"
#include "arch/config_edit.h"
#include "arch/decoder_config.h"
#include "arch/families/mixtral.h"

namespace jang::arch {
namespace {

constexpr Form kCorrectionForms[] = {{"model.layers.*.mlp.gate.e_score_correction_bias"},
                                     {"model.layers.*.block_sparse_moe.e_score_correction_bias"},
                                     {"model.layers.*.mlp.e_score_correction_bias"}};
constexpr Row kExtras[] = {
    {"model.layers.*.self_attn.q_norm.weight", Role::norm, {Dim::q}},
    {"model.layers.*.self_attn.k_norm.weight", Role::norm, {Dim::kv}},
    {"model.layers.*.mlp.gate.e_score_correction_bias", Role::bias, {Dim::experts}, When::moe_layer, kCorrectionForms, kKeepDtype},
};
constexpr Block kBlocks[] = {blocks::kEmbedding, blocks::kAttention, kExtras, mixtral::kMixture, blocks::kTwoNorms, blocks::kHead};
constexpr std::string_view kTypes[] = {"minimax_m2"};
constexpr ConfigDefault kDefaults[] = {
    {"num_experts_per_tok", "8"},
    {"rms_norm_eps", "1e-06"},
    {"rope_theta", "5000000.0"},
    {"shared_intermediate_size", "0"},
};

// The rotated part of a head as both keys: transformers keeps the factor, others read the number.
Status fill_rotary(json::Value* text) {
  JANG_ASSIGN(const std::int64_t heads, json::get_int(*text, "num_attention_heads", 1, 1, 1 << 14));
  JANG_ASSIGN(const std::int64_t hidden, json::get_int(*text, "hidden_size", 1, 1, 1 << 20));
  JANG_ASSIGN(const std::int64_t head, json::get_int(*text, "head_dim", hidden / heads, 1, 1 << 20));
  const json::Value* rope = json::find(*text, "rope_parameters");
  const json::Value* part = rope != nullptr && rope->is_object() ? json::find(*rope, "partial_rotary_factor") : nullptr;
  if (part == nullptr) part = json::find(*text, "partial_rotary_factor");
  if (part != nullptr && part->is_number()) {
    const double factor = part->get<double>();
    if (!(factor > 0) || factor > 1) return {StatusCode::corrupt, "config.json: 'partial_rotary_factor' must be above 0 and at most 1"};
    (*text)["rotary_dim"] = static_cast<std::int64_t>(static_cast<double>(head) * factor);
    return {};
  }
  JANG_ASSIGN(const std::int64_t rotated, json::get_int(*text, "rotary_dim", head, 1, head));
  (*text)["rotary_dim"] = rotated;
  (*text)["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head);
  return {};
}

Status edit(json::Value* text) {
  alias_key(text, "num_local_experts", "num_experts");
  copy_key(text, "intermediate_size", "moe_intermediate_size");  // whatever stands there, its class does not read it
  JANG_TRY(fill_rotary(text));
  return flatten_rope(text);
}

Status specify(const json::Value& /*text*/, DecoderConfig* config) {
  for (LayerSpec& layer : config->layers) {
    auto& experts = std::get<ExpertsSpec>(layer.ffn);
    experts.scoring = Scoring::sigmoid;
    experts.correction_bias = true;
  }
  return {};
}

}  // namespace

constinit const Family kMinimaxM2{
    .name = "minimax_m2",
    .model_types = kTypes,
    .blocks = kBlocks,
    .prefixes = blocks::kBareDecoder,
    .defaults = kDefaults,
    .reads = kReadsMoe,
    .traits = {.qk_norm = true,
               .qk_norm_of_rows = true,
               .always_norm_topk = true,
               .reads_partial_rotary = true,
               .theta = 5e6,
               .max_positions = 196608},
    .edit = edit,
    .specify = specify,
};

}  // namespace jang::arch
